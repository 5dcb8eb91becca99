/* SPDX-License-Identifier: MIT
 *
 * matcher.c - one answer followed through a grammar, and the mask of the tokens that may come next.
 *
 *   WAITING --a trigger, and the text from it on fits--> MATCHING --a token that ends--> ENDED
 *
 * Masks     Computed by one walk over the trie of the vocabulary, when they are asked for, and kept
 *           for the states that were asked last. Whoever samples first and asks allows() about the
 *           one token seldom needs a mask at all.
 * Waiting   Everything may come, but for a token that would complete a trigger and bring text with
 *           it that the grammar refuses. Such a token is found out by allows(), and from then to
 *           the next accept() the mask leaves it out.
 * Memory    When the automaton has grown large, it is made anew with the present state alone.
 */
#include "grammar/matcher.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "grammar/automaton.h"
#include "grammar/trigger.h"

enum { MASK_BYTES = 4 << 20, MASKS_MIN = 8, MASKS_MAX = 256, WAITED_BYTES_MAX = 1 << 20 };

typedef enum phase { WAITING, MATCHING, ENDED } phase;

/* What came before the grammar: for triggers that look back. */
typedef struct waited_token {
    int32_t token;
    uint32_t at; /* in the text */
} waited_token;

struct hearth_matcher {
    hearth_grammar *grammar;
    const token_index *index;
    int32_t *token_ids; /* of the grammar's tokens */
    int32_t *preserved;
    size_t n_preserved;
    trigger_set *triggers; /* NULL: none */
    automaton a;
    state_id state;
    phase phase;
    buf text, waited; /* while waiting: bytes, waited_token */
    uint64_t *masks;  /* n_masks of index->n_words each; a waiting matcher uses the first */
    state_id *mask_states;
    size_t n_masks, next_mask;
    bool refused_some; /* the waiting mask is in masks[0] */
    state_id walk[TOKEN_BYTES_MAX + 1];
};

void hearth_matcher_options_init(hearth_matcher_options *options)
{
    *options = (hearth_matcher_options){.struct_size = sizeof *options};
}

/* ---- bytes of tokens ---- */

static bool is_preserved(const hearth_matcher *m, int32_t token)
{
    for (size_t i = 0; i < m->n_preserved; i++) {
        if (m->preserved[i] == token)
            return true;
    }
    return false;
}

/* The bytes by which a token is matched. Those of a preserved control token are its spelling. */
static const char *bytes_of(const hearth_matcher *m, int32_t token, size_t *n)
{
    gguf_string spelling;
    const char *bytes = token_index_bytes(m->index, token, n);
    if (*n > 0 || !is_preserved(m, token) || token_mask_has(m->index->ends, token) ||
        !tokenizer_spelling(m->index->t, token, &spelling))
        return bytes;
    *n = spelling.n;
    return spelling.data;
}

/* ---- new and free ---- */

static hearth_status take_token(const hearth_matcher *m, const grammar_token *t, int32_t *id,
                                hearth_error *err)
{
    int32_t *ids = NULL;
    size_t n = 1;
    *id = t->id;
    if (t->text) {
        TRY(tokenizer_encode(m->index->t, t->text, strlen(t->text), TOKENIZE_PARSE_SPECIAL, &ids,
                             &n, err));
        *id = n == 1 ? ids[0] : -1;
        mem_free(ids);
    }
    if (n != 1)
        FAIL(err, EINVAL, "grammar",
             "grammar, line %u, column %u: '%.80s' is %zu tokens in this model's vocabulary; it "
             "must be one",
             t->line, t->column, t->text, n);
    if (*id < 0 || (size_t)*id >= m->index->n_vocab)
        FAIL(err, EINVAL, "grammar",
             "grammar, line %u, column %u: token %d is outside the vocabulary of %zu", t->line,
             t->column, *id, m->index->n_vocab);
    return HEARTH_OK;
}

