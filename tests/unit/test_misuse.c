/* SPDX-License-Identifier: MIT
 *
 * test_misuse.c - the public API used wrongly, on purpose: arguments at their extremes, files that
 * are no files, overrides that make no sense. Each gives its status and one line, and leaves the
 * handle as it was.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include <hearth/hearth.h>

#include "base/mem.h"
#include "os/file.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

enum { N_CTX = 32 };

static test_folder folder;
static char model_path[PATH_MAX], pipe_path[PATH_MAX];
static hearth_model *model;
static hearth_session *session;
static hearth_error err;

static void refused(hearth_status status, hearth_status expected, const char *what)
{
    if (status != expected)
        fail_msg("%s: %s instead of %s", what, hearth_status_name(status),
                 hearth_status_name(expected));
    assert_int_equal(err.code, expected);
    assert_true(err.message[0] != '\0' && strchr(err.message, '\n') == NULL);
}

static hearth_status open_with(const char *override)
{
    hearth_model *other;
    hearth_model_options o;
    hearth_model_options_init(&o);
    o.overrides = &override;
    o.n_overrides = 1;
    hearth_status status = hearth_model_open(&other, model_path, &o, &err);
    assert_int_equal(status == HEARTH_OK, other != NULL);
    hearth_model_close(other);
    return status;
}

static void test_overrides(void **state)
{
    static const struct {
        const char *text;
        hearth_status expected;
    } cases[] = {
        {"", HEARTH_EINVAL},
        {"=int:1", HEARTH_EINVAL},
        {"a=int", HEARTH_EINVAL},
        {"a=int:99999999999999999999", HEARTH_EINVAL},
        {"a=float:nan", HEARTH_EINVAL},
        {"a=float:1e999", HEARTH_EINVAL},
        {"a=bool:perhaps", HEARTH_EINVAL},
        {"general.alignment=int:1", HEARTH_EINVAL},
        {"a=str:", HEARTH_OK},
        {"general.name=str:\xff\xfe", HEARTH_OK},
        {"llama.block_count=int:-1", HEARTH_EFORMAT},
        {"llama.block_count=int:513", HEARTH_EFORMAT},
        {"llama.context_length=int:0", HEARTH_EFORMAT},
        {"llama.embedding_length=int:4294967296", HEARTH_EFORMAT},
        {"llama.attention.head_count=int:3", HEARTH_EFORMAT},
        {"llama.attention.head_count=str:x", HEARTH_EFORMAT},
        {"llama.attention.key_length=int:8193", HEARTH_EFORMAT},
        {"llama.rope.dimension_count=int:7", HEARTH_EFORMAT},
        {"llama.rope.freq_base=float:0", HEARTH_EFORMAT},
        {"llama.rope.scaling.factor=float:-1", HEARTH_EFORMAT},
        {"llama.attention.layer_norm_rms_epsilon=float:-1", HEARTH_EFORMAT},
        {"llama.expert_count=int:4", HEARTH_EFORMAT},
        {"llama.expert_count=int:1025", HEARTH_EFORMAT},
        {"llama.pooling_type=int:5", HEARTH_EFORMAT},
        {"tokenizer.ggml.tokens=str:x", HEARTH_EFORMAT},
        {"tokenizer.ggml.model=str:x", HEARTH_EUNSUPPORTED},
        {"general.architecture=str:x", HEARTH_EUNSUPPORTED},
        {"llama.rope.scaling.type=str:x", HEARTH_EUNSUPPORTED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hearth_status status = open_with(cases[i].text);
        if (cases[i].expected != HEARTH_OK)
            refused(status, cases[i].expected, cases[i].text);
        else
            assert_int_equal(status, HEARTH_OK);
    }
}

static void test_session_extremes(void **state)
{
    static const struct {
        const char *what;
        uint32_t n_ctx, n_batch;
        int32_t n_threads;
        int cache;
        hearth_status expected;
    } cases[] = {
        {"the smallest", 1, 1, 1, HEARTH_CACHE_F32, HEARTH_OK},
        {"a batch beyond the context", 40, UINT32_MAX, 2, HEARTH_CACHE_Q8_0, HEARTH_OK},
        {"the largest context", 1u << 28, 1u << 28, 1, HEARTH_CACHE_F32, HEARTH_ENOFIT},
        {"a context beyond all", UINT32_MAX, 0, 1, HEARTH_CACHE_F16, HEARTH_EINVAL},
        {"too many threads", 16, 1, 513, HEARTH_CACHE_F16, HEARTH_EINVAL},
        {"fewer than no threads", 16, 1, INT32_MIN, HEARTH_CACHE_F16, HEARTH_EINVAL},
        {"no cache type", 16, 1, 1, -1, HEARTH_EINVAL},
        {"an unknown cache type", 16, 1, 1, 3, HEARTH_EINVAL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const int32_t token = 5;
        hearth_session *s;
        hearth_session_options o;
        hearth_session_options_init(&o);
        o.n_ctx = cases[i].n_ctx;
        o.n_batch = cases[i].n_batch;
        o.n_threads = cases[i].n_threads;
        o.cache_type_k = o.cache_type_v = (hearth_cache_type)cases[i].cache;
        hearth_status status = hearth_session_open(&s, model, &o, &err);
        if (cases[i].expected != HEARTH_OK) {
            refused(status, cases[i].expected, cases[i].what);
            assert_null(s);
            continue;
        }
        assert_int_equal(status, HEARTH_OK);
        assert_int_equal(hearth_session_feed(s, &token, 1, NULL, &err), HEARTH_OK);
        hearth_session_close(s);
    }
}

/* What a plan calls the largest context does fit, also where more was asked for than the model was
 * trained with. */
