/* SPDX-License-Identifier: MIT
 *
 * setup.c - see setup.h.
 */
#include "worker/setup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/file.h"
#include "worker/adapters.h"
#include "worker/infill.h"
#include "worker/slots.h"

enum { TEXT_FILE_MAX = 4 << 20, GUESSES_MAX = 7 };

/* ---- defaults of requests ---- */

/* "ID+BIAS" or "ID-BIAS"; BIAS may be inf. */
static hearth_status read_bias(const char *text, request_bias *out, hearth_error *err)
{
    char *end = NULL;
    long id = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;
    if (id >= 0 && id <= INT32_MAX && (*end == '+' || *end == '-')) {
        const char *number = end;
        float bias = strtof(number, &end);
        if (end != number && *end == '\0' && !isnan(bias) && bias != INFINITY) {
            *out = (request_bias){.token = (int32_t)id, .bias = bias};
            return HEARTH_OK;
        }
    }
    FAIL(err, EINVAL, "--logit-bias",
         "--logit-bias: '%.64s' is not a token and a bias, like 15043+1 or 15043-inf", text);
}

static hearth_status read_word(const char *flag, const char *text, const char *const *words,
                               size_t n_words, int *out, hearth_error *err)
{
    for (size_t i = 0; i < n_words; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = (int)i;
            return HEARTH_OK;
        }
    }
    FAIL(err, EINVAL, flag, "%s: '%.64s' is not one of its words; --help lists them", flag, text);
}

static hearth_status read_thinking(worker *w, hearth_error *err)
{
    static const char *const formats[] = {"none", "auto", "deepseek", "deepseek-legacy"};
    static const char *const switches[] = {"auto", "off", "on"};
    const worker_flags *f = w->flags;
    int word = 0;
    if (f->reasoning_format) {
        TRY(read_word("--reasoning-format", f->reasoning_format, formats, 4, &word, err));
        w->defaults.reasoning = (reasoning_format)word;
    }
    if (f->reasoning) {
        TRY(read_word("--reasoning", f->reasoning, switches, 3, &word, err));
        w->defaults.thinking = (request_switch)word;
    }
    w->defaults.reasoning_budget_tokens = f->reasoning_budget;
    return HEARTH_OK;
}

static hearth_status read_text(const char *text, const char *path, char **out, hearth_error *err)
{
    size_t n;
    if (path)
        return file_read_all(path, TEXT_FILE_MAX, out, &n, err);
    *out = text ? mem_dup(text, strlen(text)) : NULL;
    return text && *out == NULL ? error_no_memory(err, "a flag", strlen(text)) : HEARTH_OK;
}

static hearth_status read_constraint(worker *w, hearth_error *err)
{
    const worker_flags *f = w->flags;
    json_error_t problem;
    TRY(read_text(f->grammar, f->grammar_file, &w->grammar, err));
    TRY(read_text(f->json_schema, f->json_schema_file, &w->schema, err));
    if (w->grammar && w->schema)
        FAIL(err, EINVAL, "--grammar", "--grammar and --json-schema exclude each other");
    if (w->grammar) {
        w->defaults.constraint = CONSTRAINT_GRAMMAR;
        w->defaults.grammar = w->grammar;
        w->defaults.constraint_at = "--grammar";
    }
    if (w->schema) {
        w->schema_json = json_loads(w->schema, JSON_REJECT_DUPLICATES, &problem);
        if (w->schema_json == NULL)
            FAIL(err, EINVAL, "--json-schema", "--json-schema is not valid JSON: %.160s",
                 problem.text);
        w->defaults.constraint = CONSTRAINT_JSON_SCHEMA;
        w->defaults.schema = w->schema_json;
        w->defaults.constraint_at = "--json-schema";
    }
    return HEARTH_OK;
}

