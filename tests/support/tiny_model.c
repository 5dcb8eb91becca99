/* SPDX-License-Identifier: MIT
 *
 * tiny_model.c - see tiny_model.h. An architecture is a row of what its files hold; the lists of
 * metadata and tensors below follow the rows.
 */
#include "support/tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/mem.h"
#include "gguf/gguf_writer.h"
#include "kernels/quantize.h"

enum {
    FUSED_QKV = 1 << 0,
    QKV_BIAS = 1 << 1,
    OUT_BIAS = 1 << 2, /* of the attention's output */
    FFN_BIAS = 1 << 3,
    NORM_BIAS = 1 << 4,
    UNGATED = 1 << 5,
    FUSED_GATE = 1 << 6,
    HEAD_NORM = 1 << 7, /* of q and k, one head's weights for all */
    ROW_NORM = 1 << 8,  /* of q and k, over all heads */
    PER_HEAD_NORM = 1 << 9,
    POST_NORMS = 1 << 10,
    NO_PRE_NORMS = 1 << 11,
    NO_FFN_NORM = 1 << 12,
    POSITIONS = 1 << 13,
    TYPES = 1 << 14,
    EMBD_NORM = 1 << 15,
    SINKS = 1 << 16,
    EXPERTS = 1 << 17,
    SHARED_EXPERT = 1 << 18,
    EXPERT_BIAS = 1 << 19,
    ENCODER = 1 << 20, /* norms after, no head */
    TIED = 1 << 21,
    LONG_FACTORS = 1 << 22,
    LAYER_NORM = 1 << 23, /* the epsilon's key */
    FFN_NORM_IS_POST = 1 << 24,
    WINDOW = 1 << 25,
    YARN = 1 << 26,
    OUTPUT_BIAS = 1 << 27,
    LOGIT_SCALE = 1 << 28
};

static const struct family {
    const char *name;
    uint32_t has;
} families[] = {
    {"llama", 0},
    {"qwen2", QKV_BIAS | TIED},
    {"qwen2moe", QKV_BIAS | EXPERTS | SHARED_EXPERT},
    {"qwen3", HEAD_NORM},
    {"qwen3moe", HEAD_NORM | EXPERTS},
    {"gemma", TIED},
    {"gemma2", TIED | POST_NORMS | WINDOW},
    {"gemma3", TIED | POST_NORMS | HEAD_NORM | WINDOW},
    {"phi2",
     LAYER_NORM | NORM_BIAS | QKV_BIAS | OUT_BIAS | FFN_BIAS | UNGATED | NO_FFN_NORM | OUTPUT_BIAS},
    {"phi3", FUSED_QKV | FUSED_GATE | LONG_FACTORS},
    {"gpt-oss",
     QKV_BIAS | OUT_BIAS | SINKS | EXPERTS | EXPERT_BIAS | FFN_NORM_IS_POST | WINDOW | YARN},
    {"granite", LOGIT_SCALE},
    {"granitemoe", LOGIT_SCALE | EXPERTS},
    {"smollm3", TIED},
    {"olmo2", ROW_NORM | POST_NORMS | NO_PRE_NORMS},
    {"starcoder2", LAYER_NORM | NORM_BIAS | QKV_BIAS | OUT_BIAS | FFN_BIAS | UNGATED},
    {"stablelm", LAYER_NORM | NORM_BIAS | PER_HEAD_NORM | NO_FFN_NORM},
    {"command-r", LAYER_NORM | TIED | NO_FFN_NORM},
    {"falcon", LAYER_NORM | NORM_BIAS | FUSED_QKV | UNGATED | NO_FFN_NORM},
    {"gpt2", LAYER_NORM | NORM_BIAS | FUSED_QKV | QKV_BIAS | OUT_BIAS | FFN_BIAS | UNGATED |
                 POSITIONS | TIED},
    {"gptneox", LAYER_NORM | NORM_BIAS | FUSED_QKV | QKV_BIAS | OUT_BIAS | FFN_BIAS | UNGATED},
    {"bloom", LAYER_NORM | NORM_BIAS | FUSED_QKV | QKV_BIAS | OUT_BIAS | FFN_BIAS | UNGATED |
                  EMBD_NORM | TIED},
    {"mpt", LAYER_NORM | FUSED_QKV | UNGATED | TIED},
    {"bert", LAYER_NORM | NORM_BIAS | QKV_BIAS | OUT_BIAS | FFN_BIAS | UNGATED | POSITIONS | TYPES |
                 EMBD_NORM | ENCODER},
    {"nomic-bert", LAYER_NORM | NORM_BIAS | FUSED_QKV | TYPES | EMBD_NORM | ENCODER},
};

