/* SPDX-License-Identifier: MIT
 *
 * chat_answer.c - an answer to a conversation: a request, the parser that its text goes through,
 * and thoughts that end when their budget is spent.
 *
 * The engine knows nothing of thoughts. Where their budget is spent the request is canceled, the
 * text that ends thoughts is put behind what was written, and a new request goes on from there: its
 * prompt is in the cache. `lock` guards `request` and `canceled` between the consumer, who replaces
 * the request, and cancel, which comes from any thread.
 */
#include <string.h>

#include <pthread.h>

#include "base/mem.h"
#include "base/options_take.h"
#include "engine/chat_prompt.h"
#include "engine/model.h"
#include "os/entropy.h"

typedef struct kept_block {
    struct kept_block *next;
    _Alignas(16) char bytes[];
} kept_block;

struct hearth_answer {
    const hearth_chat *chat;
    hearth_engine *engine;
    hearth_chat_format *format;
    hearth_chat_parser *parser;
    hearth_matcher *matcher; /* at the start of the answer; or NULL */
    hearth_request_options options;
    buf strings; /* the stop strings' bytes */
    const char **stop;
    size_t n_stop_asked; /* of options.n_stop: the rest are the format's */
    buf raw;             /* the answer as it was written */

    /* Only with a budget. */
    hearth_sampler_options sampler;
    kept_block *kept;
    adapter_mix mix; /* what options.uses tells */
    int32_t budget;
    int32_t *tokens; /* prompt and answer so far */
    size_t n_tokens, n_prompt, capacity;
    size_t n_thought;
    bool thought_ended;
    hearth_request_event before; /* the counts of the request that was cut off */

    pthread_mutex_t lock;
    hearth_request *request;
    bool canceled;

    hearth_request_event event; /* the last one, its counts for the whole answer */
    bool finishing;             /* the last parts are given out */
};

void hearth_chat_options_init(hearth_chat_options *options)
{
    *options = (hearth_chat_options){
        .struct_size = sizeof *options, .parallel = true, .reasoning_budget = -1};
}

/* ---- what the request is made of ---- */

static hearth_status make_format(hearth_answer *a, const hearth_chat_options *o,
                                 const chat_prompt *p, hearth_error *err)
{
    hearth_chat_format_options f;
    /* Where a call is a must, there is no answer that the grammar could hold for. */
    bool must_call =
        p->tools.n > 0 && (o->choice == HEARTH_TOOL_REQUIRED || o->choice == HEARTH_TOOL_NAMED);
    hearth_grammar *grammar = must_call ? NULL : o->grammar;
    hearth_chat_format_options_init(&f);
    if (p->tools.n > 0) {
        f.tools = p->tools.data;
        f.n_tools_bytes = p->tools.n;
        f.choice = grammar && o->choice == HEARTH_TOOL_AUTO ? HEARTH_TOOL_REQUIRED : o->choice;
        f.tool_name = o->tool_name;
    }
    f.parallel = o->parallel;
    f.reasoning = o->reasoning;
    f.prompt = p->text;
    f.n_prompt = p->n_text;
    f.id_seed = (uint64_t)entropy_u32() << 32 | entropy_u32();
    TRY(hearth_chat_format_new(&a->format, a->chat->style, &f, err));
    TRY(hearth_chat_parser_new(&a->parser, a->format, err));
    return hearth_chat_format_matcher(a->format, a->chat->model, grammar, &a->matcher, err);
}

