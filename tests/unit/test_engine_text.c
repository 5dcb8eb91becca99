/* SPDX-License-Identifier: MIT
 *
 * test_engine_text.c - a text's keys and values in a file: what comes back is what was computed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/engine_run.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

enum { N_CTX = 512, N_VOCAB = 320, N_PROMPT = 150, N_ANSWER = 20 };

static test_folder folder;
static char model_path[PATH_MAX], path[PATH_MAX], other_path[PATH_MAX];
static hearth_model *model;
static hearth_error err;
static hearth_sampler_options sampling;
static int32_t prompt[N_CTX];

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

static hearth_engine *open_engine(bool keeps, uint64_t n_pages)
{
    hearth_engine *engine;
    hearth_engine_options o;
    hearth_engine_plan_result plan;
    hearth_engine_options_init(&o);
    o.n_ctx = n_pages ? 256 : N_CTX;
    o.n_parallel = 2;
    o.n_threads = 1;
    o.no_prefix_cache = !keeps;
    ok(hearth_engine_plan(model, &o, &plan, &err));
    o.cache_bytes = n_pages * plan.page_bytes;
    ok(hearth_engine_open(&engine, model, &o, &err));
    return engine;
}

static hearth_request_options request(size_t n, int32_t max_tokens)
{
    hearth_request_options o;
    hearth_request_options_init(&o);
    o.tokens = prompt;
    o.n_tokens = n;
    o.max_tokens = max_tokens;
    o.sampler = &sampling;
    o.ignore_eos = true;
    o.n_probs = 3;
    return o;
}

/* The text of an answer to the prompt. */
static hearth_text *ask(hearth_engine *engine)
{
    hearth_request_options o = request(N_PROMPT, N_ANSWER);
    hearth_request_event event = {.type = HEARTH_REQUEST_NONE};
    hearth_request *r;
    hearth_text *text;
    ok(hearth_engine_submit(engine, &o, &r, &err));
    while (event.type != HEARTH_REQUEST_DONE) {
        ok(hearth_request_next(r, -1, &event, &err));
        if (event.type == HEARTH_REQUEST_DONE)
            break;
        assert_int_equal(hearth_request_text(r, &text, &err), HEARTH_EINVAL);
    }
    ok(hearth_request_text(r, &text, &err));
    hearth_request_free(r);
    return text;
}

/* Writes the file of the answer, and tells what goes on from the prompt in an engine without it. */
static void make_file(engine_run *plain)
{
    hearth_text_counts counts;
    hearth_engine *engine = open_engine(true, 0);
    hearth_request_options o = request(N_PROMPT, N_ANSWER);
    hearth_text *text = ask(engine);
    assert_int_equal(hearth_text_n_tokens(text), N_PROMPT + N_ANSWER);
    ok(hearth_engine_save(engine, text, path, &counts, &err));
    assert_int_equal(counts.n_tokens, N_PROMPT + N_ANSWER - 1); /* the last was never fed */
    hearth_text_free(text);
    hearth_engine_close(engine);
    engine = open_engine(false, 0);
    engine_run_whole(plain, engine, &o);
    hearth_engine_close(engine);
}

static size_t n_cached(hearth_engine *engine)
{
    hearth_request_options o = request(N_PROMPT, 1);
    engine_run run;
    engine_run_whole(&run, engine, &o);
    return run.done.n_cached;
}

