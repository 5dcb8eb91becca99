/* SPDX-License-Identifier: MIT
 *
 * hparams.c - the metadata keys that architectures share, with their defaults and bounds.
 *
 * Source of the keys: the GGUF specification and the models' own files. A key is spelt
 * ARCHITECTURE.suffix; some may be one number for all layers or an array with one per layer.
 */
#include "model/hparams.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "model/arch.h"

enum { KEY_MAX = 160 };

static void make_key(char *key, const arch *a, const char *suffix)
{
    snprintf(key, KEY_MAX, "%s.%s", a->name, suffix);
}

hearth_status hparams_get_u32(const gguf *g, const arch *a, const char *suffix, uint32_t low,
                              uint32_t high, uint32_t *out, bool *found, hearth_error *err)
{
    char key[KEY_MAX];
    bool present = false;
    uint32_t value = *out;
    make_key(key, a, suffix);
    TRY(gguf_get_u32(g, key, &value, &present, err));
    if (found)
        *found = present;
    if (present && (value < low || value > high))
        FAIL(err, EFORMAT, key,
             "%s is %u, but must lie in %u..%u; the file is damaged or not for us", key, value, low,
             high);
    *out = value;
    return HEARTH_OK;
}

hearth_status hparams_get_f32(const gguf *g, const arch *a, const char *suffix, float *out,
                              bool *found, hearth_error *err)
{
    char key[KEY_MAX];
    bool present = false;
    float value = *out;
    make_key(key, a, suffix);
    TRY(gguf_get_f32(g, key, &value, &present, err));
    if (found)
        *found = present;
    if (present && !isfinite(value))
        FAIL(err, EFORMAT, key, "%s is not a finite number; the file is damaged", key);
    *out = value;
    return HEARTH_OK;
}

hearth_status hparams_get_bool(const gguf *g, const arch *a, const char *suffix, bool *out,
                               hearth_error *err)
{
    char key[KEY_MAX];
    make_key(key, a, suffix);
    return gguf_get_bool(g, key, out, NULL, err);
}

static hearth_status require_u32(const gguf *g, const arch *a, const char *suffix, uint32_t low,
                                 uint32_t high, uint32_t *out, hearth_error *err)
{
    bool found;
    TRY(hparams_get_u32(g, a, suffix, low, high, out, &found, err));
    if (!found)
        FAIL(err, EFORMAT, suffix, "metadata has no %s.%s; the file is incomplete", a->name,
             suffix);
    return HEARTH_OK;
}

/* A length of which 0 means the same as its absence. */
static hearth_status get_unless_zero(const gguf *g, const arch *a, const char *suffix,
                                     uint32_t high, uint32_t *out, hearth_error *err)
{
    uint32_t value = 0;
    TRY(hparams_get_u32(g, a, suffix, 0, high, &value, NULL, err));
    if (value != 0)
        *out = value;
    return HEARTH_OK;
}

/* A number for all layers, or an array with one for each. Absent: `fallback` for all. */
static hearth_status read_per_layer(const hparams *h, const gguf *g, const arch *a,
                                    const char *suffix, uint32_t low, uint32_t high,
                                    const uint32_t *fallback, uint32_t *out, hearth_error *err)
{
    char key[KEY_MAX];
    make_key(key, a, suffix);
    const gguf_value *v = gguf_find(g, key);
    if (v == NULL && fallback == NULL)
        FAIL(err, EFORMAT, key, "metadata has no %s; the file is incomplete", key);
    if (v && v->type == GGUF_ARRAY && v->n < h->n_layer)
        FAIL(err, EFORMAT, key, "%s has %zu entries for %u layers; the file is damaged", key, v->n,
             h->n_layer);
    for (uint32_t il = 0; il < h->n_layer; il++) {
        int64_t value = fallback ? fallback[il] : 0;
        if (v && !gguf_value_i64(v, v->type == GGUF_ARRAY ? il : 0, &value))
            FAIL(err, EFORMAT, key, "%s is not an integer; the file is damaged", key);
        if (v && (value < (int64_t)low || value > (int64_t)high))
            FAIL(err, EFORMAT, key, "%s is %lld for layer %u, but must lie in %u..%u", key,
                 (long long)value, il, low, high);
        out[il] = (uint32_t)value;
    }
    return HEARTH_OK;
}

