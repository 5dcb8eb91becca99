/* SPDX-License-Identifier: MIT
 *
 * fault.h - making the Nth allocation of this program fail.
 *
 * The linker sends every call of malloc, calloc, realloc, aligned_alloc, mmap and pthread_create in
 * libhearth and in the test to fault.c (--wrap), which counts them and what is still alive.
 */
#ifndef HEARTH_TESTS_FAULT_H
#define HEARTH_TESTS_FAULT_H

#include <stdbool.h>

/* The nth allocation from now on fails (n from 1); with `forever` all after it too. 0: none fails.
 */
void fault_arm(long n, bool forever);

/* From now on nothing fails inside json_loadb. jansson's reader ignores that a buffer did not grow,
 * and goes on with a text that lacks characters, or ends in an assertion: with memory that fails
 * once and comes again, nothing that is read can be relied upon. */
void fault_spare_json_reader(void);

/* Whether a fault has fired since fault_arm. */
bool fault_fired(void);

/* Blocks and mappings that are alive. */
long fault_n_alive(void);

#endif
