/* SPDX-License-Identifier: MIT
 *
 * main.c - the hearth program: finds the command, reads its options, runs it, reports.
 *
 * The exit code tells what happened (CLI_EXIT_MAP in cli.h); nothing but the answer goes to
 * standard output, and an answer that did not get through is a failure.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/output.h"

static const cli_command *const commands[] = {
    &cmd_serve,      &cmd_run,    &cmd_chats,    &cmd_list,   &cmd_pull,     &cmd_import,
    &cmd_rm,         &cmd_verify, &cmd_ps,       &cmd_stop,   &cmd_open,     &cmd_backends,
    &cmd_doctor,     &cmd_config, &cmd_show,     &cmd_plan,   &cmd_tokenize, &cmd_eval,
    &cmd_perplexity, &cmd_bench,  &cmd_quantize, &cmd_engine, &cmd_template, &cmd_completions,
};

const cli_command *const *cli_commands(size_t *n)
{
    *n = OPTION_COUNT(commands);
    return commands;
}

/* A descriptor closed by the caller would be given to the next file that is opened, and messages
 * would be written into it. Using the replacements of standard
 * input and output fails, as it should. */
static void occupy_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", fd == 1 ? O_RDONLY : O_WRONLY) != fd)
            return;
    }
}

static const cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT(commands); i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return strcmp(cmd_man.name, name) == 0 ? &cmd_man : NULL;
}

static hearth_status unknown_command(const char *name, hearth_error *err)
{
    nearest near;
    nearest_init(&near, name, strlen(name));
    for (size_t i = 0; i < OPTION_COUNT(commands); i++)
        nearest_offer(&near, commands[i]->name);
    nearest_offer(&near, "help");
    nearest_offer(&near, "version");
    if (near.best)
        FAIL(err, EINVAL, "command", "unknown command '%.64s'; did you mean %s?", name, near.best);
    if (access(name, F_OK) == 0)
        FAIL(err, EINVAL, "command", "unknown command '%.200s'; to run that file: hearth run FILE",
             name);
    FAIL(err, EINVAL, "command", "unknown command '%.64s'; hearth help lists them", name);
}

static bool asks_for_help(int argc, const char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

/* A wrong command line leaves the command in *hint: its help is the way out. */
static hearth_status run_command(const cli_command *command, int argc, const char *const *argv,
                                 const cli_command **hint, hearth_error *err)
{
    const option_set set = {command->groups, command->n_groups};
    option_list arguments = {0};
    void *options = mem_calloc(1, command->options_size);
    if (options == NULL)
        return error_no_memory(err, "options", command->options_size);
    command->init(options);
    hearth_status status = interrupt_install(err);
    if (status == HEARTH_OK)
        status = option_parse(&set, options, argc, argv, &arguments, err);
    if (status == HEARTH_OK)
        status = command->run(options, &arguments, err);
    else if (status == HEARTH_EINVAL)
        *hint = command;
    option_list_deinit(&arguments);
    option_set_deinit(&set, options);
    mem_free(options);
    return status;
}

static hearth_status show_help(const char *topic, hearth_error *err)
{
    const cli_command *command = topic ? find_command(topic) : NULL;
    if (command)
        return help_command(command, err);
    if (topic && strcmp(topic, "help") != 0 && strcmp(topic, "version") != 0)
        return unknown_command(topic, err);
    help_program(commands, OPTION_COUNT(commands));
    return HEARTH_OK;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

static hearth_status dispatch(int argc, const char *const *argv, const cli_command **hint,
                              hearth_error *err)
{
    if (argc < 2 || is_one_of(argv[1], "help", "--help", "-h"))
        return show_help(argc > 2 ? argv[2] : NULL, err);
    if (is_one_of(argv[1], "version", "--version", "-V")) {
        printf("hearth %s\n", hearth_version());
        return HEARTH_OK;
    }
    const cli_command *command = find_command(argv[1]);
    if (command == NULL)
        return unknown_command(argv[1], err);
    if (asks_for_help(argc - 2, argv + 2))
        return help_command(command, err);
    return run_command(command, argc - 2, argv + 2, hint, err);
}

int main(int argc, char **argv)
{
    hearth_error err = {0}, lost = {0};
    occupy_standard_descriptors();
    /* A closed pipe and a file at its size limit are write errors, and reported as such. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    const cli_command *hint = NULL;
    char **arguments;
    hearth_status status = arguments_take(argc, argv, &arguments, &err);
    if (status == HEARTH_OK)
        status = dispatch(argc, (const char *const *)arguments, &hint, &err);
    if (status != HEARTH_OK)
        cli_report(&err);
    if (hint)
        cli_note("'hearth %s --help' tells what can be given.", hint->name);
    if (output_finish(&lost) != HEARTH_OK && status != HEARTH_EIO) {
        cli_report(&lost);
        status = status == HEARTH_OK ? lost.code : status;
    }
    arguments_free(arguments);
    if (status == HEARTH_ECANCELED && interrupt_signal())
        return 128 + interrupt_signal();
    return cli_exit_code(status);
}
