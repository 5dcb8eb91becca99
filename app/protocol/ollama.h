/* SPDX-License-Identifier: MIT
 *
 * ollama.h - Ollama's API (github.com/ollama/ollama, docs/api.md) in terms of the one of OpenAI
 * that every engine answers.
 *
 * Requests   A body of /api/chat, /api/generate or /api/embed becomes the body of an engine's path.
 *            Fields of "options" that only ask how a model is to be loaded are listed in
 *            `ignored`; anything else that has no counterpart is refused with its path.
 * Answers    Chunks of the engine's stream become lines of JSON, or one object where the client
 *            does not stream. Tool calls are told whole, with arguments as an object.
 * Threads    Pure functions; one thread at a time per answer. No clock: times are given.
 */
#ifndef HEARTH_PROTOCOL_OLLAMA_H
#define HEARTH_PROTOCOL_OLLAMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

typedef enum ollama_kind {
    OLLAMA_CHAT,     /* POST /api/chat */
    OLLAMA_GENERATE, /* POST /api/generate */
    OLLAMA_EMBED,    /* POST /api/embed */
    OLLAMA_EMBEDDING /* POST /api/embeddings: one text, the older form */
} ollama_kind;

enum { OLLAMA_KEEP_DEFAULT = -2, OLLAMA_KEEP_FOREVER = -1 };

typedef struct ollama_request {
    ollama_kind kind;
    const char *model; /* borrowed from the body; "": not named */
    const char *path;  /* of the engine */
    json_t *body; /* for it; NULL where nothing is to be asked: only load or unload the model */
    bool stream;
    bool is_text;    /* the engine answers with text_completion chunks */
    bool is_infill;  /* or with llama-server's own */
    int64_t keep_ms; /* OLLAMA_KEEP_DEFAULT, OLLAMA_KEEP_FOREVER, or milliseconds */
    buf ignored;     /* "options.num_ctx, ..." */
} ollama_request;

/* body must outlive the request. EINVAL names the field. Deinit also after a failure. */
hearth_status ollama_request_read(ollama_request *r, ollama_kind kind, const json_t *body,
                                  hearth_error *err);
void ollama_request_deinit(ollama_request *r);

/* ---- answers ---- */

typedef struct ollama_answer ollama_answer;

/* model: as the client shall see it. */
hearth_status ollama_answer_new(ollama_answer **out, const ollama_request *r, const char *model,
                                hearth_error *err);
void ollama_answer_free(ollama_answer *a);

/* One chunk of the engine's stream (the data of an event that is not [DONE]). What may be sent by
 * now is appended to out. An {"error"} chunk gives EIO with its message. */
hearth_status ollama_answer_chunk(ollama_answer *a, const json_t *chunk, int64_t now_ms, buf *out,
                                  hearth_error *err);
/* The last line, or the one object. */
hearth_status ollama_answer_end(ollama_answer *a, int64_t now_ms, uint64_t total_ns,
                                uint64_t load_ns, buf *out, hearth_error *err);

/* The answer of an embedding, from the engine's. NULL: it is none, or out of memory. */
json_t *ollama_embedding(const ollama_request *r, const char *model, const json_t *answer,
                         uint64_t total_ns, uint64_t load_ns);

/* What /api/chat and /api/generate answer when a model is only loaded or unloaded. */
json_t *ollama_loaded(const ollama_request *r, const char *model, int64_t now_ms);

/* {"error": message} and a line break: how a stream fails. False: out of memory. */
bool ollama_write_error(const char *message, buf *out);

/* "2026-11-26T11:21:25.123Z" */
enum { OLLAMA_TIME_BYTES = 32 };
void ollama_time(int64_t ms, char out[OLLAMA_TIME_BYTES]);

#endif