static hearth_status read_layers(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    uint32_t heads[MAX_LAYERS], heads_kv[MAX_LAYERS], ff[MAX_LAYERS] = {0};
    TRY(read_per_layer(h, g, a, "attention.head_count", 1, MAX_HEADS, NULL, heads, err));
    TRY(read_per_layer(h, g, a, "attention.head_count_kv", 1, MAX_HEADS, heads, heads_kv, err));
    TRY(read_per_layer(h, g, a, "feed_forward_length", 0, MAX_WIDTH, ff, ff, err));
    for (uint32_t il = 0; il < h->n_layer; il++) {
        layer_hparams *l = &h->layers[il];
        l->n_head = heads[il]; /* field by field: the struct is hashed, padding and all */
        l->n_head_kv = heads_kv[il];
        l->n_ff = ff[il];
        l->rope = h->rope != ROPE_NONE;
        if (l->n_head % l->n_head_kv != 0)
            FAIL(err, EFORMAT, a->name,
                 "layer %u has %u heads over %u key-value heads, which does "
                 "not divide; the file is damaged",
                 il, l->n_head, l->n_head_kv);
        h->n_head_max = l->n_head > h->n_head_max ? l->n_head : h->n_head_max;
        h->n_head_kv_max = l->n_head_kv > h->n_head_kv_max ? l->n_head_kv : h->n_head_kv_max;
        h->n_ff_max = l->n_ff > h->n_ff_max ? l->n_ff : h->n_ff_max;
    }
    return HEARTH_OK;
}

static hearth_status read_heads(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    uint32_t n_head = h->layers[0].n_head;
    h->head_dim_k = h->n_embd / n_head;
    TRY(hparams_get_u32(g, a, "attention.key_length", 1, 8192, &h->head_dim_k, NULL, err));
    h->head_dim_v = h->n_embd / n_head;
    TRY(hparams_get_u32(g, a, "attention.value_length", 1, 8192, &h->head_dim_v, NULL, err));
    if (h->head_dim_k == 0 || h->head_dim_v == 0)
        FAIL(err, EFORMAT, a->name,
             "%u heads do not fit in an embedding of %u; the file is damaged", n_head, h->n_embd);
    if ((uint64_t)h->n_head_max * h->head_dim_k > MAX_WIDTH ||
        (uint64_t)h->n_head_max * h->head_dim_v > MAX_WIDTH)
        FAIL(err, EFORMAT, a->name, "%u heads of %u elements are more than this build can run",
             h->n_head_max, h->head_dim_k);
    h->attn_scale = 1.0f / sqrtf((float)h->head_dim_k);
    return HEARTH_OK;
}

static hearth_status read_rope_scaling(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    char key[KEY_MAX];
    bool has_factor = false, has_type = false;
    gguf_string type = {"", 0};
    make_key(key, a, "rope.scaling.type");
    TRY(gguf_get_string(g, key, &type, &has_type, err));
    static const struct {
        const char *name;
        rope_scaling_kind kind;
    } kinds[] = {{"none", ROPE_SCALING_NONE},
                 {"linear", ROPE_SCALING_LINEAR},
                 {"yarn", ROPE_SCALING_YARN},
                 {"longrope", ROPE_SCALING_LONGROPE}};
    bool known = !has_type;
    h->rope_scaling = ROPE_SCALING_LINEAR; /* a factor without a type */
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && has_type; i++) {
        if (strlen(kinds[i].name) == type.n && memcmp(kinds[i].name, type.data, type.n) == 0) {
            h->rope_scaling = kinds[i].kind;
            known = true;
        }
    }
    if (!known)
        FAIL(err, EUNSUPPORTED, key,
             "RoPE scaling '%.*s' is unknown; none, linear, yarn and longrope "
             "are known",
             (int)(type.n < 40 ? type.n : 40), type.data);
    h->rope_scaling_factor = 1.0f;
    TRY(hparams_get_f32(g, a, "rope.scaling.factor", &h->rope_scaling_factor, &has_factor, err));
    if (!has_factor) /* the key that older files have */
        TRY(hparams_get_f32(g, a, "rope.scale_linear", &h->rope_scaling_factor, NULL, err));
    if (h->rope_scaling_factor == 0.0f)
        h->rope_scaling_factor = 1.0f;
    if (!(h->rope_scaling_factor > 0.0f))
        FAIL(err, EFORMAT, key, "rope.scaling.factor is %g, but must be above 0",
             (double)h->rope_scaling_factor);
    h->rope_n_ctx_orig = h->n_ctx_train;
    TRY(get_unless_zero(g, a, "rope.scaling.original_context_length", MAX_CONTEXT,
                        &h->rope_n_ctx_orig, err));
    h->rope_attn_factor = 1.0f;
    TRY(hparams_get_f32(g, a, "rope.scaling.attn_factor", &h->rope_attn_factor, NULL, err));
    h->rope_attn_factor_local = h->rope_attn_factor;
    return HEARTH_OK;
}

