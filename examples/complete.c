/* SPDX-License-Identifier: MIT
 *
 * complete.c - goes on with a text: a model, a prompt, and the answer on standard output as it is
 * written.
 *
 *   example_complete MODEL.gguf "Once upon a time" [MAX_TOKENS]
 *
 * Exit status 0, or 1 with one line on standard error.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hearth/hearth.h>

/* What the program owns. Every free function takes NULL, so one place can clean up after all. */
typedef struct completion {
    hearth_model *model;
    hearth_session *session;
    hearth_sampler *sampler;
    hearth_generation *generation;
    int32_t *prompt;
    size_t n_prompt;
} completion;

static hearth_status start(completion *c, const char *path, const char *text, int max_tokens,
                           hearth_error *err)
{
    hearth_generate_options options;
    hearth_status status;
    hearth_generate_options_init(&options);
    options.max_tokens = max_tokens;

    if ((status = hearth_model_open(&c->model, path, NULL, err)) != HEARTH_OK)
        return status;
    if ((status = hearth_session_open(&c->session, c->model, NULL, err)) != HEARTH_OK)
        return status;
    if ((status = hearth_sampler_new(&c->sampler, c->model, hearth_session_n_ctx(c->session), NULL,
                                     err)) != HEARTH_OK)
        return status;
    if ((status = hearth_tokenize(c->model, text, strlen(text), HEARTH_TOKENIZE_ADD_SPECIAL,
                                  &c->prompt, &c->n_prompt, err)) != HEARTH_OK)
        return status;
    return hearth_generation_new(&c->generation, c->session, c->sampler, c->prompt, c->n_prompt,
                                 &options, err);
}

static hearth_status write_answer(completion *c, hearth_error *err)
{
    hearth_event event;
    do {
        hearth_status status = hearth_generation_next(c->generation, &event, err);
        if (status != HEARTH_OK)
            return status;
        if (event.type == HEARTH_EVENT_TEXT) {
            fwrite(event.text, 1, event.n_text, stdout);
            fflush(stdout);
        }
    } while (event.type != HEARTH_EVENT_DONE);
    putchar('\n');
    fprintf(stderr, "%zu tokens read in %.0f ms, %zu written in %.0f ms\n", event.n_prompt,
            event.prompt_ms, event.n_generated, event.generate_ms);
    return HEARTH_OK;
}

int main(int argc, char **argv)
{
    completion c = {0};
    hearth_error err = {0};
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: %s MODEL.gguf PROMPT [MAX_TOKENS]\n", argv[0]);
        return 1;
    }
    long max_tokens = 128;
    if (argc == 4) {
        char *end;
        max_tokens = strtol(argv[3], &end, 10);
        if (end == argv[3] || *end != '\0' || max_tokens < 0 || max_tokens > INT32_MAX) {
            fprintf(stderr, "MAX_TOKENS is '%s'; give a whole number from 0\n", argv[3]);
            return 1;
        }
    }
    hearth_status status = start(&c, argv[1], argv[2], (int)max_tokens, &err);
    if (status == HEARTH_OK)
        status = write_answer(&c, &err);
    if (status != HEARTH_OK)
        fprintf(stderr, "%s\n", err.message);
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (!written)
        fprintf(stderr, "the answer could not be written\n");

    hearth_generation_free(c.generation);
    hearth_free(c.prompt);
    hearth_sampler_free(c.sampler);
    hearth_session_close(c.session);
    hearth_model_close(c.model);
    return status == HEARTH_OK && written ? 0 : 1;
}
