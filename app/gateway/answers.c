/* SPDX-License-Identifier: MIT
 *
 * answers.c - see answers.h: the answers that run, and those who watch them.
 */
#include "gateway/answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/chat_answer.h"
#include "gateway/chat_json.h"
#include "os/clock.h"

enum { LOG_MAX = 256 << 20, DRAIN_STEP_MS = 50, PING_MS = 15000 };

hearth_status answers_new(answers **out, hearth_error *err)
{
    answers *all = mem_calloc(1, sizeof *all);
    *out = all;
    if (all == NULL)
        return error_no_memory(err, "answers", sizeof *all);
    monitor_init(&all->monitor);
    return HEARTH_OK;
}

static size_t wait_fewer(answers *all, uint32_t ms)
{
    monitor_lock(&all->monitor);
    if (all->n > 0)
        monitor_wait(&all->monitor, (int64_t)ms * 1000000);
    size_t n = all->n;
    monitor_unlock(&all->monitor);
    return n;
}

void answers_drain(answers *all, uint32_t ms, bool (*hurry)(void))
{
    const uint64_t until = clock_now_ns() + ms * 1000000ull;
    while (wait_fewer(all, DRAIN_STEP_MS) > 0 && clock_now_ns() < until && !(hurry && hurry()))
        continue;
}

void answers_free(answers *all)
{
    if (all == NULL)
        return;
    monitor_lock(&all->monitor);
    for (answer *a = all->first; a; a = a->next)
        atomic_store(&a->stop, true);
    while (all->n > 0)
        monitor_wait(&all->monitor, -1);
    monitor_unlock(&all->monitor);
    monitor_deinit(&all->monitor);
    mem_free(all);
}

static answer *find(answers *all, int64_t chat)
{
    answer *a = all->first;
    while (a && (a->chat != chat || a->written))
        a = a->next;
    return a;
}

/* A title that is being made gives way to what the user asks; the next answer ends with one. */
static void hurry_titles(answers *all, int64_t chat)
{
    for (answer *a = all->first; a; a = a->next) {
        if (a->chat == chat && a->written)
            atomic_store(&a->stop, true);
    }
}

bool answers_is_running(answers *all, int64_t chat)
{
    monitor_lock(&all->monitor);
    bool found = find(all, chat) != NULL;
    monitor_unlock(&all->monitor);
    return found;
}

bool answers_is_stopped(const answer *a)
{
    return atomic_load(&a->stop);
}

bool answers_are_running(answers *all)
{
    monitor_lock(&all->monitor);
    bool any = all->n > 0;
    monitor_unlock(&all->monitor);
    return any;
}

bool answers_stop(answers *all, int64_t chat)
{
    monitor_lock(&all->monitor);
    answer *a = find(all, chat);
    if (a)
        atomic_store(&a->stop, true);
    monitor_unlock(&all->monitor);
    return a != NULL;
}

/* ---- an answer's life ---- */

static void unref(answer *a)
{
    if (atomic_fetch_sub(&a->refs, 1) > 1)
        return;
    monitor_deinit(&a->monitor);
    buf_deinit(&a->log);
    json_decref(a->parameters);
    json_decref(a->notices);
    mem_free(a);
}

hearth_status answers_open(gateway *g, int64_t chat, answer **out, hearth_error *err)
{
    answers *all = g->answers;
    hearth_status status = HEARTH_OK;
    answer *a = mem_calloc(1, sizeof *a);
    *out = NULL;
    if (a == NULL)
        return error_no_memory(err, "an answer", sizeof *a);
    a->g = g;
    a->chat = chat;
    atomic_init(&a->refs, 1);
    monitor_init(&a->monitor);
    buf_init(&a->log, LOG_MAX);
    monitor_lock(&all->monitor);
    if (find(all, chat))
        FAIL_OUT(err, EMISMATCH, "chat", "an answer is being written in this chat; stop it first");
    if (all->n == ANSWERS_MAX)
        FAIL_OUT(err, EBUSY, "chat", "%d answers are being written; wait for one to end",
                 (int)ANSWERS_MAX);
    hurry_titles(all, chat);
    a->next = all->first;
    all->first = a;
    all->n++;
    *out = a;
out:
    monitor_unlock(&all->monitor);
    if (status != HEARTH_OK)
        unref(a);
    return status;
}

static void take_out(answer *a)
{
    answers *all = a->g->answers;
    monitor_lock(&all->monitor);
    answer **link = &all->first;
    while (*link != a)
        link = &(*link)->next;
    *link = a->next;
    all->n--;
    monitor_wake(&all->monitor);
    monitor_unlock(&all->monitor);
}

void answers_abandon(answer *a)
{
    if (a == NULL)
        return;
    monitor_lock(&a->monitor);
    a->ended = true;
    monitor_wake(&a->monitor);
    monitor_unlock(&a->monitor);
    take_out(a);
    unref(a);
}

void chat_answer_leave_place(answer *a)
{
    answers *all = a->g->answers;
    monitor_lock(&all->monitor);
    a->written = true;
    monitor_unlock(&all->monitor);
}

static void run(void *user)
{
    answer *a = user;
    chat_answer_write(a);
    answers_abandon(a);
}

void chat_answer_tell(answer *a, const char *name, json_t *data)
{
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;
    json_decref(data);
    if (text == NULL)
        return;
    monitor_lock(&a->monitor);
    buf_append_format(&a->log, "event: %s\ndata: ", name);
    buf_append_text(&a->log, text);
    buf_append_text(&a->log, "\n\n");
    monitor_wake(&a->monitor);
    monitor_unlock(&a->monitor);
    free(text);
}