static hearth_status open_tokens(hearth_matcher *m, const hearth_matcher_options *o,
                                 hearth_error *err)
{
    const hearth_grammar *g = m->grammar;
    m->token_ids = mem_alloc_array(g->n_tokens, sizeof *m->token_ids);
    m->preserved = mem_alloc_array(o->n_preserved, sizeof *m->preserved);
    if (!m->token_ids || !m->preserved)
        return error_no_memory(err, "a matcher", g->n_tokens + o->n_preserved);
    for (size_t i = 0; i < g->n_tokens; i++)
        TRY(take_token(m, &g->tokens[i], &m->token_ids[i], err));
    for (size_t i = 0; i < o->n_preserved; i++) {
        if (o->preserved[i] < 0 || (size_t)o->preserved[i] >= m->index->n_vocab)
            FAIL(err, EINVAL, "preserved", "token %d is outside the vocabulary of %zu",
                 o->preserved[i], m->index->n_vocab);
        m->preserved[m->n_preserved++] = o->preserved[i];
    }
    return HEARTH_OK;
}

static hearth_status open_masks(hearth_matcher *m, hearth_error *err)
{
    size_t bytes = m->index->n_words * sizeof *m->masks;
    m->n_masks = MASK_BYTES / (bytes ? bytes : 1);
    if (m->n_masks < MASKS_MIN)
        m->n_masks = MASKS_MIN;
    if (m->n_masks > MASKS_MAX)
        m->n_masks = MASKS_MAX;
    m->masks = mem_alloc_array(m->n_masks, bytes);
    m->mask_states = mem_calloc(m->n_masks, sizeof *m->mask_states);
    return m->masks && m->mask_states ? HEARTH_OK
                                      : error_no_memory(err, "a matcher", m->n_masks * bytes);
}

hearth_status matcher_open(hearth_matcher **out, hearth_grammar *grammar, const token_index *index,
                           const hearth_matcher_options *options, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    hearth_matcher_options none;
    *out = NULL;
    hearth_matcher_options_init(&none);
    if (options == NULL)
        options = &none;
    hearth_matcher *m = mem_calloc(1, sizeof *m);
    if (m == NULL)
        return error_no_memory(err, "a matcher", sizeof *m);
    m->grammar = hearth_grammar_ref(grammar);
    m->index = index;
    m->phase = options->n_triggers ? WAITING : MATCHING;
    TRY_OUT(open_tokens(m, options, err));
    if (options->n_triggers)
        TRY_OUT(trigger_set_new(&m->triggers, options->triggers, options->n_triggers,
                                index->n_vocab, err));
    TRY_OUT(open_masks(m, err));
    TRY_OUT(automaton_open(&m->a, grammar, err));
    TRY_OUT(automaton_start(&m->a, &m->state, err));
    *out = m;
    m = NULL;
out:
    hearth_matcher_free(m);
    return status;
}

hearth_status hearth_matcher_dup(hearth_matcher **out, const hearth_matcher *from,
                                 hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    *out = NULL;
    hearth_matcher *m = mem_calloc(1, sizeof *m);
    if (m == NULL)
        return error_no_memory(err, "a matcher", sizeof *m);
    m->grammar = hearth_grammar_ref(from->grammar);
    m->index = from->index;
    m->phase = from->phase;
    m->triggers = trigger_set_ref(from->triggers);
    m->n_preserved = from->n_preserved;
    size_t n_tokens = from->grammar->n_tokens;
    m->token_ids = mem_alloc_array(n_tokens, sizeof *m->token_ids);
    m->preserved = mem_alloc_array(from->n_preserved, sizeof *m->preserved);
    if (!m->token_ids || !m->preserved || !buf_append(&m->text, from->text.data, from->text.n) ||
        !buf_append(&m->waited, from->waited.data, from->waited.n)) {
        status = error_no_memory(err, "a matcher", sizeof *m);
        goto out;
    }
    memcpy(m->token_ids, from->token_ids, n_tokens * sizeof *m->token_ids);
    memcpy(m->preserved, from->preserved, from->n_preserved * sizeof *m->preserved);
    TRY_OUT(open_masks(m, err));
    TRY_OUT(automaton_open_at(&m->a, &from->a, from->state, &m->state, err));
    *out = m;
    m = NULL;
out:
    hearth_matcher_free(m);
    return status;
}

