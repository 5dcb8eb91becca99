/* SPDX-License-Identifier: MIT
 *
 * line_editor.h - lines from a person at a terminal: editing, history, Ctrl-C.
 *
 * The prompt goes to standard error, so that standard output stays the answer. The history is kept
 * in $XDG_STATE_HOME/hearth/history (or ~/.local/state/hearth/history), readable by its owner only;
 * without a home directory there is none beyond the program's run.
 */
#ifndef HEARTH_CLI_LINE_EDITOR_H
#define HEARTH_CLI_LINE_EDITOR_H

#include "base/buf.h"
#include "base/status.h"

typedef struct line_editor line_editor;

typedef enum line_result {
    LINE_TEXT,        /* a line was entered */
    LINE_INTERRUPTED, /* Ctrl-C: what was typed is dropped */
    LINE_END          /* Ctrl-D, or the terminal is gone */
} line_result;

hearth_status line_editor_open(line_editor **out, hearth_error *err);
void line_editor_close(line_editor *editor);

/* Reads one entry into text: a line, and the next ones as long as each ends in a backslash, which
 * becomes a newline. */
line_result line_editor_read(line_editor *editor, buf *text);

#endif
