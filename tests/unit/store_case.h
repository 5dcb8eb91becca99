/* SPDX-License-Identifier: MIT
 *
 * store_case.h - a store in a fresh folder for each test, and short ways to fill it.
 */
#ifndef HEARTH_TESTS_STORE_CASE_H
#define HEARTH_TESTS_STORE_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/store.h"
#include "support/test_reference.h"

static test_folder folder;
static char path[PATH_MAX];
static store *s;
static hearth_error err;

#define assert_ok(expr)                                                                            \
    do {                                                                                           \
        if ((expr) != HEARTH_OK) {                                                                 \
            print_error("%s: %s\n", #expr, err.message);                                           \
            fail();                                                                                \
        }                                                                                          \
    } while (0)
#define assert_fails(code, expr, words)                                                            \
    do {                                                                                           \
        err = (hearth_error){0};                                                                   \
        assert_int_equal(expr, HEARTH_##code);                                                     \
        if (strstr(err.message, words) == NULL)                                                    \
            fail_msg("'%s' does not say '%s'", err.message, words);                                \
    } while (0)

/* Thousands of flushes of a disk take minutes, and a kill or a failed allocation takes nothing out
 * of the system's cache: tests of those keep their folder in memory, where there is one. */
static inline void use_memory_for_folders(void)
{
    if (access("/dev/shm", W_OK | X_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
}

static inline int store_setup(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "hearth.db", path);
    return store_open(&s, path, false, &err) == HEARTH_OK ? 0 : -1;
}

static inline int store_teardown(void **state)
{
    (void)state;
    store_close(s);
    s = NULL;
    test_folder_remove(&folder);
    return 0;
}

static inline void reopen(bool owner)
{
    store_close(s);
    s = NULL;
    assert_ok(store_open(&s, path, owner, &err));
}

static inline int64_t add_chat(const char *title)
{
    int64_t id;
    assert_ok(store_chat_add(s, &(store_chat){.title = title}, &id, &err));
    return id;
}

static inline int64_t add_message(int64_t chat, int64_t parent, store_role role, const char *text)
{
    int64_t id;
    const store_message m = {.chat = chat, .parent = parent, .role = role, .content = text};
    assert_ok(store_message_add(s, &m, &id, &err));
    return id;
}

#endif
