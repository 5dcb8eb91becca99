/* SPDX-License-Identifier: MIT
 *
 * code_range.c - sets of characters as ranges, and their UTF-8.
 */
#include "grammar/grammar.h"

#include <stdlib.h>

#include "base/utf8.h"

static const uint32_t last_code_point = 0x10ffff;

static int by_low(const void *a, const void *b)
{
    const code_range *x = a, *y = b;
    return x->low != y->low ? (x->low > y->low) - (x->low < y->low)
                            : (x->high > y->high) - (x->high < y->high);
}

/* The surrogates are a hole: a range may not begin, end or be in it. */
static bool clip(code_range *r)
{
    if (r->low >= 0xd800 && r->low <= 0xdfff)
        r->low = 0xe000;
    if (r->high >= 0xd800 && r->high <= 0xdfff)
        r->high = 0xd7ff;
    if (r->high > last_code_point)
        r->high = last_code_point;
    return r->low <= r->high;
}

static bool touches(const code_range *last, const code_range *r)
{
    return r->low <= last->high + 1 || (last->high == 0xd7ff && r->low == 0xe000);
}

size_t code_ranges_normalize(code_range *ranges, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (clip(&ranges[i]))
            ranges[kept++] = ranges[i];
    }
    if (kept == 0)
        return 0;
    qsort(ranges, kept, sizeof *ranges, by_low);
    n = kept;
    kept = 1;
    for (size_t i = 1; i < n; i++) {
        code_range *last = &ranges[kept - 1];
        if (!touches(last, &ranges[i]))
            ranges[kept++] = ranges[i];
        else if (ranges[i].high > last->high)
            last->high = ranges[i].high;
    }
    return kept;
}

size_t code_ranges_negate(const code_range *ranges, size_t n, code_range *out)
{
    size_t n_out = 0;
    uint32_t next = 0;
    for (size_t i = 0; i < n; i++) {
        if (ranges[i].low > next)
            out[n_out++] = (code_range){next, ranges[i].low - 1};
        next = ranges[i].high + 1;
    }
    if (next <= last_code_point)
        out[n_out++] = (code_range){next, last_code_point};
    return code_ranges_normalize(out, n_out);
}

/* low and high have the same length in UTF-8. Splits where a byte before the last would have to
 * depend on the ones behind it. */
static size_t split(uint32_t low, uint32_t high, utf8_span *spans)
{
    char a[4], b[4];
    size_t n = utf8_encode(low, a);
    for (size_t i = 1; i < n; i++) {
        uint32_t below = (1u << 6 * i) - 1; /* what the last i bytes hold */
        if ((low & ~below) == (high & ~below))
            continue;
        if (low & below) {
            size_t done = split(low, low | below, spans);
            return done + split((low | below) + 1, high, spans + done);
        }
        if ((high & below) != below) {
            size_t done = split(low, (high & ~below) - 1, spans);
            return done + split(high & ~below, high, spans + done);
        }
    }
    utf8_encode(high, b);
    spans->n = (int)n;
    for (size_t i = 0; i < n; i++) {
        spans->low[i] = (uint8_t)a[i];
        spans->high[i] = (uint8_t)b[i];
    }
    return 1;
}

size_t utf8_spans(uint32_t low, uint32_t high, utf8_span spans[UTF8_SPANS_MAX])
{
    /* Where the length changes, and around the surrogates. */
    static const code_range lengths[] = {
        {0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, 0x10ffff}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint32_t from = low > lengths[i].low ? low : lengths[i].low;
        uint32_t to = high < lengths[i].high ? high : lengths[i].high;
        if (from <= to)
            n += split(from, to, spans + n);
    }
    return n;
}
