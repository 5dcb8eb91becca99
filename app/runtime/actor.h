/* SPDX-License-Identifier: MIT
 *
 * actor.h - the inside of a runtime: what its thread owns, and how others reach it.
 *
 * One thread runs a libuv loop and alone touches engines, leases' counts and budgets. Others put a
 * call into the inbox and wait on the call's monitor. What could block (reading a model's header,
 * asking programs) is done on libuv's worker threads from copies.
 *
 * States of an engine (engine_states.c); Stopped ones are forgotten:
 *
 *                 acquire                  memory            answers /health
 *      Stopped ───────────> Planning ──────────────> Starting ──────────────> Ready
 *         ^                  │  ^  ^                   │  │                   │  │
 *         │          refused │  │  └───── retry ───────┘  │ nobody waits      │  │ idle, room,
 *         │                  v  │         (back-off)      │ for it            │  │ unload, settings
 *         │                Failed <─────────────────────  │ ───── crash ──────┘  v
 *         │                     acquire: Planning         │                   Draining
 *         │                                               v                      │ nobody in it,
 *         └─────────────────────────────────────────── Stopping <────────────────┘ or time is over
 *                     process is gone                  SIGTERM, then SIGKILL
 *
 * Whoever asks for an engine that is on its way out waits, and it starts again when it is gone.
 */
#ifndef HEARTH_RUNTIME_ACTOR_H
#define HEARTH_RUNTIME_ACTOR_H

#include <stdatomic.h>
#include <time.h>
#include <uv.h>

#include "os/thread.h"
#include "runtime/backends.h"
#include "runtime/fetch.h"
#include "runtime/kind.h"
#include "runtime/line_log.h"
#include "runtime/runtime.h"

/* ---- messages ---- */

typedef enum call_kind {
    CALL_ACQUIRE,   /* spec, keep_ms, background */
    CALL_UNLOAD,    /* id or NULL for all, force */
    CALL_PIN,       /* id, flag */
    CALL_LIST,      /* id or NULL */
    CALL_LOG,       /* id */
    CALL_WHY,       /* generation */
    CALL_ROOM,      /* what planning on another thread has to know */
    CALL_TELEMETRY, /* since_ms */
    CALL_METRICS,
    CALL_ABANDON, /* internal: `of` is given up by its caller */
    CALL_RELEASE, /* internal: of a lease */
    CALL_END,
} call_kind;

typedef struct call call;

typedef struct message {
    struct message *next;
    call_kind kind;
    call *of;
    runtime_lease *lease;
} message;

struct call {
    message first, abandon; /* the nodes it is sent with */
    call *next;             /* among those who wait */
    monitor m;
    int n_refs; /* under m */
    bool done, abandoned;

    model_spec spec; /* of those that are about an engine by its id, that alone */
    int64_t number;  /* keep_ms, since_ms */
    uint64_t generation;
    bool flag;       /* force, pinned */
    bool background; /* nobody waits */
    size_t n_left;   /* of unload: engines that have not ended yet */

    hearth_status status;
    hearth_error err;
    runtime_failure failure;
    runtime_lease *lease;
    json_t *json;
    char *text;
    struct prepare_room *room;
};

struct runtime_lease {
    message release;
    runtime *rt;
    runtime_endpoint endpoint;
    char *model, *base_url, *key, *name;
};

/* ---- engines ---- */

typedef enum engine_state {
    STATE_PLANNING,
    STATE_STARTING,
    STATE_READY,
    STATE_DRAINING,
    STATE_STOPPING,
    STATE_FAILED,
} engine_state;

/* What engines tell under names that dashboards of llama-server look for: X(name, type, help). */
#define ENGINE_METRICS_MAP(X)                                                                      \
    X("llamacpp:prompt_tokens_total", "counter", "Prompt tokens read.")                            \
    X("llamacpp:prompt_seconds_total", "counter", "Time spent on prompts.")                        \
    X("llamacpp:tokens_predicted_total", "counter", "Tokens written.")                             \
    X("llamacpp:tokens_predicted_seconds_total", "counter", "Time spent on writing.")              \
    X("llamacpp:n_decode_total", "counter", "Passes through the model.")                           \
    X("llamacpp:n_busy_slots_per_decode", "gauge", "Requests per pass, on average.")               \
    X("llamacpp:prompt_tokens_seconds", "gauge", "Prompt tokens read per second.")                 \
    X("llamacpp:predicted_tokens_seconds", "gauge", "Tokens written per second.")                  \
    X("llamacpp:kv_cache_usage_ratio", "gauge", "Share of the cache that is in use.")              \
    X("llamacpp:requests_processing", "gauge", "Requests that run.")                               \
    X("llamacpp:requests_deferred", "gauge", "Requests that wait.")

