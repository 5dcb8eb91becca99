/* SPDX-License-Identifier: MIT
 *
 * worker.c - see worker.h: from flags to a server that is ready, and back.
 */
#include "worker/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/secrets.h"
#include "protocol/json_memory.h"
#include "worker/setup.h"

/* ---- what HTTP needs of files ---- */

typedef struct secrets {
    http_secrets http;
    const char **keys; /* of the flag */
    const char **origins, **hosts;
    size_t n_keys, n_origins, n_hosts;
} secrets;

static void secrets_deinit(secrets *s)
{
    http_secrets_deinit(&s->http);
    mem_free(s->keys);
    mem_free(s->origins);
    mem_free(s->hosts);
}

static hearth_status secrets_init(secrets *s, const worker_flags *flags, hearth_error *err)
{
    TRY(flags_split(flags->api_key, &s->keys, &s->n_keys, err));
    if (s->n_keys == 0 && flags->api_key)
        FAIL(err, EINVAL, "--api-key", "--api-key: there is no key in it");
    const http_secret_sources from = {.ssl_cert_file = flags->ssl_cert_file,
                                      .ssl_key_file = flags->ssl_key_file,
                                      .api_keys = s->keys,
                                      .n_api_keys = s->n_keys,
                                      .api_key_file = flags->api_key_file};
    TRY(http_secrets_read(&s->http, &from, err));
    TRY(flags_split(flags->cors_origins, &s->origins, &s->n_origins, err));
    return flags_split(flags->allowed_hosts, &s->hosts, &s->n_hosts, err);
}

/* ---- the server ---- */

static bool is_ready(void *app)
{
    return atomic_load(&((worker *)app)->ready);
}

static void count_response(void *app, const char *path, int status)
{
    (void)path;
    metrics_response(&((worker *)app)->metrics, status);
}

static http_options http_options_of(worker *w, const secrets *s, const http_route *routes)
{
    const worker_flags *flags = w->flags;
    http_options o;
    http_options_init(&o);
    o.host = flags->host;
    o.port = (uint16_t)flags->port;
    o.cert = s->http.cert;
    o.key = s->http.key;
    o.prefix = flags->api_prefix;
    o.guard = (guard){.keys = s->http.keys,
                      .n_keys = s->http.n_keys,
                      .hosts = s->hosts,
                      .n_hosts = s->n_hosts,
                      .origins = s->origins,
                      .n_origins = s->n_origins};
    o.max_body_bytes = (size_t)flags->max_body_mib << 20;
    o.max_bodies_bytes = o.max_body_bytes * 4;
    o.max_connections = flags->connections;
    o.body_ms = o.stall_ms = flags->timeout * 1000;
    o.routes = routes;
    o.n_routes = worker_n_routes;
    o.app = w;
    o.ready = is_ready;
    o.refuse = worker_refuse;
    o.served = count_response;
    o.log = w->host->log;
    return o;
}

static void warn_open(const worker *w, const secrets *s)
{
    if (!http_server_is_loopback(w->server) && s->http.n_keys == 0)
        log_write(&w->host->log, HEARTH_LOG_WARNING,
                  "%s can be used by everybody who reaches this machine; --api-key protects it",
                  w->flags->host);
    for (size_t i = 0; i < s->n_origins; i++) {
        if (strcmp(s->origins[i], "*") == 0)
            log_write(&w->host->log, HEARTH_LOG_WARNING,
                      "--cors-origins * lets every web page use this engine");
    }
    for (size_t i = 0; i < s->n_hosts; i++) {
        if (strcmp(s->hosts[i], "*") == 0)
            log_write(&w->host->log, HEARTH_LOG_WARNING,
                      "--allowed-hosts * lets web pages reach this engine by names of their own");
    }
}

static void tell(const worker *w, const char *what, const char *value)
{
    char line[320];
    snprintf(line, sizeof line, "%s%s", what, value);
    w->host->tell(line);
}

/* Loads behind the server, tells that all is ready, waits, and lets requests end. */
static hearth_status serve(worker *w, const secrets *s, hearth_error *err)
{
    http_route routes[64];
    hearth_status status = HEARTH_OK;
    for (size_t i = 0; i < worker_n_routes; i++) {
        const worker_route *row = &worker_routes[i];
        routes[i] = (http_route){row->methods, row->path, worker_handle, row->flags, row};
    }
    const http_options options = http_options_of(w, s, routes);
    TRY(http_server_start(&w->server, &options, err));
    warn_open(w, s);
    tell(w, "listening on ", http_server_url(w->server));
    TRY_OUT(setup_worker(w, err));
    atomic_store(&w->loaded, LOADED_ALL);
    atomic_store(&w->ready, true);
    tell(w, "model loaded: ", w->name);
    tell(w, "server is listening on ", http_server_url(w->server));
    w->host->wait();
out:
    if (!http_server_stop(w->server, status == HEARTH_OK ? w->flags->drain_s * 1000 : 0,
                          w->host->is_urgent)) {
        log_write(&w->host->log, HEARTH_LOG_WARNING,
                  "a request did not end when it was asked to; the process ends without it");
        w->host->abandon();
    }
    http_server_free(w->server);
    return status;
}

/* ---- flags that only tell something ---- */

static bool tells_only(const worker_flags *flags, const worker_host *host)
{
    if (flags->version) {
        char line[64];
        snprintf(line, sizeof line, "version: %s (hearth)", hearth_version());
        host->tell(line);
    }
    if (flags->list_devices) {
        host->tell("Available devices:");
        host->tell("  (none)");
    }
    return flags->version || flags->list_devices;
}

hearth_status worker_run(const worker_flags *flags, const worker_host *host, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    secrets s = {0};
    if (tells_only(flags, host))
        return HEARTH_OK;
    TRY(flags_check(flags, &host->log, err));
    worker *w = mem_calloc(1, sizeof *w);
    if (w == NULL)
        return error_no_memory(err, "the engine", sizeof *w);
    json_memory_install();
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->large, NULL);
    w->flags = flags;
    w->host = host;
    w->created_s = (int64_t)time(NULL);
    TRY_OUT(setup_check(w, err));
    TRY_OUT(secrets_init(&s, flags, err));
    status = serve(w, &s, err);
out:
    setup_undo(w);
    secrets_deinit(&s);
    pthread_cond_destroy(&w->large);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
    return status;
}
