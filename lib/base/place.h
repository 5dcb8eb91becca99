/* SPDX-License-Identifier: MIT
 *
 * place.h - errors of a part of something, told by its place in the whole.
 *
 * Whoever checks a schema knows where in it the mistake is, and whoever was sent it knows under
 * which name: "/properties/a" in "response_format.schema" is "response_format.schema/properties/a".
 */
#ifndef HEARTH_BASE_PLACE_H
#define HEARTH_BASE_PLACE_H

#include "base/status.h"

enum { PLACE_BYTES = sizeof(((hearth_error *)0)->where) };

/* As much of a path ("a.b[1]/c") as fits into `where`, in whole parts. */
void place_cut(char where[PLACE_BYTES], const char *path);

/* What went wrong inside of `place`: inner's `where`, if it is a JSON pointer, is put behind it,
 * and so it is in the message, of which all up to "WHERE: " is left out. ENOMEM stays as it is. */
hearth_status place_error(hearth_error *err, hearth_status code, const char *place,
                          const hearth_error *inner);

#endif
