/* SPDX-License-Identifier: MIT
 *
 * search.c - finds the lines of standard input that mean the most similar to a query.
 *
 *   example_search MODEL.gguf "how to make a fire" < notes.txt
 *
 * Every line and the query become vectors of length 1, so their products say how near they are.
 * Exit status 0, or 1 with one line on standard error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hearth/hearth.h>

enum { MAX_LINES = 10000, N_BEST = 3 };

typedef struct search {
    hearth_model *model;
    hearth_engine *engine;
    hearth_embed_item *items; /* the query, then the lines */
    char **lines;             /* lines[0] is the query */
    size_t n;
    float *vectors;
    size_t n_embd;
} search;

static hearth_status no_memory(hearth_error *err)
{
    snprintf(err->message, sizeof err->message, "out of memory");
    return HEARTH_ENOMEM;
}

static hearth_status read_lines(search *s, const char *query, hearth_error *err)
{
    char *line = NULL;
    size_t capacity = 0;
    s->lines = calloc(MAX_LINES + 1, sizeof *s->lines);
    s->items = calloc(MAX_LINES + 1, sizeof *s->items);
    if (s->lines == NULL || s->items == NULL || (s->lines[s->n++] = strdup(query)) == NULL)
        return no_memory(err);
    while (s->n <= MAX_LINES && getline(&line, &capacity, stdin) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0' && (s->lines[s->n++] = strdup(line)) == NULL) {
            free(line);
            return no_memory(err);
        }
    }
    free(line);
    return HEARTH_OK;
}

static hearth_status embed(search *s, hearth_error *err)
{
    s->n_embd = hearth_model_get_info(s->model)->n_embd;
    s->vectors = calloc(s->n * s->n_embd, sizeof *s->vectors);
    if (s->vectors == NULL)
        return no_memory(err);
    for (size_t i = 0; i < s->n; i++) {
        int32_t *tokens;
        hearth_status status =
            hearth_tokenize(s->model, s->lines[i], strlen(s->lines[i]), HEARTH_TOKENIZE_ADD_SPECIAL,
                            &tokens, &s->items[i].n_tokens, err);
        if (status != HEARTH_OK)
            return status;
        s->items[i].tokens = tokens;
        s->items[i].out = s->vectors + i * s->n_embd;
    }
    return hearth_engine_embed(s->engine, s->items, s->n, NULL, err);
}

static float nearness(const search *s, size_t i)
{
    float sum = 0;
    for (size_t k = 0; k < s->n_embd; k++)
        sum += s->vectors[k] * s->items[i].out[k];
    return sum;
}

static void print_best(const search *s)
{
    float last = 2; /* above every product */
    for (int found = 0; found < N_BEST; found++) {
        size_t best = 0;
        for (size_t i = 1; i < s->n; i++) {
            if (nearness(s, i) < last && (best == 0 || nearness(s, i) > nearness(s, best)))
                best = i;
        }
        if (best == 0)
            return;
        last = nearness(s, best);
        printf("%.3f  %s\n", (double)last, s->lines[best]);
    }
}

int main(int argc, char **argv)
{
    search s = {0};
    hearth_error err = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL.gguf QUERY < LINES\n", argv[0]);
        return 1;
    }
    hearth_status status = hearth_model_open(&s.model, argv[1], NULL, &err);
    if (status == HEARTH_OK)
        status = hearth_engine_open(&s.engine, s.model, NULL, &err);
    if (status == HEARTH_OK)
        status = read_lines(&s, argv[2], &err);
    if (status == HEARTH_OK)
        status = embed(&s, &err);
    if (status == HEARTH_OK)
        print_best(&s);
    else
        fprintf(stderr, "%s\n", err.message);
    for (size_t i = 0; i < s.n; i++) {
        hearth_free((void *)s.items[i].tokens);
        free(s.lines[i]);
    }
    free(s.items);
    free(s.lines);
    free(s.vectors);
    hearth_engine_close(s.engine);
    hearth_model_close(s.model);
    return status == HEARTH_OK ? 0 : 1;
}
