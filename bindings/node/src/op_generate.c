/* SPDX-License-Identifier: MIT
 *
 * op_generate.c - generate and chat: a request or an answer from submit to its end, told as events.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define V(j, name) (&(j)->p.values[PARAM_##name])

/* What hearth_request_options points to. */
typedef struct writing {
    hearth_request_options o;
    hearth_sampler_options sampler;
    hearth_logit_bias *forbidden;
    char *order;
    adapter_uses adapters;
    hearth_grammar *grammar;
    char *text; /* of the answer so far, which is the result */
    size_t n_text, capacity;
} writing;

static hearth_status no_memory(const job *j, hearth_error *err)
{
    return fail(err, HEARTH_ENOMEM, j->op->name, "%s: out of memory", j->op->name);
}

/* ---- options ---- */

static hearth_status set_sampler(writing *w, const job *j, hearth_error *err)
{
    const param_value *forbidden = V(j, forbiddenTokens), *order = V(j, samplers);
    params_sampler(&j->p, j->c->model, &w->sampler);
    w->o.sampler = &w->sampler;
    if (forbidden->n > 0) {
        w->forbidden = calloc(forbidden->n, sizeof *w->forbidden);
        if (w->forbidden == NULL)
            return no_memory(j, err);
        for (size_t i = 0; i < forbidden->n; i++) {
            if (!(forbidden->numbers[i] >= 0 && forbidden->numbers[i] <= INT32_MAX))
                return fail(err, HEARTH_EINVAL, "forbiddenTokens",
                            "%s: forbiddenTokens: %g is no token", j->op->name,
                            forbidden->numbers[i]);
            w->forbidden[i] =
                (hearth_logit_bias){(int32_t)forbidden->numbers[i], -__builtin_inff()};
        }
        w->sampler.logit_bias = w->forbidden;
        w->sampler.n_logit_bias = forbidden->n;
    }
    if (order->given) {
        size_t n = 1;
        for (size_t i = 0; i < order->n; i++)
            n += strlen(order->texts[i]) + 1;
        if ((w->order = calloc(1, n)) == NULL)
            return no_memory(j, err);
        for (size_t i = 0, at = 0; i < order->n; i++)
            at +=
                (size_t)snprintf(w->order + at, n - at, "%s%s", i > 0 ? ";" : "", order->texts[i]);
        w->sampler.samplers = w->order;
    }
    return HEARTH_OK;
}

static hearth_status set_adapters(writing *w, const job *j, hearth_error *err)
{
    hearth_status status = job_take_adapters(j, &w->adapters, err);
    w->o.uses = w->adapters.uses;
    w->o.n_uses = w->adapters.n;
    return status;
}

static hearth_status set_grammar(writing *w, const job *j, hearth_error *err)
{
    const char *gbnf = V(j, grammar)->text, *schema = V(j, schema)->text,
               *regex = V(j, regex)->text;
    if ((gbnf != NULL) + (schema != NULL) + (regex != NULL) > 1)
        return fail(err, HEARTH_EINVAL, "grammar",
                    "%s: grammar, schema and regex exclude each other", j->op->name);
    if (gbnf)
        return hearth_grammar_from_gbnf(&w->grammar, gbnf, NULL, err);
    if (schema)
        return hearth_grammar_from_schema(&w->grammar, schema, err);
    return regex ? hearth_grammar_from_regex(&w->grammar, regex, err) : HEARTH_OK;
}

static hearth_status writing_init(writing *w, const job *j, hearth_error *err)
{
    hearth_request_options *o = &w->o;
    *w = (writing){0};
    hearth_request_options_init(o);
    o->max_tokens = (int32_t)V(j, maxTokens)->number;
    o->stop = (const char *const *)V(j, stopSequences)->texts;
    o->n_stop = V(j, stopSequences)->n;
    o->ignore_eos = V(j, ignoreEos)->number != 0;
    o->special = V(j, special)->number != 0;
    o->no_cache_prompt = V(j, cachePrompt)->number == 0;
    o->context_shift = V(j, contextShift)->number != 0;
    o->n_keep = (uint32_t)V(j, keep)->number;
    o->n_discard = (uint32_t)V(j, discard)->number;
    o->max_time_ms = V(j, maxTimeMs)->number;
    o->prompt_progress = j->has_event;
    o->logprobs = V(j, topLogprobs)->number >= 0;
    o->n_probs = V(j, topLogprobs)->number > 0 ? (size_t)V(j, topLogprobs)->number : 0;
    hearth_status status = set_sampler(w, j, err);
    if (status == HEARTH_OK)
        status = set_adapters(w, j, err);
    return status == HEARTH_OK ? set_grammar(w, j, err) : status;
}

