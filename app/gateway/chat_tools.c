/* SPDX-License-Identifier: MIT
 *
 * chat_tools.c - see chat_tools.h.
 *
 *   tool_call (asking) ── consent ──> running ──> tool_result, message
 *                           '── never, stopped, nobody answered ──> denied
 */
#include "gateway/chat_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/chat_json.h"
#include "gateway/remotes.h"
#include "os/clock.h"

#define MS_NS 1000000u

enum { POLL_MS = 100, RESULT_BYTES = 1 << 20 };

bool tool_consent_find(const char *name, tool_consent *out)
{
    static const char *const names[] = {"", "once", "chat", "always", "never"};
    for (int i = CONSENT_ONCE; i <= CONSENT_NEVER; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (tool_consent)i;
            return true;
        }
    }
    return false;
}

/* ---- offering ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Of a remote model nothing is known: it is asked. */
static bool can_call(answer *a)
{
    const library_model *m;
    if (remote_is_known(a->g, a->model))
        return true;
    if (library_find(a->g->library, a->model, &m, NULL) != HEARTH_OK)
        return false;
    bool can = (m->capabilities & LIBRARY_CAN_TOOLS) != 0;
    library_model_unref(m);
    return can;
}

static bool has_a_form(const json_t *body)
{
    const json_t *format = json_object_get(body, "response_format");
    return (format && strcmp(text_of(format, "type"), "text") != 0) ||
           json_object_get(body, "json_schema") || json_object_get(body, "grammar");
}

/* ---- what is switched off in this chat ---- */

/* The chat's settings: what is never NULL belongs to the caller. */
static json_t *settings_of(answer *a)
{
    store_chats one;
    if (store_chat_get(a->g->store, a->chat, &one, NULL) != HEARTH_OK)
        return json_object();
    json_t *settings = chat_object_of(one.items[0].settings);
    store_chats_free(&one);
    return settings;
}

/* Whether a list of tools and servers names the tool, SERVER__TOOL, or its server. */
static bool names_tool(const json_t *list, const char *tool)
{
    const char *end = strstr(tool, "__");
    size_t n_server = end ? (size_t)(end - tool) : 0, i;
    json_t *entry;
    json_array_foreach(list, i, entry)
    {
        const char *name = json_string_value(entry);
        if (name && (strcmp(name, tool) == 0 ||
                     (strlen(name) == n_server && strncmp(name, tool, n_server) == 0)))
            return true;
    }
    return false;
}

static bool is_off_here(answer *a, const char *tool)
{
    json_t *settings = settings_of(a);
    bool off = names_tool(json_object_get(settings, "tools_off"), tool);
    json_decref(settings);
    return off;
}

static void take_out_off(answer *a, json_t *offer)
{
    json_t *settings = settings_of(a);
    const json_t *off = json_object_get(settings, "tools_off");
    for (size_t i = json_array_size(offer); json_array_size(off) > 0 && i-- > 0;) {
        const json_t *function = json_object_get(json_array_get(offer, i), "function");
        if (names_tool(off, text_of(function, "name")))
            json_array_remove(offer, i);
    }
    json_decref(settings);
}

hearth_status chat_tools_offer(answer *a, json_t *body, bool last, hearth_error *err)
{
    char text[LIBRARY_NAME_MAX + 100];
    json_t *offer = tools_offer(a->g->tools);
    if (offer == NULL)
        return error_no_memory(err, "tools", 0);
    take_out_off(a, offer);
    if (json_array_size(offer) == 0) {
        json_decref(offer);
        return HEARTH_OK;
    }
    bool can = can_call(a), free_form = !has_a_form(body);
    if (can && free_form) {
        json_object_set(body, "tools", offer);
        if (last)
            json_object_set_new(body, "tool_choice", json_string("none"));
    } else if (!can) {
        snprintf(text, sizeof text, "the model '%s' knows no tools; it answers without them",
                 a->model);
        chat_answer_notice(a, "no_tools", text);
    } else {
        chat_answer_notice(a, "no_tools",
                           "the answer is to have a form; it is written without tools");
    }
    json_decref(offer);
    return HEARTH_OK;
}

