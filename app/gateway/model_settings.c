/* SPDX-License-Identifier: MIT
 *
 * model_settings.c - see model_settings.h.
 */
#include "gateway/model_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { KEY_BYTES = 256, EXTRA_MAX = 64, EXTRA_BYTES = 4096 };

static void key_of(const char *model, char out[KEY_BYTES])
{
    snprintf(out, KEY_BYTES, "model:%s", model);
}

/* ---- checking and applying ---- */

static hearth_status whole(const char *key, const json_t *value, double min, double max,
                           int64_t *out, hearth_error *err)
{
    *out = json_integer_value(value);
    if (!json_is_integer(value) || (double)*out < min || (double)*out > max)
        FAIL(err, EINVAL, key, "%s: give a whole number from %.0f to %.0f", key, min, max);
    return HEARTH_OK;
}

static hearth_status set_u32(const char *key, const json_t *value, double min, double max,
                             uint32_t *out, hearth_error *err)
{
    int64_t number;
    TRY(whole(key, value, min, max, &number, err));
    *out = (uint32_t)number;
    return HEARTH_OK;
}

static hearth_status set_i32(const char *key, const json_t *value, double min, double max,
                             int32_t *out, hearth_error *err)
{
    int64_t number;
    TRY(whole(key, value, min, max, &number, err));
    *out = (int32_t)number;
    return HEARTH_OK;
}

static hearth_status set_text(const char *key, const json_t *value, double max, char **out,
                              hearth_error *err)
{
    const char *text = json_string_value(value);
    if (text == NULL || text[0] == '-' || strlen(text) > (size_t)max)
        FAIL(err, EINVAL, key, "%s: give a text of at most %.0f bytes that begins with no dash",
             key, max);
    if (!model_spec_set(out, text))
        return error_no_memory(err, key, strlen(text));
    return HEARTH_OK;
}

static hearth_status set_switch(const char *key, const json_t *value, bool *out, hearth_error *err)
{
    if (!json_is_boolean(value))
        FAIL(err, EINVAL, key, "%s: give true or false", key);
    *out = json_is_true(value);
    return HEARTH_OK;
}

static hearth_status set_engine(const json_t *value, model_spec *spec, hearth_error *err)
{
    const char *name = json_string_value(value);
    if (name == NULL || !engine_kind_from_name(name, &spec->kind) || spec->kind == ENGINE_REMOTE)
        FAIL(err, EINVAL, "engine", "engine: give auto, builtin or llama-server");
    return HEARTH_OK;
}

static hearth_status set_extra(const json_t *value, model_spec *spec, hearth_error *err)
{
    size_t i;
    json_t *item;
    if (!json_is_array(value) || json_array_size(value) > EXTRA_MAX)
        FAIL(err, EINVAL, "extra", "extra: give an array of at most %d texts", (int)EXTRA_MAX);
    json_array_foreach(value, i, item)
    {
        if (!json_is_string(item) || json_string_length(item) > EXTRA_BYTES)
            FAIL(err, EINVAL, "extra", "extra[%zu]: give a text of at most %d bytes", i,
                 (int)EXTRA_BYTES);
        if (!model_spec_add_extra(spec, json_string_value(item)))
            return error_no_memory(err, "extra flags", 0);
    }
    return HEARTH_OK;
}

static hearth_status apply_one(const char *key, const json_t *value, model_spec *spec,
                               hearth_error *err)
{
#define APPLY_U32(key_, member, min, max) set_u32(key_, value, min, max, &spec->member, err)
#define APPLY_I32(key_, member, min, max) set_i32(key_, value, min, max, &spec->member, err)
#define APPLY_MS(key_, member, min, max) whole(key_, value, min, max, &spec->member, err)
#define APPLY_TEXT(key_, member, min, max) set_text(key_, value, max, &spec->member, err)
#define APPLY_SWITCH(key_, member, min, max) set_switch(key_, value, &spec->member, err)
#define FIELD(kind, name, member, min, max, help)                                                  \
    if (strcmp(key, name) == 0)                                                                    \
        return APPLY_##kind(name, member, min, max);
#include "gateway/model_settings.def"
    if (strcmp(key, "engine") == 0)
        return set_engine(value, spec, err);
    if (strcmp(key, "extra") == 0)
        return set_extra(value, spec, err);
    FAIL(err, EINVAL, key, "there is no setting '%.40s' of models", key);
}

