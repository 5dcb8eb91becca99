/* SPDX-License-Identifier: MIT
 *
 * chat.c - chats: adding, listing, changing; their tags and folders.
 */
#include <string.h>

#include "store/state.h"

#define CHAT_COLUMNS                                                                               \
    "c.id, c.pinned, c.leaf, c.created_ms, c.updated_ms, c.deleted_ms, c.folder, c.model, "        \
    "c.origin, c.title, c.settings, c.system, "                                                    \
    "(SELECT count(*) FROM message m WHERE m.chat = c.id AND m.deleted_ms = 0)"

/* ---- reading ---- */

static hearth_status read_tags(db *d, arena *a, store_chat *chat, hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    const char **tags = NULL;
    size_t capacity = 0;
    TRY(db_query(d, &statement, err, "SELECT tag FROM chat_tag WHERE chat = ? ORDER BY tag", "i",
                 chat->id));
    for (;;) {
        TRY(db_step(d, statement, &row, err));
        if (!row)
            break;
        tags = result_grow(a, tags, chat->n_tags, &capacity, sizeof *tags);
        const char *tag = tags ? result_text(a, statement, 0) : NULL;
        if (tag == NULL) {
            db_done(statement);
            return error_no_memory(err, "tags", 0);
        }
        tags[chat->n_tags++] = tag;
    }
    chat->tags = tags;
    return HEARTH_OK;
}

static bool read_chat(arena *a, sqlite3_stmt *statement, store_chat *chat)
{
    *chat = (store_chat){
        .id = sqlite3_column_int64(statement, 0),
        .pinned = sqlite3_column_int(statement, 1) != 0,
        .leaf = sqlite3_column_int64(statement, 2),
        .created_ms = sqlite3_column_int64(statement, 3),
        .updated_ms = sqlite3_column_int64(statement, 4),
        .deleted_ms = sqlite3_column_int64(statement, 5),
        .folder = result_text(a, statement, 6),
        .model = result_text(a, statement, 7),
        .origin = result_text(a, statement, 8),
        .title = result_text(a, statement, 9),
        .settings = result_text(a, statement, 10),
        .system = result_text(a, statement, 11),
        .n_messages = (uint64_t)sqlite3_column_int64(statement, 12),
    };
    return chat->folder && chat->model && chat->origin && chat->title && chat->settings &&
           chat->system;
}

/* Takes the rows of a statement that has begun; at most limit of them, if it is not 0. */
static hearth_status read_chats(db *d, sqlite3_stmt *statement, uint32_t limit, store_chats *out,
                                hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    size_t capacity = 0;
    bool row;
    *out = (store_chats){0};
    arena *a = result_new(&out->memory);
    for (;;) {
        TRY_OUT(a ? db_step(d, statement, &row, err) : error_no_memory(err, "chats", 0));
        if (!row)
            break;
        if (limit && out->n == limit) {
            out->more = true;
            break;
        }
        out->items = result_grow(a, out->items, out->n, &capacity, sizeof *out->items);
        if (out->items == NULL || !read_chat(a, statement, &out->items[out->n++]))
            TRY_OUT(error_no_memory(err, "chats", 0));
    }
    for (size_t i = 0; i < out->n; i++)
        TRY_OUT(read_tags(d, a, &out->items[i], err));
out:
    db_done(statement);
    if (status != HEARTH_OK)
        store_chats_free(out);
    return status;
}

void store_chats_free(store_chats *list)
{
    result_free(&list->memory);
    *list = (store_chats){0};
}

hearth_status store_chat_get(store *s, int64_t id, store_chats *out, hearth_error *err)
{
    sqlite3_stmt *statement;
    db *d = &s->reader;
    *out = (store_chats){0};
    db_lock(d);
    hearth_status status =
        db_query(d, &statement, err, "SELECT " CHAT_COLUMNS " FROM chat c WHERE c.id = ?", "i", id);
    if (status == HEARTH_OK)
        status = read_chats(d, statement, 0, out, err);
    db_unlock(d);
    if (status == HEARTH_OK && out->n == 0) {
        store_chats_free(out);
        FAIL(err, ENOTFOUND, "chat", "there is no chat %lld", (long long)id);
    }
    return status;
}

