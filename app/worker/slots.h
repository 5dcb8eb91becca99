/* SPDX-License-Identifier: MIT
 *
 * slots.h - the last text of every slot, for POST /slots/N?action=save|restore|erase.
 *
 * A slot is a name here: a request runs wherever there is a place, and its text becomes that of the
 * slot that its answer tells, which is the one it asked for or 0.
 */
#ifndef HEARTH_WORKER_SLOTS_H
#define HEARTH_WORKER_SLOTS_H

#include "worker/state.h"

/* Needs the engine. */
hearth_status slots_init(worker *w, hearth_error *err);
/* Before the engine is closed. */
void slots_deinit(worker *w);

/* After DONE. Nothing without --slot-save-path. */
hearth_status slots_keep(worker *w, int32_t slot, const hearth_request *r, hearth_error *err);

#endif
