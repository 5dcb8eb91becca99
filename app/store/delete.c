/* SPDX-License-Identifier: MIT
 *
 * delete.c - deleting, bringing back, and removing for good.
 *
 * What is deleted has the time of it in deleted_ms. All messages that one deletion took share a
 * time that no other deletion has, so that restoring brings back those and no others.
 */
#include <string.h>

#include "store/state.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

hearth_status store_chat_delete(store *s, int64_t id, hearth_error *err)
{
    TRY(store_write_begin(s, err));
    hearth_status status = chat_expect(&s->writer, id, err);
    if (status == HEARTH_OK)
        status = db_run(&s->writer, err, "UPDATE chat SET deleted_ms = ?2 WHERE id = ?1", "ii", id,
                        store_now_ms());
    return store_write_end(s, status, err);
}

hearth_status store_chat_restore(store *s, int64_t id, hearth_error *err)
{
    db *d = &s->writer;
    TRY(store_write_begin(s, err));
    hearth_status status =
        db_run(d, err, "UPDATE chat SET deleted_ms = 0 WHERE id = ? AND deleted_ms > 0", "i", id);
    if (status == HEARTH_OK && db_changed(d) == 0)
        status = error_set(err, HEARTH_ENOTFOUND, "chat", "there is no deleted chat %lld",
                           (long long)id);
    return store_write_end(s, status, err);
}

/* ---- messages ---- */

typedef struct place {
    int64_t chat, parent, deleted;
} place;

static hearth_status find_place(db *d, int64_t id, place *out, hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    TRY(db_query(d, &statement, err, "SELECT chat, parent, deleted_ms FROM message WHERE id = ?",
                 "i", id));
    TRY(db_step(d, statement, &row, err));
    if (!row)
        FAIL(err, ENOTFOUND, "message", "there is no message %lld", (long long)id);
    *out = (place){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
                   sqlite3_column_int64(statement, 2)};
    db_done(statement);
    return chat_expect(d, out->chat, err);
}

/* Changes deleted_ms from one value to another in a message and its descendants. */
static hearth_status mark_branch(db *d, int64_t chat, int64_t id, int64_t from, int64_t to,
                                 hearth_error *err)
{
    return db_run(d, err,
                  "WITH RECURSIVE down(id) AS (VALUES(?2) UNION ALL SELECT m.id FROM down JOIN "
                  "message m ON m.chat = ?1 AND m.parent = down.id WHERE m.deleted_ms = ?3 AND "
                  "m.id > down.id) UPDATE message SET deleted_ms = ?4 WHERE id IN down AND "
                  "deleted_ms = ?3",
                  "iiii", chat, id, from, to);
}

static hearth_status delete_message(store *s, int64_t id, hearth_error *err)
{
    db *d = &s->writer;
    place at;
    int64_t last, leaf, alive;
    TRY(find_place(d, id, &at, err));
    if (at.deleted)
        FAIL(err, ENOTFOUND, "message", "message %lld is deleted already", (long long)id);
    TRY(db_number(d, &last, 0, err, "SELECT max(deleted_ms) FROM message WHERE deleted_ms > 0",
                  ""));
    int64_t now = store_now_ms();
    TRY(mark_branch(d, at.chat, id, 0, now > last ? now : last + 1, err));
    TRY(db_number(d, &alive, 0, err,
                  "SELECT c.leaf = 0 OR EXISTS (SELECT 1 FROM message m WHERE m.id = c.leaf AND "
                  "m.deleted_ms = 0) FROM chat c WHERE c.id = ?",
                  "i", at.chat));
    if (alive)
        return HEARTH_OK;
    TRY(message_newest_leaf(d, at.chat, at.parent, &leaf, err));
    return chat_set_leaf(s, at.chat, leaf, err);
}

hearth_status store_message_delete(store *s, int64_t id, hearth_error *err)
{
    TRY(store_write_begin(s, err));
    return store_write_end(s, delete_message(s, id, err), err);
}

static hearth_status restore_message(store *s, int64_t id, hearth_error *err)
{
    db *d = &s->writer;
    place at;
    int64_t deleted = 0;
    TRY(find_place(d, id, &at, err));
    if (at.deleted == 0)
        FAIL(err, EMISMATCH, "message", "message %lld is not deleted", (long long)id);
    if (at.parent)
        TRY(db_number(d, &deleted, 1, err, "SELECT deleted_ms FROM message WHERE id = ?", "i",
                      at.parent));
    if (deleted)
        FAIL(err, EMISMATCH, "message",
             "message %lld went with message %lld above it; restore that one", (long long)id,
             (long long)at.parent);
    return mark_branch(d, at.chat, id, at.deleted, 0, err);
}

hearth_status store_message_restore(store *s, int64_t id, hearth_error *err)
{
    TRY(store_write_begin(s, err));
    return store_write_end(s, restore_message(s, id, err), err);
}

/* ---- for good ---- */

#define DOOMED_CHATS "(SELECT id FROM chat WHERE deleted_ms > 0 AND deleted_ms < ?1)"
#define DOOMED_MESSAGES                                                                            \
    "(SELECT id FROM message WHERE deleted_ms > 0 AND deleted_ms < ?1 UNION "                      \
    "SELECT id FROM message WHERE chat IN " DOOMED_CHATS ")"

/* The index of words is told what it knew of a message, so it goes before the message. */
static hearth_status purge(db *d, int64_t before, store_purged *out, hearth_error *err)
{
    TRY(db_run(d, err,
               "INSERT INTO message_words(message_words, rowid, content) SELECT 'delete', id, "
               "content FROM message WHERE id IN " DOOMED_MESSAGES " AND state <> 1",
               "i", before));
    TRY(db_run(d, err,
               "INSERT INTO chat_words(chat_words, rowid, title) SELECT 'delete', id, title FROM "
               "chat WHERE id IN " DOOMED_CHATS,
               "i", before));
    TRY(db_run(d, err, "DELETE FROM message WHERE id IN " DOOMED_MESSAGES, "i", before));
    out->n_messages = db_changed(d);
    TRY(db_run(d, err, "DELETE FROM chat WHERE id IN " DOOMED_CHATS, "i", before));
    out->n_chats = db_changed(d);
    TRY(db_run(d, err,
               "DELETE FROM attachment WHERE created_ms < ? AND NOT EXISTS (SELECT 1 FROM "
               "message_attachment a WHERE a.attachment = attachment.id)",
               "i", store_now_ms() - DAY_MS));
    out->n_attachments = db_changed(d);
    if (out->n_messages == 0 && out->n_chats == 0)
        return HEARTH_OK;
    /* Until its parts are merged the index still holds the words that were taken out. */
    TRY(db_run(d, err, "INSERT INTO message_words(message_words) VALUES('optimize')", ""));
    return db_run(d, err, "INSERT INTO chat_words(chat_words) VALUES('optimize')", "");
}

hearth_status store_purge(store *s, int64_t before_ms, store_purged *out, hearth_error *err)
{
    *out = (store_purged){0};
    TRY(store_write_begin(s, err));
    TRY(store_write_end(s, purge(&s->writer, before_ms, out, err), err));
    vectors_forget(&s->vectors);
    /* The log still has the old pages. If a reader keeps it now, the next purge empties it. */
    db_lock(&s->writer);
    sqlite3_wal_checkpoint_v2(s->writer.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    db_unlock(&s->writer);
    return HEARTH_OK;
}
