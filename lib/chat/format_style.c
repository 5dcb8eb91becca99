/* SPDX-License-Identifier: MIT
 *
 * format_style.c - see tools.h: styles, as what was learned of a template.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/status.h"
#include "chat/format.h"
#include "chat/format_learn.h"

static hearth_status make_style(hearth_chat_style *style, const learner *l, hearth_error *err)
{
    const char *stops[] = {l->turn_end, strcmp(l->turn_end, l->call_end) == 0 ? "" : l->call_end};
    style->native_tools = l->native_tools;
    style->native_calls = l->native_calls;
    style->native_results = l->native_results;
    style->args_text = l->args_text;
    style->null_empty = l->null_empty;
    style->no_system = l->no_system;
    style->describe = l->describe;
    style->calls_alone = l->calls_alone;
    bool ok = tool_shape_copy(&style->shape, &l->shape, &style->memory);
    for (size_t i = 0; i < 2; i++)
        if (stops[i][0] != '\0')
            ok = (style->stops[i] = mem_dup(stops[i], strlen(stops[i]))) != NULL && ok;
    return ok ? HEARTH_OK : error_no_memory(err, "a chat style", sizeof *style);
}

hearth_status hearth_chat_style_learn(hearth_chat_style **out,
                                      const hearth_chat_template *template_, const char *source,
                                      size_t n_source, hearth_error *err)
{
    learner l;
    hearth_chat_style *style = mem_calloc(1, sizeof *style);
    *out = NULL;
    if (!style)
        return error_no_memory(err, "a chat style", sizeof *style);
    hearth_status status = format_learn(&l, template_, source, n_source, err);
    if (status == HEARTH_OK)
        status = make_style(style, &l, err);
    format_learn_end(&l);
    if (status != HEARTH_OK) {
        hearth_chat_style_free(style);
        return status;
    }
    *out = style;
    return HEARTH_OK;
}

void hearth_chat_style_free(hearth_chat_style *style)
{
    if (!style)
        return;
    mem_free(style->memory);
    mem_free(style->stops[0]);
    mem_free(style->stops[1]);
    mem_free(style);
}

const char *hearth_chat_style_calls(const hearth_chat_style *style)
{
    static const char *const names[] = {
        [TOOL_KIND_JSON] = "json",        [TOOL_KIND_LIST] = "json-list",
        [TOOL_KIND_KEYED] = "json-keyed", [TOOL_KIND_NAME_JSON] = "name-json",
        [TOOL_KIND_XML] = "xml",          [TOOL_KIND_PAIRS] = "pythonic",
        [TOOL_KIND_HARMONY] = "harmony",
    };
    bool braces = style->shape.kind == TOOL_KIND_PAIRS && style->shape.args_close[0] == '}';
    return braces ? "braces" : names[style->shape.kind];
}

bool hearth_chat_style_native_tools(const hearth_chat_style *style)
{
    return style->native_tools;
}

bool hearth_chat_style_native_calls(const hearth_chat_style *style)
{
    return style->native_calls;
}

hearth_status hearth_chat_style_describe(const hearth_chat_style *style, char **out,
                                         hearth_error *err)
{
    const tool_shape *s = &style->shape;
    *out = NULL;
    json_t *root =
        json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "calls",
                  hearth_chat_style_calls(style), "native_tools", style->native_tools,
                  "native_calls", style->native_calls, "native_results", style->native_results,
                  "arguments_as_text", style->args_text, "one_call", s->one_call, "reasoning",
                  !s->guessed_think && (s->think_close[0] != '\0' || s->kind == TOOL_KIND_HARMONY),
                  "bare", s->bare, "recipient", s->recipient);
    bool ok = true;
#define TOOL_SHAPE_FIELD(mark)                                                                     \
    if (s->mark[0] != '\0')                                                                        \
        ok &= json_object_set_new(root, #mark, json_string(s->mark)) == 0;
    TOOL_SHAPE_MARKS(TOOL_SHAPE_FIELD)
#undef TOOL_SHAPE_FIELD
    for (int i = 0; i < 2; i++)
        if (style->stops[i])
            ok &= json_object_set_new(root, i == 0 ? "stop" : "stop_of_calls",
                                      json_string(style->stops[i])) == 0;
    *out = ok ? json_to_text(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    return *out ? HEARTH_OK : error_no_memory(err, "a description", 0);
}
