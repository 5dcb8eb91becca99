/* SPDX-License-Identifier: MIT
 *
 * test_runtime_budget.c - the rules of memory, one by one, and then random lives of many engines
 * against what may never happen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/budget.h"

static budget_amount ram(uint64_t bytes)
{
    return (budget_amount){{bytes}};
}

static budget_holder ready(uint64_t bytes, uint64_t used_ms)
{
    return (budget_holder){
        .held = ram(bytes), .ready = true, .used_ms = used_ms, .stay_ms = 10, .keep_ms = -1};
}

static budget_answer ask(const budget_holder *h, size_t n, uint64_t limit, uint64_t need,
                         uint64_t now, bool *marks)
{
    const budget_rules rules = {ram(limit), 100};
    const budget_amount amount = ram(need);
    uint64_t again;
    return budget_admit(&rules, h, n, &amount, 1000, now, marks, &again);
}

static void the_least_recently_used_leaves(void **state)
{
    (void)state;
    budget_holder h[] = {ready(4, 300), ready(4, 100), ready(4, 200)};
    bool marks[3];
    assert_int_equal(ask(h, 3, 16, 4, 1000, marks), BUDGET_ADMIT);
    assert_int_equal(ask(h, 3, 12, 4, 1000, marks), BUDGET_MAKE);
    assert_true(!marks[0] && marks[1] && !marks[2]);
    assert_int_equal(ask(h, 3, 12, 6, 1000, marks), BUDGET_MAKE);
    assert_true(!marks[0] && marks[1] && marks[2]);
}

static void nobody_leaves_who_need_not(void **state)
{
    (void)state;
    /* The oldest is small and not enough; the next alone would be. */
    budget_holder h[] = {ready(1, 100), ready(8, 200), ready(3, 300)};
    bool marks[3];
    assert_int_equal(ask(h, 3, 12, 8, 1000, marks), BUDGET_MAKE);
    assert_true(!marks[0] && marks[1] && !marks[2]);
}

static void pinned_busy_starting_and_new_ones_stay(void **state)
{
    (void)state;
    budget_holder h[] = {ready(4, 0)};
    bool marks[1];
    h[0].pinned = true;
    assert_int_equal(ask(h, 1, 4, 4, 1000, marks), BUDGET_REFUSE);
    h[0] = ready(4, 0);
    h[0].n_in_flight = 1;
    assert_int_equal(ask(h, 1, 4, 4, 1000, marks), BUDGET_WAIT);
    h[0] = ready(4, 0);
    h[0].ready = false;
    assert_int_equal(ask(h, 1, 4, 4, 1000, marks), BUDGET_WAIT);
    h[0] = ready(4, 0);
    h[0].ready_ms = 991;
    assert_int_equal(ask(h, 1, 4, 4, 1000, marks), BUDGET_WAIT);
    assert_int_equal(ask(h, 1, 4, 4, 1001, marks), BUDGET_MAKE);
    h[0] = ready(4, 0);
    h[0].leaving = true;
    assert_int_equal(ask(h, 1, 4, 4, 1000, marks), BUDGET_WAIT);
    assert_false(marks[0]);
    assert_int_equal(ask(h, 1, 4, 5, 1000, marks), BUDGET_REFUSE);
}

static void patience_ends(void **state)
{
    (void)state;
    budget_holder h[] = {ready(4, 200), ready(4, 100)};
    const budget_rules rules = {ram(8), 100};
    const budget_amount need = ram(4);
    bool marks[2];
    uint64_t again;
    h[0].n_in_flight = h[1].n_in_flight = 1;
    assert_int_equal(budget_admit(&rules, h, 2, &need, 1000, 1050, marks, &again), BUDGET_WAIT);
    assert_int_equal(again, 1100);
    assert_int_equal(budget_admit(&rules, h, 2, &need, 1000, 1100, marks, &again), BUDGET_MAKE);
    assert_true(!marks[0] && marks[1]);
}

