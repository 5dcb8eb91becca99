/* SPDX-License-Identifier: MIT
 *
 * test_session.c - a timeline: feeding, going back, forking, saving, cancelling, and every refusal.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hearth/hearth.h>

#include "os/file.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

enum { N_CTX = 160, N_VOCAB = 320 };

static test_folder folder;
static char llama_path[PATH_MAX], other_path[PATH_MAX], bert_path[PATH_MAX], state_path[PATH_MAX];
static hearth_model *llama, *other, *bert;
static hearth_error err;

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

/* Status and a word that the message must name. */
static void refused(hearth_status status, hearth_status expected, const char *word)
{
    assert_int_equal(status, expected);
    assert_int_equal(err.code, expected);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' does not tell '%s'", err.message, word);
}

static hearth_session *open_session(const hearth_model *model, hearth_cache_type cache)
{
    hearth_session *session;
    hearth_session_options o;
    hearth_session_options_init(&o);
    o.n_ctx = N_CTX;
    o.n_batch = 32;
    o.n_threads = 2;
    o.cache_type_k = o.cache_type_v = cache;
    ok(hearth_session_open(&session, model, &o, &err));
    return session;
}

static const int32_t *text(void)
{
    static int32_t tokens[N_CTX];
    for (int i = 0; i < N_CTX; i++)
        tokens[i] = (i * 41 + 3) % N_VOCAB;
    return tokens;
}

static void expect_same_logits(hearth_session *a, hearth_session *b)
{
    assert_non_null(hearth_session_logits(a));
    assert_non_null(hearth_session_logits(b));
    assert_memory_equal(hearth_session_logits(a), hearth_session_logits(b),
                        N_VOCAB * sizeof(float));
}

static void test_rewind_and_fork(void **state)
{
    (void)state;
    hearth_session *a = open_session(llama, HEARTH_CACHE_F16);
    hearth_session *b = open_session(llama, HEARTH_CACHE_F16), *fork;
    ok(hearth_session_feed(a, text(), 150, NULL, &err));
    ok(hearth_session_feed(b, text() + 20, 100, NULL, &err)); /* another text */
    ok(hearth_session_rewind(b, 0, &err));
    assert_null(hearth_session_logits(b));
    ok(hearth_session_feed(b, text(), 100, NULL, &err));
    ok(hearth_session_fork(&fork, b, &err));
    expect_same_logits(fork, b);
    ok(hearth_session_feed(b, text(), 30, NULL, &err));
    ok(hearth_session_feed(fork, text() + 100, 50, NULL, &err));
    expect_same_logits(a, fork);
    ok(hearth_session_rewind(b, 100, &err));
    ok(hearth_session_feed(b, text() + 100, 50, NULL, &err));
    expect_same_logits(a, b);
    assert_int_equal(hearth_session_n_tokens(b), 150);
    assert_memory_equal(hearth_session_tokens(b), text(), 150 * sizeof(int32_t));
    refused(hearth_session_rewind(b, 151, &err), HEARTH_EINVAL, "151");
    hearth_session_close(fork);
    hearth_session_close(b);
    hearth_session_close(a);
}

static void test_full_context(void **state)
{
    (void)state;
    hearth_session *s = open_session(llama, HEARTH_CACHE_F16);
    ok(hearth_session_feed(s, text(), 150, NULL, &err));
    float before[N_VOCAB];
    memcpy(before, hearth_session_logits(s), sizeof before);
    refused(hearth_session_feed(s, text(), 13, NULL, &err), HEARTH_ECONTEXT, "3 too many");
    assert_int_equal(hearth_session_n_tokens(s), 150);
    assert_memory_equal(before, hearth_session_logits(s), sizeof before);
    ok(hearth_session_feed(s, text(), 10, NULL, &err));
    refused(hearth_session_feed(s, text(), 1, NULL, &err), HEARTH_ECONTEXT, "1 too many");
    hearth_session_close(s);
}

