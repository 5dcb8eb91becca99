/* SPDX-License-Identifier: MIT
 *
 * forward.c - see forward.h. The residual stream is x; every part reads a (normed) copy of it in
 * `in` and leaves its output in `out`, which is then added to x.
 */
#include "model/forward.h"

#include <string.h>

#include "base/mem.h"
#include "os/sysmem.h"

struct forward {
    const hparams *h;
    const weights *w;
    ops *o;
    rope_table rope;
    kv_layout layout;
    size_t n_batch;
    uint32_t adapter_rank;
    uint32_t adapter_n_out;
    uint32_t group_n, group_w;
    size_t n; /* rows of the last run */
    void *memory;
    size_t memory_bytes;
    void *adapter_memory; /* of low and delta; NULL: none yet */
    size_t adapter_bytes;
    float *x;     /* [n_batch][n_embd] */
    float *in;    /* [n_batch][n_embd] */
    float *in_2;  /* [n_batch][n_embd] the feed-forward's input beside attention's */
    float *out;   /* [n_batch][n_embd] */
    float *q;     /* [n_batch][n_head * head_dim_k] */
    float *k;     /* [n_batch][n_head_kv * head_dim_k] */
    float *v;     /* [n_batch][n_head_kv * head_dim_v] */
    float *heads; /* [n_batch][n_head * head_dim_v] attention's result */
    float *gate;  /* [n_batch][n_ff] */
    float *up;    /* [n_batch][n_ff] */
    float *share; /* [n_batch][1] of the shared expert */
    float *q_far; /* as q and k, with far keys; or NULL */
    float *k_far;
    uint32_t *far_positions; /* [2][n_batch] of keys, of queries */
    float *low;              /* [n_batch][adapter_rank] A x of an adapter */
    float *delta;            /* [n_batch][adapter_n_out] B A x */
    float *logits;           /* [FORWARD_LOGITS_ROWS][n_vocab] */
};

static float *take(void *base, size_t *used, size_t n_rows, size_t width)
{
    size_t offset = *used;
    *used += n_rows * ops_stride(width) * sizeof(float);
    return base ? (float *)(void *)((uint8_t *)base + offset) : NULL;
}

/* As in ops_cpu.c: counts without memory, sets the pointers with it. */
static size_t lay_out(forward *f, const hparams *h, void *base)
{
    size_t used = 0, b = f->n_batch;
    size_t n_ff = h->n_ff_max > h->n_ff_shared ? h->n_ff_max : h->n_ff_shared;
    f->x = take(base, &used, b, h->n_embd);
    f->in = take(base, &used, b, h->n_embd);
    f->in_2 = take(base, &used, b, h->n_embd);
    f->out = take(base, &used, b, h->n_embd);
    f->q = take(base, &used, b, (size_t)h->n_head_max * h->head_dim_k);
    f->k = take(base, &used, b, (size_t)h->n_head_kv_max * h->head_dim_k);
    f->v = take(base, &used, b, (size_t)h->n_head_kv_max * h->head_dim_v);
    f->heads = take(base, &used, b, (size_t)h->n_head_max * h->head_dim_v);
    f->gate = take(base, &used, b, n_ff);
    f->up = take(base, &used, b, n_ff);
    f->share = take(base, &used, b, 1);
    if (f->group_n > 1) {
        f->q_far = take(base, &used, b, (size_t)h->n_head_max * h->head_dim_k);
        f->k_far = take(base, &used, b, (size_t)h->n_head_kv_max * h->head_dim_k);
        f->far_positions = (uint32_t *)(void *)take(base, &used, 2, b);
    }
    if (h->causal)
        f->logits = take(base, &used, FORWARD_LOGITS_ROWS, h->n_vocab);
    return used;
}

uint64_t forward_adapter_bytes(size_t n_batch, uint32_t rank, uint32_t n_out)
{
    return (uint64_t)n_batch * (ops_stride(rank) + ops_stride(n_out)) * sizeof(float);
}

