/* SPDX-License-Identifier: MIT
 *
 * tools_use.c - see tools.h: what servers and tools are told to be, and calls.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/tools_state.h"

enum { RESULT_MAX = 256 << 10 };

static const char *const approval_names[] = {"ask", "always", "never"};

const char *tool_approval_name(tool_approval approval)
{
    return approval_names[approval];
}

bool tool_approval_find(const char *name, tool_approval *out)
{
    for (size_t i = 0; i < sizeof approval_names / sizeof *approval_names; i++) {
        if (strcmp(name, approval_names[i]) == 0) {
            *out = (tool_approval)i;
            return true;
        }
    }
    return false;
}

/* A look at one server, which stays as it is meanwhile. */
typedef struct look {
    tools *t;
    char id[TOOLS_ID_MAX + 1];
    json_t *config;
    connection *connection; /* NULL: none */
} look;

static bool look_at(tools *t, size_t i, look *out)
{
    monitor_lock(&t->door);
    bool there = i < t->n;
    if (there) {
        tool_server *s = &t->servers[i];
        *out = (look){.t = t, .config = json_incref(s->config)};
        memcpy(out->id, s->id, sizeof out->id);
        tools_locked_take(s, &out->connection);
    }
    monitor_unlock(&t->door);
    return there;
}

static bool look_for(tools *t, const char *id, look *out)
{
    monitor_lock(&t->door);
    const tool_server *s = tools_locked_find(t, id);
    size_t i = s ? (size_t)(s - t->servers) : MCP_MAX_SERVERS;
    monitor_unlock(&t->door);
    return look_at(t, i, out);
}

static void look_end(look *l)
{
    tools_release(l->t, l->connection);
    json_decref(l->config);
}

static bool has(const json_t *list, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        if (strcmp(json_string_value(one), name) == 0)
            return true;
    }
    return false;
}

static tool_approval approval_of(const json_t *entry, const char *name)
{
    if (has(json_object_get(entry, "disabledTools"), name))
        return TOOL_NEVER;
    return has(json_object_get(entry, "alwaysAllow"), name) ? TOOL_ALWAYS : TOOL_ASK;
}

static bool is_allowed(const json_t *entry, const char *name)
{
    const json_t *list = json_object_get(entry, "allowedTools");
    return list == NULL || has(list, name);
}

/* ---- servers ---- */

static json_t *or_empty(json_t *value, json_t *empty)
{
    if (value == NULL)
        return empty;
    json_decref(empty);
    return json_incref(value);
}

static json_t *describe(const look *l)
{
    static const char *const names[] = {"connecting", "connected", "failed", "disconnected"};
    mcp_servers list = {0};
    const json_t *c = l->config;
    const json_t *url = json_object_get(c, "url");
    mcp_server none = {.state = MCP_DISABLED, .error = "", .title = ""};
    if (l->connection && mcp_list_servers(l->connection->mcp, &list, NULL) == HEARTH_OK)
        none = list.items[0];
    json_t *name = json_object_get(c, "name");
    json_t *about = json_pack(
        "{s:s, s:o, s:b, s:s, s:O?, s:o, s:o, s:O?, s:O?, s:o, s:O?, s:O?, s:s, s:s*, s:s, s:I}",
        "id", l->id, "name", name ? json_incref(name) : json_string(l->id), "enabled",
        !json_is_true(json_object_get(c, "disabled")), "transport", url ? "http" : "stdio",
        "command", json_object_get(c, "command"), "args",
        or_empty(json_object_get(c, "args"), json_array()), "env",
        or_empty(json_object_get(c, "env"), json_object()), "cwd", json_object_get(c, "cwd"), "url",
        url, "headers", or_empty(json_object_get(c, "headers"), json_object()), "timeout",
        json_object_get(c, "timeout"), "tool_allowlist", json_object_get(c, "allowedTools"),
        "state", names[none.state], "error", none.error[0] ? none.error : NULL, "title", none.title,
        "n_tools", (json_int_t)none.n_tools);
    if (about && json_object_get(about, "error") == NULL)
        json_object_set_new(about, "error", json_null());
    mcp_servers_free(&list);
    return about;
}