void hearth_matcher_free(hearth_matcher *m)
{
    if (m == NULL)
        return;
    automaton_close(&m->a);
    trigger_set_unref(m->triggers);
    hearth_grammar_unref(m->grammar);
    mem_free(m->token_ids);
    mem_free(m->preserved);
    mem_free(m->masks);
    mem_free(m->mask_states);
    buf_deinit(&m->text);
    buf_deinit(&m->waited);
    mem_free(m);
}

/* ---- stepping ---- */

static hearth_status step_bytes(hearth_matcher *m, state_id from, const char *bytes, size_t n,
                                state_id *to, hearth_error *err)
{
    for (size_t i = 0; i < n && from != STATE_DEAD; i++)
        TRY(automaton_step(&m->a, from, (uint8_t)bytes[i], &from, err));
    *to = from;
    return HEARTH_OK;
}

/* The state behind a token that does not end the answer. */
static hearth_status step(hearth_matcher *m, state_id from, int32_t token, state_id *to,
                          hearth_error *err)
{
    size_t n;
    const char *bytes = bytes_of(m, token, &n);
    state_id by_token = STATE_DEAD, by_bytes = STATE_DEAD;
    if (from != STATE_DEAD && automaton_state_at(&m->a, from)->takes_tokens)
        TRY(automaton_step_token(&m->a, from, m->token_ids, token, &by_token, err));
    if (n > 0 && n <= TOKEN_BYTES_MAX)
        TRY(step_bytes(m, from, bytes, n, &by_bytes, err));
    return automaton_join(&m->a, by_bytes, by_token, to, err);
}

/* Between two tokens: a large automaton starts again from where it is. */
static hearth_status shrink(hearth_matcher *m, hearth_error *err)
{
    automaton fresh;
    state_id state;
    if (automaton_bytes(&m->a) < AUTOMATON_BYTES_WANTED)
        return HEARTH_OK;
    TRY(automaton_open_at(&fresh, &m->a, m->state, &state, err));
    automaton_close(&m->a);
    m->a = fresh;
    m->state = state;
    memset(m->mask_states, 0, m->n_masks * sizeof *m->mask_states);
    return HEARTH_OK;
}

/* ---- waiting ---- */

/* The state behind the text from `at` on, token by token where a token begins at or behind it. */
static hearth_status replay(hearth_matcher *m, size_t at, state_id *state, hearth_error *err)
{
    const waited_token *tokens = (const waited_token *)(const void *)m->waited.data;
    size_t n = m->waited.n / sizeof *tokens;
    *state = m->state;
    for (size_t i = 0; i < n; i++) {
        size_t end = i + 1 < n ? tokens[i + 1].at : m->text.n;
        if (tokens[i].at >= at)
            TRY(step(m, *state, tokens[i].token, state, err));
        else if (end > at)
            TRY(step_bytes(m, *state, m->text.data + at, end - at, state, err));
    }
    return HEARTH_OK;
}

/* Appends a token and looks for triggers; *state is where the grammar then is. The caller takes
 * the token back if it does not keep it. */
static hearth_status look(hearth_matcher *m, int32_t token, bool *found, state_id *state,
                          hearth_error *err)
{
    size_t n, at;
    const char *bytes = bytes_of(m, token, &n);
    waited_token w = {token, (uint32_t)m->text.n};
    *found = false;
    if (!buf_append(&m->text, bytes, n) || !buf_append(&m->waited, &w, sizeof w))
        return error_no_memory(err, "a matcher", n);
    TRY(trigger_set_find(m->triggers, m->text.data ? m->text.data : "", m->text.n, token, w.at,
                         found, &at, err));
    return *found ? replay(m, at, state, err) : HEARTH_OK;
}

static void take_back(hearth_matcher *m, size_t n_text, size_t n_waited)
{
    m->text.n = n_text;
    m->waited.n = n_waited;
}

/* Triggers look back over this much text at least. */
static void forget_old(hearth_matcher *m)
{
    waited_token *tokens = (waited_token *)(void *)m->waited.data;
    size_t n = m->waited.n / sizeof *tokens;
    if (m->text.n <= 2 * WAITED_BYTES_MAX && m->waited.n <= 2 * WAITED_BYTES_MAX)
        return;
    uint32_t cut = tokens[n / 2].at;
    buf_remove_front(&m->text, cut);
    buf_remove_front(&m->waited, n / 2 * sizeof *tokens);
    tokens = (waited_token *)(void *)m->waited.data;
    for (size_t i = 0; i < n - n / 2; i++)
        tokens[i].at -= cut;
}

