/* SPDX-License-Identifier: MIT
 *
 * budget.c - see budget.h.
 */
#include "runtime/budget.h"

void budget_add(budget_amount *sum, const budget_amount *more)
{
    for (size_t i = 0; i < BUDGET_POOLS; i++) {
        uint64_t room = UINT64_MAX - sum->bytes[i];
        sum->bytes[i] += more->bytes[i] < room ? more->bytes[i] : room;
    }
}

/* In the pools that `need` takes of; what is over in others is not its doing. */
static bool is_within(const budget_amount *sum, const budget_amount *limit,
                      const budget_amount *need)
{
    for (size_t i = 0; i < BUDGET_POOLS; i++) {
        if (need->bytes[i] > 0 && sum->bytes[i] > limit->bytes[i])
            return false;
    }
    return true;
}

/* Whether there is room for need when the marked ones, and (or not) those that leave, are gone. */
static bool fits_without(const budget_rules *rules, const budget_holder *holders, size_t n,
                         const budget_amount *need, const bool *marks, bool count_leaving)
{
    budget_amount sum = *need;
    for (size_t i = 0; i < n; i++) {
        if (!marks[i] && (count_leaving || !holders[i].leaving))
            budget_add(&sum, &holders[i].held);
    }
    return is_within(&sum, &rules->limit, need);
}

static bool stayed(const budget_holder *h, uint64_t now_ms)
{
    return now_ms >= h->ready_ms && now_ms - h->ready_ms >= h->stay_ms;
}

static bool may_go(const budget_holder *h, uint64_t now_ms, bool busy)
{
    return h->ready && !h->leaving && !h->pinned && (busy || h->n_in_flight == 0) &&
           stayed(h, now_ms);
}

/* Idle ones go before busy ones, the least recently used first. */
static bool goes_before(const budget_holder *a, const budget_holder *b)
{
    if ((a->n_in_flight > 0) != (b->n_in_flight > 0))
        return a->n_in_flight == 0;
    return a->used_ms < b->used_ms;
}

static bool shares_pool(const budget_holder *h, const budget_amount *need)
{
    for (size_t i = 0; i < BUDGET_POOLS; i++) {
        if (h->held.bytes[i] > 0 && need->bytes[i] > 0)
            return true;
    }
    return false;
}

/* Marks whom it takes, in order, then lets those stay who need not go after all, the most recently
 * used first. False: not even all of them make room. */
static bool choose(const budget_rules *rules, const budget_holder *holders, size_t n,
                   const budget_amount *need, uint64_t now_ms, bool busy, bool *marks)
{
    for (size_t i = 0; i < n; i++)
        marks[i] = false;
    while (!fits_without(rules, holders, n, need, marks, false)) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            if (!marks[i] && may_go(&holders[i], now_ms, busy) && shares_pool(&holders[i], need) &&
                (best == n || goes_before(&holders[i], &holders[best])))
                best = i;
        }
        if (best == n)
            return false;
        marks[best] = true;
    }
    for (size_t left = n; left > 0; left--) {
        size_t last = n;
        for (size_t i = 0; i < n; i++) {
            if (!marks[i])
                continue;
            marks[i] = false;
            bool spare = fits_without(rules, holders, n, need, marks, false);
            marks[i] = true;
            if (spare && (last == n || goes_before(&holders[last], &holders[i])))
                last = i;
        }
        if (last == n)
            break;
        marks[last] = false;
    }
    return true;
}

/* When time alone lets one more holder go. */
static uint64_t next_change(const budget_rules *rules, const budget_holder *holders, size_t n,
                            uint64_t asked_ms, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;
    uint64_t patience = asked_ms + rules->patience_ms;
    if (patience > now_ms)
        next = patience;
    for (size_t i = 0; i < n; i++) {
        const budget_holder *h = &holders[i];
        uint64_t free_ms = h->ready_ms + h->stay_ms;
        if (h->ready && !h->leaving && !h->pinned && free_ms > now_ms && free_ms < next)
            next = free_ms;
    }
    return next;
}

static bool never_fits(const budget_rules *rules, const budget_holder *holders, size_t n,
                       const budget_amount *need)
{
    budget_amount sum = *need;
    for (size_t i = 0; i < n; i++) {
        if (holders[i].pinned && !holders[i].leaving)
            budget_add(&sum, &holders[i].held);
    }
    return !is_within(&sum, &rules->limit, need);
}

budget_answer budget_admit(const budget_rules *rules, const budget_holder *holders, size_t n,
                           const budget_amount *need, uint64_t asked_ms, uint64_t now_ms,
                           bool *marks, uint64_t *again_ms)
{
    *again_ms = UINT64_MAX;
    for (size_t i = 0; i < n; i++)
        marks[i] = false;
    if (fits_without(rules, holders, n, need, marks, true))
        return BUDGET_ADMIT;
    if (never_fits(rules, holders, n, need))
        return BUDGET_REFUSE;
    if (fits_without(rules, holders, n, need, marks, false))
        return BUDGET_WAIT;
    if (choose(rules, holders, n, need, now_ms, false, marks))
        return BUDGET_MAKE;
    if (now_ms >= asked_ms && now_ms - asked_ms >= rules->patience_ms &&
        choose(rules, holders, n, need, now_ms, true, marks))
        return BUDGET_MAKE;
    for (size_t i = 0; i < n; i++)
        marks[i] = false;
    *again_ms = next_change(rules, holders, n, asked_ms, now_ms);
    return BUDGET_WAIT;
}

uint64_t budget_expiry(const budget_holder *h)
{
    if (!h->ready || h->leaving || h->pinned || h->n_in_flight > 0 || h->keep_ms < 0)
        return UINT64_MAX;
    uint64_t keep = (uint64_t)h->keep_ms;
    return keep < UINT64_MAX - h->used_ms ? h->used_ms + keep : UINT64_MAX;
}

uint64_t budget_expire(const budget_holder *holders, size_t n, uint64_t now_ms, bool *marks)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        uint64_t end = budget_expiry(&holders[i]);
        marks[i] = end <= now_ms;
        if (!marks[i] && end < next)
            next = end;
    }
    return next;
}

uint64_t budget_limit(uint64_t total, uint64_t available, uint64_t own, uint64_t most)
{
    const uint64_t least_reserve = UINT64_C(256) << 20;
    uint64_t used = total > available ? total - available : 0;
    uint64_t others = used > own ? used - own : 0;
    uint64_t reserve = total / 16 > least_reserve ? total / 16 : least_reserve;
    uint64_t limit = total > others ? total - others : 0;
    limit = limit > reserve ? limit - reserve : 0;
    return most > 0 && most < limit ? most : limit;
}
