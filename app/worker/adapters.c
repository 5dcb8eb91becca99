/* SPDX-License-Identifier: MIT
 *
 * adapters.c - see adapters.h; and the routes /lora-adapters.
 */
#include "worker/adapters.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

/* ---- the table ---- */

/* Locked, or before others may ask. The adapter (or NULL: it comes later) is the table's then. */
static hearth_status add(adapter_table *t, const char *path, size_t n_path, float scale,
                         hearth_adapter *adapter, int32_t *id, hearth_error *err)
{
    if (t->n == MOST_ADAPTERS)
        FAIL(err, EINVAL, "adapters", "there are %d adapters already, which is the most",
             MOST_ADAPTERS);
    char *copy = mem_dup(path, n_path);
    if (copy == NULL)
        return error_no_memory(err, "an adapter", n_path);
    *id = t->next_id++;
    t->items[t->n++] = (adapter_entry){*id, copy, scale, adapter};
    return HEARTH_OK;
}

static adapter_entry *find(const adapter_table *t, int32_t id)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->items[i].id == id)
            return &t->items[i];
    return NULL;
}

/* ---- flags ---- */

/* One adapter: "FILE", or "FILE:SCALE" where it is scaled. */
static hearth_status add_flag(worker *w, const char *text, size_t n, bool scaled, hearth_error *err)
{
    size_t n_path = n;
    char *end = NULL;
    float scale = scaled ? NAN : 1;
    int32_t id;
    while (scaled && n_path > 0 && text[n_path - 1] != ':')
        n_path--;
    if (scaled && n_path > 1 && n_path < n)
        scale = strtof(text + n_path, &end);
    if (scaled && (end != text + n || !isfinite(scale)))
        FAIL(err, EINVAL, "--lora-scaled",
             "--lora-scaled: '%.*s' is not a file and its strength, like style.gguf:0.5",
             (int)(n < 128 ? n : 128), text);
    return add(&w->adapters, text, scaled ? n_path - 1 : n, w->flags->loras_off ? 0 : scale, NULL,
               &id, err);
}

/* Of "A,B" and so on. */
static hearth_status add_list(worker *w, const option_list *list, bool scaled, hearth_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        for (const char *at = list->items[i]; *at;) {
            size_t n = strcspn(at, ",");
            if (n > 0)
                TRY(add_flag(w, at, n, scaled, err));
            at += n + (at[n] == ',');
        }
    }
    return HEARTH_OK;
}

hearth_status adapters_init(worker *w, hearth_error *err)
{
    w->adapters.items = mem_calloc(MOST_ADAPTERS, sizeof *w->adapters.items);
    if (w->adapters.items == NULL)
        return error_no_memory(err, "the adapters", MOST_ADAPTERS * sizeof *w->adapters.items);
    TRY(add_list(w, &w->flags->loras, false, err));
    return add_list(w, &w->flags->scaled_loras, true, err);
}

hearth_status adapters_paths(const worker *w, const char ***out, hearth_error *err)
{
    size_t n = w->adapters.n;
    *out = mem_calloc(n, sizeof **out);
    if (*out == NULL)
        return error_no_memory(err, "the adapters", n * sizeof **out);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = w->adapters.items[i].path;
    return HEARTH_OK;
}

void adapters_bind(worker *w)
{
    for (size_t i = 0; i < w->adapters.n; i++)
        w->adapters.items[i].adapter = hearth_adapter_ref(hearth_model_get_adapter(w->model, i));
}

void adapters_deinit(worker *w)
{
    for (size_t i = 0; i < w->adapters.n; i++) {
        hearth_adapter_close(w->adapters.items[i].adapter);
        mem_free(w->adapters.items[i].path);
    }
    mem_free(w->adapters.items);
}

/* ---- what requests use ---- */

static hearth_status check_ids(const adapter_table *t, const request_options *o, hearth_error *err)
{
    for (size_t i = 0; i < o->n_lora; i++) {
        if (find(t, o->lora[i].id) == NULL)
            FAIL(err, EINVAL, "lora",
                 "lora[%zu].id: %d is no adapter of this engine, which has %zu; /lora-adapters "
                 "lists them",
                 i, (int)o->lora[i].id, t->n);
    }
    return HEARTH_OK;
}

/* The last word on an adapter holds; 0 where there is none. */
static float scale_in(const request_options *o, int32_t id)
{
    float scale = 0;
    for (size_t i = 0; i < o->n_lora; i++)
        scale = o->lora[i].id == id ? o->lora[i].scale : scale;
    return scale;
}

