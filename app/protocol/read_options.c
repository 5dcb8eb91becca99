/* SPDX-License-Identifier: MIT
 *
 * read_options.c - the options of a generation that are more than a number: stops, samplers,
 * biases, constraints, adapters, probabilities.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/reader.h"

/* ---- stops ---- */

hearth_status read_stop(reader *in, const path *at, json_t *value)
{
    request_options *o = &in->r->options;
    if (!json_is_string(value))
        return want_texts(in, at, value, REQUEST_STOPS_MAX, &o->stop, &o->n_stop);
    const char **stop = arena_array(in->mem, 1, sizeof *stop);
    if (stop == NULL)
        return no_memory(in);
    *stop = json_string_value(value);
    o->stop = stop;
    o->n_stop = **stop != '\0';
    return HEARTH_OK;
}

/* ---- sampling ---- */

/* The chain's stages with the letter of each, then what others call them. */
static const struct stage {
    char letter;
    const char *name, *others;
} stages[] = {
    {'e', "penalties", ""},
    {'d', "dry", ""},
    {'s', "top_n_sigma", "top-n-sigma"},
    {'k', "top_k", "top-k"},
    {'y', "typ_p", "typical_p|typical-p|typ-p|typical|typ"},
    {'p', "top_p", "top-p|nucleus"},
    {'m', "min_p", "min-p"},
    {'x', "xtc", ""},
    {'t', "temperature", "temp"},
};
enum { N_STAGES = sizeof stages / sizeof *stages, STAGES_MAX = 64 };

static bool is_among(const char *text, const char *list)
{
    size_t n_text = strlen(text);
    for (; *list; list += *list == '|') {
        size_t n = strcspn(list, "|");
        if (n == n_text && memcmp(list, text, n) == 0)
            return true;
        list += n;
    }
    return false;
}

static const char *stage_of(const char *name, size_t n)
{
    for (size_t i = 0; i < N_STAGES; i++) {
        const struct stage *s = &stages[i];
        if (n == 1 ? *name == s->letter : strcmp(name, s->name) == 0 || is_among(name, s->others))
            return s->name;
    }
    return NULL;
}

const char *request_stage_of_letter(char letter)
{
    return stage_of(&letter, 1);
}

static hearth_status add_stage(reader *in, const path *at, const char *name, size_t n, buf *out)
{
    const char *stage = stage_of(name, n);
    if (stage == NULL)
        return refuse(in, at,
                      "'%.*s' is no sampler; there are penalties, dry, top_n_sigma, top_k, typ_p, "
                      "top_p, min_p, xtc and temperature (edskypmxt)",
                      n > 64 ? 64 : (int)n, name);
    if (!buf_append_format(out, "%s%s", out->n > 0 ? ";" : "", stage))
        return no_memory(in);
    return HEARTH_OK;
}

hearth_status read_samplers(reader *in, const path *at, json_t *value)
{
    hearth_status status = HEARTH_OK;
    const char *name;
    buf chain;
    buf_init(&chain, 0);
    if (json_is_string(value)) {
        TRY_OUT(want_name(in, at, value, 0, STAGES_MAX, &name));
        for (; *name; name++)
            TRY_OUT(add_stage(in, at, name, 1, &chain));
    } else {
        TRY_OUT(want_array(in, at, value, 0, STAGES_MAX));
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_t *item = json_array_get(value, i);
            TRY_OUT(want_name(in, PATH_INDEX(at, i), item, 2, 64, &name));
            TRY_OUT(add_stage(in, PATH_INDEX(at, i), name, strlen(name), &chain));
        }
    }
    in->r->options.sampler.samplers = arena_text(in->mem, chain.data ? chain.data : "", chain.n);
    if (in->r->options.sampler.samplers == NULL)
        status = no_memory(in);
out:
    buf_deinit(&chain);
    return status;
}

hearth_status read_breakers(reader *in, const path *at, json_t *value)
{
    hearth_sampler_options *s = &in->r->options.sampler;
    return want_texts(in, at, value, REQUEST_STOPS_MAX, &s->dry_sequence_breakers,
                      &s->n_dry_sequence_breakers);
}

static hearth_status read_bias(reader *in, const path *at, const json_t *value, float *out)
{
    if (json_is_false(value)) {
        *out = -INFINITY;
        return HEARTH_OK;
    }
    if (!json_is_number(value))
        return refuse(in, at, "must be a number, or false to forbid the token, not %s",
                      json_kind(value));
    return want_float(in, at, value, -1e9, 1e9, out);
}

/* A key of the object form, or a text of the array form: digits name a token in the former only. */
static void bias_of_key(const char *key, request_bias *out)
{
    char *end;
    long token = key[0] >= '0' && key[0] <= '9' ? strtol(key, &end, 10) : -1;
    if (token >= 0 && token <= INT32_MAX && *end == '\0')
        out->token = (int32_t)token;
    else
        out->text = key;
}

