/* SPDX-License-Identifier: MIT
 *
 * random_model.c - see random_model.h. An architecture is a row of what its files hold; the lists
 * of metadata and tensors below follow the rows.
 */
#include "random_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gguf/gguf_writer.h"
#include "random_rows.h"

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

enum { MAX_TENSORS = 4096, POOLED_FROM = 1 << 20 /* elements */ };

typedef struct tensor {
    char name[64];
    wtype type;
    bool matrix; /* its format is the options' to choose */
    int n_dims;
    uint64_t ne[3];
    float scale, offset;
} tensor;

typedef struct maker {
    const random_model_options *o;
    uint32_t has;
    gguf_writer *w;
    tensor tensors[MAX_TENSORS];
    size_t n_tensors;
    random_rows *rows;
    hearth_error err;
} maker;

static void must(maker *m, hearth_status status)
{
    if (status != HEARTH_OK) {
        fprintf(stderr, "random_model: %s\n", m->err.message);
        exit(1);
    }
}

const char *random_model_arch(size_t i)
{
    return i < sizeof families / sizeof *families ? families[i].name : NULL;
}

void random_model_options_init(random_model_options *o, const char *arch)
{
    *o = (random_model_options){.arch = arch,
                                .name = "tiny random model",
                                .type = WTYPE_F16,
                                .n_layer = 2,
                                .n_embd = 64,
                                .n_head = 4,
                                .n_head_kv = 2,
                                .n_ff = 96,
                                .n_vocab = 320,
                                .n_ctx = 512,
                                .n_expert = 4,
                                .n_expert_used = 2,
                                .n_window = 16,
                                .seed = 1};
}

/* ---- well-known shapes ---- */

static const random_model_options known[] = {
    {.name = "tinyllama-1.1b",
     .arch = "llama",
     .n_layer = 22,
     .n_embd = 2048,
     .n_head = 32,
     .n_head_kv = 4,
     .n_ff = 5632,
     .n_vocab = 32000,
     .n_ctx = 2048,
     .rope_base = 10000.0f},
    {.name = "deepseek-r1-distill-qwen-1.5b",
     .arch = "qwen2",
     .n_layer = 28,
     .n_embd = 1536,
     .n_head = 12,
     .n_head_kv = 2,
     .n_ff = 8960,
     .n_vocab = 151936,
     .n_ctx = 131072,
     .rope_base = 10000.0f,
     .tie = RANDOM_MODEL_UNTIED},
    {.name = "llama-3.2-3b",
     .arch = "llama",
     .n_layer = 28,
     .n_embd = 3072,
     .n_head = 24,
     .n_head_kv = 8,
     .n_ff = 8192,
     .n_vocab = 128256,
     .n_ctx = 131072,
     .rope_base = 500000.0f,
     .tie = RANDOM_MODEL_TIED},
    {.name = "llama-3.1-8b",
     .arch = "llama",
     .n_layer = 32,
     .n_embd = 4096,
     .n_head = 32,
     .n_head_kv = 8,
     .n_ff = 14336,
     .n_vocab = 128256,
     .n_ctx = 131072,
     .rope_base = 500000.0f},
    {.name = "qwen3-0.6b",
     .arch = "qwen3",
     .n_layer = 28,
     .n_embd = 1024,
     .n_head = 16,
     .n_head_kv = 8,
     .head_dim = 128,
     .n_ff = 3072,
     .n_vocab = 151936,
     .n_ctx = 40960,
     .rope_base = 1000000.0f,
     .tie = RANDOM_MODEL_TIED},
    {.name = "qwen3-30b-a3b",
     .arch = "qwen3moe",
     .n_layer = 48,
     .n_embd = 2048,
     .n_head = 32,
     .n_head_kv = 4,
     .head_dim = 128,
     .n_ff = 6144,
     .n_ff_expert = 768,
     .n_expert = 128,
     .n_expert_used = 8,
     .n_vocab = 151936,
     .n_ctx = 40960,
     .rope_base = 1000000.0f},
    {.name = "gpt-oss-20b",
     .arch = "gpt-oss",
     .n_layer = 24,
     .n_embd = 2880,
     .n_head = 64,
     .n_head_kv = 8,
     .head_dim = 64,
     .n_ff = 2880,
     .n_expert = 32,
     .n_expert_used = 4,
     .n_vocab = 201088,
     .n_ctx = 131072,
     .n_window = 128,
     .rope_base = 150000.0f},
};

