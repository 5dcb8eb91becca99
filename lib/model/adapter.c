/* SPDX-License-Identifier: MIT
 *
 * adapter.c - see adapter.h.
 */
#include "model/adapter.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static const char suffix_a[] = ".lora_a", suffix_b[] = ".lora_b";
enum { SUFFIX = sizeof suffix_a - 1, NAME_MAX_BYTES = 128 };

static bool ends_with(gguf_string name, const char *suffix)
{
    return name.n > SUFFIX && memcmp(name.data + name.n - SUFFIX, suffix, SUFFIX) == 0;
}

/* ---- the file's own words ---- */

static hearth_status expect(const gguf *g, const char *key, const char *want, const char *path,
                            hearth_error *err)
{
    gguf_string text = {"", 0};
    TRY(gguf_get_string(g, key, &text, NULL, err));
    if (text.n != strlen(want) || memcmp(text.data, want, text.n) != 0)
        FAIL(err, EFORMAT, path, "'%s' is no LoRA adapter: its %s is '%.*s' and not '%s'", path,
             key, (int)(text.n < 40 ? text.n : 40), text.data, want);
    return HEARTH_OK;
}

static hearth_status check_architecture(const gguf *g, const gguf *model, const char *path,
                                        hearth_error *err)
{
    gguf_string own = {"", 0}, want = {"", 0};
    TRY(gguf_get_string(g, "general.architecture", &own, NULL, err));
    TRY(gguf_get_string(model, "general.architecture", &want, NULL, err));
    if (own.n != want.n || memcmp(own.data, want.data, own.n) != 0)
        FAIL(err, EMISMATCH, path,
             "the adapter '%s' is made for the architecture '%.*s', but the model is '%.*s'", path,
             (int)(own.n < 40 ? own.n : 40), own.data, (int)(want.n < 40 ? want.n : 40), want.data);
    return HEARTH_OK;
}

static hearth_status read_head(adapter *a, const gguf *model, const char *path, hearth_error *err)
{
    TRY(expect(a->g, "general.type", "adapter", path, err));
    TRY(expect(a->g, "adapter.type", "lora", path, err));
    TRY(check_architecture(a->g, model, path, err));
    bool found = false;
    TRY(gguf_get_f32(a->g, "adapter.lora.alpha", &a->alpha, &found, err));
    if (!found || !(a->alpha >= 0.0f && a->alpha < 1e6f))
        FAIL(err, EFORMAT, path, "the adapter '%s' has no usable adapter.lora.alpha", path);
    return HEARTH_OK;
}

/* ---- tensors ---- */

static linear matrix_of(const gguf_tensor *t)
{
    return (linear){.data = t->data,
                    .type = t->type,
                    .k = (size_t)t->ne[0],
                    .n_rows = (size_t)t->ne[1],
                    .row_bytes = (size_t)(t->n_bytes / t->ne[1])};
}

/* "blk.N.NAME.weight" of a matrix that the forward pass multiplies with its adapters. */
static bool can_be_adapted(const char *name, size_t n)
{
    static const char *const matrices[] = {"attn_q",         "attn_k",       "attn_v",
                                           "attn_qkv",       "attn_output",  "ffn_gate",
                                           "ffn_up",         "ffn_down",     "ffn_gate_inp_shexp",
                                           "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"};
    static const char block[] = "blk.", weight[] = ".weight";
    size_t at = sizeof block - 1, n_end = sizeof weight - 1;
    if (n < at + n_end || memcmp(name, block, at) != 0 ||
        memcmp(name + n - n_end, weight, n_end) != 0)
        return false;
    while (at < n && name[at] >= '0' && name[at] <= '9')
        at++;
    if (at + 1 + n_end > n || name[at] != '.')
        return false;
    name += at + 1;
    n -= at + 1 + n_end;
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        if (strlen(matrices[i]) == n && memcmp(matrices[i], name, n) == 0)
            return true;
    return false;
}

