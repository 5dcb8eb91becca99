/* SPDX-License-Identifier: MIT
 *
 * line_log.h - the last lines that a program wrote: a ring of bytes that a flood only turns.
 *
 * Two streams (standard output and error) are cut into lines, each with its own unfinished one.
 * Control characters but tabs are replaced; a longer line is cut. One thread at a time.
 */
#ifndef HEARTH_RUNTIME_LINE_LOG_H
#define HEARTH_RUNTIME_LINE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_LOG_BYTES = 64 << 10, LINE_LOG_LINE = 1000, LINE_LOG_STREAMS = 2 };

typedef struct line_log {
    char ring[LINE_LOG_BYTES]; /* lines, each with its newline */
    size_t first, n;
    char partial[LINE_LOG_STREAMS][LINE_LOG_LINE + 1];
    size_t n_partial[LINE_LOG_STREAMS];
    uint64_t n_dropped; /* lines that left the ring */
} line_log;

void line_log_init(line_log *log);
/* Cuts bytes into lines and calls on_line for each whole one, NUL-terminated. */
void line_log_write(line_log *log, int stream, const char *bytes, size_t n,
                    void (*on_line)(void *user, const char *line), void *user);
/* Ends unfinished lines. */
void line_log_finish(line_log *log);
/* The last max_lines lines as text (mem_free); NULL: out of memory. */
char *line_log_tail(const line_log *log, size_t max_lines);

#endif
