/* SPDX-License-Identifier: MIT
 *
 * peer_llama.c - the other side of bench/peer: llama.cpp, doing what `hearth bench` does.
 *
 *     peer_llama FOLDER LIBRARY MODEL THREADS RUNS PROMPTS GENERATIONS DEPTHS AT_ONCE
 *     peer_llama FOLDER
 *
 * FOLDER holds llama.cpp's libraries; LIBRARY is the file name of the CPU library to use, or "best"
 * for the one that llama.cpp itself chooses; the lists are as `hearth bench` takes them. Prints the
 * same JSON, with what llama.cpp says about itself. With FOLDER alone it prints how the CPU
 * libraries score themselves on this machine: the highest is the one that ggml loads.
 *
 * bench/peer compiles it against the headers of the very release it measures. Everything is as
 * llama-bench has it: default parameters (mapped weights, repacking, flash attention where
 * llama.cpp chooses it, F16 cache, batches of 2048 in passes of 512), a thread pool of its own, a
 * run to warm up before every test.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "llama.h"

enum { MAX_LIST = 32, MAX_RUNS = 100, MAX_PATH = 4096 };

static void die(const char *what, const char *which)
{
    fprintf(stderr, "peer_llama: %s %s\n", what, which);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the library ---- */

static int is_cpu_library(const struct dirent *entry)
{
    return strncmp(entry->d_name, "libggml-cpu-", 12) == 0;
}

static void print_scores(const char *folder)
{
    struct dirent **entries;
    char path[MAX_PATH];
    int n = scandir(folder, &entries, is_cpu_library, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        int (*score)(void) = library ? (int (*)(void))dlsym(library, "ggml_backend_score") : NULL;
        printf("%s %d\n", entries[i]->d_name, score ? score() : 0);
    }
}

static void load_library(const char *folder, const char *library)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, library);
    if (strcmp(library, "best") == 0)
        ggml_backend_load_all_from_path(folder);
    else if (ggml_backend_load(path) == NULL)
        die("cannot load", path);
    if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == NULL)
        die("no CPU library in", folder);
}

/* The CPU library that is mapped now: those that were only asked for their score are gone. */
static void loaded_library(char *out, size_t n)
{
    char line[MAX_PATH];
    FILE *maps = fopen("/proc/self/maps", "r");
    snprintf(out, n, "unknown");
    while (maps && fgets(line, sizeof line, maps)) {
        char *name = strstr(line, "libggml-cpu");
        if (name == NULL)
            continue;
        name[strcspn(name, "\n")] = '\0';
        snprintf(out, n, "%s", name);
    }
    if (maps)
        fclose(maps);
}

static long peak_bytes(void)
{
    char line[256];
    long kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kilobytes = strtol(line + 6, NULL, 10);
    }
    if (status)
        fclose(status);
    return kilobytes * 1024;
}

