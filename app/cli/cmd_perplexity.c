/* SPDX-License-Identifier: MIT
 *
 * cmd_perplexity.c - hearth perplexity: how well a model foresees a text.
 *
 * The text is cut into windows of n tokens that do not overlap; the rest is left out. The model
 * reads each window from scratch, the first token replaced by bos where the model begins with one,
 * and is scored on the tokens after position n/2, so that each of them has a context:
 *     perplexity = exp(mean of -ln p(token | window so far))
 * These are the rules of llama.cpp's tool of the same name, so numbers can be compared. The
 * standard error is that of the mean, carried through exp.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/terminal.h"

enum { WINDOW_DEFAULT = 512, WINDOW_MIN = 4 };

typedef struct perplexity_options {
    cli_general general;
    cli_model model;
    hearth_session_options session;
    uint32_t n_windows;
} perplexity_options;

static const option rows[] = {
    OPTION_ROW_U32("--chunks", perplexity_options, n_windows, 0, UINT32_MAX, "N",
                   "stop after N windows; 0 reads all"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Perplexity", rows, 0},
    {"Session", cli_session_rows, offsetof(perplexity_options, session)},
    {"Model", cli_model_rows, offsetof(perplexity_options, model)},
    {"General", cli_general_rows, offsetof(perplexity_options, general)},
};
static const cli_argument arguments_help[] = {
    {"MODEL", "a GGUF file, any part of a split set", true},
    {"FILE", "the text; - is standard input", true},
};

static void init(void *options)
{
    perplexity_options *o = options;
    cli_general_init(&o->general);
    hearth_session_options_init(&o->session);
}

/* ---- scores ---- */

typedef struct score {
    const int32_t *window;
    double sum, sum_of_squares; /* of -ln p */
    size_t n;
    double *running; /* perplexity after each window */
    size_t n_windows, window_size;
} score;

static double negative_log_likelihood(const float *logits, size_t n_vocab, int32_t token)
{
    float largest = logits[0];
    for (size_t i = 1; i < n_vocab; i++)
        largest = logits[i] > largest ? logits[i] : largest;
    double sum = 0;
    for (size_t i = 0; i < n_vocab; i++)
        sum += (double)expf(logits[i] - largest);
    return log(sum) - (double)(logits[token] - largest);
}

static bool score_token(void *user, size_t position, const float *logits, size_t n_vocab)
{
    score *s = user;
    double nll = negative_log_likelihood(logits, n_vocab, s->window[position + 1]);
    s->sum += nll;
    s->sum_of_squares += nll * nll;
    s->n++;
    return isfinite(nll);
}

static double perplexity(const score *s)
{
    return exp(s->sum / (double)s->n);
}

static double standard_error(const score *s)
{
    double n = (double)s->n, mean = s->sum / n, variance = s->sum_of_squares / n - mean * mean;
    return s->n > 1 && variance > 0 ? perplexity(s) * sqrt(variance / (n - 1)) : 0;
}

/* ---- windows ---- */

static hearth_status score_window(hearth_session *session, score *s, hearth_error *err)
{
    size_t half = s->window_size / 2;
    hearth_feed_options skip, take;
    hearth_feed_options_init(&skip);
    skip.no_logits = true;
    hearth_feed_options_init(&take);
    take.on_logits = score_token;
    take.user = s;
    size_t n_before = s->n;
    TRY(hearth_session_rewind(session, 0, err));
    TRY(hearth_session_feed(session, s->window, half, &skip, err));
    hearth_status status =
        hearth_session_feed(session, s->window + half, s->window_size - 1 - half, &take, err);
    if (status == HEARTH_ECANCELED && !interrupt_pending())
        FAIL(err, EFORMAT, "logits", "the model's logits are not numbers (token %zu of a window)",
             half + s->n - n_before);
    return status;
}

static hearth_status score_all(const perplexity_options *o, hearth_session *session,
                               const int32_t *tokens, score *s, hearth_error *err)
{
    hearth_special_tokens special;
    progress_bar bar;
    hearth_status status = HEARTH_OK;
    TRY(hearth_model_special_tokens(hearth_session_model(session), &special, err));
    int32_t *window = mem_alloc_array(s->window_size, sizeof *window);
    if (window == NULL)
        return error_no_memory(err, "a window", s->window_size * sizeof *window);
    s->window = window;
    progress_start(&bar, "perplexity");
    for (size_t w = 0; w < s->n_windows; w++) {
        memcpy(window, tokens + w * s->window_size, s->window_size * sizeof *window);
        if (special.add_bos && special.bos >= 0)
            window[0] = special.bos;
        TRY_OUT(score_window(session, s, err));
        s->running[w] = perplexity(s);
        if (!o->general.json) {
            terminal_clear_progress();
            printf("[%zu/%zu] %.4f\n", w + 1, s->n_windows, s->running[w]);
            TRY_OUT(output_flush(err));
        }
        if (!progress_update(&bar, w + 1, s->n_windows))
            FAIL_OUT(err, ECANCELED, "perplexity", "stopped after window %zu of %zu", w + 1,
                     s->n_windows);
    }
out:
    progress_end(&bar);
    mem_free(window);
    return status;
}

