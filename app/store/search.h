/* SPDX-License-Identifier: MIT
 *
 * search.h - finding messages by their words and by their meaning.
 *
 * What     Two lists are made and fused by reciprocal rank (score = the sum of 1 / (60 + rank);
 *          Cormack, Clarke and Buettcher 2009): words by FTS5 and BM25, over messages and titles of
 *          chats; meaning by the dot product of the query's vector with the vectors of passages.
 *          Without an embedder there is only the first. The query may be anything: words must all
 *          occur (any of them with any_word), "quoted words" stand together, a word* or the last
 *          word with as_typed is the beginning of one, -word must not occur. No text is an
 *          error: what holds no word at all finds nothing. Letters are folded: case, accents.
 *          Characters of scripts without blanks between words are words of their own.
 * Vectors  A message's text is cut into passages (search_cut), each of which has a vector: unit
 *          length, kept as int8 with one scale, with the name of the model that made it. A finished
 *          message enters a queue in the same transaction; whoever has an embedder calls
 *          search_work() when the machine is idle. Vectors of another model are kept until a vector
 *          of the new one replaces them, and are not searched. The scan is exact, over vectors
 *          cached in memory (dimensions + 40 bytes for each passage).
 * Threads  Everything is thread-safe. The embedder is called on the caller's thread with no lock
 *          held.
 */
#ifndef HEARTH_STORE_SEARCH_H
#define HEARTH_STORE_SEARCH_H

#include "store/store.h"

enum {
    SEARCH_PASSAGE_BYTES = 1200, /* the most in a passage: some 300 tokens */
    SEARCH_MAX_DIMENSIONS = 8192,
    SEARCH_MAX_RESULTS = 1000,
    SEARCH_MAX_RANKED = 5000,
    SEARCH_MAX_QUERY_BYTES = 4096, /* what is beyond is not looked at: see search_hits.cut */
    SEARCH_MAX_TRIES = 3           /* to embed one message */
};

/* ---- asking ---- */

typedef struct search_query {
    const char *text;
    bool any_word;   /* a message with any of the words is a hit */
    bool as_typed;   /* the last word may be incomplete */
    bool words_only; /* do not use vectors */
    /* Filters: 0 or NULL for any. */
    int64_t chat, not_chat;
    unsigned roles; /* bits: 1u << STORE_USER | ... */
    int64_t from_ms, to_ms;
    const char *model, *folder, *tag; /* folder as in store_chat_filter, but "" is any, too */
    uint32_t limit;                   /* 0: 20 */
} search_query;

typedef struct search_mark {
    uint32_t start, n; /* bytes of the snippet */
} search_mark;

typedef struct search_hit {
    int64_t chat, message; /* message 0: the title of the chat was found */
    const char *title;     /* of the chat */
    store_role role;
    int64_t created_ms;
    double score; /* higher is better; comparable within one answer only */
    bool by_words, by_meaning;
    const char *snippet; /* of the message or title, with "…" where something is left out */
    const search_mark *marks;
    size_t n_marks;
    uint32_t passage_start, passage_n; /* by_meaning: bytes of the content */
} search_hit;

typedef struct search_hits {
    search_hit *items;
    size_t n;
    bool more;     /* the limit cut the list */
    bool cut;      /* the query was longer than SEARCH_MAX_QUERY_BYTES */
    bool broad;    /* so many have the words that only the newest SEARCH_MAX_RANKED were ranked */
    bool no_words; /* the query holds nothing that can be found by words */
    void *memory;
} search_hits;
void search_hits_free(search_hits *hits);

/* Best first. */
hearth_status search_find(store *s, const search_query *query, search_hits *out, hearth_error *err);

/* ---- meaning ---- */

typedef struct search_embedder {
    const char *model; /* names the vectors; copied */
    uint32_t n_dimensions;
    /* Writes n vectors of n_dimensions floats to out, of any length but 0. query: the texts are
     * questions, not passages, which some models want to be told. */
    hearth_status (*embed)(void *user, const char *const *texts, size_t n, bool query, float *out,
                           hearth_error *err);
    void *user;
} search_embedder;

/* Queues all messages that have no vectors of this model. NULL: from now on none. A search or
 * search_work() that has already begun may still call the embedder before this: set it before the
 * threads that search begin, or keep its user alive until they have ended. */
hearth_status search_set_embedder(store *s, const search_embedder *embedder, hearth_error *err);

/* Reads the vectors into memory, which the first search would otherwise do and wait for: for a
 * thread of its own after the start. At once if they are there, or there is no embedder. */
hearth_status search_warm(store *s, hearth_error *err);

/* Embeds up to n_max waiting messages, the newest first. *n_left (may be NULL): how many still
 * wait. A failure of the embedder ends it and is returned; EINVAL, EFORMAT and ECONTEXT are the
 * text's fault, and a message that has them SEARCH_MAX_TRIES times leaves the queue. EINVAL without
 * an embedder. */
hearth_status search_work(store *s, uint32_t n_max, uint64_t *n_left, hearth_error *err);

/* The same in two halves, for those who embed elsewhere. */
typedef struct search_job {
    int64_t message;
    const char *const *passages;
    size_t n_passages; /* at least 1 */
} search_job;
typedef struct search_jobs {
    search_job *items;
    size_t n;
    uint64_t n_waiting; /* these included */
    void *memory;
} search_jobs;
void search_jobs_free(search_jobs *jobs);
hearth_status search_pending(store *s, uint32_t n_max, search_jobs *out, hearth_error *err);
/* One vector for each passage, in order, one after the other. ENOTFOUND if the message is gone:
 * then it is not in the queue any more, either. */
hearth_status search_store_vectors(store *s, int64_t message, const char *model,
                                   uint32_t n_dimensions, const float *floats, size_t n_vectors,
                                   hearth_error *err);
/* Counts a failure. */
hearth_status search_failed(store *s, int64_t message, hearth_error *err);

/* ---- passages ---- */

/* The next passage of text from *at on: its bytes are [*start, *start + returned). It ends after a
 * paragraph, else a sentence, else a word, else a character, and has no blanks at its ends. 0:
 * there is none left. */
size_t search_cut(const char *text, size_t n, size_t *at, size_t *start);

/* ---- memory: what other chats know about this ---- */

typedef struct memory_query {
    const char *text;         /* what the user just wrote */
    int64_t not_chat;         /* the chat that asks; 0: none */
    const char *folder, *tag; /* only chats of these; NULL: all */
    uint32_t budget_tokens;   /* of all passages together */
    uint32_t max_passages;    /* 0: 8 */
    /* Counts the tokens of a text. NULL: a token for each four bytes, rounded up. */
    size_t (*n_tokens)(void *user, const char *text, size_t n);
    void *user;
} memory_query;

typedef struct memory_passage {
    int64_t chat, message;
    const char *title; /* of the chat */
    store_role role;
    int64_t created_ms;
    const char *text;
    size_t n_tokens;
    double score;
} memory_passage;

typedef struct memory_passages {
    memory_passage *items; /* best first */
    size_t n;
    size_t n_tokens;
    size_t n_left_out; /* relevant ones that were beyond the budget */
    void *memory;
} memory_passages;
void memory_passages_free(memory_passages *list);

/* Passages of messages of users and assistants that go with the text, one per message, none twice.
 * Chats whose settings hold "memory": false are not looked at. */
hearth_status memory_recall(store *s, const memory_query *query, memory_passages *out,
                            hearth_error *err);

#endif
