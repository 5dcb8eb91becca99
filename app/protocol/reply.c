/* SPDX-License-Identifier: MIT
 *
 * reply.c - see response.h: keeps the segments of every choice, and drives the API's format.
 */
#include "protocol/reply_impl.h"

#include <string.h>

#include "base/mem.h"

static const reply_format *format_of(const request *r)
{
    switch (r->api) {
    case API_OPENAI_COMPLETION:
        return &reply_completion;
    case API_OPENAI_RESPONSES:
        return &reply_responses;
    case API_ANTHROPIC:
        return &reply_anthropic;
    case API_COMPLETION:
    case API_INFILL:
        return &reply_native;
    default:
        return &reply_chat;
    }
}

static const char *id_prefix(protocol_api api)
{
    switch (api) {
    case API_OPENAI_COMPLETION:
        return "cmpl-";
    case API_OPENAI_RESPONSES:
        return "resp_";
    case API_ANTHROPIC:
        return "msg_";
    default:
        return "chatcmpl-";
    }
}

hearth_status reply_new(reply **out, const request *r, const reply_info *info, hearth_error *err)
{
    uint32_t n = request_n_choices(r);
    reply *y = mem_calloc(1, sizeof *y);
    if (y)
        y->choices = mem_calloc(n, sizeof *y->choices);
    if (y == NULL || y->choices == NULL) {
        mem_free(y);
        return error_no_memory(err, "the answer", n * sizeof *y->choices);
    }
    y->r = r;
    y->info = *info;
    y->n_choices = n;
    y->format = format_of(r);
    reply_make_id(y, id_prefix(r->api), 0, y->id);
    *out = y;
    return HEARTH_OK;
}

void reply_free(reply *y)
{
    if (y == NULL)
        return;
    for (uint32_t i = 0; i < y->n_choices; i++) {
        reply_choice *c = &y->choices[i];
        for (size_t s = 0; s < c->n_segments; s++) {
            buf_deinit(&c->segments[s].text);
            buf_deinit(&c->segments[s].probs);
            mem_free(c->segments[s].tool_name);
            mem_free(c->segments[s].tool_id);
        }
        for (size_t k = 0; k < N_COLUMNS; k++)
            buf_deinit(&c->columns[k]);
        mem_free(c->segments);
        mem_free(c->stop_word);
        mem_free(c->prompt);
    }
    mem_free(y->choices);
    mem_free(y);
}

const char *reply_id(const reply *y)
{
    return y->id;
}

const char *reply_content_type(const reply *y)
{
    return y->r->options.stream ? "text/event-stream" : "application/json; charset=utf-8";
}

/* ---- segments ---- */

static hearth_status add_segment(reply *y, reply_choice *c, reply_event_type kind,
                                 hearth_error *err)
{
    if (c->n_segments == c->n_room) {
        size_t room = c->n_room ? c->n_room * 2 : 4;
        segment *grown = mem_realloc_array(c->segments, room, sizeof *grown);
        if (grown == NULL)
            return error_no_memory(err, "the answer", room * sizeof *grown);
        c->segments = grown;
        c->n_room = room;
    }
    segment *s = &c->segments[c->n_segments];
    *s = (segment){.kind = kind};
    reply_make_id(y,
                  kind == REPLY_REASONING ? "rs_"
                  : kind == REPLY_TOOL    ? "fc_"
                                          : "msg_",
                  c->n_segments, s->id);
    c->n_segments++;
    c->is_open = true;
    return HEARTH_OK;
}

static void close_segment(reply *y, json_writer *w, uint32_t choice)
{
    reply_choice *c = &y->choices[choice];
    if (c->is_open && y->r->options.stream && y->format->close)
        y->format->close(y, w, choice, &c->segments[c->n_segments - 1]);
    c->is_open = false;
}

static void open_segment(reply *y, json_writer *w, uint32_t choice)
{
    reply_choice *c = &y->choices[choice];
    if (y->r->options.stream && y->format->open)
        y->format->open(y, w, choice, &c->segments[c->n_segments - 1]);
}

static hearth_status add_text(reply *y, json_writer *w, const reply_event *e, hearth_error *err)
{
    reply_choice *c = &y->choices[e->choice];
    bool is_arguments = e->type == REPLY_ARGUMENTS;
    reply_event_type kind = is_arguments ? REPLY_TOOL : e->type;
    if (e->n_text == 0)
        return HEARTH_OK;
    if (!c->is_open || c->segments[c->n_segments - 1].kind != kind) {
        if (is_arguments)
            FAIL(err, EINTERNAL, "reply", "arguments came before their tool call");
        close_segment(y, w, e->choice);
        TRY(add_segment(y, c, kind, err));
        open_segment(y, w, e->choice);
    }
    segment *s = &c->segments[c->n_segments - 1];
    if ((!y->r->options.stream || y->format->keeps_text) &&
        !buf_append(&s->text, e->text, e->n_text))
        return error_no_memory(err, "the answer", e->n_text);
    c->has_new_line = c->has_new_line || memchr(e->text, '\n', e->n_text) != NULL;
    if (y->r->options.stream)
        y->format->delta(y, w, e->choice, s, e->text, e->n_text);
    if (y->format->keeps_probs && !reply_move_probs(c, s))
        return error_no_memory(err, "the answer", s->probs.n);
    return HEARTH_OK;
}

