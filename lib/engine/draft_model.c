/* SPDX-License-Identifier: MIT
 *
 * draft_model.c - see draft_model.h.
 */
#include "engine/draft_model.h"

#include <string.h>

#include "base/fmath.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/draft.h"
#include "engine/model.h"
#include "engine/prefix_tree.h"
#include "engine/token_probs.h"

enum { FIRST_LENGTH = 3, LEAST_LENGTH = 2, FIRST_REST = 16, MOST_RESTS = 5 };

/* What checking costs beside a pass of one token, in such passes: from `hearth bench --at-once`.
 * And how far an account may go either way. */
static const double check_cost = 0.25, column_cost = 0.0625, credit = 2.0;

typedef struct draft_place {
    sequence pages;
    size_t n_sure;
    size_t n_past;
    uint32_t node; /* of the last page that is in the tree */
    uint32_t n_shared;
    int32_t guesses[DRAFT_MOST]; /* fed behind the text */
    uint32_t length;             /* of the next guess; 0: not begun */
    uint32_t rest;               /* tokens to go without */
    uint32_t n_rests;            /* since it last paid */
    double balance;
} draft_place;

struct draft_model {
    const hearth_model *model;
    forward *f;
    page_pool pool;
    prefix_tree tree;
    uint32_t n_ctx;
    uint32_t n_parallel;
    size_t n_known; /* tokens that both models have */
    float p_min;
    double cost; /* of a pass, in passes of the large model */
    bool is_lost;
    draft_place *places;
    size_t n; /* rows of the pass under way */
    int32_t *tokens;
    uint32_t *positions;
    uint32_t *visible;
    const kv_sequence **sequences;
};

/* ---- what fits together ---- */

static bool same_token(const tokenizer *a, const tokenizer *b, int32_t id)
{
    gguf_string x, y;
    return tokenizer_spelling(a, id, &x) && tokenizer_spelling(b, id, &y) && x.n == y.n &&
           memcmp(x.data, y.data, x.n) == 0 &&
           tokenizer_is_control(a, id) == tokenizer_is_control(b, id);
}

static hearth_status check_vocabulary(const hearth_model *model, const hearth_model *target,
                                      hearth_error *err)
{
    const tokenizer *a = model->t, *b = target->t;
    if (a == NULL || b == NULL) {
        if (a != b || model->h.n_vocab != target->h.n_vocab)
            FAIL(err, EMISMATCH, "draft_model",
                 "the draft model and the model have %u and %u tokens, and one of the files does "
                 "not tell which; use a draft model of the same vocabulary",
                 model->h.n_vocab, target->h.n_vocab);
        return HEARTH_OK;
    }
    size_t n = tokenizer_n_vocab(a);
    if (n != tokenizer_n_vocab(b))
        FAIL(err, EMISMATCH, "draft_model",
             "the draft model has %zu tokens and the model %zu; use a draft model of the same "
             "vocabulary",
             n, tokenizer_n_vocab(b));
    for (size_t i = 0; i < n; i++)
        if (!same_token(a, b, (int32_t)i))
            FAIL(err, EMISMATCH, "draft_model",
                 "token %zu of the draft model is not that of the model; use a draft model of the "
                 "same vocabulary",
                 i);
    return HEARTH_OK;
}

hearth_status draft_model_check(const hearth_model *model, const hearth_model *target,
                                hearth_error *err)
{
    if (model->arch == NULL) {
        if (err)
            *err = model->unknown;
        return model->unknown.code;
    }
    if (!model->h.causal || !target->h.causal)
        FAIL(err, EUNSUPPORTED, "draft_model",
             "%s is an encoder, which writes no text; leave the draft model out",
             (model->h.causal ? target : model)->info.architecture);
    if (model->scope == HEARTH_SCOPE_METADATA || target->scope == HEARTH_SCOPE_METADATA)
        return HEARTH_OK;
    return check_vocabulary(model, target, err);
}

/* ---- memory ---- */

static forward_options forward_options_of(const draft_model_options *o)
{
    return (forward_options){.h = &o->model->h,
                             .w = &o->model->w,
                             .kernels = o->model->kernels,
                             .n_threads = o->n_threads,
                             .n_batch = o->n_batch,
                             .n_ctx = o->n_ctx,
                             .type_k = (cache_type)o->type_k,
                             .type_v = (cache_type)o->type_v};
}

