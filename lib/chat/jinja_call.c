/* SPDX-License-Identifier: MIT
 *
 * jinja_call.c - arguments, and calls of macros and builtins.
 */
#include <string.h>

#include "chat/jinja_run.h"

/* ---- arguments ---- */

static hearth_status append_star(jinja_run *r, jinja_frame *f, const jinja_node *star,
                                 jinja_args *out)
{
    jinja_value v, *items;
    jinja_list *more;
    TRY(jinja_eval(r, f, star, &v));
    TRY(jinja_iterate(r, v, &more));
    TRY(jinja_new(r, (out->n + more->n) * sizeof *items, &items));
    if (out->n > 0)
        memcpy(items, out->items, out->n * sizeof *items);
    if (more->n > 0)
        memcpy(items + out->n, more->items, more->n * sizeof *items);
    out->items = items;
    out->n += more->n;
    return HEARTH_OK;
}

static hearth_status append_double_star(jinja_run *r, jinja_frame *f, const jinja_node *star,
                                        jinja_args *out)
{
    jinja_value v;
    jinja_keyword *keywords;
    TRY(jinja_eval(r, f, star, &v));
    r->at = star;
    if (v.kind != JINJA_DICT)
        return jinja_fail(r, "** needs a dict, not a %s", jinja_type_name(v));
    TRY(jinja_new(r, (out->n_keywords + v.dict->n) * sizeof *keywords, &keywords));
    if (out->n_keywords > 0)
        memcpy(keywords, out->keywords, out->n_keywords * sizeof *keywords);
    out->keywords = keywords;
    for (size_t i = 0; i < v.dict->n; i++) {
        if (v.dict->entries[i].key.kind != JINJA_STRING)
            return jinja_fail(r, "the keys behind ** must be strings");
        keywords[out->n_keywords].name = v.dict->entries[i].key.string;
        keywords[out->n_keywords++].value = v.dict->entries[i].value;
    }
    return HEARTH_OK;
}

hearth_status jinja_eval_args(jinja_run *r, jinja_frame *f, const jinja_call_args *args,
                              jinja_args *out)
{
    jinja_value *items = NULL;
    jinja_keyword *keywords = NULL;
    *out = (jinja_args){0};
    if (args->n > 0)
        TRY(jinja_new(r, args->n * sizeof *items, &items));
    for (size_t i = 0; i < args->n; i++)
        TRY(jinja_eval(r, f, args->items[i], &items[i]));
    if (args->n_keywords > 0)
        TRY(jinja_new(r, args->n_keywords * sizeof *keywords, &keywords));
    for (size_t i = 0; i < args->n_keywords; i++) {
        keywords[i].name = r->t->names[args->keywords[i]];
        TRY(jinja_eval(r, f, args->keyword_values[i], &keywords[i].value));
    }
    *out = (jinja_args){items, args->n, keywords, args->n_keywords};
    if (args->star)
        TRY(append_star(r, f, args->star, out));
    return args->double_star ? append_double_star(r, f, args->double_star, out) : HEARTH_OK;
}

/* The place of a keyword among "a|b|c", or -1. */
static int parameter_index(const char *parameters, const jinja_string *name)
{
    int index = 0;
    for (const char *p = parameters; *p; index++) {
        size_t n = strcspn(p, "|");
        if (n == name->n && memcmp(p, name->text, n) == 0)
            return index;
        p += n + (p[n] == '|');
    }
    return -1;
}

static size_t count_parameters(const char *parameters)
{
    size_t n = *parameters != '\0';
    for (; *parameters; parameters++)
        n += *parameters == '|';
    return n;
}

