/* SPDX-License-Identifier: MIT
 *
 * model.h - a GGUF model: opened, described, planned and used as a tokenizer.
 *
 * What     hearth_model is the weights (mapped read-only, shared between processes), the metadata
 *          and the tokenizer. Sessions (session.h) run it.
 * Threads  A model is immutable after open: any number of threads and sessions may share it. Close
 *          it after the last session.
 * Signals  A mapped file that shrinks under its reader raises SIGBUS: the first open installs a
 *          handler that turns this into EIO, and passes on what is not Hearth's.
 * Fork     A child of fork without exec may use a model; sessions and engines have threads, which
 *          it lacks: open these after forking.
 * Strings  Returned text is UTF-8 unless it is a token's raw bytes, and is borrowed from the model.
 */
#ifndef HEARTH_MODEL_H
#define HEARTH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/log.h>
#include <hearth/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_model hearth_model;

/* How much of the file open() takes on. */
typedef enum hearth_model_scope {
    HEARTH_SCOPE_ALL = 0,       /* weights, tokenizer, metadata */
    HEARTH_SCOPE_TOKENIZER = 1, /* tokenizer and metadata: a file without tensors will do */
    HEARTH_SCOPE_METADATA = 2   /* metadata and the plan only */
} hearth_model_scope;

typedef struct hearth_model_options {
    size_t struct_size; /* set by hearth_model_options_init */
    hearth_model_scope scope;
    const char *isa; /* "scalar", "avx2", "avx512", "amx", "neon"; NULL: HEARTH_ISA or best */
    const char *const *overrides; /* metadata overrides "KEY=TYPE:VALUE", TYPE int|float|bool|str */
    size_t n_overrides;
    bool ignore_memory_limit;    /* open although the plan says that the weights do not fit */
    bool read_ahead;             /* read the weights into the page cache before returning */
    hearth_progress progress;    /* bytes read ahead of all bytes */
    hearth_log log;              /* warnings about the file; also used by the model's sessions */
    const char *const *adapters; /* LoRA adapters: GGUF files made for this model */
    size_t n_adapters;
} hearth_model_options;

/* HEARTH_SCOPE_ALL, everything else 0. */
HEARTH_API void hearth_model_options_init(hearth_model_options *options);

/* Opens path, any part of a split set. options may be NULL. Nothing is left behind on failure.
 * Errors: ENOTFOUND, EIO, EFORMAT (bad file), EUNSUPPORTED (architecture, tokenizer or format
 * named, with the known ones), EMISMATCH (an adapter of another model), ENOFIT, ECANCELED, EINVAL,
 * ENOMEM. */
HEARTH_API hearth_status hearth_model_open(hearth_model **out, const char *path,
                                           const hearth_model_options *options, hearth_error *err);
/* The same over the n bytes of a GGUF file that are in memory: nothing is copied, and the bytes
 * must outlive the model. info->path is "". */
HEARTH_API hearth_status hearth_model_open_memory(hearth_model **out, const void *bytes, size_t n,
                                                  const hearth_model_options *options,
                                                  hearth_error *err);
HEARTH_API void hearth_model_close(hearth_model *model);

/* Of a GGUF file whose first n bytes these are: how many its header takes, or a number above n: how
 * many are needed to find out. Of other bytes a number up to n. A file that has its header and is a
 * hole of the right length otherwise can be opened for its tokenizer, metadata and plan. */
HEARTH_API uint64_t hearth_model_header_bytes(const void *bytes, size_t n);

/* ---- what it is ---- */

typedef struct hearth_model_info {
    const char *path;
    const char *architecture;
    const char *name;          /* general.name, or "" */
    const char *file_type;     /* the format most weights are in, as "Q4_K" */
    const char *isa;           /* instruction set in use; "" below HEARTH_SCOPE_ALL */
    const char *tokenizer;     /* "spm", "bpe", "wpm", "ugm", or "" */
    const char *pre_tokenizer; /* or "" */
    const char *chat_template; /* Jinja source, or NULL */
    const char *pooling;       /* "none", "mean", "cls", "last", "rank" */
    uint32_t gguf_version;
    uint32_t n_parts;
    uint64_t file_bytes;
    uint64_t n_params;
    uint64_t n_active_params; /* per token: less than n_params in a mixture of experts */
    uint32_t n_vocab;
    uint32_t n_ctx_train;
    uint32_t n_embd;
    uint32_t n_layer;
    uint32_t n_head;
    uint32_t n_head_kv;
    uint32_t head_dim;
    uint32_t n_ff;
    uint32_t n_expert;
    uint32_t n_expert_used;
    uint32_t sliding_window;   /* 0: none */
    bool causal;               /* false: an encoder, which gives embeddings and no logits */
    uint32_t n_labels;         /* outputs of a reranker's classifier; 0: the model has none */
    const char *const *labels; /* their names, n_labels; NULL if the file does not tell */
} hearth_model_info;

