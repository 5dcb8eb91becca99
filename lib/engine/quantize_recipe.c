/* SPDX-License-Identifier: MIT
 *
 * quantize_recipe.c - see quantize_recipe.h.
 */
#include "engine/quantize_recipe.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const quantize_recipe recipes[] = {
    {"F32", FILE_TYPE_F32, WTYPE_F32},          {"F16", FILE_TYPE_F16, WTYPE_F16},
    {"BF16", FILE_TYPE_BF16, WTYPE_BF16},       {"Q8_0", FILE_TYPE_Q8_0, WTYPE_Q8_0},
    {"Q6_K", FILE_TYPE_Q6_K, WTYPE_Q6_K},       {"Q5_K_M", FILE_TYPE_Q5_K_M, WTYPE_Q5_K},
    {"Q5_K_S", FILE_TYPE_Q5_K_S, WTYPE_Q5_K},   {"Q5_1", FILE_TYPE_Q5_1, WTYPE_Q5_1},
    {"Q5_0", FILE_TYPE_Q5_0, WTYPE_Q5_0},       {"Q4_K_M", FILE_TYPE_Q4_K_M, WTYPE_Q4_K},
    {"Q4_K_S", FILE_TYPE_Q4_K_S, WTYPE_Q4_K},   {"Q4_1", FILE_TYPE_Q4_1, WTYPE_Q4_1},
    {"Q4_0", FILE_TYPE_Q4_0, WTYPE_Q4_0},       {"IQ4_NL", FILE_TYPE_IQ4_NL, WTYPE_IQ4_NL},
    {"IQ4_XS", FILE_TYPE_IQ4_XS, WTYPE_IQ4_XS}, {"MXFP4_MOE", FILE_TYPE_MXFP4_MOE, WTYPE_MXFP4},
    {"Q3_K_L", FILE_TYPE_Q3_K_L, WTYPE_Q3_K},   {"Q3_K_M", FILE_TYPE_Q3_K_M, WTYPE_Q3_K},
    {"Q3_K_S", FILE_TYPE_Q3_K_S, WTYPE_Q3_K},   {"Q2_K", FILE_TYPE_Q2_K, WTYPE_Q2_K},
    {"Q2_K_S", FILE_TYPE_Q2_K_S, WTYPE_Q2_K},   {"Q2_0", FILE_TYPE_Q2_0, WTYPE_Q2_0},
    {"TQ2_0", FILE_TYPE_TQ2_0, WTYPE_TQ2_0},    {"TQ1_0", FILE_TYPE_TQ1_0, WTYPE_TQ1_0},
    {"Q1_0", FILE_TYPE_Q1_0, WTYPE_Q1_0},
};
enum { N_RECIPES = sizeof recipes / sizeof recipes[0] };

const quantize_recipe *quantize_recipe_at(size_t i)
{
    return i < N_RECIPES ? &recipes[i] : NULL;
}

const quantize_recipe *quantize_recipe_find(const char *name)
{
    for (size_t i = 0; i < N_RECIPES; i++) {
        if (strcasecmp(recipes[i].name, name) == 0)
            return &recipes[i];
    }
    return NULL;
}

/* ---- names ---- */

static bool contains(gguf_string name, const char *part)
{
    return memmem(name.data, name.n, part, strlen(part)) != NULL;
}

static bool equals(gguf_string name, const char *text)
{
    return name.n == strlen(text) && memcmp(name.data, text, name.n) == 0;
}

static bool ends_with(gguf_string name, const char *end)
{
    size_t n = strlen(end);
    return name.n >= n && memcmp(name.data + name.n - n, end, n) == 0;
}

/* N of "blk.N.", or -1. */
static int layer_of(gguf_string name)
{
    static const char prefix[] = "blk.";
    size_t i = sizeof prefix - 1;
    if (name.n < i || memcmp(name.data, prefix, i) != 0)
        return -1;
    int layer = 0;
    size_t first = i;
    for (; i < name.n && name.data[i] >= '0' && name.data[i] <= '9'; i++) {
        if (layer > (INT_MAX - 9) / 10)
            return -1;
        layer = layer * 10 + (name.data[i] - '0');
    }
    return i > first && i < name.n && name.data[i] == '.' ? layer : -1;
}

int quantize_tensor_order(const gguf_tensor *a, const gguf_tensor *b)
{
    int layer_a = layer_of(a->name), layer_b = layer_of(b->name);
    if (layer_a != layer_b)
        return layer_a < layer_b ? -1 : 1;
    size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
    int order = memcmp(a->name.data, b->name.data, n);
    return order ? order : (a->name.n > b->name.n) - (a->name.n < b->name.n);
}

