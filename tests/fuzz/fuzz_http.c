/* SPDX-License-Identifier: MIT
 *
 * fuzz_http.c - what decides over a request, with any header and any path: a server that is bound
 * to loopback lets in nothing but loopback names, no origin gets in that names another host, no key
 * but the right one, and a route's rest is a part of the path.
 *
 * Input    four lines: Host, Origin, a key, a path.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "http/guard.h"
#include "http/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void nothing(void *app, const http_request *request, http_reply *reply)
{
    (void)app;
    (void)request;
    (void)reply;
}

static char *take_line(char **text)
{
    char *line = *text;
    size_t n = strcspn(line, "\n");
    *text = line + n + (line[n] == '\n');
    line[n] = '\0';
    return line;
}

static void check_path(const char *path)
{
    static const http_route routes[] = {{HTTP_GET, "/a/*", nothing, 0, NULL},
                                        {HTTP_POST, "/a/*/b", nothing, 0, NULL},
                                        {HTTP_GET, "/a/b", nothing, 0, NULL}};
    for (unsigned method = 1; method <= HTTP_OPTIONS; method *= 2) {
        http_match m = route_find(routes, 3, (http_method)method, path);
        require(m.route == NULL || (m.route->methods & method));
        require(m.n_rest == 0 || (m.rest > path && m.n_rest < strlen(path)));
        require(strncmp(path, "/a/", 3) == 0 || m.methods == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const keys[] = {"right"};
    const guard local = {.bound = "127.0.0.1"};
    const guard keyed = {.bound = "127.0.0.1", .keys = keys, .n_keys = 1};
    char *text = mem_dup((const char *)data, n), *rest = text;
    size_t index;
    if (text == NULL)
        return 0;
    const char *host = take_line(&rest), *origin = take_line(&rest), *key = take_line(&rest);
    bool host_is_local = guard_allows_host(&local, host);
    require(!host_is_local || strcasestr(host, "localhost") || strstr(host, "127.") ||
            strchr(host, ':'));
    require(!guard_allows_origin(&local, origin, host) || strcasestr(origin, "localhost") ||
            strstr(origin, "127.") || strchr(origin, '[') ||
            (*host && strcasecmp(origin + strlen(origin) - strlen(host), host) == 0));
    require(guard_allows_key(&keyed, NULL, key, &index) == (strcmp(key, "right") == 0));
    guard_allows_key(&keyed, key, origin, &index);
    check_path(rest);
    mem_free(text);
    return 0;
}
