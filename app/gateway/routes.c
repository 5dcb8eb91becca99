/* SPDX-License-Identifier: MIT
 *
 * routes.c - the table of routes, who may use them, and the way into and out of every handler.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/handlers.h"
#include "gateway/via.h"
#include "library/describe.h"

const gateway_route gateway_routes[] = {
#define HEARTH(method, path, scope, handler, summary)                                              \
    {HTTP_##method, path, SCOPE_##scope, DIALECT_HEARTH, API_OTHER, handler, summary},
#define OLLAMA(method, path, scope, handler, summary)                                              \
    {HTTP_##method, path, SCOPE_##scope, DIALECT_OLLAMA, API_OTHER, handler, summary},
#define ENGINE(method, path, api, handler, summary)                                                \
    {HTTP_##method, path, SCOPE_INFER, DIALECT_ENGINE, api, handler, summary},
#include "gateway/routes.def"
};
const size_t gateway_n_routes = sizeof gateway_routes / sizeof *gateway_routes;

/* ---- failures ---- */

static const struct {
    int http;
    const char *code;
} http_codes[] = {
    {400, "invalid_request"},    {401, "unauthorized"},
    {403, "forbidden"},          {404, "not_found"},
    {405, "method_not_allowed"}, {409, "conflict"},
    {413, "too_large"},          {415, "unsupported_media_type"},
    {422, "bad_data"},           {429, "busy"},
    {499, "canceled"},           {501, "not_supported"},
    {502, "unreachable"},        {503, "unavailable"},
    {507, "does_not_fit"},       {508, "loop"},
};

static const char *code_of(int http, hearth_status status)
{
    for (size_t i = 0; i < sizeof http_codes / sizeof *http_codes; i++) {
        if (http_codes[i].http == http)
            return http_codes[i].code;
    }
    return status == HEARTH_EIO ? "io_error" : "internal_error";
}

/* Failures of engines that are nobody's bad request: the gateway's 502 and 503. */
static int http_of(const hearth_error *error, const runtime_failure *failure,
                   const failure_detail *detail)
{
    if (detail && detail->http)
        return detail->http;
    switch (failure ? failure->code : RUNTIME_NONE) {
    case RUNTIME_START_FAILED:
    case RUNTIME_START_TIMEOUT:
    case RUNTIME_CRASHED:
    case RUNTIME_UNREACHABLE:
        return 502;
    case RUNTIME_NO_ENGINE:
        return 501;
    case RUNTIME_DEADLINE:
    case RUNTIME_CANCELED: /* its load was ended by somebody else; the client is still there */
        return 503;
    default:
        return hearth_status_http(error->code);
    }
}

json_t *gateway_failure_json(const hearth_error *error, const runtime_failure *failure)
{
    bool of_runtime = failure && failure->code != RUNTIME_NONE && failure->code != RUNTIME_OTHER;
    int http = http_of(error, failure, NULL);
    json_t *json =
        json_pack("{s:s, s:s, s:o}", "code",
                  of_runtime ? runtime_failure_text(failure->code) : code_of(http, error->code),
                  "message", error->message, "where", describe_text(error->where));
    if (failure && failure->log)
        json_object_set_new(json, "log", describe_text(failure->log));
    return json;
}

static int write_hearth(const hearth_error *error, const runtime_failure *failure, int http,
                        buf *out)
{
    json_t *inner = gateway_failure_json(error, failure);
    if (failure == NULL || failure->code == RUNTIME_NONE)
        json_object_set_new(inner, "code", json_string(code_of(http, error->code)));
    json_t *root = json_pack("{s:o}", "error", inner);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    buf_append_text(out, text ? text : "{\"error\":{\"code\":\"unavailable\"}}");
    free(text);
    json_decref(root);
    return http;
}

int gateway_write_failure(const gateway_route *route, const hearth_error *error,
                          const runtime_failure *failure, const failure_detail *detail, buf *out)
{
    failure_detail all = detail ? *detail : (failure_detail){0};
    all.http = http_of(error, failure, detail);
    if (route && route->dialect == DIALECT_ENGINE)
        return failure_write(route->api, error, &all, out);
    if (route == NULL || route->dialect == DIALECT_HEARTH)
        return write_hearth(error, failure, all.http, out);
    json_t *root = json_pack("{s:s}", "error", error->message);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    buf_append_text(out, text ? text : "{\"error\":\"out of memory\"}");
    free(text);
    json_decref(root);
    return all.http;
}

