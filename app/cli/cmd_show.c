/* SPDX-License-Identifier: MIT
 *
 * cmd_show.c - hearth show: what is in a GGUF file, and what it would take to run it.
 *
 * Everything in the file is somebody else's text: it reaches the terminal through
 * terminal_write_safe() only.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/human.h"
#include "cli/models.h"
#include "cli/output.h"
#include "cli/plan.h"
#include "cli/terminal.h"

enum { TEMPLATE_LINES = 5, METADATA_BYTES = 72, LABEL_WIDTH = 17 };

typedef struct show_options {
    cli_general general;
    cli_model model;
    hearth_session_options session;
    bool metadata;
    bool tensors;
    bool whole_template;
    const char *key;
} show_options;

static const option rows[] = {
    OPTION_ROW_FLAG("--metadata", show_options, metadata, "all metadata keys and values"),
    OPTION_ROW_FLAG("--tensors", show_options, tensors, "every tensor: type, shape, bytes"),
    OPTION_ROW_FLAG("--template", show_options, whole_template, "the whole chat template"),
    OPTION_ROW_TEXT("--key", show_options, key, "KEY",
                    "the value of one metadata key, in full, and nothing else"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"What to show", rows, 0},
    {"Session, for the memory plan", cli_session_rows, offsetof(show_options, session)},
    {"Model", cli_model_rows, offsetof(show_options, model)},
    {"General", cli_general_rows, offsetof(show_options, general)},
};
static const cli_argument arguments_help[] = {
    {"MODEL",
     "a GGUF file, any part of a split set; vocabularies without weights, too; a name of hearth "
     "list; or what hearth pull takes",
     true},
};

static void init(void *options)
{
    show_options *o = options;
    cli_general_init(&o->general);
    hearth_session_options_init(&o->session);
}

/* Two views of one file. The tokenizer needs only the first part of a split set, and is opened
 * from that alone; sizes, tensors and the plan need all parts. */
typedef struct model_views {
    hearth_model *whole;
    hearth_model *tokenizer; /* NULL: unknown or broken; may be the same as whole */
    const char *reference;   /* of a model that is elsewhere; NULL: its file is here */
} model_views;

/* ---- tensors by type ---- */

typedef struct type_total {
    const char *type;
    uint64_t n, bytes;
} type_total;

enum { TYPES_MAX = 64 };

typedef struct type_totals {
    type_total of[TYPES_MAX];
    size_t n;
} type_totals;

static hearth_status count_types(const hearth_model *model, type_totals *totals, hearth_error *err)
{
    totals->n = 0;
    for (size_t i = 0; i < hearth_model_n_tensors(model); i++) {
        hearth_tensor_info t;
        size_t k = 0;
        TRY(hearth_model_tensor_at(model, i, &t, err));
        while (k < totals->n && strcmp(totals->of[k].type, t.type) != 0)
            k++;
        if (k == TYPES_MAX)
            FAIL(err, EINTERNAL, "tensors", "more than %d tensor types", TYPES_MAX);
        if (k == totals->n)
            totals->of[totals->n++] = (type_total){.type = t.type};
        totals->of[k].n++;
        totals->of[k].bytes += t.n_bytes;
    }
    return HEARTH_OK;
}

/* ---- for people ---- */

/* Text of the file that has one line, and must not look like two. */
static void write_on_one_line(const char *text)
{
    for (size_t n = 0; *text; text += n) {
        n = strcspn(text, "\n\t");
        terminal_write_safe(stdout, text, n);
        if (text[n]) {
            putchar(' ');
            n++;
        }
    }
}

__attribute__((format(printf, 2, 3))) static void line(const char *label, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    printf("%-*s", LABEL_WIDTH, label);
    write_on_one_line(text);
    putchar('\n');
}

static void print_sizes(const hearth_model_info *i)
{
    if (i->n_params == 0)
        line("parameters", "none: there are no weights in the file");
    else if (i->n_params == i->n_active_params || i->n_active_params == 0)
        line("parameters", "%s", human_count(i->n_params).text);
    else
        line("parameters", "%s, of which %s work on a token", human_count(i->n_params).text,
             human_count(i->n_active_params).text);
    if (i->n_layer)
        line("layers", "%u of width %u, feed-forward %u", i->n_layer, i->n_embd, i->n_ff);
    if (i->n_head)
        line("attention", "%u heads over %u keys and values, %u wide%s", i->n_head, i->n_head_kv,
             i->head_dim, i->causal ? "" : "; looks both ways");
    if (i->sliding_window)
        line("sliding window", "%u tokens", i->sliding_window);
    if (i->n_expert)
        line("experts", "%u, %u used per token", i->n_expert, i->n_expert_used);
    if (i->n_ctx_train)
        line("context", "%u tokens in training", i->n_ctx_train);
    if (!i->causal)
        line("pooling", "%s", i->pooling);
}

