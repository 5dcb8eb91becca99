/* SPDX-License-Identifier: MIT
 *
 * format_grammar.c - see tools.h: what calls must look like, written as GBNF.
 *
 *     root ::= reasoning? calls
 *     calls ::= section_open call (between call)* section_close
 *     call ::= call_open (tool-0 | tool-1 | ...) call_close
 *     tool-0 ::= "name" and what the kind of the shape puts around the arguments
 *
 * Marks are written with the blanks that the template has, since that is what the model was trained
 * on; the parser is more lenient. A lazy grammar begins at the first mark that only a call has.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/place.h"
#include "base/status.h"
#include "chat/format.h"
#include "chat/format_gbnf.h"
#include "chat/format_params.h"
#include "chat/tool_json.h"

/* "text" with its quotes, as JSON. */
static void put_quoted(gbnf *g, const char *text)
{
    buf b;
    buf_init(&b, 0);
    bool ok = buf_append_text(&b, "\"") && tool_json_escape(&b, text, strlen(text)) &&
              buf_append_text(&b, "\"");
    if (ok)
        gbnf_literal(g, b.data, b.n);
    g->failed = g->failed || !ok;
    buf_deinit(&b);
}

static const char *key_or(const char *key, const char *usual)
{
    return key[0] != '\0' ? key : usual;
}

/* ---- one tool ---- */

static void put_object(gbnf *g, const tool_shape *s, const char *name, size_t t)
{
    gbnf_put(g, " \"{\" ws");
    if (s->id_key[0] != '\0') {
        put_quoted(g, s->id_key);
        gbnf_put(g, " \": \\\"\" [0-9]+ \"\\\", \"");
    }
    put_quoted(g, key_or(s->name_key, "name"));
    gbnf_put(g, " \":\" ws");
    put_quoted(g, name);
    gbnf_put(g, " \",\" ws");
    put_quoted(g, key_or(s->args_key, "arguments"));
    gbnf_put(g, " \":\" ws args-%zu", t);
    if (s->id_after[0] != '\0') {
        gbnf_put(g, " ( \",\" ws");
        put_quoted(g, s->id_after);
        gbnf_put(g, " \":\" ws \"\\\"\" [a-zA-Z0-9_-]{%s} \"\\\"\" )?",
                 s->short_ids ? "9" : "1,64");
    }
    gbnf_put(g, " ws \"}\"");
}

static void put_named(gbnf *g, const tool_shape *s, const char *name, size_t t)
{
    if (s->id_before[0] != '\0') {
        gbnf_put(g, " [a-zA-Z0-9_-]{1,64}");
        gbnf_text(g, s->id_before);
    }
    if (s->id_is_name) {
        gbnf_text(g, "functions.");
        gbnf_text(g, name);
        gbnf_put(g, " \":\" [0-9]{1,4}");
    } else {
        gbnf_text(g, name);
    }
    if (s->id_open[0] != '\0') {
        gbnf_text(g, s->id_open);
        gbnf_put(g, " [a-zA-Z0-9]{9}");
    }
    gbnf_text(g, s->name_close);
    gbnf_put(g, " args-%zu", t);
}

static void put_harmony(gbnf *g, const char *name, size_t t)
{
    gbnf_put(g, " (\" to=functions.\"");
    gbnf_text(g, name);
    gbnf_put(g, " \"<|channel|>commentary\" | \"<|channel|>commentary to=functions.\"");
    gbnf_text(g, name);
    gbnf_put(g, " ) ( \" <|constrain|>json\" | \" json\" )? \"<|message|>\" args-%zu \"<|call|>\"?",
             t);
}

static hearth_status put_tool(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t,
                              hearth_error *err)
{
    char args[RULE_BYTES];
    bool json = s->kind != TOOL_KIND_XML && s->kind != TOOL_KIND_PAIRS;
    snprintf(args, sizeof args, "args-%zu", t);
    gbnf_put(g, "tool-%zu ::=", t);
    switch (s->kind) {
    case TOOL_KIND_JSON:
    case TOOL_KIND_LIST:
        put_object(g, s, tool->name, t);
        break;
    case TOOL_KIND_KEYED:
        gbnf_put(g, " \"{\"");
        put_quoted(g, tool->name);
        gbnf_put(g, " \":\" ws args-%zu ws \"}\"", t);
        break;
    case TOOL_KIND_NAME_JSON:
        put_named(g, s, tool->name, t);
        break;
    case TOOL_KIND_HARMONY:
        put_harmony(g, tool->name, t);
        break;
    case TOOL_KIND_XML:
        gbnf_text(g, tool->name);
        gbnf_text(g, s->name_close);
        format_put_params(g, s, tool, t);
        break;
    case TOOL_KIND_PAIRS:
        gbnf_text(g, tool->name);
        gbnf_text(g, s->name_close);
        format_put_params(g, s, tool, t);
        gbnf_text(g, s->args_close);
        break;
    }
    gbnf_put(g, "\n");
    return json ? gbnf_schema(g, args, tool->schema, tool->schema, err)
                : format_put_param_rules(g, s, tool, t, err);
}

