/* SPDX-License-Identifier: MIT
 *
 * tool_call.c - see tool_parser.h: how calls begin, end and fail, and calls whose arguments are
 * JSON.
 */
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "chat/tool_parser.h"

bool calls_allowed(const hearth_chat_parser *p)
{
    return p->format->active && (p->format->parallel || p->n_begun == p->n_dropped);
}

const tool_entry *call_tool(const hearth_chat_parser *p, const char *name, size_t n)
{
    const tool_list *tools = &p->format->tools;
    const tool_entry *tool = tool_list_find(tools, name, n);
    static const char space[] = "functions.";
    if (!tool && n > sizeof space - 1 && memcmp(name, space, sizeof space - 1) == 0)
        tool = tool_list_find(tools, name + sizeof space - 1, n - (sizeof space - 1));
    return tool;
}

/* ---- begin, end, fail ---- */

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u; /* splitmix64 (Steele, Lea, Flood 2014) */
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static bool is_plain_id(const buf *id, size_t n)
{
    for (size_t i = 0; i < id->n; i++) {
        char c = id->data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            return false;
    }
    return id->n == n;
}

/* The id that the model wrote, if the notation's ids mean something, else one of our own. */
static bool put_id(hearth_chat_parser *p)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const tool_shape *s = p->shape;
    if ((s->id_is_name && p->id.n > 0) || (s->short_ids && is_plain_id(&p->id, 9)))
        return buf_append(&p->text, p->id.data, p->id.n + 1);
    char id[32] = "call_";
    size_t n = s->short_ids ? 0 : 5, end = s->short_ids ? 9 : 29;
    uint64_t random = mix(p->format->id_seed ^ mix(p->index));
    for (; n < end; n++, random = mix(random))
        id[n] = digits[random % 62];
    id[n] = '\0';
    return buf_append(&p->text, id, n + 1);
}

step call_begin(hearth_chat_parser *p, const tool_entry *tool)
{
    p->tool = tool;
    p->begun = true;
    p->index = p->n_begun++;
    p->trim = true;
    if (!parser_event_open(p, HEARTH_CHAT_CALL_BEGIN))
        return STEP_NOMEM;
    event *e = &p->events[p->n_events - 1];
    e->id = p->text.n;
    if (!put_id(p))
        return STEP_NOMEM;
    e->name = p->text.n;
    return buf_append(&p->text, tool->name, strlen(tool->name) + 1) ? STEP_ON : STEP_NOMEM;
}

step call_end(hearth_chat_parser *p, mode next)
{
    if (!p->args_done && !parser_event(p, HEARTH_CHAT_CALL_ARGUMENTS, "{}", 2))
        return STEP_NOMEM;
    if (!parser_event(p, HEARTH_CHAT_CALL_END, "", 0))
        return STEP_NOMEM;
    p->begun = false;
    p->args_done = false;
    p->start = p->at;
    p->mode = next;
    p->trim = true;
    p->seen = false;
    return STEP_ON;
}

/* What was understood so far becomes content: all of a call that had begun, else its first mark. */
step call_fail(hearth_chat_parser *p)
{
    if (p->begun && p->args_done)
        return call_end(p, MODE_AFTER);
    bool ok = true, after = p->mode == MODE_AFTER || p->mode == MODE_SECTION;
    size_t n = p->begun ? p->at - p->start : p->mark_end;
    if (p->mode == MODE_AFTER)
        n = 0;
    if (p->begun) {
        ok = parser_event(p, HEARTH_CHAT_CALL_DROPPED, "", 0);
        p->n_dropped++;
    }
    if (n > p->in.n - p->start)
        n = p->in.n - p->start;
    p->begun = p->in_list = false;
    p->mode = MODE_TEXT;
    p->trim = after && n == 0;
    if (n > 0) {
        ok = ok && parser_put(p, HEARTH_CHAT_CONTENT, p->in.data + p->start, n);
        p->seen = true;
    }
    p->start += n;
    return ok ? STEP_ON : STEP_NOMEM;
}

/* ---- JSON values ---- */

