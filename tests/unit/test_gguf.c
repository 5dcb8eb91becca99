/* SPDX-License-Identifier: MIT
 *
 * test_gguf.c - what the writer writes, the reader reads: every value type, tensors, overrides,
 * typed access, versions 2 and 3, and the reference files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "gguf/gguf_writer.h"
#include "os/file.h"
#include "support/gguf_bytes.h"
#include "support/gguf_walk.h"
#include "support/test_reference.h"

static test_folder folder;
static char path[PATH_MAX];
static hearth_error err;

static int setup(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "model.gguf", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static void must(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

static gguf *open_with(const char *const *overrides, size_t n)
{
    gguf *g = NULL;
    gguf_options options = {.overrides = overrides, .n_overrides = n};
    must(gguf_open(&g, path, &options, &err));
    return g;
}

/* ---- how far the header reaches ---- */

/* Of any beginning of the file at path: that more is needed, and never more than the header has; of
 * the header and anything behind it: its end, at most an alignment before the first tensor's data.
 */
static void check_header_bytes(uint64_t data_begin, uint64_t alignment)
{
    char *bytes;
    size_t n;
    must(file_read_all(path, 1 << 20, &bytes, &n, &err));
    const uint64_t end = gguf_header_bytes(bytes, n);
    assert_true(end <= data_begin && data_begin - end < alignment);
    for (size_t i = 0; i <= n; i++) {
        char *beginning = mem_dup(bytes, i); /* so that a byte read beyond it is seen */
        uint64_t needed = gguf_header_bytes(beginning, i);
        assert_true(i < end ? needed > i && needed <= end : needed == end);
        mem_free(beginning);
    }
    mem_free(bytes);
}

static void test_header_of_others(void **state)
{
    (void)state;
    static const char huge[] = "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"
                               "\377\377\377\377\377\377\377\377key";
    assert_true(gguf_header_bytes("<html>", 6) <= 6);
    assert_true(gguf_header_bytes("GGUF\1\0\0\0", 8) <= 8);
    assert_true(gguf_header_bytes("GGU", 3) > 3);
    assert_true(gguf_header_bytes(NULL, 0) > 0);
    assert_true(gguf_header_bytes(huge, sizeof huge) == UINT64_MAX);
}

/* ---- round trips ---- */

typedef struct scalar_case {
    gguf_type type;
    uint64_t bits; /* little-endian, as many bytes as the type has */
    size_t n_bytes;
    bool integral;
    int64_t integer;
    double number;
} scalar_case;

static const scalar_case scalars[] = {
    {GGUF_U8, 0xff, 1, true, 255, 255},
    {GGUF_I8, 0x80, 1, true, -128, -128},
    {GGUF_U16, 0xffff, 2, true, 65535, 65535},
    {GGUF_I16, 0x8000, 2, true, -32768, -32768},
    {GGUF_U32, 0xffffffff, 4, true, 4294967295, 4294967295},
    {GGUF_I32, 0x80000000, 4, true, INT32_MIN, INT32_MIN},
    {GGUF_F32, 0x3fc00000, 4, false, 0, 1.5},
    {GGUF_BOOL, 1, 1, true, 1, 1},
    {GGUF_U64, INT64_MAX, 8, true, INT64_MAX, 0x1p63},
    {GGUF_U64, UINT64_MAX, 8, false, 0, 0x1p64},
    {GGUF_I64, (uint64_t)INT64_MIN, 8, true, INT64_MIN, -0x1p63},
    {GGUF_F64, 0x4004000000000000, 8, false, 0, 2.5},
};
enum { N_SCALARS = sizeof scalars / sizeof *scalars };

static void check_scalar(const gguf_value *value, size_t i, const scalar_case *c)
{
    int64_t integer = 0;
    double number = 0;
    assert_int_equal(gguf_value_i64(value, i, &integer), c->integral);
    assert_true(integer == c->integer);
    assert_true(gguf_value_f64(value, i, &number));
    assert_true(number == c->number);
    assert_false(gguf_value_f64(value, value->n, &number));
    assert_false(gguf_value_i64(value, value->n, &integer));
}

