/* SPDX-License-Identifier: MIT
 *
 * json_write.c - see json_write.h.
 */
#include "protocol/json_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

void json_start(json_writer *w, buf *out)
{
    *w = (json_writer){.out = out};
}

hearth_status json_done(const json_writer *w, hearth_error *err)
{
    if (w->failed)
        return error_no_memory(err, "the answer", w->out->n);
    return HEARTH_OK;
}

void json_raw(json_writer *w, const char *text, size_t n)
{
    w->failed = w->failed || !buf_append(w->out, text, n);
}

/* The end of the run of bytes that need no change. */
static size_t plain_run(const char *text, size_t i, size_t n)
{
    while (i < n) {
        unsigned char c = (unsigned char)text[i];
        size_t length = c < 0x80 ? 1 : utf8_valid_prefix(text + i, n - i);
        if (length == 0 || c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
            break;
        i += length;
    }
    return i;
}

static void escape(json_writer *w, unsigned char c)
{
    static const char from[] = "\"\\\n\r\t\b\f";
    static const char to[] = "\"\\nrtbf";
    char out[8];
    const char *known = c ? strchr(from, c) : NULL;
    if (known)
        snprintf(out, sizeof out, "\\%c", to[known - from]);
    else if (c < 0x20 || c == 0x7f)
        snprintf(out, sizeof out, "\\u%04x", c);
    else
        snprintf(out, sizeof out, "\xEF\xBF\xBD"); /* U+FFFD */
    json_raw(w, out, strlen(out));
}

static void quoted(json_writer *w, const char *text, size_t n)
{
    json_raw(w, "\"", 1);
    for (size_t i = 0; i < n && !w->failed;) {
        size_t end = plain_run(text, i, n);
        json_raw(w, text + i, end - i);
        if (end < n)
            escape(w, (unsigned char)text[end++]);
        i = end;
    }
    json_raw(w, "\"", 1);
}

static void before(json_writer *w, const char *key)
{
    if (w->comma)
        json_raw(w, ",", 1);
    if (key) {
        quoted(w, key, strlen(key));
        json_raw(w, ":", 1);
    }
    w->comma = true;
}

void json_open(json_writer *w, const char *key, char bracket)
{
    before(w, key);
    json_raw(w, &bracket, 1);
    w->comma = false;
}

void json_close(json_writer *w, char bracket)
{
    json_raw(w, &bracket, 1);
    w->comma = true;
}

void json_text(json_writer *w, const char *key, const char *text)
{
    if (text)
        json_bytes(w, key, text, strlen(text));
    else
        json_none(w, key);
}

void json_bytes(json_writer *w, const char *key, const char *text, size_t n)
{
    before(w, key);
    quoted(w, text, n);
}

void json_whole(json_writer *w, const char *key, int64_t value)
{
    char text[24];
    before(w, key);
    json_raw(w, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

static void number(json_writer *w, const char *key, double value, int digits)
{
    char text[40];
    if (!isfinite(value)) {
        json_none(w, key);
        return;
    }
    before(w, key);
    int n = snprintf(text, sizeof text, "%.*g", digits, value);
    for (int i = 0; i < n; i++) {
        if (text[i] == ',') /* a locale's decimal point */
            text[i] = '.';
    }
    json_raw(w, text, (size_t)n);
}

void json_float(json_writer *w, const char *key, float value)
{
    char text[40];
    /* The shortest of the usual lengths that reads back as the same float: 0.8, not 0.800000012. */
    for (int digits = 6; digits < 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        float back = 0;
        if (sscanf(text, "%f", &back) == 1 && back == value) {
            number(w, key, (double)value, digits);
            return;
        }
    }
    number(w, key, (double)value, 9);
}

void json_number(json_writer *w, const char *key, double value)
{
    number(w, key, value, 15);
}

void json_truth(json_writer *w, const char *key, bool value)
{
    before(w, key);
    json_raw(w, value ? "true" : "false", value ? 4 : 5);
}

void json_none(json_writer *w, const char *key)
{
    before(w, key);
    json_raw(w, "null", 4);
}

static int dump(const char *bytes, size_t n, void *data)
{
    json_raw(data, bytes, n);
    return 0;
}

void json_value_of(json_writer *w, const char *key, const json_t *value)
{
    if (value == NULL) {
        json_none(w, key);
        return;
    }
    before(w, key);
    w->failed =
        w->failed || json_dump_callback(value, dump, w, JSON_COMPACT | JSON_ENCODE_ANY) != 0;
}
