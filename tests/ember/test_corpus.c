/* SPDX-License-Identifier: MIT
 *
 * test_corpus.c - the corpus of the built-in model: its files are sound, what is held out stays out
 * of training, no question has two answers, and mistakes in a file are named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "ember/computed.h"
#include "ember/corpus.h"
#include "support/test_reference.h"

static hearth_error err;
static corpus *c;

static int open_corpus(void **state)
{
    (void)state;
    return corpus_open(&c, HEARTH_SOURCE_DIR "/models/ember/corpus", &err) == HEARTH_OK ? 0 : -1;
}

static int close_corpus(void **state)
{
    (void)state;
    corpus_close(c);
    return 0;
}

/* ---- a set of questions with the answers they had ---- */

typedef struct entry {
    uint64_t question, answer; /* hashes; question 0: empty */
    const corpus_topic *topic;
} entry;

enum { TABLE_SIZE = 1 << 20 };

static uint64_t hash_text(const char *text)
{
    return hash_bytes(HASH_START, text, strlen(text)) | 1;
}

static entry *find(entry *table, uint64_t question)
{
    size_t at = question % TABLE_SIZE;
    while (table[at].question != 0 && table[at].question != question)
        at = (at + 1) % TABLE_SIZE;
    return &table[at];
}

static void draw(const corpus_topic *t, draw_kind kind, size_t phrase, rng *r, sample *s)
{
    if (corpus_draw(c, t, kind, phrase, r, s, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
}

/* Every phrasing of every topic, many times over, into the table. */
static void draw_training(entry *table, int rounds, size_t *n_clashes)
{
    rng r = rng_new(11, 0);
    sample s;
    sample_init(&s);
    for (size_t i = 0; i < corpus_n_topics(c); i++) {
        const corpus_topic *t = corpus_topic_at(c, i);
        for (size_t phrase = 0; phrase < t->questions.n * (size_t)rounds; phrase++) {
            draw(t, DRAW_TRAINING, phrase % t->questions.n, &r, &s);
            assert_true(s.question.n > 0 && s.answer.n > 0);
            entry *e = find(table, hash_text(s.question.data));
            uint64_t answer = hash_text(s.answer.data);
            /* Memory of what was said makes one question mean different things. */
            bool clash = e->question != 0 && e->answer != answer && e->topic != t &&
                         t->before.n == 0 && e->topic->before.n == 0 && s.n_others == 0;
            if (clash && ++*n_clashes < 20)
                printf("%s and %s both claim: %s\n", e->topic->id, t->id, s.question.data);
            *e = (entry){hash_text(s.question.data), answer, t};
        }
    }
    sample_deinit(&s);
}

static void test_held_out_questions_are_never_trained(void **state)
{
    entry *table = mem_calloc(TABLE_SIZE, sizeof *table);
    size_t n_clashes = 0, n_leaks = 0;
    rng r = rng_new(12, 0);
    sample s;
    (void)state;
    assert_non_null(table);
    draw_training(table, 20, &n_clashes);
    assert_int_equal(n_clashes, 0);
    sample_init(&s);
    for (size_t i = 0; i < corpus_n_topics(c); i++) {
        const corpus_topic *t = corpus_topic_at(c, i);
        for (size_t phrase = 0; phrase < t->held_out.n * 6; phrase++) {
            draw(t, DRAW_HELD_OUT, phrase % t->held_out.n, &r, &s);
            bool leak = find(table, hash_text(s.question.data))->question != 0;
            if (leak && t->before.n == 0 && ++n_leaks < 20)
                printf("%s: training has the held-out question: %s\n", t->id, s.question.data);
        }
    }
    sample_deinit(&s);
    mem_free(table);
    assert_int_equal(n_leaks, 0);
}

static void test_every_topic_is_evaluated(void **state)
{
    (void)state;
    for (size_t i = 0; i < corpus_n_topics(c); i++) {
        if (corpus_topic_at(c, i)->held_out.n == 0)
            fail_msg("topic %s has no held-out phrasing", corpus_topic_at(c, i)->id);
    }
}

static void test_operands_are_held_out_in_both_orders(void **state)
{
    static bool trained[100][100];
    rng r = rng_new(13, 0);
    size_t n_trained = 0, n_held_out = 0;
    computed_row row;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        computed_draw("add", DRAW_TRAINING, &r, &row);
        trained[atoi(row.cells[0])][atoi(row.cells[1])] = true;
    }
    for (int i = 0; i < 20000; i++) {
        computed_draw("add", DRAW_HELD_OUT, &r, &row);
        int a = atoi(row.cells[0]), b = atoi(row.cells[1]);
        assert_int_equal(atoi(row.cells[2]), a + b);
        assert_false(trained[a][b]);
        assert_false(trained[b][a]);
        n_held_out++;
    }
    for (int i = 0; i < 10000; i++)
        n_trained += trained[i / 100][i % 100];
    assert_true(n_held_out > 0 && n_trained > 8000); /* nine tenths of ten thousand */
}

/* ---- files with mistakes ---- */

static void refuse(const char *text, const char *want)
{
    test_folder folder;
    char path[PATH_MAX];
    corpus *bad = NULL;
    assert_true(test_folder_make(&folder));
    snprintf(path, sizeof path, "%.4000s/a.txt", folder.path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    hearth_status status = corpus_open(&bad, folder.path, &err);
    if (status == HEARTH_OK) { /* what can only be seen when it is drawn */
        rng r = rng_new(1, 1);
        sample s;
        sample_init(&s);
        status = corpus_draw(bad, corpus_topic_at(bad, 0), DRAW_TRAINING, SIZE_MAX, &r, &s, &err);
        sample_deinit(&s);
    }
    corpus_close(bad);
    test_folder_remove(&folder);
    assert_int_not_equal(status, HEARTH_OK);
    if (strstr(err.message, want) == NULL)
        fail_msg("expected '%s' in '%s'", want, err.message);
}

static void test_mistakes_are_named(void **state)
{
    (void)state;
    refuse("", "no topics");
    refuse("topic t\nQ q\nA a\n", "a topic needs a category before it");
    refuse("category x\nQ q\n", "a.txt:2: this line belongs to a topic");
    refuse("category x\ntopic t\nQ q\n", "topic t has no answer");
    refuse("category x\ntopic t\nA a\n", "topic t has no question");
    refuse("category x\ntopic t over nothing\nQ q\nA a\n", "there is no table 'nothing'");
    refuse("category x\nfoo bar\n", "unknown kind of line: 'foo'");
    refuse("list l a, b\n", "a list needs a colon");
    refuse("list l: *a\n", "nothing is left for training");
    refuse("table t: a | b\n1 | 2 | 3\n\n", "another number of cells");
    refuse("table t: a | b\n1\n\n", "another number of cells");
    refuse("category x\ntopic t\nQ [a|b\nA a\n", "a bracket is not closed");
    refuse("category x\ntopic t\nQ {a\nA a\n", "a slot is not closed");
    refuse("category x\ntopic t\nQ {no such}\nA a\n", "no cell and no list of that name");
    refuse("category x\ntopic t\nQ [[[[[[[[[[a]]]]]]]]]]\nA a\n", "brackets lie too deep");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held_out_questions_are_never_trained),
        cmocka_unit_test(test_every_topic_is_evaluated),
        cmocka_unit_test(test_operands_are_held_out_in_both_orders),
        cmocka_unit_test(test_mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, open_corpus, close_corpus);
}
