/* SPDX-License-Identifier: MIT
 *
 * ops_cpu_experts.c - a mixture of experts: route, run the chosen ones, add up.
 *
 * A pair is one token with one of its chosen experts; pair = token * n_used + rank. Pairs are
 * sorted by expert, which gives each its place, and rows of all scratch are in that order. The work
 * is cut into (expert, rows) chunks that all threads draw from, so a popular expert does not hold
 * up the others. Inputs are quantized once; for an expert that many tokens chose they are gathered
 * into tiles and multiplied as panels (kernels/panel.h). A pair's result depends on its token
 * alone, and a token adds its pairs by rank, so the batch does not matter.
 */
#include "model/ops_cpu_state.h"

#include <math.h>
#include <string.h>

typedef struct experts_job {
    ops_cpu *o;
    const hparams *h;
    const layer_weights *l;
    const float *x;
    size_t n;
    float *y;
    /* of the multiplication at hand */
    const expert_bank *bank[2];
    float *out[2];
    size_t n_banks;
    act_kind kind;
    const uint8_t *in; /* activation rows */
    size_t in_bytes;
    bool in_by_place; /* one row per place, or one per token */
    size_t chunk_rows;
    size_t chunks_per_expert;
} experts_job;

/* The n_used best of the scores, best first; of equals the lower index. */
static void choose_best(const float *scores, size_t n, uint32_t n_used, uint32_t *chosen)
{
    bool taken[MAX_EXPERTS] = {false};
    for (uint32_t rank = 0; rank < n_used; rank++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            if (!taken[i] && (best == n || scores[i] > scores[best]))
                best = i;
        }
        taken[best] = true;
        chosen[rank] = (uint32_t)best;
    }
}

static void softmax(const float_kernels *f, float *x, size_t n)
{
    float total = f->exp_sum(x, f->max(x, n), n);
    f->scale(x, 1.0f / total, n);
}

static void route_token(void *arg, size_t token, int worker)
{
    const experts_job *j = arg;
    const hparams *h = j->h;
    const float_kernels *f = j->o->k->f;
    expert_scratch *e = &j->o->experts;
    float *scores = e->scores + token * ops_stride(h->n_expert);
    uint32_t *chosen = e->chosen + token * h->n_expert_used;
    float *w = e->weights + token * h->n_expert_used;
    (void)worker;
    if (h->gating == GATING_SOFTMAX)
        softmax(f, scores, h->n_expert);
    if (h->gating == GATING_SIGMOID)
        f->sigmoid(scores, h->n_expert);
    choose_best(scores, h->n_expert, h->n_expert_used, chosen);
    for (uint32_t i = 0; i < h->n_expert_used; i++)
        w[i] = scores[chosen[i]];
    if (h->gating == GATING_TOP_SOFTMAX)
        softmax(f, w, h->n_expert_used);
    if (h->expert_weights_norm) {
        float total = 0.0f;
        for (uint32_t i = 0; i < h->n_expert_used; i++)
            total += w[i];
        /* The smallest normal F16, as the models were trained with: no division by nothing. */
        f->scale(w, 1.0f / fmaxf(total, 0x1p-14f), h->n_expert_used);
    }
}

/* Counting sort of the pairs by expert. */
static void sort_pairs(experts_job *j)
{
    expert_scratch *e = &j->o->experts;
    size_t n_pairs = j->n * j->h->n_expert_used, n_expert = j->h->n_expert;
    memset(e->first, 0, (n_expert + 1) * sizeof *e->first);
    for (size_t p = 0; p < n_pairs; p++)
        e->first[e->chosen[p] + 1]++;
    for (size_t i = 0; i < n_expert; i++)
        e->first[i + 1] += e->first[i];
    for (size_t p = n_pairs; p-- > 0;)
        e->order[--e->first[e->chosen[p] + 1]] = (uint32_t)p;
    /* Each start has moved down to where its own pairs begin: shift them back into place. */
    memmove(e->first, e->first + 1, n_expert * sizeof *e->first);
    e->first[n_expert] = (uint32_t)n_pairs;
    for (size_t p = 0; p < n_pairs; p++)
        e->place[e->order[p]] = (uint32_t)p;
    e->n_wanted = 0;
    for (size_t i = 0; i < n_expert; i++) {
        if (e->first[i + 1] > e->first[i])
            e->wanted[e->n_wanted++] = (uint32_t)i;
    }
}

static uint32_t n_columns_of(const experts_job *j, size_t expert)
{
    return j->o->experts.first[expert + 1] - j->o->experts.first[expert];
}

/* The input of a place. */
static const uint8_t *input_at(const experts_job *j, size_t place)
{
    size_t row = j->in_by_place ? place : j->o->experts.order[place] / j->h->n_expert_used;
    return j->in + row * j->in_bytes;
}

