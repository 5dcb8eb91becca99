/* SPDX-License-Identifier: MIT
 *
 * test_engine_draft.c - a draft model changes no token and no bit of what is told of it: whether it
 * guesses well or badly, for one request or several, from the cache, after a cancel, a shift or the
 * loss of pages; and it is asked less where it does not help.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "support/engine_run.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

#include "engine/engine_state.h"

enum { N_CTX = 512, N_VOCAB = 320 };

static test_folder folder;
static hearth_model *model, *twin, *stranger, *wider, *encoder;
static hearth_error err;
static hearth_sampler_options greedy, drawn;

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

static hearth_model *make_model(const char *name, const char *family, uint32_t n_layer,
                                uint32_t n_vocab, uint64_t seed)
{
    char path[PATH_MAX];
    tiny_model_options o;
    hearth_model *made;
    test_folder_path(&folder, name, path);
    tiny_model_options_init(&o, family);
    o.n_layer = n_layer;
    o.n_vocab = n_vocab;
    o.seed = seed;
    tiny_model_write(path, &o);
    ok(hearth_model_open(&made, path, NULL, &err));
    return made;
}

static hearth_engine_options options_with(const hearth_model *small)
{
    hearth_engine_options o;
    hearth_engine_options_init(&o);
    o.n_ctx = N_CTX;
    o.n_threads = 2;
    o.no_drafts = true;
    o.draft_model = small;
    o.draft_p_min = 0;
    return o;
}

static hearth_engine *open_engine(const hearth_engine_options *o)
{
    hearth_engine *engine;
    ok(hearth_engine_open(&engine, model, o, &err));
    return engine;
}

static hearth_request_options request(size_t n, uint32_t seed, int32_t max_tokens,
                                      const hearth_sampler_options *sampler)
{
    static int32_t texts[16][N_CTX];
    static int next;
    hearth_request_options o;
    int32_t *tokens = texts[next++ % 16];
    engine_run_text(tokens, N_CTX, N_VOCAB, seed);
    hearth_request_options_init(&o);
    o.tokens = tokens;
    o.n_tokens = n;
    o.max_tokens = max_tokens;
    o.sampler = sampler;
    o.n_probs = 3;
    o.ignore_eos = true;
    return o;
}

static hearth_engine_stats settled_stats(hearth_engine *engine)
{
    hearth_engine_stats s = {.struct_size = sizeof s};
    do {
        ok(hearth_engine_get_stats(engine, &s, &err));
    } while (s.n_running > 0 || s.n_waiting > 0);
    return s;
}

/* What an engine without guesses tells. */
static engine_run plain(const hearth_request_options *r)
{
    engine_run run;
    hearth_engine_options o = options_with(NULL);
    hearth_engine *engine = open_engine(&o);
    engine_run_whole(&run, engine, r);
    hearth_engine_close(engine);
    assert_int_equal(run.status, HEARTH_OK);
    assert_int_equal(run.done.n_drafted, 0);
    return run;
}

static void same(const engine_run *a, const engine_run *b)
{
    assert_int_equal(a->status, HEARTH_OK);
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_memory_equal(a->tokens, b->tokens, a->n_tokens * sizeof *a->tokens);
    assert_true(a->hash == b->hash);
}

/* A model that guesses for itself is always right, and saves nothing: it is as slow. */
static void test_its_own_draft(void **state)
{
    (void)state;
    hearth_request_options r = request(100, 1, 200, &greedy);
    engine_run expected = plain(&r), run;
    hearth_engine_options o = options_with(twin);
    hearth_engine *engine = open_engine(&o);
    engine_run_whole(&run, engine, &r);
    same(&run, &expected);
    assert_true(run.done.n_drafted >= 15);
    assert_int_equal(run.done.n_draft_accepted, run.done.n_drafted);
    assert_true(run.done.n_drafted < 150);
    hearth_engine_stats s = settled_stats(engine);
    assert_int_equal(s.n_drafted_tokens, run.done.n_drafted);
    assert_true(s.n_passes + run.done.n_draft_accepted <= 210);
    hearth_engine_close(engine);
}

/* Where it is cheap it goes on: the same weights, said to be a tenth of the work. */
static void test_cheap_and_right(void **state)
{
    (void)state;
    hearth_request_options r = request(100, 1, 200, &greedy);
    engine_run expected = plain(&r), run;
    hearth_model cheap = *twin;
    cheap.info.n_active_params /= 10;
    hearth_engine_options o = options_with(&cheap);
    hearth_engine *engine = open_engine(&o);
    engine_run_whole(&run, engine, &r);
    same(&run, &expected);
    assert_int_equal(run.done.n_draft_accepted, run.done.n_drafted);
    assert_true(run.done.n_drafted > 160);
    assert_true(settled_stats(engine).n_passes < 40);
    hearth_engine_close(engine);
}