static ops_cpu_options ops_options(const forward_options *options)
{
    return (ops_cpu_options){options->kernels, options->n_threads, options->n_batch, options->n_ctx,
                             options->group_n > 1};
}

uint64_t forward_bytes(const forward_options *options)
{
    forward counted = {.n_batch = options->n_batch, .group_n = options->group_n};
    ops_cpu_options o = ops_options(options);
    return lay_out(&counted, options->h, NULL) + ops_cpu_bytes(options->h, &o) +
           rope_bytes(options->h) +
           forward_adapter_bytes(options->n_batch, options->adapter_rank, options->adapter_n_out);
}

hearth_status forward_open(forward **out, const forward_options *options, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    ops_cpu_options o = ops_options(options);
    forward *f = mem_calloc(1, sizeof *f);
    if (f == NULL)
        return error_no_memory(err, "the forward pass", sizeof *f);
    f->h = options->h;
    f->w = options->w;
    f->n_batch = options->n_batch;
    f->group_n = options->group_n;
    f->group_w = options->group_w;
    kv_layout_init(&f->layout, options->h, options->type_k, options->type_v, f->group_n > 1);
    f->memory_bytes = lay_out(f, options->h, NULL);
    TRY_OUT(sysmem_map(&f->memory, f->memory_bytes, "activations", err));
    lay_out(f, options->h, f->memory);
    TRY_OUT(forward_grow_adapters(f, options->adapter_rank, options->adapter_n_out, err));
    TRY_OUT(rope_init(&f->rope, options->h, options->w, options->n_ctx, err));
    TRY_OUT(ops_cpu_open(&f->o, options->h, &o, err));
    *out = f;
    return HEARTH_OK;
out:
    forward_close(f);
    return status;
}

void forward_close(forward *f)
{
    if (f == NULL)
        return;
    if (f->o)
        f->o->table->close(f->o);
    rope_deinit(&f->rope);
    if (f->memory)
        sysmem_unmap(f->memory, f->memory_bytes);
    if (f->adapter_memory)
        sysmem_unmap(f->adapter_memory, f->adapter_bytes);
    mem_free(f);
}

bool forward_has_adapter_room(const forward *f, uint32_t rank, uint32_t n_out)
{
    return rank <= f->adapter_rank && n_out <= f->adapter_n_out;
}

hearth_status forward_grow_adapters(forward *f, uint32_t rank, uint32_t n_out, hearth_error *err)
{
    void *memory;
    if (forward_has_adapter_room(f, rank, n_out))
        return HEARTH_OK;
    rank = rank > f->adapter_rank ? rank : f->adapter_rank;
    n_out = n_out > f->adapter_n_out ? n_out : f->adapter_n_out;
    size_t n_bytes = (size_t)forward_adapter_bytes(f->n_batch, rank, n_out);
    TRY(sysmem_map(&memory, n_bytes, "adapters", err));
    if (f->adapter_memory)
        sysmem_unmap(f->adapter_memory, f->adapter_bytes);
    f->adapter_memory = memory;
    f->adapter_bytes = n_bytes;
    f->adapter_rank = rank;
    f->adapter_n_out = n_out;
    f->low = memory;
    f->delta = f->low + f->n_batch * ops_stride(rank);
    return HEARTH_OK;
}

const kv_layout *forward_kv_layout(const forward *f)
{
    return &f->layout;
}

static void normalize(forward *f, const norm_weights *w, const float *x, size_t n, float *out)
{
    f->o->table->norm(f->o, f->h->norm, w, f->h->norm_eps, x, n, 1, out);
}

