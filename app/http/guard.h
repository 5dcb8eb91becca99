/* SPDX-License-Identifier: MIT
 *
 * guard.h - who may talk to the server: Host, Origin and API keys.
 *
 * A web page can make its visitor's browser send requests to this machine. Two things give such a
 * request away. Its Origin is the page's, which JavaScript cannot change. And if the page has
 * pointed its own name at 127.0.0.1 (DNS rebinding), the Host is that name: a request for
 * "localhost" or a literal address was never resolved by anybody else's name server. So:
 *
 *   Host    absent (HTTP/1.0), a loopback name or address, a name that was allowed, or, where the
 *           server is bound to more than loopback, the host it was bound to and any literal
 *           address. Not asked for where a key protects, nor on a Unix socket.
 *   Origin  absent, the server itself, a loopback origin, or one that was allowed. Any other one is
 *           refused what changes state, and gets no CORS headers, so its page reads nothing.
 *   Key     compared in a time that depends on lengths alone.
 *
 * Everything here is pure: no sockets, no globals.
 */
#ifndef HEARTH_HTTP_GUARD_H
#define HEARTH_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>

typedef struct guard {
    const char *bound; /* the host that was asked for, "0.0.0.0"; NULL: a Unix socket */
    const char *const *keys;
    size_t n_keys;
    const char *const *hosts; /* allowed beside the rules above; "*" for any */
    size_t n_hosts;
    const char *const *origins; /* "https://app.example", or "*" for any */
    size_t n_origins;
} guard;

/* "localhost", names below it, 127.0.0.0/8 and ::1, with or without brackets. */
bool guard_is_loopback(const char *host, size_t n);

/* host is the value of the header Host, or NULL. */
bool guard_allows_host(const guard *g, const char *host);

/* origin is the value of Origin, or NULL; host as above. */
bool guard_allows_origin(const guard *g, const char *origin, const char *host);

/* Whether a key is needed, and if so whether the right one came: authorization ("Bearer KEY") comes
 * before api_key; either may be NULL. *index is the key's number, or n_keys where none is needed.
 */
bool guard_allows_key(const guard *g, const char *authorization, const char *api_key,
                      size_t *index);

#endif
