/* SPDX-License-Identifier: MIT
 *
 * train.c - see train.h.
 *
 * A checkpoint is a header, then the parameters and both moments as they lie in memory:
 *     u64 magic, u64 fingerprint of the run, u32 step, u32 0, u64 n, float w[n], m[n], v[n],
 *     u64 hash of all before it
 */
#include "ember/train.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "base/mem.h"
#include "ember/conversation.h"
#include "os/clock.h"
#include "os/file.h"

enum { CHUNK = 1 << 14 };                  /* parameters per piece of work */
#define DROPOUT_SALT 0x64726f706f757421ull /* keeps its numbers apart from the corpus's */

typedef struct trainer {
    net *n;
    const net_shape *shape;
    const corpus *c;
    const hearth_model *vocabulary;
    const train_options *o;
    size_t n_parameters;
    float *m, *v;    /* AdamW's moments */
    uint8_t *decays; /* 1 where weight decay applies */
    double *squares; /* of each chunk of the gradient */
    token_list batch;
    size_t *starts;
    size_t n_sequences, max_sequences;
    uint64_t fingerprint;
} trainer;

/* ---- batches ---- */

static hearth_status add_sequence(trainer *t, hearth_error *err)
{
    if (t->n_sequences + 2 > t->max_sequences) {
        size_t more = t->max_sequences ? 2 * t->max_sequences : 1024;
        size_t *starts = mem_realloc_array(t->starts, more, sizeof *starts);
        if (starts == NULL)
            return error_no_memory(err, "a batch", more);
        t->starts = starts;
        t->max_sequences = more;
    }
    t->starts[++t->n_sequences] = t->batch.n;
    return HEARTH_OK;
}

/* The first part of the run gets to know the words, and is kept from learning texts by heart: one
 * conversation in three has its questions learnt too, and units are left out. The rest learns the
 * answers alone, with all units. */
static bool is_early(const train_options *o, uint32_t step)
{
    return step < 0.55 * o->n_steps;
}

/* Conversations until the batch is full. The last one may be cut by whole turns. */
static hearth_status draw_batch(trainer *t, uint32_t step, hearth_error *err)
{
    rng r = rng_new(t->o->seed, step);
    bool is_early_step = is_early(t->o, step);
    hearth_status status = HEARTH_OK;
    t->batch.n = 0;
    t->n_sequences = 0;
    if (t->starts)
        t->starts[0] = 0;
    while (status == HEARTH_OK && t->batch.n + 64 < t->o->batch_tokens) {
        conversation one;
        size_t before = t->batch.n, room = t->o->batch_tokens - before;
        TRY(conversation_draw(&one, t->c, &r, err));
        status = conversation_tokenize(
            &one, t->vocabulary, room < t->shape->n_ctx ? room : t->shape->n_ctx,
            is_early_step && t->n_sequences % 3 == 0 ? 0.5f : 0.0f, &t->batch, err);
        conversation_clear(&one);
        if (status == HEARTH_OK && t->batch.n > before)
            status = add_sequence(t, err);
    }
    t->starts[0] = 0;
    return status;
}

/* ---- AdamW ---- */

typedef struct update_job {
    trainer *t;
    float rate, scale; /* scale: of the gradient, by clipping */
    float correct_m, correct_v;
} update_job;

static size_t chunk_end(const trainer *t, size_t chunk)
{
    size_t end = (chunk + 1) * CHUNK;
    return end < t->n_parameters ? end : t->n_parameters;
}

static void square_chunk(void *arg, size_t chunk, int worker)
{
    trainer *t = arg;
    const float *g = net_gradients(t->n);
    double lanes[16] = {0}, sum = 0;
    (void)worker;
    for (size_t i = chunk * CHUNK; i < chunk_end(t, chunk); i++)
        lanes[i % 16] += (double)g[i] * (double)g[i];
    for (size_t i = 0; i < 16; i++)
        sum += lanes[i];
    t->squares[chunk] = sum;
}

