/* SPDX-License-Identifier: MIT
 *
 * body.c - see body.h.
 */
#include "gateway/body.h"

#include <inttypes.h>
#include <string.h>

#include "protocol/json_write.h"

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* At a quote. */
static bool skip_string(cursor *c, body_span *out)
{
    const char *start = c->at++;
    while (c->at < c->end && *c->at != '"')
        c->at += *c->at == '\\' && c->at + 1 < c->end ? 2 : 1;
    if (c->at >= c->end)
        return false;
    c->at++;
    *out = (body_span){start, (size_t)(c->at - start)};
    return true;
}

static bool skip_brackets(cursor *c)
{
    char open[BODY_DEPTH_MAX];
    size_t depth = 0;
    body_span text;
    do {
        if (c->at == c->end)
            return false;
        switch (*c->at) {
        case '"':
            if (!skip_string(c, &text))
                return false;
            continue;
        case '{':
        case '[':
            if (depth == BODY_DEPTH_MAX)
                return false;
            open[depth++] = *c->at;
            break;
        case '}':
        case ']':
            /* ']' is two above '[', and so with braces. */
            if (open[--depth] + 2 != *c->at)
                return false;
            break;
        default:
            break;
        }
        c->at++;
    } while (depth > 0);
    return true;
}

static bool skip_value(cursor *c, body_span *out)
{
    const char *start = c->at;
    if (c->at == c->end)
        return false;
    if (*c->at == '"')
        return skip_string(c, out);
    if (*c->at == '{' || *c->at == '[') {
        if (!skip_brackets(c))
            return false;
    } else {
        while (c->at < c->end && strchr(",]} \t\r\n", *c->at) == NULL)
            c->at++;
    }
    *out = (body_span){start, (size_t)(c->at - start)};
    return c->at > start;
}

static bool is(body_span span, const char *text)
{
    return span.n == strlen(text) && memcmp(span.at, text, span.n) == 0;
}

/* A key's letters may be written as \u0061. */
static bool is_key(body_span span, const char *text)
{
    char plain[32];
    if (span.n < 2 || memchr(span.at, '\\', span.n) == NULL)
        return span.n == strlen(text) + 2 && memcmp(span.at + 1, text, span.n - 2) == 0;
    return body_text(span, plain, sizeof plain) && strcmp(plain, text) == 0;
}

static bool is_limit(body_span key)
{
    static const char *const names[] = {"max_tokens", "max_completion_tokens", "max_output_tokens",
                                        "n_predict"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is_key(key, names[i]))
            return true;
    }
    return false;
}

static bool read_members(cursor *c, body_view *out)
{
    do {
        body_span key, value;
        skip_blanks(c);
        if (c->at == c->end || *c->at != '"' || !skip_string(c, &key))
            return false;
        skip_blanks(c);
        if (!take(c, ':'))
            return false;
        skip_blanks(c);
        if (!skip_value(c, &value))
            return false;
        if (is_key(key, "model"))
            out->model = value;
        else if (is_key(key, "session_id"))
            out->session_id = value;
        else if (is_key(key, "stream"))
            out->streams = is(value, "true");
        else if (is_limit(key) && (out->limit.at == NULL || is(out->limit, "null")))
            out->limit = value;
        skip_blanks(c);
    } while (take(c, ','));
    return take(c, '}');
}

hearth_status body_read(const char *body, size_t n, body_view *out, hearth_error *err)
{
    cursor c = {body, body + n};
    *out = (body_view){.empty = true};
    skip_blanks(&c);
    if (c.at == c.end) {
        out->all = (body_span){"{}", 2};
        return HEARTH_OK;
    }
    const char *start = c.at;
    if (!take(&c, '{'))
        FAIL(err, EINVAL, "body", "the body is no JSON object");
    skip_blanks(&c);
    if (!take(&c, '}')) {
        out->empty = false;
        if (!read_members(&c, out))
            FAIL(err, EINVAL, "body", "the body is not JSON: something is wrong at byte %zu",
                 (size_t)(c.at - body));
    }
    out->all = (body_span){start, (size_t)(c.at - start)};
    skip_blanks(&c);
    if (c.at != c.end)
        FAIL(err, EINVAL, "body", "the body goes on after its JSON object, at byte %zu",
             (size_t)(c.at - body));
    return HEARTH_OK;
}

bool body_text(body_span span, char *out, size_t n_out)
{
    json_t *value =
        span.at ? json_loadb(span.at, span.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    size_t n = json_is_string(value) ? json_string_length(value) : SIZE_MAX;
    bool fits = n < n_out && memchr(json_string_value(value), '\0', n) == NULL;
    if (fits)
        memcpy(out, json_string_value(value), n + 1);
    json_decref(value);
    return fits;
}

static bool append_name(buf *out, const char *model)
{
    json_writer w;
    json_start(&w, out);
    json_text(&w, NULL, model);
    return json_done(&w, NULL) == HEARTH_OK;
}

/* Appends what stands between *at and the span, and goes behind it. */
static bool append_until(buf *out, const char **at, body_span span)
{
    const char *from = *at;
    *at = span.at + span.n;
    return buf_append(out, from, (size_t)(span.at - from));
}

bool body_for_engine(const body_view *view, const char *model, const char *limit_key,
                     uint32_t limit, buf *out)
{
    const body_span brace = {view->all.at, 1};
    const char *at = view->all.at, *end = at + view->all.n;
    const bool limited = limit_key == NULL || (view->limit.at && !is(view->limit, "null"));
    const bool fills = !limited && view->limit.at; /* a null */
    const bool model_first = view->model.at && (!fills || view->model.at < view->limit.at);
    bool ok = append_until(out, &at, brace) && buf_append(out, "{", 1);
    if (ok && view->model.at == NULL)
        ok = buf_append_text(out, "\"model\":") && append_name(out, model) &&
             buf_append_text(out, view->empty ? "" : ",");
    if (ok && !limited && !fills)
        ok = buf_append_format(out, "%s\"%s\":%" PRIu32 "%s", view->empty ? "," : "", limit_key,
                               limit, view->empty ? "" : ",");
    if (ok && model_first)
        ok = append_until(out, &at, view->model) && append_name(out, model);
    if (ok && fills)
        ok = append_until(out, &at, view->limit) && buf_append_format(out, "%" PRIu32, limit);
    if (ok && view->model.at && !model_first)
        ok = append_until(out, &at, view->model) && append_name(out, model);
    return ok && buf_append(out, at, (size_t)(end - at));
}
