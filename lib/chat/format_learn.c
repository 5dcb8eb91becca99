/* SPDX-License-Identifier: MIT
 *
 * format_learn.c - see tools.h: what a template's renders teach of its notation.
 *
 * Two calls are rendered, so that what stands before the first (A), between the two (B) and after
 * the second (C) can be compared: what A and B end with opens a call, what B and C begin with
 * closes one, and what is left belongs to the section. Inside a call the same is done with its
 * parameters. Cuts never go through a tag.
 *
 * A template that does not write calls may still have been made for a notation, which its source
 * mentions; those few are in `hints`.
 */
#include "chat/format_learn.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/status.h"
#include "chat/format_probe.h"
#include "chat/tool_json.h"

enum { MIN_OVERLAP = 4 };

/* ---- texts ---- */

typedef struct span span;

static span span_of(const char *from, const char *to)
{
    return (span){from, (size_t)(to - from)};
}

/* Copies into the learner's store; NULL only when memory is out. */
static const char *keep(learner *l, span s)
{
    char *copy = l->n_texts < LEARNER_TEXTS ? mem_dup(s.text, s.n) : NULL;
    if (!copy) {
        l->failed = true;
        return "";
    }
    l->texts[l->n_texts++] = copy;
    return copy;
}

/* Whether text[at] is inside of a tag that began before it, and where that began. */
static bool in_tag(span s, size_t at, size_t *start)
{
    for (size_t i = at; i > 0 && at - i < 64; i--) {
        char c = s.text[i - 1];
        if (c == '>' || c == ']' || c == '\n')
            return false;
        bool square =
            c == '[' && i < s.n && ((s.text[i] >= 'A' && s.text[i] <= 'Z') || s.text[i] == '/');
        if (c == '<' || square) {
            *start = i - 1;
            return true;
        }
    }
    return false;
}

static size_t common_prefix(span a, span b)
{
    size_t n = 0, start;
    while (n < a.n && n < b.n && a.text[n] == b.text[n])
        n++;
    if ((n < a.n && in_tag(a, n, &start)) || (n < b.n && in_tag(b, n, &start)))
        n = start;
    return n;
}

/* The first place at or after `at` that is in no tag that began before it. */
static size_t leave_tag(span s, size_t at)
{
    size_t start;
    if (at == 0 || !in_tag(s, at, &start))
        return at;
    while (at < s.n && s.text[at] != '>' && s.text[at] != ']')
        at++;
    return at < s.n ? at + 1 : at;
}

static size_t common_suffix(span a, span b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.text[a.n - 1 - n] == b.text[b.n - 1 - n])
        n++;
    size_t left_a = a.n - leave_tag(a, a.n - n), left_b = b.n - leave_tag(b, b.n - n);
    return left_a < left_b ? left_a : left_b;
}

static bool is_blank_span(span s)
{
    while (s.n > 0 && tool_json_is_blank(s.text[s.n - 1]))
        s.n--;
    return s.n == 0;
}

static const char *find(span s, const char *word)
{
    return memmem(s.text, s.n, word, strlen(word));
}

/* s up to the first of the marks that end a turn. */
static span before_end(const learner *l, span s)
{
    const char *ends[] = {PROBE_EOS, l->turn_end};
    for (size_t i = 0; i < 2; i++) {
        const char *hit = ends[i][0] != '\0' ? find(s, ends[i]) : NULL;
        if (hit)
            s.n = (size_t)(hit - s.text);
    }
    return s;
}

/* Blanks and the first part of a mark; the whole if it is the last. */
static span first_atom(span s)
{
    char text[128];
    const char *atom;
    size_t n = s.n < sizeof text - 1 ? s.n : sizeof text - 1;
    memcpy(text, s.text, n);
    text[n] = '\0';
    size_t length = tool_mark_atom(text, &atom);
    return (span){s.text, length > 0 ? (size_t)(atom - text) + length : 0};
}

/* ---- reasoning and content ---- */

/* A template's reasoning marks stand around the marked reasoning. */
static bool take_think(learner *l, const char *tail)
{
    const char *hit = strstr(tail, PROBE_REASON), *open = hit;
    if (!hit)
        return false;
    while (open > tail && *open != '<' && *open != '[')
        open--;
    const char *after = hit + strlen(PROBE_REASON);
    span close = first_atom(span_of(after, after + strlen(after)));
    if (open == hit || (*open != '<' && *open != '[') || is_blank_span(close))
        return false;
    while (tool_json_is_blank(close.text[close.n]))
        close.n++;
    l->shape.think_open = keep(l, span_of(open, hit));
    l->shape.think_close = keep(l, close);
    l->shape.guessed_think = false;
    return true;
}

