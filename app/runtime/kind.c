/* SPDX-License-Identifier: MIT
 *
 * kind.c - see kind.h.
 */
#include "runtime/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BUILD_FLASH_VALUE = 6325 /* llama.cpp's --flash-attn takes a word since about then */ };

/* ---- flags ---- */

static void flag(word_list *argv, const char *name, const char *value)
{
    word_list_add(argv, name);
    word_list_add(argv, value);
}

static void flag_number(word_list *argv, const char *name, long long value)
{
    word_list_add(argv, name);
    word_list_add_format(argv, "%lld", value);
}

/* What both read: hearth engine takes llama-server's flags. */
static void common_flags(const model_spec *spec, const engine_plan *plan, uint64_t n_ctx,
                         word_list *argv)
{
    flag(argv, "--model", spec->path);
    flag(argv, "--alias", spec->id);
    flag(argv, "--host", "127.0.0.1");
    flag(argv, "--port", "0");
    flag_number(argv, "--ctx-size", (long long)n_ctx);
    flag_number(argv, "--parallel", plan->n_parallel);
    if (plan->n_batch > 0)
        flag_number(argv, "--batch-size", plan->n_batch);
    if (plan->n_threads > 0)
        flag_number(argv, "--threads", plan->n_threads);
    flag(argv, "--cache-type-k", plan->cache_type_k);
    flag(argv, "--cache-type-v", plan->cache_type_v);
    word_list_add(argv, "--metrics");
    if (spec->reranking)
        word_list_add(argv, "--reranking");
    else if (spec->embedding)
        word_list_add(argv, "--embeddings");
}

/* setting NULL: nobody's to set but the supervisor's. */
static const struct {
    const char *flag, *setting;
} own_flags[] = {
    {"--host", NULL},
    {"--port", NULL},
    {"--api-key", NULL},
    {"--api-key-file", NULL},
    {"--api-prefix", NULL},
    {"--ssl-key-file", NULL},
    {"--ssl-cert-file", NULL},
    {"--model", NULL},
    {"-m", NULL},
    {"--alias", NULL},
    {"-a", NULL},
    {"--mmproj", NULL},
    {"--cache-mib", NULL},
    {"--ctx-size", "n_ctx"},
    {"-c", "n_ctx"},
    {"--parallel", "n_parallel"},
    {"-np", "n_parallel"},
    {"--batch-size", "n_batch"},
    {"-b", "n_batch"},
    {"--threads", "n_threads"},
    {"-t", "n_threads"},
    {"--gpu-layers", "n_gpu_layers"},
    {"--n-gpu-layers", "n_gpu_layers"},
    {"-ngl", "n_gpu_layers"},
    {"--cache-type-k", "cache_type_k"},
    {"-ctk", "cache_type_k"},
    {"--cache-type-v", "cache_type_v"},
    {"-ctv", "cache_type_v"},
};

hearth_status engine_check_extra(const model_spec *spec, hearth_error *err)
{
    for (size_t i = 0; i < spec->n_extra; i++) {
        const char *given = spec->extra[i];
        for (size_t k = 0; k < sizeof own_flags / sizeof *own_flags; k++) {
            const size_t n = strlen(own_flags[k].flag);
            if (strncmp(given, own_flags[k].flag, n) != 0 || (given[n] != '\0' && given[n] != '='))
                continue;
            const char *setting = own_flags[k].setting;
            FAIL(err, EINVAL, "extra", "the flag %s of '%.100s' %s%s", own_flags[k].flag, spec->id,
                 setting ? "has a setting of its own: " : "is not to be set by hand",
                 setting ? setting : "");
        }
    }
    return HEARTH_OK;
}

static void extra_flags(const model_spec *spec, word_list *argv)
{
    for (size_t i = 0; i < spec->n_extra; i++)
        word_list_add(argv, spec->extra[i]);
}

static void builtin_command(const model_spec *spec, const engine_plan *plan, word_list *argv)
{
    word_list_add(argv, plan->program);
    word_list_add(argv, "engine");
    common_flags(spec, plan, plan->n_ctx, argv);
    flag_number(argv, "--cache-mib", plan->cache_mib);
    extra_flags(spec, argv);
}

static bool is_quantized(const char *cache_type)
{
    return cache_type[0] == 'q' || cache_type[0] == 'i';
}

