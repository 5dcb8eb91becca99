/* SPDX-License-Identifier: MIT
 *
 * export.c - export_json and export_markdown: chats out of the store, piece by piece.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "store/base64.h"
#include "store/state.h"
#include "store/transfer.h"

enum { PAGE = 64 }; /* messages that are in memory at a time */

typedef struct exporter {
    store *s;
    export_write write;
    void *user;
    hearth_error *err;
} exporter;

static hearth_status put(const exporter *e, const char *text)
{
    return e->write(e->user, text, strlen(text), e->err);
}

/* Takes the object. */
static hearth_status put_json(const exporter *e, json_t *json, const char *before,
                              const char *after)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text == NULL)
        return error_no_memory(e->err, "an export", 0);
    hearth_status status = put(e, before);
    if (status == HEARTH_OK)
        status = put(e, text);
    if (status == HEARTH_OK)
        status = put(e, after);
    free(text); /* jansson's own allocation */
    return status;
}

/* ---- JSON ---- */

static hearth_status add_data(const exporter *e, json_t *file, int64_t id)
{
    buf bytes;
    buf_init(&bytes, 0);
    hearth_status status = store_attachment_read(e->s, id, NULL, NULL, &bytes, e->err);
    char *text = status == HEARTH_OK ? mem_alloc(base64_length(bytes.n)) : NULL;
    if (text) {
        base64_encode(bytes.data, bytes.n, text);
        if (json_object_set_new(file, "data", json_stringn(text, base64_length(bytes.n))) != 0)
            status = error_no_memory(e->err, "an attachment", bytes.n);
        mem_free(text);
    } else if (status == HEARTH_OK) {
        status = error_no_memory(e->err, "an attachment", bytes.n);
    }
    buf_deinit(&bytes);
    return status;
}

static hearth_status put_message(const exporter *e, const store_message *m, bool first)
{
    json_t *json = message_to_json(m);
    hearth_status status = HEARTH_OK;
    json_t *files = json_object_get(json, "attachments");
    for (size_t i = 0; status == HEARTH_OK && i < json_array_size(files); i++)
        status = add_data(e, json_array_get(files, i), m->attachments[i].id);
    if (status == HEARTH_OK)
        return put_json(e, json, first ? "\n  " : ",\n  ", "");
    json_decref(json);
    return status;
}

static hearth_status put_messages(const exporter *e, int64_t chat)
{
    int64_t after = 0;
    for (bool more = true; more;) {
        store_messages page;
        hearth_status status = HEARTH_OK;
        TRY(store_message_all(e->s, chat, after, PAGE, &page, e->err));
        for (size_t i = 0; status == HEARTH_OK && i < page.n; i++) {
            status = put_message(e, &page.items[i], after == 0);
            after = page.items[i].id;
        }
        more = page.more;
        store_messages_free(&page);
        TRY(status);
    }
    return HEARTH_OK;
}

/* The chat's object without its end, then the messages, then the end. */
static hearth_status put_chat(const exporter *e, int64_t id, bool first)
{
    store_chats list;
    TRY(store_chat_get(e->s, id, &list, e->err));
    json_t *json = chat_to_json(&list.items[0]);
    store_chats_free(&list);
    json_t *head = json_pack("{ss si}", "format", "hearth-chat", "version", 1);
    if (json == NULL || head == NULL || json_object_update(head, json) != 0) {
        json_decref(json);
        json_decref(head);
        return error_no_memory(e->err, "an export", 0);
    }
    json_decref(json);
    char *text = json_dumps(head, JSON_COMPACT);
    json_decref(head);
    if (text == NULL)
        return error_no_memory(e->err, "an export", 0);
    hearth_status status = put(e, first ? "\n" : ",\n");
    if (status == HEARTH_OK)
        status = e->write(e->user, text, strlen(text) - 1, e->err);
    free(text); /* jansson's own allocation */
    TRY(status);
    TRY(put(e, ",\"messages\":["));
    TRY(put_messages(e, id));
    return put(e, "]}");
}

static hearth_status put_all(const exporter *e)
{
    store_chats list;
    TRY(store_chat_list(e->s, &(store_chat_filter){0}, &list, e->err));
    hearth_status status = HEARTH_OK;
    for (size_t i = 0; status == HEARTH_OK && i < list.n; i++)
        status = put_chat(e, list.items[i].id, i == 0);
    store_chats_free(&list);
    return status;
}

