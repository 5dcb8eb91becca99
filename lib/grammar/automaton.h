/* SPDX-License-Identifier: MIT
 *
 * automaton.h - a grammar as an automaton over bytes, its states made when they are first reached.
 *
 * What     A place in a grammar is a node and, below it, the nodes to go back to when its rule ends
 *          (a stack). Stacks are cells (node, cell below), each kept once, so they share their
 *          lower parts. A state is the set of all places that the text so far can have led to, and
 *          whether the text may end; it is kept once too, so that what was found out about a state
 *          (the state behind each byte, the mask of tokens) holds whenever the text comes back to
 *          it.
 * Limits   A state has at most AUTOMATON_PLACES_MAX places; memory stays below
 *          AUTOMATON_BYTES_MAX. Going over is EINVAL: the grammar is too ambiguous there.
 * Threads  One at a time.
 */
#ifndef HEARTH_GRAMMAR_AUTOMATON_H
#define HEARTH_GRAMMAR_AUTOMATON_H

#include "grammar/grammar.h"

enum {
    AUTOMATON_PLACES_MAX = 4096,
    AUTOMATON_STEPS_MAX = 1 << 17,     /* to follow one byte */
    AUTOMATON_BYTES_WANTED = 24 << 20, /* above it the automaton is made anew between tokens */
    AUTOMATON_BYTES_MAX = 96 << 20
};

typedef uint32_t state_id;
enum { STATE_DEAD = 0, STATE_UNKNOWN = UINT32_MAX };

typedef struct automaton_cell {
    uint32_t node, below; /* below 0: nothing */
} automaton_cell;

typedef struct automaton_state {
    uint32_t first, n; /* places: cells, ascending */
    uint32_t steps;    /* of 256 states by byte; UINT32_MAX: not made yet */
    bool may_end;
    bool takes_tokens; /* a place takes a whole token */
} automaton_state;

typedef struct automaton {
    const hearth_grammar *g;
    buf cells;                          /* automaton_cell; 0 is no cell */
    buf stamps;                         /* uint32_t by cell: when it was last visited */
    buf places;                         /* uint32_t, of all states */
    buf states;                         /* automaton_state; 0 is dead */
    buf steps;                          /* state_id */
    uint32_t *cell_slots, *state_slots; /* hash tables of ids, powers of two, 0 is free */
    size_t n_cell_slots, n_state_slots;
    uint32_t now;    /* the stamp in use */
    buf work, found; /* uint32_t: cells to visit, places found */
    bool found_end;
} automaton;

hearth_status automaton_open(automaton *a, const hearth_grammar *g, hearth_error *err);
void automaton_close(automaton *a);
size_t automaton_bytes(const automaton *a);

static inline const automaton_state *automaton_state_at(const automaton *a, state_id id)
{
    return &((const automaton_state *)(const void *)a->states.data)[id];
}

static inline const grammar_node *automaton_place(const automaton *a, const automaton_state *s,
                                                  uint32_t i)
{
    uint32_t cell = ((const uint32_t *)(const void *)a->places.data)[s->first + i];
    return &a->g->nodes[((const automaton_cell *)(const void *)a->cells.data)[cell].node];
}

/* The state before any byte. */
hearth_status automaton_start(automaton *a, state_id *state, hearth_error *err);
/* The state behind a byte, STATE_DEAD if it may not come. */
hearth_status automaton_step(automaton *a, state_id from, uint8_t byte, state_id *to,
                             hearth_error *err);
/* The states behind bytes or a token, as one. */
hearth_status automaton_join(automaton *a, state_id x, state_id y, state_id *out,
                             hearth_error *err);
/* The state behind a whole token: from each place that takes it. ids: of the grammar's tokens. */
hearth_status automaton_step_token(automaton *a, state_id from, const int32_t *ids, int32_t token,
                                   state_id *to, hearth_error *err);
/* A new automaton that knows this one state of another, of the same grammar. */
hearth_status automaton_open_at(automaton *a, const automaton *other, state_id from,
                                state_id *state, hearth_error *err);

#endif