/* x after token, position and type embeddings. */
static void embed(forward *f, const batch *b)
{
    const weights *w = f->w;
    const ops_table *t = f->o->table;
    t->embed(f->o, &w->token_embd, b->tokens, b->n, f->h->embedding_scale, false, f->x);
    if (w->position_embd.data) /* positions are below n_ctx, which fits in an int32 */
        t->embed(f->o, &w->position_embd, (const int32_t *)b->positions, b->n, 1.0f, true, f->x);
    for (size_t i = 0; i < b->n && w->token_types.data; i++) {
        static const int32_t first_type = 0;
        t->embed(f->o, &w->token_types, &first_type, 1, 1.0f, true,
                 f->x + i * ops_stride(f->h->n_embd));
    }
    if (w->embd_norm.w)
        normalize(f, &w->embd_norm, f->x, b->n, f->x);
}

/* How many vectors of a head norm make a row: its own width tells whether it takes heads or all. */
static size_t vectors_per_row(const norm_weights *w, size_t n_head, size_t head_dim)
{
    return n_head * head_dim / w->n;
}

/* Adds what one adapter makes of rows [first, first + n) of x to those of y. */
static void adapt_rows(forward *f, const adapter *a, float scale, const linear *w, const float *x,
                       float *y, size_t first, size_t n)
{
    const ops_table *t = f->o->table;
    linear down, up;
    float own;
    if (!adapter_find(a, w, &down, &up, &own))
        return;
    const linear *matrix = &down;
    t->linears(f->o, &matrix, &f->low, 1, x + first * ops_stride(w->k), n);
    matrix = &up;
    t->linears(f->o, &matrix, &f->delta, 1, f->low, n);
    t->add(f->o, y + first * ops_stride(w->n_rows), f->delta, scale * own, n, w->n_rows);
}

static void adapt(forward *f, const batch *b, const linear *w, const float *x, float *y)
{
    size_t end;
    for (size_t first = 0; first < b->n; first = end) {
        const adapter_mix *mix = b->mixes[first];
        for (end = first + 1; end < b->n && b->mixes[end] == mix; end++)
            ;
        for (size_t i = 0; mix && i < mix->n; i++)
            adapt_rows(f, mix->adapters[i], mix->scales[i], w, x, y, first, end - first);
    }
}

/* ops->linears, with what the batch's adapters add. */
static void project(forward *f, const batch *b, const linear *const *w, float *const *y,
                    size_t n_linears, const float *x)
{
    f->o->table->linears(f->o, w, y, n_linears, x, b->n);
    for (size_t i = 0; b->mixes && i < n_linears; i++)
        adapt(f, b, w[i], x, y[i]);
}

/* Makes q_far and k_far of what is not rotated yet. */
static void rotate_far(forward *f, const layer_hparams *lh, size_t n)
{
    const hparams *h = f->h;
    const ops_table *t = f->o->table;
    memcpy(f->q_far, f->q, n * ops_stride((size_t)lh->n_head * h->head_dim_k) * sizeof(float));
    memcpy(f->k_far, f->k, n * ops_stride((size_t)lh->n_head_kv * h->head_dim_k) * sizeof(float));
    t->rope(f->o, ANGLES_FAR_QUERIES, h, f->q_far, n, lh->n_head);
    t->rope(f->o, ANGLES_FAR_KEYS, h, f->k_far, n, lh->n_head_kv);
}

