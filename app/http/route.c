/* SPDX-License-Identifier: MIT
 *
 * route.c - see route.h.
 */
#include "http/route.h"

#include <string.h>

/* Whether pattern stands for path; *rest is what its star stood for. */
static bool matches(const char *pattern, const char *path, const char **rest, size_t *n_rest)
{
    const char *star = strchr(pattern, '*');
    size_t n_path = strlen(path);
    *rest = path + n_path;
    *n_rest = 0;
    if (star == NULL)
        return strcmp(pattern, path) == 0;
    size_t n_head = (size_t)(star - pattern);
    size_t n_tail = strlen(star + 1);
    if (n_path <= n_head + n_tail || memcmp(path, pattern, n_head) != 0 ||
        memcmp(path + n_path - n_tail, star + 1, n_tail) != 0)
        return false;
    *rest = path + n_head;
    *n_rest = n_path - n_head - n_tail;
    return n_tail == 0 || memchr(*rest, '/', *n_rest) == NULL;
}

http_match route_find(const http_route *routes, size_t n_routes, http_method method,
                      const char *path)
{
    http_match found = {.rest = ""};
    for (size_t i = 0; i < n_routes; i++) {
        const char *rest;
        size_t n_rest;
        if (!matches(routes[i].path, path, &rest, &n_rest))
            continue;
        found.methods |= routes[i].methods;
        bool better = found.route == NULL || (found.n_rest > 0 && n_rest == 0);
        if ((routes[i].methods & (unsigned)method) && better) {
            found.route = &routes[i];
            found.rest = rest;
            found.n_rest = n_rest;
        }
    }
    return found;
}

void route_allow(unsigned methods, char *out)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{HTTP_GET, "GET, HEAD, "},
                 {HTTP_POST, "POST, "},
                 {HTTP_DELETE, "DELETE, "},
                 {HTTP_PUT, "PUT, "},
                 {0, "OPTIONS"}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].bit != 0 && !(methods & names[i].bit))
            continue;
        size_t n_name = strlen(names[i].name);
        memcpy(out + n, names[i].name, n_name);
        n += n_name;
    }
    out[n] = '\0';
}
