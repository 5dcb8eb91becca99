/* SPDX-License-Identifier: MIT
 *
 * test_runtime_texts.c - what other programs tell, read with care: nvidia-smi, llama-server's
 * devices and addresses, metrics, ELF headers, versions, and logs.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "os/file.h"
#include "runtime/backends.h"
#include "runtime/elf_needed.h"
#include "runtime/kind.h"
#include "runtime/line_log.h"
#include "runtime/metrics_text.h"

#define MIB (UINT64_C(1) << 20)

static void nvidia_smi_is_read(void **state)
{
    static const char text[] =
        "0, NVIDIA GeForce RTX 4090, GPU-0b1c, 550.54.14, 24564, 23002, 3, 41\n"
        "1, NVIDIA A100-SXM4-80GB, GPU-77, 550.54.14, 81920, 100, [N/A], [N/A]\r\n"
        "No devices were found\n"
        "2, Broken, GPU-1, 1, [Insufficient Permissions], 1, 1, 1\n"
        "3, Freer than it is, GPU-2, 1, 10, 11, 0, 0\n"
        "4, short\n"
        "5, NVIDIA H200, GPU-c7a4d475-b3cb-6725-d01b-b6e9dc718881, 580.159.04, 143771, 143156, 0, "
        "36\n"
        "99999999999999999999, Much, GPU-3, 1, 10, 1, 0, 0";
    gpu gpus[GPU_MOST];
    (void)state;
    assert_int_equal(gpu_parse_smi(text, sizeof text - 1, gpus, GPU_MOST), 3);
    assert_string_equal(gpus[0].name, "NVIDIA GeForce RTX 4090");
    assert_string_equal(gpus[0].uuid, "GPU-0b1c");
    assert_string_equal(gpus[0].driver, "550.54.14");
    assert_int_equal(gpus[0].total_bytes, 24564 * MIB);
    assert_int_equal(gpus[0].free_bytes, 23002 * MIB);
    assert_int_equal(gpus[0].load_percent, 3);
    assert_int_equal(gpus[0].temperature, 41);
    assert_int_equal(gpus[1].index, 1);
    assert_int_equal(gpus[1].load_percent, -1);
    assert_string_equal(gpus[2].driver, "580.159.04");
    assert_int_equal(gpus[2].free_bytes, 143156 * MIB);
    assert_int_equal(gpu_parse_smi(text, sizeof text - 1, gpus, 1), 1);
    for (size_t n = 0; n < sizeof text; n++)
        gpu_parse_smi(text, n, gpus, GPU_MOST);
}

static void devices_of_a_backend_are_read(void **state)
{
    static const char text[] =
        "ggml_cuda_init: found 1 CUDA devices:\n  Device 0: NVIDIA (1 MiB, 1 MiB free)\n"
        "Available devices:\n  BLAS: OpenBLAS (0 MiB, 0 MiB free)\n"
        "  CUDA0: NVIDIA GeForce RTX 4090 (24209 MiB, 23841 MiB free)\n"
        "  Vulkan0: AMD Radeon (RADV NAVI31) (16368 MiB, 16000 MiB free)\n"
        "  (none)\n  X: y (MiB, MiB free)\n  Z: w (5 MiB, 6 MiB free)\n";
    gpu gpus[GPU_MOST];
    (void)state;
    assert_int_equal(gpu_parse_devices(text, sizeof text - 1, gpus, GPU_MOST), 2);
    assert_string_equal(gpus[0].name, "NVIDIA GeForce RTX 4090");
    assert_int_equal(gpus[0].free_bytes, 23841 * MIB);
    assert_string_equal(gpus[1].name, "AMD Radeon (RADV NAVI31)");
    assert_int_equal(gpus[1].index, 1);
    for (size_t n = 0; n < sizeof text; n++)
        gpu_parse_devices(text, n, gpus, GPU_MOST);
}

static void addresses_are_found_in_lines(void **state)
{
    static const struct {
        const char *line, *url;
    } cases[] = {
        {"listening on http://127.0.0.1:41234", "http://127.0.0.1:41234"},
        {"main: server is listening on http://127.0.0.1:8080 - starting the main loop",
         "http://127.0.0.1:8080"},
        {"main: HTTP server is listening, hostname: 127.0.0.1, port: 5050, http threads: 15",
         "http://127.0.0.1:5050"},
        {"listening on http://localhost:1/", "http://127.0.0.1:1"},
        {"listening on http://example.org:80", NULL},
        {"listening on http://127.0.0.1.evil.org:80", NULL},
        {"listening on http://127.0.0.1:0", NULL},
        {"listening on http://127.0.0.1:65536", NULL},
        {"listening on http://127.0.0.1:-5", NULL},
        {"http://127.0.0.1:80 is not listening", NULL},
        {"listening, hostname: 10.0.0.1, port: 80", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char url[64] = "";
        assert_int_equal(engine_line_url(cases[i].line, url, sizeof url), cases[i].url != NULL);
        assert_string_equal(url, cases[i].url ? cases[i].url : "");
    }
}

static void remote_addresses_are_made_even(void **state)
{
    char url[64];
    (void)state;
    assert_int_equal(engine_remote_url("https://host:8000/v1/", url, sizeof url, NULL), HEARTH_OK);
    assert_string_equal(url, "https://host:8000");
    assert_int_equal(engine_remote_url("http://host/base", url, sizeof url, NULL), HEARTH_OK);
    assert_string_equal(url, "http://host/base");
    static const char *const bad[] = {"",           "host:80",           "ftp://host",
                                      "http://",    "http:///v1",        "http://u:p@host",
                                      "http://a b", "http://host/?key=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(engine_remote_url(bad[i], url, sizeof url, NULL), HEARTH_EINVAL);
}

static void keys_are_in_the_environment_alone(void **state)
{
    model_spec spec;
    engine_plan plan = {.kind = ENGINE_LLAMA_SERVER,
                        .program = "/x/llama-server",
                        .n_ctx = 1000,
                        .n_parallel = 3,
                        .cache_type_k = "f16",
                        .cache_type_v = "q8_0",
                        .backend_build = 9000};
    word_list argv = {0}, environment = {0};
    char line[2048] = "";
    bool found = false, bounded = false;
    (void)state;
    model_spec_init(&spec);
    model_spec_set(&spec.id, "m");
    model_spec_set(&spec.path, "/m.gguf");
    model_spec_set(&spec.mmproj, "/p.gguf");
    engine_kind_find(ENGINE_LLAMA_SERVER)->command(&spec, &plan, &argv);
    for (size_t i = 0; i < argv.n; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s ", argv.items[i]);
    assert_non_null(strstr(line, "--ctx-size 3000 "));
    assert_non_null(strstr(line, "--parallel 3 "));
    assert_non_null(strstr(line, "--port 0 "));
    assert_non_null(strstr(line, "--mmproj /p.gguf "));
    assert_non_null(strstr(line, "--flash-attn on "));
    assert_null(strstr(line, "key"));
    assert_null(strstr(line, "--ubatch-size"));
    word_list_deinit(&argv);
    spec.embedding = true;
    plan.n_batch = 700;
    engine_kind_find(ENGINE_LLAMA_SERVER)->command(&spec, &plan, &argv);
    bool whole = false;
    for (size_t i = 0; i + 1 < argv.n; i++)
        whole = whole || (strcmp(argv.items[i], "--ubatch-size") == 0 &&
                          strcmp(argv.items[i + 1], "700") == 0);
    assert_true(whole);
    engine_environment(engine_kind_find(ENGINE_LLAMA_SERVER), "secret", &environment);
    for (size_t i = 0; i < environment.n; i++) {
        if (strcmp(environment.items[i], "LLAMA_API_KEY=secret") == 0)
            found = true;
        else if (strcmp(environment.items[i], "LLAMA_ARG_CACHE_RAM=0") == 0)
            bounded = true; /* what the plan has not counted is not taken */
        else
            assert_true(strncmp(environment.items[i], "LLAMA_", 6) != 0);
    }
    assert_true(found && bounded);
    word_list_deinit(&argv);
    word_list_deinit(&environment);
    model_spec_deinit(&spec);
}

