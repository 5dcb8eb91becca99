/* SPDX-License-Identifier: MIT
 *
 * access.c - see access.h.
 */
#include "gateway/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { RANDOM_BYTES = 32, NONCE_BYTES = 16, MAC_BYTES = 32 };

static const char session_prefix[] = "hs_";

const char *access_scope_name(access_scope scope)
{
    static const char *const names[] = {"open", "infer", "manage"};
    return names[scope];
}

/* ---- bytes and texts ---- */

static void to_hex(const unsigned char *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

static bool same_text(const char *a, const char *b)
{
    size_t n = strlen(a);
    return n == strlen(b) && CRYPTO_memcmp(a, b, n) == 0;
}

hearth_status access_random(const char *prefix, size_t n, char *out, size_t n_out,
                            hearth_error *err)
{
    unsigned char bytes[RANDOM_BYTES];
    char hex[2 * RANDOM_BYTES + 1];
    size_t got = 0;
    while (got < n) {
        ssize_t more = getrandom(bytes + got, n - got, 0);
        if (more < 0 && errno != EINTR)
            return error_set_errno(err, HEARTH_EIO, "key", "no random numbers for a key");
        got += more > 0 ? (size_t)more : 0;
    }
    to_hex(bytes, n, hex);
    snprintf(out, n_out, "%s%s", prefix, hex);
    return HEARTH_OK;
}

/* ---- the installation's key ---- */

/* Long enough, and of characters that a header takes as they are. */
static bool is_key(const char *text)
{
    size_t n = 0;
    while (text[n] > ' ' && text[n] < 0x7f && text[n] != ',')
        n++;
    return text[n] == '\0' && n >= RANDOM_BYTES;
}

static hearth_status read_from(int fd, const char *path, char out[ACCESS_KEY_BYTES],
                               hearth_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return error_set_errno(err, HEARTH_EIO, "key", "%s: cannot be looked at", path);
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        FAIL(err, EINVAL, "key",
             "%s: others can read this key; chmod 600 it, or remove it for a "
             "new one",
             path);
    if (!S_ISREG(info.st_mode))
        FAIL(err, EFORMAT, "key",
             "%s: is no file, and does not hold a key; remove it for a new one", path);
    ssize_t n = read(fd, out, ACCESS_KEY_BYTES - 1);
    if (n < 0)
        return error_set_errno(err, HEARTH_EIO, "key", "%s: cannot be read", path);
    out[n] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    if (!is_key(out))
        FAIL(err, EFORMAT, "key", "%s: does not hold a key; remove it for a new one", path);
    return HEARTH_OK;
}

hearth_status access_read_key(const char *path, char out[ACCESS_KEY_BYTES], hearth_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO: no waiting */
    if (fd == -1)
        return error_set_errno(err, errno == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO, "key",
                               "%s: the key cannot be opened", path);
    hearth_status status = read_from(fd, path, out, err);
    close(fd);
    return status;
}

/* EMISMATCH: another process made one meanwhile. */
static hearth_status make_key(const char *path, char out[ACCESS_KEY_BYTES], hearth_error *err)
{
    char line[ACCESS_KEY_BYTES + 1];
    char draft[4096];
    TRY(access_random("hk_", RANDOM_BYTES, out, ACCESS_KEY_BYTES, err));
    int n = snprintf(line, sizeof line, "%s\n", out);
    if ((size_t)snprintf(draft, sizeof draft, "%s.%ld", path, (long)getpid()) >= sizeof draft)
        FAIL(err, EINVAL, "key", "%.80s...: the path is too long", path);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1)
        return error_set_errno(err, HEARTH_EIO, "key", "%s: the key cannot be made", path);
    bool written = write(fd, line, (size_t)n) == n && fsync(fd) == 0;
    close(fd);
    /* A link is made only where nothing is: the first of two processes wins. */
    int made = written ? link(draft, path) : -1;
    int why = errno;
    unlink(draft);
    if (made == 0)
        return HEARTH_OK;
    errno = why;
    if (written && why == EEXIST)
        return HEARTH_EMISMATCH;
    return error_set_errno(err, HEARTH_EIO, "key", "%s: the key cannot be written", path);
}

hearth_status access_open(access_keys *keys, const char *path, hearth_error *err)
{
    TRY(access_random("", RANDOM_BYTES, keys->token, sizeof keys->token, err));
    hearth_status status = access_read_key(path, keys->key, err);
    if (status == HEARTH_ENOTFOUND) {
        status = make_key(path, keys->key, err);
        if (status == HEARTH_EMISMATCH)
            status = access_read_key(path, keys->key, err);
    }
    return status;
}

/* ---- what keys give ---- */

static void session_mac(const access_keys *keys, const char *nonce, char out[2 * MAC_BYTES + 1])
{
    unsigned char mac[EVP_MAX_MD_SIZE] = {0};
    unsigned n = 0;
    HMAC(EVP_sha256(), keys->key, (int)strlen(keys->key), (const unsigned char *)nonce,
         strlen(nonce), mac, &n);
    to_hex(mac, MAC_BYTES, out);
}

static bool is_session(const access_keys *keys, const char *key)
{
    size_t n_prefix = sizeof session_prefix - 1;
    char nonce[2 * NONCE_BYTES + 1], mac[2 * MAC_BYTES + 1];
    if (strlen(key) != n_prefix + 2 * NONCE_BYTES + 2 * MAC_BYTES ||
        memcmp(key, session_prefix, n_prefix) != 0)
        return false;
    memcpy(nonce, key + n_prefix, 2 * NONCE_BYTES);
    nonce[2 * NONCE_BYTES] = '\0';
    session_mac(keys, nonce, mac);
    return same_text(mac, key + n_prefix + 2 * NONCE_BYTES);
}

access_scope access_scope_of(const access_keys *keys, const char *authorization,
                             const char *api_key)
{
    const char *given = api_key;
    bool infer = false;
    if (authorization && strncasecmp(authorization, "Bearer ", 7) == 0)
        given = authorization + 7 + strspn(authorization + 7, " ");
    if (given == NULL)
        return SCOPE_OPEN;
    if (same_text(keys->key, given) || is_session(keys, given))
        return SCOPE_MANAGE;
    for (size_t i = 0; i < keys->n_api; i++)
        infer |= same_text(keys->api[i], given);
    return infer ? SCOPE_INFER : SCOPE_OPEN;
}

bool access_begin_session(const access_keys *keys, const char *token,
                          char out[ACCESS_SESSION_BYTES])
{
    char nonce[2 * NONCE_BYTES + 1], mac[2 * MAC_BYTES + 1];
    if (!same_text(keys->token, token) && !same_text(keys->key, token))
        return false;
    if (access_random("", NONCE_BYTES, nonce, sizeof nonce, NULL) != HEARTH_OK)
        return false;
    session_mac(keys, nonce, mac);
    snprintf(out, ACCESS_SESSION_BYTES, "%s%s%s", session_prefix, nonce, mac);
    return true;
}
