/* SPDX-License-Identifier: MIT
 *
 * weights.c - finding and checking tensors. See weights.h.
 *
 * Names are the ones GGUF files use: "blk.N.part.weight" and ".bias". The binder carries the file,
 * the layer and the first failure, so that the lists of names below read as lists.
 */
#include "model/weights.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

typedef struct binder {
    weights *w;
    const hparams *h;
    const gguf *g;
    int layer; /* -1: tensors of the whole model */
    hearth_status status;
    hearth_error *err;
} binder;

enum { NAME_MAX_BYTES = 96, REQUIRED = 1, OPTIONAL = 0 };

static const gguf_tensor *find(const binder *b, const char *part, const char *suffix, char *name)
{
    if (b->layer < 0)
        snprintf(name, NAME_MAX_BYTES, "%s.%s", part, suffix);
    else
        snprintf(name, NAME_MAX_BYTES, "blk.%d.%s.%s", b->layer, part, suffix);
    return gguf_find_tensor(b->g, name);
}

static void fail_absent(binder *b, const char *name)
{
    if (b->status == HEARTH_OK)
        b->status = error_set(b->err, HEARTH_EFORMAT, name,
                              "tensor '%s' is missing; the file is incomplete", name);
}

static void fail_shape(binder *b, const gguf_tensor *t, const char *name, size_t k, size_t n_rows)
{
    if (b->status == HEARTH_OK)
        b->status =
            error_set(b->err, HEARTH_EFORMAT, name,
                      "tensor '%s' is %llu x %llu x %llu, but the metadata asks for %zu x %zu",
                      name, (unsigned long long)t->ne[0], (unsigned long long)t->ne[1],
                      (unsigned long long)t->ne[2], k, n_rows);
}

static void fail_memory(binder *b, const char *name, size_t n_bytes)
{
    if (b->status == HEARTH_OK)
        b->status = error_no_memory(b->err, name, n_bytes);
}

/* A whole tensor as floats: in place if it is F32 and aligned, or converted and owned. Only formats
 * of floats are: they grow at most twofold, so the memory stays within what the file's size allows.
 */
static const float *as_floats(binder *b, const gguf_tensor *t, const char *name)
{
    weights *w = b->w;
    if (t->type == WTYPE_F32 && (uintptr_t)t->data % sizeof(float) == 0)
        return (const float *)t->data;
    const kernels *k = kernels_get("scalar");
    if (wtype_get(t->type)->class != WTYPE_CLASS_F) {
        if (b->status == HEARTH_OK)
            b->status = error_set(b->err, HEARTH_EFORMAT, name,
                                  "tensor '%s' is of type %s; norms and biases may be F32, F16 or "
                                  "BF16",
                                  name, wtype_get(t->type)->name);
        return NULL;
    }
    size_t n_bytes = t->n_elements * sizeof(float);
    float **owned = mem_realloc_array(w->owned, w->n_owned + 1, sizeof *owned);
    if (owned)
        w->owned = owned;
    float *copy = owned ? mem_alloc_aligned(n_bytes) : NULL;
    if (copy == NULL) {
        fail_memory(b, name, n_bytes);
        return NULL;
    }
    w->owned[w->n_owned++] = copy;
    w->owned_bytes += n_bytes;
    k->weight->dequantize[t->type](t->data, t->n_elements, copy);
    return copy;
}

/* n floats. Any shape with that many elements will do: 1 x n and n x 1 are both in use. */
static const float *bind_vector(binder *b, const char *part, const char *suffix, size_t n,
                                int required)
{
    char name[NAME_MAX_BYTES];
    const gguf_tensor *t = find(b, part, suffix, name);
    if (t == NULL) {
        if (required)
            fail_absent(b, name);
        return NULL;
    }
    if (t->n_elements != n) {
        fail_shape(b, t, name, n, 1);
        return NULL;
    }
    return as_floats(b, t, name);
}

