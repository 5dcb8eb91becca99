/* SPDX-License-Identifier: MIT
 *
 * reply_parts.c - see reply_impl.h: usage, timings, log probabilities, settings.
 */
#include "protocol/reply_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- frames, ids ---- */

void sse_open(json_writer *w, const char *name)
{
    if (name) {
        json_raw(w, "event: ", 7);
        json_raw(w, name, strlen(name));
        json_raw(w, "\n", 1);
    }
    json_raw(w, "data: ", 6);
    w->comma = false;
}

void sse_close(json_writer *w)
{
    json_raw(w, "\n\n", 2);
    w->comma = false;
}

void reply_make_id(const reply *y, const char *prefix, size_t number, char *out)
{
    snprintf(out, REPLY_ID_BYTES, "%s%.24s%04zx", prefix, y->info.id, number & 0xffffff);
}

/* ---- texts ---- */

bool reply_has(const reply_choice *c, reply_event_type kind)
{
    for (size_t i = 0; i < c->n_segments; i++) {
        if (c->segments[i].kind == kind)
            return true;
    }
    return false;
}

void reply_write_text(json_writer *w, const char *key, const reply_choice *c, reply_event_type kind)
{
    buf all;
    buf_init(&all, 0);
    for (size_t i = 0; i < c->n_segments; i++) {
        const segment *s = &c->segments[i];
        if (s->kind == kind && s->text.n > 0 && !buf_append(&all, s->text.data, s->text.n))
            w->failed = true;
    }
    json_bytes(w, key, all.data ? all.data : "", all.n);
    buf_deinit(&all);
}

/* ---- usage ---- */

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

void reply_write_timings(json_writer *w, const reply_usage *u)
{
    size_t n_read = u->n_prompt > u->n_cached ? u->n_prompt - u->n_cached : 0;
    double n_prompt = (double)n_read, n_generated = (double)u->n_generated;
    json_open(w, "timings", '{');
    json_whole(w, "cache_n", (int64_t)u->n_cached);
    json_whole(w, "prompt_n", (int64_t)n_read);
    json_number(w, "prompt_ms", u->prompt_ms);
    json_number(w, "prompt_per_token_ms", ratio(u->prompt_ms, n_prompt));
    json_number(w, "prompt_per_second", ratio(n_prompt * 1e3, u->prompt_ms));
    json_whole(w, "predicted_n", (int64_t)u->n_generated);
    json_number(w, "predicted_ms", u->generate_ms);
    json_number(w, "predicted_per_token_ms", ratio(u->generate_ms, n_generated));
    json_number(w, "predicted_per_second", ratio(n_generated * 1e3, u->generate_ms));
    if (u->n_drafted > 0) {
        json_whole(w, "draft_n", (int64_t)u->n_drafted);
        json_whole(w, "draft_n_accepted", (int64_t)u->n_draft_accepted);
    }
    reply_write_shift(w, u);
    json_close(w, '}');
}

void reply_write_shift(json_writer *w, const reply_usage *u)
{
    if (u->n_shifts == 0)
        return;
    json_open(w, "context_shift", '{');
    json_whole(w, "n_shifts", (int64_t)u->n_shifts);
    json_whole(w, "n_discarded", (int64_t)u->n_discarded);
    json_close(w, '}');
}

void reply_write_progress(json_writer *w, const reply_usage *u)
{
    json_open(w, "prompt_progress", '{');
    json_whole(w, "total", (int64_t)u->n_prompt);
    json_whole(w, "cache", (int64_t)u->n_cached);
    json_whole(w, "processed", (int64_t)u->n_processed);
    json_number(w, "time_ms", u->prompt_ms);
    json_close(w, '}');
}

reply_usage reply_sum(const reply *y, size_t *n_reasoning)
{
    reply_usage sum = {0};
    uint32_t n = (uint32_t)y->r->options.n;
    *n_reasoning = 0;
    for (uint32_t i = 0; i < y->n_choices; i++) {
        const reply_choice *c = &y->choices[i];
        bool is_first = i % n == 0;
        sum.n_prompt += is_first ? c->usage.n_prompt : 0;
        sum.n_cached += is_first ? c->usage.n_cached : 0;
        sum.prompt_ms += is_first ? c->usage.prompt_ms : 0;
        sum.n_generated += c->usage.n_generated;
        sum.n_drafted += c->usage.n_drafted;
        sum.n_draft_accepted += c->usage.n_draft_accepted;
        sum.n_shifts += c->usage.n_shifts;
        sum.n_discarded += c->usage.n_discarded;
        sum.generate_ms += c->usage.generate_ms;
        *n_reasoning += c->n_reasoning;
    }
    return sum;
}