static void writing_deinit(writing *w)
{
    free(w->forbidden);
    free(w->order);
    adapter_uses_leave(&w->adapters);
    free(w->text);
    hearth_grammar_unref(w->grammar);
}

/* ---- what is written ---- */

static hearth_status add_text(writing *w, const job *j, const char *text, size_t n,
                              hearth_error *err)
{
    if (w->n_text + n + 1 > w->capacity) {
        size_t capacity = 2 * (w->n_text + n) + 256;
        char *grown = realloc(w->text, capacity);
        if (grown == NULL)
            return no_memory(j, err);
        w->text = grown;
        w->capacity = capacity;
    }
    if (n > 0)
        memcpy(w->text + w->n_text, text, n);
    w->n_text += n;
    w->text[w->n_text] = '\0';
    return HEARTH_OK;
}

static void tell_progress(job *j, const hearth_request_event *e)
{
    const event progress = {.type = "progress",
                            .token = -1,
                            .index = -1,
                            .done = (double)e->n_prompt_done,
                            .total = (double)e->n_prompt};
    job_tell(j, &progress);
}

/* What a request has come to, and its text into the job. */
static hearth_status finish(job *j, writing *w, const hearth_request_event *e, hearth_error *err)
{
    j->reason = e->reason;
    j->timed_out = e->timed_out;
    j->usage = (usage){e->n_prompt, e->n_cached, e->n_generated};
    j->prompt_ms = e->prompt_ms;
    j->generate_ms = e->generate_ms;
    j->queue_ms = e->queue_ms;
    if (e->stop_word) {
        size_t n = strlen(e->stop_word) + 1;
        if ((j->stop_word = malloc(n)) == NULL)
            return no_memory(j, err);
        memcpy(j->stop_word, e->stop_word, n);
    }
    hearth_status status = add_text(w, j, "", 0, err);
    j->answer_text = w->text;
    j->n_text = w->n_text;
    w->text = NULL;
    return status;
}

static hearth_status canceled(const job *j, hearth_error *err)
{
    return fail(err, HEARTH_ECANCELED, j->op->name, "%s: canceled", j->op->name);
}

/* ---- generate ---- */

static hearth_status read_request(job *j, writing *w, hearth_request *request, hearth_error *err)
{
    hearth_request_event e = {.type = HEARTH_REQUEST_NONE};
    for (;;) {
        hearth_status status = hearth_request_next(request, -1, &e, err);
        if (status != HEARTH_OK)
            return status;
        if (e.type == HEARTH_REQUEST_PROMPT)
            tell_progress(j, &e);
        if (e.type == HEARTH_REQUEST_DONE)
            return finish(j, w, &e, err);
        if (e.type != HEARTH_REQUEST_TOKEN)
            continue;
        if ((status = add_text(w, j, e.text, e.n_text, err)) != HEARTH_OK)
            return status;
        const event token = {.type = "token",
                             .text = e.text ? e.text : "",
                             .n = e.n_text,
                             .token = e.token,
                             .index = -1,
                             .has_logprob = w->o.logprobs && e.token >= 0,
                             .logprob = e.logprob,
                             .top = e.top,
                             .n_top = e.n_top};
        job_tell(j, &token);
    }
}

/* Puts the request where cancel finds it. */
static void publish(job *j, hearth_request *request, hearth_answer *answer)
{
    pthread_mutex_lock(&j->lock);
    j->request = request;
    j->answer = answer;
    bool late = atomic_load(&j->canceled);
    pthread_mutex_unlock(&j->lock);
    if (late)
        job_cancel(j);
}

