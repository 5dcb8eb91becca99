/* SPDX-License-Identifier: MIT
 *
 * malformed.h - the answer to what libmicrohttpd finds to be no request.
 *
 * Why      It answers that itself, with a page of HTML, and some versions write the head of that
 *          answer twice. Clients of these APIs want JSON.
 * What     libmicrohttpd says on its log, from the connection's thread and before it answers, which
 *          status it will send. The answer is sent here then and the socket shut, so that its own
 *          goes nowhere. What it cannot be helped with keeps its page: a request line that names no
 *          target, since nothing tells then whose thread it is, and TLS.
 * Threads  the connection's.
 */
#ifndef HEARTH_HTTP_MALFORMED_H
#define HEARTH_HTTP_MALFORMED_H

#include <stdarg.h>

#include "http/exchange.h"

/* For MHD_OPTION_URI_LOG_CALLBACK: remembers who this thread serves. */
void *malformed_note(void *server, const char *target, struct MHD_Connection *mhd);

/* A message of libmicrohttpd's log. */
void malformed_tell(http_server *server, const char *format, va_list args);

#endif
