/* SPDX-License-Identifier: MIT
 *
 * answer.h - a conversation in, an answer out: messages and tools as JSON, thoughts, text and calls
 * as they are written.
 *
 * What     What chat.h, tools.h, grammar.h and engine.h do, put together for one model: the
 *          template renders the conversation, the engine answers it under the grammar of its tools
 *          or of a schema, and the answer is told apart into reasoning, content and calls.
 * Life     hearth_chat_new once per model -> hearth_chat_submit for each turn -> hearth_answer_next
 *          until DONE -> hearth_answer_free. A chat must outlive its answers; model and engine as
 *          engine.h says.
 * Threads  A chat is immutable: any thread. An answer has one consumer thread at a time (next,
 *          message, free); hearth_answer_cancel is for any thread before free.
 */
#ifndef HEARTH_ANSWER_H
#define HEARTH_ANSWER_H

#include <hearth/chat.h>
#include <hearth/engine.h>
#include <hearth/tools.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_chat hearth_chat;
typedef struct hearth_answer hearth_answer;

/* ---- once per model ---- */

/* source (n_source bytes): the Jinja of the template, or without any '{' the name of one
 * (hearth_chat_template_named); NULL takes the model's own. The model must outlive the chat.
 * Errors: EFORMAT with line and column, EUNSUPPORTED for a model without a template where none is
 * given, EINVAL for one without a tokenizer, ENOMEM. */
HEARTH_API hearth_status hearth_chat_new(hearth_chat **out, const hearth_model *model,
                                         const char *source, size_t n_source, hearth_error *err);
HEARTH_API void hearth_chat_free(hearth_chat *chat); /* NULL is fine */
/* Borrowed. */
HEARTH_API const hearth_chat_template *hearth_chat_get_template(const hearth_chat *chat);
HEARTH_API const hearth_chat_style *hearth_chat_get_style(const hearth_chat *chat);

/* The prompt of a conversation (see hearth_chat_options): its tokens, and its text where that is
 * not NULL. Both are the caller's: hearth_free. */
HEARTH_API hearth_status hearth_chat_prompt(const hearth_chat *chat, const char *conversation,
                                            size_t n_conversation, int32_t **tokens,
                                            size_t *n_tokens, char **text, size_t *n_text,
                                            hearth_error *err);

/* ---- once per turn ---- */

typedef struct hearth_chat_options {
    size_t struct_size;       /* set by hearth_chat_options_init */
    const char *conversation; /* JSON object: messages (OpenAI's form), tools (if any), and any
                                 variables of the template, as enable_thinking: false ends
                                 thoughts where they begin, whatever the template makes of it.
                                 add_generation_prompt is true unless it says otherwise */
    size_t n_conversation;
    hearth_tool_choice choice; /* without tools in the conversation: of no effect */
    const char *tool_name;     /* of HEARTH_TOOL_NAMED */
    bool parallel;             /* more than one call in an answer; default true */
    hearth_reasoning_format reasoning;
    int32_t reasoning_budget; /* most tokens of reasoning, which is ended then and the answer gone
                                 on with; -1: no limit; 0: enable_thinking is false unless the
                                 conversation sets it */
    hearth_grammar *grammar;  /* of the answer proper, behind any reasoning; or NULL. Beside tools
                                 the answer is one of two, and nothing else: calls, or what the
                                 grammar says; calls alone where choice asks for one. Its rule
                                 `root` is the first. A reference is taken */
    const hearth_request_options *request; /* sampler, max_tokens, stop strings, adapters and so on;
                                              NULL: the defaults. `tokens`, `matcher` and `special`
                                              are not looked at. Copied */
} hearth_chat_options;

/* parallel true, reasoning_budget -1, everything else 0. */
HEARTH_API void hearth_chat_options_init(hearth_chat_options *options);

/* Renders, checks and queues; *out is the caller's until hearth_answer_free. Any thread. Errors: of
 * hearth_chat_template_render, hearth_chat_format_new and hearth_engine_submit. */
HEARTH_API hearth_status hearth_chat_submit(const hearth_chat *chat, hearth_engine *engine,
                                            const hearth_chat_options *options, hearth_answer **out,
                                            hearth_error *err);

typedef enum hearth_answer_event_type {
    HEARTH_ANSWER_NONE = 0,   /* the time ran out; nothing is new */
    HEARTH_ANSWER_PROMPT = 1, /* progress in reading, with `prompt_progress` */
    HEARTH_ANSWER_TOKEN = 2,  /* one token, in `request`; what it completed follows as PARTs */
    HEARTH_ANSWER_PART = 3,   /* a piece of reasoning, of content or of a call, in `part` */
    HEARTH_ANSWER_DONE = 4    /* the last one */
} hearth_answer_event_type;

/* Pointers are borrowed until the next call of next or free. */
typedef struct hearth_answer_event {
    hearth_answer_event_type type;
    hearth_chat_event part;
    hearth_request_event request; /* of the token, or of the end; its counts hold for the whole
                                     answer, also where a budget of reasoning cut it in two. A stop
                                     by a text of the template's own is HEARTH_FINISH_STOP */
    uint32_t n_calls;             /* so far; more than 0 at the end: tools are asked for */
} hearth_answer_event;

/* As hearth_request_next: timeout_ms 0 does not wait, -1 waits for ever; after DONE always DONE; a
 * failed answer gives its status, ECANCELED after cancel. */
HEARTH_API hearth_status hearth_answer_next(hearth_answer *answer, int timeout_ms,
                                            hearth_answer_event *event, hearth_error *err);

/* Ends it within one pass. Any thread; more than once is fine. */
HEARTH_API void hearth_answer_cancel(hearth_answer *answer);
/* Cancels it if it still runs. NULL is fine. */
HEARTH_API void hearth_answer_free(hearth_answer *answer);

/* What was written so far as an OpenAI message, to be put behind the conversation's messages: see
 * hearth_chat_parse. *json is the caller's: hearth_free. */
HEARTH_API hearth_status hearth_answer_message(const hearth_answer *answer, char **json,
                                               hearth_error *err);

/* The engine's request, for hearth_request_text and hearth_request_id. Borrowed until next or free.
 */
HEARTH_API const hearth_request *hearth_answer_request(const hearth_answer *answer);

/* ---- for those who put it together themselves ---- */

/* The matcher that an answer in this format is sampled under: the grammar of its calls, beginning
 * where a call does; or `grammar` (may be NULL), with any reasoning in front; or with both, either,
 * from the first byte on: EINVAL unless the format was made with HEARTH_TOOL_REQUIRED or _NAMED.
 * *out is NULL where any text will do; the caller's: hearth_matcher_free. */
HEARTH_API hearth_status hearth_chat_format_matcher(const hearth_chat_format *format,
                                                    const hearth_model *model,
                                                    hearth_grammar *grammar, hearth_matcher **out,
                                                    hearth_error *err);

/* Where control tokens are written out for a parser (hearth_chat_format_wants_special), so is the
 * one that ends the answer, and is no part of it: takes its text off the end of the event's, if the
 * event is of that token. */
HEARTH_API hearth_status hearth_chat_cut_end_token(const hearth_model *model,
                                                   hearth_request_event *event, hearth_error *err);

#ifdef __cplusplus
}
#endif
#endif