static hearth_status read_rope(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    h->n_rot = h->head_dim_k;
    TRY(hparams_get_u32(g, a, "rope.dimension_count", 0, h->head_dim_k, &h->n_rot, NULL, err));
    if (h->n_rot % 2 != 0 && h->rope != ROPE_NONE)
        FAIL(err, EFORMAT, a->name, "rope.dimension_count is %u, but must be even", h->n_rot);
    h->rope_freq_base = 10000.0f;
    TRY(hparams_get_f32(g, a, "rope.freq_base", &h->rope_freq_base, NULL, err));
    h->rope_freq_base_local = h->rope_freq_base;
    TRY(hparams_get_f32(g, a, "rope.freq_base_swa", &h->rope_freq_base_local, NULL, err));
    if (!(h->rope_freq_base > 0.0f && h->rope_freq_base_local > 0.0f))
        FAIL(err, EFORMAT, a->name, "rope.freq_base is %g, but must be above 0",
             (double)h->rope_freq_base);
    h->rope_scaling_local = true;
    return read_rope_scaling(h, g, a, err);
}

static hearth_status read_experts(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    h->gating = a->gating;
    h->expert_weights_norm = a->expert_weights_norm;
    TRY(hparams_get_u32(g, a, "expert_count", 0, MAX_EXPERTS, &h->n_expert, NULL, err));
    if (h->n_expert == 0)
        return HEARTH_OK;
    TRY(require_u32(g, a, "expert_used_count", 1, h->n_expert, &h->n_expert_used, err));
    h->n_ff_expert = h->n_ff_max;
    TRY(get_unless_zero(g, a, "expert_feed_forward_length", MAX_WIDTH, &h->n_ff_expert, err));
    return get_unless_zero(g, a, "expert_shared_feed_forward_length", MAX_WIDTH, &h->n_ff_shared,
                           err);
}

static hearth_status read_vocab_size(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    const gguf_tensor *embedding = gguf_find_tensor(g, "token_embd.weight");
    const gguf_value *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    if (embedding && embedding->n_dims == 2 && embedding->ne[1] <= MAX_VOCAB)
        h->n_vocab = (uint32_t)embedding->ne[1];
    else if (tokens && tokens->type == GGUF_ARRAY && tokens->n > 0 && tokens->n <= MAX_VOCAB)
        h->n_vocab = (uint32_t)tokens->n;
    else
        FAIL(err, EFORMAT, a->name,
             "neither token_embd.weight nor tokenizer.ggml.tokens tells the "
             "size of the vocabulary; the file is incomplete");
    return HEARTH_OK;
}

static const gguf_value *find_labels(const gguf *g, const arch *a)
{
    char key[KEY_MAX];
    make_key(key, a, "classifier.output_labels");
    return gguf_find(g, key);
}

/* The last matrix of the classifier tells; metadata with names must agree. */
static hearth_status read_classifier(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    const gguf_tensor *last = gguf_find_tensor(g, "cls.output.weight");
    const gguf_value *names = find_labels(g, a);
    if (last == NULL)
        last = gguf_find_tensor(g, "cls.weight");
    if (last == NULL)
        return HEARTH_OK;
    if (last->ne[1] > MAX_LABELS)
        FAIL(err, EFORMAT, "cls.output.weight",
             "the classifier has %llu outputs; %d are the most that make sense",
             (unsigned long long)last->ne[1], MAX_LABELS);
    h->n_labels = (uint32_t)last->ne[1];
    if (names && (names->type != GGUF_ARRAY || names->element_type != GGUF_STRING ||
                  names->n != h->n_labels))
        FAIL(err, EFORMAT, "classifier.output_labels",
             "%s.classifier.output_labels must name the %u outputs of the classifier, but has %zu "
             "entries; the file is damaged",
             a->name, h->n_labels, names->n);
    return HEARTH_OK;
}

