/* SPDX-License-Identifier: MIT
 *
 * tool_parser.c - see tool_parser.h: public functions, events, text and reasoning.
 */
#include "chat/tool_parser.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "base/utf8.h"

enum { FEED_BYTES = 4096 };

/* ---- events ---- */

bool parser_event_open(hearth_chat_parser *p, hearth_chat_event_type type)
{
    event *last = p->n_events > 0 ? &p->events[p->n_events - 1] : NULL;
    if (last && last->type == type && (type <= HEARTH_CHAT_CONTENT || last->index == p->index) &&
        (type <= HEARTH_CHAT_CONTENT || type == HEARTH_CHAT_CALL_ARGUMENTS))
        return true;
    if (p->n_events == p->events_capacity) {
        size_t capacity = p->events_capacity > 0 ? 2 * p->events_capacity : 16;
        event *events = mem_realloc_array(p->events, capacity, sizeof *events);
        if (!events)
            return false;
        p->events = events;
        p->events_capacity = capacity;
    }
    p->events[p->n_events++] = (event){.type = type, .index = p->index, .text = p->text.n};
    return true;
}

void parser_event_close(hearth_chat_parser *p)
{
    event *last = &p->events[p->n_events - 1];
    last->n = p->text.n - last->text;
    if (last->n == 0 &&
        (last->type <= HEARTH_CHAT_CONTENT || last->type == HEARTH_CHAT_CALL_ARGUMENTS))
        p->n_events--;
}

bool parser_event(hearth_chat_parser *p, hearth_chat_event_type type, const char *text, size_t n)
{
    if (!parser_event_open(p, type) || !buf_append(&p->text, text, n))
        return false;
    parser_event_close(p);
    return true;
}

bool parser_put(hearth_chat_parser *p, hearth_chat_event_type type, const char *text, size_t n)
{
    if (type == HEARTH_CHAT_REASONING && p->format->inline_reasoning)
        type = HEARTH_CHAT_CONTENT;
    if (type == HEARTH_CHAT_REASONING)
        p->reasoning_bytes += n;
    for (size_t i = 0; i < n && type == HEARTH_CHAT_CONTENT && !p->seen; i++)
        p->seen = !tool_json_is_blank(text[i]);
    return n == 0 || parser_event(p, type, text, n);
}

bool parser_put_held(hearth_chat_parser *p, hearth_chat_event_type type, size_t end)
{
    const char *text = p->in.data;
    size_t keep = end;
    while (p->trim && p->start < end && tool_json_is_blank(text[p->start]))
        p->start++;
    p->trim = p->trim && p->start == end;
    while (keep > p->start && tool_json_is_blank(text[keep - 1]))
        keep--;
    if (end - keep > PARSER_MAX_BLANKS)
        keep = end - PARSER_MAX_BLANKS;
    if (end == p->in.n && keep == end && !p->final)
        keep -= utf8_incomplete_suffix(text + p->start, keep - p->start);
    bool ok = parser_put(p, type, text + p->start, keep - p->start);
    p->start = keep;
    return ok;
}

/* ---- looking at the text ---- */

bool parser_skip_blanks(hearth_chat_parser *p)
{
    while (p->at < p->in.n && tool_json_is_blank(p->in.data[p->at]))
        p->at++;
    return p->at < p->in.n;
}

size_t parser_match(const hearth_chat_parser *p, const char *mark)
{
    size_t n;
    const char *rest = parser_rest(p, &n);
    size_t length = tool_mark_match(mark, rest, n);
    return length == TOOL_MARK_PARTIAL && p->final ? 0 : length;
}

size_t parser_find(const hearth_chat_parser *p, const char *mark, size_t from, size_t *length)
{
    size_t at = tool_mark_find(mark, p->in.data, from, p->in.n, length);
    if (*length == TOOL_MARK_PARTIAL && p->final) {
        *length = 0;
        return p->in.n;
    }
    return at;
}

