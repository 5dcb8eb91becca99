/* SPDX-License-Identifier: MIT
 *
 * test_runtime_events.c - the bus: who hears what, in which order, and what becomes of those who do
 * not listen.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/events.h"

static void send_number(events *bus, event_type type, int number)
{
    events_send(bus, type, json_pack("{s:i}", "n", number));
}

static void subscribers_hear_what_they_asked_for(void **state)
{
    events *bus;
    event_subscriber *all, *loads;
    event e;
    (void)state;
    assert_int_equal(events_new(&bus, NULL), HEARTH_OK);
    assert_false(events_wanted(bus, EVENT_TELEMETRY));
    assert_int_equal(events_subscribe(&all, bus, EVENT_ALL, 10, NULL), HEARTH_OK);
    assert_int_equal(events_subscribe(&loads, bus, EVENT_BIT(EVENT_MODEL_LOADED), 10, NULL),
                     HEARTH_OK);
    assert_true(events_wanted(bus, EVENT_TELEMETRY));
    send_number(bus, EVENT_TELEMETRY, 1);
    send_number(bus, EVENT_MODEL_LOADED, 2);
    assert_true(events_next(all, 0, &e));
    assert_string_equal(e.name, "telemetry");
    assert_string_equal(e.text, "{\"n\":1}");
    assert_int_equal(e.n_text, 7);
    const uint64_t first = e.seq;
    assert_true(events_next(all, 0, &e));
    assert_int_equal(e.seq, first + 1);
    assert_false(events_next(all, 0, &e));
    assert_true(events_next(loads, 0, &e));
    assert_string_equal(e.name, "model:loaded");
    assert_int_equal(e.seq, first + 1);
    assert_false(events_next(loads, 0, &e));
    events_unsubscribe(all);
    assert_false(events_wanted(bus, EVENT_TELEMETRY));
    events_unsubscribe(loads);
    events_free(bus);
}

static void the_oldest_are_lost_and_counted(void **state)
{
    events *bus;
    event_subscriber *s;
    event e;
    (void)state;
    assert_int_equal(events_new(&bus, NULL), HEARTH_OK);
    assert_int_equal(events_subscribe(&s, bus, EVENT_ALL, 3, NULL), HEARTH_OK);
    for (int i = 0; i < 10; i++)
        send_number(bus, EVENT_MODEL_PROGRESS, i);
    assert_true(events_next(s, 0, &e));
    assert_string_equal(e.text, "{\"n\":7}");
    assert_int_equal(e.lost, 7);
    assert_true(events_next(s, 0, &e));
    assert_int_equal(e.lost, 0);
    events_send(bus, EVENT_MODEL_PROGRESS, NULL); /* could not be built */
    send_number(bus, EVENT_MODEL_PROGRESS, 10);
    assert_true(events_next(s, 0, &e));
    assert_int_equal(e.lost, 1);
    assert_string_equal(e.text, "{\"n\":9}");
    events_unsubscribe(s); /* with one in its queue */
    events_free(bus);
}

static void limits_are_refused(void **state)
{
    events *bus;
    event_subscriber *s;
    (void)state;
    assert_int_equal(events_new(&bus, NULL), HEARTH_OK);
    assert_int_equal(events_subscribe(&s, bus, EVENT_ALL, 0, NULL), HEARTH_EINVAL);
    assert_int_equal(events_subscribe(&s, bus, EVENT_ALL, SIZE_MAX, NULL), HEARTH_EINVAL);
    events_send(NULL, EVENT_TELEMETRY, json_object());
    events_unsubscribe(NULL);
    events_free(bus);
}

enum { SENDERS = 4, EACH = 500 };

static void *send_many(void *bus)
{
    for (int i = 0; i < EACH; i++)
        send_number(bus, EVENT_DOWNLOAD_PROGRESS, i);
    return NULL;
}

static void many_senders_lose_nothing_that_fits(void **state)
{
    events *bus;
    event_subscriber *s;
    event e;
    pthread_t threads[SENDERS];
    uint64_t last = 0;
    (void)state;
    assert_int_equal(events_new(&bus, NULL), HEARTH_OK);
    assert_int_equal(events_subscribe(&s, bus, EVENT_ALL, SENDERS * EACH, NULL), HEARTH_OK);
    for (int i = 0; i < SENDERS; i++)
        pthread_create(&threads[i], NULL, send_many, bus);
    for (int i = 0; i < SENDERS * EACH; i++) {
        assert_true(events_next(s, 60000, &e));
        assert_int_equal(e.lost, 0);
        assert_true(e.seq > last);
        last = e.seq;
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    events_unsubscribe(s);
    events_free(bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribers_hear_what_they_asked_for),
        cmocka_unit_test(the_oldest_are_lost_and_counted),
        cmocka_unit_test(limits_are_refused),
        cmocka_unit_test(many_senders_lose_nothing_that_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
