/* SPDX-License-Identifier: MIT
 *
 * test_generate.c - generations over a small random model, against the same done by hand with a
 * session: which text comes out, why it ends, and what is in the session afterwards.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "engine/sampler.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

#include <hearth/hearth.h>

enum { N_PROMPT = 21, N_BATCH = 8, N_CTX = 128, EOS = 2 };

static test_folder folder;
static hearth_model *model;
static int32_t prompt[N_PROMPT];

static void must(hearth_status status, const hearth_error *err)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", err->where, err->message);
}

static int open_model(void **unused)
{
    (void)unused;
    char path[PATH_MAX];
    tiny_model_options o;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "tiny.gguf", path);
    tiny_model_options_init(&o, "llama");
    tiny_model_write(path, &o);
    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = 3 + i * 7;
    return hearth_model_open(&model, path, NULL, NULL) == HEARTH_OK ? 0 : -1;
}

static int close_model(void **unused)
{
    (void)unused;
    hearth_model_close(model);
    test_folder_remove(&folder);
    return 0;
}

static hearth_session *open_session(uint32_t n_ctx, uint32_t n_batch)
{
    hearth_session *session;
    hearth_session_options o;
    hearth_error err;
    hearth_session_options_init(&o);
    o.n_ctx = n_ctx;
    o.n_batch = n_batch;
    must(hearth_session_open(&session, model, &o, &err), &err);
    return session;
}

/* A seed that draws over the whole vocabulary gives every kind of token. */
static hearth_sampler *open_sampler(float temperature, int32_t forced, float bias)
{
    hearth_sampler *sampler;
    hearth_sampler_options o;
    hearth_error err;
    const hearth_logit_bias logit_bias = {forced, bias};
    hearth_sampler_options_init(&o);
    o.seed = 12;
    o.temperature = temperature;
    o.samplers = "temperature";
    o.logit_bias = &logit_bias;
    o.n_logit_bias = 1;
    must(hearth_sampler_new(&sampler, model, N_CTX, &o, &err), &err);
    return sampler;
}

/* ---- a whole answer ---- */

typedef struct answer {
    buf text;
    size_t n_text_events, n_prompt_events;
    hearth_event done;
} answer;

static void pull(hearth_generation *g, answer *a)
{
    hearth_error err;
    *a = (answer){0};
    buf_init(&a->text, 0);
    do {
        must(hearth_generation_next(g, &a->done, &err), &err);
        if (a->done.type == HEARTH_EVENT_PROMPT) {
            a->n_prompt_events++;
            assert_int_equal(a->n_text_events, 0);
        } else if (a->done.type == HEARTH_EVENT_TEXT) {
            a->n_text_events++;
            assert_true(a->done.n_text > 0);
            assert_true(utf8_is_valid(a->done.text, a->done.n_text));
            assert_true(buf_append(&a->text, a->done.text, a->done.n_text));
        }
    } while (a->done.type != HEARTH_EVENT_DONE);
    assert_int_equal(a->done.token, -1);
    assert_int_equal(a->done.n_text, 0);
    assert_true(buf_append(&a->text, "", 0));
}

static void run(hearth_session *session, hearth_sampler *sampler, const int32_t *tokens, size_t n,
                const hearth_generate_options *o, answer *a)
{
    hearth_generation *g;
    hearth_error err;
    must(hearth_generation_new(&g, session, sampler, tokens, n, o, &err), &err);
    pull(g, a);
    hearth_generation_free(g);
}

static hearth_generate_options at_most(int32_t max_tokens)
{
    hearth_generate_options o;
    hearth_generate_options_init(&o);
    o.max_tokens = max_tokens;
    return o;
}

