/* SPDX-License-Identifier: MIT
 *
 * fuzz_tools.c - any answer, in any notation: nothing crashes, a second way of cutting gives the
 * same, finished arguments are JSON, and text without calls comes out whole.
 *
 * Input: a byte that chooses the notation, a byte for the size of the pieces, the answer.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/mem.h"
#include "chat/format.h"

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\","
    "\"properties\":{\"s\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},\"a\":{}}}}}]";

typedef struct tried {
    buf text;      /* the calls' events */
    buf kinds[2];  /* all of the reasoning, all of the content */
    buf arguments; /* of the last call */
} tried;

static void shape_of(tool_shape *s, uint8_t byte)
{
    tool_shape_init(s);
    s->kind = (tool_kind)(byte % 7);
    s->think_open = byte & 64 ? "" : "<think>\n";
    s->think_close = "\n</think>\n";
    switch (s->kind) {
    case TOOL_KIND_JSON:
        s->call_open = "<tool_call>\n";
        s->call_close = "\n</tool_call>";
        s->bare = byte & 128;
        break;
    case TOOL_KIND_LIST:
    case TOOL_KIND_KEYED:
        s->section_open = "[CALLS]";
        s->section_close = "[/CALLS]";
        break;
    case TOOL_KIND_NAME_JSON:
        s->recipient = byte & 128;
        s->call_open = ">>>";
        s->name_close = byte & 128 ? "\n" : "[ARGS]";
        s->id_open = byte & 128 ? "" : "[ID]";
        break;
    case TOOL_KIND_XML:
        s->section_open = byte & 128 ? "<calls>" : "";
        s->call_open = "<call>\n<function=";
        s->name_close = byte & 128 ? "" : ">\n";
        s->key_open = "<p=";
        s->key_close = ">\n";
        s->key_close_other = byte & 128 ? "!>" : "";
        s->value_close = "\n</p>";
        s->call_close = "</function>\n</call>";
        s->line_values = s->cdata = byte & 128;
        break;
    case TOOL_KIND_PAIRS:
        s->section_open = byte & 128 ? "" : "<calls>[";
        s->section_close = byte & 128 ? "" : "]</calls>";
        s->call_open = byte & 128 ? "call:" : "";
        s->name_close = byte & 128 ? "{" : "(";
        s->key_close = byte & 128 ? ":" : "=";
        s->args_close = byte & 128 ? "}" : ")";
        s->quote = byte & 128 ? "<|\"|>" : "";
        break;
    default:
        break;
    }
}

static void check(bool right)
{
    if (!right)
        __builtin_trap();
}

static void take(hearth_chat_parser *parser, tried *t)
{
    hearth_chat_event e;
    while (hearth_chat_parser_next(parser, &e)) {
        if (e.type <= HEARTH_CHAT_CONTENT)
            buf_append(&t->kinds[e.type], e.text, e.n);
        if (e.type == HEARTH_CHAT_CALL_BEGIN)
            buf_clear(&t->arguments);
        if (e.type == HEARTH_CHAT_CALL_ARGUMENTS)
            buf_append(&t->arguments, e.text, e.n);
        if (e.type == HEARTH_CHAT_CALL_END) {
            json_t *args = json_loadb(t->arguments.data, t->arguments.n, JSON_ALLOW_NUL, NULL);
            /* jansson refuses huge numbers and keys with a NUL, which are JSON all the same */
            check(args != NULL || strpbrk(t->arguments.data, "0123456789") != NULL);
            json_decref(args);
        }
        if (e.type > HEARTH_CHAT_CONTENT && e.type != HEARTH_CHAT_CALL_ARGUMENTS)
            buf_append_format(&t->text, "%d %u ", e.type, e.index);
    }
}

static void try_pieces(const hearth_chat_format *format, const uint8_t *data, size_t n,
                       size_t piece, tried *t)
{
    hearth_chat_parser *parser = NULL;
    for (size_t i = 0; i < 2; i++)
        buf_init(&t->kinds[i], 0);
    buf_init(&t->text, 0);
    buf_init(&t->arguments, 0);
    check(hearth_chat_parser_new(&parser, format, NULL) == HEARTH_OK);
    for (size_t at = 0; at < n; at += piece) {
        size_t have = piece < n - at ? piece : n - at;
        check(hearth_chat_parser_feed(parser, (const char *)data + at, have, NULL) == HEARTH_OK);
        take(parser, t);
    }
    check(hearth_chat_parser_finish(parser, NULL) == HEARTH_OK);
    take(parser, t);
    hearth_chat_parser_free(parser);
}

static bool same(const buf *a, const buf *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->data, b->data, a->n) == 0);
}

static void end(tried *t)
{
    for (size_t i = 0; i < 2; i++)
        buf_deinit(&t->kinds[i]);
    buf_deinit(&t->text);
    buf_deinit(&t->arguments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tool_shape shape;
    hearth_chat_format_options options;
    hearth_chat_format *format = NULL;
    tried whole, cut;
    if (size < 2 || size > 1 << 16)
        return 0;
    shape_of(&shape, data[0]);
    hearth_chat_format_options_init(&options);
    options.tools = tools;
    options.n_tools_bytes = sizeof tools - 1;
    options.reasoning = data[1] & 128 ? HEARTH_REASONING_NONE : HEARTH_REASONING_AUTO;
    options.prompt = data[1] & 64 ? "<think>\n>>>" : "";
    options.n_prompt = strlen(options.prompt);
    check(format_open(&format, &shape, &options, NULL) == HEARTH_OK);
    try_pieces(format, data + 2, size - 2, size, &whole);
    try_pieces(format, data + 2, size - 2, 1 + (data[1] & 31), &cut);
    for (size_t i = 0; i < 2; i++)
        check(same(&whole.kinds[i], &cut.kinds[i]));
    check(same(&whole.text, &cut.text));
    check(same(&whole.arguments, &cut.arguments));
    end(&whole);
    end(&cut);
    hearth_chat_format_free(format);
    return 0;
}
