/* SPDX-License-Identifier: MIT
 *
 * adapters.c - the LoRA adapters of a context: those of initialize, and those that loadAdapter and
 * removeAdapter bring and take. Strengths stand in the order of the list.
 *
 * A job takes references to what it uses when it begins, so that removing one hurts nobody.
 */
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define V(j, name) (&(j)->p.values[PARAM_##name])

static hearth_status no_memory(const char *function, hearth_error *err)
{
    return fail(err, HEARTH_ENOMEM, "adapters", "%s: out of memory", function);
}

/* Locked, or before others may ask. Takes the adapter. */
static hearth_status add(context *c, hearth_adapter *adapter, float scale, const char *function,
                         hearth_error *err)
{
    context_adapter *grown = realloc(c->adapters, (c->n_adapters + 1) * sizeof *grown);
    if (grown == NULL)
        return no_memory(function, err);
    c->adapters = grown;
    c->adapters[c->n_adapters++] = (context_adapter){++c->last_adapter, scale, adapter};
    return HEARTH_OK;
}

static hearth_status check_count(const param_value *scales, size_t n, const char *function,
                                 hearth_error *err)
{
    if (scales->given && scales->n != n)
        return fail(err, HEARTH_EINVAL, "adapterScales",
                    "%s: adapterScales has %zu numbers; there are %zu adapters", function,
                    scales->n, n);
    return HEARTH_OK;
}

hearth_status context_take_adapters(context *c, const param_value *scales, hearth_error *err)
{
    size_t n = hearth_model_n_adapters(c->model);
    hearth_status status = check_count(scales, n, "initialize", err);
    for (size_t i = 0; status == HEARTH_OK && i < n; i++) {
        hearth_adapter *own = hearth_adapter_ref(hearth_model_get_adapter(c->model, i));
        status = add(c, own, scales->given ? (float)scales->numbers[i] : 1.0f, "initialize", err);
        if (status != HEARTH_OK)
            hearth_adapter_close(own);
    }
    return status;
}

void context_close_adapters(context *c)
{
    for (size_t i = 0; i < c->n_adapters; i++)
        hearth_adapter_close(c->adapters[i].adapter);
    free(c->adapters);
    c->adapters = NULL;
    c->n_adapters = 0;
}

/* ---- what a job uses ---- */

hearth_status job_take_adapters(const job *j, adapter_uses *out, hearth_error *err)
{
    const param_value *given = V(j, adapterScales);
    context *c = j->c;
    *out = (adapter_uses){0};
    pthread_mutex_lock(&c->lock);
    hearth_status status = check_count(given, c->n_adapters, j->op->name, err);
    if (status == HEARTH_OK && (out->uses = calloc(c->n_adapters + 1, sizeof *out->uses)) == NULL)
        status = no_memory(j->op->name, err);
    for (size_t i = 0; status == HEARTH_OK && i < c->n_adapters; i++) {
        const context_adapter *a = &c->adapters[i];
        out->uses[out->n++] = (hearth_adapter_use){
            hearth_adapter_ref(a->adapter), given->given ? (float)given->numbers[i] : a->scale};
    }
    pthread_mutex_unlock(&c->lock);
    return status;
}

void adapter_uses_leave(adapter_uses *u)
{
    for (size_t i = 0; i < u->n; i++)
        hearth_adapter_close(u->uses[i].adapter);
    free(u->uses);
    *u = (adapter_uses){0};
}

/* ---- functions ---- */

hearth_status work_adapters(job *j, hearth_error *err)
{
    const param_value *v = V(j, adapterScales);
    context *c = j->c;
    if (!v->given)
        return fail(err, HEARTH_EINVAL, "adapterScales",
                    "setAdapters: give adapterScales, a number for each adapter");
    pthread_mutex_lock(&c->lock);
    hearth_status status = check_count(v, c->n_adapters, "setAdapters", err);
    for (size_t i = 0; status == HEARTH_OK && i < c->n_adapters; i++)
        c->adapters[i].scale = (float)v->numbers[i];
    pthread_mutex_unlock(&c->lock);
    return status;
}

hearth_status work_load_adapter(job *j, hearth_error *err)
{
    context *c = j->c;
    hearth_adapter *a;
    if (V(j, path)->text == NULL)
        return fail(err, HEARTH_EINVAL, "path", "loadAdapter: path: give a GGUF file");
    hearth_status status = hearth_adapter_open(&a, c->model, V(j, path)->text, err);
    if (status != HEARTH_OK)
        return status;
    status = hearth_engine_prepare_adapter(c->engine, a, err);
    if (status == HEARTH_OK) {
        pthread_mutex_lock(&c->lock);
        status = add(c, a, (float)V(j, scale)->number, "loadAdapter", err);
        j->loaded = c->last_adapter;
        pthread_mutex_unlock(&c->lock);
    }
    if (status != HEARTH_OK)
        hearth_adapter_close(a);
    return status;
}

hearth_status work_remove_adapter(job *j, hearth_error *err)
{
    context *c = j->c;
    hearth_adapter *removed = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n_adapters && removed == NULL; i++) {
        context_adapter *a = &c->adapters[i];
        if (a->id != V(j, id)->number)
            continue;
        removed = a->adapter;
        memmove(a, a + 1, (--c->n_adapters - i) * sizeof *a);
    }
    pthread_mutex_unlock(&c->lock);
    if (removed == NULL)
        return fail(err, HEARTH_ENOTFOUND, "id",
                    "removeAdapter: id: %g is no adapter of this handle; adapters() lists them",
                    V(j, id)->number);
    hearth_adapter_close(removed);
    return HEARTH_OK;
}

/* ---- as values ---- */

static napi_value adapter_value(napi_env env, const context_adapter *a)
{
    hearth_adapter_info info;
    napi_value to = value_object(env);
    hearth_adapter_get_info(a->adapter, &info);
    set_number(env, to, "id", a->id);
    set_text(env, to, "path", info.path);
    set_number(env, to, "scale", (double)a->scale);
    set_number(env, to, "rank", info.rank);
    set_number(env, to, "bytes", (double)info.file_bytes);
    return to;
}

napi_value give_adapter(napi_env env, job *j)
{
    context *c = j->c;
    napi_value value = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n_adapters; i++)
        if (c->adapters[i].id == j->loaded)
            value = adapter_value(env, &c->adapters[i]);
    pthread_mutex_unlock(&c->lock);
    return value ? value : give_nothing(env, j); /* removed already */
}

napi_value context_adapters(napi_env env, context *c)
{
    napi_value list;
    if (napi_create_array_with_length(env, 0, &list) != napi_ok)
        return NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n_adapters; i++)
        napi_set_element(env, list, (uint32_t)i, adapter_value(env, &c->adapters[i]));
    pthread_mutex_unlock(&c->lock);
    return list;
}
