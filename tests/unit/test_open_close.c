/* SPDX-License-Identifier: MIT
 *
 * test_open_close.c - a library that lives inside other programs: many threads that open, generate,
 * cancel and close, and a thousand rounds of opening and closing after which nothing is left
 * behind.
 */
#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <hearth/hearth.h>

#include "support/test_reference.h"
#include "support/tiny_model.h"

enum { N_THREADS = 16, N_ROUNDS = 4, N_OPEN_CLOSE = 1000, N_WARM = 100 };

static test_folder folder;
static char path[PATH_MAX];

static int write_model(void **state)
{
    (void)state;
    tiny_model_options o;
    test_folder_make(&folder);
    test_folder_path(&folder, "tiny.gguf", path);
    tiny_model_options_init(&o, "llama");
    tiny_model_write(path, &o);
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static hearth_status open_engine(hearth_model **model, hearth_engine **engine, hearth_error *err)
{
    hearth_engine_options o;
    hearth_engine_options_init(&o);
    o.n_ctx = 64;
    o.n_parallel = 2;
    o.n_threads = 1;
    hearth_status status = hearth_model_open(model, path, NULL, err);
    return status == HEARTH_OK ? hearth_engine_open(engine, *model, &o, err) : status;
}

static hearth_status submit(hearth_engine *engine, hearth_request **out, hearth_error *err)
{
    static const int32_t prompt[] = {3, 4, 5, 6};
    hearth_request_options o;
    hearth_request_options_init(&o);
    o.tokens = prompt;
    o.n_tokens = sizeof prompt / sizeof *prompt;
    o.max_tokens = 20;
    o.ignore_eos = true;
    return hearth_engine_submit(engine, &o, out, err);
}

/* ---- many threads ---- */

typedef struct visitor {
    pthread_t thread;
    int number;
    hearth_status status; /* the first that was not expected */
    hearth_error err;
} visitor;

static void *cancel(void *user)
{
    hearth_request_cancel(user);
    return NULL;
}

/* Reads to the end; in some rounds another thread cancels meanwhile, in some the engine is closed
 * first. */
static hearth_status visit(visitor *v, int round)
{
    hearth_model *model = NULL;
    hearth_engine *engine = NULL;
    hearth_request *request = NULL;
    hearth_request_event e = {.type = HEARTH_REQUEST_NONE};
    pthread_t other;
    bool cancels = (v->number + round) % 2 == 0, closes = (v->number + round) % 3 == 0;
    bool has_other = false;
    hearth_status status = open_engine(&model, &engine, &v->err);
    if (status == HEARTH_OK)
        status = submit(engine, &request, &v->err);
    if (status == HEARTH_OK && cancels)
        has_other = pthread_create(&other, NULL, cancel, request) == 0;
    if (status == HEARTH_OK && closes) {
        hearth_engine_close(engine);
        engine = NULL;
    }
    while (status == HEARTH_OK && e.type != HEARTH_REQUEST_DONE)
        status = hearth_request_next(request, -1, &e, &v->err);
    if (has_other)
        pthread_join(other, NULL);
    hearth_request_free(request);
    hearth_engine_close(engine);
    hearth_model_close(model);
    return status == HEARTH_ECANCELED && (cancels || closes) ? HEARTH_OK : status;
}

static void *run_visitor(void *user)
{
    visitor *v = user;
    for (int i = 0; i < N_ROUNDS && v->status == HEARTH_OK; i++)
        v->status = visit(v, i);
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    static visitor visitors[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        visitors[i].number = i;
        assert_int_equal(pthread_create(&visitors[i].thread, NULL, run_visitor, &visitors[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(visitors[i].thread, NULL);
        if (visitors[i].status != HEARTH_OK)
            fail_msg("thread %d: %s", i, visitors[i].err.message);
    }
}

/* ---- many rounds ---- */

static size_t n_entries(const char *of)
{
    size_t n = 0;
    DIR *dir = opendir(of);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static size_t n_mappings_of_model(void)
{
    char line[PATH_MAX + 128];
    size_t n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        n += strstr(line, path) != NULL;
    fclose(f);
    return n;
}

static void open_and_close(void)
{
    hearth_error err = {0};
    hearth_model *model = NULL;
    hearth_engine *engine = NULL;
    hearth_request *request = NULL;
    hearth_request_event e = {.type = HEARTH_REQUEST_NONE};
    hearth_status status = open_engine(&model, &engine, &err);
    if (status == HEARTH_OK)
        status = submit(engine, &request, &err);
    if (status == HEARTH_OK)
        status = hearth_request_next(request, -1, &e, &err);
    if (status != HEARTH_OK)
        fail_msg("%s", err.message);
    hearth_request_free(request);
    hearth_engine_close(engine);
    hearth_model_close(model);
}

/* Under a sanitizer the heap is its own, which tells of leaks by itself. */
static void test_many_rounds(void **state)
{
    (void)state;
    for (int i = 0; i < N_WARM; i++)
        open_and_close();
    struct mallinfo2 before = mallinfo2();
    size_t n_files = n_entries("/proc/self/fd");
    for (int i = 0; i < N_OPEN_CLOSE; i++)
        open_and_close();
    struct mallinfo2 after = mallinfo2();
    /* The smallest block of the heap is 32 bytes: half of that for every round is no leak, but what
     * the allocator itself keeps for threads that ended. */
    size_t slack = 16 * (size_t)N_OPEN_CLOSE;
    if (after.uordblks + after.hblkhd > before.uordblks + before.hblkhd + slack)
        fail_msg("%zu bytes of heap before, %zu after %d rounds", before.uordblks + before.hblkhd,
                 after.uordblks + after.hblkhd, N_OPEN_CLOSE);
    assert_int_equal(n_entries("/proc/self/fd"), n_files);
    assert_int_equal(n_mappings_of_model(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_many_rounds),
    };
    return cmocka_run_group_tests(tests, write_model, remove_model);
}