const gguf_string *hparams_labels(const hparams *h, const gguf *g, const arch *a)
{
    const gguf_value *names = find_labels(g, a);
    return names && h->n_labels > 0 ? names->strings : NULL;
}

static hearth_status find_arch(const arch **a, const gguf *g, hearth_error *err)
{
    gguf_string name = {"", 0};
    bool found;
    TRY(gguf_get_string(g, "general.architecture", &name, &found, err));
    if (!found)
        FAIL(err, EFORMAT, "general.architecture",
             "metadata has no general.architecture; this is not a model file");
    *a = arch_find(name.data, name.n);
    if (*a)
        return HEARTH_OK;
    char known[360] = "";
    for (size_t i = 0, used = 0; arch_at(i) && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? " " : "",
                                 arch_at(i)->name);
    FAIL(err, EUNSUPPORTED, "general.architecture", "architecture '%.*s' is unknown; known are: %s",
         (int)(name.n < 40 ? name.n : 40), name.data, known);
}

hearth_status hparams_read(hparams *h, const arch **out, const gguf *g, hearth_error *err)
{
    const arch *a;
    TRY(find_arch(&a, g, err));
    memset(h, 0, sizeof *h);
    h->norm = a->norm;
    h->rope = a->rope;
    h->wiring = a->wiring;
    h->act = a->act;
    h->causal = !a->encoder;
    TRY(require_u32(g, a, "context_length", 1, MAX_CONTEXT, &h->n_ctx_train, err));
    TRY(require_u32(g, a, "embedding_length", 1, MAX_WIDTH, &h->n_embd, err));
    TRY(require_u32(g, a, "block_count", 1, MAX_LAYERS, &h->n_layer, err));
    TRY(read_vocab_size(h, g, a, err));
    TRY(read_layers(h, g, a, err));
    TRY(read_heads(h, g, a, err));
    TRY(read_rope(h, g, a, err));
    TRY(read_experts(h, g, a, err));
    h->norm_eps = 1e-5f;
    TRY(hparams_get_f32(g, a,
                        a->norm == NORM_RMS ? "attention.layer_norm_rms_epsilon"
                                            : "attention.layer_norm_epsilon",
                        &h->norm_eps, NULL, err));
    if (h->norm_eps < 0.0f)
        FAIL(err, EFORMAT, a->name, "the epsilon of the norms is %g, but must not be negative",
             (double)h->norm_eps);
    TRY(hparams_get_bool(g, a, "attention.causal", &h->causal, err));
    if (a->encoder && h->causal)
        FAIL(err, EUNSUPPORTED, "attention.causal",
             "%s.attention.causal is true, but %s is run as an encoder only: it has no tensor that "
             "would give logits",
             a->name, a->name);
    uint32_t pooling = POOLING_NONE;
    TRY(hparams_get_u32(g, a, "pooling_type", 0, POOLING_RANK, &pooling, NULL, err));
    h->pooling = (pooling_kind)pooling;
    TRY(read_classifier(h, g, a, err));
    h->embedding_scale = 1.0f;
    h->residual_scale = 1.0f;
    h->logit_scale = 1.0f;
    if (a->read)
        TRY(a->read(h, g, a, err));
    *out = a;
    return HEARTH_OK;
}

hearth_status hparams_read_sliding_pattern(hparams *h, const gguf *g, const arch *a,
                                           uint32_t default_period, hearth_error *err)
{
    char key[KEY_MAX];
    uint32_t flags[MAX_LAYERS], period = default_period;
    make_key(key, a, "attention.sliding_window_pattern");
    const gguf_value *v = gguf_find(g, key);
    bool per_layer = v && v->type == GGUF_ARRAY;
    if (per_layer)
        TRY(read_per_layer(h, g, a, "attention.sliding_window_pattern", 0, 1, NULL, flags, err));
    else
        TRY(hparams_get_u32(g, a, "attention.sliding_window_pattern", 0, MAX_LAYERS, &period, NULL,
                            err));
    for (uint32_t il = 0; il < h->n_layer && h->n_window > 0; il++)
        h->layers[il].sliding =
            per_layer ? flags[il] != 0 : period == 0 || il % period + 1 < period;
    return HEARTH_OK;
}
