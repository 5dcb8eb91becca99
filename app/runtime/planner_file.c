/* SPDX-License-Identifier: MIT
 *
 * planner_file.c - a planner's source from a GGUF header, by libhearth's plan (see planner.h).
 *
 * Which tensor belongs to which layer, and how wide a layer's keys and values are, is told by the
 * tensors themselves ("blk.7.attn_k.weight" has as many rows as layer 7 has key values), so layers
 * that differ, and layers without a cache, are counted as they are.
 */
#include <hearth/engine.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "runtime/planner.h"

/* What an engine's process has beside the model: libraries, connections, requests. */
static const uint64_t process_bytes = UINT64_C(48) << 20;

struct planner_file {
    planner_source source;
    hearth_model *model;
    uint64_t *layer_bytes;
    uint64_t *kv_width;
};

/* ---- layers ---- */

/* Tensors of an attention whose keys and values are one matrix with the queries. */
static uint64_t fused_width(const hearth_model_info *info, uint64_t rows)
{
    uint64_t query = (uint64_t)info->n_head * info->head_dim;
    return rows > query ? rows - query : 0;
}

static void count_tensor(planner_file *f, const hearth_tensor_info *t, uint64_t *embedding,
                         uint64_t *output)
{
    const hearth_model_info *info = hearth_model_get_info(f->model);
    char *end;
    if (strncmp(t->name, "blk.", 4) != 0) {
        if (strcmp(t->name, "token_embd.weight") == 0)
            *embedding += t->n_bytes;
        else
            *output += t->n_bytes;
        return;
    }
    unsigned long layer = strtoul(t->name + 4, &end, 10);
    if (layer >= f->source.n_layers || *end != '.')
        return;
    f->layer_bytes[layer] += t->n_bytes;
    const uint64_t rows = t->n_dims > 1 ? t->ne[1] : 0;
    if (strcmp(end, ".attn_k.weight") == 0 || strcmp(end, ".attn_v.weight") == 0)
        f->kv_width[layer] += rows;
    else if (strcmp(end, ".attn_qkv.weight") == 0)
        f->kv_width[layer] += fused_width(info, rows);
    else if (strcmp(end, ".attn_kv_a_mqa.weight") == 0)
        f->kv_width[layer] += rows;
}

static hearth_status count_layers(planner_file *f, hearth_error *err)
{
    const hearth_model_info *info = hearth_model_get_info(f->model);
    const uint32_t n = info->n_layer;
    uint64_t embedding = 0, output = 0, width = 0;
    f->layer_bytes = mem_calloc(n, sizeof *f->layer_bytes);
    f->kv_width = mem_calloc(n, sizeof *f->kv_width);
    if (f->layer_bytes == NULL || f->kv_width == NULL)
        return error_no_memory(err, "a plan", n * sizeof *f->layer_bytes);
    f->source.n_layers = n;
    f->source.n_ctx_train = info->n_ctx_train;
    for (size_t i = 0; i < hearth_model_n_tensors(f->model); i++) {
        hearth_tensor_info t;
        TRY(hearth_model_tensor_at(f->model, i, &t, err));
        count_tensor(f, &t, &embedding, &output);
    }
    for (uint32_t i = 0; i < n; i++)
        width += f->kv_width[i];
    for (uint32_t i = 0; i < n && width == 0; i++) /* an attention of names unknown here */
        f->kv_width[i] = 1;
    f->source.layer_bytes = f->layer_bytes;
    f->source.kv_width = f->kv_width;
    f->source.input_bytes = embedding;
    /* Without an output matrix the embeddings are it, and there twice. */
    f->source.output_bytes = output >= embedding / 2 ? output : output + embedding;
    return HEARTH_OK;
}

/* ---- bytes ---- */

static uint64_t sum(const uint64_t *values, uint32_t n)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += values[i];
    return total;
}

