/* SPDX-License-Identifier: MIT
 *
 * options.c - see options.h.
 */
#include "gateway/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "gateway/places.h"
#include "os/file.h"

enum { FILE_MAX = 1 << 20, NAME_BYTES = 64 };

/* ---- the table ---- */

#define TEXT(member, flag, value, help)                                                            \
    OPTION_ROW_TEXT(flag, gateway_flags, options.member, value, help),
#define U32(member, flag, default_, min, max, value, help)                                         \
    OPTION_ROW_U32(flag, gateway_flags, options.member, min, max, value, help),
#define SWITCH(member, flag, help) OPTION_ROW_FLAG(flag, gateway_flags, options.member, help),
#define LIST(member, flag, value, help)                                                            \
    OPTION_ROW_LIST(flag, gateway_flags, options.member, value, help),
const option gateway_option_rows[] = {
#include "gateway/options.def"
    OPTION_ROW_END_GIVEN(gateway_flags, given),
};

#define TEXT(...) +1
#define U32(...) +1
#define SWITCH(...) +1
#define LIST(...) +1
_Static_assert(
#include "gateway/options.def"
    <= CONFIG_ROWS_MAX, "every row has a bit of `given`");

void gateway_options_init(gateway_options *options)
{
    *options = (gateway_options){
        .host = "127.0.0.1",
#define U32(member, flag, default_, ...) .member = default_,
#include "gateway/options.def"
    };
}

const char *config_source_name(config_source source)
{
    static const char *const names[] = {"default", "file", "environment", "flag"};
    return names[source];
}

static const char *key_of(const option *row)
{
    return row->name + 2;
}

static void variable_of(const option *row, char out[NAME_BYTES])
{
    size_t n = (size_t)snprintf(out, NAME_BYTES, "HEARTH_");
    for (const char *c = key_of(row); *c && n + 1 < NAME_BYTES; c++)
        out[n++] = *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    out[n] = '\0';
}

static void *field_of(gateway_flags *values, const option *row)
{
    return (char *)values + row->offset;
}

/* ---- one value ---- */

/* The text of a JSON value as the table reads it, kept in c->texts where it is none. */
static const char *text_of(config *c, const json_t *value)
{
    char text[32];
    if (json_is_string(value))
        return json_string_value(value);
    snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    json_t *kept = json_is_integer(value) ? json_string(text) : NULL;
    return json_array_append_new(c->texts, kept) == 0 ? json_string_value(kept) : NULL;
}

static bool is_fit(const option *row, const json_t *value)
{
    switch (row->type) {
    case OPTION_FLAG:
        return json_is_boolean(value);
    case OPTION_U32:
    case OPTION_I32:
        return json_is_integer(value);
    case OPTION_LIST:
        return json_is_array(value);
    default:
        return json_is_string(value);
    }
}

static hearth_status assign_json(config *c, const option *row, const json_t *value,
                                 hearth_error *err)
{
    static const char *const wants[] = {[OPTION_FLAG] = "true or false",
                                        [OPTION_U32] = "a whole number",
                                        [OPTION_I32] = "a whole number",
                                        [OPTION_LIST] = "an array of texts"};
    void *field = field_of(&c->values, row);
    const char *want = wants[row->type] ? wants[row->type] : "a text";
    size_t i;
    json_t *item;
    if (!is_fit(row, value))
        FAIL(err, EINVAL, key_of(row), "%s: '%s' must be %s", c->path, key_of(row), want);
    if (row->type == OPTION_FLAG) {
        *(bool *)field = json_is_true(value);
        return HEARTH_OK;
    }
    if (row->type != OPTION_LIST) {
        const char *text = text_of(c, value);
        return text ? option_assign(row, field, text, err) : error_no_memory(err, "a value", 0);
    }
    option_list_deinit(field);
    json_array_foreach(value, i, item)
    {
        if (!json_is_string(item))
            FAIL(err, EINVAL, key_of(row), "%s: '%s' must be %s", c->path, key_of(row), want);
        TRY(option_assign(row, field, json_string_value(item), err));
    }
    return HEARTH_OK;
}

static hearth_status unknown_key(const char *path, const char *key, hearth_error *err)
{
    nearest near;
    nearest_init(&near, key, strlen(key));
    for (const option *row = gateway_option_rows; row->name; row++)
        nearest_offer(&near, key_of(row));
    if (near.best)
        FAIL(err, EINVAL, key, "%s: there is no option '%.64s'; did you mean %s?", path, key,
             near.best);
    FAIL(err, EINVAL, key, "%s: there is no option '%.64s'; hearth config lists them", path, key);
}

