/* SPDX-License-Identifier: MIT
 *
 * jinja_exec.c - what the statements of a template do.
 *
 * Scopes   A loop, macro, call, with, filter block, set block and generation has names of its own;
 *          `if` has not. Assigning binds in the innermost scope, reading looks outwards.
 */
#include <string.h>

#include "chat/jinja_run.h"

hearth_status jinja_capture(jinja_run *r, jinja_frame *f, const jinja_node *body, jinja_value *out)
{
    buf b, *outer = r->out;
    int jump = JUMP_NONE;
    buf_init(&b, r->max_output);
    r->out = &b;
    hearth_status status = jinja_exec(r, f, body, &jump);
    r->out = outer;
    if (status == HEARTH_OK)
        return jinja_take(r, &b, out);
    buf_deinit(&b);
    return status;
}

static hearth_status exec_print(jinja_run *r, jinja_frame *f, const jinja_node *node)
{
    jinja_value v;
    TRY(jinja_eval(r, f, node->kids[0], &v));
    r->at = node;
    return jinja_write_str(r, r->out, v);
}

static hearth_status exec_if(jinja_run *r, jinja_frame *f, const jinja_node *node, int *jump)
{
    size_t i = 0;
    for (; i + 1 < node->n; i += 2) {
        jinja_value test;
        TRY(jinja_eval(r, f, node->kids[i], &test));
        if (jinja_is_true(test))
            return jinja_exec(r, f, node->kids[i + 1], jump);
    }
    return i < node->n ? jinja_exec(r, f, node->kids[i], jump) : HEARTH_OK;
}

static hearth_status exec_for(jinja_run *r, jinja_frame *f, const jinja_node *node)
{
    jinja_value source;
    TRY(jinja_eval(r, f, node->kids[1], &source));
    r->at = node;
    return jinja_run_loop(r, f, node, source, 0);
}

static hearth_status exec_set(jinja_run *r, jinja_frame *f, const jinja_node *node)
{
    jinja_value v;
    TRY(jinja_eval(r, f, node->kids[1], &v));
    return jinja_assign(r, f, node->kids[0], v);
}

/* Filters around the text of a body: the innermost takes the text. */
static hearth_status filter_text(jinja_run *r, jinja_frame *f, const jinja_node *filter,
                                 jinja_value text, jinja_value *out)
{
    jinja_args args;
    TRY(jinja_enter(r));
    hearth_status status = HEARTH_OK;
    *out = text;
    if (filter->kids[0])
        status = filter_text(r, f, filter->kids[0], text, out);
    if (status == HEARTH_OK)
        status = jinja_eval_args(r, f, filter->args, &args);
    r->at = filter;
    if (status == HEARTH_OK && filter->builtin == NULL)
        status = jinja_fail(r, "there is no such filter");
    if (status == HEARTH_OK)
        status = jinja_call_builtin(r, filter->builtin, *out, &args, out);
    jinja_leave(r);
    return status;
}

static hearth_status new_frame(jinja_run *r, jinja_frame *parent, jinja_frame **out)
{
    TRY(jinja_new(r, sizeof **out, out));
    **out = (jinja_frame){.parent = parent};
    return HEARTH_OK;
}

static hearth_status exec_set_block(jinja_run *r, jinja_frame *f, const jinja_node *node)
{
    jinja_value text;
    jinja_frame *inner;
    TRY(new_frame(r, f, &inner));
    TRY(jinja_capture(r, inner, node->kids[1], &text));
    if (node->kids[2])
        TRY(filter_text(r, f, node->kids[2], text, &text));
    return jinja_assign(r, f, node->kids[0], text);
}

static hearth_status exec_filter_block(jinja_run *r, jinja_frame *f, const jinja_node *node)
{
    jinja_value text;
    jinja_frame *inner;
    TRY(new_frame(r, f, &inner));
    TRY(jinja_capture(r, inner, node->kids[1], &text));
    TRY(filter_text(r, f, node->kids[0], text, &text));
    return jinja_write_str(r, r->out, text);
}

