/* SPDX-License-Identifier: MIT
 *
 * make_model.c - the generator of small random models for tests that are written in shell.
 *
 *     make_model OUT.gguf ARCH [SEED]     writes a model
 *     make_model --split IN.gguf NAME     writes it again in two parts, NAME-0000?-of-00002.gguf
 *     make_model                          lists the architectures
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf/gguf_writer.h"
#include "support/tiny_model.h"

enum { N_PARTS = 2 };

static void must(hearth_status status, const hearth_error *err)
{
    if (status == HEARTH_OK)
        return;
    fprintf(stderr, "make_model: %s\n", err->message);
    exit(1);
}

/* The first part has all metadata and the first half of the tensors. */
static void write_part(const gguf *g, const char *name, uint32_t part)
{
    char path[4096];
    hearth_error err;
    gguf_writer *w;
    size_t n = gguf_n_tensors(g), from = n * part / N_PARTS, to = n * (part + 1) / N_PARTS;
    snprintf(path, sizeof path, "%s-%05u-of-%05d.gguf", name, part + 1, N_PARTS);
    must(gguf_writer_open(&w, path, &err), &err);
    for (size_t i = 0; part == 0 && i < gguf_n_values(g); i++)
        must(gguf_writer_copy(w, gguf_value_at(g, i), &err), &err);
    must(gguf_writer_set_u32(w, "split.no", part, &err), &err);
    must(gguf_writer_set_u32(w, "split.count", N_PARTS, &err), &err);
    must(gguf_writer_set_u32(w, "split.tensors.count", (uint32_t)n, &err), &err);
    for (size_t i = from; i < to; i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        must(gguf_writer_add_tensor(w, t->name.data, t->name.n, t->type, t->n_dims, t->ne, &err),
             &err);
    }
    must(gguf_writer_begin_data(w, &err), &err);
    for (size_t i = from; i < to; i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        must(gguf_writer_write_data(w, t->data, t->n_bytes, &err), &err);
    }
    must(gguf_writer_commit(w, &err), &err);
    gguf_writer_close(w);
}

static void split(const char *path, const char *name)
{
    gguf *g;
    hearth_error err;
    must(gguf_open(&g, path, NULL, &err), &err);
    for (uint32_t part = 0; part < N_PARTS; part++)
        write_part(g, name, part);
    gguf_close(g);
}

int main(int argc, char **argv)
{
    tiny_model_options options;
    if (argc < 3) {
        for (size_t i = 0; tiny_model_arch(i); i++)
            puts(tiny_model_arch(i));
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "--split") == 0) {
        split(argv[2], argv[3]);
        return 0;
    }
    tiny_model_options_init(&options, argv[2]);
    if (argc > 3)
        options.seed = strtoull(argv[3], NULL, 10);
    tiny_model_write(argv[1], &options);
    return 0;
}
