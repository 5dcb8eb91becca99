/* SPDX-License-Identifier: MIT
 *
 * report.c - engines and the machine as JSON (the fields are in runtime.h), and progress as events.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "library/describe.h"
#include "os/cpu.h"
#include "os/sysmem.h"
#include "runtime/actor.h"

enum { TELL_PERCENT = 1 };

static json_t *bytes_json(uint64_t bytes)
{
    return bytes > INT64_MAX ? json_null() : json_integer((json_int_t)bytes);
}

json_t *report_error(const hearth_error *err, const runtime_failure *failure)
{
    return json_pack("{s:s, s:o, s:o}", "code", runtime_failure_text(failure->code), "message",
                     describe_text(err->message), "log", describe_text(failure->log));
}

size_t report_n_waiting(const engine *e)
{
    size_t n = 0;
    for (const call *c = e->waiters; c; c = c->next)
        n++;
    return n;
}

static json_t *vram_json(const engine *e)
{
    json_t *list = json_array();
    for (size_t i = BUDGET_GPU; list && i < BUDGET_POOLS && e->plan.limit.bytes[i] > 0; i++)
        json_array_append_new(list, bytes_json(e->plan.need.bytes[i]));
    return list;
}

static long port_of(const char *url)
{
    const char *colon = strrchr(url, ':');
    return colon ? strtol(colon + 1, NULL, 10) : 0;
}

static void add_process(const engine *e, json_t *o)
{
    const bool local = e->proc.pidfd != -1;
    json_object_set_new(o, "pid", local ? json_integer(e->proc.pid) : json_null());
    json_object_set_new(o, "base_url", describe_text(e->url));
    json_object_set_new(o, "port",
                        local && e->url[0] ? json_integer(port_of(e->url)) : json_null());
    json_object_set_new(o, "started_at", e->started_at ? json_integer(e->started_at) : json_null());
    json_object_set_new(o, "last_used_at", e->used_at ? json_integer(e->used_at) : json_null());
}

json_t *report_engine(const engine *e)
{
    const bool planned = e->has_plan;
    json_t *o =
        json_pack("{s:s, s:s, s:o, s:I, s:o, s:o, s:o, s:b, s:I, s:I, s:f, s:I}", "model", e->id,
                  "state", engine_state_name(e->state), "kind",
                  planned ? json_string(engine_kind_name(e->plan.kind)) : json_null(), "generation",
                  (json_int_t)e->generation, "model_path", describe_text(e->spec.path),
                  "mmproj_path", describe_text(e->spec.mmproj), "expires_in_ms",
                  bytes_json(admission_expires_in(e)), "pinned", e->pinned, "n_in_flight",
                  (json_int_t)e->n_in_flight, "n_waiting", (json_int_t)report_n_waiting(e),
                  "progress", e->progress, "crashes", (json_int_t)e->crashes);
    if (o == NULL)
        return NULL;
    add_process(e, o);
    json_object_set_new(o, "plan", planned ? engine_plan_json(&e->plan) : json_null());
    json_object_set_new(o, "reserved_bytes",
                        planned ? bytes_json(e->plan.need.bytes[BUDGET_RAM]) : json_integer(0));
    json_object_set_new(o, "reserved_vram_bytes", planned ? vram_json(e) : json_array());
    json_object_set_new(
        o, "error", e->state == STATE_FAILED ? report_error(&e->error, &e->failure) : json_null());
    return o;
}

void report_progress(engine *e, const char *state)
{
    if (e->told_progress >= 0 && e->progress > 0 &&
        fabs(e->progress - e->told_progress) * 100 < TELL_PERCENT)
        return;
    e->told_progress = e->progress;
    events_send(e->rt->options.bus, EVENT_MODEL_PROGRESS,
                json_pack("{s:s, s:s, s:o}", "model", e->id, "state", state, "progress",
                          e->progress > 0 ? json_real(e->progress) : json_null()));
}

/* ---- the machine ---- */

static json_t *cpu_json(void)
{
    char name[128];
    const cpu_isa best = cpu_best_isa();
    json_t *isa = json_array();
    for (cpu_isa i = CPU_ISA_AVX2; isa && i <= CPU_ISA_NEON; i++) {
        /* Of one family the higher ones include the lower. */
        const bool has = best == CPU_ISA_NEON ? i == best : i <= best;
        if (has)
            json_array_append_new(isa, json_string(cpu_isa_name(i)));
    }
    cpu_name(name, sizeof name);
    return json_pack("{s:s, s:i, s:i, s:o}", "name", name, "cores", cpu_default_threads(),
                     "threads", cpu_usable(), "isa", isa);
}

static json_t *gpus_json(const gpu *gpus, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        const gpu *g = &gpus[i];
        json_array_append_new(
            list,
            json_pack("{s:I, s:s, s:o, s:o, s:I, s:I, s:I, s:o}", "index", (json_int_t)g->index,
                      "name", g->name, "uuid", describe_text(g->uuid), "driver",
                      describe_text(g->driver), "total", (json_int_t)g->total_bytes, "used",
                      (json_int_t)(g->total_bytes - g->free_bytes), "free",
                      (json_int_t)g->free_bytes, "load",
                      g->load_percent < 0 ? json_null() : json_real(g->load_percent / 100.0)));
    }
    return list;
}

json_t *report_machine(const gpu *gpus, size_t n_gpus, const budget_amount *limit,
                       const budget_amount *reserved)
{
    return json_pack("{s:o, s:{s:o, s:o, s:o, s:o}, s:o}", "cpu", cpu_json(), "memory", "total",
                     bytes_json(sysmem_total()), "available", bytes_json(sysmem_available()),
                     "budget", bytes_json(limit->bytes[BUDGET_RAM]), "reserved",
                     bytes_json(reserved->bytes[BUDGET_RAM]), "gpus", gpus_json(gpus, n_gpus));
}

json_t *report_backends(const char *data_folder, const gpu *gpus, size_t n_gpus)
{
    backend *all = NULL;
    size_t n = 0;
    json_t *list = json_array();
    if (backends_list(data_folder, gpus, n_gpus, &all, &n, NULL) != HEARTH_OK)
        n = 0;
    for (size_t i = 0; i < n && list; i++) {
        const backend *b = &all[i];
        json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:b, s:b, s:s}", "name",
                                              json_sprintf("%s/%s", b->version, b->type), "version",
                                              b->version, "type", b->type, "usable", b->usable,
                                              "for_gpu", b->for_gpu, "reason", b->reason));
    }
    mem_free(all);
    return list;
}
