/* SPDX-License-Identifier: MIT
 *
 * asset.c - attachments and settings.
 */
#include <string.h>

#include "store/state.h"

/* ---- attachments ---- */

hearth_status attachment_insert(store *s, const char *name, const char *type, const void *bytes,
                                size_t n_bytes, int64_t *id, hearth_error *err)
{
    TRY(check_name("name", name, err));
    TRY(check_name("type", type, err));
    if (n_bytes > STORE_MAX_TEXT_BYTES)
        FAIL(err, EINVAL, "attachment", "'%.100s' has %zu bytes; %d are the most", name ? name : "",
             n_bytes, STORE_MAX_TEXT_BYTES);
    TRY(db_run(&s->writer, err,
               "INSERT INTO attachment(created_ms, n_bytes, name, type, bytes) "
               "VALUES(?, ?, ?, ?, ?)",
               "iuttb", store_now_ms(), (uint64_t)n_bytes, name, type, bytes, n_bytes));
    *id = db_last_id(&s->writer);
    return HEARTH_OK;
}

hearth_status store_attachment_add(store *s, const char *name, const char *type, const void *bytes,
                                   size_t n_bytes, int64_t *id, hearth_error *err)
{
    TRY(store_write_begin(s, err));
    return store_write_end(s, attachment_insert(s, name, type, bytes, n_bytes, id, err), err);
}

static bool add_column(buf *out, sqlite3_stmt *statement, int column)
{
    if (out == NULL)
        return true;
    const void *bytes = sqlite3_column_blob(statement, column);
    return buf_append(out, bytes ? bytes : "", (size_t)sqlite3_column_bytes(statement, column));
}

hearth_status store_attachment_read(store *s, int64_t id, buf *name, buf *type, buf *out,
                                    hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    db *d = &s->reader;
    db_lock(d);
    hearth_status status = db_query(
        d, &statement, err, "SELECT name, type, bytes FROM attachment WHERE id = ?", "i", id);
    if (status == HEARTH_OK)
        status = db_step(d, statement, &row, err);
    if (row) {
        if (!add_column(name, statement, 0) || !add_column(type, statement, 1) ||
            !add_column(out, statement, 2))
            status = error_no_memory(err, "an attachment",
                                     (unsigned long long)sqlite3_column_bytes(statement, 2));
        db_done(statement);
    }
    db_unlock(d);
    if (status == HEARTH_OK && !row)
        FAIL(err, ENOTFOUND, "attachment", "there is no attachment %lld", (long long)id);
    return status;
}

/* ---- settings ---- */

hearth_status store_setting_get(store *s, const char *key, buf *out, hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    db *d = &s->reader;
    db_lock(d);
    hearth_status status =
        db_query(d, &statement, err, "SELECT value FROM setting WHERE key = ?", "t", key);
    if (status == HEARTH_OK)
        status = db_step(d, statement, &row, err);
    if (row) {
        if (!add_column(out, statement, 0))
            status = error_no_memory(err, "a setting", 0);
        db_done(statement);
    }
    db_unlock(d);
    if (status == HEARTH_OK && !row)
        FAIL(err, ENOTFOUND, "setting", "'%.64s' has not been set", key);
    return status;
}

hearth_status store_setting_set(store *s, const char *key, const char *value, hearth_error *err)
{
    TRY(check_name("key", key, err));
    TRY(check_text("value", value, err));
    if (key[0] == '\0')
        FAIL(err, EINVAL, "key", "key: a setting needs a name");
    TRY(store_write_begin(s, err));
    hearth_status status =
        value ? db_run(&s->writer, err,
                       "INSERT INTO setting(key, value) VALUES(?1, ?2) "
                       "ON CONFLICT(key) DO UPDATE SET value = ?2",
                       "tt", key, value)
              : db_run(&s->writer, err, "DELETE FROM setting WHERE key = ?", "t", key);
    return store_write_end(s, status, err);
}

hearth_status store_setting_each(store *s, const char *prefix,
                                 void (*fn)(void *user, const char *key, const char *value),
                                 void *user, hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    db *d = &s->reader;
    db_lock(d);
    hearth_status status = db_query(d, &statement, err,
                                    "SELECT key, value FROM setting WHERE substr(key, 1, "
                                    "length(?1)) = ?1 ORDER BY key",
                                    "t", prefix);
    while (status == HEARTH_OK && row) {
        status = db_step(d, statement, &row, err);
        if (row)
            fn(user, db_text(statement, 0), db_text(statement, 1));
    }
    db_unlock(d);
    return status;
}
