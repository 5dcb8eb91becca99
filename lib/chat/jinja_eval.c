/* SPDX-License-Identifier: MIT
 *
 * jinja_eval.c - the value of an expression, and names.
 *
 * A name is looked for in the frames from the innermost out, then in the variables of the request,
 * then among Jinja's globals. Frames are few and small, so they are searched, not hashed.
 */
#include <string.h>

#include "chat/jinja_run.h"

/* ---- names ---- */

hearth_status jinja_bind(jinja_run *r, jinja_frame *f, uint32_t name, jinja_value v)
{
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->items[i].name == name) {
            f->items[i].value = v;
            return HEARTH_OK;
        }
    }
    if (f->n == f->capacity) {
        uint32_t capacity = f->capacity ? f->capacity * 2 : 4;
        jinja_binding *items;
        TRY(jinja_new(r, capacity * sizeof *items, &items));
        if (f->n > 0)
            memcpy(items, f->items, f->n * sizeof *items);
        f->items = items;
        f->capacity = capacity;
    }
    f->items[f->n++] = (jinja_binding){name, v};
    return HEARTH_OK;
}

hearth_status jinja_lookup(jinja_run *r, const jinja_frame *f, uint32_t name, jinja_value *out)
{
    uint64_t steps = 0;
    for (; f; f = f->parent) {
        for (uint32_t i = 0; i < f->n; i++) {
            if (f->items[i].name == name) {
                *out = f->items[i].value;
                return HEARTH_OK;
            }
        }
        steps += f->n / 16;
    }
    TRY(jinja_spend(r, steps));
    jinja_value *value;
    const jinja_string *text = r->t->names[name];
    TRY(jinja_dict_find(r, r->context, jinja_of_string(text), &value));
    const jinja_builtin *global = value ? NULL : jinja_find_global(name);
    if (value)
        *out = *value;
    else if (global)
        *out = (jinja_value){.kind = JINJA_FUNCTION, .function = global};
    else
        *out = jinja_undefined(text, JINJA_LACK_NAME);
    return HEARTH_OK;
}

static hearth_status assign_attribute(jinja_run *r, jinja_frame *f, const jinja_node *target,
                                      jinja_value v)
{
    jinja_value space;
    TRY(jinja_lookup(r, f, target->name, &space));
    r->at = target;
    if (space.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, space);
    if (space.kind != JINJA_NAMESPACE)
        return jinja_fail(r, "attributes can be set of a namespace only, not of a %s",
                          jinja_type_name(space));
    return jinja_dict_set(r, space.dict, jinja_of_string(r->t->names[target->name2]), v);
}

hearth_status jinja_assign(jinja_run *r, jinja_frame *f, const jinja_node *target, jinja_value v)
{
    if (target->type == NODE_NAME)
        return jinja_bind(r, f, target->name, v);
    if (target->type == NODE_TARGET)
        return assign_attribute(r, f, target, v);
    jinja_list *list;
    r->at = target;
    TRY(jinja_iterate(r, v, &list));
    if (list->n != target->n)
        return jinja_fail(r, "%zu values cannot be assigned to %zu names", list->n, target->n);
    for (size_t i = 0; i < list->n; i++)
        TRY(jinja_assign(r, f, target->kids[i], list->items[i]));
    return HEARTH_OK;
}

/* ---- expressions ---- */

static hearth_status eval_list(jinja_run *r, jinja_frame *f, const jinja_node *node,
                               jinja_value *out)
{
    jinja_value *items;
    TRY(jinja_make_list(r, node->type == NODE_TUPLE ? JINJA_TUPLE : JINJA_PLAIN, node->n, &items,
                        out));
    for (size_t i = 0; i < node->n; i++)
        TRY(jinja_eval(r, f, node->kids[i], &items[i]));
    return HEARTH_OK;
}

