/* SPDX-License-Identifier: MIT
 *
 * test_adapter.c - LoRA adapters: a model with one gives what the model gives whose weights have it
 * merged in; scales, fused tensors, and files that are wrong.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <hearth/hearth.h>

#include "gguf/gguf_writer.h"
#include "support/engine_run.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

enum { RANK = 3, N_TOKENS = 40 };

static char folder[64];
static char base_path[96], adapter_path[96], merged_path[96];
static hearth_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != HEARTH_OK)                                                                   \
            fail_msg("%s", err.message);                                                           \
    } while (0)

static uint64_t state;
static float next_float(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(int32_t)(state >> 32) / 2147483648.0f;
}

/* What the adapter changes: every matrix of the layers whose name has one of these parts. */
static bool is_adapted(const gguf_tensor *t)
{
    static const char *const parts[] = {"attn_q.", "attn_v.",   "attn_qkv.", "attn_output.",
                                        "ffn_up.", "ffn_down.", "ffn_gate."};
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)t->name.n, t->name.data);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strstr(name, parts[i]) && strstr(name, "weight"))
            return true;
    }
    return false;
}

static void make_factors(const gguf_tensor *t, float *a, float *b)
{
    state = t->name.n * 977 + (uint64_t)(unsigned char)t->name.data[4];
    for (size_t i = 0; i < t->ne[0] * RANK; i++)
        a[i] = 0.2f * next_float();
    for (size_t i = 0; i < t->ne[1] * RANK; i++)
        b[i] = 0.2f * next_float();
}

typedef struct adapter_words {
    const char *type, *kind, *architecture;
    float alpha;
    size_t n_in_more; /* makes a shape wrong */
    const char *extra;
} adapter_words;

static void write_adapter(const char *path, const gguf *g, const adapter_words *words)
{
    gguf_writer *w;
    char name[160];
    OK(gguf_writer_open(&w, path, &err));
    OK(gguf_writer_set_string(w, "general.type", words->type, strlen(words->type), &err));
    OK(gguf_writer_set_string(w, "adapter.type", words->kind, strlen(words->kind), &err));
    OK(gguf_writer_set_string(w, "general.architecture", words->architecture,
                              strlen(words->architecture), &err));
    OK(gguf_writer_set_f32(w, "adapter.lora.alpha", words->alpha, &err));
    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        if (!is_adapted(t))
            continue;
        uint64_t ne_a[2] = {t->ne[0] + words->n_in_more, RANK}, ne_b[2] = {RANK, t->ne[1]};
        int n = snprintf(name, sizeof name, "%.*s.lora_a", (int)t->name.n, t->name.data);
        OK(gguf_writer_add_tensor(w, name, (size_t)n, WTYPE_F32, 2, ne_a, &err));
        n = snprintf(name, sizeof name, "%.*s.lora_b", (int)t->name.n, t->name.data);
        OK(gguf_writer_add_tensor(w, name, (size_t)n, WTYPE_F32, 2, ne_b, &err));
    }
    uint64_t one[2] = {4, 4};
    static const float zeros[16];
    if (words->extra)
        OK(gguf_writer_add_tensor(w, words->extra, strlen(words->extra), WTYPE_F32, 2, one, &err));
    OK(gguf_writer_begin_data(w, &err));
    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        if (!is_adapted(t))
            continue;
        size_t n_a = (size_t)(t->ne[0] + words->n_in_more) * RANK, n_b = (size_t)t->ne[1] * RANK;
        float *a = calloc(n_a + n_b, sizeof *a);
        make_factors(t, a, a + n_a);
        OK(gguf_writer_write_data(w, a, n_a * sizeof *a, &err));
        OK(gguf_writer_write_data(w, a + n_a, n_b * sizeof *a, &err));
        free(a);
    }
    if (words->extra)
        OK(gguf_writer_write_data(w, zeros, sizeof zeros, &err));
    OK(gguf_writer_commit(w, &err));
    gguf_writer_close(w);
}

