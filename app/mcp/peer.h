/* SPDX-License-Identifier: MIT
 *
 * peer.h - one server: its process, the thread that talks with it, and calls that wait.
 *
 *   start ── initialize ── tools/list, page by page ── ready ──(tools changed)── tools/list ...
 *     ^                                                  |
 *     '──────────────── wait, longer each time ──── the process ended, or did not answer in time
 */
#ifndef HEARTH_MCP_PEER_H
#define HEARTH_MCP_PEER_H

#include <jansson.h>

#include "mcp/config.h"

typedef struct mcp_peer mcp_peer;

/* config and log are borrowed until the end. */
hearth_status mcp_peer_new(mcp_peer **out, const mcp_server_config *config, const hearth_log *log,
                           hearth_error *err);
/* In two steps, so that all servers end at the same time. NULL is fine. */
void mcp_peer_end(mcp_peer *s);
void mcp_peer_free(mcp_peer *s);

/* Copies of texts go to a. */
hearth_status mcp_peer_describe(mcp_peer *s, arena *a, mcp_server *out, hearth_error *err);
/* A new reference to a copy of the tools as the server gave them; an empty array unless ready. */
json_t *mcp_peer_tools(mcp_peer *s, uint64_t *version);

/* Gives the call's result as the server gave it (json_decref). */
hearth_status mcp_peer_call(mcp_peer *s, const char *tool, const mcp_call_options *options,
                            json_t **out, hearth_error *err);

#endif
