/* SPDX-License-Identifier: MIT
 *
 * bpe.c - byte pair encoding by ranked merges ("gpt2", and "gemma4" with plain spellings).
 *
 * A text is cut into words (pretokenizer.h); a word is a row of symbols, which the merges join,
 * lowest rank first. Merges name spellings, so every piece in them that is no token is given a
 * symbol past the tokens: all the joining is then done on integers. No spelling is copied: a piece
 * is a part of a merge's text, and takes 8 bytes.
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
    return error_no_memory(err, "the merges of the tokenizer", sizeof(bpe_merge));
}

static bool piece_is(const void *owner, int32_t id, const void *key)
{
    const bpe_tables *bpe = owner;
    const bpe_piece *piece = &bpe->pieces[id];
    const gguf_string *merge = &bpe->texts[piece->merge], *text = key;
    const char *data = merge->data + (piece->is_right ? merge->n - piece->n : 0);
    return piece->n == text->n && memcmp(data, text->data, text->n) == 0;
}

static bool merge_is(const void *owner, int32_t id, const void *key)
{
    const bpe_merge *merge = &((const bpe_tables *)owner)->merges[id], *pair = key;
    return merge->left == pair->left && merge->right == pair->right;
}

static uint64_t hash_pair(const bpe_tables *bpe, int32_t left, int32_t right)
{
    return hash_u64(((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^ bpe->by_pair.seed);
}

/* The symbol spelled so: a token or a piece; -1 if there is none. */
static int32_t find_symbol(const tokenizer *t, const char *text, size_t n)
{
    const bpe_tables *bpe = &t->bpe;
    const gguf_string key = {text, n};
    int32_t id = vocab_find(&t->vocab, text, n);
    if (id >= 0)
        return id;
    id = id_table_find(&bpe->by_spelling, hash_text(bpe->by_spelling.seed, text, n), piece_is, bpe,
                       &key);
    return id < 0 ? -1 : (int32_t)t->vocab.n + id;
}

/* The symbol of a piece, which becomes one if it is none yet. False: out of memory. */
static bool intern(tokenizer *t, const gguf_string *text, bpe_piece piece, int32_t *symbol)
{
    bpe_tables *bpe = &t->bpe;
    *symbol = vocab_find(&t->vocab, text->data, text->n);
    if (*symbol >= 0)
        return true;
    if (bpe->n_pieces == bpe->pieces_capacity) {
        size_t capacity = bpe->pieces_capacity + bpe->pieces_capacity / 2 + 16;
        bpe_piece *pieces = mem_realloc_array(bpe->pieces, capacity, sizeof *pieces);
        if (pieces == NULL)
            return false;
        bpe->pieces = pieces;
        bpe->pieces_capacity = capacity;
    }
    bpe->pieces[bpe->n_pieces] = piece;
    int32_t id =
        id_table_add(&bpe->by_spelling, hash_text(bpe->by_spelling.seed, text->data, text->n),
                     (int32_t)bpe->n_pieces, piece_is, bpe, text);
    bpe->n_pieces += (size_t)id == bpe->n_pieces;
    *symbol = (int32_t)t->vocab.n + id;
    return true;
}

/* One merge is "LEFT RIGHT"; a space at its very start belongs to LEFT. */
static bool cut_merge(const gguf_string *merge, gguf_string *left, gguf_string *right)
{
    const char *space = merge->n > 2 ? memchr(merge->data + 1, ' ', merge->n - 2) : NULL;
    if (space == NULL || merge->n > INT32_MAX)
        return false;
    *left = (gguf_string){merge->data, (size_t)(space - merge->data)};
    *right = (gguf_string){space + 1, merge->n - left->n - 1};
    return true;
}