static void test_bad_tokens(void **state)
{
    (void)state;
    hearth_session *s = open_session(llama, HEARTH_CACHE_F16);
    int32_t tokens[] = {1, 2, N_VOCAB};
    refused(hearth_session_feed(s, tokens, 3, NULL, &err), HEARTH_EINVAL, "320");
    tokens[2] = -1;
    refused(hearth_session_feed(s, tokens, 3, NULL, &err), HEARTH_EINVAL, "-1");
    assert_int_equal(hearth_session_n_tokens(s), 0);
    ok(hearth_session_feed(s, tokens, 0, NULL, &err));
    assert_null(hearth_session_logits(s));
    hearth_session_close(s);
}

static void test_bad_options(void **state)
{
    (void)state;
    hearth_session *s;
    hearth_session_options o;
    hearth_session_options_init(&o);
    o.n_threads = -3;
    refused(hearth_session_open(&s, llama, &o, &err), HEARTH_EINVAL, "-3");
    hearth_session_options_init(&o);
    o.cache_type_v = (hearth_cache_type)9;
    refused(hearth_session_open(&s, llama, &o, &err), HEARTH_EINVAL, "9");
    hearth_session_options_init(&o);
    o.n_ctx = 1000000;
    refused(hearth_session_open(&s, bert, &o, &err), HEARTH_EINVAL, "512");
    memset(&o, 0, sizeof o);
    refused(hearth_session_open(&s, llama, &o, &err), HEARTH_EINVAL, "struct_size");
    hearth_session_options_init(&o);
    o.n_ctx = 1u << 28;
    refused(hearth_session_open(&s, llama, &o, &err), HEARTH_ENOFIT, "free");
    assert_null(s);
}

/* A caller built against an older header has a shorter struct: the rest keeps its defaults. */
static void test_older_caller(void **state)
{
    (void)state;
    hearth_session *s;
    hearth_session_options o;
    memset(&o, 0xff, sizeof o);
    o.struct_size = offsetof(hearth_session_options, n_batch);
    o.n_ctx = 64;
    ok(hearth_session_open(&s, llama, &o, &err));
    assert_int_equal(hearth_session_n_ctx(s), 64);
    hearth_session_close(s);
}

static void test_save_and_load(void **state)
{
    (void)state;
    for (int cache = HEARTH_CACHE_F32; cache <= HEARTH_CACHE_Q8_0; cache++) {
        hearth_session *a = open_session(llama, (hearth_cache_type)cache);
        hearth_session *b = open_session(llama, (hearth_cache_type)cache);
        ok(hearth_session_feed(a, text(), 70, NULL, &err));
        ok(hearth_session_save(a, state_path, &err));
        ok(hearth_session_feed(b, text() + 5, 9, NULL, &err));
        ok(hearth_session_load(b, state_path, &err));
        expect_same_logits(a, b);
        ok(hearth_session_feed(a, text() + 70, 5, NULL, &err));
        ok(hearth_session_feed(b, text() + 70, 5, NULL, &err));
        expect_same_logits(a, b);
        hearth_session_close(a);
        hearth_session_close(b);
    }
}

static void test_load_refusals(void **state)
{
    (void)state;
    hearth_session *s = open_session(llama, HEARTH_CACHE_F16), *t;
    hearth_session_options o;
    ok(hearth_session_feed(s, text(), 100, NULL, &err));
    ok(hearth_session_save(s, state_path, &err));
    t = open_session(other, HEARTH_CACHE_F16);
    refused(hearth_session_load(t, state_path, &err), HEARTH_EMISMATCH, "another model");
    hearth_session_close(t);
    t = open_session(llama, HEARTH_CACHE_Q8_0);
    refused(hearth_session_load(t, state_path, &err), HEARTH_EMISMATCH, "cache type");
    hearth_session_close(t);
    hearth_session_options_init(&o);
    o.n_ctx = 64;
    ok(hearth_session_open(&t, llama, &o, &err));
    refused(hearth_session_load(t, state_path, &err), HEARTH_ECONTEXT, "100 tokens");
    refused(hearth_session_load(t, llama_path, &err), HEARTH_EFORMAT, "not a session file");
    refused(hearth_session_load(t, "/nonexistent/state", &err), HEARTH_ENOTFOUND, "nonexistent");
    hearth_session_close(t);
    hearth_session_close(s);
}

