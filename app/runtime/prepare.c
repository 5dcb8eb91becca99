/* SPDX-License-Identifier: MIT
 *
 * prepare.c - planning a load: which kind of engine, with what of the machine. Reads files and asks
 * programs, so it runs on worker threads, from copies of what the actor knows.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/sysmem.h"
#include "runtime/actor.h"
#include "runtime/planner.h"
#include "runtime/proc_stat.h"

/* ---- the machine ---- */

void prepare_room_look(const runtime *rt, const engine *without, prepare_room *out)
{
    *out = (prepare_room){.n_pids = 0};
    for (const engine *e = rt->engines; e; e = e->next) {
        const bool holds = e->proc.pidfd != -1;
        if (e == without || !holds)
            continue;
        budget_add(&out->held, &e->plan.need);
        if (e->pinned)
            budget_add(&out->pinned, &e->plan.need);
        if (out->n_pids < ENGINES_MOST)
            out->pids[out->n_pids++] = e->proc.pid;
    }
}

static uint64_t ram_limit(const runtime *rt, const prepare_room *room)
{
    uint64_t own = 0;
    for (size_t i = 0; i < room->n_pids; i++) {
        proc_usage usage;
        if (proc_usage_read(room->pids[i], &usage))
            own += usage.anonymous_bytes;
    }
    return budget_limit(sysmem_total(), sysmem_available(), own, rt->options.memory_bytes);
}

static void gpu_limits(const runtime *rt, const prepare_room *room, const gpu *gpus, size_t n,
                       budget_amount *limit)
{
    for (size_t i = 0; i < n && i < BUDGET_GPUS; i++)
        limit->bytes[BUDGET_GPU + i] =
            budget_limit(gpus[i].total_bytes, gpus[i].free_bytes, room->held.bytes[BUDGET_GPU + i],
                         rt->options.vram_bytes);
}

size_t prepare_limits(const runtime *rt, const prepare_room *room, budget_amount *limit, gpu *gpus)
{
    *limit = (budget_amount){{0}};
    limit->bytes[BUDGET_RAM] = ram_limit(rt, room);
    const size_t n = gpu_ask_smi(rt->options.nvidia_smi, &rt->watch, gpus, GPU_MOST);
    gpu_limits(rt, room, gpus, n, limit);
    return n;
}

static void take_away(budget_amount *from, const budget_amount *what)
{
    for (size_t i = 0; i < BUDGET_POOLS; i++)
        from->bytes[i] -= what->bytes[i] < from->bytes[i] ? what->bytes[i] : from->bytes[i];
}

/* ---- which kind ---- */

typedef struct job {
    const runtime *rt;
    const model_spec *spec;
    const prepare_room *room;
    engine_plan *plan;
    budget_amount *limit;
    gpu *gpus;
    size_t *n_gpus;
    runtime_failure_code *code;
    hearth_error *err;
} job;

static hearth_status plan_remote(job *j)
{
    engine_plan *p = j->plan;
    char url[256];
    *j->code = RUNTIME_BAD_SETTINGS;
    TRY(engine_remote_url(j->spec->url ? j->spec->url : "", url, sizeof url, j->err));
    p->kind = ENGINE_REMOTE;
    p->mode = PLAN_ELSEWHERE;
    p->sees = true;
    plan_because(p, "kind", "it runs elsewhere, at %.120s", url);
    return HEARTH_OK;
}

static bool is_builtin(const job *j)
{
    const char *name = j->rt->options.builtin_name;
    return name && j->spec->path && strcmp(j->spec->path, name) == 0;
}

static hearth_status open_source(job *j, planner_file **out)
{
    const runtime_options *o = &j->rt->options;
    *j->code = RUNTIME_BAD_MODEL;
    if (is_builtin(j))
        return planner_file_open(out, NULL, o->builtin, o->n_builtin, j->err);
    hearth_status status = planner_file_open(out, j->spec->path, NULL, 0, j->err);
    if (status == HEARTH_ENOTFOUND)
        *j->code = RUNTIME_NOT_FOUND;
    return status;
}

