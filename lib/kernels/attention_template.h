/* SPDX-License-Identifier: MIT
 *
 * attention_template.h - the attention kernels, written once over a vec of sixteen floats.
 *
 * Included by attention_scalar.c and its siblings after their vec_*.h; defines ATTN_TABLE. A narrow
 * block (few rows: decoding) has positions in the lanes, so that even one row uses whole vectors. A
 * wide block has rows in the lanes: no sum crosses lanes, and a tile's elements are broadcast. The
 * integer sums are exact and the floating ones follow attention.h, so both give the same bits.
 */
#include "kernels/vec_math.h"
#include "kernels/attention_dots.h"

static const float log2_e = 1.44269504f;
static const float least_sum = 1e-30f; /* of weights that are not all nothing */
static const float no_score = -3e38f;  /* below every score; minus infinity would make NaN */

static inline size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static inline vec vec_exp2(vec x)
{
    static const float c[] = {1.3381302e-3f, 9.6663684e-3f, 5.5503812e-2f,
                              2.402235e-1f,  6.9314718e-1f, 1.0f};
    vec bounded = vec_max(x, vec_set1(-127.0f));
    /* Adding 1.5 * 2^23 rounds to the nearest integer, left in the low bits. */
    vec magic = vec_set1(12582912.0f);
    vec t = vec_add(bounded, magic);
    vec r = vec_sub(bounded, vec_sub(t, magic));
    vec p = vec_fma(vec_set1(c[0]), r, vec_set1(c[1]));
    for (size_t i = 2; i < sizeof c / sizeof *c; i++)
        p = vec_fma(p, r, vec_set1(c[i]));
    return vec_scale_exponent(p, t);
}

static float exp2_of(float x)
{
    float y[16];
    vec_store(y, vec_exp2(vec_set1(x)));
    return y[0];
}

/* ---- rows to integers ---- */

static float max_abs(const float *x, size_t n)
{
    float best = 0.0f;
    size_t i = 0;
    if (n >= 16) {
        vec m = vec_set1(0.0f);
        for (; i + 16 <= n; i += 16)
            m = vec_max(vec_abs(vec_load(x + i)), m);
        best = vec_top(m);
    }
    for (; i < n; i++)
        best = fabsf(x[i]) > best ? fabsf(x[i]) : best;
    return best;
}

static float norm(const float *x, size_t n)
{
    float s[16] = {0};
    vec sums = vec_set1(0.0f);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        sums = vec_fma(vec_load(x + i), vec_load(x + i), sums);
    if (i < n) {
        memcpy(s, x + i, (n - i) * sizeof *x);
        sums = vec_fma(vec_load(s), vec_load(s), sums);
    }
    return sqrtf(vec_sum(sums));
}

/* The scale of a row whose integers are at most `top`, with a norm of at most `longest` (0: any),
 * or 0. The norm tells of elements that are not finite: a maximum may pass over NaN. */
static float row_scale(const float *x, size_t n, float top, float longest)
{
    float length = norm(x, n), d = max_abs(x, n) / top;
    if (longest > 0.0f && length / longest > d)
        d = length / longest;
    return length <= 3e38f && 1.0f / d <= 3e38f ? d : 0.0f;
}

static inline int32_t to_integer(float x, float inverse)
{
    return (int32_t)(x * inverse + 12582912.0f - 12582912.0f);
}

static float query_scale(const float *x, size_t n)
{
    return row_scale(x, n, 32700.0f, 46000.0f);
}

enum { ROTATED_MOST = 1024 };

/* The butterflies of Hadamard's matrix, over blocks of the largest power of two that divides n, so
 * that no element sticks out. Two rows that have both been through it have `block` times the
 * product that they had; returns block. Rows of more than ROTATED_MOST stay as they are. */
static size_t rotate(float *x, size_t n)
{
    size_t block = n <= ROTATED_MOST ? n & (~n + 1) : 1;
    for (size_t half = 1; half < block; half *= 2) {
        for (size_t i = 0; i < n; i += 2 * half) {
            for (size_t j = i; j < i + half; j++) {
                float a = x[j], b = x[j + half];
                x[j] = a + b;
                x[j + half] = a - b;
            }
        }
    }
    return block;
}