static void guess_think(learner *l)
{
    static const char *const pairs[][2] = {
        {"[THINK]", "[/THINK]"},
        {"<seed:think>", "</seed:think>"},
        {"<|START_THINKING|>", "<|END_THINKING|>"},
        {"<|inner_prefix|>", "<|inner_suffix|>"},
        {"<think>", "</think>"},
        {"<thought>", "</thought>"},
        {"<reasoning>", "</reasoning>"},
    };
    tool_shape *s = &l->shape;
    if (find(l->source, "[BEGIN FINAL RESPONSE]")) {
        s->think_close = "[BEGIN FINAL RESPONSE]";
        s->content_close = "[END FINAL RESPONSE]";
        return;
    }
    if (find(l->source, "<response></response>")) {
        s->content_open = "<response>";
        s->content_close = "</response>";
    }
    s->think_open = "<think>";
    s->think_close = "</think>";
    s->guessed_think = true;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        bool both = find(l->source, pairs[i][0]) && find(l->source, pairs[i][1]);
        /* Some templates only take the reasoning out of the history. */
        if (both || (strcmp(pairs[i][0], "<think>") == 0 && find(l->source, "</think>"))) {
            s->think_open = pairs[i][0];
            s->think_close = pairs[i][1];
            s->guessed_think = false;
            return;
        }
    }
}

/* Where the answer begins in a tail: after the generation prompt, and after empty reasoning. */
static span answer_of(const learner *l, const char *tail)
{
    span all = {tail, strlen(tail)}, prompt = {l->prompt, strlen(l->prompt)};
    size_t n = common_prefix(all, prompt), again = prompt.n - n;
    span answer = {tail + n, all.n - n};
    /* A prompt that says more than the history does ends as the history's turn begins. */
    while (again >= MIN_OVERLAP &&
           (again > answer.n || memcmp(prompt.text + prompt.n - again, answer.text, again) != 0))
        again--;
    if (again >= MIN_OVERLAP)
        answer = (span){answer.text + again, answer.n - again};
    const char *atom, *mark = l->shape.think_close;
    char close[64];
    size_t length = tool_mark_atom(mark, &atom);
    if (length == 0 || length >= sizeof close)
        return answer;
    memcpy(close, atom, length);
    close[length] = '\0';
    const char *hit = find(answer, close), *word = find(answer, PROBE_CONTENT);
    const char *name = find(answer, PROBE_NAME_1);
    word = !word || (name && name < word) ? name : word;
    if (hit && word && hit < word)
        answer = span_of(hit + length, answer.text + answer.n);
    return answer;
}

static hearth_status learn_reasoning(learner *l, hearth_error *err)
{
    const probe plain = {
        .content = true, .reasoning = true, .thinking = true, .no_tools = l->no_tools};
    const probe called = {
        .n_calls = 1, .reasoning = true, .thinking = true, .no_tools = l->no_tools};
    char *tail;
    bool found = false;
    for (int i = 0; i < 2 && !found; i++) {
        TRY(probe_render(l->template_, i == 0 ? &plain : &called, &tail, NULL, err));
        if (tail && strstr(tail, "<|channel|>analysis<|message|>"))
            l->shape.kind = TOOL_KIND_HARMONY;
        found = l->shape.kind == TOOL_KIND_HARMONY || (tail && take_think(l, tail));
        mem_free(tail);
    }
    if (!found)
        guess_think(l);
    return HEARTH_OK;
}

/* What stands around the content, and what ends a turn. */
static hearth_status learn_content(learner *l, hearth_error *err)
{
    const probe plain = {.content = true, .no_tools = l->no_tools};
    char *tail;
    TRY(probe_render(l->template_, &plain, &tail, NULL, err));
    const char *word = tail ? strstr(tail, PROBE_CONTENT) : NULL;
    if (word) {
        span answer = answer_of(l, tail);
        const char *after = word + strlen(PROBE_CONTENT);
        span end = {after, strlen(after)}, atom = first_atom(end);
        bool wrapped = answer.text < word && *answer.text == '<' && word[-1] == '>';
        if (wrapped && atom.n > 0) {
            l->shape.content_open = keep(l, span_of(answer.text, word));
            l->shape.content_close = keep(l, atom);
            end = (span){after + atom.n, end.n - atom.n};
            atom = first_atom(end);
        }
        while (atom.n > 0 && tool_json_is_blank(*atom.text))
            atom = (span){atom.text + 1, atom.n - 1};
        if (atom.n > 0 && strncmp(atom.text, PROBE_EOS, strlen(PROBE_EOS)) != 0)
            l->turn_end = keep(l, atom);
    }
    mem_free(tail);
    return HEARTH_OK;
}

