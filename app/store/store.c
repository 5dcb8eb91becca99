/* SPDX-License-Identifier: MIT
 *
 * store.c - opening and closing, transactions, checks, results. See store.h.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "store/schema.h"
#include "store/state.h"
#include "store/words.h"

int64_t store_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- where ---- */

hearth_status store_default_path(buf *out, hearth_error *err)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    bool good;
    if (data && data[0] == '/') /* a relative one is to be ignored, says the specification */
        good = buf_append_format(out, "%s/hearth/hearth.db", data);
    else if (home && home[0] == '/')
        good = buf_append_format(out, "%s/.local/share/hearth/hearth.db", home);
    else
        FAIL(err, EINVAL, "HOME", "neither HOME nor XDG_DATA_HOME says where chats are kept");
    return good ? HEARTH_OK : error_no_memory(err, "a path", PATH_MAX);
}

/* Makes the folders above path. */
static hearth_status make_folders(const char *path, hearth_error *err)
{
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s", path) >= PATH_MAX)
        FAIL(err, EINVAL, "path", "'%.200s' is too long for a path", path);
    for (char *slash = folder; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return error_set_errno(err, HEARTH_EIO, path, "cannot make the folder '%s'", folder);
    }
    return HEARTH_OK;
}

/* SQLite would make the file readable for others; what it makes beside it has the file's rights. */
static hearth_status make_file(const char *path, hearth_error *err)
{
    TRY(make_folders(path, err));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, HEARTH_EIO, path, "cannot open '%s'", path);
    close(fd);
    return HEARTH_OK;
}

static hearth_status take_ownership(store *s, hearth_error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s-owner", s->path) >= PATH_MAX)
        FAIL(err, EINVAL, "path", "'%.200s' is too long for a path", s->path);
    s->owner_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->owner_fd < 0)
        return error_set_errno(err, HEARTH_EIO, path, "cannot open '%s'", path);
    if (flock(s->owner_fd, LOCK_EX | LOCK_NB) == 0)
        return HEARTH_OK;
    if (errno != EWOULDBLOCK)
        return error_set_errno(err, HEARTH_EIO, path, "cannot lock '%s'", path);
    FAIL(err, EBUSY, s->path,
         "another Hearth is serving the chats in '%s'; stop it, or give this one another path",
         s->path);
}

/* ---- opening ---- */

