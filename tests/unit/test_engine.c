/* SPDX-License-Identifier: MIT
 *
 * test_engine.c - many requests over one model: what each gives, how they share, how they end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support/engine_run.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

#include "engine/request.h"

enum { N_CTX = 512, N_VOCAB = 320 };

static test_folder folder;
static char llama_path[PATH_MAX], bert_path[PATH_MAX];
static hearth_model *llama, *bert;
static hearth_error err;
static hearth_sampler_options sampling;

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

static void refused(hearth_status status, hearth_status expected, const char *word)
{
    assert_int_equal(status, expected);
    assert_int_equal(err.code, expected);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' does not tell '%s'", err.message, word);
}

static hearth_engine_options engine_options(void)
{
    hearth_engine_options o;
    hearth_engine_options_init(&o);
    o.n_ctx = N_CTX;
    o.n_threads = 2;
    return o;
}

static hearth_engine *open_engine(const hearth_engine_options *o)
{
    hearth_engine *engine;
    ok(hearth_engine_open(&engine, llama, o, &err));
    return engine;
}

/* n tokens that begin like every other text of that seed. */
static hearth_request_options request(size_t n, uint32_t seed, int32_t max_tokens)
{
    static int32_t texts[16][N_CTX + 8];
    static int next;
    hearth_request_options o;
    int32_t *tokens = texts[next++ % 16];
    engine_run_text(tokens, N_CTX + 8, N_VOCAB, seed);
    hearth_request_options_init(&o);
    o.tokens = tokens;
    o.n_tokens = n;
    o.max_tokens = max_tokens;
    o.sampler = &sampling;
    o.ignore_eos = true;
    o.n_probs = 3;
    return o;
}

static hearth_engine_stats stats_of(const hearth_engine *engine)
{
    hearth_engine_stats s = {.struct_size = sizeof s};
    ok(hearth_engine_get_stats(engine, &s, &err));
    return s;
}

/* Statistics are those of the last pass; a later request's pass comes after an earlier one's end.
 */
static hearth_engine_stats settled_stats(hearth_engine *engine)
{
    for (;;) {
        hearth_engine_stats s = stats_of(engine);
        if (s.n_running == 0 && s.n_waiting == 0)
            return s;
    }
}

/* Submits a request and holds the engine's thread where it tells its progress: what is submitted
 * meanwhile arrives together. */
static hearth_request *hold_with(hearth_engine *engine, hearth_request_options *o)
{
    o->prompt_progress = true;
    for (;;) {
        hearth_request *r;
        ok(hearth_engine_submit(engine, o, &r, &err));
        monitor_lock(&r->door);
        if (r->engine != NULL)
            return r;
        monitor_unlock(&r->door);
        hearth_request_free(r);
        /* It was over before. Once more, and not out of the cache. */
        hearth_trim_counts counts;
        settled_stats(engine);
        ok(hearth_engine_trim(engine, HEARTH_TRIM_CACHE, &counts, &err));
    }
}

static hearth_request *hold(hearth_engine *engine)
{
    hearth_request_options o = request(400, 99, 0);
    o.no_cache_prompt = true;
    return hold_with(engine, &o);
}

/* As hearth_request_cancel does. */
static void cancel_held(hearth_request *r)
{
    atomic_store(&r->canceled, true);
    monitor_unlock(&r->door);
}

static void let_go(hearth_request *holder)
{
    cancel_held(holder);
    hearth_request_free(holder);
}

