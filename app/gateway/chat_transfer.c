/* SPDX-License-Identifier: MIT
 *
 * chat_transfer.c - handlers of export and import.
 */
#include <string.h>

#include "gateway/chat_json.h"
#include "gateway/handlers.h"
#include "store/transfer.h"

static hearth_status append(void *out, const char *bytes, size_t n, hearth_error *err)
{
    return buf_append(out, bytes, n) ? HEARTH_OK : error_no_memory(err, "an export", n);
}

hearth_status serve_chats_export(gateway_call *c, hearth_error *err)
{
    int64_t id;
    const char *format = http_request_query(c->q, "format");
    TRY(call_id(c, &id, err));
    if (format && strcmp(format, "json") == 0)
        return export_json(c->g->store, &id, 1, append, &c->reply->body, err);
    if (format && *format && strcmp(format, "md") != 0)
        FAIL(err, EINVAL, "format", "?format=%.20s: give md or json", format);
    c->reply->content_type = "text/markdown; charset=utf-8";
    return export_markdown(c->g->store, id, append, &c->reply->body, err);
}

hearth_status serve_export(gateway_call *c, hearth_error *err)
{
    return export_json(c->g->store, NULL, 0, append, &c->reply->body, err);
}

hearth_status serve_chats_import(gateway_call *c, hearth_error *err)
{
    const char *path = NULL, *data = NULL, *name = "the data";
    size_t n = 0;
    import_report report;
    TRY(call_unpack(c, err, "{s?:s, s?:s%, s?:s}", "path", &path, "data", &data, &n, "name",
                    &name));
    if (!path == !data)
        FAIL(err, EINVAL, "data",
             "give either 'data', the text of a file, or 'path', a file or "
             "folder of this machine");
    TRY(path ? import_path(c->g->store, path, &report, err)
             : import_bytes(c->g->store, name, data, n, &report, err));
    return call_json(c,
                     json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "format",
                               report.format, "chats", (json_int_t)report.n_chats, "messages",
                               (json_int_t)report.n_messages, "attachments",
                               (json_int_t)report.n_attachments, "there",
                               (json_int_t)report.n_there, "empty", (json_int_t)report.n_empty,
                               "left_out", (json_int_t)report.n_left_out, "unread",
                               (json_int_t)report.n_unread, "problem", report.problem),
                     err);
}
