/* SPDX-License-Identifier: MIT
 *
 * import_parts.h - a chat of another program, read into memory and not yet in the store, and what
 * the readers of the formats share.
 *
 * A reader is a pure function from JSON to an import_chat. Messages are added with their parents
 * before them and are named by their number, counted from 1; 0 is "none".
 */
#ifndef HEARTH_STORE_IMPORT_PARTS_H
#define HEARTH_STORE_IMPORT_PARTS_H

#include "protocol/arena.h"
#include "store/json_stream.h"
#include "store/transfer.h"

enum { IMPORT_MAX_MESSAGES = 1 << 20 };

typedef struct import_file {
    const char *name, *type;
    const void *bytes;
    size_t n_bytes;
} import_file;

typedef struct import_message {
    store_message message; /* without id, chat, parent, attachments */
    size_t parent;
    import_file *files;
    size_t n_files;
} import_message;

/* The files of an export's folder, by name. */
typedef struct import_files {
    const char *folder;
    arena memory;
    const char **paths;
    size_t n, capacity;
    bool listed;
} import_files;

typedef struct import_chat {
    arena memory;
    import_files *files; /* NULL: there are none */
    store_chat chat;
    import_message *messages;
    size_t n_messages, capacity;
    size_t leaf;
    uint64_t n_left_out;
    hearth_error *err;
} import_chat;

void import_chat_deinit(import_chat *c);

/* EFORMAT "at: message"; at is the path of the field. */
hearth_status import_wrong(import_chat *c, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
hearth_status import_no_memory(import_chat *c);

/* ---- values: what is absent or null is empty; what has the wrong type is EFORMAT ---- */

/* A copy; a NUL becomes U+FFFD, which the store can hold. */
hearth_status import_text(import_chat *c, const char *at, const json_t *value, const char **out);
hearth_status import_name(import_chat *c, const char *at, const json_t *value,
                          const char **out); /* cut to STORE_MAX_NAME_BYTES */
/* Seconds or milliseconds since 1970, whole or not; what is no such time is 0. */
int64_t import_time(const json_t *value);
/* The JSON's text; "" for NULL. */
hearth_status import_json(import_chat *c, const json_t *value, const char **out);
/* "prefix:ID" */
hearth_status import_origin(import_chat *c, const char *prefix, const json_t *id);
/* A piece of text as a copy. */
hearth_status import_copy(import_chat *c, const char *text, size_t n, const char **out);

/* ---- messages ---- */

hearth_status import_add(import_chat *c, const store_message *message, size_t parent,
                         size_t *number);
/* To the message added last. */
hearth_status import_attach(import_chat *c, const import_file *file);
/* "data:TYPE;base64,..." as a file of the message added last; anything else is left out. */
hearth_status import_attach_url(import_chat *c, const char *name, const char *url);
/* Takes "<think>...</think>" from the beginning of *content into *reasoning. */
hearth_status import_split_thought(import_chat *c, const char **content, const char **reasoning);

/* The file of that id beside the export; name: what it is called, NULL: as the file is. */
hearth_status import_files_read(import_chat *c, const char *id, const char *name, import_file *out,
                                bool *found);
void import_files_deinit(import_files *files);
/* The call as the message's tool_calls: {"id", "type", "function"} as the OpenAI API has it. */
hearth_status import_call(import_chat *c, store_message *m, const char *id, const char *name,
                          const char *arguments);

/* ---- trees of nodes that know their children ---- */

typedef struct import_place {
    size_t parent;         /* number of the message above */
    const char *reasoning; /* of nodes above that became no message: the next one's */
} import_place;

typedef struct import_tree {
    const json_t *nodes; /* an object: node by id */
    const char *at;      /* its path */
    const char *parent_key, *children_key;
    /* Adds the node's message, if it is one, and makes *place that of its children. */
    hearth_status (*add)(import_chat *c, const char *id, const json_t *node, import_place *place);
} import_tree;

/* Adds all nodes, and makes the leaf the one called `leaf` (NULL, or not there: the last). */
hearth_status import_walk(import_chat *c, const import_tree *tree, const char *leaf);

/* ---- the formats ---- */

hearth_status import_read_chatgpt(import_chat *c, const json_t *chat);
hearth_status import_read_webui(import_chat *c, const json_t *chat);
hearth_status import_read_hearth(import_chat *c, const json_t *chat);
hearth_status import_read_jan(import_chat *c, const json_t *thread, json_stream *messages);

#endif
