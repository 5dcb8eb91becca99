/* SPDX-License-Identifier: MIT
 *
 * test_store_search.c - finding by words, by meaning and by both; passages; memory.
 *
 * The embedder here knows three meanings by their words, so that texts can be alike without a word
 * in common.
 */
#include "store_case.h"

#include "store/search.h"
#include "store/words.h"

/* ---- words ---- */

static void expect_query(const char *text, bool any_word, bool as_typed, const char *wanted)
{
    static words_list list;
    buf out;
    buf_init(&out, 0);
    assert_ok(words_query(text, strlen(text), any_word, as_typed, &out, &list, &err));
    assert_string_equal(out.n ? out.data : "", wanted);
    buf_deinit(&out);
}

static void test_queries(void **state)
{
    (void)state;
    expect_query("two words", false, false, "(\"two\" AND \"words\")");
    expect_query("two words", true, false, "(\"two\" OR \"words\")");
    expect_query("two wo", false, true, "(\"two\" AND \"wo\"*)");
    expect_query("done ", false, true, "(\"done\")");
    expect_query("sta*", false, false, "(\"sta*\"*)");
    expect_query("\"a phrase\" -not", false, false, "(\"a phrase\") NOT (\"not\")");
    expect_query("-only", false, false, "");
    expect_query("!? -- ()", false, false, "");
    expect_query("\"open", false, false, "(\"open\")");
    expect_query("a\"b\"c", false, false, "(\"a\" AND \"b\" AND \"c\")");
    expect_query("", false, false, "");
}

static int join_word(void *user, const char *text, size_t n, size_t start, size_t end)
{
    buf *out = user;
    (void)start, (void)end;
    return !buf_append(out, text, n) || !buf_append(out, "|", 1);
}

static void test_words(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"Hello, World_2!", "hello|world|2|"},
        {"Crème BRÛLÉE Straße", "creme|brulee|strasse|"},
        {"e\xcc\x81tude", "etude|"}, /* a combining accent */
        {"世界hello日本", "世|界|hello|日|本|"},
        {"Ünïcödé ﬁne", "unicode|fine|"},
        {"\xff\xfe x", "x|"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf out;
        buf_init(&out, 0);
        assert_int_equal(words_each(cases[i][0], strlen(cases[i][0]), join_word, &out), 0);
        assert_string_equal(out.n ? out.data : "", cases[i][1]);
        buf_deinit(&out);
    }
}

/* Titles of the chats that are found, best first, each followed by a comma. */
static void expect_found(search_query query, const char *wanted)
{
    search_hits hits;
    char titles[300] = "";
    assert_ok(search_find(s, &query, &hits, &err));
    for (size_t i = 0; i < hits.n; i++)
        snprintf(titles + strlen(titles), sizeof titles - strlen(titles), "%s,",
                 hits.items[i].title);
    search_hits_free(&hits);
    assert_string_equal(titles, wanted);
}

static void add_texts(void)
{
    const struct {
        store_chat chat;
        store_role role;
        const char *text;
    } given[] = {
        {{.title = "A", .folder = "F/G"}, STORE_USER, "How do I bake bread with rye flour?"},
        {{.title = "B"}, STORE_ASSISTANT, "Bread needs flour, water and salt. Bread is good."},
        {{.title = "C"}, STORE_USER, "Eine Straße in Köln"},
        {{.title = "D"}, STORE_USER, "我们在北京吃面包"},
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        int64_t chat, id;
        const store_message m = {.role = given[i].role,
                                 .content = given[i].text,
                                 .model = i == 1 ? "qwen" : "",
                                 .created_ms = (int64_t)(i + 1) * 1000};
        assert_ok(store_chat_add(s, &given[i].chat, &chat, &err));
        store_message of = m;
        of.chat = chat;
        assert_ok(store_message_add(s, &of, &id, &err));
    }
}