static const option *find_row(const char *key, size_t *index)
{
    for (size_t i = 0; gateway_option_rows[i].name; i++) {
        if (strcmp(key_of(&gateway_option_rows[i]), key) == 0) {
            *index = i;
            return &gateway_option_rows[i];
        }
    }
    return NULL;
}

static hearth_status apply_object(config *c, json_t *object, hearth_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        const option *row = find_row(key, &i);
        if (row == NULL)
            return unknown_key(c->path, key, err);
        TRY(assign_json(c, row, value, err));
        c->sources[i] = CONFIG_FILE;
    }
    return HEARTH_OK;
}

/* ---- the sources ---- */

/* Puts in front of a value's problem where the value stands. */
static hearth_status told_of(const char *where, hearth_status status, hearth_error *err)
{
    if (status == HEARTH_OK || err == NULL || strncmp(err->message, where, strlen(where)) == 0)
        return status;
    hearth_error value = *err;
    snprintf(err->message, sizeof err->message, "%.120s: %.300s", where, value.message);
    return status;
}

static hearth_status read_file(config *c, bool must_be, hearth_error *err)
{
    char *text = NULL;
    size_t n = 0;
    json_error_t why;
    hearth_error here;
    hearth_status status = file_read_all(c->path, FILE_MAX, &text, &n, &here);
    if (status == HEARTH_ENOTFOUND && !must_be)
        return HEARTH_OK;
    if (status != HEARTH_OK) {
        if (err)
            *err = here;
        return status;
    }
    c->file = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    mem_free(text);
    if (!json_is_object(c->file))
        FAIL(err, EFORMAT, "config", "%s: line %d: %s", c->path, c->file ? 1 : why.line,
             c->file ? "it is not a JSON object" : why.text);
    return told_of(c->path, apply_object(c, c->file, err), err);
}

static const char *variable_value(char *const *environment, const char *name)
{
    size_t n = strlen(name);
    for (; environment && *environment; environment++) {
        if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
            return *environment + n + 1;
    }
    return NULL;
}

/* A list's variable holds values with commas between them. */
static hearth_status assign_list(config *c, const option *row, const char *text, hearth_error *err)
{
    option_list_deinit(field_of(&c->values, row));
    while (*text) {
        size_t n = strcspn(text, ",");
        json_t *kept = json_stringn(text, n);
        if (json_array_append_new(c->texts, kept) != 0)
            FAIL(err, EINVAL, row->name, "%s: is not UTF-8", row->name);
        if (n > 0)
            TRY(option_assign(row, field_of(&c->values, row), json_string_value(kept), err));
        text += n + (text[n] == ',');
    }
    return HEARTH_OK;
}

static hearth_status read_environment(config *c, char *const *environment, hearth_error *err)
{
    char name[NAME_BYTES];
    for (size_t i = 0; gateway_option_rows[i].name; i++) {
        const option *row = &gateway_option_rows[i];
        variable_of(row, name);
        const char *text = variable_value(environment, name);
        if (text == NULL)
            continue;
        void *field = field_of(&c->values, row);
        if (row->type == OPTION_LIST)
            TRY(told_of(name, assign_list(c, row, text, err), err));
        else if (row->type != OPTION_FLAG)
            TRY(told_of(name, option_assign(row, field, text, err), err));
        else if (strcmp(text, "1") == 0 || strcmp(text, "0") == 0)
            *(bool *)field = text[0] == '1';
        else
            FAIL(err, EINVAL, row->name, "%s is 1 or 0, and not '%.64s'", name, text);
        c->sources[i] = CONFIG_ENVIRONMENT;
    }
    return HEARTH_OK;
}

static hearth_status read_flags(config *c, const gateway_flags *flags, hearth_error *err)
{
    for (size_t i = 0; flags && gateway_option_rows[i].name; i++) {
        const option *row = &gateway_option_rows[i];
        const char *from = (const char *)flags + row->offset;
        void *to = field_of(&c->values, row);
        if (!(flags->given >> i & 1))
            continue;
        c->sources[i] = CONFIG_FLAG;
        if (row->type == OPTION_LIST) {
            const option_list *list = (const void *)from;
            option_list_deinit(to);
            for (size_t k = 0; k < list->n; k++)
                TRY(option_assign(row, to, list->items[k], err));
        } else if (row->type == OPTION_TEXT) {
            *(const char **)to = *(const char *const *)(const void *)from;
        } else if (row->type == OPTION_FLAG) {
            memcpy(to, from, sizeof(bool));
        } else {
            memcpy(to, from, sizeof(uint32_t));
        }
    }
    return HEARTH_OK;
}