enum {
#define ENGINE_X(name, type, help) +1
    ENGINE_N_METRICS = 0 ENGINE_METRICS_MAP(ENGINE_X)
#undef ENGINE_X
};

/* What an engine's last request for its metrics told. */
typedef struct engine_load {
    bool known;
    uint64_t at_ms;
    double generated_total, prompt_total; /* tokens */
    double generated_rate, prompt_rate;   /* per second, since the one before */
    double running, waiting;
    double cache;                  /* 0 to 1; below 0: unknown */
    double told[ENGINE_N_METRICS]; /* as ENGINE_METRICS_MAP; NaN: not told */
} engine_load;

typedef struct engine {
    struct engine *next;
    runtime *rt;
    char *id;
    model_spec spec;
    const engine_kind *kind; /* once planned */
    engine_plan plan;
    bool has_plan;    /* waits for memory, or has it */
    bool is_planning; /* a worker thread reads spec and writes plan */
    bool unwanted;    /* to be forgotten when the worker is done */
    engine_state state;
    uint64_t generation;
    uint64_t order; /* of admission */

    process proc; /* pidfd -1: none */
    uv_poll_t out, err, end;
    uv_timer_t timer; /* of the state: deadlines, retries, looking at a start, watching */
    unsigned n_handles;
    bool exited;
    int exit_status;
    fetch *health, *metrics;
    unsigned n_unhealthy; /* answers in a row that did not come */
    uint64_t health_ms;   /* the next one is due */
    uint64_t alive_ms;    /* the last sign of life of a ready one, and what it had used by then */
    uint64_t alive_cpu_ms, alive_read_bytes;
    line_log log;
    char url[256];
    char key[65];

    call *waiters;
    uint32_t n_in_flight;
    bool background; /* wanted although nobody waits */
    bool pinned;
    int64_t keep_ms;

    uint64_t asked_ms, started_ms, progress_ms, ready_ms, used_ms; /* of the loop's clock */
    time_t started_at, used_at;
    double progress;      /* 0 to 1 */
    double told_progress; /* the last event's */
    unsigned crashes;     /* in a row */
    uint64_t failed_ms;
    const char *leaving; /* why */

    hearth_error error; /* why it failed */
    runtime_failure failure;
    engine_load load;
    uint64_t cpu_ms, cpu_at_ms; /* at the last sample */
    double cpu;                 /* cores, between the last two */
} engine;

/* How an engine of the past ended, for runtime_lease_why. */
typedef struct ended_engine {
    uint64_t generation;
    hearth_error error;
    runtime_failure failure;
} ended_engine;

enum { ENDED_MOST = 16, FAILED_MOST = 64, ENGINES_MOST = 256, LOG_LINES = 20 };

typedef struct telemetry telemetry;

struct runtime {
    runtime_options options; /* strings owned */
    char *data_folder, *engine_path, *nvidia_smi, *builtin_name;
    thread actor;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t clock; /* admission and expiry */
    uv_timer_t pulse; /* looks for engines that hang */
    uint64_t pulse_ms;
    fetcher *fetcher;
    telemetry *telemetry;
    monitor inbox_lock;
    message *inbox, **inbox_end;
    bool closed; /* under inbox_lock: nothing is taken any more */

    engine *engines;
    call *unloads, *whys;
    ended_engine ended[ENDED_MOST];
    size_t n_ended;
    uint64_t generations, orders;
    budget_amount limit; /* for all engines, as last found out */
    gpu gpus[GPU_MOST];
    size_t n_gpus;
    size_t n_workers; /* jobs on worker threads */
    bool ending, closing;
    atomic_bool is_ending; /* the same for other threads, a moment earlier */
    hearth_progress watch; /* of programs that are asked: false when the runtime ends */
};

/* ---- actor.c ---- */

uint64_t actor_now(const runtime *rt); /* ms, of the loop's clock */

call *call_new(call_kind kind);
void call_unref(call *c);
/* From any thread. False: the runtime has ended (nothing was taken). */
bool actor_post(runtime *rt, message *m);
/* Posts the call and waits for its answer as `wait` says; the status is the call's, or ECANCELED or
 * EBUSY if it was given up. */
hearth_status actor_ask(runtime *rt, call *c, const runtime_wait *wait, hearth_error *err);
/* On the actor: the answer. False: the caller has gone, and what it would own is still ours. */
bool call_answer(call *c, hearth_status status, const hearth_error *err,
                 const runtime_failure *failure);

/* ---- engine_list.c ---- */

engine *engines_find(const runtime *rt, const char *id);
size_t engines_count(const runtime *rt);
engine *engine_add(runtime *rt, const char *id); /* failed; NULL: out of memory */
void engine_forget(engine *e);                   /* has no process */
void engines_forget_failures(runtime *rt);       /* the oldest, if there are many */
void engine_add_waiter(engine *e, call *c);
void engine_answer_waiters(engine *e, hearth_status status, const hearth_error *err,
                           const runtime_failure *failure);
