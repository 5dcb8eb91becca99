/* SPDX-License-Identifier: MIT
 *
 * arch_qwen.c - Qwen 2, 2.5, 3 and their mixtures of experts, and DeepSeek-R1-Distill-Qwen.
 *
 * Llama's shape with NeoX rotation; 2 has biases on q, k and v, 3 normalizes the heads of q and k
 * instead. What is there is told by the tensors.
 */
#include "model/arch_families.h"

static hearth_status read_qwen_moe(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    uint32_t told = 0;
    if (h->n_expert == 0)
        FAIL(err, EFORMAT, a->name, "%s needs %s.expert_count; the file is incomplete", a->name,
             a->name);
    TRY(hparams_get_u32(g, a, "expert_feed_forward_length", 0, MAX_WIDTH, &told, NULL, err));
    if (told == 0)
        h->n_ff_expert = h->n_ff_max / h->n_expert_used;
    if (h->n_ff_shared == 0)
        h->n_ff_shared = h->n_ff_max;
    return HEARTH_OK;
}

const arch arch_qwen2 = {
    .name = "qwen2",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
};

const arch arch_qwen2moe = {
    .name = "qwen2moe",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
    .read = read_qwen_moe,
};

const arch arch_qwen3 = {
    .name = "qwen3",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
    .rank_softmax = true, /* of the logits of "yes" and "no" */
};

const arch arch_qwen3moe = {
    .name = "qwen3moe",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
    .expert_weights_norm = true,
    .read = read_qwen_moe,
};
