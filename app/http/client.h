/* SPDX-License-Identifier: MIT
 *
 * client.h - one HTTP request to somebody else: an engine on this machine, a model hub, a web page.
 *
 * What     An http_call is started, waited on for its head, and pulled for its body, each with a
 *          timeout, so that the thread that drives it can look after something else in between (a
 *          client that left). It may be started again after it ended: the connection is kept.
 * Threads  One thread at a time drives a call, whichever. http_call_cancel() may come from any
 *          other thread at any time before http_call_free().
 *
 * Proxies  https_proxy, http_proxy, all_proxy and no_proxy of the environment, in small or capital
 *          letters (http_proxy in small ones alone). Never for loopback and Unix sockets.
 *
 * TLS      The system's certificates, or those of SSL_CERT_FILE and SSL_CERT_DIR. Never unchecked.
 *
 * Redirects  Followed here, hop by hop, and not by libcurl:
 *   - `bearer` and `private_headers` go to the origin (scheme, host, port) of the URL alone;
 *   - https never becomes http;
 *   - a call that began at a public address never reaches loopback, private, link-local or other
 *     special addresses, whatever a name resolves to: the address is looked at when the connection
 *     is made. Where a proxy resolves the name, only a literal address can be looked at.
 */
#ifndef HEARTH_HTTP_CLIENT_H
#define HEARTH_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/log.h>

#include "base/buf.h"
#include "base/status.h"
#include "http/message.h"

typedef struct http_call http_call;

typedef enum http_redirects {
    HTTP_REDIRECT_NEVER = 0,       /* a 3xx is the answer */
    HTTP_REDIRECT_SAME_ORIGIN = 1, /* one that leads to another origin is the answer */
    HTTP_REDIRECT_FOLLOW = 2       /* by the rules above; at most HTTP_REDIRECTS_MAX */
} http_redirects;

enum { HTTP_REDIRECTS_MAX = 8, HTTP_CONNECT_TIMEOUT_MS = 15000 };

/* Zeroed is a GET of url that fails on a redirect. All texts and the body are copied. */
typedef struct http_call_options {
    const char *method; /* NULL: GET, or POST with a body */
    const char *url;    /* http or https; a user name in it is refused */
    const char *unix_socket;
    const char *const *headers; /* "Name: value", sent to every hop */
    size_t n_headers;
    const char *const *private_headers; /* to the URL's own origin alone, as cookies and keys are */
    size_t n_private_headers;
    const char *bearer; /* "Authorization: Bearer ..."; private. NULL: none */
    const void *body;   /* not sent on again by a redirect but 307 and 308 */
    size_t n_body;
    bool has_body; /* true with n_body 0: an empty body */
    http_redirects redirects;
    bool public_only;       /* addresses as after a redirect from a public one, from the start */
    int connect_timeout_ms; /* 0: HTTP_CONNECT_TIMEOUT_MS */
    int idle_timeout_ms;    /* fail after this long without a byte; 0: never */
    uint64_t max_body;      /* fail beyond so many bytes; 0: no limit */
    bool is_stream;         /* many small chunks are to be expected: they are read with less work */
    const hearth_log *log;  /* one line per hop, without the query; NULL: none */
} http_call_options;

/* Why a call failed, for those who try again. */
typedef enum http_problem {
    HTTP_PROBLEM_NONE = 0,
    HTTP_PROBLEM_CANCELED,
    HTTP_PROBLEM_RESOLVE,  /* the host's name, or the proxy's */
    HTTP_PROBLEM_CONNECT,  /* nobody listens, or no way there */
    HTTP_PROBLEM_TLS,      /* the certificate, or the handshake */
    HTTP_PROBLEM_TIMEOUT,  /* of connecting, or idle */
    HTTP_PROBLEM_LOST,     /* the connection broke, or the body ended early */
    HTTP_PROBLEM_PROTOCOL, /* not HTTP, or a head of too many bytes */
    HTTP_PROBLEM_LIMIT,    /* max_body */
    HTTP_PROBLEM_REFUSED,  /* by the rules of redirects and addresses */
    HTTP_PROBLEM_MEMORY
} http_problem;

hearth_status http_call_new(http_call **out, hearth_error *err);
/* What runs is cut off. NULL is fine. */
void http_call_free(http_call *call);

/* Begins a request; what ran before is cut off, its status, headers and error are gone. EINVAL for
 * a URL that is not http(s), or a header that holds a line break. Returns before connecting. A call
 * that was canceled stays so: ECANCELED. */
hearth_status http_call_start(http_call *call, const http_call_options *options, hearth_error *err);

/* Waits for status and headers. MORE: not yet; END: they are there; FAIL: see http_call_error().
 * timeout_ms below 0: for ever. */
http_pull http_call_head(http_call *call, int timeout_ms);

/* 0 until the head is there. */
int http_call_status(const http_call *call);
/* Of the last hop; name in any case; NULL if absent. Borrowed until the next start. */
const char *http_call_header(const http_call *call, const char *name);
size_t http_call_n_headers(const http_call *call);
void http_call_header_at(const http_call *call, size_t i, const char **name, const char **value);
/* The URL that answered, after redirects. */
const char *http_call_url(const http_call *call);

/* Appends what has come of the body since, after waiting for it no longer than timeout_ms. MORE
 * with nothing appended means: not yet. END: that was all of it. FAIL also when out is full. No
 * more than HTTP_CLIENT_AHEAD bytes are read ahead of the puller. */
enum { HTTP_CLIENT_AHEAD = 256 * 1024 };
http_pull http_call_pull(http_call *call, int timeout_ms, buf *out);
/* The descriptor that is readable when there may be more of the body. -1: there is none that tells
 * (the call has ended, has bytes already, or is ciphered), and pull has to be called. */
int http_call_fd(const http_call *call);

/* Of a call that failed: its status, the message in err. OK if it did not. */
hearth_status http_call_error(const http_call *call, hearth_error *err);
http_problem http_call_problem(const http_call *call);

/* Any thread. The call fails at once with HTTP_PROBLEM_CANCELED, and cannot be started again. */
void http_call_cancel(http_call *call);

/* Reads what is left of a call that was started into `body` (its ceiling holds), within timeout_ms
 * altogether (0: only the timeouts of options). The HTTP status is http_call_status()'s to tell. */
hearth_status http_call_read(http_call *call, int timeout_ms, buf *body, hearth_error *err);
/* Starts the call and reads the whole. */
hearth_status http_call_fetch(http_call *call, const http_call_options *options, int timeout_ms,
                              buf *body, hearth_error *err);

/* Waits that many milliseconds unless the call is canceled meanwhile: false. */
bool http_call_sleep(http_call *call, int ms);

#endif
