/* SPDX-License-Identifier: MIT
 *
 * format_probe.c - see format_probe.h.
 */
#include "chat/format_probe.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/status.h"

static const char args_1[] = "{\"" PROBE_KEY_1 "\": \"" PROBE_VALUE_1 "\", \"" PROBE_KEY_2
                             "\": \"" PROBE_VALUE_2 "\", \"" PROBE_KEY_3 "\": " PROBE_VALUE_3 "}";
static const char args_2[] = "{\"" PROBE_KEY_4 "\": \"" PROBE_VALUE_4 "\"}";

static json_t *make_call(int i, bool text)
{
    const char *args = i == 0 ? args_1 : args_2;
    return json_pack("{s:s, s:s, s:{s:s, s:o}}", "id", i == 0 ? PROBE_ID_1 : PROBE_ID_2, "type",
                     "function", "function", "name", i == 0 ? PROBE_NAME_1 : PROBE_NAME_2,
                     "arguments", text ? json_string(args) : json_loads(args, 0, NULL));
}

static json_t *make_parameter(const char *type, bool bare)
{
    return json_pack("{s:s, s:s*}", "type", type, "description", bare ? NULL : "A value.");
}

static json_t *make_tool(const char *name, bool bare)
{
    return json_pack("{s:s, s:{s:s, s:s, s:{s:s, s:{s:o, s:o, s:o, s:o}, s:[s]}}}", "type",
                     "function", "function", "name", name, "description", "Does a thing.",
                     "parameters", "type", "object", "properties", PROBE_KEY_1,
                     make_parameter("string", bare), PROBE_KEY_2, make_parameter("string", bare),
                     PROBE_KEY_3, make_parameter("integer", bare), PROBE_KEY_4,
                     make_parameter("string", bare), "required", PROBE_KEY_1);
}

/* The rest of a context is made where one part is lacking; *ok tells. */
static void set(bool *ok, json_t *object, const char *key, json_t *value)
{
    *ok &= json_object_set_new(object, key, value) == 0;
}

static json_t *make_answer(const probe *p, bool *ok)
{
    json_t *answer = json_pack("{s:s}", "role", "assistant");
    set(ok, answer, "content",
        p->content        ? json_string(PROBE_CONTENT)
        : p->null_content ? json_null()
                          : json_string(""));
    if (p->reasoning) {
        set(ok, answer, "reasoning_content", json_string(PROBE_REASON));
        set(ok, answer, "reasoning", json_string(PROBE_REASON));
        set(ok, answer, "thinking", json_string(PROBE_REASON));
    }
    if (p->n_calls > 0) {
        json_t *calls = json_array();
        for (int i = 0; i < p->n_calls; i++)
            *ok &= json_array_append_new(calls, make_call(i, p->args_text)) == 0;
        set(ok, answer, "tool_calls", calls);
    }
    return answer;
}

/* NULL: out of memory. */
static json_t *make_context(const probe *p)
{
    bool ok = true;
    json_t *root = json_object(), *messages = json_array(), *tools = json_array();
    if (p->system)
        ok &= json_array_append_new(
                  messages, json_pack("{s:s, s:s}", "role", "system", "content", "Be brief.")) == 0;
    ok &= json_array_append_new(
              messages, json_pack("{s:s, s:s}", "role", "user", "content", PROBE_USER)) == 0;
    if (!p->no_answer)
        ok &= json_array_append_new(messages, make_answer(p, &ok)) == 0;
    if (p->result)
        ok &= json_array_append_new(messages, json_pack("{s:s, s:s, s:s, s:s}", "role", "tool",
                                                        "name", PROBE_NAME_1, "tool_call_id",
                                                        PROBE_ID_1, "content", PROBE_RESULT)) == 0;
    ok &= json_array_append_new(tools, make_tool(PROBE_NAME_1, p->bare)) == 0;
    ok &= json_array_append_new(tools, make_tool(PROBE_NAME_2, p->bare)) == 0;
    set(&ok, root, "messages", messages);
    if (p->no_tools)
        json_decref(tools);
    else
        set(&ok, root, "tools", tools);
    set(&ok, root, "add_generation_prompt", json_boolean(p->no_answer));
    set(&ok, root, "bos_token", json_string(""));
    set(&ok, root, "eos_token", json_string(PROBE_EOS));
    if (p->thinking) {
        set(&ok, root, "enable_thinking", json_true());
        set(&ok, root, "thinking", json_true());
    }
    if (!ok) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static char *find_last(char *text, const char *word)
{
    char *last = NULL;
    for (char *hit = text; (hit = strstr(hit, word)) != NULL; hit++)
        last = hit;
    return last;
}

hearth_status probe_render(const hearth_chat_template *t, const probe *p, char **tail, bool *before,
                           hearth_error *err)
{
    hearth_chat_render_options options;
    char *text = NULL;
    size_t n = 0;
    json_t *context = make_context(p);
    char *json = json_to_text(context, JSON_COMPACT);
    *tail = NULL;
    json_decref(context);
    if (!json)
        return error_no_memory(err, "a conversation to learn from", 0);
    hearth_chat_render_options_init(&options);
    options.now = 1700000000;
    hearth_status status =
        hearth_chat_template_render(t, json, strlen(json), &options, &text, &n, NULL);
    mem_free(json);
    if (status == HEARTH_ENOMEM)
        return error_no_memory(err, "a conversation to learn from", n);
    if (status != HEARTH_OK)
        return HEARTH_OK; /* refused: there is nothing to learn from this one */
    char *user = find_last(text, PROBE_USER);
    if (before)
        *before = user && strstr(text, PROBE_NAME_1) != NULL && strstr(text, PROBE_NAME_1) < user;
    if (user) {
        user += strlen(PROBE_USER);
        *tail = mem_dup(user, strlen(user));
    }
    mem_free(text);
    return !user || *tail ? HEARTH_OK : error_no_memory(err, "a rendered conversation", n);
}
