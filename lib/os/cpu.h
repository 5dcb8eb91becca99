/* SPDX-License-Identifier: MIT
 *
 * cpu.h - what this processor and this operating system can do, and how many cores we may use.
 */
#ifndef HEARTH_OS_CPU_H
#define HEARTH_OS_CPU_H

#include <stddef.h>

#include "base/status.h"

/* Ordered within a processor family: a higher one includes the lower ones of that family. */
typedef enum cpu_isa {
    CPU_ISA_SCALAR,
    CPU_ISA_AVX2,
    CPU_ISA_AVX512,
    CPU_ISA_AMX,
    CPU_ISA_NEON
} cpu_isa;

/* The best instruction set that both the CPU and the OS support. AVX2 means AVX2, FMA, F16C and
 * BMI2; AVX512 means F, BW, VL, DQ and VNNI on top; AMX means AMX-INT8 and AMX-BF16 on top, which
 * Linux grants a process that asks: asking for the best asks for this too. */
cpu_isa cpu_best_isa(void);

const char *cpu_isa_name(cpu_isa isa); /* "scalar", "avx2", "avx512", "amx", "neon" */

/* Resolves a request: NULL or "auto" means the environment variable HEARTH_ISA, or else the best.
 * A known one that this machine lacks, and an unknown name, are HEARTH_EINVAL. */
hearth_status cpu_choose_isa(const char *name, cpu_isa *isa, hearth_error *err);

/* Threads worth starting: physical cores in the affinity mask, within the cgroup's CPU quota. */
int cpu_default_threads(void);

/* Threads that can run at the same time: CPUs in the affinity mask, within the cgroup's quota. */
int cpu_usable(void);

/* The processor's own name for itself, for reports. */
void cpu_name(char *out, size_t n);

#endif
