/* SPDX-License-Identifier: MIT
 *
 * request.h - what a client asks for, whichever API it speaks.
 *
 * What     request_parse() turns the JSON body of one API into a `request`: what to do, with which
 *          text, under which options. Whoever answers it looks at `kind` and never at the dialect;
 *          whoever writes the answer (response.h) looks at `api`.
 * Nothing silent   A field is honoured, or refused with EINVAL whose `where` is its JSON path and
 *          whose message begins with it. A wrong type is refused likewise. null is absent. Fields
 *          that no API defines, and the few that change nothing but speed, are listed in `ignored`.
 * Fields   One row each in request_fields.def, from which members, parsing, checks and the
 *          table of docs/API-HTTP.md come.
 * Text     Valid UTF-8 without NUL bytes, everywhere. Strings, arrays and JSON values are borrowed
 *          from the request until request_free().
 * Threads  Pure functions; a request is immutable once parsed.
 */
#ifndef HEARTH_PROTOCOL_REQUEST_H
#define HEARTH_PROTOCOL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/sampler.h>
#include <hearth/status.h>
#include <jansson.h>

/* One bit each, so that a field's row can name the APIs that have it. */
typedef enum protocol_api {
    API_OPENAI_CHAT = 1 << 0,       /* POST /v1/chat/completions */
    API_OPENAI_COMPLETION = 1 << 1, /* POST /v1/completions */
    API_OPENAI_RESPONSES = 1 << 2,  /* POST /v1/responses */
    API_ANTHROPIC = 1 << 3,         /* POST /v1/messages */
    API_COMPLETION = 1 << 4,        /* POST /completion: llama-server's own */
    API_INFILL = 1 << 5,            /* POST /infill */
    API_CHAT_COUNT = 1 << 6,        /* POST /v1/chat/completions/input_tokens */
    API_RESPONSES_COUNT = 1 << 7,   /* POST /v1/responses/input_tokens */
    API_ANTHROPIC_COUNT = 1 << 8,   /* POST /v1/messages/count_tokens */
    API_TEMPLATE = 1 << 9,          /* POST /apply-template */
    API_OPENAI_EMBEDDING = 1 << 10, /* POST /v1/embeddings */
    API_EMBEDDING = 1 << 11,        /* POST /embedding: llama-server's own */
    API_RERANK = 1 << 12,           /* POST /v1/rerank: Jina's fields, or TEI's */
    API_TOKENIZE = 1 << 13,         /* POST /tokenize */
    API_DETOKENIZE = 1 << 14,       /* POST /detokenize */
    API_SLOT = 1 << 15,             /* POST /slots/N?action=save|restore|erase */
    API_LORA = 1 << 16,             /* POST /lora-adapters */
    API_CONTROL = 1 << 17,          /* POST /v1/chat/completions/control */
    API_PROPS = 1 << 18,            /* POST /props */
    API_OPENAI_MODELS = 1 << 19,    /* GET /v1/models: no body; here for its errors */
    API_OTHER = 1 << 20,            /* any other path of llama-server: for its errors */
    API_LORA_LOAD = 1 << 21         /* POST /lora-adapters/load */
} protocol_api;

typedef enum request_kind {
    REQUEST_CHAT,       /* messages, tools: render the template, generate */
    REQUEST_COMPLETE,   /* prompts: generate */
    REQUEST_INFILL,     /* infill: generate what stands between prefix and suffix */
    REQUEST_COUNT,      /* as CHAT, but only count the prompt's tokens */
    REQUEST_TEMPLATE,   /* as CHAT, but only render */
    REQUEST_EMBED,      /* prompts */
    REQUEST_RERANK,     /* rerank */
    REQUEST_TOKENIZE,   /* prompts[0] */
    REQUEST_DETOKENIZE, /* prompts[0]: tokens alone */
    REQUEST_SLOT,       /* filename */
    REQUEST_LORA,       /* options.lora */
    REQUEST_LORA_LOAD,  /* filename, lora_scale */
    REQUEST_CONTROL,    /* control */
    REQUEST_PROPS       /* nothing to change */
} request_kind;

