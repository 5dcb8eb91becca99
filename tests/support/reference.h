/* SPDX-License-Identifier: MIT
 *
 * reference.h - the reference set beside the repository, for tests that compare with known answers.
 *
 * The folder is HEARTH_REFERENCE if that is set, or ../shared/reference beside the source. These
 * functions end the test program with a message where a file cannot be read: a test is no library.
 */
#ifndef HEARTH_TESTS_REFERENCE_H
#define HEARTH_TESTS_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* Ends the program with status 77 (skipped), saying why, if there is no reference set. */
void reference_require(void);

/* The path of a file in the set; the caller's, free(). */
char *reference_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Names of the files in `folder` that end in `suffix`, without it, sorted; the caller's. */
char **reference_list(const char *folder, const char *suffix, size_t *n);
void reference_list_free(char **names, size_t n);

json_t *reference_json(const char *path);                    /* json_decref */
float *reference_floats(const char *path, size_t *n);        /* free() */
int32_t *reference_integers(const json_t *array, size_t *n); /* free() */

/* Sum of squared differences over the sum of squares of the truth. */
double reference_nmse(const float *values, const float *truth, size_t n);

#endif
