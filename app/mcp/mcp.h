/* SPDX-License-Identifier: MIT
 *
 * mcp.h - tools of Model Context Protocol servers: a client for programs that speak it over their
 * standard input and output, and for servers at an address (streamable HTTP).
 *
 * What     From the `mcpServers` object that other programs use, too: for each server a process is
 *          started, asked for its tools, and asked again when it says that they changed. A process
 *          that ends or does not answer is started again, after 1 s, then 2 s and so on up to
 *          MCP_BACKOFF_MAX_MS; it never holds up anybody but those who call its own tools.
 *          {"NAME": {"command": "npx", "args": ["-y", "..."], "env": {"KEY": "..."},
 *           "cwd": "/path", "disabled": true}}
 *          The program is found by PATH; no shell is between. It runs with this process's
 *          environment and `env` over it.
 *          {"NAME": {"url": "https://...", "headers": {"Authorization": "Bearer ..."}}}
 *          Headers go to that origin alone, also after a redirect. `timeout`: seconds of a call.
 * Trust    What a server says (names, descriptions, results) is anybody's text. Its process can do
 *          what its user can.
 * Limits   A message of MCP_MAX_MESSAGE_BYTES; MCP_MAX_TOOLS tools of a server; what is beyond is
 *          left out, and told in the server's error.
 * Threads  Everything is thread-safe. mcp_call() blocks its caller, at most timeout_ms, and asks
 *          go_on() every MCP_POLL_MS. Each server has a thread of its own.
 * Protocol https://modelcontextprotocol.io/specification/2025-06-18, both transports.
 */
#ifndef HEARTH_MCP_MCP_H
#define HEARTH_MCP_MCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/log.h>

#include "base/status.h"

enum {
    MCP_START_TIMEOUT_MS = 60000, /* until the tools are known: a first npx downloads something */
    MCP_CALL_TIMEOUT_MS = 120000,
    MCP_BACKOFF_MAX_MS = 60000,
    MCP_POLL_MS = 100,
    MCP_MAX_SERVERS = 64,
    MCP_MAX_TOOLS = 512,
    MCP_MAX_HEADERS = 32,
    MCP_MAX_MESSAGE_BYTES = 32 << 20
};

typedef struct mcp mcp;

/* Starts the servers of a JSON object as above, with or without {"mcpServers": ...} around it.
 * Returns before any has answered. EINVAL tells what is wrong with which server. log may be NULL.
 */
hearth_status mcp_open(mcp **out, const char *servers, const hearth_log *log, hearth_error *err);
/* Ends the servers: closes their input, and kills those (and what they started) that do not end.
 * Takes 2 s at the most. No call may be running. NULL is fine. */
void mcp_close(mcp *m);

/* ---- what there is ---- */

typedef enum mcp_state {
    MCP_STARTING, /* has not told its tools yet */
    MCP_READY,
    MCP_FAILED, /* has ended, and is started again; error says why */
    MCP_DISABLED
} mcp_state;
const char *mcp_state_name(mcp_state state); /* "starting" ... */

typedef struct mcp_server {
    const char *name;
    mcp_state state;
    const char *title;        /* what it calls itself: "name version"; "" before it is ready */
    const char *instructions; /* for the model; "" if it has none */
    const char *error;        /* the last one, "" if there is none */
    size_t n_tools;
    uint64_t n_starts;
} mcp_server;

typedef struct mcp_servers {
    mcp_server *items;
    size_t n;
    void *memory;
} mcp_servers;
hearth_status mcp_list_servers(mcp *m, mcp_servers *out, hearth_error *err);
void mcp_servers_free(mcp_servers *list);

typedef struct mcp_tool {
    const char *id;     /* "SERVER__TOOL" of letters, digits, '_' and '-', 64 at the most; unique */
    const char *server; /* its name in the configuration */
    const char *name;   /* what the server calls it */
    const char *title, *description; /* "" if it has none */
    const char *schema;              /* of its arguments: a JSON object */
    const char *annotations;         /* a JSON object, "" if it has none: hints, not promises */
} mcp_tool;

typedef struct mcp_tools {
    mcp_tool *items;
    size_t n;
    uint64_t version; /* another one when the tools of any server changed */
    void *memory;
} mcp_tools;
/* Of the servers that are ready, in the order of the configuration. */
hearth_status mcp_list_tools(mcp *m, mcp_tools *out, hearth_error *err);
void mcp_tools_free(mcp_tools *list);

/* ---- calling ---- */

typedef enum mcp_kind { MCP_TEXT, MCP_IMAGE, MCP_AUDIO, MCP_RESOURCE } mcp_kind;

typedef struct mcp_part {
    mcp_kind kind;
    const char *text; /* TEXT, and a RESOURCE that is text */
    const char *data; /* IMAGE, AUDIO and other RESOURCEs: base64 as it came */
    const char *type; /* "image/png" */
    const char *uri;  /* RESOURCE */
} mcp_part;

typedef struct mcp_result {
    mcp_part *parts;
    size_t n_parts;
    const char *structured; /* a JSON object, "" if there is none */
    bool is_error;          /* the tool says that it failed; the parts say why */
    void *memory;
} mcp_result;
void mcp_result_free(mcp_result *result);

typedef struct mcp_call_options {
    const char *arguments;     /* a JSON object; NULL: {} */
    uint32_t timeout_ms;       /* 0: the server's `timeout`, or MCP_CALL_TIMEOUT_MS */
    bool (*go_on)(void *user); /* false: cancel. NULL: always */
    void *user;
} mcp_call_options;

/* Calls the tool called id, waiting for its server if that is starting. ENOTFOUND: no such tool.
 * EIO: the server ended, answered with an error, or took longer than timeout_ms; it is told that
 * nobody waits any more. ECANCELED: go_on() said so. */
hearth_status mcp_call(mcp *m, const char *id, const mcp_call_options *options, mcp_result *out,
                       hearth_error *err);

#endif
