/* SPDX-License-Identifier: MIT
 *
 * test_model_yml.c - model.yml: Jan's form, changes that keep what is not known, hostile files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "library/model_yml.h"
#include "os/file.h"
#include "support/model_files.h"
#include "support/test_reference.h"

static model_yml *parse(const char *text)
{
    model_yml *yml = NULL;
    hearth_error err = {0};
    if (model_yml_parse(&yml, text, strlen(text), "test", &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    return yml;
}

static char *format(const model_yml *yml)
{
    hearth_error err;
    buf text;
    buf_init(&text, 0);
    assert_int_equal(model_yml_format(yml, &text, &err), HEARTH_OK);
    return buf_take(&text, NULL);
}

static const char jan[] = "# a comment\n"
                          "model_path: \"llamacpp/models/x/model.gguf\"\n"
                          "mmproj_path: null\n"
                          "name: 'Llama 3.2 3B'\n"
                          "size_bytes: 2019377696\n"
                          "model_sha256: abc\n"
                          "embedding: false\n"
                          "temperature: 0.6\n"
                          "lastUsed: 2025-01-31T12:00:00.000Z\n"
                          "created: 1738324800000\n"
                          "capabilities:\n  - chat\n  - \"tools\"\n"
                          "mine:\n  deep: [1, {a: b}]\n  text: |\n    one\n    two\n"
                          "tagged: !thing x\n";

static void test_reading(void **state)
{
    uint64_t count = 7;
    double real = 0;
    bool flag = true;
    int64_t ms = 0;
    (void)state;
    model_yml *yml = parse(jan);
    assert_string_equal(model_yml_get(yml, "model_path"), "llamacpp/models/x/model.gguf");
    assert_string_equal(model_yml_get(yml, "name"), "Llama 3.2 3B");
    assert_null(model_yml_get(yml, "mmproj_path"));
    assert_null(model_yml_get(yml, "absent"));
    assert_null(model_yml_get(yml, "mine"));
    assert_true(model_yml_get_count(yml, "size_bytes", &count));
    assert_int_equal(count, 2019377696);
    assert_false(model_yml_get_count(yml, "name", &count));
    assert_true(model_yml_get_real(yml, "temperature", &real));
    assert_true(real > 0.59 && real < 0.61);
    assert_true(model_yml_get_bool(yml, "embedding", &flag));
    assert_false(flag);
    assert_true(model_yml_get_time(yml, "lastUsed", &ms));
    assert_int_equal(ms, 1738324800000);
    ms = 0;
    assert_true(model_yml_get_time(yml, "created", &ms));
    assert_int_equal(ms, 1738324800000);
    assert_string_equal(model_yml_get_word(yml, "capabilities", 1), "tools");
    assert_null(model_yml_get_word(yml, "capabilities", 2));
    model_yml_free(yml);
}

/* What is not touched reads the same after any number of turns. */
static void test_changes_keep_the_rest(void **state)
{
    hearth_error err;
    (void)state;
    model_yml *yml = parse(jan);
    assert_int_equal(model_yml_set(yml, "name", "A: new \"name\" \xc3\xa9", &err), HEARTH_OK);
    assert_int_equal(model_yml_set_count(yml, "usageCount", 3, &err), HEARTH_OK);
    assert_int_equal(model_yml_set(yml, "capabilities", "chat, vision", &err), HEARTH_OK);
    assert_int_equal(model_yml_set(yml, "model_sha256", NULL, &err), HEARTH_OK);
    assert_int_equal(model_yml_set(yml, "sha256", NULL, &err), HEARTH_OK);
    char *text = format(yml);
    model_yml *again = parse(text);
    char *second = format(again);
    assert_string_equal(text, second);
    assert_string_equal(model_yml_get(again, "name"), "A: new \"name\" \xc3\xa9");
    assert_string_equal(model_yml_get(again, "usageCount"), "3");
    assert_string_equal(model_yml_get_word(again, "capabilities", 1), "vision");
    assert_null(model_yml_get(again, "model_sha256"));
    assert_non_null(strstr(text, "deep: [1, {a: b}]"));
    assert_non_null(strstr(text, "text: |\n    one\n    two\n"));
    assert_non_null(strstr(text, "tagged: !thing x"));
    assert_non_null(strstr(text, "size_bytes: 2019377696\n"));
    assert_non_null(strstr(text, "mmproj_path: null\n"));
    mem_free(text);
    mem_free(second);
    model_yml_free(again);
    model_yml_free(yml);
}

