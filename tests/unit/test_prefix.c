/* SPDX-License-Identifier: MIT
 *
 * test_prefix.c - the prefix tree alone, and the disk tier below an engine.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/engine_run.h"
#include "support/test_reference.h"
#include "support/tiny_model.h"

#include "engine/page_store.h"
#include "engine/prefix_tree.h"
#include "os/file.h"

enum { N_CTX = 512, N_VOCAB = 320, N_PAGES = 6 };

static test_folder folder;
static char model_path[PATH_MAX], disk[PATH_MAX];
static hearth_model *model;
static hearth_error err;
static hearth_sampler_options sampling;
static int n_warnings;

static void ok(hearth_status status)
{
    if (status != HEARTH_OK)
        fail_msg("%s: %s", hearth_status_name(status), err.message);
}

/* ---- the tree ---- */

typedef struct fixture {
    page_pool pool;
    prefix_tree tree;
} fixture;

static void open_tree(fixture *f)
{
    kv_layout layout = {.page_bytes = 64};
    ok(page_pool_init(&f->pool, &layout, N_PAGES, &err));
    ok(prefix_tree_init(&f->tree, &f->pool, 1, &err));
}

static void close_tree(fixture *f)
{
    prefix_tree_deinit(&f->tree);
    page_pool_deinit(&f->pool);
}

/* A page with these tokens, which only the tree refers to. */
static uint32_t add(fixture *f, uint32_t parent, const int32_t *tokens, size_t n)
{
    uint32_t page = page_pool_take(&f->pool);
    assert_true(page != NO_PAGE);
    uint32_t node = prefix_tree_add(&f->tree, parent, tokens, n, page);
    page_pool_unref(&f->pool, page);
    return node;
}

static void test_tree_finds(void **state)
{
    (void)state;
    fixture f;
    int32_t text[3 * KV_PAGE], other[3 * KV_PAGE];
    size_t n_same;
    open_tree(&f);
    engine_run_text(text, 3 * KV_PAGE, N_VOCAB, 1);
    memcpy(other, text, sizeof text);
    other[KV_PAGE + 10] = 1;
    uint32_t a = add(&f, PREFIX_ROOT, text, KV_PAGE);
    uint32_t b = add(&f, a, text + KV_PAGE, KV_PAGE);
    assert_int_equal(prefix_tree_find(&f.tree, PREFIX_ROOT, text), a);
    assert_int_equal(prefix_tree_find(&f.tree, a, text + KV_PAGE), b);
    assert_int_equal(prefix_tree_find(&f.tree, PREFIX_ROOT, text + KV_PAGE), NO_PAGE);
    assert_int_equal(prefix_tree_find(&f.tree, a, other + KV_PAGE), NO_PAGE);
    assert_int_equal(prefix_tree_find_similar(&f.tree, a, other + KV_PAGE, KV_PAGE, &n_same), b);
    assert_int_equal(n_same, 10);
    /* The same text again: the page that is there stays, the other is free again. */
    assert_int_equal(add(&f, PREFIX_ROOT, text, KV_PAGE), a);
    assert_int_equal(f.pool.n_free, N_PAGES - 2);
    close_tree(&f);
}

static void test_tree_ends_of_text(void **state)
{
    (void)state;
    fixture f;
    int32_t text[KV_PAGE];
    size_t n_same;
    open_tree(&f);
    engine_run_text(text, KV_PAGE, N_VOCAB, 2);
    uint32_t end = add(&f, PREFIX_ROOT, text, 20);
    assert_int_equal(add(&f, PREFIX_ROOT, text, 10), end); /* less is known already */
    assert_int_equal(prefix_tree_find_similar(&f.tree, PREFIX_ROOT, text, 15, &n_same), end);
    assert_int_equal(n_same, 15);
    uint32_t longer = add(&f, PREFIX_ROOT, text, 30); /* more takes its place */
    assert_int_equal(f.pool.n_free, N_PAGES - 1);
    assert_int_equal(prefix_tree_find(&f.tree, PREFIX_ROOT, text), NO_PAGE);
    uint32_t whole = add(&f, PREFIX_ROOT, text, KV_PAGE);
    assert_int_equal(f.pool.n_free, N_PAGES - 1);
    assert_int_equal(prefix_tree_find(&f.tree, PREFIX_ROOT, text), whole);
    assert_true(longer != whole);
    close_tree(&f);
}

