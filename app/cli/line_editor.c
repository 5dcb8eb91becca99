/* SPDX-License-Identifier: MIT
 *
 * line_editor.c - see line_editor.h; libedit does the editing.
 *
 * libedit's own signal handling sends a signal to the whole process group, so it stays off: bytes
 * are read here, where a signal ends the wait for them. Ctrl-C ends the line, a resized window and
 * a resumed job redraw it.
 */
#include "cli/line_editor.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "cli/interrupt.h"

enum { HISTORY_LINES = 1000 };

struct line_editor {
    EditLine *edit;
    History *history;
    char path[PATH_MAX]; /* of the history file, or "" */
    bool continued;      /* within an entry of several lines */
};

static volatile sig_atomic_t redraw_wanted;

static void handle_redraw(int signal)
{
    (void)signal;
    redraw_wanted = 1;
    interrupt_wake();
}

static char *prompt(EditLine *edit)
{
    static char first[] = "> ", next[] = ". ";
    void *editor = NULL;
    el_get(edit, EL_CLIENTDATA, &editor);
    return ((line_editor *)editor)->continued ? next : first;
}

/* ---- bytes from the terminal ---- */

static bool read_byte(EditLine *edit, char *byte)
{
    while (!interrupt_wait_readable(STDIN_FILENO)) {
        if (interrupt_pending())
            return false;
        if (redraw_wanted) {
            redraw_wanted = 0;
            el_set(edit, EL_PREP_TERM, 1);
            el_resize(edit);
            el_set(edit, EL_REFRESH, NULL);
        }
    }
    return read(STDIN_FILENO, byte, 1) == 1;
}

/* As EL_GETCFN asks: 1 and a character, 0 at the end, -1 for an error. */
static int read_character(EditLine *edit, wchar_t *out)
{
    char bytes[4];
    uint32_t code_point;
    size_t n = 0;
    do {
        if (!read_byte(edit, &bytes[n++]))
            return interrupt_pending() ? -1 : 0;
    } while (n < sizeof bytes && utf8_incomplete_suffix(bytes, n) == n);
    utf8_decode(bytes, n, &code_point);
    *out = (wchar_t)code_point;
    return 1;
}

/* ---- history ---- */

/* Appends a folder to path and makes it, private where it is new. */
static bool enter_folder(char path[PATH_MAX], const char *name)
{
    size_t used = strlen(path);
    int n = snprintf(path + used, PATH_MAX - used, "%s", name);
    return n >= 0 && (size_t)n < PATH_MAX - used && (mkdir(path, 0700) == 0 || errno == EEXIST);
}

/* Makes the folders and the file, readable by nobody else from its first moment. False: no history.
 */
static bool prepare_history(char path[PATH_MAX])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    path[0] = '\0';
    if (state && state[0] == '/') { /* its specification ignores relative ones */
        if (!enter_folder(path, state))
            return false;
    } else if (home == NULL || home[0] != '/' || !enter_folder(path, home) ||
               !enter_folder(path, "/.local") || !enter_folder(path, "/.local/state")) {
        return false;
    }
    if (!enter_folder(path, "/hearth"))
        return false;
    size_t used = strlen(path);
    if (snprintf(path + used, PATH_MAX - used, "/history") >= (int)(PATH_MAX - used))
        return false;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void remember(line_editor *editor, const char *text)
{
    HistEvent event;
    history(editor->history, &event, H_ENTER, text);
    if (editor->path[0])
        history(editor->history, &event, H_SAVE, editor->path);
}

/* ---- open and close ---- */

/* libedit turns characters into bytes by the locale, which must therefore know UTF-8. Numbers stay
 * as they are in C. */
static void use_utf8(void)
{
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX < 4)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static void catch_redraws(void)
{
    struct sigaction action = {.sa_handler = handle_redraw};
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, NULL);
    sigaction(SIGCONT, &action, NULL);
}

hearth_status line_editor_open(line_editor **out, hearth_error *err)
{
    HistEvent event;
    line_editor *editor = mem_calloc(1, sizeof *editor);
    if (editor == NULL)
        return error_no_memory(err, "the line editor", sizeof *editor);
    use_utf8();
    editor->edit = el_init("hearth", stdin, stderr, stderr);
    editor->history = history_init();
    if (editor->edit == NULL || editor->history == NULL) {
        line_editor_close(editor);
        return error_no_memory(err, "the line editor", 0);
    }
    catch_redraws();
    history(editor->history, &event, H_SETSIZE, HISTORY_LINES);
    history(editor->history, &event, H_SETUNIQUE, 1);
    if (!prepare_history(editor->path))
        editor->path[0] = '\0';
    else
        history(editor->history, &event, H_LOAD, editor->path);
    el_set(editor->edit, EL_CLIENTDATA, editor);
    el_set(editor->edit, EL_PROMPT, prompt);
    el_set(editor->edit, EL_EDITOR, "emacs");
    el_set(editor->edit, EL_HIST, history, editor->history);
    el_set(editor->edit, EL_GETCFN, read_character);
    el_source(editor->edit, NULL);
    *out = editor;
    return HEARTH_OK;
}

void line_editor_close(line_editor *editor)
{
    if (editor == NULL)
        return;
    if (editor->edit)
        el_end(editor->edit);
    if (editor->history)
        history_end(editor->history);
    mem_free(editor);
}

/* ---- reading ---- */

line_result line_editor_read(line_editor *editor, buf *text)
{
    buf_clear(text);
    editor->continued = false;
    for (;;) {
        int n = 0;
        /* Before the prompt invites to type: a key that comes while the terminal still edits lines
         * by itself (an end of file above all) would be lost on the way. */
        el_set(editor->edit, EL_PREP_TERM, 1);
        const char *line = el_gets(editor->edit, &n);
        if (line == NULL || n <= 0) {
            bool interrupted = interrupt_pending();
            el_reset(editor->edit);
            fputc('\n', stderr);
            return interrupted ? LINE_INTERRUPTED : LINE_END;
        }
        size_t length = (size_t)n - (line[n - 1] == '\n');
        bool more = length > 0 && line[length - 1] == '\\';
        if (!buf_append(text, line, length - more) || (more && !buf_append(text, "\n", 1)))
            return LINE_END;
        if (!more)
            break;
        editor->continued = true;
    }
    if (text->n > 0)
        remember(editor, text->data);
    return LINE_TEXT;
}
