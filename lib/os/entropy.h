/* SPDX-License-Identifier: MIT
 *
 * entropy.h - random bits from the operating system.
 */
#ifndef HEARTH_OS_ENTROPY_H
#define HEARTH_OS_ENTROPY_H

#include <stdint.h>

/* Never fails: a kernel that has none to give yet is answered with the clock, so this is for seeds
 * of random numbers and not for keys. */
uint32_t entropy_u32(void);

#endif
