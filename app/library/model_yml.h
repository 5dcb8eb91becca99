/* SPDX-License-Identifier: MIT
 *
 * model_yml.h - model.yml: the file that says where a model lies and what is known of it.
 *
 * What     A YAML mapping (Jan's files can be read). Known keys are in model_yml.def; unknown ones,
 *          nested ones too, are kept when the file is written again. Comments are not.
 * Input    At most MODEL_YML_MAX_BYTES, MODEL_YML_MAX_DEPTH deep; anchors and aliases are refused,
 *          so that a small file stays small in memory.
 * Threads  One thread at a time.
 */
#ifndef HEARTH_LIBRARY_MODEL_YML_H
#define HEARTH_LIBRARY_MODEL_YML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

enum { MODEL_YML_MAX_BYTES = 256 * 1024, MODEL_YML_MAX_DEPTH = 32 };
#define MODEL_YML_FILE "model.yml"

typedef struct model_yml model_yml;

hearth_status model_yml_new(model_yml **out, hearth_error *err); /* empty */
/* EFORMAT names the line. */
hearth_status model_yml_parse(model_yml **out, const char *text, size_t n, const char *where,
                              hearth_error *err);
hearth_status model_yml_read(model_yml **out, const char *path, hearth_error *err);
void model_yml_free(model_yml *yml);

/* The file's text. */
hearth_status model_yml_format(const model_yml *yml, buf *out, hearth_error *err);
/* Atomically. */
hearth_status model_yml_write(const model_yml *yml, const char *path, hearth_error *err);

/* A scalar's text; NULL if it is absent, null or none. Borrowed until the next set. */
const char *model_yml_get(const model_yml *yml, const char *key);
/* False, and *out as it was, if it is absent or none. */
bool model_yml_get_count(const model_yml *yml, const char *key, uint64_t *out);
bool model_yml_get_real(const model_yml *yml, const char *key, double *out);
bool model_yml_get_bool(const model_yml *yml, const char *key, bool *out);
bool model_yml_get_time(const model_yml *yml, const char *key, int64_t *out_ms);
/* Word i of a list, or of text with commas; NULL past the end. */
const char *model_yml_get_word(const model_yml *yml, const char *key, size_t i);

/* Replaces or adds a value; NULL takes it out. EINVAL if the key is not in model_yml.def, or the
 * value is not of its kind. */
hearth_status model_yml_set(model_yml *yml, const char *key, const char *value, hearth_error *err);
hearth_status model_yml_set_count(model_yml *yml, const char *key, uint64_t value,
                                  hearth_error *err);

#endif