const char *random_model_known(size_t i)
{
    return i < sizeof known / sizeof *known ? known[i].name : NULL;
}

bool random_model_options_known(random_model_options *o, const char *name)
{
    for (size_t i = 0; random_model_known(i); i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        *o = known[i];
        o->type = WTYPE_F16;
        o->seed = 1;
        return true;
    }
    return false;
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

/* A word of its own for every n: "aa", "ba", ... "zz", "aaa", ... */
static void spell(char *word, uint32_t n)
{
    size_t length = 0;
    for (n += 26; n != UINT32_MAX; n = n / 26 - 1)
        word[length++] = (char)('a' + n % 26);
    word[length] = '\0';
}

/* Bytes, then letters, then words of them: enough to merge, and every text can be written. */
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
            spell(text[i], i - FIRST_LETTER - 27);
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

/* Two are the answers of a decoder, of which "yes" comes first. */
static void write_labels(maker *m)
{
    enum { LABEL = 24 };
    uint32_t n = m->o->n_labels;
    char key[96];
    gguf_string *names = mem_alloc_array(n, sizeof *names);
    char(*text)[LABEL] = mem_alloc_array(n, LABEL);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(text[i], LABEL, "LABEL_%u", i);
        if (n == 2)
            snprintf(text[i], LABEL, "%s", i == 0 ? "yes" : "no");
        names[i] = (gguf_string){text[i], strlen(text[i])};
    }
    snprintf(key, sizeof key, "%s.classifier.output_labels", m->o->arch);
    must(m, gguf_writer_set_string_array(m->w, key, names, n, &m->err));
    mem_free(names);
    mem_free(text);
}

static uint32_t head_width(const random_model_options *o)
{
    return o->head_dim ? o->head_dim : o->n_embd / o->n_head;
}

static uint32_t expert_width(const random_model_options *o)
{
    return o->n_ff_expert ? o->n_ff_expert : o->n_ff;
}

static void write_metadata(maker *m)
{
    const random_model_options *o = m->o;
    set_text(m, "general.architecture", o->arch);
    set_text(m, "general.name", o->name);
    if (o->recipe) {
        must(m, gguf_writer_set_u32(m->w, "general.file_type", o->recipe->file_type, &m->err));
        must(m, gguf_writer_set_u32(m->w, "general.quantization_version", 2, &m->err));
    }
    set_u32(m, "context_length", o->n_ctx);
    set_u32(m, "embedding_length", o->n_embd);
    set_u32(m, "block_count", o->n_layer);
    set_u32(m, "feed_forward_length", o->n_ff);
    set_u32(m, "attention.head_count", o->n_head);
    set_u32(m, "attention.head_count_kv", o->n_head_kv);
    if (o->head_dim) {
        set_u32(m, "attention.key_length", o->head_dim);
        set_u32(m, "attention.value_length", o->head_dim);
    }
    if (o->rope_base > 0.0f)
        set_f32(m, "rope.freq_base", o->rope_base);
    set_f32(m,
            m->has & LAYER_NORM ? "attention.layer_norm_epsilon"
                                : "attention.layer_norm_rms_epsilon",
            1e-5f);
    if (m->has & EXPERTS) {
        set_u32(m, "expert_count", m->o->n_expert);
        set_u32(m, "expert_used_count", m->o->n_expert_used);
        set_u32(m, "expert_feed_forward_length", expert_width(o));
    }
    if (m->has & SHARED_EXPERT)
        set_u32(m, "expert_shared_feed_forward_length", o->n_ff);
    if (m->has & WINDOW)
        set_u32(m, "attention.sliding_window", o->n_window);
    if (m->has & LOGIT_SCALE)
        set_f32(m, "logit_scale", 4.0f);
    if (m->has & LONG_FACTORS)
        set_u32(m, "rope.scaling.original_context_length", o->n_ctx / 4);
    if (o->n_labels > 0)
        write_labels(m);
    if (o->n_labels > 0 || o->dense_label)
        set_u32(m, "pooling_type", 4);
    else if (m->has & ENCODER)
        set_u32(m, "pooling_type", 1);
    if (strcmp(o->arch, "mpt") == 0)
        set_f32(m, "attention.max_alibi_bias", 8.0f);
    if (m->has & YARN) {
        char key[96];
        snprintf(key, sizeof key, "%s.rope.scaling.type", o->arch);
        set_text(m, key, "yarn");
        uint32_t factor = o->n_ctx >= 131072 ? 32 : 8;
        set_f32(m, "rope.scaling.factor", (float)factor);
        set_u32(m, "rope.scaling.original_context_length", o->n_ctx / factor);
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
    t->matrix = false;
    t->n_dims = n_mats ? 3 : n_rows ? 2 : 1;
    t->ne[0] = k;
    t->ne[1] = n_rows ? n_rows : 1;
    t->ne[2] = n_mats ? n_mats : 1;
    t->scale = n_rows ? 1.0f / sqrtf((float)k) : 0.1f;
    t->offset = 0.0f;
    return t;
}

/* "part.weight", and "part.bias" of `n_bias` elements if that is not 0. */
static void add_matrix(maker *m, int layer, const char *part, uint64_t k, uint64_t n_rows,
                       bool bias)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", part);
    add(m, layer, name, m->o->type, k, n_rows, 0)->matrix = true;
    snprintf(name, sizeof name, "%s.bias", part);
    if (bias)
        add(m, layer, name, WTYPE_F32, n_rows, 0, 0);
}

