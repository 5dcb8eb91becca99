/* SPDX-License-Identifier: MIT
 *
 * test_store_transfer.c - a chat of another program comes in whole or not at all, and one that
 * cannot be read does not cost the others; what goes out as JSON comes in as the same tree.
 *
 * The files are the corpus of the fuzz target.
 */
#include "store_case.h"

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "store/base64.h"
#include "store/transfer.h"

#define CORPUS HEARTH_SOURCE_DIR "/tests/fuzz/corpus/import/"

static hearth_status collect(void *user, const char *bytes, size_t n, hearth_error *error)
{
    return buf_append(user, bytes, n) ? HEARTH_OK : error_no_memory(error, "a test", n);
}

static store_messages path_of(int64_t chat)
{
    store_messages list;
    assert_ok(store_message_path(s, chat, 0, 0, &list, &err));
    return list;
}

static void expect_message(const store_message *m, store_role role, const char *content)
{
    assert_int_equal(m->role, role);
    assert_string_equal(m->content, content);
}

static void test_chatgpt(void **state)
{
    (void)state;
    import_report report;
    store_chats chats;
    assert_ok(import_path(s, CORPUS "chatgpt.json", &report, &err));
    assert_string_equal(report.format, "chatgpt");
    assert_int_equal(report.n_chats, 1);
    assert_int_equal(report.n_empty, 1);
    assert_int_equal(report.n_messages, 6);
    assert_int_equal(report.n_left_out, 1);
    assert_ok(store_chat_get(s, 1, &chats, &err));
    assert_string_equal(chats.items[0].title, "Bread");
    assert_string_equal(chats.items[0].system, "I bake.\nBe short.");
    assert_string_equal(chats.items[0].origin, "chatgpt:c-1");
    assert_int_equal(chats.items[0].created_ms, 1700000000500);
    assert_int_equal(chats.items[0].updated_ms, 1700000100000);
    store_chats_free(&chats);
    store_messages list = path_of(1);
    assert_int_equal(list.n, 4);
    expect_message(&list.items[0], STORE_USER, "[image]\nWhat is this?");
    assert_int_equal(list.items[0].n_siblings, 2);
    expect_message(&list.items[1], STORE_ASSISTANT, "");
    assert_string_equal(list.items[1].reasoning, "Look\nIt is bread.");
    assert_non_null(strstr(list.items[1].tool_calls, "\"arguments\":\"print(1)\""));
    assert_string_equal(list.items[1].model, "o1");
    expect_message(&list.items[2], STORE_TOOL, "1");
    assert_string_equal(list.items[2].tool_name, "python");
    assert_string_equal(list.items[2].tool_call_id, "n3");
    expect_message(&list.items[3], STORE_ASSISTANT, "A loaf.");
    assert_int_equal(list.items[3].sibling_index, 1);
    store_messages_free(&list);
    assert_ok(store_message_children(s, 1, 0, &list, &err));
    expect_message(&list.items[1], STORE_USER, "Edited\xef\xbf\xbd");
    store_messages_free(&list);
    assert_ok(import_path(s, CORPUS "chatgpt.json", &report, &err));
    assert_int_equal(report.n_chats, 0);
    assert_int_equal(report.n_there, 1);
}

static void test_webui(void **state)
{
    (void)state;
    import_report report;
    store_chats chats;
    assert_ok(import_path(s, CORPUS "webui.json", &report, &err));
    assert_string_equal(report.format, "openwebui");
    assert_int_equal(report.n_chats, 2);
    assert_int_equal(report.n_attachments, 2);
    assert_int_equal(report.n_left_out, 1);
    assert_ok(store_chat_get(s, 1, &chats, &err));
    assert_string_equal(chats.items[0].title, "Köln");
    assert_string_equal(chats.items[0].system, "Be kind.");
    assert_string_equal(chats.items[0].model, "qwen3:8b");
    assert_int_equal(chats.items[0].n_tags, 2);
    assert_true(chats.items[0].pinned);
    store_chats_free(&chats);
    store_messages list = path_of(1);
    assert_int_equal(list.n, 2);
    assert_int_equal(list.items[0].n_attachments, 2);
    assert_string_equal(list.items[0].attachments[0].type, "image/png");
    assert_string_equal(list.items[0].attachments[1].name, "notes.txt");
    expect_message(&list.items[1], STORE_ASSISTANT, "On the Rhine.");
    assert_string_equal(list.items[1].reasoning, "On the Rhine\nI think");
    assert_int_equal(list.items[1].usage.n_generated, 9);
    assert_int_equal(list.items[1].previous_sibling, list.items[1].id - 1);
    store_messages_free(&list);
    assert_ok(store_message_all(s, 1, 0, 0, &list, &err));
    assert_int_equal(list.items[1].state, STORE_STOPPED);
    assert_int_equal(list.items[3].state, STORE_FAILED);
    assert_string_equal(list.items[3].error, "Connection lost");
    store_messages_free(&list);
    list = path_of(2);
    expect_message(&list.items[1], STORE_ASSISTANT, "Hello");
    assert_string_equal(list.items[1].reasoning, "hm");
    store_messages_free(&list);
}

