/* SPDX-License-Identifier: MIT
 *
 * corpus_impl.h - what reading and drawing share.
 */
#ifndef HEARTH_EMBER_CORPUS_IMPL_H
#define HEARTH_EMBER_CORPUS_IMPL_H

#include <stdio.h>

#include "ember/corpus.h"

enum { CORPUS_MAX_FILES = 64 };

struct corpus {
    char *texts[CORPUS_MAX_FILES];
    size_t n_texts;
    corpus_table *tables;
    size_t n_tables;
    corpus_topic *topics;
    size_t n_topics;
    corpus_category *categories;
    size_t n_categories;
};

#endif