enum { N_EXPERT = 4, N_EXPERT_USED = 2, MAX_TENSORS = 512 };

typedef struct tensor {
    char name[64];
    wtype type;
    int n_dims;
    uint64_t ne[3];
    float scale, offset;
} tensor;

typedef struct maker {
    const tiny_model_options *o;
    uint32_t has;
    gguf_writer *w;
    tensor tensors[MAX_TENSORS];
    size_t n_tensors;
    uint64_t rng;
    hearth_error err;
} maker;

static void must(maker *m, hearth_status status)
{
    if (status != HEARTH_OK) {
        fprintf(stderr, "tiny_model: %s\n", m->err.message);
        exit(1);
    }
}

const char *tiny_model_arch(size_t i)
{
    return i < sizeof families / sizeof *families ? families[i].name : NULL;
}

void tiny_model_options_init(tiny_model_options *o, const char *arch)
{
    *o = (tiny_model_options){.arch = arch,
                              .type = WTYPE_F16,
                              .n_layer = 2,
                              .n_embd = 64,
                              .n_head = 4,
                              .n_head_kv = 2,
                              .n_ff = 96,
                              .n_vocab = 320,
                              .n_ctx = 512,
                              .seed = 1};
}

/* ---- metadata ---- */

static void set_u32(maker *m, const char *suffix, uint32_t value)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", m->o->arch, suffix);
    must(m, gguf_writer_set_u32(m->w, key, value, &m->err));
}

static void set_f32(maker *m, const char *suffix, float value)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", m->o->arch, suffix);
    must(m, gguf_writer_set_f32(m->w, key, value, &m->err));
}

static void set_text(maker *m, const char *key, const char *text)
{
    must(m, gguf_writer_set_string(m->w, key, text, strlen(text), &m->err));
}

/* Bytes, then letters, then pairs of letters: enough to merge, and every text can be written. */
static void write_vocabulary(maker *m)
{
    enum { FIRST_LETTER = 259, WORD = 8 };
    uint32_t n = m->o->n_vocab;
    gguf_string *pieces = mem_alloc_array(n, sizeof *pieces);
    char(*text)[WORD] = mem_alloc_array(n, WORD);
    float *scores = mem_calloc(n, sizeof *scores);
    int32_t *types = mem_alloc_array(n, sizeof *types);
    for (uint32_t i = 0; i < n; i++) {
        static const char *const specials[] = {"<unk>", "<s>", "</s>"};
        types[i] = i == 0 ? 2 : i < 3 ? 3 : i < FIRST_LETTER ? 6 : 1;
        if (i < 3)
            snprintf(text[i], WORD, "%s", specials[i]);
        else if (i < FIRST_LETTER)
            snprintf(text[i], WORD, "<0x%02X>", i - 3);
        else if (i == FIRST_LETTER)
            snprintf(text[i], WORD, "\xe2\x96\x81");
        else if (i - FIRST_LETTER <= 26)
            snprintf(text[i], WORD, "%c", 'a' + (int)(i - FIRST_LETTER - 1));
        else
            snprintf(text[i], WORD, "%c%c", 'a' + (int)((i * 7) % 26), 'a' + (int)((i / 26) % 26));
        scores[i] = i < FIRST_LETTER ? 0.0f : -(float)i;
        pieces[i] = (gguf_string){text[i], strlen(text[i])};
    }
    set_text(m, "tokenizer.ggml.model", "llama");
    must(m, gguf_writer_set_string_array(m->w, "tokenizer.ggml.tokens", pieces, n, &m->err));
    must(m, gguf_writer_set_array(m->w, "tokenizer.ggml.scores", GGUF_F32, scores, n, &m->err));
    must(m, gguf_writer_set_array(m->w, "tokenizer.ggml.token_type", GGUF_I32, types, n, &m->err));
    must(m, gguf_writer_set_u32(m->w, "tokenizer.ggml.bos_token_id", 1, &m->err));
    must(m, gguf_writer_set_u32(m->w, "tokenizer.ggml.eos_token_id", 2, &m->err));
    must(m, gguf_writer_set_u32(m->w, "tokenizer.ggml.unknown_token_id", 0, &m->err));
    mem_free(pieces);
    mem_free(text);
    mem_free(scores);
    mem_free(types);
}

