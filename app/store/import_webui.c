/* SPDX-License-Identifier: MIT
 *
 * import_webui.c - one chat of Open WebUI's export.
 *
 * {"id", "title", "created_at", "updated_at", "pinned", "meta": {"tags"}, "chat": {"title",
 *  "models": [..], "system" or "params": {"system"}, "tags", "history": {"currentId", "messages":
 *  {ID: {"parentId", "childrenIds", "role", "content", "model", "timestamp", "done", "error",
 *  "files", "usage"}}}}}
 * as its "export chats" writes it; the first versions have "messages", an array, for the history.
 * Reasoning stands in the content as <details type="reasoning">, each line behind "> ".
 */
#include <string.h>

#include "store/import_parts.h"

/* ---- reasoning ---- */

/* Copies lines without the mark of a quotation. */
static hearth_status unquote(import_chat *c, const char *text, const char *end, const char **out)
{
    buf lines;
    buf_init(&lines, 0);
    bool good = true;
    while (good && text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (stop == NULL)
            stop = end;
        if (*text == '>')
            text += text + 1 < stop && text[1] == ' ' ? 2 : 1;
        good = (lines.n == 0 || buf_append(&lines, "\n", 1)) &&
               buf_append(&lines, text, (size_t)(stop - text));
        text = stop + 1;
    }
    while (lines.n > 0 && lines.data[lines.n - 1] == '\n')
        lines.n--;
    hearth_status status =
        good ? import_copy(c, lines.n ? lines.data : "", lines.n, out) : import_no_memory(c);
    buf_deinit(&lines);
    return status;
}

static hearth_status split_details(import_chat *c, const char **content, const char **reasoning)
{
    static const char open[] = "<details type=\"reasoning\"", close[] = "</details>";
    static const char summary[] = "</summary>";
    const char *text = *content + strspn(*content, " \t\r\n");
    const char *end, *from;
    if (strncmp(text, open, sizeof open - 1) != 0 || (from = strchr(text, '>')) == NULL ||
        (end = strstr(text, close)) == NULL || from > end)
        return HEARTH_OK;
    const char *after_summary = strstr(from, summary);
    from = after_summary && after_summary < end ? after_summary + sizeof summary - 1 : from + 1;
    from += strspn(from, "\r\n");
    TRY(unquote(c, from < end ? from : end, end, reasoning));
    *content = end + sizeof close - 1;
    *content += strspn(*content, "\r\n");
    return HEARTH_OK;
}

/* ---- messages ---- */

static hearth_status add_file(import_chat *c, const json_t *file)
{
    const json_t *data =
        json_object_get(json_object_get(json_object_get(file, "file"), "data"), "content");
    const char *url, *name;
    TRY(import_name(c, "files.name", json_object_get(file, "name"), &name));
    if (json_is_string(json_object_get(file, "url"))) {
        TRY(import_text(c, "files.url", json_object_get(file, "url"), &url));
        return import_attach_url(c, name, url);
    }
    if (!json_is_string(data)) {
        c->n_left_out++;
        return HEARTH_OK;
    }
    import_file kept = {.name = name, .type = "text/plain"}; /* what it read out of the file */
    const char *text;
    TRY(import_text(c, "files.file.data.content", data, &text));
    kept.bytes = text;
    kept.n_bytes = strlen(text);
    return import_attach(c, &kept);
}

static hearth_status read_error(import_chat *c, const json_t *error, store_message *m)
{
    const json_t *text = json_is_object(error) ? json_object_get(error, "content") : error;
    if (error == NULL || json_is_null(error) || json_is_false(error))
        return HEARTH_OK;
    m->state = STORE_FAILED;
    m->error = "the answer failed";
    return json_is_string(text) ? import_text(c, "error", text, &m->error) : HEARTH_OK;
}

