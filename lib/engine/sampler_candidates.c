/* SPDX-License-Identifier: MIT
 *
 * sampler_candidates.c - see sampler_candidates.h.
 *
 * Keys     Every order is that of an unsigned 64-bit key, smallest first: the upper half comes from
 *          a float's bits, made monotonic; the lower half is the token id, or nothing where the
 *          sort must be stable only. Digits have 11 bits.
 */
#include "engine/sampler_candidates.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/fmath.h"
#include "base/half.h"

enum { DIGIT_BITS = 11, N_DIGITS = 1 << DIGIT_BITS, DIGIT_MASK = N_DIGITS - 1 };

/* Below this many, insertion beats counting digits. */
enum { FEW = 64 };

typedef enum order { BY_LOGIT, BY_PROBABILITY } order;

static inline uint64_t key_of(const hearth_candidate *item, order by)
{
    if (by == BY_PROBABILITY) /* bits of a float that is not negative ascend with it */
        return (uint64_t)float_to_bits(item->probability) << 32;
    uint32_t bits = float_to_bits(item->logit);
    uint32_t descending = bits & UINT32_C(0x80000000) ? bits : bits ^ UINT32_C(0x7fffffff);
    return (uint64_t)descending << 32 | (uint32_t)item->token;
}

static void sort_few(hearth_candidate *items, size_t n, order by)
{
    for (size_t i = 1; i < n; i++) {
        hearth_candidate item = items[i];
        uint64_t key = key_of(&item, by);
        size_t j = i;
        for (; j > 0 && key_of(&items[j - 1], by) > key; j--)
            items[j] = items[j - 1];
        items[j] = item;
    }
}

/* One pass of a stable radix sort from one array to the other. False: all had the same digit, and
 * nothing was moved. */
static bool sort_digit(const hearth_candidate *from, hearth_candidate *to, size_t n, order by,
                       int shift)
{
    uint32_t place[N_DIGITS] = {0};
    for (size_t i = 0; i < n; i++)
        place[key_of(&from[i], by) >> shift & DIGIT_MASK]++;
    if (place[key_of(&from[0], by) >> shift & DIGIT_MASK] == n)
        return false;
    uint32_t total = 0;
    for (int d = 0; d < N_DIGITS; d++) {
        uint32_t count = place[d];
        place[d] = total;
        total += count;
    }
    for (size_t i = 0; i < n; i++)
        to[place[key_of(&from[i], by) >> shift & DIGIT_MASK]++] = from[i];
    return true;
}

static bool tokens_ascend(const hearth_candidate *items, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (items[i - 1].token > items[i].token)
            return false;
    return true;
}

static void sort_range(hearth_candidate *items, size_t n, hearth_candidate *scratch, order by)
{
    /* Digits may overlap: a later, higher one has the last word. */
    static const int shifts[] = {0, 11, 22, 32, 43, 54};
    enum { FIRST_OF_UPPER_HALF = 3, N_SHIFTS = 6 };
    if (n <= FEW) {
        sort_few(items, n, by);
        return;
    }
    hearth_candidate *from = items, *to = scratch;
    bool upper_only = by == BY_PROBABILITY || tokens_ascend(items, n);
    for (int i = upper_only ? FIRST_OF_UPPER_HALF : 0; i < N_SHIFTS; i++)
        if (sort_digit(from, to, n, by, shifts[i])) {
            hearth_candidate *swap = from;
            from = to;
            to = swap;
        }
    if (from != items)
        memcpy(items, from, n * sizeof *items);
}

/* The key of the k-th best, k >= 1. Keys are distinct, as tokens are. */
static uint64_t key_of_rank(const hearth_candidate *items, size_t n, size_t k,
                            hearth_candidate *scratch)
{
    for (int shift = 64 - DIGIT_BITS;;) {
        uint32_t counts[N_DIGITS] = {0};
        for (size_t i = 0; i < n; i++)
            counts[key_of(&items[i], BY_LOGIT) >> shift & DIGIT_MASK]++;
        uint32_t digit = 0;
        while (k > counts[digit])
            k -= counts[digit++];
        /* Only those that share the digit go on; from the second round on, in place. */
        size_t m = 0;
        for (size_t i = 0; i < n; i++)
            if ((key_of(&items[i], BY_LOGIT) >> shift & DIGIT_MASK) == digit)
                scratch[m++] = items[i];
        if (m == 1)
            return key_of(&scratch[0], BY_LOGIT);
        items = scratch;
        n = m;
        shift = shift > DIGIT_BITS ? shift - DIGIT_BITS : 0;
    }
}

void candidates_sort_head(candidates *c, size_t from, size_t k)
{
    hearth_candidate *items = c->items + from;
    size_t n = c->n - from;
    if (k == 0)
        return;
    if (k < n) {
        uint64_t last = key_of_rank(items, n, k, c->scratch);
        /* Backwards, so that what is left behind ends up at the end without a second pass. */
        size_t head = k, tail = n;
        for (size_t i = n; i-- > 0;)
            if (key_of(&items[i], BY_LOGIT) <= last)
                c->scratch[--head] = items[i];
            else
                items[--tail] = items[i];
        memcpy(items, c->scratch, k * sizeof *items);
    }
    sort_range(items, k, c->scratch, BY_LOGIT);
}

/* One look at most candidates: a pool takes those that are better than the k-th best so far, and is
 * cut back to k when it is full. Linear also where every candidate is better than the last: k at
 * least have been added between two cuts, each of which is linear in the pool. */
void candidates_keep_head(candidates *c, size_t k)
{
    size_t full = 8 * k + 1024, n_pool = 0;
    if (c->sorted || full >= c->n) {
        if (!c->sorted)
            candidates_sort_head(c, 0, k);
        c->n = k;
        c->sorted = true;
        return;
    }
    /* The pool is made in place: it never overtakes the candidate looked at. */
    candidates pool = {.items = c->items, .scratch = c->scratch};
    float least = -INFINITY;
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i].logit < least)
            continue;
        c->items[n_pool++] = c->items[i];
        if (n_pool == full) {
            pool.n = n_pool;
            candidates_sort_head(&pool, 0, k);
            least = c->items[k - 1].logit;
            n_pool = k;
        }
    }
    pool.n = n_pool;
    candidates_sort_head(&pool, 0, k);
    c->n = k;
    c->sorted = true;
}

void candidates_sort(candidates *c)
{
    if (!c->sorted)
        sort_range(c->items, c->n, c->scratch, BY_LOGIT);
    c->sorted = true;
}

void candidates_sort_by_probability(candidates *c)
{
    sort_range(c->items, c->n, c->scratch, BY_PROBABILITY);
    c->sorted = false;
}

float candidates_max_logit(const candidates *c)
{
    float max = c->items[0].logit;
    for (size_t i = 1; i < c->n && !c->sorted; i++)
        max = c->items[i].logit > max ? c->items[i].logit : max;
    return max;
}

float candidates_softmax(candidates *c)
{
    float max = candidates_max_logit(c);
    float sum = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->items[i].probability = float_exp(c->items[i].logit - max);
        sum += c->items[i].probability;
    }
    for (size_t i = 0; i < c->n; i++)
        c->items[i].probability /= sum;
    return sum;
}

float float_exp(float x)
{
    return fmath_expf(x);
}

float float_log(float x)
{
    return (float)fmath_log(x);
}

float float_log2(float x)
{
    return (float)(fmath_log(x) * 0x1.71547652b82fep+0); /* 1 / ln 2 */
}

float float_pow(float x, float y)
{
    return (float)fmath_pow(x, y);
}