static hearth_status eval_dict(jinja_run *r, jinja_frame *f, const jinja_node *node,
                               jinja_value *out)
{
    jinja_dict *d;
    TRY(jinja_make_dict(r, &d));
    for (size_t i = 0; i < node->n; i += 2) {
        jinja_value key, value;
        TRY(jinja_eval(r, f, node->kids[i], &key));
        TRY(jinja_eval(r, f, node->kids[i + 1], &value));
        r->at = node;
        TRY(jinja_dict_set(r, d, key, value));
    }
    *out = (jinja_value){.kind = JINJA_DICT, .dict = d};
    return HEARTH_OK;
}

static hearth_status eval_slice(jinja_run *r, jinja_frame *f, const jinja_node *node,
                                jinja_value *out)
{
    jinja_value v, part[3] = {{.kind = JINJA_MISSING}};
    TRY(jinja_eval(r, f, node->kids[0], &v));
    for (size_t i = 0; i < 3; i++) {
        if (node->kids[i + 1])
            TRY(jinja_eval(r, f, node->kids[i + 1], &part[i]));
    }
    r->at = node;
    return jinja_slice(r, v, part, out);
}

static hearth_status eval_filter(jinja_run *r, jinja_frame *f, const jinja_node *node,
                                 jinja_value self, jinja_value *out)
{
    jinja_args args;
    const jinja_string *name = r->t->names[node->name];
    r->at = node;
    if (node->builtin == NULL)
        return jinja_fail(r, "there is no %s named '%.*s'",
                          node->type == NODE_TEST ? "test" : "filter",
                          (int)(name->n < 64 ? name->n : 64), name->text);
    TRY(jinja_eval_args(r, f, node->args, &args));
    r->at = node;
    return jinja_call_builtin(r, node->builtin, self, &args, out);
}

static hearth_status eval_test(jinja_run *r, jinja_frame *f, const jinja_node *node,
                               jinja_value *out)
{
    jinja_value self;
    TRY(jinja_eval(r, f, node->kids[0], &self));
    TRY(eval_filter(r, f, node, self, out));
    *out = jinja_bool(out->boolean != node->flag);
    return HEARTH_OK;
}

static hearth_status compare(jinja_run *r, jinja_op op, jinja_value a, jinja_value b, bool *out)
{
    int order;
    switch (op) {
    case OP_EQ:
    case OP_NE:
        TRY(jinja_equal(r, a, b, out));
        *out ^= op == OP_NE;
        return HEARTH_OK;
    case OP_IN:
    case OP_NOT_IN:
        TRY(jinja_contains(r, b, a, out));
        *out ^= op == OP_NOT_IN;
        return HEARTH_OK;
    default:
        TRY(jinja_order(r, a, b, &order));
        *out = op == OP_LT   ? order < 0
               : op == OP_LE ? order <= 0
               : op == OP_GT ? order > 0
                             : order >= 0;
        if ((a.kind == JINJA_FLOAT && a.real != a.real) ||
            (b.kind == JINJA_FLOAT && b.real != b.real))
            *out = false;
        return HEARTH_OK;
    }
}

static hearth_status eval_compare(jinja_run *r, jinja_frame *f, const jinja_node *node,
                                  jinja_value *out)
{
    jinja_value left, right;
    bool holds = true;
    TRY(jinja_eval(r, f, node->kids[0], &left));
    for (size_t i = 1; i < node->n && holds; i++) {
        TRY(jinja_eval(r, f, node->kids[i], &right));
        r->at = node;
        TRY(compare(r, (jinja_op)node->ops[i - 1], left, right, &holds));
        left = right;
    }
    *out = jinja_bool(holds);
    return HEARTH_OK;
}

static hearth_status eval_concat(jinja_run *r, jinja_frame *f, const jinja_node *node,
                                 jinja_value *out)
{
    buf b;
    hearth_status status = HEARTH_OK;
    buf_init(&b, r->max_output);
    for (size_t i = 0; i < node->n && status == HEARTH_OK; i++) {
        jinja_value part;
        status = jinja_eval(r, f, node->kids[i], &part);
        if (status == HEARTH_OK)
            status = jinja_write_str(r, &b, part);
    }
    if (status == HEARTH_OK)
        return jinja_take(r, &b, out);
    buf_deinit(&b);
    return status;
}

