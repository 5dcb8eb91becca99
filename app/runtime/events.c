/* SPDX-License-Identifier: MIT
 *
 * events.c - see events.h.
 *
 * One lock for the bus and all queues: an event is a pointer in a ring, so it is held for a moment.
 * Texts are counted by the rings that hold them.
 */
#include "runtime/events.h"

#include <string.h>

#include "base/mem.h"
#include "os/clock.h"
#include "os/thread.h"

typedef struct shared_text {
    size_t n_refs; /* under the bus's lock */
    event_type type;
    uint64_t seq;
    size_t n;
    char *text;
} shared_text;

struct event_subscriber {
    events *bus;
    event_subscriber *next;
    uint32_t mask;
    size_t max_queued, first, n;
    uint64_t lost;        /* before the one at `first` */
    shared_text *current; /* what events_next gave out */
    shared_text *queue[];
};

struct events {
    monitor m;
    uint64_t seq;
    event_subscriber *subscribers;
};

const char *event_name(event_type type)
{
    static const char *const names[] = {
#define EVENTS_X(constant, name) name,
        EVENTS_MAP(EVENTS_X)
#undef EVENTS_X
    };
    return names[type];
}

hearth_status events_new(events **out, hearth_error *err)
{
    events *bus = mem_calloc(1, sizeof *bus);
    if (bus == NULL)
        return error_no_memory(err, "events", sizeof *bus);
    monitor_init(&bus->m);
    *out = bus;
    return HEARTH_OK;
}

void events_free(events *bus)
{
    if (bus)
        monitor_deinit(&bus->m);
    mem_free(bus);
}

/* Locked. */
static void text_unref(shared_text *t)
{
    if (t && --t->n_refs == 0) {
        mem_free(t->text);
        mem_free(t);
    }
}

/* NULL: out of memory. The text is of jansson's own allocator, so it is copied. */
static shared_text *text_new(event_type type, json_t *payload)
{
    shared_text *t = mem_calloc(1, sizeof *t);
    char *dumped = payload && t ? json_dumps(payload, JSON_COMPACT) : NULL;
    if (dumped) {
        *t = (shared_text){.n_refs = 1, .type = type, .n = strlen(dumped)};
        t->text = mem_dup(dumped, t->n);
    }
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(dumped);
    if (t && t->text == NULL) {
        mem_free(t);
        t = NULL;
    }
    return t;
}

/* Locked. t NULL: could not be made. */
static void deliver(event_subscriber *s, shared_text *t)
{
    if (t == NULL) {
        s->lost++;
        return;
    }
    if (s->n == s->max_queued) {
        text_unref(s->queue[s->first]);
        s->first = (s->first + 1) % s->max_queued;
        s->n--;
        s->lost++;
    }
    s->queue[(s->first + s->n++) % s->max_queued] = t;
    t->n_refs++;
}

void events_send(events *bus, event_type type, json_t *payload)
{
    if (bus) {
        shared_text *t = events_wanted(bus, type) ? text_new(type, payload) : NULL;
        monitor_lock(&bus->m);
        uint64_t seq = ++bus->seq;
        if (t)
            t->seq = seq;
        for (event_subscriber *s = bus->subscribers; s; s = s->next) {
            if (s->mask & EVENT_BIT(type))
                deliver(s, t);
        }
        text_unref(t);
        monitor_wake(&bus->m);
        monitor_unlock(&bus->m);
    }
    json_decref(payload);
}

bool events_wanted(events *bus, event_type type)
{
    bool wanted = false;
    if (bus == NULL)
        return false;
    monitor_lock(&bus->m);
    for (const event_subscriber *s = bus->subscribers; s && !wanted; s = s->next)
        wanted = (s->mask & EVENT_BIT(type)) != 0;
    monitor_unlock(&bus->m);
    return wanted;
}

hearth_status events_subscribe(event_subscriber **out, events *bus, uint32_t mask,
                               size_t max_queued, hearth_error *err)
{
    enum { MOST = 1 << 16 };
    if (max_queued == 0 || max_queued > MOST)
        FAIL(err, EINVAL, "events", "a queue of %zu events: 1 to %d are possible", max_queued,
             MOST);
    const size_t n_bytes = sizeof(event_subscriber) + max_queued * sizeof(shared_text *);
    event_subscriber *s = mem_calloc(1, n_bytes);
    if (s == NULL)
        return error_no_memory(err, "a queue of events", n_bytes);
    s->bus = bus;
    s->mask = mask;
    s->max_queued = max_queued;
    monitor_lock(&bus->m);
    s->next = bus->subscribers;
    bus->subscribers = s;
    monitor_unlock(&bus->m);
    *out = s;
    return HEARTH_OK;
}

bool events_next(event_subscriber *s, uint32_t timeout_ms, event *out)
{
    const uint64_t end = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    monitor_lock(&s->bus->m);
    text_unref(s->current);
    s->current = NULL;
    for (uint64_t now; s->n == 0 && (now = clock_now_ns()) < end;)
        monitor_wait(&s->bus->m, (int64_t)(end - now));
    if (s->n > 0) {
        const shared_text *t = s->current = s->queue[s->first];
        s->first = (s->first + 1) % s->max_queued;
        s->n--;
        *out = (event){t->type, t->seq, event_name(t->type), t->text, t->n, s->lost};
        s->lost = 0;
    }
    const bool found = s->current != NULL;
    monitor_unlock(&s->bus->m);
    return found;
}

void events_unsubscribe(event_subscriber *s)
{
    if (s == NULL)
        return;
    monitor_lock(&s->bus->m);
    event_subscriber **at = &s->bus->subscribers;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    text_unref(s->current);
    for (; s->n > 0; s->n--, s->first = (s->first + 1) % s->max_queued)
        text_unref(s->queue[s->first]);
    monitor_unlock(&s->bus->m);
    mem_free(s);
}
