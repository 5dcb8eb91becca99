/* SPDX-License-Identifier: MIT
 *
 * read_prompts.c - prompts as texts and tokens, infill, embeddings, reranking, and the small bodies
 * of the other endpoints.
 *
 * Prompts  A text, or tokens, or an array with at least one token, is one prompt; an array of
 *          texts and arrays is many. {prompt_string} is a text, and so is {content: [text parts]}
 *          whose parts are put together as they are.
 */
#include <string.h>

#include "protocol/reader.h"

/* ---- prompts ---- */

static bool holds_number(const json_t *array)
{
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item)
    {
        if (json_is_number(item))
            return true;
    }
    return false;
}

static hearth_status read_text_of_part(reader *in, const path *at, const json_t *part,
                                       const json_t **out)
{
    json_t *type, *text;
    const char *unused;
    int which;
    TRY(want_object(in, at, part));
    TRY(need(in, at, part, "type", &type));
    TRY(want_choice(in, PATH_KEY(at, "type"), type, "text", &which));
    TRY(need(in, at, part, "text", &text));
    TRY(want_text(in, PATH_KEY(at, "text"), text, &unused));
    TRY(ignore_others(in, at, part, "type|text"));
    *out = text;
    return HEARTH_OK;
}

static hearth_status read_content_prompt(reader *in, const path *at, const json_t *content,
                                         prompt_part *out)
{
    const json_t *text;
    size_t n_text = 0, n = json_array_size(content);
    TRY(want_array(in, at, content, 1, REQUEST_MESSAGES_MAX));
    for (size_t i = 0; i < n; i++) {
        TRY(read_text_of_part(in, PATH_INDEX(at, i), json_array_get(content, i), &text));
        n_text += json_string_length(text);
    }
    char *joined = arena_array(in->mem, n_text + 1, 1);
    if (joined == NULL)
        return no_memory(in);
    *out = (prompt_part){.text = joined};
    for (size_t i = 0; i < n; i++) {
        text = json_object_get(json_array_get(content, i), "text");
        memcpy(joined + out->n_text, json_string_value(text), json_string_length(text));
        out->n_text += json_string_length(text);
    }
    return HEARTH_OK;
}

static hearth_status read_object_prompt(reader *in, const path *at, const json_t *value,
                                        prompt_part *out)
{
    json_t *text;
    json_t *media = get(value, "multimodal_data"), *content = get(value, "content");
    if (content) {
        TRY(ignore_others(in, at, value, "content"));
        return read_content_prompt(in, PATH_KEY(at, "content"), content, out);
    }
    TRY(need(in, at, value, "prompt_string", &text));
    if (media && json_array_size(media) > 0)
        return refuse(in, PATH_KEY(at, "multimodal_data"),
                      "this model cannot see or hear; send text alone");
    TRY(ignore_others(in, at, value, "prompt_string|multimodal_data"));
    TRY(want_text(in, PATH_KEY(at, "prompt_string"), text, &out->text));
    out->n_text = json_string_length(text);
    return HEARTH_OK;
}

static hearth_status read_part(reader *in, const path *at, const json_t *value, prompt_part *out)
{
    if (json_is_string(value)) {
        out->text = json_string_value(value);
        out->n_text = json_string_length(value);
        return HEARTH_OK;
    }
    if (json_is_object(value))
        return read_object_prompt(in, at, value, out);
    return refuse(in, at, "must be a text or a token, not %s", json_kind(value));
}

