/* SPDX-License-Identifier: MIT
 *
 * partition.c - cutting special tokens out of a text before it is tokenized.
 *
 * User-defined tokens are cut out of every text; control and unknown tokens only of one whose
 * writer is trusted to mean them (TOKENIZE_PARSE_SPECIAL). Longer ones are cut out first, all over
 * the text, and the leftmost of one length; what they leave is searched for shorter ones. Some
 * models' tokens swallow the white space beside them.
 *
 * A pair of bytes tells whether a special token may begin at a place. Those places are listed once
 * and visited once per length, so the work is bounded by text times lengths (of at most
 * SPECIAL_MAX bytes), whatever the vocabulary.
 */
#include "token/tokenizer_impl.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/watch.h"

enum {
    SPECIAL_MAX = 256, /* bytes; longer ones are not looked for */
    ALWAYS_SPECIAL = TOKEN_USER_DEFINED,
    TRUSTED_SPECIAL = TOKEN_CONTROL | TOKEN_UNKNOWN
};

static bool is_special(unsigned attributes, bool parse_special)
{
    if (attributes & TRUSTED_SPECIAL)
        return parse_special;
    return (attributes & ALWAYS_SPECIAL) != 0;
}

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << i % 64;
}

static bool has_bit(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

static void allow(special_matcher *m, bool lengths[SPECIAL_MAX + 1], const gguf_string *text)
{
    size_t first = (size_t)(unsigned char)text->data[0] << 8;
    lengths[text->n] = true;
    if (text->n > 1) {
        set_bit(m->begins, first | (unsigned char)text->data[1]);
        return;
    }
    for (size_t second = 0; second < 256; second++)
        set_bit(m->begins, first | second);
}

static bool matcher_init(special_matcher *m, const vocab *v, bool parse_special, size_t *n_long)
{
    bool lengths[SPECIAL_MAX + 1] = {0};
    for (size_t id = 0; id < v->n; id++) {
        if (v->texts[id].n == 0 || !is_special(v->attributes[id], parse_special))
            continue;
        if (v->texts[id].n <= SPECIAL_MAX)
            allow(m, lengths, &v->texts[id]);
        else
            ++*n_long;
    }
    m->lengths = mem_alloc_array(SPECIAL_MAX, sizeof *m->lengths);
    for (uint32_t n = SPECIAL_MAX; m->lengths && n > 0; n--) {
        if (lengths[n])
            m->lengths[m->n_lengths++] = n;
    }
    return m->lengths != NULL;
}

hearth_status special_matchers_init(tokenizer *t, const hearth_log *log, hearth_error *err)
{
    size_t n_long = 0, n_long_again = 0;
    if (!matcher_init(&t->all_specials, &t->vocab, true, &n_long) ||
        !matcher_init(&t->text_specials, &t->vocab, false, &n_long_again))
        return error_no_memory(err, "the special tokens", 2 * SPECIAL_MAX * sizeof(uint32_t));
    if (n_long > 0)
        log_write(log, HEARTH_LOG_WARNING,
                  "%zu special tokens are longer than %d bytes and are not found in texts", n_long,
                  SPECIAL_MAX);
    return HEARTH_OK;
}

void special_matchers_deinit(tokenizer *t)
{
    mem_free(t->all_specials.lengths);
    mem_free(t->text_specials.lengths);
}

typedef struct place { /* where a special token may begin */
    size_t start;
    int32_t id; /* the one that does, or -1 */
} place;

typedef struct search {
    const tokenizer *t;
    const char *text;
    size_t n;
    bool parse_special;
    const tokenizer_barriers *barriers;
    place *places; /* ascending */
    size_t n_places, n_found;
    uint64_t *taken; /* bit set of the bytes that are cut out */
} search;

static bool may_begin(const special_matcher *m, const char *text, size_t n, size_t i)
{
    size_t second = i + 1 < n ? (unsigned char)text[i + 1] : 0;
    return has_bit(m->begins, (size_t)(unsigned char)text[i] << 8 | second);
}

static bool list_places(search *s, const special_matcher *m)
{
    size_t capacity = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!may_begin(m, s->text, s->n, i))
            continue;
        if (s->n_places == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            place *places = mem_realloc_array(s->places, capacity, sizeof *places);
            if (places == NULL)
                return false;
            s->places = places;
        }
        s->places[s->n_places++] = (place){.start = i, .id = -1};
    }
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Cuts out the token, and the white space that it swallows of what is still there. */
static void take(search *s, place *p, int32_t id, size_t n)
{
    unsigned attributes = s->t->vocab.attributes[id];
    size_t start = p->start, end = p->start + n;
    while ((attributes & TOKEN_STRIPS_LEFT) && start > 0 && is_space(s->text[start - 1]) &&
           !has_bit(s->taken, start - 1))
        start--;
    while ((attributes & TOKEN_STRIPS_RIGHT) && end < s->n && is_space(s->text[end]) &&
           !has_bit(s->taken, end))
        end++;
    for (size_t i = start; i < end; i++)
        set_bit(s->taken, i);
    p->id = id;
    s->n_found++;
}

