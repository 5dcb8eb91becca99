/* SPDX-License-Identifier: MIT
 *
 * cursor.h - a place in a text that is read character by character: what the parsers of GBNF and of
 * regular expressions share.
 */
#ifndef HEARTH_GRAMMAR_CURSOR_H
#define HEARTH_GRAMMAR_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cursor {
    const char *text, *end, *at;
} cursor;

/* The byte that is next, or -1 at the end. */
static inline int cursor_peek(const cursor *c)
{
    return c->at < c->end ? (uint8_t)*c->at : -1;
}

static inline bool cursor_take(cursor *c, char byte)
{
    if (cursor_peek(c) != (uint8_t)byte)
        return false;
    c->at++;
    return true;
}

/* The value of the hexadecimal digit that is next, or -1. */
static inline int cursor_peek_hex(const cursor *c)
{
    int byte = cursor_peek(c);
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

/* Takes n <= 8 of them; false where there are fewer. */
static inline bool cursor_take_hex(cursor *c, int n, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < n; i++, c->at++) {
        int digit = cursor_peek_hex(c);
        if (digit < 0)
            return false;
        *value = *value << 4 | (uint32_t)digit;
    }
    return true;
}

#endif