/* The same by hand: feed, sample, accept, detokenize. */
static void by_hand(int32_t max_tokens, float temperature, buf *text, int32_t *tokens)
{
    hearth_session *session = open_session(N_CTX, 64);
    hearth_sampler *sampler = open_sampler(temperature, EOS, -INFINITY);
    hearth_detokenizer *d;
    hearth_error err;
    const char *piece;
    size_t n;
    buf_init(text, 0);
    must(hearth_detokenizer_new(&d, model, false, false, &err), &err);
    must(hearth_session_feed(session, prompt, N_PROMPT, NULL, &err), &err);
    for (int i = 0; i < N_PROMPT; i++)
        must(hearth_sampler_accept(sampler, prompt[i], &err), &err);
    for (int32_t i = 0; i < max_tokens; i++) {
        must(hearth_sampler_sample(sampler, hearth_session_logits(session), &tokens[i], &err),
             &err);
        must(hearth_sampler_accept(sampler, tokens[i], &err), &err);
        must(hearth_session_feed(session, &tokens[i], 1, NULL, &err), &err);
        must(hearth_detokenizer_feed(d, tokens[i], &piece, &n, &err), &err);
        assert_true(buf_append(text, piece, n));
    }
    must(hearth_detokenizer_finish(d, &piece, &n, &err), &err);
    assert_true(buf_append(text, piece, n));
    hearth_detokenizer_free(d);
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}

static void gives_what_a_session_gives(void **unused)
{
    (void)unused;
    static const float temperatures[] = {0, 0.7f, 5};
    for (int t = 0; t < 3; t++) {
        int32_t tokens[60];
        buf expected;
        answer a;
        hearth_generate_options o = at_most(60);
        by_hand(60, temperatures[t], &expected, tokens);
        hearth_session *session = open_session(N_CTX, N_BATCH);
        hearth_sampler *sampler = open_sampler(temperatures[t], EOS, -INFINITY);
        run(session, sampler, prompt, N_PROMPT, &o, &a);
        assert_int_equal(a.text.n, expected.n);
        assert_memory_equal(a.text.data, expected.data, expected.n);
        assert_int_equal(a.n_prompt_events, 3); /* 8, 8 and 5 tokens */
        assert_int_equal(a.done.reason, HEARTH_FINISH_LIMIT);
        assert_int_equal(a.done.n_prompt, N_PROMPT);
        assert_int_equal(a.done.n_prompt_done, N_PROMPT);
        assert_int_equal(a.done.n_generated, 60);
        assert_true(a.done.prompt_ms > 0 && a.done.generate_ms > 0);
        /* The session holds the prompt and the answer. */
        assert_int_equal(hearth_session_n_tokens(session), N_PROMPT + 60);
        assert_memory_equal(hearth_session_tokens(session) + N_PROMPT, tokens, sizeof tokens);
        buf_deinit(&a.text);
        buf_deinit(&expected);
        hearth_sampler_free(sampler);
        hearth_session_close(session);
    }
}

/* Two answers of 20 tokens, the second without a prompt, are one of 40. */
static void goes_on_without_a_prompt(void **unused)
{
    (void)unused;
    int32_t tokens[40];
    buf expected;
    answer first, second;
    hearth_generate_options o = at_most(20);
    by_hand(40, 0, &expected, tokens);
    hearth_session *session = open_session(N_CTX, N_BATCH);
    hearth_sampler *sampler = open_sampler(0, EOS, -INFINITY);
    run(session, sampler, prompt, N_PROMPT, &o, &first);
    run(session, sampler, NULL, 0, &o, &second);
    assert_int_equal(second.n_prompt_events, 0);
    assert_memory_equal(hearth_session_tokens(session) + N_PROMPT, tokens, sizeof tokens);
    buf_deinit(&first.text);
    buf_deinit(&second.text);
    buf_deinit(&expected);
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}

/* ---- why it ends ---- */