/* ---- storing ---- */

static void store_key(cache_type type, const float *k, size_t head_dim, size_t slot, void *keys)
{
    size_t sixteen = slot / 16, lane = slot % 16, width = round_up(head_dim, 2);
    if (type == CACHE_F32) {
        float *to = (float *)keys + sixteen * head_dim * 16 + lane;
        bool finite = norm(k, head_dim) <= 3e38f;
        for (size_t i = 0; i < head_dim; i++)
            to[i * 16] = finite ? k[i] : 0.0f;
        return;
    }
    bool half = type == CACHE_F16;
    float rotated[ROTATED_MOST];
    if (!half && head_dim <= ROTATED_MOST) {
        memcpy(rotated, k, head_dim * sizeof *k);
        rotate(rotated, head_dim);
        k = rotated;
    }
    float d = half ? query_scale(k, head_dim) : row_scale(k, head_dim, 127.0f, 0.0f);
    float inverse = d > 0.0f ? 1.0f / d : 0.0f;
    size_t at = (sixteen * width / 2 * 16 + lane) * 2;
    for (size_t i = 0; i < head_dim; i++) {
        int32_t q = d > 0.0f ? to_integer(k[i], inverse) : 0;
        size_t element = at + i / 2 * 32 + i % 2;
        if (half)
            ((int16_t *)keys)[element] = (int16_t)q;
        else
            ((int8_t *)keys)[element] = (int8_t)q;
    }
    float *scales = (float *)((uint8_t *)keys + ATTN_TILE * width * (half ? 2 : 1));
    scales[slot] = d;
}

static void store_value(cache_type type, const float *v, size_t head_dim, size_t slot, void *values)
{
    size_t width = round_up(head_dim, 16);
    if (type == CACHE_F32) {
        float *to = (float *)values + slot * width;
        bool finite = norm(v, head_dim) <= 3e38f;
        for (size_t i = 0; i < head_dim; i++)
            to[i] = finite ? v[i] : 0.0f;
        return;
    }
    bool half = type == CACHE_F16;
    float d = row_scale(v, head_dim, half ? 32700.0f : 127.0f, 0.0f);
    float inverse = d > 0.0f ? 1.0f / d : 0.0f;
    size_t at = slot / 2 * width * 2 + slot % 2;
    for (size_t i = 0; i < head_dim; i++) {
        int32_t q = d > 0.0f ? to_integer(v[i], inverse) : 0;
        if (half)
            ((int16_t *)values)[at + 2 * i] = (int16_t)q;
        else
            ((int8_t *)values)[at + 2 * i] = (int8_t)q;
    }
    float *scales = (float *)((uint8_t *)values + ATTN_TILE * width * (half ? 2 : 1));
    scales[slot] = d;
}

/* Where a wide block's integers are: in the cache, or widened in scratch. */
static const uint8_t *integers_of(cache_type type, const void *tile, size_t width, void *scratch)
{
    if (type != CACHE_Q8_0)
        return tile;
    for (size_t i = 0; i < ATTN_TILE * width; i += 32)
        ivec_store((int16_t *)scratch + i, ivec_widen((const int8_t *)tile + i));
    return scratch;
}

static const float *scales_of(cache_type type, const void *tile, size_t width)
{
    return type == CACHE_F32 ? NULL
                             : (const float *)((const uint8_t *)tile +
                                               ATTN_TILE * width * (type == CACHE_F16 ? 2 : 1));
}

/* ---- the queries ---- */

static void clear(const attn_block *b, const attn_part *p)
{
    for (size_t i = 0; i < b->n_lanes; i++) {
        p->m[i] = no_score;
        p->l[i] = 0.0f;
    }
    memset(p->acc, 0, b->n_lanes * round_up(b->head_dim_v, 16) * sizeof *p->acc);
}

static void start(attn_block *b)
{
    clear(b, &b->part);
}

