/* SPDX-License-Identifier: MIT
 *
 * secrets.c - see secrets.h.
 */
#include "http/secrets.h"

#include <string.h>

#include "base/mem.h"
#include "os/file.h"

enum { PEM_MAX = 1 << 20, KEYS_MAX = 1 << 20 };

static hearth_status read_pem(const char *path, char **out, hearth_error *err)
{
    size_t n;
    return path ? file_read_all(path, PEM_MAX, out, &n, err) : HEARTH_OK;
}

/* The lines of the file are cut where they are. */
static hearth_status collect_keys(http_secrets *s, const http_secret_sources *from,
                                  hearth_error *err)
{
    size_t n = 0, max = from->n_api_keys + 1;
    if (from->api_key_file)
        TRY(file_read_all(from->api_key_file, KEYS_MAX, &s->lines, &n, err));
    for (size_t i = 0; i < n; i++)
        max += s->lines[i] == '\n' || s->lines[i] == '\r';
    s->keys = mem_calloc(max, sizeof *s->keys);
    if (s->keys == NULL)
        return error_no_memory(err, "API keys", max);
    for (size_t i = 0; i < from->n_api_keys; i++) {
        if (from->api_keys[i][0] == '\0')
            FAIL(err, EINVAL, "--api-key", "--api-key: a key may not be empty");
        s->keys[s->n_keys++] = from->api_keys[i];
    }
    for (char *line = s->lines; line && *line;) {
        size_t n_line = strcspn(line, "\r\n");
        bool last = line[n_line] == '\0';
        line[n_line] = '\0';
        if (n_line > 0 && line[0] != '#')
            s->keys[s->n_keys++] = line;
        line += n_line + !last;
    }
    if (s->n_keys == 0 && from->api_key_file)
        FAIL(err, EINVAL, "--api-key-file", "%s: there is no key in it", from->api_key_file);
    return HEARTH_OK;
}

hearth_status http_secrets_read(http_secrets *s, const http_secret_sources *from, hearth_error *err)
{
    *s = (http_secrets){0};
    if (!from->ssl_cert_file != !from->ssl_key_file)
        FAIL(err, EINVAL, "--ssl-cert-file", "--ssl-cert-file and --ssl-key-file need each other");
    TRY(read_pem(from->ssl_cert_file, &s->cert, err));
    TRY(read_pem(from->ssl_key_file, &s->key, err));
    return collect_keys(s, from, err);
}

void http_secrets_deinit(http_secrets *s)
{
    mem_free(s->cert);
    mem_free(s->key);
    mem_free(s->keys);
    mem_free(s->lines);
    *s = (http_secrets){0};
}