/* ---- kinds of tensors ---- */

typedef enum kind {
    KIND_OUTPUT,
    KIND_TOKEN_EMBD,
    KIND_ATTN_V, /* also fused with others: what holds values */
    KIND_ATTN_K,
    KIND_ATTN_OUTPUT,
    KIND_FFN_DOWN,
    KIND_OTHER
} kind;

static kind kind_of(gguf_string name)
{
    static const struct {
        const char *part;
        kind kind;
    } parts[] = {
        {"attn_qkv.weight", KIND_ATTN_V}, {"attn_kv_b.weight", KIND_ATTN_V},
        {"attn_v.weight", KIND_ATTN_V},   {"attn_k.weight", KIND_ATTN_K},
        {"attn_q.weight", KIND_OTHER},    {"attn_output.weight", KIND_ATTN_OUTPUT},
        {"ffn_up", KIND_OTHER},           {"ffn_gate", KIND_OTHER},
        {"ffn_down", KIND_FFN_DOWN},
    };
    if (equals(name, "output.weight"))
        return KIND_OUTPUT;
    if (equals(name, "token_embd.weight") || equals(name, "per_layer_token_embd.weight"))
        return KIND_TOKEN_EMBD;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (contains(name, parts[i].part))
            return parts[i].kind;
    }
    return KIND_OTHER;
}

/* Weights that are small and sensitive: routing, positions, convolutions, mixing vectors. */
static bool stays_as_it_is(const gguf_tensor *t)
{
    static const char *const parts[] = {
        "_norm.weight",
        "ffn_gate_inp.weight",
        "ffn_gate_tid2eid.weight",
        "altup",
        "laurel",
        "per_layer_model_proj",
        "ssm_conv1d",
        "shortconv.conv.weight",
        "indexer.k_proj.weight",
        "indexer.q_proj.weight",
        "time_mix_first.weight",
        "time_mix_w0.weight",
        "time_mix_w1.weight",
        "time_mix_w2.weight",
        "time_mix_v0.weight",
        "time_mix_v1.weight",
        "time_mix_v2.weight",
        "time_mix_a0.weight",
        "time_mix_a1.weight",
        "time_mix_a2.weight",
        "time_mix_g1.weight",
        "time_mix_g2.weight",
        "time_mix_decay_w1.weight",
        "time_mix_decay_w2.weight",
        "time_mix_lerp_fused.weight",
        "attn_rel_b.weight",
        ".position_embd",
        "sam.pos_embd",
        "sam.neck.",
        "sam.net_",
        ".rel_pos",
        ".patch_embd",
        ".patch_merger",
        "a.rvq.codebook",
        "mm.a.code_embd",
    };
    bool one_row = t->ne[1] == 1 && t->ne[2] == 1 && t->ne[3] == 1;
    if (one_row || wtype_get(t->type)->class == WTYPE_CLASS_N || !ends_with(t->name, "weight") ||
        equals(t->name, "position_embd.weight") || equals(t->name, "token_types.weight"))
        return true;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (contains(t->name, parts[i]))
            return true;
    }
    return false;
}

/* ---- the model ---- */

static hearth_status get_first(const gguf *g, gguf_string architecture, const char *suffix,
                               int *out, hearth_error *err)
{
    char key[160];
    if (architecture.n > sizeof key - 64)
        return HEARTH_OK;
    snprintf(key, sizeof key, "%.*s%s", (int)architecture.n, architecture.data, suffix);
    const gguf_value *v = gguf_find(g, key);
    int64_t value;
    if (v == NULL || (v->type == GGUF_ARRAY && v->n == 0))
        return HEARTH_OK;
    if (!gguf_value_i64(v, 0, &value) || value < 0 || value > INT_MAX)
        FAIL(err, EFORMAT, key, "%s must be a whole number from 0 to %d", key, INT_MAX);
    *out = (int)value;
    return HEARTH_OK;
}

