/* SPDX-License-Identifier: MIT
 *
 * server.c - see server.h: the daemon's life, its connections and their deadlines.
 */
#include "http/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/exchange.h"
#include "http/malformed.h"
#include "os/clock.h"

enum {
    WATCH_MS = 500,
    DRAIN_STEP_MS = 50,
    SPARE_CONNECTIONS = 64,   /* beyond the limit, to be told so */
    FILES_PER_CONNECTION = 2, /* libmicrohttpd's, and ours to look at it */
    OTHER_FILES = 64
};

void http_options_init(http_options *options)
{
    *options = (http_options){
        .host_hint = "--allowed-hosts, or protect the server with --api-key",
        .origin_hint = "--cors-origins",
        .max_head_bytes = 64u << 10,
        .max_body_bytes = 64u << 20,
        .max_bodies_bytes = 256u << 20,
        .max_connections = 512,
        .head_ms = 60000,
        .silent_ms = 200,
        .body_ms = 300000,
        .stall_ms = 120000,
        .ending_ms = 2000,
    };
}

/* ---- connections ---- */

bool connection_is_gone(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

/* One number per peer: of its address, without the port. */
static uint64_t peer_number(int fd)
{
    struct sockaddr_storage peer = {0};
    socklen_t n = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &n) != 0)
        return 0;
    if (peer.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)&peer;
        return hash_bytes(HASH_START, &v4->sin_addr, sizeof v4->sin_addr);
    }
    if (peer.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)&peer;
        return hash_bytes(HASH_START, &v6->sin6_addr, sizeof v6->sin6_addr);
    }
    return 0;
}

/* Where all places are taken, a client that says nothing has to go for the next one: one that had
 * some time to, unless they come so fast that the spare places run out. */
static void make_room(http_server *server, connection *newest)
{
    const http_options *o = &server->options;
    uint64_t latest = clock_now_ns() + (uint64_t)(o->head_ms - o->silent_ms) * 1000000;
    bool is_flood = server->n_connections > o->max_connections + SPARE_CONNECTIONS / 8;
    connection *oldest = NULL;
    if (server->n_connections < o->max_connections)
        return;
    for (connection *c = server->connections; c; c = c->next) {
        if (c != newest && c->fd != -1 && !c->has_head && c->deadline_ns != 0 &&
            (is_flood || c->deadline_ns <= latest) &&
            (oldest == NULL || c->deadline_ns < oldest->deadline_ns))
            oldest = c;
    }
    newest->is_over = oldest == NULL && server->n_connections > o->max_connections;
    if (oldest) {
        shutdown(oldest->fd, SHUT_RDWR);
        oldest->deadline_ns = 0;
        oldest->is_shut = true;
        server->n_connections--;
    }
}

static void connection_open(http_server *server, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection *c = mem_calloc(1, sizeof *c);
    *context = c;
    if (c == NULL)
        return; /* its requests are told 503 */
    c->fd = info ? dup(info->connect_fd) : -1;
    c->client = peer_number(c->fd);
    pthread_mutex_lock(&server->lock);
    c->deadline_ns = clock_now_ns() + server->options.head_ms * 1000000ull;
    c->is_asking = true;
    c->next = server->connections;
    c->link = &server->connections;
    if (c->next)
        c->next->link = &c->next;
    server->connections = c;
    server->n_connections++;
    make_room(server, c);
    pthread_mutex_unlock(&server->lock);
}

static void connection_close(http_server *server, connection *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&server->lock);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    server->n_connections -= !c->is_shut;
    pthread_mutex_unlock(&server->lock);
    if (c->fd != -1)
        close(c->fd);
    mem_free(c);
}

static void on_connection(void *server, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_open(server, mhd, context);
    else
        connection_close(server, *context);
}

/* ---- deadlines ---- */

static void shut_all_connections(http_server *server)
{
    pthread_mutex_lock(&server->lock);
    for (connection *c = server->connections; c; c = c->next) {
        if (c->fd != -1)
            shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&server->lock);
}

/* libmicrohttpd has said nothing on it yet. A client that is silent between two requests is told
 * nothing: it asked for nothing. */
