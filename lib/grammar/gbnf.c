/* SPDX-License-Identifier: MIT
 *
 * gbnf.c - GBNF to a compiled grammar, in two steps: the text becomes a tree of items, and every
 * rule's tree becomes nodes, from its end to its start, so that each node knows what follows it.
 *
 * Syntax   llama.cpp's grammars/README.md: rules, "literals", [classes], ., (groups), |, * + ?
 *          {m} {m,} {m,n}, # comments, <[12]> and <token>, ! before them. A newline ends a rule
 *          unless it is inside a group or after |.
 * Depth    Groups nest up to GRAMMAR_DEPTH_MAX; nothing else recurses.
 */
#include "grammar/gbnf.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "token/text_hash.h"

typedef enum item_kind {
    ITEM_TEXT,     /* bytes a..a+b of the pool */
    ITEM_CLASS,    /* class a */
    ITEM_RULE,     /* symbol a */
    ITEM_TOKEN,    /* token a; b: any but it */
    ITEM_SEQUENCE, /* children, the last one first: a, then by `before` */
    ITEM_CHOICE,   /* the same, of sequences */
    ITEM_REPEAT    /* child a, b to max times */
} item_kind;

enum { NO_ITEM = UINT32_MAX, NO_MAX = UINT32_MAX };

typedef struct item {
    item_kind kind;
    uint32_t a, b, max;
    uint32_t before; /* the sibling in front */
} item;

typedef struct symbol {
    const char *name; /* in the text */
    uint32_t n_name;
    uint32_t item; /* its choice; NO_ITEM: not defined */
    const char *used;
} symbol;

typedef struct class
{
    uint32_t first, n; /* ranges */
} class;

typedef struct parser {
    const char *text, *end, *at;
    buf items, symbols, classes, ranges, bytes, tokens; /* arrays of the types above */
    id_table symbol_ids, class_ids;
    int depth;
    hearth_error *err;
} parser;

#define AT(array, type, i) (((type *)(void *)(array)->data)[i])
#define COUNT(array, type) ((array)->n / sizeof(type))

/* ---- errors ---- */

