/* SPDX-License-Identifier: MIT
 *
 * peer_tools.c - what a server tells, however it is reached: its name, its tools, answers.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <hearth/hearth.h>

#include "base/log.h"
#include "base/mem.h"
#include "mcp/peer_state.h"

#define PROTOCOL "2025-06-18"

enum { MAX_PAGES = 100 };

void mcp_peer_fail(mcp_peer *s, const char *format, ...)
{
    hearth_error clean = {0};
    char text[sizeof s->error];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(&clean, HEARTH_EIO, NULL, "%s", text); /* without control characters */
    s->told = true;
    monitor_lock(&s->door);
    snprintf(s->error, sizeof s->error, "%.299s", clean.message);
    monitor_unlock(&s->door);
    log_write(s->log, HEARTH_LOG_WARNING, "tool server %s: %s", s->config->name, clean.message);
}

/* ---- the beginning ---- */

json_t *mcp_peer_hello(void)
{
    return json_pack("{ss s{} s{ss ss}}", "protocolVersion", PROTOCOL, "capabilities", "clientInfo",
                     "name", "hearth", "version", hearth_version());
}

static void set_text(char **at, const char *text)
{
    mem_free(*at);
    *at = text ? mem_dup(text, strlen(text)) : NULL;
}

void mcp_peer_introduce(mcp_peer *s, const json_t *result)
{
    const json_t *info = json_object_get(result, "serverInfo");
    const char *name = json_string_value(json_object_get(info, "name"));
    const char *version = json_string_value(json_object_get(info, "version"));
    char title[200];
    snprintf(title, sizeof title, "%.120s %.60s", name ? name : "", version ? version : "");
    monitor_lock(&s->door);
    set_text(&s->title, title);
    set_text(&s->instructions, json_string_value(json_object_get(result, "instructions")));
    monitor_unlock(&s->door);
}

/* ---- tools ---- */

bool mcp_peer_begin_list(mcp_peer *s)
{
    json_decref(s->new_tools);
    s->new_tools = json_array();
    s->n_pages = 0;
    s->list_again = s->tools_cut = false;
    return s->new_tools != NULL;
}

/* A tool without a name cannot be called. */
bool mcp_peer_take_page(mcp_peer *s, const json_t *result, const char **next)
{
    size_t i;
    json_t *tool;
    *next = json_string_value(json_object_get(result, "nextCursor"));
    json_array_foreach(json_object_get(result, "tools"), i, tool)
    {
        if (!json_is_string(json_object_get(tool, "name")))
            continue;
        s->tools_cut |= json_array_size(s->new_tools) >= MCP_MAX_TOOLS;
        if (!s->tools_cut && json_array_append(s->new_tools, tool) != 0)
            return false;
    }
    if (*next && (**next == '\0' || ++s->n_pages >= MAX_PAGES || s->tools_cut))
        *next = NULL;
    return true;
}

void mcp_peer_publish(mcp_peer *s)
{
    monitor_lock(&s->door);
    json_decref(s->tools);
    s->tools = s->new_tools;
    s->new_tools = NULL;
    s->state = MCP_READY;
    s->version++;
    s->error[0] = '\0';
    if (s->tools_cut)
        snprintf(s->error, sizeof s->error, "it has more than %d tools; the others are left out",
                 MCP_MAX_TOOLS);
    monitor_wake(&s->door);
    monitor_unlock(&s->door);
}

bool mcp_peer_tells_change(const char *method)
{
    return strcmp(method, "notifications/tools/list_changed") == 0;
}

/* ---- requests and answers ---- */

void mcp_peer_answer(mcp_peer *s, json_t *id, const char *method)
{
    monitor_lock(&s->door);
    if (strcmp(method, "ping") == 0)
        mcp_peer_post(s, json_pack("{ss sO s{}}", "jsonrpc", "2.0", "id", id, "result"));
    else
        mcp_peer_post(s, json_pack("{ss sO s{si ss}}", "jsonrpc", "2.0", "id", id, "error", "code",
                                   -32601, "message", "this client has no such method"));
    monitor_unlock(&s->door);
}

void mcp_peer_settle(const mcp_peer *s, json_t *message, json_t **result, hearth_error *failed)
{
    const json_t *error = json_object_get(message, "error");
    json_t *found = json_object_get(message, "result");
    if (json_is_object(found)) {
        *result = json_incref(found);
        json_object_del(message, "result"); /* it belongs to the caller's thread alone */
        return;
    }
    const char *text = json_string_value(json_object_get(error, "message"));
    error_set(failed, HEARTH_EIO, s->config->name, "the tool server '%.64s' refused: %.300s",
              s->config->name, text ? text : "it gave no result");
}

uint64_t mcp_peer_timeout_ms(const mcp_peer *s, const mcp_call_options *o)
{
    if (o->timeout_ms)
        return o->timeout_ms;
    return s->config->timeout_ms ? s->config->timeout_ms : MCP_CALL_TIMEOUT_MS;
}
