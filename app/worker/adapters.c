/* SPDX-License-Identifier: MIT
 *
 * adapters.c - see adapters.h; and the routes /lora-adapters.
 */
#include "worker/adapters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- flags ---- */

/* "FILE:SCALE": the path is copied to *text, which is moved behind it. */
static hearth_status read_scaled(const char *flag, char **text, const char **path, float *scale,
                                 hearth_error *err)
{
    const char *colon = strrchr(flag, ':');
    char *end = NULL;
    *scale = colon && colon[1] ? strtof(colon + 1, &end) : NAN;
    if (colon == NULL || colon == flag || end == NULL || *end != '\0' || !isfinite(*scale))
        FAIL(err, EINVAL, "--lora-scaled",
             "--lora-scaled: '%.128s' is not a file and its strength, like style.gguf:0.5", flag);
    size_t n = (size_t)(colon - flag);
    memcpy(*text, flag, n);
    (*text)[n] = '\0';
    *path = *text;
    *text += n + 1;
    return HEARTH_OK;
}

hearth_status adapters_init(worker *w, hearth_error *err)
{
    const worker_flags *f = w->flags;
    size_t n = f->loras.n + f->scaled_loras.n, n_text = 0;
    for (size_t i = 0; i < f->scaled_loras.n; i++)
        n_text += strlen(f->scaled_loras.items[i]) + 1;
    w->adapters = mem_calloc(1, n * sizeof *w->adapters + n_text);
    w->scales = mem_calloc(n, sizeof *w->scales);
    if (w->adapters == NULL || w->scales == NULL)
        return error_no_memory(err, "the adapters", n * sizeof *w->adapters + n_text);
    char *text = (char *)(w->adapters + n);
    for (size_t i = 0; i < f->loras.n; i++) {
        w->adapters[i] = f->loras.items[i];
        w->scales[i] = 1;
    }
    for (size_t i = 0; i < f->scaled_loras.n; i++) {
        size_t at = f->loras.n + i;
        TRY(read_scaled(f->scaled_loras.items[i], &text, &w->adapters[at], &w->scales[at], err));
    }
    for (size_t i = 0; f->loras_off && i < n; i++)
        w->scales[i] = 0;
    w->n_adapters = n;
    return HEARTH_OK;
}

void adapters_deinit(worker *w)
{
    mem_free(w->adapters);
    mem_free(w->scales);
}

/* ---- strengths ---- */

/* Those that are listed, and 0 for all others. */
static hearth_status read_list(const worker *w, const request_options *o, float *scales,
                               hearth_error *err)
{
    memset(scales, 0, w->n_adapters * sizeof *scales);
    for (size_t i = 0; i < o->n_lora; i++) {
        if ((size_t)o->lora[i].id >= w->n_adapters)
            FAIL(err, EINVAL, "lora",
                 "lora[%zu].id: %d is no adapter of this engine, which has %zu", i,
                 (int)o->lora[i].id, w->n_adapters);
        scales[o->lora[i].id] = o->lora[i].scale;
    }
    return HEARTH_OK;
}

hearth_status adapters_scales(worker *w, const request_options *o, float **out, hearth_error *err)
{
    *out = mem_calloc(w->n_adapters, sizeof **out);
    if (*out == NULL)
        return error_no_memory(err, "lora", w->n_adapters * sizeof **out);
    if (o->n_lora > 0)
        return read_list(w, o, *out, err);
    pthread_mutex_lock(&w->lock);
    memcpy(*out, w->scales, w->n_adapters * sizeof **out);
    pthread_mutex_unlock(&w->lock);
    return HEARTH_OK;
}

/* ---- routes ---- */

hearth_status worker_loras(worker_call *c, hearth_error *err)
{
    worker *w = c->w;
    lora_card *cards = mem_calloc(w->n_adapters, sizeof *cards);
    if (cards == NULL)
        return error_no_memory(err, "the adapters", w->n_adapters * sizeof *cards);
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n_adapters; i++)
        cards[i] = (lora_card){(int32_t)i, w->adapters[i], w->scales[i]};
    pthread_mutex_unlock(&w->lock);
    hearth_status status = response_loras(cards, w->n_adapters, &c->reply->body, err);
    mem_free(cards);
    return status;
}

hearth_status worker_set_loras(worker_call *c, hearth_error *err)
{
    worker *w = c->w;
    float *scales = mem_calloc(w->n_adapters, sizeof *scales);
    if (scales == NULL)
        return error_no_memory(err, "lora", w->n_adapters * sizeof *scales);
    hearth_status status = read_list(w, &c->r->options, scales, err);
    if (status == HEARTH_OK) {
        pthread_mutex_lock(&w->lock);
        memcpy(w->scales, scales, w->n_adapters * sizeof *scales);
        pthread_mutex_unlock(&w->lock);
        status = response_success(true, NULL, &c->reply->body, err);
    }
    mem_free(scales);
    return status;
}
