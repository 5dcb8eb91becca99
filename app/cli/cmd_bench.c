/* SPDX-License-Identifier: MIT
 *
 * cmd_bench.c - hearth bench: how fast a model reads and writes here, and how near that is to what
 * the machine can do at all.
 *
 * The machine is measured first (hearth/machine.h), then the case of every combination that was
 * asked for. Percentages compare what a case must read and compute at least (bench_work.h) with
 * those rates.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/bench_run.h"
#include "cli/bench_work.h"
#include "cli/cli.h"
#include "cli/human.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "os/clock.h"
#include "os/sysmem.h"

enum { MAX_LIST = 32, MAX_TOKENS = 1 << 24, MAX_PASS = 4096 };

typedef struct bench_options {
    cli_general general;
    cli_model model;
    hearth_session_options session;
    const char *prompts, *generations, *depths, *passes;
    uint32_t n_runs;
    bool no_machine;
} bench_options;

static const option rows[] = {
    OPTION_ROW_TEXT("--prompt", bench_options, prompts, "N,N,...",
                    "tokens read at once, a test each; 0 for none"),
    OPTION_ROW_ALIAS("-p", "--prompt"),
    OPTION_ROW_TEXT("--n-gen", bench_options, generations, "N,N,...",
                    "tokens written, a test each; 0 for none"),
    OPTION_ROW_ALIAS("-n", "--n-gen"),
    OPTION_ROW_TEXT("--depth", bench_options, depths, "N,N,...",
                    "tokens that are in the context before each test"),
    OPTION_ROW_ALIAS("-d", "--depth"),
    OPTION_ROW_TEXT("--at-once", bench_options, passes, "N,N,...",
                    "tokens per pass when writing, with the logits of each: 1 is plain writing"),
    OPTION_ROW_U32("--repetitions", bench_options, n_runs, 1, BENCH_MAX_RUNS, "N",
                   "runs of each test after one to warm up"),
    OPTION_ROW_ALIAS("-r", "--repetitions"),
    OPTION_ROW_FLAG("--no-machine", bench_options, no_machine,
                    "do not measure the machine: no percentages, two seconds less"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Tests", rows, 0},
    {"Session", cli_session_rows, offsetof(bench_options, session)},
    {"Model", cli_model_rows, offsetof(bench_options, model)},
    {"General", cli_general_rows, offsetof(bench_options, general)},
};
static const cli_argument arguments_help[] = {
    {"MODEL", "a GGUF file, any part of a split set", true},
};

static void init(void *options)
{
    bench_options *o = options;
    cli_general_init(&o->general);
    hearth_session_options_init(&o->session);
    o->prompts = "512";
    o->generations = "64";
    o->depths = "0";
    o->passes = "1";
    o->n_runs = 5;
}

/* ---- cases ---- */

typedef struct bench {
    const bench_options *o;
    hearth_model *model;
    hearth_session *session;
    hearth_machine machine;
    hearth_plan plan;
    bench_model shape;
    bench_case *cases;
    size_t n_cases;
    double load_ms, first_token_ms;
    uint64_t peak_bytes;
} bench;

typedef struct number_list {
    size_t items[MAX_LIST];
    size_t n;
} number_list;

static hearth_status parse_list(const char *name, const char *text, size_t min, size_t max,
                                number_list *out, hearth_error *err)
{
    const char *at = text;
    for (;;) {
        char *end;
        unsigned long value = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : max + 1;
        if (value < min || value > max || (*end != ',' && *end != '\0'))
            FAIL(err, EINVAL, name,
                 "%s: '%.64s' is not a list of whole numbers from %zu to %zu, such as 128,512",
                 name, text, min, max);
        if (out->n == MAX_LIST)
            FAIL(err, EINVAL, name, "%s: more than %d numbers", name, MAX_LIST);
        out->items[out->n++] = value;
        if (*end == '\0')
            return HEARTH_OK;
        at = end + 1;
    }
}

