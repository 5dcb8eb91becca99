/* SPDX-License-Identifier: MIT
 *
 * page_store.c - see page_store.h.
 *
 * Layout of a file, little-endian:
 *   0   8  "HEARTHPG"
 *   8   4  version (1)
 *   12  4  n_tokens
 *   16  8  fingerprint of the model and the cache types
 *   24  8  bytes of the page
 *   32     tokens, int32 each; filled up with zeros to a multiple of 8 bytes; the page
 *   end 8  checksum of everything before
 */
#include "engine/page_store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/file.h"
#include "os/file_map.h"
#include "os/folder.h"
#include "os/thread.h"

static const char magic[8] = {'H', 'E', 'A', 'R', 'T', 'H', 'P', 'G'};
static const char suffix[] = ".page";
enum { VERSION = 1, HEADER_BYTES = 32, SUM_BYTES = 8, N_JOBS = PAGE_STORE_QUEUE };
static const int64_t stale_ns = (int64_t)3600 * 1000000000; /* of temporary files of the dead */

typedef struct page_header {
    char magic[8];
    uint32_t version;
    uint32_t n_tokens;
    uint64_t fingerprint;
    uint64_t page_bytes;
} page_header;

_Static_assert(sizeof(page_header) == HEADER_BYTES, "the header has no padding");

typedef struct write_job {
    uint64_t key;
    int32_t *tokens; /* filled up with a zero if their number is odd */
    size_t n_tokens;
    uint32_t page;
    const uint8_t *data;
} write_job;

struct page_store {
    page_store_options options;
    char *folder;
    thread thread;
    monitor door; /* of all below */
    write_job jobs[N_JOBS];
    size_t first, n; /* queued or being written */
    uint32_t written[N_JOBS];
    size_t n_returned; /* pages in written[] */
    bool closing;
    bool warned; /* of a disk that is full, since the last success */
    page_store_counts counts;
};

/* ---- checksums: four chains of words, so that it is as fast as memory ---- */

typedef struct checksum {
    uint64_t lanes[4];
    size_t at;
} checksum;

static void checksum_add(checksum *c, const void *bytes, size_t n) /* a multiple of 8 */
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word, *lane = &c->lanes[c->at++ & 3];
        memcpy(&word, p + i, sizeof word);
        word = (*lane ^ word) * 0x9e3779b97f4a7c15ull;
        *lane = word ^ word >> 29;
    }
}

static uint64_t checksum_end(const checksum *c)
{
    uint64_t sum = c->at;
    for (int i = 0; i < 4; i++) {
        sum = (sum ^ c->lanes[i]) * 0x9e3779b97f4a7c15ull;
        sum ^= sum >> 29;
    }
    return sum;
}

/* ---- names ---- */

static bool make_path(const page_store *s, uint64_t key, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/%016llx%s", s->folder, (unsigned long long)key, suffix) <
           PATH_MAX;
}

static bool is_page_name(const char *name)
{
    return strlen(name) == 16 + sizeof suffix - 1 && strcmp(name + 16, suffix) == 0;
}

static void tell(page_store *s, const char *what, const char *path, const char *why)
{
    monitor_lock(&s->door);
    log_write(&s->options.log, HEARTH_LOG_WARNING, "%s: '%s': %s", what, path, why);
    monitor_unlock(&s->door);
}

/* ---- reading ---- */

static size_t padded_tokens(size_t n_tokens)
{
    return (n_tokens + 1) / 2 * 2;
}

static const char *find_fault(const page_store *s, const file_map *map, const page_header *h)
{
    const uint8_t *data = file_map_data(map);
    uint64_t n = file_map_size(map), sum;
    checksum c = {{0}, 0};
    if (n < HEADER_BYTES + SUM_BYTES || memcmp(h->magic, magic, sizeof magic) != 0)
        return "it is not a page";
    if (h->version != VERSION)
        return "it is of another version";
    if (h->page_bytes != s->options.page_bytes ||
        n !=
            HEADER_BYTES + padded_tokens(h->n_tokens) * sizeof(int32_t) + h->page_bytes + SUM_BYTES)
        return "its size is wrong";
    checksum_add(&c, data, n - SUM_BYTES);
    memcpy(&sum, data + n - SUM_BYTES, sizeof sum);
    if (sum != checksum_end(&c) || file_map_is_lost(map))
        return "its checksum is wrong";
    return NULL;
}

