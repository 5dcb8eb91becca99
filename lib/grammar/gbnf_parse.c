/* SPDX-License-Identifier: MIT
 *
 * gbnf_parse.c - the text of a grammar to a tree of items (gbnf_parser.h).
 *
 * Syntax   llama.cpp's grammars/README.md: rules, "literals", [classes], ., (groups), |, * + ?
 *          {m} {m,} {m,n}, # comments, <[12]> and <token>, ! before them. A newline ends a rule
 *          unless it is inside a group or after |.
 * Depth    Groups nest up to GRAMMAR_DEPTH_MAX; nothing else recurses.
 */
#include "grammar/gbnf_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* ---- errors ---- */

static void position_of(const gbnf_parser *p, const char *at, unsigned *line, unsigned *column)
{
    *line = 1;
    *column = 1;
    for (const char *c = p->in.text; c < at && c < p->in.end; c++) {
        if (*c == '\n') {
            ++*line;
            *column = 1;
        } else if (((uint8_t)*c & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

#define REFUSE(p, place, ...) return gbnf_parser_refuse((p), (place), __VA_ARGS__)
hearth_status gbnf_parser_refuse(const gbnf_parser *p, const char *at, const char *format, ...)
{
    char message[256], where[64];
    unsigned line, column;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    position_of(p, at, &line, &column);
    snprintf(where, sizeof where, "grammar:%u:%u", line, column);
    return error_set(p->err, HEARTH_EINVAL, where, "grammar, line %u, column %u: %s", line, column,
                     message);
}

hearth_status gbnf_parser_no_memory(const gbnf_parser *p)
{
    return error_no_memory(p->err, "a grammar", (unsigned long long)(p->in.end - p->in.text));
}

/* ---- reading ---- */

static void skip_space(gbnf_parser *p, bool newlines)
{
    for (; p->in.at < p->in.end; p->in.at++) {
        char c = *p->in.at;
        if (c == '#') {
            while (p->in.at + 1 < p->in.end && p->in.at[1] != '\n' && p->in.at[1] != '\r')
                p->in.at++;
        } else if (c != ' ' && c != '\t' && !(newlines && (c == '\n' || c == '\r'))) {
            return;
        }
    }
}

static bool is_name_char(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static hearth_status add_item(gbnf_parser *p, gbnf_item new, uint32_t *index)
{
    *index = (uint32_t)COUNT(&p->items, gbnf_item);
    return buf_append(&p->items, &new, sizeof new) ? HEARTH_OK : gbnf_parser_no_memory(p);
}

typedef struct name_key {
    const gbnf_parser *p;
    const char *name;
    size_t n;
} name_key;

static bool is_symbol(const void *owner, int32_t id, const void *key)
{
    const gbnf_parser *p = owner;
    const name_key *k = key;
    const gbnf_symbol *s = &AT(&p->symbols, gbnf_symbol, id);
    return s->n_name == k->n && memcmp(s->name, k->name, k->n) == 0;
}

hearth_status gbnf_parser_symbol(gbnf_parser *p, const char *name, size_t n, uint32_t *id)
{
    name_key key = {p, name, n};
    uint64_t hash = hash_text(p->symbol_ids.seed, name, n);
    int32_t next = (int32_t)COUNT(&p->symbols, gbnf_symbol);
    int32_t found = id_table_find(&p->symbol_ids, hash, is_symbol, p, &key);
    gbnf_symbol new = {name, (uint32_t)n, NO_ITEM, name};
    *id = (uint32_t)(found >= 0 ? found : next);
    if (found >= 0)
        return HEARTH_OK;
    if (!buf_append(&p->symbols, &new, sizeof new))
        return gbnf_parser_no_memory(p);
    id_table_add(&p->symbol_ids, hash, next, is_symbol, p, &key);
    return HEARTH_OK;
}

static hearth_status read_hex(gbnf_parser *p, int n, uint32_t *value)
{
    const char *start = p->in.at - 2;
    if (!cursor_take_hex(&p->in, n, value))
        REFUSE(p, start, "this escape needs %d hexadecimal digits", n);
    if (*value > 0x10ffff || (*value >= 0xd800 && *value <= 0xdfff))
        REFUSE(p, start, "U+%X is no character", *value);
    return HEARTH_OK;
}

static hearth_status read_char(gbnf_parser *p, uint32_t *c)
{
    const char *start = p->in.at;
    if (!cursor_take(&p->in, '\\')) {
        size_t n = utf8_valid_prefix(p->in.at, (size_t)(p->in.end - p->in.at));
        if (n == 0)
            REFUSE(p, start, "the bytes here are not UTF-8");
        p->in.at += utf8_decode(p->in.at, n, c);
        return HEARTH_OK;
    }
    int escape = cursor_peek(&p->in);
    if (escape >= 0)
        p->in.at++;
    switch (escape) {
    case 'x':
        return read_hex(p, 2, c);
    case 'u':
        return read_hex(p, 4, c);
    case 'U':
        return read_hex(p, 8, c);
    case 't':
        *c = '\t';
        return HEARTH_OK;
    case 'r':
        *c = '\r';
        return HEARTH_OK;
    case 'n':
        *c = '\n';
        return HEARTH_OK;
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
        *c = (uint32_t)escape;
        return HEARTH_OK;
    default:
        REFUSE(p, start,
               "unknown escape; there are \\t \\r \\n \\\\ \\\" \\[ \\] \\- \\xHH \\uHHHH "
               "and \\UHHHHHHHH");
    }
}

/* ---- items ---- */

static hearth_status read_literal(gbnf_parser *p, uint32_t *index)
{
    const char *start = p->in.at++;
    gbnf_item new = {.kind = ITEM_TEXT, .a = (uint32_t)p->bytes.n, .before = NO_ITEM};
    while (!cursor_take(&p->in, '"')) {
        uint32_t c;
        char bytes[4];
        if (cursor_peek(&p->in) < 0)
            REFUSE(p, start, "this literal has no closing \"");
        TRY(read_char(p, &c));
        if (!buf_append(&p->bytes, bytes, utf8_encode(c, bytes)))
            return gbnf_parser_no_memory(p);
    }
    new.b = (uint32_t)p->bytes.n - new.a;
    return add_item(p, new, index);
}

static bool is_class(const void *owner, int32_t id, const void *key)
{
    const gbnf_parser *p = owner;
    const gbnf_class *a = &AT(&p->classes, gbnf_class, id), *b = key;
    return a->n == b->n &&
           memcmp(&AT(&p->ranges, code_range, a->first), &AT(&p->ranges, code_range, b->first),
                  a->n * sizeof(code_range)) == 0;
}

/* The ranges from `first` on are a new class, or one that is there already. */
static hearth_status close_class(gbnf_parser *p, size_t first, bool negated, uint32_t *index)
{
    size_t n = COUNT(&p->ranges, code_range) - first;
    code_range *ranges = &AT(&p->ranges, code_range, first);
    n = code_ranges_normalize(ranges, n);
    if (negated) {
        code_range *out = mem_alloc_array(n + 2, sizeof *out);
        if (out == NULL)
            return gbnf_parser_no_memory(p);
        n = code_ranges_negate(ranges, n, out);
        p->ranges.n = first * sizeof *out;
        bool good = buf_append(&p->ranges, out, n * sizeof *out);
        mem_free(out);
        if (!good)
            return gbnf_parser_no_memory(p);
    }
    p->ranges.n = (first + n) * sizeof(code_range);
    gbnf_class new = {(uint32_t)first, (uint32_t)n};
    uint64_t hash = hash_text(p->class_ids.seed, p->ranges.data + first * sizeof(code_range),
                              n * sizeof(code_range));
    int32_t id = id_table_find(&p->class_ids, hash, is_class, p, &new);
    if (id >= 0) {
        p->ranges.n = first * sizeof(code_range);
    } else {
        id = (int32_t)COUNT(&p->classes, gbnf_class);
        if (!buf_append(&p->classes, &new, sizeof new))
            return gbnf_parser_no_memory(p);
        id_table_add(&p->class_ids, hash, id, is_class, p, &new);
    }
    return add_item(p, (gbnf_item){.kind = ITEM_CLASS, .a = (uint32_t)id, .before = NO_ITEM},
                    index);
}

static hearth_status read_class(gbnf_parser *p, uint32_t *index)
{
    const char *start = p->in.at++;
    size_t first = COUNT(&p->ranges, code_range);
    bool negated = cursor_take(&p->in, '^');
    while (!cursor_take(&p->in, ']')) {
        code_range r;
        if (cursor_peek(&p->in) < 0)
            REFUSE(p, start, "this character class has no closing ]");
        const char *place = p->in.at;
        TRY(read_char(p, &r.low));
        r.high = r.low;
        if (cursor_peek(&p->in) == '-' && p->in.at + 1 < p->in.end && p->in.at[1] != ']') {
            p->in.at++;
            TRY(read_char(p, &r.high));
        }
        if (r.low > r.high)
            REFUSE(p, place, "the range goes backwards, from U+%04X to U+%04X", r.low, r.high);
        if (!buf_append(&p->ranges, &r, sizeof r))
            return gbnf_parser_no_memory(p);
    }
    if (first == COUNT(&p->ranges, code_range))
        REFUSE(p, start, "this character class is empty; . is any character");
    return close_class(p, first, negated, index);
}

static hearth_status read_any(gbnf_parser *p, uint32_t *index)
{
    code_range all = {0, 0x10ffff};
    size_t first = COUNT(&p->ranges, code_range);
    p->in.at++;
    if (!buf_append(&p->ranges, &all, sizeof all))
        return gbnf_parser_no_memory(p);
    return close_class(p, first, false, index);
}

static hearth_status read_number(gbnf_parser *p, uint32_t *value)
{
    const char *start = p->in.at;
    *value = 0;
    for (; cursor_peek(&p->in) >= '0' && cursor_peek(&p->in) <= '9'; p->in.at++) {
        uint64_t next = (uint64_t)*value * 10 + (uint64_t)(*p->in.at - '0');
        if (next > INT32_MAX)
            REFUSE(p, start, "this number is too large");
        *value = (uint32_t)next;
    }
    if (p->in.at == start)
        REFUSE(p, start, "a number is missing here");
    return HEARTH_OK;
}

static hearth_status read_token(gbnf_parser *p, uint32_t *index)
{
    const char *start = p->in.at;
    bool negated = cursor_take(&p->in, '!');
    grammar_token new = {.id = -1};
    unsigned line, column;
    const char *open = p->in.at;
    if (!cursor_take(&p->in, '<'))
        REFUSE(p, start, "! stands before a token only: !<[12]> or !<token>");
    if (cursor_take(&p->in, '[')) {
        uint32_t id;
        TRY(read_number(p, &id));
        new.id = (int32_t)id;
        if (!cursor_take(&p->in, ']') || !cursor_take(&p->in, '>'))
            REFUSE(p, start, "a token by its number is written <[12]>");
    } else {
        const char *close = memchr(open, '>', (size_t)(p->in.end - open));
        if (close == NULL)
            REFUSE(p, start, "this token has no closing >");
        p->in.at = close + 1;
        new.text = mem_dup(open, (size_t)(p->in.at - open));
        if (new.text == NULL)
            return gbnf_parser_no_memory(p);
    }
    position_of(p, start, &line, &column);
    new.line = line;
    new.column = column;
    uint32_t id = (uint32_t)COUNT(&p->tokens, grammar_token);
    if (!buf_append(&p->tokens, &new, sizeof new)) {
        mem_free(new.text);
        return gbnf_parser_no_memory(p);
    }
    return add_item(p, (gbnf_item){.kind = ITEM_TOKEN, .a = id, .b = negated, .before = NO_ITEM},
                    index);
}

static hearth_status read_reference(gbnf_parser *p, uint32_t *index)
{
    const char *start = p->in.at;
    uint32_t id;
    while (is_name_char(cursor_peek(&p->in)))
        p->in.at++;
    TRY(gbnf_parser_symbol(p, start, (size_t)(p->in.at - start), &id));
    return add_item(p, (gbnf_item){.kind = ITEM_RULE, .a = id, .before = NO_ITEM}, index);
}

static hearth_status read_choice(gbnf_parser *p, bool nested, uint32_t *index);

static hearth_status read_group(gbnf_parser *p, uint32_t *index)
{
    const char *start = p->in.at++;
    if (++p->depth > GRAMMAR_DEPTH_MAX)
        REFUSE(p, start, "more than %d groups within each other", GRAMMAR_DEPTH_MAX);
    skip_space(p, true);
    TRY(read_choice(p, true, index));
    p->depth--;
    return cursor_take(&p->in, ')') ? HEARTH_OK
                                    : gbnf_parser_refuse(p, start, "this group has no closing )");
}

/* {m}, {m,} or {m,n}, read up to the brace. */
static hearth_status read_counts(gbnf_parser *p, bool nested, uint32_t *min, uint32_t *max)
{
    const char *start = p->in.at++;
    skip_space(p, nested);
    TRY(read_number(p, min));
    *max = *min;
    skip_space(p, nested);
    if (cursor_take(&p->in, ',')) {
        *max = NO_MAX;
        skip_space(p, nested);
        if (cursor_peek(&p->in) != '}')
            TRY(read_number(p, max));
        skip_space(p, nested);
    }
    if (!cursor_take(&p->in, '}'))
        REFUSE(p, start, "counts are written {m}, {m,} or {m,n}");
    if (*max < *min)
        REFUSE(p, start, "%u is more than %u; the smaller count comes first", *min, *max);
    if (*min > GRAMMAR_REPEAT_MAX || (*max != NO_MAX && *max > GRAMMAR_REPEAT_MAX))
        REFUSE(p, start, "a count may be %d at most; * has no limit", GRAMMAR_REPEAT_MAX);
    return HEARTH_OK;
}

/* What may follow an item: any number of * + ? {..}. */
static hearth_status read_repeats(gbnf_parser *p, bool nested, uint32_t *index)
{
    for (;;) {
        gbnf_item new = {
            .kind = ITEM_REPEAT, .a = *index, .b = 0, .max = NO_MAX, .before = NO_ITEM};
        const char *start = p->in.at;
        if (cursor_take(&p->in, '+'))
            new.b = 1;
        else if (cursor_take(&p->in, '?'))
            new.max = 1;
        else if (cursor_peek(&p->in) == '{')
            TRY(read_counts(p, nested, &new.b, &new.max));
        else if (!cursor_take(&p->in, '*'))
            return HEARTH_OK;
        if (++p->depth > GRAMMAR_DEPTH_MAX)
            REFUSE(p, start, "more than %d groups and repetitions within each other",
                   GRAMMAR_DEPTH_MAX);
        TRY(add_item(p, new, index));
        skip_space(p, nested);
    }
}

static hearth_status read_item(gbnf_parser *p, bool *found, uint32_t *index)
{
    int c = cursor_peek(&p->in);
    *found = true;
    if (c == '"')
        return read_literal(p, index);
    if (c == '[')
        return read_class(p, index);
    if (c == '.')
        return read_any(p, index);
    if (c == '<' || c == '!')
        return read_token(p, index);
    if (c == '(')
        return read_group(p, index);
    if (is_name_char(c))
        return read_reference(p, index);
    *found = false;
    if (c == '*' || c == '+' || c == '?' || c == '{')
        REFUSE(p, p->in.at, "'%c' has nothing before it to repeat", c);
    return HEARTH_OK;
}

static hearth_status read_sequence(gbnf_parser *p, bool nested, uint32_t *index)
{
    gbnf_item sequence = {.kind = ITEM_SEQUENCE, .a = NO_ITEM, .before = NO_ITEM};
    for (;;) {
        bool found;
        uint32_t next = NO_ITEM;
        int depth = p->depth;
        TRY(read_item(p, &found, &next));
        if (!found)
            return add_item(p, sequence, index);
        skip_space(p, nested);
        TRY(read_repeats(p, nested, &next));
        p->depth = depth;
        AT(&p->items, gbnf_item, next).before = sequence.a;
        sequence.a = next;
    }
}

static hearth_status read_choice(gbnf_parser *p, bool nested, uint32_t *index)
{
    gbnf_item choice = {.kind = ITEM_CHOICE, .a = NO_ITEM, .before = NO_ITEM};
    do {
        uint32_t next;
        if (choice.a != NO_ITEM)
            skip_space(p, true);
        TRY(read_sequence(p, nested, &next));
        AT(&p->items, gbnf_item, next).before = choice.a;
        choice.a = next;
    } while (cursor_take(&p->in, '|'));
    return add_item(p, choice, index);
}

static hearth_status read_rule(gbnf_parser *p)
{
    const char *start = p->in.at;
    uint32_t id, choice;
    while (is_name_char(cursor_peek(&p->in)))
        p->in.at++;
    if (p->in.at == start)
        REFUSE(p, start, "the name of a rule is missing here");
    size_t n = (size_t)(p->in.at - start);
    TRY(gbnf_parser_symbol(p, start, n, &id));
    if (AT(&p->symbols, gbnf_symbol, id).item != NO_ITEM)
        REFUSE(p, start, "rule '%.*s' is defined a second time", (int)(n < 80 ? n : 80), start);
    skip_space(p, false);
    if (p->in.end - p->in.at < 3 || memcmp(p->in.at, "::=", 3) != 0)
        REFUSE(p, p->in.at, "::= must follow the name of the rule");
    p->in.at += 3;
    skip_space(p, true);
    TRY(read_choice(p, false, &choice));
    AT(&p->symbols, gbnf_symbol, id).item = choice;
    if (p->in.at < p->in.end && *p->in.at != '\n' && *p->in.at != '\r')
        REFUSE(p, p->in.at, "'%c' cannot stand here; a rule ends at the end of the line",
               *p->in.at >= ' ' && *p->in.at < 127 ? *p->in.at : '?');
    return HEARTH_OK;
}

hearth_status gbnf_parser_read(gbnf_parser *p)
{
    for (skip_space(p, true); p->in.at < p->in.end; skip_space(p, true))
        TRY(read_rule(p));
    for (size_t i = 0; i < COUNT(&p->symbols, gbnf_symbol); i++) {
        const gbnf_symbol *s = &AT(&p->symbols, gbnf_symbol, i);
        if (s->item == NO_ITEM && s->used >= p->in.text && s->used < p->in.end)
            REFUSE(p, s->used, "rule '%.*s' is not defined", (int)(s->n_name < 80 ? s->n_name : 80),
                   s->name);
    }
    return HEARTH_OK;
}

/* ---- the whole ---- */

hearth_status gbnf_parser_init(gbnf_parser *p, const char *text, size_t n, hearth_error *err)
{
    *p = (gbnf_parser){.in = {text, text + n, text}, .err = err};
    buf *arrays[] = {&p->items, &p->symbols, &p->classes, &p->ranges, &p->bytes, &p->tokens};
    for (size_t i = 0; i < 6; i++)
        buf_init(arrays[i], 0);
    if (n > GRAMMAR_TEXT_MAX)
        FAIL(err, EINVAL, "grammar", "the grammar has %zu bytes; %d are the most", n,
             GRAMMAR_TEXT_MAX);
    if (!id_table_init(&p->symbol_ids, n + 2) || !id_table_init(&p->class_ids, n + 2))
        return gbnf_parser_no_memory(p);
    return HEARTH_OK;
}

void gbnf_parser_deinit(gbnf_parser *p)
{
    buf *arrays[] = {&p->items, &p->symbols, &p->classes, &p->ranges, &p->bytes, &p->tokens};
    for (size_t i = 0; i < COUNT(&p->tokens, grammar_token); i++)
        mem_free(AT(&p->tokens, grammar_token, i).text);
    for (size_t i = 0; i < 6; i++)
        buf_deinit(arrays[i]);
    id_table_deinit(&p->symbol_ids);
    id_table_deinit(&p->class_ids);
}
