/* SPDX-License-Identifier: MIT
 *
 * process.h - a child process with pipes at its standard streams, in a process group of its own.
 */
#ifndef HEARTH_MCP_PROCESS_H
#define HEARTH_MCP_PROCESS_H

#include <sys/types.h>

#include "mcp/config.h"

typedef struct mcp_process {
    pid_t pid;                 /* 0: none */
    int input, output, errors; /* ours of its pipes, which do not block; -1: closed */
} mcp_process;

hearth_status mcp_process_start(mcp_process *p, const mcp_server_config *config, hearth_error *err);
/* Closes its input, and gives it grace_ms to end; then ends its whole group. */
void mcp_process_stop(mcp_process *p, int grace_ms);

#endif