/* For engines that know more architectures than we do: every layer a full attention's cache. */
static hearth_status estimate(const planner_source *s, const planner_shape *shape,
                              planner_memory *out)
{
    const uint64_t value_bytes = shape->cache_type_k == HEARTH_CACHE_F32 ? 4 : 2;
    *out = (planner_memory){.weight_bytes =
                                sum(s->layer_bytes, s->n_layers) + s->input_bytes + s->output_bytes,
                            .cache_bytes = sum(s->kv_width, s->n_layers) * value_bytes *
                                           shape->n_ctx * shape->n_contexts,
                            .compute_bytes = UINT64_C(512) << 20,
                            .overhead_bytes = UINT64_C(256) << 20,
                            .n_parallel = shape->n_parallel,
                            .n_batch = shape->n_batch,
                            .n_threads = shape->n_threads};
    return HEARTH_OK;
}

static hearth_status measure(const planner_source *source, const planner_shape *shape,
                             planner_memory *out, hearth_error *err)
{
    const planner_file *f = source->user;
    hearth_engine_options o;
    hearth_engine_plan_result r;
    hearth_engine_options_init(&o);
    o.n_ctx = shape->n_ctx;
    o.n_parallel = shape->n_parallel;
    o.n_batch = shape->n_batch;
    o.n_threads = shape->n_threads;
    o.cache_type_k = shape->cache_type_k;
    o.cache_type_v = shape->cache_type_v;
    hearth_session_options s;
    hearth_plan context;
    hearth_session_options_init(&s);
    s.n_ctx = shape->n_ctx;
    s.cache_type_k = shape->cache_type_k;
    s.cache_type_v = shape->cache_type_v;
    s.n_batch = shape->n_batch;
    s.n_threads = shape->n_threads;
    hearth_status status = hearth_model_plan(f->model, &s, &context, err);
    if (status == HEARTH_EUNSUPPORTED && shape->roughly)
        return estimate(source, shape, out);
    TRY(status);
    /* Whole MiB, as the flag has it, so that the engine takes just what was counted. */
    o.cache_bytes = ((context.cache_bytes * shape->n_contexts >> 20) + 1) << 20;
    TRY(hearth_engine_plan(f->model, &o, &r, err));
    *out = (planner_memory){.weight_bytes = r.memory.weight_bytes,
                            .cache_bytes = r.memory.cache_bytes,
                            .compute_bytes = r.memory.compute_bytes,
                            .overhead_bytes = r.memory.overhead_bytes + process_bytes,
                            .n_parallel = r.n_parallel,
                            .n_batch = r.memory.n_batch,
                            .n_threads = r.memory.n_threads,
                            .cache_mib = (uint32_t)(o.cache_bytes >> 20)};
    return HEARTH_OK;
}

/* ---- the file ---- */

hearth_status planner_file_open(planner_file **out, const char *path, const void *bytes, size_t n,
                                hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    hearth_model_options o;
    hearth_model_options_init(&o);
    o.scope = HEARTH_SCOPE_METADATA;
    planner_file *f = mem_calloc(1, sizeof *f);
    if (f == NULL)
        return error_no_memory(err, "a plan", sizeof *f);
    f->source.measure = measure;
    f->source.user = f;
    if (bytes)
        TRY_OUT(hearth_model_open_memory(&f->model, bytes, n, &o, err));
    else
        TRY_OUT(hearth_model_open(&f->model, path, &o, err));
    TRY_OUT(count_layers(f, err));
    *out = f;
    f = NULL;
out:
    planner_file_close(f);
    return status;
}

hearth_status planner_file_add_projector(planner_file *file, const char *path, hearth_error *err)
{
    struct stat info;
    if (path == NULL)
        return HEARTH_OK;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        FAIL(err, ENOTFOUND, path, "the projector '%.300s' is not there", path);
    file->source.projector_bytes = (uint64_t)info.st_size;
    return HEARTH_OK;
}

const planner_source *planner_file_source(const planner_file *file)
{
    return &file->source;
}

void planner_file_close(planner_file *file)
{
    if (file == NULL)
        return;
    hearth_model_close(file->model);
    mem_free(file->layer_bytes);
    mem_free(file->kv_width);
    mem_free(file);
}
