/* SPDX-License-Identifier: MIT
 *
 * throughput.c - how fast a model reads and writes on this machine.
 *
 *   throughput MODEL [PROMPT_TOKENS [GENERATED_TOKENS [THREADS [ISA]]]]
 *
 * Feeds PROMPT_TOKENS tokens in one go, then GENERATED_TOKENS one by one, five times each after a
 * warm-up, and prints the median and the spread in tokens per second. Token ids are a fixed
 * pattern: what they mean does not matter for speed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <hearth/hearth.h>

enum { ROUNDS = 5, MAX_TOKENS = 65536 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, size_t n, double *seconds)
{
    qsort(seconds, ROUNDS, sizeof *seconds, ascending);
    printf("%-10s %6zu tokens  median %9.2f tokens/s  (%.2f to %.2f)\n", what, n,
           (double)n / seconds[ROUNDS / 2], (double)n / seconds[ROUNDS - 1],
           (double)n / seconds[0]);
}

static hearth_status measure(hearth_session *s, size_t n_prompt, size_t n_generate,
                             hearth_error *err)
{
    static int32_t tokens[MAX_TOKENS];
    double prompt[ROUNDS], generate[ROUNDS];
    uint32_t n_vocab = hearth_model_get_info(hearth_session_model(s))->n_vocab;
    for (size_t i = 0; i < MAX_TOKENS; i++)
        tokens[i] = (int32_t)((i * 7919 + 13) % n_vocab);
    for (int round = -1; round < ROUNDS; round++) {
        hearth_status status = hearth_session_rewind(s, 0, err);
        double start = now();
        if (status == HEARTH_OK)
            status = hearth_session_feed(s, tokens, n_prompt, NULL, err);
        double middle = now();
        for (size_t i = 0; i < n_generate && status == HEARTH_OK; i++)
            status = hearth_session_feed(s, tokens + n_prompt + i, 1, NULL, err);
        if (status != HEARTH_OK)
            return status;
        if (round >= 0) {
            prompt[round] = middle - start;
            generate[round] = now() - middle;
        }
    }
    report("prompt", n_prompt, prompt);
    report("generate", n_generate, generate);
    return HEARTH_OK;
}

static size_t number(int argc, char **argv, int i, size_t fallback)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    hearth_error err = {.code = HEARTH_OK};
    hearth_model *model = NULL;
    hearth_session *session = NULL;
    hearth_model_options mo;
    hearth_session_options so;
    size_t n_prompt = number(argc, argv, 2, 512), n_generate = number(argc, argv, 3, 64);
    if (argc < 2 || n_prompt + n_generate > MAX_TOKENS || n_prompt == 0 || n_generate == 0) {
        fprintf(stderr,
                "usage: throughput MODEL [PROMPT [GENERATED [THREADS [ISA]]]], at most %d "
                "tokens in all\n",
                MAX_TOKENS);
        return 2;
    }
    hearth_model_options_init(&mo);
    hearth_session_options_init(&so);
    mo.isa = argc > 5 ? argv[5] : NULL;
    so.n_ctx = (uint32_t)(n_prompt + n_generate);
    so.n_threads = (int32_t)number(argc, argv, 4, 0);
    if (hearth_model_open(&model, argv[1], &mo, &err) == HEARTH_OK &&
        hearth_session_open(&session, model, &so, &err) == HEARTH_OK) {
        const hearth_model_info *info = hearth_model_get_info(model);
        printf("%s: %s, %.1f MiB, %s, %d threads\n", info->name, info->file_type,
               (double)info->file_bytes / 1048576.0, info->isa, hearth_session_n_threads(session));
        measure(session, n_prompt, n_generate, &err);
    }
    hearth_session_close(session);
    hearth_model_close(model);
    if (err.code != HEARTH_OK)
        fprintf(stderr, "throughput: %s\n", err.message);
    return err.code != HEARTH_OK;
}
