/* SPDX-License-Identifier: MIT
 *
 * event_stream.c - GET /hearth/events: the bus as server-sent events.
 */
#include <inttypes.h>
#include <string.h>

#include <hearth/hearth.h>

#include "base/mem.h"
#include "gateway/handlers.h"
#include "runtime/events.h"

enum { QUEUE_MAX = 256, EVENTS_PING_MS = 15000 };

typedef struct event_stream {
    event_subscriber *subscriber;
    bool greeted;
} event_stream;

static bool append_event(const event *e, buf *out)
{
    if (e->lost > 0 &&
        !buf_append_format(out, "event: lost\ndata: {\"n\":%" PRIu64 "}\n\n", e->lost))
        return false;
    return buf_append_format(out, "id: %" PRIu64 "\nevent: %s\ndata: ", e->seq, e->name) &&
           buf_append(out, e->text, e->n_text) && buf_append_text(out, "\n\n");
}

static http_pull pull(void *user, int timeout_ms, bool ending, buf *out)
{
    event_stream *s = user;
    event e;
    if (ending)
        return HTTP_PULL_END;
    if (!s->greeted) {
        s->greeted = true;
        return buf_append_format(out, "event: hello\ndata: {\"version\":\"%s\"}\n\n",
                                 hearth_version())
                   ? HTTP_PULL_MORE
                   : HTTP_PULL_FAIL;
    }
    if (events_next(s->subscriber, (uint32_t)timeout_ms, &e) && !append_event(&e, out))
        return HTTP_PULL_FAIL;
    return HTTP_PULL_MORE;
}

static void close_stream(void *user)
{
    event_stream *s = user;
    events_unsubscribe(s->subscriber);
    mem_free(s);
}

/* "a,b" as bits. */
static hearth_status read_types(const char *text, uint32_t *mask, hearth_error *err)
{
    *mask = 0;
    while (*text) {
        size_t n = strcspn(text, ",");
        int found = -1;
        for (int i = 0; i < EVENT_N_TYPES; i++) {
            if (strlen(event_name(i)) == n && memcmp(event_name(i), text, n) == 0)
                found = i;
        }
        if (found < 0)
            FAIL(err, EINVAL, "types", "?types=: there is no event '%.*s'", (int)(n < 40 ? n : 40),
                 text);
        *mask |= EVENT_BIT(found);
        text += n + (text[n] == ',');
    }
    return HEARTH_OK;
}

hearth_status serve_events_stream(gateway_call *c, hearth_error *err)
{
    const char *types = http_request_query(c->q, "types");
    uint32_t mask = EVENT_ALL & ~EVENT_BIT(EVENT_TELEMETRY);
    if (types && *types)
        TRY(read_types(types, &mask, err));
    event_stream *s = mem_calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err, "a stream", sizeof *s);
    hearth_status status = events_subscribe(&s->subscriber, c->g->bus, mask, QUEUE_MAX, err);
    if (status != HEARTH_OK) {
        mem_free(s);
        return status;
    }
    const http_stream stream = {
        .pull = pull, .close = close_stream, .user = s, .ping_ms = EVENTS_PING_MS};
    http_reply_stream(c->reply, HTTP_EVENT_STREAM, &stream);
    return HEARTH_OK;
}
