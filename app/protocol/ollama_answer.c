/* SPDX-License-Identifier: MIT
 *
 * ollama_answer.c - Ollama's answers; see ollama.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "protocol/json_write.h"
#include "protocol/ollama.h"

enum { CALLS_MAX = 128, TEXT_MAX = 64 << 20 };

typedef struct tool_call {
    char *name;
    buf arguments;
} tool_call;

struct ollama_answer {
    ollama_kind kind;
    bool stream;
    char *model;
    buf content, thinking; /* of the whole answer, where it is not streamed */
    tool_call *calls;
    size_t n_calls;
    bool told_calls;
    char finish[16];
    int64_t n_prompt, n_generated;
    double prompt_ms, generate_ms;
};

void ollama_time(int64_t ms, char out[OLLAMA_TIME_BYTES])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL)
        utc = (struct tm){.tm_year = 70, .tm_mday = 1};
    size_t n = strftime(out, OLLAMA_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + n, OLLAMA_TIME_BYTES - n, ".%03dZ", (int)(ms % 1000));
}

bool ollama_write_error(const char *message, buf *out)
{
    json_writer w;
    json_start(&w, out);
    json_open(&w, NULL, '{');
    json_text(&w, "error", message);
    json_close(&w, '}');
    json_raw(&w, "\n", 1);
    return json_done(&w, NULL) == HEARTH_OK;
}

hearth_status ollama_answer_new(ollama_answer **out, const ollama_request *r, const char *model,
                                hearth_error *err)
{
    ollama_answer *a = mem_calloc(1, sizeof *a);
    *out = a;
    if (a) {
        a->model = mem_dup(model, strlen(model));
        a->calls = mem_calloc(CALLS_MAX, sizeof *a->calls);
    }
    if (a == NULL || a->model == NULL || a->calls == NULL) {
        ollama_answer_free(a);
        *out = NULL;
        return error_no_memory(err, "the answer", sizeof *a);
    }
    a->kind = r->kind;
    a->stream = r->stream;
    buf_init(&a->content, TEXT_MAX);
    buf_init(&a->thinking, TEXT_MAX);
    return HEARTH_OK;
}

void ollama_answer_free(ollama_answer *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->n_calls; i++) {
        mem_free(a->calls[i].name);
        buf_deinit(&a->calls[i].arguments);
    }
    mem_free(a->calls);
    mem_free(a->model);
    buf_deinit(&a->content);
    buf_deinit(&a->thinking);
    mem_free(a);
}

/* ---- reading chunks ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool read_call(ollama_answer *a, const json_t *delta)
{
    const json_t *function = json_object_get(delta, "function");
    const char *name = json_string_value(json_object_get(function, "name"));
    size_t i = (size_t)json_integer_value(json_object_get(delta, "index"));
    if (name && *name) {
        if (a->n_calls == CALLS_MAX)
            return false;
        i = a->n_calls++;
        a->calls[i].name = mem_dup(name, strlen(name));
        buf_init(&a->calls[i].arguments, TEXT_MAX);
        if (a->calls[i].name == NULL)
            return false;
    }
    return i < a->n_calls &&
           buf_append_text(&a->calls[i].arguments, text_of(function, "arguments"));
}

static void read_numbers(ollama_answer *a, const json_t *chunk)
{
    const json_t *usage = json_object_get(chunk, "usage");
    const json_t *timings = json_object_get(chunk, "timings");
    if (json_is_object(usage)) {
        a->n_prompt = json_integer_value(json_object_get(usage, "prompt_tokens"));
        a->n_generated = json_integer_value(json_object_get(usage, "completion_tokens"));
    }
    if (json_is_object(timings)) {
        a->prompt_ms = json_number_value(json_object_get(timings, "prompt_ms"));
        a->generate_ms = json_number_value(json_object_get(timings, "predicted_ms"));
        if (!json_is_object(usage)) {
            a->n_prompt = json_integer_value(json_object_get(timings, "prompt_n")) +
                          json_integer_value(json_object_get(timings, "cache_n"));
            a->n_generated = json_integer_value(json_object_get(timings, "predicted_n"));
        }
    }
}

/* ---- writing ---- */

static void open_line(const ollama_answer *a, json_writer *w, int64_t now_ms)
{
    char time[OLLAMA_TIME_BYTES];
    ollama_time(now_ms, time);
    json_open(w, NULL, '{');
    json_text(w, "model", a->model);
    json_text(w, "created_at", time);
}

static void write_calls(const ollama_answer *a, json_writer *w)
{
    json_open(w, "tool_calls", '[');
    for (size_t i = 0; i < a->n_calls; i++) {
        const buf *text = &a->calls[i].arguments;
        json_t *arguments = text->n > 0 ? json_loadb(text->data, text->n, 0, NULL) : NULL;
        json_t *none = json_object();
        json_open(w, NULL, '{');
        json_open(w, "function", '{');
        json_text(w, "name", a->calls[i].name);
        json_value_of(w, "arguments", json_is_object(arguments) ? arguments : none);
        json_close(w, '}');
        json_close(w, '}');
        json_decref(arguments);
        json_decref(none);
    }
    json_close(w, ']');
}

/* "response", or "message" with its parts. */
static void write_texts(const ollama_answer *a, json_writer *w, const char *content, size_t n,
                        const char *thinking, size_t n_thinking, bool calls)
{
    bool chat = a->kind == OLLAMA_CHAT;
    if (chat) {
        json_open(w, "message", '{');
        json_text(w, "role", "assistant");
    }
    json_bytes(w, chat ? "content" : "response", content, n);
    if (n_thinking > 0)
        json_bytes(w, "thinking", thinking, n_thinking);
    if (calls)
        write_calls(a, w);
    if (chat)
        json_close(w, '}');
}

