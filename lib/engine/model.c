/* SPDX-License-Identifier: MIT
 *
 * model.c - opening a model and telling what it is. Metadata and tokens have files of their own.
 */
#include "engine/model.h"

#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/options_take.h"
#include "os/cpu.h"
#include "os/sysmem.h"

/* ---- info ---- */

static hearth_status own_string(hearth_model *m, int slot, gguf_string text, hearth_error *err)
{
    m->strings[slot] = mem_dup(text.data, text.n);
    if (m->strings[slot] == NULL)
        return error_no_memory(err, "metadata", text.n);
    metadata_repair(m->strings[slot], text.n);
    return HEARTH_OK;
}

static hearth_status describe_strings(hearth_model *m, hearth_error *err)
{
    static const char *const keys[] = {"general.architecture", "general.name", "tokenizer.ggml.pre",
                                       "tokenizer.chat_template"};
    const char **fields[] = {&m->info.architecture, &m->info.name, &m->info.pre_tokenizer,
                             &m->info.chat_template};
    for (int i = 0; i < 4; i++) {
        gguf_string text = {"", 0};
        bool found = false;
        /* Descriptions of the wrong type are as good as none. */
        if (gguf_get_string(m->g, keys[i], &text, &found, NULL) != HEARTH_OK)
            found = false;
        if (!found) {
            *fields[i] = fields[i] == &m->info.chat_template ? NULL : "";
            continue;
        }
        TRY(own_string(m, i, text, err));
        *fields[i] = m->strings[i];
    }
    return HEARTH_OK;
}

static hearth_status describe_labels(hearth_model *m, hearth_error *err)
{
    m->info.n_labels = m->h.n_labels;
    const gguf_string *names = hparams_labels(&m->h, m->g, m->arch);
    if (names == NULL)
        return HEARTH_OK;
    m->labels = mem_calloc(m->h.n_labels, sizeof *m->labels);
    if (m->labels == NULL)
        return error_no_memory(err, "labels", m->h.n_labels * sizeof *m->labels);
    m->info.labels = (const char *const *)m->labels;
    for (size_t i = 0; i < m->h.n_labels; i++) {
        m->labels[i] = mem_dup(names[i].data, names[i].n);
        if (m->labels[i] == NULL)
            return error_no_memory(err, "labels", names[i].n);
        metadata_repair(m->labels[i], names[i].n);
    }
    return HEARTH_OK;
}

/* Before (or without) opening the tokenizer: which kind the file asks for. */
static const char *tokenizer_kind_of(const gguf *g)
{
    static const struct {
        const char *model, *kind;
    } kinds[] = {{"llama", "spm"}, {"gpt2", "bpe"}, {"bert", "wpm"}, {"t5", "ugm"}};
    gguf_string model = {"", 0};
    if (gguf_get_string(g, "tokenizer.ggml.model", &model, NULL, NULL) != HEARTH_OK)
        return "";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strlen(kinds[i].model) == model.n && memcmp(kinds[i].model, model.data, model.n) == 0)
            return kinds[i].kind;
    }
    return "";
}

static bool is_expert_tensor(const gguf_tensor *t)
{
    static const char part[] = "_exps.";
    for (size_t i = 0; i + sizeof part - 1 <= t->name.n; i++) {
        if (memcmp(t->name.data + i, part, sizeof part - 1) == 0)
            return true;
    }
    return false;
}

static void describe_tensors(hearth_model *m)
{
    uint64_t bytes_of[WTYPE_COUNT] = {0}, expert_params = 0;
    hearth_model_info *info = &m->info;
    int main_type = -1;
    for (size_t i = 0; i < gguf_n_tensors(m->g); i++) {
        const gguf_tensor *t = gguf_tensor_at(m->g, i);
        bytes_of[t->type] += t->n_bytes;
        info->n_params += t->n_elements;
        expert_params += is_expert_tensor(t) ? t->n_elements : 0;
    }
    for (int type = 0; type < WTYPE_COUNT; type++) {
        if (bytes_of[type] > (main_type < 0 ? 0 : bytes_of[main_type]))
            main_type = type;
    }
    info->file_type = main_type < 0 ? "" : wtype_get((wtype)main_type)->name;
    info->n_active_params = info->n_params;
    if (m->arch && m->h.n_expert > 0)
        info->n_active_params -= expert_params - expert_params / m->h.n_expert * m->h.n_expert_used;
}