static hearth_status fill_slots(jinja_run *r, const jinja_builtin *b, jinja_call *c)
{
    const jinja_args *args = c->args;
    size_t n = count_parameters(b->parameters);
    if (args->n > n)
        return jinja_fail(r, "%s takes %zu arguments at most, not %zu", b->name, n, args->n);
    for (size_t i = 0; i < args->n; i++)
        c->slots[i] = args->items[i];
    for (size_t i = 0; i < args->n_keywords; i++) {
        const jinja_string *name = args->keywords[i].name;
        int at = parameter_index(b->parameters, name);
        if (at < 0)
            return jinja_fail(r, "%s has no argument '%.*s'", b->name,
                              (int)(name->n < 64 ? name->n : 64), name->text);
        if (c->slots[at].kind != JINJA_MISSING)
            return jinja_fail(r, "%s is given '%.*s' twice", b->name, (int)name->n, name->text);
        c->slots[at] = args->keywords[i].value;
    }
    for (size_t i = 0; i < b->n_required; i++) {
        if (c->slots[i].kind == JINJA_MISSING)
            return jinja_fail(r, "%s needs %u argument%s", b->name, b->n_required,
                              b->n_required == 1 ? "" : "s");
    }
    return HEARTH_OK;
}

hearth_status jinja_call_builtin(jinja_run *r, const jinja_builtin *b, jinja_value self,
                                 const jinja_args *args, jinja_value *out)
{
    jinja_call c = {.self = self, .args = args, .out = jinja_none()};
    TRY(jinja_spend(r, 1));
    if (b->parameters)
        TRY(fill_slots(r, b, &c));
    TRY(jinja_enter(r));
    hearth_status status = b->call(r, &c);
    jinja_leave(r);
    *out = c.out;
    return status;
}

hearth_status jinja_want_string(jinja_run *r, jinja_value v, const char *what,
                                const jinja_string **out)
{
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    if (v.kind != JINJA_STRING)
        return jinja_fail(r, "%s must be a string, not a %s", what, jinja_type_name(v));
    *out = v.string;
    return HEARTH_OK;
}

hearth_status jinja_want_int(jinja_run *r, jinja_value v, const char *what, int64_t missing,
                             int64_t *out)
{
    *out = missing;
    if (v.kind == JINJA_MISSING)
        return HEARTH_OK;
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    if (!jinja_is_integral(v))
        return jinja_fail(r, "%s must be an integer, not a %s", what, jinja_type_name(v));
    *out = jinja_integer_of(v);
    return HEARTH_OK;
}

bool jinja_want_flag(jinja_value v, bool missing)
{
    return v.kind == JINJA_MISSING ? missing : jinja_is_true(v);
}

/* ---- macros ---- */

static hearth_status bind_rest(jinja_run *r, jinja_frame *f, const jinja_signature *s,
                               const jinja_args *args, const bool *used)
{
    jinja_value list, *items, caller = jinja_undefined(r->t->names[NAME_CALLER], JINJA_LACK_NAME);
    jinja_dict *rest;
    TRY(jinja_make_dict(r, &rest));
    for (size_t i = 0; i < args->n_keywords; i++) {
        const jinja_string *name = args->keywords[i].name;
        if (used[i])
            continue;
        if (s->takes_caller && jinja_string_is(name, "caller"))
            caller = args->keywords[i].value;
        else if (s->takes_kwargs)
            TRY(jinja_dict_set(r, rest, jinja_of_string(name), args->keywords[i].value));
        else
            return jinja_fail(r, "the macro has no parameter '%.*s'",
                              (int)(name->n < 64 ? name->n : 64), name->text);
    }
    if (s->takes_caller)
        TRY(jinja_bind(r, f, NAME_CALLER, caller));
    if (s->takes_kwargs)
        TRY(jinja_bind(r, f, NAME_KWARGS, (jinja_value){.kind = JINJA_DICT, .dict = rest}));
    size_t n = args->n > s->n ? args->n - s->n : 0;
    if (n > 0 && !s->takes_varargs)
        return jinja_fail(r, "the macro takes %zu arguments at most, not %zu", s->n, args->n);
    if (!s->takes_varargs)
        return HEARTH_OK;
    TRY(jinja_make_list(r, JINJA_TUPLE, n, &items, &list));
    for (size_t i = 0; i < n; i++)
        items[i] = args->items[s->n + i];
    return jinja_bind(r, f, NAME_VARARGS, list);
}

