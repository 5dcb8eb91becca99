/* SPDX-License-Identifier: MIT
 *
 * protocol_case.h - what the tests of app/protocol share: bodies written with ' for ", requests
 * described as text (what differs from the defaults alone), and scripts of events.
 */
#ifndef HEARTH_TESTS_PROTOCOL_CASE_H
#define HEARTH_TESTS_PROTOCOL_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "protocol/response.h"

/* ' becomes "; freed by the caller. */
static inline char *quoted(const char *text)
{
    char *copy = strdup(text);
    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    return copy;
}

static inline hearth_status parse(request **out, protocol_api api, const char *body,
                                  hearth_error *err)
{
    static const request_limits limits = {.n_choices_max = 4};
    char *text = quoted(body);
    *err = (hearth_error){0};
    *out = NULL;
    hearth_status status = request_parse(out, api, text, strlen(text), &limits, err);
    free(text);
    return status;
}

/* ---- a request as text ---- */

static inline void say_json(buf *b, const char *name, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (text)
        buf_append_format(b, " %s=%s", name, text);
    free(text);
}

static inline void say_prompt(buf *b, const char *name, const request_prompt *p)
{
    if (p->n > 0)
        buf_append_format(b, " %s=", name);
    for (size_t i = 0; i < p->n; i++) {
        if (p->parts[i].text)
            buf_append_format(b, "<%s>", p->parts[i].text);
        else
            buf_append_text(b, "#");
        for (size_t k = 0; k < p->parts[i].n_tokens; k++)
            buf_append_format(b, "%s%d", k > 0 ? "," : "", p->parts[i].tokens[k]);
    }
}

static inline void say_texts(buf *b, const char *name, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_append_format(b, " %s=<%s>", name, texts[i]);
}