void reply_write_usage(const reply *y, json_writer *w)
{
    size_t n_reasoning;
    reply_usage sum = reply_sum(y, &n_reasoning);
    json_open(w, "usage", '{');
    json_whole(w, "completion_tokens", (int64_t)sum.n_generated);
    json_whole(w, "prompt_tokens", (int64_t)sum.n_prompt);
    json_whole(w, "total_tokens", (int64_t)(sum.n_prompt + sum.n_generated));
    json_open(w, "prompt_tokens_details", '{');
    json_whole(w, "cached_tokens", (int64_t)sum.n_cached);
    json_close(w, '}');
    if (y->r->kind == REQUEST_CHAT) {
        json_open(w, "completion_tokens_details", '{');
        json_whole(w, "reasoning_tokens", (int64_t)n_reasoning);
        json_close(w, '}');
    }
    json_close(w, '}');
}

/* ---- tokens and their probabilities ---- */

/* JSON has no infinity: what OpenAI sends for a token that could not come. */
static float json_safe(float logprob)
{
    return isfinite(logprob) ? logprob : -9999.0f;
}

static void write_candidate(json_writer *w, const request_options *o, int32_t token,
                            const char *text, size_t n, float value, bool is_native)
{
    if (is_native)
        json_whole(w, "id", token);
    json_bytes(w, "token", text, n);
    json_open(w, "bytes", '[');
    for (size_t i = 0; i < n; i++)
        json_whole(w, NULL, (unsigned char)text[i]);
    json_close(w, ']');
    if (o->post_sampling_probs)
        json_float(w, "prob", value);
    else
        json_float(w, "logprob", json_safe(value));
}

