/* SPDX-License-Identifier: MIT
 *
 * models.c - which model a name means, what is known of each, and the handlers that change them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <hearth/hearth.h>

#include "base/mem.h"
#include "gateway/handlers.h"
#include "gateway/model_settings.h"
#include "gateway/remotes.h"
#include "library/describe.h"
#include "library/ember.h"

/* ---- names ---- */

static void copy_name(char out[LIBRARY_NAME_MAX + 1], const char *name)
{
    snprintf(out, LIBRARY_NAME_MAX + 1, "%s", name);
}

/* The model that was used last, of all that can answer; else the first that is not built in. */
static hearth_status default_name(gateway *g, char out[LIBRARY_NAME_MAX + 1], hearth_error *err)
{
    const char *wanted = g->config->values.options.default_model;
    library_models models;
    const library_model *best = NULL;
    if (wanted) {
        copy_name(out, wanted);
        return HEARTH_OK;
    }
    pthread_mutex_lock(&g->lock);
    copy_name(out, g->last_model);
    pthread_mutex_unlock(&g->lock);
    if (out[0])
        return HEARTH_OK;
    TRY(library_list(g->library, &models, err));
    for (size_t i = 0; i < models.n; i++) {
        const library_model *m = models.items[i];
        bool fits = m->problem[0] == '\0' && (m->capabilities & LIBRARY_CAN_COMPLETION);
        if (fits && (best == NULL || m->last_used_ms > best->last_used_ms ||
                     (best->origin == LIBRARY_BUILTIN && best->last_used_ms == 0)))
            best = m;
    }
    copy_name(out, best ? best->name : EMBER_NAME);
    library_models_deinit(&models);
    return HEARTH_OK;
}

/* Ollama's clients put a tag behind every name. */
static hearth_status find_model(gateway *g, const char *name, const library_model **out,
                                hearth_error *err)
{
    static const char latest[] = ":latest";
    hearth_status status = library_find(g->library, name, out, err);
    size_t n = strlen(name), n_tag = sizeof latest - 1;
    char bare[LIBRARY_NAME_MAX + 1];
    if (status != HEARTH_ENOTFOUND || n <= n_tag || n > LIBRARY_NAME_MAX ||
        strcmp(name + n - n_tag, latest) != 0)
        return status;
    snprintf(bare, sizeof bare, "%.*s", (int)(n - n_tag), name);
    return library_find(g->library, bare, out, err);
}

hearth_status gateway_model_name(gateway *g, const char *name, char out[LIBRARY_NAME_MAX + 1],
                                 hearth_error *err)
{
    char fallback[LIBRARY_NAME_MAX + 1];
    const library_model *model;
    if (name == NULL || *name == '\0') {
        TRY(default_name(g, fallback, err));
        name = fallback;
    }
    if (remote_is_known(g, name)) {
        copy_name(out, name);
        return HEARTH_OK;
    }
    hearth_status status = find_model(g, name, &model, err);
    if (status != HEARTH_OK) {
        if (err)
            snprintf(err->where, sizeof err->where, "model");
        return status;
    }
    copy_name(out, model->name);
    library_model_unref(model);
    return HEARTH_OK;
}

void gateway_model_used(gateway *g, const char *model)
{
    pthread_mutex_lock(&g->lock);
    bool changed = strcmp(g->last_model, model) != 0;
    copy_name(g->last_model, model);
    pthread_mutex_unlock(&g->lock);
    if (changed)
        library_mark_used(g->library, model, NULL);
}

uint32_t gateway_model_limit(gateway *g, const char *name)
{
    const library_model *model;
    if (remote_is_known(g, name) || library_find(g->library, name, &model, NULL) != HEARTH_OK)
        return 0;
    uint32_t limit = model->max_tokens <= INT32_MAX ? model->max_tokens : 0;
    library_model_unref(model);
    return limit;
}