static hearth_status plan_with(job *j, const planner_source *source, engine_kind_id kind,
                               size_t n_gpus)
{
    engine_plan *p = j->plan;
    p->kind = kind;
    p->sees = engine_kind_find(kind)->sees && j->spec->mmproj != NULL;
    p->limit = *j->limit;
    take_away(&p->limit, &j->room->pinned);
    hearth_status status = planner_choose(source, j->spec->id, j->spec, n_gpus, p, j->err);
    *j->code = status == HEARTH_ENOFIT         ? RUNTIME_NO_FIT
               : status == HEARTH_EUNSUPPORTED ? RUNTIME_NO_ENGINE
               : status == HEARTH_EINVAL       ? RUNTIME_BAD_SETTINGS
                                               : RUNTIME_BAD_MODEL;
    return status;
}

/* why: what is the matter with backends, "" if nothing is. */
static hearth_status plan_builtin(job *j, const planner_source *source, const char *why)
{
    *j->code = RUNTIME_NO_ENGINE;
    if (j->spec->mmproj)
        FAIL(j->err, EUNSUPPORTED, j->spec->id,
             "'%.120s' has a projector for images, and the built-in engine cannot see%s%.200s; "
             "install a llama-server backend, or use the model without its projector",
             j->spec->id, *why ? ": " : "", why);
    snprintf(j->plan->program, sizeof j->plan->program, "%s", j->rt->options.engine_path);
    return plan_with(j, source, ENGINE_BUILTIN, 0);
}

/* The devices that the backend itself reports are those that count. */
static hearth_status plan_llama(job *j, const planner_source *source, const backend *b)
{
    engine_plan *p = j->plan;
    gpu devices[GPU_MOST];
    size_t n = 0;
    *j->code = RUNTIME_NO_ENGINE;
    if (b->for_gpu)
        TRY(gpu_ask_devices(b->program, &j->rt->watch, devices, GPU_MOST, &n, j->err));
    gpu_limits(j->rt, j->room, devices, n, j->limit);
    snprintf(p->program, sizeof p->program, "%s", b->program);
    if (b->version[0])
        snprintf(p->backend, sizeof p->backend, "%.31s/%.31s", b->version, b->type);
    p->backend_build = b->build;
    plan_because(p, "kind", "llama-server %.40s: %.120s", p->backend[0] ? p->backend : b->program,
                 b->reason);
    return plan_with(j, source, ENGINE_LLAMA_SERVER, n);
}

static void start_over(job *j)
{
    *j->plan = (engine_plan){.mode = PLAN_UNSUPPORTED};
}

static bool wants_gpu(const model_spec *spec)
{
    return spec->n_gpu_layers != 0;
}

/* A backend if the model needs or profits from it, else our own engine; each with its reason. */
static hearth_status plan_auto(job *j, const planner_source *source)
{
    const model_spec *spec = j->spec;
    backend b;
    hearth_error none = {0};
    const bool has_backend =
        !is_builtin(j) && backends_choose(j->rt->options.data_folder, spec->backend, j->gpus,
                                          *j->n_gpus, &b, &none) == HEARTH_OK;
    if (has_backend && (spec->mmproj || spec->backend || (b.for_gpu && wants_gpu(spec)))) {
        hearth_status status = plan_llama(j, source, &b);
        if (spec->mmproj || spec->backend || (status == HEARTH_OK && j->plan->mode != PLAN_CPU))
            return status;
        start_over(j);
        plan_because(j->plan, "kind", "not %.32s/%.48s: %.100s", b.version, b.type,
                     status == HEARTH_OK ? "it would run on the processor" : j->err->message);
    }
    hearth_status status = plan_builtin(j, source, none.message);
    if (status == HEARTH_EUNSUPPORTED && has_backend && !spec->mmproj) {
        start_over(j);
        return plan_llama(j, source, &b);
    }
    if (status == HEARTH_OK)
        plan_because(j->plan, "kind", "the built-in engine%s%.200s",
                     is_builtin(j) ? ": the model is in this program"
                     : has_backend ? ""
                                   : ": ",
                     none.message);
    return status;
}

