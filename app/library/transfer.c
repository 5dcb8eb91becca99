/* SPDX-License-Identifier: MIT
 *
 * transfer.c - see transfer.h.
 */
#include "library/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>

#include "base/log.h"
#include "base/mem.h"
#include "library/chunks.h"
#include "os/entropy.h"

enum {
    SPAN_MAX = 64,   /* pieces of one request */
    FIRST_TRIES = 4, /* before anything was fetched, somebody waits for the first word */
    LIES_MAX = 4,    /* answers that are wrong: such a server does not get better */
    TURN_MS = 200,   /* how long nobody looks at the watch */
    PAUSE_FIRST_MS = 250,
    PAUSE_MAX_MS = 30000,
    RETRY_AFTER_MAX_MS = 600000,
    HEAD_PAUSE_MAX_MS = 5000 /* somebody waits for a plan, and may ask again */
};

/* ---- the watch ---- */

void transfer_watch_init(transfer_watch *watch)
{
    monitor_init(&watch->door);
    watch->stopped = watch->paused = false;
    atomic_store(&watch->n_bytes, 0);
    watch->is_wanted = NULL;
}

void transfer_watch_deinit(transfer_watch *watch)
{
    monitor_deinit(&watch->door);
}

static bool is_wanted(const transfer_watch *watch)
{
    return watch->is_wanted == NULL || watch->is_wanted(watch->user);
}

bool transfer_is_stopped(transfer_watch *watch)
{
    monitor_lock(&watch->door);
    bool stopped = watch->stopped;
    monitor_unlock(&watch->door);
    return stopped || !is_wanted(watch);
}

bool transfer_may_go_on(transfer_watch *watch)
{
    monitor_lock(&watch->door);
    while (watch->paused && !watch->stopped)
        monitor_wait(&watch->door, -1);
    bool stopped = watch->stopped;
    monitor_unlock(&watch->door);
    return !stopped;
}

bool transfer_sleep(transfer_watch *watch, int64_t ms)
{
    bool stopped = transfer_is_stopped(watch);
    while (ms > 0 && !stopped) {
        int64_t step = watch->is_wanted && ms > TURN_MS ? TURN_MS : ms;
        monitor_lock(&watch->door);
        while (!watch->stopped && monitor_wait(&watch->door, step * 1000000))
            continue; /* a pause begins or ends: the wait begins again */
        monitor_unlock(&watch->door);
        stopped = transfer_is_stopped(watch);
        ms -= step;
    }
    return !stopped;
}

static bool is_interrupted(transfer_watch *watch)
{
    monitor_lock(&watch->door);
    bool interrupted = watch->stopped || watch->paused;
    monitor_unlock(&watch->door);
    return interrupted || !is_wanted(watch);
}

/* ---- trying again ---- */

typedef struct attempts {
    unsigned n; /* in a row, without a byte */
    unsigned n_max;
    unsigned n_lies; /* answers to another question, in all */
    hearth_error last;
} attempts;

/* Seconds, or a date (RFC 9110). 0: not told. */
static int64_t retry_after_ms(const http_call *call)
{
    const char *value = http_call_header(call, "retry-after");
    char *end;
    if (value == NULL)
        return 0;
    errno = 0;
    long long seconds = strtoll(value, &end, 10);
    if (end == value || *end || errno) {
        time_t then = curl_getdate(value, NULL);
        seconds = then < 0 ? 0 : (long long)(then - time(NULL));
    }
    if (seconds <= 0)
        return 0;
    return seconds < RETRY_AFTER_MAX_MS / 1000 ? seconds * 1000 : RETRY_AFTER_MAX_MS;
}

/* Up to half of it more, so that connections do not come back all at once. */
static int64_t jittered(int64_t ms)
{
    return ms + (int64_t)(entropy_u32() % (uint32_t)(ms / 2 + 1));
}