static void test_tree_evicts(void **state)
{
    (void)state;
    fixture f;
    int32_t texts[4][2 * KV_PAGE];
    open_tree(&f);
    for (uint32_t i = 0; i < 4; i++)
        engine_run_text(texts[i], 2 * KV_PAGE, N_VOCAB, 10 + i);
    uint32_t a = add(&f, PREFIX_ROOT, texts[0], KV_PAGE);
    uint32_t a2 = add(&f, a, texts[0] + KV_PAGE, KV_PAGE);
    uint32_t b = add(&f, PREFIX_ROOT, texts[1], KV_PAGE);
    uint32_t c = add(&f, PREFIX_ROOT, texts[2], KV_PAGE);
    for (int i = 0; i < 3; i++)
        prefix_tree_use(&f.tree, c);
    page_pool_ref(&f.pool, b); /* somebody uses it */
    assert_int_equal(prefix_tree_n_unused(&f.tree), 3);
    assert_true(prefix_tree_evict(&f.tree)); /* a has a child, so that leaves first */
    assert_int_equal(prefix_tree_find(&f.tree, a, texts[0] + KV_PAGE), NO_PAGE);
    assert_int_equal(f.pool.references[a2], 0);
    assert_true(prefix_tree_evict(&f.tree));
    assert_int_equal(prefix_tree_find(&f.tree, PREFIX_ROOT, texts[0]), NO_PAGE);
    assert_true(prefix_tree_evict(&f.tree)); /* used more often, so last */
    assert_int_equal(prefix_tree_find(&f.tree, PREFIX_ROOT, texts[2]), NO_PAGE);
    assert_false(prefix_tree_evict(&f.tree));
    assert_int_equal(prefix_tree_find(&f.tree, PREFIX_ROOT, texts[1]), b);
    page_pool_unref(&f.pool, b);
    assert_true(prefix_tree_evict(&f.tree));
    assert_int_equal(f.pool.n_free, N_PAGES);
    assert_int_equal(f.tree.n_evicted, 4);
    close_tree(&f);
}

/* ---- the disk tier ---- */

static void count_warning(void *user, hearth_log_level level, const char *message)
{
    (void)user;
    (void)message;
    n_warnings += level == HEARTH_LOG_WARNING;
}

static hearth_engine *open_engine(uint64_t disk_bytes)
{
    hearth_engine *engine;
    hearth_engine_options o;
    hearth_engine_options_init(&o);
    o.n_ctx = N_CTX;
    o.n_threads = 1;
    o.disk_dir = disk;
    o.disk_bytes = disk_bytes;
    o.log = (hearth_log){.fn = count_warning, .level = HEARTH_LOG_WARNING};
    ok(hearth_engine_open(&engine, model, &o, &err));
    return engine;
}

static void ask(engine_run *run, hearth_engine *engine, size_t n, uint32_t seed)
{
    static int32_t tokens[N_CTX];
    hearth_request_options o;
    hearth_request_options_init(&o);
    engine_run_text(tokens, N_CTX, N_VOCAB, seed);
    o.tokens = tokens;
    o.n_tokens = n;
    o.max_tokens = 5;
    o.sampler = &sampling;
    o.ignore_eos = true;
    o.n_probs = 4;
    engine_run_whole(run, engine, &o);
    assert_int_equal(run->status, HEARTH_OK);
}