static void add_case(bench *b, bool prompt, size_t n, size_t depth, size_t pass)
{
    if (n == 0)
        return;
    bench_case *c = &b->cases[b->n_cases++];
    *c = (bench_case){
        .prompt = prompt, .n = n, .depth = depth, .pass = pass, .n_runs = b->o->n_runs};
}

static hearth_status make_cases(bench *b, hearth_error *err)
{
    const bench_options *o = b->o;
    number_list prompts = {0}, generations = {0}, depths = {0}, passes = {0};
    TRY(parse_list("--prompt", o->prompts, 0, MAX_TOKENS, &prompts, err));
    TRY(parse_list("--n-gen", o->generations, 0, MAX_TOKENS, &generations, err));
    TRY(parse_list("--depth", o->depths, 0, MAX_TOKENS, &depths, err));
    TRY(parse_list("--at-once", o->passes, 1, MAX_PASS, &passes, err));
    size_t most = depths.n * (prompts.n + generations.n * passes.n);
    b->cases = mem_alloc_array(most, sizeof *b->cases);
    if (b->cases == NULL)
        return error_no_memory(err, "tests", most * sizeof *b->cases);
    for (size_t d = 0; d < depths.n; d++) {
        for (size_t p = 0; p < prompts.n; p++)
            add_case(b, true, prompts.items[p], depths.items[d], 0);
        for (size_t g = 0; g < generations.n; g++) {
            for (size_t p = 0; p < passes.n; p++)
                add_case(b, false, generations.items[g], depths.items[d], passes.items[p]);
        }
    }
    if (b->n_cases == 0)
        FAIL(err, EINVAL, "--prompt", "nothing to measure: --prompt and --n-gen are both 0");
    return HEARTH_OK;
}

static size_t most_positions(const bench *b)
{
    size_t most = 1;
    for (size_t i = 0; i < b->n_cases; i++) {
        size_t n = b->cases[i].depth + b->cases[i].n;
        most = n > most ? n : most;
    }
    return most;
}

/* ---- running ---- */

static double ms_since(uint64_t started)
{
    return (double)(clock_now_ns() - started) / 1e6;
}

/* Model and session, and how long that and a first token take. */
static hearth_status open_all(bench *b, const char *path, hearth_error *err)
{
    const bench_options *o = b->o;
    hearth_session_options session = o->session;
    int32_t token = 0;
    size_t most = most_positions(b);
    if (session.n_ctx == 0)
        session.n_ctx = (uint32_t)most;
    if (session.n_ctx < most)
        FAIL(err, ECONTEXT, "--ctx-size", "the tests take %zu positions; --ctx-size gives %u", most,
             session.n_ctx);
    session.ignore_memory_limit = o->model.ignore_memory_limit;
    uint64_t started = clock_now_ns();
    TRY(cli_open_model(&b->model, path, &o->model, &o->general, HEARTH_SCOPE_ALL, false, err));
    const hearth_model_info *info = hearth_model_get_info(b->model);
    if (!info->causal)
        FAIL(err, EINVAL, "MODEL", "%s is an encoder: it writes no tokens", info->architecture);
    TRY(hearth_model_plan(b->model, &session, &b->plan, err));
    TRY(hearth_session_open(&b->session, b->model, &session, err));
    interrupt_watch(b->session);
    b->load_ms = ms_since(started);
    TRY(hearth_session_feed(b->session, &token, 1, NULL, err));
    b->first_token_ms = ms_since(started);
    TRY(hearth_session_rewind(b->session, 0, err));
    return bench_model_count(&b->shape, b->model, &session, err);
}

static hearth_status measure_machine(bench *b, hearth_error *err)
{
    TRY(hearth_machine_measure(b->o->model.isa, b->o->session.n_threads, &b->machine, err));
    sysmem_reset_peak_resident();
    return HEARTH_OK;
}

/* ---- report ---- */

/* What a case needs per token, and the shares of the machine's rates that it reached. */
typedef struct measured {
    double median, min, max;
    bench_work work;
    double read_share, int8_share, float_share;
} measured;

