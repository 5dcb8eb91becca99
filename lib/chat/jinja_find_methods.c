/* SPDX-License-Identifier: MIT
 *
 * jinja_find_methods.c - the methods of Python's strings that look for text: finding, splitting,
 * replacing, prefixes.
 */
#include <string.h>

#include "base/utf8.h"
#include "chat/jinja_text.h"
#include "chat/jinja_unicode.h"

/* ---- finding ---- */

static const char *last_place(const char *text, size_t n, const jinja_string *part)
{
    if (part->n > n)
        return NULL;
    for (size_t at = n - part->n;; at--) {
        if (memcmp(text + at, part->text, part->n) == 0)
            return text + at;
        if (at == 0)
            return NULL;
    }
}

static const char *first_place(const char *text, size_t n, const jinja_string *part)
{
    if (part->n > n)
        return NULL;
    return part->n ? memmem(text, n, part->text, part->n) : text;
}

/* [start, stop) of slots 1 and 2 as bytes; false if it is empty beyond the end. */
static hearth_status span(jinja_run *r, const jinja_call *c, size_t *begin, size_t *end,
                          bool *valid)
{
    const jinja_string *s = c->self.string;
    int64_t n = (int64_t)s->n_chars, start = 0, stop = n;
    TRY(jinja_spend(r, s->n / 16));
    if (c->slots[1].kind != JINJA_NONE)
        TRY(jinja_want_int(r, c->slots[1], "the start", 0, &start));
    if (c->slots[2].kind != JINJA_NONE)
        TRY(jinja_want_int(r, c->slots[2], "the end", n, &stop));
    start = start < 0 ? (start < -n ? 0 : start + n) : start;
    stop = stop < 0 ? (stop < -n ? 0 : stop + n) : stop > n ? n : stop;
    *valid = start <= stop;
    *begin = jinja_byte_of(s, (size_t)start);
    *end = *valid ? jinja_byte_of(s, (size_t)stop) : *begin;
    return HEARTH_OK;
}

static hearth_status find(jinja_run *r, jinja_call *c, bool last, bool must)
{
    const jinja_string *s = c->self.string, *part;
    size_t begin, end;
    bool valid;
    TRY(jinja_want_string(r, c->slots[0], "what is looked for", &part));
    TRY(span(r, c, &begin, &end, &valid));
    if (last)
        TRY(jinja_spend(r, s->n / 8 * (part->n / 64 + 1)));
    const char *found = NULL;
    if (valid)
        found = last ? last_place(s->text + begin, end - begin, part)
                     : first_place(s->text + begin, end - begin, part);
    if (found == NULL && must)
        return jinja_fail(r, "the substring was not found");
    c->out = jinja_int(found ? (int64_t)jinja_count_chars(s->text, (size_t)(found - s->text)) : -1);
    return HEARTH_OK;
}

static hearth_status method_find(jinja_run *r, jinja_call *c)
{
    return find(r, c, false, false);
}

static hearth_status method_rfind(jinja_run *r, jinja_call *c)
{
    return find(r, c, true, false);
}

static hearth_status method_index(jinja_run *r, jinja_call *c)
{
    return find(r, c, false, true);
}

static hearth_status method_rindex(jinja_run *r, jinja_call *c)
{
    return find(r, c, true, true);
}

static hearth_status method_count(jinja_run *r, jinja_call *c)
{
    const jinja_string *s = c->self.string, *part;
    size_t begin, end;
    bool valid;
    int64_t n = 0;
    TRY(jinja_want_string(r, c->slots[0], "what is counted", &part));
    TRY(span(r, c, &begin, &end, &valid));
    if (part->n == 0 && valid)
        n = (int64_t)jinja_count_chars(s->text + begin, end - begin) + 1;
    while (part->n > 0 && valid) {
        const char *found = first_place(s->text + begin, end - begin, part);
        if (found == NULL)
            break;
        n++;
        begin = (size_t)(found - s->text) + part->n;
    }
    c->out = jinja_int(n);
    return HEARTH_OK;
}

/* ---- beginnings and ends ---- */

static bool matches(const jinja_string *s, size_t begin, size_t end, const jinja_string *part,
                    bool at_end)
{
    return part->n <= end - begin &&
           memcmp(s->text + (at_end ? end - part->n : begin), part->text, part->n) == 0;
}

static hearth_status affix(jinja_run *r, jinja_call *c, bool at_end)
{
    const jinja_string *s = c->self.string, *part;
    jinja_value one = c->slots[0];
    const jinja_value *items = &one;
    size_t n = 1, begin, end;
    bool valid, any = false;
    TRY(span(r, c, &begin, &end, &valid));
    if (jinja_is_tuple(one)) {
        items = one.list->items;
        n = one.list->n;
    }
    for (size_t i = 0; i < n && !any; i++) {
        TRY(jinja_want_string(r, items[i], at_end ? "the suffix" : "the prefix", &part));
        any = valid && matches(s, begin, end, part, at_end);
    }
    c->out = jinja_bool(any);
    return HEARTH_OK;
}

