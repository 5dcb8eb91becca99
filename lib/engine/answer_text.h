/* SPDX-License-Identifier: MIT
 *
 * answer_text.h - tokens in, text out: whole characters, and never a part of a stop string.
 *
 * What a detokenizer and stop_words do in a row, for everything that writes answers.
 */
#ifndef HEARTH_ENGINE_ANSWER_TEXT_H
#define HEARTH_ENGINE_ANSWER_TEXT_H

#include <hearth/model.h>

#include "engine/stop_words.h"

typedef struct answer_text {
    hearth_detokenizer *detokenizer;
    stop_words stop;
} answer_text;

/* The strings are borrowed. Closes itself on failure. */
hearth_status answer_text_open(answer_text *a, const hearth_model *model, bool special,
                               const char *const *stop, size_t n_stop, hearth_error *err);
void answer_text_close(answer_text *a);

/* Appends to out what the token lets go. *stopped: a stop string is complete (a->stop.found). */
hearth_status answer_text_feed(answer_text *a, int32_t token, buf *out, bool *stopped,
                               hearth_error *err);
/* The answer has ended: appends what was held back, half a character or the start of a stop string
 * that never came. What was held back may complete one after all. */
hearth_status answer_text_finish(answer_text *a, buf *out, bool *stopped, hearth_error *err);

#endif