/* ---- the command ---- */

static hearth_status report(const perplexity_options *o, const score *s, hearth_error *err)
{
    if (!o->general.json) {
        printf("perplexity %.4f +/- %.5f over %zu tokens in windows of %zu\n", perplexity(s),
               standard_error(s), s->n, s->window_size);
        return HEARTH_OK;
    }
    json_t *running = json_array();
    for (size_t w = 0; w < s->n_windows; w++)
        json_array_append_new(running, output_json_number(s->running[w]));
    return output_json(json_pack("{s:o, s:o, s:f, s:I, s:I, s:I, s:o}", "perplexity",
                                 output_json_number(perplexity(s)), "standard_error",
                                 output_json_number(standard_error(s)), "mean_nll",
                                 s->sum / (double)s->n, "tokens_scored", (json_int_t)s->n,
                                 "windows", (json_int_t)s->n_windows, "n_ctx",
                                 (json_int_t)s->window_size, "running", running),
                       err);
}

static hearth_status read_tokens(const hearth_model *model, const char *file, int32_t **tokens,
                                 size_t *n, hearth_error *err)
{
    buf text;
    buf_init(&text, INPUT_MAX);
    hearth_status status = input_read(file, &text, err);
    if (status == HEARTH_OK)
        status = hearth_tokenize(model, text.data ? text.data : "", text.n,
                                 HEARTH_TOKENIZE_ADD_SPECIAL, tokens, n, err);
    buf_deinit(&text);
    return status;
}

/* Sizes of the windows and how many there are. */
static hearth_status cut(const perplexity_options *o, const hearth_model *model, size_t n_tokens,
                         score *s, hearth_error *err)
{
    const hearth_model_info *info = hearth_model_get_info(model);
    uint32_t train = info->n_ctx_train ? info->n_ctx_train : WINDOW_DEFAULT;
    s->window_size = o->session.n_ctx         ? o->session.n_ctx
                     : train < WINDOW_DEFAULT ? train
                                              : WINDOW_DEFAULT;
    if (!info->causal)
        FAIL(err, EINVAL, "MODEL", "%s is an encoder: it does not foresee the next token",
             info->architecture);
    if (s->window_size < WINDOW_MIN)
        FAIL(err, EINVAL, "--ctx-size", "--ctx-size: a window needs at least %d tokens, not %zu",
             WINDOW_MIN, s->window_size);
    s->n_windows = n_tokens / s->window_size;
    if (s->n_windows == 0)
        FAIL(err, EINVAL, "FILE",
             "the text has %zu tokens, which do not fill a window of %zu; give a longer text or a "
             "smaller --ctx-size",
             n_tokens, s->window_size);
    if (o->n_windows && o->n_windows < s->n_windows)
        s->n_windows = o->n_windows;
    return HEARTH_OK;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    perplexity_options *o = options;
    hearth_status status = HEARTH_OK;
    hearth_model *model = NULL;
    hearth_session *session = NULL;
    int32_t *tokens = NULL;
    score s = {0};
    const char *path;
    size_t next, n_tokens = 0;
    o->session.ignore_memory_limit = o->model.ignore_memory_limit;
    TRY_OUT(cli_take_model(&o->model, arguments, &next, &path, err));
    if (next >= arguments->n)
        FAIL_OUT(err, EINVAL, "FILE", "which text? Give a file, or - for standard input");
    TRY_OUT(cli_no_more_arguments(arguments, next + 1, err));
    TRY_OUT(cli_open_model(&model, path, &o->model, &o->general, HEARTH_SCOPE_ALL, true, err));
    TRY_OUT(read_tokens(model, arguments->items[next], &tokens, &n_tokens, err));
    TRY_OUT(cut(o, model, n_tokens, &s, err));
    s.running = mem_alloc_array(s.n_windows, sizeof *s.running);
    if (s.running == NULL)
        FAIL_OUT(err, ENOMEM, "windows", "out of memory for %zu windows", s.n_windows);
    o->session.n_ctx = (uint32_t)s.window_size;
    TRY_OUT(hearth_session_open(&session, model, &o->session, err));
    interrupt_watch(session);
    TRY_OUT(score_all(o, session, tokens, &s, err));
    status = report(o, &s, err);
out:
    interrupt_watch(NULL);
    hearth_session_close(session);
    mem_free(s.running);
    hearth_free(tokens);
    hearth_model_close(model);
    return status;
}

const cli_command cmd_perplexity = {
    .name = "perplexity",
    .summary = "measure how well a model foresees a text",
    .description =
        "Scores the second half of every window of a text and prints the perplexity so far, then "
        "the final one with its standard error, by the rules of llama.cpp's tool. Lower is "
        "better. Without --ctx-size a window is 512 tokens, or the model's context if that is "
        "smaller.",
    .examples = "  hearth perplexity model.gguf wiki.test.raw\n"
                "  hearth perplexity model.gguf book.txt -c 2048 --json\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(perplexity_options),
    .init = init,
    .run = run,
};
