/* SPDX-License-Identifier: MIT
 *
 * test_json.c - the Nth allocation fails where JSON is read, made and written: grammars of schemas,
 * chat templates, tools. jansson's own allocations count too, but those of its reader: it is given
 * malloc and free here as any program may give it its own (lib/base/json.h). The answer is ENOMEM
 * or what it is without the fault, and nothing leaks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <hearth/hearth.h>

#include "base/buf.h"
#include "base/status.h"
#include "fault/fault.h"

static const char schema_json[] =
    "{\"type\":\"object\",\"$defs\":{\"n\":{\"type\":\"integer\",\"minimum\":3,\"maximum\":120}},"
    "\"properties\":{\"name\":{\"type\":\"string\",\"pattern\":\"^[a-z]{1,3}$\"},"
    "\"n\":{\"$ref\":\"#/$defs/n\"},\"list\":{\"type\":\"array\",\"items\":{\"anyOf\":["
    "{\"enum\":[1,\"two\",null]},{\"const\":{\"a\":[true]}}]},\"minItems\":1,\"maxItems\":3},"
    "\"both\":{\"allOf\":[{\"properties\":{\"x\":{\"type\":\"number\"}}},"
    "{\"required\":[\"x\"],\"additionalProperties\":false,\"properties\":{\"x\":{}}}]}},"
    "\"required\":[\"name\",\"n\"],\"additionalProperties\":false}";

static const char template_text[] =
    "{% if tools %}<tools>{% for t in tools %}{{ t | tojson }}\n{% endfor %}</tools>{% endif %}"
    "{% for m in messages %}<|{{ m.role }}|>{% if m.content %}{{ m.content }}{% endif %}"
    "{% for c in m.tool_calls %}<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": "
    "{{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}";

static const char plain_template[] =
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}";

static const char tools_json[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"add\",\"description\":\"adds\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},"
    "\"why\":{\"type\":\"string\"}},\"required\":[\"a\"]}}}]";

static const char context_json[] =
    "{\"add_generation_prompt\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\","
    "\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":1}\"}}]},"
    "{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"2\"}],\"tools\":["
    "{\"type\":\"function\",\"function\":{\"name\":\"add\",\"parameters\":{\"type\":\"object\"}}}]"
    "}";

static hearth_chat_template *with_tools, *plain;
static hearth_chat_style *tool_style, *plain_style;

/* One stage: what it comes to is appended to out. */
typedef hearth_status stage_fn(buf *out, hearth_error *err);

static hearth_status give(buf *out, const char *text, hearth_error *err)
{
    return buf_append_text(out, text) ? HEARTH_OK : error_no_memory(err, "a result", strlen(text));
}

static hearth_status grammar_stage(buf *out, hearth_error *err)
{
    hearth_grammar *g;
    hearth_status status = hearth_grammar_from_schema(&g, schema_json, err);
    if (status != HEARTH_OK)
        return status;
    status = give(out, hearth_grammar_to_gbnf(g), err);
    hearth_grammar_unref(g);
    return status;
}

static hearth_status learn(const hearth_chat_template *t, const char *source, buf *out,
                           hearth_error *err)
{
    char *text = NULL;
    hearth_chat_style *style;
    hearth_status status = hearth_chat_style_learn(&style, t, source, strlen(source), err);
    if (status != HEARTH_OK)
        return status;
    status = hearth_chat_style_describe(style, &text, err);
    if (status == HEARTH_OK)
        status = give(out, text, err);
    hearth_free(text);
    hearth_chat_style_free(style);
    return status;
}

static hearth_status learn_stage(buf *out, hearth_error *err)
{
    return learn(with_tools, template_text, out, err);
}

static hearth_status learn_plain_stage(buf *out, hearth_error *err)
{
    return learn(plain, plain_template, out, err);
}

static hearth_status render(const hearth_chat_template *t, const hearth_chat_style *style, buf *out,
                            hearth_error *err)
{
    char *prepared = NULL, *text = NULL;
    size_t n;
    hearth_status status =
        hearth_chat_style_prepare(style, context_json, strlen(context_json), &prepared, err);
    if (status == HEARTH_OK)
        status = hearth_chat_template_render(t, prepared, strlen(prepared), NULL, &text, &n, err);
    if (status == HEARTH_OK)
        status = give(out, text, err);
    hearth_free(prepared);
    hearth_free(text);
    return status;
}

