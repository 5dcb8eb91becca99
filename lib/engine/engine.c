/* SPDX-License-Identifier: MIT
 *
 * engine.c - see hearth/engine.h: open and close, the way in for requests, the thread's loop.
 *
 *   submit --> inbox --> waiting --a place--> running --pass--> running ... --> ended
 *              (door)    (scheduler.c)
 */
#include "engine/engine_state.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/options_take.h"
#include "os/clock.h"

enum {
    DEFAULT_FAIR = 32,
    QUEUED_PART = 8 /* of the pages one in so many may be on its way to disk */
};
static const uint64_t default_disk_bytes = (uint64_t)4 << 30;

/* ---- the thread ---- */

void engine_wake(hearth_engine *e)
{
    monitor_lock(&e->door);
    e->n_wakes++;
    monitor_wake(&e->door);
    monitor_unlock(&e->door);
}

void engine_interrupt(hearth_engine *e)
{
    atomic_store(&e->interrupted, true);
    engine_wake(e);
}

void engine_do(hearth_engine *e, engine_job *job, engine_job_fn *run)
{
    engine_job **link = &e->jobs;
    *job = (engine_job){.run = run};
    monitor_lock(&e->door);
    while (*link)
        link = &(*link)->next;
    *link = job;
    e->n_wakes++;
    monitor_wake(&e->door);
    while (!job->is_over)
        monitor_wait(&e->door, -1);
    monitor_unlock(&e->door);
}

/* Everything new; false if the engine closes. */
static bool take_in(hearth_engine *e, uint64_t *n_wakes)
{
    monitor_lock(&e->door);
    request_list inbox = e->inbox;
    e->inbox = (request_list){0};
    atomic_store(&e->interrupted, false);
    *n_wakes = e->n_wakes;
    monitor_unlock(&e->door);
    for (hearth_request *r = inbox.first, *next; r; r = next) {
        next = r->next;
        scheduler_add(e, r);
    }
    return !atomic_load(&e->closing);
}

/* Requests that were canceled or whose time is over leave. */
static void end_those_over(hearth_engine *e)
{
    uint64_t now = clock_now_ns();
    for (uint32_t i = 0; i < e->plan.n_parallel; i++)
        if (e->running[i])
            engine_end_if_over(e, e->running[i], now);
    for (hearth_request *r = e->waiting.first, *next; r; r = next) {
        next = r->next;
        engine_end_if_over(e, r, now);
    }
}

static void show_slot(const hearth_request *r, hearth_engine_slot *slot)
{
    *slot = (hearth_engine_slot){.state = HEARTH_SLOT_IDLE};
    if (r == NULL)
        return;
    slot->state = r->wants_sum                 ? HEARTH_SLOT_EMBEDDING
                  : r->n_tokens == r->n_prompt ? HEARTH_SLOT_READING
                                               : HEARTH_SLOT_WRITING;
    slot->request = r->id;
    slot->client = r->client_key;
    slot->n_prompt = r->n_prompt;
    slot->n_prompt_done = r->n_read < r->n_prompt ? r->n_read : r->n_prompt;
    slot->n_cached = r->counts.n_cached;
    slot->n_generated = r->counts.n_generated;
    slot->max_tokens = r->options.max_tokens;
}

/* What statistics tell from now on. */
static void show(hearth_engine *e)
{
    hearth_engine_stats *s = &e->stats;
    s->n_running = e->n_running;
    s->n_pages = e->pool.n_pages;
    s->n_pages_cached = prefix_tree_n_unused(&e->tree);
    s->n_pages_used = e->pool.n_pages - e->pool.n_free - s->n_pages_cached;
    s->n_pages_evicted = e->tree.n_evicted;
    if (e->store) {
        page_store_counts counts = page_store_count(e->store);
        s->disk_bytes = counts.n_bytes;
        s->n_disk_read = counts.n_read;
        s->n_disk_written = counts.n_written;
        s->n_disk_dropped = counts.n_dropped + e->tree.n_lost;
        s->n_disk_damaged = counts.n_damaged;
    }
    monitor_lock(&e->door);
    e->n_waiting = e->waiting.n + e->inbox.n;
    uint64_t n_requests = e->shown.n_requests, n_refused = e->shown.n_refused;
    e->shown = *s;
    e->shown.n_requests = n_requests;
    e->shown.n_refused = n_refused;
    for (uint32_t i = 0; i < e->plan.n_parallel; i++)
        show_slot(e->running[i], &e->slots[i]);
    monitor_unlock(&e->door);
}

