/* SPDX-License-Identifier: MIT
 *
 * stop_words.c - see stop_words.h.
 *
 * Each word knows how many of its bytes the text ends with (`matched`, as many as possible). What
 * must be held back is the longest of these ends.
 */
#include "engine/stop_words.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

struct stop_word {
    const char *text;
    size_t n;
    size_t *border; /* border[i]: the longest proper prefix of text that text[0..i] ends with */
    size_t matched;
};

static void find_borders(stop_word *w)
{
    size_t length = 0;
    w->border[0] = 0;
    for (size_t i = 1; i < w->n; i++) {
        while (length > 0 && w->text[i] != w->text[length])
            length = w->border[length - 1];
        if (w->text[i] == w->text[length])
            length++;
        w->border[i] = length;
    }
}

hearth_status stop_words_open(stop_words *s, const char *const *words, size_t n, hearth_error *err)
{
    size_t total = 0;
    *s = (stop_words){0};
    buf_init(&s->held, 0);
    for (size_t i = 0; i < n; i++) {
        if (words[i] == NULL || words[i][0] == '\0')
            FAIL(err, EINVAL, "stop", "stop[%zu] is empty; give a text or leave it out", i);
        if (!utf8_is_valid(words[i], strlen(words[i])))
            FAIL(err, EINVAL, "stop", "stop[%zu] is not UTF-8", i);
        total += strlen(words[i]);
    }
    s->words = mem_calloc(n, sizeof *s->words);
    s->borders = mem_alloc_array(total, sizeof *s->borders);
    if (!s->words || !s->borders) {
        stop_words_close(s);
        return error_no_memory(err, "the stop strings", n * sizeof *s->words + total);
    }
    s->n = n;
    size_t *border = s->borders;
    for (size_t i = 0; i < n; i++) {
        s->words[i] = (stop_word){.text = words[i], .n = strlen(words[i]), .border = border};
        find_borders(&s->words[i]);
        border += s->words[i].n;
    }
    return HEARTH_OK;
}

void stop_words_close(stop_words *s)
{
    mem_free(s->words);
    mem_free(s->borders);
    buf_deinit(&s->held);
    *s = (stop_words){0};
}

/* True if the byte completes the word. */
static bool step(stop_word *w, char byte)
{
    while (w->matched > 0 && w->text[w->matched] != byte)
        w->matched = w->border[w->matched - 1];
    if (w->text[w->matched] == byte)
        w->matched++;
    return w->matched == w->n;
}

/* The longest word that the byte completes, or NULL. */
static const stop_word *step_all(stop_words *s, char byte)
{
    const stop_word *found = NULL;
    for (size_t i = 0; i < s->n; i++)
        if (step(&s->words[i], byte) && (found == NULL || s->words[i].n > found->n))
            found = &s->words[i];
    return found;
}

static size_t longest_end(const stop_words *s)
{
    size_t longest = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->words[i].matched > longest)
            longest = s->words[i].matched;
    return longest;
}

static hearth_status give_out(stop_words *s, size_t n, buf *out, hearth_error *err)
{
    if (n == 0)
        return HEARTH_OK;
    if (!buf_append(out, s->held.data, n))
        return error_no_memory(err, "text", out->n + n);
    buf_remove_front(&s->held, n);
    return HEARTH_OK;
}

hearth_status stop_words_feed(stop_words *s, const char *text, size_t n, buf *out, bool *stopped,
                              hearth_error *err)
{
    *stopped = s->found != NULL;
    if (*stopped || n == 0)
        return HEARTH_OK;
    size_t before = s->held.n;
    if (!buf_append(&s->held, text, n))
        return error_no_memory(err, "text", before + n);
    for (size_t i = 0; i < n; i++) {
        const stop_word *found = step_all(s, text[i]);
        if (found == NULL)
            continue;
        s->found = found->text;
        *stopped = true;
        TRY(give_out(s, before + i + 1 - found->n, out, err));
        buf_clear(&s->held);
        return HEARTH_OK;
    }
    return give_out(s, s->held.n - longest_end(s), out, err);
}

hearth_status stop_words_finish(stop_words *s, buf *out, hearth_error *err)
{
    return s->found ? HEARTH_OK : give_out(s, s->held.n, out, err);
}
