/* SPDX-License-Identifier: MIT
 *
 * cpu.c - see cpu.h. Feature bits: Intel SDM volume 2 (CPUID) and volume 1, 13.2 (XCR0).
 */
#include "os/cpu.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "base/mem.h"
#include "os/cgroup.h"
#include "os/file.h"

enum { CPUS_MAX = 8192 };

typedef struct cpu_mask {
    unsigned char bits[CPUS_MAX / 8];
} cpu_mask;

static const char *const isa_names[] = {"scalar", "avx2", "avx512", "amx", "neon"};

#if defined(__x86_64__)
enum {
    LEAF1_ECX = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29,    /* FMA OSXSAVE AVX F16C */
    LEAF7_EBX_AVX2 = 1u << 5 | 1u << 8,                       /* AVX2 BMI2 */
    LEAF7_EBX_AVX512 = (int)(1u << 16 | 1u << 17 | 1u << 30), /* F DQ BW */
    LEAF7_ECX_AVX512 = 1u << 11,                              /* VNNI */
    XCR0_AVX = 0x06,                                          /* SSE, AVX state */
    LEAF7_EDX_AMX = 1u << 22 | 1u << 24 | 1u << 25,           /* BF16 TILE INT8 */
    XCR0_AVX512 = 0xe6,                                       /* and opmask, ZMM */
    XCR0_AMX = 0x60000,                                       /* TILECFG TILEDATA */
    ARCH_REQ_XCOMP_PERM_ = 0x1023,
    XFEATURE_TILEDATA = 18,
};
static const unsigned leaf7_ebx_avx512vl = 1u << 31;

static bool has(unsigned value, unsigned bits)
{
    return (value & bits) == bits;
}

/* Tile data is eight kilobytes to save on a context switch, so Linux wants to be asked. */
static bool is_granted_amx(void)
{
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM_, XFEATURE_TILEDATA) == 0;
}

cpu_isa cpu_best_isa(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, LEAF1_ECX))
        return CPU_ISA_SCALAR;
    /* What the OS saves on a context switch; the instruction exists because OSXSAVE is set. */
    unsigned xcr0, xcr0_high;
    __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(xcr0_high) : "c"(0));
    if (!has(xcr0, XCR0_AVX) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, LEAF7_EBX_AVX2))
        return CPU_ISA_SCALAR;
    if (!has(xcr0, XCR0_AVX512) || !has(b, LEAF7_EBX_AVX512) || !has(b, leaf7_ebx_avx512vl) ||
        !has(c, LEAF7_ECX_AVX512))
        return CPU_ISA_AVX2;
    if (has(xcr0, XCR0_AMX) && has(d, LEAF7_EDX_AMX) && is_granted_amx())
        return CPU_ISA_AMX;
    return CPU_ISA_AVX512;
}
#elif defined(__aarch64__)
cpu_isa cpu_best_isa(void)
{
    return CPU_ISA_NEON; /* part of the base architecture */
}
#else
cpu_isa cpu_best_isa(void)
{
    return CPU_ISA_SCALAR;
}
#endif

const char *cpu_isa_name(cpu_isa isa)
{
    return isa_names[isa];
}

static bool is_supported(cpu_isa isa)
{
    cpu_isa best = cpu_best_isa();
    return best == CPU_ISA_NEON ? isa == CPU_ISA_NEON || isa == CPU_ISA_SCALAR : isa <= best;
}

hearth_status cpu_choose_isa(const char *name, cpu_isa *isa, hearth_error *err)
{
    const char *source = "isa";
    if (name == NULL || strcasecmp(name, "auto") == 0) {
        name = getenv("HEARTH_ISA");
        source = "HEARTH_ISA";
    }
    if (name == NULL || *name == '\0' || strcasecmp(name, "auto") == 0) {
        *isa = cpu_best_isa();
        return HEARTH_OK;
    }
    for (size_t i = 0; i < sizeof isa_names / sizeof *isa_names; i++) {
        if (strcasecmp(name, isa_names[i]) != 0)
            continue;
        if (!is_supported((cpu_isa)i))
            FAIL(err, EINVAL, source, "this machine has no %s; it supports up to %s", isa_names[i],
                 cpu_isa_name(cpu_best_isa()));
        *isa = (cpu_isa)i;
        return HEARTH_OK;
    }
    FAIL(err, EINVAL, source,
         "unknown instruction set '%s'; known are auto, scalar, avx2, avx512, amx, neon", name);
}

static bool mask_has(const cpu_mask *mask, unsigned long cpu)
{
    return cpu < CPUS_MAX && (mask->bits[cpu / 8] >> (cpu % 8) & 1);
}

static int mask_count(const cpu_mask *mask)
{
    int n = 0;
    for (size_t i = 0; i < sizeof mask->bits; i++)
        n += __builtin_popcount(mask->bits[i]);
    return n;
}

static void mask_get(cpu_mask *mask)
{
    *mask = (cpu_mask){{0}};
    if (sched_getaffinity(0, sizeof mask->bits, (cpu_set_t *)(void *)mask->bits) != 0)
        mask->bits[0] = 1;
}

/* Whether a lower CPU of the mask is a hardware thread of the same core. The list reads "0,64" or
 * "0-1", ascending. */
static bool shares_core_with_lower(const cpu_mask *mask, unsigned long cpu)
{
    char path[96];
    char *text = NULL;
    size_t n;
    bool shares = false;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%lu/topology/thread_siblings_list",
             cpu);
    if (file_read_all(path, 4096, &text, &n, NULL) != HEARTH_OK)
        return false;
    for (char *at = text; *at >= '0' && *at <= '9';) {
        unsigned long first = strtoul(at, &at, 10);
        unsigned long last = *at == '-' ? strtoul(at + 1, &at, 10) : first;
        for (unsigned long i = first; i <= last && i < cpu; i++)
            shares = shares || mask_has(mask, i);
        if (*at == ',')
            at++;
    }
    mem_free(text);
    return shares;
}

static int within_quota(int n)
{
    double cpus = cgroup_get_cpus("");
    if (cpus > 0 && cpus < n)
        n = (int)(cpus + 0.999);
    return n < 1 ? 1 : n;
}

int cpu_usable(void)
{
    cpu_mask mask;
    mask_get(&mask);
    return within_quota(mask_count(&mask));
}

int cpu_default_threads(void)
{
    cpu_mask mask;
    int n = 0;
    mask_get(&mask);
    for (unsigned long cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (mask_has(&mask, cpu) && !shares_core_with_lower(&mask, cpu))
            n++;
    }
    return within_quota(n);
}

static const char *find_model_name(char *text)
{
    char *line = strstr(text, "model name");
    char *colon = line ? strchr(line, ':') : NULL;
    if (colon == NULL)
        return NULL;
    colon[strcspn(colon, "\n")] = '\0';
    return colon + 1 + strspn(colon + 1, " \t");
}

void cpu_name(char *out, size_t n)
{
    char *text = NULL;
    size_t text_n;
    const char *name = NULL;
    if (file_read_all("/proc/cpuinfo", (size_t)16 << 20, &text, &text_n, NULL) == HEARTH_OK)
        name = find_model_name(text);
    snprintf(out, n, "%s", name != NULL && *name != '\0' ? name : "unknown processor");
    mem_free(text);
}
