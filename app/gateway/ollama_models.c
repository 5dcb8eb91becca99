/* SPDX-License-Identifier: MIT
 *
 * ollama_models.c - handlers of what Ollama's clients ask about models: tags, ps, show, pull.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hearth/hearth.h>

#include "base/mem.h"
#include "gateway/downloads.h"
#include "gateway/handlers.h"
#include "library/ember.h"
#include "protocol/ollama.h"

enum { VALUE_BYTES = 4096 };

hearth_status serve_ollama_version(gateway_call *c, hearth_error *err)
{
    return call_json(c, json_pack("{s:s}", "version", hearth_version()), err);
}

/* ---- lists ---- */

static json_t *parameter_size(uint64_t n)
{
    if (n >= 1000000000)
        return json_sprintf("%.1fB", (double)n / 1e9);
    if (n >= 1000000)
        return json_sprintf("%.1fM", (double)n / 1e6);
    return json_sprintf("%.1fK", (double)n / 1e3);
}

static json_t *details(const library_model *m)
{
    return json_pack("{s:s, s:s, s:s, s:[s], s:o, s:s}", "parent_model", "", "format", "gguf",
                     "family", m->architecture, "families", m->architecture, "parameter_size",
                     parameter_size(m->n_params), "quantization_level", m->quantization);
}

static json_t *tag(const library_model *m)
{
    char time[OLLAMA_TIME_BYTES];
    ollama_time(m->modified_ms ? m->modified_ms : m->created_ms, time);
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:o}", "name", m->name, "model", m->name,
                     "modified_at", time, "size", (json_int_t)m->size_bytes, "digest", m->sha256,
                     "details", details(m));
}

hearth_status serve_ollama_tags(gateway_call *c, hearth_error *err)
{
    library_models models;
    TRY(library_list(c->g->library, &models, err));
    json_t *all = json_array();
    for (size_t i = 0; i < models.n; i++) {
        if (models.items[i]->problem[0] == '\0')
            json_array_append_new(all, tag(models.items[i]));
    }
    library_models_deinit(&models);
    return call_json(c, json_pack("{s:o}", "models", all), err);
}

static json_int_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static json_t *running(const library_model *m, const json_t *engine, int64_t now_ms)
{
    char time[OLLAMA_TIME_BYTES];
    const json_t *expires = json_object_get(engine, "expires_in_ms");
    json_int_t vram = 0;
    size_t i;
    json_t *bytes;
    json_array_foreach(json_object_get(engine, "reserved_vram_bytes"), i, bytes) vram +=
        json_integer_value(bytes);
    /* Never: as far away as their clients take for it. */
    int64_t left_ms =
        json_is_integer(expires) ? json_integer_value(expires) : INT64_C(3153600000000);
    ollama_time(now_ms + left_ms, time);
    json_t *one = tag(m);
    json_object_del(one, "modified_at");
    json_object_set_new(one, "size", json_integer(whole(engine, "reserved_bytes") + vram));
    json_object_set_new(one, "size_vram", json_integer(vram));
    json_object_set_new(one, "expires_at", json_string(time));
    json_object_set_new(one, "context_length",
                        json_integer(whole(json_object_get(engine, "plan"), "n_ctx")));
    return one;
}

hearth_status serve_ollama_ps(gateway_call *c, hearth_error *err)
{
    json_t *engines = runtime_list(c->g->runtime);
    json_t *all = json_array();
    size_t i;
    json_t *engine;
    json_array_foreach(engines, i, engine)
    {
        const char *state = json_string_value(json_object_get(engine, "state"));
        const char *id = json_string_value(json_object_get(engine, "model"));
        const library_model *m;
        if (state == NULL || strcmp(state, "ready") != 0 || id == NULL ||
            library_find(c->g->library, id, &m, NULL) != HEARTH_OK)
            continue;
        json_array_append_new(all, running(m, engine, store_now_ms()));
        library_model_unref(m);
    }
    json_decref(engines);
    return call_json(c, json_pack("{s:o}", "models", all), err);
}

/* ---- one model ---- */

/* Numbers as numbers; arrays, which may be long, as null. */
static json_t *info_value(const char *type, const char *value)
{
    if (strncmp(type, "arr", 3) == 0)
        return json_null();
    json_t *parsed = strcmp(type, "str") == 0 ? NULL : json_loads(value, JSON_DECODE_ANY, NULL);
    return parsed ? parsed : json_string(value);
}

static json_t *model_info(const hearth_model *model)
{
    json_t *all = json_object();
    for (size_t i = 0; i < hearth_model_n_metadata(model); i++) {
        char *key = NULL, *type = NULL, *value = NULL;
        bool cut;
        if (hearth_model_metadata_at(model, i, VALUE_BYTES, &key, &type, &value, &cut, NULL) ==
                HEARTH_OK &&
            strcmp(key, "tokenizer.chat_template") != 0)
            json_object_set_new(all, key, info_value(type, value));
        hearth_free(key);
        hearth_free(type);
        hearth_free(value);
    }
    return all;
}

static json_t *capabilities(const library_model *m)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{LIBRARY_CAN_COMPLETION, "completion"},
                 {LIBRARY_CAN_TOOLS, "tools"},
                 {LIBRARY_CAN_THINKING, "thinking"},
                 {LIBRARY_CAN_VISION, "vision"},
                 {LIBRARY_CAN_EMBEDDING, "embedding"}};
    json_t *all = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (m->capabilities & names[i].bit)
            json_array_append_new(all, json_string(names[i].name));
    }
    return all;
}

