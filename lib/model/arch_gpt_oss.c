/* SPDX-License-Identifier: MIT
 *
 * arch_gpt_oss.c - gpt-oss: experts with biases and a clamped gate, attention sinks, YaRN, and a
 * window on every other layer. What its files call post_attention_norm is the norm before the
 * experts.
 */
#include "model/arch_families.h"

static hearth_status read_gpt_oss(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    TRY(hparams_get_u32(g, a, "attention.sliding_window", 1, MAX_CONTEXT, &h->n_window, NULL, err));
    return hparams_read_sliding_pattern(h, g, a, 2, err);
}

const arch arch_gpt_oss = {
    .name = "gpt-oss",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
    .act = FFN_SWIGLU_OAI,
    .gating = GATING_TOP_SOFTMAX,
    .ffn_norm = "post_attention_norm",
    .read = read_gpt_oss,
};
