/* SPDX-License-Identifier: MIT
 *
 * ollama_request.c - Ollama's requests; see ollama.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/ollama.h"

enum { MESSAGES_MAX = 16384, CALLS_MAX = 1024, ID_BYTES = 32 };

/* ---- small things ---- */

static hearth_status no_memory(hearth_error *err)
{
    return error_no_memory(err, "a request", 0);
}

static hearth_status put(json_t *object, const char *key, json_t *value, hearth_error *err)
{
    return json_object_set_new(object, key, value) == 0 ? HEARTH_OK : no_memory(err);
}

static hearth_status wrong(const char *key, const char *want, hearth_error *err)
{
    FAIL(err, EINVAL, key, "%s: must be %s", key, want);
}

static bool ignore(ollama_request *r, const char *in, const char *key)
{
    return buf_append_format(&r->ignored, "%s%s%s", r->ignored.n ? ", " : "", in, key);
}

static const char *mime_of(const char *base64)
{
    static const char *const heads[][2] = {
        {"/9j/", "image/jpeg"}, {"R0lG", "image/gif"}, {"UklG", "image/webp"}, {"Qk", "image/bmp"}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        if (strncmp(base64, heads[i][0], strlen(heads[i][0])) == 0)
            return heads[i][1];
    }
    return "image/png";
}

/* ---- options ---- */

typedef struct option_name {
    const char *theirs, *ours; /* ours NULL: says how to load a model */
} option_name;

static const option_name option_names[] = {
    {"temperature", "temperature"},
    {"top_k", "top_k"},
    {"top_p", "top_p"},
    {"min_p", "min_p"},
    {"typical_p", "typical_p"},
    {"seed", "seed"},
    {"stop", "stop"},
    {"num_predict", "max_tokens"},
    {"num_keep", "n_keep"},
    {"repeat_penalty", "repeat_penalty"},
    {"repeat_last_n", "repeat_last_n"},
    {"presence_penalty", "presence_penalty"},
    {"frequency_penalty", "frequency_penalty"},
    {"mirostat", "mirostat"},
    {"mirostat_tau", "mirostat_tau"},
    {"mirostat_eta", "mirostat_eta"},
    {"num_ctx", NULL},
    {"num_batch", NULL},
    {"num_gpu", NULL},
    {"main_gpu", NULL},
    {"num_thread", NULL},
    {"use_mmap", NULL},
    {"use_mlock", NULL},
    {"numa", NULL},
    {"low_vram", NULL},
    {"f16_kv", NULL},
    {"vocab_only", NULL},
    {"draft_num_predict", NULL},
};

static hearth_status read_option(ollama_request *r, const char *key, json_t *value,
                                 hearth_error *err)
{
    for (size_t i = 0; i < sizeof option_names / sizeof *option_names; i++) {
        const option_name *o = &option_names[i];
        if (strcmp(o->theirs, key) != 0)
            continue;
        if (o->ours == NULL)
            return ignore(r, "options.", key) ? HEARTH_OK : no_memory(err);
        /* -1 and -2 there are "as long as it takes" and "until the context is full". */
        if (strcmp(key, "num_predict") == 0 && json_is_integer(value) &&
            json_integer_value(value) < 0)
            return put(r->body, o->ours, json_integer(-1), err);
        return put(r->body, o->ours, json_incref(value), err);
    }
    FAIL(err, EINVAL, key, "options.%.64s: there is no such option here", key);
}

static hearth_status read_options(ollama_request *r, const json_t *body, hearth_error *err)
{
    json_t *options = json_object_get(body, "options");
    const char *key;
    json_t *value;
    if (options == NULL || json_is_null(options))
        return HEARTH_OK;
    if (!json_is_object(options))
        return wrong("options", "an object", err);
    json_object_foreach(options, key, value)
    {
        if (!json_is_null(value))
            TRY(read_option(r, key, value, err));
    }
    return HEARTH_OK;
}

/* ---- what all have ---- */