hearth_status work_generate(job *j, hearth_error *err)
{
    writing w;
    hearth_matcher *matcher = NULL;
    hearth_request *request = NULL;
    hearth_status status = writing_init(&w, j, err);
    if (status == HEARTH_OK)
        status = job_prompt(j, &w.o.tokens, &w.o.n_tokens, err);
    if (status == HEARTH_OK && w.grammar)
        status = hearth_matcher_new(&matcher, w.grammar, j->c->model, NULL, err);
    w.o.matcher = matcher;
    if (status == HEARTH_OK && atomic_load(&j->canceled))
        status = canceled(j, err);
    if (status == HEARTH_OK)
        status = hearth_engine_submit(j->c->engine, &w.o, &request, err);
    if (status == HEARTH_OK) {
        publish(j, request, NULL);
        status = read_request(j, &w, request, err);
        publish(j, NULL, NULL);
    }
    if (status == HEARTH_OK)
        context_keep(j->c, request);
    hearth_request_free(request);
    hearth_matcher_free(matcher);
    writing_deinit(&w);
    return status;
}

/* ---- chat ---- */

static hearth_status tell_part(job *j, writing *w, const hearth_chat_event *part, hearth_error *err)
{
    static const char *const types[] = {
        [HEARTH_CHAT_REASONING] = "reasoning",      [HEARTH_CHAT_CONTENT] = "token",
        [HEARTH_CHAT_CALL_BEGIN] = "toolCall",      [HEARTH_CHAT_CALL_ARGUMENTS] = "toolArguments",
        [HEARTH_CHAT_CALL_END] = "toolEnd",         [HEARTH_CHAT_CALL_CUT] = "toolCut",
        [HEARTH_CHAT_CALL_DROPPED] = "toolDropped",
    };
    bool is_text = part->type == HEARTH_CHAT_REASONING || part->type == HEARTH_CHAT_CONTENT;
    bool begins = part->type == HEARTH_CHAT_CALL_BEGIN;
    const event e = {.type = types[part->type],
                     .text =
                         is_text || part->type == HEARTH_CHAT_CALL_ARGUMENTS ? part->text : NULL,
                     .n = part->n,
                     .token = -1,
                     .index = is_text ? -1 : (int64_t)part->index,
                     .id = begins ? part->id : NULL,
                     .name = begins ? part->name : NULL};
    job_tell(j, &e);
    return part->type == HEARTH_CHAT_CONTENT ? add_text(w, j, part->text, part->n, err) : HEARTH_OK;
}

static hearth_status read_answer(job *j, writing *w, hearth_answer *answer, hearth_error *err)
{
    hearth_answer_event e = {.type = HEARTH_ANSWER_NONE};
    while (e.type != HEARTH_ANSWER_DONE) {
        hearth_status status = hearth_answer_next(answer, -1, &e, err);
        if (status == HEARTH_OK && e.type == HEARTH_ANSWER_PART)
            status = tell_part(j, w, &e.part, err);
        if (status != HEARTH_OK)
            return status;
        if (e.type == HEARTH_ANSWER_PROMPT)
            tell_progress(j, &e.request);
        if (e.type == HEARTH_ANSWER_TOKEN && w->o.logprobs && e.request.token >= 0) {
            const event token = {.type = "logprob",
                                 .token = e.request.token,
                                 .index = -1,
                                 .has_logprob = true,
                                 .logprob = e.request.logprob,
                                 .top = e.request.top,
                                 .n_top = e.request.n_top};
            job_tell(j, &token);
        }
    }
    j->has_calls = e.n_calls > 0;
    hearth_status status = hearth_answer_message(answer, &j->message, err);
    return status == HEARTH_OK ? finish(j, w, &e.request, err) : status;
}

static hearth_status set_chat(const job *j, hearth_chat_options *o, hearth_error *err)
{
    const char *choice = V(j, toolChoice)->text;
    int reasoning;
    hearth_status status = param_choice(&j->p, PARAM_reasoning, "auto|none", 0, &reasoning, err);
    if (status != HEARTH_OK)
        return status;
    o->reasoning = reasoning == 0 ? HEARTH_REASONING_AUTO : HEARTH_REASONING_NONE;
    o->reasoning_budget = (int32_t)V(j, reasoningBudget)->number;
    o->parallel = V(j, parallelToolCalls)->number != 0;
    if (choice == NULL || strcmp(choice, "auto") == 0) {
        o->choice = HEARTH_TOOL_AUTO;
    } else if (strcmp(choice, "none") == 0) {
        o->choice = HEARTH_TOOL_NONE;
    } else if (strcmp(choice, "required") == 0) {
        o->choice = HEARTH_TOOL_REQUIRED;
    } else {
        o->choice = HEARTH_TOOL_NAMED;
        o->tool_name = choice;
    }
    return HEARTH_OK;
}

