/* SPDX-License-Identifier: MIT
 *
 * carrier.c - how parcels come from the jobs' threads to the environment's thread.
 *
 *   threadsafe   Node-API's own way: the host wakes the environment's thread.
 *   timer        for hosts without: parcels lie in a list, and a timer (the host's setTimeout),
 *                which is set only while there are jobs, looks for them. Looking is put off further
 *                and further while nothing comes, and done again at once after something came.
 *
 * Why so  react-native-node-api 1.0.1 is a host without. Its napi_queue_async_work is no way out:
 *         it runs `execute` on JavaScript's thread (cpp/RuntimeNodeApiAsync.cpp), which would stand
 *         still for as long as `execute` waits for parcels, and it may not be called elsewhere.
 * Choice  Node-API's functions that such a host lacks may be there all the same, and end the
 *         process when called: react-native-node-api's weak-node-api defines them all. So the host
 *         is asked first whether it has a version of Node.js (that one has none), and then for each
 *         function, by name: none of them is linked.
 */
#include <dlfcn.h>
#include <string.h>

#include "binding.h"

enum { SOONEST_MS = 1, LATEST_MS = 16 };

struct carrier_kind {
    bool (*post)(binding *b, parcel *m);
    void (*hold)(binding *b, bool awaited);
    void (*let_go)(binding *b);
    void (*end)(binding *b);
};

/* ---- threadsafe ---- */