/* Every file of the disk tier; changes each if asked. */
static size_t for_files(const char *change, uint64_t *n_bytes)
{
    size_t n = 0;
    struct dirent *found;
    DIR *d = opendir(disk);
    *n_bytes = 0;
    while (d && (found = readdir(d)) != NULL) {
        char path[PATH_MAX * 2];
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", disk, found->d_name);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        n++;
        *n_bytes += (uint64_t)info.st_size;
        if (strcmp(change, "flip") == 0) {
            FILE *f = fopen(path, "r+b");
            fseek(f, info.st_size / 2, SEEK_SET);
            int byte = fgetc(f);
            fseek(f, info.st_size / 2, SEEK_SET);
            fputc(byte ^ 1, f);
            fclose(f);
        } else if (strcmp(change, "cut") == 0) {
            assert_int_equal(truncate(path, (off_t)(n % 3 ? info.st_size / 2 : 3)), 0);
        } else if (strcmp(change, "remove") == 0) {
            unlink(path);
        }
    }
    if (d)
        closedir(d);
    return n;
}

static void on_written(void *user)
{
    (void)user;
}

/* What waits goes to disk after what it follows, and once. */
static void test_tree_stores_in_order(void **state)
{
    (void)state;
    fixture f;
    int32_t text[3 * KV_PAGE], path[3 * KV_PAGE];
    uint32_t nodes[3], parent = PREFIX_ROOT;
    open_tree(&f);
    engine_run_text(text, 3 * KV_PAGE, N_VOCAB, 8);
    page_pool_take(&f.pool); /* so that no number is its place */
    for (int i = 0; i < 3; i++)
        nodes[i] = parent = add(&f, parent, text + i * KV_PAGE, KV_PAGE);
    assert_int_equal(prefix_tree_next_to_store(&f.tree), NO_PAGE);
    for (int i = 2; i >= 0; i--)
        prefix_tree_want_stored(&f.tree, nodes[i]);
    for (int i = 0; i < 3; i++) {
        size_t n = (size_t)(i + 1) * KV_PAGE;
        assert_int_equal(f.tree.n_waiting, 3 - i);
        assert_int_equal(prefix_tree_next_to_store(&f.tree), nodes[i]);
        assert_int_equal(prefix_tree_path(&f.tree, nodes[i], path), n);
        assert_memory_equal(path, text, n * sizeof *text);
        prefix_tree_set_stored(&f.tree, nodes[i]);
        prefix_tree_want_stored(&f.tree, nodes[i]);
    }
    assert_int_equal(f.tree.n_waiting, 0);
    uint32_t late = add(&f, PREFIX_ROOT, text + KV_PAGE, KV_PAGE);
    prefix_tree_want_stored(&f.tree, late);
    while (prefix_tree_evict(&f.tree))
        ;
    assert_int_equal(f.tree.n_waiting, 0);
    assert_int_equal(f.tree.n_lost, 1);
    close_tree(&f);
}

/* The queue takes what it may; the rest is asked for again and is not lost. */
static void test_disk_queue(void **state)
{
    (void)state;
    static uint8_t data[4][64];
    int32_t text[4 * KV_PAGE];
    uint64_t n_bytes;
    page_store *store;
    page_store_options o = {.folder = disk,
                            .max_bytes = 1 << 20,
                            .fingerprint = 1,
                            .page_bytes = sizeof data[0],
                            .n_queue = 2,
                            .written = on_written};
    engine_run_text(text, 4 * KV_PAGE, N_VOCAB, 9);
    ok(page_store_open(&store, &o, &err));
    for (uint32_t i = 0; i < 4; i++) {
        memset(data[i], (int)i + 1, sizeof data[i]);
        bool taken = page_store_write(store, i, text, (i + 1) * KV_PAGE, i, data[i]);
        assert_int_equal(taken, i < 2); /* written ones count until they are taken back */
    }
    uint32_t n = 0;
    for (uint32_t next = 2; page_store_wait_written(store); n++) {
        uint32_t page = page_store_take_written(store);
        assert_true(page < 4);
        assert_true(page_store_has_room(store));
        if (next < 4)
            assert_true(
                page_store_write(store, next, text, (next + 1) * KV_PAGE, next, data[next]));
        next++;
    }
    assert_int_equal(n, 4);
    assert_int_equal(page_store_count(store).n_written, 4);
    assert_int_equal(page_store_count(store).n_dropped, 0);
    page_store_close(store);
    assert_int_equal(for_files("remove", &n_bytes), 4);
}

