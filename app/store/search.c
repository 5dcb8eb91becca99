/* SPDX-License-Identifier: MIT
 *
 * search.c - search_find: the lists by words and by meaning, their fusion, and snippets.
 *
 * All look-ups of one search see the file at one moment. To rank a message takes FTS5 longer than
 * to find it, so of very many that have the words only the newest are ranked, which is told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "store/find.h"
#include "store/snippet.h"

enum { DEFAULT_LIMIT = 20, LEAST_CANDIDATES = 60, RANK_CONSTANT = 60 };

/* Parameters 1 to 14 of every statement that filters. */
#define FILTER                                                                                     \
    " m.deleted_ms = 0 AND c.deleted_ms = 0 AND (?1 = 0 OR m.chat = ?1) AND m.chat <> ?2"          \
    " AND (?3 = 0 OR (?3 >> m.role) & 1) AND m.created_ms >= ?4"                                   \
    " AND (?5 = 0 OR m.created_ms < ?5) AND (?6 = '' OR m.model = ?6)" FILTER_OF_CHATS
#define FILTER_OF_CHATS                                                                            \
    " AND (?7 = '' OR c.folder = ?7 OR substr(c.folder, 1, length(?7) + 1) = ?7 || '/')"           \
    " AND (?8 = '' OR EXISTS (SELECT 1 FROM chat_tag t WHERE t.chat = c.id AND t.tag = ?8))"       \
    " AND (?9 = 0 OR NOT json_valid(c.settings)"                                                   \
    "      OR coalesce(json_extract(c.settings, '$.memory'), 1) <> 0)"
#define FILTER_FORMAT "iiiiittti"
#define FILTER_VALUES(q, quiet)                                                                    \
    (q)->chat, (q)->not_chat, (int64_t)(q)->roles, (q)->from_ms, (q)->to_ms, (q)->model,           \
        (q)->folder, (q)->tag, (int64_t)(quiet)

typedef struct candidate {
    int64_t chat, message;
    double score;
    uint32_t start, n; /* of the passage */
    bool by_words, by_meaning;
} candidate;

typedef struct finder {
    db *d;
    arena *a;
    const search_query *query;
    const char *words;
    const words_list *terms;
    bool quiet, broad;
    size_t n_wanted; /* of each list */
    candidate *items;
    size_t n, capacity;
    hearth_error *err;
} finder;

static hearth_status add_candidate(finder *f, const candidate *c)
{
    f->items = result_grow(f->a, f->items, f->n, &f->capacity, sizeof *f->items);
    if (f->items == NULL)
        return error_no_memory(f->err, "a search", f->n * sizeof *f->items);
    f->items[f->n++] = *c;
    return HEARTH_OK;
}

static double score_of(size_t rank)
{
    return 1.0 / (double)(RANK_CONSTANT + 1 + rank);
}

/* ---- the lists ---- */

static hearth_status add_rows(finder *f, sqlite3_stmt *statement)
{
    bool row;
    for (size_t rank = 0;; rank++) {
        TRY(db_step(f->d, statement, &row, f->err));
        if (!row)
            return HEARTH_OK;
        f->broad |= sqlite3_column_int64(statement, 2) >= SEARCH_MAX_RANKED;
        const candidate c = {.message = sqlite3_column_int64(statement, 0),
                             .chat = sqlite3_column_int64(statement, 1),
                             .score = score_of(rank),
                             .by_words = true};
        hearth_status status = add_candidate(f, &c);
        if (status != HEARTH_OK) {
            db_done(statement);
            return status;
        }
    }
}

static hearth_status list_by_words(finder *f)
{
    sqlite3_stmt *statement;
    TRY(db_query(f->d, &statement, f->err,
                 "SELECT id, chat, count(*) OVER () FROM (SELECT m.id, m.chat, "
                 "bm25(message_words) AS score FROM message_words CROSS JOIN message m "
                 "ON m.id = message_words.rowid JOIN chat c ON c.id = m.chat "
                 "WHERE message_words MATCH ?10 AND" FILTER
                 " ORDER BY message_words.rowid DESC LIMIT ?12) ORDER BY score, id DESC LIMIT ?11",
                 FILTER_FORMAT "tuu", FILTER_VALUES(f->query, f->quiet), f->words,
                 (uint64_t)f->n_wanted, (uint64_t)SEARCH_MAX_RANKED));
    return add_rows(f, statement);
}

