/* SPDX-License-Identifier: MIT
 *
 * schema_raw.c - see schema_raw.h.
 */
#include "grammar/schema_raw.h"

#include <string.h>

#include "base/json.h"
#include "grammar/schema.h"

/* What a reader would take for something else than text. */
static const char literals[] =
    "^\\s*(?:[-+]?[0-9.][0-9._+a-fA-FxX-]*|true|True|false|False|null|None|[-+]?(?:nan|NaN|inf|"
    "Infinity))?\\s*$|^\\s*[\"'\\[{(]";

/* ... of which many lengths can be counted beside the mark: no text begins like one. */
static const char no_literal[] = "[^ \\t\\r\\n\"'\\[{(0-9.+\\-tTfFnNiI";

static bool is_plain(const char *text, size_t n, bool *plain, hearth_error *err)
{
    regular *r = NULL;
    if (regular_from_regex(&r, literals, sizeof literals - 1, REGULAR_SEARCH, err) != HEARTH_OK)
        return false;
    *plain = !regular_matches(r, text, n);
    regular_free(r);
    return true;
}

/* The strings of an enum that fit everything else. */
static hearth_status write_enum(schema *s, const schema_raw *raw, const json_t *flat, buf *out,
                                bool *any)
{
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(flat, "enum"), i, value)
    {
        const char *text = json_string_value(value);
        size_t n = json_string_length(value);
        bool fits = false, plain = true;
        if (!text || strstr(text, raw->mark))
            continue;
        TRY(schema_fits(s, s->root, value, &fits));
        if (fits && raw->plain && !is_plain(text, n, &plain, s->err))
            return s->err->code;
        if (!fits || !plain)
            continue;
        if (!buf_append_text(out, *any ? " | " : " ") || !schema_write_literal(text, n, out))
            return schema_no_memory(s);
        *any = true;
    }
    return HEARTH_OK;
}

/* r becomes what is in it and does not match the pattern. */
static hearth_status take_out(schema *s, regular **r, const char *pattern, size_t n)
{
    regular *one = NULL, *rest = NULL;
    hearth_error err = {0};
    hearth_status status = regular_from_regex(&one, pattern, n, REGULAR_SEARCH, &err);
    if (status == HEARTH_OK)
        status = regular_combine(&rest, *r, one, true, &err);
    regular_free(one);
    if (status != HEARTH_OK)
        return schema_refuse(s, status, "%s", err.message);
    regular_free(*r);
    *r = rest;
    return HEARTH_OK;
}

static hearth_status write_regular(schema *s, const schema_raw *raw, regular **r, buf *out,
                                   bool *any)
{
    hearth_status status;
    buf mark;
    buf_init(&mark, 0);
    if (!schema_quote(raw->mark, strlen(raw->mark), &mark))
        status = schema_no_memory(s);
    else
        status = take_out(s, r, mark.data, mark.n);
    buf_deinit(&mark);
    if (status == HEARTH_OK && raw->plain)
        status = take_out(s, r, literals, sizeof literals - 1);
    if (status != HEARTH_OK || regular_is_empty(*r))
        return status;
    char name[SCHEMA_NAME + 64];
    snprintf(name, sizeof name, "%.64s-%zu", raw->name, s->n_rules++);
    TRY(regular_write(*r, name, false, &s->rules, s->err));
    if (!buf_append_format(out, "%s%s-0", *any ? " | " : " ", name))
        return schema_no_memory(s);
    *any = true;
    return HEARTH_OK;
}

/* Lengths alone, too many to be counted beside the mark: no character is the mark's first one. */
static hearth_status write_lengths(schema *s, const schema_raw *raw, uint32_t min, uint32_t max,
                                   buf *out, bool *any)
{
    char counts[48];
    uint32_t first = raw->plain ? 1 : 0;
    min = min > first ? min - first : 0;
    snprintf(counts, sizeof counts, max == UINT32_MAX ? "{%u,}" : "{%u,%u}", min, max - first);
    bool good = buf_append_text(out, *any ? " | " : " ");
    if (raw->plain)
        good = good && buf_append_format(out, "%s\\x%02X] ", no_literal, (uint8_t)raw->mark[0]);
    good = good && buf_append_format(out, "[^\\x%02X]%s", (uint8_t)raw->mark[0], counts);
    *any = true;
    return good ? HEARTH_OK : schema_no_memory(s);
}

