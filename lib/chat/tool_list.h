/* SPDX-License-Identifier: MIT
 *
 * tool_list.h - the tools of a request: their names, and of each parameter what its schema allows.
 */
#ifndef HEARTH_CHAT_TOOL_LIST_H
#define HEARTH_CHAT_TOOL_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include <hearth/status.h>

enum { TOOL_NAME_BYTES = 256, TOOL_LIST_MAX = 4096 };

/* What a parameter's text in a notation without types can be. */
typedef enum tool_type {
    TOOL_TYPE_ANY,    /* a string or something else: JSON if it is that, else a string */
    TOOL_TYPE_MIXED,  /* a string or something else, and not everything fits */
    TOOL_TYPE_STRING, /* only a string: taken as it is */
    TOOL_TYPE_OTHER   /* no string */
} tool_type;

typedef struct tool_entry {
    const char *name; /* borrowed from root */
    json_t *schema;   /* of the parameters: type "object"; borrowed; NULL: not told */
} tool_entry;

typedef struct tool_list {
    json_t *root;
    tool_entry *tools;
    size_t n;
} tool_list;

/* json NULL: an empty list. EINVAL names the JSON path. */
hearth_status tool_list_open(tool_list *list, const char *json, size_t n, hearth_error *err);
void tool_list_close(tool_list *list);

/* NULL if there is none. */
const tool_entry *tool_list_find(const tool_list *list, const char *name, size_t n);

tool_type tool_entry_type(const tool_entry *tool, const char *key, size_t n);

/* The type of one schema, which is part of root; NULL: any. */
tool_type tool_schema_type(const json_t *schema, const json_t *root);

/* What "#/a/b" points to; NULL: nothing. */
const json_t *tool_schema_follow(const json_t *root, const char *ref);

#endif
