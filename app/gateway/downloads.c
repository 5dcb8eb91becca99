/* SPDX-License-Identifier: MIT
 *
 * downloads.c - see downloads.h, and its handlers.
 */
#include "gateway/downloads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/handlers.h"

typedef struct entry {
    downloads *all;
    download *d; /* NULL: a free place */
    uint64_t id;
    char text[24]; /* the id, for events */
} entry;

struct downloads {
    gateway *g;
    pthread_mutex_t lock; /* of the entries, and of calls on a download that one could free */
    uint64_t last_id;
    entry entries[DOWNLOADS_MAX];
};

hearth_status downloads_new(downloads **out, gateway *g, hearth_error *err)
{
    downloads *all = mem_calloc(1, sizeof *all);
    *out = all;
    if (all == NULL)
        return error_no_memory(err, "downloads", sizeof *all);
    all->g = g;
    pthread_mutex_init(&all->lock, NULL);
    return HEARTH_OK;
}

void downloads_free(downloads *all)
{
    if (all == NULL)
        return;
    for (size_t i = 0; i < DOWNLOADS_MAX; i++)
        download_free(all->entries[i].d);
    pthread_mutex_destroy(&all->lock);
    mem_free(all);
}

/* ---- events ---- */

static void on_event(void *user, const download_event *e)
{
    static const int types[] = {[DOWNLOAD_STARTED] = EVENT_DOWNLOAD_STARTED,
                                [DOWNLOAD_PROGRESS] = EVENT_DOWNLOAD_PROGRESS,
                                [DOWNLOAD_PAUSED] = EVENT_DOWNLOAD_PROGRESS,
                                [DOWNLOAD_RESUMED] = EVENT_DOWNLOAD_PROGRESS,
                                [DOWNLOAD_VALIDATION_STARTED] = EVENT_VALIDATION_STARTED,
                                [DOWNLOAD_VALIDATION_FAILED] = EVENT_VALIDATION_FAILED,
                                [DOWNLOAD_SUCCESS] = EVENT_DOWNLOAD_SUCCESS,
                                [DOWNLOAD_ERROR] = EVENT_DOWNLOAD_ERROR,
                                [DOWNLOAD_STOPPED] = EVENT_DOWNLOAD_STOPPED};
    entry *at = user;
    events *bus = at->all->g->bus;
    json_t *payload = json_pack("{s:s, s:s, s:s, s:I, s:o, s:I}", "id", at->text, "model", e->model,
                                "file", e->file, "transferred", (json_int_t)e->transferred, "total",
                                e->total ? json_integer((json_int_t)e->total) : json_null(),
                                "bytes_per_second", (json_int_t)e->bytes_per_second);
    if (e->kind == DOWNLOAD_ERROR || e->kind == DOWNLOAD_VALIDATION_FAILED)
        json_object_set_new(payload, "message", json_string(e->error.message));
    if (e->kind == DOWNLOAD_VALIDATION_FAILED) {
        json_object_set_new(payload, "expected", json_string(e->expected));
        json_object_set_new(payload, "actual", json_string(e->actual));
    }
    events_send(bus, types[e->kind], payload);
    if (e->kind == DOWNLOAD_SUCCESS)
        events_send(bus, EVENT_LIBRARY_CHANGED,
                    json_pack("{s:s, s:s}", "model", e->model, "change", "added"));
}

/* ---- the list ---- */

static bool has_ended(const entry *e)
{
    download_status status;
    download_get_status(e->d, &status);
    return status.state != DOWNLOAD_IS_RUNNING && status.state != DOWNLOAD_IS_PAUSED;
}

/* A free place, made of the oldest download that has ended if need be. */
static entry *free_place(downloads *all)
{
    entry *oldest = NULL;
    for (size_t i = 0; i < DOWNLOADS_MAX; i++) {
        entry *e = &all->entries[i];
        if (e->d == NULL)
            return e;
        if (has_ended(e) && (oldest == NULL || e->id < oldest->id))
            oldest = e;
    }
    if (oldest) {
        download_free(oldest->d);
        oldest->d = NULL;
    }
    return oldest;
}

hearth_status downloads_start(downloads *all, const pull_options *options, uint64_t *id,
                              hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    pull_options mine = *options;
    pthread_mutex_lock(&all->lock);
    entry *e = free_place(all);
    if (e == NULL)
        FAIL_OUT(err, EBUSY, "pull", "%d downloads are running; wait for one to end",
                 (int)DOWNLOADS_MAX);
    e->all = all;
    e->id = ++all->last_id;
    snprintf(e->text, sizeof e->text, "%" PRIu64, e->id);
    mine.on_event = on_event;
    mine.user = e;
    mine.log = all->g->host->log;
    status = download_start(&e->d, all->g->library, &mine, err);
    if (status != HEARTH_OK)
        e->d = NULL;
    *id = e->id;
out:
    pthread_mutex_unlock(&all->lock);
    return status;
}

