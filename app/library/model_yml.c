/* SPDX-License-Identifier: MIT
 *
 * model_yml.c - see model_yml.h. libyaml's document tree, looked at and changed in its top mapping
 * alone; written by walking it, since libyaml's own dump takes the document apart.
 */
#include "library/model_yml.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <yaml.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/utf8.h"
#include "os/file.h"

struct model_yml {
    yaml_document_t document;
    char where[64];
};

typedef enum key_kind { TEXT, COUNT, REAL, BOOL, WORDS, TIME } key_kind;

static const struct {
    const char *name;
    key_kind kind;
} known[] = {
#define KEY(name, kind, help) {name, kind},
#include "library/model_yml.def"
};

enum { N_KNOWN = sizeof known / sizeof *known };

/* ---- the tree ---- */

static yaml_node_t *root_of(const model_yml *yml)
{
    return yaml_document_get_root_node((yaml_document_t *)&yml->document);
}

static yaml_node_t *node_at(const model_yml *yml, int index)
{
    return yaml_document_get_node((yaml_document_t *)&yml->document, index);
}

static bool is_text(const yaml_node_t *node, const char *text)
{
    size_t n = strlen(text);
    return node && node->type == YAML_SCALAR_NODE && node->data.scalar.length == n &&
           memcmp(node->data.scalar.value, text, n) == 0;
}

static yaml_node_pair_t *find_pair(const model_yml *yml, const char *key)
{
    yaml_node_t *root = root_of(yml);
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
         p++) {
        if (is_text(node_at(yml, p->key), key))
            return p;
    }
    return NULL;
}

/* No node twice (that takes an alias, with which a small file grows without bounds, or loops), and
 * none too deep. */
static hearth_status check_node(const model_yml *yml, int index, int depth, unsigned char *seen,
                                hearth_error *err)
{
    const yaml_node_t *node = node_at(yml, index);
    unsigned long line = (unsigned long)node->start_mark.line + 1;
    if (depth > MODEL_YML_MAX_DEPTH)
        FAIL(err, EFORMAT, yml->where, "line %lu: more than %d levels", line, MODEL_YML_MAX_DEPTH);
    if (seen[index]++)
        FAIL(err, EFORMAT, yml->where, "line %lu: anchors and aliases are not understood here",
             line);
    if (node->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *i = node->data.sequence.items.start;
             i < node->data.sequence.items.top; i++)
            TRY(check_node(yml, *i, depth + 1, seen, err));
    } else if (node->type == YAML_MAPPING_NODE) {
        for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
             p++) {
            TRY(check_node(yml, p->key, depth + 1, seen, err));
            TRY(check_node(yml, p->value, depth + 1, seen, err));
        }
    }
    return HEARTH_OK;
}

static hearth_status check_tree(const model_yml *yml, hearth_error *err)
{
    size_t n = (size_t)(yml->document.nodes.top - yml->document.nodes.start);
    if (root_of(yml)->type != YAML_MAPPING_NODE)
        FAIL(err, EFORMAT, yml->where, "it holds no list of keys and values");
    unsigned char *seen = mem_calloc(n + 1, 1);
    if (seen == NULL)
        return error_no_memory(err, MODEL_YML_FILE, n);
    hearth_status status = check_node(yml, 1, 0, seen, err);
    mem_free(seen);
    return status;
}

/* ---- life ---- */

static hearth_status make_empty(model_yml *yml, hearth_error *err)
{
    if (!yaml_document_initialize(&yml->document, NULL, NULL, NULL, 1, 1))
        return error_no_memory(err, MODEL_YML_FILE, 0);
    if (!yaml_document_add_mapping(&yml->document, NULL, YAML_BLOCK_MAPPING_STYLE))
        return error_no_memory(err, MODEL_YML_FILE, 0);
    return HEARTH_OK;
}

hearth_status model_yml_new(model_yml **out, hearth_error *err)
{
    model_yml *yml = mem_calloc(1, sizeof *yml);
    if (yml == NULL)
        return error_no_memory(err, MODEL_YML_FILE, sizeof *yml);
    snprintf(yml->where, sizeof yml->where, "%s", MODEL_YML_FILE);
    hearth_status status = make_empty(yml, err);
    if (status != HEARTH_OK) {
        model_yml_free(yml);
        return status;
    }
    *out = yml;
    return HEARTH_OK;
}

