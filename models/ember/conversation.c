/* SPDX-License-Identifier: MIT
 *
 * conversation.c - see conversation.h.
 */
#include "ember/conversation.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

/* ---- disguises ---- */

static bool chance(rng *r, int percent)
{
    return rng_below(r, 100) < (size_t)percent;
}

static const char *const openings[] = {"Hi, ",
                                       "Hello, ",
                                       "Hey, ",
                                       "Hi! ",
                                       "Hello! ",
                                       "Please, ",
                                       "Ok, ",
                                       "So, ",
                                       "Well, ",
                                       "Ember, ",
                                       "Hey Ember, ",
                                       "Question: ",
                                       "I have a question: ",
                                       "Tell me, ",
                                       "Quick question: ",
                                       "I wonder, ",
                                       "Sorry, ",
                                       "One more question: ",
                                       "Now, ",
                                       "And ",
                                       "Good morning, ",
                                       "Can you help me? ",
                                       "Can you tell me: ",
                                       "Next: ",
                                       "Thanks. "};
static const char *const closings[] = {" Please.",         " Thanks.",         " Thank you.",
                                       " Thanks!",         " please",          " thanks",
                                       " Please tell me.", " I need to know.", " now"};

#define ANY(list, r) (list)[rng_below((r), sizeof(list) / sizeof *(list))]

static void lower(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = (char)tolower((unsigned char)text[i]);
}

static void drop_end(buf *q)
{
    while (q->n > 1 && strchr("?.!", q->data[q->n - 1]))
        q->data[--q->n] = '\0';
}

/* Swaps, drops or doubles a letter inside a word of at least five. */
static void slip(buf *q, rng *r)
{
    for (int attempts = 0; attempts < 8 && q->n > 6; attempts++) {
        size_t at = 2 + rng_below(r, q->n - 4);
        bool inside = true;
        for (size_t i = at - 2; i <= at + 2; i++)
            inside &= isalpha((unsigned char)q->data[i]) != 0;
        if (!inside)
            continue;
        char *p = q->data + at;
        size_t which = rng_below(r, 3);
        if (which == 0) {
            char swap = p[0];
            p[0] = p[1];
            p[1] = swap;
        } else if (which == 1) {
            memmove(p, p + 1, q->n - at);
            q->n--;
        } else {
            p[0] = p[1];
        }
        return;
    }
}

static void put_before(buf *q, const char *text, rng *r)
{
    buf with = {0};
    bool ok = buf_append_text(&with, text) && buf_append(&with, q->data, q->n);
    if (ok && chance(r, 60) && q->n > 1 && islower((unsigned char)q->data[1]))
        with.data[strlen(text)] = (char)tolower((unsigned char)q->data[0]);
    if (ok) {
        buf_deinit(q);
        *q = with;
    } else {
        buf_deinit(&with);
    }
}

/* Beginnings that mean the same. The first of a group may become any other. */
static const char *const beginnings[][10] = {
    {"How do I ", "How can I ", "How would I ", "In what way do I ", "What is the way to ",
     "I want to know how to ", "Is there a way to ", "Please explain how to ", "How does one "},
    {"What is ", "What's ", "Please explain what is ", "Tell me about ", "Do you know what is ",
     "I wonder what is ", "Can you say what is ", "Say what is "},
    {"Tell me ", "Please tell me ", "Let me know ", "Can you tell me ", "Could you tell me ",
     "I want to know ", "I would like to know ", "Say "},
    {"Explain ", "Please explain ", "Describe ", "Can you explain ", "Could you explain ",
     "Explain to me ", "I want to understand "},
    {"Which ", "What ", "Please say which ", "Do you know which ", "I wonder which "},
    {"Can I ", "Could I ", "May I ", "Am I able to ", "Is it possible to ", "Is there a way to "},
    {"I want to ", "I would like to ", "I need to ", "I'd like to ", "I wish to ", "I have to "},
    {"Does ", "Say, does ", "Is it true that ", "I wonder, does "},
    {"What does ", "Do you know what ", "Please say what ", "I wonder what "},
    {"Why ", "For what reason ", "Please say why ", "I wonder why "},
    {"Where ", "Please say where ", "I wonder where ", "Do you know where "},
    {"Who ", "Do you know who ", "I wonder who ", "Please say who "},
};