/* All pieces first: what two of them join to needs a symbol only if it is one of them. */
static bool read_pieces(tokenizer *t, size_t n)
{
    bpe_tables *bpe = &t->bpe;
    gguf_string left, right;
    size_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        if (!cut_merge(&bpe->texts[i], &left, &right))
            continue;
        bpe_piece l = {.merge = (uint32_t)i, .n = (uint32_t)left.n & INT32_MAX};
        bpe_piece r = {.merge = (uint32_t)i, .n = (uint32_t)right.n & INT32_MAX, .is_right = 1};
        bpe_merge *merge = &bpe->merges[rank++];
        if (!intern(t, &left, l, &merge->left) || !intern(t, &right, r, &merge->right))
            return false;
    }
    return true;
}

static bool join_pieces(tokenizer *t, size_t n)
{
    bpe_tables *bpe = &t->bpe;
    gguf_string left, right;
    int32_t rank = 0;
    buf joined;
    buf_init(&joined, 0);
    bool done = true;
    for (size_t i = 0; done && i < n; i++) {
        if (!cut_merge(&bpe->texts[i], &left, &right))
            continue;
        bpe_merge *merge = &bpe->merges[rank];
        buf_clear(&joined);
        done = buf_append(&joined, left.data, left.n) && buf_append(&joined, right.data, right.n);
        if (done)
            merge->joined = find_symbol(t, joined.data, joined.n);
        id_table_add(&bpe->by_pair, hash_pair(bpe, merge->left, merge->right), rank++, merge_is,
                     bpe, merge);
    }
    buf_deinit(&joined);
    return done;
}

static hearth_status read_merges(tokenizer *t, const gguf *g, const hearth_log *log,
                                 hearth_error *err)
{
    bpe_tables *bpe = &t->bpe;
    gguf_string left, right;
    const gguf_value *merges = gguf_find(g, KEY_MERGES);
    if (merges && (merges->type != GGUF_ARRAY || merges->element_type != GGUF_STRING))
        FAIL(err, EFORMAT, KEY_MERGES, "%s is no array of strings; the model file is damaged",
             KEY_MERGES);
    if (merges == NULL)
        log_write(log, HEARTH_LOG_WARNING, "%s is missing: words are split into single symbols",
                  KEY_MERGES);
    size_t n = merges ? merges->n : 0, n_max = (INT32_MAX - t->vocab.n) / 2;
    if (n > n_max)
        FAIL(err, EFORMAT, KEY_MERGES, "%s has %zu entries; %zu are possible", KEY_MERGES, n,
             n_max);
    bpe->texts = merges ? merges->strings : NULL;
    for (size_t i = 0; i < n; i++)
        bpe->n_merges += cut_merge(&bpe->texts[i], &left, &right);
    bpe->merges = mem_alloc_array(bpe->n_merges, sizeof *bpe->merges);
    if (bpe->merges == NULL || !id_table_init(&bpe->by_pair, bpe->n_merges) ||
        !id_table_init(&bpe->by_spelling, 2 * bpe->n_merges) || !read_pieces(t, n) ||
        !join_pieces(t, n))
        return no_memory(err);
    return HEARTH_OK;
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
        t->bpe.byte_symbols[byte] = find_symbol(t, spelled, n);
    }
    return HEARTH_OK;
}

void bpe_deinit(tokenizer *t)
{
    bpe_tables *bpe = &t->bpe;
    pretokenizer_close(&bpe->split);
    id_table_deinit(&bpe->by_pair);
    id_table_deinit(&bpe->by_spelling);
    mem_free(bpe->merges);
    mem_free(bpe->pieces);
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
    if (left->id < 0 || right->id < 0)
        return false;
    const bpe_merge pair = {.left = left->id, .right = right->id};
    int32_t rank =
        id_table_find(&bpe->by_pair, hash_pair(bpe, pair.left, pair.right), merge_is, bpe, &pair);
    if (rank < 0)
        return false;
    *key = (uint32_t)rank;
    *id = bpe->merges[rank].joined;
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
            id = find_symbol(t, word + i, length);
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