static hearth_status set_up(db *d, hearth_error *err)
{
    sqlite3_db_config(d->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(d->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_limit(d->handle, SQLITE_LIMIT_LENGTH, 4 * STORE_MAX_TEXT_BYTES);
    TRY(words_register(d->handle, err));
    return db_exec(d, "PRAGMA foreign_keys=ON; PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY",
                   err);
}

/* The version is looked at before anything is written. */
static hearth_status open_writer(store *s, hearth_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    hearth_status status = HEARTH_OK;
    TRY(db_open(&s->writer, s->path, SQLITE_OPEN_READWRITE, err));
    TRY(set_up(&s->writer, err));
    TRY(schema_look(&s->writer, err));
    TRY(db_prepare(&s->writer, &statement, "PRAGMA journal_mode=WAL", err));
    TRY_OUT(db_step(&s->writer, statement, &row, err));
    if (!row || strcmp(db_text(statement, 0), "wal") != 0)
        FAIL_OUT(err, EUNSUPPORTED, s->path,
                 "the file system of '%s' cannot share memory between programs; put the chats on a "
                 "local disk",
                 s->path);
out:
    sqlite3_finalize(statement);
    if (status != HEARTH_OK)
        return status;
    TRY(db_exec(&s->writer, "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON", err));
    return schema_apply(&s->writer, err);
}

static hearth_status open_reader(store *s, db *d, hearth_error *err)
{
    TRY(db_open(d, s->path, SQLITE_OPEN_READWRITE, err));
    TRY(set_up(d, err));
    return db_exec(d, "PRAGMA query_only=ON", err);
}

/* What a process that died was writing is finished as far as it came. */
static hearth_status stop_streaming(store *s, hearth_error *err)
{
    int64_t id = 0;
    TRY(db_number(&s->writer, &id, 0, err, "SELECT min(id) FROM message WHERE state = 1", ""));
    while (id != 0) {
        const store_end end = {.state = STORE_STOPPED,
                               .error = "Hearth ended while this was written"};
        TRY(store_message_finish(s, id, &end, err));
        TRY(db_number(&s->writer, &id, 0, err, "SELECT min(id) FROM message WHERE state = 1", ""));
    }
    return HEARTH_OK;
}

static hearth_status open_all(store *s, bool owner, hearth_error *err)
{
    TRY(make_file(s->path, err));
    if (owner)
        TRY(take_ownership(s, err));
    TRY(open_writer(s, err));
    TRY(open_reader(s, &s->reader, err));
    TRY(open_reader(s, &s->searcher, err));
    return owner ? stop_streaming(s, err) : HEARTH_OK;
}

hearth_status store_open(store **out, const char *path, bool owner, hearth_error *err)
{
    buf chosen;
    *out = NULL;
    store *s = mem_calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err, "the chat store", sizeof *s);
    s->owner_fd = -1;
    vectors_init(&s->vectors);
    buf_init(&chosen, 0);
    hearth_status status = HEARTH_OK;
    if (path == NULL)
        status = store_default_path(&chosen, err);
    else if (!buf_append_text(&chosen, path))
        status = error_no_memory(err, "a path", strlen(path));
    if (status == HEARTH_OK && (s->path = buf_take(&chosen, NULL)) == NULL)
        status = error_no_memory(err, "a path", 0);
    buf_deinit(&chosen);
    if (status == HEARTH_OK)
        status = open_all(s, owner, err);
    if (status != HEARTH_OK) {
        store_close(s);
        return status;
    }
    *out = s;
    return HEARTH_OK;
}

void store_close(store *s)
{
    if (s == NULL)
        return;
    db_close(&s->searcher);
    db_close(&s->reader);
    db_close(&s->writer);
    vectors_deinit(&s->vectors);
    if (s->owner_fd >= 0)
        close(s->owner_fd);
    mem_free(s->path);
    mem_free(s);
}

const char *store_path(const store *s)
{
    return s->path;
}

/* ---- the whole file ---- */

static hearth_status add_problems(db *d, const char *sql, const char *prefix, buf *report,
                                  hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    TRY(db_prepare(d, &statement, sql, err));
    hearth_status status = HEARTH_OK;
    while (row) {
        TRY_OUT(db_step(d, statement, &row, err));
        if (row && strcmp(db_text(statement, 0), "ok") != 0 &&
            !buf_append_format(report, "%s%s\n", prefix, db_text(statement, 0)))
            TRY_OUT(error_no_memory(err, "a report", report->n));
    }
out:
    sqlite3_finalize(statement);
    return status;
}

/* An index that does not go with its table answers with an error. */
static hearth_status check_words(db *d, const char *sql, const char *what, buf *report,
                                 hearth_error *err)
{
    int code = sqlite3_exec(d->handle, sql, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return HEARTH_OK;
    if ((code & 0xff) != SQLITE_CORRUPT)
        return db_fail(d, err);
    return buf_append_format(report, "the index of words of %s does not go with them\n", what)
               ? HEARTH_OK
               : error_no_memory(err, "a report", report->n);
}

hearth_status store_check(store *s, buf *report, hearth_error *err)
{
    db *d = &s->writer;
    hearth_status status = HEARTH_OK;
    int64_t streaming;
    db_lock(d);
    TRY_OUT(add_problems(d, "PRAGMA integrity_check", "", report, err));
    TRY_OUT(
        add_problems(d, "PRAGMA foreign_key_check", "an entry without its owner in ", report, err));
    TRY_OUT(check_words(d, "INSERT INTO chat_words(chat_words, rank) VALUES('integrity-check', 1)",
                        "titles", report, err));
    /* What is being written is not in the index yet; then only the index itself can be checked. */
    TRY_OUT(db_number(d, &streaming, 0, err, "SELECT count(*) FROM message WHERE state = 1", ""));
    TRY_OUT(check_words(
        d,
        streaming ? "INSERT INTO message_words(message_words, rank) VALUES('integrity-check', 0)"
                  : "INSERT INTO message_words(message_words, rank) VALUES('integrity-check', 1)",
        "messages", report, err));
out:
    db_unlock(d);
    return status;
}

hearth_status store_backup(store *s, const char *path, hearth_error *err)
{
    if (access(path, F_OK) == 0)
        FAIL(err, EINVAL, path, "'%s' is already there; give a path that is free", path);
    db_lock(&s->reader);
    hearth_status status = schema_copy(&s->reader, path, err);
    db_unlock(&s->reader);
    return status;
}

/* ---- transactions ---- */

hearth_status store_write_begin(store *s, hearth_error *err)
{
    db_lock(&s->writer);
    hearth_status status = db_exec(&s->writer, "BEGIN IMMEDIATE", err);
    if (status != HEARTH_OK)
        db_unlock(&s->writer);
    return status;
}

hearth_status store_write_end(store *s, hearth_status status, hearth_error *err)
{
    if (status == HEARTH_OK)
        status = db_exec(&s->writer, "COMMIT", err);
    if (status != HEARTH_OK && !sqlite3_get_autocommit(s->writer.handle))
        sqlite3_exec(s->writer.handle, "ROLLBACK", NULL, NULL, NULL);
    db_unlock(&s->writer);
    return status;
}

/* ---- results ---- */

arena *result_new(void **memory)
{
    *memory = mem_calloc(1, sizeof(arena));
    return *memory;
}

void result_free(void **memory)
{
    if (*memory)
        arena_deinit(*memory);
    mem_free(*memory);
    *memory = NULL;
}

void *result_grow(arena *a, void *items, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return items;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *fresh = arena_array(a, wanted, size);
    if (fresh && n > 0)
        memcpy(fresh, items, n * size);
    if (fresh)
        *capacity = wanted;
    return fresh;
}

const char *result_text(arena *a, sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    if (text == NULL)
        return NULL;
    return arena_text(a, (const char *)text, (size_t)sqlite3_column_bytes(statement, column));
}

/* ---- checks ---- */

static hearth_status check_length(const char *where, const char *text, size_t max,
                                  hearth_error *err)
{
    size_t n = text ? strlen(text) : 0;
    if (n > max)
        FAIL(err, EINVAL, where, "%s: %zu bytes; %zu are the most", where, n, max);
    if (n > 0 && !utf8_is_valid(text, n))
        FAIL(err, EINVAL, where, "%s: this is not valid UTF-8", where);
    return HEARTH_OK;
}

hearth_status check_name(const char *where, const char *text, hearth_error *err)
{
    return check_length(where, text, STORE_MAX_NAME_BYTES, err);
}

hearth_status check_text(const char *where, const char *text, hearth_error *err)
{
    return check_length(where, text, STORE_MAX_TEXT_BYTES, err);
}

hearth_status check_json(const char *where, const char *text, json_type type, hearth_error *err)
{
    json_error_t error;
    TRY(check_text(where, text, err));
    if (text == NULL || text[0] == '\0')
        return HEARTH_OK;
    json_t *json = json_loads(text, JSON_ALLOW_NUL, &error);
    if (json == NULL)
        FAIL(err, EINVAL, where, "%s: the JSON is wrong at line %d, column %d: %s", where,
             error.line, error.column, error.text);
    bool good = json_typeof(json) == type;
    json_decref(json);
    if (!good)
        FAIL(err, EINVAL, where, "%s: must be %s", where,
             type == JSON_ARRAY ? "an array" : "an object");
    return HEARTH_OK;
}