static void test_finding_words(void **state)
{
    (void)state;
    int64_t gone = add_chat("gone");
    add_message(gone, 0, STORE_USER, "bread that was deleted");
    assert_ok(store_chat_delete(s, gone, &err));
    add_texts();
    expect_found((search_query){.text = "bread"}, "B,A,");
    expect_found((search_query){.text = "bread rye"}, "A,");
    expect_found((search_query){.text = "bread rye", .any_word = true}, "A,B,");
    expect_found((search_query){.text = "BRE", .as_typed = true}, "B,A,");
    expect_found((search_query){.text = "bread -rye"}, "B,");
    expect_found((search_query){.text = "\"water and\""}, "B,");
    expect_found((search_query){.text = "\"and water\""}, "");
    expect_found((search_query){.text = "strasse koln"}, "C,");
    expect_found((search_query){.text = "北京"}, "D,");
    expect_found((search_query){.text = "京北"}, "");
    /* filters */
    expect_found((search_query){.text = "bread", .roles = 1u << STORE_USER}, "A,");
    expect_found((search_query){.text = "bread", .model = "qwen"}, "B,");
    expect_found((search_query){.text = "bread", .folder = "F"}, "A,");
    expect_found((search_query){.text = "bread", .from_ms = 1500}, "B,");
    expect_found((search_query){.text = "bread", .to_ms = 1500}, "A,");
    expect_found((search_query){.text = "bread", .chat = gone + 2}, "B,");
    expect_found((search_query){.text = "bread", .not_chat = gone + 2}, "A,");
    expect_found((search_query){.text = "bread", .tag = "none"}, "");
    expect_found((search_query){.text = "bread", .limit = 1}, "B,");
}

/* Whatever is typed is an answer, if an empty one. */
static void test_no_query_is_an_error(void **state)
{
    (void)state;
    const char *const queries[] = {
        "\"",        "\"\"",     "AND",        "NOT",    "bread NOT", "OR OR",    "a:b",
        "content:x", "{a b}: c", "NEAR(a b)",  "^bread", "*",         "bread*",   "(",
        ")",         "'",        "';--",       "\\",     "-",         "-\"",      "\"a\"\"b\"",
        "a + b",     "\x01\x02", "bread\"*\"", "\"*",    "- - -",     "a\"b*\"c", "🍞",
    };
    add_texts();
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        for (int flags = 0; flags < 4; flags++) {
            search_hits hits;
            assert_ok(search_find(
                s,
                &(search_query){.text = queries[i], .any_word = flags & 1, .as_typed = flags & 2},
                &hits, &err));
            search_hits_free(&hits);
        }
    }
    search_hits hits;
    char *longest = mem_calloc(1, 100001);
    memset(longest, 'a', 100000);
    for (size_t i = 5; i < 100000; i += 6)
        longest[i] = ' ';
    assert_ok(search_find(s, &(search_query){.text = longest}, &hits, &err));
    assert_true(hits.cut);
    search_hits_free(&hits);
    mem_free(longest);
    assert_ok(search_find(s, &(search_query){.text = "?!"}, &hits, &err));
    assert_true(hits.no_words);
    search_hits_free(&hits);
    assert_fails(EINVAL, search_find(s, &(search_query){.text = "\xff"}, &hits, &err), "UTF-8");
    assert_fails(EINVAL, search_find(s, &(search_query){.text = "a", .limit = 5000}, &hits, &err),
                 "limit");
}

static void test_snippets_are_marked(void **state)
{
    (void)state;
    search_hits hits;
    int64_t chat = add_chat("Rye bread");
    buf text;
    buf_init(&text, 0);
    for (int i = 0; i < 200; i++)
        assert_true(buf_append_text(&text, "filler "));
    assert_true(buf_append_text(&text, "the Crème\xcc\x81 is here "));
    for (int i = 0; i < 200; i++)
        assert_true(buf_append_text(&text, "filler "));
    int64_t id = add_message(chat, 0, STORE_USER, text.data);
    buf_deinit(&text);
    assert_ok(search_find(s, &(search_query){.text = "creme"}, &hits, &err));
    assert_int_equal(hits.n, 1);
    const search_hit *hit = &hits.items[0];
    assert_int_equal(hit->message, id);
    assert_int_equal(hit->n_marks, 1);
    assert_memory_equal(hit->snippet + hit->marks[0].start, "Crème\xcc\x81", hit->marks[0].n);
    assert_true(strlen(hit->snippet) < 400);
    assert_memory_equal(hit->snippet, "…", 3);
    search_hits_free(&hits);
    assert_ok(search_find(s, &(search_query){.text = "bread"}, &hits, &err));
    assert_int_equal(hits.n, 1);
    assert_int_equal(hits.items[0].message, 0); /* the title */
    assert_string_equal(hits.items[0].snippet, "Rye bread");
    assert_int_equal(hits.items[0].marks[0].start, 4);
    assert_int_equal(hits.items[0].marks[0].n, 5);
    search_hits_free(&hits);
}

/* ---- meaning ---- */

enum { DIMENSIONS = 40 };