/* What real exports have: several kinds of content, authors and marks that are not known, nulls. */
static void test_chatgpt_of_many_shapes(void **state)
{
    (void)state;
    import_report report;
    assert_ok(import_path(s, CORPUS "chatgpt_shapes.json", &report, &err));
    assert_int_equal(report.n_chats, 2);
    assert_int_equal(report.n_unread, 0);
    assert_int_equal(report.n_left_out, 7); /* pictures, sounds, a file, a kind, an author */
    store_messages list = path_of(1);
    assert_int_equal(list.n, 9);
    expect_message(&list.items[0], STORE_USER,
                   "[image]\nWhat is on this picture?\n[attachment: notes.pdf]");
    assert_string_equal(list.items[1].reasoning, "Looking\nA cat, I think.");
    assert_non_null(strstr(list.items[3].tool_calls, "dalle.text2im"));
    expect_message(&list.items[4], STORE_TOOL, "[image]");
    expect_message(&list.items[5], STORE_TOOL, "# Results");
    expect_message(&list.items[6], STORE_TOOL, "quoted");
    expect_message(&list.items[7], STORE_TOOL, "Error: boom");
    expect_message(&list.items[8], STORE_ASSISTANT, "It is a cat.");
    store_messages_free(&list);
    assert_ok(store_message_children(s, 1, 1, &list, &err));
    assert_int_equal(list.n, 2);
    expect_message(&list.items[1], STORE_ASSISTANT, "Spoken cat\n[attachment]");
    store_messages_free(&list);
}

static void write_file(const char *name, const char *text)
{
    char at[PATH_MAX];
    test_folder_path(&folder, name, at);
    assert_true(test_write_file(at, text, strlen(text)));
}

/* Pictures lie beside the file; a link beside it is not followed. */
static void test_chatgpt_with_its_files(void **state)
{
    (void)state;
    import_report report;
    char *bytes, at[PATH_MAX], below[PATH_MAX];
    size_t n;
    assert_ok(file_read_all(CORPUS "chatgpt_shapes.json", 1 << 20, &bytes, &n, &err));
    test_folder_path(&folder, "conversations.json", at);
    assert_true(test_write_file(at, bytes, n));
    mem_free(bytes);
    test_folder_path(&folder, "dalle-generations", below);
    assert_int_equal(mkdir(below, 0700), 0);
    write_file("file-abc123-cat.png", "\x89PNG picture");
    write_file("file-abc1234.png", "another");
    write_file("dalle-generations/file_0000abc-x.webp", "RIFF....WEBP");
    write_file("file-doc9-notes.pdf", "%PDF notes");
    test_folder_path(&folder, "file-snd.wav", below);
    assert_int_equal(symlink(at, below), 0);
    assert_ok(import_path(s, folder.path, &report, &err));
    assert_int_equal(report.n_chats, 2);
    assert_int_equal(report.n_attachments, 3);
    assert_int_equal(report.n_left_out, 4); /* two sounds, a kind, an author */
    store_messages list = path_of(1);
    expect_message(&list.items[0], STORE_USER, "What is on this picture?");
    assert_int_equal(list.items[0].n_attachments, 2);
    assert_string_equal(list.items[0].attachments[0].name, "file-abc123-cat.png");
    assert_string_equal(list.items[0].attachments[0].type, "image/png");
    assert_string_equal(list.items[0].attachments[1].name, "notes.pdf");
    assert_string_equal(list.items[0].attachments[1].type, "application/pdf");
    assert_string_equal(list.items[4].attachments[0].type, "image/webp");
    store_messages_free(&list);
}

