/* SPDX-License-Identifier: MIT
 *
 * window.h - a window around the page: WebKitGTK, no more than a frame.
 */
#ifndef HEARTH_DESKTOP_WINDOW_H
#define HEARTH_DESKTOP_WINDOW_H

#include <glib.h>

typedef enum window_end {
    WINDOW_CLOSED,
    WINDOW_BROKEN /* the page was not shown: the browser may do better */
} window_end;

/* Shows the page until the window is closed. *stay: whether the server is to go on without a
 * window; the user's choice, kept from one time to the next. gtk_init_check() was called. */
window_end window_run(const char *address, gboolean *stay);

#endif
