/* SPDX-License-Identifier: MIT
 *
 * format.c - see tools.h: one request's format, and whole answers at once.
 */
#include "chat/format.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/options_take.h"
#include "base/status.h"
#include "base/utf8.h"
#include "chat/tool_json.h"

static const char harmony_begin[] = "<|channel|>analysis<|message|>";
static const char harmony_end[] = "<|end|><|start|>assistant<|channel|>final<|message|>";

void hearth_chat_format_options_init(hearth_chat_format_options *options)
{
    *options = (hearth_chat_format_options){.struct_size = sizeof *options, .parallel = true};
}

static size_t trimmed(const char *text, size_t n)
{
    while (n > 0 && tool_json_is_blank(text[n - 1]))
        n--;
    return n;
}

/* Whether text ends with the mark, both without the blanks at their ends. */
static bool ends_with(const char *text, size_t n, const char *mark)
{
    while (tool_json_is_blank(*mark))
        mark++;
    size_t n_mark = trimmed(mark, strlen(mark));
    n = trimmed(text, n);
    return n_mark > 0 && n >= n_mark && memcmp(text + n - n_mark, mark, n_mark) == 0;
}

static void read_prompt(hearth_chat_format *f, const char *prompt, size_t n)
{
    const tool_shape *s = f->shape;
    bool always = s->think_open[0] == '\0' && s->think_close[0] != '\0';
    f->in_call_open = s->recipient && ends_with(prompt, n, s->call_open);
    f->reasoning_open = always ? !ends_with(prompt, n, s->think_close)
                               : !s->guessed_think && ends_with(prompt, n, s->think_open);
}

static hearth_status check_choice(const hearth_chat_format *f,
                                  const hearth_chat_format_options *options, hearth_error *err)
{
    const char *name = options->tool_name;
    bool must = options->choice == HEARTH_TOOL_REQUIRED || options->choice == HEARTH_TOOL_NAMED;
    if (must && f->tools.n == 0)
        FAIL(err, EINVAL, "tool_choice",
             "tool_choice: a call is asked for, but no tools are given");
    if (options->choice != HEARTH_TOOL_NAMED)
        return HEARTH_OK;
    if (!name || !tool_list_find(&f->tools, name, strlen(name)))
        FAIL(err, EINVAL, "tool_choice", "tool_choice: \"%s\" is none of the %zu tools",
             name ? name : "", f->tools.n);
    return HEARTH_OK;
}

hearth_status format_open(hearth_chat_format **out, const tool_shape *shape,
                          const hearth_chat_format_options *given, hearth_error *err)
{
    hearth_status status;
    hearth_chat_format_options taken, *options = &taken;
    hearth_chat_format_options_init(options);
    TRY(options_take(options, sizeof *options, given, "hearth_chat_format_options", err));
    if ((unsigned)options->choice > HEARTH_TOOL_NAMED ||
        (unsigned)options->reasoning > HEARTH_REASONING_SPLIT)
        FAIL(err, EINVAL, "options", "choice or reasoning is no value of its enum");
    hearth_chat_format *f = mem_calloc(1, sizeof *f);
    if (!f)
        return error_no_memory(err, "a chat format", sizeof *f);
    f->shape = shape;
    f->parallel = options->parallel && !shape->one_call;
    f->inline_reasoning = options->reasoning == HEARTH_REASONING_NONE;
    f->id_seed = options->id_seed;
    TRY_OUT(tool_list_open(&f->tools, options->tools, options->n_tools_bytes, err));
    TRY_OUT(check_choice(f, options, err));
    f->active = f->tools.n > 0 && options->choice != HEARTH_TOOL_NONE;
    if (options->prompt)
        read_prompt(f, options->prompt, options->n_prompt);
    if (shape->kind == TOOL_KIND_HARMONY) {
        f->reasoning_begin = harmony_begin;
        f->reasoning_end = harmony_end;
    } else if (!shape->guessed_think && shape->think_close[0] != '\0') {
        f->reasoning_begin = shape->think_open;
        f->reasoning_end = shape->think_close;
    }
    TRY_OUT(format_make_grammar(f, options->choice, options->tool_name, err));
    *out = f;
    return HEARTH_OK;
out:
    hearth_chat_format_free(f);
    return status;
}

hearth_status hearth_chat_format_new(hearth_chat_format **out, const hearth_chat_style *style,
                                     const hearth_chat_format_options *options, hearth_error *err)
{
    *out = NULL;
    TRY(format_open(out, &style->shape, options, err));
    for (size_t i = 0; i < 2; i++)
        if (style->stops[i])
            (*out)->stops[(*out)->n_stops++] = style->stops[i];
    return HEARTH_OK;
}

void hearth_chat_format_free(hearth_chat_format *f)
{
    if (!f)
        return;
    tool_list_close(&f->tools);
    for (size_t i = 0; i < f->n_triggers; i++)
        mem_free(f->triggers[i].text);
    for (size_t i = 0; i < f->n_tags; i++)
        mem_free(f->tags[i]);
    mem_free(f->grammar);
    mem_free(f);
}

bool hearth_chat_format_wants_special(const hearth_chat_format *f)
{
    return f->shape->kind == TOOL_KIND_HARMONY || f->active || f->n_tags > 0;
}

size_t hearth_chat_format_n_stop(const hearth_chat_format *f)
{
    return f->n_stops;
}

