/* SPDX-License-Identifier: MIT
 *
 * options.h - the options of `hearth serve`, and where each value came from.
 *
 * A value comes from, in rising order: the default, the configuration file, the environment
 * (HEARTH_PORT), the command line. The file is one JSON object whose keys are the flags without
 * their dashes: {"port": 8080, "model-folder": ["/data/models"]}. A key that is no option is an
 * error: one that was misspelt shall not be passed over.
 *
 * Threads  Immutable after config_read.
 */
#ifndef HEARTH_GATEWAY_OPTIONS_H
#define HEARTH_GATEWAY_OPTIONS_H

#include <jansson.h>

#include "base/option.h"

typedef struct gateway_options {
#define TEXT(member, ...) const char *member;
#define U32(member, ...) uint32_t member;
#define SWITCH(member, ...) bool member;
#define LIST(member, ...) option_list member;
#include "gateway/options.def"
} gateway_options;

/* The flags as a struct of the command line has them: given tells which rows were used. */
typedef struct gateway_flags {
    gateway_options options;
    uint64_t given; /* by row */
} gateway_flags;

extern const option gateway_option_rows[]; /* over gateway_flags */

void gateway_options_init(gateway_options *options);

typedef enum config_source {
    CONFIG_DEFAULT,
    CONFIG_FILE,
    CONFIG_ENVIRONMENT,
    CONFIG_FLAG
} config_source;
const char *config_source_name(config_source source);

enum { CONFIG_ROWS_MAX = 64 }; /* as many as `given` has bits */

typedef struct config {
    gateway_flags values; /* of all sources; texts are borrowed from the flags, the environment and
                             the members below */
    config_source sources[CONFIG_ROWS_MAX]; /* of the rows */
    char *path;                             /* of the file, whether it is there or not */
    json_t *file;
    json_t *texts; /* of the file's numbers, as the option table reads them */
} config;

/* path NULL: $XDG_CONFIG_HOME/hearth/config.json, which need not be there. flags may be NULL.
 * EINVAL and EFORMAT name the file and the key. Deinit also after a failure. */
hearth_status config_read(config *c, const char *path, char *const *environment,
                          const gateway_flags *flags, hearth_error *err);
void config_deinit(config *c);

/* Whether the option of this key has its default. */
bool config_is_default(const config *c, const char *key);

/* One object for each option: {name, value, default, source, type, min, max, choices, help}. NULL:
 * out of memory. Keys are shown as "***". */
json_t *config_describe(const config *c);

/* Checks and merges `changes` (null takes a key out) and writes the file. EINVAL names the key. */
hearth_status config_change(const config *c, json_t *changes, hearth_error *err);

#endif
