/* SPDX-License-Identifier: MIT
 *
 * gateway.h - `hearth serve`: the page, the chats, the library and the engines behind one port.
 *
 * What     One process: an HTTP server whose handlers run on a thread for each connection, the
 *          runtime's actor, the library, the store. It never maps weights; a model that crashes
 *          takes its engine along and nothing else.
 * Host     The program that runs it says how it is interrupted and where messages go. It owns no
 *          signal handler and prints nothing but through `tell`.
 */
#ifndef HEARTH_GATEWAY_GATEWAY_H
#define HEARTH_GATEWAY_GATEWAY_H

#include <hearth/log.h>

#include "gateway/options.h"

typedef struct gateway_host {
    const void *builtin; /* the GGUF bytes of the built-in model */
    size_t n_builtin;
    const char *builtin_name;
    const char *engine_path; /* the executable that has `engine`; NULL: this one */
    bool port_may_move;      /* the next free port will do */
    hearth_log log;          /* called from many threads */
    bool (*interrupted)(void);
    bool (*is_urgent)(void); /* and is not to wait for running answers */
    void (*wait)(void);      /* until interrupted */
    /* It serves: url is its address, page the one to open (with the token). */
    void (*tell)(const char *url, const char *page);
} gateway_host;

/* Runs until it is interrupted (OK), or fails. */
hearth_status gateway_run(const config *c, const gateway_host *host, hearth_error *err);

/* The file that tells other programs of this user where the server is, {"url", "pid"}, and the one
 * with the key; for mem_free. */
hearth_status gateway_address_path(char **out, hearth_error *err);
hearth_status gateway_key_path(char **out, hearth_error *err);

#endif
