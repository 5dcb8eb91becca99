/* SPDX-License-Identifier: MIT
 *
 * jinja_value_filters.c - filters on single values (defaults, numbers, attributes), and the tests.
 */
#include <math.h>
#include <string.h>

#include "chat/jinja_number.h"
#include "chat/jinja_text.h"

/* ---- filters ---- */

static hearth_status filter_default(jinja_run *r, jinja_call *c)
{
    bool lacks = c->self.kind == JINJA_UNDEFINED ||
                 (jinja_want_flag(c->slots[1], false) && !jinja_is_true(c->self));
    c->out = c->self;
    if (lacks && c->slots[0].kind == JINJA_MISSING)
        return jinja_make_text(r, "", &c->out);
    if (lacks)
        c->out = c->slots[0];
    return HEARTH_OK;
}

static hearth_status filter_length(jinja_run *r, jinja_call *c)
{
    size_t n;
    TRY(jinja_length(r, c->self, &n));
    c->out = jinja_int((int64_t)n);
    return HEARTH_OK;
}

static hearth_status filter_attr(jinja_run *r, jinja_call *c)
{
    const jinja_string *name;
    TRY(jinja_want_string(r, c->slots[0], "the attribute's name", &name));
    if (c->self.kind == JINJA_DICT) { /* attr never looks at keys */
        bool forbidden;
        c->out = jinja_undefined(name, JINJA_LACK_MEMBER);
        c->out.owner = JINJA_DICT;
        if (jinja_find_method(c->self, name, &forbidden) == NULL)
            return HEARTH_OK;
    }
    return jinja_attribute(r, c->self, name, &c->out);
}

static hearth_status real_to_int(jinja_run *r, double d, jinja_value *out)
{
    if (!(d > -9.2e18 && d < 9.2e18))
        return jinja_fail(r, "the number does not fit in a 64-bit integer");
    *out = jinja_int((int64_t)d);
    return HEARTH_OK;
}

static hearth_status filter_int(jinja_run *r, jinja_call *c)
{
    int64_t base, value;
    bool too_big = false;
    double real;
    c->out = c->slots[0].kind == JINJA_MISSING ? jinja_int(0) : c->slots[0];
    TRY(jinja_want_int(r, c->slots[1], "the base", 10, &base));
    if (c->self.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, c->self);
    if (c->self.kind == JINJA_FLOAT && !isfinite(c->self.real))
        return isnan(c->self.real) ? HEARTH_OK : jinja_fail(r, "infinity is no integer");
    if (c->self.kind == JINJA_FLOAT)
        return real_to_int(r, c->self.real, &c->out);
    if (jinja_is_integral(c->self))
        c->out = jinja_int(jinja_integer_of(c->self));
    if (c->self.kind != JINJA_STRING)
        return HEARTH_OK;
    const jinja_string *s = c->self.string;
    if (base != 0 && (base < 2 || base > 36))
        return HEARTH_OK;
    if (jinja_parse_int(s->text, s->n, (int)base, &value, &too_big))
        c->out = jinja_int(value);
    else if (too_big)
        return jinja_fail(r, "the number does not fit in a 64-bit integer");
    else if (jinja_parse_float(s->text, s->n, &real) && isfinite(real))
        return real_to_int(r, real, &c->out);
    return HEARTH_OK;
}

static hearth_status filter_float(jinja_run *r, jinja_call *c)
{
    double real;
    c->out = c->slots[0].kind == JINJA_MISSING ? jinja_float(0) : c->slots[0];
    if (c->self.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, c->self);
    if (jinja_is_number(c->self))
        c->out = jinja_float(jinja_real_of(c->self));
    else if (c->self.kind == JINJA_STRING &&
             jinja_parse_float(c->self.string->text, c->self.string->n, &real))
        c->out = jinja_float(real);
    return HEARTH_OK;
}

static hearth_status filter_abs(jinja_run *r, jinja_call *c)
{
    if (jinja_is_number(c->self) && jinja_real_of(c->self) < 0)
        return jinja_negate(r, c->self, true, &c->out);
    return jinja_negate(r, c->self, false, &c->out);
}

static double shifted(double d, int64_t places, int direction)
{
    double scale = pow(10, fabs((double)places));
    if ((places > 0) == (direction > 0))
        return d * scale;
    return d / scale;
}