/* The model with W + scale * alpha / rank * B A in the place of W. */
static void write_merged(const char *path, const gguf *g, float scale)
{
    gguf_writer *w;
    OK(gguf_writer_open(&w, path, &err));
    for (size_t i = 0; i < gguf_n_values(g); i++)
        OK(gguf_writer_copy(w, gguf_value_at(g, i), &err));
    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        OK(gguf_writer_add_tensor(w, t->name.data, t->name.n, t->type, t->n_dims, t->ne, &err));
    }
    OK(gguf_writer_begin_data(w, &err));
    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        float *sum = malloc(t->n_bytes);
        memcpy(sum, t->data, t->n_bytes);
        if (is_adapted(t)) {
            float *a = malloc((t->ne[0] + t->ne[1]) * RANK * sizeof *a), *b = a + t->ne[0] * RANK;
            make_factors(t, a, b);
            for (size_t out = 0; out < t->ne[1]; out++)
                for (size_t in = 0; in < t->ne[0]; in++)
                    for (size_t r = 0; r < RANK; r++)
                        sum[out * t->ne[0] + in] +=
                            scale * b[out * RANK + r] * a[r * t->ne[0] + in];
            free(a);
        }
        OK(gguf_writer_write_data(w, sum, t->n_bytes, &err));
        free(sum);
    }
    OK(gguf_writer_commit(w, &err));
    gguf_writer_close(w);
}

static int make_folder(void **unused)
{
    (void)unused;
    if (!test_temporary(folder, sizeof folder))
        return 1;
    snprintf(base_path, sizeof base_path, "%s/base.gguf", folder);
    snprintf(adapter_path, sizeof adapter_path, "%s/adapter.gguf", folder);
    snprintf(merged_path, sizeof merged_path, "%s/merged.gguf", folder);
    return 0;
}

static int remove_folder(void **unused)
{
    (void)unused;
    test_remove(folder);
    return 0;
}

static gguf *write_base(const char *arch)
{
    tiny_model_options o;
    gguf *g;
    tiny_model_options_init(&o, arch);
    o.type = WTYPE_F32;
    tiny_model_write(base_path, &o);
    OK(gguf_open(&g, base_path, NULL, &err));
    return g;
}

static hearth_model *open_model(const char *path, const char *with_adapter, const char *isa)
{
    hearth_model_options options;
    hearth_model *model;
    hearth_model_options_init(&options);
    options.isa = isa;
    options.adapters = &with_adapter;
    options.n_adapters = with_adapter ? 1 : 0;
    OK(hearth_model_open(&model, path, &options, &err));
    return model;
}

/* Logits after N_TOKENS tokens, read in pieces of n. The caller's. */
static float *logits_of(const hearth_model *model, const float *scale, size_t piece)
{
    hearth_session_options options;
    hearth_session *s;
    int32_t tokens[N_TOKENS];
    size_t n_vocab = hearth_model_get_info(model)->n_vocab;
    float *out = malloc(n_vocab * sizeof *out);
    hearth_session_options_init(&options);
    options.cache_type_k = options.cache_type_v = HEARTH_CACHE_F32;
    options.n_ctx = 64;
    for (int32_t i = 0; i < N_TOKENS; i++)
        tokens[i] = i * 7 % 300;
    OK(hearth_session_open(&s, model, &options, &err));
    if (scale)
        OK(hearth_session_set_adapters(s, scale, 1, &err));
    for (size_t at = 0; at < N_TOKENS; at += piece)
        OK(hearth_session_feed(s, tokens + at, piece, NULL, &err));
    memcpy(out, hearth_session_logits(s), n_vocab * sizeof *out);
    hearth_session_close(s);
    return out;
}

static double nmse(const float *x, const float *want, size_t n)
{
    double error = 0, power = 0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)x[i] - want[i]) * ((double)x[i] - want[i]);
        power += (double)want[i] * want[i];
    }
    return error / power;
}

