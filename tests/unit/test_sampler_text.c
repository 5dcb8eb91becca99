/* SPDX-License-Identifier: MIT
 *
 * test_sampler_text.c - what depends on the text so far: the penalties and DRY, against counting
 * and searching done plainly here.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/sampler_dry.h"

static uint64_t state;

static uint32_t next(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33);
}

/* ---- a vocabulary: the letters, and some longer pieces ---- */

enum { N_LETTERS = 26, N_VOCAB = 32 };

static const char *const long_pieces[N_VOCAB - N_LETTERS] = {"xa", "ab", "q\n", "\n", "aa", "bab"};

static hearth_status piece(const void *user, int32_t token, char **bytes, size_t *n,
                           hearth_error *err)
{
    (void)user;
    (void)err;
    char letter[2] = {(char)('a' + token), 0};
    const char *text = token < N_LETTERS ? letter : long_pieces[token - N_LETTERS];
    *n = strlen(text);
    *bytes = mem_dup(text, *n);
    return *bytes ? HEARTH_OK : HEARTH_ENOMEM;
}

static hearth_status tokenize(const void *user, const char *text, size_t n, int32_t **tokens,
                              size_t *n_tokens, hearth_error *err)
{
    (void)user;
    (void)err;
    *tokens = mem_alloc_array(n, sizeof **tokens);
    *n_tokens = n;
    for (size_t i = 0; *tokens && i < n; i++)
        (*tokens)[i] = text[i] - 'a';
    return *tokens ? HEARTH_OK : HEARTH_ENOMEM;
}

static const sampler_vocab vocab = {.n = N_VOCAB, .piece = piece, .tokenize = tokenize};

static hearth_candidate items[N_VOCAB], scratch[N_VOCAB];

static candidates flat(float logit)
{
    for (int i = 0; i < N_VOCAB; i++)
        items[i] = (hearth_candidate){.token = i, .logit = logit};
    return (candidates){.items = items, .scratch = scratch, .n = N_VOCAB, .sorted = true};
}

static void push_text(history *h, penalties *p, const char *text)
{
    for (; *text; text++) {
        if (p)
            penalties_accept(p, h, *text - 'a');
        history_push(h, *text - 'a');
    }
}

/* ---- history and penalties ---- */

static void history_is_a_ring(void **unused)
{
    (void)unused;
    history h;
    assert_int_equal(history_open(&h, 3, NULL), HEARTH_OK);
    push_text(&h, NULL, "ab");
    assert_int_equal(h.n, 2);
    assert_int_equal(history_at(&h, 0), 1);
    push_text(&h, NULL, "cde");
    assert_int_equal(h.n, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(history_at(&h, (size_t)i), 4 - i);
    history_close(&h);
    assert_int_equal(history_open(&h, 0, NULL), HEARTH_OK);
    push_text(&h, NULL, "abc");
    assert_int_equal(h.n, 0);
    history_close(&h);
}

static void penalties_count_their_window(void **unused)
{
    (void)unused;
    state = 1;
    for (size_t window = 1; window < 9; window++) {
        int32_t all[200];
        history h;
        penalties p = {.window = window, .repeat = 1.3f, .frequency = 0.25f, .presence = -0.5f};
        assert_int_equal(history_open(&h, 10, NULL), HEARTH_OK);
        assert_int_equal(penalties_open(&p, N_VOCAB, NULL), HEARTH_OK);
        for (size_t n = 0; n < 200; n++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                candidates c = flat(2.0f * (float)sign);
                penalties_apply(&p, &c);
                assert_false(c.sorted);
                for (int32_t token = 0; token < N_VOCAB; token++) {
                    int count = 0;
                    for (size_t i = n > window ? n - window : 0; i < n; i++)
                        count += all[i] == token;
                    float expected = 2.0f * (float)sign;
                    if (count)
                        expected = (sign > 0 ? expected / 1.3f : expected * 1.3f) -
                                   ((float)count * 0.25f - 0.5f);
                    assert_true(fabsf(items[token].logit - expected) < 1e-6f);
                }
            }
            all[n] = (int32_t)(next() % 5);
            penalties_accept(&p, &h, all[n]);
            history_push(&h, all[n]);
        }
        penalties_close(&p);
        history_close(&h);
    }
}

