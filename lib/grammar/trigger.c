/* SPDX-License-Identifier: MIT
 *
 * trigger.c - see trigger.h.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "grammar/trigger.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

enum { PATTERN_MAX = 1 << 16, TRIGGERS_MAX = 1024, MATCH_STEPS_MAX = 1000000 };

typedef struct trigger {
    hearth_trigger_type type;
    int32_t token;
    char *word;
    size_t n_word;
    pcre2_code *pattern;
} trigger;

struct trigger_set {
    atomic_uint n_refs;
    trigger *triggers;
    size_t n;
    pcre2_match_context *limits;
};

static hearth_status compile_pattern(trigger *t, const char *text, hearth_error *err)
{
    int code;
    PCRE2_SIZE at;
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    if (t->type == HEARTH_TRIGGER_PATTERN_FULL)
        options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    t->pattern = pcre2_compile((PCRE2_SPTR)text, strlen(text), options, &code, &at, NULL);
    if (t->pattern == NULL) {
        PCRE2_UCHAR reason[128] = "";
        pcre2_get_error_message(code, reason, sizeof reason);
        FAIL(err, EINVAL, "triggers", "the trigger pattern '%.80s' is wrong at byte %zu: %s", text,
             (size_t)at, (const char *)reason);
    }
    return HEARTH_OK;
}

static hearth_status compile(trigger *t, const hearth_trigger *from, size_t i, size_t n_vocab,
                             hearth_error *err)
{
    *t = (trigger){.type = from->type, .token = from->token};
    if (from->type == HEARTH_TRIGGER_TOKEN) {
        if (from->token < 0 || (size_t)from->token >= n_vocab)
            FAIL(err, EINVAL, "triggers", "trigger %zu is token %d; the vocabulary has %zu", i,
                 from->token, n_vocab);
        return HEARTH_OK;
    }
    if ((unsigned)from->type > HEARTH_TRIGGER_PATTERN_FULL)
        FAIL(err, EINVAL, "triggers", "trigger %zu has the unknown type %d", i, (int)from->type);
    if (from->text == NULL || from->text[0] == '\0')
        FAIL(err, EINVAL, "triggers", "trigger %zu has no text; give a word or a pattern", i);
    if (strlen(from->text) > PATTERN_MAX)
        FAIL(err, EINVAL, "triggers", "trigger %zu has %zu bytes; %d are the most", i,
             strlen(from->text), PATTERN_MAX);
    if (from->type != HEARTH_TRIGGER_WORD)
        return compile_pattern(t, from->text, err);
    t->n_word = strlen(from->text);
    t->word = mem_dup(from->text, t->n_word);
    return t->word ? HEARTH_OK : error_no_memory(err, "a trigger", t->n_word);
}

hearth_status trigger_set_new(trigger_set **out, const hearth_trigger *triggers, size_t n,
                              size_t n_vocab, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    *out = NULL;
    if (n > TRIGGERS_MAX)
        FAIL(err, EINVAL, "triggers", "there are %zu triggers; %d are the most", n, TRIGGERS_MAX);
    if (triggers == NULL)
        FAIL(err, EINVAL, "triggers", "triggers is NULL with n_triggers %zu", n);
    trigger_set *set = mem_calloc(1, sizeof *set);
    if (set == NULL)
        return error_no_memory(err, "triggers", sizeof *set);
    atomic_init(&set->n_refs, 1);
    set->triggers = mem_calloc(n, sizeof *set->triggers);
    set->limits = pcre2_match_context_create(NULL);
    if (!set->triggers || !set->limits) {
        status = error_no_memory(err, "triggers", n * sizeof *set->triggers);
        goto out;
    }
    pcre2_set_match_limit(set->limits, MATCH_STEPS_MAX);
    for (size_t i = 0; i < n; i++) {
        set->n = i + 1;
        TRY_OUT(compile(&set->triggers[i], &triggers[i], i, n_vocab, err));
    }
    *out = trigger_set_ref(set);
out:
    trigger_set_unref(set);
    return status;
}

trigger_set *trigger_set_ref(trigger_set *set)
{
    if (set)
        atomic_fetch_add(&set->n_refs, 1);
    return set;
}

void trigger_set_unref(trigger_set *set)
{
    if (set == NULL || atomic_fetch_sub(&set->n_refs, 1) != 1)
        return;
    for (size_t i = 0; i < set->n; i++) {
        mem_free(set->triggers[i].word);
        pcre2_code_free(set->triggers[i].pattern);
    }
    pcre2_match_context_free(set->limits);
    mem_free(set->triggers);
    mem_free(set);
}

/* Only what the last token can have completed is searched. */
static bool find_word(const trigger *t, const char *text, size_t n, size_t last_at, size_t *at)
{
    size_t from = last_at >= t->n_word ? last_at - t->n_word + 1 : 0;
    const char *found =
        n - from >= t->n_word ? memmem(text + from, n - from, t->word, t->n_word) : NULL;
    if (found)
        *at = (size_t)(found - text);
    return found != NULL;
}

static hearth_status find_pattern(const trigger_set *set, const trigger *t, const char *text,
                                  size_t n, bool *found, size_t *at, hearth_error *err)
{
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(t->pattern, NULL);
    if (match == NULL)
        return error_no_memory(err, "a trigger", sizeof(PCRE2_SIZE));
    int n_groups = pcre2_match(t->pattern, (PCRE2_SPTR)text, n, 0, 0, match, set->limits);
    const PCRE2_SIZE *spans = pcre2_get_ovector_pointer(match);
    *found = n_groups > 0;
    if (*found)
        *at = spans[0];
    for (int i = 1; i < n_groups; i++) {
        if (spans[2 * i] != PCRE2_UNSET && spans[2 * i + 1] > spans[2 * i]) {
            *at = spans[2 * i];
            break;
        }
    }
    pcre2_match_data_free(match);
    if (n_groups < 0 && n_groups != PCRE2_ERROR_NOMATCH)
        FAIL(err, EINVAL, "triggers",
             "a trigger pattern takes too long on this text (PCRE2 error %d); make it simpler",
             n_groups);
    return HEARTH_OK;
}

hearth_status trigger_set_find(const trigger_set *set, const char *text, size_t n, int32_t last,
                               size_t last_at, bool *found, size_t *at, hearth_error *err)
{
    *found = false;
    for (size_t i = 0; i < set->n && !*found; i++) {
        const trigger *t = &set->triggers[i];
        *at = last_at;
        if (t->type == HEARTH_TRIGGER_TOKEN)
            *found = t->token == last;
        else if (t->type == HEARTH_TRIGGER_WORD)
            *found = find_word(t, text, n, last_at, at);
        else
            TRY(find_pattern(set, t, text, n, found, at, err));
        if (*at > n)
            *at = n;
    }
    return HEARTH_OK;
}
