/* SPDX-License-Identifier: MIT
 *
 * via.h - remote models whose address leads back to this server.
 *
 * A request to another server carries the ids of all the Hearths that it went through, this one's
 * last. One that comes in with our id in that list would go round until all connections are in use,
 * so it is answered 508. An address that is plainly our own is refused before: in the settings.
 *
 * Everything here but via_new_id is pure.
 */
#ifndef HEARTH_GATEWAY_VIA_H
#define HEARTH_GATEWAY_VIA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define VIA_HEADER "X-Hearth-Via"

enum { VIA_ID_BYTES = 20, VIA_LINE_BYTES = 512 };

hearth_status via_new_id(char out[VIA_ID_BYTES], hearth_error *err);

/* The header of a request that is sent on; via: that of the one that came in, or NULL. */
const char *via_line(const char *id, const char *via, char out[VIA_LINE_BYTES]);

/* Whether the list has that id, or is longer than any that was meant. */
bool via_is_loop(const char *id, const char *via);

/* Whether a URL leads to a server that is bound to that host and port. bound: as --host takes it.
 */
bool via_is_own_address(const char *url, const char *bound, uint16_t port);

#endif
