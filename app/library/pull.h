/* SPDX-License-Identifier: MIT
 *
 * pull.h - downloading a model: all its parts, and the projector that belongs to it.
 *
 * What     A download is an object with threads of its own. It asks the hub what the files are
 *          (sizes, SHA-256), looks whether they fit on the disk, fetches each in ranges over
 * several connections, compares the sums and makes the model known to the library. Resuming Bytes
 * go to `FILE.part` beside the final place; `FILE.part.state` says which chunks are on the disk. A
 * chunk is marked after its bytes were flushed, so that what is marked is there, after a crash too;
 * what is not is fetched again. A file that changed at its source meanwhile begins anew. Progress
 * Bytes of finished and running chunks; it never goes back, except when verifying found a damaged
 * file (VALIDATION_FAILED comes first). References NAME                       of the catalogue
 * (catalog.h) hf.co/ORG/REPO[:QUANT]     also huggingface.co/..., hf:ORG/REPO,
 * https://huggingface.co/ORG/REPO hf.co/ORG/REPO:FILE.gguf   also
 * https://huggingface.co/ORG/REPO/resolve/REV/FILE.gguf https://HOST/FILE.gguf     any server;
 * http:// too Hub      HF_ENDPOINT, HF_TOKEN (or $HF_HOME/token) and HF_HUB_OFFLINE of the
 * environment. The token goes to the endpoint's own origin only. Threads  Thread-safe. Events come
 * on the download's threads, one at a time and in order; a callback may call anything here but
 * download_free() and download_wait().
 */
#ifndef HEARTH_LIBRARY_PULL_H
#define HEARTH_LIBRARY_PULL_H

#include "library/library.h"

/* X(name, spelling) */
#define DOWNLOAD_EVENT_MAP(X)                                                                      \
    X(STARTED, "started")                                                                          \
    X(PROGRESS, "progress")                                                                        \
    X(PAUSED, "paused")                                                                            \
    X(RESUMED, "resumed")                                                                          \
    X(VALIDATION_STARTED, "validation_started")                                                    \
    X(VALIDATION_FAILED, "validation_failed")                                                      \
    X(SUCCESS, "success") /* the last event of a download is this, */                              \
    X(ERROR, "error")     /* or this,                              */                              \
    X(STOPPED, "stopped") /* or this                               */

typedef enum download_event_kind {
#define DOWNLOAD_X(name, spelling) DOWNLOAD_##name,
    DOWNLOAD_EVENT_MAP(DOWNLOAD_X)
#undef DOWNLOAD_X
} download_event_kind;

const char *download_event_name(download_event_kind kind);

typedef struct download download;

typedef struct download_event {
    download_event_kind kind;
    const char *model;             /* the name that the library will know it by */
    const char *file;              /* of a validation: the file; else "" */
    uint64_t transferred, total;   /* bytes of all files; total 0: not known yet */
    uint64_t bytes_per_second;     /* over the last seconds */
    const char *expected, *actual; /* of VALIDATION_FAILED: the sums; else "" */
    hearth_error error;            /* of ERROR and VALIDATION_FAILED */
} download_event;

typedef struct pull_options {
    const char *reference;
    const char *name;       /* in the library; NULL: of the catalogue, or from the file's name */
    const char *sha256;     /* of the (first) file, as the user was told it; NULL: the hub's word */
    const char *endpoint;   /* NULL: HF_ENDPOINT, or https://huggingface.co */
    const char *token;      /* NULL: HF_TOKEN and so on; "": none */
    uint32_t n_connections; /* 0: 4 */
    uint64_t chunk_bytes;   /* 0: 8 MiB; the most that a crash can make a connection fetch again */
    uint32_t stall_ms;      /* 0: 30 s; a connection that is silent so long is made anew */
    bool no_mmproj;         /* leave the projector where it is */
    void (*on_event)(void *user, const download_event *event); /* NULL: none */
    void *user;
    hearth_log log;
} pull_options;

/* What a download is at the moment. Texts are fixed-size copies. */
typedef enum download_state {
    DOWNLOAD_IS_RUNNING,
    DOWNLOAD_IS_PAUSED,
    DOWNLOAD_IS_DONE,
    DOWNLOAD_IS_FAILED,
    DOWNLOAD_IS_STOPPED
} download_state;

typedef struct download_status {
    download_state state;
    char model[LIBRARY_NAME_MAX + 1];
    char reference[512];
    uint64_t transferred, total, bytes_per_second;
    bool validating;
    hearth_error error; /* of a failed one */
} download_status;

/* Begins; what is wrong with the reference is told at once (EINVAL, ENOTFOUND), what the network
 * says comes as ERROR. A download of the same model that runs already: EBUSY. The library must
 * outlive it. */
hearth_status download_start(download **out, library *l, const pull_options *options,
                             hearth_error *err);
/* Stops it if it runs, waits for its threads. What came stays on the disk for the next time. */
void download_free(download *d);

void download_pause(download *d);
void download_resume(download *d);
/* Ends it with STOPPED; discard: take away what came so far. */
void download_cancel(download *d, bool discard);
void download_get_status(download *d, download_status *out);
/* Waits for the end, at most timeout_ms (below 0: for ever); false: it still runs. *model (may be
 * NULL) is the caller's after a success: library_model_unref. */
bool download_wait(download *d, int timeout_ms, const library_model **model, hearth_status *status,
                   hearth_error *err);

#endif
