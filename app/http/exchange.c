/* SPDX-License-Identifier: MIT
 *
 * exchange.c - see exchange.h: one request, from its head to the last byte of its answer.
 *
 * A request that is refused is still read to its end where that is short: a client in the middle of
 * sending would not see an answer on a connection that is closed on it.
 */
#include "http/exchange.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/clock.h"

enum { DISCARD_BYTES = 1 << 20, STREAM_BLOCK = 16384, HOST_BYTES = 256 };

typedef struct refusal {
    int status; /* 0: not refused */
    char message[256];
} refusal;

struct http_exchange {
    http_server *server;
    connection *connection;
    struct MHD_Connection *mhd;
    http_request request;
    const http_route *route;
    unsigned allowed_methods; /* of the path */
    bool is_head;
    bool is_chunked; /* its answer may be */
    bool cors;       /* its page may read the answer */
    char *rest;
    char host[HOST_BYTES]; /* of the target; "": it names none */
    buf body;
    size_t n_reserved; /* of server->n_body_bytes */
    refusal refusal;
    uint64_t start_ns;
    int status; /* that was sent */
};

/* ---- what handlers ask ---- */

const char *http_request_header(const http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->exchange->mhd, MHD_HEADER_KIND, name);
}

const char *http_request_query(const http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->exchange->mhd, MHD_GET_ARGUMENT_KIND, name);
}

http_life http_request_life(const http_request *request)
{
    const http_exchange *x = request->exchange;
    if (connection_is_gone(x->connection->fd))
        return HTTP_GONE;
    return atomic_load(&x->server->ending) ? HTTP_ENDING : HTTP_OPEN;
}

bool http_reply_header(http_reply *reply, const char *name, const char *value)
{
    if (reply->n_headers == HTTP_MAX_HEADERS)
        return false;
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    }
    http_header *h = &reply->headers[reply->n_headers];
    if ((size_t)snprintf(h->name, sizeof h->name, "%s", name) >= sizeof h->name ||
        (size_t)snprintf(h->value, sizeof h->value, "%s", value) >= sizeof h->value)
        return false;
    reply->n_headers++;
    return true;
}

void http_reply_stream(http_reply *reply, const char *content_type, const http_stream *stream)
{
    reply->content_type = content_type;
    reply->stream = *stream;
    http_reply_header(reply, "X-Accel-Buffering", "no");
    http_reply_header(reply, "Cache-Control", "no-cache");
}

/* Shortened and without control characters, for messages. */
static const char *shown(const char *value, char out[80])
{
    size_t n = 0;
    for (; value[n] && n < 79; n++)
        out[n] = value[n] < 0x20 || value[n] == 0x7f ? '?' : value[n];
    out[n] = '\0';
    return out;
}

/* ---- beginning and end ---- */

static http_method read_method(const char *name, bool *is_head)
{
    static const struct {
        const char *name;
        http_method method;
    } methods[] = {{"GET", HTTP_GET}, {"HEAD", HTTP_GET},      {"POST", HTTP_POST},
                   {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS}};
    *is_head = strcmp(name, "HEAD") == 0;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    }
    return 0;
}

/* RFC 9112, 3.2.2: a target may name the server, as "http://localhost/health"; its host stands for
 * the header then. Gives the path. */
static const char *split_target(const char *target, char host[HOST_BYTES])
{
    size_t n_scheme = strncasecmp(target, "http://", 7) == 0    ? 7
                      : strncasecmp(target, "https://", 8) == 0 ? 8
                                                                : 0;
    size_t n = n_scheme ? strcspn(target + n_scheme, "/") : 0;
    host[0] = '\0';
    if (n == 0 || n >= HOST_BYTES)
        return target;
    memcpy(host, target + n_scheme, n);
    host[n] = '\0';
    return target[n_scheme + n] ? target + n_scheme + n : "/";
}

