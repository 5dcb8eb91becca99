/* SPDX-License-Identifier: MIT
 *
 * client.c - see client.h. libcurl's multi interface with one transfer in it.
 *
 *     start ──> hop ──> head ──> body ──> done
 *                ^        │                failed (the first reason stays)
 *                └────────┘ a redirect that is followed: its body is read and thrown away
 *
 * libcurl follows no redirect itself: each hop is a transfer whose headers, body and permitted
 * addresses are decided here. The address is checked twice: when a socket is made, so that nothing
 * is even connected to, and before the request is sent, which covers connections that were kept.
 */
#include "http/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <curl/curl.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/origin.h"
#include "os/clock.h"

enum {
    HEADERS_MAX = 128,
    HEAD_BYTES_MAX = 64 * 1024,
    REDIRECT_BODY_MAX = 64 * 1024, /* of a redirect: more is not worth a kept connection */
    TURN_MS = 1000                 /* how often the idle time is looked at */
};

typedef struct header_place {
    uint32_t name, value; /* offsets into head */
} header_place;

struct http_call {
    CURLM *multi;
    CURL *easy;
    bool attached;
    atomic_bool canceled;

    /* The request. */
    char *method, *url, *unix_socket, *bearer;
    struct curl_slist *headers, *private_headers, *sent; /* sent: of this hop */
    char *body;
    size_t n_body;
    bool has_body;
    http_redirects redirects;
    int connect_timeout_ms, idle_timeout_ms;
    uint64_t max_body;
    hearth_log log;

    /* The hop. */
    origin first, here;
    unsigned n_hops;
    const char *proxy; /* of the environment */
    bool guarded;      /* only public addresses */
    bool began_public, refused;
    bool redirecting; /* location is to be followed */
    char *location;

    /* The answer. */
    buf head;
    header_place at[HEADERS_MAX];
    size_t n_headers;
    int status;
    bool have_head, done;
    buf pending;
    bool paused;
    char reason[CURL_ERROR_SIZE]; /* what libcurl says of a failure */
    uint64_t n_received, n_thrown_away, active_ns;
    http_problem problem;
    hearth_error error;
};

/* ---- life ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_is_up;

static void bring_curl_up(void)
{
    curl_is_up = curl_global_init(CURL_GLOBAL_DEFAULT);
}

hearth_status http_call_new(http_call **out, hearth_error *err)
{
    pthread_once(&curl_once, bring_curl_up);
    if (curl_is_up != CURLE_OK)
        FAIL(err, EINTERNAL, "libcurl", "libcurl does not start: %s",
             curl_easy_strerror(curl_is_up));
    http_call *call = mem_calloc(1, sizeof *call);
    if (call == NULL)
        return error_no_memory(err, "an HTTP call", sizeof *call);
    call->multi = curl_multi_init();
    call->easy = curl_easy_init();
    buf_init(&call->head, HEAD_BYTES_MAX);
    buf_init(&call->pending, 0);
    if (call->multi == NULL || call->easy == NULL) {
        http_call_free(call);
        return error_no_memory(err, "an HTTP call", sizeof *call);
    }
    *out = call;
    return HEARTH_OK;
}

static void detach(http_call *call)
{
    if (call->attached)
        curl_multi_remove_handle(call->multi, call->easy);
    call->attached = false;
}

static void drop_request(http_call *call)
{
    detach(call);
    mem_free(call->method);
    mem_free(call->url);
    mem_free(call->unix_socket);
    mem_free(call->bearer);
    mem_free(call->body);
    mem_free(call->location);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->private_headers);
    curl_slist_free_all(call->sent);
    call->method = call->url = call->unix_socket = call->bearer = call->body = NULL;
    call->location = NULL;
    call->headers = call->private_headers = call->sent = NULL;
}

void http_call_free(http_call *call)
{
    if (call == NULL)
        return;
    drop_request(call);
    if (call->easy)
        curl_easy_cleanup(call->easy);
    if (call->multi)
        curl_multi_cleanup(call->multi);
    buf_deinit(&call->head);
    buf_deinit(&call->pending);
    mem_free(call);
}

void http_call_cancel(http_call *call)
{
    atomic_store(&call->canceled, true);
    curl_multi_wakeup(call->multi);
}

/* ---- failing ---- */