hearth_status export_json(store *s, const int64_t *chats, size_t n_chats, export_write write,
                          void *user, hearth_error *err)
{
    const exporter e = {s, write, user, err};
    TRY(put(&e, "["));
    if (n_chats == 0)
        TRY(put_all(&e));
    for (size_t i = 0; i < n_chats; i++)
        TRY(put_chat(&e, chats[i], i == 0));
    return put(&e, "\n]\n");
}

/* ---- Markdown ---- */

/* A fence of more backticks than the text has in a row. */
static hearth_status put_fenced(const exporter *e, const char *language, const char *text)
{
    size_t longest = 2, run = 0;
    char fence[64];
    for (const char *c = text; *c; c++) {
        run = *c == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    size_t n = longest + 1 < sizeof fence - 1 ? longest + 1 : sizeof fence - 1;
    memset(fence, '`', n);
    fence[n] = '\0';
    TRY(put(e, fence));
    TRY(put(e, language));
    TRY(put(e, "\n"));
    TRY(put(e, text));
    TRY(put(e, "\n"));
    TRY(put(e, fence));
    return put(e, "\n\n");
}

static hearth_status put_folded(const exporter *e, const char *summary, const char *language,
                                const char *text)
{
    if (text[0] == '\0')
        return HEARTH_OK;
    TRY(put(e, "<details><summary>"));
    TRY(put(e, summary));
    TRY(put(e, "</summary>\n\n"));
    TRY(put_fenced(e, language, text));
    return put(e, "</details>\n\n");
}

static hearth_status put_heading(const exporter *e, const store_message *m)
{
    static const char *const names[] = {"System", "You", "Assistant", "Tool"};
    char when[32];
    time_t seconds = (time_t)(m->created_ms / 1000);
    struct tm utc;
    buf line;
    buf_init(&line, 0);
    when[0] = '\0';
    if (gmtime_r(&seconds, &utc))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &utc);
    const char *by = m->role == STORE_TOOL ? m->tool_name : m->model;
    bool good = buf_append_format(&line, "## %s%s%.200s%s\n\n*%s*\n\n", names[m->role],
                                  by[0] ? " (" : "", by, by[0] ? ")" : "", when);
    hearth_status status = good ? put(e, line.data) : error_no_memory(e->err, "an export", line.n);
    buf_deinit(&line);
    return status;
}

static hearth_status put_markdown(const exporter *e, const store_message *m)
{
    TRY(put_heading(e, m));
    TRY(put_folded(e, "Reasoning", "", m->reasoning));
    if (m->role == STORE_TOOL) {
        TRY(put_folded(e, "Result", "", m->content));
    } else if (m->content[0]) {
        TRY(put(e, m->content));
        TRY(put(e, "\n\n"));
    }
    TRY(put_folded(e, "Tool calls", "json", m->tool_calls));
    for (size_t i = 0; i < m->n_attachments; i++) {
        TRY(put(e, "- Attachment: "));
        TRY(put(e, m->attachments[i].name));
        TRY(put(e, "\n"));
    }
    if (m->n_attachments)
        TRY(put(e, "\n"));
    if (m->state != STORE_COMPLETE) {
        TRY(put(e, "*"));
        TRY(put(e, store_state_name(m->state)));
        TRY(put(e, m->error[0] ? ": " : ""));
        TRY(put(e, m->error));
        TRY(put(e, "*\n\n"));
    }
    return HEARTH_OK;
}

static hearth_status put_title(const exporter *e, int64_t chat)
{
    store_chats list;
    TRY(store_chat_get(e->s, chat, &list, e->err));
    const store_chat *c = &list.items[0];
    hearth_status status = put(e, "# ");
    if (status == HEARTH_OK)
        status = put(e, c->title[0] ? c->title : "Untitled");
    if (status == HEARTH_OK)
        status = put(e, "\n\n");
    if (status == HEARTH_OK)
        status = put_folded(e, "System prompt", "", c->system);
    store_chats_free(&list);
    return status;
}

hearth_status export_markdown(store *s, int64_t chat, export_write write, void *user,
                              hearth_error *err)
{
    const exporter e = {s, write, user, err};
    store_messages path;
    TRY(put_title(&e, chat));
    TRY(store_message_path(s, chat, 0, 0, &path, err));
    hearth_status status = HEARTH_OK;
    for (size_t i = 0; status == HEARTH_OK && i < path.n; i++)
        status = put_markdown(&e, &path.items[i]);
    store_messages_free(&path);
    return status;
}
