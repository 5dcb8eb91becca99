/* SPDX-License-Identifier: MIT
 *
 * test_sampler_filters.c - ordering and every filter, against the definitions computed plainly here
 * in binary64 over a fully sorted list.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/sampler_filters.h"

enum { MAX = 20000 };

static hearth_candidate items[MAX], scratch[MAX];
static uint64_t state;

static uint32_t next(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33);
}

static float uniform(float low, float high)
{
    return low + (high - low) * (float)(next() & 0xffffff) / 0x1p24f;
}

static candidates from(const float *logits, size_t n)
{
    for (size_t i = 0; i < n; i++)
        items[i] = (hearth_candidate){.token = (int32_t)i, .logit = logits[i]};
    return (candidates){.items = items, .scratch = scratch, .n = n};
}

/* ---- the plain list: sorted, with exact probabilities ---- */

typedef struct plain {
    int32_t token;
    double logit, p;
} plain;

static int by_logit(const void *a, const void *b)
{
    const plain *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return (x->token > y->token) - (x->token < y->token);
}

static void plain_sort(plain *list, const float *logits, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        list[i] = (plain){.token = (int32_t)i, .logit = logits[i]};
    qsort(list, n, sizeof *list, by_logit);
    for (size_t i = 0; i < n; i++)
        sum += list[i].p = exp(list[i].logit - list[0].logit);
    for (size_t i = 0; i < n; i++)
        list[i].p /= sum;
}