/* Query `row` as 4-byte units: at q[i * step]. */
static void take_query(attn_block *b, size_t row, uint8_t *q, size_t step)
{
    size_t n = b->head_dim_k;
    const float *x = b->rows[row].q;
    float scale = b->softcap == 0.0f ? b->scale * log2_e : b->scale;
    b->q_scale[row] = scale;
    if (b->type_k == CACHE_F32) {
        for (size_t i = 0; i < n; i++)
            memcpy(q + i * step, &x[i], sizeof *x);
        return;
    }
    if (b->type_k == CACHE_Q8_0) {
        memcpy(b->q_source, x, n * sizeof *x);
        scale /= (float)rotate(b->q_source, n);
        x = b->q_source;
    }
    float d = query_scale(x, n), inverse = d > 0.0f ? 1.0f / d : 0.0f;
    b->q_scale[row] = d * scale;
    for (size_t i = 0; i < n; i += 16) {
        int16_t sixteen[16] = {0};
        if (d > 0.0f && i + 16 <= n)
            vec_store_low_bits(sixteen, vec_add(vec_mul(vec_load(x + i), vec_set1(inverse)),
                                                vec_set1(12582912.0f)));
        for (size_t j = 0; d > 0.0f && i + 16 > n && i + j < n; j++)
            sixteen[j] = (int16_t)to_integer(x[i + j], inverse);
        for (size_t j = 0; j < 16 && i + j < n; j += 2)
            memcpy(q + (i + j) / 2 * step, sixteen + j, 2 * sizeof *sixteen);
    }
}

static size_t key_steps(const attn_block *b)
{
    return b->type_k == CACHE_F32 ? b->head_dim_k : round_up(b->head_dim_k, 2) / 2;
}

/* ---- softmax over a tile ---- */

/* What a tile is and where its parts are. */
typedef struct tile_view {
    const uint8_t *keys;
    const uint8_t *values;
    const float *key_scales;   /* NULL: the keys are floats */
    const float *value_scales; /* NULL: the values are floats */
    uint32_t first;
    bool partial;                            /* some row does not see all of it */
    size_t next_key_bytes, next_value_bytes; /* of the tile after it, or 0 */
} tile_view;

/* Positions of the tile that a row sees: [low, high) of 0 .. 64. */
static void visible(const attn_row *row, uint32_t first, float *low, float *high)
{
    *low = row->low > first ? (float)(row->low - first < 64 ? row->low - first : 64) : 0.0f;
    *high = row->high > first ? (float)(row->high - first < 64 ? row->high - first : 64) : 0.0f;
}

static inline vec bend(vec s, float cap)
{
    vec bent = vec_mul(vec_set1(cap), vec_tanh(vec_mul(s, vec_set1(1.0f / cap))));
    return vec_mul(bent, vec_set1(log2_e));
}

static inline vec scores_vec(const tile_view *t, const void *scores)
{
    return t->key_scales ? ivec_to_vec(ivec_load(scores)) : vec_load(scores);
}

/* The sum of w becomes c, which makes w integers, and u, which makes their sums floats again. */
static inline vec weight_scale(vec sum, vec *u)
{
    vec none = vec_set1(0.0f), least = vec_set1(least_sum);
    *u = vec_mul(sum, vec_set1(1.0f / 32767.0f));
    return vec_select_less(sum, least, none, vec_div(vec_set1(32767.0f), vec_max(sum, least)));
}

static inline vec to_bits(vec w, vec c)
{
    return vec_fma(w, c, vec_set1(12582912.0f));
}

/* Softcap and ALiBi, of sixteen positions from `first`. */
static vec bend_and_tilt_row(const attn_block *b, const attn_row *row, uint32_t first, vec s)
{
    float at[16];
    if (b->softcap != 0.0f)
        s = bend(s, b->softcap);
    if (row->slope == 0.0f)
        return s;
    for (uint32_t j = 0; j < 16; j++)
        at[j] = (float)(first + j);
    vec distance = vec_abs(vec_sub(vec_set1((float)row->position), vec_load(at)));
    return vec_fma(vec_set1(-row->slope), distance, s);
}

static inline vec hide_row(const attn_row *row, uint32_t first, int sixteen, vec s)
{
    static const float lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    float low, high;
    visible(row, first, &low, &high);
    vec none = vec_set1(-INFINITY), at = vec_add(vec_load(lanes), vec_set1((float)(16 * sixteen)));
    s = vec_select_less(at, vec_set1(low), none, s);
    return vec_select_less(at, vec_set1(high), s, none);
}

