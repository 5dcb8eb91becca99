/* SPDX-License-Identifier: MIT
 *
 * tokens.c - see tokens.h; and the routes /tokenize and /detokenize.
 */
#include "worker/tokens.h"

#include "base/mem.h"
#include "base/watch.h"

hearth_status token_list_add_prompt(token_list *list, const worker *w, const request_prompt *p,
                                    unsigned flags, hearth_error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        const prompt_part *part = &p->parts[i];
        if (part->text) {
            TRY(token_list_add_text(list, w->model, part->text, part->n_text, flags, err));
        } else {
            for (size_t k = 0; k < part->n_tokens; k++) {
                if (part->tokens[k] < 0 || (uint32_t)part->tokens[k] >= w->info->n_vocab)
                    FAIL(err, EINVAL, "prompt", "prompt: %d is no token; they go from 0 to %u",
                         (int)part->tokens[k], (unsigned)w->info->n_vocab - 1);
            }
            TRY(token_list_add(list, part->tokens, part->n_tokens, err));
        }
        flags &= ~(unsigned)HEARTH_TOKENIZE_ADD_SPECIAL;
    }
    return HEARTH_OK;
}

/* ---- routes ---- */

/* The texts of all tokens: hearth_free each. */
static hearth_status read_pieces(const worker *w, reply_token *tokens, size_t n, hearth_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char *text = NULL;
        if (!watch_go_on(1))
            return watch_end(err);
        TRY(hearth_token_piece(w->model, tokens[i].token, &text, &tokens[i].n_text, err));
        tokens[i].text = text;
    }
    return HEARTH_OK;
}

hearth_status worker_tokenize(worker_call *c, hearth_error *err)
{
    const request *r = c->r;
    hearth_status status = HEARTH_OK;
    token_list list = {0};
    reply_token *tokens = NULL;
    unsigned flags = (r->options.add_special ? HEARTH_TOKENIZE_ADD_SPECIAL : 0u) |
                     (r->options.parse_special ? HEARTH_TOKENIZE_PARSE_SPECIAL : 0u);
    TRY_OUT(token_list_add_prompt(&list, c->w, &r->prompts[0], flags, err));
    tokens = mem_calloc(list.n, sizeof *tokens);
    if (tokens == NULL) {
        status = error_no_memory(err, "tokens", list.n * sizeof *tokens);
        goto out;
    }
    for (size_t i = 0; i < list.n; i++)
        tokens[i].token = list.tokens[i];
    if (r->options.with_pieces)
        TRY_OUT(read_pieces(c->w, tokens, list.n, err));
    status = response_tokenize(r, tokens, list.n, &c->reply->body, err);
out:
    for (size_t i = 0; tokens && i < list.n; i++)
        hearth_free((void *)(uintptr_t)tokens[i].text);
    mem_free(tokens);
    token_list_deinit(&list);
    return status;
}

hearth_status worker_detokenize(worker_call *c, hearth_error *err)
{
    token_list list = {0};
    char *text = NULL;
    size_t n = 0;
    hearth_status status = HEARTH_OK;
    TRY_OUT(token_list_add_prompt(&list, c->w, &c->r->prompts[0], 0, err));
    TRY_OUT(hearth_detokenize(c->w->model, list.tokens, list.n, true, &text, &n, err));
    status = response_detokenize(text, n, &c->reply->body, err);
out:
    hearth_free(text);
    token_list_deinit(&list);
    return status;
}