static void test_bad_guesses_rest(void **state)
{
    (void)state;
    const hearth_sampler_options *samplings[] = {&greedy, &drawn};
    hearth_engine_options o = options_with(stranger);
    for (size_t i = 0; i < 2; i++) {
        hearth_request_options r = request(70, 2, 400, samplings[i]);
        engine_run expected = plain(&r), run;
        hearth_engine *engine = open_engine(&o);
        engine_run_whole(&run, engine, &r);
        same(&run, &expected);
        assert_true(run.done.n_drafted > 0);
        assert_true(run.done.n_drafted < 80);
        hearth_engine_close(engine);
    }
}

static void test_unlikely_guesses_are_not_made(void **state)
{
    (void)state;
    hearth_request_options r = request(70, 2, 50, &drawn);
    engine_run expected = plain(&r), run;
    hearth_engine_options o = options_with(stranger);
    o.draft_p_min = 1;
    hearth_engine *engine = open_engine(&o);
    engine_run_whole(&run, engine, &r);
    same(&run, &expected);
    assert_int_equal(run.done.n_drafted, 0);
    hearth_engine_close(engine);
}

static void test_number_of_guesses(void **state)
{
    (void)state;
    hearth_model cheap = *twin;
    cheap.info.n_active_params /= 10;
    hearth_request_options r = request(70, 2, 60, &greedy);
    engine_run expected = plain(&r), run;
    hearth_engine_options o = options_with(&cheap);
    o.draft_max = 2;
    hearth_engine *engine = open_engine(&o);
    engine_run_whole(&run, engine, &r);
    same(&run, &expected);
    assert_true(run.done.n_drafted > 30);
    assert_true(settled_stats(engine).n_passes >= 20); /* three tokens each at most */
    hearth_engine_close(engine);
    o.draft_max = 0;
    engine = open_engine(&o);
    engine_run_whole(&run, engine, &r);
    same(&run, &expected);
    assert_int_equal(run.done.n_drafted, 0);
    hearth_engine_close(engine);
    o.draft_max = 7;
    o.draft_min = 7; /* the first guesses are of three otherwise */
    engine = open_engine(&o);
    engine_run_whole(&run, engine, &r);
    same(&run, &expected);
    assert_int_equal(run.done.n_drafted % 7, 0);
    assert_true(run.done.n_drafted > 30);
    hearth_engine_close(engine);
}

/* Both kinds of guesses: what circles is found in the text. */
static void test_beside_the_text(void **state)
{
    (void)state;
    hearth_sampler_options circling = greedy;
    hearth_logit_bias always = {.token = 50, .bias = 1000};
    circling.logit_bias = &always;
    circling.n_logit_bias = 1;
    hearth_request_options r = request(70, 2, 100, &circling);
    engine_run expected = plain(&r), run;
    hearth_engine_options o = options_with(stranger);
    o.no_drafts = false;
    hearth_engine *engine = open_engine(&o);
    engine_run_whole(&run, engine, &r);
    same(&run, &expected);
    assert_true(run.done.n_draft_accepted > 60);
    hearth_engine_close(engine);
}

/* Requests that begin alike, with different ends, samplings and lengths, at once and again; one of
 * them is canceled; then with so few pages that they take turns. */
static void together(const hearth_model *small, uint64_t n_pages)
{
    enum { N = 4 };
    hearth_request_options r[N];
    engine_run expected[N], run;
    hearth_engine_plan_result plan;
    for (uint32_t i = 0; i < N; i++) {
        r[i] = request(130 + 40 * i, 3, 60 + (int32_t)i, i % 2 ? &drawn : &greedy);
        expected[i] = plain(&r[i]);
    }
    hearth_engine_options o = options_with(small);
    o.n_parallel = N + 1;
    o.n_fair = 16;
    ok(hearth_engine_plan(model, &o, &plan, &err));
    o.cache_bytes = n_pages * plan.page_bytes;
    hearth_engine *engine = open_engine(&o);
    for (int round = 0; round < 3; round++) {
        hearth_request *requests[N], *canceled;
        hearth_request_event event;
        hearth_request_options other = request(150, 3, 300, &greedy);
        ok(hearth_engine_submit(engine, &other, &canceled, &err));
        for (uint32_t i = 0; i < N; i++)
            ok(hearth_engine_submit(engine, &r[i], &requests[i], &err));
        for (int i = 0; i < 5; i++)
            ok(hearth_request_next(canceled, -1, &event, &err));
        hearth_request_free(canceled);
        for (uint32_t i = 0; i < N; i++) {
            engine_run_read(&run, requests[i]);
            same(&run, &expected[i]);
        }
    }
    assert_true(settled_stats(engine).n_drafted_tokens > 0);
    hearth_engine_close(engine);
}

static void test_together(void **state)
{
    (void)state;
    hearth_model cheap = *twin;
    cheap.info.n_active_params /= 10;
    together(&cheap, 32);
    together(&cheap, 9);
    together(stranger, 32);
    together(stranger, 9);
}