/* An error of the tool's schema also says whose it is. */
static hearth_status put_tool_of(gbnf *g, const hearth_chat_format *f, size_t t, hearth_error *err)
{
    hearth_error inner = {0};
    hearth_status status = put_tool(g, f->shape, &f->tools.tools[t], t, &inner);
    if (status == HEARTH_OK)
        return HEARTH_OK;
    char place[RULE_BYTES];
    snprintf(place, sizeof place, "tools[%zu].function.parameters", t);
    return place_error(err, status, place, &inner);
}

/* ---- the whole ---- */

/* `skip` is how much of the very first mark is left out: the blanks before a trigger. */
static void put_calls(gbnf *g, const tool_shape *s, bool parallel)
{
    bool list = s->kind == TOOL_KIND_LIST || s->kind == TOOL_KIND_KEYED;
    const char *section = gbnf_trim_start(s->section_open);
    const char *open = section[0] == '\0' ? gbnf_trim_start(s->call_open) : s->call_open;
    bool python = s->kind == TOOL_KIND_PAIRS && s->call_open[0] == '\0';
    gbnf_put(g, "calls ::=");
    gbnf_text(g, section);
    if (list) {
        gbnf_put(g, " \"[\" ws call%s ws \"]\"", parallel ? " ( \",\" ws call )*" : "");
    } else {
        if (s->bare)
            gbnf_put(g, " \"<|python_tag|>\"?");
        else if (!s->recipient)
            gbnf_text(g, open);
        gbnf_put(g, " call");
        if (parallel && s->kind != TOOL_KIND_HARMONY) {
            gbnf_put(g, " (");
            gbnf_text(g, python ? ", " : s->bare ? "; " : s->call_between);
            if (!s->bare)
                gbnf_text(g, s->call_open);
            gbnf_put(g, " call )*");
        }
    }
    gbnf_literal(g, s->section_close, gbnf_trim_end(s->section_close));
    if (s->content_close[0] != '\0' && s->content_open[0] == '\0') {
        gbnf_put(g, " (");
        gbnf_text(g, s->content_close);
        gbnf_put(g, " )?");
    }
    gbnf_put(g, "\n");
}

static void put_root(gbnf *g, const hearth_chat_format *f, bool lazy)
{
    const tool_shape *s = f->shape;
    size_t n = gbnf_trim_end(s->think_close);
    bool thinks = f->reasoning_end != NULL && n > 0 && s->kind != TOOL_KIND_HARMONY;
    gbnf_put(g, "root ::=");
    if (!lazy && s->kind == TOOL_KIND_HARMONY) {
        gbnf_put(g, " ( \"<|channel|>analysis<|message|>\" think-0 \"<|start|>assistant\" )?");
    } else if (!lazy && f->reasoning_open && thinks) {
        gbnf_put(g, " think-0");
    } else if (!lazy && thinks && s->think_open[0] != '\0') {
        gbnf_put(g, " ( blanks");
        gbnf_literal(g, gbnf_trim_start(s->think_open),
                     gbnf_trim_end(gbnf_trim_start(s->think_open)));
        gbnf_put(g, " think-0 )?");
    }
    if (!lazy && s->kind != TOOL_KIND_HARMONY)
        gbnf_put(g, " blanks");
    gbnf_put(g, " calls\n");
    if (lazy)
        return;
    if (s->kind == TOOL_KIND_HARMONY)
        gbnf_until(g, "think", "<|end|>", 7);
    else if (thinks)
        gbnf_until(g, "think", gbnf_trim_start(s->think_close),
                   gbnf_trim_end(gbnf_trim_start(s->think_close)));
}

static void put_shared(gbnf *g, const tool_shape *s)
{
    gbnf_put(g, "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\nblanks ::= [ \\n]{0,4}\n");
    if (s->kind == TOOL_KIND_XML) {
        const char *close = s->line_values ? s->value_close : gbnf_trim_start(s->value_close);
        gbnf_until(g, "value", close, gbnf_trim_end(close));
    }
    if (s->kind != TOOL_KIND_PAIRS || s->quote[0] == '\0')
        return;
    gbnf_put(g, "quoted ::=");
    gbnf_text(g, s->quote);
    gbnf_put(g, " quote-0\n");
    gbnf_until(g, "quote", s->quote, strlen(s->quote));
    gbnf_put(g, "loose ::= quoted | \"true\" | \"false\" | \"null\" | loose-number | "
                "\"[\" ( loose ( \",\" loose )* )? \"]\" | "
                "loose-object\n"
                "loose-object ::= \"{\" ( loose-key \":\" loose "
                "( \",\" loose-key \":\" loose )* )? \"}\"\n"
                "loose-key ::= [a-zA-Z0-9_.$-]+\n"
                "loose-number ::= \"-\"? ( \"0\" | [1-9] [0-9]{0,15} ) ( \".\" [0-9]{1,15} )? "
                "( [eE] [-+]? [0-9]{1,3} )?\n");
}