/* One row, positions in the lanes. */
static void weigh_row(attn_block *b, const tile_view *t, size_t r, float *f, float *u)
{
    const attn_row *row = &b->rows[r];
    const float *products = (float *)b->scores + r * ATTN_TILE;
    bool odd = b->softcap != 0.0f || row->slope != 0.0f;
    float q_scale = b->q_scale[r], scale = odd ? 1.0f : q_scale;
    vec s[4], sum = vec_set1(0.0f), w_sum = sum, top = vec_set1(no_score);
    for (int i = 0; i < 4; i++) {
        s[i] = scores_vec(t, products + 16 * i);
        if (t->key_scales)
            s[i] = vec_mul(s[i], vec_load(t->key_scales + 16 * i));
        if (odd)
            s[i] = bend_and_tilt_row(b, row, t->first + 16 * (uint32_t)i,
                                     vec_mul(s[i], vec_set1(q_scale)));
        if (t->partial)
            s[i] = hide_row(row, t->first, i, s[i]);
        top = vec_max(s[i], top);
    }
    float before = b->part.m[r], m = vec_top(top) * scale;
    m = m > before ? m : before;
    for (int i = 0; i < 4; i++) {
        s[i] = vec_exp2(vec_fma(s[i], vec_set1(scale), vec_set1(-m)));
        sum = vec_add(sum, s[i]);
        if (t->value_scales) {
            s[i] = vec_mul(s[i], vec_load(t->value_scales + 16 * i));
            w_sum = vec_add(w_sum, s[i]);
        }
    }
    *f = m == before ? 1.0f : exp2_of(before - m);
    b->part.l[r] = fmaf(b->part.l[r], *f, vec_sum(sum));
    b->part.m[r] = m;
    *u = 1.0f;
    if (t->value_scales == NULL) {
        for (int i = 0; i < 4; i++)
            vec_store((float *)b->weights + r * ATTN_TILE + 16 * i, s[i]);
        return;
    }
    float all = vec_sum(w_sum);
    vec c = vec_set1(all < least_sum ? 0.0f : 32767.0f / all);
    *u = all * (1.0f / 32767.0f);
    for (int i = 0; i < 4; i++)
        vec_store_low_bits((uint16_t *)b->weights + r * ATTN_TILE + 16 * i, to_bits(s[i], c));
}

/* acc = fma(x, u, acc * f) over n floats, x being integers or floats. */
static inline void accumulate(float *acc, const void *x, bool is_int, vec u, vec f, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        const float *at = (const float *)x + i;
        vec scaled = vec_mul(vec_load(acc + i), f);
        vec_store(acc + i, is_int ? vec_fma(ivec_to_vec(ivec_load(at)), u, scaled)
                                  : vec_add(vec_load(at), scaled));
    }
}

typedef void dots_fn(const dots *d, size_t n_rows, size_t n_vecs);

/* Of a narrow block. */
static dots_fn *dots_for(cache_type type)
{
    static dots_fn *const of[CACHE_COUNT] = {dots_float_ahead, dots_int_ahead, dots_byte_ahead};
    return of[type];
}

static fetching next_tile(const attn_block *b)
{
    return (fetching){(uintptr_t)b->next_keys, (uintptr_t)b->next_values, 0, 0};
}

/* Spreads so many eighths of the next tile over `times` calls of fetch_more. */
static void plan_fetching(const tile_view *t, fetching *f, size_t eighths, size_t times)
{
    f->n_keys = (t->next_key_bytes * eighths / 8 + times - 1) / times;
    f->n_values = (t->next_value_bytes * eighths / 8 + times - 1) / times;
}

