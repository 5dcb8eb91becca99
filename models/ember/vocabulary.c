/* SPDX-License-Identifier: MIT
 *
 * vocabulary.c - see vocabulary.h.
 */
#include "ember/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "ember/conversation.h"
#include "gguf/gguf_writer.h"
#include "token/byte_level.h"
#include "token/pretokenizer.h"

enum { N_CONTROL = 3, FIRST_BYTE = N_CONTROL, FIRST_MERGE = FIRST_BYTE + 256, MAX_WORDS = 1 << 18 };

static const char *const controls[N_CONTROL] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
static const char pre_name[] = "smollm";

/* The template that ChatML models carry. */
static const char chat_template[] =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\\n' }}{% endif %}";

typedef struct word {
    char *bytes; /* owned; NULL: an empty place of the table */
    size_t n_bytes;
    uint64_t count;
    uint16_t *pieces; /* owned */
    size_t n;
} word;

typedef struct piece {
    uint16_t left, right; /* of a merge */
    char bytes[64];
    size_t n;
} piece;

typedef struct trainer {
    word *words; /* a hash table of MAX_WORDS places */
    size_t n_words;
    piece pieces[VOCABULARY_SIZE];
    size_t n_pieces;
    uint64_t *pairs; /* [VOCABULARY_SIZE][VOCABULARY_SIZE] counts */
    pretokenizer pre;
    pretokenizer_run run;
} trainer;

/* ---- counting words ---- */

static hearth_status count_word(trainer *t, const char *text, size_t n, hearth_error *err)
{
    size_t at = hash_bytes(HASH_START, text, n) % MAX_WORDS;
    while (t->words[at].bytes &&
           (t->words[at].n_bytes != n || memcmp(t->words[at].bytes, text, n) != 0))
        at = (at + 1) % MAX_WORDS;
    word *w = &t->words[at];
    w->count++;
    if (w->bytes)
        return HEARTH_OK;
    if (++t->n_words > MAX_WORDS / 2)
        FAIL(err, EINVAL, "corpus", "the corpus has more than %d different words", MAX_WORDS / 2);
    w->bytes = mem_dup(text, n);
    w->pieces = mem_alloc_array(n, sizeof *w->pieces);
    if (w->bytes == NULL || w->pieces == NULL)
        return error_no_memory(err, "words", n);
    w->n_bytes = w->n = n;
    for (size_t i = 0; i < n; i++)
        w->pieces[i] = (uint16_t)(FIRST_BYTE + (unsigned char)text[i]);
    return HEARTH_OK;
}

static hearth_status count_text(trainer *t, const char *text, hearth_error *err)
{
    uint32_t start = 0;
    TRY(pretokenizer_split(&t->pre, &t->run, text, strlen(text), err));
    for (size_t i = 0; i < t->run.n; i++) {
        TRY(count_word(t, text + start, t->run.ends[i] - start, err));
        start = t->run.ends[i];
    }
    return HEARTH_OK;
}

static hearth_status count_conversation(trainer *t, const conversation *c, hearth_error *err)
{
    for (size_t i = 0; i < c->n_turns; i++) {
        TRY(count_text(t, "user\n", err));
        TRY(count_text(t, c->turns[i].user, err));
        TRY(count_text(t, "assistant\n", err));
        TRY(count_text(t, c->turns[i].assistant, err));
    }
    return c->system ? count_text(t, c->system, err) : HEARTH_OK;
}

/* ---- merging ---- */

static void count_pairs(trainer *t)
{
    memset(t->pairs, 0, (size_t)VOCABULARY_SIZE * VOCABULARY_SIZE * sizeof *t->pairs);
    for (size_t i = 0; i < MAX_WORDS; i++) {
        const word *w = &t->words[i];
        for (size_t j = 0; j + 1 < w->n; j++)
            t->pairs[(size_t)w->pieces[j] * VOCABULARY_SIZE + w->pieces[j + 1]] += w->count;
    }
}

/* Replaces the pair in a word and keeps the counts of the pairs around it. */
static void merge_in_word(trainer *t, word *w, uint16_t left, uint16_t right, uint16_t merged)
{
    size_t n = 0;
    for (size_t j = 0; j + 1 < w->n; j++)
        t->pairs[(size_t)w->pieces[j] * VOCABULARY_SIZE + w->pieces[j + 1]] -= w->count;
    for (size_t j = 0; j < w->n; j++) {
        bool pair = j + 1 < w->n && w->pieces[j] == left && w->pieces[j + 1] == right;
        w->pieces[n++] = pair ? merged : w->pieces[j];
        j += pair;
    }
    w->n = n;
    for (size_t j = 0; j + 1 < w->n; j++)
        t->pairs[(size_t)w->pieces[j] * VOCABULARY_SIZE + w->pieces[j + 1]] += w->count;
}

