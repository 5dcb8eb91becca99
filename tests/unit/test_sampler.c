/* SPDX-License-Identifier: MIT
 *
 * test_sampler.c - the sampler as a whole: options, the chain, seeds, and logits of every kind.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/sampler.h"

static hearth_sampler_options defaults(void)
{
    hearth_sampler_options o;
    hearth_sampler_options_init(&o);
    o.seed = 1;
    return o;
}

static hearth_sampler *open_over(size_t n_vocab, const hearth_sampler_options *o)
{
    hearth_sampler *s = NULL;
    hearth_error err = {0};
    const sampler_vocab vocab = {.n = n_vocab};
    hearth_status status = sampler_open(&s, &vocab, 128, o, &err);
    if (status != HEARTH_OK)
        fail_msg("%s", err.message);
    return s;
}

static int32_t sample(hearth_sampler *s, const float *logits)
{
    int32_t token = -1;
    hearth_error err = {0};
    if (hearth_sampler_sample(s, logits, &token, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    return token;
}

/* ---- options ---- */

static void defaults_are_llama_cpps(void **unused)
{
    (void)unused;
    hearth_sampler_options o;
    hearth_sampler_options_init(&o);
    assert_int_equal(o.struct_size, sizeof o);
    assert_true(o.seed == 4294967295u);
    assert_int_equal(o.top_k, 40);
    assert_true(o.top_p == 0.95f && o.min_p == 0.05f && o.typical_p == 1 && o.temperature == 0.8f);
    assert_true(o.top_n_sigma == -1 && o.xtc_probability == 0 && o.dynatemp_range == 0);
    assert_int_equal(o.repeat_last_n, 64);
    assert_true(o.repeat_penalty == 1 && o.dry_multiplier == 0 && o.mirostat == 0);
    assert_null(o.samplers);
}

static void expect_refused(const hearth_sampler_options *o, const char *where, const char *message)
{
    hearth_sampler *s = NULL;
    hearth_error err = {0};
    const sampler_vocab vocab = {.n = 8};
    assert_int_equal(sampler_open(&s, &vocab, 128, o, &err), HEARTH_EINVAL);
    assert_null(s);
    assert_string_equal(err.where, where);
    if (strcmp(err.message, message) != 0)
        fail_msg("got \"%s\"", err.message);
}

static void values_out_of_range_are_named(void **unused)
{
    (void)unused;
    hearth_sampler_options o = defaults();
    o.top_p = 1.5f;
    expect_refused(&o, "top_p", "top_p is 1.5; it must be between 0 and 1");
    o = defaults();
    o.min_p = NAN;
    expect_refused(&o, "min_p", "min_p is nan; it must be between 0 and 1");
    o = defaults();
    o.temperature = INFINITY;
    expect_refused(&o, "temperature", "temperature is inf; it must be between 0 and 1000000");
    o = defaults();
    o.repeat_last_n = -2;
    expect_refused(&o, "repeat_last_n",
                   "repeat_last_n is -2; it must be between -1 and 2147483647");
    o = defaults();
    o.mirostat = 3;
    expect_refused(&o, "mirostat", "mirostat is 3; it must be between 0 and 2");
    o = defaults();
    o.struct_size = 0;
    expect_refused(&o, "hearth_sampler_options",
                   "hearth_sampler_options.struct_size is 0; fill the struct in with its _init "
                   "function first");
}

static void logit_bias_is_checked(void **unused)
{
    (void)unused;
    hearth_logit_bias bias[2] = {{7, -INFINITY}, {8, 1}};
    hearth_sampler_options o = defaults();
    o.logit_bias = bias;
    o.n_logit_bias = 2;
    expect_refused(&o, "logit_bias", "logit_bias[1] is for token 8; the vocabulary ends at 7");
    bias[1] = (hearth_logit_bias){-1, 1};
    expect_refused(&o, "logit_bias", "logit_bias[1] is for token -1; the vocabulary ends at 7");
    bias[1] = (hearth_logit_bias){1, NAN};
    expect_refused(&o, "logit_bias",
                   "logit_bias[1] is nan; it must be finite, or -infinity to forbid the token");
    o.logit_bias = NULL;
    expect_refused(&o, "logit_bias", "logit_bias is NULL with n_logit_bias 2");
}

static void order_is_checked(void **unused)
{
    (void)unused;
    hearth_sampler_options o = defaults();
    static const char known[] = "the stages are penalties, dry, top_n_sigma, top_k, typ_p, top_p, "
                                "min_p, xtc and temperature, with ';' between them";
    char message[400];
    static const char *const unknown[][2] = {
        {"top_k;infill", "infill"}, {"top_k;", ""}, {";top_k", ""}, {"TOP_K", "TOP_K"}};
    for (int i = 0; i < 4; i++) {
        o.samplers = unknown[i][0];
        snprintf(message, sizeof message, "samplers names \"%s\"; %s", unknown[i][1], known);
        expect_refused(&o, "samplers", message);
    }
    o.samplers = "top_k;temp;top-k";
    expect_refused(&o, "samplers", "samplers names top_k twice; name each stage once");
}

