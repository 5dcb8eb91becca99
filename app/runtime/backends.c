/* SPDX-License-Identifier: MIT
 *
 * backends.c - see backends.h. The least drivers for CUDA are those of NVIDIA's release notes
 * (docs.nvidia.com/cuda/cuda-toolkit-release-notes, "minor version compatibility").
 */
#include "runtime/backends.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/file.h"
#include "runtime/elf_needed.h"

enum { BACKENDS_MOST = 256 };
static const uint64_t gpu_worth = UINT64_C(4) << 30;

/* ---- names ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int backend_version_compare(const char *a, const char *b)
{
    while (*a && *b) {
        if (!is_digit(*a) || !is_digit(*b)) {
            if (*a != *b)
                return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++;
            b++;
            continue;
        }
        while (*a == '0' && is_digit(a[1]))
            a++;
        while (*b == '0' && is_digit(b[1]))
            b++;
        size_t n_a = strspn(a, "0123456789"), n_b = strspn(b, "0123456789");
        int order = n_a != n_b ? (n_a < n_b ? -1 : 1) : strncmp(a, b, n_a);
        if (order != 0)
            return order < 0 ? -1 : 1;
        a += n_a;
        b += n_b;
    }
    return *a ? 1 : *b ? -1 : 0;
}

bool backend_name_is_safe(const char *name)
{
    if (name[0] == '\0' || name[0] == '.' || strlen(name) >= 64)
        return false;
    for (const char *c = name; *c; c++) {
        if (!is_digit(*c) && !(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
            strchr("._-+", *c) == NULL)
            return false;
    }
    return true;
}

static uint32_t build_of(const char *version)
{
    unsigned long n = version[0] == 'b' ? strtoul(version + 1, NULL, 10) : 0;
    return n <= UINT32_MAX ? (uint32_t)n : 0;
}

bool backend_find_program(const char *folder, char *out, size_t n)
{
    static const char *const places[] = {"build/bin/llama-server", "llama-server",
                                         "bin/llama-server"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct stat info;
        if ((size_t)snprintf(out, n, "%s/%s", folder, places[i]) < n && stat(out, &info) == 0 &&
            S_ISREG(info.st_mode) && access(out, X_OK) == 0)
            return true;
    }
    return false;
}

/* ---- what a type asks for ---- */

/* 12 of "linux-avx2-cuda-cu12.0-x64", "linux-cuda-12-common_cpus-x64"; 0: no CUDA, or of no number.
 */
static unsigned cuda_of(const char *type)
{
    const char *at = strstr(type, "cuda");
    at = at ? at + 4 : NULL;
    while (at && *at && !is_digit(*at))
        at++;
    return at ? (unsigned)strtoul(at, NULL, 10) : 0;
}

static const char *least_driver(unsigned cuda)
{
    return cuda >= 13 ? "580" : cuda == 12 ? "525.60.13" : cuda == 11 ? "450.80.02" : "";
}

static bool cpu_can(const char *flag)
{
    char *text = NULL;
    size_t n;
    char word[32];
    if (file_read_all("/proc/cpuinfo", 4 << 20, &text, &n, NULL) != HEARTH_OK)
        return true;
    snprintf(word, sizeof word, " %s ", flag);
    char *line = strstr(text, "\nflags");
    char *end = line ? strchr(line + 1, '\n') : NULL;
    if (end)
        *end = ' ';
    if (end && end[1])
        end[1] = '\0';
    const bool can = line && strstr(line, word) != NULL;
    mem_free(text);
    return can;
}

/* False: this system or processor cannot, which *b says. */
static bool fits_system(backend *b)
{
#if defined(__x86_64__)
    static const char other[] = "arm64";
#else
    static const char other[] = "x64";
#endif
    static const struct {
        const char *word, *flag;
    } sets[] = {{"avx512", "avx512f"}, {"avx2", "avx2"}, {"-avx-", "avx"}};
    if (strstr(b->type, "win") || strstr(b->type, "macos") || strstr(b->type, other)) {
        snprintf(b->reason, sizeof b->reason, "it is for another system than this one");
        return false;
    }
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (strstr(b->type, sets[i].word) && !cpu_can(sets[i].flag)) {
            snprintf(b->reason, sizeof b->reason, "this processor has no %s", sets[i].flag);
            return false;
        }
    }
    return true;
}

