/* SPDX-License-Identifier: MIT
 *
 * import.c - import_path and import_bytes: which format it is, and chats into the store, all in one
 * transaction.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "os/file.h"
#include "store/import_parts.h"
#include "store/state.h"

enum { MAX_THREAD_BYTES = 4 << 20, MAX_TITLE_BYTES = 60 };

typedef struct importer {
    store *s;
    const char *name; /* of the file */
    import_report *report;
    uint64_t n_read; /* chats of the file */
    import_files files;
    hearth_error what; /* is wrong with a chat */
    hearth_error *err;
} importer;

/* ---- into the store ---- */

static hearth_status insert_message(importer *in, const import_message *from, int64_t chat,
                                    int64_t parent, int64_t *id)
{
    store_attachment files[STORE_MAX_ATTACHMENTS];
    store_message m = from->message;
    for (size_t i = 0; i < from->n_files; i++) {
        const import_file *f = &from->files[i];
        files[i] = (store_attachment){0};
        TRY(attachment_insert(in->s, f->name, f->type, f->bytes, f->n_bytes, &files[i].id,
                              &in->what));
    }
    m.chat = chat;
    m.parent = parent;
    m.attachments = files;
    m.n_attachments = from->n_files;
    in->report->n_attachments += from->n_files;
    return message_insert(in->s, &m, id, &in->what);
}

static hearth_status insert_chat(importer *in, const import_chat *c)
{
    db *d = &in->s->writer;
    int64_t chat, leaf = 0, updated = c->chat.updated_ms;
    int64_t *ids = mem_alloc_array(c->n_messages, sizeof *ids);
    if (ids == NULL)
        return error_no_memory(&in->what, "a chat", c->n_messages * sizeof *ids);
    hearth_status status = chat_insert(in->s, &c->chat, &chat, &in->what);
    for (size_t i = 0; status == HEARTH_OK && i < c->n_messages; i++) {
        const import_message *m = &c->messages[i];
        status = insert_message(in, m, chat, m->parent ? ids[m->parent - 1] : 0, &ids[i]);
        if (c->chat.updated_ms == 0 && m->message.created_ms > updated)
            updated = m->message.created_ms;
    }
    if (status == HEARTH_OK && c->leaf)
        leaf = ids[c->leaf - 1];
    mem_free(ids);
    TRY(status);
    TRY(chat_set_leaf(in->s, chat, leaf, &in->what));
    if (updated)
        TRY(db_run(d, &in->what, "UPDATE chat SET updated_ms = ?2 WHERE id = ?1", "ii", chat,
                   updated));
    in->report->n_chats++;
    in->report->n_messages += c->n_messages;
    return HEARTH_OK;
}

/* A chat without a title is called by the first words of its user. */
static hearth_status name_chat(import_chat *c)
{
    size_t i = 0;
    if (c->chat.title && c->chat.title[0])
        return HEARTH_OK;
    while (i < c->n_messages &&
           (c->messages[i].message.role != STORE_USER || c->messages[i].message.content[0] == '\0'))
        i++;
    if (i == c->n_messages)
        return HEARTH_OK;
    const char *text = c->messages[i].message.content;
    text += strspn(text, " \t\r\n");
    size_t n = strcspn(text, "\r\n");
    if (n > MAX_TITLE_BYTES)
        n = MAX_TITLE_BYTES - utf8_incomplete_suffix(text, MAX_TITLE_BYTES);
    return import_copy(c, text, n, &c->chat.title);
}

static hearth_status keep(importer *in, import_chat *c)
{
    int64_t there = 0;
    if (c->n_messages == 0) {
        in->report->n_empty++;
        return HEARTH_OK;
    }
    if (c->chat.origin && c->chat.origin[0])
        TRY(db_number(&in->s->writer, &there, 0, &in->what,
                      "SELECT id FROM chat WHERE origin = ? AND origin <> '' AND deleted_ms = 0",
                      "t", c->chat.origin));
    if (there) {
        in->report->n_there++;
        return HEARTH_OK;
    }
    in->report->n_left_out += c->n_left_out;
    TRY(name_chat(c));
    return insert_chat(in, c);
}

/* A chat comes in whole or not at all. */
static hearth_status keep_whole(importer *in, import_chat *c)
{
    import_report before = *in->report;
    TRY(db_exec(&in->s->writer, "SAVEPOINT chat", &in->what));
    hearth_status status = keep(in, c);
    if (status != HEARTH_OK) {
        *in->report = before;
        TRY(db_exec(&in->s->writer, "ROLLBACK TO chat", NULL));
    }
    hearth_status released = db_exec(&in->s->writer, "RELEASE chat", status ? NULL : &in->what);
    return status ? status : released;
}

/* ---- one chat ---- */

/* Into the store with a chat that was read. One that cannot be read is noted, and the next one has
 * its turn. */
