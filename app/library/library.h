/* SPDX-License-Identifier: MIT
 *
 * library.h - the models on this machine: those in Hearth's own folder, those that other programs
 * have, and the one inside the program.
 *
 * What     A library is an index of GGUF files. Nothing is copied and nobody else's file is
 * written: Hearth's folder holds what was downloaded here, and model.yml files, which may point to
 *          files anywhere. Three other stores are read in place, if asked for: the Hugging Face
 *          cache, LM Studio's and Ollama's.
 * Records  A library_model is immutable and counted: it stays as it was found, however the library
 *          changes meanwhile, until it is unref'd. Its texts are UTF-8.
 * Names    Letters, digits and . _ - / : + @, at most LIBRARY_NAME_MAX bytes, no part of it "." or
 *          "..". One name is one model; of two files with one name the second one's starts with its
 *          store ("lmstudio/...").
 * Threads  A library is thread-safe; a scan runs without holding up those who look things up.
 */
#ifndef HEARTH_LIBRARY_LIBRARY_H
#define HEARTH_LIBRARY_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/log.h>

#include "base/status.h"

enum { LIBRARY_NAME_MAX = 200, LIBRARY_SHA256 = 65 };

typedef struct library library;

/* X(name, spelling): where a model comes from. In this order they are found. */
#define LIBRARY_ORIGIN_MAP(X)                                                                      \
    X(BUILTIN, "builtin")                                                                          \
    X(OWN, "hearth")                                                                               \
    X(FOLDER, "folder")                                                                            \
    X(HUGGINGFACE, "huggingface")                                                                  \
    X(LMSTUDIO, "lmstudio")                                                                        \
    X(OLLAMA, "ollama")

typedef enum library_origin {
#define LIBRARY_X(name, spelling) LIBRARY_##name,
    LIBRARY_ORIGIN_MAP(LIBRARY_X)
#undef LIBRARY_X
} library_origin;

const char *library_origin_name(library_origin origin);

/* Bits: what a model can do, from its metadata. */
#define LIBRARY_CAPABILITY_MAP(X)                                                                  \
    X(CHAT, 1, "chat")             /* it has a chat template */                                    \
    X(COMPLETION, 2, "completion") /* it writes text */                                            \
    X(TOOLS, 4, "tools")           /* its template knows tools */                                  \
    X(THINKING, 8, "thinking")     /* its template knows thoughts */                               \
    X(EMBEDDING, 16, "embedding")  /* it is made for embeddings */                                 \
    X(RERANK, 32, "rerank")                                                                        \
    X(VISION, 64, "vision") /* a projector for images is there */                                  \
    X(AUDIO, 128, "audio")

typedef enum library_capability {
#define LIBRARY_X(name, bit, spelling) LIBRARY_CAN_##name = bit,
    LIBRARY_CAPABILITY_MAP(LIBRARY_X)
#undef LIBRARY_X
} library_capability;

/* Texts are "" where nothing is known, numbers 0. Paths are absolute. */
typedef struct library_model {
    const char *name;
    library_origin origin;
    const char *path;         /* the GGUF file, or the first of a split set; NULL: built in */
    const char *mmproj_path;  /* the projector of images or sound; NULL: none */
    const char *folder;       /* of its model.yml; NULL: it has none */
    const char *const *files; /* all parts, and the projector */
    size_t n_files;
    uint64_t size_bytes; /* of all files */
    uint64_t model_size_bytes;
    uint64_t mmproj_size_bytes;
    const char *problem;   /* why it cannot be used ("part 2 of 3 is missing"); "": it can */
    unsigned capabilities; /* bits of library_capability */
    bool own_files;        /* the files lie in Hearth's own folder: remove deletes them */

    /* From the file. */
    const char *architecture; /* "llama" */
    const char *title;        /* general.name */
    const char *quantization; /* "Q4_K" */
    uint64_t n_params;
    uint32_t context_length; /* that it was trained with */
    uint32_t n_layer, n_embd, n_vocab;

    /* From model.yml (model_yml.h says more). */
    const char *sha256; /* as told, of `path`; see library_verify */
    const char *mmproj_sha256;
    const char *source; /* where it came from: "hf.co/ORG/REPO", a URL */
    const char *creator, *provider, *license;
    int64_t created_ms, modified_ms, last_used_ms; /* since 1970 */
    uint64_t usage_count;
    double temperature, top_p; /* NaN: none of its own */
    uint32_t top_k, mirostat;  /* 0: likewise, and below */
    uint32_t max_tokens, context_size, batch_size, threads;
} library_model;

typedef struct library_options {
    const char *folder;         /* Hearth's own; NULL: library_default_folder() */
    const char *const *folders; /* others, searched for GGUF files and model.yml at any depth */
    size_t n_folders;
    bool huggingface;  /* $HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub */
    bool lmstudio;     /* ~/.lmstudio/models, ~/.cache/lm-studio/models */
    bool ollama;       /* $OLLAMA_MODELS, ~/.ollama/models, /usr/share/ollama/.ollama/models */
    const char *cache; /* of metadata; NULL: $XDG_CACHE_HOME/hearth/library.json; "": none */
    hearth_log log;
} library_options;

