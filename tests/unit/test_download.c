/* SPDX-License-Identifier: MIT
 *
 * test_download.c - the download object against a small server of ranges that can hold its breath:
 * events and their order, pausing from a callback, stopping, wrong sums, two at once.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "library/pull.h"
#include "library/sha256.h"
#include "os/file.h"
#include "os/thread.h"
#include "support/model_files.h"
#include "support/test_reference.h"

/* ---- the server ---- */

enum { CONNECTIONS = 16, PIECE = 16384 };

typedef struct server {
    int listener, port;
    char *bytes;
    size_t n;
    bool ranges;
    size_t hold_after; /* bytes of a body, until `open` */
    size_t cut_after;  /* of the first whole body, once; 0: never */
    bool open, ending;
    monitor door;
    thread acceptor;
    struct connection {
        struct server *s;
        thread thread;
        int fd;
    } connections[CONNECTIONS];
    size_t n_connections;
} server;

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool may_send_rest(server *s)
{
    monitor_lock(&s->door);
    while (!s->open && !s->ending)
        monitor_wait(&s->door, -1);
    bool ending = s->ending;
    monitor_unlock(&s->door);
    return !ending;
}

/* False: the connection is over. */
static bool answer(server *s, int fd, const char *request)
{
    char head[256];
    size_t from = 0, to = s->n - 1;
    const char *range = strstr(request, "Range: bytes=");
    bool part = s->ranges && range && sscanf(range + 13, "%zu-%zu", &from, &to) == 2;
    to = to < s->n ? to : s->n - 1;
    size_t n = to - from + 1;
    int used = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nETag: \"x\"\r\nContent-Length: %zu\r\n",
                        part ? "206 Partial" : "200 OK", n);
    if (part)
        used += snprintf(head + used, sizeof head - (size_t)used,
                         "Content-Range: bytes %zu-%zu/%zu\r\n", from, to, s->n);
    used += snprintf(head + used, sizeof head - (size_t)used, "\r\n");
    if (!send_all(fd, head, (size_t)used))
        return false;
    size_t cut = part || strstr(request, "bytes=0-0") ? 0 : s->cut_after;
    if (cut) {
        s->cut_after = 0;
        send_all(fd, s->bytes, cut);
        return false;
    }
    if (n <= s->hold_after)
        return send_all(fd, s->bytes + from, n);
    return send_all(fd, s->bytes + from, s->hold_after) && may_send_rest(s) &&
           send_all(fd, s->bytes + from + s->hold_after, n - s->hold_after);
}

static void talk(void *arg)
{
    struct connection *c = arg;
    char request[4096];
    size_t n = 0;
    for (;;) {
        ssize_t got = recv(c->fd, request + n, sizeof request - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        request[n] = '\0';
        if (strstr(request, "\r\n\r\n") == NULL)
            continue;
        if (!answer(c->s, c->fd, request))
            break;
        n = 0;
    }
    shutdown(c->fd, SHUT_RDWR);
}

static void accept_all(void *arg)
{
    server *s = arg;
    hearth_error err;
    for (int fd; (fd = accept(s->listener, NULL, NULL)) >= 0 && s->n_connections < CONNECTIONS;) {
        struct connection *c = &s->connections[s->n_connections++];
        c->s = s;
        c->fd = fd;
        thread_start(&c->thread, talk, c, "a test", &err);
    }
}

static void start(server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    hearth_error err;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(s->listener, CONNECTIONS), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &n), 0);
    s->port = ntohs(at.sin_port);
    monitor_init(&s->door);
    assert_int_equal(thread_start(&s->acceptor, accept_all, s, "a test", &err), HEARTH_OK);
}

static void set_open(server *s)
{
    monitor_lock(&s->door);
    s->open = true;
    monitor_wake(&s->door);
    monitor_unlock(&s->door);
}

static void stop(server *s)
{
    monitor_lock(&s->door);
    s->ending = true;
    monitor_wake(&s->door);
    monitor_unlock(&s->door);
    shutdown(s->listener, SHUT_RDWR);
    thread_join(&s->acceptor);
    for (size_t i = 0; i < s->n_connections; i++) {
        shutdown(s->connections[i].fd, SHUT_RDWR);
        thread_join(&s->connections[i].thread);
        close(s->connections[i].fd);
    }
    close(s->listener);
    monitor_deinit(&s->door);
}

