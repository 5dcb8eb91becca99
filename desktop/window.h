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

/* Whether a server that was started for the window goes on without it. */
typedef enum window_background {
    BACKGROUND_ASK, /* when the window is closed, unless the user has chosen before */
    BACKGROUND_KEEP,
    BACKGROUND_STOP
} window_background;

/* Shows the page until the window is closed. started: the server is there for this window; then
 * *stay is what `background` says, what was chosen (in the menu, or when it was asked; kept from
 * one time to the next), or FALSE where nobody could be asked. A server that was there before
 * stays. gtk_init_check() was called. */
window_end window_run(const char *address, gboolean started, window_background background,
                      gboolean *stay);

#endif
