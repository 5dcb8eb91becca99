/* SPDX-License-Identifier: MIT
 *
 * byte_level.h - the byte-level alphabet of GPT-2: one printable character for each byte.
 *
 * Bytes that are printable in Latin-1 (! to ~, U+00A1 to U+00AC, U+00AE to U+00FF) stand for
 * themselves; the other 68, in ascending order, are U+0100 to U+0143.
 * Source: bytes_to_unicode() in OpenAI's gpt-2, src/encoder.py.
 */
#ifndef HEARTH_TOKEN_BYTE_LEVEL_H
#define HEARTH_TOKEN_BYTE_LEVEL_H

#include <stdint.h>

enum {
    BYTE_LEVEL_LOW = 0x21,        /* bytes below it are moved */
    BYTE_LEVEL_HOLE = 0x7f,       /* so are those from here .. */
    BYTE_LEVEL_HOLE_END = 0xa1,   /* .. to before this */
    BYTE_LEVEL_SOFT_HYPHEN = 0xad /* and this one */
};

static inline uint32_t byte_level_encode(unsigned char byte)
{
    if (byte < BYTE_LEVEL_LOW)
        return 0x100 + (uint32_t)byte;
    if (byte >= BYTE_LEVEL_HOLE && byte < BYTE_LEVEL_HOLE_END)
        return 0x100 + BYTE_LEVEL_LOW + (uint32_t)byte - BYTE_LEVEL_HOLE;
    return byte == BYTE_LEVEL_SOFT_HYPHEN ? 0x143 : byte;
}

/* -1 for a character that is not of the alphabet. */
static inline int byte_level_decode(uint32_t code_point)
{
    uint32_t moved = code_point - 0x100;
    if (code_point < 0x100)
        return byte_level_encode((unsigned char)code_point) == code_point ? (int)code_point : -1;
    if (moved < BYTE_LEVEL_LOW)
        return (int)moved;
    if (moved < BYTE_LEVEL_LOW + BYTE_LEVEL_HOLE_END - BYTE_LEVEL_HOLE)
        return (int)(moved - BYTE_LEVEL_LOW + BYTE_LEVEL_HOLE);
    return code_point == 0x143 ? BYTE_LEVEL_SOFT_HYPHEN : -1;
}

#endif
