/* SPDX-License-Identifier: MIT
 *
 * schema.c - see schema.h.
 *
 * Texts come last in a row, so that what is filtered by is read without them. The index of words
 * has no copy of the texts: it reads them from the tables, and whoever finishes or removes a
 * message tells it (message.c, purge.c). Deleted messages stay in it and are left out by the query.
 */
#include "store/schema.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "store/store.h"

static const char *const steps[SCHEMA_VERSION] = {
    /* 1: chats, messages, attachments, settings, and the index of words */
    "CREATE TABLE chat(id INTEGER PRIMARY KEY AUTOINCREMENT, pinned INTEGER NOT NULL,"
    " leaf INTEGER NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    " deleted_ms INTEGER NOT NULL, folder TEXT NOT NULL, model TEXT NOT NULL,"
    " origin TEXT NOT NULL, title TEXT NOT NULL, settings TEXT NOT NULL, system TEXT NOT NULL)"
    " STRICT;"
    "CREATE INDEX chat_order ON chat(pinned DESC, updated_ms DESC, id DESC) WHERE deleted_ms = 0;"
    "CREATE INDEX chat_deleted ON chat(deleted_ms DESC) WHERE deleted_ms > 0;"
    "CREATE INDEX chat_folder ON chat(folder) WHERE folder <> '';"
    "CREATE INDEX chat_origin ON chat(origin) WHERE origin <> '';"
    "CREATE TABLE chat_tag(chat INTEGER NOT NULL REFERENCES chat ON DELETE CASCADE,"
    " tag TEXT NOT NULL, PRIMARY KEY(chat, tag)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX chat_tag_tag ON chat_tag(tag, chat);"
    "CREATE TABLE message(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " chat INTEGER NOT NULL REFERENCES chat ON DELETE CASCADE, parent INTEGER NOT NULL,"
    " role INTEGER NOT NULL, state INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " deleted_ms INTEGER NOT NULL, n_prompt INTEGER NOT NULL, n_cached INTEGER NOT NULL,"
    " n_generated INTEGER NOT NULL, prompt_ms REAL NOT NULL, generate_ms REAL NOT NULL,"
    " model TEXT NOT NULL, tool_call_id TEXT NOT NULL, tool_name TEXT NOT NULL,"
    " error TEXT NOT NULL, meta TEXT NOT NULL, content TEXT NOT NULL, reasoning TEXT NOT NULL,"
    " tool_calls TEXT NOT NULL) STRICT;"
    "CREATE INDEX message_tree ON message(chat, parent, id, deleted_ms);"
    "CREATE INDEX message_chat ON message(chat, id);"
    "CREATE INDEX message_streaming ON message(id) WHERE state = 1;"
    "CREATE INDEX message_deleted ON message(deleted_ms) WHERE deleted_ms > 0;"
    "CREATE TABLE attachment(id INTEGER PRIMARY KEY AUTOINCREMENT, created_ms INTEGER NOT NULL,"
    " n_bytes INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, bytes BLOB NOT NULL)"
    " STRICT;"
    "CREATE TABLE message_attachment("
    " message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE, position INTEGER NOT NULL,"
    " attachment INTEGER NOT NULL REFERENCES attachment, PRIMARY KEY(message, position))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX message_attachment_of ON message_attachment(attachment);"
    "CREATE TABLE setting(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE VIRTUAL TABLE message_words USING fts5(content, content='message',"
    " content_rowid='id', tokenize='hearth', prefix='1 2 3');"
    "CREATE VIRTUAL TABLE chat_words USING fts5(title, content='chat', content_rowid='id',"
    " tokenize='hearth');"
    "CREATE VIRTUAL TABLE word USING fts5vocab(message_words, row);",

    /* 2: vectors of passages, and the messages that wait for theirs */
    "CREATE TABLE vector(message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,"
    " passage INTEGER NOT NULL, start INTEGER NOT NULL, n INTEGER NOT NULL,"
    " scale REAL NOT NULL, model TEXT NOT NULL, bytes BLOB NOT NULL,"
    " PRIMARY KEY(message, passage)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE vector_queue("
    " message INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,"
    " n_tries INTEGER NOT NULL) STRICT;"
    "INSERT INTO vector_queue SELECT id, 0 FROM message"
    " WHERE state <> 1 AND content <> '' AND role IN (1, 2);",
};

const char *schema_step(int version)
{
    return steps[version - 1];
}

static hearth_status read_pragma(db *d, const char *sql, int *out, hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    TRY(db_prepare(d, &statement, sql, err));
    hearth_status status = db_step(d, statement, &row, err);
    *out = status == HEARTH_OK && row ? sqlite3_column_int(statement, 0) : 0;
    sqlite3_finalize(statement);
    return status;
}

