/* SPDX-License-Identifier: MIT
 *
 * conversation.h - questions and answers put together as people write them, and as tokens.
 *
 * What     Most conversations are one question; some go on for many turns, so that the model learns
 *          to answer the last one, and some begin with a system message. Questions come in small
 *          letters, without their question mark, with greetings and slips of the finger.
 * Tokens   ChatML, cut as the command line cuts it: frames and texts are tokenized apart. Targets
 * are the answers and the token that ends them; everything else is only read.
 */
#ifndef HEARTH_EMBER_CONVERSATION_H
#define HEARTH_EMBER_CONVERSATION_H

#include <hearth/model.h>

#include "ember/corpus.h"

typedef struct conversation_turn {
    char *user, *assistant; /* owned; the last assistant is NULL where an answer is to come */
} conversation_turn;

enum { CONVERSATION_MAX_TURNS = 48 };

typedef struct conversation {
    const char *system; /* NULL: none */
    conversation_turn turns[CONVERSATION_MAX_TURNS];
    size_t n_turns;
} conversation;

hearth_status conversation_draw(conversation *out, const corpus *c, rng *r, hearth_error *err);
void conversation_clear(conversation *c);

/* A question as somebody may have typed it. `may_slip`: letters may be swapped, too. */
void conversation_disguise(buf *question, bool may_slip, rng *r);

/* What follows token i is targets[i], and counts weights[i] in the loss: 1 in an answer, what the
 * caller says in a question, and 0 in what frames them. */
typedef struct token_list {
    int32_t *tokens, *targets;
    float *weights;
    size_t n, capacity;
} token_list;

void token_list_deinit(token_list *list);

/* Appends whole turns while the conversation stays within max_tokens. */
hearth_status conversation_tokenize(const conversation *c, const hearth_model *vocabulary,
                                    size_t max_tokens, float question_weight, token_list *out,
                                    hearth_error *err);

#endif