static hearth_status add(import_chat *c, const char *id, const json_t *node, import_place *place)
{
    (void)id;
    const json_t *role = json_object_get(node, "role");
    const json_t *files = json_object_get(node, "files");
    const json_t *usage = json_object_get(node, "usage");
    store_message m = {.reasoning = "",
                       .created_ms = import_time(json_object_get(node, "timestamp"))};
    if (!json_is_string(role))
        return import_wrong(c, "chat.history.messages.role", "must be a text");
    if (!store_role_find(json_string_value(role), &m.role))
        return import_wrong(c, "chat.history.messages.role", "there is no '%.32s'",
                            json_string_value(role));
    TRY(import_text(c, "chat.history.messages.content", json_object_get(node, "content"),
                    &m.content));
    TRY(import_name(c, "chat.history.messages.model", json_object_get(node, "model"), &m.model));
    if (m.role == STORE_ASSISTANT) {
        TRY(split_details(c, &m.content, &m.reasoning));
        TRY(import_split_thought(c, &m.content, &m.reasoning));
        m.usage.n_prompt = json_integer_value(json_object_get(usage, "prompt_tokens"));
        m.usage.n_generated = json_integer_value(json_object_get(usage, "completion_tokens"));
        if (json_is_false(json_object_get(node, "done")))
            m.state = STORE_STOPPED;
    }
    TRY(read_error(c, json_object_get(node, "error"), &m));
    TRY(import_add(c, &m, place->parent, &place->parent));
    for (size_t i = 0; i < json_array_size(files); i++)
        TRY(add_file(c, json_array_get(files, i)));
    return HEARTH_OK;
}

/* ---- chats ---- */

static hearth_status read_tags(import_chat *c, const json_t *tags)
{
    size_t n = json_array_size(tags);
    n = n < STORE_MAX_TAGS ? n : STORE_MAX_TAGS;
    const char **list = arena_array(&c->memory, n, sizeof *list);
    if (list == NULL)
        return import_no_memory(c);
    for (size_t i = 0; i < n; i++) {
        const json_t *tag = json_array_get(tags, i);
        if (json_is_object(tag))
            tag = json_object_get(tag, "name");
        TRY(import_name(c, "tags", tag, &list[c->chat.n_tags]));
        if (list[c->chat.n_tags][0])
            c->chat.n_tags++;
    }
    c->chat.tags = list;
    return HEARTH_OK;
}

static hearth_status read_messages(import_chat *c, const json_t *chat)
{
    const json_t *history = json_object_get(chat, "history");
    const json_t *list = json_object_get(chat, "messages");
    const import_tree tree = {.nodes = json_object_get(history, "messages"),
                              .at = "chat.history.messages",
                              .parent_key = "parentId",
                              .children_key = "childrenIds",
                              .add = add};
    import_place place = {0, ""};
    if (json_is_object(tree.nodes))
        return import_walk(c, &tree, json_string_value(json_object_get(history, "currentId")));
    if (!json_is_array(list))
        return import_wrong(c, "chat.history.messages", "must be an object");
    for (size_t i = 0; i < json_array_size(list); i++)
        TRY(add(c, NULL, json_array_get(list, i), &place));
    c->leaf = place.parent;
    return HEARTH_OK;
}

hearth_status import_read_webui(import_chat *c, const json_t *item)
{
    const json_t *chat = json_object_get(item, "chat");
    const json_t *title = json_object_get(item, "title");
    const json_t *system = json_object_get(json_object_get(chat, "params"), "system");
    const json_t *tags = json_object_get(json_object_get(item, "meta"), "tags");
    if (!json_is_object(chat))
        return import_wrong(c, "chat", "must be an object");
    TRY(import_name(c, "title", title ? title : json_object_get(chat, "title"), &c->chat.title));
    TRY(import_name(c, "chat.models", json_array_get(json_object_get(chat, "models"), 0),
                    &c->chat.model));
    TRY(import_text(c, "chat.system", system ? system : json_object_get(chat, "system"),
                    &c->chat.system));
    TRY(import_origin(c, "openwebui", json_object_get(item, "id")));
    TRY(read_tags(c, tags ? tags : json_object_get(chat, "tags")));
    c->chat.pinned = json_is_true(json_object_get(item, "pinned"));
    c->chat.created_ms = import_time(json_object_get(item, "created_at"));
    c->chat.updated_ms = import_time(json_object_get(item, "updated_at"));
    return read_messages(c, chat);
}
