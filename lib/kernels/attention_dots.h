/* SPDX-License-Identifier: MIT
 *
 * attention_dots.h - a small matrix product, for attention_template.h.
 *
 *   c[row][16 v .. 16 v + 15] = sum over steps of (4 bytes of a at row, step) . (64 bytes of b at
 * v, step)
 *
 * The 4 bytes are broadcast: a float, or a pair of 16-bit integers that meets sixteen pairs, which
 * may also be pairs of 8 bits, so that b has 32 bytes at v, step. A
 * block of DOTS_ROWS rows and a few vectors stays in registers through all steps. Rows may be
 * queries and vectors positions, or the other way around, or elements of values: only the strides
 * tell.
 */

typedef struct dots {
    const uint8_t *a;
    size_t a_row, a_step; /* bytes */
    const uint8_t *b;
    size_t b_vec, b_step;
    size_t n_steps;
    uint8_t *c;
    size_t c_row, c_vec;
    struct fetching *fetching; /* with the first rows; NULL: nothing */
} dots;

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Vectors at a time beside so many rows, so that the accumulators fill the registers. */
#define DOTS_VECS(rows) ((rows) <= DOTS_FEW_ROWS ? DOTS_MANY_VECS : DOTS_MANY_VECS / 2)

/* What is still to be fetched of the keys and the values of the next tile, side by side: two
 * streams come faster than one, and without a pause faster than in turns. */
typedef struct fetching {
    uintptr_t keys, values;
    size_t n_keys, n_values; /* bytes at a time; 0: nothing */
} fetching;

/* The lines that begin in n bytes, to the second cache: the first has enough to hold. */
ALWAYS_INLINE void fetch_lines(uintptr_t begin, size_t n)
{
    for (uintptr_t at = (begin + 63) & ~(uintptr_t)63; at < begin + n; at += 64)
        __builtin_prefetch((const void *)at, 0, 2);
}

ALWAYS_INLINE void fetch_more(fetching *f, size_t times)
{
    fetch_lines(f->keys, times * f->n_keys);
    fetch_lines(f->values, times * f->n_values);
    f->keys += times * f->n_keys;
    f->values += times * f->n_values;
}

#define DEFINE_DOTS(name, type, zero, broadcast, load, add_product, store)                         \
    ALWAYS_INLINE void name##_block(const dots *d, size_t row, size_t first, const int rows,       \
                                    const int vecs, const bool ahead)                              \
    {                                                                                              \
        const uint8_t *a = d->a + row * d->a_row, *b = d->b + first * d->b_vec;                    \
        fetching next = ahead && row == 0 ? *d->fetching : (fetching){0, 0, 0, 0};                 \
        type sums[DOTS_ROWS][DOTS_MANY_VECS];                                                      \
        _Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                     \
        {                                                                                          \
            _Pragma("GCC unroll 4") for (int v = 0; v < vecs; v++) sums[r][v] = zero;              \
        }                                                                                          \
        for (size_t i = 0; i < d->n_steps; i++, a += d->a_step, b += d->b_step) {                  \
            type y[DOTS_MANY_VECS];                                                                \
            if (ahead)                                                                             \
                fetch_more(&next, (size_t)vecs);                                                   \
            _Pragma("GCC unroll 4") for (int v = 0; v < vecs; v++) y[v] =                          \
                load((const void *)(b + (size_t)v * d->b_vec));                                    \
            _Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                 \
            {                                                                                      \
                type x = broadcast((const void *)(a + (size_t)r * d->a_row));                      \
                _Pragma("GCC unroll 4") for (int v = 0; v < vecs; v++) sums[r][v] =                \
                    add_product(sums[r][v], x, y[v]);                                              \
            }                                                                                      \
        }                                                                                          \
        if (ahead && row == 0)                                                                     \
            *d->fetching = next;                                                                   \
        _Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)                                     \
        {                                                                                          \
            uint8_t *c = d->c + (row + (size_t)r) * d->c_row + first * d->c_vec;                   \
            _Pragma("GCC unroll 4") for (int v = 0; v < vecs; v++)                                 \
                store((void *)(c + (size_t)v * d->c_vec), sums[r][v]);                             \
        }                                                                                          \
    }                                                                                              \
    ALWAYS_INLINE void name##_rows(const dots *d, size_t row, size_t n_vecs, const int rows,       \
                                   const bool ahead)                                               \
    {                                                                                              \
        const int vecs = DOTS_VECS(rows);                                                          \
        size_t v = 0;                                                                              \
        for (; v + (size_t)vecs <= n_vecs; v += (size_t)vecs)                                      \
            name##_block(d, row, v, rows, vecs, ahead);                                            \
        for (; v < n_vecs; v++)                                                                    \
            name##_block(d, row, v, rows, 1, ahead);                                               \
    }                                                                                              \
    ALWAYS_INLINE void name##_all(const dots *d, size_t n_rows, size_t n_vecs, const bool ahead)   \
    {                                                                                              \
        size_t row;                                                                                \
        if (n_rows >= DOTS_ROWS)                                                                   \
            name##_rows(d, 0, n_vecs, DOTS_ROWS, ahead);                                           \
        for (row = n_rows >= DOTS_ROWS ? DOTS_ROWS : 0; row + DOTS_ROWS <= n_rows;                 \
             row += DOTS_ROWS)                                                                     \
            name##_rows(d, row, n_vecs, DOTS_ROWS, false);                                         \
        for (; row + DOTS_ROWS / 2 <= n_rows; row += DOTS_ROWS / 2)                                \
            name##_rows(d, row, n_vecs, DOTS_ROWS / 2, ahead);                                     \
        for (; row < n_rows; row++)                                                                \
            name##_rows(d, row, n_vecs, 1, ahead);                                                 \
    }                                                                                              \
    static void name##_ahead(const dots *d, size_t n_rows, size_t n_vecs)                          \
    {                                                                                              \
        name##_all(d, n_rows, n_vecs, true);                                                       \
    }

ALWAYS_INLINE vec broadcast_float(const void *p)
{
    float x;
    memcpy(&x, p, sizeof x);
    return vec_set1(x);
}

ALWAYS_INLINE vec load_floats(const void *p)
{
    return vec_load(p);
}

ALWAYS_INLINE void store_floats(void *p, vec a)
{
    vec_store(p, a);
}

ALWAYS_INLINE vec add_float_product(vec c, vec a, vec b)
{
    return vec_fma(a, b, c);
}

ALWAYS_INLINE ivec load_bytes(const void *p)
{
    return ivec_widen(p);
}

DEFINE_DOTS(dots_int, ivec, ivec_zero(), ivec_broadcast, ivec_load, ivec_dot2, ivec_store)
DEFINE_DOTS(dots_float, vec, vec_set1(0.0f), broadcast_float, load_floats, add_float_product,
            store_floats)

#define DEFINE_DOTS_HERE(name)                                                                     \
    static void name(const dots *d, size_t n_rows, size_t n_vecs)                                  \
    {                                                                                              \
        name##_all(d, n_rows, n_vecs, false);                                                      \
    }
DEFINE_DOTS_HERE(dots_int)
DEFINE_DOTS_HERE(dots_float)

/* Only where something is fetched. */
DEFINE_DOTS(dots_byte, ivec, ivec_zero(), ivec_broadcast, load_bytes, ivec_dot2, ivec_store)
