/* SPDX-License-Identifier: MIT
 *
 * test_training.c - what trains the built-in model: the gradient is that of the loss, the bits do
 * not depend on threads, instruction set or interruptions, and the exported file is the same
 * function.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hearth/hearth.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "ember/conversation.h"
#include "ember/export.h"
#include "ember/gemm.h"
#include "ember/train.h"
#include "ember/vocabulary.h"
#include "support/test_reference.h"

static const net_shape tiny = {.n_vocab = VOCABULARY_SIZE,
                               .n_embd = 64,
                               .n_layer = 2,
                               .n_head = 4,
                               .n_head_kv = 2,
                               .n_ff = 96,
                               .n_ctx = 256,
                               .rope_base = 10000.0f,
                               .norm_eps = 1e-5f};

static hearth_error err;
static test_folder folder;
static char vocabulary_path[PATH_MAX];
static corpus *c;
static hearth_model *vocabulary;

static void must(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s", err.message);
}

static int set_up(void **state)
{
    hearth_model_options options;
    (void)state;
    hearth_model_options_init(&options);
    options.scope = HEARTH_SCOPE_TOKENIZER;
    bool ok = test_folder_make(&folder) &&
              corpus_open(&c, HEARTH_SOURCE_DIR "/models/ember/corpus", &err) == HEARTH_OK;
    snprintf(vocabulary_path, sizeof vocabulary_path, "%.4000s/vocabulary.gguf", folder.path);
    ok = ok && vocabulary_train(c, 1, 500, vocabulary_path, &err) == HEARTH_OK &&
         hearth_model_open(&vocabulary, vocabulary_path, &options, &err) == HEARTH_OK;
    if (!ok)
        printf("%s\n", err.message);
    return ok ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    hearth_model_close(vocabulary);
    corpus_close(c);
    test_folder_remove(&folder);
    return 0;
}

/* ---- a batch that needs no corpus ---- */

enum { N_TOKENS = 300 };

typedef struct small_batch {
    int32_t tokens[N_TOKENS], targets[N_TOKENS];
    float weights[N_TOKENS];
    size_t starts[4];
    net_batch batch;
} small_batch;

static void fill_batch(small_batch *b)
{
    rng r = rng_new(5, 0);
    for (size_t i = 0; i < N_TOKENS; i++) {
        b->tokens[i] = (int32_t)rng_below(&r, 96);
        b->targets[i] = (int32_t)rng_below(&r, 96);
        b->weights[i] = 0.5f * (float)rng_below(&r, 3);
    }
    b->starts[0] = 0;
    b->starts[1] = 7;
    b->starts[2] = 100;
    b->starts[3] = N_TOKENS;
    b->batch = (net_batch){N_TOKENS, b->tokens, b->targets, b->weights, 3, b->starts, 0.2f, 77};
}

static void disturb(net *n)
{
    rng r = rng_new(6, 0);
    for (size_t i = 0; i < net_get_layout(n)->n; i++)
        net_parameters(n)[i] += 0.1f * (float)rng_normal(&r);
}

static void test_gradient_is_the_slope_of_the_loss(void **state)
{
    net_shape shape = tiny;
    net *n;
    small_batch b;
    (void)state;
    shape.n_vocab = 96;
    must(net_open(&n, &shape, N_TOKENS, 2, "unrounded", &err));
    net_init_parameters(n, 1);
    disturb(n);
    fill_batch(&b);
    const net_layout *l = net_get_layout(n);
    const size_t places[] = {l->embd + 5 * 64 + 3,
                             l->embd + (size_t)b.tokens[50] * 64 + 7,
                             l->layers[0].attn_norm + 5,
                             l->layers[0].qkv + 3 * 128 + 20,
                             l->layers[1].qkv + 5 * 128 + 70,
                             l->layers[1].qkv + 5 * 128 + 110,
                             l->layers[0].attn_out + 77,
                             l->layers[1].ffn_norm + 9,
                             l->layers[0].gate_up + 150,
                             l->layers[1].gate_up + 500,
                             l->layers[0].down + 999,
                             l->out_norm + 3};
    float slopes[sizeof places / sizeof *places];
    net_gradient(n, &b.batch);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        slopes[i] = net_gradients(n)[places[i]];
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const double step = 0.02;
        float *w = net_parameters(n) + places[i], old = *w;
        *w = old + (float)step;
        double above = net_gradient(n, &b.batch);
        *w = old - (float)step;
        double below = net_gradient(n, &b.batch);
        *w = old;
        double slope = (above - below) / (2 * step);
        if (fabs(slope - (double)slopes[i]) > 1e-5 + 0.01 * fabs(slope))
            fail_msg("parameter %zu: the loss has slope %g, the gradient says %g", places[i], slope,
                     (double)slopes[i]);
    }
    net_close(n);
}

