/* SPDX-License-Identifier: MIT
 *
 * schema.c - a JSON Schema to a grammar: the shared rules, values, arrays, alternatives, the whole.
 *
 * Space    Between the tokens of JSON: nothing, one blank, or a line break and up to 20 blanks or
 *          tabs; none before a colon or a comma, none around the whole. So the answer is done with
 *          its last bracket, and no model can fill the context with blanks.
 * Rules    A flat schema has one rule, found again by its text; that is what closes recursion.
 */
#include "grammar/schema.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* ---- shared rules ---- */

static const struct {
    const char *name, *text;
    unsigned needs;
} helpers[] = {
    {"ws", "| \" \" | \"\\n\" [ \\t]{0,20}", 0},
    {"char",
     "[^\"\\\\\\x00-\\x1F\\x7F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" escaped)\n"
     "escaped ::= \"000\" [1-9a-fA-F] | \"00\" [1-9a-fA-F] [0-9a-fA-F] | \"0\" [1-9a-fA-F] "
     "[0-9a-fA-F]{2} | [1-9a-cA-CeEfF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2} | [dD] [89abAB] "
     "[0-9a-fA-F]{2} \"\\\\u\" [dD] [c-fC-F] [0-9a-fA-F]{2}",
     0},
    {"string", "\"\\\"\" char* \"\\\"\"", HELPER_CHAR},
    {"number", "\"-\"? (\"0\" | [1-9] [0-9]{0,14}) (\".\" [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?",
     0},
    {"integer", "\"-\"? (\"0\" | [1-9] [0-9]{0,14})", 0},
    {"value",
     "object | array | string | number | \"true\" | \"false\" | \"null\"\n"
     "object ::= \"{\" ws (member (\",\" ws member)* ws)? \"}\"\n"
     "member ::= string \":\" ws value\n"
     "array ::= \"[\" ws (value (\",\" ws value)* ws)? \"]\"",
     HELPER_SPACE | HELPER_STRING | HELPER_CHAR | HELPER_NUMBER},
};

const char *schema_helper(schema *s, unsigned helper)
{
    size_t i = 0;
    while (helper >> i != 1)
        i++;
    s->helpers |= helper | helpers[i].needs;
    return helpers[i].name;
}

void schema_new_name(schema *s, char name[SCHEMA_NAME])
{
    snprintf(name, SCHEMA_NAME, "r%zu", s->n_rules++);
}

/* ---- values ---- */

/* The shortest of three precisions that reads back as the same value. */
bool schema_write_value(const json_t *value, buf *out)
{
    static const size_t precisions[] = {JSON_REAL_PRECISION(15), JSON_REAL_PRECISION(16),
                                        JSON_REAL_PRECISION(17)};
    size_t before = out->n;
    for (int i = 0; i < 3; i++) {
        out->n = before;
        if (!json_write(out, value, JSON_COMPACT | JSON_ENCODE_ANY | precisions[i]))
            return false;
        json_t *back;
        if (json_read(&back, out->data + before, out->n - before, JSON_DECODE_ANY, "value", NULL) ==
            HEARTH_ENOMEM)
            return false;
        bool same = back && json_equal(back, value);
        json_decref(back);
        if (same)
            return true;
    }
    return true;
}

static hearth_status write_enum(schema *s, const json_t *flat, buf *out, bool *possible)
{
    hearth_status status = HEARTH_OK;
    json_t *rest = json_dup(flat), *value;
    size_t i;
    buf text;
    buf_init(&text, 0);
    if (rest == NULL) {
        status = schema_no_memory(s);
        goto out;
    }
    json_object_del(rest, "enum");
    json_array_foreach(json_object_get(flat, "enum"), i, value)
    {
        bool fits;
        TRY_OUT(schema_fits(s, rest, value, &fits));
        if (!fits)
            continue;
        buf_clear(&text);
        if (!schema_write_value(value, &text) || (*possible && !buf_append_text(out, " | ")) ||
            !schema_write_literal(text.data, text.n, out)) {
            status = schema_no_memory(s);
            goto out;
        }
        *possible = true;
    }
out:
    buf_deinit(&text);
    json_decref(rest);
    return status;
}

/* ---- arrays ---- */

typedef struct array {
    uint32_t min, max;
    size_t n_prefix;
    char item[SCHEMA_NAME]; /* behind the prefix; "": none */
} array;

