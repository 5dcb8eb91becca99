/* SPDX-License-Identifier: MIT
 *
 * reference_case.h - one model of the reference set with its tokens and the truth about it.
 */
#ifndef HEARTH_TESTS_REFERENCE_CASE_H
#define HEARTH_TESTS_REFERENCE_CASE_H

#include <stdint.h>

#include "support/test_reference.h"

/* Names of the files in a folder of the set that end in `suffix`, without it, sorted. */
char **reference_list(const char *folder, const char *suffix, size_t *n);
void reference_list_free(char **names, size_t n);

typedef struct reference_case {
    char path[PATH_MAX]; /* the model */
    json_t *json;
    int32_t *tokens;
    size_t n_tokens;
    float *truth;
    size_t n_truth;
} reference_case;

/* FOLDER/NAME.gguf, .json and .f32. False if one cannot be read (printed). */
bool reference_case_open(reference_case *c, const char *folder, const char *name);
void reference_case_close(reference_case *c);

#endif