static hearth_status read_version(db *d, int *version, hearth_error *err)
{
    int application, n_tables;
    TRY(read_pragma(d, "PRAGMA application_id", &application, err));
    TRY(read_pragma(d, "PRAGMA user_version", version, err));
    TRY(read_pragma(d, "SELECT count(*) FROM sqlite_master", &n_tables, err));
    if (application == 0 && *version == 0 && n_tables == 0)
        return HEARTH_OK; /* new, or left empty by a process that died while it made it */
    if (application != SCHEMA_APPLICATION || *version < 1)
        FAIL(err, EFORMAT, d->path,
             "'%s' is a database of another program and was left as it is; give another path",
             d->path);
    if (*version > SCHEMA_VERSION)
        FAIL(
            err, EUNSUPPORTED, d->path,
            "'%s' was written by a newer Hearth (its format is %d, this one knows %d) and was left "
            "as it is; update Hearth, or give another path",
            d->path, *version, SCHEMA_VERSION);
    return HEARTH_OK;
}

hearth_status schema_look(db *d, hearth_error *err)
{
    int version;
    return read_version(d, &version, err);
}

/* ---- copies ---- */

static hearth_status copy_pages(db *from, const char *path, hearth_error *err)
{
    db to;
    TRY(db_open(&to, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err));
    hearth_status status = HEARTH_OK;
    sqlite3_backup *backup = sqlite3_backup_init(to.handle, "main", from->handle, "main");
    if (backup == NULL) {
        status = db_fail(&to, err);
    } else {
        int code = sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
        if (code != SQLITE_DONE)
            status = db_fail(&to, err);
        else /* in one file, without a log beside it */
            status = db_exec(&to, "PRAGMA journal_mode=DELETE", err);
    }
    db_close(&to);
    return status;
}

static hearth_status flush(const char *path, hearth_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0;
    if (fd >= 0)
        close(fd);
    return failed ? error_set_errno(err, HEARTH_EIO, path, "cannot flush '%s' to the disk", path)
                  : HEARTH_OK;
}

static hearth_status flush_folder_of(const char *path, hearth_error *err)
{
    char folder[PATH_MAX];
    int n = snprintf(folder, sizeof folder, "%s", path);
    while (n > 0 && folder[n - 1] != '/')
        n--;
    folder[n > 1 ? n - 1 : n] = '\0';
    return flush(n == 0 ? "." : folder, err);
}

hearth_status schema_copy(db *d, const char *path, hearth_error *err)
{
    char temporary[PATH_MAX];
    hearth_status status = HEARTH_OK;
    if (snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid()) >= PATH_MAX)
        FAIL(err, EINVAL, "path", "'%.200s' is too long for a path", path);
    unlink(temporary);
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, HEARTH_EIO, path, "cannot write '%s'", temporary);
    close(fd);
    TRY_OUT(copy_pages(d, temporary, err));
    TRY_OUT(flush(temporary, err));
    if (rename(temporary, path) != 0)
        TRY_OUT(error_set_errno(err, HEARTH_EIO, path, "cannot rename '%s'", temporary));
    TRY_OUT(flush_folder_of(path, err));
out:
    if (status != HEARTH_OK)
        unlink(temporary);
    return status;
}

/* ---- migration ---- */

/* On a connection of its own, which sees what was there before the open transaction. */
static hearth_status keep_old(const char *file, int version, hearth_error *err)
{
    char path[PATH_MAX];
    db reader;
    if (snprintf(path, sizeof path, "%s.v%d.bak", file, version) >= PATH_MAX)
        FAIL(err, EINVAL, "path", "'%.200s' is too long for a path", file);
    TRY(db_open(&reader, file, SQLITE_OPEN_READONLY, err));
    hearth_status status = schema_copy(&reader, path, err);
    db_close(&reader);
    return status;
}

static hearth_status run_steps(db *d, int version, hearth_error *err)
{
    char sql[128];
    if (version > 0)
        TRY(keep_old(d->path, version, err));
    for (int i = version; i < SCHEMA_VERSION; i++)
        TRY(db_exec(d, steps[i], err));
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d",
             SCHEMA_APPLICATION, SCHEMA_VERSION);
    return db_exec(d, sql, err);
}

hearth_status schema_apply(db *d, hearth_error *err)
{
    int version;
    TRY(read_version(d, &version, err));
    if (version == SCHEMA_VERSION)
        return HEARTH_OK;
    TRY(db_exec(d, "BEGIN IMMEDIATE", err));
    /* Another process may have done it while this one waited. */
    hearth_status status = read_version(d, &version, err);
    if (status == HEARTH_OK && version < SCHEMA_VERSION)
        status = run_steps(d, version, err);
    if (status == HEARTH_OK)
        status = db_exec(d, "COMMIT", err);
    if (status != HEARTH_OK)
        sqlite3_exec(d->handle, "ROLLBACK", NULL, NULL, NULL);
    return status;
}
