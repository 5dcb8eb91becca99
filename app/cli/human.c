/* SPDX-License-Identifier: MIT
 *
 * human.c - see human.h.
 */
#include "cli/human.h"

#include <stdio.h>

/* Three digits that count, in the largest unit that leaves at least 1. */
static human_text scaled(uint64_t n, double step, const char *const *units, size_t n_units)
{
    human_text out;
    double value = (double)n;
    size_t unit = 0;
    while (value >= step && unit + 1 < n_units) {
        value /= step;
        unit++;
    }
    int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out.text, sizeof out.text, "%.*f%s", decimals, value, units[unit]);
    return out;
}

human_text human_bytes(uint64_t n)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
    return scaled(n, 1024, units, sizeof units / sizeof *units);
}

human_text human_count(uint64_t n)
{
    static const char *const units[] = {"", " K", " M", " B", " T"};
    return scaled(n, 1000, units, sizeof units / sizeof *units);
}
