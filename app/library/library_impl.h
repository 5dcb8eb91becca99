/* SPDX-License-Identifier: MIT
 *
 * library_impl.h - the library's inside: inside this folder only.
 *
 * Locks  `work` is held by whoever scans or changes what is on the disk; `door` guards the list and
 *        is held for moments. work comes before door.
 */
#ifndef HEARTH_LIBRARY_LIBRARY_IMPL_H
#define HEARTH_LIBRARY_LIBRARY_IMPL_H

#include <pthread.h>

#include <jansson.h>

#include "library/facts.h"
#include "library/library.h"
#include "library/model_yml.h"

struct library {
    char *folder;
    char **folders;
    size_t n_folders;
    bool huggingface, lmstudio, ollama;
    hearth_log log;

    pthread_mutex_t work;
    facts_cache *cache;
    facts ember;

    pthread_mutex_t door;
    library_models models;
    uint64_t version;
    json_t *usage; /* by name: {"count", "last"} */
};

/* scan.c. Work is locked. Replaces the list. */
hearth_status library_scan_locked(library *l, hearth_error *err);

/* library.c. Door and work may be locked or not: takes door for the moment. */
void library_swap(library *l, library_models *fresh); /* takes fresh */
void library_get_usage(library *l, const char *name, uint64_t *count, int64_t *last_ms);
/* "FOLDER/NAME"; the caller's: mem_free. */
char *library_folder_of(const library *l, const char *name);
int64_t library_now_ms(void);

/* change.c. Work is locked. The model.yml of a model, made of what is known if it has none yet, and
 * where it is to be written. */
hearth_status library_yml_of(library *l, const library_model *m, model_yml **yml, char **path,
                             hearth_error *err);

/* partial.c. Work is locked. *found: whether there was something of an unfinished download. */
hearth_status library_remove_partial(library *l, const char *name, uint64_t *freed, bool *found,
                                     hearth_error *err);

#endif
