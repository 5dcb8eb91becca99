/* SPDX-License-Identifier: MIT
 *
 * test_store_file.c - the file of the store: migrations, refusals, damage, full disks, owners.
 */
#include "store_case.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/db.h"
#include "store/schema.h"
#include "store/search.h"
#include "store/words.h"

static int empty_setup(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "a/b/hearth.db", path);
    return 0;
}

static void make_folder_of_file(void)
{
    char at[PATH_MAX];
    test_folder_path(&folder, "a", at);
    mkdir(at, 0700);
    test_folder_path(&folder, "a/b", at);
    mkdir(at, 0700);
}

/* A file of some SQL. */
static void make_file(const char *sql)
{
    db d;
    make_folder_of_file();
    assert_ok(db_open(&d, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &err));
    assert_ok(words_register(d.handle, &err));
    assert_ok(db_exec(&d, sql, &err));
    db_close(&d);
}

static void make_version_1(void)
{
    buf sql;
    buf_init(&sql, 0);
    assert_true(buf_append_text(&sql, schema_step(1)));
    assert_true(buf_append_format(&sql,
                                  "PRAGMA application_id=%d; PRAGMA user_version=1;"
                                  "INSERT INTO chat VALUES(3, 0, 8, 1, 1, 0, '', '', '', 'old', "
                                  "'', '');"
                                  "INSERT INTO chat_words(rowid, title) VALUES(3, 'old');"
                                  "INSERT INTO message VALUES(8, 3, 0, 1, 0, 1, 0, 0, 0, 0, 0.0, "
                                  "0.0, '', '', '', '', '', 'hello there', '', '');"
                                  "INSERT INTO message_words(rowid, content) VALUES(8, 'hello "
                                  "there');",
                                  SCHEMA_APPLICATION));
    make_file(sql.data);
    buf_deinit(&sql);
}

static int version_of(const char *file)
{
    db d;
    int64_t version = 0;
    assert_ok(db_open(&d, file, SQLITE_OPEN_READONLY, &err));
    assert_ok(db_number(&d, &version, -1, &err, "PRAGMA user_version", ""));
    db_close(&d);
    return (int)version;
}

static void test_new_file_is_private(void **state)
{
    (void)state;
    struct stat info;
    assert_ok(store_open(&s, path, false, &err));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_string_equal(store_path(s), path);
    assert_int_equal(version_of(path), SCHEMA_VERSION);
}

static void test_version_1_is_migrated(void **state)
{
    (void)state;
    char backup[PATH_MAX];
    store_messages list;
    search_hits hits;
    search_jobs jobs;
    make_version_1();
    assert_ok(store_open(&s, path, false, &err));
    assert_ok(store_message_path(s, 3, 0, 0, &list, &err));
    assert_int_equal(list.n, 1);
    assert_string_equal(list.items[0].content, "hello there");
    store_messages_free(&list);
    assert_ok(search_find(s, &(search_query){.text = "hello"}, &hits, &err));
    assert_int_equal(hits.n, 1);
    search_hits_free(&hits);
    assert_ok(search_pending(s, 10, &jobs, &err));
    assert_int_equal(jobs.n, 1); /* what was there before waits for its vector */
    search_jobs_free(&jobs);
    assert_int_equal(version_of(path), SCHEMA_VERSION);
    test_folder_path(&folder, "a/b/hearth.db.v1.bak", backup);
    assert_int_equal(version_of(backup), 1);
}

static void test_failed_migration_leaves_the_old(void **state)
{
    (void)state;
    char backup[PATH_MAX];
    make_version_1();
    test_folder_path(&folder, "a/b/hearth.db.v1.bak", backup);
    assert_int_equal(mkdir(backup, 0700), 0); /* so the copy cannot be put there */
    assert_fails(EIO, store_open(&s, path, false, &err), ".v1.bak");
    assert_null(s);
    assert_int_equal(version_of(path), 1);
    rmdir(backup);
    assert_ok(store_open(&s, path, false, &err));
}

static void test_newer_is_refused(void **state)
{
    (void)state;
    char sql[200];
    snprintf(sql, sizeof sql,
             "CREATE TABLE future(x); PRAGMA application_id=%d; PRAGMA user_version=%d",
             SCHEMA_APPLICATION, SCHEMA_VERSION + 1);
    make_file(sql);
    assert_fails(EUNSUPPORTED, store_open(&s, path, false, &err), "newer Hearth");
    assert_int_equal(version_of(path), SCHEMA_VERSION + 1);
}

static void test_foreign_files_are_refused(void **state)
{
    (void)state;
    char text[] = "These are my notes, and not a database at all, however long they are. ........";
    char *bytes;
    make_file("CREATE TABLE t(x)");
    assert_fails(EFORMAT, store_open(&s, path, false, &err), "another program");
    assert_true(test_write_file(path, text, sizeof text - 1));
    assert_fails(EFORMAT, store_open(&s, path, false, &err), "not a chat store");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    bytes = mem_calloc(1, sizeof text);
    assert_int_equal(fread(bytes, 1, sizeof text, file), sizeof text - 1);
    fclose(file);
    assert_string_equal(bytes, text);
    mem_free(bytes);
}

/* Every page but the first is overwritten: whatever is asked is answered with EFORMAT, and check
 * says what is wrong. */