static hearth_status filter_round(jinja_run *r, jinja_call *c)
{
    int64_t precision;
    const jinja_string *method = NULL;
    if (c->slots[1].kind != JINJA_MISSING)
        TRY(jinja_want_string(r, c->slots[1], "the method", &method));
    TRY(jinja_want_int(r, c->slots[0], "the precision", 0, &precision));
    if (c->self.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, c->self);
    if (!jinja_is_number(c->self))
        return jinja_fail(r, "a %s cannot be rounded", jinja_type_name(c->self));
    if (precision < -300 || precision > 300)
        return jinja_fail(r, "a precision of %lld is too much", (long long)precision);
    double d = jinja_real_of(c->self);
    bool common = method == NULL || jinja_string_is(method, "common");
    if (!common) {
        bool up = jinja_string_is(method, "ceil");
        if (!up && !jinja_string_is(method, "floor"))
            return jinja_fail(r, "the method must be common, ceil or floor");
        d = shifted(d, precision, 1);
        c->out = jinja_float(shifted(up ? ceil(d) : floor(d), precision, -1));
        return HEARTH_OK;
    }
    if (jinja_is_integral(c->self) && precision >= 0)
        return jinja_negate(r, c->self, false, &c->out);
    if (jinja_is_integral(c->self))
        return real_to_int(r, shifted(rint(shifted(d, precision, 1)), precision, -1), &c->out);
    char text[700];
    size_t n = precision >= 0 ? jinja_format_fixed(d, (int)precision, text, sizeof text) : 0;
    if (precision < 0)
        d = shifted(rint(shifted(d, precision, 1)), precision, -1);
    else if (n > 0 && n < 600)
        jinja_parse_float(text, n, &d);
    c->out = jinja_float(d);
    return HEARTH_OK;
}

const jinja_builtin jinja_value_filters[] = {
    {"default", filter_default, "default_value|boolean", 0},
    {"d", filter_default, "default_value|boolean", 0},
    {"length", filter_length, "", 0},
    {"count", filter_length, "", 0},
    {"attr", filter_attr, "name", 1},
    {"int", filter_int, "default|base", 0},
    {"float", filter_float, "default", 0},
    {"abs", filter_abs, "", 0},
    {"round", filter_round, "precision|method", 0},
};
const size_t jinja_n_value_filters = sizeof jinja_value_filters / sizeof *jinja_value_filters;

const jinja_builtin *jinja_find_filter(const jinja_string *name)
{
    const jinja_builtin *found = jinja_find_in(jinja_text_filters, jinja_n_text_filters, name);
    if (found == NULL)
        found = jinja_find_in(jinja_value_filters, jinja_n_value_filters, name);
    return found ? found : jinja_find_in(jinja_sequence_filters, jinja_n_sequence_filters, name);
}

/* ---- tests ---- */

static bool is_iterable(jinja_value v)
{
    return v.kind == JINJA_STRING || v.kind == JINJA_LIST || v.kind == JINJA_DICT ||
           v.kind == JINJA_UNDEFINED || v.kind == JINJA_LOOP;
}

static bool is_sequence(jinja_value v)
{
    return v.kind == JINJA_STRING || v.kind == JINJA_DICT || v.kind == JINJA_UNDEFINED ||
           (v.kind == JINJA_LIST && v.list->flavor <= JINJA_RANGE);
}

#define TEST(name, answer)                                                                         \
    static hearth_status test_##name(jinja_run *r, jinja_call *c)                                  \
    {                                                                                              \
        (void)r;                                                                                   \
        jinja_value v = c->self;                                                                   \
        c->out = jinja_bool(answer);                                                               \
        return HEARTH_OK;                                                                          \
    }
TEST(defined, v.kind != JINJA_UNDEFINED)
TEST(undefined, v.kind == JINJA_UNDEFINED)
TEST(none, v.kind == JINJA_NONE)
TEST(boolean, v.kind == JINJA_BOOL)
TEST(true, v.kind == JINJA_BOOL && v.boolean)
TEST(false, v.kind == JINJA_BOOL && !v.boolean)
TEST(integer, v.kind == JINJA_INT)
TEST(float, v.kind == JINJA_FLOAT)
TEST(number, jinja_is_number(v))
TEST(string, v.kind == JINJA_STRING)
TEST(mapping, v.kind == JINJA_DICT)
TEST(iterable, is_iterable(v))
TEST(sequence, is_sequence(v))
TEST(callable, v.kind >= JINJA_FUNCTION ? v.kind != JINJA_CYCLER : v.kind == JINJA_UNDEFINED)
TEST(escaped, v.markup)
#undef TEST

static hearth_status divides(jinja_run *r, jinja_call *c, jinja_value by, int64_t rest)
{
    bool same;
    TRY(jinja_apply(r, OP_MOD, c->self, by, &c->out));
    TRY(jinja_equal(r, c->out, jinja_int(rest), &same));
    c->out = jinja_bool(same);
    return HEARTH_OK;
}

static hearth_status test_odd(jinja_run *r, jinja_call *c)
{
    return divides(r, c, jinja_int(2), 1);
}

static hearth_status test_even(jinja_run *r, jinja_call *c)
{
    return divides(r, c, jinja_int(2), 0);
}