static hearth_status begin(config *c, const char *path, hearth_error *err)
{
    *c = (config){0};
    gateway_options_init(&c->values.options);
    c->texts = json_array();
    if (path)
        c->path = mem_dup(path, strlen(path));
    else
        TRY(place_path(PLACE_CONFIG, "config.json", &c->path, err));
    if (c->path == NULL || c->texts == NULL)
        return error_no_memory(err, "the configuration", 0);
    return HEARTH_OK;
}

hearth_status config_read(config *c, const char *path, char *const *environment,
                          const gateway_flags *flags, hearth_error *err)
{
    TRY(begin(c, path, err));
    TRY(read_file(c, path != NULL, err));
    TRY(read_environment(c, environment, err));
    return read_flags(c, flags, err);
}

void config_deinit(config *c)
{
    const option_group group = {"", gateway_option_rows, 0};
    const option_set set = {&group, 1};
    option_set_deinit(&set, &c->values);
    json_decref(c->file);
    json_decref(c->texts);
    mem_free(c->path);
    *c = (config){0};
}

/* ---- telling ---- */

bool config_is_default(const config *c, const char *key)
{
    size_t i = 0;
    return find_row(key, &i) && c->sources[i] == CONFIG_DEFAULT;
}

static json_t *value_of(const option *row, gateway_flags *values)
{
    const void *field = field_of(values, row);
    const char *text;
    switch (row->type) {
    case OPTION_FLAG:
        return json_boolean(*(const bool *)field);
    case OPTION_U32:
        return json_integer(*(const uint32_t *)field);
    case OPTION_LIST: {
        const option_list *list = field;
        json_t *array = json_array();
        bool secret = strcmp(row->name, "--api-key") == 0;
        for (size_t i = 0; i < list->n; i++)
            json_array_append_new(array, json_string(secret ? "***" : list->items[i]));
        return array;
    }
    default:
        text = *(const char *const *)field;
        return text ? json_string(text) : json_null();
    }
}

static const char *type_of(const option *row)
{
    return row->type == OPTION_FLAG   ? "flag"
           : row->type == OPTION_U32  ? "number"
           : row->type == OPTION_LIST ? "list"
                                      : "text";
}

json_t *config_describe(const config *c)
{
    gateway_flags defaults = {0};
    gateway_flags *values = (gateway_flags *)&c->values;
    json_t *all = json_array();
    gateway_options_init(&defaults.options);
    for (size_t i = 0; all && gateway_option_rows[i].name; i++) {
        const option *row = &gateway_option_rows[i];
        json_t *one =
            json_pack("{s:s, s:o, s:o, s:s, s:s, s:s}", "name", key_of(row), "value",
                      value_of(row, values), "default", value_of(row, &defaults), "source",
                      config_source_name(c->sources[i]), "type", type_of(row), "help", row->help);
        if (row->type == OPTION_U32) {
            json_object_set_new(one, "min", json_integer((json_int_t)row->min));
            json_object_set_new(one, "max", json_integer((json_int_t)row->max));
        }
        if (json_array_append_new(all, one) != 0) {
            json_decref(all);
            all = NULL;
        }
    }
    return all;
}

/* ---- changing the file ---- */

static hearth_status write_file(const char *path, const json_t *root, hearth_error *err)
{
    file_writer *writer = NULL;
    hearth_status status = HEARTH_OK;
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS);
    char *folder = mem_dup(path, strlen(path));
    if (text == NULL || folder == NULL) {
        status = error_no_memory(err, "the configuration", 0);
        goto out;
    }
    char *slash = strrchr(folder, '/');
    if (slash && slash > folder) {
        *slash = '\0';
        TRY_OUT(place_make(folder, err));
    }
    TRY_OUT(file_writer_open(&writer, path, err));
    TRY_OUT(file_writer_write(writer, text, strlen(text), err));
    TRY_OUT(file_writer_write(writer, "\n", 1, err));
    status = file_writer_commit(writer, err);
out:
    file_writer_close(writer);
    free(text);
    mem_free(folder);
    return status;
}

hearth_status config_change(const config *c, json_t *changes, hearth_error *err)
{
    config checked;
    const char *key;
    json_t *value;
    hearth_status status = begin(&checked, c->path, err);
    json_t *root = NULL;
    if (status != HEARTH_OK)
        goto out;
    TRY_OUT(read_file(&checked, false, err));
    root = checked.file ? json_copy(checked.file) : json_object();
    json_object_foreach(changes, key, value)
    {
        size_t i;
        if (find_row(key, &i) == NULL) {
            status = unknown_key(c->path, key, err);
            goto out;
        }
        if (json_is_null(value))
            json_object_del(root, key);
        else
            json_object_set(root, key, value);
    }
    TRY_OUT(apply_object(&checked, root, err));
    status = write_file(c->path, root, err);
out:
    json_decref(root);
    config_deinit(&checked);
    return status;
}
