/* SPDX-License-Identifier: MIT
 *
 * telemetry.c - how busy the machine and its engines are, every two seconds while somebody looks.
 *
 * A sample is made of what is known at that moment: /proc is read at once, engines' metrics and
 * nvidia-smi's answer are those that came since the last sample. The last 15 minutes are kept.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "os/sysmem.h"
#include "runtime/actor.h"
#include "runtime/metrics_text.h"
#include "runtime/proc_stat.h"

enum {
    KEPT_MS = 15 * 60 * 1000,
    SAMPLES_MOST = 1024,
    WATCHED_MS = 10000, /* after somebody asked */
    SCRAPED_MS = 75000, /* after somebody asked for metrics */
    METRICS_MS = 2000,
    METRICS_MAX = 1 << 20,
    NO_GPU_MS = 60000, /* before nvidia-smi is tried again where it told nothing */
};

typedef struct gpu_job {
    uv_work_t job;
    runtime *rt;
    gpu gpus[GPU_MOST];
    size_t n;
} gpu_job;

struct telemetry {
    uv_timer_t timer;
    runtime *rt;
    gpu_job gpus; /* one at a time */
    bool gpus_asked;
    uint64_t gpus_due_ms;
    proc_cpu cpu;
    double cpu_load;    /* since the sample before; below 0: there was none */
    uint64_t wanted_ms; /* until when */
    json_t *samples[SAMPLES_MOST];
    size_t first, n, most;
};

/* ---- what engines tell ---- */

static const struct {
    const char *name, *type, *help;
} dashboard[] = {
#define ENGINE_X(name, type, help) {name, type, help},
    ENGINE_METRICS_MAP(ENGINE_X)
#undef ENGINE_X
};

/* By this name older builds of llama-server told it; newer ones do not, ours counts pages. */
static const char cache_name[] = "llamacpp:kv_cache_usage_ratio";

static void on_metrics(void *user, long status, const char *body, size_t n)
{
    engine *e = user;
    engine_load *l = &e->load;
    double generated, prompt, used, pages;
    const uint64_t now = uv_now(&e->rt->loop);
    e->metrics = NULL;
    if (status != 200 || !metrics_find(body, n, "llamacpp:tokens_predicted_total", &generated) ||
        !metrics_find(body, n, "llamacpp:prompt_tokens_total", &prompt))
        return;
    const double seconds = (double)(now - l->at_ms) / 1000;
    l->generated_rate =
        l->known && seconds > 0 ? fmax(0, generated - l->generated_total) / seconds : 0;
    l->prompt_rate = l->known && seconds > 0 ? fmax(0, prompt - l->prompt_total) / seconds : 0;
    l->generated_total = generated;
    l->prompt_total = prompt;
    l->running = l->waiting = 0;
    metrics_find(body, n, "llamacpp:requests_processing", &l->running);
    metrics_find(body, n, "llamacpp:requests_deferred", &l->waiting);
    if (!metrics_find(body, n, cache_name, &l->cache))
        l->cache = metrics_find(body, n, "hearth:pages_used", &used) &&
                           metrics_find(body, n, "hearth:pages", &pages) && pages > 0
                       ? used / pages
                       : -1;
    for (size_t i = 0; i < ENGINE_N_METRICS; i++) {
        if (metrics_find(body, n, dashboard[i].name, &l->told[i]))
            continue;
        const bool is_cache = strcmp(dashboard[i].name, cache_name) == 0;
        l->told[i] = is_cache && l->cache >= 0 ? l->cache : NAN;
    }
    l->known = true;
    l->at_ms = now;
}

static void ask_engine(engine *e)
{
    char url[400];
    if (e->state != STATE_READY || e->metrics || e->kind->metrics_path == NULL)
        return;
    snprintf(url, sizeof url, "%s%s", e->url, e->kind->metrics_path);
    fetch_start(e->rt->fetcher, url, e->key, METRICS_MS, METRICS_MAX, on_metrics, e, &e->metrics,
                NULL);
}

/* ---- GPUs ---- */

static void ask_gpus(uv_work_t *job)
{
    gpu_job *g = job->data;
    g->n = gpu_ask_smi(g->rt->options.nvidia_smi, &g->rt->watch, g->gpus, GPU_MOST);
}

