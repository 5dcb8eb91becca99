/* SPDX-License-Identifier: MIT
 *
 * log.h - sending one formatted line to the caller's sink.
 */
#ifndef HEARTH_BASE_LOG_H
#define HEARTH_BASE_LOG_H

#include <hearth/log.h>

/* log may be NULL. Lines are cut at 511 bytes. Never allocates. */
void log_write(const hearth_log *log, hearth_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