/* Each type as a scalar and as an array of two. */
static void test_every_type(void **state)
{
    (void)state;
    gguf_writer *w;
    must(gguf_writer_open(&w, path, &err));
    for (size_t i = 0; i < N_SCALARS; i++) {
        char key[32];
        uint8_t bytes[16];
        store_u64(bytes, scalars[i].bits);
        snprintf(key, sizeof key, "scalar.%zu", i);
        gguf_value v = {.key = {key, strlen(key)},
                        .type = scalars[i].type,
                        .element_type = scalars[i].type,
                        .n = 1,
                        .data = bytes,
                        .n_bytes = scalars[i].n_bytes};
        must(gguf_writer_copy(w, &v, &err));
        store_u64(bytes + scalars[i].n_bytes, scalars[i].bits);
        snprintf(key, sizeof key, "array.%zu", i);
        must(gguf_writer_set_array(w, key, scalars[i].type, bytes, 2, &err));
    }
    must(gguf_writer_begin_data(w, &err));
    must(gguf_writer_commit(w, &err));
    gguf_writer_close(w);

    gguf *g = open_with(NULL, 0);
    assert_int_equal(gguf_n_values(g), 2 * N_SCALARS);
    for (size_t i = 0; i < N_SCALARS; i++) {
        const gguf_value *scalar = gguf_value_at(g, 2 * i);
        const gguf_value *array = gguf_value_at(g, 2 * i + 1);
        assert_int_equal(scalar->type, scalars[i].type);
        check_scalar(scalar, 0, &scalars[i]);
        assert_int_equal(array->type, GGUF_ARRAY);
        assert_int_equal(array->element_type, scalars[i].type);
        assert_int_equal(array->n, 2);
        check_scalar(array, 0, &scalars[i]);
        check_scalar(array, 1, &scalars[i]);
    }
    gguf_close(g);
}

static void check_text(gguf_string got, const char *wanted, size_t n)
{
    assert_int_equal(got.n, n);
    assert_memory_equal(got.data, wanted, n);
}

static void test_strings(void **state)
{
    (void)state;
    static const gguf_string words[] = {{"one", 3}, {"", 0}, {"a\0b", 3}, {"\xff", 1}};
    gguf_writer *w;
    gguf_string text;
    must(gguf_writer_open(&w, path, &err));
    must(gguf_writer_set_string(w, "text", "first", 5, &err));
    must(gguf_writer_set_string_array(w, "words", words, 4, &err));
    must(gguf_writer_set_string_array(w, "none", NULL, 0, &err));
    must(gguf_writer_set_u32(w, "number", 7, &err));
    must(gguf_writer_set_string(w, "text", "the last one stays", 18, &err));
    must(gguf_writer_begin_data(w, &err));
    must(gguf_writer_commit(w, &err));
    gguf_writer_close(w);

    gguf *g = open_with(NULL, 0);
    assert_int_equal(gguf_n_values(g), 4);
    check_text(gguf_value_at(g, 0)->key, "text", 4);
    must(gguf_get_string(g, "text", &text, NULL, &err));
    check_text(text, "the last one stays", 18);
    const gguf_value *array = gguf_find(g, "words");
    assert_int_equal(array->n, 4);
    for (size_t i = 0; i < 4; i++)
        check_text(array->strings[i], words[i].data, words[i].n);
    assert_int_equal(gguf_find(g, "none")->n, 0);
    assert_null(gguf_find(g, "absent"));

    /* A copy of everything is the same metadata again. */
    char second[PATH_MAX];
    test_folder_path(&folder, "second.gguf", second);
    must(gguf_writer_open(&w, second, &err));
    for (size_t i = 0; i < gguf_n_values(g); i++)
        must(gguf_writer_copy(w, gguf_value_at(g, i), &err));
    must(gguf_writer_begin_data(w, &err));
    must(gguf_writer_commit(w, &err));
    gguf_writer_close(w);
    gguf_close(g);
    char *a, *b;
    size_t a_n, b_n;
    must(file_read_all(path, 1 << 20, &a, &a_n, &err));
    must(file_read_all(second, 1 << 20, &b, &b_n, &err));
    assert_int_equal(a_n, b_n);
    assert_memory_equal(a, b, a_n);
    mem_free(a);
    mem_free(b);
}

