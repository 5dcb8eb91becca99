/* SPDX-License-Identifier: MIT
 *
 * test_locale.c - the library in a program that writes 0,5: what it reads and writes has a point.
 * Skipped where no such locale is there, and none can be made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <hearth/hearth.h>

#include "base/mem.h"
#include "base/number.h"
#include "library/library.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

extern char **environ;

static test_folder folder;
static hearth_error err;

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

/* ---- a locale with a comma ---- */

static bool make_locale(void)
{
    char path[PATH_MAX];
    pid_t pid;
    int status = 1;
    test_folder_path(&folder, "de_DE.UTF-8", path);
    const char *args[] = {"localedef", "-i", "de_DE", "-f", "UTF-8", path, NULL};
    if (posix_spawnp(&pid, args[0], NULL, NULL, (char *const *)args, environ) != 0)
        return false;
    waitpid(pid, &status, 0);
    setenv("LOCPATH", folder.path, 1);
    return status == 0;
}

static bool use_comma(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "es_ES.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (setlocale(LC_ALL, names[i]))
            return true;
    }
    return make_locale() && setlocale(LC_ALL, names[0]);
}

/* ---- what must not depend on it ---- */

static void test_numbers(void **state)
{
    char text[32], *end;
    (void)state;
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5"); /* it is in force */
    number_print(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0.5");
    assert_true(number_parse("0.5x", &end) == 0.5 && strcmp(end, "x") == 0);
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5"); /* and still is */
}

static void test_schema(void **state)
{
    static const char schema[] = "{\"type\":\"number\",\"minimum\":0.25,\"maximum\":12.5}";
    hearth_grammar *comma, *point;
    (void)state;
    ok(hearth_grammar_from_schema(&comma, schema, &err));
    setlocale(LC_NUMERIC, "C");
    ok(hearth_grammar_from_schema(&point, schema, &err));
    assert_true(use_comma());
    assert_string_equal(hearth_grammar_to_gbnf(comma), hearth_grammar_to_gbnf(point));
    hearth_grammar_unref(comma);
    hearth_grammar_unref(point);
}

static void test_template(void **state)
{
    static const char source[] = "{{ x }} {{ 0.5 + x }} {{ \"%.2f\" | format(x) }}";
    hearth_chat_template *t;
    char *text;
    size_t n;
    (void)state;
    ok(hearth_chat_template_new(&t, source, sizeof source - 1, &err));
    ok(hearth_chat_template_render(t, "{\"x\": 1.25}", 11, NULL, &text, &n, &err));
    assert_string_equal(text, "1.25 1.75 1.25");
    hearth_free(text);
    hearth_chat_template_free(t);
}

static void test_model(void **state)
{
    char path[PATH_MAX], own[PATH_MAX];
    const char *override = "general.sampling.temp=float:0.75";
    tiny_model_options tiny;
    hearth_model_options o;
    hearth_sampler_options sampling;
    hearth_model *model;
    library_options lo;
    library *l;
    const library_model *m;
    library_override texts[LIBRARY_OVERRIDES_MAX];
    char *value;
    (void)state;
    test_folder_path(&folder, "tiny.gguf", path);
    test_folder_path(&folder, "own", own);
    tiny_model_options_init(&tiny, "llama");
    tiny_model_write(path, &tiny);
    hearth_model_options_init(&o);
    o.overrides = &override;
    o.n_overrides = 1;
    ok(hearth_model_open(&model, path, &o, &err));
    hearth_model_sampler_options(model, &sampling);
    assert_true(sampling.temperature == 0.75f);
    ok(hearth_model_metadata(model, "general.sampling.temp", &value, &err));
    assert_string_equal(value, "0.75");
    hearth_free(value);
    hearth_model_close(model);
    /* model.yml */
    library_options_init(&lo);
    lo.folder = own;
    lo.cache = "";
    lo.huggingface = lo.lmstudio = lo.ollama = false;
    ok(library_open(&l, &lo, &err));
    ok(library_import_file(l, &(library_import){.path = path, .name = "tiny"}, NULL, &err));
    ok(library_set(l, "tiny", "temperature", "0.25", &err));
    ok(library_find(l, "tiny", &m, &err));
    assert_true(m->temperature == 0.25);
    assert_int_equal(library_overrides(m, texts), 1);
    assert_string_equal(texts[0], "general.sampling.temp=float:0.25");
    library_model_unref(m);
    library_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_template),
        cmocka_unit_test(test_model),
    };
    test_folder_make(&folder);
    bool has_locale = use_comma();
    int failed = has_locale ? cmocka_run_group_tests(tests, NULL, NULL) : TEST_SKIPPED;
    if (!has_locale)
        printf("skipped: no locale with a comma, and no localedef to make one\n");
    test_folder_remove(&folder);
    return failed;
}