static void narrow_tile(attn_block *b, const tile_view *t)
{
    size_t steps = key_steps(b), width = round_up(b->head_dim_v, 16);
    float f[ATTN_NARROW], u[ATTN_NARROW];
    bool int_v = t->value_scales != NULL;
    size_t key_bytes = b->type_k == CACHE_Q8_0 ? 32 : 64;
    size_t value_bytes = b->type_v == CACHE_Q8_0 ? 32 : 64;
    size_t value_steps = int_v ? ATTN_TILE / 2 : ATTN_TILE;
    fetching next = next_tile(b);
    dots keys = {b->q,      steps * 4,     4,  t->keys, steps * key_bytes, key_bytes, steps,
                 b->scores, ATTN_TILE * 4, 64, &next};
    dots values = {b->weights,  ATTN_TILE * (int_v ? sizeof(int16_t) : sizeof(float)),
                   4,           t->values,
                   value_bytes, width * value_bytes / 16,
                   value_steps, b->mixed,
                   width * 4,   64,
                   &next};
    plan_fetching(t, &next, 3, steps * ATTN_TILE / 16);
    dots_for(b->type_k)(&keys, b->n_rows, ATTN_TILE / 16);
    plan_fetching(t, &next, 2, b->n_rows);
    for (size_t r = 0; r < b->n_rows; r++) {
        fetch_more(&next, 1);
        weigh_row(b, t, r, &f[r], &u[r]);
    }
    plan_fetching(t, &next, 3, value_steps * width / 16);
    dots_for(b->type_v)(&values, b->n_rows, width / 16);
    for (size_t r = 0; r < b->n_rows; r++)
        accumulate(b->part.acc + r * width, (float *)b->mixed + r * width, int_v, vec_set1(u[r]),
                   vec_set1(f[r]), width);
}

/* ---- sixteen rows in the lanes ---- */

/* The tree of kernels.h over sixteen vecs. */
static inline vec tree(vec *x)
{
    for (int width = 8; width > 0; width /= 2) {
        for (int j = 0; j < width; j++)
            x[j] = vec_add(x[j], x[j + width]);
    }
    return x[0];
}

static void bend_and_tilt(attn_block *b, const tile_view *t, size_t group, float *s)
{
    float slope[16] = {0}, position[16] = {0};
    bool tilted = false;
    for (size_t i = 0; i < 16 && group * 16 + i < b->n_rows; i++) {
        const attn_row *row = &b->rows[group * 16 + i];
        slope[i] = -row->slope;
        position[i] = (float)row->position;
        tilted = tilted || row->slope != 0.0f;
    }
    for (size_t j = 0; j < ATTN_TILE; j++) {
        vec x = vec_mul(vec_load(s + 16 * j), vec_load(b->q_scale + 16 * group));
        if (b->softcap != 0.0f)
            x = bend(x, b->softcap);
        if (tilted) {
            vec key = vec_set1((float)(t->first + (uint32_t)j));
            x = vec_fma(vec_load(slope), vec_abs(vec_sub(vec_load(position), key)), x);
        }
        vec_store(s + 16 * j, x);
    }
}

static void hide(attn_block *b, const tile_view *t, size_t group, float *s)
{
    float low[16] = {0}, high[16] = {0};
    for (size_t i = 0; i < 16 && group * 16 + i < b->n_rows; i++)
        visible(&b->rows[group * 16 + i], t->first, &low[i], &high[i]);
    vec none = vec_set1(-INFINITY), lows = vec_load(low), highs = vec_load(high);
    for (size_t j = 0; j < ATTN_TILE; j++) {
        vec at = vec_set1((float)j);
        vec x = vec_select_less(at, lows, none, vec_load(s + 16 * j));
        vec_store(s + 16 * j, vec_select_less(at, highs, x, none));
    }
}

typedef vec load_scores_fn(const void *scores, size_t position);

ALWAYS_INLINE vec load_float_scores(const void *scores, size_t j)
{
    return vec_load((const float *)scores + 16 * j);
}

ALWAYS_INLINE vec load_int_scores(const void *scores, size_t j)
{
    return ivec_to_vec(ivec_load((const float *)scores + 16 * j));
}

