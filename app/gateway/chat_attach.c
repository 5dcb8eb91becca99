/* SPDX-License-Identifier: MIT
 *
 * chat_attach.c - see chat_attach.h.
 */
#include "gateway/chat_attach.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "gateway/remotes.h"

enum { MAX_TEXT = 64 << 20 };

/* Of a remote model nothing is known: it is asked. */
bool chat_model_sees(gateway *g, const char *model)
{
    const library_model *m;
    if (remote_is_known(g, model))
        return true;
    if (library_find(g->library, model, &m, NULL) != HEARTH_OK)
        return false;
    bool sees = (m->capabilities & LIBRARY_CAN_VISION) != 0;
    library_model_unref(m);
    return sees;
}

static bool is_image(const char *type)
{
    return strncmp(type, "image/", 6) == 0;
}

static bool is_text(const char *type)
{
    return strncmp(type, "text/", 5) == 0 || strcmp(type, "application/json") == 0 ||
           strcmp(type, "application/xml") == 0;
}

/* ---- before a message is stored ---- */

static hearth_status check_one(gateway *g, int64_t id, const char *model, bool sees,
                               hearth_error *err)
{
    buf name, type, bytes;
    buf_init(&name, 0);
    buf_init(&type, 0);
    buf_init(&bytes, MAX_TEXT);
    hearth_status status = store_attachment_read(g->store, id, &name, &type, &bytes, err);
    const char *what = type.n ? type.data : "";
    if (status == HEARTH_OK && is_image(what) && !sees)
        status =
            error_set(err, HEARTH_EUNSUPPORTED, "attachments",
                      "%.100s is a picture, and the model '%.100s' cannot see; choose one that "
                      "can, or take the picture out",
                      name.n ? name.data : "it", model);
    else if (status == HEARTH_OK && !is_image(what) && !is_text(what))
        status = error_set(err, HEARTH_EUNSUPPORTED, "attachments",
                           "%.100s is %.60s; models are shown pictures and texts",
                           name.n ? name.data : "it", what);
    else if (status == HEARTH_OK && is_text(what) && !utf8_is_valid(bytes.data, bytes.n))
        status = error_set(err, HEARTH_EUNSUPPORTED, "attachments",
                           "%.100s is not UTF-8 text; save it as UTF-8", name.n ? name.data : "it");
    buf_deinit(&name);
    buf_deinit(&type);
    buf_deinit(&bytes);
    return status;
}

hearth_status chat_attachments_check(gateway *g, const store_attachment *items, size_t n,
                                     const char *model, hearth_error *err)
{
    bool sees = n > 0 && chat_model_sees(g, model);
    for (size_t i = 0; i < n; i++)
        TRY(check_one(g, items[i].id, model, sees, err));
    return HEARTH_OK;
}

/* ---- in a prompt ---- */

static hearth_status data_url(const char *type, const buf *bytes, char **out, hearth_error *err)
{
    size_t n_head = strlen(type) + 16;
    char *url = mem_alloc(n_head + (bytes->n + 2) / 3 * 4 + 1);
    if (url == NULL)
        return error_no_memory(err, "an attachment", bytes->n);
    int at = snprintf(url, n_head, "data:%s;base64,", type);
    EVP_EncodeBlock((unsigned char *)url + at, (const unsigned char *)bytes->data, (int)bytes->n);
    *out = url;
    return HEARTH_OK;
}

/* Text goes into *text, a picture becomes a part of its own. */
static hearth_status add_bytes(const store_attachment *a, const buf *bytes, buf *text,
                               json_t *parts, hearth_error *err)
{
    char *url = NULL;
    if (is_text(a->type)) {
        bool ok = buf_append_format(text, "%s```%s\n", text->n ? "\n\n" : "", a->name) &&
                  buf_append(text, bytes->data ? bytes->data : "", bytes->n) &&
                  buf_append_text(text, "\n```");
        return ok ? HEARTH_OK : error_no_memory(err, "an attachment", bytes->n);
    }
    TRY(data_url(a->type, bytes, &url, err));
    int code = json_array_append_new(
        parts, json_pack("{s:s, s:{s:s}}", "type", "image_url", "image_url", "url", url));
    mem_free(url);
    return code == 0 ? HEARTH_OK : error_no_memory(err, "an attachment", bytes->n);
}

static hearth_status add_attachment(gateway *g, const store_attachment *a, bool sees,
                                    size_t *n_hidden, buf *text, json_t *parts, hearth_error *err)
{
    buf bytes;
    if (!is_text(a->type) && !(is_image(a->type) && sees)) {
        ++*n_hidden;
        return buf_append_format(text, "%s[%s: %s, which cannot be shown to you]",
                                 text->n ? "\n\n" : "", a->name, a->type)
                   ? HEARTH_OK
                   : error_no_memory(err, "an attachment", 0);
    }
    buf_init(&bytes, MAX_TEXT);
    hearth_status status = store_attachment_read(g->store, a->id, NULL, NULL, &bytes, err);
    if (status == HEARTH_OK)
        status = add_bytes(a, &bytes, text, parts, err);
    buf_deinit(&bytes);
    return status;
}

hearth_status chat_content_of(gateway *g, const store_message *m, bool sees, size_t *n_hidden,
                              json_t **out, hearth_error *err)
{
    buf text;
    hearth_status status = HEARTH_OK;
    json_t *parts = json_array();
    buf_init(&text, MAX_TEXT);
    if (!buf_append_text(&text, m->content))
        status = error_no_memory(err, "a message", strlen(m->content));
    for (size_t i = 0; i < m->n_attachments && status == HEARTH_OK; i++)
        status = add_attachment(g, &m->attachments[i], sees, n_hidden, &text, parts, err);
    if (status == HEARTH_OK) {
        json_t *whole = json_stringn(text.n ? text.data : "", text.n);
        if (json_array_size(parts) == 0 || whole == NULL) {
            *out = whole;
        } else {
            json_array_insert_new(parts, 0, json_pack("{s:s, s:o}", "type", "text", "text", whole));
            *out = json_incref(parts);
        }
        if (*out == NULL)
            status = error_set(err, HEARTH_EFORMAT, "attachments", "an attachment is not UTF-8");
    }
    json_decref(parts);
    buf_deinit(&text);
    return status;
}
