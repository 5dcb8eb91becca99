/* SPDX-License-Identifier: MIT
 *
 * store.h - the user's chats on disk: one SQLite file that loses nothing it has acknowledged.
 *
 * What     Chats, their messages as trees, attachments, tags, folders and settings. What a finished
 *          message says is never changed, at most gone on with (store_message_reopen): an edit and
 * a regeneration are new children of the same parent, and the chat's leaf says which branch is
 * shown. The system prompt is a field of the chat; a message of role system is one that the user
 * put into the course. Durable  A call that returns HEARTH_OK has its effect on the disk (WAL,
 * synchronous=FULL); one that fails has none at all. kill -9 at any moment and a full disk lose
 * nothing else. Damage   A file that is not a store, is damaged, or was written by a newer Hearth
 * is refused with a message and left as it is; nothing is ever recreated over it. Before a
 * migration the file is copied to PATH.v<old version>.bak. Threads  Every function is thread-safe.
 * Writers take turns on one connection; lists and paths are read on another, searches on a third,
 * so that neither waits for the other. Calls block: some milliseconds for the disk, up to
 * STORE_BUSY_MS while another process writes, as long as an import takes while one runs. Owner
 * `hearth serve` opens with owner set: there is one at a time (EBUSY otherwise), and what was left
 * as STREAMING by a process that died becomes STOPPED. Commands open without it and work beside a
 * running server. Text     All text is NUL-terminated valid UTF-8, or EINVAL. JSON texts are kept
 * as given after a parse, or EINVAL. NULL for an optional text is "". Ids      Above 0 and never
 * given twice, also after a purge. 0 is "none". They are exact in a JavaScript number. Times
 * Milliseconds since 1970, UTC. Errors   ENOTFOUND: no such chat, message or attachment (deleted
 * ones are not found unless the function says so). EMISMATCH: it belongs to another chat or is in
 * another state. EIO: the disk (full ones are told so). EBUSY: another process has been writing for
 *          STORE_BUSY_MS, or is the owner. EFORMAT: the file is damaged or no store. EUNSUPPORTED:
 *          it is of a newer version.
 *
 *          0 -- message 1 (user) --+-- 2 (assistant)                  regenerate: another child of
 * 1 |                     '-- 3 (assistant) -- 4 (user)      leaf = 4, path = 1 3 4
 *            '- message 5 (user)                                      edit of 1: another child of 0
 */
#ifndef HEARTH_STORE_STORE_H
#define HEARTH_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

enum {
    STORE_BUSY_MS = 10000,
    STORE_MAX_TEXT_BYTES = 64 << 20, /* of one content, reasoning, JSON or attachment */
    STORE_MAX_NAME_BYTES = 1024,     /* of a title, folder, tag, model, file name, setting's key */
    STORE_MAX_ATTACHMENTS = 64,      /* of one message */
    STORE_MAX_TAGS = 64              /* of one chat */
};

typedef struct store store;

/* $XDG_DATA_HOME/hearth/hearth.db, or ~/.local/share/hearth/hearth.db. EINVAL without a home. */
hearth_status store_default_path(buf *out, hearth_error *err);

/* path NULL: the default path. Makes the file and its folder (for this user alone) if they are not
 * there, migrates an older one. */
hearth_status store_open(store **out, const char *path, bool owner, hearth_error *err);
void store_close(store *s); /* no call may be running. NULL is fine */
const char *store_path(const store *s);

/* Checks the whole file (seconds if it is large). What is wrong, one problem per line, is appended
 * to report; empty: nothing is. */
hearth_status store_check(store *s, buf *report, hearth_error *err);
/* A consistent copy of the file as it is now, at path, which must not exist. */
hearth_status store_backup(store *s, const char *path, hearth_error *err);

/* ---- results ---- */

/* What lists and paths give out lies in one block of memory that belongs to the caller:
 * store_chats_free, store_messages_free and so on, which are fine with zeroed ones. Every text in
 * it is non-NULL. After a failure there is nothing to free. */

typedef struct store_chat {
    int64_t id;
    const char *title, *folder; /* a folder is a path: "Work/Reports"; "": none */
    const char *model;          /* what the chat is to be continued with */
    const char *system;         /* the system prompt */
    const char *settings;       /* a JSON object that belongs to whoever runs the chat */
    const char *origin;         /* where an imported one comes from: "jan:ID"; "" otherwise */
    const char *const *tags;    /* sorted */
    size_t n_tags;
    bool pinned;
    int64_t leaf;        /* the last message of the branch that is shown; 0: there is none */
    uint64_t n_messages; /* in all branches */
    int64_t created_ms;
    int64_t updated_ms; /* of the last message; renaming and filing do not count */
    int64_t deleted_ms; /* 0: not deleted */
} store_chat;

