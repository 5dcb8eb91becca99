/* SPDX-License-Identifier: MIT
 *
 * jinja_value.h - what a template computes with: the values of Python that Jinja shows, and no
 * more.
 *
 * What     A value is 16 bytes, passed by copy. Strings, lists and dicts live in an arena and never
 *          change once made (the sandbox that templates run in forbids it), so values are shared
 *          freely, and those of a compiled template between threads. What does change belongs to
 *          one render: namespaces, cyclers, joiners, loops, and how far a generator was read.
 * Strings  UTF-8 with its number of characters, for positions count characters as in Python.
 * Lists    One type for all that Python tells apart by class: the flavor says what may be done with
 *          it and how it is written. A generator can be walked once.
 * Dicts    Keep their order; keys are compared as in Python (1 == 1.0 == true).
 */
#ifndef HEARTH_CHAT_JINJA_VALUE_H
#define HEARTH_CHAT_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum jinja_kind {
    JINJA_MISSING, /* no value at all: an argument that was not given. Never seen by a template */
    JINJA_UNDEFINED,
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_DICT,
    JINJA_NAMESPACE,
    JINJA_FUNCTION, /* a global of Jinja */
    JINJA_METHOD,   /* a method with its object: "text".upper */
    JINJA_MACRO,
    JINJA_LOOP,
    JINJA_CYCLER,
    JINJA_JOINER
} jinja_kind;

typedef enum jinja_flavor {
    JINJA_PLAIN, /* a list */
    JINJA_TUPLE,
    JINJA_GROUP, /* a tuple of groupby: .grouper and .list */
    JINJA_RANGE,
    JINJA_GENERATOR,
    JINJA_KEYS, /* views of a dict */
    JINJA_VALUES,
    JINJA_ITEMS
} jinja_flavor;

typedef struct jinja_string {
    const char *text; /* not NUL-terminated */
    size_t n;
    size_t n_chars;
} jinja_string;

typedef struct jinja_list jinja_list;
typedef struct jinja_dict jinja_dict;
typedef struct jinja_builtin jinja_builtin; /* jinja_run.h */
typedef struct jinja_bound jinja_bound;     /* jinja_run.h: a method with its object */
typedef struct jinja_macro jinja_macro;     /* jinja_run.h */
typedef struct jinja_loop jinja_loop;       /* jinja_run.h */
typedef struct jinja_turn jinja_turn;       /* jinja_run.h: state of a cycler or joiner */

/* Why a value is undefined: `string` of the value is the name that was looked for, or NULL. */
typedef enum jinja_lack {
    JINJA_LACK_NAME,    /* no variable of that name */
    JINJA_LACK_MEMBER,  /* no such attribute or element */
    JINJA_LACK_UNSAFE,  /* an attribute that the sandbox forbids */
    JINJA_LACK_ELEMENT, /* an empty sequence has no first or last element */
    JINJA_LACK_ARGUMENT /* a macro's parameter that was not given */
} jinja_lack;

typedef struct jinja_value {
    uint8_t kind;
    bool markup;  /* of a string: escaped or declared safe */
    uint8_t lack; /* of an undefined value: jinja_lack, and the kind of the value looked in */
    uint8_t owner;
    union {
        bool boolean;
        int64_t integer;
        double real;
        const jinja_string *string;
        jinja_list *list;
        jinja_dict *dict; /* of a dict or namespace */
        const jinja_builtin *function;
        const jinja_bound *method;
        const jinja_macro *macro;
        jinja_loop *loop;
        jinja_turn *turn;
    };
} jinja_value;

struct jinja_list {
    jinja_flavor flavor;
    size_t n;
    size_t next; /* of a generator: what is read next */
    const jinja_value *items;
};

typedef struct jinja_entry {
    jinja_value key, value;
    uint64_t hash;
} jinja_entry;

struct jinja_dict {
    jinja_entry *entries;
    uint32_t *slots; /* index + 1 of an entry, 0 empty; NULL while there are few entries */
    size_t n, capacity, n_slots;
};

static inline jinja_value jinja_none(void)
{
    return (jinja_value){.kind = JINJA_NONE};
}

static inline jinja_value jinja_bool(bool b)
{
    return (jinja_value){.kind = JINJA_BOOL, .boolean = b};
}

static inline jinja_value jinja_int(int64_t i)
{
    return (jinja_value){.kind = JINJA_INT, .integer = i};
}

static inline jinja_value jinja_float(double d)
{
    return (jinja_value){.kind = JINJA_FLOAT, .real = d};
}

static inline jinja_value jinja_of_string(const jinja_string *s)
{
    return (jinja_value){.kind = JINJA_STRING, .string = s};
}

static inline jinja_value jinja_of_list(jinja_list *list)
{
    return (jinja_value){.kind = JINJA_LIST, .list = list};
}

static inline jinja_value jinja_undefined(const jinja_string *name, jinja_lack lack)
{
    return (jinja_value){.kind = JINJA_UNDEFINED, .lack = (uint8_t)lack, .string = name};
}

static inline bool jinja_is_integral(jinja_value v)
{
    return v.kind == JINJA_INT || v.kind == JINJA_BOOL;
}

static inline bool jinja_is_number(jinja_value v)
{
    return jinja_is_integral(v) || v.kind == JINJA_FLOAT;
}

static inline bool jinja_is_flavor(jinja_value v, jinja_flavor flavor)
{
    return v.kind == JINJA_LIST && v.list->flavor == flavor;
}

static inline bool jinja_is_tuple(jinja_value v)
{
    return jinja_is_flavor(v, JINJA_TUPLE) || jinja_is_flavor(v, JINJA_GROUP);
}

static inline bool jinja_is_view(jinja_value v)
{
    return v.kind == JINJA_LIST && v.list->flavor >= JINJA_KEYS;
}

/* Of a number: */
static inline int64_t jinja_integer_of(jinja_value v)
{
    return v.kind == JINJA_BOOL ? v.boolean : v.integer;
}

static inline double jinja_real_of(jinja_value v)
{
    return v.kind == JINJA_FLOAT ? v.real : (double)jinja_integer_of(v);
}

bool jinja_string_is(const jinja_string *s, const char *text);
bool jinja_string_equal(const jinja_string *a, const jinja_string *b);
int jinja_string_compare(const jinja_string *a, const jinja_string *b); /* by code points */
size_t jinja_count_chars(const char *text, size_t n);
/* The byte where character i begins; n bytes if there are fewer characters. */
size_t jinja_byte_of(const jinja_string *s, size_t i);

/* Python's name of the value's class, for messages: "str", "dict", "NoneType". */
const char *jinja_type_name(jinja_value v);

bool jinja_is_true(jinja_value v);

#endif
