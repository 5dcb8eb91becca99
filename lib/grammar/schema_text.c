/* SPDX-License-Identifier: MIT
 *
 * schema_text.c - strings and numbers of a schema, as automata over their texts.
 *
 * Numbers  Bounds are compared digit by digit. A text is read as the nearest binary64, so a number
 *          next to a bound has 15 digits at most: then different texts are different numbers, in
 * the same order. Bounds themselves have 15 digits at most for the same reason. Formats  A part of
 * what each format allows, that every checker agrees on: years 1000 to 2999, no leap seconds,
 * ASCII.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"
#include "grammar/schema.h"

enum { DIGITS_MAX = 15 };

/* ---- formats ---- */

#define YEAR "[12]\\d{3}"
#define DATE                                                                                       \
    "(?:" YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|"  \
    "30)|02-(?:0[1-9]|1\\d|2[0-8]))|[12]\\d(?:0[48]|[2468][048]|[13579][26])-02-29)"
#define TIME                                                                                       \
    "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,20}[A-Za-z0-9])?"
#define BYTE_TEXT "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define IPV4 BYTE_TEXT "(?:\\." BYTE_TEXT "){3}"
#define HEX16 "[0-9A-Fa-f]{1,4}"
#define SAFE "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define TAIL "(?:/" SAFE "*)*(?:\\?(?:" SAFE "|[/?])*)?(?:#(?:" SAFE "|[/?])*)?"

static const struct {
    const char *name, *pattern;
} formats[] = {
    {"date", DATE},
    {"time", TIME},
    {"date-time", DATE "T" TIME},
    {"duration",
     "P(?:\\d{1,4}W|(?:\\d{1,4}Y(?:\\d{1,4}M(?:\\d{1,4}D)?)?|\\d{1,4}M(?:\\d{1,4}D)?|\\d{"
     "1,4}D)(?:T(?:\\d{1,4}H(?:\\d{1,4}M(?:\\d{1,4}S)?)?|\\d{1,4}M(?:\\d{1,4}S)?|\\d{1,"
     "4}S))?|T(?:\\d{1,4}H(?:\\d{1,4}M(?:\\d{1,4}S)?)?|\\d{1,4}M(?:\\d{1,4}S)?|\\d{1,4}"
     "S))"},
    {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"},
    {"email", "[A-Za-z0-9_+-]{1,30}(?:\\.[A-Za-z0-9_+-]{1,15}){0,2}@" LABEL "(?:\\." LABEL
              "){0,2}\\.[A-Za-z]{2,12}"},
    {"hostname", LABEL "(?:\\." LABEL "){0,3}\\.[A-Za-z]{2,12}|[A-Za-z][A-Za-z0-9]{0,20}"},
    {"ipv4", IPV4},
    {"ipv6", "(?:" HEX16 ":){7}" HEX16 "|(?:" HEX16 ":){1,7}:|(?:" HEX16 ":){1,6}:" HEX16
             "|(?:" HEX16 ":){1,5}(?::" HEX16 "){1,2}|(?:" HEX16 ":){1,4}(?::" HEX16
             "){1,3}|(?:" HEX16 ":){1,3}(?::" HEX16 "){1,4}|(?:" HEX16 ":){1,2}(?::" HEX16
             "){1,5}|" HEX16 ":(?::" HEX16 "){1,6}|:(?::" HEX16 "){1,7}|::"},
    {"uri",
     "[A-Za-z][A-Za-z0-9+.-]{1,15}://" LABEL "(?:\\." LABEL "){0,4}(?::[1-9]\\d{0,3})?" TAIL},
    {"json-pointer", "(?:/(?:[^~/]|~[01])*)*"},
};

static const char *find_format(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].pattern;
    }
    return NULL;
}

/* ---- strings ---- */

hearth_status schema_count(schema *s, const json_t *flat, const char *key, uint32_t otherwise,
                           uint32_t *value)
{
    const json_t *number = json_object_get(flat, key);
    *value = number ? (uint32_t)json_number_value(number) : otherwise;
    if (number && *value > GRAMMAR_REPEAT_MAX)
        return schema_refuse(s, HEARTH_EINVAL, "%s is %u; %d is the most that can be counted", key,
                             *value, GRAMMAR_REPEAT_MAX);
    return HEARTH_OK;
}

