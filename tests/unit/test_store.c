/* SPDX-License-Identifier: MIT
 *
 * test_store.c - chats and their trees: what is written is read again, and nothing else changes.
 */
#include "store_case.h"

/* ---- chats ---- */

static void test_chat_keeps_its_fields(void **state)
{
    (void)state;
    const char *const tags[] = {"work", "c", "work"};
    const store_chat given = {.title = "Üben \"quoted\"",
                              .folder = "Work/Reports",
                              .model = "qwen",
                              .system = "Be short.",
                              .settings = "{\"temperature\": 0.5}",
                              .tags = tags,
                              .n_tags = 3,
                              .pinned = true};
    int64_t id;
    store_chats list;
    assert_ok(store_chat_add(s, &given, &id, &err));
    reopen(false);
    assert_ok(store_chat_get(s, id, &list, &err));
    const store_chat *c = &list.items[0];
    assert_string_equal(c->title, given.title);
    assert_string_equal(c->folder, given.folder);
    assert_string_equal(c->model, given.model);
    assert_string_equal(c->system, given.system);
    assert_string_equal(c->settings, given.settings);
    assert_string_equal(c->origin, "");
    assert_true(c->pinned);
    assert_int_equal(c->n_tags, 2);
    assert_string_equal(c->tags[0], "c");
    assert_string_equal(c->tags[1], "work");
    assert_int_equal(c->leaf, 0);
    assert_true(c->created_ms > 1600000000000);
    store_chats_free(&list);
}

static void test_chat_update(void **state)
{
    (void)state;
    int64_t id = add_chat("before");
    const bool pinned = true;
    store_chats list;
    assert_ok(store_chat_update(
        s, id, &(store_chat_change){.title = "after", .folder = "F", .pinned = &pinned}, &err));
    assert_ok(store_chat_update(s, id, &(store_chat_change){.model = "m"}, &err));
    assert_ok(store_chat_set_tags(s, id, (const char *const[]){"x"}, 1, &err));
    assert_ok(store_chat_get(s, id, &list, &err));
    assert_string_equal(list.items[0].title, "after");
    assert_string_equal(list.items[0].folder, "F");
    assert_string_equal(list.items[0].model, "m");
    assert_true(list.items[0].pinned);
    assert_int_equal(list.items[0].n_tags, 1);
    store_chats_free(&list);
    assert_fails(ENOTFOUND, store_chat_update(s, 99, &(store_chat_change){.title = "x"}, &err),
                 "99");
}

