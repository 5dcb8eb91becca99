/* SPDX-License-Identifier: MIT
 *
 * tool_pairs.c - see tool_parser.h: arguments as XML parameters or as literals, turned into JSON.
 *
 * A parameter that can only be a string is given out while it is written. Of others the whole text
 * is needed to know what they are: JSON, a literal of Python's, or a string after all.
 */
#include <string.h>

#include "base/utf8.h"
#include "chat/tool_parser.h"

static step put_args(hearth_chat_parser *p, const char *text, size_t n)
{
    return parser_event(p, HEARTH_CHAT_CALL_ARGUMENTS, text, n) ? STEP_ON : STEP_NOMEM;
}

static step end_params(hearth_chat_parser *p)
{
    step s = p->n_params > 0 ? put_args(p, "}", 1) : STEP_ON;
    p->args_done = p->n_params > 0;
    return s == STEP_ON ? call_end(p, MODE_AFTER) : s;
}

/* `{"key": ` or `, "key": `. */
static step begin_param(hearth_chat_parser *p, const char *key, size_t n)
{
    const char *open = p->n_params++ > 0 ? ", \"" : "{\"";
    p->type = tool_entry_type(p->tool, key, n);
    p->value_begun = p->cdata = false;
    p->scan = (tool_scan){0};
    p->mode = MODE_PARAM_VALUE;
    if (!parser_event_open(p, HEARTH_CHAT_CALL_ARGUMENTS))
        return STEP_NOMEM;
    bool ok = buf_append_text(&p->text, open) && tool_json_escape(&p->text, key, n) &&
              buf_append_text(&p->text, "\": ");
    parser_event_close(p);
    return ok ? STEP_ON : STEP_NOMEM;
}

static step put_string(hearth_chat_parser *p, const char *text, size_t n)
{
    if (!parser_event_open(p, HEARTH_CHAT_CALL_ARGUMENTS))
        return STEP_NOMEM;
    bool ok = tool_json_escape(&p->text, text, n);
    parser_event_close(p);
    return ok ? STEP_ON : STEP_NOMEM;
}

/* A whole value that may be something else than a string. */
static step put_value(hearth_chat_parser *p, const char *text, size_t n)
{
    bool nomem = false;
    if (!parser_event_open(p, HEARTH_CHAT_CALL_ARGUMENTS))
        return STEP_NOMEM;
    size_t first = 0;
    while (first < n && tool_json_is_blank(text[first]))
        first++;
    bool pairs = p->shape->kind == TOOL_KIND_PAIRS;
    /* Text in quotes is, where strings are written without, a string that has quotes. */
    bool quoted = !pairs && p->type <= TOOL_TYPE_MIXED && first < n && text[first] == '"';
    bool ok = !quoted && (tool_json_copy(&p->text, text, n, &nomem) ||
                          tool_literal_copy(&p->text, text, n, p->shape->quote, &nomem));
    if (!ok && !nomem)
        ok = buf_append_text(&p->text, "\"") && tool_json_escape(&p->text, text, n) &&
             buf_append_text(&p->text, "\"");
    parser_event_close(p);
    return ok ? STEP_ON : STEP_NOMEM;
}

/* ---- XML ---- */

/* The first part of call_close: what ends the parameters. */
static size_t match_end(const hearth_chat_parser *p)
{
    const char *atom;
    char first[64];
    size_t n = tool_mark_atom(p->shape->call_close, &atom);
    if (n == 0 || n >= sizeof first)
        return 0;
    memcpy(first, atom, n);
    first[n] = '\0';
    return parser_match(p, first);
}

/* Between key_open and the end of key_close. */
static step read_xml_key(hearth_chat_parser *p, size_t after)
{
    const tool_shape *s = p->shape;
    size_t other_length = 0, length, end = parser_find(p, s->key_close, after, &length);
    bool other = false;
    if (s->key_close_other[0] != '\0') {
        size_t at = parser_find(p, s->key_close_other, after, &other_length);
        other = other_length != 0 && (at < end || (at == end && length == TOOL_MARK_PARTIAL));
        if (other) {
            end = at;
            length = other_length;
        }
    }
    if (end - after > PARSER_MAX_KEY)
        return call_fail(p);
    if (length == 0 || length == TOOL_MARK_PARTIAL)
        return STEP_WAIT;
    size_t n = end - after;
    while (n > 0 && tool_json_is_blank(p->in.data[after + n - 1]))
        n--;
    p->at = end + length;
    step st = begin_param(p, p->in.data + after, n);
    if (s->key_close_other[0] != '\0') /* the mark says what the value is */
        p->type = other ? TOOL_TYPE_OTHER : TOOL_TYPE_STRING;
    return st;
}

static step xml_param_step(hearth_chat_parser *p)
{
    if (!parser_skip_blanks(p))
        return STEP_WAIT;
    size_t key = parser_match(p, p->shape->key_open), end = match_end(p);
    if (key != 0 && key != TOOL_MARK_PARTIAL)
        return read_xml_key(p, p->at + key);
    if (end != 0 && end != TOOL_MARK_PARTIAL)
        return end_params(p);
    return key == TOOL_MARK_PARTIAL || end == TOOL_MARK_PARTIAL ? STEP_WAIT : call_fail(p);
}

