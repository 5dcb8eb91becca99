/* SPDX-License-Identifier: MIT
 *
 * cmd_chats.c - hearth chats: the chats that are kept: a list, a search, export and import.
 *
 * It opens the store beside a running server, which sees what an import brings. Titles and messages
 * are anybody's text: they reach the terminal through terminal_write_safe() only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "store/search.h"
#include "store/transfer.h"

typedef enum chats_format { FORMAT_JSON, FORMAT_MARKDOWN } chats_format;

typedef struct chats_options {
    cli_general general;
    const char *store, *folder, *tag, *model, *output;
    uint32_t limit;
    bool deleted;
    chats_format format;
} chats_options;

enum { DEFAULT_LIMIT = 20, MOST_LISTED = 100000 };

static const option what_rows[] = {
    OPTION_ROW_TEXT("--folder", chats_options, folder, "NAME",
                    "list, search: only chats of this folder and those below it"),
    OPTION_ROW_TEXT("--tag", chats_options, tag, "NAME", "list, search: only chats with this tag"),
    OPTION_ROW_TEXT("--model", chats_options, model, "NAME",
                    "list: chats that go on with this model; search: messages that it wrote"),
    OPTION_ROW_FLAG("--deleted", chats_options, deleted, "list: the deleted chats"),
    OPTION_ROW_U32("--limit", chats_options, limit, 1, MOST_LISTED, "N",
                   "list, search: at most so many"),
    OPTION_ROW_CHOICE(chats_format, "--format", chats_options, format, "json|markdown",
                      "export: json has everything, markdown is for reading"),
    OPTION_ROW_TEXT("--output", chats_options, output, "FILE",
                    "export: a file, which appears whole; otherwise standard output"),
    OPTION_ROW_ALIAS("-o", "--output"),
    OPTION_ROW_TEXT("--store", chats_options, store, "FILE",
                    "the file that holds the chats, in place of the usual one"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Chats", what_rows, 0},
    {"General", cli_general_rows, offsetof(chats_options, general)},
};
static const cli_argument arguments_help[] = {
    {"list|search|export|import", "what to do", true},
    {"...", "search: the words; export: ids of chats, none for all; import: files or folders",
     false},
};

static void init(void *options)
{
    chats_options *o = options;
    cli_general_init(&o->general);
    o->limit = DEFAULT_LIMIT;
}

/* ---- list ---- */

typedef struct day {
    char text[16];
} day;

static day day_of(int64_t ms)
{
    day out = {"-"};
    time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    if (localtime_r(&seconds, &local))
        strftime(out.text, sizeof out.text, "%Y-%m-%d", &local);
    return out;
}

/* Text of one line, whatever is in it. */
static void write_line(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t run = 0;
        while (i + run < n && text[i + run] != '\n' && text[i + run] != '\t')
            run++;
        terminal_write_safe(stdout, text + i, run);
        i += run;
        if (i < n)
            putchar(' ');
    }
}

static void print_chat(const store_chat *c)
{
    printf("%6lld  %s  %5llu  ", (long long)c->id, day_of(c->updated_ms).text,
           (unsigned long long)c->n_messages);
    if (c->folder[0]) {
        write_line(c->folder, strlen(c->folder));
        fputs(": ", stdout);
    }
    write_line(c->title[0] ? c->title : "(untitled)",
               strlen(c->title[0] ? c->title : "(untitled)"));
    for (size_t i = 0; i < c->n_tags; i++) {
        fputs(" #", stdout);
        write_line(c->tags[i], strlen(c->tags[i]));
    }
    puts(c->pinned ? " (pinned)" : "");
}

static hearth_status list_json(const store_chats *list, hearth_error *err)
{
    json_t *chats = json_array();
    for (size_t i = 0; chats && i < list->n; i++) {
        if (json_array_append_new(chats, chat_to_json(&list->items[i])) != 0) {
            json_decref(chats);
            chats = NULL;
        }
    }
    return output_json(json_pack("{so sb}", "chats", chats, "more", list->more), err);
}

static hearth_status list_chats(store *s, const chats_options *o, const option_list *arguments,
                                hearth_error *err)
{
    store_chats list;
    const store_chat_filter filter = {.folder = o->folder,
                                      .tag = o->tag,
                                      .model = o->model,
                                      .deleted = o->deleted,
                                      .limit = o->limit};
    TRY(cli_no_more_arguments(arguments, 1, err));
    TRY(store_chat_list(s, &filter, &list, err));
    hearth_status status = HEARTH_OK;
    if (o->general.json) {
        status = list_json(&list, err);
    } else {
        for (size_t i = 0; i < list.n; i++)
            print_chat(&list.items[i]);
        if (list.more)
            cli_note("there are more; --limit N lists more of them");
        if (list.n == 0)
            cli_note("there are no such chats in %s", store_path(s));
    }
    store_chats_free(&list);
    return status;
}

