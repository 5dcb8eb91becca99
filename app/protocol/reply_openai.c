/* SPDX-License-Identifier: MIT
 *
 * reply_openai.c - the answers of OpenAI's chat completions and completions.
 *
 * Stream   chunks of one delta each; the last of a choice has its finish_reason; with include_usage
 *          one more without choices; "[DONE]". llama-server's `timings` stand in the last chunk.
 * Ends     finish_reason knows one word for a limit that was reached and for a context that is
 *          full; beside it stop_reason (vLLM's field) tells "context", or the stop text.
 */
#include <string.h>

#include "protocol/reply_impl.h"

static const char done_line[] = "data: [DONE]\n\n";

static const char *finish_reason(const reply_choice *c)
{
    if (c->finish == HEARTH_FINISH_LIMIT || c->finish == HEARTH_FINISH_CONTEXT)
        return "length";
    return c->n_tools > 0 ? "tool_calls" : "stop";
}

static void write_finish(json_writer *w, const reply_choice *c)
{
    json_text(w, "finish_reason", finish_reason(c));
    if (c->finish == HEARTH_FINISH_CONTEXT)
        json_text(w, "stop_reason", "context");
    else if (c->stop_word)
        json_text(w, "stop_reason", c->stop_word);
}

static void write_head(const reply *y, json_writer *w, const char *object)
{
    json_text(w, "id", y->id);
    json_text(w, "object", object);
    json_whole(w, "created", y->info.created_s);
    json_text(w, "model", y->info.model);
    json_text(w, "system_fingerprint", y->info.fingerprint);
}

static void write_null_usage(const reply *y, json_writer *w)
{
    if (y->r->options.include_usage)
        json_none(w, "usage");
}

/* The last chunk of a stream, if it was asked for. */
static void write_usage_chunk(reply *y, json_writer *w, const char *object)
{
    size_t n_reasoning;
    reply_usage sum = reply_sum(y, &n_reasoning);
    if (y->r->options.include_usage) {
        sse_open(w, NULL);
        json_open(w, NULL, '{');
        json_open(w, "choices", '[');
        json_close(w, ']');
        write_head(y, w, object);
        reply_write_usage(y, w);
        reply_write_timings(w, &sum);
        json_close(w, '}');
        sse_close(w);
    }
    json_raw(w, done_line, sizeof done_line - 1);
}

/* Of the tokens since the last time: their ids are llama-server's word, and as of completions. */
static void write_chat_tokens(const reply *y, json_writer *w, reply_choice *c)
{
    if (y->r->options.return_tokens)
        reply_write_column(w, "tokens", c, COLUMN_TOKENS);
    if (y->r->options.n_probs >= 0) {
        json_open(w, "logprobs", '{');
        reply_write_column(w, "content", c, COLUMN_PROBS);
        json_close(w, '}');
    }
    reply_clear_columns(c);
}

/* ---- chat ---- */

static void open_chunk(json_writer *w, uint32_t choice)
{
    sse_open(w, NULL);
    json_open(w, NULL, '{');
    json_open(w, "choices", '[');
    json_open(w, NULL, '{');
    json_whole(w, "index", choice);
    json_open(w, "delta", '{');
}

/* After the delta was closed. */
static void close_chunk(reply *y, json_writer *w, uint32_t choice, bool is_last)
{
    reply_choice *c = &y->choices[choice];
    const request_options *o = &y->r->options;
    if (c->columns[o->return_tokens ? COLUMN_TOKENS : COLUMN_PROBS].n > 0)
        write_chat_tokens(y, w, c);
    if (is_last)
        write_finish(w, c);
    else
        json_none(w, "finish_reason");
    json_close(w, '}');
    json_close(w, ']');
    write_head(y, w, "chat.completion.chunk");
    write_null_usage(y, w);
    if (is_last ? !o->include_usage : o->timings_per_token && c->usage.n_processed > 0)
        reply_write_timings(w, &c->usage);
}

static void end_chunk(json_writer *w)
{
    json_close(w, '}');
    sse_close(w);
}

