/* SPDX-License-Identifier: MIT
 *
 * infill.c - see infill.h.
 */
#include "worker/infill.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct infill_name {
    size_t offset; /* in infill_tokens */
    const char *key;
    const char *names[8];
} infill_name;

#define AT(member) offsetof(infill_tokens, member)
static const infill_name known[] = {
    {AT(prefix),
     "tokenizer.ggml.fim_pre_token_id",
     {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<PRE>", "▁<PRE>", "<|code_prefix|>"}},
    {AT(suffix),
     "tokenizer.ggml.fim_suf_token_id",
     {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<SUF>", "▁<SUF>", "<|code_suffix|>"}},
    {AT(middle),
     "tokenizer.ggml.fim_mid_token_id",
     {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<MID>", "▁<MID>", "<|code_middle|>"}},
    {AT(repository),
     "tokenizer.ggml.fim_rep_token_id",
     {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<reponame>", "<REPO>"}},
    {AT(file), "tokenizer.ggml.fim_sep_token_id", {"<|file_sep|>", "<file_sep>"}},
};

static hearth_status find_named(const hearth_model *model, const char *name, int32_t *token,
                                hearth_error *err)
{
    int32_t *tokens = NULL;
    size_t n = 0;
    TRY(hearth_tokenize(model, name, strlen(name), HEARTH_TOKENIZE_PARSE_SPECIAL, &tokens, &n,
                        err));
    if (n == 1)
        *token = tokens[0];
    hearth_free(tokens);
    return HEARTH_OK;
}

static int32_t of_metadata(const hearth_model *model, const char *key)
{
    char *value = NULL;
    int32_t token = -1;
    if (hearth_model_metadata(model, key, &value, NULL) == HEARTH_OK) {
        long number = strtol(value, NULL, 10);
        if (number >= 0 && (unsigned long)number < hearth_model_get_info(model)->n_vocab)
            token = (int32_t)number;
    }
    hearth_free(value);
    return token;
}

hearth_status infill_tokens_find(infill_tokens *t, const hearth_model *model, hearth_error *err)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const infill_name *k = &known[i];
        int32_t *token = (int32_t *)(void *)((char *)t + k->offset);
        *token = of_metadata(model, k->key);
        for (size_t n = 0; n < 8 && k->names[n] && *token < 0; n++)
            TRY(find_named(model, k->names[n], token, err));
    }
    return HEARTH_OK;
}

/* ---- prompts ---- */

static hearth_status add_text(token_list *list, const worker *w, const char *text,
                              hearth_error *err)
{
    return token_list_add_text(list, w->model, text, strlen(text), 0, err);
}

/* The files of the project, each with its name in front. */
static hearth_status add_project(token_list *list, const worker *w, const infill_tokens *t,
                                 const request_infill *r, hearth_error *err)
{
    TRY(token_list_add(list, &t->repository, 1, err));
    TRY(add_text(list, w, "myproject\n", err));
    for (size_t i = 0; i < r->n_extra; i++) {
        TRY(token_list_add(list, &t->file, 1, err));
        TRY(add_text(list, w, r->extra[i].filename ? r->extra[i].filename : "tmp", err));
        TRY(add_text(list, w, "\n", err));
        TRY(add_text(list, w, r->extra[i].text, err));
        TRY(add_text(list, w, "\n", err));
    }
    TRY(token_list_add(list, &t->file, 1, err));
    return add_text(list, w, "filename\n", err);
}

static hearth_status add_extra(token_list *list, const worker *w, const infill_tokens *t,
                               const request_infill *r, hearth_error *err)
{
    if (r->n_extra > 0 && t->repository >= 0 && t->file >= 0)
        return add_project(list, w, t, r, err);
    for (size_t i = 0; i < r->n_extra; i++)
        TRY(add_text(list, w, r->extra[i].text, err));
    return HEARTH_OK;
}

hearth_status infill_add_prompt(token_list *list, const worker *w, const request *r,
                                hearth_error *err)
{
    const infill_tokens *t = &w->infill;
    const request_infill *in = &r->infill;
    if (t->prefix < 0 || t->suffix < 0 || t->middle < 0)
        FAIL(err, EUNSUPPORTED, "infill",
             "this model has no tokens to fill in text with; use one that was trained for it");
    if (w->special.add_bos && w->special.bos >= 0)
        TRY(token_list_add(list, &w->special.bos, 1, err));
    TRY(add_extra(list, w, t, in, err));
    TRY(token_list_add(list, &t->prefix, 1, err));
    TRY(token_list_add_prompt(list, w, &in->prefix, 0, err));
    TRY(token_list_add(list, &t->suffix, 1, err));
    TRY(token_list_add_prompt(list, w, &in->suffix, 0, err));
    TRY(token_list_add(list, &t->middle, 1, err));
    return token_list_add_prompt(list, w, &in->middle, 0, err);
}
