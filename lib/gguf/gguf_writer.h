/* SPDX-License-Identifier: MIT
 *
 * gguf_writer.h - writing a GGUF v3 file without holding its tensors in memory.
 *
 * Order    open, then all metadata, then all tensor declarations, then begin_data, then each
 *          tensor's bytes in the order declared (write_data may be called many times per tensor),
 *          then commit. The file appears under its name only on commit.
 * Threads  One thread at a time.
 */
#ifndef HEARTH_GGUF_GGUF_WRITER_H
#define HEARTH_GGUF_GGUF_WRITER_H

#include "gguf/gguf.h"

typedef struct gguf_writer gguf_writer;

hearth_status gguf_writer_open(gguf_writer **out, const char *path, hearth_error *err);
void gguf_writer_close(gguf_writer *w); /* without commit nothing is left on disk */

/* A key set twice keeps the last value, in the place of the first. */
hearth_status gguf_writer_copy(gguf_writer *w, const gguf_value *value, hearth_error *err);
hearth_status gguf_writer_set_u32(gguf_writer *w, const char *key, uint32_t value,
                                  hearth_error *err);
hearth_status gguf_writer_set_f32(gguf_writer *w, const char *key, float value, hearth_error *err);
hearth_status gguf_writer_set_bool(gguf_writer *w, const char *key, bool value, hearth_error *err);
hearth_status gguf_writer_set_string(gguf_writer *w, const char *key, const char *text, size_t n,
                                     hearth_error *err);
/* n elements of a fixed-size type, raw little-endian. */
hearth_status gguf_writer_set_array(gguf_writer *w, const char *key, gguf_type element_type,
                                    const void *data, size_t n, hearth_error *err);
hearth_status gguf_writer_set_string_array(gguf_writer *w, const char *key,
                                           const gguf_string *strings, size_t n, hearth_error *err);

hearth_status gguf_writer_add_tensor(gguf_writer *w, const char *name, size_t name_n, wtype type,
                                     int n_dims, const uint64_t *ne, hearth_error *err);
hearth_status gguf_writer_begin_data(gguf_writer *w, hearth_error *err);
hearth_status gguf_writer_write_data(gguf_writer *w, const void *bytes, size_t n,
                                     hearth_error *err);
hearth_status gguf_writer_commit(gguf_writer *w, hearth_error *err);

#endif
