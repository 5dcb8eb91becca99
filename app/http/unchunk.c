/* SPDX-License-Identifier: MIT
 *
 * unchunk.c - see unchunk.h. A line ends in LF, with a CR before it or not, as RFC 9112 lets a
 * reader have it.
 */
#include "http/unchunk.h"

enum { SIZE_DIGITS_MAX = 15, BESIDE_MAX = 64 * 1024 };

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* After the LF of a line with a size. */
static unchunk_state end_size(unchunk *u)
{
    u->n_line = 0;
    return u->left > 0 ? UNCHUNK_DATA : UNCHUNK_TRAILER;
}

static unchunk_state read_size(unchunk *u, char c)
{
    int digit = digit_of(c);
    if (digit >= 0 && u->n_line < SIZE_DIGITS_MAX) {
        u->n_line++;
        u->left = u->left * 16 + (unsigned)digit;
        return UNCHUNK_SIZE;
    }
    if (digit >= 0 || u->n_line == 0)
        return UNCHUNK_BROKEN;
    if (c == '\n')
        return end_size(u);
    return c == '\r' || c == ';' || c == ' ' || c == '\t' ? UNCHUNK_EXTENSION : UNCHUNK_BROKEN;
}

static unchunk_state read_extension(unchunk *u, char c)
{
    if (c == '\n')
        return end_size(u);
    return ++u->n_beside > BESIDE_MAX ? UNCHUNK_BROKEN : UNCHUNK_EXTENSION;
}

static unchunk_state read_data_end(unchunk *u, char c)
{
    if (c == '\r' && u->n_line++ == 0)
        return UNCHUNK_DATA_END;
    u->n_line = 0;
    return c == '\n' ? UNCHUNK_SIZE : UNCHUNK_BROKEN;
}

static unchunk_state read_trailer(unchunk *u, char c)
{
    if (c == '\n' && u->n_line == 0)
        return UNCHUNK_END;
    if (c == '\n')
        u->n_line = 0;
    else if (c != '\r')
        u->n_line = 1;
    return ++u->n_beside > BESIDE_MAX ? UNCHUNK_BROKEN : UNCHUNK_TRAILER;
}

static unchunk_state read_frame(unchunk *u, char c)
{
    switch (u->state) {
    case UNCHUNK_SIZE:
        return read_size(u, c);
    case UNCHUNK_EXTENSION:
        return read_extension(u, c);
    case UNCHUNK_DATA_END:
        return read_data_end(u, c);
    case UNCHUNK_TRAILER:
        return read_trailer(u, c);
    default:
        return u->state;
    }
}

unchunk_state unchunk_feed(unchunk *u, const char *bytes, size_t n, buf *out)
{
    while (n > 0 && u->state < UNCHUNK_END) {
        if (u->state != UNCHUNK_DATA) {
            u->state = read_frame(u, *bytes++);
            n--;
            continue;
        }
        size_t piece = u->left < n ? (size_t)u->left : n;
        if (!buf_append(out, bytes, piece))
            return u->state = UNCHUNK_MEMORY;
        bytes += piece;
        n -= piece;
        u->left -= piece;
        if (u->left == 0)
            u->state = UNCHUNK_DATA_END;
    }
    return u->state;
}