static hearth_status fill_spec(gateway *g, const library_model *model, model_spec *out,
                               hearth_error *err)
{
    json_t *settings = NULL;
    bool ok = model_spec_set(&out->id, model->name) &&
              model_spec_set(&out->path, model->path ? model->path : EMBER_NAME) &&
              model_spec_set(&out->mmproj, model->mmproj_path);
    if (!ok)
        return error_no_memory(err, "a model's settings", 0);
    out->n_ctx = model->context_size;
    out->n_batch = model->batch_size;
    out->n_threads = model->threads <= INT32_MAX ? (int32_t)model->threads : 0;
    out->embedding = (model->capabilities & LIBRARY_CAN_EMBEDDING) != 0;
    out->reranking = (model->capabilities & LIBRARY_CAN_RERANK) != 0;
    TRY(model_settings_get(g->store, model->name, &settings, err));
    hearth_status status = model_settings_apply(settings, out, err);
    json_decref(settings);
    return status;
}

/* How model.yml wants the model to answer. What the user gave for a key himself comes first. */
static hearth_status add_overrides(const library_model *model, model_spec *spec, hearth_error *err)
{
    library_override texts[LIBRARY_OVERRIDES_MAX];
    size_t n = library_overrides(model, texts), n_given = spec->n_extra;
    for (size_t i = 0; i < n; i++) {
        char key[sizeof texts[i]];
        snprintf(key, sizeof key, "%.*s=", (int)strcspn(texts[i], "="), texts[i]);
        size_t k = 0;
        while (k < n_given && strstr(spec->extra[k], key) == NULL)
            k++;
        if (k < n_given)
            continue;
        if (!model_spec_add_extra(spec, "--override-kv") || !model_spec_add_extra(spec, texts[i]))
            return error_no_memory(err, "a model's settings", sizeof texts[i]);
    }
    return HEARTH_OK;
}

hearth_status gateway_resolve(void *user, const char *name, model_spec *out, hearth_error *err)
{
    gateway *g = user;
    const library_model *model;
    if (remote_is_known(g, name))
        return remote_fill_spec(g, name, out, err);
    TRY(find_model(g, name, &model, err));
    hearth_status status = HEARTH_OK;
    if (model->problem[0])
        status = error_set(err, HEARTH_EFORMAT, "model", "%s: %s", model->name, model->problem);
    else
        status = fill_spec(g, model, out, err);
    if (status == HEARTH_OK)
        status = add_overrides(model, out, err);
    library_model_unref(model);
    return status;
}

/* ---- what is known ---- */

static json_t *capabilities_of(const library_model *m)
{
    json_t *all = json_array();
#define X(name, bit, spelling)                                                                     \
    if (m->capabilities & (bit))                                                                   \
        json_array_append_new(all, json_string(spelling));
    LIBRARY_CAPABILITY_MAP(X)
#undef X
    return all;
}

/* The words of the API for the state of an engine, which may be NULL. */
static const char *state_of(const json_t *engine)
{
    static const char *const words[][2] = {{"ready", "loaded"},
                                           {"draining", "unloading"},
                                           {"stopping", "unloading"},
                                           {"failed", "failed"}};
    const char *state = json_string_value(json_object_get(engine, "state"));
    for (size_t i = 0; state && i < 4; i++) {
        if (strcmp(state, words[i][0]) == 0)
            return words[i][1];
    }
    return state ? "loading" : "unloaded";
}

static json_t *find_engine(const json_t *engines, const char *model)
{
    size_t i;
    json_t *engine;
    json_array_foreach(engines, i, engine)
    {
        const char *id = json_string_value(json_object_get(engine, "model"));
        if (id && strcmp(id, model) == 0)
            return engine;
    }
    return NULL;
}

static json_t *settings_of(gateway *g, const library_model *m)
{
    model_spec spec;
    model_spec_init(&spec);
    json_t *settings =
        fill_spec(g, m, &spec, NULL) == HEARTH_OK ? model_settings_of(&spec) : json_null();
    model_spec_deinit(&spec);
    return settings;
}

/* What model.yml says of how it is to answer, under the names that the library tells it by. */
static json_t *wishes_of(const library_model *m)
{
    static const char *const keys[] = {"provider", "temperature", "top_p",
                                       "top_k",    "mirostat",    "max_tokens"};
    json_t *all = describe_model(m), *some = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_object_set(some, keys[i], json_object_get(all, keys[i]));
    json_decref(all);
    return some;
}