static norm_weights bind_norm(binder *b, const char *part, size_t n, int required)
{
    norm_weights norm = {.n = n, .n_sets = 1};
    norm.w = bind_vector(b, part, "weight", n, required);
    norm.b = norm.w ? bind_vector(b, part, "bias", n, OPTIONAL) : NULL;
    return norm;
}

/* The norm of queries or keys: over each head with common weights, over each head with its own, or
 * over the whole row. The shape tells. */
static norm_weights bind_head_norm(binder *b, const char *part, size_t n_head, size_t head_dim)
{
    char name[NAME_MAX_BYTES];
    const gguf_tensor *t = find(b, part, "weight", name);
    if (t == NULL)
        return (norm_weights){0};
    if (t->n_elements == head_dim)
        return bind_norm(b, part, head_dim, OPTIONAL);
    norm_weights norm = bind_norm(b, part, n_head * head_dim, OPTIONAL);
    if (t->ne[0] == head_dim && t->ne[1] == n_head) {
        norm.n = head_dim;
        norm.n_sets = n_head;
    }
    return norm;
}

static linear bind_linear_part(binder *b, const char *part, size_t k, size_t n_rows, size_t n_mats,
                               int required)
{
    char name[NAME_MAX_BYTES];
    linear l = {.k = k, .n_rows = n_rows};
    const gguf_tensor *t = find(b, part, "weight", name);
    uint64_t row_bytes = 0;
    if (t == NULL) {
        if (required)
            fail_absent(b, name);
        return l;
    }
    if (t->ne[0] != k || t->ne[1] != n_rows || t->ne[2] != n_mats || t->ne[3] != 1) {
        fail_shape(b, t, name, k, n_rows);
        return l;
    }
    if (wtype_get(t->type)->class == WTYPE_CLASS_N || !wtype_row_bytes(t->type, k, &row_bytes)) {
        if (b->status == HEARTH_OK)
            b->status = error_set(b->err, HEARTH_EFORMAT, name,
                                  "tensor '%s' is of type %s, which cannot be multiplied", name,
                                  wtype_get(t->type)->name);
        return l;
    }
    l.data = t->data;
    l.type = t->type;
    l.row_bytes = (size_t)row_bytes;
    l.bias = bind_vector(b, part, "bias", n_rows * n_mats, OPTIONAL);
    return l;
}

static linear bind_linear(binder *b, const char *part, size_t k, size_t n_rows, int required)
{
    return bind_linear_part(b, part, k, n_rows, 1, required);
}

static expert_bank bind_experts(binder *b, const char *part, size_t k, size_t n_rows, int required)
{
    expert_bank bank = {.first = bind_linear_part(b, part, k, n_rows, b->h->n_expert, required)};
    bank.expert_bytes = bank.first.n_rows * bank.first.row_bytes;
    return bank;
}

/* Rows [first, first + n) of a matrix. */
static linear view(const linear *l, size_t first, size_t n_rows)
{
    linear part = *l;
    part.n_rows = n_rows;
    if (l->data)
        part.data = l->data + first * l->row_bytes;
    if (l->bias)
        part.bias = l->bias + first;
    return part;
}

static bool has(const binder *b, const char *part)
{
    char name[NAME_MAX_BYTES];
    return find(b, part, "weight", name) != NULL;
}

static void bind_attention(binder *b, layer_weights *l, const layer_hparams *lh)
{
    const hparams *h = b->h;
    size_t n_q = (size_t)lh->n_head * h->head_dim_k, n_k = (size_t)lh->n_head_kv * h->head_dim_k;
    size_t n_v = (size_t)lh->n_head_kv * h->head_dim_v;
    if (has(b, "attn_qkv")) {
        linear fused = bind_linear(b, "attn_qkv", h->n_embd, n_q + n_k + n_v, REQUIRED);
        l->q = view(&fused, 0, n_q);
        l->k = view(&fused, n_q, n_k);
        l->v = view(&fused, n_q + n_k, n_v);
        if (fused.bias == NULL) {
            l->q.bias = bind_vector(b, "attn_q", "bias", n_q, OPTIONAL);
            l->k.bias = bind_vector(b, "attn_k", "bias", n_k, OPTIONAL);
            l->v.bias = bind_vector(b, "attn_v", "bias", n_v, OPTIONAL);
        }
    } else {
        l->q = bind_linear(b, "attn_q", h->n_embd, n_q, REQUIRED);
        l->k = bind_linear(b, "attn_k", h->n_embd, n_k, REQUIRED);
        l->v = bind_linear(b, "attn_v", h->n_embd, n_v, REQUIRED);
    }
    l->q_norm = bind_head_norm(b, "attn_q_norm", lh->n_head, h->head_dim_k);
    l->k_norm = bind_head_norm(b, "attn_k_norm", lh->n_head_kv, h->head_dim_k);
    l->sinks = bind_vector(b, "attn_sinks", "weight", lh->n_head, OPTIONAL);
    l->attn_output =
        bind_linear(b, "attn_output", (size_t)lh->n_head * h->head_dim_v, h->n_embd, REQUIRED);
}