uint64_t draft_model_page_bytes(const draft_model_options *o)
{
    kv_layout layout;
    kv_layout_init(&layout, &o->model->h, (cache_type)o->type_k, (cache_type)o->type_v, false);
    return layout.page_bytes + sizeof(prefix_node);
}

uint64_t draft_model_bytes(const draft_model_options *o)
{
    kv_layout layout;
    forward_options f = forward_options_of(o);
    kv_layout_init(&layout, &o->model->h, f.type_k, f.type_v, false);
    uint64_t row = 2 * sizeof(uint32_t) + sizeof(int32_t) + sizeof(void *);
    return plan_weight_bytes(o->model) + plan_model_overhead(o->model) + forward_bytes(&f) +
           o->n_batch * row + o->n_pages * layout.page_bytes + page_pool_table_bytes(o->n_pages) +
           prefix_tree_bytes(o->n_pages) +
           o->n_parallel * (sizeof(draft_place) + sequence_bytes(kv_n_pages(o->n_ctx)));
}

/* ---- open and close ---- */

/* Bytes of weights that one token needs. */
static double token_bytes(const hearth_model *m)
{
    const hearth_model_info *info = &m->info;
    return (double)plan_weight_bytes(m) * (double)info->n_active_params /
           (double)(info->n_params ? info->n_params : 1);
}

static hearth_status allocate(draft_model *d, const draft_model_options *o, hearth_error *err)
{
    forward_options f = forward_options_of(o);
    TRY(forward_open(&d->f, &f, err));
    TRY(page_pool_init(&d->pool, forward_kv_layout(d->f), o->n_pages, err));
    TRY(prefix_tree_init(&d->tree, &d->pool, 0, err));
    d->places = mem_calloc(o->n_parallel, sizeof *d->places);
    d->tokens = mem_alloc_array(o->n_batch, sizeof *d->tokens);
    d->positions = mem_alloc_array(o->n_batch, sizeof *d->positions);
    d->visible = mem_alloc_array(o->n_batch, sizeof *d->visible);
    d->sequences = mem_alloc_array(o->n_batch, sizeof *d->sequences);
    if (!d->places || !d->tokens || !d->positions || !d->visible || !d->sequences)
        return error_no_memory(err, "a draft model's pass", o->n_batch * sizeof *d->sequences);
    for (; d->n_parallel < o->n_parallel; d->n_parallel++) {
        draft_place *p = &d->places[d->n_parallel];
        TRY(sequence_init(&p->pages, kv_n_pages(o->n_ctx), err));
        p->node = PREFIX_ROOT;
    }
    return HEARTH_OK;
}

hearth_status draft_model_open(draft_model **out, const draft_model_options *o, hearth_error *err)
{
    uint32_t n_draft = o->model->h.n_vocab, n_target = o->target->h.n_vocab;
    *out = NULL;
    draft_model *d = mem_calloc(1, sizeof *d);
    if (d == NULL)
        return error_no_memory(err, "a draft model", sizeof *d);
    d->model = o->model;
    d->n_ctx = o->n_ctx;
    d->n_known = n_draft < n_target ? n_draft : n_target;
    d->p_min = o->p_min;
    d->cost = token_bytes(o->model) / token_bytes(o->target);
    hearth_status status = allocate(d, o, err);
    if (status != HEARTH_OK) {
        draft_model_close(d);
        return status;
    }
    *out = d;
    return HEARTH_OK;
}

void draft_model_close(draft_model *d)
{
    if (d == NULL)
        return;
    for (uint32_t i = 0; i < d->n_parallel; i++)
        sequence_deinit(&d->places[i].pages);
    prefix_tree_deinit(&d->tree);
    page_pool_deinit(&d->pool);
    forward_close(d->f);
    mem_free(d->places);
    mem_free(d->tokens);
    mem_free(d->positions);
    mem_free(d->visible);
    mem_free(d->sequences);
    mem_free(d);
}

/* ---- keys and values ---- */

/* Guesses that came true are text now. One token stays to be read, for its logits. */
static void keep_right(draft_place *p, const hearth_request *r)
{
    size_t n = p->n_sure;
    while (n < p->n_past && n < r->n_tokens && p->guesses[n - p->n_sure] == r->tokens[n])
        n++;
    p->n_sure = p->n_past = n < r->n_tokens ? n : r->n_tokens - 1;
}

