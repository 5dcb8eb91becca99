/* SPDX-License-Identifier: MIT
 *
 * cmd_plan.c - hearth plan: what a model would take in memory, from its header alone.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/load_plan.h"
#include "cli/models.h"
#include "cli/output.h"
#include "cli/plan.h"
#include "library/ember.h"

typedef struct plan_options {
    cli_general general;
    cli_model model;
    hearth_session_options session;
} plan_options;

static const option_group groups[] = {
    {"Session", cli_session_rows, offsetof(plan_options, session)},
    {"Model", cli_model_rows, offsetof(plan_options, model)},
    {"General", cli_general_rows, offsetof(plan_options, general)},
};
static const cli_argument arguments_help[] = {
    {"MODEL",
     "a GGUF file, any part of a split set; a name of hearth list; or what hearth pull takes, of "
     "which the header is read alone",
     true},
};

static void init(void *options)
{
    plan_options *o = options;
    cli_general_init(&o->general);
    hearth_session_options_init(&o->session);
}

static const char *cache_name(hearth_cache_type type)
{
    return type == HEARTH_CACHE_F32 ? "f32" : type == HEARTH_CACHE_Q8_0 ? "q8_0" : NULL;
}

/* What of the command line a load by the server could be told, too. */
static hearth_status fill_spec(const plan_options *o, const char *model, model_spec *out,
                               hearth_error *err)
{
    const library_model *m = NULL;
    char *file = NULL;
    model_spec_init(out);
    TRY(library_resolve(NULL, model, &file, &m, err));
    out->n_ctx = o->session.n_ctx;
    out->n_batch = o->session.n_batch;
    out->n_threads = o->session.n_threads;
    out->embedding = m && (m->capabilities & LIBRARY_CAN_EMBEDDING) != 0;
    out->reranking = m && (m->capabilities & LIBRARY_CAN_RERANK) != 0;
    bool ok = model_spec_set(&out->id, model) &&
              model_spec_set(&out->path, file ? file : EMBER_NAME) &&
              model_spec_set(&out->mmproj, m ? m->mmproj_path : NULL) &&
              model_spec_set(&out->cache_type_k, cache_name(o->session.cache_type_k)) &&
              model_spec_set(&out->cache_type_v, cache_name(o->session.cache_type_v));
    library_model_unref(m);
    mem_free(file);
    return ok ? HEARTH_OK : error_no_memory(err, "a model's settings", 0);
}

/* A load is the server's to refuse: it is told, and no failure. */
static json_t *plan_load(const plan_options *o, const char *model)
{
    model_spec spec;
    json_t *plan = NULL;
    hearth_error why;
    hearth_status status = fill_spec(o, model, &spec, &why);
    if (status == HEARTH_OK)
        status = load_plan_make(NULL, &spec, &plan, NULL, &why);
    model_spec_deinit(&spec);
    return status == HEARTH_OK ? plan
                               : json_pack("{s:s, s:s}", "fit", "red", "problem", why.message);
}

static hearth_status print_all(const plan_options *o, const hearth_plan *plan, const char *model,
                               hearth_error *err)
{
    json_t *load = plan_load(o, model), *all;
    if (o->general.json) {
        all = plan_json(plan);
        json_object_set_new(all, "load", load);
        return output_json(all, err);
    }
    plan_print(plan);
    load_plan_print(load);
    json_decref(load);
    return HEARTH_OK;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    plan_options *o = options;
    hearth_status status = HEARTH_OK;
    hearth_model *model = NULL;
    hearth_plan plan;
    peek *elsewhere = NULL;
    const char *path, *name;
    size_t next;
    TRY_OUT(cli_take_model(&o->model, arguments, &next, &name, err));
    TRY_OUT(cli_no_more_arguments(arguments, next, err));
    path = name;
    TRY_OUT(models_peek(&elsewhere, &path, &o->general, err));
    TRY_OUT(
        cli_open_model(&model, path, &o->model, &o->general, HEARTH_SCOPE_METADATA, false, err));
    TRY_OUT(hearth_model_plan(model, &o->session, &plan, err));
    TRY_OUT(print_all(o, &plan, path, err));
    if (!plan.fits && !o->model.ignore_memory_limit)
        FAIL_OUT(err, ENOFIT, name, "'%s' does not fit%s", name,
                 plan.n_ctx_max ? "; a smaller --ctx-size would" : " in any context size");
out:
    hearth_model_close(model);
    peek_close(elsewhere);
    return status;
}

const cli_command cmd_plan = {
    .name = "plan",
    .summary = "tell how much memory a model takes, and whether it fits",
    .description =
        "Computes from the file's header what a session over the model takes, and compares it "
        "with the memory that is free now, limits of the control group counted; and how hearth "
        "serve would load it here: by which engine, how much of it on GPUs, with what context, "
        "and why. Nothing is loaded. Of a model that is not here (hf.co/ORG/REPO[:QUANT or "
        ":FILE.gguf], an address, a "
        "name of hearth list --catalog) the header is fetched, some MiB at most as a rule, and "
        "nothing else. The exit code is 0 if it fits and 3 if it does not.",
    .examples = "  hearth plan model.gguf\n"
                "  hearth plan hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q6_K\n"
                "  hearth plan model.gguf -c 32768 -ctk q8_0 -ctv q8_0 --json\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(plan_options),
    .init = init,
    .run = run,
};
