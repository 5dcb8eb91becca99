/* SPDX-License-Identifier: MIT
 *
 * scheduler.c - who gets a place, and whose tokens go into a pass.
 *
 * Places   A free place goes to the client with the fewest, then to the one that was served least,
 *          then to who came first. Who was passed over PATIENCE times is next whatever they ask.
 * Passes   Everyone who writes is in every pass, with one token, and with guesses of the next ones
 *          while all of them together are few columns (draft.h). The rest reads: n_fair tokens if
 *          somebody writes, else as many as a pass holds, of which a text that does not fit takes
 *          n_fair while others read too. One request that is alone reads whole passes, which a
 *          newcomer cuts short. What was read of such a pass is lost, so whom it happened to reads
 *          n_fair in each of the WARY next ones, and a cut is a pass it was left out of.
 * Readers  Who was left out of PATIENCE passes goes first. Then those whose client is not ahead of
 *          the others by more than LEAD tokens, the shortest rest first; then the others likewise.
 *          A pass that reads a text to its end reads nothing longer. So a short text comes to its
 *          first token as if it were alone, but for the pass that is under way and those of
 *          texts that are due; and a long one gets at least one pass of PATIENCE + 1.
 * Pages    If nothing can run because no page is to be had, the youngest request gives up its
 *          pages. What it had read stays in the prefix cache as long as there is room, and it reads
 *          the rest again once others have ended. The oldest never has to, so there is progress.
 */
#include "engine/engine_state.h"

#include "os/clock.h"

enum { PATIENCE = 4, PATIENCE_FOR_PLACE = 16, LEAD = 2048, WARY = 8 };

/* ---- clients ---- */

static size_t n_client_entries(const hearth_engine *e)
{
    return (size_t)e->options.n_queue + e->plan.n_parallel;
}

/* Requests are never more than entries. A newcomer begins where the least served one stands, so
 * that neither the past nor a new name is an advantage. */
static client *find_client(hearth_engine *e, uint64_t key)
{
    client *free = NULL;
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < n_client_entries(e); i++) {
        client *c = &e->clients[i];
        if (c->n_requests == 0) {
            free = free ? free : c;
            continue;
        }
        if (c->key == key)
            return c;
        least = c->served < least ? c->served : least;
    }
    if (least != UINT64_MAX && least > e->served)
        e->served = least;
    *free = (client){.key = key, .served = e->served};
    return free;
}

void scheduler_count(hearth_engine *e, hearth_request *r, size_t n_tokens)
{
    (void)e;
    r->client->served += n_tokens;
}

/* ---- waiting and places ---- */

void scheduler_add(hearth_engine *e, hearth_request *r)
{
    r->caches = r->caches && prefix_tree_take_root(&e->tree, r->root_key, &r->root);
    r->node = r->root;
    r->client = find_client(e, r->client_key);
    r->client->n_requests++;
    r->passes_before = e->stats.n_passes;
    r->next = NULL;
    if (e->waiting.last)
        e->waiting.last->next = r;
    else
        e->waiting.first = r;
    e->waiting.last = r;
    e->waiting.n++;
}

static void take_out(request_list *list, hearth_request *r)
{
    hearth_request *before = NULL;
    for (hearth_request *at = list->first; at != r; at = at->next)
        before = at;
    if (before)
        before->next = r->next;
    else
        list->first = r->next;
    if (list->last == r)
        list->last = before;
    list->n--;
}

static bool is_running(const hearth_request *r)
{
    return r->admitted_ns != 0;
}

void scheduler_remove(hearth_engine *e, hearth_request *r)
{
    if (is_running(r)) {
        e->running[r->place] = NULL;
        e->n_running--;
        r->client->n_running--;
    } else {
        take_out(&e->waiting, r);
    }
    r->client->n_requests--;
    if (r->caches)
        prefix_tree_leave_root(&e->tree, r->root);
    request_unref(r);
}

/* Whether a is to have a place before b, who came earlier. */
static bool goes_before(const hearth_request *a, const hearth_request *b)
{
    if (b->n_passed_over >= PATIENCE_FOR_PLACE)
        return false;
    if (a->client->n_running != b->client->n_running)
        return a->client->n_running < b->client->n_running;
    return a->client->served < b->client->served;
}

static hearth_request *choose_waiting(const hearth_engine *e)
{
    hearth_request *best = e->waiting.first;
    for (hearth_request *r = best; r; r = r->next)
        if (goes_before(r, best))
            best = r;
    return best;
}