typedef struct store_chats {
    store_chat *items;
    size_t n;
    bool more; /* the limit cut the list */
    void *memory;
} store_chats;
void store_chats_free(store_chats *list);

typedef enum store_role { STORE_SYSTEM, STORE_USER, STORE_ASSISTANT, STORE_TOOL } store_role;
const char *store_role_name(store_role role); /* "system", "user", "assistant", "tool" */
bool store_role_find(const char *name, store_role *out);

typedef enum store_state {
    STORE_COMPLETE,
    STORE_STREAMING, /* being written; only append and finish change it */
    STORE_STOPPED,   /* by the user, or because the program ended */
    STORE_FAILED     /* error says why; the content is what came before */
} store_state;
const char *store_state_name(store_state state); /* "complete", "streaming" ... */
bool store_state_find(const char *name, store_state *out);

typedef struct store_attachment {
    int64_t id;
    const char *name, *type; /* "plan.pdf", "application/pdf" */
    uint64_t n_bytes;
} store_attachment;

typedef struct store_usage {
    int64_t n_prompt;    /* tokens of the prompt */
    int64_t n_cached;    /* of those, not computed again */
    int64_t n_generated; /* tokens written, reasoning included */
    double prompt_ms, generate_ms;
} store_usage;

typedef struct store_message {
    int64_t id, chat;
    int64_t parent; /* 0: a first message */
    store_role role;
    store_state state;
    const char *content;
    const char *reasoning;
    const char *tool_calls;   /* JSON array as in the OpenAI API: id, type, function; "": none */
    const char *tool_call_id; /* of role tool: the call that this answers */
    const char *tool_name;    /* of role tool */
    const char *model;        /* that wrote it */
    const char *error;
    const char *meta; /* a JSON object: what the user thinks of it, sampling, sources */
    store_usage usage;
    const store_attachment *attachments;
    size_t n_attachments;
    int64_t created_ms;
    int64_t deleted_ms;
    /* The children of the same parent, oldest first, deleted ones left out. */
    uint32_t sibling_index, n_siblings;
    int64_t previous_sibling, next_sibling; /* 0: none */
} store_message;

typedef struct store_messages {
    store_message *items;
    size_t n;
    bool more;
    void *memory;
} store_messages;
void store_messages_free(store_messages *list);

/* ---- chats ---- */

/* Of chat: title, folder, model, system, settings, origin, tags and pinned are taken; created_ms if
 * it is not 0. */
hearth_status store_chat_add(store *s, const store_chat *chat, int64_t *id, hearth_error *err);
/* A list of one. Finds deleted chats, too. */
hearth_status store_chat_get(store *s, int64_t id, store_chats *out, hearth_error *err);

typedef struct store_chat_filter {
    const char *folder; /* NULL: any; "": of no folder; else the folder and what is below it */
    const char *tag;    /* NULL: any */
    const char *model;  /* NULL: any */
    const char *title;  /* NULL: any; else contained in the title, ASCII letters of either case */
    bool pinned;        /* only pinned ones */
    bool deleted;       /* the deleted ones instead, last deleted first */
    uint64_t offset;
    uint32_t limit; /* 0: no limit */
} store_chat_filter;
/* Pinned first, then as updated, newest first. */
hearth_status store_chat_list(store *s, const store_chat_filter *filter, store_chats *out,
                              hearth_error *err);

/* NULL leaves a field as it is. */
typedef struct store_chat_change {
    const char *title, *folder, *model, *system, *settings;
    const bool *pinned;
} store_chat_change;
hearth_status store_chat_update(store *s, int64_t id, const store_chat_change *change,
                                hearth_error *err);
/* These instead of the tags that it had. */
hearth_status store_chat_set_tags(store *s, int64_t id, const char *const *tags, size_t n_tags,
                                  hearth_error *err);

/* Shows the branch of message: the leaf becomes its newest descendant, always taking the newest
 * child; *leaf (may be NULL) is told. */
hearth_status store_chat_select(store *s, int64_t chat, int64_t message, int64_t *leaf,
                                hearth_error *err);

/* A copy of the path from the first message to `message`, as a new chat with the same folder, tags,
 * model, system prompt and settings; attachments are shared. */
hearth_status store_chat_fork(store *s, int64_t chat, int64_t message, const char *title,
                              int64_t *id, hearth_error *err);

/* ---- folders and tags: there as long as a chat that is not deleted uses them ---- */

typedef struct store_name {
    const char *name;
    uint64_t n_chats;
} store_name;
typedef struct store_names {
    store_name *items;
    size_t n;
    void *memory;
} store_names;
void store_names_free(store_names *list);
hearth_status store_folder_list(store *s, store_names *out, hearth_error *err);
hearth_status store_tag_list(store *s, store_names *out, hearth_error *err);
/* Of the folder and what is below it; to "" takes the chats out. *n_chats may be NULL. */
hearth_status store_folder_rename(store *s, const char *from, const char *to, uint64_t *n_chats,
                                  hearth_error *err);