static void print_special(const hearth_model *model)
{
    hearth_special_tokens s;
    if (model == NULL || hearth_model_special_tokens(model, &s, NULL) != HEARTH_OK)
        return;
    const struct {
        const char *name;
        int32_t id;
    } all[] = {{"bos", s.bos}, {"eos", s.eos}, {"eot", s.eot},   {"pad", s.pad},
               {"sep", s.sep}, {"cls", s.cls}, {"mask", s.mask}, {"unk", s.unk}};
    char text[256] = "";
    for (size_t i = 0; i < OPTION_COUNT(all); i++) {
        size_t used = strlen(text);
        if (all[i].id >= 0)
            snprintf(text + used, sizeof text - used, "%s%s %d", used ? ", " : "", all[i].name,
                     all[i].id);
    }
    line("special tokens", "%s%s%s", *text ? text : "none", s.add_bos ? "; begins with bos" : "",
         s.add_eos ? "; ends with eos" : "");
}

static void print_template(const char *text, bool whole)
{
    if (text == NULL) {
        line("chat template", "none");
        return;
    }
    size_t n_lines = 1, n = strlen(text), shown = whole ? n : 0;
    for (const char *c = text; *c; c++)
        n_lines += *c == '\n' && c[1];
    for (int i = 0; shown < n && i < TEMPLATE_LINES; i++) {
        shown += strcspn(text + shown, "\n");
        shown += text[shown] == '\n';
    }
    if (!whole && shown > METADATA_BYTES * TEMPLATE_LINES)
        shown = METADATA_BYTES * TEMPLATE_LINES;
    line("chat template", "%zu bytes, lines: %zu%s", n, n_lines,
         shown < n ? "; it begins so (--template shows all):" : ":");
    terminal_write_safe(stdout, text, shown);
    if (shown == 0 || text[shown - 1] != '\n')
        putchar('\n');
}

static hearth_status print_types(const hearth_model *model, hearth_error *err)
{
    type_totals totals;
    TRY(count_types(model, &totals, err));
    line("tensors", "%zu", hearth_model_n_tensors(model));
    for (size_t i = 0; i < totals.n; i++)
        printf("  %-15s%6llu  %10s\n", totals.of[i].type, (unsigned long long)totals.of[i].n,
               human_bytes(totals.of[i].bytes).text);
    return HEARTH_OK;
}

static void format_shape(const hearth_tensor_info *t, char *out, size_t n_out)
{
    out[0] = '\0';
    for (uint32_t d = 0; d < t->n_dims; d++) {
        size_t used = strlen(out);
        snprintf(out + used, n_out - used, "%s%llu", d ? " x " : "", (unsigned long long)t->ne[d]);
    }
}

static hearth_status print_tensors(const hearth_model *model, hearth_error *err)
{
    printf("\ntensors, innermost dimension first\n");
    for (size_t i = 0; i < hearth_model_n_tensors(model); i++) {
        hearth_tensor_info t;
        char shape[96];
        TRY(hearth_model_tensor_at(model, i, &t, err));
        format_shape(&t, shape, sizeof shape);
        printf("  %-8s %10s  %-22s ", t.type, human_bytes(t.n_bytes).text, shape);
        write_on_one_line(t.name);
        putchar('\n');
    }
    return HEARTH_OK;
}

typedef struct metadata_entry {
    char *key, *type, *value;
    bool cut;
} metadata_entry;

static hearth_status metadata_at(const hearth_model *model, size_t i, metadata_entry *e,
                                 hearth_error *err)
{
    return hearth_model_metadata_at(model, i, METADATA_BYTES, &e->key, &e->type, &e->value, &e->cut,
                                    err);
}

static void free_entry(metadata_entry *e)
{
    hearth_free(e->key);
    hearth_free(e->type);
    hearth_free(e->value);
}

static hearth_status print_metadata(const hearth_model *model, hearth_error *err)
{
    printf("\nmetadata\n");
    for (size_t i = 0; i < hearth_model_n_metadata(model); i++) {
        metadata_entry e;
        TRY(metadata_at(model, i, &e, err));
        printf("  ");
        write_on_one_line(e.key);
        printf(" (");
        write_on_one_line(e.type);
        printf(") = ");
        write_on_one_line(e.value);
        printf("%s\n", e.cut ? " ..." : "");
        free_entry(&e);
    }
    return HEARTH_OK;
}