/* ---- search ---- */

static json_t *hit_json(const search_hit *hit)
{
    json_t *marks = json_array();
    for (size_t i = 0; marks && i < hit->n_marks; i++) {
        const search_mark *m = &hit->marks[i];
        if (json_array_append_new(marks, json_pack("[ii]", (int)m->start, (int)m->n)) != 0) {
            json_decref(marks);
            return NULL;
        }
    }
    return json_pack("{sI so ss so sf ss so}", "chat", (json_int_t)hit->chat, "message",
                     hit->message ? json_integer(hit->message) : json_null(), "title", hit->title,
                     "role", hit->message ? json_string(store_role_name(hit->role)) : json_null(),
                     "score", hit->score, "snippet", hit->snippet, "marks", marks);
}

static hearth_status hits_json(const search_hits *hits, hearth_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < hits->n; i++) {
        if (json_array_append_new(list, hit_json(&hits->items[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return output_json(
        json_pack("{so sb sb}", "hits", list, "more", hits->more, "broad", hits->broad), err);
}

static void print_hit(const search_hit *hit)
{
    bool color = terminal_has_color(stdout);
    size_t at = 0, n = strlen(hit->snippet);
    const char *title = hit->title[0] ? hit->title : "(untitled)";
    printf("%6lld  %s  ", (long long)hit->chat, day_of(hit->created_ms).text);
    write_line(title, strlen(title));
    if (hit->message) {
        printf("\n        %s: ", store_role_name(hit->role));
        for (size_t i = 0; i < hit->n_marks; i++) {
            const search_mark *m = &hit->marks[i];
            write_line(hit->snippet + at, m->start - at);
            fputs(color ? "\033[1m" : "", stdout);
            write_line(hit->snippet + m->start, m->n);
            fputs(color ? "\033[0m" : "", stdout);
            at = m->start + m->n;
        }
        write_line(hit->snippet + at, n - at);
    }
    putchar('\n');
}

/* What the shell was given in quotes is a phrase, too. */
static hearth_status add_words(buf *text, const char *words, hearth_error *err)
{
    bool phrase = strchr(words, ' ') && strchr(words, '"') == NULL;
    bool good = buf_append_text(text, text->n ? " " : "") &&
                buf_append_text(text, phrase ? "\"" : "") && buf_append_text(text, words) &&
                buf_append_text(text, phrase ? "\"" : "");
    return good ? HEARTH_OK : error_no_memory(err, "a query", text->n);
}

static hearth_status search_chats(store *s, const chats_options *o, const option_list *arguments,
                                  hearth_error *err)
{
    buf text;
    search_hits hits = {0};
    hearth_status status = HEARTH_OK;
    buf_init(&text, 0);
    for (size_t i = 1; i < arguments->n; i++)
        TRY_OUT(add_words(&text, arguments->items[i], err));
    if (text.n == 0)
        FAIL_OUT(err, EINVAL, "search", "which words? Give them behind 'search'");
    const search_query query = {.text = text.data,
                                .model = o->model,
                                .folder = o->folder,
                                .tag = o->tag,
                                .limit = o->limit};
    TRY_OUT(search_find(s, &query, &hits, err));
    if (o->general.json)
        TRY_OUT(hits_json(&hits, err));
    for (size_t i = 0; !o->general.json && i < hits.n; i++)
        print_hit(&hits.items[i]);
    if (hits.n == 0 && !o->general.json)
        cli_note("nothing was found");
    if (hits.broad)
        cli_note("very many messages have these words; only the newest %d were compared",
                 SEARCH_MAX_RANKED);
    if (hits.cut)
        cli_note("only the first %d bytes of the question were looked at", SEARCH_MAX_QUERY_BYTES);
out:
    search_hits_free(&hits);
    buf_deinit(&text);
    return status;
}

/* ---- export ---- */

static hearth_status read_id(const char *text, int64_t *out, hearth_error *err)
{
    char *end;
    *out = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || *out <= 0)
        FAIL(err, EINVAL, "export", "'%.64s' is no id of a chat; hearth chats list shows them",
             text);
    return HEARTH_OK;
}

static hearth_status write_piece(void *user, const char *bytes, size_t n, hearth_error *err)
{
    return output_write(user, bytes, n, err);
}

static hearth_status write_export(store *s, const chats_options *o, const int64_t *ids, size_t n,
                                  output_file *to, hearth_error *err)
{
    if (o->format == FORMAT_JSON)
        return export_json(s, ids, n, write_piece, to, err);
    for (size_t i = 0; i < n; i++)
        TRY(export_markdown(s, ids[i], write_piece, to, err));
    return HEARTH_OK;
}

static hearth_status export_chats(store *s, const chats_options *o, const option_list *arguments,
                                  hearth_error *err)
{
    output_file *to = NULL;
    size_t n = arguments->n - 1;
    int64_t *ids = NULL;
    hearth_status status = HEARTH_OK;
    if (n == 0 && o->format == FORMAT_MARKDOWN)
        FAIL(err, EINVAL, "export", "which chats as Markdown? hearth chats list shows their ids");
    ids = mem_calloc(n + 1, sizeof *ids);
    if (ids == NULL)
        return error_no_memory(err, "ids", n * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        TRY_OUT(read_id(arguments->items[i + 1], &ids[i], err));
    TRY_OUT(output_open(&to, o->output ? o->output : "-", err));
    TRY_OUT(write_export(s, o, ids, n, to, err));
    TRY_OUT(output_commit(to, err));
out:
    output_close(to);
    mem_free(ids);
    return status;
}

/* ---- import ---- */

static json_t *report_json(const char *path, const import_report *r)
{
    return json_pack("{so ss sI sI sI sI sI sI sI ss}", "path", output_json_string(path), "format",
                     r->format, "n_chats", (json_int_t)r->n_chats, "n_messages",
                     (json_int_t)r->n_messages, "n_attachments", (json_int_t)r->n_attachments,
                     "n_there", (json_int_t)r->n_there, "n_empty", (json_int_t)r->n_empty,
                     "n_left_out", (json_int_t)r->n_left_out, "n_unread", (json_int_t)r->n_unread,
                     "problem", r->problem);
}

static void print_report(const char *path, const import_report *r)
{
    terminal_write_safe(stdout, path, strlen(path));
    printf(" (%s): %llu chats, %llu messages, %llu attachments\n", r->format,
           (unsigned long long)r->n_chats, (unsigned long long)r->n_messages,
           (unsigned long long)r->n_attachments);
    if (r->n_there)
        cli_note("%llu chats were there already", (unsigned long long)r->n_there);
    if (r->n_empty)
        cli_note("%llu chats without a message were left out", (unsigned long long)r->n_empty);
    if (r->n_left_out)
        cli_note("%llu images or files are not in it and were left out",
                 (unsigned long long)r->n_left_out);
    if (r->n_unread)
        cli_note("%llu chats could not be read and were left out, the first: %s",
                 (unsigned long long)r->n_unread, r->problem);
}

static hearth_status import_chats(store *s, const chats_options *o, const option_list *arguments,
                                  hearth_error *err)
{
    json_t *list = json_array();
    hearth_status status = HEARTH_OK;
    if (arguments->n < 2)
        FAIL_OUT(err, EINVAL, "import", "which file or folder? Give it behind 'import'");
    for (size_t i = 1; i < arguments->n; i++) {
        import_report report;
        const char *path = arguments->items[i];
        TRY_OUT(import_path(s, path, &report, err));
        if (!o->general.json)
            print_report(path, &report);
        else if (json_array_append_new(list, report_json(path, &report)) != 0)
            TRY_OUT(error_no_memory(err, "a report", 0));
    }
    if (o->general.json)
        TRY_OUT(output_json(json_pack("{sO}", "imports", list), err));
out:
    json_decref(list);
    return status;
}

/* ---- the command ---- */

typedef hearth_status (*action)(store *s, const chats_options *o, const option_list *arguments,
                                hearth_error *err);

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    static const struct {
        const char *name;
        action fn;
    } actions[] = {{"list", list_chats},
                   {"search", search_chats},
                   {"export", export_chats},
                   {"import", import_chats}};
    const chats_options *o = options;
    store *s;
    action chosen = NULL;
    const char *name = arguments->n > 0 ? arguments->items[0] : "";
    for (size_t i = 0; i < OPTION_COUNT(actions); i++) {
        if (strcmp(actions[i].name, name) == 0)
            chosen = actions[i].fn;
    }
    if (chosen == NULL)
        FAIL(err, EINVAL, "chats", "chats '%.64s'? It can list, search, export and import", name);
    TRY(store_open(&s, o->store, false, err));
    hearth_status status = chosen(s, o, arguments, err);
    store_close(s);
    return status;
}

const cli_command cmd_chats = {
    .name = "chats",
    .summary = "list, search, export and import the chats that are kept",
    .description =
        "Works on the chats that hearth serve keeps, while it runs or not. A search finds messages "
        "that have all words; \"quoted words\" stand together, a word* is the beginning of one, "
        "-word must not be there. Import reads Jan's folder, conversations.json of ChatGPT, the "
        "export of Open WebUI and that of Hearth; what was imported before is left out.",
    .examples = "  hearth chats list --folder Work\n"
                "  hearth chats search bread \"rye flour\"\n"
                "  hearth chats export 12 --format markdown -o bread.md\n"
                "  hearth chats export -o all.json\n"
                "  hearth chats import ~/.config/Jan/data conversations.json\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(chats_options),
    .init = init,
    .run = run,
};
