/* SPDX-License-Identifier: MIT
 *
 * test_models.c - libhearth-models as an application uses it, and misuses it: entries that outlive
 * their models, one model active at a time, downloads that are given up, many threads at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hearth/hearth.h>
#include <hearth/models.h>

#include "support/test_reference.h"
#include "support/tiny_model.h"

enum { N_THREADS = 8, N_ROUNDS = 12 };

static test_folder folder;
static char own[PATH_MAX], file[PATH_MAX], broken[PATH_MAX];
static hearth_models *models;
static hearth_error err;

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

static void refused(hearth_status status, hearth_status expected, const char *named)
{
    if (status != expected || strstr(err.message, named) == NULL)
        fail_msg("%s: '%s' in place of %s with '%s'", hearth_status_name(status), err.message,
                 hearth_status_name(expected), named);
}

static hearth_status bring(const char *path, const char *name, const hearth_models_entry **out)
{
    hearth_models_import_options o;
    hearth_models_import_options_init(&o);
    o.path = path;
    o.name = name;
    return hearth_models_import(models, &o, out, &err);
}

static int open_models(void **state)
{
    tiny_model_options t;
    hearth_models_options o;
    (void)state;
    test_folder_make(&folder);
    test_folder_path(&folder, "own", own);
    test_folder_path(&folder, "tiny.gguf", file);
    test_folder_path(&folder, "broken.gguf", broken);
    tiny_model_options_init(&t, "llama");
    tiny_model_write(file, &t);
    hearth_models_options_init(&o);
    o.folder = own;
    o.huggingface = o.lmstudio = o.ollama = false;
    o.cache = "";
    ok(hearth_models_open(&models, &o, &err));
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    hearth_models_close(models);
    models = NULL;
    test_folder_remove(&folder);
    return 0;
}

static void test_entries(void **state)
{
    const hearth_models_entry *entry, *again;
    const hearth_models_entry *const *list;
    uint64_t version = hearth_models_version(models), freed = 1;
    char sum[65];
    size_t n;
    (void)state;
    ok(bring(file, "house/small", &entry));
    assert_true(hearth_models_version(models) > version);
    assert_string_equal(entry->name, "house/small");
    assert_string_equal(entry->path, file);
    assert_string_equal(entry->origin, "hearth");
    assert_string_equal(entry->architecture, "llama");
    assert_string_equal(entry->sha256, "");
    assert_string_equal(entry->mmproj_path, "");
    assert_true(isnan(entry->temperature) && !entry->own_files && !entry->active);
    assert_true(entry->capabilities & HEARTH_MODELS_COMPLETION);
    assert_true(entry->size_bytes > 0 && entry->n_files == 1);
    ok(hearth_models_verify(models, "house/small", NULL, sum, &err));
    ok(hearth_models_set(models, "house/small", "temperature", "0.25", &err));
    ok(hearth_models_set(models, "house/small", "contextSize", "32", &err));
    ok(hearth_models_mark_used(models, "house/small", &err));
    ok(hearth_models_find(models, "small", &again, &err));
    assert_true(again->temperature == 0.25 && isnan(entry->temperature));
    assert_int_equal(again->context_size, 32);
    assert_int_equal(again->usage_count, 1);
    assert_string_equal(again->sha256, sum);
    assert_ptr_equal(hearth_models_entry_ref(again), again);
    hearth_models_entry_unref(again);
    ok(hearth_models_rename(models, "house/small", "house/little", &err));
    ok(hearth_models_list(models, &list, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(list[0]->name, "ember");
    assert_string_equal(list[0]->path, "");
    assert_string_equal(list[1]->name, "house/little");
    hearth_models_list_free(list, n);
    ok(hearth_models_remove(models, "house/little", &freed, &err));
    assert_int_equal(access(file, R_OK), 0);
    assert_string_equal(again->name, "house/small"); /* still held */
    hearth_models_entry_unref(again);
    hearth_models_entry_unref(entry);
    hearth_models_entry_unref(NULL);
}

