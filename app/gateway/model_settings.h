/* SPDX-License-Identifier: MIT
 *
 * model_settings.h - what the user has set for a model: one JSON object per model in the store,
 * with the keys of model_settings.def, "engine" (a kind's name) and "extra" (flags for the engine).
 *
 * A key that is absent is chosen by the planner. Thread-safe.
 */
#ifndef HEARTH_GATEWAY_MODEL_SETTINGS_H
#define HEARTH_GATEWAY_MODEL_SETTINGS_H

#include <jansson.h>

#include "runtime/model_spec.h"
#include "store/store.h"

/* The keys that are set; an empty object if none is. */
hearth_status model_settings_get(store *s, const char *model, json_t **out, hearth_error *err);

/* Puts `changes` over what is set (null takes a key out), checks it all, keeps it. *changed (may be
 * NULL): whether anything is different. EINVAL names the key. */
hearth_status model_settings_change(store *s, const char *model, const json_t *changes,
                                    bool *changed, hearth_error *err);

/* Keeps `settings` in the place of what is set, unchecked: what model_settings_get gave before. */
hearth_status model_settings_put(store *s, const char *model, const json_t *settings,
                                 hearth_error *err);

/* Another name for the model; nothing happens if nothing is set. */
hearth_status model_settings_rename(store *s, const char *from, const char *to, hearth_error *err);
hearth_status model_settings_remove(store *s, const char *model, hearth_error *err);

/* Fills the spec's members from an object of settings. EINVAL names the key. */
hearth_status model_settings_apply(const json_t *settings, model_spec *spec, hearth_error *err);

/* All keys with the values that the spec has. NULL: out of memory. */
json_t *model_settings_of(const model_spec *spec);

#endif
