/* SPDX-License-Identifier: MIT
 *
 * chat_tokens.c - a conversation as tokens, in which only the template writes control tokens.
 *
 * Where a message that is not to be trusted spells a control token, a mark is put inside before the
 * template sees it. A template moves texts around but does not look into them at such places. After
 * rendering the marks are taken out, and where they stood no control token is found. The mark is a
 * character that stands for nothing (U+FDD0 and the next ones) and that the conversation does not
 * have.
 */
#include <string.h>

#include <hearth/chat.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/model.h"

enum { MARK_BYTES = 3, N_MARKS = 32 };

typedef struct guarded {
    const hearth_model *model;
    char mark[MARK_BYTES + 1];
    bool marked;
} guarded;

/* Of a context that spells every character as it is: \uFDD0 in JSON is one too. */
static bool choose_mark(const char *context, size_t n, char *mark)
{
    for (int i = 0; i < N_MARKS; i++) {
        memcpy(mark, "\xEF\xB7\x90", MARK_BYTES + 1);
        mark[2] = (char)(mark[2] + i);
        if (memmem(context, n, mark, MARK_BYTES) == NULL)
            return true;
    }
    return false;
}

/* Replaces one text of a message. */
static hearth_status guard_text(guarded *g, json_t *holder, const char *key, hearth_error *err)
{
    json_t *value = json_object_get(holder, key);
    buf out;
    if (!json_is_string(value))
        return HEARTH_OK;
    buf_init(&out, 0);
    hearth_status status = tokenizer_mark_controls(g->model->t, json_string_value(value),
                                                   json_string_length(value), g->mark, &out, err);
    if (status == HEARTH_OK && out.n > json_string_length(value)) {
        g->marked = true;
        if (json_object_set_new(holder, key, json_stringn(out.data, out.n)) != 0)
            status = error_no_memory(err, "a message", out.n);
    }
    buf_deinit(&out);
    return status;
}

static hearth_status join_parts(json_t *content, buf *all, hearth_error *err)
{
    json_t *part;
    size_t i;
    json_array_foreach(content, i, part)
    {
        const json_t *text = json_object_get(part, "text");
        size_t n = json_string_length(text);
        if (json_is_string(text) && !buf_append(all, json_string_value(text), n))
            return error_no_memory(err, "a message", n);
    }
    return HEARTH_OK;
}

/* Gives each part its own of the marked text, which is that of all. */
static hearth_status split_parts(const guarded *g, json_t *content, const buf *marked,
                                 hearth_error *err)
{
    json_t *part;
    size_t i, at = 0;
    json_array_foreach(content, i, part)
    {
        const json_t *text = json_object_get(part, "text");
        size_t first = at;
        for (size_t n = json_string_length(text); n > 0;) {
            bool is_mark =
                marked->n - at >= MARK_BYTES && memcmp(marked->data + at, g->mark, MARK_BYTES) == 0;
            at += is_mark ? MARK_BYTES : 1;
            n -= !is_mark;
        }
        if (json_is_string(text) &&
            json_object_set_new(part, "text", json_stringn(marked->data + first, at - first)) != 0)
            return error_no_memory(err, "a message", at - first);
    }
    return HEARTH_OK;
}

/* Templates write the parts of a message behind each other: what they spell together counts. */
static hearth_status guard_parts(guarded *g, json_t *content, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    buf all, marked;
    buf_init(&all, 0);
    buf_init(&marked, 0);
    TRY_OUT(join_parts(content, &all, err));
    if (all.n > 0)
        TRY_OUT(tokenizer_mark_controls(g->model->t, all.data, all.n, g->mark, &marked, err));
    if (marked.n > all.n) {
        g->marked = true;
        TRY_OUT(split_parts(g, content, &marked, err));
    }
out:
    buf_deinit(&all);
    buf_deinit(&marked);
    return status;
}

static hearth_status guard_message(guarded *g, json_t *message, hearth_error *err)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    if (role == NULL || (strcmp(role, "user") != 0 && strcmp(role, "tool") != 0))
        return HEARTH_OK;
    TRY(guard_text(g, message, "content", err)); /* a text is another one now */
    return guard_parts(g, json_object_get(message, "content"), err);
}

/* Unless the context has them. */
static hearth_status set_token(const hearth_model *model, json_t *root, const char *name,
                               int32_t id, hearth_error *err)
{
    gguf_string text;
    if (json_object_get(root, name) || !tokenizer_spelling(model->t, id, &text))
        return HEARTH_OK;
    if (json_object_set_new(root, name, json_stringn(text.data, text.n)) != 0)
        return error_no_memory(err, name, text.n);
    return HEARTH_OK;
}

