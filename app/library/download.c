/* SPDX-License-Identifier: MIT
 *
 * download.c - see pull.h: a download from reference to record.
 *
 *     asking ──> [file: fetching ──> validating] ... ──> describing ──> done
 *
 * One thread does that, a second one tells how far it is, a few times a second. Events of both go
 * through one lock, and none comes after the last.
 */
#include "library/pull.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hearth/model.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "library/chunks.h"
#include "library/folders.h"
#include "library/hub.h"
#include "library/library_impl.h"
#include "library/name.h"
#include "library/transfer.h"
#include "os/clock.h"
#include "os/file.h"

enum {
    TICK_MS = 200,
    SPEED_TICKS = 25, /* the speed is that of five seconds */
    CHUNK_BYTES = 8 << 20,
    CONNECTIONS = 4,
    STALL_MS = 30000,
    RESERVE_BYTES = 32 << 20 /* to be left on the disk */
};

typedef struct placed_file {
    char path[PATH_MAX]; /* final; another store's if it has the very file */
    char sum[SHA256_HEX];
    uint64_t size;
    bool there; /* found, not fetched */
} placed_file;

struct download {
    library *l;
    reference ref;
    char *endpoint, *token;
    char reference_text[512];
    char sha256[SHA256_HEX];
    transfer_options transfer; /* what all files have in common */
    bool with_mmproj, discard;
    bool named; /* by the user or the catalogue */
    void (*on_event)(void *user, const download_event *event);
    void *user;
    hearth_log log;

    transfer_watch watch;
    thread main, ticker;
    pthread_mutex_t events; /* one event at a time */

    /* By the main thread; the door of the watch guards what others read. */
    hub_files files;
    placed_file *placed;
    char name[LIBRARY_NAME_MAX + 1];
    uint64_t done_bytes, total; /* of the files before this one; of all */
    uint64_t shown;             /* never goes back */
    uint64_t samples[SPEED_TICKS];
    size_t n_samples;
    uint64_t speed;
    bool validating, finished;
    download_state state;
    hearth_error err;
    const library_model *model;
};

const char *download_event_name(download_event_kind kind)
{
    static const char *const names[] = {
#define DOWNLOAD_X(name, spelling) spelling,
        DOWNLOAD_EVENT_MAP(DOWNLOAD_X)
#undef DOWNLOAD_X
    };
    return names[kind];
}

/* ---- events ---- */

static void lock(download *d)
{
    monitor_lock(&d->watch.door);
}

static void unlock(download *d)
{
    monitor_unlock(&d->watch.door);
}

/* Locked. */
static uint64_t transferred(download *d)
{
    uint64_t now = d->done_bytes + (uint64_t)atomic_load(&d->watch.n_bytes);
    if (d->total && now > d->total)
        now = d->total;
    d->shown = now > d->shown ? now : d->shown;
    return d->shown;
}

static bool is_last(download_event_kind kind)
{
    return kind == DOWNLOAD_SUCCESS || kind == DOWNLOAD_ERROR || kind == DOWNLOAD_STOPPED;
}

static void send(download *d, download_event *event)
{
    char name[LIBRARY_NAME_MAX + 1];
    pthread_mutex_lock(&d->events);
    lock(d);
    bool silent = d->finished;
    d->finished = d->finished || is_last(event->kind);
    snprintf(name, sizeof name, "%s", d->name);
    event->model = name;
    event->file = event->file ? event->file : "";
    event->expected = event->expected ? event->expected : "";
    event->actual = event->actual ? event->actual : "";
    event->transferred = transferred(d);
    event->total = d->total;
    event->bytes_per_second = d->speed;
    unlock(d);
    if (!silent && d->on_event)
        d->on_event(d->user, event);
    pthread_mutex_unlock(&d->events);
}

static void tell(download *d, download_event_kind kind)
{
    download_event event = {.kind = kind};
    send(d, &event);
}

