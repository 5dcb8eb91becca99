/* SPDX-License-Identifier: MIT
 *
 * tool_json.c - see tool_json.h.
 *
 * States:  VALUE -> (string, literal, number, '{' -> KEY_OR_END, '[' -> VALUE_OR_END) -> AFTER
 *          KEY -> string -> COLON -> VALUE;  AFTER: ',' -> KEY or VALUE, '}' or ']' -> AFTER
 * Inside strings an escape, a surrogate pair or a character of several bytes is held in `word`
 * until it is whole, so that nothing is written that would have to be taken back.
 */
#include "chat/tool_json.h"

#include <string.h>

#include "base/utf8.h"

enum state {
    VALUE,
    VALUE_OR_END,
    KEY,
    KEY_OR_END,
    COLON,
    AFTER,
    LITERAL,
    STRING,
    STRING_ESCAPE,
    STRING_UNICODE,
    STRING_BYTES,
    NUMBER_MINUS, /* numbers last: push() compares */
    NUMBER_ZERO,
    NUMBER_INT,
    NUMBER_POINT,
    NUMBER_FRACTION,
    NUMBER_E,
    NUMBER_SIGN,
    NUMBER_EXPONENT,
};

static const char replacement[] = "\xEF\xBF\xBD";

void tool_json_init(tool_json *r)
{
    *r = (tool_json){.state = VALUE};
}