static void expect_head(const candidates *c, const plain *list, size_t n)
{
    assert_int_equal(c->n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(c->items[i].token, list[i].token);
}

/* The same tokens in any order. */
static void expect_set(const candidates *c, const plain *list, size_t n)
{
    assert_int_equal(c->n, n);
    for (size_t i = 0; i < n; i++) {
        size_t found = 0;
        for (size_t k = 0; k < c->n; k++)
            found += c->items[k].token == list[i].token;
        assert_int_equal(found, 1);
    }
}

/* ---- ordering ---- */

static void fill_hard(float *logits, size_t n, int kind)
{
    for (size_t i = 0; i < n; i++) {
        switch (kind) {
        case 0: /* as models give */
            logits[i] = uniform(-12, 12) + uniform(-6, 6);
            break;
        case 1: /* many ties, forbidden ones among them */
            logits[i] = next() % 5 ? (float)(int)(next() % 7) - 3 : -INFINITY;
            break;
        case 2: /* all equal */
            logits[i] = 1.5f;
            break;
        default: /* every exponent there is */
            logits[i] = ldexpf(uniform(-1, 1), (int)(next() % 250) - 125);
            break;
        }
    }
}

static void order_is_total(void **unused)
{
    (void)unused;
    static float logits[MAX];
    static plain list[MAX];
    static const size_t sizes[] = {1, 2, 63, 64, 65, 1000, MAX};
    static const size_t heads[] = {1, 2, 40, 64, 65, 300, 5000, MAX};
    state = 11;
    for (int kind = 0; kind < 4; kind++)
        for (size_t s = 0; s < 7; s++) {
            size_t n = sizes[s];
            fill_hard(logits, n, kind);
            plain_sort(list, logits, n);
            candidates all = from(logits, n);
            candidates_sort(&all);
            expect_head(&all, list, n);
            for (size_t h = 0; h < 8; h++) {
                size_t k = heads[h] < n ? heads[h] : n;
                candidates c = from(logits, n);
                filter_top_k(&c, (int32_t)heads[h]);
                expect_head(&c, list, k);
                assert_true(c.sorted);
            }
        }
}

/* What comes in shuffled comes out the same. */
static void input_order_never_shows(void **unused)
{
    (void)unused;
    static float logits[MAX];
    static plain list[MAX];
    state = 12;
    fill_hard(logits, 3000, 1);
    plain_sort(list, logits, 3000);
    candidates c = from(logits, 3000);
    for (size_t i = 2999; i > 0; i--) {
        size_t j = next() % (i + 1);
        hearth_candidate swap = items[i];
        items[i] = items[j];
        items[j] = swap;
    }
    candidates_sort_head(&c, 0, 100);
    candidates_sort_head(&c, 100, 700);
    for (size_t i = 0; i < 800; i++)
        assert_int_equal(items[i].token, list[i].token);
    candidates_sort(&c);
    expect_head(&c, list, 3000);
}

static void softmax_is_exact(void **unused)
{
    (void)unused;
    static float logits[MAX];
    static plain list[MAX];
    state = 13;
    fill_hard(logits, 500, 0);
    logits[3] = -INFINITY;
    plain_sort(list, logits, 500);
    candidates c = from(logits, 500);
    candidates_sort(&c);
    candidates_softmax(&c);
    for (size_t i = 0; i < 500; i++)
        assert_true(fabs(c.items[i].probability - list[i].p) <= 1e-5 * list[i].p + 1e-40);
    assert_true(c.items[499].probability == 0);
}

/* ---- filters ---- */

static void top_p_keeps_the_smallest_head(void **unused)
{
    (void)unused;
    static float logits[MAX];
    static plain list[MAX];
    state = 21;
    for (int round = 0; round < 300; round++) {
        size_t n = round % 50 == 0 ? 6000 : 1 + next() % 300;
        float p = uniform(0, 1);
        size_t min_keep = next() % 4 ? 0 : next() % 20;
        for (size_t i = 0; i < n; i++)
            logits[i] = uniform(-5, n > 1000 ? 0 : 5);
        plain_sort(list, logits, n);
        double sum = 0;
        size_t keep = n;
        bool close = false;
        for (size_t i = 0; i < n && keep == n; i++) {
            sum += list[i].p;
            close |= fabs(sum - p) < 1e-4;
            if (sum >= p && i + 1 >= min_keep)
                keep = i + 1;
        }
        if (close)
            continue;
        candidates c = from(logits, n);
        if (round & 1)
            candidates_sort(&c);
        filter_top_p(&c, p, min_keep);
        expect_head(&c, list, keep);
    }
    candidates c = from(logits, 10);
    filter_top_p(&c, 1, 0);
    assert_int_equal(c.n, 10);
    filter_top_p(&c, 0, 0);
    assert_int_equal(c.n, 1);
}

static void min_p_keeps_a_share_of_the_best(void **unused)
{
    (void)unused;
    static float logits[MAX];
    static plain list[MAX];
    state = 22;
    for (int round = 0; round < 300; round++) {
        size_t n = 1 + next() % 200;
        float p = uniform(0.001f, 1);
        size_t min_keep = next() % 3 ? 0 : next() % 30;
        for (size_t i = 0; i < n; i++)
            logits[i] = uniform(-4, 4);
        plain_sort(list, logits, n);
        size_t keep = 0;
        bool close = false;
        for (size_t i = 0; i < n; i++) {
            close |= fabs(list[i].p / list[0].p - p) < 1e-5;
            keep += list[i].p >= p * list[0].p;
        }
        if (close)
            continue;
        bool too_few = keep < min_keep;
        if (too_few)
            keep = min_keep < n ? min_keep : n;
        candidates sorted = from(logits, n);
        candidates_sort(&sorted);
        filter_min_p(&sorted, p, min_keep);
        expect_head(&sorted, list, keep);
        candidates c = from(logits, n);
        filter_min_p(&c, p, min_keep);
        expect_set(&c, list, keep);
        if (!too_few) /* the order of the input stays */
            for (size_t i = 1; i < c.n; i++)
                assert_true(c.items[i - 1].token < c.items[i].token);
    }
}

typedef struct scored {
    double score, p;
    int32_t token;
} scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

static void typical_keeps_the_expected_surprise(void **unused)
{
    (void)unused;
    static float logits[MAX];
    static plain list[MAX];
    static scored scores[MAX];
    state = 23;
    for (int round = 0; round < 300; round++) {
        size_t n = 2 + next() % 100;
        float p = uniform(0.05f, 0.99f);
        size_t min_keep = next() % 3 ? 0 : next() % 20;
        for (size_t i = 0; i < n; i++)
            logits[i] = uniform(-5, 5);
        plain_sort(list, logits, n);
        double entropy = 0, sum = 0;
        for (size_t i = 0; i < n; i++)
            entropy -= list[i].p * log(list[i].p);
        for (size_t i = 0; i < n; i++)
            scores[i] = (scored){fabs(-log(list[i].p) - entropy), list[i].p, list[i].token};
        qsort(scores, n, sizeof *scores, by_score);
        size_t keep = n;
        bool close = false;
        for (size_t i = 0; i < n && keep == n; i++) {
            sum += scores[i].p;
            close |=
                fabs(sum - p) < 1e-4 || (i + 1 < n && scores[i + 1].score - scores[i].score < 1e-4);
            if (sum > p && i + 1 >= min_keep)
                keep = i + 1;
        }
        if (close)
            continue;
        candidates c = from(logits, n);
        filter_typical(&c, p, min_keep);
        assert_int_equal(c.n, keep);
        for (size_t i = 0; i < keep; i++) {
            assert_int_equal(c.items[i].token, scores[i].token);
            assert_true(fabs(c.items[i].probability - scores[i].p) < 1e-5);
        }
    }
}

/* A forbidden token has no surprise to speak of, and never stays. */
static void typical_drops_the_forbidden(void **unused)
{
    (void)unused;
    const float logits[] = {-INFINITY, 1, -INFINITY, 0.5f, 0, -INFINITY};
    candidates c = from(logits, 6);
    filter_typical(&c, 0.999f, 0);
    assert_int_equal(c.n, 3);
    for (size_t i = 0; i < c.n; i++)
        assert_true(isfinite(c.items[i].logit));
}

static void top_n_sigma_forbids_the_far(void **unused)
{
    (void)unused;
    static float logits[MAX];
    state = 24;
    for (int round = 0; round < 200; round++) {
        size_t n = 2 + next() % 300;
        float sigmas = uniform(0.1f, 3);
        double mean = 0, squares = 0, max = -1e9;
        size_t allowed = 0;
        for (size_t i = 0; i < n; i++) {
            logits[i] = i > 0 && next() % 6 == 0 ? -INFINITY : uniform(-4, 4);
            if (!isfinite(logits[i]))
                continue;
            allowed++;
            mean += logits[i];
            max = fmax(max, logits[i]);
        }
        mean /= (double)allowed;
        for (size_t i = 0; i < n; i++)
            if (isfinite(logits[i]))
                squares += (logits[i] - mean) * (logits[i] - mean);
        double least = max - sigmas * sqrt(squares / (double)allowed);
        candidates c = from(logits, n);
        filter_top_n_sigma(&c, sigmas);
        assert_int_equal(c.n, n);
        assert_true(c.sorted);
        for (size_t i = 0; i < n; i++) {
            double logit = logits[c.items[i].token];
            if (fabs(logit - least) < 1e-4)
                continue;
            assert_true(isfinite(c.items[i].logit) == (logit >= least));
        }
    }
}

static void xtc_excludes_all_top_choices_but_the_last(void **unused)
{
    (void)unused;
    /* probabilities 0.4, 0.3, 0.2, 0.1, not in order */
    const float logits[] = {logf(0.2f), logf(0.4f), logf(0.1f), logf(0.3f)};
    static const struct {
        float threshold;
        size_t min_keep, n;
        int32_t first;
    } rows[] = {
        {0.35f, 0, 4, 1}, /* only one reaches it: nothing to exclude */
        {0.25f, 0, 3, 3}, {0.15f, 0, 2, 0}, {0.05f, 0, 1, 2}, {0.05f, 2, 4, 1}, {0.51f, 0, 4, 0},
    };
    mt19937 generator;
    mt19937_seed(&generator, 1);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        candidates c = from(logits, 4);
        filter_xtc(&c, 1, rows[r].threshold, rows[r].min_keep, &generator);
        assert_int_equal(c.n, rows[r].n);
        assert_int_equal(c.items[0].token, rows[r].first);
    }
    int excluded = 0;
    for (int i = 0; i < 10000; i++) {
        candidates c = from(logits, 4);
        filter_xtc(&c, 0.3f, 0.15f, 0, &generator);
        excluded += c.n == 2;
    }
    assert_true(abs(excluded - 3000) < 180); /* four standard deviations */
    candidates c = from(logits, 4);
    c.items[0].logit = -INFINITY;
    filter_xtc(&c, 1, 0, 0, &generator); /* all reach 0, the forbidden one too */
    assert_int_equal(c.items[0].token, 2);
}