/* Reads one JSON value at `at` into out; ON: it is whole. */
static step read_json(hearth_chat_parser *p, buf *out, bool *bad)
{
    *bad = false;
    if (!p->json_begun) {
        if (!parser_skip_blanks(p))
            return STEP_WAIT;
        tool_json_init(&p->json);
        p->json_begun = true;
    }
    for (; p->at < p->in.n; p->at++) {
        tool_json_step s = tool_json_push(&p->json, p->in.data[p->at], out);
        if (s == TOOL_JSON_MORE)
            continue;
        p->json_begun = false;
        if (s == TOOL_JSON_NOMEM)
            return STEP_NOMEM;
        *bad = s == TOOL_JSON_BAD;
        p->at += s == TOOL_JSON_DONE;
        return STEP_ON;
    }
    return STEP_WAIT;
}

/* The text of a JSON string, or of any other value as it is. False: out of memory. */
static bool decode(buf *to, const buf *json)
{
    bool ok = true;
    json_t *value;
    buf_clear(to);
    if (json_read(&value, json->data, json->n, JSON_DECODE_ANY | JSON_ALLOW_NUL, "value", NULL) ==
        HEARTH_ENOMEM)
        return false;
    if (json_is_string(value))
        ok = buf_append(to, json_string_value(value), json_string_length(value));
    else if (json->n > 0 && json->data[0] != '"')
        ok = buf_append(to, json->data, json->n);
    json_decref(value);
    return ok;
}

/* Arguments that came as null or as the text of an object. */
static step take_odd_args(hearth_chat_parser *p)
{
    bool nomem = false, ok;
    buf text;
    buf_init(&text, 0);
    buf_clear(&p->args);
    if (!decode(&text, &p->scratch)) {
        buf_deinit(&text);
        return STEP_NOMEM;
    }
    bool none = text.n == 0 || strcmp(p->scratch.data, "null") == 0;
    if (none)
        ok = buf_append(&p->args, "{}", 2), nomem = !ok;
    else
        ok = tool_json_copy(&p->args, text.data, text.n, &nomem) && p->args.data[0] == '{';
    buf_deinit(&text);
    if (nomem)
        return STEP_NOMEM;
    if (!ok)
        return call_fail(p);
    p->args_done = true;
    if (p->begun && !parser_event(p, HEARTH_CHAT_CALL_ARGUMENTS, p->args.data, p->args.n))
        return STEP_NOMEM;
    return STEP_ON;
}

step call_read_args(hearth_chat_parser *p)
{
    bool bad, odd;
    step s;
    if (!p->json_begun) {
        if (!parser_skip_blanks(p))
            return STEP_WAIT;
        char c = p->in.data[p->at];
        if (c != '{' && c != '"' && c != 'n')
            return call_fail(p);
        buf_clear(&p->scratch);
        p->value_begun = c == '{'; /* streams */
    }
    odd = !p->value_begun;
    if (!odd && p->begun) {
        if (!parser_event_open(p, HEARTH_CHAT_CALL_ARGUMENTS))
            return STEP_NOMEM;
        s = read_json(p, &p->text, &bad);
        parser_event_close(p);
    } else {
        s = read_json(p, odd ? &p->scratch : &p->args, &bad);
    }
    if (s != STEP_ON)
        return s;
    if (bad)
        return call_fail(p);
    if (odd)
        return take_odd_args(p);
    p->args_done = true;
    return STEP_ON;
}

/* ---- objects: {"name": N, "arguments": A} and {N: A} ---- */

static step expect(hearth_chat_parser *p, char c, mode next)
{
    if (!parser_skip_blanks(p))
        return STEP_WAIT;
    if (p->in.data[p->at] != c)
        return call_fail(p);
    p->at++;
    p->mode = next;
    return STEP_ON;
}

static bool is_either(const buf *b, const char *a, const char *c, const char *d)
{
    return b->n > 0 &&
           (strcmp(b->data, a) == 0 || strcmp(b->data, c) == 0 || strcmp(b->data, d) == 0);
}

