/* SPDX-License-Identifier: MIT
 *
 * test_store_kill.c - a writer is killed at a thousand random moments; nothing that it was told to
 * be stored is lost.
 *
 * The writer is a child that tells its parent through a pipe what it has been told. The parent
 * kills it with SIGKILL after a random time, opens the store as its next owner and looks for every
 * message.
 */
#include "store_case.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Forks of a sanitized process are slow. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KILLS = 50 };
#else
enum { KILLS = 1000 };
#endif
enum { MOST_US = 8000, MOST_MESSAGES = 200000 };

/* What a child was told: that a message is there, with at least so many bytes of its text. */
typedef struct told {
    int64_t id;
    uint64_t n_bytes;
} told;

static uint64_t random_state;
static told *all;
static size_t n_all;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13; /* xorshift64, Marsaglia 2003 */
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Byte k of every message's text: so that any part of it can be checked. */
static char letter(uint64_t k)
{
    return (char)('a' + k * 7 % 26);
}

static void tell(int out, int64_t id, uint64_t n_bytes)
{
    const told t = {id, n_bytes};
    if (write(out, &t, sizeof t) != sizeof t)
        _exit(3);
}

static void write_one(int out, int64_t *parent)
{
    char text[600];
    int64_t id;
    const store_message m = {
        .chat = 1, .parent = *parent, .role = STORE_ASSISTANT, .state = STORE_STREAMING};
    if (store_message_add(s, &m, &id, &err) != HEARTH_OK)
        _exit(4);
    tell(out, id, 0);
    for (uint64_t n = 0; n < 1200; n += sizeof text - 1) {
        for (uint64_t k = 0; k < sizeof text - 1; k++)
            text[k] = letter(n + k);
        text[sizeof text - 1] = '\0';
        if (store_message_append(s, id, text, NULL, &err) != HEARTH_OK)
            _exit(5);
        tell(out, id, n + sizeof text - 1);
    }
    if (store_message_finish(s, id, &(store_end){.state = STORE_COMPLETE}, &err) != HEARTH_OK)
        _exit(6);
    *parent = id;
}

/* Never returns. */
static void child(int out)
{
    int64_t parent = 0;
    if (store_open(&s, path, true, &err) != HEARTH_OK) {
        fprintf(stderr, "%s\n", err.message);
        _exit(2);
    }
    for (;;)
        write_one(out, &parent);
}

static void expect_told(const told *t)
{
    store_messages list;
    assert_ok(store_message_get(s, t->id, &list, &err));
    const char *text = list.items[0].content;
    if (strlen(text) < t->n_bytes)
        fail_msg("message %lld has %zu bytes of %llu", (long long)t->id, strlen(text),
                 (unsigned long long)t->n_bytes);
    for (uint64_t k = 0; k < t->n_bytes; k++)
        assert_int_equal(text[k], letter(k));
    assert_int_not_equal(list.items[0].state, STORE_STREAMING);
    store_messages_free(&list);
}

/* The writer may be killed while it writes to the pipe; a part of a record was not told. */
static void read_told(int in, size_t *first)
{
    *first = n_all;
    while (n_all < MOST_MESSAGES && read(in, &all[n_all], sizeof *all) == (ssize_t)sizeof *all)
        n_all++;
}

static void run_and_kill(void)
{
    int channel[2], code;
    size_t first;
    assert_int_equal(pipe(channel), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(channel[0]);
        child(channel[1]);
    }
    close(channel[1]);
    const struct timespec wait = {0, (long)(next_random() % MOST_US) * 1000};
    nanosleep(&wait, NULL);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &code, 0), pid);
    if (!WIFSIGNALED(code))
        fail_msg("the writer ended by itself with %d", WEXITSTATUS(code));
    read_told(channel[0], &first);
    close(channel[0]);
    assert_ok(store_open(&s, path, true, &err));
    for (size_t i = first; i < n_all; i++)
        expect_told(&all[i]);
    store_close(s);
    s = NULL;
}

static void test_kill(void **state)
{
    (void)state;
    buf report;
    all = mem_calloc(MOST_MESSAGES, sizeof *all);
    assert_non_null(all);
    add_chat("c");
    store_close(s);
    s = NULL;
    for (int i = 0; i < KILLS; i++)
        run_and_kill();
    assert_ok(store_open(&s, path, true, &err));
    for (size_t i = 0; i < n_all; i++)
        expect_told(&all[i]);
    buf_init(&report, 0);
    assert_ok(store_check(s, &report, &err));
    assert_int_equal(report.n, 0);
    buf_deinit(&report);
    print_message("%d kills, %zu acknowledged writes\n", KILLS, n_all);
    assert_true(n_all > KILLS); /* or the writers were killed before they wrote anything */
    mem_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill, store_setup, store_teardown),
    };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *seed = getenv("HEARTH_TEST_SEED");
    random_state = seed ? strtoull(seed, NULL, 10) : (uint64_t)now.tv_nsec | 1;
    print_message("HEARTH_TEST_SEED=%llu\n", (unsigned long long)random_state);
    use_memory_for_folders();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
