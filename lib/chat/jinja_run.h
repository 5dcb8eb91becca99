/* SPDX-License-Identifier: MIT
 *
 * jinja_run.h - one render of a template: its state, its budgets, and what the parts of the
 * evaluator call of each other.
 *
 * Budgets  Every node that is walked is a step, and work that grows with a value's size costs steps
 *          by size; memory is the arena's ceiling, output the buffer's, depth is counted. So every
 *          template ends, with a message that names the budget.
 * Errors   Functions return HEARTH_OK or fill run->err with the line and column of run->at, the
 *          node that is being evaluated.
 * Memory   What a render makes lies in run->arena and dies with it. Text being captured lies in
 *          heap buffers that each capture releases on every path.
 */
#ifndef HEARTH_CHAT_JINJA_RUN_H
#define HEARTH_CHAT_JINJA_RUN_H

#include "base/buf.h"
#include "chat/jinja_ast.h"

enum { JINJA_SLOTS = 6 }; /* parameters of a builtin at most */

typedef struct jinja_binding {
    uint32_t name;
    jinja_value value;
} jinja_binding;

/* Names of one scope. parent is the scope around it in the template, not that of the caller. */
typedef struct jinja_frame {
    struct jinja_frame *parent;
    jinja_binding *items;
    uint32_t n, capacity;
} jinja_frame;

typedef struct jinja_run {
    const jinja_template *t;
    jinja_arena arena;
    jinja_frame *root;
    jinja_dict *context;
    buf *out;
    const jinja_node *at;
    uint64_t steps_left, max_steps;
    size_t max_output;
    unsigned depth, max_depth;
    int64_t now; /* seconds since 1970, the UTC offset added */
    int32_t utc_offset_s;
    hearth_error *err;
} jinja_run;

struct jinja_turn {
    jinja_list *items;       /* of a cycler */
    const jinja_string *sep; /* of a joiner */
    size_t next;
};

struct jinja_macro {
    const jinja_node *node; /* NODE_MACRO, or NODE_CALL_BLOCK of a caller */
    jinja_frame *frame;     /* where it was defined */
    bool is_caller;
};

typedef struct jinja_keyword {
    const jinja_string *name;
    jinja_value value;
} jinja_keyword;

typedef struct jinja_args {
    const jinja_value *items;
    size_t n;
    const jinja_keyword *keywords;
    size_t n_keywords;
} jinja_args;

/* A call of a filter, test, method or global function. */
typedef struct jinja_call {
    jinja_value self;               /* what is filtered or tested; the method's object */
    jinja_value slots[JINJA_SLOTS]; /* by parameter; JINJA_MISSING if not given */
    const jinja_args *args;         /* all of them, as written */
    const jinja_frame *frame;
    jinja_value out;
} jinja_call;

struct jinja_builtin {
    const char *name;
    hearth_status (*call)(jinja_run *r, jinja_call *c);
    const char *parameters; /* "width|first"; NULL: the function reads args itself */
    uint8_t n_required;
};

struct jinja_bound {
    const jinja_builtin *builtin;
    jinja_value self;
};

struct jinja_loop {
    jinja_list *items; /* what the source has; with a test, what has passed so far */
    size_t index;      /* of the current item */
    const jinja_node *node;
    jinja_frame *frame; /* of the body */
    jinja_list *source; /* with a test: what is still to be tested from source_next on */
    size_t source_next, capacity;
    unsigned level; /* of recursion, from 0 */
    jinja_list *last_changed;
};

/* ---- state ---- */

