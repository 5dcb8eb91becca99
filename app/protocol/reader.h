/* SPDX-License-Identifier: MIT
 *
 * reader.h - reading JSON values with their paths: what the readers of the fields are made of.
 *
 * Every want_* takes a value that is there and not null, and fails with EINVAL, the path and what
 * was expected. Counts and sizes are bounded by whoever reads an array.
 */
#ifndef HEARTH_PROTOCOL_READER_H
#define HEARTH_PROTOCOL_READER_H

#include "base/buf.h"
#include "base/status.h"
#include "protocol/arena.h"
#include "protocol/request.h"

/* Where a value stands. Lives on the stack of whoever reads it. */
typedef struct path {
    const struct path *up;
    const char *key; /* NULL: an index */
    size_t index;
} path;

#define PATH_KEY(up_, key_) (&(path){.up = up_, .key = key_})
#define PATH_INDEX(up_, index_) (&(path){.up = up_, .index = index_})

typedef struct reader {
    request *r;
    arena *mem;
    const request_limits *limits;
    buf ignored;
    const char *constraint_by; /* the field that set the constraint */
    bool has_input, has_continue, has_generation_prompt;
    uint32_t n_old_calls;    /* function_call of messages */
    request_switch thinking; /* in as many words */
    request_switch thinking_by_effort;
    int32_t best_of;
    hearth_error *err;
} reader;

/* EINVAL "path: message". */
hearth_status refuse(reader *in, const path *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
hearth_status no_memory(reader *in);
/* The path as text that lives as long as the request. */
hearth_status path_text(reader *in, const path *at, const char **out);

/* "a text", "an array" ... for messages. */
const char *json_kind(const json_t *value);

hearth_status want_bool(reader *in, const path *at, const json_t *value, bool *out);
hearth_status want_int(reader *in, const path *at, const json_t *value, int64_t min, int64_t max,
                       int64_t *out);
hearth_status want_float(reader *in, const path *at, const json_t *value, double min, double max,
                         float *out);
hearth_status want_text(reader *in, const path *at, const json_t *value, const char **out);
/* A text of n_min to n_max bytes. */
hearth_status want_name(reader *in, const path *at, const json_t *value, size_t n_min, size_t n_max,
                        const char **out);
/* The index of the value in "a|b|c". */
hearth_status want_choice(reader *in, const path *at, const json_t *value, const char *choices,
                          int *out);
hearth_status want_object(reader *in, const path *at, const json_t *value);
/* An array of n_min to n_max values. */
hearth_status want_array(reader *in, const path *at, const json_t *value, size_t n_min,
                         size_t n_max);
/* An array of texts; empty ones are left out. */
hearth_status want_texts(reader *in, const path *at, const json_t *value, size_t n_max,
                         const char *const **out, size_t *n);
/* An array of token ids. */
hearth_status want_tokens(reader *in, const path *at, const json_t *value, const int32_t **out,
                          size_t *n);

/* The member of an object; NULL if it is not there, or null. */
json_t *get(const json_t *object, const char *key);
/* The same, refused where it is not there. */
hearth_status need(reader *in, const path *at, const json_t *object, const char *key, json_t **out);

/* Lists a field as without effect: its path without indices. */
hearth_status ignore(reader *in, const path *at);
/* Lists the members of object that are not in "a|b|c" and not null. */
hearth_status ignore_others(reader *in, const path *at, const json_t *object, const char *known);

/* Sets a member of an object being built, consuming value; NULL is ENOMEM. */
hearth_status put(reader *in, json_t *object, const char *key, json_t *value);
hearth_status push(reader *in, json_t *array, json_t *value);

/* A constraint and the field that sets it; two of them are refused. */
hearth_status constrain(reader *in, const path *at, request_constraint kind, const char *grammar,
                        json_t *schema);

/* ---- shared between the APIs ---- */

/* Appends text parts to `out`, joined with newlines. types: "text|input_text": the part types that
 * are text here; everything else is refused with what it is. */
hearth_status read_text_parts(reader *in, const path *at, const json_t *content, const char *types,
                              buf *out);
/* {role: role, content: text} appended to messages; the new message is given out, borrowed. */
hearth_status add_message(reader *in, const char *role, const char *text, size_t n, json_t **out);
/* Appends a tool call to the assistant message `message`. id may be NULL. arguments: text, an
 * object, or NULL for "{}". */
hearth_status add_tool_call(reader *in, const path *at, json_t *message, const char *id,
                            const char *name, const json_t *arguments);
/* Arguments of a call: a JSON object, or one as text; "" is none. */
hearth_status want_arguments(reader *in, const path *at, const json_t *value);
/* The schema of a tool's arguments, which can be nothing but an object. */
hearth_status want_parameters(reader *in, const path *at, const json_t *value);
/* Appends a tool. description, parameters may be NULL. */
hearth_status add_tool(reader *in, const path *at, const json_t *name, const json_t *description,
                       const json_t *parameters);
hearth_status name_tool_choice(reader *in, const path *at, const json_t *name);
/* "none" ... "max". */
hearth_status read_effort(reader *in, const path *at, const json_t *value);
/* {type: text | json_object | json_schema}; schema inside `json_schema` or beside. */
hearth_status read_format(reader *in, const path *at, const json_t *value);

/* ---- after the fields ---- */

hearth_status finish_chat(reader *in);
hearth_status finish_prompts(reader *in);

/* ---- one reader for each SPECIAL row ---- */

typedef hearth_status field_reader(reader *in, const path *at, json_t *value);
#define FIELD(...)
#define ALIAS(...)
#define SPECIAL(name, reader_, apis, help) field_reader reader_;
#define REFUSED(...)
#define IGNORED(...)
#include "protocol/request_fields.def"
#undef FIELD
#undef ALIAS
#undef SPECIAL
#undef REFUSED
#undef IGNORED

#endif
