/* SPDX-License-Identifier: MIT
 *
 * report.c - messages on standard error, and what a status means as an exit code.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "cli/cli.h"
#include "cli/terminal.h"

/* The kind in color; where there is none, the text. */
static void write_line(const char *color, const char *kind, const char *text)
{
    const char *on = terminal_has_color(stderr) ? color : "", *off = *on ? "\033[0m" : "";
    terminal_clear_progress();
    fprintf(stderr, "%s%s%s", on, kind, *kind ? off : "");
    terminal_write_safe(stderr, text, strlen(text));
    fprintf(stderr, "%s\n", *kind ? "" : off);
}

void cli_report(const hearth_error *err)
{
    if (err->message[0] != '\0')
        write_line("\033[1;31m", "hearth: ", err->message);
}

void cli_name_file(hearth_error *err, const char *path)
{
    hearth_error bare = *err;
    if (strstr(bare.message, path) == NULL)
        error_set(err, bare.code, bare.where, "%.160s: %s", path, bare.message);
    err->sys_errno = bare.sys_errno;
}

void cli_note(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    write_line("\033[2m", "", line);
}

static void log_line(void *user, hearth_log_level level, const char *message)
{
    static const char *const kinds[] = {"error: ", "warning: ", "info: ", "debug: "};
    static const char *const colors[] = {"\033[31m", "\033[33m", "\033[2m", "\033[2m"};
    (void)user;
    write_line(colors[level], kinds[level], message);
}

hearth_log cli_log(const cli_general *general)
{
    hearth_log_level level = general->log_level;
    if (general->verbose && level < HEARTH_LOG_INFO)
        level = HEARTH_LOG_INFO;
    return (hearth_log){.fn = log_line, .level = level};
}

cli_exit cli_exit_code(hearth_status status)
{
    switch (status) {
    case HEARTH_OK:
        return CLI_EXIT_OK;
    case HEARTH_EINVAL:
        return CLI_EXIT_USAGE;
    case HEARTH_ENOTFOUND:
        return CLI_EXIT_NOT_FOUND;
    case HEARTH_ECANCELED:
        return CLI_EXIT_INTERRUPTED;
    case HEARTH_ECONTEXT:
        return CLI_EXIT_CONTEXT;
    case HEARTH_ENOFIT:
        return CLI_EXIT_NO_FIT;
    case HEARTH_ENOMEM:
    case HEARTH_EFORMAT:
    case HEARTH_EIO:
    case HEARTH_EUNSUPPORTED:
    case HEARTH_EMISMATCH:
    case HEARTH_EINTERNAL:
    case HEARTH_EBUSY:
        return CLI_EXIT_FAILURE;
    }
    return CLI_EXIT_FAILURE;
}
