/* SPDX-License-Identifier: MIT
 *
 * reply_native.c - the answers of llama-server's own /completion and /infill.
 *
 * Stream   {content, tokens, stop: false, ...} per piece, then the whole description of the answer
 *          with an empty content and stop: true. Without stream that description alone, with the
 *          content; an array of them where there is more than one answer.
 * Full     A context that is full is "truncated" whether it ended the answer, which stop_reason
 *          tells, or was shifted, which timings tell.
 */
#include <string.h>

#include "protocol/reply_impl.h"

static void write_probs(const reply *y, json_writer *w, reply_choice *c)
{
    if (y->r->options.n_probs >= 0)
        reply_write_column(w, "completion_probabilities", c, COLUMN_PROBS);
    reply_clear_columns(c);
}

static void write_piece(reply *y, json_writer *w, uint32_t choice, const char *text, size_t n,
                        const reply_usage *progress)
{
    reply_choice *c = &y->choices[choice];
    sse_open(w, NULL);
    json_open(w, NULL, '{');
    json_whole(w, "index", choice);
    json_bytes(w, "content", text, n);
    reply_write_column(w, "tokens", c, COLUMN_TOKENS);
    json_truth(w, "stop", false);
    json_whole(w, "id_slot", c->id_slot);
    json_whole(w, "tokens_predicted", (int64_t)c->usage.n_generated);
    json_whole(w, "tokens_evaluated", (int64_t)c->usage.n_prompt);
    if (y->r->options.timings_per_token)
        reply_write_timings(w, &c->usage);
    if (progress)
        reply_write_progress(w, progress);
    write_probs(y, w, c);
    json_close(w, '}');
    sse_close(w);
}

static const char *stop_type(hearth_finish_reason reason)
{
    switch (reason) {
    case HEARTH_FINISH_STOP:
        return "eos";
    case HEARTH_FINISH_WORD:
        return "word";
    case HEARTH_FINISH_LIMIT:
    case HEARTH_FINISH_CONTEXT:
        return "limit";
    default:
        return "none";
    }
}

static void write_whole(reply *y, json_writer *w, uint32_t choice)
{
    reply_choice *c = &y->choices[choice];
    bool wants_tokens = y->r->options.return_tokens && !y->r->options.stream;
    json_open(w, NULL, '{');
    json_whole(w, "index", choice);
    reply_write_text(w, "content", c, REPLY_CONTENT);
    if (!wants_tokens)
        buf_clear(&c->columns[COLUMN_TOKENS]);
    reply_write_column(w, "tokens", c, COLUMN_TOKENS);
    json_whole(w, "id_slot", c->id_slot);
    json_truth(w, "stop", true);
    json_text(w, "model", y->info.model);
    json_whole(w, "tokens_predicted", (int64_t)c->usage.n_generated);
    json_whole(w, "tokens_evaluated", (int64_t)c->usage.n_prompt);
    json_open(w, "generation_settings", '{');
    settings_write(w, &y->r->options);
    json_close(w, '}');
    json_bytes(w, "prompt", c->prompt ? c->prompt : "", c->prompt ? c->n_prompt_text : 0);
    json_truth(w, "has_new_line", c->has_new_line);
    json_truth(w, "truncated", c->truncated);
    json_text(w, "stop_type", stop_type(c->finish));
    if (c->finish == HEARTH_FINISH_CONTEXT)
        json_text(w, "stop_reason", "context");
    json_text(w, "stopping_word", c->stop_word ? c->stop_word : "");
    json_whole(w, "tokens_cached",
               (int64_t)(c->usage.n_prompt + c->usage.n_generated + c->usage.n_unread -
                         c->usage.n_discarded));
    reply_write_timings(w, &c->usage);
    if (c->columns[COLUMN_PROBS].n > 0)
        write_probs(y, w, c);
    reply_clear_columns(c);
    json_close(w, '}');
}

/* response_fields: "a/b" is the member b of a, given out under that name. */
static const json_t *find(const json_t *body, const char *name)
{
    while (body) {
        size_t n = strcspn(name, "/");
        const json_t *inner = json_object_getn(body, name, n);
        if (name[n] == '\0')
            return inner;
        name += n + 1;
        body = inner;
    }
    return NULL;
}

static void write_selected(reply *y, json_writer *w, uint32_t choice)
{
    const request_options *o = &y->r->options;
    buf whole;
    json_writer inner;
    if (o->n_response_fields == 0) {
        write_whole(y, w, choice);
        return;
    }
    buf_init(&whole, 0);
    json_start(&inner, &whole);
    write_whole(y, &inner, choice);
    json_t *body = inner.failed ? NULL : json_loadb(whole.data, whole.n, JSON_ALLOW_NUL, NULL);
    w->failed = w->failed || body == NULL;
    json_open(w, NULL, '{');
    for (size_t i = 0; i < o->n_response_fields; i++) {
        const json_t *value = find(body, o->response_fields[i]);
        if (value)
            json_value_of(w, o->response_fields[i], value);
    }
    json_close(w, '}');
    json_decref(body);
    buf_deinit(&whole);
}

static void native_delta(reply *y, json_writer *w, uint32_t choice, segment *s, const char *text,
                         size_t n)
{
    (void)s;
    write_piece(y, w, choice, text, n, NULL);
}

static void native_progress(reply *y, json_writer *w, uint32_t choice, const reply_usage *usage)
{
    write_piece(y, w, choice, "", 0, usage);
}

static void native_done(reply *y, json_writer *w, uint32_t choice)
{
    sse_open(w, NULL);
    write_selected(y, w, choice);
    sse_close(w);
}

static void native_end(reply *y, json_writer *w)
{
    if (y->r->options.stream)
        return;
    if (y->n_choices == 1) {
        write_selected(y, w, 0);
        return;
    }
    json_open(w, NULL, '[');
    for (uint32_t i = 0; i < y->n_choices; i++)
        write_selected(y, w, i);
    json_close(w, ']');
}

const reply_format reply_native = {
    .delta = native_delta,
    .progress = native_progress,
    .done = native_done,
    .end = native_end,
};
