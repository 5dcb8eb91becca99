/* SPDX-License-Identifier: MIT
 *
 * cmd_eval.c - hearth eval: tokens in, numbers out. The door for checks from outside.
 *
 * --logits OUT gets one row of n_vocab float32 values per token, little-endian, in the order of the
 * tokens, without a header. --embedding OUT gets n_embd such values: the pooled vector of the whole
 * sequence, as long as it came out unless --normalize. --embedding without a place of its own takes
 * that of --logits. The cache is F32 unless told otherwise: nothing is rounded that need not be.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "library/describe.h"
#include "os/clock.h"

enum { TOP = 5 };

typedef struct eval_options {
    cli_general general;
    cli_model model;
    hearth_session_options session;
    const char *tokens, *text, *logits, *embedding;
    bool normalize;
    uint32_t chunk;
} eval_options;

static const option rows[] = {
    OPTION_ROW_TEXT("--tokens", eval_options, tokens, "1,2,3",
                    "the tokens, separated by commas or blanks; - reads them from standard input"),
    OPTION_ROW_TEXT("--text", eval_options, text, "TEXT",
                    "a text instead of tokens, read as the model asks (special tokens added and "
                    "parsed)"),
    OPTION_ROW_TEXT("--logits", eval_options, logits, "OUT",
                    "write the logits after every token: rows of n_vocab float32, little-endian; "
                    "- is standard output"),
    OPTION_ROW_OPTIONAL("--embedding", eval_options, embedding, "[OUT]",
                        "write the pooled embedding: n_embd float32, little-endian. Without OUT it "
                        "goes where --logits says, in their place"),
    OPTION_ROW_FLAG("--normalize", eval_options, normalize, "scale the embedding to length 1"),
    OPTION_ROW_U32("--chunk", eval_options, chunk, 0, UINT32_MAX, "N",
                   "feed N tokens at a time; 0 feeds all at once. Results do not depend on it"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Evaluation", rows, 0},
    {"Session", cli_session_rows, offsetof(eval_options, session)},
    {"Model", cli_model_rows, offsetof(eval_options, model)},
    {"General", cli_general_rows, offsetof(eval_options, general)},
};
static const cli_argument arguments_help[] = {
    {"MODEL", "a GGUF file, any part of a split set", true},
};

static void init(void *options)
{
    eval_options *o = options;
    cli_general_init(&o->general);
    hearth_session_options_init(&o->session);
    o->session.cache_type_k = o->session.cache_type_v = HEARTH_CACHE_F32;
}

/* --logits OUT --embedding: one place, for the embedding. */
static hearth_status settle_places(eval_options *o, hearth_error *err)
{
    if (o->embedding == NULL || o->embedding[0] != '\0')
        return HEARTH_OK;
    if (o->logits == NULL)
        FAIL(err, EINVAL, "--embedding", "--embedding needs a place: --embedding OUT");
    o->embedding = o->logits;
    o->logits = NULL;
    return HEARTH_OK;
}

/* ---- what to evaluate ---- */

typedef struct token_list {
    int32_t *ids; /* hearth_free or mem_free, as `from_library` says */
    size_t n;
    bool from_library;
} token_list;

static void free_tokens(token_list *t)
{
    if (t->from_library)
        hearth_free(t->ids);
    else
        mem_free(t->ids);
}

/* Ids separated by commas, blanks and newlines; brackets around them are fine, too. */
static hearth_status parse_ids(const char *text, size_t n_text, token_list *out, hearth_error *err)
{
    static const char between[] = ", \t\r\n[]";
    out->ids = mem_alloc_array(n_text / 2 + 1, sizeof *out->ids);
    if (out->ids == NULL)
        return error_no_memory(err, "tokens", n_text / 2 * sizeof *out->ids);
    const char *end_of_text = text + n_text;
    for (text += strspn(text, between); text < end_of_text; text += strspn(text, between)) {
        char *end;
        errno = 0;
        long id = strtol(text, &end, 10);
        if (end == text || errno || id < 0 || id > INT32_MAX || !strchr(between, *end))
            FAIL(err, EINVAL, "--tokens", "--tokens: '%.*s' is not a token id",
                 (int)strcspn(text, between) % 64, text);
        if (*end == '\0' && end < end_of_text)
            FAIL(err, EINVAL, "--tokens", "--tokens: there is a NUL byte after %ld", id);
        out->ids[out->n++] = (int32_t)id;
        text = end;
    }
    return HEARTH_OK;
}

