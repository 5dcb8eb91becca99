/* SPDX-License-Identifier: MIT
 *
 * json_stream.c - see json_stream.h. It looks at brackets and strings only, to find where an object
 * ends; whether it is JSON at all is jansson's to say.
 */
#include "store/json_stream.h"

#include <string.h>

void json_stream_init(json_stream *in, json_source source, void *user, const char *name,
                      size_t max_bytes)
{
    memset(in, 0, sizeof *in);
    in->source = source;
    in->user = user;
    in->name = name;
    in->line = 1;
    buf_init(&in->text, max_bytes);
}

void json_stream_deinit(json_stream *in)
{
    buf_deinit(&in->text);
}

/* Makes block[at] the next byte; false at the end. */
static hearth_status look(json_stream *in, bool *there, hearth_error *err)
{
    if (in->at == in->n_block && !in->ended) {
        in->at = in->n_block = 0;
        TRY(in->source(in->user, in->block, sizeof in->block, &in->n_block, err));
        in->ended = in->n_block == 0;
    }
    *there = in->at < in->n_block;
    return HEARTH_OK;
}

/* The next byte that is no blank, not taken; 0 at the end. */
static hearth_status look_past_blanks(json_stream *in, char *out, hearth_error *err)
{
    for (bool there;; in->at++) {
        TRY(look(in, &there, err));
        *out = there ? in->block[in->at] : '\0';
        if (!there || (*out != ' ' && *out != '\t' && *out != '\r' && *out != '\n'))
            return HEARTH_OK;
        in->line += *out == '\n';
    }
}

static hearth_status unexpected(const json_stream *in, char c, const char *wanted,
                                hearth_error *err)
{
    if (c == '\0')
        FAIL(err, EFORMAT, in->name, "%s: line %llu: the file ends where %s was expected", in->name,
             (unsigned long long)in->line, wanted);
    FAIL(err, EFORMAT, in->name, "%s: line %llu: '%c' where %s was expected", in->name,
         (unsigned long long)in->line, c, wanted);
}

static hearth_status begin(json_stream *in, hearth_error *err)
{
    bool there;
    char c;
    in->started = true;
    TRY(look(in, &there, err));
    if (in->n_block >= 3 && memcmp(in->block, "\xef\xbb\xbf", 3) == 0)
        in->at = 3; /* a mark of the byte order, which some editors write */
    if (in->n_block >= 4 && memcmp(in->block, "PK\3\4", 4) == 0)
        FAIL(err, EFORMAT, in->name,
             "%s: this is a ZIP archive; unpack it, and give the folder or the JSON file in it",
             in->name);
    TRY(look_past_blanks(in, &c, err));
    in->in_array = c == '[';
    in->at += in->in_array;
    return HEARTH_OK;
}

/* Where text[0..n) ends an object that began before it; n if it does not. */
static size_t find_end(const char *text, size_t n, size_t *depth, bool *quoted, bool *escaped)
{
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (*quoted) {
            *quoted = *escaped || c != '"';
            *escaped = !*escaped && c == '\\';
        } else if (c == '"') {
            *quoted = true;
        } else if (c == '{' || c == '[') {
            ++*depth;
        } else if ((c == '}' || c == ']') && --*depth == 0) {
            return i + 1;
        }
    }
    return n;
}

/* Takes the whole text of the object that begins here. */
static hearth_status take_text(json_stream *in, hearth_error *err)
{
    size_t depth = 0;
    bool quoted = false, escaped = false, there;
    buf_clear(&in->text);
    do {
        TRY(look(in, &there, err));
        if (!there)
            return unexpected(in, '\0', "the end of an object", err);
        const char *from = in->block + in->at;
        size_t n = find_end(from, in->n_block - in->at, &depth, &quoted, &escaped);
        if (in->text.n + n > in->text.max)
            FAIL(err, EFORMAT, in->name,
                 "%s: line %llu: one object has more than the %zu MB allowed", in->name,
                 (unsigned long long)in->line, in->text.max >> 20);
        if (!buf_append(&in->text, from, n))
            return error_no_memory(err, "a JSON object", in->text.n + n);
        in->at += n;
    } while (depth > 0);
    return HEARTH_OK;
}

static hearth_status parse(json_stream *in, json_t **out, hearth_error *err)
{
    json_error_t error;
    *out = json_loadb(in->text.data, in->text.n, JSON_ALLOW_NUL, &error);
    if (*out == NULL)
        FAIL(err, EFORMAT, in->name, "%s: the JSON is wrong at line %llu, column %d: %s", in->name,
             (unsigned long long)in->line + (unsigned)(error.line > 0 ? error.line - 1 : 0),
             error.column, error.text);
    for (const char *at = in->text.data; (at = strchr(at, '\n')) != NULL; at++)
        in->line++;
    return HEARTH_OK;
}

hearth_status json_stream_next(json_stream *in, json_t **out, hearth_error *err)
{
    char c;
    *out = NULL;
    if (!in->started)
        TRY(begin(in, err));
    TRY(look_past_blanks(in, &c, err));
    if (in->in_array && in->after_one && c == ',') {
        in->at++;
        TRY(look_past_blanks(in, &c, err));
    } else if (in->in_array && c == ']') {
        in->at++;
        in->in_array = false;
        TRY(look_past_blanks(in, &c, err));
        return c == '\0' ? HEARTH_OK : unexpected(in, c, "the end of the file", err);
    } else if (in->in_array && in->after_one) {
        return unexpected(in, c, "',' or ']'", err);
    } else if (!in->in_array && c == '\0') {
        return HEARTH_OK;
    }
    if (c != '{')
        return unexpected(in, c, "an object", err);
    TRY(take_text(in, err));
    in->after_one = true;
    return parse(in, out, err);
}