static hearth_status method_startswith(jinja_run *r, jinja_call *c)
{
    return affix(r, c, false);
}

static hearth_status method_endswith(jinja_run *r, jinja_call *c)
{
    return affix(r, c, true);
}

static hearth_status remove_affix(jinja_run *r, jinja_call *c, bool at_end)
{
    const jinja_string *s = c->self.string, *part;
    TRY(jinja_want_string(r, c->slots[0], at_end ? "the suffix" : "the prefix", &part));
    c->out = c->self;
    if (!matches(s, 0, s->n, part, at_end))
        return HEARTH_OK;
    return jinja_wrap_string(r, s->text + (at_end ? 0 : part->n), s->n - part->n, &c->out);
}

static hearth_status method_removeprefix(jinja_run *r, jinja_call *c)
{
    return remove_affix(r, c, false);
}

static hearth_status method_removesuffix(jinja_run *r, jinja_call *c)
{
    return remove_affix(r, c, true);
}

/* ---- splitting ---- */

static hearth_status push_span(jinja_run *r, jinja_builder *b, const char *text, size_t n)
{
    jinja_value v;
    TRY(jinja_wrap_string(r, text, n, &v));
    return jinja_build(r, b, v);
}

static void turn_around(jinja_builder *b)
{
    for (size_t i = 0; i < b->n / 2; i++) {
        jinja_value v = b->items[i];
        b->items[i] = b->items[b->n - 1 - i];
        b->items[b->n - 1 - i] = v;
    }
}

static hearth_status split_by(jinja_run *r, const jinja_string *s, const jinja_string *sep,
                              int64_t max, bool last, jinja_builder *b)
{
    const char *begin = s->text, *end = s->text + s->n;
    for (; max != 0; max--) {
        size_t n = (size_t)(end - begin);
        const char *found = last ? last_place(begin, n, sep) : first_place(begin, n, sep);
        if (found == NULL)
            break;
        if (last) {
            TRY(push_span(r, b, found + sep->n, (size_t)(end - found) - sep->n));
            end = found;
        } else {
            TRY(push_span(r, b, begin, (size_t)(found - begin)));
            begin = found + sep->n;
        }
    }
    return push_span(r, b, begin, (size_t)(end - begin));
}

static size_t word_prefix(const char *text, size_t n)
{
    size_t i = 0;
    uint32_t c;
    while (i < n) {
        size_t length = utf8_decode(text + i, n - i, &c);
        if (jinja_is_space(c))
            break;
        i += length;
    }
    return i;
}

static size_t word_suffix(const char *text, size_t n)
{
    size_t left = n;
    uint32_t c;
    while (left > 0) {
        size_t length = jinja_last_char(text, left, &c);
        if (jinja_is_space(c))
            break;
        left -= length;
    }
    return n - left;
}

/* Words with white space between them; what is left beyond max keeps its white space inside. */
static hearth_status split_words(jinja_run *r, const jinja_string *s, int64_t max, bool last,
                                 jinja_builder *b)
{
    const char *text = s->text;
    size_t n = s->n;
    for (;; max--) {
        size_t blank = last ? jinja_space_suffix(text, n) : jinja_space_prefix(text, n);
        n -= blank;
        text += last ? 0 : blank;
        if (n == 0)
            return HEARTH_OK;
        size_t word = last ? word_suffix(text, n) : word_prefix(text, n);
        if (max == 0)
            word = n;
        TRY(push_span(r, b, last ? text + n - word : text, word));
        n -= word;
        text += last ? 0 : word;
    }
}

static hearth_status split(jinja_run *r, jinja_call *c, bool last)
{
    const jinja_string *s = c->self.string, *sep = NULL;
    jinja_builder b = {0};
    int64_t max;
    TRY(jinja_want_int(r, c->slots[1], "maxsplit", -1, &max));
    if (c->slots[0].kind != JINJA_MISSING && c->slots[0].kind != JINJA_NONE)
        TRY(jinja_want_string(r, c->slots[0], "the separator", &sep));
    if (sep && sep->n == 0)
        return jinja_fail(r, "the separator is empty");
    TRY(jinja_spend(r, s->n / 16));
    TRY(sep ? split_by(r, s, sep, max, last, &b) : split_words(r, s, max, last, &b));
    if (last)
        turn_around(&b);
    return jinja_built(r, &b, JINJA_PLAIN, &c->out);
}

static hearth_status method_split(jinja_run *r, jinja_call *c)
{
    return split(r, c, false);
}

static hearth_status method_rsplit(jinja_run *r, jinja_call *c)
{
    return split(r, c, true);
}

static bool ends_line(uint32_t c)
{
    return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
}

hearth_status jinja_split_lines(jinja_run *r, const jinja_string *s, bool keep_ends,
                                jinja_value *out)
{
    jinja_builder b = {0};
    size_t begin = 0;
    TRY(jinja_spend(r, s->n / 16));
    for (size_t i = 0; i < s->n;) {
        uint32_t c;
        size_t n = utf8_decode(s->text + i, s->n - i, &c);
        if (c == '\r' && i + 1 < s->n && s->text[i + 1] == '\n')
            n = 2;
        if (ends_line(c)) {
            TRY(push_span(r, &b, s->text + begin, i - begin + (keep_ends ? n : 0)));
            begin = i + n;
        }
        i += n;
    }
    if (begin < s->n)
        TRY(push_span(r, &b, s->text + begin, s->n - begin));
    return jinja_built(r, &b, JINJA_PLAIN, out);
}

