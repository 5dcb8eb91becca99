/* SPDX-License-Identifier: MIT
 *
 * test_plan.c - the memory a plan predicts against the peak that a process really reaches: every
 * reference model (without the reference set: generated ones), three contexts, each cache type. The
 * two agree within 3 % or 32 MB. Each case runs in a process of its own, as a peak never goes down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hearth/hearth.h>

#include "os/sysmem.h"
#include "support/models.h"

/* Sanitizers multiply memory by what no plan can know. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

typedef struct outcome {
    hearth_plan plan;
    uint64_t peak;
    int failed;
} outcome;

/* Loads the model and fills as much of the context as the model's text would: the child's whole
 * work. */
static outcome run(const char *path, uint32_t n_ctx, hearth_cache_type cache)
{
    outcome result = {.failed = 1};
    hearth_error err = {.code = HEARTH_OK};
    hearth_model *model = NULL;
    hearth_session *session = NULL;
    hearth_session_options options;
    hearth_session_options_init(&options);
    options.n_ctx = n_ctx;
    options.cache_type_k = options.cache_type_v = cache;
    int32_t tokens[256];
    if (hearth_model_open(&model, path, NULL, &err) == HEARTH_OK &&
        hearth_model_plan(model, &options, &result.plan, &err) == HEARTH_OK &&
        hearth_session_open(&session, model, &options, &err) == HEARTH_OK) {
        const hearth_model_info *info = hearth_model_get_info(model);
        for (size_t i = 0; i < 256; i++)
            tokens[i] = (int32_t)(i * 31 % info->n_vocab);
        size_t n = n_ctx < 256 ? n_ctx : 256;
        if (hearth_session_feed(session, tokens, n, NULL, &err) == HEARTH_OK)
            result.failed = 0;
    }
    if (result.failed)
        fprintf(stderr, "%s: %s\n", path, err.message);
    result.peak = sysmem_peak_resident();
    return result;
}

static outcome run_in_child(const char *path, uint32_t n_ctx, hearth_cache_type cache)
{
    int pipe_fds[2], status;
    outcome result = {.failed = 1};
    if (pipe(pipe_fds) != 0)
        return result;
    pid_t child = fork();
    if (child == 0) {
        outcome o = run(path, n_ctx, cache);
        _exit(write(pipe_fds[1], &o, sizeof o) == (ssize_t)sizeof o ? 0 : 1);
    }
    close(pipe_fds[1]);
    if (child < 0 || read(pipe_fds[0], &result, sizeof result) != (ssize_t)sizeof result)
        result.failed = 1;
    close(pipe_fds[0]);
    waitpid(child, &status, 0);
    return result;
}

static int check(const char *name, const char *path, uint32_t n_ctx, hearth_cache_type cache,
                 double *worst)
{
    outcome o = run_in_child(path, n_ctx, cache);
    double predicted = (double)o.plan.total_bytes, peak = (double)o.peak;
    double difference = predicted > peak ? predicted - peak : peak - predicted;
    double allowed = 0.03 * peak > 32e6 ? 0.03 * peak : 32e6;
    if (!o.failed && difference > *worst)
        *worst = difference;
    if (!o.failed && difference <= allowed)
        return 0;
    printf("FAILED %s, context %u, cache %d: predicted %.1f MB, peak %.1f MB\n", name, n_ctx,
           (int)cache, predicted / 1e6, peak / 1e6);
    return 1;
}

int main(void)
{
    int failures = 0;
    double worst = 0.0;
    if (UNDER_SANITIZER) {
        printf("skipped: a sanitizer's own memory is in no plan\n");
        return 77;
    }
    model_set *set = model_set_open(true);
    for (size_t i = 0; i < set->n; i++) {
        static const uint32_t contexts[] = {128, 1024, 0};
        for (int cache = HEARTH_CACHE_F32; cache <= HEARTH_CACHE_Q8_0; cache++) {
            for (size_t c = 0; c < 3; c++) {
                uint32_t n_ctx = contexts[c] ? contexts[c] : set->models[i].n_ctx_train;
                if (n_ctx > set->models[i].n_ctx_train)
                    n_ctx = set->models[i].n_ctx_train / 2;
                failures += check(set->models[i].name, set->models[i].path, n_ctx,
                                  (hearth_cache_type)cache, &worst);
            }
        }
    }
    printf("%zu models, worst difference %.1f MB\n", set->n, worst / 1e6);
    model_set_close(set);
    return failures ? 1 : 0;
}
