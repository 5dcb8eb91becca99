/* SPDX-License-Identifier: MIT
 *
 * state.h - inside the gateway: what its handlers share, and what a handler is.
 *
 * Everything but what stands below `lock` is written before the server starts.
 * Lock order: lock, then those of the parts, which are never called with it held.
 */
#ifndef HEARTH_GATEWAY_STATE_H
#define HEARTH_GATEWAY_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <jansson.h>

#include "gateway/access.h"
#include "gateway/gateway.h"
#include "http/server.h"
#include "library/library.h"
#include "protocol/response.h"
#include "runtime/runtime.h"
#include "store/store.h"

typedef struct downloads downloads; /* downloads.h */
typedef struct embedder embedder;   /* embedder.h */
typedef struct answers answers;     /* answers.h */
typedef struct tools tools;         /* tools.h */

typedef struct gateway {
    const config *config;
    const gateway_host *host;
    http_server *server;
    events *bus;
    library *library;
    runtime *runtime;
    store *store;
    access_keys access;
    const char *data_folder;
    char id[20]; /* of this run: by it a request is known that comes back (via.h) */
    downloads *downloads;
    answers *answers;
    tools *tools;
    embedder *embedder; /* NULL: none */
    atomic_bool ready;
    atomic_bool ending; /* whoever waits for a load waits in vain */
    pthread_mutex_t lock;
    char last_model[LIBRARY_NAME_MAX + 1]; /* "" if none was used yet */
} gateway;

/* Whose envelope errors of a route have. */
typedef enum dialect { DIALECT_HEARTH, DIALECT_OLLAMA, DIALECT_ENGINE } dialect;

typedef struct gateway_call gateway_call;

/* A handler of one route: fills the reply, or makes a stream of it. A failure becomes an error in
 * the dialect's envelope. */
typedef hearth_status gateway_handler(gateway_call *c, hearth_error *err);

typedef struct gateway_route {
    unsigned methods;
    const char *path;
    access_scope scope;
    dialect dialect;
    protocol_api api; /* of DIALECT_ENGINE */
    gateway_handler *handler;
    const char *summary;
} gateway_route;

struct gateway_call {
    gateway *g;
    const http_request *q;
    http_reply *reply;
    const gateway_route *route;
    json_t *body; /* after call_read_body: an object */
    runtime_failure failure;
    failure_detail detail;
};

extern const gateway_route gateway_routes[];
extern const size_t gateway_n_routes;

/* The handler of all rows, and the callbacks of the server. */
void gateway_handle(void *app, const http_request *q, http_reply *out);
int gateway_admit(void *app, const http_request *q, char *message, size_t n_message);
void gateway_refuse(void *app, const char *path, int status, const char *message, http_reply *out);

/* The error in the dialect's envelope; returns the HTTP status. */
int gateway_write_failure(const gateway_route *route, const hearth_error *error,
                          const runtime_failure *failure, const failure_detail *detail, buf *out);
/* {code, message, log} as events and streams tell it; NULL: out of memory. */
json_t *gateway_failure_json(const hearth_error *error, const runtime_failure *failure);

/* ---- names of models ---- */

/* What a request means that names `name` (NULL or "": none): the model's id, into out. ENOTFOUND.
 */
hearth_status gateway_model_name(gateway *g, const char *name, char out[LIBRARY_NAME_MAX + 1],
                                 hearth_error *err);
/* Remembers that it was used. */
void gateway_model_used(gateway *g, const char *model);
/* The most tokens of an answer that is asked for without a limit, as model.yml says; 0: none. */
uint32_t gateway_model_limit(gateway *g, const char *model);
/* runtime_options' resolve. */
hearth_status gateway_resolve(void *user, const char *name, model_spec *out, hearth_error *err);

/* What can be told of a load without loading: an error, with the call's failure set, where it could
 * not succeed. */
hearth_status gateway_check_plan(gateway_call *c, const char *model, hearth_error *err);

/* ---- for handlers ---- */

/* The body as a JSON object; EINVAL. Members that are null are taken out unless keep_null. */
hearth_status call_read_body(gateway_call *c, bool keep_null, hearth_error *err);
/* As json_unpack of the body; members that are not named are refused. */
hearth_status call_unpack(gateway_call *c, hearth_error *err, const char *format, ...);
/* Takes value (NULL: out of memory) as the answer. */
hearth_status call_json(gateway_call *c, json_t *value, hearth_error *err);
/* ?name= as a number; EINVAL. def if it is not there. */
hearth_status call_query_number(gateway_call *c, const char *name, int64_t def, int64_t *out,
                                hearth_error *err);
/* Whether ?name= is there, and neither 0 nor false. */
bool call_query_flag(gateway_call *c, const char *name);
/* ?model=, or the body's "model": the id of a model. EINVAL if it is not there, ENOTFOUND. */
hearth_status call_model(gateway_call *c, const char *name, char out[LIBRARY_NAME_MAX + 1],
                         hearth_error *err);
/* For runtime_wait: whether the client is still there. user is the http_request. */
bool call_is_wanted(void *q);
/* The same of a load: false also as soon as the server begins to end. user is the gateway_call. */
bool call_may_load(void *c);

#endif