static void check_family(const char *arch)
{
    static const float half = 0.5f, none = 0.0f;
    gguf *g = write_base(arch);
    write_adapter(adapter_path, g, &(adapter_words){"adapter", "lora", arch, 6.0f, 0, NULL});
    hearth_model *adapted = open_model(base_path, adapter_path, NULL);
    hearth_model *plain = open_model(base_path, NULL, NULL);
    size_t n = hearth_model_get_info(plain)->n_vocab;
    write_merged(merged_path, g, 6.0f / RANK);
    hearth_model *merged = open_model(merged_path, NULL, NULL);
    float *base = logits_of(plain, NULL, 40), *want = logits_of(merged, NULL, 40);
    float *got = logits_of(adapted, NULL, 40), *pieces = logits_of(adapted, NULL, 5);
    float *without = logits_of(adapted, &none, 40);
    assert_true(nmse(base, want, n) > 1e-3); /* the adapter matters */
    assert_true(nmse(got, want, n) < 1e-9);
    assert_memory_equal(got, pieces, n * sizeof *got);
    assert_memory_equal(without, base, n * sizeof *base);
    hearth_model_close(merged);
    write_merged(merged_path, g, 0.5f * 6.0f / RANK);
    merged = open_model(merged_path, NULL, NULL);
    float *want_half = logits_of(merged, NULL, 40), *got_half = logits_of(adapted, &half, 40);
    assert_true(nmse(got_half, want_half, n) < 1e-9);
    hearth_model *scalar = open_model(base_path, adapter_path, "scalar");
    float *reference = logits_of(scalar, NULL, 8);
    assert_memory_equal(got, reference, n * sizeof *got);
    float *all[] = {base, want, got, pieces, without, want_half, got_half, reference};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    hearth_model_close(scalar);
    hearth_model_close(merged);
    hearth_model_close(plain);
    hearth_model_close(adapted);
    gguf_close(g);
}

static void test_adapter_is_the_merged_model(void **unused)
{
    (void)unused;
    check_family("llama");
    check_family("phi3"); /* fused */
}

static void test_scales(void **unused)
{
    (void)unused;
    static const float scales[] = {1.0f, 2.0f}, bad = NAN;
    gguf *g = write_base("llama");
    write_adapter(adapter_path, g, &(adapter_words){"adapter", "lora", "llama", 0.0f, 0, NULL});
    hearth_model *model = open_model(base_path, adapter_path, NULL);
    hearth_adapter_info info;
    assert_int_equal(hearth_model_n_adapters(model), 1);
    OK(hearth_model_adapter_at(model, 0, &info, &err));
    assert_int_equal(info.rank, RANK);
    assert_string_equal(info.path, adapter_path);
    assert_int_equal(hearth_model_adapter_at(model, 1, &info, &err), HEARTH_EINVAL);
    hearth_session *s;
    hearth_session_options options;
    hearth_session_options_init(&options);
    options.n_ctx = 64;
    OK(hearth_session_open(&s, model, &options, &err));
    assert_int_equal(hearth_session_set_adapters(s, scales, 2, &err), HEARTH_EINVAL);
    assert_int_equal(hearth_session_set_adapters(s, &bad, 1, &err), HEARTH_EINVAL);
    OK(hearth_session_set_adapters(s, &scales[1], 1, &err));
    OK(hearth_session_feed(s, (int32_t[]){1, 2}, 2, NULL, &err));
    assert_int_equal(hearth_session_set_adapters(s, scales, 1, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "rewind"));
    OK(hearth_session_rewind(s, 0, &err));
    OK(hearth_session_set_adapters(s, scales, 1, &err));
    hearth_session_close(s);
    hearth_model_close(model);
    gguf_close(g);
}

