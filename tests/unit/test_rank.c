/* SPDX-License-Identifier: MIT
 *
 * test_rank.c - rerankers: scores against the classifier computed here in doubles from the hidden
 * states, the same bits beside other texts and on every instruction set, the layouts of a query and
 * a document, and files whose classifier is not one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <hearth/hearth.h>

#include "support/engine_run.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

#include "engine/model.h" /* after tiny_model.h, whose parameters are called as its types */

enum { WIDTH = 64, N_TEXTS = 9, MAX_TOKENS = 260, MAX_SCORES = 64 };

static test_folder folder;
static hearth_error err;

static const struct head {
    const char *name, *arch;
    uint32_t n_labels;
    bool dense;
    wtype type;
} heads[] = {
    {"bert_both.gguf", "bert", 1, true, WTYPE_F16},
    {"bert_output.gguf", "bert", 3, false, WTYPE_F32},
    {"bert_dense.gguf", "bert", 0, true, WTYPE_Q8_0},
    {"nomic_both.gguf", "nomic-bert", 1, true, WTYPE_Q8_0},
    {"qwen3.gguf", "qwen3", 2, false, WTYPE_F16},
    {"qwen3_one.gguf", "qwen3", 1, false, WTYPE_F16},
    {"llama.gguf", "llama", 2, true, WTYPE_F16},
};
enum { N_HEADS = sizeof heads / sizeof *heads, BERT_BOTH = 0, QWEN3 = 4 };

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

static void refused(hearth_status status, hearth_status expected, const char *word)
{
    assert_int_equal(status, expected);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' does not tell '%s'", err.message, word);
}

static hearth_model *open_head(int i, const char *isa, const char *const *overrides, size_t n)
{
    char path[PATH_MAX];
    hearth_model *model;
    hearth_model_options o;
    hearth_model_options_init(&o);
    o.isa = isa;
    o.overrides = overrides;
    o.n_overrides = n;
    test_folder_path(&folder, heads[i].name, path);
    ok(hearth_model_open(&model, path, &o, &err));
    return model;
}

static hearth_engine *open_engine(const hearth_model *model)
{
    hearth_engine *engine;
    hearth_engine_options o;
    hearth_engine_options_init(&o);
    o.n_ctx = 512;
    o.n_batch = 64;
    o.n_parallel = 4;
    o.n_threads = 2;
    ok(hearth_engine_open(&engine, model, &o, &err));
    return engine;
}

static void embed(hearth_engine *engine, hearth_pooling pooling, const hearth_embed_item *items,
                  size_t n)
{
    hearth_embed_options o;
    hearth_embed_options_init(&o);
    o.pooling = pooling;
    o.normalize = pooling == HEARTH_POOLING_RANK; /* which must not change a score */
    ok(hearth_engine_embed(engine, items, n, &o, &err));
}

/* ---- what the scores should be ---- */

static const float *floats_of(const hearth_model *m, const char *name, float *memory)
{
    const gguf_tensor *t = gguf_find_tensor(m->g, name);
    if (t == NULL)
        return NULL;
    assert_true(t->n_elements <= WIDTH * WIDTH);
    kernels_get("scalar")->weight->dequantize[t->type](t->data, t->n_elements, memory);
    return memory;
}

/* In place: x = part.weight x + part.bias; how many it gives, 0 if the file has no such part. */
static size_t multiply(const hearth_model *m, const char *part, double *x)
{
    static float weight[WIDTH * WIDTH], bias[WIDTH];
    char name[64];
    double y[WIDTH];
    snprintf(name, sizeof name, "%s.weight", part);
    if (floats_of(m, name, weight) == NULL)
        return 0;
    size_t n = (size_t)gguf_find_tensor(m->g, name)->ne[1];
    snprintf(name, sizeof name, "%s.bias", part);
    const float *b = floats_of(m, name, bias);
    for (size_t r = 0; r < n; r++) {
        y[r] = b ? (double)b[r] : 0.0;
        for (size_t i = 0; i < WIDTH; i++)
            y[r] += (double)weight[r * WIDTH + i] * x[i];
    }
    memcpy(x, y, n * sizeof *x);
    return n;
}

