/* SPDX-License-Identifier: MIT
 *
 * address.h - the file that tells this user's programs where the server is: {"url", "pid"}.
 *
 * A server holds a lock on its file while it lives, which the kernel takes away when it dies. So a
 * file that nobody holds names nobody, even where its process id lives again as another program,
 * and no key is sent to what listens at its address now.
 */
#ifndef HEARTH_GATEWAY_ADDRESS_H
#define HEARTH_GATEWAY_ADDRESS_H

#include "base/status.h"

/* Writes and holds the file: *fd for address_withdraw. EBUSY, and the file stays as it is, if it is
 * another living server's. */
hearth_status address_publish(const char *path, const char *url, int *fd, hearth_error *err);

/* Removes the file, if it is still the one that was published. fd -1: nothing was. */
void address_withdraw(const char *path, int fd);

/* ENOTFOUND if there is no file that a living server of this user holds. */
hearth_status address_check(const char *path, hearth_error *err);

#endif
