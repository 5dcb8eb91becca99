/* SPDX-License-Identifier: MIT
 *
 * describe.c - see describe.h.
 */
#include "library/describe.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

json_t *describe_bytes(const char *text, size_t n)
{
    buf clean;
    if (utf8_is_valid(text, n))
        return json_stringn(text, n);
    buf_init(&clean, 0);
    bool ok = true;
    for (size_t i = 0; ok && i < n;) {
        uint32_t code_point;
        char bytes[4];
        i += utf8_decode(text + i, n - i, &code_point);
        ok = buf_append(&clean, bytes, utf8_encode(code_point, bytes));
    }
    json_t *string = ok ? json_stringn(clean.data, clean.n) : NULL;
    buf_deinit(&clean);
    return string;
}

json_t *describe_text(const char *text)
{
    return text && *text ? describe_bytes(text, strlen(text)) : json_null();
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, describe_text(text));
}

static void set_count(json_t *object, const char *key, uint64_t count)
{
    json_object_set_new(object, key, count ? json_integer((json_int_t)count) : json_null());
}

static void set_real(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

json_t *describe_capabilities(unsigned capabilities)
{
    json_t *list = json_array();
#define LIBRARY_X(name, bit, spelling)                                                             \
    if (capabilities & LIBRARY_CAN_##name)                                                         \
        json_array_append_new(list, json_string(spelling));
    LIBRARY_CAPABILITY_MAP(LIBRARY_X)
#undef LIBRARY_X
    return list;
}

json_t *describe_model(const library_model *m)
{
    json_t *root = json_object(), *files = json_array();
    const struct {
        const char *key, *value;
    } texts[] = {
        {"name", m->name},
        {"origin", library_origin_name(m->origin)},
        {"path", m->path},
        {"mmproj_path", m->mmproj_path},
        {"title", m->title},
        {"architecture", m->architecture},
        {"quantization", m->quantization},
        {"problem", m->problem},
        {"sha256", m->sha256},
        {"mmproj_sha256", m->mmproj_sha256},
        {"source", m->source},
        {"creator", m->creator},
        {"provider", m->provider},
        {"license", m->license},
    };
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {
        {"size_bytes", m->size_bytes},
        {"model_size_bytes", m->model_size_bytes},
        {"mmproj_size_bytes", m->mmproj_size_bytes},
        {"n_params", m->n_params},
        {"context_length", m->context_length},
        {"n_layer", m->n_layer},
        {"n_embd", m->n_embd},
        {"n_vocab", m->n_vocab},
        {"created", (uint64_t)m->created_ms},
        {"modified", (uint64_t)m->modified_ms},
        {"last_used", (uint64_t)m->last_used_ms},
        {"top_k", m->top_k},
        {"mirostat", m->mirostat},
        {"max_tokens", m->max_tokens},
        {"context_size", m->context_size},
        {"batch_size", m->batch_size},
        {"threads", m->threads},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        set_text(root, texts[i].key, texts[i].value);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        set_count(root, counts[i].key, counts[i].value);
    json_object_set_new(root, "usage_count", json_integer((json_int_t)m->usage_count));
    set_real(root, "temperature", m->temperature);
    set_real(root, "top_p", m->top_p);
    json_object_set_new(root, "capabilities", describe_capabilities(m->capabilities));
    json_object_set_new(root, "own_files", json_boolean(m->own_files));
    for (size_t i = 0; i < m->n_files; i++)
        json_array_append_new(files, describe_text(m->files[i]));
    json_object_set_new(root, "files", files);
    return root;
}

json_t *describe_catalog(const catalog_model *m)
{
    json_t *root = json_object();
    set_text(root, "name", m->name);
    set_text(root, "title", m->title);
    set_text(root, "repository", m->repository);
    set_text(root, "file", m->file);
    set_count(root, "bytes", m->bytes);
    set_text(root, "parameters", m->parameters);
    set_count(root, "context_length", m->context);
    set_text(root, "quantization", m->quantization);
    set_text(root, "license", m->license);
    json_object_set_new(root, "capabilities", describe_capabilities(m->capabilities));
    set_real(root, "temperature", m->temperature);
    set_real(root, "top_p", m->top_p);
    set_count(root, "top_k", m->top_k);
    set_text(root, "note", m->note);
    return root;
}
