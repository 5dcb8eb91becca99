/* SPDX-License-Identifier: MIT
 *
 * gateway.c - see gateway.h: from options to a server that is ready, and back.
 *
 * What is opened first is closed last: store, bus, library, runtime, server. Handlers use all of
 * them, so the server ends before anything else does.
 */
#include "gateway/gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/address.h"
#include "gateway/answers.h"
#include "gateway/downloads.h"
#include "gateway/embedder.h"
#include "gateway/handlers.h"
#include "gateway/notify.h"
#include "gateway/places.h"
#include "gateway/tools.h"
#include "gateway/via.h"
#include "http/secrets.h"
#include "library/ember.h"
#include "os/file.h"

enum { PORTS_TRIED = 20 };

hearth_status gateway_address_path(char **out, hearth_error *err)
{
    return place_path(PLACE_STATE, "serve.json", out, err);
}

hearth_status gateway_key_path(char **out, hearth_error *err)
{
    return place_path(PLACE_STATE, "key", out, err);
}

/* ---- texts that the server needs while it runs ---- */

typedef struct texts {
    http_secrets secrets;
    char *data_folder, *store_path, *key_path, *address_path;
} texts;

static void texts_deinit(texts *t)
{
    http_secrets_deinit(&t->secrets);
    mem_free(t->data_folder);
    mem_free(t->store_path);
    mem_free(t->key_path);
    mem_free(t->address_path);
}

static hearth_status join(const char *folder, const char *name, char **out, hearth_error *err)
{
    buf path;
    size_t n;
    buf_init(&path, 0);
    bool ok = buf_append_text(&path, folder) && buf_append_text(&path, name);
    *out = ok ? buf_take(&path, &n) : NULL;
    buf_deinit(&path);
    return *out ? HEARTH_OK : error_no_memory(err, "a path", strlen(folder));
}

static hearth_status make_places(texts *t, const gateway_options *o, hearth_error *err)
{
    char *state = NULL;
    TRY(gateway_key_path(&t->key_path, err));
    TRY(gateway_address_path(&t->address_path, err));
    if (o->data_dir)
        TRY(join(o->data_dir, "", &t->data_folder, err));
    else
        TRY(place_path(PLACE_DATA, NULL, &t->data_folder, err));
    TRY(join(t->data_folder, "/hearth.db", &t->store_path, err));
    TRY(place_make(t->data_folder, err));
    TRY(place_path(PLACE_STATE, NULL, &state, err));
    hearth_status status = place_make(state, err);
    mem_free(state);
    return status;
}

static hearth_status texts_init(texts *t, const gateway_options *o, hearth_error *err)
{
    const http_secret_sources from = {.ssl_cert_file = o->ssl_cert_file,
                                      .ssl_key_file = o->ssl_key_file,
                                      .api_keys = o->api_keys.items,
                                      .n_api_keys = o->api_keys.n,
                                      .api_key_file = o->api_key_file};
    TRY(http_secrets_read(&t->secrets, &from, err));
    return make_places(t, o, err);
}

/* ---- the parts ---- */

static hearth_status open_library(gateway *g, const gateway_options *o, hearth_error *err)
{
    library_options options;
    library_options_init(&options);
    options.folder = o->models_dir;
    options.folders = o->model_folders.items;
    options.n_folders = o->model_folders.n;
    if (o->own_models_only)
        options.huggingface = options.lmstudio = options.ollama = false;
    options.log = g->host->log;
    return library_open(&g->library, &options, err);
}

static hearth_status open_runtime(gateway *g, const gateway_options *o, const char *folder,
                                  hearth_error *err)
{
    runtime_options options;
    runtime_options_init(&options);
    options.resolve = gateway_resolve;
    options.user = g;
    options.bus = g->bus;
    options.log = g->host->log;
    options.data_folder = folder;
    options.engine_path = g->host->engine_path;
    options.builtin = ember_bytes(&options.n_builtin);
    options.builtin_name = EMBER_NAME;
    options.memory_bytes = (uint64_t)o->memory_mib << 20;
    options.idle_ms = o->idle_s > UINT32_MAX / 1000 ? UINT32_MAX : o->idle_s * 1000;
    options.start_ms = o->start_s * 1000;
    options.drain_ms = o->drain_s * 1000;
    return runtime_new(&g->runtime, &options, err);
}

static hearth_status open_parts(gateway *g, const texts *t, hearth_error *err)
{
    const gateway_options *o = &g->config->values.options;
    TRY(via_new_id(g->id, err));
    TRY(access_open(&g->access, t->key_path, err));
    g->data_folder = t->data_folder;
    g->access.api = t->secrets.keys;
    g->access.n_api = t->secrets.n_keys;
    TRY(store_open(&g->store, t->store_path, true, err));
    TRY(events_new(&g->bus, err));
    TRY(open_library(g, o, err));
    TRY(open_runtime(g, o, t->data_folder, err));
    TRY(tools_new(&g->tools, g, err));
    TRY(answers_new(&g->answers, err));
    TRY(downloads_new(&g->downloads, g, err));
    return embedder_start(&g->embedder, g, err);
}

static void close_parts(gateway *g)
{
    embedder_stop(g->embedder);
    answers_free(g->answers);
    tools_free(g->tools);
    downloads_free(g->downloads);
    runtime_free(g->runtime);
    library_close(g->library);
    events_free(g->bus);
    store_close(g->store);
}