/* The name is known: the call begins, with arguments that may have come before it. */
static step take_name(hearth_chat_parser *p)
{
    const tool_entry *tool = call_tool(p, p->name.data, p->name.n);
    if (!tool)
        return call_fail(p);
    step s = call_begin(p, tool);
    if (s == STEP_ON && p->args_done &&
        !parser_event(p, HEARTH_CHAT_CALL_ARGUMENTS, p->args.data, p->args.n))
        return STEP_NOMEM;
    return s;
}

static step key_step(hearth_chat_parser *p)
{
    bool bad;
    if (!p->json_begun) {
        if (!parser_skip_blanks(p))
            return STEP_WAIT;
        char c = p->in.data[p->at];
        if (c == '}' && p->begun) {
            p->at++;
            return call_end(p, MODE_AFTER);
        }
        if (c != '"')
            return call_fail(p);
        buf_clear(&p->scratch);
    }
    step s = read_json(p, &p->scratch, &bad);
    if (s != STEP_ON)
        return s;
    if (bad)
        return call_fail(p);
    if (!decode(&p->name, &p->scratch))
        return STEP_NOMEM;
    buf_clear(&p->scratch);
    p->mode = MODE_VALUE;
    p->opened = false; /* the colon is not read yet */
    if (p->shape->kind == TOOL_KIND_KEYED) {
        p->field = FIELD_ARGS;
        return p->begun ? call_fail(p) : take_name(p);
    }
    bool name = is_either(&p->name, "name", "tool_name", p->shape->name_key);
    bool args = is_either(&p->name, "arguments", "parameters", p->shape->args_key);
    bool id = is_either(&p->name, "id", "tool_call_id", "call_id");
    p->field = name && !p->begun       ? FIELD_NAME
               : args && !p->args_done ? FIELD_ARGS
               : id                    ? FIELD_ID
                                       : FIELD_OTHER;
    return STEP_ON;
}

static step value_step(hearth_chat_parser *p)
{
    bool bad;
    step s;
    if (!p->opened) {
        s = expect(p, ':', MODE_VALUE);
        p->opened = s == STEP_ON && p->mode == MODE_VALUE;
        return s;
    }
    if (p->field == FIELD_ARGS) {
        s = call_read_args(p);
        if (s == STEP_ON && p->mode == MODE_VALUE)
            p->mode = MODE_NEXT;
        return s;
    }
    s = read_json(p, &p->scratch, &bad);
    if (s != STEP_ON)
        return s;
    if (bad)
        return call_fail(p);
    p->mode = MODE_NEXT;
    bool ok =
        p->field == FIELD_OTHER || decode(p->field == FIELD_NAME ? &p->name : &p->id, &p->scratch);
    buf_clear(&p->scratch);
    if (!ok)
        return STEP_NOMEM;
    return p->field == FIELD_NAME ? take_name(p) : STEP_ON;
}

static step next_step(hearth_chat_parser *p)
{
    if (!parser_skip_blanks(p))
        return STEP_WAIT;
    char c = p->in.data[p->at];
    if (c == ',') {
        p->at++;
        p->mode = MODE_KEY;
        return STEP_ON;
    }
    if (c != '}' || !p->begun)
        return call_fail(p);
    p->at++;
    return call_end(p, MODE_AFTER);
}

/* ---- names ---- */

/* NAME_JSON of Kimi: functions.NAME:INDEX is the id and tells the name. */
static const tool_entry *tool_of_id(hearth_chat_parser *p, const char *text, size_t n)
{
    size_t end = n;
    while (end > 0 && text[end - 1] >= '0' && text[end - 1] <= '9')
        end--;
    end = end > 0 && end < n && text[end - 1] == ':' ? end - 1 : n;
    return buf_append(&p->id, text, n) ? call_tool(p, text, end) : NULL;
}

