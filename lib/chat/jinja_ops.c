/* SPDX-License-Identifier: MIT
 *
 * jinja_ops.c - Python's arithmetic on values. Integers have 64 bits; what would need more is an
 * error, never a wrong number.
 */
#include <math.h>
#include <string.h>

#include "chat/jinja_run.h"

static const char *symbol(jinja_op op)
{
    static const char *const symbols[] = {"+", "-", "*", "/", "//", "%", "**"};
    return op <= OP_POW ? symbols[op] : "?";
}

static hearth_status overflow(jinja_run *r)
{
    return jinja_fail(r, "the result does not fit in a 64-bit integer");
}

static hearth_status mismatch(jinja_run *r, jinja_op op, jinja_value a, jinja_value b)
{
    if (a.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, a);
    if (b.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, b);
    if (op == OP_ADD && a.kind == JINJA_STRING)
        return jinja_fail(r, "a %s cannot be added to a string; turn it into one with |string or ~",
                          jinja_type_name(b));
    return jinja_fail(r, "%s %s %s is not defined", jinja_type_name(a), symbol(op),
                      jinja_type_name(b));
}

/* ---- numbers ---- */

static hearth_status divide_integers(jinja_run *r, jinja_op op, int64_t a, int64_t b,
                                     jinja_value *out)
{
    if (b == 0)
        return jinja_fail(r, "division by zero");
    if (b == -1) {
        int64_t negative;
        if (op == OP_FLOORDIV && __builtin_sub_overflow((int64_t)0, a, &negative))
            return overflow(r);
        *out = jinja_int(op == OP_FLOORDIV ? negative : 0);
        return HEARTH_OK;
    }
    int64_t quotient = a / b, rest = a % b;
    if (rest != 0 && (rest < 0) != (b < 0)) { /* towards minus infinity */
        quotient--;
        rest += b;
    }
    *out = jinja_int(op == OP_FLOORDIV ? quotient : rest);
    return HEARTH_OK;
}

static hearth_status power(jinja_run *r, int64_t base, int64_t exponent, jinja_value *out)
{
    int64_t result = 1;
    bool fits = true;
    if (exponent < 0) {
        if (base == 0)
            return jinja_fail(r, "0 cannot be raised to a negative power");
        *out = jinja_float(pow((double)base, (double)exponent));
        return HEARTH_OK;
    }
    while (exponent > 0 && fits) {
        if (exponent & 1)
            fits = !__builtin_mul_overflow(result, base, &result);
        exponent >>= 1;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base))
            fits = false;
    }
    if (!fits)
        return overflow(r);
    *out = jinja_int(result);
    return HEARTH_OK;
}

static hearth_status integers(jinja_run *r, jinja_op op, int64_t a, int64_t b, jinja_value *out)
{
    int64_t result = 0;
    bool over = false;
    switch (op) {
    case OP_ADD:
        over = __builtin_add_overflow(a, b, &result);
        break;
    case OP_SUB:
        over = __builtin_sub_overflow(a, b, &result);
        break;
    case OP_MUL:
        over = __builtin_mul_overflow(a, b, &result);
        break;
    case OP_DIV:
        if (b == 0)
            return jinja_fail(r, "division by zero");
        *out = jinja_float((double)a / (double)b);
        return HEARTH_OK;
    case OP_POW:
        return power(r, a, b, out);
    default:
        return divide_integers(r, op, a, b, out);
    }
    if (over)
        return overflow(r);
    *out = jinja_int(result);
    return HEARTH_OK;
}

static hearth_status reals(jinja_run *r, jinja_op op, double a, double b, jinja_value *out)
{
    if (b == 0 && (op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD))
        return jinja_fail(r, "division by zero");
    double rest = op == OP_FLOORDIV || op == OP_MOD ? fmod(a, b) : 0;
    double result = 0;
    switch (op) {
    case OP_ADD:
        result = a + b;
        break;
    case OP_SUB:
        result = a - b;
        break;
    case OP_MUL:
        result = a * b;
        break;
    case OP_DIV:
        result = a / b;
        break;
    case OP_POW:
        result = pow(a, b);
        if (isnan(result) && !isnan(a) && !isnan(b))
            return jinja_fail(r, "the power is not a real number");
        break;
    case OP_FLOORDIV:
        if (rest != 0 && (rest < 0) != (b < 0))
            rest += b;
        result = round((a - rest) / b);
        break;
    default:
        if (rest != 0 && (rest < 0) != (b < 0))
            rest += b;
        result = rest == 0 ? copysign(0, b) : rest;
        break;
    }
    *out = jinja_float(result);
    return HEARTH_OK;
}