static void test_one_request(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    hearth_engine *engine = open_engine(&eo);
    hearth_request_options o = request(100, 1, 30);
    o.ignore_eos = false;
    o.prompt_progress = true;
    engine_run with_engine, with_session;
    engine_run_whole(&with_engine, engine, &o);
    engine_run_session(&with_session, llama, N_CTX, HEARTH_CACHE_F16, &o);
    assert_int_equal(with_engine.status, HEARTH_OK);
    assert_int_equal(with_engine.n_tokens, with_session.n_tokens);
    assert_memory_equal(with_engine.tokens, with_session.tokens,
                        with_session.n_tokens * sizeof(int32_t));
    assert_true(with_engine.hash == with_session.hash);
    assert_int_equal(with_engine.done.n_prompt, 100);
    assert_int_equal(with_engine.done.n_prompt_done, 100);
    assert_int_equal(with_engine.done.n_cached, 0);
    assert_int_equal(with_engine.done.n_generated, with_session.n_tokens);
    assert_true(with_engine.n_prompt_events >= 1);
    hearth_engine_stats s = settled_stats(engine);
    assert_int_equal(s.n_requests, 1);
    assert_int_equal(s.n_done, 1);
    assert_int_equal(s.n_prompt_tokens, 100);
    assert_int_equal(s.n_pages_used, 0);
    assert_true(s.n_pages_cached > 0);
    hearth_engine_close(engine);
}

static void test_same_answer_beside_others(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_parallel = 9;
    hearth_engine *engine = open_engine(&eo);
    engine_run alone[8], together;
    hearth_request *requests[8];
    for (uint32_t i = 0; i < 8; i++) {
        hearth_request_options o = request(20 + 37 * i, i + 1, 20);
        o.no_cache_prompt = true;
        engine_run_whole(&alone[i], engine, &o);
        assert_int_equal(alone[i].status, HEARTH_OK);
        assert_int_equal(alone[i].n_tokens, 20);
    }
    hearth_request *holder = hold(engine);
    uint64_t before = stats_of(engine).n_passes;
    for (uint32_t i = 0; i < 8; i++) {
        hearth_request_options o = request(20 + 37 * i, i + 1, 20);
        ok(hearth_engine_submit(engine, &o, &requests[i], &err));
    }
    let_go(holder);
    for (uint32_t i = 0; i < 8; i++) {
        engine_run_read(&together, requests[i]);
        assert_int_equal(together.status, HEARTH_OK);
        assert_true(together.hash == alone[i].hash);
    }
    /* One after the other they would take 8 times 20. */
    assert_in_range(settled_stats(engine).n_passes - before, 20, 80);
    hearth_engine_close(engine);
}

static void test_prefix_is_read_once(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    hearth_engine *engine = open_engine(&eo);
    engine_run first, again, other;
    hearth_request_options o = request(200, 1, 10), longer, shorter;
    engine_run_whole(&first, engine, &o);
    engine_run_whole(&again, engine, &o);
    assert_int_equal(again.done.n_cached, 199);
    assert_true(first.hash == again.hash);
    longer = request(300, 1, 10); /* 210 tokens of the first were kept, the answer among them */
    engine_run_whole(&other, engine, &longer);
    assert_int_equal(other.done.n_cached, 200);
    shorter = request(100, 1, 10);
    engine_run_whole(&other, engine, &shorter);
    assert_int_equal(other.done.n_cached, 99);
    shorter.no_cache_prompt = true;
    engine_run_whole(&again, engine, &shorter);
    assert_int_equal(again.done.n_cached, 0);
    assert_true(other.hash == again.hash);
    shorter = request(1, 1, 3);
    engine_run_whole(&other, engine, &shorter);
    assert_int_equal(other.done.n_cached, 0);
    hearth_engine_stats s = settled_stats(engine);
    assert_int_equal(s.n_prompt_tokens, 200 + 1 + 100 + 1 + 100 + 1);
    assert_int_equal(s.n_cached_tokens, 199 + 200 + 99);
    hearth_engine_close(engine);
}