static hearth_status status_of(http_problem problem)
{
    switch (problem) {
    case HTTP_PROBLEM_NONE:
        return HEARTH_OK;
    case HTTP_PROBLEM_CANCELED:
        return HEARTH_ECANCELED;
    case HTTP_PROBLEM_REFUSED:
        return HEARTH_EINVAL;
    case HTTP_PROBLEM_MEMORY:
        return HEARTH_ENOMEM;
    case HTTP_PROBLEM_PROTOCOL:
    case HTTP_PROBLEM_LIMIT:
        return HEARTH_EFORMAT;
    default:
        return HEARTH_EIO;
    }
}

/* The first reason is the one that counts. May be called by what libcurl calls, where a transfer
 * cannot be taken out: drive() does that. The query is left out: it may hold a signature. */
static void fail(http_call *call, http_problem problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void fail(http_call *call, http_problem problem, const char *format, ...)
{
    char why[256];
    va_list args;
    if (call->problem != HTTP_PROBLEM_NONE)
        return;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    const char *url = call->url ? call->url : "";
    int n = (int)strcspn(url, "?#");
    call->problem = problem;
    error_set(&call->error, status_of(problem), call->here.host, "%.*s%s: %s", n < 150 ? n : 150,
              url, n < 150 ? "" : "...", why);
    call->done = true;
}

static http_problem problem_of(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_PROBLEM_RESOLVE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
        return HTTP_PROBLEM_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_PROBLEM_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_PROBLEM_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return HTTP_PROBLEM_MEMORY;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_HTTP2:
        return HTTP_PROBLEM_PROTOCOL;
    default:
        return HTTP_PROBLEM_LOST;
    }
}

hearth_status http_call_error(const http_call *call, hearth_error *err)
{
    if (call->problem == HTTP_PROBLEM_NONE)
        return HEARTH_OK;
    if (err)
        *err = call->error;
    return call->error.code;
}

http_problem http_call_problem(const http_call *call)
{
    return call->problem;
}

/* ---- what libcurl calls ---- */

