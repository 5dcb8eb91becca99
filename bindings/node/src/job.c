/* SPDX-License-Identifier: MIT
 *
 * job.c - a call from beginning to end: a thread, its events, its promise.
 *
 * The carrier keeps the environment alive only while there are jobs. At the environment's end
 * jobs_stop joins all threads; what they posted and nobody took is given to job_receive without an
 * environment.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "binding.h"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- life ---- */

void binding_unref(binding *b)
{
    if (--b->n_refs == 0)
        free(b);
}

static job *job_new(binding *b, const operation *op, context *c)
{
    job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    if (pthread_mutex_init(&j->lock, NULL) != 0) {
        free(j);
        return NULL;
    }
    j->b = b;
    j->op = op;
    j->c = c;
    b->n_refs++;
    if (c)
        c->n_refs++;
    return j;
}

static void job_free(job *j)
{
    params_deinit(&j->p);
    if (j->opened) {
        context_close(j->opened);
        context_unref(j->opened);
    }
    if (j->c)
        context_unref(j->c);
    free(j->answer_text);
    hearth_free(j->text);
    hearth_free(j->message);
    if (j->free_data)
        j->free_data(j->data);
    hearth_free(j->tokens);
    free(j->values);
    free(j->widths);
    free(j->stop_word);
    pthread_mutex_destroy(&j->lock);
    binding_unref(j->b);
    free(j);
}

static void enlist(binding *b, job *j)
{
    j->id = ++b->last_id;
    j->next = b->jobs;
    j->link = &b->jobs;
    if (j->next)
        j->next->link = &j->next;
    b->jobs = j;
    b->n_jobs++;
    carrier_hold(b, j->deferred != NULL);
}

static void delist(job *j)
{
    *j->link = j->next;
    if (j->next)
        j->next->link = j->link;
    if (--j->b->n_jobs == 0)
        carrier_let_go(j->b);
}

static void begin_use(context *c)
{
    pthread_mutex_lock(&c->lock);
    c->n_running++;
    pthread_mutex_unlock(&c->lock);
}

static void end_use(context *c)
{
    pthread_mutex_lock(&c->lock);
    c->n_running--;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* ---- the thread ---- */

static void post(job *j, event *e)
{
    parcel *m = malloc(sizeof *m);
    /* Without memory for it an event is lost; a job's end must not be. */
    while (m == NULL && e == NULL) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        m = malloc(sizeof *m);
    }
    if (m) {
        *m = (parcel){.j = j, .event = e};
        if (carrier_post(j->b, m))
            return;
    }
    free(m);
    free(e);
}

static void *run(void *user)
{
    job *j = user;
    j->start_ms = now_ms();
    j->status = j->op->work(j, &j->err);
    j->end_ms = now_ms();
    if (j->c && j->op->bit != OF_release)
        end_use(j->c);
    post(j, NULL);
    return NULL;
}

static bool start_thread(job *j)
{
    enlist(j->b, j);
    if (j->c && j->op->bit != OF_release)
        begin_use(j->c);
    if (pthread_create(&j->thread, NULL, run, j) == 0)
        return true;
    if (j->c && j->op->bit != OF_release)
        end_use(j->c);
    delist(j);
    return false;
}

/* ---- starting ---- */

static void drop_references(napi_env env, job *j)
{
    if (j->on_event)
        napi_delete_reference(env, j->on_event);
    if (j->handle)
        napi_delete_reference(env, j->handle);
    j->on_event = j->handle = NULL;
}

static bool throw_error(napi_env env, const hearth_error *err)
{
    napi_throw(env, value_error(env, err));
    return false;
}

bool job_start(binding *b, const operation *op, context *c, const job_arguments *a,
               napi_value *promise, uint32_t *id)
{
    napi_env env = b->env;
    hearth_error err;
    napi_valuetype t = napi_undefined;
    job *j = job_new(b, op, c);
    if (j == NULL) {
        fail(&err, HEARTH_ENOMEM, op->name, "%s: out of memory", op->name);
        return throw_error(env, &err);
    }
    if (params_read(env, a->params, op->name, op->bit, &j->p, &err) != HEARTH_OK)
        goto failed;
    if (c)
        napi_create_reference(env, a->handle, 1, &j->handle);
    if (a->on_event && napi_typeof(env, a->on_event, &t) == napi_ok && t == napi_function) {
        napi_create_reference(env, a->on_event, 1, &j->on_event);
        j->has_event = j->on_event != NULL;
    }
    if (napi_create_promise(env, &j->deferred, promise) != napi_ok) {
        fail(&err, HEARTH_ENOMEM, op->name, "%s: no promise can be made", op->name);
        goto failed;
    }
    if (!start_thread(j)) {
        fail(&err, HEARTH_ENOMEM, op->name, "%s: no thread can be started", op->name);
        napi_reject_deferred(env, j->deferred, value_error(env, &err));
        drop_references(env, j);
        job_free(j);
        *id = 0;
        return true;
    }
    *id = j->id;
    return true;
failed:
    drop_references(env, j);
    job_free(j);
    return throw_error(env, &err);
}