static hearth_status write_strings(schema *s, const schema_raw *raw, const json_t *flat, buf *out,
                                   bool *any)
{
    regular *r = NULL;
    uint32_t min, max;
    char lengths[64];
    TRY(schema_count(s, flat, "minLength", 0, &min));
    TRY(schema_count(s, flat, "maxLength", UINT32_MAX, &max));
    TRY(schema_strings(s, flat, &r));
    uint32_t counted = max == UINT32_MAX ? min : max;
    if (r == NULL && max < min)
        return HEARTH_OK;
    if (r == NULL && counted > REGULAR_STATES_MAX / 2 / strlen(raw->mark))
        return write_lengths(s, raw, min, max, out, any);
    if (r == NULL) {
        snprintf(lengths, sizeof lengths, max == UINT32_MAX ? "[^]{%u,}" : "[^]{%u,%u}", min, max);
        TRY(regular_from_regex(&r, lengths, strlen(lengths), REGULAR_WHOLE, s->err));
    }
    hearth_status status = write_regular(s, raw, &r, out, any);
    regular_free(r);
    return status;
}

static hearth_status write_flat(schema *s, const schema_raw *raw, const json_t *flat, buf *out,
                                bool *any);

/* The alternatives of the first group, each together with everything else. */
static hearth_status write_group(schema *s, const schema_raw *raw, const json_t *flat, buf *out,
                                 bool *any)
{
    hearth_status status = HEARTH_OK;
    const json_t *group = json_array_get(json_object_get(flat, "groups"), 0);
    json_t *rest = json_deep_copy(flat), *member;
    size_t i, n = 0;
    json_array_remove(json_object_get(rest, "groups"), 0);
    if (json_array_size(json_object_get(rest, "groups")) == 0)
        json_object_del(rest, "groups");
    s->failed |= rest == NULL;
    json_array_foreach(json_object_get(group, "of"), i, member)
    {
        json_t *both = NULL;
        bool before = *any;
        TRY_OUT(schema_merge(s, json_deep_copy(rest), member, &both));
        *any = false;
        buf one;
        buf_init(&one, 0);
        status = both ? write_flat(s, raw, both, &one, any) : HEARTH_OK;
        json_decref(both);
        if (status == HEARTH_OK && *any &&
            !(buf_append_text(out, before ? " |" : "") && buf_append(out, one.data, one.n)))
            status = schema_no_memory(s);
        buf_deinit(&one);
        n += *any;
        *any = *any || before;
        if (status != HEARTH_OK)
            goto out;
    }
    if (n > 1 && json_is_true(json_object_get(group, "one")))
        status = schema_refuse(s, HEARTH_EUNSUPPORTED,
                               "oneOf: a string might fit two of its schemas; use anyOf");
out:
    json_decref(rest);
    return status;
}

static hearth_status write_flat(schema *s, const schema_raw *raw, const json_t *flat, buf *out,
                                bool *any)
{
    if (!(schema_types(flat) & TYPE_STRING))
        return HEARTH_OK;
    if (json_object_get(flat, "enum"))
        return write_enum(s, raw, flat, out, any);
    if (json_object_get(flat, "groups"))
        return write_group(s, raw, flat, out, any);
    return write_strings(s, raw, flat, out, any);
}

hearth_status schema_raw_strings(const schema_raw *raw, buf *rules, bool *any, hearth_error *err)
{
    schema s = {.err = err};
    json_t *root, *flat = NULL;
    buf text;
    *any = false;
    TRY(json_read(&root, raw->schema, strlen(raw->schema), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                  "schema", err));
    buf_init(&s.path, 0);
    buf_init(&s.rules, 0);
    buf_init(&text, 0);
    s.root = root;
    hearth_status status = schema_flatten(&s, root, &flat);
    if (status == HEARTH_OK && flat)
        status = write_flat(&s, raw, flat, &text, any);
    if (s.failed)
        status = schema_no_memory(&s);
    if (status == HEARTH_OK && *any &&
        !(buf_append_format(rules, "%s ::=", raw->name) && buf_append(rules, text.data, text.n) &&
          buf_append_text(rules, "\n") &&
          (s.rules.n == 0 || buf_append(rules, s.rules.data, s.rules.n))))
        status = error_no_memory(err, "a schema's strings", text.n);
    json_decref(flat);
    json_decref(root);
    buf_deinit(&text);
    buf_deinit(&s.path);
    buf_deinit(&s.rules);
    return status;
}
