/* SPDX-License-Identifier: MIT
 *
 * make_model.c - writes models with random weights, for tests and for measuring speed.
 *
 *     make_model OUT.gguf NAME [OPTION...]   writes a model; NAME is an architecture, which gives a
 *                                            tiny one, or a well-known model's shape
 *         --type RECIPE     as hearth quantize: Q4_K_M, Q8_0, ...; F16 if it is not given
 *         --pure            the recipe's main format for all matrices
 *         --layers N        so many layers, to cut a model that is too large
 *         --experts N       so many experts
 *         --vocab N         so many tokens
 *         --labels N        a reranker with so many outputs
 *         --seed N          other weights
 *     make_model --split IN.gguf NAME        writes it again in two parts, NAME-0000?-of-00002.gguf
 *     make_model --known                     lists the shapes
 *     make_model                             lists the architectures
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf/gguf_writer.h"
#include "random_model.h"

enum { N_PARTS = 2 };

static void die(const char *what, const char *value)
{
    fprintf(stderr, "make_model: %s '%s'\n", what, value);
    exit(2);
}

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

static uint32_t number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || n > UINT32_MAX)
        die("not a number:", text);
    return (uint32_t)n;
}

/* argv[i] and its value; the index of the next option. */
static int read_option(random_model_options *o, int argc, char **argv, int i)
{
    static const char *const counts[] = {"--layers", "--experts", "--vocab", "--labels"};
    uint32_t *fields[] = {&o->n_layer, &o->n_expert, &o->n_vocab, &o->n_labels};
    if (strcmp(argv[i], "--pure") == 0) {
        o->pure = true;
        return i + 1;
    }
    if (i + 1 == argc)
        die("no value after", argv[i]);
    const char *value = argv[i + 1];
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        if (strcmp(argv[i], counts[f]) == 0) {
            *fields[f] = number(value);
            return i + 2;
        }
    }
    if (strcmp(argv[i], "--seed") == 0)
        o->seed = number(value);
    else if (strcmp(argv[i], "--type") != 0)
        die("unknown option", argv[i]);
    else if ((o->recipe = quantize_recipe_find(value)) == NULL)
        die("unknown recipe", value);
    return i + 2;
}

static void list(const char *(*name)(size_t i))
{
    for (size_t i = 0; name(i); i++)
        puts(name(i));
}

int main(int argc, char **argv)
{
    random_model_options options;
    if (argc < 3) {
        list(argc == 2 && strcmp(argv[1], "--known") == 0 ? random_model_known : random_model_arch);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "--split") == 0) {
        split(argv[2], argv[3]);
        return 0;
    }
    if (!random_model_options_known(&options, argv[2]))
        random_model_options_init(&options, argv[2]);
    for (int i = 3; i < argc;)
        i = read_option(&options, argc, argv, i);
    random_model_write(argv[1], &options);
    return 0;
}