static void test_misuse(void **state)
{
    hearth_models_options o = {0};
    hearth_models_known known = {.struct_size = sizeof known};
    hearth_models *other = (hearth_models *)&o;
    hearth_models_import_options import;
    const hearth_models_entry *entry;
    (void)state;
    refused(hearth_models_open(&other, &o, &err), HEARTH_EINVAL, "struct_size");
    assert_null(other);
    hearth_models_import_options_init(&import);
    refused(hearth_models_import(models, &import, NULL, &err), HEARTH_EINVAL, "path");
    refused(hearth_models_import(models, NULL, NULL, &err), HEARTH_EINVAL, "path");
    refused(bring(file, "../out", NULL), HEARTH_EINVAL, "'../out'");
    refused(bring(broken, NULL, NULL), HEARTH_ENOTFOUND, "broken");
    refused(hearth_models_find(models, NULL, &entry, &err), HEARTH_EINVAL, "name");
    refused(hearth_models_find(models, "nobody", &entry, &err), HEARTH_ENOTFOUND, "nobody");
    refused(hearth_models_set(models, "ember", NULL, "1", &err), HEARTH_EINVAL, "key");
    refused(hearth_models_set(models, "ember", "temperature", "1", &err), HEARTH_EUNSUPPORTED, "");
    refused(hearth_models_remove(models, "ember", NULL, &err), HEARTH_EUNSUPPORTED, "ember");
    refused(hearth_models_download(models, NULL, NULL, &err), HEARTH_EINVAL, "reference");
    ok(hearth_models_get_known(0, &known, &err));
    assert_string_equal(known.name, "ember");
    refused(hearth_models_get_known(hearth_models_n_known(), &known, &err), HEARTH_EINVAL, "known");
    known.struct_size = 0;
    refused(hearth_models_get_known(0, &known, &err), HEARTH_EINVAL, "struct_size");
    assert_string_equal(hearth_models_capability_name(HEARTH_MODELS_RERANK), "rerank");
    assert_string_equal(hearth_models_capability_name(3), "");
    hearth_models_close(NULL);
}

/* ---- in memory ---- */

static void test_active(void **state)
{
    const hearth_models_active *active;
    hearth_engine_options o;
    hearth_model_options m;
    hearth_model *loaded;
    hearth_sampler_options sampling;
    const char *override = "general.sampling.top_k=int:7";
    (void)state;
    ok(bring(file, "one", NULL));
    ok(bring(file, "two", NULL));
    ok(hearth_models_set(models, "one", "contextSize", "32", &err));
    ok(hearth_models_set(models, "one", "topK", "9", &err));
    ok(hearth_models_set(models, "one", "temperature", "0.5", &err));
    assert_null(hearth_models_get_active(models));
    ok(hearth_models_activate(models, "one", NULL, NULL, &active, &err));
    assert_ptr_equal(hearth_models_get_active(models), active);
    assert_true(active->entry->active && active->initialized_ms > 0);
    assert_int_equal(hearth_engine_get_plan(active->engine)->memory.n_ctx, 32);
    refused(hearth_models_remove(models, "one", NULL, &err), HEARTH_EBUSY, "one");
    refused(hearth_models_rename(models, "one", "three", &err), HEARTH_EBUSY, "one");
    /* A wrong name takes nothing away. */
    refused(hearth_models_activate(models, "nobody", NULL, NULL, &active, &err), HEARTH_ENOTFOUND,
            "nobody");
    assert_null(active);
    assert_string_equal(hearth_models_get_active(models)->entry->name, "one");
    hearth_engine_options_init(&o);
    o.n_ctx = 64;
    o.n_threads = 1;
    ok(hearth_models_activate(models, "two", NULL, &o, &active, &err));
    assert_int_equal(hearth_engine_get_plan(active->engine)->memory.n_ctx, 64);
    ok(hearth_models_remove(models, "one", NULL, &err));
    /* Options that cannot be: the old one had to go first. */
    o.n_threads = -1;
    refused(hearth_models_activate(models, "two", NULL, &o, &active, &err), HEARTH_EINVAL, "-1");
    assert_null(hearth_models_get_active(models));
    hearth_models_deactivate(models);
    /* What model.yml says of answering holds, but for what the caller says. */
    ok(bring(file, "one", NULL));
    ok(hearth_models_set(models, "one", "topK", "9", &err));
    ok(hearth_models_set(models, "one", "temperature", "0.5", &err));
    hearth_model_options_init(&m);
    m.overrides = &override;
    m.n_overrides = 1;
    ok(hearth_models_load(models, "one", &m, &loaded, &err));
    hearth_model_sampler_options(loaded, &sampling);
    assert_int_equal(sampling.top_k, 7);
    assert_true(sampling.temperature == 0.5f);
    hearth_model_close(loaded);
    ok(hearth_models_load(models, "ember", NULL, &loaded, &err)); /* the built-in one */
    assert_string_equal(hearth_model_get_info(loaded)->path, "");
    hearth_model_close(loaded);
    /* A file that is gone, or none of a model's, is told, and none is active. */
    ok(hearth_models_activate(models, "two", NULL, NULL, &active, &err));
    test_write_file(file, "GGUF and no more", 16);
    ok(hearth_models_scan(models, &err));
    refused(hearth_models_activate(models, "one", NULL, NULL, &active, &err), HEARTH_EFORMAT,
            "one");
    assert_string_equal(hearth_models_get_active(models)->entry->name, "two");
}

