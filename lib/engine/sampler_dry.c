/* SPDX-License-Identifier: MIT
 *
 * sampler_dry.c - see sampler_dry.h.
 *
 * How      The history is read backwards, so that "the end of the text" is the start of an array,
 *          and the Z function gives, for every place, how many tokens from there equal the start
 *          (D. Gusfield, "Algorithms on Strings, Trees and Sequences", 1997, section 1.3). The
 * token before a place, one step nearer to the end, is the one that followed there.
 */
#include "engine/sampler_dry.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

/* ---- breakers ---- */

/* The rest of a breaker after its first i bytes, as tokens. */
typedef struct tail {
    bool known;
    uint32_t first, n; /* in dry.tails */
} tail;

typedef struct breaker {
    const char *text;
    size_t n;
    tail tails[DRY_MAX_BREAKER_BYTES];
} breaker;

typedef struct builder {
    dry *d;
    const sampler_vocab *vocab;
    breaker *breakers;
    size_t n_breakers;
    size_t n_tails, sequence_capacity;
} builder;

static hearth_status check_breakers(builder *b, const char *const *texts, hearth_error *err)
{
    if (b->n_breakers > DRY_MAX_BREAKERS)
        FAIL(err, EINVAL, "dry_sequence_breakers",
             "%zu dry_sequence_breakers are more than the %d that are possible", b->n_breakers,
             DRY_MAX_BREAKERS);
    for (size_t i = 0; i < b->n_breakers; i++) {
        size_t n = texts[i] ? strnlen(texts[i], DRY_MAX_BREAKER_BYTES + 1) : 0;
        if (n == 0 || n > DRY_MAX_BREAKER_BYTES)
            FAIL(err, EINVAL, "dry_sequence_breakers",
                 "dry_sequence_breakers[%zu] is %s; each must have 1 to %d bytes", i,
                 n ? "too long" : "empty", DRY_MAX_BREAKER_BYTES);
        b->breakers[i] = (breaker){.text = texts[i], .n = n};
    }
    return HEARTH_OK;
}

static hearth_status find_tail(builder *b, breaker *br, size_t skip, hearth_error *err)
{
    tail *t = &br->tails[skip];
    if (t->known)
        return HEARTH_OK;
    int32_t *tokens;
    size_t n;
    TRY(b->vocab->tokenize(b->vocab->user, br->text + skip, br->n - skip, &tokens, &n, err));
    if (n > DRY_MAX_TAIL)
        n = DRY_MAX_TAIL;
    int32_t *tails = mem_realloc_array(b->d->tails, b->n_tails + n, sizeof *tails);
    if (tails) {
        b->d->tails = tails;
        if (n)
            memcpy(tails + b->n_tails, tokens, n * sizeof *tails);
        *t = (tail){true, (uint32_t)b->n_tails, (uint32_t)n};
        b->n_tails += n;
    }
    mem_free(tokens);
    return tails ? HEARTH_OK : error_no_memory(err, "DRY's sequence breakers", n * sizeof *tails);
}

/* Adds head and tail, unless the same is there for this head already. */
static hearth_status add_sequence(builder *b, int32_t head, uint32_t first, uint32_t n,
                                  hearth_error *err)
{
    dry *d = b->d;
    for (size_t i = d->n_sequences; i-- > 0 && d->sequences[i].head == head;)
        if (d->sequences[i].n_tail == n &&
            (n == 0 ||
             memcmp(d->tails + d->sequences[i].tail, d->tails + first, n * sizeof *d->tails) == 0))
            return HEARTH_OK;
    if (d->n_sequences == DRY_MAX_SEQUENCES)
        FAIL(err, EINVAL, "dry_sequence_breakers",
             "the dry_sequence_breakers match more than %d token sequences; give fewer or others",
             DRY_MAX_SEQUENCES);
    if (d->n_sequences == b->sequence_capacity) {
        size_t capacity = b->sequence_capacity ? 2 * b->sequence_capacity : 256;
        void *grown = mem_realloc_array(d->sequences, capacity, sizeof *d->sequences);
        if (grown == NULL)
            return error_no_memory(err, "DRY's sequence breakers", capacity * sizeof *d->sequences);
        d->sequences = grown;
        b->sequence_capacity = capacity;
    }
    d->sequences[d->n_sequences++] = (dry_sequence){head, first, n};
    return HEARTH_OK;
}

static hearth_status match_piece(builder *b, int32_t token, const char *piece, size_t n,
                                 hearth_error *err)
{
    for (size_t k = 0; k < b->n_breakers; k++) {
        breaker *br = &b->breakers[k];
        if (memmem(piece, n, br->text, br->n)) {
            TRY(add_sequence(b, token, 0, 0, err));
            continue;
        }
        /* The piece may end in the first bytes of the breaker, in more than one way. */
        size_t longest = br->n - 1 < n ? br->n - 1 : n;
        for (size_t skip = longest; skip > 0; skip--) {
            if (memcmp(piece + n - skip, br->text, skip) != 0)
                continue;
            TRY(find_tail(b, br, skip, err));
            TRY(add_sequence(b, token, br->tails[skip].first, br->tails[skip].n, err));
        }
    }
    return HEARTH_OK;
}

static hearth_status read_vocabulary(builder *b, hearth_error *err)
{
    for (size_t token = 0; token < b->vocab->n && b->n_breakers; token++) {
        char *piece;
        size_t n;
        TRY(b->vocab->piece(b->vocab->user, (int32_t)token, &piece, &n, err));
        hearth_status status = match_piece(b, (int32_t)token, piece, n, err);
        mem_free(piece);
        TRY(status);
    }
    return HEARTH_OK;
}

