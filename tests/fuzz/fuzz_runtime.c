/* SPDX-License-Identifier: MIT
 *
 * fuzz_runtime.c - what other programs and files tell the runtime: nvidia-smi, lists of devices,
 * lines of engines, metrics, ELF headers, names of archives, paths and links in them.
 *
 * Input    a byte that chooses the reader, then its text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/backend_install.h"
#include "runtime/elf_needed.h"
#include "runtime/kind.h"
#include "runtime/line_log.h"
#include "runtime/metrics_text.h"
#include "runtime/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void read_gpus(const char *text, size_t n)
{
    gpu gpus[GPU_MOST];
    for (int kind = 0; kind < 2; kind++) {
        size_t found = kind ? gpu_parse_smi(text, n, gpus, GPU_MOST)
                            : gpu_parse_devices(text, n, gpus, GPU_MOST);
        require(found <= GPU_MOST);
        for (size_t i = 0; i < found; i++)
            require(gpus[i].free_bytes <= gpus[i].total_bytes);
    }
}

static void read_elf(const char *bytes, size_t n)
{
    static elf_needed needed;
    if (elf_needed_read(bytes, n, &needed, NULL) != HEARTH_OK)
        return;
    require(needed.n <= ELF_NEEDED_MOST);
    for (size_t i = 0; i < needed.n; i++)
        require(memchr(needed.names[i], '\0', ELF_NAME_MAX) != NULL);
}

/* Whether following path, then target from its folder, ever leaves the top. */
static void check_link(const char *path, const char *target)
{
    long depth = 0;
    if (!unpack_path_is_safe(path) || !unpack_link_is_safe(path, target))
        return;
    require(path[0] != '/' && target[0] != '/');
    for (int part = 0; part < 2; part++) {
        for (const char *at = part ? target : path; *at;) {
            size_t n = strcspn(at, "/");
            if (n == 2 && memcmp(at, "..", 2) == 0)
                depth--;
            else if (n > 0 && !(n == 1 && *at == '.'))
                depth++;
            require(depth >= 0);
            at += n + (at[n] == '/');
        }
        depth -= part == 0; /* the link's own name */
    }
}

static void read_log(const char *text, size_t n)
{
    static line_log log;
    line_log_init(&log);
    line_log_write(&log, 0, text, n / 2, NULL, NULL);
    line_log_write(&log, 1, text + n / 2, n - n / 2, NULL, NULL);
    line_log_finish(&log);
    char *tail = line_log_tail(&log, 5);
    require(tail && strlen(tail) <= LINE_LOG_BYTES);
    mem_free(tail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char url[64], version[32], type[64];
    double value;
    if (n == 0)
        return 0;
    char *text = mem_dup((const char *)data + 1, n - 1);
    require(text != NULL);
    switch (data[0] % 6) {
    case 0:
        read_gpus(text, n - 1);
        break;
    case 1:
        if (engine_line_url(text, url, sizeof url))
            require(strncmp(url, "http://127.0.0.1:", 17) == 0);
        engine_remote_url(text, url, sizeof url, NULL);
        break;
    case 2:
        metrics_find(text, n - 1, "a", &value);
        break;
    case 3:
        read_elf(text, n - 1);
        break;
    case 4: {
        char *end = strchr(text, '\n');
        if (end)
            *end = '\0';
        check_link(text, end ? end + 1 : "x");
        backend_read_name(text, version, sizeof version, type, sizeof type);
        backend_version_compare(text, end ? end + 1 : "");
        break;
    }
    default:
        read_log(text, n - 1);
    }
    mem_free(text);
    return 0;
}