mode parser_call_mode(const hearth_chat_parser *p)
{
    switch (p->shape->kind) {
    case TOOL_KIND_JSON:
        return MODE_OBJECT;
    case TOOL_KIND_LIST:
    case TOOL_KIND_KEYED:
        return MODE_LIST;
    default:
        return MODE_NAME;
    }
}

void parser_try(hearth_chat_parser *p, size_t mark_end, mode next)
{
    p->at = mark_end;
    p->mark_end = mark_end - p->start;
    p->mode = next;
    p->begun = p->args_done = p->opened = p->json_begun = false;
    p->field = FIELD_OTHER;
    p->tool = NULL;
    p->n_params = 0;
    buf_clear(&p->name);
    buf_clear(&p->id);
    buf_clear(&p->args);
    buf_clear(&p->scratch);
}

/* ---- text and reasoning ---- */

enum mark_kind { MARK_NONE, MARK_THINK, MARK_UNTHINK, MARK_SECTION, MARK_CALL, MARK_WRAP };

typedef struct found {
    enum mark_kind kind;
    size_t at, length;
} found;

static void look(const hearth_chat_parser *p, const char *mark, enum mark_kind kind, found *best)
{
    size_t length, at;
    if (mark[0] == '\0')
        return;
    at = parser_find(p, mark, p->start, &length);
    if (length == 0 || at > best->at)
        return;
    /* At one place a longer mark wins, and one that may become longer. */
    if (at == best->at && best->kind != MARK_NONE && length < best->length)
        return;
    *best = (found){kind, at, length};
}

static bool blank_before(const hearth_chat_parser *p, size_t at)
{
    for (size_t i = p->start; i < at; i++)
        if (!tool_json_is_blank(p->in.data[i]))
            return false;
    return true;
}

static found find_mark(const hearth_chat_parser *p)
{
    const tool_shape *s = p->shape;
    found best = {MARK_NONE, p->in.n, 0};
    if (calls_allowed(p)) {
        look(p, s->section_open, MARK_SECTION, &best);
        look(p, s->call_open, MARK_CALL, &best);
    }
    look(p, s->content_open, MARK_WRAP, &best);
    look(p, s->content_close, MARK_WRAP, &best);
    if (!p->seen && !p->format->inline_reasoning) {
        found think = {MARK_NONE, p->in.n, 0};
        look(p, s->think_open, MARK_THINK, &think);
        look(p, s->think_close, MARK_UNTHINK, &think);
        if (think.kind != MARK_NONE && think.at <= best.at && blank_before(p, think.at))
            best = think;
    } else if (!p->seen) {
        found think = {MARK_NONE, p->in.n, 0};
        look(p, s->think_open, MARK_THINK, &think);
        if (think.kind != MARK_NONE && think.at <= best.at && blank_before(p, think.at))
            best = think;
    }
    return best;
}

static step take_mark(hearth_chat_parser *p, const found *mark)
{
    size_t end = mark->at + mark->length;
    switch (mark->kind) {
    case MARK_THINK:
        if (p->format->inline_reasoning) {
            if (!parser_put(p, HEARTH_CHAT_CONTENT, p->in.data + p->start, end - p->start))
                return STEP_NOMEM;
        }
        p->start = end;
        p->mode = MODE_REASONING;
        p->trim = true;
        break;
    case MARK_SECTION:
        parser_try(p, end, p->shape->call_open[0] != '\0' ? MODE_SECTION : parser_call_mode(p));
        break;
    case MARK_CALL:
        parser_try(p, end, parser_call_mode(p));
        break;
    default:
        p->start = end;
        p->trim = true;
    }
    return STEP_ON;
}

/* An object at the very start is tried as a call where the style writes calls bare. */
static bool try_bare(hearth_chat_parser *p)
{
    if (!p->shape->bare || p->seen || !calls_allowed(p))
        return false;
    p->at = p->start;
    if (!parser_skip_blanks(p))
        return false;
    if (p->trim) /* whatever follows the blanks */
        p->start = p->at;
    if (p->in.data[p->at] != '{')
        return false;
    parser_try(p, p->at + 1, MODE_KEY);
    return true;
}