/* ---- the server ---- */

static bool is_ready(void *app)
{
    return atomic_load(&((gateway *)app)->ready);
}

static http_options server_options(gateway *g, const texts *t, const http_route *routes,
                                   const http_route *page)
{
    const gateway_options *o = &g->config->values.options;
    http_options options;
    http_options_init(&options);
    options.host = o->host;
    options.port = (uint16_t)o->port;
    options.cert = t->secrets.cert;
    options.key = t->secrets.key;
    options.guard = (guard){.hosts = o->hosts.items,
                            .n_hosts = o->hosts.n,
                            .origins = o->origins.items,
                            .n_origins = o->origins.n};
    options.host_hint = "--allowed-host";
    options.origin_hint = "--cors-origin";
    options.max_body_bytes = (size_t)o->max_body_mib << 20;
    options.max_bodies_bytes = options.max_body_bytes * 4;
    options.max_connections = o->connections;
    options.routes = routes;
    options.n_routes = gateway_n_routes;
    options.fallback = page;
    options.app = g;
    options.ready = is_ready;
    options.refuse = gateway_refuse;
    options.admit = gateway_admit;
    options.log = g->host->log;
    return options;
}

static bool is_loopback(const char *host)
{
    size_t n = strlen(host);
    return guard_is_loopback(host, n) || (n > 5 && strcmp(host + n - 5, ".sock") == 0);
}

/* The port, or one of the next where it is nobody's wish and taken. */
static hearth_status start_server(gateway *g, http_options *options, hearth_error *err)
{
    hearth_error first = {0};
    hearth_status status = http_server_start(&g->server, options, &first);
    for (int i = 0; i < PORTS_TRIED && status != HEARTH_OK && g->host->port_may_move; i++) {
        options->port++;
        status = http_server_start(&g->server, options, NULL);
    }
    if (status != HEARTH_OK && err)
        *err = first;
    return status;
}

/* ---- telling where it is ---- */

/* The descriptor that holds the file, or -1. */
static int write_address(gateway *g, const char *path)
{
    hearth_error err = {0};
    int fd;
    if (address_publish(path, http_server_url(g->server), &fd, &err) != HEARTH_OK)
        log_write(&g->host->log, HEARTH_LOG_WARNING, "%s; 'hearth ps' will not find this server",
                  err.message);
    return fd;
}

static void tell_ready(gateway *g)
{
    char page[320];
    snprintf(page, sizeof page, "%s/#token=%s", http_server_url(g->server), g->access.token);
    g->host->tell(http_server_url(g->server), page);
    notify_manager("READY=1");
}

static hearth_status serve(gateway *g, const texts *t, hearth_error *err)
{
    static const gateway_route page_row = {.methods = HTTP_GET,
                                           .path = "/",
                                           .scope = SCOPE_OPEN,
                                           .dialect = DIALECT_HEARTH,
                                           .handler = serve_page,
                                           .summary = "the page"};
    const http_route page = {HTTP_GET, "/", gateway_handle, 0, &page_row};
    const gateway_options *o = &g->config->values.options;
    if (!is_loopback(o->host) && t->secrets.n_keys == 0)
        FAIL(err, EINVAL, "--host",
             "--host %s lets other machines in: give them a key with --api-key", o->host);
    http_route *routes = mem_calloc(gateway_n_routes, sizeof *routes);
    if (routes == NULL)
        return error_no_memory(err, "routes", gateway_n_routes * sizeof *routes);
    g->access.infer_needs_key = t->secrets.n_keys > 0;
    for (size_t i = 0; i < gateway_n_routes; i++) {
        const gateway_route *row = &gateway_routes[i];
        routes[i] = (http_route){row->methods, row->path, gateway_handle, 0, row};
    }
    http_options options = server_options(g, t, routes, &page);
    atomic_store(&g->ready, true);
    hearth_status status = start_server(g, &options, err);
    if (status != HEARTH_OK) {
        mem_free(routes);
        return status;
    }
    if (!is_loopback(o->host) && t->secrets.cert == NULL)
        log_write(
            &g->host->log, HEARTH_LOG_WARNING,
            "keys and chats cross the network readable for others; --ssl-cert-file ends that");
    const int address = write_address(g, t->address_path);
    tell_ready(g);
    g->host->wait();
    atomic_store(&g->ending, true);
    notify_manager("STOPPING=1");
    address_withdraw(t->address_path, address);
    http_server_stop(g->server, o->drain_s * 1000, g->host->is_urgent);
    answers_drain(g->answers, o->drain_s * 1000, g->host->is_urgent);
    http_server_free(g->server);
    mem_free(routes);
    return HEARTH_OK;
}

hearth_status gateway_run(const config *c, const gateway_host *host, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    texts t = {0};
    gateway *g = mem_calloc(1, sizeof *g);
    if (g == NULL)
        return error_no_memory(err, "the server", sizeof *g);
    g->config = c;
    g->host = host;
    pthread_mutex_init(&g->lock, NULL);
    TRY_OUT(texts_init(&t, &c->values.options, err));
    TRY_OUT(open_parts(g, &t, err));
    status = serve(g, &t, err);
out:
    close_parts(g);
    texts_deinit(&t);
    pthread_mutex_destroy(&g->lock);
    mem_free(g);
    return status;
}
