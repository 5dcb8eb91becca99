/* SPDX-License-Identifier: MIT
 *
 * ask.h - questions to the `hearth serve` of this user: where it is and which key it takes is told
 * by the files that it leaves (gateway.h).
 */
#ifndef HEARTH_CLI_ASK_H
#define HEARTH_CLI_ASK_H

#include <jansson.h>

#include "base/status.h"
#include "http/client.h"

enum { ASK_FOR_EVER = 0, ASK_QUICK_MS = 10000 };

/* GET path, or POST with body (taken, also on failure; NULL: GET). *answer is the caller's.
 * ENOTFOUND if no server runs; the server's own error with its message otherwise. */
hearth_status ask_server(const char *path, json_t *body, int timeout_ms, json_t **answer,
                         hearth_error *err);

/* The same for an answer that comes in pieces: returns when its head is there, with status 200, for
 * http_call_pull and http_call_free. ECANCELED after Ctrl-C. */
hearth_status ask_stream(const char *path, json_t *body, http_call **out, hearth_error *err);

#endif