static entry *find_entry(downloads *all, uint64_t id)
{
    for (size_t i = 0; i < DOWNLOADS_MAX; i++) {
        if (all->entries[i].d && all->entries[i].id == id)
            return &all->entries[i];
    }
    return NULL;
}

static hearth_status no_such(uint64_t id, hearth_error *err)
{
    FAIL(err, ENOTFOUND, "id", "there is no download %" PRIu64, id);
}

hearth_status downloads_status(downloads *all, uint64_t id, download_status *out, hearth_error *err)
{
    pthread_mutex_lock(&all->lock);
    entry *e = find_entry(all, id);
    if (e)
        download_get_status(e->d, out);
    pthread_mutex_unlock(&all->lock);
    return e ? HEARTH_OK : no_such(id, err);
}

void downloads_cancel(downloads *all, uint64_t id, bool discard)
{
    pthread_mutex_lock(&all->lock);
    entry *e = find_entry(all, id);
    if (e)
        download_cancel(e->d, discard);
    pthread_mutex_unlock(&all->lock);
}

/* ---- handlers ---- */

static json_t *describe(const char *id, const download_status *s)
{
    static const char *const states[] = {[DOWNLOAD_IS_RUNNING] = "running",
                                         [DOWNLOAD_IS_PAUSED] = "paused",
                                         [DOWNLOAD_IS_DONE] = "done",
                                         [DOWNLOAD_IS_FAILED] = "failed",
                                         [DOWNLOAD_IS_STOPPED] = "stopped"};
    json_t *error =
        s->state == DOWNLOAD_IS_FAILED ? gateway_failure_json(&s->error, NULL) : json_null();
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:o, s:I, s:b, s:o}", "id", id, "model", s->model, "reference",
        s->reference, "state", states[s->state], "transferred", (json_int_t)s->transferred, "total",
        s->total ? json_integer((json_int_t)s->total) : json_null(), "bytes_per_second",
        (json_int_t)s->bytes_per_second, "validating", (int)s->validating, "error", error);
}

static hearth_status answer_download(gateway_call *c, uint64_t id, hearth_error *err)
{
    download_status s;
    char text[24];
    TRY(downloads_status(c->g->downloads, id, &s, err));
    snprintf(text, sizeof text, "%" PRIu64, id);
    return call_json(c, describe(text, &s), err);
}

hearth_status serve_pull_list(gateway_call *c, hearth_error *err)
{
    downloads *all = c->g->downloads;
    json_t *list = json_array();
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < DOWNLOADS_MAX; i++) {
        download_status s;
        if (all->entries[i].d == NULL)
            continue;
        download_get_status(all->entries[i].d, &s);
        json_array_append_new(list, describe(all->entries[i].text, &s));
    }
    pthread_mutex_unlock(&all->lock);
    return call_json(c, json_pack("{s:o}", "downloads", list), err);
}

hearth_status serve_pull_start(gateway_call *c, hearth_error *err)
{
    pull_options options = {0};
    int mmproj = 1;
    uint64_t id;
    TRY(call_unpack(c, err, "{s:s, s?:s, s?:s, s?:b}", "reference", &options.reference, "name",
                    &options.name, "sha256", &options.sha256, "mmproj", &mmproj));
    options.no_mmproj = !mmproj;
    TRY(downloads_start(c->g->downloads, &options, &id, err));
    return answer_download(c, id, err);
}

/* The download that the body names, with the lock held on OK. */
static hearth_status lock_entry(gateway_call *c, int *discard, entry **out, hearth_error *err)
{
    downloads *all = c->g->downloads;
    const char *text;
    char *end;
    TRY(discard ? call_unpack(c, err, "{s:s, s?:b}", "id", &text, "discard", discard)
                : call_unpack(c, err, "{s:s}", "id", &text));
    uint64_t id = strtoull(text, &end, 10);
    if (*end != '\0')
        FAIL(err, EINVAL, "id", "id: '%.40s' is not the number of a download", text);
    pthread_mutex_lock(&all->lock);
    *out = find_entry(all, id);
    if (*out)
        return HEARTH_OK;
    pthread_mutex_unlock(&all->lock);
    return no_such(id, err);
}

static hearth_status change(gateway_call *c, void (*fn)(download *), hearth_error *err)
{
    entry *e;
    TRY(lock_entry(c, NULL, &e, err));
    uint64_t id = e->id;
    fn(e->d);
    pthread_mutex_unlock(&c->g->downloads->lock);
    return answer_download(c, id, err);
}

hearth_status serve_pull_pause(gateway_call *c, hearth_error *err)
{
    return change(c, download_pause, err);
}

hearth_status serve_pull_resume(gateway_call *c, hearth_error *err)
{
    return change(c, download_resume, err);
}

hearth_status serve_pull_cancel(gateway_call *c, hearth_error *err)
{
    entry *e;
    int discard = 0;
    TRY(lock_entry(c, &discard, &e, err));
    uint64_t id = e->id;
    download_cancel(e->d, discard != 0);
    pthread_mutex_unlock(&c->g->downloads->lock);
    return answer_download(c, id, err);
}
