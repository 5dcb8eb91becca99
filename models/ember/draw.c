/* SPDX-License-Identifier: MIT
 *
 * draw.c - one question and its answer from a topic: a row is chosen, then every pattern of the
 * topic is written out with that row's cells and with the items that its lists gave first.
 */
#include <string.h>

#include "base/mem.h"
#include "ember/computed.h"
#include "ember/corpus_impl.h"

enum { MAX_PICKS = 16, MAX_DEPTH = 8 };

typedef struct drawing {
    const corpus *c;
    const corpus_topic *topic;
    draw_kind kind;
    rng *r;
    const corpus_row *row; /* of topic->table */
    computed_row computed;
    struct {
        const char *name; /* of the slot, "thing.2" */
        size_t n;
        const char *item;
    } picks[MAX_PICKS];
    size_t n_picks;
    sample *inner; /* of the table "short" */
    hearth_error *err;
} drawing;

static hearth_status bad_pattern(const drawing *d, const char *what, const char *at)
{
    FAIL(d->err, EFORMAT, d->topic->id, "topic %s: %s at '%.60s'", d->topic->id, what, at);
}

static hearth_status append(const drawing *d, buf *out, const char *text, size_t n)
{
    return buf_append(out, text, n) ? HEARTH_OK : error_no_memory(d->err, "the corpus", n);
}

/* ---- slots ---- */

static bool name_is(const char *name, const char *slot, size_t n)
{
    return strlen(name) == n && memcmp(name, slot, n) == 0;
}

static const char *cell_of(const drawing *d, const char *slot, size_t n)
{
    for (size_t i = 0; d->row && i < d->topic->table->n_columns; i++) {
        if (name_is(d->topic->table->columns[i], slot, n))
            return d->row->cells[i];
    }
    for (size_t i = 0; i < d->computed.n; i++) {
        if (name_is(d->computed.columns[i], slot, n))
            return d->computed.cells[i];
    }
    if (d->inner && name_is("question", slot, n))
        return d->inner->question.data;
    if (d->inner && name_is("short", slot, n))
        return d->inner->brief.data;
    return NULL;
}

static const corpus_row *draw_row(const drawing *d, const corpus_table *t)
{
    for (;;) {
        const corpus_row *row = &t->rows[rng_below(d->r, t->n_rows)];
        bool held_out = t->has_held_out && d->kind == DRAW_HELD_OUT;
        if (row->held_out == held_out)
            return row;
    }
}

static bool is_picked(const drawing *d, const char *item)
{
    for (size_t i = 0; i < d->n_picks; i++) {
        if (d->picks[i].item == item)
            return true;
    }
    return false;
}

/* The slot's item: the one it had before, or a new one that no other slot has. */
static hearth_status pick_item(drawing *d, const char *slot, size_t n, const char **item)
{
    const char *dot = memchr(slot, '.', n);
    const corpus_table *t = corpus_find_table(d->c, slot, dot ? (size_t)(dot - slot) : n);
    for (size_t i = 0; i < d->n_picks; i++) {
        if (d->picks[i].n == n && memcmp(d->picks[i].name, slot, n) == 0) {
            *item = d->picks[i].item;
            return HEARTH_OK;
        }
    }
    if (t == NULL || !t->is_list)
        return bad_pattern(d, "no cell and no list of that name", slot);
    if (d->n_picks == MAX_PICKS)
        return bad_pattern(d, "too many slots", slot);
    for (int attempts = 0; attempts < 100; attempts++) {
        *item = draw_row(d, t)->cells[0];
        if (!is_picked(d, *item))
            break;
    }
    d->picks[d->n_picks].name = slot;
    d->picks[d->n_picks].n = n;
    d->picks[d->n_picks++].item = *item;
    return HEARTH_OK;
}

static hearth_status write_slot(drawing *d, const char *slot, size_t n, buf *out)
{
    const char *text = cell_of(d, slot, n);
    if (text == NULL)
        TRY(pick_item(d, slot, n, &text));
    return append(d, out, text, strlen(text));
}

/* ---- patterns ---- */

/* The end of the bracket that opens at p; counts its alternatives. NULL: it never ends. */
static const char *bracket_end(const char *p, const char *end, size_t *n)
{
    int depth = 0;
    for (*n = 1; p < end; p++) {
        depth += *p == '[';
        depth -= *p == ']';
        *n += *p == '|' && depth == 1;
        if (depth == 0)
            return p;
    }
    return NULL;
}