/* Locked. Bytes of the last seconds; a pause counts as none. */
static void measure(download *d, uint64_t now)
{
    size_t slot = d->n_samples % SPEED_TICKS;
    uint64_t oldest = d->n_samples < SPEED_TICKS ? d->samples[0] : d->samples[slot];
    size_t ticks = d->n_samples < SPEED_TICKS ? d->n_samples : SPEED_TICKS;
    d->speed = ticks ? (now - oldest) * 1000 / (ticks * TICK_MS) : 0;
    d->samples[slot] = now;
    d->n_samples++;
}

static void tick(void *arg)
{
    download *d = arg;
    uint64_t told = UINT64_MAX;
    lock(d);
    while (!d->finished) {
        uint64_t next = clock_now_ns() + (uint64_t)TICK_MS * 1000000;
        while (!d->finished && clock_now_ns() < next)
            monitor_wait(&d->watch.door, (int64_t)(next - clock_now_ns()));
        uint64_t now = transferred(d);
        measure(d, now);
        bool worth = d->total > 0 && now != told && !d->finished;
        unlock(d);
        if (worth)
            tell(d, DOWNLOAD_PROGRESS);
        told = now;
        lock(d);
    }
    unlock(d);
}

/* ---- where files go ---- */

static hearth_status name_it(download *d, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    if (d->named)
        return HEARTH_OK;
    name_from_file("", d->files.items[0].path, name);
    lock(d);
    memcpy(d->name, name, sizeof name);
    unlock(d);
    return name_check(name, err);
}

static bool is_same(const download *d, const library_model *m)
{
    const hub_file *f = &d->files.items[0];
    return (*f->sha256 && strcmp(f->sha256, m->sha256) == 0) ||
           strcmp(name_of_path(f->path), name_of_path(m->path)) == 0;
}

/* The name may be that of an earlier pull of the same files, and of nothing else. */
static hearth_status check_name(download *d, const char *folder, hearth_error *err)
{
    library_models all;
    hearth_status status = HEARTH_OK;
    TRY(library_list(d->l, &all, err));
    for (size_t i = 0; status == HEARTH_OK && i < all.n; i++) {
        const library_model *m = all.items[i];
        bool same_name = strcmp(m->name, d->name) == 0;
        bool same_place = m->folder && strcmp(m->folder, folder) == 0 && is_same(d, m);
        if (same_name && !same_place && m->origin <= LIBRARY_FOLDER)
            status =
                error_set(err, HEARTH_EMISMATCH, "name",
                          "there is another model '%s'; give this one a name with --name", m->name);
    }
    library_models_deinit(&all);
    return status;
}

/* The same bytes in another store: they are used there. */
static bool find_twin(download *d, const hub_file *f, char path[PATH_MAX])
{
    library_models all;
    bool found = false;
    if (*f->sha256 == '\0' || library_list(d->l, &all, NULL) != HEARTH_OK)
        return false;
    for (size_t i = 0; !found && i < all.n; i++) {
        const library_model *m = all.items[i];
        const char *twin = strcmp(m->sha256, f->sha256) == 0          ? m->path
                           : strcmp(m->mmproj_sha256, f->sha256) == 0 ? m->mmproj_path
                                                                      : NULL;
        struct stat info;
        found = twin && stat(twin, &info) == 0 && (uint64_t)info.st_size == f->size &&
                snprintf(path, PATH_MAX, "%s", twin) < PATH_MAX;
    }
    library_models_deinit(&all);
    return found;
}

static bool sum_progress(void *user, uint64_t done, uint64_t total)
{
    download *d = user;
    (void)done;
    (void)total;
    return transfer_may_go_on(&d->watch);
}

static hearth_status sum_of(download *d, const char *path, char sum[SHA256_HEX], hearth_error *err)
{
    const hearth_progress progress = {sum_progress, d};
    lock(d);
    d->validating = true;
    unlock(d);
    hearth_status status = sha256_file(path, &progress, 0, 0, sum, err);
    lock(d);
    d->validating = false;
    unlock(d);
    return status;
}

