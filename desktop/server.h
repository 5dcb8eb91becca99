/* SPDX-License-Identifier: MIT
 *
 * server.h - the `hearth serve` that the window shows: found, or started and ended again.
 *
 * The window is no part of the server. It asks the program `hearth` for the address, so that what a
 * shell does by hand and what a click does are one way.
 */
#ifndef HEARTH_DESKTOP_SERVER_H
#define HEARTH_DESKTOP_SERVER_H

#include <glib.h>

typedef struct server {
    char *program; /* the path or name of `hearth` */
    char *address; /* of the page, with the token */
    GPid started;  /* by us; 0: it was there */
} server;

/* Finds the running server, or starts one and waits until it answers. *s is zeroed by the caller;
 * server_forget frees it in any case. */
gboolean server_find(server *s, GError **error);
/* Ends the server if it was started here, unless it is to stay. */
void server_forget(server *s, gboolean stay);

/* A file of Hearth's state folder, whose folder is made. The caller's (g_free). */
char *server_state_file(const char *name);

#endif