typedef struct fake {
    int n_calls;
    hearth_status fail;
} fake;

static float meaning(const char *text, const char *const *words)
{
    float n = 0.01f;
    for (; *words; words++)
        n += strstr(text, *words) != NULL;
    return n;
}

static hearth_status embed(void *user, const char *const *texts, size_t n, bool query, float *out,
                           hearth_error *error)
{
    static const char *const food[] = {"bread", "loaf", "bake", "面包", NULL};
    static const char *const city[] = {"Köln", "town", "street", "北京", NULL};
    static const char *const code[] = {"pointer", "malloc", "segfault", NULL};
    fake *f = user;
    (void)query;
    f->n_calls++;
    if (f->fail != HEARTH_OK)
        FAIL(error, EINVAL, "fake", "the fake embedder fails");
    memset(out, 0, n * DIMENSIONS * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i * DIMENSIONS] = meaning(texts[i], food);
        out[i * DIMENSIONS + 17] = meaning(texts[i], city);
        out[i * DIMENSIONS + 39] = meaning(texts[i], code);
    }
    return HEARTH_OK;
}

static void test_finding_meaning(void **state)
{
    (void)state;
    fake f = {0};
    uint64_t n_left;
    search_hits hits;
    const search_embedder e = {"fake", DIMENSIONS, embed, &f};
    add_texts();
    assert_fails(EINVAL, search_work(s, 10, NULL, &err), "no model");
    assert_ok(search_set_embedder(s, &e, &err));
    assert_ok(search_work(s, 3, &n_left, &err));
    assert_int_equal(n_left, 1);
    reopen(false); /* the queue is on the disk */
    assert_ok(search_set_embedder(s, &e, &err));
    assert_ok(search_work(s, 3, &n_left, &err));
    assert_int_equal(n_left, 0);
    assert_int_equal(f.n_calls, 4);

    assert_ok(search_find(s, &(search_query){.text = "a loaf", .limit = 1}, &hits, &err));
    assert_int_equal(hits.n, 1);
    assert_true(hits.items[0].by_meaning);
    assert_false(hits.items[0].by_words);
    assert_true(hits.items[0].passage_n > 0);
    assert_true(hits.items[0].snippet[0] != '\0');
    search_hits_free(&hits);
    expect_found((search_query){.text = "a town", .limit = 2, .roles = 1u << STORE_USER}, "C,D,");
    expect_found((search_query){.text = "a loaf", .words_only = true}, "");
    expect_found((search_query){.text = "a loaf", .model = "qwen"}, "B,");

    /* found both ways is found first, and what is stored later is found, too */
    int64_t chat = add_chat("E");
    add_message(chat, 0, STORE_USER, "my loaf of bread");
    assert_ok(search_work(s, 10, &n_left, &err));
    assert_ok(search_find(s, &(search_query){.text = "loaf", .limit = 2}, &hits, &err));
    assert_string_equal(hits.items[0].title, "E");
    assert_true(hits.items[0].by_words && hits.items[0].by_meaning);
    assert_true(hits.items[0].score > hits.items[1].score);
    search_hits_free(&hits);
    assert_ok(store_chat_delete(s, chat, &err));
    assert_ok(search_find(s, &(search_query){.text = "loaf"}, &hits, &err));
    for (size_t i = 0; i < hits.n; i++)
        assert_int_not_equal(hits.items[i].chat, chat);
    search_hits_free(&hits);
}

/* Also where the vectors were read before the first search. */
static void test_what_is_gone_on_with_is_not_found_meanwhile(void **state)
{
    (void)state;
    fake f = {0};
    const search_embedder e = {"fake", DIMENSIONS, embed, &f};
    const search_query words = {.text = "flamingo", .words_only = true},
                       meaning_of = {.text = "a loaf", .limit = 1};
    int64_t chat = add_chat("c");
    int64_t id = add_message(chat, 0, STORE_ASSISTANT, "A flamingo bakes bread");
    assert_ok(search_set_embedder(s, &e, &err));
    assert_ok(search_work(s, 10, NULL, &err));
    reopen(false);
    assert_ok(search_warm(s, &err)); /* there is no embedder yet */
    assert_ok(search_set_embedder(s, &e, &err));
    assert_ok(search_warm(s, &err));
    expect_found(words, "c,");
    expect_found(meaning_of, "c,");
    assert_ok(store_message_reopen(s, id, &err));
    expect_found(words, "");
    expect_found(meaning_of, "");
    assert_ok(store_message_append(s, id, " on a street", NULL, &err));
    assert_ok(store_message_finish(s, id, &(store_end){.state = STORE_COMPLETE}, &err));
    expect_found(words, "c,");
    assert_ok(search_work(s, 10, NULL, &err));
    expect_found(meaning_of, "c,");
}