static uint64_t gradient_hash(int n_threads, const char *isa)
{
    net *n;
    small_batch b;
    fill_batch(&b);
    must(net_open(&n, &tiny, N_TOKENS, n_threads, isa, &err));
    net_init_parameters(n, 1);
    disturb(n);
    double loss = net_gradient(n, &b.batch);
    uint64_t hash = hash_bytes(HASH_START, &loss, sizeof loss);
    hash = hash_bytes(hash, net_gradients(n), net_get_layout(n)->n * sizeof(float));
    net_close(n);
    return hash;
}

static void test_gradient_has_the_same_bits_everywhere(void **state)
{
    static const char *const sets[] = {"avx2", "avx512", "amx", "neon"};
    uint64_t want = gradient_hash(1, "scalar");
    (void)state;
    assert_true(gradient_hash(3, "scalar") == want);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (gemm_kernels_get(sets[i]) == NULL)
            continue; /* another machine's */
        assert_true(gradient_hash(1, sets[i]) == want);
        assert_true(gradient_hash(2, sets[i]) == want);
    }
}

/* ---- training ---- */

static train_options short_run(void)
{
    return (train_options){
        .seed = 3, .n_steps = 6, .batch_tokens = 512, .rate = 2e-3f, .checkpoint_steps = 2};
}

static uint64_t train_hash(const train_options *o, int n_threads, hearth_status want)
{
    net *n;
    must(net_open(&n, &tiny, o->batch_tokens, n_threads, NULL, &err));
    hearth_status status = train_run(n, &tiny, c, vocabulary, o, &err);
    if (status != want)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
    uint64_t hash = hash_bytes(HASH_START, net_parameters(n), net_get_layout(n)->n * sizeof(float));
    net_close(n);
    return hash;
}

static void test_interruption_changes_nothing(void **state)
{
    char path[PATH_MAX];
    train_options o = short_run(), interrupted = o, other;
    uint64_t want = train_hash(&o, 1, HEARTH_OK);
    (void)state;
    snprintf(path, sizeof path, "%.4000s/checkpoint", folder.path);
    interrupted.checkpoint = path;
    interrupted.stop_after = 3; /* one step beyond the last checkpoint */
    train_hash(&interrupted, 2, HEARTH_ECANCELED);
    interrupted.stop_after = 0;
    assert_true(train_hash(&interrupted, 2, HEARTH_OK) == want);
    other = interrupted;
    other.seed++;
    train_hash(&other, 1, HEARTH_EMISMATCH);
}

static void test_damaged_checkpoint_is_refused(void **state)
{
    char path[PATH_MAX];
    train_options o = short_run();
    (void)state;
    snprintf(path, sizeof path, "%.4000s/damaged", folder.path);
    o.checkpoint = path;
    train_hash(&o, 1, HEARTH_OK);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 5000, SEEK_SET), 0);
    assert_int_not_equal(fputc('x', f), EOF);
    assert_int_not_equal(fputc('y', f), EOF);
    assert_int_equal(fclose(f), 0);
    train_hash(&o, 1, HEARTH_EMISMATCH);
}

/* ---- export ---- */

typedef struct loss_sum {
    const token_list *list;
    double loss, weights;
} loss_sum;

