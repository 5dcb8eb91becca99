/* SPDX-License-Identifier: MIT
 *
 * test_self_extend.c - texts longer than a model was trained for: logits are those of a plain
 * forward pass in double precision in which every pair of a query and a key has the positions that
 * self-extend says; and they are the same bits however the text was read.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hearth/hearth.h>

#include "support/engine_run.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

enum {
    N_TOKENS = 210, /* of a model with a context of 64 */
    N_CTX = 256,
    N_LONG = 1300,
    EMBD = 64,
    HEADS = 4,
    HEADS_KV = 2,
    DIM = EMBD / HEADS,
    FF = 96,
    VOCAB = 320,
    GROUP = 4,
    WIDTH = 32
};

static char folder[64], path[96], state_path[96];
static hearth_error err;
static int32_t tokens[N_LONG];

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != HEARTH_OK)                                                                   \
            fail_msg("%s", err.message);                                                           \
    } while (0)

static void write_model(const char *arch, uint32_t n_layer)
{
    tiny_model_options o;
    tiny_model_options_init(&o, arch);
    o.type = WTYPE_F32;
    o.n_ctx = 64;
    o.n_layer = n_layer;
    tiny_model_write(path, &o);
}

static int make_folder(void **unused)
{
    (void)unused;
    if (!test_temporary(folder, sizeof folder))
        return 1;
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    snprintf(state_path, sizeof state_path, "%s/state", folder);
    engine_run_text(tokens, N_LONG, VOCAB, 3);
    write_model("llama", 2);
    return 0;
}

static int remove_folder(void **unused)
{
    (void)unused;
    test_remove(folder);
    return 0;
}

/* ---- the reference ---- */

static const float *weights_of(const gguf *g, int layer, const char *part)
{
    char name[64];
    if (layer < 0)
        snprintf(name, sizeof name, "%s.weight", part);
    else
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, part);
    return (const float *)(const void *)gguf_find_tensor(g, name)->data;
}

static void multiply(const float *w, const double *x, size_t k, size_t n_rows, double *y)
{
    for (size_t r = 0; r < n_rows; r++) {
        y[r] = 0;
        for (size_t i = 0; i < k; i++)
            y[r] += w[r * k + i] * x[i];
    }
}

static void normalize(const float *w, const double *x, double *y)
{
    double sum = 0;
    for (size_t i = 0; i < EMBD; i++)
        sum += x[i] * x[i];
    for (size_t i = 0; i < EMBD; i++)
        y[i] = x[i] / sqrt(sum / EMBD + 1e-5) * w[i];
}

/* q . k of one head, turned to these positions. */
static double turned_dot(const double *q, int q_position, const double *k, int k_position)
{
    double sum = 0;
    for (int i = 0; i < DIM / 2; i++) {
        double turn = pow(10000.0, -2.0 * i / DIM), a = q_position * turn, b = k_position * turn;
        double q0 = q[2 * i] * cos(a) - q[2 * i + 1] * sin(a);
        double q1 = q[2 * i] * sin(a) + q[2 * i + 1] * cos(a);
        double k0 = k[2 * i] * cos(b) - k[2 * i + 1] * sin(b);
        double k1 = k[2 * i] * sin(b) + k[2 * i + 1] * cos(b);
        sum += q0 * k0 + q1 * k1;
    }
    return sum;
}

static double score(const double *q, int i, const double *k, int j, bool extend)
{
    if (!extend || i - j < WIDTH)
        return turned_dot(q, i, k, j) / sqrt(DIM);
    return turned_dot(q, i / GROUP + WIDTH - WIDTH / GROUP, k, j / GROUP) / sqrt(DIM);
}

typedef struct rows {
    double x[N_TOKENS][EMBD], in[N_TOKENS][EMBD], q[N_TOKENS][EMBD];
    double k[N_TOKENS][HEADS_KV * DIM], v[N_TOKENS][HEADS_KV * DIM];
} rows;

static void attend(const rows *r, int i, int head, bool extend, double *out)
{
    static double p[N_TOKENS];
    int head_kv = head / (HEADS / HEADS_KV);
    double greatest = -INFINITY, sum = 0;
    for (int j = 0; j <= i; j++) {
        p[j] = score(&r->q[i][head * DIM], i, &r->k[j][head_kv * DIM], j, extend);
        greatest = fmax(greatest, p[j]);
    }
    for (int j = 0; j <= i; j++)
        sum += p[j] = exp(p[j] - greatest);
    for (int d = 0; d < DIM; d++) {
        out[d] = 0;
        for (int j = 0; j <= i; j++)
            out[d] += p[j] / sum * r->v[j][head_kv * DIM + d];
    }
}

