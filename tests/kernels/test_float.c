/* SPDX-License-Identifier: MIT
 *
 * test_float.c - the float kernels of every instruction set that this machine runs.
 *
 *   scalar   against libm in double precision, within stated bounds
 *   others   against scalar with memcmp, at every length from 1 to 67 and a few long ones, with
 *            guards behind every output
 *
 * A program without a framework, so that it is easily compiled for another processor and run in an
 * emulator:  kernels_test_float [ISA...]     default: all that this CPU can run
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "os/cpu.h"
#include "support/kernel_check.h"

enum { MAX_N = 1100, GUARD = 16 };
static const float guard_value = 12345.0f;

typedef struct guarded {
    float x[MAX_N + GUARD];
} guarded;

static void set(guarded *g, const float *x, size_t n)
{
    memcpy(g->x, x, n * sizeof *x);
    for (size_t i = n; i < n + GUARD; i++)
        g->x[i] = guard_value;
}

static void expect_equal(const guarded *a, const guarded *b, size_t n, const char *what,
                         const char *isa)
{
    CHECK(memcmp(a->x, b->x, (n + GUARD) * sizeof *a->x) == 0, "%s of %zu on %s", what, n, isa);
    for (size_t i = n; i < n + GUARD; i++)
        CHECK(b->x[i] == guard_value, "%s of %zu on %s wrote past its end", what, n, isa);
}

/* Inputs: ordinary values, and now and then an awkward one. */
static void fill(float *x, size_t n, float range)
{
    static const float awkward[] = {0.0f, -0.0f, 1e-40f, -1e-40f, 88.5f, -88.5f, 1e4f, -1e4f};
    for (size_t i = 0; i < n; i++)
        x[i] = rng_float(0, 1) < 0.03f ? awkward[(size_t)rng_float(0, 8) % 8]
                                       : rng_float(-range, range);
}

/* ---- scalar against libm ---- */

