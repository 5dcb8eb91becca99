/* SPDX-License-Identifier: MIT
 *
 * guard.c - see guard.h.
 */
#include "http/guard.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* ---- hosts ---- */

typedef struct span {
    const char *at;
    size_t n;
} span;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The host of "host", "host:port", "[v6]" or "[v6]:port", brackets kept. n 0 if it is none of them.
 */
static span host_of(const char *authority)
{
    const span none = {authority, 0};
    size_t n = strcspn(authority, authority[0] == '[' ? "]" : ":");
    if (authority[0] == '[') {
        if (authority[n] != ']')
            return none;
        n++;
    }
    const char *port = authority + n;
    if (*port == ':') {
        do
            port++;
        while (is_digit(*port));
    }
    return *port == '\0' ? (span){authority, n} : none;
}

static bool same(span s, const char *text)
{
    return strlen(text) == s.n && strncasecmp(s.at, text, s.n) == 0;
}

/* Reads a literal address into 16 bytes, IPv4 as the mapped form. */
static bool read_address(span s, unsigned char out[16])
{
    char text[INET6_ADDRSTRLEN];
    if (s.n >= 2 && s.at[0] == '[' && s.at[s.n - 1] == ']')
        s = (span){s.at + 1, s.n - 2};
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.at, s.n);
    text[s.n] = '\0';
    memset(out, 0, 10);
    memset(out + 10, 0xff, 2);
    return inet_pton(AF_INET, text, out + 12) == 1 || inet_pton(AF_INET6, text, out) == 1;
}

bool guard_is_loopback(const char *host, size_t n)
{
    static const unsigned char v6[16] = {[15] = 1};
    static const unsigned char mapped[13] = {[10] = 0xff, 0xff, 127};
    static const char below[] = ".localhost";
    const size_t n_below = sizeof below - 1;
    unsigned char address[16];
    if (read_address((span){host, n}, address))
        return memcmp(address, v6, 16) == 0 || memcmp(address, mapped, 13) == 0;
    return same((span){host, n}, "localhost") ||
           (n > n_below && same((span){host + n - n_below, n_below}, below));
}

bool guard_allows_host(const guard *g, const char *host)
{
    unsigned char address[16];
    if (host == NULL || g->bound == NULL || g->n_keys > 0)
        return true;
    span name = host_of(host);
    if (name.n == 0)
        return false;
    if (guard_is_loopback(name.at, name.n) || same(name, g->bound))
        return true;
    for (size_t i = 0; i < g->n_hosts; i++) {
        if (same(name, g->hosts[i]) || strcmp(g->hosts[i], "*") == 0)
            return true;
    }
    return !guard_is_loopback(g->bound, strlen(g->bound)) && read_address(name, address);
}

/* ---- origins ---- */

bool guard_allows_origin(const guard *g, const char *origin, const char *host)
{
    if (origin == NULL)
        return true;
    for (size_t i = 0; i < g->n_origins; i++) {
        if (strcmp(g->origins[i], "*") == 0 || strcasecmp(g->origins[i], origin) == 0)
            return true;
    }
    const char *authority = NULL;
    if (strncasecmp(origin, "http://", 7) == 0)
        authority = origin + 7;
    else if (strncasecmp(origin, "https://", 8) == 0)
        authority = origin + 8;
    if (authority == NULL)
        return false;
    span name = host_of(authority);
    if (name.n == 0)
        return false;
    return guard_is_loopback(name.at, name.n) || (host && strcasecmp(authority, host) == 0);
}

/* ---- keys ---- */

/* How long it takes tells the length of the key that was given, and nothing of the right one. */
static bool same_key(const char *key, const char *given, size_t n_given)
{
    size_t n_key = strlen(key);
    unsigned difference = n_key != n_given;
    for (size_t i = 0; i < n_given; i++)
        difference |= (unsigned char)given[i] ^ (unsigned char)key[n_key ? i % n_key : 0];
    return difference == 0;
}

bool guard_allows_key(const guard *g, const char *authorization, const char *api_key, size_t *index)
{
    const char *given = api_key;
    bool found = false;
    *index = g->n_keys;
    if (g->n_keys == 0)
        return true;
    if (authorization && strncasecmp(authorization, "Bearer ", 7) == 0)
        given = authorization + 7 + strspn(authorization + 7, " ");
    if (given == NULL)
        return false;
    size_t n_given = strlen(given);
    for (size_t i = 0; i < g->n_keys; i++) {
        if (same_key(g->keys[i], given, n_given)) {
            *index = i;
            found = true;
        }
    }
    return found;
}
