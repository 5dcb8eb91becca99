/* SPDX-License-Identifier: MIT
 *
 * test_quantize_recipe.c - which format each tensor gets: the rules of every recipe on models made
 * of names alone, and what happens where rows do not divide.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "engine/quantize_recipe.h"

/* A decoder of n layers, rows of 256, as lists of names. */
typedef struct names {
    const char *const *top;
    const char *const *layer;
} names;

static const char *const top_names[] = {"output.weight", "token_embd.weight", NULL};
static const char *const tied_names[] = {"token_embd.weight", NULL};
static const char *const dense_layer[] = {"attn_k",   "attn_output", "attn_q", "attn_v",
                                          "ffn_down", "ffn_gate",    "ffn_up", NULL};
static const char *const fused_layer[] = {"attn_output", "attn_qkv", "ffn_down", "ffn_up", NULL};
static const char *const expert_layer[] = {
    "attn_k",        "attn_output",  "attn_v",      "ffn_down_exps",
    "ffn_gate_exps", "ffn_gate_inp", "ffn_up_exps", NULL};

static const names dense = {top_names, dense_layer}, tied = {tied_names, dense_layer},
                   fused = {top_names, fused_layer}, experts = {top_names, expert_layer};

enum { MAX_TENSORS = 1024, MAX_NAME = 48 };

typedef struct chosen {
    char name[MAX_NAME];
    quantize_choice choice;
} chosen;

static chosen results[MAX_TENSORS];
static size_t n_results;

static gguf_string text(const char *s)
{
    return (gguf_string){s, strlen(s)};
}

static gguf_tensor make_tensor(const char *name, uint64_t columns, uint64_t rows, uint64_t depth)
{
    return (gguf_tensor){.name = text(name),
                         .type = WTYPE_F16,
                         .n_dims = depth > 1 ? 3 : 2,
                         .ne = {columns, rows, depth, 1},
                         .n_elements = columns * rows * depth};
}

/* Outside of the layers for layer -1. */
static void make_name(char *out, const char *name, int layer)
{
    if (layer < 0)
        snprintf(out, MAX_NAME, "%s", name);
    else
        snprintf(out, MAX_NAME, "blk.%d.%s.weight", layer, name);
}

static void add_name(const char *name, int layer)
{
    assert_true(n_results < MAX_TENSORS);
    make_name(results[n_results++].name, name, layer);
}

/* Fills results with what the mixture chooses for a whole model. */
static void choose_all(quantize_mixture *m, const char *recipe, const names *model)
{
    m->recipe = quantize_recipe_find(recipe);
    assert_non_null(m->recipe);
    m->tied = true;
    n_results = 0;
    for (int i = 0; model->top[i]; i++)
        add_name(model->top[i], -1);
    for (int layer = 0; layer < m->n_layer; layer++) {
        for (int i = 0; model->layer[i]; i++)
            add_name(model->layer[i], layer);
    }
    for (size_t i = 0; i < n_results; i++)
        quantize_mixture_add(m, text(results[i].name));
    for (size_t i = 0; i < n_results; i++) {
        bool expert = strstr(results[i].name, "_exps") != NULL;
        gguf_tensor t = make_tensor(results[i].name, 256, 8, expert ? 8 : 1);
        results[i].choice = quantize_choose(m, &t);
    }
}

static const char *type_of(const char *short_name, int layer)
{
    char name[MAX_NAME];
    make_name(name, short_name, layer);
    for (size_t i = 0; i < n_results; i++) {
        if (strcmp(results[i].name, name) == 0)
            return wtype_get(results[i].choice.type)->name;
    }
    fail_msg("no tensor %s", name);
    return "";
}

static void expect(const char *name, int layer, const char *type)
{
    const char *got = type_of(name, layer);
    if (strcmp(got, type) != 0)
        fail_msg("layer %d of %s: %s, expected %s", layer, name, got, type);
}

/* The layers of the tensors named so that got this type, as "0 1 2 5". */
static void expect_layers(const char *name, const char *type, int n_layer, const char *layers)
{
    char got[512] = "";
    size_t n = 0;
    for (int layer = 0; layer < n_layer; layer++) {
        if (strcmp(type_of(name, layer), type) == 0)
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%d", n ? " " : "", layer);
    }
    assert_string_equal(got, layers);
}

