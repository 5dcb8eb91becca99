/* SPDX-License-Identifier: MIT
 *
 * charsmap.c - see charsmap.h.
 */
#include "token/charsmap.h"

#include <string.h>

#include "base/bytes.h"

#define KEY_CHARSMAP "tokenizer.ggml.precompiled_charsmap"

enum {
    MATCH_MAX = 256,       /* bytes; the longest sequences of Unicode's tables have about 20 */
    REPLACEMENT_MAX = 256, /* bytes; the longest ones have 33 */
    HAS_VALUE_CHILD = 1 << 8
};

static hearth_status check_replacements(const charsmap *c, hearth_error *err)
{
    const char *text = c->replacements, *end = text + c->n_replacements;
    while (text < end) {
        const char *nul = memchr(text, '\0', (size_t)(end - text));
        if (nul == NULL || nul - text > REPLACEMENT_MAX)
            FAIL(err, EFORMAT, KEY_CHARSMAP,
                 "%s has a replacement without end or of more than %d bytes; the model file is "
                 "damaged",
                 KEY_CHARSMAP, REPLACEMENT_MAX);
        text = nul + 1;
    }
    return HEARTH_OK;
}

hearth_status charsmap_init(charsmap *c, const gguf *g, hearth_error *err)
{
    *c = (charsmap){0};
    const gguf_value *value = gguf_find(g, KEY_CHARSMAP);
    if (value == NULL || (value->type == GGUF_ARRAY && value->n == 0))
        return HEARTH_OK;
    if (value->type != GGUF_ARRAY ||
        (value->element_type != GGUF_I8 && value->element_type != GGUF_U8))
        FAIL(err, EFORMAT, KEY_CHARSMAP, "%s is no array of bytes; the model file is damaged",
             KEY_CHARSMAP);
    size_t n_trie = value->n < 4 ? 0 : load_u32(value->data);
    if (value->n < 5 || n_trie >= value->n - 4)
        FAIL(err, EFORMAT, KEY_CHARSMAP,
             "%s has %zu bytes, which its trie of %zu does not fit in; the model file is damaged",
             KEY_CHARSMAP, value->n, n_trie);
    c->units = value->data + 4;
    c->n_units = n_trie / 4;
    c->replacements = (const char *)value->data + 4 + n_trie;
    c->n_replacements = value->n - 4 - n_trie;
    return check_replacements(c, err);
}

static uint32_t offset_of(uint32_t unit)
{
    return unit >> 10 << ((unit & 1u << 9) >> 6);
}

size_t charsmap_match(const charsmap *c, const char *text, size_t n, const char **replacement)
{
    size_t matched = 0;
    if (c->n_units == 0)
        return 0;
    uint32_t node = offset_of(load_u32(c->units));
    for (size_t i = 0; i < n && i < MATCH_MAX && text[i] != '\0'; i++) {
        uint32_t label = (unsigned char)text[i];
        node ^= label;
        if (node >= c->n_units)
            break;
        uint32_t unit = load_u32(c->units + 4 * (size_t)node);
        if ((unit & (1u << 31 | 0xff)) != label)
            break;
        node ^= offset_of(unit);
        if ((unit & HAS_VALUE_CHILD) == 0 || node >= c->n_units)
            continue;
        uint32_t value = load_u32(c->units + 4 * (size_t)node) & 0x7fffffff;
        if (value < c->n_replacements) {
            matched = i + 1;
            *replacement = c->replacements + value;
        }
    }
    return matched;
}