static void attention(forward *f, uint32_t il, const batch *b, const float *in)
{
    const hparams *h = f->h;
    const layer_hparams *lh = &h->layers[il];
    const layer_weights *l = &f->w->layers[il];
    const ops_table *t = f->o->table;
    const linear *qkv[] = {&l->q, &l->k, &l->v};
    float *const results[] = {f->q, f->k, f->v};
    project(f, b, qkv, results, 3, in);
    if (h->qkv_clamp > 0.0f) {
        for (int i = 0; i < 3; i++)
            t->clamp(f->o, results[i], h->qkv_clamp, b->n, qkv[i]->n_rows);
    }
    if (l->q_norm.w)
        t->norm(f->o, h->norm, &l->q_norm, h->norm_eps, f->q, b->n,
                vectors_per_row(&l->q_norm, lh->n_head, h->head_dim_k), f->q);
    if (l->k_norm.w)
        t->norm(f->o, h->norm, &l->k_norm, h->norm_eps, f->k, b->n,
                vectors_per_row(&l->k_norm, lh->n_head_kv, h->head_dim_k), f->k);
    if (f->q_far)
        rotate_far(f, lh, b->n);
    if (lh->rope) {
        angle_set set = lh->sliding ? ANGLES_SLIDING : ANGLES;
        t->rope(f->o, set, h, f->q, b->n, lh->n_head);
        t->rope(f->o, set, h, f->k, b->n, lh->n_head_kv);
    }
    t->store_kv(f->o, b, &f->layout, h, il, f->k, f->k_far, f->v);
    attention_job job = {.tokens = b,
                         .layout = &f->layout,
                         .h = h,
                         .layer = il,
                         .sinks = l->sinks,
                         .q = f->q,
                         .out = f->heads,
                         .q_far = f->q_far,
                         .near = f->group_w};
    t->attention(f->o, &job);
    const linear *output = &l->attn_output;
    project(f, b, &output, &f->out, 1, f->heads);
    if (l->attn_post_norm.w)
        normalize(f, &l->attn_post_norm, f->out, b->n, f->out);
}

/* result = down(act(gate x) * up x), or down(act(up x)) without a gate. */
static void dense(forward *f, const batch *b, const linear *gate, const linear *up,
                  const linear *down, const float *in, float *result)
{
    const ops_table *t = f->o->table;
    const linear *in_weights[] = {gate->data ? gate : up, up};
    float *const in_results[] = {f->gate, f->up};
    bool gated = gate->data != NULL;
    project(f, b, in_weights, in_results, gated ? 2 : 1, in);
    t->activate(f->o, f->h->act, f->gate, gated ? f->up : NULL, b->n, up->n_rows);
    project(f, b, &down, &result, 1, f->gate);
}

/* Leaves its output in f->out; uses f->in_2 for the shared expert, so `in` must not be that. */
static void mixture(forward *f, const layer_weights *l, const batch *b, const float *in)
{
    const hparams *h = f->h;
    const ops_table *t = f->o->table;
    t->experts(f->o, h, l, in, b->n, f->out);
    if (l->shared_up.data == NULL)
        return;
    dense(f, b, &l->shared_gate, &l->shared_up, &l->shared_down, in, f->in_2);
    if (l->shared_router.data) {
        const linear *router = &l->shared_router;
        project(f, b, &router, &f->share, 1, in);
        t->gate_rows(f->o, f->in_2, f->share, b->n, h->n_embd);
    }
    t->add(f->o, f->out, f->in_2, 1.0f, b->n, h->n_embd);
}

static void feed_forward(forward *f, const layer_weights *l, const batch *b, const float *in)
{
    if (l->router.data)
        mixture(f, l, b, in);
    else
        dense(f, b, &l->gate, &l->up, &l->down, in, f->out);
    if (l->ffn_post_norm.w)
        normalize(f, &l->ffn_post_norm, f->out, b->n, f->out);
}

static void add_out(forward *f, size_t n)
{
    f->o->table->add(f->o, f->x, f->out, f->h->residual_scale, n, f->h->n_embd);
}

static void series_layer(forward *f, uint32_t il, const batch *b)
{
    const layer_weights *l = &f->w->layers[il];
    const float *in = f->x;
    if (l->attn_norm.w) {
        normalize(f, &l->attn_norm, f->x, b->n, f->in);
        in = f->in;
    }
    attention(f, il, b, in);
    add_out(f, b->n);
    in = f->x;
    if (l->ffn_norm.w) {
        normalize(f, &l->ffn_norm, f->x, b->n, f->in);
        in = f->in;
    }
    feed_forward(f, l, b, in);
    add_out(f, b->n);
}

