/* SPDX-License-Identifier: MIT
 *
 * fault.c - see fault.h.
 */
#include "fault/fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <jansson.h>

static atomic_long countdown;
static long alive;
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
    return alive;
}

static bool spares_reader;
static _Thread_local bool reads_json;

void fault_spare_json_reader(void)
{
    spares_reader = true;
}

static bool fails(void)
{
    bool hit = false;
    if (reads_json)
        return false;
    if (atomic_load(&countdown) > 0)
        hit = atomic_fetch_sub(&countdown, 1) == 1;
    else if (atomic_load(&fired) && atomic_load(&every_one))
        hit = true;
    if (hit)
        atomic_store(&fired, true);
    return hit;
}

/* What this file gave out and has not got back: the C library also gives out blocks (realpath),
 * which come back by free() and must not be counted. Open addressing; 1 marks a place that was
 * left. */
enum { PLACES = 1 << 16 };
static uintptr_t given[PLACES];
static pthread_mutex_t given_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t place_of(uintptr_t p)
{
    return (size_t)(p * 0x9e3779b97f4a7c15u >> 48) % PLACES;
}

static void *count(void *p)
{
    if (p == NULL)
        return NULL;
    pthread_mutex_lock(&given_lock);
    size_t i = place_of((uintptr_t)p);
    while (given[i])
        i = (i + 1) % PLACES;
    given[i] = (uintptr_t)p;
    alive++;
    pthread_mutex_unlock(&given_lock);
    return p;
}

static void uncount(void *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&given_lock);
    size_t gap = place_of((uintptr_t)p);
    while (given[gap] && given[gap] != (uintptr_t)p)
        gap = (gap + 1) % PLACES;
    if (given[gap]) {
        alive--;
        for (size_t i = (gap + 1) % PLACES; given[i]; i = (i + 1) % PLACES) {
            size_t from_home = (i - place_of(given[i])) % PLACES, from_gap = (i - gap) % PLACES;
            if (from_home >= from_gap) { /* its way from home leads through the gap */
                given[gap] = given[i];
                gap = i;
            }
        }
        given[gap] = 0;
    }
    pthread_mutex_unlock(&given_lock);
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
    /* Before the call: another thread may be given the old address right after it. */
    uncount(p);
    void *grown = __real_realloc(p, n);
    if (grown == NULL)
        count(p);
    return count(grown);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : count(__real_aligned_alloc(align, n));
}

void __wrap_free(void *p)
{
    if (p)
        uncount(p);
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
    uncount(p);
    return __real_munmap(p, n);
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    return fails() ? EAGAIN : __real_pthread_create(t, a, fn, arg);
}

json_t *__real_json_loadb(const char *text, size_t n, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *text, size_t n, size_t flags, json_error_t *error);

json_t *__wrap_json_loadb(const char *text, size_t n, size_t flags, json_error_t *error)
{
    reads_json = spares_reader;
    json_t *value = __real_json_loadb(text, n, flags, error);
    reads_json = false;
    return value;
}