static void test_recipes_are_found_by_name(void **state)
{
    (void)state;
    size_t n = 0;
    for (; quantize_recipe_at(n); n++) {
        const quantize_recipe *recipe = quantize_recipe_at(n);
        assert_ptr_equal(quantize_recipe_find(recipe->name), recipe);
        for (size_t i = 0; i < n; i++)
            assert_true(quantize_recipe_at(i)->file_type != recipe->file_type);
    }
    assert_true(n >= 23);
    assert_null(quantize_recipe_at(n + 100));
    assert_int_equal(quantize_recipe_find("q4_k_m")->file_type, 15);
    assert_null(quantize_recipe_find("Q4_K"));
    assert_null(quantize_recipe_find(""));
}

static void test_q4_k_m(void **state)
{
    (void)state;
    quantize_mixture m = {.n_layer = 16, .n_head = 8, .n_head_kv = 8};
    choose_all(&m, "Q4_K_M", &dense);
    expect("output.weight", -1, "Q6_K");
    expect("token_embd.weight", -1, "Q4_K");
    /* The first two, the last two, every third between. */
    expect_layers("ffn_down", "Q6_K", 16, "0 1 4 7 10 13 14 15");
    expect_layers("attn_v", "Q6_K", 16, "0 1 4 7 10 13 14 15");
    expect_layers("ffn_up", "Q4_K", 16, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
    expect("attn_q", 0, "Q4_K");
    expect("attn_output", 0, "Q4_K");
}

static void test_small_and_large_neighbours(void **state)
{
    (void)state;
    quantize_mixture m = {.n_layer = 16, .n_head = 8, .n_head_kv = 8};
    choose_all(&m, "Q4_K_S", &dense);
    expect_layers("attn_v", "Q5_K", 16, "0 1 2 3");
    expect_layers("ffn_down", "Q5_K", 16, "0 1");
    m = (quantize_mixture){.n_layer = 16, .n_head = 8, .n_head_kv = 8};
    choose_all(&m, "Q5_K_M", &dense);
    expect_layers("attn_v", "Q6_K", 16, "0 1 4 7 10 13 14 15");
    m = (quantize_mixture){.n_layer = 16, .n_head = 8, .n_head_kv = 8};
    choose_all(&m, "Q5_K_S", &dense);
    expect_layers("attn_v", "Q6_K", 16, "");
    expect("output.weight", -1, "Q6_K");
    m = (quantize_mixture){.n_layer = 16, .n_head = 8, .n_head_kv = 8};
    choose_all(&m, "Q3_K_M", &dense);
    expect_layers("attn_v", "Q5_K", 16, "0 1");
    expect_layers("ffn_down", "Q5_K", 16, "0");
    expect("ffn_down", 1, "Q4_K");
    expect("attn_output", 3, "Q4_K");
    expect("ffn_up", 3, "Q3_K");
    m = (quantize_mixture){.n_layer = 16, .n_head = 8, .n_head_kv = 8};
    choose_all(&m, "Q3_K_L", &dense);
    expect("attn_v", 9, "Q5_K");
    expect("ffn_down", 9, "Q5_K");
    expect("attn_output", 9, "Q5_K");
}

static void test_shared_values_get_more(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        quantize_mixture m = {.n_layer = 8, .n_head = 32, .n_head_kv = shared ? 8 : 16};
        choose_all(&m, "IQ4_NL", &dense);
        expect("attn_v", 5, shared ? "Q5_K" : "IQ4_NL");
        expect_layers("ffn_down", "Q5_K", 8, "0");
        m.n_attn_v = m.i_attn_v = m.i_ffn_down = 0;
        choose_all(&m, "Q2_K", &dense);
        expect("attn_v", 5, shared ? "Q4_K" : "Q3_K");
        expect("ffn_down", 5, "Q3_K");
        m.n_attn_v = m.i_attn_v = m.i_ffn_down = 0;
        choose_all(&m, "Q2_K_S", &dense);
        expect("attn_v", 5, shared ? "Q4_K" : "Q2_K");
        expect_layers("ffn_down", "Q4_K", 8, "0");
    }
    quantize_mixture large = {
        .architecture = text("llama"), .n_layer = 80, .n_head = 64, .n_head_kv = 8};
    choose_all(&large, "Q4_K_M", &dense);
    expect("attn_v", 11, "Q5_K");
    expect("attn_v", 12, "Q6_K");
    expect("ffn_up", 11, "Q4_K");
}

