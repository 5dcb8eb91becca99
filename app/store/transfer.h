/* SPDX-License-Identifier: MIT
 *
 * transfer.h - chats from other programs and back out: import, export, and chats as JSON.
 *
 * Import   What is read is found out from the data:
 *            Jan         a folder: its data folder, `threads`, or one thread
 *                        (thread.json, messages.jsonl)
 *            ChatGPT     conversations.json of an unpacked export: an array of {mapping: ...}
 *            Open WebUI  the exported file: an array of {chat: {history: ...}}
 *            Hearth      what export_json wrote: an array of {format: "hearth-chat", ...}
 *          Branches stay branches. A chat that was imported before, and has not been deleted, is
 *          left out and counted. One that cannot be read is left out, counted and told with file,
 *          chat and field: a single odd chat does not cost the years around it. An import is one
 *          transaction: after a failure nothing of it is there, and other writers wait for it.
 *          EFORMAT: the file is no such export, or none of its chats can be read.
 * Limits   Files are read piece by piece and may have any size; one chat has at most
 *          TRANSFER_MAX_CHAT_BYTES of JSON, and texts and attachments have the store's limits.
 * Left out What such a file only points to (images on somebody's server) is not there to be
 *          imported: it becomes a note in the text and is counted.
 */
#ifndef HEARTH_STORE_TRANSFER_H
#define HEARTH_STORE_TRANSFER_H

#include <jansson.h>

#include "store/store.h"

enum { TRANSFER_MAX_CHAT_BYTES = 256 << 20 };

typedef struct import_report {
    char format[16]; /* "jan", "chatgpt", "openwebui", "hearth"; of the last chat */
    uint64_t n_chats, n_messages, n_attachments;
    uint64_t n_there;    /* chats that were imported before */
    uint64_t n_empty;    /* chats without a message, which are not imported */
    uint64_t n_left_out; /* images and the like that the file does not hold */
    uint64_t n_unread;   /* chats that cannot be read */
    char problem[256];   /* with the first of them; otherwise "" */
} import_report;

/* A file or folder. */
hearth_status import_path(store *s, const char *path, import_report *out, hearth_error *err);
/* A file's bytes; name is for messages. */
hearth_status import_bytes(store *s, const char *name, const char *bytes, size_t n,
                           import_report *out, hearth_error *err);

/* Takes the next bytes of an export. */
typedef hearth_status (*export_write)(void *user, const char *bytes, size_t n, hearth_error *err);

/* The chats (all that are not deleted for n_chats 0) with all branches and attachments. */
hearth_status export_json(store *s, const int64_t *chats, size_t n_chats, export_write write,
                          void *user, hearth_error *err);
/* The branch that is shown, for people: a heading for each message, reasoning and tools folded. */
hearth_status export_markdown(store *s, int64_t chat, export_write write, void *user,
                              hearth_error *err);

/* ---- as JSON: what the API gives and what an export holds. NULL: out of memory ---- */

/* {"id", "title", "folder", "model", "system", "settings", "origin", "tags", "pinned", "leaf",
 *  "n_messages", "created_ms", "updated_ms"} and "deleted_ms" if it is */
json_t *chat_to_json(const store_chat *chat);
/* {"id", "parent" (null for a first one), "role", "state", "content", "created_ms"} and, unless
 * empty, "reasoning", "tool_calls", "tool_call_id", "tool_name", "model", "error", "meta",
 * "usage": {"n_prompt", "n_cached", "n_generated", "prompt_ms", "generate_ms"}, "attachments":
 * [{"id", "name", "type", "n_bytes"}], "deleted_ms", "siblings": {"index", "n", "previous",
 * "next"} (of more than one) */
json_t *message_to_json(const store_message *message);

#endif
