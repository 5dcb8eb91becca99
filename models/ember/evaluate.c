/* SPDX-License-Identifier: MIT
 *
 * evaluate.c - see evaluate.h.
 */
#include "ember/evaluate.h"

#include <string.h>

#include "base/mem.h"
#include "ember/conversation.h"

enum { MAX_CATEGORIES = 16, MAX_ANSWER = 160 };

typedef struct score {
    size_t asked, right;
} score;

typedef struct evaluation {
    const hearth_model *model;
    hearth_session *session;
    hearth_sampler *sampler;
    const corpus *c;
    const evaluate_options *o;
    FILE *out;
    score scores[MAX_CATEGORIES];
} evaluation;

/* ---- one question ---- */

static hearth_status read_answer(hearth_generation *g, buf *answer, hearth_error *err)
{
    for (;;) {
        hearth_event event;
        TRY(hearth_generation_next(g, &event, err));
        if (event.type == HEARTH_EVENT_DONE)
            return HEARTH_OK;
        if (event.type == HEARTH_EVENT_TEXT && !buf_append(answer, event.text, event.n_text))
            return error_no_memory(err, "the answer", event.n_text);
    }
}

static hearth_status answer_tokens(evaluation *e, const token_list *prompt, buf *answer,
                                   hearth_error *err)
{
    hearth_generate_options options;
    hearth_generation *g = NULL;
    hearth_generate_options_init(&options);
    options.max_tokens = MAX_ANSWER;
    TRY(hearth_session_rewind(e->session, 0, err));
    TRY(hearth_generation_new(&g, e->session, e->sampler, prompt->tokens, prompt->n, &options,
                              err));
    hearth_status status = read_answer(g, answer, err);
    hearth_generation_free(g);
    return status;
}

static hearth_status ask(evaluation *e, const sample *s, buf *answer, hearth_error *err)
{
    conversation talk = {0};
    token_list prompt = {0};
    if (s->before.n > 0)
        talk.turns[talk.n_turns++] = (conversation_turn){s->before.data, s->reply.data};
    talk.turns[talk.n_turns++] = (conversation_turn){s->question.data, NULL};
    hearth_status status =
        conversation_tokenize(&talk, e->model, hearth_session_n_ctx(e->session), 0, &prompt, err);
    if (status == HEARTH_OK)
        status = answer_tokens(e, &prompt, answer, err);
    token_list_deinit(&prompt);
    return status;
}

static bool is_right(const sample *s, const buf *answer)
{
    const char *text = answer->data ? answer->data : "", *other = s->others.data;
    if (strcmp(text, s->answer.data) == 0)
        return true;
    for (size_t i = 0; i < s->n_others; i++, other += strlen(other) + 1) {
        if (strcmp(text, other) == 0)
            return true;
    }
    return false;
}

static draw_kind kind_of(const evaluate_options *o)
{
    return o->trained ? DRAW_TRAINING : o->wordings ? DRAW_HELD_OUT : DRAW_HELD_OUT_FORM;
}

static hearth_status try_phrase(evaluation *e, const corpus_topic *topic, size_t phrase, rng *r,
                                score *count, hearth_error *err)
{
    sample s;
    buf answer = {0};
    sample_init(&s);
    hearth_status status = corpus_draw(e->c, topic, kind_of(e->o), phrase, r, &s, err);
    if (status == HEARTH_ENOTFOUND) { /* few phrasings: the tenth that is held out has none */
        sample_deinit(&s);
        return HEARTH_OK;
    }
    if (status == HEARTH_OK && e->o->disguise)
        conversation_disguise(&s.question, false, r);
    if (status == HEARTH_OK)
        status = ask(e, &s, &answer, err);
    if (status == HEARTH_OK) {
        bool right = is_right(&s, &answer);
        count->asked++;
        count->right += right;
        if (!right || e->o->all)
            fprintf(e->out, "%s %s/%s: %s%s%s\n    %s\n", right ? "right" : "WRONG",
                    topic->category, topic->id, s.before.n ? s.before.data : "",
                    s.before.n ? " / " : "", s.question.data, answer.data ? answer.data : "");
    }
    buf_deinit(&answer);
    sample_deinit(&s);
    return status;
}

/* ---- all ---- */

/* How often each phrasing H is asked, or else the topic: tables have more to ask than one fact. */
static size_t n_draws(const evaluate_options *o, const corpus_topic *t)
{
    size_t n = t->over && t->table == NULL ? 6 : t->over ? 3 : 1;
    return o->wordings ? n : 2 * n + 2;
}

static hearth_status try_topic(evaluation *e, size_t category, const corpus_topic *topic,
                               uint64_t stream, hearth_error *err)
{
    rng r = rng_new(e->o->seed, stream);
    size_t n = e->o->wordings ? topic->held_out.n : topic->questions.n > 0;
    for (size_t phrase = 0; phrase < n; phrase++) {
        for (size_t i = n_draws(e->o, topic); i > 0; i--)
            TRY(try_phrase(e, topic, e->o->wordings ? phrase : SIZE_MAX, &r, &e->scores[category],
                           err));
    }
    return HEARTH_OK;
}

static hearth_status try_categories(evaluation *e, hearth_error *err)
{
    for (size_t i = 0; i < corpus_n_categories(e->c) && i < MAX_CATEGORIES; i++) {
        const corpus_category *category = corpus_category_at(e->c, i);
        if (e->o->category && strcmp(e->o->category, category->name) != 0)
            continue;
        for (size_t j = 0; j < category->n_topics; j++)
            TRY(try_topic(e, i, corpus_topic_at(e->c, category->topics[j]), category->topics[j],
                          err));
    }
    return HEARTH_OK;
}

static void print_row(FILE *out, const char *name, score s)
{
    if (s.asked)
        fprintf(out, "| %-22s | %5zu | %5zu | %5.1f %% |\n", name, s.asked, s.right,
                100.0 * (double)s.right / (double)s.asked);
}

static void print_table(const evaluation *e)
{
    score rest = {0};
    fprintf(e->out, "| %-22s | asked | right |   share |\n|%.24s|------:|------:|--------:|\n",
            "category", "------------------------");
    for (size_t i = 0; i < corpus_n_categories(e->c) && i < MAX_CATEGORIES; i++) {
        const char *name = corpus_category_at(e->c, i)->name;
        print_row(e->out, name, e->scores[i]);
        if (strcmp(name, "hearth") != 0 && strcmp(name, "unknown") != 0) {
            rest.asked += e->scores[i].asked;
            rest.right += e->scores[i].right;
        }
    }
    print_row(e->out, "in scope, not hearth", rest);
}

hearth_status evaluate_model(const hearth_model *model, const corpus *c,
                             const evaluate_options *options, FILE *out, hearth_error *err)
{
    evaluation e = {.model = model, .c = c, .o = options, .out = out};
    hearth_session_options session;
    hearth_sampler_options greedy;
    hearth_status status = HEARTH_OK;
    hearth_session_options_init(&session);
    session.n_threads = options->n_threads;
    hearth_sampler_options_init(&greedy);
    greedy.temperature = 0;
    TRY_OUT(hearth_session_open(&e.session, model, &session, err));
    TRY_OUT(hearth_sampler_new(&e.sampler, model, hearth_session_n_ctx(e.session), &greedy, err));
    TRY_OUT(try_categories(&e, err));
    print_table(&e);
out:
    hearth_sampler_free(e.sampler);
    hearth_session_close(e.session);
    return status;
}
