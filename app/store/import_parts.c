/* SPDX-License-Identifier: MIT
 *
 * import_parts.c - see import_parts.h.
 */
#include "store/import_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "store/base64.h"
#include "store/state.h"

void import_chat_deinit(import_chat *c)
{
    arena_deinit(&c->memory);
}

hearth_status import_wrong(import_chat *c, const char *at, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    FAIL(c->err, EFORMAT, "import", "%.150s: %s", at, text);
}

hearth_status import_no_memory(import_chat *c)
{
    return error_no_memory(c->err, "a chat", 0);
}

/* ---- values ---- */

hearth_status import_copy(import_chat *c, const char *text, size_t n, const char **out)
{
    *out = arena_text(&c->memory, text, n);
    return *out ? HEARTH_OK : import_no_memory(c);
}

static hearth_status copy_without_nul(import_chat *c, const char *text, size_t n, const char **out)
{
    static const char replacement[] = "\xef\xbf\xbd";
    if (memchr(text, '\0', n) == NULL)
        return import_copy(c, text, n, out);
    buf b;
    buf_init(&b, 0);
    bool good = true;
    for (size_t i = 0; good && i < n; i++)
        good = text[i] ? buf_append(&b, &text[i], 1) : buf_append(&b, replacement, 3);
    hearth_status status = good ? import_copy(c, b.data, b.n, out) : import_no_memory(c);
    buf_deinit(&b);
    return status;
}

hearth_status import_text(import_chat *c, const char *at, const json_t *value, const char **out)
{
    *out = "";
    if (value == NULL || json_is_null(value))
        return HEARTH_OK;
    if (!json_is_string(value))
        return import_wrong(c, at, "must be a text");
    return copy_without_nul(c, json_string_value(value), json_string_length(value), out);
}

hearth_status import_name(import_chat *c, const char *at, const json_t *value, const char **out)
{
    TRY(import_text(c, at, value, out));
    size_t n = strlen(*out);
    if (n <= STORE_MAX_NAME_BYTES)
        return HEARTH_OK;
    n = STORE_MAX_NAME_BYTES - utf8_incomplete_suffix(*out, STORE_MAX_NAME_BYTES);
    return import_copy(c, *out, n, out);
}

int64_t import_time(const json_t *value)
{
    double t = json_number_value(value);
    if (!isfinite(t) || t <= 0 || t > 1e14)
        return 0;
    return (int64_t)(t < 1e11 ? t * 1000 : t);
}

hearth_status import_json(import_chat *c, const json_t *value, const char **out)
{
    *out = "";
    if (value == NULL)
        return HEARTH_OK;
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return import_no_memory(c);
    hearth_status status = import_copy(c, text, strlen(text), out);
    free(text); /* jansson's own allocation */
    return status;
}

hearth_status import_origin(import_chat *c, const char *prefix, const json_t *id)
{
    char origin[STORE_MAX_NAME_BYTES];
    const char *text = json_string_value(id);
    if (text == NULL || text[0] == '\0')
        return HEARTH_OK;
    int n = snprintf(origin, sizeof origin, "%s:%s", prefix, text);
    if (n < 0 || (size_t)n >= sizeof origin)
        return import_wrong(c, "id", "is longer than %d bytes", STORE_MAX_NAME_BYTES);
    return import_copy(c, origin, (size_t)n, &c->chat.origin);
}

/* ---- messages ---- */

hearth_status import_add(import_chat *c, const store_message *message, size_t parent,
                         size_t *number)
{
    if (c->n_messages == IMPORT_MAX_MESSAGES)
        return import_wrong(c, "messages", "there are more than %d", IMPORT_MAX_MESSAGES);
    c->messages =
        result_grow(&c->memory, c->messages, c->n_messages, &c->capacity, sizeof *c->messages);
    if (c->messages == NULL)
        return import_no_memory(c);
    c->messages[c->n_messages++] = (import_message){.message = *message, .parent = parent};
    *number = c->n_messages;
    return HEARTH_OK;
}

hearth_status import_attach(import_chat *c, const import_file *file)
{
    import_message *m = &c->messages[c->n_messages - 1];
    if (m->n_files == STORE_MAX_ATTACHMENTS)
        return import_wrong(c, "attachments", "a message has more than %d", STORE_MAX_ATTACHMENTS);
    if (m->files == NULL)
        m->files = arena_array(&c->memory, STORE_MAX_ATTACHMENTS, sizeof *m->files);
    if (m->files == NULL)
        return import_no_memory(c);
    m->files[m->n_files++] = *file;
    return HEARTH_OK;
}

hearth_status import_attach_url(import_chat *c, const char *name, const char *url)
{
    const char *comma = strchr(url, ',');
    size_t n_type = strcspn(url + (strncmp(url, "data:", 5) == 0 ? 5 : 0), ";,");
    if (strncmp(url, "data:", 5) != 0 || comma == NULL || comma - url < 12 ||
        memcmp(comma - 7, ";base64", 7) != 0 || n_type > STORE_MAX_NAME_BYTES) {
        c->n_left_out++;
        return HEARTH_OK;
    }
    import_file file = {.name = name};
    size_t n = strlen(comma + 1);
    TRY(import_copy(c, url + 5, n_type, &file.type));
    void *bytes = arena_array(&c->memory, base64_decoded_max(n), 1);
    if (bytes == NULL)
        return import_no_memory(c);
    if (!base64_decode(comma + 1, n, bytes, &file.n_bytes))
        return import_wrong(c, "url", "the data is not base64");
    file.bytes = bytes;
    return import_attach(c, &file);
}