static void admit(hearth_engine *e, hearth_request *r)
{
    uint32_t place = 0;
    for (hearth_request *before = e->waiting.first; before != r; before = before->next)
        before->n_passed_over++;
    take_out(&e->waiting, r);
    while (e->running[place])
        place++;
    e->running[place] = r;
    e->n_running++;
    r->client->n_running++;
    r->place = place;
    r->pages = &e->sequences[place];
    r->age = ++e->n_admitted;
    r->n_passed_over = 0;
    r->admitted_ns = clock_now_ns();
    r->counts.queue_ms = (double)(r->admitted_ns - r->submitted_ns) / 1e6;
}

/* The oldest of those who gave up their pages. */
static hearth_request *oldest_paused(const hearth_engine *e)
{
    hearth_request *oldest = NULL;
    for (uint32_t i = 0; i < e->plan.n_parallel; i++) {
        hearth_request *r = e->running[i];
        if (r && r->paused && (oldest == NULL || r->age < oldest->age))
            oldest = r;
    }
    return oldest;
}

static uint32_t n_with_pages(const hearth_engine *e)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->plan.n_parallel; i++)
        n += e->running[i] && !e->running[i]->paused;
    return n;
}

/* Who has none to share with needs no room beside others. */
static bool has_room(const hearth_engine *e, const hearth_request *r)
{
    uint32_t others = n_with_pages(e);
    return others == 0 || engine_cache_n_needed(e, r) + others <= engine_cache_n_available(e);
}

void scheduler_admit(hearth_engine *e)
{
    hearth_request *r;
    while ((r = oldest_paused(e)) != NULL) {
        if (!has_room(e, r))
            return;
        r->paused = false;
    }
    while (e->n_running < e->plan.n_parallel && e->waiting.n > 0) {
        r = choose_waiting(e);
        if (!has_room(e, r))
            return;
        admit(e, r);
    }
}

/* ---- passes ---- */

static void add_part(hearth_engine *e, hearth_request *r, size_t n, size_t n_drafted)
{
    pass *p = &e->pass;
    p->parts[p->n_parts++] = (pass_part){r, p->n, n, n_drafted};
    for (size_t i = 0; i < n; i++) {
        p->tokens[p->n + i] = r->tokens[r->n_past + i];
        p->positions[p->n + i] = (uint32_t)(r->n_past + i);
        p->visible[p->n + i] = (uint32_t)(r->n_past + n);
        p->sequences[p->n + i] = &r->pages->kv;
        p->mixes[p->n + i] = r->mix.n > 0 ? &r->mix : NULL;
    }
    p->n += n;
    r->in_pass = true;
}

/* One token each, and guesses; returns how many there are, whether or not they could take part. */
static size_t add_writers(hearth_engine *e, bool *lacks_pages)
{
    size_t n = 0;
    for (uint32_t i = 0; i < e->plan.n_parallel; i++) {
        hearth_request *r = e->running[i];
        if (r == NULL || !request_is_writing(r) || !request_has_room(r))
            continue;
        n++;
        size_t got = engine_cache_reserve(e, r, 1 + r->n_guessed);
        if (got > 0)
            add_part(e, r, got, got - 1);
        else
            *lacks_pages = true;
    }
    return n;
}

static uint64_t least_served(const hearth_engine *e, size_t n)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < n; i++)
        if (e->readers[i]->client->served < least)
            least = e->readers[i]->client->served;
    return least;
}

static int rank(const hearth_request *r, uint64_t least)
{
    if (r->n_passed_over >= PATIENCE)
        return 0;
    return r->client->served <= least + LEAD ? 1 : 2;
}

/* Whether a reads before b. */
static bool reads_before(const hearth_request *a, const hearth_request *b, uint64_t least)
{
    int rank_a = rank(a, least), rank_b = rank(b, least);
    if (rank_a != rank_b)
        return rank_a < rank_b;
    if (rank_a != 0 && request_n_pending(a) != request_n_pending(b))
        return request_n_pending(a) < request_n_pending(b);
    return a->age < b->age;
}

static void sort_readers(hearth_engine *e, size_t n)
{
    uint64_t least = least_served(e, n);
    for (size_t i = 1; i < n; i++) {
        hearth_request *r = e->readers[i];
        size_t at = i;
        for (; at > 0 && reads_before(r, e->readers[at - 1], least); at--)
            e->readers[at] = e->readers[at - 1];
        e->readers[at] = r;
    }
}