/* Eight requests with one text at the same moment: it is read once. */
static void test_prefix_is_waited_for(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_parallel = 9;
    eo.n_batch = 32;
    hearth_engine *engine = open_engine(&eo);
    hearth_request *requests[8], *holder = hold(engine);
    engine_run runs[8];
    for (int i = 0; i < 8; i++) {
        hearth_request_options o = request(64 * 5 + 1, 1, 5);
        ok(hearth_engine_submit(engine, &o, &requests[i], &err));
    }
    let_go(holder);
    for (int i = 0; i < 8; i++) {
        engine_run_read(&runs[i], requests[i]);
        assert_int_equal(runs[i].status, HEARTH_OK);
        assert_true(runs[i].hash == runs[0].hash);
    }
    hearth_engine_stats s = settled_stats(engine);
    assert_in_range(s.n_prompt_tokens, 64 * 5 + 1 + 7, 64 * 5 + 1 + 7 + 400); /* the holder's */
    assert_int_equal(s.n_cached_tokens, 64 * 5 * 7);
    hearth_engine_close(engine);
}

/* The one that reads for the others is canceled; they get their text all the same. */
static void test_reader_is_canceled(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_batch = 16;
    eo.n_fair = 4;
    hearth_engine *engine = open_engine(&eo);
    hearth_request *first, *second;
    engine_run run, expected;
    hearth_request_options o = request(400, 1, 5);
    o.prompt_progress = true;
    engine_run_session(&expected, llama, N_CTX, HEARTH_CACHE_F16,
                       &(hearth_request_options){.tokens = o.tokens,
                                                 .n_tokens = 400,
                                                 .max_tokens = 5,
                                                 .sampler = &sampling,
                                                 .n_probs = 3});
    first = hold_with(engine, &o);
    ok(hearth_engine_submit(engine, &o, &second, &err));
    cancel_held(first);
    engine_run_read(&run, first);
    assert_int_equal(run.status, HEARTH_ECANCELED);
    engine_run_read(&run, second);
    assert_int_equal(run.status, HEARTH_OK);
    assert_true(run.tokens[0] == expected.tokens[0]);
    hearth_engine_close(engine);
}

/* One place: who asks once is served before the third of who asks often. */
static void test_clients_take_turns(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_parallel = 1;
    hearth_engine *engine = open_engine(&eo);
    hearth_request *requests[4], *holder = hold(engine);
    double waited[4];
    for (uint32_t i = 0; i < 4; i++) {
        hearth_request_options o = request(200, 40 + i, 2);
        o.client = i == 3 ? 7 : 0;
        ok(hearth_engine_submit(engine, &o, &requests[i], &err));
    }
    let_go(holder);
    for (int i = 0; i < 4; i++) {
        engine_run run;
        engine_run_read(&run, requests[i]);
        assert_int_equal(run.status, HEARTH_OK);
        waited[i] = run.done.queue_ms;
    }
    assert_true(waited[0] < waited[3]);
    assert_true(waited[3] < waited[1]);
    assert_true(waited[1] < waited[2]);
    hearth_engine_close(engine);
}

/* A short text that comes last is through while the long ones are still being read. */
static void test_short_reads_first(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_parallel = 4;
    eo.n_batch = 16;
    eo.n_fair = 8;
    hearth_engine *engine = open_engine(&eo);
    hearth_request *requests[3], *holder = hold(engine);
    engine_run runs[3];
    for (uint32_t i = 0; i < 3; i++) {
        hearth_request_options o = request(i < 2 ? 500 : 20, 50 + i, 1);
        ok(hearth_engine_submit(engine, &o, &requests[i], &err));
    }
    let_go(holder);
    for (int i = 0; i < 3; i++) {
        engine_run_read(&runs[i], requests[i]);
        assert_int_equal(runs[i].status, HEARTH_OK);
    }
    assert_true(runs[2].done.prompt_ms < runs[0].done.prompt_ms);
    assert_true(runs[2].done.prompt_ms < runs[1].done.prompt_ms);
    hearth_engine_close(engine);
}

/* It need not wait for a long text that is in the middle of being read: its share of every pass is
 * its own from the next one on. */