static void gpus_told(uv_work_t *job, int problem)
{
    gpu_job *g = job->data;
    runtime *rt = g->rt;
    (void)problem;
    rt->n_workers--;
    rt->telemetry->gpus_asked = false;
    rt->telemetry->gpus_due_ms = uv_now(&rt->loop) + (g->n == 0 ? NO_GPU_MS : 0);
    memcpy(rt->gpus, g->gpus, sizeof rt->gpus);
    rt->n_gpus = g->n;
}

static void begin_asking_gpus(telemetry *t)
{
    if (t->gpus_asked || uv_now(&t->rt->loop) < t->gpus_due_ms)
        return;
    t->gpus_asked = true;
    t->rt->n_workers++;
    uv_queue_work(&t->rt->loop, &t->gpus.job, ask_gpus, gpus_told);
}

static json_t *percent_json(int percent, double of)
{
    return percent < 0 ? json_null() : json_real(percent / of);
}

static json_t *gpus_json(const runtime *rt)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < rt->n_gpus; i++) {
        const gpu *g = &rt->gpus[i];
        json_array_append_new(list,
                              json_pack("{s:I, s:o, s:I, s:I, s:o}", "index", (json_int_t)g->index,
                                        "load", percent_json(g->load_percent, 100), "used",
                                        (json_int_t)(g->total_bytes - g->free_bytes), "total",
                                        (json_int_t)g->total_bytes, "temperature",
                                        percent_json(g->temperature, 1)));
    }
    return list;
}

/* ---- samples ---- */

static json_t *engine_json(engine *e)
{
    proc_usage usage;
    const engine_load *l = &e->load;
    const uint64_t now = uv_now(&e->rt->loop);
    const bool has_process = e->proc.pidfd != -1 && proc_usage_read(e->proc.pid, &usage);
    if (has_process) {
        e->cpu = e->cpu_at_ms > 0 && now > e->cpu_at_ms && usage.cpu_ms >= e->cpu_ms
                     ? (double)(usage.cpu_ms - e->cpu_ms) / (double)(now - e->cpu_at_ms)
                     : 0;
        e->cpu_ms = usage.cpu_ms;
        e->cpu_at_ms = now;
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "model", e->id, "state",
                     engine_state_name(e->state), "pid",
                     has_process ? json_integer(e->proc.pid) : json_null(), "cpu",
                     has_process ? json_real(e->cpu) : json_null(), "rss",
                     has_process ? json_integer((json_int_t)usage.resident_bytes) : json_null(),
                     "tokens_per_second", l->known ? json_real(l->generated_rate) : json_null(),
                     "prompt_tokens_per_second", l->known ? json_real(l->prompt_rate) : json_null(),
                     "running", l->known ? json_real(l->running) : json_null(), "waiting",
                     l->known ? json_real(l->waiting) : json_null(), "cache",
                     l->known && l->cache >= 0 ? json_real(l->cache) : json_null());
}