static void test_largest_context(void **state)
{
    hearth_session_options o;
    hearth_plan asked, largest;
    (void)state;
    hearth_session_options_init(&o);
    o.n_ctx = o.n_batch = 1u << 28; /* a terabyte of activations */
    assert_int_equal(hearth_model_plan(model, &o, &asked, &err), HEARTH_OK);
    assert_false(asked.fits);
    assert_true(asked.n_ctx_max > hearth_model_get_info(model)->n_ctx_train);
    o.n_ctx = asked.n_ctx_max;
    assert_int_equal(hearth_model_plan(model, &o, &largest, &err), HEARTH_OK);
    assert_true(largest.total_bytes <= asked.available_bytes);
}

static void test_feeding_nonsense(void **state)
{
    static const int32_t tokens[] = {1, 2, 3};
    (void)state;
    assert_int_equal(hearth_session_feed(session, tokens, 3, NULL, &err), HEARTH_OK);
    refused(hearth_session_feed(session, NULL, 1, NULL, &err), HEARTH_EINVAL, "NULL");
    refused(hearth_session_feed(session, tokens, SIZE_MAX, NULL, &err), HEARTH_ECONTEXT, "n");
    assert_int_equal(hearth_session_feed(session, NULL, 0, NULL, &err), HEARTH_OK);
    refused(hearth_session_rewind(session, SIZE_MAX, &err), HEARTH_EINVAL, "rewind");
    assert_int_equal(hearth_session_n_tokens(session), 3);
    assert_non_null(hearth_session_logits(session));
    assert_int_equal(hearth_session_rewind(session, 0, &err), HEARTH_OK);
}

static void test_no_files(void **state)
{
    const char *const paths[] = {NULL, "", "/dev/full", "/dev/zero", folder.path, pipe_path};
    hearth_model *other;
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *what = paths[i] ? paths[i] : "NULL";
        refused(hearth_session_save(session, paths[i], &err), HEARTH_EINVAL, what);
        refused(hearth_session_load(session, paths[i], &err), HEARTH_EINVAL, what);
        refused(hearth_model_open(&other, paths[i], NULL, &err), HEARTH_EINVAL, what);
        assert_null(other);
    }
    refused(hearth_session_save(session, "/proc/nothing", &err), HEARTH_ENOTFOUND, "save");
    refused(hearth_session_load(session, "/proc/nothing", &err), HEARTH_ENOTFOUND, "load");
}

