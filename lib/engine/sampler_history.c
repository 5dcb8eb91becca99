/* SPDX-License-Identifier: MIT
 *
 * sampler_history.c - see sampler_history.h.
 */
#include "engine/sampler_history.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

hearth_status history_open(history *h, size_t capacity, hearth_error *err)
{
    *h = (history){.capacity = capacity};
    h->tokens = mem_alloc_array(capacity, sizeof *h->tokens);
    if (h->tokens == NULL)
        return error_no_memory(err, "the tokens that penalties look back on",
                               capacity * sizeof *h->tokens);
    return HEARTH_OK;
}

void history_close(history *h)
{
    mem_free(h->tokens);
    *h = (history){0};
}

void history_clear(history *h)
{
    h->n = 0;
    h->next = 0;
}

void history_push(history *h, int32_t token)
{
    if (h->capacity == 0)
        return;
    h->tokens[h->next] = token;
    h->next = h->next + 1 == h->capacity ? 0 : h->next + 1;
    if (h->n < h->capacity)
        h->n++;
}

hearth_status penalties_open(penalties *p, size_t n_vocab, hearth_error *err)
{
    if (p->repeat == 1 && p->frequency == 0 && p->presence == 0)
        p->window = 0;
    p->counts = NULL;
    if (p->window == 0)
        return HEARTH_OK;
    p->counts = mem_calloc(n_vocab, sizeof *p->counts);
    if (p->counts == NULL)
        return error_no_memory(err, "the counts of repeated tokens", n_vocab * sizeof *p->counts);
    return HEARTH_OK;
}

void penalties_close(penalties *p)
{
    mem_free(p->counts);
    *p = (penalties){0};
}

void penalties_clear(penalties *p, size_t n_vocab)
{
    if (p->counts)
        memset(p->counts, 0, n_vocab * sizeof *p->counts);
}

void penalties_accept(penalties *p, const history *h, int32_t token)
{
    if (p->window == 0)
        return;
    if (h->n >= p->window)
        p->counts[history_at(h, p->window - 1)]--;
    p->counts[token]++;
}

void penalties_apply(const penalties *p, candidates *c)
{
    if (p->window == 0)
        return;
    for (size_t i = 0; i < c->n; i++) {
        hearth_candidate *item = &c->items[i];
        uint32_t count = p->counts[item->token];
        if (count == 0 || item->logit == -INFINITY)
            continue;
        /* A negative logit divided would grow. */
        float logit = item->logit <= 0 ? item->logit * p->repeat : item->logit / p->repeat;
        /* Never forbidden, however strong: something must be left to choose. */
        logit = finite_logit(logit) - ((float)count * p->frequency + p->presence);
        item->logit = fmaxf(finite_logit(logit), -0x1.fffffep+127f);
    }
    c->sorted = false;
}