/* Every weight format, three rows each, written in pieces that fit nothing. */
static void test_tensors(void **state)
{
    (void)state;
    gguf_writer *w;
    uint8_t bytes[4096];
    uint64_t total = 0;
    must(gguf_writer_open(&w, path, &err));
    must(gguf_writer_set_u32(w, "general.alignment", 64, &err));
    for (int type = 0; type < WTYPE_COUNT; type++) {
        const wtype_info *info = wtype_get((wtype)type);
        uint64_t ne[3] = {info->block_elements * 2, 3, 1};
        must(gguf_writer_add_tensor(w, info->name, strlen(info->name), (wtype)type, 3, ne, &err));
        total += (uint64_t)info->block_bytes * 6;
    }
    must(gguf_writer_begin_data(w, &err));
    for (uint64_t at = 0; at < total;) {
        size_t n = total - at < 1001 ? (size_t)(total - at) : 1001;
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)((at + i) * 7 >> 2);
        must(gguf_writer_write_data(w, bytes, n, &err));
        at += n;
    }
    must(gguf_writer_commit(w, &err));
    gguf_writer_close(w);

    gguf *g = open_with(NULL, 0);
    uint64_t at = 0, sum;
    assert_true(gguf_walk(g, &sum));
    check_header_bytes(gguf_tensor_at(g, 0)->offset, 64);
    assert_int_equal(gguf_n_tensors(g), WTYPE_COUNT);
    for (int type = 0; type < WTYPE_COUNT; type++) {
        const wtype_info *info = wtype_get((wtype)type);
        const gguf_tensor *tensor = gguf_find_tensor(g, info->name);
        assert_ptr_equal(tensor, gguf_tensor_at(g, (size_t)type));
        assert_int_equal(tensor->type, type);
        assert_int_equal(tensor->n_dims, 3);
        assert_int_equal(tensor->ne[0], info->block_elements * 2);
        assert_int_equal(tensor->n_elements, info->block_elements * 6);
        assert_int_equal(tensor->n_bytes, info->block_bytes * 6);
        assert_int_equal(tensor->offset % 64, 0);
        for (uint64_t i = 0; i < tensor->n_bytes; i++, at++)
            assert_int_equal(tensor->data[i], (uint8_t)(at * 7 >> 2));
    }
    assert_null(gguf_find_tensor(g, "f32"));
    assert_false(gguf_is_lost(g));
    gguf_close(g);
}

static void test_writer_refuses(void **state)
{
    (void)state;
    gguf_writer *w;
    uint64_t ne[2] = {32, 2}, broken[2] = {33, 1}, zero[2] = {32, 0};
    uint8_t bytes[200] = {0};
    remove(path);
    must(gguf_writer_open(&w, path, &err));
    assert_int_equal(gguf_writer_write_data(w, bytes, 1, &err), HEARTH_EINVAL);
    assert_int_equal(gguf_writer_commit(w, &err), HEARTH_EINVAL);
    must(gguf_writer_add_tensor(w, "a", 1, WTYPE_Q8_0, 2, ne, &err));
    assert_int_equal(gguf_writer_add_tensor(w, "a", 1, WTYPE_F32, 2, ne, &err), HEARTH_EINVAL);
    assert_int_equal(gguf_writer_add_tensor(w, "b", 1, WTYPE_Q8_0, 2, broken, &err), HEARTH_EINVAL);
    assert_int_equal(gguf_writer_add_tensor(w, "b", 1, WTYPE_Q8_0, 2, zero, &err), HEARTH_EINVAL);
    assert_int_equal(gguf_writer_add_tensor(w, "", 0, WTYPE_Q8_0, 2, ne, &err), HEARTH_EINVAL);
    assert_int_equal(gguf_writer_add_tensor(w, "b", 1, WTYPE_Q8_0, 5, ne, &err), HEARTH_EINVAL);
    assert_int_equal(gguf_writer_set_array(w, "x", GGUF_STRING, bytes, 1, &err), HEARTH_EINVAL);
    must(gguf_writer_begin_data(w, &err));
    assert_int_equal(gguf_writer_set_u32(w, "late", 1, &err), HEARTH_EINVAL);
    must(gguf_writer_write_data(w, bytes, 67, &err));
    assert_int_equal(gguf_writer_commit(w, &err), HEARTH_EINVAL);
    assert_int_equal(gguf_writer_write_data(w, bytes, 2, &err), HEARTH_EINVAL);
    gguf_writer_close(w);
    assert_false(file_exists(path)); /* nothing was committed, so nothing is there */
}

