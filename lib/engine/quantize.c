/* SPDX-License-Identifier: MIT
 *
 * quantize.c - hearth_quantize: a model read from one file, written to another in smaller formats.
 *
 *   open ─► plan: every tensor's format, sizes, refusals ─► header ─► tensors, one by one ─► commit
 *
 * Everything that can be refused is refused before a byte is written. Formats are made of blocks
 * that know nothing of rows or of each other, so a tensor is a plain sequence of elements that is
 * cut into segments of SEGMENT, a multiple of every block. A window of segments is converted by all
 * threads (mapped bytes to floats in the thread's own scratch, floats to bytes in the window),
 * written, and the next one begins: memory does not grow with the model, and which thread did what
 * leaves no trace in the file.
 */
#include <hearth/quantize.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/options_take.h"
#include "engine/quantize_recipe.h"
#include "gguf/gguf_writer.h"
#include "kernels/quantize.h"
#include "kernels/tables.h"
#include "os/cpu.h"
#include "os/file.h"
#include "os/thread_pool.h"

enum {
    SEGMENT = 32768,
    SEGMENTS_PER_THREAD = 8,
    MAX_THREADS = 256,
    QUANTIZATION_VERSION = 2, /* of the block layouts; ggml's number */
    SHOWN_NAME = 120
};

#define NAME_ARGS(name) (int)((name).n < SHOWN_NAME ? (name).n : SHOWN_NAME), (name).data

/* What becomes of one tensor. */
typedef struct plan_entry {
    const gguf_tensor *t;
    quantize_choice choice;
    uint64_t n_bytes; /* as written */
} plan_entry;

typedef struct conversion {
    hearth_quantize_options options;
    const quantize_recipe *recipe;
    gguf *g;
    plan_entry *plan; /* in the file's order */
    size_t n_tensors;
    thread_pool *pool;
    float *scratch;  /* SEGMENT elements per thread */
    uint8_t *window; /* segments as written */
    size_t n_window; /* how many */
    float *largest;  /* largest magnitude of each segment of the window; infinity: not finite */
    uint64_t done;   /* source bytes */
    hearth_quantize_result result;
} conversion;

void hearth_quantize_options_init(hearth_quantize_options *options)
{
    *options = (hearth_quantize_options){.struct_size = sizeof *options};
}

const char *hearth_quantize_recipe_name(size_t i)
{
    const quantize_recipe *recipe = quantize_recipe_at(i);
    return recipe ? recipe->name : NULL;
}

/* ---- planning ---- */

static hearth_status find_recipe(const char *name, const quantize_recipe **out, hearth_error *err)
{
    *out = quantize_recipe_find(name);
    if (*out != NULL)
        return HEARTH_OK;
    nearest near;
    nearest_init(&near, name, strlen(name));
    const quantize_recipe *recipe;
    for (size_t i = 0; (recipe = quantize_recipe_at(i)) != NULL; i++)
        nearest_offer(&near, recipe->name);
    FAIL(err, EINVAL, "recipe", "unknown recipe '%.60s'; %s%s", name,
         near.best ? "did you mean " : "Q4_K_M, Q5_K_M, Q6_K and Q8_0 are common ones",
         near.best ? near.best : "");
}

/* The path of another part of the split set that `first` belongs to: "...-00002-of-00003.gguf". */
static bool part_path(const char *first, int part, int n_parts, char *out, size_t n_out)
{
    char tail[40];
    size_t n = strlen(first);
    int n_tail = snprintf(tail, sizeof tail, "-%05d-of-%05d.gguf", part + 1, n_parts);
    if (n < (size_t)n_tail || n >= n_out)
        return false;
    memcpy(out, first, n - (size_t)n_tail);
    memcpy(out + n - (size_t)n_tail, tail, (size_t)n_tail + 1);
    return true;
}

