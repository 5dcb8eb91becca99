/* SPDX-License-Identifier: MIT
 *
 * response.h - the bytes that an API's client gets.
 *
 * What     A `reply` takes what happens while an answer is made, as neutral events, and writes what
 *          the request's API says: one JSON body, or server-sent events. Functions below it write
 *          the bodies of the endpoints that do not generate, and errors.
 * Order    reply_new, then reply_begin once it is sure that the answer is no error, reply_write for
 *          every event, reply_end after a DONE for every choice. All append to `out`: what is there
 *          after a call may be sent. Without stream, only reply_end writes.
 * Failure  After reply_begin of a stream a failure is told inside it: reply_fail instead of the
 * rest. Bytes    Valid JSON and UTF-8 whatever the events hold: bytes that are no UTF-8 become
 * U+FFFD, numbers that are not finite become null (a log probability: -9999). Threads  One thread
 * at a time per reply; no I/O, no clock, no random numbers.
 */
#ifndef HEARTH_PROTOCOL_RESPONSE_H
#define HEARTH_PROTOCOL_RESPONSE_H

#include <hearth/generate.h>

#include "base/buf.h"
#include "protocol/request.h"

typedef enum reply_event_type {
    REPLY_PROGRESS,  /* usage: n_prompt, n_cached, n_processed, prompt_ms */
    REPLY_TOKENS,    /* tokens without text (yet): they go along with the choice's next text */
    REPLY_REASONING, /* text */
    REPLY_CONTENT,   /* text */
    REPLY_TOOL,      /* a tool call begins: tool_name, tool_id */
    REPLY_ARGUMENTS, /* text: more of the arguments of the call begun last */
    REPLY_DONE       /* finish, stop_word, usage */
} reply_event_type;

typedef struct reply_candidate {
    int32_t token;
    const char *text;
    size_t n_text;
    float logprob; /* with post_sampling_probs: the probability */
} reply_candidate;

typedef struct reply_token {
    int32_t token;
    const char *text; /* its bytes, which may be part of a character */
    size_t n_text;
    float logprob; /* as in reply_candidate; read only where the request's n_probs >= 0 */
    const reply_candidate *top;
    size_t n_top;
} reply_token;

/* Counts and times of one choice, so far. */
typedef struct reply_usage {
    size_t n_prompt;    /* tokens of the prompt */
    size_t n_cached;    /* of them taken from the cache */
    size_t n_processed; /* of them done, cached ones counted */
    size_t n_generated;
    size_t n_drafted, n_draft_accepted; /* speculation; 0 without */
    size_t n_shifts, n_discarded;       /* of the context, and tokens that it forgot; 0 without */
    size_t n_unread; /* of n_discarded: of a prompt that was too long; not in n_prompt */
    double prompt_ms, generate_ms;
} reply_usage;

typedef struct reply_event {
    reply_event_type type;
    uint32_t choice;  /* below request_n_choices() */
    const char *text; /* any number of bytes; whole characters where a stream shall be exact */
    size_t n_text;
    const reply_token *tokens; /* any event may bring the tokens that led to it */
    size_t n_tokens;
    const char *tool_name;
    const char *tool_id; /* NULL: one is made up in the API's manner */
    reply_usage usage;
    hearth_finish_reason finish;
    const char *stop_word;
    bool truncated;     /* DONE: the context was full: it was shifted, or the answer ends there */
    const char *prompt; /* DONE, native API: the prompt's text */
    size_t n_prompt_text;
    int32_t id_slot;
} reply_event;

typedef struct reply_info {
    const char *model;       /* as the client shall know it */
    const char *fingerprint; /* system_fingerprint; begins with "b" */
    const char *id;          /* at least 24 random characters of [A-Za-z0-9], new for each reply */
    int64_t created_s;       /* Unix time */
} reply_info;

typedef struct reply reply;

/* The request and the texts of info must outlive the reply. */
hearth_status reply_new(reply **out, const request *r, const reply_info *info, hearth_error *err);
void reply_free(reply *y);
/* usage: what is known of the prompt by now. */
hearth_status reply_begin(reply *y, const reply_usage *usage, buf *out, hearth_error *err);
hearth_status reply_write(reply *y, const reply_event *event, buf *out, hearth_error *err);
hearth_status reply_end(reply *y, buf *out, hearth_error *err);

/* The id under which the client knows the answer ("chatcmpl-..."): for API_CONTROL. */
const char *reply_id(const reply *y);

/* A comment that keeps a silent stream alive; Anthropic's ping event there. */
hearth_status reply_ping(const reply *y, buf *out, hearth_error *err);

/* "text/event-stream" or "application/json; charset=utf-8". */
const char *reply_content_type(const reply *y);