static void change_beginning(buf *q, rng *r)
{
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        const char *const *group = beginnings[i];
        size_t n = strlen(group[0]), members = 1;
        if (strncmp(q->data, group[0], n) != 0)
            continue;
        while (members < 10 && group[members])
            members++;
        buf with = {0};
        if (buf_append_text(&with, group[rng_below(r, members)]) &&
            buf_append(&with, q->data + n, q->n - n)) {
            buf_deinit(q);
            *q = with;
        } else {
            buf_deinit(&with);
        }
        return;
    }
}

/* Leaves a word out here and there: what is left still tells what is meant. */
static void drop_words(buf *q, rng *r)
{
    size_t n = 0, at = 0, n_words = 1, left;
    for (size_t i = 0; i < q->n; i++)
        n_words += q->data[i] == ' ';
    left = n_words;
    while (at < q->n) {
        size_t end = at;
        while (end < q->n && q->data[end] != ' ')
            end++;
        if (left > 3 && rng_below(r, 6) == 0) {
            left--;
        } else {
            if (n > 0)
                q->data[n++] = ' ';
            memmove(q->data + n, q->data + at, end - at);
            n += end - at;
        }
        at = end + 1;
    }
    q->data[q->n = n] = '\0';
}

void conversation_disguise(buf *q, bool may_slip, rng *r)
{
    if (may_slip && chance(r, 35))
        change_beginning(q, r);
    if (may_slip && chance(r, 25))
        drop_words(q, r);
    if (may_slip && chance(r, 6))
        slip(q, r);
    if (chance(r, 30))
        drop_end(q);
    if (chance(r, 12))
        put_before(q, ANY(openings, r), r);
    if (chance(r, 5))
        (void)buf_append_text(q, ANY(closings, r));
    if (chance(r, 35))
        lower(q->data, q->n);
}

/* ---- turns ---- */

static const char *const systems[] = {
    "You are a helpful assistant.",
    "You are Ember, a helpful assistant.",
    "You are Ember.",
    "Answer briefly.",
    "You are a friendly assistant. Answer in English.",
    "Be concise and honest.",
    "You are a helpful, harmless and honest AI assistant.",
    "Answer the user's questions.",
    "You are an assistant that runs on the user's computer.",
    "Keep your answers short.",
    "You are a chatbot.",
    "Help the user as well as you can.",
};

static hearth_status add_turn(conversation *c, const buf *user, const buf *assistant,
                              hearth_error *err)
{
    conversation_turn *t = &c->turns[c->n_turns];
    t->user = mem_dup(user->data ? user->data : "", user->n);
    t->assistant = mem_dup(assistant->data ? assistant->data : "", assistant->n);
    c->n_turns++;
    return t->user && t->assistant ? HEARTH_OK : error_no_memory(err, "a conversation", user->n);
}

static bool copies_the_question(const corpus_topic *t)
{
    return strcmp(t->category, "arithmetic") == 0 || strcmp(t->category, "instructions") == 0;
}

static hearth_status draw_sample(const corpus *c, rng *r, bool first, sample *s, hearth_error *err)
{
    const corpus_topic *topic;
    do
        topic = corpus_pick(c, r);
    while (topic->alone && !first);
    TRY(corpus_draw(c, topic, DRAW_TRAINING, SIZE_MAX, r, s, err));
    conversation_disguise(&s->question, !copies_the_question(topic), r);
    return HEARTH_OK;
}

static hearth_status add_sample(conversation *out, const corpus *c, rng *r, sample *s,
                                sample *other, hearth_error *err)
{
    TRY(draw_sample(c, r, out->n_turns == 0, s, err));
    if (s->before.n > 0) {
        conversation_disguise(&s->before, false, r);
        TRY(add_turn(out, &s->before, &s->reply, err));
        /* What was said is asked for at once, or after other things. */
        for (size_t n = rng_below(r, 3); n > 0; n--) {
            do
                TRY(draw_sample(c, r, false, other, err));
            while (other->topic->id != NULL && strstr(other->topic->id, "-told"));
            if (other->before.n == 0)
                TRY(add_turn(out, &other->question, &other->answer, err));
        }
    }
    return add_turn(out, &s->question, &s->answer, err);
}

static size_t draw_length(rng *r)
{
    size_t at = rng_below(r, 100);
    if (at < 70)
        return 1;
    if (at < 93)
        return 2 + rng_below(r, 3);
    if (at < 99)
        return 5 + rng_below(r, 6);
    return 20 + rng_below(r, 20);
}

