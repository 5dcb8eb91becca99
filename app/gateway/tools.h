/* SPDX-License-Identifier: MIT
 *
 * tools.h - the servers of tools (Model Context Protocol) that this server knows, what their tools
 * may do, and calls of them.
 *
 * What     The servers are kept as one `mcpServers` object, as other programs have it, in the
 *          store's setting "mcp". Its key is a server's id. Beside what mcp.h reads: `allowedTools`
 *          (the others are not offered to models; absent: all), `alwaysAllow` (called without
 *          asking), `disabledTools` (never called), `name` (to be shown).
 * Asking   A tool asks before it runs unless it is in alwaysAllow, or was allowed for the chat
 *          (chat_tools.h).
 * Threads  Thread-safe. A server that is changed or taken away is closed when its last call ended.
 */
#ifndef HEARTH_GATEWAY_TOOLS_H
#define HEARTH_GATEWAY_TOOLS_H

#include "gateway/state.h"

enum { TOOLS_ID_MAX = 24, TOOLS_CALL_ID_BYTES = 80 };

/* A damaged setting is logged, and no server runs. */
hearth_status tools_new(tools **out, gateway *g, hearth_error *err);
void tools_free(tools *t); /* no call may be running. NULL is fine */

/* ---- the servers ---- */

/* As the API describes them; NULL: out of memory. */
json_t *tools_list(tools *t);
/* ENOTFOUND. */
hearth_status tools_describe(tools *t, const char *id, json_t **out, hearth_error *err);
/* Adds all of an `mcpServers` object, or none. EMISMATCH: one of that id is there. */
hearth_status tools_add(tools *t, json_t *servers, hearth_error *err);
/* Merges `changes` (null takes a member out) into a server's object. */
hearth_status tools_change(tools *t, const char *id, json_t *changes, hearth_error *err);
hearth_status tools_remove(tools *t, const char *id, hearth_error *err);
/* Until the next start of this server; on is also "once more". */
hearth_status tools_connect(tools *t, const char *id, bool on, hearth_error *err);

/* The id that a name becomes: of letters, digits, '-' and single '_'. False: nothing is left. */
bool tools_id_of(const char *name, char out[TOOLS_ID_MAX + 1]);

/* ---- the tools ---- */

typedef enum tool_approval { TOOL_ASK, TOOL_ALWAYS, TOOL_NEVER } tool_approval;
const char *tool_approval_name(tool_approval approval);
bool tool_approval_find(const char *name, tool_approval *out);

/* [{name, description, input_schema, approval, allowed}] of one server; NULL with err. */
json_t *tools_of(tools *t, const char *id, hearth_error *err);
/* Of a tool by its own name in that server. */
hearth_status tools_approve(tools *t, const char *id, const char *name, tool_approval approval,
                            hearth_error *err);

/* What models may use now, in the form of OpenAI's requests; NULL: out of memory. */
json_t *tools_offer(tools *t);

typedef struct tool_about {
    char server[TOOLS_ID_MAX + 1];
    char name[256];
    tool_approval approval;
} tool_about;
/* call: "SERVER__TOOL" as it was offered. False: there is none, or it may not be used. */
bool tools_find(tools *t, const char *call, tool_about *out);

/* Calls it, and appends what it says, as text. *failed: the tool says that it did. ECANCELED:
 * go_on() said so. */
hearth_status tools_call(tools *t, const char *call, const char *arguments,
                         bool (*go_on)(void *user), void *user, buf *out, bool *failed,
                         hearth_error *err);

#endif
