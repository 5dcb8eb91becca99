/* SPDX-License-Identifier: MIT
 *
 * ember.c - see ember.h. The assembler puts the file, whose path the build gives as EMBER_FILE,
 * between two symbols of the read-only data: mapped with the program, shared between processes, and
 * read only where it is used.
 */
#include "library/ember.h"

#include <string.h>

__asm__(".section .rodata\n"
        ".balign 4096\n"
        ".globl ember_begin\n"
        "ember_begin:\n"
        ".incbin \"" EMBER_FILE "\"\n"
        ".globl ember_end\n"
        "ember_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const unsigned char ember_begin[], ember_end[];

bool ember_is_named(const char *model)
{
    return strcmp(model, EMBER_NAME) == 0;
}

const void *ember_bytes(size_t *n)
{
    *n = (size_t)(ember_end - ember_begin);
    return ember_begin;
}
