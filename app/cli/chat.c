/* SPDX-License-Identifier: MIT
 *
 * chat.c - see chat.h.
 */
#include "cli/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hearth/chat.h>

#include "base/mem.h"
#include "base/status.h"
#include "cli/output.h"
#include "library/describe.h"

struct cli_chat {
    const hearth_model *model;
    hearth_chat_template *template_;
    json_t *messages;
};

hearth_status cli_chat_open(cli_chat **out, const hearth_model *model, hearth_error *err)
{
    const char *source = hearth_model_get_info(model)->chat_template;
    *out = NULL;
    if (source == NULL)
        return HEARTH_OK;
    cli_chat *chat = mem_calloc(1, sizeof *chat);
    if (chat)
        chat->messages = json_array();
    if (chat == NULL || chat->messages == NULL) {
        cli_chat_close(chat);
        return error_no_memory(err, "a conversation", sizeof *chat);
    }
    chat->model = model;
    hearth_status status = hearth_chat_template_new(&chat->template_, source, strlen(source), err);
    if (status != HEARTH_OK) {
        cli_chat_close(chat);
        return status;
    }
    *out = chat;
    return HEARTH_OK;
}

void cli_chat_close(cli_chat *chat)
{
    if (chat == NULL)
        return;
    hearth_chat_template_free(chat->template_);
    json_decref(chat->messages);
    mem_free(chat);
}

static hearth_status add(cli_chat *chat, const char *role, const char *text, size_t n,
                         hearth_error *err)
{
    json_t *message = json_pack("{s:s, s:o}", "role", role, "content", describe_bytes(text, n));
    if (message == NULL || json_array_append_new(chat->messages, message) != 0)
        return error_no_memory(err, "a message", n);
    return HEARTH_OK;
}

static hearth_status tokenize(const cli_chat *chat, int32_t **tokens, size_t *n, hearth_error *err)
{
    json_t *context =
        json_pack("{s:O, s:b}", "messages", chat->messages, "add_generation_prompt", true);
    char *text = context ? json_dumps(context, 0) : NULL;
    hearth_status status =
        text ? hearth_chat_tokenize(chat->template_, chat->model, text, strlen(text), NULL, tokens,
                                    n, NULL, NULL, err)
             : error_no_memory(err, "a conversation", 1);
    free(text);
    json_decref(context);
    return status;
}

/* The session is left with what it shares with the tokens, but for the last of these: its logits
 * are those of the answer. */
static hearth_status give_new(hearth_session *session, const int32_t *tokens, size_t n, buf *out,
                              hearth_error *err)
{
    const int32_t *read = hearth_session_tokens(session);
    size_t n_read = hearth_session_n_tokens(session), same = 0;
    while (same < n_read && same + 1 < n && read[same] == tokens[same])
        same++;
    TRY(hearth_session_rewind(session, same, err));
    if (!buf_append(out, (const char *)(tokens + same), (n - same) * sizeof *tokens))
        return error_no_memory(err, "tokens", n);
    return HEARTH_OK;
}

hearth_status cli_chat_ask(cli_chat *chat, hearth_session *session, const char *text, size_t n_text,
                           buf *tokens, hearth_error *err)
{
    int32_t *all = NULL;
    size_t n = 0;
    TRY(add(chat, "user", text, n_text, err));
    hearth_status status = tokenize(chat, &all, &n, err);
    if (status == HEARTH_OK)
        status = give_new(session, all, n, tokens, err);
    if (status != HEARTH_OK)
        cli_chat_undo(chat);
    hearth_free(all);
    return status;
}

hearth_status cli_chat_answered(cli_chat *chat, const char *text, size_t n_text, hearth_error *err)
{
    return add(chat, "assistant", text, n_text, err);
}

void cli_chat_undo(cli_chat *chat)
{
    size_t n = json_array_size(chat->messages);
    if (n > 0)
        json_array_remove(chat->messages, n - 1);
}

void cli_chat_clear(cli_chat *chat)
{
    json_array_clear(chat->messages);
}
