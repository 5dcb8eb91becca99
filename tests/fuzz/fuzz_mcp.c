/* SPDX-License-Identifier: MIT
 *
 * fuzz_mcp.c - what others write of tool servers: an mcpServers object, and the events that a
 * server at an address sends, which come out the same however they were cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "http/sse.h"
#include "mcp/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_config(const char *text)
{
    mcp_config c;
    hearth_error err = {0};
    if (mcp_config_read(&c, text, &err) != HEARTH_OK) {
        require(err.message[0] != '\0');
        return;
    }
    for (size_t i = 0; i < c.n_servers; i++) {
        const mcp_server_config *s = &c.servers[i];
        require((s->url != NULL) != (s->argv != NULL));
        for (size_t k = 0; k < s->n_headers; k++)
            require(strpbrk(s->headers[k], "\r\n") == NULL && strchr(s->headers[k], ':'));
    }
    mcp_config_deinit(&c);
}

/* All events, with their ids, as one text. */
static void read_events(const uint8_t *data, size_t n, size_t step, buf *out)
{
    sse_reader r;
    sse_event event;
    sse_init(&r, 1 << 20);
    for (size_t at = 0; at < n; at += step) {
        require(buf_append(sse_input(&r), data + at, n - at < step ? n - at : step));
        while (sse_next(&r, &event)) {
            buf_append_text(out, event.id);
            buf_append(out, "\n", 1);
            buf_append(out, event.data, event.n_data);
        }
    }
    sse_deinit(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    buf whole, pieces;
    char *text = n < 1 << 20 ? mem_dup((const char *)data, n) : NULL;
    if (text == NULL)
        return 0;
    check_config(text);
    mem_free(text);
    buf_init(&whole, 0);
    buf_init(&pieces, 0);
    read_events(data, n, n, &whole);
    read_events(data, n, 1, &pieces);
    require(whole.n == pieces.n && (whole.n == 0 || memcmp(whole.data, pieces.data, whole.n) == 0));
    buf_deinit(&whole);
    buf_deinit(&pieces);
    return 0;
}