/* ---- strings and lists ---- */

static hearth_status join_strings(jinja_run *r, jinja_value a, jinja_value b, jinja_value *out)
{
    bool markup = a.markup || b.markup;
    if (markup && !a.markup)
        TRY(jinja_escape(r, a, &a));
    if (markup && !b.markup)
        TRY(jinja_escape(r, b, &b));
    char *text;
    size_t n = a.string->n + b.string->n;
    TRY(jinja_new(r, n, &text));
    memcpy(text, a.string->text, a.string->n);
    memcpy(text + a.string->n, b.string->text, b.string->n);
    TRY(jinja_wrap_string(r, text, n, out));
    out->markup = markup;
    return HEARTH_OK;
}

static hearth_status join_lists(jinja_run *r, const jinja_list *a, const jinja_list *b,
                                jinja_value *out)
{
    jinja_value *items;
    jinja_flavor flavor = a->flavor == JINJA_PLAIN ? JINJA_PLAIN : JINJA_TUPLE;
    TRY(jinja_make_list(r, flavor, a->n + b->n, &items, out));
    memcpy(items, a->items, a->n * sizeof *items);
    memcpy(items + a->n, b->items, b->n * sizeof *items);
    return HEARTH_OK;
}

static hearth_status repeat(jinja_run *r, jinja_value v, int64_t times, jinja_value *out)
{
    size_t n = v.kind == JINJA_STRING ? v.string->n : v.list->n, total;
    if (times < 0)
        times = 0;
    if (__builtin_mul_overflow(n, (size_t)times, &total) || total > (size_t)PTRDIFF_MAX / 16)
        return jinja_fail(r, "repeating it %lld times would be too long", (long long)times);
    if (v.kind == JINJA_STRING) {
        char *text;
        TRY(jinja_new(r, total, &text));
        for (size_t at = 0; at < total; at += n)
            memcpy(text + at, v.string->text, n);
        TRY(jinja_wrap_string(r, text, total, out));
        out->markup = v.markup;
        return HEARTH_OK;
    }
    jinja_value *items;
    TRY(jinja_make_list(r, v.list->flavor == JINJA_PLAIN ? JINJA_PLAIN : JINJA_TUPLE, total, &items,
                        out));
    for (size_t at = 0; at < total; at += n)
        memcpy(items + at, v.list->items, n * sizeof *items);
    return HEARTH_OK;
}

static bool repeats(jinja_value v)
{
    return v.kind == JINJA_STRING || jinja_is_flavor(v, JINJA_PLAIN) || jinja_is_tuple(v);
}

hearth_status jinja_apply(jinja_run *r, jinja_op op, jinja_value a, jinja_value b, jinja_value *out)
{
    if (jinja_is_integral(a) && jinja_is_integral(b))
        return integers(r, op, jinja_integer_of(a), jinja_integer_of(b), out);
    if (jinja_is_number(a) && jinja_is_number(b))
        return reals(r, op, jinja_real_of(a), jinja_real_of(b), out);
    if (op == OP_MOD && a.kind == JINJA_STRING)
        return jinja_percent(r, a, b, out);
    if (op == OP_ADD && a.kind == JINJA_STRING && b.kind == JINJA_STRING)
        return join_strings(r, a, b, out);
    if (op == OP_ADD && ((jinja_is_flavor(a, JINJA_PLAIN) && jinja_is_flavor(b, JINJA_PLAIN)) ||
                         (jinja_is_tuple(a) && jinja_is_tuple(b))))
        return join_lists(r, a.list, b.list, out);
    if (op == OP_MUL && repeats(a) && jinja_is_integral(b))
        return repeat(r, a, jinja_integer_of(b), out);
    if (op == OP_MUL && repeats(b) && jinja_is_integral(a))
        return repeat(r, b, jinja_integer_of(a), out);
    return mismatch(r, op, a, b);
}

hearth_status jinja_negate(jinja_run *r, jinja_value v, bool negative, jinja_value *out)
{
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    if (!jinja_is_number(v))
        return jinja_fail(r, "a %s has no sign", jinja_type_name(v));
    if (v.kind == JINJA_FLOAT)
        *out = jinja_float(negative ? -v.real : v.real);
    else if (negative)
        return integers(r, OP_SUB, 0, jinja_integer_of(v), out);
    else
        *out = jinja_int(jinja_integer_of(v));
    return HEARTH_OK;
}