static void update_chunk(void *arg, size_t chunk, int worker)
{
    const float beta1 = 0.9f, beta2 = 0.98f, epsilon = 1e-9f, decay = 0.05f;
    const update_job *j = arg;
    trainer *t = j->t;
    float *w = net_parameters(t->n);
    const float *g = net_gradients(t->n);
    (void)worker;
    for (size_t i = chunk * CHUNK; i < chunk_end(t, chunk); i++) {
        float slope = g[i] * j->scale;
        t->m[i] = beta1 * t->m[i] + (1.0f - beta1) * slope;
        t->v[i] = beta2 * t->v[i] + (1.0f - beta2) * slope * slope;
        float move = t->m[i] * j->correct_m / (sqrtf(t->v[i] * j->correct_v) + epsilon);
        w[i] -= j->rate * (move + (t->decays[i] ? decay * w[i] : 0.0f));
    }
}

static size_t n_chunks(const trainer *t)
{
    return (t->n_parameters + CHUNK - 1) / CHUNK;
}

static void update(trainer *t, uint32_t step, double rate)
{
    double squares = 0;
    net_run(t->n, square_chunk, t, n_chunks(t));
    for (size_t i = 0; i < n_chunks(t); i++)
        squares += t->squares[i];
    double length = sqrt(squares);
    update_job job = {.t = t,
                      .rate = (float)rate,
                      .scale = length > 1 ? (float)(1 / length) : 1.0f,
                      .correct_m = (float)(1 / (1 - fmath_pow(0.9, (double)step + 1))),
                      .correct_v = (float)(1 / (1 - fmath_pow(0.98, (double)step + 1)))};
    net_run(t->n, update_chunk, &job, n_chunks(t));
}

static double rate_at(const train_options *o, uint32_t step)
{
    double rise = 100, fall = 0.5 * o->n_steps, left = (double)(o->n_steps - step);
    double rate = o->rate;
    if (step < rise)
        rate *= (step + 1) / rise;
    return left < fall ? rate * left / fall : rate;
}

/* ---- checkpoints ---- */

#define CHECKPOINT_MAGIC 0x31544b4352424d45ull

typedef struct checkpoint_head {
    uint64_t magic, fingerprint;
    uint32_t step, zero;
    uint64_t n;
} checkpoint_head;

static hearth_status save(const trainer *t, uint32_t step, hearth_error *err)
{
    checkpoint_head head = {CHECKPOINT_MAGIC, t->fingerprint, step, 0, t->n_parameters};
    const float *parts[] = {net_parameters(t->n), t->m, t->v};
    uint64_t hash = hash_bytes(HASH_START, &head, sizeof head);
    file_writer *w = NULL;
    hearth_status status = file_writer_open(&w, t->o->checkpoint, err);
    if (status == HEARTH_OK)
        status = file_writer_write(w, &head, sizeof head, err);
    for (size_t i = 0; i < 3 && status == HEARTH_OK; i++) {
        hash = hash_bytes(hash, parts[i], t->n_parameters * sizeof(float));
        status = file_writer_write(w, parts[i], t->n_parameters * sizeof(float), err);
    }
    if (status == HEARTH_OK)
        status = file_writer_write(w, &hash, sizeof hash, err);
    if (status == HEARTH_OK)
        status = file_writer_commit(w, err);
    file_writer_close(w);
    return status;
}

static hearth_status resume(trainer *t, uint32_t *step, hearth_error *err)
{
    const char *path = t->o->checkpoint;
    size_t body = t->n_parameters * sizeof(float), want = sizeof(checkpoint_head) + 3 * body + 8, n;
    checkpoint_head head;
    uint64_t hash;
    char *bytes;
    TRY(file_read_all(path, want + 1, &bytes, &n, err));
    memcpy(&head, bytes, n < sizeof head ? n : sizeof head);
    bool same = n == want && head.magic == CHECKPOINT_MAGIC && head.fingerprint == t->fingerprint;
    if (same) {
        memcpy(&hash, bytes + want - 8, 8);
        same = hash == hash_bytes(HASH_START, bytes, want - 8);
    }
    if (same) {
        memcpy(net_parameters(t->n), bytes + sizeof head, body);
        memcpy(t->m, bytes + sizeof head + body, body);
        memcpy(t->v, bytes + sizeof head + 2 * body, body);
        *step = head.step;
    }
    mem_free(bytes);
    if (!same)
        FAIL(err, EMISMATCH, path,
             "%s is damaged or of a run with other options or another corpus; remove it to begin "
             "anew",
             path);
    return HEARTH_OK;
}

