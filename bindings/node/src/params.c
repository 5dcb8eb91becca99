/* SPDX-License-Identifier: MIT
 *
 * params.c - see params.h.
 */
#include "params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

typedef struct row {
    char type;
    const char *name;
    double value, min, max;
    unsigned functions;
    const char *help;
} row;

static const row rows[N_PARAMS] = {
#define P(type, name, value, min, max, functions, help)                                            \
    [PARAM_##name] = {#type[0], #name, value, min, max, functions, help},
#include "params.def"
};

static const struct {
    const char *name;
    param_id of;
    unsigned functions;
} aliases[] = {
#define P(...)
#define ALIAS(name, of, functions) {#name, PARAM_##of, functions},
#include "params.def"
};

/* ---- the sampler's rows ---- */

typedef struct sampler_row {
    char type;
    const char *name; /* in snake_case */
    size_t offset;
    double value, min, max;
    const char *help;
} sampler_row;

static const sampler_row sampler_rows[] = {
#define X(type, field, value, min, max, flag, help)                                                \
    {#type[0], #field, offsetof(hearth_sampler_options, field), value, min, max, help},
#include <hearth/sampler_options.def>
#undef X
};
enum {
    N_SAMPLER_ROWS = sizeof sampler_rows / sizeof *sampler_rows,
    SAMPLER_FUNCTIONS = OF_generate | OF_chat,
    NAME_MAX_BYTES = 64
};
_Static_assert(N_SAMPLER_ROWS <= 32, "sampler_given has a bit for each row");

static void camel(const char *snake, char out[NAME_MAX_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; snake[i] && n + 1 < NAME_MAX_BYTES; i++) {
        bool up = i > 0 && snake[i - 1] == '_';
        if (snake[i] != '_')
            out[n++] = (char)(up && snake[i] >= 'a' && snake[i] <= 'z' ? snake[i] - 32 : snake[i]);
    }
    out[n] = '\0';
}

static void sampler_set(hearth_sampler_options *o, const sampler_row *r, double number)
{
    char *at = (char *)o + r->offset;
    if (r->type == 'F')
        memcpy(at, &(float){(float)number}, sizeof(float));
    else if (r->type == 'I')
        memcpy(at, &(int32_t){(int32_t)number}, sizeof(int32_t));
    else
        memcpy(at, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
}

void params_sampler(const params *p, const hearth_model *model, hearth_sampler_options *out)
{
    hearth_sampler_options plain, own;
    hearth_sampler_options_init(&plain);
    own = plain;
#define P(...)
#define SAMPLER_DEFAULT(row, value) own.row = value;
#include "params.def"
    hearth_model_sampler_options(model, out);
    for (size_t i = 0; i < N_SAMPLER_ROWS; i++) {
        size_t at = sampler_rows[i].offset; /* every row is 4 bytes */
        char *to = (char *)out + at;
        if (p->sampler_given >> i & 1)
            memcpy(to, (const char *)&p->sampler + at, 4);
        else if (memcmp(to, (const char *)&plain + at, 4) == 0) /* no recommendation */
            memcpy(to, (const char *)&own + at, 4);
    }
}

/* ---- values ---- */

static hearth_status wrong(hearth_error *err, const char *function, const char *name,
                           const char *what)
{
    return fail(err, HEARTH_EINVAL, name, "%s: %s %s", function, name, what);
}

/* *out is the caller's: free. NULL: out of memory. */
static char *read_text(napi_env env, napi_value value, size_t *n)
{
    char *text;
    if (napi_get_value_string_utf8(env, value, NULL, 0, n) != napi_ok ||
        (text = malloc(*n + 1)) == NULL)
        return NULL;
    napi_get_value_string_utf8(env, value, text, *n + 1, n);
    return text;
}

static hearth_status read_number(napi_env env, napi_value value, const char *function,
                                 const char *name, char type, double min, double max, double *out,
                                 hearth_error *err)
{
    napi_valuetype t;
    if (napi_typeof(env, value, &t) != napi_ok || t != napi_number ||
        napi_get_value_double(env, value, out) != napi_ok)
        return wrong(err, function, name, "must be a number");
    if (type != 'F' && *out != floor(*out))
        return wrong(err, function, name, "must be a whole number");
    if (!(*out >= min && *out <= max))
        return fail(err, HEARTH_EINVAL, name, "%s: %s is %g; it must be from %g to %g", function,
                    name, *out, min, max);
    return HEARTH_OK;
}

static hearth_status read_string(napi_env env, napi_value value, const char *function,
                                 const char *name, char **text, size_t *n, hearth_error *err)
{
    napi_valuetype t;
    if (napi_typeof(env, value, &t) != napi_ok || t != napi_string)
        return wrong(err, function, name, "must be a text");
    *text = read_text(env, value, n);
    return *text ? HEARTH_OK : fail(err, HEARTH_ENOMEM, name, "%s: out of memory", function);
}

static hearth_status read_texts(napi_env env, napi_value value, const char *function,
                                const char *name, param_value *v, hearth_error *err)
{
    bool is_array = false;
    uint32_t n = 1;
    if (napi_is_array(env, value, &is_array) == napi_ok && is_array)
        napi_get_array_length(env, value, &n);
    v->texts = calloc((size_t)n + 1, sizeof *v->texts);
    if (v->texts == NULL)
        return fail(err, HEARTH_ENOMEM, name, "%s: out of memory", function);
    for (uint32_t i = 0; i < n; i++) {
        napi_value item = value;
        size_t size;
        if (is_array && napi_get_element(env, value, i, &item) != napi_ok)
            return wrong(err, function, name, "cannot be read");
        if (read_string(env, item, function, name, &v->texts[i], &size, err) != HEARTH_OK)
            return err->code == HEARTH_EINVAL
                       ? wrong(err, function, name, "must be a text or an array of texts")
                       : err->code;
        v->n++;
    }
    return HEARTH_OK;
}

static hearth_status read_numbers(napi_env env, napi_value value, const char *function,
                                  const char *name, param_value *v, hearth_error *err)
{
    bool is_array = false;
    uint32_t n = 0;
    if (napi_is_array(env, value, &is_array) != napi_ok || !is_array)
        return wrong(err, function, name, "must be an array of numbers");
    napi_get_array_length(env, value, &n);
    v->numbers = calloc((size_t)n + 1, sizeof *v->numbers);
    if (v->numbers == NULL)
        return fail(err, HEARTH_ENOMEM, name, "%s: out of memory", function);
    for (uint32_t i = 0; i < n; i++) {
        napi_value item;
        napi_valuetype t;
        if (napi_get_element(env, value, i, &item) != napi_ok ||
            napi_typeof(env, item, &t) != napi_ok || t != napi_number ||
            napi_get_value_double(env, item, &v->numbers[i]) != napi_ok || isnan(v->numbers[i]))
            return wrong(err, function, name, "must be an array of numbers");
        v->n++;
    }
    return HEARTH_OK;
}

static hearth_status read_tokens(napi_env env, napi_value value, const char *function,
                                 const char *name, param_value *v, hearth_error *err)
{
    bool is_typed = false;
    napi_typedarray_type type;
    void *data;
    if (napi_is_typedarray(env, value, &is_typed) == napi_ok && is_typed) {
        if (napi_get_typedarray_info(env, value, &type, &v->n, &data, NULL, NULL) != napi_ok ||
            type != napi_int32_array)
            return wrong(err, function, name, "must be an Int32Array or an array of tokens");
        v->tokens = malloc(v->n * sizeof *v->tokens + 1);
        if (v->tokens && v->n > 0)
            memcpy(v->tokens, data, v->n * sizeof *v->tokens);
    } else {
        hearth_status status = read_numbers(env, value, function, name, v, err);
        if (status != HEARTH_OK)
            return status == HEARTH_EINVAL
                       ? wrong(err, function, name, "must be an Int32Array or an array of tokens")
                       : status;
        v->tokens = malloc(v->n * sizeof *v->tokens + 1);
        for (size_t i = 0; v->tokens && i < v->n; i++) {
            if (v->numbers[i] != floor(v->numbers[i]) || v->numbers[i] < 0 ||
                v->numbers[i] > INT32_MAX)
                return wrong(err, function, name, "holds what is no token");
            v->tokens[i] = (int32_t)v->numbers[i];
        }
    }
    return v->tokens ? HEARTH_OK : fail(err, HEARTH_ENOMEM, name, "%s: out of memory", function);
}

static hearth_status read_json(napi_env env, napi_value value, const char *function,
                               const char *name, param_value *v, hearth_error *err)
{
    napi_value text = value_json(env, "stringify", value);
    napi_valuetype t = napi_undefined;
    if (text == NULL) {
        napi_value ignored;
        napi_get_and_clear_last_exception(env, &ignored);
    }
    if (text == NULL || napi_typeof(env, text, &t) != napi_ok || t != napi_string)
        return wrong(err, function, name, "cannot be written as JSON");
    return read_string(env, text, function, name, &v->text, &v->n, err);
}

static hearth_status read_value(napi_env env, napi_value value, const char *function, param_id id,
                                params *p, hearth_error *err)
{
    const row *r = &rows[id];
    param_value *v = &p->values[id];
    napi_valuetype t;
    hearth_status status = HEARTH_OK;
    if (v->given)
        return wrong(err, function, r->name, "is given twice, under two names");
    v->given = true;
    switch (r->type) {
    case 'T':
        status = read_string(env, value, function, r->name, &v->text, &v->n, err);
        if (status == HEARTH_OK && id != PARAM_input && strlen(v->text) != v->n)
            status = wrong(err, function, r->name, "has a NUL in it");
        return status;
    case 'B': {
        bool is = false;
        if (napi_typeof(env, value, &t) != napi_ok || t != napi_boolean)
            return wrong(err, function, r->name, "must be true or false");
        napi_get_value_bool(env, value, &is);
        v->number = is;
        return HEARTH_OK;
    }
    case 'L':
        return read_texts(env, value, function, r->name, v, err);
    case 'N':
        return read_numbers(env, value, function, r->name, v, err);
    case 'K':
        return read_tokens(env, value, function, r->name, v, err);
    case 'J':
        return read_json(env, value, function, r->name, v, err);
    default:
        return read_number(env, value, function, r->name, r->type, r->min, r->max, &v->number, err);
    }
}

/* ---- names ---- */

static bool find(const char *name, unsigned bit, param_id *out)
{
    for (size_t i = 0; i < N_PARAMS; i++) {
        if (rows[i].functions & bit && strcmp(rows[i].name, name) == 0) {
            *out = (param_id)i;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (aliases[i].functions & bit && strcmp(aliases[i].name, name) == 0) {
            *out = aliases[i].of;
            return true;
        }
    }
    return false;
}

static hearth_status read_named(napi_env env, const char *name, napi_value value,
                                const char *function, unsigned bit, params *p, hearth_error *err)
{
    param_id id;
    if (find(name, bit, &id))
        return read_value(env, value, function, id, p, err);
    for (size_t i = 0; i < N_SAMPLER_ROWS && bit & SAMPLER_FUNCTIONS; i++) {
        const sampler_row *r = &sampler_rows[i];
        char in_camel[NAME_MAX_BYTES];
        double number;
        camel(r->name, in_camel);
        if (strcmp(name, in_camel) != 0)
            continue;
        hearth_status status =
            read_number(env, value, function, name, r->type, r->min, r->max, &number, err);
        if (status != HEARTH_OK)
            return status;
        sampler_set(&p->sampler, r, number);
        p->sampler_given |= (uint32_t)1 << i;
        return HEARTH_OK;
    }
    return fail(err, HEARTH_EINVAL, name,
                "%s: there is no parameter '%s'; the module's `parameters` lists them", function,
                name);
}

hearth_status params_read(napi_env env, napi_value object, const char *function, unsigned bit,
                          params *p, hearth_error *err)
{
    napi_value names;
    napi_valuetype t;
    bool is_array = false;
    uint32_t n = 0;
    *p = (params){0};
    for (size_t i = 0; i < N_PARAMS; i++)
        p->values[i].number = rows[i].value;
    if (object == NULL || napi_typeof(env, object, &t) != napi_ok || t == napi_undefined)
        return HEARTH_OK;
    if (t != napi_object || napi_is_array(env, object, &is_array) != napi_ok || is_array ||
        napi_get_all_property_names(env, object, napi_key_own_only,
                                    napi_key_enumerable | napi_key_skip_symbols,
                                    napi_key_numbers_to_strings, &names) != napi_ok ||
        napi_get_array_length(env, names, &n) != napi_ok)
        return fail(err, HEARTH_EINVAL, function, "%s: the parameters must be an object", function);
    for (uint32_t i = 0; i < n; i++) {
        napi_value key, value;
        size_t n_name = 0;
        if (napi_get_element(env, names, i, &key) != napi_ok ||
            napi_get_property(env, object, key, &value) != napi_ok)
            return fail(err, HEARTH_EINVAL, function, "%s: a parameter cannot be read", function);
        if (napi_typeof(env, value, &t) == napi_ok && t == napi_undefined)
            continue;
        char *name = read_text(env, key, &n_name);
        if (name == NULL)
            return fail(err, HEARTH_ENOMEM, function, "%s: out of memory", function);
        hearth_status status = read_named(env, name, value, function, bit, p, err);
        free(name);
        if (status != HEARTH_OK)
            return status;
    }
    return HEARTH_OK;
}

void params_deinit(params *p)
{
    for (size_t i = 0; i < N_PARAMS; i++) {
        param_value *v = &p->values[i];
        for (size_t k = 0; v->texts && v->texts[k]; k++)
            free(v->texts[k]);
        free(v->texts);
        free(v->text);
        free(v->numbers);
        free(v->tokens);
    }
    *p = (params){0};
}

hearth_status param_choice(const params *p, param_id id, const char *words, int otherwise, int *out,
                           hearth_error *err)
{
    const char *text = p->values[id].text, *at = words;
    *out = otherwise;
    if (text == NULL)
        return HEARTH_OK;
    for (int i = 0;; i++) {
        size_t n = strcspn(at, "|");
        if (strlen(text) == n && memcmp(text, at, n) == 0) {
            *out = i;
            return HEARTH_OK;
        }
        if (at[n] == '\0')
            return fail(err, HEARTH_EINVAL, rows[id].name, "%s is '%s'; it must be one of %s",
                        rows[id].name, text, words);
        at += n + 1;
    }
}

/* ---- the table for JavaScript ---- */

static void set_functions(napi_env env, napi_value to, unsigned functions)
{
    static const char *const names[] = {
#define X(name, bit) [bit] = #name,
        PARAM_FUNCTIONS(X)
#undef X
    };
    napi_value list;
    uint32_t n = 0;
    napi_create_array_with_length(env, 0, &list);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (functions >> i & 1)
            napi_set_element(env, list, n++, value_text(env, names[i], NAPI_AUTO_LENGTH));
    }
    set_value(env, to, "functions", list);
}

static napi_value describe(napi_env env, char type, const char *name, double value, double min,
                           double max, unsigned functions, const char *help)
{
    const char *types = strchr("T text B boolean I integer F number U integer L texts N numbers "
                               "K tokens J json ",
                               type);
    napi_value to = value_object(env);
    set_text(env, to, "name", name);
    set_value(env, to, "type", value_text(env, types + 2, strcspn(types + 2, " ")));
    if (strchr("IFU", type)) {
        set_number(env, to, "default", value);
        set_number(env, to, "min", min);
        set_number(env, to, "max", max);
    } else if (type == 'B') {
        set_bool(env, to, "default", value != 0);
    }
    set_functions(env, to, functions);
    set_text(env, to, "help", help);
    return to;
}

napi_value params_describe(napi_env env)
{
    napi_value list;
    uint32_t n = 0;
    hearth_sampler_options own;
    hearth_sampler_options_init(&own);
#define P(...)
#define SAMPLER_DEFAULT(row, value) own.row = value;
#include "params.def"
    napi_create_array_with_length(env, 0, &list);
    for (size_t i = 0; i < N_PARAMS; i++) {
        const row *r = &rows[i];
        napi_set_element(
            env, list, n++,
            describe(env, r->type, r->name, r->value, r->min, r->max, r->functions, r->help));
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        const row *r = &rows[aliases[i].of];
        napi_value to = describe(env, r->type, aliases[i].name, r->value, r->min, r->max,
                                 aliases[i].functions, r->help);
        set_text(env, to, "aliasOf", r->name);
        napi_set_element(env, list, n++, to);
    }
    for (size_t i = 0; i < N_SAMPLER_ROWS; i++) {
        const sampler_row *r = &sampler_rows[i];
        char name[NAME_MAX_BYTES];
        float f;
        camel(r->name, name);
        memcpy(&f, (const char *)&own + r->offset, sizeof f);
        double value = r->type == 'F' ? (double)f : r->value;
        napi_set_element(
            env, list, n++,
            describe(env, r->type, name, value, r->min, r->max, SAMPLER_FUNCTIONS, r->help));
    }
    return list;
}
