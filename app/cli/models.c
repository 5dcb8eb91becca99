/* SPDX-License-Identifier: MIT
 *
 * models.c - see models.h.
 */
#include "cli/models.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/human.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"

/* ---- what MODEL means ---- */

static bool has_key(const option_list *overrides, const char *text)
{
    size_t n = strcspn(text, "=") + 1;
    for (size_t i = 0; i < overrides->n; i++) {
        if (strncmp(overrides->items[i], text, n) == 0)
            return true;
    }
    return false;
}

hearth_status models_choose(model_choice *out, const char *model, const option_list *overrides,
                            hearth_error *err)
{
    const library_model *m;
    *out = (model_choice){.file = NULL};
    TRY(library_resolve(NULL, model, &out->file, &m, err));
    size_t n = library_overrides(m, out->texts);
    library_model_unref(m);
    out->overrides.items = mem_calloc(overrides->n + n + 1, sizeof *out->overrides.items);
    if (out->overrides.items == NULL)
        return error_no_memory(err, "overrides", n * sizeof *out->texts);
    for (size_t i = 0; i < overrides->n; i++)
        out->overrides.items[out->overrides.n++] = overrides->items[i];
    for (size_t i = 0; i < n; i++) {
        if (!has_key(overrides, out->texts[i]))
            out->overrides.items[out->overrides.n++] = out->texts[i];
    }
    return HEARTH_OK;
}

void model_choice_deinit(model_choice *choice)
{
    mem_free(choice->file);
    mem_free(choice->overrides.items);
    *choice = (model_choice){.file = NULL};
}

int32_t models_limit(const char *model)
{
    const library_model *m = NULL;
    char *file = NULL;
    if (library_resolve(NULL, model, &file, &m, NULL) != HEARTH_OK)
        return -1;
    uint32_t limit = m ? m->max_tokens : 0;
    library_model_unref(m);
    mem_free(file);
    return limit > 0 && limit <= INT32_MAX ? (int32_t)limit : -1;
}

/* ---- a model elsewhere ---- */

static bool is_wanted(void *user)
{
    (void)user;
    return !interrupt_pending();
}

hearth_status models_peek(peek **out, const char **model, const cli_general *general,
                          hearth_error *err)
{
    const peek_options options = {
        .reference = *model, .is_wanted = is_wanted, .no_mmproj = true, .log = cli_log(general)};
    library *l = NULL;
    *out = NULL;
    if (!peek_is_reference(*model, NULL))
        return HEARTH_OK;
    TRY(models_open(&l, general, err));
    bool is_elsewhere = peek_is_reference(*model, l);
    library_close(l);
    if (!is_elsewhere)
        return HEARTH_OK;
    TRY(peek_open(out, &options, err));
    *model = peek_path(*out);
    cli_note("read %s of %s", human_bytes(peek_fetched_bytes(*out)).text,
             human_bytes(peek_size_bytes(*out)).text);
    return HEARTH_OK;
}

/* ---- the library ---- */

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
