/* SPDX-License-Identifier: MIT
 *
 * test_os_machine.c - what the machine is said to have: instruction sets, threads, memory, and the
 * limits of control groups, read from made-up trees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "os/cgroup.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "os/pressure.h"
#include "os/sysmem.h"
#include "support/test_reference.h"

static test_folder folder;
static hearth_error err;

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s", err.message);
}

/* ---- control groups ---- */

/* Writes a file below the made-up root, with the folders above it. */
static void put(const char *name, const char *text)
{
    char path[PATH_MAX];
    test_folder_path(&folder, name, path);
    for (char *slash = path + strlen(folder.path) + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    assert_true(test_write_file(path, text, strlen(text)));
}

static int make_root(void **state)
{
    (void)state;
    return test_folder_make(&folder) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static void test_no_cgroup(void **state)
{
    (void)state;
    assert_true(cgroup_get_memory(folder.path).available == UINT64_MAX);
    assert_true(cgroup_get_cpus(folder.path) == 0);
    put("proc/self/cgroup", "0::/a\n");
    put("sys/fs/cgroup/a/memory.max", "max\n");
    put("sys/fs/cgroup/a/cpu.max", "max 100000\n");
    assert_true(cgroup_get_memory(folder.path).limit == UINT64_MAX);
    assert_true(cgroup_get_cpus(folder.path) == 0);
}

/* The group's own limit leaves more than its parent's does; page cache counts as free. */
static void test_version_2(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/user.slice/app.scope\n");
    put("sys/fs/cgroup/user.slice/app.scope/memory.max", "1000000\n");
    put("sys/fs/cgroup/user.slice/app.scope/memory.high", "900000\n");
    put("sys/fs/cgroup/user.slice/app.scope/memory.current", "300000\n");
    put("sys/fs/cgroup/user.slice/app.scope/memory.stat",
        "anon 100\nfile 5\ninactive_file 100000\nactive_file 50000\n");
    put("sys/fs/cgroup/user.slice/app.scope/cpu.max", "400000 100000\n");
    cgroup_memory memory = cgroup_get_memory(folder.path);
    assert_int_equal(memory.limit, 900000);
    assert_int_equal(memory.available, 750000);
    assert_true(cgroup_get_cpus(folder.path) == 4);
    put("sys/fs/cgroup/user.slice/memory.max", "2000000\n");
    put("sys/fs/cgroup/user.slice/memory.current", "1900000\n");
    put("sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
    memory = cgroup_get_memory(folder.path);
    assert_int_equal(memory.limit, 900000);
    assert_int_equal(memory.available, 100000);
    assert_true(cgroup_get_cpus(folder.path) == 1.5);
    put("sys/fs/cgroup/user.slice/memory.current", "2500000\n");
    assert_int_equal(cgroup_get_memory(folder.path).available, 0);
}

/* A container: the kernel tells the host's path, the mount shows the container's group as root. */
static void test_container(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/docker/0123456789abcdef\n");
    put("sys/fs/cgroup/memory.max", "5000\n");
    put("sys/fs/cgroup/memory.current", "1000\n");
    put("sys/fs/cgroup/cpu.max", "50000 100000\n");
    assert_int_equal(cgroup_get_memory(folder.path).available, 4000);
    assert_true(cgroup_get_cpus(folder.path) == 0.5);
}

static void test_version_1(void **state)
{
    (void)state;
    put("proc/self/cgroup", "12:pids:/x\n5:cpu,cpuacct:/job\n4:memory:/job/inner\n0::/none\n");
    put("sys/fs/cgroup/memory/job/inner/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/job/inner/memory.usage_in_bytes", "77\n");
    put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "8000\n");
    put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "6000\n");
    put("sys/fs/cgroup/memory/job/memory.stat",
        "inactive_file 1\ntotal_inactive_file 700\ntotal_active_file 300\n");
    put("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "250000\n");
    put("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
    cgroup_memory memory = cgroup_get_memory(folder.path);
    assert_int_equal(memory.limit, 8000);
    assert_int_equal(memory.available, 3000);
    assert_true(cgroup_get_cpus(folder.path) == 2.5);
    put("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1\n");
    assert_true(cgroup_get_cpus(folder.path) == 0);
}

static void test_strange_texts(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "", "\n\n", ":", "0:", "::", "0::", "4:memory", "x:y:z\n:::"};
    put("sys/fs/cgroup/memory.max", "99999999999999999999999\n");
    put("sys/fs/cgroup/cpu.max", "100000 0\n");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        put("proc/self/cgroup", lines[i]);
        assert_true(cgroup_get_memory(folder.path).limit == UINT64_MAX);
        assert_true(cgroup_get_cpus(folder.path) == 0);
    }
}

/* ---- the machine at hand ---- */

static void test_memory(void **state)
{
    (void)state;
    enum { BYTES = (70 << 20) + 5000 }; /* several parts */
    uint64_t total = sysmem_total(), available = sysmem_available();
    assert_true(available > 0 && total > 0 && available <= total);
    uint64_t before = sysmem_peak_resident();
    assert_true(before > 0 && before < total);
    uint8_t *data = NULL;
    assert_int_equal(sysmem_map((void **)&data, BYTES, "a test", &err), HEARTH_OK);
    /* Resident although nobody has touched it. The kernel counts in steps of some pages. */
    assert_true(sysmem_peak_resident() >= BYTES);
    for (size_t i = 0; i < BYTES; i += 1000)
        assert_int_equal(data[i], 0);
    data[BYTES - 1] = 1;
    sysmem_unmap(data, BYTES);
    sysmem_unmap(NULL, 5);
    void *none = NULL;
    assert_int_equal(sysmem_map(&none, SIZE_MAX / 2, "too much", &err), HEARTH_ENOMEM);
    assert_non_null(strstr(err.message, "too much"));
    assert_null(none);
}

static void test_isa(void **state)
{
    (void)state;
    cpu_isa isa, best = cpu_best_isa();
    unsetenv("HEARTH_ISA");
    assert_int_equal(cpu_choose_isa(NULL, &isa, &err), HEARTH_OK);
    assert_int_equal(isa, best);
    assert_int_equal(cpu_choose_isa("auto", &isa, &err), HEARTH_OK);
    assert_int_equal(isa, best);
    assert_int_equal(cpu_choose_isa("Scalar", &isa, &err), HEARTH_OK);
    assert_int_equal(isa, CPU_ISA_SCALAR);
    assert_int_equal(cpu_choose_isa(cpu_isa_name(best), &isa, &err), HEARTH_OK);
    assert_int_equal(isa, best);
    assert_int_equal(cpu_choose_isa("mmx", &isa, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "'mmx'"));
    const char *foreign = best == CPU_ISA_NEON ? "avx2" : "neon";
    assert_int_equal(cpu_choose_isa(foreign, &isa, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, foreign));
    setenv("HEARTH_ISA", "scalar", 1);
    assert_int_equal(cpu_choose_isa(NULL, &isa, &err), HEARTH_OK);
    assert_int_equal(isa, CPU_ISA_SCALAR);
    assert_int_equal(cpu_choose_isa(cpu_isa_name(best), &isa, &err), HEARTH_OK);
    assert_int_equal(isa, best); /* what is asked for wins over the environment */
    setenv("HEARTH_ISA", "nonsense", 1);
    assert_int_equal(cpu_choose_isa("auto", &isa, &err), HEARTH_EINVAL);
    assert_string_equal(err.where, "HEARTH_ISA");
    setenv("HEARTH_ISA", "", 1);
    assert_int_equal(cpu_choose_isa(NULL, &isa, &err), HEARTH_OK);
    assert_int_equal(isa, best);
    unsetenv("HEARTH_ISA");
}

static void test_cpu(void **state)
{
    (void)state;
    char name[128] = "", cut[4];
    int threads = cpu_default_threads(), usable = cpu_usable();
    cpu_name(name, sizeof name);
    cpu_name(cut, sizeof cut);
    printf("%s, %s, %d threads of %d\n", name, cpu_isa_name(cpu_best_isa()), threads, usable);
    assert_true(threads >= 1 && threads <= usable);
    assert_true(strlen(name) > 0);
    assert_int_equal(strlen(cut), 3);
    uint64_t first = clock_now_ns(), second = clock_now_ns();
    assert_true(second >= first);
}

/* That it tells of pressure is the kernel's business; that it ends is ours. */
static void test_pressure(void **state)
{
    (void)state;
    pressure *p;
    hearth_status status = pressure_open(&p, &err);
    if (status != HEARTH_OK) {
        assert_int_equal(status, HEARTH_EUNSUPPORTED);
        assert_null(p);
        print_message("%s\n", err.message);
        skip();
    }
    pressure_stop(p);
    pressure_stop(p);
    while (pressure_wait(p)) /* tells what there is first, at most once in two seconds */
        ;
    pressure_close(p);
    pressure_close(NULL);
}

/* What was given back comes again as zeros; the system's pages at the ends stay. */
static void test_release(void **state)
{
    (void)state;
    enum { PAGES = 4 << 20 };
    void *block;
    ok(sysmem_map(&block, PAGES, "a test", &err));
    uint8_t *bytes = block;
    memset(bytes, 7, PAGES);
    sysmem_release(bytes + 1, PAGES - 2);
    assert_int_equal(bytes[0], 7);
    assert_int_equal(bytes[PAGES - 1], 7);
    assert_int_equal(bytes[PAGES / 2], 0);
    sysmem_release(bytes + 1, 2);
    assert_int_equal(bytes[1], 7);
    sysmem_unmap(block, PAGES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_cgroup, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_version_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_container, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_version_1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_strange_texts, make_root, remove_root),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_isa),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_pressure),
        cmocka_unit_test(test_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
