/* SPDX-License-Identifier: MIT
 *
 * specials.c - which tokens are special: by metadata, by spelling, and by model.
 *
 * The metadata names most ids. What it leaves out is known by its spelling, in the tables below,
 * as is what ends an answer. The spellings are those of the models named beside them.
 */
#include "token/tokenizer_impl.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"

#define FIELD(name) offsetof(tokenizer_special, name)

/* Spelled in order of preference; the one found becomes a control token. */
static const struct {
    size_t field;
    const char *texts[13];
} spellings[] = {
    {FIELD(eot),
     {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
      "<EOT>", "_<EOT>", "[EOT]", "<\uff5cend\u2581of\u2581sentence\uff5c>", "<end_of_utterance>"}},
    {FIELD(eom), {"<|eom_id|>"}},
    {FIELD(fim_prefix),
     {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<\uff5cfim\u2581begin\uff5c>", "<PRE>",
      "\u2581<PRE>", "<|code_prefix|>", "<|prefix|>"}},
    {FIELD(fim_suffix),
     {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<\uff5cfim\u2581hole\uff5c>", "<SUF>",
      "\u2581<SUF>", "<|code_suffix|>", "<|suffix|>"}},
    {FIELD(fim_middle),
     {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<\uff5cfim\u2581end\uff5c>", "<MID>",
      "\u2581<MID>", "<|code_middle|>", "<|middle|>"}},
    {FIELD(fim_pad), {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
    {FIELD(fim_repo), {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
    {FIELD(fim_sep), {"<|file_sep|>"}},
};

/* What ends an answer, whatever the metadata calls it. All become control tokens. */
static const char *const answer_ends[] = {"<|eot_id|>",
                                          "<|im_end|>",
                                          "<|end|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<|flush|>",
                                          "<|calls|>",
                                          "<end_of_turn>",
                                          "<|endoftext|>",
                                          "</s>",
                                          "<|eom_id|>",
                                          "<EOT>",
                                          "_<EOT>",
                                          "[EOT]",
                                          "[EOS]",
                                          "<|end_of_text|>",
                                          "<eos>",
                                          "<turn|>",
                                          "<|tool_response>",
                                          "<end_of_utterance>",
                                          "<\uff5cend\u2581of\u2581sentence\uff5c>",
                                          "[e~["};

/* Parts of the harmony format that an answer is read by, so they are text (gpt-oss). */
static const char *const harmony_marks[] = {"<|channel|>", "<|message|>", "<|start|>",
                                            "<|constrain|>"};

/* Later rows win; the last ones are names of older files. */
static const struct {
    const char *key;
    size_t field;
} id_keys[] = {
    {"tokenizer.ggml.prefix_token_id", FIELD(fim_prefix)},
    {"tokenizer.ggml.suffix_token_id", FIELD(fim_suffix)},
    {"tokenizer.ggml.middle_token_id", FIELD(fim_middle)},
    {"tokenizer.ggml.bos_token_id", FIELD(bos)},
    {"tokenizer.ggml.eos_token_id", FIELD(eos)},
    {"tokenizer.ggml.eot_token_id", FIELD(eot)},
    {"tokenizer.ggml.eom_token_id", FIELD(eom)},
    {"tokenizer.ggml.unknown_token_id", FIELD(unk)},
    {"tokenizer.ggml.seperator_token_id", FIELD(sep)}, /* spelled so in the format */
    {"tokenizer.ggml.padding_token_id", FIELD(pad)},
    {"tokenizer.ggml.cls_token_id", FIELD(cls)},
    {"tokenizer.ggml.mask_token_id", FIELD(mask)},
    {"tokenizer.ggml.fim_pre_token_id", FIELD(fim_prefix)},
    {"tokenizer.ggml.fim_suf_token_id", FIELD(fim_suffix)},
    {"tokenizer.ggml.fim_mid_token_id", FIELD(fim_middle)},
    {"tokenizer.ggml.fim_pad_token_id", FIELD(fim_pad)},
    {"tokenizer.ggml.fim_rep_token_id", FIELD(fim_repo)},
    {"tokenizer.ggml.fim_sep_token_id", FIELD(fim_sep)},
};

static int32_t *id_at(tokenizer *t, size_t field)
{
    return (int32_t *)((char *)&t->special + field);
}

static void set_defaults(tokenizer *t)
{
    tokenizer_special *s = &t->special;
    int32_t *const fields[] = {&s->bos,     &s->eos,        &s->eot,        &s->eom,
                               &s->unk,     &s->sep,        &s->pad,        &s->cls,
                               &s->mask,    &s->fim_prefix, &s->fim_suffix, &s->fim_middle,
                               &s->fim_pad, &s->fim_repo,   &s->fim_sep};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        *fields[i] = -1;
    switch (t->family) {
    case FAMILY_SPM:
        s->unk = 0;
        s->bos = 1;
        s->eos = 2;
        break;
    case FAMILY_WPM:
        s->pad = 0;
        s->unk = 100;
        s->bos = 101;
        s->sep = 102;
        s->mask = 103;
        break;
    case FAMILY_UGM:
        s->pad = 0;
        s->eos = 1;
        s->unk = 2;
        break;
    case FAMILY_BPE:
        break;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (*fields[i] >= 0 && (size_t)*fields[i] >= t->vocab.n)
            *fields[i] = -1;
    }
}

static hearth_status read_ids(tokenizer *t, const gguf *g, const hearth_log *log, hearth_error *err)
{
    for (size_t i = 0; i < sizeof id_keys / sizeof *id_keys; i++) {
        int64_t id = -1;
        const gguf_value *value = gguf_find(g, id_keys[i].key);
        if (value == NULL)
            continue;
        if (value->type == GGUF_ARRAY || !gguf_value_i64(value, 0, &id))
            FAIL(err, EFORMAT, id_keys[i].key, "%s is no integer; the model file is damaged",
                 id_keys[i].key);
        if (id >= 0 && (uint64_t)id < t->vocab.n)
            *id_at(t, id_keys[i].field) = (int32_t)id;
        else if (id != -1 && id != UINT32_MAX) /* -1, signed or not, is how files say "none" */
            log_write(log, HEARTH_LOG_WARNING, "%s is %lld, which is no token of %zu; ignored",
                      id_keys[i].key, (long long)id, t->vocab.n);
    }
    if (t->family == FAMILY_WPM) { /* BERT's first token has two names */
        if (t->special.cls >= 0 && gguf_find(g, "tokenizer.ggml.bos_token_id") == NULL)
            t->special.bos = t->special.cls;
        t->special.cls = t->special.bos;
    }
    return HEARTH_OK;
}

static hearth_status read_flags(tokenizer *t, const gguf *g, unsigned pre_flags,
                                const hearth_log *log, hearth_error *err)
{
    tokenizer_special *s = &t->special;
    s->add_bos = t->family == FAMILY_SPM || t->family == FAMILY_WPM || (pre_flags & PRE_ADD_BOS);
    s->add_eos = t->family == FAMILY_UGM;
    t->add_sep = t->family == FAMILY_WPM;
    TRY(gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &s->add_bos, NULL, err));
    TRY(gguf_get_bool(g, "tokenizer.ggml.add_eos_token", &s->add_eos, NULL, err));
    TRY(gguf_get_bool(g, "tokenizer.ggml.add_sep_token", &t->add_sep, NULL, err));
    if (t->family == FAMILY_WPM) /* encoders are trained on [CLS] text [SEP] alone */
        s->add_bos = t->add_sep = true;
    if (pre_flags & PRE_FORCE_BOS)
        s->add_bos = true;
    if (s->add_bos && s->bos < 0) {
        log_write(log, HEARTH_LOG_WARNING,
                  "texts should begin with a bos token, but the model names none; none is added");
        s->add_bos = false;
    }
    if (s->add_eos && s->eos < 0) {
        log_write(log, HEARTH_LOG_WARNING,
                  "texts should end with an eos token, but the model names none; none is added");
        s->add_eos = false;
    }
    return HEARTH_OK;
}

static void find_spelled_ids(tokenizer *t)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        int32_t *id = id_at(t, spellings[i].field);
        for (const char *const *text = spellings[i].texts; *id < 0 && *text; text++) {
            *id = vocab_find_text(&t->vocab, *text);
            if (*id >= 0)
                t->vocab.attributes[*id] |= TOKEN_CONTROL;
        }
    }
}

static void set_end(tokenizer *t, int32_t id, bool ends)
{
    if (id < 0)
        return;
    uint64_t bit = (uint64_t)1 << id % 64;
    if (ends)
        t->ends_answer[id / 64] |= bit;
    else
        t->ends_answer[id / 64] &= ~bit;
}

static bool has_end(const tokenizer *t, const char *text)
{
    return tokenizer_is_eog(t, vocab_find_text(&t->vocab, text));
}

/* Where a format uses a usual end within an answer, it is no end. */
static void correct_ends(tokenizer *t)
{
    bool calls = has_end(t, "<|call|>") || has_end(t, "<|calls|>");
    if (has_end(t, "<|end|>") && calls && (has_end(t, "<|return|>") || has_end(t, "<|flush|>"))) {
        int32_t id = vocab_find_text(&t->vocab, "<|end|>");
        set_end(t, id, false);
        t->vocab.attributes[id] = TOKEN_USER_DEFINED;
    }
    if (has_end(t, "</s>") && has_end(t, "<|tool_response>")) {
        int32_t id = vocab_find_text(&t->vocab, "</s>");
        set_end(t, id, false);
        t->vocab.attributes[id] = TOKEN_NORMAL;
    }
}

static hearth_status find_ends(tokenizer *t, hearth_error *err)
{
    const tokenizer_special *s = &t->special;
    const int32_t ends[] = {s->fim_pad, s->fim_repo, s->fim_sep, s->eos, s->eot, s->eom};
    size_t n_words = t->vocab.n / 64 + 1;
    t->ends_answer = mem_calloc(n_words, sizeof *t->ends_answer);
    if (t->ends_answer == NULL)
        return error_no_memory(err, "the special tokens", n_words * sizeof *t->ends_answer);
    for (size_t i = 0; i < sizeof answer_ends / sizeof *answer_ends; i++) {
        int32_t id = vocab_find_text(&t->vocab, answer_ends[i]);
        set_end(t, id, true);
        if (id >= 0)
            t->vocab.attributes[id] |= TOKEN_CONTROL;
    }
    for (size_t i = 0; i < sizeof harmony_marks / sizeof *harmony_marks; i++) {
        int32_t id = vocab_find_text(&t->vocab, harmony_marks[i]);
        if (id >= 0)
            t->vocab.attributes[id] = TOKEN_USER_DEFINED;
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        set_end(t, ends[i], true);
    correct_ends(t);
    return HEARTH_OK;
}

/* Whether text, in any case, has the lower-case word in it. */
static bool mentions(gguf_string text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++) {
        if (strncasecmp(text.data + i, word, n) == 0)
            return true;
    }
    return false;
}

static void set_attribute(tokenizer *t, const char *text, unsigned attribute, bool on)
{
    int32_t id = vocab_find_text(&t->vocab, text);
    if (id >= 0 && on)
        t->vocab.attributes[id] |= (uint8_t)attribute;
    else if (id >= 0)
        t->vocab.attributes[id] &= (uint8_t)~attribute;
}

/* Which tokens swallow white space is in tokenizer.json, but not in GGUF: it is known by model. */
static hearth_status find_stripping(tokenizer *t, const gguf *g, hearth_error *err)
{
    gguf_string name = {0}, arch = {0}, pre = {0};
    TRY(gguf_get_string(g, "general.name", &name, NULL, err));
    TRY(gguf_get_string(g, "general.architecture", &arch, NULL, err));
    TRY(gguf_get_string(g, "tokenizer.ggml.pre", &pre, NULL, err));
    if (mentions(pre, "jina-v2-de") || mentions(pre, "jina-v2-es") ||
        mentions(pre, "jina-v2-code") || mentions(arch, "nomic-bert-moe") ||
        mentions(arch, "jina-bert-v3")) {
        set_attribute(t, "<mask>", TOKEN_STRIPS_LEFT, true);
    } else if (mentions(name, "phi-3") || mentions(name, "phi3")) {
        unsigned special = TOKEN_CONTROL | TOKEN_USER_DEFINED | TOKEN_UNKNOWN;
        for (size_t id = 0; id < t->vocab.n; id++) {
            if (t->vocab.attributes[id] & special)
                t->vocab.attributes[id] |= TOKEN_STRIPS_RIGHT;
        }
        set_attribute(t, "<unk>", TOKEN_STRIPS_RIGHT, false);
        set_attribute(t, "<s>", TOKEN_STRIPS_RIGHT, false);
        set_attribute(t, "<|endoftext|>", TOKEN_STRIPS_RIGHT, false);
    } else if (mentions(name, "modern-bert")) {
        set_attribute(t, "[MASK]", TOKEN_STRIPS_LEFT, true);
    }
    return HEARTH_OK;
}

hearth_status specials_init(tokenizer *t, const gguf *g, unsigned pre_flags, const hearth_log *log,
                            hearth_error *err)
{
    set_defaults(t);
    TRY(read_ids(t, g, log, err));
    TRY(read_flags(t, g, pre_flags, log, err));
    find_spelled_ids(t);
    TRY(find_ends(t, err));
    return find_stripping(t, g, err);
}