/* A file that is there already, whole. */
static void look_for(download *d, size_t i)
{
    const hub_file *f = &d->files.items[i];
    placed_file *p = &d->placed[i];
    char twin[PATH_MAX], sum[SHA256_HEX];
    struct stat info;
    bool here = stat(p->path, &info) == 0 && S_ISREG(info.st_mode) &&
                (f->size == 0 || (uint64_t)info.st_size == f->size);
    const char *path = here ? p->path : d->files.n == 1 && find_twin(d, f, twin) ? twin : NULL;
    if (path == NULL || stat(path, &info) != 0 || sum_of(d, path, sum, NULL) != HEARTH_OK)
        return;
    if (*f->sha256 && strcmp(f->sha256, sum) != 0)
        return;
    if (path == twin)
        snprintf(p->path, sizeof p->path, "%s", twin);
    memcpy(p->sum, sum, sizeof sum);
    p->size = (uint64_t)info.st_size;
    p->there = true;
}

/* What an address leads to: nobody has told its size yet. */
static hearth_status look_at_size(download *d, hub_file *f, hearth_error *err)
{
    transfer_options o = d->transfer;
    o.url = f->url;
    return transfer_look(&o, &f->size, err);
}

static hearth_status place_files(download *d, const char *folder, hearth_error *err)
{
    d->placed = mem_calloc(d->files.n, sizeof *d->placed);
    if (d->placed == NULL)
        return error_no_memory(err, "a list of files", d->files.n * sizeof *d->placed);
    for (size_t i = 0; i < d->files.n; i++) {
        placed_file *p = &d->placed[i];
        if ((size_t)snprintf(p->path, sizeof p->path, "%s/%s", folder,
                             name_of_path(d->files.items[i].path)) >= sizeof p->path - 16)
            FAIL(err, EINVAL, "name", "the path of '%.200s' is too long", d->name);
        if (i == 0 && *d->sha256)
            memcpy(d->files.items[0].sha256, d->sha256, sizeof d->sha256);
        look_for(d, i);
        if (!d->placed[i].there && *d->ref.url)
            TRY(look_at_size(d, &d->files.items[i], err));
    }
    return transfer_may_go_on(&d->watch)
               ? HEARTH_OK
               : error_set(err, HEARTH_ECANCELED, "download", "the download was stopped");
}

static void part_of(char out[PATH_MAX], const placed_file *p)
{
    snprintf(out, PATH_MAX, "%.*s.part", PATH_MAX - 16, p->path);
}

/* Before the first byte: what is still to come must fit, with something left for others. */
static hearth_status check_space(download *d, const char *folder, hearth_error *err)
{
    uint64_t need = 0, free_bytes = file_free_space(folder);
    char part[PATH_MAX];
    for (size_t i = 0; i < d->files.n; i++) {
        part_of(part, &d->placed[i]);
        if (!d->placed[i].there)
            need += chunks_missing_space(part, d->files.items[i].size);
    }
    if (need > 0 && (free_bytes < RESERVE_BYTES || free_bytes - RESERVE_BYTES < need))
        FAIL(err, EIO, folder,
             "the disk is too full: %.1f MiB are to come and %.1f MiB are free in '%.200s' (%d MiB "
             "are left to others)",
             (double)need / 1048576.0, (double)free_bytes / 1048576.0, folder, RESERVE_BYTES >> 20);
    return HEARTH_OK;
}

/* ---- one file ---- */