static double share(double per_token, double speed, double rate)
{
    return rate > 0 ? per_token * speed / rate : 0;
}

static measured evaluate(const bench *b, const bench_case *c)
{
    size_t pass = c->prompt ? b->plan.n_batch : c->pass;
    measured m = {.median = bench_case_median(c),
                  .min = c->speeds[0],
                  .max = c->speeds[c->n_runs - 1],
                  .work = bench_work_per_token(&b->shape, c->depth, c->n, pass, !c->prompt)};
    m.read_share = share(m.work.bytes, m.median, b->machine.read_bytes_per_s);
    m.int8_share = share(m.work.int_ops, m.median, b->machine.int8_ops_per_s);
    m.float_share = share(m.work.float_ops, m.median, b->machine.float_ops_per_s);
    return m;
}

static void print_case(const bench *b, const bench_case *c)
{
    char name[48];
    measured m = evaluate(b, c);
    if (c->prompt || c->pass == 1)
        snprintf(name, sizeof name, "%s%zu", c->prompt ? "pp" : "tg", c->n);
    else
        snprintf(name, sizeof name, "tg%zu by %zu", c->n, c->pass);
    printf("%-12s %7zu %10.2f %10.2f %10.2f %10.2f %9.1f", name, c->depth, m.median, m.min, m.max,
           m.work.bytes / 1e6, (m.work.int_ops + m.work.float_ops) / 1e6);
    if (!b->o->no_machine)
        printf(" %6.1f %% %6.1f %% %6.1f %%", 100 * m.read_share, 100 * m.int8_share,
               100 * m.float_share);
    putchar('\n');
}

static void print_head(const bench *b)
{
    const hearth_model_info *info = hearth_model_get_info(b->model);
    terminal_write_safe(stdout, info->name, strlen(info->name));
    printf("%s%s, %s, %s, %d threads, batches of %u\n", *info->name ? ": " : "", info->file_type,
           human_bytes(info->file_bytes).text, info->isa, b->plan.n_threads, b->plan.n_batch);
    if (!b->o->no_machine)
        printf("%s: reads %.1f GB/s, int8 %.0f Gop/s, float %.0f Gop/s\n", b->machine.cpu,
               b->machine.read_bytes_per_s / 1e9, b->machine.int8_ops_per_s / 1e9,
               b->machine.float_ops_per_s / 1e9);
    printf("opened in %.1f ms, first token after %.1f ms\n\n", b->load_ms, b->first_token_ms);
    printf("%-12s %7s %10s %10s %10s %10s %9s%s\n", "test", "depth", "tokens/s", "min", "max",
           "MB/token", "Mop/token", b->o->no_machine ? "" : "  of read  of int8 of float");
}

/* ---- JSON ---- */

static json_t *case_json(const bench *b, const bench_case *c)
{
    measured m = evaluate(b, c);
    bool known = !b->o->no_machine;
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o}",
                     "kind", c->prompt ? "prompt" : "generate", "tokens", (json_int_t)c->n, "depth",
                     (json_int_t)c->depth, "at_once", (json_int_t)(c->prompt ? c->n : c->pass),
                     "repetitions", (json_int_t)c->n_runs, "tokens_per_second", m.median, "min",
                     m.min, "max", m.max, "bytes_per_token", m.work.bytes, "int_ops_per_token",
                     m.work.int_ops, "float_ops_per_token", m.work.float_ops, "read_share",
                     known ? json_real(m.read_share) : json_null(), "int8_share",
                     known ? json_real(m.int8_share) : json_null(), "float_share",
                     known ? json_real(m.float_share) : json_null());
}

static json_t *machine_json(const bench *b)
{
    const hearth_machine *m = &b->machine;
    if (b->o->no_machine)
        return json_null();
    return json_pack("{s:o, s:s, s:i, s:I, s:I, s:f, s:f, s:f}", "cpu", output_json_string(m->cpu),
                     "isa", m->isa, "n_threads", m->n_threads, "memory_bytes",
                     (json_int_t)m->memory_bytes, "buffer_bytes", (json_int_t)m->buffer_bytes,
                     "read_bytes_per_second", m->read_bytes_per_s, "int8_ops_per_second",
                     m->int8_ops_per_s, "float_ops_per_second", m->float_ops_per_s);
}

