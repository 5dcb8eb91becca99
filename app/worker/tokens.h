/* SPDX-License-Identifier: MIT
 *
 * tokens.h - prompts of requests as tokens.
 */
#ifndef HEARTH_WORKER_TOKENS_H
#define HEARTH_WORKER_TOKENS_H

#include "worker/state.h"
#include "worker/token_list.h"

/* Appends a prompt of a request: texts are tokenized, tokens checked. `flags` (HEARTH_TOKENIZE_*)
 * hold for the first part; ADD_SPECIAL for that one alone, and only if it is text. */
hearth_status token_list_add_prompt(token_list *list, const worker *w, const request_prompt *p,
                                    unsigned flags, hearth_error *err);

/* Refuses a prompt without tokens. */
hearth_status token_list_want_some(const token_list *list, const request_prompt *p,
                                   hearth_error *err);

#endif