static http_exchange *exchange_new(http_server *server, struct MHD_Connection *mhd,
                                   const char *path, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    connection *c = info ? info->socket_context : NULL;
    http_exchange *x = c && c->fd != -1 ? mem_calloc(1, sizeof *x) : NULL;
    if (x == NULL)
        return NULL;
    x->server = server;
    x->connection = c;
    x->mhd = mhd;
    x->start_ns = clock_now_ns();
    x->request =
        (http_request){.path = split_target(path, x->host), .rest = "", .body = "", .exchange = x};
    x->request.client = c->client;
    x->request.method = read_method(method, &x->is_head);
    buf_init(&x->body, server->options.max_body_bytes);
    pthread_mutex_lock(&server->lock);
    c->deadline_ns = clock_now_ns() + server->options.body_ms * 1000000ull;
    c->is_asking = c->has_head = true;
    server->n_active++;
    pthread_mutex_unlock(&server->lock);
    return x;
}

static const char *method_text(const http_exchange *x)
{
    switch (x->request.method) {
    case HTTP_GET:
        return x->is_head ? "HEAD" : "GET";
    case HTTP_POST:
        return "POST";
    case HTTP_PUT:
        return "PUT";
    case HTTP_DELETE:
        return "DELETE";
    case HTTP_OPTIONS:
        return "OPTIONS";
    }
    return "request";
}

static void drop_body(http_exchange *x)
{
    buf_deinit(&x->body);
    pthread_mutex_lock(&x->server->lock);
    x->server->n_body_bytes -= x->n_reserved;
    pthread_mutex_unlock(&x->server->lock);
    x->n_reserved = 0;
}

void exchange_completed(void *user, struct MHD_Connection *mhd, void **exchange,
                        enum MHD_RequestTerminationCode how)
{
    http_exchange *x = *exchange;
    http_server *server = user;
    char path[80];
    (void)mhd;
    if (x == NULL)
        return;
    *exchange = NULL;
    if (x->status == 0)
        x->status = x->connection->malformed;
    log_write(&server->options.log, HEARTH_LOG_INFO, "%s %s %d in %" PRIu64 " ms%s", method_text(x),
              shown(x->request.path, path), x->status, (clock_now_ns() - x->start_ns) / 1000000,
              how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : ", not read to its end");
    drop_body(x);
    pthread_mutex_lock(&server->lock);
    x->connection->deadline_ns = clock_now_ns() + server->options.head_ms * 1000000ull;
    x->connection->is_asking = x->connection->has_head = false;
    x->connection->is_answering = false;
    server->n_active--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    if (server->options.served)
        server->options.served(server->options.app, x->request.path, x->status);
    mem_free(x->rest);
    mem_free(x);
}

/* ---- checks on the head ---- */

/* The first refusal counts. */
static void refuse(http_exchange *x, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(http_exchange *x, int status, const char *format, ...)
{
    va_list args;
    if (x->refusal.status != 0)
        return;
    x->refusal.status = status;
    va_start(args, format);
    vsnprintf(x->refusal.message, sizeof x->refusal.message, format, args);
    va_end(args);
}

typedef struct head_counts {
    unsigned host, length, encoding;
    bool malformed; /* a name that is no token, or a value with control characters */
} head_counts;

/* RFC 9110, 5.6.2. A blank before the colon is the one that matters most: where one server sees
 * "Content-Length " and the next one Content-Length, they cut the stream at different places. */
static bool is_token(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return n > 0;
}

static bool is_field_value(const char *value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
            return false;
    }
    return true;
}

static enum MHD_Result count_header(void *user, enum MHD_ValueKind kind, const char *name,
                                    size_t n_name, const char *value, size_t n_value)
{
    head_counts *counts = user;
    (void)kind;
    counts->malformed =
        counts->malformed || !is_token(name, n_name) || !is_field_value(value, n_value);
    counts->host += strcasecmp(name, "Host") == 0;
    counts->length += strcasecmp(name, "Content-Length") == 0;
    counts->encoding += strcasecmp(name, "Transfer-Encoding") == 0;
    return MHD_YES;
}

/* Heads that two servers in a row could understand differently. */
static void check_framing(http_exchange *x)
{
    head_counts counts = {0};
    MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, count_header, &counts);
    const char *encoding = http_request_header(&x->request, "Transfer-Encoding");
    if (counts.malformed)
        refuse(x, 400, "a header has a name or a value with characters that may not be there");
    if (counts.host > 1 || counts.length > 1 || counts.encoding > 1)
        refuse(x, 400, "a header that may come once came twice: %s",
               counts.host > 1     ? "Host"
               : counts.length > 1 ? "Content-Length"
                                   : "Transfer-Encoding");
    if (counts.length > 0 && counts.encoding > 0)
        refuse(x, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (encoding && strcasecmp(encoding, "chunked") != 0)
        refuse(x, 400, "a body is sent with its length, or chunked; no other encoding is known");
}