static void pools_are_counted_apart(void **state)
{
    (void)state;
    budget_holder h[] = {ready(4, 100), ready(0, 50)};
    budget_rules rules = {{{8, 8}}, 100};
    budget_amount need = {{1, 8}};
    bool marks[2];
    uint64_t again;
    h[1].held.bytes[BUDGET_GPU] = 6;
    assert_int_equal(budget_admit(&rules, h, 2, &need, 1000, 1000, marks, &again), BUDGET_MAKE);
    assert_true(!marks[0] && marks[1]);
    /* A pool that is over its limit is no matter for who takes nothing of it. */
    rules.limit.bytes[BUDGET_GPU] = 1;
    need.bytes[BUDGET_GPU] = 0;
    assert_int_equal(budget_admit(&rules, h, 2, &need, 1000, 1000, marks, &again), BUDGET_ADMIT);
}

static void time_without_use_ends(void **state)
{
    (void)state;
    budget_holder h[] = {ready(1, 100), ready(1, 100), ready(1, 150), ready(1, 100)};
    bool marks[4];
    h[0].keep_ms = h[2].keep_ms = h[3].keep_ms = 50;
    h[3].n_in_flight = 1;
    assert_int_equal(budget_expire(h, 4, 149, marks), 150);
    assert_true(!marks[0] && !marks[1] && !marks[2] && !marks[3]);
    assert_int_equal(budget_expire(h, 4, 150, marks), 200);
    assert_true(marks[0] && !marks[1] && !marks[2] && !marks[3]);
    h[0].keep_ms = INT64_MAX;
    h[0].used_ms = UINT64_MAX - 1;
    assert_int_equal(budget_expiry(&h[0]), UINT64_MAX);
}

static void others_and_a_reserve_are_left_alone(void **state)
{
    const uint64_t gib = UINT64_C(1) << 30;
    (void)state;
    assert_int_equal(budget_limit(32 * gib, 20 * gib, 0, 0), 18 * gib);
    assert_int_equal(budget_limit(32 * gib, 20 * gib, 4 * gib, 0), 22 * gib);
    assert_int_equal(budget_limit(32 * gib, 20 * gib, 4 * gib, gib), gib);
    assert_int_equal(budget_limit(gib, 0, 0, 0), 0);
    assert_int_equal(budget_limit(0, gib, gib, 0), 0);
}

/* ---- random lives ---- */

enum { MODELS = 12, STEPS = 20000, STAY = 7, PATIENCE = 60, LIMIT = 100 };

typedef enum life { GONE, WAITS, STARTS, LIVES, LEAVES } life;

typedef struct model {
    life life;
    budget_holder h;
    uint64_t asked_ms;
    uint64_t end_ms;    /* of starting or leaving */
    uint64_t served;    /* leases since it was loaded */
    uint32_t n_waiting; /* callers */
} model;

typedef struct world {
    model models[MODELS];
    uint64_t now, seed;
    unsigned n_loads, n_evictions;
} world;

static uint64_t random_below(world *w, uint64_t n)
{
    w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (w->seed >> 33) % n;
}

static size_t look(const world *w, budget_holder *holders, size_t *of)
{
    size_t n = 0;
    for (size_t i = 0; i < MODELS; i++) {
        const model *m = &w->models[i];
        if (m->life == GONE || m->life == WAITS)
            continue;
        holders[n] = m->h;
        holders[n].ready = m->life == LIVES;
        holders[n].leaving = m->life == LEAVES;
        of[n++] = i;
    }
    return n;
}

static void check_sum(const world *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < MODELS; i++) {
        if (w->models[i].life >= STARTS)
            sum += w->models[i].h.held.bytes[0];
    }
    assert_true(sum <= LIMIT);
}

static void check_victim(const world *w, const model *m, bool patience_over)
{
    assert_int_equal(m->life, LIVES);
    assert_false(m->h.pinned);
    assert_true(w->now - m->h.ready_ms >= STAY);
    assert_true(m->h.n_in_flight == 0 || patience_over);
    assert_true(m->served > 0); /* it was loaded for somebody */
    /* None that may leave and was used earlier stays, unless it alone would have been spared: that
     * order is checked by the single tests. */
}