static hearth_status load(model_yml *yml, const char *text, size_t n, hearth_error *err)
{
    yaml_parser_t parser;
    hearth_status status = HEARTH_OK;
    if (!yaml_parser_initialize(&parser))
        return error_no_memory(err, MODEL_YML_FILE, 0);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    if (!yaml_parser_load(&parser, &yml->document)) {
        memset(&yml->document, 0, sizeof yml->document); /* libyaml has freed it */
        status = parser.error == YAML_MEMORY_ERROR
                     ? error_no_memory(err, MODEL_YML_FILE, n)
                     : error_set(err, HEARTH_EFORMAT, yml->where, "line %lu: %s",
                                 (unsigned long)parser.problem_mark.line + 1,
                                 parser.problem ? parser.problem : "not YAML");
    }
    yaml_parser_delete(&parser);
    if (status == HEARTH_OK && root_of(yml) == NULL) {
        yaml_document_delete(&yml->document);
        memset(&yml->document, 0, sizeof yml->document);
        status = make_empty(yml, err);
    }
    return status == HEARTH_OK ? check_tree(yml, err) : status;
}

hearth_status model_yml_parse(model_yml **out, const char *text, size_t n, const char *where,
                              hearth_error *err)
{
    if (n > MODEL_YML_MAX_BYTES)
        FAIL(err, EFORMAT, where, "%zu bytes are too many for a model.yml; %d are the most", n,
             MODEL_YML_MAX_BYTES);
    model_yml *yml = mem_calloc(1, sizeof *yml);
    if (yml == NULL)
        return error_no_memory(err, MODEL_YML_FILE, sizeof *yml);
    snprintf(yml->where, sizeof yml->where, "%s", where);
    hearth_status status = load(yml, text, n, err);
    if (status != HEARTH_OK) {
        model_yml_free(yml);
        return status;
    }
    *out = yml;
    return HEARTH_OK;
}

hearth_status model_yml_read(model_yml **out, const char *path, hearth_error *err)
{
    char *text;
    size_t n;
    TRY(file_read_all(path, MODEL_YML_MAX_BYTES, &text, &n, err));
    hearth_error why = {0};
    hearth_status status = model_yml_parse(out, text, n, path, &why);
    mem_free(text);
    if (status != HEARTH_OK)
        error_set(err, status, path, "%.200s: %s", path, why.message);
    return status;
}

void model_yml_free(model_yml *yml)
{
    if (yml == NULL)
        return;
    if (yml->document.nodes.start)
        yaml_document_delete(&yml->document);
    mem_free(yml);
}

/* ---- writing ---- */

static int write_out(void *user, unsigned char *bytes, size_t n)
{
    return buf_append(user, bytes, n);
}

static bool emit_scalar(yaml_emitter_t *emitter, const yaml_node_t *node)
{
    yaml_event_t event;
    bool plain = strcmp((const char *)node->tag, YAML_DEFAULT_SCALAR_TAG) == 0;
    return yaml_scalar_event_initialize(&event, NULL, plain ? NULL : node->tag,
                                        node->data.scalar.value, (int)node->data.scalar.length,
                                        plain, plain, node->data.scalar.style) &&
           yaml_emitter_emit(emitter, &event);
}

static bool emit_node(yaml_emitter_t *emitter, const model_yml *yml, int index);

