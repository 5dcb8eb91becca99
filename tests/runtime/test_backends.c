/* SPDX-License-Identifier: MIT
 *
 * test_backends.c - builds of llama-server: installed, judged, replaced, rolled back, removed, and
 * run. The llama-server is the fake engine.
 */
#include "runtime/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/server.h"
#include "library/sha256.h"
#include "os/file.h"
#include "runtime/backend_install.h"
#include "support/test_reference.h"

static char work[64], data[96], archive[128];

/* An archive NAME with the fake engine in build/bin, and the file `beside` next to it. */
static void make_archive(const char *name, const char *beside)
{
    char command[800];
    snprintf(archive, sizeof archive, "%s/%s", work, name);
    snprintf(command, sizeof command,
             "cd '%s' && rm -rf tree && mkdir -p tree/build/bin && cp '%s/fake_engine' "
             "tree/build/bin/llama-server && : > 'tree/build/bin/%s' && tar -czf '%s' -C tree .",
             work, HEARTH_BUILD_DIR, beside, archive);
    assert_int_equal(system(command), 0);
}

static hearth_status install(const char *sha256, backend *out, hearth_error *err)
{
    backend_install_options o = {.data_folder = data, .archive = archive, .sha256 = sha256};
    *err = (hearth_error){0};
    return backend_install(&o, out, err);
}

static bool has(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", data, path);
    return file_exists(full);
}

/* What is in the folder of backends beside the given one: nothing may be left over. */
static void expect_clean(void)
{
    char command[256];
    snprintf(command, sizeof command,
             "test -z \"$(find '%s/backends' -name '.new-*' -o -name "
             "'.download*')\"",
             data);
    assert_int_equal(system(command), 0);
}

static void names_are_read(void **state)
{
    char version[32], type[64];
    (void)state;
    assert_true(backend_read_name("/x/llama-b6325-bin-ubuntu-vulkan-x64.zip", version,
                                  sizeof version, type, sizeof type));
    assert_string_equal(version, "b6325");
    assert_string_equal(type, "ubuntu-vulkan-x64");
    assert_true(backend_read_name("llama-b1-bin-linux-avx2-cuda-cu12.0-x64.tar.gz", version,
                                  sizeof version, type, sizeof type));
    assert_string_equal(type, "linux-avx2-cuda-cu12.0-x64");
    assert_false(backend_read_name("llama-b1.zip", version, sizeof version, type, sizeof type));
    assert_false(
        backend_read_name("llama-b1-bin-.zip", version, sizeof version, type, sizeof type));
}

static void a_backend_is_installed_and_replaced(void **state)
{
    backend b;
    hearth_error err;
    char sum[SHA256_HEX];
    (void)state;
    make_archive("llama-b100-bin-linux-x64.tar.gz", "first");
    assert_int_equal(sha256_file(archive, NULL, 0, 0, sum, NULL), HEARTH_OK);
    if (install(sum, &b, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    assert_true(b.usable && !b.for_gpu);
    assert_int_equal(b.build, 100);
    assert_true(has("backends/b100/linux-x64/build/bin/first"));
    make_archive("llama-b100-bin-linux-x64.tar.gz", "second");
    assert_int_equal(install(sum, &b, &err), HEARTH_EMISMATCH);
    assert_true(has("backends/b100/linux-x64/build/bin/first"));
    assert_int_equal(install(NULL, &b, &err), HEARTH_OK);
    assert_false(has("backends/b100/linux-x64/build/bin/first"));
    assert_true(has("backends/b100/linux-x64/build/bin/second"));
    expect_clean();
}

static void what_does_not_run_is_not_kept(void **state)
{
    backend b;
    hearth_error err;
    (void)state;
    make_archive("llama-b100-bin-linux-x64.tar.gz", "good");
    assert_int_equal(install(NULL, &b, &err), HEARTH_OK);
    make_archive("llama-b100-bin-linux-x64.tar.gz", "broken");
    assert_int_equal(install(NULL, &b, &err), HEARTH_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "something is missing"));
    assert_true(has("backends/b100/linux-x64/build/bin/good"));
    /* It ran where it was unpacked, and does not where it belongs: the old one comes back. */
    make_archive("llama-b100-bin-linux-x64.tar.gz", "homesick");
    assert_int_equal(install(NULL, &b, &err), HEARTH_EUNSUPPORTED);
    assert_true(has("backends/b100/linux-x64/build/bin/good"));
    assert_false(has("backends/b100/linux-x64/build/bin/homesick"));
    make_archive("llama-b200-bin-linux-x64.tar.gz", "homesick");
    assert_int_equal(install(NULL, &b, &err), HEARTH_EUNSUPPORTED);
    assert_false(has("backends/b200"));
    expect_clean();
    make_archive("llama-b100-bin-win-cuda-x64.tar.gz", "good");
    assert_int_equal(install(NULL, &b, &err), HEARTH_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "another system"));
    make_archive("llama-b100-bin-linux-cuda-12-x64.tar.gz", "good");
    assert_int_equal(install(NULL, &b, &err), HEARTH_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "no GPU"));
    snprintf(archive, sizeof archive, "https://example.org/llama-b1-bin-linux-x64.zip");
    assert_int_equal(install(NULL, &b, &err), HEARTH_EINVAL);
    expect_clean();
}