/* ---- calls ---- */

/* Splits what stands before the first call, between two (none: a NULL text), and after the last. */
static void take_marks(learner *l, span a, span b, span c)
{
    tool_shape *s = &l->shape;
    span close;
    if (b.text) {
        size_t open = common_suffix(a, b);
        /* In a section blanks alone open no call: they close the one before. */
        if (s->kind == TOOL_KIND_JSON && !is_blank_span(a) &&
            is_blank_span((span){b.text + b.n - open, open}))
            open = 0;
        if (is_blank_span(a) && b.n > 0 && s->kind == TOOL_KIND_NAME_JSON) {
            s->recipient = true;
            open = b.n;
        }
        s->call_open = keep(l, (span){b.text + b.n - open, open});
        if (!s->recipient)
            s->section_open = keep(l, (span){a.text, a.n - open});
        b.n -= open;
        close = (span){b.text, common_prefix(b, before_end(l, c))};
        s->call_between = keep(l, (span){b.text + close.n, b.n - close.n});
    } else {
        s->call_open = keep(l, a);
        close = before_end(l, c);
    }
    s->call_close = keep(l, close);
    c = (span){c.text + close.n, c.n - close.n};
    if (s->section_open[0] != '\0' &&
        !is_blank_span((span){s->section_open, strlen(s->section_open)})) {
        span rest = before_end(l, c), atom = first_atom(rest);
        if (s->kind == TOOL_KIND_PAIRS && atom.n == 1) /* of a list in a tag */
            atom.n += first_atom((span){rest.text + 1, rest.n - 1}).n;
        s->section_close = keep(l, atom);
        c = (span){c.text + atom.n, c.n - atom.n};
    } else {
        s->section_open = "";
    }
    if (s->section_open[0] == '\0' && is_blank_span((span){s->call_open, strlen(s->call_open)}) &&
        s->kind == TOOL_KIND_JSON) {
        s->bare = true;
        s->call_open = "<|python_tag|>";
        s->call_close = "";
    }
    /* What ends a turn of calls, if it is not what ends one of content. */
    span end = before_end(l, first_atom(c));
    while (end.n > 0 && tool_json_is_blank(*end.text))
        end = (span){end.text + 1, end.n - 1};
    if (end.n > 0 && (*end.text == '<' || *end.text == '['))
        l->call_end = keep(l, end);
}

/* The JSON value in s that begins before `at` and ends behind it; borrowed bounds. */
static json_t *json_around(learner *l, span s, const char *at, span *bounds)
{
    for (const char *from = s.text; from <= at; from++) {
        json_error_t error;
        if (*from != '{' && *from != '[')
            continue;
        json_t *value =
            json_loadb(from, (size_t)(s.text + s.n - from), JSON_DISABLE_EOF_CHECK, &error);
        if (value && from + error.position > at) {
            *bounds = (span){from, (size_t)error.position};
            return value;
        }
        l->failed |= value == NULL && json_out_of_memory(&error);
        json_decref(value);
    }
    return NULL;
}

/* The keys of {"name": N, "arguments": A}; false: the name is itself a key. */
static bool take_keys(learner *l, json_t *object)
{
    const char *key, *id = NULL;
    json_t *value;
    bool named = false;
    json_object_foreach(object, key, value)
    {
        const char *text = json_string_value(value);
        span name = {key, strlen(key)};
        if (text && strcmp(text, PROBE_NAME_1) == 0) {
            l->shape.name_key = keep(l, name);
            l->shape.id_key = id ? keep(l, (span){id, strlen(id)}) : "";
            named = true;
        } else if (json_is_object(value) || (text && strstr(text, PROBE_KEY_1))) {
            l->shape.args_key = keep(l, name);
        } else if (text && strstr(key, "id")) {
            id = key;
            l->shape.id_after = named ? keep(l, name) : "";
        }
    }
    return named;
}