static hearth_status check_name(const gguf_tensor *t, const char *path, hearth_error *err)
{
    if (!ends_with(t->name, suffix_a) && !ends_with(t->name, suffix_b))
        FAIL(err, EUNSUPPORTED, path,
             "the adapter '%s' holds the tensor '%.*s'; only pairs .lora_a and .lora_b are run",
             path, (int)(t->name.n < 80 ? t->name.n : 80), t->name.data);
    size_t n = t->name.n - SUFFIX;
    if (!can_be_adapted(t->name.data, n))
        FAIL(err, EUNSUPPORTED, path,
             "the adapter '%s' changes '%.*s'; only the matrices of attention and of feed-forward "
             "layers can be adapted, no embeddings, norms, routers or experts. Merge it into the "
             "model instead",
             path, (int)(n < 80 ? n : 80), t->name.data);
    return HEARTH_OK;
}

static hearth_status bind_pair(adapter *a, const gguf *model, const gguf_tensor *ta,
                               const char *path, hearth_error *err)
{
    char name[NAME_MAX_BYTES + SUFFIX];
    size_t n = ta->name.n - SUFFIX;
    if (n >= NAME_MAX_BYTES)
        FAIL(err, EFORMAT, path,
             "the adapter '%s' has a tensor name of %zu bytes; 127 are the most", path, ta->name.n);
    memcpy(name, ta->name.data, n);
    memcpy(name + n, suffix_b, SUFFIX + 1);
    const gguf_tensor *tb = gguf_find_tensor(a->g, name);
    name[n] = '\0';
    const gguf_tensor *base = gguf_find_tensor(model, name);
    if (tb == NULL || base == NULL)
        FAIL(err, EMISMATCH, path, "the adapter '%s' changes '%s', but %s", path, name,
             tb ? "the model has no such tensor" : "its .lora_b is missing");
    bool flat = ta->n_dims <= 2 && tb->n_dims <= 2 && base->n_dims <= 2;
    uint64_t rank = ta->ne[1];
    if (!flat || tb->ne[0] != rank || ta->ne[0] != base->ne[0] || tb->ne[1] != base->ne[1] ||
        rank > base->ne[0])
        FAIL(err, EMISMATCH, path,
             "the adapter '%s' has %llu x %llu and %llu x %llu for '%s', which is %llu x %llu in "
             "the model",
             path, (unsigned long long)ta->ne[0], (unsigned long long)ta->ne[1],
             (unsigned long long)tb->ne[0], (unsigned long long)tb->ne[1], name,
             (unsigned long long)base->ne[0], (unsigned long long)base->ne[1]);
    a->pairs[a->n_pairs++] = (adapter_pair){.base = base->data,
                                            .n_base = (size_t)base->n_bytes,
                                            .a = matrix_of(ta),
                                            .b = matrix_of(tb)};
    if (rank > a->rank)
        a->rank = (uint32_t)rank;
    if (tb->ne[1] > a->n_out)
        a->n_out = (uint32_t)tb->ne[1];
    return HEARTH_OK;
}

static int compare_pairs(const void *x, const void *y)
{
    const uint8_t *a = ((const adapter_pair *)x)->base, *b = ((const adapter_pair *)y)->base;
    return (a > b) - (a < b);
}

static hearth_status bind(adapter *a, const gguf *model, const char *path, hearth_error *err)
{
    size_t n = gguf_n_tensors(a->g);
    a->pairs = mem_alloc_array(n + 1, sizeof *a->pairs);
    if (a->pairs == NULL)
        return error_no_memory(err, "an adapter", n * sizeof *a->pairs);
    a->fingerprint = hash_bytes(HASH_START, &a->alpha, sizeof a->alpha);
    for (size_t i = 0; i < n; i++) {
        const gguf_tensor *t = gguf_tensor_at(a->g, i);
        TRY(check_name(t, path, err));
        a->fingerprint = hash_bytes(a->fingerprint, t->name.data, t->name.n);
        a->fingerprint = hash_bytes(a->fingerprint, &t->type, sizeof t->type);
        a->fingerprint = hash_bytes(a->fingerprint, t->ne, sizeof t->ne);
        a->fingerprint = hash_bytes(a->fingerprint, t->data, (size_t)t->n_bytes);
        if (!ends_with(t->name, suffix_a))
            continue;
        TRY(bind_pair(a, model, t, path, err));
    }
    if (a->n_pairs * 2 != n || n == 0)
        FAIL(err, EFORMAT, path, "the adapter '%s' has %zu tensors for %zu pairs", path, n,
             a->n_pairs);
    qsort(a->pairs, a->n_pairs, sizeof *a->pairs, compare_pairs);
    return HEARTH_OK;
}

