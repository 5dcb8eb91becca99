/* SPDX-License-Identifier: MIT
 *
 * arch_bert.c - encoders: every token sees every other, and the result is an embedding.
 */
#include "model/arch_families.h"

const arch arch_bert = {
    .name = "bert",
    .norm = NORM_LAYER,
    .rope = ROPE_NONE,
    .wiring = WIRING_POST,
    .act = FFN_GELU,
    .encoder = true,
    .ungated = true,
};

const arch arch_nomic_bert = {
    .name = "nomic-bert",
    .norm = NORM_LAYER,
    .rope = ROPE_NEOX,
    .wiring = WIRING_POST,
    .act = FFN_SILU,
    .encoder = true,
};