/* Either text, or tokens where text is NULL. */
typedef struct prompt_part {
    const char *text;
    size_t n_text;
    const int32_t *tokens;
    size_t n_tokens;
    size_t first; /* of the tokens, in the array they came in */
} prompt_part;

typedef struct request_prompt {
    const prompt_part *parts; /* at least one; a text may be empty */
    size_t n;
    const char *at; /* the field's path: "prompt", "input[1]" */
} request_prompt;

typedef struct request_bias {
    int32_t token;    /* the token, if text is NULL */
    const char *text; /* or: every token of this text */
    float bias;       /* -INFINITY forbids */
} request_bias;

typedef struct request_lora {
    int32_t id;
    float scale;
} request_lora;

/* What the answer must look like. */
typedef enum request_constraint {
    CONSTRAINT_NONE,
    CONSTRAINT_GRAMMAR,     /* grammar: GBNF */
    CONSTRAINT_JSON_OBJECT, /* any JSON object */
    CONSTRAINT_JSON_SCHEMA, /* schema: a JSON Schema */
    CONSTRAINT_REGEX        /* grammar: a regular expression, which the whole answer matches */
} request_constraint;

/* none: thoughts stay in the content. auto: as deepseek. deepseek: thoughts are events of their
 * own. deepseek-legacy: both. Whoever tells thoughts from content makes the events so. */
typedef enum reasoning_format {
    REASONING_NONE,
    REASONING_AUTO,
    REASONING_DEEPSEEK,
    REASONING_DEEPSEEK_LEGACY
} reasoning_format;

typedef enum request_switch { SWITCH_DEFAULT, SWITCH_OFF, SWITCH_ON } request_switch;

typedef struct request_options {
    hearth_sampler_options sampler; /* its logit_bias stays empty: see bias. samplers, breakers and
                                       every number are ready to use */
#define FIELD_TYPE_B bool
#define FIELD_TYPE_I int32_t
#define FIELD_TYPE_F float
#define FIELD_TYPE_T const char * /* NULL: not given */
#define FIELD(type, member, value, min, max, apis, help) FIELD_TYPE_##type member;
#define ALIAS(...)
#define SPECIAL(...)
#define REFUSED(...)
#define IGNORED(...)
#include "protocol/request_fields.def"
#undef FIELD
#undef ALIAS
#undef SPECIAL
#undef REFUSED
#undef IGNORED
#undef FIELD_TYPE_B
#undef FIELD_TYPE_I
#undef FIELD_TYPE_F
#undef FIELD_TYPE_T
    bool include_usage; /* stream_options: a last chunk with the usage */
    const char *const *stop;
    size_t n_stop;
    const request_bias *bias;
    size_t n_bias;
    const request_lora *lora;
    size_t n_lora;
    const char *const *response_fields; /* "a/b" paths of the native body that are wanted */
    size_t n_response_fields;
    int32_t n_probs; /* candidates per token; -1: no log probabilities at all. 0: the token's own */
    request_constraint constraint;
    const char *grammar;
    json_t *schema;
    const char *constraint_at; /* the path of the field, or the flag, that says so */
    const char *schema_name;   /* response_format's, or NULL */
    reasoning_format reasoning;
    request_switch thinking;      /* from reasoning_effort, thinking, enable_thinking */
    const char *reasoning_effort; /* as given, or NULL */
} request_options;

typedef enum tool_choice {
    TOOL_CHOICE_AUTO,
    TOOL_CHOICE_NONE,
    TOOL_CHOICE_REQUIRED,
    TOOL_CHOICE_NAMED /* chat.tool_name must be called */
} tool_choice;

/* messages and tools have OpenAI's chat shape, whatever API they came by:
 *   {role, content: string, name?, reasoning_content?, tool_calls?: [{id?, type:
 * "function", function: {name, arguments: string}}], tool_call_id?} {type: "function", function:
 * {name, description?, parameters?, strict?}} Text parts are joined with newlines; the role
 * "developer" is "system". */