static step text_step(hearth_chat_parser *p)
{
    if (try_bare(p))
        return STEP_ON;
    found mark = find_mark(p);
    size_t end = mark.kind == MARK_NONE ? p->in.n : mark.at;
    if (!parser_put_held(p, HEARTH_CHAT_CONTENT, end))
        return STEP_NOMEM;
    if (mark.kind != MARK_NONE && mark.length != TOOL_MARK_PARTIAL)
        return take_mark(p, &mark);
    if (p->final && p->start < p->in.n) {
        size_t start = p->start;
        p->start = p->in.n;
        if (!p->trim && !parser_put(p, HEARTH_CHAT_CONTENT, p->in.data + start, p->in.n - start))
            return STEP_NOMEM;
    }
    return STEP_WAIT;
}

/* Where every answer begins as reasoning, a call ends it too. */
static found find_think_end(const hearth_chat_parser *p)
{
    found end = {MARK_NONE, p->in.n, 0};
    look(p, p->shape->think_close, MARK_UNTHINK, &end);
    if (p->shape->think_open[0] == '\0' && calls_allowed(p)) {
        look(p, p->shape->section_open, MARK_SECTION, &end);
        look(p, p->shape->call_open, MARK_CALL, &end);
    }
    return end;
}

/* Inline reasoning keeps every byte; split reasoning loses its tags and the blanks at its ends. */
static step reasoning_step(hearth_chat_parser *p)
{
    found mark = find_think_end(p);
    size_t length = mark.kind == MARK_UNTHINK ? mark.length : 0, end = mark.at;
    bool whole = mark.kind != MARK_NONE && mark.length != TOOL_MARK_PARTIAL;
    if (p->format->inline_reasoning) {
        size_t to = whole ? end + length : end;
        if (to == p->in.n && !p->final && !whole)
            to -= utf8_incomplete_suffix(p->in.data + p->start, to - p->start);
        if (!parser_put(p, HEARTH_CHAT_CONTENT, p->in.data + p->start, to - p->start))
            return STEP_NOMEM;
        p->start = to;
    } else {
        if (!parser_put_held(p, HEARTH_CHAT_REASONING, end))
            return STEP_NOMEM;
        if (whole || p->final)
            p->start = whole ? end + length : p->in.n;
    }
    if (!whole)
        return STEP_WAIT;
    p->mode = MODE_TEXT;
    p->trim = !p->format->inline_reasoning;
    p->seen = false;
    return STEP_ON;
}

/* ---- the machine ---- */

static step parser_step(hearth_chat_parser *p)
{
    if (p->mode == MODE_TEXT)
        return text_step(p);
    if (p->mode == MODE_REASONING)
        return reasoning_step(p);
    if (p->mode >= MODE_HEADER)
        return harmony_step(p);
    size_t n = p->in.n - p->start;
    if (n > PARSER_MAX_CALL || (n > PARSER_MAX_OPEN && !p->begun && p->mode != MODE_AFTER))
        return call_fail(p);
    bool pairs = p->mode >= MODE_PARAM && p->mode <= MODE_CDATA_END;
    return pairs ? pairs_step(p) : call_step(p);
}

/* At the end of the answer a call that waits is complete, cut, or was none. Behind a call, what
 * would have become another is none: it goes, and is no content. */
static step end_call(hearth_chat_parser *p)
{
    if (p->begun && !p->args_done) {
        p->start = p->in.n;
        p->begun = false;
        p->mode = MODE_TEXT;
        return parser_event(p, HEARTH_CHAT_CALL_CUT, "", 0) ? STEP_ON : STEP_NOMEM;
    }
    if (!p->begun && p->mode != MODE_AFTER && hearth_chat_parser_n_calls(p) > 0) {
        p->start = p->in.n;
        p->in_list = false;
        p->mode = MODE_TEXT;
        return STEP_ON;
    }
    return call_fail(p);
}