/* One that the user cannot mean: none, too long, or that of a call before it. */
static bool is_bad_id(const json_t *calls, size_t i, size_t max)
{
    const char *id = text_of(json_array_get(calls, i), "id");
    bool bad = id[0] == '\0' || strlen(id) >= max;
    for (size_t k = 0; k < i && !bad; k++)
        bad = strcmp(text_of(json_array_get(calls, k), "id"), id) == 0;
    return bad;
}

void chat_tools_name_calls(const answer *a, json_t *calls)
{
    size_t i;
    json_t *call;
    json_array_foreach(calls, i, call)
    {
        if (is_bad_id(calls, i, sizeof a->asking))
            json_object_set_new(call, "id",
                                json_sprintf("call_%lld_%zu", (long long)a->message, i));
    }
}

/* ---- what is allowed ---- */

/* Whether the tool was allowed for this chat. */
static bool is_allowed_here(answer *a, const char *tool)
{
    size_t i;
    json_t *name, *settings = settings_of(a);
    bool found = false;
    json_array_foreach(json_object_get(settings, "allowed_tools"), i, name)
    {
        found |= json_is_string(name) && strcmp(json_string_value(name), tool) == 0;
    }
    json_decref(settings);
    return found;
}

static hearth_status allow_here(answer *a, const char *tool, hearth_error *err)
{
    store_chats one;
    TRY(store_chat_get(a->g->store, a->chat, &one, err));
    json_t *settings = chat_object_of(one.items[0].settings);
    store_chats_free(&one);
    if (json_object_get(settings, "allowed_tools") == NULL)
        json_object_set_new(settings, "allowed_tools", json_array());
    json_array_append_new(json_object_get(settings, "allowed_tools"), json_string(tool));
    char *text = json_dumps(settings, JSON_COMPACT);
    json_decref(settings);
    if (text == NULL)
        return error_no_memory(err, "a chat's settings", 0);
    const store_chat_change change = {.settings = text};
    hearth_status status = store_chat_update(a->g->store, a->chat, &change, err);
    free(text);
    return status;
}

/* Waits for the user's word; NEVER if there is none. */
static tool_consent wait_for_consent(answer *a, const char *call)
{
    const uint64_t until = clock_now_ns() + (uint64_t)CHAT_TOOLS_CONSENT_MS * MS_NS;
    monitor_lock(&a->monitor);
    snprintf(a->asking, sizeof a->asking, "%s", call);
    a->consent = CONSENT_NONE;
    while (a->consent == CONSENT_NONE && !atomic_load(&a->stop) && clock_now_ns() < until)
        monitor_wait(&a->monitor, (int64_t)POLL_MS * MS_NS);
    tool_consent said = a->consent == CONSENT_NONE ? CONSENT_NEVER : (tool_consent)a->consent;
    a->asking[0] = '\0';
    monitor_unlock(&a->monitor);
    return said;
}

hearth_status chat_tools_consent(gateway *g, int64_t chat, const char *call, tool_consent consent,
                                 hearth_error *err)
{
    bool found = false;
    answers *all = g->answers;
    monitor_lock(&all->monitor);
    for (answer *a = all->first; a; a = a->next) {
        if (a->chat != chat || a->written)
            continue;
        monitor_lock(&a->monitor);
        found = call[0] && strcmp(a->asking, call) == 0 && a->consent == CONSENT_NONE;
        if (found)
            a->consent = consent;
        monitor_wake(&a->monitor);
        monitor_unlock(&a->monitor);
    }
    monitor_unlock(&all->monitor);
    if (found)
        return HEARTH_OK;
    FAIL(err, ENOTFOUND, "call_id", "no call '%.60s' asks in this chat", call);
}

/* ---- one call ---- */

typedef struct calling {
    answer *a;
    const char *id, *tool, *arguments;
    tool_about about;
    buf result;
    const char *state; /* "done", "failed", "denied" */
    uint64_t ms;
} calling;

static void tell_call(const calling *c, const char *state)
{
    chat_answer_tell(c->a, "tool_call",
                     json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:n}", "id", c->id, "server",
                               c->about.server, "name", c->about.name[0] ? c->about.name : c->tool,
                               "arguments", c->arguments, "state", state, "result", "ms"));
}