/* Does some of a job that waits; true if there is more to do. */
static bool do_jobs(hearth_engine *e)
{
    monitor_lock(&e->door);
    engine_job *job = e->jobs;
    monitor_unlock(&e->door);
    if (job == NULL)
        return false;
    bool is_over = job->run(e, job);
    if (is_over)
        show(e); /* who waits for the job sees what it did */
    monitor_lock(&e->door);
    if (is_over) {
        e->jobs = job->next;
        job->is_over = true;
        monitor_wake(&e->door);
    }
    bool more = e->jobs != NULL;
    monitor_unlock(&e->door);
    return more;
}

static void show_adapter_room(hearth_engine *e, uint32_t rank, uint32_t n_out)
{
    uint32_t before = atomic_load(&e->adapter_rank), before_out = atomic_load(&e->adapter_n_out);
    rank = rank > before ? rank : before;
    n_out = n_out > before_out ? n_out : before_out;
    atomic_store(&e->adapter_rank, rank);
    atomic_store(&e->adapter_n_out, n_out);
    e->stats.adapter_bytes = forward_adapter_bytes(e->plan.memory.n_batch, rank, n_out);
}

/* Until the next deadline; below 0: none. */
static int64_t time_to_deadline(const hearth_engine *e)
{
    uint64_t first = 0, now = clock_now_ns();
    for (uint32_t i = 0; i < e->plan.n_parallel; i++) {
        uint64_t deadline = e->running[i] ? e->running[i]->deadline_ns : 0;
        if (deadline && (first == 0 || deadline < first))
            first = deadline;
    }
    for (const hearth_request *r = e->waiting.first; r; r = r->next)
        if (r->deadline_ns && (first == 0 || r->deadline_ns < first))
            first = r->deadline_ns;
    if (first == 0)
        return -1;
    return first > now ? (int64_t)(first - now) : 1000000; /* stalled: looked at now and then */
}

static void wait_for_wake(hearth_engine *e, uint64_t n_wakes)
{
    int64_t timeout = time_to_deadline(e);
    monitor_lock(&e->door);
    while (e->n_wakes == n_wakes && monitor_wait(&e->door, timeout))
        continue;
    monitor_unlock(&e->door);
}

static void cancel_all(hearth_engine *e)
{
    for (uint32_t i = 0; i < e->plan.n_parallel; i++)
        if (e->running[i])
            atomic_store(&e->running[i]->canceled, true);
    for (hearth_request *r = e->waiting.first; r; r = r->next)
        atomic_store(&r->canceled, true);
    end_those_over(e);
}

static void work(void *arg)
{
    hearth_engine *e = arg;
    uint64_t n_wakes;
    while (take_in(e, &n_wakes)) {
        engine_cache_take_written(e);
        bool more = do_jobs(e);
        end_those_over(e);
        scheduler_admit(e);
        scheduler_make_pass(e);
        show(e);
        if (e->pass.n > 0)
            engine_run_pass(e);
        else if (!more)
            wait_for_wake(e, n_wakes);
    }
    cancel_all(e);
}

/* ---- open and close ---- */

static hearth_status allocate_pass(pass *p, size_t n_batch, size_t n_parts, hearth_error *err)
{
    p->tokens = mem_alloc_array(n_batch, sizeof *p->tokens);
    p->positions = mem_alloc_array(n_batch, sizeof *p->positions);
    p->visible = mem_alloc_array(n_batch, sizeof *p->visible);
    p->sequences = mem_alloc_array(n_batch, sizeof *p->sequences);
    p->mixes = mem_alloc_array(n_batch, sizeof *p->mixes);
    p->parts = mem_alloc_array(n_parts, sizeof *p->parts);
    if (!p->tokens || !p->positions || !p->visible || !p->sequences || !p->mixes || !p->parts)
        return error_no_memory(err, "a pass", n_batch * 5 * sizeof *p->sequences);
    return HEARTH_OK;
}