static hearth_status print_model(const show_options *o, const model_views *file, hearth_error *err)
{
    const hearth_model *model = file->whole;
    const hearth_model_info *i = hearth_model_get_info(model);
    hearth_plan plan;
    hearth_error why;
    line("file", "%s",
         file->reference ? file->reference
         : *i->path      ? i->path
                         : "built into this program");
    line("format", "GGUF version %u, parts: %u, %s", i->gguf_version, i->n_parts,
         human_bytes(i->file_bytes).text);
    line("architecture", "%s", i->architecture);
    line("name", "%s", *i->name ? i->name : "not told");
    print_sizes(i);
    line("tokenizer", "%s%s%s, %u tokens", *i->tokenizer ? i->tokenizer : "none",
         *i->pre_tokenizer ? ", pre-tokenizer " : "", i->pre_tokenizer, i->n_vocab);
    print_special(file->tokenizer);
    print_template(i->chat_template, o->whole_template);
    if (*i->file_type)
        line("weights", "mostly %s", i->file_type);
    TRY(print_types(model, err));
    if (hearth_model_plan(model, &o->session, &plan, &why) == HEARTH_OK)
        plan_print(&plan);
    else
        line("memory", "no plan: %s", why.message);
    if (o->metadata)
        TRY(print_metadata(model, err));
    if (o->tensors)
        TRY(print_tensors(model, err));
    return HEARTH_OK;
}

/* ---- JSON ---- */

static json_t *json_sizes(const hearth_model_info *i, const char *path)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"gguf_version", i->gguf_version},
        {"n_parts", i->n_parts},
        {"file_bytes", i->file_bytes},
        {"n_params", i->n_params},
        {"n_active_params", i->n_active_params},
        {"n_vocab", i->n_vocab},
        {"n_ctx_train", i->n_ctx_train},
        {"n_embd", i->n_embd},
        {"n_layer", i->n_layer},
        {"n_head", i->n_head},
        {"n_head_kv", i->n_head_kv},
        {"head_dim", i->head_dim},
        {"n_ff", i->n_ff},
        {"n_expert", i->n_expert},
        {"n_expert_used", i->n_expert_used},
        {"sliding_window", i->sliding_window},
    };
    json_t *root = json_object();
    const struct {
        const char *key, *value;
    } texts[] = {
        {"path", path},
        {"architecture", i->architecture},
        {"name", i->name},
        {"file_type", i->file_type},
        {"tokenizer", i->tokenizer},
        {"pre_tokenizer", i->pre_tokenizer},
        {"pooling", i->pooling},
        {"chat_template", i->chat_template},
    };
    for (size_t k = 0; k < OPTION_COUNT(texts); k++)
        json_object_set_new(root, texts[k].key, output_json_string(texts[k].value));
    for (size_t k = 0; k < OPTION_COUNT(numbers); k++)
        json_object_set_new(root, numbers[k].key, json_integer((json_int_t)numbers[k].value));
    json_object_set_new(root, "causal", json_boolean(i->causal));
    return root;
}

static json_t *json_special(const hearth_model *model)
{
    hearth_special_tokens s;
    if (model == NULL || hearth_model_special_tokens(model, &s, NULL) != HEARTH_OK)
        return json_null();
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:b}", "bos", s.bos, "eos",
                     s.eos, "eot", s.eot, "pad", s.pad, "sep", s.sep, "cls", s.cls, "mask", s.mask,
                     "unk", s.unk, "add_bos", s.add_bos, "add_eos", s.add_eos);
}

static hearth_status json_types(const hearth_model *model, json_t *root, hearth_error *err)
{
    type_totals totals;
    json_t *types = json_object();
    json_object_set_new(root, "tensor_types", types);
    TRY(count_types(model, &totals, err));
    for (size_t i = 0; i < totals.n; i++)
        json_object_set_new(types, totals.of[i].type,
                            json_pack("{s:I, s:I}", "count", (json_int_t)totals.of[i].n, "bytes",
                                      (json_int_t)totals.of[i].bytes));
    return HEARTH_OK;
}

static hearth_status json_tensors(const hearth_model *model, json_t *root, hearth_error *err)
{
    json_t *list = json_array();
    json_object_set_new(root, "tensors", list);
    for (size_t i = 0; i < hearth_model_n_tensors(model); i++) {
        hearth_tensor_info t;
        TRY(hearth_model_tensor_at(model, i, &t, err));
        json_t *shape = json_array();
        for (uint32_t d = 0; d < t.n_dims; d++)
            json_array_append_new(shape, json_integer((json_int_t)t.ne[d]));
        json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:I}", "name",
                                              output_json_string(t.name), "type", t.type, "shape",
                                              shape, "bytes", (json_int_t)t.n_bytes));
    }
    return HEARTH_OK;
}