static void test_webui_of_many_shapes(void **state)
{
    (void)state;
    import_report report;
    assert_ok(import_path(s, CORPUS "webui_shapes.json", &report, &err));
    assert_int_equal(report.n_chats, 2);
    assert_int_equal(report.n_empty, 1);
    assert_int_equal(report.n_attachments, 2);
    assert_int_equal(report.n_left_out, 2); /* a picture on its server, a collection */
    store_messages list = path_of(1);
    assert_int_equal(list.n, 6);
    assert_string_equal(list.items[0].attachments[1].name, "notes.txt");
    expect_message(&list.items[1], STORE_ASSISTANT, "I look.");
    assert_non_null(strstr(list.items[1].tool_calls, "\"arguments\":\"{\\\"zone\\\":1}\""));
    expect_message(&list.items[2], STORE_TOOL, "12:00");
    assert_string_equal(list.items[2].tool_call_id, "call_1");
    expect_message(&list.items[3], STORE_ASSISTANT, "It is noon.");
    expect_message(&list.items[5], STORE_ASSISTANT, "");
    assert_int_equal(list.items[5].state, STORE_FAILED); /* its parent does not name it */
    store_messages_free(&list);
    assert_ok(store_message_children(s, 1, 1, &list, &err));
    expect_message(&list.items[0], STORE_ASSISTANT, "Answer one");
    assert_string_equal(list.items[0].reasoning, "I think & I am\nsecond");
    assert_string_equal(list.items[0].meta, "{\"feedback\":\"up\"}");
    store_messages_free(&list);
    list = path_of(2);
    expect_message(&list.items[0], STORE_USER, "hello\narray");
    store_messages_free(&list);
    store_chats chats;
    assert_ok(store_chat_get(s, 2, &chats, &err));
    assert_string_equal(chats.items[0].title, "hello"); /* it had none */
    store_chats_free(&chats);
}

/* The corpus has thread.json and messages.jsonl in one. */
static void write_thread(const char *name)
{
    char *bytes, at[PATH_MAX], file[PATH_MAX];
    size_t n;
    assert_ok(file_read_all(CORPUS "jan.jsonl", 1 << 20, &bytes, &n, &err));
    char *end = strchr(bytes, '\n');
    assert_non_null(end);
    test_folder_path(&folder, "threads", at);
    mkdir(at, 0700);
    snprintf(file, sizeof file, "threads/%s", name);
    test_folder_path(&folder, file, at);
    mkdir(at, 0700);
    snprintf(file, sizeof file, "threads/%s/thread.json", name);
    test_folder_path(&folder, file, at);
    assert_true(test_write_file(at, bytes, (size_t)(end - bytes)));
    snprintf(file, sizeof file, "threads/%s/messages.jsonl", name);
    test_folder_path(&folder, file, at);
    assert_true(test_write_file(at, end + 1, n - (size_t)(end + 1 - bytes)));
    mem_free(bytes);
}

static void test_jan(void **state)
{
    (void)state;
    import_report report;
    store_chats chats;
    char at[PATH_MAX];
    write_thread("t-1");
    assert_ok(import_path(s, folder.path, &report, &err));
    assert_string_equal(report.format, "jan");
    assert_int_equal(report.n_chats, 1);
    assert_int_equal(report.n_messages, 6);
    assert_ok(store_chat_get(s, 1, &chats, &err));
    assert_string_equal(chats.items[0].title, "Jan");
    assert_string_equal(chats.items[0].system, "Be Jan.");
    assert_true(chats.items[0].pinned);
    store_chats_free(&chats);
    store_messages list = path_of(1);
    assert_int_equal(list.n, 6);
    expect_message(&list.items[0], STORE_USER, "What time is it?");
    assert_int_equal(list.items[0].n_attachments, 1);
    assert_non_null(strstr(list.items[1].tool_calls, "call_1"));
    expect_message(&list.items[2], STORE_TOOL, "12:00");
    assert_string_equal(list.items[2].tool_call_id, "call_1");
    expect_message(&list.items[3], STORE_ASSISTANT, "It is noon.");
    assert_string_equal(list.items[3].reasoning, "the clock");
    expect_message(&list.items[5], STORE_ASSISTANT, "You're wel");
    assert_string_equal(list.items[5].reasoning, "polite");
    assert_int_equal(list.items[5].state, STORE_STOPPED);
    assert_int_equal(list.items[5].created_ms, 1700000004000);
    store_messages_free(&list);
    test_folder_path(&folder, "threads/t-1", at);
    assert_ok(import_path(s, at, &report, &err));
    assert_int_equal(report.n_there, 1);
}