/* Sums of products of a sixteen of positions, times the keys' scales; the greatest to top. */
ALWAYS_INLINE void scale_keys(const tile_view *t, size_t sixteen, const void *sums,
                              load_scores_fn *load, float *s, vec top[4])
{
    const float *scales = t->key_scales ? t->key_scales + sixteen * 16 : NULL;
    vec most[4] = {top[0], top[1], top[2], top[3]};
    s += sixteen * 256;
    for (size_t j = 0; j < 16; j += 4) {
        for (size_t i = 0; i < 4; i++) {
            vec x = load(sums, j + i);
            if (scales)
                x = vec_mul(x, vec_set1(scales[j + i]));
            vec_store(s + 16 * (j + i), x);
            most[i] = vec_max(x, most[i]);
        }
    }
    for (size_t i = 0; i < 4; i++)
        top[i] = most[i];
}

/* What else makes a score. Returns the new maximum, and what scores are still to be multiplied by.
 */
static vec finish_scores(attn_block *b, const tile_view *t, size_t group, float *s,
                         const vec top[4], vec *scale)
{
    vec before = vec_load(b->part.m + 16 * group);
    vec most = vec_max(vec_max(top[0], top[1]), vec_max(top[2], top[3]));
    *scale = vec_load(b->q_scale + 16 * group);
    if (b->softcap != 0.0f || b->rows[0].slope != 0.0f) {
        bend_and_tilt(b, t, group, s);
        *scale = vec_set1(1.0f);
    } else if (!t->partial) {
        return vec_max(vec_mul(most, *scale), before);
    }
    if (t->partial)
        hide(b, t, group, s);
    most = vec_set1(no_score);
    for (size_t j = 0; j < ATTN_TILE; j++)
        most = vec_max(vec_load(s + 16 * j), most);
    return vec_max(vec_mul(most, *scale), before);
}

/* Sixteen rows on the way from scores to weights. */
typedef struct weighing {
    vec m, scale; /* the new maximum, what scores are still to be multiplied by */
    vec sums[16], w_sums[16];
} weighing;

/* A quarter of the positions, those that are 4 quarter .. 4 quarter + 3 mod 16: 2^score, times
 * scales if there are any. */
ALWAYS_INLINE void weigh_quarter(weighing *w, float *s, const float *scales, size_t quarter)
{
    const vec scale = w->scale, minus_m = vec_mul(w->m, vec_set1(-1.0f));
    for (size_t i = 4 * quarter; i < 4 * quarter + 4; i++) {
        vec sum = vec_set1(0.0f), w_sum = sum;
        for (size_t j = i; j < ATTN_TILE; j += 16) {
            vec p = vec_exp2(vec_fma(vec_load(s + 16 * j), scale, minus_m));
            sum = vec_add(sum, p);
            if (scales) {
                p = vec_mul(p, vec_set1(scales[j]));
                w_sum = vec_add(w_sum, p);
            }
            vec_store(s + 16 * j, p);
        }
        w->sums[i] = sum;
        w->w_sums[i] = w_sum;
    }
}

/* After the quarters: weights stay in place if they are floats, or become pairs of integers. */
ALWAYS_INLINE void end_weighing(attn_block *b, const tile_view *t, size_t group, weighing *w,
                                const float *s, uint32_t *weights, vec *f, vec *u)
{
    float *part_m = b->part.m + 16 * group, *part_l = b->part.l + 16 * group;
    *f = vec_exp2(vec_sub(vec_load(part_m), w->m));
    vec_store(part_m, w->m);
    vec_store(part_l, vec_fma(vec_load(part_l), *f, tree(w->sums)));
    *u = vec_set1(1.0f);
    if (t->value_scales == NULL)
        return;
    vec c = weight_scale(tree(w->w_sums), u);
    for (size_t j = 0; j < ATTN_TILE; j += 2)
        ivec_store(weights + 8 * j, ivec_pair_bits(to_bits(vec_load(s + 16 * j), c),
                                                   to_bits(vec_load(s + 16 * j + 16), c)));
}

/* Scores to weights under the new maximum. */
static void weigh_group(attn_block *b, const tile_view *t, size_t group, vec m, vec scale, float *s,
                        uint32_t *weights, vec *f, vec *u)
{
    weighing w = {.m = m, .scale = scale};
    for (size_t quarter = 0; quarter < 4; quarter++)
        weigh_quarter(&w, s, t->value_scales, quarter);
    end_weighing(b, t, group, &w, s, weights, f, u);
}