static hearth_status render_stage(buf *out, hearth_error *err)
{
    return render(with_tools, tool_style, out, err);
}

static hearth_status render_plain_stage(buf *out, hearth_error *err)
{
    return render(plain, plain_style, out, err);
}

static hearth_status format_stage(buf *out, hearth_error *err)
{
    static const char answer[] = "Well.<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 2, "
                                 "\"why\": \"x\\ny\"}}\n</tool_call>";
    hearth_chat_format *format;
    hearth_chat_format_options o;
    char *parsed = NULL;
    hearth_chat_format_options_init(&o);
    o.tools = tools_json;
    o.n_tools_bytes = strlen(tools_json);
    o.prompt = "<|assistant|>";
    o.n_prompt = strlen(o.prompt);
    hearth_status status = hearth_chat_format_new(&format, tool_style, &o, err);
    if (status != HEARTH_OK)
        return status;
    const char *grammar = hearth_chat_format_grammar(format);
    status = give(out, grammar ? grammar : "none", err);
    if (status == HEARTH_OK)
        status = hearth_chat_parse(format, answer, strlen(answer), &parsed, err);
    if (status == HEARTH_OK)
        status = give(out, parsed, err);
    hearth_free(parsed);
    hearth_chat_format_free(format);
    return status;
}

static int run_stage(const char *name, stage_fn *stage, bool forever)
{
    buf right, got;
    hearth_error err = {.code = HEARTH_OK};
    int failures = 0;
    buf_init(&right, 0);
    if (stage(&right, &err) != HEARTH_OK) {
        printf("FAILED %s: %s\n", name, err.message);
        return 1;
    }
    long n = 0;
    bool fired = true;
    while (fired && failures == 0) {
        buf_init(&got, 0);
        err = (hearth_error){.code = HEARTH_OK};
        long alive = fault_n_alive();
        fault_arm(++n, forever);
        hearth_status status = stage(&got, &err);
        fired = fault_fired();
        fault_arm(0, false);
        bool same = got.n == right.n && memcmp(got.data, right.data, got.n) == 0;
        if (status == HEARTH_OK ? !same : status != HEARTH_ENOMEM || err.code != status || !fired) {
            printf("FAILED %s: allocation %ld: %s, '%s'%s\n", name, n, hearth_status_name(status),
                   err.message, same ? "" : ", another result");
            failures++;
        }
        buf_deinit(&got);
        if (fault_n_alive() != alive) {
            printf("FAILED %s: %ld blocks leak when allocation %ld fails (%s)\n", name,
                   fault_n_alive() - alive, n, err.message);
            failures++;
        }
    }
    printf("%-12s %s: %ld allocations\n", name, forever ? "forever" : "once   ", n - 1);
    buf_deinit(&right);
    return failures;
}

static bool make_shared(void)
{
    hearth_error err;
    size_t n = strlen(template_text), n_plain = strlen(plain_template);
    return hearth_chat_template_new(&with_tools, template_text, n, &err) == HEARTH_OK &&
           hearth_chat_template_new(&plain, plain_template, n_plain, &err) == HEARTH_OK &&
           hearth_chat_style_learn(&tool_style, with_tools, template_text, n, &err) == HEARTH_OK &&
           hearth_chat_style_learn(&plain_style, plain, plain_template, n_plain, &err) == HEARTH_OK;
}

int main(void)
{
    static const struct {
        const char *name;
        stage_fn *stage;
    } stages[] = {{"schema", grammar_stage},
                  {"learn", learn_stage},
                  {"learn plain", learn_plain_stage},
                  {"render", render_stage},
                  {"render plain", render_plain_stage},
                  {"format", format_stage}};
    int failures = 0;
    json_set_alloc_funcs(malloc, free); /* this program's, which the linker sends to fault.c */
    fault_spare_json_reader();
    if (!make_shared()) {
        printf("FAILED: the templates\n");
        return 1;
    }
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        failures += run_stage(stages[i].name, stages[i].stage, false);
        failures += run_stage(stages[i].name, stages[i].stage, true);
    }
    hearth_chat_style_free(tool_style);
    hearth_chat_style_free(plain_style);
    hearth_chat_template_free(with_tools);
    hearth_chat_template_free(plain);
    return failures ? 1 : 0;
}