/* A filter that only messages can pass leaves the titles out. */
static hearth_status list_by_titles(finder *f)
{
    const search_query *q = f->query;
    sqlite3_stmt *statement;
    if (f->quiet || q->roles || q->from_ms || q->to_ms || (q->model && q->model[0]))
        return HEARTH_OK;
    TRY(db_query(f->d, &statement, f->err,
                 "SELECT 0, c.id, 0 FROM chat_words w CROSS JOIN chat c ON c.id = w.rowid "
                 "WHERE w.chat_words MATCH ?10 AND c.deleted_ms = 0 AND (?1 = 0 OR c.id = ?1) "
                 "AND c.id <> ?2" FILTER_OF_CHATS " ORDER BY w.rank LIMIT ?11",
                 FILTER_FORMAT "tu", FILTER_VALUES(q, f->quiet), f->words, (uint64_t)f->n_wanted));
    return add_rows(f, statement);
}

/* Reads ids into a set with room for all that the table has. */
static hearth_status read_ids(finder *f, id_set *set, const char *last_sql, const char *sql)
{
    const search_query *q = f->query;
    sqlite3_stmt *statement;
    int64_t last;
    bool row = true;
    TRY(db_number(f->d, &last, 0, f->err, last_sql, ""));
    TRY(id_set_init(set, last + 1, f->err));
    TRY(db_query(f->d, &statement, f->err, sql, FILTER_FORMAT, FILTER_VALUES(q, f->quiet)));
    while (row) {
        TRY(db_step(f->d, statement, &row, f->err));
        if (row)
            id_set_add(set, sqlite3_column_int64(statement, 0));
    }
    return HEARTH_OK;
}

/* Chats are few, and deleted messages, too. All messages are asked for only if that cannot be
 * helped. */
static hearth_status make_filter(finder *f, vector_filter *out)
{
    static const char last_message[] = "SELECT max(id) FROM message";
    const search_query *q = f->query;
    out->roles = q->roles;
    out->from_ms = q->from_ms;
    out->to_ms = q->to_ms;
    TRY(read_ids(f, &out->chats, "SELECT max(id) FROM chat",
                 "SELECT c.id FROM chat c WHERE c.deleted_ms = 0 AND (?1 = 0 OR c.id = ?1) AND "
                 "c.id <> ?2" FILTER_OF_CHATS));
    TRY(read_ids(f, &out->deleted, last_message,
                 "SELECT m.id FROM message m WHERE m.deleted_ms > 0 AND ?9 = ?9"));
    if (q->model == NULL || q->model[0] == '\0')
        return HEARTH_OK;
    return read_ids(f, &out->messages, last_message,
                    "SELECT m.id FROM message m WHERE m.model = ?6 AND ?9 = ?9");
}

static hearth_status add_near(finder *f, const vector_hit *hits, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        candidate c = {.message = hits[i].place.message,
                       .score = score_of(i),
                       .start = hits[i].place.start,
                       .n = hits[i].place.n,
                       .by_meaning = true};
        TRY(db_number(f->d, &c.chat, 0, f->err, "SELECT chat FROM message WHERE id = ?", "i",
                      c.message));
        if (c.chat != 0)
            TRY(add_candidate(f, &c));
    }
    return HEARTH_OK;
}

static hearth_status list_by_meaning(finder *f, vectors *v, const char *model, const float *vector)
{
    vector_filter filter = {0};
    size_t n = 0;
    vector_hit *hits = arena_array(f->a, f->n_wanted, sizeof *hits);
    if (hits == NULL)
        return error_no_memory(f->err, "a search", f->n_wanted * sizeof *hits);
    hearth_status status = make_filter(f, &filter);
    if (status == HEARTH_OK) {
        vectors_lock(v);
        status = vectors_load(v, f->d, f->err);
        /* Another embedder may have come since the question was embedded. */
        if (status == HEARTH_OK && v->model && strcmp(v->model, model) == 0)
            n = vectors_scan(v, vector, &filter, hits, f->n_wanted);
        vectors_unlock(v);
    }
    id_set_deinit(&filter.chats);
    id_set_deinit(&filter.deleted);
    id_set_deinit(&filter.messages);
    return status == HEARTH_OK ? add_near(f, hits, n) : status;
}

