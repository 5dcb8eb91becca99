/* SPDX-License-Identifier: MIT
 *
 * origin.c - see origin.h. URLs are taken apart by libcurl's own parser, so that what is looked at
 * here is what is connected to there; it also writes every spelling of a number as an IPv4 address.
 */
#include "http/origin.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/mem.h"
#include "http/guard.h"

/* ---- URLs ---- */

static hearth_status bad_url(const char *url, const char *why, hearth_error *err)
{
    FAIL(err, EINVAL, "url", "'%.*s' is not a URL that can be used: %s", (int)strcspn(url, "?#"),
         url, why);
}

static hearth_status read_parts(origin *out, CURLU *parts, const char *url, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
    CURLUcode code = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_HOST, &host, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (code != CURLUE_OK) {
        status = bad_url(url, curl_url_strerror(code), err);
        goto out;
    }
    if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        status = bad_url(url, "it holds a user name; give credentials apart from it", err);
        goto out;
    }
    out->tls = strcmp(scheme, "https") == 0;
    if (!out->tls && strcmp(scheme, "http") != 0) {
        status = bad_url(url, "only http:// and https:// can be", err);
        goto out;
    }
    size_t n = strlen(host);
    bool bracketed = n > 2 && host[0] == '[' && host[n - 1] == ']';
    snprintf(out->host, sizeof out->host, "%.*s", (int)(bracketed ? n - 2 : n), host + bracketed);
    if (n >= sizeof out->host || n == 0)
        status = bad_url(url, "the host's name is empty or too long", err);
    for (char *c = out->host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    n = strlen(out->host);
    if (n > 1 && out->host[n - 1] == '.')
        out->host[n - 1] = '\0';
    out->port = (uint16_t)strtoul(port, NULL, 10);
out:
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    return status;
}

hearth_status origin_parse(origin *out, const char *url, hearth_error *err)
{
    if (strlen(url) >= ORIGIN_URL_MAX)
        FAIL(err, EINVAL, "url", "a URL of %zu bytes is too long; %d is the most", strlen(url),
             ORIGIN_URL_MAX - 1);
    CURLU *parts = curl_url();
    if (parts == NULL)
        return error_no_memory(err, "a URL", strlen(url));
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, 0);
    hearth_status status = code == CURLUE_OK ? read_parts(out, parts, url, err)
                                             : bad_url(url, curl_url_strerror(code), err);
    curl_url_cleanup(parts);
    return status;
}

bool origin_same(const origin *a, const origin *b)
{
    return a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0;
}

hearth_status origin_resolve(char **out, const char *base, const char *location, hearth_error *err)
{
    char *whole = NULL;
    if (strlen(location) >= ORIGIN_URL_MAX)
        FAIL(err, EINVAL, "location", "a redirect to a URL of %zu bytes is not followed",
             strlen(location));
    CURLU *parts = curl_url();
    if (parts == NULL)
        return error_no_memory(err, "a URL", strlen(base));
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, base, 0);
    if (code == CURLUE_OK)
        code = curl_url_set(parts, CURLUPART_URL, location, CURLU_URLENCODE);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_URL, &whole, 0);
    hearth_status status =
        code == CURLUE_OK ? HEARTH_OK : bad_url(location, curl_url_strerror(code), err);
    if (status == HEARTH_OK && (*out = mem_dup(whole, strlen(whole))) == NULL)
        status = error_no_memory(err, "a URL", strlen(whole));
    curl_free(whole);
    curl_url_cleanup(parts);
    return status;
}

/* ---- addresses ---- */

static bool ipv4_is_special(uint32_t a)
{
    static const struct {
        uint32_t prefix;
        int bits;
    } ranges[] = {
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
        {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if ((a ^ ranges[i].prefix) >> (32 - ranges[i].bits) == 0)
            return true;
    }
    return false;
}

static uint32_t ipv4_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Of IPv6 only 2000::/3 is given out to the public; 6to4, Teredo and documentation are in it. */
static bool ipv6_is_special(const uint8_t *b)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    if (memcmp(b, mapped, sizeof mapped) == 0 || memcmp(b, nat64, sizeof nat64) == 0)
        return ipv4_is_special(ipv4_at(b + 12));
    if ((b[0] & 0xe0) != 0x20)
        return true;
    if (b[0] == 0x20 && b[1] == 0x02)
        return ipv4_is_special(ipv4_at(b + 2));
    return b[0] == 0x20 && b[1] == 0x01 && ((b[2] & 0xfe) == 0 || (b[2] == 0x0d && b[3] == 0xb8));
}

bool origin_address_is_special(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return ipv4_is_special(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        return ipv6_is_special(in.sin6_addr.s6_addr);
    }
    return true;
}

bool origin_host_is_special(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    char bare[ORIGIN_HOST_MAX];
    if (guard_is_loopback(host, strlen(host)))
        return true;
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(host, "%"), host); /* without a zone */
    if (inet_pton(AF_INET, bare, &four) == 1)
        return ipv4_is_special(ntohl(four.s_addr));
    return inet_pton(AF_INET6, bare, &six) == 1 && ipv6_is_special(six.s6_addr);
}

/* ---- proxies ---- */

static bool item_covers(const char *item, size_t n, const char *host)
{
    size_t n_host = strlen(host);
    if (n == 1 && *item == '*')
        return true;
    if (n > 2 && item[0] == '*' && item[1] == '.') {
        item += 2;
        n -= 2;
    } else if (n > 1 && item[0] == '.') {
        item++;
        n--;
    } else if (n > 2 && item[0] == '[' && item[n - 1] == ']') {
        item++;
        n -= 2;
    }
    return n > 0 && n <= n_host && strncasecmp(host + n_host - n, item, n) == 0 &&
           (n == n_host || host[n_host - n - 1] == '.');
}

bool origin_is_excepted(const char *list, const char *host)
{
    while (*list) {
        size_t n = strcspn(list, ", \t");
        if (n > 0 && item_covers(list, n, host))
            return true;
        list += n;
        list += strspn(list, ", \t");
    }
    return false;
}

static const char *variable(const char *small, const char *capital)
{
    const char *value = getenv(small);
    if ((value == NULL || *value == '\0') && capital)
        value = getenv(capital);
    return value && *value ? value : NULL;
}

/* HTTP_PROXY in capitals is what a web server makes of a client's header "Proxy:". */
const char *origin_proxy(const origin *to)
{
    const char *except = variable("no_proxy", "NO_PROXY");
    const char *proxy =
        to->tls ? variable("https_proxy", "HTTPS_PROXY") : variable("http_proxy", NULL);
    if (proxy == NULL)
        proxy = variable("all_proxy", "ALL_PROXY");
    if (proxy == NULL || guard_is_loopback(to->host, strlen(to->host)) ||
        (except && origin_is_excepted(except, to->host)))
        return NULL;
    return proxy;
}
