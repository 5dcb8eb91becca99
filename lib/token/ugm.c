/* SPDX-License-Identifier: MIT
 *
 * ugm.c - SentencePiece unigram models ("t5"): of all ways to spell the text, the likeliest.
 *
 * The text is normalized (charsmap.h, then spaces), and a table tells for each of its places the
 * best way to spell what lies before it (Viterbi). Where no token is a whole character, the unknown
 * token may stand for it, at a score below all others; several in a row are one.
 *
 * The text is cut at seams (seams.h), so the table is as long as a piece. Scores still add up over
 * the whole text in double precision, in the order of SentencePiece, so ties fall as they do there.
 */
#include "token/tokenizer_impl.h"

#include <float.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/watch.h"

enum { UNKNOWN_PENALTY = 10 };

hearth_status ugm_init(tokenizer *t, const gguf *g, hearth_error *err)
{
    const vocab *v = &t->vocab;
    float least = FLT_MAX;
    t->escape_spaces = true;
    TRY(charsmap_init(&t->ugm.normalizer, g, err));
    bool done = trie_init(&t->ugm.tokens, v) && seams_init(&t->seams, v);
    for (size_t id = 0; done && id < v->n; id++) {
        unsigned attributes = v->attributes[id];
        const gguf_string *text = &v->texts[id];
        if ((attributes & TOKEN_NORMAL) && vocab_score(v, (int32_t)id) < least)
            least = vocab_score(v, (int32_t)id);
        if ((attributes & (TOKEN_NORMAL | TOKEN_USER_DEFINED | TOKEN_UNUSED)) && text->n > 0 &&
            text->n <= VOCAB_MATCH_MAX)
            done = trie_add(&t->ugm.tokens, (int32_t)id);
    }
    t->ugm.unknown_score = least - UNKNOWN_PENALTY;
    return done ? HEARTH_OK : error_no_memory(err, "the tokenizer", v->n);
}

void ugm_deinit(tokenizer *t)
{
    trie_deinit(&t->ugm.tokens);
}

typedef struct spaces { /* what the text before has been */
    bool began;         /* a space was put before the first word */
    bool in_word;
} spaces;

/* Puts normalized bytes into e->text: spaces marked, merged or put before the text as asked. */
static bool append(encoding *e, spaces *s, const char *bytes, size_t n)
{
    const tokenizer *t = e->t;
    for (size_t i = 0; i < n; i++) {
        bool is_space = bytes[i] == ' ';
        bool begins_word = !is_space && !s->in_word;
        bool before_word = begins_word && ((t->add_space_prefix && !s->began) || t->merge_spaces);
        if ((before_word || (is_space && !t->merge_spaces)) &&
            !buf_append(&e->text, SPACE_MARK, SPACE_MARK_BYTES))
            return false;
        if (before_word)
            s->began = true;
        if (!is_space && !buf_append(&e->text, &bytes[i], 1))
            return false;
        s->in_word = !is_space;
    }
    return true;
}

static bool normalize(encoding *e, const char *text, size_t n)
{
    spaces s = {0};
    buf_clear(&e->text);
    for (size_t i = 0; i < n;) {
        if (!watch_go_on(1))
            return false;
        const char *out = NULL;
        size_t n_in = charsmap_match(&e->t->ugm.normalizer, text + i, n - i, &out);
        size_t n_out = n_in > 0 ? strlen(out) : 0;
        if (n_in == 0) {
            n_in = n_out = utf8_valid_prefix(text + i, n - i);
            out = text + i;
        }
        if (n_in == 0) { /* no character: U+FFFD */
            n_in = 1;
            n_out = 3;
            out = "\xef\xbf\xbd";
        }
        if (!append(e, &s, out, n_out))
            return false;
        i += n_in;
    }
    return true;
}

typedef struct path { /* the best way to spell up to a place */
    double score;
    uint32_t start; /* of its last token */
    int32_t id;
} path;

