/* SPDX-License-Identifier: MIT
 *
 * rope.c - see rope.h.
 */
#include "model/rope.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

static const double pi = 3.14159265358979323846;
static const double yarn_beta_fast = 32.0, yarn_beta_slow = 1.0;

/* The pair whose wave makes `turns` turns over the original context. */
static double pair_of_turns(const hparams *h, double base, double turns)
{
    return h->n_rot * fmath_log(h->rope_n_ctx_orig / (turns * 2.0 * pi)) / (2.0 * fmath_log(base));
}

static void fill_set(rope_table *r, int set, const hparams *h, double base, bool scaled,
                     float magnitude, const float *factors)
{
    double scale = scaled && h->rope_scaling != ROPE_SCALING_NONE ? h->rope_scaling_factor : 1.0;
    bool yarn = scaled && h->rope_scaling == ROPE_SCALING_YARN;
    double low = 0.0, high = 1.0;
    if (yarn) {
        low = fmax(0.0, floor(pair_of_turns(h, base, yarn_beta_fast)));
        high = fmin(h->n_rot - 1.0, ceil(pair_of_turns(h, base, yarn_beta_slow)));
    }
    for (size_t i = 0; i < r->n_pairs; i++) {
        double turn = fmath_pow(base, -2.0 * (double)i / h->n_rot);
        double mix = 0.0;
        if (yarn) {
            double ramp = ((double)i - low) / fmax(0.001, high - low);
            mix = 1.0 - fmin(1.0, fmax(0.0, ramp));
        }
        if (factors)
            turn /= factors[i];
        r->frequency[set][i] = turn * ((1.0 - mix) / scale + mix);
    }
    r->magnitude[set] = magnitude;
    if (yarn && scale > 1.0)
        r->magnitude[set] *= (float)(1.0 + 0.1 * fmath_log(scale));
}

size_t rope_bytes(const hparams *h)
{
    return ROPE_SETS * (h->n_rot / 2) * sizeof(double);
}

hearth_status rope_init(rope_table *r, const hparams *h, const weights *w, uint32_t n_ctx,
                        hearth_error *err)
{
    const float *factors = w->rope_freqs;
    memset(r, 0, sizeof *r);
    if (h->rope == ROPE_NONE)
        return HEARTH_OK;
    r->n_pairs = h->n_rot / 2;
    r->frequency[0] = mem_calloc(ROPE_SETS * r->n_pairs, sizeof *r->frequency[0]);
    if (r->frequency[0] == NULL)
        return error_no_memory(err, "the RoPE frequencies", rope_bytes(h));
    r->frequency[1] = r->frequency[0] + r->n_pairs;
    if (w->rope_long && w->rope_short)
        factors = n_ctx > h->rope_n_ctx_orig ? w->rope_long : w->rope_short;
    fill_set(r, 0, h, h->rope_freq_base, true, h->rope_attn_factor, factors);
    fill_set(r, 1, h, h->rope_freq_base_local, h->rope_scaling_local, h->rope_attn_factor_local,
             factors);
    return HEARTH_OK;
}

void rope_deinit(rope_table *r)
{
    mem_free(r->frequency[0]);
    memset(r, 0, sizeof *r);
}

void rope_angles(const rope_table *r, int set, uint32_t position, float *cos, float *sin)
{
    double magnitude = r->magnitude[set];
    for (size_t i = 0; i < r->n_pairs; i++) {
        double angle = position * r->frequency[set][i];
        cos[i] = (float)(fmath_cos(angle) * magnitude);
        sin[i] = (float)(fmath_sin(angle) * magnitude);
    }
}
