/* SPDX-License-Identifier: MIT
 *
 * schema_object.c - the rules of objects.
 *
 * Declared  Properties come in the order in which they are declared, then the names that are only
 *           required, then additional ones. A rule says what may follow at property i: with nothing
 *           written yet, or behind a comma; and, where the number of properties is limited, with
 *           how many of the declared ones written.
 * Others    Names that patternProperties and additionalProperties speak of are cut into groups of
 *           those that match the same patterns, as automata; each group has one schema. No name of
 *           a group is a declared one. A grammar cannot see that such a name comes twice, so they
 *           do not count for minProperties, but for one.
 * Closed    Without additionalProperties an object is closed if it says anything of its
 *           properties, and may hold anything if it does not.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "grammar/schema.h"

enum { PROPERTIES_MAX = 5000, PATTERNS_MAX = 4 };

typedef struct property {
    const char *name;
    char rule[SCHEMA_NAME]; /* of the value; "": nothing fits, so it may not come */
    bool required;
} property;

typedef struct object {
    schema *s;
    const json_t *flat;
    property *properties;
    size_t n;
    buf other;         /* alternatives of an additional member: NAME ":" VALUE .. */
    uint32_t min, max; /* of properties */
    size_t n_counts;   /* 1: nothing is counted */
    char base[SCHEMA_NAME];
    uint8_t *possible; /* by place, count and whether something is written */
} object;

/* ---- names ---- */

static const json_t *patterns_of(const object *o)
{
    return json_object_get(o->flat, "patternProperties");
}

static hearth_status pattern_automaton(schema *s, const char *pattern, regular **r)
{
    hearth_error err = {0};
    hearth_status status = regular_from_regex(r, pattern, strlen(pattern), REGULAR_SEARCH, &err);
    return status == HEARTH_OK ? status : schema_refuse(s, status, "%s", err.message);
}

/* The schemas that hold for a name: of `own` (may be NULL) and of all patterns it matches. */
static hearth_status schema_of_name(object *o, const char *name, const json_t *own, json_t **all,
                                    bool *matched)
{
    const char *pattern;
    json_t *value;
    *matched = false;
    *all = json_incref((json_t *)own);
    json_object_foreach((json_t *)patterns_of(o), pattern, value)
    {
        regular *r;
        TRY(pattern_automaton(o->s, pattern, &r));
        if (regular_matches(r, name, strlen(name))) {
            json_t *both = schema_both(o->s, *all, value);
            json_decref(*all);
            *all = both;
            *matched = true;
        }
        regular_free(r);
    }
    return HEARTH_OK;
}

/* Whether propertyNames lets a name through. */
static hearth_status name_fits(object *o, const char *name, bool *fits)
{
    size_t i;
    json_t *names;
    *fits = true;
    json_array_foreach(json_object_get(o->flat, "propertyNames"), i, names)
    {
        bool one;
        json_t *text = json_string(name);
        if (text == NULL)
            return schema_no_memory(o->s);
        hearth_status status = schema_fits(o->s, names, text, &one);
        json_decref(text);
        TRY(status);
        *fits = *fits && one;
    }
    return HEARTH_OK;
}

static hearth_status add_property(object *o, const char *name, const json_t *own, bool required)
{
    property *p = &o->properties[o->n++];
    json_t *all;
    bool matched, fits;
    *p = (property){.name = name, .required = required};
    hearth_status status = schema_of_name(o, name, own, &all, &matched);
    if (status == HEARTH_OK && own == NULL && !matched) { /* only required: an additional one */
        const json_t *rest = json_object_get(o->flat, "additionalProperties");
        all = rest ? json_incref((json_t *)rest) : json_true();
    }
    if (status == HEARTH_OK)
        status = schema_rule(o->s, all, p->rule);
    json_decref(all);
    TRY(status);
    TRY(name_fits(o, name, &fits));
    if (!fits)
        p->rule[0] = '\0';
    return HEARTH_OK;
}

static bool is_required(const object *o, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(o->flat, "required"), i, item)
    {
        if (strcmp(json_string_value(item), name) == 0)
            return true;
    }
    return false;
}

static bool is_there(const object *o, const char *name)
{
    for (size_t i = 0; i < o->n; i++) {
        if (strcmp(o->properties[i].name, name) == 0)
            return true;
    }
    return false;
}