/* Seconds as a number, or a text like "5m", "1h30m", "500ms". */
static bool read_duration(const json_t *value, int64_t *ms)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"us", 1e-3}, {"ns", 1e-6}, {"s", 1e3}, {"m", 6e4}, {"h", 36e5}};
    double sum = 0;
    const char *at = json_string_value(value);
    if (json_is_number(value)) {
        sum = json_number_value(value) * 1e3;
    } else {
        bool negative = at && *at == '-';
        if (at == NULL || *(at += negative) == '\0')
            return false;
        while (*at) {
            char *end;
            size_t i = 0, n = sizeof units / sizeof *units;
            double number = *at >= '0' && *at <= '9' ? strtod(at, &end) : -1;
            if (number < 0)
                return false;
            while (i < n && strncmp(end, units[i].unit, strlen(units[i].unit)) != 0)
                i++;
            bool bare = *end == '\0';
            if (i == n && !bare)
                return false;
            sum += number * (bare ? 1e3 : units[i].ms);
            at = bare ? end : end + strlen(units[i].unit);
        }
        sum = negative ? -sum : sum;
    }
    *ms = sum < 0 ? OLLAMA_KEEP_FOREVER : sum > 9e15 ? OLLAMA_KEEP_FOREVER : (int64_t)sum;
    return true;
}

static hearth_status read_common(ollama_request *r, const json_t *body, hearth_error *err)
{
    const json_t *model = json_object_get(body, "model");
    const json_t *stream = json_object_get(body, "stream");
    const json_t *keep = json_object_get(body, "keep_alive");
    if (model == NULL)
        model = json_object_get(body, "name");
    if (model && !json_is_string(model))
        return wrong("model", "a text", err);
    if (stream && !json_is_boolean(stream) && !json_is_null(stream))
        return wrong("stream", "true or false", err);
    r->model = model ? json_string_value(model) : "";
    r->stream = !json_is_false(stream);
    r->keep_ms = OLLAMA_KEEP_DEFAULT;
    if (keep && !json_is_null(keep) && !read_duration(keep, &r->keep_ms))
        return wrong("keep_alive", "seconds, or a text like \"5m\"", err);
    return HEARTH_OK;
}

static hearth_status read_format(ollama_request *r, const json_t *format, hearth_error *err)
{
    const char *text = json_string_value(format);
    if (format == NULL || json_is_null(format) || (text && *text == '\0'))
        return HEARTH_OK;
    if (json_is_object(format))
        return put(r->body, "response_format",
                   json_pack("{s:s, s:{s:s, s:O}}", "type", "json_schema", "json_schema", "name",
                             "format", "schema", format),
                   err);
    if (text && strcmp(text, "json") == 0)
        return put(r->body, "response_format", json_pack("{s:s}", "type", "json_object"), err);
    return wrong("format", "\"json\" or a JSON Schema", err);
}

static hearth_status read_think(ollama_request *r, const json_t *think, hearth_error *err)
{
    if (think == NULL || json_is_null(think))
        return HEARTH_OK;
    if (json_is_boolean(think))
        return put(r->body, "chat_template_kwargs",
                   json_pack("{s:b}", "enable_thinking", json_is_true(think)), err);
    if (json_is_string(think))
        return put(r->body, "reasoning_effort", json_incref((json_t *)(uintptr_t)think), err);
    return wrong("think", "true, false, or low, medium, high, max", err);
}

static hearth_status refuse_logprobs(const json_t *body, hearth_error *err)
{
    json_t *logprobs = json_object_get(body, "logprobs");
    json_t *top = json_object_get(body, "top_logprobs");
    if (json_is_true(logprobs) || (json_is_integer(top) && json_integer_value(top) > 0))
        FAIL(err, EINVAL, "logprobs", "logprobs: ask /v1/chat/completions for them");
    return HEARTH_OK;
}

/* ---- messages ---- */

static hearth_status add_images(json_t *message, const json_t *content, const json_t *images,
                                hearth_error *err)
{
    size_t i;
    json_t *image;
    json_t *parts = json_array();
    if (json_string_length(content) > 0)
        json_array_append_new(parts, json_pack("{s:s, s:O}", "type", "text", "text", content));
    json_array_foreach(images, i, image)
    {
        const char *bytes = json_string_value(image);
        if (bytes == NULL) {
            json_decref(parts);
            return wrong("images", "an array of texts in base64", err);
        }
        json_array_append_new(parts,
                              json_pack("{s:s, s:{s:o}}", "type", "image_url", "image_url", "url",
                                        json_sprintf("data:%s;base64,%s", mime_of(bytes), bytes)));
    }
    return put(message, "content", parts, err);
}