bool page_store_read(page_store *s, uint64_t key, const int32_t *tokens, size_t n_tokens,
                     uint8_t *data)
{
    char path[PATH_MAX];
    file_map *map;
    page_header h = {.version = 0};
    if (!make_path(s, key, path) || !file_exists(path) ||
        file_map_open(&map, path, NULL) != HEARTH_OK)
        return false;
    if (file_map_size(map) >= sizeof h)
        memcpy(&h, file_map_data(map), sizeof h);
    const char *fault = find_fault(s, map, &h);
    bool found = false;
    if (fault == NULL && h.fingerprint == s->options.fingerprint && h.n_tokens == n_tokens) {
        const uint8_t *content = file_map_data(map) + HEADER_BYTES;
        found = memcmp(content, tokens, n_tokens * sizeof *tokens) == 0;
        if (found && data)
            memcpy(data, content + padded_tokens(n_tokens) * sizeof *tokens, s->options.page_bytes);
        found = found && !file_map_is_lost(map);
    }
    file_map_close(map);
    if (fault) {
        folder_remove_file(path);
        tell(s, "a cached page is ignored and removed", path, fault);
    }
    if (found && data)
        folder_touch_file(path);
    monitor_lock(&s->door);
    s->counts.n_damaged += fault != NULL;
    s->counts.n_read += found && data;
    monitor_unlock(&s->door);
    return found;
}

/* ---- the budget ---- */

typedef struct page_file {
    int64_t changed_ns;
    uint64_t n_bytes;
    uint64_t key;
} page_file;

typedef struct inventory {
    const page_store *store;
    page_file *files;
    size_t n, capacity;
    uint64_t n_bytes;
} inventory;

static void remove_stale(const page_store *s, const folder_entry *entry)
{
    char path[PATH_MAX];
    size_t n = strlen(entry->name);
    bool is_ours = n > 4 && strcmp(entry->name + n - 4, ".tmp") == 0 && strstr(entry->name, suffix);
    if (is_ours && folder_now_ns() - entry->changed_ns > stale_ns &&
        snprintf(path, sizeof path, "%s/%s", s->folder, entry->name) < PATH_MAX)
        folder_remove_file(path);
}

static bool take_stock(void *user, const folder_entry *entry)
{
    inventory *i = user;
    if (!is_page_name(entry->name)) {
        remove_stale(i->store, entry);
        return true;
    }
    if (i->n == i->capacity) {
        size_t capacity = i->capacity ? i->capacity * 2 : 256;
        page_file *files = mem_realloc_array(i->files, capacity, sizeof *files);
        if (files == NULL)
            return false;
        i->files = files;
        i->capacity = capacity;
    }
    i->files[i->n++] =
        (page_file){entry->changed_ns, entry->n_bytes, strtoull(entry->name, NULL, 16)};
    i->n_bytes += entry->n_bytes;
    return true;
}

static int compare_age(const void *a, const void *b)
{
    const page_file *x = a, *y = b;
    return x->changed_ns < y->changed_ns ? -1 : x->changed_ns > y->changed_ns;
}

/* Counts what is there, and removes the oldest until a tenth of the budget is free. */
static void tidy(page_store *s)
{
    char path[PATH_MAX];
    inventory i = {.store = s};
    folder_list(s->folder, take_stock, &i, NULL);
    if (i.n_bytes > s->options.max_bytes) {
        qsort(i.files, i.n, sizeof *i.files, compare_age);
        uint64_t goal = s->options.max_bytes - s->options.max_bytes / 10;
        for (size_t at = 0; at < i.n && i.n_bytes > goal; at++) {
            if (make_path(s, i.files[at].key, path))
                folder_remove_file(path);
            i.n_bytes -= i.files[at].n_bytes;
        }
    }
    mem_free(i.files);
    monitor_lock(&s->door);
    s->counts.n_bytes = i.n_bytes;
    monitor_unlock(&s->door);
}

/* ---- writing ---- */

static hearth_status put(file_writer *file, checksum *c, const void *bytes, size_t n,
                         hearth_error *err)
{
    checksum_add(c, bytes, n);
    return file_writer_write(file, bytes, n, err);
}

static hearth_status write_file(page_store *s, const write_job *j, const char *path,
                                hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    file_writer *file;
    checksum c = {{0}, 0};
    page_header h = {.version = VERSION,
                     .n_tokens = (uint32_t)j->n_tokens,
                     .fingerprint = s->options.fingerprint,
                     .page_bytes = s->options.page_bytes};
    memcpy(h.magic, magic, sizeof magic);
    TRY(file_writer_open(&file, path, err));
    TRY_OUT(put(file, &c, &h, sizeof h, err));
    TRY_OUT(put(file, &c, j->tokens, padded_tokens(j->n_tokens) * sizeof *j->tokens, err));
    TRY_OUT(put(file, &c, j->data, s->options.page_bytes, err));
    uint64_t sum = checksum_end(&c);
    TRY_OUT(file_writer_write(file, &sum, sizeof sum, err));
    TRY_OUT(file_writer_commit(file, err));
out:
    file_writer_close(file);
    return status;
}