static void admit(world *w)
{
    for (;;) {
        budget_holder holders[MODELS];
        size_t of[MODELS];
        bool marks[MODELS];
        uint64_t again;
        model *oldest = NULL;
        for (size_t i = 0; i < MODELS; i++) {
            model *m = &w->models[i];
            if (m->life == WAITS && (oldest == NULL || m->asked_ms < oldest->asked_ms))
                oldest = m;
        }
        if (oldest == NULL)
            return;
        const budget_rules rules = {ram(LIMIT), PATIENCE};
        const size_t n = look(w, holders, of);
        const bool over = w->now - oldest->asked_ms >= PATIENCE;
        switch (budget_admit(&rules, holders, n, &oldest->h.held, oldest->asked_ms, w->now, marks,
                             &again)) {
        case BUDGET_ADMIT:
            oldest->life = STARTS;
            oldest->end_ms = w->now + random_below(w, 5);
            w->n_loads++;
            check_sum(w);
            continue;
        case BUDGET_REFUSE: {
            uint64_t pinned = oldest->h.held.bytes[0];
            for (size_t i = 0; i < n; i++)
                pinned += holders[i].pinned && !holders[i].leaving ? holders[i].held.bytes[0] : 0;
            assert_true(pinned > LIMIT);
            oldest->life = GONE;
            oldest->n_waiting = 0;
            continue;
        }
        case BUDGET_MAKE: {
            bool any = false;
            for (size_t i = 0; i < n; i++) {
                if (!marks[i])
                    continue;
                any = true;
                model *m = &w->models[of[i]];
                check_victim(w, m, over);
                m->life = LEAVES;
                m->end_ms = w->now + random_below(w, 5);
                w->n_evictions++;
            }
            assert_true(any);
            return;
        }
        case BUDGET_WAIT:
            assert_true(again > w->now);
            /* A load waits for ever only behind requests that do not end. */
            assert_true(w->now - oldest->asked_ms < MODELS * (PATIENCE + STAY + 60));
            return;
        }
    }
}

static void pass_time(world *w)
{
    w->now++;
    for (size_t i = 0; i < MODELS; i++) {
        model *m = &w->models[i];
        if (m->life == STARTS && m->end_ms <= w->now) {
            m->life = LIVES;
            m->h.ready_ms = m->h.used_ms = w->now;
            m->served = m->h.n_in_flight = m->n_waiting;
            m->n_waiting = 0;
        } else if (m->life == LEAVES && m->h.n_in_flight == 0 && m->end_ms <= w->now) {
            m->life = GONE;
            m->h.pinned = false;
        } else if (m->life == LEAVES && m->h.n_in_flight > 0 && random_below(w, 4) == 0) {
            m->h.n_in_flight--; /* nobody new comes, so it will be empty soon */
        }
    }
}

static void act(world *w)
{
    model *m = &w->models[random_below(w, MODELS)];
    switch (random_below(w, 8)) {
    case 0:
    case 1:
    case 2:
        if (m->life == GONE) {
            m->life = WAITS;
            m->asked_ms = w->now;
            m->n_waiting = 1;
        } else if (m->life == LIVES) {
            m->h.n_in_flight++;
            m->h.used_ms = w->now;
        } else if (m->life != LEAVES) {
            m->n_waiting++;
        }
        break;
    case 3:
        if (m->life == LIVES && random_below(w, 40) == 0)
            m->h.pinned = true;
        break;
    case 4:
        m->h.pinned = false;
        break;
    default:
        if (m->h.n_in_flight > 0 && (m->life == LIVES || m->life == LEAVES)) {
            m->h.n_in_flight -= 1 + (uint32_t)random_below(w, m->h.n_in_flight);
            m->h.used_ms = w->now;
        }
    }
}

static void random_lives_keep_the_rules(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        world w = {.seed = seed};
        for (size_t i = 0; i < MODELS; i++)
            w.models[i].h = (budget_holder){
                .held = ram(5 + random_below(&w, 50)), .stay_ms = STAY, .keep_ms = -1};
        for (int i = 0; i < STEPS; i++) {
            act(&w);
            pass_time(&w);
            admit(&w);
            check_sum(&w);
        }
        if (w.n_loads < 100 || w.n_evictions < 50)
            fail_msg("seed %llu: %u loads, %u evictions: too little happened",
                     (unsigned long long)seed, w.n_loads, w.n_evictions);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_leaves),
        cmocka_unit_test(nobody_leaves_who_need_not),
        cmocka_unit_test(pinned_busy_starting_and_new_ones_stay),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(pools_are_counted_apart),
        cmocka_unit_test(time_without_use_ends),
        cmocka_unit_test(others_and_a_reserve_are_left_alone),
        cmocka_unit_test(random_lives_keep_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