/* Calls have no ids there: they are counted, and results take them in order. */
static hearth_status add_calls(json_t *message, const json_t *calls, size_t *n_calls,
                               hearth_error *err)
{
    size_t i;
    json_t *call;
    json_t *out = json_array();
    json_array_foreach(calls, i, call)
    {
        json_t *function = json_object_get(call, "function");
        const char *name = json_string_value(json_object_get(function, "name"));
        json_t *arguments = json_object_get(function, "arguments");
        char id[ID_BYTES];
        if (name == NULL || i >= CALLS_MAX) {
            json_decref(out);
            return wrong("tool_calls", "an array of {function: {name, arguments}}", err);
        }
        char *text = arguments ? json_dumps(arguments, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        snprintf(id, sizeof id, "call_%zu", ++*n_calls);
        json_array_append_new(out,
                              json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id, "type", "function",
                                        "function", "name", name, "arguments", text ? text : "{}"));
        free(text);
    }
    return put(message, "tool_calls", out, err);
}

static hearth_status add_message(json_t *out, const json_t *message, size_t *n_calls,
                                 size_t *n_results, hearth_error *err)
{
    const json_t *role = json_object_get(message, "role");
    const json_t *content = json_object_get(message, "content");
    const json_t *images = json_object_get(message, "images");
    const json_t *calls = json_object_get(message, "tool_calls");
    const json_t *thinking = json_object_get(message, "thinking");
    char id[ID_BYTES];
    if (!json_is_string(role) || (content && !json_is_string(content) && !json_is_null(content)))
        return wrong("messages", "an array of {role, content}, both texts", err);
    json_t *made = json_pack("{s:O, s:o}", "role", role, "content",
                             json_is_string(content) ? json_incref((json_t *)(uintptr_t)content)
                                                     : json_string(""));
    if (made == NULL || json_array_append_new(out, made) != 0)
        return no_memory(err);
    if (json_array_size(images) > 0)
        TRY(add_images(made, content, images, err));
    if (json_array_size(calls) > 0)
        TRY(add_calls(made, calls, n_calls, err));
    if (json_string_length(thinking) > 0)
        TRY(put(made, "reasoning_content", json_incref((json_t *)(uintptr_t)thinking), err));
    if (strcmp(json_string_value(role), "tool") == 0) {
        snprintf(id, sizeof id, "call_%zu", ++*n_results);
        TRY(put(made, "tool_call_id", json_string(id), err));
    }
    return HEARTH_OK;
}

static hearth_status read_chat(ollama_request *r, const json_t *body, hearth_error *err)
{
    const json_t *messages = json_object_get(body, "messages");
    json_t *tools = json_object_get(body, "tools");
    size_t n_calls = 0, n_results = 0, i;
    json_t *message;
    if (messages && !json_is_array(messages) && !json_is_null(messages))
        return wrong("messages", "an array", err);
    if (json_array_size(messages) > MESSAGES_MAX)
        return wrong("messages", "shorter", err);
    if (json_array_size(messages) == 0)
        return HEARTH_OK;
    r->path = "/v1/chat/completions";
    json_t *out = json_array();
    TRY(put(r->body, "messages", out, err));
    json_array_foreach(messages, i, message)
        TRY(add_message(out, message, &n_calls, &n_results, err));
    if (json_array_size(tools) > 0)
        TRY(put(r->body, "tools", json_incref(tools), err));
    return HEARTH_OK;
}

/* ---- one prompt ---- */

static hearth_status read_prompt_text(ollama_request *r, const json_t *body, hearth_error *err)
{
    const json_t *prompt = json_object_get(body, "prompt");
    const json_t *suffix = json_object_get(body, "suffix");
    json_t *text = json_incref((json_t *)(uintptr_t)prompt);
    if (json_string_length(suffix) > 0) {
        r->path = "/infill";
        r->is_infill = true;
        TRY(put(r->body, "input_prefix", text, err));
        return put(r->body, "input_suffix", json_incref((json_t *)(uintptr_t)suffix), err);
    }
    r->path = "/v1/completions";
    r->is_text = true;
    return put(r->body, "prompt", text, err);
}

