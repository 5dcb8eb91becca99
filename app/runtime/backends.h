/* SPDX-License-Identifier: MIT
 *
 * backends.h - builds of llama-server in the data folder: which are there, which of them can run
 * here, which is best, and how one gets there.
 *
 *     DATA/backends/VERSION/TYPE/[build/bin/]llama-server     VERSION: b6325; TYPE:
 * linux-cuda12-x64
 *
 * What can run is found out without running anything: the words of TYPE say which instruction set
 * and which CUDA it was built for, the driver's version says which CUDA it can do, and the ELF
 * headers say which libraries are missing. Of several the GPU build of the highest version wins
 * over builds for the processor, if a GPU has at least 4 GiB; each entry tells its reason.
 */
#ifndef HEARTH_RUNTIME_BACKENDS_H
#define HEARTH_RUNTIME_BACKENDS_H

#include <hearth/log.h>

#include "base/status.h"
#include "runtime/engine_plan.h"
#include "runtime/gpu.h"

typedef struct backend {
    char version[32];
    char type[64];
    char program[PLAN_PATH]; /* the llama-server of it */
    uint32_t build;          /* 6325 of b6325; 0: none */
    bool usable;
    bool for_gpu;
    char reason[256]; /* why it is (not) usable, and what it is good for */
} backend;

/* Numbers in names compare as numbers: b9999 < b10000, cuda-11.7 < cuda-12.0. */
int backend_version_compare(const char *a, const char *b);

/* The best first, those that cannot be used last. *out is the caller's (mem_free). A data folder
 * without backends has none. */
hearth_status backends_list(const char *data_folder, const gpu *gpus, size_t n_gpus, backend **out,
                            size_t *n, hearth_error *err);

/* wanted: "VERSION/TYPE", a path to a program, or NULL for the best. ENOTFOUND if there is none;
 * EUNSUPPORTED if the one that is wanted cannot run here, and why. */
hearth_status backends_choose(const char *data_folder, const char *wanted, const gpu *gpus,
                              size_t n_gpus, backend *out, hearth_error *err);

/* ---- for installing ---- */

/* Letters, digits, ".", "_", "-", "+", not beginning with a dot. */
bool backend_name_is_safe(const char *name);
/* The llama-server below a backend's folder. */
bool backend_find_program(const char *folder, char *out, size_t n);
/* Fills build, usable, for_gpu and reason from version, type and program. */
void backend_judge(backend *b, const gpu *gpus, size_t n_gpus);

#endif