static hearth_status allocate(hearth_engine *e, hearth_error *err)
{
    const hearth_engine_plan_result *plan = &e->plan;
    size_t n_parallel = plan->n_parallel, n_clients = n_parallel + e->options.n_queue;
    forward_options options = engine_forward_options(e->model, &e->options, plan);
    TRY(forward_open(&e->f, &options, err));
    show_adapter_room(e, options.adapter_rank, options.adapter_n_out);
    TRY(page_pool_init(&e->pool, forward_kv_layout(e->f), plan->n_pages, err));
    TRY(prefix_tree_init(&e->tree, &e->pool, model_cache_fingerprint(e->model, &options), err));
    TRY(allocate_pass(&e->pass, plan->memory.n_batch, n_parallel, err));
    e->running = mem_calloc(n_parallel, sizeof *e->running);
    e->readers = mem_calloc(n_parallel, sizeof *e->readers);
    e->slots = mem_calloc(n_parallel, sizeof *e->slots);
    e->clients = mem_calloc(n_clients, sizeof *e->clients);
    e->masked = mem_alloc_array(e->model->h.n_vocab, sizeof *e->masked);
    e->sequences = mem_calloc(n_parallel, sizeof *e->sequences);
    if (!e->running || !e->readers || !e->slots || !e->clients || !e->masked || !e->sequences)
        return error_no_memory(err, "an engine", n_clients * sizeof *e->clients);
    if (e->options.draft_model) {
        draft_model_options small = engine_draft_options(e->model, &e->options, plan);
        e->tasks = mem_calloc(n_parallel, sizeof *e->tasks);
        if (e->tasks == NULL)
            return error_no_memory(err, "an engine", n_parallel * sizeof *e->tasks);
        TRY(draft_model_open(&e->draft, &small, err));
    }
    for (size_t i = 0; i < n_parallel; i++)
        TRY(sequence_init(&e->sequences[i], kv_n_pages(plan->memory.n_ctx), err));
    return HEARTH_OK;
}

static void on_written(void *user)
{
    engine_wake(user);
}

static hearth_status open_store(hearth_engine *e, hearth_error *err)
{
    const hearth_engine_options *o = &e->options;
    if (o->disk_dir == NULL || o->no_prefix_cache)
        return HEARTH_OK;
    uint32_t n_queue = e->pool.n_pages / QUEUED_PART;
    size_t n_path = kv_n_pages(e->plan.memory.n_ctx) * KV_PAGE;
    e->path = mem_alloc_array(n_path, sizeof *e->path);
    if (e->path == NULL)
        return error_no_memory(err, "the disk tier", n_path * sizeof *e->path);
    page_store_options options = {.folder = o->disk_dir,
                                  .max_bytes = o->disk_bytes ? o->disk_bytes : default_disk_bytes,
                                  .fingerprint = e->tree.roots[0].key,
                                  .page_bytes = e->pool.page_bytes,
                                  .n_queue = n_queue < 1                  ? 1
                                             : n_queue > PAGE_STORE_QUEUE ? PAGE_STORE_QUEUE
                                                                          : n_queue,
                                  .log = o->log,
                                  .written = on_written,
                                  .user = e};
    return page_store_open(&e->store, &options, err);
}

static hearth_status refuse(const hearth_plan *m, hearth_error *err)
{
    FAIL(err, ENOFIT, "n_ctx",
         "an engine with a context of %u needs %.1f MiB in all and %.1f MiB are free; %s", m->n_ctx,
         (double)m->total_bytes / 1048576.0, (double)m->available_bytes / 1048576.0,
         m->n_ctx_max ? "lower n_ctx or cache_bytes"
                      : "close other programs or use a smaller quantization");
}

