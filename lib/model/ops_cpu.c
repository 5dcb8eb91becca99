/* SPDX-License-Identifier: MIT
 *
 * ops_cpu.c - scratch memory, and the operations that treat every row alike.
 *
 * All scratch is one mapping, laid out by lay_out(): run once without memory to count the bytes,
 * and again to set the pointers, so that the plan and the allocation can never disagree.
 */
#include "model/ops_cpu_state.h"

#include <string.h>

#include "base/mem.h"
#include "os/sysmem.h"

/* Below this many multiply-adds a pool costs more than it gains. */
static const uint64_t worth_threads = 60000;

void ops_cpu_run(ops_cpu *o, thread_pool_fn fn, void *arg, size_t n_chunks, uint64_t work)
{
    if (n_chunks > 1 && work >= worth_threads) {
        thread_pool_run(o->pool, fn, arg, n_chunks);
        return;
    }
    for (size_t chunk = 0; chunk < n_chunks; chunk++)
        fn(arg, chunk, 0);
}

/* Every operation below is one function of a row; this is all they need. */
typedef struct row_job {
    ops_cpu *o;
    void (*fn)(const struct row_job *job, size_t row);
    size_t n;
    float *x;
    const float *y;
    size_t stride_x;
    size_t stride_y;
    size_t width;
    const void *arg;
    int mode;
    float factor;
} row_job;

enum { ROWS_PER_CHUNK = 4 };

static void run_row_chunk(void *arg, size_t chunk, int worker)
{
    const row_job *job = arg;
    size_t end = (chunk + 1) * ROWS_PER_CHUNK < job->n ? (chunk + 1) * ROWS_PER_CHUNK : job->n;
    (void)worker;
    for (size_t row = chunk * ROWS_PER_CHUNK; row < end; row++)
        job->fn(job, row);
}

