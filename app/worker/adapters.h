/* SPDX-License-Identifier: MIT
 *
 * adapters.h - LoRA adapters: which the engine has, and how strongly each is applied.
 *
 * The strengths of the engine hold for requests that name none; a request that names some sets
 * those, and all others to 0. So does POST /lora-adapters with the engine's. Adapters come by flag,
 * or from the folder of --lora-dir while requests run; one that is taken away stays with the
 * answers that began with it.
 */
#ifndef HEARTH_WORKER_ADAPTERS_H
#define HEARTH_WORKER_ADAPTERS_H

#include "worker/state.h"

/* Reads --lora and --lora-scaled into w->adapters. */
hearth_status adapters_init(worker *w, hearth_error *err);
/* Their paths, to open the model with: mem_free. */
hearth_status adapters_paths(const worker *w, const char ***out, hearth_error *err);
/* The model is open, with those. */
void adapters_bind(worker *w);
void adapters_deinit(worker *w);

/* What one request uses, and keeps until adapters_leave. */
typedef struct adapter_choice {
    hearth_adapter_use *uses; /* NULL: nothing was chosen yet */
    size_t n;
} adapter_choice;

/* By what the request asks, or NULL: what holds for all. */
hearth_status adapters_take(worker *w, const request_options *o, adapter_choice *out,
                            hearth_error *err);
void adapters_leave(adapter_choice *choice);

#endif
