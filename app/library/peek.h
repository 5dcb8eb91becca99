/* SPDX-License-Identifier: MIT
 *
 * peek.h - a model that is not here, by its headers alone: what a plan, or `hearth show`, needs.
 *
 * What     The beginnings of its files are fetched by ranges, as far as their headers reach, and
 *          put into a temporary folder, as files of the right names and lengths that are holes
 *          behind their headers. hearth_model_open with a scope below HEARTH_SCOPE_ALL, and the
 *          planner, take them for the files that they stand for.
 * Rules    Those of pull.h: the same references, endpoint, token, redirects; every connection is
 *          logged. At most PEEK_MAX_BYTES are kept of a model.
 * Threads  One at a time.
 */
#ifndef HEARTH_LIBRARY_PEEK_H
#define HEARTH_LIBRARY_PEEK_H

#include "library/library.h"

enum { PEEK_MAX_BYTES = 64 << 20 };

typedef struct peek peek;

typedef struct peek_options {
    const char *reference;         /* as pull_options has it */
    const char *endpoint;          /* NULL: HF_ENDPOINT, or https://huggingface.co */
    const char *token;             /* NULL: HF_TOKEN and so on; "": none */
    uint32_t stall_ms;             /* 0: 15 s */
    bool no_mmproj;                /* without the projector */
    bool (*is_wanted)(void *user); /* asked some times a second; false: ECANCELED. NULL: always */
    void *user;
    hearth_log log;
} peek_options;

/* Whether text can mean nothing but a model elsewhere: an address, hf.co/..., hf:..., or the very
 * name of one of the catalogue, unless `named` (may be NULL) has it by that name. A path or a name
 * that is mistyped is never asked for elsewhere. */
bool peek_is_reference(const char *text, library *named);

/* Errors: those of reference_parse(), hub_ask() and transfer_head(); EUNSUPPORTED (HF_HUB_OFFLINE),
 * EIO (the folder). What the headers hold is looked at by who opens them. */
hearth_status peek_open(peek **out, const peek_options *options, hearth_error *err);
/* Takes the folder away; a model that was opened from it stays usable. NULL is fine. */
void peek_close(peek *p);

const char *peek_path(const peek *p);        /* of the (first) file */
const char *peek_mmproj_path(const peek *p); /* NULL: it has none; its length alone is true */
uint64_t peek_fetched_bytes(const peek *p);
uint64_t peek_size_bytes(const peek *p); /* of all files, as they are elsewhere */

#endif