/* Those with text to read that nobody else is reading for them. *again: one of them takes pages
 * from disk and is not through with it. */
static size_t find_readers(hearth_engine *e, bool *again)
{
    size_t n = 0;
    for (uint32_t i = 0; i < e->plan.n_parallel; i++) {
        hearth_request *r = e->running[i];
        if (r == NULL || r->paused || r->in_pass || request_n_pending(r) == 0)
            continue;
        if (request_is_writing(r) || !request_has_room(r))
            continue;
        if (!engine_cache_acquire(e, r))
            *again = true;
        else if (!engine_cache_should_wait(e, r))
            e->readers[n++] = r;
    }
    return n;
}

/* An encoder's tokens see each other, so a text goes whole. */
static size_t share_of(const hearth_engine *e, const hearth_request *r, size_t left, size_t most)
{
    size_t n = request_n_pending(r);
    if (!e->model->h.causal)
        return n <= left ? n : 0;
    n = n < most ? n : most;
    return n < left ? n : left;
}

/* A newcomer need not wait for the end of a pass in which one request alone reads, unless that
 * ends soon or was cut often enough. */
static bool may_be_cut(const hearth_engine *e)
{
    const pass *p = &e->pass;
    if (p->n_parts != 1 || !e->model->h.causal || p->n_passed_over >= PATIENCE)
        return false;
    const hearth_request *r = p->parts[0].request;
    return !request_is_writing(r) && (p->n > e->n_fair || p->n < request_n_pending(r));
}

static void add_readers(hearth_engine *e, size_t n_writers, bool *lacks_pages, bool *again)
{
    size_t n = find_readers(e, again), n_batch = e->plan.memory.n_batch;
    size_t left = n_batch - e->pass.n, most = n_batch;
    if (e->model->h.causal && n_writers > 0 && left > e->n_fair)
        left = e->n_fair;
    if (n > 1 || *again || e->n_wary > 0)
        most = e->n_fair;
    bool one_ends = false;
    sort_readers(e, n);
    for (size_t i = 0; i < n; i++) {
        hearth_request *r = e->readers[i];
        /* Nobody waits for the first token of a vector: those are read side by side. */
        bool hurries = n_writers > 0 || !r->wants_sum;
        bool fits = n_writers == 0 && hurries && !one_ends && !r->was_cut &&
                    r->n_passed_over < PATIENCE && request_n_pending(r) <= left;
        size_t want = share_of(e, r, left, fits ? left : most);
        if (one_ends && want < request_n_pending(r))
            want = 0;
        size_t got = want ? engine_cache_reserve(e, r, want) : 0;
        *lacks_pages |= got < want;
        if (got == 0 || (!e->model->h.causal && got < want)) {
            r->n_passed_over++;
            continue;
        }
        e->pass.n_passed_over = r->n_passed_over;
        r->n_passed_over = 0;
        one_ends |= hurries && got == request_n_pending(r);
        add_part(e, r, got, 0);
        left -= got;
    }
    e->pass.may_be_cut = may_be_cut(e);
}

void scheduler_note_cut(hearth_engine *e)
{
    hearth_request *r = e->pass.parts[0].request;
    e->n_wary = WARY;
    r->was_cut = true;
    r->n_passed_over = e->pass.n_passed_over + 1;
}

/* The youngest gives up its pages, unless there is only one. */
static bool preempt(hearth_engine *e)
{
    hearth_request *youngest = NULL;
    if (n_with_pages(e) < 2)
        return false;
    for (uint32_t i = 0; i < e->plan.n_parallel; i++) {
        hearth_request *r = e->running[i];
        if (r && !r->paused && (youngest == NULL || r->age > youngest->age))
            youngest = r;
    }
    engine_cache_release(e, youngest);
    youngest->paused = true;
    e->stats.n_preempted++;
    return true;
}

void scheduler_make_pass(hearth_engine *e)
{
    bool lacks_pages, again;
    engine_guess(e);
    do {
        lacks_pages = again = false;
        e->pass.n = e->pass.n_parts = 0;
        for (uint32_t i = 0; i < e->plan.n_parallel; i++)
            if (e->running[i])
                e->running[i]->in_pass = false;
        size_t n_writers = add_writers(e, &lacks_pages);
        add_readers(e, n_writers, &lacks_pages, &again);
    } while (e->pass.n == 0 && (again || (lacks_pages && preempt(e))));
}
