/* SPDX-License-Identifier: MIT
 *
 * read_template.c - how the chat template is rendered: reasoning, its variables, the end of the
 * prompt; and what a chat needs once all of its fields are read.
 *
 * Thinking  Four fields can switch it: chat_template_kwargs.enable_thinking and enable_thinking say
 *          so in as many words and win; else reasoning_effort (none: off) or Anthropic's thinking;
 *          else what the server was started with.
 * Without  A model that has no thoughts cannot be asked for them; off is what it is anyway. Efforts
 *          and Anthropic's thinking are sent by programs of their own accord: they are ignored, and
 *          said so.
 */
#include <string.h>

#include "protocol/reader.h"

static hearth_status kwargs(reader *in, json_t **out)
{
    request_chat *c = &in->r->chat;
    if (c->template_kwargs == NULL)
        c->template_kwargs = json_object();
    *out = c->template_kwargs;
    return *out ? HEARTH_OK : no_memory(in);
}

static hearth_status take_thinking(reader *in, const path *at, const json_t *value)
{
    bool thinking;
    TRY(want_bool(in, at, value, &thinking));
    request_switch wanted = thinking ? SWITCH_ON : SWITCH_OFF;
    if (in->thinking != SWITCH_DEFAULT && in->thinking != wanted)
        return refuse(in, at, "differs from chat_template_kwargs.enable_thinking");
    if (thinking && in->limits->no_thoughts)
        return refuse(
            in, at,
            "the chat template of this model knows no thoughts; leave it out, or send false");
    in->thinking = wanted;
    return HEARTH_OK;
}

hearth_status read_template_kwargs(reader *in, const path *at, json_t *value)
{
    json_t *object;
    TRY(want_object(in, at, value));
    TRY(kwargs(in, &object));
    json_t *given = get(value, "enable_thinking");
    if (given)
        TRY(take_thinking(in, PATH_KEY(at, "enable_thinking"), given));
    /* A shallow copy: names are the caller's own, values are borrowed. */
    return json_object_update(object, value) == 0 ? HEARTH_OK : no_memory(in);
}

hearth_status read_enable_thinking(reader *in, const path *at, json_t *value)
{
    return take_thinking(in, at, value);
}

hearth_status read_add_generation_prompt(reader *in, const path *at, json_t *value)
{
    in->has_generation_prompt = true;
    return want_bool(in, at, value, &in->r->chat.add_generation_prompt);
}

hearth_status read_continue_final_message(reader *in, const path *at, json_t *value)
{
    in->has_continue = true;
    return want_bool(in, at, value, &in->r->chat.continue_final_message);
}

hearth_status read_reasoning_format(reader *in, const path *at, json_t *value)
{
    int which;
    TRY(want_choice(in, at, value, "none|auto|deepseek|deepseek-legacy", &which));
    in->r->options.reasoning = (reasoning_format)which;
    return HEARTH_OK;
}

hearth_status read_effort(reader *in, const path *at, const json_t *value)
{
    int which;
    TRY(want_choice(in, at, value, "none|minimal|low|medium|high|xhigh|max", &which));
    if (which != 0 && in->limits->no_thoughts)
        return ignore(in, at);
    in->r->options.reasoning_effort = json_string_value(value);
    in->thinking_by_effort = which == 0 ? SWITCH_OFF : SWITCH_ON;
    return HEARTH_OK;
}

hearth_status read_reasoning_effort(reader *in, const path *at, json_t *value)
{
    return read_effort(in, at, value);
}

/* ---- what a chat needs ---- */

static hearth_status finish_thinking(reader *in)
{
    request_options *o = &in->r->options;
    json_t *object;
    if (in->thinking == SWITCH_DEFAULT)
        in->thinking = in->thinking_by_effort;
    if (in->thinking != SWITCH_DEFAULT)
        o->thinking = in->thinking;
    TRY(kwargs(in, &object));
    if (o->thinking != SWITCH_DEFAULT)
        TRY(put(in, object, "enable_thinking", json_boolean(o->thinking == SWITCH_ON)));
    if (o->reasoning_effort && strcmp(o->reasoning_effort, "none") != 0 &&
        get(object, "reasoning_effort") == NULL)
        TRY(put(in, object, "reasoning_effort", json_string(o->reasoning_effort)));
    return HEARTH_OK;
}

static bool is_role(const json_t *message, const char *role)
{
    const char *own = json_string_value(json_object_get(message, "role"));
    return own && strcmp(own, role) == 0;
}

/* The answer begins anew after the head that the template writes, or goes on with the last
 * message. */
static hearth_status finish_prompt_end(reader *in)
{
    request_chat *c = &in->r->chat;
    size_t n = json_array_size(c->messages);
    const json_t *last = json_array_get(c->messages, n - 1);
    const char *role = "assistant";
    bool is_answer = is_role(last, role) && !json_object_get(last, "tool_calls");
    if (!in->has_continue)
        c->continue_final_message = is_answer && !in->limits->no_prefill &&
                                    !(in->has_generation_prompt && c->add_generation_prompt);
    else if (c->continue_final_message && !is_answer)
        return refuse(in, PATH_KEY(NULL, "continue_final_message"),
                      "the last message is not an answer of the assistant");
    if (c->continue_final_message && n > 1 && is_role(json_array_get(c->messages, n - 2), role))
        return refuse(in, PATH_INDEX(PATH_KEY(NULL, "messages"), n - 1),
                      "two answers of the assistant at the end: join them, or send "
                      "add_generation_prompt: true");
    if (!in->has_generation_prompt)
        c->add_generation_prompt = !c->continue_final_message;
    else if (c->add_generation_prompt && c->continue_final_message)
        return refuse(in, PATH_KEY(NULL, "add_generation_prompt"),
                      "cannot go with continue_final_message; send one of them");
    return HEARTH_OK;
}

static hearth_status finish_tools(reader *in)
{
    request_chat *c = &in->r->chat;
    bool must_call = c->choice == TOOL_CHOICE_REQUIRED || c->choice == TOOL_CHOICE_NAMED;
    if (json_array_size(c->tools) == 0 && must_call)
        return refuse(in, PATH_KEY(NULL, "tool_choice"), "asks for a call, but there are no tools");
    return HEARTH_OK;
}

hearth_status finish_chat(reader *in)
{
    request *r = in->r;
    bool is_responses = (r->api & APIS_RESPONSES) != 0;
    if (json_array_size(r->chat.messages) == 0 || (is_responses && !in->has_input))
        return refuse(in, PATH_KEY(NULL, is_responses ? "input" : "messages"),
                      "is missing; send at least one message");
    if (r->api == API_ANTHROPIC && r->options.n_predict < 1)
        return refuse(in, PATH_KEY(NULL, "max_tokens"), "%d is out of range; it must be at least 1",
                      r->options.n_predict);
    if ((uint32_t)r->options.n > in->limits->n_choices_max)
        return refuse(in, PATH_KEY(NULL, "n"), "%d answers at once are too many; at most %u run",
                      r->options.n, in->limits->n_choices_max);
    TRY(finish_thinking(in));
    TRY(finish_tools(in));
    return finish_prompt_end(in);
}