#define CHAT_FILTER                                                                                \
    " AND (?1 = 0 OR c.folder = ?2"                                                                \
    "      OR (?2 <> '' AND substr(c.folder, 1, length(?2) + 1) = ?2 || '/'))"                     \
    " AND (?3 = 0 OR EXISTS (SELECT 1 FROM chat_tag t WHERE t.chat = c.id AND t.tag = ?4))"        \
    " AND (?5 = 0 OR c.model = ?6)"                                                                \
    " AND (?7 = 0 OR instr(lower(c.title), lower(?8)) > 0)"                                        \
    " AND (?9 = 0 OR c.pinned)"

hearth_status store_chat_list(store *s, const store_chat_filter *f, store_chats *out,
                              hearth_error *err)
{
    static const char there[] =
        "SELECT " CHAT_COLUMNS " FROM chat c WHERE c.deleted_ms = 0" CHAT_FILTER
        " ORDER BY c.pinned DESC, c.updated_ms DESC, c.id DESC LIMIT ?10 OFFSET ?11";
    static const char deleted[] =
        "SELECT " CHAT_COLUMNS " FROM chat c WHERE c.deleted_ms > 0" CHAT_FILTER
        " ORDER BY c.deleted_ms DESC LIMIT ?10 OFFSET ?11";
    sqlite3_stmt *statement;
    db *d = &s->reader;
    *out = (store_chats){0};
    int64_t limit = f->limit ? (int64_t)f->limit + 1 : -1;
    db_lock(d);
    hearth_status status = db_query(
        d, &statement, err, f->deleted ? deleted : there, "ititititiiu", (int64_t)(f->folder != 0),
        f->folder, (int64_t)(f->tag != 0), f->tag, (int64_t)(f->model != 0), f->model,
        (int64_t)(f->title != 0), f->title, (int64_t)f->pinned, limit, f->offset);
    if (status == HEARTH_OK)
        status = read_chats(d, statement, f->limit, out, err);
    db_unlock(d);
    return status;
}

/* ---- writing ---- */

static hearth_status check_chat(const store_chat *c, hearth_error *err)
{
    TRY(check_name("title", c->title, err));
    TRY(check_name("folder", c->folder, err));
    TRY(check_name("model", c->model, err));
    TRY(check_name("origin", c->origin, err));
    TRY(check_text("system", c->system, err));
    return check_json("settings", c->settings, JSON_OBJECT, err);
}

static hearth_status insert_tags(db *d, int64_t chat, const char *const *tags, size_t n_tags,
                                 hearth_error *err)
{
    if (n_tags > STORE_MAX_TAGS)
        FAIL(err, EINVAL, "tags", "tags: %zu of them; %d are the most", n_tags, STORE_MAX_TAGS);
    for (size_t i = 0; i < n_tags; i++) {
        TRY(check_name("tags", tags[i], err));
        if (tags[i] == NULL || tags[i][0] == '\0')
            FAIL(err, EINVAL, "tags", "tags: a tag may not be empty");
        TRY(db_run(d, err, "INSERT OR IGNORE INTO chat_tag(chat, tag) VALUES(?, ?)", "it", chat,
                   tags[i]));
    }
    return HEARTH_OK;
}