/* The chance is one output of the generator over 2^32, and only where there is a choice. */
static void xtc_draws_once(void **unused)
{
    (void)unused;
    const float logits[] = {1, 1, 1};
    mt19937 a, b;
    mt19937_seed(&a, 5);
    b = a;
    candidates c = from(logits, 3);
    filter_xtc(&c, 0.5f, 0.1f, 0, &a);
    (void)mt19937_next(&b);
    assert_memory_equal(&a, &b, sizeof a);
    c = from(logits, 1);
    filter_xtc(&c, 0.5f, 0.1f, 0, &a);
    c = from(logits, 3);
    filter_xtc(&c, 0, 0.1f, 0, &a);
    filter_xtc(&c, 0.5f, 0.6f, 0, &a);
    assert_memory_equal(&a, &b, sizeof a);
}

static void temperature_divides(void **unused)
{
    (void)unused;
    const float logits[] = {1, -3, 2, 2, -INFINITY};
    candidates c = from(logits, 5);
    filter_temperature(&c, 0.5f);
    assert_true(c.items[0].logit == 2 && c.items[1].logit == -6 && c.items[2].logit == 4);
    assert_true(c.items[4].logit == -INFINITY);
    /* 0, and what no quotient can hold: the likeliest, of equal ones the first token. */
    static const float cold[] = {0, 0x1p-140f};
    for (int i = 0; i < 2; i++) {
        c = from(logits, 5);
        filter_temperature(&c, cold[i]);
        for (size_t k = 0; k < 5; k++)
            assert_true(isfinite(c.items[k].logit) == (k == 2));
    }
    const float low[] = {-5, -4, -6};
    c = from(low, 3);
    filter_temperature(&c, 0x1p-140f);
    assert_true(c.items[1].logit == -4);
}

