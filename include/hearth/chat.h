/* SPDX-License-Identifier: MIT
 *
 * chat.h - chat templates: a conversation to the prompt that a model was trained on.
 *
 * What     The Jinja dialect that models carry their templates in, rendered as Hugging Face's
 *          transformers does: jinja2's immutable sandbox with trim_blocks, lstrip_blocks, break and
 *          continue, `tojson` as Python's json.dumps without ASCII escaping, raise_exception,
 *          strftime_now and {% generation %}.
 * Errors   A template that is wrong is EFORMAT, one that fails or refuses the conversation is
 *          EINVAL, both with line and column. Nothing is read or written; every render ends.
 * Threads  A template is immutable: any number of threads may render it at once.
 */
#ifndef HEARTH_CHAT_H
#define HEARTH_CHAT_H

#include <stddef.h>
#include <stdint.h>

#include <hearth/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_chat_template hearth_chat_template;

/* Parses n_source bytes of UTF-8, which need not outlive the call. Errors: EFORMAT, ENOMEM. */
HEARTH_API hearth_status hearth_chat_template_new(hearth_chat_template **out, const char *source,
                                                  size_t n_source, hearth_error *err);
HEARTH_API void hearth_chat_template_free(hearth_chat_template *t); /* NULL is fine */

/* The source of a well-known format by the name that llama.cpp has for it, "chatml", "llama3" or
 * "mistral-v7": for a model whose file has no template. System, user and assistant, no tools; a
 * role that the format has no turn for is refused. EINVAL lists the names. Borrowed for ever. */
HEARTH_API hearth_status hearth_chat_template_named(const char *name, const char **source,
                                                    hearth_error *err);
/* The i-th name; NULL past the last one. */
HEARTH_API const char *hearth_chat_template_name(size_t i);

typedef struct hearth_chat_render_options {
    size_t struct_size;   /* set by hearth_chat_render_options_init */
    int64_t now;          /* for strftime_now: seconds since 1970, or -1 for the clock */
    int32_t utc_offset_s; /* what local time adds to UTC */
    uint32_t max_depth;   /* of nested expressions and calls */
    uint64_t max_steps;   /* of work: about one per operation and per 64 bytes touched */
    uint64_t max_memory_bytes;
    uint64_t max_output_bytes;
} hearth_chat_render_options;

/* The clock in UTC; 1,000 levels, 50 million steps, 256 MiB of memory, 64 MiB of output. */
HEARTH_API void hearth_chat_render_options_init(hearth_chat_render_options *options);

/* context_json (n_context bytes) is an object whose members are the template's variables: messages,
 * tools, documents, add_generation_prompt, bos_token, eos_token, and any others. Integers must fit
 * in 64 bits. options may be NULL. *text (NUL-terminated, UTF-8) is the caller's: hearth_free.
 * Errors: EINVAL, ENOMEM. */
HEARTH_API hearth_status hearth_chat_template_render(const hearth_chat_template *t,
                                                     const char *context_json, size_t n_context,
                                                     const hearth_chat_render_options *options,
                                                     char **text, size_t *n, hearth_error *err);

/* Renders a conversation and tokenizes it for the model. Control tokens that the template writes
 * are control tokens; what the messages of the roles "user" and "tool" spell is text, so that
 * nobody who is quoted can forge a turn. bos_token and eos_token are the model's where the context
 * has none; a beginning token is added where the model wants one and the template writes none.
 * *tokens is the caller's: hearth_free; so is *text, the rendered text (text may be NULL). Errors:
 * as render, and EINVAL for a conversation that holds all of U+FDD0 to U+FDEF. */
HEARTH_API hearth_status hearth_chat_tokenize(const hearth_chat_template *t,
                                              const hearth_model *model, const char *context_json,
                                              size_t n_context,
                                              const hearth_chat_render_options *options,
                                              int32_t **tokens, size_t *n_tokens, char **text,
                                              size_t *n_text, hearth_error *err);

#ifdef __cplusplus
}
#endif
#endif