/* Valid until close. Fields that the file does not tell are 0 or "". */
HEARTH_API const hearth_model_info *hearth_model_get_info(const hearth_model *model);

/* Metadata: key i of n, its type as GGUF spells it ("u32", "str", "arr[str,32000]"), and its value
 * as text (arrays and long strings are shortened to max_n bytes, which is told in *cut). The text
 * is the caller's: hearth_free. */
HEARTH_API size_t hearth_model_n_metadata(const hearth_model *model);
HEARTH_API hearth_status hearth_model_metadata_at(const hearth_model *model, size_t i, size_t max_n,
                                                  char **key, char **type, char **value, bool *cut,
                                                  hearth_error *err);
/* The value of one key in full, as text; ENOTFOUND if absent. The caller's: hearth_free. */
HEARTH_API hearth_status hearth_model_metadata(const hearth_model *model, const char *key,
                                               char **value, hearth_error *err);

typedef struct hearth_tensor_info {
    char name[128];
    const char *type; /* "Q4_K" */
    uint32_t n_dims;
    uint64_t ne[4];
    uint64_t n_bytes;
} hearth_tensor_info;
HEARTH_API size_t hearth_model_n_tensors(const hearth_model *model);
HEARTH_API hearth_status hearth_model_tensor_at(const hearth_model *model, size_t i,
                                                hearth_tensor_info *out, hearth_error *err);

/* ---- LoRA adapters ---- */

/* Small matrices that are added to a model's own: a GGUF file made for it. Those that the model was
 * opened with are its own; others may be opened and closed at any time. Who uses one (a request, a
 * session) keeps it until it ends or uses others, so that it may be closed meanwhile. What was
 * cached of texts that were read with it is found by its contents: another file, under whatever
 * name, never gets it. Immutable; any thread. */
typedef struct hearth_adapter hearth_adapter;

/* The model must outlive it, and whoever uses it. Errors as for hearth_model_open: ENOTFOUND, EIO,
 * EFORMAT, EUNSUPPORTED (a tensor that cannot be adapted, named), EMISMATCH (another architecture,
 * or a tensor of another shape, named), ENOFIT unless the model was opened with
 * ignore_memory_limit, EINVAL for a model without its weights, ENOMEM. */
HEARTH_API hearth_status hearth_adapter_open(hearth_adapter **out, const hearth_model *model,
                                             const char *path, hearth_error *err);
/* The same once more, to be closed too: for who may lose it to another thread before it is used. */
HEARTH_API hearth_adapter *hearth_adapter_ref(hearth_adapter *adapter);
/* Lets go of it; whoever uses it goes on. NULL is fine. */
HEARTH_API void hearth_adapter_close(hearth_adapter *adapter);

/* An adapter, and how strongly it is applied: 1 as it was trained, 0 not at all. */
typedef struct hearth_adapter_use {
    hearth_adapter *adapter;
    float scale;
} hearth_adapter_use;

typedef struct hearth_adapter_info {
    const char *path;
    uint32_t rank; /* the largest of its matrices */
    float alpha;
    size_t n_matrices;
    uint64_t file_bytes;
} hearth_adapter_info;
/* Its strings are borrowed from the adapter. */
HEARTH_API void hearth_adapter_get_info(const hearth_adapter *adapter, hearth_adapter_info *out);

/* A model's own, in the order they were given in. EINVAL for i past the end. */
HEARTH_API size_t hearth_model_n_adapters(const hearth_model *model);
HEARTH_API hearth_status hearth_model_adapter_at(const hearth_model *model, size_t i,
                                                 hearth_adapter_info *out, hearth_error *err);
/* The same to be used beside others; borrowed. NULL for i past the end. */
HEARTH_API hearth_adapter *hearth_model_get_adapter(const hearth_model *model, size_t i);

/* ---- memory ---- */

typedef enum hearth_cache_type {
    HEARTH_CACHE_F32 = 0,
    HEARTH_CACHE_F16 = 1,
    HEARTH_CACHE_Q8_0 = 2
} hearth_cache_type;

typedef struct hearth_session_options {
    size_t struct_size; /* set by hearth_session_options_init */
    uint32_t n_ctx;     /* positions; 0: the model's training context, or the largest that takes no
                           more than three quarters of the free memory */
    uint32_t n_batch;   /* tokens read per pass; 0: a good default. Never changes a result */
    int32_t n_threads;  /* 0: physical cores within the cgroup's quota. Never changes a result */
    hearth_cache_type cache_type_k;
    hearth_cache_type cache_type_v;
    bool ignore_memory_limit; /* open although the plan says that it does not fit */
    uint32_t group_n; /* above 1: self-extend, for texts of up to about group_n times what the model
                         was trained with. Keys more than group_w before a token are seen as if
                         their positions were divided by group_n; others as usual. Keys take twice
                         the memory. EUNSUPPORTED for models without rotary positions in every
                         layer, or with a sliding window */
    uint32_t group_w; /* 0: 512; a multiple of group_n */
} hearth_session_options;