/* Whole pages of text, which are never written to again. */
static void share_pages(draft_model *d, draft_place *p, const hearth_request *r)
{
    for (; r->caches && (p->n_shared + 1) * (size_t)KV_PAGE <= p->n_past; p->n_shared++) {
        uint32_t own = p->pages.pages[p->n_shared];
        uint32_t node = prefix_tree_add(&d->tree, p->node,
                                        r->tokens + (size_t)p->n_shared * KV_PAGE, KV_PAGE, own);
        if (node != own) {
            page_pool_ref(&d->pool, node);
            sequence_replace(&p->pages, &d->pool, p->n_shared, node);
        }
        p->node = node;
    }
}

static void take_cached(draft_model *d, draft_place *p, const hearth_request *r, size_t end)
{
    while (r->caches && p->n_past == (size_t)p->n_shared * KV_PAGE &&
           p->n_past == (size_t)p->pages.n_pages * KV_PAGE && p->n_past + KV_PAGE < end) {
        uint32_t node = prefix_tree_find(&d->tree, p->node, r->tokens + p->n_past);
        if (node == NO_PAGE)
            return;
        page_pool_ref(&d->pool, node);
        sequence_push(&p->pages, &d->pool, node);
        prefix_tree_use(&d->tree, node);
        p->node = node;
        p->n_shared++;
        p->n_past = p->n_sure = p->n_past + KV_PAGE;
    }
}

static bool reserve(draft_model *d, draft_place *p, size_t n)
{
    while ((size_t)p->pages.n_pages * KV_PAGE < n) {
        uint32_t page = page_pool_take(&d->pool);
        if (page == NO_PAGE && prefix_tree_evict(&d->tree))
            page = page_pool_take(&d->pool);
        if (page == NO_PAGE)
            return false;
        sequence_push(&p->pages, &d->pool, page);
    }
    return true;
}

void draft_model_leave(draft_model *d, const hearth_request *r)
{
    draft_place *p = &d->places[r->place];
    keep_right(p, r);
    share_pages(d, p, r);
    sequence_release(&p->pages, &d->pool);
    *p = (draft_place){.pages = p->pages, .node = PREFIX_ROOT};
}

uint64_t draft_model_trim(draft_model *d)
{
    prefix_tree_evict_all(&d->tree);
    return page_pool_trim(&d->pool);
}

/* ---- whether it pays ---- */

size_t draft_model_wanted(draft_model *d, const hearth_request *r, size_t least, size_t most)
{
    draft_place *p = &d->places[r->place];
    if (p->rest > 0) {
        p->rest--;
        return 0;
    }
    size_t n = p->length ? p->length : FIRST_LENGTH;
    n = n > least ? n : least;
    return n < most ? n : most;
}

static void settle(draft_place *p)
{
    if (p->balance >= credit) {
        p->balance = credit;
        p->n_rests = 0;
    } else if (p->balance <= -credit) {
        p->balance = 0;
        p->rest = FIRST_REST << p->n_rests;
        p->n_rests += p->n_rests < MOST_RESTS;
    }
}

void draft_model_learn(draft_model *d, const hearth_request *r, size_t n, size_t n_right)
{
    draft_place *p = &d->places[r->place];
    size_t length = n_right == n ? n + 2 : n_right + 1;
    length = length > LEAST_LENGTH ? length : LEAST_LENGTH;
    p->length = (uint32_t)(length < DRAFT_MOST ? length : DRAFT_MOST);
    p->balance += (double)n_right - check_cost - (double)n * column_cost;
    settle(p);
}

/* ---- passes ---- */

/* Rows of a model with fewer tokens than ids may have stand for no text. */
static void add_row(draft_model *d, const draft_place *p, int32_t token, size_t position)
{
    d->tokens[d->n] = (uint32_t)token < d->model->h.n_vocab ? token : 0;
    d->positions[d->n] = (uint32_t)position;
    d->visible[d->n] = (uint32_t)position + 1;
    d->sequences[d->n++] = &p->pages.kv;
}

