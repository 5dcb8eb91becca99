/* SPDX-License-Identifier: MIT
 *
 * test_real_engine.c - `hearth engine` with Ember under the supervisor: it is planned, started,
 * answers with the lease's key alone, is measured, keeps within its plan, and ends.
 */
#include "runtime/rig.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static size_t take(char *bytes, size_t size, size_t n, void *user)
{
    return buf_append(user, bytes, size * n) ? size * n : 0;
}

/* POST of JSON; the status, 0 if there was no answer. */
static long post(const char *base, const char *path, const char *key, const char *json, buf *body)
{
    char url[512], bearer[200];
    long status = 0;
    snprintf(url, sizeof url, "%s%s", base, path);
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", key);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, bearer);
    CURL *curl = curl_easy_init();
    buf_clear(body);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return status;
}

static const char chat[] = "{\"model\":\"a\",\"max_tokens\":8,\"temperature\":0,"
                           "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}";

static void ember_answers_under_the_supervisor(void **state)
{
    rig *r = *state;
    buf body;
    event_subscriber *watcher;
    event e;
    rig_start(r);
    buf_init(&body, 1 << 20);
    assert_int_equal(events_subscribe(&watcher, r->bus, EVENT_BIT(EVENT_TELEMETRY), 64, NULL),
                     HEARTH_OK);
    runtime_lease *lease = rig_lease(r, "a");
    const runtime_endpoint *at = runtime_lease_endpoint(lease);
    assert_int_equal(post(at->base_url, "/v1/chat/completions", "wrong", chat, &body), 401);
    assert_int_equal(post(at->base_url, "/v1/chat/completions", at->key, chat, &body), 200);
    json_t *answer = json_loads(body.data, 0, NULL);
    json_t *choice = json_array_get(json_object_get(answer, "choices"), 0);
    assert_non_null(json_object_get(json_object_get(choice, "message"), "content"));
    json_decref(answer);

    json_t *o = runtime_find(r->rt, "a");
    const json_int_t reserved = json_integer_value(json_object_get(o, "reserved_bytes"));
    json_decref(o);
    bool measured = false;
    while (!measured && events_next(watcher, PATIENCE_MS, &e)) {
        json_t *sample = json_loads(e.text, 0, NULL);
        json_t *of_a = json_array_get(json_object_get(sample, "engines"), 0);
        if (json_is_real(json_object_get(of_a, "tokens_per_second"))) {
            measured = true;
            assert_true(json_integer_value(json_object_get(of_a, "rss")) <= reserved);
            assert_true(json_is_real(json_object_get(of_a, "cache")));
        }
        json_decref(sample);
    }
    assert_true(measured);
    runtime_release(lease);
    int pid = rig_pid(r, "a");
    assert_int_equal(runtime_unload(r->rt, "a", false, &(runtime_wait){0}, NULL), HEARTH_OK);
    assert_true(rig_wait_gone(pid));
    events_unsubscribe(watcher);
    buf_deinit(&body);
}

static void what_the_engine_refuses_is_told_in_its_words(void **state)
{
    rig *r = *state;
    runtime_lease *lease;
    runtime_failure failure;
    hearth_error err = {0};
    rig_start(r);
    /* --fake is no flag of the real one */
    assert_int_equal(
        runtime_acquire(r->rt, "a:x", RUNTIME_KEEP_DEFAULT, NULL, &lease, &failure, &err),
        HEARTH_EIO);
    assert_int_equal(failure.code, RUNTIME_START_FAILED);
    assert_non_null(strstr(failure.log, "--fake"));
    runtime_failure_deinit(&failure);
}

static int setup(void **state)
{
    rig *r = test_calloc(1, sizeof *r);
    rig_init(r);
    r->options.engine_path = HEARTH_BUILD_DIR "/hearth";
    r->options.sample_ms = 50;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_deinit(*state);
    test_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ember_answers_under_the_supervisor, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_engine_refuses_is_told_in_its_words, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
