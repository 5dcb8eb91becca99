/* SPDX-License-Identifier: MIT
 *
 * jinja_text.h - work on strings that methods and filters share. Values that are passed in are
 * strings; spans of lists of strings are made of the text itself, not of copies.
 */
#ifndef HEARTH_CHAT_JINJA_TEXT_H
#define HEARTH_CHAT_JINJA_TEXT_H

#include "chat/jinja_run.h"

typedef enum jinja_case {
    JINJA_UPPER,
    JINJA_LOWER,
    JINJA_SWAP,
    JINJA_CAPITALIZE,
    JINJA_TITLE,       /* str.title */
    JINJA_TITLE_WORDS, /* the title filter */
    JINJA_FOLD
} jinja_case;

hearth_status jinja_change_case(jinja_run *r, jinja_value v, jinja_case kind, jinja_value *out);
/* ends: 1 the beginning, 2 the end, 3 both. chars may be missing or none: white space. */
hearth_status jinja_strip(jinja_run *r, jinja_value v, jinja_value chars, unsigned ends,
                          jinja_value *out);
/* side: 0 pads the right, 1 the left, 2 both. fill: NULL for a blank. */
hearth_status jinja_pad(jinja_run *r, const jinja_string *s, int64_t width,
                        const jinja_string *fill, int side, jinja_value *out);
bool jinja_text_is_case(const jinja_string *s, bool upper);
/* The first `count` places, all if it is negative. */
hearth_status jinja_replace(jinja_run *r, const jinja_string *s, const jinja_string *old,
                            const jinja_string *by, int64_t count, jinja_value *out);
/* Lines as str.splitlines cuts them. */
hearth_status jinja_split_lines(jinja_run *r, const jinja_string *s, bool keep_ends,
                                jinja_value *out);

#endif
