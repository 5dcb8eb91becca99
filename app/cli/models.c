/* SPDX-License-Identifier: MIT
 *
 * models.c - see models.h.
 */
#include "cli/models.h"

#include <stdio.h>
#include <string.h>

#include "cli/terminal.h"

hearth_status models_open(library **out, const cli_general *general, hearth_error *err)
{
    library_options options;
    library_options_init(&options);
    options.log = cli_log(general);
    return library_open(out, &options, err);
}

void models_write_capabilities(unsigned capabilities)
{
    const char *blank = "";
#define LIBRARY_X(name, bit, spelling)                                                             \
    if (capabilities & LIBRARY_CAN_##name) {                                                       \
        printf("%s%s", blank, spelling);                                                           \
        blank = " ";                                                                               \
    }
    LIBRARY_CAPABILITY_MAP(LIBRARY_X)
#undef LIBRARY_X
}

void models_write_column(const char *text, int width)
{
    size_t n = strcspn(text, "\n");
    int shown = 0;
    for (size_t i = 0; i < n; i++)
        shown += ((unsigned char)text[i] & 0xc0) != 0x80;
    terminal_write_safe(stdout, text, n);
    if (width > 0)
        printf("%*s", width > shown ? width - shown : 1, "");
}