/* What the bits of a run depend on: shape, options, and the corpus as its first batches show it. */
static hearth_status take_fingerprint(trainer *t, hearth_error *err)
{
    const train_options *o = t->o;
    uint64_t h = hash_bytes(HASH_START, t->shape, sizeof *t->shape);
    h = hash_bytes(h, &o->seed, sizeof o->seed);
    h = hash_bytes(h, &o->n_steps, sizeof o->n_steps);
    h = hash_bytes(h, &o->batch_tokens, sizeof o->batch_tokens);
    h = hash_bytes(h, &o->rate, sizeof o->rate);
    h = hash_bytes(h, &o->dropout, sizeof o->dropout);
    for (uint32_t step = 0; step < 4; step++) {
        TRY(draw_batch(t, step, err));
        h = hash_bytes(h, t->batch.tokens, t->batch.n * sizeof *t->batch.tokens);
        h = hash_bytes(h, t->batch.weights, t->batch.n * sizeof *t->batch.weights);
    }
    t->fingerprint = h;
    return HEARTH_OK;
}

/* ---- the run ---- */

static hearth_status open_trainer(trainer *t, hearth_error *err)
{
    size_t n = t->n_parameters = net_get_layout(t->n)->n;
    t->m = mem_calloc(n, sizeof *t->m);
    t->v = mem_calloc(n, sizeof *t->v);
    t->decays = mem_alloc(n);
    t->squares = mem_alloc_array(n_chunks(t), sizeof *t->squares);
    if (t->m == NULL || t->v == NULL || t->decays == NULL || t->squares == NULL)
        return error_no_memory(err, "the optimizer", n * 9);
    for (size_t i = 0; i < n; i++)
        t->decays[i] = !net_is_norm(net_get_layout(t->n), t->shape, i);
    return take_fingerprint(t, err);
}

static void close_trainer(trainer *t)
{
    mem_free(t->m);
    mem_free(t->v);
    mem_free(t->decays);
    mem_free(t->squares);
    mem_free(t->starts);
    token_list_deinit(&t->batch);
}

static hearth_status run_step(trainer *t, uint32_t step, hearth_error *err)
{
    uint64_t start = clock_now_ns();
    double rate = rate_at(t->o, step);
    TRY(draw_batch(t, step, err));
    rng key = rng_new(t->o->seed ^ DROPOUT_SALT, step);
    net_batch batch = {.n_tokens = t->batch.n,
                       .tokens = t->batch.tokens,
                       .targets = t->batch.targets,
                       .weights = t->batch.weights,
                       .n_sequences = t->n_sequences,
                       .starts = t->starts,
                       .dropout = is_early(t->o, step) ? t->o->dropout : 0.0f,
                       .dropout_key = rng_next(&key)};
    double loss = net_gradient(t->n, &batch);
    if (!isfinite(loss))
        FAIL(err, EINTERNAL, "loss", "the loss is no number at step %u; lower the learning rate",
             step);
    update(t, step, rate);
    if (t->o->on_step)
        t->o->on_step(t->o->user, step, loss, rate, (double)(clock_now_ns() - start) * 1e-9);
    return HEARTH_OK;
}

static hearth_status run_steps(trainer *t, hearth_error *err)
{
    const train_options *o = t->o;
    uint32_t step = 0;
    TRY(open_trainer(t, err));
    net_init_parameters(t->n, o->seed);
    if (o->checkpoint && file_exists(o->checkpoint))
        TRY(resume(t, &step, err));
    for (; step < o->n_steps; step++) {
        TRY(run_step(t, step, err));
        uint32_t done = step + 1;
        bool leave = o->stop_after && done >= o->stop_after;
        if (o->checkpoint && (done == o->n_steps || (!leave && done % o->checkpoint_steps == 0)))
            TRY(save(t, done, err));
        if (leave)
            FAIL(err, ECANCELED, "train", "stopped after step %u", done);
    }
    return HEARTH_OK;
}

hearth_status train_run(net *n, const net_shape *shape, const corpus *c,
                        const hearth_model *vocabulary, const train_options *options,
                        hearth_error *err)
{
    trainer t = {.n = n, .shape = shape, .c = c, .vocabulary = vocabulary, .o = options};
    hearth_status status = run_steps(&t, err);
    close_trainer(&t);
    return status;
}
