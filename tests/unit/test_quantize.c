/* SPDX-License-Identifier: MIT
 *
 * test_quantize.c - hearth_quantize from file to file: what it writes, what it reports, what it
 * refuses, and that neither threads nor a failure leave a trace.
 */
#include <dirent.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <hearth/quantize.h>

#include "base/half.h"
#include "base/mem.h"
#include "gguf/gguf_writer.h"
#include "kernels/quantize.h"
#include "kernels/tables.h"
#include "os/file.h"
#include "support/test_reference.h"

static char folder[256];

static const char *path_of(const char *name)
{
    static char paths[64][512]; /* a path stays good for the length of a test */
    static int next;
    char *path = paths[next++ % 64];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return test_temporary(folder, sizeof folder) ? 0 : -1;
}

/* Deletes everything in the folder; returns how many files there were. */
static int empty_folder(void)
{
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' && (e->d_name[1] == '\0' || e->d_name[1] == '.'))
            continue;
        assert_int_equal(unlink(path_of(e->d_name)), 0);
        n++;
    }
    closedir(dir);
    return n;
}

static int remove_folder(void **state)
{
    (void)state;
    test_remove(folder);
    return 0;
}

/* ---- making models ---- */

typedef struct shape {
    const char *name;
    wtype type; /* F32, F16 or Q8_0 */
    uint64_t columns, rows, depth;
} shape;

static const shape small_model[] = {
    {"token_embd.weight", WTYPE_F16, 256, 40, 1},
    {"output.weight", WTYPE_F16, 256, 40, 1},
    {"output_norm.weight", WTYPE_F32, 256, 1, 1},
    {"blk.0.attn_norm.weight", WTYPE_F32, 256, 1, 1},
    {"blk.0.attn_v.weight", WTYPE_F16, 256, 64, 1},
    {"blk.0.ffn_up.weight", WTYPE_F32, 256, 2300, 1}, /* more than one window of two threads */
    {"blk.0.ffn_down.weight", WTYPE_F16, 96, 256, 1},
    {"blk.0.ffn_gate_exps.weight", WTYPE_F16, 512, 8, 3},
    {NULL, WTYPE_F32, 0, 0, 0},
};