static void stops_before_a_stop_string(void **unused)
{
    (void)unused;
    int32_t tokens[60];
    buf expected;
    by_hand(60, 0.7f, &expected, tokens);
    /* Pieces of the answer of every length, from every place where a character begins. */
    for (size_t at = 0; at + 12 < expected.n; at += 5)
        for (size_t n = 1; n <= 12; n += 3) {
            char word[16] = {0};
            memcpy(word, expected.data + at, n);
            if (!utf8_is_valid(word, n) || strlen(word) != n)
                continue;
            const char *const stop[] = {"never to be seen", word};
            hearth_generate_options o = at_most(60);
            answer a;
            o.stop = stop;
            o.n_stop = 2;
            hearth_session *session = open_session(N_CTX, 64);
            hearth_sampler *sampler = open_sampler(0.7f, EOS, -INFINITY);
            run(session, sampler, prompt, N_PROMPT, &o, &a);
            char *found = memmem(expected.data, expected.n, word, n); /* the text has NULs */
            size_t before = (size_t)(found - expected.data);
            assert_int_equal(a.done.reason, HEARTH_FINISH_WORD);
            assert_ptr_equal(a.done.stop_word, word);
            assert_int_equal(a.text.n, before);
            assert_memory_equal(a.text.data, expected.data, before);
            buf_deinit(&a.text);
            hearth_sampler_free(sampler);
            hearth_session_close(session);
        }
    buf_deinit(&expected);
}

/* What looks like the start of a stop string at the end is given out all the same. */
static void held_back_text_comes_last(void **unused)
{
    (void)unused;
    int32_t tokens[30];
    buf expected;
    by_hand(30, 0.7f, &expected, tokens);
    size_t start = expected.n;
    while (start > 0 && expected.n - start < 4)
        start--;
    while (!utf8_is_valid(expected.data + start, expected.n - start))
        start++;
    char word[32];
    snprintf(word, sizeof word, "%s and more", expected.data + start);
    const char *const stop[] = {word};
    hearth_generate_options o = at_most(30);
    answer a;
    o.stop = stop;
    o.n_stop = 1;
    hearth_session *session = open_session(N_CTX, 64);
    hearth_sampler *sampler = open_sampler(0.7f, EOS, -INFINITY);
    run(session, sampler, prompt, N_PROMPT, &o, &a);
    assert_int_equal(a.done.reason, HEARTH_FINISH_LIMIT);
    assert_int_equal(a.text.n, expected.n);
    assert_memory_equal(a.text.data, expected.data, expected.n);
    buf_deinit(&a.text);
    buf_deinit(&expected);
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}

static void ends_with_the_models_token(void **unused)
{
    (void)unused;
    hearth_session *session = open_session(N_CTX, 64);
    hearth_sampler *sampler = open_sampler(0, EOS, 1000);
    hearth_generate_options o = at_most(10);
    answer a;
    run(session, sampler, prompt, N_PROMPT, &o, &a);
    assert_int_equal(a.done.reason, HEARTH_FINISH_STOP);
    assert_int_equal(a.done.n_generated, 1);
    assert_int_equal(a.text.n, 0);
    assert_int_equal(hearth_session_n_tokens(session), N_PROMPT);
    buf_deinit(&a.text);
    /* Written out where control tokens are. */
    o.special = true;
    run(session, sampler, NULL, 0, &o, &a);
    assert_int_equal(a.done.reason, HEARTH_FINISH_STOP);
    assert_string_equal(a.text.data, "</s>");
    buf_deinit(&a.text);
    /* Forbidden: whatever the bias. */
    o = at_most(10);
    o.ignore_eos = true;
    run(session, sampler, NULL, 0, &o, &a);
    assert_int_equal(a.done.reason, HEARTH_FINISH_LIMIT);
    assert_int_equal(hearth_session_n_tokens(session), N_PROMPT + 10);
    for (int i = 0; i < 10; i++)
        assert_int_not_equal(hearth_session_tokens(session)[N_PROMPT + i], EOS);
    buf_deinit(&a.text);
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}