/* Floats of a token are not copied for every expert that it chose. */
static bool uses_panels(const experts_job *j, size_t which, size_t expert)
{
    return j->kind != ACT_F32 &&
           ops_cpu_uses_panels(j->o, j->bank[which]->first.type, n_columns_of(j, expert));
}

static bool needs_tiles(const experts_job *j, size_t expert)
{
    for (size_t which = 0; which < j->n_banks; which++) {
        if (uses_panels(j, which, expert))
            return true;
    }
    return false;
}

static void pack_expert(void *arg, size_t expert, int worker)
{
    const experts_job *j = arg;
    const expert_scratch *e = &j->o->experts;
    const size_t k = j->bank[0]->first.k, tile_bytes = act_tile_bytes(j->kind, k);
    uint8_t *tile = e->tiles + e->first_tile[expert] * tile_bytes;
    (void)worker;
    if (!needs_tiles(j, expert))
        return;
    for (uint32_t p = e->first[expert]; p < e->first[expert + 1]; p += TILE_COLUMNS) {
        const void *rows[TILE_COLUMNS];
        uint32_t left = e->first[expert + 1] - p, n = left < TILE_COLUMNS ? left : TILE_COLUMNS;
        for (uint32_t i = 0; i < n; i++)
            rows[i] = input_at(j, p + i);
        j->o->k->panel->pack[j->kind](rows, n, k, tile);
        tile += tile_bytes;
    }
}

/* Gathers the inputs of popular experts. */
static void pack_tiles(experts_job *j)
{
    expert_scratch *e = &j->o->experts;
    const size_t n_expert = j->h->n_expert;
    e->first_tile[0] = 0;
    for (size_t i = 0; i < n_expert; i++) {
        uint32_t n = needs_tiles(j, i) ? (n_columns_of(j, i) + TILE_COLUMNS - 1) / TILE_COLUMNS : 0;
        e->first_tile[i + 1] = e->first_tile[i] + n;
    }
    if (e->first_tile[n_expert] > 0)
        ops_cpu_run(j->o, pack_expert, j, n_expert,
                    (uint64_t)e->first_tile[n_expert] * TILE_COLUMNS * j->bank[0]->first.k);
}

static void multiply_panel(const experts_job *j, size_t which, size_t expert, size_t first,
                           size_t n_rows, int worker)
{
    const expert_scratch *e = &j->o->experts;
    const linear *w = &j->bank[which]->first;
    const size_t stride = ops_stride(w->n_rows);
    panel_job job = {.w = w->data + expert * j->bank[which]->expert_bytes + first * w->row_bytes,
                     .row_bytes = w->row_bytes,
                     .k = w->k,
                     .n_rows = n_rows,
                     .n_columns = n_columns_of(j, expert),
                     .tiles = e->tiles + e->first_tile[expert] * act_tile_bytes(j->kind, w->k),
                     .y = j->out[which] + e->first[expert] * stride + first,
                     .y_stride = stride,
                     .scratch = j->o->panels + (size_t)worker * PANEL_SCRATCH_BYTES};
    j->o->k->panel->matmul[w->type](&job);
}

static void multiply_direct(const experts_job *j, size_t which, size_t expert, size_t first,
                            size_t n_rows)
{
    const expert_scratch *e = &j->o->experts;
    const linear *w = &j->bank[which]->first;
    matmul_job mm = {.w = w->data + expert * j->bank[which]->expert_bytes + first * w->row_bytes,
                     .row_bytes = w->row_bytes,
                     .k = w->k,
                     .n_rows = n_rows};
    for (uint32_t p = e->first[expert]; p < e->first[expert + 1]; p += MATMUL_MAX_COLUMNS) {
        uint32_t rest = e->first[expert + 1] - p;
        mm.n_columns = rest < MATMUL_MAX_COLUMNS ? (int)rest : MATMUL_MAX_COLUMNS;
        for (int c = 0; c < mm.n_columns; c++) {
            mm.x[c] = input_at(j, p + (uint32_t)c);
            mm.y[c] = j->out[which] + (p + (uint32_t)c) * ops_stride(w->n_rows) + first;
        }
        j->o->k->weight->matmul[w->type](&mm);
    }
}

static void expert_chunk(void *arg, size_t chunk, int worker)
{
    const experts_job *j = arg;
    const expert_scratch *e = &j->o->experts;
    size_t expert = e->wanted[chunk / j->chunks_per_expert];
    size_t first = chunk % j->chunks_per_expert * j->chunk_rows;
    size_t n_rows = j->bank[0]->first.n_rows;
    n_rows = n_rows - first < j->chunk_rows ? n_rows - first : j->chunk_rows;
    for (size_t which = 0; which < j->n_banks; which++) {
        const linear *w = &j->bank[which]->first;
        if (uses_panels(j, which, expert))
            multiply_panel(j, which, expert, first, n_rows, worker);
        else
            multiply_direct(j, which, expert, first, n_rows);
        for (uint32_t p = e->first[expert]; p < e->first[expert + 1] && w->bias; p++)
            j->o->k->f->add(j->out[which] + p * ops_stride(w->n_rows) + first,
                            w->bias + expert * w->n_rows + first, n_rows);
    }
}

