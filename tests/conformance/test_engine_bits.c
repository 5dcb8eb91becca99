/* SPDX-License-Identifier: MIT
 *
 * test_engine_bits.c - law 1 for an engine: tokens, log probabilities and candidates of a request
 * are the same bits alone and beside others, read whole and in pieces, from the cache, from disk,
 * after its pages were taken from it, and on a session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/engine_run.h"
#include "support/models.h"

enum { N_CTX = 256, N_REQUESTS = 8, N_NEW = 12 };

typedef struct way {
    const char *name;
    uint32_t n_parallel, n_batch, n_fair;
    int32_t n_threads;
    uint64_t pages; /* 0: as chosen */
    bool together;
    bool disk;
    int rounds;
} way;

static const way ways[] = {
    {.name = "alone", .n_parallel = 1, .n_threads = 1, .rounds = 1},
    {.name = "from the cache", .n_parallel = 1, .n_threads = 2, .rounds = 2},
    {.name = "together", .n_parallel = 8, .n_threads = 2, .together = true, .rounds = 2},
    {.name = "in pieces",
     .n_parallel = 3,
     .n_batch = 7,
     .n_fair = 3,
     .n_threads = 2,
     .together = true,
     .rounds = 1},
    {.name = "short of pages",
     .n_parallel = 8,
     .n_threads = 3,
     .pages = 5,
     .together = true,
     .rounds = 2},
    {.name = "to disk",
     .n_parallel = 4,
     .n_threads = 2,
     .together = true,
     .disk = true,
     .rounds = 1},
    {.name = "from disk",
     .n_parallel = 4,
     .n_threads = 2,
     .together = true,
     .disk = true,
     .rounds = 1},
};

static void check(hearth_status status, const hearth_error *err, const char *name)
{
    if (status == HEARTH_OK)
        return;
    printf("%s: %s: %s\n", name, hearth_status_name(status), err->message);
    exit(1);
}

/* Every second text begins like the first; its rest is its own. */
static hearth_request_options request(uint32_t i, uint32_t n_vocab,
                                      const hearth_sampler_options *sampler)
{
    static int32_t tokens[N_REQUESTS][N_CTX];
    hearth_request_options o;
    hearth_request_options_init(&o);
    engine_run_text(tokens[i], N_CTX, n_vocab, i % 2 ? i : 100);
    if (i % 2 == 0)
        engine_run_text(tokens[i] + 75 + i, N_CTX - 75 - i, n_vocab, i);
    o.tokens = tokens[i];
    o.n_tokens = 20 + 27 * i;
    o.max_tokens = N_NEW;
    o.sampler = sampler;
    o.n_probs = 5;
    return o;
}

static int run_round(const model_entry *m, const hearth_model *model, hearth_engine *engine,
                     const way *w, const hearth_sampler_options *sampler,
                     const engine_run *expected)
{
    hearth_request *requests[N_REQUESTS];
    hearth_error err;
    int failures = 0;
    uint32_t n_vocab = hearth_model_get_info(model)->n_vocab;
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        engine_run run;
        hearth_request_options o = request(i, n_vocab, sampler);
        check(hearth_engine_submit(engine, &o, &requests[i], &err), &err, m->name);
        if (w->together && i + 1 < N_REQUESTS)
            continue;
        for (uint32_t j = w->together ? 0 : i; j <= i; j++) {
            engine_run_read(&run, requests[j]);
            check(run.status, &run.err, m->name);
            if (run.hash != expected[j].hash) {
                printf("FAILED %s: request %u %s differs from a session\n", m->name, j, w->name);
                failures++;
            }
        }
    }
    return failures;
}

static int test_way(const model_entry *m, const hearth_model *model, hearth_cache_type cache,
                    const char *disk, const way *w, const engine_run *expected,
                    const hearth_sampler_options *sampler)
{
    hearth_engine *engine;
    hearth_engine_options o;
    hearth_engine_plan_result plan;
    hearth_error err;
    int failures = 0;
    hearth_engine_options_init(&o);
    o.n_ctx = N_CTX;
    o.n_parallel = w->n_parallel;
    o.n_batch = w->n_batch;
    o.n_fair = w->n_fair;
    o.n_threads = w->n_threads;
    o.cache_type_k = o.cache_type_v = cache;
    o.disk_dir = w->disk ? disk : NULL;
    check(hearth_engine_plan(model, &o, &plan, &err), &err, m->name);
    o.cache_bytes = w->pages * plan.page_bytes;
    check(hearth_engine_open(&engine, model, &o, &err), &err, m->name);
    for (int i = 0; i < w->rounds; i++)
        failures += run_round(m, model, engine, w, sampler, expected);
    hearth_engine_close(engine);
    return failures;
}

static int test_model(const model_entry *m, hearth_cache_type cache)
{
    static engine_run expected[N_REQUESTS];
    char disk[PATH_MAX];
    test_folder folder;
    hearth_model *model;
    hearth_error err;
    hearth_sampler_options sampler;
    int failures = 0;
    if (!test_folder_make(&folder))
        return 1;
    test_folder_path(&folder, "disk", disk);
    check(hearth_model_open(&model, m->path, NULL, &err), &err, m->name);
    hearth_sampler_options_init(&sampler);
    sampler.seed = 11;
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        hearth_request_options o = request(i, m->n_vocab, &sampler);
        engine_run_session(&expected[i], model, N_CTX, cache, &o);
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        failures += test_way(m, model, cache, disk, &ways[i], expected, &sampler);
    hearth_model_close(model);
    test_folder_remove(&folder);
    return failures;
}

int main(void)
{
    int failures = 0;
    size_t n = 0;
    model_set *set = model_set_open(false);
    for (size_t i = 0; i < set->n; i++) {
        if (!set->models[i].causal || set->models[i].n_ctx_train < N_CTX)
            continue;
        failures += test_model(&set->models[i], (hearth_cache_type)(n++ % 3));
    }
    printf("%zu models\n", n);
    model_set_close(set);
    return failures || n == 0 ? 1 : 0;
}