static void improve(path *p, double score, size_t start, int32_t id)
{
    if (score > p->score)
        *p = (path){.score = score, .start = (uint32_t)start, .id = id};
}

/* Fills in paths[0..n]; paths[0] is given. */
static hearth_status find_paths(encoding *e, path *paths, const char *text, size_t n)
{
    const tokenizer *t = e->t;
    for (size_t i = 1; i <= n; i++)
        paths[i] = (path){.score = -DBL_MAX, .id = t->special.unk};
    for (size_t start = 0, length; start < n; start += length) {
        trie_place place = {0};
        bool is_spelled = false; /* the character at start is a token */
        double score = paths[start].score;
        length = utf8_valid_prefix(text + start, n - start);
        length = length ? length : 1; /* half a character, from a hostile replacement */
        if (!watch_go_on(1))
            return watch_end(e->err);
        for (size_t i = start; i < n && trie_step(&t->ugm.tokens, &place, text[i]); i++) {
            int32_t id = trie_token(&t->ugm.tokens, place);
            e->n_steps++;
            if (id < 0)
                continue;
            bool is_free = (t->vocab.attributes[id] & TOKEN_USER_DEFINED) != 0;
            improve(&paths[i + 1], score + (is_free ? 0 : (double)vocab_score(&t->vocab, id)),
                    start, id);
            is_spelled |= i + 1 - start == length;
        }
        if (!is_spelled)
            improve(&paths[start + length], score + (double)t->ugm.unknown_score, start,
                    t->special.unk);
    }
    return HEARTH_OK;
}

/* Tokenizes one piece. *score is that of the text before it, and then of the text up to its end. */
static hearth_status encode_piece(encoding *e, const char *text, size_t n, size_t n_before,
                                  double *score)
{
    int32_t unk = e->t->special.unk;
    if (n + 1 > e->paths_capacity) {
        void *paths = mem_realloc_array(e->paths, (n + 1) * 2, sizeof(path));
        if (paths == NULL)
            return encoding_no_memory(e);
        e->paths = paths;
        e->paths_capacity = (n + 1) * 2;
    }
    path *paths = e->paths;
    paths[0] = (path){.score = *score, .id = unk};
    TRY(find_paths(e, paths, text, n));
    *score = paths[n].score;
    size_t first = e->n;
    for (size_t place = n; place > 0; place = paths[place].start) { /* told from the end */
        int32_t id = paths[place].id;
        bool again = id == unk && e->n > first && e->ids[e->n - 1] == unk;
        if (id >= 0 && !again)
            TRY(encoding_push(e, id));
    }
    bool begins_unknown = e->n > first && e->ids[e->n - 1] == unk;
    if (begins_unknown && first > n_before && e->ids[first - 1] == unk)
        e->n--; /* so did the piece before end */
    for (size_t i = first, j = e->n; i + 1 < j; i++) {
        int32_t id = e->ids[--j];
        e->ids[j] = e->ids[i];
        e->ids[i] = id;
    }
    return HEARTH_OK;
}

hearth_status ugm_encode(encoding *e, const char *text, size_t n)
{
    if (!normalize(e, text, n))
        return encoding_no_memory(e);
    if (e->text.n == 0) /* nothing but spaces, or what the normalizer takes away */
        return HEARTH_OK;
    double score = 0;
    size_t n_before = e->n;
    uint32_t left = 0, right;
    const char *piece = e->text.data, *end = piece + e->text.n;
    for (const char *p = piece; p < end;) {
        size_t length = seams_char(p, (size_t)(end - p), &right);
        if (p > piece && seams_between(&e->t->seams, left, right)) {
            TRY(encode_piece(e, piece, (size_t)(p - piece), n_before, &score));
            piece = p;
        }
        left = right;
        p += length;
    }
    return encode_piece(e, piece, (size_t)(end - piece), n_before, &score);
}