static hearth_status validate(download *d, size_t i, const char *part, hearth_error *err)
{
    const hub_file *f = &d->files.items[i];
    placed_file *p = &d->placed[i];
    download_event event = {.kind = DOWNLOAD_VALIDATION_STARTED, .file = name_of_path(f->path)};
    send(d, &event);
    TRY(sum_of(d, part, p->sum, err));
    if (*f->sha256 == '\0' || strcmp(f->sha256, p->sum) == 0)
        return HEARTH_OK;
    error_set(err, HEARTH_EMISMATCH, f->path,
              "'%.120s' arrived damaged: its SHA-256 is %s, expected %s; pull it again", f->path,
              p->sum, f->sha256);
    event.kind = DOWNLOAD_VALIDATION_FAILED;
    event.expected = f->sha256;
    event.actual = p->sum;
    event.error = *err;
    send(d, &event);
    return HEARTH_EMISMATCH;
}

/* A page that asks for a login is no model, whatever it is called. */
static hearth_status check_format(const char *part, const hub_file *f, hearth_error *err)
{
    char magic[4] = "";
    FILE *file = fopen(part, "rbe");
    size_t n = file ? fread(magic, 1, sizeof magic, file) : 0;
    if (file)
        fclose(file);
    if (n == sizeof magic && memcmp(magic, "GGUF", sizeof magic) == 0)
        return HEARTH_OK;
    FAIL(err, EFORMAT, f->path, "what '%.*s' sends is not a GGUF file",
         (int)strcspn(f->url, "?#") < 200 ? (int)strcspn(f->url, "?#") : 200, f->url);
}

static hearth_status fetch(download *d, size_t i, hearth_error *err)
{
    const hub_file *f = &d->files.items[i];
    placed_file *p = &d->placed[i];
    char part[PATH_MAX];
    struct stat info;
    chunks *c = NULL;
    transfer_options o = d->transfer;
    part_of(part, p);
    o.url = f->url;
    o.bearer = *d->ref.repository ? d->token : NULL;
    o.part = part;
    o.identity = *f->sha256 ? f->sha256 : NULL;
    o.size = f->size;
    TRY(transfer_run(&c, &o, err));
    hearth_status status = check_format(part, f, err);
    if (status == HEARTH_OK)
        status = validate(d, i, part, err);
    if (status == HEARTH_EMISMATCH || status == HEARTH_EFORMAT) {
        chunks_close(c);
        chunks_discard(part);
        return status;
    }
    if (status != HEARTH_OK) {
        chunks_close(c);
        return status;
    }
    TRY(chunks_finish(c, p->path, err));
    p->size = stat(p->path, &info) == 0 ? (uint64_t)info.st_size : f->size;
    return HEARTH_OK;
}

static hearth_status fetch_all(download *d, hearth_error *err)
{
    for (size_t i = 0; i < d->files.n; i++) {
        if (!d->placed[i].there)
            TRY(fetch(d, i, err));
        lock(d);
        d->done_bytes += d->placed[i].size;
        atomic_store(&d->watch.n_bytes, 0);
        if (d->total < d->done_bytes) /* sizes that nobody told beforehand */
            d->total = d->done_bytes;
        unlock(d);
    }
    return HEARTH_OK;
}

/* ---- describing it ---- */

static hearth_status set_real(model_yml *yml, const char *key, double value, hearth_error *err)
{
    char text[32];
    number_print(text, sizeof text, "%.9g", value);
    return isnan(value) ? HEARTH_OK : model_yml_set(yml, key, text, err);
}

