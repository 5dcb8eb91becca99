/* SPDX-License-Identifier: MIT
 *
 * test_base.c - status and error records, checked arithmetic, byte order, the heap door, weight
 * formats, logging.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/utf8.h"
#include "base/wtype.h"

/* ---- status ---- */

/* The codes are a promise to programs built against older headers. */
static void test_codes_are_pinned(void **state)
{
    (void)state;
    static const struct {
        hearth_status status;
        int code, http;
        const char *name;
    } pinned[] = {
        {HEARTH_OK, 0, 200, "OK"},
        {HEARTH_ENOMEM, -1, 503, "ENOMEM"},
        {HEARTH_EINVAL, -2, 400, "EINVAL"},
        {HEARTH_EFORMAT, -3, 422, "EFORMAT"},
        {HEARTH_ENOTFOUND, -4, 404, "ENOTFOUND"},
        {HEARTH_EIO, -5, 500, "EIO"},
        {HEARTH_EUNSUPPORTED, -6, 501, "EUNSUPPORTED"},
        {HEARTH_ECANCELED, -7, 499, "ECANCELED"},
        {HEARTH_ECONTEXT, -8, 400, "ECONTEXT"},
        {HEARTH_ENOFIT, -9, 507, "ENOFIT"},
        {HEARTH_EMISMATCH, -10, 409, "EMISMATCH"},
        {HEARTH_EINTERNAL, -11, 500, "EINTERNAL"},
        {HEARTH_EBUSY, -12, 429, "EBUSY"},
    };
    for (size_t i = 0; i < sizeof pinned / sizeof *pinned; i++) {
        assert_int_equal((int)pinned[i].status, pinned[i].code);
        assert_string_equal(hearth_status_name(pinned[i].status), pinned[i].name);
        assert_int_equal(hearth_status_http(pinned[i].status), pinned[i].http);
        assert_true(strlen(hearth_status_text(pinned[i].status)) > 0);
    }
    assert_string_equal(hearth_status_name((hearth_status)-99), "UNKNOWN");
    assert_string_equal(hearth_status_text((hearth_status)-99), "unknown status");
    assert_int_equal(hearth_status_http((hearth_status)7), 500);
}

static void test_error_record(void **state)
{
    (void)state;
    hearth_error err;
    assert_int_equal(error_set(&err, HEARTH_EINVAL, "option", "%d is too %s", 7, "much"),
                     HEARTH_EINVAL);
    assert_int_equal(err.code, HEARTH_EINVAL);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.where, "option");
    assert_string_equal(err.message, "7 is too much");
    assert_int_equal(error_set(NULL, HEARTH_EIO, NULL, "nobody listens"), HEARTH_EIO);
    assert_int_equal(error_set(&err, HEARTH_EIO, NULL, "x"), HEARTH_EIO);
    assert_string_equal(err.where, "");
    errno = ENOSPC;
    assert_int_equal(error_set_errno(&err, HEARTH_EIO, "f", "cannot write"), HEARTH_EIO);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_string_equal(err.message, "cannot write: No space left on device");
    assert_int_equal(error_no_memory(&err, "the cache", 12345), HEARTH_ENOMEM);
    assert_non_null(strstr(err.message, "12345 bytes for the cache"));
}

/* Whatever a file puts into a message, it stays one line of valid UTF-8 that fits. */
static void test_messages_are_clean(void **state)
{
    (void)state;
    hearth_error err;
    error_set(&err, HEARTH_EFORMAT, "a\nb", "%s", "tab\t, \xff, \xc3\xa9, \x1b[0m\x7f");
    assert_string_equal(err.where, "a?b");
    assert_string_equal(err.message, "tab?, ?, \xc3\xa9, ?[0m?");
    char text[1000];
    for (size_t shift = 0; shift < 2; shift++) {
        for (size_t i = 0; i + 2 < sizeof text; i += 2)
            memcpy(text + shift + i, "\xc3\xa9", 2);
        text[0] = shift ? 'x' : text[0];
        text[sizeof text - 1] = '\0';
        error_set(&err, HEARTH_EFORMAT, text, "%s", text);
        assert_int_equal(strlen(err.message), sizeof err.message - 1);
        assert_int_equal(strlen(err.where), sizeof err.where - 1);
        assert_true(utf8_is_valid(err.message, strlen(err.message)));
        assert_true(utf8_is_valid(err.where, strlen(err.where)));
        errno = EIO;
        error_set_errno(&err, HEARTH_EFORMAT, text, "%s", text);
        assert_int_equal(strlen(err.message), sizeof err.message - 1);
    }
}

static hearth_status forwards(hearth_status inner, bool *reached)
{
    TRY(inner);
    *reached = true;
    return HEARTH_OK;
}

static hearth_status jumps(hearth_status inner, int *n_cleanups)
{
    hearth_status status;
    TRY_OUT(inner);
    FAIL_OUT(NULL, ECANCELED, "x", "not before");
out:
    (*n_cleanups)++;
    return status;
}

static void test_try(void **state)
{
    (void)state;
    bool reached = false;
    int n = 0;
    assert_int_equal(forwards(HEARTH_EIO, &reached), HEARTH_EIO);
    assert_false(reached);
    assert_int_equal(forwards(HEARTH_OK, &reached), HEARTH_OK);
    assert_true(reached);
    assert_int_equal(jumps(HEARTH_ENOMEM, &n), HEARTH_ENOMEM);
    assert_int_equal(jumps(HEARTH_OK, &n), HEARTH_ECANCELED);
    assert_int_equal(n, 2);
}

