/* SPDX-License-Identifier: MIT
 *
 * rig.h - a runtime over fake engines, for tests: models are made up by their names.
 *
 * "a" is a model with id "a" whose engine behaves; "a:MODE" one whose engine does as fake_engine.c
 * says of MODE; "a:MODE:FILE" adds --gate FILE; "http://..." a remote one. "none" is not there. The
 * local ones are the built-in model, so they have a real plan. Time limits are short and of the
 * test's choosing; a test that waits for something waits for an event, for at most PATIENCE_MS.
 */
#ifndef HEARTH_TESTS_RUNTIME_RIG_H
#define HEARTH_TESTS_RUNTIME_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "runtime/runtime.h"

enum { PATIENCE_MS = 60000 };

typedef struct rig {
    events *bus;
    event_subscriber *heard;
    runtime *rt;
    runtime_options options;
    char *ember;
    size_t n_ember;
    char folder[64]; /* empty; for gates */
    uint32_t n_ctx;  /* of all models; changed between two calls */
} rig;

void rig_init(rig *r);  /* options as for most tests; no runtime yet */
void rig_start(rig *r); /* with r->options */
void rig_stop(rig *r);
void rig_deinit(rig *r);

/* The next event of that type, others are passed over; the test fails if none comes. *payload is
 * the caller's. */
json_t *rig_expect(rig *r, event_type type);
/* As acquire, and the test fails if it does. */
runtime_lease *rig_lease(rig *r, const char *name);
/* Bytes of RAM that a model of this rig takes. */
uint64_t rig_bytes(rig *r);
/* The answer of a lease's engine to GET path, as text of the rig until the next call. */
const char *rig_get(const runtime_lease *lease, const char *path, long *status);
int rig_pid(rig *r, const char *id); /* 0: none */
/* Whether a process is gone within PATIENCE_MS. */
bool rig_wait_gone(int pid);
/* Calls it again and again until it is true; false: it did not become so. */
bool rig_until(bool (*condition)(void *user), void *user);

#endif