static uint32_t random_u32(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

/* The weights of a tensor follow from its name; special values are set on top. */
static void fill_weights(const char *name, float *x, size_t n)
{
    uint64_t state = 1;
    for (const char *p = name; *p; p++)
        state = state * 31 + (unsigned char)*p;
    for (size_t i = 0; i < n; i++) {
        int sum = 0;
        for (int j = 0; j < 4; j++)
            sum += (int)(random_u32(&state) >> 20) - 2048;
        x[i] = (float)sum * 0x1p-16f;
    }
}

typedef struct poison { /* one weight put into one tensor */
    const char *name;
    size_t at;
    float value;
} poison;

static size_t n_elements(const shape *s)
{
    return (size_t)(s->columns * s->rows * s->depth);
}

static void write_weights(gguf_writer *w, const shape *s, const poison *p)
{
    size_t n = n_elements(s);
    uint64_t n_bytes;
    assert_true(wtype_row_bytes(s->type, n, &n_bytes));
    float *x = test_malloc(n * sizeof *x);
    uint8_t *bytes = test_malloc((size_t)n_bytes);
    fill_weights(s->name, x, n);
    if (p && strcmp(p->name, s->name) == 0)
        x[p->at] = p->value;
    if (s->type == WTYPE_F16 && p && !isfinite(p->value)) {
        for (size_t i = 0; i < n; i++) { /* the quantizer would make it finite */
            uint16_t half = f32_to_f16(x[i]);
            memcpy(bytes + 2 * i, &half, sizeof half);
        }
    } else {
        quantize_row_get(s->type)(x, n, bytes);
    }
    assert_int_equal(gguf_writer_write_data(w, bytes, (size_t)n_bytes, NULL), HEARTH_OK);
    test_free(x);
    test_free(bytes);
}

/* Writes part `part` of n_parts: every n_parts-th tensor. */
static void write_part(const char *path, const shape *model, int part, int n_parts, const poison *p)
{
    gguf_writer *w;
    uint64_t ne[3];
    static const float numbers[] = {1.5f, -2.0f, 0.25f};
    uint32_t n_tensors = 0;
    assert_int_equal(gguf_writer_open(&w, path, NULL), HEARTH_OK);
    if (part == 0) {
        gguf_writer_set_string(w, "general.architecture", "llama", 5, NULL);
        gguf_writer_set_u32(w, "general.file_type", 1, NULL);
        gguf_writer_set_u32(w, "llama.block_count", 1, NULL);
        gguf_writer_set_u32(w, "llama.attention.head_count", 8, NULL);
        gguf_writer_set_u32(w, "llama.attention.head_count_kv", 2, NULL);
        gguf_writer_set_array(w, "some.numbers", GGUF_F32, numbers, 3, NULL);
    }
    for (const shape *s = model; s->name; s++)
        n_tensors++;
    if (n_parts > 1) {
        gguf_writer_set_u32(w, "split.no", (uint32_t)part, NULL);
        gguf_writer_set_u32(w, "split.count", (uint32_t)n_parts, NULL);
        gguf_writer_set_u32(w, "split.tensors.count", n_tensors, NULL);
    }
    for (const shape *s = model; s->name; s++) {
        ne[0] = s->columns, ne[1] = s->rows, ne[2] = s->depth;
        if ((s - model) % n_parts == part)
            assert_int_equal(gguf_writer_add_tensor(w, s->name, strlen(s->name), s->type,
                                                    s->depth > 1  ? 3
                                                    : s->rows > 1 ? 2
                                                                  : 1,
                                                    ne, NULL),
                             HEARTH_OK);
    }
    assert_int_equal(gguf_writer_begin_data(w, NULL), HEARTH_OK);
    for (const shape *s = model; s->name; s++) {
        if ((s - model) % n_parts == part)
            write_weights(w, s, p);
    }
    assert_int_equal(gguf_writer_commit(w, NULL), HEARTH_OK);
    gguf_writer_close(w);
}

static const char *make_model(const shape *model, const poison *p)
{
    empty_folder();
    write_part(path_of("in.gguf"), model, 0, 1, p);
    return path_of("in.gguf");
}

/* ---- watching ---- */

typedef struct watch {
    uint64_t last, total, cancel_at;
    int n_warnings, n_infos;
    char warnings[4096];
} watch;

static bool on_progress(void *user, uint64_t done, uint64_t total)
{
    watch *w = user;
    assert_true(done >= w->last && done <= total);
    w->last = done;
    w->total = total;
    return w->cancel_at == 0 || done < w->cancel_at;
}

static void on_log(void *user, hearth_log_level level, const char *message)
{
    watch *w = user;
    if (level == HEARTH_LOG_INFO)
        w->n_infos++;
    if (level != HEARTH_LOG_WARNING)
        return;
    w->n_warnings++;
    size_t n = strlen(w->warnings);
    snprintf(w->warnings + n, sizeof w->warnings - n, "%s\n", message);
}

static hearth_quantize_options watched(watch *w)
{
    hearth_quantize_options options;
    hearth_quantize_options_init(&options);
    *w = (watch){0};
    options.n_threads = 2;
    options.progress = (hearth_progress){on_progress, w};
    options.log = (hearth_log){on_log, w, HEARTH_LOG_INFO};
    return options;
}

static gguf *open_model(const char *path)
{
    gguf *g = NULL;
    hearth_error err = {0};
    if (gguf_open(&g, path, NULL, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    return g;
}

static const char *type_of(const gguf *g, const char *name)
{
    const gguf_tensor *t = gguf_find_tensor(g, name);
    assert_non_null(t);
    return wtype_get(t->type)->name;
}

static uint32_t number_of(const gguf *g, const char *key)
{
    uint32_t value = UINT32_MAX;
    bool found = false;
    assert_int_equal(gguf_get_u32(g, key, &value, &found, NULL), HEARTH_OK);
    assert_true(found);
    return value;
}

/* Every tensor holds what the row quantizer makes of the source's floats, or the source's bytes. */
static void check_data(const gguf *from, const gguf *to)
{
    assert_int_equal(gguf_n_tensors(from), gguf_n_tensors(to));
    for (size_t i = 0; i < gguf_n_tensors(to); i++) {
        const gguf_tensor *b = gguf_tensor_at(to, i);
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)b->name.n, b->name.data);
        const gguf_tensor *a = gguf_find_tensor(from, name);
        assert_non_null(a);
        assert_int_equal(a->n_elements, b->n_elements);
        assert_memory_equal(a->ne, b->ne, sizeof a->ne);
        uint8_t *bytes = test_malloc((size_t)b->n_bytes);
        float *x = test_malloc((size_t)a->n_elements * sizeof *x);
        if (a->type == b->type) {
            memcpy(bytes, a->data, (size_t)b->n_bytes);
        } else {
            weight_kernels_scalar.dequantize[a->type](a->data, (size_t)a->n_elements, x);
            quantize_row_get(b->type)(x, (size_t)a->n_elements, bytes);
        }
        if (memcmp(bytes, b->data, (size_t)b->n_bytes) != 0)
            fail_msg("tensor %s differs", name);
        test_free(bytes);
        test_free(x);
    }
}

/* ---- tests ---- */

static void test_writes_a_mixture(void **state)
{
    (void)state;
    watch w;
    hearth_quantize_options options = watched(&w);
    hearth_quantize_result result;
    hearth_error err = {0};
    const char *in = make_model(small_model, NULL), *out = path_of("out.gguf");
    if (hearth_quantize(in, out, "q4_k_m", &options, &result, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    gguf *a = open_model(in), *b = open_model(out);
    check_data(a, b);
    assert_string_equal(type_of(b, "output.weight"), "Q6_K");
    assert_string_equal(type_of(b, "token_embd.weight"), "Q4_K");
    assert_string_equal(type_of(b, "output_norm.weight"), "F32");
    assert_string_equal(type_of(b, "blk.0.attn_norm.weight"), "F32");
    assert_string_equal(type_of(b, "blk.0.attn_v.weight"), "Q6_K");
    assert_string_equal(type_of(b, "blk.0.ffn_up.weight"), "Q4_K");
    assert_string_equal(type_of(b, "blk.0.ffn_down.weight"), "Q8_0");
    assert_string_equal(type_of(b, "blk.0.ffn_gate_exps.weight"), "Q4_K");
    assert_int_equal(number_of(b, "general.file_type"), 15);
    assert_int_equal(number_of(b, "general.quantization_version"), 2);
    assert_int_equal(number_of(b, "llama.attention.head_count_kv"), 2);
    const gguf_value *numbers = gguf_find(b, "some.numbers");
    assert_non_null(numbers);
    assert_int_equal(numbers->n, 3);
    assert_int_equal(result.n_tensors, 8);
    assert_int_equal(result.n_fallbacks, 1);
    assert_true(result.bytes_before > 3 * result.bytes_after);
    assert_int_equal(w.last, result.bytes_before);
    assert_int_equal(w.total, result.bytes_before);
    assert_int_equal(w.n_infos, 8);
    assert_int_equal(w.n_warnings, 1);
    assert_non_null(strstr(w.warnings, "blk.0.ffn_down.weight"));
    assert_non_null(strstr(w.warnings, "96"));
    assert_non_null(strstr(w.warnings, "Q6_K"));
    assert_non_null(strstr(w.warnings, "Q8_0"));
    gguf_close(a);
    gguf_close(b);
}

static void test_every_recipe_writes_a_readable_model(void **state)
{
    (void)state;
    static const shape model[] = {
        {"token_embd.weight", WTYPE_F16, 256, 8, 1},
        {"blk.0.attn_v.weight", WTYPE_F32, 256, 8, 1},
        {"blk.0.ffn_down.weight", WTYPE_F16, 40, 8, 1},
        {"blk.0.ffn_up.weight", WTYPE_F16, 256, 4, 2},
        {NULL, WTYPE_F32, 0, 0, 0},
    };
    const char *name;
    for (size_t i = 0; (name = hearth_quantize_recipe_name(i)) != NULL; i++) {
        watch w;
        hearth_quantize_options options = watched(&w);
        hearth_error err = {0};
        const char *in = make_model(model, NULL), *out = path_of("out.gguf");
        if (hearth_quantize(in, out, name, &options, NULL, &err) != HEARTH_OK)
            fail_msg("%s: %s", name, err.message);
        gguf *a = open_model(in), *b = open_model(out);
        check_data(a, b);
        gguf_close(a);
        gguf_close(b);
    }
}

static void test_threads_do_not_change_the_file(void **state)
{
    (void)state;
    char *files[3];
    size_t sizes[3];
    const char *in = make_model(small_model, NULL);
    for (int i = 0; i < 3; i++) {
        hearth_quantize_options options;
        hearth_quantize_options_init(&options);
        options.n_threads = i + 1;
        assert_int_equal(hearth_quantize(in, path_of("out.gguf"), "Q5_K_M", &options, NULL, NULL),
                         HEARTH_OK);
        assert_int_equal(file_read_all(path_of("out.gguf"), 1 << 26, &files[i], &sizes[i], NULL),
                         HEARTH_OK);
        assert_int_equal(sizes[i], sizes[0]);
        assert_memory_equal(files[i], files[0], sizes[0]);
    }
    for (int i = 0; i < 3; i++)
        mem_free(files[i]);
}

static void test_a_split_set_becomes_one_file(void **state)
{
    (void)state;
    empty_folder();
    write_part(path_of("m-00001-of-00002.gguf"), small_model, 0, 2, NULL);
    write_part(path_of("m-00002-of-00002.gguf"), small_model, 1, 2, NULL);
    hearth_error err = {0};
    const char *in = path_of("m-00002-of-00002.gguf"), *out = path_of("out.gguf");
    assert_int_equal(hearth_quantize(in, out, "Q8_0", NULL, NULL, &err), HEARTH_OK);
    gguf *a = open_model(in), *b = open_model(out);
    assert_int_equal(gguf_n_parts(b), 1);
    assert_null(gguf_find(b, "split.count"));
    assert_null(gguf_find(b, "split.no"));
    assert_null(gguf_find(b, "split.tensors.count"));
    check_data(a, b);
    gguf_close(a);
    gguf_close(b);
    /* Neither part may be written over. */
    static const char *const parts[] = {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"};
    for (int i = 0; i < 4; i++) {
        hearth_status status =
            hearth_quantize(path_of(parts[i / 2]), path_of(parts[i % 2]), "Q8_0", NULL, NULL, &err);
        assert_int_equal(status, HEARTH_EINVAL);
    }
}

static void test_the_source_is_not_written_over(void **state)
{
    (void)state;
    hearth_error err = {0};
    const char *in = make_model(small_model, NULL);
    assert_int_equal(hearth_quantize(in, in, "Q8_0", NULL, NULL, &err), HEARTH_EINVAL);
    assert_int_equal(link(in, path_of("other-name.gguf")), 0);
    assert_int_equal(hearth_quantize(in, path_of("other-name.gguf"), "Q8_0", NULL, NULL, &err),
                     HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "other-name.gguf"));
}

static void expect_refusal(const shape *model, const poison *p, const char *recipe,
                           hearth_status expected, const char *said)
{
    hearth_error err = {0};
    const char *in = make_model(model, p);
    hearth_status status = hearth_quantize(in, path_of("out.gguf"), recipe, NULL, NULL, &err);
    assert_int_equal(status, expected);
    assert_int_equal(err.code, expected);
    if (strstr(err.message, said) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, said);
    assert_int_equal(empty_folder(), 1); /* the model alone */
}

static void test_weights_that_are_not_finite(void **state)
{
    (void)state;
    poison nan = {"blk.0.attn_v.weight", 16000, NAN};
    poison infinity = {"blk.0.ffn_up.weight", 256 * 2300 - 1, -INFINITY};
    expect_refusal(small_model, &nan, "Q4_0", HEARTH_EFORMAT, "blk.0.attn_v.weight");
    expect_refusal(small_model, &infinity, "Q4_K_M", HEARTH_EFORMAT, "blk.0.ffn_up.weight");
}

static void test_weights_beyond_f16_are_reported(void **state)
{
    (void)state;
    watch w;
    hearth_quantize_options options = watched(&w);
    poison large = {"blk.0.ffn_up.weight", 5, 1e6f};
    const char *in = make_model(small_model, &large);
    assert_int_equal(hearth_quantize(in, path_of("out.gguf"), "F16", &options, NULL, NULL),
                     HEARTH_OK);
    assert_int_equal(w.n_warnings, 1);
    assert_non_null(strstr(w.warnings, "blk.0.ffn_up.weight"));
    gguf *b = open_model(path_of("out.gguf"));
    float x[8];
    weight_kernels_scalar.dequantize[WTYPE_F16](gguf_find_tensor(b, "blk.0.ffn_up.weight")->data, 8,
                                                x);
    assert_true(x[5] == 65504.0f);
    gguf_close(b);
}

static void test_quantized_sources(void **state)
{
    (void)state;
    static const shape model[] = {
        {"output.weight", WTYPE_Q8_0, 256, 8, 1},
        {"blk.0.ffn_up.weight", WTYPE_Q8_0, 256, 8, 1},
        {"blk.0.attn_v.weight", WTYPE_F16, 256, 8, 1},
        {NULL, WTYPE_F32, 0, 0, 0},
    };
    expect_refusal(model, NULL, "Q4_0", HEARTH_EINVAL, "quantized already (Q8_0)");
    expect_refusal(model, NULL, "F32", HEARTH_EINVAL, "output.weight");
    hearth_quantize_options options;
    hearth_quantize_options_init(&options);
    const char *in = make_model(model, NULL), *out = path_of("out.gguf");
    /* What keeps its format is copied, so nothing has to be allowed. */
    assert_int_equal(hearth_quantize(in, out, "Q8_0", &options, NULL, NULL), HEARTH_OK);
    options.allow_requantize = true;
    static const char *const recipes[] = {"Q4_0", "F32", "F16"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hearth_quantize(in, out, recipes[i], &options, NULL, NULL), HEARTH_OK);
        gguf *a = open_model(in), *b = open_model(out);
        check_data(a, b);
        gguf_close(a);
        gguf_close(b);
    }
}

static void test_pure_ignores_the_mixture(void **state)
{
    (void)state;
    hearth_quantize_options options;
    hearth_quantize_options_init(&options);
    options.pure = true;
    const char *in = make_model(small_model, NULL), *out = path_of("out.gguf");
    assert_int_equal(hearth_quantize(in, out, "Q4_K_M", &options, NULL, NULL), HEARTH_OK);
    gguf *b = open_model(out);
    assert_string_equal(type_of(b, "output.weight"), "Q4_K");
    assert_string_equal(type_of(b, "blk.0.attn_v.weight"), "Q4_K");
    gguf_close(b);
}

static void test_cancel_leaves_nothing(void **state)
{
    (void)state;
    static const uint64_t points[] = {1, 100000, 2400000};
    for (int i = 0; i < 3; i++) {
        watch w;
        hearth_error err = {0};
        hearth_quantize_options options = watched(&w);
        w.cancel_at = points[i];
        const char *in = make_model(small_model, NULL);
        assert_int_equal(hearth_quantize(in, path_of("out.gguf"), "Q4_K_M", &options, NULL, &err),
                         HEARTH_ECANCELED);
        assert_int_equal(empty_folder(), 1);
    }
}

static void test_bad_arguments(void **state)
{
    (void)state;
    hearth_error err = {0};
    hearth_quantize_options options;
    expect_refusal(small_model, NULL, "Q4_KM", HEARTH_EINVAL, "did you mean Q4_K_M");
    expect_refusal(small_model, NULL, "", HEARTH_EINVAL, "unknown recipe");
    const char *in = make_model(small_model, NULL), *out = path_of("out.gguf");
    assert_int_equal(hearth_quantize(path_of("none.gguf"), out, "Q8_0", NULL, NULL, &err),
                     HEARTH_ENOTFOUND);
    assert_int_equal(hearth_quantize(in, path_of("no/such/out.gguf"), "Q8_0", NULL, NULL, &err),
                     HEARTH_ENOTFOUND);
    assert_int_equal(hearth_quantize(NULL, out, "Q8_0", NULL, NULL, &err), HEARTH_EINVAL);
    hearth_quantize_options_init(&options);
    options.n_threads = -1;
    assert_int_equal(hearth_quantize(in, out, "Q8_0", &options, NULL, &err), HEARTH_EINVAL);
    options.n_threads = 100000;
    assert_int_equal(hearth_quantize(in, out, "Q8_0", &options, NULL, &err), HEARTH_EINVAL);
    options = (hearth_quantize_options){0}; /* never initialised */
    assert_int_equal(hearth_quantize(in, out, "Q8_0", &options, NULL, &err), HEARTH_EINVAL);
    assert_int_equal(empty_folder(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_a_mixture),
        cmocka_unit_test(test_every_recipe_writes_a_readable_model),
        cmocka_unit_test(test_threads_do_not_change_the_file),
        cmocka_unit_test(test_a_split_set_becomes_one_file),
        cmocka_unit_test(test_the_source_is_not_written_over),
        cmocka_unit_test(test_weights_that_are_not_finite),
        cmocka_unit_test(test_weights_beyond_f16_are_reported),
        cmocka_unit_test(test_quantized_sources),
        cmocka_unit_test(test_pure_ignores_the_mixture),
        cmocka_unit_test(test_cancel_leaves_nothing),
        cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
