/* SPDX-License-Identifier: MIT
 *
 * test_worker.c - the parts of an engine process that need no model: flags from the command line
 * and the environment, lists and histograms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "worker/flags.h"
#include "worker/metrics.h"
#include "worker/state.h"

static char noted[4096];

static void note(void *user, hearth_log_level level, const char *message)
{
    size_t n = strlen(noted);
    (void)user;
    (void)level;
    snprintf(noted + n, sizeof noted - n, "%s\n", message);
}

static const hearth_log log_ = {.fn = note, .level = HEARTH_LOG_WARNING};

static const option_group groups[] = {
#define GROUP(name, title) {title, flags_##name##_rows, 0},
#include "worker/flags.def"
    {"Sampling", flags_sampler_rows, 0},
};
static const option_set all = {groups, OPTION_COUNT(groups)};

static hearth_status parse(worker_flags *flags, int n, const char *const *words, hearth_error *err)
{
    option_list arguments = {0};
    noted[0] = '\0';
    flags_init(flags);
    hearth_status status = option_parse(&all, flags, n, words, &arguments, err);
    option_list_deinit(&arguments);
    return status == HEARTH_OK ? flags_check(flags, &log_, err) : status;
}

#define PARSE(flags, err, ...)                                                                     \
    parse(flags, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                    \
          (const char *const[]){__VA_ARGS__}, err)

/* Every name is there once, and every alias leads somewhere. */
static void test_table(void **state)
{
    (void)state;
    for (size_t g = 0; g < all.n_groups; g++) {
        for (const option *row = all.groups[g].rows; row->name; row++) {
            const option_group *group;
            const option *found = option_find(&all, row->name, strlen(row->name), &group);
            assert_non_null(found);
            if (row->type != OPTION_ALIAS && found != row)
                fail_msg("%s is there twice", row->name);
        }
    }
}

static void test_flags(void **state)
{
    worker_flags flags;
    hearth_error err = {0};
    (void)state;
    assert_int_equal(PARSE(&flags, &err, "-m", "x.gguf", "--port", "0", "-c", "4096", "-np", "4",
                           "-ngl", "99", "-fa", "on", "--no-webui", "--jinja", "-ctk", "q8_0",
                           "--temp", "0.5", "--rope-scaling", "none", "--mlock", "-fa", "-cb"),
                     HEARTH_OK);
    assert_string_equal(flags.model, "x.gguf");
    assert_int_equal(flags.ctx_size, 4096);
    assert_int_equal(flags.parallel, 4);
    assert_int_equal(flags.cache_type_k, HEARTH_CACHE_Q8_0);
    assert_int_equal(flags.cache_type_v, HEARTH_CACHE_F16);
    assert_string_equal(noted,
                        "flags without effect here: --flash-attn (there is one way to compute "
                        "attention); --gpu-layers (this build runs on the processor); --mlock (the "
                        "system decides which weights stay in memory)\n");
    noted[0] = '\0';
    assert_int_equal(PARSE(&flags, &err, "-ub", "64", "-tb", "2", "-sm", "none", "-ts", "1,1",
                           "--cache-reuse", "256", "--threads-http", "4", "-fa"),
                     HEARTH_OK);
    static const char *const told[] = {
        "--ubatch-size (", "--threads-batch (", "--split-mode, --tensor-split (",
        "--cache-reuse (", "--threads-http (",  "--flash-attn ("};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        if (strstr(noted, told[i]) == NULL)
            fail_msg("'%s' does not tell %s", noted, told[i]);
    }
    assert_int_equal(PARSE(&flags, &err, "--rope-scaling", "yarn"), HEARTH_EINVAL);
    assert_string_equal(err.where, "--rope-scaling");
    assert_int_equal(PARSE(&flags, &err, "--ui-mcp-proxy"), HEARTH_EINVAL);
    assert_int_equal(PARSE(&flags, &err, "--mmproj", "a.gguf"), HEARTH_EINVAL);
    assert_int_equal(PARSE(&flags, &err, "--yarn-ext-factor", "0.5"), HEARTH_EINVAL);
    assert_int_equal(PARSE(&flags, &err, "--agent"), HEARTH_EINVAL);
    assert_int_equal(PARSE(&flags, &err, "--yarn-ext-factor", "-1.00", "--sse-ping-interval", "-1",
                           "-s", "-1", "--rpc", "h:1", "-Cb", "ff", "-kvo", "-nr", "--no-agent",
                           "--top-nsigma", "2", "-l", "5+1", "--tags", "a,b"),
                     HEARTH_OK);
    assert_int_equal(flags.ping_s, -1);
    assert_int_equal(flags.biases.n, 1);
    option_list_deinit(&flags.biases);
    assert_true(flags.sampler.top_n_sigma == 2 && flags.sampler.seed == UINT32_MAX);
    assert_string_equal(flags.tags, "a,b");
    assert_non_null(strstr(noted, "--kv-offload, --rpc (this build runs on the processor)"));
    assert_null(strstr(noted, "-nr"));
    assert_int_equal(PARSE(&flags, &err, "-md", "d.gguf", "--spec-draft-n-max", "16", "-ctkd",
                           "q8_0", "--spec-draft-type-v", "f16", "-td", "2", "-ncmoed", "3",
                           "--spec-ngram-simple-size-n", "12", "--spec-default", "--sampling-seq",
                           "kt", "--no-prefill-assistant", "--log-verbose"),
                     HEARTH_OK);
    assert_string_equal(flags.sampler_letters, "kt");
    assert_true(flags.no_prefill_assistant);
    assert_non_null(strstr(noted, "--spec-ngram-size-n (there is one way"));
    assert_int_equal(PARSE(&flags, &err, "--spec-draft-hf", "a/b"), HEARTH_EINVAL);
    assert_string_equal(err.where, "--hf-repo-draft");
}