/* The caller's stop strings, copied, and those of the format. */
static hearth_status join_stops(hearth_answer *a, hearth_error *err)
{
    size_t n = a->options.n_stop, n_own = hearth_chat_format_n_stop(a->format);
    for (size_t i = 0; i < n; i++) {
        const char *word = a->options.stop[i] ? a->options.stop[i] : "";
        if (!buf_append(&a->strings, word, strlen(word) + 1))
            return error_no_memory(err, "the stop strings", strlen(word));
    }
    a->stop = mem_calloc(n + n_own, sizeof *a->stop);
    if (a->stop == NULL)
        return error_no_memory(err, "the stop strings", (n + n_own) * sizeof *a->stop);
    const char *at = a->strings.data;
    for (size_t i = 0; i < n; i++) {
        a->stop[i] = at;
        at += strlen(at) + 1;
    }
    for (size_t i = 0; i < n_own; i++)
        a->stop[n + i] = hearth_chat_format_stop(a->format, i);
    a->n_stop_asked = n;
    a->options.stop = a->stop;
    a->options.n_stop = n + n_own;
    return HEARTH_OK;
}

/* A cut answer needs its options a second time. What they point to is copied into `kept`, a list
 * of blocks. */
static void *keep(hearth_answer *a, const void *bytes, size_t n)
{
    kept_block *block = mem_alloc(sizeof *block + n);
    if (block == NULL)
        return NULL;
    block->next = a->kept;
    a->kept = block;
    return memcpy(block->bytes, bytes, n);
}

static bool keep_text(hearth_answer *a, const char **text)
{
    return *text == NULL || (*text = keep(a, *text, strlen(*text) + 1));
}

static hearth_status keep_sampler(hearth_answer *a, hearth_error *err)
{
    hearth_sampler_options *s = &a->sampler;
    size_t n = s->n_dry_sequence_breakers;
    bool ok = keep_text(a, &s->samplers);
    if (ok && s->n_logit_bias > 0)
        ok = (s->logit_bias = keep(a, s->logit_bias, s->n_logit_bias * sizeof *s->logit_bias));
    if (ok && s->dry_sequence_breakers) {
        const char **words = keep(a, s->dry_sequence_breakers, n * sizeof *words);
        for (size_t i = 0; words && ok && i < n; i++)
            ok = keep_text(a, &words[i]);
        s->dry_sequence_breakers = words;
        ok = ok && words;
    }
    a->options.sampler = s;
    return ok ? HEARTH_OK : error_no_memory(err, "the sampler's options", sizeof *s);
}

/* The adapters must be there a second time too, whoever closes them meanwhile. */
static hearth_status keep_uses(hearth_answer *a, hearth_error *err)
{
    hearth_request_options *o = &a->options;
    TRY(adapters_mix_uses(&a->mix, hearth_engine_model(a->engine), o->uses, o->n_uses, err));
    hearth_adapter_use *uses = keep(a, o->uses, o->n_uses * sizeof *o->uses);
    if (uses == NULL)
        return error_no_memory(err, "the adapters", o->n_uses * sizeof *o->uses);
    for (size_t i = 0; i < a->mix.n; i++)
        uses[i] = (hearth_adapter_use){a->mix.adapters[i], a->mix.scales[i]};
    o->uses = uses;
    o->n_uses = a->mix.n;
    return HEARTH_OK;
}

static hearth_status keep_options(hearth_answer *a, hearth_error *err)
{
    hearth_request_options *o = &a->options;
    if (o->adapters) {
        o->adapters = keep(a, o->adapters, o->n_adapters * sizeof *o->adapters);
        if (o->adapters == NULL)
            return error_no_memory(err, "the adapters", o->n_adapters * sizeof *o->adapters);
    }
    if (o->uses)
        TRY(keep_uses(a, err));
    if (o->sampler == NULL)
        return HEARTH_OK;
    hearth_sampler_options_init(&a->sampler);
    TRY(options_take(&a->sampler, sizeof a->sampler, o->sampler, "hearth_sampler_options", err));
    return keep_sampler(a, err);
}

