/* SPDX-License-Identifier: MIT
 *
 * reply_responses.c - the answers of OpenAI's responses.
 *
 * Stream   Every event has its type, a sequence_number, and where it applies output_index,
 *          content_index and item_id: response.created, .in_progress; per item .output_item.added,
 *          .content_part.added, deltas, .done events, .output_item.done; response.completed (or
 *          .incomplete, .failed) with the whole response. llama-server's prompt_progress stands in
 *          further .in_progress events, its timings in deltas (if asked for) and the last event.
 */
#include <string.h>

#include "protocol/reply_impl.h"

static void open_event(reply *y, json_writer *w, const char *type)
{
    sse_open(w, type);
    json_open(w, NULL, '{');
    json_text(w, "type", type);
    json_whole(w, "sequence_number", y->sequence++);
}

static void close_event(json_writer *w)
{
    json_close(w, '}');
    sse_close(w);
}

/* ---- items ---- */

static const char *part_type(const segment *s)
{
    return s->kind == REPLY_REASONING ? "reasoning_text" : "output_text";
}

static void write_probs(json_writer *w, const buf *probs)
{
    json_open(w, "logprobs", '[');
    if (probs && probs->n > 0)
        json_raw(w, probs->data, probs->n);
    json_close(w, ']');
}

static void write_part(json_writer *w, const char *key, const segment *s, bool has_text)
{
    json_open(w, key, '{');
    json_text(w, "type", part_type(s));
    json_bytes(w, "text", has_text && s->text.data ? s->text.data : "", has_text ? s->text.n : 0);
    if (s->kind == REPLY_CONTENT) {
        json_open(w, "annotations", '[');
        json_close(w, ']');
        write_probs(w, has_text ? &s->probs : NULL);
    }
    json_close(w, '}');
}

static void write_item(json_writer *w, const char *key, const segment *s, const char *status)
{
    bool is_added = strcmp(status, "in_progress") == 0;
    json_open(w, key, '{');
    json_text(w, "id", s->id);
    if (s->kind == REPLY_TOOL) {
        json_text(w, "type", "function_call");
        json_text(w, "status", status);
        json_text(w, "call_id", s->tool_id);
        json_text(w, "name", s->tool_name);
        json_bytes(w, "arguments", s->text.data ? s->text.data : "", s->text.n);
    } else {
        bool is_thought = s->kind == REPLY_REASONING;
        json_text(w, "type", is_thought ? "reasoning" : "message");
        json_text(w, "status", status);
        if (is_thought) {
            json_open(w, "summary", '[');
            json_close(w, ']');
        } else {
            json_text(w, "role", "assistant");
        }
        json_open(w, "content", '[');
        if (!is_added)
            write_part(w, NULL, s, true);
        json_close(w, ']');
    }
    json_close(w, '}');
}

/* ---- the response object ---- */

static bool is_cut(const reply_choice *c)
{
    return c->finish == HEARTH_FINISH_LIMIT || c->finish == HEARTH_FINISH_CONTEXT;
}

static void write_usage(json_writer *w, const reply_choice *c)
{
    const reply_usage *u = &c->usage;
    json_open(w, "usage", '{');
    json_whole(w, "input_tokens", (int64_t)u->n_prompt);
    json_open(w, "input_tokens_details", '{');
    json_whole(w, "cached_tokens", (int64_t)u->n_cached);
    json_close(w, '}');
    json_whole(w, "output_tokens", (int64_t)u->n_generated);
    json_open(w, "output_tokens_details", '{');
    json_whole(w, "reasoning_tokens", (int64_t)c->n_reasoning);
    json_close(w, '}');
    json_whole(w, "total_tokens", (int64_t)(u->n_prompt + u->n_generated));
    reply_write_shift(w, u);
    json_close(w, '}');
}

/* What was asked, said again; `otherwise` where it was not. */
static void write_echo(const reply *y, json_writer *w, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(y->r->body, key);
    if (value && !json_is_null(value)) {
        json_value_of(w, key, value);
        return;
    }
    json_t *standard = json_loads(otherwise, JSON_DECODE_ANY, NULL);
    json_value_of(w, key, standard);
    json_decref(standard);
}

static void write_settings(const reply *y, json_writer *w)
{
    const request_options *o = &y->r->options;
    write_echo(y, w, "instructions", "null");
    write_echo(y, w, "max_output_tokens", "null");
    json_text(w, "model", y->info.model);
    json_truth(w, "parallel_tool_calls", y->r->chat.parallel_tool_calls);
    json_none(w, "previous_response_id");
    write_echo(y, w, "reasoning", "{\"effort\":null,\"summary\":null}");
    json_truth(w, "store", false);
    json_float(w, "temperature", o->sampler.temperature);
    write_echo(y, w, "text", "{\"format\":{\"type\":\"text\"}}");
    write_echo(y, w, "tool_choice", "\"auto\"");
    write_echo(y, w, "tools", "[]");
    json_whole(w, "top_logprobs", o->n_probs < 0 ? 0 : o->n_probs);
    json_float(w, "top_p", o->sampler.top_p);
    json_text(w, "truncation", "disabled");
    write_echo(y, w, "user", "null");
    write_echo(y, w, "metadata", "{}");
}

static const char *status_of(const reply_choice *c)
{
    return !c->is_done ? "in_progress" : is_cut(c) ? "incomplete" : "completed";
}