/* ---- downloads ---- */

static bool give_up(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return ++*(int *)user < 2;
}

/* Of a server that takes connections and says nothing. */
static void test_download_given_up(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof to;
    hearth_models_download_options o;
    char reference[64];
    int n_asked = 0, s = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    assert_int_equal(bind(s, (struct sockaddr *)&to, n), 0);
    assert_int_equal(listen(s, 8), 0);
    getsockname(s, (struct sockaddr *)&to, &n);
    snprintf(reference, sizeof reference, "http://127.0.0.1:%u/silent.gguf",
             (unsigned)ntohs(to.sin_port));
    hearth_models_download_options_init(&o);
    o.reference = reference;
    o.progress = (hearth_progress){give_up, &n_asked};
    refused(hearth_models_download(models, &o, NULL, &err), HEARTH_ECANCELED, "");
    assert_int_equal(n_asked, 2);
    close(s);
}

/* ---- many threads ---- */

static atomic_int n_wrong;

static void expect(hearth_status status, hearth_status a, hearth_status b, const hearth_error *e)
{
    if (status == HEARTH_OK || status == a || status == b)
        return;
    printf("wrong: %s: %s\n", hearth_status_name(status), e->message);
    atomic_fetch_add(&n_wrong, 1);
}

static void *visit(void *user)
{
    const int number = *(int *)user;
    const hearth_models_entry *const *list;
    const hearth_models_entry *entry;
    const hearth_models_active *active;
    hearth_models_import_options import;
    hearth_engine_options o;
    hearth_error e = {0};
    char name[16];
    size_t n;
    hearth_models_import_options_init(&import);
    hearth_engine_options_init(&o);
    o.n_ctx = 32;
    o.n_threads = 1;
    import.path = file;
    for (int i = 0; i < N_ROUNDS; i++) {
        snprintf(name, sizeof name, "n%d", (number + i) % 3);
        import.name = name;
        switch ((number + i) % 4) {
        case 0:
            expect(hearth_models_import(models, &import, NULL, &e), HEARTH_EMISMATCH, HEARTH_OK,
                   &e);
            break;
        case 1:
            expect(hearth_models_list(models, &list, &n, &e), HEARTH_OK, HEARTH_OK, &e);
            hearth_models_list_free(list, n);
            break;
        case 2:
            expect(hearth_models_activate(models, name, NULL, &o, &active, &e), HEARTH_ENOTFOUND,
                   HEARTH_OK, &e);
            break;
        default:
            if (hearth_models_find(models, name, &entry, &e) == HEARTH_OK)
                hearth_models_entry_unref(entry);
            expect(hearth_models_remove(models, name, NULL, &e), HEARTH_ENOTFOUND, HEARTH_EBUSY,
                   &e);
        }
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    pthread_t threads[N_THREADS];
    int numbers[N_THREADS];
    (void)state;
    for (int i = 0; i < N_THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &numbers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&n_wrong), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_entries, open_models, close_models),
        cmocka_unit_test_setup_teardown(test_misuse, open_models, close_models),
        cmocka_unit_test_setup_teardown(test_active, open_models, close_models),
        cmocka_unit_test_setup_teardown(test_download_given_up, open_models, close_models),
        cmocka_unit_test_setup_teardown(test_many_threads, open_models, close_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
