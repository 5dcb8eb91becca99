/* SPDX-License-Identifier: MIT
 *
 * binding.h - how the addon is built.
 *
 *   binding   one per environment (main thread or worker): its jobs, its contexts, its carrier
 *   context   a model with its engine and chat: what initialize gives and release takes
 *   job       one call of a function: parameters are read on the environment's thread, the work
 *             runs on a thread of its own, which posts events and at last the job itself; then the
 *             promise is settled and the thread joined
 *   carrier   brings what threads post to the environment's thread
 *
 * Two modules are made of these files: hearth.node (operations.c) and models.node (models/), which
 * has contexts of its own.
 *
 * Threads  What is not marked otherwise belongs to the environment's thread. A job's thread has the
 *          job's parameters and results until it posts the job.
 * Life     A job refs its context. A context is freed by its last reference, after it was closed by
 *          a release job: of release(), of the collector, or at the environment's end, which
 *          cancels all jobs and waits for their threads.
 */
#ifndef HEARTH_NODE_BINDING_H
#define HEARTH_NODE_BINDING_H

#include <pthread.h>
#include <stdatomic.h>

#include <hearth/hearth.h>

#include "node_api_part.h"
#include "params.h"

typedef struct binding binding;
typedef struct context context;
typedef struct job job;

/* ---- carrying ---- */

/* What a job's thread posts: an event or, with `event` NULL, the job's end, its last. */
typedef struct parcel {
    struct parcel *next;
    job *j;
    struct event *event;
} parcel;

typedef struct carrier_kind carrier_kind;

typedef struct carrier {
    const carrier_kind *kind;

    /* threadsafe */
    host_threadsafe host;
    napi_threadsafe_function function;

    /* timer */
    napi_ref set_timeout, look;
    bool is_set;
    unsigned wait_ms;
    pthread_mutex_t lock;
    parcel *first, **last; /* under lock */
} carrier;

/* Takes the way that the environment offers, and has binding_end called at its end. */
bool carrier_open(binding *b);
/* From a job's thread. False: not taken. */
bool carrier_post(binding *b, parcel *m);
/* A job begins: the environment stays alive until there are none. awaited: somebody waits. */
void carrier_hold(binding *b, bool awaited);
void carrier_let_go(binding *b); /* the last job has ended */
/* After jobs_stop: takes what nobody took. */
void carrier_end(binding *b);

struct binding {
    napi_env env;
    carrier carrier;
    job *jobs;
    context *contexts;
    uint32_t last_id;
    size_t n_jobs;
    size_t n_refs; /* one of the environment, one for each job */
};

/* ---- contexts ---- */

typedef struct context_adapter {
    int32_t id;
    float scale; /* in calls that say nothing of it */
    hearth_adapter *adapter;
} context_adapter;

struct context {
    binding *b; /* NULL once the environment has ended */
    context *next;
    size_t n_refs;
    bool released; /* no further job may begin */
    char *warning; /* or NULL */

    hearth_model *model; /* these three are NULL after closing */
    hearth_model *draft; /* or NULL */
    hearth_engine *engine;
    hearth_chat *chat;
    hearth_error chat_problem; /* why chat is NULL */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_running;          /* under lock: threads of jobs other than release; */
    bool closed;               /* under lock */
    context_adapter *adapters; /* under lock */
    size_t n_adapters;
    int32_t last_adapter; /* id; never given again */
    hearth_text *last;    /* under lock: of the newest answer that ended */
    void *models;         /* in place of the three above: the library of models/ */
};

hearth_status context_open(context **out, const params *p, const hearth_progress *progress,
                           hearth_error *err);
void context_close(context *c); /* waits for n_running to be 0; any thread, more than once */
void context_unref(context *c);
/* Keeps the text of a finished request for saveState. */
void context_keep(context *c, const hearth_request *request);
/* What initialize and plan share. */
hearth_status setup_model_options(const params *p, hearth_model_options *o, hearth_error *err);
hearth_status setup_engine_options(const params *p, const hearth_model *model,
                                   hearth_engine_options *o, hearth_error *err);