static bool run(draft_model *d, const atomic_bool *cancel)
{
    batch b = {.n = d->n,
               .tokens = d->tokens,
               .positions = d->positions,
               .sequences = d->sequences,
               .n_visible = d->visible};
    if (forward_run(d->f, &b, cancel, NULL) != HEARTH_OK)
        return false;
    if (!model_is_lost(d->model))
        return true;
    d->is_lost = true;
    log_write(&d->model->log, HEARTH_LOG_WARNING,
              "the draft model's file '%s' became shorter while it was in use; nothing is guessed "
              "with it from now on",
              d->model->info.path);
    return false;
}

/* What a request has to read, as far as the budget goes. */
static void add_text(draft_model *d, draft_task *t, size_t *budget)
{
    const hearth_request *r = t->request;
    draft_place *p = &d->places[r->place];
    keep_right(p, r);
    share_pages(d, p, r);
    if (t->end + t->n_wanted > d->n_ctx || t->end <= p->n_past) {
        t->n_wanted = 0;
        return;
    }
    take_cached(d, p, r, t->end);
    size_t n = t->end - p->n_past;
    if (n > *budget) {
        n = *budget;
        t->n_wanted = 0;
    }
    if (!reserve(d, p, p->n_past + n + t->n_wanted)) {
        t->n_wanted = 0;
        return;
    }
    for (size_t i = 0; i < n; i++)
        add_row(d, p, r->tokens[p->n_past + i], p->n_past + i);
    *budget -= n;
    p->n_sure += n; /* n_past follows once it is true */
}

/* The likeliest token, or -1 if it is not likely enough. */
static int32_t choose(const draft_model *d, const float *logits)
{
    size_t best = 0;
    for (size_t i = 1; i < d->n_known; i++)
        best = logits[i] > logits[best] ? i : best;
    if (d->p_min <= 0)
        return (int32_t)best;
    double p = fmath_exp((double)logits[best] - token_probs_offset(logits, d->n_known));
    return p >= (double)d->p_min ? (int32_t)best : -1;
}

/* Takes a guess for each task whose last row is rows[i]; those that go on are moved to the front,
 * with their guess as a row of the next pass. Returns how many. */
static size_t take_guesses(draft_model *d, draft_task **tasks, size_t *rows, size_t n)
{
    size_t n_on = 0, stride;
    const float *logits = forward_logits(d->f, rows, n, &stride);
    d->n = 0;
    for (size_t i = 0; i < n; i++) {
        hearth_request *r = tasks[i]->request;
        draft_place *p = &d->places[r->place];
        int32_t token = choose(d, logits + i * stride);
        p->balance -= d->cost;
        if (token < 0) {
            settle(p);
            continue;
        }
        r->tokens[r->n_tokens + r->n_guessed++] = token;
        if (r->n_guessed == tasks[i]->n_wanted)
            continue;
        add_row(d, p, token, r->n_tokens + r->n_guessed - 1);
        rows[n_on] = n_on;
        tasks[n_on++] = tasks[i];
    }
    return n_on;
}

void draft_model_run(draft_model *d, draft_task *tasks, size_t n_tasks, size_t budget,
                     const atomic_bool *cancel)
{
    draft_task *on[FORWARD_LOGITS_ROWS];
    size_t rows[FORWARD_LOGITS_ROWS], n = 0;
    d->n = 0;
    if (d->is_lost)
        return;
    for (size_t i = 0; i < n_tasks; i++) {
        add_text(d, &tasks[i], &budget);
        if (tasks[i].n_wanted == 0)
            continue;
        on[n] = &tasks[i];
        rows[n++] = d->n - 1;
    }
    if (d->n == 0 || !run(d, cancel)) {
        for (size_t i = 0; i < n_tasks; i++) {
            draft_place *p = &d->places[tasks[i].request->place];
            p->n_sure = p->n_past;
        }
        return;
    }
    for (size_t i = 0; i < n_tasks; i++) {
        draft_place *p = &d->places[tasks[i].request->place];
        p->n_past = p->n_sure;
    }
    while (n > 0 && (n = take_guesses(d, on, rows, n)) > 0 && run(d, cancel)) {
        for (size_t i = 0; i < n; i++) {
            const hearth_request *r = on[i]->request;
            draft_place *p = &d->places[r->place];
            p->guesses[p->n_past++ - p->n_sure] = r->tokens[r->n_tokens + r->n_guessed - 1];
        }
    }
}