/* ---- typed access and overrides ---- */

static void write_typed(void)
{
    gguf_writer *w;
    must(gguf_writer_open(&w, path, &err));
    must(gguf_writer_set_u32(w, "count", 12, &err));
    must(gguf_writer_set_f32(w, "base", 10000.0f, &err));
    must(gguf_writer_set_bool(w, "flag", true, &err));
    must(gguf_writer_set_string(w, "name", "ember", 5, &err));
    must(gguf_writer_set_array(w, "list", GGUF_U8, "\1\2\3", 3, &err));
    must(gguf_writer_begin_data(w, &err));
    must(gguf_writer_commit(w, &err));
    gguf_writer_close(w);
}

static void test_typed_access(void **state)
{
    (void)state;
    uint32_t count = 1;
    float base = 1;
    bool flag = false, found = true;
    gguf_string name = {"unset", 5};
    write_typed();
    gguf *g = open_with(NULL, 0);
    must(gguf_get_u32(g, "absent", &count, &found, &err));
    assert_false(found);
    assert_int_equal(count, 1);
    must(gguf_get_u32(g, "count", &count, &found, &err));
    assert_true(found);
    assert_int_equal(count, 12);
    must(gguf_get_f32(g, "base", &base, NULL, &err));
    assert_true(base == 10000.0f);
    must(gguf_get_bool(g, "flag", &flag, NULL, &err));
    assert_true(flag);
    must(gguf_get_string(g, "name", &name, NULL, &err));
    check_text(name, "ember", 5);
    assert_int_equal(gguf_get_u32(g, "base", &count, NULL, &err), HEARTH_EFORMAT);
    assert_non_null(strstr(err.message, "'base' holds f32"));
    assert_int_equal(gguf_get_u32(g, "flag", &count, NULL, &err), HEARTH_EFORMAT);
    assert_int_equal(gguf_get_u32(g, "list", &count, NULL, &err), HEARTH_EFORMAT);
    assert_int_equal(gguf_get_u32(g, "name", &count, NULL, &err), HEARTH_EFORMAT);
    assert_int_equal(gguf_get_f32(g, "count", &base, NULL, &err), HEARTH_EFORMAT);
    assert_int_equal(gguf_get_f32(g, "name", &base, NULL, &err), HEARTH_EFORMAT);
    assert_int_equal(gguf_get_bool(g, "count", &flag, NULL, &err), HEARTH_EFORMAT);
    assert_int_equal(gguf_get_string(g, "count", &name, NULL, &err), HEARTH_EFORMAT);
    assert_int_equal(count, 12);
    gguf_close(g);
}

static void test_overrides(void **state)
{
    (void)state;
    static const char *const overrides[] = {
        "count=int:4294967295", "base=float:5e5", "flag=bool:false",  "name=str:a=b:c",
        "new=int:-7",           "list=int:1",     "huge=float:1e300", "new=int:-8"};
    uint32_t count = 0;
    float base = 0;
    bool flag = true;
    gguf_string name;
    int64_t integer = 0;
    write_typed();
    gguf *g = open_with(overrides, sizeof overrides / sizeof *overrides);
    assert_int_equal(gguf_n_values(g), 7);
    must(gguf_get_u32(g, "count", &count, NULL, &err));
    assert_true(count == UINT32_MAX);
    must(gguf_get_f32(g, "base", &base, NULL, &err));
    assert_true(base == 500000.0f);
    must(gguf_get_bool(g, "flag", &flag, NULL, &err));
    assert_false(flag);
    must(gguf_get_string(g, "name", &name, NULL, &err));
    check_text(name, "a=b:c", 5);
    assert_true(gguf_find(g, "new")->overridden);
    assert_true(gguf_value_i64(gguf_find(g, "new"), 0, &integer));
    assert_int_equal(integer, -8);
    assert_int_equal(gguf_get_u32(g, "new", &count, NULL, &err), HEARTH_EFORMAT);
    assert_int_equal(gguf_get_f32(g, "huge", &base, NULL, &err), HEARTH_EFORMAT);
    must(gguf_get_u32(g, "list", &count, NULL, &err));
    assert_int_equal(count, 1);
    gguf_close(g);
}

