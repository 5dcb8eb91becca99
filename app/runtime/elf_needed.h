/* SPDX-License-Identifier: MIT
 *
 * elf_needed.h - which shared libraries a program or library asks for, from its ELF headers,
 * without running anything of it.
 *
 * 64-bit little-endian ELF files. Every offset is checked against the file; nothing of the file is
 * believed. Format: elf(5).
 */
#ifndef HEARTH_RUNTIME_ELF_NEEDED_H
#define HEARTH_RUNTIME_ELF_NEEDED_H

#include <stddef.h>

#include "base/status.h"

enum { ELF_NEEDED_MOST = 64, ELF_NAME_MAX = 128 };

typedef struct elf_needed {
    char names[ELF_NEEDED_MOST][ELF_NAME_MAX];
    size_t n;
    char run_path[512]; /* DT_RUNPATH or DT_RPATH as it is; "" */
} elf_needed;

/* EFORMAT if it is no such file or a broken one. bytes are the whole file. */
hearth_status elf_needed_read(const void *bytes, size_t n, elf_needed *out, hearth_error *err);

/* The first library that the program, or a library beside it, needs and that is not there; "" if
 * all are. */
hearth_status elf_find_missing(const char *program, char *missing, size_t n, hearth_error *err);

#endif
