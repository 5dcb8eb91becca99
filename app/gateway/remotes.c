/* SPDX-License-Identifier: MIT
 *
 * remotes.c - see remotes.h, and their handlers.
 */
#include "gateway/remotes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/chat_json.h"
#include "gateway/handlers.h"
#include "gateway/model_settings.h"
#include "gateway/via.h"

enum { KEY_BYTES = LIBRARY_NAME_MAX + 16, URL_MAX = 1024 };

static const char prefix[] = "remote:";

static hearth_status check_address(const gateway *g, const char *url, hearth_error *err)
{
    const uint16_t port = g->server ? http_server_port(g->server) : 0;
    if (via_is_own_address(url, g->config->values.options.host, port))
        FAIL(err, EINVAL, "url",
             "url: %.200s is the address of this server; its own models need "
             "no remote",
             url);
    return HEARTH_OK;
}

static void key_of(const char *name, char out[KEY_BYTES])
{
    snprintf(out, KEY_BYTES, "%s%s", prefix, name);
}

/* NULL: there is none. */
static json_t *read_remote(gateway *g, const char *name)
{
    char key[KEY_BYTES];
    buf text;
    json_t *remote = NULL;
    if (strlen(name) > LIBRARY_NAME_MAX)
        return NULL;
    buf_init(&text, 0);
    key_of(name, key);
    if (store_setting_get(g->store, key, &text, NULL) == HEARTH_OK)
        remote = chat_object_of(text.data);
    buf_deinit(&text);
    return remote;
}

bool remote_is_known(gateway *g, const char *name)
{
    json_t *remote = read_remote(g, name);
    json_decref(remote);
    return remote != NULL;
}

hearth_status remote_fill_spec(gateway *g, const char *name, model_spec *out, hearth_error *err)
{
    json_t *remote = read_remote(g, name);
    const char *key = json_string_value(json_object_get(remote, "key"));
    const char *model = json_string_value(json_object_get(remote, "model"));
    if (remote == NULL)
        FAIL(err, ENOTFOUND, "model", "there is no model '%.100s'", name);
    const char *url = json_string_value(json_object_get(remote, "url"));
    hearth_status status = check_address(g, url ? url : "", err);
    if (status != HEARTH_OK) {
        json_decref(remote);
        return status;
    }
    out->kind = ENGINE_REMOTE;
    bool ok = model_spec_set(&out->id, name) && model_spec_set(&out->url, url) &&
              model_spec_set(&out->key, key && *key ? key : NULL) &&
              model_spec_set(&out->remote_name, model && *model ? model : NULL);
    json_decref(remote);
    return ok ? HEARTH_OK : error_no_memory(err, "a model's settings", 0);
}

static void add_remote(void *user, const char *key, const char *value)
{
    json_object_set_new(user, key + sizeof prefix - 1, chat_object_of(value));
}

json_t *remote_all(gateway *g)
{
    json_t *all = json_object();
    if (all && store_setting_each(g->store, prefix, add_remote, all, NULL) != HEARTH_OK) {
        json_decref(all);
        all = NULL;
    }
    return all;
}

/* ---- handlers ---- */

/* Keys are not told. */
static json_t *describe(const char *name, const json_t *remote)
{
    const char *key = json_string_value(json_object_get(remote, "key"));
    return json_pack("{s:s, s:O?, s:O?, s:b}", "name", name, "url", json_object_get(remote, "url"),
                     "model", json_object_get(remote, "model"), "has_key", key && *key);
}

hearth_status serve_remotes(gateway_call *c, hearth_error *err)
{
    json_t *all = remote_all(c->g), *list = json_array(), *remote;
    const char *name;
    json_object_foreach(all, name, remote) json_array_append_new(list, describe(name, remote));
    json_decref(all);
    return call_json(c, json_pack("{s:o}", "remotes", list), err);
}

hearth_status serve_remote_set(gateway_call *c, hearth_error *err)
{
    const char *name, *url, *given = NULL, *model = NULL;
    char key[KEY_BYTES];
    TRY(call_unpack(c, err, "{s:s, s:s, s?:s, s?:s}", "name", &name, "url", &url, "key", &given,
                    "model", &model));
    if (!library_name_is_valid(name))
        FAIL(err, EINVAL, "name", "name: '%.60s' is not fit for the name of a model", name);
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
        strlen(url) > URL_MAX)
        FAIL(err, EINVAL, "url", "url: give an http or https address");
    TRY(check_address(c->g, url, err));
    key_of(name, key);
    char *text = json_dumps(c->body, JSON_COMPACT);
    if (text == NULL)
        return error_no_memory(err, "a model", 0);
    hearth_status status = store_setting_set(c->g->store, key, text, err);
    free(text);
    TRY(status);
    events_send(c->g->bus, EVENT_LIBRARY_CHANGED,
                json_pack("{s:s, s:s}", "model", name, "change", "added"));
    return call_json(c, describe(name, c->body), err);
}

hearth_status serve_remote_remove(gateway_call *c, hearth_error *err)
{
    const char *name = http_request_query(c->q, "name");
    char key[KEY_BYTES];
    const runtime_wait wait = {.wanted = call_is_wanted, .user = (void *)(uintptr_t)c->q};
    if (name == NULL || !remote_is_known(c->g, name))
        FAIL(err, ENOTFOUND, "name", "there is no remote model '%.60s'", name ? name : "");
    hearth_status status = runtime_unload(c->g->runtime, name, false, &wait, err);
    if (status != HEARTH_OK && status != HEARTH_ENOTFOUND)
        return status;
    key_of(name, key);
    TRY(store_setting_set(c->g->store, key, NULL, err));
    events_send(c->g->bus, EVENT_LIBRARY_CHANGED,
                json_pack("{s:s, s:s}", "model", name, "change", "removed"));
    return call_json(c, json_pack("{s:b}", "removed", 1), err);
}
