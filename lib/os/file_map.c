/* SPDX-License-Identifier: MIT
 *
 * file_map.c - see file_map.h. The handler and the registry it reads.
 *
 * A slot of the registry is free (begin 0), claimed (begin 1, being filled) or live (begin is the
 * address of a mapping). `n_bytes` is written before `begin` becomes an address, and `begin` is
 * cleared before the mapping goes, so a handler that finds its fault inside a live slot may map a
 * page there. The handler takes no lock and calls only mmap, sigaction and raise.
 */
#include "os/file_map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/mem.h"

struct file_map {
    const uint8_t *data;
    size_t n_bytes;
    int fd;   /* kept to ask how long the file is now */
    int slot; /* -1: an empty file, nothing is mapped */
};

typedef struct registry_slot {
    atomic_uintptr_t begin;
    atomic_size_t n_bytes;
    atomic_bool lost;
} registry_slot;

enum { SLOT_FREE = 0, SLOT_CLAIMED = 1 };

static registry_slot slots[FILE_MAP_MAX];
static atomic_int n_slots_used; /* slots at or above this one were never taken */
static struct sigaction previous;
static uintptr_t page_bytes;
static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
/* Set while a fault is handed on: whoever stands behind us may hand it back. */
static _Thread_local volatile sig_atomic_t passing_on __attribute__((tls_model("initial-exec")));

static registry_slot *find_slot(uintptr_t address)
{
    int n = atomic_load(&n_slots_used);
    for (int i = 0; i < n; i++) {
        uintptr_t begin = atomic_load(&slots[i].begin);
        size_t n_bytes = atomic_load(&slots[i].n_bytes);
        /* The same begin before and after: n_bytes belongs to it, not to a mapping opened since. */
        if (begin > SLOT_CLAIMED && address >= begin && address - begin < n_bytes &&
            atomic_load(&slots[i].begin) == begin)
            return &slots[i];
    }
    return NULL;
}

static void pass_on(int signal_number, siginfo_t *info, void *context)
{
    bool from_kernel = info->si_code > 0, in_circle = passing_on;
    passing_on = 1;
    if (!in_circle && previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal_number, info, context);
    } else if (!in_circle && previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal_number);
    } else if (in_circle || from_kernel || previous.sa_handler == SIG_DFL) {
        /* On return the access is repeated and takes the default action, as without us. */
        struct sigaction default_action = {.sa_handler = SIG_DFL};
        sigaction(SIGBUS, &default_action, NULL);
        if (!from_kernel)
            raise(SIGBUS);
    }
    passing_on = 0;
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    uintptr_t address = (uintptr_t)info->si_addr;
    registry_slot *slot = info->si_code > 0 ? find_slot(address) : NULL;
    uintptr_t page = address & ~(page_bytes - 1);
    /* The bare system call: it takes no lock, and no test or sanitizer stands before it. */
    if (slot != NULL && syscall(SYS_mmap, page, page_bytes, PROT_READ,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (long)page)
        atomic_store(&slot->lost, true);
    else
        pass_on(signal_number, info, context);
    errno = saved_errno;
}

/* Makes on_bus_error the handler, again if somebody has put another in its place since. */
static int install(void)
{
    struct sigaction current;
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int failed = 0;
    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&install_lock);
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (sigaction(SIGBUS, NULL, &current) != 0) {
        failed = errno;
    } else if (!(current.sa_flags & SA_SIGINFO) || current.sa_sigaction != on_bus_error) {
        previous = current; /* whole before the first fault can reach the handler */
        failed = sigaction(SIGBUS, &action, NULL) != 0 ? errno : 0;
    }
    pthread_mutex_unlock(&install_lock);
    return failed;
}

static int claim_slot(void)
{
    for (int i = 0; i < FILE_MAP_MAX; i++) {
        uintptr_t expected = SLOT_FREE;
        if (!atomic_compare_exchange_strong(&slots[i].begin, &expected, SLOT_CLAIMED))
            continue;
        atomic_store(&slots[i].lost, false);
        int used = atomic_load(&n_slots_used);
        while (used <= i && !atomic_compare_exchange_weak(&n_slots_used, &used, i + 1)) {
        }
        return i;
    }
    return -1;
}