/* A bit flipped anywhere, and a file cut anywhere, is refused; the session goes on as it was. */
static void test_damaged_state(void **state)
{
    (void)state;
    hearth_session *s = open_session(llama, HEARTH_CACHE_Q8_0);
    ok(hearth_session_feed(s, text(), 20, NULL, &err));
    ok(hearth_session_save(s, state_path, &err));
    char *bytes;
    size_t n;
    ok(file_read_all(state_path, 1 << 26, &bytes, &n, &err));
    for (size_t i = 0; i < n; i += i < 60 ? 1 : n / 50) {
        bytes[i] ^= 0x20;
        assert_true(test_write_file(state_path, bytes, n));
        bytes[i] ^= 0x20;
        hearth_status status = hearth_session_load(s, state_path, &err);
        if (status != HEARTH_EFORMAT && status != HEARTH_EMISMATCH && status != HEARTH_ECONTEXT)
            fail_msg("a flipped bit in byte %zu gives %d", i, status);
        assert_true(test_write_file(state_path, bytes, n - 1 - i));
        assert_int_not_equal(hearth_session_load(s, state_path, &err), HEARTH_OK);
    }
    assert_int_equal(hearth_session_n_tokens(s), 20);
    assert_true(test_write_file(state_path, bytes, n));
    ok(hearth_session_load(s, state_path, &err));
    hearth_free(bytes);
    hearth_session_close(s);
}

static void test_encoder(void **state)
{
    (void)state;
    hearth_session *s = open_session(bert, HEARTH_CACHE_F16);
    float plain[64], unit[64];
    refused(hearth_session_embedding(s, false, plain, &err), HEARTH_EINVAL, "nothing");
    ok(hearth_session_feed(s, text(), 40, NULL, &err));
    assert_null(hearth_session_logits(s));
    refused(hearth_session_feed(s, text(), 1, NULL, &err), HEARTH_EINVAL, "whole text");
    ok(hearth_session_embedding(s, false, plain, &err));
    ok(hearth_session_embedding(s, true, unit, &err));
    double length = 0.0, product = 0.0, square = 0.0;
    for (int i = 0; i < 64; i++) {
        length += (double)unit[i] * unit[i];
        product += (double)unit[i] * plain[i];
        square += (double)plain[i] * plain[i];
    }
    assert_true(fabs(length - 1.0) < 1e-5 && fabs(product - sqrt(square)) < 1e-4 * product);
    ok(hearth_session_rewind(s, 0, &err));
    ok(hearth_session_feed(s, text() + 1, 30, NULL, &err));
    hearth_session_close(s);
}

/* Pooling does not depend on the pieces in which a text came. */
static void test_pooling_in_pieces(void **state)
{
    (void)state;
    hearth_session *a = open_session(llama, HEARTH_CACHE_F16);
    hearth_session *b = open_session(llama, HEARTH_CACHE_F16);
    float whole[64], pieces[64];
    ok(hearth_session_feed(a, text(), 90, NULL, &err));
    for (size_t i = 0; i < 90; i += 9)
        ok(hearth_session_feed(b, text() + i, 9, NULL, &err));
    ok(hearth_session_embedding(a, false, whole, &err));
    ok(hearth_session_embedding(b, false, pieces, &err));
    assert_memory_equal(whole, pieces, sizeof whole);
    ok(hearth_session_rewind(b, 50, &err));
    refused(hearth_session_embedding(b, false, pieces, &err), HEARTH_EINVAL, "rewound");
    hearth_session_close(a);
    hearth_session_close(b);
}

static bool stop_at_third(void *user, size_t position, const float *logits, size_t n_vocab)
{
    (void)logits;
    (void)n_vocab;
    *(size_t *)user = position;
    return position < 2;
}

static void test_cancel_by_callback(void **state)
{
    (void)state;
    hearth_session *s = open_session(llama, HEARTH_CACHE_F16);
    size_t seen = 99;
    hearth_feed_options o;
    hearth_feed_options_init(&o);
    o.on_logits = stop_at_third;
    o.user = &seen;
    refused(hearth_session_feed(s, text(), 50, &o, &err), HEARTH_ECANCELED, "cancel");
    assert_int_equal(seen, 2);
    assert_int_equal(hearth_session_n_tokens(s), 0);
    hearth_session_cancel(s); /* with no feed running: the next one */
    refused(hearth_session_feed(s, text(), 50, NULL, &err), HEARTH_ECANCELED, "cancel");
    ok(hearth_session_feed(s, text(), 50, NULL, &err));
    hearth_session_close(s);
}