static void test_tied_embeddings_are_the_output(void **state)
{
    (void)state;
    quantize_mixture m = {.n_layer = 4, .n_head = 8, .n_head_kv = 8};
    choose_all(&m, "Q4_K_M", &tied);
    expect("token_embd.weight", -1, "Q6_K");
    m = (quantize_mixture){.n_layer = 4};
    choose_all(&m, "Q8_0", &tied);
    expect("token_embd.weight", -1, "Q8_0");
    m = (quantize_mixture){.n_layer = 4};
    choose_all(&m, "TQ1_0", &dense);
    expect("token_embd.weight", -1, "Q4_K");
    expect("output.weight", -1, "Q6_K");
    expect("attn_q", 0, "TQ1_0");
}

static void test_eight_experts(void **state)
{
    (void)state;
    quantize_mixture m = {.n_layer = 16, .n_head = 32, .n_head_kv = 8, .n_expert = 8};
    choose_all(&m, "Q4_K_M", &experts);
    expect("attn_v", 3, "Q8_0");
    expect("attn_k", 3, "Q8_0");
    expect("attn_output", 3, "Q5_K");
    expect_layers("ffn_down_exps", "Q6_K", 16, "0 1 4 7 10 13 14 15");
    expect("ffn_gate_inp", 3, "F16");
    m = (quantize_mixture){.n_layer = 16, .n_head = 32, .n_head_kv = 8, .n_expert = 16};
    choose_all(&m, "Q4_K_M", &experts);
    expect("attn_k", 3, "Q4_K");
    expect("attn_output", 3, "Q4_K");
    m = (quantize_mixture){.n_layer = 16, .n_head = 32, .n_head_kv = 8, .n_expert = 16};
    choose_all(&m, "MXFP4_MOE", &experts);
    expect("ffn_up_exps", 3, "MXFP4");
    expect("attn_k", 3, "Q8_0");
    expect("output.weight", -1, "Q8_0");
}

static void test_falcon_and_fused_attention(void **state)
{
    (void)state;
    quantize_mixture m = {
        .architecture = text("falcon"), .n_layer = 32, .n_head = 8, .n_head_kv = 1};
    choose_all(&m, "Q4_K_M", &fused);
    expect("output.weight", -1, "Q8_0");
    expect_layers("ffn_down", "Q6_K", 32, "0 1");
    expect_layers("ffn_down", "Q5_K", 32, "2 3 6 9 12 15 18 21 24 27 28 29 30 31");
    expect_layers("attn_qkv", "Q6_K", 32, "0 1 2 3 6 9 12 15 18 21 24 27 28 29 30 31");
    m = (quantize_mixture){.architecture = text("phi3"), .n_layer = 32};
    choose_all(&m, "Q4_K_M", &fused);
    expect("output.weight", -1, "Q6_K");
}

static void test_pure_has_one_format(void **state)
{
    (void)state;
    quantize_mixture m = {.n_layer = 16, .n_head = 32, .n_head_kv = 8, .pure = true};
    choose_all(&m, "Q4_K_M", &dense);
    for (size_t i = 0; i < n_results; i++)
        assert_int_equal(results[i].choice.type, WTYPE_Q4_K);
}

static quantize_choice choose_one(const char *recipe, const char *name, uint64_t columns,
                                  uint64_t rows)
{
    quantize_mixture m = {.recipe = quantize_recipe_find(recipe), .n_layer = 1};
    gguf_tensor t = make_tensor(name, columns, rows, 1);
    return quantize_choose(&m, &t);
}

