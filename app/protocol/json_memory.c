/* SPDX-License-Identifier: MIT
 *
 * json_memory.c - see json_memory.h.
 */
#include "protocol/json_memory.h"

#include <jansson.h>

#include "base/mem.h"

static _Thread_local bool failed;

static void *take(size_t n)
{
    void *p = failed ? NULL : mem_alloc(n);
    failed = failed || p == NULL;
    return p;
}

void json_memory_install(void)
{
    json_set_alloc_funcs(take, mem_free);
}

void json_memory_begin(void)
{
    failed = false;
}

bool json_memory_failed(void)
{
    return failed;
}