static hearth_status add_properties(object *o)
{
    const json_t *declared = json_object_get(o->flat, "properties");
    const json_t *required = json_object_get(o->flat, "required");
    size_t most = json_object_size(declared) + json_array_size(required), i;
    const char *name;
    json_t *value;
    if (most > PROPERTIES_MAX)
        return schema_refuse(o->s, HEARTH_EINVAL, "there are %zu properties; %d are the most", most,
                             PROPERTIES_MAX);
    o->properties = mem_alloc_array(most, sizeof *o->properties);
    if (o->properties == NULL)
        return schema_no_memory(o->s);
    json_object_foreach((json_t *)declared, name, value)
    {
        size_t mark = schema_down(o->s, "properties");
        schema_down(o->s, name);
        TRY(add_property(o, name, value, is_required(o, name)));
        schema_up(o->s, mark);
    }
    json_array_foreach((json_t *)required, i, value)
    {
        size_t mark = schema_down(o->s, "required");
        if (!is_there(o, json_string_value(value)))
            TRY(add_property(o, json_string_value(value), NULL, true));
        schema_up(o->s, mark);
    }
    return HEARTH_OK;
}

/* ---- additional members ---- */

/* *r without, or cut with, another, which is freed. */
static hearth_status combine(object *o, regular **r, regular *other, bool except)
{
    regular *result = NULL;
    hearth_error err = {0};
    hearth_status status = regular_combine(&result, *r, other, except, &err);
    regular_free(other);
    if (status != HEARTH_OK)
        return schema_refuse(o->s, status, "the names of properties: %s", err.message);
    regular_free(*r);
    *r = result;
    return HEARTH_OK;
}

static hearth_status drop_declared(object *o, regular **r)
{
    hearth_status status = HEARTH_OK;
    regular *names = NULL;
    buf text;
    buf_init(&text, 0);
    bool good = buf_append_text(&text, "[]");
    for (size_t i = 0; good && i < o->n; i++)
        good = buf_append_text(&text, "|") &&
               schema_quote(o->properties[i].name, strlen(o->properties[i].name), &text);
    if (!good)
        status = schema_no_memory(o->s);
    else
        status = regular_from_regex(&names, text.data, text.n, REGULAR_WHOLE, o->s->err);
    buf_deinit(&text);
    TRY(status);
    return combine(o, r, names, true);
}

/* Cuts the names down to those that propertyNames lets through. */
static hearth_status keep_fitting(object *o, regular **r)
{
    size_t i;
    json_t *names;
    json_array_foreach(json_object_get(o->flat, "propertyNames"), i, names)
    {
        json_t *flat;
        regular *fitting = NULL;
        size_t mark = schema_down(o->s, "propertyNames");
        TRY(schema_flatten(o->s, names, &flat));
        hearth_status status = HEARTH_OK;
        if (flat == NULL || !(schema_types(flat) & TYPE_STRING)) {
            status = regular_from_regex(&fitting, "[]", 2, REGULAR_WHOLE, o->s->err);
        } else if (json_object_get(flat, "enum") || json_object_get(flat, "groups")) {
            status =
                schema_refuse(o->s, HEARTH_EUNSUPPORTED,
                              "propertyNames may have pattern, format, minLength and maxLength");
        } else {
            uint32_t min = 0, max = UINT32_MAX;
            char lengths[64] = "[^]*";
            status = schema_strings(o->s, flat, &fitting);
            if (status == HEARTH_OK && !fitting) {
                status = schema_count(o->s, flat, "minLength", 0, &min);
                if (status == HEARTH_OK)
                    status = schema_count(o->s, flat, "maxLength", UINT32_MAX, &max);
                if (max < min)
                    snprintf(lengths, sizeof lengths, "[]");
                else if (max != UINT32_MAX)
                    snprintf(lengths, sizeof lengths, "[^]{%u,%u}", min, max);
                else
                    snprintf(lengths, sizeof lengths, "[^]{%u,}", min);
                if (status == HEARTH_OK)
                    status = regular_from_regex(&fitting, lengths, strlen(lengths), REGULAR_WHOLE,
                                                o->s->err);
            }
        }
        json_decref(flat);
        if (status == HEARTH_OK)
            status = combine(o, r, fitting, false);
        TRY(status);
        schema_up(o->s, mark);
    }
    return HEARTH_OK;
}

/* The names that match exactly the patterns of the set (bits), and the schemas of these. None has a
 * NUL: too many readers of JSON cannot take it in a name. */
static hearth_status names_of_set(object *o, unsigned set, regular **r, json_t **all)
{
    const char *pattern;
    json_t *value;
    unsigned i = 0;
    TRY(regular_from_regex(r, "[^\\0]*", 6, REGULAR_WHOLE, o->s->err));
    json_object_foreach((json_t *)patterns_of(o), pattern, value)
    {
        regular *one;
        bool in = set >> i++ & 1;
        TRY(pattern_automaton(o->s, pattern, &one));
        TRY(combine(o, r, one, !in));
        if (in) {
            json_t *both = schema_both(o->s, *all, value);
            json_decref(*all);
            *all = both;
        }
    }
    TRY(drop_declared(o, r));
    return keep_fitting(o, r);
}

