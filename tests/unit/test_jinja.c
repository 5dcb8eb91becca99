/* SPDX-License-Identifier: MIT
 *
 * test_jinja.c - the template language, case by case: jinja_cases.json holds templates with what
 * jinja2 3.1 made of them in transformers' settings ("ok"), or no text where that failed. Then what
 * only Hearth promises: budgets, positions in messages, numbers that do not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include <hearth/chat.h>
#include <hearth/model.h>

static hearth_chat_render_options options;

static hearth_status render(const char *source, size_t n_source, const char *context, char **text,
                            size_t *n, hearth_error *err)
{
    hearth_chat_template *t = NULL;
    *text = NULL;
    hearth_status status = hearth_chat_template_new(&t, source, n_source, err);
    if (status == HEARTH_OK)
        status = hearth_chat_template_render(t, context, strlen(context), &options, text, n, err);
    hearth_chat_template_free(t);
    return status;
}

static int setup(void **state)
{
    (void)state;
    hearth_chat_render_options_init(&options);
    options.now = 1795262400; /* 2026-11-21T12:00:00 */
    return 0;
}

static bool holds(const json_t *one, const char *context)
{
    const json_t *source = json_object_get(one, "source"), *ok = json_object_get(one, "ok");
    hearth_error err = {0};
    char *text;
    size_t n = 0;
    hearth_status status =
        render(json_string_value(source), json_string_length(source), context, &text, &n, &err);
    bool good = ok ? status == HEARTH_OK && n == json_string_length(ok) &&
                         memcmp(text, json_string_value(ok), n) == 0
                   : status != HEARTH_OK && err.code == status && err.message[0] != '\0';
    if (!good)
        print_message("FAILED %s\n  got      %s\n  expected %s\n", json_string_value(source),
                      status == HEARTH_OK ? text : err.message,
                      ok ? json_string_value(ok) : "an error");
    hearth_free(text);
    return good;
}

static void test_cases(void **state)
{
    (void)state;
    json_error_t error;
    json_t *set = json_load_file(HEARTH_SOURCE_DIR "/tests/unit/jinja_cases.json", 0, &error);
    assert_non_null(set);
    const json_t *cases = json_object_get(set, "cases");
    char *context = json_dumps(json_object_get(set, "context"), 0);
    size_t failures = 0;
    assert_true(json_array_size(cases) > 100);
    for (size_t i = 0; i < json_array_size(cases); i++)
        failures += !holds(json_array_get(cases, i), context);
    free(context);
    json_decref(set);
    assert_int_equal(failures, 0);
}

static void expect_error(const char *source, const char *context, hearth_status code,
                         const char *part)
{
    hearth_error err = {0};
    char *text;
    size_t n;
    assert_int_equal(render(source, strlen(source), context, &text, &n, &err), code);
    assert_null(text);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, part);
}

static void test_positions(void **state)
{
    (void)state;
    expect_error("a\n  {{ x.y }}", "{}", HEARTH_EINVAL, "line 2, column 6: 'x' is undefined");
    expect_error("a\n{{ 1 + }}", "{}", HEARTH_EFORMAT, "line 2, column 8: ");
    expect_error("{{ raise_exception('No systems') }}", "{}", HEARTH_EINVAL, "No systems");
}

static void test_budgets(void **state)
{
    (void)state;
    options.max_steps = 100000;
    expect_error("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                 "{}", HEARTH_EINVAL, "steps");
    options.max_memory_bytes = 1 << 20;
    options.max_steps = 50000000;
    expect_error("{{ ('x' * 999999999)|length }}", "{}", HEARTH_EINVAL, "");
    expect_error("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}"
                 "{% endfor %}",
                 "{}", HEARTH_EINVAL, "MiB");
    options.max_output_bytes = 1000;
    expect_error("{% for i in range(9999) %}text{% endfor %}", "{}", HEARTH_EINVAL, "1000 bytes");
    setup(NULL);
    expect_error("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{}", HEARTH_EINVAL, "deep");
    expect_error("{% set n = namespace(l=[]) %}{% for i in range(5000) %}{% set n.l = [n.l] %}"
                 "{% endfor %}{{ n.l }}",
                 "{}", HEARTH_EINVAL, "deep");
}

static void test_deep_source(void **state)
{
    (void)state;
    char source[4096];
    memset(source, '(', sizeof source);
    memcpy(source, "{{ ", 3);
    source[sizeof source - 1] = '\0';
    expect_error(source, "{}", HEARTH_EFORMAT, "");
    for (size_t i = 3; i + 4 < sizeof source; i += 4)
        memcpy(source + i, "not ", 4);
    expect_error(source, "{}", HEARTH_EFORMAT, "levels deep");
}

static void test_context(void **state)
{
    (void)state;
    expect_error("x", "[1]", HEARTH_EINVAL, "one JSON object");
    expect_error("x", "{", HEARTH_EINVAL, "no JSON");
    expect_error("x", "{\"a\": 123456789012345678901234567890}", HEARTH_EINVAL,
                 "a number is too large");
    expect_error("{{ a + 1 }}", "{\"a\": 9223372036854775807}", HEARTH_EINVAL, "64-bit");
    expect_error("\xff", "{}", HEARTH_EFORMAT, "UTF-8");
}

/* One compiled template renders the same again and again: nothing of a render stays in it. */
static void test_again(void **state)
{
    (void)state;
    const char *source = "{% set n = namespace(c=0) %}{% for x in xs %}{% set n.c = n.c + x %}"
                         "{% endfor %}{{ n.c }}";
    hearth_chat_template *t;
    assert_int_equal(hearth_chat_template_new(&t, source, strlen(source), NULL), HEARTH_OK);
    for (int i = 0; i < 3; i++) {
        char *text;
        size_t n;
        assert_int_equal(
            hearth_chat_template_render(t, "{\"xs\": [1, 2]}", 14, NULL, &text, &n, NULL),
            HEARTH_OK);
        assert_string_equal(text, "3");
        hearth_free(text);
    }
    hearth_chat_template_free(t);
    hearth_chat_template_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cases, setup),
        cmocka_unit_test_setup(test_positions, setup),
        cmocka_unit_test_setup(test_budgets, setup),
        cmocka_unit_test_setup(test_deep_source, setup),
        cmocka_unit_test_setup(test_context, setup),
        cmocka_unit_test_setup(test_again, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