static hearth_engine_stats settled_stats(hearth_engine *engine)
{
    hearth_engine_stats s = {.struct_size = sizeof s};
    do {
        ok(hearth_engine_get_stats(engine, &s, &err));
    } while (s.n_running > 0 || s.n_waiting > 0);
    return s;
}

/* As many pages as one text has: one at a time is written, and all of them are. */
static void test_disk_below_a_small_pool(void **state)
{
    (void)state;
    engine_run first, again;
    uint64_t n_bytes;
    hearth_engine_plan_result plan;
    hearth_engine_options o;
    hearth_engine *engine;
    hearth_engine_options_init(&o);
    o.n_ctx = N_CTX;
    o.n_threads = 1;
    o.disk_dir = disk;
    ok(hearth_engine_plan(model, &o, &plan, &err));
    o.cache_bytes = N_CTX / KV_PAGE * plan.page_bytes;
    ok(hearth_engine_open(&engine, model, &o, &err));
    ask(&first, engine, 500, 11);
    hearth_engine_close(engine);
    assert_int_equal(for_files("", &n_bytes), 7);
    ok(hearth_engine_open(&engine, model, &o, &err));
    ask(&again, engine, 500, 11);
    assert_true(again.hash == first.hash);
    assert_int_equal(again.done.n_cached, 448);
    assert_int_equal(settled_stats(engine).n_disk_dropped, 0);
    hearth_engine_close(engine);
    assert_int_equal(for_files("remove", &n_bytes), 7);
}

/* A prompt of 2,000 tokens from disk: what it takes in work. A token that is read costs a pass over
 * its model's weights; a page that comes from disk its own bytes, once. */
static void test_disk_saves_work(void **state)
{
    (void)state;
    enum { N_LONG = 2050 };
    static int32_t tokens[N_LONG];
    char path[PATH_MAX];
    hearth_model *large;
    tiny_model_options mo;
    test_folder_path(&folder, "long.gguf", path);
    tiny_model_options_init(&mo, "llama");
    mo.n_ctx = 4096;
    tiny_model_write(path, &mo);
    ok(hearth_model_open(&large, path, NULL, &err));
    engine_run_text(tokens, N_LONG, N_VOCAB, 12);
    hearth_request_options r;
    hearth_request_options_init(&r);
    r.tokens = tokens;
    r.n_tokens = N_LONG;
    r.max_tokens = 4;
    r.sampler = &sampling;
    r.n_probs = 3;
    hearth_engine_options o;
    hearth_engine_options_init(&o);
    o.n_ctx = 2304;
    o.disk_dir = disk;
    o.no_drafts = true;
    uint64_t n_tokens[2], n_read[2], hashes[2], page_bytes = 0, n_bytes;
    for (int i = 0; i < 2; i++) {
        hearth_engine *engine;
        engine_run run;
        ok(hearth_engine_open(&engine, large, &o, &err));
        page_bytes = hearth_engine_get_plan(engine)->page_bytes;
        engine_run_whole(&run, engine, &r);
        assert_int_equal(run.status, HEARTH_OK);
        hearth_engine_stats s = settled_stats(engine);
        n_tokens[i] = s.n_prompt_tokens;
        n_read[i] = s.n_disk_read;
        hashes[i] = run.hash;
        hearth_engine_close(engine);
    }
    assert_true(hashes[0] == hashes[1]);
    assert_int_equal(n_tokens[0], N_LONG);
    assert_int_equal(n_read[0], 0);
    assert_int_equal(n_tokens[1], N_LONG % KV_PAGE);
    assert_int_equal(n_read[1], N_LONG / KV_PAGE);
    /* Bytes of weights that go through the processor for the one, and of pages for the other. */
    uint64_t weights = hearth_model_get_info(large)->file_bytes / 2;
    assert_true(n_tokens[0] * weights > 20 * (n_tokens[1] * weights + n_read[1] * page_bytes));
    assert_int_equal(for_files("remove", &n_bytes), N_LONG / KV_PAGE);
    hearth_model_close(large);
}