static void check_sender(http_exchange *x)
{
    const guard *g = &x->server->options.guard;
    const char *host = x->host[0] ? x->host : http_request_header(&x->request, "Host");
    const char *origin = http_request_header(&x->request, "Origin");
    char text[80];
    x->cors = origin && guard_allows_origin(g, origin, host);
    if (!guard_allows_host(g, host))
        refuse(x, 403, "the host '%s' is not one of this server's; allow it with %s",
               shown(host, text), x->server->options.host_hint);
    if (origin && !x->cors && (x->request.method != HTTP_GET))
        refuse(x, 403, "the origin '%s' may not use this server; allow it with %s",
               shown(origin, text), x->server->options.origin_hint);
}

static void check_route(http_exchange *x)
{
    const http_options *o = &x->server->options;
    size_t n_prefix = o->prefix ? strlen(o->prefix) : 0;
    if (n_prefix > 0 && strncmp(x->request.path, o->prefix, n_prefix) != 0) {
        refuse(x, 404, "File Not Found");
        return;
    }
    x->request.path += n_prefix;
    http_match match = route_find(o->routes, o->n_routes, x->request.method, x->request.path);
    x->route = match.route;
    x->allowed_methods = match.methods;
    if (match.methods == 0 && o->fallback && x->request.method == HTTP_GET)
        x->route = o->fallback;
    else if (match.methods == 0)
        refuse(x, 404, "File Not Found");
    else if (match.route == NULL && x->request.method != HTTP_OPTIONS)
        refuse(x, 405, "this path does not take this method; the header Allow lists those it does");
    x->request.tag = x->route ? x->route->tag : NULL;
    if (match.n_rest == 0)
        return;
    x->rest = mem_dup(match.rest, match.n_rest);
    if (x->rest == NULL)
        refuse(x, 503, "out of memory");
    else
        x->request.rest = x->rest;
}

static void check_key(http_exchange *x)
{
    const guard *g = &x->server->options.guard;
    size_t index;
    if (x->request.method == HTTP_OPTIONS || (x->route && (x->route->flags & HTTP_OPEN_TO_ALL)))
        return;
    const http_options *o = &x->server->options;
    if (o->admit && x->route) {
        char why[160] = "";
        int status = o->admit(o->app, &x->request, why, sizeof why);
        if (status != 0)
            refuse(x, status, "%s", why);
    }
    if (!guard_allows_key(g, http_request_header(&x->request, "Authorization"),
                          http_request_header(&x->request, "X-Api-Key"), &index))
        refuse(x, 401, "Invalid API Key");
    else if (index < g->n_keys)
        x->request.client = hash_bytes(HASH_START, &index, sizeof index);
}

static void check_ready(http_exchange *x)
{
    http_server *server = x->server;
    pthread_mutex_lock(&server->lock);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    if (stopping)
        refuse(x, 503, "the server is ending");
    if (x->connection->is_over)
        refuse(x, 503, "all connections are in use; try again");
    if (x->route && !(x->route->flags & HTTP_NOT_READY) &&
        !server->options.ready(server->options.app))
        refuse(x, 503, "Loading model");
}

static bool is_json(const char *type)
{
    size_t n = strcspn(type, "; \t");
    return (n == 16 && strncasecmp(type, "application/json", n) == 0) ||
           (n > 5 && strncasecmp(type + n - 5, "+json", 5) == 0);
}

/* *n is the body's length, SIZE_MAX if it is not told. A page can send forms and plain text to any
 * server without asking it first, but not JSON that is called JSON; programs, which send no Origin,
 * may call it what they like (curl -d calls all a form). */