static void tell_result(const calling *c)
{
    json_t *result = json_stringn(c->result.n ? c->result.data : "", c->result.n);
    chat_answer_tell(c->a, "tool_result",
                     json_pack("{s:s, s:s, s:o, s:I}", "id", c->id, "state", c->state, "result",
                               result, "ms", (json_int_t)c->ms));
}

static void keep(tool_consent said, calling *c)
{
    hearth_error err = {0};
    hearth_status status = HEARTH_OK;
    if (said == CONSENT_CHAT)
        status = allow_here(c->a, c->tool, &err);
    else if (said == CONSENT_ALWAYS)
        status = tools_approve(c->a->g->tools, c->about.server, c->about.name, TOOL_ALWAYS, &err);
    if (status != HEARTH_OK)
        log_write(&c->a->g->host->log, HEARTH_LOG_WARNING, "%s may run, but only now: %s", c->tool,
                  err.message);
}

static bool may_run(calling *c)
{
    if (c->about.approval == TOOL_ALWAYS || is_allowed_here(c->a, c->tool)) {
        tell_call(c, "running");
        return true;
    }
    tell_call(c, "asking");
    tool_consent said = wait_for_consent(c->a, c->id);
    if (said == CONSENT_NEVER) {
        c->state = "denied";
        buf_append_text(&c->result, atomic_load(&c->a->stop) ? "The user stopped the answer."
                                                             : "The user did not allow this call.");
        return false;
    }
    keep(said, c);
    tell_call(c, "running");
    return true;
}

static bool is_wanted(void *user)
{
    return !atomic_load(&((answer *)user)->stop);
}

static void call(calling *c)
{
    hearth_error err = {0};
    bool failed = false;
    const uint64_t start = clock_now_ns();
    hearth_status status =
        tools_call(c->a->g->tools, c->tool, c->arguments[0] ? c->arguments : "{}", is_wanted, c->a,
                   &c->result, &failed, &err);
    c->ms = (clock_now_ns() - start) / MS_NS;
    c->state = status == HEARTH_OK && !failed ? "done" : "failed";
    if (status != HEARTH_OK)
        buf_append_text(&c->result, err.message);
}

static hearth_status store_result(const calling *c, int64_t *last, hearth_error *err)
{
    json_t *message = NULL;
    const store_message m = {.chat = c->a->chat,
                             .parent = *last,
                             .role = STORE_TOOL,
                             .state = strcmp(c->state, "done") == 0 ? STORE_COMPLETE : STORE_FAILED,
                             .content = c->result.n ? c->result.data : "",
                             .tool_call_id = c->id,
                             .tool_name = c->tool};
    TRY(store_message_add(c->a->g->store, &m, last, err));
    TRY(chat_message_load_json(c->a->g, *last, &message, err));
    chat_answer_tell(c->a, "message", json_pack("{s:o}", "message", message));
    return HEARTH_OK;
}

static hearth_status run_one(answer *a, const json_t *from, int64_t *last, hearth_error *err)
{
    const json_t *function = json_object_get(from, "function");
    calling c = {.a = a,
                 .id = text_of(from, "id"),
                 .tool = text_of(function, "name"),
                 .arguments = text_of(function, "arguments")};
    buf_init(&c.result, RESULT_BYTES);
    if (!is_wanted(a)) {
        c.state = "denied";
        buf_append_text(&c.result, "The user stopped the answer.");
        tell_call(&c, "running");
    } else if (!tools_find(a->g->tools, c.tool, &c.about) || is_off_here(a, c.tool)) {
        c.state = "failed";
        buf_append_format(&c.result, "There is no tool '%.100s' that may be used.", c.tool);
        tell_call(&c, "running");
    } else if (may_run(&c)) {
        call(&c);
    }
    tell_result(&c);
    hearth_status status = store_result(&c, last, err);
    buf_deinit(&c.result);
    return status;
}

hearth_status chat_tools_run(answer *a, const json_t *calls, int64_t *last, hearth_error *err)
{
    size_t i;
    json_t *one;
    *last = a->message;
    json_array_foreach(calls, i, one) TRY(run_one(a, one, last, err));
    return HEARTH_OK;
}