hearth_status import_split_thought(import_chat *c, const char **content, const char **reasoning)
{
    static const char open[] = "<think>", close[] = "</think>";
    const char *text = *content + strspn(*content, " \t\r\n");
    const char *end;
    if (strncmp(text, open, sizeof open - 1) != 0 || (end = strstr(text, close)) == NULL)
        return HEARTH_OK;
    text += sizeof open - 1;
    text += strspn(text, "\r\n");
    size_t n = text < end ? (size_t)(end - text) : 0;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    TRY(import_copy(c, text, n, reasoning));
    *content = end + sizeof close - 1;
    *content += strspn(*content, "\r\n");
    return HEARTH_OK;
}

hearth_status import_call(import_chat *c, store_message *m, const char *id, const char *name,
                          const char *arguments)
{
    json_t *calls = json_pack("[{ss ss s{ss ss}}]", "id", id, "type", "function", "function",
                              "name", name, "arguments", arguments);
    if (calls == NULL)
        return import_no_memory(c);
    hearth_status status = import_json(c, calls, &m->tool_calls);
    json_decref(calls);
    return status;
}

/* ---- trees ---- */

typedef struct step {
    const char *id;
    import_place place;
} step;

typedef struct walk {
    import_chat *c;
    const import_tree *tree;
    json_t *numbers; /* number of the message of each id that was visited, or of the one above it */
    json_t *strays;  /* by id: an array of the nodes that name it as their parent and it does not */
    step *stack;
    size_t n, capacity;
} walk;

static hearth_status push(walk *w, const char *id, import_place place)
{
    w->stack = result_grow(&w->c->memory, w->stack, w->n, &w->capacity, sizeof *w->stack);
    if (w->stack == NULL)
        return import_no_memory(w->c);
    w->stack[w->n++] = (step){id, place};
    return HEARTH_OK;
}

/* In reverse, so that the first child is taken first. Some exports name children that they do not
 * hold, or twice. */
static hearth_status push_children(walk *w, const json_t *children, import_place place)
{
    for (size_t i = json_array_size(children); i-- > 0;) {
        const char *id = json_string_value(json_array_get(children, i));
        if (id && json_object_get(w->tree->nodes, id))
            TRY(push(w, id, place));
    }
    return HEARTH_OK;
}

static hearth_status visit(walk *w)
{
    step s = w->stack[--w->n];
    const json_t *node = json_object_get(w->tree->nodes, s.id);
    if (json_object_get(w->numbers, s.id))
        return HEARTH_OK;
    if (!json_is_object(node))
        return import_wrong(w->c, w->tree->at, "'%.64s' must be an object", s.id);
    TRY(w->tree->add(w->c, s.id, node, &s.place));
    if (json_object_set_new(w->numbers, s.id, json_integer((json_int_t)s.place.parent)) != 0)
        return import_no_memory(w->c);
    TRY(push_children(w, json_object_get(w->strays, s.id), s.place));
    return push_children(w, json_object_get(node, w->tree->children_key), s.place);
}

/* Some exports have nodes that their parent does not name. */
static bool find_strays(walk *w, json_t *named)
{
    const char *id;
    json_t *node;
    json_t *nodes = (json_t *)w->tree->nodes;
    json_object_foreach(nodes, id, node)
    {
        const json_t *children = json_object_get(node, w->tree->children_key);
        for (size_t i = 0; i < json_array_size(children); i++) {
            const char *child = json_string_value(json_array_get(children, i));
            if (child && json_object_set_new(named, child, json_true()) != 0)
                return false;
        }
    }
    json_object_foreach(nodes, id, node)
    {
        const char *parent = json_string_value(json_object_get(node, w->tree->parent_key));
        if (parent == NULL || json_object_get(named, id))
            continue;
        json_t *list = json_object_get(w->strays, parent);
        if (list == NULL && json_object_set_new(w->strays, parent, list = json_array()) != 0)
            return false;
        if (json_array_append_new(list, json_string(id)) != 0)
            return false;
    }
    return true;
}

/* A node is a root if it names no parent, or one that is not there. */
static hearth_status push_roots(walk *w)
{
    const char *id;
    json_t *node;
    size_t n = 0;
    const json_t *nodes = w->tree->nodes;
    json_object_foreach((json_t *)nodes, id, node)
    {
        const char *parent = json_string_value(json_object_get(node, w->tree->parent_key));
        if (parent == NULL || json_object_get(nodes, parent) == NULL) {
            TRY(push(w, id, (import_place){0, ""}));
            n++;
        }
    }
    for (size_t i = 0; i < n / 2; i++) {
        step swapped = w->stack[i];
        w->stack[i] = w->stack[n - 1 - i];
        w->stack[n - 1 - i] = swapped;
    }
    return HEARTH_OK;
}

hearth_status import_walk(import_chat *c, const import_tree *tree, const char *leaf)
{
    walk w = {.c = c, .tree = tree, .numbers = json_object(), .strays = json_object()};
    json_t *named = json_object();
    bool good = w.numbers && w.strays && named && find_strays(&w, named);
    hearth_status status = good ? push_roots(&w) : import_no_memory(c);
    json_decref(named);
    while (status == HEARTH_OK && w.n > 0)
        status = visit(&w);
    if (status == HEARTH_OK && json_object_size(w.numbers) != json_object_size(tree->nodes))
        status = import_wrong(c, tree->at, "some have no way up to a first message");
    if (status == HEARTH_OK) {
        const json_t *number = leaf ? json_object_get(w.numbers, leaf) : NULL;
        c->leaf = number ? (size_t)json_integer_value(number) : c->n_messages;
    }
    json_decref(w.numbers);
    json_decref(w.strays);
    return status;
}