static bool fits_driver(backend *b, const gpu *gpus, size_t n_gpus)
{
    const unsigned cuda = cuda_of(b->type);
    const char *least = least_driver(cuda);
    if (strstr(b->type, "cuda") == NULL)
        return true;
    if (n_gpus == 0) {
        snprintf(b->reason, sizeof b->reason, "nvidia-smi finds no GPU");
        return false;
    }
    if (gpus[0].driver[0] && backend_version_compare(gpus[0].driver, least) < 0) {
        snprintf(b->reason, sizeof b->reason, "CUDA %u takes a driver of %s or newer, this is %s",
                 cuda, least, gpus[0].driver);
        return false;
    }
    return true;
}

static bool has_libraries(backend *b)
{
    char missing[ELF_NAME_MAX];
    hearth_error err;
    if (elf_find_missing(b->program, missing, sizeof missing, &err) != HEARTH_OK) {
        snprintf(b->reason, sizeof b->reason, "%.200s", err.message);
        return false;
    }
    if (missing[0]) {
        snprintf(b->reason, sizeof b->reason, "the library %s is missing%s", missing,
                 strncmp(missing, "libcuda.so", 10) == 0 ? ": it comes with NVIDIA's driver"
                 : strncmp(missing, "libcu", 5) == 0     ? ": it comes with the CUDA runtime"
                                                         : "");
        return false;
    }
    return true;
}

void backend_judge(backend *b, const gpu *gpus, size_t n_gpus)
{
    const bool cuda = strstr(b->type, "cuda") != NULL;
    b->build = build_of(b->version);
    b->for_gpu = cuda || strstr(b->type, "vulkan") || strstr(b->type, "hip") ||
                 strstr(b->type, "rocm") || strstr(b->type, "sycl");
    b->usable = b->program[0] && fits_system(b) && fits_driver(b, gpus, n_gpus) && has_libraries(b);
    if (!b->program[0])
        snprintf(b->reason, sizeof b->reason, "there is no llama-server in it");
    else if (b->usable && cuda)
        snprintf(b->reason, sizeof b->reason, "CUDA %u on %.64s, driver %.31s", cuda_of(b->type),
                 gpus[0].name, gpus[0].driver);
    else if (b->usable)
        snprintf(b->reason, sizeof b->reason, "%s", b->for_gpu ? "for GPUs" : "for the processor");
}

/* ---- which is best ---- */

typedef struct listing {
    backend *items;
    size_t n;
    const gpu *gpus;
    size_t n_gpus;
} listing;

static int cpu_rank(const char *type)
{
    return strstr(type, "avx512")  ? 4
           : strstr(type, "avx2")  ? 3
           : strstr(type, "noavx") ? 1
           : strstr(type, "avx")   ? 2
                                   : 5; /* chooses by itself */
}

static int gpu_rank(const backend *b)
{
    return !b->for_gpu ? 0 : strstr(b->type, "cuda") ? 2 : 1;
}

/* Below 0: a is better. */
static int compare_backends(const void *x, const void *y, void *user)
{
    const backend *a = x, *b = y;
    const listing *l = user;
    bool worth = l->n_gpus == 0; /* GPUs that nvidia-smi does not know may be there */
    for (size_t i = 0; i < l->n_gpus; i++)
        worth = worth || l->gpus[i].total_bytes >= gpu_worth;
    if (a->usable != b->usable)
        return a->usable ? -1 : 1;
    if (gpu_rank(a) != gpu_rank(b))
        return (gpu_rank(a) > gpu_rank(b)) == worth ? -1 : 1;
    int order = backend_version_compare(b->version, a->version);
    if (order == 0)
        order = (int)cuda_of(b->type) - (int)cuda_of(a->type);
    if (order == 0)
        order = cpu_rank(b->type) - cpu_rank(a->type);
    return order != 0 ? order : strcmp(a->type, b->type);
}

