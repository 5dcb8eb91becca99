/* SPDX-License-Identifier: MIT
 *
 * test_sampler_draw.c - the generator against its published outputs, draws against exact
 * probabilities, mirostat against its formulas in binary64.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/sampler_draw.h"

static hearth_candidate items[64], scratch[64];

static candidates from(const float *logits, size_t n)
{
    for (size_t i = 0; i < n; i++)
        items[i] = (hearth_candidate){.token = (int32_t)i, .logit = logits[i]};
    return (candidates){.items = items, .scratch = scratch, .n = n};
}

/* 5489 and its 10000th output are in the C++ standard ([rand.predef]); the rest is published with
 * the reference implementation and with NumPy's legacy generator. */
static void generator_is_the_published_one(void **unused)
{
    (void)unused;
    static const uint32_t of_5489[] = {3499211612u, 581869302u, 3890346734u, 3586334585u,
                                       545404204u};
    static const uint32_t of_42[] = {1608637542u, 3421126067u, 4083286876u, 787846414u};
    mt19937 g;
    mt19937_seed(&g, 5489);
    for (int i = 0; i < 5; i++)
        assert_true(mt19937_next(&g) == of_5489[i]);
    for (int i = 5; i < 9999; i++)
        (void)mt19937_next(&g);
    assert_true(mt19937_next(&g) == 4123659995u);
    mt19937_seed(&g, 42);
    for (int i = 0; i < 4; i++)
        assert_true(mt19937_next(&g) == of_42[i]);
}

static void reals_use_the_outputs_as_stated(void **unused)
{
    (void)unused;
    mt19937 g;
    mt19937_seed(&g, 42);
    assert_true(mt19937_double(&g) == (1608637542.0 + 3421126067.0 * 4294967296.0) * 0x1p-64);
    assert_true(mt19937_float(&g) == (float)4083286876u * 0x1p-32f);
    /* The largest outputs round to 1, which is not in [0, 1). */
    g.next = 0;
    for (int i = 0; i < 3; i++)
        g.words[i] = 0x12dd9bb3; /* which is tempered to 2^32 - 1 */
    mt19937 copy = g;
    assert_true(mt19937_next(&copy) == UINT32_MAX);
    assert_true(mt19937_double(&g) == nextafter(1, 0));
    assert_true(mt19937_float(&g) == nextafterf(1, 0));
}

/* 4 equal candidates: 0.7965 and 0.1834 of the range, by the numbers above. */
static void draw_is_golden(void **unused)
{
    (void)unused;
    const float logits[] = {2, 2, 2, 2};
    mt19937 g;
    mt19937_seed(&g, 42);
    candidates c = from(logits, 4);
    assert_int_equal(draw(&c, &g), 3);
    c = from(logits, 4);
    assert_int_equal(draw(&c, &g), 0);
}

static void one_candidate_takes_no_draw(void **unused)
{
    (void)unused;
    const float logits[] = {-7};
    mt19937 g, before;
    mt19937_seed(&g, 1);
    before = g;
    candidates c = from(logits, 1);
    assert_int_equal(draw(&c, &g), 0);
    assert_true(c.items[0].probability == 1);
    mirostat m = {.tau = 5, .eta = 0.1f};
    mirostat_reset(&m);
    assert_int_equal(draw_mirostat_v2(&c, &m, &g), 0);
    assert_int_equal(draw_mirostat(&c, &m, 1, &g), 0);
    assert_memory_equal(&g, &before, sizeof g);
}

enum { DRAWS = 20000 };

/* Chi-square over the cells that have a probability; the others must stay empty. */
static void expect_counts(const int *counts, const double *p, int n)
{
    /* 99.9 % quantiles for 1 to 10 degrees of freedom */
    static const double limits[] = {0,     10.83, 13.82, 16.27, 18.47, 20.52,
                                    22.46, 24.32, 26.12, 27.88, 29.59};
    double chi = 0;
    int cells = 0;
    for (int i = 0; i < n; i++) {
        if (p[i] == 0) {
            assert_int_equal(counts[i], 0);
            continue;
        }
        chi += (counts[i] - DRAWS * p[i]) * (counts[i] - DRAWS * p[i]) / (DRAWS * p[i]);
        cells++;
    }
    assert_in_range(cells, 2, 11);
    if (chi > limits[cells - 1])
        fail_msg("chi-square is %g with %d cells", chi, cells);
}

static void draws_follow_the_probabilities(void **unused)
{
    (void)unused;
    const float logits[] = {1, -2, 0.5f, -INFINITY, 2, 0, -1, 1.5f, -0.5f};
    double p[9], sum = 0;
    for (int i = 0; i < 9; i++)
        sum += p[i] = exp((double)logits[i]);
    for (int i = 0; i < 9; i++)
        p[i] /= sum;
    for (uint32_t seed = 1; seed <= 4; seed++) {
        int counts[9] = {0};
        mt19937 g;
        mt19937_seed(&g, seed);
        for (int i = 0; i < DRAWS; i++) {
            candidates c = from(logits, 9);
            if (seed & 1)
                candidates_sort(&c);
            counts[c.items[draw(&c, &g)].token]++;
            for (int k = 0; i == 0 && k < 9; k++)
                assert_true(fabs(c.items[k].probability - p[c.items[k].token]) < 1e-6);
        }
        expect_counts(counts, p, 9);
    }
}

