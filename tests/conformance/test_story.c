/* SPDX-License-Identifier: MIT
 *
 * test_story.c - the trained story model: prompts become the known ids, and greedy decoding goes on
 * with the known tokens and the known text, through the public API alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hearth/hearth.h>

#include "base/buf.h"
#include "base/mem.h"
#include "support/reference_case.h"

static int failures;

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("FAILED: " __VA_ARGS__);                                                        \
            printf("\n");                                                                          \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static void must(hearth_status status, const hearth_error *err)
{
    if (status != HEARTH_OK) {
        printf("FAILED: %s\n", err->message);
        exit(1);
    }
}

static bool same_ids(const json_t *expected, const int32_t *ids, size_t n)
{
    if (json_array_size(expected) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (json_integer_value(json_array_get(expected, i)) != ids[i])
            return false;
    }
    return true;
}

static void tell(hearth_session *session, hearth_sampler *sampler, const json_t *story)
{
    hearth_error err = {.code = HEARTH_OK};
    const hearth_model *model = hearth_session_model(session);
    const char *prompt = json_string_value(json_object_get(story, "prompt"));
    const json_t *expected = json_object_get(story, "greedy_tokens");
    int32_t *ids;
    size_t n;
    must(
        hearth_tokenize(model, prompt, strlen(prompt), HEARTH_TOKENIZE_ADD_SPECIAL, &ids, &n, &err),
        &err);
    CHECK(same_ids(json_object_get(story, "prompt_tokens"), ids, n), "the ids of '%s'", prompt);

    hearth_generation *g;
    hearth_generate_options options;
    hearth_event event = {.type = HEARTH_EVENT_PROMPT};
    buf text;
    buf_init(&text, 0);
    buf_append_text(&text, prompt);
    hearth_generate_options_init(&options);
    options.max_tokens = (int32_t)json_array_size(expected);
    must(hearth_session_rewind(session, 0, &err), &err);
    hearth_sampler_reset(sampler);
    must(hearth_generation_new(&g, session, sampler, ids, n, &options, &err), &err);
    while (event.type != HEARTH_EVENT_DONE) {
        must(hearth_generation_next(g, &event, &err), &err);
        if (event.type == HEARTH_EVENT_TEXT)
            buf_append(&text, event.text, event.n_text);
    }
    CHECK(event.reason == HEARTH_FINISH_LIMIT, "'%s' ended for reason %d", prompt, event.reason);
    /* The last token is sampled, but need not be fed. */
    size_t n_written = hearth_session_n_tokens(session) - n;
    CHECK(n_written + 1 >= json_array_size(expected), "'%s': %zu tokens were written", prompt,
          n_written);
    for (size_t i = 0; i < n_written && i < json_array_size(expected); i++)
        CHECK(json_integer_value(json_array_get(expected, i)) ==
                  hearth_session_tokens(session)[n + i],
              "token %zu after '%s'", i, prompt);
    CHECK(strcmp(text.data, json_string_value(json_object_get(story, "text"))) == 0,
          "'%s' goes on as '%s'", prompt, text.data);
    hearth_generation_free(g);
    hearth_free(ids);
    buf_deinit(&text);
}

int main(void)
{
    hearth_error err = {.code = HEARTH_OK};
    hearth_model *model;
    hearth_session *session;
    hearth_sampler *sampler;
    hearth_sampler_options options;
    char model_path[PATH_MAX], json_path[PATH_MAX];
    if (reference_folder() == NULL)
        return TEST_SKIPPED;
    if (!reference_path(model_path, "story/stories260K.gguf") ||
        !reference_path(json_path, "story/stories260K.json"))
        return 1;
    json_t *json = reference_read_json(json_path);
    const json_t *stories = json_object_get(json, "stories");
    hearth_sampler_options_init(&options);
    options.temperature = 0.0f;
    must(hearth_model_open(&model, model_path, NULL, &err), &err);
    must(hearth_session_open(&session, model, NULL, &err), &err);
    must(hearth_sampler_new(&sampler, model, hearth_session_n_ctx(session), &options, &err), &err);
    CHECK(json_array_size(stories) > 0, "the set has no stories");
    for (size_t i = 0; i < json_array_size(stories); i++)
        tell(session, sampler, json_array_get(stories, i));
    printf("%zu stories\n", json_array_size(stories));
    hearth_sampler_free(sampler);
    hearth_session_close(session);
    hearth_model_close(model);
    json_decref(json);
    return failures ? 1 : 0;
}