/* *r becomes what is in it and matches the pattern too. */
static hearth_status cut(schema *s, regular **r, const char *pattern, regular_mode mode)
{
    regular *one = NULL, *both = NULL;
    hearth_error err = {0};
    hearth_status status = regular_from_regex(&one, pattern, strlen(pattern), mode, &err);
    if (status == HEARTH_OK && *r)
        status = regular_combine(&both, *r, one, false, &err);
    if (status != HEARTH_OK) {
        regular_free(one);
        return schema_refuse(s, status, "%s", err.message);
    }
    if (*r) {
        regular_free(*r);
        regular_free(one);
        one = both;
    }
    *r = one;
    s->work += (int)(one->n_states / 16);
    return HEARTH_OK;
}

static hearth_status cut_formats(schema *s, const json_t *list, regular **r)
{
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)list, i, name)
    {
        const char *pattern = find_format(json_string_value(name));
        if (pattern == NULL)
            return schema_refuse(s, HEARTH_EUNSUPPORTED,
                                 "format '%.40s' cannot be enforced; leave it out, or use a "
                                 "pattern, or one of date, time, date-time, duration, uuid, email, "
                                 "hostname, ipv4, ipv6, uri, json-pointer",
                                 json_string_value(name));
        TRY(cut(s, r, pattern, REGULAR_WHOLE));
    }
    return HEARTH_OK;
}

static hearth_status cut_all(schema *s, const json_t *flat, regular **r)
{
    size_t i;
    json_t *pattern;
    uint32_t min, max;
    char lengths[64];
    json_array_foreach(json_object_get(flat, "pattern"), i, pattern)
    {
        TRY(cut(s, r, json_string_value(pattern), REGULAR_SEARCH));
    }
    TRY(cut_formats(s, json_object_get(flat, "format"), r));
    TRY(schema_count(s, flat, "minLength", 0, &min));
    TRY(schema_count(s, flat, "maxLength", UINT32_MAX, &max));
    if (*r == NULL || (min == 0 && max == UINT32_MAX))
        return HEARTH_OK;
    if (max == UINT32_MAX)
        snprintf(lengths, sizeof lengths, "[^]{%u,}", min);
    else if (max < min)
        snprintf(lengths, sizeof lengths, "[]");
    else
        snprintf(lengths, sizeof lengths, "[^]{%u,%u}", min, max);
    return cut(s, r, lengths, REGULAR_WHOLE);
}

hearth_status schema_strings(schema *s, const json_t *flat, regular **r)
{
    *r = NULL;
    hearth_status status = cut_all(s, flat, r);
    if (status != HEARTH_OK) {
        regular_free(*r);
        *r = NULL;
    }
    return status;
}

hearth_status schema_write_string(schema *s, const json_t *flat, buf *out, bool *possible)
{
    hearth_status status = HEARTH_OK;
    regular *r;
    uint32_t min, max;
    bool good;
    TRY(schema_strings(s, flat, &r));
    if (r) {
        char name[SCHEMA_NAME];
        schema_new_name(s, name);
        *possible = !regular_is_empty(r);
        good = !*possible || buf_append_format(out, "\"\\\"\" %s-0 \"\\\"\"", name);
        status = *possible ? regular_write(r, name, true, &s->rules, s->err) : HEARTH_OK;
        regular_free(r);
        return good ? status : schema_no_memory(s);
    }
    TRY(schema_count(s, flat, "minLength", 0, &min));
    TRY(schema_count(s, flat, "maxLength", UINT32_MAX, &max));
    *possible = min <= max;
    if (min == 0 && max == UINT32_MAX)
        good = buf_append_text(out, schema_helper(s, HELPER_STRING));
    else if (max == UINT32_MAX)
        good =
            buf_append_format(out, "\"\\\"\" %s{%u,} \"\\\"\"", schema_helper(s, HELPER_CHAR), min);
    else
        good = !*possible || buf_append_format(out, "\"\\\"\" %s{%u,%u} \"\\\"\"",
                                               schema_helper(s, HELPER_CHAR), min, max);
    return good ? HEARTH_OK : schema_no_memory(s);
}