static hearth_status add_tokens(hearth_answer *a, const int32_t *tokens, size_t n,
                                hearth_error *err)
{
    if (a->n_tokens + n > a->capacity) {
        size_t capacity = 2 * (a->n_tokens + n);
        int32_t *grown = mem_realloc_array(a->tokens, capacity, sizeof *grown);
        if (grown == NULL)
            return error_no_memory(err, "the answer's tokens", capacity);
        a->tokens = grown;
        a->capacity = capacity;
    }
    memcpy(a->tokens + a->n_tokens, tokens, n * sizeof *tokens);
    a->n_tokens += n;
    return HEARTH_OK;
}

/* ---- the request ---- */

static hearth_status submit(hearth_answer *a, const int32_t *tokens, size_t n,
                            hearth_matcher *matcher, hearth_error *err)
{
    hearth_request *request = NULL;
    a->options.tokens = tokens;
    a->options.n_tokens = n;
    a->options.matcher = matcher;
    TRY(hearth_engine_submit(a->engine, &a->options, &request, err));
    pthread_mutex_lock(&a->lock);
    a->request = request;
    if (a->canceled)
        hearth_request_cancel(request);
    pthread_mutex_unlock(&a->lock);
    return HEARTH_OK;
}

static hearth_status begin(hearth_answer *a, const hearth_chat_options *o, hearth_error *err)
{
    chat_prompt p;
    hearth_status status = HEARTH_OK;
    hearth_request_options_init(&a->options);
    if (o->request)
        TRY(options_take(&a->options, sizeof a->options, o->request, "hearth_request_options",
                         err));
    TRY(chat_prompt_make(&p, a->chat, o->conversation, o->n_conversation, o->reasoning_budget == 0,
                         err));
    TRY_OUT(make_format(a, o, &p, err));
    TRY_OUT(join_stops(a, err));
    a->budget = o->reasoning_budget;
    if (p.no_thoughts) /* whatever the template makes of it */
        a->budget = 0;
    if (hearth_chat_format_reasoning_end(a->format) == NULL)
        a->budget = -1;
    a->options.special = hearth_chat_format_wants_special(a->format);
    if (a->budget >= 0) {
        TRY_OUT(keep_options(a, err));
        TRY_OUT(add_tokens(a, p.tokens, p.n_tokens, err));
        a->n_prompt = p.n_tokens;
    }
    status = submit(a, p.tokens, p.n_tokens, a->matcher, err);
out:
    chat_prompt_deinit(&p);
    return status;
}

hearth_status hearth_chat_submit(const hearth_chat *chat, hearth_engine *engine,
                                 const hearth_chat_options *options, hearth_answer **out,
                                 hearth_error *err)
{
    hearth_chat_options o;
    *out = NULL;
    hearth_chat_options_init(&o);
    TRY(options_take(&o, sizeof o, options, "hearth_chat_options", err));
    if (o.conversation == NULL)
        FAIL(err, EINVAL, "conversation", "hearth_chat_options.conversation is NULL");
    if (o.reasoning_budget < -1)
        FAIL(err, EINVAL, "reasoning_budget",
             "reasoning_budget is %d; give -1 for no limit, or more", (int)o.reasoning_budget);
    hearth_answer *a = mem_calloc(1, sizeof *a);
    if (a == NULL)
        return error_no_memory(err, "an answer", sizeof *a);
    if (pthread_mutex_init(&a->lock, NULL) != 0) {
        mem_free(a);
        return error_no_memory(err, "a lock", sizeof a->lock);
    }
    a->chat = chat;
    a->engine = engine;
    buf_init(&a->raw, 0);
    buf_init(&a->strings, 0);
    hearth_status status = begin(a, &o, err);
    if (status == HEARTH_OK)
        *out = a;
    else
        hearth_answer_free(a);
    return status;
}

void hearth_answer_cancel(hearth_answer *answer)
{
    pthread_mutex_lock(&answer->lock);
    answer->canceled = true;
    if (answer->request)
        hearth_request_cancel(answer->request);
    pthread_mutex_unlock(&answer->lock);
}

