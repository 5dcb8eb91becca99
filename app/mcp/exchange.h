/* SPDX-License-Identifier: MIT
 *
 * exchange.h - one message to a server at an address and what comes back for it, or the stream of
 * what it says unasked.
 *
 * One thread at a time. Waits are short and ask the options' go_on between them.
 */
#ifndef HEARTH_MCP_EXCHANGE_H
#define HEARTH_MCP_EXCHANGE_H

#include "http/client.h"
#include "http/sse.h"
#include "mcp/peer_state.h"

typedef struct exchange {
    mcp_peer *s;
    const mcp_call_options *options; /* go_on; NULL: always */
    uint64_t deadline_ns;            /* 0: none */
    http_call *call;
    sse_reader events;
    char session[512], protocol[24];
    char last_id[256]; /* of the last event; "": none */
    int64_t id;        /* of the answer that is waited for; 0: none */
    json_t *reply;     /* that answer */
    bool is_stream;    /* what comes are events */
    bool lost;         /* the server does not know the session (404, 400) */
    bool unreachable;  /* the server did not take the message, or the connection broke */
    bool gave_up;      /* canceled, or too late: the server may still work at it */
} exchange;

/* options and s are borrowed. On failure, too, exchange_close() may be called. */
hearth_status exchange_open(exchange *x, mcp_peer *s, const mcp_call_options *options,
                            uint64_t deadline_ns, hearth_error *err);
void exchange_close(exchange *x);

/* Sends a message (NULL: out of memory). With an id, waits for its answer: reply. */
hearth_status exchange_post(exchange *x, const json_t *message, int64_t id, hearth_error *err);
/* Keeps the session that the answer to initialize named. */
void exchange_keep_session(exchange *x);

/* Begins to listen for what is said unasked, after the last event that was heard. */
hearth_status exchange_listen(exchange *x, hearth_error *err);
/* Hears for so long. END: the stream is over; without is_stream the server has none. */
http_pull exchange_hear(exchange *x, int timeout_ms, hearth_error *err);

/* Tells the server that the session is over, as far as the deadline lets it. */
void exchange_end_session(exchange *x);

#endif
