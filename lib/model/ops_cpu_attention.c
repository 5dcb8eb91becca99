/* SPDX-License-Identifier: MIT
 *
 * ops_cpu_attention.c - attention over the pages of sequences: what is done where, and in which
 * order. The arithmetic is that of kernels/attention.h.
 *
 * Order    A token's positions are walked in absolute tiles of a page, ascending, and tiles in
 *          absolute chunks of ATTN_CHUNK positions, whose results are folded in ascending order.
 *          The order depends on positions alone, so a token's result is the same in any batch and
 *          with any number of threads.
 * Blocks   The query heads that share a key-value head, of as many consecutive tokens of a sequence
 *          as ATTN_ROWS holds, walk the pages together.
 * Threads  A block is one piece of work. Where there are fewer blocks than threads need, as when
 *          one token of each of a few sequences is decoded deep in a context, each chunk of a block
 *          is one, and leaves its part in a slot; a second round folds the slots.
 * Window   What a token may see is one interval [low, high) of positions; pages outside it are not
 *          walked.
 * Far      With far keys there are two blocks of the same rows, one for each kind of key, and a
 *          token's interval is cut in two. The far one's chunks are folded first.
 */
#include "model/ops_cpu_state.h"

#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

enum { ATTN_CHUNK = 512 };

static const float log2_e = 1.44269504f;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Most query heads that share a key-value head. */
static size_t largest_group(const hparams *h)
{
    size_t largest = 1;
    for (uint32_t il = 0; il < h->n_layer; il++) {
        size_t group = h->layers[il].n_head / h->layers[il].n_head_kv;
        largest = group > largest ? group : largest;
    }
    return largest;
}

/* A block and its rows are at the front of a worker's scratch. */
typedef struct workplace {
    attn_block block;
    attn_row rows[ATTN_ROWS];
} workplace;

