/* SPDX-License-Identifier: MIT
 *
 * arch.c - the registry of architectures.
 */
#include "model/arch_families.h"

#include <string.h>

static const arch *const all[] = {
#define X(name) &arch_##name,
    ARCH_LIST(X)
#undef X
};

const arch *arch_at(size_t i)
{
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}

const arch *arch_find(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strlen(all[i]->name) == n && memcmp(all[i]->name, name, n) == 0)
            return all[i];
    }
    return NULL;
}