static hearth_status add_tool(reply *y, json_writer *w, const reply_event *e, hearth_error *err)
{
    reply_choice *c = &y->choices[e->choice];
    char made[REPLY_ID_BYTES];
    const char *id = e->tool_id;
    if (id == NULL || *id == '\0') {
        reply_make_id(y, y->r->api == API_ANTHROPIC ? "toolu_" : "call_",
                      (size_t)e->choice * 4096 + c->n_segments, made);
        id = made;
    }
    close_segment(y, w, e->choice);
    TRY(add_segment(y, c, REPLY_TOOL, err));
    segment *s = &c->segments[c->n_segments - 1];
    s->tool_index = c->n_tools++;
    s->tool_id = mem_dup(id, strlen(id));
    s->tool_name = mem_dup(e->tool_name, strlen(e->tool_name));
    if (s->tool_id == NULL || s->tool_name == NULL)
        return error_no_memory(err, "the answer", strlen(id));
    open_segment(y, w, e->choice);
    return HEARTH_OK;
}

static hearth_status finish(reply *y, json_writer *w, const reply_event *e, hearth_error *err)
{
    reply_choice *c = &y->choices[e->choice];
    if (!c->is_done)
        c->finish = e->finish; /* the last segment is told as cut, if it is */
    close_segment(y, w, e->choice);
    if (c->is_done)
        return HEARTH_OK;
    c->is_done = true;
    c->truncated = e->truncated;
    c->id_slot = e->id_slot;
    c->n_prompt_text = e->n_prompt_text;
    if (e->stop_word)
        c->stop_word = mem_dup(e->stop_word, strlen(e->stop_word));
    if (e->prompt)
        c->prompt = mem_dup(e->prompt, e->n_prompt_text);
    if ((e->stop_word && c->stop_word == NULL) || (e->prompt && c->prompt == NULL))
        return error_no_memory(err, "the answer", e->n_prompt_text);
    if (y->r->options.stream && y->format->done)
        y->format->done(y, w, e->choice);
    return HEARTH_OK;
}

/* ---- events ---- */

hearth_status reply_begin(reply *y, const reply_usage *usage, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    y->first = *usage;
    if (y->r->options.stream && y->format->begin)
        y->format->begin(y, &w);
    return json_done(&w, err);
}

hearth_status reply_write(reply *y, const reply_event *e, buf *out, hearth_error *err)
{
    json_writer w;
    if (e->choice >= y->n_choices)
        FAIL(err, EINTERNAL, "reply", "there is no choice %u of %u", e->choice, y->n_choices);
    reply_choice *c = &y->choices[e->choice];
    json_start(&w, out);
    c->id_slot = e->id_slot;
    if (e->usage.n_prompt > 0)
        c->usage = e->usage;
    for (size_t i = 0; i < e->n_tokens; i++) {
        if (!reply_add_token(y, c, &e->tokens[i]))
            return error_no_memory(err, "the answer", c->columns[COLUMN_TOKENS].n);
    }
    c->n_reasoning += e->type == REPLY_REASONING ? e->n_tokens : 0;
    switch (e->type) {
    case REPLY_PROGRESS:
        if (y->r->options.stream && y->r->options.return_progress && y->format->progress)
            y->format->progress(y, &w, e->choice, &e->usage);
        break;
    case REPLY_TOKENS:
        break;
    case REPLY_REASONING:
    case REPLY_CONTENT:
    case REPLY_ARGUMENTS:
        TRY(add_text(y, &w, e, err));
        break;
    case REPLY_TOOL:
        TRY(add_tool(y, &w, e, err));
        break;
    case REPLY_DONE:
        TRY(finish(y, &w, e, err));
        break;
    }
    return json_done(&w, err);
}

hearth_status reply_end(reply *y, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    y->format->end(y, &w);
    return json_done(&w, err);
}

hearth_status reply_ping(const reply *y, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    if (y->r->api == API_ANTHROPIC) {
        sse_open(&w, "ping");
        json_raw(&w, "{\"type\":\"ping\"}", 15);
        sse_close(&w);
    } else {
        json_raw(&w, ":\n\n", 3);
    }
    return json_done(&w, err);
}

hearth_status reply_fail(reply *y, const hearth_error *error, const failure_detail *detail,
                         buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    if (y->format->fail) {
        y->format->fail(y, &w, error, detail);
    } else {
        sse_open(&w, NULL);
        failure_body(y->r->api, &w, error, detail);
        sse_close(&w);
    }
    return json_done(&w, err);
}