static void test_wrong_files_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        adapter_words words;
        hearth_status want;
        const char *part;
    } cases[] = {
        {{"model", "lora", "llama", 1.0f, 0, NULL}, HEARTH_EFORMAT, "general.type"},
        {{"adapter", "prefix", "llama", 1.0f, 0, NULL}, HEARTH_EFORMAT, "adapter.type"},
        {{"adapter", "lora", "qwen2", 1.0f, 0, NULL}, HEARTH_EMISMATCH, "qwen2"},
        {{"adapter", "lora", "llama", -1.0f, 0, NULL}, HEARTH_EFORMAT, "alpha"},
        {{"adapter", "lora", "llama", 1.0f, 1, NULL}, HEARTH_EMISMATCH, "in the model"},
        {{"adapter", "lora", "llama", 1.0f, 0, "blk.9.attn_q.weight.lora_a"},
         HEARTH_EMISMATCH,
         "blk.9.attn_q.weight"},
        {{"adapter", "lora", "llama", 1.0f, 0, "blk.0.attn_k.weight.lora_b"},
         HEARTH_EFORMAT,
         "pairs"},
        {{"adapter", "lora", "llama", 1.0f, 0, "token_embd.weight.lora_a"},
         HEARTH_EUNSUPPORTED,
         "token_embd.weight"},
        {{"adapter", "lora", "llama", 1.0f, 0, "blk.0.ffn_gate_exps.weight.lora_b"},
         HEARTH_EUNSUPPORTED,
         "exps"},
        {{"adapter", "lora", "llama", 1.0f, 0, "blk.0.attn_norm.weight"},
         HEARTH_EUNSUPPORTED,
         "attn_norm"},
        /* What no pass would apply. */
        {{"adapter", "lora", "llama", 1.0f, 0, "blk.0.attn_norm.weight.lora_a"},
         HEARTH_EUNSUPPORTED,
         "attn_norm"},
        {{"adapter", "lora", "llama", 1.0f, 0, "blk.0.ffn_gate_inp.weight.lora_a"},
         HEARTH_EUNSUPPORTED,
         "ffn_gate_inp"},
        {{"adapter", "lora", "llama", 1.0f, 0, "position_embd.weight.lora_a"},
         HEARTH_EUNSUPPORTED,
         "position_embd"},
        {{"adapter", "lora", "llama", 1.0f, 0, "blk..weight.lora_a"}, HEARTH_EUNSUPPORTED, "blk."},
    };
    gguf *g = write_base("llama");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = adapter_path;
        hearth_model_options options;
        hearth_model *model;
        write_adapter(adapter_path, g, &cases[i].words);
        hearth_model_options_init(&options);
        options.adapters = &path;
        options.n_adapters = 1;
        hearth_status status = hearth_model_open(&model, base_path, &options, &err);
        if (status != cases[i].want || strstr(err.message, cases[i].part) == NULL)
            fail_msg("case %zu: status %d, '%s'", i, status, err.message);
        assert_null(model);
    }
    gguf_close(g);
}

static hearth_engine *open_engine(const hearth_model *model)
{
    hearth_engine_options options;
    hearth_engine *e;
    hearth_engine_options_init(&options);
    options.n_ctx = 256;
    OK(hearth_engine_open(&e, model, &options, &err));
    return e;
}

/* The same prompt with several scales, at the same time and one after the other. */
static void test_requests_with_scales_of_their_own(void **unused)
{
    (void)unused;
    static const float full = 1.0f, none = 0.0f;
    static engine_run plain, first, again, without;
    gguf *g = write_base("llama");
    write_adapter(adapter_path, g, &(adapter_words){"adapter", "lora", "llama", 6.0f, 0, NULL});
    hearth_model *adapted = open_model(base_path, adapter_path, NULL);
    hearth_model *base = open_model(base_path, NULL, NULL);
    hearth_engine *e = open_engine(adapted), *e_base = open_engine(base);
    hearth_request_options o;
    hearth_sampler_options greedy;
    hearth_request *one, *other;
    int32_t tokens[150];
    engine_run_text(tokens, 150, 320, 5);
    hearth_request_options_init(&o);
    o.tokens = tokens;
    o.n_tokens = 150;
    o.max_tokens = 12;
    o.logprobs = true;
    hearth_sampler_options_init(&greedy);
    greedy.temperature = 0;
    o.sampler = &greedy;
    engine_run_whole(&plain, e_base, &o);
    OK(hearth_engine_submit(e, &o, &one, &err)); /* 1 is what is meant where nothing is said */
    o.n_adapters = 1;
    o.adapters = &none;
    OK(hearth_engine_submit(e, &o, &other, &err));
    engine_run_read(&first, one);
    engine_run_read(&without, other);
    assert_int_equal(without.hash, plain.hash);
    assert_int_not_equal(first.hash, plain.hash);
    assert_int_equal(without.done.n_cached, 0);
    o.adapters = &full;
    engine_run_whole(&again, e, &o);
    assert_int_equal(again.hash, first.hash);
    assert_true(again.done.n_cached >= 128);
    o.n_adapters = 2;
    assert_int_equal(hearth_engine_submit(e, &o, &one, &err), HEARTH_EINVAL);
    hearth_engine_close(e);
    hearth_engine_close(e_base);
    hearth_model_close(adapted);
    hearth_model_close(base);
    gguf_close(g);
}

