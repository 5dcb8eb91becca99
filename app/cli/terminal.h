/* SPDX-License-Identifier: MIT
 *
 * terminal.h - what a terminal can show: colors, width, a progress bar, text that cannot harm it.
 *
 * Color is used where the stream is a terminal, TERM is not "dumb" and NO_COLOR is unset or empty
 * (https://no-color.org). The progress bar lives on standard error, only if that is a terminal, and
 * appears once a second has passed. One bar at a time; messages on standard error go through
 * terminal_clear_progress() first. Not thread-safe.
 */
#ifndef HEARTH_CLI_TERMINAL_H
#define HEARTH_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <hearth/log.h>

bool terminal_is_tty(FILE *stream);
bool terminal_has_color(FILE *stream);

/* Columns to write in: the terminal's, within 40 to 100; 80 where there is none. */
int terminal_width(FILE *stream);

/* Writes text; control characters other than newline and tab become U+FFFD, so that neither a file
 * nor a model can move the cursor, retitle the window or hide what follows. */
void terminal_write_safe(FILE *stream, const char *text, size_t n);

typedef struct progress_bar {
    const char *label;
    uint64_t started_ns;
    uint64_t drawn_ns;
    bool enabled;
} progress_bar;

void progress_start(progress_bar *bar, const char *label);
/* As hearth_progress.fn with a progress_bar as user: false once the user asked to stop. */
bool progress_update(void *bar, uint64_t done, uint64_t total);
void progress_end(progress_bar *bar);
hearth_progress progress_callback(progress_bar *bar);

/* Takes a bar that is being shown off the screen; it comes back with its next update. */
void terminal_clear_progress(void);

#endif
