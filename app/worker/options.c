/* SPDX-License-Identifier: MIT
 *
 * options.c - see options.h.
 */
#include "worker/options.h"

#include <string.h>

#include "base/mem.h"

void engine_options_deinit(engine_options *o)
{
    mem_free(o->biases);
    mem_free(o->stops);
    o->biases = NULL;
    o->stops = NULL;
}

/* A bias on a text is one on each of its tokens. */
static hearth_status read_biases(engine_options *o, const worker *w, const request_options *r,
                                 hearth_error *err)
{
    token_list list = {0};
    hearth_status status = HEARTH_OK;
    size_t n = 0, capacity = 0;
    for (size_t i = 0; i < r->n_bias; i++) {
        const request_bias *bias = &r->bias[i];
        list.n = 0;
        if (bias->text)
            TRY_OUT(token_list_add_text(&list, w->model, bias->text, strlen(bias->text), 0, err));
        else
            TRY_OUT(token_list_add(&list, &bias->token, 1, err));
        if (n + list.n > capacity) {
            capacity = (n + list.n) * 2;
            hearth_logit_bias *grown = mem_realloc_array(o->biases, capacity, sizeof *grown);
            if (grown == NULL) {
                status = error_no_memory(err, "logit_bias", capacity * sizeof *grown);
                goto out;
            }
            o->biases = grown;
        }
        for (size_t k = 0; k < list.n; k++)
            o->biases[n++] = (hearth_logit_bias){.token = list.tokens[k], .bias = bias->bias};
    }
    o->sampler.logit_bias = o->biases;
    o->sampler.n_logit_bias = n;
out:
    token_list_deinit(&list);
    return status;
}

/* The client's texts, and those by which the model's format ends an answer. */
static hearth_status join_stops(engine_options *o, const request_options *r,
                                const hearth_chat_format *format, hearth_error *err)
{
    size_t n = format ? hearth_chat_format_n_stop(format) : 0;
    o->stops = mem_calloc(r->n_stop + n, sizeof *o->stops);
    if (o->stops == NULL)
        return error_no_memory(err, "stop", (r->n_stop + n) * sizeof *o->stops);
    for (size_t i = 0; i < r->n_stop; i++)
        o->stops[i] = r->stop[i];
    for (size_t i = 0; i < n; i++)
        o->stops[r->n_stop + i] = hearth_chat_format_stop(format, i);
    o->engine.stop = o->stops;
    o->engine.n_stop = r->n_stop + n;
    return HEARTH_OK;
}

static hearth_status check(const worker *w, const request_options *r, hearth_error *err)
{
    uint32_t n_slots = hearth_engine_get_plan(w->engine)->n_parallel;
    if (r->id_slot >= 0 && (uint32_t)r->id_slot >= n_slots)
        FAIL(err, EINVAL, "id_slot", "id_slot: %d is too large; this engine has %u slots",
             (int)r->id_slot, (unsigned)n_slots);
    return HEARTH_OK;
}

/* Whether the prompt starts with the token that the model wants in front of every text. */
static bool begins_text(const worker *w, const token_list *prompt)
{
    return w->special.add_bos && prompt->n > 0 && prompt->tokens[0] == w->special.bos;
}

hearth_status engine_options_init(engine_options *o, worker *w, const request *r,
                                  const token_list *prompt, const hearth_chat_format *format,
                                  uint32_t i, hearth_error *err)
{
    const request_options *from = &r->options;
    hearth_request_options *to = &o->engine;
    *o = (engine_options){.sampler = from->sampler};
    TRY(check(w, from, err));
    TRY(read_biases(o, w, from, err));
    hearth_request_options_init(to);
    TRY(join_stops(o, from, format, err));
    /* Choices differ although one seed was given. */
    if (from->sampler.seed != UINT32_MAX)
        o->sampler.seed = from->sampler.seed + i;
    to->tokens = prompt->tokens;
    to->n_tokens = prompt->n;
    to->sampler = &o->sampler;
    to->max_tokens = from->n_predict;
    to->special = format && hearth_chat_format_wants_special(format);
    to->ignore_eos = from->ignore_eos;
    to->logprobs = from->n_probs >= 0;
    to->n_probs = from->n_probs > 0 ? (size_t)from->n_probs : 0;
    to->post_sampling_probs = from->post_sampling_probs;
    to->no_cache_prompt = !from->cache_prompt;
    to->prompt_progress = from->return_progress;
    to->context_shift = from->context_shift;
    to->n_discard = (uint32_t)from->n_discard;
    to->n_keep = from->n_keep < 0 ? (uint32_t)prompt->n : (uint32_t)from->n_keep;
    if (from->n_keep >= 0 && begins_text(w, prompt))
        to->n_keep++; /* a model that was never without it writes nonsense without it */
    return HEARTH_OK;
}