/* EINVAL with line and column in front. */
hearth_status jinja_fail(jinja_run *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
hearth_status jinja_spend(jinja_run *r, uint64_t steps);
hearth_status jinja_enter(jinja_run *r); /* one level deeper; leave on every path */
void jinja_leave(jinja_run *r);
/* Never returns OK with *out unset. */
hearth_status jinja_new(jinja_run *r, size_t n_bytes, void *out);
hearth_status jinja_out_failed(jinja_run *r, const buf *b); /* an append to b failed */

/* ---- making values (jinja_make.c) ---- */

hearth_status jinja_make_string(jinja_run *r, const char *text, size_t n, jinja_value *out);
hearth_status jinja_make_text(jinja_run *r, const char *text, jinja_value *out);
/* text lies in the arena, or lives as long; it is not copied. */
hearth_status jinja_wrap_string(jinja_run *r, const char *text, size_t n, jinja_value *out);
hearth_status jinja_make_list(jinja_run *r, jinja_flavor flavor, size_t n, jinja_value **items,
                              jinja_value *out); /* n items, to be filled in */
hearth_status jinja_make_dict(jinja_run *r, jinja_dict **out);
hearth_status jinja_dict_set(jinja_run *r, jinja_dict *d, jinja_value key, jinja_value value);
/* *out is NULL if it is absent. */
hearth_status jinja_dict_find(jinja_run *r, const jinja_dict *d, jinja_value key,
                              jinja_value **out);
/* The keys, values or items of a dict. */
hearth_status jinja_dict_list(jinja_run *r, const jinja_dict *d, jinja_flavor flavor,
                              jinja_value *out);

/* A list of unknown length. */
typedef struct jinja_builder {
    jinja_value *items;
    size_t n, capacity;
} jinja_builder;
hearth_status jinja_build(jinja_run *r, jinja_builder *b, jinja_value v);
hearth_status jinja_built(jinja_run *r, const jinja_builder *b, jinja_flavor flavor,
                          jinja_value *out);

/* ---- operations (jinja_ops.c, jinja_compare.c, jinja_member.c) ---- */

hearth_status jinja_equal(jinja_run *r, jinja_value a, jinja_value b, bool *out);
hearth_status jinja_order(jinja_run *r, jinja_value a, jinja_value b, int *out); /* <0, 0, >0 */
hearth_status jinja_hash(jinja_run *r, jinja_value v, uint64_t *out);
hearth_status jinja_contains(jinja_run *r, jinja_value whole, jinja_value part, bool *out);
hearth_status jinja_apply(jinja_run *r, jinja_op op, jinja_value a, jinja_value b,
                          jinja_value *out);
hearth_status jinja_negate(jinja_run *r, jinja_value v, bool negative, jinja_value *out);
hearth_status jinja_attribute(jinja_run *r, jinja_value v, const jinja_string *name,
                              jinja_value *out);
hearth_status jinja_item(jinja_run *r, jinja_value v, jinja_value index, jinja_value *out);
hearth_status jinja_slice(jinja_run *r, jinja_value v, const jinja_value part[3], jinja_value *out);
/* Everything that iterating gives, as a list; what it gives of a generator is used up. */
hearth_status jinja_iterate(jinja_run *r, jinja_value v, jinja_list **out);
hearth_status jinja_length(jinja_run *r, jinja_value v, size_t *out);
/* What is wrong with using an undefined value. */
hearth_status jinja_fail_undefined(jinja_run *r, jinja_value v);

/* ---- text (jinja_text.c, jinja_json.c, jinja_format.c) ---- */

hearth_status jinja_write(jinja_run *r, buf *b, const char *text, size_t n);
hearth_status jinja_write_str(jinja_run *r, buf *b, jinja_value v);
hearth_status jinja_write_repr(jinja_run *r, buf *b, jinja_value v);
hearth_status jinja_str(jinja_run *r, jinja_value v, jinja_value *out); /* keeps markup */
hearth_status jinja_escape(jinja_run *r, jinja_value v, jinja_value *out);
/* The buffer's contents as a string; releases the buffer, also on failure. */
hearth_status jinja_take(jinja_run *r, buf *b, jinja_value *out);

typedef struct jinja_json_style {
    const jinja_string *indent;              /* NULL: all on one line */
    const jinja_string *between, *after_key; /* NULL: as json.dumps has them */
    bool ascii, sort;
} jinja_json_style;
hearth_status jinja_write_json(jinja_run *r, buf *b, jinja_value v, const jinja_json_style *style);

/* Python's text % args, and text.format(*args). */
hearth_status jinja_percent(jinja_run *r, jinja_value text, jinja_value args, jinja_value *out);
hearth_status jinja_format(jinja_run *r, jinja_value text, const jinja_args *args,
                           jinja_value *out);

/* ---- evaluation (jinja_eval.c, jinja_exec.c, jinja_call.c, jinja_loop.c) ---- */

hearth_status jinja_eval(jinja_run *r, jinja_frame *f, const jinja_node *node, jinja_value *out);
hearth_status jinja_exec(jinja_run *r, jinja_frame *f, const jinja_node *node, int *jump);
/* The text that a body writes. */
hearth_status jinja_capture(jinja_run *r, jinja_frame *f, const jinja_node *body, jinja_value *out);
hearth_status jinja_bind(jinja_run *r, jinja_frame *f, uint32_t name, jinja_value v);
hearth_status jinja_assign(jinja_run *r, jinja_frame *f, const jinja_node *target, jinja_value v);
hearth_status jinja_lookup(jinja_run *r, const jinja_frame *f, uint32_t name, jinja_value *out);
hearth_status jinja_eval_args(jinja_run *r, jinja_frame *f, const jinja_call_args *args,
                              jinja_args *out);
hearth_status jinja_call_builtin(jinja_run *r, const jinja_builtin *b, jinja_value self,
                                 const jinja_args *args, jinja_value *out);
hearth_status jinja_call_value(jinja_run *r, jinja_value callee, const jinja_args *args,
                               jinja_value *out);
hearth_status jinja_run_loop(jinja_run *r, jinja_frame *f, const jinja_node *node,
                             jinja_value source, unsigned level);
hearth_status jinja_loop_attribute(jinja_run *r, jinja_value loop, const jinja_string *name,
                                   jinja_value *out);

enum { JUMP_NONE, JUMP_BREAK, JUMP_CONTINUE };

/* ---- tables ---- */

const jinja_builtin *jinja_find_filter(const jinja_string *name);
const jinja_builtin *jinja_find_test(const jinja_string *name);
const jinja_builtin *jinja_find_global(uint32_t name);
/* A method of the value's type; *forbidden: it exists, but would change its object. */
const jinja_builtin *jinja_find_method(jinja_value v, const jinja_string *name, bool *forbidden);
const jinja_builtin *jinja_find_in(const jinja_builtin *rows, size_t n, const jinja_string *name);

extern const jinja_builtin jinja_text_filters[], jinja_sequence_filters[], jinja_value_filters[],
    jinja_string_methods[], jinja_find_methods[];
extern const size_t jinja_n_text_filters, jinja_n_sequence_filters, jinja_n_value_filters,
    jinja_n_string_methods, jinja_n_find_methods;

/* ---- arguments of builtins ---- */

hearth_status jinja_want_string(jinja_run *r, jinja_value v, const char *what,
                                const jinja_string **out);
/* An integer, or what stands for a missing one. */
hearth_status jinja_want_int(jinja_run *r, jinja_value v, const char *what, int64_t missing,
                             int64_t *out);
bool jinja_want_flag(jinja_value v, bool missing);

#endif
