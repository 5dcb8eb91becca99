/* SPDX-License-Identifier: MIT
 *
 * buf.c - see buf.h.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void buf_init(buf *b, size_t max)
{
    *b = (buf){.max = max};
}

void buf_deinit(buf *b)
{
    mem_free(b->data);
    *b = (buf){.max = b->max};
}

void buf_clear(buf *b)
{
    b->n = 0;
    if (b->data)
        b->data[0] = '\0';
}

static bool reserve(buf *b, size_t extra)
{
    if (extra > SIZE_MAX - 1 - b->n)
        return false;
    size_t need = b->n + extra;
    if (b->max && need > b->max)
        return false;
    if (b->data && need + 1 <= b->capacity)
        return true;
    size_t capacity = b->capacity < 64 ? 64 : b->capacity;
    while (capacity < need + 1)
        capacity = capacity > SIZE_MAX / 2 ? need + 1 : capacity * 2;
    char *data = mem_realloc_array(b->data, capacity, 1);
    if (data == NULL)
        return false;
    b->data = data;
    b->capacity = capacity;
    return true;
}

bool buf_append(buf *b, const void *bytes, size_t n)
{
    if (!reserve(b, n))
        return false;
    if (n)
        memcpy(b->data + b->n, bytes, n);
    b->n += n;
    b->data[b->n] = '\0';
    return true;
}

bool buf_append_text(buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

bool buf_append_format(buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !reserve(b, (size_t)length))
        return false;
    va_start(args, format);
    vsnprintf(b->data + b->n, (size_t)length + 1, format, args);
    va_end(args);
    b->n += (size_t)length;
    return true;
}

void buf_remove_front(buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->n - n);
    b->n -= n;
    b->data[b->n] = '\0';
}

char *buf_take(buf *b, size_t *n)
{
    if (!reserve(b, 0))
        return NULL;
    b->data[b->n] = '\0';
    char *data = b->data;
    if (n)
        *n = b->n;
    *b = (buf){.max = b->max};
    return data;
}
