/* SPDX-License-Identifier: MIT
 *
 * test_os_map.c - mapped files: what is refused, and a file that shrinks while it is read, by one
 * thread and by many, with and without another handler for the same signal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "os/file_map.h"
#include "support/test_reference.h"

enum { FILE_BYTES = 1 << 20, N_READERS = 4 };

static test_folder folder;
static char path[PATH_MAX];
static hearth_error err;

static int setup(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "file", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static void write_ones(size_t n)
{
    uint8_t *bytes = mem_alloc(n);
    assert_non_null(bytes);
    memset(bytes, 1, n);
    assert_true(test_write_file(path, bytes, n));
    mem_free(bytes);
}

static size_t sum(const file_map *map)
{
    const volatile uint8_t *data = file_map_data(map);
    size_t total = 0;
    for (size_t i = 0; i < file_map_size(map); i++)
        total += data[i];
    return total;
}

static void test_contents(void **state)
{
    (void)state;
    file_map *map;
    write_ones(FILE_BYTES + 3);
    assert_int_equal(file_map_open(&map, path, &err), HEARTH_OK);
    assert_int_equal(file_map_size(map), FILE_BYTES + 3);
    assert_int_equal(sum(map), FILE_BYTES + 3);
    file_map_read_ahead(map, 5, 100);
    file_map_read_ahead(map, FILE_BYTES, SIZE_MAX);
    file_map_read_ahead(map, SIZE_MAX, SIZE_MAX);
    assert_false(file_map_is_lost(map));
    file_map_close(map);
    file_map_close(NULL);
}

static void test_refused(void **state)
{
    (void)state;
    file_map *map = NULL;
    char other[PATH_MAX];
    test_folder_path(&folder, "absent", other);
    assert_int_equal(file_map_open(&map, other, &err), HEARTH_ENOTFOUND);
    assert_int_equal(file_map_open(&map, folder.path, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "a folder"));
    assert_int_equal(file_map_open(&map, "/dev/null", &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "a device"));
    test_folder_path(&folder, "pipe", other);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_int_equal(file_map_open(&map, other, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "a pipe"));
    assert_null(map);
}

static void test_empty(void **state)
{
    (void)state;
    file_map *map;
    assert_true(test_write_file(path, "", 0));
    assert_int_equal(file_map_open(&map, path, &err), HEARTH_OK);
    assert_int_equal(file_map_size(map), 0);
    assert_non_null(file_map_data(map));
    file_map_read_ahead(map, 0, 1);
    assert_false(file_map_is_lost(map));
    file_map_close(map);
}

static void test_shrinks(void **state)
{
    (void)state;
    test_bus_handler_use();
    file_map *map, *other;
    char other_path[PATH_MAX];
    test_folder_path(&folder, "other", other_path);
    write_ones(FILE_BYTES);
    assert_true(test_write_file(other_path, "intact", 6));
    assert_int_equal(file_map_open(&other, other_path, &err), HEARTH_OK);
    assert_int_equal(file_map_open(&map, path, &err), HEARTH_OK);
    assert_int_equal(truncate(path, 8192), 0);
    assert_true(file_map_is_lost(map)); /* even before anything was read */
    assert_int_equal(sum(map), 8192);
    assert_int_equal(sum(map), 8192);
    /* Growing again does not bring the bytes back. */
    write_ones(FILE_BYTES);
    assert_true(file_map_is_lost(map));
    assert_false(file_map_is_lost(other));
    file_map_close(map);
    /* The slot is clean when it is used again. */
    assert_int_equal(file_map_open(&map, path, &err), HEARTH_OK);
    assert_false(file_map_is_lost(map));
    assert_int_equal(sum(map), FILE_BYTES);
    file_map_close(map);
    file_map_close(other);
}

static void *read_all(void *map)
{
    return (void *)sum(map);
}

static void test_shrinks_under_threads(void **state)
{
    (void)state;
    test_bus_handler_use();
    pthread_t threads[N_READERS];
    file_map *map;
    write_ones(FILE_BYTES);
    assert_int_equal(file_map_open(&map, path, &err), HEARTH_OK);
    for (int i = 0; i < N_READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, map), 0);
    assert_int_equal(truncate(path, 0), 0);
    for (int i = 0; i < N_READERS; i++) {
        void *total;
        assert_int_equal(pthread_join(threads[i], &total), 0);
        assert_true((size_t)total <= FILE_BYTES);
    }
    assert_int_equal(sum(map), 0);
    assert_true(file_map_is_lost(map));
    file_map_close(map);
}

/* Many mappings, opened and closed out of order. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 100 };
    file_map *maps[MANY];
    write_ones(8192);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++)
            assert_int_equal(file_map_open(&maps[i], path, &err), HEARTH_OK);
        for (int i = 0; i < MANY; i += 2)
            file_map_close(maps[i]);
        for (int i = 1; i < MANY; i += 2) {
            assert_int_equal(sum(maps[i]), 8192);
            file_map_close(maps[i]);
        }
    }
}

/* A fault that is not ours goes where it went before. Children, because it kills. */
static sigjmp_buf escape;

static void jump_out(int signal_number)
{
    (void)signal_number;
    siglongjmp(escape, 1);
}

static const volatile uint8_t *map_without_us(void)
{
    FILE *file = fopen(path, "rb");
    void *data = file ? mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(file), 0) : MAP_FAILED;
    if (data == MAP_FAILED || truncate(path, 0) != 0)
        _exit(9);
    return data;
}

static int child_result(int pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_passes_on_to_handler(void **state)
{
    (void)state;
    write_ones(8192);
    int pid = fork();
    if (pid == 0) {
        /* A new program, for a handler that was there before the library's. */
        execl("/proc/self/exe", "test", "handler", path, (char *)NULL);
        _exit(8);
    }
    assert_int_equal(child_result(pid), 0);
}

static void test_foreign_fault_kills(void **state)
{
    (void)state;
    write_ones(8192);
    int pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "test", "default", path, (char *)NULL);
        _exit(8);
    }
    int status = child_result(pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}

static int child(const char *mode, const char *file)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    file_map *map;
    snprintf(path, sizeof path, "%s", file);
    if (strcmp(mode, "handler") == 0)
        action.sa_handler = jump_out;
    /* Explicitly, because a sanitizer may have installed its own. */
    if (sigaction(SIGBUS, &action, NULL) != 0 || file_map_open(&map, path, NULL) != HEARTH_OK)
        return 7;
    const volatile uint8_t *foreign = map_without_us();
    if (sum(map) != 0 || !file_map_is_lost(map))
        return 6;
    if (sigsetjmp(escape, 1) == 0)
        return foreign[0] == 0 ? 5 : 4;
    file_map_close(map);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_shrinks),
        cmocka_unit_test(test_shrinks_under_threads),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_passes_on_to_handler),
        cmocka_unit_test(test_foreign_fault_kills),
    };
    if (argc == 3)
        return child(argv[1], argv[2]);
    test_bus_handler_prepare();
    return cmocka_run_group_tests(tests, setup, teardown);
}