static void add_experts(maker *m, int layer, const char *part, uint64_t k, uint64_t n_rows)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", part);
    add(m, layer, name, m->o->type, k, n_rows, m->o->n_expert)->matrix = true;
    snprintf(name, sizeof name, "%s.bias", part);
    if (m->has & EXPERT_BIAS)
        add(m, layer, name, WTYPE_F32, n_rows, m->o->n_expert, 0)->scale = 0.1f;
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
    const random_model_options *o = m->o;
    uint64_t head = head_width(o), q = head * o->n_head, kv = head * o->n_head_kv;
    bool bias = m->has & QKV_BIAS;
    if (m->has & FUSED_QKV) {
        add_matrix(m, il, "attn_qkv", o->n_embd, q + 2 * kv, bias);
    } else {
        add_matrix(m, il, "attn_q", o->n_embd, q, bias);
        add_matrix(m, il, "attn_k", o->n_embd, kv, bias);
        add_matrix(m, il, "attn_v", o->n_embd, kv, bias);
    }
    if (m->has & (HEAD_NORM | ROW_NORM | PER_HEAD_NORM)) {
        bool row = m->has & ROW_NORM, each = m->has & PER_HEAD_NORM;
        add_norm(m, il, "attn_q_norm", row ? q : head, each ? o->n_head : 0);
        add_norm(m, il, "attn_k_norm", row ? kv : head, each ? o->n_head_kv : 0);
    }
    add_matrix(m, il, "attn_output", q, o->n_embd, m->has & OUT_BIAS);
    if (m->has & SINKS)
        add(m, il, "attn_sinks.weight", WTYPE_F32, o->n_head, 0, 0);
}

static void add_feed_forward(maker *m, int il)
{
    const random_model_options *o = m->o;
    bool bias = m->has & FFN_BIAS;
    if (m->has & EXPERTS) {
        add(m, il, "ffn_gate_inp.weight", WTYPE_F32, o->n_embd, m->o->n_expert, 0);
        if (m->has & EXPERT_BIAS)
            add(m, il, "ffn_gate_inp.bias", WTYPE_F32, m->o->n_expert, 0, 0);
        uint64_t n_ff = expert_width(o);
        add_experts(m, il, "ffn_gate_exps", o->n_embd, n_ff);
        add_experts(m, il, "ffn_up_exps", o->n_embd, n_ff);
        add_experts(m, il, "ffn_down_exps", n_ff, o->n_embd);
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
    const random_model_options *o = m->o;
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
        uint32_t half = head_width(o) / 2;
        add(m, -1, "rope_factors_long.weight", WTYPE_F32, half, 0, 0)->offset = 4.0f;
        add(m, -1, "rope_factors_short.weight", WTYPE_F32, half, 0, 0)->offset = 1.0f;
    }
    if (o->dense_label)
        add_matrix(m, -1, "cls", o->n_embd, o->n_embd, true);
    if (o->n_labels > 0)
        add_matrix(m, -1, "cls.output", o->n_embd, o->n_labels, m->has & ENCODER);
    if (m->has & ENCODER)
        return;
    add_norm(m, -1, "output_norm", o->n_embd, 0);
    if (o->tie == RANDOM_MODEL_UNTIED || (o->tie == RANDOM_MODEL_TIE_USUAL && !(m->has & TIED)))
        add_matrix(m, -1, "output", o->n_embd, o->n_vocab, m->has & OUTPUT_BIAS);
}