static void log_errors(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

/* ---- running ---- */

typedef struct side {
    struct llama_context *context;
    struct llama_batch batch; /* as many as a call takes */
    int n_vocab, n_batch;
    int n_past;
} side;

/* n tokens; logits of each, or of the last alone. */
static void feed(side *s, int n, bool all_logits)
{
    for (int done = 0; done < n;) {
        int count = n - done < s->n_batch ? n - done : s->n_batch;
        for (int i = 0; i < count; i++) {
            s->batch.token[i] = (llama_token)(((size_t)s->n_past * 7919 + 13) % (size_t)s->n_vocab);
            s->batch.pos[i] = s->n_past++;
            s->batch.n_seq_id[i] = 1;
            s->batch.seq_id[i][0] = 0;
            s->batch.logits[i] = all_logits || done + i == n - 1;
        }
        s->batch.n_tokens = count;
        if (llama_decode(s->context, s->batch) != 0)
            die("llama_decode failed", "");
        done += count;
    }
    llama_synchronize(s->context);
}

static void go_to_depth(side *s, int depth)
{
    llama_memory_t memory = llama_get_memory(s->context);
    if (s->n_past > depth) {
        s->n_past = depth;
        if (depth == 0 || !llama_memory_seq_rm(memory, 0, depth, -1)) {
            llama_memory_clear(memory, false);
            s->n_past = 0;
        }
    }
    if (s->n_past < depth)
        feed(s, depth - s->n_past, false);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(side *s, bool prompt, int n, int depth, int at_once, int n_runs)
{
    static bool another;
    double speeds[MAX_RUNS];
    for (int run = 0; run <= n_runs; run++) {
        go_to_depth(s, depth);
        double started = now();
        if (prompt)
            feed(s, n, false);
        for (int done = 0; !prompt && done < n; done += at_once)
            feed(s, n - done < at_once ? n - done : at_once, true);
        if (run > 0)
            speeds[run - 1] = n / (now() - started);
    }
    qsort(speeds, (size_t)n_runs, sizeof *speeds, ascending);
    printf("%s{\"kind\": \"%s\", \"tokens\": %d, \"depth\": %d, \"at_once\": %d, "
           "\"repetitions\": %d, \"tokens_per_second\": %.9g, \"min\": %.9g, \"max\": %.9g}",
           another ? ", " : "", prompt ? "prompt" : "generate", n, depth, at_once, n_runs,
           (speeds[(n_runs - 1) / 2] + speeds[n_runs / 2]) / 2, speeds[0], speeds[n_runs - 1]);
    another = true;
}

/* ---- the command line ---- */

typedef struct list {
    int items[MAX_LIST], n;
} list;

static list parse(const char *text)
{
    list l = {.n = 0};
    char *end;
    for (const char *at = text; l.n < MAX_LIST; at = end + 1) {
        l.items[l.n++] = (int)strtol(at, &end, 10);
        if (end == at)
            die("not a list of numbers:", text);
        if (*end != ',')
            break;
    }
    return l;
}

static int largest(const list *l)
{
    int most = 0;
    for (int i = 0; i < l->n; i++)
        most = l->items[i] > most ? l->items[i] : most;
    return most;
}

static struct llama_context *open_context(struct llama_model *model, int n_threads, int n_ctx)
{
    struct llama_context_params params = llama_context_default_params();
    if (params.n_batch != 2048 || params.n_ubatch != 512 || params.type_k != GGML_TYPE_F16)
        die("llama.cpp's defaults are not those of its headers;", "are they of one release?");
    params.n_ctx = (uint32_t)n_ctx;
    params.n_threads = params.n_threads_batch = n_threads;
    struct llama_context *context = llama_init_from_model(model, params);
    if (context == NULL)
        die("no context of", "that size");
    struct ggml_threadpool_params pool_params = ggml_threadpool_params_default(n_threads);
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    struct ggml_threadpool *(*new_pool)(struct ggml_threadpool_params *) =
        (struct ggml_threadpool * (*)(struct ggml_threadpool_params *))
            ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device),
                                              "ggml_threadpool_new");
    if (new_pool)
        llama_attach_threadpool(context, new_pool(&pool_params), NULL);
    return context;
}

int main(int argc, char **argv)
{
    char library[MAX_PATH];
    if (argc == 2) {
        print_scores(argv[1]);
        return 0;
    }
    if (argc != 10)
        die("usage: peer_llama",
            "FOLDER LIBRARY MODEL THREADS RUNS PROMPTS GENERATIONS DEPTHS AT_ONCE");
    int n_threads = atoi(argv[4]), n_runs = atoi(argv[5]);
    list prompts = parse(argv[6]), generations = parse(argv[7]), depths = parse(argv[8]),
         at_once = parse(argv[9]);
    if (n_runs < 1 || n_runs > MAX_RUNS)
        die("1 to 100 runs, not", argv[5]);
    llama_log_set(log_errors, NULL);
    load_library(argv[1], argv[2]);
    llama_backend_init();
    loaded_library(library, sizeof library);

    int most =
        largest(&prompts) > largest(&generations) ? largest(&prompts) : largest(&generations);
    double started = now();
    struct llama_model *model = llama_model_load_from_file(argv[3], llama_model_default_params());
    if (model == NULL)
        die("cannot load", argv[3]);
    side s = {.context = open_context(model, n_threads, largest(&depths) + most)};
    s.n_batch = (int)llama_n_batch(s.context);
    s.n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    double load_ms = (now() - started) * 1e3;
    s.batch = llama_batch_init(s.n_batch, 0, 1);
    feed(&s, 1, false);
    double first_token_ms = (now() - started) * 1e3;

    printf("{\"library\": \"%s\", \"version\": \"%s\", \"commit\": \"%s\", \"system\": \"%s\", "
           "\"n_threads\": %d, \"load_ms\": %.3f, \"first_token_ms\": %.3f, \"results\": [",
           library, ggml_version(), ggml_commit(), llama_print_system_info(), n_threads, load_ms,
           first_token_ms);
    for (int d = 0; d < depths.n; d++) {
        for (int p = 0; p < prompts.n; p++) {
            if (prompts.items[p] > 0)
                measure(&s, true, prompts.items[p], depths.items[d], prompts.items[p], n_runs);
        }
        for (int g = 0; g < generations.n; g++) {
            for (int a = 0; generations.items[g] > 0 && a < at_once.n; a++)
                measure(&s, false, generations.items[g], depths.items[d], at_once.items[a], n_runs);
        }
    }
    printf("], \"peak_bytes\": %ld}\n", peak_bytes());
    return 0;
}
