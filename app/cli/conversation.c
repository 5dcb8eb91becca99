/* SPDX-License-Identifier: MIT
 *
 * conversation.c - see conversation.h: the lines that are typed, and the words among them that are
 * for the program. Who answers is talk.c's.
 */
#include "cli/conversation.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"

typedef struct conversation {
    const talk *talk;
    bool verbose;
    answer last;
} conversation;

static void note_end(const conversation *c)
{
    const answer *a = &c->last;
    if (a->text.n == 0 || a->text.data[a->text.n - 1] != '\n')
        fputc('\n', stdout);
    fflush(stdout);
    if (a->reason == HEARTH_FINISH_CONTEXT)
        cli_note("The context is full; /clear begins anew.");
    if (a->reason == HEARTH_FINISH_CANCELED)
        cli_note("Stopped; what was written so far stays in the conversation.");
    if (c->verbose)
        answer_note_timings(a);
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
        if (c->talk->clear(c->talk->user))
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
    hearth_status status = c->talk->turn(c->talk->user, text, &c->last, &failed);
    if (status == HEARTH_EIO && ferror(stdout) && err) {
        *err = failed;
        return status;
    }
    if (status == HEARTH_OK)
        note_end(c);
    else
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

hearth_status conversation_run(const talk *t, bool verbose, hearth_error *err)
{
    conversation c = {.talk = t, .verbose = verbose};
    line_editor *editor = NULL;
    buf text;
    TRY(line_editor_open(&editor, err));
    buf_init(&text, 0);
    t->greet(t->user);
    hearth_status status = converse(&c, editor, &text, err);
    line_editor_close(editor);
    answer_deinit(&c.last);
    buf_deinit(&text);
    return status;
}
