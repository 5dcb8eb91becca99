/* SPDX-License-Identifier: MIT
 *
 * models.h - the models on this machine, for applications: list, import, download, remove, and the
 * one that is active. A library of its own: libhearth-models, beside libhearth.
 *
 * What     hearth_models is an index of GGUF files. It keeps a folder of its own, with what was
 *          downloaded or copied and a model.yml for each, and sees in place what other programs
 *          have: the Hugging Face cache, LM Studio's and Ollama's models. Files outside its folder
 *          are never changed nor deleted. Only hearth_models_download connects to anybody.
 * Entries  What is known of one model. Immutable and counted: an entry stays as it was found,
 *          however the list changes meanwhile, until its hearth_models_entry_unref. Texts are
 *          UTF-8 and live as long as it.
 * Names    Letters, digits and . _ - / : + @, at most 200 bytes, no part of it "." or "..". One
 *          name is one model. Where a function takes a `name`, the only one that begins with it
 *          will do, from the start or behind a '/': ENOTFOUND tells the nearest, EINVAL the
 *          candidates. remove and rename want it in full.
 * Threads  Thread-safe: any thread may call anything at any time but close. What the active model
 *          adds to that is told there.
 * Time     Everything here reads or writes the disk. Calls that may take long tell their progress
 *          on the calling thread, and end with ECANCELED when it returns false.
 */
#ifndef HEARTH_MODELS_H
#define HEARTH_MODELS_H

#include <hearth/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_models hearth_models;

/* ---- the manager ---- */

typedef struct hearth_models_options {
    size_t struct_size;         /* set by hearth_models_options_init */
    const char *folder;         /* its own; NULL: $XDG_DATA_HOME/hearth/models, or
                                   ~/.local/share/hearth/models, as the hearth program has it */
    const char *const *folders; /* others, searched at any depth */
    size_t n_folders;
    bool huggingface;  /* $HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub */
    bool lmstudio;     /* ~/.lmstudio/models, ~/.cache/lm-studio/models */
    bool ollama;       /* $OLLAMA_MODELS, ~/.ollama/models, /usr/share/ollama/.ollama/models */
    const char *cache; /* file that keeps what headers say; NULL: $XDG_CACHE_HOME/hearth/
                          library.json; "": none */
    hearth_log log;    /* what was passed over, and why; of a download also from its threads */
} hearth_models_options;

/* The three stores of others are looked at; everything else 0. */
HEARTH_API void hearth_models_options_init(hearth_models_options *options);

/* Looks at every folder. options may be NULL; all texts are copied. The own folder is made by what
 * first writes there. Errors: EINVAL (no folder given, and no HOME), ENOMEM. */
HEARTH_API hearth_status hearth_models_open(hearth_models **out,
                                            const hearth_models_options *options,
                                            hearth_error *err);
/* Takes the active model out of memory too. No other call may be under way. NULL is fine. */
HEARTH_API void hearth_models_close(hearth_models *models);

/* Borrowed until close. */
HEARTH_API const char *hearth_models_folder(const hearth_models *models);
/* Looks at the folders again, for what other programs changed. */
HEARTH_API hearth_status hearth_models_scan(hearth_models *models, hearth_error *err);
/* Goes up with every change of the list. */
HEARTH_API uint64_t hearth_models_version(hearth_models *models);

/* ---- what is known of a model ---- */

/* Bits. */
typedef enum hearth_models_capability {
    HEARTH_MODELS_CHAT = 1,       /* it has a chat template */
    HEARTH_MODELS_COMPLETION = 2, /* it writes text */
    HEARTH_MODELS_TOOLS = 4,      /* its template knows tools */
    HEARTH_MODELS_THINKING = 8,   /* its template knows thoughts */
    HEARTH_MODELS_EMBEDDING = 16,
    HEARTH_MODELS_RERANK = 32,
    HEARTH_MODELS_VISION = 64, /* a projector for images is there */
    HEARTH_MODELS_AUDIO = 128
} hearth_models_capability;

/* "chat" of HEARTH_MODELS_CHAT, and so on; "" of what is not one bit of these. Static. */
HEARTH_API const char *hearth_models_capability_name(unsigned capability);

/* Texts are "" and numbers 0 where nothing is known, temperature and top_p NaN. The library makes
 * it, and may know more fields, at the end. */