/* A server with the archive as its only file. */
static void serve_archive(void *app, const http_request *request, http_reply *reply)
{
    char *bytes;
    size_t n;
    (void)app;
    (void)request;
    reply->content_type = "application/gzip";
    if (file_read_all(archive, 64 << 20, &bytes, &n, NULL) != HEARTH_OK)
        return;
    buf_append(&reply->body, bytes, n);
    mem_free(bytes);
}

static void refuse(void *app, const char *path, int status, const char *message, http_reply *reply)
{
    (void)app;
    (void)path;
    (void)status;
    buf_append_text(&reply->body, message);
}

static void an_address_is_fetched_and_its_sum_compared(void **state)
{
    static const char name[] = "/llama-b300-bin-linux-x64.tar.gz";
    const http_route routes[] = {{HTTP_GET, name, serve_archive, HTTP_NOT_READY, NULL}};
    http_server *server;
    http_options o;
    backend b;
    hearth_error err = {0};
    char sum[SHA256_HEX], url[256];
    (void)state;
    make_archive(name + 1, "fetched");
    assert_int_equal(sha256_file(archive, NULL, 0, 0, sum, NULL), HEARTH_OK);
    http_options_init(&o);
    o.host = "127.0.0.1";
    o.routes = routes;
    o.n_routes = 1;
    o.refuse = refuse;
    assert_int_equal(http_server_start(&server, &o, &err), HEARTH_OK);
    snprintf(url, sizeof url, "%s%s", http_server_url(server), name);
    backend_install_options i = {.data_folder = data, .archive = url, .sha256 = sum};
    if (backend_install(&i, &b, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    assert_true(has("backends/b300/linux-x64/build/bin/fetched"));
    expect_clean();
    sum[0] = sum[0] == '0' ? '1' : '0';
    assert_int_equal(backend_install(&i, &b, &err), HEARTH_EMISMATCH);
    expect_clean();
    http_server_stop(server, 0, NULL);
    http_server_free(server);
}

static void the_newest_that_can_run_is_best(void **state)
{
    static const char *const names[] = {"llama-b9999-bin-linux-x64.tar.gz",
                                        "llama-b10000-bin-linux-x64.tar.gz",
                                        "llama-b9000-bin-linux-vulkan-x64.tar.gz"};
    backend b, *all;
    size_t n;
    hearth_error err;
    gpu small = {.total_bytes = UINT64_C(2) << 30, .driver = "550.1"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        make_archive(names[i], "x");
        assert_int_equal(install(NULL, &b, &err), HEARTH_OK);
    }
    assert_int_equal(backends_choose(data, NULL, &small, 1, &b, &err), HEARTH_OK);
    assert_string_equal(b.version, "b10000");
    small.total_bytes = UINT64_C(24) << 30;
    assert_int_equal(backends_choose(data, NULL, &small, 1, &b, &err), HEARTH_OK);
    assert_string_equal(b.type, "linux-vulkan-x64");
    assert_int_equal(backends_choose(data, "b9999/linux-x64", &small, 1, &b, &err), HEARTH_OK);
    assert_int_equal(b.build, 9999);
    assert_int_equal(backends_choose(data, "b1/linux-x64", &small, 1, &b, &err), HEARTH_ENOTFOUND);
    assert_int_equal(backends_list(data, &small, 1, &all, &n, &err), HEARTH_OK);
    assert_int_equal(n, 3);
    mem_free(all);
    assert_int_equal(backend_remove(data, "b9000/linux-vulkan-x64", &err), HEARTH_OK);
    assert_false(has("backends/b9000"));
    assert_int_equal(backend_remove(data, "b9000/linux-vulkan-x64", &err), HEARTH_ENOTFOUND);
    assert_int_equal(backend_remove(data, "../x", &err), HEARTH_EINVAL);
    expect_clean();
}

static void cuda_asks_for_a_driver(void **state)
{
    gpu card = {.total_bytes = UINT64_C(24) << 30, .driver = "510.47.03"};
    backend b = {.type = "linux-cuda-12-x64"};
    (void)state;
    snprintf(b.program, sizeof b.program, "%s/fake_engine", HEARTH_BUILD_DIR);
    backend_judge(&b, &card, 1);
    assert_false(b.usable);
    assert_non_null(strstr(b.reason, "525.60.13"));
    snprintf(card.driver, sizeof card.driver, "525.60.13");
    backend_judge(&b, &card, 1);
    assert_true(b.usable && b.for_gpu);
}

static hearth_status resolve_seeing(void *user, const char *name, model_spec *out,
                                    hearth_error *err)
{
    (void)user;
    (void)err;
    model_spec_set(&out->id, name);
    model_spec_set(&out->path, "ember");
    model_spec_set(&out->mmproj, HEARTH_SOURCE_DIR "/models/ember/ember.gguf");
    out->n_ctx = 512;
    return HEARTH_OK;
}

static void who_sees_is_run_by_what_can_see(void **state)
{
    rig r;
    backend b;
    hearth_error err = {0};
    runtime_failure failure;
    runtime_lease *lease;
    char path[256];
    (void)state;
    rig_init(&r);
    snprintf(path, sizeof path, "%s/ember.gguf", work);
    r.options.resolve = resolve_seeing;
    rig_start(&r);
    assert_int_equal(runtime_acquire(r.rt, "a", RUNTIME_KEEP_DEFAULT, NULL, &lease, &failure, &err),
                     HEARTH_EUNSUPPORTED);
    assert_int_equal(failure.code, RUNTIME_NO_ENGINE);
    assert_non_null(strstr(err.message, "cannot see"));
    rig_stop(&r);
    make_archive("llama-b100-bin-linux-vulkan-x64.tar.gz", "x");
    assert_int_equal(install(NULL, &b, &err), HEARTH_OK);
    r.options.data_folder = data;
    /* The built-in model is in no file, so that no other program can have it. */
    r.options.builtin_name = NULL;
    assert_int_equal(symlink(HEARTH_SOURCE_DIR "/models/ember/ember.gguf", path), 0);
    assert_int_equal(chdir(work), 0);
    assert_int_equal(symlink("ember.gguf", "ember"), 0);
    rig_start(&r);
    lease = rig_lease(&r, "a");
    const runtime_endpoint *e = runtime_lease_endpoint(lease);
    assert_int_equal(e->kind, ENGINE_LLAMA_SERVER);
    assert_true(e->sees);
    json_t *o = runtime_find(r.rt, "a");
    json_t *plan = json_object_get(o, "plan");
    assert_string_equal(json_string_value(json_object_get(plan, "mode")), "gpu");
    assert_string_equal(json_string_value(json_object_get(plan, "backend")),
                        "b100/linux-vulkan-x64");
    json_decref(o);
    runtime_release(lease);
    rig_deinit(&r);
}

static int setup(void **state)
{
    (void)state;
    if (!test_temporary(work, sizeof work))
        return -1;
    snprintf(data, sizeof data, "%s/data", work);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_remove(work);
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(names_are_read),
        T(a_backend_is_installed_and_replaced),
        T(what_does_not_run_is_not_kept),
        T(an_address_is_fetched_and_its_sum_compared),
        T(the_newest_that_can_run_is_best),
        T(cuda_asks_for_a_driver),
        T(who_sees_is_run_by_what_can_see),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
