/* SPDX-License-Identifier: MIT
 *
 * fetch.h - small HTTP GETs on the actor's loop: health, metrics, lists of models.
 *
 * libcurl's multi interface, driven by libuv: nothing blocks, not even a host that never answers.
 * Answers are bounded in size and time; redirects are not followed; proxies are not asked for
 * loopback. Everything here belongs to the loop's thread.
 */
#ifndef HEARTH_RUNTIME_FETCH_H
#define HEARTH_RUNTIME_FETCH_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/status.h"

typedef struct fetcher fetcher;
typedef struct fetch fetch;

hearth_status fetcher_new(fetcher **out, uv_loop_t *loop, hearth_error *err);
/* Cancels what runs, without calling back, and closes its handles on the loop, which has to run
 * once more afterwards: then it is freed. */
void fetcher_close(fetcher *f);

/* status 0: no answer (or a larger one than is taken), and `body` says why. body is NUL-terminated
 * and borrowed for the call. */
typedef void fetch_done(void *user, long status, const char *body, size_t n);

/* key: NULL or "" for none. *out is valid until done is called; NULL if it cannot be begun (then
 * done is not called). */
hearth_status fetch_start(fetcher *f, const char *url, const char *key, uint32_t timeout_ms,
                          size_t max_bytes, fetch_done *done, void *user, fetch **out,
                          hearth_error *err);
/* done will not be called. NULL is fine. */
void fetch_cancel(fetch *q);

#endif