static bool emit_sequence(yaml_emitter_t *emitter, const model_yml *yml, const yaml_node_t *node)
{
    yaml_event_t event;
    bool plain = strcmp((const char *)node->tag, YAML_DEFAULT_SEQUENCE_TAG) == 0;
    bool ok = yaml_sequence_start_event_initialize(&event, NULL, plain ? NULL : node->tag, plain,
                                                   node->data.sequence.style) &&
              yaml_emitter_emit(emitter, &event);
    for (yaml_node_item_t *i = node->data.sequence.items.start;
         ok && i < node->data.sequence.items.top; i++)
        ok = emit_node(emitter, yml, *i);
    return ok && yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit_mapping(yaml_emitter_t *emitter, const model_yml *yml, const yaml_node_t *node)
{
    yaml_event_t event;
    bool plain = strcmp((const char *)node->tag, YAML_DEFAULT_MAPPING_TAG) == 0;
    bool ok = yaml_mapping_start_event_initialize(&event, NULL, plain ? NULL : node->tag, plain,
                                                  node->data.mapping.style) &&
              yaml_emitter_emit(emitter, &event);
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
         ok && p < node->data.mapping.pairs.top; p++)
        ok = emit_node(emitter, yml, p->key) && emit_node(emitter, yml, p->value);
    return ok && yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

/* As deep as check_tree() lets a tree be. */
static bool emit_node(yaml_emitter_t *emitter, const model_yml *yml, int index)
{
    const yaml_node_t *node = node_at(yml, index);
    if (node->type == YAML_SEQUENCE_NODE)
        return emit_sequence(emitter, yml, node);
    if (node->type == YAML_MAPPING_NODE)
        return emit_mapping(emitter, yml, node);
    return emit_scalar(emitter, node);
}

hearth_status model_yml_format(const model_yml *yml, buf *out, hearth_error *err)
{
    yaml_emitter_t emitter;
    yaml_event_t event;
    if (!yaml_emitter_initialize(&emitter))
        return error_no_memory(err, MODEL_YML_FILE, 0);
    yaml_emitter_set_output(&emitter, write_out, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    bool ok = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
              yaml_emitter_emit(&emitter, &event) &&
              yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
              yaml_emitter_emit(&emitter, &event) && emit_node(&emitter, yml, 1) &&
              yaml_document_end_event_initialize(&event, 1) &&
              yaml_emitter_emit(&emitter, &event) && yaml_stream_end_event_initialize(&event) &&
              yaml_emitter_emit(&emitter, &event);
    hearth_status status = HEARTH_OK;
    if (!ok && emitter.error == YAML_EMITTER_ERROR)
        status = error_set(err, HEARTH_EFORMAT, yml->where, "cannot be written again: %s",
                           emitter.problem);
    else if (!ok)
        status = error_no_memory(err, MODEL_YML_FILE, out->n);
    yaml_emitter_delete(&emitter);
    return status;
}

hearth_status model_yml_write(const model_yml *yml, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    file_writer *file = NULL;
    buf text;
    buf_init(&text, 0);
    TRY_OUT(model_yml_format(yml, &text, err));
    TRY_OUT(file_writer_open(&file, path, err));
    TRY_OUT(file_writer_write(file, text.data, text.n, err));
    TRY_OUT(file_writer_commit(file, err));
out:
    file_writer_close(file);
    buf_deinit(&text);
    return status;
}

/* ---- values ---- */

static const char *text_of(const yaml_node_t *node)
{
    static const char *const nothing[] = {"", "~", "null", "Null", "NULL"};
    if (node == NULL || node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, nothing[i]) == 0)
            return NULL;
    }
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

const char *model_yml_get(const model_yml *yml, const char *key)
{
    const yaml_node_pair_t *pair = find_pair(yml, key);
    return pair ? text_of(node_at(yml, pair->value)) : NULL;
}

static bool read_count(const char *text, uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (*end || errno)
        return false;
    *out = value;
    return true;
}

static bool read_real(const char *text, double *out)
{
    char *end;
    double value = number_parse(text, &end);
    if (end == text || *end || !isfinite(value) || strpbrk(text, "xX"))
        return false;
    *out = value;
    return true;
}

static bool read_bool(const char *text, bool *out)
{
    *out = strcasecmp(text, "true") == 0;
    return *out || strcasecmp(text, "false") == 0;
}

/* "2025-01-31T12:00:00.5Z", or a date alone. */
static bool read_time(const char *text, int64_t *out)
{
    uint64_t count;
    struct tm t = {0};
    if (read_count(text, &count) && count <= INT64_MAX) {
        *out = (int64_t)count;
        return true;
    }
    int n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour,
                   &t.tm_min, &t.tm_sec);
    if (n != 3 && n != 6)
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    *out = (int64_t)timegm(&t) * 1000;
    return t.tm_year >= 70 && *out >= 0;
}

bool model_yml_get_count(const model_yml *yml, const char *key, uint64_t *out)
{
    const char *text = model_yml_get(yml, key);
    return text && read_count(text, out);
}

bool model_yml_get_real(const model_yml *yml, const char *key, double *out)
{
    const char *text = model_yml_get(yml, key);
    return text && read_real(text, out);
}

