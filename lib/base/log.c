/* SPDX-License-Identifier: MIT
 *
 * log.c - see log.h.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_write(const hearth_log *log, hearth_log_level level, const char *format, ...)
{
    char line[512];
    if (log == NULL || log->fn == NULL || level > log->level)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log->fn(log->user, level, line);
}
