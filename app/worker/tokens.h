/* SPDX-License-Identifier: MIT
 *
 * tokens.h - prompts as tokens.
 */
#ifndef HEARTH_WORKER_TOKENS_H
#define HEARTH_WORKER_TOKENS_H

#include "base/buf.h"
#include "worker/state.h"

typedef struct token_list {
    int32_t *tokens; /* mem_free */
    size_t n, capacity;
} token_list;

void token_list_deinit(token_list *list);
hearth_status token_list_add(token_list *list, const int32_t *tokens, size_t n, hearth_error *err);

/* Appends the tokens of text. */
hearth_status token_list_add_text(token_list *list, const hearth_model *model, const char *text,
                                  size_t n, unsigned flags, hearth_error *err);

/* Appends a prompt of a request: texts are tokenized, tokens checked. `flags` (HEARTH_TOKENIZE_*)
 * hold for the first part; ADD_SPECIAL for that one alone, and only if it is text. */
hearth_status token_list_add_prompt(token_list *list, const worker *w, const request_prompt *p,
                                    unsigned flags, hearth_error *err);

#endif
