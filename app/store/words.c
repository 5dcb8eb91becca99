/* SPDX-License-Identifier: MIT
 *
 * words.c - see words.h. Every term of a query is quoted, so nothing of it is syntax to FTS5.
 */
#include "store/words.h"

#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

typedef enum letter { LETTER_NONE, LETTER_PART, LETTER_MARK, LETTER_ALONE } letter;

static bool stands_alone(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0e00, 0x0eff},   /* Thai, Lao */
        {0x1000, 0x109f},   /* Burmese */
        {0x1780, 0x17ff},   /* Khmer */
        {0x3040, 0x30ff},   /* kana */
        {0x3400, 0x9fff},   /* Han */
        {0xf900, 0xfaff},   /* Han, compatibility */
        {0x20000, 0x3ffff}, /* Han, supplementary */
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    }
    return false;
}

static letter kind_of(uint32_t c)
{
    if (c < 0x80)
        return (c | 32) - 'a' < 26u || c - '0' < 10u ? LETTER_PART : LETTER_NONE;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return LETTER_MARK;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
    case UTF8PROC_CATEGORY_CO:
        return stands_alone(c) ? LETTER_ALONE : LETTER_PART;
    default:
        return LETTER_NONE;
    }
}

typedef struct word {
    char bytes[WORDS_MAX_BYTES];
    size_t n, start;
    bool open;
} word;

static void add_point(word *w, uint32_t c)
{
    char bytes[4];
    size_t n = utf8_encode(c, bytes);
    if (n > sizeof w->bytes - w->n)
        return;
    memcpy(w->bytes + w->n, bytes, n);
    w->n += n;
}

static void add_folded(word *w, uint32_t c)
{
    enum { MOST = 32 }; /* the longest compatibility form has 18 characters */
    utf8proc_int32_t points[MOST];
    int boundary = 0;
    if (c < 0x80) {
        add_point(w, c - 'A' < 26u ? c | 32 : c);
        return;
    }
    utf8proc_ssize_t n = utf8proc_decompose_char(
        (utf8proc_int32_t)c, points, MOST,
        UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK, &boundary);
    if (n <= 0 || n > MOST) {
        add_point(w, c);
        return;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++)
        add_point(w, (uint32_t)points[i]);
}

int words_each(const char *text, size_t n,
               int (*fn)(void *user, const char *word, size_t n_word, size_t start, size_t end),
               void *user)
{
    word w = {.open = false};
    int ended = 0;
    for (size_t at = 0, n_char; at < n && ended == 0; at += n_char) {
        uint32_t c = (unsigned char)text[at];
        n_char = c < 0x80 ? 1 : utf8_decode(text + at, n - at, &c);
        letter kind = kind_of(c);
        if (w.open && (kind == LETTER_NONE || kind == LETTER_ALONE)) {
            ended = fn(user, w.bytes, w.n, w.start, at);
            w.open = false;
        }
        if (kind == LETTER_NONE || (kind == LETTER_MARK && !w.open) || ended)
            continue;
        if (!w.open)
            w = (word){.open = true, .start = at};
        if (kind != LETTER_MARK)
            add_folded(&w, c);
        if (kind == LETTER_ALONE) {
            ended = fn(user, w.bytes, w.n, w.start, at + n_char);
            w.open = false;
        }
    }
    if (w.open && ended == 0)
        ended = fn(user, w.bytes, w.n, w.start, n);
    return ended;
}

/* ---- the tokenizer ---- */

typedef struct sink {
    void *context;
    int (*token)(void *, int, const char *, int, int, int);
} sink;

static int give_token(void *user, const char *text, size_t n, size_t start, size_t end)
{
    const sink *s = user;
    return s->token(s->context, 0, text, (int)n, (int)start, (int)end);
}

static int tokenizer_new(void *context, const char **args, int n_args, Fts5Tokenizer **out)
{
    (void)args;
    if (n_args != 0)
        return SQLITE_ERROR;
    *out = context; /* it has no state; FTS5 wants something that is not NULL */
    return SQLITE_OK;
}

static void tokenizer_free(Fts5Tokenizer *t)
{
    (void)t;
}

static int tokenize(Fts5Tokenizer *t, void *context, int flags, const char *text, int n,
                    int (*token)(void *, int, const char *, int, int, int))
{
    (void)t;
    (void)flags;
    sink s = {context, token};
    return words_each(text, n > 0 ? (size_t)n : 0, give_token, &s);
}

