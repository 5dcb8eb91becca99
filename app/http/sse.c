/* SPDX-License-Identifier: MIT
 *
 * sse.c - see sse.h.
 */
#include "http/sse.h"

#include <string.h>

void sse_init(sse_reader *r, size_t max_bytes)
{
    *r = (sse_reader){0};
    buf_init(&r->in, max_bytes);
    buf_init(&r->name, 256);
    buf_init(&r->id, 256);
    buf_init(&r->data, max_bytes);
}

void sse_deinit(sse_reader *r)
{
    buf_deinit(&r->in);
    buf_deinit(&r->name);
    buf_deinit(&r->id);
    buf_deinit(&r->data);
}

buf *sse_input(sse_reader *r)
{
    return &r->in;
}

/* One line without its end; false: not whole yet. A CR at the end of what came may be half of a
 * line's end. */
static bool take_line(sse_reader *r, const char **line, size_t *n)
{
    const char *from = r->in.data + r->at;
    size_t left = r->in.n - r->at, i = 0;
    while (i < left && from[i] != '\n' && from[i] != '\r')
        i++;
    if (i == left || (from[i] == '\r' && i + 1 == left))
        return false;
    *line = from;
    *n = i;
    r->at += i + 1 + (from[i] == '\r' && from[i + 1] == '\n');
    return true;
}

static bool is_field(const char *line, size_t n, const char *field, const char **value,
                     size_t *n_value)
{
    size_t n_field = strlen(field);
    if (n < n_field || memcmp(line, field, n_field) != 0 || (n > n_field && line[n_field] != ':'))
        return false;
    size_t skip = n > n_field ? n_field + 1 : n;
    skip += skip < n && line[skip] == ' ';
    *value = line + skip;
    *n_value = n - skip;
    return true;
}

static void read_line(sse_reader *r, const char *line, size_t n)
{
    const char *value;
    size_t n_value;
    if (is_field(line, n, "data", &value, &n_value)) {
        if (r->has_data)
            buf_append(&r->data, "\n", 1);
        buf_append(&r->data, value, n_value);
        r->has_data = true;
    } else if (is_field(line, n, "event", &value, &n_value)) {
        buf_clear(&r->name);
        buf_append(&r->name, value, n_value);
    } else if (is_field(line, n, "id", &value, &n_value) && !memchr(value, 0, n_value)) {
        buf_clear(&r->id);
        buf_append(&r->id, value, n_value);
    }
}

static void begin_event(sse_reader *r)
{
    buf_clear(&r->name);
    buf_clear(&r->data);
    r->has_data = r->given = false;
}

bool sse_next(sse_reader *r, sse_event *out)
{
    const char *line;
    size_t n;
    if (r->given)
        begin_event(r);
    while (r->in.n > 0 && take_line(r, &line, &n)) {
        if (n > 0) {
            read_line(r, line, n);
            continue;
        }
        if (!r->has_data) {
            begin_event(r);
            continue;
        }
        *out = (sse_event){.name = r->name.n > 0 ? r->name.data : "message",
                           .data = r->data.n > 0 ? r->data.data : "",
                           .n_data = r->data.n,
                           .id = r->id.n > 0 ? r->id.data : ""};
        r->given = true;
        return true;
    }
    buf_remove_front(&r->in, r->at);
    r->at = 0;
    return false;
}
