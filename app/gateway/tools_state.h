/* SPDX-License-Identifier: MIT
 *
 * tools_state.h - what tools.c (the servers) and tools_use.c (their tools) share.
 *
 * Whoever changes the list has the turn, over the store's write, and locks the door only for the
 * moment of the change: readers take the door alone. So a reader never waits for a disk.
 */
#ifndef HEARTH_GATEWAY_TOOLS_STATE_H
#define HEARTH_GATEWAY_TOOLS_STATE_H

#include "gateway/tools.h"
#include "mcp/mcp.h"
#include "os/thread.h"

/* To one server; closed with the last reference. */
typedef struct connection {
    mcp *mcp;
    int n_refs; /* by the door */
} connection;

typedef struct tool_server {
    char id[TOOLS_ID_MAX + 1];
    json_t *config;         /* immutable; replaced as a whole */
    connection *connection; /* NULL: none is wanted */
} tool_server;

struct tools {
    gateway *g;
    pthread_mutex_t turn; /* before the door */
    monitor door;         /* over what follows */
    tool_server servers[MCP_MAX_SERVERS];
    size_t n;
};

/* With the door locked, or the turn taken; NULL: none. */
tool_server *tools_locked_find(tools *t, const char *id);
/* With the door locked: a reference to its connection; false: it has none. */
bool tools_locked_take(tool_server *s, connection **out);
/* With the door open; NULL is fine. */
void tools_release(tools *t, connection *c);

#endif