static hearth_status read_biases(worker *w, hearth_error *err)
{
    size_t n = w->flags->biases.n;
    w->biases = mem_calloc(n, sizeof *w->biases);
    if (w->biases == NULL)
        return error_no_memory(err, "--logit-bias", n * sizeof *w->biases);
    for (size_t i = 0; i < n; i++)
        TRY(read_bias(w->flags->biases.items[i], &w->biases[i], err));
    w->defaults.bias = w->biases;
    w->defaults.n_bias = n;
    return HEARTH_OK;
}

/* "kpt" as "top_k;top_p;temperature". */
static hearth_status read_sampler_letters(worker *w, hearth_error *err)
{
    const char *letters = w->flags->sampler_letters;
    for (size_t n = 0; letters && *letters; letters++) {
        const char *name = request_stage_of_letter(*letters);
        if (name == NULL || strchr(letters + 1, *letters))
            FAIL(err, EINVAL, "--sampler-seq",
                 "--sampler-seq: '%.32s' is not made of the letters edskypmxt, each once",
                 w->flags->sampler_letters);
        n += (size_t)snprintf(w->samplers + n, sizeof w->samplers - n, "%s%s", n > 0 ? ";" : "",
                              name);
    }
    return HEARTH_OK;
}

static hearth_status read_defaults(worker *w, hearth_error *err)
{
    const worker_flags *f = w->flags;
    request_options *o = &w->defaults;
    request_options_init(o);
    o->n_predict = f->n_predict;
    o->n_keep = f->keep;
    o->context_shift = f->context_shift;
    o->ignore_eos = f->ignore_eos;
    o->cache_prompt = !f->no_cache_prompt;
    o->embd_normalize = f->embd_normalize;
    TRY(read_sampler_letters(w, err));
    TRY(read_thinking(w, err));
    TRY(read_constraint(w, err));
    return read_biases(w, err);
}

/* ---- names ---- */

static hearth_status read_names(worker *w, hearth_error *err)
{
    const char *slash = strrchr(w->model_path, '/');
    TRY(flags_split(w->flags->alias, &w->aliases, &w->n_aliases, err));
    TRY(flags_split(w->flags->tags, &w->tags, &w->n_tags, err));
    w->name = w->n_aliases > 0 ? w->aliases[0] : slash ? slash + 1 : w->model_path;
    snprintf(w->fingerprint, sizeof w->fingerprint, "b%s-hearth", hearth_version());
    return HEARTH_OK;
}

/* Whether a list of types has one that is `word`, or a kind of it. */
static bool has_type(const char *types, const char *word)
{
    size_t n = strlen(word);
    for (const char *type = types; type; type = strchr(type, ',')) {
        type += *type == ',';
        if (strncmp(type, word, n) == 0)
            return true;
    }
    return false;
}

/* llama-server has several ways to look for what comes next in the text so far: all mean the one
 * that is here. */
static hearth_status check_guesses(const worker_flags *f, hearth_error *err)
{
    static const char *const draft_types[] = {"draft", "draft-simple"};
    const char *types = f->spec_type;
    for (const char *type = types; type; type = strchr(type, ',')) {
        type += *type == ',';
        size_t n = strcspn(type, ",");
        bool known = strncmp(type, "ngram", 5) == 0 || (n == 4 && strncmp(type, "none", n) == 0);
        for (size_t i = 0; i < 2; i++)
            known |= n == strlen(draft_types[i]) && strncmp(type, draft_types[i], n) == 0;
        if (!known)
            FAIL(err, EINVAL, "--spec-type",
                 "--spec-type: '%.64s' is not there; tokens are guessed from the text so far "
                 "(ngram), by a draft model (draft), or not at all (none)",
                 types);
    }
    if (types && has_type(types, "draft") != (f->model_draft != NULL))
        FAIL(err, EINVAL, "--spec-type", "--spec-type: '%.64s' %s; give both or neither", types,
             f->model_draft ? "leaves the model of --model-draft out"
                            : "asks for a draft model, which --model-draft does not name");
    return HEARTH_OK;
}