static hearth_status plan_local(job *j, const planner_source *source)
{
    backend b;
    switch (j->spec->kind) {
    case ENGINE_BUILTIN:
        TRY(plan_builtin(j, source, ""));
        plan_because(j->plan, "kind", "the built-in engine, as asked for");
        return HEARTH_OK;
    case ENGINE_LLAMA_SERVER:
        *j->code = RUNTIME_NO_ENGINE;
        TRY(backends_choose(j->rt->options.data_folder, j->spec->backend, j->gpus, *j->n_gpus, &b,
                            j->err));
        return plan_llama(j, source, &b);
    default:
        return plan_auto(j, source);
    }
}

hearth_status prepare_plan(const runtime *rt, const model_spec *spec, const prepare_room *room,
                           engine_plan *plan, budget_amount *limit, gpu *gpus, size_t *n_gpus,
                           runtime_failure_code *code, hearth_error *err)
{
    hearth_error own = {0};
    job j = {rt, spec, room, plan, limit, gpus, n_gpus, code, err ? err : &own};
    planner_file *file = NULL;
    hearth_status status = HEARTH_OK;
    start_over(&j);
    *n_gpus = prepare_limits(rt, room, limit, gpus);
    if (spec->kind == ENGINE_REMOTE || (spec->kind == ENGINE_AUTO && spec->url))
        return plan_remote(&j);
    *code = RUNTIME_BAD_SETTINGS;
    TRY(engine_check_extra(spec, err));
    if (spec->path == NULL) {
        FAIL(err, EINVAL, spec->id, "'%.120s' has neither a file nor an address", spec->id);
    }
    TRY_OUT(open_source(&j, &file));
    TRY_OUT(planner_file_add_projector(file, spec->mmproj, err));
    TRY_OUT(plan_local(&j, planner_file_source(file)));
out:
    planner_file_close(file);
    return status;
}

/* ---- as a job of the actor ---- */

typedef struct work {
    uv_work_t request;
    engine *e;
    prepare_room room;
    engine_plan plan;
    budget_amount limit;
    gpu gpus[GPU_MOST];
    size_t n_gpus;
    hearth_status status;
    runtime_failure_code code;
    hearth_error err;
} work;

static void do_work(uv_work_t *request)
{
    work *w = request->data;
    /* The engine's spec does not change while it is planned. */
    w->status = prepare_plan(w->e->rt, &w->e->spec, &w->room, &w->plan, &w->limit, w->gpus,
                             &w->n_gpus, &w->code, &w->err);
}

static void after_work(uv_work_t *request, int problem)
{
    work *w = request->data;
    engine *e = w->e;
    runtime *rt = e->rt;
    (void)problem;
    rt->n_workers--;
    for (size_t i = 0; i < BUDGET_POOLS; i++) { /* GPUs that only another program can see stay */
        if (w->limit.bytes[i] > 0)
            rt->limit.bytes[i] = w->limit.bytes[i];
    }
    memcpy(rt->gpus, w->gpus, sizeof rt->gpus);
    rt->n_gpus = w->n_gpus;
    e->is_planning = false;
    e->plan = w->plan;
    engine_is_planned(e, w->status, w->code, &w->err);
    mem_free(w);
}

void prepare_engine(engine *e)
{
    runtime *rt = e->rt;
    work *w = mem_calloc(1, sizeof *w);
    if (w == NULL) {
        hearth_error err;
        error_no_memory(&err, "a plan", sizeof *w);
        engine_refuse(e, RUNTIME_OTHER, &err);
        return;
    }
    w->request.data = w;
    w->e = e;
    e->is_planning = true;
    prepare_room_look(rt, e, &w->room);
    rt->n_workers++;
    uv_queue_work(&rt->loop, &w->request, do_work, after_work);
}
