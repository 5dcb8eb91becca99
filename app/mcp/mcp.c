/* SPDX-License-Identifier: MIT
 *
 * mcp.c - see mcp.h: the set of servers, names of tools that models can use, and results.
 */
#include "mcp/mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mcp/peer.h"
#include "os/clock.h"
#include "os/thread.h"

enum { ID_BYTES = 64, FIRST_CAPACITY = 32 };

struct mcp {
    mcp_config config;
    hearth_log log;
    mcp_peer **servers;
};

/* ---- opening and closing ---- */

hearth_status mcp_open(mcp **out, const char *servers, const hearth_log *log, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    *out = NULL;
    mcp *m = mem_calloc(1, sizeof *m);
    if (m == NULL)
        return error_no_memory(err, "tool servers", sizeof *m);
    if (log)
        m->log = *log;
    TRY_OUT(mcp_config_read(&m->config, servers, err));
    m->servers = mem_calloc(m->config.n_servers, sizeof *m->servers);
    if (m->servers == NULL)
        TRY_OUT(error_no_memory(err, "tool servers", m->config.n_servers));
    for (size_t i = 0; i < m->config.n_servers; i++)
        TRY_OUT(mcp_peer_new(&m->servers[i], &m->config.servers[i], &m->log, err));
out:
    if (status != HEARTH_OK)
        mcp_close(m);
    else
        *out = m;
    return status;
}

void mcp_close(mcp *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; m->servers && i < m->config.n_servers; i++)
        mcp_peer_end(m->servers[i]);
    for (size_t i = 0; m->servers && i < m->config.n_servers; i++)
        mcp_peer_free(m->servers[i]);
    mem_free(m->servers);
    mcp_config_deinit(&m->config);
    mem_free(m);
}

/* ---- lists ---- */

static void free_memory(void **memory)
{
    if (*memory)
        arena_deinit(*memory);
    mem_free(*memory);
    *memory = NULL;
}

const char *mcp_state_name(mcp_state state)
{
    static const char *const names[] = {"starting", "ready", "failed", "disabled"};
    return state <= MCP_DISABLED ? names[state] : "";
}

void mcp_servers_free(mcp_servers *list)
{
    free_memory(&list->memory);
    *list = (mcp_servers){0};
}

hearth_status mcp_list_servers(mcp *m, mcp_servers *out, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    *out = (mcp_servers){0};
    arena *a = out->memory = mem_calloc(1, sizeof *a);
    out->items = a ? arena_array(a, m->config.n_servers, sizeof *out->items) : NULL;
    if (out->items == NULL)
        status = error_no_memory(err, "a list of servers", 0);
    for (; status == HEARTH_OK && out->n < m->config.n_servers; out->n++)
        status = mcp_peer_describe(m->servers[out->n], a, &out->items[out->n], err);
    if (status != HEARTH_OK)
        mcp_servers_free(out);
    return status;
}

/* ---- tools ---- */

void mcp_tools_free(mcp_tools *list)
{
    free_memory(&list->memory);
    *list = (mcp_tools){0};
}

static bool text_of(arena *a, const json_t *value, const char **out)
{
    *out = json_is_string(value)
               ? arena_text(a, json_string_value(value), json_string_length(value))
               : "";
    return *out != NULL;
}

static bool json_of(arena *a, const json_t *value, const char *otherwise, const char **out)
{
    char *text = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
    if (json_is_object(value) && text == NULL)
        return false;
    *out = arena_text(a, text ? text : otherwise, strlen(text ? text : otherwise));
    free(text); /* jansson's own allocation */
    return *out != NULL;
}

/* Letters, digits, '_' and '-' of the text; anything else becomes '_'. */
static void clean(const char *text, char *out, size_t n_out)
{
    size_t n = 0;
    for (; text[n] && n + 1 < n_out; n++) {
        char c = text[n];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';
        out[n] = good ? c : '_';
    }
    out[n] = '\0';
}

static bool is_taken(const mcp_tools *list, const char *id)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].id, id) == 0)
            return true;
    }
    return false;
}

