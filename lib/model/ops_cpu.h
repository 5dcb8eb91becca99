/* SPDX-License-Identifier: MIT
 *
 * ops_cpu.h - the operations of ops.h on the processor.
 */
#ifndef HEARTH_MODEL_OPS_CPU_H
#define HEARTH_MODEL_OPS_CPU_H

#include "model/ops.h"

typedef struct ops_cpu_options {
    const kernels *kernels;
    int n_threads;
    size_t n_batch; /* most rows of one call */
    uint32_t n_ctx; /* positions of a sequence */
    bool far_keys;
} ops_cpu_options;

/* All scratch memory is taken here; ops_cpu_bytes tells how much that is, without taking it. */
hearth_status ops_cpu_open(ops **out, const hparams *h, const ops_cpu_options *options,
                           hearth_error *err);
uint64_t ops_cpu_bytes(const hparams *h, const ops_cpu_options *options);

#endif
