/* SPDX-License-Identifier: MIT
 *
 * gguf_walk.c - see gguf_walk.h.
 */
#include "support/gguf_walk.h"

#include <string.h>

static void add_bytes(uint64_t *sum, const void *data, uint64_t n)
{
    const uint8_t *bytes = data;
    for (uint64_t i = 0; i < n; i++)
        *sum = *sum * 31 + bytes[i];
}

static bool walk_value(const gguf *g, const gguf_value *value, uint64_t *sum)
{
    char key[256];
    add_bytes(sum, value->key.data, value->key.n);
    add_bytes(sum, value->data, value->n_bytes);
    if (value->type >= GGUF_TYPE_COUNT || value->element_type >= GGUF_TYPE_COUNT ||
        value->element_type == GGUF_ARRAY)
        return false;
    bool is_text = value->element_type == GGUF_STRING;
    bool is_float = value->element_type == GGUF_F32 || value->element_type == GGUF_F64;
    for (size_t i = 0; i < value->n; i++) {
        int64_t integer;
        double number;
        if (is_text)
            add_bytes(sum, value->strings[i].data, value->strings[i].n);
        if (gguf_value_f64(value, i, &number) == is_text ||
            (gguf_value_i64(value, i, &integer) && (is_text || is_float)))
            return false;
    }
    if (value->key.n >= sizeof key || memchr(value->key.data, 0, value->key.n) != NULL)
        return true;
    memcpy(key, value->key.data, value->key.n);
    key[value->key.n] = '\0';
    return gguf_find(g, key) == value;
}

static bool walk_tensor(const gguf *g, const gguf_tensor *tensor, uint64_t *sum)
{
    char name[256];
    uint64_t n = 1;
    for (int i = 0; i < GGUF_MAX_DIMS; i++) {
        if (tensor->ne[i] == 0 || (i >= tensor->n_dims && tensor->ne[i] != 1))
            return false;
        n *= tensor->ne[i];
    }
    const wtype_info *info = wtype_get(tensor->type);
    if (n != tensor->n_elements || tensor->name.n >= sizeof name ||
        n / info->block_elements * info->block_bytes != tensor->n_bytes)
        return false;
    add_bytes(sum, tensor->data, tensor->n_bytes);
    add_bytes(sum, tensor->name.data, tensor->name.n);
    if (memchr(tensor->name.data, 0, tensor->name.n) != NULL)
        return true;
    memcpy(name, tensor->name.data, tensor->name.n);
    name[tensor->name.n] = '\0';
    return gguf_find_tensor(g, name) == tensor;
}

bool gguf_walk(const gguf *g, uint64_t *sum)
{
    *sum = gguf_version(g);
    for (size_t i = 0; i < gguf_n_values(g); i++) {
        if (!walk_value(g, gguf_value_at(g, i), sum))
            return false;
    }
    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        if (!walk_tensor(g, gguf_tensor_at(g, i), sum))
            return false;
    }
    return true;
}