typedef struct request_chat {
    json_t *messages;
    json_t *tools; /* NULL: none */
    tool_choice choice;
    const char *tool_name;
    const size_t *tool_numbers; /* where each was among the tools that were sent; NULL: there */
    bool parallel_tool_calls;
    json_t *template_kwargs; /* an object, maybe empty; holds enable_thinking and reasoning_effort
                                where those were asked for */
    bool add_generation_prompt;
    bool continue_final_message; /* the last message is an answer to be gone on with */
} request_chat;

typedef struct infill_file {
    const char *filename;
    const char *text;
} infill_file;

typedef struct request_infill {
    request_prompt prefix, suffix,
        middle; /* middle: what the answer begins with; n may be 0 in each */
    const infill_file *extra;
    size_t n_extra;
} request_infill;

typedef struct request_rerank {
    const char *query;
    const char *const *documents;
    size_t n_documents;
    size_t top_n;
    bool return_documents;
    bool tei; /* asked with TEI's fields, to be answered with TEI's */
} request_rerank;

typedef struct request {
    protocol_api api;
    request_kind kind;
    const char *model; /* NULL: not named */
    request_options options;
    request_chat chat;
    const request_prompt *prompts;
    size_t n_prompts;
    request_infill infill;
    request_rerank rerank;
    const char *filename;   /* SLOT, LORA_LOAD: a plain name, without folders; NULL: not given */
    float lora_scale;       /* LORA_LOAD; 1 if not given */
    const char *control_id; /* CONTROL: the id of the answer whose reasoning shall end */
    bool base64;            /* EMBED: encoding_format */
    const char *ignored;    /* "a, b": fields without effect, fit for a header value; NULL: none */
    json_t *body;           /* the body as it came */
} request;

/* What the server is started with. */
typedef struct request_limits {
    const request_options
        *defaults;          /* NULL: request_options_init()'s. Its texts outlive requests */
    uint32_t n_choices_max; /* most answers per request: n, or the number of prompts */
    int32_t n_predict_max; /* most tokens per answer: who asks for more gets so many; 0: no limit */
    bool no_prefill;       /* only who says continue_final_message goes on with the last message */
    bool no_thoughts;      /* the model's template knows none: who asks for them in as many words is
                              refused; an effort, which clients send unasked, is ignored */
} request_limits;

enum {
    REQUEST_DEPTH_MAX = 128,        /* nested arrays and objects */
    REQUEST_VALUES_MAX = 1 << 22,   /* values in one body */
    REQUEST_MESSAGES_MAX = 1 << 14, /* messages of a chat, blocks of a message */
    REQUEST_TOOLS_MAX = 1024,
    REQUEST_STOPS_MAX = 256,
    REQUEST_PROMPTS_MAX = 2048,
    REQUEST_DOCUMENTS_MAX = 1 << 14,
    REQUEST_BIASES_MAX = 1 << 16,
    REQUEST_TOP_MAX = 1024,     /* candidates per token */
    ANTHROPIC_MAX_TOKENS = 4096 /* where a request names no max_tokens, as llama-server has it */
};

void request_options_init(request_options *options);

/* The stage of the sampler that a letter of llama-server's short form means, or NULL. */
const char *request_stage_of_letter(char letter);

/* body need not end in NUL. An empty body is an empty object. EINVAL (HTTP 400) for whatever the
 * body gets wrong; ENOMEM. */
hearth_status request_parse(request **out, protocol_api api, const char *body, size_t n,
                            const request_limits *limits, hearth_error *err);
void request_free(request *r);

/* What cannot be had of the request is 400, and is told by the client's path: errors of a place in
 * chat.tools are moved to where the client sent it. Returns the error's code. */
hearth_status request_own_error(const request *r, hearth_error *err);

/* How many answers are wanted: n for each prompt. Choice i answers prompt i / n. */
uint32_t request_n_choices(const request *r);

#endif
