/* SPDX-License-Identifier: MIT
 *
 * talk.c - who answers in a conversation; see conversation.h.
 *
 * A session is fed only what is new in each turn. The server is sent all that was said: its engine
 * knows again what it has read, and reads only what is new as well. A model with a chat template
 * gets its turns as that writes them; every other one gets the text as it is, as a plain
 * continuation.
 */
#include "cli/conversation.h"

#include <string.h>

#include "base/status.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/output.h"
#include "library/describe.h"

/* ---- here ---- */

static void session_greet(void *user)
{
    const session_talk *t = user;
    const hearth_model_info *info =
        hearth_model_get_info(hearth_session_model(t->request->session));
    cli_note("%s, context of %u tokens. /help tells what can be typed; Ctrl-D leaves.",
             *info->name ? info->name : info->architecture,
             hearth_session_n_ctx(t->request->session));
    if (t->chat)
        cli_note("Turns are written as the model's chat template does.");
    else if (info->chat_template)
        cli_note("The model's chat template is not applied: what you type is continued as plain "
                 "text.");
    else
        cli_note("The model has no chat template: what you type is continued as plain text.");
}

static hearth_status plain_turn(const session_talk *t, const buf *text, buf *out, hearth_error *err)
{
    bool first = hearth_session_n_tokens(t->request->session) == 0;
    unsigned flags = t->special ? HEARTH_TOKENIZE_PARSE_SPECIAL : 0;
    if (first && t->special)
        flags |= HEARTH_TOKENIZE_ADD_SPECIAL;
    return input_append_tokens(hearth_session_model(t->request->session), text->data, text->n,
                               flags, out, err);
}

static hearth_status session_turn(void *user, const buf *text, answer *a, hearth_error *err)
{
    session_talk *t = user;
    buf tokens;
    buf_init(&tokens, 0);
    hearth_status status =
        t->chat ? cli_chat_ask(t->chat, t->request->session, text->data, text->n, &tokens, err)
                : plain_turn(t, text, &tokens, err);
    bool asked = status == HEARTH_OK;
    if (asked)
        status = answer_run(t->request, (const int32_t *)(const void *)tokens.data,
                            tokens.n / sizeof(int32_t), a, err);
    if (t->chat && asked && status == HEARTH_OK)
        status = cli_chat_answered(t->chat, a->text.data ? a->text.data : "", a->text.n, err);
    else if (t->chat && asked)
        cli_chat_undo(t->chat);
    buf_deinit(&tokens);
    return status;
}

static bool session_clear(void *user)
{
    session_talk *t = user;
    hearth_sampler_reset(t->request->sampler);
    if (t->chat)
        cli_chat_clear(t->chat);
    return hearth_session_rewind(t->request->session, 0, NULL) == HEARTH_OK;
}

talk session_talk_of(session_talk *t)
{
    return (talk){t, session_greet, session_turn, session_clear};
}

/* ---- by the server ---- */

static void served_greet(void *user)
{
    const served_talk *t = user;
    cli_note("%s, by the hearth serve that runs. /help tells what can be typed; Ctrl-D leaves.",
             t->request.model);
    if (t->is_chat)
        cli_note("Turns are written as the model's chat template does.");
    else
        cli_note("What you type is continued as plain text.");
}

static bool say(json_t *messages, const char *role, const char *text, size_t n)
{
    json_t *message = json_pack("{s:s, s:o}", "role", role, "content", describe_bytes(text, n));
    return message && json_array_append_new(messages, message) == 0;
}

/* An answer without a word is no turn. */
static hearth_status chat_turn(served_talk *t, const buf *text, answer *a, hearth_error *err)
{
    if (t->messages == NULL)
        t->messages = json_array();
    size_t n = json_array_size(t->messages);
    t->request.messages = t->messages;
    if (!say(t->messages, "user", text->data, text->n))
        return error_no_memory(err, "a message", text->n);
    hearth_status status = served_answer(&t->request, a, err);
    if (status == HEARTH_OK && a->text.n > 0 &&
        !say(t->messages, "assistant", a->text.data, a->text.n))
        status = error_no_memory(err, "a message", a->text.n);
    if (status != HEARTH_OK || a->text.n == 0)
        json_array_remove(t->messages, n);
    return status;
}

static hearth_status text_turn(served_talk *t, const buf *text, answer *a, hearth_error *err)
{
    const size_t n = t->text.n;
    if (!served_is_text(text->data, text->n))
        FAIL(err, EINVAL, "text", "what was typed is no UTF-8 text");
    if (!buf_append(&t->text, text->data, text->n))
        return error_no_memory(err, "a text", t->text.n + text->n);
    t->request.prompt = t->text.data;
    t->request.n_prompt = t->text.n;
    hearth_status status = served_answer(&t->request, a, err);
    if (status == HEARTH_OK && !buf_append(&t->text, a->text.data ? a->text.data : "", a->text.n))
        status = error_no_memory(err, "a text", t->text.n + a->text.n);
    if (status != HEARTH_OK)
        t->text.n = n;
    return status;
}

static hearth_status served_turn(void *user, const buf *text, answer *a, hearth_error *err)
{
    served_talk *t = user;
    return t->is_chat ? chat_turn(t, text, a, err) : text_turn(t, text, a, err);
}

static bool served_clear(void *user)
{
    served_talk *t = user;
    json_array_clear(t->messages);
    buf_clear(&t->text);
    return true;
}

talk served_talk_of(served_talk *t)
{
    return (talk){t, served_greet, served_turn, served_clear};
}

void served_talk_deinit(served_talk *t)
{
    json_decref(t->messages);
    buf_deinit(&t->text);
}
