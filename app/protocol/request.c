/* SPDX-License-Identifier: MIT
 *
 * request.c - see request.h: the body is measured, parsed, walked along the table of fields, and
 * finished by what its kind needs.
 *
 * Order    Fields are read in the table's order, whatever the body's: a reader may rely on the rows
 *          above it.
 */
#include "protocol/request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/place.h"
#include "protocol/json_memory.h"
#include "protocol/reader.h"

enum { KEYS_MAX = 1024 };

/* ---- the table ---- */

typedef enum field_kind {
    FIELD_B,
    FIELD_I,
    FIELD_F,
    FIELD_T,
    FIELD_U, /* a seed: -1 is 4294967295 */
    FIELD_ALIAS,
    FIELD_SPECIAL,
    FIELD_REFUSED,
    FIELD_IGNORED
} field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    uint32_t apis;
    size_t offset; /* in request_options; an alias has that of its member */
    double min, max;
    field_reader *read;
    const char *allowed, *why;
} field;

static const field fields[] = {
#define X(type, member, value, min_, max_, flag, help)                                             \
    {.name = #member,                                                                              \
     .kind = FIELD_##type,                                                                         \
     .apis = APIS_GENERATE,                                                                        \
     .offset = offsetof(request_options, sampler.member),                                          \
     .min = min_,                                                                                  \
     .max = max_},
#include <hearth/sampler_options.def>
#undef X
#define FIELD(type, member, value, min_, max_, apis_, help)                                        \
    {.name = #member,                                                                              \
     .kind = FIELD_##type,                                                                         \
     .apis = apis_,                                                                                \
     .offset = offsetof(request_options, member),                                                  \
     .min = min_,                                                                                  \
     .max = max_},
#define ALIAS(name_, member, apis_)                                                                \
    {.name = #name_,                                                                               \
     .kind = FIELD_ALIAS,                                                                          \
     .apis = apis_,                                                                                \
     .offset = offsetof(request_options, member)},
#define SPECIAL(name_, reader_, apis_, help)                                                       \
    {.name = #name_, .kind = FIELD_SPECIAL, .apis = apis_, .read = reader_},
#define REFUSED(name_, apis_, allowed_, why_)                                                      \
    {.name = #name_, .kind = FIELD_REFUSED, .apis = apis_, .allowed = allowed_, .why = why_},
#define IGNORED(name_, apis_, why_) {.name = #name_, .kind = FIELD_IGNORED, .apis = apis_},
#include "protocol/request_fields.def"
#undef FIELD
#undef ALIAS
#undef SPECIAL
#undef REFUSED
#undef IGNORED
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

void request_options_init(request_options *o)
{
    *o = (request_options){.n_probs = -1, .reasoning = REASONING_AUTO};
    hearth_sampler_options_init(&o->sampler);
#define FIELD(type, member, value, min, max, apis, help) o->member = (FIELD_TYPE_##type)value;
#define FIELD_TYPE_B bool
#define FIELD_TYPE_I int32_t
#define FIELD_TYPE_F float
#define FIELD_TYPE_T const char *
#define ALIAS(...)
#define SPECIAL(...)
#define REFUSED(...)
#define IGNORED(...)
#include "protocol/request_fields.def"
}

/* ---- the body ---- */

/* Depth, number of values and the length of numbers, before any memory is taken for them. */
static hearth_status measure(const char *body, size_t n, hearth_error *err)
{
    size_t depth = 0, n_values = 1, n_word = 0;
    bool in_text = false;
    for (size_t i = 0; i < n; i++) {
        char c = body[i];
        n_word = !in_text && (isalnum((unsigned char)c) || c == '.' || c == '+' || c == '-')
                     ? n_word + 1
                     : 0;
        if (n_word > JSON_MEMORY_WORD_MAX)
            FAIL(err, EINVAL, "body", "the body has a number of more than %d characters",
                 JSON_MEMORY_WORD_MAX);
        if (in_text) {
            i += c == '\\';
            in_text = c != '"';
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            n_values++;
            if (++depth > REQUEST_DEPTH_MAX)
                FAIL(err, EINVAL, "body", "the body nests deeper than %d levels",
                     REQUEST_DEPTH_MAX);
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        } else {
            n_values += c == ',';
        }
    }
    if (n_values > REQUEST_VALUES_MAX)
        FAIL(err, EINVAL, "body", "the body has %zu values; at most %d are taken", n_values,
             REQUEST_VALUES_MAX);
    return HEARTH_OK;
}

static hearth_status load(json_t **out, const char *body, size_t n, hearth_error *err)
{
    json_error_t error;
    size_t i = 0;
    while (i < n && strchr(" \t\r\n", body[i]) && body[i] != '\0')
        i++;
    TRY(measure(body, n, err));
    json_memory_begin();
    *out = i == n ? json_object() : json_memory_load(body, n, JSON_REJECT_DUPLICATES, &error);
    if (*out && !json_memory_failed())
        return HEARTH_OK;
    if (i == n || json_memory_failed() || json_error_code(&error) == json_error_out_of_memory)
        return error_no_memory(err, "the request", n);
    const char *limit = json_limit(&error);
    if (limit)
        FAIL(err, EINVAL, "body", "the body, line %d, column %d: %s", error.line, error.column,
             limit);
    FAIL(err, EINVAL, "body", "the body is not valid JSON: line %d, column %d: %s", error.line,
         error.column, error.text);
}

/* ---- one field ---- */

static const field *member_of(const field *alias)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (fields[i].kind < FIELD_ALIAS && fields[i].offset == alias->offset)
            return &fields[i];
    }
    return NULL;
}

static hearth_status read_whole(reader *in, const path *at, const field *f, json_t *value,
                                void *out)
{
    int64_t number;
    bool is_seed = f->kind == FIELD_U;
    /* -1 is what others call "draw one" and "keep all". */
    bool takes_minus_one = is_seed || strcmp(f->name, "top_k") == 0;
    TRY(want_int(in, at, value, takes_minus_one ? -1 : (int64_t)f->min, (int64_t)f->max, &number));
    if (is_seed)
        *(uint32_t *)out = number < 0 ? UINT32_MAX : (uint32_t)number;
    else
        *(int32_t *)out = number < 0 && takes_minus_one ? 0 : (int32_t)number;
    return HEARTH_OK;
}

static hearth_status read_plain(reader *in, const path *at, const field *f, json_t *value)
{
    void *out = (char *)&in->r->options + f->offset;
    switch (f->kind) {
    case FIELD_B:
        return want_bool(in, at, value, out);
    case FIELD_I:
    case FIELD_U:
        return read_whole(in, at, f, value, out);
    case FIELD_F:
        return want_float(in, at, value, f->min, f->max, out);
    default:
        return want_name(in, at, value, (size_t)f->min, (size_t)f->max, out);
    }
}

/* Two names of one member must agree. */
static hearth_status agree(reader *in, const path *at, const field *f, json_t *value)
{
    for (const field *other = fields; other < fields + N_FIELDS; other++) {
        json_t *given = other != f && other->kind <= FIELD_ALIAS && other->offset == f->offset &&
                                (other->apis & in->r->api)
                            ? get(in->r->body, other->name)
                            : NULL;
        if (given && !json_equal(given, value))
            return refuse(in, at, "differs from %s, which means the same; send one of them",
                          other->name);
    }
    return HEARTH_OK;
}

static hearth_status read_refused(reader *in, const path *at, const field *f, json_t *value)
{
    char text[64];
    size_t n = json_dumpb(value, text, sizeof text,
                          JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    for (const char *allowed = f->allowed; *allowed;) {
        size_t n_allowed = strcspn(allowed, "|");
        if (n == n_allowed && memcmp(text, allowed, n) == 0)
            return HEARTH_OK;
        allowed += n_allowed + (allowed[n_allowed] == '|');
    }
    return refuse(in, at, "%.*s is not supported; %s", n <= sizeof text ? (int)n : 6,
                  n <= sizeof text ? text : "a value", f->why);
}

static hearth_status read_field(reader *in, const field *f, json_t *value)
{
    const path *at = PATH_KEY(NULL, f->name);
    switch (f->kind) {
    case FIELD_SPECIAL:
        return f->read(in, at, value);
    case FIELD_REFUSED:
        return read_refused(in, at, f, value);
    case FIELD_IGNORED:
        return ignore(in, at);
    case FIELD_ALIAS:
        TRY(agree(in, at, f, value));
        return read_plain(in, at, member_of(f), value);
    default:
        return read_plain(in, at, f, value);
    }
}

static bool is_field(const char *name, protocol_api api)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        if ((fields[i].apis & api) && strcmp(fields[i].name, name) == 0)
            return true;
    }
    return false;
}

