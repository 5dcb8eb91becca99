/* SPDX-License-Identifier: MIT
 *
 * plan.c - see plan.h.
 */
#include "cli/plan.h"

#include <stdio.h>

#include "cli/human.h"

void plan_print(const hearth_plan *plan)
{
    const struct {
        const char *name;
        uint64_t bytes;
    } rows[] = {
        {"weights", plan->weight_bytes},  {"KV cache", plan->cache_bytes},
        {"compute", plan->compute_bytes}, {"overhead", plan->overhead_bytes},
        {"together", plan->total_bytes},  {"free now", plan->available_bytes},
    };
    printf("memory for a context of %u tokens, batches of %u, threads %d\n", plan->n_ctx,
           plan->n_batch, plan->n_threads);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool unknown = rows[i].bytes == UINT64_MAX;
        printf("  %-15s %10s\n", rows[i].name,
               unknown ? "unknown" : human_bytes(rows[i].bytes).text);
    }
    printf("  %-15s %10s\n", "fits", plan->fits ? "yes" : "no");
    printf("  %-15s %10u tokens\n", "largest context", plan->n_ctx_max);
}

json_t *plan_json(const hearth_plan *plan)
{
    return json_pack(
        "{s:I, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:b}", "n_ctx", (json_int_t)plan->n_ctx,
        "n_batch", (json_int_t)plan->n_batch, "n_threads", plan->n_threads, "weight_bytes",
        (json_int_t)plan->weight_bytes, "cache_bytes", (json_int_t)plan->cache_bytes,
        "compute_bytes", (json_int_t)plan->compute_bytes, "overhead_bytes",
        (json_int_t)plan->overhead_bytes, "total_bytes", (json_int_t)plan->total_bytes,
        "available_bytes",
        plan->available_bytes == UINT64_MAX ? json_null()
                                            : json_integer((json_int_t)plan->available_bytes),
        "n_ctx_max", (json_int_t)plan->n_ctx_max, "fits", plan->fits);
}
