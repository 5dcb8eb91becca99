/* SPDX-License-Identifier: MIT
 *
 * backend_install.h - a build of llama-server from an archive into the data folder, and out again.
 *
 * The archive is a local file, or an address with the SHA-256 that it must have. It is unpacked
 * beside its place, looked at (system, driver, libraries) and run once (--version); only then it is
 * put there, in one rename. If it does not run there, what was there before comes back. A running
 * engine of the old one goes on. One install at a time, also across processes (EBUSY).
 */
#ifndef HEARTH_RUNTIME_BACKEND_INSTALL_H
#define HEARTH_RUNTIME_BACKEND_INSTALL_H

#include "runtime/backends.h"

typedef struct backend_install_options {
    const char *data_folder; /* made if it is absent; its parent is there */
    const char *archive;     /* a path, or http(s)://... */
    const char *sha256;      /* NULL: of a local file nobody told it */
    const char *version;     /* NULL, as type: from a name like llama-b6325-bin-ubuntu-x64.zip */
    const char *type;
    const gpu *gpus;
    size_t n_gpus;
    hearth_progress progress; /* bytes fetched, then bytes unpacked */
    hearth_log log;
} backend_install_options;

/* Errors: EINVAL (a name or an address without its sum), EMISMATCH (another sum), EFORMAT (the
 * archive), EUNSUPPORTED (it cannot run here, and why), EIO, ENOTFOUND, EBUSY, ECANCELED. */
hearth_status backend_install(const backend_install_options *options, backend *out,
                              hearth_error *err);

/* name: "VERSION/TYPE". ENOTFOUND if it is not there. */
hearth_status backend_remove(const char *data_folder, const char *name, hearth_error *err);

/* "b6325" and "ubuntu-x64" of "…/llama-b6325-bin-ubuntu-x64.tar.gz"; false if it is no such name.
 */
bool backend_read_name(const char *archive, char *version, size_t n_version, char *type,
                       size_t n_type);

#endif