hearth_status hearth_engine_open(hearth_engine **out, const hearth_model *model,
                                 const hearth_engine_options *given, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    hearth_engine_options options;
    hearth_engine_plan_result plan;
    *out = NULL;
    hearth_engine_options_init(&options);
    TRY(options_take(&options, sizeof options, given, "hearth_engine_options", err));
    if (model->scope != HEARTH_SCOPE_ALL ||
        (options.draft_model && options.draft_model->scope != HEARTH_SCOPE_ALL))
        FAIL(err, EINVAL, "scope", "the model was opened without its weights; open it whole");
    TRY(engine_make_plan(model, &options, &plan, err));
    if (!plan.memory.fits && !options.ignore_memory_limit)
        return refuse(&plan.memory, err);
    hearth_engine *e = mem_calloc(1, sizeof *e);
    if (e == NULL)
        return error_no_memory(err, "an engine", sizeof *e);
    monitor_init(&e->door);
    e->model = model;
    e->options = options;
    e->plan = plan;
    e->n_fair = options.n_fair ? options.n_fair : DEFAULT_FAIR;
    TRY_OUT(allocate(e, err));
    TRY_OUT(open_store(e, err));
    show(e);
    TRY_OUT(thread_start(&e->thread, work, e, "the engine", err));
    *out = e;
    return HEARTH_OK;
out:
    hearth_engine_close(e);
    return status;
}

/* What nobody will take in any more. */
static void cancel_inbox(hearth_engine *e)
{
    hearth_error error;
    error_set(&error, HEARTH_ECANCELED, "engine", "canceled: the engine was closed");
    for (hearth_request *r = e->inbox.first, *next; r; r = next) {
        next = r->next;
        request_end(r, HEARTH_ECANCELED, &error);
        request_unref(r);
    }
}

void hearth_engine_close(hearth_engine *e)
{
    if (e == NULL)
        return;
    atomic_store(&e->closing, true);
    engine_interrupt(e);
    thread_join(&e->thread);
    cancel_inbox(e);
    engine_cache_store_rest(e);
    page_store_close(e->store);
    forward_close(e->f);
    draft_model_close(e->draft);
    for (uint32_t i = 0; e->sequences && i < e->plan.n_parallel; i++)
        sequence_deinit(&e->sequences[i]);
    prefix_tree_deinit(&e->tree);
    page_pool_deinit(&e->pool);
    mem_free(e->pass.tokens);
    mem_free(e->pass.positions);
    mem_free(e->pass.visible);
    mem_free(e->pass.sequences);
    mem_free(e->pass.mixes);
    mem_free(e->pass.parts);
    mem_free(e->path);
    mem_free(e->tasks);
    mem_free(e->running);
    mem_free(e->readers);
    mem_free(e->slots);
    mem_free(e->clients);
    mem_free(e->masked);
    mem_free(e->sequences);
    monitor_deinit(&e->door);
    mem_free(e);
}

const hearth_model *hearth_engine_model(const hearth_engine *e)
{
    return e->model;
}

const hearth_engine_plan_result *hearth_engine_get_plan(const hearth_engine *e)
{
    return &e->plan;
}

/* ---- requests ---- */

typedef struct room_job {
    engine_job base; /* the first member: one is the other */
    uint32_t rank, n_out;
    hearth_status status;
    hearth_error error;
} room_job;

static bool grow(hearth_engine *e, engine_job *base)
{
    room_job *job = (room_job *)base;
    job->status = forward_grow_adapters(e->f, job->rank, job->n_out, &job->error);
    if (job->status == HEARTH_OK) {
        show_adapter_room(e, job->rank, job->n_out);
    }
    return true;
}

hearth_status engine_make_room(hearth_engine *e, const adapter_mix *mix, hearth_error *err)
{
    room_job job = {0};
    size_t n_batch = e->plan.memory.n_batch;
    adapter_mix_measure(mix, &job.rank, &job.n_out);
    if (job.rank <= atomic_load(&e->adapter_rank) && job.n_out <= atomic_load(&e->adapter_n_out))
        return HEARTH_OK;
    TRY(adapters_check_room(n_batch, job.rank, job.n_out, e->options.ignore_memory_limit, err));
    engine_do(e, &job.base, grow);
    if (job.status != HEARTH_OK && err)
        *err = job.error;
    return job.status;
}

