/* SPDX-License-Identifier: MIT
 *
 * pretokenizer.c - see pretokenizer.h; the rules are in pretokenizer.def.
 *
 * PCRE2 runs its compiled form where the machine allows it, and interprets otherwise or where the
 * compiled form runs out of its stack. UCP is off: \d and \b of the patterns mean ASCII, and
 * properties work without it. Each match may look at a bounded multiple of the text.
 */
#include "token/pretokenizer.h"

#include <string.h>

#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/watch.h"

#define REGEX(text) {SPLIT_REGEX, text},
#define DIGITS(way) {SPLIT_DIGITS_##way, NULL},
#define RULE(name, steps)                                                                          \
    static const pretokenizer_step name##_steps[PRETOKENIZER_MAX_STEPS + 1] = {                    \
        steps{SPLIT_NONE, NULL}};
#define NAME(text, rule, flags)
#include "token/pretokenizer.def"
#undef RULE
#undef NAME
#undef REGEX
#undef DIGITS

static const pretokenizer_name names[] = {
#define REGEX(text)
#define DIGITS(way)
#define RULE(name, steps)
#define NAME(text, rule, flags) {text, rule##_steps, flags},
#include "token/pretokenizer.def"
#undef RULE
#undef NAME
#undef REGEX
#undef DIGITS
};

const pretokenizer_name *pretokenizer_at(size_t i)
{
    return i < sizeof names / sizeof *names ? &names[i] : NULL;
}

const pretokenizer_name *pretokenizer_find(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) == n && memcmp(names[i].name, name, n) == 0)
            return &names[i];
    }
    return NULL;
}

static void *pcre_alloc(PCRE2_SIZE n_bytes, void *user)
{
    (void)user;
    return mem_alloc(n_bytes);
}

static void pcre_free(void *p, void *user)
{
    (void)user;
    mem_free(p);
}

static hearth_status compile(pretokenizer *p, int i, const char *pattern, hearth_error *err)
{
    int code;
    PCRE2_SIZE offset;
    pcre2_compile_context *context = pcre2_compile_context_create(p->memory);
    if (context == NULL)
        return error_no_memory(err, "the pre-tokenizer", strlen(pattern));
    p->codes[i] = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE, &code,
                                &offset, context);
    pcre2_compile_context_free(context);
    if (p->codes[i]) {
        pcre2_jit_compile(p->codes[i], PCRE2_JIT_COMPLETE); /* interpreted if that fails */
        return HEARTH_OK;
    }
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return error_no_memory(err, "the pre-tokenizer", strlen(pattern));
    FAIL(err, EINTERNAL, p->name->name, "pre-tokenizer %s: PCRE2 refuses it at %zu (error %d)",
         p->name->name, (size_t)offset, code);
}

hearth_status pretokenizer_open(pretokenizer *p, const pretokenizer_name *name, hearth_error *err)
{
    *p = (pretokenizer){.name = name};
    p->memory = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    if (p->memory == NULL)
        return error_no_memory(err, "the pre-tokenizer", sizeof *p);
    for (int i = 0; name->steps[i].action != SPLIT_NONE; i++) {
        if (name->steps[i].action == SPLIT_REGEX)
            TRY(compile(p, i, name->steps[i].pattern, err));
    }
    return HEARTH_OK;
}

void pretokenizer_close(pretokenizer *p)
{
    for (int i = 0; i < PRETOKENIZER_MAX_STEPS; i++)
        pcre2_code_free(p->codes[i]);
    pcre2_general_context_free(p->memory);
    *p = (pretokenizer){0};
}

void pretokenizer_run_deinit(pretokenizer_run *run)
{
    mem_free(run->ends);
    mem_free(run->cut);
    pcre2_match_data_free(run->match);
    pcre2_match_context_free(run->limits);
    *run = (pretokenizer_run){0};
}

/* Ends a piece at `end`, unless one ends there already. False: out of memory. */
static bool add_end(pretokenizer_run *run, size_t start, size_t end)
{
    if (end == (run->n_cut ? run->cut[run->n_cut - 1] : 0) || end == start)
        return true;
    if (run->n_cut == run->cut_capacity) {
        size_t capacity = run->cut_capacity ? run->cut_capacity * 2 : 64;
        uint32_t *cut = mem_realloc_array(run->cut, capacity, sizeof *cut);
        if (cut == NULL)
            return false;
        run->cut = cut;
        run->cut_capacity = capacity;
    }
    run->cut[run->n_cut++] = (uint32_t)end;
    return true;
}

/* Cuts text[start..end) by what a pattern matches in it, as if nothing lay around it. */
static hearth_status cut_by_regex(const pretokenizer *p, int step, pretokenizer_run *run,
                                  const char *text, size_t start, size_t end, hearth_error *err)
{
    PCRE2_SPTR piece = (PCRE2_SPTR)text + start;
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(run->match);
    uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    for (size_t at = 0; at < end - start; at = span[1]) {
        run->n_steps++;
        if (!watch_go_on(16))
            return watch_end(err);
        int found =
            pcre2_match(p->codes[step], piece, end - start, at, options, run->match, run->limits);
        if (found == PCRE2_ERROR_JIT_STACKLIMIT)
            found = pcre2_match(p->codes[step], piece, end - start, at, options | PCRE2_NO_JIT,
                                run->match, run->limits);
        if (found == PCRE2_ERROR_NOMATCH)
            break;
        if (found == PCRE2_ERROR_NOMEMORY || found == PCRE2_ERROR_HEAPLIMIT)
            return error_no_memory(err, "the pre-tokenizer", end - start);
        if (found < 0)
            FAIL(err, EINVAL, p->name->name,
                 "pre-tokenizer %s gave up on %zu bytes of text (PCRE2 error %d); tokenize it in "
                 "smaller parts",
                 p->name->name, end - start, found);
        if (!add_end(run, start, start + span[0]) || !add_end(run, start, start + span[1]))
            return error_no_memory(err, "the pre-tokenizer", run->n_cut * sizeof *run->cut * 2);
    }
    return HEARTH_OK;
}