static void tell_late(const http_server *server, const connection *c)
{
    static const char late[] =
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json; charset=utf-8\r\n"
        "Connection: close\r\nContent-Length: 100\r\n\r\n"
        "{\"error\":{\"code\":408,\"message\":\"the request did not arrive in time\","
        "\"type\":\"invalid_request_error\"}}";
    if (c->is_asking && server->options.cert == NULL)
        (void)send(c->fd, late, sizeof late - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void shut_late_connections(http_server *server)
{
    uint64_t now = clock_now_ns();
    for (connection *c = server->connections; c; c = c->next) {
        if (c->deadline_ns != 0 && now > c->deadline_ns && c->fd != -1) {
            tell_late(server, c);
            shutdown(c->fd, SHUT_RDWR);
            c->deadline_ns = 0;
        }
    }
}

static void wait_changed(http_server *server, uint32_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&server->changed, &server->lock, &until);
}

static void *watch(void *user)
{
    http_server *server = user;
    uint32_t step = server->options.head_ms < WATCH_MS ? server->options.head_ms : WATCH_MS;
    pthread_mutex_lock(&server->lock);
    while (!server->watcher_must_end) {
        shut_late_connections(server);
        wait_changed(server, step);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* ---- starting ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX in place and returns the length. %00 stays as it is: it would end the string. */
static size_t unescape(void *user, struct MHD_Connection *mhd, char *text)
{
    char *out = text;
    (void)user;
    (void)mhd;
    for (const char *in = text; *in; in++) {
        int high = *in == '%' ? hex_digit(in[1]) : -1;
        int low = high >= 0 ? hex_digit(in[2]) : -1;
        bool decoded = low >= 0 && high + low > 0;
        *out++ = decoded ? (char)(high * 16 + low) : *in;
        in += decoded ? 2 : 0;
    }
    *out = '\0';
    return (size_t)(out - text);
}

__attribute__((format(printf, 2, 0))) static void on_mhd_message(void *user, const char *format,
                                                                 va_list args)
{
    http_server *server = user;
    char text[256];
    va_list copy;
    va_copy(copy, args);
    malformed_tell(server, format, copy);
    va_end(copy);
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    log_write(&server->options.log, HEARTH_LOG_DEBUG, "http: %s", text);
}

static void write_url(http_server *server)
{
    const http_options *o = &server->options;
    bool bare_v6 = strchr(o->host, ':') && o->host[0] != '[';
    if (server->listener.is_unix)
        snprintf(server->url, sizeof server->url, "unix:%s", server->listener.path);
    else
        snprintf(server->url, sizeof server->url, "http%s://%s%.128s%s:%u", o->cert ? "s" : "",
                 bare_v6 ? "[" : "", o->host, bare_v6 ? "]" : "", (unsigned)server->listener.port);
}

static hearth_status start_daemon(http_server *server, hearth_error *err)
{
    const http_options *o = &server->options;
    bool tls = o->cert && o->key;
    struct MHD_OptionItem secrets[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->key},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0);
    /* The port was reserved by the listener; 0 here. The logger comes first: it sees what the other
     * options have to say. */
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, exchange_handle, server, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_message,
        server, MHD_OPTION_LISTEN_SOCKET, server->listener.fd, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, server,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_URI_LOG_CALLBACK, malformed_note,
        server, MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->max_connections + SPARE_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->max_head_bytes, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(o->stall_ms / 1000 + 2),
        /* our own deadlines come first */ MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
        tls ? secrets : &secrets[2], MHD_OPTION_END);
    if (server->daemon == NULL)
        FAIL(err, EIO, "http", "the HTTP server does not start%s",
             tls ? "; are certificate and key a pair in PEM format?" : "");
    return HEARTH_OK;
}

/* A connection without a file for it would be neither accepted nor refused. */
static void fit_connections(http_options *o)
{
    struct rlimit files;
    uint64_t wanted = ((uint64_t)o->max_connections + SPARE_CONNECTIONS) * FILES_PER_CONNECTION;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    if (files.rlim_cur < wanted + OTHER_FILES) {
        files.rlim_cur =
            files.rlim_max < wanted + OTHER_FILES ? files.rlim_max : wanted + OTHER_FILES;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= wanted + OTHER_FILES)
        return;
    uint64_t n = files.rlim_cur / 2 / FILES_PER_CONNECTION; /* half of the files are for the rest */
    o->max_connections = n > SPARE_CONNECTIONS ? (uint32_t)(n - SPARE_CONNECTIONS) : 1;
    log_write(&o->log, HEARTH_LOG_WARNING,
              "%llu files may be open, so there are %u connections at once at most; ulimit -n sets "
              "more",
              (unsigned long long)files.rlim_cur, (unsigned)o->max_connections);
}

static hearth_status init_locks(http_server *server, hearth_error *err)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int code = pthread_cond_init(&server->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (code == 0)
        code = pthread_mutex_init(&server->lock, NULL);
    if (code != 0)
        FAIL(err, ENOMEM, "http", "no lock for the HTTP server: %s", strerror(code));
    return HEARTH_OK;
}

static hearth_status start_watcher(http_server *server, hearth_error *err)
{
    int code = pthread_create(&server->watcher, NULL, watch, server);
    if (code != 0)
        FAIL(err, ENOMEM, "http", "no thread for the HTTP server: %s", strerror(code));
    server->watching = true;
    return HEARTH_OK;
}

hearth_status http_server_start(http_server **out, const http_options *options, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    http_server *server = mem_calloc(1, sizeof *server);
    *out = NULL;
    if (server == NULL)
        return error_no_memory(err, "the HTTP server", sizeof *server);
    server->options = *options;
    fit_connections(&server->options);
    server->listener.fd = -1;
    status = init_locks(server, err);
    if (status != HEARTH_OK) {
        mem_free(server);
        return status;
    }
    TRY_OUT(listener_open(&server->listener, options->host, options->port, err));
    server->options.guard.bound = server->listener.is_unix ? NULL : options->host;
    write_url(server);
    TRY_OUT(start_watcher(server, err));
    TRY_OUT(start_daemon(server, err));
    *out = server;
out:
    if (status != HEARTH_OK)
        http_server_free(server);
    return status;
}

const char *http_server_url(const http_server *server)
{
    return server->url;
}

uint16_t http_server_port(const http_server *server)
{
    return server->listener.port;
}

bool http_server_is_loopback(const http_server *server)
{
    return server->listener.loopback;
}

size_t http_server_n_active(http_server *server)
{
    pthread_mutex_lock(&server->lock);
    size_t n = server->n_active;
    pthread_mutex_unlock(&server->lock);
    return n;
}

/* ---- stopping ---- */

/* Whether no request is left. */
static bool wait_idle(http_server *server, uint32_t ms, bool (*hurry)(void))
{
    uint64_t until = clock_now_ns() + ms * 1000000ull;
    pthread_mutex_lock(&server->lock);
    while (server->n_active > 0 && clock_now_ns() < until && !(hurry && hurry()))
        wait_changed(server, DRAIN_STEP_MS);
    bool idle = server->n_active == 0;
    pthread_mutex_unlock(&server->lock);
    return idle;
}

/* The daemon waits for its threads without end, so it is stopped only when none is in a handler. */
static bool stop_daemon(http_server *server, uint32_t drain_ms, bool (*hurry)(void))
{
    uint32_t patience = server->options.ending_ms;
    if (!server->stopping) {
        pthread_mutex_lock(&server->lock);
        server->stopping = true;
        pthread_mutex_unlock(&server->lock);
        MHD_quiesce_daemon(server->daemon);
        listener_close(&server->listener);
    }
    bool idle = wait_idle(server, drain_ms, hurry);
    atomic_store(&server->ending, true);
    if (!idle && !wait_idle(server, patience, NULL)) {
        shut_all_connections(server); /* clients that do not take their answer */
        if (!wait_idle(server, patience, NULL))
            return false;
    }
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
    return true;
}

bool http_server_stop(http_server *server, uint32_t drain_ms, bool (*hurry)(void))
{
    if (server->daemon && !stop_daemon(server, drain_ms, hurry))
        return false;
    if (server->watching) {
        pthread_mutex_lock(&server->lock);
        server->watcher_must_end = true;
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->lock);
        pthread_join(server->watcher, NULL);
        server->watching = false;
    }
    return true;
}

void http_server_free(http_server *server)
{
    if (server == NULL || !http_server_stop(server, 0, NULL))
        return;
    pump_free(server->pump);
    listener_close(&server->listener);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    mem_free(server);
}
