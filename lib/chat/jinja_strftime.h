/* SPDX-License-Identifier: MIT
 *
 * jinja_strftime.h - the date of a render, as strftime writes it in English.
 */
#ifndef HEARTH_CHAT_JINJA_STRFTIME_H
#define HEARTH_CHAT_JINJA_STRFTIME_H

#include "chat/jinja_run.h"

/* Unknown directives stay as they are, as glibc has it. */
hearth_status jinja_strftime(jinja_run *r, const jinja_string *format, jinja_value *out);

#endif