static void dynamic_temperature_follows_entropy(void **unused)
{
    (void)unused;
    static float logits[MAX];
    static plain list[MAX];
    state = 25;
    for (int round = 0; round < 100; round++) {
        size_t n = 2 + next() % 50;
        float t = uniform(0.5f, 2), range = uniform(0.1f, 1), exponent = uniform(0.3f, 3);
        for (size_t i = 0; i < n; i++)
            logits[i] = uniform(-3, 3);
        plain_sort(list, logits, n);
        double entropy = 0;
        for (size_t i = 0; i < n; i++)
            entropy -= list[i].p * log(list[i].p);
        double low = fmax(0, t - range), high = t + range;
        double expected = low + (high - low) * pow(entropy / log((double)n), exponent);
        candidates c = from(logits, n);
        filter_dynamic_temperature(&c, t, range, exponent);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(c.items[i].token, list[i].token);
            assert_true(fabs(c.items[i].logit - list[i].logit / expected) < 1e-4 / expected);
        }
    }
    const float one[] = {3};
    candidates c = from(one, 1);
    filter_dynamic_temperature(&c, 0.5f, 0.2f, 1);
    assert_true(c.items[0].logit == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_total),
        cmocka_unit_test(input_order_never_shows),
        cmocka_unit_test(softmax_is_exact),
        cmocka_unit_test(top_p_keeps_the_smallest_head),
        cmocka_unit_test(min_p_keeps_a_share_of_the_best),
        cmocka_unit_test(typical_keeps_the_expected_surprise),
        cmocka_unit_test(typical_drops_the_forbidden),
        cmocka_unit_test(top_n_sigma_forbids_the_far),
        cmocka_unit_test(xtc_excludes_all_top_choices_but_the_last),
        cmocka_unit_test(xtc_draws_once),
        cmocka_unit_test(temperature_divides),
        cmocka_unit_test(dynamic_temperature_follows_entropy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
