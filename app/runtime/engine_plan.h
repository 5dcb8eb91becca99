/* SPDX-License-Identifier: MIT
 *
 * engine_plan.h - what was decided about a load: how the engine runs, what it may take, and why.
 * A plain value: copied by assignment.
 */
#ifndef HEARTH_RUNTIME_ENGINE_PLAN_H
#define HEARTH_RUNTIME_ENGINE_PLAN_H

#include <jansson.h>

#include "runtime/budget.h"
#include "runtime/model_spec.h"

enum { PLAN_REASONS = 12, PLAN_PATH = 1024 };

typedef enum plan_mode {
    PLAN_UNSUPPORTED,
    PLAN_CPU,
    PLAN_HYBRID, /* some layers on GPUs */
    PLAN_GPU,
    PLAN_ELSEWHERE /* remote */
} plan_mode;

typedef enum plan_fit {
    PLAN_GREEN,  /* with room to spare */
    PLAN_YELLOW, /* tight, or slower than it could be */
    PLAN_RED     /* not at all */
} plan_fit;

typedef struct plan_reason {
    char about[16]; /* the field of the plan */
    char text[200];
} plan_reason;

typedef struct engine_plan {
    engine_kind_id kind;
    char program[PLAN_PATH]; /* the executable; "" for remote */
    char backend[64];        /* of llama-server: "VERSION/TYPE", or "" */
    uint32_t backend_build;  /* its number; 0: unknown */
    bool sees;
    plan_mode mode;
    plan_fit fit;
    uint32_t n_ctx; /* of one request; 0: unknown */
    uint32_t n_parallel;
    uint32_t n_batch;  /* 0: the engine's own choice */
    int32_t n_threads; /* 0: the same */
    uint32_t n_layers;
    uint32_t n_gpu_layers; /* n_layers + 1: all, and the output */
    char cache_type_k[8], cache_type_v[8];
    uint32_t cache_mib; /* of a built-in engine */
    uint64_t weight_bytes, cache_bytes, compute_bytes, projector_bytes, overhead_bytes;
    budget_amount need;  /* what it is counted with */
    budget_amount limit; /* what it could have had at most */
    size_t n_reasons;
    plan_reason reasons[PLAN_REASONS];
} engine_plan;

/* One more line of why; beyond PLAN_REASONS they are dropped. */
void plan_because(engine_plan *plan, const char *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* {kind, backend, mode, fit, n_ctx, n_parallel, n_batch, n_threads, n_layers, n_gpu_layers,
 * cache_type_k, cache_type_v, memory {weights, cache, compute, projector, overhead, ram, vram [],
 * ram_limit, vram_limit []}, reasons [{about, text}]}; NULL: out of memory. */
json_t *engine_plan_json(const engine_plan *plan);

#endif
