/* SPDX-License-Identifier: MIT
 *
 * events.h - what happens in the program, told to whoever listens: the gateway's SSE stream, tests.
 *
 * What     A bus. Senders hand over a JSON object and never wait; every subscriber has a bounded
 *          queue of its own. A subscriber that does not keep up loses the oldest events and is told
 *          how many (`lost`), so that it can ask for the whole state again.
 * Payload  One serialized text per event, shared by all queues. Fields by type are in EVENTS_MAP.
 * Threads  Thread-safe. A subscriber belongs to one thread at a time. All subscribers are closed
 *          before the bus is freed.
 */
#ifndef HEARTH_RUNTIME_EVENTS_H
#define HEARTH_RUNTIME_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* X(CONSTANT, name). All payloads are objects. "model" is a model's id; of a download "id" is the
 * downloader's own key for it. An "error" is {code, message, log}.
 *
 *   model:progress      model, state ("planning", "waiting", "starting"), progress (0 to 1 or null)
 *   model:loaded        model, kind, generation, load_ms, plan
 *   model:unloaded      model, generation, reason: "idle", "room" (for another), "asked",
 *                       "settings" (changed), "unwanted" (nobody waited any more), "shutdown"
 *   model:failed        model, error
 *   engine:crashed      model, generation, error, retry_ms (null: it is not tried again)
 *   download:started    id, file, total (null: unknown)
 *   download:progress   id, file, transferred, total
 *   download:success    id, file
 *   download:error      id, file, message
 *   download:stopped    id, file
 *   validation:started  id, file
 *   validation:success  id, file
 *   validation:failed   id, file, message, expected, actual
 *   library:changed     model (null: several), change ("added", "removed", "edited")
 *   telemetry           one sample as runtime_telemetry has them */
#define EVENTS_MAP(X)                                                                              \
    X(MODEL_PROGRESS, "model:progress")                                                            \
    X(MODEL_LOADED, "model:loaded")                                                                \
    X(MODEL_UNLOADED, "model:unloaded")                                                            \
    X(MODEL_FAILED, "model:failed")                                                                \
    X(ENGINE_CRASHED, "engine:crashed")                                                            \
    X(DOWNLOAD_STARTED, "download:started")                                                        \
    X(DOWNLOAD_PROGRESS, "download:progress")                                                      \
    X(DOWNLOAD_SUCCESS, "download:success")                                                        \
    X(DOWNLOAD_ERROR, "download:error")                                                            \
    X(DOWNLOAD_STOPPED, "download:stopped")                                                        \
    X(VALIDATION_STARTED, "validation:started")                                                    \
    X(VALIDATION_SUCCESS, "validation:success")                                                    \
    X(VALIDATION_FAILED, "validation:failed")                                                      \
    X(LIBRARY_CHANGED, "library:changed")                                                          \
    X(TELEMETRY, "telemetry")

typedef enum event_type {
#define EVENTS_X(constant, name) EVENT_##constant,
    EVENTS_MAP(EVENTS_X)
#undef EVENTS_X
        EVENT_N_TYPES
} event_type;

#define EVENT_BIT(type) (UINT32_C(1) << (type))
#define EVENT_ALL ((UINT32_C(1) << EVENT_N_TYPES) - 1)

typedef struct events events;
typedef struct event_subscriber event_subscriber;

const char *event_name(event_type type);

hearth_status events_new(events **out, hearth_error *err);
void events_free(events *bus);

/* Takes payload, also NULL (what was to be told could not be built for want of memory: nothing is
 * sent, and every subscriber counts it as lost). Any thread; never blocks on a subscriber. bus may
 * be NULL: payload is dropped. */
void events_send(events *bus, event_type type, json_t *payload);

/* Whether anybody listens for the type: what is costly to find out need not be found out. */
bool events_wanted(events *bus, event_type type);

typedef struct event {
    event_type type;
    uint64_t seq;     /* rises by one with every event of the bus, also those not subscribed to */
    const char *name; /* "model:loaded" */
    const char *text; /* the payload; borrowed until the next call on the subscriber */
    size_t n_text;
    uint64_t lost; /* events that had to be dropped just before this one */
} event;

/* mask: EVENT_BITs. max_queued: at least 1. */
hearth_status events_subscribe(event_subscriber **out, events *bus, uint32_t mask,
                               size_t max_queued, hearth_error *err);
/* Waits at most timeout_ms (0: looks only); false if nothing came. */
bool events_next(event_subscriber *subscriber, uint32_t timeout_ms, event *out);
void events_unsubscribe(event_subscriber *subscriber); /* NULL is fine */

#endif