static void test_damage_is_told(void **state)
{
    (void)state;
    struct stat info;
    char junk[512];
    store_chats chats;
    buf report;
    assert_ok(store_open(&s, path, false, &err));
    int64_t chat = add_chat("c");
    for (int i = 0; i < 50; i++)
        add_message(chat, 0, STORE_USER, "some text that is written to the file");
    store_close(s);
    s = NULL;
    memset(junk, 0x5a, sizeof junk);
    assert_int_equal(stat(path, &info), 0);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, 4096 * 2, SEEK_SET);
    for (long at = 4096 * 2; at < info.st_size; at += (long)sizeof junk)
        fwrite(junk, 1, sizeof junk, file);
    fclose(file);
    hearth_status status = store_open(&s, path, false, &err);
    if (status == HEARTH_OK) {
        assert_fails(EFORMAT, store_chat_list(s, &(store_chat_filter){0}, &chats, &err), "damaged");
        buf_init(&report, 0);
        status = store_check(s, &report, &err);
        assert_true(status == HEARTH_EFORMAT || report.n > 0);
        buf_deinit(&report);
    } else {
        assert_int_equal(status, HEARTH_EFORMAT);
    }
}

static void test_one_owner(void **state)
{
    (void)state;
    store *second;
    store_chats list;
    assert_ok(store_open(&s, path, true, &err));
    assert_fails(EBUSY, store_open(&second, path, true, &err), "another Hearth");
    assert_null(second);
    assert_ok(store_open(&second, path, false, &err));
    add_chat("seen by both");
    assert_ok(store_chat_list(second, &(store_chat_filter){0}, &list, &err));
    assert_int_equal(list.n, 1);
    store_chats_free(&list);
    store_close(second);
    reopen(true);
}

static void test_backup(void **state)
{
    (void)state;
    char copy[PATH_MAX];
    store_chats list;
    assert_ok(store_open(&s, path, false, &err));
    add_chat("kept");
    test_folder_path(&folder, "copy.db", copy);
    assert_ok(store_backup(s, copy, &err));
    assert_fails(EINVAL, store_backup(s, copy, &err), "already there");
    store_close(s);
    s = NULL;
    assert_ok(store_open(&s, copy, false, &err));
    assert_ok(store_chat_list(s, &(store_chat_filter){0}, &list, &err));
    assert_int_equal(list.n, 1);
    store_chats_free(&list);
}

/* ---- full disks ---- */

/* In a child, since the limit cannot be taken back: fills the store until a write fails, then gives
 * the number of acknowledged messages to the parent. */
static int fill(int out)
{
    const struct rlimit limit = {1 << 20, 1 << 20};
    char text[20000];
    int64_t chat, id, n = 0;
    signal(SIGXFSZ, SIG_IGN);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    if (store_open(&s, path, true, &err) != HEARTH_OK ||
        store_chat_add(s, &(store_chat){.title = "c"}, &chat, &err) != HEARTH_OK ||
        setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    const store_message m = {.chat = chat, .content = text};
    hearth_status status;
    while ((status = store_message_add(s, &m, &id, &err)) == HEARTH_OK && n < 1000)
        n++;
    if (status != HEARTH_EIO || strstr(err.message, "disk is full") == NULL) {
        fprintf(stderr, "%d %s\n", status, err.message);
        return 2;
    }
    /* What was refused has left nothing behind, and the store still answers. */
    store_messages list;
    if (store_message_all(s, chat, 0, 0, &list, &err) != HEARTH_OK || (int64_t)list.n != n)
        return 3;
    store_messages_free(&list);
    return write(out, &n, sizeof n) == sizeof n ? 0 : 4;
}

static void test_full_disk(void **state)
{
    (void)state;
    int channel[2], code;
    int64_t n = 0;
    store_messages list;
    assert_int_equal(pipe(channel), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill(channel[1]));
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 0);
    assert_int_equal(read(channel[0], &n, sizeof n), sizeof n);
    close(channel[0]);
    close(channel[1]);
    assert_true(n > 5);
    assert_ok(store_open(&s, path, true, &err));
    assert_ok(store_message_all(s, 1, 0, 0, &list, &err));
    assert_int_equal(list.n, n);
    store_messages_free(&list);
    add_message(1, 0, STORE_USER, "there is room again");
}

static void test_default_path(void **state)
{
    (void)state;
    buf out;
    buf_init(&out, 0);
    setenv("XDG_DATA_HOME", "/data", 1);
    assert_ok(store_default_path(&out, &err));
    assert_string_equal(out.data, "/data/hearth/hearth.db");
    buf_clear(&out);
    setenv("XDG_DATA_HOME", "relative", 1);
    setenv("HOME", "/home/u", 1);
    assert_ok(store_default_path(&out, &err));
    assert_string_equal(out.data, "/home/u/.local/share/hearth/hearth.db");
    unsetenv("HOME");
    assert_fails(EINVAL, store_default_path(&out, &err), "HOME");
    buf_deinit(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, empty_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new_file_is_private),
        TEST(test_version_1_is_migrated),
        TEST(test_failed_migration_leaves_the_old),
        TEST(test_newer_is_refused),
        TEST(test_foreign_files_are_refused),
        TEST(test_damage_is_told),
        TEST(test_one_owner),
        TEST(test_backup),
        TEST(test_full_disk),
        TEST(test_default_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
