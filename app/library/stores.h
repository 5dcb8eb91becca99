/* SPDX-License-Identifier: MIT
 *
 * stores.h - finding the files: walks over Hearth's own folder, any other one, and the layouts of
 * three other programs. Nothing is opened but manifests and model.yml files; nothing is written.
 *
 * Hugging Face  hub/models--ORG--REPO/refs/main           a revision
 *               hub/models--ORG--REPO/snapshots/REV/FILE  a link to ../../blobs/SHA256
 * LM Studio     models/PUBLISHER/MODEL/FILE.gguf
 * Ollama        models/manifests/HOST/NAMESPACE/NAME/TAG  JSON: layers with a type and a digest
 *               models/blobs/sha256-DIGEST
 */
#ifndef HEARTH_LIBRARY_STORES_H
#define HEARTH_LIBRARY_STORES_H

#include <hearth/log.h>

#include "library/library.h"
#include "library/model_yml.h"
#include "library/sha256.h"

/* A GGUF file of a store: a model or a projector, which only its header tells. */
typedef struct found {
    library_origin origin;
    char *name;
    char *path;              /* the first part of a split set; absolute */
    char *mmproj;            /* that the store itself says belongs to it; or NULL */
    char *folder;            /* of model.yml; NULL: it has none */
    char *source;            /* or NULL */
    model_yml *yml;          /* or NULL */
    char sha256[SHA256_HEX]; /* the store's word, or "" */
    char mmproj_sha256[SHA256_HEX];
} found;

typedef struct found_list {
    found *items;
    size_t n, capacity;
    bool failed; /* out of memory: the list is not whole */
} found_list;
void found_list_deinit(found_list *list);

/* Each appends what it finds; a folder that is not there has nothing. log may be NULL. */
void stores_walk_folder(found_list *list, const char *root, library_origin origin,
                        const hearth_log *log);
void stores_walk_huggingface(found_list *list, const char *hub);
void stores_walk_ollama(found_list *list, const char *models, const hearth_log *log);

/* A path of a model.yml in `folder`: absolute, or below folder or one above it, the nearest where
 * there is such a file; below folder where there is none. The caller's: mem_free. */
char *stores_resolve_path(const char *folder, const char *path);

#endif
