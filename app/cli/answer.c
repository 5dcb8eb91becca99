/* SPDX-License-Identifier: MIT
 *
 * answer.c - see answer.h.
 */
#include "cli/answer.h"

#include <stdio.h>

#include "base/status.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/terminal.h"

void answer_deinit(answer *a)
{
    buf_deinit(&a->text);
    json_decref(a->told_word);
    json_decref(a->tokens);
}

hearth_status answer_take(answer *a, const char *text, size_t n, bool silent, hearth_error *err)
{
    terminal_clear_progress();
    if (!buf_append(&a->text, text, n))
        return error_no_memory(err, "the answer", a->text.n + n);
    if (silent)
        return HEARTH_OK;
    if (terminal_is_tty(stdout))
        terminal_write_safe(stdout, text, n);
    else
        fwrite(text, 1, n, stdout);
    return output_flush(err);
}

static hearth_status pull_events(const answer_request *request, hearth_generation *generation,
                                 progress_bar *bar, answer *a, hearth_error *err)
{
    for (;;) {
        hearth_event event;
        TRY(hearth_generation_next(generation, &event, err));
        switch (event.type) {
        case HEARTH_EVENT_PROMPT:
            progress_update(bar, event.n_prompt_done, event.n_prompt);
            break;
        case HEARTH_EVENT_TEXT:
            TRY(answer_take(a, event.text, event.n_text, request->silent, err));
            break;
        case HEARTH_EVENT_DONE:
            a->reason = event.reason;
            a->stop_word = event.stop_word;
            a->n_prompt = event.n_prompt;
            a->n_generated = event.n_generated;
            a->prompt_ms = event.prompt_ms;
            a->generate_ms = event.generate_ms;
            return HEARTH_OK;
        }
        /* The watcher cancels what computes; this catches what came between two computations. */
        if (interrupt_pending())
            hearth_session_cancel(request->session);
    }
}

static hearth_status run_once(const answer_request *request, const int32_t *prompt, size_t n_prompt,
                              answer *a, hearth_error *err)
{
    hearth_generation *generation = NULL;
    progress_bar bar;
    buf_clear(&a->text);
    a->reason = HEARTH_FINISH_NONE;
    a->at = hearth_session_n_tokens(request->session);
    TRY(hearth_generation_new(&generation, request->session, request->sampler, prompt, n_prompt,
                              &request->generate, err));
    progress_start(&bar, "reading the prompt");
    interrupt_watch(request->session);
    hearth_status status = pull_events(request, generation, &bar, a, err);
    interrupt_watch(NULL);
    progress_end(&bar);
    hearth_generation_free(generation);
    return status;
}

hearth_status answer_run(const answer_request *request, const int32_t *prompt, size_t n_prompt,
                         answer *a, hearth_error *err)
{
    TRY(run_once(request, prompt, n_prompt, a, err));
    /* A cancel that came too late for the last answer is still due, and hits the first computation
     * of this one. Nobody asked for that: go back and begin again. */
    if (a->reason == HEARTH_FINISH_CANCELED && !interrupt_pending() && a->n_generated == 0) {
        TRY(hearth_session_rewind(request->session, a->at, err));
        TRY(run_once(request, prompt, n_prompt, a, err));
    }
    return HEARTH_OK;
}

const char *answer_reason_name(hearth_finish_reason reason)
{
    switch (reason) {
    case HEARTH_FINISH_NONE:
        return "none";
    case HEARTH_FINISH_STOP:
        return "stop";
    case HEARTH_FINISH_WORD:
        return "word";
    case HEARTH_FINISH_LIMIT:
        return "length";
    case HEARTH_FINISH_CONTEXT:
        return "context";
    case HEARTH_FINISH_CANCELED:
        return "canceled";
    }
    return "none";
}

static double per_second(size_t n, double ms)
{
    return ms > 0 ? (double)n * 1000 / ms : 0;
}

void answer_note_timings(const answer *a)
{
    cli_note("read %zu tokens in %.0f ms (%.1f per second), wrote %zu in %.0f ms (%.1f per "
             "second), ended by %s",
             a->n_prompt, a->prompt_ms, per_second(a->n_prompt, a->prompt_ms), a->n_generated,
             a->generate_ms, per_second(a->n_generated, a->generate_ms),
             answer_reason_name(a->reason));
}
