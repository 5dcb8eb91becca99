/* SPDX-License-Identifier: MIT
 *
 * line_log.c - see line_log.h.
 */
#include "runtime/line_log.h"

#include <string.h>

#include "base/mem.h"

void line_log_init(line_log *log)
{
    memset(log, 0, sizeof *log);
}

static void drop_first_line(line_log *log)
{
    char c;
    do {
        c = log->ring[log->first];
        log->first = (log->first + 1) % LINE_LOG_BYTES;
        log->n--;
    } while (c != '\n' && log->n > 0);
    log->n_dropped++;
}

static void put(line_log *log, const char *bytes, size_t n)
{
    size_t at = (log->first + log->n) % LINE_LOG_BYTES;
    size_t whole = LINE_LOG_BYTES - at < n ? LINE_LOG_BYTES - at : n;
    memcpy(log->ring + at, bytes, whole);
    memcpy(log->ring, bytes + whole, n - whole);
    log->n += n;
}

static void end_line(line_log *log, int stream)
{
    const size_t n = log->n_partial[stream];
    while (log->n + n + 1 > LINE_LOG_BYTES)
        drop_first_line(log);
    put(log, log->partial[stream], n);
    put(log, "\n", 1);
    log->n_partial[stream] = 0;
}

void line_log_write(line_log *log, int stream, const char *bytes, size_t n,
                    void (*on_line)(void *user, const char *line), void *user)
{
    char *line = log->partial[stream];
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)bytes[i];
        size_t *length = &log->n_partial[stream];
        if (c == '\n') {
            line[*length] = '\0';
            if (on_line)
                on_line(user, line);
            end_line(log, stream);
        } else if (*length < LINE_LOG_LINE && c != '\r') {
            line[(*length)++] = (c < 32 && c != '\t') || c == 127 ? '?' : (char)c;
        }
    }
}

void line_log_finish(line_log *log)
{
    for (int i = 0; i < LINE_LOG_STREAMS; i++) {
        if (log->n_partial[i] > 0)
            end_line(log, i);
    }
}

char *line_log_tail(const line_log *log, size_t max_lines)
{
    size_t start = log->n;
    for (size_t lines = 0; start > 0; start--) {
        bool ends = log->ring[(log->first + start - 1) % LINE_LOG_BYTES] == '\n';
        if (ends && lines++ == max_lines)
            break;
    }
    char *text = mem_alloc(log->n - start + 1);
    if (text == NULL)
        return NULL;
    for (size_t i = start; i < log->n; i++)
        text[i - start] = log->ring[(log->first + i) % LINE_LOG_BYTES];
    text[log->n - start] = '\0';
    return text;
}
