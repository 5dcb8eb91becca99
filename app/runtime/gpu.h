/* SPDX-License-Identifier: MIT
 *
 * gpu.h - which GPUs there are, as two programs tell it: nvidia-smi (of the machine, with load and
 * temperature) and llama-server --list-devices (of a backend, what it could use).
 *
 * Both are asked as programs and their text is parsed with care; machines without them have no GPUs
 * here, which is not an error.
 */
#ifndef HEARTH_RUNTIME_GPU_H
#define HEARTH_RUNTIME_GPU_H

#include <stddef.h>
#include <stdint.h>

#include <hearth/log.h>

#include "base/status.h"

enum { GPU_MOST = 8 };

typedef struct gpu {
    uint32_t index;
    char name[96];
    char uuid[64];   /* "" where it is not told, as the next ones */
    char driver[32]; /* "550.54.14" */
    uint64_t total_bytes, free_bytes;
    int load_percent; /* -1: unknown, as the next one */
    int temperature;  /* degrees Celsius */
} gpu;

/* nvidia-smi's answer to gpu_ask_smi's question as rows of CSV; lines that are none are passed
 * over. */
size_t gpu_parse_smi(const char *text, size_t n, gpu *out, size_t max);
/* "  CUDA0: NVIDIA GeForce RTX 4090 (24209 MiB, 23841 MiB free)" below "Available devices:". */
size_t gpu_parse_devices(const char *text, size_t n, gpu *out, size_t max);

/* Both wait for a program for some seconds at most, and no longer than `watch` says (process.h).
 *
 * Asks program (NULL: nvidia-smi from PATH; "": nobody). 0 if there is none or it does not answer.
 */
size_t gpu_ask_smi(const char *program, const hearth_progress *watch, gpu *out, size_t max);
/* Asks a llama-server for the devices it can use; error if it cannot be run. */
hearth_status gpu_ask_devices(const char *llama_server, const hearth_progress *watch, gpu *out,
                              size_t max, size_t *n, hearth_error *err);

#endif
