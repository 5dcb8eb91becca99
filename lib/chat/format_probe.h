/* SPDX-License-Identifier: MIT
 *
 * format_probe.h - marked conversations, rendered: what format_learn.c reads notations from.
 */
#ifndef HEARTH_CHAT_FORMAT_PROBE_H
#define HEARTH_CHAT_FORMAT_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include <hearth/chat.h>

/* The marks: words that no template writes and none changes. */
#define PROBE_USER "QUHEARTHER"
#define PROBE_CONTENT "COHEARTHER"
#define PROBE_REASON "REHEARTHER"
#define PROBE_RESULT "TOHEARTHER"
#define PROBE_EOS "<|hearth-eos|>"
#define PROBE_NAME_1 "hearth_one"
#define PROBE_NAME_2 "hearth_two"
#define PROBE_ID_1 "idhearth1"
#define PROBE_ID_2 "idhearth2"
#define PROBE_KEY_1 "akhearth" /* "VAHEARTHER" */
#define PROBE_KEY_2 "bkhearth" /* "VBHEARTHER" */
#define PROBE_KEY_3 "ckhearth" /* 7531 */
#define PROBE_KEY_4 "dkhearth" /* "VDHEARTHER", of the second call */
#define PROBE_VALUE_1 "VAHEARTHER"
#define PROBE_VALUE_2 "VBHEARTHER"
#define PROBE_VALUE_3 "7531"
#define PROBE_VALUE_4 "VDHEARTHER"

typedef struct probe {
    int n_calls;       /* 0 to 2 */
    bool args_text;    /* arguments as JSON text */
    bool null_content; /* beside calls */
    bool content;      /* PROBE_CONTENT */
    bool reasoning;    /* PROBE_REASON */
    bool result;       /* a tool's result after the calls */
    bool no_answer;    /* the user's message and the generation prompt alone */
    bool system;       /* a system message first */
    bool no_tools;     /* none are given */
    bool bare;         /* parameters without descriptions */
    bool thinking;     /* enable_thinking, thinking: true */
} probe;

/* What stands after the user's text, or NULL if the template refuses. *before, if asked for, tells
 * whether a tool's name stands before it. Freed with mem_free. ENOMEM is the only error. */
hearth_status probe_render(const hearth_chat_template *t, const probe *p, char **tail, bool *before,
                           hearth_error *err);

#endif