/* ---- fusion ---- */

static int by_message(const void *left, const void *right)
{
    const candidate *a = left, *b = right;
    if (a->message != b->message)
        return a->message < b->message ? -1 : 1;
    if (a->chat != b->chat)
        return a->chat < b->chat ? -1 : 1;
    return (int)a->by_meaning - (int)b->by_meaning;
}

/* Newer ones first among equals. */
static int by_score(const void *left, const void *right)
{
    const candidate *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->message != b->message)
        return a->message > b->message ? -1 : 1;
    return a->chat > b->chat ? -1 : a->chat < b->chat;
}

static void fuse(finder *f)
{
    size_t n = 0;
    if (f->n == 0)
        return;
    qsort(f->items, f->n, sizeof *f->items, by_message);
    for (size_t i = 0; i < f->n; i++) {
        candidate *last = n > 0 ? &f->items[n - 1] : NULL, *c = &f->items[i];
        if (last == NULL || last->message != c->message || last->chat != c->chat) {
            f->items[n++] = *c;
            continue;
        }
        last->score += c->score;
        last->by_words |= c->by_words;
        last->by_meaning |= c->by_meaning;
        last->start = c->start;
        last->n = c->n;
    }
    f->n = n;
    qsort(f->items, f->n, sizeof *f->items, by_score);
}

/* ---- snippets ---- */

static hearth_status describe_message(finder *f, const candidate *c, search_hit *hit)
{
    sqlite3_stmt *statement;
    bool row, good = true;
    TRY(db_query(f->d, &statement, f->err,
                 "SELECT c.title, m.role, m.created_ms, m.content FROM message m JOIN chat c "
                 "ON c.id = m.chat WHERE m.id = ?",
                 "i", c->message));
    TRY(db_step(f->d, statement, &row, f->err));
    if (!row)
        FAIL(f->err, EFORMAT, "search",
             "the index of words knows message %lld, which is not there; check the chat store",
             (long long)c->message);
    hit->title = result_text(f->a, statement, 0);
    hit->role = (store_role)sqlite3_column_int(statement, 1);
    hit->created_ms = sqlite3_column_int64(statement, 2);
    if (!f->quiet) {
        const char *text = db_text(statement, 3);
        good = snippet_make(f->a, text, strlen(text), c->start, f->terms, hit);
    }
    db_done(statement);
    return good && hit->title ? HEARTH_OK : error_no_memory(f->err, "a snippet", 0);
}

static hearth_status describe_title(finder *f, const candidate *c, search_hit *hit)
{
    sqlite3_stmt *statement;
    bool row;
    TRY(db_query(f->d, &statement, f->err, "SELECT title, updated_ms FROM chat WHERE id = ?", "i",
                 c->chat));
    TRY(db_step(f->d, statement, &row, f->err));
    hit->title = row ? result_text(f->a, statement, 0) : "";
    hit->created_ms = row ? sqlite3_column_int64(statement, 1) : 0;
    db_done(statement);
    bool good = hit->title && snippet_make(f->a, hit->title, strlen(hit->title), 0, f->terms, hit);
    return good ? HEARTH_OK : error_no_memory(f->err, "a title", 0);
}

static hearth_status describe(finder *f, size_t limit, search_hits *out)
{
    out->more = f->n > limit;
    out->broad = f->broad;
    out->n = out->more ? limit : f->n;
    out->items = arena_array(f->a, out->n, sizeof *out->items);
    if (out->items == NULL)
        return error_no_memory(f->err, "a search", out->n * sizeof *out->items);
    for (size_t i = 0; i < out->n; i++) {
        const candidate *c = &f->items[i];
        search_hit *hit = &out->items[i];
        *hit = (search_hit){.chat = c->chat,
                            .message = c->message,
                            .score = c->score,
                            .by_words = c->by_words,
                            .by_meaning = c->by_meaning,
                            .snippet = "",
                            .passage_start = c->start,
                            .passage_n = c->n};
        TRY(c->message ? describe_message(f, c, hit) : describe_title(f, c, hit));
    }
    return HEARTH_OK;
}