/* Its context is that of all requests together. */
static void llama_command(const model_spec *spec, const engine_plan *plan, word_list *argv)
{
    word_list_add(argv, plan->program);
    common_flags(spec, plan, (uint64_t)plan->n_ctx * plan->n_parallel, argv);
    flag_number(argv, "--n-gpu-layers", plan->n_gpu_layers);
    word_list_add(argv, "--jinja");
    word_list_add(argv, "--slots");
    if (spec->mmproj)
        flag(argv, "--mmproj", spec->mmproj);
    if ((spec->embedding || spec->reranking) && plan->n_batch > 0)
        flag_number(argv, "--ubatch-size", plan->n_batch); /* texts go in whole */
    if (is_quantized(plan->cache_type_v)) {
        word_list_add(argv, "--flash-attn");
        if (plan->backend_build == 0 || plan->backend_build >= BUILD_FLASH_VALUE)
            word_list_add(argv, "on");
    }
    extra_flags(spec, argv);
}

/* Newer builds keep up to 8 GiB of prompts in RAM beside the cache, which no plan has counted. The
 * flag against it would end older builds; a variable that they do not know does not. */
static const char no_prompts_kept[] = "LLAMA_ARG_CACHE_RAM=0";

static const engine_kind kinds[] = {
    {ENGINE_BUILTIN, true, false, builtin_command, "/health", false, "/metrics", NULL},
    {ENGINE_LLAMA_SERVER, true, true, llama_command, "/health", false, "/metrics", no_prompts_kept},
    {ENGINE_REMOTE, false, true, NULL, "/v1/models", true, NULL, NULL},
};

const engine_kind *engine_kind_find(engine_kind_id id)
{
    return &kinds[id - ENGINE_BUILTIN];
}

void engine_environment(const engine_kind *kind, const char *key, word_list *out)
{
    word_list_add_environment(out, "LLAMA_");
    if (kind && kind->setting)
        word_list_add(out, kind->setting);
    word_list_add_format(out, "LLAMA_API_KEY=%s", key);
    word_list_add(out, "CUDA_DEVICE_ORDER=PCI_BUS_ID");
}

/* ---- addresses ---- */

static bool read_port(const char *text, unsigned *port)
{
    char *end;
    unsigned long n = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    *port = (unsigned)n;
    return n > 0 && n <= 65535;
}

/* The part of a host of text, up to its end. */
static bool is_loopback(const char *host, size_t n)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "0.0.0.0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (n == strlen(names[i]) && strncmp(host, names[i], n) == 0)
            return true;
    }
    return false;
}

bool engine_line_url(const char *line, char *url, size_t n)
{
    unsigned port = 0;
    const char *at = strstr(line, "listening");
    if (at == NULL)
        return false;
    const char *host = strstr(at, "http://");
    const char *number = NULL;
    if (host) {
        host += strlen("http://");
        size_t length = strcspn(host, ":/ ");
        if (host[length] == ':' && is_loopback(host, length))
            number = host + length + 1;
    } else if ((host = strstr(at, "hostname: ")) != NULL) {
        host += strlen("hostname: ");
        const char *mark = strstr(host, "port: ");
        if (mark && is_loopback(host, strcspn(host, ", ")))
            number = mark + strlen("port: ");
    }
    return number && read_port(number, &port) &&
           (size_t)snprintf(url, n, "http://127.0.0.1:%u", port) < n;
}

hearth_status engine_remote_url(const char *given, char *url, size_t n, hearth_error *err)
{
    size_t scheme = strncasecmp(given, "http://", 7) == 0    ? 7
                    : strncasecmp(given, "https://", 8) == 0 ? 8
                                                             : 0;
    size_t length = strlen(given);
    if (scheme == 0 || given[scheme] == '\0' || given[scheme] == '/' ||
        strpbrk(given, "?#@ \t\r\n\"") != NULL)
        FAIL(err, EINVAL, "url",
             "'%.200s' is not an address of an engine; give one like https://host:8000/v1", given);
    while (length > scheme + 1 && given[length - 1] == '/')
        length--;
    if (length > scheme + 3 && strncmp(given + length - 3, "/v1", 3) == 0)
        length -= 3;
    if ((size_t)snprintf(url, n, "%.*s", (int)length, given) >= n)
        FAIL(err, EINVAL, "url", "an address of %zu bytes is too long", length);
    return HEARTH_OK;
}