static void test_another_model_embeds_anew(void **state)
{
    (void)state;
    fake f = {0};
    uint64_t n_left;
    search_hits hits;
    add_texts();
    assert_ok(search_set_embedder(s, &(search_embedder){"one", DIMENSIONS, embed, &f}, &err));
    assert_ok(search_work(s, 10, &n_left, &err));
    assert_ok(search_set_embedder(s, &(search_embedder){"two", DIMENSIONS, embed, &f}, &err));
    assert_ok(search_find(s, &(search_query){.text = "loaf"}, &hits, &err));
    assert_int_equal(hits.n, 0);
    search_hits_free(&hits);
    assert_ok(search_work(s, 10, &n_left, &err));
    assert_int_equal(f.n_calls, 4 + 1 + 4);
    assert_ok(search_find(s, &(search_query){.text = "loaf"}, &hits, &err));
    assert_true(hits.n > 0);
    search_hits_free(&hits);
    assert_ok(search_set_embedder(s, NULL, &err));
    assert_ok(search_find(s, &(search_query){.text = "loaf"}, &hits, &err));
    assert_int_equal(hits.n, 0);
    search_hits_free(&hits);
}

static void test_failing_texts_leave_the_queue(void **state)
{
    (void)state;
    fake f = {.fail = HEARTH_EINVAL};
    search_jobs jobs;
    uint64_t n_left;
    int64_t chat = add_chat("c");
    add_message(chat, 0, STORE_USER, "cannot be embedded");
    add_message(chat, 0, STORE_USER, "   \n ");
    assert_ok(search_pending(s, 10, &jobs, &err));
    assert_int_equal(jobs.n, 1); /* blanks need no vector */
    assert_int_equal(jobs.n_waiting, 1);
    assert_int_equal(jobs.items[0].n_passages, 1);
    assert_string_equal(jobs.items[0].passages[0], "cannot be embedded");
    search_jobs_free(&jobs);
    assert_ok(search_set_embedder(s, &(search_embedder){"m", DIMENSIONS, embed, &f}, &err));
    for (int i = 0; i < SEARCH_MAX_TRIES; i++) {
        assert_fails(EINVAL, search_work(s, 10, &n_left, &err), "fake");
        assert_int_equal(n_left, 1);
    }
    assert_ok(search_work(s, 10, &n_left, &err));
    assert_int_equal(n_left, 0);
}

static void test_vectors_must_fit(void **state)
{
    (void)state;
    float vector[2 * DIMENSIONS] = {1};
    int64_t chat = add_chat("c"), id = add_message(chat, 0, STORE_USER, "text");
    assert_fails(EINVAL, search_store_vectors(s, id, "m", DIMENSIONS, vector, 2, &err), "zero");
    vector[DIMENSIONS] = 1;
    assert_fails(EINVAL, search_store_vectors(s, id, "m", DIMENSIONS, vector, 2, &err),
                 "1 passages, and 2");
    assert_fails(EINVAL, search_store_vectors(s, id, "m", 0, vector, 1, &err), "0 dimensions");
    assert_fails(ENOTFOUND, search_store_vectors(s, 99, "m", DIMENSIONS, vector, 1, &err), "99");
    assert_ok(search_store_vectors(s, id, "m", DIMENSIONS, vector, 1, &err));
}

/* ---- passages ---- */

static void test_cutting(void **state)
{
    (void)state;
    buf text;
    size_t at = 0, start, n, last_end = 0, count = 0;
    buf_init(&text, 0);
    for (int i = 0; i < 300; i++)
        assert_true(buf_append_format(&text, "Sentence number %d is here.%s", i,
                                      i % 10 == 9 ? "\n\n" : " "));
    while ((n = search_cut(text.data, text.n, &at, &start)) > 0) {
        assert_true(start >= last_end);
        assert_true(n <= SEARCH_PASSAGE_BYTES);
        assert_memory_equal(text.data + start, "Sentence", 8);
        assert_int_equal(text.data[start + n - 1], '.');
        last_end = start + n;
        count++;
    }
    assert_true(count >= 300 * 27 / SEARCH_PASSAGE_BYTES);
    buf_clear(&text);
    for (int i = 0; i < 3000; i++)
        assert_true(buf_append_text(&text, "界"));
    for (at = 0, count = 0; (n = search_cut(text.data, text.n, &at, &start)) > 0; count += n)
        assert_int_equal(n % 3, 0);
    assert_int_equal(count, text.n);
    buf_deinit(&text);
}

