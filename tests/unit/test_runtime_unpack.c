/* SPDX-License-Identifier: MIT
 *
 * test_runtime_unpack.c - archives that want out: paths, links, devices and sizes that are refused,
 * and ordinary ones that are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "base/mem.h"
#include "os/file.h"
#include "runtime/unpack.h"
#include "support/test_reference.h"

static char work[64], archive_path[128], folder[128], outside[128];
static const unpack_limits limits = {1 << 20, 20};

typedef struct item {
    const char *path;
    mode_t kind;      /* AE_IFREG, ... */
    const char *text; /* contents, or a link's target */
    int mode;
    const char *hard;
} item;

static void write_archive(const item *items, size_t n, bool zip)
{
    struct archive *a = archive_write_new();
    if (zip) {
        archive_write_set_format_zip(a);
    } else {
        archive_write_set_format_pax_restricted(a);
        archive_write_add_filter_gzip(a);
    }
    assert_int_equal(archive_write_open_filename(a, archive_path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, items[i].path);
        archive_entry_set_filetype(e, items[i].kind);
        archive_entry_set_perm(e, (mode_t)(items[i].mode ? items[i].mode : 0644));
        if (items[i].kind == AE_IFLNK)
            archive_entry_set_symlink(e, items[i].text);
        if (items[i].hard)
            archive_entry_set_hardlink(e, items[i].hard);
        const bool has_data = items[i].kind == AE_IFREG && items[i].text && !items[i].hard;
        archive_entry_set_size(e, has_data ? (la_int64_t)strlen(items[i].text) : 0);
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        if (has_data)
            archive_write_data(a, items[i].text, strlen(items[i].text));
        archive_entry_free(e);
    }
    archive_write_close(a);
    archive_write_free(a);
}

static void empty_folder(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s' && mkdir '%s'", folder, folder);
    assert_int_equal(system(command), 0);
}

static hearth_status unpack(const item *items, size_t n, bool zip, hearth_error *err)
{
    empty_folder();
    write_archive(items, n, zip);
    return unpack_archive(archive_path, folder, &limits, NULL, err);
}

static bool is_there(const char *name)
{
    char path[256];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return lstat(path, &info) == 0;
}

static void ordinary_archives_are_unpacked(void **state)
{
    static const item items[] = {
        {"./", AE_IFDIR, NULL, 0755, NULL},
        {"./build/bin/", AE_IFDIR, NULL, 0755, NULL},
        {"./build/bin/llama-server", AE_IFREG, "program", 04755, NULL},
        {"./build/bin/libx.so.1", AE_IFREG, "library", 0666, NULL},
        {"./build/bin/libx.so", AE_IFLNK, "libx.so.1", 0777, NULL},
        {"deep/in/it", AE_IFREG, "", 0600, NULL},
        {"deep/up", AE_IFLNK, "../build/bin", 0777, NULL},
    };
    struct stat info;
    char path[256], *text;
    size_t n;
    (void)state;
    for (int zip = 0; zip < 2; zip++) {
        hearth_error err = {0};
        if (unpack(items, sizeof items / sizeof *items, zip, &err) != HEARTH_OK)
            fail_msg("%s", err.message);
        snprintf(path, sizeof path, "%s/build/bin/llama-server", folder);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 07777, 0755);
        snprintf(path, sizeof path, "%s/build/bin/libx.so", folder);
        assert_int_equal(file_read_all(path, 100, &text, &n, NULL), HEARTH_OK);
        assert_string_equal(text, "library");
        mem_free(text);
        assert_true(is_there("deep/in/it"));
    }
}

