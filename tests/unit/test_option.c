/* SPDX-License-Identifier: MIT
 *
 * test_option.c - the option tables: every type, every way to get one wrong, and the names that are
 * offered for a mistyped one.
 */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/nearest.h"
#include "base/option.h"

typedef enum color { RED, GREEN, DARK_BLUE } color;

typedef struct numbers {
    int32_t whole;
    uint32_t seed;
    uint32_t small;
    float ratio;
    uint64_t given;
} numbers;

typedef struct target {
    long before; /* so that the groups' structs do not start at 0 */
    numbers n;
    bool flag;
    color paint;
    const char *text;
    const char *place;
    option_list stops;
} target;

static const option number_rows[] = {
    OPTION_ROW_I32("--whole", numbers, whole, INT32_MIN, INT32_MAX, "N", "any int"),
    OPTION_ROW_U32("--seed", numbers, seed, 0, UINT32_MAX, "N", "any unsigned"),
    OPTION_ROW_U32("--small", numbers, small, 1, 10, "N", "one to ten"),
    OPTION_ROW_F32("--ratio", numbers, ratio, 0.1f, 1.0f, "X", "a share"),
    OPTION_ROW_ALIAS("-s", "--seed"),
    OPTION_ROW_END_GIVEN(numbers, given),
};

static const option other_rows[] = {
    OPTION_ROW_FLAG("--flag", target, flag, "on"),
    OPTION_ROW_CHOICE(color, "--paint", target, paint, "red|green|dark_blue", "a color"),
    OPTION_ROW_TEXT("--text", target, text, "TEXT", "any text"),
    OPTION_ROW_OPTIONAL("--place", target, place, "[OUT]", "a text or none"),
    OPTION_ROW_LIST("--stop", target, stops, "TEXT", "many texts"),
    OPTION_ROW_ALIAS("-r", "--stop"),
    OPTION_ROW_END,
};

static const option_group groups[] = {
    {"Numbers", number_rows, offsetof(target, n)},
    {"Others", other_rows, 0},
};
static const option_set set = {groups, OPTION_COUNT(groups)};

typedef struct parsed {
    target t;
    option_list arguments;
    hearth_error err;
    hearth_status status;
} parsed;

static void parse_words(parsed *p, int argc, const char *const *argv)
{
    *p = (parsed){.t = {.n = {.whole = 7, .seed = 7, .small = 7, .ratio = 0.5f}, .text = "unset"}};
    p->status = option_parse(&set, &p->t, argc, argv, &p->arguments, &p->err);
}

#define PARSE(p, ...)                                                                              \
    do {                                                                                           \
        const char *words[] = {__VA_ARGS__};                                                       \
        parse_words(p, (int)OPTION_COUNT(words), words);                                           \
    } while (0)

static void release(parsed *p)
{
    option_set_deinit(&set, &p->t);
    option_list_deinit(&p->arguments);
}

/* That one or two words are refused, with a message that holds `part` and changes no number. */
static void refuse(const char *word, const char *value, const char *part)
{
    parsed p;
    const char *words[] = {word, value};
    parse_words(&p, value ? 2 : 1, words);
    if (p.status != HEARTH_EINVAL || strstr(p.err.message, part) == NULL)
        fail_msg("%s %s: status %d, message '%s', wanted '%s'", word, value ? value : "", p.status,
                 p.err.message, part);
    assert_null(strchr(p.err.message, '\n'));
    const numbers untouched = {.whole = 7, .seed = 7, .small = 7, .ratio = 0.5f};
    p.t.n.given = 0;
    assert_memory_equal(&p.t.n, &untouched, sizeof untouched);
    assert_int_equal(p.t.paint, RED);
    release(&p);
}

static void test_values(void **state)
{
    (void)state;
    parsed p;
    PARSE(&p, "--whole", "-2147483648", "--seed=4294967295", "--small", "+10", "--ratio", "0.1",
          "--flag", "--paint=Dark_Blue", "--text", "", "--stop", "a", "-r", "b", "--stop=c=d");
    assert_int_equal(p.status, HEARTH_OK);
    assert_int_equal(p.t.n.whole, INT32_MIN);
    assert_true(p.t.n.seed == UINT32_MAX);
    assert_int_equal(p.t.n.small, 10);
    assert_true(p.t.n.ratio == 0.1f);
    assert_true(p.t.flag);
    assert_int_equal(p.t.paint, DARK_BLUE);
    assert_string_equal(p.t.text, "");
    assert_int_equal(p.t.stops.n, 3);
    assert_string_equal(p.t.stops.items[1], "b");
    assert_string_equal(p.t.stops.items[2], "c=d");
    assert_int_equal(p.arguments.n, 0);
    release(&p);
}