static uint64_t *waiting_mask(hearth_matcher *m)
{
    if (!m->refused_some) {
        memset(m->masks, 0xff, m->index->n_words * sizeof *m->masks);
        if (m->index->n_vocab % 64)
            m->masks[m->index->n_words - 1] = (1ull << m->index->n_vocab % 64) - 1;
        m->refused_some = true;
    }
    return m->masks;
}

static hearth_status allows_waiting(hearth_matcher *m, int32_t token, bool *allowed,
                                    hearth_error *err)
{
    bool found;
    state_id state = STATE_DEAD;
    size_t n_text = m->text.n, n_waited = m->waited.n;
    hearth_status status = HEARTH_OK;
    *allowed = true;
    if (token_mask_has(m->index->ends, token))
        return HEARTH_OK;
    status = look(m, token, &found, &state, err);
    take_back(m, n_text, n_waited);
    if (status != HEARTH_OK)
        return status;
    *allowed = !found || state != STATE_DEAD;
    if (!*allowed)
        token_mask_clear(waiting_mask(m), token);
    return HEARTH_OK;
}

static hearth_status accept_waiting(hearth_matcher *m, int32_t token, hearth_error *err)
{
    bool found;
    state_id state = STATE_DEAD;
    size_t n_text = m->text.n, n_waited = m->waited.n;
    hearth_status status = look(m, token, &found, &state, err);
    if (status != HEARTH_OK || (found && state == STATE_DEAD)) {
        take_back(m, n_text, n_waited);
        TRY(status);
        FAIL(err, EINVAL, "token", "token %d starts the grammar, but its text does not fit it",
             token);
    }
    m->refused_some = false;
    if (found) {
        m->state = state;
        m->phase = MATCHING;
        buf_deinit(&m->text);
        buf_deinit(&m->waited);
    } else {
        forget_old(m);
    }
    return HEARTH_OK;
}

/* ---- masks ---- */

static hearth_status add_bytes(hearth_matcher *m, uint64_t *mask, hearth_error *err)
{
    const token_index *index = m->index;
    m->walk[0] = m->state;
    for (size_t i = 0; i < index->n_nodes;) {
        const token_node *node = &index->nodes[i];
        state_id *to = &m->walk[node->depth];
        TRY(automaton_step(&m->a, m->walk[node->depth - 1], node->byte, to, err));
        if (*to == STATE_DEAD) {
            i = node->end;
            continue;
        }
        for (uint32_t t = node->first; t < node[1].first; t++)
            token_mask_set(mask, index->tokens[t]);
        i++;
    }
    return HEARTH_OK;
}

static hearth_status add_preserved(hearth_matcher *m, uint64_t *mask, hearth_error *err)
{
    for (size_t i = 0; i < m->n_preserved; i++) {
        state_id to;
        if (token_mask_has(m->index->ends, m->preserved[i]))
            continue;
        TRY(step(m, m->state, m->preserved[i], &to, err));
        if (to != STATE_DEAD)
            token_mask_set(mask, m->preserved[i]);
    }
    return HEARTH_OK;
}

/* Tokens by name; "any but one" is every token that does not end the answer. */
static void add_tokens(hearth_matcher *m, uint64_t *mask)
{
    const automaton_state *s = automaton_state_at(&m->a, m->state);
    for (uint32_t i = 0; s->takes_tokens && i < s->n; i++) {
        const grammar_node *n = automaton_place(&m->a, s, i);
        if (n->kind != NODE_TOKEN)
            continue;
        int32_t id = m->token_ids[n->a];
        if (!n->b && !token_mask_has(m->index->ends, id))
            token_mask_set(mask, id);
        for (size_t t = 0; n->b && t < m->index->n_vocab; t++) {
            if ((int32_t)t != id && !token_mask_has(m->index->ends, (int32_t)t))
                token_mask_set(mask, (int32_t)t);
        }
    }
}