static void write_probs(json_writer *w, const request_options *o, const reply_token *t,
                        bool is_native)
{
    json_open(w, NULL, '{');
    write_candidate(w, o, t->token, t->text, t->n_text, t->logprob, is_native);
    json_open(w, o->post_sampling_probs ? "top_probs" : "top_logprobs", '[');
    for (size_t i = 0; i < t->n_top; i++) {
        const reply_candidate *c = &t->top[i];
        json_open(w, NULL, '{');
        write_candidate(w, o, c->token, c->text, c->n_text, c->logprob, is_native);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

static void write_tops(json_writer *w, const reply_token *t)
{
    json_open(w, NULL, '{');
    for (size_t i = 0; i < t->n_top; i++) {
        buf key;
        buf_init(&key, 0);
        bool good = buf_append(&key, t->top[i].text, t->top[i].n_text);
        /* A NUL ends a key; such a token is shown by what is before it. */
        json_float(w, good ? key.data : "", json_safe(t->top[i].logprob));
        buf_deinit(&key);
    }
    json_close(w, '}');
}

static size_t count_characters(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

static json_writer column_writer(reply_choice *c, column which)
{
    json_writer w;
    json_start(&w, &c->columns[which]);
    w.comma = c->columns[which].n > 0;
    return w;
}

bool reply_add_token(const reply *y, reply_choice *c, const reply_token *t)
{
    const request_options *o = &y->r->options;
    bool is_native = y->r->api != API_OPENAI_CHAT && y->r->api != API_OPENAI_RESPONSES;
    json_writer w = column_writer(c, COLUMN_TOKENS);
    bool failed;
    json_whole(&w, NULL, t->token);
    failed = w.failed;
    if (o->n_probs < 0)
        return !failed;
    w = column_writer(c, COLUMN_PROBS);
    write_probs(&w, o, t, is_native);
    failed = failed || w.failed;
    if (y->r->api != API_OPENAI_COMPLETION)
        return !failed;
    w = column_writer(c, COLUMN_TEXTS);
    json_bytes(&w, NULL, t->text, t->n_text);
    failed = failed || w.failed;
    w = column_writer(c, COLUMN_VALUES);
    json_float(&w, NULL, json_safe(t->logprob));
    failed = failed || w.failed;
    w = column_writer(c, COLUMN_TOPS);
    write_tops(&w, t);
    failed = failed || w.failed;
    w = column_writer(c, COLUMN_OFFSETS);
    json_whole(&w, NULL, (int64_t)c->n_characters);
    c->n_characters += count_characters(t->text, t->n_text);
    return !failed && !w.failed;
}

void reply_write_column(json_writer *w, const char *key, const reply_choice *c, column which)
{
    json_open(w, key, '[');
    if (c->columns[which].n > 0)
        json_raw(w, c->columns[which].data, c->columns[which].n);
    json_close(w, ']');
}

void reply_clear_columns(reply_choice *c)
{
    for (size_t i = 0; i < N_COLUMNS; i++)
        buf_clear(&c->columns[i]);
}

bool reply_move_probs(reply_choice *c, segment *s)
{
    const buf *from = &c->columns[COLUMN_PROBS];
    bool ok = s->kind != REPLY_CONTENT || from->n == 0 ||
              ((s->probs.n == 0 || buf_append_text(&s->probs, ",")) &&
               buf_append(&s->probs, from->data, from->n));
    reply_clear_columns(c);
    return ok;
}

/* ---- settings ---- */

static void write_samplers(json_writer *w, const char *chain)
{
    if (chain == NULL)
        chain = "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature";
    json_open(w, "samplers", '[');
    while (*chain) {
        size_t n = strcspn(chain, ";");
        json_bytes(w, NULL, chain, n);
        chain += n + (chain[n] == ';');
    }
    json_close(w, ']');
}

static void write_texts(json_writer *w, const char *key, const char *const *texts, size_t n)
{
    json_open(w, key, '[');
    for (size_t i = 0; i < n; i++)
        json_text(w, NULL, texts[i]);
    json_close(w, ']');
}

static void write_biases(json_writer *w, const request_options *o)
{
    json_open(w, "logit_bias", '[');
    for (size_t i = 0; i < o->n_bias; i++) {
        json_open(w, NULL, '{');
        if (o->bias[i].text)
            json_text(w, "text", o->bias[i].text);
        else
            json_whole(w, "token", o->bias[i].token);
        json_float(w, "bias", o->bias[i].bias);
        json_close(w, '}');
    }
    json_close(w, ']');
}

void settings_write(json_writer *w, const request_options *o)
{
    static const char *const breakers[] = {"\n", ":", "\"", "*"};
    static const char *const formats[] = {"none", "auto", "deepseek", "deepseek-legacy"};
    const hearth_sampler_options *s = &o->sampler;
#define WRITE_F(name, value) json_float(w, name, value)
#define WRITE_I(name, value) json_whole(w, name, value)
#define WRITE_U(name, value) json_whole(w, name, value)
#define X(type, field, value, min, max, flag, help) WRITE_##type(#field, s->field);
#include <hearth/sampler_options.def>
#undef X
    json_whole(w, "n_predict", o->n_predict);
    json_whole(w, "max_tokens", o->n_predict);
    json_whole(w, "n_keep", o->n_keep);
    json_whole(w, "n_discard", o->n_discard);
    json_float(w, "t_max_predict_ms", o->t_max_predict_ms);
    json_truth(w, "ignore_eos", o->ignore_eos);
    json_truth(w, "stream", o->stream);
    json_whole(w, "n_probs", o->n_probs < 0 ? 0 : o->n_probs);
    json_truth(w, "post_sampling_probs", o->post_sampling_probs);
    json_truth(w, "timings_per_token", o->timings_per_token);
    json_truth(w, "cache_prompt", o->cache_prompt);
    write_texts(w, "stop", o->stop, o->n_stop);
    bool own = s->dry_sequence_breakers != NULL;
    write_texts(w, "dry_sequence_breakers", own ? s->dry_sequence_breakers : breakers,
                own ? s->n_dry_sequence_breakers : 4);
    write_samplers(w, s->samplers);
    write_biases(w, o);
    json_text(w, "grammar", o->grammar ? o->grammar : "");
    json_text(w, "reasoning_format", formats[o->reasoning]);
    json_whole(w, "reasoning_budget_tokens", o->reasoning_budget_tokens);
    json_open(w, "lora", '[');
    for (size_t i = 0; i < o->n_lora; i++) {
        json_open(w, NULL, '{');
        json_whole(w, "id", o->lora[i].id);
        json_float(w, "scale", o->lora[i].scale);
        json_close(w, '}');
    }
    json_close(w, ']');
}
