/* SPDX-License-Identifier: MIT
 *
 * gemm_scalar.c - the trainer's arithmetic in plain C, and the choice among the instruction sets.
 */
#include "kernels/vec_scalar.h"

#define ROWS 6
#define VECS 1
#include "ember/gemm_template.h"

#include "os/cpu.h"

static const gemm_kernels gemm_scalar = GEMM_TABLE("scalar");

extern const gemm_kernels gemm_unrounded;
#if defined(__x86_64__)
extern const gemm_kernels gemm_avx2, gemm_avx512, gemm_amx;
#elif defined(__aarch64__)
extern const gemm_kernels gemm_neon;
#endif

const gemm_kernels *gemm_kernels_get(const char *isa)
{
    cpu_isa chosen = CPU_ISA_SCALAR;
    if (isa && strcmp(isa, gemm_unrounded.isa) == 0)
        return &gemm_unrounded;
    if (cpu_choose_isa(isa, &chosen, NULL) != HEARTH_OK)
        return NULL;
#if defined(__x86_64__)
    if (chosen == CPU_ISA_AMX)
        return &gemm_amx;
    if (chosen == CPU_ISA_AVX512)
        return &gemm_avx512;
    if (chosen == CPU_ISA_AVX2)
        return &gemm_avx2;
#elif defined(__aarch64__)
    if (chosen == CPU_ISA_NEON)
        return &gemm_neon;
#endif
    return &gemm_scalar;
}
