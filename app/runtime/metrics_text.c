/* SPDX-License-Identifier: MIT
 *
 * metrics_text.c - see metrics_text.h.
 */
#include "runtime/metrics_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "name value" or "name{labels} value", of one line. */
static bool read_line(const char *line, size_t n, const char *name, double *out)
{
    const size_t length = strlen(name);
    char number[64];
    if (n <= length || memcmp(line, name, length) != 0)
        return false;
    const char *at = line + length, *end = line + n;
    if (*at == '{') {
        at = memchr(at, '}', (size_t)(end - at));
        if (at == NULL)
            return false;
        at++;
    }
    if (at == end || *at != ' ')
        return false;
    while (at < end && *at == ' ')
        at++;
    size_t digits = 0;
    while (at + digits < end && digits < sizeof number - 1 && at[digits] != ' ' &&
           at[digits] != '\r')
        digits++;
    memcpy(number, at, digits);
    number[digits] = '\0';
    char *stop;
    *out = strtod(number, &stop);
    return stop != number && *stop == '\0' && isfinite(*out);
}

bool metrics_find(const char *text, size_t n, const char *name, double *out)
{
    while (n > 0) {
        const char *end = memchr(text, '\n', n);
        size_t length = end ? (size_t)(end - text) : n;
        if (read_line(text, length, name, out))
            return true;
        length += end != NULL;
        text += length;
        n -= length;
    }
    return false;
}

bool metrics_head(buf *out, const char *name, const char *type, const char *help)
{
    return buf_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static bool write_label(buf *out, const metrics_label *label)
{
    bool ok = buf_append_format(out, "%s=\"", label->name);
    for (const char *c = label->value; *c && ok; c++) {
        if (*c == '\n')
            ok = buf_append_text(out, "\\n");
        else
            ok = (*c != '"' && *c != '\\') || buf_append_text(out, "\\");
        ok = ok && (*c == '\n' || buf_append(out, c, 1));
    }
    return ok && buf_append_text(out, "\"");
}

bool metrics_sample(buf *out, const char *name, const metrics_label *labels, size_t n, double value)
{
    bool ok = buf_append_text(out, name);
    for (size_t i = 0; i < n && ok; i++)
        ok = buf_append_text(out, i == 0 ? "{" : ",") && write_label(out, &labels[i]);
    ok = ok && (n == 0 || buf_append_text(out, "}"));
    return ok && buf_append_format(out, " %.15g\n", value);
}

bool metrics_value(buf *out, const char *name, const char *model, double value)
{
    const metrics_label label = {"model", model};
    return metrics_sample(out, name, &label, model != NULL, value);
}
