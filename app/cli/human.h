/* SPDX-License-Identifier: MIT
 *
 * human.h - numbers as people read them.
 */
#ifndef HEARTH_CLI_HUMAN_H
#define HEARTH_CLI_HUMAN_H

#include <stddef.h>
#include <stdint.h>

typedef struct human_text {
    char text[32];
} human_text;

human_text human_bytes(uint64_t n); /* "1.04 MiB"; steps of 1024 */
human_text human_count(uint64_t n); /* "7.24 B": thousands K, millions M, billions B */

#endif