bool schema_write_literal(const char *text, size_t n, buf *out)
{
    bool good = buf_append_text(out, "\"");
    for (size_t i = 0; good && i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c == '"' || c == '\\')
            good = buf_append_format(out, "\\%c", c);
        else if (c < 32 || c == 127)
            good = buf_append_format(out, "\\x%02X", c);
        else
            good = buf_append(out, &text[i], 1);
    }
    return good && buf_append_text(out, "\"");
}

bool schema_quote(const char *text, size_t n, buf *out)
{
    bool good = true;
    for (size_t at = 0; good && at < n;) {
        uint32_t c;
        at += utf8_decode(text + at, n - at, &c);
        good = buf_append_format(out, "\\u{%X}", c);
    }
    return good;
}

/* ---- decimal texts ---- */

/* A size as digits before and behind the point, without zeros that say nothing. */
typedef struct decimal {
    char whole[24], part[24];
} decimal;

/* One end of a range of sizes. */
typedef struct bound {
    bool is_set, open; /* open: the bound itself is out */
    decimal d;
} bound;

static bool split_double(double value, decimal *d)
{
    char text[64];
    int digits = 1;
    for (; digits <= DIGITS_MAX; digits++) {
        number_print(text, sizeof text, "%.*e", digits - 1, value);
        if (number_parse(text, NULL) == value)
            break;
    }
    if (digits > DIGITS_MAX || value >= 1e15)
        return false;
    long exponent = strtol(strchr(text, 'e') + 1, NULL, 10);
    long behind = digits - 1 - exponent;
    if (behind > DIGITS_MAX)
        return false;
    number_print(text, sizeof text, "%.*f", behind > 0 ? (int)behind : 0, value);
    char *point = strchr(text, '.');
    size_t n = point ? (size_t)(point - text) : strlen(text);
    memcpy(d->whole, text, n);
    d->whole[n] = '\0';
    snprintf(d->part, sizeof d->part, "%s", point ? point + 1 : "");
    for (n = strlen(d->part); n > 0 && d->part[n - 1] == '0'; n--)
        d->part[n - 1] = '\0';
    return strlen(d->whole) + strlen(d->part) <= DIGITS_MAX;
}

static void pick(const json_t *flat, const char *closed, const char *open, double sign,
                 double *value, bool *is_open, bool *is_set)
{
    const json_t *a = json_object_get(flat, closed), *b = json_object_get(flat, open);
    *is_set = a || b;
    *is_open = b != NULL;
    *value = json_number_value(b ? b : a);
    if (a && b && json_number_value(a) * sign > *value * sign) {
        *value = json_number_value(a);
        *is_open = false;
    }
}

typedef struct limits {
    double low, high;
    bool low_set, high_set, low_open, high_open;
} limits;

static limits limits_of(const json_t *flat)
{
    limits l;
    pick(flat, "minimum", "exclusiveMinimum", 1, &l.low, &l.low_open, &l.low_set);
    pick(flat, "maximum", "exclusiveMaximum", -1, &l.high, &l.high_open, &l.high_set);
    return l;
}

bool schema_numbers_meet(const json_t *a, const json_t *b)
{
    limits x = limits_of(a), y = limits_of(b);
    bool apart = x.high_set && y.low_set &&
                 (x.high < y.low || (x.high == y.low && (x.high_open || y.low_open)));
    bool apart_too = y.high_set && x.low_set &&
                     (y.high < x.low || (y.high == x.low && (y.high_open || x.low_open)));
    return !apart && !apart_too;
}

/* ---- whole numbers as expressions ---- */

/* Digits from text[i] on that are at least (or at most) those of the text, of the same length. */
static bool write_side(const char *text, size_t i, bool at_least, buf *out)
{
    size_t n = strlen(text);
    bool good = buf_append_text(out, "(?:");
    for (size_t k = i; good && k < n; k++) {
        bool any = at_least ? text[k] < '9' : text[k] > '0';
        if (any)
            good = buf_append_format(out, "%.*s[%c-%c]\\d{%zu}|", (int)(k - i), text + i,
                                     at_least ? text[k] + 1 : '0', at_least ? '9' : text[k] - 1,
                                     n - k - 1);
    }
    return good && buf_append_format(out, "%s)", text + i);
}