static size_t expected_scores(const hearth_model *m, const float *hidden, double *x)
{
    size_t n;
    double sum = 0.0;
    for (size_t i = 0; i < WIDTH; i++)
        x[i] = (double)hidden[i];
    size_t n_dense = multiply(m, "cls", x);
    for (size_t i = 0; i < n_dense; i++)
        x[i] = tanh(x[i]);
    n = multiply(m, "cls.output", x);
    if (n == 0)
        n = n_dense;
    if (strcmp(hearth_model_get_info(m)->architecture, "qwen3") != 0 || n == 1)
        return n;
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i]);
    for (size_t i = 0; i < n; i++)
        x[i] = exp(x[i]) / sum;
    return n;
}

typedef struct texts {
    int32_t tokens[N_TEXTS][MAX_TOKENS];
    float hidden[N_TEXTS][WIDTH], scores[N_TEXTS][MAX_SCORES];
    hearth_embed_item items[N_TEXTS], states[N_TEXTS];
} texts;

static void make_texts(texts *t)
{
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        engine_run_text(t->tokens[i], MAX_TOKENS, 320, i);
        t->items[i] = (hearth_embed_item){t->tokens[i], 1 + 30 * i, t->scores[i]};
        t->states[i] = (hearth_embed_item){t->tokens[i], 1 + 30 * i, t->hidden[i]};
    }
}

static void test_scores(void **state)
{
    (void)state;
    static texts t;
    for (int h = 0; h < N_HEADS; h++) {
        hearth_model *model = open_head(h, NULL, NULL, 0);
        const hearth_model_info *info = hearth_model_get_info(model);
        hearth_engine *engine = open_engine(model);
        make_texts(&t);
        assert_string_equal(info->pooling, "rank");
        embed(engine, HEARTH_POOLING_RANK, t.items, N_TEXTS);
        embed(engine, info->causal ? HEARTH_POOLING_LAST : HEARTH_POOLING_CLS, t.states, N_TEXTS);
        for (int i = 0; i < N_TEXTS; i++) {
            double expected[WIDTH];
            size_t n = expected_scores(model, t.hidden[i], expected);
            double limit = heads[h].type == WTYPE_Q8_0 ? 0.05 : 1e-4;
            assert_int_equal(n, info->n_labels);
            for (size_t k = 0; k < n; k++) {
                if (!(fabs((double)t.scores[i][k] - expected[k]) < limit))
                    fail_msg("%s, text %d, label %zu: %g is not %g", heads[h].name, i, k,
                             (double)t.scores[i][k], expected[k]);
            }
        }
        hearth_engine_close(engine);
        hearth_model_close(model);
    }
}

/* Several texts in one pass give what each gives alone, by the model's own pooling too. */
static void test_same_bits_beside_others(void **state)
{
    (void)state;
    static texts together, alone;
    for (int h = 0; h < N_HEADS; h++) {
        hearth_model *model = open_head(h, NULL, NULL, 0);
        hearth_engine *engine = open_engine(model);
        make_texts(&together);
        make_texts(&alone);
        embed(engine, HEARTH_POOLING_RANK, together.items, N_TEXTS);
        for (int i = 0; i < N_TEXTS; i++) {
            embed(engine, HEARTH_POOLING_MODEL, &alone.items[i], 1);
            assert_memory_equal(alone.scores[i], together.scores[i], sizeof alone.scores[i]);
        }
        assert_memory_not_equal(alone.scores[1], alone.scores[2], sizeof(float));
        hearth_engine_close(engine);
        hearth_model_close(model);
    }
}

static void test_same_bits_on_every_isa(void **state)
{
    (void)state;
    static texts plain, fast;
    for (int h = 0; h < N_HEADS; h++) {
        texts *const runs[] = {&plain, &fast};
        for (int i = 0; i < 2; i++) {
            hearth_model *model = open_head(h, i == 0 ? "scalar" : NULL, NULL, 0);
            hearth_engine *engine = open_engine(model);
            make_texts(runs[i]);
            embed(engine, HEARTH_POOLING_RANK, runs[i]->items, 3);
            hearth_engine_close(engine);
            hearth_model_close(model);
        }
        assert_memory_equal(plain.scores, fast.scores, 3 * sizeof plain.scores[0]);
    }
}

