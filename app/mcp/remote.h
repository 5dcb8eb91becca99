/* SPDX-License-Identifier: MIT
 *
 * remote.h - a server at an address: the streamable HTTP transport.
 *
 * What     Every message to the server is a POST of its own, and its answer comes as JSON or as a
 *          stream of events; who calls a tool sends and waits itself. The thread of the server
 *          begins the session, reads the tools, and then listens (a GET) for what the server says
 *          unasked, if it has such a stream.
 * Broken   A session that the server does not know any more (404; some say 400) is begun anew, and
 *          the call that found out is sent again, once. A stream of events that breaks off is taken
 *          up again where its last event had an id.
 *
 * https://modelcontextprotocol.io/specification/2025-06-18/basic/transports
 */
#ifndef HEARTH_MCP_REMOTE_H
#define HEARTH_MCP_REMOTE_H

#include "mcp/peer_state.h"

/* The life of one session, on the peer's thread; true: begin the next one at once. */
bool mcp_remote_run(mcp_peer *s);

/* As mcp_peer_call; takes params. */
hearth_status mcp_remote_call(mcp_peer *s, json_t *params, const mcp_call_options *options,
                              json_t **out, hearth_error *err);

#endif