/* ---- at run time ---- */

static hearth_adapter *write_and_open(const hearth_model *model, const gguf *g, float alpha)
{
    hearth_adapter *a;
    write_adapter(adapter_path, g, &(adapter_words){"adapter", "lora", "llama", alpha, 0, NULL});
    OK(hearth_adapter_open(&a, model, adapter_path, &err));
    return a;
}

static int32_t prompt[150];

static void set_options(hearth_request_options *o, const hearth_adapter_use *uses, size_t n)
{
    static hearth_sampler_options greedy;
    hearth_sampler_options_init(&greedy);
    greedy.temperature = 0;
    engine_run_text(prompt, 150, 320, 5);
    hearth_request_options_init(o);
    o->tokens = prompt;
    o->n_tokens = 150;
    o->max_tokens = 12;
    o->logprobs = true;
    o->sampler = &greedy;
    o->uses = uses;
    o->n_uses = n;
}

static uint64_t hash_with(hearth_engine *e, const hearth_adapter_use *uses, size_t n,
                          size_t *n_cached)
{
    static engine_run run;
    hearth_request_options o;
    set_options(&o, uses, n);
    engine_run_whole(&run, e, &o);
    *n_cached = run.done.n_cached;
    return run.hash;
}

/* What a model gives that was opened with the adapter at adapter_path. */
static uint64_t hash_opened_with(void)
{
    size_t n_cached;
    hearth_model *model = open_model(base_path, adapter_path, NULL);
    hearth_engine *e = open_engine(model);
    uint64_t hash = hash_with(e, NULL, 0, &n_cached);
    hearth_engine_close(e);
    hearth_model_close(model);
    return hash;
}

static uint64_t adapter_bytes(const hearth_engine *e)
{
    hearth_engine_stats stats = {.struct_size = sizeof stats};
    OK(hearth_engine_get_stats(e, &stats, &err));
    return stats.adapter_bytes;
}

static void test_adapters_come_and_go(void **unused)
{
    (void)unused;
    size_t n_cached;
    gguf *g = write_base("llama");
    hearth_model *model = open_model(base_path, NULL, NULL);
    hearth_engine *e = open_engine(model);
    uint64_t base = hash_with(e, NULL, 0, &n_cached);
    assert_int_equal(adapter_bytes(e), 0);
    hearth_adapter_use use = {write_and_open(model, g, 6.0f), 1.0f};
    OK(hearth_engine_prepare_adapter(e, use.adapter, &err));
    assert_true(adapter_bytes(e) > 0);
    uint64_t first = hash_with(e, &use, 1, &n_cached), first_wanted = hash_opened_with();
    assert_int_equal(n_cached, 0); /* of the base's text */
    assert_int_equal(first, first_wanted);
    assert_int_not_equal(first, base);
    assert_int_equal(hash_with(e, NULL, 0, &n_cached), base);
    assert_true(n_cached >= 128);
    assert_int_equal(hash_with(e, &use, 0, &n_cached), base); /* none, though there is one */
    hearth_adapter_close(use.adapter);
    /* Another file under the same name. */
    use.adapter = write_and_open(model, g, 3.0f);
    uint64_t second = hash_with(e, &use, 1, &n_cached), second_wanted = hash_opened_with();
    assert_int_equal(n_cached, 0);
    assert_int_equal(second, second_wanted);
    assert_int_not_equal(second, first);
    hearth_adapter_close(use.adapter);
    /* The first one again is known by what it holds. */
    use.adapter = write_and_open(model, g, 6.0f);
    assert_int_equal(hash_with(e, &use, 1, &n_cached), first);
    assert_true(n_cached >= 128);
    hearth_adapter_use both[] = {use, {write_and_open(model, g, 3.0f), 0.0f}};
    assert_int_equal(hash_with(e, both, 2, &n_cached), first); /* 0 is not there */
    both[1].scale = 0.5f;
    assert_int_not_equal(hash_with(e, both, 2, &n_cached), first);
    hearth_adapter_close(both[0].adapter);
    hearth_adapter_close(both[1].adapter);
    assert_int_equal(hash_with(e, NULL, 0, &n_cached), base);
    hearth_engine_close(e);
    hearth_model_close(model);
    gguf_close(g);
}