static bool in_array(const tool_json *r)
{
    unsigned level = r->depth - 1u;
    return r->is_array[level / 64] >> (level % 64) & 1;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static tool_json_step put(buf *out, const char *text, size_t n, tool_json_step step)
{
    return buf_append(out, text, n) ? step : TOOL_JSON_NOMEM;
}

/* A value has ended; at the top that is the end of all. */
static tool_json_step end_value(tool_json *r)
{
    r->state = AFTER;
    return r->depth == 0 ? TOOL_JSON_DONE : TOOL_JSON_MORE;
}

static tool_json_step open_level(tool_json *r, char byte, buf *out)
{
    if (r->depth >= TOOL_JSON_DEPTH)
        return TOOL_JSON_BAD;
    uint64_t bit = (uint64_t)1 << (r->depth % 64);
    if (byte == '[')
        r->is_array[r->depth / 64] |= bit;
    else
        r->is_array[r->depth / 64] &= ~bit;
    r->depth++;
    r->state = byte == '[' ? VALUE_OR_END : KEY_OR_END;
    return put(out, &byte, 1, TOOL_JSON_MORE);
}

static tool_json_step close_level(tool_json *r, char byte, buf *out)
{
    if (r->depth == 0 || in_array(r) != (byte == ']'))
        return TOOL_JSON_BAD;
    r->depth--;
    return put(out, &byte, 1, end_value(r));
}

static tool_json_step begin_value(tool_json *r, char byte, buf *out)
{
    switch (byte) {
    case '{':
    case '[':
        return open_level(r, byte, out);
    case '"':
        r->state = STRING;
        r->key = false;
        break;
    case 't':
    case 'f':
    case 'n':
        r->state = LITERAL;
        r->word[0] = byte;
        r->n_word = 1;
        break;
    case '-':
        r->state = NUMBER_MINUS;
        break;
    case '0':
        r->state = NUMBER_ZERO;
        break;
    default:
        if (!is_digit(byte))
            return TOOL_JSON_BAD;
        r->state = NUMBER_INT;
    }
    return put(out, &byte, 1, TOOL_JSON_MORE);
}

static tool_json_step push_literal(tool_json *r, char byte, buf *out)
{
    const char *want = r->word[0] == 't' ? "true" : r->word[0] == 'f' ? "false" : "null";
    if (byte != want[r->n_word])
        return TOOL_JSON_BAD;
    r->n_word++;
    return put(out, &byte, 1, want[r->n_word] == '\0' ? end_value(r) : TOOL_JSON_MORE);
}

/* The state that a number goes to with this byte, or -1. */
static int number_next(unsigned state, char c)
{
    bool exponent = c == 'e' || c == 'E';
    switch (state) {
    case NUMBER_MINUS:
        return c == '0' ? NUMBER_ZERO : is_digit(c) ? NUMBER_INT : -1;
    case NUMBER_ZERO:
        return c == '.' ? NUMBER_POINT : exponent ? NUMBER_E : -1;
    case NUMBER_INT:
        return is_digit(c) ? NUMBER_INT : c == '.' ? NUMBER_POINT : exponent ? NUMBER_E : -1;
    case NUMBER_POINT:
        return is_digit(c) ? NUMBER_FRACTION : -1;
    case NUMBER_FRACTION:
        return is_digit(c) ? NUMBER_FRACTION : exponent ? NUMBER_E : -1;
    case NUMBER_E:
        return c == '+' || c == '-' ? NUMBER_SIGN : is_digit(c) ? NUMBER_EXPONENT : -1;
    default:
        return is_digit(c) ? NUMBER_EXPONENT : -1;
    }
}

static bool number_whole(unsigned state)
{
    return state == NUMBER_ZERO || state == NUMBER_INT || state == NUMBER_FRACTION ||
           state == NUMBER_EXPONENT;
}

static tool_json_step push_number(tool_json *r, char byte, buf *out)
{
    int next = number_next(r->state, byte);
    if (next >= 0) {
        r->state = (uint8_t)next;
        return put(out, &byte, 1, TOOL_JSON_MORE);
    }
    if (!number_whole(r->state))
        return TOOL_JSON_BAD;
    if (end_value(r) == TOOL_JSON_DONE)
        return TOOL_JSON_BEFORE;
    return tool_json_push(r, byte, out); /* once: AFTER is no number */
}

/* A high surrogate that got no other half. */
static bool flush_surrogate(tool_json *r, buf *out)
{
    bool ok = r->surrogate == 0 || buf_append_text(out, "\\ufffd");
    r->surrogate = 0;
    return ok;
}

static unsigned hex_value(const char *digits)
{
    unsigned code = 0;
    for (int i = 0; i < 4; i++)
        code = code * 16 +
               (unsigned)(is_digit(digits[i]) ? digits[i] - '0' : (digits[i] | 32) - 'a' + 10);
    return code;
}

static tool_json_step push_unicode(tool_json *r, char byte, buf *out)
{
    if (!is_digit(byte) && !((byte | 32) >= 'a' && (byte | 32) <= 'f'))
        return TOOL_JSON_BAD;
    r->word[r->n_word++] = byte;
    if (r->n_word < 4)
        return TOOL_JSON_MORE;
    unsigned code = hex_value(r->word);
    bool ok = true;
    r->state = STRING;
    if (code >= 0xDC00 && code < 0xE000) {
        ok = r->surrogate == 0 ? buf_append_text(out, "\\ufffd")
                               : buf_append_format(out, "\\u%04x\\u%04x", r->surrogate, code);
        r->surrogate = 0;
    } else if (!flush_surrogate(r, out)) {
        ok = false;
    } else if (code >= 0xD800 && code < 0xDC00) {
        r->surrogate = (uint16_t)code;
    } else {
        ok = buf_append_format(out, "\\u%04x", code);
    }
    return ok ? TOOL_JSON_MORE : TOOL_JSON_NOMEM;
}

static tool_json_step push_escape(tool_json *r, char byte, buf *out)
{
    r->state = STRING;
    if (byte == 'u') {
        r->state = STRING_UNICODE;
        r->n_word = 0;
        return TOOL_JSON_MORE;
    }
    if (!flush_surrogate(r, out))
        return TOOL_JSON_NOMEM;
    /* An unknown escape is a backslash that should have been doubled (a regular expression). */
    bool known = byte != '\0' && strchr("\"\\/bfnrt", byte) != NULL;
    if (!buf_append_text(out, known ? "\\" : "\\\\"))
        return TOOL_JSON_NOMEM;
    return known ? put(out, &byte, 1, TOOL_JSON_MORE) : tool_json_push(r, byte, out);
}

/* A byte of a character of several; `word` holds those before it. */
static tool_json_step push_bytes(tool_json *r, char byte, buf *out)
{
    r->word[r->n_word++] = byte;
    if (utf8_incomplete_suffix(r->word, r->n_word) == r->n_word)
        return TOOL_JSON_MORE;
    r->state = STRING;
    if (utf8_valid_prefix(r->word, r->n_word) == r->n_word)
        return put(out, r->word, r->n_word, TOOL_JSON_MORE);
    if (!buf_append_text(out, replacement))
        return TOOL_JSON_NOMEM;
    return r->n_word == 1 ? TOOL_JSON_MORE : tool_json_push(r, byte, out);
}

static tool_json_step push_string(tool_json *r, char byte, buf *out)
{
    if (byte == '\\') {
        r->state = STRING_ESCAPE;
        return TOOL_JSON_MORE;
    }
    if (!flush_surrogate(r, out))
        return TOOL_JSON_NOMEM;
    if ((unsigned char)byte >= 0x80) {
        r->n_word = 0;
        r->state = STRING_BYTES;
        return push_bytes(r, byte, out);
    }
    if (byte != '"')
        return tool_json_escape(out, &byte, 1) ? TOOL_JSON_MORE : TOOL_JSON_NOMEM;
    tool_json_step step = TOOL_JSON_MORE;
    if (r->key)
        r->state = COLON;
    else
        step = end_value(r);
    return put(out, &byte, 1, step);
}

static tool_json_step push_structure(tool_json *r, char byte, buf *out)
{
    if (tool_json_is_blank(byte))
        return put(out, &byte, 1, TOOL_JSON_MORE);
    switch (r->state) {
    case VALUE_OR_END:
        return byte == ']' ? close_level(r, byte, out) : begin_value(r, byte, out);
    case KEY_OR_END:
        if (byte == '}')
            return close_level(r, byte, out);
        __attribute__((fallthrough));
    case KEY:
        if (byte != '"')
            return TOOL_JSON_BAD;
        r->state = STRING;
        r->key = true;
        return put(out, &byte, 1, TOOL_JSON_MORE);
    case COLON:
        if (byte != ':')
            return TOOL_JSON_BAD;
        r->state = VALUE;
        return put(out, &byte, 1, TOOL_JSON_MORE);
    case AFTER:
        if (byte == '}' || byte == ']')
            return close_level(r, byte, out);
        if (byte != ',' || r->depth == 0)
            return TOOL_JSON_BAD;
        r->state = in_array(r) ? VALUE : KEY;
        return put(out, &byte, 1, TOOL_JSON_MORE);
    default:
        return begin_value(r, byte, out);
    }
}

tool_json_step tool_json_push(tool_json *r, char byte, buf *out)
{
    switch (r->state) {
    case LITERAL:
        return push_literal(r, byte, out);
    case STRING:
        return push_string(r, byte, out);
    case STRING_ESCAPE:
        return push_escape(r, byte, out);
    case STRING_UNICODE:
        return push_unicode(r, byte, out);
    case STRING_BYTES:
        return push_bytes(r, byte, out);
    default:
        return r->state >= NUMBER_MINUS ? push_number(r, byte, out) : push_structure(r, byte, out);
    }
}

bool tool_json_may_end(const tool_json *r)
{
    return r->depth == 0 && number_whole(r->state);
}

bool tool_json_escape(buf *out, const char *text, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n;) {
        unsigned char c = (unsigned char)text[i];
        size_t length = 1;
        if (c == '"' || c == '\\')
            ok = buf_append_format(out, "\\%c", c);
        else if (c == '\n')
            ok = buf_append_text(out, "\\n");
        else if (c == '\t')
            ok = buf_append_text(out, "\\t");
        else if (c == '\r')
            ok = buf_append_text(out, "\\r");
        else if (c < 0x20)
            ok = buf_append_format(out, "\\u%04x", c);
        else if ((length = utf8_valid_prefix(text + i, n - i)) > 0)
            ok = buf_append(out, text + i, length);
        else
            ok = buf_append_text(out, replacement);
        i += length > 0 ? length : 1;
    }
    return ok;
}

bool tool_json_copy(buf *out, const char *text, size_t n, bool *nomem)
{
    tool_json r;
    size_t before = out->n, i = 0;
    tool_json_step step = TOOL_JSON_MORE;
    tool_json_init(&r);
    while (n > 0 && tool_json_is_blank(text[n - 1]))
        n--;
    while (i < n && tool_json_is_blank(text[i]))
        i++;
    for (; i < n && step == TOOL_JSON_MORE; i++)
        step = tool_json_push(&r, text[i], out);
    bool whole =
        i == n && (step == TOOL_JSON_DONE || (step == TOOL_JSON_MORE && tool_json_may_end(&r)));
    if (!whole && out->n > before) {
        out->n = before;
        out->data[before] = '\0';
    }
    *nomem = *nomem || step == TOOL_JSON_NOMEM;
    return whole;
}
