/* SPDX-License-Identifier: MIT
 *
 * test_engine.c - the Nth allocation fails, once or from then on, for every N, in each stage of
 * using a model: a status comes back, nothing leaks, and the stage works when it is tried again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hearth/hearth.h>

#include "fault/fault.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

static hearth_model *shared_model; /* for the stages after open */
static char model_path[PATH_MAX], state_path[PATH_MAX], output_path[PATH_MAX];

/* One stage: everything it opens it closes. */
typedef hearth_status stage_fn(hearth_error *err);

static hearth_status open_model(hearth_error *err)
{
    hearth_model *model;
    hearth_status status = hearth_model_open(&model, model_path, NULL, err);
    if (status == HEARTH_OK)
        hearth_model_close(model);
    return status;
}

static hearth_status with_session(hearth_error *err,
                                  hearth_status (*use)(hearth_session *, hearth_error *))
{
    hearth_session *session = NULL;
    hearth_session_options options;
    hearth_session_options_init(&options);
    options.n_ctx = 96;
    options.n_batch = 16;
    options.n_threads = 2;
    hearth_status status = hearth_session_open(&session, shared_model, &options, err);
    if (status == HEARTH_OK)
        status = use(session, err);
    hearth_session_close(session);
    return status;
}

static hearth_status feed(hearth_session *session, hearth_error *err)
{
    int32_t *tokens = NULL;
    size_t n = 0;
    hearth_status status = hearth_tokenize(hearth_session_model(session), "some text to read", 17,
                                           HEARTH_TOKENIZE_ADD_SPECIAL, &tokens, &n, err);
    if (status == HEARTH_OK)
        status = hearth_session_feed(session, tokens, n, NULL, err);
    hearth_free(tokens);
    return status;
}

static hearth_status generate(hearth_session *session, hearth_error *err)
{
    static const int32_t prompt[] = {1, 70, 71, 72};
    static const char *const stop[] = {"never in it", "\n\n\n"};
    hearth_sampler *sampler = NULL;
    hearth_generation *generation = NULL;
    hearth_sampler_options so;
    hearth_generate_options go;
    hearth_event event = {.type = HEARTH_EVENT_PROMPT};
    hearth_sampler_options_init(&so);
    so.seed = 7;
    so.dry_multiplier = 0.5f;
    hearth_generate_options_init(&go);
    go.max_tokens = 12;
    go.stop = stop;
    go.n_stop = 2;
    go.ignore_eos = true;
    hearth_status status =
        hearth_sampler_new(&sampler, hearth_session_model(session), 96, &so, err);
    if (status == HEARTH_OK)
        status = hearth_generation_new(&generation, session, sampler, prompt, 4, &go, err);
    while (status == HEARTH_OK && event.type != HEARTH_EVENT_DONE)
        status = hearth_generation_next(generation, &event, err);
    hearth_generation_free(generation);
    hearth_sampler_free(sampler);
    return status;
}

static hearth_status save_load_fork(hearth_session *session, hearth_error *err)
{
    hearth_session *fork = NULL;
    hearth_status status = feed(session, err);
    if (status == HEARTH_OK)
        status = hearth_session_save(session, state_path, err);
    if (status == HEARTH_OK)
        status = hearth_session_load(session, state_path, err);
    if (status == HEARTH_OK)
        status = hearth_session_fork(&fork, session, err);
    hearth_session_close(fork);
    return status;
}

static hearth_status feed_stage(hearth_error *err)
{
    return with_session(err, feed);
}

static hearth_status generate_stage(hearth_error *err)
{
    return with_session(err, generate);
}

static hearth_status state_stage(hearth_error *err)
{
    return with_session(err, save_load_fork);
}

/* A request to an engine whose draft model is the model itself. */
static hearth_status engine_stage(hearth_error *err)
{
    static const int32_t prompt[] = {1, 70, 71, 72, 73};
    hearth_engine *engine;
    hearth_engine_options eo;
    hearth_request *request;
    hearth_request_options ro;
    hearth_request_event event = {.type = HEARTH_REQUEST_NONE};
    hearth_engine_options_init(&eo);
    eo.n_ctx = 96;
    eo.n_parallel = 2;
    eo.n_threads = 1;
    eo.draft_model = shared_model;
    eo.draft_p_min = 0;
    hearth_status status = hearth_engine_open(&engine, shared_model, &eo, err);
    if (status != HEARTH_OK)
        return status;
    hearth_request_options_init(&ro);
    ro.tokens = prompt;
    ro.n_tokens = 5;
    ro.max_tokens = 10;
    ro.ignore_eos = true;
    status = hearth_engine_submit(engine, &ro, &request, err);
    if (status == HEARTH_OK) {
        while (status == HEARTH_OK && event.type != HEARTH_REQUEST_DONE)
            status = hearth_request_next(request, -1, &event, err);
        hearth_request_free(request);
    }
    hearth_engine_close(engine);
    return status;
}

static hearth_status quantize_stage(hearth_error *err)
{
    hearth_quantize_options options;
    hearth_quantize_result result;
    hearth_quantize_options_init(&options);
    options.n_threads = 2;
    return hearth_quantize(model_path, output_path, "Q8_0", &options, &result, err);
}

static int run_stage(const char *name, stage_fn *stage, bool forever)
{
    long n = 0;
    for (;;) {
        hearth_error err = {.code = HEARTH_OK};
        long alive = fault_n_alive();
        fault_arm(++n, forever);
        hearth_status status = stage(&err);
        bool fired = fault_fired();
        fault_arm(0, false);
        if (fault_n_alive() != alive) {
            printf("FAILED %s: %ld blocks leak when allocation %ld fails (%s)\n", name,
                   fault_n_alive() - alive, n, err.message);
            return 1;
        }
        if (status != HEARTH_OK && (!fired || err.code != status || err.message[0] == '\0')) {
            printf("FAILED %s: allocation %ld: status %s, '%s'\n", name, n,
                   hearth_status_name(status), err.message);
            return 1;
        }
        if (!fired)
            break;
    }
    printf("%-10s %s: %ld allocations\n", name, forever ? "forever" : "once   ", n - 1);
    return 0;
}

int main(void)
{
    static const struct {
        const char *name;
        stage_fn *stage;
    } stages[] = {{"open", open_model},   {"feed", feed_stage},     {"generate", generate_stage},
                  {"state", state_stage}, {"engine", engine_stage}, {"quantize", quantize_stage}};
    test_folder folder;
    tiny_model_options o;
    int failures = 0;
    if (!test_folder_make(&folder))
        return 1;
    test_folder_path(&folder, "model.gguf", model_path);
    test_folder_path(&folder, "state.kv", state_path);
    test_folder_path(&folder, "output.gguf", output_path);
    tiny_model_options_init(&o, "qwen2moe");
    tiny_model_write(model_path, &o);
    hearth_error err = {.code = HEARTH_OK};
    if (hearth_model_open(&shared_model, model_path, NULL, &err) != HEARTH_OK) {
        printf("FAILED: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        failures += run_stage(stages[i].name, stages[i].stage, false);
        failures += run_stage(stages[i].name, stages[i].stage, true);
    }
    hearth_model_close(shared_model);
    test_folder_remove(&folder);
    return failures ? 1 : 0;
}