static hearth_status take_array(schema *s, const json_t *flat, array *a)
{
    const json_t *items = json_object_get(flat, "items");
    TRY(schema_count(s, flat, "minItems", 0, &a->min));
    TRY(schema_count(s, flat, "maxItems", UINT32_MAX, &a->max));
    a->n_prefix = json_array_size(json_object_get(flat, "prefixItems"));
    if (a->n_prefix > a->max)
        a->n_prefix = a->max;
    json_t *any = json_true();
    size_t mark = schema_down(s, "items");
    /* A tuple that says nothing of more items has none, unless it must. */
    if (a->max == a->n_prefix || (!items && a->n_prefix > 0 && a->min <= a->n_prefix))
        a->item[0] = '\0';
    else
        TRY(schema_rule(s, items ? items : any, a->item));
    schema_up(s, mark);
    return HEARTH_OK;
}

/* Items from the end of the prefix on, behind a first one if `first` is false. */
static bool write_rest(schema *s, const array *a, bool first, buf *out)
{
    uint32_t n = (uint32_t)a->n_prefix, least = a->min > n ? a->min - n : 0;
    uint32_t most = a->max == UINT32_MAX ? a->max : a->max - n;
    const char *space = schema_helper(s, HELPER_SPACE);
    char counts[48];
    if (a->item[0] == '\0')
        return buf_append_text(out, "\"\"");
    if (!first) {
        snprintf(counts, sizeof counts, most == UINT32_MAX ? "{%u,}" : "{%u,%u}", least, most);
        return buf_append_format(out, "(\",\" %s %s)%s", space, a->item, counts);
    }
    uint32_t behind = least > 0 ? least - 1 : 0;
    snprintf(counts, sizeof counts, most == UINT32_MAX ? "{%u,}" : "{%u,%u}", behind, most - 1);
    return buf_append_format(out, "(%s (\",\" %s %s)%s %s)%s", a->item, space, a->item, counts,
                             space, least > 0 ? "" : "?");
}

/* ITEM0 ("," ITEM1 (..)?)?, with the question marks from minItems on. */
static hearth_status write_prefix(schema *s, const json_t *flat, const array *a, buf *out,
                                  bool *possible)
{
    const json_t *prefix = json_object_get(flat, "prefixItems");
    const char *space = schema_helper(s, HELPER_SPACE);
    char name[SCHEMA_NAME], next[SCHEMA_NAME] = "";
    buf text;
    buf_init(&text, 0);
    /* From the last to the first, so that a place that cannot be passed ends the array. */
    schema_new_name(s, next);
    bool open = a->item[0] || a->min <= a->n_prefix; /* what follows place i can be written */
    bool good = buf_append_format(&text, "%s ::= ", next) && write_rest(s, a, false, &text) &&
                buf_append_text(&text, "\n") && buf_append(&s->rules, text.data, text.n);
    for (size_t i = a->n_prefix; good && i-- > 0;) {
        char item[SCHEMA_NAME];
        size_t mark = schema_down_index(s, "prefixItems", i);
        hearth_status status = schema_rule(s, json_array_get(prefix, i), item);
        schema_up(s, mark);
        if (status != HEARTH_OK) {
            buf_deinit(&text);
            return status;
        }
        bool may_come = open && item[0], may_end = a->min <= i;
        schema_new_name(s, name);
        buf_clear(&text);
        good = buf_append_format(&text, "%s ::= ", name);
        if (good && may_come && i > 0)
            good = buf_append_format(&text, "\",\" %s %s %s", space, item, next);
        else if (good && may_come)
            good = buf_append_format(&text, "%s %s %s", item, next, space);
        if (good && may_end)
            good = buf_append_text(&text, may_come ? " | \"\"" : "\"\"");
        open = may_come || may_end;
        if (open)
            good = good && buf_append_text(&text, "\n") && buf_append(&s->rules, text.data, text.n);
        memcpy(next, name, sizeof next);
    }
    buf_deinit(&text);
    *possible = open;
    return good && buf_append_text(out, next) ? HEARTH_OK : schema_no_memory(s);
}

static hearth_status write_array(schema *s, const json_t *flat, buf *out, bool *possible)
{
    array a = {0};
    const char *space = schema_helper(s, HELPER_SPACE);
    TRY(take_array(s, flat, &a));
    *possible = a.min <= a.max && (a.item[0] || a.min <= a.n_prefix);
    if (!*possible)
        return HEARTH_OK;
    if (!buf_append_format(out, "\"[\" %s ", space))
        return schema_no_memory(s);
    if (json_object_get(flat, "uniqueItems") && a.max > 1)
        TRY(schema_write_unique(s, flat, a.min, a.max, out, possible));
    else if (a.n_prefix > 0)
        TRY(write_prefix(s, flat, &a, out, possible));
    else if (!write_rest(s, &a, true, out))
        return schema_no_memory(s);
    return buf_append_text(out, " \"]\"") ? HEARTH_OK : schema_no_memory(s);
}

/* ---- alternatives ---- */

static hearth_status rule_of_flat(schema *s, json_t *flat, char name[SCHEMA_NAME]);