/* Closed right after submit: by who waits, who runs, and beside one without it. */
static void test_requests_keep_a_closed_adapter(void **unused)
{
    (void)unused;
    enum { N = 12 };
    static engine_run run;
    size_t n_cached;
    gguf *g = write_base("llama");
    hearth_model *model = open_model(base_path, NULL, NULL);
    hearth_engine *e = open_engine(model);
    uint64_t base = hash_with(e, NULL, 0, &n_cached);
    hearth_adapter_use use = {write_and_open(model, g, 6.0f), 1.0f};
    uint64_t adapted = hash_with(e, &use, 1, &n_cached);
    hearth_request *requests[N];
    for (size_t i = 0; i < N; i++) {
        hearth_request_options o;
        set_options(&o, &use, i % 2);
        OK(hearth_engine_submit(e, &o, &requests[i], &err));
    }
    hearth_adapter_close(use.adapter);
    for (size_t i = 0; i < N; i++) {
        engine_run_read(&run, requests[i]);
        assert_int_equal(run.hash, i % 2 ? adapted : base);
    }
    use.adapter = write_and_open(model, g, 6.0f);
    hearth_request_options o;
    set_options(&o, &use, 1);
    OK(hearth_engine_submit(e, &o, &requests[0], &err));
    hearth_adapter_close(use.adapter);
    hearth_engine_close(e); /* ends it */
    hearth_request_free(requests[0]);
    hearth_model_close(model);
    gguf_close(g);
}

static void test_wrong_uses_are_refused(void **unused)
{
    (void)unused;
    hearth_request *r;
    hearth_request_options o;
    gguf *g = write_base("llama");
    hearth_model *model = open_model(base_path, NULL, NULL), *other;
    hearth_engine *e = open_engine(model);
    hearth_adapter_use use = {write_and_open(model, g, 6.0f), NAN};
    other = open_model(base_path, NULL, NULL);
    set_options(&o, &use, 1);
    assert_int_equal(hearth_engine_submit(e, &o, &r, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "finite"));
    hearth_adapter_close(use.adapter);
    use = (hearth_adapter_use){NULL, 1.0f};
    assert_int_equal(hearth_engine_submit(e, &o, &r, &err), HEARTH_EINVAL);
    OK(hearth_adapter_open(&use.adapter, other, adapter_path, &err));
    assert_int_equal(hearth_engine_submit(e, &o, &r, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "another model"));
    hearth_adapter_close(use.adapter);
    hearth_model_close(other);
    hearth_adapter *a;
    write_adapter(adapter_path, g, &(adapter_words){"adapter", "lora", "llama", 1.0f, 1, NULL});
    assert_int_equal(hearth_adapter_open(&a, model, adapter_path, &err), HEARTH_EMISMATCH);
    assert_non_null(strstr(err.message, "blk.0.attn_q.weight"));
    assert_null(a);
    assert_int_equal(hearth_adapter_open(&a, model, "/nowhere/a.gguf", &err), HEARTH_ENOTFOUND);
    assert_int_equal(hearth_adapter_open(&a, model, "", &err), HEARTH_EINVAL);
    hearth_engine_close(e);
    hearth_model_close(model);
    gguf_close(g);
}

/* A file that is cut ends the requests with it, and no others. */
static void test_lost_adapter(void **unused)
{
    (void)unused;
    size_t n_cached;
    hearth_request *r;
    hearth_request_event event;
    hearth_request_options o;
    hearth_status status;
    gguf *g = write_base("llama");
    hearth_model *model = open_model(base_path, NULL, NULL);
    hearth_engine *e = open_engine(model);
    uint64_t base = hash_with(e, NULL, 0, &n_cached);
    hearth_adapter_use use = {write_and_open(model, g, 6.0f), 1.0f};
    assert_int_equal(truncate(adapter_path, 0), 0);
    set_options(&o, &use, 1);
    OK(hearth_engine_submit(e, &o, &r, &err));
    while ((status = hearth_request_next(r, -1, &event, &err)) == HEARTH_OK)
        assert_int_not_equal(event.type, HEARTH_REQUEST_DONE);
    assert_int_equal(status, HEARTH_EIO);
    assert_non_null(strstr(err.message, adapter_path));
    hearth_request_free(r);
    assert_int_equal(hash_with(e, NULL, 0, &n_cached), base);
    hearth_adapter_close(use.adapter);
    hearth_engine_close(e);
    hearth_model_close(model);
    gguf_close(g);
}