static hearth_status bind_parameters(jinja_run *r, jinja_frame *f, const jinja_signature *s,
                                     const jinja_args *args)
{
    bool *used;
    TRY(jinja_new(r, args->n_keywords, &used));
    memset(used, 0, args->n_keywords);
    for (size_t i = 0; i < s->n; i++) {
        const jinja_string *name = r->t->names[s->names[i]];
        jinja_value v = jinja_undefined(name, JINJA_LACK_ARGUMENT);
        bool given = i < args->n;
        if (given)
            v = args->items[i];
        for (size_t k = 0; k < args->n_keywords; k++) {
            if (!used[k] && jinja_string_equal(args->keywords[k].name, name)) {
                if (given)
                    return jinja_fail(r, "the macro's parameter '%.*s' is given twice",
                                      (int)(name->n < 64 ? name->n : 64), name->text);
                v = args->keywords[k].value;
                given = used[k] = true;
            }
        }
        if (!given && s->defaults[i])
            TRY(jinja_eval(r, f, s->defaults[i], &v));
        TRY(jinja_bind(r, f, s->names[i], v));
    }
    return bind_rest(r, f, s, args, used);
}

static hearth_status call_macro(jinja_run *r, const jinja_macro *macro, const jinja_args *args,
                                jinja_value *out)
{
    const jinja_node *node = macro->node, *at = r->at;
    jinja_frame *f;
    TRY(jinja_new(r, sizeof *f, &f));
    *f = (jinja_frame){.parent = macro->frame};
    TRY(jinja_enter(r));
    hearth_status status = bind_parameters(r, f, node->signature, args);
    if (status == HEARTH_OK)
        status = jinja_capture(r, f, node->kids[macro->is_caller ? 1 : 0], out);
    jinja_leave(r);
    if (status == HEARTH_OK)
        r->at = at;
    return status;
}

/* ---- objects that are called ---- */

static hearth_status call_loop(jinja_run *r, jinja_loop *loop, const jinja_args *args,
                               jinja_value *out)
{
    buf b, *outer = r->out;
    if (!loop->node->flag)
        return jinja_fail(r, "the loop is not recursive; write 'recursive' at the end of its for");
    if (args->n != 1 || args->n_keywords)
        return jinja_fail(r, "loop() takes the sequence to go on with");
    buf_init(&b, r->max_output);
    r->out = &b;
    hearth_status status = jinja_enter(r);
    if (status == HEARTH_OK) {
        status =
            jinja_run_loop(r, loop->frame->parent, loop->node, args->items[0], loop->level + 1);
        jinja_leave(r);
    }
    r->out = outer;
    if (status == HEARTH_OK)
        return jinja_take(r, &b, out);
    buf_deinit(&b);
    return status;
}

/* The separator, but for the first time. */
static hearth_status call_joiner(jinja_run *r, jinja_turn *turn, jinja_value *out)
{
    if (turn->next++ == 0)
        return jinja_make_text(r, "", out);
    *out = jinja_of_string(turn->sep);
    return HEARTH_OK;
}

hearth_status jinja_call_value(jinja_run *r, jinja_value callee, const jinja_args *args,
                               jinja_value *out)
{
    switch ((jinja_kind)callee.kind) {
    case JINJA_FUNCTION:
        return jinja_call_builtin(r, callee.function, jinja_none(), args, out);
    case JINJA_METHOD:
        return jinja_call_builtin(r, callee.method->builtin, callee.method->self, args, out);
    case JINJA_MACRO:
        return call_macro(r, callee.macro, args, out);
    case JINJA_LOOP:
        return call_loop(r, callee.loop, args, out);
    case JINJA_JOINER:
        return call_joiner(r, callee.turn, out);
    case JINJA_UNDEFINED:
        return jinja_fail_undefined(r, callee);
    default:
        return jinja_fail(r, "a %s cannot be called", jinja_type_name(callee));
    }
}
