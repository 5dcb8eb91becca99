/* SPDX-License-Identifier: MIT
 *
 * grammar_text.c - see grammar_text.h.
 */
#include "support/grammar_text.h"

bool grammar_accepts(const hearth_grammar *g, const char *text, size_t n)
{
    automaton a;
    state_id state = STATE_DEAD;
    if (automaton_open(&a, g, NULL) != HEARTH_OK)
        return false;
    bool good = automaton_start(&a, &state, NULL) == HEARTH_OK;
    for (size_t i = 0; good && i < n; i++)
        good = automaton_step(&a, state, (uint8_t)text[i], &state, NULL) == HEARTH_OK &&
               state != STATE_DEAD;
    good = good && automaton_state_at(&a, state)->may_end;
    automaton_close(&a);
    return good;
}

uint64_t grammar_random(uint64_t *random)
{
    *random ^= *random << 13; /* xorshift64, Marsaglia 2003 */
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* Picks a place first, so that rare bytes are not drowned by wide ranges. */
static bool random_byte(automaton *a, state_id *state, uint64_t *random, buf *out)
{
    const automaton_state *s = automaton_state_at(a, *state);
    const grammar_node *n = automaton_place(a, s, (uint32_t)(grammar_random(random) % s->n));
    uint8_t byte = (uint8_t)(n->a + grammar_random(random) % (n->b - n->a + 1u));
    return n->kind == NODE_RANGE && buf_append(out, &byte, 1) &&
           automaton_step(a, *state, byte, state, NULL) == HEARTH_OK;
}

bool grammar_random_text(const hearth_grammar *g, uint64_t *random, size_t max, buf *out)
{
    automaton a;
    state_id state = STATE_DEAD;
    bool ended = false;
    if (automaton_open(&a, g, NULL) != HEARTH_OK)
        return false;
    bool good = automaton_start(&a, &state, NULL) == HEARTH_OK;
    for (size_t i = 0; good && !ended && i < max; i++) {
        const automaton_state *s = automaton_state_at(&a, state);
        ended = s->may_end && (s->n == 0 || grammar_random(random) % 4 == 0);
        if (!ended)
            good = s->n > 0 && random_byte(&a, &state, random, out);
    }
    automaton_close(&a);
    return good && ended;
}