static void write_metadata(maker *m)
{
    const tiny_model_options *o = m->o;
    set_text(m, "general.architecture", o->arch);
    set_text(m, "general.name", "tiny random model");
    set_u32(m, "context_length", o->n_ctx);
    set_u32(m, "embedding_length", o->n_embd);
    set_u32(m, "block_count", o->n_layer);
    set_u32(m, "feed_forward_length", o->n_ff);
    set_u32(m, "attention.head_count", o->n_head);
    set_u32(m, "attention.head_count_kv", o->n_head_kv);
    set_f32(m,
            m->has & LAYER_NORM ? "attention.layer_norm_epsilon"
                                : "attention.layer_norm_rms_epsilon",
            1e-5f);
    if (m->has & EXPERTS) {
        set_u32(m, "expert_count", N_EXPERT);
        set_u32(m, "expert_used_count", N_EXPERT_USED);
        set_u32(m, "expert_feed_forward_length", o->n_ff);
    }
    if (m->has & SHARED_EXPERT)
        set_u32(m, "expert_shared_feed_forward_length", o->n_ff);
    if (m->has & WINDOW)
        set_u32(m, "attention.sliding_window", 16);
    if (m->has & LOGIT_SCALE)
        set_f32(m, "logit_scale", 4.0f);
    if (m->has & LONG_FACTORS)
        set_u32(m, "rope.scaling.original_context_length", o->n_ctx / 4);
    if (m->has & ENCODER)
        set_u32(m, "pooling_type", 1);
    if (strcmp(o->arch, "mpt") == 0)
        set_f32(m, "attention.max_alibi_bias", 8.0f);
    if (m->has & YARN) {
        char key[96];
        snprintf(key, sizeof key, "%s.rope.scaling.type", o->arch);
        set_text(m, key, "yarn");
        set_f32(m, "rope.scaling.factor", 8.0f);
        set_u32(m, "rope.scaling.original_context_length", 64);
    }
    write_vocabulary(m);
}

/* ---- tensors ---- */

static tensor *add(maker *m, int layer, const char *part, wtype type, uint64_t k, uint64_t n_rows,
                   uint64_t n_mats)
{
    tensor *t = &m->tensors[m->n_tensors++];
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s", part);
    else
        snprintf(t->name, sizeof t->name, "blk.%d.%s", layer, part);
    t->type = type;
    t->n_dims = n_mats ? 3 : n_rows ? 2 : 1;
    t->ne[0] = k;
    t->ne[1] = n_rows ? n_rows : 1;
    t->ne[2] = n_mats ? n_mats : 1;
    t->scale = n_rows ? 1.0f / sqrtf((float)k) : 0.1f;
    t->offset = 0.0f;
    must(m,
         gguf_writer_add_tensor(m->w, t->name, strlen(t->name), type, t->n_dims, t->ne, &m->err));
    return t;
}

/* "part.weight", and "part.bias" of `n_bias` elements if that is not 0. */
static void add_matrix(maker *m, int layer, const char *part, uint64_t k, uint64_t n_rows,
                       bool bias)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", part);
    add(m, layer, name, m->o->type, k, n_rows, 0);
    snprintf(name, sizeof name, "%s.bias", part);
    if (bias)
        add(m, layer, name, WTYPE_F32, n_rows, 0, 0);
}

static void add_experts(maker *m, int layer, const char *part, uint64_t k, uint64_t n_rows)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", part);
    add(m, layer, name, m->o->type, k, n_rows, N_EXPERT);
    snprintf(name, sizeof name, "%s.bias", part);
    if (m->has & EXPERT_BIAS)
        add(m, layer, name, WTYPE_F32, n_rows, N_EXPERT, 0)->scale = 0.1f;
}

static void add_norm(maker *m, int layer, const char *part, uint64_t n, uint64_t n_sets)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", part);
    tensor *t = add(m, layer, name, WTYPE_F32, n, n_sets, 0);
    t->scale = 0.1f;
    t->offset = 1.0f;
    snprintf(name, sizeof name, "%s.bias", part);
    if (m->has & NORM_BIAS && n_sets == 0)
        add(m, layer, name, WTYPE_F32, n, 0, 0);
}

