/* SPDX-License-Identifier: MIT
 *
 * detokenizer.c - tokens back to bytes, and bytes to whole characters as they come.
 *
 * A text of WPM is cleaned up as it is written: no space before ? ! . and , and none around an
 * apostrophe that stands between two words. A " '" whose next word is not yet known waits with the
 * incomplete characters.
 */
#include "token/tokenizer_impl.h"

#include <string.h>

#include "base/utf8.h"
#include "token/byte_level.h"

/* Bytes of the byte-level alphabet; other characters stand for themselves. */
static bool append_byte_level(buf *out, gguf_string text)
{
    for (size_t i = 0, length; i < text.n; i += length) {
        uint32_t code_point;
        length = utf8_decode(text.data + i, text.n - i, &code_point);
        int byte = byte_level_decode(code_point);
        char c = (char)byte;
        if (byte < 0 ? !buf_append(out, text.data + i, length) : !buf_append(out, &c, 1))
            return false;
    }
    return true;
}

static bool append_unescaped(buf *out, gguf_string text)
{
    const char *end = text.data + text.n;
    for (const char *p = text.data; p < end;) {
        const char *mark = memmem(p, (size_t)(end - p), SPACE_MARK, SPACE_MARK_BYTES);
        size_t until = mark ? (size_t)(mark - p) : (size_t)(end - p);
        if (!buf_append(out, p, until) || (mark && !buf_append(out, " ", 1)))
            return false;
        p += until + (mark ? SPACE_MARK_BYTES : 0);
    }
    return true;
}

bool tokenizer_piece(const tokenizer *t, int32_t id, bool special, buf *out)
{
    if (id < 0 || (size_t)id >= t->vocab.n)
        return false;
    gguf_string text = t->vocab.texts[id];
    unsigned attributes = t->vocab.attributes[id];
    if (attributes & (TOKEN_CONTROL | TOKEN_UNKNOWN))
        return !special || buf_append(out, text.data, text.n);
    if (attributes & TOKEN_USER_DEFINED)
        return buf_append(out, text.data, text.n);
    int byte = attributes & TOKEN_BYTE ? vocab_byte(&t->vocab, id) : -1;
    if (byte >= 0) {
        char c = (char)byte;
        return buf_append(out, &c, 1);
    }
    bool byte_level = t->family == FAMILY_BPE && !(t->bpe.split.name->flags & PRE_PLAIN);
    return byte_level ? append_byte_level(out, text) : append_unescaped(out, text);
}

void detokenizer_init(detokenizer *d, const tokenizer *t, bool special, bool at_start)
{
    *d = (detokenizer){.t = t, .special = special, .at_start = at_start};
    buf_init(&d->pending, 0);
}

void detokenizer_deinit(detokenizer *d)
{
    buf_deinit(&d->pending);
}

static hearth_status no_memory(const detokenizer *d, hearth_error *err)
{
    return error_no_memory(err, "the text of tokens", d->pending.n + 1);
}

/* How many bytes at the start of text, which is no character, one U+FFFD stands for: as many as
 * began a character that did not go on, or one (Unicode 15, section 3.9). */
static size_t broken_prefix(const char *text, size_t n)
{
    size_t length = n < 3 ? n : 3;
    while (length > 1 && utf8_incomplete_suffix(text, length) != length)
        length--;
    return length;
}

/* Gives out the first n pending bytes, those that are no character as U+FFFD. */
static bool give_out(detokenizer *d, size_t n, buf *out)
{
    for (size_t i = 0; i < n;) {
        const char *text = d->pending.data + i;
        size_t length = utf8_valid_prefix(text, n - i);
        if (length > 0 ? !buf_append(out, text, length) : !buf_append(out, "\xef\xbf\xbd", 3))
            return false;
        i += length ? length : broken_prefix(text, n - i);
    }
    buf_remove_front(&d->pending, n);
    return true;
}

static void remove_byte(buf *b, size_t at)
{
    memmove(b->data + at, b->data + at + 1, b->n - at); /* the final NUL comes along */
    b->n--;
}

/* Cleans up the piece that begins at `start` of the pending bytes. True: it has to wait. */
static bool clean_up(detokenizer *d, size_t start)
{
    buf *b = &d->pending;
    bool after_apostrophe = start == 2 && memcmp(b->data, " '", 2) == 0;
    if (b->n - start >= 2 && b->data[start] == ' ' && strchr("?!.,", b->data[start + 1]))
        remove_byte(b, start);
    if (after_apostrophe && b->n > start && b->data[start] == ' ') {
        remove_byte(b, start);
        remove_byte(b, 0);
        return false;
    }
    return !after_apostrophe && b->n == 2 && memcmp(b->data, " '", 2) == 0;
}

hearth_status detokenizer_feed(detokenizer *d, int32_t id, buf *out, hearth_error *err)
{
    size_t start = d->pending.n;
    if (id < 0 || (size_t)id >= d->t->vocab.n)
        FAIL(err, EINVAL, "token", "token %d is outside the vocabulary of %zu tokens", id,
             d->t->vocab.n);
    if (!tokenizer_piece(d->t, id, d->special, &d->pending))
        return no_memory(d, err);
    if (d->pending.n == start)
        return HEARTH_OK;
    bool is_wpm = d->t->family == FAMILY_WPM;
    if (d->at_start && (is_wpm || d->t->add_space_prefix) && d->pending.data[start] == ' ')
        remove_byte(&d->pending, start);
    d->at_start = false;
    if (is_wpm && clean_up(d, start))
        return HEARTH_OK;
    size_t held = utf8_incomplete_suffix(d->pending.data, d->pending.n);
    return give_out(d, d->pending.n - held, out) ? HEARTH_OK : no_memory(d, err);
}

hearth_status detokenizer_finish(detokenizer *d, buf *out, hearth_error *err)
{
    return give_out(d, d->pending.n, out) ? HEARTH_OK : no_memory(d, err);
}
