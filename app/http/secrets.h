/* SPDX-License-Identifier: MIT
 *
 * secrets.h - what a server needs of files before it listens: its certificate and the keys that
 * clients may show.
 */
#ifndef HEARTH_HTTP_SECRETS_H
#define HEARTH_HTTP_SECRETS_H

#include <stddef.h>

#include "base/status.h"

/* As the options say; NULL where an option is not given. */
typedef struct http_secret_sources {
    const char *ssl_cert_file, *ssl_key_file;
    const char *const *api_keys; /* borrowed until http_secrets_deinit */
    size_t n_api_keys;
    const char *api_key_file; /* one key a line; # begins a comment */
} http_secret_sources;

typedef struct http_secrets {
    char *cert, *key;  /* PEM; NULL: no TLS */
    const char **keys; /* those of the option, then those of the file */
    size_t n_keys;
    char *lines; /* the file, which keys points into */
} http_secrets;

/* EINVAL names the option: half a certificate, an empty key, a file without one. deinit also after
 * a failure. */
hearth_status http_secrets_read(http_secrets *s, const http_secret_sources *from,
                                hearth_error *err);
void http_secrets_deinit(http_secrets *s);

#endif
