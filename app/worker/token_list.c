/* SPDX-License-Identifier: MIT
 *
 * token_list.c - see token_list.h.
 */
#include "worker/token_list.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"

void token_list_deinit(token_list *list)
{
    mem_free(list->tokens);
    *list = (token_list){0};
}

hearth_status token_list_add(token_list *list, const int32_t *tokens, size_t n, hearth_error *err)
{
    if (n > list->capacity - list->n) {
        size_t capacity = list->capacity * 2 > list->n + n ? list->capacity * 2 : list->n + n;
        int32_t *grown = mem_realloc_array(list->tokens, capacity, sizeof *grown);
        if (grown == NULL)
            return error_no_memory(err, "the prompt's tokens", capacity * sizeof *grown);
        list->tokens = grown;
        list->capacity = capacity;
    }
    if (n > 0)
        memcpy(list->tokens + list->n, tokens, n * sizeof *tokens);
    list->n += n;
    return HEARTH_OK;
}

hearth_status token_list_add_text(token_list *list, const hearth_model *model, const char *text,
                                  size_t n, unsigned flags, hearth_error *err)
{
    int32_t *tokens = NULL;
    size_t n_tokens = 0;
    TRY(hearth_tokenize(model, text, n, flags, &tokens, &n_tokens, err));
    hearth_status status = token_list_add(list, tokens, n_tokens, err);
    hearth_free(tokens);
    return status;
}
