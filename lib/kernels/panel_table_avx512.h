/* SPDX-License-Identifier: MIT
 *
 * panel_table_avx512.h - the table of panel kernels of AVX-512 or AMX, included at the end of its
 * file after defining PANEL_TABLE, the table's name, PACK_Q256 and PANEL_MIN_COLUMNS_*. The file
 * has unpack_b, multiply_for_b, unpack_k and multiply_for_k.
 */
#define DEFINE_F(name, elements, bytes)                                                            \
    static void widen_##name(const uint8_t *row, size_t k, float *out)                             \
    {                                                                                              \
        widen_row(row, k, out, load_##name);                                                       \
    }                                                                                              \
    static void panel_##name(const panel_job *job)                                                 \
    {                                                                                              \
        run_panel_f(job, WTYPE_##name,                                                             \
                    (f_steps){&weight_kernels_avx512, widen_##name, add_f, reduce_f});             \
    }
#define DEFINE_B(name, elements, bytes)                                                            \
    static const format_b format_##name = APPLY(FORMAT_B, name, elements, bytes, FORMAT_##name);   \
    static void unpack_panel_##name(const panel_part *part)                                        \
    {                                                                                              \
        unpack_b(part, &format_##name);                                                            \
    }                                                                                              \
    static void panel_##name(const panel_job *job)                                                 \
    {                                                                                              \
        run_panel(job, &format_##name, unpack_panel_##name, multiply_for_b(&format_##name),        \
                  store_tile);                                                                     \
    }
#define DEFINE_K(name, elements, bytes)                                                            \
    static const format_k format_##name = APPLY(FORMAT_K, name, elements, bytes, FORMAT_##name);   \
    static void unpack_panel_##name(const panel_part *part)                                        \
    {                                                                                              \
        unpack_k(part, &format_##name);                                                            \
    }                                                                                              \
    static void panel_##name(const panel_job *job)                                                 \
    {                                                                                              \
        run_panel(job, &format_##name, unpack_panel_##name, multiply_for_k(&format_##name),        \
                  store_tile);                                                                     \
    }
#define DEFINE_N(name, elements, bytes)

#define X(name, id, text, elements, bytes, class) DEFINE_##class(name, elements, bytes)
#include "base/wtype.def"
#undef X

#define FOR_F(entry) entry,
#define FOR_B(entry) entry,
#define FOR_K(entry) entry,
#define FOR_N(entry)

const panel_kernels PANEL_TABLE = {
    .pack = {[ACT_Q32] = pack_Q32, [ACT_Q256] = PACK_Q256},
    .min_columns = {[WTYPE_CLASS_F] = 24,
                    [WTYPE_CLASS_B] = PANEL_MIN_COLUMNS_B,
                    [WTYPE_CLASS_K] = PANEL_MIN_COLUMNS_K},
    .matmul =
        {
#define X(name, id, text, elements, bytes, class) FOR_##class([WTYPE_##name] = panel_##name)
#include "base/wtype.def"
#undef X
        },
};