static hearth_status add_others(object *o, unsigned set, const json_t *rest)
{
    hearth_status status = HEARTH_OK;
    regular *r = NULL;
    json_t *all = set == 0 ? json_incref((json_t *)rest) : NULL;
    char value[SCHEMA_NAME], name[SCHEMA_NAME];
    bool plain =
        set == 0 && o->n == 0 && !patterns_of(o) && !json_object_get(o->flat, "propertyNames");
    bool good;
    if (!plain)
        TRY_OUT(names_of_set(o, set, &r, &all));
    TRY_OUT(schema_rule(o->s, all, value));
    if (value[0] == '\0' || (r && regular_is_empty(r)))
        goto out;
    good = o->other.n == 0 || buf_append_text(&o->other, " | ");
    if (plain) {
        good = good &&
               buf_append_format(&o->other, "%s \":\" %s %s", schema_helper(o->s, HELPER_STRING),
                                 schema_helper(o->s, HELPER_SPACE), value);
    } else {
        schema_new_name(o->s, name);
        TRY_OUT(regular_write(r, name, true, &o->s->rules, o->s->err));
        good = good && buf_append_format(&o->other, "\"\\\"\" %s-0 \"\\\":\" %s %s", name,
                                         schema_helper(o->s, HELPER_SPACE), value);
    }
    if (!good)
        status = schema_no_memory(o->s);
out:
    regular_free(r);
    json_decref(all);
    return status;
}

static hearth_status find_others(object *o)
{
    const json_t *rest = json_object_get(o->flat, "additionalProperties");
    size_t n_patterns = json_object_size(patterns_of(o));
    bool closed = json_object_get(o->flat, "properties") || n_patterns > 0;
    if (n_patterns > PATTERNS_MAX)
        return schema_refuse(o->s, HEARTH_EUNSUPPORTED,
                             "there are %zu patternProperties; %d are the "
                             "most",
                             n_patterns, PATTERNS_MAX);
    for (unsigned set = 1; set < 1u << n_patterns; set++) {
        size_t mark = schema_down(o->s, "patternProperties");
        TRY(add_others(o, set, NULL));
        schema_up(o->s, mark);
    }
    if (rest ? json_is_false(rest) : closed)
        return HEARTH_OK;
    json_t *any = json_true();
    size_t mark = schema_down(o->s, "additionalProperties");
    TRY(add_others(o, 0, rest ? rest : any));
    schema_up(o->s, mark);
    return HEARTH_OK;
}

/* ---- rules ---- */

static size_t place_of(const object *o, size_t i, size_t count, int written)
{
    return (i * o->n_counts + count) * 2 + (size_t)written;
}

static size_t next_count(const object *o, size_t count)
{
    return count + 1 < o->n_counts ? count + 1 : count;
}

/* How many additional members may follow the declared ones. False: the object cannot end here. */
static bool others_left(const object *o, size_t count, uint32_t *least, uint32_t *most)
{
    bool others = o->other.n > 0;
    *least = count + 1 == o->min && others ? 1 : 0;
    *most = !others ? 0 : o->max == UINT32_MAX ? UINT32_MAX : o->max - (uint32_t)count;
    return count + *least >= o->min && count <= o->max && *least <= *most;
}

static bool write_others(object *o, uint32_t least, uint32_t most, int written, buf *out)
{
    const char *space = schema_helper(o->s, HELPER_SPACE);
    char counts[48];
    if (most == 0)
        return buf_append_text(out, "\"\"");
    if (written) {
        snprintf(counts, sizeof counts, most == UINT32_MAX ? "{%u,}" : "{%u,%u}", least, most);
        return buf_append_format(out, "(\",\" %s %s-other)%s", space, o->base, counts);
    }
    snprintf(counts, sizeof counts, most == UINT32_MAX ? "*" : "{0,%u}", most - 1);
    return buf_append_format(out, "(%s-other (\",\" %s %s-other)%s)%s", o->base, space, o->base,
                             counts, least ? "" : "?");
}

/* What follows the declared properties. */
static hearth_status write_end(object *o, size_t count, int written)
{
    uint32_t least, most;
    size_t place = place_of(o, o->n, count, written);
    if (!others_left(o, count, &least, &most))
        return HEARTH_OK;
    o->possible[place] = 1;
    bool good = buf_append_format(&o->s->rules, "%s-p%zu ::= ", o->base, place) &&
                write_others(o, least, most, written, &o->s->rules) &&
                buf_append_text(&o->s->rules, "\n");
    return good ? HEARTH_OK : schema_no_memory(o->s);
}