static hearth_status read_generate(ollama_request *r, const json_t *body, hearth_error *err)
{
    const json_t *prompt = json_object_get(body, "prompt");
    const json_t *system = json_object_get(body, "system");
    const json_t *template = json_object_get(body, "template");
    const json_t *context = json_object_get(body, "context");
    json_t *messages;
    size_t none = 0;
    if (prompt && !json_is_string(prompt) && !json_is_null(prompt))
        return wrong("prompt", "a text", err);
    if (json_string_length(prompt) == 0)
        return HEARTH_OK;
    if (json_string_length(template) > 0)
        FAIL(err, EINVAL, "template", "template: a model keeps its own; send raw with the text");
    if (json_array_size(context) > 0)
        FAIL(err, EINVAL, "context", "context: is not kept here; use /api/chat with messages");
    if (json_is_true(json_object_get(body, "raw")) ||
        json_string_length(json_object_get(body, "suffix")) > 0)
        return read_prompt_text(r, body, err);
    r->path = "/v1/chat/completions";
    messages = json_array();
    TRY(put(r->body, "messages", messages, err));
    if (json_string_length(system) > 0 &&
        json_array_append_new(messages,
                              json_pack("{s:s, s:O}", "role", "system", "content", system)) != 0)
        return no_memory(err);
    json_t *message = json_pack("{s:s, s:O, s:O?}", "role", "user", "content", prompt, "images",
                                json_object_get(body, "images"));
    hearth_status status = add_message(messages, message, &none, &none, err);
    json_decref(message);
    return status;
}

/* ---- vectors ---- */

static hearth_status read_embed(ollama_request *r, const json_t *body, hearth_error *err)
{
    json_t *input = json_object_get(body, r->kind == OLLAMA_EMBED ? "input" : "prompt");
    const json_t *dimensions = json_object_get(body, "dimensions");
    if (dimensions && !json_is_null(dimensions) && json_integer_value(dimensions) != 0)
        FAIL(err, EINVAL, "dimensions", "dimensions: a vector is not cut; leave it out");
    if (input == NULL || json_is_null(input) ||
        json_array_size(input) + json_string_length(input) == 0)
        return HEARTH_OK;
    r->path = "/v1/embeddings";
    return put(r->body, "input", json_incref(input), err);
}

/* ---- all ---- */

static hearth_status read_kind(ollama_request *r, const json_t *body, hearth_error *err)
{
    if (r->kind == OLLAMA_EMBED || r->kind == OLLAMA_EMBEDDING)
        return read_embed(r, body, err);
    TRY(r->kind == OLLAMA_CHAT ? read_chat(r, body, err) : read_generate(r, body, err));
    if (r->path == NULL)
        return HEARTH_OK;
    TRY(refuse_logprobs(body, err));
    TRY(read_options(r, body, err));
    TRY(read_format(r, json_object_get(body, "format"), err));
    if (!r->is_text && !r->is_infill)
        TRY(read_think(r, json_object_get(body, "think"), err));
    TRY(put(r->body, "stream", json_true(), err));
    return r->is_infill
               ? HEARTH_OK
               : put(r->body, "stream_options", json_pack("{s:b}", "include_usage", 1), err);
}

hearth_status ollama_request_read(ollama_request *r, ollama_kind kind, const json_t *body,
                                  hearth_error *err)
{
    *r = (ollama_request){.kind = kind, .body = json_object()};
    buf_init(&r->ignored, 1024);
    if (r->body == NULL)
        return no_memory(err);
    if (!json_is_object(body))
        FAIL(err, EINVAL, "body", "the body must be a JSON object");
    TRY(read_common(r, body, err));
    TRY(read_kind(r, body, err));
    if (r->path == NULL) {
        json_decref(r->body);
        r->body = NULL;
    }
    return HEARTH_OK;
}

void ollama_request_deinit(ollama_request *r)
{
    json_decref(r->body);
    buf_deinit(&r->ignored);
    *r = (ollama_request){0};
}
