/* SPDX-License-Identifier: MIT
 *
 * corpus.h - the questions and answers that ember learns, read from the text files of corpus/.
 *
 * What     A topic is one meaning: phrasings of a question and the answer to it. Phrasings are
 *          patterns with alternatives and slots; a topic may range over the rows of a table, which
 *          is written out or computed. README.md describes the files.
 * Held out Phrasings marked H, rows and items marked *, and the operands that a computed table
 * keeps back, are drawn in evaluation only. Threads  Immutable after open; drawing touches only its
 * arguments.
 */
#ifndef HEARTH_EMBER_CORPUS_H
#define HEARTH_EMBER_CORPUS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/status.h"
#include "ember/rng.h"

enum { CORPUS_MAX_COLUMNS = 8 };

typedef struct corpus_row {
    const char *cells[CORPUS_MAX_COLUMNS];
    bool held_out;
} corpus_row;

/* A table; a list is one of a single column, named like the list. */
typedef struct corpus_table {
    const char *name;
    const char *columns[CORPUS_MAX_COLUMNS];
    size_t n_columns;
    corpus_row *rows;
    size_t n_rows;
    bool is_list;
    bool has_held_out;
} corpus_table;

typedef struct corpus_lines {
    const char **text;
    size_t n;
} corpus_lines;

/* A turn that comes before the question, in topics about what was said. */
typedef struct corpus_topic {
    const char *id;
    const char *category;
    const char *over;          /* the name of a table, or NULL */
    const corpus_table *table; /* NULL if there is none, or if it is computed */
    corpus_lines questions, held_out, answers;
    corpus_lines before, reply; /* P and R */
    const char *brief;          /* S: the answer in a word, or NULL */
    double weight;
    bool alone; /* right only where nothing was said before */
} corpus_topic;

typedef struct corpus_category {
    const char *name;
    corpus_lines answers; /* D */
    double weight;        /* its share of the questions */
    size_t *topics;
    size_t n_topics;
} corpus_category;

typedef struct corpus corpus;

/* Reads every .txt file of a folder. */
hearth_status corpus_open(corpus **out, const char *folder, hearth_error *err);
void corpus_close(corpus *c);

size_t corpus_n_topics(const corpus *c);
const corpus_topic *corpus_topic_at(const corpus *c, size_t i);
size_t corpus_n_categories(const corpus *c);
const corpus_category *corpus_category_at(const corpus *c, size_t i);
const corpus_table *corpus_find_table(const corpus *c, const char *name, size_t n);

/* One question drawn from a topic. All texts are NUL-terminated and the caller's by sample_deinit.
 */
typedef struct sample {
    const corpus_topic *topic;
    buf before, reply; /* empty where the topic has none */
    buf question, answer;
    buf brief;  /* empty where there is none */
    buf others; /* further right answers, each ended by a NUL */
    size_t n_others;
} sample;

void sample_init(sample *s);
void sample_deinit(sample *s);

typedef enum draw_kind { DRAW_TRAINING, DRAW_HELD_OUT } draw_kind;

/* phrase: which of the topic's phrasings of that kind; SIZE_MAX draws one. EFORMAT names the topic
 * if a pattern is wrong. */
hearth_status corpus_draw(const corpus *c, const corpus_topic *topic, draw_kind kind, size_t phrase,
                          rng *r, sample *out, hearth_error *err);

/* A topic by the weights of categories and topics. */
const corpus_topic *corpus_pick(const corpus *c, rng *r);

#endif
