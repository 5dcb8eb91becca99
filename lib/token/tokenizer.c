/* SPDX-License-Identifier: MIT
 *
 * tokenizer.c - opening a tokenizer, and a text's way through it. See tokenizer_impl.h.
 */
#include "token/tokenizer_impl.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/watch.h"

#define KEY_MODEL "tokenizer.ggml.model"
#define KEY_PRE "tokenizer.ggml.pre"

enum { TEXT_MAX = 1 << 30 }; /* offsets are 32 bits wide, also after spaces became three bytes */

static const struct {
    const char *model;
    tokenizer_family family;
    const char *kind;
} models[] = {{"llama", FAMILY_SPM, "spm"},
              {"gpt2", FAMILY_BPE, "bpe"},
              {"gemma4", FAMILY_BPE, "bpe"},
              {"bert", FAMILY_WPM, "wpm"},
              {"t5", FAMILY_UGM, "ugm"}};

static int printed(gguf_string text)
{
    return text.n < 64 ? (int)text.n : 64;
}

static bool equals(gguf_string text, const char *word)
{
    return text.n == strlen(word) && memcmp(text.data, word, text.n) == 0;
}

static hearth_status read_family(tokenizer *t, const gguf *g, gguf_string *model, hearth_error *err)
{
    bool found = false;
    TRY(gguf_get_string(g, KEY_MODEL, model, &found, err));
    if (!found)
        FAIL(err, EFORMAT, KEY_MODEL, "%s is missing: the model file has no tokenizer", KEY_MODEL);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (equals(*model, models[i].model)) {
            t->family = models[i].family;
            return HEARTH_OK;
        }
    }
    FAIL(err, EUNSUPPORTED, KEY_MODEL,
         "tokenizer '%.*s' is not known; known are llama, gpt2, gemma4, bert and t5",
         printed(*model), model->data);
}

static hearth_status read_pre(const gguf *g, gguf_string model, const pretokenizer_name **pre,
                              const hearth_log *log, hearth_error *err)
{
    bool found = false;
    gguf_string name = {"default", strlen("default")};
    TRY(gguf_get_string(g, KEY_PRE, &name, &found, err));
    if (equals(model, "gemma4"))
        name = (gguf_string){"gemma4", strlen("gemma4")};
    else if (!found || name.n == 0) {
        name = (gguf_string){"default", strlen("default")};
        log_write(log, HEARTH_LOG_WARNING,
                  "%s is missing, so texts are cut by the rule 'default', which may not be the "
                  "model's; set it by an override or convert the model again",
                  KEY_PRE);
    }
    *pre = pretokenizer_find(name.data, name.n);
    if (*pre == NULL)
        FAIL(err, EUNSUPPORTED, KEY_PRE,
             "pre-tokenizer '%.*s' is not known; a known one can be set by an override of %s",
             printed(name), name.data, KEY_PRE);
    return HEARTH_OK;
}

static hearth_status init(tokenizer *t, const gguf *g, const hearth_log *log, hearth_error *err)
{
    gguf_string model = {0};
    const pretokenizer_name *pre = NULL;
    TRY(read_family(t, g, &model, err));
    if (t->family == FAMILY_BPE)
        TRY(read_pre(g, model, &pre, log, err));
    t->pre = pre ? pre->name : "";
    TRY(vocab_init(&t->vocab, g, log, err));
    t->add_space_prefix = t->family == FAMILY_SPM;
    TRY(gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &t->add_space_prefix, NULL, err));
    TRY(gguf_get_bool(g, "tokenizer.ggml.remove_extra_whitespaces", &t->merge_spaces, NULL, err));
    switch (t->family) {
    case FAMILY_SPM:
        TRY(spm_init(t, err));
        break;
    case FAMILY_BPE:
        TRY(bpe_init(t, g, pre, log, err));
        break;
    case FAMILY_WPM:
        TRY(wpm_init(t, g, err));
        break;
    case FAMILY_UGM:
        TRY(ugm_init(t, g, err));
        break;
    }
    TRY(specials_init(t, g, pre ? pre->flags : 0, log, err));
    return special_matchers_init(t, log, err);
}

hearth_status tokenizer_open(tokenizer **out, const gguf *g, const hearth_log *log,
                             hearth_error *err)
{
    *out = NULL;
    tokenizer *t = mem_calloc(1, sizeof *t);
    if (t == NULL)
        return error_no_memory(err, "the tokenizer", sizeof *t);
    hearth_status status = init(t, g, log, err);
    if (status != HEARTH_OK)
        tokenizer_close(t);
    else
        *out = t;
    return status;
}

void tokenizer_close(tokenizer *t)
{
    if (t == NULL)
        return;
    bpe_deinit(t);
    wpm_deinit(t);
    ugm_deinit(t);
    seams_deinit(&t->seams);
    special_matchers_deinit(t);
    mem_free(t->ends_answer);
    vocab_deinit(&t->vocab);
    mem_free(t);
}

hearth_status encoding_push(encoding *e, int32_t id)
{
    if (!watch_go_on(1))
        return watch_end(e->err);
    if (e->n == e->capacity) {
        size_t capacity = e->capacity ? e->capacity * 2 : 64;
        int32_t *ids = mem_realloc_array(e->ids, capacity, sizeof *ids);
        if (ids == NULL)
            return encoding_no_memory(e);
        e->ids = ids;
        e->capacity = capacity;
    }
    e->ids[e->n++] = id;
    return HEARTH_OK;
}

