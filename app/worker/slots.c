/* SPDX-License-Identifier: MIT
 *
 * slots.c - see slots.h; and the route /slots/N.
 */
#include "worker/slots.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "os/clock.h"

static uint32_t n_slots(const worker *w)
{
    return hearth_engine_get_plan(w->engine)->n_parallel;
}

hearth_status slots_init(worker *w, hearth_error *err)
{
    w->texts = mem_calloc(n_slots(w), sizeof *w->texts);
    return w->texts ? HEARTH_OK : error_no_memory(err, "the slots", n_slots(w) * sizeof *w->texts);
}

void slots_deinit(worker *w)
{
    for (uint32_t i = 0; w->texts && i < n_slots(w); i++)
        hearth_text_free(w->texts[i]);
    mem_free(w->texts);
}

/* ---- the table ---- */

/* Takes the text. */
static void set_text(worker *w, uint32_t slot, hearth_text *text)
{
    pthread_mutex_lock(&w->lock);
    hearth_text *before = w->texts[slot];
    w->texts[slot] = text;
    pthread_mutex_unlock(&w->lock);
    hearth_text_free(before);
}

/* hearth_text_free it. NULL: there is none yet. */
static hearth_text *get_text(worker *w, uint32_t slot)
{
    pthread_mutex_lock(&w->lock);
    hearth_text *text = w->texts[slot] ? hearth_text_ref(w->texts[slot]) : NULL;
    pthread_mutex_unlock(&w->lock);
    return text;
}

hearth_status slots_keep(worker *w, int32_t slot, const hearth_request *r, hearth_error *err)
{
    hearth_text *text;
    if (w->flags->slot_save_path == NULL)
        return HEARTH_OK;
    TRY(hearth_request_text(r, &text, err));
    set_text(w, (uint32_t)slot, text);
    return HEARTH_OK;
}

/* ---- the route ---- */

typedef struct slot_call {
    worker *w;
    uint32_t slot;
    char path[PATH_MAX];
    slot_file_result result;
} slot_call;

static hearth_status save(slot_call *s, hearth_error *err)
{
    hearth_text_counts counts = {0};
    hearth_text *text = get_text(s->w, s->slot);
    if (text == NULL)
        FAIL(err, EINVAL, "slot", "slot %u has no text yet; ask something with \"id_slot\": %u",
             (unsigned)s->slot, (unsigned)s->slot);
    hearth_status status = hearth_engine_save(s->w->engine, text, s->path, &counts, err);
    s->result.n_tokens = counts.n_tokens;
    s->result.n_bytes = counts.n_bytes;
    hearth_text_free(text);
    return status;
}

static hearth_status restore(slot_call *s, hearth_error *err)
{
    hearth_text *text;
    hearth_text_counts counts = {0};
    TRY(hearth_engine_load(s->w->engine, s->path, &text, &counts, err));
    s->result.n_tokens = counts.n_tokens;
    s->result.n_bytes = counts.n_bytes;
    set_text(s->w, s->slot, text);
    return HEARTH_OK;
}

/* Of a slot that nobody used nothing is erased, as llama-server has it. */
static hearth_status erase(slot_call *s, hearth_error *err)
{
    hearth_text *text = get_text(s->w, s->slot);
    if (text == NULL)
        return HEARTH_OK;
    hearth_status status = hearth_engine_forget(s->w->engine, text, err);
    s->result.n_tokens = hearth_text_n_tokens(text);
    hearth_text_free(text);
    if (status == HEARTH_OK)
        set_text(s->w, s->slot, NULL);
    return status;
}

static hearth_status read_slot(worker_call *c, uint32_t *out, hearth_error *err)
{
    const char *text = c->q->rest;
    char *end = NULL;
    unsigned long n = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : ULONG_MAX;
    if (end == NULL || *end != '\0' || n >= n_slots(c->w))
        FAIL(err, EINVAL, "slot", "'%.32s' is no slot; this engine has slots 0 to %u", text,
             (unsigned)n_slots(c->w) - 1);
    *out = (uint32_t)n;
    return HEARTH_OK;
}

static hearth_status read_path(slot_call *s, const char *name, hearth_error *err)
{
    const char *folder = s->w->flags->slot_save_path;
    if (name == NULL)
        FAIL(err, EINVAL, "filename", "filename: missing; name the file of the slot");
    s->result.filename = name;
    if ((size_t)snprintf(s->path, sizeof s->path, "%s/%s", folder, name) >= sizeof s->path)
        FAIL(err, EINVAL, "filename", "filename: too long");
    return HEARTH_OK;
}

hearth_status worker_slot_action(worker_call *c, hearth_error *err)
{
    static const struct {
        const char *name;
        hearth_status (*run)(slot_call *s, hearth_error *err);
        bool has_file;
    } actions[] = {{"save", save, true}, {"restore", restore, true}, {"erase", erase, false}};
    const char *action = http_request_query(c->q, "action");
    slot_call s = {.w = c->w};
    if (c->w->flags->slot_save_path == NULL)
        FAIL(err, EUNSUPPORTED, "action",
             "this engine was not started with --slot-save-path; finished prompts are kept by "
             "themselves, and with --disk-cache also for later runs");
    TRY(read_slot(c, &s.slot, err));
    for (size_t i = 0; action && i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, action) != 0)
            continue;
        uint64_t start_ns = clock_now_ns();
        s.result.action = action;
        s.result.id_slot = (int32_t)s.slot;
        if (actions[i].has_file)
            TRY(read_path(&s, c->r->filename, err));
        TRY(actions[i].run(&s, err));
        s.result.ms = (double)(clock_now_ns() - start_ns) / 1e6;
        return response_slot_file(&s.result, &c->reply->body, err);
    }
    FAIL(err, EINVAL, "action", "action: '%.32s' is none of save, restore and erase",
         action ? action : "");
}