static void write_page(page_store *s, const write_job *j)
{
    char path[PATH_MAX];
    hearth_error error;
    /* What is there although it had to be computed stands behind a page that could not be read, and
     * was not looked at: it may be as damaged, and would cut the text off there the next time. */
    if (!make_path(s, j->key, path) || page_store_read(s, j->key, j->tokens, j->n_tokens, NULL) ||
        file_exists(path))
        return;
    hearth_status status = write_file(s, j, path, &error);
    if (status != HEARTH_OK && !s->warned)
        tell(s, "pages are not kept on disk for now", path, error.message);
    s->warned = status != HEARTH_OK;
    monitor_lock(&s->door);
    if (status == HEARTH_OK) {
        s->counts.n_written++;
        s->counts.n_bytes += HEADER_BYTES + SUM_BYTES + s->options.page_bytes +
                             padded_tokens(j->n_tokens) * sizeof *j->tokens;
    } else {
        s->counts.n_dropped++;
    }
    bool is_over = s->counts.n_bytes > s->options.max_bytes;
    monitor_unlock(&s->door);
    if (is_over)
        tidy(s);
}

static void work(void *arg)
{
    page_store *s = arg;
    tidy(s);
    monitor_lock(&s->door);
    for (;;) {
        while (s->n == 0 && !s->closing)
            monitor_wait(&s->door, -1);
        if (s->n == 0)
            break;
        write_job job = s->jobs[s->first];
        monitor_unlock(&s->door);
        write_page(s, &job);
        mem_free(job.tokens);
        monitor_lock(&s->door);
        s->first = (s->first + 1) % N_JOBS;
        s->n--;
        s->written[s->n_returned++] = job.page;
        monitor_wake(&s->door);
        monitor_unlock(&s->door);
        s->options.written(s->options.user);
        monitor_lock(&s->door);
    }
    monitor_unlock(&s->door);
}

/* Locked. A page keeps its entry until it is taken back. */
static bool has_room(const page_store *s)
{
    return s->n + s->n_returned < s->options.n_queue;
}

bool page_store_has_room(page_store *s)
{
    monitor_lock(&s->door);
    bool room = has_room(s);
    monitor_unlock(&s->door);
    return room;
}

bool page_store_write(page_store *s, uint64_t key, const int32_t *tokens, size_t n_tokens,
                      uint32_t page, const uint8_t *data)
{
    size_t n = padded_tokens(n_tokens);
    int32_t *copy = mem_alloc_array(n, sizeof *copy);
    monitor_lock(&s->door);
    bool taken = copy != NULL && has_room(s);
    if (taken) {
        copy[n - 1] = 0;
        memcpy(copy, tokens, n_tokens * sizeof *copy);
        s->jobs[(s->first + s->n++) % N_JOBS] = (write_job){key, copy, n_tokens, page, data};
        monitor_wake(&s->door);
    }
    monitor_unlock(&s->door);
    if (!taken)
        mem_free(copy);
    return taken;
}

bool page_store_wait_written(page_store *s)
{
    monitor_lock(&s->door);
    while (s->n_returned == 0 && s->n > 0)
        monitor_wait(&s->door, -1);
    bool any = s->n_returned > 0;
    monitor_unlock(&s->door);
    return any;
}

uint32_t page_store_take_written(page_store *s)
{
    monitor_lock(&s->door);
    uint32_t page = s->n_returned ? s->written[--s->n_returned] : NO_PAGE;
    monitor_unlock(&s->door);
    return page;
}

page_store_counts page_store_count(page_store *s)
{
    monitor_lock(&s->door);
    page_store_counts counts = s->counts;
    monitor_unlock(&s->door);
    return counts;
}

/* ---- open and close ---- */

hearth_status page_store_open(page_store **out, const page_store_options *options,
                              hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    TRY(folder_make(options->folder, err));
    page_store *s = mem_calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err, "the disk tier", sizeof *s);
    s->options = *options;
    monitor_init(&s->door);
    s->folder = mem_dup(options->folder, strlen(options->folder));
    if (s->folder == NULL) {
        status = error_no_memory(err, "the disk tier", strlen(options->folder));
        goto out;
    }
    TRY_OUT(thread_start(&s->thread, work, s, "the disk tier", err));
    *out = s;
    return HEARTH_OK;
out:
    page_store_close(s);
    return status;
}

void page_store_close(page_store *s)
{
    if (s == NULL)
        return;
    monitor_lock(&s->door);
    s->closing = true;
    monitor_wake(&s->door);
    monitor_unlock(&s->door);
    thread_join(&s->thread);
    monitor_deinit(&s->door);
    mem_free(s->folder);
    mem_free(s);
}