static void add_attention(maker *m, int il)
{
    const tiny_model_options *o = m->o;
    uint64_t head = o->n_embd / o->n_head, kv = head * o->n_head_kv;
    bool bias = m->has & QKV_BIAS;
    if (m->has & FUSED_QKV) {
        add_matrix(m, il, "attn_qkv", o->n_embd, o->n_embd + 2 * kv, bias);
    } else {
        add_matrix(m, il, "attn_q", o->n_embd, o->n_embd, bias);
        add_matrix(m, il, "attn_k", o->n_embd, kv, bias);
        add_matrix(m, il, "attn_v", o->n_embd, kv, bias);
    }
    if (m->has & (HEAD_NORM | ROW_NORM | PER_HEAD_NORM)) {
        bool row = m->has & ROW_NORM, each = m->has & PER_HEAD_NORM;
        add_norm(m, il, "attn_q_norm", row ? o->n_embd : head, each ? o->n_head : 0);
        add_norm(m, il, "attn_k_norm", row ? kv : head, each ? o->n_head_kv : 0);
    }
    add_matrix(m, il, "attn_output", o->n_embd, o->n_embd, m->has & OUT_BIAS);
    if (m->has & SINKS)
        add(m, il, "attn_sinks.weight", WTYPE_F32, o->n_head, 0, 0);
}

static void add_feed_forward(maker *m, int il)
{
    const tiny_model_options *o = m->o;
    bool bias = m->has & FFN_BIAS;
    if (m->has & EXPERTS) {
        add(m, il, "ffn_gate_inp.weight", WTYPE_F32, o->n_embd, N_EXPERT, 0);
        if (m->has & EXPERT_BIAS)
            add(m, il, "ffn_gate_inp.bias", WTYPE_F32, N_EXPERT, 0, 0);
        add_experts(m, il, "ffn_gate_exps", o->n_embd, o->n_ff);
        add_experts(m, il, "ffn_up_exps", o->n_embd, o->n_ff);
        add_experts(m, il, "ffn_down_exps", o->n_ff, o->n_embd);
        if (m->has & SHARED_EXPERT) {
            add(m, il, "ffn_gate_inp_shexp.weight", WTYPE_F32, o->n_embd, 0, 0);
            add_matrix(m, il, "ffn_gate_shexp", o->n_embd, o->n_ff, false);
            add_matrix(m, il, "ffn_up_shexp", o->n_embd, o->n_ff, false);
            add_matrix(m, il, "ffn_down_shexp", o->n_ff, o->n_embd, false);
        }
        return;
    }
    if (!(m->has & (UNGATED | FUSED_GATE)))
        add_matrix(m, il, "ffn_gate", o->n_embd, o->n_ff, false);
    add_matrix(m, il, "ffn_up", o->n_embd, m->has & FUSED_GATE ? 2 * o->n_ff : o->n_ff, bias);
    add_matrix(m, il, "ffn_down", o->n_ff, o->n_embd, bias);
}

static void add_layer(maker *m, int il)
{
    uint64_t n = m->o->n_embd;
    bool pre = !(m->has & (ENCODER | NO_PRE_NORMS));
    if (pre)
        add_norm(m, il, "attn_norm", n, 0);
    add_attention(m, il);
    if (m->has & POST_NORMS)
        add_norm(m, il, "post_attention_norm", n, 0);
    if (pre && !(m->has & NO_FFN_NORM))
        add_norm(m, il, m->has & FFN_NORM_IS_POST ? "post_attention_norm" : "ffn_norm", n, 0);
    add_feed_forward(m, il);
    if (m->has & POST_NORMS)
        add_norm(m, il, "post_ffw_norm", n, 0);
    if (m->has & ENCODER) {
        add_norm(m, il, "attn_output_norm", n, 0);
        add_norm(m, il, "layer_output_norm", n, 0);
    }
}

