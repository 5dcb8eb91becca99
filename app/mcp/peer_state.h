/* SPDX-License-Identifier: MIT
 *
 * peer_state.h - what peer.c (the thread and its process), remote.c (the same for a server at an
 * address), peer_tools.c (what a server tells) and peer_call.c (those who call) share.
 */
#ifndef HEARTH_MCP_PEER_STATE_H
#define HEARTH_MCP_PEER_STATE_H

#include "base/buf.h"
#include "mcp/process.h"
#include "mcp/peer.h"
#include "os/thread.h"

/* A call that waits, on its caller's stack. */
typedef struct pending {
    struct pending *next;
    int64_t id;
    bool done;
    json_t *result;      /* what came, or NULL: */
    hearth_error failed; /* why nothing came */
} pending;

typedef enum stage { STAGE_INITIALIZE, STAGE_LIST, STAGE_IDLE } stage;

struct mcp_peer {
    const mcp_server_config *config;
    const hearth_log *log;
    thread thread;
    int wake; /* an eventfd: there is something in the outbox, or the end */

    monitor door; /* over what follows */
    bool ending;
    mcp_state state;
    char *title, *instructions;
    char error[300];
    uint64_t n_starts, version;
    json_t *tools;
    buf outbox;
    pending *waiting;
    int64_t last_id;
    /* of a server at an address */
    char session[512], protocol[24]; /* "": none */
    bool lost;                       /* its session is gone, or nobody answers: begin anew */
    bool changed;                    /* its tools */

    /* of the thread alone */
    mcp_process process;
    stage stage;
    int64_t own_id;                   /* of the request that the stage waits for */
    bool list_again, tools_cut, told; /* told: why this process was given up */
    int n_pages;
    json_t *new_tools;
    buf inbox, errors;
    size_t n_looked;      /* bytes of the inbox without an end of line */
    uint64_t deadline_ns; /* of the stage */
};

/* ---- with the door locked ---- */

/* Takes the object into the outbox and wakes the thread. False: no memory, or no room. */
bool mcp_peer_post(mcp_peer *s, json_t *message);
/* A request; the object params is taken. */
bool mcp_peer_request(mcp_peer *s, int64_t id, const char *method, json_t *params);
bool mcp_peer_notify(mcp_peer *s, const char *method, json_t *params);

/* ---- of the thread, with the door open ---- */

/* Why the server cannot be used: kept, told, and logged. */
__attribute__((format(printf, 2, 3))) void mcp_peer_fail(mcp_peer *s, const char *format, ...);
json_t *mcp_peer_hello(void); /* the parameters of initialize */
/* Keeps what it says of itself in answer to that. */
void mcp_peer_introduce(mcp_peer *s, const json_t *result);
bool mcp_peer_begin_list(mcp_peer *s);
/* One answer to tools/list. *next: the cursor of the next page (borrowed), NULL after the last. */
bool mcp_peer_take_page(mcp_peer *s, const json_t *result, const char **next);
/* The tools are known: READY. */
void mcp_peer_publish(mcp_peer *s);
/* The server's own request: a ping is answered, anything else refused. */
void mcp_peer_answer(mcp_peer *s, json_t *id, const char *method);
bool mcp_peer_tells_change(const char *method);

/* ---- any thread ---- */

/* Takes the result out of an answer, or says in failed why there is none. */
void mcp_peer_settle(const mcp_peer *s, json_t *message, json_t **result, hearth_error *failed);
uint64_t mcp_peer_timeout_ms(const mcp_peer *s, const mcp_call_options *o);

#endif