void hearth_answer_free(hearth_answer *answer)
{
    if (answer == NULL)
        return;
    hearth_request_free(answer->request);
    hearth_chat_parser_free(answer->parser);
    hearth_matcher_free(answer->matcher);
    hearth_chat_format_free(answer->format);
    while (answer->kept) {
        kept_block *block = answer->kept;
        answer->kept = block->next;
        mem_free(block);
    }
    adapter_mix_deinit(&answer->mix);
    mem_free(answer->stop);
    mem_free(answer->tokens);
    buf_deinit(&answer->strings);
    buf_deinit(&answer->raw);
    pthread_mutex_destroy(&answer->lock);
    mem_free(answer);
}

/* ---- thoughts that must end ---- */

static hearth_status feed(hearth_answer *a, const char *text, size_t n, hearth_error *err)
{
    if (!buf_append(&a->raw, text, n))
        return error_no_memory(err, "the answer", a->raw.n + n);
    return hearth_chat_parser_feed(a->parser, text, n, err);
}

static hearth_status go_on_without_thoughts(hearth_answer *a, hearth_error *err)
{
    const char *end = hearth_chat_format_reasoning_end(a->format);
    hearth_matcher *matcher = NULL;
    int32_t *tokens = NULL;
    size_t n = 0;
    hearth_status status = HEARTH_OK;
    a->thought_ended = true;
    a->before = a->event;
    a->event.text = NULL; /* the request's, as are the candidates */
    a->event.n_text = 0;
    a->event.top = NULL;
    a->event.n_top = 0;
    pthread_mutex_lock(&a->lock);
    hearth_request *old = a->request;
    a->request = NULL;
    pthread_mutex_unlock(&a->lock);
    hearth_request_free(old);
    TRY_OUT(feed(a, end, strlen(end), err));
    TRY_OUT(hearth_tokenize(a->chat->model, end, strlen(end), HEARTH_TOKENIZE_PARSE_SPECIAL,
                            &tokens, &n, err));
    TRY_OUT(add_tokens(a, tokens, n, err));
    if (a->matcher)
        TRY_OUT(hearth_matcher_dup(&matcher, a->matcher, err));
    for (size_t i = a->n_prompt; matcher && i < a->n_tokens; i++)
        TRY_OUT(hearth_matcher_accept(matcher, a->tokens[i], err));
    if (a->options.max_tokens >= 0)
        a->options.max_tokens -= (int32_t)a->before.n_generated;
    status = submit(a, a->tokens, a->n_tokens, matcher, err);
out:
    hearth_matcher_free(matcher);
    hearth_free(tokens);
    return status;
}

/* After a token: whether its thoughts have had their budget. */
static hearth_status check_budget(hearth_answer *a, hearth_error *err)
{
    const hearth_request_event *e = &a->event;
    if (a->budget < 0 || a->thought_ended || e->token < 0)
        return HEARTH_OK;
    TRY(add_tokens(a, &e->token, 1, err));
    if (!hearth_chat_parser_in_reasoning(a->parser) || ++a->n_thought < (size_t)a->budget)
        return HEARTH_OK;
    if (a->options.max_tokens >= 0 && e->n_generated >= (size_t)a->options.max_tokens)
        return HEARTH_OK; /* the engine ends it anyway */
    return go_on_without_thoughts(a, err);
}

/* ---- events ---- */

/* The counts of both requests of a cut answer: reading its prompt again, out of the cache, is part
 * of writing. */
static void count_whole(const hearth_answer *a, hearth_request_event *e)
{
    const hearth_request_event *b = &a->before;
    if (!a->thought_ended || b->n_generated == 0)
        return;
    e->n_generated += b->n_generated;
    e->n_drafted += b->n_drafted;
    e->n_draft_accepted += b->n_draft_accepted;
    e->n_shifts += b->n_shifts;
    e->n_shifted += b->n_shifted;
    e->n_reread += b->n_reread;
    e->generate_ms += b->generate_ms + e->prompt_ms;
    e->n_prompt = e->n_prompt_done = b->n_prompt;
    e->n_cached = b->n_cached;
    e->prompt_ms = b->prompt_ms;
    e->queue_ms += b->queue_ms;
}