static bool write_member(object *o, const property *p, int written, buf *out)
{
    const char *space = schema_helper(o->s, HELPER_SPACE);
    json_t *name = json_string(p->name);
    buf text, literal;
    buf_init(&text, 0);
    buf_init(&literal, 0);
    bool good =
        json_write(&text, name, JSON_ENCODE_ANY) && buf_append_text(&text, ":") &&
        schema_write_literal(text.data, text.n, &literal) &&
        buf_append_format(out, "%s%s%s%s %s %s", written ? "\",\" " : "", written ? space : "",
                          written ? " " : "", literal.data, space, p->rule);
    json_decref(name);
    buf_deinit(&text);
    buf_deinit(&literal);
    return good;
}

static hearth_status write_place(object *o, size_t i, size_t count, int written)
{
    const property *p = &o->properties[i];
    size_t place = place_of(o, i, count, written),
           with = place_of(o, i + 1, next_count(o, count), 1);
    size_t without = place_of(o, i + 1, count, written);
    bool may_come =
        p->rule[0] && o->possible[with] && (o->n_counts == 1 || count + 1 < o->n_counts);
    bool may_lack = !p->required && o->possible[without];
    if (!may_come && !may_lack)
        return HEARTH_OK;
    o->possible[place] = 1;
    bool good = buf_append_format(&o->s->rules, "%s-p%zu ::= ", o->base, place);
    if (good && may_come)
        good = write_member(o, p, written, &o->s->rules) &&
               buf_append_format(&o->s->rules, " %s-p%zu", o->base, with);
    if (good && may_lack)
        good =
            buf_append_format(&o->s->rules, "%s%s-p%zu", may_come ? " | " : "", o->base, without);
    good = good && buf_append_text(&o->s->rules, "\n");
    return good ? HEARTH_OK : schema_no_memory(o->s);
}

static hearth_status write_places(object *o)
{
    size_t n_places = (o->n + 1) * o->n_counts * 2;
    if (n_places > SCHEMA_RULES_MAX)
        return schema_refuse(o->s, HEARTH_EINVAL,
                             "so many properties cannot be counted; leave out "
                             "minProperties and maxProperties");
    o->possible = mem_calloc(n_places, 1);
    if (o->possible == NULL)
        return schema_no_memory(o->s);
    for (size_t i = o->n + 1; i-- > 0;) {
        for (size_t count = 0; count < o->n_counts; count++) {
            for (int written = 0; written < 2; written++)
                TRY(i == o->n ? write_end(o, count, written) : write_place(o, i, count, written));
        }
    }
    return HEARTH_OK;
}

/* Counting starts to matter where the bounds can be met or missed. */
static hearth_status take_counts(object *o)
{
    TRY(schema_count(o->s, o->flat, "minProperties", 0, &o->min));
    TRY(schema_count(o->s, o->flat, "maxProperties", UINT32_MAX, &o->max));
    size_t n_required = 0;
    for (size_t i = 0; i < o->n; i++)
        n_required += o->properties[i].required;
    if (o->min <= n_required && o->max == UINT32_MAX)
        o->min = 0;
    o->n_counts = o->min > 0 || o->max != UINT32_MAX ? o->n + 2 : 1;
    return HEARTH_OK;
}

static hearth_status write_object(object *o, buf *out, bool *possible)
{
    schema *s = o->s;
    schema_new_name(s, o->base);
    TRY(add_properties(o));
    TRY(find_others(o));
    TRY(take_counts(o));
    for (size_t i = 0; i < o->n; i++) {
        if (o->properties[i].required && o->properties[i].rule[0] == '\0')
            return HEARTH_OK; /* not possible */
    }
    if (o->other.n > 0 &&
        !buf_append_format(&s->rules, "%s-other ::= %s\n", o->base, o->other.data))
        return schema_no_memory(s);
    TRY(write_places(o));
    *possible = o->possible[place_of(o, 0, 0, 0)];
    const char *space = schema_helper(s, HELPER_SPACE);
    return buf_append_format(out, "\"{\" %s %s-p%zu %s \"}\"", space, o->base, place_of(o, 0, 0, 0),
                             space)
               ? HEARTH_OK
               : schema_no_memory(s);
}

hearth_status schema_write_object(schema *s, const json_t *flat, buf *out, bool *possible)
{
    object o = {.s = s, .flat = flat};
    *possible = false;
    buf_init(&o.other, 0);
    hearth_status status = write_object(&o, out, possible);
    mem_free(o.properties);
    mem_free(o.possible);
    buf_deinit(&o.other);
    return status;
}