/* The line break after key_close, and the opening of a CDATA section. */
static step begin_xml_value(hearth_chat_parser *p)
{
    static const char cdata[] = "<![CDATA[";
    if (p->shape->line_values) {
        if (p->at == p->in.n)
            return STEP_WAIT;
        p->at += p->in.data[p->at] == '\n';
    }
    if (p->shape->cdata) {
        size_t n = parser_match(p, cdata);
        if (n == TOOL_MARK_PARTIAL || (p->at == p->in.n && !p->final))
            return STEP_WAIT;
        p->cdata = n > 0;
        p->at += n;
    }
    p->value_begun = true;
    return p->type == TOOL_TYPE_STRING ? put_args(p, "\"", 1) : STEP_ON;
}

/* How much of [at, end) is certain to be the string's: not a line break that may be the mark's, and
 * no half of a character. */
static size_t certain(const hearth_chat_parser *p, size_t end, bool whole)
{
    const char *text = p->in.data;
    if (p->shape->line_values && !p->cdata && end > p->at && text[end - 1] == '\n')
        return end - 1;
    if (!whole)
        end -= utf8_incomplete_suffix(text + p->at, end - p->at);
    return end;
}

static step xml_value_step(hearth_chat_parser *p)
{
    step s = STEP_ON;
    if (!p->value_begun) {
        s = begin_xml_value(p);
        if (s != STEP_ON)
            return s;
    }
    const char *close = p->cdata ? "]]>" : p->shape->value_close;
    size_t length, from = p->at + p->scan.at;
    size_t end = parser_find(p, close, from, &length);
    bool whole = length != 0 && length != TOOL_MARK_PARTIAL;
    size_t sure = certain(p, end, whole);
    if (p->type == TOOL_TYPE_STRING) {
        s = put_string(p, p->in.data + p->at, sure - p->at);
        p->at = sure;
    } else {
        p->scan.at = (length == 0 ? p->in.n : end) - p->at;
        if (whole)
            s = put_value(p, p->in.data + p->at, sure - p->at);
    }
    if (s != STEP_ON || !whole)
        return s != STEP_ON ? s : STEP_WAIT;
    p->at = end + length;
    p->mode = p->cdata ? MODE_CDATA_END : MODE_PARAM;
    return p->type == TOOL_TYPE_STRING ? put_args(p, "\"", 1) : STEP_ON;
}

static step cdata_end_step(hearth_chat_parser *p)
{
    if (!parser_skip_blanks(p))
        return STEP_WAIT;
    size_t length = parser_match(p, p->shape->value_close);
    if (length == TOOL_MARK_PARTIAL)
        return STEP_WAIT;
    if (length == 0)
        return call_fail(p);
    p->at += length;
    p->mode = MODE_PARAM;
    return STEP_ON;
}

/* ---- literals ---- */

static step pairs_param_step(hearth_chat_parser *p)
{
    if (!parser_skip_blanks(p))
        return STEP_WAIT;
    char c = p->in.data[p->at];
    if (c == p->shape->args_close[0]) {
        p->at++;
        return end_params(p);
    }
    if (c == ',' && p->n_params > 0) {
        p->at++;
        return STEP_ON;
    }
    p->mode = MODE_PARAM_KEY;
    return STEP_ON;
}

static step pairs_key_step(hearth_chat_parser *p)
{
    const char *close = memchr(p->in.data + p->at, p->shape->key_close[0], p->in.n - p->at);
    size_t n = close ? (size_t)(close - p->in.data) - p->at : p->in.n - p->at;
    if (n > PARSER_MAX_KEY)
        return call_fail(p);
    if (!close)
        return STEP_WAIT;
    const char *key = p->in.data + p->at;
    p->at += n + 1;
    while (n > 0 && tool_json_is_blank(key[n - 1]))
        n--;
    if (n >= 2 && (key[0] == '"' || key[0] == '\'') && key[n - 1] == key[0]) {
        key++;
        n -= 2;
    }
    for (size_t i = 0; i < n; i++)
        if (strchr("\"'(){}[],<>", key[i]) != NULL || (unsigned char)key[i] < ' ')
            return call_fail(p);
    return n > 0 ? begin_param(p, key, n) : call_fail(p);
}

static step pairs_value_step(hearth_chat_parser *p)
{
    const char *text = p->in.data + p->at;
    if (!tool_scan_end(&p->scan, text, p->in.n - p->at, p->shape->quote))
        return STEP_WAIT;
    size_t n = p->scan.at;
    char end = text[n];
    if (end != ',' && end != p->shape->args_close[0])
        return call_fail(p);
    while (n > 0 && tool_json_is_blank(text[n - 1]))
        n--;
    while (n > 0 && tool_json_is_blank(*text)) {
        text++;
        n--;
    }
    p->mode = MODE_PARAM;
    step s = put_value(p, text, n);
    p->at += p->scan.at;
    return s;
}

step pairs_step(hearth_chat_parser *p)
{
    bool xml = p->shape->kind == TOOL_KIND_XML;
    switch (p->mode) {
    case MODE_PARAM:
        return xml ? xml_param_step(p) : pairs_param_step(p);
    case MODE_PARAM_KEY:
        return pairs_key_step(p);
    case MODE_PARAM_VALUE:
        return xml ? xml_value_step(p) : pairs_value_step(p);
    default:
        return cdata_end_step(p);
    }
}
