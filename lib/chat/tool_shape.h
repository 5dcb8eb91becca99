/* SPDX-License-Identifier: MIT
 *
 * tool_shape.h - a notation of calls and reasoning as data: what kind it is, and its marks.
 *
 * The families' notations are few kinds with many spellings. All of them fit
 *
 *     section_open ( call_open BODY call_close )+ section_close
 *
 * where BODY is, by kind:
 *     JSON       {"name": N, "arguments": A}
 *     LIST       [{"name": N, "arguments": A}, ...]   (call_open is empty)
 *     KEYED      [{N: A}, ...]
 *     NAME_JSON  N name_close A
 *     XML        N name_close ( key_open K key_close V value_close )*
 *     PAIRS      N name_close K key_close V, ... args_close   (name_close is "(" or "{")
 *     HARMONY    messages with channels and recipients; its marks are fixed
 *
 * Marks are compared leniently about blanks: where a mark has a line break, and between two tags,
 * any blanks or none may stand. No mark is NULL; "" is one that the notation does not have.
 */
#ifndef HEARTH_CHAT_TOOL_SHAPE_H
#define HEARTH_CHAT_TOOL_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum tool_kind {
    TOOL_KIND_JSON,
    TOOL_KIND_LIST,
    TOOL_KIND_KEYED,
    TOOL_KIND_NAME_JSON,
    TOOL_KIND_XML,
    TOOL_KIND_PAIRS,
    TOOL_KIND_HARMONY
} tool_kind;

/* X(mark): every text of a shape. */
#define TOOL_SHAPE_MARKS(X)                                                                        \
    X(section_open)                                                                                \
    X(section_close)                                                                               \
    X(call_open)                                                                                   \
    X(call_close)                                                                                  \
    X(call_between) /* between two calls; only for writing */                                      \
    X(name_close)                                                                                  \
    X(id_open)         /* NAME_JSON: an id follows the name */                                     \
    X(id_before)       /* NAME_JSON: an id stands before the name; this ends it */                 \
    X(name_key)        /* JSON, LIST: "name" */                                                    \
    X(args_key)        /* JSON, LIST: "arguments" */                                               \
    X(id_key)          /* JSON, LIST: an id that stands before the name */                         \
    X(id_after)        /* JSON, LIST: one that stands after the arguments */                       \
    X(key_open)        /* XML */                                                                   \
    X(key_close)       /* XML, PAIRS */                                                            \
    X(key_close_other) /* XML: of values that are no strings, if they have a mark of their own */  \
    X(value_close)     /* XML */                                                                   \
    X(args_close)      /* PAIRS */                                                                 \
    X(quote)           /* PAIRS: around strings */                                                 \
    X(think_open)      /* "" while think_close is not: reasoning begins every answer */            \
    X(think_close)                                                                                 \
    X(content_open) /* around the content, and no part of it */                                    \
    X(content_close)

typedef struct tool_shape {
    tool_kind kind;
    bool bare;        /* JSON: an object at the start of an answer needs no call_open */
    bool id_is_name;  /* NAME_JSON: the name is written as functions.NAME:INDEX, which is the id */
    bool recipient;   /* NAME_JSON: content is a call of "all", and the prompt ends in call_open */
    bool line_values; /* XML: one line break before and after a value is not part of it */
    bool cdata;       /* XML: a value may be a CDATA section */
    bool one_call;    /* an answer has one call at most */
    bool guessed_think; /* the template knows no reasoning; the marks are the usual ones */
    bool short_ids;     /* ids are nine letters or digits */
#define TOOL_SHAPE_FIELD(mark) const char *mark;
    TOOL_SHAPE_MARKS(TOOL_SHAPE_FIELD)
#undef TOOL_SHAPE_FIELD
} tool_shape;

/* All marks "". */
void tool_shape_init(tool_shape *shape);

/* Copies all marks into one block, which *memory then owns; false: out of memory. */
bool tool_shape_copy(tool_shape *out, const tool_shape *shape, char **memory);

/* Matches a mark at the start of text: its length there, 0 if it is not there, TOOL_MARK_PARTIAL if
 * more text could make it one. Blanks at the ends of the mark do not count. */
#define TOOL_MARK_PARTIAL ((size_t)-1)
size_t tool_mark_match(const char *mark, const char *text, size_t n);

/* Finds a mark in text[from..n): its position and length; a partial one at the end gives the
 * position and TOOL_MARK_PARTIAL; none gives n and 0. */
size_t tool_mark_find(const char *mark, const char *text, size_t from, size_t n, size_t *length);

/* The mark's first part: a tag <...> or [...], or a run of other characters. Gives its length and
 * skips blanks before it (*start). 0: no more. */
size_t tool_mark_atom(const char *mark, const char **start);

#endif
