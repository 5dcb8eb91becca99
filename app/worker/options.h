/* SPDX-License-Identifier: MIT
 *
 * options.h - a request's options as the engine takes them.
 */
#ifndef HEARTH_WORKER_OPTIONS_H
#define HEARTH_WORKER_OPTIONS_H

#include "worker/tokens.h"

typedef struct engine_options {
    hearth_request_options engine;
    hearth_sampler_options sampler;
    hearth_logit_bias *biases;
    const char **stops;
} engine_options;

/* Options of choice number i over a prompt; format is a chat's, or NULL. Valid while request and
 * prompt are. EINVAL names the field that this engine cannot honour. deinit after failure, too. */
hearth_status engine_options_init(engine_options *o, worker *w, const request *r,
                                  const token_list *prompt, const hearth_chat_format *format,
                                  uint32_t i, hearth_error *err);
void engine_options_deinit(engine_options *o);

#endif