/* ---- listing ---- */

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static void add_type(listing *l, const char *folder, const char *version, const char *type)
{
    char path[PLAN_PATH];
    if (!backend_name_is_safe(type) || l->n == BACKENDS_MOST ||
        (size_t)snprintf(path, sizeof path, "%s/%s/%s", folder, version, type) >= sizeof path ||
        !is_folder(path))
        return;
    backend *b = &l->items[l->n++];
    *b = (backend){.build = 0};
    snprintf(b->version, sizeof b->version, "%.31s", version);
    snprintf(b->type, sizeof b->type, "%.63s", type);
    if (!backend_find_program(path, b->program, sizeof b->program))
        b->program[0] = '\0';
    backend_judge(b, l->gpus, l->n_gpus);
}

static void add_version(listing *l, const char *folder, const char *version)
{
    char path[PLAN_PATH];
    const struct dirent *found;
    if (!backend_name_is_safe(version) || strlen(version) >= sizeof l->items->version ||
        (size_t)snprintf(path, sizeof path, "%s/%s", folder, version) >= sizeof path)
        return;
    DIR *types = opendir(path);
    while (types && (found = readdir(types)) != NULL)
        add_type(l, folder, version, found->d_name);
    if (types)
        closedir(types);
}

hearth_status backends_list(const char *data_folder, const gpu *gpus, size_t n_gpus, backend **out,
                            size_t *n, hearth_error *err)
{
    char folder[PLAN_PATH];
    const struct dirent *found;
    listing l = {.gpus = gpus, .n_gpus = n_gpus};
    *out = NULL;
    *n = 0;
    if (data_folder == NULL)
        return HEARTH_OK;
    if ((size_t)snprintf(folder, sizeof folder, "%s/backends", data_folder) >= sizeof folder)
        FAIL(err, EINVAL, data_folder, "the data folder's path is too long");
    l.items = mem_alloc_array(BACKENDS_MOST, sizeof *l.items);
    if (l.items == NULL)
        return error_no_memory(err, "a list of backends", BACKENDS_MOST * sizeof *l.items);
    DIR *versions = opendir(folder);
    while (versions && (found = readdir(versions)) != NULL)
        add_version(&l, folder, found->d_name);
    if (versions)
        closedir(versions);
    qsort_r(l.items, l.n, sizeof *l.items, compare_backends, &l);
    *out = l.items;
    *n = l.n;
    return HEARTH_OK;
}

/* ---- choosing ---- */

static hearth_status choose_program(const char *path, backend *out, hearth_error *err)
{
    *out = (backend){.usable = true, .for_gpu = true};
    if (access(path, X_OK) != 0)
        FAIL(err, ENOTFOUND, path, "there is no program '%.300s'", path);
    snprintf(out->program, sizeof out->program, "%s", path);
    snprintf(out->reason, sizeof out->reason, "as asked for");
    return HEARTH_OK;
}

hearth_status backends_choose(const char *data_folder, const char *wanted, const gpu *gpus,
                              size_t n_gpus, backend *out, hearth_error *err)
{
    backend *all = NULL;
    size_t n = 0, i = 0;
    hearth_status status = HEARTH_OK;
    if (wanted && wanted[0] == '/')
        return choose_program(wanted, out, err);
    TRY(backends_list(data_folder, gpus, n_gpus, &all, &n, err));
    while (wanted && i < n) {
        char name[sizeof all->version + sizeof all->type];
        snprintf(name, sizeof name, "%s/%s", all[i].version, all[i].type);
        if (strcmp(name, wanted) == 0)
            break;
        i++;
    }
    if (i == n)
        FAIL_OUT(err, ENOTFOUND, "backend",
                 "there is no llama-server backend%s%.96s; hearth "
                 "backends install gets one",
                 wanted ? " " : "", wanted ? wanted : "");
    if (!all[i].usable)
        FAIL_OUT(err, EUNSUPPORTED, "backend", "the backend %s/%s cannot run here: %s",
                 all[i].version, all[i].type, all[i].reason);
    *out = all[i];
    if (!wanted) {
        size_t used = strlen(out->reason);
        snprintf(out->reason + used, sizeof out->reason - used, "; the best of %zu that are there",
                 n);
    }
out:
    mem_free(all);
    return status;
}
