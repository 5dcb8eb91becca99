/* SPDX-License-Identifier: MIT
 *
 * model_files.c - see model_files.h. What cannot be made ends the test program.
 */
#include "support/model_files.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gguf/gguf.h"
#include "gguf/gguf_writer.h"
#include "random_model.h"

static void must(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static void must_do(hearth_status status, const hearth_error *err)
{
    if (status == HEARTH_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

void files_make_folder(const char *path)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(part, 0755);
        *slash = '/';
    }
    mkdir(part, 0755);
    struct stat info;
    must(stat(path, &info) == 0, path);
}

const char *files_path(const char *folder, const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8], above[PATH_MAX];
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    snprintf(above, sizeof above, "%s", path);
    *strrchr(above, '/') = '\0';
    files_make_folder(above);
    return path;
}

void files_write(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    must(file != NULL, path);
    must(fwrite(bytes, 1, n, file) == n && fclose(file) == 0, path);
}

void files_write_text(const char *path, const char *text)
{
    files_write(path, text, strlen(text));
}

/* ---- GGUF ---- */

void files_write_model(const char *path, uint32_t n_embd)
{
    random_model_options o;
    random_model_options_init(&o, "llama");
    o.n_embd = n_embd;
    o.n_layer = 1;
    random_model_write(path, &o);
}

static void write_part(const gguf *g, const char *stem, unsigned part, unsigned n_parts)
{
    char path[PATH_MAX];
    hearth_error err;
    gguf_writer *w;
    size_t n = gguf_n_tensors(g), from = n * part / n_parts, to = n * (part + 1) / n_parts;
    snprintf(path, sizeof path, "%s-%05u-of-%05u.gguf", stem, part + 1, n_parts);
    must_do(gguf_writer_open(&w, path, &err), &err);
    for (size_t i = 0; part == 0 && i < gguf_n_values(g); i++)
        must_do(gguf_writer_copy(w, gguf_value_at(g, i), &err), &err);
    must_do(gguf_writer_set_u32(w, "split.no", part, &err), &err);
    must_do(gguf_writer_set_u32(w, "split.count", n_parts, &err), &err);
    must_do(gguf_writer_set_u32(w, "split.tensors.count", (uint32_t)n, &err), &err);
    for (size_t i = from; i < to; i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        must_do(gguf_writer_add_tensor(w, t->name.data, t->name.n, t->type, t->n_dims, t->ne, &err),
                &err);
    }
    must_do(gguf_writer_begin_data(w, &err), &err);
    for (size_t i = from; i < to; i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        must_do(gguf_writer_write_data(w, t->data, t->n_bytes, &err), &err);
    }
    must_do(gguf_writer_commit(w, &err), &err);
    gguf_writer_close(w);
}

void files_write_split(const char *stem, unsigned n)
{
    char whole[PATH_MAX];
    gguf *g;
    hearth_error err;
    snprintf(whole, sizeof whole, "%s.gguf", stem);
    files_write_model(whole, 64);
    must_do(gguf_open(&g, whole, NULL, &err), &err);
    for (unsigned part = 0; part < n; part++)
        write_part(g, stem, part, n);
    gguf_close(g);
    remove(whole);
}

static void set_text(gguf_writer *w, const char *key, const char *text)
{
    hearth_error err;
    must_do(gguf_writer_set_string(w, key, text, strlen(text), &err), &err);
}

static gguf_writer *open_writer(const char *path, const char *architecture)
{
    gguf_writer *w;
    hearth_error err;
    must_do(gguf_writer_open(&w, path, &err), &err);
    set_text(w, "general.architecture", architecture);
    return w;
}

static void finish(gguf_writer *w)
{
    static const float value[4] = {0};
    const uint64_t ne[1] = {4};
    hearth_error err;
    must_do(gguf_writer_add_tensor(w, "v.weight", 8, WTYPE_F32, 1, ne, &err), &err);
    must_do(gguf_writer_begin_data(w, &err), &err);
    must_do(gguf_writer_write_data(w, value, sizeof value, &err), &err);
    must_do(gguf_writer_commit(w, &err), &err);
    gguf_writer_close(w);
}

void files_write_projector(const char *path, uint32_t n_embd)
{
    hearth_error err;
    gguf_writer *w = open_writer(path, "clip");
    set_text(w, "general.type", "mmproj");
    must_do(gguf_writer_set_bool(w, "clip.has_vision_encoder", true, &err), &err);
    must_do(gguf_writer_set_u32(w, "clip.vision.projection_dim", n_embd, &err), &err);
    finish(w);
}

void files_write_unknown(const char *path)
{
    finish(open_writer(path, "nobody-knows"));
}