/* Where the name ends: at name_close, or where that is empty at what may follow. */
static size_t find_name_end(hearth_chat_parser *p, size_t *length, bool *id)
{
    const tool_shape *s = p->shape;
    size_t end, other_length, other;
    *id = false;
    if (s->name_close[0] != '\0') {
        /* A line break as a mark is none that tool_mark_find would look for. */
        if (strcmp(s->name_close, "\n") == 0) {
            const char *hit = memchr(p->in.data + p->at, '\n', p->in.n - p->at);
            *length = hit != NULL;
            return hit ? (size_t)(hit - p->in.data) : p->in.n;
        }
        end = parser_find(p, s->name_close, p->at, length);
        if (s->id_open[0] == '\0')
            return end;
        other = parser_find(p, s->id_open, p->at, &other_length);
        *id = true;
    } else {
        const char *atom;
        char close[64];
        size_t n = tool_mark_atom(s->call_close, &atom);
        n = n < sizeof close ? n : 0;
        memcpy(close, atom, n);
        close[n] = '\0';
        end = parser_find(p, s->key_open, p->at, length);
        other = parser_find(p, close, p->at, &other_length);
    }
    if (other_length != 0 && other < end) {
        end = other;
        *length = other_length;
    } else {
        *id = false;
    }
    return end;
}

/* A recipient's "all" is the content. */
static step take_all(hearth_chat_parser *p, size_t after)
{
    p->start = after;
    p->mode = MODE_TEXT;
    p->trim = p->seen = false;
    return STEP_ON;
}

/* The id before the name; `opened` says that it was read. */
static step first_id_step(hearth_chat_parser *p)
{
    size_t length, end = parser_find(p, p->shape->id_before, p->at, &length);
    if (end - p->at > TOOL_NAME_BYTES)
        return call_fail(p);
    if (length == 0 || length == TOOL_MARK_PARTIAL)
        return STEP_WAIT;
    if (!buf_append(&p->id, p->in.data + p->at, end - p->at))
        return STEP_NOMEM;
    p->at = end + length;
    p->opened = true;
    return STEP_ON;
}

static step name_step(hearth_chat_parser *p)
{
    const tool_shape *s = p->shape;
    size_t length, end;
    bool id;
    if (!parser_skip_blanks(p))
        return STEP_WAIT;
    if (s->id_before[0] != '\0' && !p->opened)
        return first_id_step(p);
    end = find_name_end(p, &length, &id);
    if (end - p->at > TOOL_NAME_BYTES + 64)
        return call_fail(p);
    if (length == 0 || length == TOOL_MARK_PARTIAL)
        return STEP_WAIT;
    const char *name = p->in.data + p->at;
    size_t n = end - p->at;
    while (n > 0 && tool_json_is_blank(name[n - 1]))
        n--;
    if (s->recipient && n == 3 && memcmp(name, "all", 3) == 0)
        return take_all(p, end + length);
    const tool_entry *tool = s->id_is_name ? tool_of_id(p, name, n) : call_tool(p, name, n);
    if (!tool)
        return call_fail(p);
    /* What an empty name_close ends at is read by the next mode. */
    p->at = s->name_close[0] != '\0' ? end + length : end;
    if (id) {
        p->tool = tool;
        p->mode = MODE_ID;
        return STEP_ON;
    }
    p->mode = s->kind == TOOL_KIND_NAME_JSON ? MODE_ARGS : MODE_PARAM;
    return call_begin(p, tool);
}

static step id_step(hearth_chat_parser *p)
{
    size_t length, end = parser_find(p, p->shape->name_close, p->at, &length);
    if (end - p->at > TOOL_NAME_BYTES)
        return call_fail(p);
    if (length == 0 || length == TOOL_MARK_PARTIAL)
        return STEP_WAIT;
    if (!buf_append(&p->id, p->in.data + p->at, end - p->at))
        return STEP_NOMEM;
    p->at = end + length;
    p->mode = MODE_ARGS;
    return call_begin(p, p->tool);
}

static step args_step(hearth_chat_parser *p)
{
    step s = call_read_args(p);
    return s == STEP_ON && p->mode == MODE_ARGS && p->args_done ? call_end(p, MODE_AFTER) : s;
}

/* ---- between calls ---- */

/* Any part of the closing marks, in any order: models leave some of them out. What an answer ends
 * in the middle of counts as whole. */