/* One or two sixteens of rows from `group`. */
static void wide_groups(attn_block *b, const tile_view *t, size_t group, size_t n_groups)
{
    size_t steps = key_steps(b), width = round_up(b->head_dim_v, 16);
    bool int_v = t->value_scales != NULL;
    float *scores = b->scores;
    vec f[2], u[2];
    for (size_t i = 0; i < ATTN_TILE / 16; i++) {
        dots keys = {t->keys + i * steps * 64,
                     4,
                     64,
                     (const uint8_t *)b->q + group * steps * 64,
                     steps * 64,
                     64,
                     steps,
                     (uint8_t *)(scores + i * 256),
                     64,
                     ATTN_TILE * 64,
                     NULL};
        (t->key_scales ? dots_int : dots_float)(&keys, 16, n_groups);
    }
    for (size_t i = 0; i < n_groups; i++) {
        vec none = vec_set1(no_score), top[4] = {none, none, none, none}, scale;
        float *s = scores + i * ATTN_TILE * 16;
        for (size_t j = 0; j < 4; j++) {
            const float *sums = s + j * 256;
            if (t->key_scales)
                scale_keys(t, j, sums, load_int_scores, s, top);
            else
                scale_keys(t, j, sums, load_float_scores, s, top);
        }
        vec m = finish_scores(b, t, group + i, s, top, &scale);
        weigh_group(b, t, group + i, m, scale, s, (uint32_t *)b->weights + i * ATTN_TILE * 8, &f[i],
                    &u[i]);
    }
    dots values = {t->values,
                   4,
                   width * 4,
                   int_v ? b->weights : b->scores,
                   ATTN_TILE * (int_v ? 32 : 64),
                   64,
                   int_v ? ATTN_TILE / 2 : ATTN_TILE,
                   b->mixed,
                   64,
                   width * 64,
                   NULL};
    (int_v ? dots_int : dots_float)(&values, width, n_groups);
    for (size_t i = 0; i < n_groups; i++)
        accumulate(b->part.acc + (group + i) * width * 16, (float *)b->mixed + i * width * 16,
                   int_v, u[i], f[i], width * 16);
}

/* Whether any row of this sixteen sees any of the tile; if none does, it changes nothing. */
static bool sees(const attn_block *b, const tile_view *t, size_t group)
{
    for (size_t i = group * 16; i < b->n_rows && i < group * 16 + 16; i++) {
        if (b->rows[i].low < t->first + ATTN_TILE && b->rows[i].high > t->first)
            return true;
    }
    return false;
}

#ifdef ATTN_WIDE_TILE
#include ATTN_WIDE_TILE
#else
static void ready_queries(attn_block *b)
{
    (void)b;
}

static void wide_tile(attn_block *b, const tile_view *t)
{
    size_t n = b->n_lanes / 16;
    fetching next = next_tile(b);
    plan_fetching(t, &next, 8, n);
    for (size_t group = 0; group < n;) {
        size_t seen = sees(b, t, group);
        if (seen)
            seen += group + 1 < n && sees(b, t, group + 1);
        fetch_more(&next, seen ? seen : 1);
        if (seen)
            wide_groups(b, t, group, seen);
        group += seen ? seen : 1;
    }
}
#endif

static void tile(attn_block *b, const void *keys, const void *values, uint32_t first)
{
    size_t key_width = round_up(b->head_dim_k, 2), value_width = round_up(b->head_dim_v, 16);
    bool last = b->next_keys == NULL;
    tile_view t = {.keys = keys,
                   .values = values,
                   .key_scales = scales_of(b->type_k, keys, key_width),
                   .value_scales = scales_of(b->type_v, values, value_width),
                   .first = first,
                   .partial = first < b->low_max || first + ATTN_TILE > b->high_min,
                   .next_key_bytes = last ? 0 : attn_keys_bytes(b->type_k, b->head_dim_k),
                   .next_value_bytes = last ? 0 : attn_values_bytes(b->type_v, b->head_dim_v)};
    if (!attn_is_wide(b->n_rows)) {
        narrow_tile(b, &t);
        return;
    }
    t.keys = integers_of(b->type_k, keys, key_width, b->keys);
    t.values = integers_of(b->type_v, values, value_width, b->values);
    wide_tile(b, &t);
}