static void test_environment(void **state)
{
    static char *const good[] = {(char *)"LLAMA_ARG_CTX_SIZE=512",
                                 (char *)"LLAMA_ARG_N_PARALLEL=3",
                                 (char *)"LLAMA_ARG_ENDPOINT_SLOTS=0",
                                 (char *)"LLAMA_ARG_ENDPOINT_METRICS=true",
                                 (char *)"LLAMA_ARG_TOP_K=7",
                                 (char *)"LLAMA_ARG_CONT_BATCHING=off",
                                 (char *)"LLAMA_ARG_NO_MMAP=1",
                                 (char *)"LLAMA_ARG_NONSENSE=1",
                                 (char *)"LLAMA_ARG_HOST=",
                                 (char *)"LLAMA_API_KEY=k",
                                 (char *)"HOME=/",
                                 NULL};
    static char *const bad[] = {(char *)"LLAMA_ARG_PORT=99999", NULL};
    worker_flags flags;
    hearth_error err = {0};
    (void)state;
    noted[0] = '\0';
    flags_init(&flags);
    assert_int_equal(flags_read_environment(&flags, good, &log_, &err), HEARTH_OK);
    assert_int_equal(flags.ctx_size, 512);
    assert_int_equal(flags.parallel, 3);
    assert_true(flags.no_slots);
    assert_true(flags.metrics);
    assert_true(flags.no_cont_batching);
    assert_true(flags.no_mmap);
    assert_int_equal(flags.sampler.top_k, 7);
    assert_true(flags.sampler_given != 0);
    assert_string_equal(flags.host, "127.0.0.1");
    assert_string_equal(flags.api_key, "k");
    assert_string_equal(noted, "LLAMA_ARG_NONSENSE is not known and has no effect\n");
    assert_int_equal(flags_read_environment(&flags, bad, &log_, &err), HEARTH_EINVAL);
}

static void test_split(void **state)
{
    const char **parts;
    size_t n;
    (void)state;
    assert_int_equal(flags_split(NULL, &parts, &n, NULL), HEARTH_OK);
    assert_int_equal(n, 0);
    assert_int_equal(flags_split(",a,,bc,", &parts, &n, NULL), HEARTH_OK);
    assert_int_equal(n, 2);
    assert_string_equal(parts[0], "a");
    assert_string_equal(parts[1], "bc");
    mem_free(parts);
}

static void test_metrics(void **state)
{
    static metrics m;
    const hearth_engine_stats stats = {.n_prompt_tokens = 10, .prompt_ns = 0, .n_waiting = 2};
    buf out;
    (void)state;
    buf_init(&out, 0);
    histogram_add(&m.queue, 0.5);
    histogram_add(&m.queue, 1);
    histogram_add(&m.queue, 1e9);
    metrics_tokens(&m, 5);
    metrics_tokens(&m, 3);
    metrics_response(&m, 404);
    metrics_response(&m, 9999);
    assert_true(metrics_write(&m, &stats, &out));
    assert_non_null(strstr(out.data, "hearth:queue_seconds_bucket{le=\"0.001\"} 2\n"));
    assert_non_null(strstr(out.data, "hearth:queue_seconds_bucket{le=\"300\"} 2\n"));
    assert_non_null(strstr(out.data, "hearth:queue_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(out.data, "hearth:queue_seconds_count 3\n"));
    assert_non_null(strstr(out.data, "\nllamacpp:requests_deferred 2\n"));
    assert_non_null(strstr(out.data, "\nllamacpp:prompt_tokens_seconds 0\n"));
    assert_non_null(strstr(out.data, "\nllamacpp:n_tokens_max 5\n"));
    assert_non_null(strstr(out.data, "hearth:responses_total{class=\"4xx\"} 1\n"));
    assert_null(strstr(out.data, "nan"));
    assert_null(strstr(out.data, "inf"));
    buf_deinit(&out);
}

/* While the model is being read, every refusal tells how far. */
static void test_loading(void **state)
{
    static worker w;
    http_reply out = {0};
    (void)state;
    atomic_store(&w.loaded, LOADED_ALL / 4);
    worker_refuse(&w, "/health", 503, "Loading model", &out);
    assert_string_equal(out.body.data,
                        "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":"
                        "\"unavailable_error\",\"progress\":0.25}}");
    buf_clear(&out.body);
    worker_refuse(&w, "/v1/chat/completions", 503, "Loading model", &out);
    assert_non_null(strstr(out.body.data, "\"progress\":0.25"));
    buf_clear(&out.body);
    worker_refuse(&w, "/nothing", 404, "File Not Found", &out);
    assert_null(strstr(out.body.data, "progress"));
    buf_clear(&out.body);
    atomic_store(&w.loaded, LOADED_ALL);
    worker_refuse(&w, "/health", 503, "the server is ending", &out);
    assert_null(strstr(out.body.data, "progress"));
    buf_deinit(&out.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),       cmocka_unit_test(test_flags),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_split),
        cmocka_unit_test(test_metrics),     cmocka_unit_test(test_loading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