static bool is_number(uint32_t code_point)
{
    switch (utf8proc_category((utf8proc_int32_t)code_point)) {
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return true;
    default:
        return false;
    }
}

/* Bytes of the digit at text, or 0. SuperBPE counts only ASCII, the other way every kind of number.
 */
static size_t digit(pretokenizer_action way, const char *text, size_t n)
{
    uint32_t code_point;
    if (text[0] >= '0' && text[0] <= '9')
        return 1;
    if (way == SPLIT_DIGITS_SUPERBPE || (unsigned char)text[0] < 0x80)
        return 0;
    size_t length = utf8_decode(text, n, &code_point);
    return is_number(code_point) ? length : 0;
}

/* Cuts before every third digit from the right: also before the first one and never after the last
 * in SuperBPE; never before the first one and always after the last in the other way. */
static bool cut_run(pretokenizer_run *run, pretokenizer_action way, const char *text, size_t start,
                    size_t at, size_t n_digits, size_t end)
{
    bool is_superbpe = way == SPLIT_DIGITS_SUPERBPE;
    for (size_t left = n_digits; left > 0; left--) {
        if (left % 3 == 0 && (is_superbpe || left < n_digits) && !add_end(run, start, at))
            return false;
        at += digit(way, text + at, end - at);
    }
    return is_superbpe || add_end(run, start, at);
}

static bool cut_by_digits(pretokenizer_run *run, pretokenizer_action way, const char *text,
                          size_t start, size_t end)
{
    for (size_t at = start; at < end;) {
        size_t n_digits = 0, length, after = at;
        run->n_steps++;
        while (after < end && (length = digit(way, text + after, end - after)) > 0) {
            n_digits++;
            after += length;
        }
        if (n_digits == 0) {
            at += utf8_valid_prefix(text + at, end - at);
            continue;
        }
        if (!cut_run(run, way, text, start, at, n_digits, end))
            return false;
        at = after;
    }
    return true;
}

static hearth_status prepare(const pretokenizer *p, pretokenizer_run *run, size_t n,
                             hearth_error *err)
{
    if (run->match == NULL)
        run->match = pcre2_match_data_create(1, p->memory);
    if (run->limits == NULL)
        run->limits = pcre2_match_context_create(p->memory);
    if (run->match == NULL || run->limits == NULL)
        return error_no_memory(err, "the pre-tokenizer", n);
    /* A match backs up at most over what it has read, a few times; frames are about 128 bytes. */
    uint64_t limit = 1000000 + (uint64_t)n * 32;
    pcre2_set_match_limit(run->limits, limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX);
    uint64_t heap_kib = 20000 + (uint64_t)n / 4;
    pcre2_set_heap_limit(run->limits, heap_kib < UINT32_MAX ? (uint32_t)heap_kib : UINT32_MAX);
    return HEARTH_OK;
}

/* One step over all pieces: from run->ends to run->cut, which then change places. */
static hearth_status cut_all(const pretokenizer *p, int step, pretokenizer_run *run,
                             const char *text, hearth_error *err)
{
    size_t start = 0;
    pretokenizer_action action = p->name->steps[step].action;
    run->n_cut = 0;
    for (size_t i = 0; i < run->n; i++) {
        size_t end = run->ends[i];
        if (action == SPLIT_REGEX)
            TRY(cut_by_regex(p, step, run, text, start, end, err));
        else if (!cut_by_digits(run, action, text, start, end))
            return error_no_memory(err, "the pre-tokenizer", run->n_cut * sizeof *run->cut * 2);
        if (!add_end(run, start, end))
            return error_no_memory(err, "the pre-tokenizer", run->n_cut * sizeof *run->cut * 2);
        start = end;
    }
    uint32_t *ends = run->ends;
    size_t capacity = run->capacity;
    run->ends = run->cut;
    run->n = run->n_cut;
    run->capacity = run->cut_capacity;
    run->cut = ends;
    run->cut_capacity = capacity;
    return HEARTH_OK;
}

hearth_status pretokenizer_split(const pretokenizer *p, pretokenizer_run *run, const char *text,
                                 size_t n, hearth_error *err)
{
    TRY(prepare(p, run, n, err));
    run->n_cut = 0;
    run->n = 0;
    if (n == 0)
        return HEARTH_OK;
    if (run->ends == NULL) {
        run->ends = mem_alloc_array(64, sizeof *run->ends);
        if (run->ends == NULL)
            return error_no_memory(err, "the pre-tokenizer", 64 * sizeof *run->ends);
        run->capacity = 64;
    }
    run->ends[0] = (uint32_t)n;
    run->n = 1;
    for (int step = 0; p->name->steps[step].action != SPLIT_NONE; step++)
        TRY(cut_all(p, step, run, text, err));
    return HEARTH_OK;
}