static hearth_status method_splitlines(jinja_run *r, jinja_call *c)
{
    return jinja_split_lines(r, c->self.string, jinja_want_flag(c->slots[0], false), &c->out);
}

static hearth_status partition(jinja_run *r, jinja_call *c, bool last)
{
    const jinja_string *s = c->self.string, *sep;
    jinja_value *items;
    TRY(jinja_want_string(r, c->slots[0], "the separator", &sep));
    if (sep->n == 0)
        return jinja_fail(r, "the separator is empty");
    TRY(jinja_spend(r, s->n / 8));
    const char *found = last ? last_place(s->text, s->n, sep) : first_place(s->text, s->n, sep);
    size_t before = found ? (size_t)(found - s->text) : last ? 0 : s->n;
    size_t after = found ? before + sep->n : before;
    TRY(jinja_make_list(r, JINJA_TUPLE, 3, &items, &c->out));
    TRY(jinja_wrap_string(r, s->text, before, &items[0]));
    TRY(jinja_wrap_string(r, found ? found : s->text, found ? sep->n : 0, &items[1]));
    return jinja_wrap_string(r, s->text + after, s->n - after, &items[2]);
}

static hearth_status method_partition(jinja_run *r, jinja_call *c)
{
    return partition(r, c, false);
}

static hearth_status method_rpartition(jinja_run *r, jinja_call *c)
{
    return partition(r, c, true);
}

/* ---- replacing ---- */

/* An empty `old` is found between all characters. */
static hearth_status replace_empty(jinja_run *r, const jinja_string *s, const jinja_string *by,
                                   int64_t count, buf *b)
{
    for (size_t i = 0; i <= s->n;) {
        if (count-- != 0)
            TRY(jinja_write(r, b, by->text, by->n));
        else
            return jinja_write(r, b, s->text + i, s->n - i);
        if (i == s->n)
            break;
        size_t n = utf8_valid_prefix(s->text + i, s->n - i);
        TRY(jinja_write(r, b, s->text + i, n ? n : 1));
        i += n ? n : 1;
    }
    return HEARTH_OK;
}

static hearth_status replace_into(jinja_run *r, const jinja_string *s, const jinja_string *old,
                                  const jinja_string *by, int64_t count, buf *b)
{
    size_t begin = 0;
    if (old->n == 0)
        return replace_empty(r, s, by, count, b);
    for (; count != 0; count--) {
        const char *found = first_place(s->text + begin, s->n - begin, old);
        if (found == NULL)
            break;
        size_t at = (size_t)(found - s->text);
        TRY(jinja_write(r, b, s->text + begin, at - begin));
        TRY(jinja_write(r, b, by->text, by->n));
        begin = at + old->n;
    }
    return jinja_write(r, b, s->text + begin, s->n - begin);
}

hearth_status jinja_replace(jinja_run *r, const jinja_string *s, const jinja_string *old,
                            const jinja_string *by, int64_t count, jinja_value *out)
{
    buf b;
    TRY(jinja_spend(r, s->n / 16));
    buf_init(&b, r->max_output);
    hearth_status status = replace_into(r, s, old, by, count, &b);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, out);
    buf_deinit(&b);
    return status;
}

static hearth_status method_replace(jinja_run *r, jinja_call *c)
{
    const jinja_string *old, *by;
    int64_t count;
    TRY(jinja_want_string(r, c->slots[0], "what is replaced", &old));
    TRY(jinja_want_string(r, c->slots[1], "what replaces it", &by));
    TRY(jinja_want_int(r, c->slots[2], "the count", -1, &count));
    return jinja_replace(r, c->self.string, old, by, count, &c->out);
}

const jinja_builtin jinja_find_methods[] = {
    {"find", method_find, "sub|start|end", 1},
    {"rfind", method_rfind, "sub|start|end", 1},
    {"index", method_index, "sub|start|end", 1},
    {"rindex", method_rindex, "sub|start|end", 1},
    {"count", method_count, "sub|start|end", 1},
    {"startswith", method_startswith, "prefix|start|end", 1},
    {"endswith", method_endswith, "suffix|start|end", 1},
    {"removeprefix", method_removeprefix, "prefix", 1},
    {"removesuffix", method_removesuffix, "suffix", 1},
    {"split", method_split, "sep|maxsplit", 0},
    {"rsplit", method_rsplit, "sep|maxsplit", 0},
    {"splitlines", method_splitlines, "keepends", 0},
    {"partition", method_partition, "sep", 1},
    {"rpartition", method_rpartition, "sep", 1},
    {"replace", method_replace, "old|new|count", 2},
};
const size_t jinja_n_find_methods = sizeof jinja_find_methods / sizeof *jinja_find_methods;