static json_t *cpu_json(telemetry *t)
{
    proc_cpu now;
    const bool is_known = proc_cpu_read(&now) && t->cpu.total > 0 && now.total > t->cpu.total &&
                          now.busy >= t->cpu.busy;
    t->cpu_load =
        is_known ? (double)(now.busy - t->cpu.busy) / (double)(now.total - t->cpu.total) : -1;
    t->cpu = now;
    return is_known ? json_real(t->cpu_load) : json_null();
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void keep(telemetry *t, json_t *sample)
{
    if (t->n == t->most) {
        json_decref(t->samples[t->first]);
        t->first = (t->first + 1) % t->most;
        t->n--;
    }
    t->samples[(t->first + t->n++) % t->most] = sample;
}

static void take_sample(telemetry *t)
{
    runtime *rt = t->rt;
    json_t *engines = json_array();
    for (engine *e = rt->engines; e && engines; e = e->next) {
        if (e->state != STATE_FAILED)
            json_array_append_new(engines, engine_json(e));
    }
    json_t *sample =
        json_pack("{s:I, s:o, s:{s:I, s:I}, s:o, s:o}", "at_ms", (json_int_t)wall_ms(), "cpu",
                  cpu_json(t), "memory", "total", (json_int_t)sysmem_total(), "available",
                  (json_int_t)sysmem_available(), "gpus", gpus_json(rt), "engines", engines);
    if (sample == NULL)
        return;
    events_send(rt->options.bus, EVENT_TELEMETRY, json_incref(sample));
    keep(t, sample);
}

static bool is_watched(const telemetry *t)
{
    return uv_now(&t->rt->loop) < t->wanted_ms ||
           events_wanted(t->rt->options.bus, EVENT_TELEMETRY);
}

static void look(telemetry *t)
{
    take_sample(t);
    for (engine *e = t->rt->engines; e; e = e->next)
        ask_engine(e);
    begin_asking_gpus(t);
}

static void on_timer(uv_timer_t *timer)
{
    telemetry *t = timer->data;
    if (is_watched(t) && !t->rt->ending)
        look(t);
    else
        t->cpu = (proc_cpu){0, 0};
}

/* ---- asked for ---- */

json_t *telemetry_since(runtime *rt, int64_t since_ms)
{
    telemetry *t = rt->telemetry;
    json_t *list = json_array();
    if (!is_watched(t) && !rt->ending) /* the first to ask is told of now, too */
        look(t);
    t->wanted_ms = uv_now(&rt->loop) + WATCHED_MS;
    for (size_t i = 0; i < t->n && list; i++) {
        json_t *sample = t->samples[(t->first + i) % t->most];
        if (json_integer_value(json_object_get(sample, "at_ms")) > since_ms)
            json_array_append(list, sample);
    }
    return json_pack("{s:I, s:o}", "step_ms", (json_int_t)rt->options.sample_ms, "samples", list);
}

static bool write_gauge(buf *out, const char *name, const char *help, double value)
{
    return metrics_head(out, name, "gauge", help) && metrics_value(out, name, NULL, value);
}

/* Memory under the names of Prometheus' node exporter. */
static bool write_machine(const runtime *rt, buf *out)
{
    const double load = rt->telemetry->cpu_load;
    return write_gauge(out, "node_memory_MemTotal_bytes", "Memory of the machine.",
                       (double)sysmem_total()) &&
           write_gauge(out, "node_memory_MemAvailable_bytes", "What of it could be had.",
                       (double)sysmem_available()) &&
           (load < 0 ||
            write_gauge(out, "hearth_cpu_ratio", "Part of all processors that is busy.", load));
}

/* Under the names of NVIDIA's DCGM exporter. */
static bool write_gpus(const runtime *rt, buf *out)
{
    static const struct {
        const char *name, *help;
    } rows[] = {{"DCGM_FI_DEV_GPU_UTIL", "Load of a GPU in percent."},
                {"DCGM_FI_DEV_FB_USED", "Its memory in use, in MiB."},
                {"DCGM_FI_DEV_FB_FREE", "Its free memory in MiB."},
                {"DCGM_FI_DEV_GPU_TEMP", "Its temperature in degrees Celsius."}};
    bool ok = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && rt->n_gpus > 0 && ok; i++) {
        ok = metrics_head(out, rows[i].name, "gauge", rows[i].help);
        for (size_t k = 0; k < rt->n_gpus && ok; k++) {
            const gpu *g = &rt->gpus[k];
            char index[16];
            const metrics_label labels[] = {
                {"gpu", index}, {"UUID", g->uuid}, {"modelName", g->name}};
            const double mib = 1 << 20;
            const double values[] = {g->load_percent,
                                     (double)(g->total_bytes - g->free_bytes) / mib,
                                     (double)g->free_bytes / mib, g->temperature};
            snprintf(index, sizeof index, "%u", g->index);
            ok = values[i] < 0 || metrics_sample(out, rows[i].name, labels, 3, values[i]);
        }
    }
    return ok;
}

/* Under the names of llama-server, with the model as a label. */
static bool write_dashboard(const runtime *rt, buf *out)
{
    bool ok = true;
    for (size_t i = 0; i < ENGINE_N_METRICS && ok; i++) {
        bool headed = false;
        for (const engine *e = rt->engines; e && ok; e = e->next) {
            if (e->state != STATE_READY || !e->load.known || isnan(e->load.told[i]))
                continue;
            ok = (headed ||
                  metrics_head(out, dashboard[i].name, dashboard[i].type, dashboard[i].help)) &&
                 metrics_value(out, dashboard[i].name, e->id, e->load.told[i]);
            headed = true;
        }
    }
    return ok;
}