static void check_body(http_exchange *x, size_t *n)
{
    const char *length = http_request_header(&x->request, "Content-Length");
    const char *type = http_request_header(&x->request, "Content-Type");
    const char *encoding = http_request_header(&x->request, "Content-Encoding");
    size_t max = x->server->options.max_body_bytes;
    char text[80];
    *n = length ? strtoull(length, NULL, 10) : 0;
    if (http_request_header(&x->request, "Transfer-Encoding"))
        *n = SIZE_MAX;
    if (*n != SIZE_MAX && *n > max)
        refuse(x, 413, "the body of %zu bytes is too large; at most %zu are taken", *n, max);
    if (*n > 0 && type && !is_json(type) && http_request_header(&x->request, "Origin"))
        refuse(x, 415, "the body is '%s'; send JSON, as Content-Type: application/json",
               shown(type, text));
    if (encoding && strcasecmp(encoding, "identity") != 0)
        refuse(x, 415, "the body is encoded as '%s'; send it as it is", shown(encoding, text));
}

/* ---- the body ---- */

static bool reserve(http_exchange *x, size_t n)
{
    http_server *server = x->server;
    pthread_mutex_lock(&server->lock);
    bool fits = server->n_body_bytes + n <= server->options.max_bodies_bytes;
    if (fits) {
        server->n_body_bytes += n;
        x->n_reserved += n;
    }
    pthread_mutex_unlock(&server->lock);
    return fits;
}

/* One that is late is ended by the server's watch. */
static enum MHD_Result take_body(http_exchange *x, const char *bytes, size_t n)
{
    const http_options *o = &x->server->options;
    if (x->refusal.status != 0)
        return MHD_YES;
    if (x->body.n + n > o->max_body_bytes)
        refuse(x, 413, "the body is too large; at most %zu bytes are taken", o->max_body_bytes);
    else if (!reserve(x, n) || !buf_append(&x->body, bytes, n))
        refuse(x, 503, "no memory for the body now; try again");
    if (x->refusal.status != 0)
        drop_body(x);
    return MHD_YES;
}

/* ---- streams ---- */

typedef struct stream {
    http_stream source;
    http_server *server;
    struct MHD_Connection *mhd;
    int fd; /* the connection's, which outlives the stream */
    buf piece;
    size_t at; /* of piece: what has been sent */
    bool ended;
    pump *pump; /* NULL: the connection's thread does it all */
    pump_job job;
} stream;

/* libmicrohttpd ends connections on which nothing moved for stall_ms, and does not know that it was
 * this side that took so long. Setting the time-out from 0 starts its clock anew. */
