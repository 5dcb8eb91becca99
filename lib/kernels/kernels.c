/* SPDX-License-Identifier: MIT
 *
 * kernels.c - which tables this build has, and the layouts that all of them share.
 */
#include "kernels/kernels.h"

#include <string.h>

#include "base/mem.h"
#include "kernels/tables.h"

static const kernels tables[] = {
    {"scalar", &weight_kernels_scalar, NULL, &float_kernels_scalar, &attn_kernels_scalar},
#if defined(__x86_64__)
    {"avx2", &weight_kernels_avx2, &panel_kernels_avx2, &float_kernels_avx2, &attn_kernels_avx2},
    {"avx512", &weight_kernels_avx512, &panel_kernels_avx512, &float_kernels_avx512,
     &attn_kernels_avx512},
    {"amx", &weight_kernels_avx512, &panel_kernels_amx, &float_kernels_avx512, &attn_kernels_amx},
#elif defined(__aarch64__)
    {"neon", &weight_kernels_neon, NULL, &float_kernels_neon, &attn_kernels_neon},
#endif
};

const kernels *kernels_get(const char *isa)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (strcmp(tables[i].isa, isa) == 0)
            return &tables[i];
    }
    return NULL;
}

act_kind act_kind_for(wtype type)
{
    switch (wtype_get(type)->class) {
    case WTYPE_CLASS_B:
        return ACT_Q32;
    case WTYPE_CLASS_K:
        return ACT_Q256;
    default:
        return ACT_F32;
    }
}

size_t act_row_bytes(act_kind kind, size_t k)
{
    size_t n = kind == ACT_F32 ? k * sizeof(float)
                               : k + k / act_block(kind) * sizeof(float) + k / 16 * sizeof(int16_t);
    return (n + MEM_ALIGN - 1) & ~(size_t)(MEM_ALIGN - 1);
}

size_t act_tile_bytes(act_kind kind, size_t k)
{
    if (kind == ACT_F32)
        return TILE_COLUMNS * act_row_bytes(kind, k);
    size_t lines = k / 4 + k / act_block(kind) + k / 32 + (kind == ACT_Q256 ? k / 16 : 0);
    return lines * MEM_ALIGN;
}