static void nothing_gets_out(void **state)
{
    char through[160];
    (void)state;
    snprintf(through, sizeof through, "%s/outside", work);
    const item hostile[] = {
        {"../outside", AE_IFREG, "x", 0, NULL},     {"a/../../outside", AE_IFREG, "x", 0, NULL},
        {"a/..", AE_IFREG, "x", 0, NULL},           {through, AE_IFREG, "x", 0, NULL},
        {"link", AE_IFLNK, "../outside", 0, NULL},  {"a/link", AE_IFLNK, "../../outside", 0, NULL},
        {"link", AE_IFLNK, "/etc/passwd", 0, NULL}, {"link", AE_IFLNK, "a/../../outside", 0, NULL},
        {"fifo", AE_IFIFO, NULL, 0, NULL},          {"device", AE_IFCHR, NULL, 0, NULL},
        {"hard", AE_IFREG, NULL, 0, "/etc/passwd"}, {"back\\slash", AE_IFREG, "x", 0, NULL},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        hearth_error err = {0};
        if (unpack(&hostile[i], 1, false, &err) != HEARTH_EFORMAT)
            fail_msg("'%s' was not refused: %s", hostile[i].path, err.message);
        assert_false(file_exists(outside));
    }
}

static void links_are_not_followed(void **state)
{
    const item items[] = {
        {"inner/", AE_IFDIR, NULL, 0755, NULL},
        {"link", AE_IFLNK, "inner", 0, NULL},
        {"link/file", AE_IFREG, "x", 0, NULL},
    };
    (void)state;
    assert_int_not_equal(unpack(items, 3, false, NULL), HEARTH_OK);
    assert_false(is_there("inner/file"));
    /* Nor is one replaced by a file, nor a file by another. */
    const item again[] = {
        {"file", AE_IFREG, "x", 0, NULL},
        {"file", AE_IFREG, "y", 0, NULL},
    };
    assert_int_not_equal(unpack(again, 2, false, NULL), HEARTH_OK);
}

static void limits_hold(void **state)
{
    static char big[(1 << 20) + 1];
    item many[21];
    hearth_error err = {0};
    (void)state;
    memset(big, 'b', sizeof big - 1);
    const item large[] = {{"a", AE_IFREG, big, 0, NULL}, {"b", AE_IFREG, "x", 0, NULL}};
    assert_int_equal(unpack(large, 1, true, &err), HEARTH_OK);
    assert_int_equal(unpack(large, 2, true, &err), HEARTH_EFORMAT);
    char names[21][8];
    for (size_t i = 0; i < 21; i++) {
        snprintf(names[i], sizeof names[i], "f%zu", i);
        many[i] = (item){names[i], AE_IFREG, "x", 0, NULL};
    }
    assert_int_equal(unpack(many, 20, false, &err), HEARTH_OK);
    assert_int_equal(unpack(many, 21, false, &err), HEARTH_EFORMAT);
}

static void broken_archives_are_refused(void **state)
{
    static const item items[] = {{"a", AE_IFREG, "some text that is long enough", 0, NULL}};
    hearth_error err = {0};
    struct stat info;
    (void)state;
    empty_folder();
    assert_int_equal(unpack_archive("/nowhere.zip", folder, &limits, NULL, &err), HEARTH_ENOTFOUND);
    write_archive(items, 1, false);
    assert_int_equal(stat(archive_path, &info), 0);
    for (off_t n = 0; n < info.st_size - 8; n++) { /* gzip's own trailer is not needed */
        write_archive(items, 1, false);
        assert_int_equal(truncate(archive_path, n), 0);
        empty_folder();
        assert_int_not_equal(unpack_archive(archive_path, folder, &limits, NULL, &err), HEARTH_OK);
    }
}

static int setup(void **state)
{
    (void)state;
    if (!test_temporary(work, sizeof work))
        return -1;
    snprintf(archive_path, sizeof archive_path, "%s/archive", work);
    snprintf(folder, sizeof folder, "%s/folder", work);
    snprintf(outside, sizeof outside, "%s/outside", work);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_remove(work);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_archives_are_unpacked), cmocka_unit_test(nothing_gets_out),
        cmocka_unit_test(links_are_not_followed),         cmocka_unit_test(limits_hold),
        cmocka_unit_test(broken_archives_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