/* ---- formats ---- */

static gguf_tensor as_gguf(const tensor *t)
{
    return (gguf_tensor){.name = {t->name, strlen(t->name)},
                         .type = WTYPE_F32,
                         .n_dims = t->n_dims,
                         .ne = {t->ne[0], t->ne[1], t->ne[2], 1}};
}

static int by_layer(const void *a, const void *b)
{
    gguf_tensor x = as_gguf(*(tensor *const *)a), y = as_gguf(*(tensor *const *)b);
    return quantize_tensor_order(&x, &y);
}

/* The recipe's choices, as hearth_quantize makes them from a file of floats. */
static void choose_types(maker *m)
{
    const random_model_options *o = m->o;
    tensor *order[MAX_TENSORS];
    quantize_mixture mixture = {.recipe = o->recipe,
                                .pure = o->pure,
                                .architecture = {o->arch, strlen(o->arch)},
                                .n_layer = (int)o->n_layer,
                                .n_head = (int)o->n_head,
                                .n_head_kv = (int)o->n_head_kv,
                                .n_expert = m->has & EXPERTS ? (int)o->n_expert : 0,
                                .tied = true};
    for (size_t i = 0; i < m->n_tensors; i++) {
        order[i] = &m->tensors[i];
        quantize_mixture_add(&mixture, as_gguf(order[i]).name);
    }
    qsort(order, m->n_tensors, sizeof *order, by_layer);
    for (size_t i = 0; i < m->n_tensors; i++) {
        gguf_tensor t = as_gguf(order[i]);
        quantize_choice choice = quantize_choose(&mixture, &t);
        if (order[i]->matrix)
            order[i]->type = choice.type;
    }
}

/* ---- the file ---- */

static void write_data(maker *m, const tensor *t)
{
    uint64_t n_rows = t->ne[1] * t->ne[2];
    bool pooled = n_rows * t->ne[0] >= POOLED_FROM;
    for (uint64_t r = 0; r < n_rows; r++) {
        size_t n;
        const uint8_t *row =
            random_rows_next(m->rows, t->type, (size_t)t->ne[0], t->scale, t->offset, pooled, &n);
        must(m, gguf_writer_write_data(m->w, row, n, &m->err));
    }
}

void random_model_write(const char *path, const random_model_options *o)
{
    maker *m = mem_calloc(1, sizeof *m);
    size_t f = 0;
    while (random_model_arch(f) && strcmp(random_model_arch(f), o->arch) != 0)
        f++;
    if (m == NULL || random_model_arch(f) == NULL) {
        fprintf(stderr, "random_model: no family '%s'\n", o->arch);
        exit(1);
    }
    m->o = o;
    m->has = families[f].has | (o->experts ? EXPERTS : 0);
    m->rows = random_rows_new(o->seed);
    must(m, gguf_writer_open(&m->w, path, &m->err));
    write_metadata(m);
    add_tensors(m);
    if (o->recipe)
        choose_types(m);
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *t = &m->tensors[i];
        must(m, gguf_writer_add_tensor(m->w, t->name, strlen(t->name), t->type, t->n_dims, t->ne,
                                       &m->err));
    }
    must(m, gguf_writer_begin_data(m->w, &m->err));
    for (size_t i = 0; i < m->n_tensors; i++)
        write_data(m, &m->tensors[i]);
    must(m, gguf_writer_commit(m->w, &m->err));
    gguf_writer_close(m->w);
    random_rows_free(m->rows);
    mem_free(m);
}
