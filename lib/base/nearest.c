/* SPDX-License-Identifier: MIT
 *
 * nearest.c - see nearest.h. The distance is optimal string alignment: Levenshtein's, with a swap
 * of neighbours as one edit, over three rolling rows.
 */
#include "base/nearest.h"

#include <limits.h>
#include <string.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned edits(const char *a, size_t n_a, const char *b, size_t n_b)
{
    unsigned rows[3][NEAREST_MAX + 1];
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        const unsigned *above2 = rows[(i + 1) % 3], *above = rows[(i - 1) % 3];
        unsigned *row = rows[i % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n_b; j++) {
            unsigned changed = lower(a[i - 1]) != lower(b[j - 1]);
            unsigned best = smaller(above[j - 1] + changed, smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                best = smaller(best, above2[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[n_a % 3][n_b];
}

static void skip_dashes(const char **text, size_t *n)
{
    while (*n > 0 && **text == '-') {
        ++*text;
        --*n;
    }
}

void nearest_init(nearest *n, const char *word, size_t n_word)
{
    *n = (nearest){.word = word, .n_word = n_word, .distance = UINT_MAX};
    skip_dashes(&n->word, &n->n_word);
}

void nearest_offer(nearest *n, const char *name)
{
    const char *text = name;
    size_t n_text = strlen(name);
    skip_dashes(&text, &n_text);
    if (n->n_word > NEAREST_MAX || n_text > NEAREST_MAX)
        return;
    unsigned allowed = n->n_word < 3 ? 0 : (unsigned)(n->n_word + 1) / 3;
    unsigned distance = edits(n->word, n->n_word, text, n_text);
    if (n->n_word >= 2 && n_text > n->n_word && memcmp(n->word, text, n->n_word) == 0) {
        distance = 1;
        allowed = allowed ? allowed : 1;
    }
    if (distance <= allowed && distance < n->distance) {
        n->distance = distance;
        n->best = name;
    }
}