hearth_status quantize_mixture_init(quantize_mixture *mixture, const gguf *g,
                                    const quantize_recipe *recipe, bool pure, hearth_error *err)
{
    *mixture = (quantize_mixture){.recipe = recipe, .pure = pure, .tied = true};
    gguf_string *name = &mixture->architecture;
    *name = (gguf_string){"", 0};
    TRY(gguf_get_string(g, "general.architecture", name, NULL, err));
    TRY(get_first(g, *name, ".block_count", &mixture->n_layer, err));
    TRY(get_first(g, *name, ".attention.head_count", &mixture->n_head, err));
    mixture->n_head_kv = mixture->n_head;
    TRY(get_first(g, *name, ".attention.head_count_kv", &mixture->n_head_kv, err));
    return get_first(g, *name, ".expert_count", &mixture->n_expert, err);
}

void quantize_mixture_add(quantize_mixture *mixture, gguf_string name)
{
    kind k = kind_of(name);
    if (k == KIND_ATTN_V)
        mixture->n_attn_v++;
    if (k == KIND_OUTPUT)
        mixture->tied = false;
}

/* Many query heads share each value: errors there count several times, and bits cost little. */
static bool shares_values(const quantize_mixture *m)
{
    return m->n_head_kv > 0 && m->n_head / m->n_head_kv >= 4;
}

static bool is_falcon(const quantize_mixture *m)
{
    return equals(m->architecture, "falcon");
}

/* The shapes that llama.cpp counts as 70B models. */
static bool is_70b(const quantize_mixture *m)
{
    gguf_string a = m->architecture;
    if (equals(a, "llama"))
        return m->n_layer == 80 && m->n_head != m->n_head_kv;
    return (m->n_layer == 80 && (equals(a, "qwen2") || equals(a, "deci"))) ||
           (m->n_layer == 68 && equals(a, "jais2"));
}

