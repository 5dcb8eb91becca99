/* SPDX-License-Identifier: MIT
 *
 * chunks.h - reading the stream of an answer (OpenAI's chunks, of a chat or of a text), and keeping
 * what it said.
 *
 * Pure: bytes are appended to chunks_input() as they come. One thread at a time.
 */
#ifndef HEARTH_GATEWAY_CHUNKS_H
#define HEARTH_GATEWAY_CHUNKS_H

#include <jansson.h>

#include "base/status.h"
#include "http/sse.h"
#include "store/store.h"

typedef enum chunk_kind {
    CHUNK_THINKING, /* text */
    CHUNK_CONTENT,  /* text */
    CHUNK_PROGRESS, /* done of total tokens of the prompt are read */
    CHUNK_FAILURE,  /* text: the engine's message. Nothing comes after it */
    CHUNK_DONE      /* the end of the stream */
} chunk_kind;

typedef struct chunk {
    chunk_kind kind;
    const char *text; /* until the next call */
    size_t done, total;
} chunk;

typedef struct chunks {
    sse_reader events;
    json_t *event;         /* that is being told; NULL: none */
    int part;              /* what of it was told already */
    buf content, thinking; /* of the whole answer so far */
    json_t *tool_calls;    /* as OpenAI's messages have them; NULL: none */
    char finish[24];       /* "stop", "length", "tool_calls"; "" until it is told */
    json_t *stop_reason;   /* the text that ended it, or "context"; NULL: none was told */
    json_t *tokens;        /* of a text that was asked for with return_tokens; NULL: none */
    store_usage usage;
} chunks;

void chunks_init(chunks *c);
void chunks_deinit(chunks *c);
buf *chunks_input(chunks *c);

/* False: more bytes are needed. What cannot be read is a FAILURE. */
bool chunks_next(chunks *c, chunk *out);

/* The same of an answer that came whole. False: it is none. */
bool chunks_read_whole(chunks *c, const json_t *answer);

#endif
