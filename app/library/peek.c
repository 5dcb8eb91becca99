/* SPDX-License-Identifier: MIT
 *
 * peek.c - see peek.h.
 */
#include "library/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <hearth/model.h>

#include "base/mem.h"
#include "library/hub.h"
#include "library/name.h"
#include "library/scratch.h"

enum {
    FIRST_BYTES = 1 << 20, /* of the file with the metadata */
    PART_BYTES = 64 << 10, /* of others, which have a table of tensors alone */
    STALL_MS = 15000
};

struct peek {
    reference ref;
    hub_files files;
    scratch folder;
    char (*paths)[PATH_MAX];
    uint64_t fetched, size;
    transfer_watch watch;
    hearth_log log;
};

bool peek_is_reference(const char *text, library *named)
{
    static const char *const prefixes[] = {"https://", "http://", "hf.co/", "huggingface.co/",
                                           "hf:"};
    const library_model *m;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (strncasecmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    for (size_t i = 0; i < catalog_count(); i++) {
        const catalog_model *entry = catalog_at(i);
        if (*entry->repository == '\0' || strcasecmp(text, entry->name) != 0)
            continue;
        if (named == NULL || library_find(named, text, &m, NULL) != HEARTH_OK)
            return true;
        library_model_unref(m);
    }
    return false;
}

/* ---- the files ---- */

/* A file of `size` bytes of which `head` are there. */
static hearth_status write_file(const char *path, const buf *head, uint64_t size, hearth_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && size <= INT64_MAX && ftruncate(fd, (off_t)size) == 0;
    for (size_t at = 0; ok && at < head->n;) {
        ssize_t n = write(fd, head->data + at, head->n - at);
        ok = n > 0 || (n < 0 && errno == EINTR);
        at += n > 0 ? (size_t)n : 0;
    }
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (!ok)
        FAIL(err, EIO, path, "cannot make '%.300s', a hole of %" PRIu64 " bytes: %s", path, size,
             strerror(why));
    return HEARTH_OK;
}

/* ---- fetching ---- */

static hearth_status fetch_file(peek *p, size_t i, const transfer_options *common, buf *body,
                                hearth_error *err)
{
    const hub_file *f = &p->files.items[i];
    transfer_options o = *common;
    uint64_t size = f->size, left = PEEK_MAX_BYTES - p->fetched;
    o.url = f->url;
    o.size = f->size;
    buf_clear(body);
    if (!f->mmproj)
        TRY(transfer_head(&o, i == 0 ? FIRST_BYTES : PART_BYTES, left, hearth_model_header_bytes,
                          body, &size, err));
    else if (size == 0)
        TRY(transfer_look(&o, &size, err));
    if (size == 0)
        FAIL(err, EFORMAT, "download", "the server does not tell how long '%.200s' is", f->path);
    p->fetched += body->n;
    p->size += size;
    if ((size_t)snprintf(p->paths[i], PATH_MAX, "%s/%s", p->folder.path, name_of_path(f->path)) >=
        PATH_MAX)
        FAIL(err, EINVAL, "reference", "the name '%.200s' is too long", f->path);
    return write_file(p->paths[i], body, size, err);
}

static hearth_status fetch(peek *p, const peek_options *o, const char *endpoint, const char *token,
                           hearth_error *err)
{
    buf body;
    transfer_options common = {.bearer = token,
                               .stall_ms = o->stall_ms ? (int)o->stall_ms : STALL_MS,
                               .log = &p->log,
                               .watch = &p->watch};
    TRY(hub_ask(&p->files, &p->ref, endpoint, token, !o->no_mmproj, &common, err));
    p->paths = mem_calloc(p->files.n, sizeof *p->paths);
    if (p->paths == NULL)
        return error_no_memory(err, "paths", p->files.n * sizeof *p->paths);
    TRY(scratch_open(&p->folder, err));
    if (*p->ref.repository == '\0')
        common.bearer = NULL; /* an address is nobody's hub */
    buf_init(&body, PEEK_MAX_BYTES + HTTP_CLIENT_AHEAD + 1);
    hearth_status status = HEARTH_OK;
    for (size_t i = 0; i < p->files.n && status == HEARTH_OK; i++)
        status = fetch_file(p, i, &common, &body, err);
    buf_deinit(&body);
    return status;
}

hearth_status peek_open(peek **out, const peek_options *o, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    char *endpoint = o->endpoint ? mem_dup(o->endpoint, strlen(o->endpoint)) : hub_endpoint();
    char *token = o->token == NULL ? hub_token()
                  : *o->token      ? mem_dup(o->token, strlen(o->token))
                                   : NULL;
    peek *p = mem_calloc(1, sizeof *p);
    if (p == NULL || endpoint == NULL) {
        status = error_no_memory(err, "a look at a model", sizeof *p);
        goto out;
    }
    transfer_watch_init(&p->watch);
    p->watch.is_wanted = o->is_wanted;
    p->watch.user = o->user;
    p->log = o->log;
    TRY_OUT(reference_parse(&p->ref, o->reference, endpoint, err));
    if (hub_is_offline())
        FAIL_OUT(err, EUNSUPPORTED, "HF_HUB_OFFLINE",
                 "HF_HUB_OFFLINE is set, so nothing is asked about '%.200s'", o->reference);
    TRY_OUT(fetch(p, o, endpoint, token, err));
    *out = p;
    p = NULL;
out:
    peek_close(p);
    mem_free(token);
    mem_free(endpoint);
    return status;
}

void peek_close(peek *p)
{
    if (p == NULL)
        return;
    scratch_close(&p->folder);
    mem_free(p->paths);
    hub_files_deinit(&p->files);
    transfer_watch_deinit(&p->watch);
    mem_free(p);
}

const char *peek_path(const peek *p)
{
    return p->paths[0];
}

const char *peek_mmproj_path(const peek *p)
{
    return p->files.n > 0 && p->files.items[p->files.n - 1].mmproj ? p->paths[p->files.n - 1]
                                                                   : NULL;
}

uint64_t peek_fetched_bytes(const peek *p)
{
    return p->fetched;
}

uint64_t peek_size_bytes(const peek *p)
{
    return p->size;
}