static void test_bad_overrides(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "key",
                                      "key=1",
                                      "=int:1",
                                      "key=int:",
                                      "key=int:1x",
                                      "key=float:x",
                                      "key=float:nan",
                                      "key=float:1e999",
                                      "key=bool:yes",
                                      "key=u32:1",
                                      "key=:1",
                                      "key=int:99999999999999999999",
                                      "split.count=int:2",
                                      "general.alignment=int:64"};
    write_typed();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf *g = NULL;
        gguf_options options = {.overrides = &bad[i], .n_overrides = 1};
        hearth_status status = gguf_open(&g, path, &options, &err);
        if (status != HEARTH_EINVAL || strstr(err.message, bad[i]) == NULL)
            fail_msg("'%s': %s %s", bad[i], hearth_status_name(status), err.message);
        assert_null(g);
    }
}

/* ---- files ---- */

static void test_version_2(void **state)
{
    (void)state;
    buf b;
    gguf *g;
    uint32_t layers = 0;
    buf_init(&b, 0);
    put_header(&b, 2, 1, 1);
    put_key_u32(&b, "llama.block_count", 22);
    put_matrix(&b, "w", 2, 3, 0, 0);
    put_padding(&b, 32);
    size_t begin = b.n;
    for (uint32_t i = 0; i < 6; i++)
        put_u32(&b, i);
    must(gguf_open_memory(&g, b.data, b.n, NULL, &err));
    assert_int_equal(gguf_version(g), 2);
    must(gguf_get_u32(g, "llama.block_count", &layers, NULL, &err));
    assert_int_equal(layers, 22);
    const gguf_tensor *tensor = gguf_find_tensor(g, "w");
    assert_int_equal(tensor->offset, begin);
    assert_int_equal(load_u32(tensor->data + 20), 5);
    assert_int_equal(tensor->ne[2], 1);
    assert_string_equal(gguf_path(g), "");
    gguf_close(g);
    buf_deinit(&b);
}

static void test_missing_file(void **state)
{
    (void)state;
    gguf *g = NULL;
    char missing[PATH_MAX];
    test_folder_path(&folder, "missing.gguf", missing);
    assert_int_equal(gguf_open(&g, missing, NULL, &err), HEARTH_ENOTFOUND);
    assert_non_null(strstr(err.message, "missing.gguf"));
    assert_int_equal(gguf_open(&g, folder.path, NULL, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "a folder"));
}

static bool count_progress(void *user, uint64_t done, uint64_t total)
{
    uint64_t *last = user;
    assert_true(done > *last && done <= total);
    *last = done;
    return true;
}

static bool cancel(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return false;
}

static void test_reference_files(void **state)
{
    (void)state;
    char file[PATH_MAX];
    uint64_t sum, done = 0;
    gguf *g;
    if (!reference_path(file, "story/stories260K.gguf"))
        skip();
    must(gguf_open(&g, file, NULL, &err));
    assert_true(gguf_walk(g, &sum));
    assert_int_equal(gguf_n_tensors(g), 48);
    assert_int_equal(gguf_find(g, "tokenizer.ggml.tokens")->n, 512);
    hearth_progress progress = {count_progress, &done};
    must(gguf_read_ahead(g, &progress, &err));
    const gguf_tensor *first = gguf_tensor_at(g, 0);
    assert_int_equal(done, gguf_file_bytes(g) - first->offset);
    progress.fn = cancel;
    assert_int_equal(gguf_read_ahead(g, &progress, &err), HEARTH_ECANCELED);
    gguf_close(g);
    if (!reference_path(file, "vocab/ggml-vocab-llama-spm.gguf"))
        skip();
    must(gguf_open(&g, file, NULL, &err));
    assert_true(gguf_walk(g, &sum));
    assert_int_equal(gguf_n_tensors(g), 0);
    gguf_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),       cmocka_unit_test(test_strings),
        cmocka_unit_test(test_tensors),          cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_typed_access),     cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_bad_overrides),    cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_missing_file),     cmocka_unit_test(test_reference_files),
        cmocka_unit_test(test_header_of_others),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
