/* SPDX-License-Identifier: MIT
 *
 * regular_build.c - see regular_build.h. States from which no text is complete are dropped, and
 * equal ones joined (Moore 1956).
 */
#include "grammar/regular_build.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { NONE = UINT32_MAX };

hearth_status regular_no_memory(hearth_error *err)
{
    return error_no_memory(err, "a pattern", REGULAR_STATES_MAX);
}

hearth_status regular_too_large(hearth_error *err)
{
    FAIL(err, EINVAL, "pattern",
         "the pattern, with its lengths and repetitions, needs more than %d states; use smaller "
         "counts or a simpler pattern",
         REGULAR_STATES_MAX);
}

/* ---- building ---- */

hearth_status regular_builder_open(regular_builder *b, hearth_error *err)
{
    static const uint32_t zero = 0;
    *b = (regular_builder){.n_slots = 4 * 16384, .err = err};
    _Static_assert(REGULAR_STATES_MAX * 2 < 4 * 16384, "the table never fills");
    b->slots = mem_calloc(b->n_slots, sizeof *b->slots);
    return b->slots && buf_append(&b->spans, &zero, sizeof zero) ? HEARTH_OK
                                                                 : regular_no_memory(err);
}

void regular_builder_close(regular_builder *b)
{
    buf *arrays[] = {&b->keys, &b->spans, &b->edges, &b->firsts, &b->accepts};
    for (size_t i = 0; i < 5; i++)
        buf_deinit(arrays[i]);
    mem_free(b->slots);
}

size_t regular_builder_n(const regular_builder *b)
{
    return REGULAR_COUNT(&b->spans, uint32_t) - 1;
}

const uint32_t *regular_builder_key(const regular_builder *b, size_t i, size_t *n)
{
    const uint32_t *spans = REGULAR_LIST(&b->spans, uint32_t);
    *n = spans[i + 1] - spans[i];
    return REGULAR_LIST(&b->keys, uint32_t) + spans[i];
}

hearth_status regular_builder_state(regular_builder *b, const uint32_t *key, size_t n,
                                    uint32_t *state)
{
    size_t at = hash_bytes(HASH_START, key, n * sizeof *key) & (b->n_slots - 1);
    for (; b->slots[at]; at = (at + 1) & (b->n_slots - 1)) {
        size_t n_other;
        const uint32_t *other = regular_builder_key(b, b->slots[at] - 1, &n_other);
        if (n_other == n && (n == 0 || memcmp(key, other, n * sizeof *key) == 0)) {
            *state = b->slots[at] - 1;
            return HEARTH_OK;
        }
    }
    *state = (uint32_t)regular_builder_n(b);
    if (*state >= REGULAR_STATES_MAX)
        return regular_too_large(b->err);
    b->slots[at] = *state + 1;
    if (!buf_append(&b->keys, key, n * sizeof *key))
        return regular_no_memory(b->err);
    uint32_t end = (uint32_t)REGULAR_COUNT(&b->keys, uint32_t);
    return buf_append(&b->spans, &end, sizeof end) ? HEARTH_OK : regular_no_memory(b->err);
}

hearth_status regular_builder_begin(regular_builder *b, bool accepts)
{
    uint32_t first = (uint32_t)REGULAR_COUNT(&b->edges, regular_edge);
    uint8_t flag = accepts;
    return buf_append(&b->firsts, &first, sizeof first) && buf_append(&b->accepts, &flag, 1)
               ? HEARTH_OK
               : regular_no_memory(b->err);
}

hearth_status regular_builder_edge(regular_builder *b, uint32_t low, uint32_t high, uint32_t to)
{
    size_t n = REGULAR_COUNT(&b->edges, regular_edge);
    regular_edge *last = n ? &REGULAR_LIST(&b->edges, regular_edge)[n - 1] : NULL;
    uint32_t first = REGULAR_LIST(&b->firsts, uint32_t)[REGULAR_COUNT(&b->firsts, uint32_t) - 1];
    if (++b->work > REGULAR_WORK_MAX)
        return regular_too_large(b->err);
    if (n > first && last->to == to && last->high + 1 == low) {
        last->high = high;
        return HEARTH_OK;
    }
    regular_edge new = {low, high, to};
    return buf_append(&b->edges, &new, sizeof new) ? HEARTH_OK : regular_no_memory(b->err);
}

/* ---- dropping and joining states ---- */

static void mark_useful(const regular_builder *b, uint8_t *useful)
{
    const uint32_t *firsts = REGULAR_LIST(&b->firsts, uint32_t);
    const regular_edge *edges = REGULAR_LIST(&b->edges, regular_edge);
    size_t n = REGULAR_COUNT(&b->accepts, uint8_t);
    memcpy(useful, b->accepts.data, n);
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t s = n; s-- > 0;) {
            for (uint32_t e = firsts[s]; !useful[s] && e < firsts[s + 1]; e++) {
                if (useful[edges[e].to])
                    useful[s] = changed = true;
            }
        }
    }
}