hearth_status store_tag_rename(store *s, const char *from, const char *to, uint64_t *n_chats,
                               hearth_error *err); /* to "": removes it */

/* ---- messages ---- */

/* Adds a message to message->chat below message->parent and makes it the chat's leaf. Taken are the
 * texts, role, state (any), usage and the ids of attachments; created_ms if it is not 0. */
hearth_status store_message_add(store *s, const store_message *message, int64_t *id,
                                hearth_error *err);

/* Adds text to the end of a STREAMING message, be it deleted or not; NULL or "" adds nothing to
 * that part. Costs one flush of the disk: call it some times a second, not for every token. */
hearth_status store_message_append(store *s, int64_t id, const char *content, const char *reasoning,
                                   hearth_error *err);

/* Ends a STREAMING message, be it deleted or not. NULL leaves content, reasoning and model as they
 * stand. */
typedef struct store_end {
    store_state state; /* not STREAMING */
    const char *content, *reasoning, *tool_calls, *model, *error, *meta;
    store_usage usage;
} store_end;
hearth_status store_message_finish(store *s, int64_t id, const store_end *end, hearth_error *err);

/* Makes an answer of words that has ended, and that nothing follows, STREAMING again, with all that
 * it holds; it becomes the leaf. EMISMATCH: it is another message, or has an answer. */
hearth_status store_message_reopen(store *s, int64_t id, hearth_error *err);

/* Replaces meta (a JSON object), in any state. */
hearth_status store_message_set_meta(store *s, int64_t id, const char *meta, hearth_error *err);

/* One message. Finds deleted ones, too. */
hearth_status store_message_get(store *s, int64_t id, store_messages *out, hearth_error *err);

/* The last `limit` (0: all) messages of the path that ends with `last` (0: the chat's leaf), oldest
 * first. more: the path goes on above the first; its parent is the `last` of the page before. */
hearth_status store_message_path(store *s, int64_t chat, int64_t last, uint32_t limit,
                                 store_messages *out, hearth_error *err);
/* The children of a message, or the first messages of the chat for 0, oldest first. */
hearth_status store_message_children(store *s, int64_t chat, int64_t parent, store_messages *out,
                                     hearth_error *err);
/* The whole tree in the order of ids (a parent stands before its children): those above `after`.
 * The fields of siblings are 0. */
hearth_status store_message_all(store *s, int64_t chat, int64_t after, uint32_t limit,
                                store_messages *out, hearth_error *err);

/* ---- attachments ---- */

/* Keeps bytes for a message that is still to be added; purged if none is within a day. */
hearth_status store_attachment_add(store *s, const char *name, const char *type, const void *bytes,
                                   size_t n_bytes, int64_t *id, hearth_error *err);
/* Appends the bytes to out. name and type (may be NULL) likewise. */
hearth_status store_attachment_read(store *s, int64_t id, buf *name, buf *type, buf *out,
                                    hearth_error *err);

/* ---- deleting ---- */

/* Deleted things are hidden, not gone: restore brings them back until a purge. Deleting a message
 * takes its descendants with it; if the leaf is among them, the leaf becomes the newest leaf below
 * the deleted one's parent. Restoring brings back what went with it, and leaves the leaf. */
hearth_status store_chat_delete(store *s, int64_t id, hearth_error *err);
hearth_status store_chat_restore(store *s, int64_t id, hearth_error *err);
hearth_status store_message_delete(store *s, int64_t id, hearth_error *err);
hearth_status store_message_restore(store *s, int64_t id, hearth_error *err);

typedef struct store_purged {
    uint64_t n_chats, n_messages, n_attachments;
} store_purged;
/* Removes for good, and overwrites in the file, what was deleted before the given time and
 * attachments that nothing uses and are older than a day. May take seconds. */
hearth_status store_purge(store *s, int64_t before_ms, store_purged *out, hearth_error *err);

/* ---- settings ---- */

/* Appends the value to out. ENOTFOUND. */
hearth_status store_setting_get(store *s, const char *key, buf *out, hearth_error *err);
/* value NULL removes it; removing what is not there is fine. */
hearth_status store_setting_set(store *s, const char *key, const char *value, hearth_error *err);
/* fn gets every key that begins with prefix, sorted; it may not call the store. */
hearth_status store_setting_each(store *s, const char *prefix,
                                 void (*fn)(void *user, const char *key, const char *value),
                                 void *user, hearth_error *err);

int64_t store_now_ms(void);

#endif
