/* SPDX-License-Identifier: MIT
 *
 * main.c - the ember program: makes Hearth's own small model. README.md has the commands.
 *
 *     ember corpus                    shows conversations as training sees them
 *     ember tokenizer OUT             learns the vocabulary
 *     ember train VOCABULARY OUT      trains, and writes an F32 GGUF file
 *     ember evaluate MODEL            asks the held-out questions
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/option.h"
#include "ember/conversation.h"
#include "ember/evaluate.h"
#include "ember/export.h"
#include "ember/train.h"
#include "ember/vocabulary.h"
#include "os/cpu.h"

typedef struct ember_options {
    const char *corpus;
    uint32_t seed;
    uint32_t n;
    train_options train;
    evaluate_options evaluate;
} ember_options;

static const option rows[] = {
    OPTION_ROW_TEXT("--corpus", ember_options, corpus, "FOLDER", "the corpus files"),
    OPTION_ROW_U32("--seed", ember_options, seed, 0, UINT32_MAX, "N", "seed of everything drawn"),
    OPTION_ROW_U32("--count", ember_options, n, 1, 100000000, "N", "conversations"),
    OPTION_ROW_U32("--steps", ember_options, train.n_steps, 1, 10000000, "N", "training steps"),
    OPTION_ROW_U32("--batch", ember_options, train.batch_tokens, 256, 1 << 20, "N",
                   "tokens per step"),
    OPTION_ROW_F32("--rate", ember_options, train.rate, 0, 1, "X", "highest learning rate"),
    OPTION_ROW_F32("--dropout", ember_options, train.dropout, 0, 0.9f, "X",
                   "share of units left out in a step"),
    OPTION_ROW_I32("--threads", ember_options, train.n_threads, 0, 64, "N", "0: one per core"),
    OPTION_ROW_TEXT("--isa", ember_options, train.isa, "NAME", "instruction set"),
    OPTION_ROW_TEXT("--checkpoint", ember_options, train.checkpoint, "FILE",
                    "kept, and resumed from"),
    OPTION_ROW_U32("--checkpoint-steps", ember_options, train.checkpoint_steps, 1, 1000000, "N",
                   "steps between checkpoints"),
    OPTION_ROW_U32("--stop-after", ember_options, train.stop_after, 0, UINT32_MAX, "N",
                   "leave after this step, as if killed"),
    OPTION_ROW_FLAG("--disguise", ember_options, evaluate.disguise, "ask as people type"),
    OPTION_ROW_FLAG("--wordings", ember_options, evaluate.wordings, "ask in wordings of their own"),
    OPTION_ROW_FLAG("--trained", ember_options, evaluate.trained, "ask what training asked"),
    OPTION_ROW_FLAG("--all", ember_options, evaluate.all, "print right answers, too"),
    OPTION_ROW_TEXT("--category", ember_options, evaluate.category, "NAME", "ask only these"),
    OPTION_ROW_END,
};
static const option_group groups[] = {{"Options", rows, 0}};

/* What ships: see README.md. All widths are multiples of 256, as the K formats want. */
static const net_shape shape = {.n_vocab = VOCABULARY_SIZE,
                                .n_embd = 256,
                                .n_layer = 6,
                                .n_head = 8,
                                .n_head_kv = 4,
                                .n_ff = 512,
                                .n_ctx = 2048,
                                .rope_base = 10000.0f,
                                .norm_eps = 1e-5f};

/* ---- commands ---- */

static void print_conversation(const conversation *c)
{
    if (c->system)
        printf("system: %s\n", c->system);
    for (size_t i = 0; i < c->n_turns; i++)
        printf("user: %s\nember: %s\n", c->turns[i].user, c->turns[i].assistant);
    printf("\n");
}

static hearth_status show_corpus(const ember_options *o, const corpus *c, hearth_error *err)
{
    rng r = rng_new(o->seed, 0);
    for (uint32_t i = 0; i < o->n; i++) {
        conversation one;
        TRY(conversation_draw(&one, c, &r, err));
        print_conversation(&one);
        conversation_clear(&one);
    }
    return HEARTH_OK;
}