void chat_answer_notice(answer *a, const char *code, const char *message)
{
    json_t *notice = json_pack("{s:s, s:s}", "code", code, "message", message), *before;
    size_t i;
    if (a->notices == NULL)
        a->notices = json_array();
    json_array_foreach(a->notices, i, before)
    {
        if (json_equal(before, notice)) { /* in another round of calls */
            json_decref(notice);
            return;
        }
    }
    json_array_append(a->notices, notice);
    chat_answer_tell(a, "notice", notice);
}

/* ---- watching ---- */

typedef struct watcher {
    answer *a;
    size_t at; /* of the log */
} watcher;

static http_pull watch(void *user, int timeout_ms, bool ending, buf *out)
{
    watcher *w = user;
    answer *a = w->a;
    monitor_lock(&a->monitor);
    if (w->at == a->log.n && !a->ended && !ending)
        monitor_wait(&a->monitor, (int64_t)timeout_ms * 1000000);
    bool ok = w->at == a->log.n || buf_append(out, a->log.data + w->at, a->log.n - w->at);
    w->at = a->log.n;
    bool ended = a->ended || ending;
    monitor_unlock(&a->monitor);
    return !ok ? HTTP_PULL_FAIL : ended ? HTTP_PULL_END : HTTP_PULL_MORE;
}

static void close_watcher(void *user)
{
    watcher *w = user;
    unref(w->a);
    mem_free(w);
}

/* Takes a reference. */
static hearth_status start_watching(gateway_call *c, answer *a, hearth_error *err)
{
    watcher *w = mem_calloc(1, sizeof *w);
    if (w == NULL) {
        unref(a);
        return error_no_memory(err, "a stream", sizeof *w);
    }
    w->a = a;
    const http_stream stream = {
        .pull = watch, .close = close_watcher, .user = w, .ping_ms = PING_MS};
    http_reply_stream(c->reply, HTTP_EVENT_STREAM, &stream);
    return HEARTH_OK;
}

hearth_status answers_watch(gateway_call *c, int64_t chat, hearth_error *err)
{
    answers *all = c->g->answers;
    monitor_lock(&all->monitor);
    answer *a = find(all, chat);
    if (a)
        atomic_fetch_add(&a->refs, 1);
    monitor_unlock(&all->monitor);
    if (a == NULL)
        FAIL(err, ENOTFOUND, "chat", "no answer is being written in this chat");
    return start_watching(c, a, err);
}

/* ---- beginning ---- */

static hearth_status tell_start(answer *a, int64_t user, hearth_error *err)
{
    json_t *chat = NULL, *asked = NULL, *message = NULL;
    hearth_status status = HEARTH_OK;
    TRY_OUT(chat_load_json(a->g, a->chat, &chat, err));
    if (user > 0)
        TRY_OUT(chat_message_load_json(a->g, user, &asked, err));
    TRY_OUT(chat_message_load_json(a->g, a->message, &message, err));
    chat_answer_tell(
        a, "start", json_pack("{s:O, s:O?, s:O}", "chat", chat, "user", asked, "message", message));
out:
    json_decref(chat);
    json_decref(asked);
    json_decref(message);
    return status;
}

hearth_status chat_answer_add(answer *a, hearth_error *err)
{
    const store_message message = {.chat = a->chat,
                                   .parent = a->parent,
                                   .role = STORE_ASSISTANT,
                                   .state = STORE_STREAMING,
                                   .model = a->model};
    return store_message_add(a->g->store, &message, &a->message, err);
}

hearth_status answers_begin(gateway_call *c, answer *a, const answer_options *options,
                            hearth_error *err)
{
    a->parent = options->parent;
    a->parameters = json_incref(options->parameters);
    a->goes_on = options->goes_on > 0;
    snprintf(a->model, sizeof a->model, "%s", options->model);
    hearth_status status = a->goes_on ? store_message_reopen(a->g->store, options->goes_on, err)
                                      : chat_answer_add(a, err);
    if (status == HEARTH_OK && a->goes_on)
        a->message = options->goes_on;
    if (status == HEARTH_OK)
        status = tell_start(a, options->user, err);
    atomic_fetch_add(&a->refs, 1); /* the watcher's, before the thread can end */
    if (status == HEARTH_OK)
        status = thread_start(&a->thread, run, a, "an answer", err);
    if (status != HEARTH_OK) {
        const store_end end = {.state = a->goes_on ? STORE_STOPPED : STORE_FAILED,
                               .error = err ? err->message : ""};
        if (a->message > 0)
            store_message_finish(a->g->store, a->message, &end, NULL);
        unref(a);
        answers_abandon(a);
        return status;
    }
    pthread_detach(a->thread.id);
    return start_watching(c, a, err);
}

hearth_status chat_answer_check_parameters(const json_t *parameters, hearth_error *err)
{
    static const char *const others[] = {"model",      "messages", "prompt",
                                         "stream",     "n",        "stream_options",
                                         "session_id", "tools",    "tool_choice"};
    if (!json_is_object(parameters))
        FAIL(err, EINVAL, "parameters", "parameters: give an object");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (json_object_get(parameters, others[i]))
            FAIL(err, EINVAL, "parameters", "parameters.%s: is not a parameter of an answer",
                 others[i]);
    }
    return HEARTH_OK;
}
