/* SPDX-License-Identifier: MIT
 *
 * tool_harmony.c - see tool_parser.h: the harmony format of gpt-oss.
 *
 * An answer is messages: a header (channel, recipient, type), <|message|>, a text, and one of
 * <|end|>, <|call|>, <|return|>. What the channel and the recipient say decides what the text is:
 * "analysis" is reasoning, "final" and "commentary" are content, "to=functions.NAME" is a call.
 * Source: the harmony response format guide of OpenAI's cookbook, and gpt-oss' chat template.
 */
#include <string.h>

#include "chat/tool_parser.h"

static const char *const ends[] = {"<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>"};
enum { N_ENDS = sizeof ends / sizeof *ends, N_CLOSERS = 3 };

/* What a header may begin with; anything else is text without one. */
static const char *const begins[] = {"<|start|>",     "<|channel|>", "to=",      "assistant",
                                     "<|constrain|>", "<|end|>",     "<|call|>", "<|return|>"};

static bool may_be_header(const hearth_chat_parser *p, bool *wait)
{
    *wait = false;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        size_t length = parser_match(p, begins[i]);
        if (length == TOOL_MARK_PARTIAL)
            *wait = true;
        else if (length > 0)
            return true;
    }
    return false;
}

/* The word after `before` in a header; its length. */
static size_t word_after(const char *header, size_t n, const char *before, const char **word)
{
    size_t n_before = strlen(before);
    for (size_t i = 0; i + n_before <= n; i++) {
        if (memcmp(header + i, before, n_before) != 0)
            continue;
        i += n_before;
        *word = header + i;
        size_t length = 0;
        while (i + length < n && header[i + length] > ' ' && header[i + length] != '<')
            length++;
        return length;
    }
    return 0;
}

static step as_text(hearth_chat_parser *p, size_t after)
{
    bool ok = parser_put(p, HEARTH_CHAT_CONTENT, p->in.data + p->start, after - p->start);
    p->start = after;
    p->mode = MODE_BODY;
    p->body = HEARTH_CHAT_CONTENT;
    p->trim = false;
    return ok ? STEP_ON : STEP_NOMEM;
}

static step read_header(hearth_chat_parser *p, size_t end, size_t after)
{
    const char *header = p->in.data + p->start, *channel = "", *recipient = "";
    size_t n = end - p->start;
    size_t n_channel = word_after(header, n, "<|channel|>", &channel);
    size_t n_recipient = word_after(header, n, "to=", &recipient);
    if (n_recipient > 0) {
        const tool_entry *tool = calls_allowed(p) ? call_tool(p, recipient, n_recipient) : NULL;
        if (!tool)
            return as_text(p, after);
        parser_try(p, after, MODE_BODY);
        p->body = HEARTH_CHAT_CALL_ARGUMENTS;
        return call_begin(p, tool);
    }
    p->body = n_channel == 8 && memcmp(channel, "analysis", 8) == 0 ? HEARTH_CHAT_REASONING
                                                                    : HEARTH_CHAT_CONTENT;
    p->mode = MODE_BODY;
    p->trim = !p->format->inline_reasoning;
    if (p->format->inline_reasoning && p->body == HEARTH_CHAT_REASONING)
        return as_text(p, after);
    p->start = after;
    return STEP_ON;
}

static step header_step(hearth_chat_parser *p)
{
    bool wait;
    size_t length, end;
    p->at = p->start;
    if (!parser_skip_blanks(p)) {
        if (p->final)
            p->start = p->in.n;
        return STEP_WAIT;
    }
    if (!may_be_header(p, &wait))
        return wait ? STEP_WAIT : as_text(p, p->start);
    end = parser_find(p, "<|message|>", p->start, &length);
    if (length != 0 && length != TOOL_MARK_PARTIAL && end - p->start <= PARSER_MAX_HEADER)
        return read_header(p, end, end + length);
    if (end - p->start > PARSER_MAX_HEADER)
        return as_text(p, p->start + PARSER_MAX_HEADER);
    if (!p->final)
        return STEP_WAIT;
    /* A mark that only ends the message before is no text. */
    for (size_t i = 0; i < N_CLOSERS; i++) {
        size_t n = parser_match(p, ends[i]);
        if (n > 0)
            p->start = p->at + n;
    }
    return p->start < p->in.n ? as_text(p, p->in.n) : STEP_WAIT;
}

/* The first mark that ends a message. */
static size_t find_end(const hearth_chat_parser *p, size_t from, size_t *length, bool *closer)
{
    size_t best = p->in.n;
    *length = 0;
    for (size_t i = 0; i < N_ENDS; i++) {
        size_t n, at = parser_find(p, ends[i], from, &n);
        if (n != 0 && (at < best || *length == 0)) {
            best = at;
            *length = n;
            *closer = i < N_CLOSERS;
        }
    }
    return best;
}

static step text_body_step(hearth_chat_parser *p)
{
    bool closer = false;
    size_t length, end = find_end(p, p->start, &length, &closer);
    if (!parser_put_held(p, p->body, end))
        return STEP_NOMEM;
    bool whole = length != 0 && length != TOOL_MARK_PARTIAL;
    if (!whole) {
        if (p->final && p->start < p->in.n) {
            size_t start = p->start;
            p->start = p->in.n;
            if (p->body == HEARTH_CHAT_CONTENT && !p->trim &&
                !parser_put(p, p->body, p->in.data + start, p->in.n - start))
                return STEP_NOMEM;
        }
        return STEP_WAIT;
    }
    /* A start of the next message stays for its header. */
    p->start = closer ? end + length : end;
    p->mode = MODE_HEADER;
    return STEP_ON;
}

static step fail_body(hearth_chat_parser *p)
{
    step s = call_fail(p);
    p->mode = MODE_BODY;
    p->body = HEARTH_CHAT_CONTENT;
    return s;
}

static step call_body_step(hearth_chat_parser *p)
{
    if (p->in.n - p->start > PARSER_MAX_CALL)
        return fail_body(p);
    step s = call_read_args(p);
    if (s == STEP_ON && p->mode != MODE_BODY) {
        p->mode = MODE_BODY;
        p->body = HEARTH_CHAT_CONTENT;
        return STEP_ON;
    }
    if (s == STEP_ON)
        return call_end(p, MODE_BODY_END);
    if (s != STEP_WAIT || !p->final)
        return s;
    p->start = p->in.n;
    p->mode = MODE_HEADER;
    return parser_event(p, HEARTH_CHAT_CALL_CUT, "", 0) ? STEP_WAIT : STEP_NOMEM;
}

static step body_end_step(hearth_chat_parser *p)
{
    p->mode = MODE_BODY;
    p->body = HEARTH_CHAT_CONTENT;
    p->trim = true;
    return STEP_ON;
}

step harmony_step(hearth_chat_parser *p)
{
    if (p->mode == MODE_HEADER)
        return header_step(p);
    if (p->mode == MODE_BODY_END)
        return body_end_step(p);
    return p->body == HEARTH_CHAT_CALL_ARGUMENTS ? call_body_step(p) : text_body_step(p);
}