static void test_rows_that_do_not_divide(void **state)
{
    (void)state;
    static const struct {
        const char *recipe;
        uint64_t columns;
        const char *type;
    } cases[] = {
        {"Q4_K_S", 256, "Q4_K"},  {"Q4_K_S", 96, "Q5_0"}, {"Q4_K_S", 80, "F16"},
        {"Q5_K_S", 96, "Q5_1"},   {"Q6_K", 96, "Q8_0"},   {"Q3_K_S", 96, "IQ4_NL"},
        {"IQ4_XS", 96, "IQ4_NL"}, {"Q2_K", 32, "IQ4_NL"}, {"TQ1_0", 32, "Q4_0"},
        {"TQ2_0", 32, "Q4_0"},    {"Q8_0", 32, "Q8_0"},   {"Q8_0", 33, "F16"},
        {"Q4_0", 16, "F16"},      {"F16", 7, "F16"},      {"MXFP4_MOE", 40, "F16"},
        {"BF16", 1, "BF16"},      {"Q1_0", 64, "F16"},    {"Q2_0", 32, "Q4_0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        quantize_choice c = choose_one(cases[i].recipe, "blk.0.ffn_up.weight", cases[i].columns, 4);
        assert_string_equal(wtype_get(c.type)->name, cases[i].type);
        bool divides = cases[i].columns % wtype_get(c.wanted)->block_elements == 0;
        assert_int_equal(c.type == c.wanted, divides);
    }
    /* An output that does not divide goes to Q8_0 by rule, which is no fallback. */
    quantize_choice c = choose_one("Q4_K_M", "output.weight", 96, 4);
    assert_int_equal(c.type, WTYPE_Q8_0);
    assert_int_equal(c.wanted, WTYPE_Q8_0);
}

static void test_what_stays_as_it_is(void **state)
{
    (void)state;
    static const char *const kept[] = {
        "blk.0.attn_norm.weight",
        "blk.0.ffn_gate_inp.weight",
        "position_embd.weight",
        "token_types.weight",
        "blk.0.ssm_conv1d.weight",
        "blk.0.ffn_up.bias",
        "rope_freqs",
        "blk.0.time_mix_w1.weight",
        "weigh",
    };
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_int_equal(choose_one("Q4_0", kept[i], 256, 4).type, WTYPE_F16);
    assert_int_equal(choose_one("Q4_0", "blk.0.ffn_up.weight", 256, 1).type, WTYPE_F16);
    assert_int_equal(choose_one("Q4_0", "blk.0.ffn_up.weight", 256, 2).type, WTYPE_Q4_0);
    assert_int_equal(choose_one("Q4_0", "weight", 256, 2).type, WTYPE_Q4_0);
    quantize_mixture m = {.recipe = quantize_recipe_find("Q4_0")};
    gguf_tensor t = make_tensor("blk.0.ffn_up.weight", 256, 4, 1);
    t.type = WTYPE_I32;
    assert_int_equal(quantize_choose(&m, &t).type, WTYPE_I32);
}

static int order(const char *a, const char *b)
{
    gguf_tensor x = make_tensor(a, 1, 1, 1), y = make_tensor(b, 1, 1, 1);
    int forth = quantize_tensor_order(&x, &y), back = quantize_tensor_order(&y, &x);
    assert_int_equal(forth > 0, back < 0);
    assert_int_equal(forth<0, back> 0);
    return forth;
}

static void test_order_is_by_layer(void **state)
{
    (void)state;
    assert_true(order("output.weight", "blk.0.a") < 0);
    assert_true(order("blk.2.z", "blk.10.a") < 0);
    assert_true(order("blk.2.a", "blk.2.b") < 0);
    assert_true(order("blk.2.a", "blk.2.ab") < 0);
    assert_true(order("same", "same") == 0);
    assert_true(order("blk.99999999999999999999.a", "blk.0.a") < 0); /* no layer */
    assert_true(order("blk..a", "blk.0.a") < 0);
    assert_true(order("blk.7", "blk.0.a") < 0);
    assert_true(order("", "blk.0.a") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipes_are_found_by_name),
        cmocka_unit_test(test_q4_k_m),
        cmocka_unit_test(test_small_and_large_neighbours),
        cmocka_unit_test(test_shared_values_get_more),
        cmocka_unit_test(test_tied_embeddings_are_the_output),
        cmocka_unit_test(test_eight_experts),
        cmocka_unit_test(test_falcon_and_fused_attention),
        cmocka_unit_test(test_pure_has_one_format),
        cmocka_unit_test(test_rows_that_do_not_divide),
        cmocka_unit_test(test_what_stays_as_it_is),
        cmocka_unit_test(test_order_is_by_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