/* Writes the context with marks and the model's tokens to out; nothing if it is no object. */
static hearth_status guard_context(guarded *g, const char *context, size_t n, buf *out,
                                   hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    json_t *message;
    size_t i;
    json_t *root;
    if (json_read(&root, context, n, JSON_ALLOW_NUL, "conversation", NULL) == HEARTH_ENOMEM)
        return error_no_memory(err, "a conversation", n);
    if (!json_is_object(root)) /* rendering says what is wrong with it */
        goto out;
    if (!json_write(out, root, JSON_COMPACT)) {
        status = error_no_memory(err, "a conversation", n);
        goto out;
    }
    if (!choose_mark(out->data, out->n, g->mark))
        FAIL_OUT(err, EINVAL, "messages",
                 "the conversation holds all of U+FDD0 to U+FDEF, which stand for no character");
    json_array_foreach(json_object_get(root, "messages"), i, message)
        TRY_OUT(guard_message(g, message, err));
    TRY_OUT(set_token(g->model, root, "bos_token", tokenizer_specials(g->model->t)->bos, err));
    TRY_OUT(set_token(g->model, root, "eos_token", tokenizer_specials(g->model->t)->eos, err));
    buf_clear(out);
    if (!json_write(out, root, JSON_COMPACT))
        status = error_no_memory(err, "a conversation", n);
out:
    json_decref(root);
    return status;
}

/* Takes the marks out of text, and tells where they were. */
static bool take_marks(const char *mark, char *text, size_t *n, tokenizer_barriers *b)
{
    size_t *at = NULL, n_text = 0, n_at = 0, capacity = 0;
    for (size_t i = 0; i < *n;) {
        if (*n - i < MARK_BYTES || memcmp(text + i, mark, MARK_BYTES) != 0) {
            text[n_text++] = text[i++];
            continue;
        }
        if (n_at == capacity) {
            size_t *more = mem_realloc_array(at, capacity = 2 * capacity + 16, sizeof *at);
            if (more == NULL) {
                mem_free(at);
                return false;
            }
            at = more;
        }
        at[n_at++] = n_text;
        i += MARK_BYTES;
    }
    text[ *n = n_text] = '\0';
    *b = (tokenizer_barriers){at, n_at};
    return true;
}

static bool begins_with_bos(const hearth_model *model, const char *text, size_t n)
{
    gguf_string bos;
    return tokenizer_spelling(model->t, tokenizer_specials(model->t)->bos, &bos) && bos.n > 0 &&
           n >= bos.n && memcmp(text, bos.data, bos.n) == 0;
}

hearth_status hearth_chat_tokenize(const hearth_chat_template *t, const hearth_model *model,
                                   const char *context_json, size_t n_context,
                                   const hearth_chat_render_options *options, int32_t **tokens,
                                   size_t *n_tokens, char **text, size_t *n_text, hearth_error *err)
{
    guarded g = {.model = model};
    char *rendered = NULL;
    size_t n = 0;
    buf context;
    tokenizer_barriers barriers = {NULL, 0};
    hearth_status status = HEARTH_OK;
    *tokens = NULL;
    *n_tokens = 0;
    if (text)
        *text = NULL;
    if (model->t == NULL)
        FAIL(err, EINVAL, "scope", "the model was opened without its tokenizer");
    buf_init(&context, 0);
    TRY_OUT(guard_context(&g, context_json, n_context, &context, err));
    TRY_OUT(hearth_chat_template_render(t, context.n ? context.data : context_json,
                                        context.n ? context.n : n_context, options, &rendered, &n,
                                        err));
    if (g.marked && !take_marks(g.mark, rendered, &n, &barriers))
        TRY_OUT(error_no_memory(err, "a conversation", n));
    unsigned flags = TOKENIZE_PARSE_SPECIAL;
    if (!begins_with_bos(model, rendered, n))
        flags |= TOKENIZE_ADD_SPECIAL;
    TRY_OUT(
        tokenizer_encode_guarded(model->t, rendered, n, flags, &barriers, tokens, n_tokens, err));
    if (text) {
        *text = rendered;
        *n_text = n;
        rendered = NULL;
    }
out:
    mem_free((void *)barriers.at);
    mem_free(rendered);
    buf_deinit(&context);
    return status;
}
