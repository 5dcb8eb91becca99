/* SPDX-License-Identifier: MIT
 *
 * runtime.h - the engines of this machine: planned, started, watched, measured, swapped, ended.
 *
 * What     A runtime owns the engine processes of `hearth serve`. Whoever wants to ask a model
 *          something takes a lease on its engine; the model is loaded if it is not, others leave if
 *          it needs their memory, and an engine that is leased does not go away by itself.
 *          Everything that changes is owned by one actor thread; the functions here send it
 *          messages and wait for the answer.
 * Names    A model is known by the id that the host's `resolve` gives it. Two names with one id
 *          share an engine, and two loads of one model are one.
 * Threads  Thread-safe, but for runtime_new and runtime_free. `resolve` and `wanted` must not call
 *          functions of this header.
 * Blocking runtime_acquire and runtime_load wait for a load; runtime_unload for an end; all others
 *          return within a moment.
 */
#ifndef HEARTH_RUNTIME_RUNTIME_H
#define HEARTH_RUNTIME_RUNTIME_H

#include <hearth/log.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/status.h"
#include "runtime/events.h"
#include "runtime/model_spec.h"

typedef struct runtime runtime;
typedef struct runtime_lease runtime_lease;

/* ---- the runtime ---- */

typedef struct runtime_options {
    /* Tells what `name` means: fills *out (model_spec_init was called; model_spec_deinit will be).
     * ENOTFOUND if there is no such model. Called on the threads that call functions with a name,
     * at every call: an engine whose spec has changed is replaced by a new one. */
    hearth_status (*resolve)(void *user, const char *name, model_spec *out, hearth_error *err);
    void *user;
    events *bus;             /* outlives the runtime; NULL: nobody is told */
    hearth_log log;          /* called from the actor and worker threads */
    const char *data_folder; /* backends/ lies there; NULL: no llama-server backends */
    const char *engine_path; /* the executable that `engine` is a command of; NULL: this one */
    const void *builtin;     /* the GGUF bytes of the built-in model, whose path is builtin_name */
    size_t n_builtin;
    const char *builtin_name;
    uint64_t memory_bytes; /* for all engines together; 0: what the machine has beside others */
    uint64_t vram_bytes;   /* the same per GPU */
    uint32_t idle_ms;      /* an engine nobody leased for so long is unloaded; 0: never */
    uint32_t start_ms;     /* without progress a start has failed */
    uint32_t stop_ms;      /* from SIGTERM to SIGKILL */
    uint32_t hang_ms;      /* a ready engine without a sign of life is killed; 0: never */
    uint32_t drain_ms;     /* that running requests have when a model is unloaded */
    uint32_t stay_ms; /* what was just loaded is not unloaded again to make room: four times as long
                         as its load took, at most this */
    uint32_t
        patience_ms;    /* a load that waits so long for memory closes busy engines to newcomers */
    uint32_t retry_ms;  /* before the first new start after a crash; doubles. */
    uint32_t retries;   /* of crashes in a row */
    uint32_t sample_ms; /* telemetry's step */
    const char *nvidia_smi; /* the program; NULL: nvidia-smi from PATH; "": none */
} runtime_options;

/* resolve NULL; idle 5 min, start 600 s, stop 10 s, hang 30 s, drain 30 s, stay 10 s, patience 30
 * s, retry 500 ms, 3 retries, sample 2 s. */
void runtime_options_init(runtime_options *options);

/* Strings of options are copied; builtin's bytes must outlive the runtime. */
hearth_status runtime_new(runtime **out, const runtime_options *options, hearth_error *err);
/* Refuses new work, ends all engines (as runtime_unload, within drain_ms and stop_ms) and the
 * actor. Leases must be released before or during this call; callers that wait get ECANCELED.
 * NULL is fine. */
void runtime_free(runtime *rt);
/* Lets callers that wait return (ECANCELED) and begins to end the engines, without waiting. */
void runtime_begin_end(runtime *rt);

/* ---- failures ---- */

/* X(name, text, hearth_status). The text is "code" in JSON. */
#define RUNTIME_FAILURE_MAP(X)                                                                     \
    X(NONE, "none", OK)                                                                            \
    X(NOT_FOUND, "model_not_found", ENOTFOUND)                                                     \
    X(NO_ENGINE, "no_engine_for_model", EUNSUPPORTED) /* no kind here can run it, or see */        \
    X(NO_FIT, "does_not_fit", ENOFIT)                                                              \
    X(BAD_MODEL, "bad_model", EFORMAT)                                                             \
    X(BAD_SETTINGS, "bad_settings", EINVAL)                                                        \
    X(START_FAILED, "engine_start_failed", EIO)                                                    \
    X(START_TIMEOUT, "engine_start_timeout", EIO)                                                  \
    X(CRASHED, "engine_crashed", EIO)                                                              \
    X(UNREACHABLE, "engine_unreachable", EIO) /* a remote one */                                   \
    X(DEADLINE, "deadline", EBUSY)                                                                 \
    X(CANCELED, "canceled", ECANCELED)                                                             \
    X(OTHER, "error", EINTERNAL)

typedef enum runtime_failure_code {
#define RUNTIME_X(name, text, status) RUNTIME_##name,
    RUNTIME_FAILURE_MAP(RUNTIME_X)
#undef RUNTIME_X
} runtime_failure_code;

/* What hearth_error cannot hold. Freed with runtime_failure_deinit; a zeroed one is empty. */
typedef struct runtime_failure {
    runtime_failure_code code;
    char *log; /* the engine's last lines of standard error, or NULL */
} runtime_failure;

