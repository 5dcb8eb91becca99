/* SPDX-License-Identifier: MIT
 *
 * jinja_ast.h - a compiled template: its tree, and the parser that makes it.
 *
 * What     One node type for all; which fields a node uses stands beside its type. Names are
 *          interned: the number of a name is its place in template->names.
 * Threads  Immutable once parsed; everything lies in the template's arena.
 * Bounds   Nesting is refused beyond JINJA_DEPTH_MAX, so that walking the tree is bounded.
 */
#ifndef HEARTH_CHAT_JINJA_AST_H
#define HEARTH_CHAT_JINJA_AST_H

#include "base/status.h"
#include "chat/jinja_arena.h"
#include "chat/jinja_value.h"

enum { JINJA_DEPTH_MAX = 200 };

typedef enum jinja_node_type {
    /* expressions */
    NODE_CONST,     /* constant */
    NODE_NAME,      /* name */
    NODE_LIST,      /* kids */
    NODE_TUPLE,     /* kids */
    NODE_DICT,      /* kids: key, value, key, value... */
    NODE_ATTRIBUTE, /* kids[0], name */
    NODE_ITEM,      /* kids[0], kids[1] */
    NODE_SLICE,     /* kids[0], then start, stop and step, each may be NULL */
    NODE_CALL,      /* kids[0], args */
    NODE_FILTER,    /* kids[0], NULL where a block's text goes in; name, builtin, args */
    NODE_TEST,      /* kids[0], name, builtin, args, flag: negated */
    NODE_NOT,       /* kids[0] */
    NODE_NEGATE,    /* kids[0] */
    NODE_PLUS,      /* kids[0] */
    NODE_BINARY,    /* kids[0], kids[1], op */
    NODE_COMPARE,   /* kids[0], then one kid per operator in ops */
    NODE_AND,       /* kids[0], kids[1] */
    NODE_OR,        /* kids[0], kids[1] */
    NODE_CONDITION, /* kids: test, then, else or NULL */
    NODE_CONCAT,    /* kids */
    NODE_TARGET,    /* name, name2: an assignment to an attribute of a namespace */
    /* statements */
    NODE_BODY,       /* kids */
    NODE_TEXT,       /* constant */
    NODE_PRINT,      /* kids[0] */
    NODE_IF,         /* kids: test, body, test, body, ... and the body of else if n is odd */
    NODE_FOR,        /* kids: target, sequence, test or NULL, body, else or NULL; flag: recursive */
    NODE_SET,        /* kids: target, value */
    NODE_SET_BLOCK,  /* kids: target, body, filter or NULL */
    NODE_MACRO,      /* name, signature, kids[0] = body */
    NODE_CALL_BLOCK, /* kids: call, body; signature */
    NODE_FILTER_BLOCK, /* kids: filter, body */
    NODE_WITH,         /* kids: body, target, value, target, value... */
    NODE_SCOPE,        /* kids[0] = body, with names of its own */
    NODE_BREAK,
    NODE_CONTINUE
} jinja_node_type;

typedef enum jinja_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV,
    OP_MOD,
    OP_POW,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_NOT_IN
} jinja_op;

typedef struct jinja_node jinja_node;

typedef struct jinja_call_args {
    const jinja_node *const *items;
    size_t n;
    const uint32_t *keywords; /* names */
    const jinja_node *const *keyword_values;
    size_t n_keywords;
    const jinja_node *star, *double_star; /* may be NULL */
} jinja_call_args;

typedef struct jinja_signature {
    const uint32_t *names;
    const jinja_node *const *defaults; /* NULL: none */
    size_t n;
    bool takes_varargs, takes_kwargs, takes_caller; /* the body names them */
} jinja_signature;

struct jinja_node {
    uint8_t type;
    uint8_t op;
    bool flag;
    uint32_t line, column;
    uint32_t name, name2;
    size_t n;
    const jinja_node *const *kids;
    union {
        jinja_value constant;
        struct {
            const jinja_builtin *builtin; /* NULL: there is no filter or test of that name */
            const jinja_call_args *args;
        };
        const jinja_signature *signature;
        const uint8_t *ops;
    };
};

typedef struct jinja_template {
    jinja_arena arena;
    const jinja_string **names;
    uint32_t n_names;
    const jinja_node *root;
} jinja_template;

/* Names that the parser and the renderer know: the first of template->names, in this order. */
enum {
    NAME_LOOP,
    NAME_CALLER,
    NAME_VARARGS,
    NAME_KWARGS,
    NAME_RANGE,
    NAME_DICT,
    NAME_NAMESPACE,
    NAME_CYCLER,
    NAME_JOINER,
    NAME_RAISE_EXCEPTION,
    NAME_STRFTIME_NOW,
    NAME_KNOWN
};
extern const char *const jinja_known_names[NAME_KNOWN];

/* Parses source into *t, which is deinitialized on failure. EFORMAT with line and column. */
hearth_status jinja_parse(jinja_template *t, const char *source, size_t n, hearth_error *err);
void jinja_template_deinit(jinja_template *t);

#endif