/* An older caller's struct ends earlier; what it does not have keeps its default. */
static void shorter_options_are_taken(void **unused)
{
    (void)unused;
    hearth_sampler_options o;
    memset(&o, 0xff, sizeof o);
    o.struct_size = offsetof(hearth_sampler_options, top_k);
    o.seed = 77;
    o.min_keep = 0;
    hearth_sampler *s = open_over(100, &o);
    float logits[100];
    for (int i = 0; i < 100; i++)
        logits[i] = i < 30 ? 0 : -5;
    assert_int_equal(hearth_sampler_seed(s), 77);
    sample(s, logits);
    size_t n;
    hearth_sampler_candidates(s, &n);
    assert_int_equal(n, 29); /* 0.95 of 30 and very little */
    hearth_sampler_free(s);
    s = open_over(100, NULL);
    hearth_sampler_free(s);
    hearth_sampler_free(NULL);
}

/* ---- the chain ---- */

enum { N = 12, DRAWS = 20000 };

/* Counts against probabilities: chi-square at 99.9 % for n - 1 degrees of freedom. */
static void expect_draws(const hearth_sampler_options *o, const float *logits, const double *p,
                         int n, double limit)
{
    hearth_sampler *s = open_over(N, o);
    int counts[N] = {0};
    double chi = 0;
    for (int i = 0; i < DRAWS; i++)
        counts[sample(s, logits)]++;
    for (int i = 0; i < N; i++) {
        if (p[i] == 0)
            assert_int_equal(counts[i], 0);
        else
            chi += (counts[i] - DRAWS * p[i]) * (counts[i] - DRAWS * p[i]) / (DRAWS * p[i]);
    }
    if (chi > limit)
        fail_msg("chi-square is %g over %d tokens", chi, n);
    size_t n_candidates;
    const hearth_candidate *c = hearth_sampler_candidates(s, &n_candidates);
    assert_int_equal(n_candidates, n);
    for (size_t i = 0; i < n_candidates; i++) {
        assert_true(fabs(c[i].probability - p[c[i].token]) < 1e-6);
        assert_true(i == 0 || c[i - 1].logit >= c[i].logit);
    }
    hearth_sampler_free(s);
}

static const float steps[N] = {-1, 2, 0, 1, -2, 3, 2.5f, -3, 1.5f, -9, 0.5f, -0.5f};

/* top_k 5 leaves 3, 2.5, 2, 1.5, 1; top_p 0.9 cuts the last (0.3736, 0.2266, 0.1374, 0.0834 of the
 * whole: 0.8210 of which the five are 0.8716); min_p 0.3 the fourth; then temperature 0.5. */
static void default_order_gives_the_exact_distribution(void **unused)
{
    (void)unused;
    hearth_sampler_options o = defaults();
    o.top_k = 5;
    o.top_p = 0.9f;
    o.min_p = 0.3f;
    o.temperature = 0.5f;
    double p[N] = {0}, sum = exp(6) + exp(5) + exp(4);
    p[5] = exp(6) / sum;
    p[6] = exp(5) / sum;
    p[1] = exp(4) / sum;
    expect_draws(&o, steps, p, 3, 13.82);
}

/* Temperature first flattens: at 4, three tokens more reach half of the best. */
static void other_orders_are_followed(void **unused)
{
    (void)unused;
    hearth_sampler_options o = defaults();
    o.samplers = "temperature;min_p";
    o.temperature = 4;
    o.min_p = 0.5f;
    double p[N] = {0}, sum = 0;
    int n = 0;
    for (int i = 0; i < N; i++)
        if (exp((steps[i] - 3.0) / 4) >= 0.5) {
            sum += p[i] = exp(steps[i] / 4.0);
            n++;
        }
    for (int i = 0; i < N; i++)
        p[i] /= sum;
    assert_int_equal(n, 6);
    expect_draws(&o, steps, p, n, 20.52);
    /* No stage at all: the softmax of the logits. */
    o.samplers = "";
    sum = 0;
    for (int i = 0; i < N; i++)
        sum += p[i] = exp(steps[i]);
    for (int i = 0; i < N; i++)
        p[i] /= sum;
    expect_draws(&o, steps, p, N, 31.26);
}

