/* SPDX-License-Identifier: MIT
 *
 * export.c - see export.h. The net keeps matrices [in][out]; GGUF's rows are outputs, so each is
 * turned on its way.
 */
#include "ember/export.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "gguf/gguf_writer.h"

typedef struct matrix {
    char name[48];
    size_t at; /* of column 0 of the part, in the parameters */
    size_t n_in, n_out;
    size_t stride; /* between inputs; 0: a vector, or rows already */
} matrix;

enum { MAX_MATRICES = 2 + NET_MAX_LAYERS * 9 };

static void add(matrix *list, size_t *n, const char *name, size_t at, size_t n_in, size_t n_out,
                size_t stride)
{
    matrix *m = &list[(*n)++];
    *m = (matrix){.at = at, .n_in = n_in, .n_out = n_out, .stride = stride};
    snprintf(m->name, sizeof m->name, "%s.weight", name);
}

static void add_layer(matrix *list, size_t *n, const net_shape *s, const net_layer *p,
                      uint32_t layer)
{
    size_t d = s->n_embd, hd = d / s->n_head, kv = s->n_head_kv * hd, qkv = d + 2 * kv,
           ff = s->n_ff;
    const struct {
        const char *name;
        size_t at, n_in, n_out, stride;
    } parts[] = {
        {"attn_norm", p->attn_norm, d, 1, 0},    {"attn_q", p->qkv, d, d, qkv},
        {"attn_k", p->qkv + d, d, kv, qkv},      {"attn_v", p->qkv + d + kv, d, kv, qkv},
        {"attn_output", p->attn_out, d, d, d},   {"ffn_norm", p->ffn_norm, d, 1, 0},
        {"ffn_gate", p->gate_up, d, ff, 2 * ff}, {"ffn_up", p->gate_up + ff, d, ff, 2 * ff},
        {"ffn_down", p->down, ff, d, d},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[40];
        snprintf(name, sizeof name, "blk.%u.%s", layer, parts[i].name);
        add(list, n, name, parts[i].at, parts[i].n_in, parts[i].n_out, parts[i].stride);
    }
}

static size_t list_matrices(matrix *list, const net_shape *s)
{
    net_layout l;
    size_t n = 0;
    net_layout_init(&l, s);
    add(list, &n, "token_embd", l.embd, s->n_embd, s->n_vocab, 0);
    for (uint32_t i = 0; i < s->n_layer; i++)
        add_layer(list, &n, s, &l.layers[i], i);
    add(list, &n, "output_norm", l.out_norm, s->n_embd, 1, 0);
    return n;
}

static hearth_status write_hparams(gguf_writer *w, const net_shape *s, hearth_error *err)
{
    const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {
        {"llama.context_length", s->n_ctx},
        {"llama.embedding_length", s->n_embd},
        {"llama.block_count", s->n_layer},
        {"llama.feed_forward_length", s->n_ff},
        {"llama.attention.head_count", s->n_head},
        {"llama.attention.head_count_kv", s->n_head_kv},
        {"llama.rope.dimension_count", s->n_embd / s->n_head},
        {"llama.vocab_size", s->n_vocab},
    };
    static const struct {
        const char *key, *text;
    } texts[] = {
        {"general.size_label", "4M"},
        {"general.license", "mit"},
        {"general.description", "A very small chat model about Hearth, simple facts and small "
                                "sums, trained from nothing on "
                                "generated text"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        TRY(gguf_writer_set_string(w, texts[i].key, texts[i].text, strlen(texts[i].text), err));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        TRY(gguf_writer_set_u32(w, numbers[i].key, numbers[i].value, err));
    /* The likeliest answer is the learnt one. */
    TRY(gguf_writer_set_f32(w, "general.sampling.temp", 0.0f, err));
    TRY(gguf_writer_set_f32(w, "llama.attention.layer_norm_rms_epsilon", s->norm_eps, err));
    return gguf_writer_set_f32(w, "llama.rope.freq_base", s->rope_base, err);
}

static hearth_status write_matrix(gguf_writer *w, const float *parameters, const matrix *m,
                                  float *row, hearth_error *err)
{
    for (size_t out = 0; out < m->n_out; out++) {
        const float *from = parameters + m->at + (m->stride ? out : out * m->n_in);
        for (size_t in = 0; in < m->n_in; in++)
            row[in] = from[in * (m->stride ? m->stride : 1)];
        TRY(gguf_writer_write_data(w, row, m->n_in * sizeof *row, err));
    }
    return HEARTH_OK;
}

static hearth_status write_tensors(gguf_writer *w, const float *parameters, const net_shape *s,
                                   hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    size_t widest = s->n_ff > s->n_embd ? s->n_ff : s->n_embd, n = 0;
    matrix *list = mem_alloc_array(MAX_MATRICES, sizeof *list);
    float *row = mem_alloc_array(widest, sizeof *row);
    if (list == NULL || row == NULL)
        FAIL_OUT(err, ENOMEM, "export", "out of memory");
    n = list_matrices(list, s);
    for (size_t i = 0; i < n; i++) {
        uint64_t ne[] = {list[i].n_in, list[i].n_out};
        TRY_OUT(gguf_writer_add_tensor(w, list[i].name, strlen(list[i].name), WTYPE_F32,
                                       list[i].n_out > 1 ? 2 : 1, ne, err));
    }
    TRY_OUT(gguf_writer_begin_data(w, err));
    for (size_t i = 0; i < n; i++)
        TRY_OUT(write_matrix(w, parameters, &list[i], row, err));
out:
    mem_free(list);
    mem_free(row);
    return status;
}

hearth_status export_gguf(const float *parameters, const net_shape *shape,
                          const char *vocabulary_path, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    gguf *vocabulary = NULL;
    gguf_writer *w = NULL;
    TRY_OUT(gguf_open(&vocabulary, vocabulary_path, NULL, err));
    TRY_OUT(gguf_writer_open(&w, path, err));
    for (size_t i = 0; i < gguf_n_values(vocabulary); i++)
        TRY_OUT(gguf_writer_copy(w, gguf_value_at(vocabulary, i), err));
    TRY_OUT(write_hparams(w, shape, err));
    TRY_OUT(write_tensors(w, parameters, shape, err));
    TRY_OUT(gguf_writer_commit(w, err));
out:
    gguf_writer_close(w);
    gguf_close(vocabulary);
    return status;
}