hearth_status work_chat(job *j, hearth_error *err)
{
    writing w;
    hearth_chat_options o;
    hearth_answer *answer = NULL;
    char *conversation = NULL;
    hearth_chat_options_init(&o);
    hearth_status status = writing_init(&w, j, err);
    if (status == HEARTH_OK && j->c->chat == NULL) {
        *err = j->c->chat_problem;
        status = err->code;
    }
    if (status == HEARTH_OK && !V(j, messages)->given)
        status = fail(err, HEARTH_EINVAL, "messages", "chat: give messages");
    if (status == HEARTH_OK)
        status = set_chat(j, &o, err);
    if (status == HEARTH_OK && (conversation = job_conversation(j)) == NULL)
        status = no_memory(j, err);
    if (status == HEARTH_OK && atomic_load(&j->canceled))
        status = canceled(j, err);
    if (status == HEARTH_OK) {
        o.conversation = conversation;
        o.n_conversation = strlen(conversation);
        o.grammar = w.grammar;
        o.request = &w.o;
        status = hearth_chat_submit(j->c->chat, j->c->engine, &o, &answer, err);
    }
    if (status == HEARTH_OK) {
        publish(j, NULL, answer);
        status = read_answer(j, &w, answer, err);
        publish(j, NULL, NULL);
    }
    if (status == HEARTH_OK)
        context_keep(j->c, hearth_answer_request(answer));
    hearth_answer_free(answer);
    free(conversation);
    writing_deinit(&w);
    return status;
}

/* ---- the result ---- */

static const char *reason_name(const job *j)
{
    if (j->timed_out)
        return "timeout";
    if (j->has_calls && j->reason == HEARTH_FINISH_STOP)
        return "toolCalls";
    switch (j->reason) {
    case HEARTH_FINISH_LIMIT:
        return "length";
    case HEARTH_FINISH_CONTEXT:
        return "context";
    case HEARTH_FINISH_WORD:
        return "stopSequence";
    default:
        return "stop";
    }
}

napi_value give_answer(napi_env env, job *j)
{
    napi_value to = value_object(env), timing = value_object(env), counts = value_object(env);
    double elapsed = j->end_ms - j->start_ms;
    set_value(env, to, "text", value_text(env, j->answer_text, j->n_text));
    if (j->message) {
        napi_value message =
            value_json(env, "parse", value_text(env, j->message, NAPI_AUTO_LENGTH));
        if (message == NULL)
            return NULL;
        set_value(env, to, "message", message);
    }
    set_number(env, to, "tokens", (double)j->usage.n_generated);
    set_text(env, to, "finishReason", reason_name(j));
    if (j->stop_word)
        set_text(env, to, "stopSequence", j->stop_word);
    set_number(env, timing, "startTime", j->start_ms);
    set_number(env, timing, "endTime", j->end_ms);
    set_number(env, timing, "elapsedTime", elapsed);
    set_number(env, timing, "tokensPerSecond",
               j->generate_ms > 0 ? (double)j->usage.n_generated / j->generate_ms * 1e3 : 0);
    set_number(env, timing, "queueTime", j->queue_ms);
    set_number(env, timing, "promptTime", j->prompt_ms);
    set_number(env, timing, "generateTime", j->generate_ms);
    set_value(env, to, "timing", timing);
    set_number(env, counts, "promptTokens", (double)j->usage.n_prompt);
    set_number(env, counts, "completionTokens", (double)j->usage.n_generated);
    set_number(env, counts, "totalTokens", (double)(j->usage.n_prompt + j->usage.n_generated));
    set_number(env, counts, "cachedTokens", (double)j->usage.n_cached);
    set_value(env, to, "usage", counts);
    return to;
}