static curl_socket_t make_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    http_call *call = user;
    (void)purpose;
    if (call->guarded && !call->proxy && origin_address_is_special(&address->addr)) {
        call->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A text that libcurl gives for the address in use. */
static bool text_is_special(const char *ip)
{
    return ip == NULL || *ip == '\0' || origin_host_is_special(ip);
}

static int before_request(void *user, char *primary_ip, char *local_ip, int primary_port,
                          int local_port)
{
    http_call *call = user;
    (void)local_ip;
    (void)primary_port;
    (void)local_port;
    if (call->unix_socket)
        return CURL_PREREQFUNC_OK;
    bool special =
        call->proxy ? origin_host_is_special(call->here.host) : text_is_special(primary_ip);
    if (call->n_hops == 0)
        call->began_public = !special;
    if (!call->guarded || !special)
        return CURL_PREREQFUNC_OK;
    call->refused = true;
    return CURL_PREREQFUNC_ABORT;
}

static bool keep_header(http_call *call, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    if (colon == NULL || colon == line)
        return true;
    const char *value = colon + 1, *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    if (call->n_headers == HEADERS_MAX || memchr(line, '\0', n))
        return false;
    header_place *at = &call->at[call->n_headers];
    at->name = (uint32_t)call->head.n;
    if (!buf_append(&call->head, line, (size_t)(colon - line)) || !buf_append(&call->head, "", 1))
        return false;
    at->value = (uint32_t)call->head.n;
    if (!buf_append(&call->head, value, (size_t)(end - value)) || !buf_append(&call->head, "", 1))
        return false;
    call->n_headers++;
    return true;
}

static void forget_head(http_call *call)
{
    buf_clear(&call->head);
    call->n_headers = 0;
    call->status = 0;
}

/* Whether the head that is complete is a redirect to be followed; then where to is kept. */
static bool is_redirect(http_call *call)
{
    const char *location = http_call_header(call, "location");
    origin there;
    bool moved = call->status == 301 || call->status == 302 || call->status == 303 ||
                 call->status == 307 || call->status == 308;
    if (!moved || location == NULL || call->redirects == HTTP_REDIRECT_NEVER)
        return false;
    if (origin_resolve(&call->location, call->url, location, &call->error) != HEARTH_OK ||
        origin_parse(&there, call->location, &call->error) != HEARTH_OK) {
        fail(call, HTTP_PROBLEM_REFUSED, "it redirects to what is not a web address: %.100s",
             location);
        return false;
    }
    if (call->redirects == HTTP_REDIRECT_SAME_ORIGIN && !origin_same(&there, &call->here)) {
        mem_free(call->location);
        call->location = NULL;
        return false;
    }
    return true;
}

static size_t take_header(char *line, size_t size, size_t count, void *user)
{
    http_call *call = user;
    size_t n = size * count;
    call->active_ns = clock_now_ns();
    if (call->have_head) /* trailers */
        return n;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        forget_head(call);
        return n;
    }
    if (n > 2 || (n == 2 && line[0] != '\r')) {
        if (keep_header(call, line, n))
            return n;
        fail(call, HTTP_PROBLEM_PROTOCOL, "the answer's head is longer than %d bytes or %d lines",
             HEAD_BYTES_MAX, HEADERS_MAX);
        return 0;
    }
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    call->status = (int)status;
    if (status < 200)
        return n; /* 100 Continue and the like: the answer comes after it */
    call->redirecting = is_redirect(call);
    call->have_head = !call->redirecting;
    return call->problem == HTTP_PROBLEM_NONE ? n : 0;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
    http_call *call = user;
    size_t n = size * count;
    call->active_ns = clock_now_ns();
    if (call->redirecting) {
        call->n_thrown_away += n;
        return call->n_thrown_away > REDIRECT_BODY_MAX ? 0 : n;
    }
    if (call->pending.n > 0 && call->pending.n + n > HTTP_CLIENT_AHEAD) {
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (call->max_body > 0 && n > call->max_body - call->n_received) {
        fail(call, HTTP_PROBLEM_LIMIT, "the answer is longer than the %llu bytes allowed here",
             (unsigned long long)call->max_body);
        return 0;
    }
    if (!buf_append(&call->pending, bytes, n)) {
        fail(call, HTTP_PROBLEM_MEMORY, "out of memory");
        return 0;
    }
    call->n_received += n;
    return n;
}

/* ---- a hop ---- */

static bool append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

static bool append_all(struct curl_slist **list, const struct curl_slist *from)
{
    for (; from; from = from->next) {
        if (!append(list, from->data))
            return false;
    }
    return true;
}

static bool has_header(const http_call *call, const char *name)
{
    size_t n = strlen(name);
    const struct curl_slist *lists[] = {call->headers, call->private_headers};
    for (int i = 0; i < 2; i++) {
        for (const struct curl_slist *h = lists[i]; h; h = h->next) {
            if (strncasecmp(h->data, name, n) == 0 && (h->data[n] == ':' || h->data[n] == ';'))
                return true;
        }
    }
    return false;
}

/* Without its colon's value a header of libcurl's own is not sent. */
static bool list_headers(http_call *call)
{
    char line[ORIGIN_URL_MAX + 64];
    bool own = origin_same(&call->here, &call->first);
    curl_slist_free_all(call->sent);
    call->sent = NULL;
    if (!append(&call->sent, "Expect:") || !append_all(&call->sent, call->headers) ||
        (own && !append_all(&call->sent, call->private_headers)))
        return false;
    if (call->has_body && !has_header(call, "Content-Type") &&
        !append(&call->sent, "Content-Type:"))
        return false;
    if (!has_header(call, "Accept") && !append(&call->sent, "Accept: */*"))
        return false;
    if (call->bearer == NULL || !own)
        return true;
    snprintf(line, sizeof line, "Authorization: Bearer %s", call->bearer);
    return append(&call->sent, line);
}

static void set_method(http_call *call)
{
    CURL *e = call->easy;
    if (call->has_body) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->n_body);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body);
    } else if (strcmp(call->method, "HEAD") == 0) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
    }
    if (strcmp(call->method, "HEAD") != 0)
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_certificates(CURL *e)
{
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    if (file && *file)
        curl_easy_setopt(e, CURLOPT_CAINFO, file);
    if (folder && *folder)
        curl_easy_setopt(e, CURLOPT_CAPATH, folder);
}

