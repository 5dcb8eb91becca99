/* SPDX-License-Identifier: MIT
 *
 * tokens.c - the tokenizer's part of the public API.
 */
#include <string.h>

#include "base/mem.h"
#include "base/watch.h"
#include "engine/model.h"

_Static_assert(HEARTH_TOKENIZE_ADD_SPECIAL == (int)TOKENIZE_ADD_SPECIAL &&
                   HEARTH_TOKENIZE_PARSE_SPECIAL == (int)TOKENIZE_PARSE_SPECIAL,
               "the flags are passed on as they are");

static hearth_status need_tokenizer(const hearth_model *model, hearth_error *err)
{
    if (model->t == NULL && model->scope == HEARTH_SCOPE_METADATA)
        FAIL(err, EINVAL, "scope",
             "the model was opened for its metadata only; open it with its tokenizer");
    if (model->t == NULL)
        FAIL(err, EUNSUPPORTED, "tokenizer.ggml.model",
             "the model file has no tokenizer, so it takes and gives tokens, but no text");
    return HEARTH_OK;
}

/* The embedding may have more rows than the tokenizer has tokens. The rest pads it: no text has
 * them, but the model may choose one, and it stands for nothing. */
static bool is_padding(const hearth_model *model, int32_t token)
{
    return token >= 0 && (size_t)token >= tokenizer_n_vocab(model->t) &&
           (uint32_t)token < model->info.n_vocab;
}

hearth_status hearth_tokenize(const hearth_model *model, const char *text, size_t n_text,
                              unsigned flags, int32_t **tokens, size_t *n_tokens, hearth_error *err)
{
    *tokens = NULL;
    *n_tokens = 0;
    TRY(need_tokenizer(model, err));
    if (flags & ~(unsigned)(HEARTH_TOKENIZE_ADD_SPECIAL | HEARTH_TOKENIZE_PARSE_SPECIAL))
        FAIL(err, EINVAL, "flags", "tokenizing flags 0x%x are unknown", flags);
    return tokenizer_encode(model->t, text, n_text, flags, tokens, n_tokens, err);
}

hearth_status hearth_detokenize(const hearth_model *model, const int32_t *tokens, size_t n_tokens,
                                bool special, char **text, size_t *n_text, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    detokenizer d;
    buf out;
    *text = NULL;
    *n_text = 0;
    TRY(need_tokenizer(model, err));
    detokenizer_init(&d, model->t, special, true);
    buf_init(&out, 0);
    for (size_t i = 0; i < n_tokens; i++) {
        if (!watch_go_on(1))
            TRY_OUT(watch_end(err));
        if (!is_padding(model, tokens[i]))
            TRY_OUT(detokenizer_feed(&d, tokens[i], &out, err));
    }
    TRY_OUT(detokenizer_finish(&d, &out, err));
    *text = buf_take(&out, n_text);
    if (*text == NULL)
        status = error_no_memory(err, "text", out.n);
out:
    detokenizer_deinit(&d);
    buf_deinit(&out);
    return status;
}

hearth_status hearth_token_piece(const hearth_model *model, int32_t token, char **bytes,
                                 size_t *n_bytes, hearth_error *err)
{
    buf out;
    *bytes = NULL;
    *n_bytes = 0;
    TRY(need_tokenizer(model, err));
    bool padding = is_padding(model, token);
    if (!padding && (token < 0 || (size_t)token >= tokenizer_n_vocab(model->t)))
        FAIL(err, EINVAL, "token", "token %d is outside the vocabulary of %zu", token,
             tokenizer_n_vocab(model->t));
    buf_init(&out, 0);
    bool written = padding || tokenizer_piece(model->t, token, true, &out);
    *bytes = written ? buf_take(&out, n_bytes) : NULL;
    buf_deinit(&out);
    return *bytes ? HEARTH_OK : error_no_memory(err, "a token's text", 0);
}

bool hearth_token_is_control(const hearth_model *model, int32_t token)
{
    return model->t && tokenizer_is_control(model->t, token);
}

bool hearth_token_ends_answer(const hearth_model *model, int32_t token)
{
    return model->t && tokenizer_is_eog(model->t, token);
}

hearth_status hearth_model_special_tokens(const hearth_model *model, hearth_special_tokens *out,
                                          hearth_error *err)
{
    TRY(need_tokenizer(model, err));
    const tokenizer_special *s = tokenizer_specials(model->t);
    *out = (hearth_special_tokens){.bos = s->bos,
                                   .eos = s->eos,
                                   .eot = s->eot,
                                   .pad = s->pad,
                                   .sep = s->sep,
                                   .cls = s->cls,
                                   .mask = s->mask,
                                   .unk = s->unk,
                                   .add_bos = s->add_bos,
                                   .add_eos = s->add_eos};
    return HEARTH_OK;
}

struct hearth_detokenizer {
    const hearth_model *model;
    detokenizer d;
    buf text;
};

hearth_status hearth_detokenizer_new(hearth_detokenizer **out, const hearth_model *model,
                                     bool special, bool at_start, hearth_error *err)
{
    *out = NULL;
    TRY(need_tokenizer(model, err));
    *out = mem_calloc(1, sizeof **out);
    if (*out == NULL)
        return error_no_memory(err, "a detokenizer", sizeof **out);
    (*out)->model = model;
    detokenizer_init(&(*out)->d, model->t, special, at_start);
    buf_init(&(*out)->text, 0);
    return HEARTH_OK;
}

void hearth_detokenizer_free(hearth_detokenizer *d)
{
    if (d == NULL)
        return;
    detokenizer_deinit(&d->d);
    buf_deinit(&d->text);
    mem_free(d);
}

static hearth_status give(hearth_detokenizer *d, hearth_status status, const char **text,
                          size_t *n_text)
{
    *text = d->text.data ? d->text.data : "";
    *n_text = d->text.n;
    return status;
}

hearth_status hearth_detokenizer_feed(hearth_detokenizer *d, int32_t token, const char **text,
                                      size_t *n_text, hearth_error *err)
{
    buf_clear(&d->text);
    if (is_padding(d->model, token))
        return give(d, HEARTH_OK, text, n_text);
    return give(d, detokenizer_feed(&d->d, token, &d->text, err), text, n_text);
}

hearth_status hearth_detokenizer_finish(hearth_detokenizer *d, const char **text, size_t *n_text,
                                        hearth_error *err)
{
    buf_clear(&d->text);
    return give(d, detokenizer_finish(&d->d, &d->text, err), text, n_text);
}
