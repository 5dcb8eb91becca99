/* SPDX-License-Identifier: MIT
 *
 * automaton.c - see automaton.h.
 *
 * To follow a byte: take each place that accepts it, and visit what comes next until every path
 * ends at a node that takes a byte or a token, or at the end of the text. A visited cell is
 * stamped, so loops and ways that meet are followed once. A call whose rule is followed by nothing
 * but the end of the calling rule leaves nothing to go back to, and pushes nothing: rules that loop
 * by calling themselves last take no memory.
 */
#include "grammar/automaton.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define CELLS(a) ((automaton_cell *)(void *)(a)->cells.data)
#define STAMPS(a) ((uint32_t *)(void *)(a)->stamps.data)
#define PLACES(a) ((uint32_t *)(void *)(a)->places.data)
#define STATES(a) ((automaton_state *)(void *)(a)->states.data)
#define STEPS(a) ((state_id *)(void *)(a)->steps.data)
#define N_CELLS(a) ((a)->cells.n / sizeof(automaton_cell))
#define N_STATES(a) ((a)->states.n / sizeof(automaton_state))

enum { NO_STEPS = UINT32_MAX, FIRST_SLOTS = 256 };

static hearth_status no_memory(const automaton *a, hearth_error *err)
{
    return error_no_memory(err, "the states of a grammar", automaton_bytes(a));
}

static hearth_status too_ambiguous(hearth_error *err)
{
    FAIL(err, EINVAL, "grammar",
         "the grammar leaves too many ways open at one place of the text (more than %d); make it "
         "less ambiguous",
         AUTOMATON_PLACES_MAX);
}

size_t automaton_bytes(const automaton *a)
{
    return a->cells.n + a->stamps.n + a->places.n + a->states.n + a->steps.n +
           (a->n_cell_slots + a->n_state_slots) * sizeof(uint32_t);
}

/* ---- cells ---- */

static uint64_t hash_of_cell(automaton_cell c)
{
    uint64_t x = ((uint64_t)c.node << 32 | c.below) * 0x9e3779b97f4a7c15ull;
    return x ^ x >> 29;
}

/* Doubles a table when it is half full. */
static bool grow_cells(automaton *a)
{
    size_t n = a->n_cell_slots * 2;
    uint32_t *slots = mem_calloc(n, sizeof *slots);
    if (slots == NULL)
        return false;
    for (uint32_t id = 1; id < N_CELLS(a); id++) {
        size_t at = hash_of_cell(CELLS(a)[id]) & (n - 1);
        while (slots[at])
            at = (at + 1) & (n - 1);
        slots[at] = id;
    }
    mem_free(a->cell_slots);
    a->cell_slots = slots;
    a->n_cell_slots = n;
    return true;
}

/* The id of a cell, or 0: out of memory. */
static uint32_t cell_of(automaton *a, uint32_t node, uint32_t below)
{
    automaton_cell cell = {node, below};
    uint32_t id, never = 0;
    size_t at = hash_of_cell(cell) & (a->n_cell_slots - 1);
    while ((id = a->cell_slots[at]) != 0) {
        if (CELLS(a)[id].node == node && CELLS(a)[id].below == below)
            return id;
        at = (at + 1) & (a->n_cell_slots - 1);
    }
    id = (uint32_t)N_CELLS(a);
    if (!buf_append(&a->stamps, &never, sizeof never) || !buf_append(&a->cells, &cell, sizeof cell))
        return 0;
    a->cell_slots[at] = id;
    return N_CELLS(a) * 2 < a->n_cell_slots || grow_cells(a) ? id : 0;
}

/* ---- following ---- */

static void begin(automaton *a)
{
    buf_clear(&a->work);
    buf_clear(&a->found);
    a->found_end = false;
    if (++a->now == 0) {
        memset(a->stamps.data, 0, a->stamps.n);
        a->now = 1;
    }
}