static hearth_status read_bias_pair(reader *in, const path *at, const json_t *pair,
                                    request_bias *out)
{
    int64_t token;
    if (!json_is_array(pair) || json_array_size(pair) != 2)
        return refuse(in, at, "must be an array of a token (or its text) and a bias");
    const json_t *which = json_array_get(pair, 0);
    if (json_is_string(which)) {
        out->text = json_string_value(which);
    } else {
        TRY(want_int(in, PATH_INDEX(at, 0), which, 0, INT32_MAX, &token));
        out->token = (int32_t)token;
    }
    return read_bias(in, PATH_INDEX(at, 1), json_array_get(pair, 1), &out->bias);
}

hearth_status read_logit_bias(reader *in, const path *at, json_t *value)
{
    request_options *o = &in->r->options;
    size_t n = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    if (!json_is_object(value) && !json_is_array(value))
        return refuse(in, at, "must be an object or an array, not %s", json_kind(value));
    if (n > REQUEST_BIASES_MAX)
        return refuse(in, at, "has %zu values; at most %d are taken", n, REQUEST_BIASES_MAX);
    request_bias *bias = arena_array(in->mem, n, sizeof *bias);
    const char *key;
    json_t *item;
    size_t i = 0;
    if (bias == NULL)
        return no_memory(in);
    o->bias = bias;
    o->n_bias = n;
    json_object_foreach(value, key, item)
    {
        bias_of_key(key, &bias[i]);
        TRY(read_bias(in, PATH_KEY(at, key), item, &bias[i++].bias));
    }
    json_array_foreach(value, i, item) TRY(read_bias_pair(in, PATH_INDEX(at, i), item, &bias[i]));
    return HEARTH_OK;
}

/* ---- constraints ---- */

hearth_status read_grammar(reader *in, const path *at, json_t *value)
{
    const char *grammar;
    TRY(want_text(in, at, value, &grammar));
    return grammar[0] == '\0' ? HEARTH_OK : constrain(in, at, CONSTRAINT_GRAMMAR, grammar, NULL);
}

hearth_status read_regex(reader *in, const path *at, json_t *value)
{
    const char *pattern;
    TRY(want_text(in, at, value, &pattern));
    return constrain(in, at, CONSTRAINT_REGEX, pattern, NULL);
}

static hearth_status want_schema(reader *in, const path *at, json_t *value)
{
    if (!json_is_object(value) && !json_is_boolean(value))
        return refuse(in, at, "must be a JSON Schema (an object), not %s", json_kind(value));
    return constrain(in, at, CONSTRAINT_JSON_SCHEMA, NULL, value);
}

hearth_status read_json_schema(reader *in, const path *at, json_t *value)
{
    return want_schema(in, at, value);
}

static hearth_status read_schema_format(reader *in, const path *at, json_t *format)
{
    json_t *schema, *name;
    bool strict;
    json_t *holder = get(format, "json_schema");
    const path *inner = holder ? PATH_KEY(at, "json_schema") : at;
    if (holder)
        TRY(want_object(in, inner, holder));
    else if (get(format, "schema") == NULL && strcmp(at->key, "response_format") == 0)
        return need(in, at, format, "json_schema", &schema); /* is missing */
    else
        holder = format;
    TRY(need(in, inner, holder, "schema", &schema));
    name = get(holder, "name");
    if (name)
        TRY(want_text(in, PATH_KEY(inner, "name"), name, &in->r->options.schema_name));
    if (get(holder, "strict")) /* strict or not, the schema is held to */
        TRY(want_bool(in, PATH_KEY(inner, "strict"), get(holder, "strict"), &strict));
    TRY(ignore_others(in, inner, holder, "type|schema|name|strict|description"));
    return want_schema(in, PATH_KEY(inner, "schema"), schema);
}

hearth_status read_format(reader *in, const path *at, const json_t *value)
{
    int kind;
    json_t *type, *schema, *pattern;
    TRY(want_object(in, at, value));
    TRY(need(in, at, value, "type", &type));
    TRY(want_choice(in, PATH_KEY(at, "type"), type, "text|json_object|json_schema|regex", &kind));
    if (kind == 2)
        return read_schema_format(in, at, (json_t *)value);
    if (kind == 3) {
        TRY(ignore_others(in, at, value, "type|pattern"));
        TRY(need(in, at, value, "pattern", &pattern));
        return read_regex(in, PATH_KEY(at, "pattern"), pattern);
    }
    TRY(ignore_others(in, at, value, kind == 1 ? "type|schema" : "type"));
    schema = kind == 1 ? get(value, "schema") : NULL;
    if (schema)
        return want_schema(in, PATH_KEY(at, "schema"), schema);
    return kind == 1 ? constrain(in, at, CONSTRAINT_JSON_OBJECT, NULL, NULL) : HEARTH_OK;
}