static void greedy_takes_the_likeliest(void **unused)
{
    (void)unused;
    const float logits[] = {1, 3, -INFINITY, 3, 2};
    candidates c = from(logits, 5);
    assert_int_equal(draw_greedy(&c), 1);
}

/* Surprise below mu = 2 bits means a probability above 1/4. */
static void mirostat_v2_cuts_at_mu(void **unused)
{
    (void)unused;
    const float logits[] = {logf(0.05f), logf(0.4f), logf(0.3f), logf(0.2f), logf(0.05f)};
    int counts[5] = {0};
    const double p[] = {0, 4.0 / 7, 3.0 / 7, 0, 0};
    mt19937 g;
    mt19937_seed(&g, 3);
    for (int i = 0; i < DRAWS; i++) {
        mirostat m = {.tau = 1, .eta = 0.5f};
        mirostat_reset(&m);
        assert_true(m.mu == 2);
        candidates c = from(logits, 5);
        size_t chosen = draw_mirostat_v2(&c, &m, &g);
        assert_int_equal(c.n, 2);
        counts[c.items[chosen].token]++;
        double surprise = -log2(c.items[chosen].token == 1 ? p[1] : p[2]);
        assert_true(fabs(m.mu - (2 - 0.5 * (surprise - 1))) < 1e-5);
    }
    expect_counts(counts, p, 5);
}

static void mirostat_estimates_the_slope(void **unused)
{
    (void)unused;
    float logits[40];
    double p[40], sum = 0;
    for (int i = 0; i < 40; i++)
        sum += p[i] = pow(i + 1, -1.3) * (1 + 0.2 * (i % 3));
    for (int i = 0; i < 40; i++)
        logits[i] = (float)log(p[i] /= sum);
    /* Sorted as it must be for the estimate. */
    for (int i = 1; i < 40; i++)
        for (int k = i; k > 0 && p[k] > p[k - 1]; k--) {
            double swap = p[k];
            p[k] = p[k - 1];
            p[k - 1] = swap;
        }
    double products = 0, squares = 0;
    for (int i = 0; i + 1 < 40; i++) {
        double t = log((i + 2.0) / (i + 1.0));
        products += t * log(p[i] / p[i + 1]);
        squares += t * t;
    }
    double slope = products / squares, epsilon = slope - 1;
    for (float tau = 1; tau < 4; tau += 0.25f) {
        double k = pow(epsilon * pow(2, 2 * tau) / (1 - pow(40, -epsilon)), 1 / slope);
        size_t expected = k < 1 ? 1 : k > 40 ? 40 : (size_t)k;
        if (fabs(k - round(k)) < 1e-3)
            continue;
        mirostat m = {.tau = tau, .eta = 0.1f};
        mt19937 g;
        mt19937_seed(&g, 9);
        mirostat_reset(&m);
        candidates c = from(logits, 40);
        draw_mirostat(&c, &m, 40, &g);
        assert_int_equal(c.n, expected);
    }
}

/* No slope can be seen in these; something sensible must come out all the same. */
static void mirostat_survives_anything(void **unused)
{
    (void)unused;
    const float equal[] = {1, 1, 1, 1}, single[] = {-INFINITY, 4, -INFINITY};
    mt19937 g;
    mt19937_seed(&g, 9);
    static const float extremes[] = {0, 1e-6f, 1, 1e6f};
    for (int t = 0; t < 4; t++)
        for (int e = 0; e < 4; e++) {
            mirostat m = {.tau = extremes[t], .eta = extremes[e]};
            mirostat_reset(&m);
            for (int i = 0; i < 200; i++) {
                candidates c = from(equal, 4);
                assert_in_range(draw_mirostat(&c, &m, 4, &g), 0, 3);
                c = from(single, 3);
                assert_int_equal(c.items[draw_mirostat(&c, &m, 3, &g)].token, 1);
                c = from(equal, 4);
                assert_in_range(draw_mirostat_v2(&c, &m, &g), 0, 3);
                c = from(single, 3);
                assert_int_equal(c.items[draw_mirostat_v2(&c, &m, &g)].token, 1);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generator_is_the_published_one),
        cmocka_unit_test(reals_use_the_outputs_as_stated),
        cmocka_unit_test(draw_is_golden),
        cmocka_unit_test(one_candidate_takes_no_draw),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(greedy_takes_the_likeliest),
        cmocka_unit_test(mirostat_v2_cuts_at_mu),
        cmocka_unit_test(mirostat_estimates_the_slope),
        cmocka_unit_test(mirostat_survives_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