static void set_options(http_call *call)
{
    CURL *e = call->easy;
    curl_easy_reset(e);
    curl_easy_setopt(e, CURLOPT_URL, call->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->reason);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)HTTP_CLIENT_AHEAD / 2);
    curl_easy_setopt(e, CURLOPT_PROXY, call->proxy ? call->proxy : "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "");
    curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "hearth");
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->sent);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, call);
    if (call->unix_socket) {
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, call->unix_socket);
    } else {
        curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, make_socket);
        curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call);
    }
    set_certificates(e);
    set_method(call);
}

/* call->url and call->here are where it goes. */
static bool begin_hop(http_call *call)
{
    forget_head(call);
    call->redirecting = false;
    call->n_thrown_away = 0;
    call->reason[0] = '\0';
    call->active_ns = clock_now_ns();
    call->proxy = call->unix_socket ? NULL : origin_proxy(&call->here);
    if (call->guarded && !call->unix_socket && origin_host_is_special(call->here.host)) {
        fail(call, HTTP_PROBLEM_REFUSED, "'%.80s' is not a public address", call->here.host);
        return false;
    }
    if (!list_headers(call)) {
        fail(call, HTTP_PROBLEM_MEMORY, "out of memory");
        return false;
    }
    set_options(call);
    log_write(&call->log, HEARTH_LOG_INFO, "%s %.*s", call->method, (int)strcspn(call->url, "?#"),
              call->url);
    CURLMcode code = curl_multi_add_handle(call->multi, call->easy);
    if (code != CURLM_OK) {
        fail(call, HTTP_PROBLEM_MEMORY, "%s", curl_multi_strerror(code));
        return false;
    }
    call->attached = true;
    return true;
}

static bool may_go_on(http_call *call, const origin *there, bool keeps_body)
{
    if (call->n_hops >= HTTP_REDIRECTS_MAX)
        fail(call, HTTP_PROBLEM_REFUSED, "more than %d redirects", HTTP_REDIRECTS_MAX);
    else if (call->here.tls && !there->tls)
        fail(call, HTTP_PROBLEM_REFUSED, "it redirects from https to http, '%.80s'", there->host);
    else if (call->unix_socket && !origin_same(there, &call->here))
        fail(call, HTTP_PROBLEM_REFUSED, "it redirects away from its socket, to '%.80s'",
             there->host);
    else if (keeps_body && !origin_same(there, &call->first))
        fail(call, HTTP_PROBLEM_REFUSED, "it redirects the request's body to '%.80s'", there->host);
    return call->problem == HTTP_PROBLEM_NONE;
}

static void follow(http_call *call)
{
    origin there;
    bool keeps = call->status == 307 || call->status == 308;
    detach(call);
    if (origin_parse(&there, call->location, NULL) != HEARTH_OK ||
        !may_go_on(call, &there, keeps && call->has_body))
        return;
    bool to_get = !keeps && strcmp(call->method, "HEAD") != 0 && strcmp(call->method, "GET") != 0;
    if (to_get && (call->status == 303 || strcmp(call->method, "POST") == 0))
        memcpy(call->method, "GET", sizeof "GET"); /* it has room: see copy_request */
    call->has_body = call->has_body && keeps;
    mem_free(call->url);
    call->url = call->location;
    call->location = NULL;
    call->here = there;
    call->n_hops++;
    call->guarded = call->guarded || call->began_public;
    begin_hop(call);
}

/* ---- starting ---- */

static hearth_status take_header_lines(struct curl_slist **list, const char *const *lines, size_t n,
                                       hearth_error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t name = strcspn(lines[i], ":");
        if (name == 0 || lines[i][name] != ':' || strpbrk(lines[i], "\r\n"))
            FAIL(err, EINVAL, "headers", "'%.*s' is not a header: NAME: VALUE on one line",
                 (int)strcspn(lines[i], ":\r\n"), lines[i]);
        if (!append(list, lines[i]))
            return error_no_memory(err, "a header", strlen(lines[i]));
    }
    return HEARTH_OK;
}

static char *copy(const char *text)
{
    return text ? mem_dup(text, strlen(text)) : NULL;
}