static void run_rows(row_job *job)
{
    size_t n_chunks = (job->n + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK;
    ops_cpu_run(job->o, run_row_chunk, job, n_chunks, (uint64_t)job->n * job->width);
}

static float *row_x(const row_job *job, size_t row)
{
    return job->x + row * job->stride_x;
}

static const float *row_y(const row_job *job, size_t row)
{
    return job->y + row * job->stride_y;
}

/* ---- embedding ---- */

typedef struct embed_arg {
    const linear *table;
    const int32_t *ids;
} embed_arg;

static void embed_row(const row_job *job, size_t row)
{
    const embed_arg *e = job->arg;
    const float_kernels *f = job->o->k->f;
    const uint8_t *source = e->table->data + (size_t)e->ids[row] * e->table->row_bytes;
    float *x = row_x(job, row), *out = job->mode ? (float *)row_y(job, row) : x;
    job->o->k->weight->dequantize[e->table->type](source, e->table->k, out);
    if (job->mode)
        f->axpy(x, job->factor, out, job->width);
    else if (job->factor != 1.0f)
        f->scale(out, job->factor, job->width);
}

static void embed(ops *base, const linear *table, const int32_t *ids, size_t n, float scale,
                  bool add, float *x)
{
    ops_cpu *o = (ops_cpu *)base;
    embed_arg arg = {table, ids};
    /* Adding goes by way of the activations' scratch, which is free here and wide enough. */
    row_job job = {.o = o,
                   .fn = embed_row,
                   .n = n,
                   .x = x,
                   .y = (float *)o->act[ACT_F32],
                   .stride_x = ops_stride(table->k),
                   .stride_y = ops_stride(table->k),
                   .width = table->k,
                   .arg = &arg,
                   .mode = add,
                   .factor = scale};
    run_rows(&job);
}

/* ---- norms and elementwise ---- */

typedef struct norm_arg {
    const norm_weights *w;
    norm_kind kind;
    size_t n_vectors;
} norm_arg;

static void norm_row(const row_job *job, size_t row)
{
    const norm_arg *a = job->arg;
    const norm_weights *w = a->w;
    const float_kernels *f = job->o->k->f;
    for (size_t i = 0; i < a->n_vectors; i++) {
        const float *in = row_y(job, row) + i * w->n;
        float *out = row_x(job, row) + i * w->n;
        size_t set = w->n_sets > 1 ? i * w->n : 0;
        if (a->kind == NORM_RMS)
            f->rms_norm(in, w->w + set, job->factor, w->n, out);
        else
            f->layer_norm(in, w->w + set, w->b ? w->b + set : NULL, job->factor, w->n, out);
    }
}

static void norm(ops *base, norm_kind kind, const norm_weights *w, float eps, const float *x,
                 size_t n, size_t n_vectors, float *out)
{
    size_t width = w->n * n_vectors;
    norm_arg arg = {w, kind, n_vectors};
    row_job job = {.o = (ops_cpu *)base,
                   .fn = norm_row,
                   .n = n,
                   .x = out,
                   .y = x,
                   .stride_x = ops_stride(width),
                   .stride_y = ops_stride(width),
                   .width = width,
                   .arg = &arg,
                   .factor = eps};
    run_rows(&job);
}

static void add_row(const row_job *job, size_t row)
{
    job->o->k->f->axpy(row_x(job, row), job->factor, row_y(job, row), job->width);
}

static void add(ops *base, float *x, const float *y, float scale, size_t n, size_t width)
{
    row_job job = {.o = (ops_cpu *)base,
                   .fn = add_row,
                   .n = n,
                   .x = x,
                   .y = y,
                   .stride_x = ops_stride(width),
                   .stride_y = ops_stride(width),
                   .width = width,
                   .factor = scale};
    run_rows(&job);
}

static void clamp_row(const row_job *job, size_t row)
{
    job->o->k->f->clamp(row_x(job, row), job->factor, job->width);
}

static void clamp(ops *base, float *x, float limit, size_t n, size_t width)
{
    row_job job = {.o = (ops_cpu *)base,
                   .fn = clamp_row,
                   .n = n,
                   .x = x,
                   .stride_x = ops_stride(width),
                   .width = width,
                   .factor = limit};
    run_rows(&job);
}

static void activate_row(const row_job *job, size_t row)
{
    job->o->k->f->activate((ffn_act)job->mode, row_x(job, row), job->y ? row_y(job, row) : NULL,
                           job->width);
}

static void activate(ops *base, ffn_act act, float *gate, const float *up, size_t n, size_t width)
{
    row_job job = {.o = (ops_cpu *)base,
                   .fn = activate_row,
                   .n = n,
                   .x = gate,
                   .y = up,
                   .stride_x = ops_stride(width),
                   .stride_y = ops_stride(width),
                   .width = width,
                   .mode = (int)act};
    run_rows(&job);
}

static void gate_row(const row_job *job, size_t row)
{
    const float_kernels *f = job->o->k->f;
    float share = row_y(job, row)[0];
    f->sigmoid(&share, 1);
    f->scale(row_x(job, row), share, job->width);
}

static void gate_rows(ops *base, float *y, const float *gate, size_t n, size_t width)
{
    row_job job = {.o = (ops_cpu *)base,
                   .fn = gate_row,
                   .n = n,
                   .x = y,
                   .y = gate,
                   .stride_x = ops_stride(width),
                   .stride_y = ops_stride(1),
                   .width = width};
    run_rows(&job);
}

typedef struct finish_arg {
    float cap;
} finish_arg;

static void finish_row(const row_job *job, size_t row)
{
    const float_kernels *f = job->o->k->f;
    const finish_arg *a = job->arg;
    if (job->factor != 1.0f)
        f->scale(row_x(job, row), job->factor, job->width);
    if (a->cap != 0.0f)
        f->softcap(row_x(job, row), a->cap, job->width);
}

static void finish_logits(ops *base, float *logits, float scale, float cap, size_t n, size_t width)
{
    finish_arg arg = {cap};
    row_job job = {.o = (ops_cpu *)base,
                   .fn = finish_row,
                   .n = n,
                   .x = logits,
                   .stride_x = ops_stride(width),
                   .width = width,
                   .arg = &arg,
                   .factor = scale};
    run_rows(&job);
}

/* ---- positions and the cache ---- */

typedef struct angles_arg {
    const rope_table *table;
    int frequencies;
    const uint32_t *positions;
} angles_arg;

static void angles_row(const row_job *job, size_t row)
{
    const angles_arg *a = job->arg;
    size_t offset = row * a->table->n_pairs;
    rope_angles(a->table, a->frequencies, a->positions[row], job->o->cos[job->mode] + offset,
                job->o->sin[job->mode] + offset);
}

static void angles(ops *base, angle_set set, const rope_table *r, int frequencies,
                   const uint32_t *positions, size_t n)
{
    angles_arg arg = {r, frequencies, positions};
    /* A sine costs some fifty multiply-adds. */
    row_job job = {.o = (ops_cpu *)base,
                   .fn = angles_row,
                   .n = n,
                   .width = r->n_pairs * 100,
                   .arg = &arg,
                   .mode = (int)set};
    run_rows(&job);
}

typedef struct rope_arg {
    const hparams *h;
    size_t n_head;
    angle_set set;
} rope_arg;

static void rope_row(const row_job *job, size_t row)
{
    const rope_arg *a = job->arg;
    const hparams *h = a->h;
    const float *cos = job->o->cos[a->set] + row * (h->n_rot / 2);
    const float *sin = job->o->sin[a->set] + row * (h->n_rot / 2);
    for (size_t head = 0; head < a->n_head; head++)
        job->o->k->f->rope(row_x(job, row) + head * h->head_dim_k, cos, sin, h->n_rot,
                           h->rope == ROPE_NEOX);
}

static void rope(ops *base, angle_set set, const hparams *h, float *x, size_t n, size_t n_head)
{
    rope_arg arg = {h, n_head, set};
    row_job job = {.o = (ops_cpu *)base,
                   .fn = rope_row,
                   .n = n,
                   .x = x,
                   .stride_x = ops_stride(n_head * h->head_dim_k),
                   .width = n_head * h->head_dim_k,
                   .arg = &arg};
    run_rows(&job);
}

typedef struct store_arg {
    const batch *tokens;
    const kv_layout *layout;
    const hparams *h;
    uint32_t layer;
    const float *k;
    const float *k_far; /* or NULL */
    const float *v;
} store_arg;

static void store_row(const row_job *job, size_t row)
{
    const store_arg *a = job->arg;
    const attn_kernels *attn = job->o->k->attn;
    const hparams *h = a->h;
    uint32_t n_head = h->layers[a->layer].n_head_kv, position = a->tokens->positions[row];
    const kv_sequence *s = a->tokens->sequences[row];
    size_t k_row = row * ops_stride((size_t)n_head * h->head_dim_k);
    const float *k = a->k + k_row;
    const float *v = a->v + row * ops_stride((size_t)n_head * h->head_dim_v);
    for (uint32_t head = 0; head < n_head; head++) {
        attn->store_key(a->layout->type_k, k + (size_t)head * h->head_dim_k, h->head_dim_k,
                        position % KV_PAGE, kv_keys(a->layout, s, a->layer, head, position));
        if (a->k_far)
            attn->store_key(a->layout->type_k, a->k_far + k_row + (size_t)head * h->head_dim_k,
                            h->head_dim_k, position % KV_PAGE,
                            kv_far_keys(a->layout, s, a->layer, head, position));
        attn->store_value(a->layout->type_v, v + (size_t)head * h->head_dim_v, h->head_dim_v,
                          position % KV_PAGE, kv_values(a->layout, s, a->layer, head, position));
    }
}

static void store_kv(ops *base, const batch *tokens, const kv_layout *layout, const hparams *h,
                     uint32_t layer, const float *k, const float *k_far, const float *v)
{
    store_arg arg = {tokens, layout, h, layer, k, k_far, v};
    row_job job = {.o = (ops_cpu *)base,
                   .fn = store_row,
                   .n = tokens->n,
                   .width = (size_t)h->layers[layer].n_head_kv * (h->head_dim_k + h->head_dim_v),
                   .arg = &arg};
    run_rows(&job);
}

/* ---- scratch ---- */

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The widest input of any matrix. */
static size_t widest_input(const hparams *h)
{
    size_t width = max_size(h->n_embd, h->n_ff_max);
    width = max_size(width, (size_t)h->n_head_max * h->head_dim_v);
    return max_size(width, h->n_ff_shared);
}

/* Gives out n bytes of the mapping at base, or only counts them if base is NULL. */
static void *take(void *base, size_t *used, size_t n_bytes)
{
    size_t offset = *used;
    *used += (n_bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    return base ? (uint8_t *)base + offset : NULL;
}

/* An expert that uses panels fills at least so many columns of its one tile, or 17 of its two. */
static size_t most_expert_tiles(const panel_kernels *panel, size_t pairs)
{
    size_t columns = 8;
    for (int class = WTYPE_CLASS_B; class <= WTYPE_CLASS_K; class ++) {
        if (panel->min_columns[class] < columns)
            columns = panel->min_columns[class];
    }
    return pairs / columns + 1;
}

/* Of what experts take in. */
static size_t widest_tile(const hparams *h)
{
    size_t bytes = 0;
    for (int kind = ACT_Q32; kind < ACT_COUNT; kind++) {
        bytes = max_size(bytes, act_tile_bytes((act_kind)kind, h->n_embd));
        bytes = max_size(bytes, act_tile_bytes((act_kind)kind, h->n_ff_expert));
    }
    return bytes;
}

static size_t lay_out(ops_cpu *o, const hparams *h, const ops_cpu_options *options, void *base)
{
    size_t used = 0, b = o->n_batch, wide = widest_input(h);
    const panel_kernels *panel = o->k->panel;
    for (int kind = 0; kind < ACT_COUNT; kind++)
        o->act[kind] = take(base, &used, b * act_row_bytes((act_kind)kind, wide));
    size_t n_tiles = (b + TILE_COLUMNS - 1) / TILE_COLUMNS;
    for (int kind = ACT_Q32; kind < ACT_COUNT && panel; kind++)
        o->tiles[kind] = take(base, &used, n_tiles * act_tile_bytes((act_kind)kind, wide));
    if (panel)
        o->panels = take(base, &used, (size_t)options->n_threads * PANEL_SCRATCH_BYTES);
    for (int set = 0; set < (options->far_keys ? ANGLE_SETS : ANGLES_FAR_QUERIES); set++) {
        o->cos[set] = take(base, &used, b * (h->n_rot / 2) * sizeof(float));
        o->sin[set] = take(base, &used, b * (h->n_rot / 2) * sizeof(float));
    }
    o->worker_bytes = ops_cpu_attention_bytes(h, b) * (options->far_keys ? 2 : 1);
    o->worker = take(base, &used, (size_t)options->n_threads * o->worker_bytes);
    o->n_slots = ops_cpu_attention_slots(h, options->n_ctx, &o->slot_floats);
    o->slots = take(base, &used, o->n_slots * o->slot_floats * sizeof(float));
    if (h->n_expert == 0)
        return used;
    expert_scratch *e = &o->experts;
    size_t pairs = b * h->n_expert_used;
    e->scores = take(base, &used, b * ops_stride(h->n_expert) * sizeof(float));
    e->weights = take(base, &used, pairs * sizeof(float));
    e->chosen = take(base, &used, pairs * sizeof(uint32_t));
    e->order = take(base, &used, pairs * sizeof(uint32_t));
    e->place = take(base, &used, pairs * sizeof(uint32_t));
    e->first = take(base, &used, (h->n_expert + 1) * sizeof(uint32_t));
    e->first_tile = take(base, &used, (h->n_expert + 1) * sizeof(uint32_t));
    e->wanted = take(base, &used, h->n_expert * sizeof(uint32_t));
    e->gate = take(base, &used, pairs * ops_stride(h->n_ff_expert) * sizeof(float));
    e->up = take(base, &used, pairs * ops_stride(h->n_ff_expert) * sizeof(float));
    e->down = take(base, &used, pairs * ops_stride(h->n_embd) * sizeof(float));
    for (int kind = ACT_Q32; kind < ACT_COUNT; kind++)
        e->act[kind] = take(base, &used, pairs * act_row_bytes((act_kind)kind, h->n_ff_expert));
    if (panel)
        e->tiles = take(base, &used, most_expert_tiles(panel, pairs) * widest_tile(h));
    return used;
}

static void close_ops(ops *base)
{
    ops_cpu *o = (ops_cpu *)base;
    if (o == NULL)
        return;
    thread_pool_close(o->pool);
    if (o->memory)
        sysmem_unmap(o->memory, o->memory_bytes);
    mem_free(o);
}

static const ops_table table = {
    .embed = embed,
    .norm = norm,
    .linears = ops_cpu_linears,
    .add = add,
    .clamp = clamp,
    .angles = angles,
    .rope = rope,
    .store_kv = store_kv,
    .attention = ops_cpu_attention,
    .activate = activate,
    .experts = ops_cpu_experts,
    .gate_rows = gate_rows,
    .finish_logits = finish_logits,
    .close = close_ops,
};

uint64_t ops_cpu_bytes(const hparams *h, const ops_cpu_options *options)
{
    ops_cpu counted = {.k = options->kernels, .n_batch = options->n_batch};
    return lay_out(&counted, h, options, NULL);
}

hearth_status ops_cpu_open(ops **out, const hparams *h, const ops_cpu_options *options,
                           hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    ops_cpu *o = mem_calloc(1, sizeof *o);
    if (o == NULL)
        return error_no_memory(err, "the operations", sizeof *o);
    o->base.table = &table;
    o->k = options->kernels;
    o->n_batch = options->n_batch;
    o->memory_bytes = (size_t)ops_cpu_bytes(h, options);
    TRY_OUT(sysmem_map(&o->memory, o->memory_bytes, "scratch of the forward pass", err));
    lay_out(o, h, options, o->memory);
    TRY_OUT(thread_pool_open(&o->pool, options->n_threads, err));
    *out = &o->base;
    return HEARTH_OK;
out:
    close_ops(&o->base);
    return status;
}