static double gelu(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

static double expected_activation(ffn_act act, double x)
{
    switch (act) {
    case FFN_SILU:
        return x / (1.0 + exp(-x));
    case FFN_GELU:
        return gelu(x);
    case FFN_GELU_ERF:
        return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
    case FFN_GELU_QUICK:
        return x / (1.0 + exp(-1.702 * x));
    case FFN_RELU:
        return x > 0 ? x : 0;
    case FFN_RELU_SQR:
        return x > 0 ? x * x : 0;
    default:
        return NAN;
    }
}

static void test_elementwise_truth(const float_kernels *f)
{
    for (int i = -2000; i <= 2000; i++) {
        float x = (float)i / 100.0f, y = x;
        f->exp_sum(&y, 0.0f, 1);
        CHECK(fabs(y - exp(x)) <= 2e-7 * exp(x), "exp(%g) = %.9g", (double)x, (double)y);
        y = x;
        f->softcap(&y, 30.0f, 1);
        double cap = 30.0 * tanh(x / 30.0);
        CHECK(fabs(y - cap) <= 4e-7 * fabs(cap) + 1e-30, "softcap(%g) = %.9g", (double)x,
              (double)y);
        y = x;
        f->sigmoid(&y, 1);
        CHECK(fabs(y - 1.0 / (1.0 + exp(-x))) <= 2e-7, "sigmoid(%g) = %.9g", (double)x, (double)y);
        for (int act = FFN_SILU; act <= FFN_RELU_SQR; act++) {
            double truth = expected_activation((ffn_act)act, x);
            y = x;
            f->activate((ffn_act)act, &y, NULL, 1);
            CHECK(fabs(y - truth) <= 4e-7 * (1.0 + fabs(truth)),
                  "activation %d of %g = %.9g, not %.9g", act, (double)x, (double)y, truth);
        }
    }
    float edges[] = {-INFINITY, -200.0f, 0.0f};
    f->exp_sum(edges, 0.0f, 3);
    CHECK(edges[0] == 0.0f && edges[1] == 0.0f && edges[2] == 1.0f, "exp at its edges: %g %g %g",
          (double)edges[0], (double)edges[1], (double)edges[2]);
}

static void test_swiglu_oai_truth(const float_kernels *f)
{
    for (int i = 0; i < 500; i++) {
        float gate = rng_float(-12, 12), up = rng_float(-12, 12), y = gate;
        f->activate(FFN_SWIGLU_OAI, &y, &up, 1);
        double g = fmin(gate, 7.0), u = fmax(fmin(up, 7.0), -7.0);
        double truth = g / (1.0 + exp(-1.702 * g)) * (u + 1.0);
        CHECK(fabs(y - truth) <= 1e-6 * (1.0 + fabs(truth)), "swiglu(%g, %g) = %.9g", (double)gate,
              (double)up, (double)y);
    }
}

static void test_norm_truth(const float_kernels *f)
{
    for (size_t n = 1; n < 300; n += 13) {
        float x[300], w[300], b[300], y[300];
        double sum = 0, squares = 0, centered = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = rng_float(-3, 3);
            w[i] = rng_float(0, 2);
            b[i] = rng_float(-1, 1);
            sum += x[i];
            squares += (double)x[i] * x[i];
        }
        double mean = sum / (double)n;
        for (size_t i = 0; i < n; i++)
            centered += (x[i] - mean) * (x[i] - mean);
        f->rms_norm(x, w, 1e-5f, n, y);
        for (size_t i = 0; i < n; i++) {
            double truth = x[i] / sqrt(squares / (double)n + 1e-5) * w[i];
            CHECK(fabs(y[i] - truth) < 2e-6 * (1 + fabs(truth)), "rms_norm of %zu", n);
        }
        f->layer_norm(x, w, b, 1e-5f, n, y);
        for (size_t i = 0; i < n; i++) {
            double truth = (x[i] - mean) / sqrt(centered / (double)n + 1e-5) * w[i] + b[i];
            CHECK(fabs(y[i] - truth) < 1e-5 * (1 + fabs(truth)), "layer_norm of %zu", n);
        }
        double dot = 0;
        for (size_t i = 0; i < n; i++)
            dot += (double)x[i] * w[i];
        CHECK(fabs(f->dot(x, w, n) - dot) < 1e-5 * (double)n, "dot of %zu", n);
    }
}

static void test_rope_truth(const float_kernels *f)
{
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, normal[8], neox[8];
    float cosines[2] = {0.6f, 0.28f}, sines[2] = {0.8f, 0.96f};
    memcpy(normal, x, sizeof x);
    memcpy(neox, x, sizeof x);
    f->rope(normal, cosines, sines, 4, false);
    f->rope(neox, cosines, sines, 4, true);
    for (int i = 0; i < 2; i++) {
        double c = cosines[i], s = sines[i];
        CHECK(fabs(normal[2 * i] - (x[2 * i] * c - x[2 * i + 1] * s)) < 1e-6, "pair %d", i);
        CHECK(fabs(normal[2 * i + 1] - (x[2 * i] * s + x[2 * i + 1] * c)) < 1e-6, "pair %d", i);
        CHECK(fabs(neox[i] - (x[i] * c - x[i + 2] * s)) < 1e-6, "neox pair %d", i);
        CHECK(fabs(neox[i + 2] - (x[i] * s + x[i + 2] * c)) < 1e-6, "neox pair %d", i);
    }
    for (int i = 4; i < 8; i++)
        CHECK(normal[i] == x[i] && neox[i] == x[i], "element %d is beyond the rotated ones", i);
}

/* ---- the others against scalar ---- */

typedef void unary_fn(const float_kernels *f, float *x, const float *y, size_t n);