static void run_layer(const gguf *g, int il, rows *r, bool extend)
{
    double heads[EMBD], out[EMBD], gate[FF], up[FF];
    for (int i = 0; i < N_TOKENS; i++) {
        normalize(weights_of(g, il, "attn_norm"), r->x[i], r->in[i]);
        multiply(weights_of(g, il, "attn_q"), r->in[i], EMBD, EMBD, r->q[i]);
        multiply(weights_of(g, il, "attn_k"), r->in[i], EMBD, HEADS_KV * DIM, r->k[i]);
        multiply(weights_of(g, il, "attn_v"), r->in[i], EMBD, HEADS_KV * DIM, r->v[i]);
    }
    for (int i = 0; i < N_TOKENS; i++) {
        for (int head = 0; head < HEADS; head++)
            attend(r, i, head, extend, heads + head * DIM);
        multiply(weights_of(g, il, "attn_output"), heads, EMBD, EMBD, out);
        for (int d = 0; d < EMBD; d++)
            r->x[i][d] += out[d];
        normalize(weights_of(g, il, "ffn_norm"), r->x[i], r->in[i]);
        multiply(weights_of(g, il, "ffn_gate"), r->in[i], EMBD, FF, gate);
        multiply(weights_of(g, il, "ffn_up"), r->in[i], EMBD, FF, up);
        for (int d = 0; d < FF; d++)
            gate[d] = gate[d] / (1 + exp(-gate[d])) * up[d];
        multiply(weights_of(g, il, "ffn_down"), gate, FF, EMBD, out);
        for (int d = 0; d < EMBD; d++)
            r->x[i][d] += out[d];
    }
}

/* Logits after the last token. */
static void reference(bool extend, double *logits)
{
    static rows r;
    double last[EMBD];
    gguf *g;
    OK(gguf_open(&g, path, NULL, &err));
    for (int i = 0; i < N_TOKENS; i++)
        for (int d = 0; d < EMBD; d++)
            r.x[i][d] = weights_of(g, -1, "token_embd")[tokens[i] * EMBD + d];
    for (int il = 0; il < 2; il++)
        run_layer(g, il, &r, extend);
    normalize(weights_of(g, -1, "output_norm"), r.x[N_TOKENS - 1], last);
    multiply(weights_of(g, -1, "output"), last, EMBD, VOCAB, logits);
    gguf_close(g);
}

static double nmse(const float *x, const double *want)
{
    double error = 0, power = 0;
    for (size_t i = 0; i < VOCAB; i++) {
        error += (x[i] - want[i]) * (x[i] - want[i]);
        power += want[i] * want[i];
    }
    return error / power;
}

/* ---- the library ---- */

static hearth_model *open_model(const char *isa)
{
    hearth_model_options o;
    hearth_model *model;
    hearth_model_options_init(&o);
    o.isa = isa;
    OK(hearth_model_open(&model, path, &o, &err));
    return model;
}

static hearth_session_options session_options(uint32_t group_n, uint32_t group_w)
{
    hearth_session_options o;
    hearth_session_options_init(&o);
    o.n_ctx = N_CTX;
    o.cache_type_k = o.cache_type_v = HEARTH_CACHE_F32;
    o.group_n = group_n;
    o.group_w = group_w;
    return o;
}

/* Logits after n tokens, read in pieces. */
static void run(const hearth_model *model, const hearth_session_options *o, size_t n, size_t piece,
                float *logits)
{
    hearth_session *s;
    OK(hearth_session_open(&s, model, o, &err));
    for (size_t at = 0; at < n; at += piece)
        OK(hearth_session_feed(s, tokens + at, n - at < piece ? n - at : piece, NULL, &err));
    memcpy(logits, hearth_session_logits(s), VOCAB * sizeof *logits);
    hearth_session_close(s);
}

static void test_positions(void **unused)
{
    (void)unused;
    static double want[VOCAB], plain[VOCAB];
    static float got[VOCAB];
    hearth_model *model = open_model(NULL);
    hearth_session_options o = session_options(1, 0);
    reference(true, want);
    reference(false, plain);
    run(model, &o, N_TOKENS, N_TOKENS, got);
    assert_true(nmse(got, plain) < 1e-9);
    assert_true(nmse(got, want) > 1e-4); /* self-extend matters */
    o = session_options(GROUP, WIDTH);
    run(model, &o, N_TOKENS, N_TOKENS, got);
    if (nmse(got, want) > 1e-9)
        fail_msg("error %g, to plain %g", nmse(got, want), nmse(got, plain));
    o.cache_type_k = o.cache_type_v = HEARTH_CACHE_F16;
    run(model, &o, N_TOKENS, N_TOKENS, got);
    assert_true(nmse(got, want) < 1e-6);
    o.cache_type_k = o.cache_type_v = HEARTH_CACHE_Q8_0;
    run(model, &o, N_TOKENS, N_TOKENS, got);
    assert_true(nmse(got, want) < 1e-3);
    hearth_model_close(model);
}

