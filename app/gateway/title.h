/* SPDX-License-Identifier: MIT
 *
 * title.h - a chat's title, made by the model from how the chat began.
 */
#ifndef HEARTH_GATEWAY_TITLE_H
#define HEARTH_GATEWAY_TITLE_H

#include "gateway/state.h"

enum { TITLE_BYTES = 96 };

/* Asks the model, and stores what it says. What is no title gives way to the first words of the
 * chat. wanted: as in upstream.h. EINVAL if the chat has no message of a user. */
hearth_status title_make(gateway *g, int64_t chat, const char *model, bool (*wanted)(void *user),
                         void *user, char out[TITLE_BYTES], runtime_failure *failure,
                         hearth_error *err);

/* The first line of an answer as a title: without quotes, marks and a full stop around it, cut
 * between words. False if it had to be cut, or nothing is left. Pure. */
bool title_clean(const char *text, char out[TITLE_BYTES]);

#endif