static json_t *describe(gateway *g, const library_model *m, json_t *engine)
{
    json_t *files = json_array();
    for (size_t i = 0; i < m->n_files; i++)
        json_array_append_new(files, describe_text(m->files[i]));
    json_t *about = json_pack(
        "{s:s, s:o, s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "name",
        m->name, "title", describe_text(m->title), "origin", library_origin_name(m->origin), "path",
        describe_text(m->path), "mmproj_path", describe_text(m->mmproj_path), "files", files,
        "size_bytes", (json_int_t)m->size_bytes, "problem", describe_text(m->problem),
        "capabilities", capabilities_of(m), "architecture", describe_text(m->architecture),
        "quantization", describe_text(m->quantization), "n_params", (json_int_t)m->n_params,
        "context_length", (json_int_t)m->context_length, "n_layer", (json_int_t)m->n_layer,
        "n_embd", (json_int_t)m->n_embd, "n_vocab", (json_int_t)m->n_vocab);
    json_t *more =
        json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:b, s:o, s:s, s:O?}", "sha256",
                  describe_text(m->sha256), "source", describe_text(m->source), "creator",
                  describe_text(m->creator), "license", describe_text(m->license), "created_ms",
                  (json_int_t)m->created_ms, "modified_ms", (json_int_t)m->modified_ms,
                  "last_used_ms", (json_int_t)m->last_used_ms, "usage_count",
                  (json_int_t)m->usage_count, "removable", m->own_files || m->folder != NULL,
                  "settings", settings_of(g, m), "state", state_of(engine), "engine", engine);
    json_t *wishes = wishes_of(m);
    if (about && (json_object_update(about, more) != 0 || json_object_update(about, wishes) != 0)) {
        json_decref(about);
        about = NULL;
    }
    if (about && engine == NULL)
        json_object_set_new(about, "engine", json_null());
    json_decref(more);
    json_decref(wishes);
    return about;
}

/* What the library would say of a model that it does not have. */
static library_model remote_model(const char *name)
{
    return (library_model){.name = name,
                           .problem = "",
                           .capabilities = LIBRARY_CAN_CHAT | LIBRARY_CAN_COMPLETION,
                           .temperature = NAN,
                           .top_p = NAN,
                           .architecture = "",
                           .title = "",
                           .quantization = "",
                           .sha256 = "",
                           .mmproj_sha256 = "",
                           .source = "",
                           .creator = "",
                           .provider = "",
                           .license = ""};
}

static json_t *describe_remote(const char *name, json_t *engine)
{
    json_t *about = json_pack(
        "{s:s, s:s, s:s, s:n, s:n, s:[], s:i, s:n, s:[s,s], s:i, s:b, s:n, s:s, s:O?}", "name",
        name, "title", name, "origin", "remote", "path", "mmproj_path", "files", "size_bytes", 0,
        "problem", "capabilities", "chat", "completion", "context_length", 0, "removable", 1,
        "settings", "state", state_of(engine), "engine", engine);
    return about;
}

static hearth_status answer_model(gateway_call *c, const char *name, hearth_error *err)
{
    const library_model *m;
    json_t *about;
    json_t *engine = runtime_find(c->g->runtime, name);
    if (remote_is_known(c->g, name)) {
        about = describe_remote(name, engine);
        json_decref(engine);
        return call_json(c, about, err);
    }
    hearth_status status = library_find(c->g->library, name, &m, err);
    if (status == HEARTH_OK) {
        about = describe(c->g, m, engine);
        library_model_unref(m);
        status = call_json(c, about, err);
    }
    json_decref(engine);
    return status;
}

hearth_status serve_models_list(gateway_call *c, hearth_error *err)
{
    char fallback[LIBRARY_NAME_MAX + 1] = "";
    library_models models;
    TRY(default_name(c->g, fallback, err));
    TRY(library_list(c->g->library, &models, err));
    json_t *engines = runtime_list(c->g->runtime);
    json_t *all = json_array();
    for (size_t i = 0; i < models.n; i++) {
        const library_model *m = models.items[i];
        json_array_append_new(all, describe(c->g, m, find_engine(engines, m->name)));
    }
    json_t *remotes = remote_all(c->g), *remote;
    const char *name;
    json_object_foreach(remotes, name, remote)
        json_array_append_new(all, describe_remote(name, find_engine(engines, name)));
    json_decref(remotes);
    json_decref(engines);
    library_models_deinit(&models);
    return call_json(c,
                     json_pack("{s:I, s:s, s:o}", "version",
                               (json_int_t)library_version(c->g->library), "default", fallback,
                               "models", all),
                     err);
}

hearth_status serve_models_get(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    TRY(call_model(c, NULL, name, err));
    return answer_model(c, name, err);
}

