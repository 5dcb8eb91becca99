/* SPDX-License-Identifier: MIT
 *
 * chat.c - a conversation on standard input and output, one line a turn, until the end of input.
 *
 *   example_chat MODEL.gguf
 *
 * One session holds the whole conversation, so every turn reads only what is new. Two prompt
 * formats, by what the vocabulary has:
 *
 *   ChatML  <|im_start|>user\nLINE<|im_end|>\n<|im_start|>assistant\nANSWER<|im_end|>\n ...
 *   plain   User: LINE\nAssistant: ANSWER\n ...      where an answer ends with its first line
 *
 * Exit status 0, or 1 with one line on standard error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hearth/hearth.h>

typedef struct chat {
    hearth_model *model;
    hearth_session *session;
    hearth_sampler *sampler;
    bool chatml;
    const char *between; /* what closes the answer before this turn */
} chat;

static hearth_status open_chat(chat *c, const char *path, hearth_error *err)
{
    static const char marker[] = "<|im_start|>";
    hearth_status status;
    int32_t *tokens;
    size_t n;
    if ((status = hearth_model_open(&c->model, path, NULL, err)) != HEARTH_OK)
        return status;
    if ((status = hearth_session_open(&c->session, c->model, NULL, err)) != HEARTH_OK)
        return status;
    if ((status = hearth_sampler_new(&c->sampler, c->model, hearth_session_n_ctx(c->session), NULL,
                                     err)) != HEARTH_OK)
        return status;
    status = hearth_tokenize(c->model, marker, strlen(marker), HEARTH_TOKENIZE_PARSE_SPECIAL,
                             &tokens, &n, err);
    if (status != HEARTH_OK)
        return status;
    c->chatml = n == 1 && hearth_token_is_control(c->model, tokens[0]);
    c->between = "";
    hearth_free(tokens);
    return HEARTH_OK;
}

/* The turn as tokens. The first one begins as the model asks, with its bos token for instance. */
static hearth_status make_prompt(const chat *c, const char *line, int32_t **tokens, size_t *n,
                                 hearth_error *err)
{
    const char *before = c->chatml ? "<|im_start|>user\n" : "User: ";
    const char *after = c->chatml ? "<|im_end|>\n<|im_start|>assistant\n" : "\nAssistant:";
    unsigned flags = c->chatml ? HEARTH_TOKENIZE_PARSE_SPECIAL : 0;
    if (hearth_session_n_tokens(c->session) == 0)
        flags |= HEARTH_TOKENIZE_ADD_SPECIAL;
    size_t size = strlen(c->between) + strlen(before) + strlen(line) + strlen(after) + 1;
    char *text = malloc(size);
    if (text == NULL) {
        snprintf(err->message, sizeof err->message, "out of memory for a line of input");
        return HEARTH_ENOMEM;
    }
    snprintf(text, size, "%s%s%s%s", c->between, before, line, after);
    hearth_status status = hearth_tokenize(c->model, text, strlen(text), flags, tokens, n, err);
    free(text);
    return status;
}

static hearth_status print_answer(chat *c, hearth_generation *generation, hearth_error *err)
{
    hearth_event event;
    do {
        hearth_status status = hearth_generation_next(generation, &event, err);
        if (status != HEARTH_OK)
            return status;
        if (event.type == HEARTH_EVENT_TEXT) {
            fwrite(event.text, 1, event.n_text, stdout);
            fflush(stdout);
        }
    } while (event.type != HEARTH_EVENT_DONE);
    putchar('\n');
    /* The end token is not in the session, a stop string is. */
    bool closed = event.reason == HEARTH_FINISH_WORD;
    c->between = c->chatml ? "<|im_end|>\n" : closed ? "" : "\n";
    return HEARTH_OK;
}

static hearth_status take_turn(chat *c, const char *line, hearth_error *err)
{
    static const char *const line_end[] = {"\n"};
    hearth_generate_options options;
    hearth_generation *generation = NULL;
    int32_t *prompt = NULL;
    size_t n_prompt = 0;
    hearth_generate_options_init(&options);
    options.max_tokens = 128; /* an answer must leave room for the next turn */
    options.stop = line_end;
    options.n_stop = c->chatml ? 0 : 1;
    hearth_status status = make_prompt(c, line, &prompt, &n_prompt, err);
    if (status == HEARTH_OK)
        status = hearth_generation_new(&generation, c->session, c->sampler, prompt, n_prompt,
                                       &options, err);
    if (status == HEARTH_OK)
        status = print_answer(c, generation, err);
    hearth_generation_free(generation);
    hearth_free(prompt);
    return status;
}

int main(int argc, char **argv)
{
    chat c = {0};
    hearth_error err = {0};
    char *line = NULL;
    size_t capacity = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL.gguf\n", argv[0]);
        return 1;
    }
    hearth_status status = open_chat(&c, argv[1], &err);
    while (status == HEARTH_OK && getline(&line, &capacity, stdin) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0')
            status = take_turn(&c, line, &err);
    }
    if (status != HEARTH_OK)
        fprintf(stderr, "%s\n", err.message);
    free(line);
    hearth_sampler_free(c.sampler);
    hearth_session_close(c.session);
    hearth_model_close(c.model);
    return status == HEARTH_OK ? 0 : 1;
}