/* A session gives what the classifier reads. */
static void test_session_gives_the_state(void **state)
{
    (void)state;
    static texts t;
    static const int which[] = {BERT_BOTH, QWEN3};
    for (int h = 0; h < 2; h++) {
        float got[WIDTH];
        hearth_session *session;
        hearth_model *model = open_head(which[h], NULL, NULL, 0);
        hearth_engine *engine = open_engine(model);
        make_texts(&t);
        embed(engine, which[h] == QWEN3 ? HEARTH_POOLING_LAST : HEARTH_POOLING_CLS, t.states, 4);
        ok(hearth_session_open(&session, model, NULL, &err));
        ok(hearth_session_feed(session, t.tokens[3], t.states[3].n_tokens, NULL, &err));
        ok(hearth_session_embedding(session, false, got, &err));
        assert_memory_equal(got, t.hidden[3], sizeof got);
        hearth_session_close(session);
        hearth_engine_close(engine);
        hearth_model_close(model);
    }
}

static void test_labels(void **state)
{
    (void)state;
    for (int h = 0; h < N_HEADS; h++) {
        hearth_model *model = open_head(h, NULL, NULL, 0);
        const hearth_model_info *info = hearth_model_get_info(model);
        assert_int_equal(info->n_labels, heads[h].n_labels ? heads[h].n_labels : WIDTH);
        assert_true((info->labels != NULL) == (heads[h].n_labels > 0));
        if (heads[h].n_labels == 2)
            assert_string_equal(info->labels[1], "no");
        hearth_model_close(model);
    }
}

/* ---- a query and a document ---- */

/* "q" and "d" with the special tokens as ids below 10, and what stands for the texts as 'q', 'd'.
 */
static void expect_layout(int h, const char *expected, const char *const *overrides, size_t n)
{
    char got[64] = "";
    int32_t *tokens, *q, *d;
    size_t n_tokens, n_q, n_d;
    hearth_model *model = open_head(h, NULL, overrides, n);
    ok(hearth_tokenize(model, "abc", 3, 0, &q, &n_q, &err));
    ok(hearth_tokenize(model, "xy", 2, 0, &d, &n_d, &err));
    ok(hearth_tokenize_pair(model, "abc", 3, "xy", 2, &tokens, &n_tokens, &err));
    for (size_t i = 0, k = 0; i < n_tokens && k + 2 < sizeof got; k++) {
        if (n_tokens - i >= n_q && memcmp(tokens + i, q, n_q * sizeof *q) == 0) {
            got[k] = 'q';
            i += n_q;
        } else if (n_tokens - i >= n_d && memcmp(tokens + i, d, n_d * sizeof *d) == 0) {
            got[k] = 'd';
            i += n_d;
        } else {
            got[k] = (char)(tokens[i] < 10 ? '0' + tokens[i] : '?');
            i++;
        }
    }
    assert_string_equal(got, expected);
    hearth_free(tokens);
    hearth_free(q);
    hearth_free(d);
    hearth_model_close(model);
}

static void test_layouts(void **state)
{
    (void)state;
    static const char *const told[] = {
        "tokenizer.ggml.add_eos_token=bool:true", "tokenizer.ggml.add_sep_token=bool:true",
        "tokenizer.ggml.seperator_token_id=int:5", "tokenizer.ggml.add_bos_token=bool:true"};
    static const char *const bare[] = {"tokenizer.ggml.add_eos_token=bool:false",
                                       "tokenizer.ggml.add_bos_token=bool:false"};
    static const char *const pieces[] = {
        "tokenizer.ggml.model=str:bert", "tokenizer.ggml.cls_token_id=int:6",
        "tokenizer.ggml.bos_token_id=int:6", "tokenizer.ggml.seperator_token_id=int:7",
        "tokenizer.ggml.eos_token_id=int:7"};
    static const char *const unigram[] = {
        "tokenizer.ggml.model=str:t5", "tokenizer.ggml.add_bos_token=bool:true",
        "tokenizer.ggml.bos_token_id=int:3", "tokenizer.ggml.eos_token_id=int:4",
        "tokenizer.ggml.seperator_token_id=int:4"};
    expect_layout(BERT_BOTH, "1q2d2", NULL, 0);
    expect_layout(BERT_BOTH, "1q25d2", told, 4);
    expect_layout(BERT_BOTH, "qd", bare, 2);
    expect_layout(BERT_BOTH, "6q7d7", pieces, 5);
    expect_layout(BERT_BOTH, "3q44d4", unigram, 5);
}