static void test_short_interrupts_long(void **state)
{
    enum { N_LONG = 500, N_SHORT = 20, N_FAIR = 8 };
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_parallel = 2;
    eo.n_batch = 16;
    eo.n_fair = N_FAIR;
    hearth_engine *engine = open_engine(&eo);
    hearth_request_options lo = request(N_LONG, 61, 1), so = request(N_SHORT, 62, 1);
    engine_run run;
    lo.client = 1;
    so.client = 2;
    hearth_request *later, *reading = hold_with(engine, &lo);
    ok(hearth_engine_submit(engine, &so, &later, &err));
    monitor_unlock(&reading->door);
    engine_run_read(&run, later);
    assert_int_equal(run.status, HEARTH_OK);
    assert_true(run.done.n_passes <= (N_SHORT + N_FAIR - 1) / N_FAIR + 1);
    engine_run_read(&run, reading);
    assert_int_equal(run.status, HEARTH_OK);
    assert_true(run.done.n_passes >= N_LONG / 16);
    hearth_engine_close(engine);
}

/* Nor is it cut in pieces beside one: who is read to an end in one pass has it alone. */
static void test_short_is_read_at_once(void **state)
{
    enum { N_LONG = 500, N_SHORT = 40, N_FAIR = 8 };
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_parallel = 2;
    eo.n_batch = 64;
    eo.n_fair = N_FAIR;
    hearth_engine *engine = open_engine(&eo);
    hearth_request_options lo = request(N_LONG, 63, 1), so = request(N_SHORT, 64, 1);
    engine_run run;
    lo.client = 1;
    so.client = 2;
    hearth_request *later, *reading = hold_with(engine, &lo);
    ok(hearth_engine_submit(engine, &so, &later, &err));
    monitor_unlock(&reading->door);
    engine_run_read(&run, later);
    assert_int_equal(run.status, HEARTH_OK);
    assert_true(run.done.n_passes <= 2); /* one may be under way */
    engine_run_read(&run, reading);
    assert_int_equal(run.status, HEARTH_OK);
    hearth_engine_close(engine);
}

static bool is_over(hearth_request *r)
{
    monitor_lock(&r->door);
    bool over = r->engine == NULL;
    monitor_unlock(&r->door);
    return over;
}

/* Who comes while a long text is being read cuts its pass short, but not every time: one after the
 * other, without a pause, they do not keep it from its end. Ember's passes are long enough. */
static void test_short_ones_delay_long(void **state)
{
    enum { N_FAIR = 32, MAX_SHORT = 20 * N_CTX / N_FAIR };
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_parallel = 2;
    eo.n_batch = N_CTX;
    eo.n_fair = N_FAIR;
    hearth_engine *engine;
    hearth_model *ember;
    ok(hearth_model_open(&ember, HEARTH_SOURCE_DIR "/models/ember/ember.gguf", NULL, &err));
    ok(hearth_engine_open(&engine, ember, &eo, &err));
    hearth_request_options lo = request(N_CTX - 2, 65, 1), so = request(4, 66, 1);
    engine_run run;
    hearth_request *reading;
    int n = 0;
    so.no_cache_prompt = true;
    ok(hearth_engine_submit(engine, &lo, &reading, &err));
    for (; !is_over(reading) && n < MAX_SHORT; n++)
        engine_run_whole(&run, engine, &so);
    hearth_request_cancel(reading);
    assert_int_not_equal(n, MAX_SHORT);
    engine_run_read(&run, reading);
    assert_int_equal(run.status, HEARTH_OK);
    hearth_engine_close(engine);
    hearth_model_close(ember);
}