/* The states that count, renumbered: state 0 and those from which a text can be completed. */
static hearth_status trim(const regular_builder *b, regular *r, hearth_error *err)
{
    const uint32_t *firsts = REGULAR_LIST(&b->firsts, uint32_t);
    const regular_edge *edges = REGULAR_LIST(&b->edges, regular_edge);
    size_t n = REGULAR_COUNT(&b->accepts, uint8_t);
    uint32_t *number = mem_alloc_array(n, sizeof *number);
    uint8_t *useful = mem_alloc(n);
    r->first = mem_alloc_array(n + 1, sizeof *r->first);
    r->accepts = mem_alloc(n);
    r->edges = mem_alloc_array(REGULAR_COUNT(&b->edges, regular_edge), sizeof *edges);
    if (!number || !useful || !r->first || !r->accepts || !r->edges) {
        mem_free(number);
        mem_free(useful);
        return regular_no_memory(err);
    }
    mark_useful(b, useful);
    useful[0] = 1;
    for (size_t s = 0; s < n; s++)
        number[s] = useful[s] ? (uint32_t)r->n_states++ : NONE;
    uint32_t n_edges = 0;
    for (size_t s = 0; s < n; s++) {
        if (!useful[s])
            continue;
        r->first[number[s]] = n_edges;
        r->accepts[number[s]] = (uint8_t)b->accepts.data[s];
        for (uint32_t e = firsts[s]; e < firsts[s + 1]; e++) {
            if (useful[edges[e].to])
                r->edges[n_edges++] =
                    (regular_edge){edges[e].low, edges[e].high, number[edges[e].to]};
        }
    }
    r->first[r->n_states] = n_edges;
    mem_free(number);
    mem_free(useful);
    return HEARTH_OK;
}

/* Numbers for the states such that two have the same one exactly where what they accept at once
 * and where their edges lead is equal; from the numbers of the round before. */
static hearth_status refine(const regular *r, const uint32_t *old, uint32_t *new, size_t *n_classes,
                            hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    regular_builder b;
    buf key;
    buf_init(&key, 0);
    TRY_OUT(regular_builder_open(&b, err));
    for (size_t s = 0; s < r->n_states; s++) {
        buf_clear(&key);
        uint32_t high = NONE, to = NONE;
        bool good = buf_append(&key, &old[s], sizeof *old);
        for (uint32_t e = r->first[s]; good && e < r->first[s + 1]; e++) {
            const regular_edge *x = &r->edges[e];
            if (to == old[x->to] && high + 1 == x->low) { /* the same edge now, going on */
                high = x->high;
                memcpy(key.data + key.n - 2 * sizeof high, &high, sizeof high);
                continue;
            }
            uint32_t part[3] = {x->low, high = x->high, to = old[x->to]};
            good = buf_append(&key, part, sizeof part);
        }
        if (!good) {
            status = regular_no_memory(err);
            goto out;
        }
        TRY_OUT(regular_builder_state(&b, REGULAR_LIST(&key, uint32_t),
                                      REGULAR_COUNT(&key, uint32_t), &new[s]));
    }
    *n_classes = regular_builder_n(&b);
out:
    regular_builder_close(&b);
    buf_deinit(&key);
    return status;
}

/* Joins the states of each class; class 0 holds state 0. */
static hearth_status join(regular *r, const uint32_t *classes, size_t n_classes, hearth_error *err)
{
    uint32_t *old_of = mem_alloc_array(n_classes, sizeof *old_of);
    regular_builder b;
    hearth_status status = regular_builder_open(&b, err);
    if (old_of == NULL)
        status = regular_no_memory(err);
    for (size_t s = r->n_states; status == HEARTH_OK && s-- > 0;)
        old_of[classes[s]] = (uint32_t)s;
    for (size_t c = 0; status == HEARTH_OK && c < n_classes; c++) {
        uint32_t s = old_of[c];
        status = regular_builder_begin(&b, r->accepts[s]);
        for (uint32_t e = r->first[s]; status == HEARTH_OK && e < r->first[s + 1]; e++)
            status = regular_builder_edge(&b, r->edges[e].low, r->edges[e].high,
                                          classes[r->edges[e].to]);
    }
    if (status == HEARTH_OK)
        status = regular_builder_begin(&b, false);
    if (status == HEARTH_OK) {
        mem_free(r->first);
        mem_free(r->edges);
        mem_free(r->accepts);
        r->n_states = n_classes;
        r->first = (uint32_t *)(void *)buf_take(&b.firsts, &(size_t){0});
        r->accepts = (uint8_t *)buf_take(&b.accepts, &(size_t){0});
        r->edges = buf_append(&b.edges, "", 0)
                       ? (regular_edge *)(void *)buf_take(&b.edges, &(size_t){0})
                       : NULL;
        if (!r->first || !r->accepts || !r->edges)
            status = regular_no_memory(err);
    }
    regular_builder_close(&b);
    mem_free(old_of);
    return status;
}

/* Only saves room, so large automata are left as they are: the rounds may be as many as states. */
static hearth_status minimize(regular *r, hearth_error *err)
{
    enum { WORTH_IT = 2000 };
    hearth_status status = HEARTH_OK;
    size_t n = r->n_states, n_old = 0, n_new = 1;
    if (n > WORTH_IT)
        return HEARTH_OK;
    uint32_t *old = mem_alloc_array(n, sizeof *old), *new = mem_alloc_array(n, sizeof *new);
    if (!old || !new) {
        status = regular_no_memory(err);
        goto out;
    }
    for (size_t s = 0; s < n; s++)
        new[s] = r->accepts[s];
    while (n_new != n_old) {
        uint32_t *swap = old;
        old = new;
        new = swap;
        n_old = n_new;
        TRY_OUT(refine(r, old, new, &n_new, err));
    }
    if (n_new < n)
        status = join(r, new, n_new, err);
out:
    mem_free(old);
    mem_free(new);
    return status;
}

hearth_status regular_builder_finish(regular_builder *b, regular **out, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    regular *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        return regular_no_memory(err);
    TRY_OUT(regular_builder_begin(b, false)); /* the end of the last state's edges */
    b->accepts.n--;
    TRY_OUT(trim(b, r, err));
    TRY_OUT(minimize(r, err));
    *out = r;
    r = NULL;
out:
    regular_free(r);
    return status;
}