static void describe_hparams(hearth_model *m)
{
    static const char *const poolings[] = {"none", "mean", "cls", "last", "rank"};
    hearth_model_info *info = &m->info;
    const hparams *h = &m->h;
    info->pooling = "none";
    info->causal = true;
    if (m->arch == NULL)
        return;
    info->pooling = poolings[h->pooling];
    info->causal = h->causal;
    info->n_vocab = h->n_vocab;
    info->n_ctx_train = h->n_ctx_train;
    info->n_embd = h->n_embd;
    info->n_layer = h->n_layer;
    info->n_head = h->n_head_max;
    info->n_head_kv = h->n_head_kv_max;
    info->head_dim = h->head_dim_k;
    info->n_ff = h->n_ff_max;
    info->n_expert = h->n_expert;
    info->n_expert_used = h->n_expert_used;
    info->sliding_window = h->n_window;
}

static hearth_status describe(hearth_model *m, hearth_error *err)
{
    hearth_model_info *info = &m->info;
    info->path = gguf_path(m->g);
    info->gguf_version = gguf_version(m->g);
    info->n_parts = (uint32_t)gguf_n_parts(m->g);
    info->file_bytes = gguf_file_bytes(m->g);
    info->tokenizer = m->t ? tokenizer_kind(m->t) : tokenizer_kind_of(m->g);
    info->isa = m->scope == HEARTH_SCOPE_ALL ? m->kernels->isa : "";
    TRY(describe_strings(m, err));
    describe_hparams(m);
    if (m->arch)
        TRY(describe_labels(m, err));
    describe_tensors(m);
    if (m->arch == NULL && m->t)
        info->n_vocab = (uint32_t)tokenizer_n_vocab(m->t);
    return HEARTH_OK;
}

const hearth_model_info *hearth_model_get_info(const hearth_model *model)
{
    return &model->info;
}

/* ---- opening ---- */

static hearth_status choose_kernels(hearth_model *m, const char *name, hearth_error *err)
{
    cpu_isa isa;
    TRY(cpu_choose_isa(name, &isa, err));
    m->kernels = kernels_get(cpu_isa_name(isa));
    if (m->kernels == NULL)
        FAIL(err, EUNSUPPORTED, "isa",
             "this build has no kernels for %s; it was made for another "
             "processor family",
             cpu_isa_name(isa));
    return HEARTH_OK;
}

/* A state file holds keys and values; they are another model's if any weight that shaped them, or
 * any hyperparameter, is another. Of a large tensor the ends stand for the whole. */
static uint64_t fingerprint(const hearth_model *m)
{
    enum { SAMPLE = 4096 };
    uint64_t hash = hash_bytes(HASH_START, &m->h, sizeof m->h);
    for (size_t i = 0; i < gguf_n_tensors(m->g); i++) {
        const gguf_tensor *t = gguf_tensor_at(m->g, i);
        size_t n = t->n_bytes < SAMPLE ? (size_t)t->n_bytes : SAMPLE;
        uint32_t type = wtype_get(t->type)->gguf_id;
        hash = hash_bytes(hash, t->name.data, t->name.n);
        hash = hash_bytes(hash, &type, sizeof type);
        hash = hash_bytes(hash, t->ne, sizeof t->ne);
        hash = hash_bytes(hash, t->data, n);
        hash = hash_bytes(hash, t->data + t->n_bytes - n, n);
    }
    return hash;
}

/* A vocabulary larger than the embedding would index past it; a smaller one leaves rows that stand
 * for no text (tokens.c). */