static void test_save_and_load(void **state)
{
    (void)state;
    engine_run plain, run;
    hearth_text_counts counts, again;
    hearth_text *text;
    make_file(&plain);
    hearth_engine *engine = open_engine(true, 0);
    hearth_request_options o = request(N_PROMPT, N_ANSWER);
    ok(hearth_engine_load(engine, path, &text, &counts, &err));
    assert_int_equal(counts.n_tokens, N_PROMPT + N_ANSWER - 1);
    engine_run_whole(&run, engine, &o);
    assert_int_equal(run.done.n_cached, N_PROMPT - 1);
    assert_true(run.hash == plain.hash);
    /* Saved again it is the same file, and loading what is there changes nothing. */
    ok(hearth_engine_save(engine, text, other_path, &again, &err));
    assert_int_equal(again.n_bytes, counts.n_bytes);
    hearth_text_free(text);
    ok(hearth_engine_load(engine, other_path, &text, &again, &err));
    assert_int_equal(again.n_tokens, counts.n_tokens);
    ok(hearth_engine_forget(engine, text, &err));
    ok(hearth_engine_save(engine, text, other_path, &again, &err));
    assert_int_equal(again.n_tokens, 0);
    hearth_text_free(text);
    assert_int_equal(n_cached(engine), 0);
    hearth_engine_close(engine);
}

/* As much as there is room for, while others use pages, and nothing is lost of theirs. */
static void test_little_room(void **state)
{
    (void)state;
    engine_run plain, run;
    hearth_text_counts counts;
    hearth_text *text;
    make_file(&plain);
    hearth_engine *big = open_engine(true, 0), *engine = open_engine(true, 4);
    text = ask(engine);
    ok(hearth_engine_save(engine, text, path, &counts, &err));
    hearth_text_free(text);
    hearth_request_options o = request(200, 30);
    int32_t first = prompt[0];
    hearth_request *r;
    prompt[0] = 7;
    ok(hearth_engine_submit(engine, &o, &r, &err));
    engine_run_whole(&plain, big, &o);
    prompt[0] = first;
    for (int i = 0; i < 5; i++) {
        ok(hearth_engine_load(engine, path, &text, &counts, &err));
        assert_true(counts.n_tokens <= N_PROMPT + N_ANSWER - 1);
        hearth_text_free(text);
    }
    engine_run_read(&run, r);
    assert_true(run.hash == plain.hash);
    hearth_engine_close(engine);
    hearth_engine_close(big);
}

static char *read_whole(const char *name, size_t *n)
{
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static void write_whole(const char *name, const char *bytes, size_t n)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void test_damage(void **state)
{
    (void)state;
    engine_run plain;
    hearth_text_counts counts;
    hearth_text *text;
    size_t n;
    make_file(&plain);
    hearth_engine *engine = open_engine(true, 0);
    char *bytes = read_whole(path, &n);
    for (size_t at = 0; at < n; at += at < 64 ? 1 : n / 30) {
        bytes[at] ^= 0x11;
        write_whole(other_path, bytes, n);
        bytes[at] ^= 0x11;
        assert_int_not_equal(hearth_engine_load(engine, other_path, &text, &counts, &err),
                             HEARTH_OK);
        assert_null(text);
    }
    for (size_t cut = 0; cut < n; cut += cut < 64 ? 1 : n / 10) {
        write_whole(other_path, bytes, cut);
        assert_int_equal(hearth_engine_load(engine, other_path, &text, &counts, &err),
                         HEARTH_EFORMAT);
    }
    free(bytes);
    assert_int_equal(n_cached(engine), 0);
    assert_int_equal(hearth_engine_load(engine, "", &text, &counts, &err), HEARTH_EINVAL);
    hearth_engine_close(engine);
    engine = open_engine(false, 0);
    assert_int_equal(hearth_engine_load(engine, path, &text, &counts, &err), HEARTH_EUNSUPPORTED);
    hearth_engine_close(engine);
}

static int set_up(void **state)
{
    (void)state;
    tiny_model_options o;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "llama.gguf", model_path);
    test_folder_path(&folder, "text.bin", path);
    test_folder_path(&folder, "other.bin", other_path);
    tiny_model_options_init(&o, "llama");
    tiny_model_write(model_path, &o);
    ok(hearth_model_open(&model, model_path, NULL, &err));
    engine_run_text(prompt, N_CTX, N_VOCAB, 1);
    hearth_sampler_options_init(&sampling);
    sampling.seed = 7;
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_little_room),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
