/* SPDX-License-Identifier: MIT
 *
 * read.c - reading messages: one, a path, the children of one, a whole tree.
 */
#include <string.h>

#include "store/state.h"

#define MESSAGE_COLUMNS                                                                            \
    "m.id, m.chat, m.parent, m.role, m.state, m.created_ms, m.deleted_ms, m.n_prompt, "            \
    "m.n_cached, m.n_generated, m.prompt_ms, m.generate_ms, m.model, m.tool_call_id, "             \
    "m.tool_name, m.error, m.meta, m.content, m.reasoning, m.tool_calls, "                         \
    "EXISTS (SELECT 1 FROM message_attachment a WHERE a.message = m.id)"

#define SIBLINGS "FROM message b WHERE b.chat = m.chat AND b.parent = m.parent AND b.deleted_ms = 0"
#define SIBLING_COLUMNS                                                                            \
    ", (SELECT count(*) " SIBLINGS " AND b.id < m.id), (SELECT count(*) " SIBLINGS "), "           \
    "(SELECT max(b.id) " SIBLINGS " AND b.id < m.id), "                                            \
    "(SELECT min(b.id) " SIBLINGS " AND b.id > m.id)"

void store_messages_free(store_messages *list)
{
    result_free(&list->memory);
    *list = (store_messages){0};
}

static bool read_texts(arena *a, sqlite3_stmt *statement, store_message *m)
{
    const char **const texts[] = {&m->model, &m->tool_call_id, &m->tool_name, &m->error,
                                  &m->meta,  &m->content,      &m->reasoning, &m->tool_calls};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if ((*texts[i] = result_text(a, statement, 12 + (int)i)) == NULL)
            return false;
    }
    return true;
}

static bool read_message(arena *a, sqlite3_stmt *statement, store_message *m)
{
    *m = (store_message){
        .id = sqlite3_column_int64(statement, 0),
        .chat = sqlite3_column_int64(statement, 1),
        .parent = sqlite3_column_int64(statement, 2),
        .role = (store_role)sqlite3_column_int(statement, 3),
        .state = (store_state)sqlite3_column_int(statement, 4),
        .created_ms = sqlite3_column_int64(statement, 5),
        .deleted_ms = sqlite3_column_int64(statement, 6),
        .usage = {.n_prompt = sqlite3_column_int64(statement, 7),
                  .n_cached = sqlite3_column_int64(statement, 8),
                  .n_generated = sqlite3_column_int64(statement, 9),
                  .prompt_ms = sqlite3_column_double(statement, 10),
                  .generate_ms = sqlite3_column_double(statement, 11)},
        .n_attachments = (size_t)sqlite3_column_int(statement, 20), /* whether any */
    };
    if (sqlite3_column_count(statement) > 21) {
        m->sibling_index = (uint32_t)sqlite3_column_int64(statement, 21);
        m->n_siblings = (uint32_t)sqlite3_column_int64(statement, 22);
        m->previous_sibling = sqlite3_column_int64(statement, 23);
        m->next_sibling = sqlite3_column_int64(statement, 24);
    }
    return read_texts(a, statement, m);
}

static hearth_status read_attachments(db *d, arena *a, store_message *m, hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    TRY(db_query(d, &statement, err,
                 "SELECT f.id, f.name, f.type, f.n_bytes FROM message_attachment a "
                 "JOIN attachment f ON f.id = a.attachment WHERE a.message = ? ORDER BY a.position",
                 "i", m->id));
    store_attachment *items = arena_array(a, STORE_MAX_ATTACHMENTS, sizeof *items);
    m->attachments = items;
    for (m->n_attachments = 0;; m->n_attachments++) {
        if (items == NULL) {
            db_done(statement);
            return error_no_memory(err, "attachments", 0);
        }
        TRY(db_step(d, statement, &row, err));
        if (!row || m->n_attachments == STORE_MAX_ATTACHMENTS)
            break;
        store_attachment *f = &items[m->n_attachments];
        *f = (store_attachment){.id = sqlite3_column_int64(statement, 0),
                                .name = result_text(a, statement, 1),
                                .type = result_text(a, statement, 2),
                                .n_bytes = (uint64_t)sqlite3_column_int64(statement, 3)};
        if (f->name == NULL || f->type == NULL)
            items = NULL;
    }
    db_done(statement);
    return HEARTH_OK;
}

/* Takes the rows of a statement that has begun; at most limit of them, if it is not 0. */
static hearth_status read_messages(db *d, sqlite3_stmt *statement, uint32_t limit,
                                   store_messages *out, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    size_t capacity = 0;
    bool row;
    *out = (store_messages){0};
    arena *a = result_new(&out->memory);
    for (;;) {
        TRY_OUT(a ? db_step(d, statement, &row, err) : error_no_memory(err, "messages", 0));
        if (!row)
            break;
        if (limit && out->n == limit) {
            out->more = true;
            break;
        }
        out->items = result_grow(a, out->items, out->n, &capacity, sizeof *out->items);
        if (out->items == NULL || !read_message(a, statement, &out->items[out->n++]))
            TRY_OUT(error_no_memory(err, "messages", 0));
    }
    for (size_t i = 0; i < out->n; i++) {
        if (out->items[i].n_attachments)
            TRY_OUT(read_attachments(d, a, &out->items[i], err));
    }
out:
    db_done(statement);
    if (status != HEARTH_OK)
        store_messages_free(out);
    return status;
}