hearth_status setup_check(worker *w, hearth_error *err)
{
    w->model_path = w->flags->model;
    if (w->model_path == NULL)
        FAIL(err, EINVAL, "--model",
             "which model? Give a GGUF file with --model, or ember, which is built in");
    TRY(check_guesses(w->flags, err));
    TRY(read_names(w, err));
    TRY(adapters_init(w, err));
    TRY(chat_setup_init(&w->chat, w->flags, err));
    return read_defaults(w, err);
}

/* ---- the model ---- */

static bool go_on(void *user, uint64_t done, uint64_t total)
{
    worker *w = user;
    unsigned before = atomic_load(&w->loaded);
    unsigned now = total > 0 ? (unsigned)((double)done / (double)total * LOADED_ALL) : before;
    char line[48];
    now = now < LOADED_ALL ? now : LOADED_ALL - 1; /* the engine's memory is still to come */
    atomic_store(&w->loaded, now);
    if (now * 10 / LOADED_ALL > before * 10 / LOADED_ALL) {
        snprintf(line, sizeof line, "loading model: %u %%", now * 10 / LOADED_ALL * 10);
        w->host->tell(line);
    }
    return !w->host->interrupted();
}

static hearth_status open_file(const worker *w, const char *path, const hearth_model_options *o,
                               hearth_model **out, hearth_error *err)
{
    const worker_host *host = w->host;
    if (host->builtin_name && strcmp(path, host->builtin_name) == 0)
        return hearth_model_open_memory(out, host->builtin, host->n_builtin, o, err);
    return hearth_model_open(out, path, o, err);
}

static hearth_status open_models(worker *w, hearth_error *err)
{
    hearth_model_options o;
    const char **paths;
    hearth_model_options_init(&o);
    o.isa = w->flags->isa;
    o.ignore_memory_limit = w->flags->ignore_memory_limit;
    o.read_ahead = true;
    o.progress = (hearth_progress){go_on, w};
    o.log = w->host->log;
    if (w->flags->model_draft)
        TRY(open_file(w, w->flags->model_draft, &o, &w->draft_model, err));
    o.overrides = w->flags->overrides.items;
    o.n_overrides = w->flags->overrides.n;
    TRY(adapters_paths(w, &paths, err));
    o.adapters = paths;
    o.n_adapters = w->adapters.n;
    hearth_status status = open_file(w, w->model_path, &o, &w->model, err);
    mem_free(paths);
    if (status != HEARTH_OK)
        return status;
    adapters_bind(w);
    w->info = hearth_model_get_info(w->model);
    return hearth_model_special_tokens(w->model, &w->special, err);
}

static hearth_status open_engine(worker *w, hearth_error *err)
{
    const worker_flags *f = w->flags;
    hearth_engine_options o;
    hearth_engine_options_init(&o);
    o.n_ctx = f->ctx_size;
    o.n_parallel = f->parallel < 0 ? 0 : (uint32_t)f->parallel;
    o.n_queue = f->queue;
    o.n_batch = f->batch_size;
    o.n_threads = f->threads < 0 ? 0 : f->threads;
    o.cache_type_k = f->cache_type_k;
    o.cache_type_v = f->cache_type_v;
    o.group_n = f->group_n;
    o.group_w = f->group_w;
    o.cache_bytes = (uint64_t)f->cache_mib << 20;
    o.no_prefix_cache = f->no_prefix_cache;
    o.no_drafts = f->spec_type && !has_type(f->spec_type, "ngram");
    o.draft_model = w->draft_model;
    o.draft_n_ctx = f->ctx_size_draft;
    o.draft_max = f->draft_max;
    o.draft_min = f->draft_min < GUESSES_MAX ? f->draft_min : GUESSES_MAX;
    o.draft_p_min = f->draft_p_min;
    o.disk_dir = f->disk_cache;
    o.disk_bytes = (uint64_t)f->disk_mib << 20;
    o.ignore_memory_limit = f->ignore_memory_limit;
    o.log = w->host->log;
    return hearth_engine_open(&w->engine, w->model, &o, err);
}

