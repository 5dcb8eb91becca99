/* SPDX-License-Identifier: MIT
 *
 * seams.c - see seams.h.
 */
#include "token/seams.h"

#include "base/mem.h"
#include "base/utf8.h"

/* A vocabulary of 256,000 tokens has some 400,000 pairs, which fill a fifth of these bits. */
enum { PAIR_BITS = 21 };

static size_t pair_bit(uint32_t left, uint32_t right)
{
    return hash_u64((uint64_t)left << 32 | right) >> (64 - PAIR_BITS);
}

size_t seams_char(const char *text, size_t n, uint32_t *unit)
{
    unsigned char byte = (unsigned char)text[0];
    size_t length = 1;
    if (byte < 0x80)
        *unit = byte;
    else if (utf8_valid_prefix(text, n) > 0)
        length = utf8_decode(text, n, unit);
    else
        *unit = 0x110000 + (uint32_t)byte; /* past the last code point */
    return length;
}

bool seams_init(seams *s, const vocab *v)
{
    s->pairs = mem_calloc((size_t)1 << (PAIR_BITS - 6), sizeof *s->pairs);
    for (size_t id = 0; s->pairs && id < v->n; id++) {
        const gguf_string *text = &v->texts[id];
        uint32_t left = 0, right;
        if (text->n > VOCAB_MATCH_MAX)
            continue;
        for (size_t i = 0; i < text->n;) {
            size_t length = seams_char(text->data + i, text->n - i, &right);
            size_t bit = pair_bit(left, right);
            if (i > 0)
                s->pairs[bit / 64] |= (uint64_t)1 << bit % 64;
            left = right;
            i += length;
        }
    }
    return s->pairs != NULL;
}

void seams_deinit(seams *s)
{
    mem_free(s->pairs);
    s->pairs = NULL;
}

bool seams_between(const seams *s, uint32_t left, uint32_t right)
{
    size_t bit = pair_bit(left, right);
    return (s->pairs[bit / 64] >> bit % 64 & 1) == 0;
}