static hearth_status read_fields(reader *in)
{
    json_t *body = in->r->body;
    const char *key;
    json_t *value;
    if (json_object_size(body) > KEYS_MAX)
        FAIL(in->err, EINVAL, "body", "the body has %zu fields; at most %d are taken",
             json_object_size(body), KEYS_MAX);
    for (size_t i = 0; i < N_FIELDS; i++) {
        value = fields[i].apis & in->r->api ? get(body, fields[i].name) : NULL;
        if (value)
            TRY(read_field(in, &fields[i], value));
    }
    json_object_foreach(body, key, value)
    {
        if (!json_is_null(value) && !is_field(key, in->r->api))
            TRY(ignore(in, PATH_KEY(NULL, key)));
    }
    return HEARTH_OK;
}

/* ---- the whole ---- */

static request_kind kind_of(protocol_api api)
{
    switch (api) {
    case API_OPENAI_COMPLETION:
    case API_COMPLETION:
        return REQUEST_COMPLETE;
    case API_INFILL:
        return REQUEST_INFILL;
    case API_CHAT_COUNT:
    case API_RESPONSES_COUNT:
    case API_ANTHROPIC_COUNT:
        return REQUEST_COUNT;
    case API_TEMPLATE:
        return REQUEST_TEMPLATE;
    case API_OPENAI_EMBEDDING:
    case API_EMBEDDING:
        return REQUEST_EMBED;
    case API_RERANK:
        return REQUEST_RERANK;
    case API_TOKENIZE:
        return REQUEST_TOKENIZE;
    case API_DETOKENIZE:
        return REQUEST_DETOKENIZE;
    case API_SLOT:
        return REQUEST_SLOT;
    case API_LORA:
        return REQUEST_LORA;
    case API_LORA_LOAD:
        return REQUEST_LORA_LOAD;
    case API_CONTROL:
        return REQUEST_CONTROL;
    case API_PROPS:
        return REQUEST_PROPS;
    default:
        return REQUEST_CHAT;
    }
}