static void test_full_queue(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_parallel = 1;
    eo.n_queue = 2;
    hearth_engine *engine = open_engine(&eo);
    hearth_request *requests[3], *extra;
    hearth_request_options o = request(300, 1, -1);
    for (int i = 0; i < 3; i++)
        ok(hearth_engine_submit(engine, &o, &requests[i], &err));
    refused(hearth_engine_submit(engine, &o, &extra, &err), HEARTH_EBUSY, "n_queue");
    assert_null(extra);
    assert_int_equal(stats_of(engine).n_refused, 1);
    for (int i = 0; i < 3; i++)
        hearth_request_free(requests[i]);
    hearth_engine_stats s = settled_stats(engine);
    assert_int_equal(s.n_failed + s.n_done, 3);
    ok(hearth_engine_submit(engine, &o, &extra, &err));
    hearth_request_free(extra);
    hearth_engine_close(engine);
}

static void test_bad_requests(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    hearth_engine *engine = open_engine(&eo);
    hearth_request *r;
    hearth_request_options o = request(513, 1, 5);
    refused(hearth_engine_submit(engine, &o, &r, &err), HEARTH_ECONTEXT, "513 tokens");
    assert_non_null(strstr(err.message, "512"));
    o.n_tokens = 512;
    refused(hearth_engine_submit(engine, &o, &r, &err), HEARTH_ECONTEXT, "512 tokens");
    o.n_tokens = 0;
    refused(hearth_engine_submit(engine, &o, &r, &err), HEARTH_EINVAL, "empty");
    int32_t bad[] = {5, N_VOCAB};
    o.tokens = bad;
    o.n_tokens = 2;
    refused(hearth_engine_submit(engine, &o, &r, &err), HEARTH_EINVAL, "index 1");
    o = request(5, 1, -2);
    refused(hearth_engine_submit(engine, &o, &r, &err), HEARTH_EINVAL, "max_tokens");
    o = request(5, 1, 5);
    o.n_probs = 5000;
    refused(hearth_engine_submit(engine, &o, &r, &err), HEARTH_EINVAL, "5000");
    o = request(5, 1, 5);
    o.stop = (const char *[]){""};
    o.n_stop = 1;
    refused(hearth_engine_submit(engine, &o, &r, &err), HEARTH_EINVAL, "stop[0]");
    hearth_engine_close(engine);
    hearth_engine_options tight = engine_options();
    tight.cache_bytes = 1000;
    refused(hearth_engine_open(&engine, llama, &tight, &err), HEARTH_EINVAL, "cache_bytes");
    assert_null(engine);
}

static void test_context_ends(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_ctx = 128;
    hearth_engine *engine = open_engine(&eo);
    engine_run run;
    hearth_request_options o = request(100, 1, -1);
    engine_run_whole(&run, engine, &o);
    assert_int_equal(run.done.reason, HEARTH_FINISH_CONTEXT);
    assert_int_equal(run.n_tokens, 28);
    o = request(128, 1, 0);
    engine_run_whole(&run, engine, &o);
    assert_int_equal(run.done.reason, HEARTH_FINISH_LIMIT);
    assert_int_equal(run.done.n_prompt_done, 128);
    assert_int_equal(run.n_tokens, 0);
    o = request(100, 1, 120);
    o.context_shift = true;
    o.n_keep = 10;
    engine_run_whole(&run, engine, &o);
    assert_int_equal(run.done.reason, HEARTH_FINISH_LIMIT);
    assert_int_equal(run.n_tokens, 120);
    assert_int_equal(run.done.n_shifted, 59 * 2); /* at 128 tokens, half of 118 */
    assert_true(run.done.n_reread > 0);
    o.n_discard = 20;
    engine_run_whole(&run, engine, &o);
    assert_int_equal(run.done.n_shifts, 5);
    assert_int_equal(run.done.n_shifted, 5 * 20);
    o.n_discard = 1000;
    engine_run_whole(&run, engine, &o);
    assert_int_equal(run.done.n_shifted, 117); /* all but one */
    assert_int_equal(run.n_tokens, 120);
    hearth_engine_close(engine);
}

/* The pool holds one context and a few pages more; four requests that need nearly all of it each
 * take turns, and give what they give alone. */
