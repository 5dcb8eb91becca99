/* SPDX-License-Identifier: MIT
 *
 * quantize.h - writing a model in a smaller weight format.
 */
#ifndef HEARTH_QUANTIZE_H
#define HEARTH_QUANTIZE_H

#include <hearth/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_quantize_options {
    size_t struct_size;       /* set by hearth_quantize_options_init */
    int32_t n_threads;        /* 0: physical cores */
    bool allow_requantize;    /* accept weights that are already quantized */
    bool pure;                /* one format for all, no mixture */
    hearth_progress progress; /* bytes read of all bytes */
    hearth_log log;           /* fallbacks, one warning per tensor; one INFO line per tensor */
} hearth_quantize_options;
/* Everything 0. */
HEARTH_API void hearth_quantize_options_init(hearth_quantize_options *options);

typedef struct hearth_quantize_result {
    uint64_t bytes_before; /* tensor data */
    uint64_t bytes_after;
    uint32_t n_tensors;
    uint32_t n_fallbacks; /* tensors whose rows do not divide into the blocks asked for */
} hearth_quantize_result;

/* Recipes by name ("Q4_K_M", "Q8_0", "F16", ...); i from 0, NULL past the end. */
HEARTH_API const char *hearth_quantize_recipe_name(size_t i);

/* Reads in (any part of a split set), writes one file out atomically. in and out must differ. */
HEARTH_API hearth_status hearth_quantize(const char *in, const char *out, const char *recipe,
                                         const hearth_quantize_options *options,
                                         hearth_quantize_result *result, hearth_error *err);

#ifdef __cplusplus
}
#endif
#endif