/* The n-th of those with one name ends in _n. */
static bool make_id(const mcp_tools *list, arena *a, mcp_tool *tool)
{
    char name[ID_BYTES + 1], part[ID_BYTES + 1], id[ID_BYTES + 1];
    clean(tool->server, part, 25);
    clean(tool->name, name, sizeof name);
    int n_id = snprintf(id, sizeof id, "%s__%.*s", part, (int)(ID_BYTES - strlen(part) - 2), name);
    for (int n = 2; is_taken(list, id); n++) {
        char end[16];
        int n_end = snprintf(end, sizeof end, "_%d", n);
        int at = n_id + n_end <= ID_BYTES ? n_id : ID_BYTES - n_end;
        memcpy(id + at, end, (size_t)n_end + 1);
    }
    tool->id = arena_text(a, id, strlen(id));
    return tool->id != NULL;
}

static bool add_tool(mcp_tools *list, size_t *capacity, const char *of, const json_t *from)
{
    arena *a = list->memory;
    mcp_tool tool = {.server = of};
    if (list->n == *capacity) {
        size_t wanted = *capacity ? 2 * *capacity : FIRST_CAPACITY;
        mcp_tool *items = arena_array(a, wanted, sizeof *items);
        if (items == NULL)
            return false;
        if (list->n)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        *capacity = wanted;
    }
    if (!text_of(a, json_object_get(from, "name"), &tool.name) ||
        !text_of(a, json_object_get(from, "title"), &tool.title) ||
        !text_of(a, json_object_get(from, "description"), &tool.description) ||
        !json_of(a, json_object_get(from, "inputSchema"), "{\"type\":\"object\"}", &tool.schema) ||
        !json_of(a, json_object_get(from, "annotations"), "", &tool.annotations) ||
        !make_id(list, a, &tool))
        return false;
    list->items[list->n++] = tool;
    return true;
}

hearth_status mcp_list_tools(mcp *m, mcp_tools *out, hearth_error *err)
{
    size_t capacity = 0;
    *out = (mcp_tools){0};
    out->memory = mem_calloc(1, sizeof(arena));
    bool good = out->memory != NULL;
    for (size_t k = 0; good && k < m->config.n_servers; k++) {
        uint64_t version;
        json_t *tools = mcp_peer_tools(m->servers[k], &version), *tool;
        size_t i;
        const char *name = m->config.servers[k].name;
        const char *copy = arena_text(out->memory, name, strlen(name));
        good = tools && copy;
        json_array_foreach(tools, i, tool) good = good && add_tool(out, &capacity, copy, tool);
        json_decref(tools);
        out->version += version;
    }
    if (good)
        return HEARTH_OK;
    mcp_tools_free(out);
    return error_no_memory(err, "a list of tools", 0);
}

/* ---- results ---- */

void mcp_result_free(mcp_result *result)
{
    free_memory(&result->memory);
    *result = (mcp_result){0};
}

