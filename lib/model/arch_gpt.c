/* SPDX-License-Identifier: MIT
 *
 * arch_gpt.c - GPT-2 and its heirs: LayerNorm, mostly an ungated GELU feed-forward, positions by a
 * table (gpt2), by ALiBi (bloom, mpt) or by NeoX rotation.
 */
#include "model/arch_families.h"

static hearth_status read_gptneox(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    bool parallel = true;
    TRY(hparams_get_bool(g, a, "use_parallel_residual", &parallel, err));
    h->wiring = parallel ? WIRING_PARALLEL : WIRING_SERIES;
    return HEARTH_OK;
}

static hearth_status read_bloom(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    (void)g;
    (void)a;
    (void)err;
    h->alibi_max_bias = 8.0f;
    return HEARTH_OK;
}

static hearth_status read_mpt(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    TRY(hparams_get_f32(g, a, "attention.clamp_kqv", &h->qkv_clamp, NULL, err));
    return hparams_get_f32(g, a, "attention.max_alibi_bias", &h->alibi_max_bias, NULL, err);
}

/* Without a norm of its own the feed-forward runs beside attention. */
static hearth_status read_stablelm(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    (void)a;
    (void)err;
    h->wiring = gguf_find_tensor(g, "blk.0.ffn_norm.weight") ? WIRING_SERIES : WIRING_PARALLEL;
    return HEARTH_OK;
}

const arch arch_gpt2 = {
    .name = "gpt2",
    .norm = NORM_LAYER,
    .act = FFN_GELU,
    .ungated = true,
};

const arch arch_gptneox = {
    .name = "gptneox",
    .norm = NORM_LAYER,
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .ungated = true,
    .read = read_gptneox,
};

const arch arch_bloom = {
    .name = "bloom",
    .norm = NORM_LAYER,
    .act = FFN_GELU,
    .ungated = true,
    .read = read_bloom,
};

const arch arch_mpt = {
    .name = "mpt",
    .norm = NORM_LAYER,
    .act = FFN_GELU,
    .ungated = true,
    .read = read_mpt,
};

const arch arch_falcon = {
    .name = "falcon",
    .norm = NORM_LAYER,
    .rope = ROPE_NEOX,
    .wiring = WIRING_PARALLEL,
    .act = FFN_GELU,
    .ungated = true,
};

const arch arch_starcoder2 = {
    .name = "starcoder2",
    .norm = NORM_LAYER,
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .ungated = true,
};

const arch arch_stablelm = {
    .name = "stablelm",
    .norm = NORM_LAYER,
    .rope = ROPE_NEOX,
    .read = read_stablelm,
};
