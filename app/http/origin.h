/* SPDX-License-Identifier: MIT
 *
 * origin.h - where a URL leads: its origin, the kind of an address, and the way there.
 *
 * Everything here is pure but origin_proxy(), which reads the environment.
 */
#ifndef HEARTH_HTTP_ORIGIN_H
#define HEARTH_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/status.h"

enum { ORIGIN_URL_MAX = 8192, ORIGIN_HOST_MAX = 256 };

/* What credentials are bound to (RFC 6454). */
typedef struct origin {
    bool tls;
    char host[ORIGIN_HOST_MAX]; /* in small letters; an IPv6 address without its brackets */
    uint16_t port;
} origin;

/* EINVAL, naming the URL without its query, unless it is an absolute http or https URL without a
 * user name. */
hearth_status origin_parse(origin *out, const char *url, hearth_error *err);
bool origin_same(const origin *a, const origin *b);

/* location resolved against base, as a browser does. *out is the caller's: mem_free. */
hearth_status origin_resolve(char **out, const char *base, const char *location, hearth_error *err);

/* Whether an address is not a public one: loopback, private, shared, link-local, multicast,
 * documentation, reserved (the IANA special-purpose registries), or one that wraps such an IPv4
 * address. */
bool origin_address_is_special(const struct sockaddr *address);
/* The same of a literal address, as text; false for a name, but for localhost and below. */
bool origin_host_is_special(const char *host);

/* The proxy to reach `to` by, from the environment; NULL: none. Borrowed from the environment. */
const char *origin_proxy(const origin *to);
/* Whether host is in a no_proxy list: names with all below them, literal addresses, *. */
bool origin_is_excepted(const char *list, const char *host);

#endif