static bool is(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static bool read_part(arena *a, const json_t *from, mcp_part *part)
{
    const json_t *type = json_object_get(from, "type");
    const json_t *data = json_object_get(from, "data");
    *part = (mcp_part){.kind = MCP_TEXT};
    if (is(type, "image") || is(type, "audio")) {
        part->kind = is(type, "image") ? MCP_IMAGE : MCP_AUDIO;
    } else if (is(type, "resource") || is(type, "resource_link")) {
        part->kind = MCP_RESOURCE;
        if (is(type, "resource"))
            from = json_object_get(from, "resource");
        data = json_object_get(from, "blob");
    }
    return text_of(a, json_object_get(from, "text"), &part->text) &&
           text_of(a, data, &part->data) &&
           text_of(a, json_object_get(from, "mimeType"), &part->type) &&
           text_of(a, json_object_get(from, "uri"), &part->uri);
}

static hearth_status read_result(const json_t *from, mcp_result *out, hearth_error *err)
{
    const json_t *content = json_object_get(from, "content");
    *out = (mcp_result){.is_error = json_is_true(json_object_get(from, "isError"))};
    arena *a = out->memory = mem_calloc(1, sizeof *a);
    out->parts = a ? arena_array(a, json_array_size(content), sizeof *out->parts) : NULL;
    bool good =
        out->parts && json_of(a, json_object_get(from, "structuredContent"), "", &out->structured);
    for (size_t i = 0; good && i < json_array_size(content); i++)
        good = read_part(a, json_array_get(content, i), &out->parts[out->n_parts++]);
    if (good)
        return HEARTH_OK;
    mcp_result_free(out);
    return error_no_memory(err, "a tool's result", 0);
}

/* ---- calling ---- */

typedef struct target {
    mcp_peer *server;
    char *name; /* mem_free */
} target;

/* Both stay empty if there is no such tool now. */
static hearth_status find_tool(mcp *m, const char *id, target *out, hearth_error *err)
{
    mcp_tools list;
    *out = (target){0};
    TRY(mcp_list_tools(m, &list, err));
    for (size_t i = 0; i < list.n; i++) {
        const mcp_tool *tool = &list.items[i];
        if (strcmp(tool->id, id) != 0)
            continue;
        for (size_t k = 0; k < m->config.n_servers; k++) {
            if (strcmp(m->config.servers[k].name, tool->server) == 0)
                out->server = m->servers[k];
        }
        out->name = mem_dup(tool->name, strlen(tool->name));
    }
    mcp_tools_free(&list);
    return out->server && out->name == NULL ? error_no_memory(err, "a tool's name", 0) : HEARTH_OK;
}

/* Why there is no such tool: NOTFOUND, or EIO if its server does not run. *starting: it may come.
 */
static hearth_status explain(mcp *m, const char *id, bool *starting, hearth_error *err)
{
    mcp_servers list;
    TRY(mcp_list_servers(m, &list, err));
    hearth_status status = HEARTH_ENOTFOUND;
    *starting = false;
    for (size_t i = 0; i < list.n; i++) {
        char part[25];
        const mcp_server *s = &list.items[i];
        clean(s->name, part, sizeof part);
        size_t n = strlen(part);
        if (strncmp(id, part, n) != 0 || strncmp(id + n, "__", 2) != 0)
            continue;
        *starting |= s->state == MCP_STARTING;
        if (s->state == MCP_STARTING || s->state == MCP_FAILED)
            status = error_set(err, HEARTH_EIO, "tool", "the tool server '%.64s' does not run: %s",
                               s->name, s->error[0] ? s->error : "it is starting");
    }
    mcp_servers_free(&list);
    if (status == HEARTH_ENOTFOUND)
        FAIL(err, ENOTFOUND, "tool", "there is no tool '%.64s'", id);
    return status;
}

/* Waits for the tool as long as its server is starting. */
static hearth_status wait_for_tool(mcp *m, const char *id, const mcp_call_options *o, target *out,
                                   hearth_error *err)
{
    uint64_t timeout_ms = o->timeout_ms ? o->timeout_ms : MCP_CALL_TIMEOUT_MS;
    uint64_t end = clock_now_ns() + timeout_ms * 1000000u;
    monitor pause;
    hearth_status status;
    bool starting;
    monitor_init(&pause);
    for (;;) {
        status = find_tool(m, id, out, err);
        if (status != HEARTH_OK || out->server)
            break;
        status = explain(m, id, &starting, err);
        if (!starting || clock_now_ns() >= end)
            break;
        if (o->go_on && !o->go_on(o->user)) {
            status = error_set(err, HEARTH_ECANCELED, "tool", "the call was canceled");
            break;
        }
        monitor_lock(&pause);
        monitor_wait(&pause, (int64_t)MCP_POLL_MS * 1000000);
        monitor_unlock(&pause);
    }
    monitor_deinit(&pause);
    return status;
}

hearth_status mcp_call(mcp *m, const char *id, const mcp_call_options *options, mcp_result *out,
                       hearth_error *err)
{
    target to;
    json_t *result;
    *out = (mcp_result){0};
    TRY(wait_for_tool(m, id, options, &to, err));
    hearth_status status = mcp_peer_call(to.server, to.name, options, &result, err);
    mem_free(to.name);
    TRY(status);
    status = read_result(result, out, err);
    json_decref(result);
    return status;
}
