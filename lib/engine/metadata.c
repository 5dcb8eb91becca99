/* SPDX-License-Identifier: MIT
 *
 * metadata.c - a model's metadata and tensors as text, for people and programs that show them.
 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"
#include "engine/model.h"

void metadata_repair(char *text, size_t n)
{
    for (size_t i = 0, length; i < n; i += length) {
        length = utf8_valid_prefix(text + i, n - i);
        if (length == 0 || text[i] == '\0') {
            text[i] = '?';
            length = 1;
        }
    }
}

size_t hearth_model_n_metadata(const hearth_model *model)
{
    return gguf_n_values(model->g);
}

static bool append_scalar(buf *b, const gguf_value *v, size_t i)
{
    gguf_type type = v->type == GGUF_ARRAY ? v->element_type : v->type;
    int64_t integer;
    double real;
    uint64_t large;
    char text[32];
    if (type == GGUF_U64) {
        memcpy(&large, v->data + i * sizeof large, sizeof large);
        return buf_append_format(b, "%llu", (unsigned long long)large);
    }
    if (type == GGUF_BOOL)
        return buf_append_text(b, gguf_value_i64(v, i, &integer) && integer ? "true" : "false");
    if (type == GGUF_F32 || type == GGUF_F64)
        return gguf_value_f64(v, i, &real) &&
               number_print(text, sizeof text, "%.*g", type == GGUF_F32 ? 9 : 17, real) > 0 &&
               buf_append_text(b, text);
    return gguf_value_i64(v, i, &integer) && buf_append_format(b, "%lld", (long long)integer);
}

/* An array's strings are quoted so that one can tell them apart. Of a string longer than max_n not
 * much more than that is looked at: whole characters up to there, and that there is more. */
static bool append_string(buf *b, gguf_string s, bool quoted, size_t max_n)
{
    enum { CHARACTER_BYTES = 4 };
    if (s.n > max_n && s.n - max_n > CHARACTER_BYTES)
        s.n = max_n + CHARACTER_BYTES;
    if (!quoted)
        return buf_append(b, s.data, s.n);
    if (!buf_append_text(b, "\""))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.data[i];
        bool ok = c == '"' || c == '\\' ? buf_append_format(b, "\\%c", c)
                  : c < 0x20            ? buf_append_format(b, "\\x%02x", c)
                                        : buf_append(b, &s.data[i], 1);
        if (!ok)
            return false;
    }
    return buf_append_text(b, "\"");
}

/* Stops once the text is longer than max_n. */
static bool append_value(buf *b, const gguf_value *v, size_t max_n)
{
    if (v->type != GGUF_ARRAY)
        return v->type == GGUF_STRING ? append_string(b, v->strings[0], false, max_n)
                                      : append_scalar(b, v, 0);
    if (!buf_append_text(b, "["))
        return false;
    for (size_t i = 0; i < v->n && b->n <= max_n; i++) {
        if (i > 0 && !buf_append_text(b, ", "))
            return false;
        bool ok = v->element_type == GGUF_STRING ? append_string(b, v->strings[i], true, max_n)
                                                 : append_scalar(b, v, i);
        if (!ok)
            return false;
    }
    return buf_append_text(b, "]");
}

static char *value_text(const gguf_value *v, size_t max_n, bool *cut)
{
    buf b;
    buf_init(&b, 0);
    if (!append_value(&b, v, max_n)) {
        buf_deinit(&b);
        return NULL;
    }
    metadata_repair(b.data, b.n);
    *cut = b.n > max_n;
    if (*cut) {
        while (max_n > 0 && ((unsigned char)b.data[max_n] & 0xc0) == 0x80)
            max_n--; /* not in the middle of a character */
        b.n = max_n;
    }
    return buf_take(&b, NULL);
}

static char *type_text(const gguf_value *v)
{
    buf b;
    buf_init(&b, 0);
    bool ok = v->type == GGUF_ARRAY
                  ? buf_append_format(&b, "arr[%s,%zu]", gguf_type_name(v->element_type), v->n)
                  : buf_append_text(&b, gguf_type_name(v->type));
    if (!ok) {
        buf_deinit(&b);
        return NULL;
    }
    return buf_take(&b, NULL);
}

hearth_status hearth_model_metadata_at(const hearth_model *model, size_t i, size_t max_n,
                                       char **key, char **type, char **value, bool *cut,
                                       hearth_error *err)
{
    *key = *type = *value = NULL;
    if (i >= gguf_n_values(model->g))
        FAIL(err, EINVAL, "metadata", "there is no metadata entry %zu; the model has %zu", i,
             gguf_n_values(model->g));
    const gguf_value *v = gguf_value_at(model->g, i);
    *key = mem_dup(v->key.data, v->key.n);
    if (*key)
        metadata_repair(*key, v->key.n);
    *type = type_text(v);
    *value = value_text(v, max_n, cut);
    if (*key && *type && *value)
        return HEARTH_OK;
    mem_free(*key);
    mem_free(*type);
    mem_free(*value);
    *key = *type = *value = NULL;
    return error_no_memory(err, "metadata", v->n_bytes);
}

hearth_status hearth_model_metadata(const hearth_model *model, const char *key, char **value,
                                    hearth_error *err)
{
    bool cut;
    const gguf_value *v = gguf_find(model->g, key);
    *value = NULL;
    if (v == NULL)
        FAIL(err, ENOTFOUND, "metadata", "the model has no metadata key '%s'", key);
    *value = value_text(v, SIZE_MAX, &cut);
    return *value ? HEARTH_OK : error_no_memory(err, "metadata", v->n_bytes);
}

size_t hearth_model_n_tensors(const hearth_model *model)
{
    return gguf_n_tensors(model->g);
}

hearth_status hearth_model_tensor_at(const hearth_model *model, size_t i, hearth_tensor_info *out,
                                     hearth_error *err)
{
    if (i >= gguf_n_tensors(model->g))
        FAIL(err, EINVAL, "tensor", "there is no tensor %zu; the model has %zu", i,
             gguf_n_tensors(model->g));
    const gguf_tensor *t = gguf_tensor_at(model->g, i);
    size_t n = t->name.n < sizeof out->name ? t->name.n : sizeof out->name - 1;
    memcpy(out->name, t->name.data, n);
    out->name[n] = '\0';
    metadata_repair(out->name, n);
    out->type = wtype_get(t->type)->name;
    out->n_dims = (uint32_t)t->n_dims;
    memcpy(out->ne, t->ne, sizeof out->ne);
    out->n_bytes = t->n_bytes;
    return HEARTH_OK;
}
