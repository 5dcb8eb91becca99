/* SPDX-License-Identifier: MIT
 *
 * value.c - making values of the environment.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

hearth_status fail(hearth_error *err, hearth_status status, const char *where, const char *format,
                   ...)
{
    va_list args;
    *err = (hearth_error){.code = status};
    snprintf(err->where, sizeof err->where, "%s", where ? where : "");
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

napi_value value_text(napi_env env, const char *text, size_t n)
{
    napi_value value = NULL;
    napi_create_string_utf8(env, text, n, &value);
    return value;
}

napi_value value_number(napi_env env, double number)
{
    napi_value value = NULL;
    napi_create_double(env, number, &value);
    return value;
}

napi_value value_object(napi_env env)
{
    napi_value value = NULL;
    napi_create_object(env, &value);
    return value;
}

void set_value(napi_env env, napi_value object, const char *name, napi_value value)
{
    if (value)
        napi_set_named_property(env, object, name, value);
}

void set_number(napi_env env, napi_value object, const char *name, double number)
{
    set_value(env, object, name, value_number(env, number));
}

void set_text(napi_env env, napi_value object, const char *name, const char *text)
{
    set_value(env, object, name, value_text(env, text ? text : "", NAPI_AUTO_LENGTH));
}

void set_bool(napi_env env, napi_value object, const char *name, bool value)
{
    napi_value v = NULL;
    napi_get_boolean(env, value, &v);
    set_value(env, object, name, v);
}

/* An Error with `code` ("HEARTH_EINVAL"), `status` ("EINVAL") and, where one is to blame, the
 * `parameter`. */
napi_value value_error(napi_env env, const hearth_error *err)
{
    char code[32];
    napi_value error = NULL;
    snprintf(code, sizeof code, "HEARTH_%s", hearth_status_name(err->code));
    napi_create_error(env, value_text(env, code, NAPI_AUTO_LENGTH),
                      value_text(env, err->message, NAPI_AUTO_LENGTH), &error);
    if (error) {
        set_text(env, error, "status", hearth_status_name(err->code));
        if (err->where[0])
            set_text(env, error, "parameter", err->where);
    }
    return error;
}

void exception_drop(napi_env env)
{
    bool pending = false;
    napi_value ignored;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending)
        napi_get_and_clear_last_exception(env, &ignored);
}

napi_value value_json(napi_env env, const char *method, napi_value value)
{
    napi_value global, json, function, out;
    if (napi_get_global(env, &global) != napi_ok ||
        napi_get_named_property(env, global, "JSON", &json) != napi_ok ||
        napi_get_named_property(env, json, method, &function) != napi_ok ||
        napi_call_function(env, json, function, 1, &value, &out) != napi_ok)
        return NULL;
    return out;
}

napi_value value_buffer(napi_env env, void *data, size_t n_bytes, napi_finalize finalize)
{
    napi_value buffer = NULL;
    void *copy;
    if (napi_create_external_arraybuffer(env, data, n_bytes, finalize, NULL, &buffer) == napi_ok)
        return buffer;
    if (napi_create_arraybuffer(env, n_bytes, &copy, &buffer) == napi_ok && n_bytes > 0)
        memcpy(copy, data, n_bytes);
    finalize(env, data, NULL);
    return buffer;
}

napi_value value_array(napi_env env, napi_typedarray_type type, napi_value buffer, size_t offset,
                       size_t n)
{
    napi_value array = NULL;
    if (buffer)
        napi_create_typedarray(env, type, n, buffer, offset, &array);
    return array;
}
