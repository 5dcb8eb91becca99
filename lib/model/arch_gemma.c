/* SPDX-License-Identifier: MIT
 *
 * arch_gemma.c - Gemma 1, 2 and 3: scaled embeddings, gated GELU, norms on both sides (2, 3).
 *
 * The files store the norms' weights with 1 already added. The largest models scale queries by the
 * width of the embedding per head and not by the head's own; only their depth tells them apart.
 */
#include "model/arch_families.h"

#include <math.h>

static hearth_status read_gemma(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    (void)g;
    (void)a;
    (void)err;
    h->embedding_scale = sqrtf((float)h->n_embd);
    return HEARTH_OK;
}

static void scale_queries_by_width(hparams *h, uint32_t n_layer)
{
    if (h->n_layer == n_layer)
        h->attn_scale = 1.0f / sqrtf((float)(h->n_embd / h->layers[0].n_head));
}

static hearth_status read_gemma2(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    TRY(read_gemma(h, g, a, err));
    scale_queries_by_width(h, 46);
    h->n_window = 4096;
    TRY(hparams_get_u32(g, a, "attention.sliding_window", 0, MAX_CONTEXT, &h->n_window, NULL, err));
    TRY(hparams_read_sliding_pattern(h, g, a, 2, err));
    h->attn_softcap = 50.0f;
    TRY(hparams_get_f32(g, a, "attn_logit_softcapping", &h->attn_softcap, NULL, err));
    h->logit_softcap = 30.0f;
    return hparams_get_f32(g, a, "final_logit_softcapping", &h->logit_softcap, NULL, err);
}

static hearth_status read_gemma3(hparams *h, const gguf *g, const arch *a, hearth_error *err)
{
    TRY(read_gemma(h, g, a, err));
    scale_queries_by_width(h, 62);
    TRY(hparams_get_u32(g, a, "attention.sliding_window", 0, MAX_CONTEXT, &h->n_window, NULL, err));
    TRY(hparams_read_sliding_pattern(h, g, a, 6, err));
    h->rope_freq_base_local = 10000.0f;
    h->rope_scaling_local = false;
    TRY(hparams_get_f32(g, a, "rope.freq_base_swa", &h->rope_freq_base_local, NULL, err));
    return hparams_get_f32(g, a, "final_logit_softcapping", &h->logit_softcap, NULL, err);
}

const arch arch_gemma = {
    .name = "gemma",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .read = read_gemma,
};

const arch arch_gemma2 = {
    .name = "gemma2",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .post_norms = true,
    .read = read_gemma2,
};

const arch arch_gemma3 = {
    .name = "gemma3",
    .norm = NORM_RMS,
    .rope = ROPE_NEOX,
    .act = FFN_GELU,
    .post_norms = true,
    .read = read_gemma3,
};