/* ---- a home, a library, a model to serve ---- */

typedef struct scene {
    char home[64], path[128], url[128], sum[SHA256_HEX];
    library *l;
    server s;
} scene;

static int set_up(void **state)
{
    static const char *const unset[] = {"XDG_DATA_HOME", "XDG_CACHE_HOME", "HF_HUB_OFFLINE",
                                        "http_proxy",    "all_proxy",      "HF_HOME",
                                        "HF_HUB_CACHE",  "OLLAMA_MODELS"};
    scene *c = mem_calloc(1, sizeof *c);
    hearth_error err;
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++)
        unsetenv(unset[i]);
    assert_true(test_temporary(c->home, sizeof c->home));
    setenv("HOME", c->home, 1);
    snprintf(c->path, sizeof c->path, "%s/source.gguf", c->home);
    files_write_model(c->path, 64);
    assert_int_equal(sha256_file(c->path, NULL, 0, 0, c->sum, &err), HEARTH_OK);
    assert_int_equal(file_read_all(c->path, 16 << 20, &c->s.bytes, &c->s.n, &err), HEARTH_OK);
    c->s.ranges = true;
    c->s.hold_after = SIZE_MAX;
    start(&c->s);
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%d/m.gguf", c->s.port);
    assert_int_equal(library_open(&c->l, NULL, &err), HEARTH_OK);
    *state = c;
    return 0;
}

static int tear_down(void **state)
{
    scene *c = *state;
    library_close(c->l);
    stop(&c->s);
    mem_free(c->s.bytes);
    test_remove(c->home);
    mem_free(c);
    return 0;
}

/* ---- what was heard ---- */

typedef struct heard {
    monitor door;
    char kinds[4096]; /* a letter each: see below */
    size_t n;
    uint64_t transferred;
    bool went_back;
    bool pause_at_progress;
    download *d;
    char expected[SHA256_HEX], actual[SHA256_HEX];
    hearth_status error;
} heard;

/* STARTED, PROGRESS, PAUSED, RESUMED, VALIDATION_STARTED and _FAILED, SUCCESS, ERROR, STOPPED. */
static const char letters[] = "sphrvfSEX";

static void hear(void *user, const download_event *e)
{
    heard *h = user;
    monitor_lock(&h->door);
    h->went_back =
        h->went_back || e->transferred < h->transferred || (e->total && e->transferred > e->total);
    h->transferred = e->transferred;
    if (h->n < sizeof h->kinds - 1)
        h->kinds[h->n++] = letters[e->kind];
    if (e->kind == DOWNLOAD_VALIDATION_FAILED) {
        snprintf(h->expected, sizeof h->expected, "%s", e->expected);
        snprintf(h->actual, sizeof h->actual, "%s", e->actual);
    }
    h->error = e->error.code;
    bool pause = h->pause_at_progress && e->kind == DOWNLOAD_PROGRESS;
    h->pause_at_progress = h->pause_at_progress && !pause;
    while (pause && h->d == NULL)
        monitor_wait(&h->door, -1);
    download *d = h->d;
    monitor_wake(&h->door);
    monitor_unlock(&h->door);
    if (pause)
        download_pause(d);
}

static void wait_for(heard *h, char kind)
{
    monitor_lock(&h->door);
    while (memchr(h->kinds, kind, h->n) == NULL)
        monitor_wait(&h->door, -1);
    monitor_unlock(&h->door);
}

/* Progress left out: how often there is time to tell it is nobody's business. */
static const char *order_of(heard *h)
{
    static char order[64];
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (h->kinds[i] != 'p' && n < sizeof order - 1)
            order[n++] = h->kinds[i];
    }
    order[n] = '\0';
    return order;
}

