/* SPDX-License-Identifier: MIT
 *
 * infill.h - prompts that ask for what stands between two texts.
 *
 * A model that can do that has control tokens for it: one each before the prefix, the suffix and
 * the middle. Some also know files of a project in front of them, behind a token for the repository
 * and one for each file. Layouts as in llama-server's README, "infill".
 */
#ifndef HEARTH_WORKER_INFILL_H
#define HEARTH_WORKER_INFILL_H

#include "worker/tokens.h"

/* From the model's metadata, or by the names that such tokens are known under. */
hearth_status infill_tokens_find(infill_tokens *t, const hearth_model *model, hearth_error *err);

/* Appends the prompt of r->infill. EUNSUPPORTED if the model has no tokens for it. */
hearth_status infill_add_prompt(token_list *list, const worker *w, const request *r,
                                hearth_error *err);

#endif
