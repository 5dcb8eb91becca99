/* SPDX-License-Identifier: MIT
 *
 * bpe.c - byte pair encoding by ranked merges ("gpt2", and "gemma4" with plain spellings).
 *
 * A text is cut into words (pretokenizer.h); a word is a row of symbols, which the merges join,
 * lowest rank first. Merges name spellings, so every spelling in them that is no token is given a
 * symbol past the tokens: all the joining is then done on integers.
 *
 * Byte-level vocabularies spell bytes as characters (byte_level.h). Words stay raw bytes here and
 * each byte has its symbol, so a text of any bytes survives. Plain vocabularies are spelled in
 * UTF-8; what they lack is written as bytes, <0xXX>.
 */
#include "token/tokenizer_impl.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "token/byte_level.h"

#define KEY_MERGES "tokenizer.ggml.merges"

static hearth_status no_memory(hearth_error *err)
{
    return error_no_memory(err, "the merges of the tokenizer", sizeof(int_slot));
}

/* The symbol spelled so: a token, or one of the extras, which is made if there is none. */
static hearth_status intern(tokenizer *t, const char *text, size_t n, int32_t *symbol,
                            hearth_error *err)
{
    bpe_tables *bpe = &t->bpe;
    *symbol = vocab_find(&t->vocab, text, n);
    if (*symbol < 0)
        *symbol = text_table_find(&bpe->extras, text, n);
    if (*symbol >= 0)
        return HEARTH_OK;
    if (bpe->n_extras == bpe->extras_capacity) {
        size_t capacity = bpe->extras_capacity ? bpe->extras_capacity * 2 : 16;
        char **texts = mem_realloc_array(bpe->extra_texts, capacity, sizeof *texts);
        if (texts == NULL)
            return no_memory(err);
        bpe->extra_texts = texts;
        bpe->extras_capacity = capacity;
    }
    if (bpe->n_extras >= INT32_MAX - t->vocab.n)
        FAIL(err, EFORMAT, KEY_MERGES, "%s has too many pieces that are no tokens", KEY_MERGES);
    char *copy = mem_dup(text, n);
    if (copy == NULL)
        return no_memory(err);
    bpe->extra_texts[bpe->n_extras] = copy;
    *symbol = (int32_t)(t->vocab.n + bpe->n_extras++);
    if (!text_table_add(&bpe->extras, copy, n, *symbol, symbol))
        return no_memory(err);
    return HEARTH_OK;
}

/* One merge is "LEFT RIGHT"; a space at its very start belongs to LEFT. */
static hearth_status add_merge(tokenizer *t, const gguf_string *merge, uint32_t rank, buf *joined,
                               hearth_error *err)
{
    int32_t left, right, both;
    const char *space = merge->n > 1 ? memchr(merge->data + 1, ' ', merge->n - 1) : NULL;
    if (space == NULL)
        return HEARTH_OK;
    size_t n_left = (size_t)(space - merge->data), n_right = merge->n - n_left - 1;
    if (n_right == 0)
        return HEARTH_OK;
    TRY(intern(t, merge->data, n_left, &left, err));
    TRY(intern(t, space + 1, n_right, &right, err));
    buf_clear(joined);
    if (!buf_append(joined, merge->data, n_left) || !buf_append(joined, space + 1, n_right))
        return no_memory(err);
    TRY(intern(t, joined->data, joined->n, &both, err));
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    if (!int_table_add(&t->bpe.merges, pair, (uint64_t)rank << 32 | (uint32_t)both))
        return no_memory(err);
    return HEARTH_OK;
}

static hearth_status read_merges(tokenizer *t, const gguf *g, const hearth_log *log,
                                 hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    buf joined;
    buf_init(&joined, 0);
    const gguf_value *merges = gguf_find(g, KEY_MERGES);
    if (merges && (merges->type != GGUF_ARRAY || merges->element_type != GGUF_STRING))
        FAIL(err, EFORMAT, KEY_MERGES, "%s is no array of strings; the model file is damaged",
             KEY_MERGES);
    if (merges == NULL)
        log_write(log, HEARTH_LOG_WARNING, "%s is missing: words are split into single symbols",
                  KEY_MERGES);
    size_t n = merges ? merges->n : 0;
    if (n > UINT32_MAX)
        FAIL(err, EFORMAT, KEY_MERGES, "%s has %zu entries; %u are possible", KEY_MERGES, n,
             UINT32_MAX);
    if (!text_table_init(&t->bpe.extras, 0) || !int_table_init(&t->bpe.merges, n))
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        TRY_OUT(add_merge(t, &merges->strings[i], (uint32_t)i, &joined, err));
out:
    buf_deinit(&joined);
    return status;
}

hearth_status bpe_init(tokenizer *t, const gguf *g, const pretokenizer_name *pre,
                       const hearth_log *log, hearth_error *err)
{
    t->escape_spaces = (pre->flags & PRE_SPACE_MARK) != 0;
    TRY(pretokenizer_open(&t->bpe.split, pre, err));
    TRY(read_merges(t, g, log, err));
    vocab_byte_ids(&t->vocab, t->byte_ids);
    for (int byte = 0; byte < 256; byte++) {
        char spelled[4];
        size_t n = utf8_encode(byte_level_encode((unsigned char)byte), spelled);
        TRY(intern(t, spelled, n, &t->bpe.byte_symbols[byte], err));
    }
    return HEARTH_OK;
}