bool model_yml_get_bool(const model_yml *yml, const char *key, bool *out)
{
    const char *text = model_yml_get(yml, key);
    bool value;
    if (text == NULL || !read_bool(text, &value))
        return false;
    *out = value;
    return true;
}

bool model_yml_get_time(const model_yml *yml, const char *key, int64_t *out_ms)
{
    const char *text = model_yml_get(yml, key);
    return text && read_time(text, out_ms);
}

const char *model_yml_get_word(const model_yml *yml, const char *key, size_t i)
{
    const yaml_node_pair_t *pair = find_pair(yml, key);
    const yaml_node_t *node = pair ? node_at(yml, pair->value) : NULL;
    if (node == NULL || node->type != YAML_SEQUENCE_NODE)
        return i == 0 ? text_of(node) : NULL;
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    return i < n ? text_of(node_at(yml, node->data.sequence.items.start[i])) : NULL;
}

/* ---- changes ---- */

static hearth_status check_value(const char *key, const char *value, key_kind *kind,
                                 hearth_error *err)
{
    static const char *const wanted[] = {"text",          "a whole number",    "a number",
                                         "true or false", "words with commas", "a time"};
    uint64_t count;
    int64_t ms;
    double real;
    bool flag;
    size_t k = 0;
    while (k < N_KNOWN && strcmp(known[k].name, key) != 0)
        k++;
    if (k == N_KNOWN) {
        nearest near;
        nearest_init(&near, key, strlen(key));
        for (size_t i = 0; i < N_KNOWN; i++)
            nearest_offer(&near, known[i].name);
        FAIL(err, EINVAL, "key", "model.yml has no key '%.64s'%s%s", key,
             near.best ? "; did you mean " : "", near.best ? near.best : "");
    }
    *kind = known[k].kind;
    if (value == NULL)
        return HEARTH_OK;
    bool good = *kind == COUNT  ? read_count(value, &count)
                : *kind == REAL ? read_real(value, &real)
                : *kind == BOOL ? read_bool(value, &flag)
                : *kind == TIME ? read_time(value, &ms)
                                : strlen(value) <= 4096 && utf8_is_valid(value, strlen(value));
    if (!good)
        FAIL(err, EINVAL, key, "%s: '%.100s' is not %s", key, value, wanted[*kind]);
    return HEARTH_OK;
}

static int add_text(model_yml *yml, const char *text, size_t n, bool quoted)
{
    return yaml_document_add_scalar(&yml->document, NULL, (const unsigned char *)text, (int)n,
                                    quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                           : YAML_PLAIN_SCALAR_STYLE);
}

static int add_words(model_yml *yml, const char *words)
{
    int list = yaml_document_add_sequence(&yml->document, NULL, YAML_FLOW_SEQUENCE_STYLE);
    while (list && *words) {
        size_t n = strcspn(words, ", ");
        int item = n ? add_text(yml, words, n, true) : 0;
        if (n && (!item || !yaml_document_append_sequence_item(&yml->document, list, item)))
            return 0;
        words += n;
        words += strspn(words, ", ");
    }
    return list;
}

hearth_status model_yml_set(model_yml *yml, const char *key, const char *value, hearth_error *err)
{
    key_kind kind = TEXT;
    TRY(check_value(key, value, &kind, err));
    yaml_node_pair_t *pair = find_pair(yml, key);
    if (value == NULL) {
        yaml_node_t *root = root_of(yml);
        if (pair) {
            memmove(pair, pair + 1,
                    (size_t)(root->data.mapping.pairs.top - pair - 1) * sizeof *pair);
            root->data.mapping.pairs.top--;
        }
        return HEARTH_OK;
    }
    int node =
        kind == WORDS ? add_words(yml, value) : add_text(yml, value, strlen(value), kind == TEXT);
    if (node == 0)
        return error_no_memory(err, MODEL_YML_FILE, strlen(value));
    pair = find_pair(yml, key); /* the tree may have moved */
    if (pair) {
        pair->value = node;
        return HEARTH_OK;
    }
    int name = add_text(yml, key, strlen(key), false);
    if (name == 0 || !yaml_document_append_mapping_pair(&yml->document, 1, name, node))
        return error_no_memory(err, MODEL_YML_FILE, strlen(key));
    return HEARTH_OK;
}

hearth_status model_yml_set_count(model_yml *yml, const char *key, uint64_t value,
                                  hearth_error *err)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return model_yml_set(yml, key, text, err);
}