static void restart_stall(struct MHD_Connection *mhd, const http_options *o)
{
    MHD_set_connection_option(mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    MHD_set_connection_option(mhd, MHD_CONNECTION_OPTION_TIMEOUT,
                              (unsigned)(o->stall_ms / 1000 + (o->stall_ms % 1000 > 0)));
}

static bool is_quiet(const stream *s, uint64_t quiet_ms)
{
    return s->source.ping_ms > 0 && quiet_ms >= s->source.ping_ms;
}

/* Asked by the pump. */
static bool stays_lent(void *user, uint64_t quiet_ms)
{
    const stream *s = user;
    return !is_quiet(s, quiet_ms) && !atomic_load(&s->server->ending) && !connection_is_gone(s->fd);
}

/* Waits for a client that takes a piece slowly. False: it is gone, or does not take it at all. */
static bool finish_piece(stream *s)
{
    const uint64_t patience_ns = s->server->options.stall_ms * 1000000ull;
    uint64_t since = clock_now_ns();
    for (size_t n = s->job.n_sent;; n = s->job.n_sent) {
        struct pollfd client = {.fd = s->fd, .events = POLLOUT | POLLRDHUP};
        if (!pump_send(&s->job))
            return false;
        if (s->job.n_sent == s->job.piece.n)
            return true;
        if (s->job.n_sent > n)
            since = clock_now_ns();
        else if (clock_now_ns() - since > patience_ns)
            return false;
        if (poll(&client, 1, HTTP_PULL_MS) > 0 && !(client.revents & POLLOUT))
            return false;
    }
}

/* Lets the pump hand on pieces, as long as there is nothing else to do. Then nothing is between
 * libmicrohttpd and the socket: it has sent all that it was given. False: the client is gone. */
static bool lend(stream *s)
{
    if (s->pump == NULL)
        return true;
    pump_end end;
    do {
        s->job.source_fd = s->source.fd(s->source.user);
        end = s->job.source_fd < 0 ? PUMP_SOURCE : pump_run(s->pump, &s->job);
    } while (end == PUMP_CLIENT && finish_piece(s));
    return end != PUMP_CLIENT;
}

/* Fills s->piece. HTTP_PULL_END if there is nothing more. */
static http_pull wait_piece(stream *s)
{
    buf_clear(&s->piece);
    s->at = 0;
    if (s->job.since_ns == 0)
        s->job.since_ns = clock_now_ns();
    else if (!s->ended && !lend(s))
        return HTTP_PULL_FAIL;
    while (s->piece.n == 0) {
        if (s->ended)
            return HTTP_PULL_END;
        if (connection_is_gone(s->fd))
            return HTTP_PULL_FAIL;
        bool ending = atomic_load(&s->server->ending);
        http_pull pull = s->source.pull(s->source.user, HTTP_PULL_MS, ending, &s->piece);
        if (pull == HTTP_PULL_FAIL)
            return pull;
        s->ended = pull == HTTP_PULL_END;
        bool quiet = is_quiet(s, (clock_now_ns() - s->job.since_ns) / 1000000);
        if (s->piece.n == 0 && !s->ended && quiet && !buf_append_text(&s->piece, ":\n\n"))
            return HTTP_PULL_FAIL;
    }
    s->job.since_ns = clock_now_ns();
    return HTTP_PULL_MORE;
}

static ssize_t stream_read(void *user, uint64_t position, char *out, size_t max)
{
    stream *s = user;
    (void)position;
    if (s->at == s->piece.n) {
        http_pull pull = wait_piece(s);
        restart_stall(s->mhd, &s->server->options);
        if (pull != HTTP_PULL_MORE)
            return pull == HTTP_PULL_END ? MHD_CONTENT_READER_END_OF_STREAM
                                         : MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t n = s->piece.n - s->at < max ? s->piece.n - s->at : max;
    memcpy(out, s->piece.data + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

static void stream_free(void *user)
{
    stream *s = user;
    s->source.close(s->source.user);
    buf_deinit(&s->piece);
    buf_deinit(&s->job.piece);
    mem_free(s);
}

/* The pump writes chunks to the socket itself: not where there are no chunks, or they are ciphered.
 */
static pump *find_pump(http_exchange *x, const http_stream *source)
{
    http_server *server = x->server;
    if (source->take == NULL || server->options.cert || x->is_head || !x->is_chunked)
        return NULL;
    pthread_mutex_lock(&server->lock);
    if (server->pump == NULL)
        pump_new(&server->pump, NULL);
    pump *found = server->pump;
    pthread_mutex_unlock(&server->lock);
    return found;
}

static struct MHD_Response *stream_response(http_exchange *x, const http_stream *source)
{
    stream *s = mem_calloc(1, sizeof *s);
    if (s == NULL) {
        source->close(source->user);
        return NULL;
    }
    s->source = *source;
    s->server = x->server;
    s->mhd = x->mhd;
    s->fd = x->connection->fd;
    s->pump = find_pump(x, source);
    s->job = (pump_job){.source = &s->source, .client_fd = s->fd, .go_on = stays_lent, .user = s};
    buf_init(&s->piece, 0);
    buf_init(&s->job.piece, 0);
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, s, stream_free);
    if (response == NULL)
        stream_free(s);
    return response;
}

/* ---- the answer ---- */

static void add_cors(const http_exchange *x, struct MHD_Response *response)
{
    const char *origin = http_request_header(&x->request, "Origin");
    MHD_add_response_header(response, "Vary", "Origin");
    if (!x->cors)
        return;
    MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
    MHD_add_response_header(response, "Access-Control-Allow-Credentials", "true");
    if (x->request.method != HTTP_OPTIONS)
        return;
    const char *wanted = http_request_header(&x->request, "Access-Control-Request-Headers");
    MHD_add_response_header(response, "Access-Control-Allow-Methods",
                            "GET, POST, DELETE, PUT, OPTIONS");
    MHD_add_response_header(response, "Access-Control-Allow-Headers", wanted ? wanted : "*");
    MHD_add_response_header(response, "Access-Control-Max-Age", "600");
    if (http_request_header(&x->request, "Access-Control-Request-Private-Network"))
        MHD_add_response_header(response, "Access-Control-Allow-Private-Network", "true");
}

static struct MHD_Response *make_response(http_exchange *x, http_reply *reply)
{
    if (reply->stream.pull)
        return stream_response(x, &reply->stream);
    size_t n;
    char *bytes = reply->body.n > 0 ? buf_take(&reply->body, &n) : NULL;
    if (bytes == NULL)
        return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(n, bytes, mem_free);
    if (response == NULL)
        mem_free(bytes);
    return response;
}

static enum MHD_Result send_reply(http_exchange *x, http_reply *reply)
{
    struct MHD_Response *response = make_response(x, reply);
    buf_deinit(&reply->body);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Server", "hearth");
    if (reply->content_type)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    for (size_t i = 0; i < reply->n_headers; i++)
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    add_cors(x, response);
    pthread_mutex_lock(&x->server->lock);
    bool stopping = x->server->stopping;
    pthread_mutex_unlock(&x->server->lock);
    if (stopping || x->connection->is_over)
        MHD_add_response_header(response, "Connection", "close");
    x->status = reply->status;
    x->connection->is_answering = true;
    enum MHD_Result result = MHD_queue_response(x->mhd, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static void add_refusal(http_exchange *x, http_reply *reply)
{
    char allow[HTTP_ALLOW_BYTES];
    const http_options *o = &x->server->options;
    reply->status = x->refusal.status;
    o->refuse(o->app, x->request.path, x->refusal.status, x->refusal.message, reply);
    if (x->refusal.status == 401) {
        http_reply_header(reply, "WWW-Authenticate", "Bearer");
    } else if (x->refusal.status == 405) {
        route_allow(x->allowed_methods, allow);
        http_reply_header(reply, "Allow", allow);
    } else if (x->refusal.status == 503) {
        http_reply_header(reply, "Retry-After", "1");
    }
}

/* False: it came too late, and its connection is shut. */
static bool has_arrived(http_exchange *x)
{
    pthread_mutex_lock(&x->server->lock);
    bool in_time = x->connection->deadline_ns != 0;
    x->connection->deadline_ns = 0;
    pthread_mutex_unlock(&x->server->lock);
    return in_time;
}

static enum MHD_Result answer(http_exchange *x)
{
    const http_options *o = &x->server->options;
    if (!has_arrived(x))
        return MHD_NO;
    http_reply reply = {.status = 200, .content_type = HTTP_JSON};
    char allow[HTTP_ALLOW_BYTES];
    buf_init(&reply.body, 0);
    if (x->refusal.status != 0) {
        add_refusal(x, &reply);
    } else if (x->request.method == HTTP_OPTIONS) {
        reply.content_type = NULL;
        route_allow(x->allowed_methods, allow);
        http_reply_header(&reply, "Allow", allow);
    } else {
        if (x->body.n > 0)
            x->request.body = x->body.data;
        x->request.n_body = x->body.n;
        MHD_set_connection_option(x->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
        x->route->handler(o->app, &x->request, &reply);
        restart_stall(x->mhd, o);
        drop_body(x);
        x->request.body = "";
    }
    return send_reply(x, &reply);
}

enum MHD_Result exchange_handle(void *user, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *body,
                                size_t *n_body, void **exchange)
{
    http_exchange *x = *exchange;
    if (x && *n_body > 0) {
        size_t n = *n_body;
        *n_body = 0;
        return take_body(x, body, n);
    }
    if (x)
        return answer(x);
    size_t length = 0;
    x = exchange_new(user, mhd, url, method);
    *exchange = x;
    if (x == NULL)
        return MHD_NO;
    x->is_chunked = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    check_framing(x);
    check_sender(x);
    check_route(x);
    check_key(x);
    check_ready(x);
    check_body(x, &length);
    bool ambiguous = x->refusal.status == 400;
    if (ambiguous || (x->refusal.status != 0 && length > DISCARD_BYTES && length != SIZE_MAX))
        return answer(x);
    return MHD_YES;
}