const char *runtime_failure_text(runtime_failure_code code);
void runtime_failure_deinit(runtime_failure *failure);

/* ---- leases ---- */

typedef struct runtime_wait {
    uint32_t timeout_ms;        /* 0: as long as it takes */
    bool (*wanted)(void *user); /* asked some times a second on the caller's thread; false gives
                                   ECANCELED. NULL: always */
    void *user;
} runtime_wait;

enum { RUNTIME_KEEP_DEFAULT = -2, RUNTIME_KEEP_FOREVER = -1 };

/* What a lease is for; valid until its release, immutable. */
typedef struct runtime_endpoint {
    const char *model;    /* id */
    const char *base_url; /* "http://127.0.0.1:41234", without a slash at the end; of a remote one
                             with what stands before /v1 */
    const char *key;      /* goes into "Authorization: Bearer"; "": none */
    const char *name;     /* what the engine knows the model by: the "model" field of requests */
    engine_kind_id kind;
    uint64_t generation; /* of the engine process; another one after every start */
    uint32_t n_ctx;      /* positions of one request; 0: unknown (remote) */
    bool sees;           /* takes images */
} runtime_endpoint;

/* Loads the model if need be and leases its engine. keep_ms: how long it stays after its last
 * lease, from now on: RUNTIME_KEEP_DEFAULT leaves that as it is, 0 unloads at once. wait may be
 * NULL. *failure (may be NULL) is filled on errors, for runtime_failure_deinit. */
hearth_status runtime_acquire(runtime *rt, const char *name, int64_t keep_ms,
                              const runtime_wait *wait, runtime_lease **out,
                              runtime_failure *failure, hearth_error *err);
const runtime_endpoint *runtime_lease_endpoint(const runtime_lease *lease);
void runtime_release(runtime_lease *lease); /* NULL is fine */

/* Why a connection to a leased engine broke: waits up to wait_ms for the end of its process to be
 * seen. The error says what ended it, with its last lines in *failure; EIO and RUNTIME_OTHER if the
 * engine still runs, so that the connection alone broke. Never OK. The lease is still the caller's.
 */
hearth_status runtime_lease_why(const runtime_lease *lease, uint32_t wait_ms,
                                runtime_failure *failure, hearth_error *err);

/* ---- by hand ---- */

/* As acquire and release. With `background` it does not wait: failures are events then. */
hearth_status runtime_load(runtime *rt, const char *name, int64_t keep_ms, bool background,
                           const runtime_wait *wait, runtime_failure *failure, hearth_error *err);
/* Takes no new requests, lets running ones end (force: does not), ends the engine. id: a model's
 * id; NULL: all. ENOTFOUND if it is not loaded. wait NULL: begins it only. */
hearth_status runtime_unload(runtime *rt, const char *id, bool force, const runtime_wait *wait,
                             hearth_error *err);
/* Pinned engines never leave by themselves. ENOTFOUND if it is not loaded. */
hearth_status runtime_pin(runtime *rt, const char *id, bool pinned, hearth_error *err);

/* ---- what is there ---- */

/* The caller's; NULL: out of memory or ended. An array of
 *   {model, state, kind, generation, port, pid, base_url, model_path, mmproj_path, started_at,
 *    last_used_at (seconds since 1970), expires_in_ms (null: pinned, in use or never), pinned,
 *    n_in_flight, n_waiting, progress, plan, reserved_bytes, reserved_vram_bytes [per GPU],
 *    crashes, error (of FAILED)}
 * Keys are not told. */
json_t *runtime_list(runtime *rt);
/* One of them, or NULL. */
json_t *runtime_find(runtime *rt, const char *id);
/* The last lines of the engine's standard error and output, newest last, "" if there are none; the
 * caller's (mem_free). NULL: no such engine. */
char *runtime_log(runtime *rt, const char *id);

/* What a load of the model would take and why, without loading: as "plan" in runtime_list, and
 * for a plan that is red with "problem". *code (may be NULL) is what the load would fail with. Runs
 * on the caller's thread. */
hearth_status runtime_plan(runtime *rt, const char *name, json_t **out, runtime_failure_code *code,
                           hearth_error *err);
/* The same of a model that `resolve` does not know. */
hearth_status runtime_plan_spec(runtime *rt, const model_spec *spec, json_t **out,
                                runtime_failure_code *code, hearth_error *err);
/* {cpu {name, cores, threads, isa []}, memory {total, available, budget, reserved}, gpus [{index,
 * name, uuid, driver, total, used, free, load}], backends [{name, version, type, usable,
 * for_gpu, reason}]}; the best backend first. Asks nvidia-smi, on the caller's thread. */
json_t *runtime_machine(runtime *rt);

/* ---- telemetry ---- */

/* Samples are taken while somebody subscribes to EVENT_TELEMETRY or has asked here in the last 10
 * s; the first to ask gets one at once, whose loads of processors are null. The last 15 minutes:
 * {step_ms, samples [...]}, oldest first; since_ms: only those after that moment. One sample:
 *   {at_ms (since 1970), cpu (0 to 1), memory {total, available}, gpus [{index, load, used, total,
 *    temperature}], engines [{model, pid, cpu (cores), rss, tokens_per_second,
 *    prompt_tokens_per_second, running, waiting, cache (0 to 1, null: unknown)}]} */
json_t *runtime_telemetry(runtime *rt, int64_t since_ms);
/* Appends what a Prometheus scraper reads; false: out of memory. */
bool runtime_metrics(runtime *rt, buf *out);

#endif