/* ---- the whole ---- */

/* The query's vector; *out stays NULL where there is no embedder, or the text has no meaning to it.
 */
static hearth_status embed_query(store *s, const search_query *q, char *model, float **out,
                                 hearth_error *err)
{
    const char *text = q->text ? q->text : "";
    search_embedder e = vectors_embedder(&s->vectors, model);
    *out = NULL;
    if (q->words_only || e.embed == NULL || text[0] == '\0')
        return HEARTH_OK;
    float *vector = mem_alloc_array(e.n_dimensions, sizeof *vector);
    if (vector == NULL)
        return error_no_memory(err, "a vector", e.n_dimensions * sizeof *vector);
    hearth_status status = e.embed(e.user, &text, 1, true, vector, err);
    if (status == HEARTH_OK)
        *out = vector;
    else
        mem_free(vector);
    return status;
}

static hearth_status run_lists(store *s, finder *f, const char *model, const float *vector,
                               size_t limit, search_hits *out)
{
    if (f->words[0]) {
        TRY(list_by_words(f));
        TRY(list_by_titles(f));
    }
    if (vector)
        TRY(list_by_meaning(f, &s->vectors, model, vector));
    fuse(f);
    return describe(f, limit, out);
}

hearth_status find_run(store *s, const search_query *query, const char *words,
                       const words_list *terms, bool quiet, search_hits *out, hearth_error *err)
{
    char model[STORE_MAX_NAME_BYTES + 1] = "";
    float *vector = NULL;
    size_t limit = query->limit ? query->limit : DEFAULT_LIMIT;
    *out = (search_hits){0};
    if (limit > SEARCH_MAX_RESULTS)
        FAIL(err, EINVAL, "limit", "limit: %zu results; %d are the most", limit,
             SEARCH_MAX_RESULTS);
    TRY(embed_query(s, query, model, &vector, err));
    db *d = &s->searcher;
    finder f = {.d = d, .query = query, .words = words, .terms = terms, .quiet = quiet, .err = err};
    f.n_wanted = limit * 2 > LEAST_CANDIDATES ? limit * 2 : LEAST_CANDIDATES;
    f.a = result_new(&out->memory);
    hearth_status status = f.a ? HEARTH_OK : error_no_memory(err, "a search", 0);
    if (status == HEARTH_OK) {
        db_lock(d);
        status = db_exec(d, "BEGIN", err);
        if (status == HEARTH_OK)
            status = run_lists(s, &f, model, vector, limit, out);
        sqlite3_exec(d->handle, "COMMIT", NULL, NULL, NULL);
        db_unlock(d);
    }
    mem_free(vector);
    if (status != HEARTH_OK)
        search_hits_free(out);
    return status;
}

hearth_status search_find(store *s, const search_query *query, search_hits *out, hearth_error *err)
{
    buf words;
    const char *text = query->text ? query->text : "";
    size_t n = strlen(text);
    *out = (search_hits){0};
    TRY(check_text("query", text, err));
    bool cut = n > SEARCH_MAX_QUERY_BYTES;
    if (cut) {
        n = SEARCH_MAX_QUERY_BYTES;
        n -= utf8_incomplete_suffix(text, n);
    }
    words_list *terms = mem_alloc(sizeof *terms);
    if (terms == NULL)
        return error_no_memory(err, "a query", sizeof *terms);
    buf_init(&words, 0);
    hearth_status status =
        words_query(text, n, query->any_word, query->as_typed, &words, terms, err);
    bool no_words = words.n == 0;
    if (status == HEARTH_OK)
        status = find_run(s, query, no_words ? "" : words.data, terms, false, out, err);
    buf_deinit(&words);
    mem_free(terms);
    out->cut = status == HEARTH_OK && cut;
    out->no_words = status == HEARTH_OK && no_words;
    return status;
}

hearth_status search_warm(store *s, hearth_error *err)
{
    db_lock(&s->searcher);
    vectors_lock(&s->vectors);
    hearth_status status = vectors_load(&s->vectors, &s->searcher, err);
    vectors_unlock(&s->vectors);
    db_unlock(&s->searcher);
    return status;
}

void search_hits_free(search_hits *hits)
{
    result_free(&hits->memory);
    *hits = (search_hits){0};
}
