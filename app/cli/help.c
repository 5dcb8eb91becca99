/* SPDX-License-Identifier: MIT
 *
 * help.c - see help.h. Two columns: names, and a text wrapped to the terminal's width.
 */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/terminal.h"

enum { TEXT_COLUMN = 32, NAME_INDENT = 2 };

/* Words of text from column `column` on; lines after the first begin at `indent`. Newlines in the
 * text stay. Ends the line. */
static void wrap(const char *text, int column, int indent)
{
    int width = terminal_width(stdout);
    while (*text) {
        int n = (int)strcspn(text, " \n");
        if (column > indent && column + n + 1 > width) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", n, text);
        column += n;
        text += n;
        if (*text == '\n') {
            printf("\n%*s", indent, "");
            column = indent;
        }
        text += *text != '\0';
    }
    putchar('\n');
}

static void title(const char *text)
{
    bool color = terminal_has_color(stdout);
    printf("\n%s%s%s\n", color ? "\033[1m" : "", text, color ? "\033[0m" : "");
}

static void row(const char *name, const char *text)
{
    int used = printf("%*s%s", NAME_INDENT, "", name);
    if (used > TEXT_COLUMN - 2) {
        putchar('\n');
        used = 0;
    }
    printf("%*s", TEXT_COLUMN - used, "");
    wrap(text, TEXT_COLUMN, TEXT_COLUMN);
}

void help_option_names(const option_set *set, const option *of, char *out, size_t n_out)
{
    char longer[128] = "";
    out[0] = '\0';
    for (size_t g = 0; g < set->n_groups; g++) {
        for (const option *r = set->groups[g].rows; r->name; r++) {
            if (r->type != OPTION_ALIAS || strcmp(r->help, of->name) != 0)
                continue;
            bool is_short = r->name[1] != '-';
            char *list = is_short ? out : longer;
            size_t used = strlen(list);
            snprintf(list + used, (is_short ? n_out : sizeof longer) - used,
                     is_short ? "%s, " : ", %s", r->name);
        }
    }
    size_t used = strlen(out);
    snprintf(out + used, n_out - used, "%s%s%s%s", of->name, longer, of->value ? " " : "",
             of->value ? of->value : "");
}

static void option_rows(const option_set *set, const option_group *group, void *defaults)
{
    if (group->title == NULL) /* names of other programs that are accepted, and do nothing */
        return;
    title(group->title);
    for (const option *r = group->rows; r->name; r++) {
        char names[192], value[64], text[640];
        if (r->type == OPTION_ALIAS)
            continue;
        help_option_names(set, r, names, sizeof names);
        option_format(r, option_field(group, r, defaults), value, sizeof value);
        snprintf(text, sizeof text, *value ? "%s (default %s)" : "%s", r->help, value);
        row(names, text);
    }
}

static void usage(const cli_command *command)
{
    printf("Usage: hearth %s", command->name);
    for (size_t i = 0; i < command->n_arguments; i++) {
        const cli_argument *a = &command->arguments[i];
        printf(a->required ? " %s" : " [%s]", a->name);
    }
    printf(" [options]\n\n");
}

hearth_status help_command(const cli_command *command, hearth_error *err)
{
    const option_set set = {command->groups, command->n_groups};
    void *defaults = mem_calloc(1, command->options_size);
    if (defaults == NULL)
        return error_no_memory(err, "options", command->options_size);
    command->init(defaults);
    usage(command);
    wrap(command->description, 0, 0);
    if (command->n_arguments)
        title("Arguments");
    for (size_t i = 0; i < command->n_arguments; i++)
        row(command->arguments[i].name, command->arguments[i].help);
    for (size_t g = 0; g < set.n_groups; g++)
        option_rows(&set, &set.groups[g], defaults);
    if (command->examples) {
        title("Examples");
        fputs(command->examples, stdout);
    }
    mem_free(defaults);
    return HEARTH_OK;
}

void help_program(const cli_command *const *commands, size_t n_commands)
{
    printf("Hearth %s runs language models on this computer.\n\n", hearth_version());
    printf("Usage: hearth COMMAND [arguments] [options]\n");
    title("Commands");
    for (size_t i = 0; i < n_commands; i++)
        row(commands[i]->name, commands[i]->summary);
    row("help [COMMAND]", "this text, or all options of a command (also COMMAND --help)");
    row("version", "the version (also --version)");
    title("Exit codes");
#define X(name, code, meaning) row(#code, meaning);
    CLI_EXIT_MAP(X)
#undef X
    title("Environment");
    row("HEARTH_ISA", "instruction set to use: scalar, avx2, avx512, amx or neon");
    row("NO_COLOR", "no colors, whatever the terminal can do");
    row("XDG_STATE_HOME", "where the history of conversations is kept, instead of "
                          "~/.local/state");
}
