/* SPDX-License-Identifier: MIT
 *
 * chat_attach.h - what hangs on messages: what of it a model can be shown, and how.
 *
 * A new message whose attachments the model cannot be shown is refused before it is stored. In an
 * older one, as after a change of the model, the prompt says what is missing, and the watchers are
 * told: nothing is dropped in silence.
 */
#ifndef HEARTH_GATEWAY_CHAT_ATTACH_H
#define HEARTH_GATEWAY_CHAT_ATTACH_H

#include "gateway/state.h"

bool chat_model_sees(gateway *g, const char *model);

/* EUNSUPPORTED names the first that the model cannot be shown. */
hearth_status chat_attachments_check(gateway *g, const store_attachment *items, size_t n,
                                     const char *model, hearth_error *err);

/* A user's message as the content of a request: a text, or parts of which the first is the text.
 * *n_hidden counts those that are only named. */
hearth_status chat_content_of(gateway *g, const store_message *m, bool sees, size_t *n_hidden,
                              json_t **out, hearth_error *err);

#endif