static hearth_status end_chat(importer *in, import_chat *c, hearth_status status)
{
    const char *title = c->chat.title ? c->chat.title : "";
    if (status == HEARTH_OK)
        status = keep_whole(in, c);
    if (status == HEARTH_OK)
        return HEARTH_OK;
    if (status != HEARTH_EFORMAT && status != HEARTH_EINVAL) {
        if (in->err)
            *in->err = in->what;
        return status;
    }
    if (in->report->n_unread++ == 0)
        snprintf(in->report->problem, sizeof in->report->problem,
                 "%.80s: chat %llu ('%.40s'): %.100s", in->name, (unsigned long long)in->n_read,
                 title, in->what.message);
    return HEARTH_OK;
}

typedef hearth_status (*import_reader)(import_chat *c, const json_t *chat);

static import_reader find_reader(const json_t *chat, const char **format)
{
    const json_t *name = json_object_get(chat, "format");
    if (json_is_string(name) && strcmp(json_string_value(name), "hearth-chat") == 0) {
        *format = "hearth";
        return import_read_hearth;
    }
    if (json_object_get(chat, "mapping")) {
        *format = "chatgpt";
        return import_read_chatgpt;
    }
    *format = "openwebui";
    return json_object_get(chat, "chat") ? import_read_webui : NULL;
}

static hearth_status import_one(importer *in, const json_t *chat)
{
    const char *format;
    import_reader read = find_reader(chat, &format);
    in->n_read++;
    if (read == NULL)
        FAIL(in->err, EFORMAT, in->name,
             "%.200s: object %llu is no chat of Hearth, ChatGPT or Open WebUI; for Jan give the "
             "folder that holds 'threads'",
             in->name, (unsigned long long)in->n_read);
    import_chat c = {.files = in->files.folder ? &in->files : NULL, .err = &in->what};
    hearth_status status = end_chat(in, &c, read(&c, chat));
    snprintf(in->report->format, sizeof in->report->format, "%s", format);
    import_chat_deinit(&c);
    return status;
}

static hearth_status import_stream(importer *in, json_source source, void *user)
{
    json_t *chat;
    hearth_status status;
    json_stream *stream = mem_alloc(sizeof *stream);
    if (stream == NULL)
        return error_no_memory(in->err, "a file", sizeof *stream);
    json_stream_init(stream, source, user, in->name, TRANSFER_MAX_CHAT_BYTES);
    while ((status = json_stream_next(stream, &chat, in->err)) == HEARTH_OK && chat) {
        status = import_one(in, chat);
        json_decref(chat);
        if (status != HEARTH_OK)
            break;
    }
    if (status == HEARTH_OK && in->n_read == 0)
        status = error_set(in->err, HEARTH_EFORMAT, in->name, "%.200s: there is no chat in it",
                           in->name);
    json_stream_deinit(stream);
    mem_free(stream);
    return status;
}

/* ---- files ---- */

typedef struct opened {
    int fd;
    const char *path;
} opened;

static hearth_status read_opened(void *user, char *out, size_t n, size_t *got, hearth_error *err)
{
    const opened *file = user;
    ssize_t n_read;
    do {
        n_read = read(file->fd, out, n);
    } while (n_read < 0 && errno == EINTR);
    if (n_read < 0)
        return error_set_errno(err, HEARTH_EIO, file->path, "cannot read '%s'", file->path);
    *got = (size_t)n_read;
    return HEARTH_OK;
}

static hearth_status open_file(opened *file, const char *path, hearth_error *err)
{
    struct stat info;
    file->path = path;
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0)
        return error_set_errno(err, errno == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO, path,
                               "cannot open '%s'", path);
    if (fstat(file->fd, &info) == 0 && S_ISREG(info.st_mode))
        return HEARTH_OK;
    close(file->fd);
    FAIL(err, EINVAL, path, "'%s' is neither a file nor a folder", path);
}

static hearth_status import_file_at(importer *in, const char *path)
{
    opened file;
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    TRY(open_file(&file, path, in->err));
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    in->files.folder = slash == path ? "/" : folder;
    hearth_status status = import_stream(in, read_opened, &file);
    import_files_deinit(&in->files);
    close(file.fd);
    return status;
}

/* ---- Jan's folders ---- */

static hearth_status read_messages(importer *in, import_chat *c, const json_t *thread,
                                   const char *path)
{
    opened file;
    hearth_error absent;
    hearth_status status = open_file(&file, path, &absent);
    if (status == HEARTH_ENOTFOUND)
        return HEARTH_OK; /* a thread in which nothing was said yet */
    if (status != HEARTH_OK) {
        in->what = absent;
        return status;
    }
    json_stream *stream = mem_alloc(sizeof *stream);
    if (stream == NULL) {
        status = error_no_memory(&in->what, "a file", sizeof *stream);
    } else {
        json_stream_init(stream, read_opened, &file, path, TRANSFER_MAX_CHAT_BYTES);
        status = import_read_jan(c, thread, stream);
        json_stream_deinit(stream);
    }
    mem_free(stream);
    close(file.fd);
    return status;
}