static void logit_bias_shifts_and_forbids(void **unused)
{
    (void)unused;
    const hearth_logit_bias bias[] = {{5, -INFINITY}, {6, -1.5f}, {7, 2}, {7, 2}};
    hearth_sampler_options o = defaults();
    o.samplers = "";
    o.logit_bias = bias;
    o.n_logit_bias = 4;
    double p[N], sum = 0;
    for (int i = 0; i < N; i++)
        sum += p[i] = exp(steps[i] + (i == 6 ? -1.5 : i == 7 ? 4 : 0)) * (i != 5);
    for (int i = 0; i < N; i++)
        p[i] /= sum;
    expect_draws(&o, steps, p, N, 29.59);
}

static void greedy_ignores_the_seed(void **unused)
{
    (void)unused;
    hearth_sampler_options o = defaults();
    o.temperature = 0;
    for (o.seed = 0; o.seed < 20; o.seed++)
        for (o.top_k = 0; o.top_k < 80; o.top_k += 40) {
            hearth_sampler *s = open_over(N, &o);
            for (int i = 0; i < 20; i++)
                assert_int_equal(sample(s, steps), 5);
            size_t n;
            assert_true(hearth_sampler_candidates(s, &n)[0].probability == 1);
            hearth_sampler_free(s);
        }
}

static void penalties_see_what_was_accepted(void **unused)
{
    (void)unused;
    hearth_sampler_options o = defaults();
    o.temperature = 0;
    o.repeat_last_n = 2;
    o.presence_penalty = 1;
    hearth_sampler *s = open_over(N, &o);
    static const int32_t expected[] = {5, 6, 1, 5, 6, 1};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sample(s, steps), expected[i]);
        assert_int_equal(sample(s, steps), expected[i]); /* sampling alone counts nothing */
        assert_int_equal(hearth_sampler_accept(s, expected[i], NULL), HEARTH_OK);
    }
    hearth_sampler_reset(s);
    assert_int_equal(sample(s, steps), 5);
    hearth_error err;
    assert_int_equal(hearth_sampler_accept(s, N, &err), HEARTH_EINVAL);
    assert_int_equal(hearth_sampler_accept(s, -1, &err), HEARTH_EINVAL);
    assert_string_equal(err.message, "token -1 is outside the vocabulary of 12");
    hearth_sampler_free(s);
}

/* ---- seeds ---- */

static void seeds_repeat_and_differ(void **unused)
{
    (void)unused;
    hearth_sampler_options o = defaults();
    int32_t first[200];
    o.xtc_probability = 0.5f;
    hearth_sampler *s = open_over(N, &o);
    for (int i = 0; i < 200; i++)
        first[i] = sample(s, steps);
    hearth_sampler_reset(s);
    for (int i = 0; i < 200; i++)
        assert_int_equal(sample(s, steps), first[i]);
    hearth_sampler_free(s);
    int different = 0;
    o.seed = 2;
    s = open_over(N, &o);
    for (int i = 0; i < 200; i++)
        different += sample(s, steps) != first[i];
    assert_true(different > 50);
    hearth_sampler_free(s);
    /* 4294967295 draws one, and reset goes back to that. */
    o.seed = 4294967295u;
    s = open_over(N, &o);
    uint32_t seed = hearth_sampler_seed(s);
    for (int i = 0; i < 200; i++)
        first[i] = sample(s, steps);
    hearth_sampler_reset(s);
    assert_int_equal(hearth_sampler_seed(s), seed);
    for (int i = 0; i < 200; i++)
        assert_int_equal(sample(s, steps), first[i]);
    hearth_sampler_free(s);
}

/* XTC takes the first output of its own generator; the draw does not notice. */
static void xtc_and_draw_do_not_share_numbers(void **unused)
{
    (void)unused;
    hearth_sampler_options o = defaults();
    o.xtc_threshold = 0.49f; /* nothing is ever excluded */
    float logits[N] = {0};
    o.xtc_probability = 1;
    hearth_sampler *with = open_over(N, &o);
    o.xtc_probability = 0;
    hearth_sampler *without = open_over(N, &o);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sample(with, logits), sample(without, logits));
    hearth_sampler_free(with);
    hearth_sampler_free(without);
}

static void mirostat_replaces_the_filters(void **unused)
{
    (void)unused;
    hearth_sampler_options o = defaults();
    o.top_k = 1;
    o.presence_penalty = 100;
    for (o.mirostat = 1; o.mirostat <= 2; o.mirostat++) {
        hearth_sampler *s = open_over(N, &o);
        int seen[N] = {0}, n_seen = 0;
        for (int i = 0; i < 500; i++) {
            int32_t token = sample(s, steps);
            n_seen += seen[token]++ == 0;
            assert_int_equal(hearth_sampler_accept(s, token, NULL), HEARTH_OK);
        }
        assert_true(n_seen > 1);
        hearth_sampler_free(s);
    }
}