static hearth_status describe_files(download *d, model_yml *yml, const char *folder,
                                    hearth_error *err)
{
    char words[HUB_FILES_MAX * SHA256_HEX + 1] = "";
    uint64_t model_bytes = 0, mmproj_bytes = 0;
    size_t n = 0, n_folder = strlen(folder);
    for (size_t i = 0; i < d->files.n; i++) {
        const placed_file *p = &d->placed[i];
        bool mmproj = d->files.items[i].mmproj;
        bool inside = strncmp(p->path, folder, n_folder) == 0 && p->path[n_folder] == '/';
        const char *path = inside ? p->path + n_folder + 1 : p->path;
        if (i == 0 || mmproj)
            TRY(model_yml_set(yml, mmproj ? "mmproj_path" : "model_path", path, err));
        if (i == 0 || mmproj)
            TRY(model_yml_set(yml, mmproj ? "mmproj_sha256" : "sha256", p->sum, err));
        *(mmproj ? &mmproj_bytes : &model_bytes) += p->size;
        if (!mmproj)
            n += (size_t)snprintf(words + n, sizeof words - n, "%s%s", n ? "," : "", p->sum);
    }
    TRY(model_yml_set(yml, "model_sha256", d->placed[0].sum, err));
    if (strchr(words, ',') && n < 4096)
        TRY(model_yml_set(yml, "sha256_parts", words, err));
    TRY(model_yml_set_count(yml, "size_bytes", model_bytes + mmproj_bytes, err));
    TRY(model_yml_set_count(yml, "model_size_bytes", model_bytes, err));
    return mmproj_bytes ? model_yml_set_count(yml, "mmproj_size_bytes", mmproj_bytes, err)
                        : HEARTH_OK;
}

static hearth_status describe(download *d, model_yml *yml, const char *folder, hearth_error *err)
{
    const catalog_model *entry = d->ref.entry;
    char source[2200];
    facts f;
    facts_read(&f, d->placed[0].path);
    if (*d->ref.repository)
        snprintf(source, sizeof source, "hf.co/%s", d->ref.repository);
    else
        snprintf(source, sizeof source, "%.*s", (int)strcspn(d->ref.url, "?#"), d->ref.url);
    const char *title = entry ? entry->title : f.title;
    TRY(describe_files(d, yml, folder, err));
    if (*title)
        TRY(model_yml_set(yml, "name", title, err));
    TRY(model_yml_set(yml, "source", source, err));
    TRY(model_yml_set(yml, "embedding", f.capabilities & LIBRARY_CAN_EMBEDDING ? "true" : "false",
                      err));
    TRY(model_yml_set_count(yml, "created", (uint64_t)library_now_ms(), err));
    if (entry == NULL)
        return HEARTH_OK;
    TRY(model_yml_set(yml, "license", entry->license, err));
    TRY(set_real(yml, "temperature", entry->temperature, err));
    TRY(set_real(yml, "topP", entry->top_p, err));
    return entry->top_k ? model_yml_set_count(yml, "topK", entry->top_k, err) : HEARTH_OK;
}

static hearth_status make_known(download *d, const char *folder, hearth_error *err)
{
    model_yml *yml = NULL;
    char *path = folders_join(folder, MODEL_YML_FILE);
    hearth_status status = HEARTH_OK;
    if (path == NULL)
        return error_no_memory(err, "a path", strlen(folder));
    pthread_mutex_lock(&d->l->work);
    /* What a user wrote into an earlier one stays. */
    if (!file_exists(path) || model_yml_read(&yml, path, NULL) != HEARTH_OK)
        status = model_yml_new(&yml, err);
    if (status == HEARTH_OK)
        status = describe(d, yml, folder, err);
    if (status == HEARTH_OK)
        status = model_yml_write(yml, path, err);
    if (status == HEARTH_OK)
        status = library_scan_locked(d->l, err);
    pthread_mutex_unlock(&d->l->work);
    model_yml_free(yml);
    mem_free(path);
    return status == HEARTH_OK ? library_find(d->l, d->name, &d->model, err) : status;
}

/* ---- the main thread ---- */

static hearth_status pull_into(download *d, const char *folder, hearth_error *err)
{
    uint64_t total = 0;
    TRY(check_name(d, folder, err));
    TRY(folders_make(folder, err));
    TRY(place_files(d, folder, err));
    for (size_t i = 0; i < d->files.n; i++)
        total += d->placed[i].there ? d->placed[i].size : d->files.items[i].size;
    lock(d);
    d->total = total;
    unlock(d);
    TRY(check_space(d, folder, err));
    tell(d, DOWNLOAD_STARTED);
    TRY(fetch_all(d, err));
    return make_known(d, folder, err);
}