static json_t *show(const library_model *m, hearth_error *err)
{
    hearth_model_options options;
    hearth_model *model = NULL;
    char time[OLLAMA_TIME_BYTES];
    size_t n;
    const void *bytes = ember_bytes(&n);
    hearth_model_options_init(&options);
    options.scope = HEARTH_SCOPE_METADATA;
    hearth_status status = m->path ? hearth_model_open(&model, m->path, &options, err)
                                   : hearth_model_open_memory(&model, bytes, n, &options, err);
    if (status != HEARTH_OK)
        return NULL;
    const char *template = hearth_model_get_info(model)->chat_template;
    ollama_time(m->modified_ms ? m->modified_ms : m->created_ms, time);
    json_t *about =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s}", "modelfile", "", "parameters",
                  "", "template", template ? template : "", "license", m->license, "details",
                  details(m), "model_info", model_info(model), "capabilities", capabilities(m),
                  "modified_at", time, "digest", m->sha256);
    hearth_model_close(model);
    if (about == NULL)
        error_no_memory(err, "the answer", 0);
    return about;
}

hearth_status serve_ollama_show(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    const library_model *m;
    TRY(call_read_body(c, false, err));
    const char *wanted = json_string_value(json_object_get(c->body, "model"));
    if (wanted == NULL)
        wanted = json_string_value(json_object_get(c->body, "name"));
    TRY(call_model(c, wanted ? wanted : "", name, err));
    TRY(library_find(c->g->library, name, &m, err));
    json_t *about = show(m, err);
    library_model_unref(m);
    return about ? call_json(c, about, err) : err->code;
}

/* ---- downloads ---- */

typedef struct pull_stream {
    downloads *all;
    uint64_t id;
    bool told_begin, told_validating;
} pull_stream;

static bool line(buf *out, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    bool ok = text && buf_append_text(out, text) && buf_append_text(out, "\n");
    free(text);
    json_decref(value);
    return ok;
}

/* *ended: that was the last line. */
static bool tell_status(pull_stream *s, const download_status *now, bool *ended, buf *out)
{
    bool ok = true;
    *ended = true;
    if (!s->told_begin)
        ok = line(out, json_pack("{s:s}", "status", "pulling manifest"));
    s->told_begin = true;
    if (now->state == DOWNLOAD_IS_FAILED)
        return ok && ollama_write_error(now->error.message, out);
    if (now->state == DOWNLOAD_IS_STOPPED)
        return ok && ollama_write_error("the download was stopped", out);
    if (now->state == DOWNLOAD_IS_DONE)
        return ok && line(out, json_pack("{s:s}", "status", "success"));
    *ended = false;
    if (now->validating && !s->told_validating) {
        s->told_validating = true;
        return ok && line(out, json_pack("{s:s}", "status", "verifying sha256 digest"));
    }
    if (now->total == 0 || now->validating)
        return ok;
    return ok && line(out, json_pack("{s:o, s:s, s:I, s:I}", "status",
                                     json_sprintf("pulling %s", now->model), "digest", now->model,
                                     "total", (json_int_t)now->total, "completed",
                                     (json_int_t)now->transferred));
}

static http_pull pull_status(void *user, int timeout_ms, bool ending, buf *out)
{
    pull_stream *s = user;
    download_status now;
    bool ended;
    const struct timespec wait = {.tv_nsec = timeout_ms * 1000000l};
    if (ending)
        return HTTP_PULL_END;
    nanosleep(&wait, NULL);
    if (downloads_status(s->all, s->id, &now, NULL) != HEARTH_OK)
        return HTTP_PULL_END;
    if (!tell_status(s, &now, &ended, out))
        return HTTP_PULL_FAIL;
    return ended ? HTTP_PULL_END : HTTP_PULL_MORE;
}

/* A client that leaves wants no more of it; what came stays for the next time. */
static void close_pull(void *user)
{
    pull_stream *s = user;
    downloads_cancel(s->all, s->id, false);
    mem_free(s);
}

hearth_status serve_ollama_pull(gateway_call *c, hearth_error *err)
{
    pull_options options = {0};
    TRY(call_read_body(c, false, err));
    options.reference = json_string_value(json_object_get(c->body, "model"));
    if (options.reference == NULL)
        options.reference = json_string_value(json_object_get(c->body, "name"));
    if (options.reference == NULL)
        FAIL(err, EINVAL, "model", "model: must be a text");
    pull_stream *s = mem_calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err, "a download", sizeof *s);
    s->all = c->g->downloads;
    hearth_status status = downloads_start(s->all, &options, &s->id, err);
    const http_stream stream = {.pull = pull_status, .close = close_pull, .user = s};
    if (status == HEARTH_OK && !json_is_false(json_object_get(c->body, "stream"))) {
        http_reply_stream(c->reply, "application/x-ndjson", &stream);
        return HEARTH_OK;
    }
    bool ended = false;
    while (status == HEARTH_OK && !ended && http_request_life(c->q) == HTTP_OPEN) {
        buf_clear(&c->reply->body);
        s->told_begin = true;
        ended = pull_status(s, HTTP_PULL_MS, false, &c->reply->body) != HTTP_PULL_MORE;
    }
    if (status == HEARTH_OK)
        close_pull(s);
    else
        mem_free(s);
    return status;
}
