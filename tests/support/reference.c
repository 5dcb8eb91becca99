/* SPDX-License-Identifier: MIT
 *
 * reference.c - see reference.h.
 */
#include "support/reference.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *folder_of_set(void)
{
    const char *folder = getenv("HEARTH_REFERENCE");
    return folder ? folder : HEARTH_REFERENCE_DIR;
}

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "reference: %s: %s\n", what, path);
    exit(1);
}

void reference_require(void)
{
    if (access(folder_of_set(), R_OK) == 0)
        return;
    printf("skipped: there is no reference set at %s\n", folder_of_set());
    exit(77);
}

char *reference_path(const char *format, ...)
{
    char relative[512];
    va_list args;
    va_start(args, format);
    vsnprintf(relative, sizeof relative, format, args);
    va_end(args);
    size_t n = strlen(folder_of_set()) + strlen(relative) + 2;
    char *path = malloc(n);
    if (path == NULL)
        fail("out of memory", relative);
    snprintf(path, n, "%s/%s", folder_of_set(), relative);
    return path;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **reference_list(const char *folder, const char *suffix, size_t *n)
{
    char *path = reference_path("%s", folder);
    DIR *dir = opendir(path);
    char **names = NULL;
    *n = 0;
    if (dir == NULL)
        fail("cannot open", path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t length = strlen(entry->d_name), end = strlen(suffix);
        if (length <= end || strcmp(entry->d_name + length - end, suffix) != 0)
            continue;
        names = realloc(names, (*n + 1) * sizeof *names);
        names[(*n)++] = strndup(entry->d_name, length - end);
    }
    closedir(dir);
    free(path);
    qsort(names, *n, sizeof *names, by_name);
    return names;
}

void reference_list_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

json_t *reference_json(const char *path)
{
    json_error_t error;
    json_t *value = json_load_file(path, 0, &error);
    if (value == NULL)
        fail(error.text, path);
    return value;
}

float *reference_floats(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail("cannot read", path);
    long n_bytes = ftell(file);
    rewind(file);
    *n = (size_t)n_bytes / sizeof(float);
    float *values = malloc(*n * sizeof *values);
    if (values == NULL || fread(values, sizeof *values, *n, file) != *n)
        fail("cannot read", path);
    fclose(file);
    return values;
}

int32_t *reference_integers(const json_t *array, size_t *n)
{
    *n = json_array_size(array);
    int32_t *values = malloc((*n + 1) * sizeof *values);
    for (size_t i = 0; i < *n; i++)
        values[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return values;
}

double reference_nmse(const float *values, const float *truth, size_t n)
{
    double error = 0.0, power = 0.0;
    for (size_t i = 0; i < n; i++) {
        double difference = (double)values[i] - truth[i];
        error += difference * difference;
        power += (double)truth[i] * truth[i];
    }
    return error / power;
}