/* The context of a handle that was not released. NULL: an exception is pending. */
context *binding_context(binding *b, napi_value handle);
/* The first n arguments of a call, NULL where there is none. NULL: the call cannot be read. */
binding *binding_arguments(napi_env env, napi_callback_info info, size_t n, napi_value *values);
/* What a module has beside start, cancel and release: the module's own. */
void module_add(napi_env env, napi_value exports);
void module_add_function(napi_env env, napi_value exports, const char *name,
                         napi_callback callback);

/* ---- jobs ---- */

/* The work of a function: on the job's thread, without Node-API. */
typedef hearth_status (*job_work)(job *j, hearth_error *err);
/* Its result as a value: on the environment's thread. NULL: an exception is pending. */
typedef napi_value (*job_give)(napi_env env, job *j);

typedef struct operation {
    const char *name;
    unsigned bit; /* OF_name of params.h */
    bool needs_context;
    job_work work;
    job_give give;
} operation;

extern const operation operations[];
extern const size_t n_operations;

typedef struct usage {
    size_t n_prompt, n_cached, n_generated;
} usage;

struct job {
    binding *b;
    job *next, **link;
    uint32_t id;
    const operation *op;
    context *c; /* or NULL */
    params p;
    pthread_t thread;
    napi_deferred deferred; /* NULL: nobody waits */
    napi_ref on_event;      /* or NULL */
    napi_ref handle;        /* keeps the context from the collector; or NULL */
    bool has_event;         /* the same, for the job's thread */
    hearth_status status;
    hearth_error err;

    atomic_bool canceled;
    pthread_mutex_t lock;
    hearth_request *request; /* under lock, for cancel */
    hearth_answer *answer;
    hearth_session *session;

    /* Results; which depends on the function. */
    context *opened;
    void *data;
    void (*free_data)(void *data);
    char *answer_text; /* free */
    char *text;        /* hearth_free */
    size_t n_text;
    char *message; /* hearth_free */
    int32_t *tokens;
    size_t n_tokens;
    float *values;  /* free */
    size_t *widths; /* values of each text: embed; free */
    size_t n_values, n_items;
    size_t label; /* whose score ranks: rerank */
    hearth_text_counts counts;
    hearth_trim_counts trimmed;
    int32_t loaded; /* id of the adapter */
    hearth_engine_plan_result plan;
    hearth_finish_reason reason;
    bool timed_out, has_calls;
    char *stop_word;
    usage usage;
    double start_ms, end_ms, prompt_ms, generate_ms, queue_ms;
};

typedef struct job_arguments {
    napi_value handle;   /* of the context; or NULL */
    napi_value params;   /* undefined: none */
    napi_value on_event; /* NULL or undefined: nobody listens */
} job_arguments;

/* Starts a function; *promise is set. False: an exception is pending. */
bool job_start(binding *b, const operation *op, context *c, const job_arguments *a,
               napi_value *promise, uint32_t *id);
/* Closes a context that the collector found, or that is released. deferred may be NULL. */
bool job_start_release(binding *b, context *c, napi_deferred deferred);
void job_cancel(job *j);
/* Ends every job and waits for their threads. */
void jobs_stop(binding *b);
/* Takes what was posted. env is NULL at the environment's end. */
void job_receive(napi_env env, parcel *m);
void binding_unref(binding *b);
/* The environment's end. data: the binding. */
void binding_end(void *data);

/* On the job's thread: for progress callbacks. */
bool job_progress(void *user, uint64_t done, uint64_t total);

/* ---- events ---- */

/* Texts are copied by job_tell. */
typedef struct event {
    const char *type; /* of static life: "token", "reasoning", "toolCall", ... */
    const char *text; /* NULL: none */
    size_t n;
    int32_t token; /* -1: none */
    bool has_logprob;
    float logprob;
    const hearth_token_prob *top;
    size_t n_top;
    const char *id, *name; /* of a call */
    int64_t index;         /* of a call; -1: none */
    double done, total;    /* of progress; total 0: none */
} event;