static hearth_status run(hearth_chat_parser *p, hearth_error *err)
{
    step s = STEP_ON;
    while (s == STEP_ON) {
        s = parser_step(p);
        if (s == STEP_WAIT && p->final && p->mode > MODE_REASONING && p->mode < MODE_HEADER)
            s = end_call(p);
    }
    if (s == STEP_NOMEM)
        return error_no_memory(err, "an answer's events", p->in.n);
    if (p->start > 0) {
        buf_remove_front(&p->in, p->start);
        p->at = p->at > p->start ? p->at - p->start : 0;
        p->start = 0;
    }
    return HEARTH_OK;
}

hearth_status hearth_chat_parser_new(hearth_chat_parser **out, const hearth_chat_format *format,
                                     hearth_error *err)
{
    hearth_chat_parser *p = mem_calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return error_no_memory(err, "a chat parser", sizeof *p);
    p->format = format;
    p->shape = format->shape;
    buf *buffers[] = {&p->in, &p->text, &p->name, &p->id, &p->args, &p->scratch};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buf_init(buffers[i], 0);
    /* From here on in.data is never NULL. */
    if (!buf_append(&p->in, "", 1)) {
        hearth_chat_parser_free(p);
        return error_no_memory(err, "a chat parser", 1);
    }
    buf_clear(&p->in);
    if (format->reasoning_open) {
        p->mode = MODE_REASONING;
        p->trim = true;
    } else if (p->shape->kind == TOOL_KIND_HARMONY) {
        p->mode = MODE_HEADER;
    } else if (format->in_call_open) {
        parser_try(p, 0, MODE_NAME);
    }
    *out = p;
    return HEARTH_OK;
}

void hearth_chat_parser_free(hearth_chat_parser *p)
{
    if (!p)
        return;
    buf *buffers[] = {&p->in, &p->text, &p->name, &p->id, &p->args, &p->scratch};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buf_deinit(buffers[i]);
    mem_free(p->events);
    mem_free(p);
}

static void forget_events(hearth_chat_parser *p)
{
    buf_clear(&p->text);
    p->n_events = p->next_event = 0;
}

hearth_status hearth_chat_parser_feed(hearth_chat_parser *p, const char *text, size_t n,
                                      hearth_error *err)
{
    if (p->finished)
        FAIL(err, EINVAL, "parser", "the answer was finished; take a new parser");
    forget_events(p);
    /* In pieces, so that marks are not looked for in all of a long text again and again. */
    while (n > 0) {
        size_t piece = n < FEED_BYTES ? n : FEED_BYTES;
        if (!buf_append(&p->in, text, piece))
            return error_no_memory(err, "an answer's text", p->in.n + piece);
        TRY(run(p, err));
        text += piece;
        n -= piece;
    }
    return HEARTH_OK;
}

hearth_status hearth_chat_parser_finish(hearth_chat_parser *p, hearth_error *err)
{
    forget_events(p);
    if (p->finished)
        return HEARTH_OK;
    p->finished = p->final = true;
    return run(p, err);
}

bool hearth_chat_parser_next(hearth_chat_parser *p, hearth_chat_event *out)
{
    if (p->next_event == p->n_events)
        return false;
    const event *e = &p->events[p->next_event++];
    const char *text = p->text.n > 0 ? p->text.data : "";
    bool begin = e->type == HEARTH_CHAT_CALL_BEGIN;
    *out = (hearth_chat_event){.type = e->type,
                               .index = e->type <= HEARTH_CHAT_CONTENT ? 0 : e->index,
                               .text = text + e->text,
                               .n = begin ? 0 : e->n,
                               .id = begin ? text + e->id : NULL,
                               .name = begin ? text + e->name : NULL};
    return true;
}

bool hearth_chat_parser_in_reasoning(const hearth_chat_parser *p)
{
    return p->mode == MODE_REASONING || (p->mode == MODE_BODY && p->body == HEARTH_CHAT_REASONING);
}

uint64_t hearth_chat_parser_reasoning_bytes(const hearth_chat_parser *p)
{
    return p->reasoning_bytes;
}

uint32_t hearth_chat_parser_n_calls(const hearth_chat_parser *p)
{
    return p->n_begun - p->n_dropped;
}
