/* SPDX-License-Identifier: MIT
 *
 * model_spec.h - what the runtime has to know of a model to run it: where it lies, which engine it
 * wants, and its settings. Filled by the host (from the library and the user's settings).
 *
 * Automatic values (0, -1, "auto") are chosen by the planner, and told with a reason. Values that
 * are given are honoured or refused, or (GPU layers without a GPU) replaced with a reason.
 */
#ifndef HEARTH_RUNTIME_MODEL_SPEC_H
#define HEARTH_RUNTIME_MODEL_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum engine_kind_id {
    ENGINE_AUTO = 0,         /* wanted: chosen by the planner. Never of a running engine */
    ENGINE_BUILTIN = 1,      /* hearth engine */
    ENGINE_LLAMA_SERVER = 2, /* a backend */
    ENGINE_REMOTE = 3        /* an OpenAI-compatible address */
} engine_kind_id;

const char *engine_kind_name(engine_kind_id kind); /* "auto", "builtin", "llama-server", "remote" */
bool engine_kind_from_name(const char *name, engine_kind_id *out);

/* Strings are the spec's (mem_free); NULL where there is none. */
typedef struct model_spec {
    char *id;     /* what engines are told apart by */
    char *path;   /* of the GGUF, or the built-in model's name; NULL for a remote one */
    char *mmproj; /* the projector of a model that sees */
    engine_kind_id kind;
    char *backend; /* of llama-server: "VERSION/TYPE", or a path to the program; NULL: the best */

    uint32_t n_ctx;       /* of one request; 0: auto */
    uint32_t n_parallel;  /* requests at once; 0: auto */
    uint32_t n_batch;     /* 0: auto */
    int32_t n_threads;    /* 0: auto */
    int32_t n_gpu_layers; /* -1: auto; 0: none */
    char *cache_type_k;   /* "f16", "q8_0", ...; NULL: auto */
    char *cache_type_v;
    bool embedding; /* is asked for vectors */
    bool reranking;
    char **extra; /* flags that are handed to the engine as they are */
    size_t n_extra;

    char *url;         /* of a remote one: "https://host/base" in front of /v1, or with it */
    char *key;         /* its key */
    char *remote_name; /* what it calls the model; NULL: id */

    bool pinned;     /* loaded by hand or at first use, never unloaded by itself */
    int64_t idle_ms; /* -1: the runtime's; 0: never */
} model_spec;

void model_spec_init(model_spec *spec); /* auto */
void model_spec_deinit(model_spec *spec);
/* False: out of memory. Replaces what was there; text may be NULL. */
bool model_spec_set(char **member, const char *text);
bool model_spec_add_extra(model_spec *spec, const char *flag);
/* Whether an engine that was started for one serves the other: all but pinned and idle_ms. */
bool model_spec_same_engine(const model_spec *a, const model_spec *b);

#endif
