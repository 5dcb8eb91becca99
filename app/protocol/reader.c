/* SPDX-License-Identifier: MIT
 *
 * reader.c - see reader.h: typed values, paths, the list of ignored fields, objects being built.
 */
#include "protocol/reader.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum { IGNORED_BYTES_MAX = 512, PATH_BYTES_MAX = 160 };

/* ---- paths and errors ---- */

static void write_path(const path *at, bool indices, buf *out)
{
    if (at->up)
        write_path(at->up, indices, out);
    if (at->key) {
        if (out->n > 0)
            buf_append_text(out, ".");
        buf_append_text(out, at->key);
    } else if (indices) {
        buf_append_format(out, "[%zu]", at->index);
    } else {
        buf_append_text(out, "[]");
    }
}

hearth_status refuse(reader *in, const path *at, const char *format, ...)
{
    buf where;
    char message[sizeof in->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    buf_init(&where, PATH_BYTES_MAX); /* a longer path is cut */
    write_path(at, true, &where);
    const char *text = where.data ? where.data : "";
    hearth_status status = error_set(in->err, HEARTH_EINVAL, text, "%s: %s", text, message);
    buf_deinit(&where);
    return status;
}

hearth_status no_memory(reader *in)
{
    FAIL(in->err, ENOMEM, "request", "out of memory while reading the request; try again later");
}

const char *json_kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a truth value";
    case JSON_NULL:
        break;
    }
    return "null";
}

/* ---- values ---- */

hearth_status want_bool(reader *in, const path *at, const json_t *value, bool *out)
{
    if (!json_is_boolean(value))
        return refuse(in, at, "must be true or false, not %s", json_kind(value));
    *out = json_is_true(value);
    return HEARTH_OK;
}

hearth_status want_int(reader *in, const path *at, const json_t *value, int64_t min, int64_t max,
                       int64_t *out)
{
    double real = json_is_number(value) ? json_number_value(value) : 0;
    if (!json_is_number(value) || real != floor(real))
        return refuse(in, at, "must be a whole number, not %s",
                      json_is_number(value) ? "a fraction" : json_kind(value));
    /* Bounds fit in 53 bits, so that the comparison is exact for what passes it. */
    if (real < (double)min || real > (double)max)
        return refuse(in, at, "%.0f is out of range; it must be from %lld to %lld", real,
                      (long long)min, (long long)max);
    *out = (int64_t)real;
    return HEARTH_OK;
}

hearth_status want_float(reader *in, const path *at, const json_t *value, double min, double max,
                         float *out)
{
    if (!json_is_number(value))
        return refuse(in, at, "must be a number, not %s", json_kind(value));
    double real = json_number_value(value);
    /* Narrowed first: 0.1 as a double lies outside a bound of 0.1f. */
    if (!((float)real >= min && (float)real <= max))
        return refuse(in, at, "%.9g is out of range; it must be from %.7g to %.7g", real, min, max);
    *out = (float)real;
    return HEARTH_OK;
}

hearth_status want_text(reader *in, const path *at, const json_t *value, const char **out)
{
    *out = json_string_value(value);
    if (*out == NULL)
        return refuse(in, at, "must be a text, not %s", json_kind(value));
    return HEARTH_OK;
}

hearth_status want_name(reader *in, const path *at, const json_t *value, size_t n_min, size_t n_max,
                        const char **out)
{
    TRY(want_text(in, at, value, out));
    size_t n = json_string_length(value);
    if (n < n_min || n > n_max)
        return refuse(in, at, "has %zu bytes; it must have %zu to %zu", n, n_min, n_max);
    return HEARTH_OK;
}

hearth_status want_choice(reader *in, const path *at, const json_t *value, const char *choices,
                          int *out)
{
    const char *text;
    TRY(want_text(in, at, value, &text));
    size_t n_text = strlen(text);
    int index = 0;
    for (const char *choice = choices; *choice; index++) {
        size_t n = strcspn(choice, "|");
        if (n == n_text && memcmp(choice, text, n) == 0) {
            *out = index;
            return HEARTH_OK;
        }
        choice += n + (choice[n] == '|');
    }
    return refuse(in, at, "'%.64s' is not one of %s", text, choices);
}

hearth_status want_object(reader *in, const path *at, const json_t *value)
{
    if (!json_is_object(value))
        return refuse(in, at, "must be an object, not %s", json_kind(value));
    return HEARTH_OK;
}

hearth_status want_array(reader *in, const path *at, const json_t *value, size_t n_min,
                         size_t n_max)
{
    if (!json_is_array(value))
        return refuse(in, at, "must be an array, not %s", json_kind(value));
    size_t n = json_array_size(value);
    if (n < n_min)
        return refuse(in, at, "is empty");
    if (n > n_max)
        return refuse(in, at, "has %zu values; at most %zu are taken", n, n_max);
    return HEARTH_OK;
}