typedef struct canceler {
    hearth_session *session;
    atomic_bool stop;
} canceler;

static void *keep_cancelling(void *arg)
{
    canceler *c = arg;
    while (!atomic_load(&c->stop)) {
        hearth_session_cancel(c->session);
        usleep(50); /* only so as not to starve the feed on one CPU */
    }
    return NULL;
}

static void test_cancel_from_thread(void **state)
{
    (void)state;
    canceler c = {.session = open_session(llama, HEARTH_CACHE_F16)};
    hearth_session *reference = open_session(llama, HEARTH_CACHE_F16);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, keep_cancelling, &c), 0);
    size_t n_canceled = 0;
    for (int i = 0; i < 200 || (n_canceled == 0 && i < 100000); i++) {
        hearth_status status = hearth_session_feed(c.session, text(), 10, NULL, &err);
        n_canceled += status == HEARTH_ECANCELED;
        ok(hearth_session_rewind(c.session, 0, &err));
    }
    atomic_store(&c.stop, true);
    pthread_join(thread, NULL);
    assert_true(n_canceled > 0);
    hearth_status status = hearth_session_feed(c.session, text(), 60, NULL, &err);
    if (status == HEARTH_ECANCELED)
        ok(hearth_session_feed(c.session, text(), 60, NULL, &err));
    ok(hearth_session_feed(reference, text(), 60, NULL, &err));
    expect_same_logits(c.session, reference);
    hearth_session_close(reference);
    hearth_session_close(c.session);
}

/* The model file is cut while it is mapped: the process lives and the feed says so. */
static void test_shrinking_model(void **state)
{
    (void)state;
    char path[PATH_MAX], *bytes;
    size_t n;
    hearth_model *model;
    test_folder_path(&folder, "shrinking.gguf", path);
    ok(file_read_all(llama_path, 1 << 26, &bytes, &n, &err));
    assert_true(test_write_file(path, bytes, n));
    ok(hearth_model_open(&model, path, NULL, &err));
    hearth_session *s = open_session(model, HEARTH_CACHE_F16);
    ok(hearth_session_feed(s, text(), 5, NULL, &err));
    assert_int_equal(truncate(path, 8192), 0);
    refused(hearth_session_feed(s, text(), 5, NULL, &err), HEARTH_EIO, "shorter");
    assert_int_equal(hearth_session_n_tokens(s), 5);
    hearth_session_close(s);
    hearth_model_close(model);
    hearth_free(bytes);
}

static int set_up(void **state)
{
    (void)state;
    tiny_model_options o;
    assert_true(test_folder_make(&folder));
    test_folder_path(&folder, "llama.gguf", llama_path);
    test_folder_path(&folder, "other.gguf", other_path);
    test_folder_path(&folder, "bert.gguf", bert_path);
    test_folder_path(&folder, "state.kv", state_path);
    tiny_model_options_init(&o, "llama");
    tiny_model_write(llama_path, &o);
    o.seed = 2;
    tiny_model_write(other_path, &o);
    tiny_model_options_init(&o, "bert");
    tiny_model_write(bert_path, &o);
    ok(hearth_model_open(&llama, llama_path, NULL, &err));
    ok(hearth_model_open(&other, other_path, NULL, &err));
    ok(hearth_model_open(&bert, bert_path, NULL, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hearth_model_close(llama);
    hearth_model_close(other);
    hearth_model_close(bert);
    test_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewind_and_fork),
        cmocka_unit_test(test_full_context),
        cmocka_unit_test(test_bad_tokens),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_older_caller),
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_load_refusals),
        cmocka_unit_test(test_damaged_state),
        cmocka_unit_test(test_encoder),
        cmocka_unit_test(test_pooling_in_pieces),
        cmocka_unit_test(test_cancel_by_callback),
        cmocka_unit_test(test_cancel_from_thread),
        cmocka_unit_test(test_shrinking_model),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