/* Below the limits, false is out of memory. */
static bool want(automaton *a, uint32_t node, uint32_t below)
{
    uint32_t cell = cell_of(a, node, below);
    if (cell == 0)
        return false;
    if (STAMPS(a)[cell] == a->now)
        return true;
    STAMPS(a)[cell] = a->now;
    return buf_append(&a->work, &cell, sizeof cell);
}

static bool visit(automaton *a, uint32_t cell)
{
    automaton_cell c = CELLS(a)[cell];
    const grammar_node *n = &a->g->nodes[c.node];
    switch ((grammar_node_kind)n->kind) {
    case NODE_RANGE:
    case NODE_TOKEN:
        return buf_append(&a->found, &cell, sizeof cell);
    case NODE_SPLIT:
        return want(a, n->next, c.below) && want(a, n->a, c.below);
    case NODE_CALL: {
        uint32_t back = c.below;
        if (a->g->nodes[n->next].kind != NODE_END)
            back = cell_of(a, n->next, c.below);
        else if (c.below == 0)
            return want(a, a->g->starts[n->a], 0);
        return back != 0 && want(a, a->g->starts[n->a], back);
    }
    case NODE_END:
        if (c.below == 0) {
            a->found_end = true;
            return true;
        }
        return want(a, CELLS(a)[c.below].node, CELLS(a)[c.below].below);
    }
    return true;
}

static hearth_status follow(automaton *a, hearth_error *err)
{
    for (int left = AUTOMATON_STEPS_MAX; a->work.n > 0; left--) {
        uint32_t cell;
        a->work.n -= sizeof cell;
        memcpy(&cell, a->work.data + a->work.n, sizeof cell);
        if (!visit(a, cell))
            return no_memory(a, err);
        if (left == 0 || a->found.n > AUTOMATON_PLACES_MAX * sizeof cell)
            return too_ambiguous(err);
    }
    if (automaton_bytes(a) > AUTOMATON_BYTES_MAX)
        FAIL(err, EINVAL, "grammar",
             "the grammar needs more than %d MiB of states for one token; make it simpler",
             AUTOMATON_BYTES_MAX >> 20);
    return HEARTH_OK;
}

/* ---- states ---- */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint64_t hash_of_state(const uint32_t *places, size_t n, bool may_end)
{
    uint64_t h = may_end ? 0x51ed270b8d5c7e3bull : 0x2545f4914f6cdd1dull;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ places[i]) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 29;
    }
    return h;
}

static bool grow_states(automaton *a)
{
    size_t n = a->n_state_slots * 2;
    uint32_t *slots = mem_calloc(n, sizeof *slots);
    if (slots == NULL)
        return false;
    for (uint32_t id = 1; id < N_STATES(a); id++) {
        const automaton_state *s = &STATES(a)[id];
        size_t at = hash_of_state(PLACES(a) + s->first, s->n, s->may_end) & (n - 1);
        while (slots[at])
            at = (at + 1) & (n - 1);
        slots[at] = id;
    }
    mem_free(a->state_slots);
    a->state_slots = slots;
    a->n_state_slots = n;
    return true;
}

static bool takes_tokens(const automaton *a, const uint32_t *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a->g->nodes[CELLS(a)[places[i]].node].kind == NODE_TOKEN)
            return true;
    }
    return false;
}

