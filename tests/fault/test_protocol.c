/* SPDX-License-Identifier: MIT
 *
 * test_protocol.c - every allocation of reading a request's body fails once, jansson's as well: the
 * answer is ENOMEM or the whole request, never a part of it, and nothing is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fault/fault.h"
#include "protocol/json_memory.h"
#include "protocol/request.h"

enum { N_TEXT = 5000 };

static char body[2 * N_TEXT];

static hearth_status read_once(long fault, bool forever)
{
    static const request_limits limits = {.n_choices_max = 1};
    hearth_error err = {0};
    request *r = NULL;
    fault_arm(fault, forever);
    hearth_status status = request_parse(&r, API_OPENAI_CHAT, body, strlen(body), &limits, &err);
    if (status == HEARTH_OK) {
        json_t *message = json_array_get(r->chat.messages, 0);
        assert_int_equal(json_array_size(r->chat.messages), 1);
        assert_int_equal(json_string_length(json_object_get(message, "content")), N_TEXT);
        assert_int_equal(r->options.n_stop, 2);
        assert_int_equal(r->options.n_predict, 7);
    } else if (err.code != HEARTH_ENOMEM) {
        fail_msg("allocation %ld: %s", fault, err.message);
    }
    request_free(r);
    return status;
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    char text[N_TEXT + 1];
    memset(text, 'x', N_TEXT);
    text[N_TEXT] = '\0';
    snprintf(body, sizeof body,
             "{\"temperature\":0.%0400d,\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],"
             "\"stop\":[\"a\",\"b\"],"
             "\"max_tokens\":7,\"user\":\"someone\",\"tools\":[{\"type\":\"function\","
             "\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}]}",
             1, text);
    json_memory_install();
    assert_int_equal(read_once(0, false), HEARTH_OK); /* what is made once is made */
    for (int forever = 0; forever < 2; forever++) {
        long n = 0, alive = fault_n_alive();
        do {
            read_once(++n, forever);
            bool fired = fault_fired();
            fault_arm(0, false);
            if (fault_n_alive() != alive)
                fail_msg("allocation %ld, %d: %ld blocks are left", n, forever,
                         fault_n_alive() - alive);
            if (!fired)
                break;
        } while (n < 100000);
        if (n <= 40 || n == 100000)
            fail_msg("%d: only %ld allocations were met", forever, n);
    }
    assert_int_equal(read_once(0, false), HEARTH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