static void flags_of_the_supervisor_are_not_given_by_hand(void **state)
{
    static const struct {
        const char *flag;
        bool ok;
    } cases[] = {{"--host", false},       {"--api-key=x", false}, {"-c", false},
                 {"--ctx-size=9", false}, {"--hostile", true},    {"--lora", true}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_spec spec;
        hearth_error err = {0};
        model_spec_init(&spec);
        assert_true(model_spec_set(&spec.id, "m") && model_spec_add_extra(&spec, "--lora") &&
                    model_spec_add_extra(&spec, cases[i].flag));
        assert_int_equal(engine_check_extra(&spec, &err), cases[i].ok ? HEARTH_OK : HEARTH_EINVAL);
        model_spec_deinit(&spec);
    }
}

static void metrics_are_read_and_written(void **state)
{
    static const char text[] = "# HELP a b\nab 1\na{x=\"}\"} 9\na 2.5\nnan NaN\nwords x\nlast 3";
    double value = 0;
    buf out;
    (void)state;
    assert_true(metrics_find(text, sizeof text - 1, "a", &value));
    assert_true(value == 2.5);
    assert_true(metrics_find(text, sizeof text - 1, "last", &value));
    assert_true(value == 3);
    assert_false(metrics_find(text, sizeof text - 1, "nan", &value));
    assert_false(metrics_find(text, sizeof text - 1, "words", &value));
    assert_false(metrics_find(text, sizeof text - 1, "none", &value));
    buf_init(&out, 0);
    assert_true(metrics_value(&out, "n", "a\"b\\c\nd", 0.5));
    assert_string_equal(out.data, "n{model=\"a\\\"b\\\\c\\nd\"} 0.5\n");
    buf_deinit(&out);
}