/* The bytes of a file are the file; no bytes, and other bytes, are refused. */
static void test_models_in_memory(void **state)
{
    static const char garbage[] = "no model at all, but quite some bytes of something else";
    hearth_model *other;
    char *bytes;
    size_t n;
    (void)state;
    refused(hearth_model_open_memory(&other, NULL, 0, NULL, &err), HEARTH_EINVAL, "NULL");
    refused(hearth_model_open_memory(&other, garbage, 0, NULL, &err), HEARTH_EFORMAT, "0 bytes");
    refused(hearth_model_open_memory(&other, garbage, sizeof garbage, NULL, &err), HEARTH_EFORMAT,
            "garbage");
    assert_null(other);
    assert_int_equal(file_read_all(model_path, SIZE_MAX / 2, &bytes, &n, &err), HEARTH_OK);
    refused(hearth_model_open_memory(&other, bytes, n - 1, NULL, &err), HEARTH_EFORMAT, "cut");
    assert_int_equal(hearth_model_open_memory(&other, bytes, n, NULL, &err), HEARTH_OK);
    assert_string_equal(hearth_model_get_info(other)->path, "");
    assert_int_equal(hearth_model_get_info(other)->n_params,
                     hearth_model_get_info(model)->n_params);
    hearth_model_close(other);
    mem_free(bytes);
}

/* A file may hold any bytes where text should be. */
static void test_text_is_utf8(void **state)
{
    static const char *const override = "general.name=str:a\xff"
                                        "b\xe2\x96";
    hearth_model *other;
    hearth_model_options o;
    char *value;
    (void)state;
    hearth_model_options_init(&o);
    o.overrides = &override;
    o.n_overrides = 1;
    o.scope = HEARTH_SCOPE_METADATA;
    assert_int_equal(hearth_model_open(&other, model_path, &o, &err), HEARTH_OK);
    assert_string_equal(hearth_model_get_info(other)->name, "a?b??");
    assert_int_equal(hearth_model_metadata(other, "general.name", &value, &err), HEARTH_OK);
    assert_string_equal(value, "a?b??");
    hearth_free(value);
    hearth_model_close(other);
}

/* Not in the middle of a character, whatever the limit. */
static void test_long_values_are_cut(void **state)
{
    static const char *const override = "general.name=str:ab\xe2\x96\x81"
                                        "cdefghijk";
    hearth_model *other;
    hearth_model_options o;
    char *key, *type, *value;
    bool cut;
    (void)state;
    hearth_model_options_init(&o);
    o.overrides = &override;
    o.n_overrides = 1;
    o.scope = HEARTH_SCOPE_METADATA;
    assert_int_equal(hearth_model_open(&other, model_path, &o, &err), HEARTH_OK);
    for (size_t max_n = 0; max_n <= 15; max_n++) {
        for (size_t i = 0; i < hearth_model_n_metadata(other); i++) {
            assert_int_equal(
                hearth_model_metadata_at(other, i, max_n, &key, &type, &value, &cut, &err),
                HEARTH_OK);
            if (strcmp(key, "general.name") == 0) {
                size_t expected = max_n < 3 || max_n > 4 ? max_n : 2;
                assert_int_equal(strlen(value), expected < 14 ? expected : 14);
                assert_int_equal(cut, max_n < 14);
                assert_memory_equal(value, strchr(override, ':') + 1, strlen(value));
            }
            hearth_free(key);
            hearth_free(type);
            hearth_free(value);
        }
    }
    hearth_model_close(other);
}

static int set_up(void **state)
{
    tiny_model_options tiny;
    hearth_session_options o;
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "llama.gguf", model_path);
    test_folder_path(&folder, "pipe", pipe_path);
    tiny_model_options_init(&tiny, "llama");
    tiny_model_write(model_path, &tiny);
    hearth_session_options_init(&o);
    o.n_ctx = N_CTX;
    o.n_threads = 1;
    return mkfifo(pipe_path, 0600) != 0 || hearth_model_open(&model, model_path, NULL, &err) ||
                   hearth_session_open(&session, model, &o, &err)
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    (void)state;
    hearth_session_close(session);
    hearth_model_close(model);
    test_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overrides),       cmocka_unit_test(test_session_extremes),
        cmocka_unit_test(test_largest_context), cmocka_unit_test(test_feeding_nonsense),
        cmocka_unit_test(test_no_files),        cmocka_unit_test(test_models_in_memory),
        cmocka_unit_test(test_text_is_utf8),    cmocka_unit_test(test_long_values_are_cut),
    };
    return cmocka_run_group_tests_name("misuse", tests, set_up, tear_down);
}
