/* SPDX-License-Identifier: MIT
 *
 * test_quant.c - one model in every weight format of the reference set's quant/, against the logits
 * of its dequantized weights.
 *
 * The error that is left comes from quantizing activations to 8 bits. It must not exceed
 * llama.cpp's own on the same file by more than noise: the rounding errors of two right
 * implementations differ by some per cent either way on a sample this small. Float formats have no
 * such error: 1e-9 bounds them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/evaluate.h"
#include "support/reference_case.h"

static const double noise = 1.08, float_bound = 1e-9;

static int test_format(const char *name)
{
    reference_case r;
    size_t n_values;
    if (!reference_case_open(&r, "quant", name))
        return 1;
    double theirs = json_number_value(json_object_get(r.json, "llama_cpp_nmse"));
    circumstances c = {.cache = HEARTH_CACHE_F32};
    float *values = evaluate(r.path, r.tokens, r.n_tokens, &c, &n_values);
    double ours = n_values == r.n_truth ? reference_nmse(values, r.truth, r.n_truth) : 1.0;
    bool is_float =
        strcmp(name, "F32") == 0 || strcmp(name, "F16") == 0 || strcmp(name, "BF16") == 0;
    bool ok = is_float ? ours < float_bound : ours <= theirs * noise;
    printf("%s%-10s ours %.3e  llama.cpp %.3e\n", ok ? "" : "FAILED ", name, ours, theirs);
    free(values);
    reference_case_close(&r);
    return ok ? 0 : 1;
}

int main(void)
{
    size_t n;
    int failures = 0;
    if (reference_folder() == NULL)
        return TEST_SKIPPED;
    char **names = reference_list("quant", ".gguf", &n);
    for (size_t i = 0; i < n; i++)
        failures += test_format(names[i]);
    reference_list_free(names, n);
    return failures ? 1 : 0;
}
