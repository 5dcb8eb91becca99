/* SPDX-License-Identifier: MIT
 *
 * test_store_threads.c - one store used by many threads at once: writers, readers, searches, an
 * embedder and a purge; and that opening a chat walks through no table.
 */
#include "store_case.h"

#include <stdatomic.h>

#include "os/thread.h"
#include "store/search.h"
#include "store/state.h"

enum { WRITERS = 3, READERS = 3, ROUNDS = 30, DIMENSIONS = 8 };

static int64_t chats[WRITERS];
static atomic_int n_failed;

/* cmocka's own checks are for its thread alone. */
static void expect(hearth_status status, const hearth_error *error)
{
    if (status == HEARTH_OK)
        return;
    fprintf(stderr, "%s\n", error->message);
    atomic_fetch_add(&n_failed, 1);
}

static void write_messages(void *arg)
{
    hearth_error error = {0};
    int64_t chat = *(const int64_t *)arg, parent = 0, id = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const store_message m = {.chat = chat,
                                 .parent = parent,
                                 .role = STORE_ASSISTANT,
                                 .state = STORE_STREAMING,
                                 .content = "common words and "};
        expect(store_message_add(s, &m, &id, &error), &error);
        expect(store_message_append(s, id, "a few more", "thought", &error), &error);
        expect(store_message_finish(s, id, &(store_end){.state = STORE_COMPLETE}, &error), &error);
        parent = id;
    }
}

static void read_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        hearth_error error = {0};
        store_messages path_of_chat;
        store_chats list;
        search_hits hits;
        memory_passages passages;
        expect(store_message_path(s, chats[i % WRITERS], 0, 0, &path_of_chat, &error), &error);
        store_messages_free(&path_of_chat);
        expect(store_chat_list(s, &(store_chat_filter){0}, &list, &error), &error);
        store_chats_free(&list);
        expect(search_find(s, &(search_query){.text = "words more"}, &hits, &error), &error);
        search_hits_free(&hits);
        expect(memory_recall(s, &(memory_query){.text = "common words", .budget_tokens = 100},
                             &passages, &error),
               &error);
        memory_passages_free(&passages);
    }
}

static hearth_status embed(void *user, const char *const *texts, size_t n, bool query, float *out,
                           hearth_error *error)
{
    (void)user, (void)texts, (void)query, (void)error;
    for (size_t i = 0; i < n * DIMENSIONS; i++)
        out[i] = 1.0f + (float)(i % 3);
    return HEARTH_OK;
}

static void work(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        hearth_error error = {0};
        store_purged purged;
        expect(search_work(s, 5, NULL, &error), &error);
        if (i % 20 == 0)
            expect(store_purge(s, store_now_ms(), &purged, &error), &error);
    }
}

static void test_threads(void **state)
{
    (void)state;
    thread threads[WRITERS + READERS + 1] = {0};
    size_t n = 0;
    uint64_t n_left = 1;
    for (int i = 0; i < WRITERS; i++)
        chats[i] = add_chat("a chat");
    assert_ok(search_set_embedder(s, &(search_embedder){"m", DIMENSIONS, embed, NULL}, &err));
    for (int i = 0; i < WRITERS; i++)
        assert_ok(thread_start(&threads[n++], write_messages, &chats[i], "a writer", &err));
    for (int i = 0; i < READERS; i++)
        assert_ok(thread_start(&threads[n++], read_all, NULL, "a reader", &err));
    assert_ok(thread_start(&threads[n++], work, NULL, "an embedder", &err));
    for (size_t i = 0; i < n; i++)
        thread_join(&threads[i]);
    assert_int_equal(atomic_load(&n_failed), 0);
    for (int i = 0; i < WRITERS; i++) {
        store_messages list;
        assert_ok(store_message_path(s, chats[i], 0, 0, &list, &err));
        assert_int_equal(list.n, ROUNDS);
        assert_string_equal(list.items[0].content, "common words and a few more");
        store_messages_free(&list);
    }
    while (n_left > 0)
        assert_ok(search_work(s, 50, &n_left, &err));
    vectors_lock(&s->vectors);
    assert_true(!s->vectors.loaded || s->vectors.n == WRITERS * ROUNDS); /* none twice */
    vectors_unlock(&s->vectors);
    buf report;
    buf_init(&report, 0);
    assert_ok(store_check(s, &report, &err));
    assert_int_equal(report.n, 0);
    buf_deinit(&report);
}

/* Steps through whole tables by the statements that a connection has run. */
static int count_scans(const db *d)
{
    int n = 0;
    for (size_t i = 0; i < d->n_statements; i++)
        n += sqlite3_stmt_status(d->statements[i].statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
    return n;
}

static void test_nothing_is_scanned(void **state)
{
    (void)state;
    int64_t chat = 0, parent = 0;
    store_messages list;
    store_chats some;
    search_hits hits;
    for (int c = 0; c < 40; c++) {
        chat = add_chat("title");
        parent = 0;
        for (int m = 0; m < 3; m++)
            parent = add_message(chat, parent, STORE_USER, c == 7 ? "needle" : "hay");
    }
    assert_int_equal(count_scans(&s->writer), 0);
    assert_ok(store_message_path(s, chat, 0, 0, &list, &err));
    assert_int_equal(list.n, 3);
    store_messages_free(&list);
    assert_ok(store_message_children(s, chat, 0, &list, &err));
    store_messages_free(&list);
    assert_ok(store_message_all(s, chat, 0, 10, &list, &err));
    store_messages_free(&list);
    assert_ok(store_chat_get(s, chat, &some, &err));
    store_chats_free(&some);
    assert_true(count_scans(&s->reader) <= 3); /* the rows of the path itself */
    assert_ok(store_chat_list(s, &(store_chat_filter){.limit = 5}, &some, &err));
    store_chats_free(&some);
    assert_true(count_scans(&s->reader) <= 6); /* those that are listed */
    assert_ok(search_find(s, &(search_query){.text = "needle"}, &hits, &err));
    assert_int_equal(hits.n, 3);
    search_hits_free(&hits);
    assert_true(count_scans(&s->searcher) <= 6); /* those that were found */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_threads), TEST(test_nothing_is_scanned)};
    use_memory_for_folders();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
