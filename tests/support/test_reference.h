/* SPDX-License-Identifier: MIT
 *
 * test_reference.h - the reference set beside the repository, and temporary folders.
 *
 * The reference folder is $HEARTH_REFERENCE_DIR, or else ../shared/reference beside the repository.
 * It is not part of the repository: tests that want it say so and skip where it is absent.
 */
#ifndef HEARTH_TESTS_TEST_REFERENCE_H
#define HEARTH_TESTS_TEST_REFERENCE_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum { TEST_SKIPPED = 77 }; /* exit status of a program whose tests are all skipped */

/* NULL if it is absent, which is printed once per call. */
const char *reference_folder(void);

/* FOLDER/formatted name. False if the reference folder or that file is absent (printed). */
bool reference_path(char out[PATH_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Little-endian float32, the caller's (mem_free); NULL if it cannot be read (printed). */
float *reference_read_f32(const char *path, size_t *n);

/* A new reference, or NULL if it cannot be read or parsed (printed). */
json_t *reference_read_json(const char *path);

/* Sum of squared differences over sum of squares of the truth, in double. */
double reference_nmse(const float *got, const float *truth, size_t n);

/* Makes an empty folder below $TMPDIR or /tmp; false also if its path takes more than n bytes. */
bool test_temporary(char *path, size_t n);
/* With everything in it. */
void test_remove(const char *path);

/* The same, with room for any path. */
typedef struct test_folder {
    char path[PATH_MAX];
} test_folder;
bool test_folder_make(test_folder *folder);
void test_folder_remove(test_folder *folder);
/* "FOLDER/name" */
void test_folder_path(const test_folder *folder, const char *name, char out[PATH_MAX]);

/* Writes a whole file; false on failure. */
bool test_write_file(const char *path, const void *bytes, size_t n);

/* cmocka puts its own handlers over the library's for the length of each test. A test that lets a
 * mapped file shrink calls _prepare in main(), before cmocka runs, and _use first thing itself. */
void test_bus_handler_prepare(void);
void test_bus_handler_use(void);

#endif