hearth_status chat_insert(store *s, const store_chat *c, int64_t *id, hearth_error *err)
{
    db *d = &s->writer;
    int64_t created = c->created_ms ? c->created_ms : store_now_ms();
    TRY(check_chat(c, err));
    TRY(db_run(d, err,
               "INSERT INTO chat(pinned, leaf, created_ms, updated_ms, deleted_ms, folder, model, "
               "origin, title, settings, system) VALUES(?, 0, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
               "iiitttttt", (int64_t)c->pinned, created, created, c->folder, c->model, c->origin,
               c->title, c->settings, c->system));
    *id = db_last_id(d);
    TRY(db_run(d, err, "INSERT INTO chat_words(rowid, title) VALUES(?, ?)", "it", *id, c->title));
    return insert_tags(d, *id, c->tags, c->n_tags, err);
}

hearth_status store_chat_add(store *s, const store_chat *chat, int64_t *id, hearth_error *err)
{
    TRY(store_write_begin(s, err));
    return store_write_end(s, chat_insert(s, chat, id, err), err);
}

hearth_status chat_expect(db *d, int64_t id, hearth_error *err)
{
    int64_t deleted;
    TRY(db_number(d, &deleted, -1, err, "SELECT deleted_ms FROM chat WHERE id = ?", "i", id));
    if (deleted < 0)
        FAIL(err, ENOTFOUND, "chat", "there is no chat %lld", (long long)id);
    if (deleted > 0)
        FAIL(err, ENOTFOUND, "chat", "chat %lld is deleted; restore it first", (long long)id);
    return HEARTH_OK;
}

static hearth_status change_title(db *d, int64_t id, const char *title, hearth_error *err)
{
    TRY(db_run(d, err,
               "INSERT INTO chat_words(chat_words, rowid, title) "
               "SELECT 'delete', id, title FROM chat WHERE id = ?",
               "i", id));
    TRY(db_run(d, err, "UPDATE chat SET title = ?2 WHERE id = ?1", "it", id, title));
    return db_run(d, err, "INSERT INTO chat_words(rowid, title) VALUES(?, ?)", "it", id, title);
}

static hearth_status update(db *d, int64_t id, const store_chat_change *c, hearth_error *err)
{
    TRY(chat_expect(d, id, err));
    if (c->title)
        TRY(change_title(d, id, c->title, err));
    if (c->folder)
        TRY(db_run(d, err, "UPDATE chat SET folder = ?2 WHERE id = ?1", "it", id, c->folder));
    if (c->model)
        TRY(db_run(d, err, "UPDATE chat SET model = ?2 WHERE id = ?1", "it", id, c->model));
    if (c->system)
        TRY(db_run(d, err, "UPDATE chat SET system = ?2 WHERE id = ?1", "it", id, c->system));
    if (c->settings)
        TRY(db_run(d, err, "UPDATE chat SET settings = ?2 WHERE id = ?1", "it", id, c->settings));
    if (c->pinned)
        TRY(db_run(d, err, "UPDATE chat SET pinned = ?2 WHERE id = ?1", "ii", id,
                   (int64_t)*c->pinned));
    return HEARTH_OK;
}

hearth_status store_chat_update(store *s, int64_t id, const store_chat_change *change,
                                hearth_error *err)
{
    const store_chat checked = {.title = change->title,
                                .folder = change->folder,
                                .model = change->model,
                                .system = change->system,
                                .settings = change->settings};
    TRY(check_chat(&checked, err));
    TRY(store_write_begin(s, err));
    return store_write_end(s, update(&s->writer, id, change, err), err);
}

hearth_status store_chat_set_tags(store *s, int64_t id, const char *const *tags, size_t n_tags,
                                  hearth_error *err)
{
    db *d = &s->writer;
    TRY(store_write_begin(s, err));
    hearth_status status = chat_expect(d, id, err);
    if (status == HEARTH_OK)
        status = db_run(d, err, "DELETE FROM chat_tag WHERE chat = ?", "i", id);
    if (status == HEARTH_OK)
        status = insert_tags(d, id, tags, n_tags, err);
    return store_write_end(s, status, err);
}

/* ---- folders and tags ---- */

