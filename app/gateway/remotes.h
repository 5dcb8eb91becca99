/* SPDX-License-Identifier: MIT
 *
 * remotes.h - models that another server runs, at an address that speaks OpenAI's API: known by a
 * name of the user's, kept in the store as {"url", "key", "model"}.
 *
 * A name of a remote one goes before a file's. Thread-safe.
 */
#ifndef HEARTH_GATEWAY_REMOTES_H
#define HEARTH_GATEWAY_REMOTES_H

#include "gateway/state.h"

bool remote_is_known(gateway *g, const char *name);
/* ENOTFOUND if there is none of this name. */
hearth_status remote_fill_spec(gateway *g, const char *name, model_spec *out, hearth_error *err);
/* {name: {"url", "key", "model"}} of all. NULL: out of memory, or the store cannot be read. */
json_t *remote_all(gateway *g);

#endif
