/* SPDX-License-Identifier: MIT
 *
 * config.c - see config.h. A field that is not known is refused, but for those that other programs
 * keep for themselves.
 */
#include "mcp/config.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WORDS = 256 };

static hearth_status wrong(hearth_error *err, const char *server, const char *field,
                           const char *must)
{
    FAIL(err, EINVAL, "mcpServers", "mcpServers.%.64s.%s: %s", server, field, must);
}

static hearth_status copy(mcp_config *c, const json_t *text, char **out, hearth_error *err)
{
    *out = arena_text(&c->memory, json_string_value(text), json_string_length(text));
    return *out ? HEARTH_OK : error_no_memory(err, "mcpServers", 0);
}

static hearth_status read_words(mcp_config *c, mcp_server_config *s, const json_t *server,
                                hearth_error *err)
{
    const json_t *command = json_object_get(server, "command");
    const json_t *args = json_object_get(server, "args");
    if (!json_is_string(command) || json_string_length(command) == 0)
        return wrong(err, s->name, "command",
                     "must be the name of a program; or give url, the address of a server");
    if ((args && !json_is_array(args)) || json_array_size(args) > MAX_WORDS)
        return wrong(err, s->name, "args", "must be an array of at most 256 texts");
    s->argv = arena_array(&c->memory, json_array_size(args) + 2, sizeof *s->argv);
    if (s->argv == NULL)
        return error_no_memory(err, "mcpServers", 0);
    TRY(copy(c, command, &s->argv[0], err));
    for (size_t i = 0; i < json_array_size(args); i++) {
        if (!json_is_string(json_array_get(args, i)))
            return wrong(err, s->name, "args", "must be an array of at most 256 texts");
        TRY(copy(c, json_array_get(args, i), &s->argv[i + 1], err));
    }
    return HEARTH_OK;
}

static bool names(const char *entry, const char *name)
{
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static hearth_status add_variable(mcp_config *c, mcp_server_config *s, size_t *n, const char *name,
                                  const char *value, hearth_error *err)
{
    size_t n_name = strlen(name), n_value = strlen(value), at = 0;
    char *entry = arena_array(&c->memory, n_name + n_value + 2, 1);
    if (entry == NULL)
        return error_no_memory(err, "mcpServers", 0);
    memcpy(entry, name, n_name);
    entry[n_name] = '=';
    memcpy(entry + n_name + 1, value, n_value);
    while (at < *n && !names(s->environment[at], name))
        at++;
    s->environment[at] = entry;
    *n += at == *n;
    return HEARTH_OK;
}

static hearth_status read_environment(mcp_config *c, mcp_server_config *s, json_t *own,
                                      hearth_error *err)
{
    const char *name;
    const json_t *value;
    size_t n = 0;
    if (own && !json_is_object(own))
        return wrong(err, s->name, "env", "must be an object of texts");
    while (environ[n])
        n++;
    s->environment = arena_array(&c->memory, n + json_object_size(own) + 1, sizeof *s->environment);
    if (s->environment == NULL)
        return error_no_memory(err, "mcpServers", 0);
    memcpy(s->environment, environ, n * sizeof *s->environment);
    json_object_foreach(own, name, value)
    {
        if (!json_is_string(value) || name[0] == '\0' || strchr(name, '='))
            return wrong(err, s->name, "env", "must be an object of texts");
        TRY(add_variable(c, s, &n, name, json_string_value(value), err));
    }
    return HEARTH_OK;
}

/* ---- a server at an address ---- */

static bool is_plain(const char *text, const char *not_in)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 127 || strchr(not_in, *text))
            return false;
    }
    return true;
}

static hearth_status add_header(mcp_config *c, mcp_server_config *s, const char *name,
                                const json_t *value, hearth_error *err)
{
    const char *text = json_string_value(value);
    if (text == NULL || *name == '\0' || !is_plain(name, " :") || !is_plain(text, ""))
        return wrong(err, s->name, "headers", "must be an object of texts of one line");
    size_t n_name = strlen(name), n_text = strlen(text);
    char *line = arena_array(&c->memory, n_name + n_text + 3, 1);
    if (line == NULL)
        return error_no_memory(err, "mcpServers", 0);
    memcpy(line, name, n_name);
    memcpy(line + n_name, ": ", 2);
    memcpy(line + n_name + 2, text, n_text + 1);
    s->headers[s->n_headers++] = line;
    return HEARTH_OK;
}

static hearth_status read_address(mcp_config *c, mcp_server_config *s, const json_t *server,
                                  hearth_error *err)
{
    const json_t *url = json_object_get(server, "url");
    json_t *headers = json_object_get(server, "headers"), *value;
    const char *text = json_string_value(url), *name;
    char *kept;
    if (text == NULL || (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0))
        return wrong(err, s->name, "url", "must be an address with http:// or https://");
    if (json_object_get(server, "command"))
        return wrong(err, s->name, "url", "cannot stand beside command");
    if ((headers && !json_is_object(headers)) || json_object_size(headers) > MCP_MAX_HEADERS)
        return wrong(err, s->name, "headers", "must be an object of at most 32 texts of one line");
    TRY(copy(c, url, &kept, err));
    s->url = kept;
    s->headers = arena_array(&c->memory, json_object_size(headers) + 1, sizeof *s->headers);
    if (s->headers == NULL)
        return error_no_memory(err, "mcpServers", 0);
    json_object_foreach(headers, name, value) TRY(add_header(c, s, name, value, err));
    return HEARTH_OK;
}