hearth_status dry_open(dry *d, const sampler_vocab *vocab, const char *const *breakers,
                       size_t n_breakers, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    builder b = {.d = d, .vocab = vocab, .n_breakers = n_breakers};
    if (d->multiplier == 0 || d->base < 1)
        d->window = 0;
    if (d->window == 0)
        return HEARTH_OK;
    b.breakers = mem_alloc_array(DRY_MAX_BREAKERS, sizeof *b.breakers);
    d->recent = mem_alloc_array(d->window, sizeof *d->recent);
    d->matches = mem_alloc_array(d->window, sizeof *d->matches);
    d->longest = mem_calloc(vocab->n, sizeof *d->longest);
    d->sequences = mem_alloc_array(0, sizeof *d->sequences);
    d->tails = mem_alloc_array(0, sizeof *d->tails);
    if (!b.breakers || !d->recent || !d->matches || !d->longest || !d->sequences || !d->tails) {
        status = error_no_memory(err, "DRY sampling", (2 * d->window + vocab->n) * sizeof(int32_t));
        goto out;
    }
    TRY_OUT(check_breakers(&b, breakers, err));
    TRY_OUT(read_vocabulary(&b, err));
out:
    mem_free(b.breakers);
    if (status != HEARTH_OK)
        dry_close(d);
    return status;
}

void dry_close(dry *d)
{
    mem_free(d->sequences);
    mem_free(d->tails);
    mem_free(d->recent);
    mem_free(d->matches);
    mem_free(d->longest);
    *d = (dry){0};
}

/* ---- applying ---- */

/* The first of the sequences that begin with head; *n of them. */
static const dry_sequence *sequences_of(const dry *d, int32_t head, size_t *n)
{
    size_t low = 0, high = d->n_sequences;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (d->sequences[middle].head < head)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < d->n_sequences && d->sequences[end].head == head)
        end++;
    *n = end - low;
    return d->sequences + low;
}

static bool breaks_alone(const dry *d, int32_t token)
{
    size_t n;
    const dry_sequence *s = sequences_of(d, token, &n);
    for (size_t i = 0; i < n; i++)
        if (s[i].n_tail == 0)
            return true;
    return false;
}

/* How many tokens at the end of the text come after the last breaker; n if there is none. */
static int32_t tokens_after_breaker(const dry *d, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        size_t n_sequences;
        const dry_sequence *s = sequences_of(d, d->recent[i], &n_sequences);
        int32_t longest = -1;
        for (size_t k = 0; k < n_sequences; k++) {
            int32_t length = (int32_t)s[k].n_tail;
            if (length <= longest || length > i)
                continue;
            const int32_t *expected = d->tails + s[k].tail;
            int32_t j = 0;
            while (j < length && expected[j] == d->recent[i - 1 - j])
                j++;
            if (j == length)
                longest = length;
        }
        if (longest >= 0)
            return i - longest;
    }
    return n;
}

/* matches[i] = length of the common prefix of recent[0..n) and recent[i..n), for 0 < i < n. */
static void match_ends(dry *d, int32_t n)
{
    int32_t left = 0, right = 0; /* recent[left..right) is known to equal recent[0..right - left) */
    for (int32_t i = 1; i < n; i++) {
        int32_t length = 0;
        if (i < right)
            length = d->matches[i - left] < right - i ? d->matches[i - left] : right - i;
        while (i + length < n && d->recent[length] == d->recent[i + length])
            length++;
        if (i + length > right) {
            left = i;
            right = i + length;
        }
        d->matches[i] = length;
    }
}

static float penalty(const dry *d, int32_t length, int32_t max_exponent)
{
    int32_t exponent = length - d->allowed_length;
    if (max_exponent > 0 && exponent > max_exponent)
        exponent = max_exponent;
    return (float)(d->multiplier * fmath_pow(d->base, exponent));
}

/* The largest exponent whose power is a float; 0 where the base is too near to 1 to matter. */
static int32_t largest_exponent(float base)
{
    const float log_of_largest_float = 88.7228391f;
    return base > 1.000001f ? (int32_t)(log_of_largest_float / float_log(base)) : 0;
}

void dry_apply(dry *d, const history *h, candidates *c)
{
    int32_t n = (int32_t)(h->n < d->window ? h->n : d->window);
    if (n <= d->allowed_length)
        return;
    for (int32_t i = 0; i < n; i++)
        d->recent[i] = history_at(h, (size_t)i);
    int32_t limit = tokens_after_breaker(d, n);
    if (limit < d->allowed_length)
        return;
    match_ends(d, n);
    for (int32_t i = 1; i < n; i++) {
        int32_t length = d->matches[i] < limit ? d->matches[i] : limit;
        int32_t *longest = &d->longest[d->recent[i - 1]];
        if (length >= d->allowed_length && length + 1 > *longest)
            *longest = length + 1;
    }
    int32_t max_exponent = largest_exponent(d->base);
    for (size_t i = 0; i < c->n; i++) {
        hearth_candidate *item = &c->items[i];
        int32_t longest = d->longest[item->token];
        if (longest == 0 || item->logit == -INFINITY || breaks_alone(d, item->token))
            continue;
        item->logit -= penalty(d, longest - 1, max_exponent);
        item->logit = fmaxf(item->logit, -0x1.fffffep+127f);
    }
    for (int32_t i = 0; i < n; i++)
        d->longest[d->recent[i]] = 0;
    c->sorted = false;
}