static hearth_status json_metadata(const hearth_model *model, json_t *root, hearth_error *err)
{
    json_t *list = json_array();
    json_object_set_new(root, "metadata", list);
    for (size_t i = 0; i < hearth_model_n_metadata(model); i++) {
        metadata_entry e;
        TRY(metadata_at(model, i, &e, err));
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:b}", "key", output_json_string(e.key),
                                        "type", output_json_string(e.type), "value",
                                        output_json_string(e.value), "cut", e.cut));
        free_entry(&e);
    }
    return HEARTH_OK;
}

static hearth_status print_json(const show_options *o, const model_views *file, hearth_error *err)
{
    const hearth_model *model = file->whole;
    hearth_plan plan;
    hearth_status status = HEARTH_OK;
    const hearth_model_info *info = hearth_model_get_info(model);
    json_t *root = json_sizes(info, file->reference ? file->reference : info->path);
    json_object_set_new(root, "special_tokens", json_special(file->tokenizer));
    bool planned = hearth_model_plan(model, &o->session, &plan, NULL) == HEARTH_OK;
    json_object_set_new(root, "plan", planned ? plan_json(&plan) : json_null());
    TRY_OUT(json_types(model, root, err));
    if (o->metadata)
        TRY_OUT(json_metadata(model, root, err));
    if (o->tensors)
        TRY_OUT(json_tensors(model, root, err));
    return output_json(root, err);
out:
    json_decref(root);
    return status;
}

/* ---- the command ---- */

static hearth_status print_key(const show_options *o, const hearth_model *model, hearth_error *err)
{
    char *value = NULL;
    TRY(hearth_model_metadata(model, o->key, &value, err));
    hearth_status status = HEARTH_OK;
    if (o->general.json) {
        status = output_json(json_pack("{s:o}", o->key, output_json_string(value)), err);
    } else {
        if (terminal_is_tty(stdout))
            terminal_write_safe(stdout, value, strlen(value));
        else
            fputs(value, stdout);
        putchar('\n');
    }
    hearth_free(value);
    return status;
}

/* A file whose tokenizer is unknown or broken can be shown all the same. */
static hearth_status open_views(model_views *out, const char *path, const show_options *o,
                                hearth_error *err)
{
    hearth_error why;
    if (cli_open_model(&out->tokenizer, path, &o->model, &o->general, HEARTH_SCOPE_TOKENIZER, false,
                       &why) == HEARTH_OK &&
        hearth_model_get_info(out->tokenizer)->n_parts == 1) {
        out->whole = out->tokenizer;
        return HEARTH_OK;
    }
    TRY(cli_open_model(&out->whole, path, &o->model, &o->general, HEARTH_SCOPE_METADATA, false,
                       err));
    if (out->tokenizer == NULL)
        cli_note("without its tokenizer: %s", why.message);
    return HEARTH_OK;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    show_options *o = options;
    hearth_status status = HEARTH_OK;
    model_views file = {0};
    peek *elsewhere = NULL;
    const char *path;
    size_t next;
    TRY_OUT(cli_take_model(&o->model, arguments, &next, &path, err));
    TRY_OUT(cli_no_more_arguments(arguments, next, err));
    const char *name = path;
    TRY_OUT(models_peek(&elsewhere, &path, &o->general, err));
    file.reference = elsewhere ? name : NULL;
    TRY_OUT(open_views(&file, path, o, err));
    if (o->key)
        status = print_key(o, file.whole, err);
    else if (o->general.json)
        status = print_json(o, &file, err);
    else
        status = print_model(o, &file, err);
out:
    if (file.tokenizer != file.whole)
        hearth_model_close(file.tokenizer);
    hearth_model_close(file.whole);
    peek_close(elsewhere);
    return status;
}

const cli_command cmd_show = {
    .name = "show",
    .summary = "tell what is in a model file, and what it takes to run it",
    .description = "Prints a model's architecture, sizes, context, tokenizer, chat template and "
                   "tensors by type, and the memory that a session over it would take. Of a model "
                   "that is not here the header is fetched, and nothing else.",
    .examples = "  hearth show model.gguf\n"
                "  hearth show model.gguf --key tokenizer.chat_template\n"
                "  hearth show model.gguf --tensors --json\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(show_options),
    .init = init,
    .run = run,
};