static void release_slot(int slot)
{
    if (slot >= 0)
        atomic_store(&slots[slot].begin, SLOT_FREE);
}

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a pipe";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

static hearth_status open_regular(int *fd, size_t *n_bytes, const char *path, hearth_error *err)
{
    struct stat info;
    /* O_NONBLOCK: opening a pipe must not wait for its writer. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return error_set_errno(err, errno == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO, path,
                               "cannot open '%s'", path);
    if (fstat(*fd, &info) != 0)
        return error_set_errno(err, HEARTH_EIO, path, "cannot read the size of '%s'", path);
    if (!S_ISREG(info.st_mode))
        FAIL(err, EINVAL, path, "'%s' is %s; give a regular file", path, kind_of(info.st_mode));
    if (!checked_size((uint64_t)info.st_size, n_bytes))
        FAIL(err, EUNSUPPORTED, path, "'%s' is larger than this machine's address space", path);
    return HEARTH_OK;
}

hearth_status file_map_open(file_map **out, const char *path, hearth_error *err)
{
    static const uint8_t nothing[1];
    hearth_status status = HEARTH_OK;
    int install_errno = install();
    file_map *map = mem_alloc(sizeof *map);
    if (map == NULL)
        return error_no_memory(err, "a file mapping", sizeof *map);
    *map = (file_map){.data = nothing, .fd = -1, .slot = -1};
    if (install_errno != 0) {
        errno = install_errno;
        status = error_set_errno(err, HEARTH_EINTERNAL, path, "cannot install a SIGBUS handler");
        goto out;
    }
    TRY_OUT(open_regular(&map->fd, &map->n_bytes, path, err));
    if (map->n_bytes > 0) {
        map->slot = claim_slot();
        if (map->slot < 0)
            FAIL_OUT(err, ENOMEM, path, "cannot map '%s': %d files are mapped already", path,
                     FILE_MAP_MAX);
        void *data = mmap(NULL, map->n_bytes, PROT_READ, MAP_SHARED, map->fd, 0);
        if (data == MAP_FAILED) {
            status = error_set_errno(err, errno == ENOMEM ? HEARTH_ENOMEM : HEARTH_EIO, path,
                                     "cannot map '%s' (%zu bytes)", path, map->n_bytes);
            goto out;
        }
        /* Where the file system has large pages, weights are read through far fewer translations.
         */
        madvise(data, map->n_bytes, MADV_HUGEPAGE);
        map->data = data;
        atomic_store(&slots[map->slot].n_bytes, map->n_bytes);
        atomic_store(&slots[map->slot].begin, (uintptr_t)data);
    }
    *out = map;
    map = NULL;
out:
    if (map != NULL) {
        release_slot(map->slot);
        if (map->fd >= 0)
            close(map->fd);
        mem_free(map);
    }
    return status;
}

void file_map_close(file_map *map)
{
    if (map == NULL)
        return;
    release_slot(map->slot);
    if (map->slot >= 0)
        munmap((void *)(uintptr_t)map->data, map->n_bytes);
    close(map->fd);
    mem_free(map);
}

const uint8_t *file_map_data(const file_map *map)
{
    return map->data;
}

size_t file_map_size(const file_map *map)
{
    return map->n_bytes;
}

bool file_map_is_lost(const file_map *map)
{
    struct stat info;
    if (map->slot >= 0 && atomic_load(&slots[map->slot].lost))
        return true;
    return fstat(map->fd, &info) != 0 || (uint64_t)info.st_size < map->n_bytes;
}

void file_map_read_ahead(const file_map *map, size_t offset, size_t n)
{
    if (offset >= map->n_bytes)
        return;
    if (n > map->n_bytes - offset)
        n = map->n_bytes - offset;
    size_t into_page = offset & (page_bytes - 1);
    madvise((void *)(uintptr_t)(map->data + offset - into_page), n + into_page, MADV_WILLNEED);
}

void file_map_release(const file_map *map)
{
    if (map->slot >= 0)
        madvise((void *)(uintptr_t)map->data, map->n_bytes, MADV_DONTNEED);
}
