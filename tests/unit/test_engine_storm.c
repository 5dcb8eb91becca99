/* SPDX-License-Identifier: MIT
 *
 * test_engine_storm.c - many threads that submit, read, cancel, free, embed and look, at random,
 * over an engine that is short of places, of queue and of pages. Afterwards everything adds up, and
 * whoever read to the end got what is got alone. Run it under the tsan preset when threads are
 * touched.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "support/engine_run.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

enum { N_CTX = 256, N_VOCAB = 320, N_THREADS = 6, N_ROUNDS = 25, N_TEXTS = 6, N_NEW = 24 };

static test_folder folder;
static char path[PATH_MAX];
static hearth_model *model;
static hearth_error err;
static hearth_sampler_options sampling;
static hearth_engine *engine;
static engine_run expected[N_TEXTS];
static int32_t texts[N_TEXTS][N_CTX];
static float embeddings[N_TEXTS][64];
static atomic_int n_wrong, n_read, n_busy;

/* Told at once: asserts are for the main thread. */
static void wrong(const char *what, uint32_t text, hearth_status status, const hearth_error *e)
{
    printf("wrong: %s of text %u: %s: %s\n", what, text, hearth_status_name(status), e->message);
    atomic_fetch_add(&n_wrong, 1);
}

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

static hearth_request_options request(uint32_t text)
{
    hearth_request_options o;
    hearth_request_options_init(&o);
    o.tokens = texts[text];
    o.n_tokens = 30 + 30 * text;
    o.max_tokens = N_NEW;
    o.sampler = &sampling;
    o.ignore_eos = true;
    o.n_probs = 2;
    o.client = text % 3;
    return o;
}

static void ask_for_text(uint32_t text, uint32_t what)
{
    hearth_request *r;
    hearth_request_event event;
    hearth_request_options o = request(text);
    o.prompt_progress = what % 2;
    hearth_error e = {.code = HEARTH_OK};
    hearth_status status = hearth_engine_submit(engine, &o, &r, &e);
    if (status == HEARTH_EBUSY) {
        atomic_fetch_add(&n_busy, 1);
        return;
    }
    if (status != HEARTH_OK) {
        wrong("submitting", text, status, &e);
        return;
    }
    if (what < 4) {
        engine_run run;
        engine_run_read(&run, r);
        atomic_fetch_add(&n_read, 1);
        if (run.hash != expected[text].hash)
            wrong("the answer", text, run.status, &run.err);
        return;
    }
    for (uint32_t i = 4; i < what; i++)
        if ((status = hearth_request_next(r, 1, &event, &e)) != HEARTH_OK)
            wrong("an event", text, status, &e);
    if (what % 3 == 0)
        hearth_request_cancel(r);
    hearth_request_free(r);
}

static void ask_for_embedding(uint32_t text)
{
    float out[64];
    hearth_embed_item item = {texts[text], 30 + 30 * text, out};
    hearth_error e = {.code = HEARTH_OK};
    hearth_status status = hearth_engine_embed(engine, &item, 1, NULL, &e);
    if (status != HEARTH_EBUSY &&
        (status != HEARTH_OK || memcmp(out, embeddings[text], sizeof out) != 0))
        wrong("the embedding", text, status, &e);
}

static void *storm(void *arg)
{
    uint32_t x = (uint32_t)(size_t)arg * 977 + 5;
    for (int i = 0; i < N_ROUNDS; i++) {
        x = x * 1664525u + 1013904223u;
        uint32_t text = (x >> 8) % N_TEXTS, what = (x >> 16) % 12;
        hearth_engine_stats s = {.struct_size = sizeof s};
        hearth_engine_slot slots[8];
        size_t n = 8;
        if (what == 10)
            ask_for_embedding(text);
        else if (hearth_engine_get_stats(engine, &s, NULL) == HEARTH_OK &&
                 hearth_engine_get_slots(engine, slots, &n, NULL) == HEARTH_OK)
            ask_for_text(text, what);
    }
    return NULL;
}

static void open_engine(uint64_t n_pages)
{
    hearth_engine_options o;
    hearth_engine_plan_result plan;
    hearth_engine_options_init(&o);
    o.n_ctx = N_CTX;
    o.n_threads = 2;
    o.n_parallel = 3;
    o.n_queue = 2;
    o.n_batch = 24;
    o.n_fair = 8;
    ok(hearth_engine_plan(model, &o, &plan, &err));
    o.cache_bytes = n_pages * plan.page_bytes;
    ok(hearth_engine_open(&engine, model, &o, &err));
}

static void test_storm(void **state)
{
    (void)state;
    pthread_t threads[N_THREADS];
    open_engine(0);
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        hearth_request_options o = request(i);
        hearth_embed_item item = {texts[i], o.n_tokens, embeddings[i]};
        engine_run_whole(&expected[i], engine, &o);
        assert_int_equal(expected[i].status, HEARTH_OK);
        ok(hearth_engine_embed(engine, &item, 1, NULL, &err));
    }
    hearth_engine_close(engine);
    open_engine(5);
    for (size_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, storm, (void *)i), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    hearth_engine_stats s = {.struct_size = sizeof s};
    do {
        ok(hearth_engine_get_stats(engine, &s, &err));
    } while (s.n_running + s.n_waiting > 0);
    assert_int_equal(n_wrong, 0);
    assert_true(n_read > 0);
    assert_int_equal(s.n_requests, s.n_done + s.n_failed);
    assert_int_equal(s.n_refused >= (uint64_t)n_busy, 1);
    assert_int_equal(s.n_pages_used, 0);
    hearth_engine_close(engine);
}

static int set_up(void **state)
{
    (void)state;
    tiny_model_options o;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "llama.gguf", path);
    tiny_model_options_init(&o, "llama");
    tiny_model_write(path, &o);
    ok(hearth_model_open(&model, path, NULL, &err));
    hearth_sampler_options_init(&sampling);
    sampling.seed = 5;
    for (uint32_t i = 0; i < N_TEXTS; i++)
        engine_run_text(texts[i], N_CTX, N_VOCAB, i / 2); /* two of each begin alike */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hearth_model_close(model);
    test_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_storm)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