hearth_status read_response_format(reader *in, const path *at, json_t *value)
{
    return read_format(in, at, value);
}

hearth_status read_responses_text(reader *in, const path *at, json_t *value)
{
    const char *verbosity = "medium";
    TRY(want_object(in, at, value));
    TRY(ignore_others(in, at, value, "format|verbosity"));
    if (get(value, "verbosity"))
        TRY(want_text(in, PATH_KEY(at, "verbosity"), get(value, "verbosity"), &verbosity));
    if (strcmp(verbosity, "medium") != 0)
        return refuse(in, PATH_KEY(at, "verbosity"),
                      "'%.64s' is not supported; say in the instructions how long the answer "
                      "shall be",
                      verbosity);
    json_t *format = get(value, "format");
    return format ? read_format(in, PATH_KEY(at, "format"), format) : HEARTH_OK;
}

/* ---- adapters, output ---- */

hearth_status read_lora(reader *in, const path *at, json_t *value)
{
    request_options *o = &in->r->options;
    TRY(want_array(in, at, value, 0, REQUEST_TOOLS_MAX));
    o->n_lora = json_array_size(value);
    request_lora *lora = arena_array(in->mem, o->n_lora, sizeof *lora);
    if (lora == NULL)
        return no_memory(in);
    for (size_t i = 0; i < o->n_lora; i++) {
        const path *item_at = PATH_INDEX(at, i);
        const json_t *item = json_array_get(value, i);
        json_t *id, *scale;
        int64_t number;
        TRY(want_object(in, item_at, item));
        TRY(need(in, item_at, item, "id", &id));
        TRY(want_int(in, PATH_KEY(item_at, "id"), id, 0, INT32_MAX, &number));
        TRY(need(in, item_at, item, "scale", &scale));
        TRY(want_float(in, PATH_KEY(item_at, "scale"), scale, -1e6, 1e6, &lora[i].scale));
        TRY(ignore_others(in, item_at, item, "id|scale"));
        lora[i].id = (int32_t)number;
    }
    o->lora = lora;
    return HEARTH_OK;
}

hearth_status read_stream_options(reader *in, const path *at, json_t *value)
{
    TRY(want_object(in, at, value));
    TRY(ignore_others(in, at, value, "include_usage"));
    json_t *usage = get(value, "include_usage");
    if (usage == NULL)
        return HEARTH_OK;
    return want_bool(in, PATH_KEY(at, "include_usage"), usage, &in->r->options.include_usage);
}

hearth_status read_chat_logprobs(reader *in, const path *at, json_t *value)
{
    bool wanted;
    TRY(want_bool(in, at, value, &wanted));
    if (wanted)
        in->r->options.n_probs = 0;
    return HEARTH_OK;
}

hearth_status read_responses_include(reader *in, const path *at, json_t *value)
{
    const char *const *names;
    size_t n;
    TRY(want_texts(in, at, value, REQUEST_STOPS_MAX, &names, &n));
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], "message.output_text.logprobs") == 0)
            in->r->options.n_probs = 0;
        else if (strcmp(names[i], "reasoning.encrypted_content") == 0)
            TRY(ignore(in, PATH_INDEX(at, i)));
        else
            return refuse(in, PATH_INDEX(at, i),
                          "'%.64s' is not there to be included; what is: "
                          "message.output_text.logprobs",
                          names[i]);
    }
    return HEARTH_OK;
}

hearth_status read_top_logprobs(reader *in, const path *at, json_t *value)
{
    int64_t n;
    TRY(want_int(in, at, value, 0, REQUEST_TOP_MAX, &n));
    if (n > 0 && in->r->options.n_probs < 0)
        return refuse(in, at,
                      in->r->api & APIS_RESPONSES
                          ? "needs include: [\"message.output_text.logprobs\"]"
                          : "needs logprobs: true");
    if (n > 0)
        in->r->options.n_probs = (int32_t)n;
    return HEARTH_OK;
}

hearth_status read_n_probs(reader *in, const path *at, json_t *value)
{
    int64_t n;
    /* OpenAI's logprobs: 0 still wants the probability of each token that was chosen. */
    bool is_openai = in->r->api == API_OPENAI_COMPLETION && strcmp(at->key, "logprobs") == 0;
    TRY(want_int(in, at, value, 0, REQUEST_TOP_MAX, &n));
    if (n > 0 || is_openai)
        in->r->options.n_probs = (int32_t)n;
    return HEARTH_OK;
}

hearth_status read_response_fields(reader *in, const path *at, json_t *value)
{
    request_options *o = &in->r->options;
    return want_texts(in, at, value, REQUEST_STOPS_MAX, &o->response_fields, &o->n_response_fields);
}
