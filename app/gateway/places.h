/* SPDX-License-Identifier: MIT
 *
 * places.h - where the server and the programs that ask it keep their files (XDG Base Directory).
 */
#ifndef HEARTH_GATEWAY_PLACES_H
#define HEARTH_GATEWAY_PLACES_H

#include "base/status.h"

typedef enum place {
    PLACE_CONFIG, /* $XDG_CONFIG_HOME/hearth, or ~/.config/hearth */
    PLACE_DATA,   /* $XDG_DATA_HOME/hearth, or ~/.local/share/hearth */
    PLACE_STATE,  /* $XDG_STATE_HOME/hearth, or ~/.local/state/hearth */
    PLACE_CACHE   /* $XDG_CACHE_HOME/hearth, or ~/.cache/hearth */
} place;

/* The path of `name` in there, for mem_free; name NULL: of the folder. EINVAL without a home. */
hearth_status place_path(place where, const char *name, char **out, hearth_error *err);

/* Makes the folder, and those above it, for this user alone unless they are there. */
hearth_status place_make(const char *folder, hearth_error *err);

#endif