static hearth_status copy_request(http_call *call, const http_call_options *o, hearth_error *err)
{
    const char *method = o->method ? o->method : o->n_body > 0 || o->has_body ? "POST" : "GET";
    if (strlen(method) < 3 || strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(method))
        FAIL(err, EINVAL, "method", "'%.20s' is not an HTTP method", method);
    if (o->bearer && (strpbrk(o->bearer, "\r\n") || strlen(o->bearer) >= ORIGIN_URL_MAX))
        FAIL(err, EINVAL, "bearer", "the key to send is longer than %d bytes or not one line",
             ORIGIN_URL_MAX - 1);
    TRY(origin_parse(&call->first, o->url, err));
    TRY(take_header_lines(&call->headers, o->headers, o->n_headers, err));
    TRY(take_header_lines(&call->private_headers, o->private_headers, o->n_private_headers, err));
    call->method = copy(method);
    call->url = copy(o->url);
    call->unix_socket = copy(o->unix_socket);
    call->bearer = copy(o->bearer);
    call->has_body = o->n_body > 0 || o->has_body;
    call->n_body = o->n_body;
    call->body = call->has_body ? mem_dup(o->n_body ? o->body : "", o->n_body) : NULL;
    if (!call->method || !call->url || (o->unix_socket && !call->unix_socket) ||
        (o->bearer && !call->bearer) || (call->has_body && !call->body))
        return error_no_memory(err, "an HTTP request", o->n_body);
    return HEARTH_OK;
}

hearth_status http_call_start(http_call *call, const http_call_options *options, hearth_error *err)
{
    drop_request(call);
    forget_head(call);
    buf_clear(&call->pending);
    call->have_head = call->done = call->paused = call->refused = call->began_public = false;
    call->n_hops = 0;
    call->n_received = 0;
    call->problem = HTTP_PROBLEM_NONE;
    call->redirects = options->redirects;
    call->guarded = options->public_only;
    call->connect_timeout_ms =
        options->connect_timeout_ms ? options->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS;
    call->idle_timeout_ms = options->idle_timeout_ms;
    call->max_body = options->max_body;
    call->log = options->log ? *options->log : (hearth_log){0};
    hearth_status status = copy_request(call, options, err);
    if (status == HEARTH_OK) {
        call->here = call->first;
        if (atomic_load(&call->canceled))
            fail(call, HTTP_PROBLEM_CANCELED, "canceled");
        else
            begin_hop(call);
        status = http_call_error(call, err);
    } else {
        call->done = true;
    }
    return status;
}

/* ---- driving ---- */

static void finish_hop(http_call *call, CURLcode code)
{
    if (call->problem != HTTP_PROBLEM_NONE)
        return;
    if (call->refused && code != CURLE_OK)
        fail(call, HTTP_PROBLEM_REFUSED,
             "'%.80s' is not at a public address, and a public one led there", call->here.host);
    else if (call->redirecting)
        follow(call);
    else if (code == CURLE_OK && call->have_head)
        call->done = true;
    else if (code == CURLE_OK)
        fail(call, HTTP_PROBLEM_PROTOCOL, "the answer has no head");
    else
        fail(call, problem_of(code), "%s",
             call->reason[0] ? call->reason : curl_easy_strerror(code));
}

static void collect(http_call *call)
{
    int n_left;
    for (CURLMsg *m; (m = curl_multi_info_read(call->multi, &n_left)) != NULL;) {
        if (m->msg != CURLMSG_DONE)
            continue;
        finish_hop(call, m->data.result);
        return; /* what follows is of another hop */
    }
}

static void step(http_call *call)
{
    int n_running;
    CURLMcode code = curl_multi_perform(call->multi, &n_running);
    if (code != CURLM_OK)
        fail(call, HTTP_PROBLEM_MEMORY, "%s", curl_multi_strerror(code));
    else
        collect(call);
}

/* Whether there is something for the puller, or for the one who waits for the head. */
static bool is_ripe(const http_call *call, bool for_head)
{
    return call->done || (for_head ? call->have_head : call->pending.n > 0);
}

static int milliseconds_left(uint64_t deadline_ns)
{
    uint64_t now = clock_now_ns();
    return now >= deadline_ns ? 0 : (int)((deadline_ns - now + 999999) / 1000000);
}

