/* SPDX-License-Identifier: MIT
 *
 * constraint.h - what an answer must look like, as the matcher that the engine samples under.
 *
 * A request's grammar or schema holds for the answer proper: where the model thinks before it, the
 * thoughts stand in front, free up to the tag that ends them. Calls of tools have the grammar of
 * the chat's format, which begins where a call does. With both, the answer is either: calls, or
 * what the request's grammar says, and nothing beside them. Where a call is a must, there is no
 * answer that the request's grammar could hold for.
 */
#ifndef HEARTH_WORKER_CONSTRAINT_H
#define HEARTH_WORKER_CONSTRAINT_H

#include <hearth/grammar.h>
#include <hearth/tools.h>

#include "protocol/request.h"

/* format is a chat's, or NULL. *out is NULL where any text will do; the caller's:
 * hearth_matcher_free. */
hearth_status constraint_matcher(const request *r, const hearth_model *model,
                                 const hearth_chat_format *format, hearth_matcher **out,
                                 hearth_error *err);

#endif
