/* SPDX-License-Identifier: MIT
 *
 * tool_parser.h - the insides of hearth_chat_parser, shared by its files.
 *
 *   tool_parser.c   the public functions, events, text and reasoning
 *   tool_call.c     calls whose arguments are JSON
 *   tool_pairs.c    calls whose arguments are XML parameters or literals
 *   tool_harmony.c  messages with channels
 *
 * The machine. Bytes wait in `in`; [start, in.n) is not yet decided. A step looks at what is there
 * and either goes on, or says WAIT because the next bytes could change what it would do. So what
 * it does depends on the text alone and not on how it was cut. At the end of the answer `final` is
 * set: nothing more can come, and what was possible becomes impossible.
 *
 * A call is tried from `start`; `at` is how far it was understood. Until its name is known to be a
 * tool's, failing costs nothing: the first mark becomes content and the rest is read again. Later
 * the call is dropped, and all of its text becomes content.
 */
#ifndef HEARTH_CHAT_TOOL_PARSER_H
#define HEARTH_CHAT_TOOL_PARSER_H

#include "base/buf.h"
#include "chat/format.h"
#include "chat/tool_json.h"
#include "chat/tool_literal.h"

enum {
    PARSER_MAX_CALL = 8 << 20,  /* bytes of a call that are kept to give them back */
    PARSER_MAX_OPEN = 32 << 10, /* bytes before its name is known */
    PARSER_MAX_KEY = 1024,
    PARSER_MAX_BLANKS = 1024, /* blanks that are held back before a mark */
    PARSER_MAX_HEADER = 1024
};

typedef enum step { STEP_ON, STEP_WAIT, STEP_NOMEM } step;

typedef enum mode {
    MODE_TEXT,
    MODE_REASONING,
    MODE_SECTION,   /* after section_open: a call or the end */
    MODE_LIST,      /* before the '[' of a list */
    MODE_OBJECT,    /* before the '{' of a call */
    MODE_KEY,       /* before a key or the '}' */
    MODE_VALUE,     /* in the value of p->field */
    MODE_NEXT,      /* after a value: ',' or '}' */
    MODE_NAME,      /* in the name, up to name_close */
    MODE_ID,        /* NAME_JSON: in the id */
    MODE_ARGS,      /* NAME_JSON: in the arguments */
    MODE_PARAM,     /* XML, PAIRS: before a key or the end */
    MODE_PARAM_KEY, /* PAIRS only: in the key */
    MODE_PARAM_VALUE,
    MODE_CDATA_END, /* after ]]>: value_close */
    MODE_AFTER,     /* after a call: closing marks, the next of a list */
    MODE_HEADER,    /* harmony: in a message's header */
    MODE_BODY,      /* harmony: in a message's text */
    MODE_BODY_END   /* harmony: after a call's arguments */
} mode;

typedef enum field { FIELD_OTHER, FIELD_NAME, FIELD_ARGS, FIELD_ID } field;

typedef struct event {
    hearth_chat_event_type type;
    uint32_t index;
    size_t text; /* in p->text */
    size_t n;
    size_t id, name;
} event;

struct hearth_chat_parser {
    const hearth_chat_format *format;
    const tool_shape *shape;
    mode mode;
    bool final, finished;
    buf in;
    size_t start, at;

    buf text; /* of the events */
    event *events;
    size_t n_events, next_event, events_capacity;

    /* text */
    bool trim; /* blanks at the front are dropped */
    bool seen; /* content that is not blank came since the start, or since the last call */
    uint64_t reasoning_bytes;

    /* the call that is tried or read */
    size_t mark_end; /* where its opening mark ends, from start */
    bool begun, args_done, in_list, opened;
    uint32_t index, n_begun, n_dropped;
    const tool_entry *tool;
    field field;
    tool_json json;
    bool json_begun;
    buf name, id, args, scratch;
    size_t n_params;

    /* a parameter */
    tool_type type;
    bool cdata, value_begun;
    tool_scan scan;

    hearth_chat_event_type body; /* harmony */
};

/* What is there from p->at on. */
static inline const char *parser_rest(const hearth_chat_parser *p, size_t *n)
{
    *n = p->in.n - p->at;
    return p->in.n > 0 ? p->in.data + p->at : "";
}

/* Moves `at` over blanks; false: nothing else is there yet. */
bool parser_skip_blanks(hearth_chat_parser *p);

/* Tries one mark at `at`; a partial match is 0 at the end of the answer. */
size_t parser_match(const hearth_chat_parser *p, const char *mark);
size_t parser_find(const hearth_chat_parser *p, const char *mark, size_t from, size_t *length);

/* Appends to the last event if it is of this type and call, else begins one. The text is appended
 * to p->text by the caller between open and close. */
bool parser_event_open(hearth_chat_parser *p, hearth_chat_event_type type);
void parser_event_close(hearth_chat_parser *p);
bool parser_event(hearth_chat_parser *p, hearth_chat_event_type type, const char *text, size_t n);

/* Content or reasoning as it is; counts and marks as seen. */
bool parser_put(hearth_chat_parser *p, hearth_chat_event_type type, const char *text, size_t n);

/* Emits in[start..end) as text of this type but for blanks, and a character's half, at its end that
 * could be dropped later; start moves behind what was given out. */
bool parser_put_held(hearth_chat_parser *p, hearth_chat_event_type type, size_t end);

/* Begins to try a call: [start, mark_end) is what becomes content if it fails. */
void parser_try(hearth_chat_parser *p, size_t mark_end, mode next);
/* The mode in which the shape's calls begin after call_open. */
mode parser_call_mode(const hearth_chat_parser *p);

step call_begin(hearth_chat_parser *p, const tool_entry *tool); /* the name is known */
step call_end(hearth_chat_parser *p, mode next);                /* the arguments are complete */
step call_fail(hearth_chat_parser *p);                          /* it is no call */
const tool_entry *call_tool(const hearth_chat_parser *p, const char *name, size_t n);
bool calls_allowed(const hearth_chat_parser *p);
/* Reads the arguments' JSON at p->at; ON: p->args_done. */
step call_read_args(hearth_chat_parser *p);

step call_step(hearth_chat_parser *p);    /* SECTION .. ARGS, AFTER */
step pairs_step(hearth_chat_parser *p);   /* PARAM .. CDATA_END */
step harmony_step(hearth_chat_parser *p); /* HEADER .. BODY_END */

#endif
