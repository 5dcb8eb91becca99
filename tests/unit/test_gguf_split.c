/* SPDX-License-Identifier: MIT
 *
 * test_gguf_split.c - models in several files: opened from any part, and refused when the parts do
 * not belong together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/file.h"
#include "support/gguf_bytes.h"
#include "support/gguf_walk.h"
#include "support/test_reference.h"

static test_folder folder;
static hearth_error err;

static int setup(void **state)
{
    (void)state;
    return test_folder_make(&folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

typedef struct part_spec {
    uint16_t no, count;
    int32_t n_tensors;  /* that the whole set is said to have */
    const char *tensor; /* the one this part has */
} part_spec;

static void part_path(char path[PATH_MAX], int no)
{
    char name[64];
    snprintf(name, sizeof name, "model-%05d-of-00003.gguf", no + 1);
    test_folder_path(&folder, name, path);
}

static void write_part_as(const char *path, const part_spec *spec)
{
    buf b;
    buf_init(&b, 0);
    put_header(&b, 3, 1, 4);
    put_key_u16(&b, "split.no", spec->no);
    put_key_u16(&b, "split.count", spec->count);
    put_key(&b, "split.tensors.count", GGUF_I32);
    put_u32(&b, (uint32_t)spec->n_tensors);
    put_key_text(&b, "part", spec->tensor);
    put_matrix(&b, spec->tensor, 1, 1, 24, 0);
    put_padding(&b, 32);
    put_u8(&b, (uint8_t)spec->tensor[0]);
    assert_true(test_write_file(path, b.data, b.n));
    buf_deinit(&b);
}

static void write_part(part_spec spec)
{
    char path[PATH_MAX];
    part_path(path, spec.no);
    write_part_as(path, &spec);
}

static void write_good_set(void)
{
    write_part((part_spec){0, 3, 3, "a"});
    write_part((part_spec){1, 3, 3, "b"});
    write_part((part_spec){2, 3, 3, "c"});
}

static void expect_failure(hearth_status wanted, const char *says)
{
    char path[PATH_MAX];
    gguf *g = NULL;
    part_path(path, 0);
    hearth_status status = gguf_open(&g, path, NULL, &err);
    if (status != wanted || strstr(err.message, says) == NULL)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
    assert_null(g);
}

static void test_from_any_part(void **state)
{
    (void)state;
    write_good_set();
    for (int no = 0; no < 3; no++) {
        char path[PATH_MAX], first[PATH_MAX];
        gguf *g;
        uint64_t sum;
        part_path(path, no);
        part_path(first, 0);
        assert_int_equal(gguf_open(&g, path, NULL, &err), HEARTH_OK);
        assert_string_equal(gguf_path(g), first);
        assert_true(gguf_walk(g, &sum));
        assert_int_equal(gguf_n_parts(g), 3);
        assert_int_equal(gguf_n_tensors(g), 3);
        for (int i = 0; i < 3; i++) {
            char name[2] = {(char)('a' + i), 0};
            const gguf_tensor *tensor = gguf_find_tensor(g, name);
            assert_int_equal(tensor->part, i);
            assert_int_equal(tensor->data[0], 'a' + i);
        }
        gguf_string part;
        assert_int_equal(gguf_get_string(g, "part", &part, NULL, &err), HEARTH_OK);
        assert_memory_equal(part.data, "a", 1);
        gguf_close(g);
    }
}

static void test_metadata_only(void **state)
{
    (void)state;
    static const gguf_options options = {.metadata_only = true};
    char path[PATH_MAX];
    gguf *g;
    write_good_set();
    part_path(path, 1);
    assert_int_equal(unlink(path), 0);
    part_path(path, 2);
    assert_int_equal(gguf_open(&g, path, &options, &err), HEARTH_OK);
    gguf_string part;
    assert_int_equal(gguf_get_string(g, "part", &part, NULL, &err), HEARTH_OK);
    assert_memory_equal(part.data, "a", 1);
    assert_int_equal(gguf_n_tensors(g), 1);
    assert_int_equal(gguf_n_parts(g), 3);
    assert_false(gguf_is_lost(g));
    gguf_close(g);
    expect_failure(HEARTH_ENOTFOUND, "model-00002-of-00003.gguf");
}

static void test_parts_that_do_not_match(void **state)
{
    (void)state;
    char path[PATH_MAX];
    part_spec impostor = {1, 4, 3, "b"};
    part_path(path, 1);
    write_good_set();
    write_part_as(path, &impostor);
    expect_failure(HEARTH_EMISMATCH, "part 2 of 4");
    impostor = (part_spec){2, 3, 3, "b"};
    write_part_as(path, &impostor);
    expect_failure(HEARTH_EMISMATCH, "part 3 of 3");
    impostor = (part_spec){1, 3, 4, "b"};
    write_part_as(path, &impostor);
    expect_failure(HEARTH_EMISMATCH, "set has 4 tensors, not 3");
    impostor = (part_spec){1, 3, 3, "a"};
    write_part_as(path, &impostor);
    expect_failure(HEARTH_EFORMAT, "'a' is there twice");
    for (uint16_t no = 0; no < 3; no++)
        write_part((part_spec){no, 3, 7, (const char *[]){"a", "b", "c"}[no]});
    expect_failure(HEARTH_EFORMAT, "7 tensors");
    assert_true(test_write_file(path, "GGUF", 4));
    expect_failure(HEARTH_EFORMAT, "ends inside");
}

static void test_wrong_name(void **state)
{
    (void)state;
    static const char *const names[] = {"renamed.gguf", "model-00002-of-00003.gguf",
                                        "model-00001-of-00004.gguf", "-00001-of-00003.gguf"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_MAX];
        gguf *g = NULL;
        test_folder other;
        assert_true(test_folder_make(&other));
        test_folder_path(&other, names[i], path);
        write_part_as(path, &(part_spec){0, 3, 3, "a"});
        hearth_status status = gguf_open(&g, path, NULL, &err);
        /* The last name has the right end; there the second part is missed. */
        assert_int_equal(status, i == 3 ? HEARTH_ENOTFOUND : HEARTH_EINVAL);
        assert_non_null(
            strstr(err.message, i == 3 ? "-00002-of-00003.gguf" : "-00001-of-00003.gguf"));
        test_folder_remove(&other);
    }
}

/* A set said to have one part is one file, whatever its name. */
static void test_set_of_one(void **state)
{
    (void)state;
    char path[PATH_MAX];
    gguf *g;
    test_folder_path(&folder, "single.gguf", path);
    write_part_as(path, &(part_spec){0, 1, 1, "a"});
    assert_int_equal(gguf_open(&g, path, NULL, &err), HEARTH_OK);
    assert_int_equal(gguf_n_parts(g), 1);
    gguf_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_any_part),
        cmocka_unit_test(test_metadata_only),
        cmocka_unit_test(test_parts_that_do_not_match),
        cmocka_unit_test(test_wrong_name),
        cmocka_unit_test(test_set_of_one),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