static void test_last_use_wins_and_minus_one_seed(void **state)
{
    (void)state;
    parsed p;
    PARSE(&p, "--seed", "5", "-s", "-1", "--whole", "3", "--whole=4");
    assert_int_equal(p.status, HEARTH_OK);
    assert_true(p.t.n.seed == UINT32_MAX);
    assert_int_equal(p.t.n.whole, 4);
    release(&p);
}

static void test_arguments(void **state)
{
    (void)state;
    parsed p;
    PARSE(&p, "first", "--flag", "-", "", "--", "--flag", "--nonsense", "--");
    assert_int_equal(p.status, HEARTH_OK);
    const char *want[] = {"first", "-", "", "--flag", "--nonsense", "--"};
    assert_int_equal(p.arguments.n, OPTION_COUNT(want));
    for (size_t i = 0; i < OPTION_COUNT(want); i++)
        assert_string_equal(p.arguments.items[i], want[i]);
    release(&p);
    parse_words(&p, 0, NULL);
    assert_int_equal(p.status, HEARTH_OK);
    release(&p);
}

static void test_many_list_items(void **state)
{
    (void)state;
    parsed p;
    static const char *words[2000];
    for (size_t i = 0; i < OPTION_COUNT(words); i += 2) {
        words[i] = "--stop";
        words[i + 1] = "x";
    }
    parse_words(&p, (int)OPTION_COUNT(words), words);
    assert_int_equal(p.status, HEARTH_OK);
    assert_int_equal(p.t.stops.n, OPTION_COUNT(words) / 2);
    for (size_t i = 0; i < p.t.stops.n; i++)
        assert_string_equal(p.t.stops.items[i], "x");
    release(&p);
}

static void test_bad_numbers(void **state)
{
    (void)state;
    static const char *const garbage[] = {"",    " 1",  "1 ",  "one",   "1x",   "0x10",
                                          "1e3", "--1", "+-1", "1.5",   "-",    "+",
                                          "nan", "inf", "\t1", "1,000", "1_000"};
    for (size_t i = 0; i < OPTION_COUNT(garbage); i++)
        refuse("--whole", garbage[i], "is not a whole number");
    static const char *const floats[] = {"",    " 0.5", "0.5 ",  "half",    "0.5x", "0x.8p0",
                                         "nan", "NaN",  "-nan",  "inf",     ".",    "-.",
                                         "0,5", "1e",   "0.5.5", "infinity"};
    for (size_t i = 0; i < OPTION_COUNT(floats); i++)
        refuse("--ratio", floats[i], "is not a number");
    refuse("--whole=", NULL, "is not a whole number");
    refuse("--ratio=", NULL, "is not a number");
}

static void test_bounds(void **state)
{
    (void)state;
    refuse("--whole", "2147483648", "from -2147483648 to 2147483647");
    refuse("--whole", "-2147483649", "out of range");
    refuse("--whole", "9223372036854775808", "out of range");
    refuse("--whole", "-99999999999999999999999999", "out of range");
    refuse("--seed", "4294967296", "from 0 to 4294967295");
    refuse("--seed", "-2", "out of range");
    refuse("--small", "0", "from 1 to 10");
    refuse("--small", "11", "out of range");
    refuse("--small", "-1", "out of range"); /* -1 stands for the maximum of full-range rows only */
    refuse("--ratio", "0.0999", "from 0.1 to 1");
    refuse("--ratio", "1.0001", "out of range");
    refuse("--ratio", "1e9999", "out of range");
    refuse("--ratio", "-1e9999", "out of range");
}

static void test_choices(void **state)
{
    (void)state;
    refuse("--paint", "blue", "'blue' is not one of red|green|dark_blue");
    refuse("--paint", "re", "not one of");
    refuse("--paint", "redd", "not one of");
    refuse("--paint", "red|green", "not one of");
    refuse("--paint=", NULL, "not one of");
}