static hearth_status list_names(store *s, const char *sql, store_names *out, hearth_error *err)
{
    sqlite3_stmt *statement = NULL;
    hearth_status status = HEARTH_OK;
    size_t capacity = 0;
    bool row;
    db *d = &s->reader;
    *out = (store_names){0};
    arena *a = result_new(&out->memory);
    db_lock(d);
    TRY_OUT(a ? db_query(d, &statement, err, sql, "") : error_no_memory(err, "names", 0));
    for (;;) {
        TRY_OUT(db_step(d, statement, &row, err));
        if (!row)
            break;
        out->items = result_grow(a, out->items, out->n, &capacity, sizeof *out->items);
        const char *name = out->items ? result_text(a, statement, 0) : NULL;
        if (name == NULL)
            TRY_OUT(error_no_memory(err, "names", 0));
        out->items[out->n++] = (store_name){name, (uint64_t)sqlite3_column_int64(statement, 1)};
    }
out:
    db_done(statement);
    db_unlock(d);
    if (status != HEARTH_OK)
        store_names_free(out);
    return status;
}

void store_names_free(store_names *list)
{
    result_free(&list->memory);
    *list = (store_names){0};
}

hearth_status store_folder_list(store *s, store_names *out, hearth_error *err)
{
    return list_names(s,
                      "SELECT folder, count(*) FROM chat WHERE folder <> '' AND deleted_ms = 0 "
                      "GROUP BY folder ORDER BY folder",
                      out, err);
}

hearth_status store_tag_list(store *s, store_names *out, hearth_error *err)
{
    return list_names(s,
                      "SELECT t.tag, count(*) FROM chat_tag t JOIN chat c ON c.id = t.chat "
                      "WHERE c.deleted_ms = 0 GROUP BY t.tag ORDER BY t.tag",
                      out, err);
}

static hearth_status check_rename(const char *where, const char *from, const char *to,
                                  hearth_error *err)
{
    TRY(check_name(where, to, err));
    if (from == NULL || from[0] == '\0' || to == NULL)
        FAIL(err, EINVAL, where, "%s: renaming needs the old name and the new one", where);
    return check_name(where, from, err);
}

hearth_status store_folder_rename(store *s, const char *from, const char *to, uint64_t *n_chats,
                                  hearth_error *err)
{
    TRY(check_rename("folder", from, to, err));
    TRY(store_write_begin(s, err));
    /* What is below a folder that is taken away moves up with it: "a/b" becomes "b". */
    hearth_status status =
        db_run(&s->writer, err,
               "UPDATE chat SET folder = CASE WHEN ?2 = '' THEN ltrim(substr(folder, length(?1) + "
               "1), '/') ELSE ?2 || substr(folder, length(?1) + 1) END WHERE folder = ?1 OR "
               "substr(folder, 1, length(?1) + 1) = ?1 || '/'",
               "tt", from, to);
    if (n_chats)
        *n_chats = db_changed(&s->writer);
    return store_write_end(s, status, err);
}

hearth_status store_tag_rename(store *s, const char *from, const char *to, uint64_t *n_chats,
                               hearth_error *err)
{
    db *d = &s->writer;
    TRY(check_rename("tag", from, to, err));
    if (strcmp(from, to) == 0)
        FAIL(err, EINVAL, "tag", "tag: '%.64s' has that name already", from);
    TRY(store_write_begin(s, err));
    hearth_status status = HEARTH_OK;
    if (to[0] != '\0')
        status = db_run(d, err,
                        "INSERT OR IGNORE INTO chat_tag(chat, tag) "
                        "SELECT chat, ?2 FROM chat_tag WHERE tag = ?1",
                        "tt", from, to);
    if (status == HEARTH_OK)
        status = db_run(d, err, "DELETE FROM chat_tag WHERE tag = ?", "t", from);
    if (n_chats)
        *n_chats = db_changed(d);
    return store_write_end(s, status, err);
}