/* The new file replaces what is there under its name, which must not be what is being read. */
static hearth_status check_paths(const gguf *g, const char *in, const char *out, hearth_error *err)
{
    char part[4096];
    bool same = file_same(in, out) || file_same(gguf_path(g), out);
    for (int i = 0; !same && i < gguf_n_parts(g) && gguf_n_parts(g) > 1; i++)
        same =
            part_path(gguf_path(g), i, gguf_n_parts(g), part, sizeof part) && file_same(part, out);
    if (same)
        FAIL(err, EINVAL, out, "'%.200s' is the model that is being read; choose another name",
             out);
    return HEARTH_OK;
}

static bool is_quantized(wtype type)
{
    wtype_class class = wtype_get(type)->class;
    return class == WTYPE_CLASS_B || class == WTYPE_CLASS_K;
}

static hearth_status plan_tensor(conversion *c, plan_entry *e, hearth_error *err)
{
    const gguf_tensor *t = e->t;
    const char *from = wtype_get(t->type)->name, *to = wtype_get(e->choice.type)->name;
    if (e->choice.type != t->type && is_quantized(t->type) && !c->options.allow_requantize)
        FAIL(err, EINVAL, "allow_requantize",
             "tensor '%.*s' is quantized already (%s); its losses would add up. Start from an F16 "
             "or F32 file, or allow requantizing",
             NAME_ARGS(t->name), from);
    if (!wtype_row_bytes(e->choice.type, t->n_elements, &e->n_bytes))
        FAIL(err, EFORMAT, "tensor", "tensor '%.*s' does not divide into blocks of %s",
             NAME_ARGS(t->name), to);
    if (!checked_add(c->result.bytes_after, e->n_bytes, &c->result.bytes_after) ||
        !checked_add(c->result.bytes_before, t->n_bytes, &c->result.bytes_before))
        FAIL(err, EFORMAT, "tensor", "the tensors are larger than can be counted");
    if (e->choice.type != e->choice.wanted)
        c->result.n_fallbacks++;
    return HEARTH_OK;
}

static int by_layer(const void *a, const void *b)
{
    return quantize_tensor_order((*(plan_entry *const *)a)->t, (*(plan_entry *const *)b)->t);
}

static hearth_status plan_tensors(conversion *c, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    quantize_mixture mixture;
    size_t n = gguf_n_tensors(c->g);
    plan_entry **order = mem_alloc_array(n, sizeof *order);
    c->plan = mem_calloc(n, sizeof *c->plan);
    if (order == NULL || c->plan == NULL)
        FAIL_OUT(err, ENOMEM, "plan", "out of memory for a table of %zu tensors", n);
    TRY_OUT(quantize_mixture_init(&mixture, c->g, c->recipe, c->options.pure, err));
    c->n_tensors = n;
    c->result.n_tensors = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        c->plan[i].t = gguf_tensor_at(c->g, i);
        order[i] = &c->plan[i];
        quantize_mixture_add(&mixture, c->plan[i].t->name);
    }
    qsort(order, n, sizeof *order, by_layer);
    for (size_t i = 0; i < n; i++)
        order[i]->choice = quantize_choose(&mixture, order[i]->t);
    for (size_t i = 0; i < n; i++)
        TRY_OUT(plan_tensor(c, &c->plan[i], err));
out:
    mem_free(order);
    return status;
}

/* The header is about as large as it was: what of the old files is not tensors. */
static hearth_status check_space(const conversion *c, const char *out, hearth_error *err)
{
    uint64_t file = gguf_file_bytes(c->g), before = c->result.bytes_before;
    uint64_t header = file > before ? file - before : 0;
    uint64_t needed, available = file_free_space(out);
    if (!checked_add(c->result.bytes_after, header, &needed) || needed > available)
        FAIL(err, EIO, out, "'%.200s' would take %llu MB, and only %llu MB are free there", out,
             (unsigned long long)((c->result.bytes_after + header) >> 20),
             (unsigned long long)(available >> 20));
    return HEARTH_OK;
}

/* ---- converting ---- */

/* One window's work, for the pool. */
typedef struct window_job {
    conversion *c;
    const plan_entry *e;
    uint64_t first; /* element */
} window_job;