static hearth_status test_divisibleby(jinja_run *r, jinja_call *c)
{
    return divides(r, c, c->slots[0], 0);
}

static hearth_status test_lower(jinja_run *r, jinja_call *c)
{
    TRY(jinja_str(r, c->self, &c->self));
    c->out = jinja_bool(jinja_text_is_case(c->self.string, false));
    return HEARTH_OK;
}

static hearth_status test_upper(jinja_run *r, jinja_call *c)
{
    TRY(jinja_str(r, c->self, &c->self));
    c->out = jinja_bool(jinja_text_is_case(c->self.string, true));
    return HEARTH_OK;
}

/* The same object: for values that never change, an equal one of the same type. */
static hearth_status test_sameas(jinja_run *r, jinja_call *c)
{
    bool same = c->self.kind == c->slots[0].kind;
    if (same && (c->self.kind == JINJA_LIST || c->self.kind == JINJA_DICT))
        same = c->self.list == c->slots[0].list;
    else if (same)
        TRY(jinja_equal(r, c->self, c->slots[0], &same));
    c->out = jinja_bool(same);
    return HEARTH_OK;
}

static hearth_status test_in(jinja_run *r, jinja_call *c)
{
    bool in;
    TRY(jinja_contains(r, c->slots[0], c->self, &in));
    c->out = jinja_bool(in);
    return HEARTH_OK;
}

static hearth_status test_filter(jinja_run *r, jinja_call *c)
{
    const jinja_string *name;
    TRY(jinja_want_string(r, c->self, "the filter's name", &name));
    c->out = jinja_bool(jinja_find_filter(name) != NULL);
    return HEARTH_OK;
}

static hearth_status test_test(jinja_run *r, jinja_call *c)
{
    const jinja_string *name;
    TRY(jinja_want_string(r, c->self, "the test's name", &name));
    c->out = jinja_bool(jinja_find_test(name) != NULL);
    return HEARTH_OK;
}

static hearth_status equality(jinja_run *r, jinja_call *c, bool wanted)
{
    bool same;
    TRY(jinja_equal(r, c->self, c->slots[0], &same));
    c->out = jinja_bool(same == wanted);
    return HEARTH_OK;
}

static hearth_status test_eq(jinja_run *r, jinja_call *c)
{
    return equality(r, c, true);
}

static hearth_status test_ne(jinja_run *r, jinja_call *c)
{
    return equality(r, c, false);
}

#define ORDER_TEST(name, holds)                                                                    \
    static hearth_status test_##name(jinja_run *r, jinja_call *c)                                  \
    {                                                                                              \
        int order;                                                                                 \
        TRY(jinja_order(r, c->self, c->slots[0], &order));                                         \
        c->out = jinja_bool(order holds 0);                                                        \
        return HEARTH_OK;                                                                          \
    }
ORDER_TEST(lt, <)
ORDER_TEST(le, <=)
ORDER_TEST(gt, >)
ORDER_TEST(ge, >=)
#undef ORDER_TEST

const jinja_builtin *jinja_find_test(const jinja_string *name)
{
    static const jinja_builtin tests[] = {
        {"defined", test_defined, "", 0},    {"undefined", test_undefined, "", 0},
        {"none", test_none, "", 0},          {"boolean", test_boolean, "", 0},
        {"true", test_true, "", 0},          {"false", test_false, "", 0},
        {"integer", test_integer, "", 0},    {"float", test_float, "", 0},
        {"number", test_number, "", 0},      {"string", test_string, "", 0},
        {"mapping", test_mapping, "", 0},    {"iterable", test_iterable, "", 0},
        {"sequence", test_sequence, "", 0},  {"callable", test_callable, "", 0},
        {"escaped", test_escaped, "", 0},    {"odd", test_odd, "", 0},
        {"even", test_even, "", 0},          {"divisibleby", test_divisibleby, "num", 1},
        {"lower", test_lower, "", 0},        {"upper", test_upper, "", 0},
        {"sameas", test_sameas, "other", 1}, {"in", test_in, "seq", 1},
        {"filter", test_filter, "", 0},      {"test", test_test, "", 0},
        {"eq", test_eq, "other", 1},         {"equalto", test_eq, "other", 1},
        {"==", test_eq, "other", 1},         {"ne", test_ne, "other", 1},
        {"!=", test_ne, "other", 1},         {"lt", test_lt, "other", 1},
        {"lessthan", test_lt, "other", 1},   {"<", test_lt, "other", 1},
        {"le", test_le, "other", 1},         {"<=", test_le, "other", 1},
        {"gt", test_gt, "other", 1},         {"greaterthan", test_gt, "other", 1},
        {">", test_gt, "other", 1},          {"ge", test_ge, "other", 1},
        {">=", test_ge, "other", 1},
    };
    return jinja_find_in(tests, sizeof tests / sizeof *tests, name);
}
