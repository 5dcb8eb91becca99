/* SPDX-License-Identifier: MIT
 *
 * tools.h - reasoning and tool calls: what a model's text means, and what it must keep to.
 *
 * What     Every model family writes its reasoning and its calls in a notation of its own. A
 *          hearth_chat_style is what a chat template teaches of that notation: it is learned by
 *          rendering marked conversations and reading the marks' surroundings. A hearth_chat_format
 *          is one request: a style with tools, a tool choice and a rendered prompt; it knows the
 *          grammar to sample under and how the answer begins. A hearth_chat_parser takes the
 *          answer as it is written and gives events.
 * Life     hearth_chat_style_learn once per model -> for each request hearth_chat_style_prepare
 *          (its context), hearth_chat_template_render, hearth_chat_format_new, then a parser that
 *          is fed each piece of text.
 * Text     The parser wants the answer with control tokens written out (<tool_call>, <|channel|>,
 *          [TOOL_CALLS], ...), as hearth_chat_format_wants_special says; the model's end tokens may
 *          be there or not. Any bytes are fine, cut anywhere: the events' texts, joined by kind,
 *          are the same for every way of cutting.
 * Errors   Only ENOMEM, and EINVAL for what the caller said. What the model wrote is never one.
 * Threads  Styles and formats are immutable: any thread. A parser: one thread at a time. A format
 *          must outlive its parsers, a style its formats.
 * Owners   Strings given out are borrowed, unless an `out` parameter is told to be freed with
 *          hearth_free.
 */
#ifndef HEARTH_TOOLS_H
#define HEARTH_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/chat.h>
#include <hearth/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_chat_style hearth_chat_style;
typedef struct hearth_chat_format hearth_chat_format;
typedef struct hearth_chat_parser hearth_chat_parser;

/* ---- style: once per model ----------------------------------------------------------------- */

/* Learns a template's notation by rendering it about a dozen times; source is the text that the
 * template was made of, which is looked at for notations that it mentions without writing them. A
 * template that knows no tool calls gives the generic style:
 * <tool_call>{"name": ..., "arguments": {...}}</tool_call>, told to the model in a system message
 * (see prepare). The style keeps neither. Errors: ENOMEM. */
HEARTH_API hearth_status hearth_chat_style_learn(hearth_chat_style **out,
                                                 const hearth_chat_template *template_,
                                                 const char *source, size_t n_source,
                                                 hearth_error *err);
HEARTH_API void hearth_chat_style_free(hearth_chat_style *style);

/* Short name of the notation of calls, for people and tests: "json" (an object in tags or bare),
 * "json-list", "json-keyed", "name-json", "xml", "pythonic", "braces", "harmony". */
HEARTH_API const char *hearth_chat_style_calls(const hearth_chat_style *style);

/* Whether the template itself writes tools into the prompt and calls into the history. Where it
 * does not, prepare does. */
HEARTH_API bool hearth_chat_style_native_tools(const hearth_chat_style *style);
HEARTH_API bool hearth_chat_style_native_calls(const hearth_chat_style *style);

/* Everything that was learned, as a JSON object. Freed with hearth_free. */
HEARTH_API hearth_status hearth_chat_style_describe(const hearth_chat_style *style, char **out,
                                                    hearth_error *err);

/* Rewrites a render context (a JSON object with messages in OpenAI's form, tools, ...) into what
 * the template can render: arguments as an object or as text, as the template wants them; where
 * the template knows no tools or calls, tools as a system message and calls and results as text.
 * The rest is untouched. *out is freed with hearth_free. EINVAL if context is not such an
 * object. */
HEARTH_API hearth_status hearth_chat_style_prepare(const hearth_chat_style *style,
                                                   const char *context, size_t n_context,
                                                   char **out, hearth_error *err);

/* ---- format: once per request ---------------------------------------------------------------- */

typedef enum hearth_tool_choice {
    HEARTH_TOOL_AUTO = 0,     /* the model decides */
    HEARTH_TOOL_NONE = 1,     /* text that looks like a call is text */
    HEARTH_TOOL_REQUIRED = 2, /* at least one call, after any reasoning */
    HEARTH_TOOL_NAMED = 3     /* a call of tool_name, after any reasoning */
} hearth_tool_choice;

typedef enum hearth_reasoning_format {
    HEARTH_REASONING_AUTO = 0, /* split where the template knows reasoning, or <think> begins the
                                  answer */
    HEARTH_REASONING_NONE = 1, /* stays in the content, tags and all */
    HEARTH_REASONING_SPLIT = 2 /* as AUTO; the name "deepseek" of other servers */
} hearth_reasoning_format;

typedef struct hearth_chat_format_options {
    size_t struct_size; /* set by hearth_chat_format_options_init */
    const char *tools;  /* OpenAI's array of tools as JSON text; NULL: none */
    size_t n_tools_bytes;
    hearth_tool_choice choice;
    const char *tool_name; /* of HEARTH_TOOL_NAMED */
    bool parallel;         /* more than one call in an answer; default true */
    hearth_reasoning_format reasoning;
    const char *prompt; /* the rendered prompt: its end tells how the answer begins */
    size_t n_prompt;
    uint64_t id_seed; /* call ids are made from it and the call's index; give a random number */
} hearth_chat_format_options;
/* parallel true, everything else 0. */
HEARTH_API void hearth_chat_format_options_init(hearth_chat_format_options *options);

