/* SPDX-License-Identifier: MIT
 *
 * replay.c - runs a fuzz target without a fuzzer: every file of a corpus folder (or one file), then
 * changed copies of them.
 *
 * Changes  Each file cut at every length (at 4096 lengths spread over it if it is longer), then
 *          one to four bytes replaced, round after round, for some two seconds in all. The seed is
 *          printed; HEARTH_FUZZ_SEED sets it, HEARTH_FUZZ_TRACE=1 prints every run before it runs.
 * Memory   Each input lies in an allocation of exactly its size, so that a sanitizer sees the first
 *          byte read beyond it.
 */
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "os/clock.h"
#include "os/file.h"

enum { FILES_MAX = 4096, FILE_MAX_BYTES = 16 << 20, CUTS_MAX = 4096, BUDGET_MS = 2000 };

typedef struct sample {
    char path[PATH_MAX];
    uint8_t *bytes;
    size_t n;
} sample;

typedef struct replay {
    sample *samples;
    size_t n_samples;
    uint64_t seed, random, deadline_ns;
    unsigned long n_runs;
    bool trace;
} replay;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint64_t next_random(replay *r)
{
    r->random ^= r->random << 13; /* xorshift64, Marsaglia 2003 */
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random;
}

static bool in_time(const replay *r)
{
    return clock_now_ns() < r->deadline_ns;
}

static void run(replay *r, const sample *s, const uint8_t *bytes, size_t n, const char *change)
{
    uint8_t *copy = mem_alloc(n);
    if (copy == NULL)
        return;
    if (n > 0)
        memcpy(copy, bytes, n);
    if (r->trace)
        fprintf(stderr, "%lu %s: %s, %zu bytes\n", r->n_runs, s->path, change, n);
    LLVMFuzzerTestOneInput(copy, n);
    r->n_runs++;
    mem_free(copy);
}

static bool add_sample(replay *r, const char *path)
{
    hearth_error err;
    char *bytes;
    sample *s = &r->samples[r->n_samples];
    if (r->n_samples == FILES_MAX ||
        file_read_all(path, FILE_MAX_BYTES, &bytes, &s->n, &err) != HEARTH_OK) {
        fprintf(stderr, "cannot read %s\n", path);
        return false;
    }
    snprintf(s->path, sizeof s->path, "%s", path);
    s->bytes = (uint8_t *)bytes;
    r->n_samples++;
    return true;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool add_folder(replay *r, const char *folder)
{
    struct dirent **entries;
    bool good = true;
    int n = scandir(folder, &entries, not_hidden, alphasort);
    if (n < 0) {
        fprintf(stderr, "cannot read folder %s\n", folder);
        return false;
    }
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < PATH_MAX)
            good = add_sample(r, path) && good;
        free(entries[i]); /* scandir's own allocation */
    }
    free(entries);
    return good;
}

static void cut(replay *r, const sample *s)
{
    size_t step = s->n / CUTS_MAX + 1;
    for (size_t n = 0; n < s->n && in_time(r); n += step)
        run(r, s, s->bytes, n, "cut");
}

static void flip(replay *r, sample *s)
{
    size_t at[4];
    uint8_t before[4];
    size_t n_flips = 1 + next_random(r) % 4;
    if (s->n == 0)
        return;
    for (size_t i = 0; i < n_flips; i++) {
        at[i] = next_random(r) % s->n;
        before[i] = s->bytes[at[i]];
        s->bytes[at[i]] = (uint8_t)next_random(r);
    }
    run(r, s, s->bytes, s->n, "bytes replaced");
    while (n_flips-- > 0)
        s->bytes[at[n_flips]] = before[n_flips];
}

static void sweep(replay *r)
{
    r->deadline_ns = clock_now_ns() + (uint64_t)BUDGET_MS * 1000000u / 2;
    for (size_t i = 0; i < r->n_samples; i++)
        cut(r, &r->samples[i]);
    r->deadline_ns = clock_now_ns() + (uint64_t)BUDGET_MS * 1000000u / 2;
    for (size_t i = 0; in_time(r); i = (i + 1) % r->n_samples)
        flip(r, &r->samples[i]);
}

int main(int argc, char **argv)
{
    const char *seed = getenv("HEARTH_FUZZ_SEED");
    replay r = {.seed = seed ? strtoull(seed, NULL, 10) : 1, .trace = getenv("HEARTH_FUZZ_TRACE")};
    struct stat info;
    if (argc != 2 || stat(argv[1], &info) != 0) {
        fprintf(stderr, "usage: %s FILE|FOLDER\n", argv[0]);
        return 2;
    }
    r.random = r.seed * 2 + 1; /* never 0, from which xorshift does not recover */
    r.samples = mem_calloc(FILES_MAX, sizeof *r.samples);
    if (r.samples == NULL)
        return 2;
    bool is_folder = S_ISDIR(info.st_mode);
    bool good = is_folder ? add_folder(&r, argv[1]) : add_sample(&r, argv[1]);
    for (size_t i = 0; i < r.n_samples; i++)
        run(&r, &r.samples[i], r.samples[i].bytes, r.samples[i].n, "as it is");
    if (is_folder && r.n_samples > 0)
        sweep(&r);
    printf("%lu runs over %zu files, seed %llu\n", r.n_runs, r.n_samples,
           (unsigned long long)r.seed);
    for (size_t i = 0; i < r.n_samples; i++)
        mem_free(r.samples[i].bytes);
    mem_free(r.samples);
    return good && r.n_samples > 0 ? 0 : 1;
}
