/* SPDX-License-Identifier: MIT
 *
 * bench_store.c - how fast a large store answers: build/bench_store FILE [CHATS MESSAGES
 * DIMENSIONS].
 *
 * Fills FILE, unless it is there, with chats of messages of random words (a few frequent, most
 * rare, by Zipf's law) and random vectors; then prints the median of each kind of question, in
 * milliseconds of one core. DIMENSIONS 0: without vectors.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/search.h"
#include "store/transfer.h"

enum { VOCABULARY = 30000, ROUNDS = 15 };

static uint64_t random_state = 88172645463325252ull;
static uint32_t dimensions = 384;

static double next_random(void)
{
    random_state ^= random_state << 13; /* xorshift64, Marsaglia 2003 */
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static int next_word(void)
{
    return (int)(exp(next_random() * log(VOCABULARY)) - 1);
}

static void add_words(buf *out, int n)
{
    for (int i = 0; i < n; i++)
        buf_append_format(out, "w%dx ", next_word());
}

static hearth_status embed(void *user, const char *const *texts, size_t n, bool query, float *out,
                           hearth_error *err)
{
    (void)user, (void)texts, (void)query, (void)err;
    for (size_t i = 0; i < n * dimensions; i++)
        out[i] = (float)(next_random() - 0.5);
    return HEARTH_OK;
}

/* By an import, which is one transaction. */
static hearth_status fill(store *s, int n_chats, int n_messages, hearth_error *err)
{
    buf json;
    buf_init(&json, 0);
    buf_append_text(&json, "[");
    for (int c = 0; c < n_chats; c++) {
        buf_append_format(&json,
                          "%s{\"format\":\"hearth-chat\",\"version\":1,\"title\":\"chat %d\","
                          "\"leaf\":%d,\"messages\":[",
                          c ? "," : "", c, n_messages);
        for (int m = 1; m <= n_messages; m++) {
            buf_append_format(&json, "%s{\"id\":%d,\"parent\":", m > 1 ? "," : "", m);
            buf_append_format(&json, m > 1 ? "%d" : "null", m - 1);
            buf_append_format(&json, ",\"role\":\"%s\",\"content\":\"",
                              m % 2 ? "user" : "assistant");
            add_words(&json, m % 2 ? 20 : 150);
            buf_append_text(&json, "\"}");
        }
        buf_append_text(&json, "]}");
    }
    import_report report;
    hearth_status status = buf_append_text(&json, "]")
                               ? import_bytes(s, "made", json.data, json.n, &report, err)
                               : error_no_memory(err, "texts", json.n);
    buf_deinit(&json);
    return status;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef hearth_status (*question)(store *s, const void *arg, size_t *n, hearth_error *err);

static int measure(store *s, const char *name, question ask, const void *arg)
{
    double times[ROUNDS];
    size_t n = 0;
    hearth_error err = {0};
    for (int i = 0; i < ROUNDS; i++) {
        clock_t start = clock();
        if (ask(s, arg, &n, &err) != HEARTH_OK) {
            fprintf(stderr, "%s: %s\n", name, err.message);
            return 1;
        }
        times[i] = (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC;
    }
    double first = times[0];
    qsort(times, ROUNDS, sizeof *times, by_value);
    printf("%-44s %8.2f ms   first %8.2f ms   %zu results\n", name, times[ROUNDS / 2], first, n);
    return 0;
}

static hearth_status ask_path(store *s, const void *arg, size_t *n, hearth_error *err)
{
    store_messages list;
    TRY(store_message_path(s, *(const int64_t *)arg, 0, 0, &list, err));
    *n = list.n;
    store_messages_free(&list);
    return HEARTH_OK;
}

static hearth_status ask_list(store *s, const void *arg, size_t *n, hearth_error *err)
{
    store_chats list;
    TRY(store_chat_list(s, arg, &list, err));
    *n = list.n;
    store_chats_free(&list);
    return HEARTH_OK;
}

static hearth_status ask_search(store *s, const void *arg, size_t *n, hearth_error *err)
{
    search_hits hits;
    TRY(search_find(s, arg, &hits, err));
    *n = hits.n;
    search_hits_free(&hits);
    return HEARTH_OK;
}

static hearth_status ask_memory(store *s, const void *arg, size_t *n, hearth_error *err)
{
    memory_passages list;
    TRY(memory_recall(s, arg, &list, err));
    *n = list.n;
    memory_passages_free(&list);
    return HEARTH_OK;
}

static int ask_all(store *s)
{
    const int64_t chat = 500;
    return measure(s, "open a chat: its whole path", ask_path, &chat) ||
           measure(s, "list 50 chats", ask_list, &(store_chat_filter){.limit = 50}) ||
           measure(s, "search a rare word", ask_search, &(search_query){.text = "w20000x"}) ||
           measure(s, "search two usual words", ask_search, &(search_query){.text = "w50x w80x"}) ||
           measure(s, "search the most frequent word", ask_search,
                   &(search_query){.text = "w0x"}) ||
           measure(s, "search two of the most frequent words", ask_search,
                   &(search_query){.text = "w0x w1x"}) ||
           measure(s, "search as typed: w1", ask_search,
                   &(search_query){.text = "w1", .as_typed = true}) ||
           measure(s, "search in one role", ask_search,
                   &(search_query){.text = "w0x", .roles = 1u << STORE_USER}) ||
           measure(
               s, "recall 8 passages", ask_memory,
               &(memory_query){.text = "w0x w1x w2x w500x w5000x w7000x", .budget_tokens = 2000});
}

/* As after a start of the program. */
static hearth_status begin_again(store **s, const char *path, const search_embedder *e,
                                 hearth_error *err)
{
    store_close(*s);
    TRY(store_open(s, path, false, err));
    TRY(search_set_embedder(*s, e, err));
    clock_t start = clock();
    TRY(search_warm(*s, err));
    printf("%-44s %8.2f ms\n", "read the vectors, in the background",
           (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC);
    return HEARTH_OK;
}

int main(int argc, char **argv)
{
    hearth_error err = {0};
    store *s;
    uint64_t n_left = 1;
    int n_chats = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1000;
    int n_messages = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 100;
    if (argc > 4)
        dimensions = (uint32_t)strtoul(argv[4], NULL, 10);
    if (argc < 2) {
        fprintf(stderr, "usage: bench_store FILE [CHATS MESSAGES DIMENSIONS]\n");
        return 2;
    }
    bool there = access(argv[1], F_OK) == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    hearth_status status = store_open(&s, argv[1], false, &err);
    if (status == HEARTH_OK && !there)
        status = fill(s, n_chats, n_messages, &err);
    if (status != HEARTH_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("words alone\n");
    int failed = ask_all(s);
    if (dimensions == 0) {
        store_close(s);
        return failed;
    }
    const search_embedder e = {"random", dimensions, embed, NULL};
    status = search_set_embedder(s, &e, &err);
    while (status == HEARTH_OK && n_left > 0)
        status = search_work(s, 1000, &n_left, &err);
    if (status == HEARTH_OK)
        status = begin_again(&s, argv[1], &e, &err);
    if (status != HEARTH_OK)
        fprintf(stderr, "%s\n", err.message);
    printf("with vectors of %u dimensions\n", dimensions);
    failed = failed || ask_all(s);
    store_close(s);
    return failed || status != HEARTH_OK;
}
