/* SPDX-License-Identifier: MIT
 *
 * tool_json.h - reads one JSON value byte by byte and writes it as strict JSON.
 *
 * A model's JSON is passed on while it is written, so what is passed on must be a prefix of valid
 * JSON at every moment. The reader follows RFC 8259 with a stack of fixed depth and mends what
 * models get wrong inside strings: raw control characters, bytes that are not UTF-8, half
 * surrogate pairs and unknown escapes. Blanks between tokens are kept as they are.
 */
#ifndef HEARTH_CHAT_TOOL_JSON_H
#define HEARTH_CHAT_TOOL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { TOOL_JSON_DEPTH = 128 }; /* deeper values are refused */

typedef enum tool_json_step {
    TOOL_JSON_MORE,   /* taken; the value goes on */
    TOOL_JSON_DONE,   /* taken; the value ends with it */
    TOOL_JSON_BEFORE, /* not taken: the value (a number) ended before it */
    TOOL_JSON_BAD,    /* not taken: no JSON */
    TOOL_JSON_NOMEM
} tool_json_step;

typedef struct tool_json {
    uint8_t state;
    uint8_t depth;
    uint8_t n_word;       /* bytes of word that are used */
    bool key;             /* the string is a key */
    uint16_t surrogate;   /* a high one that waits for its other half */
    char word[8];         /* a literal, an escape or a character in the making */
    uint64_t is_array[2]; /* bit d: what level d is */
} tool_json;

void tool_json_init(tool_json *r);

/* Takes one byte and appends what it makes certain to out. */
tool_json_step tool_json_push(tool_json *r, char byte, buf *out);

/* Whether the value is a number that could end here. */
bool tool_json_may_end(const tool_json *r);

/* Appends text[0..n) as the inside of a JSON string; bytes that are not UTF-8 become U+FFFD. */
bool tool_json_escape(buf *out, const char *text, size_t n);

/* Whether text[0..n) is one JSON value with blanks around it. If so it is appended, mended, to out;
 * else out is unchanged. Out of memory counts as no, and sets *nomem. */
bool tool_json_copy(buf *out, const char *text, size_t n, bool *nomem);

/* Blanks as JSON and the notations around it have them. */
static inline bool tool_json_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

#endif
