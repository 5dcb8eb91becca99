/* SPDX-License-Identifier: MIT
 *
 * model.h - the inside of a hearth_model, for the engine's own files.
 */
#ifndef HEARTH_ENGINE_MODEL_H
#define HEARTH_ENGINE_MODEL_H

#include <stdatomic.h>

#include <hearth/model.h>

#include "grammar/token_index.h"
#include "model/adapter.h"
#include "model/forward.h"
#include "token/tokenizer.h"

struct hearth_model {
    gguf *g;
    hearth_model_scope scope;
    hearth_log log;
    hearth_model_info info;
    const kernels *kernels; /* NULL below HEARTH_SCOPE_ALL */
    const arch *arch;       /* NULL if the metadata describes no model we can run */
    hparams h;
    hearth_error unknown; /* why arch is NULL */
    weights w;            /* empty below HEARTH_SCOPE_ALL */
    tokenizer *t;         /* NULL at HEARTH_SCOPE_METADATA */
    adapter **adapters;   /* its own */
    size_t n_adapters;
    bool ignore_memory_limit;
    uint64_t fingerprint; /* of the weights and of what decides about keys and values */
    _Atomic(token_index *) token_index; /* for grammars: made by the first that needs it */
    char *strings[4];                   /* NUL-terminated copies that info points to */
    char **labels;                      /* the same, info.n_labels; or NULL */
};

/* Makes text from a file what model.h promises, a string of UTF-8: bytes that belong to no
 * character, and NUL, become '?'. */
void metadata_repair(char *text, size_t n);

/* Whether the model's file has shrunk since open. */
bool model_is_lost(const hearth_model *model);

/* ---- adapters.c ---- */

/* A new mix of n of the model's own adapters with these scales; NULL: 1 each. */
hearth_status adapters_mix_own(adapter_mix *mix, const hearth_model *model, const float *scales,
                               size_t n, hearth_error *err);
/* A new mix of adapters that are open. */
hearth_status adapters_mix_uses(adapter_mix *mix, const hearth_model *model,
                                const hearth_adapter_use *uses, size_t n, hearth_error *err);
/* ENOFIT if a pass of n_batch has no room for these adapters now, unless the limit is ignored. */
hearth_status adapters_check_room(size_t n_batch, uint32_t rank, uint32_t n_out, bool ignore_limit,
                                  hearth_error *err);
/* What is wrong once an adapter's file has shrunk. */
hearth_status adapters_fail_lost(const adapter *a, hearth_error *err);

/* The plan for options as they will be in force, where `beside` bytes of what is free are for
 * something else; EINVAL for options that make no sense for the model. */
hearth_status plan_session(const hearth_model *model, const hearth_session_options *options,
                           uint64_t beside, hearth_plan *plan, hearth_error *err);

/* What keys and values depend on beside the tokens: the model, the cache types, the context,
 * self-extend. */
uint64_t model_cache_fingerprint(const hearth_model *model, const forward_options *options);

/* What a session of this plan takes by itself: cache and compute. */
forward_options plan_forward_options(const hearth_model *model,
                                     const hearth_session_options *options,
                                     const hearth_plan *plan);

/* Bytes of a model's tensors; and what it takes beside them, estimated from the header. */
uint64_t plan_weight_bytes(const hearth_model *model);
uint64_t plan_model_overhead(const hearth_model *model);

#endif
