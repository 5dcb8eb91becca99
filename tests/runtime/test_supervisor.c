/* SPDX-License-Identifier: MIT
 *
 * test_supervisor.c - engines that behave, and engines that do not: what callers are told, who is
 * started again, who makes room, and that nobody is left behind.
 */
#include "runtime/rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static const char *self; /* this program */

static int setup(void **state)
{
    rig *r = test_calloc(1, sizeof *r);
    rig_init(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_deinit(*state);
    test_free(*state);
    return 0;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

/* A lease that must not be had; what is told instead. */
static runtime_failure refused(rig *r, const char *name, uint32_t timeout_ms, hearth_error *err)
{
    runtime_lease *lease = NULL;
    runtime_failure failure = {0};
    const runtime_wait wait = {.timeout_ms = timeout_ms};
    *err = (hearth_error){0};
    assert_int_not_equal(
        runtime_acquire(r->rt, name, RUNTIME_KEEP_DEFAULT, &wait, &lease, &failure, err),
        HEARTH_OK);
    assert_null(lease);
    return failure;
}

/* ---- a good one ---- */

static void a_model_is_loaded_at_first_use(void **state)
{
    rig *r = *state;
    long status;
    rig_start(r);
    runtime_lease *lease = rig_lease(r, "a");
    const runtime_endpoint *e = runtime_lease_endpoint(lease);
    assert_string_equal(e->model, "a");
    assert_int_equal(e->kind, ENGINE_BUILTIN);
    assert_int_equal(e->n_ctx, 512);
    assert_int_equal(strlen(e->key), 64);
    char key[65], model[64], alias[64];
    long parent;
    assert_int_equal(sscanf(rig_get(lease, "/environment", &status), "%64s %63s %63s %ld", key,
                            model, alias, &parent),
                     4);
    assert_string_equal(key, e->key);
    assert_string_equal(model, "ember");
    assert_string_equal(alias, "a");
    assert_int_equal(parent, getpid());
    json_t *loaded = rig_expect(r, EVENT_MODEL_LOADED);
    assert_string_equal(text_of(loaded, "model"), "a");
    json_t *o = runtime_find(r->rt, "a");
    assert_string_equal(text_of(o, "state"), "ready");
    assert_int_equal(json_integer_value(json_object_get(o, "n_in_flight")), 1);
    assert_true(json_integer_value(json_object_get(o, "port")) > 0);
    assert_null(json_object_get(o, "key"));
    char *log = runtime_log(r->rt, "a");
    assert_non_null(strstr(log, "the first line\n"));
    mem_free(log);
    json_decref(o);
    json_decref(loaded);
    int pid = rig_pid(r, "a");
    runtime_release(lease);
    assert_int_equal(runtime_unload(r->rt, "a", false, &(runtime_wait){0}, NULL), HEARTH_OK);
    assert_true(rig_wait_gone(pid));
    assert_null(runtime_find(r->rt, "a"));
}

typedef struct loader {
    rig *r;
    pthread_t thread;
    runtime_lease *lease;
} loader;

static void *load_a(void *user)
{
    loader *l = user;
    l->lease = rig_lease(l->r, "a");
    return NULL;
}

static void two_loads_of_one_model_are_one(void **state)
{
    rig *r = *state;
    loader loaders[8];
    rig_start(r);
    for (size_t i = 0; i < 8; i++) {
        loaders[i].r = r;
        pthread_create(&loaders[i].thread, NULL, load_a, &loaders[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(loaders[i].thread, NULL);
        assert_int_equal(runtime_lease_endpoint(loaders[i].lease)->generation, 1);
    }
    for (size_t i = 0; i < 8; i++)
        runtime_release(loaders[i].lease);
}

static void changed_settings_make_a_new_engine(void **state)
{
    rig *r = *state;
    rig_start(r);
    runtime_lease *first = rig_lease(r, "a");
    assert_int_equal(runtime_lease_endpoint(first)->n_ctx, 512);
    runtime_release(first);
    r->n_ctx = 1024;
    runtime_lease *second = rig_lease(r, "a");
    assert_int_equal(runtime_lease_endpoint(second)->n_ctx, 1024);
    assert_int_equal(runtime_lease_endpoint(second)->generation, 2);
    runtime_release(second);
    json_t *gone = rig_expect(r, EVENT_MODEL_UNLOADED);
    assert_string_equal(text_of(gone, "reason"), "settings");
    json_decref(gone);
}

static void unknown_models_are_not_found(void **state)
{
    rig *r = *state;
    hearth_error err;
    rig_start(r);
    runtime_failure failure = refused(r, "none", 0, &err);
    assert_int_equal(failure.code, RUNTIME_NOT_FOUND);
    assert_int_equal(err.code, HEARTH_ENOTFOUND);
}

/* ---- bad starts ---- */

static void an_exit_at_start_is_told_at_once(void **state)
{
    rig *r = *state;
    hearth_error err;
    rig_start(r);
    runtime_failure failure = refused(r, "a:refuse", PATIENCE_MS, &err);
    assert_int_equal(failure.code, RUNTIME_START_FAILED);
    assert_non_null(strstr(err.message, "exit code 1"));
    assert_non_null(strstr(err.message, "teapot"));
    assert_non_null(strstr(failure.log, "the first line\n"));
    runtime_failure_deinit(&failure);
    json_t *failed = rig_expect(r, EVENT_MODEL_FAILED);
    assert_string_equal(text_of(json_object_get(failed, "error"), "code"), "engine_start_failed");
    json_decref(failed);
    json_t *o = runtime_find(r->rt, "a");
    assert_string_equal(text_of(o, "state"), "failed");
    json_decref(o);
}

static void a_crash_at_start_is_tried_again_three_times(void **state)
{
    rig *r = *state;
    hearth_error err;
    rig_start(r);
    runtime_failure failure = refused(r, "a:segfault", PATIENCE_MS, &err);
    assert_int_equal(failure.code, RUNTIME_CRASHED);
    assert_non_null(strstr(err.message, "signal 11"));
    assert_non_null(strstr(failure.log, "the first line"));
    runtime_failure_deinit(&failure);
    for (int i = 0; i < 4; i++) {
        json_t *crashed = rig_expect(r, EVENT_ENGINE_CRASHED);
        assert_int_equal(json_is_null(json_object_get(crashed, "retry_ms")), i == 3);
        assert_int_equal(json_integer_value(json_object_get(crashed, "generation")), i + 1);
        json_decref(crashed);
    }
}

static void a_crash_at_the_first_start_alone_is_got_over(void **state)
{
    rig *r = *state;
    char name[128], gate[100];
    snprintf(gate, sizeof gate, "%s/once", r->folder);
    snprintf(name, sizeof name, "a:once:%s", gate);
    rig_start(r);
    runtime_lease *lease = rig_lease(r, name);
    assert_int_equal(runtime_lease_endpoint(lease)->generation, 2);
    runtime_release(lease);
    unlink(gate);
}

static void a_start_without_progress_ends(void **state)
{
    static const char *const names[] = {"a:silent", "b:loading", "c:garbage"};
    rig *r = *state;
    hearth_error err;
    r->options.start_ms = 300;
    rig_start(r);
    for (size_t i = 0; i < 3; i++) {
        runtime_failure failure = refused(r, names[i], PATIENCE_MS, &err);
        assert_int_equal(failure.code, RUNTIME_START_TIMEOUT);
        runtime_failure_deinit(&failure);
    }
    assert_int_equal(rig_pid(r, "a"), 0);
}

static void a_program_that_is_not_there_is_told(void **state)
{
    rig *r = *state;
    hearth_error err;
    r->options.engine_path = "/nowhere/hearth";
    rig_start(r);
    runtime_failure failure = refused(r, "a", PATIENCE_MS, &err);
    assert_int_equal(failure.code, RUNTIME_START_FAILED);
    assert_non_null(strstr(err.message, "/nowhere/hearth"));
    runtime_failure_deinit(&failure);
}

static bool says_no(void *user)
{
    atomic_fetch_add((atomic_int *)user, 1);
    return false;
}

static void a_load_that_nobody_wants_ends(void **state)
{
    rig *r = *state;
    runtime_lease *lease;
    runtime_failure failure;
    hearth_error err;
    atomic_int asked = 0;
    const runtime_wait wait = {.wanted = says_no, .user = &asked};
    rig_start(r);
    assert_int_equal(
        runtime_acquire(r->rt, "a:loading", RUNTIME_KEEP_DEFAULT, &wait, &lease, &failure, &err),
        HEARTH_ECANCELED);
    assert_int_equal(failure.code, RUNTIME_CANCELED);
    assert_true(atomic_load(&asked) > 0);
    const runtime_wait short_wait = {.timeout_ms = 1};
    assert_int_equal(runtime_acquire(r->rt, "b:loading", RUNTIME_KEEP_DEFAULT, &short_wait, &lease,
                                     &failure, &err),
                     HEARTH_EBUSY);
    assert_int_equal(failure.code, RUNTIME_DEADLINE);
    assert_int_equal(runtime_unload(r->rt, NULL, true, &(runtime_wait){0}, NULL), HEARTH_OK);
    json_t *list = runtime_list(r->rt);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

/* ---- bad lives ---- */

static void a_crash_in_use_is_explained(void **state)
{
    rig *r = *state;
    long status;
    runtime_failure failure;
    hearth_error err = {0};
    rig_start(r);
    runtime_lease *lease = rig_lease(r, "a");
    assert_int_equal(runtime_lease_why(lease, 1, &failure, &err), HEARTH_EIO);
    assert_int_equal(failure.code, RUNTIME_OTHER);
    rig_get(lease, "/die", &status);
    assert_int_equal(status, 0);
    assert_int_equal(runtime_lease_why(lease, PATIENCE_MS, &failure, &err), HEARTH_EIO);
    assert_int_equal(failure.code, RUNTIME_CRASHED);
    assert_non_null(strstr(err.message, "signal 9"));
    assert_non_null(strstr(err.message, "memory runs out"));
    assert_non_null(strstr(failure.log, "about to die"));
    runtime_failure_deinit(&failure);
    /* Asked again later, it is still known. */
    assert_int_equal(runtime_lease_why(lease, 1, &failure, &err), HEARTH_EIO);
    assert_int_equal(failure.code, RUNTIME_CRASHED);
    runtime_failure_deinit(&failure);
    runtime_lease *again = rig_lease(r, "a");
    assert_int_equal(runtime_lease_endpoint(again)->generation, 2);
    runtime_release(lease); /* of the first: the second engine's count is its own */
    json_t *o = runtime_find(r->rt, "a");
    assert_int_equal(json_integer_value(json_object_get(o, "n_in_flight")), 1);
    json_decref(o);
    runtime_release(again);
}

typedef struct computation {
    pthread_t thread;
    runtime_lease *lease;
    char path[128];
    long status;
} computation;

static void *compute(void *user)
{
    computation *c = user;
    rig_get(c->lease, c->path, &c->status);
    return NULL;
}

/* b hangs twice, so a computes without an answer for longer than one may be silent. */
static void an_engine_that_hangs_is_killed_and_a_busy_one_is_not(void **state)
{
    rig *r = *state;
    computation busy = {0};
    runtime_failure failure;
    hearth_error err = {0};
    long status;
    r->options.hang_ms = 600;
    rig_start(r);
    busy.lease = rig_lease(r, "a");
    snprintf(busy.path, sizeof busy.path, "/compute?%s/done", r->folder);
    pthread_create(&busy.thread, NULL, compute, &busy);
    for (int i = 0; i < 2; i++) {
        runtime_lease *lease = rig_lease(r, "b");
        int pid = rig_pid(r, "b");
        rig_get(lease, "/freeze", &status);
        assert_int_equal(status, 0);
        assert_int_equal(runtime_lease_why(lease, PATIENCE_MS, &failure, &err), HEARTH_EIO);
        assert_int_equal(failure.code, RUNTIME_CRASHED);
        assert_non_null(strstr(err.message, "no sign of life"));
        assert_true(rig_wait_gone(pid));
        runtime_failure_deinit(&failure);
        runtime_release(lease);
        json_t *crash = rig_expect(r, EVENT_ENGINE_CRASHED);
        assert_string_equal(text_of(crash, "model"), "b");
        json_decref(crash);
    }
    json_t *o = runtime_find(r->rt, "a");
    assert_int_equal(json_integer_value(json_object_get(o, "generation")),
                     runtime_lease_endpoint(busy.lease)->generation);
    json_decref(o);
    close(open(busy.path + strlen("/compute?"), O_CREAT | O_WRONLY, 0600));
    pthread_join(busy.thread, NULL);
    assert_int_equal(busy.status, 200);
    runtime_release(busy.lease);
    unlink(busy.path + strlen("/compute?"));
}

/* Its streams are what it is waited for; they will not end. */
static void an_engine_that_hangs_while_it_drains_is_killed(void **state)
{
    rig *r = *state;
    r->options.hang_ms = 600;
    rig_start(r);
    runtime_lease *lease = rig_lease(r, "a");
    int pid = rig_pid(r, "a");
    kill(pid, SIGSTOP);
    r->n_ctx = 1024; /* other settings: the first engine has to leave */
    runtime_lease *next = rig_lease(r, "a");
    assert_true(rig_wait_gone(pid));
    assert_int_equal(runtime_lease_endpoint(next)->generation, 2);
    runtime_release(lease);
    runtime_release(next);
}

static void a_flood_of_messages_hinders_nobody(void **state)
{
    rig *r = *state;
    rig_start(r);
    runtime_lease *flood = rig_lease(r, "a:flood");
    runtime_lease *other = rig_lease(r, "b:quiet-garbage");
    char *log = runtime_log(r->rt, "a");
    assert_true(strlen(log) < 128 << 10);
    mem_free(log);
    log = runtime_log(r->rt, "b");
    for (const char *c = log; *c; c++)
        assert_true((unsigned char)*c >= 32 || *c == '\n' || *c == '\t');
    mem_free(log);
    runtime_release(flood);
    runtime_release(other);
    assert_int_equal(runtime_unload(r->rt, NULL, false, &(runtime_wait){0}, NULL), HEARTH_OK);
}

static void who_ignores_the_request_to_end_is_killed(void **state)
{
    rig *r = *state;
    r->options.stop_ms = 50;
    rig_start(r);
    runtime_release(rig_lease(r, "a:deaf"));
    int pid = rig_pid(r, "a");
    assert_int_equal(runtime_unload(r->rt, "a", false, &(runtime_wait){0}, NULL), HEARTH_OK);
    assert_true(rig_wait_gone(pid));
    json_t *gone = rig_expect(r, EVENT_MODEL_UNLOADED);
    assert_string_equal(text_of(gone, "reason"), "asked");
    json_decref(gone);
}

static void a_load_is_ended_at_once(void **state)
{
    rig *r = *state;
    const runtime_wait wait = {.timeout_ms = PATIENCE_MS};
    r->options.stop_ms = 10 * PATIENCE_MS;
    rig_start(r);
    assert_int_equal(
        runtime_load(r->rt, "a:deaf:/nowhere/gate", RUNTIME_KEEP_DEFAULT, true, NULL, NULL, NULL),
        HEARTH_OK);
    for (bool starts = false; !starts;) {
        json_t *told = rig_expect(r, EVENT_MODEL_PROGRESS);
        starts = strcmp(text_of(told, "state"), "starting") == 0;
        json_decref(told);
    }
    assert_int_equal(runtime_unload(r->rt, "a", false, &wait, NULL), HEARTH_OK);
}

static void unloading_waits_for_requests_unless_forced(void **state)
{
    rig *r = *state;
    runtime_failure failure;
    hearth_error err = {0};
    r->options.drain_ms = 3600000;
    rig_start(r);
    runtime_lease *lease = rig_lease(r, "a");
    const runtime_wait short_wait = {.timeout_ms = 1};
    assert_int_equal(runtime_unload(r->rt, "a", false, &short_wait, NULL), HEARTH_EBUSY);
    json_t *o = runtime_find(r->rt, "a");
    assert_string_equal(text_of(o, "state"), "draining");
    json_decref(o);
    assert_int_equal(runtime_unload(r->rt, "a", true, &(runtime_wait){0}, NULL), HEARTH_OK);
    assert_int_equal(runtime_lease_why(lease, PATIENCE_MS, &failure, &err), HEARTH_ECANCELED);
    assert_int_equal(failure.code, RUNTIME_CANCELED);
    runtime_release(lease);
    assert_int_equal(runtime_unload(r->rt, "a", false, NULL, NULL), HEARTH_OK);
    assert_int_equal(runtime_unload(r->rt, "a", false, &(runtime_wait){0}, NULL), HEARTH_ENOTFOUND);
}

static void a_remote_engine_is_leased_with_its_own_key(void **state)
{
    rig *r = *state;
    hearth_error err;
    char url[128];
    rig_start(r);
    runtime_lease *local = rig_lease(r, "a");
    snprintf(url, sizeof url, "%s/v1/", runtime_lease_endpoint(local)->base_url);
    runtime_lease *remote = rig_lease(r, url);
    const runtime_endpoint *e = runtime_lease_endpoint(remote);
    assert_int_equal(e->kind, ENGINE_REMOTE);
    assert_string_equal(e->base_url, runtime_lease_endpoint(local)->base_url);
    assert_string_equal(e->key, "its-key");
    assert_string_equal(e->name, "its-name");
    assert_string_equal(e->model, "remote");
    runtime_release(remote);
    runtime_release(local);
    assert_int_equal(runtime_unload(r->rt, NULL, false, &(runtime_wait){0}, NULL), HEARTH_OK);
    runtime_failure failure = refused(r, url, PATIENCE_MS, &err);
    assert_int_equal(failure.code, RUNTIME_UNREACHABLE);
    runtime_failure_deinit(&failure);
    failure = refused(r, "http://user@host", PATIENCE_MS, &err);
    assert_int_equal(failure.code, RUNTIME_BAD_SETTINGS);
    runtime_failure_deinit(&failure);
}

static void unloading_a_load_cancels_those_who_wait(void **state)
{
    rig *r = *state;
    rig_start(r);
    assert_int_equal(runtime_load(r->rt, "a:loading", RUNTIME_KEEP_DEFAULT, true, NULL, NULL, NULL),
                     HEARTH_OK);
    while (rig_pid(r, "a") == 0)
        json_decref(rig_expect(r, EVENT_MODEL_PROGRESS));
    int pid = rig_pid(r, "a");
    assert_int_equal(runtime_unload(r->rt, "a", false, &(runtime_wait){0}, NULL), HEARTH_OK);
    assert_true(rig_wait_gone(pid));
    assert_null(runtime_find(r->rt, "a"));
}

/* ---- memory ---- */

static void who_was_used_least_recently_makes_room(void **state)
{
    rig *r = *state;
    rig_start(r);
    r->options.memory_bytes = rig_bytes(r) * 5 / 2; /* two of them */
    rig_stop(r);
    rig_start(r);
    runtime_release(rig_lease(r, "a"));
    runtime_release(rig_lease(r, "b"));
    runtime_release(rig_lease(r, "a"));
    runtime_release(rig_lease(r, "c"));
    json_t *gone = rig_expect(r, EVENT_MODEL_UNLOADED);
    assert_string_equal(text_of(gone, "model"), "b");
    assert_string_equal(text_of(gone, "reason"), "room");
    json_decref(gone);
    assert_true(rig_pid(r, "a") > 0 && rig_pid(r, "c") > 0);
}

static void who_is_in_use_or_pinned_stays(void **state)
{
    rig *r = *state;
    hearth_error err;
    rig_start(r);
    r->options.memory_bytes = rig_bytes(r) * 3 / 2; /* one */
    rig_stop(r);
    rig_start(r);
    runtime_lease *lease = rig_lease(r, "a");
    runtime_failure failure = refused(r, "b", 50, &err);
    assert_int_equal(failure.code, RUNTIME_DEADLINE);
    assert_true(rig_pid(r, "a") > 0);
    assert_int_equal(runtime_pin(r->rt, "a", true, NULL), HEARTH_OK);
    runtime_release(lease);
    failure = refused(r, "b", PATIENCE_MS, &err);
    assert_int_equal(failure.code, RUNTIME_NO_FIT);
    assert_int_equal(runtime_pin(r->rt, "a", false, NULL), HEARTH_OK);
    runtime_release(rig_lease(r, "b"));
    assert_int_equal(rig_pid(r, "a"), 0);
}

static void a_patient_load_closes_a_busy_engine(void **state)
{
    rig *r = *state;
    loader waiting = {.r = r};
    rig_start(r);
    r->options.memory_bytes = rig_bytes(r) * 3 / 2;
    r->options.patience_ms = 1;
    rig_stop(r);
    rig_start(r);
    runtime_lease *busy = rig_lease(r, "b");
    pthread_create(&waiting.thread, NULL, load_a, &waiting);
    for (;;) { /* until b takes nobody new */
        json_t *o = runtime_find(r->rt, "b");
        const bool draining = strcmp(text_of(o, "state"), "draining") == 0;
        json_decref(o);
        if (draining)
            break;
    }
    runtime_release(busy);
    pthread_join(waiting.thread, NULL);
    assert_int_equal(rig_pid(r, "b"), 0);
    runtime_release(waiting.lease);
}

static void who_is_not_used_leaves(void **state)
{
    rig *r = *state;
    r->options.idle_ms = 30;
    rig_start(r);
    runtime_lease *kept = rig_lease(r, "b");
    runtime_release(rig_lease(r, "a"));
    json_t *gone = rig_expect(r, EVENT_MODEL_UNLOADED);
    assert_string_equal(text_of(gone, "model"), "a");
    assert_string_equal(text_of(gone, "reason"), "idle");
    json_decref(gone);
    assert_true(rig_pid(r, "b") > 0);
    runtime_release(kept);
}

static void a_lease_can_say_how_long_to_keep(void **state)
{
    rig *r = *state;
    runtime_failure failure;
    rig_start(r);
    assert_int_equal(runtime_load(r->rt, "a", 0, false, NULL, &failure, NULL), HEARTH_OK);
    json_t *gone = rig_expect(r, EVENT_MODEL_UNLOADED);
    assert_string_equal(text_of(gone, "reason"), "idle");
    json_decref(gone);
    assert_int_equal(runtime_load(r->rt, "b", RUNTIME_KEEP_FOREVER, true, NULL, &failure, NULL),
                     HEARTH_OK);
    json_t *loaded = rig_expect(r, EVENT_MODEL_LOADED);
    assert_string_equal(text_of(loaded, "model"), "b");
    json_decref(loaded);
    json_t *o = runtime_find(r->rt, "b");
    assert_true(json_is_null(json_object_get(o, "expires_in_ms")));
    json_decref(o);
}

/* ---- the end ---- */

static void the_end_takes_all_along(void **state)
{
    rig *r = *state;
    r->options.stop_ms = 50;
    rig_start(r);
    runtime_release(rig_lease(r, "a"));
    runtime_release(rig_lease(r, "b:deaf"));
    assert_int_equal(runtime_load(r->rt, "c:loading", RUNTIME_KEEP_DEFAULT, true, NULL, NULL, NULL),
                     HEARTH_OK);
    int a = rig_pid(r, "a"), b = rig_pid(r, "b");
    rig_stop(r);
    assert_true(rig_wait_gone(a));
    assert_true(rig_wait_gone(b));
}

/* The program again, as a supervisor with an engine whose pid it tells; it waits to be killed. */
static int be_a_host(void)
{
    rig r;
    rig_init(&r);
    rig_start(&r);
    runtime_lease *lease = rig_lease(&r, "a:deaf");
    printf("%d\n", rig_pid(&r, "a"));
    fflush(stdout);
    (void)lease;
    while (pause() == -1)
        continue;
    return 0;
}

static void kill_9_of_the_supervisor_leaves_no_orphan(void **state)
{
    int pipe_fds[2], engine = 0, status;
    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t host = fork();
    if (host == 0) {
        dup2(pipe_fds[1], 1);
        execl(self, self, "--host", (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[1]);
    FILE *told = fdopen(pipe_fds[0], "r");
    char line[64];
    while (engine == 0 && fgets(line, sizeof line, told))
        engine = (int)strtol(line, NULL, 10);
    fclose(told);
    assert_true(engine > 0);
    assert_int_equal(kill(engine, 0), 0);
    kill(host, SIGKILL);
    waitpid(host, &status, 0);
    assert_true(rig_wait_gone(engine));
}

/* ---- looking on ---- */

/* A machine with one GPU, by what its nvidia-smi says. */
static void give_a_gpu(rig *r, char *program, size_t n)
{
    snprintf(program, n, "%s/smi", r->folder);
    FILE *f = fopen(program, "w");
    assert_non_null(f);
    fputs("#!/bin/sh\necho '0, Fake \"9\", GPU-1, 550.54.14, 8192, 6144, 37, 55'\n", f);
    fclose(f);
    assert_int_equal(chmod(program, 0700), 0);
    r->options.nvidia_smi = program;
}

static void telemetry_is_taken_while_somebody_looks(void **state)
{
    rig *r = *state;
    event_subscriber *watcher;
    event e;
    buf text;
    char smi[600];
    r->options.sample_ms = 20;
    give_a_gpu(r, smi, sizeof smi);
    rig_start(r);
    runtime_lease *lease = rig_lease(r, "a");
    json_t *first = runtime_telemetry(r->rt, 0); /* nobody has looked before */
    json_t *samples = json_object_get(first, "samples");
    assert_int_equal(json_array_size(samples), 1);
    json_t *engines = json_object_get(json_array_get(samples, 0), "engines");
    assert_string_equal(text_of(json_array_get(engines, 0), "model"), "a");
    json_decref(first);
    assert_int_equal(events_subscribe(&watcher, r->bus, EVENT_BIT(EVENT_TELEMETRY), 64, NULL),
                     HEARTH_OK);
    bool known = false;
    while (!known && events_next(watcher, PATIENCE_MS, &e)) {
        json_t *sample = json_loads(e.text, 0, NULL);
        json_t *of_a = json_array_get(json_object_get(sample, "engines"), 0);
        assert_string_equal(text_of(of_a, "model"), "a");
        assert_true(json_integer_value(json_object_get(of_a, "rss")) > 0);
        known = json_real_value(json_object_get(of_a, "cache")) == 0.25 &&
                json_array_size(json_object_get(sample, "gpus")) == 1;
        json_decref(sample);
    }
    assert_true(known);
    events_unsubscribe(watcher);
    json_t *all = runtime_telemetry(r->rt, 0);
    assert_true(json_array_size(json_object_get(all, "samples")) > 0);
    json_decref(all);
    buf_init(&text, 0);
    assert_true(runtime_metrics(r->rt, &text));
    const char *const told[] = {
        "\nhearth_engine_requests{model=\"a\"} 1\n",
        "\nllamacpp:kv_cache_usage_ratio{model=\"a\"} 0.25\n",
        "\nnode_memory_MemAvailable_bytes ",
        "\nhearth_cpu_ratio ",
        "\nDCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-1\",modelName=\"Fake \\\"9\\\"\"} 37\n",
        "\nDCGM_FI_DEV_FB_USED{gpu=\"0\",UUID=\"GPU-1\",modelName=\"Fake \\\"9\\\"\"} 2048\n",
    };
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        if (strstr(text.data, told[i]) == NULL)
            fail_msg("no %s in %s", told[i], text.data);
    }
    buf_deinit(&text);
    json_t *machine = runtime_machine(r->rt);
    assert_true(json_integer_value(json_object_get(json_object_get(machine, "memory"), "total")) >
                0);
    json_decref(machine);
    runtime_release(lease);
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1 && strcmp(argv[1], "--host") == 0)
        return be_a_host();
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_model_is_loaded_at_first_use),
        T(two_loads_of_one_model_are_one),
        T(changed_settings_make_a_new_engine),
        T(unknown_models_are_not_found),
        T(an_exit_at_start_is_told_at_once),
        T(a_crash_at_start_is_tried_again_three_times),
        T(a_crash_at_the_first_start_alone_is_got_over),
        T(a_start_without_progress_ends),
        T(a_program_that_is_not_there_is_told),
        T(a_load_that_nobody_wants_ends),
        T(a_crash_in_use_is_explained),
        T(an_engine_that_hangs_is_killed_and_a_busy_one_is_not),
        T(an_engine_that_hangs_while_it_drains_is_killed),
        T(a_flood_of_messages_hinders_nobody),
        T(who_ignores_the_request_to_end_is_killed),
        T(a_load_is_ended_at_once),
        T(unloading_waits_for_requests_unless_forced),
        T(a_remote_engine_is_leased_with_its_own_key),
        T(unloading_a_load_cancels_those_who_wait),
        T(who_was_used_least_recently_makes_room),
        T(who_is_in_use_or_pinned_stays),
        T(a_patient_load_closes_a_busy_engine),
        T(who_is_not_used_leaves),
        T(a_lease_can_say_how_long_to_keep),
        T(the_end_takes_all_along),
        T(kill_9_of_the_supervisor_leaves_no_orphan),
        T(telemetry_is_taken_while_somebody_looks),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