/* A scraper comes back every minute or sooner: till then it counts as somebody who watches. */
static void keep_looking(telemetry *t)
{
    const uint64_t until = uv_now(&t->rt->loop) + SCRAPED_MS;
    if (!is_watched(t) && !t->rt->ending)
        look(t);
    t->wanted_ms = until > t->wanted_ms ? until : t->wanted_ms;
}

bool telemetry_metrics(runtime *rt, buf *out)
{
    keep_looking(rt->telemetry);
    budget_amount reserved;
    const double limit = (double)rt->limit.bytes[BUDGET_RAM]; /* known from the first plan on */
    bool ok = limit == 0 || (metrics_head(out, "hearth_memory_budget_bytes", "gauge",
                                          "What all engines together may have.") &&
                             metrics_value(out, "hearth_memory_budget_bytes", NULL, limit));
    admission_reserved(rt, false, &reserved);
    ok = ok &&
         metrics_head(out, "hearth_memory_reserved_bytes", "gauge", "What is promised to them.") &&
         metrics_value(out, "hearth_memory_reserved_bytes", NULL,
                       (double)reserved.bytes[BUDGET_RAM]);
    static const struct {
        const char *name, *help;
    } rows[] = {
        {"hearth_engine_ready", "Whether the model's engine answers."},
        {"hearth_engine_requests", "Requests that it has."},
        {"hearth_engine_waiting", "Requests that wait until it is loaded."},
        {"hearth_engine_reserved_bytes", "Memory promised to it."},
        {"hearth_engine_resident_bytes", "Memory it has, mapped weights among it."},
        {"hearth_engine_cpu_seconds", "Time it computed."},
        {"hearth_engine_crashes", "Crashes in a row."},
        {"hearth_engine_tokens_per_second", "Tokens written, as last told."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows && ok; i++) {
        ok = metrics_head(out, rows[i].name, "gauge", rows[i].help);
        for (const engine *e = rt->engines; e && ok; e = e->next) {
            proc_usage usage = {0};
            if (e->proc.pidfd != -1)
                proc_usage_read(e->proc.pid, &usage);
            const double values[] = {e->state == STATE_READY,
                                     e->n_in_flight,
                                     (double)report_n_waiting(e),
                                     e->has_plan ? (double)e->plan.need.bytes[BUDGET_RAM] : 0,
                                     (double)usage.resident_bytes,
                                     (double)usage.cpu_ms / 1000,
                                     e->crashes,
                                     e->load.generated_rate};
            ok = metrics_value(out, rows[i].name, e->id, values[i]);
        }
    }
    return ok && write_machine(rt, out) && write_gpus(rt, out) && write_dashboard(rt, out);
}

/* ---- beginning and end ---- */

hearth_status telemetry_start(runtime *rt, hearth_error *err)
{
    telemetry *t = mem_calloc(1, sizeof *t);
    if (t == NULL)
        return error_no_memory(err, "telemetry", sizeof *t);
    const uint32_t step = rt->options.sample_ms > 0 ? rt->options.sample_ms : 1;
    const uint32_t most = KEPT_MS / step;
    t->rt = t->gpus.rt = rt;
    t->cpu_load = -1;
    t->gpus.job.data = &t->gpus;
    t->most = most < 1 ? 1 : most < SAMPLES_MOST ? most : SAMPLES_MOST;
    uv_timer_init(&rt->loop, &t->timer);
    t->timer.data = t;
    uv_timer_start(&t->timer, on_timer, step, step);
    rt->telemetry = t;
    return HEARTH_OK;
}

void telemetry_close(runtime *rt)
{
    if (rt->telemetry)
        uv_close((uv_handle_t *)&rt->telemetry->timer, NULL);
}

void telemetry_free(runtime *rt)
{
    telemetry *t = rt->telemetry;
    for (size_t i = 0; t && i < t->n; i++)
        json_decref(t->samples[(t->first + i) % t->most]);
    mem_free(t);
}
