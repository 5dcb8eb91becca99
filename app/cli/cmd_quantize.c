/* SPDX-License-Identifier: MIT
 *
 * cmd_quantize.c - hearth quantize: a model rewritten in a smaller weight format.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/human.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "os/clock.h"

typedef struct quantize_options {
    cli_general general;
    int32_t n_threads;
    bool pure;
    bool allow_requantize;
} quantize_options;

static const option rows[] = {
    OPTION_ROW_I32("--threads", quantize_options, n_threads, 0, 512, "N",
                   "threads; 0 takes one per core. The file does not depend on it"),
    OPTION_ROW_ALIAS("-t", "--threads"),
    OPTION_ROW_FLAG("--pure", quantize_options, pure,
                    "one format for all weights, instead of better ones where it matters"),
    OPTION_ROW_FLAG("--allow-requantize", quantize_options, allow_requantize,
                    "take weights that are quantized already; the losses add up"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Quantizing", rows, 0},
    {"General", cli_general_rows, offsetof(quantize_options, general)},
};
static const cli_argument arguments_help[] = {
    {"IN", "a GGUF file, any part of a split set", true},
    {"OUT", "the file to write; it appears when it is whole", true},
    {"TYPE", "Q4_K_M, Q8_0, F16, ...; 'hearth quantize list' prints all", true},
};

static void init(void *options)
{
    cli_general_init(&((quantize_options *)options)->general);
}

static void list_types(bool json)
{
    const char *name;
    json_t *types = json ? json_array() : NULL;
    for (size_t i = 0; (name = hearth_quantize_recipe_name(i)) != NULL; i++) {
        if (json)
            json_array_append_new(types, json_string(name));
        else
            puts(name);
    }
    if (json)
        (void)output_json(json_pack("{s:o}", "types", types), NULL);
}

static hearth_status report(const quantize_options *o, const char *out, const char *type,
                            const hearth_quantize_result *r, double seconds, hearth_error *err)
{
    if (o->general.json)
        return output_json(
            json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:f}", "file", output_json_string(out),
                      "type", type, "bytes_before", (json_int_t)r->bytes_before, "bytes_after",
                      (json_int_t)r->bytes_after, "tensors", (json_int_t)r->n_tensors, "fallbacks",
                      (json_int_t)r->n_fallbacks, "seconds", seconds),
            err);
    double share = r->bytes_before ? 100.0 * (double)r->bytes_after / (double)r->bytes_before : 0;
    printf("%s: %u tensors, %s before, %s after (%.1f %%), %.1f s\n", out, r->n_tensors,
           human_bytes(r->bytes_before).text, human_bytes(r->bytes_after).text, share, seconds);
    if (r->n_fallbacks)
        printf("tensors in another format than %s asks for, because their rows do not divide into "
               "its blocks: %u\n",
               type, r->n_fallbacks);
    return HEARTH_OK;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    quantize_options *o = options;
    hearth_quantize_options q;
    hearth_quantize_result result;
    progress_bar bar;
    if (arguments->n == 1 && strcmp(arguments->items[0], "list") == 0) {
        list_types(o->general.json);
        return HEARTH_OK;
    }
    if (arguments->n < 3)
        FAIL(err, EINVAL, "arguments", "quantize needs three arguments: IN OUT TYPE");
    TRY(cli_no_more_arguments(arguments, 3, err));
    const char *in = arguments->items[0], *out = arguments->items[1], *type = arguments->items[2];
    hearth_quantize_options_init(&q);
    q.n_threads = o->n_threads;
    q.pure = o->pure;
    q.allow_requantize = o->allow_requantize;
    q.progress = progress_callback(&bar);
    q.log = cli_log(&o->general);
    uint64_t started = clock_now_ns();
    progress_start(&bar, "quantizing");
    hearth_status status = hearth_quantize(in, out, type, &q, &result, err);
    progress_end(&bar);
    if (status == HEARTH_EFORMAT || status == HEARTH_EUNSUPPORTED)
        cli_name_file(err, in);
    TRY(status);
    return report(o, out, type, &result, (double)(clock_now_ns() - started) / 1e9, err);
}

const cli_command cmd_quantize = {
    .name = "quantize",
    .summary = "write a model in a smaller weight format",
    .description =
        "Reads a model and writes it with its weights in another format. A mixture such as Q4_K_M "
        "keeps the weights that matter most in a better one. What does not divide into the "
        "format's blocks falls back to the next, and a warning says so.",
    .examples = "  hearth quantize model-f16.gguf model-q4_k_m.gguf Q4_K_M\n"
                "  hearth quantize list\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(quantize_options),
    .init = init,
    .run = run,
};
