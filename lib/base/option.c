/* SPDX-License-Identifier: MIT
 *
 * option.c - see option.h.
 */
#include "base/option.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/number.h"

/* ---- lists ---- */

void option_list_deinit(option_list *list)
{
    mem_free(list->items);
    *list = (option_list){0};
}

static hearth_status append(option_list *list, const char *text, hearth_error *err)
{
    /* Grown when n is a power of two, so the capacity need not be kept. */
    if ((list->n & (list->n - 1)) == 0) {
        size_t n = list->n ? list->n * 2 : 1;
        const char **items = mem_realloc_array(list->items, n, sizeof *items);
        if (items == NULL)
            return error_no_memory(err, "the command line", n * sizeof *items);
        list->items = items;
    }
    list->items[list->n++] = text;
    return HEARTH_OK;
}

/* ---- finding ---- */

static bool same_name(const char *name, const char *text, size_t n)
{
    return strncmp(name, text, n) == 0 && name[n] == '\0';
}

const option *option_find(const option_set *set, const char *name, size_t n_name,
                          const option_group **group)
{
    for (size_t g = 0; g < set->n_groups; g++) {
        for (const option *row = set->groups[g].rows; row->name; row++) {
            if (!same_name(row->name, name, n_name))
                continue;
            if (row->type == OPTION_ALIAS)
                return option_find(set, row->help, strlen(row->help), group);
            *group = &set->groups[g];
            return row;
        }
    }
    return NULL;
}

void *option_field(const option_group *group, const option *row, void *target)
{
    return (char *)target + group->offset + row->offset;
}

static hearth_status unknown(const option_set *set, const char *name, size_t n, hearth_error *err)
{
    nearest near;
    nearest_init(&near, name, n);
    for (size_t g = 0; g < set->n_groups; g++) {
        for (const option *row = set->groups[g].rows; row->name; row++)
            nearest_offer(&near, row->name);
    }
    int shown = n > 64 ? 64 : (int)n;
    if (near.best)
        FAIL(err, EINVAL, "option", "unknown option '%.*s'; did you mean %s?", shown, name,
             near.best);
    FAIL(err, EINVAL, "option", "unknown option '%.*s'; text that starts with a dash goes after --",
         shown, name);
}

void option_set_deinit(const option_set *set, void *target)
{
    for (size_t g = 0; g < set->n_groups; g++) {
        const option_group *group = &set->groups[g];
        for (const option *row = group->rows; row->name; row++) {
            if (row->type == OPTION_LIST)
                option_list_deinit(option_field(group, row, target));
        }
    }
}

/* ---- values ---- */

/* A sign at most, then a digit or a point: strtod alone would take blanks, hex and words. */
static bool starts_number(const char *text)
{
    text += *text == '-' || *text == '+';
    return (*text >= '0' && *text <= '9') || *text == '.';
}

static hearth_status out_of_range(const option *row, const char *text, hearth_error *err)
{
    int digits = row->type == OPTION_F32 ? 6 : 10; /* what the type holds */
    FAIL(err, EINVAL, row->name, "%s: %.64s is out of range; it must be from %.*g to %.*g",
         row->name, text, digits, row->min, digits, row->max);
}

static hearth_status read_whole(const option *row, const char *text, int64_t *out,
                                hearth_error *err)
{
    char *end = NULL;
    errno = 0;
    long long value = starts_number(text) ? strtoll(text, &end, 10) : 0;
    if (end == NULL || end == text || *end != '\0')
        FAIL(err, EINVAL, row->name, "%s: '%.64s' is not a whole number", row->name, text);
    if (value == -1 && row->type == OPTION_U32 && row->max == UINT32_MAX)
        value = UINT32_MAX;
    if (errno == ERANGE || (double)value < row->min || (double)value > row->max)
        return out_of_range(row, text, err);
    *out = value;
    return HEARTH_OK;
}

static hearth_status read_float(const option *row, const char *text, float *out, hearth_error *err)
{
    char *end = NULL;
    bool hex = strpbrk(text, "xX") != NULL;
    double value = !hex && starts_number(text) ? number_parse(text, &end) : 0;
    if (end == NULL || end == text || *end != '\0' || isnan(value))
        FAIL(err, EINVAL, row->name, "%s: '%.64s' is not a number", row->name, text);
    /* Narrowed first: 0.1 as a double lies outside a bound of 0.1f. */
    if ((float)value < row->min || (float)value > row->max)
        return out_of_range(row, text, err);
    *out = (float)value;
    return HEARTH_OK;
}