hearth_status model_settings_apply(const json_t *settings, model_spec *spec, hearth_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)settings, key, value)
        TRY(apply_one(key, value, spec, err));
    return HEARTH_OK;
}

json_t *model_settings_of(const model_spec *spec)
{
#define TELL_U32(member) json_integer(spec->member)
#define TELL_I32(member) json_integer(spec->member)
#define TELL_MS(member) json_integer(spec->member)
#define TELL_TEXT(member) (spec->member ? json_string(spec->member) : json_null())
#define TELL_SWITCH(member) json_boolean(spec->member)
    json_t *all = json_object();
    json_t *extra = json_array();
#define FIELD(kind, name, member, min, max, help)                                                  \
    json_object_set_new(all, name, TELL_##kind(member));
#include "gateway/model_settings.def"
    json_object_set_new(all, "engine", json_string(engine_kind_name(spec->kind)));
    for (size_t i = 0; i < spec->n_extra; i++)
        json_array_append_new(extra, json_string(spec->extra[i]));
    json_object_set_new(all, "extra", extra);
    return all;
}

/* ---- keeping ---- */

hearth_status model_settings_get(store *s, const char *model, json_t **out, hearth_error *err)
{
    char key[KEY_BYTES];
    buf text;
    hearth_error here = {0};
    buf_init(&text, 0);
    key_of(model, key);
    hearth_status status = store_setting_get(s, key, &text, &here);
    *out = status == HEARTH_OK ? json_loadb(text.data, text.n, 0, NULL) : NULL;
    buf_deinit(&text);
    if (*out == NULL && (status == HEARTH_OK || status == HEARTH_ENOTFOUND)) {
        *out = json_object();
        status = HEARTH_OK;
    }
    if (status != HEARTH_OK && err)
        *err = here;
    return status;
}

hearth_status model_settings_put(store *s, const char *model, const json_t *settings,
                                 hearth_error *err)
{
    char key[KEY_BYTES];
    char *text = json_dumps(settings, JSON_COMPACT);
    key_of(model, key);
    if (text == NULL)
        return error_no_memory(err, "settings", 0);
    hearth_status status =
        store_setting_set(s, key, json_object_size(settings) > 0 ? text : NULL, err);
    free(text);
    return status;
}

hearth_status model_settings_change(store *s, const char *model, const json_t *changes,
                                    bool *changed, hearth_error *err)
{
    model_spec spec;
    const char *key;
    json_t *value, *settings = NULL, *before = NULL;
    hearth_status status = HEARTH_OK;
    model_spec_init(&spec);
    if (!json_is_object(changes))
        FAIL_OUT(err, EINVAL, "settings", "settings: give an object");
    TRY_OUT(model_settings_get(s, model, &settings, err));
    before = json_copy(settings);
    json_object_foreach((json_t *)(uintptr_t)changes, key, value)
    {
        if (json_is_null(value))
            json_object_del(settings, key);
        else
            json_object_set(settings, key, value);
    }
    TRY_OUT(model_settings_apply(settings, &spec, err));
    bool differs = !json_equal(before, settings);
    if (changed)
        *changed = differs;
    if (differs)
        status = model_settings_put(s, model, settings, err);
out:
    model_spec_deinit(&spec);
    json_decref(settings);
    json_decref(before);
    return status;
}

hearth_status model_settings_rename(store *s, const char *from, const char *to, hearth_error *err)
{
    json_t *settings = NULL;
    hearth_status status = model_settings_get(s, from, &settings, err);
    if (status == HEARTH_OK)
        status = model_settings_put(s, to, settings, err);
    json_decref(settings);
    return status == HEARTH_OK ? model_settings_remove(s, from, err) : status;
}

hearth_status model_settings_remove(store *s, const char *model, hearth_error *err)
{
    char key[KEY_BYTES];
    key_of(model, key);
    return store_setting_set(s, key, NULL, err);
}
