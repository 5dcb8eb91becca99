/* SPDX-License-Identifier: MIT
 *
 * tokens.c - see tokens.h; and the routes /tokenize and /detokenize.
 */
#include "worker/tokens.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/place.h"
#include "base/watch.h"

static hearth_status refuse_token(const char *at, size_t i, int32_t token, uint32_t n_vocab,
                                  hearth_error *err)
{
    char path[PLACE_BYTES * 4], where[PLACE_BYTES];
    snprintf(path, sizeof path, "%.200s[%zu]", at, i);
    place_cut(where, path);
    FAIL(err, EINVAL, where, "%s: %d is no token; they go from 0 to %u", path, (int)token,
         (unsigned)n_vocab - 1);
}

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
                    return refuse_token(p->at, part->first + k, part->tokens[k], w->info->n_vocab,
                                        err);
            }
            TRY(token_list_add(list, part->tokens, part->n_tokens, err));
        }
        flags &= ~(unsigned)HEARTH_TOKENIZE_ADD_SPECIAL;
    }
    return HEARTH_OK;
}

hearth_status token_list_want_some(const token_list *list, const request_prompt *p,
                                   hearth_error *err)
{
    if (list->n == 0)
        FAIL(err, EINVAL, p->at, "%s: is empty; send a text or tokens", p->at);
    return HEARTH_OK;
}

/* ---- routes ---- */

typedef struct pieces {
    const worker *w;
    char *last; /* hearth_free */
} pieces;

static hearth_status piece_of(void *user, int32_t token, const char **text, size_t *n,
                              hearth_error *err)
{
    pieces *p = user;
    hearth_free(p->last);
    p->last = NULL;
    if (!watch_go_on(1))
        return watch_end(err);
    TRY(hearth_token_piece(p->w->model, token, &p->last, n, err));
    *text = p->last;
    return HEARTH_OK;
}

hearth_status worker_tokenize(worker_call *c, hearth_error *err)
{
    const request *r = c->r;
    hearth_status status = HEARTH_OK;
    token_list list = {0};
    pieces p = {.w = c->w};
    unsigned flags = (r->options.add_special ? HEARTH_TOKENIZE_ADD_SPECIAL : 0u) |
                     (r->options.parse_special ? HEARTH_TOKENIZE_PARSE_SPECIAL : 0u);
    TRY_OUT(token_list_add_prompt(&list, c->w, &r->prompts[0], flags, err));
    status = response_tokenize(r, list.tokens, list.n, piece_of, &p, &c->reply->body, err);
out:
    hearth_free(p.last);
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