static void write_odd_thread(const char *name, const char *thread, const char *messages)
{
    char at[PATH_MAX], file[PATH_MAX];
    snprintf(file, sizeof file, "threads/%s", name);
    test_folder_path(&folder, file, at);
    assert_int_equal(mkdir(at, 0700), 0);
    snprintf(file, sizeof file, "threads/%s/thread.json", name);
    write_file(file, thread);
    snprintf(file, sizeof file, "threads/%s/messages.jsonl", name);
    write_file(file, messages);
}

static void test_jan_of_many_shapes(void **state)
{
    (void)state;
    import_report report;
    write_thread("t-1");
    write_odd_thread("a", "", "{\"role\":\"user\"}\n");
    write_odd_thread("b", "{\"id\":\"b\",\"title\":{},\"assistants\":null}",
                     "{\"role\":\"user\"}\n");
    write_odd_thread(
        "c", "{\"id\":\"c\",\"title\":null,\"assistants\":[{\"model\":null}]}",
        "{\"role\":\"user\",\"content\":[{\"type\":\"pdf\",\"text\":{\"value\":\"Hi\"}}],"
        "\"attachments\":[{}]}\n"
        "{\"role\":\"assistant\",\"content\":null}\n{\"role\":\"assi");
    assert_ok(import_path(s, folder.path, &report, &err));
    assert_int_equal(report.n_chats, 2);
    assert_int_equal(report.n_unread, 2);
    assert_int_equal(report.n_left_out, 3); /* a file, an attachment, a line */
    assert_non_null(strstr(report.problem, "chat 1 (''): the JSON of thread.json"));
    store_messages list = path_of(1);
    assert_int_equal(list.n, 2);
    expect_message(&list.items[0], STORE_USER, "Hi");
    store_messages_free(&list);
}

/* Exported, imported and exported again: the same but for the ids. */
static json_t *exported(int64_t chat)
{
    buf out;
    buf_init(&out, 0);
    assert_ok(export_json(s, &chat, 1, collect, &out, &err));
    json_t *json = json_loadb(out.data, out.n, 0, NULL);
    assert_non_null(json);
    buf_deinit(&out);
    return json;
}

static void number_anew(json_t *chat)
{
    size_t i;
    json_t *m;
    json_int_t first = json_integer_value(
        json_object_get(json_array_get(json_object_get(chat, "messages"), 0), "id"));
    json_object_del(chat, "id");
    json_object_del(chat, "origin");
    json_object_set_new(chat, "leaf",
                        json_integer(json_integer_value(json_object_get(chat, "leaf")) - first));
    json_array_foreach(json_object_get(chat, "messages"), i, m)
    {
        const json_t *parent = json_object_get(m, "parent");
        size_t k;
        json_t *f;
        json_object_set_new(m, "id",
                            json_integer(json_integer_value(json_object_get(m, "id")) - first));
        if (!json_is_null(parent))
            json_object_set_new(m, "parent", json_integer(json_integer_value(parent) - first));
        json_array_foreach(json_object_get(m, "attachments"), k, f) json_object_del(f, "id");
    }
}

