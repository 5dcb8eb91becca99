/* SPDX-License-Identifier: MIT
 *
 * state.h - inside the worker: what its handlers share.
 *
 * Everything but the metrics is written before `ready` is set and not changed while requests run.
 */
#ifndef HEARTH_WORKER_STATE_H
#define HEARTH_WORKER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <hearth/engine.h>

#include "http/server.h"
#include "protocol/response.h"
#include "worker/chat.h"
#include "worker/metrics.h"
#include "worker/pressure_watch.h"
#include "worker/worker.h"

/* Control tokens of models that fill in text: see infill.h. -1 where the model has none. */
typedef struct infill_tokens {
    int32_t prefix, suffix, middle, repository, file;
} infill_tokens;

/* An adapter that requests may name. */
typedef struct adapter_entry {
    int32_t id;
    char *path;
    float scale; /* in requests that name none */
    hearth_adapter *adapter;
} adapter_entry;

typedef struct adapter_table {
    adapter_entry *items; /* by id, ascending; MOST_ADAPTERS */
    size_t n;
    int32_t next_id; /* never given again */
} adapter_table;

enum { MOST_ADAPTERS = 256 };

typedef struct worker {
    const worker_flags *flags;
    const worker_host *host;
    http_server *server;
    hearth_model *model;
    hearth_model *draft_model; /* or NULL */
    hearth_engine *engine;
    pressure_watch pressure;
    const hearth_model_info *info;
    hearth_special_tokens special;
    chat_setup chat;
    infill_tokens infill;
    request_options defaults; /* of requests: flags and what the model's file recommends */
    request_limits limits;
    request_bias *biases;   /* of defaults */
    char samplers[128];     /* what --sampler-seq means */
    char *grammar, *schema; /* texts of --grammar-file, --json-schema-file */
    json_t *schema_json;
    const char **aliases; /* the first is `name`; one allocation */
    size_t n_aliases;
    const char **tags; /* one allocation */
    size_t n_tags;
    const char *name;         /* as clients know the model */
    const char *model_path;   /* as it was given */
    const char *model_format; /* of most weights */
    char fingerprint[32];
    int64_t created_s;
    metrics metrics;
    adapter_table adapters;
    hearth_text **texts;  /* [n_parallel], see slots.h; NULL: none yet */
    pthread_mutex_t lock; /* of answers, adapters, texts and large_busy */
    pthread_cond_t large; /* large_busy was cleared */
    bool large_busy;      /* a large request is being turned into tokens */
    struct answer *answers;
    atomic_uint loaded; /* of the model, of LOADED_ALL */
    atomic_bool ready;
} worker;

enum { LOADED_ALL = 1000 };

/* One request on its way through a handler. */
typedef struct worker_call {
    worker *w;
    const http_request *q;
    request *r; /* NULL where the route takes no body; a handler that keeps it sets it to NULL */
    http_reply *reply;
    bool is_large;         /* holds worker->large_busy */
    failure_detail detail; /* told with a failure */
} worker_call;

/* Tokenizing a body takes a few tens of bytes for each of its bytes. So that several large ones do
 * not take all memory, they go one after the other; a handler that is done with the text calls this
 * and lets the next one in before it waits for the engine. */
void worker_done_reading(worker_call *c);

/* A handler of one route: fills reply->body, or makes a stream of it. A failure becomes an error
 * in the envelope of the request's API. */
typedef hearth_status worker_handler(worker_call *c, hearth_error *err);

typedef struct worker_route {
    unsigned methods;
    const char *path;
    protocol_api api;
    worker_handler *handler;
    unsigned flags;
    bool no_body; /* the request is not parsed: r is NULL */
} worker_route;

extern const worker_route worker_routes[];
extern const size_t worker_n_routes;

/* The API whose clients ask for path; API_OTHER for one that is not known. */
protocol_api worker_api_of(const char *path);

/* The one http_handler: reads the body, runs the route's handler, writes its failure. */
void worker_handle(void *app, const http_request *q, http_reply *reply);
void worker_refuse(void *app, const char *path, int status, const char *message, http_reply *reply);

/* The failure of a request that the server's end cuts off. */
hearth_status worker_fail_ending(failure_detail *detail, hearth_error *err);

/* info for a new reply; id needs 33 bytes. */
reply_info worker_reply_info(const worker *w, char id[33]);

/* ---- handlers ---- */

worker_handler worker_health, worker_models, worker_model, worker_props, worker_set_props,
    worker_slots, worker_slot_action, worker_loras, worker_set_loras, worker_load_lora,
    worker_unload_lora, worker_metrics;
worker_handler worker_tokenize, worker_detokenize;
worker_handler worker_complete, worker_chat, worker_template, worker_count, worker_control,
    worker_embed, worker_rerank;

#endif
