/* SPDX-License-Identifier: MIT
 *
 * test_store.c - every allocation of our own in a day of a chat store fails once: the answer is
 * ENOMEM or as good as without the fault, nothing is left in the file of what failed, and the next
 * try succeeds. (What is left in memory is for the leak checker of the asan preset to say.)
 */
#include "../unit/store_case.h"

#include "fault/fault.h"
#include "store/search.h"
#include "store/transfer.h"

enum { DIMENSIONS = 4 };

static const char chatgpt[] =
    "[{\"title\":\"T\",\"id\":\"1\",\"current_node\":\"b\",\"mapping\":{\"a\":{\"children\":[\"b\"]"
    ","
    "\"message\":{\"author\":{\"role\":\"user\"},\"content\":{\"parts\":[\"bread\"]}}},\"b\":"
    "{\"parent\":\"a\",\"message\":{\"author\":{\"role\":\"assistant\"},\"recipient\":\"tool\","
    "\"content\":{\"parts\":[\"loaf\"],\"thoughts\":[{\"content\":\"hm\"}]}}}}}]";

static hearth_status embed(void *user, const char *const *texts, size_t n, bool query, float *out,
                           hearth_error *error)
{
    (void)user, (void)texts, (void)query, (void)error;
    for (size_t i = 0; i < n * DIMENSIONS; i++)
        out[i] = 1;
    return HEARTH_OK;
}

static hearth_status throw_away(void *user, const char *bytes, size_t n, hearth_error *error)
{
    (void)user, (void)bytes, (void)n, (void)error;
    return HEARTH_OK;
}

static hearth_status look(store *of, int64_t chat)
{
    store_chats chats;
    store_messages messages;
    store_names names;
    TRY(store_chat_list(of, &(store_chat_filter){0}, &chats, NULL));
    store_chats_free(&chats);
    TRY(store_tag_list(of, &names, NULL));
    store_names_free(&names);
    TRY(store_message_path(of, chat, 0, 0, &messages, NULL));
    store_messages_free(&messages);
    return export_markdown(of, chat, throw_away, NULL, NULL);
}

static hearth_status ask(store *of)
{
    search_hits hits;
    memory_passages passages;
    TRY(search_set_embedder(of, &(search_embedder){"m", DIMENSIONS, embed, NULL}, NULL));
    TRY(search_work(of, 10, NULL, NULL));
    TRY(search_find(of, &(search_query){.text = "bread \"rye flour\"", .any_word = true}, &hits,
                    NULL));
    search_hits_free(&hits);
    TRY(memory_recall(of, &(memory_query){.text = "bread", .budget_tokens = 100}, &passages, NULL));
    memory_passages_free(&passages);
    return HEARTH_OK;
}

static hearth_status write_some(store *of, int64_t *chat)
{
    static const char *const tags[] = {"t"};
    int64_t file, id;
    import_report report;
    TRY(store_chat_add(of, &(store_chat){.title = "c", .tags = tags, .n_tags = 1}, chat, NULL));
    TRY(store_attachment_add(of, "n", "t", "xyz", 3, &file, NULL));
    const store_attachment attached = {.id = file};
    TRY(store_message_add(of,
                          &(store_message){.chat = *chat,
                                           .role = STORE_USER,
                                           .content = "bread of rye",
                                           .attachments = &attached,
                                           .n_attachments = 1},
                          &id, NULL));
    TRY(export_json(of, chat, 1, throw_away, NULL, NULL));
    return import_bytes(of, "f", chatgpt, sizeof chatgpt - 1, &report, NULL);
}

static hearth_status day(void)
{
    store *of;
    int64_t chat;
    TRY(store_open(&of, path, true, NULL));
    hearth_status status = write_some(of, &chat);
    if (status == HEARTH_OK)
        status = look(of, chat);
    if (status == HEARTH_OK)
        status = ask(of);
    store_close(of);
    return status;
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    bool fired = true;
    long n = 1;
    store_close(s);
    s = NULL;
    fault_arm(0, false);
    assert_int_equal(day(), HEARTH_OK);
    for (; fired; n++) {
        fault_arm(n, false);
        hearth_status status = day();
        fired = fault_fired();
        fault_arm(0, false);
        if (status != HEARTH_OK && status != HEARTH_ENOMEM)
            fail_msg("allocation %ld: %s", n, hearth_status_name(status));
    }
    assert_true(n > 50);
    buf report;
    buf_init(&report, 0);
    assert_ok(store_open(&s, path, true, &err));
    assert_ok(store_check(s, &report, &err));
    assert_int_equal(report.n, 0);
    buf_deinit(&report);
    print_message("%ld allocations\n", n - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_allocation_fails, store_setup, store_teardown),
    };
    use_memory_for_folders();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