json_t *tools_list(tools *t)
{
    look l;
    json_t *all = json_array();
    for (size_t i = 0; all && look_at(t, i, &l); i++) {
        json_array_append_new(all, describe(&l));
        look_end(&l);
    }
    return all;
}

static hearth_status not_found(const char *id, hearth_error *err)
{
    FAIL(err, ENOTFOUND, "id", "there is no tool server '%.60s'", id);
}

hearth_status tools_describe(tools *t, const char *id, json_t **out, hearth_error *err)
{
    look l;
    if (!look_for(t, id, &l))
        return not_found(id, err);
    *out = describe(&l);
    look_end(&l);
    return *out ? HEARTH_OK : error_no_memory(err, "a tool server", 0);
}

/* ---- tools ---- */

json_t *tools_of(tools *t, const char *id, hearth_error *err)
{
    look l;
    mcp_tools list = {0};
    if (!look_for(t, id, &l)) {
        not_found(id, err);
        return NULL;
    }
    json_t *all = json_array();
    if (l.connection && mcp_list_tools(l.connection->mcp, &list, err) != HEARTH_OK) {
        json_decref(all);
        all = NULL;
    }
    for (size_t i = 0; all && i < list.n; i++) {
        const mcp_tool *tool = &list.items[i];
        json_array_append_new(
            all, json_pack("{s:s, s:s, s:s, s:o?, s:s, s:b}", "name", tool->name, "title",
                           tool->title, "description", tool->description, "input_schema",
                           json_loads(tool->schema, 0, NULL), "approval",
                           tool_approval_name(approval_of(l.config, tool->name)), "allowed",
                           (int)is_allowed(l.config, tool->name)));
    }
    mcp_tools_free(&list);
    look_end(&l);
    return all;
}

/* The list with the name, or without it. */
static json_t *list_with(const json_t *list, const char *name, bool with)
{
    size_t i;
    json_t *one, *made = json_array();
    json_array_foreach(list, i, one)
    {
        if (strcmp(json_string_value(one), name) != 0)
            json_array_append(made, one);
    }
    if (with)
        json_array_append_new(made, json_string(name));
    return made;
}

hearth_status tools_approve(tools *t, const char *id, const char *name, tool_approval approval,
                            hearth_error *err)
{
    look l;
    if (!look_for(t, id, &l))
        return not_found(id, err);
    json_t *changes = json_pack(
        "{s:o, s:o}", "alwaysAllow",
        list_with(json_object_get(l.config, "alwaysAllow"), name, approval == TOOL_ALWAYS),
        "disabledTools",
        list_with(json_object_get(l.config, "disabledTools"), name, approval == TOOL_NEVER));
    look_end(&l);
    hearth_status status =
        changes ? tools_change(t, id, changes, err) : error_no_memory(err, "a tool", 0);
    json_decref(changes);
    return status;
}

static void offer_one(json_t *all, const look *l)
{
    mcp_tools list;
    if (l->connection == NULL || mcp_list_tools(l->connection->mcp, &list, NULL) != HEARTH_OK)
        return;
    for (size_t i = 0; i < list.n; i++) {
        const mcp_tool *tool = &list.items[i];
        if (!is_allowed(l->config, tool->name) ||
            approval_of(l->config, tool->name) == TOOL_NEVER)
            continue;
        json_array_append_new(
            all, json_pack("{s:s, s:{s:s, s:s, s:o?}}", "type", "function", "function", "name",
                           tool->id, "description", tool->description, "parameters",
                           json_loads(tool->schema, 0, NULL)));
    }
    mcp_tools_free(&list);
}