static void take_json(learner *l, span t, json_t *value, span bounds)
{
    const char *end = t.text + t.n, *second;
    span after = span_of(bounds.text + bounds.n, end), bounds_2, none = {NULL, 0};
    json_t *object = json_is_array(value) ? json_array_get(value, 0) : value, *value_2;
    bool named = take_keys(l, object);
    if (!named)
        l->shape.args_key = "";
    if (json_is_array(value)) {
        l->shape.kind = named ? TOOL_KIND_LIST : TOOL_KIND_KEYED;
        l->shape.section_open = keep(l, span_of(t.text, bounds.text));
        span close = before_end(l, after);
        l->shape.section_close = keep(l, first_atom(close));
        return;
    }
    l->shape.kind = TOOL_KIND_JSON;
    second = find(after, PROBE_NAME_2);
    value_2 = second ? json_around(l, after, second, &bounds_2) : NULL;
    if (value_2)
        take_marks(l, span_of(t.text, bounds.text), span_of(after.text, bounds_2.text),
                   span_of(bounds_2.text + bounds_2.n, end));
    else
        take_marks(l, span_of(t.text, bounds.text), none, after);
    json_decref(value_2);
}

/* functions.NAME:INDEX, which a template makes of the name, is the id: the name begins earlier, and
 * what closes it later. */
static bool take_made_id(span t, const char **name, span *close)
{
    static const char space[] = "functions.";
    size_t n = sizeof space - 1, digits = 1;
    if ((size_t)(*name - t.text) < n || memcmp(*name - n, space, n) != 0 || close->n < 2 ||
        close->text[0] != ':')
        return false;
    while (digits < close->n && close->text[digits] >= '0' && close->text[digits] <= '9')
        digits++;
    if (digits == 1)
        return false;
    *name -= n;
    *close = (span){close->text + digits, close->n - digits};
    return true;
}

/* N name_close {…}; the id may stand before the name, or between. */
static bool take_named_json(learner *l, span t, const char *name, size_t n_name)
{
    const char *key = find(span_of(name, t.text + t.n), PROBE_KEY_1), *end = t.text + t.n;
    span bounds, bounds_2, none = {NULL, 0};
    json_t *value = key ? json_around(l, span_of(name + n_name, end), key, &bounds) : NULL;
    if (!value)
        return false;
    json_decref(value);
    l->shape.kind = TOOL_KIND_NAME_JSON;
    span close = span_of(name + n_name, bounds.text), after = span_of(bounds.text + bounds.n, end);
    const char *id = find(close, PROBE_ID_1), *first = find(span_of(t.text, name), PROBE_ID_1);
    if (id) {
        l->shape.id_open = keep(l, span_of(close.text, id));
        close = span_of(id + strlen(PROBE_ID_1), bounds.text);
    }
    bool made = take_made_id(t, &name, &close);
    l->shape.name_close = keep(l, close);
    if (first) {
        l->shape.id_before = keep(l, span_of(first + strlen(PROBE_ID_1), name));
        name = first;
    }
    bool by_id = first || l->shape.id_is_name;
    const char *second = find(after, by_id ? PROBE_ID_2 : PROBE_NAME_2);
    if (made && second)
        second -= second - after.text < 10 ? second - after.text : 10;
    l->shape.id_is_name |= made;
    const char *key_2 = second ? find(span_of(second, end), PROBE_KEY_4) : NULL;
    value = key_2 ? json_around(l, span_of(second, end), key_2, &bounds_2) : NULL;
    span a = span_of(t.text, name);
    if (value)
        take_marks(l, a, span_of(after.text, second), span_of(bounds_2.text + bounds_2.n, end));
    else
        take_marks(l, a, none, after);
    json_decref(value);
    return true;
}

/* The places of the parameters' names and values in a call's text. */
typedef struct places {
    const char *key[3], *value[3], *end[3];
} places;

static bool find_places(span t, const char *name, places *p)
{
    static const char *const keys[] = {PROBE_KEY_1, PROBE_KEY_2, PROBE_KEY_3};
    static const char *const values[] = {PROBE_VALUE_1, PROBE_VALUE_2, PROBE_VALUE_3};
    const char *at = name, *end = t.text + t.n;
    for (int i = 0; i < 3; i++) {
        p->key[i] = find(span_of(at, end), keys[i]);
        p->value[i] = p->key[i] ? find(span_of(p->key[i], end), values[i]) : NULL;
        if (!p->value[i])
            return false;
        at = p->end[i] = p->value[i] + strlen(values[i]);
    }
    return true;
}