hearth_status hearth_engine_prepare_adapter(hearth_engine *e, const hearth_adapter *a,
                                            hearth_error *err)
{
    hearth_adapter *one = (hearth_adapter *)a; /* only measured */
    float scale = 1.0f;
    return engine_make_room(e, &(adapter_mix){&one, &scale, 1}, err);
}

/* A second reference goes to the engine. */
hearth_status engine_enqueue(hearth_engine *e, hearth_request *r, hearth_error *err)
{
    TRY(engine_make_room(e, &r->mix, err));
    monitor_lock(&e->door);
    /* A free place takes in one more than may wait. */
    uint32_t n_free = e->plan.n_parallel - e->shown.n_running, n_waiting = e->n_waiting;
    if (n_waiting >= e->options.n_queue + n_free) {
        e->shown.n_refused++;
        monitor_unlock(&e->door);
        FAIL(err, EBUSY, "queue",
             "%u requests are waiting already, which is the most; try again later or raise n_queue",
             n_waiting);
    }
    request_ref(r);
    r->engine = e;
    r->root_key = adapter_mix_fingerprint(&r->mix, e->tree.roots[0].key);
    r->id = ++e->next_id;
    if (e->inbox.last)
        e->inbox.last->next = r;
    else
        e->inbox.first = r;
    e->inbox.last = r;
    e->inbox.n++;
    e->n_waiting++;
    e->shown.n_requests++;
    if (n_free > 0)
        atomic_store(&e->interrupted, true);
    e->n_wakes++;
    monitor_wake(&e->door);
    monitor_unlock(&e->door);
    return HEARTH_OK;
}

hearth_status hearth_engine_submit(hearth_engine *e, const hearth_request_options *given,
                                   hearth_request **out, hearth_error *err)
{
    hearth_request_options options;
    hearth_request *r;
    *out = NULL;
    hearth_request_options_init(&options);
    TRY(options_take(&options, sizeof options, given, "hearth_request_options", err));
    TRY(request_new(&r, e->model, e->plan.memory.n_ctx, &options, err));
    r->caches &= !e->options.no_prefix_cache;
    hearth_status status = engine_enqueue(e, r, err);
    if (status != HEARTH_OK) {
        request_unref(r);
        return status;
    }
    *out = r;
    return HEARTH_OK;
}

/* ---- statistics ---- */

hearth_status hearth_engine_get_stats(const hearth_engine *engine, hearth_engine_stats *out,
                                      hearth_error *err)
{
    hearth_engine *e = (hearth_engine *)engine; /* its door is locked for the copy */
    size_t size = out->struct_size;
    if (size < sizeof size || size > 64 * 1024)
        FAIL(err, EINVAL, "hearth_engine_stats",
             "struct_size is %zu; set it to sizeof(hearth_engine_stats)", size);
    memset(out, 0, size);
    monitor_lock(&e->door);
    hearth_engine_stats shown = e->shown;
    shown.n_waiting = e->n_waiting;
    monitor_unlock(&e->door);
    memcpy(out, &shown, size < sizeof shown ? size : sizeof shown);
    out->struct_size = size;
    return HEARTH_OK;
}

hearth_status hearth_engine_get_slots(const hearth_engine *engine, hearth_engine_slot *slots,
                                      size_t *n, hearth_error *err)
{
    hearth_engine *e = (hearth_engine *)engine;
    if (slots == NULL && *n > 0)
        FAIL(err, EINVAL, "slots", "slots is NULL with room for %zu", *n);
    if (*n > e->plan.n_parallel)
        *n = e->plan.n_parallel;
    monitor_lock(&e->door);
    memcpy(slots, e->slots, *n * sizeof *slots);
    monitor_unlock(&e->door);
    return HEARTH_OK;
}
