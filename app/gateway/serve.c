/* SPDX-License-Identifier: MIT
 *
 * serve.c - handlers about the server itself: health, version, the page's key, its description.
 */
#include <string.h>

#include <hearth/hearth.h>

#include "gateway/handlers.h"

hearth_status serve_health(gateway_call *c, hearth_error *err)
{
    return call_json(c, json_pack("{s:s}", "status", "ok"), err);
}

hearth_status serve_version(gateway_call *c, hearth_error *err)
{
    return call_json(c, json_pack("{s:s, s:s}", "name", "hearth", "version", hearth_version()),
                     err);
}

hearth_status serve_begin_session(gateway_call *c, hearth_error *err)
{
    const char *token;
    char key[ACCESS_SESSION_BYTES];
    TRY(call_unpack(c, err, "{s:s}", "token", &token));
    if (!access_begin_session(&c->g->access, token, key)) {
        c->detail.http = 401;
        FAIL(
            err, EINVAL, "token",
            "this address is from an earlier start of the server: 'hearth open' tells the new one");
    }
    http_reply_header(c->reply, "Cache-Control", "no-store");
    return call_json(c, json_pack("{s:s, s:s}", "key", key, "scope", "manage"), err);
}

hearth_status serve_session(gateway_call *c, hearth_error *err)
{
    return call_json(c, json_pack("{s:s}", "scope", "manage"), err);
}

hearth_status serve_token(gateway_call *c, hearth_error *err)
{
    http_reply_header(c->reply, "Cache-Control", "no-store");
    return call_json(
        c,
        json_pack("{s:s, s:s}", "url", http_server_url(c->g->server), "token", c->g->access.token),
        err);
}