static void position_of(const parser *p, const char *at, unsigned *line, unsigned *column)
{
    *line = 1;
    *column = 1;
    for (const char *c = p->text; c < at && c < p->end; c++) {
        if (*c == '\n') {
            ++*line;
            *column = 1;
        } else if (((uint8_t)*c & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

#define REFUSE(p, place, ...) return refuse((p), (place), __VA_ARGS__)
static hearth_status refuse(const parser *p, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static hearth_status refuse(const parser *p, const char *at, const char *format, ...)
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

static hearth_status no_memory(const parser *p)
{
    return error_no_memory(p->err, "a grammar", (unsigned long long)(p->end - p->text));
}

/* ---- reading ---- */

static int peek(const parser *p)
{
    return p->at < p->end ? (uint8_t)*p->at : -1;
}

static bool take(parser *p, char c)
{
    if (peek(p) != (uint8_t)c)
        return false;
    p->at++;
    return true;
}

static void skip_space(parser *p, bool newlines)
{
    for (; p->at < p->end; p->at++) {
        char c = *p->at;
        if (c == '#') {
            while (p->at + 1 < p->end && p->at[1] != '\n' && p->at[1] != '\r')
                p->at++;
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

static hearth_status add_item(parser *p, item new, uint32_t *index)
{
    *index = (uint32_t)COUNT(&p->items, item);
    return buf_append(&p->items, &new, sizeof new) ? HEARTH_OK : no_memory(p);
}

typedef struct name_key {
    const parser *p;
    const char *name;
    size_t n;
} name_key;

static bool is_symbol(const void *owner, int32_t id, const void *key)
{
    const parser *p = owner;
    const name_key *k = key;
    const symbol *s = &AT(&p->symbols, symbol, id);
    return s->n_name == k->n && memcmp(s->name, k->name, k->n) == 0;
}

static hearth_status find_symbol(parser *p, const char *name, size_t n, uint32_t *id)
{
    name_key key = {p, name, n};
    uint64_t hash = hash_text(p->symbol_ids.seed, name, n);
    int32_t next = (int32_t)COUNT(&p->symbols, symbol);
    int32_t found = id_table_find(&p->symbol_ids, hash, is_symbol, p, &key);
    symbol new = {name, (uint32_t)n, NO_ITEM, name};
    *id = (uint32_t)(found >= 0 ? found : next);
    if (found >= 0)
        return HEARTH_OK;
    if (!buf_append(&p->symbols, &new, sizeof new))
        return no_memory(p);
    id_table_add(&p->symbol_ids, hash, next, is_symbol, p, &key);
    return HEARTH_OK;
}

static hearth_status read_hex(parser *p, int n, uint32_t *value)
{
    const char *start = p->at - 2;
    *value = 0;
    for (int i = 0; i < n; i++) {
        int c = peek(p);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            REFUSE(p, start, "this escape needs %d hexadecimal digits", n);
        *value = *value << 4 | (uint32_t)digit;
        p->at++;
    }
    if (*value > 0x10ffff || (*value >= 0xd800 && *value <= 0xdfff))
        REFUSE(p, start, "U+%X is no character", *value);
    return HEARTH_OK;
}

static hearth_status read_char(parser *p, uint32_t *c)
{
    const char *start = p->at;
    if (!take(p, '\\')) {
        size_t n = utf8_valid_prefix(p->at, (size_t)(p->end - p->at));
        if (n == 0)
            REFUSE(p, start, "the bytes here are not UTF-8");
        p->at += utf8_decode(p->at, n, c);
        return HEARTH_OK;
    }
    int escape = peek(p);
    if (escape >= 0)
        p->at++;
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

static hearth_status read_literal(parser *p, uint32_t *index)
{
    const char *start = p->at++;
    item new = {.kind = ITEM_TEXT, .a = (uint32_t)p->bytes.n, .before = NO_ITEM};
    while (!take(p, '"')) {
        uint32_t c;
        char bytes[4];
        if (peek(p) < 0)
            REFUSE(p, start, "this literal has no closing \"");
        TRY(read_char(p, &c));
        if (!buf_append(&p->bytes, bytes, utf8_encode(c, bytes)))
            return no_memory(p);
    }
    new.b = (uint32_t)p->bytes.n - new.a;
    return add_item(p, new, index);
}

static bool is_class(const void *owner, int32_t id, const void *key)
{
    const parser *p = owner;
    const class *a = &AT(&p->classes, class, id), *b = key;
    return a->n == b->n &&
           memcmp(&AT(&p->ranges, code_range, a->first), &AT(&p->ranges, code_range, b->first),
                  a->n * sizeof(code_range)) == 0;
}

/* The ranges from `first` on are a new class, or one that is there already. */
static hearth_status close_class(parser *p, size_t first, bool negated, uint32_t *index)
{
    size_t n = COUNT(&p->ranges, code_range) - first;
    code_range *ranges = &AT(&p->ranges, code_range, first);
    n = code_ranges_normalize(ranges, n);
    if (negated) {
        code_range *out = mem_alloc_array(n + 2, sizeof *out);
        if (out == NULL)
            return no_memory(p);
        n = code_ranges_negate(ranges, n, out);
        p->ranges.n = first * sizeof *out;
        bool good = buf_append(&p->ranges, out, n * sizeof *out);
        mem_free(out);
        if (!good)
            return no_memory(p);
    }
    p->ranges.n = (first + n) * sizeof(code_range);
    class new = {(uint32_t)first, (uint32_t)n};
    uint64_t hash = hash_text(p->class_ids.seed, p->ranges.data + first * sizeof(code_range),
                              n * sizeof(code_range));
    int32_t id = id_table_find(&p->class_ids, hash, is_class, p, &new);
    if (id >= 0) {
        p->ranges.n = first * sizeof(code_range);
    } else {
        id = (int32_t)COUNT(&p->classes, class);
        if (!buf_append(&p->classes, &new, sizeof new))
            return no_memory(p);
        id_table_add(&p->class_ids, hash, id, is_class, p, &new);
    }
    return add_item(p, (item){.kind = ITEM_CLASS, .a = (uint32_t)id, .before = NO_ITEM}, index);
}

static hearth_status read_class(parser *p, uint32_t *index)
{
    const char *start = p->at++;
    size_t first = COUNT(&p->ranges, code_range);
    bool negated = take(p, '^');
    while (!take(p, ']')) {
        code_range r;
        if (peek(p) < 0)
            REFUSE(p, start, "this character class has no closing ]");
        const char *place = p->at;
        TRY(read_char(p, &r.low));
        r.high = r.low;
        if (peek(p) == '-' && p->at + 1 < p->end && p->at[1] != ']') {
            p->at++;
            TRY(read_char(p, &r.high));
        }
        if (r.low > r.high)
            REFUSE(p, place, "the range goes backwards, from U+%04X to U+%04X", r.low, r.high);
        if (!buf_append(&p->ranges, &r, sizeof r))
            return no_memory(p);
    }
    if (first == COUNT(&p->ranges, code_range))
        REFUSE(p, start, "this character class is empty; . is any character");
    return close_class(p, first, negated, index);
}

static hearth_status read_any(parser *p, uint32_t *index)
{
    code_range all = {0, 0x10ffff};
    size_t first = COUNT(&p->ranges, code_range);
    p->at++;
    if (!buf_append(&p->ranges, &all, sizeof all))
        return no_memory(p);
    return close_class(p, first, false, index);
}

static hearth_status read_number(parser *p, uint32_t *value)
{
    const char *start = p->at;
    *value = 0;
    for (; peek(p) >= '0' && peek(p) <= '9'; p->at++) {
        uint64_t next = (uint64_t)*value * 10 + (uint64_t)(*p->at - '0');
        if (next > INT32_MAX)
            REFUSE(p, start, "this number is too large");
        *value = (uint32_t)next;
    }
    if (p->at == start)
        REFUSE(p, start, "a number is missing here");
    return HEARTH_OK;
}

static hearth_status read_token(parser *p, uint32_t *index)
{
    const char *start = p->at;
    bool negated = take(p, '!');
    grammar_token new = {.id = -1};
    unsigned line, column;
    const char *open = p->at;
    if (!take(p, '<'))
        REFUSE(p, start, "! stands before a token only: !<[12]> or !<token>");
    if (take(p, '[')) {
        uint32_t id;
        TRY(read_number(p, &id));
        new.id = (int32_t)id;
        if (!take(p, ']') || !take(p, '>'))
            REFUSE(p, start, "a token by its number is written <[12]>");
    } else {
        const char *close = memchr(open, '>', (size_t)(p->end - open));
        if (close == NULL)
            REFUSE(p, start, "this token has no closing >");
        p->at = close + 1;
        new.text = mem_dup(open, (size_t)(p->at - open));
        if (new.text == NULL)
            return no_memory(p);
    }
    position_of(p, start, &line, &column);
    new.line = line;
    new.column = column;
    uint32_t id = (uint32_t)COUNT(&p->tokens, grammar_token);
    if (!buf_append(&p->tokens, &new, sizeof new)) {
        mem_free(new.text);
        return no_memory(p);
    }
    return add_item(p, (item){.kind = ITEM_TOKEN, .a = id, .b = negated, .before = NO_ITEM}, index);
}

static hearth_status read_reference(parser *p, uint32_t *index)
{
    const char *start = p->at;
    uint32_t id;
    while (is_name_char(peek(p)))
        p->at++;
    TRY(find_symbol(p, start, (size_t)(p->at - start), &id));
    return add_item(p, (item){.kind = ITEM_RULE, .a = id, .before = NO_ITEM}, index);
}

static hearth_status read_choice(parser *p, bool nested, uint32_t *index);

static hearth_status read_group(parser *p, uint32_t *index)
{
    const char *start = p->at++;
    if (++p->depth > GRAMMAR_DEPTH_MAX)
        REFUSE(p, start, "more than %d groups within each other", GRAMMAR_DEPTH_MAX);
    skip_space(p, true);
    TRY(read_choice(p, true, index));
    p->depth--;
    return take(p, ')') ? HEARTH_OK : refuse(p, start, "this group has no closing )");
}

/* {m}, {m,} or {m,n}, read up to the brace. */
static hearth_status read_counts(parser *p, bool nested, uint32_t *min, uint32_t *max)
{
    const char *start = p->at++;
    skip_space(p, nested);
    TRY(read_number(p, min));
    *max = *min;
    skip_space(p, nested);
    if (take(p, ',')) {
        *max = NO_MAX;
        skip_space(p, nested);
        if (peek(p) != '}')
            TRY(read_number(p, max));
        skip_space(p, nested);
    }
    if (!take(p, '}'))
        REFUSE(p, start, "counts are written {m}, {m,} or {m,n}");
    if (*max < *min)
        REFUSE(p, start, "%u is more than %u; the smaller count comes first", *min, *max);
    if (*min > GRAMMAR_REPEAT_MAX || (*max != NO_MAX && *max > GRAMMAR_REPEAT_MAX))
        REFUSE(p, start, "a count may be %d at most; * has no limit", GRAMMAR_REPEAT_MAX);
    return HEARTH_OK;
}

/* What may follow an item: any number of * + ? {..}. */
static hearth_status read_repeats(parser *p, bool nested, uint32_t *index)
{
    for (;;) {
        item new = {.kind = ITEM_REPEAT, .a = *index, .b = 0, .max = NO_MAX, .before = NO_ITEM};
        const char *start = p->at;
        if (take(p, '+'))
            new.b = 1;
        else if (take(p, '?'))
            new.max = 1;
        else if (peek(p) == '{')
            TRY(read_counts(p, nested, &new.b, &new.max));
        else if (!take(p, '*'))
            return HEARTH_OK;
        if (++p->depth > GRAMMAR_DEPTH_MAX)
            REFUSE(p, start, "more than %d groups and repetitions within each other",
                   GRAMMAR_DEPTH_MAX);
        TRY(add_item(p, new, index));
        skip_space(p, nested);
    }
}

static hearth_status read_item(parser *p, bool *found, uint32_t *index)
{
    int c = peek(p);
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
        REFUSE(p, p->at, "'%c' has nothing before it to repeat", c);
    return HEARTH_OK;
}

static hearth_status read_sequence(parser *p, bool nested, uint32_t *index)
{
    item sequence = {.kind = ITEM_SEQUENCE, .a = NO_ITEM, .before = NO_ITEM};
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
        AT(&p->items, item, next).before = sequence.a;
        sequence.a = next;
    }
}

static hearth_status read_choice(parser *p, bool nested, uint32_t *index)
{
    item choice = {.kind = ITEM_CHOICE, .a = NO_ITEM, .before = NO_ITEM};
    do {
        uint32_t next;
        if (choice.a != NO_ITEM)
            skip_space(p, true);
        TRY(read_sequence(p, nested, &next));
        AT(&p->items, item, next).before = choice.a;
        choice.a = next;
    } while (take(p, '|'));
    return add_item(p, choice, index);
}

static hearth_status read_rule(parser *p)
{
    const char *start = p->at;
    uint32_t id, choice;
    while (is_name_char(peek(p)))
        p->at++;
    if (p->at == start)
        REFUSE(p, start, "the name of a rule is missing here");
    size_t n = (size_t)(p->at - start);
    TRY(find_symbol(p, start, n, &id));
    if (AT(&p->symbols, symbol, id).item != NO_ITEM)
        REFUSE(p, start, "rule '%.*s' is defined a second time", (int)(n < 80 ? n : 80), start);
    skip_space(p, false);
    if (p->end - p->at < 3 || memcmp(p->at, "::=", 3) != 0)
        REFUSE(p, p->at, "::= must follow the name of the rule");
    p->at += 3;
    skip_space(p, true);
    TRY(read_choice(p, false, &choice));
    AT(&p->symbols, symbol, id).item = choice;
    if (p->at < p->end && *p->at != '\n' && *p->at != '\r')
        REFUSE(p, p->at, "'%c' cannot stand here; a rule ends at the end of the line",
               *p->at >= ' ' && *p->at < 127 ? *p->at : '?');
    return HEARTH_OK;
}

static hearth_status read_rules(parser *p)
{
    for (skip_space(p, true); p->at < p->end; skip_space(p, true))
        TRY(read_rule(p));
    for (size_t i = 0; i < COUNT(&p->symbols, symbol); i++) {
        const symbol *s = &AT(&p->symbols, symbol, i);
        if (s->item == NO_ITEM && s->used >= p->text && s->used < p->end)
            REFUSE(p, s->used, "rule '%.*s' is not defined", (int)(s->n_name < 80 ? s->n_name : 80),
                   s->name);
    }
    return HEARTH_OK;
}

/* ---- nodes ---- */

typedef struct compiler {
    parser *p;
    buf nodes;
    uint32_t n_symbols;
} compiler;

static hearth_status add_node(compiler *c, grammar_node new, uint32_t *index)
{
    *index = (uint32_t)COUNT(&c->nodes, grammar_node);
    if (*index >= GRAMMAR_NODES_MAX)
        return error_set(c->p->err, HEARTH_EINVAL, "grammar",
                         "the grammar is larger than %d nodes with its repetitions written out; "
                         "use smaller counts or *",
                         GRAMMAR_NODES_MAX);
    return buf_append(&c->nodes, &new, sizeof new) ? HEARTH_OK : no_memory(c->p);
}

static hearth_status compile(compiler *c, uint32_t index, uint32_t next, uint32_t *start);

static hearth_status compile_text(compiler *c, const item *i, uint32_t next, uint32_t *start)
{
    *start = next;
    for (uint32_t k = i->b; k-- > 0;) {
        uint8_t byte = (uint8_t)c->p->bytes.data[i->a + k];
        TRY(add_node(c, (grammar_node){.kind = NODE_RANGE, .a = byte, .b = byte, .next = *start},
                     start));
    }
    return HEARTH_OK;
}

static hearth_status compile_class(compiler *c, uint32_t id, uint32_t next, uint32_t *start)
{
    const class *k = &AT(&c->p->classes, class, id);
    const code_range *r = &AT(&c->p->ranges, code_range, k->first);
    if (k->n == 1 && r->high < 0x80)
        return add_node(
            c, (grammar_node){.kind = NODE_RANGE, .a = r->low, .b = (uint8_t)r->high, .next = next},
            start);
    return add_node(c, (grammar_node){.kind = NODE_CALL, .a = c->n_symbols + id, .next = next},
                    start);
}

static hearth_status compile_choice(compiler *c, const item *choice, uint32_t next, uint32_t *start)
{
    uint32_t child = choice->a;
    TRY(compile(c, child, next, start));
    while ((child = AT(&c->p->items, item, child).before) != NO_ITEM) {
        uint32_t other;
        TRY(compile(c, child, next, &other));
        TRY(add_node(c, (grammar_node){.kind = NODE_SPLIT, .next = other, .a = *start}, start));
    }
    return HEARTH_OK;
}

/* x{2,4} is x x (x (x)?)?, x{2,} is x x x*. */
static hearth_status compile_repeat(compiler *c, const item *r, uint32_t next, uint32_t *start)
{
    item repeat = *r;
    *start = next;
    if (repeat.max == NO_MAX) {
        uint32_t loop, body;
        TRY(add_node(c, (grammar_node){.kind = NODE_SPLIT, .a = next}, &loop));
        TRY(compile(c, repeat.a, loop, &body));
        AT(&c->nodes, grammar_node, loop).next = body;
        *start = loop;
    } else {
        for (uint32_t i = repeat.b; i < repeat.max; i++) {
            uint32_t body;
            TRY(compile(c, repeat.a, *start, &body));
            TRY(add_node(c, (grammar_node){.kind = NODE_SPLIT, .next = body, .a = next}, start));
        }
    }
    for (uint32_t i = 0; i < repeat.b; i++)
        TRY(compile(c, repeat.a, *start, start));
    return HEARTH_OK;
}

static hearth_status compile(compiler *c, uint32_t index, uint32_t next, uint32_t *start)
{
    const item *i = &AT(&c->p->items, item, index);
    switch (i->kind) {
    case ITEM_TEXT:
        return compile_text(c, i, next, start);
    case ITEM_CLASS:
        return compile_class(c, i->a, next, start);
    case ITEM_RULE:
        return add_node(c, (grammar_node){.kind = NODE_CALL, .a = i->a, .next = next}, start);
    case ITEM_TOKEN:
        return add_node(
            c, (grammar_node){.kind = NODE_TOKEN, .a = i->a, .b = (uint8_t)i->b, .next = next},
            start);
    case ITEM_CHOICE:
        return compile_choice(c, i, next, start);
    case ITEM_REPEAT:
        return compile_repeat(c, i, next, start);
    case ITEM_SEQUENCE:
        break;
    }
    *start = next;
    for (uint32_t child = i->a; child != NO_ITEM; child = AT(&c->p->items, item, child).before)
        TRY(compile(c, child, *start, start));
    return HEARTH_OK;
}

static hearth_status compile_spans(compiler *c, uint32_t id, uint32_t end, uint32_t *start)
{
    const class *k = &AT(&c->p->classes, class, id);
    bool first = true;
    for (uint32_t i = 0; i < k->n; i++) {
        code_range r = AT(&c->p->ranges, code_range, k->first + i);
        utf8_span spans[UTF8_SPANS_MAX];
        size_t n = utf8_spans(r.low, r.high, spans);
        for (size_t s = 0; s < n; s++) {
            uint32_t one = end;
            for (int b = spans[s].n; b-- > 0;)
                TRY(add_node(c,
                             (grammar_node){.kind = NODE_RANGE,
                                            .a = spans[s].low[b],
                                            .b = spans[s].high[b],
                                            .next = one},
                             &one));
            if (first)
                *start = one;
            else
                TRY(add_node(c, (grammar_node){.kind = NODE_SPLIT, .next = one, .a = *start},
                             start));
            first = false;
        }
    }
    if (first) /* nothing matches: a byte that never comes */
        return add_node(c, (grammar_node){.kind = NODE_RANGE, .a = 1, .b = 0, .next = end}, start);
    return HEARTH_OK;
}

static hearth_status compile_rules(compiler *c, uint32_t *starts)
{
    for (uint32_t i = 0; i < c->n_symbols; i++) {
        uint32_t end, choice = AT(&c->p->symbols, symbol, i).item;
        TRY(add_node(c, (grammar_node){.kind = NODE_END, .a = i}, &end));
        starts[i] = end;
        if (choice != NO_ITEM)
            TRY(compile(c, choice, end, &starts[i]));
    }
    for (uint32_t i = 0; i < COUNT(&c->p->classes, class); i++) {
        uint32_t end;
        TRY(add_node(c, (grammar_node){.kind = NODE_END, .a = c->n_symbols + i}, &end));
        TRY(compile_spans(c, i, end, &starts[c->n_symbols + i]));
    }
    return HEARTH_OK;
}

/* ---- the whole ---- */

static hearth_status refuse_recursion(const parser *p, const hearth_grammar *g)
{
    uint32_t rule;
    TRY(grammar_find_recursion(g, &rule, p->err));
    if (rule == g->n_rules)
        return HEARTH_OK;
    const symbol *s = &AT(&p->symbols, symbol, rule);
    REFUSE(p, s->used,
           "rule '%.*s' calls itself before anything else (left recursion); put what "
           "comes first in front of the call",
           (int)(s->n_name < 80 ? s->n_name : 80), s->name);
}

static hearth_status build(hearth_grammar *g, parser *p, const char *root)
{
    hearth_status status = HEARTH_OK;
    compiler c = {.p = p};
    buf_init(&c.nodes, 0);
    TRY_OUT(read_rules(p));
    TRY_OUT(find_symbol(p, root, strlen(root), &g->root));
    if (AT(&p->symbols, symbol, g->root).item == NO_ITEM)
        FAIL_OUT(p->err, EINVAL, "grammar", "the grammar has no rule '%.80s' to begin with", root);
    c.n_symbols = (uint32_t)COUNT(&p->symbols, symbol);
    g->n_rules = c.n_symbols + COUNT(&p->classes, class);
    g->starts = mem_calloc(g->n_rules, sizeof *g->starts);
    if (g->starts == NULL) {
        status = no_memory(p);
        goto out;
    }
    TRY_OUT(compile_rules(&c, g->starts));
    g->n_nodes = COUNT(&c.nodes, grammar_node);
    g->nodes = (grammar_node *)(void *)buf_take(&c.nodes, &(size_t){0});
    g->n_tokens = COUNT(&p->tokens, grammar_token);
    if (g->n_tokens)
        g->tokens = (grammar_token *)(void *)buf_take(&p->tokens, &(size_t){0});
    if (g->nodes == NULL || (g->n_tokens && g->tokens == NULL)) {
        g->n_tokens = g->tokens ? g->n_tokens : 0;
        status = no_memory(p);
        goto out;
    }
    status = refuse_recursion(p, g);
out:
    buf_deinit(&c.nodes);
    return status;
}

static void free_tokens(parser *p)
{
    for (size_t i = 0; i < COUNT(&p->tokens, grammar_token); i++)
        mem_free(AT(&p->tokens, grammar_token, i).text);
    buf_deinit(&p->tokens);
}

hearth_status gbnf_compile(hearth_grammar *g, const char *text, size_t n, const char *root,
                           hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    parser p = {.text = text, .end = text + n, .at = text, .err = err};
    buf *arrays[] = {&p.items, &p.symbols, &p.classes, &p.ranges, &p.bytes, &p.tokens};
    for (size_t i = 0; i < 6; i++)
        buf_init(arrays[i], 0);
    if (n > GRAMMAR_TEXT_MAX)
        FAIL_OUT(err, EINVAL, "grammar", "the grammar has %zu bytes; %d are the most", n,
                 GRAMMAR_TEXT_MAX);
    if (!id_table_init(&p.symbol_ids, n + 2) || !id_table_init(&p.class_ids, n + 2)) {
        status = no_memory(&p);
        goto out;
    }
    status = build(g, &p, root);
out:
    free_tokens(&p);
    for (size_t i = 0; i < 5; i++)
        buf_deinit(arrays[i]);
    id_table_deinit(&p.symbol_ids);
    id_table_deinit(&p.class_ids);
    return status;
}
