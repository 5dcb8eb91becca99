/* SPDX-License-Identifier: MIT
 *
 * test_arch.c - every model of the reference set's arch/ and story/, against known logits: in one
 * pass, in pieces of 7, and token by token. The bound is the set's own: 1e-5.
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/evaluate.h"
#include "support/reference_case.h"

static const double bound = 1e-5;

static int test_model(const char *folder, const char *name)
{
    static const size_t pieces[] = {0, 7, 1};
    reference_case r;
    int failures = 0;
    if (!reference_case_open(&r, folder, name))
        return 1;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        circumstances c = {.piece = pieces[i], .cache = HEARTH_CACHE_F32};
        size_t n_values;
        float *values = evaluate(r.path, r.tokens, r.n_tokens, &c, &n_values);
        double error = n_values == r.n_truth ? reference_nmse(values, r.truth, r.n_truth) : 1.0;
        if (!(error < bound)) {
            printf("FAILED %s in pieces of %zu: error %.3g, %zu values for %zu\n", name, pieces[i],
                   error, n_values, r.n_truth);
            failures++;
        } else if (i == 0) {
            printf("%-14s %.2e\n", name, error);
        }
        free(values);
    }
    reference_case_close(&r);
    return failures;
}

int main(void)
{
    static const char *const folders[] = {"arch", "story"};
    int failures = 0;
    if (reference_folder() == NULL)
        return TEST_SKIPPED;
    for (size_t f = 0; f < 2; f++) {
        size_t n;
        char **names = reference_list(folders[f], ".gguf", &n);
        for (size_t i = 0; i < n; i++)
            failures += test_model(folders[f], names[i]);
        reference_list_free(names, n);
    }
    return failures ? 1 : 0;
}
