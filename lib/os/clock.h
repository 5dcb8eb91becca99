/* SPDX-License-Identifier: MIT
 *
 * clock.h - monotonic time.
 */
#ifndef HEARTH_OS_CLOCK_H
#define HEARTH_OS_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ns(void); /* monotonic, arbitrary origin */

#endif