static size_t match_closer(const hearth_chat_parser *p)
{
    const char *marks[] = {p->shape->call_close, p->shape->section_close};
    bool partial = false;
    size_t have = p->in.n - p->at;
    for (size_t i = 0; i < 2; i++) {
        const char *atom, *rest = marks[i];
        for (size_t n; (n = tool_mark_atom(rest, &atom)) > 0; rest = atom + n) {
            if (have >= n && memcmp(p->in.data + p->at, atom, n) == 0)
                return n;
            partial = partial || (have < n && memcmp(p->in.data + p->at, atom, have) == 0);
        }
    }
    return !partial ? 0 : p->final ? have : TOOL_MARK_PARTIAL;
}

static step section_step(hearth_chat_parser *p)
{
    if (!parser_skip_blanks(p))
        return STEP_WAIT;
    size_t length = parser_match(p, p->shape->call_open);
    if (length == TOOL_MARK_PARTIAL)
        return STEP_WAIT;
    if (length == 0)
        return call_fail(p);
    p->at += length;
    p->mode = parser_call_mode(p);
    return STEP_ON;
}

static step list_step(hearth_chat_parser *p)
{
    step s = expect(p, '[', MODE_OBJECT);
    p->in_list = s == STEP_ON && p->mode == MODE_OBJECT;
    return s;
}

/* Another call of a list, or behind a bare one. False: there is none; WAIT is told by *wait. */
static bool take_comma(hearth_chat_parser *p, bool *wait)
{
    bool python = p->shape->kind == TOOL_KIND_PAIRS && p->shape->call_open[0] == '\0';
    char c = p->in.data[p->at];
    *wait = false;
    if (!calls_allowed(p))
        return false;
    bool rows = p->shape->kind == TOOL_KIND_JSON && p->shape->call_open[0] == '\0';
    if (c == '{' && rows) {
        p->start = p->at;
        parser_try(p, p->at + 1, MODE_KEY);
        return true;
    }
    if (c == ',' && (p->in_list || python)) {
        p->start = p->at;
        parser_try(p, p->at + 1, python ? MODE_NAME : MODE_OBJECT);
        return true;
    }
    if ((c != ',' && c != ';') || !p->shape->bare)
        return false;
    size_t at = p->at++;
    bool more = parser_skip_blanks(p);
    *wait = !more && !p->final;
    bool object = more && p->in.data[p->at] == '{';
    size_t brace = p->at;
    p->at = at;
    if (!object)
        return false;
    p->start = at;
    parser_try(p, brace, MODE_OBJECT);
    return true;
}

static step after_step(hearth_chat_parser *p)
{
    bool wait;
    p->at = p->start;
    if (!parser_skip_blanks(p)) {
        p->start = p->at;
        return STEP_WAIT;
    }
    p->start = p->at;
    size_t length = match_closer(p);
    if (length == TOOL_MARK_PARTIAL)
        return STEP_WAIT;
    if (length == 0 && p->in_list && p->in.data[p->at] == ']')
        length = 1;
    if (length > 0) {
        p->in_list = p->in_list && p->in.data[p->at] != ']';
        p->start += length;
        return STEP_ON;
    }
    if (take_comma(p, &wait))
        return STEP_ON;
    if (wait)
        return STEP_WAIT;
    p->in_list = false;
    p->mode = MODE_TEXT;
    p->trim = true;
    return STEP_ON;
}

step call_step(hearth_chat_parser *p)
{
    switch (p->mode) {
    case MODE_SECTION:
        return section_step(p);
    case MODE_LIST:
        return list_step(p);
    case MODE_OBJECT:
        return expect(p, '{', MODE_KEY);
    case MODE_KEY:
        return key_step(p);
    case MODE_VALUE:
        return value_step(p);
    case MODE_NEXT:
        return next_step(p);
    case MODE_NAME:
        return name_step(p);
    case MODE_ID:
        return id_step(p);
    case MODE_ARGS:
        return args_step(p);
    default:
        return after_step(p);
    }
}
