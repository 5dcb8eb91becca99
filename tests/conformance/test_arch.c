/* SPDX-License-Identifier: MIT
 *
 * test_arch.c - every model of the reference set's arch/ and story/, against known logits: in one
 * pass, in pieces of 7, and token by token. The bound is the set's own: 1e-5.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/evaluate.h"
#include "support/reference.h"

static const double bound = 1e-5;

static int test_model(const char *folder, const char *name)
{
    char *path = reference_path("%s/%s.gguf", folder, name);
    char *json_path = reference_path("%s/%s.json", folder, name);
    char *truth_path = reference_path("%s/%s.f32", folder, name);
    static const size_t pieces[] = {0, 7, 1};
    size_t n_tokens, n_truth, n_values;
    json_t *json = reference_json(json_path);
    int32_t *tokens = reference_integers(json_object_get(json, "tokens"), &n_tokens);
    float *truth = reference_floats(truth_path, &n_truth);
    int failures = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        circumstances c = {.piece = pieces[i], .cache = HEARTH_CACHE_F32};
        float *values = evaluate(path, tokens, n_tokens, &c, &n_values);
        double error = n_values == n_truth ? reference_nmse(values, truth, n_truth) : 1.0;
        if (!(error < bound)) {
            printf("FAILED %s in pieces of %zu: error %.3g, %zu values for %zu\n", name, pieces[i],
                   error, n_values, n_truth);
            failures++;
        } else if (i == 0) {
            printf("%-14s %.2e\n", name, error);
        }
        free(values);
    }
    free(truth);
    free(tokens);
    json_decref(json);
    free(truth_path);
    free(json_path);
    free(path);
    return failures;
}

int main(void)
{
    static const char *const folders[] = {"arch", "story"};
    int failures = 0;
    reference_require();
    for (size_t f = 0; f < 2; f++) {
        size_t n;
        char **names = reference_list(folders[f], ".gguf", &n);
        for (size_t i = 0; i < n; i++)
            failures += test_model(folders[f], names[i]);
        reference_list_free(names, n);
    }
    return failures ? 1 : 0;
}