static void embed_with(hearth_engine *e, const hearth_adapter_use *use, size_t n, float *out)
{
    static const int32_t tokens[] = {3, 5, 7, 11};
    hearth_embed_item item = {tokens, 4, out};
    hearth_embed_options o;
    hearth_embed_options_init(&o);
    o.pooling = HEARTH_POOLING_MEAN;
    o.uses = use;
    o.n_uses = n;
    OK(hearth_engine_embed(e, &item, 1, &o, &err));
}

static void test_embeddings_and_sessions_with_adapters(void **unused)
{
    (void)unused;
    gguf *g = write_base("llama");
    hearth_model *model = open_model(base_path, NULL, NULL);
    size_t n = hearth_model_get_info(model)->n_embd,
           n_vocab = hearth_model_get_info(model)->n_vocab;
    hearth_adapter_use use = {write_and_open(model, g, 6.0f), 1.0f};
    hearth_model *own = open_model(base_path, adapter_path, NULL);
    hearth_engine *e = open_engine(model), *e_own = open_engine(own);
    float *x = malloc(3 * n * sizeof *x);
    embed_with(e, NULL, 0, x);
    embed_with(e, &use, 1, x + n);
    embed_with(e_own, NULL, 0, x + 2 * n);
    assert_memory_equal(x + n, x + 2 * n, n * sizeof *x);
    assert_memory_not_equal(x, x + n, n * sizeof *x);
    free(x);

    hearth_session *s, *fork;
    hearth_session_options options;
    hearth_session_options_init(&options);
    options.n_ctx = 64;
    float *want = malloc(n_vocab * sizeof *want);
    OK(hearth_session_open(&s, own, &options, &err));
    OK(hearth_session_feed(s, (int32_t[]){1, 2, 3}, 3, NULL, &err));
    memcpy(want, hearth_session_logits(s), n_vocab * sizeof *want);
    hearth_session_close(s);
    OK(hearth_session_open(&s, model, &options, &err));
    OK(hearth_session_use_adapters(s, &use, 1, &err));
    hearth_adapter_close(use.adapter);
    OK(hearth_session_feed(s, (int32_t[]){1, 2}, 2, NULL, &err));
    assert_int_equal(hearth_session_use_adapters(s, NULL, 0, &err), HEARTH_EINVAL);
    OK(hearth_session_fork(&fork, s, &err));
    hearth_session_close(s);
    OK(hearth_session_feed(fork, (int32_t[]){3}, 1, NULL, &err));
    assert_memory_equal(hearth_session_logits(fork), want, n_vocab * sizeof *want);
    OK(hearth_session_rewind(fork, 0, &err));
    OK(hearth_session_use_adapters(fork, NULL, 0, &err));
    OK(hearth_session_feed(fork, (int32_t[]){1, 2, 3}, 3, NULL, &err));
    assert_memory_not_equal(hearth_session_logits(fork), want, n_vocab * sizeof *want);
    hearth_session_close(fork);
    free(want);
    hearth_engine_close(e);
    hearth_engine_close(e_own);
    hearth_model_close(own);
    hearth_model_close(model);
    gguf_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adapter_is_the_merged_model),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_requests_with_scales_of_their_own),
        cmocka_unit_test(test_wrong_files_are_refused),
        cmocka_unit_test(test_adapters_come_and_go),
        cmocka_unit_test(test_requests_keep_a_closed_adapter),
        cmocka_unit_test(test_wrong_uses_are_refused),
        cmocka_unit_test(test_lost_adapter),
        cmocka_unit_test(test_embeddings_and_sessions_with_adapters),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
