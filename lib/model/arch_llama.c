/* SPDX-License-Identifier: MIT
 *
 * arch_llama.c - Llama and those built like it: pre-norm RMS, gated SiLU, rotary heads.
 *
 * llama is Llama 1 to 3, Mistral, Mixtral, TinyLlama, SmolLM2 and DeepSeek-R1-Distill-Llama.
 */
#include "model/arch_families.h"

/* Granite multiplies where Llama only adds; a factor of 0 means that there is none. */
static hearth_status read_granite(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    float attn_scale = 0.0f, divisor = 0.0f;
    TRY(hparams_get_f32(g, a, "attention.scale", &attn_scale, NULL, err));
    TRY(hparams_get_f32(g, a, "embedding_scale", &h->embedding_scale, NULL, err));
    TRY(hparams_get_f32(g, a, "residual_scale", &h->residual_scale, NULL, err));
    TRY(hparams_get_f32(g, a, "logit_scale", &divisor, NULL, err));
    if (attn_scale != 0.0f)
        h->attn_scale = attn_scale;
    if (h->embedding_scale == 0.0f)
        h->embedding_scale = 1.0f;
    if (h->residual_scale == 0.0f)
        h->residual_scale = 1.0f;
    if (divisor != 0.0f)
        h->logit_scale = 1.0f / divisor;
    return HEARTH_OK;
}

/* A dense Granite whose RoPE was never tuned has none. */
static hearth_status read_granite_dense(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    bool rotated = true;
    TRY(read_granite(h, g, a, err));
    TRY(hparams_get_bool(g, a, "rope.scaling.finetuned", &rotated, err));
    for (uint32_t il = 0; il < h->n_layer && !rotated; il++)
        h->layers[il].rope = false;
    return HEARTH_OK;
}

/* Every fourth layer carries no positions. */
static hearth_status read_smollm3(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    (void)g;
    (void)a;
    (void)err;
    for (uint32_t il = 3; il < h->n_layer; il += 4)
        h->layers[il].rope = false;
    return HEARTH_OK;
}

/* OLMo 3 carries the same name and has a window; its sliding layers rotate without any scaling. */
static hearth_status read_olmo2(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    TRY(hparams_get_u32(g, a, "attention.sliding_window", 0, MAX_CONTEXT, &h->n_window, NULL, err));
    h->rope_scaling_local = false;
    h->rope_attn_factor_local = 1.0f;
    h->rope_freq_base_local = h->rope_freq_base;
    return hparams_read_sliding_pattern(h, g, a, 4, err);
}

static hearth_status read_command_r(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    float factor = 0.0f;
    TRY(hparams_get_f32(g, a, "logit_scale", &factor, NULL, err));
    if (factor != 0.0f)
        h->logit_scale = factor;
    return HEARTH_OK;
}

const arch arch_llama = {
    .name = "llama",
    .norm = NORM_RMS,
    .rope = ROPE_NORMAL,
    .expert_weights_norm = true,
};

const arch arch_granite = {
    .name = "granite",
    .norm = NORM_RMS,
    .rope = ROPE_NORMAL,
    .expert_weights_norm = true,
    .read = read_granite_dense,
};

const arch arch_granitemoe = {
    .name = "granitemoe",
    .norm = NORM_RMS,
    .rope = ROPE_NORMAL,
    .expert_weights_norm = true,
    .read = read_granite,
};

const arch arch_smollm3 = {
    .name = "smollm3",
    .norm = NORM_RMS,
    .rope = ROPE_NORMAL,
    .read = read_smollm3,
};

const arch arch_olmo2 = {
    .name = "olmo2",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
    .no_pre_norms = true,
    .post_norms = true,
    .read = read_olmo2,
};

const arch arch_command_r = {
    .name = "command-r",
    .norm = NORM_LAYER,
    .rope = ROPE_NORMAL,
    .wiring = WIRING_PARALLEL,
    .read = read_command_r,
};
