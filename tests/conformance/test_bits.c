/* SPDX-License-Identifier: MIT
 *
 * test_bits.c - law 1: the logits of every model are the same bits on every instruction set that
 * this machine runs, with 1 to 4 threads, in any pieces and any batch size, and after save and
 * load.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "os/cpu.h"
#include "support/evaluate.h"
#include "support/models.h"

enum { N_TOKENS = 70 }; /* passes a page of the cache, and the windows */

static const circumstances cases[] = {
    {.isa = "scalar", .n_threads = 1},
    {.isa = "avx2", .n_threads = 2, .piece = 7},
    {.isa = "avx512", .n_threads = 2, .piece = 7},
    {.isa = "avx2", .n_threads = 2, .piece = 33},
    {.isa = "avx512", .n_threads = 3, .piece = 33},
    {.isa = "amx", .n_threads = 2},
    {.isa = "amx", .n_threads = 3, .piece = 17},
    {.isa = "neon", .n_threads = 2, .piece = 7},
    {.n_threads = 3, .piece = 1},
    {.n_threads = 4, .n_batch = 5},
    {.n_threads = 2, .piece = 13, .save_at = 65},
};

static bool can_run(const char *isa)
{
    cpu_isa chosen;
    return isa == NULL || (kernels_get(isa) && cpu_choose_isa(isa, &chosen, NULL) == HEARTH_OK);
}

static int test_model(const model_entry *m, hearth_cache_type cache)
{
    int32_t tokens[N_TOKENS];
    float *first = NULL;
    size_t n_first = 0;
    int failures = 0;
    for (int i = 0; i < N_TOKENS; i++)
        tokens[i] = (int32_t)((uint32_t)(i * 37 + 11) % m->n_vocab);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        circumstances c = cases[i];
        size_t n;
        if (!can_run(c.isa))
            continue;
        c.cache = cache;
        c.n_ctx = 128;
        if (!m->causal)
            c.save_at = 0; /* an encoder's cache holds nothing that goes on */
        float *values = evaluate(m->path, tokens, N_TOKENS, &c, &n);
        if (first == NULL) {
            first = values;
            n_first = n;
            continue;
        }
        if (n != n_first || memcmp(values, first, n * sizeof *values) != 0) {
            printf("FAILED %s: case %zu (isa %s, %d threads, pieces of %zu, cache %d) differs\n",
                   m->name, i, c.isa ? c.isa : "best", c.n_threads, c.piece, (int)cache);
            failures++;
        }
        free(values);
    }
    free(first);
    return failures;
}

int main(void)
{
    int failures = 0;
    model_set *set = model_set_open(true);
    for (size_t i = 0; i < set->n; i++)
        failures += test_model(&set->models[i], (hearth_cache_type)(i % 3));
    printf("%zu models\n", set->n);
    model_set_close(set);
    return failures ? 1 : 0;
}
