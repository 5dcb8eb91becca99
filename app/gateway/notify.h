/* SPDX-License-Identifier: MIT
 *
 * notify.h - telling the service manager how far the server is (systemd's notification socket:
 * sd_notify(3), "Standalone Implementations").
 */
#ifndef HEARTH_GATEWAY_NOTIFY_H
#define HEARTH_GATEWAY_NOTIFY_H

/* Sends "READY=1", "STOPPING=1" and the like to $NOTIFY_SOCKET; nothing happens without one. */
void notify_manager(const char *state);

#endif