/* The second time everything comes from the cache, of both models. */
static void test_from_the_cache(void **state)
{
    (void)state;
    hearth_model cheap = *twin;
    cheap.info.n_active_params /= 10;
    hearth_request_options r = request(300, 4, 40, &greedy);
    engine_run expected = plain(&r), first, again;
    hearth_engine_options o = options_with(&cheap);
    hearth_engine *engine = open_engine(&o);
    engine_run_whole(&first, engine, &r);
    engine_run_whole(&again, engine, &r);
    same(&first, &expected);
    same(&again, &expected);
    assert_int_equal(again.done.n_cached, 299);
    assert_true(again.done.n_drafted > 20);
    assert_int_equal(again.done.n_draft_accepted, again.done.n_drafted);
    r.no_cache_prompt = true;
    engine_run_whole(&again, engine, &r);
    same(&again, &expected);
    assert_int_equal(again.done.n_cached, 0);
    assert_int_equal(again.done.n_draft_accepted, again.done.n_drafted);
    hearth_engine_close(engine);
}

static void test_after_a_shift(void **state)
{
    (void)state;
    hearth_model cheap = *twin;
    cheap.info.n_active_params /= 10;
    hearth_request_options r = request(100, 5, 200, &greedy);
    r.context_shift = true;
    r.n_keep = 4;
    hearth_engine_options o = options_with(NULL);
    engine_run expected, run;
    o.n_ctx = 128;
    hearth_engine *engine = open_engine(&o);
    engine_run_whole(&expected, engine, &r);
    hearth_engine_close(engine);
    o.draft_model = &cheap;
    engine = open_engine(&o);
    engine_run_whole(&run, engine, &r);
    same(&run, &expected);
    assert_true(run.done.n_shifted > 0);
    assert_true(run.done.n_drafted > 50);
    hearth_engine_close(engine);
}

/* Beyond its own context it guesses no more. */
static void test_short_context(void **state)
{
    (void)state;
    hearth_model cheap = *twin;
    cheap.info.n_active_params /= 10;
    hearth_request_options r = request(100, 6, 100, &greedy);
    engine_run expected = plain(&r), run;
    hearth_engine_options o = options_with(&cheap);
    o.draft_n_ctx = 128;
    hearth_engine *engine = open_engine(&o);
    engine_run_whole(&run, engine, &r);
    same(&run, &expected);
    assert_true(run.done.n_drafted > 0);
    assert_true(run.done.n_drafted <= 28);
    hearth_engine_close(engine);
}

static void refused(hearth_engine_options o, hearth_status expected, const char *word)
{
    hearth_engine *engine;
    hearth_engine_plan_result plan;
    assert_int_equal(hearth_engine_plan(model, &o, &plan, &err), expected);
    assert_int_equal(hearth_engine_open(&engine, model, &o, &err), expected);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' does not tell '%s'", err.message, word);
}

static void test_refusals(void **state)
{
    (void)state;
    hearth_engine_options o = options_with(wider);
    refused(o, HEARTH_EMISMATCH, "vocabulary");
    o.draft_model = encoder;
    refused(o, HEARTH_EUNSUPPORTED, "encoder");
    o.draft_model = twin;
    o.draft_min = 8;
    refused(o, HEARTH_EINVAL, "draft_min is 8");
    o.draft_min = 0;
    o.draft_p_min = 1.5f;
    refused(o, HEARTH_EINVAL, "draft_p_min");
}

static void test_plan(void **state)
{
    (void)state;
    hearth_engine_plan_result with, without;
    hearth_engine_options o = options_with(NULL);
    o.n_parallel = 4;
    o.cache_bytes = 1 << 20;
    ok(hearth_engine_plan(model, &o, &without, &err));
    assert_int_equal(without.draft_bytes, 0);
    o.draft_model = stranger;
    ok(hearth_engine_plan(model, &o, &with, &err));
    assert_true(with.draft_bytes > hearth_model_get_info(stranger)->file_bytes / 2);
    assert_int_equal(with.memory.total_bytes, without.memory.total_bytes + with.draft_bytes);
}

static int set_up(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    model = make_model("model.gguf", "llama", 2, N_VOCAB, 1);
    twin = make_model("twin.gguf", "llama", 2, N_VOCAB, 1);
    stranger = make_model("stranger.gguf", "qwen3", 1, N_VOCAB, 2);
    wider = make_model("wider.gguf", "llama", 1, N_VOCAB + 32, 3);
    encoder = make_model("encoder.gguf", "bert", 1, N_VOCAB, 4);
    hearth_sampler_options_init(&greedy);
    drawn = greedy;
    greedy.temperature = 0;
    drawn.seed = 7;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hearth_model_close(model);
    hearth_model_close(twin);
    hearth_model_close(stranger);
    hearth_model_close(wider);
    hearth_model_close(encoder);
    test_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_its_own_draft),
        cmocka_unit_test(test_cheap_and_right),
        cmocka_unit_test(test_bad_guesses_rest),
        cmocka_unit_test(test_unlikely_guesses_are_not_made),
        cmocka_unit_test(test_number_of_guesses),
        cmocka_unit_test(test_beside_the_text),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_from_the_cache),
        cmocka_unit_test(test_after_a_shift),
        cmocka_unit_test(test_short_context),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_plan),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