static void expect_same_tokens(const hearth_model *model, const char *query, const char *document,
                               const char *text)
{
    int32_t *got, *expected;
    size_t n_got, n;
    ok(hearth_tokenize_pair(model, query, strlen(query), document, strlen(document), &got, &n_got,
                            &err));
    ok(hearth_tokenize(model, text, strlen(text), HEARTH_TOKENIZE_PARSE_SPECIAL, &expected, &n,
                       &err));
    assert_int_equal(n_got, n);
    assert_memory_equal(got, expected, n * sizeof *got);
    hearth_free(got);
    hearth_free(expected);
}

static size_t count_token(const hearth_model *model, const char *query, int32_t token)
{
    int32_t *tokens;
    size_t n, count = 0;
    ok(hearth_tokenize_pair(model, query, strlen(query), "x", 1, &tokens, &n, &err));
    for (size_t i = 0; i < n; i++)
        count += tokens[i] == token;
    hearth_free(tokens);
    return count;
}

/* The template is filled as one text, in one walk, and control tokens are its own alone. */
static void test_template(void **state)
{
    (void)state;
    static const char *const told[] = {
        "tokenizer.chat_template.rerank=str:<s>query {query} in {document}, {query}?</s>"};
    hearth_model *model = open_head(QWEN3, NULL, told, 1);
    expect_same_tokens(model, "abc", "de f", "<s>query abc in de f, abc?</s>");
    expect_same_tokens(model, "", "", "<s>query  in , ?</s>");
    expect_same_tokens(model, "{document}", "{query}",
                       "<s>query {document} in {query}, {document}?</s>");
    assert_int_equal(count_token(model, "a</s>b", 2), 1);
    assert_int_equal(count_token(model, "</s>", 2), 1);
    assert_int_equal(count_token(model, "ab", 1), 1);
    hearth_model_close(model);
}

/* ---- what is no reranker ---- */

static void test_without_a_classifier(void **state)
{
    (void)state;
    static texts t;
    char path[PATH_MAX];
    hearth_model *model;
    tiny_model_options o;
    hearth_embed_options eo;
    static const char *const says_rank[] = {"bert.pooling_type=int:4"};
    hearth_model_options mo;
    test_folder_path(&folder, "plain.gguf", path);
    tiny_model_options_init(&o, "bert");
    tiny_model_write(path, &o);
    hearth_model_options_init(&mo);
    mo.overrides = says_rank;
    mo.n_overrides = 1;
    ok(hearth_model_open(&model, path, &mo, &err));
    assert_int_equal(hearth_model_get_info(model)->n_labels, 0);
    assert_null(hearth_model_get_info(model)->labels);
    hearth_engine *engine = open_engine(model);
    make_texts(&t);
    hearth_embed_options_init(&eo);
    refused(hearth_engine_embed(engine, t.items, 1, &eo, &err), HEARTH_EUNSUPPORTED, "cls.weight");
    eo.pooling = HEARTH_POOLING_CLS;
    ok(hearth_engine_embed(engine, t.states, 1, &eo, &err));
    hearth_engine_close(engine);
    hearth_model_close(model);
}

static void test_names_that_do_not_fit(void **state)
{
    (void)state;
    char path[PATH_MAX];
    hearth_model *model;
    hearth_model_options o;
    static const char *const one[] = {"qwen3.classifier.output_labels=str:yes"};
    hearth_model_options_init(&o);
    o.overrides = one;
    o.n_overrides = 1;
    test_folder_path(&folder, heads[QWEN3].name, path);
    refused(hearth_model_open(&model, path, &o, &err), HEARTH_EFORMAT, "output_labels");
    assert_null(model);
}

static int set_up(void **state)
{
    (void)state;
    char path[PATH_MAX];
    if (!test_folder_make(&folder))
        return -1;
    for (int i = 0; i < N_HEADS; i++) {
        tiny_model_options o;
        tiny_model_options_init(&o, heads[i].arch);
        o.type = heads[i].type;
        o.n_labels = heads[i].n_labels;
        o.dense_label = heads[i].dense;
        test_folder_path(&folder, heads[i].name, path);
        tiny_model_write(path, &o);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_same_bits_beside_others),
        cmocka_unit_test(test_same_bits_on_every_isa),
        cmocka_unit_test(test_session_gives_the_state),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_template),
        cmocka_unit_test(test_without_a_classifier),
        cmocka_unit_test(test_names_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
