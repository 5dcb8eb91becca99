/* SPDX-License-Identifier: MIT
 *
 * reference_case.c - see reference_case.h.
 */
#include "support/reference_case.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **reference_list(const char *folder, const char *suffix, size_t *n)
{
    char path[PATH_MAX];
    char **names = NULL;
    *n = 0;
    DIR *dir = reference_path(path, "%s", folder) ? opendir(path) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        size_t length = strlen(entry->d_name), end = strlen(suffix);
        if (length <= end || strcmp(entry->d_name + length - end, suffix) != 0)
            continue;
        names = mem_realloc_array(names, *n + 1, sizeof *names);
        names[(*n)++] = mem_dup(entry->d_name, length - end);
    }
    if (dir)
        closedir(dir);
    if (*n)
        qsort(names, *n, sizeof *names, by_name);
    return names;
}

void reference_list_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(names[i]);
    mem_free(names);
}

bool reference_case_open(reference_case *c, const char *folder, const char *name)
{
    char json_path[PATH_MAX], truth_path[PATH_MAX];
    *c = (reference_case){.n_tokens = 0};
    if (!reference_path(c->path, "%s/%s.gguf", folder, name) ||
        !reference_path(json_path, "%s/%s.json", folder, name) ||
        !reference_path(truth_path, "%s/%s.f32", folder, name))
        return false;
    c->json = reference_read_json(json_path);
    c->truth = reference_read_f32(truth_path, &c->n_truth);
    const json_t *tokens = json_object_get(c->json, "tokens");
    c->n_tokens = json_array_size(tokens);
    c->tokens = mem_alloc_array(c->n_tokens, sizeof *c->tokens);
    for (size_t i = 0; i < c->n_tokens; i++)
        c->tokens[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
    return c->json && c->truth && c->n_tokens > 0;
}

void reference_case_close(reference_case *c)
{
    json_decref(c->json);
    mem_free(c->tokens);
    mem_free(c->truth);
}
