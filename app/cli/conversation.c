/* SPDX-License-Identifier: MIT
 *
 * conversation.c - see conversation.h.
 *
 * Each turn feeds only what is new. A model with a chat template gets its turns as that writes them
 * (chat.h). Every other model gets the text as it is, as a plain continuation; the program says
 * which at the start.
 */
#include "cli/conversation.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/terminal.h"

typedef struct conversation {
    const answer_request *request;
    const hearth_model *model;
    cli_chat *chat; /* NULL: plain text */
    bool special;
    bool verbose;
    answer last;
} conversation;

/* ---- turns as plain text ---- */

static hearth_status raw_turn(const conversation *c, const buf *text, buf *out, hearth_error *err)
{
    bool first = hearth_session_n_tokens(c->request->session) == 0;
    unsigned flags = c->special ? HEARTH_TOKENIZE_PARSE_SPECIAL : 0;
    if (first && c->special)
        flags |= HEARTH_TOKENIZE_ADD_SPECIAL;
    return input_append_tokens(c->model, text->data, text->n, flags, out, err);
}

static void greet(const conversation *c)
{
    const hearth_model_info *info = hearth_model_get_info(c->model);
    cli_note("%s, context of %u tokens. /help tells what can be typed; Ctrl-D leaves.",
             *info->name ? info->name : info->architecture,
             hearth_session_n_ctx(c->request->session));
    if (c->chat)
        cli_note("Turns are written as the model's chat template does.");
    else if (info->chat_template)
        cli_note("The model's chat template is not applied: what you type is continued as plain "
                 "text.");
    else
        cli_note("The model has no chat template: what you type is continued as plain text.");
}

/* ---- turns ---- */

static void note_end(const conversation *c)
{
    const answer *a = &c->last;
    if (a->text.n == 0 || a->text.data[a->text.n - 1] != '\n')
        fputc('\n', stdout);
    fflush(stdout);
    if (a->reason == HEARTH_FINISH_CONTEXT)
        cli_note("The context is full (%u tokens); /clear begins anew.",
                 hearth_session_n_ctx(c->request->session));
    if (a->reason == HEARTH_FINISH_CANCELED)
        cli_note("Stopped; what was written so far stays in the conversation.");
    if (c->verbose)
        answer_note_timings(a);
}

static hearth_status take_turn(conversation *c, const buf *text, hearth_error *err)
{
    buf tokens;
    buf_init(&tokens, 0);
    hearth_status status =
        c->chat ? cli_chat_ask(c->chat, c->request->session, text->data, text->n, &tokens, err)
                : raw_turn(c, text, &tokens, err);
    bool asked = status == HEARTH_OK;
    if (asked)
        status = answer_run(c->request, (const int32_t *)(const void *)tokens.data,
                            tokens.n / sizeof(int32_t), &c->last, err);
    if (c->chat && asked && status == HEARTH_OK)
        status = cli_chat_answered(c->chat, c->last.text.data ? c->last.text.data : "",
                                   c->last.text.n, err);
    else if (c->chat && asked)
        cli_chat_undo(c->chat);
    if (status == HEARTH_OK)
        note_end(c);
    buf_deinit(&tokens);
    return status;
}

typedef enum command_result { COMMAND_NONE, COMMAND_DONE, COMMAND_LEAVE } command_result;

/* Words that are for the program: a slash and letters alone on the line. */
static command_result obey(conversation *c, const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    if (text[0] != '/' || text[1] == '\0' || text[1 + strspn(text + 1, letters)] != '\0')
        return COMMAND_NONE;
    if (strcmp(text, "/exit") == 0 || strcmp(text, "/quit") == 0 || strcmp(text, "/bye") == 0)
        return COMMAND_LEAVE;
    if (strcmp(text, "/clear") == 0) {
        hearth_sampler_reset(c->request->sampler);
        if (c->chat)
            cli_chat_clear(c->chat);
        if (hearth_session_rewind(c->request->session, 0, NULL) == HEARTH_OK)
            cli_note("The conversation begins anew.");
    } else if (strcmp(text, "/help") == 0) {
        cli_note("/clear    begin anew: the model forgets what was said\n"
                 "/exit     leave, as Ctrl-D does\n"
                 "A backslash at the end of a line goes on in the next. Ctrl-C stops an answer; "
                 "twice at the prompt it leaves. A blank before a slash makes it text.");
    } else {
        cli_note("%s is not a command; /help lists them.", text);
    }
    return COMMAND_DONE;
}

/* A failed turn is told and the conversation goes on; only lost output ends it. */
static hearth_status handle_entry(conversation *c, const buf *text, bool *leave, hearth_error *err)
{
    if (text->n == 0)
        return HEARTH_OK;
    command_result command = obey(c, text->data);
    *leave = command == COMMAND_LEAVE;
    if (command != COMMAND_NONE)
        return HEARTH_OK;
    hearth_error failed = {0};
    hearth_status status = take_turn(c, text, &failed);
    if (status == HEARTH_EIO && err) {
        *err = failed;
        return status;
    }
    if (status != HEARTH_OK)
        cli_report(&failed);
    if (status == HEARTH_ECONTEXT)
        cli_note("/clear begins anew.");
    return HEARTH_OK;
}

static hearth_status converse(conversation *c, line_editor *editor, buf *text, hearth_error *err)
{
    bool leave = false, warned = false;
    while (!leave && !interrupt_must_exit()) {
        interrupt_clear();
        line_result result = line_editor_read(editor, text);
        if (result == LINE_END || (result == LINE_INTERRUPTED && warned))
            break;
        warned = result == LINE_INTERRUPTED;
        if (warned && !interrupt_must_exit())
            cli_note("(Ctrl-C again or Ctrl-D leaves)");
        else if (!warned)
            TRY(handle_entry(c, text, &leave, err));
    }
    /* A second Ctrl-C is the way out, not a failure; SIGTERM and SIGHUP are told in the exit code.
     */
    if (interrupt_must_exit())
        FAIL(err, ECANCELED, "conversation", "the conversation was ended by a signal");
    interrupt_clear();
    return HEARTH_OK;
}

hearth_status conversation_run(const answer_request *request, cli_chat *chat, bool special,
                               bool verbose, hearth_error *err)
{
    conversation c = {.request = request,
                      .model = hearth_session_model(request->session),
                      .chat = chat,
                      .special = special,
                      .verbose = verbose};
    line_editor *editor = NULL;
    buf text;
    TRY(line_editor_open(&editor, err));
    buf_init(&text, 0);
    greet(&c);
    hearth_status status = converse(&c, editor, &text, err);
    line_editor_close(editor);
    answer_deinit(&c.last);
    buf_deinit(&text);
    return status;
}
