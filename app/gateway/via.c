/* SPDX-License-Identifier: MIT
 *
 * via.c - see via.h.
 */
#include "gateway/via.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/access.h"
#include "http/guard.h"

enum { HOST_BYTES = 256, LIST_MOST = VIA_LINE_BYTES - VIA_ID_BYTES - (int)sizeof VIA_HEADER - 4 };

hearth_status via_new_id(char out[VIA_ID_BYTES], hearth_error *err)
{
    return access_random("", 8, out, VIA_ID_BYTES, err);
}

const char *via_line(const char *id, const char *via, char out[VIA_LINE_BYTES])
{
    if (via && *via)
        snprintf(out, VIA_LINE_BYTES, "%s: %.*s,%s", VIA_HEADER, (int)LIST_MOST, via, id);
    else
        snprintf(out, VIA_LINE_BYTES, "%s: %s", VIA_HEADER, id);
    return out;
}

bool via_is_loop(const char *id, const char *via)
{
    return via && (strlen(via) > LIST_MOST || (*id && strstr(via, id) != NULL));
}

/* ---- addresses ---- */

typedef struct place {
    char host[HOST_BYTES]; /* without brackets */
    unsigned long port;
} place;

static bool read_place(const char *url, place *out)
{
    bool secure = strncasecmp(url, "https://", 8) == 0;
    if (!secure && strncasecmp(url, "http://", 7) != 0)
        return false;
    const char *host = url + (secure ? 8 : 7);
    bool bracket = *host == '[';
    host += bracket;
    size_t n = strcspn(host, bracket ? "]/?#" : ":/?#");
    const char *rest = host + n + (bracket && host[n] == ']');
    if (n == 0 || n >= sizeof out->host)
        return false;
    memcpy(out->host, host, n);
    out->host[n] = '\0';
    out->port = *rest == ':' ? strtoul(rest + 1, NULL, 10) : secure ? 443 : 80;
    return true;
}

static bool is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool is_here(const char *host)
{
    return is_any(host) || guard_is_loopback(host, strlen(host));
}

bool via_is_own_address(const char *url, const char *bound, uint16_t port)
{
    place at;
    if (port == 0 || !read_place(url, &at) || at.port != port)
        return false;
    return strcasecmp(at.host, bound) == 0 || (is_here(at.host) && is_here(bound));
}
