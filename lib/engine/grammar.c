/* SPDX-License-Identifier: MIT
 *
 * grammar.c - matchers over a model: its vocabulary is sorted by the first one, for all.
 */
#include <hearth/grammar.h>

#include "base/options_take.h"
#include "engine/model.h"
#include "grammar/matcher.h"

/* Two threads may sort at once; the first to finish is kept. */
static hearth_status index_of_model(const hearth_model *model, const token_index **out,
                                    hearth_error *err)
{
    /* The one field of a model that changes after open. */
    _Atomic(token_index *) *field = (_Atomic(token_index *) *)&model->token_index;
    token_index *index = atomic_load(field), *none = NULL;
    if (model->t == NULL)
        FAIL(err, EINVAL, "tokenizer.ggml.model",
             "the model was opened without a tokenizer, or has none; a grammar needs its tokens");
    if (index == NULL) {
        TRY(token_index_new(&index, model->t, model->info.n_vocab, err));
        if (!atomic_compare_exchange_strong(field, &none, index)) {
            token_index_free(index);
            index = none;
        }
    }
    *out = index;
    return HEARTH_OK;
}

hearth_status hearth_matcher_new(hearth_matcher **out, hearth_grammar *grammar,
                                 const hearth_model *model, const hearth_matcher_options *options,
                                 hearth_error *err)
{
    hearth_matcher_options o;
    const token_index *index = NULL;
    *out = NULL;
    hearth_matcher_options_init(&o);
    TRY(options_take(&o, sizeof o, options, "hearth_matcher_options", err));
    TRY(index_of_model(model, &index, err));
    return matcher_open(out, grammar, index, &o, err);
}