/* Long streams of rows for few columns, panels for many, and a few chunks for each thread. */
static size_t choose_chunk_rows(const experts_job *j)
{
    enum { CHUNKS_PER_THREAD = 4, MIN_ROWS = 64, UNIT = 16 };
    const linear *w = &j->bank[0]->first;
    const size_t wanted = CHUNKS_PER_THREAD * (size_t)thread_pool_size(j->o->pool);
    size_t rows = ops_cpu_chunk_rows(w->row_bytes, w->n_rows);
    if (ops_cpu_uses_panels(j->o, w->type, j->n) && rows > PANEL_ROWS)
        rows = PANEL_ROWS;
    while (rows >= 2 * MIN_ROWS && j->o->experts.n_wanted * w->n_rows / rows < wanted)
        rows = (rows / 2 + UNIT - 1) / UNIT * UNIT;
    return rows;
}

/* out[i] = bank[i] x for all places. The banks have one shape and want one kind of activation. */
static void multiply_banks(experts_job *j, const float *x, size_t n_rows_in, uint8_t *const *act)
{
    const linear *w = &j->bank[0]->first;
    const act_kind kind = j->kind = act_kind_for(w->type);
    if (kind == ACT_F32) {
        j->in = (const uint8_t *)x;
        j->in_bytes = ops_stride(w->k) * sizeof(float);
    } else {
        ops_cpu_quantize(j->o, kind, x, n_rows_in, w->k, act[kind]);
        j->in = act[kind];
        j->in_bytes = act_row_bytes(kind, w->k);
    }
    j->chunk_rows = choose_chunk_rows(j);
    pack_tiles(j);
    j->chunks_per_expert = (w->n_rows + j->chunk_rows - 1) / j->chunk_rows;
    ops_cpu_run(j->o, expert_chunk, j, j->o->experts.n_wanted * j->chunks_per_expert,
                (uint64_t)j->n * j->h->n_expert_used * w->n_rows * w->k * j->n_banks);
}

static void activate_place(void *arg, size_t place, int worker)
{
    const experts_job *j = arg;
    const expert_scratch *e = &j->o->experts;
    size_t width = j->h->n_ff_expert, offset = place * ops_stride(width);
    (void)worker;
    j->o->k->f->activate(j->h->act, e->gate + offset, e->up + offset, width);
}

static void add_pairs(void *arg, size_t token, int worker)
{
    const experts_job *j = arg;
    const expert_scratch *e = &j->o->experts;
    size_t width = j->h->n_embd;
    float *y = j->y + token * ops_stride(width);
    (void)worker;
    memset(y, 0, width * sizeof *y);
    for (uint32_t i = 0; i < j->h->n_expert_used; i++) {
        size_t pair = token * j->h->n_expert_used + i;
        j->o->k->f->axpy(y, e->weights[pair], e->down + e->place[pair] * ops_stride(width), width);
    }
}

/* Gate and up in one go if they can share their input. */
static void multiply_up(experts_job *j)
{
    const layer_weights *l = j->l;
    expert_scratch *e = &j->o->experts;
    const expert_bank *banks[2] = {&l->gate_experts, &l->up_experts};
    float *out[2] = {e->gate, e->up};
    bool together = act_kind_for(banks[0]->first.type) == act_kind_for(banks[1]->first.type);
    j->in_by_place = false;
    for (size_t i = 0; i < 2; i += j->n_banks) {
        j->n_banks = together ? 2 : 1;
        for (size_t k = 0; k < j->n_banks; k++) {
            j->bank[k] = banks[i + k];
            j->out[k] = out[i + k];
        }
        multiply_banks(j, j->x, j->n, j->o->act);
    }
}

void ops_cpu_experts(ops *base, const hparams *h, const layer_weights *l, const float *x, size_t n,
                     float *y)
{
    ops_cpu *o = (ops_cpu *)base;
    expert_scratch *e = &o->experts;
    experts_job job = {.o = o, .h = h, .l = l, .x = x, .n = n, .y = y};
    const linear *router = &l->router;
    size_t n_pairs = n * h->n_expert_used;
    ops_cpu_linears(base, &router, &e->scores, 1, x, n);
    ops_cpu_run(o, route_token, &job, n, (uint64_t)n * h->n_expert * h->n_expert_used);
    sort_pairs(&job);
    multiply_up(&job);
    ops_cpu_run(o, activate_place, &job, n_pairs, (uint64_t)n_pairs * h->n_ff_expert * 8);
    job.bank[0] = &l->down_experts;
    job.out[0] = e->down;
    job.n_banks = 1;
    job.in_by_place = true;
    multiply_banks(&job, e->gate, n_pairs, e->act);
    ops_cpu_run(o, add_pairs, &job, n, (uint64_t)n_pairs * h->n_embd);
}
