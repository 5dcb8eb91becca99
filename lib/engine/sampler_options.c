/* SPDX-License-Identifier: MIT
 *
 * sampler_options.c - see sampler_options.h.
 */
#include "engine/sampler_options.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/options_take.h"
#include "engine/model.h"

void hearth_sampler_options_init(hearth_sampler_options *options)
{
    *options = (hearth_sampler_options){
        .struct_size = sizeof *options,
#define X(type, field, value, min, max, flag, help) .field = value,
#include <hearth/sampler_options.def>
#undef X
    };
}

/* ---- values ---- */

typedef struct bounds {
    const char *name;
    char type; /* as in the table: F, I, U */
    size_t offset;
    double min, max;
} bounds;

static const bounds all_bounds[] = {
#define X(type, field, value, min, max, flag, help)                                                \
    {#field, #type[0], offsetof(hearth_sampler_options, field), min, max},
#include <hearth/sampler_options.def>
#undef X
};

static const bounds *find_bounds(const char *name)
{
    const bounds *b = all_bounds;
    while (strcmp(b->name, name) != 0)
        b++;
    return b;
}

static double value_of(const hearth_sampler_options *options, const bounds *b)
{
    const char *field = (const char *)options + b->offset;
    float f;
    int32_t i;
    uint32_t u;
    switch (b->type) {
    case 'F':
        memcpy(&f, field, sizeof f);
        return f;
    case 'I':
        memcpy(&i, field, sizeof i);
        return i;
    default:
        memcpy(&u, field, sizeof u);
        return u;
    }
}

static hearth_status check_values(const hearth_sampler_options *options, hearth_error *err)
{
    for (size_t i = 0; i < sizeof all_bounds / sizeof *all_bounds; i++) {
        const bounds *b = &all_bounds[i];
        double value = value_of(options, b);
        if (!(value >= b->min && value <= b->max)) /* so NaN fails too */
            FAIL(err, EINVAL, b->name, "%s is %.*g; it must be between %.10g and %.10g", b->name,
                 b->type == 'F' ? 7 : 10, value, b->min, b->max);
    }
    return HEARTH_OK;
}

/* ---- what a model recommends ---- */

static bool recommend(const gguf_value *v, const bounds *b, hearth_sampler_options *options)
{
    char *field = (char *)options + b->offset;
    int64_t whole;
    double value;
    if (b->type == 'F') {
        if (gguf_value_i64(v, 0, &whole))
            value = (double)whole;
        else if (!gguf_value_f64(v, 0, &value))
            return false;
        float f = (float)value;
        if (!(f >= b->min && f <= b->max))
            return false;
        memcpy(field, &f, sizeof f);
        return true;
    }
    if (!gguf_value_i64(v, 0, &whole) || (double)whole < b->min || (double)whole > b->max)
        return false;
    int32_t i = (int32_t)whole;
    memcpy(field, &i, sizeof i);
    return true;
}

void hearth_model_sampler_options(const hearth_model *model, hearth_sampler_options *options)
{
    static const struct {
        const char *key, *field;
    } known[] = {
        {"general.sampling.temp", "temperature"},
        {"general.sampling.top_k", "top_k"},
        {"general.sampling.top_p", "top_p"},
        {"general.sampling.min_p", "min_p"},
        {"general.sampling.xtc_probability", "xtc_probability"},
        {"general.sampling.xtc_threshold", "xtc_threshold"},
        {"general.sampling.penalty_last_n", "repeat_last_n"},
        {"general.sampling.penalty_repeat", "repeat_penalty"},
        {"general.sampling.mirostat", "mirostat"},
        {"general.sampling.mirostat_tau", "mirostat_tau"},
        {"general.sampling.mirostat_eta", "mirostat_eta"},
    };
    hearth_sampler_options_init(options);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const gguf_value *v = gguf_find(model->g, known[i].key);
        const bounds *b = find_bounds(known[i].field);
        if (v && !recommend(v, b, options))
            log_write(&model->log, HEARTH_LOG_WARNING,
                      "%s in the model's file is no number from %.10g to %.10g; it is left out",
                      known[i].key, b->min, b->max);
    }
}