static void test_pages_run_out(void **state)
{
    (void)state;
    hearth_engine_plan_result plan;
    hearth_engine_options eo = engine_options();
    ok(hearth_engine_plan(llama, &eo, &plan, &err));
    eo.cache_bytes = plan.page_bytes * 9;
    eo.n_parallel = 4;
    hearth_engine *engine = open_engine(&eo);
    hearth_request *requests[4];
    engine_run run, expected;
    for (uint32_t i = 0; i < 4; i++) {
        hearth_request_options o = request(60 + i, 10 + i, 300);
        ok(hearth_engine_submit(engine, &o, &requests[i], &err));
    }
    for (uint32_t i = 0; i < 4; i++) {
        engine_run_read(&run, requests[i]);
        assert_int_equal(run.status, HEARTH_OK);
        assert_int_equal(run.n_tokens, 300);
        hearth_engine_options roomy = engine_options();
        hearth_engine *other = open_engine(&roomy);
        hearth_request_options o = request(60 + i, 10 + i, 300);
        engine_run_whole(&expected, other, &o);
        hearth_engine_close(other);
        assert_true(run.hash == expected.hash);
    }
    hearth_engine_stats s = settled_stats(engine);
    assert_true(s.n_preempted > 0);
    assert_true(s.n_pages_evicted > 0);
    assert_true(s.n_reread_tokens > 0);
    hearth_engine_close(engine);
}

static void test_cancel_while_reading(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_batch = 4;
    hearth_engine *engine = open_engine(&eo);
    hearth_request_event event;
    hearth_request_options o = request(500, 1, 5);
    hearth_request *r = hold_with(engine, &o);
    cancel_held(r);
    hearth_request_cancel(r);
    hearth_status status;
    while ((status = hearth_request_next(r, -1, &event, &err)) == HEARTH_OK)
        assert_int_equal(event.type, HEARTH_REQUEST_PROMPT);
    assert_int_equal(status, HEARTH_ECANCELED);
    assert_int_equal(hearth_request_next(r, 0, &event, &err), HEARTH_ECANCELED);
    hearth_request_free(r);
    assert_int_equal(settled_stats(engine).n_failed, 1);
    hearth_engine_close(engine);
}

/* Who does not read stops; others go on, and so does it when it reads. */
static void test_slow_consumer(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    hearth_engine *engine = open_engine(&eo);
    hearth_request *slow;
    engine_run run;
    hearth_request_options o = request(10, 1, 200), other = request(10, 2, 200);
    ok(hearth_engine_submit(engine, &o, &slow, &err));
    engine_run_whole(&run, engine, &other);
    assert_int_equal(run.n_tokens, 200);
    hearth_engine_stats s = stats_of(engine);
    assert_true(s.n_generated_tokens < 260);
    engine_run_read(&run, slow);
    assert_int_equal(run.status, HEARTH_OK);
    assert_int_equal(run.n_tokens, 200);
    hearth_engine_close(engine);
}

static void test_close_with_requests(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.n_parallel = 2;
    hearth_engine *engine = open_engine(&eo);
    hearth_request *requests[5];
    hearth_request_options o = request(300, 1, -1);
    for (int i = 0; i < 5; i++)
        ok(hearth_engine_submit(engine, &o, &requests[i], &err));
    hearth_engine_close(engine);
    for (int i = 0; i < 5; i++) {
        engine_run run;
        engine_run_read(&run, requests[i]);
        assert_int_equal(run.status, HEARTH_ECANCELED);
    }
}

static void test_time_is_over(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    hearth_engine *engine = open_engine(&eo);
    engine_run run;
    hearth_request_options o = request(300, 1, -1);
    o.max_time_ms = 0.001;
    engine_run_whole(&run, engine, &o);
    assert_int_equal(run.status, HEARTH_OK);
    assert_int_equal(run.done.reason, HEARTH_FINISH_LIMIT);
    assert_true(run.done.timed_out);
    hearth_engine_close(engine);
}