static hearth_status compute_mask(hearth_matcher *m, uint64_t *mask, hearth_error *err)
{
    const token_index *index = m->index;
    memset(mask, 0, index->n_words * sizeof *mask);
    TRY(add_bytes(m, mask, err));
    TRY(add_preserved(m, mask, err));
    add_tokens(m, mask);
    for (size_t i = 0; automaton_state_at(&m->a, m->state)->may_end && i < index->n_words; i++)
        mask[i] |= index->ends[i];
    return HEARTH_OK;
}

hearth_status hearth_matcher_mask(hearth_matcher *m, const uint64_t **bits, hearth_error *err)
{
    if (m->phase == WAITING) {
        *bits = waiting_mask(m);
        return HEARTH_OK;
    }
    if (m->phase == ENDED)
        FAIL(err, EINVAL, "grammar", "the answer has ended; nothing may come any more");
    for (size_t i = 0; i < m->n_masks; i++) {
        if (m->mask_states[i] == m->state) {
            *bits = m->masks + i * m->index->n_words;
            return HEARTH_OK;
        }
    }
    size_t slot = m->next_mask;
    m->mask_states[slot] = STATE_DEAD;
    TRY(compute_mask(m, m->masks + slot * m->index->n_words, err));
    m->mask_states[slot] = m->state;
    m->next_mask = (slot + 1) % m->n_masks;
    *bits = m->masks + slot * m->index->n_words;
    return HEARTH_OK;
}

hearth_status hearth_matcher_apply(hearth_matcher *m, float *logits, hearth_error *err)
{
    const uint64_t *bits;
    TRY(hearth_matcher_mask(m, &bits, err));
    for (size_t t = 0; t < m->index->n_vocab; t++) {
        if (!token_mask_has(bits, (int32_t)t))
            logits[t] = -INFINITY;
    }
    return HEARTH_OK;
}

/* ---- allows, accept, end ---- */

static hearth_status check_token(const hearth_matcher *m, int32_t token, hearth_error *err)
{
    if (token < 0 || (size_t)token >= m->index->n_vocab)
        FAIL(err, EINVAL, "token", "token %d is outside the vocabulary of %zu", token,
             m->index->n_vocab);
    return HEARTH_OK;
}

hearth_status hearth_matcher_allows(hearth_matcher *m, int32_t token, bool *allowed,
                                    hearth_error *err)
{
    state_id to;
    TRY(check_token(m, token, err));
    if (m->phase == WAITING)
        return allows_waiting(m, token, allowed, err);
    *allowed = m->phase == MATCHING && hearth_matcher_may_end(m);
    if (m->phase == ENDED || token_mask_has(m->index->ends, token))
        return HEARTH_OK;
    TRY(step(m, m->state, token, &to, err));
    *allowed = to != STATE_DEAD;
    return HEARTH_OK;
}

hearth_status hearth_matcher_accept(hearth_matcher *m, int32_t token, hearth_error *err)
{
    state_id to = STATE_DEAD;
    TRY(check_token(m, token, err));
    bool ends = token_mask_has(m->index->ends, token);
    if (m->phase == ENDED)
        FAIL(err, EINVAL, "token", "token %d comes after the end of the answer", token);
    if (ends && hearth_matcher_may_end(m)) {
        m->phase = ENDED;
        return HEARTH_OK;
    }
    if (m->phase == WAITING)
        return accept_waiting(m, token, err);
    if (!ends)
        TRY(step(m, m->state, token, &to, err));
    if (to == STATE_DEAD)
        FAIL(err, EINVAL, "token", "the grammar does not let token %d come here", token);
    m->state = to;
    return shrink(m, err);
}

bool hearth_matcher_may_end(const hearth_matcher *m)
{
    return m->phase != MATCHING || automaton_state_at(&m->a, m->state)->may_end;
}

bool hearth_matcher_is_done(const hearth_matcher *m)
{
    return m->phase == ENDED ||
           (m->phase == MATCHING && automaton_state_at(&m->a, m->state)->may_end &&
            automaton_state_at(&m->a, m->state)->n == 0);
}