static void log_plan(const worker *w)
{
    const hearth_engine_plan_result *p = hearth_engine_get_plan(w->engine);
    log_write(&w->host->log, HEARTH_LOG_INFO,
              "%u requests at once, %u positions each; %.1f MiB of cache, %.1f MiB in all",
              (unsigned)p->n_parallel, (unsigned)p->memory.n_ctx,
              (double)p->memory.cache_bytes / 1048576, (double)p->memory.total_bytes / 1048576);
    uint64_t n_known = (uint64_t)w->info->n_ctx_train * w->flags->group_n;
    if (n_known > 0 && p->memory.n_ctx > n_known)
        log_write(&w->host->log, HEARTH_LOG_WARNING,
                  "--ctx-size %u is more than the %llu positions that the model knows: it writes "
                  "nonsense behind them; --grp-attn-n may reach further",
                  (unsigned)p->memory.n_ctx, (unsigned long long)n_known);
}

/* What every request would be refused for is said before the first one. */
static hearth_status check_sampler(const worker *w, hearth_error *err)
{
    hearth_sampler *sampler = NULL;
    uint32_t n_ctx = hearth_engine_get_plan(w->engine)->memory.n_ctx;
    TRY(hearth_sampler_new(&sampler, w->model, n_ctx, &w->defaults.sampler, err));
    hearth_sampler_free(sampler);
    for (size_t i = 0; i < w->defaults.n_bias; i++) {
        if ((uint32_t)w->biases[i].token >= w->info->n_vocab)
            FAIL(err, EINVAL, "--logit-bias", "--logit-bias: %d is no token; they go from 0 to %u",
                 (int)w->biases[i].token, (unsigned)w->info->n_vocab - 1);
    }
    return HEARTH_OK;
}

/* The model's file has a say in these, so they come after it was opened. */
static hearth_status read_sampler(worker *w, hearth_error *err)
{
    const worker_flags *f = w->flags;
    hearth_sampler_options *s = &w->defaults.sampler;
    flags_sampler(f, w->model, s);
    if (f->sampler_letters)
        s->samplers = w->samplers;
    if (f->breakers.n > 0) {
        s->dry_sequence_breakers = f->breakers.items;
        s->n_dry_sequence_breakers = strcmp(f->breakers.items[0], "none") == 0 ? 0 : f->breakers.n;
    }
    return check_sampler(w, err);
}

hearth_status setup_worker(worker *w, hearth_error *err)
{
    TRY(open_models(w, err));
    TRY(open_engine(w, err));
    TRY(read_sampler(w, err));
    w->limits = (request_limits){
        .defaults = &w->defaults,
        .n_choices_max = hearth_engine_get_plan(w->engine)->n_parallel,
        .n_predict_max = w->flags->n_predict > 0 ? w->flags->n_predict : 0,
    };
    log_plan(w);
    pressure_watch_start(&w->pressure, w->engine, &w->host->log);
    TRY(slots_init(w, err));
    TRY(infill_tokens_find(&w->infill, w->model, err));
    TRY(chat_setup_open(&w->chat, w->model, &w->host->log, err));
    w->limits.no_thoughts = w->chat.no_thoughts;
    w->limits.no_prefill = w->flags->no_prefill_assistant;
    if (w->chat.no_thoughts && (w->defaults.thinking == SWITCH_ON || w->flags->reasoning_effort))
        log_write(&w->host->log, HEARTH_LOG_WARNING,
                  "%s has no effect: the model's chat template knows no thoughts",
                  w->flags->reasoning_effort ? "--reasoning-effort" : "--reasoning");
    return HEARTH_OK;
}

void setup_undo(worker *w)
{
    chat_setup_deinit(&w->chat);
    slots_deinit(w);
    pressure_watch_stop(&w->pressure);
    hearth_engine_close(w->engine);
    adapters_deinit(w);
    hearth_model_close(w->model);
    hearth_model_close(w->draft_model);
    json_decref(w->schema_json);
    mem_free(w->schema);
    mem_free(w->grammar);
    mem_free(w->biases);
    mem_free(w->aliases);
    mem_free(w->tags);
}
