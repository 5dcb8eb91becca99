/* SPDX-License-Identifier: MIT
 *
 * downloads.h - the downloads of this run of the server: started, paused, ended by their number,
 * and told on the bus.
 *
 * Thread-safe. Those that have ended stay in the list until there are more than DOWNLOADS_MAX.
 */
#ifndef HEARTH_GATEWAY_DOWNLOADS_H
#define HEARTH_GATEWAY_DOWNLOADS_H

#include "gateway/state.h"
#include "library/pull.h"

enum { DOWNLOADS_MAX = 64 };

hearth_status downloads_new(downloads **out, gateway *g, hearth_error *err);
/* Stops what runs; what has come stays on the disk. NULL is fine. */
void downloads_free(downloads *all);

/* *id: its number, for the calls below. */
hearth_status downloads_start(downloads *all, const pull_options *options, uint64_t *id,
                              hearth_error *err);
/* ENOTFOUND. */
hearth_status downloads_status(downloads *all, uint64_t id, download_status *out,
                               hearth_error *err);
/* Ends it if it runs; what came stays unless it is to be discarded. */
void downloads_cancel(downloads *all, uint64_t id, bool discard);

#endif