void engine_cancel_waiters(engine *e);
bool engine_is_wanted(const engine *e);
void engine_grant(engine *e, call *c); /* of a ready one */
void engines_release(runtime *rt, runtime_lease *lease);
void engines_lease_free(runtime_lease *lease);

/* ---- engine_calls.c ---- */

void engines_acquire(runtime *rt, call *c);
void engines_abandon(runtime *rt, call *c);
void engines_unload(runtime *rt, call *c);
void engines_answer_unloads(runtime *rt, const engine *e); /* it has ended */
void engines_pin(runtime *rt, call *c);
void engines_why(runtime *rt, call *c);
void engines_end(runtime *rt);

/* ---- engine_states.c ---- */

const char *engine_state_name(engine_state state);
/* From Failed or Stopped, after a pause. */
void engine_begin_again(engine *e, uint64_t delay_ms);
uint64_t engine_pause_after(const engine *e); /* its last crash */

/* What engine_process.c tells of. */
void engine_is_ready(engine *e);
void engine_has_ended(engine *e); /* process reaped, handles closed; exited, exit_status */
void engine_start_failed(engine *e, runtime_failure_code code, const hearth_error *err);
void engine_is_late(engine *e);                          /* a start without progress */
void engine_hangs(engine *e);                            /* a ready one without a sign of life */
void engine_is_unreachable(engine *e, long http_status); /* 0: no answer */

/* What admission.c decides. */
void engine_begin_start(engine *e);
void engine_begin_drain(engine *e, const char *why, uint32_t deadline_ms);
void engine_refuse(engine *e, runtime_failure_code code, const hearth_error *err);
/* prepare.c is done. */
void engine_is_planned(engine *e, hearth_status status, runtime_failure_code code,
                       const hearth_error *err);

/* ---- admission.c ---- */

/* Lets in who has room, makes room, unloads who is idle, and sets the clock for the next time.
 * Called after everything that changes who holds or wants memory. */
void admission_run(runtime *rt);
uint64_t admission_expires_in(const engine *e); /* ms; UINT64_MAX: not by itself */
void admission_reserved(const runtime *rt, bool pinned_only, budget_amount *out);

/* ---- prepare.c ---- */

/* Plans on a worker thread; engine_is_planned follows. */
void prepare_engine(engine *e);
/* What the workers look at beside the model: engines' processes and what is promised to them. */
typedef struct prepare_room {
    budget_amount pinned; /* held by those that do not leave */
    budget_amount held;
    int pids[ENGINES_MOST];
    size_t n_pids;
} prepare_room;
void prepare_room_look(const runtime *rt, const engine *without, prepare_room *out);
/* On any thread, as the next one: what engines may have, and the GPUs there are. */
size_t prepare_limits(const runtime *rt, const prepare_room *room, budget_amount *limit, gpu *gpus);
/* limit: for all engines. */
hearth_status prepare_plan(const runtime *rt, const model_spec *spec, const prepare_room *room,
                           engine_plan *plan, budget_amount *limit, gpu *gpus, size_t *n_gpus,
                           runtime_failure_code *code, hearth_error *err);

/* ---- engine_process.c ---- */

/* Starts the process, or begins to watch the remote; engine_is_ready or another of the four follows
 * later, engine_start_failed also at once. */
void engine_process_start(engine *e);
void engine_process_watch(engine *e); /* of a ready one */
void engine_process_ask_health(engine *e);
void engine_process_stop(engine *e); /* SIGTERM, after stop_ms SIGKILL */
void engine_process_kill(engine *e);
void engine_process_forget(engine *e); /* cancels what it is being asked */

/* ---- engine_watch.c ---- */

void engine_watch_start(runtime *rt);
void engine_is_alive(engine *e); /* it answered, or has just begun */

/* ---- report.c ---- */

json_t *report_engine(const engine *e);
size_t report_n_waiting(const engine *e); /* who waits until it is loaded */
json_t *report_machine(const gpu *gpus, size_t n_gpus, const budget_amount *limit,
                       const budget_amount *reserved);
/* [{name, version, type, usable, for_gpu, reason}], the best first; NULL: out of memory. */
json_t *report_backends(const char *data_folder, const gpu *gpus, size_t n_gpus);
json_t *report_error(const hearth_error *err, const runtime_failure *failure);
void report_progress(engine *e, const char *state); /* an event, if it is new */

/* ---- telemetry.c ---- */

hearth_status telemetry_start(runtime *rt, hearth_error *err);
void telemetry_close(runtime *rt); /* its handles; freed when the loop has ended */
void telemetry_free(runtime *rt);
json_t *telemetry_since(runtime *rt, int64_t since_ms);
bool telemetry_metrics(runtime *rt, buf *out);

#endif