static void take_away(download *d, const char *folder)
{
    char part[PATH_MAX];
    for (size_t i = 0; d->placed && i < d->files.n; i++) {
        part_of(part, &d->placed[i]);
        chunks_discard(part);
    }
    folders_remove_empty(folder, d->l->folder);
}

static hearth_status pull(download *d, hearth_error *err)
{
    TRY(hub_ask(&d->files, &d->ref, d->endpoint, d->token, d->with_mmproj, &d->transfer, err));
    TRY(name_it(d, err));
    char *folder = library_folder_of(d->l, d->name);
    if (folder == NULL)
        return error_no_memory(err, "a path", strlen(d->name));
    hearth_status status = pull_into(d, folder, err);
    if (status != HEARTH_OK) {
        if (status == HEARTH_ECANCELED && d->discard)
            take_away(d, folder);
        folders_remove_empty(folder, d->l->folder);
    }
    mem_free(folder);
    return status;
}

static void run(void *arg)
{
    download *d = arg;
    download_event event = {.kind = DOWNLOAD_SUCCESS};
    hearth_status status = pull(d, &event.error);
    lock(d);
    d->state = status == HEARTH_OK          ? DOWNLOAD_IS_DONE
               : status == HEARTH_ECANCELED ? DOWNLOAD_IS_STOPPED
                                            : DOWNLOAD_IS_FAILED;
    d->err = event.error;
    d->watch.paused = false;
    unlock(d);
    if (status == HEARTH_ECANCELED)
        event.kind = DOWNLOAD_STOPPED;
    else if (status != HEARTH_OK)
        event.kind = DOWNLOAD_ERROR;
    send(d, &event);
    lock(d);
    monitor_wake(&d->watch.door);
    unlock(d);
}

/* ---- from outside ---- */

static char *dup_or_null(const char *text)
{
    return text && *text ? mem_dup(text, strlen(text)) : NULL;
}

static hearth_status prepare(download *d, const pull_options *o, hearth_error *err)
{
    d->endpoint = o->endpoint ? dup_or_null(o->endpoint) : hub_endpoint();
    d->token = o->token ? dup_or_null(o->token) : hub_token();
    if (d->endpoint == NULL)
        return error_no_memory(err, "an address", 0);
    TRY(reference_parse(&d->ref, o->reference, d->endpoint, err));
    if (hub_is_offline())
        FAIL(err, EUNSUPPORTED, "HF_HUB_OFFLINE",
             "HF_HUB_OFFLINE is set, so nothing is fetched; by hand: get %s%s elsewhere, then "
             "hearth import FILE",
             *d->ref.repository ? "https://huggingface.co/" : "the file", d->ref.repository);
    if (o->sha256 && !sha256_read(o->sha256, d->sha256))
        FAIL(err, EINVAL, "sha256", "'%.80s' is not a SHA-256: 64 hexadecimal digits", o->sha256);
    const char *name = o->name ? o->name : d->ref.entry ? d->ref.entry->name : NULL;
    if (name)
        TRY(name_check(name, err));
    d->named = name != NULL;
    snprintf(d->name, sizeof d->name, "%s", name ? name : "");
    snprintf(d->reference_text, sizeof d->reference_text, "%.500s", o->reference);
    d->with_mmproj = !o->no_mmproj;
    d->on_event = o->on_event;
    d->user = o->user;
    d->log = o->log;
    if (o->n_connections > TRANSFER_CONNECTIONS_MAX)
        FAIL(err, EINVAL, "connections", "%u connections are too many; %d are the most",
             o->n_connections, TRANSFER_CONNECTIONS_MAX);
    d->transfer =
        (transfer_options){.n_connections = o->n_connections ? o->n_connections : CONNECTIONS,
                           .chunk_bytes = o->chunk_bytes ? o->chunk_bytes : CHUNK_BYTES,
                           .stall_ms = o->stall_ms ? (int)o->stall_ms : STALL_MS,
                           .log = &d->log,
                           .watch = &d->watch};
    return HEARTH_OK;
}

