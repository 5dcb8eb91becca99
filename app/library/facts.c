/* SPDX-License-Identifier: MIT
 *
 * facts.c - see facts.h. Headers are read by <hearth/model.h>, at the scope that looks at metadata
 * alone; the cache is a JSON object of objects, one for each path.
 */
#include "library/facts.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <hearth/model.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "library/folders.h"
#include "library/library.h"
#include "os/file.h"

enum { CACHE_VERSION = 1, CACHE_MAX_BYTES = 64 << 20 };

/* ---- reading a header ---- */

static void take_text(const hearth_model *m, const char *key, char *out, size_t n)
{
    char *value = NULL;
    *out = '\0';
    if (hearth_model_metadata(m, key, &value, NULL) == HEARTH_OK)
        snprintf(out, n, "%s", value);
    hearth_free(value);
    size_t used = strlen(out);
    out[used - utf8_incomplete_suffix(out, used)] = '\0';
}

static uint64_t take_count(const hearth_model *m, const char *key)
{
    char text[32];
    unsigned long long value = 0;
    take_text(m, key, text, sizeof text);
    return sscanf(text, "%20llu", &value) == 1 ? value : 0;
}

static bool take_flag(const hearth_model *m, const char *key)
{
    char text[8];
    take_text(m, key, text, sizeof text);
    return strcmp(text, "true") == 0;
}

static bool holds_any(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strstr(text, words[i]))
            return true;
    }
    return false;
}

static unsigned capabilities_of(const hearth_model_info *i)
{
    static const char *const tools[] = {"tools", "tool_calls"};
    static const char *const thoughts[] = {"<think>", "enable_thinking", "reasoning_content",
                                           "<|channel|>", "[THINK]"};
    unsigned can = 0;
    if (strcmp(i->pooling, "rank") == 0 || i->n_labels > 0)
        return LIBRARY_CAN_RERANK;
    if (!i->causal || strcmp(i->pooling, "none") != 0)
        return LIBRARY_CAN_EMBEDDING;
    can |= LIBRARY_CAN_COMPLETION;
    if (i->chat_template == NULL)
        return can;
    can |= LIBRARY_CAN_CHAT;
    if (holds_any(i->chat_template, tools, 2))
        can |= LIBRARY_CAN_TOOLS;
    if (holds_any(i->chat_template, thoughts, 5))
        can |= LIBRARY_CAN_THINKING;
    return can;
}

static void describe_projector(const hearth_model *m, facts *out)
{
    out->projector = true;
    out->projector_dim = take_count(m, "clip.vision.projection_dim");
    if (out->projector_dim == 0)
        out->projector_dim = take_count(m, "clip.audio.projection_dim");
    if (take_flag(m, "clip.has_vision_encoder"))
        out->capabilities |= LIBRARY_CAN_VISION;
    if (take_flag(m, "clip.has_audio_encoder"))
        out->capabilities |= LIBRARY_CAN_AUDIO;
    if (out->capabilities == 0)
        out->capabilities = LIBRARY_CAN_VISION; /* files from before sound existed */
}

static void describe(const hearth_model *m, facts *out)
{
    const hearth_model_info *i = hearth_model_get_info(m);
    char type[16];
    hearth_plan plan;
    hearth_error why;
    snprintf(out->architecture, sizeof out->architecture, "%s", i->architecture);
    take_text(m, "general.name", out->title, sizeof out->title);
    take_text(m, "general.basename", out->basename, sizeof out->basename);
    take_text(m, "general.license", out->license, sizeof out->license);
    take_text(m, "general.type", type, sizeof type);
    snprintf(out->quantization, sizeof out->quantization, "%s", i->file_type);
    out->n_params = i->n_params;
    out->context_length = i->n_ctx_train;
    out->n_layer = i->n_layer;
    out->n_embd = i->n_embd;
    out->n_vocab = i->n_vocab;
    if (strcmp(i->architecture, "clip") == 0 || strcmp(type, "mmproj") == 0) {
        describe_projector(m, out);
    } else if (strcmp(type, "adapter") == 0) {
        out->adapter = true;
    } else if (hearth_model_plan(m, NULL, &plan, &why) != HEARTH_OK) {
        snprintf(out->problem, sizeof out->problem, "%.255s", why.message);
    } else if (i->n_params == 0) {
        snprintf(out->problem, sizeof out->problem, "it holds a vocabulary, and no weights");
    } else {
        out->capabilities = capabilities_of(i);
    }
}

static void finish(facts *out, hearth_model *m, hearth_status status, const hearth_error *err)
{
    if (status == HEARTH_OK)
        describe(m, out);
    else
        snprintf(out->problem, sizeof out->problem, "%.255s", err->message);
    hearth_model_close(m);
}

