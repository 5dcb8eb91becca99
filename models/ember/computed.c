/* SPDX-License-Identifier: MIT
 *
 * computed.c - see computed.h. Each table is a function that draws operands and writes cells.
 */
#include "ember/computed.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

/* ---- held-out operands ---- */

static bool is_held_out(const char *table, int a, int b)
{
    uint64_t low = (uint64_t)(a < b ? a : b), high = (uint64_t)(a < b ? b : a);
    rng r = rng_new(hash_bytes(HASH_START, table, strlen(table)), low << 32 | high);
    return rng_below(&r, 10) == 0;
}

typedef struct drawer {
    const char *table;
    draw_kind kind;
    rng *r;
    computed_row *out;
} drawer;

static int between(rng *r, int low, int high)
{
    return low + (int)rng_below(r, (size_t)(high - low + 1));
}

static bool wanted(const drawer *d, int a, int b)
{
    return is_held_out(d->table, a, b) == (d->kind != DRAW_TRAINING);
}

/* A pair of the kind that is wanted. Small numbers are the ones people try first. */
static void draw_pair(const drawer *d, int low, int high, int *a, int *b)
{
    do {
        int top = high > 20 && rng_below(d->r, 2) == 0 ? 20 : high;
        *a = between(d->r, low, top);
        *b = between(d->r, low, top);
    } while (!wanted(d, *a, *b));
}

static int draw_one(const drawer *d, int low, int high)
{
    int n;
    do
        n = between(d->r, low, high);
    while (!wanted(d, n, n));
    return n;
}

/* ---- cells ---- */

static void number(drawer *d, const char *column, int value)
{
    d->out->columns[d->out->n] = column;
    snprintf(d->out->cells[d->out->n++], COMPUTED_CELL, "%d", value);
}

static void text(drawer *d, const char *column, const char *value)
{
    d->out->columns[d->out->n] = column;
    snprintf(d->out->cells[d->out->n++], COMPUTED_CELL, "%s", value);
}

