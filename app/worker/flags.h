/* SPDX-License-Identifier: MIT
 *
 * flags.h - the command line of `hearth engine`, llama-server's names included (flags.def).
 *
 * A flag that would change answers and cannot be honoured is refused, with the way out. One that
 * only asks for speed, or for what is so anyway, is accepted; flags_check() tells which of them
 * have no effect, and why. LLAMA_ARG_* of the environment are read first, so the command line has
 * the last word.
 */
#ifndef HEARTH_WORKER_FLAGS_H
#define HEARTH_WORKER_FLAGS_H

#include <hearth/hearth.h>

#include "base/option.h"

typedef struct worker_flags {
#define TEXT(member, ...) const char *member;
#define I32(member, ...) int32_t member;
#define U32(member, ...) uint32_t member;
#define F32(member, ...) float member;
#define SWITCH(member, ...) bool member;
#define LIST(member, ...) option_list member;
#define CHOICE(type, member, ...) type member;
#define QUIET_SWITCH(member, ...) bool member;
#define QUIET_VALUE(member, ...) const char *member;
#define QUIET_MAYBE(member, ...) const char *member;
#define NOTED_SWITCH(member, ...) bool member;
#define NOTED_VALUE(member, ...) const char *member;
#define NOTED_MAYBE(member, ...) const char *member;
#define REFUSED_SWITCH(member, ...) bool member;
#define REFUSED_VALUE(member, ...) const char *member;
#include "worker/flags.def"
    hearth_sampler_options sampler;
    const char *sampler_letters; /* --sampler-seq */
    option_list breakers;
    option_list biases;
    uint64_t sampler_given; /* rows of flags_sampler_rows that were set */
} worker_flags;

/* Rows over worker_flags, one array per group of flags.def; a group of flags that do nothing has no
 * title. */
#define GROUP(name, title) extern const option flags_##name##_rows[];
#include "worker/flags.def"
extern const option flags_sampler_rows[];

void flags_init(worker_flags *flags);

/* Sets what the environment's LLAMA_ARG_* say. EINVAL for a value that its flag would refuse. */
hearth_status flags_read_environment(worker_flags *flags, char *const *environment,
                                     const hearth_log *log, hearth_error *err);

/* EINVAL for the first flag that cannot be honoured; tells those without effect to the log, in
 * one line. */
hearth_status flags_check(const worker_flags *flags, const hearth_log *log, hearth_error *err);

/* The options of requests' samplers: the model's recommendations where flags set nothing. */
void flags_sampler(const worker_flags *flags, const hearth_model *model,
                   hearth_sampler_options *out);

/* "a,b" into its parts, in fresh memory: mem_free(*out) frees all. NULL text gives none. */
hearth_status flags_split(const char *text, const char ***out, size_t *n, hearth_error *err);

#endif
