/* SPDX-License-Identifier: MIT
 *
 * assets.h - the page's files, which the build puts into the program (cmake/ui_assets.cmake).
 */
#ifndef HEARTH_GATEWAY_ASSETS_H
#define HEARTH_GATEWAY_ASSETS_H

#include <stddef.h>

typedef struct asset {
    const char *path; /* "/assets/index-3f2a.js" */
    const char *type;
    const char *etag; /* with its quotes */
    const unsigned char *bytes, *bytes_end;
    const unsigned char *gzip, *gzip_end; /* the same, compressed */
} asset;

/* None where the page had not been built. */
extern const asset assets[];
extern const size_t n_assets;

const asset *asset_find(const char *path);

#endif
