/* SPDX-License-Identifier: MIT
 *
 * cmd_tokenize.c - hearth tokenize: a text's token ids, exactly as the model would read it.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/output.h"

enum { CHECK_EVERY = 65536 }; /* tokens between two looks at signals and the output's health */

typedef struct tokenize_options {
    cli_general general;
    cli_model model;
    const char *file;
    bool no_special;
    bool pieces;
} tokenize_options;

static const option rows[] = {
    OPTION_ROW_TEXT("--file", tokenize_options, file, "FILE",
                    "read the text from a file; - is standard input"),
    OPTION_ROW_ALIAS("-f", "--file"),
    OPTION_ROW_FLAG("--no-special", tokenize_options, no_special,
                    "add no beginning or end token, and read control tokens in the text as text"),
    OPTION_ROW_FLAG("--pieces", tokenize_options, pieces,
                    "one token per line: its id and its bytes, quoted"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Text", rows, 0},
    {"Model", cli_model_rows, offsetof(tokenize_options, model)},
    {"General", cli_general_rows, offsetof(tokenize_options, general)},
};
static const cli_argument arguments_help[] = {
    {"MODEL", "a GGUF file; one without weights will do", true},
    {"TEXT", "the text, put after -- if it starts with a dash; standard input if absent", false},
};

static void init(void *options)
{
    tokenize_options *o = options;
    cli_general_init(&o->general);
}

/* The text: the argument, the file or standard input, not a byte more or less. */
static hearth_status read_text(const tokenize_options *o, const option_list *arguments, size_t next,
                               buf *text, hearth_error *err)
{
    const char *argument = next < arguments->n ? arguments->items[next++] : NULL;
    TRY(cli_no_more_arguments(arguments, next, err));
    if (argument && o->file)
        FAIL(err, EINVAL, "--file", "the text comes from an argument or from --file, not both");
    if (argument == NULL)
        return input_read(o->file ? o->file : "-", text, err);
    if (!buf_append_text(text, argument))
        return error_no_memory(err, "the text", strlen(argument));
    return HEARTH_OK;
}

/* Tokenizing itself cannot be interrupted, but takes seconds at most. */
static hearth_status stop_if_asked(hearth_error *err)
{
    if (interrupt_pending())
        FAIL(err, ECANCELED, "tokenize", "stopped before all tokens were written");
    return HEARTH_OK;
}

/* ---- output ---- */

/* Bytes in quotes: printable text as it is, the rest as escapes that run --escape reads. */
static void print_quoted(const char *bytes, size_t n)
{
    putchar('"');
    for (size_t i = 0; i < n;) {
        unsigned char byte = (unsigned char)bytes[i];
        size_t length = utf8_valid_prefix(bytes + i, n - i);
        bool c1 = length == 2 && byte == 0xc2 && (unsigned char)bytes[i + 1] < 0xa0;
        if (byte == '\n')
            fputs("\\n", stdout);
        else if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (length > 0 && byte >= 0x20 && byte != 0x7f && !c1)
            fwrite(bytes + i, 1, length, stdout);
        else
            printf("\\x%02x", byte);
        i += length > 1 && !c1 ? length : 1;
    }
    putchar('"');
}

static hearth_status print_pieces(const hearth_model *model, const int32_t *tokens, size_t n,
                                  hearth_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char *bytes;
        size_t n_bytes;
        TRY(hearth_token_piece(model, tokens[i], &bytes, &n_bytes, err));
        printf("%7d  ", tokens[i]);
        print_quoted(bytes, n_bytes);
        putchar('\n');
        hearth_free(bytes);
    }
    return HEARTH_OK;
}

/* A piece that is part of a character has no text: its bytes are written as numbers. */
static json_t *json_piece(const hearth_model *model, int32_t token, hearth_error *err)
{
    char *bytes;
    size_t n;
    if (hearth_token_piece(model, token, &bytes, &n, err) != HEARTH_OK)
        return NULL;
    json_t *piece = NULL;
    if (utf8_is_valid(bytes, n)) {
        piece = json_stringn(bytes, n);
    } else {
        piece = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(piece, json_integer((unsigned char)bytes[i]));
    }
    hearth_free(bytes);
    return piece;
}

static hearth_status print_json(const tokenize_options *o, const hearth_model *model,
                                const int32_t *tokens, size_t n, hearth_error *err)
{
    json_t *ids = json_array(), *pieces = o->pieces ? json_array() : NULL;
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(ids, json_integer(tokens[i]));
        if (o->pieces)
            json_array_append_new(pieces, json_piece(model, tokens[i], err));
    }
    return output_json(json_pack("{s:o, s:o*}", "tokens", ids, "pieces", pieces), err);
}

static hearth_status print(const tokenize_options *o, const hearth_model *model,
                           const int32_t *tokens, size_t n, hearth_error *err)
{
    if (o->general.json)
        return print_json(o, model, tokens, n, err);
    if (o->pieces)
        return print_pieces(model, tokens, n, err);
    for (size_t i = 0; i < n; i++) {
        printf(i ? " %d" : "%d", tokens[i]);
        if (i % CHECK_EVERY == 0) {
            TRY(output_flush(err));
            TRY(stop_if_asked(err));
        }
    }
    putchar('\n');
    return HEARTH_OK;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    tokenize_options *o = options;
    hearth_status status = HEARTH_OK;
    hearth_model *model = NULL;
    int32_t *tokens = NULL;
    const char *path;
    size_t next, n = 0;
    buf text;
    buf_init(&text, INPUT_MAX);
    TRY_OUT(cli_take_model(&o->model, arguments, &next, &path, err));
    TRY_OUT(
        cli_open_model(&model, path, &o->model, &o->general, HEARTH_SCOPE_TOKENIZER, false, err));
    TRY_OUT(read_text(o, arguments, next, &text, err));
    unsigned flags =
        o->no_special ? 0 : HEARTH_TOKENIZE_ADD_SPECIAL | HEARTH_TOKENIZE_PARSE_SPECIAL;
    TRY_OUT(hearth_tokenize(model, text.data ? text.data : "", text.n, flags, &tokens, &n, err));
    TRY_OUT(stop_if_asked(err));
    status = print(o, model, tokens, n, err);
out:
    hearth_free(tokens);
    hearth_model_close(model);
    buf_deinit(&text);
    return status;
}

const cli_command cmd_tokenize = {
    .name = "tokenize",
    .summary = "print the token ids of a text",
    .description = "Prints the ids of the tokens that a model reads a text as: of the argument, or "
                   "of every byte of standard input, a newline at its end included.",
    .examples = "  hearth tokenize model.gguf \"Hello world\"\n"
                "  hearth tokenize model.gguf --json --no-special < book.txt\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(tokenize_options),
    .init = init,
    .run = run,
};
