/* SPDX-License-Identifier: MIT
 *
 * failure.c - errors in the envelope of each API.
 *
 * OpenAI      {error: {message, type, param, code}}: param is the path of the field; code is
 * OpenAI's name of the failure, and where it has none the HTTP status. llama-server  {error: {code,
 * message, type}}: code is the HTTP status; a model that is being read adds its progress.
 * Anthropic   {type: error, error: {type, message}}. Types of the first two are llama-server's.
 * Too long    Of a prompt that is too long the type and the words of the message are those that
 * clients of each API look for. All three have OpenAI's name of it, as code, or as reason where
 * code is a number, and n_prompt_tokens and n_ctx.
 */
#include <stdio.h>
#include <string.h>

#include "protocol/reply_impl.h"

enum { APIS_OPENAI_ENVELOPE = APIS_OPENAI | API_OPENAI_EMBEDDING | API_OPENAI_MODELS };

static const char too_long[] = "context_length_exceeded";

static int http_of(const hearth_error *error, const failure_detail *detail)
{
    return detail && detail->http ? detail->http : hearth_status_http(error->code);
}

static const char *type_of(int http)
{
    static const struct {
        int http;
        const char *type;
    } types[] = {
        {401, "authentication_error"}, {403, "permission_error"},    {404, "not_found_error"},
        {429, "rate_limit_error"},     {501, "not_supported_error"}, {503, "unavailable_error"},
        {507, "unavailable_error"},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].http == http)
            return types[i].type;
    }
    return http < 500 ? "invalid_request_error" : "server_error";
}

static const char *anthropic_type(int http)
{
    switch (http) {
    case 413:
        return "request_too_large";
    case 503:
    case 507:
        return "overloaded_error";
    case 501:
        return "invalid_request_error";
    default:
        return http >= 500 ? "api_error" : type_of(http);
    }
}

static bool knows_counts(const hearth_error *error, const failure_detail *detail)
{
    return error->code == HEARTH_ECONTEXT && detail && detail->n_ctx > 0;
}

static void write_message(json_writer *w, bool is_anthropic, const hearth_error *error,
                          const failure_detail *detail)
{
    char text[320];
    if (!knows_counts(error, detail)) {
        json_text(w, "message", error->message);
        return;
    }
    if (is_anthropic)
        snprintf(text, sizeof text, "prompt is too long: %zu tokens > %zu maximum",
                 detail->n_prompt, detail->n_ctx);
    else
        snprintf(text, sizeof text,
                 "this model's maximum context length is %zu tokens; the request (%zu tokens) is "
                 "too large, it exceeds the available context size: send less, or start the engine "
                 "with a larger --ctx-size",
                 detail->n_ctx, detail->n_prompt);
    json_text(w, "message", text);
}

static void write_openai_code(json_writer *w, int http, const hearth_error *error)
{
    if (error->code == HEARTH_ECONTEXT)
        json_text(w, "code", too_long);
    else if (http == 401)
        json_text(w, "code", "invalid_api_key");
    else if (http == 404 && strcmp(error->where, "model") == 0)
        json_text(w, "code", "model_not_found");
    else if (http == 429)
        json_text(w, "code", "rate_limit_exceeded");
    else if (http == 400)
        json_none(w, "code");
    else
        json_whole(w, "code", http);
}

void failure_body(protocol_api api, json_writer *w, const hearth_error *error,
                  const failure_detail *detail)
{
    int http = http_of(error, detail);
    bool is_anthropic = (api & APIS_ANTHROPIC) != 0;
    bool is_openai = (api & APIS_OPENAI_ENVELOPE) != 0;
    const char *type = error->code == HEARTH_ECONTEXT ? "exceed_context_size_error" : type_of(http);
    json_open(w, NULL, '{');
    if (is_anthropic)
        json_text(w, "type", "error");
    json_open(w, "error", '{');
    if (is_openai) {
        write_openai_code(w, http, error);
        json_text(w, "param",
                  error->code == HEARTH_EINVAL && error->where[0] ? error->where : NULL);
    } else if (!is_anthropic) {
        json_whole(w, "code", http);
    }
    write_message(w, is_anthropic, error, detail);
    json_text(w, "type", is_anthropic ? anthropic_type(http) : type);
    if (!is_openai && error->code == HEARTH_ECONTEXT)
        json_text(w, is_anthropic ? "code" : "reason", too_long);
    if (knows_counts(error, detail)) {
        json_whole(w, "n_prompt_tokens", (int64_t)detail->n_prompt);
        json_whole(w, "n_ctx", (int64_t)detail->n_ctx);
    }
    if (!is_anthropic && detail && detail->is_loading)
        json_float(w, "progress", detail->progress);
    json_close(w, '}');
    json_close(w, '}');
}

int failure_write(protocol_api api, const hearth_error *error, const failure_detail *detail,
                  buf *out)
{
    json_writer w;
    json_start(&w, out);
    failure_body(api, &w, error, detail);
    return http_of(error, detail);
}