static void ends_with_the_context(void **unused)
{
    (void)unused;
    hearth_session *session = open_session(32, 64);
    hearth_sampler *sampler = open_sampler(0, EOS, -INFINITY);
    answer a;
    run(session, sampler, prompt, N_PROMPT, NULL, &a);
    assert_int_equal(a.done.reason, HEARTH_FINISH_CONTEXT);
    assert_int_equal(a.done.n_generated, 32 - N_PROMPT);
    assert_int_equal(hearth_session_n_tokens(session), 32);
    buf_deinit(&a.text);
    run(session, sampler, NULL, 0, NULL, &a); /* full at once */
    assert_int_equal(a.done.reason, HEARTH_FINISH_CONTEXT);
    assert_int_equal(a.done.n_generated, 0);
    buf_deinit(&a.text);
    hearth_generation *g;
    hearth_error err;
    assert_int_equal(hearth_session_rewind(session, 20, &err), HEARTH_OK);
    assert_int_equal(hearth_generation_new(&g, session, sampler, prompt, N_PROMPT, NULL, &err),
                     HEARTH_ECONTEXT);
    assert_null(g);
    assert_string_equal(err.message,
                        "the prompt has 21 tokens and 12 of the context's 32 are free: 9 do not "
                        "fit; shorten it or raise n_ctx");
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}

static void writes_nothing_where_nothing_is_asked(void **unused)
{
    (void)unused;
    hearth_session *session = open_session(N_CTX, 64);
    hearth_sampler *sampler = open_sampler(0, EOS, -INFINITY);
    hearth_generate_options o = at_most(0);
    hearth_generation *g;
    hearth_event event;
    hearth_error err;
    must(hearth_generation_new(&g, session, sampler, prompt, N_PROMPT, &o, &err), &err);
    must(hearth_generation_next(g, &event, &err), &err);
    assert_int_equal(event.type, HEARTH_EVENT_PROMPT);
    for (int i = 0; i < 3; i++) { /* done stays done */
        must(hearth_generation_next(g, &event, &err), &err);
        assert_int_equal(event.type, HEARTH_EVENT_DONE);
        assert_int_equal(event.reason, HEARTH_FINISH_LIMIT);
    }
    assert_int_equal(hearth_session_n_tokens(session), N_PROMPT);
    hearth_generation_free(g);
    hearth_generation_free(NULL);
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}

/* ---- canceling and failing ---- */

static void canceling_keeps_what_was_written(void **unused)
{
    (void)unused;
    int32_t tokens[40];
    buf expected;
    by_hand(40, 0, &expected, tokens);
    hearth_session *session = open_session(N_CTX, N_BATCH);
    hearth_sampler *sampler = open_sampler(0, EOS, -INFINITY);
    hearth_generation *g;
    hearth_event event;
    hearth_error err;
    answer a;
    must(hearth_generation_new(&g, session, sampler, prompt, N_PROMPT, NULL, &err), &err);
    while (hearth_session_n_tokens(session) < N_PROMPT + 10)
        must(hearth_generation_next(g, &event, &err), &err);
    size_t written = hearth_session_n_tokens(session);
    hearth_session_cancel(session);
    pull(g, &a);
    assert_int_equal(a.done.reason, HEARTH_FINISH_CANCELED);
    assert_int_equal(hearth_session_n_tokens(session), written);
    hearth_generation_free(g);
    buf_deinit(&a.text);
    /* And it goes on as if nothing had happened. */
    hearth_generate_options o = at_most((int32_t)(N_PROMPT + 40 - written));
    run(session, sampler, NULL, 0, &o, &a);
    assert_memory_equal(hearth_session_tokens(session) + N_PROMPT, tokens, sizeof tokens);
    buf_deinit(&a.text);
    buf_deinit(&expected);
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}

static void a_prompt_can_be_canceled(void **unused)
{
    (void)unused;
    hearth_session *session = open_session(N_CTX, N_BATCH);
    hearth_sampler *sampler = open_sampler(0, EOS, -INFINITY);
    hearth_generation *g;
    hearth_event event;
    hearth_error err;
    answer a;
    must(hearth_generation_new(&g, session, sampler, prompt, N_PROMPT, NULL, &err), &err);
    must(hearth_generation_next(g, &event, &err), &err);
    assert_int_equal(event.n_prompt_done, N_BATCH);
    hearth_session_cancel(session);
    pull(g, &a);
    assert_int_equal(a.done.reason, HEARTH_FINISH_CANCELED);
    assert_int_equal(a.done.n_prompt_done, N_BATCH);
    assert_int_equal(hearth_session_n_tokens(session), N_BATCH);
    hearth_generation_free(g);
    buf_deinit(&a.text);
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}

