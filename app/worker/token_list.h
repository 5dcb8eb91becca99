/* SPDX-License-Identifier: MIT
 *
 * token_list.h - a growing array of tokens. Zeroed is empty.
 */
#ifndef HEARTH_WORKER_TOKEN_LIST_H
#define HEARTH_WORKER_TOKEN_LIST_H

#include <hearth/model.h>

typedef struct token_list {
    int32_t *tokens; /* mem_free */
    size_t n, capacity;
} token_list;

void token_list_deinit(token_list *list);
hearth_status token_list_add(token_list *list, const int32_t *tokens, size_t n, hearth_error *err);

/* Appends the tokens of text. */
hearth_status token_list_add_text(token_list *list, const hearth_model *model, const char *text,
                                  size_t n, unsigned flags, hearth_error *err);

#endif
