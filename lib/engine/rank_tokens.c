/* SPDX-License-Identifier: MIT
 *
 * rank_tokens.c - a query and a document as the tokens that a reranker reads.
 *
 * Template  Text of the file's author, in which {query} and {document} stand for the two. Control
 *           tokens are found in the template's own text alone: where query or document spell one,
 *           a barrier lies inside it. Filled in one walk, so that a query may itself speak of
 *           {document}.
 * Without   Encoders are trained on pairs: BERT's [CLS] a [SEP] b [SEP], RoBERTa's
 *           <s> a </s></s> b </s>. Which it is, add_eos_token and add_sep_token tell. Older files
 *           have neither: there a separator follows each text, and a second one lies between them
 *           for a Unigram vocabulary with a sep token, which is XLM-RoBERTa's.
 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/model.h"

#define TEMPLATE_KEY "tokenizer.chat_template.rerank"

typedef struct text {
    const char *data;
    size_t n;
} text;

/* ---- by the template ---- */

typedef struct filled {
    buf out;
    size_t *barriers;
    size_t n_barriers, capacity;
} filled;

static hearth_status add_barrier(filled *f, size_t at, hearth_error *err)
{
    if (f->n_barriers == f->capacity) {
        size_t capacity = 2 * f->capacity + 16;
        size_t *more = mem_realloc_array(f->barriers, capacity, sizeof *more);
        if (more == NULL)
            return error_no_memory(err, "a pair", capacity * sizeof *more);
        f->barriers = more;
        f->capacity = capacity;
    }
    f->barriers[f->n_barriers++] = at;
    return HEARTH_OK;
}

/* Appends one of the two texts. A control token that it spells, or that it and the template spell
 * together, is none: every byte's edge is a barrier. */
static hearth_status add_guarded(filled *f, text part, hearth_error *err)
{
    for (size_t i = 0; i <= part.n; i++)
        TRY(add_barrier(f, f->out.n + i, err));
    if (!buf_append(&f->out, part.data, part.n))
        return error_no_memory(err, "a pair", part.n);
    return HEARTH_OK;
}

static bool starts_with(const char *at, size_t n, const char *word)
{
    return n >= strlen(word) && memcmp(at, word, strlen(word)) == 0;
}

static hearth_status fill(filled *f, gguf_string template_, text query, text document,
                          hearth_error *err)
{
    static const char *const names[] = {"{query}", "{document}"};
    const text texts[] = {query, document};
    size_t from = 0;
    for (size_t i = 0; i < template_.n;) {
        int which = starts_with(template_.data + i, template_.n - i, names[0])   ? 0
                    : starts_with(template_.data + i, template_.n - i, names[1]) ? 1
                                                                                 : -1;
        if (which < 0) {
            i++;
            continue;
        }
        if (!buf_append(&f->out, template_.data + from, i - from))
            return error_no_memory(err, "a pair", i - from);
        TRY(add_guarded(f, texts[which], err));
        from = i += strlen(names[which]);
    }
    if (!buf_append(&f->out, template_.data + from, template_.n - from))
        return error_no_memory(err, "a pair", template_.n - from);
    return HEARTH_OK;
}

static hearth_status by_template(const hearth_model *m, gguf_string template_, text query,
                                 text document, int32_t **tokens, size_t *n_tokens,
                                 hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    filled f = {0};
    buf_init(&f.out, 0);
    TRY_OUT(fill(&f, template_, query, document, err));
    tokenizer_barriers barriers = {f.barriers, f.n_barriers};
    status = tokenizer_encode_guarded(m->t, f.out.n ? f.out.data : "", f.out.n,
                                      TOKENIZE_PARSE_SPECIAL, &barriers, tokens, n_tokens, err);
out:
    mem_free(f.barriers);
    buf_deinit(&f.out);
    return status;
}

/* ---- by special tokens ---- */

typedef struct layout {
    int32_t bos, eos, sep; /* -1: none is added */
} layout;

static hearth_status read_layout(const hearth_model *m, layout *l, hearth_error *err)
{
    const tokenizer_special *s = tokenizer_specials(m->t);
    bool add_eos = true, add_sep = strcmp(tokenizer_kind(m->t), "ugm") == 0;
    TRY(gguf_get_bool(m->g, "tokenizer.ggml.add_eos_token", &add_eos, NULL, err));
    TRY(gguf_get_bool(m->g, "tokenizer.ggml.add_sep_token", &add_sep, NULL, err));
    l->bos = s->add_bos ? s->bos : -1;
    l->eos = !add_eos ? -1 : s->eos >= 0 ? s->eos : s->sep;
    l->sep = add_sep ? s->sep : -1;
    return HEARTH_OK;
}

typedef struct pair {
    int32_t *tokens;
    size_t n;
} pair;

static hearth_status add_token(pair *p, int32_t token, hearth_error *err)
{
    if (token < 0)
        return HEARTH_OK;
    int32_t *more = mem_realloc_array(p->tokens, p->n + 1, sizeof *more);
    if (more == NULL)
        return error_no_memory(err, "a pair", (p->n + 1) * sizeof *more);
    p->tokens = more;
    p->tokens[p->n++] = token;
    return HEARTH_OK;
}

static hearth_status add_text(pair *p, const hearth_model *m, text part, hearth_error *err)
{
    int32_t *ids = NULL;
    size_t n = 0;
    TRY(tokenizer_encode(m->t, part.data, part.n, 0, &ids, &n, err));
    int32_t *more = mem_realloc_array(p->tokens, p->n + n + 1, sizeof *more);
    if (more) {
        memcpy(more + p->n, ids, n * sizeof *ids);
        p->tokens = more;
        p->n += n;
    }
    mem_free(ids);
    return more ? HEARTH_OK : error_no_memory(err, "a pair", (p->n + n) * sizeof *more);
}

static hearth_status by_specials(const hearth_model *m, text query, text document, int32_t **tokens,
                                 size_t *n_tokens, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    pair p = {0};
    layout l;
    TRY(read_layout(m, &l, err));
    TRY_OUT(add_token(&p, l.bos, err));
    TRY_OUT(add_text(&p, m, query, err));
    TRY_OUT(add_token(&p, l.eos, err));
    TRY_OUT(add_token(&p, l.sep, err));
    TRY_OUT(add_text(&p, m, document, err));
    TRY_OUT(add_token(&p, l.eos, err));
    *tokens = p.tokens;
    *n_tokens = p.n;
    return HEARTH_OK;
out:
    mem_free(p.tokens);
    return status;
}

hearth_status hearth_tokenize_pair(const hearth_model *model, const char *query, size_t n_query,
                                   const char *document, size_t n_document, int32_t **tokens,
                                   size_t *n_tokens, hearth_error *err)
{
    const text q = {query, n_query}, d = {document, n_document};
    gguf_string template_ = {"", 0};
    bool found = false;
    *tokens = NULL;
    *n_tokens = 0;
    if (model->t == NULL)
        FAIL(err, EUNSUPPORTED, "tokenizer.ggml.model",
             "the model has no tokenizer, or was opened without it; it takes tokens, but no text");
    if ((query == NULL && n_query > 0) || (document == NULL && n_document > 0))
        FAIL(err, EINVAL, "query", "a text is NULL with a length; give both texts");
    TRY(gguf_get_string(model->g, TEMPLATE_KEY, &template_, &found, err));
    if (found)
        return by_template(model, template_, q, d, tokens, n_tokens, err);
    return by_specials(model, q, d, tokens, n_tokens, err);
}
