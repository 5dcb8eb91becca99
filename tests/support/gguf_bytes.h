/* SPDX-License-Identifier: MIT
 *
 * gguf_bytes.h - GGUF files byte by byte, right or wrong: what the writer would refuse to write.
 */
#ifndef HEARTH_TESTS_GGUF_BYTES_H
#define HEARTH_TESTS_GGUF_BYTES_H

#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "gguf/gguf.h"

static inline void put_u8(buf *b, uint8_t value)
{
    buf_append(b, &value, 1);
}

static inline void put_u16(buf *b, uint16_t value)
{
    uint8_t bytes[2];
    store_u16(bytes, value);
    buf_append(b, bytes, sizeof bytes);
}

static inline void put_u32(buf *b, uint32_t value)
{
    uint8_t bytes[4];
    store_u32(bytes, value);
    buf_append(b, bytes, sizeof bytes);
}

static inline void put_u64(buf *b, uint64_t value)
{
    uint8_t bytes[8];
    store_u64(bytes, value);
    buf_append(b, bytes, sizeof bytes);
}

static inline void put_text(buf *b, const char *text)
{
    put_u64(b, strlen(text));
    buf_append_text(b, text);
}

static inline void put_zeros(buf *b, size_t n)
{
    while (n-- > 0)
        put_u8(b, 0);
}

static inline void put_padding(buf *b, size_t alignment)
{
    put_zeros(b, (alignment - b->n % alignment) % alignment);
}

static inline void put_header(buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_values)
{
    buf_append_text(b, "GGUF");
    put_u32(b, version);
    put_u64(b, n_tensors);
    put_u64(b, n_values);
}

/* A key and its type; the value follows. */
static inline void put_key(buf *b, const char *key, uint32_t type)
{
    put_text(b, key);
    put_u32(b, type);
}

static inline void put_key_u32(buf *b, const char *key, uint32_t value)
{
    put_key(b, key, GGUF_U32);
    put_u32(b, value);
}

static inline void put_key_u16(buf *b, const char *key, uint16_t value)
{
    put_key(b, key, GGUF_U16);
    put_u16(b, value);
}

static inline void put_key_text(buf *b, const char *key, const char *value)
{
    put_key(b, key, GGUF_STRING);
    put_text(b, value);
}

/* A matrix of ne0 x ne1; `format` as the file numbers it. */
static inline void put_matrix(buf *b, const char *name, uint64_t ne0, uint64_t ne1, uint32_t format,
                              uint64_t offset)
{
    put_text(b, name);
    put_u32(b, 2);
    put_u64(b, ne0);
    put_u64(b, ne1);
    put_u32(b, format);
    put_u64(b, offset);
}

#endif
