/* SPDX-License-Identifier: MIT
 *
 * memory.c - memory_recall: what other chats say about a text.
 *
 * Words that half of all messages have say nothing, and make a search slow; so the query is made of
 * the rarest words of the text, without those that say nothing anywhere. A message that was found
 * by words alone must have several of them in one passage, unless the text has no more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/find.h"
#include "store/words.h"

enum {
    MAX_WORDS = 48,   /* of the text, that are looked up */
    MAX_RARE = 12,    /* that are searched for */
    COMMON_FROM = 20, /* a word in fewer messages is never too common */
    COMMON_PART = 10, /* above that: one of so many messages */
    DEFAULT_PASSAGES = 8,
    MOST_PASSAGES = 100,
    TOKEN_BYTES = 4
};

/* What a text is about is not said by these (English, German, French, Spanish, Italian,
 * Portuguese), and a store of few messages cannot tell that by how many have them. */
static const char common_words[] =
    " a about after all also am an and any are as at be because been but by can could did "
    "do does for from get had has have he hello her here hi him his how i if in into is "
    "it its just let me more my no not of on one or our out please she should so some "
    "tell than thank thanks that the their them then there these they this to too up us "
    "was we were what when where which who why will with would yes you your "
    "aber als auch auf aus bei bin bist bitte das dass dein deine dem den der des die "
    "dir doch du ein eine einem einen einer er es fur gibt hallo hat ich ihr im ist ja "
    "kann kein keine man mein meine mich mir mit nach nein nicht noch nun oder sein sich "
    "sie sind und uns vom von war warum welche wenn wer wie wir wird wo zu zum zur "
    "au aux avec bonjour ce ces cette comment dans de elle en est et il je la le les "
    "leur lui ma mais mes moi mon ne nous ou par pas plus pour pourquoi que quel quelle "
    "qui sa se ses si son sont sur ta te tes toi ton tu un une vos votre vous "
    "al como con cual del donde el ella esta este estos hay hola las lo los mas mi mis "
    "muy o para pero por quien sin su sus una y yo "
    "che chi ciao com cosa da dei della di dos e em eu gli ho io isso meu minha mio na "
    "nao nel non nos os per piu quale qual sao sei seu sono sua sul ti tra um uma uno "
    "voce ";

typedef struct rare_word {
    char text[WORDS_MAX_BYTES + 1];
    size_t n;
    int64_t n_messages;
} rare_word;

typedef struct recall {
    store *s;
    const memory_query *query;
    rare_word words[MAX_WORDS];
    size_t n_words;
    hearth_error *err;
} recall;

/* ---- words ---- */

static bool is_common(const char *text, size_t n)
{
    for (const char *at = common_words, *end; at[1]; at = end) {
        end = strchr(at + 1, ' ');
        if ((size_t)(end - at) == n + 1 && memcmp(at + 1, text, n) == 0)
            return true;
    }
    return false;
}

static int note_word(void *user, const char *text, size_t n, size_t start, size_t end)
{
    recall *r = user;
    (void)start, (void)end;
    if (n == 0 || n > WORDS_MAX_BYTES || is_common(text, n))
        return 0;
    for (size_t i = 0; i < r->n_words; i++) {
        if (r->words[i].n == n && memcmp(r->words[i].text, text, n) == 0)
            return 0;
    }
    rare_word *w = &r->words[r->n_words++];
    *w = (rare_word){.n = n};
    memcpy(w->text, text, n);
    return r->n_words == MAX_WORDS;
}

static int by_rarity(const void *left, const void *right)
{
    const rare_word *a = left, *b = right;
    if (a->n_messages != b->n_messages)
        return a->n_messages < b->n_messages ? -1 : 1;
    return strcmp(a->text, b->text);
}

/* Leaves the words that are somewhere, but not everywhere, rarest first. */
static hearth_status choose_words(recall *r)
{
    db *d = &r->s->searcher;
    int64_t n_messages = 0;
    size_t kept = 0;
    hearth_status status = HEARTH_OK;
    db_lock(d);
    TRY_OUT(db_number(d, &n_messages, 0, r->err, "SELECT max(id) FROM message", ""));
    for (size_t i = 0; i < r->n_words; i++) {
        rare_word *w = &r->words[i];
        TRY_OUT(db_number(d, &w->n_messages, 0, r->err, "SELECT doc FROM word WHERE term = ?", "t",
                          w->text));
        if (w->n_messages > 0 &&
            (w->n_messages < COMMON_FROM || w->n_messages <= n_messages / COMMON_PART))
            r->words[kept++] = *w;
    }
    r->n_words = kept;
    qsort(r->words, r->n_words, sizeof *r->words, by_rarity);
    if (r->n_words > MAX_RARE)
        r->n_words = MAX_RARE;
out:
    db_unlock(d);
    return status;
}

static hearth_status write_words(const recall *r, buf *out)
{
    bool good = true;
    for (size_t i = 0; i < r->n_words; i++)
        good = good && (i == 0 || buf_append_text(out, " OR ")) &&
               words_quote(r->words[i].text, r->words[i].n, false, out);
    return good ? HEARTH_OK : error_no_memory(r->err, "a query", out->n);
}

/* ---- passages ---- */

typedef struct counter {
    const recall *r;
    uint32_t seen; /* a bit for each rare word */
} counter;