static void test_wrong_shape(void **state)
{
    (void)state;
    refuse("--flag=yes", NULL, "--flag takes no value, but was given 'yes'");
    refuse("--whole", NULL, "--whole needs a value: --whole N");
    refuse("-r", NULL, "-r needs a value: -r TEXT");
    refuse("--text", "--flag", "write --text=--flag");
    refuse("--text", "-s=1", "needs a value");
    refuse("--unheard-of", NULL, "unknown option '--unheard-of'; text that starts with a dash");
    refuse("--text\n\x1b[31m", NULL, "'--text??[31m'"); /* nothing reaches the terminal raw */
}

static void test_optional_value(void **state)
{
    (void)state;
    parsed p;
    PARSE(&p, "--place", "here", "--flag");
    assert_string_equal(p.t.place, "here");
    assert_true(p.t.flag);
    release(&p);
    PARSE(&p, "--place", "--flag", "word");
    assert_string_equal(p.t.place, "");
    assert_true(p.t.flag);
    release(&p);
    PARSE(&p, "--place");
    assert_string_equal(p.t.place, "");
    release(&p);
    PARSE(&p, "word");
    assert_null(p.t.place);
    release(&p);
}

static void test_nearest_option(void **state)
{
    (void)state;
    refuse("--sede", NULL, "did you mean --seed?");
    refuse("--sead=5", NULL, "unknown option '--sead'; did you mean --seed?");
    refuse("-seed", NULL, "did you mean --seed?");
    refuse("--SEED", NULL, "did you mean --seed?");
    refuse("--pai", NULL, "did you mean --paint?");
    refuse("--rato", NULL, "did you mean --ratio?");
    refuse("-S", NULL, "did you mean -s?");
    refuse("-x", NULL, "goes after --");
    char long_name[5000];
    memset(long_name, '-', 2);
    memset(long_name + 2, 'x', sizeof long_name - 3);
    long_name[sizeof long_name - 1] = '\0';
    refuse(long_name, NULL, "unknown option '--xxx");
}

static const char *closest(const char *word, const char *const *names, size_t n_names)
{
    nearest near;
    nearest_init(&near, word, strlen(word));
    for (size_t i = 0; i < n_names; i++)
        nearest_offer(&near, names[i]);
    return near.best;
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"run", "show", "tokenize", "perplexity", "plan", "eval"};
    static const struct {
        const char *word, *want;
    } cases[] = {
        {"run", "run"},
        {"rnu", "run"},
        {"runn", "run"},
        {"shwo", "show"},
        {"tokenise", "tokenize"},
        {"perplexty", "perplexity"},
        {"perp", "perplexity"},
        {"plam", "plan"},
        {"EVAL", "eval"},
        {"serve", NULL},
        {"", NULL},
        {"x", NULL},
        {"toke", "tokenize"},
        {"zzzzzzzz", NULL},
    };
    for (size_t i = 0; i < OPTION_COUNT(cases); i++) {
        const char *got = closest(cases[i].word, names, OPTION_COUNT(names));
        const char *want = cases[i].want;
        if (got != want && (got == NULL || want == NULL || strcmp(got, want) != 0))
            fail_msg("'%s': got %s, wanted %s", cases[i].word, got ? got : "nothing",
                     want ? want : "nothing");
    }
}

static void test_given(void **state)
{
    (void)state;
    parsed p;
    PARSE(&p, "--ratio", "0.5", "-s", "7");
    assert_int_equal(p.status, HEARTH_OK);
    assert_int_equal(p.t.n.given, 1u << 1 | 1u << 3); /* an alias counts as its option */
    release(&p);
}

static void test_format(void **state)
{
    (void)state;
    target t = {.n = {.whole = -3, .seed = 4294967295u, .small = 2, .ratio = 0.95f},
                .paint = GREEN,
                .text = "here"};
    static const struct {
        const char *name, *want;
    } cases[] = {{"--whole", "-3"},    {"--seed", "4294967295"}, {"--ratio", "0.95"},
                 {"--paint", "green"}, {"--text", "here"},       {"--flag", ""},
                 {"--stop", ""}};
    for (size_t i = 0; i < OPTION_COUNT(cases); i++) {
        const option_group *group = NULL;
        const option *row = option_find(&set, cases[i].name, strlen(cases[i].name), &group);
        char text[32];
        assert_non_null(row);
        option_format(row, option_field(group, row, &t), text, sizeof text);
        assert_string_equal(text, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_last_use_wins_and_minus_one_seed),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_many_list_items),
        cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_wrong_shape),
        cmocka_unit_test(test_optional_value),
        cmocka_unit_test(test_nearest_option),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
