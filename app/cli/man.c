/* SPDX-License-Identifier: MIT
 *
 * man.c - see shell.h: manual pages, in the man macros of groff.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/help.h"
#include "cli/shell.h"

enum { PATH_BYTES = 4096 };

/* Text that roff shows as it is: a line may not begin with one of its commands. */
static void write_text(FILE *out, const char *text)
{
    bool at_start = true;
    for (; *text; text++) {
        if (at_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\n')
            fputs("\n.PP\n", out);
        else
            fputc(*text, out);
        at_start = *text == '\n';
    }
}

static void write_head(FILE *out, const char *page, const char *summary)
{
    fprintf(out, ".TH \"%s\" 1 \"\" \"Hearth %s\" \"Hearth\"\n.SH NAME\n", page, hearth_version());
    write_text(out, page);
    fputs(" \\- ", out);
    write_text(out, summary);
    fputc('\n', out);
}

static void write_row(FILE *out, const option_set *set, const option_group *group,
                      const option *row, void *defaults)
{
    char names[192], value[64];
    if (row->type == OPTION_ALIAS)
        return;
    help_option_names(set, row, names, sizeof names);
    option_format(row, option_field(group, row, defaults), value, sizeof value);
    fputs(".TP\n.B ", out);
    write_text(out, names);
    fputc('\n', out);
    write_text(out, row->help);
    if (*value) {
        fputs(" (default ", out);
        write_text(out, value);
        fputc(')', out);
    }
    fputc('\n', out);
}

static void write_options(FILE *out, const cli_command *command, void *defaults)
{
    const option_set set = {command->groups, command->n_groups};
    for (size_t g = 0; g < set.n_groups; g++) {
        const option_group *group = &set.groups[g];
        if (group->title == NULL)
            continue;
        fprintf(out, ".SS %s\n", group->title);
        for (const option *row = group->rows; row->name; row++)
            write_row(out, &set, group, row, defaults);
    }
}

static void write_examples(FILE *out, const char *lines)
{
    fputs(".SH EXAMPLES\n.nf\n", out);
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)n, lines);
        write_text(out, line);
        fputc('\n', out);
        lines += n + (lines[n] == '\n');
    }
    fputs(".fi\n", out);
}

static void write_command(FILE *out, const cli_command *command, void *defaults)
{
    char page[64];
    snprintf(page, sizeof page, "hearth-%s", command->name);
    write_head(out, page, command->summary);
    fprintf(out, ".SH SYNOPSIS\n.B hearth %s\n", command->name);
    for (size_t i = 0; i < command->n_arguments; i++) {
        const cli_argument *a = &command->arguments[i];
        fprintf(out, a->required ? ".I %s\n" : "[\\fI%s\\fR]\n", a->name);
    }
    fputs("[options]\n.SH DESCRIPTION\n", out);
    write_text(out, command->description);
    fputc('\n', out);
    if (command->n_arguments)
        fputs(".SH ARGUMENTS\n", out);
    for (size_t i = 0; i < command->n_arguments; i++) {
        fprintf(out, ".TP\n.I %s\n", command->arguments[i].name);
        write_text(out, command->arguments[i].help);
        fputc('\n', out);
    }
    fputs(".SH OPTIONS\n", out);
    write_options(out, command, defaults);
    if (command->examples)
        write_examples(out, command->examples);
    fputs(".SH SEE ALSO\n.BR hearth (1)\n", out);
}

static void write_program(FILE *out, const cli_command *const *commands, size_t n)
{
    write_head(out, "hearth", "run language models on this computer");
    fputs(".SH SYNOPSIS\n.B hearth\n.I COMMAND\n[arguments] [options]\n.SH COMMANDS\n", out);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, ".TP\n.BR hearth\\-%s (1)\n", commands[i]->name);
        write_text(out, commands[i]->summary);
        fputc('\n', out);
    }
    fputs(".SH EXIT STATUS\n", out);
#define X(name, code, meaning) fprintf(out, ".TP\n.B %d\n%s\n", code, meaning);
    CLI_EXIT_MAP(X)
#undef X
}

static hearth_status open_page(FILE **out, const char *folder, const char *name, hearth_error *err)
{
    char path[PATH_BYTES];
    if ((size_t)snprintf(path, sizeof path, "%s/%s.1", folder, name) >= sizeof path)
        FAIL(err, EINVAL, "folder", "%.80s...: the path is too long", folder);
    *out = fopen(path, "we");
    if (*out == NULL)
        return error_set_errno(err, HEARTH_EIO, "folder", "%s: cannot be written", path);
    return HEARTH_OK;
}

static hearth_status close_page(FILE *out, const char *name, hearth_error *err)
{
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed)
        return error_set_errno(err, HEARTH_EIO, "folder", "%s.1: cannot be written", name);
    return HEARTH_OK;
}

static hearth_status write_page(const char *folder, const cli_command *command, hearth_error *err)
{
    char name[64];
    FILE *out;
    void *defaults = mem_calloc(1, command->options_size);
    if (defaults == NULL)
        return error_no_memory(err, "options", command->options_size);
    command->init(defaults);
    snprintf(name, sizeof name, "hearth-%s", command->name);
    hearth_status status = open_page(&out, folder, name, err);
    if (status == HEARTH_OK) {
        write_command(out, command, defaults);
        status = close_page(out, name, err);
    }
    mem_free(defaults);
    return status;
}

hearth_status man_write_pages(const char *folder, const cli_command *const *commands, size_t n,
                              hearth_error *err)
{
    FILE *out;
    TRY(open_page(&out, folder, "hearth", err));
    write_program(out, commands, n);
    TRY(close_page(out, "hearth", err));
    for (size_t i = 0; i < n; i++)
        TRY(write_page(folder, commands[i], err));
    return HEARTH_OK;
}