static download *begin(scene *c, heard *h, const char *name, const char *sum)
{
    download *d = NULL;
    hearth_error err = {0};
    pull_options o = {.reference = c->url,
                      .name = name,
                      .sha256 = sum,
                      .chunk_bytes = PIECE,
                      .n_connections = 2,
                      .on_event = hear,
                      .user = h};
    monitor_init(&h->door);
    if (download_start(&d, c->l, &o, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    monitor_lock(&h->door);
    h->d = d;
    monitor_wake(&h->door);
    monitor_unlock(&h->door);
    return d;
}

static hearth_status finish(download *d, heard *h, const library_model **m)
{
    hearth_status status = HEARTH_EINTERNAL;
    hearth_error err = {0};
    assert_true(download_wait(d, -1, m, &status, &err));
    download_free(d);
    monitor_deinit(&h->door);
    assert_false(h->went_back);
    return status;
}

static bool exists(const scene *c, const char *below)
{
    char path[256];
    snprintf(path, sizeof path, "%s/.local/share/hearth/models/%s", c->home, below);
    return file_exists(path);
}

/* ---- tests ---- */

static void test_success(void **state)
{
    scene *c = *state;
    heard h = {.n = 0};
    const library_model *m = NULL;
    download *d = begin(c, &h, "a/b", c->sum);
    assert_int_equal(finish(d, &h, &m), HEARTH_OK);
    assert_string_equal(order_of(&h), "svS");
    assert_int_equal(h.transferred, c->s.n);
    assert_string_equal(m->name, "a/b");
    assert_string_equal(m->sha256, c->sum);
    assert_true(m->own_files);
    library_model_unref(m);
}

/* A pause is told, and holds; the bytes that came before it are not fetched again. */
static void test_pause_from_a_callback(void **state)
{
    scene *c = *state;
    heard h = {.pause_at_progress = true};
    download_status now;
    c->s.hold_after = PIECE + 100;
    download *d = begin(c, &h, "m", NULL);
    wait_for(&h, 'h');
    download_get_status(d, &now);
    assert_int_equal(now.state, DOWNLOAD_IS_PAUSED);
    assert_int_equal(now.total, c->s.n);
    set_open(&c->s);
    download_resume(d);
    download_resume(d); /* told once */
    assert_int_equal(finish(d, &h, NULL), HEARTH_OK);
    assert_string_equal(order_of(&h), "shrvS");
}

static void test_stop_keeps_what_came(void **state)
{
    scene *c = *state;
    heard h = {.n = 0};
    c->s.hold_after = PIECE + 100;
    download *d = begin(c, &h, "m", NULL);
    wait_for(&h, 'p');
    download_cancel(d, false);
    assert_int_equal(finish(d, &h, NULL), HEARTH_ECANCELED);
    assert_string_equal(order_of(&h), "sX");
    assert_true(exists(c, "m/m.gguf.part.state"));
    assert_false(exists(c, "m/model.yml"));
    set_open(&c->s);
    heard again = {.n = 0};
    const library_model *m = NULL;
    d = begin(c, &again, "m", NULL);
    assert_int_equal(finish(d, &again, &m), HEARTH_OK);
    assert_false(exists(c, "m/m.gguf.part"));
    library_model_unref(m);
}

/* What was given up can be seen, and the space had back; not while it is fetched. */
static void test_what_is_left_over(void **state)
{
    scene *c = *state;
    heard h = {.n = 0};
    library_partials partials;
    uint64_t freed = 0;
    hearth_error err;
    c->s.hold_after = PIECE + 100;
    download *d = begin(c, &h, "a/m", NULL);
    wait_for(&h, 'p');
    assert_int_equal(library_remove(c->l, "a/m", &freed, &err), HEARTH_EBUSY);
    download_cancel(d, false);
    assert_int_equal(finish(d, &h, NULL), HEARTH_ECANCELED);
    assert_int_equal(library_list_partials(c->l, &partials, &err), HEARTH_OK);
    assert_int_equal(partials.n, 1);
    assert_string_equal(partials.items[0].name, "a/m");
    assert_true(partials.items[0].bytes >= PIECE);
    library_partials_deinit(&partials);
    assert_int_equal(library_remove(c->l, "a/m", &freed, &err), HEARTH_OK);
    assert_true(freed >= PIECE);
    assert_false(exists(c, "a"));
    assert_int_equal(library_remove(c->l, "a/m", &freed, &err), HEARTH_ENOTFOUND);
}

static void test_stop_and_discard(void **state)
{
    scene *c = *state;
    heard h = {.n = 0};
    c->s.hold_after = PIECE + 100;
    download *d = begin(c, &h, "m", NULL);
    wait_for(&h, 'p');
    download_cancel(d, true);
    assert_int_equal(finish(d, &h, NULL), HEARTH_ECANCELED);
    assert_false(exists(c, "m"));
}

static void test_wrong_sum(void **state)
{
    scene *c = *state;
    heard h = {.n = 0};
    char sum[SHA256_HEX];
    memset(sum, 'a', sizeof sum - 1);
    sum[sizeof sum - 1] = '\0';
    download *d = begin(c, &h, "m", sum);
    assert_int_equal(finish(d, &h, NULL), HEARTH_EMISMATCH);
    assert_string_equal(order_of(&h), "svfE");
    assert_string_equal(h.expected, sum);
    assert_string_equal(h.actual, c->sum);
    assert_int_equal(h.error, HEARTH_EMISMATCH);
    assert_false(exists(c, "m"));
}

static void test_two_at_once(void **state)
{
    scene *c = *state;
    heard h = {.n = 0}, second = {.n = 0};
    c->s.hold_after = PIECE + 100;
    download *d = begin(c, &h, "m", NULL);
    wait_for(&h, 'p');
    download *other = begin(c, &second, "m", NULL);
    assert_int_equal(finish(other, &second, NULL), HEARTH_EBUSY);
    assert_string_equal(order_of(&second), "sE");
    set_open(&c->s);
    assert_int_equal(finish(d, &h, NULL), HEARTH_OK);
}

/* Without ranges what broke off begins anew; the progress does not. */
static void test_without_ranges(void **state)
{
    scene *c = *state;
    heard h = {.n = 0};
    c->s.ranges = false;
    c->s.cut_after = 2 * PIECE;
    download *d = begin(c, &h, "m", c->sum);
    assert_int_equal(finish(d, &h, NULL), HEARTH_OK);
    assert_string_equal(order_of(&h), "svS");
    assert_int_equal(h.transferred, c->s.n);
}

/* Freeing one that runs stops it. */
static void test_free_while_it_runs(void **state)
{
    scene *c = *state;
    heard h = {.n = 0};
    c->s.hold_after = PIECE + 100;
    download *d = begin(c, &h, "m", NULL);
    wait_for(&h, 'p');
    download_free(d);
    monitor_deinit(&h.door);
    assert_int_equal(h.kinds[h.n - 1], 'X');
}

static void test_what_is_told_at_once(void **state)
{
    scene *c = *state;
    download *d;
    hearth_error err;
    pull_options o = {.reference = "ember"};
    assert_int_equal(download_start(&d, c->l, &o, &err), HEARTH_EINVAL);
    o.reference = c->url;
    o.name = "a//b";
    assert_int_equal(download_start(&d, c->l, &o, &err), HEARTH_EINVAL);
    o.name = "m";
    o.sha256 = "12";
    assert_int_equal(download_start(&d, c->l, &o, &err), HEARTH_EINVAL);
    o.sha256 = NULL;
    o.n_connections = 99;
    assert_int_equal(download_start(&d, c->l, &o, &err), HEARTH_EINVAL);
    setenv("HF_HUB_OFFLINE", "1", 1);
    assert_int_equal(download_start(&d, c->l, &o, &err), HEARTH_EUNSUPPORTED);
    unsetenv("HF_HUB_OFFLINE");
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCENE(test_success),
        IN_SCENE(test_pause_from_a_callback),
        IN_SCENE(test_stop_keeps_what_came),
        IN_SCENE(test_what_is_left_over),
        IN_SCENE(test_stop_and_discard),
        IN_SCENE(test_wrong_sum),
        IN_SCENE(test_two_at_once),
        IN_SCENE(test_without_ranges),
        IN_SCENE(test_free_while_it_runs),
        IN_SCENE(test_what_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
