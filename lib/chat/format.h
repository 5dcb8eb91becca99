/* SPDX-License-Identifier: MIT
 *
 * format.h - the insides of hearth_chat_style and hearth_chat_format (tools.h).
 */
#ifndef HEARTH_CHAT_FORMAT_H
#define HEARTH_CHAT_FORMAT_H

#include <hearth/tools.h>

#include "chat/tool_list.h"
#include "chat/tool_shape.h"

enum { FORMAT_TRIGGERS = 4, FORMAT_TAGS = 32 };

struct hearth_chat_style {
    tool_shape shape;
    char *memory; /* the shape's marks */
    bool native_tools;
    bool native_calls;
    bool native_results;
    bool args_text;   /* the template wants arguments as text, not as an object */
    bool null_empty;  /* content that is empty must be null beside calls */
    bool no_system;   /* the template refuses a system message */
    bool describe;    /* the template refuses a parameter without a description */
    bool calls_alone; /* the template writes no calls beside content */
    char *stops[2];   /* what ends an answer, and one of calls, if no end token does; or NULL */
};

struct hearth_chat_format {
    const tool_shape *shape;
    tool_list tools;
    bool active; /* calls are looked for */
    bool parallel;
    bool inline_reasoning;
    bool reasoning_open; /* the answer begins inside the reasoning */
    bool in_call_open;   /* the prompt ended in call_open (recipients) or in a harmony header */
    uint64_t id_seed;
    char *grammar; /* NULL: none */
    struct {
        char *text;
        bool is_pattern;
    } triggers[FORMAT_TRIGGERS];
    size_t n_triggers;
    char *tags[FORMAT_TAGS];
    size_t n_tags;
    const char *stops[2]; /* borrowed from the style */
    size_t n_stops;
    const char *reasoning_begin, *reasoning_end; /* NULL or borrowed from the shape */
};

/* A format of a shape, which is borrowed: what hearth_chat_format_new builds on. */
hearth_status format_open(hearth_chat_format **out, const tool_shape *shape,
                          const hearth_chat_format_options *options, hearth_error *err);

/* format_grammar.c: the grammar, its triggers and the tags. */
hearth_status format_make_grammar(hearth_chat_format *format, hearth_tool_choice choice,
                                  const char *tool_name, hearth_error *err);

#endif