/* The state of the places in a->found. */
static hearth_status state_of_found(automaton *a, state_id *out, hearth_error *err)
{
    uint32_t *found = (uint32_t *)(void *)a->found.data;
    size_t n = a->found.n / sizeof *found;
    uint32_t id;
    if (n == 0 && !a->found_end) {
        *out = STATE_DEAD;
        return HEARTH_OK;
    }
    if (n > 1)
        qsort(found, n, sizeof *found, ascending);
    size_t at = hash_of_state(found, n, a->found_end) & (a->n_state_slots - 1);
    while ((id = a->state_slots[at]) != 0) {
        const automaton_state *s = &STATES(a)[id];
        if (s->n == n && s->may_end == a->found_end &&
            (n == 0 || memcmp(PLACES(a) + s->first, found, n * sizeof *found) == 0)) {
            *out = id;
            return HEARTH_OK;
        }
        at = (at + 1) & (a->n_state_slots - 1);
    }
    id = (uint32_t)N_STATES(a);
    automaton_state new = {.first = (uint32_t)(a->places.n / sizeof *found),
                           .n = (uint32_t)n,
                           .steps = NO_STEPS,
                           .may_end = a->found_end,
                           .takes_tokens = takes_tokens(a, found, n)};
    if (!buf_append(&a->places, found, n * sizeof *found) ||
        !buf_append(&a->states, &new, sizeof new))
        return no_memory(a, err);
    a->state_slots[at] = id;
    *out = id;
    return N_STATES(a) * 2 < a->n_state_slots || grow_states(a) ? HEARTH_OK : no_memory(a, err);
}

/* ---- open and close ---- */

hearth_status automaton_open(automaton *a, const hearth_grammar *g, hearth_error *err)
{
    static const automaton_cell no_cell = {0, 0};
    static const uint32_t never = 0;
    static const automaton_state dead = {.steps = NO_STEPS};
    *a = (automaton){.g = g, .n_cell_slots = FIRST_SLOTS, .n_state_slots = FIRST_SLOTS};
    a->cell_slots = mem_calloc(FIRST_SLOTS, sizeof *a->cell_slots);
    a->state_slots = mem_calloc(FIRST_SLOTS, sizeof *a->state_slots);
    if (!a->cell_slots || !a->state_slots || !buf_append(&a->cells, &no_cell, sizeof no_cell) ||
        !buf_append(&a->stamps, &never, sizeof never) ||
        !buf_append(&a->states, &dead, sizeof dead)) {
        automaton_close(a);
        return error_no_memory(err, "the states of a grammar", FIRST_SLOTS * 8);
    }
    return HEARTH_OK;
}

void automaton_close(automaton *a)
{
    buf *arrays[] = {&a->cells, &a->stamps, &a->places, &a->states, &a->steps, &a->work, &a->found};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        buf_deinit(arrays[i]);
    mem_free(a->cell_slots);
    mem_free(a->state_slots);
    a->cell_slots = NULL;
    a->state_slots = NULL;
}

hearth_status automaton_start(automaton *a, state_id *state, hearth_error *err)
{
    begin(a);
    if (!want(a, a->g->starts[a->g->root], 0))
        return no_memory(a, err);
    TRY(follow(a, err));
    return state_of_found(a, state, err);
}

/* ---- steps ---- */

/* Marks the bytes that no place takes as dead, so that most bytes never need a closer look. */
static hearth_status make_steps(automaton *a, state_id from, hearth_error *err)
{
    state_id table[256];
    const automaton_state *s = &STATES(a)[from];
    uint32_t at = (uint32_t)(a->steps.n / sizeof *table);
    for (size_t i = 0; i < 256; i++)
        table[i] = STATE_DEAD;
    for (uint32_t i = 0; i < s->n; i++) {
        const grammar_node *n = automaton_place(a, s, i);
        for (uint32_t b = n->a; n->kind == NODE_RANGE && b <= n->b; b++)
            table[b] = STATE_UNKNOWN;
    }
    if (!buf_append(&a->steps, table, sizeof table))
        return no_memory(a, err);
    STATES(a)[from].steps = at;
    return HEARTH_OK;
}

