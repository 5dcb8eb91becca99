/* SPDX-License-Identifier: MIT
 *
 * gpu.c - see gpu.h.
 */
#include "runtime/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kind.h"

enum { SMI_FIELDS = 8, SMI_MS = 5000, DEVICES_MS = 30000, TEXT_MAX = 64 << 10 };

/* Fields that drivers of many years know: one that is not known fails the whole question. */
static const char smi_query[] = "--query-gpu=index,name,uuid,driver_version,memory.total,"
                                "memory.free,utilization.gpu,temperature.gpu";

/* ---- parsing ---- */

typedef struct span {
    const char *at;
    size_t n;
} span;

static span trim(const char *at, size_t n)
{
    while (n > 0 && (*at == ' ' || *at == '\t')) {
        at++;
        n--;
    }
    while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\r' || at[n - 1] == '\t'))
        n--;
    return (span){at, n};
}

/* False if it is no number ("[N/A]") or one that is too large for anything here. */
static bool read_number(span s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.n == 0 || s.n > 12)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s.at[i] - '0');
    }
    *out = value;
    return true;
}

static int number_or_unknown(span s)
{
    uint64_t value;
    return read_number(s, &value) && value <= 1000 ? (int)value : -1;
}

static void copy_text(char *out, size_t size, span s)
{
    snprintf(out, size, "%.*s", (int)(s.n < size ? s.n : size - 1), s.at);
}

static bool read_mib(span s, uint64_t *bytes)
{
    uint64_t mib;
    if (!read_number(s, &mib) || mib > UINT32_MAX)
        return false;
    *bytes = mib << 20;
    return true;
}

static bool parse_row(const char *line, size_t n, gpu *out)
{
    span fields[SMI_FIELDS];
    size_t n_fields = 0;
    uint64_t index;
    for (size_t start = 0; start <= n && n_fields < SMI_FIELDS;) {
        const char *comma = memchr(line + start, ',', n - start);
        size_t end = comma ? (size_t)(comma - line) : n;
        fields[n_fields++] = trim(line + start, end - start);
        start = end + 1;
    }
    *out = (gpu){0};
    if (n_fields != SMI_FIELDS || !read_number(fields[0], &index) || index >= 1024 ||
        !read_mib(fields[4], &out->total_bytes) || !read_mib(fields[5], &out->free_bytes) ||
        out->free_bytes > out->total_bytes)
        return false;
    out->index = (uint32_t)index;
    copy_text(out->name, sizeof out->name, fields[1]);
    copy_text(out->uuid, sizeof out->uuid, fields[2]);
    copy_text(out->driver, sizeof out->driver, fields[3]);
    out->load_percent = number_or_unknown(fields[6]);
    out->temperature = number_or_unknown(fields[7]);
    return true;
}

/* "NAME: DESCRIPTION (TOTAL MiB, FREE MiB free)" */
static bool parse_device(const char *line, size_t n, gpu *out)
{
    span s = trim(line, n);
    const char *colon = memchr(s.at, ':', s.n);
    const char *open = NULL;
    for (const char *at = s.at; at < s.at + s.n; at++)
        open = *at == '(' ? at : open;
    if (colon == NULL || open == NULL || open < colon || s.at == colon)
        return false;
    const char *end = s.at + s.n;
    const char *comma = memchr(open, ',', (size_t)(end - open));
    const char *word = memmem(open, (size_t)(end - open), " MiB", 4);
    *out = (gpu){.load_percent = -1, .temperature = -1};
    if (comma == NULL || word == NULL || word > comma)
        return false;
    const char *second = memmem(comma, (size_t)(end - comma), " MiB", 4);
    if (second == NULL || !read_mib(trim(open + 1, (size_t)(word - open - 1)), &out->total_bytes) ||
        !read_mib(trim(comma + 1, (size_t)(second - comma - 1)), &out->free_bytes) ||
        out->free_bytes > out->total_bytes || out->total_bytes == 0) /* 0: a library, as BLAS */
        return false;
    copy_text(out->name, sizeof out->name, trim(colon + 1, (size_t)(open - colon - 1)));
    return true;
}

static size_t parse_lines(const char *text, size_t n, gpu *out, size_t max,
                          bool (*parse)(const char *line, size_t n, gpu *out))
{
    size_t found = 0;
    while (n > 0 && found < max) {
        const char *end = memchr(text, '\n', n);
        size_t length = end ? (size_t)(end - text) : n;
        if (parse(text, length, &out[found]))
            found++;
        length += end != NULL;
        text += length;
        n -= length;
    }
    return found;
}

size_t gpu_parse_smi(const char *text, size_t n, gpu *out, size_t max)
{
    return parse_lines(text, n, out, max, parse_row);
}

size_t gpu_parse_devices(const char *text, size_t n, gpu *out, size_t max)
{
    static const char title[] = "Available devices:";
    const char *list = memmem(text, n, title, sizeof title - 1);
    if (list == NULL)
        return 0;
    list += sizeof title - 1;
    size_t found = parse_lines(list, n - (size_t)(list - text), out, max, parse_device);
    for (size_t i = 0; i < found; i++)
        out[i].index = (uint32_t)i;
    return found;
}

/* ---- asking ---- */

size_t gpu_ask_smi(const char *program, const hearth_progress *watch, gpu *out, size_t max)
{
    char found[1024];
    const process_limits limits = {SMI_MS, TEXT_MAX, watch};
    word_list argv = {0}, environment = {0};
    size_t n = 0;
    int status = 0;
    buf text;
    if (program == NULL)
        program = process_find_program("nvidia-smi", found, sizeof found) ? found : "";
    if (*program == '\0')
        return 0;
    buf_init(&text, TEXT_MAX);
    word_list_add(&argv, program);
    word_list_add(&argv, smi_query);
    word_list_add(&argv, "--format=csv,noheader,nounits");
    if (process_capture(&argv, &environment, &limits, &text, &status, NULL) == HEARTH_OK &&
        status == 0)
        n = gpu_parse_smi(text.data ? text.data : "", text.n, out, max);
    buf_deinit(&text);
    word_list_deinit(&argv);
    return n;
}

hearth_status gpu_ask_devices(const char *llama_server, const hearth_progress *watch, gpu *out,
                              size_t max, size_t *n, hearth_error *err)
{
    const process_limits limits = {DEVICES_MS, TEXT_MAX, watch};
    word_list argv = {0}, environment = {0};
    int status = 0;
    buf text;
    *n = 0;
    buf_init(&text, TEXT_MAX);
    word_list_add(&argv, llama_server);
    word_list_add(&argv, "--list-devices");
    engine_environment(NULL, "", &environment);
    hearth_status result = process_capture(&argv, &environment, &limits, &text, &status, err);
    if (result == HEARTH_OK && status != 0) {
        char how[64];
        process_status_text(status, how, sizeof how);
        result = error_set(err, HEARTH_EIO, llama_server, "'%.200s' --list-devices: %s: %.100s",
                           llama_server, how, text.data ? text.data : "");
    } else if (result == HEARTH_OK) {
        *n = gpu_parse_devices(text.data ? text.data : "", text.n, out, max);
    }
    buf_deinit(&text);
    word_list_deinit(&argv);
    word_list_deinit(&environment);
    return result;
}
