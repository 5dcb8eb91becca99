/* SPDX-License-Identifier: MIT
 *
 * reply_impl.h - what reply.c keeps of an answer, and what each API's format does with it.
 *
 * Segments  An answer is a row of segments: thoughts, text, tool calls, in the order they came. A
 *           new one begins where the kind changes, and with each tool call.
 * Formats   reply.c calls them in this order: begin; per choice, for each segment: open, delta*,
 *           close; done per choice; end. Without stream only `end` is called, and finds every
 *           segment with its whole text.
 */
#ifndef HEARTH_PROTOCOL_REPLY_IMPL_H
#define HEARTH_PROTOCOL_REPLY_IMPL_H

#include "protocol/json_write.h"
#include "protocol/response.h"

enum { REPLY_ID_BYTES = 64 };

typedef struct segment {
    reply_event_type kind; /* REPLY_REASONING, REPLY_CONTENT or REPLY_TOOL */
    buf text;              /* of a tool: its arguments. Empty where a stream needs no whole */
    buf probs;             /* Responses: those of the text's tokens, as of COLUMN_PROBS */
    char *tool_name;
    char *tool_id;
    size_t tool_index;       /* among the tools of this choice */
    char id[REPLY_ID_BYTES]; /* as an item of Responses */
} segment;

/* The columns of a list of tokens, as JSON text without its brackets. */
typedef enum column {
    COLUMN_TOKENS,  /* ids */
    COLUMN_PROBS,   /* objects with token, logprob, bytes, top_logprobs */
    COLUMN_TEXTS,   /* the next four: OpenAI's completions */
    COLUMN_VALUES,  /* log probabilities */
    COLUMN_TOPS,    /* objects {token text: log probability} */
    COLUMN_OFFSETS, /* characters before the token */
    N_COLUMNS
} column;

typedef struct reply_choice {
    segment *segments;
    size_t n_segments, n_room, n_tools;
    bool is_open; /* the last segment may grow */
    bool is_done;
    buf columns[N_COLUMNS]; /* of the tokens not yet written */
    size_t n_characters;
    size_t n_reasoning; /* tokens of thoughts */
    bool has_new_line;
    reply_usage usage;
    hearth_finish_reason finish;
    char *stop_word; /* NULL: none */
    char *prompt;
    size_t n_prompt_text;
    bool truncated;
    int32_t id_slot;
} reply_choice;

typedef struct reply_format {
    bool keeps_text;  /* a stream needs the whole texts too */
    bool keeps_probs; /* of each text on its own */
    void (*begin)(reply *y, json_writer *w);
    void (*open)(reply *y, json_writer *w, uint32_t choice, segment *s);
    void (*delta)(reply *y, json_writer *w, uint32_t choice, segment *s, const char *text,
                  size_t n);
    void (*close)(reply *y, json_writer *w, uint32_t choice, segment *s);
    void (*progress)(reply *y, json_writer *w, uint32_t choice, const reply_usage *usage);
    void (*done)(reply *y, json_writer *w, uint32_t choice);
    void (*end)(reply *y, json_writer *w);
    void (*fail)(reply *y, json_writer *w, const hearth_error *error, const failure_detail *detail);
} reply_format;

extern const reply_format reply_chat, reply_completion, reply_native, reply_responses,
    reply_anthropic;

struct reply {
    const request *r;
    reply_info info;
    const reply_format *format;
    reply_choice *choices;
    uint32_t n_choices;
    char id[REPLY_ID_BYTES];
    int64_t sequence;  /* Responses: number of the next event */
    reply_usage first; /* what reply_begin was told */
};

/* ---- parts that several formats share: reply_parts.c ---- */

/* "event: name" (NULL: none) and "data: "; then the JSON; then the end of the event. */
void sse_open(json_writer *w, const char *name);
void sse_close(json_writer *w);

/* prefix, 20 characters of the reply's own, and the number. */
void reply_make_id(const reply *y, const char *prefix, size_t number, char *out);

/* All texts of a kind, one after the other. */
void reply_write_text(json_writer *w, const char *key, const reply_choice *c,
                      reply_event_type kind);
bool reply_has(const reply_choice *c, reply_event_type kind);

void reply_write_column(json_writer *w, const char *key, const reply_choice *c, column which);
/* Among them `context_shift`, as reply_write_shift. */
void reply_write_timings(json_writer *w, const reply_usage *u);
/* {n_shifts, n_discarded}, if there were any. */
void reply_write_shift(json_writer *w, const reply_usage *u);
void reply_write_progress(json_writer *w, const reply_usage *u);

/* The sum over the choices; a prompt counts once for all of its answers. */
reply_usage reply_sum(const reply *y, size_t *n_reasoning);
void reply_write_usage(const reply *y, json_writer *w);

/* Adds a token to the columns that the request's API needs; false: out of memory. */
bool reply_add_token(const reply *y, reply_choice *c, const reply_token *token);
void reply_clear_columns(reply_choice *c);
/* Moves what has been said of the tokens so far to the text that they became. */
bool reply_move_probs(reply_choice *c, segment *s);

/* The ~45 settings of llama-server's generation_settings, into an open object. */
void settings_write(json_writer *w, const request_options *o);

/* The members of an error's envelope, into the object or stream event. */
void failure_body(protocol_api api, json_writer *w, const hearth_error *error,
                  const failure_detail *detail);

#endif