void facts_read(facts *out, const char *path)
{
    hearth_model_options options;
    hearth_model *m = NULL;
    hearth_error err = {0};
    *out = (facts){.problem = ""};
    hearth_model_options_init(&options);
    options.scope = HEARTH_SCOPE_METADATA;
    hearth_status status = hearth_model_open(&m, path, &options, &err);
    finish(out, m, status, &err);
}

void facts_read_memory(facts *out, const void *bytes, size_t n)
{
    hearth_model_options options;
    hearth_model *m = NULL;
    hearth_error err = {0};
    *out = (facts){.problem = ""};
    hearth_model_options_init(&options);
    options.scope = HEARTH_SCOPE_METADATA;
    hearth_status status = hearth_model_open_memory(&m, bytes, n, &options, &err);
    finish(out, m, status, &err);
}

/* ---- the cache ---- */

struct facts_cache {
    char *path;
    json_t *before; /* by path: what was known */
    json_t *now;    /* what was asked for since facts_cache_begin() */
    bool changed;
};

facts_cache *facts_cache_open(const char *path)
{
    char *text = NULL;
    size_t n = 0;
    facts_cache *cache = mem_calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    if (path)
        cache->path = mem_dup(path, strlen(path));
    if (path && file_read_all(path, CACHE_MAX_BYTES, &text, &n, NULL) == HEARTH_OK) {
        json_t *root = json_loadb(text, n, 0, NULL);
        if (json_integer_value(json_object_get(root, "version")) == CACHE_VERSION)
            cache->before = json_incref(json_object_get(root, "files"));
        json_decref(root);
    }
    mem_free(text);
    if (!json_is_object(cache->before)) {
        json_decref(cache->before);
        cache->before = json_object();
    }
    cache->now = json_object();
    if ((path && !cache->path) || !cache->before || !cache->now) {
        facts_cache_close(cache);
        return NULL;
    }
    return cache;
}

void facts_cache_close(facts_cache *cache)
{
    if (cache == NULL)
        return;
    json_decref(cache->before);
    json_decref(cache->now);
    mem_free(cache->path);
    mem_free(cache);
}

static void read_entry(const json_t *entry, facts *out)
{
    *out = (facts){.problem = ""};
    const char *text;
#define TEXT(name, bytes)                                                                          \
    text = json_string_value(json_object_get(entry, #name));                                       \
    snprintf(out->name, sizeof out->name, "%s", text ? text : "");
#define COUNT(name) out->name = (uint64_t)json_integer_value(json_object_get(entry, #name));
#define FLAG(name) out->name = json_is_true(json_object_get(entry, #name));
#include "library/facts.def"
}

static json_t *write_entry(const facts *f, uint64_t size, int64_t changed_ns)
{
    json_t *entry = json_object();
    json_object_set_new(entry, "size", json_integer((json_int_t)size));
    json_object_set_new(entry, "changed", json_integer((json_int_t)changed_ns));
#define TEXT(name, bytes)                                                                          \
    if (*f->name)                                                                                  \
        json_object_set_new(entry, #name, json_string(f->name));
#define COUNT(name)                                                                                \
    if (f->name)                                                                                   \
        json_object_set_new(entry, #name, json_integer((json_int_t)f->name));
#define FLAG(name)                                                                                 \
    if (f->name)                                                                                   \
        json_object_set_new(entry, #name, json_true());
#include "library/facts.def"
    return entry;
}

void facts_cache_get(facts_cache *cache, const char *path, uint64_t size, int64_t changed_ns,
                     facts *out)
{
    json_t *entry = json_object_get(cache->before, path);
    if (entry && json_integer_value(json_object_get(entry, "size")) == (json_int_t)size &&
        json_integer_value(json_object_get(entry, "changed")) == (json_int_t)changed_ns) {
        read_entry(entry, out);
        json_object_set(cache->now, path, entry);
        return;
    }
    facts_read(out, path);
    entry = write_entry(out, size, changed_ns);
    json_object_set(cache->now, path, entry); /* a path that is no text is not kept */
    json_object_set_new(cache->before, path, entry);
    cache->changed = true;
}

void facts_cache_begin(facts_cache *cache)
{
    json_object_clear(cache->now);
}

hearth_status facts_cache_save(facts_cache *cache, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    file_writer *file = NULL;
    char *text = NULL;
    if (cache->path == NULL ||
        (!cache->changed && json_object_size(cache->now) == json_object_size(cache->before)))
        return HEARTH_OK;
    json_t *root = json_pack("{s:i, s:O}", "version", CACHE_VERSION, "files", cache->now);
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (text == NULL)
        return error_no_memory(err, "the cache of metadata", 0);
    TRY_OUT(folders_make_parent(cache->path, err));
    TRY_OUT(file_writer_open(&file, cache->path, err));
    TRY_OUT(file_writer_write(file, text, strlen(text), err));
    TRY_OUT(file_writer_commit(file, err));
    json_object_clear(cache->before);
    json_object_update(cache->before, cache->now);
    cache->changed = false;
out:
    file_writer_close(file);
    mem_free(text);
    return status;
}
