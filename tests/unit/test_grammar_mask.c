/* SPDX-License-Identifier: MIT
 *
 * test_grammar_mask.c - matchers over vocabularies: masks against a check of every token, ends,
 * tokens by name, triggers, copies.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/sampler.h"
#include "gguf/gguf.h"
#include "grammar/matcher.h"
#include "support/grammar_text.h"
#include "support/test_reference.h"
#include "support/vocab_file.h"

static const char json[] =
    "root ::= object\n"
    "value ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"
    "object ::= \"{\" ws (string \":\" ws value (\",\" ws string \":\" ws value)*)? \"}\" ws\n"
    "array ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\n"
    "string ::= \"\\\"\" ([^\"\\\\\\x7f\\x00-\\x1f] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" "
    "[0-9a-fA-F]{4}))* \"\\\"\" ws\n"
    "number ::= \"-\"? ([0-9] | [1-9] [0-9]{0,15}) (\".\" [0-9]+)? ([eE] [-+]? [0-9]{1,2})? ws\n"
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n";

static hearth_grammar *parse(const char *text)
{
    hearth_error err = {0};
    hearth_grammar *g = NULL;
    if (hearth_grammar_from_gbnf(&g, text, NULL, &err) != HEARTH_OK)
        fail_msg("%s: %s", text, err.message);
    return g;
}

/* ---- a small vocabulary ---- */

static vocab_file v;
static token_index *index_;
static int32_t end_token, control_token, think_token, bytes_token;

static int open_vocab(void **unused)
{
    static const char *const pieces[] = {
        "{\"", "\":", "a\"",      "tr",   "true",  "nul", "}}",   "\"}",    "[[", "12",
        "1.5", "e",   "\xc3\x84", "\xc2", "abcde", "a",   "call", "<tool>", "l>{"};
    hearth_error err = {0};
    (void)unused;
    vocab_file_init(&v, "llama", NULL);
    vocab_file_token(&v, "<unk>", 0, TYPE_UNKNOWN);
    vocab_file_token(&v, "<s>", 0, TYPE_CONTROL);
    end_token = vocab_file_token(&v, "</s>", 0, TYPE_CONTROL);
    control_token = vocab_file_token(&v, "<|x|>", 0, TYPE_CONTROL);
    think_token = vocab_file_token(&v, "<think>", 0, TYPE_CONTROL);
    bytes_token = vocab_file_byte_tokens(&v);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        vocab_file_token(&v, pieces[i], -1, TYPE_NORMAL);
    vocab_file_token(&v, "a", -2, TYPE_NORMAL); /* the same bytes again */
    vocab_file_u32(&v, "tokenizer.ggml.eos_token_id", (uint32_t)end_token);
    if (vocab_file_open(&v, 0, &err) != HEARTH_OK)
        return -1;
    return token_index_new(&index_, v.t, tokenizer_n_vocab(v.t) + 3, &err) == HEARTH_OK ? 0 : -1;
}

static int close_vocab(void **unused)
{
    (void)unused;
    token_index_free(index_);
    vocab_file_deinit(&v);
    return 0;
}

static int32_t token_of(const char *text)
{
    for (int32_t i = 0; (size_t)i < index_->n_vocab; i++) {
        size_t n;
        const char *bytes = token_index_bytes(index_, i, &n);
        if (n == strlen(text) && memcmp(bytes, text, n) == 0 && i >= bytes_token + 256)
            return i;
    }
    return bytes_token + (uint8_t)text[0];
}