typedef struct hearth_models_entry {
    const char *name;
    const char *origin; /* "builtin", "hearth", "folder", "huggingface", "lmstudio", "ollama" */
    const char *path;   /* absolute: the GGUF file, or the first of a split set; "": built in,
                           for hearth_models_load alone */
    const char *mmproj_path;  /* the projector of images or sound */
    const char *const *files; /* all of them */
    size_t n_files;
    uint64_t size_bytes;   /* of all files */
    const char *problem;   /* why it cannot be used ("part 2 of 3 is missing"); "": it can */
    unsigned capabilities; /* of hearth_models_capability */
    bool own_files;        /* they lie in the manager's folder: remove deletes them */
    bool active;           /* when it was looked up */

    /* From the file. */
    const char *title; /* general.name */
    const char *architecture;
    const char *quantization;
    uint64_t n_params;
    uint32_t context_length; /* that it was trained with */
    uint32_t n_layer, n_embd, n_vocab;

    /* From model.yml: see hearth_models_set. */
    const char *sha256; /* as told, of `path`; hearth_models_verify compares */
    const char *source; /* "hf.co/ORG/REPO", an address */
    const char *creator, *provider, *license;
    int64_t created_ms, modified_ms, last_used_ms; /* since 1970, UTC */
    uint64_t usage_count;
    double temperature, top_p;
    uint32_t top_k, mirostat, max_tokens, context_size, batch_size, threads;
} hearth_models_entry;

HEARTH_API const hearth_models_entry *hearth_models_entry_ref(const hearth_models_entry *entry);
/* NULL is fine. */
HEARTH_API void hearth_models_entry_unref(const hearth_models_entry *entry);

/* By name, the built-in model first. *out is one block, the caller's with a reference to each entry
 * in it: hearth_models_list_free. No scan is made. */
HEARTH_API hearth_status hearth_models_list(hearth_models *models,
                                            const hearth_models_entry *const **out, size_t *n,
                                            hearth_error *err);
HEARTH_API void hearth_models_list_free(const hearth_models_entry *const *list, size_t n);

/* *out is the caller's: hearth_models_entry_unref. */
HEARTH_API hearth_status hearth_models_find(hearth_models *models, const char *name,
                                            const hearth_models_entry **out, hearth_error *err);

/* ---- changes ---- */

typedef struct hearth_models_import_options {
    size_t struct_size;      /* set by hearth_models_import_options_init */
    const char *path;        /* a GGUF file, any part of a split set; or a folder with one model */
    const char *name;        /* NULL: from the file's name */
    const char *mmproj_path; /* NULL: the one beside it, if just one fits */
    bool copy;               /* into the manager's folder; else it is used where it is */
    const char *source;      /* NULL: unknown, and below */
    const char *sha256;
} hearth_models_import_options;
/* Everything 0. */
HEARTH_API void hearth_models_import_options_init(hearth_models_import_options *options);

/* Errors: ENOTFOUND, EFORMAT (no GGUF file, a part is missing, a projector in place of a model),
 * EINVAL (the name), EMISMATCH (the name is taken), EIO. *out is the caller's: unref; may be NULL.
 */
HEARTH_API hearth_status hearth_models_import(hearth_models *models,
                                              const hearth_models_import_options *options,
                                              const hearth_models_entry **out, hearth_error *err);

/* Takes a model of the manager's folder away, files and all, or the model.yml that points
 * elsewhere; by the name of a download that did not end, what came of it. *freed_bytes (may be
 * NULL): of the disk. EUNSUPPORTED for a model of another program, whose message tells the file;
 * EBUSY for the active one: deactivate it first. */
HEARTH_API hearth_status hearth_models_remove(hearth_models *models, const char *name,
                                              uint64_t *freed_bytes, hearth_error *err);

/* One of another program gets a model.yml under its new name; its files are not touched. EBUSY for
 * the active one. */
HEARTH_API hearth_status hearth_models_rename(hearth_models *models, const char *name,
                                              const char *new_name, hearth_error *err);

/* Writes one value of model.yml: temperature, topP, topK, mirostat, maxTokens, contextSize,
 * batchSize, threads, name (the title), license, creator, provider, source, sha256, and the others
 * that docs/LIBRARY.md lists. value NULL takes it out. EINVAL for another key or a value that is
 * none of its kind, EUNSUPPORTED for the built-in model. */
HEARTH_API hearth_status hearth_models_set(hearth_models *models, const char *name, const char *key,
                                           const char *value, hearth_error *err);

/* Reads the files and compares SHA-256 with the entry's: EMISMATCH names the file and both sums.
 * Where there is none it is kept. progress (bytes) may be NULL. sha256 (may be NULL) gets that of
 * the first model file, in hexadecimal digits. */
HEARTH_API hearth_status hearth_models_verify(hearth_models *models, const char *name,
                                              const hearth_progress *progress, char sha256[65],
                                              hearth_error *err);