static hearth_status check_vocabulary(const hearth_model *m, hearth_error *err)
{
    if (m->arch && tokenizer_n_vocab(m->t) > m->h.n_vocab)
        FAIL(err, EFORMAT, "tokenizer.ggml.tokens",
             "the tokenizer has %zu tokens, but token_embd.weight only %u; the file is damaged",
             tokenizer_n_vocab(m->t), m->h.n_vocab);
    return HEARTH_OK;
}

static hearth_status check_memory(const hearth_model *m, hearth_error *err)
{
    uint64_t need = plan_model_overhead(m), available = sysmem_available();
    for (size_t i = 0; i < gguf_n_tensors(m->g); i++)
        need += gguf_tensor_at(m->g, i)->n_bytes;
    if (need > available)
        FAIL(err, ENOFIT, gguf_path(m->g),
             "the model needs %.1f MiB and %.1f MiB are free; close other programs, use a smaller "
             "quantization, or ask to ignore the memory limit",
             (double)need / 1048576.0, (double)available / 1048576.0);
    return HEARTH_OK;
}

static hearth_status open_adapters(hearth_model *m, const hearth_model_options *options,
                                   hearth_error *err)
{
    if (options->n_adapters && options->adapters == NULL)
        FAIL(err, EINVAL, "adapters", "adapters is NULL with n_adapters %zu", options->n_adapters);
    m->adapters = mem_calloc(options->n_adapters + 1, sizeof *m->adapters);
    if (m->adapters == NULL)
        return error_no_memory(err, "adapters", options->n_adapters * sizeof *m->adapters);
    for (size_t i = 0; i < options->n_adapters; i++, m->n_adapters++)
        TRY(adapter_open(&m->adapters[i], options->adapters[i], m->g, &m->log, err));
    return HEARTH_OK;
}

static hearth_status open_weights(hearth_model *m, const hearth_model_options *options,
                                  hearth_error *err)
{
    if (!options->ignore_memory_limit)
        TRY(check_memory(m, err));
    TRY(weights_bind(&m->w, &m->h, m->arch, m->g, err));
    if (options->read_ahead)
        TRY(gguf_read_ahead(m->g, &options->progress, err));
    m->fingerprint = fingerprint(m);
    return HEARTH_OK;
}

/* A file by its path, or if that is NULL by its bytes. */
typedef struct model_source {
    const char *path;
    const void *bytes;
    size_t n;
} model_source;

static hearth_status open_file(hearth_model *m, const model_source *from,
                               const hearth_model_options *options, hearth_error *err)
{
    gguf_options file_options = {.overrides = options->overrides,
                                 .n_overrides = options->n_overrides,
                                 .metadata_only = options->scope == HEARTH_SCOPE_TOKENIZER,
                                 .log = &m->log};
    if (from->path == NULL)
        return gguf_open_memory(&m->g, from->bytes, from->n, &file_options, err);
    return gguf_open(&m->g, from->path, &file_options, err);
}

/* Files without one lack the key, or say so. */
static bool has_tokenizer(const gguf *g)
{
    static const char *const none[] = {"none", "no_vocab"};
    const gguf_value *v = gguf_find(g, "tokenizer.ggml.model");
    for (size_t i = 0; v && v->type == GGUF_STRING && i < 2; i++) {
        if (v->n_bytes == strlen(none[i]) && memcmp(v->data, none[i], v->n_bytes) == 0)
            return false;
    }
    return v != NULL;
}

static hearth_status open_parts(hearth_model *m, const model_source *from,
                                const hearth_model_options *options, hearth_error *err)
{
    TRY(choose_kernels(m, options->isa, err)); /* a plan counts their scratch, at every scope */
    TRY(open_file(m, from, options, err));
    hearth_status known = hparams_read(&m->h, &m->arch, m->g, &m->unknown);
    if (known != HEARTH_OK) {
        m->arch = NULL;
        if (m->scope == HEARTH_SCOPE_ALL) {
            if (err)
                *err = m->unknown;
            return known;
        }
    }
    /* Weights without a tokenizer still give logits of tokens; a tokenizer alone must be there. */
    if (m->scope == HEARTH_SCOPE_TOKENIZER ||
        (m->scope == HEARTH_SCOPE_ALL && has_tokenizer(m->g))) {
        TRY(tokenizer_open(&m->t, m->g, &m->log, err));
        TRY(check_vocabulary(m, err));
    }
    if (m->scope != HEARTH_SCOPE_TOKENIZER)
        TRY(open_adapters(m, options, err));
    if (m->scope == HEARTH_SCOPE_ALL)
        TRY(open_weights(m, options, err));
    TRY(describe(m, err));
    if (gguf_is_lost(m->g))
        FAIL(err, EIO, from->path, "the file '%s' became shorter while it was read; copy it again",
             from->path);
    return HEARTH_OK;
}

