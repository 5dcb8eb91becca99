/* SPDX-License-Identifier: MIT
 *
 * test_template.c - chat templates against the reference set's template/: every template with every
 * case gives the text that transformers gives, byte for byte, or fails where that fails.
 */
#include <hearth/chat.h>
#include <hearth/model.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "support/test_reference.h"

enum { TEMPLATE_MAX = 1 << 20 };

static void show_difference(const char *got, const char *expected)
{
    size_t at = 0;
    while (got[at] && got[at] == expected[at])
        at++;
    size_t begin = at > 30 ? at - 30 : 0;
    printf("  differs at byte %zu\n  got      ...%.80s\n  expected ...%.80s\n", at, got + begin,
           expected + begin);
}

/* expected: {"ok": text} or {"error": message}. */
static int test_case(const char *label, const hearth_chat_template *t, const char *context,
                     const json_t *expected)
{
    hearth_chat_render_options options;
    hearth_error err = {0};
    char *text = NULL;
    size_t n = 0;
    hearth_chat_render_options_init(&options);
    options.now = 1795262400; /* 2026-11-21T12:00:00 */
    const json_t *ok = json_object_get(expected, "ok");
    hearth_status status =
        hearth_chat_template_render(t, context, strlen(context), &options, &text, &n, &err);
    int failures = 0;
    if (ok == NULL && status == HEARTH_OK) {
        printf("FAILED %s: rendered; expected an error: %s\n", label,
               json_string_value(json_object_get(expected, "error")));
        failures = 1;
    } else if (ok && status != HEARTH_OK) {
        printf("FAILED %s: %s\n", label, err.message);
        failures = 1;
    } else if (ok && (n != json_string_length(ok) || memcmp(text, json_string_value(ok), n) != 0)) {
        printf("FAILED %s\n", label);
        show_difference(text, json_string_value(ok));
        failures = 1;
    }
    hearth_free(text);
    return failures;
}

/* The case's arguments with the tokens of the set; freed with free(). */
static char *context_of(const json_t *set, const char *name)
{
    json_t *context = json_copy(json_object_get(json_object_get(set, "cases"), name));
    json_object_set(context, "bos_token", json_object_get(set, "bos_token"));
    json_object_set(context, "eos_token", json_object_get(set, "eos_token"));
    char *text = json_dumps(context, 0);
    json_decref(context);
    return text;
}

static int test_template(const json_t *set, const char *name, json_t *renders)
{
    char path[PATH_MAX], label[256];
    hearth_error err;
    char *source;
    size_t n;
    hearth_chat_template *t = NULL;
    const char *which;
    json_t *expected;
    int failures = 0;
    if (!reference_path(path, "template/%s", name) ||
        file_read_all(path, TEMPLATE_MAX, &source, &n, &err) != HEARTH_OK)
        return 1;
    hearth_status status = hearth_chat_template_new(&t, source, n, &err);
    hearth_free(source);
    if (status != HEARTH_OK) {
        printf("FAILED %s: %s\n", name, err.message);
        return 1;
    }
    json_object_foreach(renders, which, expected)
    {
        char *context = context_of(set, which);
        snprintf(label, sizeof label, "%s, %s", name, which);
        failures += test_case(label, t, context, expected);
        free(context);
    }
    hearth_chat_template_free(t);
    return failures;
}

int main(void)
{
    char path[PATH_MAX];
    const char *name;
    json_t *renders;
    int failures = 0;
    if (reference_folder() == NULL)
        return TEST_SKIPPED;
    if (!reference_path(path, "template/expected.json"))
        return 1;
    json_t *set = reference_read_json(path);
    if (set == NULL)
        return 1;
    json_object_foreach(json_object_get(set, "renders"), name, renders) failures +=
        test_template(set, name, renders);
    printf("%zu templates, %zu cases each, %d failures\n",
           json_object_size(json_object_get(set, "renders")),
           json_object_size(json_object_get(set, "cases")), failures);
    json_decref(set);
    return failures ? 1 : 0;
}