/* low..high, texts of the same length. */
static bool write_between(const char *low, const char *high, buf *out)
{
    size_t n = strlen(low), i = 0;
    while (i < n && low[i] == high[i])
        i++;
    if (i == n)
        return buf_append_text(out, low);
    bool good = buf_append_format(out, "%.*s(?:%c", (int)i, low, low[i]) &&
                write_side(low, i + 1, true, out) && buf_append_format(out, "|%c", high[i]) &&
                write_side(high, i + 1, false, out);
    if (good && low[i] + 1 < high[i])
        good = buf_append_format(out, "|[%c-%c]\\d{%zu}", low[i] + 1, high[i] - 1, n - i - 1);
    return good && buf_append_text(out, ")");
}

/* Whole numbers low..high, not negative, without leading zeros. */
static bool write_whole(uint64_t low, uint64_t high, buf *out)
{
    bool good = buf_append_text(out, "(?:[]");
    while (good && low <= high) {
        char a[24], b[24];
        uint64_t end = 9;
        while (end < low && end < UINT64_MAX / 10)
            end = end * 10 + 9;
        if (end < low || end > high)
            end = high;
        snprintf(a, sizeof a, "%llu", (unsigned long long)low);
        snprintf(b, sizeof b, "%llu", (unsigned long long)end);
        good = buf_append_text(out, "|") && write_between(a, b, out);
        if (end == UINT64_MAX)
            break;
        low = end + 1;
    }
    return good && buf_append_text(out, ")");
}

/* ---- sizes with a fraction ---- */

static const uint64_t most_whole = 999999999999999u;

/* What may follow the whole part of a bound: fractions beyond its own, on the side asked for. */
static bool write_fractions(const bound *b, bool at_least, buf *out)
{
    const char *f = b->d.part;
    int n = (int)strlen(f), room = DIGITS_MAX - (int)strlen(b->d.whole);
    bool good = buf_append_text(out, "(?:[]");
    for (int i = 0; good && i < n; i++) {
        char low = at_least ? (char)(f[i] + 1) : '0', high = at_least ? '9' : (char)(f[i] - 1);
        if (low <= high)
            good =
                buf_append_format(out, "|\\.%.*s[%c-%c]\\d{0,%d}", i, f, low, high, room - i - 1);
        if (good && !at_least) /* cut short, it is less */
            good = buf_append_format(out, i ? "|\\.%.*s" : "|", i, f);
    }
    if (good && !b->open)
        good = n ? buf_append_format(out, "|\\.%s0{0,%d}", f, room - n > 2 ? 2 : room - n)
                 : buf_append_text(out, "|(?:\\.0)?");
    if (good && at_least && room > n) /* and more behind it */
        good = buf_append_format(out, "|\\.%s0{0,%d}[1-9]\\d{0,%d}", f, room - n - 1, room - n - 1);
    return good && buf_append_text(out, ")");
}

static hearth_status regex_of(schema *s, buf *text, bool good, regular **r)
{
    if (!good)
        return schema_no_memory(s);
    return cut(s, r, text->data, REGULAR_WHOLE);
}

/* Sizes between two bounds. */
static hearth_status make_sizes(schema *s, const bound *low, const bound *high, regular **r)
{
    hearth_status status = HEARTH_OK;
    buf text;
    buf_init(&text, 0);
    uint64_t from = strtoull(low->d.whole, NULL, 10), to = strtoull(high->d.whole, NULL, 10);
    bool good = true;
    if (low->is_set) {
        good = write_whole(from + 1, most_whole, &text) &&
               buf_append_format(&text, "(?:\\.\\d{1,16})?|%s", low->d.whole) &&
               write_fractions(low, true, &text);
        TRY_OUT(regex_of(s, &text, good, r));
        buf_clear(&text);
    }
    if (high->is_set) {
        int room = DIGITS_MAX - (int)strlen(high->d.whole);
        good = buf_append_format(&text, "%s", high->d.whole) && write_fractions(high, false, &text);
        if (good && to > 0)
            good = buf_append_text(&text, "|") && write_whole(0, to - 1, &text) &&
                   buf_append_format(&text, "(?:\\.\\d{1,%d})?", room);
        TRY_OUT(regex_of(s, &text, good, r));
    }
    if (!low->is_set && !high->is_set)
        TRY_OUT(cut(s, r, "(?:0|[1-9]\\d{0,14})(?:\\.\\d{1,16})?", REGULAR_WHOLE));
out:
    buf_deinit(&text);
    return status;
}

