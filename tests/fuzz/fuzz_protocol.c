/* SPDX-License-Identifier: MIT
 *
 * fuzz_protocol.c - any bytes as the body of any API: refused with a message and a path, or a
 * request that holds what its header promises, whose answer is JSON and UTF-8 whatever the events
 * hold.
 *
 * Input    byte 0: the API; byte 1: how many bytes of the rest (times four) are the text of the
 *          events; the rest is the body.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "protocol/response.h"

/* The first bits of protocol_api, and one that came later. */
enum { N_FIRST_APIS = 19, N_APIS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* ---- what a request promises ---- */

static void check_text_member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    require(value == NULL || json_is_string(value));
}

static void check_messages(const request_chat *c)
{
    size_t i, k;
    json_t *message, *call, *tool;
    require(json_array_size(c->messages) > 0 && json_is_object(c->template_kwargs));
    require(!c->add_generation_prompt || !c->continue_final_message);
    json_array_foreach(c->messages, i, message)
    {
        require(json_is_string(json_object_get(message, "role")));
        require(json_is_string(json_object_get(message, "content")));
        check_text_member(message, "name");
        check_text_member(message, "reasoning_content");
        check_text_member(message, "tool_call_id");
        json_array_foreach(json_object_get(message, "tool_calls"), k, call)
        {
            const json_t *function = json_object_get(call, "function");
            require(json_is_string(json_object_get(function, "name")));
            require(json_is_string(json_object_get(function, "arguments")));
        }
    }
    json_array_foreach(c->tools, i, tool)
    {
        const json_t *function = json_object_get(tool, "function");
        require(json_is_string(json_object_get(function, "name")));
        require(json_is_object(json_object_get(function, "parameters")));
    }
    require(c->choice != TOOL_CHOICE_NAMED || (c->tool_name && json_array_size(c->tools) > 0));
}

static void check_prompt(const request_prompt *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const prompt_part *part = &p->parts[i];
        require(part->text == NULL || strlen(part->text) == part->n_text);
        for (size_t k = 0; k < part->n_tokens; k++)
            require(part->tokens[k] >= 0);
    }
}

static void check_request(const request *r)
{
    if (r->chat.messages)
        check_messages(&r->chat);
    for (size_t i = 0; i < r->n_prompts; i++)
        check_prompt(&r->prompts[i]);
    check_prompt(&r->infill.prefix);
    check_prompt(&r->infill.suffix);
    check_prompt(&r->infill.middle);
    require(r->kind != REQUEST_RERANK ||
            (r->rerank.query && r->rerank.top_n > 0 && r->rerank.top_n <= r->rerank.n_documents));
    for (const char *c = r->ignored ? r->ignored : ""; *c; c++)
        require(*c >= 0x20 && *c < 0x7f); /* goes into a header */
}

/* ---- what an answer promises ---- */

static void check_json(const char *text, size_t n)
{
    json_t *value = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
    require(value != NULL);
    json_decref(value);
}

static void check_stream(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        if (strncmp(text, "data: {", 7) == 0)
            check_json(text + 6, n - 6);
        else
            require(n == 0 || strncmp(text, "event: ", 7) == 0 ||
                    strcmp(text, "data: [DONE]\n\n") == 0);
        text += n + (text[n] == '\n');
    }
}

static void say(reply *y, buf *out, reply_event_type type, uint32_t choice, const char *text,
                size_t n)
{
    const reply_candidate top = {1, text, n, -1};
    const reply_token token = {2, text, n, -0.5f, &top, 1};
    const reply_event event = {.type = type,
                               .choice = choice,
                               .text = text,
                               .n_text = n,
                               .tokens = &token,
                               .n_tokens = 1,
                               .tool_name = "f",
                               .prompt = text,
                               .n_prompt_text = n,
                               .usage = {.n_prompt = 3, .n_cached = 1, .n_generated = 2},
                               .finish = HEARTH_FINISH_LIMIT};
    require(reply_write(y, &event, out, NULL) == HEARTH_OK);
}

static void check_answer(const request *r, const char *text, size_t n)
{
    static const reply_event_type order[] = {REPLY_PROGRESS, REPLY_REASONING, REPLY_CONTENT,
                                             REPLY_TOKENS,   REPLY_TOOL,      REPLY_ARGUMENTS,
                                             REPLY_CONTENT,  REPLY_DONE};
    const reply_info info = {"m", "b1", "0123456789abcdefghijklmn", 1};
    reply *y;
    buf out;
    buf_init(&out, 0);
    require(reply_new(&y, r, &info, NULL) == HEARTH_OK);
    require(reply_begin(y, &(reply_usage){.n_prompt = 3}, &out, NULL) == HEARTH_OK);
    uint32_t n_choices = request_n_choices(r);
    for (uint32_t choice = 0; choice < n_choices; choice++) {
        for (size_t i = 0; i < sizeof order / sizeof *order; i++)
            say(y, &out, order[i], choice, text, n);
    }
    require(reply_end(y, &out, NULL) == HEARTH_OK);
    require(utf8_is_valid(out.data, out.n));
    if (r->options.stream)
        check_stream(out.data);
    else
        check_json(out.data, out.n);
    reply_free(y);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const request_limits limits = {.n_choices_max = 3};
    hearth_error err = {0};
    request *r = NULL;
    if (n < 2)
        return 0;
    unsigned which = data[0] % N_APIS;
    protocol_api api = which < N_FIRST_APIS ? (protocol_api)(1u << which) : API_LORA_LOAD;
    size_t n_text = (size_t)data[1] * 4 < n - 2 ? (size_t)data[1] * 4 : n - 2;
    const char *body = (const char *)data + 2;
    hearth_status status = request_parse(&r, api, body, n - 2, &limits, &err);
    if (status != HEARTH_OK) {
        require(status == HEARTH_EINVAL && r == NULL && err.message[0] && err.where[0]);
        return 0;
    }
    check_request(r);
    bool generates =
        r->kind == REQUEST_CHAT || r->kind == REQUEST_COMPLETE || r->kind == REQUEST_INFILL;
    if (generates && request_n_choices(r) <= 16)
        check_answer(r, body, n_text);
    request_free(r);
    return 0;
}
