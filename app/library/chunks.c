/* SPDX-License-Identifier: MIT
 *
 * chunks.c - see chunks.h.
 */
#include "library/chunks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/mem.h"
#include "library/folders.h"
#include "os/file.h"

enum { HEAD_BYTES = 48, VERSION = 1, CHUNKS_MAX = 1 << 24 };

struct chunks {
    char part[PATH_MAX], state[PATH_MAX];
    int fd, state_fd;
    uint64_t size, chunk_bytes, identity;
    size_t n;
    uint8_t *done;
};

/* ---- the state file ---- */

static void state_path(char out[PATH_MAX], const char *part)
{
    snprintf(out, PATH_MAX, "%s.state", part);
}

static void write_head(const chunks *c, uint8_t head[HEAD_BYTES])
{
    memcpy(head, "HEARTHPT", 8);
    store_u64(head + 8, VERSION);
    store_u64(head + 16, c->size);
    store_u64(head + 24, c->chunk_bytes);
    store_u64(head + 32, c->identity);
    store_u64(head + 40, hash_bytes(HASH_START, head, 40));
}

static size_t count_of(uint64_t size, uint64_t chunk_bytes)
{
    uint64_t n = size ? (size - 1) / chunk_bytes + 1 : 1;
    return n <= CHUNKS_MAX ? (size_t)n : 0;
}

/* The state on the disk, if it is of this file and the bytes are there, too; the size of the pieces
 * is then as it was. */
static bool take_up(chunks *c)
{
    uint8_t head[HEAD_BYTES], expected[HEAD_BYTES];
    struct stat info;
    uint64_t wanted = c->chunk_bytes;
    if (c->size == 0 || fstat(c->fd, &info) != 0 || (uint64_t)info.st_size != c->size ||
        pread(c->state_fd, head, sizeof head, 0) != HEAD_BYTES)
        return false;
    c->chunk_bytes = load_u64(head + 24);
    write_head(c, expected);
    size_t n = c->chunk_bytes ? count_of(c->size, c->chunk_bytes) : 0;
    uint8_t *done = n ? mem_calloc(n, 1) : NULL;
    if (memcmp(head, expected, sizeof head) == 0 && done &&
        pread(c->state_fd, done, n, HEAD_BYTES) == (ssize_t)n) {
        mem_free(c->done);
        c->done = done;
        c->n = n;
        return true;
    }
    mem_free(done);
    c->chunk_bytes = wanted;
    return false;
}

