/* SPDX-License-Identifier: MIT
 *
 * sampler_filters.c - see sampler_filters.h.
 *
 * Arithmetic is in binary32 and in the order of the candidates wherever llama.cpp's is, so that
 * thresholds cut at the same place.
 */
#include "engine/sampler_filters.h"

#include <math.h>
#include <string.h>

void filter_top_k(candidates *c, int32_t k)
{
    if (k <= 0)
        return;
    candidates_keep_head(c, (size_t)k < c->n ? (size_t)k : c->n);
}

void filter_top_p(candidates *c, float p, size_t min_keep)
{
    if (p >= 1)
        return;
    candidates_softmax(c);
    /* The head is mostly short: sort a first piece, and more only while p is not reached. */
    size_t n_sorted = c->sorted ? c->n : 0;
    size_t step = 256;
    float sum = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (i == n_sorted) {
            size_t left = c->n - n_sorted;
            step = step < left ? step : left;
            candidates_sort_head(c, n_sorted, step);
            n_sorted += step;
            step *= 8;
        }
        sum += c->items[i].probability;
        if (sum >= p && i + 1 >= min_keep)
            c->n = i + 1;
    }
    c->sorted = true;
}

/* How many candidates at the head have a logit of at least `least`. */
static size_t head_above(const candidates *c, float least)
{
    size_t n = 0;
    while (n < c->n && c->items[n].logit >= least)
        n++;
    return n;
}

void filter_min_p(candidates *c, float p, size_t min_keep)
{
    if (p <= 0)
        return;
    float least = candidates_max_logit(c) + float_log(p);
    if (min_keep < 1)
        min_keep = 1;
    if (c->sorted) {
        size_t n = head_above(c, least);
        if (n < min_keep)
            n = min_keep < c->n ? min_keep : c->n;
        c->n = n;
        return;
    }
    size_t n_above = 0;
    for (size_t i = 0; i < c->n; i++)
        n_above += c->items[i].logit >= least;
    if (n_above < min_keep) {
        filter_top_k(c, min_keep < INT32_MAX ? (int32_t)min_keep : INT32_MAX);
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].logit >= least)
            c->items[n++] = c->items[i];
    c->n = n;
}

void filter_typical(candidates *c, float p, size_t min_keep)
{
    if (p >= 1)
        return;
    candidates_sort(c);
    float max = c->items[0].logit;
    float total = candidates_softmax(c);
    float entropy = 0;
    /* The surprise, and then its distance, take the place of the probability while ordering; that
     * is made again below. */
    for (size_t i = 0; i < c->n; i++) {
        float p_i = c->items[i].probability;
        c->items[i].probability = -float_log(p_i);
        if (p_i > 0)
            entropy += p_i * c->items[i].probability;
    }
    for (size_t i = 0; i < c->n; i++)
        c->items[i].probability = fabsf(c->items[i].probability - entropy);
    candidates_sort_by_probability(c);
    float sum = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->items[i].probability = float_exp(c->items[i].logit - max) / total;
        sum += c->items[i].probability;
        if (sum > p && i + 1 >= min_keep)
            c->n = i + 1;
    }
}

void filter_top_n_sigma(candidates *c, float n)
{
    if (n <= 0 || c->n <= 1)
        return;
    float sum = 0;
    size_t n_allowed = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].logit != -INFINITY) {
            sum += c->items[i].logit;
            n_allowed++;
        }
    float mean = sum / (float)n_allowed;
    float squares = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].logit != -INFINITY) {
            double deviation = c->items[i].logit - mean;
            squares = (float)(squares + deviation * deviation);
        }
    float least = candidates_max_logit(c) - n * sqrtf(squares / (float)n_allowed);
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].logit < least)
            c->items[i].logit = -INFINITY;
    candidates_sort(c);
}

void filter_xtc(candidates *c, float chance, float threshold, size_t min_keep, mt19937 *generator)
{
    if (chance <= 0 || threshold > 0.5f || c->n < 2)
        return;
    if (mt19937_float(generator) > chance)
        return;
    candidates_sort(c);
    candidates_softmax(c);
    size_t last = 0;
    for (size_t i = 1; i < c->n; i++) {
        /* At threshold 0 too, what is left must not be a forbidden token. */
        if (c->items[i].probability < threshold || c->items[i].probability == 0)
            break;
        last = i;
    }
    if (last == 0 || c->n - last < min_keep)
        return;
    c->n -= last;
    memmove(c->items, c->items + last, c->n * sizeof *c->items);
}

static void forbid_all_but_best(candidates *c)
{
    size_t best = 0;
    for (size_t i = 1; i < c->n; i++) {
        const hearth_candidate *a = &c->items[i], *b = &c->items[best];
        if (a->logit > b->logit || (a->logit == b->logit && a->token < b->token))
            best = i;
    }
    for (size_t i = 0; i < c->n; i++)
        if (i != best)
            c->items[i].logit = -INFINITY;
}

void filter_temperature(candidates *c, float temperature)
{
    if (temperature <= 0 || !isfinite(candidates_max_logit(c) / temperature)) {
        forbid_all_but_best(c);
        return;
    }
    for (size_t i = 0; i < c->n; i++)
        c->items[i].logit /= temperature;
}

void filter_dynamic_temperature(candidates *c, float temperature, float range, float exponent)
{
    if (range <= 0) {
        filter_temperature(c, temperature);
        return;
    }
    if (c->n <= 1)
        return;
    float low = temperature > range ? temperature - range : 0;
    float high = temperature + range;
    float max_entropy = -float_log(1.0f / (float)c->n);
    candidates_sort(c);
    candidates_softmax(c);
    float entropy = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].probability > 0)
            entropy -= c->items[i].probability * float_log(c->items[i].probability);
    float t = low + (high - low) * float_pow(entropy / max_entropy, exponent);
    filter_temperature(c, isfinite(t) ? t : high);
}