static hearth_status print_json(const bench *b, hearth_error *err)
{
    const hearth_model_info *info = hearth_model_get_info(b->model);
    json_t *results = json_array();
    for (size_t i = 0; i < b->n_cases; i++)
        json_array_append_new(results, case_json(b, &b->cases[i]));
    return output_json(
        json_pack("{s:o, s:o, s:s, s:I, s:I, s:s, s:i, s:I, s:I, s:f, s:f, s:I, s:o, s:o}", "file",
                  output_json_string(info->path), "name", output_json_string(info->name),
                  "file_type", info->file_type, "file_bytes", (json_int_t)info->file_bytes,
                  "n_params", (json_int_t)info->n_params, "isa", info->isa, "n_threads",
                  b->plan.n_threads, "n_batch", (json_int_t)b->plan.n_batch, "n_ctx",
                  (json_int_t)b->plan.n_ctx, "load_ms", b->load_ms, "first_token_ms",
                  b->first_token_ms, "peak_bytes", (json_int_t)b->peak_bytes, "machine",
                  machine_json(b), "results", results),
        err);
}

/* ---- the command ---- */

/* A table is printed as it comes, because it may take long. */
static hearth_status run_cases(bench *b, hearth_error *err)
{
    progress_bar bar;
    hearth_status status = HEARTH_OK;
    progress_start(&bar, "measuring");
    for (size_t i = 0; i < b->n_cases; i++) {
        TRY_OUT(bench_case_run(&b->cases[i], b->session, err));
        if (!b->o->general.json) {
            terminal_clear_progress();
            print_case(b, &b->cases[i]);
            TRY_OUT(output_flush(err));
        }
        if (!progress_update(&bar, i + 1, b->n_cases))
            FAIL_OUT(err, ECANCELED, "bench", "stopped after test %zu of %zu", i + 1, b->n_cases);
    }
    b->peak_bytes = sysmem_peak_resident();
out:
    progress_end(&bar);
    return status;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    bench b = {.o = options};
    hearth_status status = HEARTH_OK;
    const char *path;
    size_t next;
    TRY_OUT(cli_take_model(&b.o->model, arguments, &next, &path, err));
    TRY_OUT(cli_no_more_arguments(arguments, next, err));
    TRY_OUT(make_cases(&b, err));
    if (!b.o->no_machine)
        TRY_OUT(measure_machine(&b, err));
    TRY_OUT(open_all(&b, path, err));
    if (!b.o->general.json)
        print_head(&b);
    TRY_OUT(run_cases(&b, err));
    if (b.o->general.json)
        status = print_json(&b, err);
    else
        printf("\npeak memory %s\n", human_bytes(b.peak_bytes).text);
out:
    interrupt_watch(NULL);
    hearth_session_close(b.session);
    hearth_model_close(b.model);
    mem_free(b.cases);
    return status;
}

const cli_command cmd_bench = {
    .name = "bench",
    .summary = "measure how fast a model reads and writes on this machine",
    .description =
        "Measures what the machine can read and compute at most, then how many tokens per second "
        "the model reads (pp: prompt processing) and writes (tg: text generation), and prints the "
        "median, the slowest and the fastest run, the bytes and operations that a token takes, "
        "and which share of the machine's rates was reached. Every combination of the lists is a "
        "test. The context is as large as the tests need, unless --ctx-size says otherwise.",
    .examples = "  hearth bench model.gguf\n"
                "  hearth bench model.gguf -p 128,512,2048 -n 64 -d 0,4096 --json\n"
                "  hearth bench model.gguf -p 0 -n 64 --at-once 1,2,4,8\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(bench_options),
    .init = init,
    .run = run,
};