/* Nothing becomes NaN, infinite or forbidden, whatever the strength. */
static void penalties_stay_finite(void **unused)
{
    (void)unused;
    static const float strengths[] = {0, 1e-30f, 1e6f};
    static const float logits[] = {-3e38f, -1, 0, 1, 3e38f};
    for (int s = 0; s < 3; s++)
        for (int l = 0; l < 5; l++)
            for (float f = -1e6f; f <= 1e6f; f += 1e6f) {
                history h;
                penalties p = {.window = 4, .repeat = strengths[s], .frequency = f, .presence = f};
                assert_int_equal(history_open(&h, 4, NULL), HEARTH_OK);
                assert_int_equal(penalties_open(&p, N_VOCAB, NULL), HEARTH_OK);
                push_text(&h, &p, "aaa");
                candidates c = flat(logits[l]);
                items[1].logit = -INFINITY;
                penalties_apply(&p, &c);
                assert_true(isfinite(items[0].logit));
                assert_true(items[1].logit == -INFINITY);
                penalties_close(&p);
                history_close(&h);
            }
}

/* ---- DRY ---- */

typedef struct expected {
    int32_t allowed_length;
    int32_t limit; /* tokens after the last breaker */
    float base, multiplier;
} expected;

/* For every place, compare backwards from it and from the end. */
static void expect_penalties(const int32_t *text, int32_t n, const expected *e, float start)
{
    for (int32_t token = 0; token < N_VOCAB; token++) {
        int32_t longest = -1;
        for (int32_t i = 0; i + 1 < n; i++) {
            int32_t length = 0;
            while (length <= i && length < e->limit && text[i - length] == text[n - 1 - length])
                length++;
            if (text[i + 1] == token && length >= e->allowed_length && length > longest)
                longest = length;
        }
        double off = 0;
        bool breaks = token >= N_LETTERS && strchr(long_pieces[token - N_LETTERS], '\n');
        if (longest >= 0 && !breaks && n > e->allowed_length && e->limit >= e->allowed_length)
            off = e->multiplier * pow(e->base, longest - e->allowed_length);
        if (fabs(items[token].logit - (start - off)) > 1e-4 * (1 + off))
            fail_msg("token %d: %g, expected %g (length %d)", token, (double)items[token].logit,
                     start - off, longest);
    }
}

static void dry_matches_a_plain_search(void **unused)
{
    (void)unused;
    static const char *const breakers[] = {"\n"};
    state = 5;
    for (int round = 0; round < 400; round++) {
        int32_t text[80], n = 1 + (int32_t)(next() % 80), letters = 1 + (int32_t)(next() % 4);
        size_t window = 1 + next() % 90;
        dry d = {.multiplier = 0.8f,
                 .base = 1.1f + 0.1f * (float)(next() % 5),
                 .allowed_length = (int32_t)(next() % 4),
                 .window = window};
        history h;
        assert_int_equal(dry_open(&d, &vocab, breakers, 1, NULL), HEARTH_OK);
        assert_int_equal(history_open(&h, 100, NULL), HEARTH_OK);
        for (int32_t i = 0; i < n; i++) {
            text[i] = (int32_t)(next() % 12 ? next() % (uint32_t)letters : 28 + next() % 2);
            history_push(&h, text[i]);
        }
        int32_t shown = n < (int32_t)window ? n : (int32_t)window, limit = 0;
        const int32_t *seen = text + n - shown;
        while (limit < shown && seen[shown - 1 - limit] < N_LETTERS)
            limit++;
        for (int twice = 0; twice < 2; twice++) { /* the first leaves nothing behind */
            candidates c = flat(3);
            dry_apply(&d, &h, &c);
            expected e = {d.allowed_length, limit, d.base, d.multiplier};
            expect_penalties(seen, shown, &e, 3);
        }
        dry_close(&d);
        history_close(&h);
    }
}

static float logit_after(const char *text, const char *const *breakers, size_t n, char token)
{
    dry d = {.multiplier = 1, .base = 2, .allowed_length = 1, .window = 100};
    history h;
    assert_int_equal(dry_open(&d, &vocab, breakers, n, NULL), HEARTH_OK);
    assert_int_equal(history_open(&h, 100, NULL), HEARTH_OK);
    push_text(&h, NULL, text);
    candidates c = flat(0);
    dry_apply(&d, &h, &c);
    dry_close(&d);
    history_close(&h);
    return items[token - 'a'].logit;
}

