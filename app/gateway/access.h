/* SPDX-License-Identifier: MIT
 *
 * access.h - what the sender of a request may do: keys, and the scope that each gives.
 *
 * Keys
 *   installation  made at the first start, in a file that its user alone can read. Gives MANAGE.
 *   session       a page's: "hs_", a random number, and its HMAC-SHA256 under the installation's
 *                 key. Nothing has to be kept for it; a new installation key ends all of them.
 *                 Gives MANAGE.
 *   api           those that were configured, for other programs and machines. Give INFER.
 *   token         of one run of the server, in the address that it prints: good for getting a
 *                 session key and for nothing else.
 *
 * A key comes in the request's head or not at all. There are no cookies, so a browser sends nothing
 * by itself, and a page from elsewhere has no rights to borrow. See docs/decisions/gateway.md.
 *
 * Threads  Immutable after access_open. Comparing takes a time that depends on lengths alone.
 */
#ifndef HEARTH_GATEWAY_ACCESS_H
#define HEARTH_GATEWAY_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* In rising order: who has one has all before it. */
typedef enum access_scope { SCOPE_OPEN, SCOPE_INFER, SCOPE_MANAGE } access_scope;

const char *access_scope_name(access_scope scope); /* "open", "infer", "manage" */

enum {
    ACCESS_KEY_BYTES = 96, /* of any key made here, with its NUL */
    ACCESS_SESSION_BYTES = 112
};

typedef struct access_keys {
    char key[ACCESS_KEY_BYTES];   /* the installation's */
    char token[ACCESS_KEY_BYTES]; /* of this run */
    const char *const *api;       /* borrowed */
    size_t n_api;
    bool infer_needs_key;
} access_keys;

/* Reads the installation's key from `path`, or makes it (mode 0600), and draws a token. EINVAL if
 * others can read the file, EFORMAT if it holds no key. */
hearth_status access_open(access_keys *keys, const char *path, hearth_error *err);

/* As above, for programs that ask a server: only reads. ENOTFOUND if there is none. */
hearth_status access_read_key(const char *path, char out[ACCESS_KEY_BYTES], hearth_error *err);

/* prefix and the hexadecimal digits of n random bytes, at most 32. */
hearth_status access_random(const char *prefix, size_t n, char *out, size_t n_out,
                            hearth_error *err);

/* What the head's authorization ("Bearer KEY") or, without it, api_key gives; either may be NULL.
 */
access_scope access_scope_of(const access_keys *keys, const char *authorization,
                             const char *api_key);

/* Makes a session key for who shows the token or the installation's key; false: neither. */
bool access_begin_session(const access_keys *keys, const char *token,
                          char out[ACCESS_SESSION_BYTES]);

#endif