static void take_params(learner *l, const places *p, const char *name_end)
{
    tool_shape *s = &l->shape;
    span before = span_of(name_end, p->key[0]);
    span close = span_of(p->key[0] + strlen(PROBE_KEY_1), p->value[0]);
    span between = span_of(p->end[0], p->key[1]);
    if (before.n == 1 && (*before.text == '(' || *before.text == '{')) {
        s->kind = TOOL_KIND_PAIRS;
        s->name_close = keep(l, before);
        s->args_close = *before.text == '(' ? ")" : "}";
        s->key_close = keep(l, (span){close.text, 1});
        bool own = close.n > 2 && close.text[1] != ' ';
        s->quote = own ? keep(l, (span){close.text + 1, close.n - 1}) : "";
        return;
    }
    span other = span_of(p->key[2] + strlen(PROBE_KEY_3), p->value[2]);
    size_t open = common_suffix(before, between);
    s->kind = TOOL_KIND_XML;
    s->key_open = keep(l, (span){before.text + before.n - open, open});
    s->name_close = keep(l, (span){before.text, before.n - open});
    s->value_close = keep(l, (span){between.text, between.n - open});
    s->key_close = keep(l, close);
    if (other.n != close.n || memcmp(other.text, close.text, close.n) != 0)
        s->key_close_other = keep(l, other);
    s->line_values = close.text[close.n - 1] == '\n' && s->value_close[0] == '\n';
    s->cdata = find(l->source, "<![CDATA[") != NULL;
}

static bool take_plain(learner *l, span t, const char *name, size_t n_name)
{
    places p;
    span none = {NULL, 0};
    const char *end = t.text + t.n;
    if (!find_places(t, name, &p) || p.key[0] <= name + n_name)
        return false;
    take_params(l, &p, name + n_name);
    const char *closed =
        l->shape.kind == TOOL_KIND_XML ? l->shape.value_close : l->shape.args_close;
    size_t n = strlen(closed);
    span a = span_of(t.text, name), c = span_of(p.end[2], end);
    const char *second = find(c, PROBE_NAME_2), *value = second ? find(c, PROBE_VALUE_4) : NULL;
    span b = none;
    if (value) {
        b = span_of(p.end[2], second);
        c = span_of(value + strlen(PROBE_VALUE_4), end);
        size_t quote = strlen(l->shape.quote);
        if (l->shape.kind == TOOL_KIND_PAIRS && quote == 0) /* one of Python's */
            quote = c.n > 1 && (*c.text == '\'' || *c.text == '"');
        if (c.n > quote)
            c = (span){c.text + quote, c.n - quote};
    }
    if (c.n < n || memcmp(c.text, closed, n) != 0 ||
        (b.text && (b.n < n || memcmp(b.text, closed, n) != 0)))
        return false;
    c = (span){c.text + n, c.n - n};
    if (b.text)
        b = (span){b.text + n, b.n - n};
    take_marks(l, a, b, c);
    return true;
}

static bool take_calls(learner *l, const char *tail)
{
    span t = answer_of(l, tail), bounds;
    const char *name = find(t, PROBE_NAME_1);
    size_t n_name = strlen(PROBE_NAME_1);
    if (!name) {
        name = find(t, PROBE_ID_1);
        n_name = strlen(PROBE_ID_1);
        l->shape.id_is_name = name != NULL;
    }
    if (!name)
        return false;
    json_t *value = json_around(l, t, name, &bounds);
    if (value) {
        take_json(l, t, value, bounds);
        json_decref(value);
        return true;
    }
    return take_named_json(l, t, name, n_name) || take_plain(l, t, name, n_name);
}

/* Tries the ways in which templates want their calls until one is written. */
static hearth_status learn_calls(learner *l, hearth_error *err)
{
    bool harmony = l->shape.kind == TOOL_KIND_HARMONY;
    for (int i = 0; i < 8 && !l->native_calls; i++) {
        probe p = {.n_calls = i & 1 ? 1 : 2,
                   .null_content = i & 2,
                   .args_text = i & 4,
                   .no_tools = l->no_tools};
        char *tail;
        TRY(probe_render(l->template_, &p, &tail, NULL, err));
        bool written = tail && (strstr(tail, PROBE_NAME_1) || strstr(tail, PROBE_ID_1));
        if (written && (harmony || take_calls(l, tail))) {
            l->native_calls = true;
            l->shape.one_call =
                p.n_calls == 1 || (!strstr(tail, PROBE_NAME_2) && !strstr(tail, PROBE_ID_2));
            l->args_text = p.args_text;
            l->null_empty = p.null_content;
            l->shape.short_ids = find(l->source, "length 9") || find(l->source, "|length != 9") ||
                                 find(l->source, "[CALL_ID]") || find(l->source, "[TOOL_CALLS]");
        }
        mem_free(tail);
    }
    return HEARTH_OK;
}

