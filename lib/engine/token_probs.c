/* SPDX-License-Identifier: MIT
 *
 * token_probs.c - see token_probs.h.
 */
#include "engine/token_probs.h"

#include <math.h>

#include "base/fmath.h"

double token_probs_offset(const float *logits, size_t n)
{
    const double negligible = -60; /* e^-60 of a sum of at least 1 is below half an ulp of it */
    double sum = 0, max = (double)-INFINITY;
    for (size_t i = 0; i < n; i++)
        max = (double)logits[i] > max ? (double)logits[i] : max;
    for (size_t i = 0; i < n; i++) {
        double x = (double)logits[i] - max;
        if (x > negligible)
            sum += fmath_exp(x);
    }
    return max + fmath_log(sum);
}

/* Restores the heap whose root is the least likely, the later token being the less likely of
 * equals. */
static int is_less(const hearth_token_prob *a, const hearth_token_prob *b)
{
    return a->logprob < b->logprob || (a->logprob == b->logprob && a->token > b->token);
}

static void sift_down(hearth_token_prob *heap, size_t n)
{
    size_t at = 0;
    for (;;) {
        size_t least = at, child = 2 * at + 1;
        for (size_t c = child; c < child + 2 && c < n; c++)
            least = is_less(&heap[c], &heap[least]) ? c : least;
        if (least == at)
            return;
        hearth_token_prob moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

static void sift_up(hearth_token_prob *heap, size_t at)
{
    while (at > 0 && is_less(&heap[at], &heap[(at - 1) / 2])) {
        hearth_token_prob moved = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = moved;
        at = (at - 1) / 2;
    }
}

size_t token_probs_top(const float *logits, size_t n, size_t n_top, double offset,
                       hearth_token_prob *top)
{
    size_t n_heap = 0;
    for (size_t i = 0; i < n && n_top > 0; i++) {
        hearth_token_prob next = {(int32_t)i, logits[i]};
        if (n_heap < n_top) {
            top[n_heap] = next;
            sift_up(top, n_heap++);
        } else if (is_less(&top[0], &next)) {
            top[0] = next;
            sift_down(top, n_heap);
        }
    }
    for (size_t end = n_heap; end > 1; end--) { /* the least likely goes last, again and again */
        hearth_token_prob least = top[0];
        top[0] = top[end - 1];
        top[end - 1] = least;
        sift_down(top, end - 1);
    }
    for (size_t i = 0; i < n_heap; i++)
        top[i].logprob = (float)((double)top[i].logprob - offset);
    return n_heap;
}