static void word(drawer *d, const char *column, int n)
{
    static const char *const small[] = {"zero",    "one",     "two",       "three",    "four",
                                        "five",    "six",     "seven",     "eight",    "nine",
                                        "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
    static const char *const tens[] = {"",      "",      "twenty",  "thirty", "forty",
                                       "fifty", "sixty", "seventy", "eighty", "ninety"};
    char out[COMPUTED_CELL];
    if (n < 20)
        snprintf(out, sizeof out, "%s", small[n]);
    else
        snprintf(out, sizeof out, "%s%s%s", tens[n / 10], n % 10 ? "-" : "",
                 n % 10 ? small[n % 10] : "");
    text(d, column, out);
}

/* first, first + step, ... n of them */
static void series(drawer *d, const char *column, int first, int step, int n)
{
    char out[COMPUTED_CELL];
    int at = 0;
    for (int i = 0; i < n; i++)
        at += snprintf(out + at, sizeof out - (size_t)at, "%s%d", i ? ", " : "", first + i * step);
    text(d, column, out);
}

/* ---- tables ---- */

static void draw_add(drawer *d)
{
    int a, b;
    draw_pair(d, 0, 50, &a, &b);
    number(d, "a", a);
    number(d, "b", b);
    number(d, "c", a + b);
    word(d, "aw", a);
    word(d, "bw", b);
}

static void draw_subtract(drawer *d)
{
    int a, b;
    draw_pair(d, 0, 50, &a, &b);
    if (a < b) {
        int swap = a;
        a = b;
        b = swap;
    }
    number(d, "a", a);
    number(d, "b", b);
    number(d, "c", a - b);
    word(d, "aw", a);
    word(d, "bw", b);
}

static void draw_subtract_below_zero(drawer *d)
{
    int a, b;
    do
        draw_pair(d, 0, 20, &a, &b);
    while (a == b);
    number(d, "a", a < b ? a : b);
    number(d, "b", a < b ? b : a);
    number(d, "c", a < b ? a - b : b - a);
}

static void draw_add_three(drawer *d)
{
    int a, b, c = between(d->r, 1, 9);
    draw_pair(d, 1, 9, &a, &b);
    number(d, "a", a);
    number(d, "b", b);
    number(d, "c", c);
    number(d, "ab", a + b);
    number(d, "abc", a + b + c);
}

/* The steps are the way to the product: a times b, counted up in steps of b. */
static void draw_multiply(drawer *d)
{
    int a, b;
    draw_pair(d, 1, 10, &a, &b);
    number(d, "a", a);
    number(d, "b", b);
    number(d, "c", a * b);
    series(d, "steps", b, b, a);
    word(d, "aw", a);
    word(d, "bw", b);
}

static void draw_divide(drawer *d)
{
    int q, b;
    draw_pair(d, 1, 10, &q, &b);
    number(d, "a", q * b);
    number(d, "b", b);
    number(d, "c", q);
    series(d, "steps", b, b, q);
}

static void draw_compare(drawer *d)
{
    int a, b;
    do
        draw_pair(d, 0, 99, &a, &b);
    while (a == b);
    number(d, "a", a);
    number(d, "b", b);
    number(d, "larger", a > b ? a : b);
    number(d, "smaller", a > b ? b : a);
}

static void draw_neighbours(drawer *d)
{
    int n = draw_one(d, 1, 98);
    number(d, "n", n);
    number(d, "after", n + 1);
    number(d, "before", n - 1);
}

static void draw_parity(drawer *d)
{
    int n = draw_one(d, 0, 99);
    number(d, "n", n);
    text(d, "parity", n % 2 ? "odd" : "even");
    text(d, "even", n % 2 ? "No" : "Yes");
    text(d, "odd", n % 2 ? "Yes" : "No");
}

static void draw_double(drawer *d)
{
    int n = draw_one(d, 1, 49);
    number(d, "n", n);
    number(d, "double", 2 * n);
}

static void draw_count(drawer *d)
{
    int a, b;
    do
        draw_pair(d, 1, 20, &a, &b);
    while (a >= b || b - a > 11);
    number(d, "a", a);
    number(d, "b", b);
    series(d, "up", a, 1, b - a + 1);
    series(d, "down", b, -1, b - a + 1);
}

static void draw_sequence(drawer *d)
{
    int first, step;
    draw_pair(d, 1, 10, &first, &step);
    series(d, "terms", first, step, 4);
    number(d, "last", first + 3 * step);
    number(d, "next", first + 4 * step);
    number(d, "step", step);
}

static void draw_values(drawer *d)
{
    int a, b;
    draw_pair(d, 0, 99, &a, &b);
    number(d, "v", a);
    number(d, "w", b);
}

static const struct {
    const char *name;
    size_t rows; /* as far as learning is concerned */
    void (*draw)(drawer *d);
} tables[] = {
    {"add", 300, draw_add},
    {"subtract", 300, draw_subtract},
    {"subtract-below-zero", 120, draw_subtract_below_zero},
    {"add-three", 150, draw_add_three},
    {"multiply", 150, draw_multiply},
    {"divide", 250, draw_divide},
    {"pair-order", 150, draw_compare},
    {"neighbours", 80, draw_neighbours},
    {"evenness", 60, draw_parity},
    {"double", 100, draw_double},
    {"count", 200, draw_count},
    {"sequence", 200, draw_sequence},
    {"values", 60, draw_values},
    {"short", 300, NULL},
};

enum { N_TABLES = sizeof tables / sizeof *tables };

size_t computed_rows(const char *name)
{
    for (size_t i = 0; i < N_TABLES; i++) {
        if (strcmp(tables[i].name, name) == 0)
            return tables[i].rows;
    }
    return 0;
}

void computed_draw(const char *name, draw_kind kind, rng *r, computed_row *out)
{
    out->n = 0;
    for (size_t i = 0; i < N_TABLES; i++) {
        if (strcmp(tables[i].name, name) == 0 && tables[i].draw)
            tables[i].draw(&(drawer){tables[i].name, kind, r, out});
    }
}
