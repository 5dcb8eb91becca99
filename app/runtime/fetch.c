/* SPDX-License-Identifier: MIT
 *
 * fetch.c - see fetch.h.
 *
 * libcurl tells which sockets it waits for (watch_socket) and when it wants to be woken
 * (set_timer); libuv's polls and timer do so. A finished transfer is taken from the multi handle
 * only from our own callbacks, never within one of libcurl's.
 */
#include "runtime/fetch.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct fetcher {
    uv_loop_t *loop;
    uv_timer_t timer;
    CURLM *multi;
    fetch *running;
    unsigned n_handles; /* of libuv, not closed yet */
};

struct fetch {
    fetcher *f;
    fetch *next, **link;
    CURL *easy;
    struct curl_slist *headers;
    buf body;
    fetch_done *done;
    void *user;
};

typedef struct watched {
    uv_poll_t poll;
    fetcher *f;
    curl_socket_t fd;
} watched;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- sockets and time ---- */

static void handle_closed(fetcher *f)
{
    if (--f->n_handles == 0)
        mem_free(f);
}

static void timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void poll_closed(uv_handle_t *handle)
{
    watched *w = handle->data;
    handle_closed(w->f);
    mem_free(w);
}

static void fetch_free(fetch *q)
{
    *q->link = q->next;
    if (q->next)
        q->next->link = q->link;
    curl_multi_remove_handle(q->f->multi, q->easy);
    curl_easy_cleanup(q->easy);
    curl_slist_free_all(q->headers);
    buf_deinit(&q->body);
    mem_free(q);
}

static void finish(fetch *q, CURLcode result)
{
    long status = 0;
    const char *problem = curl_easy_strerror(result);
    fetch_done *done = q->done;
    void *user = q->user;
    buf body = q->body;
    buf_init(&q->body, 0);
    if (result == CURLE_OK)
        curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
    fetch_free(q);
    if (status == 0)
        done(user, 0, problem, strlen(problem));
    else
        done(user, status, body.data ? body.data : "", body.n);
    buf_deinit(&body);
}

static void take_finished(fetcher *f)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(f->multi, &left)) != NULL) {
        fetch *q = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        const CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&q);
        finish(q, result);
    }
}

static void on_timer(uv_timer_t *timer)
{
    fetcher *f = timer->data;
    int running;
    curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_finished(f);
}

static void on_socket(uv_poll_t *poll, int status, int uv_events)
{
    const watched *w = poll->data;
    fetcher *f = w->f;
    int running, what = 0;
    if (status < 0)
        what = CURL_CSELECT_ERR;
    if (uv_events & UV_READABLE)
        what |= CURL_CSELECT_IN;
    if (uv_events & UV_WRITABLE)
        what |= CURL_CSELECT_OUT;
    curl_multi_socket_action(f->multi, w->fd, what, &running);
    take_finished(f);
}

static int set_timer(CURLM *multi, long timeout_ms, void *user)
{
    fetcher *f = user;
    (void)multi;
    /* At least 1 ms: libcurl must not be called from within itself. */
    if (timeout_ms < 0)
        uv_timer_stop(&f->timer);
    else
        uv_timer_start(&f->timer, on_timer, timeout_ms > 0 ? (uint64_t)timeout_ms : 1, 0);
    return 0;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *of_socket)
{
    fetcher *f = user;
    watched *w = of_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            curl_multi_assign(f->multi, fd, NULL);
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, poll_closed);
        }
        return 0;
    }
    if (w == NULL) {
        w = mem_calloc(1, sizeof *w);
        if (w == NULL)
            return -1;
        w->f = f;
        w->fd = fd;
        if (uv_poll_init_socket(f->loop, &w->poll, fd) != 0) {
            mem_free(w);
            return -1;
        }
        f->n_handles++;
        w->poll.data = w;
        curl_multi_assign(f->multi, fd, w);
    }
    uv_poll_start(&w->poll,
                  (what & CURL_POLL_IN ? UV_READABLE : 0) |
                      (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
                  on_socket);
    return 0;
}

/* ---- the fetcher ---- */

hearth_status fetcher_new(fetcher **out, uv_loop_t *loop, hearth_error *err)
{
    pthread_once(&once, start_curl);
    fetcher *f = mem_calloc(1, sizeof *f);
    CURLM *multi = f ? curl_multi_init() : NULL;
    if (multi == NULL) {
        mem_free(f);
        return error_no_memory(err, "HTTP requests", sizeof *f);
    }
    f->loop = loop;
    f->multi = multi;
    f->n_handles = 1;
    uv_timer_init(loop, &f->timer);
    f->timer.data = f;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, f);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, f);
    *out = f;
    return HEARTH_OK;
}

void fetcher_close(fetcher *f)
{
    if (f == NULL)
        return;
    while (f->running)
        fetch_free(f->running);
    curl_multi_cleanup(f->multi);
    uv_timer_stop(&f->timer);
    uv_close((uv_handle_t *)&f->timer, timer_closed);
}

/* ---- one request ---- */

static size_t take_body(char *bytes, size_t size, size_t n, void *user)
{
    fetch *q = user;
    return buf_append(&q->body, bytes, size * n) ? size * n : 0;
}

static bool set_up(fetch *q, const char *url, const char *key, uint32_t timeout_ms)
{
    CURL *e = q->easy;
    char header[600];
    if (key && *key) {
        if ((size_t)snprintf(header, sizeof header, "Authorization: Bearer %s", key) >=
            sizeof header)
            return false;
        q->headers = curl_slist_append(NULL, header);
        if (q->headers == NULL)
            return false;
    }
    bool ok = curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_HTTPHEADER, q->headers) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_NOPROXY, "127.0.0.1,localhost,::1") == CURLE_OK;
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, q);
    curl_easy_setopt(e, CURLOPT_PRIVATE, q);
    return ok;
}

hearth_status fetch_start(fetcher *f, const char *url, const char *key, uint32_t timeout_ms,
                          size_t max_bytes, fetch_done *done, void *user, fetch **out,
                          hearth_error *err)
{
    *out = NULL;
    fetch *q = mem_calloc(1, sizeof *q);
    if (q == NULL || (q->easy = curl_easy_init()) == NULL) {
        mem_free(q);
        return error_no_memory(err, "an HTTP request", sizeof *q);
    }
    q->f = f;
    q->done = done;
    q->user = user;
    buf_init(&q->body, max_bytes);
    q->next = f->running;
    if (q->next)
        q->next->link = &q->next;
    q->link = &f->running;
    f->running = q;
    if (!set_up(q, url, key, timeout_ms) || curl_multi_add_handle(f->multi, q->easy) != CURLM_OK) {
        fetch_free(q);
        FAIL(err, EINVAL, "url", "'%.200s' cannot be asked", url);
    }
    *out = q;
    return HEARTH_OK;
}

void fetch_cancel(fetch *q)
{
    if (q)
        fetch_free(q);
}