/* ---- arithmetic ---- */

static void test_checked(void **state)
{
    (void)state;
    uint64_t out;
    size_t size;
    assert_true(checked_add(UINT64_MAX - 1, 1, &out));
    assert_true(out == UINT64_MAX);
    assert_false(checked_add(UINT64_MAX, 1, &out));
    assert_true(checked_mul((uint64_t)1 << 32, UINT32_MAX, &out));
    assert_true(out == (uint64_t)UINT32_MAX << 32);
    assert_false(checked_mul((uint64_t)1 << 32, (uint64_t)1 << 32, &out));
    assert_true(checked_mul(0, UINT64_MAX, &out));
    assert_true(out == 0);
    for (uint64_t a = 0; a < 300; a++) {
        for (uint64_t align = 1; align <= 256; align *= 2) {
            assert_true(checked_align(a, align, &out));
            assert_true(out >= a && out - a < align && out % align == 0);
        }
    }
    assert_true(checked_align(UINT64_MAX - 31, 32, &out));
    assert_true(out == UINT64_MAX - 31);
    assert_false(checked_align(UINT64_MAX - 30, 32, &out));
    assert_true(checked_size(12345, &size));
    assert_int_equal(size, 12345);
    assert_int_equal(checked_size(UINT64_MAX, &size), sizeof size == 8);
}

static void test_bytes(void **state)
{
    (void)state;
    uint8_t bytes[9] = {0xaa};
    store_u64(bytes + 1, 0x0807060504030201);
    for (uint8_t i = 1; i <= 8; i++)
        assert_int_equal(bytes[i], i);
    assert_true(load_u64(bytes + 1) == 0x0807060504030201);
    assert_int_equal(load_u32(bytes + 1), 0x04030201);
    assert_int_equal(load_u16(bytes + 3), 0x0403);
    store_u32(bytes + 1, 0xfffefdfc);
    store_u16(bytes + 1, 0x8000);
    assert_true(load_u32(bytes + 1) == 0xfffe8000);
    assert_int_equal(bytes[0], 0xaa);
}

static void test_mem(void **state)
{
    (void)state;
    assert_null(mem_alloc_array(SIZE_MAX / 2, 3));
    assert_null(mem_realloc_array(NULL, SIZE_MAX / 2, 3));
    assert_null(mem_alloc_aligned(SIZE_MAX));
    assert_null(mem_dup("x", SIZE_MAX));
    mem_free(NULL);
    void *nothing[] = {mem_alloc(0), mem_calloc(0, 8), mem_alloc_array(8, 0), mem_alloc_aligned(0)};
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(nothing[i]);
        mem_free(nothing[i]);
    }
    for (size_t n = 1; n < 200; n += 13) {
        void *aligned = mem_alloc_aligned(n);
        assert_int_equal((uintptr_t)aligned % MEM_ALIGN, 0);
        mem_free(aligned);
    }
    char *text = mem_dup("abc", 2);
    assert_string_equal(text, "ab");
    mem_free(text);
}

/* ---- weight formats ---- */

static void test_wtype(void **state)
{
    (void)state;
    for (int i = 0; i < WTYPE_COUNT; i++) {
        const wtype_info *info = wtype_get((wtype)i);
        wtype found;
        uint64_t bytes;
        assert_true(wtype_from_gguf(info->gguf_id, &found));
        assert_int_equal(found, i);
        assert_true(wtype_from_name(info->name, &found));
        assert_int_equal(found, i);
        assert_true(wtype_row_bytes((wtype)i, 3 * (uint64_t)info->block_elements, &bytes));
        assert_true(bytes == 3 * (uint64_t)info->block_bytes);
        if (info->block_elements > 1)
            assert_false(wtype_row_bytes((wtype)i, info->block_elements + 1, &bytes));
        assert_true(wtype_row_bytes((wtype)i, 0, &bytes));
        assert_true(bytes == 0);
    }
    wtype found;
    uint64_t bytes;
    assert_true(wtype_from_name("q4_k", &found));
    assert_int_equal(found, WTYPE_Q4_K);
    assert_false(wtype_from_name("Q4_K_", &found));
    assert_false(wtype_from_gguf(4, &found));
    assert_false(wtype_from_gguf(UINT32_MAX, &found));
    assert_false(wtype_row_bytes(WTYPE_F64, (uint64_t)1 << 61, &bytes));
}

/* ---- log ---- */

static void keep(void *user, hearth_log_level level, const char *message)
{
    char *last = user;
    snprintf(last, 600, "%d %s", level, message);
}

static void test_log(void **state)
{
    (void)state;
    char last[600] = "";
    hearth_log log = {keep, last, HEARTH_LOG_WARNING};
    log_write(NULL, HEARTH_LOG_ERROR, "nobody");
    log_write(&log, HEARTH_LOG_INFO, "too quiet");
    assert_string_equal(last, "");
    log_write(&log, HEARTH_LOG_WARNING, "%s %d", "heard", 3);
    assert_string_equal(last, "1 heard 3");
    log_write(&log, HEARTH_LOG_ERROR, "%1000d", 1);
    assert_int_equal(strlen(last), 511 + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_are_pinned),
        cmocka_unit_test(test_error_record),
        cmocka_unit_test(test_messages_are_clean),
        cmocka_unit_test(test_try),
        cmocka_unit_test(test_checked),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_mem),
        cmocka_unit_test(test_wtype),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
