/* SPDX-License-Identifier: MIT
 *
 * options.c - the options that commands share, and what they turn into: an open model, a sampler.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/models.h"
#include "cli/terminal.h"
#include "library/ember.h"

const option cli_general_rows[] = {
    OPTION_ROW_FLAG("--json", cli_general, json, "write the result as one JSON object"),
    OPTION_ROW_FLAG("--verbose", cli_general, verbose,
                    "tell more on standard error: what was chosen, how long it took"),
    OPTION_ROW_ALIAS("-v", "--verbose"),
    OPTION_ROW_CHOICE(hearth_log_level, "--log-level", cli_general, log_level,
                      "error|warning|info|debug", "what is worth a line on standard error"),
    OPTION_ROW_FLAG("--help", cli_general, help, "this text"),
    OPTION_ROW_ALIAS("-h", "--help"),
    OPTION_ROW_END,
};
_Static_assert(HEARTH_LOG_ERROR == 0 && HEARTH_LOG_DEBUG == 3, "choices are in the enum's order");

const option cli_model_rows[] = {
    OPTION_ROW_TEXT("--model", cli_model, path, "FILE",
                    "the model, in place of the first argument: a GGUF file, any part of a set, or "
                    "ember"),
    OPTION_ROW_ALIAS("-m", "--model"),
    OPTION_ROW_TEXT("--isa", cli_model, isa, "NAME",
                    "instruction set: scalar, avx2, avx512, amx, neon; otherwise the environment "
                    "variable HEARTH_ISA, or the best there is. Results are the same in all"),
    OPTION_ROW_LIST("--lora", cli_model, adapters, "FILE",
                    "a LoRA adapter made for the model. May be repeated"),
    OPTION_ROW_LIST("--override-kv", cli_model, overrides, "KEY=TYPE:VALUE",
                    "read a metadata value as another one; TYPE is int, float, bool or str. May "
                    "be repeated"),
    OPTION_ROW_FLAG("--ignore-memory-limit", cli_model, ignore_memory_limit,
                    "go on although the plan says that it does not fit in free memory"),
    OPTION_ROW_END,
};

const option cli_session_rows[] = {
    OPTION_ROW_U32("--ctx-size", hearth_session_options, n_ctx, 0, UINT32_MAX, "N",
                   "positions of context; 0 takes what the model was trained for, or the most "
                   "that fits"),
    OPTION_ROW_ALIAS("-c", "--ctx-size"),
    OPTION_ROW_U32("--batch-size", hearth_session_options, n_batch, 0, UINT32_MAX, "N",
                   "tokens read per pass; 0 takes a good number. Results do not depend on it"),
    OPTION_ROW_ALIAS("-b", "--batch-size"),
    OPTION_ROW_I32("--threads", hearth_session_options, n_threads, 0, 512, "N",
                   "threads; 0 takes one per core. Results do not depend on it"),
    OPTION_ROW_ALIAS("-t", "--threads"),
    OPTION_ROW_CHOICE(hearth_cache_type, "--cache-type-k", hearth_session_options, cache_type_k,
                      "f32|f16|q8_0", "how the keys of the context are kept"),
    OPTION_ROW_ALIAS("-ctk", "--cache-type-k"),
    OPTION_ROW_CHOICE(hearth_cache_type, "--cache-type-v", hearth_session_options, cache_type_v,
                      "f32|f16|q8_0", "how the values of the context are kept"),
    OPTION_ROW_ALIAS("-ctv", "--cache-type-v"),
    OPTION_ROW_END,
};
_Static_assert(HEARTH_CACHE_F32 == 0 && HEARTH_CACHE_F16 == 1 && HEARTH_CACHE_Q8_0 == 2,
               "choices are in the enum's order");

const option cli_sampling_rows[] = {
#define SAMPLING_F OPTION_ROW_F32
#define SAMPLING_I OPTION_ROW_I32
#define SAMPLING_U OPTION_ROW_U32
#define X(type, field, value, min, max, flag, help)                                                \
    SAMPLING_##type(flag, cli_sampling, sampler.field, min, max, "N", help),
#include <hearth/sampler_options.def>
#undef X
    OPTION_ROW_ALIAS("-s", "--seed"),
    OPTION_ROW_ALIAS("--temperature", "--temp"),
    OPTION_ROW_ALIAS("--typical-p", "--typical"),
    OPTION_ROW_TEXT(
        "--samplers", cli_sampling, sampler.samplers, "A;B;...",
        "the filters and their order, joined by semicolons: penalties, dry, top_n_sigma, "
        "top_k, typ_p, top_p, min_p, xtc, temperature"),
    OPTION_ROW_LIST("--dry-sequence-breaker", cli_sampling, breakers, "TEXT",
                    "text that DRY does not look across, in place of newline, colon, quote and "
                    "star; 'none' for no breaker. May be repeated"),
    OPTION_ROW_LIST("--logit-bias", cli_sampling, biases, "ID(+|-)BIAS",
                    "add to the logit of a token: 15043+1 or 15043-2.5; 15043-inf forbids it. May "
                    "be repeated"),
    OPTION_ROW_END_GIVEN(cli_sampling, given),
};

void cli_general_init(cli_general *general)
{
    *general = (cli_general){.log_level = HEARTH_LOG_WARNING};
}

/* ---- arguments ---- */

