/* SPDX-License-Identifier: MIT
 *
 * format_learn.h - a template to a shape.
 */
#ifndef HEARTH_CHAT_FORMAT_LEARN_H
#define HEARTH_CHAT_FORMAT_LEARN_H

#include <hearth/chat.h>

#include "chat/tool_shape.h"

enum { LEARNER_TEXTS = 96 };

typedef struct learner {
    const hearth_chat_template *template_;
    struct span {
        const char *text;
        size_t n;
    } source;
    char *prompt; /* what the template writes between the user's text and the answer */
    tool_shape shape;
    const char *turn_end, *call_end; /* what ends an answer, and one of calls; or "" */
    bool native_tools, native_calls, native_results, args_text, null_empty;
    bool no_system;             /* the template refuses a system message */
    bool describe;              /* parameters must have descriptions */
    bool calls_alone;           /* calls are not written beside content */
    bool no_tools;              /* the template fails when it is given tools */
    bool failed;                /* out of memory */
    char *texts[LEARNER_TEXTS]; /* what the shape's marks point to */
    size_t n_texts;
} learner;

/* Fills *l, which format_learn_end empties, also after a failure. */
hearth_status format_learn(learner *l, const hearth_chat_template *t, const char *source,
                           size_t n_source, hearth_error *err);
void format_learn_end(learner *l);

#endif
