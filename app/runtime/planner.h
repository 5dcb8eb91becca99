/* SPDX-License-Identifier: MIT
 *
 * planner.h - how a model is to be run in the memory there is: context, cache types, GPU layers.
 *
 * planner_choose is a function of its arguments alone: what the model takes comes from a
 * planner_source, what there is from a limit. planner_source_open makes one from a GGUF file's
 * header with libhearth's own plan, which is exact for the built-in engine; llama-server's memory
 * is told from the same figures: weights layer by layer as the file has them, cache by the widths
 * of each layer's keys and values, scratch as ours.
 *
 * Automatic values: the context is the model's own, at most 32768, halved until it fits with room
 * to spare; whole on the GPUs with a smaller context is better than in parts with a larger one;
 * caches are f16, and q8_0 where nothing else fits. Given values are honoured, or refused with what
 * would fit; but layers for a GPU where there is none go to the processor, and a reason says so.
 */
#ifndef HEARTH_RUNTIME_PLANNER_H
#define HEARTH_RUNTIME_PLANNER_H

#include <hearth/model.h>

#include "runtime/engine_plan.h"

typedef struct planner_shape {
    uint32_t n_ctx, n_parallel, n_batch; /* 0: the engine's choice, but for n_ctx */
    uint32_t n_contexts;                 /* that the cache holds */
    bool roughly; /* an architecture that libhearth does not run is estimated */
    int32_t n_threads;
    hearth_cache_type cache_type_k, cache_type_v;
} planner_shape;

typedef struct planner_memory {
    uint64_t weight_bytes, cache_bytes, compute_bytes, overhead_bytes;
    uint32_t n_parallel, n_batch; /* as they will be in force */
    int32_t n_threads;
    uint32_t cache_mib;
} planner_memory;

typedef struct planner_source planner_source;
struct planner_source {
    uint32_t n_ctx_train;
    uint32_t n_layers;
    const uint64_t *layer_bytes; /* weights of each layer */
    const uint64_t *kv_width;    /* of each: values of keys and values per position */
    uint64_t input_bytes;        /* the token embeddings, which stay in RAM */
    uint64_t output_bytes;       /* the output matrix and what else is of no layer */
    uint64_t projector_bytes;
    hearth_status (*measure)(const planner_source *source, const planner_shape *shape,
                             planner_memory *out, hearth_error *err);
    void *user;
};

/* plan->kind and limit are set; n_gpus devices have limits in it (0: only RAM counts). `name` goes
 * into messages. ENOFIT (with plan->fit red), EINVAL for settings out of range. */
hearth_status planner_choose(const planner_source *source, const char *name, const model_spec *spec,
                             size_t n_gpus, engine_plan *plan, hearth_error *err);

/* From the file at path, or (bytes not NULL) from n bytes in memory. EUNSUPPORTED for what
 * libhearth does not know. */
typedef struct planner_file planner_file;
hearth_status planner_file_open(planner_file **out, const char *path, const void *bytes, size_t n,
                                hearth_error *err);
/* Counts a projector's file; NULL is fine. ENOTFOUND if it is not there. */
hearth_status planner_file_add_projector(planner_file *file, const char *path, hearth_error *err);
const planner_source *planner_file_source(const planner_file *file);
void planner_file_close(planner_file *file);

/* Bytes of a value in a cache of that type, of 32; 0: no such type. "f16" has 64. */
uint32_t planner_cache_type_bytes(const char *name);

#endif