/* ---- memory ---- */

static size_t count_bytes(void *user, const char *text, size_t n)
{
    (void)user, (void)text;
    return n;
}

static void test_memory(void **state)
{
    (void)state;
    memory_passages list;
    int64_t asking = add_chat("asking"), secret;
    add_message(asking, 0, STORE_USER, "my zebra is called Paul");
    int64_t one = add_chat("one");
    add_message(one, 0, STORE_USER, "my zebra eats hay in winter");
    int64_t two = add_chat("two");
    int64_t long_one = add_message(
        two, 0, STORE_ASSISTANT, "A zebra that eats hay should have water and a stable, and more.");
    assert_ok(store_chat_add(s, &(store_chat){.title = "secret", .settings = "{\"memory\": false}"},
                             &secret, &err));
    add_message(secret, 0, STORE_USER, "the zebra eats hay and gold");
    int64_t tool = add_chat("tool");
    add_message(tool, 0, STORE_TOOL, "zebra eats hay: a result");
    for (int i = 0; i < 30; i++)
        add_message(tool, 0, STORE_USER, "nothing that is of interest");

    const memory_query query = {.text = "What eats my zebra, hay? Nothing of interest.",
                                .not_chat = asking,
                                .budget_tokens = 1000,
                                .n_tokens = count_bytes};
    assert_ok(memory_recall(s, &query, &list, &err));
    assert_int_equal(list.n, 2);
    assert_int_equal(list.n_left_out, 0);
    for (size_t i = 0; i < list.n; i++) {
        assert_true(list.items[i].chat == one || list.items[i].chat == two);
        assert_non_null(strstr(list.items[i].text, "zebra"));
    }
    assert_int_equal(list.n_tokens, list.items[0].n_tokens + list.items[1].n_tokens);
    memory_passages_free(&list);

    memory_query small = query;
    small.budget_tokens = 40;
    assert_ok(memory_recall(s, &small, &list, &err));
    assert_int_equal(list.n, 1);
    assert_int_equal(list.items[0].chat, one);
    assert_int_equal(list.n_left_out, 1);
    memory_passages_free(&list);

    memory_query none = query;
    none.text = "of";
    assert_ok(memory_recall(s, &none, &list, &err));
    assert_int_equal(list.n, 0);
    memory_passages_free(&list);
    (void)long_one;
}

/* In a store of few messages, too, a question's common words bring nothing. */
static void test_memory_of_few_messages(void **state)
{
    (void)state;
    memory_passages list;
    int64_t asking = add_chat("asking"), one = add_chat("one");
    add_message(one, 0, STORE_USER, "What is the best way to do this with my old bicycle?");
    add_message(one, 0, STORE_USER, "Wie ist das denn mit der Katze, die nicht frisst?");
    memory_query query = {.text = "What is the way to say this with my own words?",
                          .not_chat = asking,
                          .budget_tokens = 1000};
    assert_ok(memory_recall(s, &query, &list, &err));
    assert_int_equal(list.n, 1); /* "way" is all that is left */
    memory_passages_free(&list);
    query.text = "Who is this, and what can he do for me?";
    assert_ok(memory_recall(s, &query, &list, &err));
    assert_int_equal(list.n, 0);
    memory_passages_free(&list);
    query.text = "Ist das mit der Steuer nicht so?";
    assert_ok(memory_recall(s, &query, &list, &err));
    assert_int_equal(list.n, 0);
    memory_passages_free(&list);
    query.text = "And my bicycle?";
    assert_ok(memory_recall(s, &query, &list, &err));
    assert_int_equal(list.n, 1);
    memory_passages_free(&list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_words),
        TEST(test_finding_words),
        TEST(test_no_query_is_an_error),
        TEST(test_snippets_are_marked),
        TEST(test_finding_meaning),
        TEST(test_what_is_gone_on_with_is_not_found_meanwhile),
        TEST(test_another_model_embeds_anew),
        TEST(test_failing_texts_leave_the_queue),
        TEST(test_vectors_must_fit),
        cmocka_unit_test(test_cutting),
        TEST(test_memory),
        TEST(test_memory_of_few_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