/* EINVAL, with the JSON path, for tools that are not an array of functions with names, an unknown
 * tool_name, or a choice that needs tools without any. Everything is copied. */
HEARTH_API hearth_status hearth_chat_format_new(hearth_chat_format **out,
                                                const hearth_chat_style *style,
                                                const hearth_chat_format_options *options,
                                                hearth_error *err);
HEARTH_API void hearth_chat_format_free(hearth_chat_format *format);

/* Whether control tokens must reach the parser as text. */
HEARTH_API bool hearth_chat_format_wants_special(const hearth_chat_format *format);

/* Texts that end the answer beside the model's end tokens, and are not part of it. */
HEARTH_API size_t hearth_chat_format_n_stop(const hearth_chat_format *format);
HEARTH_API const char *hearth_chat_format_stop(const hearth_chat_format *format, size_t i);

/* Whether the prompt has opened the reasoning, so that the answer begins inside it. */
HEARTH_API bool hearth_chat_format_reasoning_open(const hearth_chat_format *format);

/* The text that opens reasoning ("<think>\n"), NULL if the template knows none; and the text that
 * ends it from anywhere inside and lets the answer begin ("\n</think>\n\n"): what a server writes
 * when a reasoning budget is spent. */
HEARTH_API const char *hearth_chat_format_reasoning_begin(const hearth_chat_format *format);
HEARTH_API const char *hearth_chat_format_reasoning_end(const hearth_chat_format *format);

/* The grammar of the calls (GBNF, rule `root`), or NULL if nothing is to be enforced. Without
 * triggers it holds from the answer's first byte (reasoning is part of it). With triggers it is
 * lazy: any of them starts it, a word from its first byte, a pattern from its first group (the
 * WORD and PATTERN of grammar.h). */
HEARTH_API const char *hearth_chat_format_grammar(const hearth_chat_format *format);
HEARTH_API size_t hearth_chat_format_n_triggers(const hearth_chat_format *format);
HEARTH_API const char *hearth_chat_format_trigger(const hearth_chat_format *format, size_t i,
                                                  bool *is_pattern);

/* The tags of the notation. Where a vocabulary has one as a control token, the grammar's matcher
 * must count it as its text (`preserved` of grammar.h). */
HEARTH_API size_t hearth_chat_format_n_tags(const hearth_chat_format *format);
HEARTH_API const char *hearth_chat_format_tag(const hearth_chat_format *format, size_t i);

/* ---- parser: once per answer ------------------------------------------------------------------
 */

typedef enum hearth_chat_event_type {
    HEARTH_CHAT_REASONING = 0,      /* text */
    HEARTH_CHAT_CONTENT = 1,        /* text */
    HEARTH_CHAT_CALL_BEGIN = 2,     /* index, id, name: of a tool that was given */
    HEARTH_CHAT_CALL_ARGUMENTS = 3, /* index, text: joined, they are one JSON object */
    HEARTH_CHAT_CALL_END = 4,       /* index: the arguments are complete */
    HEARTH_CHAT_CALL_CUT = 5, /* index: the answer ended inside the arguments; they are not JSON */
    HEARTH_CHAT_CALL_DROPPED = 6 /* index: was no call after all; its text follows as content */
} hearth_chat_event_type;

typedef struct hearth_chat_event {
    hearth_chat_event_type type;
    uint32_t index;   /* of calls, from 0; a dropped call's index is not used again */
    const char *text; /* n bytes; borrowed until the next feed or finish */
    size_t n;
    const char *id;
    const char *name;
} hearth_chat_event;

HEARTH_API hearth_status hearth_chat_parser_new(hearth_chat_parser **out,
                                                const hearth_chat_format *format,
                                                hearth_error *err);
HEARTH_API void hearth_chat_parser_free(hearth_chat_parser *parser);

/* Takes the next bytes of the answer. Events that were not fetched before are lost. */
HEARTH_API hearth_status hearth_chat_parser_feed(hearth_chat_parser *parser, const char *text,
                                                 size_t n, hearth_error *err);

/* The answer has ended: what was held back comes out. Feeding afterwards is EINVAL. */
HEARTH_API hearth_status hearth_chat_parser_finish(hearth_chat_parser *parser, hearth_error *err);

/* The next event of the last feed or finish; false: no more. */
HEARTH_API bool hearth_chat_parser_next(hearth_chat_parser *parser, hearth_chat_event *event);

/* For budgets: whether the answer is inside its reasoning now, and the bytes of reasoning so far.
 */
HEARTH_API bool hearth_chat_parser_in_reasoning(const hearth_chat_parser *parser);
HEARTH_API uint64_t hearth_chat_parser_reasoning_bytes(const hearth_chat_parser *parser);

/* Calls that began and were not dropped. */
HEARTH_API uint32_t hearth_chat_parser_n_calls(const hearth_chat_parser *parser);

/* A whole answer at once, as an OpenAI message: {"role": "assistant", "content": text or null,
 * "reasoning_content": text (if any), "tool_calls": [{id, type, function: {name, arguments}}] (if
 * any)}. Bytes that are not UTF-8 become U+FFFD. *out is freed with hearth_free. */
HEARTH_API hearth_status hearth_chat_parse(const hearth_chat_format *format, const char *text,
                                           size_t n, char **out, hearth_error *err);

#ifdef __cplusplus
}
#endif
#endif
