/* SPDX-License-Identifier: MIT
 *
 * load_plan.h - what a load by `hearth serve` would take on this machine, and why: the plan of the
 * runtime, made here without a server.
 */
#ifndef HEARTH_CLI_LOAD_PLAN_H
#define HEARTH_CLI_LOAD_PLAN_H

#include <jansson.h>

#include "base/status.h"
#include "runtime/model_spec.h"

/* data: the folder that backends are in; NULL: the usual one. *plan is as in the runtime's lists,
 * red with "problem" where it does not fit; machine (may be NULL) as runtime_machine. Both are the
 * caller's, and NULL after a failure of their own. */
hearth_status load_plan_make(const char *data, const model_spec *spec, json_t **plan,
                             json_t **machine, hearth_error *err);

/* One line, and one for each reason. */
void load_plan_print(const json_t *plan);

#endif