/* Text stays text, however much it looks like something else. */
static void test_text_stays_text(void **state)
{
    static const char *const texts[] = {
        "null",  "~",   "true",     "123", "0x1f",       "- a", "# b",
        "a: b",  "\"",  "'",        " x ", "line\nline", "{a}", "\xf0\x9f\x90\x8b",
        "%YAML", "---", "tab\there"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hearth_error err;
        model_yml *yml;
        assert_int_equal(model_yml_new(&yml, &err), HEARTH_OK);
        assert_int_equal(model_yml_set(yml, "name", texts[i], &err), HEARTH_OK);
        char *text = format(yml);
        model_yml *again = parse(text);
        assert_string_equal(model_yml_get(again, "name"), texts[i]);
        mem_free(text);
        model_yml_free(again);
        model_yml_free(yml);
    }
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *key, *value, *message;
    } rows[] = {
        {"naem", "x", "did you mean name"},    {"size_bytes", "-1", "whole number"},
        {"size_bytes", "1.5", "whole number"}, {"size_bytes", "99999999999999999999", "whole"},
        {"temperature", "nan", "a number"},    {"embedding", "yes", "true or false"},
        {"lastUsed", "yesterday", "a time"},   {"name", "\xff", "text"},
    };
    hearth_error err;
    (void)state;
    model_yml *yml = parse("");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(model_yml_set(yml, rows[i].key, rows[i].value, &err), HEARTH_EINVAL);
        if (strstr(err.message, rows[i].message) == NULL)
            fail_msg("%s", err.message);
    }
    model_yml_free(yml);
}

static void expect_bad(const char *text, size_t n, const char *message)
{
    model_yml *yml;
    hearth_error err = {0};
    assert_int_equal(model_yml_parse(&yml, text, n, "test", &err), HEARTH_EFORMAT);
    if (strstr(err.message, message) == NULL)
        fail_msg("%s", err.message);
}

static void test_hostile_files(void **state)
{
    char deep[512];
    static char large[MODEL_YML_MAX_BYTES + 1];
    (void)state;
    expect_bad("- a\n- b\n", 8, "keys and values");
    expect_bad("just text", 9, "keys and values");
    expect_bad("a: [1", 5, "line");
    expect_bad("a: \"x", 5, "line");
    expect_bad("a: \x01", 4, "line");
    const char *laughs = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    expect_bad(laughs, strlen(laughs), "aliases");
    const char *loop = "a: &a [*a]\n";
    expect_bad(loop, strlen(loop), "aliases");
    memset(deep, '[', 100);
    memcpy(deep, "a: ", 3);
    memset(deep + 100, ']', 97);
    expect_bad(deep, 197, "levels");
    memset(large, '#', sizeof large);
    expect_bad(large, sizeof large, "too many");
    model_yml *yml = parse("a: 1\na: 2\n");
    assert_string_equal(model_yml_get(yml, "a"), "1");
    model_yml_free(yml);
}

static void test_file(void **state)
{
    char folder[64], path[128];
    hearth_error err;
    model_yml *yml;
    (void)state;
    assert_true(test_temporary(folder, sizeof folder));
    snprintf(path, sizeof path, "%s/model.yml", folder);
    assert_int_equal(model_yml_read(&yml, path, &err), HEARTH_ENOTFOUND);
    yml = parse(jan);
    assert_int_equal(model_yml_write(yml, path, &err), HEARTH_OK);
    model_yml_free(yml);
    assert_int_equal(model_yml_read(&yml, path, &err), HEARTH_OK);
    assert_string_equal(model_yml_get(yml, "name"), "Llama 3.2 3B");
    model_yml_free(yml);
    files_write_text(path, "a: [");
    assert_int_equal(model_yml_read(&yml, path, &err), HEARTH_EFORMAT);
    assert_non_null(strstr(err.message, path));
    test_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),         cmocka_unit_test(test_changes_keep_the_rest),
        cmocka_unit_test(test_text_stays_text), cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_hostile_files),   cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
