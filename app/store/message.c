/* SPDX-License-Identifier: MIT
 *
 * message.c - writing messages: adding, appending, finishing, forking.
 *
 * A message enters the index of words and the queue of vectors when it is finished, and is not
 * changed afterwards, unless it is opened again: then it leaves both until its next end. The id of
 * a parent is always below that of its children, so walks up and down a tree end even in a damaged
 * file.
 */
#include <string.h>

#include "store/state.h"

static const char *const role_names[] = {"system", "user", "assistant", "tool"};
static const char *const state_names[] = {"complete", "streaming", "stopped", "failed"};

const char *store_role_name(store_role role)
{
    return role <= STORE_TOOL ? role_names[role] : "";
}

const char *store_state_name(store_state state)
{
    return state <= STORE_FAILED ? state_names[state] : "";
}

static bool find_name(const char *const *names, size_t n, const char *name, unsigned *out)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool store_role_find(const char *name, store_role *out)
{
    unsigned i;
    bool found = find_name(role_names, STORE_TOOL + 1, name, &i);
    if (found)
        *out = (store_role)i;
    return found;
}

bool store_state_find(const char *name, store_state *out)
{
    unsigned i;
    bool found = find_name(state_names, STORE_FAILED + 1, name, &i);
    if (found)
        *out = (store_state)i;
    return found;
}

/* ---- checks ---- */

static hearth_status check_message(const store_message *m, hearth_error *err)
{
    if ((unsigned)m->role > STORE_TOOL || (unsigned)m->state > STORE_FAILED)
        FAIL(err, EINVAL, "role", "role or state: there is no number %d or %d", (int)m->role,
             (int)m->state);
    if (m->n_attachments > STORE_MAX_ATTACHMENTS)
        FAIL(err, EINVAL, "attachments", "attachments: %zu of them; %d are the most",
             m->n_attachments, STORE_MAX_ATTACHMENTS);
    TRY(check_text("content", m->content, err));
    TRY(check_text("reasoning", m->reasoning, err));
    TRY(check_text("error", m->error, err));
    TRY(check_name("tool_call_id", m->tool_call_id, err));
    TRY(check_name("tool_name", m->tool_name, err));
    TRY(check_name("model", m->model, err));
    TRY(check_json("tool_calls", m->tool_calls, JSON_ARRAY, err));
    return check_json("meta", m->meta, JSON_OBJECT, err);
}

static hearth_status expect_parent(db *d, const store_message *m, hearth_error *err)
{
    int64_t chat;
    if (m->parent == 0)
        return HEARTH_OK;
    TRY(db_number(d, &chat, 0, err, "SELECT chat FROM message WHERE id = ? AND deleted_ms = 0", "i",
                  m->parent));
    if (chat == 0)
        FAIL(err, ENOTFOUND, "parent", "there is no message %lld to answer", (long long)m->parent);
    if (chat != m->chat)
        FAIL(err, EMISMATCH, "parent", "message %lld belongs to chat %lld, not %lld",
             (long long)m->parent, (long long)chat, (long long)m->chat);
    return HEARTH_OK;
}

/* ---- pieces ---- */

/* Makes a finished message known to searches. */
static hearth_status index_message(db *d, int64_t id, hearth_error *err)
{
    TRY(db_run(d, err,
               "INSERT INTO message_words(rowid, content) SELECT id, content FROM message "
               "WHERE id = ? AND state <> 1",
               "i", id));
    return db_run(d, err,
                  "INSERT INTO vector_queue(message, n_tries) SELECT id, 0 FROM message "
                  "WHERE id = ? AND state <> 1 AND content <> '' AND role IN (1, 2)",
                  "i", id);
}

static hearth_status attach(db *d, int64_t message, int64_t position, int64_t attachment,
                            hearth_error *err)
{
    int64_t there;
    TRY(db_number(d, &there, 0, err, "SELECT id FROM attachment WHERE id = ?", "i", attachment));
    if (there == 0)
        FAIL(err, ENOTFOUND, "attachments", "there is no attachment %lld", (long long)attachment);
    return db_run(d, err,
                  "INSERT INTO message_attachment(message, position, attachment) VALUES(?, ?, ?)",
                  "iii", message, position, attachment);
}

hearth_status chat_set_leaf(store *s, int64_t chat, int64_t leaf, hearth_error *err)
{
    return db_run(&s->writer, err, "UPDATE chat SET leaf = ?2 WHERE id = ?1", "ii", chat, leaf);
}

static hearth_status touch_chat(db *d, int64_t chat, hearth_error *err)
{
    return db_run(d, err, "UPDATE chat SET updated_ms = max(updated_ms, ?2) WHERE id = ?1", "ii",
                  chat, store_now_ms());
}

