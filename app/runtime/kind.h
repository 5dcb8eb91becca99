/* SPDX-License-Identifier: MIT
 *
 * kind.h - the kinds of engines as one interface: how a plan becomes a command line, how the engine
 * says where it listens, where it tells how it is.
 *
 * A kind is a table of functions without state. What differs between builtin and llama-server is
 * the flags alone; a remote one has no process.
 */
#ifndef HEARTH_RUNTIME_KIND_H
#define HEARTH_RUNTIME_KIND_H

#include "runtime/engine_plan.h"
#include "runtime/process.h"

typedef struct engine_kind {
    engine_kind_id id;
    bool has_process;
    bool sees; /* takes a projector */
    /* The words that start it; the key goes into the environment. */
    void (*command)(const model_spec *spec, const engine_plan *plan, word_list *argv);
    const char *health_path; /* below the base URL; any 2xx answer means ready */
    bool health_needs_key;
    const char *metrics_path; /* Prometheus text; NULL: has none */
    const char *setting;      /* a variable of its environment; NULL: none */
} engine_kind;

/* Of a kind that is not ENGINE_AUTO. */
const engine_kind *engine_kind_find(engine_kind_id id);

/* What an engine's environment is: ours without LLAMA_* (settings that nobody sees), with the key
 * and the setting of its kind. kind NULL: it is only asked what it is. GPUs are numbered as
 * nvidia-smi numbers them. */
void engine_environment(const engine_kind *kind, const char *key, word_list *out);

/* EINVAL for a flag in spec->extra that the supervisor itself sets (where the engine listens, its
 * key), or that a setting of its own stands for, so that the plan counts it. */
hearth_status engine_check_extra(const model_spec *spec, hearth_error *err);

/* Finds where an engine listens in a line that it wrote: "... listening on http://HOST:PORT ..." or
 * "... listening, hostname: HOST, port: PORT, ...". Only loopback addresses are believed. url gets
 * "http://127.0.0.1:PORT". */
bool engine_line_url(const char *line, char *url, size_t n);

/* The base URL of a remote engine: without a slash or "/v1" at its end. EINVAL if it is no HTTP
 * address, or one with a user, a query or a fragment. */
hearth_status engine_remote_url(const char *given, char *url, size_t n, hearth_error *err);

#endif
