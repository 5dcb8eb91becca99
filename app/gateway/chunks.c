/* SPDX-License-Identifier: MIT
 *
 * chunks.c - see chunks.h.
 */
#include "gateway/chunks.h"

#include <stdio.h>
#include <string.h>

enum { EVENT_MAX = 64 << 20, TEXT_MAX = 64 << 20, CALLS_MAX = 128 };

void chunks_init(chunks *c)
{
    *c = (chunks){0};
    sse_init(&c->events, EVENT_MAX);
    buf_init(&c->content, TEXT_MAX);
    buf_init(&c->thinking, TEXT_MAX);
}

void chunks_deinit(chunks *c)
{
    sse_deinit(&c->events);
    buf_deinit(&c->content);
    buf_deinit(&c->thinking);
    json_decref(c->event);
    json_decref(c->tool_calls);
    json_decref(c->stop_reason);
    json_decref(c->tokens);
    *c = (chunks){0};
}

buf *chunks_input(chunks *c)
{
    return sse_input(&c->events);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static json_int_t whole_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* ---- what is kept ---- */

static void read_usage(chunks *c, const json_t *root)
{
    const json_t *usage = json_object_get(root, "usage");
    const json_t *timings = json_object_get(root, "timings");
    if (json_is_object(usage)) {
        c->usage.n_prompt = whole_of(usage, "prompt_tokens");
        c->usage.n_generated = whole_of(usage, "completion_tokens");
        c->usage.n_cached =
            whole_of(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
    }
    if (json_is_object(timings)) {
        c->usage.prompt_ms = json_number_value(json_object_get(timings, "prompt_ms"));
        c->usage.generate_ms = json_number_value(json_object_get(timings, "predicted_ms"));
        c->usage.n_cached = whole_of(timings, "cache_n");
        /* Of an answer that is stopped they are all there is. */
        if (!json_is_object(usage)) {
            c->usage.n_prompt = c->usage.n_cached + whole_of(timings, "prompt_n");
            c->usage.n_generated = whole_of(timings, "predicted_n");
        }
    }
}

/* A call's arguments come in pieces; its name and id with the first. */
static void add_call(chunks *c, const json_t *delta)
{
    const json_t *function = json_object_get(delta, "function");
    size_t i = (size_t)whole_of(delta, "index");
    if (c->tool_calls == NULL)
        c->tool_calls = json_array();
    if (i > json_array_size(c->tool_calls) || i >= CALLS_MAX)
        return;
    if (i == json_array_size(c->tool_calls))
        json_array_append_new(c->tool_calls,
                              json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", text_of(delta, "id"),
                                        "type", "function", "function", "name",
                                        text_of(function, "name"), "arguments", ""));
    json_t *kept = json_object_get(json_array_get(c->tool_calls, i), "function");
    json_object_set_new(
        kept, "arguments",
        json_sprintf("%s%s", text_of(kept, "arguments"), text_of(function, "arguments")));
}

static void read_rest(chunks *c, const json_t *root, const json_t *choice, const json_t *delta)
{
    size_t i;
    json_t *call;
    const char *finish = text_of(choice, "finish_reason");
    json_t *reason = json_object_get(choice, "stop_reason");
    json_t *tokens = json_object_get(choice, "tokens");
    json_array_foreach(json_object_get(delta, "tool_calls"), i, call) add_call(c, call);
    if (json_is_string(reason) && c->stop_reason == NULL)
        c->stop_reason = json_incref(reason);
    if (json_is_array(tokens)) {
        if (c->tokens == NULL)
            c->tokens = json_array();
        json_array_extend(c->tokens, tokens);
    }
    if (*finish)
        snprintf(c->finish, sizeof c->finish, "%s", finish);
    read_usage(c, root);
}

/* ---- one after the other ---- */

static bool tell_text(buf *all, chunk_kind kind, const char *text, chunk *out)
{
    if (*text == '\0')
        return false;
    *out = buf_append_text(all, text)
               ? (chunk){.kind = kind, .text = text}
               : (chunk){.kind = CHUNK_FAILURE, .text = "the answer is too long to be kept"};
    return true;
}

/* The next part of the event that is being told; false: that was all of it. */
static bool tell_part(chunks *c, chunk *out)
{
    enum { ERROR, PROGRESS, THINKING, CONTENT, REST };
    const json_t *root = c->event;
    const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
    const json_t *delta = json_object_get(choice, "delta");
    while (c->part <= REST) {
        const json_t *progress = json_object_get(root, "prompt_progress");
        switch (c->part++) {
        case ERROR:
            *out = (chunk){.kind = CHUNK_FAILURE,
                           .text = text_of(json_object_get(root, "error"), "message")};
            if (json_object_get(root, "error"))
                return true;
            break;
        case PROGRESS:
            *out = (chunk){.kind = CHUNK_PROGRESS,
                           .done = (size_t)whole_of(progress, "processed"),
                           .total = (size_t)whole_of(progress, "total")};
            if (json_is_object(progress))
                return true;
            break;
        case THINKING:
            if (tell_text(&c->thinking, CHUNK_THINKING, text_of(delta, "reasoning_content"), out))
                return true;
            break;
        case CONTENT:
            if (tell_text(&c->content, CHUNK_CONTENT,
                          delta ? text_of(delta, "content") : text_of(choice, "text"), out))
                return true;
            break;
        default:
            read_rest(c, root, choice, delta);
            break;
        }
    }
    return false;
}

bool chunks_next(chunks *c, chunk *out)
{
    sse_event event;
    for (;;) {
        if (c->event && tell_part(c, out))
            return true;
        json_decref(c->event);
        c->event = NULL;
        if (!sse_next(&c->events, &event))
            return false;
        if (strcmp(event.data, "[DONE]") == 0) {
            *out = (chunk){.kind = CHUNK_DONE};
            return true;
        }
        c->event = json_loadb(event.data, event.n_data, 0, NULL);
        c->part = 0;
        if (c->event == NULL) {
            *out = (chunk){.kind = CHUNK_FAILURE, .text = "the engine's answer cannot be read"};
            return true;
        }
    }
}

bool chunks_read_whole(chunks *c, const json_t *answer)
{
    const json_t *choice = json_array_get(json_object_get(answer, "choices"), 0);
    const json_t *message = json_object_get(choice, "message");
    json_t *calls = json_object_get(message, "tool_calls");
    if (!json_is_object(message) || !buf_append_text(&c->content, text_of(message, "content")) ||
        !buf_append_text(&c->thinking, text_of(message, "reasoning_content")))
        return false;
    if (json_array_size(calls) > 0)
        c->tool_calls = json_incref(calls);
    snprintf(c->finish, sizeof c->finish, "%s", text_of(choice, "finish_reason"));
    read_usage(c, answer);
    return true;
}
