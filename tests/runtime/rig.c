/* SPDX-License-Identifier: MIT
 *
 * rig.c - see rig.h.
 */
#include "runtime/rig.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/clock.h"
#include "os/file.h"
#include "support/test_reference.h"

static hearth_status resolve_remote(const char *name, model_spec *out)
{
    model_spec_set(&out->id, "remote");
    model_spec_set(&out->url, name);
    model_spec_set(&out->key, "its-key");
    model_spec_set(&out->remote_name, "its-name");
    return HEARTH_OK;
}

/* "id", "id:mode", "id:mode:gate", "http://..." */
static hearth_status resolve(void *user, const char *name, model_spec *out, hearth_error *err)
{
    const rig *r = user;
    char text[256], *mode, *gate = NULL;
    snprintf(text, sizeof text, "%s", name);
    if (strcmp(name, "none") == 0)
        return error_set(err, HEARTH_ENOTFOUND, name, "there is no model 'none'");
    if (strncmp(name, "http", 4) == 0)
        return resolve_remote(name, out);
    mode = strchr(text, ':');
    if (mode)
        *mode++ = '\0';
    gate = mode ? strchr(mode, ':') : NULL;
    if (gate)
        *gate++ = '\0';
    model_spec_set(&out->id, text);
    model_spec_set(&out->path, "ember");
    out->n_ctx = r->n_ctx;
    out->kind = ENGINE_BUILTIN;
    if (mode && *mode) {
        model_spec_add_extra(out, "--fake");
        model_spec_add_extra(out, mode);
    }
    if (gate) {
        model_spec_add_extra(out, "--gate");
        model_spec_add_extra(out, gate);
    }
    return HEARTH_OK;
}

void rig_init(rig *r)
{
    *r = (rig){.n_ctx = 512};
    assert_int_equal(events_new(&r->bus, NULL), HEARTH_OK);
    assert_int_equal(
        events_subscribe(&r->heard, r->bus, EVENT_ALL & ~EVENT_BIT(EVENT_TELEMETRY), 4096, NULL),
        HEARTH_OK);
    assert_int_equal(file_read_all(HEARTH_SOURCE_DIR "/models/ember/ember.gguf", 1 << 30, &r->ember,
                                   &r->n_ember, NULL),
                     HEARTH_OK);
    assert_true(test_temporary(r->folder, sizeof r->folder));
    runtime_options_init(&r->options);
    r->options.resolve = resolve;
    r->options.user = r;
    r->options.bus = r->bus;
    r->options.engine_path = HEARTH_BUILD_DIR "/fake_engine";
    r->options.builtin = r->ember;
    r->options.n_builtin = r->n_ember;
    r->options.builtin_name = "ember";
    r->options.nvidia_smi = "";
    r->options.start_ms = 30000;
    r->options.stop_ms = 5000;
    r->options.retry_ms = 1;
    r->options.stay_ms = 0;
}

void rig_start(rig *r)
{
    hearth_error err = {0};
    if (runtime_new(&r->rt, &r->options, &err) != HEARTH_OK)
        fail_msg("runtime_new: %s", err.message);
}

void rig_stop(rig *r)
{
    runtime_free(r->rt);
    r->rt = NULL;
}

void rig_deinit(rig *r)
{
    rig_stop(r);
    events_unsubscribe(r->heard);
    events_free(r->bus);
    mem_free(r->ember);
    test_remove(r->folder);
}

json_t *rig_expect(rig *r, event_type type)
{
    event e;
    while (events_next(r->heard, PATIENCE_MS, &e)) {
        if (e.type == type)
            return json_loads(e.text, 0, NULL);
    }
    fail_msg("no event %s came", event_name(type));
    return NULL;
}

runtime_lease *rig_lease(rig *r, const char *name)
{
    runtime_lease *lease = NULL;
    runtime_failure failure;
    hearth_error err = {0};
    const runtime_wait wait = {.timeout_ms = PATIENCE_MS};
    if (runtime_acquire(r->rt, name, RUNTIME_KEEP_DEFAULT, &wait, &lease, &failure, &err) !=
        HEARTH_OK)
        fail_msg("no lease on %s: %s (%s)", name, err.message, failure.log ? failure.log : "");
    return lease;
}

uint64_t rig_bytes(rig *r)
{
    json_t *plan = NULL;
    hearth_error err = {0};
    if (runtime_plan(r->rt, "a", &plan, NULL, &err) != HEARTH_OK)
        fail_msg("no plan: %s", err.message);
    uint64_t bytes =
        (uint64_t)json_integer_value(json_object_get(json_object_get(plan, "memory"), "ram"));
    json_decref(plan);
    return bytes;
}

static size_t take(char *bytes, size_t size, size_t n, void *user)
{
    return buf_append(user, bytes, size * n) ? size * n : 0;
}

const char *rig_get(const runtime_lease *lease, const char *path, long *status)
{
    static char text[4096];
    const runtime_endpoint *e = runtime_lease_endpoint(lease);
    char url[512];
    buf body;
    buf_init(&body, sizeof text - 1);
    snprintf(url, sizeof url, "%s%s", e->base_url, path);
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    *status = 0;
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(curl);
    snprintf(text, sizeof text, "%s", body.data ? body.data : "");
    buf_deinit(&body);
    return text;
}

int rig_pid(rig *r, const char *id)
{
    json_t *o = runtime_find(r->rt, id);
    int pid = (int)json_integer_value(json_object_get(o, "pid"));
    json_decref(o);
    return pid;
}

bool rig_wait_gone(int pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd == -1)
        return errno == ESRCH;
    struct pollfd p = {fd, POLLIN, 0};
    const bool gone = poll(&p, 1, PATIENCE_MS) == 1;
    close(fd);
    return gone;
}

bool rig_until(bool (*condition)(void *user), void *user)
{
    const uint64_t end = clock_now_ns() + (uint64_t)PATIENCE_MS * 1000000;
    while (!condition(user)) {
        if (clock_now_ns() > end)
            return false;
        poll(NULL, 0, 5);
    }
    return true;
}