bool job_start_release(binding *b, context *c, napi_deferred deferred)
{
    static const operation release = {"release", OF_release, true, work_release, give_nothing};
    c->released = true;
    for (job *other = b->jobs; other; other = other->next) {
        if (other->c == c)
            job_cancel(other);
    }
    job *j = job_new(b, &release, c);
    if (j == NULL)
        return false;
    j->deferred = deferred;
    if (start_thread(j))
        return true;
    job_free(j);
    return false;
}

void job_cancel(job *j)
{
    atomic_store(&j->canceled, true);
    pthread_mutex_lock(&j->lock);
    if (j->request)
        hearth_request_cancel(j->request);
    if (j->answer)
        hearth_answer_cancel(j->answer);
    if (j->session)
        hearth_session_cancel(j->session);
    pthread_mutex_unlock(&j->lock);
}

void jobs_stop(binding *b)
{
    for (job *j = b->jobs; j; j = j->next)
        job_cancel(j);
    for (job *j = b->jobs; j; j = j->next)
        pthread_join(j->thread, NULL);
}

bool job_progress(void *user, uint64_t done, uint64_t total)
{
    job *j = user;
    const event e = {
        .type = "progress", .token = -1, .index = -1, .done = (double)done, .total = (double)total};
    job_tell(j, &e);
    return !atomic_load(&j->canceled);
}

/* ---- events ---- */

/* Appends n bytes to a copy's texts, which lie behind it. */
static const char *put(char **at, const char *text, size_t n)
{
    char *to = *at;
    if (text == NULL)
        return NULL;
    memcpy(to, text, n);
    to[n] = '\0';
    *at += n + 1;
    return to;
}

void job_tell(job *j, const event *e)
{
    if (!j->has_event)
        return;
    size_t n_id = e->id ? strlen(e->id) : 0, n_name = e->name ? strlen(e->name) : 0;
    size_t n_top = e->n_top * sizeof *e->top;
    event *copy = malloc(sizeof *copy + n_top + e->n + n_id + n_name + 3);
    if (copy == NULL)
        return;
    *copy = *e;
    char *at = (char *)(copy + 1);
    if (n_top > 0)
        copy->top = memcpy(at, e->top, n_top);
    at += n_top;
    copy->text = put(&at, e->text, e->n);
    copy->id = put(&at, e->id, n_id);
    copy->name = put(&at, e->name, n_name);
    post(j, copy);
}

static napi_value event_value(napi_env env, const event *e)
{
    napi_value to = value_object(env);
    set_text(env, to, "type", e->type);
    if (e->text)
        set_value(env, to, "text", value_text(env, e->text, e->n));
    if (e->token >= 0)
        set_number(env, to, "token", e->token);
    if (e->index >= 0)
        set_number(env, to, "index", (double)e->index);
    if (e->id)
        set_text(env, to, "id", e->id);
    if (e->name)
        set_text(env, to, "name", e->name);
    if (e->total > 0) {
        set_number(env, to, "done", e->done);
        set_number(env, to, "total", e->total);
    }
    if (!e->has_logprob)
        return to;
    napi_value list;
    set_number(env, to, "logprob", (double)e->logprob);
    napi_create_array_with_length(env, e->n_top, &list);
    for (size_t i = 0; i < e->n_top; i++) {
        napi_value item = value_object(env);
        set_number(env, item, "token", e->top[i].token);
        set_number(env, item, "logprob", (double)e->top[i].logprob);
        napi_set_element(env, list, (uint32_t)i, item);
    }
    set_value(env, to, "topLogprobs", list);
    return to;
}

static void deliver(napi_env env, job *j, const event *e)
{
    napi_value listener, self, ignored, value = event_value(env, e);
    if (napi_get_reference_value(env, j->on_event, &listener) != napi_ok ||
        napi_get_undefined(env, &self) != napi_ok)
        return;
    napi_call_function(env, self, listener, 1, &value, &ignored);
    exception_drop(env); /* index.js lets none through */
}

static void settle(napi_env env, job *j)
{
    napi_value value = NULL;
    if (j->status == HEARTH_OK)
        value = j->op->give(env, j);
    if (j->status == HEARTH_OK && value == NULL) {
        exception_drop(env);
        j->status =
            fail(&j->err, HEARTH_ENOMEM, j->op->name, "%s: the result cannot be made", j->op->name);
    }
    if (j->deferred == NULL)
        return;
    if (j->status == HEARTH_OK)
        napi_resolve_deferred(env, j->deferred, value);
    else
        napi_reject_deferred(env, j->deferred, value_error(env, &j->err));
}

static void end(napi_env env, job *j)
{
    napi_handle_scope scope;
    pthread_join(j->thread, NULL);
    delist(j);
    if (napi_open_handle_scope(env, &scope) != napi_ok)
        return;
    settle(env, j);
    drop_references(env, j);
    napi_close_handle_scope(env, scope);
}

void job_receive(napi_env env, parcel *m)
{
    job *j = m->j;
    napi_handle_scope scope;
    if (m->event && env && j->on_event && napi_open_handle_scope(env, &scope) == napi_ok) {
        deliver(env, j, m->event);
        napi_close_handle_scope(env, scope);
    }
    if (m->event == NULL) {
        if (env)
            end(env, j);
        job_free(j);
    }
    free(m->event);
    free(m);
}