static hearth_status read_tokens(const eval_options *o, const hearth_model *model, token_list *out,
                                 hearth_error *err)
{
    if ((o->tokens != NULL) == (o->text != NULL))
        FAIL(err, EINVAL, "--tokens", "eval needs either --tokens or --text");
    if (o->text) {
        out->from_library = true;
        TRY(hearth_tokenize(model, o->text, strlen(o->text),
                            HEARTH_TOKENIZE_ADD_SPECIAL | HEARTH_TOKENIZE_PARSE_SPECIAL, &out->ids,
                            &out->n, err));
    } else if (strcmp(o->tokens, "-") == 0) {
        buf text;
        buf_init(&text, INPUT_MAX);
        hearth_status status = input_read("-", &text, err);
        if (status == HEARTH_OK)
            status = parse_ids(text.data ? text.data : "", text.n, out, err);
        buf_deinit(&text);
        TRY(status);
    } else {
        TRY(parse_ids(o->tokens, strlen(o->tokens), out, err));
    }
    if (out->n == 0)
        FAIL(err, EINVAL, o->text ? "--text" : "--tokens", "there is no token to evaluate");
    return HEARTH_OK;
}

/* A slip that would cost a model: its name where the numbers go. */
static hearth_status check_place(const char *flag, const char *path, hearth_error *err)
{
    struct stat info;
    char magic[4] = "";
    if (path == NULL || stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return HEARTH_OK;
    FILE *file = fopen(path, "rbe");
    bool is_model = file && fread(magic, 1, sizeof magic, file) == sizeof magic &&
                    memcmp(magic, "GGUF", sizeof magic) == 0;
    if (file)
        fclose(file);
    if (is_model)
        FAIL(err, EINVAL, flag, "%s: '%.200s' is a model; choose another name", flag, path);
    return HEARTH_OK;
}

static hearth_status check_options(const eval_options *o, const hearth_model *model, size_t n,
                                   hearth_error *err)
{
    const hearth_model_info *info = hearth_model_get_info(model);
    if (!info->causal && o->logits)
        FAIL(err, EINVAL, "--logits", "%s is an encoder and has no logits; use --embedding",
             info->architecture);
    if (!info->causal && o->chunk && o->chunk < n)
        FAIL(err, EINVAL, "--chunk", "%s is an encoder and takes its %zu tokens at once",
             info->architecture, n);
    if (o->normalize && !o->embedding)
        FAIL(err, EINVAL, "--normalize", "--normalize needs --embedding");
    bool both = o->logits && o->embedding && strcmp(o->logits, o->embedding) == 0;
    if (both || (o->general.json && ((o->logits && strcmp(o->logits, "-") == 0) ||
                                     (o->embedding && strcmp(o->embedding, "-") == 0))))
        FAIL(err, EINVAL, "--logits", "logits, embedding and --json need different places");
    TRY(check_place("--logits", o->logits, err));
    return check_place("--embedding", o->embedding, err);
}

/* ---- evaluation ---- */

typedef struct row_writer {
    output_file *file;
    hearth_status status;
    hearth_error *err;
} row_writer;

static bool write_row(void *user, size_t position, const float *logits, size_t n_vocab)
{
    row_writer *w = user;
    (void)position;
    w->status = output_write(w->file, logits, n_vocab * sizeof *logits, w->err);
    return w->status == HEARTH_OK;
}

static hearth_status feed(const eval_options *o, hearth_session *session, const token_list *tokens,
                          output_file *logits, hearth_error *err)
{
    hearth_feed_options options;
    hearth_error failed;
    progress_bar bar;
    row_writer writer = {.file = logits, .err = err};
    hearth_feed_options_init(&options);
    options.user = &writer;
    options.on_logits = logits ? write_row : NULL;
    options.progress = progress_callback(&bar);
    progress_start(&bar, "evaluating");
    hearth_status status = HEARTH_OK;
    size_t step = o->chunk ? o->chunk : tokens->n;
    for (size_t at = 0; status == HEARTH_OK && at < tokens->n; at += step) {
        size_t n = tokens->n - at < step ? tokens->n - at : step;
        status = hearth_session_feed(session, tokens->ids + at, n, &options, &failed);
    }
    progress_end(&bar);
    if (writer.status != HEARTH_OK)
        return writer.status;
    if (status != HEARTH_OK && err)
        *err = failed;
    return status;
}

static hearth_status write_logits(const eval_options *o, hearth_session *session,
                                  const token_list *tokens, hearth_error *err)
{
    output_file *file = NULL;
    if (o->logits)
        TRY(output_open(&file, o->logits, err));
    hearth_status status = feed(o, session, tokens, file, err);
    if (status == HEARTH_OK && file)
        status = output_commit(file, err);
    output_close(file);
    return status;
}

static hearth_status write_embedding(const eval_options *o, hearth_session *session, size_t n_embd,
                                     hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    output_file *file = NULL;
    float *vector = mem_alloc_array(n_embd, sizeof *vector);
    if (vector == NULL)
        return error_no_memory(err, "the embedding", n_embd * sizeof *vector);
    TRY_OUT(hearth_session_embedding(session, o->normalize, vector, err));
    TRY_OUT(output_open(&file, o->embedding, err));
    TRY_OUT(output_write(file, vector, n_embd * sizeof *vector, err));
    TRY_OUT(output_commit(file, err));
out:
    output_close(file);
    mem_free(vector);
    return status;
}

/* ---- report ---- */

typedef struct ranked {
    int32_t token;
    float logit;
} ranked;

/* The TOP largest logits, largest first; the lower id of equal ones first. */
static size_t rank(const float *logits, size_t n_vocab, ranked top[TOP])
{
    size_t n = 0;
    for (size_t i = 0; i < n_vocab; i++) {
        size_t at = n;
        while (at > 0 && logits[i] > top[at - 1].logit)
            at--;
        if (at == TOP)
            continue;
        n += n < TOP;
        memmove(top + at + 1, top + at, (n - 1 - at) * sizeof *top);
        top[at] = (ranked){(int32_t)i, logits[i]};
    }
    return n;
}

static double log_sum_exp(const float *logits, size_t n, double largest)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - largest);
    return largest + log(sum);
}