static void breakers_span_tokens(void **unused)
{
    (void)unused;
    static const char *const none[] = {"zzz"}, *const ac[] = {"ac"}, *const cd[] = {"cd"};
    /* "dacd" again, after which came e: 4 tokens, so 2^3. */
    assert_true(logit_after("xdacdexdacd", none, 1, 'e') == -16);
    /* After "ac" only d remains: 2^0. */
    assert_true(logit_after("xdacdexdacd", ac, 1, 'e') == -1);
    /* "cd" is the very end: nothing is left to repeat. */
    assert_true(logit_after("xdacdexdacd", cd, 1, 'e') == 0);
}

/* Token "xa" ends as the breaker "ab" begins; token "ab" contains it; "bab" does both. */
static void breakers_begin_inside_tokens(void **unused)
{
    (void)unused;
    static const char *const ab[] = {"ab"};
    dry d = {.multiplier = 1, .base = 2, .allowed_length = 1, .window = 100};
    assert_int_equal(dry_open(&d, &vocab, ab, 1, NULL), HEARTH_OK);
    static const struct {
        int32_t head;
        uint32_t n_tail;
    } wanted[] = {{0, 1}, {26, 1}, {27, 0}, {30, 1}, {31, 0}};
    assert_int_equal(d.n_sequences, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(d.sequences[i].head, wanted[i].head);
        assert_int_equal(d.sequences[i].n_tail, wanted[i].n_tail);
        if (d.sequences[i].n_tail)
            assert_int_equal(d.tails[d.sequences[i].tail], 1);
    }
    dry_close(&d);
}

static void expect_refused(const char *const *breakers, size_t n, const char *message)
{
    dry d = {.multiplier = 1, .base = 2, .allowed_length = 1, .window = 10};
    hearth_error err;
    assert_int_equal(dry_open(&d, &vocab, breakers, n, &err), HEARTH_EINVAL);
    assert_string_equal(err.where, "dry_sequence_breakers");
    assert_non_null(strstr(err.message, message));
}

static void bad_breakers_are_refused(void **unused)
{
    (void)unused;
    const char *many[DRY_MAX_BREAKERS + 1];
    for (int i = 0; i <= DRY_MAX_BREAKERS; i++)
        many[i] = "a";
    const char *const empty[] = {"a", ""}, *const null[] = {NULL};
    const char *const big[] = {"0123456789012345678901234567890123456789x"};
    expect_refused(many, DRY_MAX_BREAKERS + 1, "65 dry_sequence_breakers");
    expect_refused(empty, 2, "[1] is empty");
    expect_refused(null, 1, "[0] is empty");
    expect_refused(big, 1, "[0] is too long");
}

/* The worst text for a search, and strengths beyond the floats. */
static void dry_is_bounded(void **unused)
{
    (void)unused;
    enum { LONG = 200000 };
    static const char *const breakers[] = {"a"};
    for (float base = 1; base < 2e6f; base *= 1000) {
        dry d = {.multiplier = 1e6f, .base = base, .allowed_length = 0, .window = LONG};
        history h;
        assert_int_equal(dry_open(&d, &vocab, breakers, 1, NULL), HEARTH_OK);
        assert_int_equal(history_open(&h, LONG, NULL), HEARTH_OK);
        for (int i = 0; i < LONG; i++)
            history_push(&h, 2);
        candidates c = flat(0);
        dry_apply(&d, &h, &c);
        assert_true(isfinite(items[2].logit) && items[2].logit <= -1e6f);
        assert_true(items[3].logit == 0);
        dry_close(&d);
        history_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_is_a_ring),        cmocka_unit_test(penalties_count_their_window),
        cmocka_unit_test(penalties_stay_finite),    cmocka_unit_test(dry_matches_a_plain_search),
        cmocka_unit_test(breakers_span_tokens),     cmocka_unit_test(breakers_begin_inside_tokens),
        cmocka_unit_test(bad_breakers_are_refused), cmocka_unit_test(dry_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