static void begin(attn_block *b)
{
    size_t steps = key_steps(b);
    uint8_t *q = b->q;
    bool wide = attn_is_wide(b->n_rows);
    clear(b, &b->total);
    for (size_t row = 0; row < b->n_rows; row++) {
        if (wide)
            take_query(b, row, q + (row / 16 * steps * 16 + row % 16) * 4, 64);
        else
            take_query(b, row, q + row * steps * 4, 4);
    }
    for (size_t row = b->n_rows; row < b->n_lanes; row++) {
        for (size_t i = 0; i < steps; i++)
            memset(q + (row / 16 * steps * 16 + i * 16 + row % 16) * 4, 0, 4);
        b->q_scale[row] = 0.0f;
    }
    if (wide)
        ready_queries(b);
}

/* ---- putting together ---- */

/* acc = fma(part, f2, acc * f1) over n floats. */
static void fold_acc(float *acc, const float *part, vec f1, vec f2, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        vec_store(acc + i, vec_fma(vec_load(part + i), f2, vec_mul(vec_load(acc + i), f1)));
}

static void fold(attn_block *b)
{
    size_t width = round_up(b->head_dim_v, 16), n = round_up(b->n_lanes, 16);
    const attn_part *total = &b->total, *part = &b->part;
    bool wide = attn_is_wide(b->n_rows);
    for (size_t i = 0; i < n; i += 16) { /* a narrow block's last lanes are not looked at */
        vec m1 = vec_load(total->m + i), m2 = vec_load(part->m + i), m = vec_max(m2, m1);
        vec f1 = vec_exp2(vec_sub(m1, m)), f2 = vec_exp2(vec_sub(m2, m));
        float factors[2][16];
        vec_store(factors[0], f1);
        vec_store(factors[1], f2);
        vec_store(total->m + i, m);
        vec_store(total->l + i,
                  vec_fma(vec_load(part->l + i), f2, vec_mul(vec_load(total->l + i), f1)));
        if (wide)
            fold_acc(total->acc + i * width, part->acc + i * width, f1, f2, width * 16);
        for (size_t j = 0; !wide && j < b->n_rows; j++)
            fold_acc(total->acc + j * width, part->acc + j * width, vec_set1(factors[0][j]),
                     vec_set1(factors[1][j]), width);
    }
}

/* Sixteen accumulators side by side, times `factor`, to rows. */
static void write_rows(const attn_block *b, size_t first, const float *acc, const float *factor)
{
    size_t n = b->n_rows - first < 16 ? b->n_rows - first : 16;
    for (size_t i = 0; i < n; i++) {
        float *out = b->rows[first + i].out;
        for (size_t j = 0; j < b->head_dim_v; j++)
            out[j] = acc[j * 16 + i] * factor[i] + 0.0f;
    }
}

/* What row i's accumulator is multiplied by. */
static float last_factor(const attn_block *b, size_t i)
{
    float l = b->total.l[i], m = b->total.m[i];
    if (b->rows[i].sink == NULL)
        return 1.0f / l;
    float sink = *b->rows[i].sink * log2_e, most = sink > m ? sink : m;
    float f = exp2_of(m - most);
    return f / fmaf(l, f, exp2_of(sink - most));
}

static void end(attn_block *b)
{
    size_t width = round_up(b->head_dim_v, 16);
    if (!attn_is_wide(b->n_rows)) {
        for (size_t i = 0; i < b->n_rows; i++) {
            float factor = last_factor(b, i);
            for (size_t j = 0; j < b->head_dim_v; j++)
                b->rows[i].out[j] = b->total.acc[i * width + j] * factor + 0.0f;
        }
        return;
    }
    for (size_t first = 0; first < b->n_rows; first += 16) {
        float factors[16];
        for (size_t i = 0; i < 16 && first + i < b->n_rows; i++)
            factors[i] = last_factor(b, first + i);
        write_rows(b, first, b->total.acc + first * width, factors);
    }
}

const attn_kernels ATTN_TABLE = {
    .store_key = store_key,
    .store_value = store_value,
    .begin = begin,
    .start = start,
    .tile = tile,
    .fold = fold,
    .end = end,
};
