/* SPDX-License-Identifier: MIT
 *
 * binding.c - a module: start(name, handle, parameters, onEvent), cancel(id), release(handle), and
 * what module_add puts beside them. The scripts make functions of these.
 *
 * A handle is an external value. Externals of other addons look the same, so a handle counts only
 * if its pointer is among this environment's contexts.
 */
#include <stdlib.h>
#include <string.h>

#include "binding.h"

/* ---- handles ---- */

static napi_value throw_invalid(napi_env env, const char *where, const char *message)
{
    hearth_error err;
    fail(&err, HEARTH_EINVAL, where, "%s", message);
    napi_throw(env, value_error(env, &err));
    return NULL;
}

static void forget(context *c)
{
    for (context **at = &c->b->contexts; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            return;
        }
    }
}

/* The collector found a handle that nobody released, or the environment ends. */
static void finalize_context(napi_env env, void *data, void *hint)
{
    context *c = data;
    (void)env;
    (void)hint;
    if (c->b) {
        forget(c);
        /* Not on this thread, if it can be: closing waits for a pass under way. */
        if (!c->released && !job_start_release(c->b, c, NULL))
            context_close(c);
    }
    context_unref(c);
}

napi_value give_context(napi_env env, job *j)
{
    context *c = j->opened;
    napi_value handle = NULL;
    if (napi_create_external(env, c, finalize_context, NULL, &handle) != napi_ok)
        return NULL;
    j->opened = NULL;
    c->b = j->b;
    c->next = j->b->contexts;
    j->b->contexts = c;
    return handle;
}

static context *find_context(binding *b, napi_value handle)
{
    napi_valuetype t;
    void *data = NULL;
    if (handle == NULL || napi_typeof(b->env, handle, &t) != napi_ok || t != napi_external ||
        napi_get_value_external(b->env, handle, &data) != napi_ok)
        return NULL;
    for (context *c = b->contexts; c; c = c->next) {
        if (c == data)
            return c;
    }
    return NULL;
}

context *binding_context(binding *b, napi_value handle)
{
    context *c = find_context(b, handle);
    if (c == NULL)
        throw_invalid(b->env, "handle", "the handle is none of initialize");
    else if (c->released)
        throw_invalid(b->env, "handle", "the handle was released; initialize again");
    return c && !c->released ? c : NULL;
}

/* ---- functions ---- */

binding *binding_arguments(napi_env env, napi_callback_info info, size_t n, napi_value *values)
{
    void *b = NULL;
    size_t given = n;
    memset(values, 0, n * sizeof *values);
    if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok ||
        napi_get_instance_data(env, &b) != napi_ok)
        return NULL;
    return b;
}

static napi_value start(napi_env env, napi_callback_info info)
{
    napi_value a[4], to, promise;
    char name[32] = "";
    uint32_t id;
    context *c = NULL;
    binding *b = binding_arguments(env, info, 4, a);
    if (b == NULL || napi_get_value_string_utf8(env, a[0], name, sizeof name, NULL) != napi_ok)
        return NULL;
    const operation *op = NULL;
    for (size_t i = 0; i < n_operations; i++) {
        if (strcmp(operations[i].name, name) == 0)
            op = &operations[i];
    }
    if (op == NULL)
        return throw_invalid(env, "name", "there is no such function");
    if (op->needs_context && (c = binding_context(b, a[1])) == NULL)
        return NULL;
    if (!job_start(b, op, c, &(job_arguments){a[1], a[2], a[3]}, &promise, &id))
        return NULL;
    to = value_object(env);
    set_value(env, to, "promise", promise);
    set_number(env, to, "id", id);
    return to;
}

static napi_value cancel(napi_env env, napi_callback_info info)
{
    napi_value id;
    double number = 0;
    binding *b = binding_arguments(env, info, 1, &id);
    if (b == NULL || napi_get_value_double(env, id, &number) != napi_ok)
        return NULL;
    for (job *j = b->jobs; j; j = j->next) {
        if ((double)j->id == number)
            job_cancel(j);
    }
    return NULL;
}

static napi_value release(napi_env env, napi_callback_info info)
{
    napi_value handle, promise = NULL, undefined;
    napi_deferred deferred;
    binding *b = binding_arguments(env, info, 1, &handle);
    if (b == NULL)
        return NULL;
    context *c = find_context(b, handle);
    if (c == NULL)
        return throw_invalid(env, "handle", "the handle is none of initialize");
    if (napi_create_promise(env, &deferred, &promise) != napi_ok)
        return NULL;
    if (!job_start_release(b, c, deferred)) {
        context_close(c); /* no thread to be had: here, then */
        napi_get_undefined(env, &undefined);
        napi_resolve_deferred(env, deferred, undefined);
    }
    return promise;
}

/* ---- life ---- */

/* Nothing may run any more. Handles are finalized before this or after it. */
void binding_end(void *data)
{
    binding *b = data;
    jobs_stop(b);
    for (context *c = b->contexts, *next; c; c = next) {
        next = c->next;
        c->b = NULL;
        context_close(c);
    }
    b->contexts = NULL;
    carrier_end(b);
    binding_unref(b);
}

void module_add_function(napi_env env, napi_value exports, const char *name, napi_callback callback)
{
    napi_value function = NULL;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function);
    set_value(env, exports, name, function);
}

__attribute__((visibility("default"))) int32_t node_api_module_get_api_version_v1(void);
__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env,
                                                                          napi_value exports);

int32_t node_api_module_get_api_version_v1(void)
{
    return NODE_API_VERSION_USED;
}

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    binding *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    b->env = env;
    b->n_refs = 1;
    if (!carrier_open(b)) {
        free(b);
        return throw_invalid(env, "hearth",
                             "the host gives neither threadsafe functions nor setTimeout");
    }
    module_add_function(env, exports, "start", start);
    module_add_function(env, exports, "cancel", cancel);
    module_add_function(env, exports, "release", release);
    module_add(env, exports);
    return exports;
}
