/* SPDX-License-Identifier: MIT
 *
 * ask.c - see ask.h.
 */
#include "cli/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
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

static hearth_status send(const char *url, const char *socket, const char *key, const char *body,
                          int timeout_ms, buf *answer, int *http, hearth_error *err)
{
    static const char *const headers[] = {"Content-Type: application/json"};
    http_call *call = NULL;
    http_call_options o = {.url = url,
                           .unix_socket = socket,
                           .bearer = key,
                           .headers = headers,
                           .n_headers = body != NULL,
                           .body = body,
                           .n_body = body ? strlen(body) : 0,
                           .has_body = body != NULL};
    TRY(http_call_new(&call, err));
    hearth_status status = http_call_fetch(call, &o, timeout_ms, answer, err);
    if (status != HEARTH_OK && http_call_problem(call) == HTTP_PROBLEM_CONNECT)
        status = no_server(err);
    *http = http_call_status(call);
    http_call_free(call);
    return status;
}

/* {"error": {"message", "where"}} becomes ours. */
static hearth_status take_answer(const buf *text, int http, json_t **answer, hearth_error *err)
{
    json_t *root = json_loadb(text->data ? text->data : "", text->n, 0, NULL);
    const char *message = NULL, *where = NULL;
    if (http >= 200 && http < 300 && root) {
        *answer = root;
        return HEARTH_OK;
    }
    json_unpack(root, "{s:{s?s, s?s}}", "error", "message", &message, "where", &where);
    const hearth_status code = http == 404   ? HEARTH_ENOTFOUND
                               : http == 400 ? HEARTH_EINVAL
                               : http == 507 ? HEARTH_ENOFIT
                                             : HEARTH_EIO;
    error_set(err, code, where ? where : "server", "%s",
              message ? message : "the server's answer is none; is it another program's port?");
    json_decref(root);
    return code;
}

hearth_status ask_server(const char *path, json_t *body, int timeout_ms, json_t **answer,
                         hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    char *place = NULL, *key = NULL, *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *root = NULL;
    const char *base = NULL;
    buf url, bytes;
    int http = 0;
    buf_init(&url, 0);
    buf_init(&bytes, ANSWER_MAX);
    *answer = NULL;
    if (body && text == NULL)
        FAIL_OUT(err, ENOMEM, "server", "no memory for a question");
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
    TRY_OUT(send(url.data, socket, key, text, timeout_ms, &bytes, &http, err));
    TRY_OUT(take_answer(&bytes, http, answer, err));
out:
    buf_deinit(&url);
    buf_deinit(&bytes);
    json_decref(root);
    json_decref(body);
    mem_free(place);
    mem_free(key);
    free(text);
    return status;
}