hearth_status message_insert(store *s, const store_message *m, int64_t *id, hearth_error *err)
{
    db *d = &s->writer;
    TRY(check_message(m, err));
    TRY(expect_parent(d, m, err));
    TRY(db_run(d, err,
               "INSERT INTO message(chat, parent, role, state, created_ms, deleted_ms, n_prompt, "
               "n_cached, n_generated, prompt_ms, generate_ms, model, tool_call_id, tool_name, "
               "error, meta, content, reasoning, tool_calls) "
               "VALUES(?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               "iiiiiiiiddtttttttt", m->chat, m->parent, (int64_t)m->role, (int64_t)m->state,
               m->created_ms ? m->created_ms : store_now_ms(), m->usage.n_prompt, m->usage.n_cached,
               m->usage.n_generated, m->usage.prompt_ms, m->usage.generate_ms, m->model,
               m->tool_call_id, m->tool_name, m->error, m->meta, m->content, m->reasoning,
               m->tool_calls));
    *id = db_last_id(d);
    for (size_t i = 0; i < m->n_attachments; i++)
        TRY(attach(d, *id, (int64_t)i, m->attachments[i].id, err));
    return index_message(d, *id, err);
}

/* ---- adding, appending, finishing ---- */

hearth_status store_message_add(store *s, const store_message *message, int64_t *id,
                                hearth_error *err)
{
    TRY(store_write_begin(s, err));
    hearth_status status = chat_expect(&s->writer, message->chat, err);
    if (status == HEARTH_OK)
        status = message_insert(s, message, id, err);
    if (status == HEARTH_OK)
        status = chat_set_leaf(s, message->chat, *id, err);
    if (status == HEARTH_OK)
        status = touch_chat(&s->writer, message->chat, err);
    return store_write_end(s, status, err);
}

/* The chat of a message that is being written. */
static hearth_status expect_streaming(db *d, int64_t id, int64_t *chat, hearth_error *err)
{
    int64_t state;
    TRY(db_number(d, &state, -1, err, "SELECT state FROM message WHERE id = ?", "i", id));
    if (state < 0)
        FAIL(err, ENOTFOUND, "message", "there is no message %lld", (long long)id);
    if (state != STORE_STREAMING)
        FAIL(err, EMISMATCH, "message", "message %lld is %s and cannot be written any more",
             (long long)id, store_state_name((store_state)state));
    return db_number(d, chat, 0, err, "SELECT chat FROM message WHERE id = ?", "i", id);
}

/* SQLite has its own limit on a row; this one is told before. */
static hearth_status expect_room(db *d, int64_t id, size_t n_content, size_t n_reasoning,
                                 hearth_error *err)
{
    int64_t there;
    TRY(db_number(d, &there, 0, err,
                  "SELECT max(octet_length_of_content + ?2, octet_length_of_reasoning + ?3) FROM "
                  "(SELECT length(CAST(content AS BLOB)) AS octet_length_of_content, "
                  "length(CAST(reasoning AS BLOB)) AS octet_length_of_reasoning FROM message "
                  "WHERE id = ?1)",
                  "iuu", id, (uint64_t)n_content, (uint64_t)n_reasoning));
    if (there > STORE_MAX_TEXT_BYTES)
        FAIL(err, EINVAL, "content", "message %lld would grow beyond the %d bytes allowed",
             (long long)id, STORE_MAX_TEXT_BYTES);
    return HEARTH_OK;
}

static hearth_status append(db *d, int64_t id, const char *content, const char *reasoning,
                            hearth_error *err)
{
    int64_t chat;
    TRY(expect_streaming(d, id, &chat, err));
    TRY(expect_room(d, id, content ? strlen(content) : 0, reasoning ? strlen(reasoning) : 0, err));
    return db_run(d, err,
                  "UPDATE message SET content = content || ?2, reasoning = reasoning || ?3 "
                  "WHERE id = ?1",
                  "itt", id, content, reasoning);
}

hearth_status store_message_append(store *s, int64_t id, const char *content, const char *reasoning,
                                   hearth_error *err)
{
    TRY(check_text("content", content, err));
    TRY(check_text("reasoning", reasoning, err));
    TRY(store_write_begin(s, err));
    return store_write_end(s, append(&s->writer, id, content, reasoning, err), err);
}

static hearth_status finish(db *d, int64_t id, const store_end *end, hearth_error *err)
{
    int64_t chat;
    TRY(expect_streaming(d, id, &chat, err));
    TRY(db_run(d, err,
               "UPDATE message SET state = ?2, content = iif(?3, ?4, content), "
               "reasoning = iif(?5, ?6, reasoning), model = iif(?7, ?8, model), "
               "tool_calls = ?9, error = ?10, meta = iif(?11, ?12, meta), n_prompt = ?13, "
               "n_cached = ?14, n_generated = ?15, prompt_ms = ?16, generate_ms = ?17 "
               "WHERE id = ?1",
               "iiitititttitiiidd", id, (int64_t)end->state, (int64_t)(end->content != NULL),
               end->content, (int64_t)(end->reasoning != NULL), end->reasoning,
               (int64_t)(end->model != NULL), end->model, end->tool_calls, end->error,
               (int64_t)(end->meta != NULL), end->meta, end->usage.n_prompt, end->usage.n_cached,
               end->usage.n_generated, end->usage.prompt_ms, end->usage.generate_ms));
    TRY(index_message(d, id, err));
    return touch_chat(d, chat, err);
}