/* What was taken before is no shorter than n in one piece, so it overlaps a span of n bytes only if
 * it has one of its ends. */
static bool is_free(const search *s, size_t start, size_t n)
{
    return !has_bit(s->taken, start) && !has_bit(s->taken, start + n - 1);
}

/* Whether a barrier lies inside [start, start + n). */
static bool is_barred(const tokenizer_barriers *b, size_t start, size_t n)
{
    size_t low = 0, high = b ? b->n : 0; /* the first barrier after start */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->at[middle] <= start)
            low = middle + 1;
        else
            high = middle;
    }
    return b && low < b->n && b->at[low] < start + n;
}

static void find_length(search *s, size_t n)
{
    const vocab *v = &s->t->vocab;
    for (size_t i = 0; i < s->n_places; i++) {
        place *p = &s->places[i];
        if (p->id >= 0 || n > s->n - p->start || !is_free(s, p->start, n))
            continue;
        int32_t id = vocab_find(v, s->text + p->start, n);
        if (id < 0 || !is_special(v->attributes[id], s->parse_special))
            continue;
        if (is_special(v->attributes[id], false) || !is_barred(s->barriers, p->start, n))
            take(s, p, id, n);
    }
}

/* Turns the places found into parts, with the text between them. */
static bool collect(const search *s, fragment **parts, size_t *n_parts)
{
    size_t from = 0;
    *n_parts = 0;
    *parts = mem_alloc_array(2 * s->n_found + 1, sizeof **parts);
    for (size_t i = 0; *parts && i <= s->n_places; i++) {
        const place *p = i < s->n_places ? &s->places[i] : NULL;
        size_t end = p ? p->start : s->n;
        if (p && p->id < 0)
            continue;
        while (s->n_found > 0 && from < end && has_bit(s->taken, from))
            from++;
        while (s->n_found > 0 && end > from && has_bit(s->taken, end - 1))
            end--;
        if (end > from)
            (*parts)[(*n_parts)++] = (fragment){.start = from, .n = end - from, .id = -1};
        if (p) {
            (*parts)[(*n_parts)++] = (fragment){.start = p->start, .id = p->id};
            from = p->start;
        }
    }
    return *parts != NULL;
}

hearth_status partition(const tokenizer *t, const char *text, size_t n, bool parse_special,
                        const tokenizer_barriers *barriers, fragment **parts, size_t *n_parts,
                        uint64_t *n_steps, hearth_error *err)
{
    const special_matcher *m = parse_special ? &t->all_specials : &t->text_specials;
    search s = {.t = t, .text = text, .n = n, .parse_special = parse_special, .barriers = barriers};
    bool done = list_places(&s, m);
    if (done && s.n_places > 0) {
        s.taken = mem_calloc(n / 64 + 1, sizeof *s.taken);
        done = s.taken != NULL;
        for (size_t i = 0; done && i < m->n_lengths; i++) {
            find_length(&s, m->lengths[i]);
            done = watch_go_on(s.n_places);
        }
        *n_steps += (uint64_t)s.n_places * m->n_lengths;
    }
    done = done && collect(&s, parts, n_parts);
    mem_free(s.places);
    mem_free(s.taken);
    if (!done && watch_has_ended())
        return watch_end(err);
    return done ? HEARTH_OK : error_no_memory(err, "the special tokens of a text", n);
}

hearth_status tokenizer_mark_controls(const tokenizer *t, const char *text, size_t n,
                                      const char *mark, buf *out, hearth_error *err)
{
    fragment *parts = NULL;
    size_t n_parts = 0, from = 0;
    uint64_t n_steps = 0;
    bool done = true;
    TRY(partition(t, text, n, true, NULL, &parts, &n_parts, &n_steps, err));
    for (size_t i = 0; done && i < n_parts; i++) {
        if (parts[i].id < 0 || is_special(t->vocab.attributes[parts[i].id], false))
            continue;
        size_t at = parts[i].start + 1; /* after its first character */
        while (at < n && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
        done = buf_append(out, text + from, at - from) && buf_append_text(out, mark);
        from = at;
    }
    done = done && buf_append(out, text + from, n - from);
    mem_free(parts);
    return done ? HEARTH_OK : error_no_memory(err, "a text", n);
}