/* Counts a use: usage_count and last_used_ms. hearth_models_activate does it by itself. */
HEARTH_API hearth_status hearth_models_mark_used(hearth_models *models, const char *name,
                                                 hearth_error *err);

/* ---- downloads ---- */

typedef struct hearth_models_download_options {
    size_t struct_size;       /* set by hearth_models_download_options_init */
    const char *reference;    /* NAME of the catalogue; hf.co/ORG/REPO, hf.co/ORG/REPO:QUANT or
                                 :FILE.gguf; https://HOST/FILE.gguf, or http:// */
    const char *name;         /* in the list; NULL: of the catalogue, or from the file's name */
    const char *sha256;       /* as the user was told it; NULL: the hub's word */
    const char *endpoint;     /* NULL: $HF_ENDPOINT, or https://huggingface.co */
    const char *token;        /* sent to the endpoint's own origin only; NULL: $HF_TOKEN or
                                 $HF_HOME/token; "": none */
    uint32_t n_connections;   /* 0: 4 */
    bool no_mmproj;           /* leave the projector where it is */
    hearth_progress progress; /* bytes of all files; total is 0 until it is known. Called several
                                 times a second, also while nothing comes */
} hearth_models_download_options;
/* Everything 0. */
HEARTH_API void hearth_models_download_options_init(hearth_models_download_options *options);

/* Fetches all parts, and the projector that belongs to it, compares the sums and puts the model
 * into the list. What came stays when it is canceled, fails or the process ends: the same call goes
 * on from there, and hearth_models_remove gives the space back. *out is the caller's: unref; may be
 * NULL. Errors: EINVAL and ENOTFOUND for the reference, EBUSY (this model is being downloaded),
 * EIO (network or disk; full disks before the first byte), EMISMATCH (a sum), ECANCELED. */
HEARTH_API hearth_status hearth_models_download(hearth_models *models,
                                                const hearth_models_download_options *options,
                                                const hearth_models_entry **out, hearth_error *err);

/* What `reference` may name: a table in the library, for which nothing is fetched. Texts are
 * static.
 */
typedef struct hearth_models_known {
    size_t struct_size; /* set by the caller: sizeof(hearth_models_known) */
    const char *name;
    const char *title;
    const char *repository; /* "ORG/REPO" of the hub; "": built in */
    const char *file;
    uint64_t size_bytes;    /* about */
    const char *parameters; /* "1.7B" */
    uint32_t context_length;
    const char *quantization;
    const char *license;
    unsigned capabilities; /* of hearth_models_capability */
} hearth_models_known;

HEARTH_API size_t hearth_models_n_known(void);
/* i from 0; EINVAL past the end. */
HEARTH_API hearth_status hearth_models_get_known(size_t i, hearth_models_known *out,
                                                 hearth_error *err);

/* ---- in memory ---- */

/* Opens a model by its name, the built-in one too: hearth_model_open with what its model.yml says
 * of sampling among the overrides. options may be NULL. *out is the caller's: hearth_model_close,
 * before or after the manager's close. */
HEARTH_API hearth_status hearth_models_load(hearth_models *models, const char *name,
                                            const hearth_model_options *options, hearth_model **out,
                                            hearth_error *err);

/* The model that the application answers with: one at a time, model and engine owned by the
 * manager. Borrowed until the next activate, deactivate or close. */
typedef struct hearth_models_active {
    const hearth_models_entry *entry;
    const hearth_model *model;
    hearth_engine *engine;
    int64_t initialized_ms; /* since 1970 */
} hearth_models_active;

/* Takes the one that was active out of memory, then loads this one, with an engine over it, and
 * counts a use. model_options and engine_options may be NULL; contextSize, batchSize and threads of
 * model.yml hold where the engine's options are NULL or 0. After a failure none is active, unless
 * the name is wrong or the model has a `problem`: then nothing was changed. Of the same model it
 * loads it anew.
 * Threads: closing an engine cancels its requests, but no thread may be calling it (engine.h,
 * Order): stop those who use the old one first. Several that activate wait for each other. */
HEARTH_API hearth_status hearth_models_activate(hearth_models *models, const char *name,
                                                const hearth_model_options *model_options,
                                                const hearth_engine_options *engine_options,
                                                const hearth_models_active **out,
                                                hearth_error *err);
/* NULL: none. */
HEARTH_API const hearth_models_active *hearth_models_get_active(hearth_models *models);
/* Nothing happens if none is. */
HEARTH_API void hearth_models_deactivate(hearth_models *models);

#ifdef __cplusplus
}
#endif
#endif
