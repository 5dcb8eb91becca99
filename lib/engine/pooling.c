/* SPDX-License-Identifier: MIT
 *
 * pooling.c - see pooling.h.
 */
#include "engine/pooling.h"

#include <math.h>
#include <string.h>

void pooled_init(pooled *p, float *memory, size_t width)
{
    *p = (pooled){
        .width = width, .sum = memory, .first = memory + width, .last = memory + 2 * width};
}

void pooled_add(pooled *p, const float_kernels *f, const float *rows, size_t stride, size_t n)
{
    if (n == 0)
        return;
    if (p->n == 0) {
        memset(p->sum, 0, p->width * sizeof(float));
        memcpy(p->first, rows, p->width * sizeof(float));
    }
    for (size_t i = 0; i < n; i++)
        f->add(p->sum, rows + i * stride, p->width);
    memcpy(p->last, rows + (n - 1) * stride, p->width * sizeof(float));
    p->n += n;
}

const float *pooled_row(const pooled *p, pooling_kind kind)
{
    return kind == POOLING_CLS ? p->first : p->last;
}

void pooled_result(const pooled *p, const float_kernels *f, pooling_kind kind, float *out)
{
    bool one = kind == POOLING_CLS || kind == POOLING_LAST;
    const float *source = one ? pooled_row(p, kind) : p->sum;
    memcpy(out, source, p->width * sizeof *out);
    if (source == p->sum)
        f->scale(out, 1.0f / (float)p->n, p->width);
}

void pooling_normalize(const float_kernels *f, float *vector, size_t width)
{
    float length = sqrtf(f->dot(vector, vector, width));
    f->scale(vector, length > 0.0f ? 1.0f / length : 0.0f, width);
}
