/* SPDX-License-Identifier: MIT
 *
 * handlers.h - the handlers of all routes, declared from their table.
 */
#ifndef HEARTH_GATEWAY_HANDLERS_H
#define HEARTH_GATEWAY_HANDLERS_H

#include "gateway/state.h"

#define HEARTH(method, path, scope, handler, summary) gateway_handler handler;
#define OLLAMA(method, path, scope, handler, summary) gateway_handler handler;
#define ENGINE(method, path, api, handler, summary) gateway_handler handler;
#include "gateway/routes.def"
#undef HEARTH
#undef OLLAMA
#undef ENGINE

/* Of the page's files, for GETs of any other path. */
gateway_handler serve_page;

#endif
