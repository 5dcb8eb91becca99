/* SPDX-License-Identifier: MIT
 *
 * embedder.h - vectors for the search by meaning: from the model of --embedding-model, asked like
 * any other, on a thread of its own that works when no answer is being written.
 */
#ifndef HEARTH_GATEWAY_EMBEDDER_H
#define HEARTH_GATEWAY_EMBEDDER_H

#include "gateway/state.h"

/* *out is NULL, and nothing is done, without --embedding-model. EINVAL if the model gives no
 * vectors; ENOTFOUND. */
hearth_status embedder_start(embedder **out, gateway *g, hearth_error *err);
/* Ends its thread. The store must not be searched any more. NULL is fine. */
void embedder_stop(embedder *e);

#endif
