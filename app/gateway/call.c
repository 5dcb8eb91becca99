/* SPDX-License-Identifier: MIT
 *
 * call.c - what handlers share: reading bodies and queries, writing JSON.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/state.h"

hearth_status call_read_body(gateway_call *c, bool keep_null, hearth_error *err)
{
    json_error_t why;
    const char *key;
    json_t *value;
    void *next;
    if (c->q->n_body == 0)
        c->body = json_object();
    else
        c->body = json_loadb(c->q->body, c->q->n_body, JSON_REJECT_DUPLICATES, &why);
    if (c->body == NULL)
        FAIL(err, EINVAL, "body", "the body is not JSON: line %d: %s", why.line, why.text);
    if (!json_is_object(c->body))
        FAIL(err, EINVAL, "body", "the body must be a JSON object");
    json_object_foreach_safe(c->body, next, key, value)
    {
        if (json_is_null(value) && !keep_null)
            json_object_del(c->body, key);
    }
    return HEARTH_OK;
}

hearth_status call_unpack(gateway_call *c, hearth_error *err, const char *format, ...)
{
    json_error_t why;
    va_list args;
    if (c->body == NULL)
        TRY(call_read_body(c, false, err));
    va_start(args, format);
    int code = json_vunpack_ex(c->body, &why, JSON_STRICT, format, args);
    va_end(args);
    if (code != 0)
        FAIL(err, EINVAL, "body", "the body does not fit: %s", why.text);
    return HEARTH_OK;
}

static int append(const char *text, size_t n, void *out)
{
    return buf_append(out, text, n) ? 0 : -1;
}

hearth_status call_json(gateway_call *c, json_t *value, hearth_error *err)
{
    int code = value ? json_dump_callback(value, append, &c->reply->body, JSON_COMPACT) : -1;
    json_decref(value);
    if (code != 0)
        return error_no_memory(err, "the answer", c->reply->body.n);
    return HEARTH_OK;
}

hearth_status call_query_number(gateway_call *c, const char *name, int64_t def, int64_t *out,
                                hearth_error *err)
{
    const char *text = http_request_query(c->q, name);
    char *end = NULL;
    *out = def;
    if (text == NULL || *text == '\0')
        return HEARTH_OK;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0 || value < 0 || value > (1ll << 53))
        FAIL(err, EINVAL, name, "?%s=%.40s: give a whole number", name, text);
    *out = value;
    return HEARTH_OK;
}

bool call_query_flag(gateway_call *c, const char *name)
{
    const char *text = http_request_query(c->q, name);
    return text && strcmp(text, "0") != 0 && strcasecmp(text, "false") != 0;
}

hearth_status call_model(gateway_call *c, const char *name, char out[LIBRARY_NAME_MAX + 1],
                         hearth_error *err)
{
    if (name == NULL)
        name = http_request_query(c->q, "model");
    if (name == NULL || *name == '\0')
        FAIL(err, EINVAL, "model", "which model? Name it as 'model'");
    hearth_status status = gateway_model_name(c->g, name, out, err);
    if (status == HEARTH_ENOTFOUND)
        c->failure.code = RUNTIME_NOT_FOUND;
    return status;
}

bool call_is_wanted(void *q)
{
    return http_request_life(q) == HTTP_OPEN;
}

bool call_may_load(void *user)
{
    const gateway_call *c = user;
    return !atomic_load(&c->g->ending) && http_request_life(c->q) == HTTP_OPEN;
}
