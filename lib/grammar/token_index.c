/* SPDX-License-Identifier: MIT
 *
 * token_index.c - see token_index.h.
 */
#include "grammar/token_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct entry {
    const char *bytes;
    uint32_t n;
    int32_t token;
} entry;

static int by_bytes(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    uint32_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->bytes, y->bytes, n);
    if (order != 0)
        return order;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return x->token < y->token ? -1 : 1;
}

static hearth_status no_memory(const token_index *index, hearth_error *err)
{
    return error_no_memory(err, "the vocabulary of a grammar", index->n_vocab * 48ull);
}

static hearth_status read_tokens(token_index *index, hearth_error *err)
{
    size_t known = tokenizer_n_vocab(index->t);
    buf bytes;
    buf_init(&bytes, UINT32_MAX);
    for (size_t i = 0; i < index->n_vocab; i++) {
        size_t before = bytes.n;
        int32_t id = (int32_t)i;
        index->offsets[i] = (uint32_t)before;
        if (i >= known)
            continue;
        if (tokenizer_is_eog(index->t, id))
            token_mask_set(index->ends, id);
        else if (!tokenizer_is_control(index->t, id) &&
                 !tokenizer_piece(index->t, id, false, &bytes)) {
            buf_deinit(&bytes);
            return no_memory(index, err);
        }
        if (bytes.n - before > TOKEN_BYTES_MAX)
            bytes.n = before;
        index->n_tokens += bytes.n > before;
    }
    index->offsets[index->n_vocab] = (uint32_t)bytes.n;
    if (!buf_append(&bytes, "", 1) || (index->bytes = buf_take(&bytes, &(size_t){0})) == NULL) {
        buf_deinit(&bytes);
        return no_memory(index, err);
    }
    return HEARTH_OK;
}

static void sort_tokens(token_index *index, entry *entries)
{
    size_t n = 0;
    for (size_t i = 0; i < index->n_vocab; i++) {
        uint32_t from = index->offsets[i], to = index->offsets[i + 1];
        if (to > from)
            entries[n++] = (entry){index->bytes + from, to - from, (int32_t)i};
    }
    qsort(entries, n, sizeof *entries, by_bytes);
    for (size_t i = 0; i < n; i++)
        index->tokens[i] = entries[i].token;
}

static uint32_t common(const entry *a, const entry *b)
{
    uint32_t n = 0;
    while (n < a->n && n < b->n && a->bytes[n] == b->bytes[n])
        n++;
    return n;
}

static size_t count_nodes(const entry *entries, size_t n)
{
    size_t nodes = 0;
    for (size_t i = 0; i < n; i++)
        nodes += entries[i].n - (i ? common(&entries[i - 1], &entries[i]) : 0);
    return nodes;
}

/* open[d] is the node of depth d + 1 that is still growing. */
static void make_nodes(token_index *index, const entry *entries)
{
    static const entry nothing = {"", 0, -1};
    uint32_t open[TOKEN_BYTES_MAX];
    uint32_t depth = 0, n = 0;
    for (size_t i = 0; i <= index->n_tokens; i++) {
        const entry *e = i < index->n_tokens ? &entries[i] : &nothing;
        uint32_t shared = i > 0 ? common(&entries[i - 1], e) : 0;
        while (depth > shared)
            index->nodes[open[--depth]].end = n;
        /* A node's run begins with the first token at or below it that is not taken by nodes in
         * front: that is this one. */
        for (; depth < e->n; depth++) {
            index->nodes[n] = (token_node){.first = (uint32_t)i,
                                           .depth = (uint16_t)(depth + 1),
                                           .byte = (uint8_t)e->bytes[depth]};
            open[depth] = n++;
        }
    }
    index->n_nodes = n;
    index->nodes[n] = (token_node){.end = n, .first = (uint32_t)index->n_tokens};
}

static hearth_status build(token_index *index, hearth_error *err)
{
    index->ends = mem_calloc(index->n_words, sizeof *index->ends);
    index->offsets = mem_alloc_array(index->n_vocab + 1, sizeof *index->offsets);
    if (!index->ends || !index->offsets)
        return no_memory(index, err);
    TRY(read_tokens(index, err));
    entry *entries = mem_alloc_array(index->n_tokens, sizeof *entries);
    index->tokens = mem_alloc_array(index->n_tokens, sizeof *index->tokens);
    if (entries && index->tokens) {
        sort_tokens(index, entries);
        index->nodes =
            mem_alloc_array(count_nodes(entries, index->n_tokens) + 1, sizeof *index->nodes);
    }
    if (index->nodes)
        make_nodes(index, entries);
    mem_free(entries);
    return index->nodes ? HEARTH_OK : no_memory(index, err);
}

hearth_status token_index_new(token_index **out, const tokenizer *t, size_t n_vocab,
                              hearth_error *err)
{
    *out = NULL;
    token_index *index = mem_calloc(1, sizeof *index);
    if (index == NULL)
        return error_no_memory(err, "the vocabulary of a grammar", sizeof *index);
    index->t = t;
    index->n_vocab = n_vocab;
    index->n_words = (n_vocab + 63) / 64;
    hearth_status status = build(index, err);
    if (status != HEARTH_OK) {
        token_index_free(index);
        return status;
    }
    *out = index;
    return HEARTH_OK;
}

void token_index_free(token_index *index)
{
    if (index == NULL)
        return;
    mem_free(index->nodes);
    mem_free(index->tokens);
    mem_free(index->bytes);
    mem_free(index->offsets);
    mem_free(index->ends);
    mem_free(index);
}

const char *token_index_bytes(const token_index *index, int32_t token, size_t *n)
{
    *n = index->offsets[token + 1] - index->offsets[token];
    return index->bytes + index->offsets[token];
}