void bpe_deinit(tokenizer *t)
{
    bpe_tables *bpe = &t->bpe;
    pretokenizer_close(&bpe->split);
    int_table_deinit(&bpe->merges);
    text_table_deinit(&bpe->extras);
    for (size_t i = 0; i < bpe->n_extras; i++)
        mem_free(bpe->extra_texts[i]);
    mem_free(bpe->extra_texts);
}

static bool is_plain(const tokenizer *t)
{
    return (t->bpe.split.name->flags & PRE_PLAIN) != 0;
}

static bool find_pair(const void *user, const char *word, const merge_symbol *left,
                      const merge_symbol *right, uint32_t *key, int32_t *id)
{
    (void)word;
    const bpe_tables *bpe = user;
    uint64_t rank_and_joined;
    if (left->id < 0 || right->id < 0)
        return false;
    uint64_t pair = (uint64_t)(uint32_t)left->id << 32 | (uint32_t)right->id;
    if (!int_table_find(&bpe->merges, pair, &rank_and_joined))
        return false;
    *key = (uint32_t)(rank_and_joined >> 32);
    *id = (int32_t)(rank_and_joined & UINT32_MAX);
    return true;
}

/* The id of a word that is a token as it stands, or -1. */
static hearth_status find_word(encoding *e, const char *word, size_t n, int32_t *id)
{
    const tokenizer *t = e->t;
    if (is_plain(t)) {
        *id = vocab_find(&t->vocab, word, n);
        return HEARTH_OK;
    }
    buf_clear(&e->scratch);
    for (size_t i = 0; i < n; i++) {
        char spelled[4];
        size_t length = utf8_encode(byte_level_encode((unsigned char)word[i]), spelled);
        if (!buf_append(&e->scratch, spelled, length))
            return encoding_no_memory(e);
    }
    *id = vocab_find(&t->vocab, e->scratch.data, e->scratch.n);
    return HEARTH_OK;
}

static hearth_status push_symbol(encoding *e, const char *bytes, const merge_symbol *s)
{
    const tokenizer *t = e->t;
    const int32_t *byte_ids = is_plain(t) ? t->byte_ids : t->bpe.byte_symbols;
    if (s->id >= 0 && (size_t)s->id < t->vocab.n)
        return encoding_push(e, s->id);
    for (size_t i = 0; i < s->n; i++) {
        int32_t id = byte_ids[(unsigned char)bytes[s->start + i]];
        if (id < 0 || (size_t)id >= t->vocab.n)
            id = t->special.unk;
        if (id >= 0)
            TRY(encoding_push(e, id));
    }
    return HEARTH_OK;
}

static bool is_line_feeds(const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (word[i] != '\n')
            return false;
    }
    return true;
}

static bool add_symbols(encoding *e, const char *word, size_t n)
{
    const tokenizer *t = e->t;
    for (size_t i = 0, length; i < n; i += length) {
        int32_t id = t->bpe.byte_symbols[(unsigned char)word[i]];
        length = 1;
        if (is_plain(t)) {
            length = utf8_valid_prefix(word + i, n - i);
            length = length ? length : 1;
            id = vocab_find(&t->vocab, word + i, length);
            if (id < 0)
                id = text_table_find(&t->bpe.extras, word + i, length);
        }
        if (!merger_add(&e->merger, (uint32_t)i, (uint32_t)length, id))
            return false;
    }
    return true;
}

static hearth_status encode_word(encoding *e, const char *word, size_t n)
{
    const tokenizer *t = e->t;
    unsigned flags = t->bpe.split.name->flags;
    if ((flags & PRE_IGNORE_MERGES) || ((flags & PRE_LINE_FEEDS) && is_line_feeds(word, n))) {
        int32_t id = -1;
        TRY(find_word(e, word, n, &id));
        if (id >= 0)
            return encoding_push(e, id);
    }
    merger_clear(&e->merger);
    if (!add_symbols(e, word, n) || !merger_run(&e->merger, word, find_pair, &t->bpe))
        return encoding_no_memory(e);
    for (size_t i = 0; i < e->merger.n_symbols; i++) {
        if (e->merger.symbols[i].n > 0)
            TRY(push_symbol(e, word, &e->merger.symbols[i]));
    }
    return HEARTH_OK;
}

static hearth_status encode_valid(encoding *e, const char *text, size_t n)
{
    size_t start = 0;
    TRY(pretokenizer_split(&e->t->bpe.split, &e->split, text, n, e->err));
    for (size_t i = 0; i < e->split.n; i++) {
        TRY(encode_word(e, text + start, e->split.ends[i] - start));
        start = e->split.ends[i];
    }
    return HEARTH_OK;
}

/* The length of the longest run at the start of text that is valid UTF-8 throughout, or in which no
 * character is valid. */
static size_t run_of(bool valid, const char *text, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t length = utf8_valid_prefix(text + i, n - i);
        if ((length > 0) != valid)
            break;
        i += valid ? length : 1;
    }
    return i;
}

hearth_status bpe_encode(encoding *e, const char *text, size_t n)
{
    const char *end;
    if (e->t->escape_spaces) {
        if (!encoding_escape(e, text, n, false))
            return encoding_no_memory(e);
        text = e->text.data;
        n = e->text.n;
    }
    for (end = text + n; text < end;) {
        size_t valid = run_of(true, text, (size_t)(end - text));
        TRY(encode_valid(e, text, valid));
        text += valid;
        size_t invalid = run_of(false, text, (size_t)(end - text));
        if (invalid > 0)
            TRY(encode_word(e, text, invalid));
        text += invalid;
    }
    return HEARTH_OK;
}
