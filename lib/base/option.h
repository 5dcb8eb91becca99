/* SPDX-License-Identifier: MIT
 *
 * option.h - options as tables: one row gives the name, the type, the bounds, where the value goes
 * and the help text.
 *
 * What     A row writes into a field of a plain struct. Rows are grouped under a title; a group
 * says where its struct lies inside the target, so that one group serves many commands. Syntax
 * --name VALUE, --name=VALUE, flags without a value; "--" ends the options; "-" alone and
 *          everything without a dash in front is an argument. The last use of an option wins, but
 *          a list collects them all. A value that is itself the name of an option must be joined
 *          with '=', so that a forgotten value is never read from the next option.
 * Numbers  Decimal, whole, nothing before or after; NaN is refused, infinities fail the bounds.
 *          A U32 that may be 4294967295 accepts -1 for it, as llama.cpp's --seed does.
 * Types    The OPTION_ macros compare the field's type with the row's when they are compiled.
 */
#ifndef HEARTH_BASE_OPTION_H
#define HEARTH_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum option_type {
    OPTION_FLAG,   /* bool */
    OPTION_I32,    /* int32_t */
    OPTION_U32,    /* uint32_t */
    OPTION_F32,    /* float */
    OPTION_TEXT,   /* const char *, borrowed from argv */
    OPTION_CHOICE, /* an enum of int's size: the index of the value in `choices` */
    OPTION_LIST,   /* option_list: every use appends */
    OPTION_ALIAS   /* another name of the option called `help`, in the same set */
} option_type;

typedef struct option {
    const char *name; /* with its dashes: "--ctx-size" */
    option_type type;
    size_t offset; /* of the field in the group's struct */
    double min, max;
    const char *value;   /* what the help calls the value: "N", "FILE" */
    const char *choices; /* "f32|f16|q8_0" */
    const char *help;
    bool optional; /* a TEXT whose value may be left out where another option, or nothing, follows:
                      it is "" then */
} option;

typedef struct option_group {
    const char *title;
    const option *rows; /* up to OPTION_ROW_END */
    size_t offset;      /* of the group's struct in the target */
} option_group;

typedef struct option_set {
    const option_group *groups;
    size_t n_groups;
} option_set;

/* Texts borrowed from argv. Zeroed is empty. */
typedef struct option_list {
    const char **items;
    size_t n;
} option_list;
void option_list_deinit(option_list *list);

/* The row called name (n_name bytes), aliases resolved, and its group; NULL if there is none. */
const option *option_find(const option_set *set, const char *name, size_t n_name,
                          const option_group **group);

/* Where the value of a row of a group lies. */
void *option_field(const option_group *group, const option *row, void *target);

/* Reads one value from text into field. EINVAL names the option and the bounds. */
hearth_status option_assign(const option *row, void *field, const char *text, hearth_error *err);

/* Reads argv[0..argc) into target; what is no option is appended to arguments. EINVAL for the first
 * mistake. Lists hold what was read so far, also after a failure: deinit them all. */
hearth_status option_parse(const option_set *set, void *target, int argc, const char *const *argv,
                           option_list *arguments, hearth_error *err);

/* Frees the lists in target. */
void option_set_deinit(const option_set *set, void *target);

/* Text of the row's value in target ("0.8", "f16"), for "default" in help. "" for flags and lists.
 */
void option_format(const option *row, const void *field, char *out, size_t n_out);

/* ---- rows ---- */

#define OPTION_COUNT(array) (sizeof(array) / sizeof *(array))

/* offsetof, and a compile-time complaint if the field has another type. */
#define OPTION_OFFSET(type, struct_, field)                                                        \
    (offsetof(struct_, field) + 0 * sizeof((type *)0 == &((struct_ *)0)->field))

#define OPTION_ROW_FLAG(name_, struct_, field, help_)                                              \
    {                                                                                              \
        .name = name_, .type = OPTION_FLAG, .offset = OPTION_OFFSET(bool, struct_, field),         \
        .help = help_                                                                              \
    }
#define OPTION_ROW_NUMBER(kind, ctype, name_, struct_, field, min_, max_, value_, help_)           \
    {                                                                                              \
        .name = name_, .type = OPTION_##kind, .offset = OPTION_OFFSET(ctype, struct_, field),      \
        .min = min_, .max = max_, .value = value_, .help = help_                                   \
    }
#define OPTION_ROW_I32(...) OPTION_ROW_NUMBER(I32, int32_t, __VA_ARGS__)
#define OPTION_ROW_U32(...) OPTION_ROW_NUMBER(U32, uint32_t, __VA_ARGS__)
#define OPTION_ROW_F32(...) OPTION_ROW_NUMBER(F32, float, __VA_ARGS__)
#define OPTION_ROW_TEXT(name_, struct_, field, value_, help_)                                      \
    {                                                                                              \
        .name = name_, .type = OPTION_TEXT, .offset = OPTION_OFFSET(const char *, struct_, field), \
        .value = value_, .help = help_                                                             \
    }
#define OPTION_ROW_OPTIONAL(name_, struct_, field, value_, help_)                                  \
    {                                                                                              \
        .name = name_, .type = OPTION_TEXT, .offset = OPTION_OFFSET(const char *, struct_, field), \
        .value = value_, .help = help_, .optional = true                                           \
    }
#define OPTION_ROW_CHOICE(enum_, name_, struct_, field, choices_, help_)                           \
    {                                                                                              \
        .name = name_, .type = OPTION_CHOICE, .offset = OPTION_OFFSET(enum_, struct_, field),      \
        .choices = choices_, .value = choices_, .help = help_                                      \
    }
#define OPTION_ROW_LIST(name_, struct_, field, value_, help_)                                      \
    {                                                                                              \
        .name = name_, .type = OPTION_LIST, .offset = OPTION_OFFSET(option_list, struct_, field),  \
        .value = value_, .help = help_                                                             \
    }
#define OPTION_ROW_ALIAS(name_, of)                                                                \
    {                                                                                              \
        .name = name_, .type = OPTION_ALIAS, .help = of                                            \
    }

#define OPTION_ROW_END                                                                             \
    {                                                                                              \
        .name = NULL                                                                               \
    }
/* An end that asks which rows were used: bit i of the field is set by row i, of the first 64. The
 * field is not the first of its struct. */
#define OPTION_ROW_END_GIVEN(struct_, field)                                                       \
    {                                                                                              \
        .name = NULL, .offset = OPTION_OFFSET(uint64_t, struct_, field)                            \
    }

#endif
