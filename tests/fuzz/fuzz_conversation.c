/* SPDX-License-Identifier: MIT
 *
 * fuzz_conversation.c - any bytes as the conversation of a model's chat: refused with a message, or
 * made a prompt whose tokens are in the vocabulary.
 */
#include <hearth/answer.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The shipped model's, opened once. */
static const hearth_chat *open_chat(const hearth_model **model)
{
    static hearth_model *opened;
    static hearth_chat *chat;
    hearth_model_options o;
    hearth_model_options_init(&o);
    o.scope = HEARTH_SCOPE_TOKENIZER;
    if (chat == NULL) {
        require(hearth_model_open(&opened, HEARTH_SOURCE_DIR "/models/ember/ember.gguf", &o,
                                  NULL) == HEARTH_OK);
        require(hearth_chat_new(&chat, opened, NULL, 0, NULL) == HEARTH_OK);
    }
    *model = opened;
    return chat;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const hearth_model *model;
    const hearth_chat *chat = open_chat(&model);
    hearth_error err = {0};
    int32_t *tokens = NULL;
    char *text = NULL;
    size_t n_tokens = 0, n_text = 0;
    hearth_status status = hearth_chat_prompt(chat, n ? (const char *)data : "", n, &tokens,
                                              &n_tokens, &text, &n_text, &err);
    if (status == HEARTH_OK) {
        require(strlen(text) <= n_text);
        for (size_t i = 0; i < n_tokens; i++)
            require(tokens[i] >= 0 && (uint32_t)tokens[i] < hearth_model_get_info(model)->n_vocab);
    } else {
        require(err.message[0] != '\0' && tokens == NULL && text == NULL);
    }
    hearth_free(tokens);
    hearth_free(text);
    return 0;
}