/* ---- errors ---- */

/* What the envelopes tell beside the message. Zeroed is none. */
typedef struct failure_detail {
    int http;               /* 0: the status's own. 401, 403, 404, 405, 413, 415, 429, 503 ... */
    size_t n_prompt, n_ctx; /* ECONTEXT */
    bool is_loading;        /* the model is being read: how much of it is there */
    float progress;         /* 0 to 1 */
} failure_detail;

/* Writes the error body in the API's envelope and returns the HTTP status. detail may be NULL. */
int failure_write(protocol_api api, const hearth_error *error, const failure_detail *detail,
                  buf *out);

/* The same as the last event of a stream that has begun. */
hearth_status reply_fail(reply *y, const hearth_error *error, const failure_detail *detail,
                         buf *out, hearth_error *err);

/* ---- bodies of the other endpoints ---- */

typedef struct embedding_result {
    const float *values; /* n_rows rows of n_embd, each finished by embedding_finish */
    size_t n_rows;       /* 1; without pooling one per token */
} embedding_result;
/* One result per prompt. n_tokens: of all prompts. */
hearth_status response_embeddings(const request *r, const reply_info *info,
                                  const embedding_result *results, size_t n_embd, size_t n_tokens,
                                  buf *out, hearth_error *err);
/* Cuts and normalizes one vector in place as the request says; returns its new length. More
 * `dimensions` than n_embd are the caller's to refuse. */
size_t embedding_finish(const request *r, float *values, size_t n_embd);

/* scores[i] is document i's. */
hearth_status response_rerank(const request *r, const reply_info *info, const float *scores,
                              size_t n_tokens, buf *out, hearth_error *err);

/* tokens[i].text is read only where the request wants pieces. */
/* The text of a token, borrowed until the next call. */
typedef hearth_status token_text(void *user, int32_t token, const char **text, size_t *n,
                                 hearth_error *err);
/* text_of is asked where the request wants pieces. */
hearth_status response_tokenize(const request *r, const int32_t *tokens, size_t n,
                                token_text *text_of, void *user, buf *out, hearth_error *err);
hearth_status response_detokenize(const char *text, size_t n, buf *out, hearth_error *err);
hearth_status response_template(const char *prompt, size_t n, buf *out, hearth_error *err);
hearth_status response_count(const request *r, size_t n_tokens, buf *out, hearth_error *err);

/* {"success":true}, with a message where it is false. */
hearth_status response_success(bool success, const char *message, buf *out, hearth_error *err);
hearth_status response_health(buf *out, hearth_error *err);

typedef struct model_card {
    const char *id;
    const char *const *aliases;
    size_t n_aliases;
    const char *const *tags;
    size_t n_tags;
    int64_t created_s;
    const char *type; /* of the vocabulary: "SPM", "BPE" ... */
    const char *ftype;
    uint64_t n_vocab, n_ctx, n_ctx_train, n_embd, n_params, n_bytes;
} model_card;
hearth_status response_models(const model_card *cards, size_t n, buf *out, hearth_error *err);
hearth_status response_model(const model_card *card, buf *out, hearth_error *err);

typedef struct slot_file_result {
    const char *action; /* "save", "restore", "erase" */
    int32_t id_slot;
    const char *filename;
    size_t n_tokens;
    uint64_t n_bytes;
    double ms;
} slot_file_result;
hearth_status response_slot_file(const slot_file_result *result, buf *out, hearth_error *err);

typedef struct lora_card {
    int32_t id;
    const char *path;
    float scale;
} lora_card;
hearth_status response_lora(const lora_card *card, buf *out, hearth_error *err);
hearth_status response_loras(const lora_card *cards, size_t n, buf *out, hearth_error *err);

typedef struct slot_card {
    int32_t id;
    uint32_t n_ctx;
    bool speculative, is_processing;
    int64_t id_task;                /* -1: none yet */
    const request_options *options; /* NULL before the first request */
    reply_usage usage;
    int64_t n_remain; /* -1: no limit */
    bool has_new_line;
} slot_card;
hearth_status response_slots(const slot_card *cards, size_t n, buf *out, hearth_error *err);

typedef struct props_card {
    const request_options *defaults;
    uint32_t n_ctx, n_slots;
    const char *model_alias, *model_path, *model_ftype;
    const char *chat_template, *chat_template_tool_use; /* NULL: none */
    json_t *chat_template_caps;                         /* an object, or NULL */
    const char *bos_token, *eos_token, *build_info;
    bool endpoint_slots, endpoint_props, endpoint_metrics, is_sleeping;
} props_card;
hearth_status response_props(const props_card *card, buf *out, hearth_error *err);

#endif
