/* SPDX-License-Identifier: MIT
 *
 * tools.c - see tools.h: which servers there are, and their connections.
 */
#include "gateway/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/tools_state.h"

static const char setting[] = "mcp";

/* ---- connections ---- */

static void connection_unref(tools *t, connection *c)
{
    if (c == NULL)
        return;
    monitor_lock(&t->door);
    bool last = --c->n_refs == 0;
    monitor_unlock(&t->door);
    if (!last)
        return;
    mcp_close(c->mcp);
    mem_free(c);
}

/* To the server of that object; *out NULL: it is switched off. */
static hearth_status connect(tools *t, const char *id, json_t *server, connection **out,
                             hearth_error *err)
{
    json_t *one = json_pack("{s:{s:O}}", "mcpServers", id, server);
    char *text = one ? json_dumps(one, JSON_COMPACT) : NULL;
    connection *c = mem_calloc(1, sizeof *c);
    hearth_status status = HEARTH_OK;
    *out = NULL;
    json_decref(one);
    if (text == NULL || c == NULL)
        status = error_no_memory(err, "a tool server", 0);
    if (status == HEARTH_OK)
        status = mcp_open(&c->mcp, text, &t->g->host->log, err);
    free(text);
    if (status != HEARTH_OK || json_is_true(json_object_get(server, "disabled"))) {
        if (c)
            mcp_close(c->mcp);
        mem_free(c);
        return status;
    }
    c->n_refs = 1;
    *out = c;
    return HEARTH_OK;
}

/* ---- the list, with the door locked ---- */

tool_server *tools_locked_find(tools *t, const char *id)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->servers[i].id, id) == 0)
            return &t->servers[i];
    }
    return NULL;
}

static hearth_status save(tools *t, hearth_error *err)
{
    json_t *servers = json_object();
    for (size_t i = 0; i < t->n; i++)
        json_object_set(servers, t->servers[i].id, t->servers[i].config);
    json_t *root = json_pack("{s:o}", "mcpServers", servers);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    hearth_status status = text ? store_setting_set(t->g->store, setting, text, err)
                                : error_no_memory(err, "the tool servers", t->n);
    free(text);
    return status;
}

bool tools_locked_take(tool_server *s, connection **out)
{
    *out = s ? s->connection : NULL;
    if (*out)
        (*out)->n_refs++;
    return *out != NULL;
}

void tools_release(tools *t, connection *c)
{
    connection_unref(t, c);
}

/* ---- adding, changing, removing ---- */

bool tools_id_of(const char *name, char out[TOOLS_ID_MAX + 1])
{
    size_t n = 0;
    for (; *name && n < TOOLS_ID_MAX; name++) {
        bool good = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
                    (*name >= '0' && *name <= '9') || *name == '-';
        if (good)
            out[n++] = *name;
        else if (n > 0 && out[n - 1] != '_')
            out[n++] = '_';
    }
    while (n > 0 && out[n - 1] == '_')
        n--;
    out[n] = '\0';
    return n > 0;
}

static hearth_status check_lists(const json_t *server, const char *id, hearth_error *err)
{
    static const char *const lists[] = {"allowedTools", "alwaysAllow", "disabledTools"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *list = json_object_get(server, lists[i]);
        size_t k;
        json_t *one;
        bool good = list == NULL || json_is_array(list);
        json_array_foreach(list, k, one) good = good && json_is_string(one);
        if (!good)
            FAIL(err, EINVAL, lists[i], "%s.%s: give an array of names of tools", id, lists[i]);
    }
    return HEARTH_OK;
}

/* Takes the connection, and a new reference to the object. */
static hearth_status add_locked(tools *t, const char *id, json_t *entry, connection *c,
                                hearth_error *err)
{
    if (tools_locked_find(t, id))
        FAIL(err, EMISMATCH, "name", "there is a tool server '%s' already", id);
    if (t->n == MCP_MAX_SERVERS)
        FAIL(err, EINVAL, "mcpServers", "%d tool servers are the most", (int)MCP_MAX_SERVERS);
    tool_server *s = &t->servers[t->n++];
    *s = (tool_server){.config = json_incref(entry), .connection = c};
    snprintf(s->id, sizeof s->id, "%s", id);
    return HEARTH_OK;
}

