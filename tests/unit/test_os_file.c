/* SPDX-License-Identifier: MIT
 *
 * test_os_file.c - reading whole files, and writing that leaves the old file or the new, never
 * less.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "os/file.h"
#include "support/test_reference.h"

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

static void expect_contents(const char *wanted, size_t wanted_n)
{
    char *bytes;
    size_t n;
    assert_int_equal(file_read_all(path, 1 << 24, &bytes, &n, &err), HEARTH_OK);
    assert_int_equal(n, wanted_n);
    assert_memory_equal(bytes, wanted, n);
    assert_int_equal(bytes[n], '\0');
    mem_free(bytes);
}

static int count_entries(void)
{
    int n = 0;
    DIR *stream = opendir(folder.path);
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(stream);
    return n;
}

static void test_read(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t n;
    assert_true(test_write_file(path, "a\0b", 3));
    expect_contents("a\0b", 3);
    assert_int_equal(file_read_all(path, 3, &bytes, &n, &err), HEARTH_OK);
    mem_free(bytes);
    bytes = NULL;
    assert_int_equal(file_read_all(path, 2, &bytes, &n, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "larger than the 2 bytes"));
    assert_int_equal(file_read_all(folder.path, 100, &bytes, &n, &err), HEARTH_EINVAL);
    assert_int_equal(file_read_all("/dev/zero", 100, &bytes, &n, &err), HEARTH_EINVAL);
    assert_int_equal(file_read_all("/nowhere/at/all", 100, &bytes, &n, &err), HEARTH_ENOTFOUND);
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
    assert_null(bytes);
    assert_true(test_write_file(path, "", 0));
    expect_contents("", 0);
}

static void test_commit(void **state)
{
    (void)state;
    enum { BIG = 300000 };
    file_writer *w;
    char *big = mem_alloc(BIG);
    assert_non_null(big);
    for (int i = 0; i < BIG; i++)
        big[i] = (char)(i * 7);
    assert_true(test_write_file(path, "old", 3));
    assert_int_equal(file_writer_open(&w, path, &err), HEARTH_OK);
    assert_int_equal(file_writer_write(w, big, 10, &err), HEARTH_OK);
    assert_int_equal(file_writer_write(w, big + 10, BIG - 20, &err), HEARTH_OK);
    assert_int_equal(file_writer_write(w, big + BIG - 10, 10, &err), HEARTH_OK);
    assert_int_equal(file_writer_write(w, NULL, 0, &err), HEARTH_OK);
    assert_int_equal(file_writer_offset(w), BIG);
    expect_contents("old", 3);
    assert_int_equal(file_writer_commit(w, &err), HEARTH_OK);
    file_writer_close(w);
    expect_contents(big, BIG);
    assert_int_equal(count_entries(), 1);
    mem_free(big);
}

static void test_abandon(void **state)
{
    (void)state;
    file_writer *w;
    assert_true(test_write_file(path, "old", 3));
    assert_int_equal(file_writer_open(&w, path, &err), HEARTH_OK);
    assert_int_equal(file_writer_write(w, "new", 3, &err), HEARTH_OK);
    file_writer_close(w);
    file_writer_close(NULL);
    expect_contents("old", 3);
    assert_int_equal(count_entries(), 1);
}

static void test_keeps_mode_and_link(void **state)
{
    (void)state;
    file_writer *w;
    char link_path[PATH_MAX];
    struct stat info;
    test_folder_path(&folder, "link", link_path);
    assert_true(test_write_file(path, "old", 3));
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(file_writer_open(&w, link_path, &err), HEARTH_OK);
    assert_int_equal(file_writer_write(w, "new", 3, &err), HEARTH_OK);
    assert_int_equal(file_writer_commit(w, &err), HEARTH_OK);
    file_writer_close(w);
    expect_contents("new", 3);
    assert_int_equal(lstat(link_path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_true(file_same(path, link_path));
    assert_int_equal(unlink(link_path), 0);
}

static void test_open_refused(void **state)
{
    (void)state;
    file_writer *w = NULL;
    assert_int_equal(file_writer_open(&w, "/dev/null", &err), HEARTH_EINVAL);
    assert_int_equal(file_writer_open(&w, folder.path, &err), HEARTH_EINVAL);
    assert_int_equal(file_writer_open(&w, "/nowhere/at/all", &err), HEARTH_ENOTFOUND);
    assert_null(w);
}

/* A write that fails, as on a full disk: here the process's limit on the size of a file. */
static void test_disk_full(void **state)
{
    (void)state;
    enum { LIMIT = 100000 };
    static const char block[LIMIT * 2];
    struct rlimit before, limit;
    file_writer *w;
    assert_true(test_write_file(path, "old", 3));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){LIMIT, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(file_writer_open(&w, path, &err), HEARTH_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    hearth_status written = file_writer_write(w, block, sizeof block, &err);
    hearth_status committed = file_writer_commit(w, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(written, HEARTH_EIO);
    assert_int_equal(committed, HEARTH_EIO);
    /* Room again does not make the missing bytes appear. */
    assert_int_equal(file_writer_commit(w, &err), HEARTH_EIO);
    file_writer_close(w);
    expect_contents("old", 3);
    assert_int_equal(count_entries(), 1);
}

static void test_questions(void **state)
{
    (void)state;
    char other[PATH_MAX];
    test_folder_path(&folder, "other", other);
    assert_true(test_write_file(path, "x", 1));
    assert_true(test_write_file(other, "x", 1));
    assert_true(file_exists(path));
    assert_false(file_exists("/nowhere/at/all"));
    assert_true(file_same(path, path));
    assert_false(file_same(path, other));
    assert_false(file_same(path, "/nowhere/at/all"));
    assert_int_equal(unlink(other), 0);
    assert_true(file_free_space(path) > 0);
    assert_true(file_free_space(other) != UINT64_MAX); /* absent, but its folder is there */
    assert_true(file_free_space("/nowhere/at/all") == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),         cmocka_unit_test(test_commit),
        cmocka_unit_test(test_abandon),      cmocka_unit_test(test_keeps_mode_and_link),
        cmocka_unit_test(test_open_refused), cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_questions),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
