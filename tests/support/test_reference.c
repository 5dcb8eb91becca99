/* SPDX-License-Identifier: MIT
 *
 * test_reference.c - see test_reference.h.
 */
#include "support/test_reference.h"

#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/half.h"
#include "base/mem.h"
#include "os/file.h"
#include "os/file_map.h"

enum { FILE_MAX_BYTES = 256 << 20 };

const char *reference_folder(void)
{
    const char *folder = getenv("HEARTH_REFERENCE_DIR");
    if (folder == NULL)
        folder = HEARTH_REFERENCE_DIR;
    if (file_exists(folder))
        return folder;
    printf("skipped: the reference folder '%s' is absent\n", folder);
    return NULL;
}

bool reference_path(char out[PATH_MAX], const char *format, ...)
{
    const char *folder = reference_folder();
    va_list args;
    if (folder == NULL)
        return false;
    int n = snprintf(out, PATH_MAX, "%s/", folder);
    va_start(args, format);
    int more = n < PATH_MAX ? vsnprintf(out + n, (size_t)(PATH_MAX - n), format, args) : 0;
    va_end(args);
    if (n + more >= PATH_MAX || !file_exists(out)) {
        printf("skipped: '%s' is absent\n", out);
        return false;
    }
    return true;
}

float *reference_read_f32(const char *path, size_t *n)
{
    hearth_error err;
    char *bytes;
    if (file_read_all(path, FILE_MAX_BYTES, &bytes, n, &err) != HEARTH_OK) {
        printf("%s\n", err.message);
        return NULL;
    }
    *n /= sizeof(float);
    float *values = mem_alloc_array(*n, sizeof *values);
    for (size_t i = 0; values != NULL && i < *n; i++)
        values[i] = float_from_bits(load_u32((const uint8_t *)bytes + i * 4));
    mem_free(bytes);
    return values;
}

json_t *reference_read_json(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (root == NULL)
        printf("%s:%d: %s\n", path, error.line, error.text);
    return root;
}

double reference_nmse(const float *got, const float *truth, size_t n)
{
    double difference = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - (double)truth[i];
        difference += d * d;
        sum += (double)truth[i] * (double)truth[i];
    }
    return difference / sum;
}

bool test_temporary(char *path, size_t n)
{
    const char *base = getenv("TMPDIR");
    int length = snprintf(path, n, "%s/hearth-test-XXXXXX", base ? base : "/tmp");
    return length >= 0 && (size_t)length < n && mkdtemp(path) != NULL;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

void test_remove(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

bool test_folder_make(test_folder *folder)
{
    return test_temporary(folder->path, sizeof folder->path);
}

void test_folder_remove(test_folder *folder)
{
    test_remove(folder->path);
}

void test_folder_path(const test_folder *folder, const char *name, char out[PATH_MAX])
{
    if (snprintf(out, PATH_MAX, "%s/%s", folder->path, name) >= PATH_MAX)
        out[0] = '\0';
}

bool test_write_file(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return false;
    bool good = n == 0 || fwrite(bytes, 1, n, file) == n;
    return fclose(file) == 0 && good;
}

static struct sigaction bus_handler;

void test_bus_handler_prepare(void)
{
    file_map *map;
    if (file_map_open(&map, "/proc/self/exe", NULL) == HEARTH_OK)
        file_map_close(map);
    sigaction(SIGBUS, NULL, &bus_handler);
}

void test_bus_handler_use(void)
{
    sigaction(SIGBUS, &bus_handler, NULL);
}
