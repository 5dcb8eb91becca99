/* SPDX-License-Identifier: MIT
 *
 * json_write.h - writing JSON straight into a buffer: commas and quotes are put by themselves.
 *
 * Bytes    Texts may hold anything: what is no UTF-8 becomes U+FFFD. Numbers that are not finite
 *          become null. Output has no blanks and no line breaks.
 * Failure  The first one sticks; json_done() tells it.
 */
#ifndef HEARTH_PROTOCOL_JSON_WRITE_H
#define HEARTH_PROTOCOL_JSON_WRITE_H

#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/status.h"

typedef struct json_writer {
    buf *out;
    bool failed;
    bool comma; /* a value stands before in this array or object */
} json_writer;

void json_start(json_writer *w, buf *out);
hearth_status json_done(const json_writer *w, hearth_error *err);

/* key NULL: in an array, or the outermost value. */
void json_open(json_writer *w, const char *key, char bracket);     /* '{' or '[' */
void json_close(json_writer *w, char bracket);                     /* '}' or ']' */
void json_text(json_writer *w, const char *key, const char *text); /* NULL: null */
void json_bytes(json_writer *w, const char *key, const char *text, size_t n);
void json_whole(json_writer *w, const char *key, int64_t value);
void json_float(json_writer *w, const char *key, float value);
void json_number(json_writer *w, const char *key, double value);
void json_truth(json_writer *w, const char *key, bool value);
void json_none(json_writer *w, const char *key);
void json_value_of(json_writer *w, const char *key, const json_t *value); /* NULL: null */

/* Bytes that are JSON already, or stand between two JSON texts. */
void json_raw(json_writer *w, const char *text, size_t n);

#endif