/* error NULL: none. */
static void write_response(reply *y, json_writer *w, const char *key, const hearth_error *error)
{
    const reply_choice *c = &y->choices[0];
    const char *status = error ? "failed" : status_of(c);
    json_open(w, key, '{');
    json_text(w, "id", y->id);
    json_text(w, "object", "response");
    json_whole(w, "created_at", y->info.created_s);
    json_text(w, "status", status);
    if (error) {
        json_open(w, "error", '{');
        json_text(w, "code", "server_error");
        json_text(w, "message", error->message);
        json_close(w, '}');
    } else {
        json_none(w, "error");
    }
    if (!error && c->is_done && is_cut(c)) {
        json_open(w, "incomplete_details", '{');
        json_text(w, "reason",
                  c->finish == HEARTH_FINISH_CONTEXT ? "context_length_exceeded"
                                                     : "max_output_tokens");
        json_close(w, '}');
    } else {
        json_none(w, "incomplete_details");
    }
    json_open(w, "output", '[');
    for (size_t i = 0; c->is_done && i < c->n_segments; i++)
        write_item(w, NULL, &c->segments[i],
                   is_cut(c) && i + 1 == c->n_segments ? "incomplete" : "completed");
    json_close(w, ']');
    if (c->is_done)
        write_usage(w, c);
    else
        json_none(w, "usage");
    write_settings(y, w);
    json_close(w, '}');
}

/* ---- the stream ---- */

static void begin(reply *y, json_writer *w)
{
    static const char *const types[] = {"response.created", "response.in_progress"};
    for (size_t i = 0; i < 2; i++) {
        open_event(y, w, types[i]);
        write_response(y, w, "response", NULL);
        close_event(w);
    }
}

static int64_t index_of(const reply *y, const segment *s)
{
    return s - y->choices[0].segments;
}

static void write_place(const reply *y, json_writer *w, const segment *s, bool has_part)
{
    json_text(w, "item_id", s->id);
    json_whole(w, "output_index", index_of(y, s));
    if (has_part)
        json_whole(w, "content_index", 0);
}

static void write_item_event(reply *y, json_writer *w, const char *type, const segment *s,
                             const char *status)
{
    open_event(y, w, type);
    json_whole(w, "output_index", index_of(y, s));
    write_item(w, "item", s, status);
    close_event(w);
}

static void open(reply *y, json_writer *w, uint32_t choice, segment *s)
{
    (void)choice;
    write_item_event(y, w, "response.output_item.added", s, "in_progress");
    if (s->kind == REPLY_TOOL)
        return;
    open_event(y, w, "response.content_part.added");
    write_place(y, w, s, true);
    write_part(w, "part", s, false);
    close_event(w);
}

static void delta(reply *y, json_writer *w, uint32_t choice, segment *s, const char *text, size_t n)
{
    const char *type = s->kind == REPLY_TOOL        ? "response.function_call_arguments.delta"
                       : s->kind == REPLY_REASONING ? "response.reasoning_text.delta"
                                                    : "response.output_text.delta";
    open_event(y, w, type);
    write_place(y, w, s, s->kind != REPLY_TOOL);
    json_bytes(w, "delta", text, n);
    if (s->kind == REPLY_CONTENT)
        write_probs(w, &y->choices[choice].columns[COLUMN_PROBS]);
    if (y->r->options.timings_per_token)
        reply_write_timings(w, &y->choices[choice].usage);
    close_event(w);
}

static void close(reply *y, json_writer *w, uint32_t choice, segment *s)
{
    const char *text = s->text.data ? s->text.data : "";
    if (s->kind == REPLY_TOOL) {
        open_event(y, w, "response.function_call_arguments.done");
        write_place(y, w, s, false);
        json_text(w, "name", s->tool_name);
        json_bytes(w, "arguments", text, s->text.n);
        close_event(w);
    } else {
        bool is_thought = s->kind == REPLY_REASONING;
        open_event(y, w, is_thought ? "response.reasoning_text.done" : "response.output_text.done");
        write_place(y, w, s, true);
        json_bytes(w, "text", text, s->text.n);
        if (!is_thought)
            write_probs(w, &s->probs);
        close_event(w);
        open_event(y, w, "response.content_part.done");
        write_place(y, w, s, true);
        write_part(w, "part", s, true);
        close_event(w);
    }
    write_item_event(y, w, "response.output_item.done", s,
                     is_cut(&y->choices[choice]) ? "incomplete" : "completed");
}

static void progress(reply *y, json_writer *w, uint32_t choice, const reply_usage *usage)
{
    (void)choice;
    open_event(y, w, "response.in_progress");
    write_response(y, w, "response", NULL);
    reply_write_progress(w, usage);
    close_event(w);
}

static void end(reply *y, json_writer *w)
{
    if (!y->r->options.stream) {
        write_response(y, w, NULL, NULL);
        return;
    }
    open_event(y, w, is_cut(&y->choices[0]) ? "response.incomplete" : "response.completed");
    write_response(y, w, "response", NULL);
    reply_write_timings(w, &y->choices[0].usage);
    close_event(w);
}

static void fail(reply *y, json_writer *w, const hearth_error *error, const failure_detail *detail)
{
    (void)detail;
    open_event(y, w, "response.failed");
    write_response(y, w, "response", error);
    close_event(w);
}

const reply_format reply_responses = {
    .keeps_text = true,
    .keeps_probs = true,
    .begin = begin,
    .open = open,
    .delta = delta,
    .close = close,
    .progress = progress,
    .end = end,
    .fail = fail,
};