hearth_status encoding_no_memory(encoding *e)
{
    if (watch_has_ended()) /* merges tell one end from the other no better */
        return watch_end(e->err);
    return error_no_memory(e->err, "the tokens of a text", (e->n + 1) * 2 * sizeof *e->ids);
}

bool encoding_escape(encoding *e, const char *text, size_t n, bool prefixed)
{
    buf_clear(&e->text);
    if (prefixed && !buf_append(&e->text, SPACE_MARK, SPACE_MARK_BYTES))
        return false;
    while (n > 0) {
        const char *space = memchr(text, ' ', n);
        size_t until = space ? (size_t)(space - text) : n;
        if (!buf_append(&e->text, text, until) ||
            (space && !buf_append(&e->text, SPACE_MARK, SPACE_MARK_BYTES)))
            return false;
        text += until + (space != NULL);
        n -= until + (space != NULL);
    }
    return true;
}

static hearth_status encode_fragment(encoding *e, const char *text, size_t n, bool after_special)
{
    switch (e->t->family) {
    case FAMILY_SPM:
        return spm_encode(e, text, n, e->t->add_space_prefix && after_special);
    case FAMILY_BPE:
        return bpe_encode(e, text, n);
    case FAMILY_WPM:
        return wpm_encode(e, text, n);
    case FAMILY_UGM:
        return ugm_encode(e, text, n);
    }
    return HEARTH_EINTERNAL;
}

static hearth_status encode_fragments(encoding *e, const char *text, const fragment *parts,
                                      size_t n_parts, bool add_special)
{
    const tokenizer *t = e->t;
    bool after_special = true; /* the start of a text counts as such */
    if (add_special && t->special.add_bos)
        TRY(encoding_push(e, t->special.bos));
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].id >= 0)
            TRY(encoding_push(e, parts[i].id));
        else
            TRY(encode_fragment(e, text + parts[i].start, parts[i].n, after_special));
        after_special = parts[i].id >= 0;
    }
    if (add_special && t->family == FAMILY_WPM && t->special.sep >= 0)
        TRY(encoding_push(e, t->special.sep));
    else if (add_special && t->special.add_eos)
        TRY(encoding_push(e, t->special.eos));
    return HEARTH_OK;
}

hearth_status tokenizer_encode_counted(const tokenizer *t, const char *text, size_t n,
                                       unsigned flags, const tokenizer_barriers *barriers,
                                       int32_t **ids, size_t *n_ids, uint64_t *n_steps,
                                       hearth_error *err)
{
    hearth_status status;
    fragment *parts = NULL;
    size_t n_parts = 0;
    encoding e = {.t = t, .err = err};
    *ids = NULL;
    *n_ids = 0;
    if (n > TEXT_MAX)
        FAIL(err, EINVAL, "text", "a text of %zu bytes is too long to tokenize; at most %d", n,
             TEXT_MAX);
    TRY_OUT(partition(t, text, n, (flags & TOKENIZE_PARSE_SPECIAL) != 0, barriers, &parts, &n_parts,
                      &e.n_steps, err));
    TRY_OUT(encode_fragments(&e, text, parts, n_parts, (flags & TOKENIZE_ADD_SPECIAL) != 0));
    if (e.ids == NULL && (e.ids = mem_alloc(0)) == NULL)
        TRY_OUT(encoding_no_memory(&e));
    *ids = e.ids;
    *n_ids = e.n;
    e.ids = NULL;
    if (n_steps)
        *n_steps = e.n_steps + e.merger.n_steps + e.split.n_steps;
out:
    mem_free(e.ids);
    mem_free(parts);
    mem_free(e.paths);
    merger_deinit(&e.merger);
    pretokenizer_run_deinit(&e.split);
    buf_deinit(&e.text);
    buf_deinit(&e.scratch);
    return status;
}

hearth_status tokenizer_encode(const tokenizer *t, const char *text, size_t n, unsigned flags,
                               int32_t **ids, size_t *n_ids, hearth_error *err)
{
    return tokenizer_encode_counted(t, text, n, flags, NULL, ids, n_ids, NULL, err);
}

hearth_status tokenizer_encode_guarded(const tokenizer *t, const char *text, size_t n,
                                       unsigned flags, const tokenizer_barriers *barriers,
                                       int32_t **ids, size_t *n_ids, hearth_error *err)
{
    return tokenizer_encode_counted(t, text, n, flags, barriers, ids, n_ids, NULL, err);
}

const char *tokenizer_kind(const tokenizer *t)
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (models[i].family == t->family)
            return models[i].kind;
    }
    return "";
}

const char *tokenizer_pre(const tokenizer *t)
{
    return t->pre;
}

size_t tokenizer_n_vocab(const tokenizer *t)
{
    return t->vocab.n;
}

const tokenizer_special *tokenizer_specials(const tokenizer *t)
{
    return &t->special;
}

static bool is_token(const tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->vocab.n;
}

bool tokenizer_is_control(const tokenizer *t, int32_t id)
{
    return is_token(t, id) && (t->vocab.attributes[id] & TOKEN_CONTROL);
}

bool tokenizer_is_eog(const tokenizer *t, int32_t id)
{
    return is_token(t, id) && (t->ends_answer[id / 64] >> id % 64 & 1);
}

bool tokenizer_spelling(const tokenizer *t, int32_t id, gguf_string *out)
{
    if (!is_token(t, id))
        return false;
    *out = t->vocab.texts[id];
    return true;
}
