/* SPDX-License-Identifier: MIT
 *
 * snippet.c - see snippet.h.
 */
#include "store/snippet.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "store/state.h"

enum { LEAD_BYTES = 50, MAX_FOUND = 4096 };

/* A place where a term of the query stands. */
typedef struct found {
    size_t start, end;
    uint8_t term;
} found;

/* How far each term has been read, word by word. */
typedef struct reading {
    size_t n_matched[WORDS_MAX_TERMS];
    size_t start[WORDS_MAX_TERMS];
    const words_list *words;
    found *items;
    size_t n;
} reading;

static bool is_word(const words_word *w, const char *text, size_t n)
{
    return w->prefix ? n >= w->n && memcmp(w->text, text, w->n) == 0
                     : n == w->n && memcmp(w->text, text, n) == 0;
}

/* A term that breaks off may begin again with the very word that broke it. */
static int read_word(void *user, const char *text, size_t n, size_t start, size_t end)
{
    reading *r = user;
    for (size_t t = 0; t < r->words->n_terms; t++) {
        const words_term *term = &r->words->terms[t];
        const words_word *words = &r->words->words[term->first];
        if (r->n_matched[t] > 0 && !is_word(&words[r->n_matched[t]], text, n))
            r->n_matched[t] = 0;
        if (!is_word(&words[r->n_matched[t]], text, n))
            continue;
        if (r->n_matched[t]++ == 0)
            r->start[t] = start;
        if (r->n_matched[t] < term->n)
            continue;
        r->n_matched[t] = 0;
        r->items[r->n++] = (found){r->start[t], end, (uint8_t)t};
    }
    return r->n >= MAX_FOUND;
}

/* The first place whose window holds most different terms, then most of them. */
static size_t choose(const found *items, size_t n)
{
    size_t best = 0, best_score = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t seen = 0;
        size_t count = 0;
        for (size_t k = i; k < n && items[k].end <= items[i].start + SNIPPET_BYTES - LEAD_BYTES;
             k++) {
            seen |= 1ull << items[k].term;
            count += count < 15;
        }
        size_t score = (size_t)__builtin_popcountll(seen) * 16 + count;
        if (score > best_score) {
            best = i;
            best_score = score;
        }
    }
    return best;
}

static size_t back_to_character(const char *text, size_t at)
{
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* A beginning shortly before `at`: behind a blank, if there is one. */
static size_t lead(const char *text, size_t at)
{
    size_t start = at > LEAD_BYTES ? back_to_character(text, at - LEAD_BYTES) : 0;
    for (size_t i = start; start > 0 && i < at; i++) {
        if (text[i] == ' ' || text[i] == '\n')
            return i + 1;
    }
    return start;
}

static bool set_marks(arena *a, const found *items, size_t n, size_t start, size_t end,
                      size_t n_before, search_hit *hit)
{
    search_mark *marks = arena_array(a, SNIPPET_MAX_MARKS, sizeof *marks);
    if (marks == NULL)
        return false;
    hit->n_marks = 0;
    for (size_t i = 0, last = start; i < n && hit->n_marks < SNIPPET_MAX_MARKS; i++) {
        if (items[i].start < last || items[i].end > end)
            continue; /* two terms share these words */
        marks[hit->n_marks++] = (search_mark){(uint32_t)(items[i].start - start + n_before),
                                              (uint32_t)(items[i].end - items[i].start)};
        last = items[i].end;
    }
    hit->marks = marks;
    return true;
}

static bool cut(arena *a, const char *text, size_t n_text, size_t start, const found *items,
                size_t n, search_hit *hit)
{
    static const char dots[] = "…";
    size_t end =
        n_text - start > SNIPPET_BYTES ? back_to_character(text, start + SNIPPET_BYTES) : n_text;
    size_t n_before = start > 0 ? sizeof dots - 1 : 0;
    buf out;
    buf_init(&out, 0);
    bool good = buf_append(&out, dots, n_before) && buf_append(&out, text + start, end - start) &&
                buf_append_text(&out, end < n_text ? dots : "");
    hit->snippet = good ? arena_text(a, out.data, out.n) : NULL;
    buf_deinit(&out);
    return hit->snippet && set_marks(a, items, n, start, end, n_before, hit);
}

bool snippet_make(arena *a, const char *text, size_t n_text, size_t from, const words_list *words,
                  search_hit *hit)
{
    reading r = {.words = words};
    if (n_text > SNIPPET_MAX_SCAN)
        n_text = back_to_character(text, SNIPPET_MAX_SCAN);
    if (from > n_text)
        from = n_text;
    if (words && words->n_terms > 0) {
        if ((r.items = mem_alloc_array(MAX_FOUND + WORDS_MAX_TERMS, sizeof *r.items)) == NULL)
            return false;
        words_each(text, n_text, read_word, &r);
    }
    size_t start = from;
    if (r.n > 0)
        start = lead(text, r.items[choose(r.items, r.n)].start);
    bool good = cut(a, text, n_text, start, r.items, r.n, hit);
    mem_free(r.items);
    return good;
}
