/* SPDX-License-Identifier: MIT
 *
 * state.h - what the files of the store share: its connections, transactions and checks of what
 * callers give.
 *
 * Lock order: writer, vectors. reader and searcher are taken alone.
 */
#ifndef HEARTH_STORE_STATE_H
#define HEARTH_STORE_STATE_H

#include <jansson.h>

#include "protocol/arena.h"
#include "store/db.h"
#include "store/store.h"
#include "store/vectors.h"

struct store {
    char *path;
    int owner_fd; /* holds the lock of the owner, or -1 */
    db writer, reader, searcher;
    vectors vectors;
};

/* ---- transactions on the writer ---- */

/* Takes the writer and begins. After HEARTH_OK, store_write_end() must follow. */
hearth_status store_write_begin(store *s, hearth_error *err);
/* Commits if status is HEARTH_OK, takes all back otherwise; gives the writer back. */
hearth_status store_write_end(store *s, hearth_status status, hearth_error *err);

/* ---- results ---- */

/* Arenas of results live behind their `memory`. A list that grows by doubling in an arena. */
arena *result_new(void **memory);
void result_free(void **memory);
/* Room for one more in an array of *n; NULL if out of memory. */
void *result_grow(arena *a, void *items, size_t n, size_t *capacity, size_t size);
/* A column's text. NULL: out of memory, also when SQLite was. */
const char *result_text(arena *a, sqlite3_stmt *statement, int column);

/* ---- checks: EINVAL names what is wrong with `where` ---- */

hearth_status check_name(const char *where, const char *text, hearth_error *err); /* NULL is fine */
hearth_status check_text(const char *where, const char *text, hearth_error *err); /* NULL is fine */
/* "" is fine. */
hearth_status check_json(const char *where, const char *text, json_type type, hearth_error *err);

/* ---- pieces that several files need; the caller is in a transaction ---- */

/* ENOTFOUND unless the chat is there and not deleted. */
hearth_status chat_expect(db *d, int64_t id, hearth_error *err);
/* As the functions of store.h. */
hearth_status chat_insert(store *s, const store_chat *chat, int64_t *id, hearth_error *err);
hearth_status chat_set_leaf(store *s, int64_t chat, int64_t leaf, hearth_error *err);
hearth_status message_insert(store *s, const store_message *message, int64_t *id,
                             hearth_error *err);
hearth_status attachment_insert(store *s, const char *name, const char *type, const void *bytes,
                                size_t n_bytes, int64_t *id, hearth_error *err);
/* The leaf below message, newest child by newest child. message 0: of the whole chat, 0 if it is
 * empty. */
hearth_status message_newest_leaf(db *d, int64_t chat, int64_t message, int64_t *leaf,
                                  hearth_error *err);

#endif