static hearth_status read_body(reader *in)
{
    request *r = in->r;
    if (r->api == API_LORA)
        return read_lora(in, PATH_KEY(NULL, "body"), r->body);
    if (!json_is_object(r->body))
        FAIL(in->err, EINVAL, "body", "the body must be a JSON object, not %s", json_kind(r->body));
    if (r->api == API_PROPS && json_object_size(r->body) > 0)
        FAIL(in->err, EINVAL, "body", "no property can be changed while the server runs");
    if (r->api == API_ANTHROPIC)
        r->options.n_predict = ANTHROPIC_MAX_TOKENS;
    TRY(read_fields(in));
    switch (r->kind) {
    case REQUEST_CHAT:
    case REQUEST_COUNT:
    case REQUEST_TEMPLATE:
        return finish_chat(in);
    default:
        return finish_prompts(in);
    }
}

typedef struct request_box {
    request r; /* first: the box is freed by the address of the request */
    arena mem;
} request_box;

hearth_status request_parse(request **out, protocol_api api, const char *body, size_t n,
                            const request_limits *limits, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    request_box *box = mem_calloc(1, sizeof *box);
    if (box == NULL)
        return error_no_memory(err, "the request", sizeof *box);
    request *r = &box->r;
    reader in = {.r = r, .mem = &box->mem, .limits = limits, .err = err};
    r->api = api;
    r->kind = kind_of(api);
    r->lora_scale = 1;
    r->chat.parallel_tool_calls = true;
    if (limits->defaults)
        r->options = *limits->defaults;
    else
        request_options_init(&r->options);
    TRY_OUT(load(&r->body, body, n, err));
    TRY_OUT(read_body(&in));
    if (limits->n_predict_max > 0 &&
        (r->options.n_predict < 0 || r->options.n_predict > limits->n_predict_max))
        r->options.n_predict = limits->n_predict_max;
    if (in.ignored.n > 0) {
        r->ignored = arena_text(in.mem, in.ignored.data, in.ignored.n);
        if (r->ignored == NULL)
            TRY_OUT(no_memory(&in));
    }
    *out = r;
    r = NULL;
out:
    buf_deinit(&in.ignored);
    request_free(r);
    return status;
}

void request_free(request *r)
{
    if (r == NULL)
        return;
    request_box *box = (request_box *)r;
    json_decref(r->chat.messages);
    json_decref(r->chat.tools);
    json_decref(r->chat.template_kwargs);
    json_decref(r->body);
    arena_deinit(&box->mem);
    mem_free(box);
}

/* ---- errors of what was asked for ---- */

/* "tools[2].function.parameters/properties/a", as the client's API has it. False: no such path. */
static bool tool_path(const request *r, const char *neutral, char *out, size_t n_out)
{
    char *end;
    if (strncmp(neutral, "tools[", 6) != 0)
        return false;
    unsigned long i = strtoul(neutral + 6, &end, 10);
    if (strncmp(end, "].function.", 11) != 0 || i >= json_array_size(r->chat.tools))
        return false;
    const char *rest = end + 11, *inner = r->api & APIS_CHAT ? "function." : "";
    bool renamed = (r->api & APIS_ANTHROPIC) && strncmp(rest, "parameters", 10) == 0;
    snprintf(out, n_out, "tools[%zu].%s%s%s", r->chat.tool_numbers ? r->chat.tool_numbers[i] : i,
             inner, renamed ? "input_schema" : "", renamed ? rest + 10 : rest);
    return true;
}

hearth_status request_own_error(const request *r, hearth_error *err)
{
    char message[sizeof err->message], where[PLACE_BYTES];
    if (err->code == HEARTH_EUNSUPPORTED)
        err->code = HEARTH_EINVAL;
    if (err->code == HEARTH_EINVAL && tool_path(r, err->where, where, sizeof where) &&
        tool_path(r, err->message, message, sizeof message))
        error_set(err, err->code, where, "%s", message);
    return err->code;
}

uint32_t request_n_choices(const request *r)
{
    uint32_t n = (uint32_t)r->options.n;
    return r->n_prompts > 0 ? n * (uint32_t)r->n_prompts : n;
}
