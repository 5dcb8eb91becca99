/* SPDX-License-Identifier: MIT
 *
 * status.c - the texts of the status codes, and error records made safe to print.
 */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const char *hearth_status_name(hearth_status status)
{
    switch (status) {
#define HEARTH_X(name, code, http, text)                                                           \
    case HEARTH_##name:                                                                            \
        return #name;
        HEARTH_STATUS_MAP(HEARTH_X)
#undef HEARTH_X
    }
    return "UNKNOWN";
}

const char *hearth_status_text(hearth_status status)
{
    switch (status) {
#define HEARTH_X(name, code, http, text)                                                           \
    case HEARTH_##name:                                                                            \
        return text;
        HEARTH_STATUS_MAP(HEARTH_X)
#undef HEARTH_X
    }
    return "unknown status";
}

int hearth_status_http(hearth_status status)
{
    switch (status) {
#define HEARTH_X(name, code, http, text)                                                           \
    case HEARTH_##name:                                                                            \
        return http;
        HEARTH_STATUS_MAP(HEARTH_X)
#undef HEARTH_X
    }
    return 500;
}

/* Messages quote names and strings from files: one line, valid UTF-8, whatever was in them. */
static void sanitize(char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t length = utf8_valid_prefix(text + i, n - i);
        if (length == 0 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            text[i++] = '?';
        } else {
            i += length;
        }
    }
}

__attribute__((format(printf, 5, 0))) static void fill(hearth_error *err, hearth_status code,
                                                       int sys_errno, const char *where,
                                                       const char *format, va_list args)
{
    err->code = code;
    err->sys_errno = sys_errno;
    snprintf(err->where, sizeof err->where, "%s", where ? where : "");
    vsnprintf(err->message, sizeof err->message, format, args);
    if (sys_errno != 0) {
        size_t used = strlen(err->message);
        char reason[96];
        /* The GNU strerror_r may return its own static text instead of filling the buffer. */
        const char *text = strerror_r(sys_errno, reason, sizeof reason);
        snprintf(err->message + used, sizeof err->message - used, ": %s", text);
    }
    sanitize(err->where);
    sanitize(err->message);
}

hearth_status error_set(hearth_error *err, hearth_status code, const char *where,
                        const char *format, ...)
{
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, format);
    fill(err, code, 0, where, format, args);
    va_end(args);
    return code;
}

hearth_status error_set_errno(hearth_error *err, hearth_status code, const char *where,
                              const char *format, ...)
{
    int sys_errno = errno;
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, format);
    fill(err, code, sys_errno, where, format, args);
    va_end(args);
    return code;
}

hearth_status error_no_memory(hearth_error *err, const char *what, unsigned long long bytes)
{
    return error_set(
        err, HEARTH_ENOMEM, what,
        "out of memory: %llu bytes for %s; close other programs or use a smaller model", bytes,
        what);
}