static bool find(void *function, const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

static bool find_threadsafe(napi_env env, host_threadsafe *host)
{
    const void *version = NULL;
    return napi_get_node_version(env, &version) == napi_ok &&
           find(&host->create, "napi_create_threadsafe_function") &&
           find(&host->call, "napi_call_threadsafe_function") &&
           find(&host->ref, "napi_ref_threadsafe_function") &&
           find(&host->unref, "napi_unref_threadsafe_function") &&
           find(&host->add_cleanup_hook, "napi_add_env_cleanup_hook");
}

/* env is NULL at the environment's end. */
static void receive(napi_env env, napi_value function, void *user, void *data)
{
    (void)function;
    (void)user;
    job_receive(env, data);
}

static bool threadsafe_post(binding *b, parcel *m)
{
    carrier *c = &b->carrier;
    return c->host.call(c->function, m, napi_tsfn_nonblocking) == napi_ok;
}

static void threadsafe_hold(binding *b, bool awaited)
{
    (void)awaited;
    b->carrier.host.ref(b->env, b->carrier.function);
}

static void threadsafe_let_go(binding *b)
{
    b->carrier.host.unref(b->env, b->carrier.function);
}

/* What nobody took, the host gives to `receive` when it frees the function. */
static void threadsafe_end(binding *b)
{
    (void)b;
}

static bool threadsafe_open(binding *b)
{
    carrier *c = &b->carrier;
    return c->host.create(b->env, NULL, NULL, value_text(b->env, "hearth", NAPI_AUTO_LENGTH), 0, 1,
                          NULL, NULL, b, receive, &c->function) == napi_ok &&
           c->host.unref(b->env, c->function) == napi_ok &&
           napi_set_instance_data(b->env, b, NULL, NULL) == napi_ok &&
           c->host.add_cleanup_hook(b->env, binding_end, b) == napi_ok;
}

/* ---- timer ---- */

static void set_timer(binding *b)
{
    carrier *c = &b->carrier;
    napi_env env = b->env;
    napi_handle_scope scope;
    napi_value global, set_timeout, ignored, arguments[2];
    if (c->is_set || napi_open_handle_scope(env, &scope) != napi_ok)
        return;
    arguments[1] = value_number(env, c->wait_ms);
    c->is_set = napi_get_global(env, &global) == napi_ok &&
                napi_get_reference_value(env, c->set_timeout, &set_timeout) == napi_ok &&
                napi_get_reference_value(env, c->look, &arguments[0]) == napi_ok &&
                napi_call_function(env, global, set_timeout, 2, arguments, &ignored) == napi_ok;
    if (!c->is_set)
        exception_drop(env);
    napi_close_handle_scope(env, scope);
}

static parcel *take_all(carrier *c)
{
    pthread_mutex_lock(&c->lock);
    parcel *first = c->first;
    c->first = NULL;
    c->last = &c->first;
    pthread_mutex_unlock(&c->lock);
    return first;
}

static void receive_all(napi_env env, parcel *m)
{
    for (parcel *next; m; m = next) {
        next = m->next;
        job_receive(env, m);
    }
}

static napi_value look(napi_env env, napi_callback_info info)
{
    void *data = NULL;
    (void)info;
    if (napi_get_instance_data(env, &data) != napi_ok || data == NULL)
        return NULL;
    binding *b = data;
    carrier *c = &b->carrier;
    parcel *m = take_all(c);
    c->is_set = false;
    c->wait_ms = m ? SOONEST_MS : c->wait_ms * 2;
    if (c->wait_ms > LATEST_MS)
        c->wait_ms = LATEST_MS;
    receive_all(env, m);
    if (b->n_jobs > 0)
        set_timer(b);
    return NULL;
}

static bool timer_post(binding *b, parcel *m)
{
    carrier *c = &b->carrier;
    m->next = NULL;
    pthread_mutex_lock(&c->lock);
    *c->last = m;
    c->last = &m->next;
    pthread_mutex_unlock(&c->lock);
    return true;
}

/* For a job of the collector's no timer is set, for a finalizer may be no place to run scripts: its
 * parcel is found with those of the next job, or at the environment's end. */
static void timer_hold(binding *b, bool awaited)
{
    if (!awaited)
        return;
    b->carrier.wait_ms = SOONEST_MS;
    set_timer(b);
}

static void timer_let_go(binding *b)
{
    (void)b;
}

static void drop_references(binding *b)
{
    carrier *c = &b->carrier;
    if (c->set_timeout)
        napi_delete_reference(b->env, c->set_timeout);
    if (c->look)
        napi_delete_reference(b->env, c->look);
}

static void timer_end(binding *b)
{
    receive_all(NULL, take_all(&b->carrier));
    drop_references(b);
    pthread_mutex_destroy(&b->carrier.lock);
}

static void finalize_binding(napi_env env, void *data, void *hint)
{
    (void)env;
    (void)hint;
    binding_end(data);
}

static bool timer_open(binding *b)
{
    carrier *c = &b->carrier;
    napi_env env = b->env;
    napi_value global, set_timeout, looker;
    napi_valuetype t = napi_undefined;
    if (pthread_mutex_init(&c->lock, NULL) != 0)
        return false;
    c->last = &c->first;
    if (napi_get_global(env, &global) == napi_ok &&
        napi_get_named_property(env, global, "setTimeout", &set_timeout) == napi_ok &&
        napi_typeof(env, set_timeout, &t) == napi_ok && t == napi_function &&
        napi_create_reference(env, set_timeout, 1, &c->set_timeout) == napi_ok &&
        napi_create_function(env, "look", NAPI_AUTO_LENGTH, look, NULL, &looker) == napi_ok &&
        napi_create_reference(env, looker, 1, &c->look) == napi_ok &&
        napi_set_instance_data(env, b, finalize_binding, NULL) == napi_ok)
        return true;
    drop_references(b);
    pthread_mutex_destroy(&c->lock);
    return false;
}

/* ---- either ---- */

bool carrier_open(binding *b)
{
    static const carrier_kind threadsafe = {threadsafe_post, threadsafe_hold, threadsafe_let_go,
                                            threadsafe_end};
    static const carrier_kind timer = {timer_post, timer_hold, timer_let_go, timer_end};
    bool has_threadsafe = find_threadsafe(b->env, &b->carrier.host);
    b->carrier.kind = has_threadsafe ? &threadsafe : &timer;
    return has_threadsafe ? threadsafe_open(b) : timer_open(b);
}

bool carrier_post(binding *b, parcel *m)
{
    return b->carrier.kind->post(b, m);
}

void carrier_hold(binding *b, bool awaited)
{
    b->carrier.kind->hold(b, awaited);
}

void carrier_let_go(binding *b)
{
    b->carrier.kind->let_go(b);
}

void carrier_end(binding *b)
{
    b->carrier.kind->end(b);
}