static hearth_status add_one(tools *t, const char *name, json_t *entry, hearth_error *err)
{
    char id[TOOLS_ID_MAX + 1];
    connection *c;
    if (!tools_id_of(name, id))
        FAIL(err, EINVAL, "name", "'%.60s' has no letter or digit that a name of tools could have",
             name);
    if (!json_is_object(entry))
        FAIL(err, EINVAL, id, "mcpServers.%s: must be an object", id);
    if (strcmp(id, name) != 0 && json_object_get(entry, "name") == NULL)
        json_object_set_new(entry, "name", json_string(name));
    TRY(check_lists(entry, id, err));
    TRY(connect(t, id, entry, &c, err));
    monitor_lock(&t->door);
    hearth_status status = add_locked(t, id, entry, c, err);
    monitor_unlock(&t->door);
    if (status != HEARTH_OK)
        connection_unref(t, c);
    return status;
}

/* Takes those after the first n away. */
static void cut(tools *t, size_t n)
{
    monitor_lock(&t->door);
    while (t->n > n) {
        tool_server s = t->servers[--t->n];
        monitor_unlock(&t->door);
        connection_unref(t, s.connection);
        json_decref(s.config);
        monitor_lock(&t->door);
    }
    monitor_unlock(&t->door);
}

/* With the turn taken. */
static hearth_status add_all(tools *t, json_t *servers, hearth_error *err)
{
    const char *name;
    json_t *entry;
    const size_t before = t->n;
    hearth_status status = HEARTH_OK;
    if (!json_is_object(servers))
        FAIL(err, EINVAL, "mcpServers", "mcpServers: must be an object");
    json_object_foreach(servers, name, entry)
    {
        if (status == HEARTH_OK)
            status = add_one(t, name, entry, err);
    }
    if (status != HEARTH_OK)
        cut(t, before);
    return status;
}

hearth_status tools_add(tools *t, json_t *servers, hearth_error *err)
{
    pthread_mutex_lock(&t->turn);
    const size_t before = t->n;
    hearth_status status = add_all(t, servers, err);
    if (status == HEARTH_OK)
        status = save(t, err);
    if (status != HEARTH_OK)
        cut(t, before);
    pthread_mutex_unlock(&t->turn);
    return status;
}

static hearth_status not_found(const char *id, hearth_error *err)
{
    FAIL(err, ENOTFOUND, "id", "there is no tool server '%.60s'", id);
}

/* With the turn taken: the server's object and connection become these (both taken). */
static hearth_status replace(tools *t, tool_server *s, json_t *entry, connection *c,
                             hearth_error *err)
{
    json_t *before = s->config;
    monitor_lock(&t->door);
    s->config = entry;
    monitor_unlock(&t->door);
    hearth_status status = save(t, err);
    monitor_lock(&t->door);
    connection *old = status == HEARTH_OK ? s->connection : c;
    json_t *over = status == HEARTH_OK ? before : entry;
    if (status == HEARTH_OK)
        s->connection = c;
    else
        s->config = before;
    monitor_unlock(&t->door);
    connection_unref(t, old);
    json_decref(over);
    return status;
}

static bool matters(const char *key)
{
    static const char *const not[] = {"name", "allowedTools", "alwaysAllow", "disabledTools"};
    for (size_t i = 0; i < sizeof not / sizeof *not; i++) {
        if (strcmp(key, not[i]) == 0)
            return false;
    }
    return true;
}

