/* SPDX-License-Identifier: MIT
 *
 * gguf_header.c - how far a GGUF file's header reaches (the layout is in gguf_part.c).
 *
 * Invariant: what is called an end here for being malformed, gguf_part_parse refuses at that place
 * or before it.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "gguf/gguf_part.h"

typedef struct walk {
    const uint8_t *data;
    uint64_t n, at; /* at > n: so many bytes are needed to go on */
} walk;

static bool skip(walk *w, uint64_t n)
{
    if (!checked_add(w->at, n, &w->at))
        w->at = UINT64_MAX;
    return w->at <= w->n;
}

static bool take_u32(walk *w, uint32_t *out)
{
    bool there = skip(w, 4);
    *out = there ? load_u32(w->data + w->at - 4) : 0;
    return there;
}

static bool take_u64(walk *w, uint64_t *out)
{
    bool there = skip(w, 8);
    *out = there ? load_u64(w->data + w->at - 8) : 0;
    return there;
}

static bool skip_string(walk *w)
{
    uint64_t n;
    return take_u64(w, &n) && skip(w, n);
}

static bool skip_scalars(walk *w, uint32_t type, uint64_t n)
{
    uint64_t n_bytes;
    if (type >= GGUF_TYPE_COUNT || type == GGUF_ARRAY)
        return false;
    if (!checked_mul(n, gguf_scalar_bytes((gguf_type)type), &n_bytes))
        n_bytes = UINT64_MAX;
    return skip(w, n_bytes);
}

static bool skip_value(walk *w)
{
    uint32_t type;
    uint64_t n = 1;
    if (!skip_string(w) || !take_u32(w, &type))
        return false;
    if (type == GGUF_ARRAY && (!take_u32(w, &type) || !take_u64(w, &n)))
        return false;
    if (type != GGUF_STRING)
        return skip_scalars(w, type, n);
    for (uint64_t i = 0; i < n; i++) {
        if (!skip_string(w))
            return false;
    }
    return true;
}

static bool skip_tensor(walk *w)
{
    uint32_t n_dims;
    return skip_string(w) && take_u32(w, &n_dims) && n_dims <= GGUF_MAX_DIMS &&
           skip(w, (uint64_t)n_dims * 8 + 4 + 8);
}

uint64_t gguf_header_bytes(const void *bytes, size_t n)
{
    walk w = {.data = bytes, .n = n};
    uint32_t version;
    uint64_t n_tensors, n_values;
    bool goes_on = skip(&w, 4) && memcmp(bytes, "GGUF", 4) == 0 && take_u32(&w, &version) &&
                   (version == 2 || version == 3) && take_u64(&w, &n_tensors) &&
                   take_u64(&w, &n_values);
    for (uint64_t i = 0; goes_on && i < n_values; i++)
        goes_on = skip_value(&w);
    for (uint64_t i = 0; goes_on && i < n_tensors; i++)
        goes_on = skip_tensor(&w);
    return w.at;
}