hearth_status words_register(sqlite3 *handle, hearth_error *err)
{
    static fts5_tokenizer methods = {tokenizer_new, tokenizer_free, tokenize};
    fts5_api *api = NULL;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(handle, "SELECT fts5(?1)", -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", NULL);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    if (api == NULL)
        FAIL(err, EUNSUPPORTED, "sqlite", "this SQLite has no FTS5; install one that has");
    if (api->xCreateTokenizer(api, "hearth", &methods, &methods, NULL) != SQLITE_OK)
        return error_no_memory(err, "the full-text index", 0);
    return HEARTH_OK;
}

/* ---- queries ---- */

static int found_one(void *user, const char *text, size_t n, size_t start, size_t end)
{
    (void)user, (void)text, (void)n, (void)start, (void)end;
    return 1;
}

bool words_quote(const char *text, size_t n, bool prefix, buf *out)
{
    bool good = buf_append(out, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        /* FTS5 takes a NUL for the end of the expression. */
        good = good && buf_append(out, text[i] ? &text[i] : " ", 1);
        if (text[i] == '"')
            good = good && buf_append(out, "\"", 1);
    }
    return good && buf_append_text(out, prefix ? "\"*" : "\"");
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* One term of the user's: a word or what stands in quotes, with its sign and star. */
typedef struct term {
    const char *text;
    size_t n;
    bool without, prefix;
} term;

static bool next_term(const char *text, size_t n, size_t *at, bool as_typed, term *out)
{
    while (*at < n && is_blank(text[*at]))
        ++*at;
    if (*at == n)
        return false;
    *out = (term){.without = text[*at] == '-'};
    size_t start = *at + out->without;
    bool quoted = start < n && text[start] == '"';
    start += quoted;
    size_t end = start;
    while (end < n && (quoted ? text[end] != '"' : !is_blank(text[end]) && text[end] != '"'))
        end++;
    out->text = text + start;
    out->n = end - start;
    *at = end + (quoted && end < n);
    if (quoted) {
        out->prefix = *at < n && text[*at] == '*';
        *at += out->prefix;
    } else {
        out->prefix = (out->n > 1 && text[end - 1] == '*') || (as_typed && end == n);
    }
    return true;
}

static int list_word(void *user, const char *text, size_t n, size_t start, size_t end)
{
    words_list *list = user;
    (void)start, (void)end;
    if (list->n_words == WORDS_MAX_WORDS)
        return 1;
    words_word *w = &list->words[list->n_words++];
    memcpy(w->text, text, n);
    w->n = n;
    w->prefix = false;
    return 0;
}

/* A term that has no room for all its words is not listed. */
static void list_term(words_list *list, const term *t)
{
    words_term *to = &list->terms[list->n_terms];
    to->first = list->n_words;
    if (words_each(t->text, t->n, list_word, list) != 0) {
        list->n_words = to->first;
        return;
    }
    to->n = list->n_words - to->first;
    list->words[list->n_words - 1].prefix = t->prefix;
    list->n_terms++;
}

hearth_status words_query(const char *text, size_t n, bool any_word, bool as_typed, buf *out,
                          words_list *list, hearth_error *err)
{
    buf without;
    term t;
    size_t n_with = 0, n_without = 0;
    buf_init(&without, 0);
    list->n_terms = list->n_words = 0;
    bool good = buf_append_text(out, "(");
    for (size_t at = 0;
         n_with + n_without < WORDS_MAX_TERMS && next_term(text, n, &at, as_typed, &t);) {
        if (words_each(t.text, t.n, found_one, NULL) == 0)
            continue;
        buf *to = t.without ? &without : out;
        size_t *count = t.without ? &n_without : &n_with;
        if (*count > 0)
            good = good && buf_append_text(to, t.without || any_word ? " OR " : " AND ");
        good = good && words_quote(t.text, t.n, t.prefix, to);
        ++*count;
        if (!t.without)
            list_term(list, &t);
    }
    good = good && buf_append_text(out, ")");
    if (n_without > 0)
        good = good && buf_append_text(out, " NOT (") && buf_append(out, without.data, without.n) &&
               buf_append_text(out, ")");
    if (n_with == 0)
        buf_clear(out);
    buf_deinit(&without);
    return good ? HEARTH_OK : error_no_memory(err, "a query", n);
}
