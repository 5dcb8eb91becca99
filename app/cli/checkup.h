/* SPDX-License-Identifier: MIT
 *
 * checkup.h - what `hearth doctor` looks at beside the machine: folders, devices, the port. Each
 * finding says what to do; nothing is changed.
 */
#ifndef HEARTH_CLI_CHECKUP_H
#define HEARTH_CLI_CHECKUP_H

#include <jansson.h>
#include <stdbool.h>

/* [{name, path, usable, free, problem}] of the folders of data (data_dir, or the usual one if
 * NULL), models, configuration, state and cache: may files be made there, and others not write to
 * them. problem: null, or what it is and the way out. */
json_t *checkup_folders(const char *data_dir, const char *models_dir);

/* [{path, problem}] of GPUs' devices that are there and cannot be used. */
json_t *checkup_devices(void);

/* Whether nobody listens on that port of 127.0.0.1. */
bool checkup_port_is_free(int port);

#endif