hearth_status store_message_get(store *s, int64_t id, store_messages *out, hearth_error *err)
{
    sqlite3_stmt *statement;
    db *d = &s->reader;
    *out = (store_messages){0};
    db_lock(d);
    hearth_status status = db_query(
        d, &statement, err,
        "SELECT " MESSAGE_COLUMNS SIBLING_COLUMNS " FROM message m WHERE m.id = ?", "i", id);
    if (status == HEARTH_OK)
        status = read_messages(d, statement, 0, out, err);
    db_unlock(d);
    if (status == HEARTH_OK && out->n == 0) {
        store_messages_free(out);
        FAIL(err, ENOTFOUND, "message", "there is no message %lld", (long long)id);
    }
    return status;
}

/* ---- paths ---- */

/* Where the path of a chat ends; 0 if the chat is empty. */
static hearth_status find_last(db *d, int64_t chat, int64_t last, int64_t *out, hearth_error *err)
{
    int64_t of;
    TRY(db_number(d, out, -1, err, "SELECT leaf FROM chat WHERE id = ?", "i", chat));
    if (*out < 0)
        FAIL(err, ENOTFOUND, "chat", "there is no chat %lld", (long long)chat);
    if (last == 0)
        return HEARTH_OK;
    *out = last;
    TRY(db_number(d, &of, 0, err, "SELECT chat FROM message WHERE id = ?", "i", last));
    if (of == 0)
        FAIL(err, ENOTFOUND, "message", "there is no message %lld", (long long)last);
    if (of != chat)
        FAIL(err, EMISMATCH, "message", "message %lld belongs to chat %lld, not %lld",
             (long long)last, (long long)of, (long long)chat);
    return HEARTH_OK;
}

hearth_status store_message_path(store *s, int64_t chat, int64_t last, uint32_t limit,
                                 store_messages *out, hearth_error *err)
{
    sqlite3_stmt *statement;
    db *d = &s->reader;
    int64_t end;
    *out = (store_messages){0};
    db_lock(d);
    /* One moment for all of it: what another process changes meanwhile is not seen. */
    hearth_status status = db_exec(d, "BEGIN", err);
    if (status == HEARTH_OK)
        status = find_last(d, chat, last, &end, err);
    if (status == HEARTH_OK)
        status = db_query(d, &statement, err,
                          "WITH RECURSIVE up(id, parent, n) AS (SELECT id, parent, 1 FROM message "
                          "WHERE id = ?1 UNION ALL SELECT p.id, p.parent, up.n + 1 FROM up "
                          "JOIN message p ON p.id = up.parent WHERE p.id < up.id AND up.n <> ?2) "
                          "SELECT " MESSAGE_COLUMNS SIBLING_COLUMNS " FROM up JOIN message m "
                          "ON m.id = up.id ORDER BY up.n DESC",
                          "ii", end, (int64_t)limit);
    if (status == HEARTH_OK)
        status = read_messages(d, statement, 0, out, err);
    sqlite3_exec(d->handle, "COMMIT", NULL, NULL, NULL);
    db_unlock(d);
    if (status == HEARTH_OK)
        out->more = out->n > 0 && out->items[0].parent != 0;
    return status;
}

/* ---- children, trees ---- */

static hearth_status expect_chat(db *d, int64_t chat, hearth_error *err)
{
    int64_t last;
    return find_last(d, chat, 0, &last, err);
}

hearth_status store_message_children(store *s, int64_t chat, int64_t parent, store_messages *out,
                                     hearth_error *err)
{
    sqlite3_stmt *statement;
    db *d = &s->reader;
    *out = (store_messages){0};
    db_lock(d);
    hearth_status status = expect_chat(d, chat, err);
    if (status == HEARTH_OK)
        status = db_query(d, &statement, err,
                          "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.chat = ? AND "
                          "m.parent = ? AND m.deleted_ms = 0 ORDER BY m.id",
                          "ii", chat, parent);
    if (status == HEARTH_OK)
        status = read_messages(d, statement, 0, out, err);
    db_unlock(d);
    for (size_t i = 0; i < out->n; i++) {
        store_message *m = &out->items[i];
        m->sibling_index = (uint32_t)i;
        m->n_siblings = (uint32_t)out->n;
        m->previous_sibling = i > 0 ? m[-1].id : 0;
        m->next_sibling = i + 1 < out->n ? m[1].id : 0;
    }
    return status;
}

hearth_status store_message_all(store *s, int64_t chat, int64_t after, uint32_t limit,
                                store_messages *out, hearth_error *err)
{
    sqlite3_stmt *statement;
    db *d = &s->reader;
    *out = (store_messages){0};
    db_lock(d);
    hearth_status status = expect_chat(d, chat, err);
    if (status == HEARTH_OK)
        status = db_query(d, &statement, err,
                          "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.chat = ? AND "
                          "m.id > ? AND m.deleted_ms = 0 ORDER BY m.id LIMIT ?",
                          "iii", chat, after, limit ? (int64_t)limit + 1 : (int64_t)-1);
    if (status == HEARTH_OK)
        status = read_messages(d, statement, limit, out, err);
    db_unlock(d);
    return status;
}
