/* SPDX-License-Identifier: MIT
 *
 * gguf_hostile.h - one small GGUF file per way of being wrong, and a few that are right.
 *
 * Used by the unit tests, which know what must come of each, and to write the fuzzer's corpus:
 * HEARTH_WRITE_CORPUS=tests/fuzz/corpus/gguf build/unit_test_gguf_hostile
 */
#ifndef HEARTH_TESTS_GGUF_HOSTILE_H
#define HEARTH_TESTS_GGUF_HOSTILE_H

#include "base/buf.h"
#include "base/status.h"

typedef struct gguf_case {
    const char *name;
    void (*build)(buf *b);
    hearth_status status;
    const char *says; /* what the message must contain */
} gguf_case;

extern const gguf_case gguf_cases[];
extern const size_t gguf_n_cases;

#endif
