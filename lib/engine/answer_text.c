/* SPDX-License-Identifier: MIT
 *
 * answer_text.c - see answer_text.h.
 */
#include "engine/answer_text.h"

hearth_status answer_text_open(answer_text *a, const hearth_model *model, bool special,
                               const char *const *stop, size_t n_stop, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    *a = (answer_text){0};
    TRY_OUT(stop_words_open(&a->stop, stop, n_stop, err));
    TRY_OUT(hearth_detokenizer_new(&a->detokenizer, model, special, false, err));
    return HEARTH_OK;
out:
    answer_text_close(a);
    return status;
}

void answer_text_close(answer_text *a)
{
    hearth_detokenizer_free(a->detokenizer);
    stop_words_close(&a->stop);
    *a = (answer_text){0};
}

hearth_status answer_text_feed(answer_text *a, int32_t token, buf *out, bool *stopped,
                               hearth_error *err)
{
    const char *text;
    size_t n;
    TRY(hearth_detokenizer_feed(a->detokenizer, token, &text, &n, err));
    return stop_words_feed(&a->stop, text, n, out, stopped, err);
}

hearth_status answer_text_finish(answer_text *a, buf *out, bool *stopped, hearth_error *err)
{
    const char *text;
    size_t n;
    *stopped = a->stop.found != NULL;
    if (*stopped)
        return HEARTH_OK;
    TRY(hearth_detokenizer_finish(a->detokenizer, &text, &n, err));
    TRY(stop_words_feed(&a->stop, text, n, out, stopped, err));
    return stop_words_finish(&a->stop, out, err);
}
