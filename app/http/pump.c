/* SPDX-License-Identifier: MIT
 *
 * pump.c - see pump.h.
 *
 *     free ──pump_run──> lent ──readable──> busy ──> lent
 *      ^                  │                   └────> back (the source or the client needs a thread)
 *      └──────────────────┴── pump_run returns ───────┘
 *
 * A place's generation tells an event that was fetched before the place changed hands from one that
 * is of its present holder. The lock guards the places; a job's piece belongs to who has made the
 * place busy, without the lock.
 */
#include "http/pump.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/clock.h"

/* HEAD_ROOM: for the length of a chunk of less than 4 GiB and its line end. */
enum { PLACES = 256, EVENTS = 64, HEAD_ROOM = 10 };
#define END_TAG UINT64_MAX /* no generation and place make it: PLACES is smaller */

typedef struct place {
    pump_job *job; /* NULL: free */
    uint32_t generation;
    bool is_busy;   /* the pump's thread is at it */
    bool is_back;   /* end says why */
    bool is_wanted; /* pump_run waits for the end of is_busy */
    pump_end end;
    pthread_cond_t changed;
} place;

struct pump {
    int epoll, wake;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    place places[PLACES];
};

/* ---- the thread ---- */

/* Leaves room for the length, which is written when it is known. */
static bool begin_chunk(buf *piece)
{
    static const char room[HEAD_ROOM];
    buf_clear(piece);
    return buf_append(piece, room, HEAD_ROOM);
}

/* *start: where the chunk begins in the piece. False: out of memory. */
static bool end_chunk(buf *piece, size_t *start)
{
    size_t n = piece->n - HEAD_ROOM;
    *start = piece->n;
    if (n > UINT32_MAX || !buf_append(piece, "\r\n", 2))
        return false;
    char *at = piece->data + HEAD_ROOM;
    *--at = '\n';
    *--at = '\r';
    for (; n > 0; n >>= 4)
        *--at = "0123456789abcdef"[n & 15];
    *start = (size_t)(at - piece->data);
    return true;
}

bool pump_send(pump_job *job)
{
    while (!job->is_lost && job->n_sent < job->piece.n) {
        ssize_t n = send(job->client_fd, job->piece.data + job->n_sent, job->piece.n - job->n_sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        job->n_sent += (size_t)n;
    }
    return !job->is_lost;
}

/* Whether the job stays lent. The piece is empty afterwards if there was nothing to hand on. */
static bool move_piece(pump_job *job, pump_end *end)
{
    const http_stream *source = job->source;
    buf *piece = &job->piece;
    *end = PUMP_SOURCE;
    if (!begin_chunk(piece))
        return false;
    bool more = source->take(source->user, piece);
    if (piece->n == HEAD_ROOM) {
        buf_clear(piece);
        return more;
    }
    job->is_lost = !end_chunk(piece, &job->n_sent);
    if (pump_send(job) && job->n_sent == piece->n)
        return more;
    *end = PUMP_CLIENT;
    return false;
}

static void serve(pump *p, uint64_t tag)
{
    place *l = &p->places[(uint32_t)tag % PLACES];
    pthread_mutex_lock(&p->lock);
    bool mine = l->job && !l->is_back && l->generation == (uint32_t)(tag >> 32);
    l->is_busy = mine;
    pthread_mutex_unlock(&p->lock);
    if (!mine)
        return;
    pump_job *job = l->job;
    pump_end end;
    bool stays = move_piece(job, &end);
    uint64_t now = job->piece.n > 0 ? clock_now_ns() : 0;
    pthread_mutex_lock(&p->lock);
    if (now > 0)
        job->since_ns = now;
    l->end = end;
    l->is_back = !stays;
    l->is_busy = false;
    if (l->is_back || l->is_wanted)
        pthread_cond_signal(&l->changed);
    if (l->is_back)
        epoll_ctl(p->epoll, EPOLL_CTL_DEL, job->source_fd, NULL);
    pthread_mutex_unlock(&p->lock);
}

static void *run(void *user)
{
    pump *p = user;
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(p->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == END_TAG)
                return NULL;
            serve(p, events[i].data.u64);
        }
    }
}

/* ---- a job ---- */

static bool watch(pump *p, int fd, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = tag};
    return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* With the lock. NULL: there is no place, or the descriptor cannot be watched. */
static place *lend(pump *p, pump_job *job)
{
    for (uint32_t i = 0; i < PLACES; i++) {
        place *l = &p->places[i];
        if (l->job)
            continue;
        l->generation++;
        l->is_back = l->is_busy = l->is_wanted = false;
        if (!watch(p, job->source_fd, (uint64_t)l->generation << 32 | i))
            return NULL;
        l->job = job;
        return l;
    }
    return NULL;
}

/* With the lock: until something has changed, or for HTTP_PULL_MS. */
static void sleep_a_while(pump *p, place *l)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += HTTP_PULL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&l->changed, &p->lock, &until);
}

/* With the lock, which go_on does not need. */
static bool may_go_on(pump *p, pump_job *job)
{
    uint64_t now = clock_now_ns(), since = job->since_ns;
    pthread_mutex_unlock(&p->lock);
    bool go_on = job->go_on(job->user, now > since ? (now - since) / 1000000 : 0);
    pthread_mutex_lock(&p->lock);
    return go_on;
}

static pump_end take_back(pump *p, place *l)
{
    l->is_wanted = true;
    while (l->is_busy)
        pthread_cond_wait(&l->changed, &p->lock);
    pump_end end = l->is_back ? l->end : PUMP_TIMER;
    if (!l->is_back)
        epoll_ctl(p->epoll, EPOLL_CTL_DEL, l->job->source_fd, NULL);
    l->job = NULL;
    return end;
}

pump_end pump_run(pump *p, pump_job *job)
{
    pump_end end = PUMP_SOURCE;
    buf_clear(&job->piece);
    job->n_sent = 0;
    pthread_mutex_lock(&p->lock);
    place *l = lend(p, job);
    if (l) {
        do
            sleep_a_while(p, l);
        while (!l->is_back && may_go_on(p, job));
        end = take_back(p, l);
    }
    pthread_mutex_unlock(&p->lock);
    return end;
}

/* ---- life ---- */

hearth_status pump_new(pump **out, hearth_error *err)
{
    pump *p = mem_calloc(1, sizeof *p);
    pthread_condattr_t monotonic;
    *out = NULL;
    if (p == NULL)
        return error_no_memory(err, "the streams' thread", sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    for (uint32_t i = 0; i < PLACES; i++)
        pthread_cond_init(&p->places[i].changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok = p->epoll != -1 && p->wake != -1 && watch(p, p->wake, END_TAG);
    int code = ok ? pthread_create(&p->thread, NULL, run, p) : errno;
    p->is_running = ok && code == 0;
    if (!p->is_running) {
        pump_free(p);
        FAIL(err, EIO, "http", "no thread for streams: %s", strerror(code));
    }
    *out = p;
    return HEARTH_OK;
}

void pump_free(pump *p)
{
    const uint64_t one = 1;
    if (p == NULL)
        return;
    if (p->is_running && write(p->wake, &one, sizeof one) == sizeof one)
        pthread_join(p->thread, NULL);
    if (p->wake != -1)
        close(p->wake);
    if (p->epoll != -1)
        close(p->epoll);
    for (uint32_t i = 0; i < PLACES; i++)
        pthread_cond_destroy(&p->places[i].changed);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}