static void expect_refused(hearth_session *session, hearth_sampler *sampler,
                           const hearth_generate_options *o, size_t n_prompt, hearth_status status,
                           const char *where)
{
    hearth_generation *g;
    hearth_error err = {0};
    assert_int_equal(hearth_generation_new(&g, session, sampler, prompt, n_prompt, o, &err),
                     status);
    assert_null(g);
    assert_string_equal(err.where, where);
}

static void bad_starts_are_refused(void **unused)
{
    (void)unused;
    hearth_session *session = open_session(N_CTX, N_BATCH);
    hearth_sampler *sampler = open_sampler(0, EOS, -INFINITY), *other;
    hearth_generate_options o = at_most(-2);
    const char *const empty[] = {""};
    const sampler_vocab vocab = {.n = 5};
    hearth_error err;
    expect_refused(session, sampler, &o, N_PROMPT, HEARTH_EINVAL, "max_tokens");
    o = at_most(1);
    o.n_stop = 1;
    expect_refused(session, sampler, &o, N_PROMPT, HEARTH_EINVAL, "stop");
    o.stop = empty;
    expect_refused(session, sampler, &o, N_PROMPT, HEARTH_EINVAL, "stop");
    expect_refused(session, sampler, NULL, 0, HEARTH_EINVAL, "prompt");
    must(sampler_open(&other, &vocab, 1, NULL, &err), &err);
    expect_refused(session, other, NULL, N_PROMPT, HEARTH_EMISMATCH, "sampler");
    hearth_sampler_free(other);
    /* A token that does not exist is the feed's to refuse; the session stays as it was. */
    const int32_t wrong[] = {5, 100000};
    hearth_generation *g;
    hearth_event event;
    must(hearth_generation_new(&g, session, sampler, wrong, 2, NULL, &err), &err);
    for (int i = 0; i < 2; i++)
        assert_int_equal(hearth_generation_next(g, &event, &err), HEARTH_EINVAL);
    assert_int_equal(hearth_session_n_tokens(session), 0);
    hearth_generation_free(g);
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}

static void encoders_give_no_text(void **unused)
{
    (void)unused;
    char path[PATH_MAX];
    tiny_model_options o;
    hearth_model *encoder;
    hearth_session *session;
    hearth_sampler *sampler;
    hearth_error err;
    test_folder_path(&folder, "bert.gguf", path);
    tiny_model_options_init(&o, "bert");
    tiny_model_write(path, &o);
    must(hearth_model_open(&encoder, path, NULL, &err), &err);
    must(hearth_session_open(&session, encoder, NULL, &err), &err);
    must(hearth_sampler_new(&sampler, encoder, 1, NULL, &err), &err);
    expect_refused(session, sampler, NULL, N_PROMPT, HEARTH_EUNSUPPORTED, "bert");
    hearth_sampler_free(sampler);
    hearth_session_close(session);
    hearth_model_close(encoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_a_session_gives),
        cmocka_unit_test(goes_on_without_a_prompt),
        cmocka_unit_test(stops_before_a_stop_string),
        cmocka_unit_test(held_back_text_comes_last),
        cmocka_unit_test(ends_with_the_models_token),
        cmocka_unit_test(ends_with_the_context),
        cmocka_unit_test(writes_nothing_where_nothing_is_asked),
        cmocka_unit_test(canceling_keeps_what_was_written),
        cmocka_unit_test(a_prompt_can_be_canceled),
        cmocka_unit_test(bad_starts_are_refused),
        cmocka_unit_test(encoders_give_no_text),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