/* ---- logits of every kind ---- */

static void damaged_logits_are_refused(void **unused)
{
    (void)unused;
    hearth_sampler *s = open_over(N, NULL);
    float logits[N];
    hearth_error err;
    int32_t token = 99;
    memcpy(logits, steps, sizeof logits);
    logits[3] = NAN;
    assert_int_equal(hearth_sampler_sample(s, logits, &token, &err), HEARTH_EFORMAT);
    assert_string_equal(err.message, "logit 3 is nan; the model's weights are damaged or overflow");
    logits[3] = INFINITY;
    assert_int_equal(hearth_sampler_sample(s, logits, &token, &err), HEARTH_EFORMAT);
    for (int i = 0; i < N; i++)
        logits[i] = -INFINITY;
    assert_int_equal(hearth_sampler_sample(s, logits, &token, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "all 12 tokens are forbidden"));
    assert_int_equal(hearth_sampler_sample(s, NULL, &token, &err), HEARTH_EINVAL);
    assert_int_equal(token, 99);
    logits[8] = -3e38f;
    assert_int_equal(sample(s, logits), 8);
    hearth_sampler_free(s);
    s = open_over(1, NULL);
    assert_int_equal(sample(s, steps), 0);
    hearth_sampler_free(s);
}

static uint64_t state = 99;

static uint32_t next(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33);
}

static float pick(const float *values, uint32_t n)
{
    return values[next() % n];
}

#define PICK(...)                                                                                  \
    pick((const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

/* Every option at its edges, on logits that are extreme too: always a token that is allowed. */
static void any_options_give_an_allowed_token(void **unused)
{
    (void)unused;
    for (int round = 0; round < 3000; round++) {
        hearth_sampler_options o = defaults();
        o.seed = next();
        o.top_k = (int32_t)PICK(0, 1, 2, 40);
        o.top_p = PICK(0, 0.5f, 1);
        o.min_p = PICK(0, 1e-30f, 0.5f, 1);
        o.typical_p = PICK(0, 0.5f, 1, 1);
        o.top_n_sigma = PICK(-1, 0, 1e-6f, 1, 1e6f);
        o.xtc_probability = PICK(0, 0.5f, 1);
        o.xtc_threshold = PICK(0, 0.1f, 0.5f, 1);
        o.temperature = PICK(0, 1e-40f, 1e-6f, 1, 1e6f);
        o.dynatemp_range = PICK(0, 0, 1, 1e6f);
        o.dynatemp_exponent = PICK(0, 1, 1e6f);
        o.min_keep = (int32_t)PICK(0, 1, 5, 1000000);
        o.repeat_last_n = (int32_t)PICK(-1, 0, 1, 1e9f);
        o.repeat_penalty = PICK(0, 1e-30f, 1, 1e6f);
        o.frequency_penalty = PICK(-1e6f, 0, 1e6f);
        o.presence_penalty = PICK(-1e6f, 0, 1e6f);
        o.mirostat = (int32_t)PICK(0, 0, 0, 1, 2);
        o.mirostat_tau = PICK(0, 5, 1e6f);
        o.mirostat_eta = PICK(0, 0.1f, 1e6f);
        hearth_sampler *s = open_over(N, &o);
        for (int i = 0; i < 10; i++) {
            float logits[N];
            for (int k = 0; k < N; k++)
                logits[k] = PICK(-INFINITY, -3e38f, -5, 0, 0, 1, 1e-38f, 3e38f);
            logits[next() % N] = 1;
            int32_t token = sample(s, logits);
            assert_in_range(token, 0, N - 1);
            if (logits[token] == -INFINITY)
                fail_msg("round %d chose a forbidden token", round);
            assert_int_equal(hearth_sampler_accept(s, token, NULL), HEARTH_OK);
        }
        hearth_sampler_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_llama_cpps),
        cmocka_unit_test(values_out_of_range_are_named),
        cmocka_unit_test(logit_bias_is_checked),
        cmocka_unit_test(order_is_checked),
        cmocka_unit_test(shorter_options_are_taken),
        cmocka_unit_test(default_order_gives_the_exact_distribution),
        cmocka_unit_test(other_orders_are_followed),
        cmocka_unit_test(logit_bias_shifts_and_forbids),
        cmocka_unit_test(greedy_ignores_the_seed),
        cmocka_unit_test(penalties_see_what_was_accepted),
        cmocka_unit_test(seeds_repeat_and_differ),
        cmocka_unit_test(xtc_and_draw_do_not_share_numbers),
        cmocka_unit_test(mirostat_replaces_the_filters),
        cmocka_unit_test(damaged_logits_are_refused),
        cmocka_unit_test(any_options_give_an_allowed_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
