/* SPDX-License-Identifier: MIT
 *
 * test_gguf_hostile.c - files that are wrong in one way each: refused with the right status and a
 * message that names the culprit, within the memory that gguf.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/gguf_bytes.h"
#include "support/gguf_hostile.h"
#include "support/gguf_walk.h"
#include "support/test_reference.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { CORPUS_MAX_BYTES = 4096 };

/* An allocation of exactly n bytes, so that a sanitizer sees the first byte beyond. */
static hearth_status open_exact(const void *bytes, size_t n, hearth_error *err)
{
    uint8_t *copy = mem_alloc(n);
    assert_non_null(copy);
    if (n > 0)
        memcpy(copy, bytes, n);
    gguf *g = NULL;
    uint64_t sum;
    hearth_status status = gguf_open_memory(&g, copy, n, NULL, err);
    if (status == HEARTH_OK)
        assert_true(gguf_walk(g, &sum));
    else
        assert_null(g);
    gguf_close(g);
    mem_free(copy);
    return status;
}

static void test_each_case(void **state)
{
    (void)state;
    const char *corpus = getenv("HEARTH_WRITE_CORPUS");
    for (size_t i = 0; i < gguf_n_cases; i++) {
        const gguf_case *c = &gguf_cases[i];
        hearth_error err = {0};
        buf b;
        buf_init(&b, 0);
        c->build(&b);
        hearth_status status = open_exact(b.data, b.n, &err);
        if (status != c->status || strstr(err.message, c->says) == NULL)
            fail_msg("%s: %s '%s', wanted %s '%s'", c->name, hearth_status_name(status),
                     err.message, hearth_status_name(c->status), c->says);
        if (corpus != NULL && b.n <= CORPUS_MAX_BYTES) {
            char path[PATH_MAX];
            snprintf(path, sizeof path, "%s/%s.gguf", corpus, c->name);
            assert_true(test_write_file(path, b.data, b.n));
        }
        buf_deinit(&b);
    }
}

/* A file cut anywhere is refused; nothing that is there was needed twice. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < gguf_n_cases; i++) {
        buf b;
        buf_init(&b, 0);
        gguf_cases[i].build(&b);
        for (size_t n = 0; n < b.n && n < 2048; n++) {
            hearth_error err = {0};
            if (gguf_cases[i].status == HEARTH_OK)
                assert_int_not_equal(open_exact(b.data, n, &err), HEARTH_OK);
            else
                open_exact(b.data, n, &err);
        }
        buf_deinit(&b);
    }
}

/* Hostile names reach messages as one line of valid text. */
static void test_message_is_clean(void **state)
{
    (void)state;
    hearth_error err = {0};
    buf b;
    buf_init(&b, 0);
    put_header(&b, 3, 0, 1);
    put_key(&b, "a\n\033[31m\377key", 99);
    put_zeros(&b, 16);
    assert_int_equal(open_exact(b.data, b.n, &err), HEARTH_EFORMAT);
    assert_non_null(strstr(err.message, "a??[31m?key"));
    buf_deinit(&b);
}

/* Many entries: constant time each, or this test would not end soon. */
static void test_many_entries(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    buf b;
    buf_init(&b, 0);
    put_header(&b, 3, MANY, MANY);
    for (int i = 0; i < MANY; i++) {
        char key[32];
        snprintf(key, sizeof key, "key.%d", i);
        put_key(&b, key, GGUF_BOOL);
        put_u8(&b, 1);
    }
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "blk.%d.weight", i);
        put_matrix(&b, name, 1, 1, 24, (uint64_t)i * 32);
    }
    put_padding(&b, 32);
    size_t header = b.n;
    put_zeros(&b, MANY * 32);
    hearth_error err = {0};
    assert_int_equal(open_exact(b.data, b.n, &err), HEARTH_OK);
    assert_int_not_equal(open_exact(b.data, header, &err), HEARTH_OK);
    buf_deinit(&b);
}

/* The promise of gguf.h, kept by the kernel: 64 MB beyond what the process has now. */
static int limit_memory(void **state)
{
    (void)state;
#ifndef SANITIZED
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu", &pages) != 1)
        return -1;
    fclose(file);
    struct rlimit limit = {(rlim_t)pages * 4096 + ((rlim_t)64 << 20), RLIM_INFINITY};
    return setrlimit(RLIMIT_AS, &limit);
#else
    return 0;
#endif
}

static int unlimit_memory(void **state)
{
    (void)state;
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_AS, &limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_case, limit_memory, unlimit_memory),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_message_is_clean),
        cmocka_unit_test(test_many_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