static void test_own_json_gives_the_same_tree(void **state)
{
    (void)state;
    import_report report;
    buf out;
    const char *const files[] = {CORPUS "chatgpt.json", CORPUS "webui.json", CORPUS "hearth.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_ok(import_path(s, files[i], &report, &err));
    assert_string_equal(report.format, "hearth");
    buf_init(&out, 0);
    assert_ok(export_json(s, NULL, 0, collect, &out, &err));
    for (int64_t chat = 1; chat <= 4; chat++) /* or they would be there already */
        assert_ok(store_chat_delete(s, chat, &err));
    assert_ok(import_bytes(s, "export", out.data, out.n, &report, &err));
    buf_deinit(&out);
    assert_int_equal(report.n_chats, 4);
    store_chats chats;
    assert_ok(store_chat_list(s, &(store_chat_filter){0}, &chats, &err));
    for (size_t i = 0; i < chats.n; i++) {
        json_t *after = exported(chats.items[i].id), *before = NULL;
        for (int64_t chat = 1; chat <= 4; chat++) {
            before = exported(chat);
            if (json_equal(json_object_get(json_array_get(before, 0), "title"),
                           json_object_get(json_array_get(after, 0), "title")))
                break;
            json_decref(before);
            before = NULL;
        }
        assert_non_null(before);
        json_object_del(json_array_get(before, 0), "deleted_ms");
        number_anew(json_array_get(before, 0));
        number_anew(json_array_get(after, 0));
        if (!json_equal(before, after))
            fail_msg("%s\n%s", json_dumps(before, 0), json_dumps(after, 0));
        json_decref(before);
        json_decref(after);
    }
    store_chats_free(&chats);
}

static void test_markdown(void **state)
{
    (void)state;
    import_report report;
    buf out;
    buf_init(&out, 0);
    assert_ok(import_path(s, CORPUS "webui.json", &report, &err));
    assert_ok(export_markdown(s, 1, collect, &out, &err));
    const char *const wanted[] = {"# Köln\n\n",
                                  "## You\n\n*2023-11-14 22:13 UTC*\n\nWhere is it?\n\n",
                                  "- Attachment: notes.txt\n",
                                  "## Assistant (qwen3:8b)\n",
                                  ("<details><summary>Reasoning</summary>\n\n```\nOn the Rhine\nI "
                                   "think\n```\n\n</details>\n\n"),
                                  "\nOn the Rhine.\n"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (strstr(out.data, wanted[i]) == NULL)
            fail_msg("no '%s' in\n%s", wanted[i], out.data);
    }
    assert_null(strstr(out.data, "half"));
    buf_deinit(&out);
}

/* ---- what is refused leaves nothing ---- */

/* The pattern's %s is a chat that can be read, or `good`. */
static void fill_in(const char *pattern, const char *good, buf *out)
{
    const char *hole = strstr(pattern, "%s");
    buf_init(out, 0);
    assert_true(buf_append(out, pattern, hole ? (size_t)(hole - pattern) : strlen(pattern)));
    assert_true(!hole || (buf_append_text(out, good) && buf_append_text(out, hole + 2)));
}

static const char good_chat[] = "{\"format\":\"hearth-chat\",\"version\":1,\"messages\":[{\"id\":1,"
                                "\"role\":\"user\",\"content\":\"x\"}]}";

static void expect_chats(size_t n)
{
    store_chats list;
    assert_ok(store_chat_list(s, &(store_chat_filter){0}, &list, &err));
    assert_int_equal(list.n, n);
    store_chats_free(&list);
}

static void expect_refused(const char *pattern, const char *words)
{
    import_report report;
    buf text;
    fill_in(pattern, good_chat, &text);
    assert_fails(EFORMAT, import_bytes(s, "f.json", text.data, text.n, &report, &err), words);
    assert_non_null(strstr(err.message, "f.json"));
    expect_chats(0);
    buf_deinit(&text);
}

/* Beside a good one it is told, and the good one comes; with no good one the file is refused. */
static void expect_passed_over(const char *pattern, const char *words)
{
    import_report report;
    store_chats list;
    buf text;
    fill_in(pattern, good_chat, &text);
    assert_ok(import_bytes(s, "f.json", text.data, text.n, &report, &err));
    buf_deinit(&text);
    assert_int_equal(report.n_chats, 1);
    assert_int_equal(report.n_messages, 1);
    assert_int_equal(report.n_unread, 1);
    assert_non_null(strstr(report.problem, words));
    assert_non_null(strstr(report.problem, "f.json"));
    assert_ok(store_chat_list(s, &(store_chat_filter){0}, &list, &err));
    assert_int_equal(list.n, 1);
    assert_ok(store_chat_delete(s, list.items[0].id, &err));
    store_chats_free(&list);
    fill_in(pattern, "{\"mapping\":0}", &text);
    assert_fails(EFORMAT, import_bytes(s, "f.json", text.data, text.n, &report, &err),
                 "chat 1 (''): mapping");
    buf_deinit(&text);
}

/* A text that is too long is seen when half of the chat is in the store. */
static void test_a_chat_that_does_not_go_in_leaves_nothing_of_it(void **state)
{
    (void)state;
    import_report report;
    buf text;
    buf_init(&text, 0);
    assert_true(buf_append_format(&text,
                                  "[%s,{\"format\":\"hearth-chat\",\"version\":1,\"title\":\"T\","
                                  "\"messages\":[{\"id\":1,\"role\":\"user\"},"
                                  "{\"id\":2,\"parent\":1,\"role\":\"user\",\"content\":\"",
                                  good_chat));
    char *zeros = mem_alloc(1 << 20);
    memset(zeros, '0', 1 << 20);
    for (size_t i = 0; i <= STORE_MAX_TEXT_BYTES >> 20; i++)
        assert_true(buf_append(&text, zeros, 1 << 20));
    mem_free(zeros);
    assert_true(buf_append_text(&text, "\"}]}]"));
    assert_ok(import_bytes(s, "f.json", text.data, text.n, &report, &err));
    buf_deinit(&text);
    assert_int_equal(report.n_chats, 1);
    assert_int_equal(report.n_messages, 1);
    assert_int_equal(report.n_unread, 1);
    assert_non_null(strstr(report.problem, "chat 2 ('T')"));
    expect_chats(1);
}

static void test_bad_input_is_told_with_its_place(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"", "there is no chat in it"},
        {"[]", "there is no chat in it"},
        {"[%s", "the file ends where ',' or ']'"},
        {"[%s,", "the file ends where an object"},
        {"[%s]x", "'x' where the end of the file"},
        {"[%s,\n 5]", "line 2: '5' where an object"},
        {"[%s,\n{\"a\":tru}]", "line 2, column"},
        {"[%s,{\"a\":1}]", "object 2 is no chat"},
    };
    const char *const chats[][2] = {
        {"[%s,{\"mapping\":5}]", "chat 2 (''): mapping: must be an object"},
        {"[%s,{\"title\":\"T\",\"mapping\":{\"a\":{\"parent\":\"b\"},\"b\":{\"parent\":\"a\"}}}]",
         "chat 2 ('T'): mapping: some have no way up"},
        {"[%s,{\"mapping\":{\"a\":{\"message\":{\"content\":{\"parts\":[\"t\"]}}}}}]",
         "author.role: must be a text"},
        {"[%s,{\"chat\":[]}]", "chat: must be an object"},
        {"[%s,{\"format\":\"hearth-chat\",\"version\":2}]", "version: 2; this Hearth reads"},
        {"[%s,{\"format\":\"hearth-chat\",\"version\":1,\"messages\":[{\"id\":1,\"parent\":9,"
         "\"role\":\"user\"}]}]",
         "messages.parent: there is no message 9"},
        {"[%s,{\"format\":\"hearth-chat\",\"version\":1,\"messages\":[{\"id\":1,\"role\":\"user\","
         "\"attachments\":[{\"data\":\"?\"}]}]}]",
         "data: is not base64"},
        {"[%s,{\"format\":\"hearth-chat\",\"version\":1,\"settings\":7,\"messages\":[]}]",
         "settings: must be an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i][0], cases[i][1]);
    for (size_t i = 0; i < sizeof chats / sizeof *chats; i++)
        expect_passed_over(chats[i][0], chats[i][1]);
    import_report report;
    assert_fails(ENOTFOUND, import_path(s, "/not/there", &report, &err), "/not/there");
    assert_fails(EFORMAT, import_path(s, folder.path, &report, &err), "no threads of Jan");
    assert_fails(EINVAL, import_path(s, "/dev/null", &report, &err), "neither a file nor a folder");
}

static void test_base64(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    char out[32];
    size_t n;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        base64_encode(cases[i][0], strlen(cases[i][0]), out);
        assert_memory_equal(out, cases[i][1], base64_length(strlen(cases[i][0])));
        assert_true(base64_decode(cases[i][1], strlen(cases[i][1]), out, &n));
        assert_int_equal(n, strlen(cases[i][0]));
        assert_memory_equal(out, cases[i][0], n);
    }
    assert_true(base64_decode("Zg", 2, out, &n));
    assert_int_equal(n, 1);
    const char *const bad[] = {"Z", "Z===", "Zg=a", "Z g=", "====", "Zm9vY"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(base64_decode(bad[i], strlen(bad[i]), out, &n));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_chatgpt),
        TEST(test_webui),
        TEST(test_chatgpt_of_many_shapes),
        TEST(test_chatgpt_with_its_files),
        TEST(test_webui_of_many_shapes),
        TEST(test_jan_of_many_shapes),
        TEST(test_a_chat_that_does_not_go_in_leaves_nothing_of_it),
        TEST(test_jan),
        TEST(test_own_json_gives_the_same_tree),
        TEST(test_markdown),
        TEST(test_bad_input_is_told_with_its_place),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