static size_t workplace_bytes(void)
{
    return (sizeof(workplace) + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

size_t ops_cpu_attention_bytes(const hparams *h, size_t n_batch)
{
    size_t n_rows = min_size(ATTN_ROWS, n_batch * largest_group(h));
    return workplace_bytes() + attn_block_bytes(n_rows, h->head_dim_k, h->head_dim_v);
}

size_t ops_cpu_attention_slots(const hparams *h, uint32_t n_ctx, size_t *slot_floats)
{
    size_t n_rows = min_size(ATTN_ROWS, largest_group(h));
    *slot_floats = ops_stride(attn_part_floats(n_rows, h->head_dim_v));
    if (!h->causal)
        return 0;
    return (n_ctx + ATTN_CHUNK - 1) / ATTN_CHUNK * (size_t)h->n_head_kv_max;
}

/* Press, Smith and Lewis 2022 (arXiv 2108.12409): a geometric series of slopes over the heads. */
static float alibi_slope(const hparams *h, uint32_t head, uint32_t n_head)
{
    if (h->alibi_max_bias == 0.0f)
        return 0.0f;
    uint32_t n = 1;
    while (n * 2 <= n_head)
        n *= 2;
    double exponent = head < n ? -h->alibi_max_bias / (double)n * (head + 1)
                               : -h->alibi_max_bias / 2.0 / n * (2.0 * (head - n) + 1.0);
    return (float)fmath_pow(2.0, exponent);
}

/* How one call is cut up. A tile of work is (block, part of the block's heads, key-value head, and
 * in the first of two rounds a chunk). */
typedef struct attend_arg {
    ops_cpu *o;
    const attention_job *job;
    size_t group; /* query heads per key-value head */
    size_t tokens_per_block;
    size_t blocks; /* of tokens, of all sequences */
    size_t parts;  /* of a group too large for one block; else 1 */
    size_t chunks; /* of a block, if each has a slot */
    size_t spans;  /* of chunks, pieces of work of a block */
    size_t span;   /* chunks */
} attend_arg;

/* The end of the block that begins with token `first`: consecutive tokens of one sequence. */
static size_t block_end(const attend_arg *a, size_t first)
{
    const batch *t = a->job->tokens;
    size_t end = first + 1, most = min_size(t->n, first + a->tokens_per_block);
    while (end < most && t->sequences[end] == t->sequences[first])
        end++;
    return end;
}

static size_t count_blocks(const attend_arg *a)
{
    size_t n = 0;
    for (size_t at = 0; at < a->job->tokens->n; at = block_end(a, at))
        n++;
    return n;
}

static size_t first_token(const attend_arg *a, size_t block)
{
    size_t at = 0;
    for (; block > 0; block--)
        at = block_end(a, at);
    return at;
}

static void set_row(const attention_job *job, size_t token, uint32_t head, bool far, attn_row *row)
{
    const hparams *h = job->h;
    const layer_hparams *lh = &h->layers[job->layer];
    uint32_t position = job->tokens->positions[token];
    uint32_t near = job->q_far ? job->near : lh->sliding ? h->n_window : UINT32_MAX;
    uint32_t low = position >= near ? position - near + 1 : 0;
    *row = (attn_row){
        .q = (far ? job->q_far : job->q) + token * ops_stride((size_t)lh->n_head * h->head_dim_k) +
             (size_t)head * h->head_dim_k,
        .out = job->out + token * ops_stride((size_t)lh->n_head * h->head_dim_v) +
               (size_t)head * h->head_dim_v,
        .low = far ? 0 : low,
        .high = far         ? low
                : h->causal ? position + 1
                            : job->tokens->n_visible[token],
        .position = position,
        .slope = alibi_slope(h, head, lh->n_head) * log2_e,
        .sink = job->sinks ? &job->sinks[head] : NULL,
    };
}

/* What a piece of work is about: its near keys, or its far ones. */
typedef struct piece {
    attn_block *block;
    bool far;
    const kv_sequence *sequence;
    uint32_t head_kv;
    uint32_t low, high; /* what any row sees */
} piece;

static piece set_up(const attend_arg *a, size_t index, int worker, bool far)
{
    const attention_job *job = a->job;
    const hparams *h = job->h;
    uint32_t n_head_kv = h->layers[job->layer].n_head_kv;
    size_t first = first_token(a, index / n_head_kv / a->parts), end = block_end(a, first);
    size_t part = index / n_head_kv % a->parts;
    uint8_t *scratch =
        a->o->worker + (size_t)worker * a->o->worker_bytes + (far ? a->o->worker_bytes / 2 : 0);
    workplace *w = (workplace *)(void *)scratch;
    piece p = {.block = &w->block,
               .far = far,
               .sequence = job->tokens->sequences[first],
               .head_kv = (uint32_t)(index % n_head_kv),
               .low = UINT32_MAX};
    size_t n = 0, head_end = min_size(a->group, (part + 1) * ATTN_ROWS);
    for (size_t token = first; token < end; token++) {
        for (size_t head = part * ATTN_ROWS; head < head_end; head++, n++) {
            attn_row *row = &w->rows[n];
            set_row(job, token, (uint32_t)(p.head_kv * a->group + head), far, row);
            p.low = row->low < p.low ? row->low : p.low;
            p.high = row->high > p.high ? row->high : p.high;
        }
    }
    w->block = (attn_block){.type_k = job->layout->type_k,
                            .type_v = job->layout->type_v,
                            .head_dim_k = h->head_dim_k,
                            .head_dim_v = h->head_dim_v,
                            .scale = h->attn_scale,
                            .softcap = h->attn_softcap,
                            .n_rows = n,
                            .rows = w->rows};
    attn_block_init(&w->block, scratch + workplace_bytes());
    return p;
}

static const uint8_t *keys_at(const attend_arg *a, const piece *p, uint32_t position)
{
    return (p->far ? kv_far_keys : kv_keys)(a->job->layout, p->sequence, a->job->layer, p->head_kv,
                                            position);
}

static const uint8_t *values_at(const attend_arg *a, const piece *p, uint32_t position)
{
    return kv_values(a->job->layout, p->sequence, a->job->layer, p->head_kv, position);
}

/* Walks what is seen of one chunk; false if nothing is. */
static bool walk_chunk(const attend_arg *a, const piece *p, size_t chunk)
{
    const attn_kernels *k = a->o->k->attn;
    uint64_t first = (uint64_t)chunk * ATTN_CHUNK, end = first + ATTN_CHUNK;
    uint32_t low = p->low / KV_PAGE * KV_PAGE;
    first = first > low ? first : low;
    end = end < p->high ? end : p->high;
    if (first >= end)
        return false;
    k->start(p->block);
    for (uint32_t at = (uint32_t)first; at < end; at += KV_PAGE) {
        bool last = p->high - at <= KV_PAGE;
        p->block->next_keys = last ? NULL : keys_at(a, p, at + KV_PAGE);
        p->block->next_values = last ? NULL : values_at(a, p, at + KV_PAGE);
        k->tile(p->block, keys_at(a, p, at), values_at(a, p, at), at);
    }
    return true;
}

/* Folds what the rows of p see of the far keys. */
static void attend_far(const attend_arg *a, const piece *p, size_t index, int worker)
{
    const attn_kernels *k = a->o->k->attn;
    piece far = set_up(a, index, worker, true);
    attn_part own = p->block->part;
    if (far.high == 0)
        return;
    k->begin(far.block);
    p->block->part = far.block->part;
    for (size_t chunk = 0; chunk * ATTN_CHUNK < far.high; chunk++) {
        if (walk_chunk(a, &far, chunk))
            k->fold(p->block);
    }
    p->block->part = own;
}

static void attend(void *arg, size_t index, int worker)
{
    const attend_arg *a = arg;
    const attn_kernels *k = a->o->k->attn;
    piece p = set_up(a, index, worker, false);
    k->begin(p.block);
    if (a->job->q_far)
        attend_far(a, &p, index, worker);
    for (size_t chunk = p.low / ATTN_CHUNK; chunk * ATTN_CHUNK < p.high; chunk++) {
        if (walk_chunk(a, &p, chunk))
            k->fold(p.block);
    }
    k->end(p.block);
}

static attn_part slot(const attend_arg *a, size_t index, const attn_block *b)
{
    return attn_part_at(a->o->slots + index * a->o->slot_floats, b->n_rows, b->head_dim_v);
}

/* Consecutive chunks, so that each is fetched while the one before is walked. */
static void attend_chunks(void *arg, size_t index, int worker)
{
    const attend_arg *a = arg;
    size_t block = index / a->spans, first = index % a->spans * a->span;
    piece p = set_up(a, block, worker, false);
    a->o->k->attn->begin(p.block);
    for (size_t chunk = first; chunk < min_size(first + a->span, a->chunks); chunk++) {
        p.block->part = slot(a, block * a->chunks + chunk, p.block);
        walk_chunk(a, &p, chunk);
    }
}

static void fold_chunks(void *arg, size_t index, int worker)
{
    const attend_arg *a = arg;
    const attn_kernels *k = a->o->k->attn;
    piece p = set_up(a, index, worker, false);
    k->begin(p.block);
    for (size_t chunk = p.low / ATTN_CHUNK; chunk * ATTN_CHUNK < p.high; chunk++) {
        p.block->part = slot(a, index * a->chunks + chunk, p.block);
        k->fold(p.block);
    }
    k->end(p.block);
}

void ops_cpu_attention(ops *base, const attention_job *job)
{
    enum { PIECES_PER_THREAD = 4 };
    ops_cpu *o = (ops_cpu *)base;
    const hparams *h = job->h;
    const layer_hparams *lh = &h->layers[job->layer];
    size_t n = job->tokens->n, n_threads = (size_t)thread_pool_size(o->pool);
    attend_arg a = {.o = o, .job = job, .group = lh->n_head / lh->n_head_kv};
    a.parts = (a.group + ATTN_ROWS - 1) / ATTN_ROWS;
    size_t most = a.group < ATTN_ROWS ? ATTN_ROWS / a.group : 1;
    size_t wanted = (PIECES_PER_THREAD * n_threads + lh->n_head_kv - 1) / lh->n_head_kv;
    a.tokens_per_block = min_size(most, (n + wanted - 1) / wanted);
    a.blocks = count_blocks(&a);
    uint32_t seen = 0; /* of any token, and by all together */
    uint64_t seen_in_all = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t high = h->causal ? job->tokens->positions[i] + 1 : job->tokens->n_visible[i];
        seen = high > seen ? high : seen;
        seen_in_all += high;
    }
    uint64_t work = seen_in_all * lh->n_head * (h->head_dim_k + h->head_dim_v);
    size_t pieces = a.blocks * a.parts * lh->n_head_kv;
    size_t chunks = (seen + ATTN_CHUNK - 1) / ATTN_CHUNK;
    if (h->causal && !job->q_far && n_threads > 1 && chunks > 1 && a.blocks == n && a.parts == 1 &&
        pieces < PIECES_PER_THREAD * n_threads && pieces * chunks <= o->n_slots) {
        a.chunks = chunks;
        a.spans = min_size(chunks, (PIECES_PER_THREAD * n_threads + pieces - 1) / pieces);
        a.span = (chunks + a.spans - 1) / a.spans;
        ops_cpu_run(o, attend_chunks, &a, pieces * a.spans, work);
        ops_cpu_run(o, fold_chunks, &a, pieces, pieces * chunks * o->slot_floats);
        return;
    }
    ops_cpu_run(o, attend, &a, pieces, work);
}
