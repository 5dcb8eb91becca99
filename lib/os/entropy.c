/* SPDX-License-Identifier: MIT
 *
 * entropy.c - see entropy.h.
 */
#include "os/entropy.h"

#include <sys/random.h>

#include "os/clock.h"

uint32_t entropy_u32(void)
{
    uint32_t value;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) == (ssize_t)sizeof value)
        return value;
    uint64_t now = clock_now_ns();
    return (uint32_t)(now ^ now >> 32);
}