static hearth_status write_piece(ollama_answer *a, const char *content, const char *thinking,
                                 bool calls, int64_t now_ms, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    open_line(a, &w, now_ms);
    write_texts(a, &w, content, strlen(content), thinking, strlen(thinking), calls);
    json_truth(&w, "done", false);
    json_close(&w, '}');
    json_raw(&w, "\n", 1);
    return json_done(&w, err);
}

hearth_status ollama_answer_chunk(ollama_answer *a, const json_t *chunk, int64_t now_ms, buf *out,
                                  hearth_error *err)
{
    const json_t *error = json_object_get(chunk, "error");
    const json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0);
    const json_t *delta = json_object_get(choice, "delta");
    const json_t *calls = json_object_get(delta, "tool_calls");
    const char *finish = text_of(choice, "finish_reason");
    size_t i;
    json_t *call;
    if (error)
        FAIL(err, EIO, "engine", "%s", text_of(error, "message"));
    /* Chats tell deltas, completions "text", llama-server's own "content". */
    const char *content = delta    ? text_of(delta, "content")
                          : choice ? text_of(choice, "text")
                                   : text_of(chunk, "content");
    const char *thinking = text_of(delta, "reasoning_content");
    json_array_foreach(calls, i, call)
    {
        if (!read_call(a, call))
            FAIL(err, EFORMAT, "engine", "the engine's tool calls cannot be read");
    }
    read_numbers(a, chunk);
    if (*finish)
        snprintf(a->finish, sizeof a->finish, "%s", finish);
    else if (strcmp(text_of(chunk, "stop_type"), "limit") == 0)
        snprintf(a->finish, sizeof a->finish, "length");
    if (!a->stream) {
        if (!buf_append_text(&a->content, content) || !buf_append_text(&a->thinking, thinking))
            return error_no_memory(err, "the answer", a->content.n);
        return HEARTH_OK;
    }
    bool tell_calls = *finish && a->n_calls > 0 && !a->told_calls;
    a->told_calls |= tell_calls;
    if (*content == '\0' && *thinking == '\0' && !tell_calls)
        return HEARTH_OK;
    return write_piece(a, content, thinking, tell_calls, now_ms, out, err);
}

static void write_numbers(const ollama_answer *a, json_writer *w, uint64_t total_ns,
                          uint64_t load_ns)
{
    json_whole(w, "total_duration", (int64_t)total_ns);
    json_whole(w, "load_duration", (int64_t)load_ns);
    json_whole(w, "prompt_eval_count", a->n_prompt);
    json_whole(w, "prompt_eval_duration", (int64_t)(a->prompt_ms * 1e6));
    json_whole(w, "eval_count", a->n_generated);
    json_whole(w, "eval_duration", (int64_t)(a->generate_ms * 1e6));
}

hearth_status ollama_answer_end(ollama_answer *a, int64_t now_ms, uint64_t total_ns,
                                uint64_t load_ns, buf *out, hearth_error *err)
{
    json_writer w;
    bool calls = a->n_calls > 0 && !a->told_calls;
    json_start(&w, out);
    open_line(a, &w, now_ms);
    write_texts(a, &w, a->content.n ? a->content.data : "", a->content.n,
                a->thinking.n ? a->thinking.data : "", a->thinking.n, calls);
    json_truth(&w, "done", true);
    json_text(&w, "done_reason", strcmp(a->finish, "length") == 0 ? "length" : "stop");
    write_numbers(a, &w, total_ns, load_ns);
    json_close(&w, '}');
    json_raw(&w, "\n", 1);
    return json_done(&w, err);
}

/* ---- without a stream ---- */

json_t *ollama_embedding(const ollama_request *r, const char *model, const json_t *answer,
                         uint64_t total_ns, uint64_t load_ns)
{
    const json_t *data = json_object_get(answer, "data");
    const json_t *usage = json_object_get(answer, "usage");
    size_t i;
    json_t *one;
    if (r->kind == OLLAMA_EMBEDDING)
        return json_pack("{s:O}", "embedding",
                         json_object_get(json_array_get(data, 0), "embedding"));
    json_t *vectors = json_array();
    json_array_foreach(data, i, one) json_array_append(vectors, json_object_get(one, "embedding"));
    return json_pack("{s:s, s:o, s:I, s:I, s:I}", "model", model, "embeddings", vectors,
                     "total_duration", (json_int_t)total_ns, "load_duration", (json_int_t)load_ns,
                     "prompt_eval_count",
                     json_integer_value(json_object_get(usage, "prompt_tokens")));
}

json_t *ollama_loaded(const ollama_request *r, const char *model, int64_t now_ms)
{
    char time[OLLAMA_TIME_BYTES];
    ollama_time(now_ms, time);
    if (r->kind == OLLAMA_EMBED)
        return json_pack("{s:s, s:[]}", "model", model, "embeddings");
    if (r->kind == OLLAMA_EMBEDDING)
        return json_pack("{s:[]}", "embedding");
    json_t *answer = json_pack("{s:s, s:s, s:b, s:s}", "model", model, "created_at", time, "done",
                               1, "done_reason", r->keep_ms == 0 ? "unload" : "load");
    if (r->kind == OLLAMA_CHAT)
        json_object_set_new(answer, "message",
                            json_pack("{s:s, s:s}", "role", "assistant", "content", ""));
    else
        json_object_set_new(answer, "response", json_string(""));
    return answer;
}
