/* SPDX-License-Identifier: MIT
 *
 * import_chatgpt.c - one conversation of ChatGPT's conversations.json.
 *
 * {"title", "create_time", "update_time", "current_node", "default_model_slug", "conversation_id",
 *  "mapping": {ID: {"parent", "children": [ID], "message": null | {"author": {"role", "name"},
 *  "create_time", "recipient", "metadata": {"model_slug"}, "content": {"content_type", ...}}}}}
 * as OpenAI's data export writes it. Nodes without a text of their own (roots, hidden system
 * messages, recaps) are passed over, and their children hang below the message above. A message
 * that is addressed to a tool is a tool call. Marks of citations, which stand for sources that the
 * export does not have, are taken out. Pictures and files are named by their ids and lie beside it.
 * What is of a kind that is not known is counted as left out.
 */
#include <string.h>

#include "store/import_parts.h"

static bool is(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* ---- content ---- */

/* Without what stands between U+E200 and U+E201. */
static bool append_uncited(buf *out, const char *text, size_t n)
{
    static const char open[] = "\xee\x88\x80", close[] = "\xee\x88\x81";
    for (const char *end = text + n, *mark; n > 0; n = (size_t)(end - text)) {
        const char *stop = NULL;
        if ((mark = memmem(text, n, open, 3)) != NULL)
            stop = memmem(mark, (size_t)(end - mark), close, 3);
        if (!buf_append(out, text, stop ? (size_t)(mark - text) : n))
            return false;
        while (stop && out->n > 0 && out->data[out->n - 1] == ' ')
            out->n--;
        text = stop ? stop + 3 : end;
    }
    return true;
}

static bool append_line(buf *out, const json_t *text)
{
    size_t n = json_string_length(text);
    if (n == 0)
        return true;
    return (out->n == 0 || buf_append(out, "\n", 1)) &&
           append_uncited(out, json_string_value(text), n);
}

typedef struct parts {
    buf text, thoughts;
    import_file files[STORE_MAX_ATTACHMENTS];
    size_t n_files;
} parts;

/* The file of an id, as an attachment; what is not there becomes a note. */
static hearth_status add_file(import_chat *c, const char *id, const char *name, const char *kind,
                              parts *out)
{
    bool found = false;
    if (out->n_files < STORE_MAX_ATTACHMENTS)
        TRY(import_files_read(c, id, name, &out->files[out->n_files], &found));
    out->n_files += found;
    if (found)
        return HEARTH_OK;
    c->n_left_out++;
    return buf_append_format(&out->text, "%s[%s%s%.200s]", out->text.n ? "\n" : "", kind,
                             name ? ": " : "", name ? name : "")
               ? HEARTH_OK
               : import_no_memory(c);
}

/* A part is a text, or points to a file: "file-service://ID", "sediment://ID". */
static hearth_status append_part(import_chat *c, const json_t *part, parts *out)
{
    const json_t *type = json_object_get(part, "content_type");
    const char *pointer = json_string_value(json_object_get(part, "asset_pointer"));
    const char *id = pointer ? strstr(pointer, "://") : NULL;
    bool good = true;
    if (json_is_string(part))
        good = append_line(&out->text, part);
    else if (is(type, "audio_transcription"))
        good = append_line(&out->text, json_object_get(part, "text"));
    else if (json_is_object(part))
        return add_file(c, id ? id + 3 : "", NULL,
                        is(type, "image_asset_pointer") ? "image" : "attachment", out);
    return good ? HEARTH_OK : import_no_memory(c);
}

/* What the user gave; pictures stand among the parts, too. */
static hearth_status append_attachments(import_chat *c, const json_t *list, parts *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *file = json_array_get(list, i);
        const char *id = json_string_value(json_object_get(file, "id"));
        const char *name = json_string_value(json_object_get(file, "name"));
        const json_t *type = json_object_get(file, "mimeType");
        type = type ? type : json_object_get(file, "mime_type");
        if (json_is_string(type) && strncmp(json_string_value(type), "image/", 6) == 0)
            continue;
        TRY(add_file(c, id ? id : "", name ? name : "?", "attachment", out));
    }
    return HEARTH_OK;
}

static hearth_status append_thoughts(import_chat *c, const json_t *thoughts, buf *out)
{
    for (size_t i = 0; i < json_array_size(thoughts); i++) {
        const json_t *thought = json_array_get(thoughts, i);
        if (!append_line(out, json_object_get(thought, "summary")) ||
            !append_line(out, json_object_get(thought, "content")))
            return import_no_memory(c);
    }
    return HEARTH_OK;
}

static hearth_status read_content(import_chat *c, const json_t *content, parts *out)
{
    const json_t *list = json_object_get(content, "parts");
    if (content && !json_is_object(content) && !json_is_null(content))
        return import_wrong(c, "mapping.message.content", "must be an object");
    if (json_object_size(content) > 1 && list == NULL && json_object_get(content, "text") == NULL &&
        json_object_get(content, "result") == NULL && json_object_get(content, "thoughts") == NULL)
        c->n_left_out++;
    for (size_t i = 0; i < json_array_size(list); i++)
        TRY(append_part(c, json_array_get(list, i), out));
    if (!append_line(&out->text, json_object_get(content, "text")) ||
        !append_line(&out->text, json_object_get(content, "result")))
        return import_no_memory(c);
    return append_thoughts(c, json_object_get(content, "thoughts"), &out->thoughts);
}

