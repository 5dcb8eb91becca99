/* SPDX-License-Identifier: MIT
 *
 * wtype.c - see wtype.h.
 */
#include "base/wtype.h"

#include <strings.h>

#include "base/checked.h"

static const wtype_info infos[WTYPE_COUNT] = {
#define X(name, id, text, elements, bytes, class)                                                  \
    [WTYPE_##name] = {text, id, elements, bytes, WTYPE_CLASS_##class},
#include "base/wtype.def"
#undef X
};

const wtype_info *wtype_get(wtype type)
{
    return &infos[type];
}

bool wtype_from_gguf(uint32_t gguf_id, wtype *type)
{
    for (int i = 0; i < WTYPE_COUNT; i++) {
        if (infos[i].gguf_id == gguf_id) {
            *type = (wtype)i;
            return true;
        }
    }
    return false;
}

bool wtype_from_name(const char *name, wtype *type)
{
    for (int i = 0; i < WTYPE_COUNT; i++) {
        if (strcasecmp(infos[i].name, name) == 0) {
            *type = (wtype)i;
            return true;
        }
    }
    return false;
}

bool wtype_row_bytes(wtype type, uint64_t k, uint64_t *bytes)
{
    const wtype_info *info = &infos[type];
    if (k % info->block_elements != 0)
        return false;
    return checked_mul(k / info->block_elements, info->block_bytes, bytes);
}