/* ---- OpenAI's list ---- */

static json_t *openai_model(const library_model *m, const json_t *engine)
{
    json_int_t n_ctx =
        json_integer_value(json_object_get(json_object_get(engine, "plan"), "n_ctx"));
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I}}", "id",
                     m->name, "object", "model", "created", (json_int_t)(m->created_ms / 1000),
                     "owned_by", m->creator[0] ? m->creator : "hearth", "state", state_of(engine),
                     "context_length", (json_int_t)m->context_length, "n_ctx",
                     n_ctx > 0 ? json_integer(n_ctx) : json_null(), "capabilities",
                     capabilities_of(m), "meta", "n_ctx_train", (json_int_t)m->context_length,
                     "n_vocab", (json_int_t)m->n_vocab, "n_embd", (json_int_t)m->n_embd, "n_params",
                     (json_int_t)m->n_params, "size", (json_int_t)m->size_bytes);
}

hearth_status serve_v1_models(gateway_call *c, hearth_error *err)
{
    library_models models;
    TRY(library_list(c->g->library, &models, err));
    json_t *engines = runtime_list(c->g->runtime);
    json_t *all = json_array();
    for (size_t i = 0; i < models.n; i++) {
        const library_model *m = models.items[i];
        if (m->problem[0] == '\0')
            json_array_append_new(all, openai_model(m, find_engine(engines, m->name)));
    }
    json_t *remotes = remote_all(c->g), *remote;
    const char *name;
    json_object_foreach(remotes, name, remote)
    {
        const library_model m = remote_model(name);
        json_array_append_new(all, openai_model(&m, find_engine(engines, name)));
    }
    json_decref(remotes);
    json_decref(engines);
    library_models_deinit(&models);
    return call_json(c, json_pack("{s:s, s:o}", "object", "list", "data", all), err);
}

hearth_status serve_v1_model(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    const library_model *m = NULL;
    const library_model remote = remote_model(name);
    TRY(gateway_model_name(c->g, c->q->rest, name, err));
    if (!remote_is_known(c->g, name))
        TRY(library_find(c->g->library, name, &m, err));
    json_t *engine = runtime_find(c->g->runtime, name);
    json_t *about = openai_model(m ? m : &remote, engine);
    json_decref(engine);
    library_model_unref(m);
    return call_json(c, about, err);
}

/* ---- changing them ---- */

static void tell_change(gateway *g, const char *model, const char *change)
{
    events_send(g->bus, EVENT_LIBRARY_CHANGED,
                json_pack("{s:s?, s:s}", "model", model, "change", change));
}

static bool sets_anything(const json_t *changes)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)changes, key, value)
    {
        if (!json_is_null(value))
            return true;
    }
    return false;
}

/* Settings with which no load can succeed are told of now, and not by every request from then on,
 * unless it is not their doing: no load succeeded before, either. */
static hearth_status check_change(gateway_call *c, const char *name, const json_t *changes,
                                  const json_t *before, hearth_error *err)
{
    json_t *after = NULL;
    if (!sets_anything(changes) || gateway_check_plan(c, name, err) == HEARTH_OK)
        return HEARTH_OK;
    const hearth_status status = err->code;
    const runtime_failure_code code = c->failure.code;
    TRY(model_settings_get(c->g->store, name, &after, err));
    model_settings_put(c->g->store, name, before, NULL);
    bool theirs = gateway_check_plan(c, name, NULL) == HEARTH_OK || c->failure.code != code;
    if (!theirs)
        model_settings_put(c->g->store, name, after, NULL);
    c->failure.code = theirs ? code : RUNTIME_NONE;
    json_decref(after);
    return theirs ? status : HEARTH_OK;
}

hearth_status serve_models_change(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    json_t *changes = NULL, *before = NULL;
    bool changed = false;
    TRY(call_model(c, NULL, name, err));
    TRY(call_unpack(c, err, "{s:o}", "settings", &changes));
    if (remote_is_known(c->g, name))
        FAIL(err, EINVAL, "model", "%s runs elsewhere and has no settings here", name);
    TRY(model_settings_get(c->g->store, name, &before, err));
    hearth_status status = model_settings_change(c->g->store, name, changes, &changed, err);
    if (status == HEARTH_OK && changed)
        status = check_change(c, name, changes, before, err);
    json_decref(before);
    TRY(status);
    if (changed)
        tell_change(c->g, name, "edited");
    return answer_model(c, name, err);
}

