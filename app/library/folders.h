/* SPDX-License-Identifier: MIT
 *
 * folders.h - paths: where things are kept, by the XDG base directory specification, and folders
 * that are made on the way.
 *
 * Paths given out are the caller's (mem_free); NULL means out of memory, or nowhere.
 */
#ifndef HEARTH_LIBRARY_FOLDERS_H
#define HEARTH_LIBRARY_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* "$VARIABLE/below", or "$HOME/fallback/below"; NULL: neither is an absolute path. */
char *folders_xdg(const char *variable, const char *fallback, const char *below);
char *folders_home(const char *below); /* "$HOME/below" */

/* a and b with one '/' between them; b alone if it is absolute. */
char *folders_join(const char *a, const char *b);
/* The folder that path lies in. */
char *folders_parent(const char *path);

/* Makes the folder and all above it that are missing. EIO names the first that cannot be. */
hearth_status folders_make(const char *path, hearth_error *err);
hearth_status folders_make_parent(const char *path, hearth_error *err);

/* Whether path lies below folder, links on the way resolved. */
bool folders_holds(const char *folder, const char *path);
/* Removes path and the folders above it, up to but without `top`, as long as they are empty. */
void folders_remove_empty(const char *path, const char *top);

/* The names in a folder but "." and "..", sorted; false: it cannot be read. */
typedef struct folder_names {
    char **items;
    size_t n;
} folder_names;
bool folders_list(const char *path, folder_names *out);
void folder_names_deinit(folder_names *names);

#endif
