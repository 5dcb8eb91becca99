/* SPDX-License-Identifier: MIT
 *
 * db.c - see db.h.
 */
#include "store/db.h"

#include <errno.h>
#include <string.h>

#include "store/store.h"

hearth_status db_open(db *d, const char *path, int flags, hearth_error *err)
{
    memset(d, 0, sizeof *d);
    d->path = path;
    pthread_mutex_init(&d->mutex, NULL);
    if (sqlite3_open_v2(path, &d->handle, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        hearth_status status = d->handle ? db_fail(d, err) : error_no_memory(err, "a database", 0);
        db_close(d);
        return status;
    }
    sqlite3_extended_result_codes(d->handle, 1);
    sqlite3_busy_timeout(d->handle, STORE_BUSY_MS);
    return HEARTH_OK;
}

void db_close(db *d)
{
    if (d->path == NULL)
        return;
    for (size_t i = 0; i < d->n_statements; i++)
        sqlite3_finalize(d->statements[i].statement);
    sqlite3_close(d->handle);
    pthread_mutex_destroy(&d->mutex);
    memset(d, 0, sizeof *d);
}

void db_lock(db *d)
{
    pthread_mutex_lock(&d->mutex);
}

void db_unlock(db *d)
{
    pthread_mutex_unlock(&d->mutex);
}

static hearth_status fail_io(db *d, hearth_error *err)
{
    int code = sqlite3_extended_errcode(d->handle);
    int system = sqlite3_system_errno(d->handle);
    bool full = code == SQLITE_FULL || system == ENOSPC || system == EFBIG || system == EDQUOT;
    /* SQLite knows the reason for a write that failed only when it is ENOSPC. */
    if (full || (code == SQLITE_IOERR_WRITE && system == 0))
        FAIL(err, EIO, d->path,
             "the disk is full, or a quota or limit is reached: nothing was written to '%s'; free "
             "some space",
             d->path);
    errno = system;
    if (system != 0)
        return error_set_errno(err, HEARTH_EIO, d->path, "cannot read or write '%s' (%s)", d->path,
                               sqlite3_errmsg(d->handle));
    FAIL(err, EIO, d->path, "cannot read or write '%s': %s", d->path, sqlite3_errmsg(d->handle));
}

hearth_status db_fail(db *d, hearth_error *err)
{
    switch (sqlite3_errcode(d->handle) & 0xff) {
    case SQLITE_NOMEM:
        return error_no_memory(err, "the chat store", 0);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        FAIL(err, EBUSY, d->path, "another program has been writing to '%s' for %d s; try again",
             d->path, STORE_BUSY_MS / 1000);
    case SQLITE_CORRUPT:
        FAIL(err, EFORMAT, d->path,
             "'%s' is damaged (%s) and was left as it is; put back a copy of it, or move it away "
             "to begin anew",
             d->path, sqlite3_errmsg(d->handle));
    case SQLITE_NOTADB:
        FAIL(err, EFORMAT, d->path,
             "'%s' is not a chat store and was left as it is; move it away or give another path",
             d->path);
    case SQLITE_TOOBIG:
        FAIL(err, EINVAL, "text", "a text or file is longer than the %d bytes allowed",
             STORE_MAX_TEXT_BYTES);
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return fail_io(d, err);
    default:
        FAIL(err, EINTERNAL, d->path, "the chat store failed: %s", sqlite3_errmsg(d->handle));
    }
}

hearth_status db_exec(db *d, const char *sql, hearth_error *err)
{
    return sqlite3_exec(d->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? HEARTH_OK
                                                                       : db_fail(d, err);
}

hearth_status db_prepare(db *d, sqlite3_stmt **out, const char *sql, hearth_error *err)
{
    return sqlite3_prepare_v2(d->handle, sql, -1, out, NULL) == SQLITE_OK ? HEARTH_OK
                                                                          : db_fail(d, err);
}

static hearth_status find_statement(db *d, const char *sql, sqlite3_stmt **out, hearth_error *err)
{
    for (size_t i = 0; i < d->n_statements; i++) {
        if (d->statements[i].sql == sql) {
            *out = d->statements[i].statement;
            return HEARTH_OK;
        }
    }
    if (d->n_statements == DB_STATEMENTS)
        FAIL(err, EINTERNAL, d->path, "more than %d statements", DB_STATEMENTS);
    if (sqlite3_prepare_v3(d->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return db_fail(d, err);
    d->statements[d->n_statements++] = (db_statement){sql, *out};
    return HEARTH_OK;
}

static int bind_text(sqlite3_stmt *statement, int i, const char *text)
{
    return sqlite3_bind_text(statement, i, text ? text : "", -1, SQLITE_STATIC);
}

static hearth_status query(db *d, sqlite3_stmt **out, hearth_error *err, const char *sql,
                           const char *format, va_list args)
{
    int failed = SQLITE_OK;
    TRY(find_statement(d, sql, out, err));
    for (int i = 1; *format && failed == SQLITE_OK; i++, format++) {
        switch (*format) {
        case 'i':
            failed = sqlite3_bind_int64(*out, i, va_arg(args, int64_t));
            break;
        case 'u':
            failed = sqlite3_bind_int64(*out, i, (int64_t)va_arg(args, uint64_t));
            break;
        case 'd':
            failed = sqlite3_bind_double(*out, i, va_arg(args, double));
            break;
        case 't':
            failed = bind_text(*out, i, va_arg(args, const char *));
            break;
        default: {
            const void *bytes = va_arg(args, const void *);
            size_t n = va_arg(args, size_t);
            failed = sqlite3_bind_blob64(*out, i, n ? bytes : "", n, SQLITE_STATIC);
        }
        }
    }
    if (failed != SQLITE_OK) {
        hearth_status status = db_fail(d, err);
        db_done(*out);
        return status;
    }
    return HEARTH_OK;
}

hearth_status db_query(db *d, sqlite3_stmt **out, hearth_error *err, const char *sql,
                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    hearth_status status = query(d, out, err, sql, format, args);
    va_end(args);
    return status;
}

hearth_status db_run(db *d, hearth_error *err, const char *sql, const char *format, ...)
{
    va_list args;
    sqlite3_stmt *statement;
    bool row = true;
    va_start(args, format);
    hearth_status status = query(d, &statement, err, sql, format, args);
    va_end(args);
    while (status == HEARTH_OK && row)
        status = db_step(d, statement, &row, err);
    return status;
}

hearth_status db_number(db *d, int64_t *out, int64_t missing, hearth_error *err, const char *sql,
                        const char *format, ...)
{
    va_list args;
    sqlite3_stmt *statement;
    bool row;
    va_start(args, format);
    hearth_status status = query(d, &statement, err, sql, format, args);
    va_end(args);
    TRY(status);
    TRY(db_step(d, statement, &row, err));
    *out = row ? sqlite3_column_int64(statement, 0) : missing;
    db_done(statement);
    return HEARTH_OK;
}

hearth_status db_step(db *d, sqlite3_stmt *statement, bool *row, hearth_error *err)
{
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (*row)
        return HEARTH_OK;
    /* The message must be taken before the reset, which may replace it. */
    hearth_status status = code == SQLITE_DONE ? HEARTH_OK : db_fail(d, err);
    db_done(statement);
    return status;
}

void db_done(sqlite3_stmt *statement)
{
    if (statement == NULL)
        return;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

int64_t db_last_id(const db *d)
{
    return sqlite3_last_insert_rowid(d->handle);
}

uint64_t db_changed(const db *d)
{
    return (uint64_t)sqlite3_changes64(d->handle);
}

const char *db_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}