static hearth_matcher *open_matcher(const token_index *index, const char *grammar,
                                    const hearth_matcher_options *o)
{
    hearth_error err = {0};
    hearth_matcher *m = NULL;
    hearth_grammar *g = parse(grammar);
    if (matcher_open(&m, g, index, o, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    hearth_grammar_unref(g);
    return m;
}

static const uint64_t *mask_of(hearth_matcher *m)
{
    const uint64_t *bits = NULL;
    hearth_error err = {0};
    if (hearth_matcher_mask(m, &bits, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    return bits;
}

static void accept(hearth_matcher *m, int32_t token)
{
    hearth_error err = {0};
    if (hearth_matcher_accept(m, token, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
}

static bool allows(hearth_matcher *m, int32_t token)
{
    bool allowed = false;
    assert_int_equal(hearth_matcher_allows(m, token, &allowed, NULL), HEARTH_OK);
    return allowed;
}

/* The mask by brute force: each token alone, from the state that an automaton of its own has. */
static void check_mask(hearth_matcher *m, const token_index *index, automaton *a, state_id state)
{
    const uint64_t *bits = mask_of(m);
    for (int32_t t = 0; (size_t)t < index->n_vocab; t++) {
        size_t n;
        const char *bytes = token_index_bytes(index, t, &n);
        state_id to = n > 0 ? state : STATE_DEAD;
        for (size_t i = 0; i < n && to != STATE_DEAD; i++)
            assert_int_equal(automaton_step(a, to, (uint8_t)bytes[i], &to, NULL), HEARTH_OK);
        bool may = to != STATE_DEAD;
        if (token_mask_has(index->ends, t))
            may = automaton_state_at(a, state)->may_end;
        if (token_mask_has(bits, t) != may)
            fail_msg("token %d is %s", t, may ? "left out" : "let through");
    }
}

/* Random walks by masks: every text that ends is one of the grammar's. */
static void walk(const token_index *index, const char *grammar, uint64_t *random, int n_checks)
{
    hearth_matcher *m = open_matcher(index, grammar, NULL);
    hearth_grammar *g = parse(grammar);
    automaton a;
    state_id state = STATE_DEAD;
    buf text;
    buf_init(&text, 0);
    assert_int_equal(automaton_open(&a, g, NULL), HEARTH_OK);
    assert_int_equal(automaton_start(&a, &state, NULL), HEARTH_OK);
    for (int i = 0; i < 60 && !hearth_matcher_is_done(m); i++) {
        const uint64_t *bits = mask_of(m);
        size_t n;
        int32_t t;
        if (i < n_checks)
            check_mask(m, index, &a, state);
        do
            t = (int32_t)(grammar_random(random) % index->n_vocab);
        while (!token_mask_has(bits, t));
        assert_true(allows(m, t));
        if (token_mask_has(index->ends, t))
            break;
        accept(m, t);
        const char *bytes = token_index_bytes(index, t, &n);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(automaton_step(&a, state, (uint8_t)bytes[k], &state, NULL), HEARTH_OK);
        assert_true(buf_append(&text, bytes, n));
        assert_int_equal(automaton_state_at(&a, state)->may_end, hearth_matcher_may_end(m));
    }
    if (hearth_matcher_may_end(m))
        assert_true(grammar_accepts(g, text.data ? text.data : "", text.n));
    automaton_close(&a);
    buf_deinit(&text);
    hearth_grammar_unref(g);
    hearth_matcher_free(m);
}

static void masks_are_those_of_every_token_alone(void **unused)
{
    (void)unused;
    uint64_t random = 7;
    for (int i = 0; i < 30; i++) {
        walk(index_, json, &random, 60);
        walk(index_, "root ::= [\\u0080-\\u00ff]+ .*", &random, 60);
        walk(index_, "root ::= (\"a\" | \"abc\" | \"bcde\" \"x\"?)+", &random, 60);
    }
}

static void masks_over_real_vocabularies(void **unused)
{
    (void)unused;
    static const char *const names[] = {"llama-spm", "gpt-2", "phi-3", "deepseek-llm"};
    uint64_t random = 99;
    for (size_t i = 0; i < 4; i++) {
        char path[PATH_MAX];
        hearth_error err = {0};
        hearth_log log = {0};
        gguf *g = NULL;
        tokenizer *t = NULL;
        token_index *index = NULL;
        if (!reference_path(path, "vocab/ggml-vocab-%s.gguf", names[i]))
            skip();
        if (gguf_open(&g, path, NULL, &err) != HEARTH_OK ||
            tokenizer_open(&t, g, &log, &err) != HEARTH_OK ||
            token_index_new(&index, t, tokenizer_n_vocab(t), &err) != HEARTH_OK)
            fail_msg("%s", err.message);
        for (int k = 0; k < 3; k++)
            walk(index, json, &random, 10);
        token_index_free(index);
        tokenizer_close(t);
        gguf_close(g);
    }
}

/* ---- ends and control tokens ---- */

static void ends_come_where_the_grammar_ends(void **unused)
{
    (void)unused;
    hearth_matcher *m = open_matcher(index_, "root ::= \"a\" \"a\"? | [b]+", NULL);
    assert_false(token_mask_has(mask_of(m), end_token));
    assert_false(hearth_matcher_may_end(m));
    assert_int_equal(hearth_matcher_accept(m, end_token, NULL), HEARTH_EINVAL);
    accept(m, token_of("a"));
    assert_true(token_mask_has(mask_of(m), end_token));
    assert_true(hearth_matcher_may_end(m) && !hearth_matcher_is_done(m));
    accept(m, token_of("a"));
    assert_true(hearth_matcher_is_done(m));
    assert_int_equal(hearth_matcher_accept(m, token_of("a"), NULL), HEARTH_EINVAL);
    accept(m, end_token);
    assert_true(hearth_matcher_is_done(m));
    assert_false(allows(m, end_token));
    assert_int_equal(hearth_matcher_accept(m, end_token, NULL), HEARTH_EINVAL);
    hearth_matcher_free(m);
}

static void control_tokens_come_only_by_name(void **unused)
{
    (void)unused;
    hearth_matcher *m = open_matcher(index_, "root ::= .*", NULL);
    assert_false(token_mask_has(mask_of(m), control_token) || allows(m, control_token));
    assert_false(token_mask_has(mask_of(m), (int32_t)index_->n_vocab - 1)); /* padding */
    hearth_matcher_free(m);
    m = open_matcher(index_, "root ::= <think> !<[3]>* <[3]> \"a\"", NULL);
    assert_true(allows(m, think_token) && token_mask_has(mask_of(m), think_token));
    assert_false(allows(m, token_of("a")));
    accept(m, think_token);
    assert_true(token_mask_has(mask_of(m), think_token) && allows(m, token_of("call")));
    assert_true(token_mask_has(mask_of(m), control_token));
    assert_false(token_mask_has(mask_of(m), end_token));
    accept(m, token_of("call"));
    accept(m, control_token);
    accept(m, token_of("a"));
    assert_true(hearth_matcher_is_done(m));
    hearth_matcher_free(m);
}

static void preserved_tokens_are_their_text(void **unused)
{
    (void)unused;
    hearth_matcher_options o;
    hearth_matcher_options_init(&o);
    o.preserved = &control_token;
    o.n_preserved = 1;
    hearth_matcher *m = open_matcher(index_, "root ::= \"<|x|>a\"", &o);
    assert_true(token_mask_has(mask_of(m), control_token));
    accept(m, control_token);
    accept(m, token_of("a"));
    assert_true(hearth_matcher_is_done(m));
    hearth_matcher_free(m);
}

static void unknown_tokens_are_refused(void **unused)
{
    (void)unused;
    static const char *const grammars[] = {"root ::= <[9999]>", "root ::= <nothing>"};
    for (int i = 0; i < 2; i++) {
        hearth_error err = {0};
        hearth_matcher *m = NULL;
        hearth_grammar *g = parse(grammars[i]);
        assert_int_equal(matcher_open(&m, g, index_, NULL, &err), HEARTH_EINVAL);
        assert_non_null(strstr(err.message, "line 1, column 10"));
        hearth_grammar_unref(g);
    }
}

/* ---- triggers ---- */

static hearth_matcher *open_lazy(const char *grammar, hearth_trigger trigger)
{
    hearth_matcher_options o;
    hearth_matcher_options_init(&o);
    o.triggers = &trigger;
    o.n_triggers = 1;
    o.preserved = &control_token;
    o.n_preserved = 1;
    return open_matcher(index_, grammar, &o);
}

static void words_start_the_grammar_where_they_begin(void **unused)
{
    (void)unused;
    hearth_matcher *m = open_lazy("root ::= \"tool>\" \"{\" \"}\"",
                                  (hearth_trigger){.type = HEARTH_TRIGGER_WORD, .text = "tool>"});
    assert_true(hearth_matcher_may_end(m) && allows(m, end_token) && allows(m, control_token));
    accept(m, token_of("abcde"));
    accept(m, token_of("t"));
    accept(m, token_of("o"));
    accept(m, token_of("o"));
    assert_true(allows(m, token_of("l>{")));
    accept(m, token_of("l>{"));
    assert_false(hearth_matcher_may_end(m) || allows(m, token_of("a")));
    accept(m, token_of("}"));
    assert_true(hearth_matcher_is_done(m));
    hearth_matcher_free(m);
}

/* A token that brings a trigger and text that does not fit is refused, and others may come. */
static void a_trigger_that_does_not_fit_is_refused(void **unused)
{
    (void)unused;
    hearth_matcher *m = open_lazy("root ::= \"l>\" \"a\"",
                                  (hearth_trigger){.type = HEARTH_TRIGGER_WORD, .text = "l>"});
    int32_t bad = token_of("l>{");
    assert_true(token_mask_has(mask_of(m), bad));
    assert_false(allows(m, bad));
    assert_false(token_mask_has(mask_of(m), bad));
    assert_int_equal(hearth_matcher_accept(m, bad, NULL), HEARTH_EINVAL);
    accept(m, token_of("l"));
    assert_true(token_mask_has(mask_of(m), bad));
    accept(m, token_of(">"));
    assert_false(allows(m, token_of("x")));
    accept(m, token_of("a"));
    assert_true(hearth_matcher_is_done(m));
    hearth_matcher_free(m);
}

static void tokens_and_patterns_start_the_grammar(void **unused)
{
    (void)unused;
    hearth_matcher *m =
        open_lazy("root ::= \"<|x|>\" \"a\"",
                  (hearth_trigger){.type = HEARTH_TRIGGER_TOKEN, .token = control_token});
    accept(m, token_of("a"));
    accept(m, control_token);
    assert_false(allows(m, token_of("b")));
    accept(m, token_of("a"));
    assert_true(hearth_matcher_is_done(m));
    hearth_matcher_free(m);
    m = open_lazy("root ::= \"call\" \"a\"+",
                  (hearth_trigger){.type = HEARTH_TRIGGER_PATTERN_FULL, .text = "[0-9]+(call)"});
    accept(m, token_of("12"));
    hearth_matcher *copy = NULL;
    assert_int_equal(hearth_matcher_dup(&copy, m, NULL), HEARTH_OK);
    accept(m, token_of("call"));
    assert_false(allows(m, token_of("b")));
    accept(m, token_of("a"));
    assert_true(hearth_matcher_may_end(m));
    accept(copy, token_of("b")); /* the copy still waits */
    accept(copy, token_of("call"));
    assert_true(allows(copy, token_of("b")));
    hearth_matcher_free(copy);
    assert_int_equal(hearth_matcher_dup(&copy, m, NULL), HEARTH_OK);
    hearth_matcher_free(m);
    accept(copy, token_of("a"));
    assert_false(allows(copy, token_of("b")));
    hearth_matcher_free(copy);
}

static void triggers_are_checked(void **unused)
{
    (void)unused;
    static const hearth_trigger bad[] = {{.type = HEARTH_TRIGGER_WORD, .text = ""},
                                         {.type = HEARTH_TRIGGER_PATTERN, .text = "(a"},
                                         {.type = HEARTH_TRIGGER_TOKEN, .token = -1},
                                         {.type = (hearth_trigger_type)9, .text = "a"}};
    for (size_t i = 0; i < 4; i++) {
        hearth_error err = {0};
        hearth_matcher *m = NULL;
        hearth_matcher_options o;
        hearth_matcher_options_init(&o);
        o.triggers = &bad[i];
        o.n_triggers = 1;
        hearth_grammar *g = parse("root ::= \"a\"");
        assert_int_equal(matcher_open(&m, g, index_, &o, &err), HEARTH_EINVAL);
        assert_string_equal(err.where, "triggers");
        hearth_grammar_unref(g);
    }
}

/* ---- long answers ---- */

/* Memory is bounded, and the place is kept, however deep and long the answer. */
static void long_answers_keep_their_place(void **unused)
{
    (void)unused;
    hearth_matcher *m = open_matcher(index_, "root ::= \"[\" root? \"]\" | [0-9]{0,50000}", NULL);
    for (int i = 0; i < 20000; i++)
        accept(m, token_of("[["));
    for (int i = 0; i < 40000; i++) {
        assert_false(hearth_matcher_may_end(m));
        accept(m, token_of("]"));
    }
    assert_true(hearth_matcher_is_done(m));
    hearth_matcher_free(m);
    m = open_matcher(index_, "root ::= [0-9]{50000}", NULL);
    for (int i = 0; i < 25000; i++)
        accept(m, token_of("12"));
    assert_true(hearth_matcher_is_done(m));
    hearth_matcher_free(m);
}

/* ---- sampling ---- */

/* The free choice stands where the grammar allows it: the same token with the same draws. Where it
 * does not, the second choice is among the allowed ones and takes one more draw. */
static void sampling_chooses_freely_first(void **unused)
{
    (void)unused;
    size_t n = index_->n_vocab;
    const sampler_vocab vocab = {.n = n};
    hearth_sampler_options o;
    hearth_sampler *free_one = NULL, *bound = NULL;
    float *logits = mem_calloc(n, sizeof *logits);
    hearth_sampler_options_init(&o);
    o.seed = 3;
    o.top_k = 0;
    o.top_p = 1;
    o.min_p = 0;
    assert_int_equal(sampler_open(&free_one, &vocab, 64, &o, NULL), HEARTH_OK);
    assert_int_equal(sampler_open(&bound, &vocab, 64, &o, NULL), HEARTH_OK);
    hearth_matcher *m = open_matcher(index_, "root ::= [a-m\\x80-\\U0010ffff]", NULL);
    int n_kept = 0;
    for (int i = 0; i < 40; i++) {
        int32_t a, b;
        assert_int_equal(hearth_sampler_sample(free_one, logits, &a, NULL), HEARTH_OK);
        assert_int_equal(hearth_sampler_sample_within(bound, logits, m, &b, NULL), HEARTH_OK);
        assert_true(allows(m, b));
        if (allows(m, a)) {
            n_kept++;
            assert_int_equal(a, b);
        } else { /* the same draw over the masked logits */
            float *masked = mem_calloc(n, sizeof *masked);
            assert_int_equal(hearth_matcher_apply(m, masked, NULL), HEARTH_OK);
            assert_int_equal(hearth_sampler_sample(free_one, masked, &a, NULL), HEARTH_OK);
            assert_int_equal(a, b);
            mem_free(masked);
        }
    }
    assert_true(n_kept > 0 && n_kept < 40);
    hearth_matcher_free(m);
    hearth_sampler_free(free_one);
    hearth_sampler_free(bound);
    mem_free(logits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_those_of_every_token_alone),
        cmocka_unit_test(masks_over_real_vocabularies),
        cmocka_unit_test(ends_come_where_the_grammar_ends),
        cmocka_unit_test(control_tokens_come_only_by_name),
        cmocka_unit_test(preserved_tokens_are_their_text),
        cmocka_unit_test(unknown_tokens_are_refused),
        cmocka_unit_test(words_start_the_grammar_where_they_begin),
        cmocka_unit_test(a_trigger_that_does_not_fit_is_refused),
        cmocka_unit_test(tokens_and_patterns_start_the_grammar),
        cmocka_unit_test(triggers_are_checked),
        cmocka_unit_test(long_answers_keep_their_place),
        cmocka_unit_test(sampling_chooses_freely_first),
    };
    return cmocka_run_group_tests(tests, open_vocab, close_vocab);
}
