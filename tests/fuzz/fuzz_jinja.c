/* SPDX-License-Identifier: MIT
 *
 * fuzz_jinja.c - any template with any variables: refused with a message, or rendered to UTF-8.
 *
 * Input    The template, then a NUL and the variables as JSON; without a NUL, some of a
 *          conversation. Budgets are small, so that the fuzzer does not wait.
 */
#include <hearth/chat.h>
#include <hearth/model.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static const char conversation[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi \\u00e9\"}, {\"role\": \"assistant\", "
    "\"content\": \"\", \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": {\"a\": "
    "[1, 2.5, null, true]}}}]}], \"add_generation_prompt\": true, \"bos_token\": \"<s>\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    hearth_chat_render_options options;
    hearth_chat_template *t = NULL;
    hearth_error err = {0};
    const char *source = n ? (const char *)data : "";
    const uint8_t *end = n ? memchr(data, '\0', n) : NULL;
    size_t n_source = end ? (size_t)(end - data) : n;
    const char *context = end ? (const char *)end + 1 : conversation;
    size_t n_context = end ? n - n_source - 1 : sizeof conversation - 1;
    hearth_chat_render_options_init(&options);
    options.now = 0;
    options.max_depth = 200;
    options.max_steps = 20000;
    options.max_memory_bytes = 4 << 20;
    options.max_output_bytes = 1 << 20;
    hearth_status status = hearth_chat_template_new(&t, source, n_source, &err);
    char *text = NULL;
    size_t n_text = 0;
    if (status == HEARTH_OK)
        status = hearth_chat_template_render(t, context, n_context, &options, &text, &n_text, &err);
    if (status == HEARTH_OK)
        require(utf8_is_valid(text, n_text));
    else
        require(text == NULL && err.code == status && err.message[0] != '\0');
    hearth_free(text);
    hearth_chat_template_free(t);
    return 0;
}
