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
#include "http/client.h"
#include "runtime/kind.h"

enum {
    KEY_BYTES = LIBRARY_NAME_MAX + 16,
    URL_MAX = 1024,
    LIST_MS = 10000,
    LIST_MAX = 4 << 20,
    LISTED_MOST = 1000
};

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
    char key[KEY_BYTES], base[URL_MAX];
    TRY(call_unpack(c, err, "{s:s, s:s, s?:s, s?:s}", "name", &name, "url", &url, "key", &given,
                    "model", &model));
    if (!library_name_is_valid(name))
        FAIL(err, EINVAL, "name", "name: '%.60s' is not fit for the name of a model", name);
    TRY(engine_remote_url(url, base, sizeof base, err));
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

/* ---- what a server has ---- */

/* {id, context_length}: vLLM tells max_model_len, llama-server meta.n_ctx_train, Hearth the name
 * itself. */
static json_t *describe_listed(const json_t *one)
{
    json_t *length = json_object_get(one, "context_length");
    if (!json_is_integer(length))
        length = json_object_get(one, "max_model_len");
    if (!json_is_integer(length))
        length = json_object_get(json_object_get(one, "meta"), "n_ctx_train");
    return json_pack("{s:O, s:o}", "id", json_object_get(one, "id"), "context_length",
                     json_is_integer(length) ? json_incref(length) : json_null());
}

static hearth_status read_list(const char *url, int http, const buf *text, json_t **out,
                               hearth_error *err)
{
    size_t i;
    json_t *one, *root = json_loadb(text->data ? text->data : "", text->n, 0, NULL);
    const json_t *data = json_object_get(root, "data");
    if (http != 200 || !json_is_array(data)) {
        json_decref(root);
        FAIL(err, EIO, "url",
             http == 200                  ? "%.200s does not list models, as OpenAI's API does"
             : http == 401 || http == 403 ? "%.200s does not take this key, or wants one (%d)"
                                          : "%.200s answers %d",
             url, http);
    }
    *out = json_array();
    json_array_foreach(data, i, one)
    {
        if (json_is_string(json_object_get(one, "id")) && json_array_size(*out) < LISTED_MOST)
            json_array_append_new(*out, describe_listed(one));
    }
    json_decref(root);
    return HEARTH_OK;
}

static hearth_status list_models(const gateway *g, const char *given, const char *key, json_t **out,
                                 hearth_error *err)
{
    char base[URL_MAX], url[URL_MAX + 16], via[VIA_LINE_BYTES];
    const char *headers[] = {via_line(g->id, NULL, via)};
    http_call *call = NULL;
    buf text;
    TRY(check_address(g, given, err));
    TRY(engine_remote_url(given, base, sizeof base, err));
    snprintf(url, sizeof url, "%s/v1/models", base);
    const http_call_options o = {.url = url,
                                 .bearer = key && *key ? key : NULL,
                                 .headers = headers,
                                 .n_headers = 1,
                                 .max_body = LIST_MAX};
    buf_init(&text, LIST_MAX);
    hearth_status status = http_call_new(&call, err);
    if (status == HEARTH_OK)
        status = http_call_fetch(call, &o, LIST_MS, &text, err);
    if (status == HEARTH_OK)
        status = read_list(url, http_call_status(call), &text, out, err);
    http_call_free(call);
    buf_deinit(&text);
    return status;
}

/* Of a known one, or of an address with its key before it is made known. */
hearth_status serve_remote_models(gateway_call *c, hearth_error *err)
{
    const char *name = NULL, *url = NULL, *key = NULL;
    json_t *remote = NULL, *list = NULL;
    TRY(call_unpack(c, err, "{s?:s, s?:s, s?:s}", "name", &name, "url", &url, "key", &key));
    if ((name == NULL) == (url == NULL))
        FAIL(err, EINVAL, "url", "give the url of a server, or the name of a remote model");
    if (name && (remote = read_remote(c->g, name)) == NULL)
        FAIL(err, ENOTFOUND, "name", "there is no remote model '%.60s'", name);
    if (remote) {
        url = json_string_value(json_object_get(remote, "url"));
        key = json_string_value(json_object_get(remote, "key"));
    }
    hearth_status status = list_models(c->g, url ? url : "", key, &list, err);
    json_decref(remote);
    if (status == HEARTH_EIO) /* of the other server */
        c->detail.http = 502;
    TRY(status);
    return call_json(c, json_pack("{s:o}", "models", list), err);
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
