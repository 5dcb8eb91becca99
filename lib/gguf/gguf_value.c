/* SPDX-License-Identifier: MIT
 *
 * gguf_value.c - reading metadata values as C types, and making them from override text.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/half.h"
#include "base/mem.h"
#include "base/number.h"
#include "gguf/gguf_part.h"

static const struct {
    const char *name;
    size_t n_bytes;
} types[GGUF_TYPE_COUNT] = {
    [GGUF_U8] = {"u8", 1},     [GGUF_I8] = {"i8", 1},     [GGUF_U16] = {"u16", 2},
    [GGUF_I16] = {"i16", 2},   [GGUF_U32] = {"u32", 4},   [GGUF_I32] = {"i32", 4},
    [GGUF_F32] = {"f32", 4},   [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"str", 0},
    [GGUF_ARRAY] = {"arr", 0}, [GGUF_U64] = {"u64", 8},   [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

const char *gguf_type_name(gguf_type type)
{
    return (unsigned)type < GGUF_TYPE_COUNT ? types[type].name : "unknown";
}

size_t gguf_scalar_bytes(gguf_type type)
{
    return types[type].n_bytes;
}

/* ---- numbers ---- */

static double load_f64(const uint8_t *p)
{
    uint64_t bits = load_u64(p);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

bool gguf_value_i64(const gguf_value *v, size_t i, int64_t *out)
{
    if (i >= v->n || v->element_type == GGUF_STRING)
        return false;
    const uint8_t *p = v->data + i * types[v->element_type].n_bytes;
    switch (v->element_type) {
    case GGUF_U8:
        *out = p[0];
        return true;
    case GGUF_I8:
        *out = (int8_t)p[0];
        return true;
    case GGUF_BOOL:
        *out = p[0] != 0;
        return true;
    case GGUF_U16:
        *out = load_u16(p);
        return true;
    case GGUF_I16:
        *out = (int16_t)load_u16(p);
        return true;
    case GGUF_U32:
        *out = load_u32(p);
        return true;
    case GGUF_I32:
        *out = (int32_t)load_u32(p);
        return true;
    case GGUF_U64:
        if (load_u64(p) > INT64_MAX)
            return false;
        *out = (int64_t)load_u64(p);
        return true;
    case GGUF_I64:
        *out = (int64_t)load_u64(p);
        return true;
    default:
        return false;
    }
}

bool gguf_value_f64(const gguf_value *v, size_t i, double *out)
{
    int64_t integer;
    if (i < v->n && v->element_type == GGUF_F32)
        *out = (double)float_from_bits(load_u32(v->data + i * 4));
    else if (i < v->n && v->element_type == GGUF_F64)
        *out = load_f64(v->data + i * 8);
    else if (i < v->n && v->element_type == GGUF_U64)
        *out = (double)load_u64(v->data + i * 8);
    else if (gguf_value_i64(v, i, &integer))
        *out = (double)integer;
    else
        return false;
    return true;
}

/* ---- by key ---- */

static const gguf_value *look(const gguf *g, const char *key, bool *found)
{
    const gguf_value *value = gguf_find(g, key);
    if (found)
        *found = value != NULL;
    return value;
}

static hearth_status fail_type(const gguf_value *value, const char *key, const char *wanted,
                               hearth_error *err)
{
    FAIL(err, EFORMAT, key, "key '%s' holds %s where %s is wanted", key,
         value->type == GGUF_ARRAY ? "an array" : gguf_type_name(value->type), wanted);
}

hearth_status gguf_get_u32(const gguf *g, const char *key, uint32_t *out, bool *found,
                           hearth_error *err)
{
    const gguf_value *value = look(g, key, found);
    int64_t number;
    if (value == NULL)
        return HEARTH_OK;
    if (value->type == GGUF_ARRAY || value->type == GGUF_BOOL)
        return fail_type(value, key, "an integer", err);
    if (!gguf_value_i64(value, 0, &number) && value->type != GGUF_U64)
        return fail_type(value, key, "an integer", err);
    if (value->type == GGUF_U64 && load_u64(value->data) > UINT32_MAX)
        FAIL(err, EFORMAT, key, "key '%s' is %llu; 0 to 4294967295 is possible", key,
             (unsigned long long)load_u64(value->data));
    if (number < 0 || number > UINT32_MAX)
        FAIL(err, EFORMAT, key, "key '%s' is %lld; 0 to 4294967295 is possible", key,
             (long long)number);
    *out = (uint32_t)number;
    return HEARTH_OK;
}

hearth_status gguf_get_f32(const gguf *g, const char *key, float *out, bool *found,
                           hearth_error *err)
{
    const gguf_value *value = look(g, key, found);
    double number;
    if (value == NULL)
        return HEARTH_OK;
    if ((value->type != GGUF_F32 && value->type != GGUF_F64) || !gguf_value_f64(value, 0, &number))
        return fail_type(value, key, "a float", err);
    if (isfinite(number) && fabs(number) > (double)FLT_MAX)
        FAIL(err, EFORMAT, key, "key '%s' is %g, which a 32-bit float cannot hold", key, number);
    *out = (float)number;
    return HEARTH_OK;
}

hearth_status gguf_get_bool(const gguf *g, const char *key, bool *out, bool *found,
                            hearth_error *err)
{
    const gguf_value *value = look(g, key, found);
    if (value == NULL)
        return HEARTH_OK;
    if (value->type != GGUF_BOOL)
        return fail_type(value, key, "a bool", err);
    *out = value->data[0] != 0;
    return HEARTH_OK;
}

hearth_status gguf_get_string(const gguf *g, const char *key, gguf_string *out, bool *found,
                              hearth_error *err)
{
    const gguf_value *value = look(g, key, found);
    if (value == NULL)
        return HEARTH_OK;
    if (value->type != GGUF_STRING)
        return fail_type(value, key, "a string", err);
    *out = value->strings[0];
    return HEARTH_OK;
}

/* ---- overrides ---- */

static bool parse_scalar(gguf_value *value, const char *type, size_t type_n, const char *text,
                         uint8_t bytes[8])
{
    char *end;
    errno = 0;
    if (type_n == 3 && memcmp(type, "int", 3) == 0) {
        store_u64(bytes, (uint64_t)strtoll(text, &end, 10));
        value->type = GGUF_I64;
        return errno == 0 && end != text && *end == '\0';
    }
    if (type_n == 5 && memcmp(type, "float", 5) == 0) {
        double number = number_parse(text, &end);
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        store_u64(bytes, bits);
        value->type = GGUF_F64;
        return end != text && *end == '\0' && isfinite(number);
    }
    if (type_n == 4 && memcmp(type, "bool", 4) == 0) {
        bytes[0] = strcmp(text, "true") == 0;
        value->type = GGUF_BOOL;
        return bytes[0] || strcmp(text, "false") == 0;
    }
    return false;
}

/* One block of memory: the string's descriptor, 8 bytes for a scalar, then the text, of which key
 * and string are parts. */
typedef struct override_memory {
    gguf_string string;
    uint8_t scalar[8];
    char text[];
} override_memory;

hearth_status gguf_override_parse(gguf_value *value, void **memory, const char *text,
                                  hearth_error *err)
{
    size_t n = strlen(text);
    const char *equals = strchr(text, '=');
    const char *colon = equals ? strchr(equals, ':') : NULL;
    if (colon == NULL || equals == text)
        FAIL(err, EINVAL, "override",
             "'%s' is not KEY=TYPE:VALUE, as tokenizer.ggml.add_bos_token=bool:false", text);
    override_memory *m = mem_alloc(sizeof *m + n + 1);
    if (m == NULL)
        return error_no_memory(err, "an override", sizeof *m + n + 1);
    memcpy(m->text, text, n + 1);
    size_t type_n = (size_t)(colon - equals - 1);
    char *word = m->text + (colon - text) + 1;
    *value = (gguf_value){
        .key = {m->text, (size_t)(equals - text)}, .n = 1, .data = m->scalar, .overridden = true};
    if (type_n == 3 && memcmp(equals + 1, "str", 3) == 0) {
        m->string = (gguf_string){word, strlen(word)};
        value->type = GGUF_STRING;
        value->strings = &m->string;
        value->data = (const uint8_t *)word;
        value->n_bytes = m->string.n;
    } else if (parse_scalar(value, equals + 1, type_n, word, m->scalar)) {
        value->n_bytes = types[value->type].n_bytes;
    } else {
        mem_free(m);
        FAIL(err, EINVAL, "override",
             "'%s': unknown type, or a value that does not fit it; types are int, float, bool "
             "(true or false) and str",
             text);
    }
    value->element_type = value->type;
    *memory = m;
    return HEARTH_OK;
}