static hearth_status import_thread(importer *in, const char *folder)
{
    char path[PATH_MAX], *text = NULL;
    size_t n;
    json_error_t error;
    import_chat c = {.err = &in->what};
    json_t *thread = NULL;
    hearth_status status = HEARTH_OK;
    in->n_read++;
    if (snprintf(path, sizeof path, "%s/messages.jsonl", folder) >= PATH_MAX)
        FAIL(in->err, EINVAL, "path", "'%.200s' is too long for a path", folder);
    snprintf(path, sizeof path, "%.*s/thread.json", PATH_MAX - 20, folder);
    TRY_OUT(file_read_all(path, MAX_THREAD_BYTES, &text, &n, &in->what));
    thread = json_loadb(text, n, JSON_ALLOW_NUL, &error);
    if (thread == NULL)
        FAIL_OUT(&in->what, EFORMAT, path,
                 "the JSON of thread.json is wrong at line %d, column %d: %s", error.line,
                 error.column, error.text);
    snprintf(path, sizeof path, "%.*s/messages.jsonl", PATH_MAX - 20, folder);
    TRY_OUT(read_messages(in, &c, thread, path));
out:
    status = end_chat(in, &c, status);
    json_decref(thread);
    mem_free(text);
    import_chat_deinit(&c);
    return status;
}

static int no_dots(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool holds(const char *folder, const char *name)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof path, "%s/%s", folder, name) < PATH_MAX && file_exists(path);
}

static hearth_status import_threads(importer *in, const char *folder)
{
    struct dirent **entries;
    char path[PATH_MAX];
    hearth_status status = HEARTH_OK;
    int n = scandir(folder, &entries, no_dots, alphasort);
    if (n < 0)
        return error_set_errno(in->err, HEARTH_EIO, folder, "cannot read the folder '%s'", folder);
    for (int i = 0; i < n; i++) {
        bool fits = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < PATH_MAX;
        if (status == HEARTH_OK && fits && holds(path, "thread.json"))
            status = import_thread(in, path);
        free(entries[i]); /* scandir's own allocation */
    }
    free(entries);
    if (status == HEARTH_OK && in->n_read == 0)
        FAIL(in->err, EFORMAT, folder,
             "'%s' holds no threads of Jan: no folder in it has a thread.json", folder);
    return status;
}

static hearth_status import_folder(importer *in, const char *path)
{
    char threads[PATH_MAX];
    snprintf(in->report->format, sizeof in->report->format, "jan");
    if (holds(path, "thread.json"))
        return import_thread(in, path);
    if (holds(path, "threads") && snprintf(threads, sizeof threads, "%s/threads", path) < PATH_MAX)
        return import_threads(in, threads);
    if (holds(path, "conversations.json") &&
        snprintf(threads, sizeof threads, "%s/conversations.json", path) < PATH_MAX)
        return import_file_at(in, threads);
    return import_threads(in, path);
}

/* ---- the doors ---- */

/* A file of which nothing can be read is refused. */
static hearth_status end_import(importer *in, hearth_status status)
{
    const import_report *r = in->report;
    if (status == HEARTH_OK && r->n_unread && r->n_chats + r->n_there + r->n_empty == 0)
        status = error_set(in->err, HEARTH_EFORMAT, in->name, "%s", r->problem);
    return store_write_end(in->s, status, in->err);
}

hearth_status import_path(store *s, const char *path, import_report *out, hearth_error *err)
{
    struct stat info;
    importer in = {.s = s, .name = path, .report = out, .err = err};
    *out = (import_report){0};
    if (stat(path, &info) != 0)
        return error_set_errno(err, errno == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO, path,
                               "cannot open '%s'", path);
    TRY(store_write_begin(s, err));
    hearth_status status =
        S_ISDIR(info.st_mode) ? import_folder(&in, path) : import_file_at(&in, path);
    return end_import(&in, status);
}

typedef struct span {
    const char *bytes;
    size_t n;
} span;

static hearth_status read_span(void *user, char *out, size_t n, size_t *got, hearth_error *err)
{
    span *left = user;
    (void)err;
    *got = n < left->n ? n : left->n;
    memcpy(out, left->bytes, *got);
    left->bytes += *got;
    left->n -= *got;
    return HEARTH_OK;
}

hearth_status import_bytes(store *s, const char *name, const char *bytes, size_t n,
                           import_report *out, hearth_error *err)
{
    importer in = {.s = s, .name = name, .report = out, .err = err};
    span all = {bytes, n};
    *out = (import_report){0};
    TRY(store_write_begin(s, err));
    return end_import(&in, import_stream(&in, read_span, &all));
}