static hearth_status check_exclusive(schema *s, json_t *const *flats, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            bool exclusive = true;
            if (flats[i] && flats[j])
                TRY(schema_exclusive(s, flats[i], flats[j], &exclusive));
            if (!exclusive)
                return schema_refuse(s, HEARTH_EUNSUPPORTED,
                                     "oneOf: a value might fit both schema %zu and schema %zu; use "
                                     "anyOf, or give them a property with different constants",
                                     i, j);
        }
    }
    return HEARTH_OK;
}

/* The first group's alternatives, each together with everything else. */
static hearth_status write_group(schema *s, const json_t *flat, buf *out, bool *possible)
{
    hearth_status status = HEARTH_OK;
    json_t *groups = json_dup(json_object_get(flat, "groups")), *rest = json_dup(flat);
    const json_t *group = json_array_get(groups, 0), *list = json_object_get(group, "of");
    size_t n = json_array_size(list), mark = s->path.n;
    json_t **flats = mem_calloc(n, sizeof(json_t *));
    if (!groups || !rest || !flats) {
        status = schema_no_memory(s);
        goto out;
    }
    json_incref((json_t *)group);
    json_array_remove(groups, 0);
    if (json_array_size(groups) == 0)
        json_object_del(rest, "groups");
    else
        s->failed |= json_object_set(rest, "groups", groups) != 0;
    bool one = json_is_true(json_object_get(group, "one"));
    for (size_t i = 0; i < n && status == HEARTH_OK; i++) {
        size_t place = schema_down_index(s, one ? "oneOf" : "anyOf", i);
        json_t *own = json_dup(rest);
        s->failed |= own == NULL;
        status = schema_merge(s, own, json_array_get(list, i), &flats[i]);
        if (status == HEARTH_OK)
            schema_up(s, place);
    }
    if (status == HEARTH_OK && one)
        status = check_exclusive(s, flats, n);
    for (size_t i = 0; i < n && status == HEARTH_OK; i++) {
        char name[SCHEMA_NAME] = "";
        size_t place = schema_down_index(s, one ? "oneOf" : "anyOf", i);
        if (flats[i])
            status = rule_of_flat(s, json_incref(flats[i]), name);
        if (status == HEARTH_OK)
            schema_up(s, place);
        if (status == HEARTH_OK && name[0] &&
            !buf_append_format(out, "%s%s", *possible ? " | " : "", name))
            status = schema_no_memory(s);
        *possible = *possible || name[0];
    }
    json_decref((json_t *)group);
out:
    for (size_t i = 0; flats && i < n; i++)
        json_decref(flats[i]);
    mem_free(flats);
    json_decref(groups);
    json_decref(rest);
    if (status == HEARTH_OK)
        schema_up(s, mark);
    return status;
}

/* ---- one rule ---- */

static hearth_status write_type(schema *s, const json_t *flat, int type, buf *out, bool *possible)
{
    const char *text = NULL;
    switch (type) {
    case TYPE_NULL:
        text = "\"null\"";
        break;
    case TYPE_BOOLEAN:
        text = "\"true\" | \"false\"";
        break;
    case TYPE_INTEGER:
        return schema_write_number(s, flat, out, possible);
    case TYPE_STRING:
        return schema_write_string(s, flat, out, possible);
    case TYPE_ARRAY:
        return write_array(s, flat, out, possible);
    case TYPE_OBJECT:
        return schema_write_object(s, flat, out, possible);
    default:
        return HEARTH_OK;
    }
    *possible = true;
    return buf_append_text(out, text) ? HEARTH_OK : schema_no_memory(s);
}

static hearth_status write_types(schema *s, const json_t *flat, buf *out, bool *possible)
{
    hearth_status status = HEARTH_OK;
    buf one;
    buf_init(&one, 0);
    for (int type = 1; type <= TYPE_OBJECT && status == HEARTH_OK; type <<= 1) {
        bool may = false;
        buf_clear(&one);
        if (!(schema_types(flat) & type))
            continue;
        status = write_type(s, flat, type, &one, &may);
        if (status == HEARTH_OK && may &&
            !buf_append_format(out, "%s%s", *possible ? " | " : "", one.data))
            status = schema_no_memory(s);
        *possible = *possible || may;
    }
    buf_deinit(&one);
    return status;
}

static hearth_status write_flat(schema *s, const json_t *flat, buf *out, bool *possible)
{
    *possible = false;
    if (json_object_get(flat, "groups"))
        return write_group(s, flat, out, possible);
    if (json_object_get(flat, "enum"))
        return write_enum(s, flat, out, possible);
    if (schema_types(flat) == TYPE_ALL && json_object_size(flat) == 1) {
        *possible = true;
        return buf_append_text(out, schema_helper(s, HELPER_VALUE)) ? HEARTH_OK
                                                                    : schema_no_memory(s);
    }
    return write_types(s, flat, out, possible);
}