/* What cannot be undone is not done to a model that the name only begins. */
static hearth_status call_whole_model(gateway_call *c, const char *given,
                                      char out[LIBRARY_NAME_MAX + 1], hearth_error *err)
{
    TRY(call_model(c, given, out, err));
    const char *name = given ? given : http_request_query(c->q, "model");
    if (name && strcmp(name, out) == 0)
        return HEARTH_OK;
    c->failure.code = RUNTIME_NOT_FOUND;
    FAIL(err, ENOTFOUND, "model", "there is no model '%.100s'; is it '%s'? Give the whole name",
         name ? name : "", out);
}

hearth_status serve_models_remove(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    uint64_t freed = 0;
    const runtime_wait wait = {.wanted = call_is_wanted, .user = (void *)(uintptr_t)c->q};
    TRY(call_whole_model(c, NULL, name, err));
    hearth_status status = runtime_unload(c->g->runtime, name, false, &wait, err);
    if (status != HEARTH_OK && status != HEARTH_ENOTFOUND)
        return status;
    TRY(library_remove(c->g->library, name, &freed, err));
    TRY(model_settings_remove(c->g->store, name, err));
    pthread_mutex_lock(&c->g->lock);
    if (strcmp(c->g->last_model, name) == 0)
        c->g->last_model[0] = '\0';
    pthread_mutex_unlock(&c->g->lock);
    tell_change(c->g, name, "removed");
    return call_json(c, json_pack("{s:I}", "freed_bytes", (json_int_t)freed), err);
}

hearth_status serve_models_rename(gateway_call *c, hearth_error *err)
{
    char model[LIBRARY_NAME_MAX + 1];
    const char *from, *to;
    TRY(call_unpack(c, err, "{s:s, s:s}", "model", &from, "name", &to));
    TRY(call_whole_model(c, from, model, err));
    TRY(library_rename(c->g->library, model, to, err));
    TRY(model_settings_rename(c->g->store, model, to, err));
    tell_change(c->g, to, "edited");
    return answer_model(c, to, err);
}

hearth_status serve_models_scan(gateway_call *c, hearth_error *err)
{
    uint64_t before = library_version(c->g->library);
    TRY(library_scan(c->g->library, err));
    uint64_t version = library_version(c->g->library);
    if (version != before)
        tell_change(c->g, NULL, "edited");
    return call_json(c, json_pack("{s:I}", "version", (json_int_t)version), err);
}

hearth_status serve_models_import(gateway_call *c, hearth_error *err)
{
    library_import import = {0};
    const library_model *model = NULL;
    char name[LIBRARY_NAME_MAX + 1];
    int copy = 0;
    TRY(call_unpack(c, err, "{s:s, s?:s, s?:s, s?:b, s?:s}", "path", &import.path, "name",
                    &import.name, "mmproj_path", &import.mmproj_path, "copy", &copy, "sha256",
                    &import.sha256));
    import.copy = copy != 0;
    TRY(library_import_file(c->g->library, &import, &model, err));
    copy_name(name, model->name);
    library_model_unref(model);
    tell_change(c->g, name, "added");
    return answer_model(c, name, err);
}

static bool go_on(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return call_is_wanted(user);
}

hearth_status serve_models_verify(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    char sha256[LIBRARY_SHA256] = "";
    const char *model;
    const hearth_progress progress = {go_on, (void *)(uintptr_t)c->q};
    TRY(call_unpack(c, err, "{s:s}", "model", &model));
    TRY(call_model(c, model, name, err));
    events_send(c->g->bus, EVENT_VALIDATION_STARTED,
                json_pack("{s:n, s:s, s:s}", "id", "model", name, "file", ""));
    hearth_status status = library_verify(c->g->library, name, &progress, sha256, err);
    events_send(c->g->bus, status == HEARTH_OK ? EVENT_VALIDATION_SUCCESS : EVENT_VALIDATION_FAILED,
                json_pack("{s:n, s:s, s:s, s:s}", "id", "model", name, "file", "", "message",
                          status == HEARTH_OK || err == NULL ? "" : err->message));
    TRY(status);
    return call_json(c, json_pack("{s:s}", "sha256", sha256), err);
}
