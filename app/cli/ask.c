/* SPDX-License-Identifier: MIT
 *
 * ask.c - see ask.h.
 */
#include "cli/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/interrupt.h"
#include "gateway/address.h"
#include "gateway/gateway.h"
#include "http/client.h"
#include "os/file.h"

enum { FILE_MAX = 64 << 10, ANSWER_MAX = 64 << 20 };

static hearth_status no_server(hearth_error *err)
{
    FAIL(err, ENOTFOUND, "server", "no server runs; hearth serve starts one");
}

/* Who gets the key: not a program that has the address of a server that died. */
static hearth_status check_server(hearth_error *err)
{
    char *path = NULL;
    TRY(gateway_address_path(&path, err));
    hearth_status status = address_check(path, NULL);
    mem_free(path);
    return status == HEARTH_OK ? HEARTH_OK : no_server(err);
}

/* The file that one of gateway.h's paths leads to, without the newline at its end. */
static hearth_status read_place(hearth_status (*path_of)(char **out, hearth_error *err), char **out,
                                hearth_error *err)
{
    char *path = NULL;
    size_t n;
    TRY(path_of(&path, err));
    hearth_status status = file_read_all(path, FILE_MAX, out, &n, NULL);
    mem_free(path);
    if (status != HEARTH_OK)
        return no_server(err);
    (*out)[strcspn(*out, "\r\n")] = '\0';
    return HEARTH_OK;
}

/* The question of this path to the server of this user, begun: *call is the caller's. */
static hearth_status begin(const char *path, const char *body, bool is_stream, http_call **call,
                           hearth_error *err)
{
    static const char *const headers[] = {"Content-Type: application/json"};
    hearth_status status = HEARTH_OK;
    char *place = NULL, *key = NULL;
    json_t *root = NULL;
    const char *base = NULL;
    buf url;
    buf_init(&url, 0);
    *call = NULL;
    TRY_OUT(check_server(err));
    TRY_OUT(read_place(gateway_address_path, &place, err));
    TRY_OUT(read_place(gateway_key_path, &key, err));
    root = json_loads(place, 0, NULL);
    if (json_unpack(root, "{s:s}", "url", &base) != 0) {
        status = no_server(err);
        goto out;
    }
    const char *socket = strncmp(base, "unix:", 5) == 0 ? base + 5 : NULL;
    if (!buf_append_format(&url, "%s%s", socket ? "http://localhost" : base, path))
        FAIL_OUT(err, ENOMEM, "server", "no memory for a question");
    const http_call_options o = {.url = url.data,
                                 .unix_socket = socket,
                                 .bearer = key,
                                 .headers = headers,
                                 .n_headers = body != NULL,
                                 .body = body,
                                 .n_body = body ? strlen(body) : 0,
                                 .has_body = body != NULL,
                                 .is_stream = is_stream};
    TRY_OUT(http_call_new(call, err));
    TRY_OUT(http_call_start(*call, &o, err));
out:
    if (status != HEARTH_OK) {
        http_call_free(*call);
        *call = NULL;
    }
    buf_deinit(&url);
    json_decref(root);
    mem_free(place);
    mem_free(key);
    return status;
}

/* In the words of the engines, and of OpenAI. */
static bool is_context(const json_t *error)
{
    const char *type = json_string_value(json_object_get(error, "type"));
    const char *code = json_string_value(json_object_get(error, "code"));
    return (type && strcmp(type, "exceed_context_size_error") == 0) ||
           (code && strcmp(code, "context_length_exceeded") == 0);
}

/* {"error": {"message", "where"}} becomes ours. */
static hearth_status take_answer(const buf *text, int http, json_t **answer, hearth_error *err)
{
    json_t *root = json_loadb(text->data ? text->data : "", text->n, 0, NULL);
    const json_t *error = json_object_get(root, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *where = json_string_value(json_object_get(error, "where"));
    if (http >= 200 && http < 300 && root) {
        *answer = root;
        return HEARTH_OK;
    }
    const hearth_status code = is_context(error) ? HEARTH_ECONTEXT
                               : http == 404     ? HEARTH_ENOTFOUND
                               : http == 400     ? HEARTH_EINVAL
                               : http == 507     ? HEARTH_ENOFIT
                                                 : HEARTH_EIO;
    error_set(err, code, where ? where : "server", "%s",
              message ? message : "the server's answer is none; is it another program's port?");
    json_decref(root);
    return code;
}

static hearth_status why_of(const http_call *call, hearth_error *err)
{
    return http_call_problem(call) == HTTP_PROBLEM_CONNECT ? no_server(err)
                                                           : http_call_error(call, err);
}

/* All that is left of the answer; an answer that is an error becomes ours. */
static hearth_status read_rest(http_call *call, int timeout_ms, json_t **answer, hearth_error *err)
{
    buf bytes;
    buf_init(&bytes, ANSWER_MAX);
    hearth_status status = http_call_read(call, timeout_ms, &bytes, err);
    status = status == HEARTH_OK ? take_answer(&bytes, http_call_status(call), answer, err)
                                 : why_of(call, err);
    buf_deinit(&bytes);
    return status;
}

hearth_status ask_server(const char *path, json_t *body, int timeout_ms, json_t **answer,
                         hearth_error *err)
{
    http_call *call = NULL;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    bool lacks = body && text == NULL;
    json_decref(body);
    *answer = NULL;
    if (lacks)
        return error_no_memory(err, "a question", 0);
    hearth_status status = begin(path, text, false, &call, err);
    if (status == HEARTH_OK)
        status = read_rest(call, timeout_ms, answer, err);
    http_call_free(call);
    free(text);
    return status;
}

hearth_status ask_stream(const char *path, json_t *body, http_call **out, hearth_error *err)
{
    json_t *answer = NULL;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    *out = NULL;
    if (text == NULL)
        return error_no_memory(err, "a question", 0);
    hearth_status status = begin(path, text, true, out, err);
    http_pull pull = HTTP_PULL_MORE;
    while (status == HEARTH_OK && pull == HTTP_PULL_MORE) {
        if (interrupt_pending())
            FAIL_OUT(err, ECANCELED, "server", "stopped before the answer began");
        pull = http_call_head(*out, HTTP_PULL_MS);
    }
    if (pull == HTTP_PULL_FAIL)
        status = why_of(*out, err);
    else if (status == HEARTH_OK && http_call_status(*out) != 200)
        status = read_rest(*out, ASK_QUICK_MS, &answer, err);
    json_decref(answer);
out:
    free(text);
    if (status != HEARTH_OK) {
        http_call_free(*out);
        *out = NULL;
    }
    return status;
}
