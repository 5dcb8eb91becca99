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
#include "support/reference.h"

static const double noise = 1.08, float_bound = 1e-9;

static int test_format(const char *name)
{
    char *path = reference_path("quant/%s.gguf", name);
    char *json_path = reference_path("quant/%s.json", name);
    char *truth_path = reference_path("quant/%s.f32", name);
    size_t n_tokens, n_truth, n_values;
    json_t *json = reference_json(json_path);
    double theirs = json_number_value(json_object_get(json, "llama_cpp_nmse"));
    int32_t *tokens = reference_integers(json_object_get(json, "tokens"), &n_tokens);
    float *truth = reference_floats(truth_path, &n_truth);
    circumstances c = {.cache = HEARTH_CACHE_F32};
    float *values = evaluate(path, tokens, n_tokens, &c, &n_values);
    double ours = n_values == n_truth ? reference_nmse(values, truth, n_truth) : 1.0;
    bool is_float =
        strcmp(name, "F32") == 0 || strcmp(name, "F16") == 0 || strcmp(name, "BF16") == 0;
    bool ok = is_float ? ours < float_bound : ours <= theirs * noise;
    printf("%s%-10s ours %.3e  llama.cpp %.3e\n", ok ? "" : "FAILED ", name, ours, theirs);
    free(values);
    free(truth);
    free(tokens);
    json_decref(json);
    free(truth_path);
    free(json_path);
    free(path);
    return ok ? 0 : 1;
}

int main(void)
{
    size_t n;
    int failures = 0;
    reference_require();
    char **names = reference_list("quant", ".gguf", &n);
    for (size_t i = 0; i < n; i++)
        failures += test_format(names[i]);
    reference_list_free(names, n);
    return failures ? 1 : 0;
}
