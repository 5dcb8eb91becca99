/* SPDX-License-Identifier: MIT
 *
 * params.h - the parameters of a call: read, checked and given their defaults by params.def.
 */
#ifndef HEARTH_NODE_PARAMS_H
#define HEARTH_NODE_PARAMS_H

#include <hearth/hearth.h>

#include "node_api_part.h"

/* Functions, as bits of the rows that they take. */
#define PARAM_FUNCTIONS(X)                                                                         \
    X(initialize, 0)                                                                               \
    X(plan, 1)                                                                                     \
    X(generate, 2)                                                                                 \
    X(chat, 3)                                                                                     \
    X(tokenize, 4)                                                                                 \
    X(detokenize, 5)                                                                               \
    X(embed, 6)                                                                                    \
    X(rerank, 7)                                                                                   \
    X(logits, 8)                                                                                   \
    X(saveState, 9)                                                                                \
    X(loadState, 10)                                                                               \
    X(setAdapters, 11)                                                                             \
    X(trim, 23)                                                                                    \
    X(loadAdapter, 24)                                                                             \
    X(removeAdapter, 25)                                                                           \
    X(release, 12)                                                                                 \
    X(openModels, 13)                                                                              \
    X(list, 14)                                                                                    \
    X(find, 15)                                                                                    \
    X(import, 16)                                                                                  \
    X(download, 17)                                                                                \
    X(remove, 18)                                                                                  \
    X(rename, 19)                                                                                  \
    X(verify, 20)                                                                                  \
    X(set, 21)                                                                                     \
    X(markUsed, 22)

enum {
#define X(name, bit) OF_##name = 1 << bit,
    PARAM_FUNCTIONS(X)
#undef X
};

typedef enum param_id {
#define P(type, name, value, min, max, functions, help) PARAM_##name,
#include "params.def"
    N_PARAMS
} param_id;

typedef struct param_value {
    bool given;
    double number; /* of B, I and F; the default if not given */
    char *text;    /* of T and J (its JSON): NUL-terminated; NULL if not given */
    size_t n;      /* bytes of text, or members of the lists */
    char **texts;  /* of L */
    double *numbers;
    int32_t *tokens;
} param_value;

typedef struct params {
    param_value values[N_PARAMS];
    hearth_sampler_options sampler; /* as far as given */
    uint32_t sampler_given;         /* bit i: row i of sampler_options.def */
} params;

/* Reads `object` (undefined: nothing) for one function. EINVAL names the parameter in err->where.
 * To be freed by params_deinit also on failure. */
hearth_status params_read(napi_env env, napi_value object, const char *function, unsigned bit,
                          params *p, hearth_error *err);
void params_deinit(params *p);

/* The sampler's options: what was given, over what the model recommends, over the defaults. */
void params_sampler(const params *p, const hearth_model *model, hearth_sampler_options *out);

/* The table, as [{name, type, default, min, max, functions, help, aliasOf}]. */
napi_value params_describe(napi_env env);

/* One of some words ("f32|f16|q8_0"); `otherwise` if not given. EINVAL for another. */
hearth_status param_choice(const params *p, param_id id, const char *words, int otherwise, int *out,
                           hearth_error *err);

#endif
