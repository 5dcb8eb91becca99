/* SPDX-License-Identifier: MIT
 *
 * named_templates.c - chat templates by name (named_templates.def), for model files that have none
 * or a wrong one.
 */
#include <stdio.h>
#include <string.h>

#include <hearth/chat.h>

#include "base/status.h"

typedef struct named_template {
    const char *name, *source;
} named_template;

static const named_template templates[] = {
#define T(name, source) {name, source},
#include "chat/named_templates.def"
#undef T
};
enum { N_TEMPLATES = sizeof templates / sizeof *templates };

const char *hearth_chat_template_name(size_t i)
{
    return i < N_TEMPLATES ? templates[i].name : NULL;
}

/* All names in one line; of a variant only what it adds to the name before, as " -sys". */
static void list_names(char *out, size_t size)
{
    const char *base = NULL;
    for (size_t i = 0, at = 0; i < N_TEMPLATES && at < size; i++) {
        const char *name = templates[i].name;
        size_t n = base ? strlen(base) : 0;
        bool goes_on = base && strncmp(name, base, n) == 0 && name[n] == '-';
        at += (size_t)snprintf(out + at, size - at, " %s", goes_on ? name + n : name);
        base = goes_on ? base : name;
    }
}

hearth_status hearth_chat_template_named(const char *name, const char **source, hearth_error *err)
{
    char names[400];
    *source = NULL;
    for (size_t i = 0; i < N_TEMPLATES; i++) {
        if (strcmp(templates[i].name, name) == 0) {
            *source = templates[i].source;
            return HEARTH_OK;
        }
    }
    list_names(names, sizeof names);
    FAIL(err, EINVAL, "chat_template", "'%.24s' is neither Jinja nor the name of a format:%s", name,
         names);
}