/* F16 cache, everything else 0. */
HEARTH_API void hearth_session_options_init(hearth_session_options *options);

/* Bytes that a session over this model takes, from the header alone. */
typedef struct hearth_plan {
    uint32_t n_ctx; /* in force: the one asked for, or the one chosen */
    uint32_t n_batch;
    int32_t n_threads;
    uint64_t weight_bytes;   /* tensor data, mapped */
    uint64_t cache_bytes;    /* keys and values for n_ctx positions */
    uint64_t compute_bytes;  /* activations, logits, scratch of every thread */
    uint64_t overhead_bytes; /* tokenizer, tables, stacks, the program itself */
    uint64_t total_bytes;
    uint64_t available_bytes; /* free now, cgroup limits counted */
    uint32_t n_ctx_max;       /* the largest context that would fit, 0 if none does */
    bool fits;
} hearth_plan;

/* options may be NULL. Touches nothing; works at every scope. */
HEARTH_API hearth_status hearth_model_plan(const hearth_model *model,
                                           const hearth_session_options *options, hearth_plan *out,
                                           hearth_error *err);

/* ---- tokens ---- */

enum {
    HEARTH_TOKENIZE_ADD_SPECIAL = 1,  /* bos, eos and the like, as the model asks */
    HEARTH_TOKENIZE_PARSE_SPECIAL = 2 /* control tokens written in the text become themselves */
};

/* Any bytes. *tokens is the caller's: hearth_free. */
HEARTH_API hearth_status hearth_tokenize(const hearth_model *model, const char *text, size_t n_text,
                                         unsigned flags, int32_t **tokens, size_t *n_tokens,
                                         hearth_error *err);
/* A query and a document as a reranker wants to read them together: by the template of the file
 * (tokenizer.chat_template.rerank, with {query} and {document} in it), or else
 *     bos query eos [sep] document eos
 * with the special tokens that the file asks for (an encoder's CLS and SEP are its bos and eos). No
 * text of the two becomes a control token. *tokens is the caller's: hearth_free. */
HEARTH_API hearth_status hearth_tokenize_pair(const hearth_model *model, const char *query,
                                              size_t n_query, const char *document,
                                              size_t n_document, int32_t **tokens, size_t *n_tokens,
                                              hearth_error *err);
/* The text of a whole sequence. special: write control tokens too. *text (NUL-terminated) is the
 * caller's: hearth_free. */
HEARTH_API hearth_status hearth_detokenize(const hearth_model *model, const int32_t *tokens,
                                           size_t n_tokens, bool special, char **text,
                                           size_t *n_text, hearth_error *err);
/* One token's raw bytes, control tokens included; may be part of a character. The caller's:
 * hearth_free. */
HEARTH_API hearth_status hearth_token_piece(const hearth_model *model, int32_t token, char **bytes,
                                            size_t *n_bytes, hearth_error *err);
HEARTH_API bool hearth_token_is_control(const hearth_model *model, int32_t token);
HEARTH_API bool hearth_token_ends_answer(const hearth_model *model, int32_t token);

typedef struct hearth_special_tokens { /* -1 where the model has none */
    int32_t bos, eos, eot, pad, sep, cls, mask, unk;
    bool add_bos, add_eos;
} hearth_special_tokens;
HEARTH_API hearth_status hearth_model_special_tokens(const hearth_model *model,
                                                     hearth_special_tokens *out, hearth_error *err);

/* Streaming text: whole characters only. */
typedef struct hearth_detokenizer hearth_detokenizer;
HEARTH_API hearth_status hearth_detokenizer_new(hearth_detokenizer **out, const hearth_model *model,
                                                bool special, bool at_start, hearth_error *err);
HEARTH_API void hearth_detokenizer_free(hearth_detokenizer *d);
/* *text is borrowed until the next call on d. */
HEARTH_API hearth_status hearth_detokenizer_feed(hearth_detokenizer *d, int32_t token,
                                                 const char **text, size_t *n_text,
                                                 hearth_error *err);
HEARTH_API hearth_status hearth_detokenizer_finish(hearth_detokenizer *d, const char **text,
                                                   size_t *n_text, hearth_error *err);

/* Frees what Hearth said is the caller's. NULL is fine. */
HEARTH_API void hearth_free(void *p);

#ifdef __cplusplus
}
#endif
#endif