/* An array of tokens and texts: each run of tokens is one part. */
static hearth_status read_mixed(reader *in, const path *at, const json_t *array,
                                request_prompt *out)
{
    size_t n = json_array_size(array), n_tokens = 0;
    prompt_part *parts = arena_array(in->mem, n ? n : 1, sizeof *parts);
    int32_t *tokens = arena_array(in->mem, n, sizeof *tokens);
    if (parts == NULL || tokens == NULL)
        return no_memory(in);
    *out = (request_prompt){.parts = parts};
    TRY(path_text(in, at, &out->at));
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(array, i);
        int64_t token;
        if (!json_is_number(item)) {
            TRY(read_part(in, PATH_INDEX(at, i), item, &parts[out->n++]));
            continue;
        }
        TRY(want_int(in, PATH_INDEX(at, i), item, 0, INT32_MAX, &token));
        if (out->n == 0 || parts[out->n - 1].text)
            parts[out->n++] = (prompt_part){.tokens = &tokens[n_tokens], .first = i};
        tokens[n_tokens++] = (int32_t)token;
        parts[out->n - 1].n_tokens++;
    }
    return HEARTH_OK;
}

static hearth_status read_one(reader *in, const path *at, const json_t *value, request_prompt *out)
{
    if (json_is_array(value))
        return read_mixed(in, at, value, out);
    prompt_part *part = arena_array(in->mem, 1, sizeof *part);
    if (part == NULL)
        return no_memory(in);
    *out = (request_prompt){.parts = part, .n = 1};
    TRY(path_text(in, at, &out->at));
    return read_part(in, at, value, part);
}

static hearth_status read_prompts(reader *in, const path *at, json_t *value)
{
    request *r = in->r;
    bool many = json_is_array(value) && !holds_number(value);
    size_t n = many ? json_array_size(value) : 1;
    if (many)
        TRY(want_array(in, at, value, 1, REQUEST_PROMPTS_MAX));
    request_prompt *prompts = arena_array(in->mem, n, sizeof *prompts);
    if (prompts == NULL)
        return no_memory(in);
    r->prompts = prompts;
    r->n_prompts = n;
    if (!many)
        return read_one(in, at, value, prompts);
    for (size_t i = 0; i < n; i++) {
        TRY(read_one(in, PATH_INDEX(at, i), json_array_get(value, i), &prompts[i]));
        if (prompts[i].n == 0)
            return refuse(in, PATH_INDEX(at, i), "is empty");
    }
    return HEARTH_OK;
}

hearth_status read_prompt(reader *in, const path *at, json_t *value)
{
    return read_prompts(in, at, value);
}

hearth_status read_embedding_input(reader *in, const path *at, json_t *value)
{
    if (in->r->n_prompts > 0)
        return refuse(in, at, "means the same as input; send one of them");
    return read_prompts(in, at, value);
}

/* One prompt, whatever the array holds. */
static hearth_status read_single(reader *in, const path *at, json_t *value)
{
    request_prompt *only = arena_array(in->mem, 1, sizeof *only);
    if (only == NULL)
        return no_memory(in);
    in->r->prompts = only;
    in->r->n_prompts = 1;
    return read_one(in, at, value, only);
}

hearth_status read_content(reader *in, const path *at, json_t *value)
{
    return read_single(in, at, value);
}

hearth_status read_tokens(reader *in, const path *at, json_t *value)
{
    prompt_part *part = arena_array(in->mem, 1, sizeof *part);
    request_prompt *only = arena_array(in->mem, 1, sizeof *only);
    if (part == NULL || only == NULL)
        return no_memory(in);
    *only = (request_prompt){.parts = part, .n = 1};
    TRY(path_text(in, at, &only->at));
    in->r->prompts = only;
    in->r->n_prompts = 1;
    return want_tokens(in, at, value, &part->tokens, &part->n_tokens);
}

hearth_status read_best_of(reader *in, const path *at, json_t *value)
{
    int64_t n;
    TRY(want_int(in, at, value, 1, INT32_MAX, &n));
    in->best_of = (int32_t)n;
    return HEARTH_OK;
}

/* ---- infill ---- */

hearth_status read_infill_prompt(reader *in, const path *at, json_t *value)
{
    return read_one(in, at, value, &in->r->infill.middle);
}

hearth_status read_input_prefix(reader *in, const path *at, json_t *value)
{
    return read_one(in, at, value, &in->r->infill.prefix);
}

hearth_status read_input_suffix(reader *in, const path *at, json_t *value)
{
    return read_one(in, at, value, &in->r->infill.suffix);
}

