/* SPDX-License-Identifier: MIT
 *
 * process.h - child processes that never outlive their parent.
 *
 * The kernel kills a child with SIGKILL when the thread that started it ends, however that comes
 * about (PR_SET_PDEATHSIG), so process_start is called on a thread that lives as long as its
 * children: the actor's. A child has a process group of its own (Ctrl-C in a terminal is for the
 * parent), no descriptors but its three, default signals, and is the kernel's first choice when
 * memory runs out. It is watched and signalled through a pidfd, so a number that was given to
 * another process is never hit.
 */
#ifndef HEARTH_RUNTIME_PROCESS_H
#define HEARTH_RUNTIME_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/log.h>

#include "base/buf.h"
#include "base/status.h"

/* Arguments or environment of a program: NULL-terminated, strings owned. A failed add is
 * remembered, so that one look at the end does. */
typedef struct word_list {
    char **items; /* NULL while empty */
    size_t n;
    bool failed;
} word_list;

void word_list_add(word_list *list, const char *word);
void word_list_add_format(word_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void word_list_deinit(word_list *list);
/* The environment of this process without the variables that begin with `without`. */
void word_list_add_environment(word_list *list, const char *without);

typedef struct process {
    int pid;
    int pidfd;  /* readable when it has ended */
    int out_fd; /* the reading ends of its standard output and error; nonblocking */
    int err_fd;
} process;

/* ENOTFOUND if there is no such program, EIO for what the system says otherwise. argv[0] is a path.
 */
hearth_status process_start(process *p, const word_list *argv, const word_list *environment,
                            hearth_error *err);
/* To the process, or to all of its group. */
void process_signal(const process *p, int signal_number, bool group);
/* Whether it has ended; then *status is as waitpid has it, and the pid is given back. Once. */
bool process_reap(const process *p, int *status);
/* Closes the descriptors; those that are -1 were closed or given away before. */
void process_close(process *p);

/* "exit code 3", "signal 11 (Segmentation fault)". */
void process_status_text(int status, char *out, size_t n);

typedef struct process_limits {
    uint32_t timeout_ms;          /* then it is killed: EIO */
    size_t max;                   /* bytes of what it writes; the rest is dropped */
    const hearth_progress *watch; /* NULL, or asked some times a second, with 0 of 0: false kills it
                                     (ECANCELED) */
} process_limits;

/* Runs a program to its end, within the limits, and gathers what it writes on both outputs. Any
 * thread; blocks. *status as process_reap. */
hearth_status process_capture(const word_list *argv, const word_list *environment,
                              const process_limits *limits, buf *out, int *status,
                              hearth_error *err);

/* The path of a program that is looked for in PATH; false: none there. */
bool process_find_program(const char *name, char *out, size_t n);

#endif
