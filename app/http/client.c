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
#include "http/client_state.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/clock.h"

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

void client_detach(http_call *call)
{
    if (call->attached)
        curl_multi_remove_handle(call->multi, call->easy);
    call->attached = false;
}

static void drop_request(http_call *call)
{
    client_detach(call);
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

/* The query is left out: it may hold a signature. */
void client_fail(http_call *call, http_problem problem, const char *format, ...)
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

/* ---- starting ---- */

static hearth_status take_header_lines(struct curl_slist **list, const char *const *lines, size_t n,
                                       hearth_error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t name = strcspn(lines[i], ":");
        if (name == 0 || lines[i][name] != ':' || strpbrk(lines[i], "\r\n"))
            FAIL(err, EINVAL, "headers", "'%.*s' is not a header: NAME: VALUE on one line",
                 (int)strcspn(lines[i], ":\r\n"), lines[i]);
        if (!client_append(list, lines[i]))
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
    client_forget_head(call);
    buf_clear(&call->pending);
    call->have_head = call->done = call->paused = call->refused = call->began_public = false;
    call->n_hops = 0;
    call->n_received = 0;
    call->problem = HTTP_PROBLEM_NONE;
    call->redirects = options->redirects;
    call->guarded = options->public_only;
    call->is_direct = options->is_stream;
    call->connect_timeout_ms =
        options->connect_timeout_ms ? options->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS;
    call->idle_timeout_ms = options->idle_timeout_ms;
    call->max_body = options->max_body;
    call->log = options->log ? *options->log : (hearth_log){0};
    hearth_status status = copy_request(call, options, err);
    if (status == HEARTH_OK) {
        call->here = call->first;
        if (atomic_load(&call->canceled))
            client_fail(call, HTTP_PROBLEM_CANCELED, "canceled");
        else
            client_begin_hop(call);
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
        client_fail(call, HTTP_PROBLEM_REFUSED,
                    "'%.80s' is not at a public address, and a public one led there",
                    call->here.host);
    else if (call->redirecting)
        client_follow(call);
    else if (code == CURLE_OK && call->is_framed && call->chunks.state != UNCHUNK_END)
        client_fail(call, HTTP_PROBLEM_LOST, "the answer ended in its middle");
    else if (code == CURLE_OK && call->have_head)
        call->done = true;
    else if (code == CURLE_OK)
        client_fail(call, HTTP_PROBLEM_PROTOCOL, "the answer has no head");
    else
        client_fail(call, problem_of(code), "%s",
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

/* The chunks of an answer are read without libcurl, from the socket that it is on, if there is no
 * doubt which one that is. All that libcurl has read it has given, unless it was paused. */
static void take_over(http_call *call)
{
    call->is_ours = call->is_framed && call->have_head && !call->done && call->n_sockets == 1 &&
                    !call->here.tls && !call->paused;
}

static void step(http_call *call)
{
    int n_running;
    if (call->is_ours) {
        client_read_direct(call);
        return;
    }
    CURLMcode code = curl_multi_perform(call->multi, &n_running);
    if (code != CURLM_OK)
        client_fail(call, HTTP_PROBLEM_MEMORY, "%s", curl_multi_strerror(code));
    else
        collect(call);
    if (!call->is_ours)
        take_over(call);
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

/* libcurl shortens a wait by timers of its own, which only run when it is asked to do something. */
static void sleep_until_readable(http_call *call, int ms)
{
    struct pollfd p = {.fd = call->fd, .events = POLLIN};
    if (call->is_ours)
        poll(&p, 1, ms < DIRECT_TURN_MS ? ms : DIRECT_TURN_MS);
    else
        curl_multi_poll(call->multi, NULL, 0, ms, NULL);
}

static void wait_for(http_call *call, int timeout_ms, bool for_head)
{
    uint64_t deadline =
        timeout_ms < 0 ? UINT64_MAX : clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    while (!is_ripe(call, for_head)) {
        if (atomic_load(&call->canceled)) {
            client_fail(call, HTTP_PROBLEM_CANCELED, "canceled");
            return;
        }
        step(call);
        if (is_ripe(call, for_head))
            return;
        if (call->idle_timeout_ms > 0 &&
            (clock_now_ns() - call->active_ns) / 1000000 >= (uint64_t)call->idle_timeout_ms) {
            client_fail(call, HTTP_PROBLEM_TIMEOUT, "nothing came for %d seconds",
                        (call->idle_timeout_ms + 999) / 1000);
            return;
        }
        int left = deadline == UINT64_MAX ? TURN_MS : milliseconds_left(deadline);
        if (left == 0)
            return;
        int wait = left < TURN_MS ? left : TURN_MS;
        if (call->idle_timeout_ms > 0 && call->idle_timeout_ms < wait)
            wait = call->idle_timeout_ms;
        sleep_until_readable(call, wait);
    }
}

static void drive(http_call *call, int timeout_ms, bool for_head)
{
    wait_for(call, timeout_ms, for_head);
    if (call->problem != HTTP_PROBLEM_NONE)
        client_detach(call);
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
        client_fail(call, out->max ? HTTP_PROBLEM_LIMIT : HTTP_PROBLEM_MEMORY,
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

int http_call_fd(const http_call *call)
{
    return call->is_ours && !call->done && call->pending.n == 0 ? call->fd : -1;
}

hearth_status http_call_read(http_call *call, int timeout_ms, buf *body, hearth_error *err)
{
    uint64_t deadline = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    for (;;) {
        int left = timeout_ms > 0 ? milliseconds_left(deadline) : -1;
        if (left == 0)
            client_fail(call, HTTP_PROBLEM_TIMEOUT, "no whole answer within %d ms", timeout_ms);
        http_pull got = http_call_pull(call, left, body);
        if (got == HTTP_PULL_END)
            return HEARTH_OK;
        if (got == HTTP_PULL_FAIL)
            return http_call_error(call, err);
    }
}

hearth_status http_call_fetch(http_call *call, const http_call_options *options, int timeout_ms,
                              buf *body, hearth_error *err)
{
    TRY(http_call_start(call, options, err));
    return http_call_read(call, timeout_ms, body, err);
}

bool http_call_sleep(http_call *call, int ms)
{
    uint64_t deadline = clock_now_ns() + (uint64_t)ms * 1000000;
    client_detach(call);
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