/* Every store is looked at, the own folder is the default. */
void library_options_init(library_options *options);
/* $XDG_DATA_HOME/hearth/models, or ~/.local/share/hearth/models. The caller's: mem_free. NULL: out
 * of memory. */
char *library_default_folder(void);

/* Scans. What cannot be read in a store is logged and passed over; the own folder is made by what
 * first writes there. Errors: EINVAL (no folder given, and no HOME), ENOMEM. */
hearth_status library_open(library **out, const library_options *options, hearth_error *err);
void library_close(library *l);
const char *library_folder(const library *l);

/* Looks at the stores again. Changes made through the library are seen without. */
hearth_status library_scan(library *l, hearth_error *err);
/* Goes up with every change of the list. */
uint64_t library_version(library *l);

/* ---- looking things up ---- */

typedef struct library_models {
    const library_model **items; /* by name; ember first */
    size_t n;
} library_models;
hearth_status library_list(library *l, library_models *out, hearth_error *err);
void library_models_deinit(library_models *models);

/* By its name; or by the only one that begins with it, from the start or after a '/', case being
 * ignored where nothing fits better. ENOTFOUND tells the nearest, EINVAL the candidates. *out is
 * the caller's: library_model_unref. */
hearth_status library_find(library *l, const char *name, const library_model **out,
                           hearth_error *err);
const library_model *library_model_ref(const library_model *model);
void library_model_unref(const library_model *model);

/* What MODEL means wherever one may be given: a path that leads to a file (it has a '/' in front or
 * an extension .gguf, or is there), or a name of the library. *path is the caller's (mem_free);
 * NULL: the built-in model. *record (may be NULL) is the model's, library_model_unref; NULL for a
 * path and for "ember". l may be NULL: one with default options is opened for the while, if a name
 * is to be looked up. */
hearth_status library_resolve(library *l, const char *model, char **path,
                              const library_model **record, hearth_error *err);

/* How model.yml wants the model to answer, as overrides of its metadata ("KEY=TYPE:VALUE", for
 * hearth_model_options and --override-kv): a request or a command line has the last word. Returns
 * how many; m may be NULL. */
enum { LIBRARY_OVERRIDES_MAX = 4 };
typedef char library_override[64];
size_t library_overrides(const library_model *m, library_override out[LIBRARY_OVERRIDES_MAX]);

/* ---- changing it ---- */

bool library_name_is_valid(const char *name);

typedef struct library_import {
    const char *path;        /* a GGUF file, any part of a split set; or a folder with one model */
    const char *name;        /* NULL: from the file's name */
    const char *mmproj_path; /* NULL: the one beside it, if there is just one that fits */
    bool copy;               /* into Hearth's folder (a reflink where the file system has them);
                                else the file is used where it is */
    const char *source;      /* NULL: none */
    const char *sha256;      /* NULL: unknown */
} library_import;
/* Errors: ENOTFOUND, EFORMAT (not a GGUF file, a part is missing, or a projector in place of a
 * model), EINVAL (the name), EMISMATCH (the name is taken), EIO. *out as find; may be NULL. */
hearth_status library_import_file(library *l, const library_import *import,
                                  const library_model **out, hearth_error *err);

/* `name` in full. EINVAL for the built-in model. One of another store gets a model.yml under its
 * new name; the store is not changed. */
hearth_status library_rename(library *l, const char *name, const char *new_name, hearth_error *err);

/* `name` in full. Takes a model of Hearth's folder away, files and all, or the model.yml that
 * points elsewhere. *freed (may be NULL): bytes on the disk. Nothing outside the folder is ever
 * deleted: EUNSUPPORTED for a model of another store, whose message tells the file. */
hearth_status library_remove(library *l, const char *name, uint64_t *freed, hearth_error *err);

/* What interrupted downloads left in Hearth's folder: `name` is what library_remove takes to give
 * the space back, and what the same pull goes on with. */
typedef struct library_partial {
    char name[LIBRARY_NAME_MAX + 1];
    uint64_t bytes; /* on the disk */
} library_partial;
typedef struct library_partials {
    library_partial *items;
    size_t n;
} library_partials;
hearth_status library_list_partials(library *l, library_partials *out, hearth_error *err);
void library_partials_deinit(library_partials *partials);

/* Reads the files and compares SHA-256 with what model.yml says. EMISMATCH names the file and both;
 * without a sum in model.yml it is computed and kept there. progress may be NULL. sha256 (may be
 * NULL) gets that of the (first) model file. */
hearth_status library_verify(library *l, const char *name, const hearth_progress *progress,
                             char sha256[LIBRARY_SHA256], hearth_error *err);

/* Writes one value of model.yml, which is made if need be: keys of model_yml.def. NULL takes it
 * out. Errors: EINVAL (key or value), EUNSUPPORTED (the built-in model). */
hearth_status library_set(library *l, const char *name, const char *key, const char *value,
                          hearth_error *err);

/* Counts a use: lastUsed and usageCount, in a file of the own folder for all models. */
hearth_status library_mark_used(library *l, const char *name, hearth_error *err);

#endif