hearth_status store_message_finish(store *s, int64_t id, const store_end *end, hearth_error *err)
{
    const store_message checked = {.state = end->state,
                                   .content = end->content,
                                   .reasoning = end->reasoning,
                                   .tool_calls = end->tool_calls,
                                   .model = end->model,
                                   .error = end->error,
                                   .meta = end->meta};
    TRY(check_message(&checked, err));
    if (end->state == STORE_STREAMING)
        FAIL(err, EINVAL, "state", "state: a message cannot end as streaming");
    TRY(store_write_begin(s, err));
    return store_write_end(s, finish(&s->writer, id, end, err), err);
}

/* ---- going on ---- */

static hearth_status expect_open_end(db *d, int64_t id, int64_t *chat, hearth_error *err)
{
    int64_t there, answered;
    TRY(db_number(d, chat, 0, err, "SELECT chat FROM message WHERE id = ? AND deleted_ms = 0", "i",
                  id));
    TRY(chat_expect(d, *chat, err));
    TRY(db_number(d, &there, 0, err,
                  "SELECT role = 2 AND state <> 1 AND tool_calls = '' FROM message WHERE id = ?",
                  "i", id));
    if (!there)
        FAIL(err, EMISMATCH, "message",
             "message %lld is not an answer in words that has ended; it cannot be gone on with",
             (long long)id);
    TRY(db_number(d, &answered, 0, err,
                  "SELECT EXISTS (SELECT 1 FROM message WHERE chat = ? AND parent = ? AND "
                  "deleted_ms = 0)",
                  "ii", *chat, id));
    if (answered)
        FAIL(err, EMISMATCH, "message",
             "message %lld has others after it, which answer what it says now; ask anew instead",
             (long long)id);
    return HEARTH_OK;
}

/* Searches do not find a message while it is written. */
static hearth_status forget_message(db *d, int64_t id, hearth_error *err)
{
    TRY(db_run(d, err,
               "INSERT INTO message_words(message_words, rowid, content) SELECT 'delete', id, "
               "content FROM message WHERE id = ?",
               "i", id));
    TRY(db_run(d, err, "DELETE FROM vector WHERE message = ?", "i", id));
    return db_run(d, err, "DELETE FROM vector_queue WHERE message = ?", "i", id);
}

static hearth_status reopen(store *s, int64_t id, hearth_error *err)
{
    db *d = &s->writer;
    int64_t chat;
    TRY(expect_open_end(d, id, &chat, err));
    TRY(forget_message(d, id, err));
    TRY(db_run(d, err, "UPDATE message SET state = 1, error = '' WHERE id = ?", "i", id));
    return chat_set_leaf(s, chat, id, err);
}

hearth_status store_message_reopen(store *s, int64_t id, hearth_error *err)
{
    TRY(store_write_begin(s, err));
    TRY(store_write_end(s, reopen(s, id, err), err));
    vectors_remove(&s->vectors, id);
    return HEARTH_OK;
}

hearth_status store_message_set_meta(store *s, int64_t id, const char *meta, hearth_error *err)
{
    TRY(check_json("meta", meta, JSON_OBJECT, err));
    TRY(store_write_begin(s, err));
    hearth_status status =
        db_run(&s->writer, err, "UPDATE message SET meta = ?2 WHERE id = ?1", "it", id, meta);
    if (status == HEARTH_OK && db_changed(&s->writer) == 0)
        status =
            error_set(err, HEARTH_ENOTFOUND, "message", "there is no message %lld", (long long)id);
    return store_write_end(s, status, err);
}

/* ---- branches ---- */

hearth_status message_newest_leaf(db *d, int64_t chat, int64_t message, int64_t *leaf,
                                  hearth_error *err)
{
    return db_number(d, leaf, 0, err,
                     "WITH RECURSIVE down(id) AS (VALUES(?2) UNION ALL SELECT (SELECT max(m.id) "
                     "FROM message m WHERE m.chat = ?1 AND m.parent = down.id AND m.deleted_ms = 0 "
                     "AND m.id > down.id) FROM down WHERE down.id IS NOT NULL) "
                     "SELECT max(id) FROM down",
                     "ii", chat, message);
}