const char *hearth_chat_format_stop(const hearth_chat_format *f, size_t i)
{
    return i < f->n_stops ? f->stops[i] : NULL;
}

bool hearth_chat_format_reasoning_open(const hearth_chat_format *f)
{
    return f->reasoning_open;
}

const char *hearth_chat_format_reasoning_begin(const hearth_chat_format *f)
{
    return f->reasoning_begin;
}

/* A model may think although its template knows nothing of it: the usual mark ends that too. */
const char *hearth_chat_format_reasoning_end(const hearth_chat_format *f)
{
    const char *guess = f->shape->think_close;
    return f->reasoning_end || guess[0] == '\0' ? f->reasoning_end : guess;
}

const char *hearth_chat_format_grammar(const hearth_chat_format *f)
{
    return f->grammar;
}

size_t hearth_chat_format_n_triggers(const hearth_chat_format *f)
{
    return f->n_triggers;
}

const char *hearth_chat_format_trigger(const hearth_chat_format *f, size_t i, bool *is_pattern)
{
    if (i >= f->n_triggers)
        return NULL;
    *is_pattern = f->triggers[i].is_pattern;
    return f->triggers[i].text;
}

size_t hearth_chat_format_n_tags(const hearth_chat_format *f)
{
    return f->n_tags;
}

const char *hearth_chat_format_tag(const hearth_chat_format *f, size_t i)
{
    return i < f->n_tags ? f->tags[i] : NULL;
}

/* ---- a whole answer ---- */

typedef struct message {
    json_t *calls;
    buf content, reasoning, arguments;
    json_t *call;
    uint32_t index;
    bool failed;
} message;

static json_t *text_json(const buf *b)
{
    buf clean;
    json_t *text = NULL;
    bool ok = true;
    buf_init(&clean, 0);
    for (size_t i = 0; ok && i < b->n;) {
        size_t n = utf8_valid_prefix(b->data + i, b->n - i);
        ok = n > 0 ? buf_append(&clean, b->data + i, n) : buf_append_text(&clean, "\xEF\xBF\xBD");
        i += n > 0 ? n : 1;
    }
    if (ok)
        text = json_stringn(clean.n > 0 ? clean.data : "", clean.n);
    buf_deinit(&clean);
    return text;
}

static void end_message_call(message *m, bool keep)
{
    if (!m->call)
        return;
    if (keep) {
        json_t *function = json_object_get(m->call, "function");
        m->failed |= json_object_set_new(function, "arguments", text_json(&m->arguments)) != 0;
        m->failed |= json_array_append_new(m->calls, m->call) != 0;
    } else {
        json_decref(m->call);
    }
    m->call = NULL;
    buf_clear(&m->arguments);
}

static void take_event(message *m, const hearth_chat_event *e)
{
    switch (e->type) {
    case HEARTH_CHAT_REASONING:
        m->failed |= !buf_append(&m->reasoning, e->text, e->n);
        break;
    case HEARTH_CHAT_CONTENT:
        m->failed |= !buf_append(&m->content, e->text, e->n);
        break;
    case HEARTH_CHAT_CALL_BEGIN:
        m->call = json_pack("{s:s, s:s, s:{s:s}}", "id", e->id, "type", "function", "function",
                            "name", e->name);
        m->failed |= m->call == NULL;
        break;
    case HEARTH_CHAT_CALL_ARGUMENTS:
        m->failed |= !buf_append(&m->arguments, e->text, e->n);
        break;
    default:
        end_message_call(m, e->type != HEARTH_CHAT_CALL_DROPPED);
    }
}

static char *message_text(message *m)
{
    bool calls = json_array_size(m->calls) > 0;
    char *text = NULL;
    json_t *root = json_pack("{s:s}", "role", "assistant");
    json_t *content = m->content.n == 0 && calls ? json_null() : text_json(&m->content);
    m->failed |= json_object_set_new(root, "content", content) != 0;
    if (m->reasoning.n > 0)
        m->failed |= json_object_set_new(root, "reasoning_content", text_json(&m->reasoning)) != 0;
    if (calls)
        m->failed |= json_object_set(root, "tool_calls", m->calls) != 0;
    if (!m->failed)
        text = json_to_text(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

hearth_status hearth_chat_parse(const hearth_chat_format *format, const char *text, size_t n,
                                char **out, hearth_error *err)
{
    hearth_status status;
    hearth_chat_parser *parser = NULL;
    hearth_chat_event e;
    message m = {.calls = json_array()};
    *out = NULL;
    buf_init(&m.content, 0);
    buf_init(&m.reasoning, 0);
    buf_init(&m.arguments, 0);
    TRY_OUT(hearth_chat_parser_new(&parser, format, err));
    TRY_OUT(hearth_chat_parser_feed(parser, text, n, err));
    while (hearth_chat_parser_next(parser, &e))
        take_event(&m, &e);
    TRY_OUT(hearth_chat_parser_finish(parser, err));
    while (hearth_chat_parser_next(parser, &e))
        take_event(&m, &e);
    *out = m.calls ? message_text(&m) : NULL;
    if (!*out)
        status = error_no_memory(err, "a message", n);
out:
    json_decref(m.call);
    json_decref(m.calls);
    buf_deinit(&m.content);
    buf_deinit(&m.reasoning);
    buf_deinit(&m.arguments);
    hearth_chat_parser_free(parser);
    return status;
}