/* Notations that a template's source mentions without writing them; else the generic one. */
static void hint_calls(learner *l)
{
    tool_shape *s = &l->shape;
    s->id_is_name = false;
    if (find(l->source, "<|tool_calls_section_begin|>")) {
        s->kind = TOOL_KIND_NAME_JSON;
        s->id_is_name = true;
        s->section_open = "<|tool_calls_section_begin|>";
        s->call_open = "<|tool_call_begin|>";
        s->name_close = "<|tool_call_argument_begin|>";
        s->call_close = "<|tool_call_end|>";
        s->section_close = "<|tool_calls_section_end|>";
        return;
    }
    if (find(l->source, "<|tool_list_start|>") || find(l->source, "List of tools: [")) {
        s->kind = TOOL_KIND_PAIRS;
        s->section_open = "<|tool_call_start|>[";
        s->section_close = "]<|tool_call_end|>";
        s->name_close = "(";
        s->key_close = "=";
        s->args_close = ")";
        return;
    }
    if (find(l->source, "<|tool_call|>")) {
        s->kind = TOOL_KIND_LIST;
        s->section_open = "<|tool_call|>";
        return;
    }
    s->kind = TOOL_KIND_JSON;
    s->call_open = "<tool_call>\n";
    s->call_close = "\n</tool_call>";
    s->call_between = "\n";
}

hearth_status format_learn(learner *l, const hearth_chat_template *t, const char *source,
                           size_t n_source, hearth_error *err)
{
    probe prompt = {.no_answer = true};
    probe result = {.n_calls = 1, .result = true}, beside = {.n_calls = 1, .content = true};
    char *tail;
    *l = (learner){.template_ = t, .source = {source, n_source}, .turn_end = "", .call_end = ""};
    tool_shape_init(&l->shape);
    TRY(probe_render(t, &prompt, &tail, &l->native_tools, err));
    if (!tail) { /* some fail when they are given tools */
        prompt.no_tools = result.no_tools = l->no_tools = true;
        TRY(probe_render(t, &prompt, &tail, NULL, err));
    }
    l->prompt = tail ? tail : mem_dup("", 0);
    if (!l->prompt)
        return error_no_memory(err, "a prompt", 0);
    TRY(learn_reasoning(l, err));
    prompt.bare = !l->no_tools;
    TRY(probe_render(t, &prompt, &tail, NULL, err));
    l->describe = prompt.bare && tail == NULL;
    prompt.bare = false;
    mem_free(tail);
    if (l->shape.kind != TOOL_KIND_HARMONY)
        TRY(learn_content(l, err));
    TRY(learn_calls(l, err));
    if (!l->native_calls)
        hint_calls(l);
    beside.args_text = result.args_text = l->args_text;
    result.null_content = l->null_empty;
    TRY(probe_render(t, &result, &tail, NULL, err));
    l->native_results = tail && strstr(tail, PROBE_RESULT);
    mem_free(tail);
    prompt.system = true;
    prompt.no_tools = true;
    TRY(probe_render(t, &prompt, &tail, NULL, err));
    l->no_system = tail == NULL;
    mem_free(tail);
    beside.no_tools = l->no_tools;
    TRY(probe_render(t, &beside, &tail, NULL, err));
    l->calls_alone = tail && !strstr(tail, PROBE_NAME_1) && !strstr(tail, PROBE_ID_1);
    mem_free(tail);
    /* What a call begins with cannot end the answer; it is no content either. */
    const char *open =
        l->shape.section_open[0] != '\0' ? l->shape.section_open : l->shape.call_open;
    size_t n = strlen(l->turn_end);
    if (n > 0 && strncmp(open, l->turn_end, n) == 0) {
        l->shape.content_close = l->turn_end;
        l->turn_end = "";
    }
    return l->failed ? error_no_memory(err, "a chat style", 0) : HEARTH_OK;
}

void format_learn_end(learner *l)
{
    for (size_t i = 0; i < l->n_texts; i++)
        mem_free(l->texts[i]);
    mem_free(l->prompt);
}
