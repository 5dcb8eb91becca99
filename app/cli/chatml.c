/* SPDX-License-Identifier: MIT
 *
 * chatml.c - see chatml.h.
 */
#include "cli/chatml.h"

#include <string.h>

#include "base/status.h"
#include "cli/input.h"

static const char turn_start[] = "<|im_start|>";
static const char turn_end[] = "<|im_end|>";

static bool is_one_token(const hearth_model *model, const char *text)
{
    int32_t *tokens = NULL;
    size_t n = 0;
    if (hearth_tokenize(model, text, strlen(text), HEARTH_TOKENIZE_PARSE_SPECIAL, &tokens, &n,
                        NULL) != HEARTH_OK)
        return false;
    bool one = n == 1 && hearth_token_is_control(model, tokens[0]);
    hearth_free(tokens);
    return one;
}

bool chatml_is_spoken(const hearth_model *model)
{
    const char *template = hearth_model_get_info(model)->chat_template;
    return template && strstr(template, turn_start) && is_one_token(model, turn_start) &&
           is_one_token(model, turn_end);
}

static hearth_status append_frame(const hearth_model *model, const char *frame, bool first,
                                  buf *out, hearth_error *err)
{
    unsigned flags = HEARTH_TOKENIZE_PARSE_SPECIAL | (first ? HEARTH_TOKENIZE_ADD_SPECIAL : 0u);
    return input_append_tokens(model, frame, strlen(frame), flags, out, err);
}

/* Whether the model itself closed its last turn; otherwise (a limit, Ctrl-C) we do it. */
static bool turn_is_closed(const hearth_session *session)
{
    size_t n = hearth_session_n_tokens(session);
    return hearth_token_ends_answer(hearth_session_model(session),
                                    hearth_session_tokens(session)[n - 1]);
}

hearth_status chatml_turn(const hearth_session *session, const char *text, size_t n_text,
                          buf *tokens, hearth_error *err)
{
    const hearth_model *model = hearth_session_model(session);
    bool first = hearth_session_n_tokens(session) == 0;
    if (!first && turn_is_closed(session))
        TRY(append_frame(model, "\n<|im_start|>user\n", false, tokens, err));
    else if (!first)
        TRY(append_frame(model, "<|im_end|>\n<|im_start|>user\n", false, tokens, err));
    else
        TRY(append_frame(model, "<|im_start|>user\n", true, tokens, err));
    TRY(input_append_tokens(model, text, n_text, 0, tokens, err));
    return append_frame(model, "<|im_end|>\n<|im_start|>assistant\n", false, tokens, err);
}