/* ---- life ---- */

static void destroy(adapter *a)
{
    gguf_close(a->g);
    mem_free(a->pairs);
    mem_free(a);
}

hearth_status adapter_open(adapter **out, const char *path, const gguf *model,
                           const hearth_log *log, hearth_error *err)
{
    gguf_options options = {.log = log};
    adapter *a = mem_calloc(1, sizeof *a);
    if (a == NULL)
        return error_no_memory(err, "an adapter", sizeof *a);
    atomic_init(&a->references, 1);
    a->model = model;
    hearth_status status = gguf_open(&a->g, path, &options, err);
    if (status == HEARTH_OK)
        status = read_head(a, model, path, err);
    if (status == HEARTH_OK)
        status = bind(a, model, path, err);
    if (status != HEARTH_OK) {
        destroy(a);
        return status;
    }
    *out = a;
    return HEARTH_OK;
}

adapter *adapter_ref(adapter *a)
{
    atomic_fetch_add(&a->references, 1);
    return a;
}

void adapter_unref(adapter *a)
{
    if (a && atomic_fetch_sub(&a->references, 1) == 1)
        destroy(a);
}

bool adapter_find(const adapter *a, const linear *w, linear *down, linear *up, float *scale)
{
    size_t low = 0, high = a->n_pairs; /* the last pair whose base is not after w */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->pairs[middle].base <= w->data)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    const adapter_pair *p = &a->pairs[low - 1];
    if (w->data >= p->base + p->n_base)
        return false;
    size_t first = (size_t)(w->data - p->base) / w->row_bytes;
    *down = p->a;
    *up = p->b;
    up->data += first * up->row_bytes;
    up->n_rows = w->n_rows;
    *scale = a->alpha > 0.0f ? a->alpha / (float)p->a.n_rows : 1.0f;
    return true;
}

/* ---- mixes ---- */

hearth_status adapter_mix_init(adapter_mix *mix, size_t n, hearth_error *err)
{
    *mix = (adapter_mix){0};
    if (n == 0)
        return HEARTH_OK;
    mix->adapters = mem_alloc_array(n, sizeof *mix->adapters + sizeof *mix->scales);
    if (mix->adapters == NULL)
        return error_no_memory(err, "adapters", n * sizeof *mix->adapters);
    mix->scales = (float *)(void *)(mix->adapters + n);
    return HEARTH_OK;
}

void adapter_mix_add(adapter_mix *mix, adapter *a, float scale)
{
    if (scale == 0.0f)
        return;
    mix->adapters[mix->n] = adapter_ref(a);
    mix->scales[mix->n++] = scale;
}

void adapter_mix_deinit(adapter_mix *mix)
{
    for (size_t i = 0; i < mix->n; i++)
        adapter_unref(mix->adapters[i]);
    mem_free(mix->adapters);
    *mix = (adapter_mix){0};
}

const adapter *adapter_mix_find_lost(const adapter_mix *mix)
{
    for (size_t i = 0; i < mix->n; i++)
        if (gguf_is_lost(mix->adapters[i]->g))
            return mix->adapters[i];
    return NULL;
}

void adapter_mix_measure(const adapter_mix *mix, uint32_t *rank, uint32_t *n_out)
{
    *rank = *n_out = 0;
    for (size_t i = 0; i < mix->n; i++) {
        const adapter *a = mix->adapters[i];
        *rank = a->rank > *rank ? a->rank : *rank;
        *n_out = a->n_out > *n_out ? a->n_out : *n_out;
    }
}

uint64_t adapter_mix_fingerprint(const adapter_mix *mix, uint64_t hash)
{
    for (size_t i = 0; i < mix->n; i++) {
        hash = hash_bytes(hash, &mix->adapters[i]->fingerprint, sizeof(uint64_t));
        hash = hash_bytes(hash, &mix->scales[i], sizeof mix->scales[i]);
    }
    return hash;
}