hearth_status want_texts(reader *in, const path *at, const json_t *value, size_t n_max,
                         const char *const **out, size_t *n)
{
    TRY(want_array(in, at, value, 0, n_max));
    size_t n_values = json_array_size(value);
    const char **texts = arena_array(in->mem, n_values, sizeof *texts);
    if (texts == NULL)
        return no_memory(in);
    *n = 0;
    for (size_t i = 0; i < n_values; i++) {
        TRY(want_text(in, PATH_INDEX(at, i), json_array_get(value, i), &texts[*n]));
        *n += texts[*n][0] != '\0';
    }
    *out = texts;
    return HEARTH_OK;
}

hearth_status want_tokens(reader *in, const path *at, const json_t *value, const int32_t **out,
                          size_t *n)
{
    TRY(want_array(in, at, value, 0, REQUEST_VALUES_MAX));
    *n = json_array_size(value);
    int32_t *tokens = arena_array(in->mem, *n, sizeof *tokens);
    if (tokens == NULL)
        return no_memory(in);
    for (size_t i = 0; i < *n; i++) {
        int64_t token;
        TRY(want_int(in, PATH_INDEX(at, i), json_array_get(value, i), 0, INT32_MAX, &token));
        tokens[i] = (int32_t)token;
    }
    *out = tokens;
    return HEARTH_OK;
}

json_t *get(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return value && !json_is_null(value) ? value : NULL;
}

hearth_status need(reader *in, const path *at, const json_t *object, const char *key, json_t **out)
{
    *out = get(object, key);
    if (*out == NULL)
        return refuse(in, PATH_KEY(at, key), "is missing");
    return HEARTH_OK;
}

/* ---- what has no effect ---- */

static bool is_header_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_-.[]$/", c) != NULL;
}

static bool is_listed(const char *list, const char *name, size_t n_name)
{
    while (list && *list) {
        size_t n = strcspn(list, ",");
        if (n == n_name && memcmp(list, name, n) == 0)
            return true;
        list += n;
        list += strspn(list, ", ");
    }
    return false;
}

hearth_status ignore(reader *in, const path *at)
{
    buf name;
    hearth_status status = HEARTH_OK;
    buf_init(&name, PATH_BYTES_MAX);
    write_path(at, false, &name);
    for (size_t i = 0; i < name.n; i++) {
        if (name.data[i] == '\0' || !is_header_byte(name.data[i]))
            name.data[i] = '?';
    }
    if (name.data == NULL) /* a name beyond every measure, or no memory */
        status = buf_append_text(&name, "...") ? HEARTH_OK : no_memory(in);
    if (status == HEARTH_OK && !is_listed(in->ignored.data, name.data, name.n)) {
        in->ignored.max = IGNORED_BYTES_MAX; /* what is beyond is left out of the header */
        if (in->ignored.n + name.n + 2 <= IGNORED_BYTES_MAX &&
            !buf_append_format(&in->ignored, "%s%s", in->ignored.n > 0 ? ", " : "", name.data))
            status = no_memory(in);
    }
    buf_deinit(&name);
    return status;
}

static bool is_known(const char *known, const char *name)
{
    size_t n_name = strlen(name);
    while (*known) {
        size_t n = strcspn(known, "|");
        if (n == n_name && memcmp(known, name, n) == 0)
            return true;
        known += n + (known[n] == '|');
    }
    return false;
}

hearth_status ignore_others(reader *in, const path *at, const json_t *object, const char *known)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (!json_is_null(value) && !is_known(known, key))
            TRY(ignore(in, PATH_KEY(at, key)));
    }
    return HEARTH_OK;
}

/* ---- building ---- */

hearth_status put(reader *in, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        return no_memory(in);
    return HEARTH_OK;
}

hearth_status push(reader *in, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        return no_memory(in);
    return HEARTH_OK;
}

hearth_status path_text(reader *in, const path *at, const char **out)
{
    buf text;
    buf_init(&text, PATH_BYTES_MAX); /* a longer path is cut */
    write_path(at, true, &text);
    *out = arena_text(in->mem, text.data ? text.data : "", text.n);
    buf_deinit(&text);
    return *out ? HEARTH_OK : no_memory(in);
}

hearth_status constrain(reader *in, const path *at, request_constraint kind, const char *grammar,
                        json_t *schema)
{
    request_options *o = &in->r->options;
    if (in->constraint_by)
        return refuse(in, at, "%s says already what the answer must look like; send one of them",
                      in->constraint_by);
    TRY(path_text(in, at, &o->constraint_at));
    while (at->up)
        at = at->up;
    in->constraint_by = at->key;
    o->constraint = kind;
    o->grammar = grammar;
    o->schema = schema;
    return HEARTH_OK;
}
