/* SPDX-License-Identifier: MIT
 *
 * config.h - the `mcpServers` object, read and checked.
 */
#ifndef HEARTH_MCP_CONFIG_H
#define HEARTH_MCP_CONFIG_H

#include "mcp/mcp.h"
#include "protocol/arena.h"

typedef struct mcp_server_config {
    const char *name;
    char **argv;        /* NULL at the end */
    char **environment; /* the same; this process's, with the server's own over it */
    const char *cwd;    /* NULL: this process's */
    const char *url;    /* instead of a program; NULL: there is one */
    char **headers;     /* "Name: value" of every request to it */
    size_t n_headers;
    uint32_t timeout_ms; /* of a call; 0: MCP_CALL_TIMEOUT_MS */
    bool disabled;
} mcp_server_config;

typedef struct mcp_config {
    arena memory;
    mcp_server_config *servers;
    size_t n_servers;
} mcp_config;

/* EINVAL "mcpServers.NAME.FIELD: ...". */
hearth_status mcp_config_read(mcp_config *c, const char *servers, hearth_error *err);
void mcp_config_deinit(mcp_config *c);

#endif
