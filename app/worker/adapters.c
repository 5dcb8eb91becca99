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

/* One adapter: "FILE", or "FILE:SCALE" where it is scaled; the colon becomes the path's end. */
static hearth_status add(worker *w, char *text, bool scaled, hearth_error *err)
{
    char *colon = scaled ? strrchr(text, ':') : NULL, *end = NULL;
    float scale = scaled ? NAN : 1;
    if (colon && colon > text && colon[1])
        scale = strtof(colon + 1, &end);
    if (scaled && (end == NULL || *end != '\0' || !isfinite(scale)))
        FAIL(err, EINVAL, "--lora-scaled",
             "--lora-scaled: '%.128s' is not a file and its strength, like style.gguf:0.5", text);
    if (colon)
        *colon = '\0';
    w->scales[w->n_adapters] = w->flags->loras_off ? 0 : scale;
    w->adapters[w->n_adapters++] = text;
    return HEARTH_OK;
}

/* Of "A,B" and so on; *text is the room for copies, and is moved behind them. */
static hearth_status add_list(worker *w, const option_list *list, bool scaled, char **text,
                              hearth_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        char *part = *text, *end = part + strlen(list->items[i]);
        memcpy(part, list->items[i], (size_t)(end - part) + 1);
        *text = end + 1;
        for (char *next; part < end; part = next) {
            next = part + strcspn(part, ",") + 1;
            next[-1] = '\0';
            if (*part)
                TRY(add(w, part, scaled, err));
        }
    }
    return HEARTH_OK;
}

/* Counts the most parts that a list may have, and the bytes of its texts. */
static void count_list(const option_list *list, size_t *n, size_t *n_text)
{
    for (size_t i = 0; i < list->n; i++) {
        *n_text += strlen(list->items[i]) + 1;
        *n += 1;
        for (const char *c = list->items[i]; *c; c++)
            *n += *c == ',';
    }
}

hearth_status adapters_init(worker *w, hearth_error *err)
{
    const worker_flags *f = w->flags;
    size_t n = 0, n_text = 0;
    count_list(&f->loras, &n, &n_text);
    count_list(&f->scaled_loras, &n, &n_text);
    w->adapters = mem_calloc(1, n * sizeof *w->adapters + n_text);
    w->scales = mem_calloc(n, sizeof *w->scales);
    if (w->adapters == NULL || w->scales == NULL)
        return error_no_memory(err, "the adapters", n * sizeof *w->adapters + n_text);
    char *text = (char *)(w->adapters + n);
    TRY(add_list(w, &f->loras, false, &text, err));
    return add_list(w, &f->scaled_loras, true, &text, err);
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
