/* SPDX-License-Identifier: MIT
 *
 * sampler_draw.c - see sampler_draw.h.
 *
 * llama.cpp draws in two ways that differ in the last bit: the common one compares unnormalized
 * sums, mirostat's goes through std::discrete_distribution. Both are kept apart here.
 */
#include "engine/sampler_draw.h"

#include <math.h>

enum { MIROSTAT_BEST = 100 };

size_t draw(candidates *c, mt19937 *generator)
{
    if (c->n == 1) {
        c->items[0].probability = 1;
        return 0;
    }
    float max = candidates_max_logit(c);
    double sum = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->items[i].probability = float_exp(c->items[i].logit - max);
        sum += c->items[i].probability;
    }
    double target = sum * mt19937_double(generator);
    double running = 0;
    size_t chosen = c->n;
    for (size_t i = 0; i < c->n; i++) {
        float weight = c->items[i].probability;
        running += weight;
        /* A number of exactly 0 must not choose what has no weight. */
        if (chosen == c->n && running >= target && weight > 0)
            chosen = i;
        c->items[i].probability = (float)(weight / sum);
    }
    return chosen;
}

size_t draw_greedy(candidates *c)
{
    candidates_softmax(c);
    size_t best = 0;
    for (size_t i = 1; i < c->n; i++)
        if (c->items[i].logit > c->items[best].logit)
            best = i;
    return best;
}

/* As std::discrete_distribution<int> over the probabilities. */
static size_t draw_discrete(const candidates *c, mt19937 *generator)
{
    if (c->n == 1)
        return 0;
    double sum = 0;
    for (size_t i = 0; i < c->n; i++)
        sum += c->items[i].probability;
    double target = mt19937_double(generator);
    double running = 0;
    size_t last = 0;
    for (size_t i = 0; i < c->n; i++) {
        running += c->items[i].probability / sum;
        if (c->items[i].probability > 0)
            last = i;
        if (running >= target && last == i)
            return i;
    }
    return last;
}

static size_t draw_and_learn(candidates *c, mirostat *m, mt19937 *generator)
{
    candidates_softmax(c);
    size_t chosen = draw_discrete(c, generator);
    float surprise = -float_log2(c->items[chosen].probability);
    m->mu -= m->eta * (surprise - m->tau);
    return chosen;
}

void mirostat_reset(mirostat *m)
{
    m->mu = 2 * m->tau;
}

size_t draw_mirostat(candidates *c, mirostat *m, size_t n_vocab, mt19937 *generator)
{
    candidates_sort(c);
    candidates_softmax(c);
    float ranks_logs = 0, ranks_squares = 0;
    for (size_t i = 0; i + 1 < MIROSTAT_BEST && i + 1 < c->n; i++) {
        float rank = float_log((float)(i + 2) / (float)(i + 1));
        ranks_logs += rank * float_log(c->items[i].probability / c->items[i + 1].probability);
        ranks_squares += rank * rank;
    }
    float slope = ranks_logs / ranks_squares;
    float epsilon = slope - 1;
    float k = float_pow(epsilon * float_pow(2, m->mu) / (1 - float_pow((float)n_vocab, -epsilon)),
                        1 / slope);
    /* Candidates too few, forbidden or all alike give no slope: then k is NaN, and the best one is
     * taken. The comparisons also keep the conversion defined. */
    size_t keep = k >= 1 ? (k < (float)c->n ? (size_t)k : c->n) : 1;
    c->n = keep;
    return draw_and_learn(c, m, generator);
}

size_t draw_mirostat_v2(candidates *c, mirostat *m, mt19937 *generator)
{
    candidates_sort(c);
    candidates_softmax(c);
    size_t n = 1;
    while (n < c->n && !(-float_log2(c->items[n].probability) > m->mu))
        n++;
    c->n = n;
    return draw_and_learn(c, m, generator);
}