static void wait_for(http_call *call, int timeout_ms, bool for_head)
{
    uint64_t deadline =
        timeout_ms < 0 ? UINT64_MAX : clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    while (!is_ripe(call, for_head)) {
        if (atomic_load(&call->canceled)) {
            fail(call, HTTP_PROBLEM_CANCELED, "canceled");
            return;
        }
        step(call);
        if (is_ripe(call, for_head))
            return;
        if (call->idle_timeout_ms > 0 &&
            (clock_now_ns() - call->active_ns) / 1000000 >= (uint64_t)call->idle_timeout_ms) {
            fail(call, HTTP_PROBLEM_TIMEOUT, "nothing came for %d seconds",
                 (call->idle_timeout_ms + 999) / 1000);
            return;
        }
        int left = deadline == UINT64_MAX ? TURN_MS : milliseconds_left(deadline);
        if (left == 0)
            return;
        int wait = left < TURN_MS ? left : TURN_MS;
        if (call->idle_timeout_ms > 0 && call->idle_timeout_ms < wait)
            wait = call->idle_timeout_ms;
        curl_multi_poll(call->multi, NULL, 0, wait, NULL);
    }
}

static void drive(http_call *call, int timeout_ms, bool for_head)
{
    wait_for(call, timeout_ms, for_head);
    if (call->problem != HTTP_PROBLEM_NONE)
        detach(call);
}

http_pull http_call_head(http_call *call, int timeout_ms)
{
    drive(call, timeout_ms, true);
    if (call->have_head)
        return HTTP_PULL_END;
    return call->done ? HTTP_PULL_FAIL : HTTP_PULL_MORE;
}

static http_pull hand_over(http_call *call, buf *out)
{
    bool ok = buf_append(out, call->pending.data, call->pending.n);
    buf_clear(&call->pending);
    if (!ok) {
        fail(call, out->max ? HTTP_PROBLEM_LIMIT : HTTP_PROBLEM_MEMORY,
             "the answer is longer than the %zu bytes allowed here", out->max);
        return HTTP_PULL_FAIL;
    }
    if (call->paused) {
        call->paused = false;
        call->active_ns = clock_now_ns();
        if (call->attached)
            curl_easy_pause(call->easy, CURLPAUSE_CONT);
    }
    return HTTP_PULL_MORE;
}

http_pull http_call_pull(http_call *call, int timeout_ms, buf *out)
{
    drive(call, timeout_ms, false);
    if (call->pending.n > 0 && call->problem != HTTP_PROBLEM_CANCELED)
        return hand_over(call, out);
    if (call->problem != HTTP_PROBLEM_NONE)
        return HTTP_PULL_FAIL;
    return call->done ? HTTP_PULL_END : HTTP_PULL_MORE;
}

hearth_status http_call_fetch(http_call *call, const http_call_options *options, int timeout_ms,
                              buf *body, hearth_error *err)
{
    uint64_t deadline = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    TRY(http_call_start(call, options, err));
    for (;;) {
        int left = timeout_ms > 0 ? milliseconds_left(deadline) : -1;
        if (left == 0)
            fail(call, HTTP_PROBLEM_TIMEOUT, "no whole answer within %d ms", timeout_ms);
        http_pull got = http_call_pull(call, left, body);
        if (got == HTTP_PULL_END)
            return HEARTH_OK;
        if (got == HTTP_PULL_FAIL)
            return http_call_error(call, err);
    }
}

bool http_call_sleep(http_call *call, int ms)
{
    uint64_t deadline = clock_now_ns() + (uint64_t)ms * 1000000;
    detach(call);
    while (!atomic_load(&call->canceled)) {
        int left = milliseconds_left(deadline);
        if (left == 0)
            return true;
        curl_multi_poll(call->multi, NULL, 0, left, NULL);
    }
    return false;
}

/* ---- the answer ---- */

int http_call_status(const http_call *call)
{
    return call->have_head ? call->status : 0;
}

const char *http_call_header(const http_call *call, const char *name)
{
    for (size_t i = 0; i < call->n_headers; i++) {
        if (strcasecmp(call->head.data + call->at[i].name, name) == 0)
            return call->head.data + call->at[i].value;
    }
    return NULL;
}

size_t http_call_n_headers(const http_call *call)
{
    return call->n_headers;
}

void http_call_header_at(const http_call *call, size_t i, const char **name, const char **value)
{
    *name = call->head.data + call->at[i].name;
    *value = call->head.data + call->at[i].value;
}

const char *http_call_url(const http_call *call)
{
    return call->url ? call->url : "";
}