hearth_status cli_take_model(const cli_model *model, const option_list *arguments, size_t *next,
                             const char **path, hearth_error *err)
{
    *next = 0;
    *path = model->path;
    if (*path == NULL && arguments->n > 0)
        *path = arguments->items[(*next)++];
    if (*path == NULL)
        FAIL(err, EINVAL, "MODEL",
             "which model? Give the path of a GGUF file, a name of hearth list, or ember, which is "
             "built in");
    return HEARTH_OK;
}

hearth_status cli_no_more_arguments(const option_list *arguments, size_t next, hearth_error *err)
{
    if (next < arguments->n)
        FAIL(err, EINVAL, "arguments", "'%.200s' is one argument too many%s",
             arguments->items[next], next ? "; text with blanks needs quotes" : "");
    return HEARTH_OK;
}

/* ---- the model ---- */

hearth_status cli_open_model(hearth_model **out, const char *path, const cli_model *model,
                             const cli_general *general, hearth_model_scope scope, bool read_ahead,
                             hearth_error *err)
{
    hearth_model_options options;
    progress_bar bar;
    model_choice choice;
    size_t n;
    const void *bytes = ember_bytes(&n);
    hearth_status status = models_choose(&choice, path, &model->overrides, err);
    if (status != HEARTH_OK)
        goto out;
    hearth_model_options_init(&options);
    options.scope = scope;
    options.isa = model->isa;
    options.overrides = choice.overrides.items;
    options.n_overrides = choice.overrides.n;
    options.adapters = model->adapters.items;
    options.n_adapters = model->adapters.n;
    options.ignore_memory_limit = model->ignore_memory_limit;
    options.read_ahead = read_ahead;
    options.progress = progress_callback(&bar);
    options.log = cli_log(general);
    progress_start(&bar, "reading the model");
    status = choice.file ? hearth_model_open(out, choice.file, &options, err)
                         : hearth_model_open_memory(out, bytes, n, &options, err);
    progress_end(&bar);
    if (status != HEARTH_OK)
        cli_name_file(err, choice.file ? choice.file : path);
out:
    model_choice_deinit(&choice);
    return status;
}

/* ---- the sampler ---- */

/* "ID+BIAS" or "ID-BIAS", where BIAS may be inf. */
static hearth_status parse_bias(const char *text, hearth_logit_bias *out, hearth_error *err)
{
    char *end = NULL;
    long id = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;
    if (id < 0 || id > INT32_MAX || (*end != '+' && *end != '-') || strpbrk(end, "xX \t"))
        goto bad;
    const char *number = end;
    float bias = strtof(number, &end);
    if (end == number || *end != '\0' || isnan(bias) || bias == INFINITY)
        goto bad;
    *out = (hearth_logit_bias){.token = (int32_t)id, .bias = bias};
    return HEARTH_OK;
bad:
    FAIL(err, EINVAL, "--logit-bias",
         "--logit-bias: '%.64s' is not a token and a bias, like 15043+1 or 15043-inf", text);
}

/* Breakers as the library takes them: "none" alone means an empty list, which is not the default.
 */
static hearth_status prepare_breakers(option_list *breakers, hearth_sampler_options *sampler,
                                      bool escapes, hearth_error *err)
{
    if (breakers->n == 0)
        return HEARTH_OK;
    if (escapes)
        TRY(input_unescape_list(breakers, err));
    sampler->dry_sequence_breakers = breakers->items;
    sampler->n_dry_sequence_breakers = breakers->n;
    if (breakers->n == 1 && strcmp(breakers->items[0], "none") == 0)
        sampler->n_dry_sequence_breakers = 0;
    return HEARTH_OK;
}

/* The model's recommendations where the command line has nothing of its own. */
static void take_recommended(const hearth_model *model, cli_sampling *sampling, bool note)
{
    cli_sampling recommended;
    char text[32];
    hearth_model_sampler_options(model, &recommended.sampler);
    for (size_t i = 0; cli_sampling_rows[i].name; i++) {
        const option *row = &cli_sampling_rows[i];
        bool number = row->type == OPTION_F32 || row->type == OPTION_I32 || row->type == OPTION_U32;
        char *field = (char *)sampling + row->offset;
        const char *wanted = (const char *)&recommended + row->offset;
        if (!number || sampling->given >> i & 1 || memcmp(field, wanted, sizeof(float)) == 0)
            continue;
        memcpy(field, wanted, sizeof(float));
        option_format(row, field, text, sizeof text);
        if (note)
            cli_note("%s %s, as the model's file recommends", row->name, text);
    }
}

hearth_status cli_sampler_new(hearth_sampler **out, const hearth_model *model, uint32_t n_ctx,
                              cli_sampling *sampling, bool escapes, bool note, hearth_error *err)
{
    take_recommended(model, sampling, note);
    hearth_sampler_options options = sampling->sampler;
    size_t n_biases = sampling->biases.n;
    hearth_status status = HEARTH_OK;
    hearth_logit_bias *biases = mem_alloc_array(n_biases, sizeof *biases);
    if (biases == NULL)
        return error_no_memory(err, "logit biases", n_biases * sizeof *biases);
    for (size_t i = 0; i < n_biases; i++)
        TRY_OUT(parse_bias(sampling->biases.items[i], &biases[i], err));
    options.logit_bias = biases;
    options.n_logit_bias = n_biases;
    TRY_OUT(prepare_breakers(&sampling->breakers, &options, escapes, err));
    status = hearth_sampler_new(out, model, n_ctx, &options, err);
out:
    mem_free(biases);
    return status;
}