json_t *tools_offer(tools *t)
{
    look l;
    json_t *all = json_array();
    for (size_t i = 0; all && look_at(t, i, &l); i++) {
        offer_one(all, &l);
        look_end(&l);
    }
    return all;
}

/* The server that the name of a call begins with. */
static bool look_for_call(tools *t, const char *call, look *out)
{
    char id[TOOLS_ID_MAX + 1];
    const char *end = strstr(call, "__");
    if (end == NULL || end - call > TOOLS_ID_MAX)
        return false;
    snprintf(id, sizeof id, "%.*s", (int)(end - call), call);
    return look_for(t, id, out);
}

static bool find_tool(const look *l, const char *call, tool_about *out)
{
    mcp_tools list;
    bool found = false;
    if (l->connection == NULL || mcp_list_tools(l->connection->mcp, &list, NULL) != HEARTH_OK)
        return false;
    for (size_t i = 0; i < list.n && !found; i++) {
        const char *name = list.items[i].name;
        found = strcmp(list.items[i].id, call) == 0;
        if (!found)
            continue;
        snprintf(out->name, sizeof out->name, "%s", name);
        out->approval = is_allowed(l->config, name) ? approval_of(l->config, name) : TOOL_NEVER;
    }
    mcp_tools_free(&list);
    return found && out->approval != TOOL_NEVER;
}

bool tools_find(tools *t, const char *call, tool_about *out)
{
    look l;
    *out = (tool_about){0};
    if (!look_for_call(t, call, &l))
        return false;
    snprintf(out->server, sizeof out->server, "%s", l.id);
    bool found = find_tool(&l, call, out);
    look_end(&l);
    return found;
}

/* ---- calls ---- */

/* The text, or as much of it as there is room for, in whole characters. */
static void add_text(buf *out, const char *text)
{
    size_t room = out->n < RESULT_MAX ? RESULT_MAX - out->n : 0, n = strlen(text);
    size_t kept = n <= room ? n : room;
    while (kept < n && kept > 0 && ((unsigned char)text[kept] & 0xC0) == 0x80)
        kept--;
    if (out->n > 0)
        buf_append(out, "\n", 1);
    buf_append(out, text, kept);
    if (kept < n)
        buf_append_format(out, "\n[%zu more bytes are left out]", n - kept);
}

static void add_part(buf *out, const mcp_part *p)
{
    char note[400];
    if (p->kind == MCP_TEXT || (p->kind == MCP_RESOURCE && p->text[0])) {
        add_text(out, p->text);
        return;
    }
    if (p->kind == MCP_RESOURCE)
        snprintf(note, sizeof note, "[a resource: %.300s %.60s]", p->uri, p->type);
    else
        snprintf(note, sizeof note, "[%s %.60s, %zu bytes in base64, which is not shown]",
                 p->kind == MCP_IMAGE ? "an image" : "a sound", p->type, strlen(p->data));
    add_text(out, note);
}

hearth_status tools_call(tools *t, const char *call, const char *arguments,
                         bool (*go_on)(void *user), void *user, buf *out, bool *failed,
                         hearth_error *err)
{
    look l;
    mcp_result result;
    if (!look_for_call(t, call, &l))
        FAIL(err, ENOTFOUND, "tool", "there is no tool '%.64s'", call);
    const mcp_call_options o = {.arguments = arguments, .go_on = go_on, .user = user};
    hearth_status status =
        l.connection ? mcp_call(l.connection->mcp, call, &o, &result, err)
                     : error_set(err, HEARTH_EIO, "tool", "the tool server '%s' is disconnected",
                                 l.id);
    look_end(&l);
    TRY(status);
    for (size_t i = 0; i < result.n_parts; i++)
        add_part(out, &result.parts[i]);
    if (out->n == 0 && result.structured[0])
        add_text(out, result.structured);
    *failed = result.is_error;
    mcp_result_free(&result);
    return HEARTH_OK;
}