static hearth_status open_model(hearth_model **out, const model_source *from,
                                const hearth_model_options *given, hearth_error *err)
{
    hearth_model_options options;
    hearth_model_options_init(&options);
    TRY(options_take(&options, sizeof options, given, "hearth_model_options", err));
    if ((unsigned)options.scope > HEARTH_SCOPE_METADATA)
        FAIL(err, EINVAL, "scope", "scope %d is unknown", (int)options.scope);
    hearth_model *m = mem_calloc(1, sizeof *m);
    if (m == NULL)
        return error_no_memory(err, "the model", sizeof *m);
    m->scope = options.scope;
    m->log = options.log;
    m->ignore_memory_limit = options.ignore_memory_limit;
    hearth_status status = open_parts(m, from, &options, err);
    if (status != HEARTH_OK) {
        hearth_model_close(m);
        return status;
    }
    *out = m;
    return HEARTH_OK;
}

uint64_t hearth_model_header_bytes(const void *bytes, size_t n)
{
    return gguf_header_bytes(bytes, n);
}

hearth_status hearth_model_open(hearth_model **out, const char *path,
                                const hearth_model_options *options, hearth_error *err)
{
    *out = NULL;
    if (path == NULL || path[0] == '\0')
        FAIL(err, EINVAL, "path", "no model file was named; give the path of a GGUF file");
    return open_model(out, &(model_source){.path = path}, options, err);
}

hearth_status hearth_model_open_memory(hearth_model **out, const void *bytes, size_t n,
                                       const hearth_model_options *options, hearth_error *err)
{
    *out = NULL;
    if (bytes == NULL)
        FAIL(err, EINVAL, "bytes", "no model was given; give the bytes of a GGUF file");
    return open_model(out, &(model_source){.bytes = bytes, .n = n}, options, err);
}

void hearth_model_close(hearth_model *model)
{
    if (model == NULL)
        return;
    for (size_t i = 0; i < model->n_adapters; i++)
        adapter_unref(model->adapters[i]);
    mem_free(model->adapters);
    weights_deinit(&model->w);
    token_index_free(model->token_index);
    tokenizer_close(model->t);
    gguf_close(model->g);
    for (size_t i = 0; i < sizeof model->strings / sizeof *model->strings; i++)
        mem_free(model->strings[i]);
    for (size_t i = 0; model->labels && i < model->info.n_labels; i++)
        mem_free(model->labels[i]);
    mem_free(model->labels);
    mem_free(model);
}

bool model_is_lost(const hearth_model *m)
{
    return gguf_is_lost(m->g);
}

void hearth_free(void *p)
{
    mem_free(p);
}

uint64_t model_cache_fingerprint(const hearth_model *m, const forward_options *o)
{
    /* Long and short RoPE factors give other keys; the context decides between them. */
    bool long_factors = m->w.rope_long && m->w.rope_short && o->n_ctx > m->h.rope_n_ctx_orig;
    uint64_t hash = hash_bytes(m->fingerprint, &long_factors, sizeof long_factors);
    hash = hash_bytes(hash, &o->type_k, sizeof o->type_k);
    hash = hash_bytes(hash, &o->type_v, sizeof o->type_v);
    if (o->group_n <= 1)
        return hash;
    hash = hash_bytes(hash, &o->group_n, sizeof o->group_n);
    return hash_bytes(hash, &o->group_w, sizeof o->group_w);
}
