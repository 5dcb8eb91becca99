/* SPDX-License-Identifier: MIT
 *
 * import_webui.c - one chat of Open WebUI's export.
 *
 * {"id", "title", "created_at", "updated_at", "pinned", "meta": {"tags"}, "chat": {"title",
 *  "models": [..], "system" or "params": {"system"}, "tags", "history": {"currentId", "messages":
 *  {ID: {"parentId", "childrenIds", "role", "content", "model", "timestamp", "done", "error",
 *  "files", "usage"}}}}}
 * as its "export chats" writes it; the first versions have "messages", an array, for the history.
 * Reasoning stands in the content as <details type="reasoning">, each line behind "> ", calls of
 * tools as <details type="tool_calls" id="" name="" arguments="" result="">, the values as JSON;
 * they become the messages that they were. "content" may be an array of parts, as the API has it.
 */
#include <stdio.h>
#include <string.h>

#include "store/import_parts.h"

/* ---- <details> ---- */

/* "&gt;" and the like as the characters that they stand for, in place. */
static void unescape(buf *text)
{
    static const char *const names[][2] = {{"&lt;", "<"},   {"&gt;", ">"},  {"&quot;", "\""},
                                           {"&#x27;", "'"}, {"&#39;", "'"}, {"&amp;", "&"}};
    size_t to = 0;
    for (size_t from = 0; from < text->n; to++) {
        size_t n = 1;
        char c = text->data[from];
        for (size_t i = 0; c == '&' && n == 1 && i < sizeof names / sizeof *names; i++) {
            size_t length = strlen(names[i][0]);
            if (text->n - from >= length && memcmp(text->data + from, names[i][0], length) == 0) {
                text->data[to] = names[i][1][0];
                n = length;
            }
        }
        if (n == 1)
            text->data[to] = c;
        from += n;
    }
    text->n = to;
}

/* Appends lines without the mark of a quotation. */
static bool append_unquoted(buf *out, const char *text, const char *end)
{
    size_t start = out->n;
    bool good = true;
    while (good && text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (stop == NULL)
            stop = end;
        if (*text == '>')
            text += text + 1 < stop && text[1] == ' ' ? 2 : 1;
        good = (out->n == start || buf_append(out, "\n", 1)) &&
               buf_append(out, text, (size_t)(stop - text));
        text = stop + 1;
    }
    while (out->n > start && out->data[out->n - 1] == '\n')
        out->n--;
    return good;
}

typedef struct details {
    const char *begin, *head_end; /* from '<' to its '>' */
    const char *body, *body_end;
    const char *end;
} details;

/* The next block of a type that is read here, at the beginning of a line. */
static bool find_details(const char *text, const char *from, details *out)
{
    static const char open[] = "<details type=\"", close[] = "</details>";
    static const char summary[] = "</summary>";
    for (const char *at = from; (at = strstr(at, open)) != NULL; at++) {
        const char *type = at + sizeof open - 1;
        bool known =
            strncmp(type, "reasoning\"", 10) == 0 || strncmp(type, "tool_calls\"", 11) == 0;
        if (!known || (at > text && at[-1] != '\n'))
            continue;
        *out = (details){.begin = at, .head_end = strchr(at, '>')};
        out->body_end = strstr(at, close);
        if (out->head_end == NULL || out->body_end == NULL || out->head_end > out->body_end)
            return false;
        const char *past = strstr(out->head_end, summary);
        out->body = past && past < out->body_end ? past + sizeof summary - 1 : out->head_end + 1;
        while (out->body < out->body_end && (*out->body == '\n' || *out->body == '\r'))
            out->body++;
        out->end = out->body_end + sizeof close - 1;
        out->end += strspn(out->end, "\r\n");
        return true;
    }
    return false;
}

/* An attribute's value, which is JSON: what the text in it says, or the JSON itself. */
static bool read_attribute(const details *d, const char *name, buf *out)
{
    char key[32];
    snprintf(key, sizeof key, " %s=\"", name);
    const char *at = memmem(d->begin, (size_t)(d->head_end - d->begin), key, strlen(key));
    const char *end = at ? memchr(at + strlen(key), '"', (size_t)(d->head_end - at)) : NULL;
    if (end == NULL || end > d->head_end)
        return true;
    at += strlen(key);
    if (!buf_append(out, at, (size_t)(end - at)))
        return false;
    unescape(out);
    json_t *value = json_loadb(out->data, out->n, JSON_DECODE_ANY, NULL);
    bool good = true;
    if (json_is_string(value)) {
        buf_clear(out);
        good = buf_append(out, json_string_value(value), json_string_length(value));
    }
    json_decref(value);
    return good;
}

/* ---- answers ---- */

/* An answer that is read: words and thoughts since the last call of a tool. */
typedef struct answer {
    import_chat *c;
    store_message m; /* what all of its messages have */
    size_t *parent;
    buf text, thoughts;
} answer;

static hearth_status copy_trimmed(answer *a, buf *from, const char **out)
{
    while (from->n > 0 && from->data[from->n - 1] == '\n')
        from->n--;
    TRY(import_copy(a->c, from->n ? from->data : "", from->n, out));
    buf_clear(from);
    return HEARTH_OK;
}

static hearth_status end_message(answer *a, store_message m)
{
    TRY(copy_trimmed(a, &a->text, &m.content));
    TRY(copy_trimmed(a, &a->thoughts, &m.reasoning));
    if (m.reasoning[0] == '\0')
        TRY(import_split_thought(a->c, &m.content, &m.reasoning));
    return import_add(a->c, &m, *a->parent, a->parent);
}