hearth_status conversation_draw(conversation *out, const corpus *c, rng *r, hearth_error *err)
{
    sample s, other;
    hearth_status status = HEARTH_OK;
    size_t length = draw_length(r);
    *out = (conversation){0};
    sample_init(&s);
    sample_init(&other);
    if (chance(r, 15))
        out->system = ANY(systems, r);
    while (status == HEARTH_OK && out->n_turns < length &&
           out->n_turns + 4 <= CONVERSATION_MAX_TURNS)
        status = add_sample(out, c, r, &s, &other, err);
    sample_deinit(&s);
    sample_deinit(&other);
    if (status != HEARTH_OK)
        conversation_clear(out);
    return status;
}

void conversation_clear(conversation *c)
{
    for (size_t i = 0; i < c->n_turns; i++) {
        mem_free(c->turns[i].user);
        mem_free(c->turns[i].assistant);
    }
    *c = (conversation){0};
}

/* ---- tokens ---- */

void token_list_deinit(token_list *list)
{
    mem_free(list->tokens);
    mem_free(list->targets);
    mem_free(list->weights);
    *list = (token_list){0};
}

static hearth_status reserve(token_list *list, size_t n, hearth_error *err)
{
    if (list->n + n <= list->capacity)
        return HEARTH_OK;
    size_t capacity = 2 * (list->n + n);
    int32_t *tokens = mem_realloc_array(list->tokens, capacity, sizeof *tokens);
    if (tokens)
        list->tokens = tokens;
    int32_t *targets = mem_realloc_array(list->targets, capacity, sizeof *targets);
    if (targets)
        list->targets = targets;
    float *weights = mem_realloc_array(list->weights, capacity, sizeof *weights);
    if (weights)
        list->weights = weights;
    if (tokens == NULL || targets == NULL || weights == NULL)
        return error_no_memory(err, "tokens", capacity);
    list->capacity = capacity;
    return HEARTH_OK;
}

/* A frame has control tokens in it, a text has none. The token before a text already has the text's
 * first token as its target. */
static hearth_status append(token_list *list, const hearth_model *vocabulary, const char *text,
                            bool frame, float weight, hearth_error *err)
{
    int32_t *tokens = NULL;
    size_t n = 0;
    TRY(hearth_tokenize(vocabulary, text, strlen(text), frame ? HEARTH_TOKENIZE_PARSE_SPECIAL : 0,
                        &tokens, &n, err));
    hearth_status status = reserve(list, n, err);
    for (size_t i = 0; status == HEARTH_OK && i < n; i++) {
        if (weight > 0) {
            list->targets[list->n - 1] = tokens[i];
            list->weights[list->n - 1] = weight;
        }
        list->tokens[list->n] = tokens[i];
        list->targets[list->n] = 0;
        list->weights[list->n++] = 0;
    }
    hearth_free(tokens);
    return status;
}

static hearth_status append_turn(token_list *list, const hearth_model *vocabulary,
                                 const conversation_turn *turn, float question_weight,
                                 hearth_error *err)
{
    TRY(append(list, vocabulary, "<|im_start|>user\n", true, 0, err));
    TRY(append(list, vocabulary, turn->user, false, question_weight, err));
    TRY(append(list, vocabulary, "<|im_end|>\n<|im_start|>assistant\n", true, 0, err));
    if (turn->assistant == NULL)
        return HEARTH_OK;
    TRY(append(list, vocabulary, turn->assistant, false, 1, err));
    TRY(append(list, vocabulary, "<|im_end|>", true, 1, err));
    return append(list, vocabulary, "\n", false, 0, err);
}

hearth_status conversation_tokenize(const conversation *c, const hearth_model *vocabulary,
                                    size_t max_tokens, float question_weight, token_list *out,
                                    hearth_error *err)
{
    size_t start = out->n;
    if (c->system) {
        TRY(append(out, vocabulary, "<|im_start|>system\n", true, 0, err));
        TRY(append(out, vocabulary, c->system, false, 0, err));
        TRY(append(out, vocabulary, "<|im_end|>\n", true, 0, err));
    }
    for (size_t i = 0; i < c->n_turns; i++) {
        size_t before = out->n;
        TRY(append_turn(out, vocabulary, &c->turns[i], question_weight, err));
        if (out->n - start > max_tokens) {
            out->n = before;
            break;
        }
    }
    return HEARTH_OK;
}
