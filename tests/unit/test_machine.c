/* SPDX-License-Identifier: MIT
 *
 * test_machine.c - hearth_machine_measure: every instruction set gives rates, mistakes are refused.
 * How large the rates are is the machine's own business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <hearth/hearth.h>

#include "kernels/kernels.h"
#include "kernels/peak.h"
#include "os/cpu.h"

static void every_isa_has_loops(void **state)
{
    static const char *const names[] = {"scalar", "avx2", "avx512", "amx", "neon"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (kernels_get(names[i]) == NULL)
            continue;
        assert_non_null(peak_get(names[i]));
        assert_string_equal(peak_get(names[i])->isa, names[i]);
    }
    assert_null(peak_get("abacus"));
}

static void measures_what_runs_here(void **state)
{
    static const char *const names[] = {"scalar", NULL};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        hearth_machine m;
        hearth_error err;
        assert_int_equal(hearth_machine_measure(names[i], 1, &m, &err), HEARTH_OK);
        assert_true(m.int8_ops_per_s > 0 && m.float_ops_per_s > 0);
        assert_true(m.read_bytes_per_s > 0 && m.buffer_bytes > 0 && m.memory_bytes > 0);
        assert_int_equal(m.n_threads, 1);
        assert_true(m.cpu[0] != '\0');
        cpu_isa isa;
        assert_int_equal(cpu_choose_isa(names[i], &isa, &err), HEARTH_OK);
        assert_string_equal(m.isa, cpu_isa_name(isa));
    }
}

static void reads_every_byte(void **state)
{
    uint64_t data[256];
    (void)state;
    memset(data, 0, sizeof data);
    assert_int_equal(peak_read(data, sizeof data), 0);
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
        data[i] = 5;
        assert_int_equal(peak_read(data, sizeof data), 5);
        data[i] = 0;
    }
}

static void refuses_mistakes(void **state)
{
    hearth_machine m;
    hearth_error err;
    (void)state;
    assert_int_equal(hearth_machine_measure("abacus", 1, &m, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "abacus"));
    assert_int_equal(hearth_machine_measure(NULL, -1, &m, &err), HEARTH_EINVAL);
    assert_int_equal(hearth_machine_measure(NULL, 513, &m, &err), HEARTH_EINVAL);
    assert_int_equal(hearth_machine_measure(NULL, 1, NULL, &err), HEARTH_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_isa_has_loops),
        cmocka_unit_test(measures_what_runs_here),
        cmocka_unit_test(reads_every_byte),
        cmocka_unit_test(refuses_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
