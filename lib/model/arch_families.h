/* SPDX-License-Identifier: MIT
 *
 * arch_families.h - every architecture there is, for the files that define and list them.
 */
#ifndef HEARTH_MODEL_ARCH_FAMILIES_H
#define HEARTH_MODEL_ARCH_FAMILIES_H

#include "model/arch.h"

#define ARCH_LIST(X)                                                                               \
    X(llama)                                                                                       \
    X(qwen2)                                                                                       \
    X(qwen2moe)                                                                                    \
    X(qwen3)                                                                                       \
    X(qwen3moe)                                                                                    \
    X(gemma)                                                                                       \
    X(gemma2)                                                                                      \
    X(gemma3)                                                                                      \
    X(phi2)                                                                                        \
    X(phi3)                                                                                        \
    X(gpt_oss)                                                                                     \
    X(granite)                                                                                     \
    X(granitemoe)                                                                                  \
    X(smollm3)                                                                                     \
    X(olmo2)                                                                                       \
    X(starcoder2)                                                                                  \
    X(stablelm)                                                                                    \
    X(command_r)                                                                                   \
    X(falcon)                                                                                      \
    X(gpt2)                                                                                        \
    X(gptneox)                                                                                     \
    X(bloom)                                                                                       \
    X(mpt)                                                                                         \
    X(bert)                                                                                        \
    X(nomic_bert)

#define X(name) extern const arch arch_##name;
ARCH_LIST(X)
#undef X

#endif
