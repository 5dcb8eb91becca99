/* SPDX-License-Identifier: MIT
 *
 * reply_anthropic.c - the answers of Anthropic's messages.
 *
 * Stream   message_start, ping, then per block content_block_start, content_block_delta*,
 *          content_block_stop; message_delta with stop_reason and usage; message_stop.
 * Usage    input_tokens are those that were not in the cache; the cached ones stand beside them.
 */
#include <string.h>

#include "protocol/reply_impl.h"

static void write_usage(json_writer *w, const reply_usage *u)
{
    size_t n_read = u->n_prompt > u->n_cached ? u->n_prompt - u->n_cached : 0;
    json_open(w, "usage", '{');
    json_whole(w, "input_tokens", (int64_t)n_read);
    json_whole(w, "cache_creation_input_tokens", 0);
    json_whole(w, "cache_read_input_tokens", (int64_t)u->n_cached);
    json_whole(w, "output_tokens", (int64_t)u->n_generated);
    reply_write_shift(w, u);
    json_close(w, '}');
}

static void write_stop(json_writer *w, const reply_choice *c)
{
    const char *reason = c->n_tools > 0 ? "tool_use" : "end_turn";
    if (c->finish == HEARTH_FINISH_LIMIT)
        reason = "max_tokens";
    else if (c->finish == HEARTH_FINISH_CONTEXT)
        reason = "model_context_window_exceeded";
    else if (c->finish == HEARTH_FINISH_WORD)
        reason = "stop_sequence";
    json_text(w, "stop_reason", reason);
    json_text(w, "stop_sequence", c->finish == HEARTH_FINISH_WORD ? c->stop_word : NULL);
}

static void write_head(const reply *y, json_writer *w)
{
    json_text(w, "id", y->id);
    json_text(w, "type", "message");
    json_text(w, "role", "assistant");
    json_text(w, "model", y->info.model);
}

static void open_event(json_writer *w, const char *type)
{
    sse_open(w, type);
    json_open(w, NULL, '{');
    json_text(w, "type", type);
}

static void close_event(json_writer *w)
{
    json_close(w, '}');
    sse_close(w);
}

static void begin(reply *y, json_writer *w)
{
    open_event(w, "message_start");
    json_open(w, "message", '{');
    write_head(y, w);
    json_open(w, "content", '[');
    json_close(w, ']');
    json_none(w, "stop_reason");
    json_none(w, "stop_sequence");
    write_usage(w, &y->first);
    json_close(w, '}');
    close_event(w);
    open_event(w, "ping");
    close_event(w);
}

/* Which block of the message a segment is. */
static int64_t index_of(const reply *y, const segment *s)
{
    return s - y->choices[0].segments;
}

static void open(reply *y, json_writer *w, uint32_t choice, segment *s)
{
    (void)choice;
    open_event(w, "content_block_start");
    json_whole(w, "index", index_of(y, s));
    json_open(w, "content_block", '{');
    if (s->kind == REPLY_TOOL) {
        json_text(w, "type", "tool_use");
        json_text(w, "id", s->tool_id);
        json_text(w, "name", s->tool_name);
        json_open(w, "input", '{');
        json_close(w, '}');
    } else if (s->kind == REPLY_REASONING) {
        json_text(w, "type", "thinking");
        json_text(w, "thinking", "");
        json_text(w, "signature", "");
    } else {
        json_text(w, "type", "text");
        json_text(w, "text", "");
    }
    json_close(w, '}');
    close_event(w);
}

static void write_delta(reply *y, json_writer *w, const segment *s, const char *type,
                        const char *key, const char *text, size_t n)
{
    open_event(w, "content_block_delta");
    json_whole(w, "index", index_of(y, s));
    json_open(w, "delta", '{');
    json_text(w, "type", type);
    json_bytes(w, key, text, n);
    json_close(w, '}');
    close_event(w);
}

static void delta(reply *y, json_writer *w, uint32_t choice, segment *s, const char *text, size_t n)
{
    (void)choice;
    if (s->kind == REPLY_TOOL)
        write_delta(y, w, s, "input_json_delta", "partial_json", text, n);
    else if (s->kind == REPLY_REASONING)
        write_delta(y, w, s, "thinking_delta", "thinking", text, n);
    else
        write_delta(y, w, s, "text_delta", "text", text, n);
}

static void close(reply *y, json_writer *w, uint32_t choice, segment *s)
{
    (void)choice;
    if (s->kind == REPLY_REASONING)
        write_delta(y, w, s, "signature_delta", "signature", "", 0);
    open_event(w, "content_block_stop");
    json_whole(w, "index", index_of(y, s));
    close_event(w);
}

static void done(reply *y, json_writer *w, uint32_t choice)
{
    const reply_choice *c = &y->choices[choice];
    open_event(w, "message_delta");
    json_open(w, "delta", '{');
    write_stop(w, c);
    json_close(w, '}');
    write_usage(w, &c->usage);
    close_event(w);
}

/* Arguments that were cut short are no object: they are given as they are. */
static void write_input(json_writer *w, const segment *s)
{
    const char *text = s->text.n > 0 ? s->text.data : "{}";
    size_t n = s->text.n > 0 ? s->text.n : 2;
    json_t *input = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
    if (json_is_object(input)) {
        json_value_of(w, "input", input);
    } else {
        json_open(w, "input", '{');
        json_bytes(w, "_unfinished", text, n);
        json_close(w, '}');
    }
    json_decref(input);
}

static void write_block(json_writer *w, const segment *s)
{
    const char *text = s->text.data ? s->text.data : "";
    json_open(w, NULL, '{');
    if (s->kind == REPLY_TOOL) {
        json_text(w, "type", "tool_use");
        json_text(w, "id", s->tool_id);
        json_text(w, "name", s->tool_name);
        write_input(w, s);
    } else if (s->kind == REPLY_REASONING) {
        json_text(w, "type", "thinking");
        json_bytes(w, "thinking", text, s->text.n);
        json_text(w, "signature", "");
    } else {
        json_text(w, "type", "text");
        json_bytes(w, "text", text, s->text.n);
    }
    json_close(w, '}');
}

static void end(reply *y, json_writer *w)
{
    const reply_choice *c = &y->choices[0];
    if (y->r->options.stream) {
        open_event(w, "message_stop");
        close_event(w);
        return;
    }
    json_open(w, NULL, '{');
    write_head(y, w);
    json_open(w, "content", '[');
    for (size_t i = 0; i < c->n_segments; i++)
        write_block(w, &c->segments[i]);
    json_close(w, ']');
    write_stop(w, c);
    write_usage(w, &c->usage);
    json_close(w, '}');
}

static void fail(reply *y, json_writer *w, const hearth_error *error, const failure_detail *detail)
{
    sse_open(w, "error");
    failure_body(y->r->api, w, error, detail);
    sse_close(w);
}

const reply_format reply_anthropic = {
    .begin = begin,
    .open = open,
    .delta = delta,
    .close = close,
    .done = done,
    .end = end,
    .fail = fail,
};
