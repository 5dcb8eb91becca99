/* SPDX-License-Identifier: MIT
 *
 * machine.h - what this computer can do at most, measured: the yardstick for every speed.
 */
#ifndef HEARTH_MACHINE_H
#define HEARTH_MACHINE_H

#include <stdint.h>

#include <hearth/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rates of all threads together. An operation is a multiplication or an addition. */
typedef struct hearth_machine {
    char cpu[128];           /* the processor's own name for itself */
    char isa[16];            /* the instruction set that was measured */
    int32_t n_threads;       /* in use */
    uint64_t memory_bytes;   /* of the machine, limits of the control group counted */
    uint64_t buffer_bytes;   /* that the reading speed was measured on */
    double read_bytes_per_s; /* memory, in order, by all threads; 0: too little memory to tell */
    double int8_ops_per_s;   /* 8-bit integers into 32-bit sums, as matrices need them */
    double float_ops_per_s;  /* fused multiply-adds of float32 */
} hearth_machine;

/* Takes about two seconds, and up to a quarter of the free memory (1 GiB at most). isa and
 * n_threads as for models and sessions: NULL and 0 take the best. EINVAL for an instruction set
 * that this machine lacks; ENOMEM. */
HEARTH_API hearth_status hearth_machine_measure(const char *isa, int32_t n_threads,
                                                hearth_machine *out, hearth_error *err);

#ifdef __cplusplus
}
#endif
#endif
