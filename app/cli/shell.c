/* SPDX-License-Identifier: MIT
 *
 * shell.c - see shell.h: completion for bash, zsh and fish.
 */
#include "cli/shell.h"

#include <string.h>

static bool is_shown(const option_group *group)
{
    return group->title != NULL;
}

/* The row's own help, also for another name of it. */
static const option *meant_by(const cli_command *command, const option *row)
{
    const option_set set = {command->groups, command->n_groups};
    if (row->type != OPTION_ALIAS)
        return row;
    const option_group *group;
    return option_find(&set, row->help, strlen(row->help), &group);
}

/* Calls fn for every row that a person may see. */
static void each_row(const cli_command *command, FILE *out,
                     void (*fn)(FILE *out, const cli_command *command, const option *row))
{
    for (size_t g = 0; g < command->n_groups; g++) {
        for (const option *row = command->groups[g].rows;
             is_shown(&command->groups[g]) && row->name; row++)
            fn(out, command, row);
    }
}

/* Text with a backslash before what `special` holds; line breaks become blanks. */
static void escape(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (strchr(special, *text))
            fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
}

/* "a|b|c" with blanks between. */
static void words_of(FILE *out, const char *choices)
{
    for (; *choices; choices++)
        fputc(*choices == '|' ? ' ' : *choices, out);
}

static void names_of(FILE *out, const cli_command *const *commands, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s ", commands[i]->name);
    fprintf(out, "help version");
}

/* ---- bash ---- */

static void bash_name(FILE *out, const cli_command *command, const option *row)
{
    (void)command;
    fprintf(out, "%s ", row->name);
}

static void bash_choice(FILE *out, const cli_command *command, const option *row)
{
    const option *meant = meant_by(command, row);
    if (meant == NULL || meant->type != OPTION_CHOICE)
        return;
    fprintf(out, "        '%s %s') words='", command->name, row->name);
    words_of(out, meant->choices);
    fprintf(out, "' ;;\n");
}

void shell_write_bash(FILE *out, const cli_command *const *commands, size_t n)
{
    fprintf(out, "# Completion of hearth for bash.\n_hearth() {\n"
                 "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
                 "words=\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='");
    names_of(out, commands, n);
    fprintf(out, "'\n    elif [[ $word == -* ]]; then\n        case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "        %s) words='", commands[i]->name);
        each_row(commands[i], out, bash_name);
        fprintf(out, "' ;;\n");
    }
    fprintf(out, "        esac\n    else\n        case \"${COMP_WORDS[1]} $before\" in\n");
    for (size_t i = 0; i < n; i++)
        each_row(commands[i], out, bash_choice);
    fprintf(out, "        'help '*) words='");
    names_of(out, commands, n);
    fprintf(out,
            "' ;;\n        esac\n    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
            "    [ -n \"$words\" ] || COMPREPLY=($(compgen -f -- \"$word\"))\n}\n"
            "complete -o filenames -F _hearth hearth\n");
}

/* ---- zsh ---- */

static void zsh_row(FILE *out, const cli_command *command, const option *row)
{
    const option *meant = meant_by(command, row);
    if (meant == NULL)
        return;
    fprintf(out, " \\\n            '%s%s[", meant->type == OPTION_LIST ? "*" : "", row->name);
    for (const char *c = meant->help; *c; c++) {
        if (strchr("[]:\\", *c))
            fputc('\\', out);
        fprintf(out, *c == '\'' ? "'\\''" : "%c", *c == '\n' ? ' ' : *c);
    }
    fputc(']', out);
    if (meant->type == OPTION_CHOICE) {
        fprintf(out, ":value:(");
        words_of(out, meant->choices);
        fputc(')', out);
    } else if (meant->type != OPTION_FLAG) {
        fprintf(out, ":%s:_files", meant->value ? "value" : "");
    }
    fputc('\'', out);
}

void shell_write_zsh(FILE *out, const cli_command *const *commands, size_t n)
{
    fprintf(out, "#compdef hearth\n# Completion of hearth for zsh.\n_hearth() {\n"
                 "    local -a commands=(\n");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "        '%s:", commands[i]->name);
        for (const char *c = commands[i]->summary; *c; c++)
            fprintf(out, *c == '\'' ? "'\\''" : "%c", *c);
        fprintf(out, "'\n");
    }
    fprintf(out, "        'help:all options of a command'\n        'version:the version'\n    )\n"
                 "    if (( CURRENT == 2 )); then\n        _describe command commands\n"
                 "        return\n    fi\n    local command=${words[2]}\n"
                 "    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "    %s)\n        _arguments", commands[i]->name);
        each_row(commands[i], out, zsh_row);
        fprintf(out, " \\\n            '*:file:_files' ;;\n");
    }
    fprintf(out, "    help) _describe command commands ;;\n    esac\n}\n_hearth \"$@\"\n");
}

/* ---- fish ---- */

static void fish_row(FILE *out, const cli_command *command, const option *row)
{
    const option *meant = meant_by(command, row);
    size_t n_dashes = strspn(row->name, "-");
    const char *name = row->name + n_dashes;
    if (meant == NULL)
        return;
    fprintf(out, "complete -c hearth -n '__fish_seen_subcommand_from %s' -%c '%s'", command->name,
            n_dashes == 2     ? 'l'
            : name[1] == '\0' ? 's'
                              : 'o',
            name);
    if (meant->type == OPTION_CHOICE) {
        fprintf(out, " -x -a '");
        words_of(out, meant->choices);
        fputc('\'', out);
    } else if (meant->type != OPTION_FLAG) {
        fprintf(out, " -r");
    }
    fprintf(out, " -d '");
    escape(out, meant->help, "'\\");
    fprintf(out, "'\n");
}

void shell_write_fish(FILE *out, const cli_command *const *commands, size_t n)
{
    fprintf(out, "# Completion of hearth for fish.\n");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "complete -c hearth -n __fish_use_subcommand -f -a '%s' -d '",
                commands[i]->name);
        escape(out, commands[i]->summary, "'\\");
        fprintf(out, "'\n");
        each_row(commands[i], out, fish_row);
    }
}
