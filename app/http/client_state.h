/* SPDX-License-Identifier: MIT
 *
 * client_state.h - the inside of an HTTP call: client.c starts and drives it, client_hop.c makes
 * each of its hops.
 */
#ifndef HEARTH_HTTP_CLIENT_STATE_H
#define HEARTH_HTTP_CLIENT_STATE_H

#include <stdatomic.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "http/client.h"
#include "http/origin.h"
#include "http/unchunk.h"

enum {
    HEADERS_MAX = 128,
    HEAD_BYTES_MAX = 64 * 1024,
    REDIRECT_BODY_MAX = 64 * 1024, /* of a redirect: more is not worth a kept connection */
    DIRECT_BYTES = 16 * 1024,
    DIRECT_TURN_MS = 100, /* how soon a cancel is seen by who reads without libcurl */
    TURN_MS = 1000        /* how often the idle time is looked at */
};

typedef struct header_place {
    uint32_t name, value; /* offsets into head */
} header_place;

struct http_call {
    CURLM *multi;
    CURL *easy;
    bool attached;
    atomic_bool canceled;

    /* The request. */
    char *method, *url, *unix_socket, *bearer;
    struct curl_slist *headers, *private_headers, *sent; /* sent: of this hop */
    char *body;
    size_t n_body;
    bool has_body;
    http_redirects redirects;
    int connect_timeout_ms, idle_timeout_ms;
    uint64_t max_body;
    hearth_log log;

    /* The hop. */
    origin first, here;
    unsigned n_hops;
    const char *proxy; /* of the environment */
    bool guarded;      /* only public addresses */
    bool began_public, refused;
    bool redirecting; /* location is to be followed */
    char *location;
    int fd;             /* of the last socket that was made */
    unsigned n_sockets; /* that were made for it */

    /* The answer. */
    buf head;
    header_place at[HEADERS_MAX];
    size_t n_headers;
    int status;
    bool have_head, done;
    buf pending;
    bool paused;
    bool is_direct, is_framed; /* asked for; libcurl leaves the chunks in */
    bool is_ours;              /* fd is read here, and libcurl is not asked any more */
    unchunk chunks;
    char reason[CURL_ERROR_SIZE]; /* what libcurl says of a failure */
    uint64_t n_received, n_thrown_away, active_ns;
    http_problem problem;
    hearth_error error;
};

/* The first reason is the one that counts. May be called by what libcurl calls, where a transfer
 * cannot be taken out: drive() does that. */
void client_fail(http_call *call, http_problem problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void client_detach(http_call *call);

/* Begins a transfer to call->here, or fails. */
void client_begin_hop(http_call *call);
/* Goes where the redirect leads that has ended, or fails. */
void client_follow(http_call *call);
void client_forget_head(http_call *call);
/* Bytes of the body, as they came. False: the call has failed. */
bool client_take(http_call *call, const char *bytes, size_t n);
/* Reads what is there of a body that is_ours. */
void client_read_direct(http_call *call);
/* False: out of memory. */
bool client_append(struct curl_slist **list, const char *line);

#endif
