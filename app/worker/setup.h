/* SPDX-License-Identifier: MIT
 *
 * setup.h - what a worker is made of: the model, the engine, the defaults of requests.
 */
#ifndef HEARTH_WORKER_SETUP_H
#define HEARTH_WORKER_SETUP_H

#include "worker/state.h"

/* What can be told from the flags alone, so that a wrong one is told at once. */
hearth_status setup_check(worker *w, hearth_error *err);
/* Opens model and engine. ECANCELED if the host is interrupted meanwhile. */
hearth_status setup_worker(worker *w, hearth_error *err);
/* Frees whatever is there; no request may be running. */
void setup_undo(worker *w);

#endif