static bool has_pair(const word *w, uint16_t left, uint16_t right)
{
    for (size_t j = 0; j + 1 < w->n; j++) {
        if (w->pieces[j] == left && w->pieces[j + 1] == right)
            return true;
    }
    return false;
}

/* False when no pair is left that occurs twice. */
static bool merge_best(trainer *t)
{
    size_t best = 0;
    for (size_t i = 1; i < (size_t)VOCABULARY_SIZE * VOCABULARY_SIZE; i++) {
        const piece *left = &t->pieces[i / VOCABULARY_SIZE],
                    *right = &t->pieces[i % VOCABULARY_SIZE];
        if (t->pairs[i] > t->pairs[best] && left->n + right->n <= sizeof left->bytes)
            best = i;
    }
    if (t->pairs[best] < 2)
        return false;
    uint16_t left = (uint16_t)(best / VOCABULARY_SIZE), right = (uint16_t)(best % VOCABULARY_SIZE);
    piece *p = &t->pieces[t->n_pieces];
    p->left = left;
    p->right = right;
    memcpy(p->bytes, t->pieces[left].bytes, t->pieces[left].n);
    memcpy(p->bytes + t->pieces[left].n, t->pieces[right].bytes, t->pieces[right].n);
    p->n = t->pieces[left].n + t->pieces[right].n;
    for (size_t i = 0; i < MAX_WORDS; i++) {
        if (has_pair(&t->words[i], left, right))
            merge_in_word(t, &t->words[i], left, right, (uint16_t)t->n_pieces);
    }
    t->n_pieces++;
    return true;
}

static void learn(trainer *t)
{
    for (size_t i = 0; i < N_CONTROL; i++) {
        t->pieces[i].n = strlen(controls[i]);
        memcpy(t->pieces[i].bytes, controls[i], t->pieces[i].n);
    }
    for (size_t i = 0; i < 256; i++) {
        t->pieces[FIRST_BYTE + i].bytes[0] = (char)i;
        t->pieces[FIRST_BYTE + i].n = 1;
    }
    t->n_pieces = FIRST_MERGE;
    count_pairs(t);
    while (t->n_pieces < VOCABULARY_SIZE && merge_best(t))
        continue;
}

/* ---- writing ---- */

/* Bytes as the printable characters that GGUF spells them with. */
static bool append_spelling(buf *out, const piece *p, bool control)
{
    for (size_t i = 0; i < p->n; i++) {
        char encoded[4];
        uint32_t code =
            control ? (unsigned char)p->bytes[i] : byte_level_encode((unsigned char)p->bytes[i]);
        size_t n = utf8_encode(code, encoded);
        if (!buf_append(out, encoded, n))
            return false;
    }
    return true;
}

typedef struct spellings {
    buf text;
    gguf_string strings[VOCABULARY_SIZE];
    size_t ends[VOCABULARY_SIZE];
    size_t n;
} spellings;

static void bind(spellings *s)
{
    for (size_t i = 0; i < s->n; i++) {
        size_t start = i ? s->ends[i - 1] : 0;
        s->strings[i] = (gguf_string){s->text.data + start, s->ends[i] - start};
    }
}

static hearth_status spell_tokens(const trainer *t, spellings *s, hearth_error *err)
{
    for (size_t i = 0; i < t->n_pieces; i++) {
        if (!append_spelling(&s->text, &t->pieces[i], i < N_CONTROL))
            return error_no_memory(err, "the vocabulary", s->text.n);
        s->ends[s->n++] = s->text.n;
    }
    bind(s);
    return HEARTH_OK;
}

static hearth_status spell_merges(const trainer *t, spellings *s, hearth_error *err)
{
    for (size_t i = FIRST_MERGE; i < t->n_pieces; i++) {
        if (!append_spelling(&s->text, &t->pieces[t->pieces[i].left], false) ||
            !buf_append_text(&s->text, " ") ||
            !append_spelling(&s->text, &t->pieces[t->pieces[i].right], false))
            return error_no_memory(err, "the vocabulary", s->text.n);
        s->ends[s->n++] = s->text.n;
    }
    bind(s);
    return HEARTH_OK;
}