static bool is_asked_for(const hearth_answer *a, const char *word)
{
    for (size_t i = 0; i < a->n_stop_asked; i++) {
        if (strcmp(word, a->stop[i]) == 0)
            return true;
    }
    return false;
}

static void correct_end(const hearth_answer *a, hearth_request_event *e)
{
    if (e->stop_word && !is_asked_for(a, e->stop_word)) {
        e->stop_word = NULL;
        e->reason = HEARTH_FINISH_STOP;
    }
}

hearth_status hearth_chat_cut_end_token(const hearth_model *model, hearth_request_event *event,
                                        hearth_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    if (!event->ends)
        return HEARTH_OK;
    TRY(hearth_token_piece(model, event->token, &bytes, &n, err));
    if (n <= event->n_text && memcmp(event->text + event->n_text - n, bytes, n) == 0)
        event->n_text -= n;
    hearth_free(bytes);
    return HEARTH_OK;
}

/* Takes the request's event in. The parts that it completed are given out by the calls that follow.
 */
static hearth_status take(hearth_answer *a, hearth_request_event *e, hearth_error *err)
{
    if (e->type == HEARTH_REQUEST_DONE) {
        if (a->finishing)
            return HEARTH_OK;
        correct_end(a, e);
        a->finishing = true;
        return hearth_chat_parser_finish(a->parser, err);
    }
    if (e->type != HEARTH_REQUEST_TOKEN)
        return HEARTH_OK;
    TRY(hearth_chat_cut_end_token(a->chat->model, e, err));
    return feed(a, e->text, e->n_text, err);
}

hearth_status hearth_answer_next(hearth_answer *answer, int timeout_ms, hearth_answer_event *event,
                                 hearth_error *err)
{
    static const hearth_answer_event_type types[] = {
        [HEARTH_REQUEST_NONE] = HEARTH_ANSWER_NONE,
        [HEARTH_REQUEST_PROMPT] = HEARTH_ANSWER_PROMPT,
        [HEARTH_REQUEST_TOKEN] = HEARTH_ANSWER_TOKEN,
        [HEARTH_REQUEST_DONE] = HEARTH_ANSWER_DONE,
    };
    hearth_answer *a = answer;
    hearth_request_event e = {.type = HEARTH_REQUEST_NONE};
    *event = (hearth_answer_event){.type = HEARTH_ANSWER_NONE};
    if (hearth_chat_parser_next(a->parser, &event->part))
        goto part;
    if (!a->finishing) {
        if (a->event.type == HEARTH_REQUEST_TOKEN) {
            TRY(check_budget(a, err));
            a->event.type = HEARTH_REQUEST_NONE;
            if (hearth_chat_parser_next(a->parser, &event->part))
                goto part;
        }
        TRY(hearth_request_next(a->request, timeout_ms, &e, err));
        count_whole(a, &e);
        TRY(take(a, &e, err));
        a->event = e;
        if (a->finishing && hearth_chat_parser_next(a->parser, &event->part))
            goto part;
    }
    event->type = types[a->event.type];
    goto out;
part:
    event->type = HEARTH_ANSWER_PART;
out:
    event->request = a->event;
    event->n_calls = hearth_chat_parser_n_calls(a->parser);
    return HEARTH_OK;
}

hearth_status hearth_answer_message(const hearth_answer *answer, char **json, hearth_error *err)
{
    const buf *raw = &answer->raw;
    return hearth_chat_parse(answer->format, raw->data ? raw->data : "", raw->n, json, err);
}

const hearth_request *hearth_answer_request(const hearth_answer *answer)
{
    return answer->request;
}