/* The first and last eighth of the layers, and every third between. */
static bool deserves_more_bits(int i, int n)
{
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

/* ---- the rules ---- */

static wtype choose_output(const quantize_mixture *m, const gguf_tensor *t, wtype type)
{
    if (m->recipe->file_type == FILE_TYPE_MXFP4_MOE || is_falcon(m) || type == WTYPE_Q8_0 ||
        t->ne[0] % wtype_get(type)->block_elements != 0)
        return WTYPE_Q8_0;
    return WTYPE_Q6_K;
}

static wtype choose_token_embd(const quantize_mixture *m, wtype type)
{
    file_type f = m->recipe->file_type;
    return f == FILE_TYPE_TQ1_0 || f == FILE_TYPE_TQ2_0 || f == FILE_TYPE_Q2_0 ? WTYPE_Q4_K : type;
}

static wtype choose_attn_v(const quantize_mixture *m, int i, wtype type)
{
    bool shared = shares_values(m), more = deserves_more_bits(i, m->n_attn_v);
    switch (m->recipe->file_type) {
    case FILE_TYPE_Q2_K:
        type = shared ? WTYPE_Q4_K : WTYPE_Q3_K;
        break;
    case FILE_TYPE_Q2_K_S:
        type = shared ? WTYPE_Q4_K : type;
        break;
    case FILE_TYPE_Q3_K_M:
        type = i < 2 ? WTYPE_Q5_K : WTYPE_Q4_K;
        break;
    case FILE_TYPE_Q3_K_L:
        type = WTYPE_Q5_K;
        break;
    case FILE_TYPE_IQ4_NL:
    case FILE_TYPE_IQ4_XS:
        type = shared ? WTYPE_Q5_K : type;
        break;
    case FILE_TYPE_Q4_K_M:
    case FILE_TYPE_Q5_K_M:
        type = more ? WTYPE_Q6_K : type;
        break;
    case FILE_TYPE_Q4_K_S:
        type = i < 4 ? WTYPE_Q5_K : type;
        break;
    default:
        break;
    }
    if (is_70b(m) && (type == WTYPE_Q3_K || type == WTYPE_Q4_K))
        type = WTYPE_Q5_K;
    return m->n_expert == 8 ? WTYPE_Q8_0 : type;
}

static wtype choose_ffn_down(const quantize_mixture *m, int i, wtype type)
{
    int n = m->n_layer;
    bool more = deserves_more_bits(i, n), falcon = is_falcon(m);
    switch (m->recipe->file_type) {
    case FILE_TYPE_Q2_K:
        return WTYPE_Q3_K;
    case FILE_TYPE_Q2_K_S:
        return i < n / 8 ? WTYPE_Q4_K : type;
    case FILE_TYPE_Q3_K_M:
        return i < n / 16 ? WTYPE_Q5_K : !falcon || more ? WTYPE_Q4_K : WTYPE_Q3_K;
    case FILE_TYPE_Q3_K_L:
        return falcon ? WTYPE_Q4_K : WTYPE_Q5_K;
    case FILE_TYPE_Q4_K_M:
        if (falcon)
            return i < n / 16 ? WTYPE_Q6_K : more ? WTYPE_Q5_K : WTYPE_Q4_K;
        return more ? WTYPE_Q6_K : type;
    case FILE_TYPE_Q4_K_S:
        return !falcon && i < n / 8 ? WTYPE_Q5_K : type;
    case FILE_TYPE_Q5_K_M:
        return more ? WTYPE_Q6_K : type;
    case FILE_TYPE_IQ4_NL:
    case FILE_TYPE_IQ4_XS:
        return i < n / 8 ? WTYPE_Q5_K : type;
    default:
        return type;
    }
}

static wtype choose_attn_output(const quantize_mixture *m, wtype type)
{
    file_type f = m->recipe->file_type;
    if (is_falcon(m))
        return f == FILE_TYPE_Q3_K_L ? WTYPE_Q4_K : type;
    if (m->n_expert == 8) {
        bool small = f == FILE_TYPE_Q2_K || f == FILE_TYPE_Q3_K_S || f == FILE_TYPE_Q3_K_M ||
                     f == FILE_TYPE_Q4_K_S || f == FILE_TYPE_Q4_K_M || f == FILE_TYPE_IQ4_NL ||
                     f == FILE_TYPE_IQ4_XS;
        return small ? WTYPE_Q5_K : type;
    }
    return f == FILE_TYPE_Q2_K     ? WTYPE_Q3_K
           : f == FILE_TYPE_Q3_K_M ? WTYPE_Q4_K
           : f == FILE_TYPE_Q3_K_L ? WTYPE_Q5_K
                                   : type;
}

static wtype choose_by_rules(quantize_mixture *m, const gguf_tensor *t, wtype type)
{
    kind k = kind_of(t->name);
    if (k == KIND_OUTPUT || (k == KIND_TOKEN_EMBD && m->tied))
        return choose_output(m, t, type);
    if (m->recipe->file_type == FILE_TYPE_MXFP4_MOE)
        return t->ne[2] > 1 ? WTYPE_MXFP4 : WTYPE_Q8_0;
    int layer = layer_of(t->name);
    switch (k) {
    case KIND_TOKEN_EMBD:
        return choose_token_embd(m, type);
    case KIND_ATTN_V:
        return choose_attn_v(m, m->i_attn_v++, type);
    case KIND_ATTN_K:
        return m->n_expert == 8 ? WTYPE_Q8_0 : type;
    case KIND_FFN_DOWN:
        /* Experts and what is shared between them make several in a layer. */
        if (m->n_expert <= 1 || layer < 0)
            layer = m->i_ffn_down;
        m->i_ffn_down++;
        return choose_ffn_down(m, layer, type);
    case KIND_ATTN_OUTPUT:
        return choose_attn_output(m, type);
    default:
        return type;
    }
}

/* The nearest format of smaller blocks into which rows of k divide. */
static wtype fitting(wtype type, uint64_t k)
{
    static const struct {
        wtype from, to;
    } next[] = {
        {WTYPE_Q6_K, WTYPE_Q8_0},     {WTYPE_Q5_K, WTYPE_Q5_1},   {WTYPE_Q4_K, WTYPE_Q5_0},
        {WTYPE_IQ4_XS, WTYPE_IQ4_NL}, {WTYPE_Q3_K, WTYPE_IQ4_NL}, {WTYPE_Q2_K, WTYPE_IQ4_NL},
        {WTYPE_TQ1_0, WTYPE_Q4_0},    {WTYPE_TQ2_0, WTYPE_Q4_0},  {WTYPE_Q2_0, WTYPE_Q4_0},
    };
    if (k % wtype_get(type)->block_elements == 0)
        return type;
    for (size_t i = 0; i < sizeof next / sizeof next[0]; i++) {
        if (next[i].from == type && k % wtype_get(next[i].to)->block_elements == 0)
            return next[i].to;
    }
    return WTYPE_F16;
}

quantize_choice quantize_choose(quantize_mixture *mixture, const gguf_tensor *tensor)
{
    if (stays_as_it_is(tensor))
        return (quantize_choice){tensor->type, tensor->type};
    wtype type = mixture->recipe->type;
    if (wtype_get(type)->class != WTYPE_CLASS_F && !mixture->pure)
        type = choose_by_rules(mixture, tensor, type);
    return (quantize_choice){fitting(type, tensor->ne[0]), type};
}