static void test_list_filters_and_orders(void **state)
{
    (void)state;
    const char *const tags[] = {"t"};
    const store_chat chats[] = {
        {.title = "old", .created_ms = 1000, .folder = "A"},
        {.title = "New one", .created_ms = 3000, .folder = "A/B", .model = "m"},
        {.title = "pinned", .created_ms = 500, .pinned = true, .tags = tags, .n_tags = 1},
        {.title = "AB", .created_ms = 2000, .folder = "AB"},
    };
    int64_t ids[4];
    store_chats list;
    for (size_t i = 0; i < 4; i++)
        assert_ok(store_chat_add(s, &chats[i], &ids[i], &err));
    const struct {
        store_chat_filter filter;
        const char *titles;
        bool more;
    } cases[] = {
        {{0}, "pinned,New one,AB,old,", false},
        {{.folder = "A"}, "New one,old,", false},
        {{.folder = ""}, "pinned,", false},
        {{.tag = "t"}, "pinned,", false},
        {{.model = "m"}, "New one,", false},
        {{.title = "NE"}, "pinned,New one,", false},
        {{.pinned = true}, "pinned,", false},
        {{.limit = 2}, "pinned,New one,", true},
        {{.limit = 2, .offset = 2}, "AB,old,", false},
        {{.deleted = true}, "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char titles[200] = "";
        assert_ok(store_chat_list(s, &cases[i].filter, &list, &err));
        for (size_t k = 0; k < list.n; k++)
            snprintf(titles + strlen(titles), sizeof titles - strlen(titles), "%s,",
                     list.items[k].title);
        assert_string_equal(titles, cases[i].titles);
        assert_int_equal(list.more, cases[i].more);
        store_chats_free(&list);
    }
}

static void test_folders_and_tags_are_renamed(void **state)
{
    (void)state;
    const char *const tags[] = {"old", "both"};
    int64_t id;
    uint64_t n;
    store_names names;
    assert_ok(
        store_chat_add(s, &(store_chat){.folder = "A/B", .tags = tags, .n_tags = 2}, &id, &err));
    assert_ok(store_chat_add(s, &(store_chat){.folder = "A"}, &id, &err));
    assert_ok(store_chat_add(s, &(store_chat){.folder = "AB"}, &id, &err));
    assert_ok(store_folder_rename(s, "A", "Z", &n, &err));
    assert_int_equal(n, 2);
    assert_ok(store_folder_list(s, &names, &err));
    assert_int_equal(names.n, 3);
    assert_string_equal(names.items[0].name, "AB");
    assert_string_equal(names.items[1].name, "Z");
    assert_string_equal(names.items[2].name, "Z/B");
    store_names_free(&names);
    assert_ok(store_folder_rename(s, "Z", "", &n, &err));
    assert_ok(store_folder_list(s, &names, &err));
    assert_int_equal(names.n, 2);
    assert_string_equal(names.items[1].name, "B");
    store_names_free(&names);
    assert_ok(store_tag_rename(s, "old", "both", &n, &err));
    assert_ok(store_tag_list(s, &names, &err));
    assert_int_equal(names.n, 1);
    assert_string_equal(names.items[0].name, "both");
    assert_int_equal(names.items[0].n_chats, 1);
    store_names_free(&names);
    assert_fails(EINVAL, store_folder_rename(s, "", "x", NULL, &err), "old name");
}

/* ---- messages ---- */

static void expect_path(int64_t chat, int64_t last, const int64_t *ids, size_t n)
{
    store_messages list;
    assert_ok(store_message_path(s, chat, last, 0, &list, &err));
    assert_int_equal(list.n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(list.items[i].id, ids[i]);
    assert_false(list.more);
    store_messages_free(&list);
}

static void test_message_keeps_its_fields(void **state)
{
    (void)state;
    int64_t chat = add_chat("c"), file, id;
    store_messages list;
    assert_ok(store_attachment_add(s, "a.png", "image/png", "\0\xff\1", 3, &file, &err));
    const store_attachment attached = {.id = file};
    const store_message given = {
        .chat = chat,
        .role = STORE_ASSISTANT,
        .state = STORE_FAILED,
        .content = "text\n",
        .reasoning = "why",
        .tool_calls = "[{\"id\": \"1\"}]",
        .tool_call_id = "t",
        .tool_name = "n",
        .model = "m",
        .error = "e",
        .meta = "{\"liked\": true}",
        .usage = {7, 3, 9, 1.5, 2.5},
        .attachments = &attached,
        .n_attachments = 1,
        .created_ms = 77,
    };
    assert_ok(store_message_add(s, &given, &id, &err));
    assert_ok(store_message_get(s, id, &list, &err));
    const store_message *m = &list.items[0];
    assert_int_equal(m->role, given.role);
    assert_int_equal(m->state, given.state);
    assert_string_equal(m->content, given.content);
    assert_string_equal(m->reasoning, given.reasoning);
    assert_string_equal(m->tool_calls, given.tool_calls);
    assert_string_equal(m->tool_call_id, given.tool_call_id);
    assert_string_equal(m->tool_name, given.tool_name);
    assert_string_equal(m->model, given.model);
    assert_string_equal(m->error, given.error);
    assert_string_equal(m->meta, given.meta);
    assert_memory_equal(&m->usage, &given.usage, sizeof m->usage);
    assert_int_equal(m->created_ms, 77);
    assert_int_equal(m->n_attachments, 1);
    assert_string_equal(m->attachments[0].name, "a.png");
    assert_string_equal(m->attachments[0].type, "image/png");
    assert_int_equal(m->attachments[0].n_bytes, 3);
    store_messages_free(&list);
    buf bytes;
    buf_init(&bytes, 0);
    assert_ok(store_attachment_read(s, file, NULL, NULL, &bytes, &err));
    assert_int_equal(bytes.n, 3);
    assert_memory_equal(bytes.data, "\0\xff\1", 3);
    buf_deinit(&bytes);
}

static void test_tree_branches(void **state)
{
    (void)state;
    int64_t chat = add_chat("c"), leaf;
    int64_t m1 = add_message(chat, 0, STORE_USER, "q");
    int64_t m2 = add_message(chat, m1, STORE_ASSISTANT, "first");
    int64_t m3 = add_message(chat, m1, STORE_ASSISTANT, "again");
    int64_t m4 = add_message(chat, m3, STORE_USER, "more");
    expect_path(chat, 0, (int64_t[]){m1, m3, m4}, 3);
    int64_t m5 = add_message(chat, 0, STORE_USER, "edited");
    expect_path(chat, 0, (int64_t[]){m5}, 1);
    assert_ok(store_chat_select(s, chat, m1, &leaf, &err));
    assert_int_equal(leaf, m4);
    assert_ok(store_chat_select(s, chat, m2, &leaf, &err));
    expect_path(chat, 0, (int64_t[]){m1, m2}, 2);
    expect_path(chat, m3, (int64_t[]){m1, m3}, 2);

    store_messages list;
    assert_ok(store_message_path(s, chat, m4, 2, &list, &err));
    assert_int_equal(list.n, 2);
    assert_true(list.more);
    assert_int_equal(list.items[0].id, m3);
    assert_int_equal(list.items[0].parent, m1);
    assert_int_equal(list.items[0].sibling_index, 1);
    assert_int_equal(list.items[0].n_siblings, 2);
    assert_int_equal(list.items[0].previous_sibling, m2);
    assert_int_equal(list.items[0].next_sibling, 0);
    store_messages_free(&list);
    assert_ok(store_message_children(s, chat, 0, &list, &err));
    assert_int_equal(list.n, 2);
    assert_int_equal(list.items[0].next_sibling, m5);
    assert_int_equal(list.items[1].sibling_index, 1);
    store_messages_free(&list);
    assert_ok(store_message_all(s, chat, m2, 2, &list, &err));
    assert_int_equal(list.n, 2);
    assert_true(list.more);
    assert_int_equal(list.items[1].id, m4);
    store_messages_free(&list);
}

static void test_streaming(void **state)
{
    (void)state;
    int64_t chat = add_chat("c"), id, user = add_message(chat, 0, STORE_USER, "q");
    store_messages list;
    const store_message m = {
        .chat = chat, .parent = user, .role = STORE_ASSISTANT, .state = STORE_STREAMING};
    assert_ok(store_message_add(s, &m, &id, &err));
    assert_ok(store_message_append(s, id, "Hel", "think", &err));
    assert_ok(store_message_append(s, id, "lo", NULL, &err));
    assert_ok(store_message_finish(
        s, id, &(store_end){.state = STORE_COMPLETE, .model = "m", .usage = {.n_generated = 5}},
        &err));
    assert_ok(store_message_get(s, id, &list, &err));
    assert_string_equal(list.items[0].content, "Hello");
    assert_string_equal(list.items[0].reasoning, "think");
    assert_string_equal(list.items[0].model, "m");
    assert_int_equal(list.items[0].usage.n_generated, 5);
    assert_int_equal(list.items[0].state, STORE_COMPLETE);
    store_messages_free(&list);
    assert_fails(EMISMATCH, store_message_append(s, id, "x", NULL, &err), "complete");
    assert_fails(EMISMATCH, store_message_finish(s, id, &(store_end){.state = STORE_STOPPED}, &err),
                 "complete");
}

static void test_owner_stops_what_was_streaming(void **state)
{
    (void)state;
    int64_t chat = add_chat("c"), id;
    store_messages list;
    const store_message m = {
        .chat = chat, .role = STORE_ASSISTANT, .state = STORE_STREAMING, .content = "half an ans"};
    assert_ok(store_message_add(s, &m, &id, &err));
    reopen(false);
    assert_ok(store_message_get(s, id, &list, &err));
    assert_int_equal(list.items[0].state, STORE_STREAMING);
    store_messages_free(&list);
    reopen(true);
    assert_ok(store_message_get(s, id, &list, &err));
    assert_int_equal(list.items[0].state, STORE_STOPPED);
    assert_string_equal(list.items[0].content, "half an ans");
    assert_non_null(strstr(list.items[0].error, "ended"));
    store_messages_free(&list);
}

static void test_what_ended_is_gone_on_with(void **state)
{
    (void)state;
    int64_t chat = add_chat("c"), id, other, user = add_message(chat, 0, STORE_USER, "q");
    store_messages list;
    const store_message m = {
        .chat = chat, .parent = user, .role = STORE_ASSISTANT, .state = STORE_STREAMING};
    assert_ok(store_message_add(s, &m, &id, &err));
    assert_fails(EMISMATCH, store_message_reopen(s, id, &err), "has ended");
    assert_fails(EMISMATCH, store_message_reopen(s, user, &err), "not an answer");
    assert_fails(ENOTFOUND, store_message_reopen(s, 99, &err), "");
    assert_ok(store_message_append(s, id, "One flamingo", "hm", &err));
    assert_ok(
        store_message_finish(s, id, &(store_end){.state = STORE_FAILED, .error = "gone"}, &err));
    assert_ok(store_message_add(s, &m, &other, &err)); /* a sibling, the leaf */
    assert_ok(store_message_reopen(s, id, &err));
    assert_ok(store_message_get(s, id, &list, &err));
    assert_int_equal(list.items[0].state, STORE_STREAMING);
    assert_string_equal(list.items[0].content, "One flamingo");
    assert_string_equal(list.items[0].error, "");
    store_messages_free(&list);
    assert_ok(store_message_append(s, id, " and a heron", " hm", &err));
    reopen(true); /* the program died */
    assert_ok(store_message_get(s, id, &list, &err));
    assert_int_equal(list.items[0].state, STORE_STOPPED);
    assert_string_equal(list.items[0].content, "One flamingo and a heron");
    assert_string_equal(list.items[0].reasoning, "hm hm");
    store_messages_free(&list);
    assert_ok(store_message_reopen(s, id, &err));
    assert_ok(store_message_finish(s, id, &(store_end){.state = STORE_COMPLETE}, &err));
    store_chats chats;
    assert_ok(store_chat_get(s, chat, &chats, &err));
    assert_int_equal(chats.items[0].leaf, id);
    store_chats_free(&chats);
    /* The index of words and that of vectors agree with the messages. */
    buf report;
    buf_init(&report, 0);
    assert_ok(store_check(s, &report, &err));
    assert_int_equal(report.n, 0);
    buf_deinit(&report);
    add_message(chat, id, STORE_USER, "and then?");
    assert_fails(EMISMATCH, store_message_reopen(s, id, &err), "others after it");
}

static void test_fork(void **state)
{
    (void)state;
    int64_t chat, copy, file;
    const char *const tags[] = {"t"};
    store_messages list;
    store_chats chats;
    assert_ok(store_chat_add(
        s, &(store_chat){.title = "c", .system = "S", .tags = tags, .n_tags = 1}, &chat, &err));
    int64_t m1 = add_message(chat, 0, STORE_USER, "q"), m2;
    assert_ok(store_attachment_add(s, "f", "text/plain", "x", 1, &file, &err));
    const store_attachment attached = {.id = file};
    assert_ok(store_message_add(s,
                                &(store_message){.chat = chat,
                                                 .parent = m1,
                                                 .role = STORE_ASSISTANT,
                                                 .content = "a",
                                                 .attachments = &attached,
                                                 .n_attachments = 1},
                                &m2, &err));
    add_message(chat, m2, STORE_USER, "not copied");
    assert_ok(store_chat_fork(s, chat, m2, "fork", &copy, &err));
    assert_ok(store_message_path(s, copy, 0, 0, &list, &err));
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[1].content, "a");
    assert_int_equal(list.items[1].attachments[0].id, file);
    assert_int_equal(list.items[1].parent, list.items[0].id);
    store_messages_free(&list);
    assert_ok(store_chat_get(s, copy, &chats, &err));
    assert_string_equal(chats.items[0].system, "S");
    assert_string_equal(chats.items[0].title, "fork");
    assert_int_equal(chats.items[0].n_tags, 1);
    store_chats_free(&chats);
}

/* ---- refusals ---- */

static void test_refusals_change_nothing(void **state)
{
    (void)state;
    int64_t chat = add_chat("c"), other = add_chat("o"), id = 0;
    int64_t there = add_message(other, 0, STORE_USER, "q");
    store_messages list;
    char name[STORE_MAX_NAME_BYTES + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_fails(EMISMATCH,
                 store_message_add(s, &(store_message){.chat = chat, .parent = there}, &id, &err),
                 "belongs to chat");
    assert_fails(ENOTFOUND,
                 store_message_add(s, &(store_message){.chat = chat, .parent = 999}, &id, &err),
                 "999");
    assert_fails(ENOTFOUND, store_message_add(s, &(store_message){.chat = 77}, &id, &err), "77");
    assert_fails(EINVAL,
                 store_message_add(s, &(store_message){.chat = chat, .content = "\xff"}, &id, &err),
                 "content: this is not valid UTF-8");
    assert_fails(EINVAL,
                 store_message_add(s, &(store_message){.chat = chat, .meta = "[]"}, &id, &err),
                 "meta: must be an object");
    assert_fails(
        EINVAL, store_message_add(s, &(store_message){.chat = chat, .tool_calls = "[1"}, &id, &err),
        "tool_calls: the JSON is wrong");
    assert_fails(EINVAL, store_message_add(s, &(store_message){.chat = chat, .role = 9}, &id, &err),
                 "role");
    const store_attachment missing = {.id = 5};
    assert_fails(ENOTFOUND,
                 store_message_add(
                     s, &(store_message){.chat = chat, .attachments = &missing, .n_attachments = 1},
                     &id, &err),
                 "attachment 5");
    assert_fails(EINVAL, store_chat_add(s, &(store_chat){.title = name}, &id, &err), "title");
    assert_ok(store_message_all(s, chat, 0, 0, &list, &err));
    assert_int_equal(list.n, 0);
    store_messages_free(&list);
    assert_fails(ENOTFOUND, store_message_path(s, 77, 0, 0, &list, &err), "77");
    assert_fails(EMISMATCH, store_message_path(s, chat, there, 0, &list, &err), "belongs");
}

/* ---- deleting ---- */

static void test_delete_and_restore_messages(void **state)
{
    (void)state;
    int64_t chat = add_chat("c");
    int64_t m1 = add_message(chat, 0, STORE_USER, "q");
    int64_t m2 = add_message(chat, m1, STORE_ASSISTANT, "a");
    int64_t m3 = add_message(chat, m1, STORE_ASSISTANT, "b");
    int64_t m4 = add_message(chat, m3, STORE_USER, "c");
    int64_t m5 = add_message(chat, m4, STORE_ASSISTANT, "d");
    assert_ok(store_message_delete(s, m5, &err));
    expect_path(chat, 0, (int64_t[]){m1, m3, m4}, 3);
    assert_ok(store_message_delete(s, m3, &err));
    expect_path(chat, 0, (int64_t[]){m1, m2}, 2);
    assert_fails(EMISMATCH, store_message_restore(s, m4, &err), "above it");
    assert_fails(ENOTFOUND, store_message_delete(s, m3, &err), "deleted already");
    assert_ok(store_message_restore(s, m3, &err));
    store_messages list;
    assert_ok(store_message_all(s, chat, 0, 0, &list, &err));
    assert_int_equal(list.n, 4); /* m5 went alone, and stays away */
    store_messages_free(&list);
    assert_ok(store_message_restore(s, m5, &err));
    assert_ok(store_message_delete(s, m1, &err));
    expect_path(chat, 0, NULL, 0);
    assert_ok(store_message_restore(s, m1, &err));
    assert_ok(store_message_all(s, chat, 0, 0, &list, &err));
    assert_int_equal(list.n, 5);
    store_messages_free(&list);
}

static void test_delete_restore_purge_chats(void **state)
{
    (void)state;
    int64_t chat = add_chat("gone"), kept = add_chat("kept"), id;
    store_chats list;
    store_purged purged;
    int64_t message = add_message(chat, 0, STORE_USER, "zyzzyva");
    add_message(kept, 0, STORE_USER, "stays");
    assert_ok(store_chat_delete(s, chat, &err));
    assert_fails(ENOTFOUND, store_message_add(s, &(store_message){.chat = chat}, &id, &err),
                 "restore it first");
    assert_ok(store_chat_list(s, &(store_chat_filter){.deleted = true}, &list, &err));
    assert_int_equal(list.n, 1);
    store_chats_free(&list);
    assert_ok(store_chat_restore(s, chat, &err));
    assert_ok(store_chat_delete(s, chat, &err));
    assert_ok(store_purge(s, 1, &purged, &err));
    assert_int_equal(purged.n_chats, 0);
    assert_ok(store_purge(s, store_now_ms() + 1000, &purged, &err));
    assert_int_equal(purged.n_chats, 1);
    assert_int_equal(purged.n_messages, 1);
    assert_fails(ENOTFOUND, store_chat_restore(s, chat, &err), "no deleted chat");
    assert_true(add_message(kept, 0, STORE_USER, "next") > message);
    buf report;
    buf_init(&report, 0);
    assert_ok(store_check(s, &report, &err));
    assert_int_equal(report.n, 0);
    buf_deinit(&report);
    /* The bytes are gone from the file, too. */
    reopen(false);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char bytes[1 << 20];
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_null(memmem(bytes, n, "zyzzyva", 7));
    assert_non_null(memmem(bytes, n, "stays", 5));
}

/* ---- settings ---- */

static void collect(void *user, const char *key, const char *value)
{
    char *text = user;
    snprintf(text + strlen(text), 100 - strlen(text), "%s=%s;", key, value);
}

static void test_settings(void **state)
{
    (void)state;
    char all[100] = "";
    buf out;
    buf_init(&out, 0);
    assert_ok(store_setting_set(s, "ui.b", "1", &err));
    assert_ok(store_setting_set(s, "ui.a", "\"x\"", &err));
    assert_ok(store_setting_set(s, "ui.b", "2", &err));
    assert_ok(store_setting_set(s, "uj", "3", &err));
    assert_ok(store_setting_each(s, "ui.", collect, all, &err));
    assert_string_equal(all, "ui.a=\"x\";ui.b=2;");
    assert_ok(store_setting_get(s, "uj", &out, &err));
    assert_string_equal(out.data, "3");
    assert_ok(store_setting_set(s, "uj", NULL, &err));
    assert_fails(ENOTFOUND, store_setting_get(s, "uj", &out, &err), "uj");
    buf_deinit(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_chat_keeps_its_fields),
        TEST(test_chat_update),
        TEST(test_list_filters_and_orders),
        TEST(test_folders_and_tags_are_renamed),
        TEST(test_message_keeps_its_fields),
        TEST(test_tree_branches),
        TEST(test_streaming),
        TEST(test_owner_stops_what_was_streaming),
        TEST(test_what_ended_is_gone_on_with),
        TEST(test_fork),
        TEST(test_refusals_change_nothing),
        TEST(test_delete_and_restore_messages),
        TEST(test_delete_restore_purge_chats),
        TEST(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