static void report_step(void *user, uint32_t step, double loss, double rate, double seconds)
{
    const train_options *o = user;
    static double mean;
    mean = step == 0 || mean == 0 ? loss : 0.95 * mean + 0.05 * loss;
    if ((step + 1) % 20 == 0 || step + 1 == o->n_steps) {
        printf("step %u of %u  loss %.4f  rate %.5f  %.0f tokens/s\n", step + 1, o->n_steps, mean,
               rate, o->batch_tokens / seconds);
        fflush(stdout);
    }
}

static hearth_status train(ember_options *o, const corpus *c, const char *vocabulary_path,
                           const char *out, hearth_error *err)
{
    hearth_model_options options;
    hearth_model *vocabulary = NULL;
    net *n = NULL;
    hearth_status status = HEARTH_OK;
    hearth_model_options_init(&options);
    options.scope = HEARTH_SCOPE_TOKENIZER;
    o->train.seed = o->seed;
    o->train.on_step = report_step;
    o->train.user = &o->train;
    if (o->train.n_threads == 0)
        o->train.n_threads = cpu_default_threads();
    TRY_OUT(hearth_model_open(&vocabulary, vocabulary_path, &options, err));
    TRY_OUT(net_open(&n, &shape, o->train.batch_tokens, o->train.n_threads, o->train.isa, err));
    printf("%zu parameters, %u steps of %u tokens\n", net_get_layout(n)->n, o->train.n_steps,
           o->train.batch_tokens);
    TRY_OUT(train_run(n, &shape, c, vocabulary, &o->train, err));
    TRY_OUT(export_gguf(net_parameters(n), &shape, vocabulary_path, out, err));
out:
    net_close(n);
    hearth_model_close(vocabulary);
    return status;
}

static hearth_status evaluate(ember_options *o, const corpus *c, const char *path,
                              hearth_error *err)
{
    hearth_model_options options;
    hearth_model *model = NULL;
    hearth_model_options_init(&options);
    options.isa = o->train.isa;
    o->evaluate.seed = o->seed;
    o->evaluate.n_threads = o->train.n_threads;
    TRY(hearth_model_open(&model, path, &options, err));
    hearth_status status = evaluate_model(model, c, &o->evaluate, stdout, err);
    hearth_model_close(model);
    return status;
}

static hearth_status run(ember_options *o, const option_list *arguments, hearth_error *err)
{
    const char *const *a = arguments->items;
    size_t n = arguments->n;
    corpus *c = NULL;
    TRY(corpus_open(&c, o->corpus, err));
    hearth_status status;
    if (n == 1 && strcmp(a[0], "corpus") == 0)
        status = show_corpus(o, c, err);
    else if (n == 2 && strcmp(a[0], "tokenizer") == 0)
        status = vocabulary_train(c, o->seed, o->n, a[1], err);
    else if (n == 3 && strcmp(a[0], "train") == 0)
        status = train(o, c, a[1], a[2], err);
    else if (n == 2 && strcmp(a[0], "evaluate") == 0)
        status = evaluate(o, c, a[1], err);
    else
        status =
            error_set(err, HEARTH_EINVAL, "command",
                      "use: ember corpus | tokenizer OUT | train VOCABULARY OUT | evaluate MODEL");
    corpus_close(c);
    return status;
}

int main(int argc, char **argv)
{
    const option_set set = {groups, OPTION_COUNT(groups)};
    ember_options o = {.corpus = "models/ember/corpus",
                       .seed = 1,
                       .n = 20,
                       .train = {.n_steps = 24000,
                                 .batch_tokens = 2048,
                                 .rate = 1.5e-3f,
                                 .dropout = 0.05f,
                                 .checkpoint_steps = 100}};
    option_list arguments = {0};
    hearth_error err = {0};
    hearth_status status =
        option_parse(&set, &o, argc - 1, (const char *const *)argv + 1, &arguments, &err);
    if (status == HEARTH_OK)
        status = run(&o, &arguments, &err);
    if (status != HEARTH_OK)
        fprintf(stderr, "ember: %s\n", err.message);
    option_list_deinit(&arguments);
    option_set_deinit(&set, &o);
    return status == HEARTH_OK ? 0 : 1;
}