static void run_add(const float_kernels *f, float *x, const float *y, size_t n)
{
    f->add(x, y, n);
}
static void run_mul(const float_kernels *f, float *x, const float *y, size_t n)
{
    f->mul(x, y, n);
}
static void run_scale(const float_kernels *f, float *x, const float *y, size_t n)
{
    f->scale(x, y[0], n);
}
static void run_axpy(const float_kernels *f, float *x, const float *y, size_t n)
{
    f->axpy(x, 0.37f, y, n);
}
static void run_clamp(const float_kernels *f, float *x, const float *y, size_t n)
{
    f->clamp(x, fabsf(y[0]), n);
}
static void run_rms_norm(const float_kernels *f, float *x, const float *y, size_t n)
{
    f->rms_norm(x, y, 1e-6f, n, x);
}
static void run_layer_norm(const float_kernels *f, float *x, const float *y, size_t n)
{
    f->layer_norm(x, y, y, 1e-6f, n, x);
}
static void run_exp_sum(const float_kernels *f, float *x, const float *y, size_t n)
{
    (void)y;
    x[0] = f->exp_sum(x, f->max(x, n), n);
}
static void run_softcap(const float_kernels *f, float *x, const float *y, size_t n)
{
    (void)y;
    f->softcap(x, 50.0f, n);
}
static void run_sigmoid(const float_kernels *f, float *x, const float *y, size_t n)
{
    (void)y;
    f->sigmoid(x, n);
}
static void run_dot(const float_kernels *f, float *x, const float *y, size_t n)
{
    x[0] = f->dot(x, y, n);
}
static void run_activations(const float_kernels *f, float *x, const float *y, size_t n)
{
    for (int act = FFN_SILU; act <= FFN_SWIGLU_OAI; act++)
        f->activate((ffn_act)act, x, y, n);
}
static void run_rope(const float_kernels *f, float *x, const float *y, size_t n)
{
    f->rope(x, y, y + n / 2, n / 2 * 2, n % 4 < 2);
}
static const struct {
    const char *name;
    unary_fn *run;
    float range;
} cases[] = {
    {"add", run_add, 10},
    {"mul", run_mul, 10},
    {"scale", run_scale, 10},
    {"axpy", run_axpy, 10},
    {"clamp", run_clamp, 10},
    {"rms_norm", run_rms_norm, 10},
    {"layer_norm", run_layer_norm, 10},
    {"exp_sum", run_exp_sum, 40},
    {"softcap", run_softcap, 100},
    {"sigmoid", run_sigmoid, 100},
    {"dot", run_dot, 10},
    {"activate", run_activations, 8},
    {"rope", run_rope, 3},
};

static void compare(const kernels *reference, const kernels *k)
{
    static guarded a, b;
    static float x[MAX_N], y[MAX_N];
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        for (size_t step = 0; step < 72; step++) {
            size_t n = step < 67 ? step + 1 : 128 + (step - 67) * 200;
            fill(x, n, cases[c].range);
            fill(y, n, cases[c].range);
            set(&a, x, n);
            set(&b, x, n);
            cases[c].run(reference->f, a.x, y, n);
            cases[c].run(k->f, b.x, y, n);
            expect_equal(&a, &b, n, cases[c].name, k->isa);
        }
    }
}

static void test_isa(const char *isa)
{
    const kernels *scalar = kernels_get("scalar"), *k = kernels_get(isa);
    cpu_isa chosen;
    if (k == NULL || cpu_choose_isa(isa, &chosen, NULL) != HEARTH_OK) {
        printf("%-8s skipped: not on this machine\n", isa);
        return;
    }
    if (k == scalar) {
        test_elementwise_truth(k->f);
        test_swiglu_oai_truth(k->f);
        test_norm_truth(k->f);
        test_rope_truth(k->f);
    } else {
        compare(scalar, k);
    }
    printf("%-8s %s\n", isa, failures ? "FAILED" : "ok");
}

int main(int argc, char **argv)
{
    rng_state = 42;
    static const char *const all[] = {"scalar", "avx2", "avx512", "amx", "neon"};
    printf("seed %llu\n", (unsigned long long)rng_state);
    for (int i = 1; i < argc; i++)
        test_isa(argv[i]);
    for (size_t i = 0; i < sizeof all / sizeof *all && argc == 1; i++)
        test_isa(all[i]);
    return failures ? 1 : 0;
}
