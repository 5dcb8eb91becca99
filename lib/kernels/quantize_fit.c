/* SPDX-License-Identifier: MIT
 *
 * quantize_fit.c - see quantize_fit.h.
 *
 * Elements are taken four at a time with the compilers' portable vectors, which every processor
 * has; a sum is kept in 8 partial sums that are added in a fixed order.
 */
#include "kernels/quantize_fit.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { POLISH_ROUNDS = 4 };

typedef float vec4 __attribute__((vector_size(16)));
typedef int32_t mask4 __attribute__((vector_size(16)));

/* Added and taken away again, it rounds any |x| < 2^22 to the nearest integer, ties to even. */
#define ROUNDER 12582912.0f

static inline vec4 load4(const float *p)
{
    vec4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store4(float *p, vec4 v)
{
    memcpy(p, &v, sizeof v);
}

static inline vec4 splat4(float x)
{
    return (vec4){x, x, x, x};
}

static inline vec4 select4(mask4 mask, vec4 yes, vec4 no)
{
    return (vec4)((mask & (mask4)yes) | (~mask & (mask4)no));
}

/* A sum of 8 lanes. */
typedef struct lanes {
    vec4 low, high;
} lanes;

static inline float add_lanes(lanes s)
{
    vec4 v = s.low + s.high;
    return (v[0] + v[2]) + (v[1] + v[3]);
}

float fit_max_magnitude(const float *x, int n)
{
    vec4 max = splat4(0.0f);
    for (int i = 0; i < n; i += 4) {
        vec4 magnitude = (vec4)((mask4)load4(x + i) & 0x7fffffff);
        max = select4(magnitude > max, magnitude, max);
    }
    float a = max[0] > max[1] ? max[0] : max[1], b = max[2] > max[3] ? max[2] : max[3];
    return a > b ? a : b;
}

float fit_extreme(const float *x, int n)
{
    float max = fit_max_magnitude(x, n);
    for (int i = 0; i < n; i++) {
        if (fabsf(x[i]) == max)
            return x[i];
    }
    return 0.0f;
}

/* ---- nearest levels ---- */

static inline vec4 nearest_integer(vec4 t, float lo, float hi)
{
    vec4 low = splat4(lo), high = splat4(hi), rounder = splat4(ROUNDER);
    t = select4(t > low, t, low);
    t = select4(t < high, t, high);
    return (t + rounder) - rounder;
}

/* Climbs from the lowest code: each midpoint that t reaches adds the gap to the next code. */
static inline vec4 nearest_code(const levels *lv, vec4 t)
{
    vec4 q = splat4(lv->codes[0]);
    for (int c = 1; c < lv->n_codes; c++) {
        float gap = lv->codes[c] - lv->codes[c - 1];
        float middle = lv->codes[c - 1] + 0.5f * gap;
        q += (vec4)((t >= splat4(middle)) & (mask4)splat4(gap));
    }
    return q;
}

static inline void nearest_scaled(const levels *lv, const float *x, int n, float inverse, float *q)
{
    vec4 by = splat4(inverse);
    if (lv->codes) {
        for (int i = 0; i < n; i += 4)
            store4(q + i, nearest_code(lv, load4(x + i) * by));
    } else {
        for (int i = 0; i < n; i += 4)
            store4(q + i, nearest_integer(load4(x + i) * by, lv->lo, lv->hi));
    }
}

void fit_nearest(const levels *lv, const float *x, int n, float d, float *q)
{
    nearest_scaled(lv, x, n, d != 0.0f ? 1.0f / d : 0.0f, q);
}

void fit_nearest_affine(float n_max, const float *x, int n, float d, float m, float *q)
{
    vec4 by = splat4(d != 0.0f ? 1.0f / d : 0.0f), shift = splat4(m);
    for (int i = 0; i < n; i += 4)
        store4(q + i, nearest_integer((load4(x + i) - shift) * by, 0.0f, n_max));
}

/* ---- sums ---- */

fit_sums fit_correlate(const float *x, const float *q, int n)
{
    lanes xq = {0}, qq = {0}, sq = {0}, sx = {0};
    for (int i = 0; i < n; i += 8) {
        vec4 x0 = load4(x + i), x1 = load4(x + i + 4), q0 = load4(q + i), q1 = load4(q + i + 4);
        xq.low += x0 * q0;
        xq.high += x1 * q1;
        qq.low += q0 * q0;
        qq.high += q1 * q1;
        sq.low += q0;
        sq.high += q1;
        sx.low += x0;
        sx.high += x1;
    }
    return (fit_sums){add_lanes(xq), add_lanes(qq), add_lanes(sq), add_lanes(sx)};
}

float fit_error(const float *x, const float *q, int n, float d, float m)
{
    lanes error = {0};
    vec4 scale = splat4(d), shift = splat4(m);
    for (int i = 0; i < n; i += 8) {
        vec4 low = load4(x + i) - (scale * load4(q + i) + shift);
        vec4 high = load4(x + i + 4) - (scale * load4(q + i + 4) + shift);
        error.low += low * low;
        error.high += high * high;
    }
    return add_lanes(error);
}

/* ---- x = d q ---- */

/* The part of the sum of x^2 that the best d for these levels explains. */
static float score_scaled(const levels *lv, const float *x, int n, float inverse, float *d)
{
    float q[FIT_MAX];
    nearest_scaled(lv, x, n, inverse, q);
    fit_sums s = fit_correlate(x, q, n);
    if (s.qq == 0.0f)
        return 0.0f;
    *d = s.xq / s.qq;
    return *d * s.xq;
}

float fit_scale(const levels *lv, const float *x, int n)
{
    float extreme = fit_extreme(x, n);
    if (extreme == 0.0f)
        return 0.0f;
    float best = 0.0f, best_d = 0.0f, d;
    /* On symmetric levels a scale of the other sign gives the same again. */
    int n_signs = lv->lo == -lv->hi ? 1 : 2;
    for (int sign = 0; sign < n_signs; sign++) {
        float outermost = sign ? lv->lo : lv->hi;
        float at = lv->from, step = (lv->to - lv->from) / (float)(lv->n_steps - 1);
        for (int i = 0; i < lv->n_steps; i++, at += step) {
            float score = score_scaled(lv, x, n, outermost * at / extreme, &d);
            if (score > best) {
                best = score;
                best_d = d;
            }
        }
    }
    for (int round = 0; round < POLISH_ROUNDS && best_d != 0.0f; round++) {
        float score = score_scaled(lv, x, n, 1.0f / best_d, &d);
        if (score <= best)
            break;
        best = score;
        best_d = d;
    }
    return best_d;
}

/* ---- x = d q + m ---- */

/* Least squares for given levels; returns what is explained of the sum of x^2. */
static float solve_affine(const fit_sums *s, float n, float max_m, affine *out)
{
    float determinant = n * s->qq - s->q * s->q;
    if (determinant > 0.0f) {
        out->d = (n * s->xq - s->q * s->x) / determinant;
        out->m = (s->qq * s->x - s->q * s->xq) / determinant;
    }
    if (!(determinant > 0.0f) || out->m > max_m) {
        out->m = determinant > 0.0f ? max_m : fminf(s->x / n, max_m);
        out->d = s->qq > 0.0f ? (s->xq - out->m * s->q) / s->qq : 0.0f;
    }
    if (out->d < 0.0f)
        *out = (affine){0.0f, fminf(s->x / n, max_m)};
    return out->d * (2.0f * s->xq - out->d * s->qq) +
           out->m * (2.0f * s->x - n * out->m - 2.0f * out->d * s->q);
}

typedef struct affine_search {
    float n_max, max_m;
    const float *x;
    int n;
    float score;
    affine best;
} affine_search;

/* Levels nearest under `at`, then the best pair for them. Whether that is the best so far. */
static bool try_affine(affine_search *search, affine at)
{
    float q[FIT_MAX];
    affine pair;
    fit_nearest_affine(search->n_max, search->x, search->n, at.d, at.m, q);
    fit_sums s = fit_correlate(search->x, q, search->n);
    float score = solve_affine(&s, (float)search->n, search->max_m, &pair);
    if (score <= search->score)
        return false;
    search->score = score;
    search->best = pair;
    return true;
}

/* A start puts `steps` levels' distances between the lowest and the highest weight. More than n_max
 * cut off some of both ends; fewer leave levels unused, which suits weights that already lie on a
 * grid. */
static affine affine_start(float n_max, float range, float steps, float share)
{
    float d = range / steps;
    return (affine){d, (steps > n_max ? share * (steps - n_max) * d : 0.0f)};
}

affine fit_affine(float n_max, float max_m, const float *x, int n)
{
    static const float fewer[] = {-1.0f, -0.5f, 0.0f}, more[] = {0.2f, 0.42f, 0.7f, 1.0f, 1.4f};
    float shifted[FIT_MAX], lo = x[0], hi = x[0];
    for (int i = 1; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    lo = lo < max_m ? lo : max_m;
    if (!(hi > lo))
        return (affine){0.0f, lo};
    /* From here on the lowest is 0: a large common part of all weights costs no precision. */
    for (int i = 0; i < n; i++)
        shifted[i] = x[i] - lo;
    affine_search search = {n_max, max_m - lo, shifted, n, -FLT_MAX, {0.0f, 0.0f}};
    hi -= lo;
    for (int i = 0; i < 3; i++)
        try_affine(&search, affine_start(n_max, hi, n_max + fewer[i], 0.0f));
    /* The fewer levels there are, the more it pays to cut off. */
    float unit = n_max < 8.0f ? 0.7f * n_max : n_max < 20.0f ? 0.35f * n_max : 0.22f * n_max;
    for (int i = 0; i < 15; i++) {
        /* Where the minimum is at its bound, all is cut off above, in finer steps. */
        float steps = search.max_m > 0.0f ? more[i / 3] : more[4] * (float)(i + 1) / 15.0f;
        float share = search.max_m > 0.0f ? 0.5f * (float)(i % 3) : 0.0f;
        try_affine(&search, affine_start(n_max, hi, n_max + steps * unit, share));
    }
    for (int round = 0; round < POLISH_ROUNDS; round++) {
        if (!try_affine(&search, search.best))
            break;
    }
    return (affine){search.best.d, search.best.m + lo};
}
