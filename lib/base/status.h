/* SPDX-License-Identifier: MIT
 *
 * status.h - filling and forwarding hearth_error.
 *
 * The first error wins: a caller that forwards a failure adds nothing to it. FAIL() fills the
 * record and returns; TRY() returns what a callee returned; TRY_OUT() jumps to `out:` with `status`
 * set, for functions that own something.
 */
#ifndef HEARTH_BASE_STATUS_H
#define HEARTH_BASE_STATUS_H

#include <hearth/status.h>

#define TRY(expr)                                                                                  \
    do {                                                                                           \
        hearth_status try_status_ = (expr);                                                        \
        if (try_status_ != HEARTH_OK)                                                              \
            return try_status_;                                                                    \
    } while (0)

#define TRY_OUT(expr)                                                                              \
    do {                                                                                           \
        status = (expr);                                                                           \
        if (status != HEARTH_OK)                                                                   \
            goto out;                                                                              \
    } while (0)

#define FAIL(err, code, where, ...) return error_set((err), HEARTH_##code, (where), __VA_ARGS__)

#define FAIL_OUT(err, code, where, ...)                                                            \
    do {                                                                                           \
        status = error_set((err), HEARTH_##code, (where), __VA_ARGS__);                            \
        goto out;                                                                                  \
    } while (0)

/* Fills err (may be NULL) and returns code. `where` may be NULL. Control characters and invalid
 * UTF-8 that reach the message from hostile input are replaced by '?'. Never allocates. */
hearth_status error_set(hearth_error *err, hearth_status code, const char *where,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));

/* As error_set, and records errno in sys_errno and its text at the end of the message. */
hearth_status error_set_errno(hearth_error *err, hearth_status code, const char *where,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* error_set(ENOMEM) naming what was wanted. */
hearth_status error_no_memory(hearth_error *err, const char *what, unsigned long long bytes);

#endif
