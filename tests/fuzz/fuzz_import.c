/* SPDX-License-Identifier: MIT
 *
 * fuzz_import.c - any bytes as the file of each program that chats are imported from: refused with
 * a message, or a chat whose parents stand before their children.
 *
 * The readers stand alone here, without a store. For Jan the first object is thread.json.
 */
#include <stdlib.h>
#include <string.h>

#include "store/import_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

typedef struct span {
    const uint8_t *bytes;
    size_t n;
} span;

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Small pieces, so that objects span several. */
static hearth_status read_span(void *user, char *out, size_t n, size_t *got, hearth_error *err)
{
    span *left = user;
    (void)err;
    n = n < 100 ? n : 100;
    *got = n < left->n ? n : left->n;
    memcpy(out, left->bytes, *got);
    left->bytes += *got;
    left->n -= *got;
    return HEARTH_OK;
}

static void check(const import_chat *c, hearth_status status, const hearth_error *err)
{
    require(status == HEARTH_OK || err->message[0]);
    require(c->leaf <= c->n_messages || status != HEARTH_OK);
    for (size_t i = 0; i < c->n_messages; i++)
        require(c->messages[i].parent <= i);
}

static void read_with(hearth_status (*read)(import_chat *, const json_t *), const json_t *json)
{
    hearth_error err = {0};
    import_chat c = {.err = &err};
    check(&c, read(&c, json), &err);
    import_chat_deinit(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static json_stream stream;
    hearth_error err = {0};
    json_t *json;
    span all = {data, n};
    json_stream_init(&stream, read_span, &all, "file", 1 << 20);
    hearth_status status = json_stream_next(&stream, &json, &err);
    require(status == HEARTH_OK || err.message[0]);
    if (json) {
        read_with(import_read_hearth, json);
        read_with(import_read_chatgpt, json);
        read_with(import_read_webui, json);
        import_chat c = {.err = &err};
        check(&c, import_read_jan(&c, json, &stream), &err);
        import_chat_deinit(&c);
        json_decref(json);
    }
    json_stream_deinit(&stream);
    return 0;
}