hearth_status read_input_extra(reader *in, const path *at, json_t *value)
{
    request_infill *f = &in->r->infill;
    TRY(want_array(in, at, value, 0, REQUEST_DOCUMENTS_MAX));
    f->n_extra = json_array_size(value);
    infill_file *files = arena_array(in->mem, f->n_extra, sizeof *files);
    if (files == NULL)
        return no_memory(in);
    for (size_t i = 0; i < f->n_extra; i++) {
        const path *item_at = PATH_INDEX(at, i);
        const json_t *item = json_array_get(value, i);
        json_t *text;
        TRY(want_object(in, item_at, item));
        TRY(need(in, item_at, item, "text", &text));
        TRY(want_text(in, PATH_KEY(item_at, "text"), text, &files[i].text));
        json_t *name = get(item, "filename");
        files[i].filename = "tmp"; /* as llama-server calls a file without a name */
        if (name)
            TRY(want_name(in, PATH_KEY(item_at, "filename"), name, 0, 4096, &files[i].filename));
        TRY(ignore_others(in, item_at, item, "text|filename|time"));
    }
    f->extra = files;
    return HEARTH_OK;
}

/* OpenAI's suffix: the prompt becomes the prefix. */
hearth_status read_suffix(reader *in, const path *at, json_t *value)
{
    request *r = in->r;
    TRY(read_one(in, at, value, &r->infill.suffix));
    if (r->infill.suffix.n == 0)
        return refuse(in, at, "is empty");
    if (r->infill.suffix.parts[0].n_text == 0 && json_is_string(value))
        return HEARTH_OK;
    if (r->n_prompts != 1)
        return refuse(in, at, "needs one prompt, but there are %zu", r->n_prompts);
    r->infill.prefix = r->prompts[0];
    r->kind = REQUEST_INFILL;
    return HEARTH_OK;
}

/* ---- reranking ---- */

hearth_status read_query(reader *in, const path *at, json_t *value)
{
    return want_text(in, at, value, &in->r->rerank.query);
}

static hearth_status read_list(reader *in, const path *at, json_t *value)
{
    request_rerank *k = &in->r->rerank;
    TRY(want_array(in, at, value, 1, REQUEST_DOCUMENTS_MAX));
    size_t n = json_array_size(value);
    const char **documents = arena_array(in->mem, n, sizeof *documents);
    if (documents == NULL)
        return no_memory(in);
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_array_get(value, i);
        const path *item_at = PATH_INDEX(at, i);
        if (json_is_object(item)) {
            TRY(ignore_others(in, item_at, item, "text"));
            TRY(need(in, item_at, item, "text", &item));
            item_at = PATH_KEY(item_at, "text");
        }
        TRY(want_text(in, item_at, item, &documents[i]));
    }
    k->documents = documents;
    k->n_documents = n;
    return HEARTH_OK;
}

hearth_status read_documents(reader *in, const path *at, json_t *value)
{
    return read_list(in, at, value);
}

hearth_status read_texts(reader *in, const path *at, json_t *value)
{
    if (in->r->rerank.n_documents > 0)
        return refuse(in, at, "means the same as documents; send one of them");
    in->r->rerank.tei = true;
    return read_list(in, at, value);
}

hearth_status read_return_documents(reader *in, const path *at, json_t *value)
{
    return want_bool(in, at, value, &in->r->rerank.return_documents);
}

/* ---- small ones ---- */

hearth_status read_encoding_format(reader *in, const path *at, json_t *value)
{
    int choice;
    TRY(want_choice(in, at, value, "float|base64", &choice));
    in->r->base64 = choice == 1;
    return HEARTH_OK;
}

hearth_status read_model(reader *in, const path *at, json_t *value)
{
    return want_name(in, at, value, 0, 4096, &in->r->model);
}