/* What nobody uses leaves, at any depth; what is in use, and what leads to it, stays. */
static void test_tree_evicts_all(void **state)
{
    (void)state;
    fixture f;
    int32_t text[4 * KV_PAGE];
    uint32_t nodes[4], parent = PREFIX_ROOT;
    open_tree(&f);
    engine_run_text(text, 4 * KV_PAGE, N_VOCAB, 10);
    for (int i = 0; i < 4; i++)
        nodes[i] = parent = add(&f, parent, text + i * KV_PAGE, KV_PAGE);
    add(&f, nodes[1], text, 20);
    page_pool_ref(&f.pool, nodes[0]);
    page_pool_ref(&f.pool, nodes[1]);
    prefix_tree_evict_all(&f.tree);
    assert_int_equal(f.pool.n_free, N_PAGES - 2);
    assert_int_equal(f.tree.n_evicted, 3);
    assert_int_equal(prefix_tree_find(&f.tree, nodes[0], text + KV_PAGE), nodes[1]);
    page_pool_unref(&f.pool, nodes[0]);
    page_pool_unref(&f.pool, nodes[1]);
    prefix_tree_want_stored(&f.tree, nodes[1]);
    prefix_tree_evict_all(&f.tree);
    assert_int_equal(f.pool.n_free, N_PAGES - 2);
    prefix_tree_set_stored(&f.tree, nodes[1]);
    prefix_tree_evict_all(&f.tree);
    assert_int_equal(f.pool.n_free, N_PAGES);
    close_tree(&f);
}

static void test_disk_brings_back(void **state)
{
    (void)state;
    engine_run first, again;
    uint64_t n_bytes;
    hearth_engine *engine = open_engine(0);
    ask(&first, engine, 300, 1);
    hearth_engine_close(engine);
    assert_int_equal(for_files("", &n_bytes), 4);
    engine = open_engine(0);
    ask(&again, engine, 300, 1);
    assert_int_equal(again.done.n_cached, 256);
    assert_true(again.hash == first.hash);
    ask(&again, engine, 300, 1); /* now from memory */
    assert_int_equal(again.done.n_cached, 299);
    hearth_engine_stats s = {.struct_size = sizeof s};
    do {
        ok(hearth_engine_get_stats(engine, &s, &err));
    } while (s.n_running > 0);
    assert_int_equal(s.n_disk_read, 4);
    hearth_engine_close(engine);
    assert_int_equal(for_files("remove", &n_bytes), 4);
    assert_int_equal(n_warnings, 0);
}

static void test_disk_is_damaged(void **state)
{
    (void)state;
    static const char *const changes[] = {"flip", "cut"};
    for (int i = 0; i < 2; i++) {
        engine_run first, again;
        uint64_t n_bytes;
        hearth_engine *engine = open_engine(0);
        ask(&first, engine, 200, 2);
        hearth_engine_close(engine);
        assert_int_equal(for_files(changes[i], &n_bytes), 3);
        n_warnings = 0;
        engine = open_engine(0);
        ask(&again, engine, 200, 2);
        assert_int_equal(again.done.n_cached, 0);
        assert_true(again.hash == first.hash);
        hearth_engine_close(engine);     /* written anew */
        assert_int_equal(n_warnings, 3); /* those behind the first too */
        n_warnings = 0;
        engine = open_engine(0);
        ask(&again, engine, 200, 2);
        assert_int_equal(again.done.n_cached, 192);
        assert_true(again.hash == first.hash);
        assert_int_equal(n_warnings, 0);
        hearth_engine_close(engine);
        for_files("remove", &n_bytes);
        n_warnings = 0;
    }
}

