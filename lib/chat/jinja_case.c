/* SPDX-License-Identifier: MIT
 *
 * jinja_case.c - capitals and small letters as Python makes them: by Unicode's full mappings, where
 * one letter may become several.
 *
 * utf8proc has the mappings of one letter to one, and full case folding. What folds to several
 * letters and is no capital is several capitals too (SpecialCasing.txt).
 */
#include <string.h>

#include <utf8proc.h>

#include "base/utf8.h"
#include "chat/jinja_text.h"
#include "chat/jinja_unicode.h"

enum { LETTERS_MAX = 3, DOTTED_I = 0x130, SHARP_S = 0xdf, N_APOSTROPHE = 0x149, SIGMA = 0x3a3 };

static uint32_t to_upper(uint32_t c)
{
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
}

static size_t fold(uint32_t c, uint32_t to[LETTERS_MAX])
{
    utf8proc_int32_t parts[LETTERS_MAX];
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c, parts, LETTERS_MAX, UTF8PROC_CASEFOLD, NULL);
    to[0] = c;
    if (n < 1 || n > LETTERS_MAX)
        return 1;
    for (utf8proc_ssize_t i = 0; i < n; i++)
        to[i] = (uint32_t)parts[i];
    return (size_t)n;
}

static size_t upper(uint32_t c, uint32_t to[LETTERS_MAX])
{
    size_t n = c < 0x80 || jinja_is_upper(c) ? 1 : fold(c, to);
    if (n == 1)
        to[0] = c;
    for (size_t i = 0; i < n; i++)
        to[i] = to_upper(to[i]);
    return n;
}

static size_t lower(uint32_t c, uint32_t to[LETTERS_MAX])
{
    to[0] = c == DOTTED_I ? 'i' : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    to[1] = 0x307;
    return c == DOTTED_I ? 2 : 1;
}

static size_t title(uint32_t c, uint32_t to[LETTERS_MAX])
{
    uint32_t one = (uint32_t)utf8proc_totitle((utf8proc_int32_t)c);
    size_t n = 1;
    if (c >= 0x80 && !jinja_is_upper(c) && !jinja_is_title(c) && (one == c || c == SHARP_S))
        n = fold(c, to);
    if (n == 1) {
        to[0] = one;
        return 1;
    }
    to[0] = to_upper(to[0]);
    if (c == N_APOSTROPHE)
        to[1] = 'N';
    if (c >= 0x1f80 && c < 0x2000 && to[n - 1] == 0x3b9)
        to[n - 1] = 0x345; /* the iota goes below */
    return n;
}

/* Title case as str.title has it: what follows a letter is small. */
static size_t change(uint32_t c, jinja_case kind, bool first, bool after_letter,
                     uint32_t to[LETTERS_MAX])
{
    switch (kind) {
    case JINJA_UPPER:
        return upper(c, to);
    case JINJA_LOWER:
        return lower(c, to);
    case JINJA_FOLD:
        return fold(c, to);
    case JINJA_SWAP:
        if (jinja_is_upper(c))
            return lower(c, to);
        if (jinja_is_lower(c))
            return upper(c, to);
        break;
    case JINJA_CAPITALIZE:
        return first ? title(c, to) : lower(c, to);
    case JINJA_TITLE:
        return after_letter ? lower(c, to) : title(c, to);
    case JINJA_TITLE_WORDS:
        return first ? upper(c, to) : lower(c, to);
    }
    to[0] = c;
    return 1;
}

/* The title filter of Jinja begins words after white space and -({[<, not after any mark. */
static bool ends_word(uint32_t c)
{
    return jinja_is_space(c) || (c < 0x80 && c && strchr("-({[<", (int)c));
}

/* A sigma at the end of a word is written in another way. */
static uint32_t small_sigma(const jinja_string *s, size_t after, bool after_letter)
{
    uint32_t next = 0;
    if (after < s->n)
        utf8_decode(s->text + after, s->n - after, &next);
    return after_letter && !jinja_is_cased(next) ? 0x3c2 : 0x3c3;
}

hearth_status jinja_change_case(jinja_run *r, jinja_value v, jinja_case kind, jinja_value *out)
{
    const jinja_string *s = v.string;
    char *text;
    size_t n = 0;
    bool first = true, after_letter = false, markup = v.markup;
    TRY(jinja_spend(r, s->n / 16));
    TRY(jinja_new(r, s->n * 3 + 8, &text)); /* no letter grows to more than thrice its bytes */
    for (size_t i = 0; i < s->n;) {
        uint32_t c, to[LETTERS_MAX];
        i += utf8_decode(s->text + i, s->n - i, &c);
        size_t n_to = change(c, kind, first, after_letter, to);
        if (c == SIGMA && to[0] != c && kind != JINJA_FOLD)
            to[0] = small_sigma(s, i, after_letter);
        for (size_t k = 0; k < n_to; k++)
            n += utf8_encode(to[k], text + n);
        /* That filter makes the rest of a word small on its own. */
        after_letter = jinja_is_cased(c) && !(first && kind == JINJA_TITLE_WORDS);
        first = kind == JINJA_TITLE_WORDS && ends_word(c);
    }
    TRY(jinja_wrap_string(r, text, n, out));
    out->markup = markup;
    return HEARTH_OK;
}