static hearth_status set_text(gguf_writer *w, const char *key, const char *text, hearth_error *err)
{
    return gguf_writer_set_string(w, key, text, strlen(text), err);
}

static hearth_status write_metadata(gguf_writer *w, const spellings *tokens,
                                    const spellings *merges, hearth_error *err)
{
    int32_t types[VOCABULARY_SIZE];
    for (size_t i = 0; i < tokens->n; i++)
        types[i] = i < N_CONTROL ? 3 : 1;
    TRY(set_text(w, "general.architecture", "llama", err));
    TRY(set_text(w, "general.name", "Ember", err));
    TRY(set_text(w, "tokenizer.ggml.model", "gpt2", err));
    TRY(set_text(w, "tokenizer.ggml.pre", pre_name, err));
    TRY(gguf_writer_set_string_array(w, "tokenizer.ggml.tokens", tokens->strings, tokens->n, err));
    TRY(gguf_writer_set_array(w, "tokenizer.ggml.token_type", GGUF_I32, types, tokens->n, err));
    TRY(gguf_writer_set_string_array(w, "tokenizer.ggml.merges", merges->strings, merges->n, err));
    TRY(gguf_writer_set_u32(w, "tokenizer.ggml.bos_token_id", 1, err));
    TRY(gguf_writer_set_u32(w, "tokenizer.ggml.eos_token_id", 2, err));
    TRY(gguf_writer_set_u32(w, "tokenizer.ggml.padding_token_id", 0, err));
    TRY(gguf_writer_set_bool(w, "tokenizer.ggml.add_bos_token", false, err));
    return set_text(w, "tokenizer.chat_template", chat_template, err);
}

static hearth_status write_file(const trainer *t, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    gguf_writer *w = NULL;
    spellings *tokens = mem_calloc(1, sizeof *tokens), *merges = mem_calloc(1, sizeof *merges);
    if (tokens == NULL || merges == NULL)
        FAIL_OUT(err, ENOMEM, "vocabulary", "out of memory");
    TRY_OUT(spell_tokens(t, tokens, err));
    TRY_OUT(spell_merges(t, merges, err));
    TRY_OUT(gguf_writer_open(&w, path, err));
    TRY_OUT(write_metadata(w, tokens, merges, err));
    TRY_OUT(gguf_writer_begin_data(w, err));
    TRY_OUT(gguf_writer_commit(w, err));
out:
    gguf_writer_close(w);
    if (tokens)
        buf_deinit(&tokens->text);
    if (merges)
        buf_deinit(&merges->text);
    mem_free(tokens);
    mem_free(merges);
    return status;
}

/* ---- the whole ---- */

static hearth_status count_corpus(trainer *t, const corpus *c, uint64_t seed, size_t n,
                                  hearth_error *err)
{
    rng r = rng_new(seed, UINT64_MAX);
    for (size_t i = 0; i < n; i++) {
        conversation one;
        TRY(conversation_draw(&one, c, &r, err));
        hearth_status status = count_conversation(t, &one, err);
        conversation_clear(&one);
        TRY(status);
    }
    return HEARTH_OK;
}

static void close_trainer(trainer *t)
{
    for (size_t i = 0; t->words && i < MAX_WORDS; i++) {
        mem_free(t->words[i].bytes);
        mem_free(t->words[i].pieces);
    }
    mem_free(t->words);
    mem_free(t->pairs);
    pretokenizer_run_deinit(&t->run);
    pretokenizer_close(&t->pre);
    mem_free(t);
}

hearth_status vocabulary_train(const corpus *c, uint64_t seed, size_t n_conversations,
                               const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    trainer *t = mem_calloc(1, sizeof *t);
    if (t == NULL)
        return error_no_memory(err, "the vocabulary", sizeof *t);
    t->words = mem_calloc(MAX_WORDS, sizeof *t->words);
    t->pairs = mem_calloc((size_t)VOCABULARY_SIZE * VOCABULARY_SIZE, sizeof *t->pairs);
    if (t->words == NULL || t->pairs == NULL)
        FAIL_OUT(err, ENOMEM, "vocabulary", "out of memory");
    TRY_OUT(pretokenizer_open(&t->pre, pretokenizer_find(pre_name, strlen(pre_name)), err));
    TRY_OUT(count_corpus(t, c, seed, n_conversations, err));
    learn(t);
    TRY_OUT(write_file(t, path, err));
out:
    close_trainer(t);
    return status;
}