static bool add_loss(void *user, size_t position, const float *logits, size_t n_vocab)
{
    loss_sum *s = user;
    int32_t target = s->list->targets[position];
    double top = -INFINITY, sum = 0, weight = (double)s->list->weights[position];
    if (weight == 0)
        return true;
    for (size_t i = 0; i < n_vocab; i++)
        top = (double)logits[i] > top ? (double)logits[i] : top;
    for (size_t i = 0; i < n_vocab; i++)
        sum += fmath_exp((double)logits[i] - top);
    s->loss += weight * (top + fmath_log(sum) - (double)logits[target]);
    s->weights += weight;
    return true;
}

static double loss_of_file(const char *path, const token_list *list)
{
    hearth_model *model;
    hearth_session *session;
    hearth_session_options options;
    hearth_feed_options feed;
    loss_sum sum = {.list = list};
    hearth_session_options_init(&options);
    options.cache_type_k = options.cache_type_v = HEARTH_CACHE_F32;
    options.n_threads = 1;
    hearth_feed_options_init(&feed);
    feed.on_logits = add_loss;
    feed.user = &sum;
    must(hearth_model_open(&model, path, NULL, &err));
    must(hearth_session_open(&session, model, &options, &err));
    must(hearth_session_feed(session, list->tokens, list->n, &feed, &err));
    hearth_session_close(session);
    hearth_model_close(model);
    return sum.loss / sum.weights;
}

static void test_exported_file_is_the_same_function(void **state)
{
    char path[PATH_MAX];
    net *n;
    rng r = rng_new(9, 0);
    conversation one;
    token_list list = {0};
    (void)state;
    must(conversation_draw(&one, c, &r, &err));
    must(conversation_tokenize(&one, vocabulary, tiny.n_ctx, 0.5f, &list, &err));
    conversation_clear(&one);
    assert_true(list.n > 8);
    must(net_open(&n, &tiny, list.n, 1, "unrounded", &err));
    net_init_parameters(n, 4);
    disturb(n);
    size_t starts[] = {0, list.n};
    double loss = net_gradient(
        n, &(net_batch){list.n, list.tokens, list.targets, list.weights, 1, starts, 0, 0});
    snprintf(path, sizeof path, "%.4000s/tiny.gguf", folder.path);
    must(export_gguf(net_parameters(n), &tiny, vocabulary_path, path, &err));
    net_close(n);
    double exported = loss_of_file(path, &list);
    token_list_deinit(&list);
    if (fabs(exported - loss) > 1e-4 * loss)
        fail_msg("the net has loss %g, its file %g", loss, exported);
}

static void test_vocabulary_writes_every_text(void **state)
{
    static const char text[] = "Hearth: caf\xc3\xa9 \xe2\x82\xac 12345\n\t\x01 {\"a\": 1}";
    int32_t *tokens;
    size_t n, n_text;
    char *back;
    (void)state;
    assert_int_equal(hearth_model_get_info(vocabulary)->n_vocab, VOCABULARY_SIZE);
    must(hearth_tokenize(vocabulary, text, strlen(text), 0, &tokens, &n, &err));
    must(hearth_detokenize(vocabulary, tokens, n, false, &back, &n_text, &err));
    assert_int_equal(n_text, strlen(text));
    assert_memory_equal(back, text, n_text);
    hearth_free(tokens);
    hearth_free(back);
    must(hearth_tokenize(vocabulary, "<|im_start|>user", 16, HEARTH_TOKENIZE_PARSE_SPECIAL, &tokens,
                         &n, &err));
    assert_int_equal(tokens[0], 1);
    hearth_free(tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_is_the_slope_of_the_loss),
        cmocka_unit_test(test_gradient_has_the_same_bits_everywhere),
        cmocka_unit_test(test_interruption_changes_nothing),
        cmocka_unit_test(test_damaged_checkpoint_is_refused),
        cmocka_unit_test(test_exported_file_is_the_same_function),
        cmocka_unit_test(test_vocabulary_writes_every_text),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
