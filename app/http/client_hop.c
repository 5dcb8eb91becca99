/* SPDX-License-Identifier: MIT
 *
 * client_hop.c - one hop of an HTTP call: its request, what libcurl tells of its answer, and
 * whether a redirect leads to another one. See client.c.
 */
#include "http/client_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/clock.h"

/* ---- what libcurl calls ---- */

static curl_socket_t make_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    http_call *call = user;
    (void)purpose;
    if (call->guarded && !call->proxy && origin_address_is_special(&address->addr)) {
        call->refused = true;
        return CURL_SOCKET_BAD;
    }
    call->n_sockets++;
    call->fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return call->fd;
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

void client_forget_head(http_call *call)
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
        client_fail(call, HTTP_PROBLEM_REFUSED, "it redirects to what is not a web address: %.100s",
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
        client_forget_head(call);
        return n;
    }
    if (n > 2 || (n == 2 && line[0] != '\r')) {
        if (keep_header(call, line, n))
            return n;
        client_fail(call, HTTP_PROBLEM_PROTOCOL,
                    "the answer's head is longer than %d bytes or %d lines", HEAD_BYTES_MAX,
                    HEADERS_MAX);
        return 0;
    }
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    call->status = (int)status;
    if (status < 200)
        return n; /* 100 Continue and the like: the answer comes after it */
    call->redirecting = is_redirect(call);
    call->have_head = !call->redirecting;
    const char *coding = call->is_direct ? http_call_header(call, "transfer-encoding") : NULL;
    call->is_framed = coding && strcasecmp(coding, "chunked") == 0;
    return call->problem == HTTP_PROBLEM_NONE ? n : 0;
}

/* What libcurl would have done with the chunks. */
static bool unframe(http_call *call, const char *bytes, size_t n)
{
    switch (unchunk_feed(&call->chunks, bytes, n, &call->pending)) {
    case UNCHUNK_END:
        call->done = true;
        return true;
    case UNCHUNK_BROKEN:
        client_fail(call, HTTP_PROBLEM_PROTOCOL, "the answer is not framed as its head says");
        return false;
    case UNCHUNK_MEMORY:
        client_fail(call, HTTP_PROBLEM_MEMORY, "out of memory");
        return false;
    default:
        return true;
    }
}

bool client_take(http_call *call, const char *bytes, size_t n)
{
    call->active_ns = clock_now_ns();
    if (call->max_body > 0 && n > call->max_body - call->n_received) {
        client_fail(call, HTTP_PROBLEM_LIMIT,
                    "the answer is longer than the %llu bytes allowed here",
                    (unsigned long long)call->max_body);
        return false;
    }
    call->n_received += n;
    if (call->is_framed)
        return unframe(call, bytes, n);
    if (!buf_append(&call->pending, bytes, n))
        client_fail(call, HTTP_PROBLEM_MEMORY, "out of memory");
    return call->problem == HTTP_PROBLEM_NONE;
}

void client_read_direct(http_call *call)
{
    char bytes[DIRECT_BYTES];
    ssize_t n = recv(call->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        client_take(call, bytes, (size_t)n);
    else if (n == 0)
        client_fail(call, HTTP_PROBLEM_LOST, "the answer ended in its middle");
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        client_fail(call, HTTP_PROBLEM_LOST, "%s", strerror(errno));
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
    http_call *call = user;
    size_t n = size * count;
    if (call->redirecting) {
        call->n_thrown_away += n;
        return call->n_thrown_away > REDIRECT_BODY_MAX ? 0 : n;
    }
    if (call->pending.n > 0 && call->pending.n + n > HTTP_CLIENT_AHEAD) {
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    return client_take(call, bytes, n) ? n : 0;
}

/* ---- a hop ---- */

bool client_append(struct curl_slist **list, const char *line)
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
        if (!client_append(list, from->data))
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
    if (!client_append(&call->sent, "Expect:") || !append_all(&call->sent, call->headers) ||
        (own && !append_all(&call->sent, call->private_headers)))
        return false;
    if (call->has_body && !has_header(call, "Content-Type") &&
        !client_append(&call->sent, "Content-Type:"))
        return false;
    if (!has_header(call, "Accept") && !client_append(&call->sent, "Accept: */*"))
        return false;
    if (call->bearer == NULL || !own)
        return true;
    snprintf(line, sizeof line, "Authorization: Bearer %s", call->bearer);
    return client_append(&call->sent, line);
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
    curl_easy_setopt(e, CURLOPT_HTTP_TRANSFER_DECODING, call->is_direct ? 0L : 1L);
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
void client_begin_hop(http_call *call)
{
    client_forget_head(call);
    call->redirecting = false;
    call->n_thrown_away = 0;
    call->reason[0] = '\0';
    call->is_ours = call->is_framed = false;
    call->chunks = (unchunk){0};
    call->n_sockets = 0;
    call->active_ns = clock_now_ns();
    call->proxy = call->unix_socket ? NULL : origin_proxy(&call->here);
    if (call->guarded && !call->unix_socket && origin_host_is_special(call->here.host)) {
        client_fail(call, HTTP_PROBLEM_REFUSED, "'%.80s' is not a public address", call->here.host);
        return;
    }
    if (!list_headers(call)) {
        client_fail(call, HTTP_PROBLEM_MEMORY, "out of memory");
        return;
    }
    set_options(call);
    log_write(&call->log, HEARTH_LOG_INFO, "%s %.*s", call->method, (int)strcspn(call->url, "?#"),
              call->url);
    CURLMcode code = curl_multi_add_handle(call->multi, call->easy);
    if (code != CURLM_OK) {
        client_fail(call, HTTP_PROBLEM_MEMORY, "%s", curl_multi_strerror(code));
        return;
    }
    call->attached = true;
}

static bool may_go_on(http_call *call, const origin *there, bool keeps_body)
{
    if (call->n_hops >= HTTP_REDIRECTS_MAX)
        client_fail(call, HTTP_PROBLEM_REFUSED, "more than %d redirects", HTTP_REDIRECTS_MAX);
    else if (call->here.tls && !there->tls)
        client_fail(call, HTTP_PROBLEM_REFUSED, "it redirects from https to http, '%.80s'",
                    there->host);
    else if (call->unix_socket && !origin_same(there, &call->here))
        client_fail(call, HTTP_PROBLEM_REFUSED, "it redirects away from its socket, to '%.80s'",
                    there->host);
    else if (keeps_body && !origin_same(there, &call->first))
        client_fail(call, HTTP_PROBLEM_REFUSED, "it redirects the request's body to '%.80s'",
                    there->host);
    return call->problem == HTTP_PROBLEM_NONE;
}

void client_follow(http_call *call)
{
    origin there;
    bool keeps = call->status == 307 || call->status == 308;
    client_detach(call);
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
    client_begin_hop(call);
}
