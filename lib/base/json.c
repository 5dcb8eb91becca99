/* SPDX-License-Identifier: MIT
 *
 * json.c - see json.h.
 */
#include "base/json.h"

/* Most allocations that fail leave no message behind. */
bool json_out_of_memory(const json_error_t *error)
{
    return error->text[0] == '\0' || json_error_code(error) == json_error_out_of_memory;
}

const char *json_limit(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_null_character:
        return "a text has a NUL (\\u0000), which no text here can have; leave it out";
    case json_error_null_byte_in_key:
        return "a name has a NUL (\\u0000), which no name here can have; leave it out";
    case json_error_numeric_overflow:
        return "a number is too large; whole numbers have 64 bits, others are binary64";
    case json_error_stack_overflow:
        return "arrays and objects nest too deep";
    default:
        return NULL;
    }
}

hearth_status json_read(json_t **out, const char *text, size_t n, size_t flags, const char *what,
                        hearth_error *err)
{
    json_error_t error;
    *out = json_loadb(text, n, flags, &error);
    if (*out)
        return HEARTH_OK;
    if (json_out_of_memory(&error))
        return error_no_memory(err, what, n);
    const char *limit = json_limit(&error);
    if (limit)
        FAIL(err, EINVAL, what, "%s: line %d, column %d: %s", what, error.line, error.column,
             limit);
    FAIL(err, EINVAL, what, "%s: no JSON: line %d, column %d: %s", what, error.line, error.column,
         error.text);
}

typedef struct writer {
    buf *out;
    bool failed;
} writer;

/* jansson does not look at what this returns for keys. */
static int put(const char *text, size_t n, void *to)
{
    writer *w = to;
    w->failed = w->failed || !buf_append(w->out, text, n);
    return w->failed ? -1 : 0;
}

bool json_write(buf *out, const json_t *value, size_t flags)
{
    size_t before = out->n;
    writer w = {.out = out};
    if (value && json_dump_callback(value, put, &w, flags) == 0 && !w.failed)
        return true;
    out->n = before;
    if (out->data)
        out->data[before] = '\0';
    return false;
}

char *json_to_text(const json_t *value, size_t flags)
{
    buf text;
    size_t n;
    buf_init(&text, 0);
    char *taken = json_write(&text, value, flags) ? buf_take(&text, &n) : NULL;
    buf_deinit(&text);
    return taken;
}

json_t *json_dup(const json_t *value)
{
    json_t *copy = json_copy((json_t *)value);
    if (json_object_size(copy) == json_object_size(value) &&
        json_array_size(copy) == json_array_size(value))
        return copy;
    json_decref(copy);
    return NULL;
}
