/* SPDX-License-Identifier: MIT
 *
 * place.c - see place.h.
 */
#include "base/place.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 384 };

void place_cut(char where[PLACE_BYTES], const char *path)
{
    size_t n = strlen(path);
    if (n >= PLACE_BYTES) {
        for (n = PLACE_BYTES - 1; n > 0 && strchr("/.[", path[n]) == NULL;)
            n--;
    }
    memcpy(where, path, n);
    where[n] = '\0';
}

hearth_status place_error(hearth_error *err, hearth_status code, const char *place,
                          const hearth_error *inner)
{
    char path[PATH_BYTES], where[PLACE_BYTES], mark[PLACE_BYTES + 2];
    if (inner->code == HEARTH_ENOMEM)
        return error_set(err, inner->code, inner->where, "%s", inner->message);
    bool has_pointer = inner->where[0] == '/' && inner->where[1] != '\0';
    snprintf(path, sizeof path, "%.300s%s", place, has_pointer ? inner->where : "");
    snprintf(mark, sizeof mark, "%s: ", inner->where);
    const char *text = strstr(inner->message, mark);
    place_cut(where, path);
    return error_set(err, code, where, "%s: %s", path, text ? text + strlen(mark) : inner->message);
}