hearth_status read_filename(reader *in, const path *at, json_t *value)
{
    const char *name;
    TRY(want_name(in, at, value, 1, 255, &name));
    bool plain = name[0] != '.' && strpbrk(name, "/\\:*?\"<>|") == NULL;
    for (const char *c = name; *c; c++)
        plain = plain && (unsigned char)*c >= 0x20 && *c != 0x7f;
    if (!plain)
        return refuse(in, at,
                      "must be a plain file name: no folders, none of \\ / : * ? \" < > |, no dot "
                      "in front");
    in->r->filename = name;
    return HEARTH_OK;
}

hearth_status read_lora_scale(reader *in, const path *at, json_t *value)
{
    return want_float(in, at, value, -1e6, 1e6, &in->r->lora_scale);
}

hearth_status read_control_id(reader *in, const path *at, json_t *value)
{
    return want_name(in, at, value, 1, 256, &in->r->control_id);
}

hearth_status read_control_action(reader *in, const path *at, json_t *value)
{
    int choice;
    return want_choice(in, at, value, "reasoning_end", &choice);
}

/* ---- what must be there ---- */

static hearth_status missing(reader *in, const char *name, const char *what)
{
    return refuse(in, PATH_KEY(NULL, name), "is missing; send %s", what);
}

static hearth_status finish_generation(reader *in)
{
    request *r = in->r;
    int32_t n = r->options.n;
    if (r->kind == REQUEST_INFILL && r->infill.prefix.n == 0)
        return missing(in, "input_prefix", "the text before the gap");
    if (r->kind == REQUEST_INFILL && r->infill.suffix.n == 0)
        return missing(in, "input_suffix", "the text after the gap, which may be empty");
    if (r->kind == REQUEST_COMPLETE && r->n_prompts == 0)
        return missing(in, "prompt", "a text or tokens");
    if ((uint32_t)n > in->limits->n_choices_max)
        return refuse(in, PATH_KEY(NULL, "n"), "%d answers at once are too many; at most %u run", n,
                      in->limits->n_choices_max);
    if (in->best_of > n)
        return refuse(in, PATH_KEY(NULL, "best_of"),
                      "answers are not ranked; ask for n: %d and choose yourself", in->best_of);
    if (r->n_prompts > REQUEST_PROMPTS_MAX / (size_t)n)
        return refuse(in, PATH_KEY(NULL, "prompt"),
                      "%zu prompts with %d answers each are too many; at most %d answers per "
                      "request",
                      r->n_prompts, n, REQUEST_PROMPTS_MAX);
    return HEARTH_OK;
}

static hearth_status finish_rerank(reader *in)
{
    request_rerank *k = &in->r->rerank;
    if (k->query == NULL)
        return missing(in, "query", "a text");
    if (k->n_documents == 0)
        return missing(in, k->tei ? "texts" : "documents", "an array of texts");
    k->top_n = in->r->options.top_n > 0 ? (size_t)in->r->options.top_n : k->n_documents;
    if (k->top_n > k->n_documents)
        k->top_n = k->n_documents;
    return HEARTH_OK;
}

hearth_status finish_prompts(reader *in)
{
    const request *r = in->r;
    switch (r->kind) {
    case REQUEST_COMPLETE:
    case REQUEST_INFILL:
        return finish_generation(in);
    case REQUEST_RERANK:
        return finish_rerank(in);
    case REQUEST_EMBED:
        return r->n_prompts > 0 ? HEARTH_OK : missing(in, "input", "a text or tokens");
    case REQUEST_TOKENIZE:
        return r->n_prompts > 0 ? HEARTH_OK : missing(in, "content", "a text");
    case REQUEST_DETOKENIZE:
        return r->n_prompts > 0 ? HEARTH_OK : missing(in, "tokens", "an array of tokens");
    case REQUEST_LORA_LOAD:
        return r->filename ? HEARTH_OK : missing(in, "filename", "the name of the adapter's file");
    case REQUEST_CONTROL:
        if (r->control_id == NULL)
            return missing(in, "id", "the id of the answer");
        return get(r->body, "action") ? HEARTH_OK : missing(in, "action", "\"reasoning_end\"");
    default:
        return HEARTH_OK;
    }
}