/* The bytes around one that every place treats as it does that one all lead to the same state. */
static hearth_status find_step(automaton *a, state_id from, uint8_t byte, state_id *to,
                               hearth_error *err)
{
    uint32_t low = 0, high = 255;
    begin(a);
    for (uint32_t i = 0; i < STATES(a)[from].n; i++) {
        automaton_cell c = CELLS(a)[PLACES(a)[STATES(a)[from].first + i]];
        const grammar_node *n = &a->g->nodes[c.node];
        if (n->kind != NODE_RANGE || n->a > n->b)
            continue;
        bool inside = n->a <= byte && byte <= n->b;
        uint32_t from_here = inside ? n->a : n->b < byte ? n->b + 1u : 0;
        uint32_t to_here = inside ? n->b : n->a > byte ? n->a - 1 : 255;
        low = from_here > low ? from_here : low;
        high = to_here < high ? to_here : high;
        if (inside && !want(a, n->next, c.below))
            return no_memory(a, err);
    }
    TRY(follow(a, err));
    TRY(state_of_found(a, to, err));
    for (uint32_t b = low; b <= high; b++)
        STEPS(a)[STATES(a)[from].steps + b] = *to;
    return HEARTH_OK;
}

hearth_status automaton_step(automaton *a, state_id from, uint8_t byte, state_id *to,
                             hearth_error *err)
{
    if (STATES(a)[from].steps == NO_STEPS)
        TRY(make_steps(a, from, err));
    *to = STEPS(a)[STATES(a)[from].steps + byte];
    return *to == STATE_UNKNOWN ? find_step(a, from, byte, to, err) : HEARTH_OK;
}

hearth_status automaton_step_token(automaton *a, state_id from, const int32_t *ids, int32_t token,
                                   state_id *to, hearth_error *err)
{
    begin(a);
    for (uint32_t i = 0; i < STATES(a)[from].n; i++) {
        automaton_cell c = CELLS(a)[PLACES(a)[STATES(a)[from].first + i]];
        const grammar_node *n = &a->g->nodes[c.node];
        if (n->kind == NODE_TOKEN && (ids[n->a] == token) != (n->b != 0) &&
            !want(a, n->next, c.below))
            return no_memory(a, err);
    }
    TRY(follow(a, err));
    return state_of_found(a, to, err);
}

hearth_status automaton_join(automaton *a, state_id x, state_id y, state_id *out, hearth_error *err)
{
    if (x == y || y == STATE_DEAD || x == STATE_DEAD) {
        *out = x == STATE_DEAD ? y : x;
        return HEARTH_OK;
    }
    state_id both[2] = {x, y};
    begin(a);
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < STATES(a)[both[k]].n; i++) {
            automaton_cell c = CELLS(a)[PLACES(a)[STATES(a)[both[k]].first + i]];
            if (!want(a, c.node, c.below))
                return no_memory(a, err);
        }
    }
    TRY(follow(a, err));
    a->found_end = STATES(a)[x].may_end || STATES(a)[y].may_end;
    return state_of_found(a, out, err);
}

/* ---- moving ---- */

/* The same stack in another automaton; 0 is out of memory. path: scratch. */
static uint32_t move_cell(automaton *a, const automaton *other, uint32_t cell, buf *path)
{
    uint32_t below = 0;
    buf_clear(path);
    for (; cell != 0; cell = CELLS(other)[cell].below) {
        if (!buf_append(path, &cell, sizeof cell))
            return 0;
    }
    for (size_t i = path->n / sizeof cell; i-- > 0;) {
        below = cell_of(a, CELLS(other)[((uint32_t *)(void *)path->data)[i]].node, below);
        if (below == 0)
            return 0;
    }
    return below;
}

hearth_status automaton_open_at(automaton *a, const automaton *other, state_id from,
                                state_id *state, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    const automaton_state *s = &STATES(other)[from];
    buf path;
    buf_init(&path, 0);
    TRY(automaton_open(a, other->g, err));
    begin(a);
    a->found_end = s->may_end;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t cell = move_cell(a, other, PLACES(other)[s->first + i], &path);
        if (cell == 0 || !buf_append(&a->found, &cell, sizeof cell)) {
            status = no_memory(a, err);
            goto out;
        }
    }
    status = state_of_found(a, state, err);
out:
    buf_deinit(&path);
    if (status != HEARTH_OK)
        automaton_close(a);
    return status;
}