/* ---- all of it ---- */

static hearth_status read_type(const mcp_server_config *s, const json_t *server, hearth_error *err)
{
    static const char *const of_addresses[] = {"http", "streamable-http", "streamableHttp"};
    const json_t *type = json_object_get(server, "type");
    const char *text = json_string_value(type);
    const bool by_address = json_object_get(server, "url") != NULL;
    if (type == NULL || (!by_address && text && strcmp(text, "stdio") == 0))
        return HEARTH_OK;
    for (size_t i = 0; by_address && text && i < sizeof of_addresses / sizeof *of_addresses; i++) {
        if (strcmp(text, of_addresses[i]) == 0)
            return HEARTH_OK;
    }
    return wrong(err, s->name, "type", "must be stdio with command, or http with url");
}

static hearth_status read_timeout(mcp_server_config *s, const json_t *server, hearth_error *err)
{
    const json_t *timeout = json_object_get(server, "timeout");
    if (timeout == NULL)
        return HEARTH_OK;
    if (!json_is_number(timeout) || json_number_value(timeout) < 1 ||
        json_number_value(timeout) > 86400)
        return wrong(err, s->name, "timeout", "must be seconds, from 1 to 86400");
    s->timeout_ms = (uint32_t)(json_number_value(timeout) * 1000);
    return HEARTH_OK;
}

static hearth_status check_fields(const mcp_server_config *s, json_t *server, hearth_error *err)
{
    static const char *const known[] = {
        "command", "args",    "env",         "cwd",         "disabled",     "url", "type",
        "active",  "timeout", "alwaysAllow", "autoApprove", "allowedTools", "headers", "disabledTools", "name"};
    const char *field;
    const json_t *value;
    json_object_foreach(server, field, value)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], field) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            FAIL(err, EINVAL, "mcpServers", "mcpServers.%.64s.%.64s: there is no such field",
                 s->name, field);
    }
    return HEARTH_OK;
}

static hearth_status read_server(mcp_config *c, const char *name, json_t *server, hearth_error *err)
{
    mcp_server_config *s = &c->servers[c->n_servers];
    const json_t *cwd = json_object_get(server, "cwd");
    const json_t *active = json_object_get(server, "active");
    char *text;
    s->name = arena_text(&c->memory, name, strlen(name));
    if (s->name == NULL)
        return error_no_memory(err, "mcpServers", 0);
    if (!json_is_object(server))
        FAIL(err, EINVAL, "mcpServers", "mcpServers.%.64s: must be an object", name);
    TRY(check_fields(s, server, err));
    TRY(read_type(s, server, err));
    TRY(read_timeout(s, server, err));
    if (json_object_get(server, "url")) {
        TRY(read_address(c, s, server, err));
    } else {
        TRY(read_words(c, s, server, err));
        TRY(read_environment(c, s, json_object_get(server, "env"), err));
    }
    if (cwd && !json_is_string(cwd))
        return wrong(err, s->name, "cwd", "must be a text");
    if (cwd) {
        TRY(copy(c, cwd, &text, err));
        s->cwd = text;
    }
    s->disabled = json_is_true(json_object_get(server, "disabled")) || json_is_false(active);
    c->n_servers++;
    return HEARTH_OK;
}

static hearth_status read_all(mcp_config *c, json_t *root, hearth_error *err)
{
    json_t *servers = json_object_get(root, "mcpServers");
    const char *name;
    json_t *server;
    if (servers == NULL)
        servers = root;
    if (!json_is_object(servers))
        FAIL(err, EINVAL, "mcpServers", "mcpServers: must be an object");
    if (json_object_size(servers) > MCP_MAX_SERVERS)
        FAIL(err, EINVAL, "mcpServers", "mcpServers: %zu servers; %d are the most",
             json_object_size(servers), MCP_MAX_SERVERS);
    c->servers = arena_array(&c->memory, json_object_size(servers), sizeof *c->servers);
    if (c->servers == NULL)
        return error_no_memory(err, "mcpServers", 0);
    json_object_foreach(servers, name, server) TRY(read_server(c, name, server, err));
    return HEARTH_OK;
}

hearth_status mcp_config_read(mcp_config *c, const char *servers, hearth_error *err)
{
    json_error_t error;
    *c = (mcp_config){0};
    json_t *root = json_loads(servers, 0, &error);
    if (root == NULL)
        FAIL(err, EINVAL, "mcpServers", "mcpServers: the JSON is wrong at line %d, column %d: %s",
             error.line, error.column, error.text);
    hearth_status status = read_all(c, root, err);
    json_decref(root);
    if (status != HEARTH_OK)
        mcp_config_deinit(c);
    return status;
}

void mcp_config_deinit(mcp_config *c)
{
    arena_deinit(&c->memory);
    *c = (mcp_config){0};
}
