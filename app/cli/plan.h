/* SPDX-License-Identifier: MIT
 *
 * plan.h - a memory plan shown to a person or as JSON; shared by plan and show.
 */
#ifndef HEARTH_CLI_PLAN_H
#define HEARTH_CLI_PLAN_H

#include <hearth/model.h>
#include <jansson.h>

void plan_print(const hearth_plan *plan);
json_t *plan_json(const hearth_plan *plan); /* NULL: out of memory */

#endif