static int count_word(void *user, const char *text, size_t n, size_t start, size_t end)
{
    counter *c = user;
    (void)start, (void)end;
    for (size_t i = 0; i < c->r->n_words; i++) {
        const rare_word *w = &c->r->words[i];
        if (w->n == n && memcmp(w->text, text, n) == 0)
            c->seen |= 1u << i;
    }
    return 0;
}

static int words_in(const recall *r, const char *text, size_t n)
{
    counter c = {.r = r};
    words_each(text, n, count_word, &c);
    return __builtin_popcount(c.seen);
}

/* The passage with the most words of the query, the first of equals. */
static size_t best_passage(const recall *r, const char *text, size_t n, size_t *start, int *n_words)
{
    size_t at = 0, from, n_passage, n_best = 0;
    *n_words = 0;
    while ((n_passage = search_cut(text, n, &at, &from)) > 0) {
        int here = words_in(r, text + from, n_passage);
        if (here > *n_words) {
            *n_words = here;
            *start = from;
            n_best = n_passage;
        }
    }
    return n_best;
}

static size_t count_tokens(const memory_query *q, const char *text, size_t n)
{
    return q->n_tokens ? q->n_tokens(q->user, text, n) : (n + TOKEN_BYTES - 1) / TOKEN_BYTES;
}

static bool has_text(const memory_passages *list, const char *text, size_t n)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strlen(list->items[i].text) == n && memcmp(list->items[i].text, text, n) == 0)
            return true;
    }
    return false;
}

/* Takes the hit's passage into the list, if it is relevant, new, and within the budget. */
static hearth_status take(recall *r, arena *a, const search_hit *hit, const char *content,
                          memory_passages *out)
{
    const memory_query *q = r->query;
    size_t n_content = strlen(content), start = hit->passage_start, n = hit->passage_n;
    int n_words;
    if (!hit->by_meaning) {
        n = best_passage(r, content, n_content, &start, &n_words);
        if (n == 0 || (n_words < 2 && r->n_words > 2))
            return HEARTH_OK;
    } else if (start > n_content || n > n_content - start) {
        return HEARTH_OK;
    }
    if (has_text(out, content + start, n))
        return HEARTH_OK;
    size_t n_tokens = count_tokens(q, content + start, n);
    if (n_tokens > q->budget_tokens - out->n_tokens) {
        out->n_left_out++;
        return HEARTH_OK;
    }
    memory_passage *p = &out->items[out->n];
    *p = (memory_passage){.chat = hit->chat,
                          .message = hit->message,
                          .role = hit->role,
                          .created_ms = hit->created_ms,
                          .title = arena_text(a, hit->title, strlen(hit->title)),
                          .text = arena_text(a, content + start, n),
                          .n_tokens = n_tokens,
                          .score = hit->score};
    if (p->title == NULL || p->text == NULL)
        return error_no_memory(r->err, "a passage", n);
    out->n++;
    out->n_tokens += n_tokens;
    return HEARTH_OK;
}

static hearth_status take_all(recall *r, const search_hits *hits, size_t n_max,
                              memory_passages *out)
{
    arena *a = result_new(&out->memory);
    out->items = a ? arena_array(a, n_max, sizeof *out->items) : NULL;
    if (out->items == NULL)
        return error_no_memory(r->err, "passages", n_max * sizeof *out->items);
    for (size_t i = 0; i < hits->n && out->n < n_max; i++) {
        store_messages messages;
        hearth_error gone;
        hearth_status status = store_message_get(r->s, hits->items[i].message, &messages, &gone);
        if (status == HEARTH_ENOTFOUND)
            continue; /* purged since it was found */
        if (status == HEARTH_OK)
            status = take(r, a, &hits->items[i], messages.items[0].content, out);
        else if (r->err)
            *r->err = gone;
        store_messages_free(&messages);
        TRY(status);
    }
    return HEARTH_OK;
}

hearth_status memory_recall(store *s, const memory_query *query, memory_passages *out,
                            hearth_error *err)
{
    buf words;
    search_hits hits = {0};
    const char *text = query->text ? query->text : "";
    size_t n_max = query->max_passages ? query->max_passages : DEFAULT_PASSAGES;
    hearth_status status = HEARTH_OK;
    *out = (memory_passages){0};
    if (n_max > MOST_PASSAGES)
        FAIL(err, EINVAL, "max_passages", "%zu passages; %d are the most", n_max, MOST_PASSAGES);
    TRY(check_text("text", text, err));
    buf_init(&words, 0);
    recall *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        TRY_OUT(error_no_memory(err, "a memory", sizeof *r));
    *r = (recall){.s = s, .query = query, .err = err};
    words_each(text, strlen(text), note_word, r);
    TRY_OUT(choose_words(r));
    TRY_OUT(write_words(r, &words));
    const search_query find = {.text = text,
                               .not_chat = query->not_chat,
                               .roles = 1u << STORE_USER | 1u << STORE_ASSISTANT,
                               .folder = query->folder,
                               .tag = query->tag,
                               .limit = (uint32_t)n_max * 4};
    TRY_OUT(find_run(s, &find, words.n ? words.data : "", NULL, true, &hits, err));
    TRY_OUT(take_all(r, &hits, n_max, out));
out:
    search_hits_free(&hits);
    mem_free(r);
    buf_deinit(&words);
    if (status != HEARTH_OK)
        memory_passages_free(out);
    return status;
}

void memory_passages_free(memory_passages *list)
{
    result_free(&list->memory);
    *list = (memory_passages){0};
}