static inline void say_options(buf *b, const request_options *o)
{
    request_options d;
    request_options_init(&d);
#define SAY_F "%g"
#define SAY_I "%d"
#define SAY_B "%d"
#define SAY_U "%u"
#define SAY_T "%s"
#define X(type, field, value, min, max, flag, help)                                                \
    if (o->sampler.field != d.sampler.field)                                                       \
        buf_append_format(b, " " #field "=" SAY_##type, o->sampler.field);
#include <hearth/sampler_options.def>
#undef X
#define FIELD(type, member, value, min, max, apis, help)                                           \
    if (o->member != d.member)                                                                     \
        buf_append_format(b, " " #member "=" SAY_##type, o->member);
#define ALIAS(...)
#define SPECIAL(...)
#define REFUSED(...)
#define IGNORED(...)
#include "protocol/request_fields.def"
#undef FIELD
#undef ALIAS
#undef SPECIAL
#undef REFUSED
#undef IGNORED
    if (o->sampler.samplers)
        buf_append_format(b, " samplers=%s", o->sampler.samplers);
    say_texts(b, "breaker", o->sampler.dry_sequence_breakers, o->sampler.n_dry_sequence_breakers);
    if (o->include_usage)
        buf_append_text(b, " include_usage");
    say_texts(b, "stop", o->stop, o->n_stop);
    for (size_t i = 0; i < o->n_bias; i++) {
        const request_bias *bias = &o->bias[i];
        if (bias->text)
            buf_append_format(b, " bias=<%s>:%g", bias->text, bias->bias);
        else
            buf_append_format(b, " bias=%d:%g", bias->token, bias->bias);
    }
    for (size_t i = 0; i < o->n_lora; i++)
        buf_append_format(b, " lora=%d:%g", o->lora[i].id, o->lora[i].scale);
    say_texts(b, "wants", o->response_fields, o->n_response_fields);
    if (o->n_probs != d.n_probs)
        buf_append_format(b, " n_probs=%d", o->n_probs);
    if (o->constraint == CONSTRAINT_GRAMMAR)
        buf_append_format(b, " grammar=%s", o->grammar);
    if (o->constraint == CONSTRAINT_REGEX)
        buf_append_format(b, " regex=%s", o->grammar);
    if (o->constraint == CONSTRAINT_JSON_OBJECT)
        buf_append_text(b, " json_object");
    say_json(b, "schema", o->schema);
    if (o->schema_name)
        buf_append_format(b, " schema_name=%s", o->schema_name);
    if (o->reasoning != d.reasoning)
        buf_append_format(b, " reasoning=%d", o->reasoning);
    if (o->thinking != SWITCH_DEFAULT)
        buf_append_format(b, " thinking=%s", o->thinking == SWITCH_ON ? "on" : "off");
    if (o->reasoning_effort)
        buf_append_format(b, " effort=%s", o->reasoning_effort);
}

static inline void say_chat(buf *b, const request_chat *c)
{
    static const char *const choices[] = {"auto", "none", "required", "named"};
    if (c->messages == NULL)
        return;
    say_json(b, "messages", c->messages);
    say_json(b, "tools", c->tools);
    if (c->choice != TOOL_CHOICE_AUTO)
        buf_append_format(b, " choice=%s", choices[c->choice]);
    if (c->tool_name)
        buf_append_format(b, " tool=%s", c->tool_name);
    if (!c->parallel_tool_calls)
        buf_append_text(b, " one_call");
    if (json_object_size(c->template_kwargs) > 0)
        say_json(b, "kwargs", c->template_kwargs);
    if (!c->add_generation_prompt)
        buf_append_text(b, " no_generation_prompt");
    if (c->continue_final_message)
        buf_append_text(b, " continue");
}

static inline void say_rest(buf *b, const request *r)
{
    for (size_t i = 0; i < r->n_prompts; i++)
        say_prompt(b, "prompt", &r->prompts[i]);
    say_prompt(b, "prefix", &r->infill.prefix);
    say_prompt(b, "suffix", &r->infill.suffix);
    say_prompt(b, "middle", &r->infill.middle);
    for (size_t i = 0; i < r->infill.n_extra; i++)
        buf_append_format(b, " extra=%s:<%s>", r->infill.extra[i].filename,
                          r->infill.extra[i].text);
    if (r->rerank.query)
        buf_append_format(b, " query=<%s>", r->rerank.query);
    say_texts(b, "document", r->rerank.documents, r->rerank.n_documents);
    if (r->kind == REQUEST_RERANK)
        buf_append_format(b, " top=%zu%s%s", r->rerank.top_n, r->rerank.tei ? " tei" : "",
                          r->rerank.return_documents ? " with_documents" : "");
    if (r->filename)
        buf_append_format(b, " filename=%s", r->filename);
    if (r->kind == REQUEST_LORA_LOAD)
        buf_append_format(b, " scale=%g", (double)r->lora_scale);
    if (r->control_id)
        buf_append_format(b, " control=%s", r->control_id);
    if (r->base64)
        buf_append_text(b, " base64");
    if (r->ignored)
        buf_append_format(b, " ignored=%s", r->ignored);
}

static inline char *describe(const request *r)
{
    static const char *const kinds[] = {"chat",  "complete", "infill",   "count",      "template",
                                        "embed", "rerank",   "tokenize", "detokenize", "slot",
                                        "lora",  "load",     "control",  "props"};
    buf b;
    buf_init(&b, 0);
    buf_append_text(&b, kinds[r->kind]);
    if (r->model)
        buf_append_format(&b, " model=%s", r->model);
    say_options(&b, &r->options);
    say_chat(&b, &r->chat);
    say_rest(&b, r);
    return buf_take(&b, NULL);
}

/* ---- tables of requests ---- */

typedef struct request_case {
    protocol_api api;
    const char *body;
    const char *expect; /* describe()'s text; or "!" and the beginning of the message */
} request_case;

static inline void check_requests(const request_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const request_case *c = &cases[i];
        request *r;
        hearth_error err;
        hearth_status status = parse(&r, c->api, c->body, &err);
        char *text = status == HEARTH_OK ? describe(r) : NULL;
        char *got = quoted(text ? text : err.message); /* messages have ' themselves */
        char *want = quoted(c->expect[0] == '!' ? c->expect + 1 : c->expect);
        bool same = c->expect[0] == '!'
                        ? status == HEARTH_EINVAL && strncmp(got, want, strlen(want)) == 0
                        : status == HEARTH_OK && strcmp(got, want) == 0;
        if (!same)
            fail_msg("case %zu: %s\n  got  %s\n  want %s", i, c->body, got, c->expect);
        if (status != HEARTH_OK)
            assert_null(r);
        mem_free(text);
        free(got);
        free(want);
        request_free(r);
    }
}

#define CHECK_REQUESTS(cases) check_requests(cases, sizeof(cases) / sizeof *(cases))

/* ---- scripts of events ---- */

static const reply_info test_info = {.model = "m",
                                     .fingerprint = "b1-hearth",
                                     .id = "0123456789abcdefghijklmnopqrstuv",
                                     .created_s = 1700000000};

static inline reply_event said(reply_event_type type, const char *text)
{
    return (reply_event){.type = type, .text = text, .n_text = text ? strlen(text) : 0};
}

static inline reply_event tool_said(const char *name)
{
    return (reply_event){.type = REPLY_TOOL, .tool_name = name};
}

static const reply_usage test_usage = {.n_prompt = 10,
                                       .n_cached = 4,
                                       .n_processed = 10,
                                       .n_generated = 5,
                                       .prompt_ms = 12,
                                       .generate_ms = 20};

static inline reply_event done_said(hearth_finish_reason finish, const char *stop_word)
{
    return (reply_event){
        .type = REPLY_DONE, .finish = finish, .stop_word = stop_word, .usage = test_usage};
}

/* Everything that the answer to body writes. */
static inline char *play(protocol_api api, const char *body, const reply_event *events, size_t n)
{
    request *r;
    reply *y;
    hearth_error err;
    buf out;
    if (parse(&r, api, body, &err) != HEARTH_OK)
        fail_msg("%s: %s", body, err.message);
    buf_init(&out, 0);
    assert_int_equal(reply_new(&y, r, &test_info, &err), HEARTH_OK);
    assert_int_equal(reply_begin(y, &(reply_usage){.n_prompt = 10, .n_cached = 4}, &out, &err),
                     HEARTH_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(reply_write(y, &events[i], &out, &err), HEARTH_OK);
    assert_int_equal(reply_end(y, &out, &err), HEARTH_OK);
    reply_free(y);
    request_free(r);
    return buf_take(&out, NULL);
}

static inline void check_play(protocol_api api, const char *body, const reply_event *events,
                              size_t n, const char *expect)
{
    char *got = play(api, body, events, n);
    char *want = quoted(expect);
    if (strcmp(got, want) != 0)
        fail_msg("%s\n--- got\n%s\n--- want\n%s", body, got, want);
    mem_free(got);
    free(want);
}

#define CHECK_PLAY(api, body, events, expect)                                                      \
    check_play(api, body, events, sizeof(events) / sizeof *(events), expect)

#endif
