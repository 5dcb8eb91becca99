/* SPDX-License-Identifier: MIT
 *
 * adapters.h - LoRA adapters: which the engine has, and how strongly each is applied.
 *
 * The strengths of the engine hold for requests that name none; a request that names some sets
 * those, and all others to 0. So does POST /lora-adapters with the engine's.
 */
#ifndef HEARTH_WORKER_ADAPTERS_H
#define HEARTH_WORKER_ADAPTERS_H

#include "worker/state.h"

/* Reads --lora and --lora-scaled into w->adapters and w->scales. */
hearth_status adapters_init(worker *w, hearth_error *err);
void adapters_deinit(worker *w);

/* The strengths for a request, n_adapters of them: mem_free. */
hearth_status adapters_scales(worker *w, const request_options *o, float **out, hearth_error *err);

#endif