static hearth_status new_macro(jinja_run *r, jinja_frame *f, const jinja_node *node, bool is_caller,
                               jinja_value *out)
{
    jinja_macro *macro;
    TRY(jinja_new(r, sizeof *macro, &macro));
    *macro = (jinja_macro){node, f, is_caller};
    *out = (jinja_value){.kind = JINJA_MACRO, .macro = macro};
    return HEARTH_OK;
}

static hearth_status exec_macro(jinja_run *r, jinja_frame *f, const jinja_node *node)
{
    jinja_value v;
    TRY(new_macro(r, f, node, false, &v));
    return jinja_bind(r, f, node->name, v);
}

/* The call with one keyword argument more: caller. */
static hearth_status exec_call_block(jinja_run *r, jinja_frame *f, const jinja_node *node)
{
    const jinja_node *call = node->kids[0];
    jinja_value callee, text;
    jinja_args args;
    jinja_keyword *keywords;
    TRY(jinja_eval(r, f, call->kids[0], &callee));
    TRY(jinja_eval_args(r, f, call->args, &args));
    TRY(jinja_new(r, (args.n_keywords + 1) * sizeof *keywords, &keywords));
    if (args.n_keywords > 0)
        memcpy(keywords, args.keywords, args.n_keywords * sizeof *keywords);
    keywords[args.n_keywords].name = r->t->names[NAME_CALLER];
    TRY(new_macro(r, f, node, true, &keywords[args.n_keywords].value));
    args.keywords = keywords;
    args.n_keywords++;
    r->at = node;
    TRY(jinja_call_value(r, callee, &args, &text));
    return jinja_write_str(r, r->out, text);
}

static hearth_status exec_with(jinja_run *r, jinja_frame *f, const jinja_node *node, int *jump)
{
    jinja_frame *inner;
    TRY(new_frame(r, f, &inner));
    for (size_t i = 1; i < node->n; i += 2) {
        jinja_value v;
        TRY(jinja_eval(r, f, node->kids[i + 1], &v));
        TRY(jinja_assign(r, inner, node->kids[i], v));
    }
    return jinja_exec(r, inner, node->kids[0], jump);
}

static hearth_status exec_scope(jinja_run *r, jinja_frame *f, const jinja_node *node, int *jump)
{
    jinja_frame *inner;
    TRY(new_frame(r, f, &inner));
    return jinja_exec(r, inner, node->kids[0], jump);
}

static hearth_status exec_body(jinja_run *r, jinja_frame *f, const jinja_node *node, int *jump)
{
    for (size_t i = 0; i < node->n && *jump == JUMP_NONE; i++)
        TRY(jinja_exec(r, f, node->kids[i], jump));
    return HEARTH_OK;
}

static hearth_status exec_node(jinja_run *r, jinja_frame *f, const jinja_node *node, int *jump)
{
    switch ((jinja_node_type)node->type) {
    case NODE_BODY:
        return exec_body(r, f, node, jump);
    case NODE_IF:
        return exec_if(r, f, node, jump);
    case NODE_FOR:
        return exec_for(r, f, node);
    case NODE_SET:
        return exec_set(r, f, node);
    case NODE_SET_BLOCK:
        return exec_set_block(r, f, node);
    case NODE_MACRO:
        return exec_macro(r, f, node);
    case NODE_CALL_BLOCK:
        return exec_call_block(r, f, node);
    case NODE_FILTER_BLOCK:
        return exec_filter_block(r, f, node);
    case NODE_WITH:
        return exec_with(r, f, node, jump);
    case NODE_SCOPE:
        return exec_scope(r, f, node, jump);
    case NODE_BREAK:
        *jump = JUMP_BREAK;
        return HEARTH_OK;
    case NODE_CONTINUE:
        *jump = JUMP_CONTINUE;
        return HEARTH_OK;
    default:
        return exec_print(r, f, node);
    }
}

hearth_status jinja_exec(jinja_run *r, jinja_frame *f, const jinja_node *node, int *jump)
{
    TRY(jinja_spend(r, 1));
    r->at = node;
    if (node->type == NODE_TEXT)
        return jinja_write_str(r, r->out, node->constant);
    TRY(jinja_enter(r));
    hearth_status status = exec_node(r, f, node, jump);
    jinja_leave(r);
    return status;
}
