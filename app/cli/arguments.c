/* SPDX-License-Identifier: MIT
 *
 * arguments.c - see arguments.h.
 */
#include "cli/arguments.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

/* The value that an argument of a secret's option brings with it ("--api-key=V"), "" if it is the
 * next argument, NULL if it is no such option. */
static char *secret_in(char *argument)
{
    static const char *const options[] = {"--api-key", "--hf-token", "-hft"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t n = strlen(options[i]);
        if (strncmp(argument, options[i], n) != 0)
            continue;
        if (argument[n] == '=' || argument[n] == '\0')
            return argument + n + (argument[n] == '=');
    }
    return NULL;
}

static void write_over(int argc, char **argv)
{
    bool next = false;
    for (int i = 1; i < argc; i++) {
        char *secret = next ? argv[i] : secret_in(argv[i]);
        next = secret && *secret == '\0' && !next;
        if (secret)
            memset(secret, '*', strlen(secret));
    }
}

hearth_status arguments_take(int argc, char **argv, char ***out, hearth_error *err)
{
    char **copy = mem_calloc((size_t)argc + 1, sizeof *copy);
    *out = copy;
    for (int i = 0; copy && i < argc; i++) {
        copy[i] = mem_dup(argv[i], strlen(argv[i]));
        if (copy[i] == NULL) {
            arguments_free(copy);
            *out = copy = NULL;
        }
    }
    if (copy == NULL)
        return error_no_memory(err, "the command line", (size_t)argc * sizeof *copy);
    write_over(argc, argv);
    return HEARTH_OK;
}

void arguments_free(char **arguments)
{
    for (char **at = arguments; at && *at; at++)
        mem_free(*at);
    mem_free(arguments);
}