static void add_tensors(maker *m)
{
    const tiny_model_options *o = m->o;
    add_matrix(m, -1, "token_embd", o->n_embd, o->n_vocab, false);
    if (m->has & POSITIONS)
        add(m, -1, "position_embd.weight", WTYPE_F32, o->n_embd, o->n_ctx, 0);
    if (m->has & TYPES)
        add(m, -1, "token_types.weight", WTYPE_F32, o->n_embd, 2, 0);
    if (m->has & EMBD_NORM)
        add_norm(m, -1, "token_embd_norm", o->n_embd, 0);
    for (uint32_t il = 0; il < o->n_layer; il++)
        add_layer(m, (int)il);
    if (m->has & LONG_FACTORS) {
        add(m, -1, "rope_factors_long.weight", WTYPE_F32, o->n_embd / o->n_head / 2, 0, 0)->offset =
            4.0f;
        add(m, -1, "rope_factors_short.weight", WTYPE_F32, o->n_embd / o->n_head / 2, 0, 0)
            ->offset = 1.0f;
    }
    if (m->has & ENCODER)
        return;
    add_norm(m, -1, "output_norm", o->n_embd, 0);
    if (!(m->has & TIED))
        add_matrix(m, -1, "output", o->n_embd, o->n_vocab, m->has & OUTPUT_BIAS);
}

/* ---- data ---- */

static uint32_t next_random(maker *m)
{
    m->rng = m->rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->rng >> 32);
}

/* About normal: the sum of four uniform numbers. */
static float normal(maker *m)
{
    float sum = 0.0f;
    for (int i = 0; i < 4; i++)
        sum += (float)(next_random(m) >> 8) / 16777216.0f - 0.5f;
    return sum * 1.7320508f;
}

/* A row of a format that nothing quantizes to: random integers under a small, finite scale. */
static void random_blocks(maker *m, wtype type, uint8_t *row, size_t n_bytes)
{
    size_t block = wtype_get(type)->block_bytes;
    for (size_t i = 0; i < n_bytes; i++)
        row[i] = (uint8_t)(next_random(m) >> 11);
    for (uint8_t *b = row; b < row + n_bytes; b += block) {
        uint16_t scale = f32_to_f16(0.01f);
        if (type == WTYPE_NVFP4)
            memset(b, 0x10, 4);
        else if (type == WTYPE_IQ1_M) /* its scale is spread over the high nibbles of four words */
            for (int i = 0; i < 4; i++)
                b[48 + 2 * i + 1] =
                    (uint8_t)((b[48 + 2 * i + 1] & 0x0f) | (scale >> 4 * i & 15) << 4);
        else
            memcpy(b, &scale, sizeof scale);
    }
}

static void write_data(maker *m, const tensor *t)
{
    uint64_t row_bytes = 0;
    size_t k = (size_t)t->ne[0];
    if (!wtype_row_bytes(t->type, k, &row_bytes)) {
        fprintf(stderr, "tiny_model: rows of %zu do not divide into %s\n", k,
                wtype_get(t->type)->name);
        exit(1);
    }
    quantize_row_fn quantize = quantize_row_get(t->type);
    float *values = mem_alloc_array(k, sizeof *values);
    uint8_t *row = mem_alloc(row_bytes);
    for (uint64_t r = 0; r < t->ne[1] * t->ne[2]; r++) {
        for (size_t i = 0; i < k; i++)
            values[i] = t->offset + t->scale * normal(m);
        if (quantize)
            quantize(values, k, row);
        else if (t->type == WTYPE_F32)
            memcpy(row, values, row_bytes);
        else
            random_blocks(m, t->type, row, row_bytes);
        must(m, gguf_writer_write_data(m->w, row, row_bytes, &m->err));
    }
    mem_free(values);
    mem_free(row);
}

void tiny_model_write(const char *path, const tiny_model_options *o)
{
    maker *m = mem_calloc(1, sizeof *m);
    size_t f = 0;
    while (tiny_model_arch(f) && strcmp(tiny_model_arch(f), o->arch) != 0)
        f++;
    if (m == NULL || tiny_model_arch(f) == NULL) {
        fprintf(stderr, "tiny_model: no family '%s'\n", o->arch);
        exit(1);
    }
    m->o = o;
    m->has = families[f].has | (o->experts ? EXPERTS : 0);
    m->rng = o->seed * 2654435761u + 88172645463325252u;
    must(m, gguf_writer_open(&m->w, path, &m->err));
    write_metadata(m);
    add_tensors(m);
    must(m, gguf_writer_begin_data(m->w, &m->err));
    for (size_t i = 0; i < m->n_tensors; i++)
        write_data(m, &m->tensors[i]);
    must(m, gguf_writer_commit(m->w, &m->err));
    gguf_writer_close(m->w);
    mem_free(m);
}