static hearth_status piece_text(const hearth_model *model, int32_t token, json_t **out,
                                hearth_error *err)
{
    char *bytes;
    size_t n;
    if (hearth_model_get_info(model)->tokenizer[0] == '\0') { /* a model of numbers alone */
        *out = json_string("");
        return HEARTH_OK;
    }
    TRY(hearth_token_piece(model, token, &bytes, &n, err));
    *out = describe_bytes(bytes, n);
    hearth_free(bytes);
    return HEARTH_OK;
}

/* The likeliest next tokens, as a JSON array of {token, piece, logit, probability}. */
static hearth_status top_json(const hearth_session *session, json_t **out, hearth_error *err)
{
    const hearth_model *model = hearth_session_model(session);
    const float *logits = hearth_session_logits(session);
    size_t n_vocab = hearth_model_get_info(model)->n_vocab;
    ranked top[TOP + 1];
    *out = json_array();
    if (logits == NULL)
        return HEARTH_OK;
    size_t n = rank(logits, n_vocab, top);
    double all = n ? log_sum_exp(logits, n_vocab, (double)top[0].logit) : 0;
    for (size_t i = 0; i < n; i++) {
        json_t *piece = NULL;
        TRY(piece_text(model, top[i].token, &piece, err));
        json_array_append_new(
            *out, json_pack("{s:i, s:o, s:o, s:o}", "token", top[i].token, "piece", piece, "logit",
                            output_json_number((double)top[i].logit), "probability",
                            output_json_number(exp((double)top[i].logit - all))));
    }
    return HEARTH_OK;
}