static hearth_status expect_message_of(db *d, int64_t chat, int64_t message, hearth_error *err)
{
    int64_t of;
    TRY(chat_expect(d, chat, err));
    TRY(db_number(d, &of, 0, err, "SELECT chat FROM message WHERE id = ? AND deleted_ms = 0", "i",
                  message));
    if (of == 0)
        FAIL(err, ENOTFOUND, "message", "there is no message %lld", (long long)message);
    if (of != chat)
        FAIL(err, EMISMATCH, "message", "message %lld belongs to chat %lld, not %lld",
             (long long)message, (long long)of, (long long)chat);
    return HEARTH_OK;
}

hearth_status store_chat_select(store *s, int64_t chat, int64_t message, int64_t *leaf,
                                hearth_error *err)
{
    db *d = &s->writer;
    int64_t found = 0;
    TRY(store_write_begin(s, err));
    hearth_status status = expect_message_of(d, chat, message, err);
    if (status == HEARTH_OK)
        status = message_newest_leaf(d, chat, message, &found, err);
    if (status == HEARTH_OK)
        status = chat_set_leaf(s, chat, found, err);
    status = store_write_end(s, status, err);
    if (status == HEARTH_OK && leaf)
        *leaf = found;
    return status;
}

/* ---- forks ---- */

static hearth_status copy_message(db *d, int64_t from, int64_t chat, int64_t *parent,
                                  hearth_error *err)
{
    TRY(db_run(d, err,
               "INSERT INTO message(chat, parent, role, state, created_ms, deleted_ms, n_prompt, "
               "n_cached, n_generated, prompt_ms, generate_ms, model, tool_call_id, tool_name, "
               "error, meta, content, reasoning, tool_calls) SELECT ?2, ?3, role, "
               "iif(state = 1, 2, state), created_ms, 0, n_prompt, n_cached, n_generated, "
               "prompt_ms, generate_ms, model, tool_call_id, tool_name, error, meta, content, "
               "reasoning, tool_calls FROM message WHERE id = ?1",
               "iii", from, chat, *parent));
    *parent = db_last_id(d);
    TRY(db_run(d, err,
               "INSERT INTO message_attachment(message, position, attachment) "
               "SELECT ?2, position, attachment FROM message_attachment WHERE message = ?1",
               "ii", from, *parent));
    return index_message(d, *parent, err);
}

/* From the first message of the path to the last. The next one is found from the top each time; a
 * table of the path makes that one look-up. */
static hearth_status copy_path(db *d, int64_t last, int64_t chat, int64_t *leaf, hearth_error *err)
{
    int64_t from = 0;
    TRY(db_exec(d, "CREATE TEMP TABLE IF NOT EXISTS fork(id INTEGER PRIMARY KEY); DELETE FROM fork",
                err));
    TRY(db_run(d, err,
               "INSERT INTO temp.fork WITH RECURSIVE up(id, parent) AS (SELECT id, parent "
               "FROM message WHERE id = ?1 UNION ALL SELECT m.id, m.parent FROM up JOIN message m "
               "ON m.id = up.parent WHERE m.id < up.id) SELECT id FROM up",
               "i", last));
    for (*leaf = 0;;) {
        TRY(db_number(d, &from, 0, err, "SELECT min(id) FROM temp.fork WHERE id > ?", "i", from));
        if (from == 0)
            return HEARTH_OK;
        TRY(copy_message(d, from, chat, leaf, err));
    }
}

static hearth_status fork_chat(store *s, int64_t chat, int64_t message, const char *title,
                               int64_t *id, hearth_error *err)
{
    db *d = &s->writer;
    int64_t leaf, now = store_now_ms();
    TRY(expect_message_of(d, chat, message, err));
    TRY(db_run(d, err,
               "INSERT INTO chat(pinned, leaf, created_ms, updated_ms, deleted_ms, folder, model, "
               "origin, title, settings, system) SELECT 0, 0, ?2, ?2, 0, folder, model, '', "
               "iif(?3, ?4, title), settings, system FROM chat WHERE id = ?1",
               "iiit", chat, now, (int64_t)(title != NULL), title));
    *id = db_last_id(d);
    TRY(db_run(d, err,
               "INSERT INTO chat_words(rowid, title) SELECT id, title FROM chat WHERE id = ?", "i",
               *id));
    TRY(db_run(d, err, "INSERT INTO chat_tag SELECT ?2, tag FROM chat_tag WHERE chat = ?1", "ii",
               chat, *id));
    TRY(copy_path(d, message, *id, &leaf, err));
    return chat_set_leaf(s, *id, leaf, err);
}

hearth_status store_chat_fork(store *s, int64_t chat, int64_t message, const char *title,
                              int64_t *id, hearth_error *err)
{
    TRY(check_name("title", title, err));
    TRY(store_write_begin(s, err));
    return store_write_end(s, fork_chat(s, chat, message, title, id, err), err);
}