static void chat_begin(reply *y, json_writer *w)
{
    for (uint32_t i = 0; i < y->n_choices; i++) {
        open_chunk(w, i);
        json_text(w, "role", "assistant");
        json_none(w, "content");
        json_close(w, '}');
        close_chunk(y, w, i, false);
        end_chunk(w);
    }
}

static void open_call(json_writer *w, const segment *s)
{
    json_open(w, "tool_calls", '[');
    json_open(w, NULL, '{');
    json_whole(w, "index", (int64_t)s->tool_index);
}

static void chat_open(reply *y, json_writer *w, uint32_t choice, segment *s)
{
    if (s->kind != REPLY_TOOL)
        return;
    open_chunk(w, choice);
    open_call(w, s);
    json_text(w, "id", s->tool_id);
    json_text(w, "type", "function");
    json_open(w, "function", '{');
    json_text(w, "name", s->tool_name);
    json_text(w, "arguments", "");
    json_close(w, '}');
    json_close(w, '}');
    json_close(w, ']');
    json_close(w, '}');
    close_chunk(y, w, choice, false);
    end_chunk(w);
}

static void chat_delta(reply *y, json_writer *w, uint32_t choice, segment *s, const char *text,
                       size_t n)
{
    open_chunk(w, choice);
    if (s->kind == REPLY_TOOL) {
        open_call(w, s);
        json_open(w, "function", '{');
        json_bytes(w, "arguments", text, n);
        json_close(w, '}');
        json_close(w, '}');
        json_close(w, ']');
    } else {
        json_bytes(w, s->kind == REPLY_REASONING ? "reasoning_content" : "content", text, n);
    }
    json_close(w, '}');
    close_chunk(y, w, choice, false);
    end_chunk(w);
}

static void chat_progress(reply *y, json_writer *w, uint32_t choice, const reply_usage *usage)
{
    open_chunk(w, choice);
    json_close(w, '}');
    close_chunk(y, w, choice, false);
    reply_write_progress(w, usage);
    end_chunk(w);
}

static void chat_done(reply *y, json_writer *w, uint32_t choice)
{
    open_chunk(w, choice);
    json_close(w, '}');
    close_chunk(y, w, choice, true);
    end_chunk(w);
}