static void sync_folder_of(const char *path)
{
    char *folder = folders_parent(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    mem_free(folder);
}

/* Space that is taken now cannot be missing at 90 %. */
static hearth_status take_space(chunks *c, hearth_error *err)
{
    if (ftruncate(c->fd, 0) != 0)
        return error_set_errno(err, HEARTH_EIO, c->part, "cannot empty '%s'", c->part);
    if (c->size == 0)
        return HEARTH_OK;
    if (fallocate(c->fd, 0, 0, (off_t)c->size) == 0)
        return HEARTH_OK;
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
        return error_set_errno(err, HEARTH_EIO, c->part, "cannot take %.1f MiB for '%s'",
                               (double)c->size / 1048576.0, c->part);
    if (ftruncate(c->fd, (off_t)c->size) != 0)
        return error_set_errno(err, HEARTH_EIO, c->part, "cannot make '%s'", c->part);
    return HEARTH_OK;
}

static hearth_status begin_anew(chunks *c, hearth_error *err)
{
    uint8_t head[HEAD_BYTES];
    if (ftruncate(c->state_fd, 0) != 0)
        return error_set_errno(err, HEARTH_EIO, c->state, "cannot empty '%s'", c->state);
    hearth_status status = take_space(c, err);
    if (status != HEARTH_OK) {
        chunks_discard(c->part);
        return status;
    }
    write_head(c, head);
    if (ftruncate(c->state_fd, (off_t)(HEAD_BYTES + c->n)) != 0 ||
        pwrite(c->state_fd, head, sizeof head, 0) != HEAD_BYTES || fsync(c->fd) != 0 ||
        fsync(c->state_fd) != 0)
        return error_set_errno(err, HEARTH_EIO, c->state, "cannot write '%s'", c->state);
    sync_folder_of(c->part);
    return HEARTH_OK;
}

/* ---- life ---- */

static hearth_status open_files(chunks *c, hearth_error *err)
{
    c->fd = open(c->part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (c->fd < 0)
        return error_set_errno(err, HEARTH_EIO, c->part, "cannot make '%s'", c->part);
    c->state_fd = open(c->state, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (c->state_fd < 0)
        return error_set_errno(err, HEARTH_EIO, c->state, "cannot make '%s'", c->state);
    if (flock(c->state_fd, LOCK_EX | LOCK_NB) != 0)
        FAIL(err, EBUSY, c->part, "'%s' is being downloaded by another hearth", c->part);
    return take_up(c) ? HEARTH_OK : begin_anew(c, err);
}

hearth_status chunks_open(chunks **out, const char *part, uint64_t size, uint64_t chunk_bytes,
                          const char *identity, hearth_error *err)
{
    size_t n = count_of(size, chunk_bytes);
    if (n == 0)
        FAIL(err, EINVAL, part, "%llu bytes are too many for pieces of %llu",
             (unsigned long long)size, (unsigned long long)chunk_bytes);
    if (strlen(part) + sizeof ".state" > PATH_MAX)
        FAIL(err, EINVAL, part, "the path '%.200s...' is too long", part);
    chunks *c = mem_calloc(1, sizeof *c);
    if (c == NULL)
        return error_no_memory(err, "a download", sizeof *c);
    c->fd = c->state_fd = -1;
    c->size = size;
    c->chunk_bytes = chunk_bytes;
    c->identity = hash_bytes(HASH_START, identity, strlen(identity));
    c->n = n;
    c->done = mem_calloc(n, 1);
    snprintf(c->part, sizeof c->part, "%s", part);
    state_path(c->state, part);
    hearth_status status =
        c->done ? open_files(c, err) : error_no_memory(err, "a download's pieces", n);
    if (status != HEARTH_OK) {
        chunks_close(c);
        return status;
    }
    *out = c;
    return HEARTH_OK;
}

void chunks_close(chunks *c)
{
    if (c == NULL)
        return;
    if (c->fd >= 0)
        close(c->fd);
    if (c->state_fd >= 0)
        close(c->state_fd);
    mem_free(c->done);
    mem_free(c);
}

void chunks_discard(const char *part)
{
    char state[PATH_MAX];
    state_path(state, part);
    unlink(state);
    unlink(part);
}

uint64_t chunks_missing_space(const char *part, uint64_t size)
{
    struct stat info;
    uint64_t there = stat(part, &info) == 0 ? (uint64_t)info.st_blocks * 512 : 0;
    return there < size ? size - there : 0;
}

/* ---- pieces ---- */

size_t chunks_count(const chunks *c)
{
    return c->n;
}

void chunks_place(const chunks *c, size_t i, uint64_t *offset, uint64_t *n)
{
    *offset = (uint64_t)i * c->chunk_bytes;
    *n = c->size - *offset < c->chunk_bytes ? c->size - *offset : c->chunk_bytes;
}

bool chunks_is_done(const chunks *c, size_t i)
{
    return __atomic_load_n(&c->done[i], __ATOMIC_ACQUIRE) == 1;
}

uint64_t chunks_done_bytes(const chunks *c)
{
    uint64_t sum = 0, offset, n;
    for (size_t i = 0; i < c->n; i++) {
        chunks_place(c, i, &offset, &n);
        sum += chunks_is_done(c, i) ? n : 0;
    }
    return sum;
}

hearth_status chunks_write(chunks *c, uint64_t offset, const void *bytes, size_t n,
                           hearth_error *err)
{
    const char *from = bytes;
    while (n > 0) {
        ssize_t wrote = pwrite(c->fd, from, n, (off_t)offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return error_set_errno(err, HEARTH_EIO, c->part, "cannot write '%s'", c->part);
        from += wrote;
        offset += (uint64_t)wrote;
        n -= (size_t)wrote;
    }
    return HEARTH_OK;
}

hearth_status chunks_mark(chunks *c, size_t i, hearth_error *err)
{
    const uint8_t one = 1;
    if (fdatasync(c->fd) != 0)
        return error_set_errno(err, HEARTH_EIO, c->part, "cannot write '%s'", c->part);
    if (pwrite(c->state_fd, &one, 1, (off_t)(HEAD_BYTES + i)) != 1 || fdatasync(c->state_fd) != 0)
        return error_set_errno(err, HEARTH_EIO, c->state, "cannot write '%s'", c->state);
    __atomic_store_n(&c->done[i], 1, __ATOMIC_RELEASE);
    return HEARTH_OK;
}

hearth_status chunks_finish(chunks *c, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    if (fsync(c->fd) != 0 || rename(c->part, path) != 0)
        status = error_set_errno(err, HEARTH_EIO, path, "cannot write '%s'", path);
    if (status == HEARTH_OK) {
        file_leave_cache(c->fd);
        unlink(c->state);
        sync_folder_of(path);
    }
    chunks_close(c);
    return status;
}
