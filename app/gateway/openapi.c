/* SPDX-License-Identifier: MIT
 *
 * openapi.c - GET /hearth/openapi.json: the table of routes as an OpenAPI 3.1 document.
 */
#include <stdio.h>
#include <string.h>

#include <hearth/hearth.h>

#include "gateway/handlers.h"

enum { PATH_BYTES = 128 };

static const char *method_name(unsigned method)
{
    return method == HTTP_GET      ? "get"
           : method == HTTP_POST   ? "post"
           : method == HTTP_PUT    ? "put"
           : method == HTTP_DELETE ? "delete"
                                   : "options";
}

/* "/hearth/chats/" "*" becomes "/hearth/chats/{id}". */
static void write_path(const char *path, char out[PATH_BYTES])
{
    const char *star = strchr(path, '*');
    int n = star ? (int)(star - path) : (int)strlen(path);
    snprintf(out, PATH_BYTES, "%.*s%s%s", n, path, star ? "{id}" : "", star ? star + 1 : "");
}

static json_t *operation(const gateway_route *route)
{
    json_t *op = json_pack("{s:s, s:s, s:[s], s:{s:{s:s}, s:{s:s}}}", "summary", route->summary,
                           "x-hearth-scope", access_scope_name(route->scope), "tags",
                           route->dialect == DIALECT_ENGINE   ? "engine"
                           : route->dialect == DIALECT_OLLAMA ? "ollama"
                                                              : "hearth",
                           "responses", "200", "description", "the answer", "default",
                           "description", "an error");
    if (strchr(route->path, '*'))
        json_object_set_new(op, "parameters",
                            json_pack("[{s:s, s:s, s:b, s:{s:s}}]", "name", "id", "in", "path",
                                      "required", 1, "schema", "type", "string"));
    if (route->scope != SCOPE_OPEN)
        json_object_set_new(op, "security", json_pack("[{s:[]}]", "key"));
    if (route->methods == HTTP_POST || route->methods == HTTP_PUT)
        json_object_set_new(op, "requestBody",
                            json_pack("{s:{s:{s:{s:s}}}}", "content", "application/json", "schema",
                                      "type", "object"));
    return op;
}

hearth_status serve_openapi(gateway_call *c, hearth_error *err)
{
    json_t *paths = json_object();
    char path[PATH_BYTES];
    for (size_t i = 0; i < gateway_n_routes; i++) {
        const gateway_route *route = &gateway_routes[i];
        write_path(route->path, path);
        json_t *item = json_object_get(paths, path);
        if (item == NULL) {
            item = json_object();
            json_object_set_new(paths, path, item);
        }
        json_object_set_new(item, method_name(route->methods), operation(route));
    }
    json_t *root =
        json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s}}}}", "openapi", "3.1.0", "info",
                  "title", "Hearth", "version", hearth_version(), "paths", paths, "components",
                  "securitySchemes", "key", "type", "http", "scheme", "bearer");
    return call_json(c, root, err);
}