static hearth_status change(tools *t, tool_server *s, json_t *changes, hearth_error *err)
{
    json_t *entry = json_deep_copy(s->config), *value;
    const char *key;
    bool anew = false;
    connection *c = NULL;
    json_object_foreach(changes, key, value)
    {
        if (!json_equal(json_object_get(entry, key), value))
            anew |= matters(key);
        if (json_is_null(value))
            json_object_del(entry, key);
        else
            json_object_set(entry, key, value);
    }
    hearth_status status = check_lists(entry, s->id, err);
    if (status == HEARTH_OK && anew)
        status = connect(t, s->id, entry, &c, err);
    if (status != HEARTH_OK) {
        json_decref(entry);
        return status;
    }
    if (!anew) { /* the same connection goes on */
        monitor_lock(&t->door);
        tools_locked_take(s, &c);
        monitor_unlock(&t->door);
    }
    return replace(t, s, entry, c, err);
}

hearth_status tools_change(tools *t, const char *id, json_t *changes, hearth_error *err)
{
    pthread_mutex_lock(&t->turn);
    tool_server *s = tools_locked_find(t, id);
    hearth_status status = s ? change(t, s, changes, err) : not_found(id, err);
    pthread_mutex_unlock(&t->turn);
    return status;
}

static hearth_status remove_one(tools *t, tool_server *s, hearth_error *err)
{
    const tool_server gone = *s;
    const size_t at = (size_t)(s - t->servers);
    monitor_lock(&t->door);
    memmove(s, s + 1, (t->n - at - 1) * sizeof *s);
    t->n--;
    monitor_unlock(&t->door);
    hearth_status status = save(t, err);
    if (status != HEARTH_OK) {
        monitor_lock(&t->door);
        t->servers[t->n++] = gone;
        monitor_unlock(&t->door);
        return status;
    }
    connection_unref(t, gone.connection);
    json_decref(gone.config);
    return HEARTH_OK;
}

hearth_status tools_remove(tools *t, const char *id, hearth_error *err)
{
    pthread_mutex_lock(&t->turn);
    tool_server *s = tools_locked_find(t, id);
    hearth_status status = s ? remove_one(t, s, err) : not_found(id, err);
    pthread_mutex_unlock(&t->turn);
    return status;
}

static hearth_status reconnect(tools *t, tool_server *s, bool on, hearth_error *err)
{
    connection *c = NULL;
    if (on && json_is_true(json_object_get(s->config, "disabled")))
        FAIL(err, EINVAL, "id", "the tool server '%s' is switched off; switch it on first", s->id);
    if (on)
        TRY(connect(t, s->id, s->config, &c, err));
    monitor_lock(&t->door);
    connection *old = s->connection;
    s->connection = c;
    monitor_unlock(&t->door);
    connection_unref(t, old);
    return HEARTH_OK;
}

hearth_status tools_connect(tools *t, const char *id, bool on, hearth_error *err)
{
    pthread_mutex_lock(&t->turn);
    tool_server *s = tools_locked_find(t, id);
    hearth_status status = s ? reconnect(t, s, on, err) : not_found(id, err);
    pthread_mutex_unlock(&t->turn);
    return status;
}

/* ---- opening and closing ---- */

static hearth_status read_setting(tools *t, hearth_error *err)
{
    buf text;
    buf_init(&text, 0);
    hearth_status status = store_setting_get(t->g->store, setting, &text, err);
    json_t *root = status == HEARTH_OK ? json_loads(text.data, 0, NULL) : NULL;
    if (root)
        status = add_all(t, json_object_get(root, "mcpServers"), err);
    json_decref(root);
    buf_deinit(&text);
    return status == HEARTH_ENOTFOUND ? HEARTH_OK : status;
}

hearth_status tools_new(tools **out, gateway *g, hearth_error *err)
{
    hearth_error why = {0};
    tools *t = mem_calloc(1, sizeof *t);
    *out = t;
    if (t == NULL)
        return error_no_memory(err, "tools", sizeof *t);
    t->g = g;
    monitor_init(&t->door);
    pthread_mutex_init(&t->turn, NULL);
    if (read_setting(t, &why) != HEARTH_OK)
        log_write(&g->host->log, HEARTH_LOG_WARNING, "no tool servers: %s", why.message);
    return HEARTH_OK;
}

void tools_free(tools *t)
{
    if (t == NULL)
        return;
    cut(t, 0);
    pthread_mutex_destroy(&t->turn);
    monitor_deinit(&t->door);
    mem_free(t);
}