/* Where alternative `which` of the bracket lies. */
static void find_alternative(const char *open, const char *close, size_t which, const char **from,
                             const char **to)
{
    int depth = 0;
    *from = open + 1;
    for (const char *p = open; p < close; p++) {
        depth += *p == '[';
        depth -= *p == ']';
        if (*p != '|' || depth != 1)
            continue;
        if (which-- == 0) {
            *to = p;
            return;
        }
        *from = p + 1;
    }
    *to = close;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Answers have no alternatives, so that brackets are themselves there. */
static hearth_status expand(drawing *d, const char *p, const char *end, bool alternatives,
                            int depth, buf *out)
{
    if (depth > MAX_DEPTH)
        return bad_pattern(d, "brackets lie too deep", p);
    while (p < end) {
        if (alternatives && *p == '[') {
            const char *from, *to;
            size_t n;
            const char *close = bracket_end(p, end, &n);
            if (close == NULL)
                return bad_pattern(d, "a bracket is not closed", p);
            find_alternative(p, close, rng_below(d->r, n), &from, &to);
            TRY(expand(d, from, to, true, depth + 1, out));
            p = close + 1;
        } else if (*p == '{' && p + 1 < end && is_letter(p[1])) {
            const char *close = memchr(p, '}', (size_t)(end - p));
            if (close == NULL)
                return bad_pattern(d, "a slot is not closed", p);
            TRY(write_slot(d, p + 1, (size_t)(close - p - 1), out));
            p = close + 1;
        } else {
            TRY(append(d, out, p++, 1));
        }
    }
    return HEARTH_OK;
}

static hearth_status write_pattern(drawing *d, const char *pattern, bool alternatives, buf *out)
{
    buf_clear(out);
    TRY(expand(d, pattern, pattern + strlen(pattern), alternatives, 0, out));
    return append(d, out, "", 0);
}

static const char *any_of(const corpus_lines *lines, rng *r)
{
    return lines->text[rng_below(r, lines->n)];
}

/* ---- samples ---- */

void sample_init(sample *s)
{
    *s = (sample){0};
}

void sample_deinit(sample *s)
{
    buf *all[] = {&s->before, &s->reply, &s->question, &s->answer, &s->brief, &s->others};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_deinit(all[i]);
}

static hearth_status write_sample(drawing *d, const char *question, sample *out)
{
    const corpus_topic *t = d->topic;
    if (t->before.n > 0 && t->reply.n > 0) {
        TRY(write_pattern(d, any_of(&t->before, d->r), true, &out->before));
        TRY(write_pattern(d, any_of(&t->reply, d->r), false, &out->reply));
    }
    TRY(write_pattern(d, question, true, &out->question));
    size_t chosen = rng_below(d->r, t->answers.n);
    TRY(write_pattern(d, t->answers.text[chosen], false, &out->answer));
    for (size_t i = 0; i < t->answers.n; i++) {
        buf other = {0};
        if (i == chosen)
            continue;
        hearth_status status = write_pattern(d, t->answers.text[i], false, &other);
        if (status == HEARTH_OK)
            status = append(d, &out->others, other.data ? other.data : "", other.n + 1);
        buf_deinit(&other);
        TRY(status);
        out->n_others++;
    }
    return t->brief ? write_pattern(d, t->brief, false, &out->brief) : HEARTH_OK;
}

/* A question that has an answer in a word, of any other topic. */
static hearth_status draw_brief(const drawing *d, sample *out)
{
    for (;;) {
        const corpus_topic *t = &d->c->topics[rng_below(d->r, d->c->n_topics)];
        const corpus_lines *lines = d->kind == DRAW_HELD_OUT ? &t->held_out : &t->questions;
        if (t->brief && lines->n > 0 && t->before.n == 0)
            return corpus_draw(d->c, t, d->kind, SIZE_MAX, d->r, out, d->err);
    }
}

hearth_status corpus_draw(const corpus *c, const corpus_topic *topic, draw_kind kind, size_t phrase,
                          rng *r, sample *out, hearth_error *err)
{
    const corpus_lines *lines = kind == DRAW_HELD_OUT ? &topic->held_out : &topic->questions;
    drawing d = {.c = c, .topic = topic, .kind = kind, .r = r, .err = err};
    sample inner;
    sample_init(&inner);
    hearth_status status = HEARTH_OK;
    buf *all[] = {&out->before, &out->reply, &out->question,
                  &out->answer, &out->brief, &out->others};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_clear(all[i]);
    out->topic = topic;
    out->n_others = 0;
    if (topic->table)
        d.row = draw_row(&d, topic->table);
    else if (topic->over && strcmp(topic->over, "short") == 0)
        d.inner = &inner;
    else if (topic->over)
        computed_draw(topic->over, kind, r, &d.computed);
    if (d.inner)
        TRY_OUT(draw_brief(&d, &inner));
    TRY_OUT(write_sample(&d, phrase == SIZE_MAX ? any_of(lines, r) : lines->text[phrase], out));
out:
    sample_deinit(&inner);
    return status;
}

const corpus_topic *corpus_pick(const corpus *c, rng *r)
{
    double total = 0, at;
    for (size_t i = 0; i < c->n_categories; i++)
        total += c->categories[i].weight;
    at = rng_unit(r) * total;
    size_t chosen = 0;
    while (chosen + 1 < c->n_categories && at >= c->categories[chosen].weight)
        at -= c->categories[chosen++].weight;
    const corpus_category *category = &c->categories[chosen];
    total = 0;
    for (size_t i = 0; i < category->n_topics; i++)
        total += c->topics[category->topics[i]].weight;
    at = rng_unit(r) * total;
    size_t topic = 0;
    while (topic + 1 < category->n_topics && at >= c->topics[category->topics[topic]].weight)
        at -= c->topics[category->topics[topic++]].weight;
    while (topic > 0 && c->topics[category->topics[topic]].weight == 0)
        topic--; /* rounding may have led to one that is for evaluation only */
    return &c->topics[category->topics[topic]];
}
