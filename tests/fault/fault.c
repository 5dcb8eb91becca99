/* SPDX-License-Identifier: MIT
 *
 * fault.c - see fault.h.
 */
#include "fault/fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

static atomic_long countdown, alive;
static atomic_bool fired, every_one;

void fault_arm(long n, bool forever)
{
    atomic_store(&countdown, n);
    atomic_store(&every_one, forever);
    atomic_store(&fired, false);
}

bool fault_fired(void)
{
    return atomic_load(&fired);
}

long fault_n_alive(void)
{
    return atomic_load(&alive);
}

static bool fails(void)
{
    bool hit = false;
    if (atomic_load(&countdown) > 0)
        hit = atomic_fetch_sub(&countdown, 1) == 1;
    else if (atomic_load(&fired) && atomic_load(&every_one))
        hit = true;
    if (hit)
        atomic_store(&fired, true);
    return hit;
}

static void *count(void *p)
{
    if (p)
        atomic_fetch_add(&alive, 1);
    return p;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void __real_free(void *p);
void *__real_mmap(void *p, size_t n, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *p, size_t n);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
void __wrap_free(void *p);
void *__wrap_mmap(void *p, size_t n, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *p, size_t n);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : count(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : count(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (fails())
        return NULL;
    void *grown = __real_realloc(p, n);
    return p ? grown : count(grown);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : count(__real_aligned_alloc(align, n));
}

void __wrap_free(void *p)
{
    if (p)
        atomic_fetch_sub(&alive, 1);
    __real_free(p);
}

void *__wrap_mmap(void *p, size_t n, int protection, int flags, int fd, off_t offset)
{
    if (fails()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *map = __real_mmap(p, n, protection, flags, fd, offset);
    if (map != MAP_FAILED)
        count(map);
    return map;
}

int __wrap_munmap(void *p, size_t n)
{
    atomic_fetch_sub(&alive, 1);
    return __real_munmap(p, n);
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    return fails() ? EAGAIN : __real_pthread_create(t, a, fn, arg);
}