static hearth_status read_choice(const option *row, const char *text, int *out, hearth_error *err)
{
    size_t n_text = strlen(text);
    int index = 0;
    for (const char *choice = row->choices; *choice; index++) {
        size_t n = strcspn(choice, "|");
        if (n == n_text && strncasecmp(choice, text, n) == 0) {
            *out = index;
            return HEARTH_OK;
        }
        choice += n + (choice[n] == '|');
    }
    FAIL(err, EINVAL, row->name, "%s: '%.64s' is not one of %s", row->name, text, row->choices);
}

hearth_status option_assign(const option *row, void *field, const char *text, hearth_error *err)
{
    int64_t whole = 0;
    switch (row->type) {
    case OPTION_I32:
        TRY(read_whole(row, text, &whole, err));
        *(int32_t *)field = (int32_t)whole;
        return HEARTH_OK;
    case OPTION_U32:
        TRY(read_whole(row, text, &whole, err));
        *(uint32_t *)field = (uint32_t)whole;
        return HEARTH_OK;
    case OPTION_F32:
        return read_float(row, text, field, err);
    case OPTION_TEXT:
        *(const char **)field = text;
        return HEARTH_OK;
    case OPTION_CHOICE:
        return read_choice(row, text, field, err);
    case OPTION_LIST:
        return append(field, text, err);
    case OPTION_FLAG:
    case OPTION_ALIAS:
        break;
    }
    FAIL(err, EINVAL, row->name, "%s takes no value, but was given '%.64s'", row->name, text);
}

void option_format(const option *row, const void *field, char *out, size_t n_out)
{
    const char *choice = row->choices;
    out[0] = '\0';
    switch (row->type) {
    case OPTION_I32:
        snprintf(out, n_out, "%d", (int)*(const int32_t *)field);
        break;
    case OPTION_U32:
        snprintf(out, n_out, "%u", (unsigned)*(const uint32_t *)field);
        break;
    case OPTION_F32:
        number_print(out, n_out, "%g", (double)*(const float *)field);
        break;
    case OPTION_TEXT:
        snprintf(out, n_out, "%s", *(const char *const *)field ? *(const char *const *)field : "");
        break;
    case OPTION_CHOICE:
        for (int i = *(const int *)field; i > 0; i--)
            choice += strcspn(choice, "|") + 1;
        snprintf(out, n_out, "%.*s", (int)strcspn(choice, "|"), choice);
        break;
    case OPTION_FLAG:
    case OPTION_LIST:
    case OPTION_ALIAS:
        break;
    }
}

/* ---- the command line ---- */

static bool names_option(const option_set *set, const char *text)
{
    const option_group *group;
    return text[0] == '-' && option_find(set, text, strcspn(text, "="), &group) != NULL;
}

static void note_given(const option_group *group, const option *row, void *target)
{
    const option *end = row;
    while (end->name)
        end++;
    if (end->offset)
        *(uint64_t *)option_field(group, end, target) |= UINT64_C(1) << (row - group->rows);
}

/* One option at argv[*i]; *i is left on the last word it used. */
static hearth_status parse_one(const option_set *set, void *target, int argc,
                               const char *const *argv, int *i, hearth_error *err)
{
    const char *text = argv[*i];
    size_t n_name = strcspn(text, "=");
    const option_group *group = NULL;
    const option *row = option_find(set, text, n_name, &group);
    if (row == NULL)
        return unknown(set, text, n_name, err);
    void *field = option_field(group, row, target);
    note_given(group, row, target);
    if (text[n_name] == '=')
        return option_assign(row, field, text + n_name + 1, err);
    if (row->type == OPTION_FLAG) {
        *(bool *)field = true;
        return HEARTH_OK;
    }
    const char *value = row->value ? row->value : "VALUE";
    if (row->optional && (*i + 1 >= argc || names_option(set, argv[*i + 1])))
        return option_assign(row, field, "", err);
    if (*i + 1 >= argc)
        FAIL(err, EINVAL, row->name, "%s needs a value: %s %s", text, text, value);
    const char *next = argv[*i + 1];
    if (names_option(set, next))
        FAIL(err, EINVAL, row->name,
             "%s needs a value, but the option %.64s follows; to mean that text write %s=%.64s",
             text, next, text, next);
    ++*i;
    return option_assign(row, field, next, err);
}

hearth_status option_parse(const option_set *set, void *target, int argc, const char *const *argv,
                           option_list *arguments, hearth_error *err)
{
    bool options_ended = false;
    for (int i = 0; i < argc; i++) {
        if (options_ended || argv[i][0] != '-' || argv[i][1] == '\0')
            TRY(append(arguments, argv[i], err));
        else if (strcmp(argv[i], "--") == 0)
            options_ended = true;
        else
            TRY(parse_one(set, target, argc, argv, &i, err));
    }
    return HEARTH_OK;
}