static size_t bytes_of(wtype type, uint64_t n_elements)
{
    const wtype_info *info = wtype_get(type);
    return (size_t)(n_elements / info->block_elements * info->block_bytes);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void convert_segment(void *arg, size_t chunk, int worker)
{
    const window_job *job = arg;
    conversion *c = job->c;
    const gguf_tensor *t = job->e->t;
    wtype type = job->e->choice.type;
    uint64_t first = job->first + (uint64_t)chunk * SEGMENT;
    size_t n = (size_t)least(SEGMENT, t->n_elements - first);
    float *x = c->scratch + (size_t)worker * SEGMENT;
    weight_kernels_scalar.dequantize[t->type](t->data + bytes_of(t->type, first), n, x);
    c->largest[chunk] = quantize_max_magnitude(x, n);
    if (isfinite(c->largest[chunk]))
        quantize_row_get(type)(x, n, c->window + chunk * bytes_of(type, SEGMENT));
}

static hearth_status tell_progress(conversion *c, uint64_t n_bytes, hearth_error *err)
{
    const hearth_progress *p = &c->options.progress;
    c->done += n_bytes;
    if (p->fn != NULL && !p->fn(p->user, c->done, c->result.bytes_before))
        FAIL(err, ECANCELED, "quantize", "canceled; nothing was written");
    return HEARTH_OK;
}

static hearth_status convert_tensor(conversion *c, const plan_entry *e, gguf_writer *w,
                                    hearth_error *err)
{
    const gguf_tensor *t = e->t;
    float largest = 0.0f;
    uint64_t step = (uint64_t)c->n_window * SEGMENT;
    for (uint64_t first = 0; first < t->n_elements; first += step) {
        uint64_t n = least(step, t->n_elements - first);
        size_t n_segments = (size_t)((n + SEGMENT - 1) / SEGMENT);
        window_job job = {c, e, first};
        thread_pool_run(c->pool, convert_segment, &job, n_segments);
        for (size_t i = 0; i < n_segments; i++)
            largest = c->largest[i] > largest ? c->largest[i] : largest;
        if (!isfinite(largest))
            FAIL(err, EFORMAT, "tensor", "tensor '%.*s' holds weights that are not finite numbers",
                 NAME_ARGS(t->name));
        TRY(gguf_writer_write_data(w, c->window, bytes_of(e->choice.type, n), err));
        TRY(tell_progress(c, bytes_of(t->type, n), err));
    }
    if (largest > quantize_safe_magnitude(e->choice.type))
        log_write(&c->options.log, HEARTH_LOG_WARNING,
                  "tensor '%.*s' has weights up to %g; what %s cannot hold was cut to its largest",
                  NAME_ARGS(t->name), (double)largest, wtype_get(e->choice.type)->name);
    return HEARTH_OK;
}

static hearth_status copy_tensor(conversion *c, const gguf_tensor *t, gguf_writer *w,
                                 hearth_error *err)
{
    enum { PIECE = 4 << 20 };
    for (uint64_t at = 0; at < t->n_bytes; at += PIECE) {
        size_t n = (size_t)least(PIECE, t->n_bytes - at);
        TRY(gguf_writer_write_data(w, t->data + at, n, err));
        TRY(tell_progress(c, n, err));
    }
    return HEARTH_OK;
}

static void log_tensor(const conversion *c, const plan_entry *e)
{
    const char *to = wtype_get(e->choice.type)->name;
    const wtype_info *wanted = wtype_get(e->choice.wanted);
    if (e->choice.type != e->choice.wanted)
        log_write(&c->options.log, HEARTH_LOG_WARNING,
                  "tensor '%.*s': rows of %llu do not divide into blocks of %u for %s; %s instead",
                  NAME_ARGS(e->t->name), (unsigned long long)e->t->ne[0], wanted->block_elements,
                  wanted->name, to);
    log_write(&c->options.log, HEARTH_LOG_INFO, "%.*s: %s to %s, %llu to %llu bytes",
              NAME_ARGS(e->t->name), wtype_get(e->t->type)->name, to,
              (unsigned long long)e->t->n_bytes, (unsigned long long)e->n_bytes);
}

/* ---- the file ---- */

static bool is_split_key(gguf_string key)
{
    static const char prefix[] = "split.";
    return key.n >= sizeof prefix - 1 && memcmp(key.data, prefix, sizeof prefix - 1) == 0;
}

static hearth_status write_header(const conversion *c, gguf_writer *w, hearth_error *err)
{
    for (size_t i = 0; i < gguf_n_values(c->g); i++) {
        const gguf_value *v = gguf_value_at(c->g, i);
        if (!is_split_key(v->key))
            TRY(gguf_writer_copy(w, v, err));
    }
    TRY(gguf_writer_set_u32(w, "general.file_type", c->recipe->file_type, err));
    TRY(gguf_writer_set_u32(w, "general.quantization_version", QUANTIZATION_VERSION, err));
    for (size_t i = 0; i < c->n_tensors; i++) {
        const gguf_tensor *t = c->plan[i].t;
        TRY(gguf_writer_add_tensor(w, t->name.data, t->name.n, c->plan[i].choice.type, t->n_dims,
                                   t->ne, err));
    }
    return gguf_writer_begin_data(w, err);
}

static hearth_status write_file(conversion *c, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    gguf_writer *w = NULL;
    TRY_OUT(gguf_writer_open(&w, path, err));
    TRY_OUT(write_header(c, w, err));
    for (size_t i = 0; i < c->n_tensors; i++) {
        const plan_entry *e = &c->plan[i];
        log_tensor(c, e);
        TRY_OUT(e->choice.type == e->t->type ? copy_tensor(c, e->t, w, err)
                                             : convert_tensor(c, e, w, err));
    }
    if (gguf_is_lost(c->g))
        FAIL_OUT(err, EIO, gguf_path(c->g), "the model changed on disk while it was read");
    TRY_OUT(gguf_writer_commit(w, err));
out:
    gguf_writer_close(w);
    return status;
}

static hearth_status open_workers(conversion *c, hearth_error *err)
{
    int32_t n = c->options.n_threads;
    if (n < 0 || n > MAX_THREADS)
        FAIL(err, EINVAL, "n_threads", "%d threads; 1 to %d are possible, 0 takes one per core", n,
             MAX_THREADS);
    if (n == 0)
        n = cpu_default_threads();
    TRY(thread_pool_open(&c->pool, n < MAX_THREADS ? n : MAX_THREADS, err));
    size_t threads = (size_t)thread_pool_size(c->pool);
    c->n_window = threads * SEGMENTS_PER_THREAD;
    c->scratch = mem_alloc_array(threads, SEGMENT * sizeof *c->scratch);
    c->window = mem_alloc_array(c->n_window, SEGMENT * sizeof(float)); /* F32 is the widest */
    c->largest = mem_alloc_array(c->n_window, sizeof *c->largest);
    if (c->scratch == NULL || c->window == NULL || c->largest == NULL)
        return error_no_memory(err, "buffers to convert weights", c->n_window * SEGMENT * 4);
    return HEARTH_OK;
}

static void conversion_deinit(conversion *c)
{
    thread_pool_close(c->pool);
    mem_free(c->scratch);
    mem_free(c->window);
    mem_free(c->largest);
    mem_free(c->plan);
    gguf_close(c->g);
}

hearth_status hearth_quantize(const char *in, const char *out, const char *recipe,
                              const hearth_quantize_options *options,
                              hearth_quantize_result *result, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    conversion c = {0};
    if (in == NULL || out == NULL || recipe == NULL)
        FAIL(err, EINVAL, "arguments", "hearth_quantize needs in, out and recipe");
    hearth_quantize_options_init(&c.options);
    TRY(options_take(&c.options, sizeof c.options, options, "hearth_quantize_options", err));
    TRY(find_recipe(recipe, &c.recipe, err));
    gguf_options reading = {.log = &c.options.log};
    TRY_OUT(gguf_open(&c.g, in, &reading, err));
    TRY_OUT(check_paths(c.g, in, out, err));
    TRY_OUT(plan_tensors(&c, err));
    TRY_OUT(check_space(&c, out, err));
    TRY_OUT(open_workers(&c, err));
    TRY_OUT(write_file(&c, out, err));
    if (result != NULL)
        *result = c.result;
out:
    conversion_deinit(&c);
    return status;
}
