/* SPDX-License-Identifier: MIT
 *
 * ask.h - questions to the `hearth serve` of this user: where it is and which key it takes is told
 * by the files that it leaves (gateway.h).
 */
#ifndef HEARTH_CLI_ASK_H
#define HEARTH_CLI_ASK_H

#include <jansson.h>

#include "base/status.h"

enum { ASK_FOR_EVER = 0, ASK_QUICK_MS = 10000 };

/* GET path, or POST with body (taken, also on failure; NULL: GET). *answer is the caller's.
 * ENOTFOUND if no server runs; the server's own error with its message otherwise. */
hearth_status ask_server(const char *path, json_t *body, int timeout_ms, json_t **answer,
                         hearth_error *err);

#endif
