/* SPDX-License-Identifier: MIT
 *
 * attention.c - sizes and scratch memory, the same for every instruction set. See attention.h.
 */
#include "kernels/attention.h"

#include "base/mem.h"

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t tile_bytes(cache_type type, size_t width)
{
    static const size_t bytes[CACHE_COUNT] = {sizeof(float), sizeof(int16_t), sizeof(int8_t)};
    return ATTN_TILE * width * bytes[type] + (type == CACHE_F32 ? 0 : ATTN_TILE * sizeof(float));
}

size_t attn_keys_bytes(cache_type type, size_t head_dim)
{
    return tile_bytes(type, round_up(head_dim, 2));
}

size_t attn_values_bytes(cache_type type, size_t head_dim)
{
    return tile_bytes(type, round_up(head_dim, 16));
}

size_t attn_part_floats(size_t n_rows, size_t head_dim_v)
{
    size_t n = attn_lanes(n_rows);
    return 2 * round_up(n, 16) + n * round_up(head_dim_v, 16);
}

attn_part attn_part_at(float *base, size_t n_rows, size_t head_dim_v)
{
    size_t n = round_up(attn_lanes(n_rows), 16);
    (void)head_dim_v;
    return (attn_part){base, base + n, base + 2 * n};
}

/* Gives out n bytes at base, or only counts them if base is NULL. */
static void *take(void *base, size_t *used, size_t n_bytes)
{
    size_t offset = *used;
    *used += round_up(n_bytes, MEM_ALIGN);
    return base ? (uint8_t *)base + offset : NULL;
}

static size_t lay_out(attn_block *b, void *base)
{
    size_t used = 0, n = round_up(b->n_rows, 16), part = attn_part_floats(n, b->head_dim_v);
    size_t dim_k = round_up(b->head_dim_k, 64), dim_v = round_up(b->head_dim_v, 64);
    float *parts[2];
    for (int i = 0; i < 2; i++)
        parts[i] = take(base, &used, part * sizeof(float));
    b->q_scale = take(base, &used, n * sizeof(float));
    b->q_source = take(base, &used, dim_k * sizeof(float));
    b->q = take(base, &used, n * dim_k * sizeof(float));
    b->scores = take(base, &used, 2 * 16 * ATTN_TILE * sizeof(float));
    b->weights = take(base, &used, 2 * 16 * ATTN_TILE * sizeof(float));
    b->mixed = take(base, &used, 2 * 16 * dim_v * sizeof(float));
    b->keys = take(base, &used, ATTN_TILE * dim_k * sizeof(int16_t));
    b->values = take(base, &used, ATTN_TILE * dim_v * sizeof(int16_t));
    b->key_planes = take(base, &used, ATTN_TILE * dim_k * sizeof(int16_t));
    b->value_planes = take(base, &used, ATTN_TILE * dim_v * sizeof(int16_t));
    b->limbs = take(base, &used, 2 * 3 * 16 * (ATTN_TILE + dim_v) * sizeof(int32_t));
    if (base) {
        b->part = attn_part_at(parts[0], b->n_rows, b->head_dim_v);
        b->total = attn_part_at(parts[1], b->n_rows, b->head_dim_v);
    }
    return used;
}

size_t attn_block_bytes(size_t n_rows, size_t head_dim_k, size_t head_dim_v)
{
    attn_block b = {.n_rows = n_rows, .head_dim_k = head_dim_k, .head_dim_v = head_dim_v};
    return lay_out(&b, NULL);
}

void attn_block_init(attn_block *b, void *scratch)
{
    lay_out(b, scratch);
    b->n_lanes = attn_lanes(b->n_rows);
    b->low_max = 0;
    b->high_min = UINT32_MAX;
    for (size_t i = 0; i < b->n_rows; i++) {
        b->low_max = b->rows[i].low > b->low_max ? b->rows[i].low : b->low_max;
        b->high_min = b->rows[i].high < b->high_min ? b->rows[i].high : b->high_min;
    }
}
