/* SPDX-License-Identifier: MIT
 *
 * settings.c - handlers of the server's options and of the page's own preferences.
 */
#include <stdlib.h>

#include "gateway/handlers.h"

enum { PREFERENCES_BYTES = 256 << 10 };

static const char preferences_key[] = "preferences";

hearth_status serve_settings_get(gateway_call *c, hearth_error *err)
{
    const config *all = c->g->config;
    return call_json(
        c, json_pack("{s:s, s:o}", "file", all->path, "settings", config_describe(all)), err);
}

hearth_status serve_settings_put(gateway_call *c, hearth_error *err)
{
    TRY(call_read_body(c, true, err));
    TRY(config_change(c->g->config, c->body, err));
    return call_json(c, json_pack("{s:b}", "restart", 1), err);
}

hearth_status serve_preferences_get(gateway_call *c, hearth_error *err)
{
    hearth_error here = {0};
    hearth_status status = store_setting_get(c->g->store, preferences_key, &c->reply->body, &here);
    if (status == HEARTH_ENOTFOUND)
        return call_json(c, json_object(), err);
    if (status != HEARTH_OK)
        *err = here;
    return status;
}

hearth_status serve_preferences_put(gateway_call *c, hearth_error *err)
{
    if (c->q->n_body > PREFERENCES_BYTES)
        FAIL(err, EINVAL, "body", "preferences of %zu bytes are too large; at most %d are kept",
             c->q->n_body, (int)PREFERENCES_BYTES);
    TRY(call_read_body(c, true, err));
    char *text = json_dumps(c->body, JSON_COMPACT);
    if (text == NULL)
        return error_no_memory(err, "preferences", c->q->n_body);
    hearth_status status = store_setting_set(c->g->store, preferences_key, text, err);
    free(text);
    TRY(status);
    return call_json(c, json_incref(c->body), err);
}