/* ---- numbers ---- */

typedef struct halves {
    regular *minus, *plus; /* sizes behind a minus, and without one; NULL: none */
} halves;

static hearth_status take_bound(schema *s, double value, bool open, bound *b)
{
    *b = (bound){.is_set = true, .open = open};
    if (!split_double(fabs(value), &b->d))
        return schema_refuse(s, HEARTH_EUNSUPPORTED,
                             "the bound %.17g has more than %d digits; round it", value,
                             DIGITS_MAX);
    return HEARTH_OK;
}

static hearth_status make_fractions(schema *s, const limits *l, halves *h)
{
    bound low = {0}, high = {0}, none = {0}, zero = {.is_set = true, .open = true, .d = {"0", ""}};
    if (l->low_set)
        TRY(take_bound(s, l->low, l->low_open, &low));
    if (l->high_set)
        TRY(take_bound(s, l->high, l->high_open, &high));
    if (!l->high_set || l->high >= 0)
        TRY(make_sizes(s, l->low_set && l->low >= 0 ? &low : &none, &high, &h->plus));
    if (!l->low_set || l->low < 0)
        TRY(make_sizes(s, l->high_set && l->high < 0 ? &high : &zero, &low, &h->minus));
    return HEARTH_OK;
}

/* The automaton of multiples of m in decimal, any number of digits. */
static hearth_status make_multiples(schema *s, uint32_t m, regular **out)
{
    regular *r = mem_calloc(1, sizeof *r);
    size_t n = m + 2; /* start, 0 alone, remainders */
    if (r) {
        r->n_states = n;
        r->first = mem_alloc_array(n + 1, sizeof *r->first);
        r->edges = mem_alloc_array(10 + 10 * (size_t)m, sizeof *r->edges);
        r->accepts = mem_calloc(n, 1);
    }
    if (!r || !r->first || !r->edges || !r->accepts) {
        regular_free(r);
        return schema_no_memory(s);
    }
    uint32_t e = 0;
    for (uint32_t state = 0; state < n; state++) {
        r->first[state] = e;
        for (uint32_t d = 0; d < 10 && state != 1; d++) {
            uint32_t rest = state == 0 ? d % m : ((state - 2) * 10 + d) % m;
            r->edges[e++] = (regular_edge){'0' + d, '0' + d, state == 0 && d == 0 ? 1 : rest + 2};
        }
    }
    r->first[n] = e;
    r->accepts[1] = r->accepts[2] = 1;
    *out = r;
    return HEARTH_OK;
}

static hearth_status cut_multiples(schema *s, const json_t *list, regular **r)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
    {
        regular *multiples = NULL, *both;
        double value = json_number_value(item);
        if (!(value >= 1 && value <= 4096 && value == floor(value)))
            return schema_refuse(
                s, HEARTH_EUNSUPPORTED,
                "multipleOf %.17g cannot be enforced exactly; whole numbers from 1 "
                "to 4096 can",
                value);
        TRY(make_multiples(s, (uint32_t)value, &multiples));
        hearth_status status = regular_combine(&both, *r, multiples, false, s->err);
        regular_free(multiples);
        TRY(status);
        regular_free(*r);
        *r = both;
    }
    return HEARTH_OK;
}

/* The first whole number that a bound lets through; false: it lies beyond 64 bits. */
static bool whole_bound(const json_t *b, bool is_low, bool is_open, int64_t *whole)
{
    double value = json_number_value(b), edge = is_low ? ceil(value) : floor(value);
    bool is_whole = json_is_integer(b) || edge == value;
    if (json_is_integer(b))
        *whole = json_integer_value(b);
    else if (edge >= -0x1p63 && edge < 0x1p63)
        *whole = (int64_t)edge;
    else
        return false;
    if (!is_open || !is_whole)
        return true;
    if (*whole == (is_low ? INT64_MAX : INT64_MIN))
        return false;
    *whole += is_low ? 1 : -1;
    return true;
}

