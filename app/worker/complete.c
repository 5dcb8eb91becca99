/* SPDX-License-Identifier: MIT
 *
 * complete.c - prompts that are gone on from: /completion, /v1/completions and /infill.
 */
#include "worker/answer.h"
#include "worker/infill.h"

hearth_status worker_complete(worker_call *c, hearth_error *err)
{
    const request *r = c->r;
    const unsigned flags = HEARTH_TOKENIZE_ADD_SPECIAL |
                           (r->options.parse_special ? HEARTH_TOKENIZE_PARSE_SPECIAL : 0);
    token_list prompt = {0};
    answer *a = NULL;
    hearth_status status = HEARTH_OK;
    uint32_t n = request_n_choices(r);
    TRY_OUT(answer_new(&a, c, err));
    for (uint32_t i = 0; i < n; i++) {
        prompt.n = 0;
        size_t number = (size_t)i * r->n_prompts / n;
        if (r->kind == REQUEST_INFILL)
            TRY_OUT(infill_add_prompt(&prompt, c->w, r, err));
        else
            TRY_OUT(token_list_add_prompt(&prompt, c->w, &r->prompts[number], flags, err));
        if (r->kind != REQUEST_INFILL)
            TRY_OUT(token_list_want_some(&prompt, &r->prompts[number], err));
        TRY_OUT(answer_add(a, c, &prompt, err));
    }
    status = answer_respond(a, c, err);
    a = NULL;
out:
    answer_free(a);
    token_list_deinit(&prompt);
    return status;
}
