/* SPDX-License-Identifier: MIT
 *
 * arch_phi.c - Phi 2 (parallel, LayerNorm) and Phi 3 (Llama's shape with fused tensors and long or
 * short RoPE factors). The window that Phi 3 files name is not in force, as in llama.cpp.
 */
#include "model/arch_families.h"

const arch arch_phi2 = {
    .name = "phi2",
    .norm = NORM_LAYER,
    .rope = ROPE_NEOX,
    .wiring = WIRING_PARALLEL,
    .act = FFN_GELU,
    .ungated = true,
};

const arch arch_phi3 = {
    .name = "phi3",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
    .expert_weights_norm = true,
};