static void write_calls(json_writer *w, const reply_choice *c)
{
    json_open(w, "tool_calls", '[');
    for (size_t i = 0; i < c->n_segments; i++) {
        const segment *s = &c->segments[i];
        if (s->kind != REPLY_TOOL)
            continue;
        json_open(w, NULL, '{');
        json_text(w, "id", s->tool_id);
        json_text(w, "type", "function");
        json_open(w, "function", '{');
        json_text(w, "name", s->tool_name);
        json_bytes(w, "arguments", s->text.data ? s->text.data : "", s->text.n);
        json_close(w, '}');
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void write_message(json_writer *w, const reply_choice *c)
{
    json_open(w, "message", '{');
    json_text(w, "role", "assistant");
    if (c->n_tools > 0 && !reply_has(c, REPLY_CONTENT))
        json_none(w, "content");
    else
        reply_write_text(w, "content", c, REPLY_CONTENT);
    if (reply_has(c, REPLY_REASONING))
        reply_write_text(w, "reasoning_content", c, REPLY_REASONING);
    if (c->n_tools > 0)
        write_calls(w, c);
    json_close(w, '}');
}

/* What follows the choices of an answer that is not streamed. */
static void end_whole(reply *y, json_writer *w, const char *object, const reply_usage *sum)
{
    json_close(w, ']');
    write_head(y, w, object);
    reply_write_usage(y, w);
    reply_write_timings(w, sum);
    json_close(w, '}');
}

static void chat_end(reply *y, json_writer *w)
{
    size_t n_reasoning;
    reply_usage sum = reply_sum(y, &n_reasoning);
    if (y->r->options.stream) {
        write_usage_chunk(y, w, "chat.completion.chunk");
        return;
    }
    json_open(w, NULL, '{');
    json_open(w, "choices", '[');
    for (uint32_t i = 0; i < y->n_choices; i++) {
        reply_choice *c = &y->choices[i];
        json_open(w, NULL, '{');
        write_finish(w, c);
        json_whole(w, "index", i);
        write_message(w, c);
        write_chat_tokens(y, w, c);
        json_close(w, '}');
    }
    end_whole(y, w, "chat.completion", &sum);
}

const reply_format reply_chat = {
    .begin = chat_begin,
    .open = chat_open,
    .delta = chat_delta,
    .progress = chat_progress,
    .done = chat_done,
    .end = chat_end,
};

/* ---- completions ---- */

/* OpenAI's four columns, and llama-server's `content` beside them. */
static void write_columns(const reply *y, json_writer *w, reply_choice *c)
{
    if (y->r->options.n_probs < 0 || c->columns[COLUMN_PROBS].n == 0) {
        json_none(w, "logprobs");
    } else {
        json_open(w, "logprobs", '{');
        reply_write_column(w, "tokens", c, COLUMN_TEXTS);
        reply_write_column(w, "token_logprobs", c, COLUMN_VALUES);
        reply_write_column(w, "top_logprobs", c, COLUMN_TOPS);
        reply_write_column(w, "text_offset", c, COLUMN_OFFSETS);
        reply_write_column(w, "content", c, COLUMN_PROBS);
        json_close(w, '}');
    }
    if (y->r->options.return_tokens)
        reply_write_column(w, "tokens", c, COLUMN_TOKENS);
    reply_clear_columns(c);
}

static void write_completion(reply *y, json_writer *w, uint32_t choice, const char *text, size_t n,
                             bool is_last, const reply_usage *progress)
{
    reply_choice *c = &y->choices[choice];
    sse_open(w, NULL);
    json_open(w, NULL, '{');
    json_open(w, "choices", '[');
    json_open(w, NULL, '{');
    json_bytes(w, "text", text, n);
    json_whole(w, "index", choice);
    write_columns(y, w, c);
    if (is_last)
        write_finish(w, c);
    else
        json_none(w, "finish_reason");
    json_close(w, '}');
    json_close(w, ']');
    write_head(y, w, "text_completion");
    if (is_last && !y->r->options.include_usage)
        reply_write_usage(y, w);
    else
        write_null_usage(y, w);
    if (is_last || y->r->options.timings_per_token)
        reply_write_timings(w, &c->usage);
    if (progress)
        reply_write_progress(w, progress);
    json_close(w, '}');
    sse_close(w);
}

static void completion_delta(reply *y, json_writer *w, uint32_t choice, segment *s,
                             const char *text, size_t n)
{
    (void)s;
    write_completion(y, w, choice, text, n, false, NULL);
}

static void completion_progress(reply *y, json_writer *w, uint32_t choice, const reply_usage *usage)
{
    write_completion(y, w, choice, "", 0, false, usage);
}

static void completion_done(reply *y, json_writer *w, uint32_t choice)
{
    write_completion(y, w, choice, "", 0, true, NULL);
}

static void completion_end(reply *y, json_writer *w)
{
    size_t n_reasoning;
    reply_usage sum = reply_sum(y, &n_reasoning);
    if (y->r->options.stream) {
        write_usage_chunk(y, w, "text_completion");
        return;
    }
    json_open(w, NULL, '{');
    json_open(w, "choices", '[');
    for (uint32_t i = 0; i < y->n_choices; i++) {
        reply_choice *c = &y->choices[i];
        json_open(w, NULL, '{');
        reply_write_text(w, "text", c, REPLY_CONTENT);
        json_whole(w, "index", i);
        write_columns(y, w, c);
        write_finish(w, c);
        json_close(w, '}');
    }
    end_whole(y, w, "text_completion", &sum);
}

const reply_format reply_completion = {
    .delta = completion_delta,
    .progress = completion_progress,
    .done = completion_done,
    .end = completion_end,
};