hearth_status adapters_take(worker *w, const request_options *o, adapter_choice *out,
                            hearth_error *err)
{
    const adapter_table *t = &w->adapters;
    bool asks = o && o->lora; /* an empty list asks for none */
    *out = (adapter_choice){0};
    pthread_mutex_lock(&w->lock);
    hearth_status status = asks ? check_ids(t, o, err) : HEARTH_OK;
    if (status == HEARTH_OK && (out->uses = mem_calloc(t->n, sizeof *out->uses)) == NULL)
        status = error_no_memory(err, "lora", t->n * sizeof *out->uses);
    for (size_t i = 0; status == HEARTH_OK && i < t->n; i++) {
        const adapter_entry *e = &t->items[i];
        float scale = asks ? scale_in(o, e->id) : e->scale;
        if (scale != 0)
            out->uses[out->n++] = (hearth_adapter_use){hearth_adapter_ref(e->adapter), scale};
    }
    pthread_mutex_unlock(&w->lock);
    return status;
}

void adapters_leave(adapter_choice *choice)
{
    for (size_t i = 0; i < choice->n; i++)
        hearth_adapter_close(choice->uses[i].adapter);
    mem_free(choice->uses);
    *choice = (adapter_choice){0};
}

/* ---- routes ---- */

hearth_status worker_loras(worker_call *c, hearth_error *err)
{
    worker *w = c->w;
    lora_card cards[MOST_ADAPTERS];
    pthread_mutex_lock(&w->lock); /* the paths are the table's */
    for (size_t i = 0; i < w->adapters.n; i++) {
        const adapter_entry *e = &w->adapters.items[i];
        cards[i] = (lora_card){e->id, e->path, e->scale};
    }
    hearth_status status = response_loras(cards, w->adapters.n, &c->reply->body, err);
    pthread_mutex_unlock(&w->lock);
    return status;
}

hearth_status worker_set_loras(worker_call *c, hearth_error *err)
{
    worker *w = c->w;
    pthread_mutex_lock(&w->lock);
    hearth_status status = check_ids(&w->adapters, &c->r->options, err);
    for (size_t i = 0; status == HEARTH_OK && i < w->adapters.n; i++)
        w->adapters.items[i].scale = scale_in(&c->r->options, w->adapters.items[i].id);
    pthread_mutex_unlock(&w->lock);
    return status == HEARTH_OK ? response_success(true, NULL, &c->reply->body, err) : status;
}

static hearth_status check_allowed(const worker *w, hearth_error *err)
{
    if (w->flags->lora_dir == NULL)
        FAIL(
            err, EUNSUPPORTED, "lora-adapters",
            "this engine was not started with --lora-dir, the folder whose adapters may be loaded; "
            "those of --lora get their strength by POST /lora-adapters");
    return HEARTH_OK;
}

static hearth_status load(worker *w, const char *path, float scale, lora_card *card,
                          hearth_error *err)
{
    hearth_adapter *a;
    TRY(hearth_adapter_open(&a, w->model, path, err));
    hearth_status status = hearth_engine_prepare_adapter(w->engine, a, err);
    if (status == HEARTH_OK) {
        pthread_mutex_lock(&w->lock);
        status = add(&w->adapters, path, strlen(path), scale, a, &card->id, err);
        pthread_mutex_unlock(&w->lock);
    }
    if (status != HEARTH_OK)
        hearth_adapter_close(a);
    return status;
}

hearth_status worker_load_lora(worker_call *c, hearth_error *err)
{
    worker *w = c->w;
    char path[PATH_MAX];
    lora_card card = {.path = path, .scale = c->r->lora_scale};
    TRY(check_allowed(w, err));
    if ((size_t)snprintf(path, sizeof path, "%s/%s", w->flags->lora_dir, c->r->filename) >=
        sizeof path)
        FAIL(err, EINVAL, "filename", "filename: too long");
    TRY(load(w, path, card.scale, &card, err));
    log_write(&w->host->log, HEARTH_LOG_INFO, "adapter %d was loaded: %s", (int)card.id, path);
    return response_lora(&card, &c->reply->body, err);
}

/* Takes it out of the table; what began with it goes on. */
static hearth_status take_out(worker *w, const char *text, adapter_entry *out, hearth_error *err)
{
    char *end = NULL;
    adapter_table *t = &w->adapters;
    long id = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;
    pthread_mutex_lock(&w->lock);
    adapter_entry *e = end && *end == '\0' && id <= INT32_MAX ? find(t, (int32_t)id) : NULL;
    if (e) {
        *out = *e;
        t->n--;
        memmove(e, e + 1, (size_t)(t->items + t->n - e) * sizeof *e);
    }
    pthread_mutex_unlock(&w->lock);
    if (e == NULL)
        FAIL(err, ENOTFOUND, "id",
             "'%.32s' is no adapter of this engine; /lora-adapters lists them", text);
    return HEARTH_OK;
}

hearth_status worker_unload_lora(worker_call *c, hearth_error *err)
{
    adapter_entry e = {0};
    TRY(check_allowed(c->w, err));
    TRY(take_out(c->w, c->q->rest, &e, err));
    log_write(&c->w->host->log, HEARTH_LOG_INFO, "adapter %d was unloaded: %s", (int)e.id, e.path);
    hearth_adapter_close(e.adapter);
    mem_free(e.path);
    return response_success(true, NULL, &c->reply->body, err);
}
