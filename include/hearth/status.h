/* SPDX-License-Identifier: MIT
 *
 * status.h - how every Hearth function reports failure.
 *
 * What     A pinned set of codes and a caller-owned error record.
 * Threads  Everything here is immutable or the caller's own.
 * Rules    Functions that can fail return a hearth_status and take a hearth_error *err last, which
 *          may be NULL. On success err is left untouched. The message is one line, names the
 *          offending value and says what to do about it. What a failed call would have given
 *          (a `T **out`) is NULL then, unless it says otherwise; other results are undefined.
 * Pointers May be NULL only where that is said. Every free, close and unref takes NULL.
 */
#ifndef HEARTH_STATUS_H
#define HEARTH_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HEARTH_API __attribute__((visibility("default")))
#else
#define HEARTH_API
#endif

/* X(name, code, HTTP status, text). Codes are append-only and are never given a second meaning. */
#define HEARTH_STATUS_MAP(X)                                                                       \
    X(OK, 0, 200, "ok")                                                                            \
    X(ENOMEM, -1, 503, "out of memory")                                                            \
    X(EINVAL, -2, 400, "invalid argument")                                                         \
    X(EFORMAT, -3, 422, "malformed data")                                                          \
    X(ENOTFOUND, -4, 404, "not found")                                                             \
    X(EIO, -5, 500, "input or output error")                                                       \
    X(EUNSUPPORTED, -6, 501, "not supported")                                                      \
    X(ECANCELED, -7, 499, "canceled")                                                              \
    X(ECONTEXT, -8, 400, "context length exceeded")                                                \
    X(ENOFIT, -9, 507, "does not fit in memory")                                                   \
    X(EMISMATCH, -10, 409, "belongs to something else")                                            \
    X(EINTERNAL, -11, 500, "internal error")                                                       \
    X(EBUSY, -12, 429, "too many requests")

typedef enum hearth_status {
#define HEARTH_X(name, code, http, text) HEARTH_##name = code,
    HEARTH_STATUS_MAP(HEARTH_X)
#undef HEARTH_X
} hearth_status;

typedef struct hearth_error {
    hearth_status code;
    int sys_errno;     /* errno of the failed system call, or 0 */
    char where[64];    /* the part that failed: a file, a metadata key, an option */
    char message[448]; /* one line, UTF-8, NUL-terminated */
} hearth_error;

/* "ENOMEM", "out of memory", 503. Unknown codes give "UNKNOWN", "unknown status", 500. */
HEARTH_API const char *hearth_status_name(hearth_status status);
HEARTH_API const char *hearth_status_text(hearth_status status);
HEARTH_API int hearth_status_http(hearth_status status);

#ifdef __cplusplus
}
#endif
#endif
