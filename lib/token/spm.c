/* SPDX-License-Identifier: MIT
 *
 * spm.c - SentencePiece models with scores ("llama"): the best-scored pair is joined first.
 *
 * Spaces become U+2581 and the text is its characters; two neighbours may be joined if together
 * they are a token, the one of the highest score first. Characters that are no token are written
 * as bytes, <0xXX>. Bytes that are no character are symbols of their own, so they survive.
 */
#include "token/tokenizer_impl.h"

#include "base/half.h"

hearth_status spm_init(tokenizer *t, hearth_error *err)
{
    t->escape_spaces = true;
    vocab_byte_ids(&t->vocab, t->byte_ids);
    if (!seams_init(&t->seams, &t->vocab))
        return error_no_memory(err, "the tokenizer", t->vocab.n);
    return HEARTH_OK;
}

/* Maps scores to integers that order the other way round: the best score is the lowest key. */
static uint32_t key_of_score(float score)
{
    uint32_t bits = float_to_bits(score == 0 ? 0.0f : score); /* -0 equals 0 */
    return bits & 0x80000000 ? bits : ~bits & 0x7fffffff;
}

static bool find_pair(const void *user, const char *word, const merge_symbol *left,
                      const merge_symbol *right, uint32_t *key, int32_t *id)
{
    const vocab *v = user;
    size_t n = (size_t)left->n + right->n;
    if (n > v->max_text)
        return false;
    *id = vocab_find(v, word + left->start, n);
    if (*id < 0)
        return false;
    *key = key_of_score(vocab_score(v, *id));
    return true;
}

static hearth_status push_bytes(encoding *e, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t id = e->t->byte_ids[(unsigned char)bytes[i]];
        if (id < 0)
            id = e->t->special.unk;
        if (id >= 0)
            TRY(encoding_push(e, id));
    }
    return HEARTH_OK;
}

/* Tokenizes the symbols collected in the merger, which lie in `piece`. */
static hearth_status flush(encoding *e, const char *piece)
{
    merger *m = &e->merger;
    if (!merger_run(m, piece, find_pair, &e->t->vocab))
        return encoding_no_memory(e);
    for (size_t i = 0; i < m->n_symbols; i++) {
        const merge_symbol *s = &m->symbols[i];
        if (s->n == 0)
            continue;
        if (s->id >= 0)
            TRY(encoding_push(e, s->id));
        else
            TRY(push_bytes(e, piece + s->start, s->n));
    }
    merger_clear(m);
    return HEARTH_OK;
}

hearth_status spm_encode(encoding *e, const char *text, size_t n, bool prefixed)
{
    const tokenizer *t = e->t;
    if (!encoding_escape(e, text, n, prefixed))
        return encoding_no_memory(e);
    const char *piece = e->text.data;
    const char *end = e->text.data + e->text.n;
    uint32_t left = 0, right;
    merger_clear(&e->merger);
    for (const char *p = piece; p < end;) {
        size_t length = seams_char(p, (size_t)(end - p), &right);
        if (p > piece && seams_between(&t->seams, left, right)) {
            TRY(flush(e, piece));
            piece = p;
        }
        int32_t id = length <= t->vocab.max_text ? vocab_find(&t->vocab, p, length) : -1;
        if (!merger_add(&e->merger, (uint32_t)(p - piece), (uint32_t)length, id))
            return encoding_no_memory(e);
        left = right;
        p += length;
    }
    return flush(e, piece);
}