static hearth_status eval_call(jinja_run *r, jinja_frame *f, const jinja_node *node,
                               jinja_value *out)
{
    jinja_value callee;
    jinja_args args;
    TRY(jinja_eval(r, f, node->kids[0], &callee));
    TRY(jinja_eval_args(r, f, node->args, &args));
    r->at = node;
    return jinja_call_value(r, callee, &args, out);
}

/* Nodes of one or two values that are needed in any case. */
static hearth_status eval_values(jinja_run *r, jinja_frame *f, const jinja_node *node,
                                 jinja_value *out)
{
    jinja_value a, b;
    TRY(jinja_eval(r, f, node->kids[0], &a));
    if (node->n > 1)
        TRY(jinja_eval(r, f, node->kids[1], &b));
    r->at = node;
    switch ((jinja_node_type)node->type) {
    case NODE_ATTRIBUTE:
        return jinja_attribute(r, a, r->t->names[node->name], out);
    case NODE_ITEM:
        return jinja_item(r, a, b, out);
    case NODE_NOT:
        *out = jinja_bool(!jinja_is_true(a));
        return HEARTH_OK;
    case NODE_BINARY:
        return jinja_apply(r, (jinja_op)node->op, a, b, out);
    default:
        return jinja_negate(r, a, node->type == NODE_NEGATE, out);
    }
}

/* Nodes that may leave a part of themselves alone. */
static hearth_status eval_choice(jinja_run *r, jinja_frame *f, const jinja_node *node,
                                 jinja_value *out)
{
    TRY(jinja_eval(r, f, node->kids[0], out));
    bool is_true = jinja_is_true(*out);
    if (node->type != NODE_CONDITION)
        return is_true == (node->type == NODE_AND) ? jinja_eval(r, f, node->kids[1], out)
                                                   : HEARTH_OK;
    const jinja_node *chosen = node->kids[is_true ? 1 : 2];
    if (chosen)
        return jinja_eval(r, f, chosen, out);
    *out = jinja_undefined(NULL, JINJA_LACK_MEMBER);
    return HEARTH_OK;
}

static hearth_status eval_node(jinja_run *r, jinja_frame *f, const jinja_node *node,
                               jinja_value *out)
{
    switch ((jinja_node_type)node->type) {
    case NODE_LIST:
    case NODE_TUPLE:
        return eval_list(r, f, node, out);
    case NODE_DICT:
        return eval_dict(r, f, node, out);
    case NODE_SLICE:
        return eval_slice(r, f, node, out);
    case NODE_CALL:
        return eval_call(r, f, node, out);
    case NODE_FILTER:
        TRY(jinja_eval(r, f, node->kids[0], out));
        return eval_filter(r, f, node, *out, out);
    case NODE_TEST:
        return eval_test(r, f, node, out);
    case NODE_COMPARE:
        return eval_compare(r, f, node, out);
    case NODE_CONCAT:
        return eval_concat(r, f, node, out);
    case NODE_AND:
    case NODE_OR:
    case NODE_CONDITION:
        return eval_choice(r, f, node, out);
    default:
        return eval_values(r, f, node, out);
    }
}

hearth_status jinja_eval(jinja_run *r, jinja_frame *f, const jinja_node *node, jinja_value *out)
{
    TRY(jinja_spend(r, 1));
    if (node->type == NODE_CONST) {
        *out = node->constant;
        return HEARTH_OK;
    }
    r->at = node;
    if (node->type == NODE_NAME)
        return jinja_lookup(r, f, node->name, out);
    TRY(jinja_enter(r));
    hearth_status status = eval_node(r, f, node, out);
    jinja_leave(r);
    return status;
}