/* ---- triggers and tags ---- */

static bool add_trigger(hearth_chat_format *f, bool is_pattern, const char *text, size_t n)
{
    char *copy = mem_dup(text, n);
    f->triggers[f->n_triggers].text = copy;
    f->triggers[f->n_triggers].is_pattern = is_pattern;
    f->n_triggers += copy != NULL;
    return copy != NULL;
}

/* (?:name1|name2), each with what PCRE2 would read as syntax escaped. */
static bool put_names(buf *b, const tool_list *tools)
{
    bool ok = buf_append_text(b, "(?:");
    for (size_t i = 0; ok && i < tools->n; i++) {
        ok = i == 0 || buf_append_text(b, "|");
        for (const char *c = tools->tools[i].name; ok && *c != '\0'; c++)
            ok = (strchr("\\^$.|?*+-#&~", *c) == NULL || buf_append_text(b, "\\")) &&
                 buf_append(b, c, 1);
    }
    return ok && buf_append_text(b, ")");
}

static bool add_pattern(hearth_chat_format *f, const char *before, const char *after)
{
    buf b;
    buf_init(&b, 0);
    bool ok = buf_append_text(&b, before) && put_names(&b, &f->tools) &&
              buf_append_text(&b, after) && add_trigger(f, true, b.data, b.n);
    buf_deinit(&b);
    return ok;
}

static bool add_triggers(hearth_chat_format *f)
{
    const tool_shape *s = f->shape;
    bool ok = true;
    if (s->kind == TOOL_KIND_HARMONY)
        return add_pattern(f, "(?:\\A|<\\|start\\|>assistant)( to=functions\\.", "<)") &&
               add_pattern(f, "(<\\|channel\\|>commentary to=functions\\.", "[ <])");
    if (s->recipient)
        return add_pattern(f, "(?:\\A|>>>)(", "\\n)");
    if (s->bare)
        ok = add_pattern(f, "\\A\\s*(\\{\"name\":\\s*\"", "\")");
    const char *atom, *mark = s->section_open[0] != '\0' ? s->section_open : s->call_open;
    size_t n = tool_mark_atom(mark, &atom);
    return ok && (n == 0 || add_trigger(f, false, atom, n));
}

static bool add_tag(hearth_chat_format *f, const char *text, size_t n)
{
    if (n < 3 || (text[0] != '<' && text[0] != '[') || f->n_tags == FORMAT_TAGS)
        return true;
    for (size_t i = 0; i < f->n_tags; i++)
        if (strlen(f->tags[i]) == n && memcmp(f->tags[i], text, n) == 0)
            return true;
    char *copy = mem_dup(text, n);
    f->tags[f->n_tags] = copy;
    f->n_tags += copy != NULL;
    return copy != NULL;
}

static bool add_tags(hearth_chat_format *f)
{
    static const char harmony[] =
        "<|start|> <|channel|> <|message|> <|constrain|> <|end|> <|call|>";
    const char *marks[] = {
#define TOOL_SHAPE_FIELD(mark) f->shape->mark,
        TOOL_SHAPE_MARKS(TOOL_SHAPE_FIELD)
#undef TOOL_SHAPE_FIELD
                    f->shape->kind == TOOL_KIND_HARMONY
            ? harmony
            : ""};
    bool ok = true;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *atom, *rest = marks[i];
        for (size_t n; ok && (n = tool_mark_atom(rest, &atom)) > 0; rest = atom + n)
            ok = add_tag(f, atom, n);
    }
    return ok;
}

hearth_status format_make_grammar(hearth_chat_format *f, hearth_tool_choice choice,
                                  const char *tool_name, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    const tool_shape *s = f->shape;
    bool lazy = choice == HEARTH_TOOL_AUTO;
    gbnf g;
    if (!add_tags(f))
        return error_no_memory(err, "a chat format", 0);
    if (!f->active)
        return HEARTH_OK;
    gbnf_init(&g);
    put_root(&g, f, lazy);
    put_calls(&g, s, f->parallel);
    gbnf_put(&g, "call ::= (");
    for (size_t i = 0, n = 0; i < f->tools.n; i++)
        if (choice != HEARTH_TOOL_NAMED || strcmp(f->tools.tools[i].name, tool_name) == 0)
            gbnf_put(&g, "%s tool-%zu", n++ > 0 ? " |" : "", i);
    gbnf_put(&g, " )");
    gbnf_text(&g, s->call_close);
    gbnf_put(&g, "\n");
    for (size_t i = 0; i < f->tools.n; i++)
        if (choice != HEARTH_TOOL_NAMED || strcmp(f->tools.tools[i].name, tool_name) == 0)
            TRY_OUT(put_tool_of(&g, f, i, err));
    put_shared(&g, s);
    f->grammar = g.failed ? NULL : buf_take(&g.rules, &(size_t){0});
    if (!f->grammar || (lazy && !add_triggers(f)))
        status = error_no_memory(err, "the grammar of the calls", g.rules.n);
out:
    gbnf_deinit(&g);
    return status;
}
