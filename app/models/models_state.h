/* SPDX-License-Identifier: MIT
 *
 * models_state.h - the inside of hearth_models: inside this folder only.
 *
 * Locks  `turn` is held by whoever changes which model is active, or a model that might be, however
 *        long that takes; `door` guards the pointer and is held for moments. turn comes before
 *        door. The library has locks of its own.
 */
#ifndef HEARTH_MODELS_MODELS_STATE_H
#define HEARTH_MODELS_MODELS_STATE_H

#include <hearth/models.h>
#include <pthread.h>

#include "library/library.h"

typedef struct active_model {
    hearth_models_active shown;
    hearth_model *model;
} active_model;

struct hearth_models {
    library *library;
    pthread_mutex_t turn;
    pthread_mutex_t door;
    active_model *active; /* NULL: none */
    hearth_log log;
};

/* EINVAL unless the text is there and not empty. */
hearth_status models_need(const char *text, const char *what, hearth_error *err);
/* Takes the record, also on failure. out may be NULL. */
hearth_status models_give_entry(hearth_models *models, const library_model *record,
                                const hearth_models_entry **out, hearth_error *err);
/* Whether it is the active model's name. Door is not locked. */
bool models_is_active(hearth_models *models, const char *name);

#endif
