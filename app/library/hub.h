/* SPDX-License-Identifier: MIT
 *
 * hub.h - which files a reference stands for: asked of the hub's API, and chosen.
 *
 *     GET {endpoint}/api/models/ORG/REPO/revision/REV?blobs=true
 *         {"sha": COMMIT, "siblings": [{"rfilename", "size", "lfs": {"sha256", "size"}}]}
 *     GET {endpoint}/ORG/REPO/resolve/COMMIT/FILE
 *
 * https://huggingface.co/docs/hub/api. Choosing is pure, and apart from asking.
 */
#ifndef HEARTH_LIBRARY_HUB_H
#define HEARTH_LIBRARY_HUB_H

#include <jansson.h>

#include "library/reference.h"
#include "library/sha256.h"
#include "library/transfer.h"

enum { HUB_FILES_MAX = 128 };

typedef struct hub_file {
    char path[512]; /* in the repository; of an address, the file's name */
    char url[2600];
    uint64_t size; /* 0: not told */
    char sha256[SHA256_HEX];
    bool mmproj;
} hub_file;

/* In the order they are fetched in: the parts of the model, then the projector. */
typedef struct hub_files {
    hub_file *items;
    size_t n;
} hub_files;
void hub_files_deinit(hub_files *files);

/* The environment's: HF_ENDPOINT, or https://huggingface.co; without a slash at its end. The
 * caller's: mem_free. */
char *hub_endpoint(void);
/* HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or what is in HF_TOKEN_PATH, $HF_HOME/token or
 * ~/.cache/huggingface/token; NULL: none. The caller's: mem_free. */
char *hub_token(void);
bool hub_is_offline(void); /* HF_HUB_OFFLINE */

/* From what the API said. Errors: ENOTFOUND (no such file or format; the ones there are are told),
 * EINVAL (several fit; they are told), EFORMAT. */
hearth_status hub_choose(hub_files *out, const json_t *answer, const reference *ref,
                         const char *endpoint, bool with_mmproj, hearth_error *err);

/* Asks, and chooses. token NULL: none. `options` as for transfer_read(). */
hearth_status hub_ask(hub_files *out, const reference *ref, const char *endpoint, const char *token,
                      bool with_mmproj, const transfer_options *options, hearth_error *err);

#endif
