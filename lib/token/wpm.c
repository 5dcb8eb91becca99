/* SPDX-License-Identifier: MIT
 *
 * wpm.c - WordPiece ("bert"): lower case, no accents, then the longest token at each place.
 *
 * Words end at white space; punctuation, ASCII symbols and CJK ideographs are words by themselves.
 * GGUF spells the start of a word with U+2581 in place of BERT's "##" on all the other pieces. A
 * word that its tokens cannot spell is one unknown token.
 *
 * Normalization follows llama.cpp, which GGUF models are tested with: of a character's canonical
 * decomposition only the first code point is kept, so accents go, and so do the vowels of Hangul.
 */
#include "token/tokenizer_impl.h"

#include <utf8proc.h>

#include "base/utf8.h"
#include "base/watch.h"

hearth_status wpm_init(tokenizer *t, const gguf *g, hearth_error *err)
{
    t->lowercase = true;
    TRY(gguf_get_bool(g, "tokenizer.ggml.normalizer.lowercase", &t->lowercase, NULL, err));
    t->strip_accents = t->lowercase;
    TRY(gguf_get_bool(g, "tokenizer.ggml.normalizer.strip_accents", &t->strip_accents, NULL, err));
    bool done = trie_init(&t->words, &t->vocab);
    for (size_t id = 0; done && id < t->vocab.n; id++) {
        const gguf_string *text = &t->vocab.texts[id];
        if (text->n > 0 && text->n <= VOCAB_MATCH_MAX)
            done = trie_add(&t->words, (int32_t)id);
    }
    return done ? HEARTH_OK : error_no_memory(err, "the tokenizer", t->vocab.n);
}

void wpm_deinit(tokenizer *t)
{
    trie_deinit(&t->words);
}

/* CJK ideographs by block, as BERT's tokenizer lists them. */
static bool is_ideograph(uint32_t c)
{
    static const uint32_t blocks[][2] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},
                                         {0x20000, 0x2a6df}, {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f},
                                         {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        if (c >= blocks[i][0] && c <= blocks[i][1])
            return true;
    }
    return false;
}

typedef enum char_class { CHAR_SPACE, CHAR_NOTHING, CHAR_ALONE, CHAR_LETTER } char_class;

static char_class classify(const tokenizer *t, uint32_t c)
{
    if ((c >= 0x09 && c <= 0x0d) || c == 0x85)
        return CHAR_SPACE;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return CHAR_SPACE;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
        return CHAR_NOTHING;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return t->strip_accents ? CHAR_NOTHING : CHAR_LETTER;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return CHAR_ALONE;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
        return c < 0x7f ? CHAR_ALONE : c == 0xfffd ? CHAR_NOTHING : CHAR_LETTER;
    default:
        return is_ideograph(c) ? CHAR_ALONE : CHAR_LETTER;
    }
}

/* The longest token at the start of text, or -1; *length is its bytes. */
static int32_t longest(encoding *e, const char *text, size_t n, size_t *length)
{
    const trie *words = &e->t->words;
    trie_place place = {0};
    int32_t id = -1;
    for (size_t i = 0; i < n && trie_step(words, &place, text[i]); i++) {
        e->n_steps++;
        int32_t token = trie_token(words, place);
        if (token >= 0) {
            id = token;
            *length = i + 1;
        }
    }
    return id;
}

/* Tokenizes the word in e->text and empties it. */
static hearth_status flush(encoding *e)
{
    size_t n_before = e->n, length = 0;
    for (size_t i = 0; i < e->text.n; i += length) {
        int32_t id = longest(e, e->text.data + i, e->text.n - i, &length);
        if (id < 0) {
            e->n = n_before;
            if (e->t->special.unk >= 0)
                TRY(encoding_push(e, e->t->special.unk));
            break;
        }
        TRY(encoding_push(e, id));
    }
    buf_clear(&e->text);
    return HEARTH_OK;
}

static bool append(encoding *e, uint32_t c)
{
    char encoded[4];
    if (e->t->lowercase)
        c = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    size_t n = utf8_encode(c, encoded);
    if (e->text.n == 0 && !buf_append(&e->text, SPACE_MARK, SPACE_MARK_BYTES))
        return false;
    return buf_append(&e->text, encoded, n);
}

static uint32_t first_of_decomposition(uint32_t c)
{
    utf8proc_int32_t parts[32];
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c, parts, 32, UTF8PROC_DECOMPOSE, NULL);
    return n > 0 && n <= 32 ? (uint32_t)parts[0] : c;
}

hearth_status wpm_encode(encoding *e, const char *text, size_t n)
{
    buf_clear(&e->text);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        if (!watch_go_on(1))
            return watch_end(e->err);
        i += utf8_decode(text + i, n - i, &c);
        if (e->t->strip_accents)
            c = first_of_decomposition(c);
        char_class class = classify(e->t, c);
        if (class == CHAR_NOTHING)
            continue;
        if (class != CHAR_LETTER)
            TRY(flush(e));
        if (class != CHAR_SPACE && !append(e, c))
            return encoding_no_memory(e);
        if (class == CHAR_ALONE)
            TRY(flush(e));
    }
    return flush(e);
}