/* Bounds of whole numbers, exact. A bound that 64 bits cannot hold says nothing if what they hold
 * is within it, and cannot be kept otherwise. */
static hearth_status whole_limits(schema *s, const json_t *flat, int64_t *low, int64_t *high)
{
    static const char *const keys[] = {"minimum", "exclusiveMinimum", "maximum",
                                       "exclusiveMaximum"};
    bool low_set = false, high_set = false;
    *low = -(int64_t)most_whole;
    *high = (int64_t)most_whole;
    for (int i = 0; i < 4; i++) {
        const json_t *b = json_object_get(flat, keys[i]);
        bool is_low = i < 2, *is_set = is_low ? &low_set : &high_set;
        int64_t whole, *limit = is_low ? low : high;
        if (b == NULL)
            continue;
        if (!whole_bound(b, is_low, i % 2 == 1, &whole)) {
            if ((json_number_value(b) > 0) == is_low)
                return schema_refuse(s, HEARTH_EUNSUPPORTED,
                                     "%s %.17g cannot be enforced: whole numbers have 64 bits; "
                                     "leave it out and check it afterwards",
                                     keys[i], json_number_value(b));
            whole = is_low ? INT64_MIN + 1 : INT64_MAX;
        }
        if (!*is_set || (is_low ? whole > *limit : whole < *limit))
            *limit = whole;
        *is_set = true;
    }
    /* A bound beyond the usual 15 digits widens the other: what was asked for must be there. */
    if (!high_set && *low > *high)
        *high = INT64_MAX;
    if (!low_set && *high < *low)
        *low = INT64_MIN + 1;
    return HEARTH_OK;
}

static hearth_status make_wholes(schema *s, const json_t *flat, halves *h)
{
    hearth_status status = HEARTH_OK;
    int64_t low, high;
    buf text;
    buf_init(&text, 0);
    TRY(whole_limits(s, flat, &low, &high));
    if (low > high)
        return HEARTH_OK;
    if (high >= 0) {
        bool good = write_whole(low > 0 ? (uint64_t)low : 0, (uint64_t)high, &text);
        TRY_OUT(regex_of(s, &text, good, &h->plus));
        TRY_OUT(cut_multiples(s, json_object_get(flat, "multipleOf"), &h->plus));
    }
    buf_clear(&text);
    if (low < 0) {
        bool good = write_whole(high < 0 ? 0 - (uint64_t)high : 1, 0 - (uint64_t)low, &text);
        TRY_OUT(regex_of(s, &text, good, &h->minus));
        TRY_OUT(cut_multiples(s, json_object_get(flat, "multipleOf"), &h->minus));
    }
out:
    buf_deinit(&text);
    return status;
}

static hearth_status write_half(schema *s, const regular *r, const char *sign, bool *possible,
                                buf *out)
{
    char name[SCHEMA_NAME];
    if (r == NULL || regular_is_empty(r))
        return HEARTH_OK;
    schema_new_name(s, name);
    if (!buf_append_format(out, "%s%s%s-0", *possible ? " | " : "", sign, name))
        return schema_no_memory(s);
    *possible = true;
    return regular_write(r, name, false, &s->rules, s->err);
}

hearth_status schema_write_number(schema *s, const json_t *flat, buf *out, bool *possible)
{
    hearth_status status = HEARTH_OK;
    limits l = limits_of(flat);
    halves h = {NULL, NULL};
    bool fractions = schema_types(flat) & TYPE_FRACTION && !json_object_get(flat, "multipleOf");
    *possible = true;
    if (!l.low_set && !l.high_set && !json_object_get(flat, "multipleOf"))
        return buf_append_text(out, schema_helper(s, fractions ? HELPER_NUMBER : HELPER_INTEGER))
                   ? HEARTH_OK
                   : schema_no_memory(s);
    *possible = false;
    TRY_OUT(fractions ? make_fractions(s, &l, &h) : make_wholes(s, flat, &h));
    TRY_OUT(write_half(s, h.plus, "", possible, out));
    TRY_OUT(write_half(s, h.minus, "\"-\" ", possible, out));
out:
    regular_free(h.plus);
    regular_free(h.minus);
    return status;
}