static void bind_ffn(binder *b, layer_weights *l, const arch *a, size_t n_ff)
{
    const hparams *h = b->h;
    char name[NAME_MAX_BYTES];
    if (find(b, "ffn.act", "scales", name) && b->status == HEARTH_OK)
        b->status = error_set(b->err, HEARTH_EUNSUPPORTED, name,
                              "tensor '%s' (AWQ activation scales) is not supported; convert the "
                              "model without AWQ",
                              name);
    const gguf_tensor *up = find(b, "ffn_up", "weight", name);
    if (!a->ungated && !has(b, "ffn_gate") && up && up->ne[1] == 2 * n_ff) {
        linear fused = bind_linear(b, "ffn_up", h->n_embd, 2 * n_ff, REQUIRED);
        l->gate = view(&fused, 0, n_ff);
        l->up = view(&fused, n_ff, n_ff);
    } else {
        if (!a->ungated)
            l->gate = bind_linear(b, "ffn_gate", h->n_embd, n_ff, REQUIRED);
        l->up = bind_linear(b, "ffn_up", h->n_embd, n_ff, REQUIRED);
    }
    l->down = bind_linear(b, "ffn_down", n_ff, h->n_embd, REQUIRED);
}

static void bind_moe(binder *b, layer_weights *l)
{
    const hparams *h = b->h;
    l->router = bind_linear(b, "ffn_gate_inp", h->n_embd, h->n_expert, REQUIRED);
    l->gate_experts = bind_experts(b, "ffn_gate_exps", h->n_embd, h->n_ff_expert, REQUIRED);
    l->up_experts = bind_experts(b, "ffn_up_exps", h->n_embd, h->n_ff_expert, REQUIRED);
    l->down_experts = bind_experts(b, "ffn_down_exps", h->n_ff_expert, h->n_embd, REQUIRED);
    if (h->n_ff_shared == 0 || !has(b, "ffn_up_shexp"))
        return;
    l->shared_router = bind_linear(b, "ffn_gate_inp_shexp", h->n_embd, 1, OPTIONAL);
    l->shared_gate = bind_linear(b, "ffn_gate_shexp", h->n_embd, h->n_ff_shared, REQUIRED);
    l->shared_up = bind_linear(b, "ffn_up_shexp", h->n_embd, h->n_ff_shared, REQUIRED);
    l->shared_down = bind_linear(b, "ffn_down_shexp", h->n_ff_shared, h->n_embd, REQUIRED);
}