static void test_same_bits(void **unused)
{
    (void)unused;
    static float want[VOCAB], got[VOCAB];
    hearth_model *model = open_model(NULL), *scalar = open_model("scalar");
    hearth_session_options o = session_options(GROUP, WIDTH);
    for (int type = HEARTH_CACHE_F32; type <= HEARTH_CACHE_Q8_0; type++) {
        o.cache_type_k = o.cache_type_v = (hearth_cache_type)type;
        o.n_threads = 1;
        run(model, &o, N_TOKENS, N_TOKENS, want);
        run(model, &o, N_TOKENS, 7, got);
        assert_memory_equal(got, want, sizeof want);
        run(model, &o, N_TOKENS, 1, got);
        assert_memory_equal(got, want, sizeof want);
        run(scalar, &o, N_TOKENS, 64, got);
        assert_memory_equal(got, want, sizeof want);
        o.n_threads = 3;
        run(model, &o, N_TOKENS, 100, got);
        assert_memory_equal(got, want, sizeof want);
    }
    /* More than a chunk of far keys. */
    o.n_ctx = N_LONG;
    run(model, &o, N_LONG, N_LONG, want);
    run(scalar, &o, N_LONG, 90, got);
    assert_memory_equal(got, want, sizeof want);
    /* Where nothing is far all is as usual. */
    o = session_options(GROUP, WIDTH);
    run(model, &o, WIDTH, WIDTH, got);
    o = session_options(1, 0);
    run(model, &o, WIDTH, WIDTH, want);
    assert_memory_equal(got, want, sizeof want);
    hearth_model_close(scalar);
    hearth_model_close(model);
}

static void test_engine(void **unused)
{
    (void)unused;
    static engine_run alone, cached, fresh;
    hearth_model *model = open_model(NULL);
    hearth_engine_options o;
    hearth_engine *e;
    hearth_request_options r;
    hearth_engine_plan_result plain, plan;
    hearth_engine_options_init(&o);
    o.n_ctx = N_CTX;
    OK(hearth_engine_plan(model, &o, &plain, &err));
    o.group_n = GROUP;
    o.group_w = WIDTH;
    OK(hearth_engine_plan(model, &o, &plan, &err));
    assert_int_equal(plan.page_bytes, plain.page_bytes / 2 * 3); /* keys twice, values once */
    OK(hearth_engine_open(&e, model, &o, &err));
    hearth_request_options_init(&r);
    r.tokens = tokens;
    r.n_tokens = N_TOKENS;
    r.max_tokens = 20;
    r.logprobs = true;
    hearth_sampler_options greedy;
    hearth_sampler_options_init(&greedy);
    greedy.temperature = 0;
    r.sampler = &greedy;
    engine_run_whole(&alone, e, &r);
    engine_run_whole(&cached, e, &r);
    assert_true(cached.done.n_cached >= 192);
    assert_int_equal(cached.hash, alone.hash);
    r.no_cache_prompt = true;
    engine_run_whole(&fresh, e, &r);
    assert_int_equal(fresh.done.n_cached, 0);
    assert_int_equal(fresh.hash, alone.hash);
    hearth_engine_close(e);
    hearth_model_close(model);
}

static void test_files_are_not_exchanged(void **unused)
{
    (void)unused;
    hearth_model *model = open_model(NULL);
    hearth_session *s, *other;
    hearth_session_options o = session_options(GROUP, WIDTH);
    OK(hearth_session_open(&s, model, &o, &err));
    o.group_w = 2 * WIDTH;
    OK(hearth_session_open(&other, model, &o, &err));
    OK(hearth_session_feed(s, tokens, 100, NULL, &err));
    OK(hearth_session_save(s, state_path, &err));
    assert_int_equal(hearth_session_load(other, state_path, &err), HEARTH_EMISMATCH);
    OK(hearth_session_rewind(s, 0, &err));
    OK(hearth_session_load(s, state_path, &err));
    assert_int_equal(hearth_session_n_tokens(s), 100);
    hearth_session_close(s);
    hearth_session_close(other);
    hearth_model_close(model);
}

static void test_refused(void **unused)
{
    (void)unused;
    static const char *const others[] = {"gemma2", "mpt", "bert", "gpt2", "smollm3"};
    static const struct {
        uint32_t n, w;
    } wrong[] = {{3, 32}, {4, 30}, {2000, 2000}, {1000, 512}};
    hearth_plan plan;
    hearth_model *model = open_model(NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hearth_session_options o = session_options(wrong[i].n, wrong[i].w);
        assert_int_equal(hearth_model_plan(model, &o, &plan, &err), HEARTH_EINVAL);
        assert_string_equal(err.where, "group_w");
    }
    hearth_model_close(model);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        hearth_session_options o = session_options(2, 0);
        o.n_ctx = 32;
        write_model(others[i], 4); /* smollm3's fourth layer does not turn */
        model = open_model(NULL);
        hearth_status status = hearth_model_plan(model, &o, &plan, &err);
        if (status != HEARTH_EUNSUPPORTED || strstr(err.message, others[i]) == NULL)
            fail_msg("%s: status %d", others[i], status);
        o.group_n = 1;
        OK(hearth_model_plan(model, &o, &plan, &err));
        hearth_model_close(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions), cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_engine),    cmocka_unit_test(test_files_are_not_exchanged),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
