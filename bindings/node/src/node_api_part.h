/* SPDX-License-Identifier: MIT
 *
 * node_api_part.h - the part of Node-API that this addon uses, declared.
 *
 * Node-API is a stable binary interface: these declarations hold for Node.js 18 and later, Bun and
 * every other host, so the addon is built without the headers of any of them and without a
 * download. Names and numbers are those of https://nodejs.org/docs/latest/api/n-api.html,
 * version 8. No function of libuv or V8 is used.
 */
#ifndef HEARTH_NODE_API_PART_H
#define HEARTH_NODE_API_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NODE_API_VERSION_USED = 8 };
#define NAPI_AUTO_LENGTH SIZE_MAX

typedef struct napi_env_ *napi_env;
typedef struct napi_value_ *napi_value;
typedef struct napi_ref_ *napi_ref;
typedef struct napi_handle_scope_ *napi_handle_scope;
typedef struct napi_callback_info_ *napi_callback_info;
typedef struct napi_deferred_ *napi_deferred;
typedef struct napi_threadsafe_function_ *napi_threadsafe_function;

typedef int napi_status;
enum { napi_ok = 0 };

typedef enum napi_valuetype {
    napi_undefined = 0,
    napi_null = 1,
    napi_boolean = 2,
    napi_number = 3,
    napi_string = 4,
    napi_object = 6,
    napi_function = 7,
    napi_external = 8
} napi_valuetype;

typedef enum napi_typedarray_type {
    napi_int32_array = 5,
    napi_float32_array = 7
} napi_typedarray_type;

enum { napi_key_own_only = 1 };
enum { napi_key_enumerable = 2, napi_key_skip_symbols = 16 };
enum { napi_key_numbers_to_strings = 1 };
enum { napi_tsfn_nonblocking = 0 };

typedef napi_value (*napi_callback)(napi_env env, napi_callback_info info);
typedef void (*napi_finalize)(napi_env env, void *data, void *hint);
typedef void (*napi_cleanup_hook)(void *data);
typedef void (*napi_call_js)(napi_env env, napi_value function, void *context, void *data);

/* ---- values ---- */
napi_status napi_typeof(napi_env env, napi_value value, napi_valuetype *out);
napi_status napi_get_undefined(napi_env env, napi_value *out);
napi_status napi_get_null(napi_env env, napi_value *out);
napi_status napi_get_global(napi_env env, napi_value *out);
napi_status napi_get_boolean(napi_env env, bool value, napi_value *out);
napi_status napi_get_value_bool(napi_env env, napi_value value, bool *out);
napi_status napi_create_double(napi_env env, double value, napi_value *out);
napi_status napi_get_value_double(napi_env env, napi_value value, double *out);
napi_status napi_create_string_utf8(napi_env env, const char *text, size_t n, napi_value *out);
napi_status napi_get_value_string_utf8(napi_env env, napi_value value, char *out, size_t size,
                                       size_t *n);
napi_status napi_create_external(napi_env env, void *data, napi_finalize finalize, void *hint,
                                 napi_value *out);
napi_status napi_get_value_external(napi_env env, napi_value value, void **out);

/* ---- objects ---- */
napi_status napi_create_object(napi_env env, napi_value *out);
napi_status napi_set_named_property(napi_env env, napi_value object, const char *name,
                                    napi_value value);
napi_status napi_get_named_property(napi_env env, napi_value object, const char *name,
                                    napi_value *out);
napi_status napi_get_property(napi_env env, napi_value object, napi_value key, napi_value *out);
napi_status napi_get_all_property_names(napi_env env, napi_value object, int mode, int filter,
                                        int conversion, napi_value *out);
napi_status napi_create_array_with_length(napi_env env, size_t n, napi_value *out);
napi_status napi_is_array(napi_env env, napi_value value, bool *out);
napi_status napi_get_array_length(napi_env env, napi_value array, uint32_t *out);
napi_status napi_get_element(napi_env env, napi_value array, uint32_t i, napi_value *out);
napi_status napi_set_element(napi_env env, napi_value array, uint32_t i, napi_value value);

/* ---- buffers ---- */
napi_status napi_create_arraybuffer(napi_env env, size_t n, void **data, napi_value *out);
napi_status napi_create_external_arraybuffer(napi_env env, void *data, size_t n,
                                             napi_finalize finalize, void *hint, napi_value *out);
napi_status napi_create_typedarray(napi_env env, napi_typedarray_type type, size_t n,
                                   napi_value buffer, size_t offset, napi_value *out);
napi_status napi_is_typedarray(napi_env env, napi_value value, bool *out);
napi_status napi_get_typedarray_info(napi_env env, napi_value array, napi_typedarray_type *type,
                                     size_t *n, void **data, napi_value *buffer, size_t *offset);

/* ---- functions, promises, errors ---- */
napi_status napi_create_function(napi_env env, const char *name, size_t n, napi_callback callback,
                                 void *data, napi_value *out);
napi_status napi_get_cb_info(napi_env env, napi_callback_info info, size_t *n, napi_value *values,
                             napi_value *self, void **data);
napi_status napi_call_function(napi_env env, napi_value self, napi_value function, size_t n,
                               const napi_value *values, napi_value *out);
napi_status napi_create_promise(napi_env env, napi_deferred *deferred, napi_value *promise);
napi_status napi_resolve_deferred(napi_env env, napi_deferred deferred, napi_value value);
napi_status napi_reject_deferred(napi_env env, napi_deferred deferred, napi_value error);
napi_status napi_create_error(napi_env env, napi_value code, napi_value message, napi_value *out);
napi_status napi_throw(napi_env env, napi_value error);
napi_status napi_is_exception_pending(napi_env env, bool *out);
napi_status napi_get_and_clear_last_exception(napi_env env, napi_value *out);

/* ---- life ---- */
napi_status napi_create_reference(napi_env env, napi_value value, uint32_t count, napi_ref *out);
napi_status napi_delete_reference(napi_env env, napi_ref ref);
napi_status napi_get_reference_value(napi_env env, napi_ref ref, napi_value *out);
napi_status napi_open_handle_scope(napi_env env, napi_handle_scope *out);
napi_status napi_close_handle_scope(napi_env env, napi_handle_scope scope);
napi_status napi_set_instance_data(napi_env env, void *data, napi_finalize finalize, void *hint);
napi_status napi_get_instance_data(napi_env env, void **out);
napi_status napi_get_node_version(napi_env env, const void **out);

/* ---- what not every host has: looked up by name, see carrier.c ---- */
typedef struct host_threadsafe {
    napi_status (*create)(napi_env env, napi_value function, napi_value resource, napi_value name,
                          size_t max_queue, size_t n_threads, void *finalize_data,
                          napi_finalize finalize, void *context, napi_call_js call,
                          napi_threadsafe_function *out);
    napi_status (*call)(napi_threadsafe_function function, void *data, int mode);
    napi_status (*ref)(napi_env env, napi_threadsafe_function function);
    napi_status (*unref)(napi_env env, napi_threadsafe_function function);
    napi_status (*add_cleanup_hook)(napi_env env, napi_cleanup_hook hook, void *data);
} host_threadsafe;

#endif