/* A callback may pause what it is told of, which is told, too. */
static void make_recursive(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(mutex, &kind);
    pthread_mutexattr_destroy(&kind);
}

hearth_status download_start(download **out, library *l, const pull_options *options,
                             hearth_error *err)
{
    download *d = mem_calloc(1, sizeof *d);
    if (d == NULL)
        return error_no_memory(err, "a download", sizeof *d);
    d->l = l;
    transfer_watch_init(&d->watch);
    make_recursive(&d->events);
    hearth_status status = prepare(d, options, err);
    if (status == HEARTH_OK)
        status = thread_start(&d->ticker, tick, d, "a download", err);
    if (status == HEARTH_OK)
        status = thread_start(&d->main, run, d, "a download", err);
    if (status != HEARTH_OK) {
        lock(d);
        d->finished = true;
        unlock(d);
        download_free(d);
        return status;
    }
    *out = d;
    return HEARTH_OK;
}

void download_free(download *d)
{
    if (d == NULL)
        return;
    lock(d);
    d->watch.stopped = true;
    monitor_wake(&d->watch.door);
    unlock(d);
    thread_join(&d->main);
    thread_join(&d->ticker);
    library_model_unref(d->model);
    hub_files_deinit(&d->files);
    mem_free(d->placed);
    mem_free(d->endpoint);
    mem_free(d->token);
    transfer_watch_deinit(&d->watch);
    pthread_mutex_destroy(&d->events);
    mem_free(d);
}

static void set_paused(download *d, bool paused)
{
    lock(d);
    bool changed = d->watch.paused != paused && !d->watch.stopped &&
                   (d->state == DOWNLOAD_IS_RUNNING || d->state == DOWNLOAD_IS_PAUSED);
    if (changed) {
        d->watch.paused = paused;
        d->state = paused ? DOWNLOAD_IS_PAUSED : DOWNLOAD_IS_RUNNING;
        monitor_wake(&d->watch.door);
    }
    unlock(d);
    if (changed)
        tell(d, paused ? DOWNLOAD_PAUSED : DOWNLOAD_RESUMED);
}

void download_pause(download *d)
{
    set_paused(d, true);
}

void download_resume(download *d)
{
    set_paused(d, false);
}

void download_cancel(download *d, bool discard)
{
    lock(d);
    d->watch.stopped = true;
    d->discard = d->discard || discard;
    monitor_wake(&d->watch.door);
    unlock(d);
}

void download_get_status(download *d, download_status *out)
{
    lock(d);
    *out = (download_status){.state = d->state,
                             .transferred = transferred(d),
                             .total = d->total,
                             .bytes_per_second = d->speed,
                             .validating = d->validating};
    if (d->state == DOWNLOAD_IS_FAILED)
        out->error = d->err;
    memcpy(out->model, d->name, sizeof out->model);
    memcpy(out->reference, d->reference_text, sizeof out->reference);
    unlock(d);
}

bool download_wait(download *d, int timeout_ms, const library_model **model, hearth_status *status,
                   hearth_error *err)
{
    uint64_t deadline = clock_now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
    lock(d);
    while (!d->finished) {
        uint64_t now = clock_now_ns();
        if (timeout_ms >= 0 && now >= deadline)
            break;
        monitor_wait(&d->watch.door, timeout_ms < 0 ? -1 : (int64_t)(deadline - now));
    }
    bool over = d->finished;
    if (over) {
        *status = d->state == DOWNLOAD_IS_DONE ? HEARTH_OK : d->err.code;
        if (*status != HEARTH_OK && err)
            *err = d->err;
        if (model)
            *model = d->model ? library_model_ref(d->model) : NULL;
    }
    unlock(d);
    return over;
}
