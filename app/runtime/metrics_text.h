/* SPDX-License-Identifier: MIT
 *
 * metrics_text.h - reading and writing the text that Prometheus scrapes.
 * Format: prometheus.io/docs/instrumenting/exposition_formats.
 */
#ifndef HEARTH_RUNTIME_METRICS_TEXT_H
#define HEARTH_RUNTIME_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The value of the first sample of that name; false if there is none, or it is no finite number. */
bool metrics_find(const char *text, size_t n, const char *name, double *out);

typedef struct metrics_label {
    const char *name, *value;
} metrics_label;

/* All false if out of memory. model: the value of a label of that name; NULL: no label. */
bool metrics_head(buf *out, const char *name, const char *type, const char *help);
bool metrics_sample(buf *out, const char *name, const metrics_label *labels, size_t n,
                    double value);
bool metrics_value(buf *out, const char *name, const char *model, double value);

#endif