static void test_embeddings(void **state)
{
    (void)state;
    const hearth_model *models[] = {llama, bert};
    for (int m = 0; m < 2; m++) {
        enum { N = 9, WIDTH = 64 };
        static float out[N][WIDTH], expected[WIDTH], all[300][WIDTH];
        static int32_t texts[N][300];
        hearth_embed_item items[N];
        hearth_engine_options eo = engine_options();
        hearth_session_options so;
        hearth_engine *engine;
        hearth_session *session;
        hearth_embed_options o;
        eo.n_parallel = 4;
        ok(hearth_engine_open(&engine, models[m], &eo, &err));
        hearth_embed_options_init(&o);
        for (uint32_t i = 0; i < N; i++) {
            engine_run_text(texts[i], 300, hearth_model_get_info(models[m])->n_vocab, i);
            items[i] = (hearth_embed_item){texts[i], 1 + 30 * i, out[i]};
        }
        ok(hearth_engine_embed(engine, items, N, &o, &err));
        hearth_session_options_init(&so);
        so.n_ctx = N_CTX;
        ok(hearth_session_open(&session, models[m], &so, &err));
        for (uint32_t i = 0; i < N; i++) {
            ok(hearth_session_rewind(session, 0, &err));
            ok(hearth_session_feed(session, texts[i], items[i].n_tokens, NULL, &err));
            ok(hearth_session_embedding(session, true, expected, &err));
            assert_memory_equal(out[i], expected, sizeof expected);
        }
        hearth_session_close(session);
        o.pooling = HEARTH_POOLING_NONE;
        o.normalize = false;
        items[0] = (hearth_embed_item){texts[8], 241, all[0]};
        ok(hearth_engine_embed(engine, items, 1, &o, &err));
        o.pooling = HEARTH_POOLING_LAST;
        items[0].out = out[0];
        ok(hearth_engine_embed(engine, items, 1, &o, &err));
        assert_memory_equal(out[0], all[240], sizeof out[0]);
        o.pooling = HEARTH_POOLING_RANK;
        refused(hearth_engine_embed(engine, items, 1, &o, &err), HEARTH_EUNSUPPORTED, "rank");
        o.pooling = HEARTH_POOLING_CLS;
        items[0].n_tokens = 513;
        refused(hearth_engine_embed(engine, items, 1, &o, &err), HEARTH_ECONTEXT, "513");
        hearth_engine_close(engine);
    }
}

static int set_up(void **state)
{
    (void)state;
    tiny_model_options o;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "llama.gguf", llama_path);
    test_folder_path(&folder, "bert.gguf", bert_path);
    tiny_model_options_init(&o, "llama");
    tiny_model_write(llama_path, &o);
    tiny_model_options_init(&o, "bert");
    tiny_model_write(bert_path, &o);
    ok(hearth_model_open(&llama, llama_path, NULL, &err));
    ok(hearth_model_open(&bert, bert_path, NULL, &err));
    hearth_sampler_options_init(&sampling);
    sampling.seed = 7;
    return 0;
}

/* A model that falls into a circle is guessed well; one that draws at random is not. Both write
 * what they write without guesses. */
