/* SPDX-License-Identifier: MIT
 *
 * sha256.c - see sha256.h.
 */
#include "library/sha256.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/mem.h"

enum { BLOCK_BYTES = 1 << 20 };

static hearth_status feed_all(EVP_MD_CTX *hash, int fd, char *block, const char *path,
                              const hearth_progress *progress, uint64_t done, uint64_t total,
                              hearth_error *err)
{
    for (;;) {
        ssize_t n = read(fd, block, BLOCK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, HEARTH_EIO, path, "cannot read '%s'", path);
        if (n == 0)
            return HEARTH_OK;
        if (EVP_DigestUpdate(hash, block, (size_t)n) != 1)
            FAIL(err, EINTERNAL, "libcrypto", "libcrypto computes no SHA-256");
        done += (uint64_t)n;
        if (progress && progress->fn && !progress->fn(progress->user, done, total))
            FAIL(err, ECANCELED, path, "stopped while '%s' was verified", path);
    }
}

hearth_status sha256_file(const char *path, const hearth_progress *progress, uint64_t done,
                          uint64_t total, char out[SHA256_HEX], hearth_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n_sum = 0;
    hearth_status status = HEARTH_OK;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    char *block = mem_alloc(BLOCK_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        status = error_set_errno(err, errno == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO, path,
                                 "cannot open '%s'", path);
        goto out;
    }
    if (hash == NULL || block == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
        status = error_no_memory(err, "SHA-256", BLOCK_BYTES);
        goto out;
    }
    TRY_OUT(feed_all(hash, fd, block, path, progress, done, total, err));
    if (EVP_DigestFinal_ex(hash, sum, &n_sum) != 1 || n_sum * 2 + 1 != SHA256_HEX)
        FAIL_OUT(err, EINTERNAL, "libcrypto", "libcrypto computes no SHA-256");
    for (unsigned i = 0; i < n_sum; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[2 * n_sum] = '\0';
out:
    if (fd >= 0)
        close(fd);
    mem_free(block);
    EVP_MD_CTX_free(hash);
    return status;
}

bool sha256_is_hex(const char *text, size_t n)
{
    if (n != SHA256_HEX - 1)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

bool sha256_read(const char *text, char out[SHA256_HEX])
{
    *out = '\0';
    if (strncmp(text, "sha256:", 7) == 0 || strncmp(text, "sha256-", 7) == 0)
        text += 7;
    if (!sha256_is_hex(text, strlen(text)))
        return false;
    for (size_t i = 0; i < SHA256_HEX; i++)
        out[i] = (char)tolower((unsigned char)text[i]);
    return true;
}