static void bind_layer(binder *b, layer_weights *l, const arch *a)
{
    const hparams *h = b->h;
    const layer_hparams *lh = &h->layers[b->layer];
    const char *ffn_norm = a->ffn_norm ? a->ffn_norm : "ffn_norm";
    bool pre_norms = h->wiring != WIRING_POST && !a->no_pre_norms;
    l->attn_norm = bind_norm(b, "attn_norm", h->n_embd, pre_norms);
    l->attn_norm_2 = bind_norm(b, "attn_norm_2", h->n_embd, OPTIONAL);
    bind_attention(b, l, lh);
    if (a->post_norms) {
        l->attn_post_norm = bind_norm(b, "post_attention_norm", h->n_embd, REQUIRED);
        l->ffn_post_norm = bind_norm(b, "post_ffw_norm", h->n_embd, REQUIRED);
    }
    l->ffn_norm = bind_norm(b, ffn_norm, h->n_embd, pre_norms && h->wiring == WIRING_SERIES);
    if (h->n_expert > 0 && has(b, "ffn_gate_inp"))
        bind_moe(b, l);
    else
        bind_ffn(b, l, a, lh->n_ff);
    if (h->wiring == WIRING_POST) {
        l->attn_output_norm = bind_norm(b, "attn_output_norm", h->n_embd, REQUIRED);
        l->layer_output_norm = bind_norm(b, "layer_output_norm", h->n_embd, REQUIRED);
    }
}

/* Rows are looked up, not multiplied; how many there are is the file's to say. */
static linear bind_table(binder *b, const char *part, size_t min_rows)
{
    char name[NAME_MAX_BYTES];
    const gguf_tensor *t = find(b, part, "weight", name);
    if (t == NULL)
        return (linear){0};
    if (t->ne[1] < min_rows) {
        fail_shape(b, t, name, b->h->n_embd, min_rows);
        return (linear){0};
    }
    return bind_linear(b, part, b->h->n_embd, (size_t)t->ne[1], REQUIRED);
}

/* A dense layer, or an output, or both. */
static void bind_classifier(binder *b)
{
    const hparams *h = b->h;
    bool output = has(b, "cls.output");
    b->w->cls = bind_linear(b, "cls", h->n_embd, output ? h->n_embd : h->n_labels, OPTIONAL);
    b->w->cls_output = bind_linear(b, "cls.output", h->n_embd, h->n_labels, OPTIONAL);
}

static void bind_model(binder *b, const arch *a)
{
    weights *w = b->w;
    const hparams *h = b->h;
    w->token_embd = bind_linear(b, "token_embd", h->n_embd, h->n_vocab, REQUIRED);
    w->position_embd = bind_table(b, "position_embd", h->n_ctx_train);
    w->token_types = bind_table(b, "token_types", 1);
    w->embd_norm = bind_norm(b, "token_embd_norm", h->n_embd, OPTIONAL);
    w->output_norm = bind_norm(b, "output_norm", h->n_embd, h->wiring != WIRING_POST);
    if (!a->encoder) {
        w->output = bind_linear(b, "output", h->n_embd, h->n_vocab, OPTIONAL);
        if (w->output.data == NULL) {
            w->output = w->token_embd;
            w->output.bias = bind_vector(b, "output", "bias", h->n_vocab, OPTIONAL);
        }
    }
    bind_classifier(b);
    w->rope_freqs = bind_vector(b, "rope_freqs", "weight", h->n_rot / 2, OPTIONAL);
    w->rope_long = bind_vector(b, "rope_factors_long", "weight", h->n_rot / 2, OPTIONAL);
    w->rope_short = bind_vector(b, "rope_factors_short", "weight", h->n_rot / 2, OPTIONAL);
}

hearth_status weights_bind(weights *w, const hparams *h, const arch *a, const gguf *g,
                           hearth_error *err)
{
    memset(w, 0, sizeof *w);
    binder b = {.w = w, .h = h, .g = g, .layer = -1, .err = err};
    w->layers = mem_calloc(h->n_layer, sizeof *w->layers);
    if (w->layers == NULL)
        return error_no_memory(err, "the table of tensors", h->n_layer * sizeof *w->layers);
    bind_model(&b, a);
    for (uint32_t il = 0; il < h->n_layer && b.status == HEARTH_OK; il++) {
        b.layer = (int)il;
        bind_layer(&b, &w->layers[il], a);
    }
    if (b.status != HEARTH_OK)
        weights_deinit(w);
    return b.status;
}

void weights_deinit(weights *w)
{
    for (size_t i = 0; i < w->n_owned; i++)
        mem_free(w->owned[i]);
    mem_free(w->owned);
    mem_free(w->layers);
    memset(w, 0, sizeof *w);
}
