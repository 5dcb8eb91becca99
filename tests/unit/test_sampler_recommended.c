/* SPDX-License-Identifier: MIT
 *
 * test_sampler_recommended.c - sampling options that a model's file recommends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <hearth/hearth.h>

#include "support/tiny_model.h"

static char path[64];

static int write_model(void **state)
{
    (void)state;
    tiny_model_options o;
    snprintf(path, sizeof path, "/tmp/hearth_recommended_%d.gguf", (int)getpid());
    tiny_model_options_init(&o, "llama");
    tiny_model_write(path, &o);
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    return unlink(path);
}

typedef struct log_text {
    char text[512];
    int n;
} log_text;

static void keep(void *user, hearth_log_level level, const char *message)
{
    log_text *l = user;
    (void)level;
    snprintf(l->text, sizeof l->text, "%s", message);
    l->n++;
}

static hearth_sampler_options recommended(const char *const *overrides, size_t n, log_text *log)
{
    hearth_model_options options;
    hearth_sampler_options out;
    hearth_model *model;
    hearth_error err;
    hearth_model_options_init(&options);
    options.scope = HEARTH_SCOPE_METADATA;
    options.overrides = overrides;
    options.n_overrides = n;
    options.log = (hearth_log){.fn = keep, .user = log, .level = HEARTH_LOG_WARNING};
    if (hearth_model_open(&model, path, &options, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    *log = (log_text){0};
    hearth_model_sampler_options(model, &out);
    hearth_model_close(model);
    return out;
}

/* Field by field: between them may be padding. */
static void assert_defaults(const hearth_sampler_options *got)
{
    hearth_sampler_options defaults;
    hearth_sampler_options_init(&defaults);
#define X(type, field, value, min, max, flag, help) assert_true(got->field == defaults.field);
#include <hearth/sampler_options.def>
#undef X
}

static void test_nothing_recommended(void **state)
{
    (void)state;
    log_text log;
    hearth_sampler_options got = recommended(NULL, 0, &log);
    assert_defaults(&got);
    assert_int_equal(log.n, 0);
}

static void test_recommended_values(void **state)
{
    (void)state;
    static const char *const overrides[] = {
        "general.sampling.temp=float:0.6", "general.sampling.top_k=int:20",
        "general.sampling.penalty_repeat=float:1.5", "general.sampling.min_p=int:0"};
    log_text log;
    hearth_sampler_options defaults, got = recommended(overrides, 4, &log);
    hearth_sampler_options_init(&defaults);
    assert_true(got.temperature == 0.6f && got.top_k == 20 && got.repeat_penalty == 1.5f);
    assert_true(got.min_p == 0.0f);
    assert_true(got.top_p == defaults.top_p);
    assert_int_equal(log.n, 0);
}

static void test_bad_recommendations_are_told(void **state)
{
    (void)state;
    static const char *const bad[] = {"general.sampling.temp=float:-1",
                                      "general.sampling.top_k=float:2.5",
                                      "general.sampling.top_p=str:high"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        log_text log;
        hearth_sampler_options got = recommended(&bad[i], 1, &log);
        assert_defaults(&got);
        assert_int_equal(log.n, 1);
        assert_non_null(strstr(log.text, "general.sampling."));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_recommended),
        cmocka_unit_test(test_recommended_values),
        cmocka_unit_test(test_bad_recommendations_are_told),
    };
    return cmocka_run_group_tests(tests, write_model, remove_model);
}
