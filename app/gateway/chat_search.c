/* SPDX-License-Identifier: MIT
 *
 * chat_search.c - handlers of the search in all chats, and of attachments.
 */
#include <string.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "gateway/chat_json.h"
#include "gateway/handlers.h"
#include "store/search.h"

enum { ATTACHMENT_MAX = 64 << 20 };

/* ---- search ---- */

/* How many UTF-16 units n bytes of UTF-8 are: what a page counts in. */
static size_t utf16_units(const char *text, size_t n)
{
    size_t units = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        units += (c & 0xc0) != 0x80;
        units += c >= 0xf0;
    }
    return units;
}

static json_t *marks_of(const search_hit *hit)
{
    json_t *all = json_array();
    for (size_t i = 0; i < hit->n_marks; i++) {
        const search_mark *m = &hit->marks[i];
        json_array_append_new(all,
                              json_pack("[I, I]", (json_int_t)utf16_units(hit->snippet, m->start),
                                        (json_int_t)utf16_units(hit->snippet + m->start, m->n)));
    }
    return all;
}

static json_t *hit_json(const search_hit *hit)
{
    return json_pack("{s:I, s:I, s:s, s:s, s:s, s:o, s:I, s:f, s:b, s:b}", "chat_id",
                     (json_int_t)hit->chat, "message_id", (json_int_t)hit->message, "title",
                     hit->title, "role", store_role_name(hit->role), "snippet", hit->snippet,
                     "marks", marks_of(hit), "created_ms", (json_int_t)hit->created_ms, "score",
                     hit->score, "by_words", (int)hit->by_words, "by_meaning",
                     (int)hit->by_meaning);
}

static hearth_status read_query(gateway_call *c, search_query *query, hearth_error *err)
{
    const char *role = http_request_query(c->q, "role");
    int64_t limit, chat;
    store_role found;
    const char *text = http_request_query(c->q, "q");
    *query = (search_query){.text = text ? text : "",
                            .any_word = call_query_flag(c, "any_word"),
                            .as_typed = call_query_flag(c, "as_typed"),
                            .model = http_request_query(c->q, "model"),
                            .folder = http_request_query(c->q, "folder"),
                            .tag = http_request_query(c->q, "tag")};
    TRY(call_query_number(c, "limit", 20, &limit, err));
    TRY(call_query_number(c, "chat", 0, &chat, err));
    TRY(call_query_number(c, "from_ms", 0, &query->from_ms, err));
    TRY(call_query_number(c, "to_ms", 0, &query->to_ms, err));
    query->limit = limit < SEARCH_MAX_RESULTS ? (uint32_t)limit : SEARCH_MAX_RESULTS;
    query->chat = chat;
    if (role && *role) {
        if (!store_role_find(role, &found))
            FAIL(err, EINVAL, "role", "?role=%.20s: give user, assistant, system or tool", role);
        query->roles = 1u << found;
    }
    return HEARTH_OK;
}

hearth_status serve_search_chats(gateway_call *c, hearth_error *err)
{
    search_query query;
    search_hits hits;
    TRY(read_query(c, &query, err));
    TRY(search_find(c->g->store, &query, &hits, err));
    json_t *all = json_array();
    for (size_t i = 0; i < hits.n; i++)
        json_array_append_new(all, hit_json(&hits.items[i]));
    bool more = hits.more;
    search_hits_free(&hits);
    return call_json(c, json_pack("{s:o, s:b}", "hits", all, "more", (int)more), err);
}

/* ---- attachments ---- */

static hearth_status decode(const char *text, size_t n, unsigned char **out, size_t *n_out,
                            hearth_error *err)
{
    if (n % 4 != 0 || n / 4 * 3 > ATTACHMENT_MAX)
        FAIL(err, EINVAL, "data", "data: give at most %d MiB in base64, padded with '='",
             (int)(ATTACHMENT_MAX >> 20));
    unsigned char *bytes = mem_alloc(n / 4 * 3 + 1);
    if (bytes == NULL)
        return error_no_memory(err, "an attachment", n);
    int got = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n);
    if (got < 0) {
        mem_free(bytes);
        FAIL(err, EINVAL, "data", "data: is not base64");
    }
    /* The padding is decoded as zeros. */
    size_t padding = n > 1 ? (size_t)(text[n - 1] == '=') + (text[n - 2] == '=') : 0;
    *out = bytes;
    *n_out = (size_t)got - padding;
    return HEARTH_OK;
}

hearth_status serve_attachments_add(gateway_call *c, hearth_error *err)
{
    const char *name, *type, *data;
    size_t n_data, n_bytes = 0;
    unsigned char *bytes = NULL;
    int64_t id;
    TRY(call_unpack(c, err, "{s:s, s:s, s:s%}", "name", &name, "type", &type, "data", &data,
                    &n_data));
    TRY(decode(data, n_data, &bytes, &n_bytes, err));
    hearth_status status = store_attachment_add(c->g->store, name, type, bytes, n_bytes, &id, err);
    mem_free(bytes);
    TRY(status);
    return call_json(c,
                     json_pack("{s:I, s:s, s:s, s:I}", "id", (json_int_t)id, "name", name, "type",
                               type, "size_bytes", (json_int_t)n_bytes),
                     err);
}

/* Types that a browser only shows. Anything else is handed out as bytes: it would run with this
 * server's address. */
static const char *safe_type(const char *type)
{
    static const char *const types[] = {"image/png",  "image/jpeg", "image/gif", "image/webp",
                                        "audio/wav",  "audio/mpeg", "audio/ogg", "audio/webm",
                                        "video/webm", "video/mp4"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(type, types[i]) == 0)
            return types[i];
    }
    return strncmp(type, "text/", 5) == 0 ? "text/plain; charset=utf-8"
                                          : "application/octet-stream";
}

hearth_status serve_attachments_get(gateway_call *c, hearth_error *err)
{
    int64_t id;
    buf type;
    TRY(call_id(c, &id, err));
    buf_init(&type, 0);
    hearth_status status =
        store_attachment_read(c->g->store, id, NULL, &type, &c->reply->body, err);
    if (status == HEARTH_OK) {
        c->reply->content_type = safe_type(type.n > 0 ? type.data : "");
        http_reply_header(c->reply, "Content-Security-Policy", "default-src 'none'; sandbox");
        http_reply_header(c->reply, "Cross-Origin-Resource-Policy", "same-origin");
    }
    buf_deinit(&type);
    return status;
}