static void test_disk_budget(void **state)
{
    (void)state;
    engine_run run;
    uint64_t n_bytes, page = 0;
    hearth_engine *engine = open_engine(0);
    ask(&run, engine, 70, 3);
    hearth_engine_close(engine);
    assert_int_equal(for_files("", &page), 1);
    engine = open_engine(page * 5);
    for (uint32_t i = 0; i < 8; i++)
        ask(&run, engine, 130, 20 + i);
    hearth_engine_close(engine);
    assert_true(for_files("", &n_bytes) >= 2);
    assert_true(n_bytes <= page * 5);
    /* What was used last is there. */
    engine = open_engine(page * 5);
    ask(&run, engine, 130, 27);
    assert_int_equal(run.done.n_cached, 128);
    hearth_engine_close(engine);
    for_files("remove", &n_bytes);
}

static void test_disk_cannot_be_written(void **state)
{
    (void)state;
    engine_run run;
    uint64_t n_bytes;
    hearth_engine *engine = open_engine(0);
    n_warnings = 0;
    rmdir(disk); /* every write fails now */
    ask(&run, engine, 300, 5);
    ask(&run, engine, 200, 6);
    hearth_engine_close(engine);
    assert_int_equal(n_warnings, 1);
    n_warnings = 0;
    FILE *f = fopen(disk, "w"); /* a file where the folder should be */
    fclose(f);
    hearth_engine_options o;
    hearth_engine_options_init(&o);
    o.disk_dir = disk;
    assert_int_equal(hearth_engine_open(&engine, model, &o, &err), HEARTH_EIO);
    unlink(disk);
    assert_int_equal(for_files("", &n_bytes), 0);
}

static void test_two_engines_share(void **state)
{
    (void)state;
    engine_run a, b;
    uint64_t n_bytes;
    hearth_engine *first = open_engine(0), *second = open_engine(0);
    ask(&a, first, 300, 7);
    ask(&b, second, 300, 7);
    assert_true(a.hash == b.hash);
    hearth_engine_close(first);
    hearth_engine_close(second);
    assert_int_equal(for_files("remove", &n_bytes), 4);
    assert_int_equal(n_warnings, 0);
}

static int set_up(void **state)
{
    (void)state;
    tiny_model_options o;
    if (!test_folder_make(&folder))
        return -1;
    test_folder_path(&folder, "llama.gguf", model_path);
    test_folder_path(&folder, "disk", disk);
    tiny_model_options_init(&o, "llama");
    tiny_model_write(model_path, &o);
    ok(hearth_model_open(&model, model_path, NULL, &err));
    hearth_sampler_options_init(&sampling);
    sampling.seed = 3;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hearth_model_close(model);
    test_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_finds),
        cmocka_unit_test(test_tree_ends_of_text),
        cmocka_unit_test(test_tree_evicts),
        cmocka_unit_test(test_tree_stores_in_order),
        cmocka_unit_test(test_tree_evicts_all),
        cmocka_unit_test(test_disk_queue),
        cmocka_unit_test(test_disk_below_a_small_pool),
        cmocka_unit_test(test_disk_saves_work),
        cmocka_unit_test(test_disk_brings_back),
        cmocka_unit_test(test_disk_is_damaged),
        cmocka_unit_test(test_disk_budget),
        cmocka_unit_test(test_disk_cannot_be_written),
        cmocka_unit_test(test_two_engines_share),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
