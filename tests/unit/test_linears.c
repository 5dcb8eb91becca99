/* SPDX-License-Identifier: MIT
 *
 * test_linears.c - matrices that fill many chunks of many spans: every output has the bits of its
 * row multiplied alone by the scalar kernel, whatever the threads, the columns and what is
 * multiplied beside it. Sizes are such that nothing divides evenly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/hparams.h"
#include "model/ops_cpu.h"
#include "os/cpu.h"

enum { WIDTH = 1024, COLUMNS = 21, LINEARS = 3 };

static hearth_error err;
static hparams h;
static linear matrices[LINEARS];
static float *x;                 /* COLUMNS rows */
static float *expected[LINEARS]; /* likewise */

static uint32_t scramble(size_t i)
{
    return (uint32_t)((i + 1) * 0x9e3779b97f4a7c15u >> 32);
}

static float scrambled_float(size_t i)
{
    return (float)scramble(i) / 2147483648.0f - 1.0f;
}

/* Any bytes, with scales of about 1 / 128. */
static void make_matrix(linear *w, wtype type, size_t n_rows, bool with_bias)
{
    const wtype_info *info = wtype_get(type);
    uint8_t *data;
    *w = (linear){.type = type, .k = WIDTH, .n_rows = n_rows};
    w->row_bytes = WIDTH / info->block_elements * info->block_bytes;
    data = malloc(n_rows * w->row_bytes);
    assert_non_null(data);
    for (size_t at = 0; at < n_rows * w->row_bytes; at++)
        data[at] = (uint8_t)scramble(at);
    for (size_t at = 0; at < n_rows * w->row_bytes; at += info->block_bytes) {
        const size_t n_scales = type == WTYPE_Q4_K ? 2 : 1;
        for (size_t i = 0; i < n_scales; i++)
            data[at + 2 * i + 1] = 0x20;
    }
    w->data = data;
    if (!with_bias)
        return;
    float *bias = malloc(n_rows * sizeof *bias);
    assert_non_null(bias);
    for (size_t i = 0; i < n_rows; i++)
        bias[i] = scrambled_float(i);
    w->bias = bias;
}

static float *new_rows(size_t width)
{
    float *rows = aligned_alloc(64, COLUMNS * ops_stride(width) * sizeof *rows);
    assert_non_null(rows);
    return rows;
}

/* One row and one column at a time. */
static float *multiply_alone(const linear *w)
{
    const weight_kernels *k = kernels_get("scalar")->weight;
    const act_kind kind = act_kind_for(w->type);
    void *act = aligned_alloc(64, act_row_bytes(kind, WIDTH));
    float *y = new_rows(w->n_rows);
    assert_non_null(act);
    for (size_t c = 0; c < COLUMNS; c++) {
        k->quantize_act[kind](x + c * ops_stride(WIDTH), WIDTH, act);
        for (size_t r = 0; r < w->n_rows; r++) {
            float *out = y + c * ops_stride(w->n_rows) + r;
            const matmul_job job = {.w = w->data + r * w->row_bytes,
                                    .row_bytes = w->row_bytes,
                                    .k = WIDTH,
                                    .n_rows = 1,
                                    .n_columns = 1,
                                    .x = {act},
                                    .y = {out}};
            k->matmul[w->type](&job);
            *out += w->bias ? w->bias[r] : 0.0f;
        }
    }
    free(act);
    return y;
}

static int set_up(void **state)
{
    (void)state;
    h = (hparams){.n_embd = WIDTH,
                  .n_layer = 1,
                  .head_dim_k = 64,
                  .head_dim_v = 64,
                  .n_head_max = 4,
                  .n_head_kv_max = 4,
                  .n_ff_max = WIDTH,
                  .n_rot = 64,
                  .causal = true,
                  .layers = {{.n_head = 4, .n_head_kv = 4, .n_ff = WIDTH}}};
    make_matrix(&matrices[0], WTYPE_Q8_0, 5003, false);
    make_matrix(&matrices[1], WTYPE_Q4_K, 77, true);
    make_matrix(&matrices[2], WTYPE_Q4_K, 2995, true); /* a few rows more than whole units */
    x = new_rows(WIDTH);
    for (size_t i = 0; i < COLUMNS * ops_stride(WIDTH); i++)
        x[i] = scrambled_float(i);
    for (size_t m = 0; m < LINEARS; m++)
        expected[m] = multiply_alone(&matrices[m]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t m = 0; m < LINEARS; m++) {
        free((void *)matrices[m].data);
        free((void *)matrices[m].bias);
        free(expected[m]);
    }
    free(x);
    return 0;
}

static void check_bits(const char *isa, int n_threads, size_t n, float *const *y)
{
    for (size_t m = 0; m < LINEARS; m++) {
        const size_t n_rows = matrices[m].n_rows, stride = ops_stride(n_rows);
        for (size_t c = 0; c < n; c++) {
            if (memcmp(y[m] + c * stride, expected[m] + c * stride, n_rows * sizeof(float)) != 0)
                fail_msg("%s, %d threads, matrix %zu, column %zu of %zu", isa, n_threads, m, c, n);
        }
    }
}

static void check_isa(const char *isa)
{
    static const int threads[] = {1, 2, 3, 64, 100};
    static const size_t columns[] = {1, 2, 8, 9, COLUMNS};
    const linear *const w[LINEARS] = {&matrices[0], &matrices[1], &matrices[2]};
    float *y[LINEARS];
    for (size_t m = 0; m < LINEARS; m++)
        y[m] = new_rows(matrices[m].n_rows);
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        const ops_cpu_options options = {
            .kernels = kernels_get(isa), .n_threads = threads[t], .n_batch = COLUMNS, .n_ctx = 64};
        ops *o;
        assert_int_equal(ops_cpu_open(&o, &h, &options, &err), HEARTH_OK);
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
            for (size_t m = 0; m < LINEARS; m++)
                memset(y[m], 0xff, COLUMNS * ops_stride(matrices[m].n_rows) * sizeof(float));
            o->table->linears(o, w, y, LINEARS, x, columns[c]);
            check_bits(isa, threads[t], columns[c], y);
        }
        o->table->close(o);
    }
    for (size_t m = 0; m < LINEARS; m++)
        free(y[m]);
}

static void test_same_bits(void **state)
{
    const cpu_isa best = cpu_best_isa();
    (void)state;
    for (cpu_isa isa = CPU_ISA_SCALAR; isa <= best; isa++) {
        if (kernels_get(cpu_isa_name(isa)))
            check_isa(cpu_isa_name(isa));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