/* Whether to try again; then after a wait. */
static bool try_again(attempts *a, const transfer_options *o, int64_t told_ms)
{
    if (a->n + 1 >= a->n_max)
        return false;
    int64_t ms = (int64_t)PAUSE_FIRST_MS << a->n;
    ms = jittered(ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS);
    ms = told_ms > ms ? told_ms : ms;
    a->n++;
    log_write(o->log, HEARTH_LOG_INFO, "%s; again in %.1f s", a->last.message, (double)ms / 1000);
    return transfer_sleep(o->watch, ms);
}

static bool may_pass(int status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static bool problem_may_pass(http_problem problem)
{
    switch (problem) {
    case HTTP_PROBLEM_RESOLVE:
    case HTTP_PROBLEM_CONNECT:
    case HTTP_PROBLEM_TIMEOUT:
    case HTTP_PROBLEM_LOST:
    case HTTP_PROBLEM_PROTOCOL:
    case HTTP_PROBLEM_LIMIT: /* more bytes than were asked for */
        return true;
    default:
        return false;
    }
}

/* What a status means that is not the one hoped for. */
static hearth_status refuse(const http_call *call, const transfer_options *o, hearth_error *err)
{
    int status = http_call_status(call), n = (int)strcspn(http_call_url(call), "?#");
    const char *url = http_call_url(call);
    n = n < 200 ? n : 200;
    if (status == 401 || status == 403)
        FAIL(err, EINVAL, "download", "'%.*s' answers %d: %s", n, url, status,
             o->bearer ? "the key in HF_TOKEN may not read it; are its terms accepted there?"
                       : "it is private or gated; on a hub, accept its terms and set HF_TOKEN");
    if (status == 404 || status == 410)
        FAIL(err, ENOTFOUND, "download", "'%.*s' is not there (%d)", n, url, status);
    if (status == 429)
        FAIL(err, EBUSY, "download", "'%.*s' answers 429: too many requests%s", n, url,
             o->bearer ? "" : "; with HF_TOKEN more are allowed");
    if (status == 206)
        FAIL(err, EIO, "download", "'%.*s' sends other bytes than it was asked for", n, url);
    if (status >= 300 && status < 400)
        FAIL(err, EIO, "download", "'%.*s' leads (%d) to no address of http or https", n, url,
             status);
    FAIL(err, EIO, "download", "'%.*s' answers %d", n, url, status);
}

static void stopped_error(hearth_error *err)
{
    error_set(err, HEARTH_ECANCELED, "download", "the download was stopped");
}

static http_call_options request_of(const transfer_options *o)
{
    return (http_call_options){.url = o->url,
                               .bearer = o->bearer,
                               .redirects = HTTP_REDIRECT_FOLLOW,
                               .idle_timeout_ms = o->stall_ms,
                               .connect_timeout_ms = o->stall_ms < HTTP_CONNECT_TIMEOUT_MS
                                                         ? o->stall_ms
                                                         : HTTP_CONNECT_TIMEOUT_MS,
                               .log = o->log};
}

/* Waits for the head. FAIL also when it was stopped or paused meanwhile. */
static http_pull wait_for_head(http_call *call, transfer_watch *watch)
{
    for (;;) {
        http_pull got = http_call_head(call, TURN_MS);
        if (got != HTTP_PULL_MORE)
            return got;
        if (is_interrupted(watch))
            return HTTP_PULL_FAIL;
    }
}

/* ---- small documents ---- */

static hearth_status read_once(http_call *call, const http_call_options *request,
                               const transfer_options *o, buf *body, bool *passing,
                               hearth_error *err)
{
    *passing = false;
    buf_clear(body);
    TRY(http_call_start(call, request, err));
    for (;;) {
        http_pull got = http_call_pull(call, TURN_MS, body);
        if (got == HTTP_PULL_FAIL) {
            *passing = problem_may_pass(http_call_problem(call)) &&
                       http_call_problem(call) != HTTP_PROBLEM_LIMIT;
            return http_call_error(call, err);
        }
        if (got == HTTP_PULL_END)
            break;
        if (transfer_is_stopped(o->watch)) {
            stopped_error(err);
            return HEARTH_ECANCELED;
        }
    }
    if (http_call_status(call) == 200)
        return HEARTH_OK;
    *passing = may_pass(http_call_status(call));
    return refuse(call, o, err);
}

hearth_status transfer_read(const char *url, const char *bearer, const char *accept,
                            const transfer_options *options, buf *body, hearth_error *err)
{
    transfer_options o = *options;
    attempts tries = {.n_max = FIRST_TRIES};
    http_call *call;
    hearth_status status;
    bool passing;
    o.url = url;
    o.bearer = bearer;
    http_call_options request = request_of(&o);
    request.headers = &accept;
    request.n_headers = accept ? 1 : 0;
    TRY(http_call_new(&call, err));
    do {
        status = read_once(call, &request, &o, body, &passing, &tries.last);
    } while (status != HEARTH_OK && passing && try_again(&tries, &o, retry_after_ms(call)));
    http_call_free(call);
    if (status != HEARTH_OK && err)
        *err = tries.last;
    if (status != HEARTH_OK && transfer_is_stopped(o.watch)) {
        stopped_error(err);
        return HEARTH_ECANCELED;
    }
    return status;
}

/* ---- the first look ---- */

typedef struct look {
    uint64_t size; /* 0: not told */
    bool ranges;
    char identity[512];
} look;

/* "bytes 0-0/123". */
static bool read_content_range(const char *value, uint64_t *from, uint64_t *to, uint64_t *size)
{
    return value && strncasecmp(value, "bytes ", 6) == 0 &&
           sscanf(value + 6, "%" SCNu64 "-%" SCNu64 "/%" SCNu64, from, to, size) == 3;
}

static bool read_length(const http_call *call, uint64_t *out)
{
    const char *value = http_call_header(call, "content-length");
    return value && sscanf(value, "%" SCNu64, out) == 1;
}

/* A weak ETag may stand for other bytes. */
static void read_identity(const http_call *call, const transfer_options *o, look *l)
{
    const char *tag = http_call_header(call, "etag"),
               *date = http_call_header(call, "last-modified");
    if (o->identity)
        snprintf(l->identity, sizeof l->identity, "%s", o->identity);
    else if (tag && strncmp(tag, "W/", 2) != 0)
        snprintf(l->identity, sizeof l->identity, "%.500s", tag);
    else if (date)
        snprintf(l->identity, sizeof l->identity, "%.100s %.380s", date, o->url);
    else
        l->identity[0] = '\0';
}

static hearth_status look_once(http_call *call, const transfer_options *o, look *out, bool *passing,
                               hearth_error *err)
{
    static const char *const range[] = {"Range: bytes=0-0"};
    http_call_options request = request_of(o);
    uint64_t from, to;
    request.headers = range;
    request.n_headers = 1;
    *passing = false;
    TRY(http_call_start(call, &request, err));
    if (wait_for_head(call, o->watch) == HTTP_PULL_FAIL) {
        *passing = problem_may_pass(http_call_problem(call));
        hearth_status status = http_call_error(call, err);
        if (status != HEARTH_OK)
            return status;
        *passing = true; /* paused, or stopped, as try_again finds */
        stopped_error(err);
        return HEARTH_ECANCELED;
    }
    *out = (look){.size = 0};
    read_identity(call, o, out);
    if (http_call_status(call) == 206 &&
        read_content_range(http_call_header(call, "content-range"), &from, &to, &out->size) &&
        from == 0 && to == 0) {
        out->ranges = true;
        return HEARTH_OK;
    }
    if (http_call_status(call) == 200) {
        read_length(call, &out->size);
        return HEARTH_OK;
    }
    *passing = may_pass(http_call_status(call)) || http_call_status(call) == 206;
    return refuse(call, o, err);
}

static hearth_status look_at(const transfer_options *o, look *out, hearth_error *err)
{
    attempts tries = {.n_max = FIRST_TRIES};
    http_call *call;
    hearth_status status = HEARTH_ECANCELED;
    bool passing = false;
    TRY(http_call_new(&call, err));
    do {
        if (!transfer_may_go_on(o->watch)) {
            stopped_error(&tries.last);
            status = HEARTH_ECANCELED;
            break;
        }
        status = look_once(call, o, out, &passing, &tries.last);
    } while (status != HEARTH_OK && passing && try_again(&tries, o, retry_after_ms(call)));
    http_call_free(call);
    if (status != HEARTH_OK && err)
        *err = tries.last;
    if (status == HEARTH_OK && o->size && out->size && out->size != o->size)
        FAIL(err, EMISMATCH, "download",
             "the file has %" PRIu64 " bytes where it should have %" PRIu64
             "; it may just be changing: try again later",
             out->size, o->size);
    if (status == HEARTH_OK && out->size == 0)
        out->size = o->size;
    return status;
}

hearth_status transfer_look(const transfer_options *options, uint64_t *size, hearth_error *err)
{
    look l;
    TRY(look_at(options, &l, err));
    *size = l.size;
    return HEARTH_OK;
}

/* ---- the beginning ---- */

typedef struct head {
    const transfer_options *o;
    http_call *call;
    buf *body;
    uint64_t size; /* 0: not known yet */
    attempts tries;
} head;

/* What the answer's status and fields say of the bytes that follow. */
static hearth_status check_head(head *h, bool *passing)
{
    uint64_t from, to, size = 0;
    hearth_error *err = &h->tries.last;
    int status = http_call_status(h->call);
    *passing = ++h->tries.n_lies < LIES_MAX;
    if (status == 206 &&
        read_content_range(http_call_header(h->call, "content-range"), &from, &to, &size)) {
        if (from != h->body->n)
            FAIL(err, EIO, "download", "the server sent other bytes than were asked for");
    } else if (status == 200) { /* all of it, from the beginning */
        buf_clear(h->body);
        read_length(h->call, &size);
    } else {
        h->tries.n_lies--;
        *passing = may_pass(status);
        return refuse(h->call, h->o, err);
    }
    h->tries.n_lies--;
    size = size ? size : h->size;
    *passing = false;
    if (size == 0)
        FAIL(err, EFORMAT, "download", "the server does not tell how long the file is");
    if (h->size && size != h->size)
        FAIL(err, EMISMATCH, "download",
             "the file has %" PRIu64 " bytes where it should have %" PRIu64, size, h->size);
    h->size = size;
    return HEARTH_OK;
}

/* Once: the bytes from those that are there up to and without `want`. An answer that ends early is
 * a broken connection. */
static hearth_status read_head_once(head *h, uint64_t want, bool *passing)
{
    char range[96];
    const char *headers[] = {range};
    hearth_error *err = &h->tries.last;
    http_call_options request = request_of(h->o);
    snprintf(range, sizeof range, "Range: bytes=%zu-%" PRIu64, h->body->n, want - 1);
    request.headers = headers;
    request.n_headers = 1;
    *passing = false;
    TRY(http_call_start(h->call, &request, err));
    http_pull got = wait_for_head(h->call, h->o->watch);
    if (got != HTTP_PULL_FAIL)
        TRY(check_head(h, passing));
    want = want < h->size || h->size == 0 ? want : h->size;
    while (got != HTTP_PULL_FAIL && h->body->n < want) {
        got = http_call_pull(h->call, TURN_MS, h->body);
        if (got == HTTP_PULL_END && h->body->n < want) {
            *passing = true;
            FAIL(err, EIO, "download", "the server sent too few bytes");
        }
        if (is_interrupted(h->o->watch))
            break;
    }
    if (h->body->n >= want && h->size) {
        h->body->n = (size_t)want;
        return HEARTH_OK;
    }
    *passing = problem_may_pass(http_call_problem(h->call));
    TRY(http_call_error(h->call, err));
    stopped_error(err);
    return HEARTH_ECANCELED;
}

static hearth_status read_head(head *h, uint64_t want, hearth_error *err)
{
    hearth_status status;
    bool passing;
    h->tries.n = 0;
    do {
        status = read_head_once(h, want, &passing);
    } while (status != HEARTH_OK && passing && retry_after_ms(h->call) <= HEAD_PAUSE_MAX_MS &&
             try_again(&h->tries, h->o, retry_after_ms(h->call)));
    if (status != HEARTH_OK && transfer_is_stopped(h->o->watch)) {
        stopped_error(err);
        return HEARTH_ECANCELED;
    }
    if (status != HEARTH_OK && err)
        *err = h->tries.last;
    return status;
}

hearth_status transfer_head(const transfer_options *o, uint64_t first, uint64_t max,
                            uint64_t (*needs)(const void *bytes, size_t n), buf *body,
                            uint64_t *size, hearth_error *err)
{
    head h = {.o = o, .body = body, .size = o->size, .tries = {.n_max = FIRST_TRIES}};
    hearth_status status = HEARTH_OK;
    TRY(http_call_new(&h.call, err));
    buf_clear(body);
    for (uint64_t want = first < max ? first : max;;) {
        status = read_head(&h, want, err);
        const uint64_t need = status == HEARTH_OK ? needs(body->data, body->n) : 0;
        if (need > h.size && status == HEARTH_OK)
            status = error_set(err, HEARTH_EFORMAT, "download",
                               "the file ends inside its header, after %" PRIu64
                               " bytes; it may be cut off",
                               h.size);
        else if (need > max)
            status = error_set(err, HEARTH_EFORMAT, "download",
                               "the file's header is longer than %" PRIu64 " bytes", max);
        if (status != HEARTH_OK || need <= body->n)
            break;
        want = need > 2 * want ? need : 2 * want;
        want = want < max ? want : max;
    }
    http_call_free(h.call);
    *size = h.size;
    return status;
}

/* ---- pieces ---- */

typedef struct job {
    const transfer_options *o;
    look look;
    chunks *c;
    monitor door;
    size_t next;      /* the first piece that nobody has taken */
    hearth_error err; /* of the first that failed */
} job;

typedef struct worker {
    job *j;
    thread thread;
    http_call *call;
    buf piece;
} worker;

static bool job_has_failed(job *j)
{
    monitor_lock(&j->door);
    bool failed = j->err.code != HEARTH_OK;
    monitor_unlock(&j->door);
    return failed;
}

static void fail_job(job *j, const hearth_error *err)
{
    monitor_lock(&j->door);
    if (j->err.code == HEARTH_OK)
        j->err = *err;
    monitor_unlock(&j->door);
}

/* Pieces in a row, for one request: many while much is left, one at the end, so that no connection
 * is alone with the rest. */
typedef struct span {
    size_t piece, n;  /* the piece that is being fetched, and how many with it */
    uint64_t at, end; /* bytes */
} span;

static bool take_span(job *j, span *out)
{
    size_t count = chunks_count(j->c);
    uint64_t begin, n;
    monitor_lock(&j->door);
    while (j->next < count && chunks_is_done(j->c, j->next))
        j->next++;
    bool taken = j->next < count && j->err.code == HEARTH_OK;
    if (taken) {
        size_t most = (count - j->next) / (4 * (size_t)j->o->n_connections) + 1;
        *out = (span){.piece = j->next, .n = 0};
        while (out->n < most && out->n < SPAN_MAX && j->next < count &&
               !chunks_is_done(j->c, j->next)) {
            chunks_place(j->c, j->next++, &begin, &n);
            out->at = out->n++ == 0 ? begin : out->at;
            out->end = begin + n;
        }
    }
    monitor_unlock(&j->door);
    return taken;
}

/* Marks the pieces that are whole now. */
static hearth_status mark_pieces(job *j, span *s, hearth_error *err)
{
    uint64_t begin, n;
    while (s->n > 0) {
        chunks_place(j->c, s->piece, &begin, &n);
        if (begin + n > s->at || j->look.size == 0)
            break;
        TRY(chunks_mark(j->c, s->piece, err));
        s->piece++;
        s->n--;
    }
    return HEARTH_OK;
}

/* The head of an answer to a range: from `at` up to and without `end`. */
static hearth_status check_range(const http_call *call, const job *j, uint64_t at, uint64_t end,
                                 attempts *tries, bool *passing)
{
    uint64_t from, to, size;
    int status = http_call_status(call);
    hearth_error *err = &tries->last;
    *passing = ++tries->n_lies < LIES_MAX;
    if (!j->look.ranges && status == 200) {
        tries->n_lies--;
        return HEARTH_OK;
    }
    if (status == 206 &&
        read_content_range(http_call_header(call, "content-range"), &from, &to, &size)) {
        if (from == at && to < end && to >= from && size == j->look.size) {
            tries->n_lies--;
            return HEARTH_OK;
        }
        if (size != j->look.size) {
            *passing = false;
            FAIL(err, EMISMATCH, "download", "the file changed while it was fetched; start again");
        }
        FAIL(err, EIO, "download",
             "the server sent bytes %" PRIu64 " to %" PRIu64 " where %" PRIu64 " to %" PRIu64
             " were asked for",
             from, to, at, end - 1);
    }
    if (status == 200 || status == 206)
        FAIL(err, EIO, "download", "the server no longer serves ranges of the file");
    tries->n_lies--;
    *passing = may_pass(status);
    return refuse(call, j->o, err);
}

/* Pulls what there is into the file. A clean end before the span's is OK, too. */
static hearth_status take_body(worker *w, span *s, attempts *tries, bool *passing)
{
    hearth_error *err = &tries->last;
    job *j = w->j;
    for (;;) {
        buf_clear(&w->piece);
        http_pull got = http_call_pull(w->call, TURN_MS, &w->piece);
        size_t n = w->piece.n;
        if (n > s->end - s->at) {
            *passing = ++tries->n_lies < LIES_MAX;
            FAIL(err, EIO, "download", "the server sent more bytes than were asked for");
        }
        *passing = false;
        if (n > 0)
            TRY(chunks_write(j->c, s->at, w->piece.data, n, err));
        s->at += n;
        atomic_fetch_add(&j->o->watch->n_bytes, n);
        TRY(mark_pieces(j, s, err));
        if (got == HTTP_PULL_END)
            return HEARTH_OK;
        if (got == HTTP_PULL_FAIL) {
            *passing = problem_may_pass(http_call_problem(w->call));
            return http_call_error(w->call, err);
        }
        if (is_interrupted(j->o->watch) || job_has_failed(j)) {
            *passing = true;
            stopped_error(err);
            return HEARTH_ECANCELED;
        }
    }
}

static hearth_status fetch_once(worker *w, span *s, attempts *tries, bool *passing)
{
    hearth_error *err = &tries->last;
    char range[96];
    const char *headers[] = {range};
    job *j = w->j;
    http_call_options request = request_of(j->o);
    snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-%" PRIu64, s->at, s->end - 1);
    request.headers = headers;
    request.n_headers = j->look.ranges ? 1 : 0;
    *passing = false;
    TRY(http_call_start(w->call, &request, err));
    if (wait_for_head(w->call, j->o->watch) == HTTP_PULL_FAIL) {
        hearth_status status = http_call_error(w->call, err);
        *passing = status == HEARTH_OK || problem_may_pass(http_call_problem(w->call));
        if (status == HEARTH_OK) {
            stopped_error(err);
            status = HEARTH_ECANCELED;
        }
        return status;
    }
    TRY(check_range(w->call, j, s->at, s->end, tries, passing));
    return take_body(w, s, tries, passing);
}

/* Without ranges every answer begins at the beginning. */
static void begin_again(job *j, span *s)
{
    atomic_fetch_sub(&j->o->watch->n_bytes, s->at);
    s->at = 0;
}

/* Whether to ask again for what is missing of the span, after a wait if nothing came. */
static bool goes_on(worker *w, span *s, hearth_status status, bool passing, bool moved,
                    attempts *tries)
{
    job *j = w->j;
    if (moved && j->look.ranges)
        tries->n = 0;
    if (!j->look.ranges && s->at > 0)
        begin_again(j, s);
    if (status == HEARTH_OK) {
        error_set(&tries->last, HEARTH_EIO, "download", "the server sent too few bytes");
        passing = true;
    }
    if (!passing)
        return false;
    bool waits = status != HEARTH_ECANCELED && !(moved && j->look.ranges);
    return !waits || try_again(tries, j->o, retry_after_ms(w->call));
}

static hearth_status fetch_span(worker *w, span *s, hearth_error *err)
{
    job *j = w->j;
    attempts tries = {.n_max = TRANSFER_TRIES};
    bool open_end = j->look.size == 0, passing;
    if (open_end)
        s->end = UINT64_MAX;
    while (s->at < s->end) {
        uint64_t before = s->at;
        if (is_interrupted(j->o->watch))
            http_call_sleep(w->call, 0); /* lets go of the connection */
        if (!transfer_may_go_on(j->o->watch)) {
            stopped_error(err);
            return HEARTH_ECANCELED;
        }
        if (job_has_failed(j))
            return HEARTH_ECANCELED;
        hearth_status status = fetch_once(w, s, &tries, &passing);
        if (status == HEARTH_OK && (s->at == s->end || open_end))
            break;
        if (!goes_on(w, s, status, passing, s->at > before, &tries)) {
            *err = tries.last;
            return tries.last.code;
        }
    }
    return open_end ? chunks_mark(j->c, s->piece, err) : HEARTH_OK;
}

static void work(void *arg)
{
    worker *w = arg;
    span s;
    hearth_error err = {0};
    while (take_span(w->j, &s)) {
        if (fetch_span(w, &s, &err) != HEARTH_OK) {
            if (err.code != HEARTH_OK)
                fail_job(w->j, &err);
            return;
        }
    }
}

static hearth_status run_workers(job *j, hearth_error *err)
{
    worker workers[TRANSFER_CONNECTIONS_MAX] = {0};
    size_t n = j->look.ranges ? j->o->n_connections : 1, n_made = 0;
    hearth_status status = HEARTH_OK;
    for (; n_made < n && status == HEARTH_OK; n_made++) {
        worker *w = &workers[n_made];
        w->j = j;
        buf_init(&w->piece, 0);
        status = http_call_new(&w->call, err);
        if (status == HEARTH_OK)
            status = thread_start(&w->thread, work, w, "a download", err);
    }
    if (status != HEARTH_OK && n_made > 1)
        status = HEARTH_OK; /* fewer connections will do */
    for (size_t i = 0; i < n_made; i++) {
        thread_join(&workers[i].thread);
        http_call_free(workers[i].call);
        buf_deinit(&workers[i].piece);
    }
    if (j->err.code != HEARTH_OK && err)
        *err = j->err;
    return j->err.code != HEARTH_OK ? j->err.code : status;
}

hearth_status transfer_run(chunks **out, const transfer_options *o, hearth_error *err)
{
    job j = {.o = o};
    hearth_status status;
    atomic_store(&o->watch->n_bytes, 0);
    TRY(look_at(o, &j.look, err));
    bool resumable = j.look.ranges && j.look.size > 0 && j.look.identity[0];
    uint64_t piece = j.look.ranges && j.look.size > 0 ? o->chunk_bytes
                     : j.look.size                    ? j.look.size
                                                      : 1;
    if (!resumable)
        chunks_discard(o->part);
    j.look.ranges = j.look.ranges && j.look.size > 0;
    TRY(chunks_open(&j.c, o->part, j.look.size, piece, j.look.identity, err));
    atomic_store(&o->watch->n_bytes, chunks_done_bytes(j.c));
    monitor_init(&j.door);
    status = run_workers(&j, err);
    monitor_deinit(&j.door);
    if (status != HEARTH_OK) {
        chunks_close(j.c);
        if (!resumable)
            chunks_discard(o->part);
        return status;
    }
    *out = j.c;
    return HEARTH_OK;
}