static void versions_are_numbers(void **state)
{
    (void)state;
    assert_true(backend_version_compare("b9999", "b10000") < 0);
    assert_true(backend_version_compare("b10000", "b9999") > 0);
    assert_true(backend_version_compare("535.54.03", "525.60.13") > 0);
    assert_true(backend_version_compare("580.65.06", "580") > 0);
    assert_true(backend_version_compare("1.02", "1.2") == 0);
    assert_true(backend_version_compare("1.2", "1.2.1") < 0);
    assert_true(backend_version_compare("99999999999999999999999", "9999999999999999999999") > 0);
    assert_true(backend_version_compare("", "") == 0);
    assert_true(backend_name_is_safe("b6325") && backend_name_is_safe("linux-cuda-12.4_x+y"));
    assert_false(backend_name_is_safe("..") || backend_name_is_safe("a/b") ||
                 backend_name_is_safe("") || backend_name_is_safe(".tmp"));
}

static void elf_headers_tell_what_is_needed(void **state)
{
    char *bytes, missing[ELF_NAME_MAX];
    size_t n;
    elf_needed needed;
    hearth_error err;
    bool libc = false;
    (void)state;
    assert_int_equal(file_read_all("/proc/self/exe", 1 << 30, &bytes, &n, NULL), HEARTH_OK);
    assert_int_equal(elf_needed_read(bytes, n, &needed, &err), HEARTH_OK);
    for (size_t i = 0; i < needed.n; i++)
        libc = libc || strcmp(needed.names[i], "libc.so.6") == 0;
    assert_true(libc);
    assert_int_equal(elf_needed_read(bytes, 40, &needed, &err), HEARTH_EFORMAT);
    assert_int_equal(elf_needed_read("#!/bin/sh\n", 10, &needed, &err), HEARTH_EFORMAT);
    /* A dynamic segment beyond the file. */
    Elf64_Ehdr *head = (Elf64_Ehdr *)bytes;
    Elf64_Phdr *segments = (Elf64_Phdr *)(bytes + head->e_phoff);
    for (size_t i = 0; i < head->e_phnum; i++) {
        if (segments[i].p_type == PT_DYNAMIC)
            segments[i].p_offset = UINT64_MAX - 8;
    }
    assert_int_equal(elf_needed_read(bytes, n, &needed, &err), HEARTH_EFORMAT);
    mem_free(bytes);
    assert_int_equal(elf_find_missing("/bin/sh", missing, sizeof missing, &err), HEARTH_OK);
    assert_string_equal(missing, "");
}

static void count_line(void *user, const char *line)
{
    (void)line;
    ++*(size_t *)user;
}

static void logs_keep_the_last_lines(void **state)
{
    static line_log log;
    char long_line[3 * LINE_LOG_LINE];
    size_t n_lines = 0;
    (void)state;
    line_log_init(&log);
    line_log_write(&log, 0, "one\ntw", 6, count_line, &n_lines);
    line_log_write(&log, 1, "other\x01\n", 7, count_line, &n_lines);
    line_log_write(&log, 0, "o\r\n", 3, count_line, &n_lines);
    char *text = line_log_tail(&log, SIZE_MAX);
    assert_string_equal(text, "one\nother?\ntwo\n");
    mem_free(text);
    text = line_log_tail(&log, 2);
    assert_string_equal(text, "other?\ntwo\n");
    mem_free(text);
    assert_int_equal(n_lines, 3);
    memset(long_line, 'x', sizeof long_line);
    for (int i = 0; i < 300; i++) {
        line_log_write(&log, 1, long_line, sizeof long_line, count_line, &n_lines);
        line_log_write(&log, 1, "\n", 1, count_line, &n_lines);
    }
    line_log_write(&log, 0, "the end", 7, count_line, &n_lines);
    line_log_finish(&log);
    text = line_log_tail(&log, SIZE_MAX);
    assert_true(strlen(text) <= LINE_LOG_BYTES);
    assert_int_equal(strcspn(text, "\n"), LINE_LOG_LINE); /* begins with a whole line */
    assert_string_equal(text + strlen(text) - 8, "the end\n");
    assert_int_equal(n_lines, 303);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nvidia_smi_is_read),
        cmocka_unit_test(devices_of_a_backend_are_read),
        cmocka_unit_test(addresses_are_found_in_lines),
        cmocka_unit_test(remote_addresses_are_made_even),
        cmocka_unit_test(keys_are_in_the_environment_alone),
        cmocka_unit_test(flags_of_the_supervisor_are_not_given_by_hand),
        cmocka_unit_test(metrics_are_read_and_written),
        cmocka_unit_test(versions_are_numbers),
        cmocka_unit_test(elf_headers_tell_what_is_needed),
        cmocka_unit_test(logs_keep_the_last_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