static void test_guesses_change_nothing(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    hearth_engine *engine = open_engine(&eo);
    eo.no_drafts = true;
    hearth_engine *plain = open_engine(&eo);
    hearth_sampler_options greedy = sampling;
    hearth_logit_bias always = {.token = 50, .bias = 1000};
    greedy.temperature = 0;
    greedy.logit_bias = &always;
    greedy.n_logit_bias = 1;
    hearth_request_options o = request(60, 3, 300);
    const hearth_sampler_options *samplings[] = {&greedy, &sampling};
    engine_run guessed, without;
    for (size_t i = 0; i < 2; i++) {
        o.sampler = samplings[i];
        engine_run_whole(&guessed, engine, &o);
        engine_run_whole(&without, plain, &o);
        assert_int_equal(guessed.n_tokens, 300);
        assert_true(guessed.hash == without.hash);
        assert_int_equal(without.done.n_drafted, 0);
        assert_true(guessed.done.n_draft_accepted <= guessed.done.n_drafted);
        assert_true(i > 0 || guessed.done.n_draft_accepted > 200);
    }
    assert_true(settled_stats(engine).n_passes + 100 < settled_stats(plain).n_passes);
    hearth_engine_close(engine);
    hearth_engine_close(plain);
}

static uint64_t page_bytes(const hearth_engine_options *o)
{
    hearth_engine_plan_result plan;
    ok(hearth_engine_plan(llama, o, &plan, &err));
    return plan.page_bytes;
}

/* Memory that was given back comes again, and with it the same answers, beside a request that
 * goes on too. */
static void test_trim(void **state)
{
    (void)state;
    hearth_engine_options eo = engine_options();
    eo.cache_bytes = 64 * page_bytes(&eo);
    hearth_engine *engine = open_engine(&eo);
    hearth_request_options o = request(300, 5, 20), long_one = request(100, 6, 300);
    hearth_trim_counts counts;
    engine_run first, again, beside, alone;
    engine_run_whole(&alone, engine, &long_one);
    engine_run_whole(&first, engine, &o);
    settled_stats(engine); /* it has let go of its pages */
    ok(hearth_engine_trim(engine, HEARTH_TRIM_CACHE, &counts, &err));
    assert_int_equal(settled_stats(engine).n_pages_cached, 0);
    assert_int_equal(counts.cache_bytes, 64 * page_bytes(&eo));
    assert_int_equal(counts.weight_bytes, 0);
    ok(hearth_engine_trim(engine, HEARTH_TRIM_CACHE, &counts, &err));
    assert_int_equal(counts.cache_bytes, 0); /* it is away already */
    hearth_request *running;
    ok(hearth_engine_submit(engine, &long_one, &running, &err));
    for (int i = 0; i < 3; i++) {
        engine_run_whole(&again, engine, &o);
        assert_true(again.hash == first.hash);
        assert_int_equal(again.done.n_cached, 0);
        ok(hearth_engine_trim(engine, HEARTH_TRIM_WEIGHTS, &counts, &err));
        assert_true(counts.cache_bytes > 0);
        assert_int_equal(counts.weight_bytes, hearth_model_get_info(llama)->file_bytes);
    }
    engine_run_read(&beside, running);
    assert_true(beside.hash == alone.hash);
    assert_int_equal(hearth_engine_trim(engine, (hearth_trim_level)2, &counts, &err),
                     HEARTH_EINVAL);
    hearth_engine_close(engine);
}

static int tear_down(void **state)
{
    (void)state;
    hearth_model_close(llama);
    hearth_model_close(bert);
    test_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_request),
        cmocka_unit_test(test_same_answer_beside_others),
        cmocka_unit_test(test_prefix_is_read_once),
        cmocka_unit_test(test_prefix_is_waited_for),
        cmocka_unit_test(test_reader_is_canceled),
        cmocka_unit_test(test_clients_take_turns),
        cmocka_unit_test(test_short_reads_first),
        cmocka_unit_test(test_short_interrupts_long),
        cmocka_unit_test(test_short_is_read_at_once),
        cmocka_unit_test(test_short_ones_delay_long),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_context_ends),
        cmocka_unit_test(test_pages_run_out),
        cmocka_unit_test(test_cancel_while_reading),
        cmocka_unit_test(test_slow_consumer),
        cmocka_unit_test(test_close_with_requests),
        cmocka_unit_test(test_time_is_over),
        cmocka_unit_test(test_embeddings),
        cmocka_unit_test(test_guesses_change_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