/* From the job's thread; nothing if nobody listens. */
void job_tell(job *j, const event *e);

/* ---- values ---- */

napi_value value_error(napi_env env, const hearth_error *err);
napi_value value_text(napi_env env, const char *text, size_t n);
napi_value value_number(napi_env env, double number);
napi_value value_object(napi_env env);
void set_value(napi_env env, napi_value object, const char *name, napi_value value);
void set_number(napi_env env, napi_value object, const char *name, double number);
void set_text(napi_env env, napi_value object, const char *name, const char *text);
void set_bool(napi_env env, napi_value object, const char *name, bool value);
/* Takes away the exception that is pending, if one is. */
void exception_drop(napi_env env);
/* JSON.parse or JSON.stringify of the environment. NULL: it threw. */
napi_value value_json(napi_env env, const char *method, napi_value value);
/* A typed array over memory that it owns from now on: freed by `finalize` with the buffer, or at
 * once where the host allows no buffers of others and the bytes were copied. */
napi_value value_buffer(napi_env env, void *data, size_t n_bytes, napi_finalize finalize);
napi_value value_array(napi_env env, napi_typedarray_type type, napi_value buffer, size_t offset,
                       size_t n);

/* ---- functions, in op_*.c ---- */

hearth_status work_initialize(job *j, hearth_error *err);
hearth_status work_plan(job *j, hearth_error *err);
hearth_status work_generate(job *j, hearth_error *err);
hearth_status work_chat(job *j, hearth_error *err);
hearth_status work_tokenize(job *j, hearth_error *err);
hearth_status work_detokenize(job *j, hearth_error *err);
hearth_status work_embed(job *j, hearth_error *err);
hearth_status work_rerank(job *j, hearth_error *err);
hearth_status work_logits(job *j, hearth_error *err);
hearth_status work_save(job *j, hearth_error *err);
hearth_status work_load(job *j, hearth_error *err);
hearth_status work_trim(job *j, hearth_error *err);
hearth_status work_adapters(job *j, hearth_error *err);
hearth_status work_load_adapter(job *j, hearth_error *err);
hearth_status work_remove_adapter(job *j, hearth_error *err);
hearth_status work_release(job *j, hearth_error *err);
napi_value give_context(napi_env env, job *j);
napi_value give_plan(napi_env env, job *j);
napi_value give_answer(napi_env env, job *j);
napi_value give_tokens(napi_env env, job *j);
napi_value give_text(napi_env env, job *j);
napi_value give_embeddings(napi_env env, job *j);
napi_value give_ranking(napi_env env, job *j);
napi_value give_logits(napi_env env, job *j);
napi_value give_counts(napi_env env, job *j);
napi_value give_trimmed(napi_env env, job *j);
napi_value give_adapter(napi_env env, job *j);
napi_value give_nothing(napi_env env, job *j);
napi_value plan_value(napi_env env, const hearth_engine_plan_result *plan);
/* Synchronous, for they only read: see binding.c. */
napi_value context_info(napi_env env, context *c);
napi_value context_stats(napi_env env, context *c);
napi_value context_adapters(napi_env env, context *c);

/* Those that initialize opened become the context's; and all of them go. */
hearth_status context_take_adapters(context *c, const param_value *scales, hearth_error *err);
void context_close_adapters(context *c);

/* What a job uses: by its adapterScales, or as it is set for all. */
typedef struct adapter_uses {
    hearth_adapter_use *uses;
    size_t n;
} adapter_uses;
hearth_status job_take_adapters(const job *j, adapter_uses *out, hearth_error *err);
void adapter_uses_leave(adapter_uses *u);

/* The prompt of generate, logits and saveState: its `tokens` or `input`. The job's. */
hearth_status job_prompt(job *j, const int32_t **tokens, size_t *n, hearth_error *err);
/* Conversation of messages, tools and templateVariables; free. NULL: out of memory. */
char *job_conversation(const job *j);

hearth_status fail(hearth_error *err, hearth_status status, const char *where, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

#endif