static hearth_status add_call(answer *a, const details *d)
{
    static const char *const names[] = {"id", "name", "arguments", "result"};
    enum { ID, NAME, ARGUMENTS, RESULT, N };
    const char *values[N];
    store_message call = a->m, result = a->m;
    for (size_t i = 0; i < N; i++) {
        buf value;
        buf_init(&value, 0);
        bool good = read_attribute(d, names[i], &value);
        if (good && i == RESULT && value.n == 0)
            good = buf_append(&value, d->body, (size_t)(d->body_end - d->body));
        json_t *text = good ? json_stringn(value.n ? value.data : "", value.n) : NULL;
        buf_deinit(&value);
        hearth_status status = text ? (i == ID || i == NAME ? import_name : import_text)(
                                          a->c, names[i], text, &values[i])
                                    : import_no_memory(a->c);
        json_decref(text);
        TRY(status);
    }
    TRY(import_call(a->c, &call, values[ID], values[NAME], values[ARGUMENTS]));
    TRY(end_message(a, call));
    result.role = STORE_TOOL;
    result.content = values[RESULT];
    result.reasoning = "";
    result.tool_call_id = values[ID];
    result.tool_name = values[NAME];
    return import_add(a->c, &result, *a->parent, a->parent);
}

static hearth_status add_thoughts(answer *a, const details *d)
{
    buf body;
    buf_init(&body, 0);
    bool good = buf_append(&body, d->body, (size_t)(d->body_end - d->body));
    if (good && body.n >= 4 && memcmp(body.data, "&gt;", 4) == 0) /* newer ones escape it */
        unescape(&body);
    good = good && (a->thoughts.n == 0 || buf_append(&a->thoughts, "\n", 1)) &&
           append_unquoted(&a->thoughts, body.data, body.data + body.n);
    buf_deinit(&body);
    return good ? HEARTH_OK : import_no_memory(a->c);
}

static hearth_status read_answer(answer *a, const char *text, const store_message *last)
{
    details d;
    const char *from = text;
    while (find_details(text, from, &d)) {
        if (!buf_append(&a->text, from, (size_t)(d.begin - from)))
            return import_no_memory(a->c);
        TRY(d.begin[15] == 'r' ? add_thoughts(a, &d) : add_call(a, &d));
        from = d.end;
    }
    if (!buf_append_text(&a->text, from))
        return import_no_memory(a->c);
    return end_message(a, *last);
}

/* ---- messages ---- */

static hearth_status add_file(import_chat *c, const json_t *file)
{
    const json_t *data =
        json_object_get(json_object_get(json_object_get(file, "file"), "data"), "content");
    const char *url, *name;
    TRY(import_name(c, "files.name", json_object_get(file, "name"), &name));
    if (!json_is_string(data)) {
        TRY(import_text(c, "files.url", json_object_get(file, "url"), &url));
        return import_attach_url(c, name[0] ? name : "image", url);
    }
    import_file kept = {.name = name, .type = "text/plain"}; /* what it read out of the file */
    const char *text;
    TRY(import_text(c, "files.file.data.content", data, &text));
    kept.bytes = text;
    kept.n_bytes = strlen(text);
    return import_attach(c, &kept);
}

/* A text, or parts of one and pictures as the OpenAI API has them. */
static hearth_status read_content(import_chat *c, const json_t *content, const char **out)
{
    static const char at[] = "chat.history.messages.content";
    buf text;
    if (!json_is_array(content))
        return import_text(c, at, content, out);
    buf_init(&text, 0);
    bool good = true;
    for (size_t i = 0; good && i < json_array_size(content); i++) {
        const json_t *part = json_object_get(json_array_get(content, i), "text");
        if (json_is_string(part))
            good = (text.n == 0 || buf_append(&text, "\n", 1)) &&
                   buf_append(&text, json_string_value(part), json_string_length(part));
        else
            c->n_left_out++;
    }
    json_t *joined = good ? json_stringn(text.n ? text.data : "", text.n) : NULL;
    buf_deinit(&text);
    hearth_status status = joined ? import_text(c, at, joined, out) : import_no_memory(c);
    json_decref(joined);
    return status;
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
    if (!store_role_find(json_string_value(role), &m.role)) {
        c->n_left_out++;
        return HEARTH_OK;
    }
    TRY(read_content(c, json_object_get(node, "content"), &m.content));
    TRY(import_name(c, "chat.history.messages.model", json_object_get(node, "model"), &m.model));
    store_message last = m;
    TRY(read_error(c, json_object_get(node, "error"), &last));
    if (m.role == STORE_ASSISTANT) {
        last.usage.n_prompt = json_integer_value(json_object_get(usage, "prompt_tokens"));
        last.usage.n_generated = json_integer_value(json_object_get(usage, "completion_tokens"));
        if (json_is_false(json_object_get(node, "done")) && last.state == STORE_COMPLETE)
            last.state = STORE_STOPPED;
        json_int_t rating =
            json_integer_value(json_object_get(json_object_get(node, "annotation"), "rating"));
        if (rating)
            last.meta = rating > 0 ? "{\"feedback\":\"up\"}" : "{\"feedback\":\"down\"}";
        answer a = {.c = c, .m = m, .parent = &place->parent};
        buf_init(&a.text, 0);
        buf_init(&a.thoughts, 0);
        hearth_status status = read_answer(&a, m.content, &last);
        buf_deinit(&a.text);
        buf_deinit(&a.thoughts);
        TRY(status);
    } else {
        TRY(import_add(c, &last, place->parent, &place->parent));
    }
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
