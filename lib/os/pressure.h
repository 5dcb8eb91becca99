/* SPDX-License-Identifier: MIT
 *
 * pressure.h - being told when memory is short.
 *
 * Linux tells when tasks have waited for memory for a tenth of the last two seconds (pressure stall
 * information, Documentation/accounting/psi.rst): before anything is killed, and at no cost until
 * then. That counts all tasks of the machine, those of this process's control group among them.
 */
#ifndef HEARTH_OS_PRESSURE_H
#define HEARTH_OS_PRESSURE_H

#include <stdbool.h>

#include "base/status.h"

typedef struct pressure pressure;

/* EUNSUPPORTED where the kernel does not tell, or not to this user. */
hearth_status pressure_open(pressure **out, hearth_error *err);
void pressure_close(pressure *p);

/* Waits until memory is short; false: pressure_stop was called, or nothing more will be told. At
 * most every two seconds. One thread. */
bool pressure_wait(pressure *p);
/* Ends the waiting, now and from now on. Any thread. */
void pressure_stop(pressure *p);

#endif