/* Takes flat. */
static hearth_status rule_of_flat(schema *s, json_t *flat, char name[SCHEMA_NAME])
{
    hearth_status status = HEARTH_OK;
    bool possible = false;
    buf key, text;
    buf_init(&key, 0);
    buf_init(&text, 0);
    if (!json_write(&key, flat, JSON_COMPACT | JSON_ENCODE_ANY)) {
        status = schema_no_memory(s);
        goto out;
    }
    const json_t *known = json_object_get(s->names, key.data);
    if (known) {
        snprintf(name, SCHEMA_NAME, "%s", json_string_value(known));
        goto out;
    }
    schema_new_name(s, name);
    if (s->n_rules > SCHEMA_RULES_MAX || s->rules.n > GRAMMAR_TEXT_MAX) {
        status =
            schema_refuse(s, HEARTH_EINVAL, "the schema needs more than %d rules; make it simpler",
                          SCHEMA_RULES_MAX);
        goto out;
    }
    if (json_object_set_new(s->names, key.data, json_string(name)) != 0) {
        status = schema_no_memory(s);
        goto out;
    }
    TRY_OUT(schema_enter(s));
    status = write_flat(s, flat, &text, &possible);
    schema_leave(s);
    /* A rule that nothing fits is kept, for those that already call it: no character matches it. */
    if (status == HEARTH_OK &&
        (!buf_append_format(&s->rules, "%s ::= %s\n", name,
                            possible ? text.data : "[^\\x00-\\U0010FFFF]") ||
         (!possible && json_object_set_new(s->names, key.data, json_string("")) != 0)))
        status = schema_no_memory(s);
    if (!possible)
        name[0] = '\0';
out:
    json_decref(flat);
    buf_deinit(&key);
    buf_deinit(&text);
    return status;
}

hearth_status schema_rule(schema *s, const json_t *source, char name[SCHEMA_NAME])
{
    json_t *flat;
    name[0] = '\0';
    TRY(schema_flatten(s, source, &flat));
    return flat ? rule_of_flat(s, flat, name) : HEARTH_OK;
}

/* ---- the whole ---- */

static hearth_status write_all(schema *s)
{
    char name[SCHEMA_NAME];
    TRY(schema_rule(s, s->root, name));
    if (name[0] == '\0')
        return schema_refuse(s, HEARTH_EINVAL, "no value fits this schema");
    bool good = buf_append_format(&s->rules, "root ::= %s\n", name);
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++) {
        if (s->helpers >> i & 1)
            good = good &&
                   buf_append_format(&s->rules, "%s ::= %s\n", helpers[i].name, helpers[i].text);
    }
    return good ? HEARTH_OK : schema_no_memory(s);
}

static hearth_status make_grammar(schema *s, hearth_grammar **out)
{
    bool can_end;
    size_t n = s->rules.n;
    char *text = buf_take(&s->rules, &n);
    if (text == NULL)
        return schema_no_memory(s);
    TRY(grammar_take_gbnf(out, text, n, "root", s->err));
    hearth_status status = grammar_can_end(*out, &can_end, s->err);
    if (status == HEARTH_OK && !can_end)
        status = schema_refuse(s, HEARTH_EINVAL,
                               "every value of this schema is endless: it requires "
                               "itself");
    if (status != HEARTH_OK) {
        hearth_grammar_unref(*out);
        *out = NULL;
    }
    return status;
}

hearth_status hearth_grammar_from_schema(hearth_grammar **out, const char *json, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    schema s = {.err = err};
    json_t *root = NULL;
    *out = NULL;
    buf_init(&s.path, 0);
    buf_init(&s.rules, 0);
    if (json == NULL || strlen(json) > SCHEMA_TEXT_MAX)
        FAIL(err, EINVAL, "schema", "the schema is NULL or has more than %d bytes",
             SCHEMA_TEXT_MAX);
    TRY(json_read(&root, json, strlen(json), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, "schema",
                  err));
    s.root = root;
    s.names = json_object();
    if (!json_is_object(root) && !json_is_boolean(root))
        FAIL_OUT(err, EINVAL, "schema", "a schema is a JSON object, true or false");
    if (s.names == NULL) {
        status = schema_no_memory(&s);
        goto out;
    }
    status = write_all(&s);
    if (s.failed) /* whatever else was said of a schema that is not whole */
        status = schema_no_memory(&s);
    if (status == HEARTH_OK)
        status = make_grammar(&s, out);
out:
    json_decref(root);
    json_decref(s.names);
    buf_deinit(&s.path);
    buf_deinit(&s.rules);
    return status;
}