/* What is not a number is null in JSON and comes back as one. */
static double number_or_nan(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void print_top(const json_t *top)
{
    size_t i;
    json_t *t;
    json_array_foreach(top, i, t)
    {
        json_t *piece = json_object_get(t, "piece");
        printf("%7d %11.5f %8.4f  ", (int)json_integer_value(json_object_get(t, "token")),
               number_or_nan(json_object_get(t, "logit")),
               number_or_nan(json_object_get(t, "probability")));
        terminal_write_safe(stdout, json_string_value(piece), json_string_length(piece));
        putchar('\n');
    }
}

static hearth_status report(const eval_options *o, const hearth_session *session,
                            const token_list *tokens, double ms, hearth_error *err)
{
    const hearth_model_info *info = hearth_model_get_info(hearth_session_model(session));
    bool on_stdout = (o->logits && strcmp(o->logits, "-") == 0) ||
                     (o->embedding && strcmp(o->embedding, "-") == 0);
    json_t *top = NULL;
    if (on_stdout)
        return HEARTH_OK;
    TRY(top_json(session, &top, err));
    if (!o->general.json) {
        printf("tokens %zu, vocabulary %u, width %u, context %u, %.1f ms\n", tokens->n,
               info->n_vocab, info->n_embd, hearth_session_n_ctx(session), ms);
        if (json_array_size(top))
            printf("  token       logit     prob  next\n");
        print_top(top);
        json_decref(top);
        return HEARTH_OK;
    }
    json_t *ids = json_array();
    for (size_t i = 0; i < tokens->n; i++)
        json_array_append_new(ids, json_integer(tokens->ids[i]));
    return output_json(json_pack("{s:o, s:I, s:I, s:I, s:i, s:s, s:o, s:o, s:o, s:f}", "tokens",
                                 ids, "n_vocab", (json_int_t)info->n_vocab, "n_embd",
                                 (json_int_t)info->n_embd, "n_ctx",
                                 (json_int_t)hearth_session_n_ctx(session), "n_threads",
                                 hearth_session_n_threads(session), "isa", info->isa, "logits",
                                 output_json_string(o->logits), "embedding",
                                 output_json_string(o->embedding), "top", top, "ms", ms),
                       err);
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    eval_options *o = options;
    hearth_status status = HEARTH_OK;
    hearth_model *model = NULL;
    hearth_session *session = NULL;
    token_list tokens = {0};
    const char *path;
    size_t next;
    o->session.ignore_memory_limit = o->model.ignore_memory_limit;
    TRY_OUT(settle_places(o, err));
    TRY_OUT(cli_take_model(&o->model, arguments, &next, &path, err));
    TRY_OUT(cli_no_more_arguments(arguments, next, err));
    TRY_OUT(cli_open_model(&model, path, &o->model, &o->general, HEARTH_SCOPE_ALL, false, err));
    TRY_OUT(read_tokens(o, model, &tokens, err));
    TRY_OUT(check_options(o, model, tokens.n, err));
    TRY_OUT(hearth_session_open(&session, model, &o->session, err));
    interrupt_watch(session);
    uint64_t started = clock_now_ns();
    TRY_OUT(write_logits(o, session, &tokens, err));
    double ms = (double)(clock_now_ns() - started) / 1e6;
    if (o->embedding)
        TRY_OUT(write_embedding(o, session, hearth_model_get_info(model)->n_embd, err));
    status = report(o, session, &tokens, ms, err);
out:
    interrupt_watch(NULL);
    hearth_session_close(session);
    free_tokens(&tokens);
    hearth_model_close(model);
    return status;
}

const cli_command cmd_eval = {
    .name = "eval",
    .summary = "compute logits or an embedding and write them to a file",
    .description =
        "Feeds tokens to a model and writes what it computes as raw float32 values, for checks "
        "and experiments. Without --ctx-size the context is the model's own, or the largest that "
        "fits. Prints the likeliest next tokens.",
    .examples = "  hearth eval model.gguf --tokens 1,2,3 --logits out.f32\n"
                "  hearth eval encoder.gguf --text \"Hello\" --embedding out.f32 --normalize\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(eval_options),
    .init = init,
    .run = run,
};
