/* SPDX-License-Identifier: MIT
 *
 * mcp_routes.c - handlers of the servers of tools (docs/API-HEARTH.md, "MCP servers").
 *
 * The API's names of members and those of `mcpServers` meet here: enabled is not disabled,
 * tool_allowlist is allowedTools, transport says which of command and url holds.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/chat_json.h"
#include "gateway/chat_tools.h"
#include "gateway/handlers.h"
#include "gateway/tools.h"

static hearth_status answer_server(gateway_call *c, const char *id, hearth_error *err)
{
    json_t *about;
    TRY(tools_describe(c->g->tools, id, &about, err));
    return call_json(c, about, err);
}

hearth_status serve_mcp_list(gateway_call *c, hearth_error *err)
{
    return call_json(c, json_pack("{s:o}", "servers", tools_list(c->g->tools)), err);
}

static void take_out(json_t *entry, const char *const *keys, size_t n, bool keep_null)
{
    for (size_t i = 0; i < n; i++) {
        if (keep_null)
            json_object_set_new(entry, keys[i], json_null());
        else
            json_object_del(entry, keys[i]);
    }
}

/* What the other transport has goes. keep_null: as a change that takes it out. */
static hearth_status apply_transport(json_t *body, bool keep_null, hearth_error *err)
{
    static const char *const of_program[] = {"command", "args", "env", "cwd"};
    static const char *const of_address[] = {"url", "headers"};
    static const char *const type[] = {"type"};
    const char *transport = json_string_value(json_object_get(body, "transport"));
    if (transport && strcmp(transport, "http") == 0)
        take_out(body, of_program, 4, keep_null);
    else if (transport && strcmp(transport, "stdio") == 0)
        take_out(body, of_address, 2, keep_null);
    else if (transport)
        FAIL(err, EINVAL, "transport", "transport: '%.30s' is neither stdio nor http", transport);
    if (transport)
        take_out(body, type, 1, keep_null);
    json_object_del(body, "transport");
    return HEARTH_OK;
}

/* The body as a server of `mcpServers` has it. */
static hearth_status as_standard(json_t *body, bool keep_null, hearth_error *err)
{
    json_t *enabled = json_object_get(body, "enabled");
    json_t *allowed = json_object_get(body, "tool_allowlist");
    if (enabled && !json_is_boolean(enabled))
        FAIL(err, EINVAL, "enabled", "enabled: give true or false");
    if (enabled)
        json_object_set_new(body, "disabled", json_boolean(!json_is_true(enabled)));
    if (allowed)
        json_object_set(body, "allowedTools", allowed);
    json_object_del(body, "enabled");
    json_object_del(body, "tool_allowlist");
    return apply_transport(body, keep_null, err);
}

hearth_status serve_mcp_add(gateway_call *c, hearth_error *err)
{
    char id[TOOLS_ID_MAX + 1];
    TRY(call_read_body(c, false, err));
    json_t *several = json_object_get(c->body, "mcpServers");
    if (several) {
        if (json_object_size(c->body) > 1)
            FAIL(err, EINVAL, "body", "give mcpServers alone, or the members of one server");
        TRY(tools_add(c->g->tools, several, err));
        return serve_mcp_list(c, err);
    }
    const char *name = json_string_value(json_object_get(c->body, "name"));
    if (name == NULL || !tools_id_of(name, id))
        FAIL(err, EINVAL, "name", "name: give the server a name");
    TRY(as_standard(c->body, false, err));
    json_t *one = json_pack("{s:O}", id, c->body);
    hearth_status status =
        one ? tools_add(c->g->tools, one, err) : error_no_memory(err, "a tool server", 0);
    json_decref(one);
    TRY(status);
    return answer_server(c, id, err);
}

hearth_status serve_mcp_change(gateway_call *c, hearth_error *err)
{
    TRY(call_read_body(c, true, err));
    TRY(as_standard(c->body, true, err));
    TRY(tools_change(c->g->tools, c->q->rest, c->body, err));
    return answer_server(c, c->q->rest, err);
}

hearth_status serve_mcp_remove(gateway_call *c, hearth_error *err)
{
    TRY(tools_remove(c->g->tools, c->q->rest, err));
    return call_json(c, json_pack("{s:b}", "deleted", 1), err);
}

hearth_status serve_mcp_connect(gateway_call *c, hearth_error *err)
{
    TRY(tools_connect(c->g->tools, c->q->rest, true, err));
    return answer_server(c, c->q->rest, err);
}

hearth_status serve_mcp_disconnect(gateway_call *c, hearth_error *err)
{
    TRY(tools_connect(c->g->tools, c->q->rest, false, err));
    return answer_server(c, c->q->rest, err);
}

hearth_status serve_mcp_tools(gateway_call *c, hearth_error *err)
{
    json_t *all = tools_of(c->g->tools, c->q->rest, err);
    if (all == NULL)
        return err->code;
    return call_json(c, json_pack("{s:o}", "tools", all), err);
}

hearth_status serve_mcp_approve(gateway_call *c, hearth_error *err)
{
    const char *name, *text;
    tool_approval approval;
    TRY(call_unpack(c, err, "{s:s, s:s}", "name", &name, "approval", &text));
    if (!tool_approval_find(text, &approval))
        FAIL(err, EINVAL, "approval", "approval: '%.30s' is none of ask, always, never", text);
    TRY(tools_approve(c->g->tools, c->q->rest, name, approval, err));
    return call_json(c, json_pack("{s:s, s:s}", "name", name, "approval", text), err);
}

hearth_status serve_chat_consent(gateway_call *c, hearth_error *err)
{
    int64_t chat;
    const char *call, *text;
    tool_consent consent;
    TRY(call_id(c, &chat, err));
    TRY(call_unpack(c, err, "{s:s, s:s}", "call_id", &call, "allow", &text));
    if (!tool_consent_find(text, &consent))
        FAIL(err, EINVAL, "allow", "allow: '%.30s' is none of once, chat, always, never", text);
    TRY(chat_tools_consent(c->g, chat, call, consent, err));
    return call_json(c, json_pack("{s:s}", "call_id", call), err);
}