static void parallel_layer(forward *f, uint32_t il, const batch *b)
{
    const layer_weights *l = &f->w->layers[il];
    const float *attn_in = f->in, *ffn_in = f->in;
    normalize(f, &l->attn_norm, f->x, b->n, f->in);
    if (l->attn_norm_2.w) {
        normalize(f, &l->attn_norm_2, f->x, b->n, f->in_2);
        attn_in = f->in_2;
    } else if (l->ffn_norm.w) {
        normalize(f, &l->ffn_norm, f->x, b->n, f->in_2);
        ffn_in = f->in_2;
    }
    attention(f, il, b, attn_in);
    add_out(f, b->n);
    feed_forward(f, l, b, ffn_in);
    add_out(f, b->n);
}

static void post_norm_layer(forward *f, uint32_t il, const batch *b)
{
    const layer_weights *l = &f->w->layers[il];
    attention(f, il, b, f->x);
    add_out(f, b->n);
    normalize(f, &l->attn_output_norm, f->x, b->n, f->x);
    feed_forward(f, l, b, f->x);
    add_out(f, b->n);
    normalize(f, &l->layer_output_norm, f->x, b->n, f->x);
}

/* The angles of this pass. A far key at j and a query at i stand at j / n and i / n + w - w / n, so
 * that the first far key is w before the query, as if all of them were near. */
static void turn(forward *f, const batch *b)
{
    const ops_table *t = f->o->table;
    t->angles(f->o, ANGLES, &f->rope, 0, b->positions, b->n);
    if (f->q_far == NULL) {
        t->angles(f->o, ANGLES_SLIDING, &f->rope, 1, b->positions, b->n);
        return;
    }
    uint32_t *keys = f->far_positions, *queries = keys + f->n_batch;
    for (size_t i = 0; i < b->n; i++) {
        keys[i] = b->positions[i] / f->group_n;
        queries[i] = keys[i] + f->group_w - f->group_w / f->group_n;
    }
    t->angles(f->o, ANGLES_FAR_KEYS, &f->rope, 0, keys, b->n);
    t->angles(f->o, ANGLES_FAR_QUERIES, &f->rope, 0, queries, b->n);
}

hearth_status forward_run(forward *f, const batch *b, const atomic_bool *cancel, hearth_error *err)
{
    static void (*const layers[])(forward *, uint32_t, const batch *) = {
        [WIRING_SERIES] = series_layer,
        [WIRING_PARALLEL] = parallel_layer,
        [WIRING_POST] = post_norm_layer,
    };
    f->n = 0;
    embed(f, b);
    if (f->h->rope != ROPE_NONE)
        turn(f, b);
    for (uint32_t il = 0; il < f->h->n_layer; il++) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            FAIL(err, ECANCELED, "feed", "canceled");
        layers[f->h->wiring](f, il, b);
    }
    f->n = b->n;
    return HEARTH_OK;
}

const float *forward_logits(forward *f, const size_t *rows, size_t n, size_t *stride)
{
    const hparams *h = f->h;
    const linear *head = &f->w->output;
    const size_t width = ops_stride(h->n_embd);
    const float *x = f->in_2;
    *stride = ops_stride(h->n_vocab);
    for (size_t i = 0; i < n; i++)
        memcpy(f->in_2 + i * width, f->x + rows[i] * width, h->n_embd * sizeof *x);
    if (f->w->output_norm.w) {
        normalize(f, &f->w->output_norm, x, n, f->in);
        x = f->in;
    }
    f->o->table->linears(f->o, &head, &f->logits, 1, x, n);
    if (h->logit_scale != 1.0f || h->logit_softcap != 0.0f)
        f->o->table->finish_logits(f->o, f->logits, h->logit_scale, h->logit_softcap, n,
                                   h->n_vocab);
    return f->logits;
}

const float *forward_hidden(forward *f, size_t *stride)
{
    *stride = ops_stride(f->h->n_embd);
    if (f->w->output_norm.w == NULL)
        return f->x;
    normalize(f, &f->w->output_norm, f->x, f->n, f->in);
    return f->in;
}
