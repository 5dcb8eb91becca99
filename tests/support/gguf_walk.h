/* SPDX-License-Identifier: MIT
 *
 * gguf_walk.h - reads every byte that an open GGUF file promises, so that a sanitizer sees a broken
 * promise, and checks what can be checked about it.
 */
#ifndef HEARTH_TESTS_GGUF_WALK_H
#define HEARTH_TESTS_GGUF_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "gguf/gguf.h"

/* False if a value or tensor is not as gguf.h says. *sum depends on all bytes. */
bool gguf_walk(const gguf *g, uint64_t *sum);

#endif