/* The row whose dialect fits a path, also one that is not there. */
static const gateway_route *route_like(const char *path)
{
    http_route row;
    for (size_t i = 0; i < gateway_n_routes; i++) {
        row = (http_route){.methods = gateway_routes[i].methods, .path = gateway_routes[i].path};
        if (route_find(&row, 1, 0, path).methods != 0)
            return &gateway_routes[i];
    }
    static const gateway_route openai = {.dialect = DIALECT_ENGINE, .api = API_OPENAI_MODELS};
    static const gateway_route ollama = {.dialect = DIALECT_OLLAMA};
    if (strncmp(path, "/v1/", 4) == 0)
        return &openai;
    return strncmp(path, "/api/", 5) == 0 ? &ollama : NULL;
}

void gateway_refuse(void *app, const char *path, int status, const char *message, http_reply *out)
{
    hearth_error error = {.code = HEARTH_EINVAL};
    const failure_detail detail = {.http = status};
    (void)app;
    snprintf(error.message, sizeof error.message, "%s", message);
    gateway_write_failure(route_like(path), &error, NULL, &detail, &out->body);
}

/* ---- who may ---- */

static bool says_json(const http_request *q)
{
    const char *type = http_request_header(q, "Content-Type");
    return type && strncasecmp(type, "application/json", 16) == 0 &&
           (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
}

/* A page from elsewhere that shows no Origin that is let in: browsers say so by themselves, and
 * no page can make them not to. Even a GET of it may load a model, and throw out another. */
static bool is_foreign_page(const gateway *g, const http_request *q)
{
    const gateway_options *o = &g->config->values.options;
    const guard rules = {.origins = o->origins.items, .n_origins = o->origins.n};
    const char *site = http_request_header(q, "Sec-Fetch-Site");
    const char *origin = http_request_header(q, "Origin");
    return site && strcmp(site, "cross-site") == 0 &&
           (origin == NULL || !guard_allows_origin(&rules, origin, http_request_header(q, "Host")));
}

int gateway_admit(void *app, const http_request *q, char *message, size_t n_message)
{
    const gateway *g = app;
    const gateway_route *route = q->tag;
    if (via_is_loop(g->id, http_request_header(q, VIA_HEADER))) {
        snprintf(message, n_message,
                 "this request came back to the server that sent it on: the address of a remote "
                 "model (GET /hearth/remotes lists them) leads here");
        return 508;
    }
    if (route->scope == SCOPE_OPEN)
        return 0;
    const access_scope given = access_scope_of(&g->access, http_request_header(q, "Authorization"),
                                               http_request_header(q, "X-Api-Key"));
    access_scope scope = given == SCOPE_OPEN && !g->access.infer_needs_key ? SCOPE_INFER : given;
    if (scope < route->scope) {
        snprintf(message, n_message, "%s",
                 route->scope == SCOPE_INFER
                     ? "this server wants an API key: Authorization: Bearer KEY"
                 : given == SCOPE_INFER
                     ? "this key may not manage the server; the installation's key may"
                     : "this needs the installation's key; 'hearth open' opens the page with it");
        return given == SCOPE_INFER ? 403 : 401;
    }
    if (given == SCOPE_OPEN && is_foreign_page(g, q)) {
        snprintf(message, n_message,
                 "a page from elsewhere may not use this server; allow its "
                 "origin with --cors-origin");
        return 403;
    }
    const char *length = http_request_header(q, "Content-Length");
    bool has_body =
        (length && strcmp(length, "0") != 0) || http_request_header(q, "Transfer-Encoding");
    if (route->scope == SCOPE_MANAGE && has_body && !says_json(q)) {
        snprintf(message, n_message, "send JSON, as Content-Type: application/json");
        return 415;
    }
    return 0;
}

/* ---- the handler of all routes ---- */

static void write_failure(gateway_call *c, const hearth_error *error)
{
    http_reply *out = c->reply;
    buf_clear(&out->body);
    out->content_type = HTTP_JSON;
    out->status = gateway_write_failure(c->route, error, &c->failure, &c->detail, &out->body);
    if (out->status == 429 || out->status == 503)
        http_reply_header(out, "Retry-After", "1");
}

/* It was not the client who ended it. */
static void say_ending(gateway_call *c, hearth_error *error)
{
    c->failure.code = RUNTIME_CANCELED;
    error_set(error, HEARTH_ECANCELED, "server", "the server is ending");
}

void gateway_handle(void *app, const http_request *q, http_reply *out)
{
    gateway_call c = {.g = app, .q = q, .reply = out, .route = q->tag};
    hearth_error err = {0};
    http_reply_header(out, "X-Content-Type-Options", "nosniff");
    if (c.route->handler(&c, &err) != HEARTH_OK) {
        if (err.code == HEARTH_ECANCELED && atomic_load(&c.g->ending))
            say_ending(&c, &err);
        write_failure(&c, &err);
    }
    runtime_failure_deinit(&c.failure);
    json_decref(c.body);
}