/* ---- checks ---- */

static hearth_status check_logit_bias(const hearth_sampler_options *options, size_t n_vocab,
                                      hearth_error *err)
{
    if (options->n_logit_bias && options->logit_bias == NULL)
        FAIL(err, EINVAL, "logit_bias", "logit_bias is NULL with n_logit_bias %zu",
             options->n_logit_bias);
    for (size_t i = 0; i < options->n_logit_bias; i++) {
        const hearth_logit_bias *bias = &options->logit_bias[i];
        if (bias->token < 0 || (size_t)bias->token >= n_vocab)
            FAIL(err, EINVAL, "logit_bias",
                 "logit_bias[%zu] is for token %d; the vocabulary ends at %zu", i, bias->token,
                 n_vocab - 1);
        if (isnan(bias->bias) || bias->bias == INFINITY)
            FAIL(err, EINVAL, "logit_bias",
                 "logit_bias[%zu] is %g; it must be finite, or -infinity to forbid the token", i,
                 (double)bias->bias);
    }
    return HEARTH_OK;
}

/* ---- stages ---- */

static const char *const stage_names[N_STAGES][3] = {
#define X(stage, name, second, third) {name, second, third},
    SAMPLER_STAGES(X)
#undef X
};

static bool is_name(const char *name, const char *text, size_t n)
{
    return n > 0 && strlen(name) == n && memcmp(name, text, n) == 0;
}

static bool find_stage(const char *text, size_t n, sampler_stage *stage)
{
    for (int i = 0; i < N_STAGES; i++)
        for (int k = 0; k < 3; k++)
            if (is_name(stage_names[i][k], text, n)) {
                *stage = (sampler_stage)i;
                return true;
            }
    return false;
}

bool sampler_chain_has(const sampler_chain *chain, sampler_stage stage)
{
    for (size_t i = 0; i < chain->n; i++)
        if (chain->stages[i] == stage)
            return true;
    return false;
}

/* "" is a chain without stages: the draw alone. */
static hearth_status read_chain(sampler_chain *chain, const char *text, hearth_error *err)
{
    chain->n = 0;
    if (text[0] == '\0')
        return HEARTH_OK;
    for (;;) {
        size_t n = strcspn(text, ";");
        int shown = n < 64 ? (int)n : 64;
        sampler_stage stage;
        if (!find_stage(text, n, &stage))
            FAIL(err, EINVAL, "samplers",
                 "samplers names \"%.*s\"; the stages are penalties, dry, top_n_sigma, top_k, "
                 "typ_p, top_p, min_p, xtc and temperature, with ';' between them",
                 shown, text);
        if (sampler_chain_has(chain, stage))
            FAIL(err, EINVAL, "samplers", "samplers names %s twice; name each stage once",
                 stage_names[stage][0]);
        chain->stages[chain->n++] = stage;
        if (text[n] == '\0')
            return HEARTH_OK;
        text += n + 1;
    }
}

hearth_status sampler_options_take(hearth_sampler_options *known, sampler_chain *chain,
                                   const hearth_sampler_options *given, size_t n_vocab,
                                   hearth_error *err)
{
    hearth_sampler_options_init(known);
    TRY(options_take(known, sizeof *known, given, "hearth_sampler_options", err));
    TRY(check_values(known, err));
    TRY(check_logit_bias(known, n_vocab, err));
    if (known->n_dry_sequence_breakers && known->dry_sequence_breakers == NULL)
        FAIL(err, EINVAL, "dry_sequence_breakers",
             "dry_sequence_breakers is NULL with n_dry_sequence_breakers %zu",
             known->n_dry_sequence_breakers);
    if (known->samplers)
        return read_chain(chain, known->samplers, err);
    chain->n = N_STAGES;
    for (int i = 0; i < N_STAGES; i++)
        chain->stages[i] = (sampler_stage)i;
    return HEARTH_OK;
}