/* ---- messages ---- */

static hearth_status fill(import_chat *c, const char *id, const json_t *node, const json_t *message,
                          store_message *m)
{
    const json_t *recipient = json_object_get(message, "recipient");
    TRY(import_name(c, "mapping.message.metadata.model_slug",
                    json_object_get(json_object_get(message, "metadata"), "model_slug"),
                    &m->model));
    if (m->role == STORE_TOOL) {
        TRY(import_name(c, "mapping.message.author.name",
                        json_object_get(json_object_get(message, "author"), "name"),
                        &m->tool_name));
        TRY(import_name(c, "mapping.parent", json_object_get(node, "parent"), &m->tool_call_id));
    } else if (m->role == STORE_ASSISTANT && json_is_string(recipient) && !is(recipient, "all")) {
        const char *arguments = m->content;
        m->content = "";
        return import_call(c, m, id, json_string_value(recipient), arguments);
    }
    return HEARTH_OK;
}

static hearth_status add_texts(import_chat *c, const char *id, const json_t *node,
                               const json_t *message, const parts *texts, import_place *place)
{
    const json_t *role = json_object_get(json_object_get(message, "author"), "role");
    store_message m = {.content = "",
                       .reasoning = "",
                       .model = "",
                       .created_ms = import_time(json_object_get(message, "create_time"))};
    if (!json_is_string(role))
        return import_wrong(c, "mapping.message.author.role", "must be a text");
    if (!store_role_find(json_string_value(role), &m.role)) {
        c->n_left_out++;
        return HEARTH_OK;
    }
    json_t *text = json_stringn(texts->text.n ? texts->text.data : "", texts->text.n);
    hearth_status status = text ? import_text(c, "content", text, &m.content) : import_no_memory(c);
    json_decref(text);
    TRY(status);
    if (texts->thoughts.n)
        TRY(import_copy(c, texts->thoughts.data, texts->thoughts.n, &place->reasoning));
    if (m.content[0] == '\0' && texts->n_files == 0)
        return HEARTH_OK;
    m.reasoning = place->reasoning;
    place->reasoning = "";
    TRY(fill(c, id, node, message, &m));
    TRY(import_add(c, &m, place->parent, &place->parent));
    for (size_t i = 0; i < texts->n_files; i++)
        TRY(import_attach(c, &texts->files[i]));
    return HEARTH_OK;
}

/* What the user told of himself in the settings: a system prompt. */
static hearth_status take_instructions(import_chat *c, const json_t *content)
{
    buf both;
    buf_init(&both, 0);
    bool good = append_line(&both, json_object_get(content, "user_profile")) &&
                append_line(&both, json_object_get(content, "user_instructions"));
    json_t *text = good ? json_stringn(both.n ? both.data : "", both.n) : NULL;
    buf_deinit(&both);
    hearth_status status =
        text ? import_text(c, "content", text, &c->chat.system) : import_no_memory(c);
    json_decref(text);
    return status;
}

static hearth_status add(import_chat *c, const char *id, const json_t *node, import_place *place)
{
    const json_t *message = json_object_get(node, "message");
    const json_t *content = json_object_get(message, "content");
    const json_t *type = json_object_get(content, "content_type");
    parts texts;
    if (message == NULL || json_is_null(message))
        return HEARTH_OK;
    if (!json_is_object(message))
        return import_wrong(c, "mapping.message", "must be an object");
    if (is(type, "user_editable_context"))
        return take_instructions(c, content);
    if (is(type, "model_editable_context") || is(type, "reasoning_recap"))
        return HEARTH_OK;
    buf_init(&texts.text, 0);
    buf_init(&texts.thoughts, 0);
    texts.n_files = 0;
    hearth_status status = read_content(c, content, &texts);
    if (status == HEARTH_OK)
        status = append_attachments(
            c, json_object_get(json_object_get(message, "metadata"), "attachments"), &texts);
    if (status == HEARTH_OK)
        status = add_texts(c, id, node, message, &texts, place);
    buf_deinit(&texts.text);
    buf_deinit(&texts.thoughts);
    return status;
}

hearth_status import_read_chatgpt(import_chat *c, const json_t *chat)
{
    const json_t *id = json_object_get(chat, "conversation_id");
    const import_tree tree = {.nodes = json_object_get(chat, "mapping"),
                              .at = "mapping",
                              .parent_key = "parent",
                              .children_key = "children",
                              .add = add};
    if (!json_is_object(tree.nodes))
        return import_wrong(c, "mapping", "must be an object");
    TRY(import_name(c, "title", json_object_get(chat, "title"), &c->chat.title));
    TRY(import_name(c, "default_model_slug", json_object_get(chat, "default_model_slug"),
                    &c->chat.model));
    TRY(import_origin(c, "chatgpt", id ? id : json_object_get(chat, "id")));
    c->chat.created_ms = import_time(json_object_get(chat, "create_time"));
    c->chat.updated_ms = import_time(json_object_get(chat, "update_time"));
    return import_walk(c, &tree, json_string_value(json_object_get(chat, "current_node")));
}
