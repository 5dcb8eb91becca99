/* SPDX-License-Identifier: MIT
 *
 * test_library.c - names, and libraries over folders that the test makes: every kind of store,
 * pairing, import, rename, remove, verify.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "library/facts.h"
#include "library/library.h"
#include "library/name.h"
#include "library/sha256.h"
#include "os/file.h"
#include "support/model_files.h"
#include "support/test_reference.h"

/* ---- names ---- */

static void test_valid_names(void **state)
{
    static const char *const good[] = {"a", "Llama-3.2-3B", "org/repo/file", "llama3.2:3b", "a@2"};
    static const char *const bad[] = {
        "",    "/a",   "a/", "a//b", "..",   "a/../b",   ".a",        "a/.b",
        "a b", "a\nb", "-a", "a/-b", "a\\b", "\xc3\xa9", "model.yml", "a/usage.json/b"};
    char longest[LIBRARY_NAME_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(library_name_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (library_name_is_valid(bad[i]))
            fail_msg("'%s'", bad[i]);
    memset(longest, 'a', sizeof longest);
    longest[LIBRARY_NAME_MAX + 1] = '\0';
    assert_false(library_name_is_valid(longest));
    longest[LIBRARY_NAME_MAX] = '\0';
    assert_true(library_name_is_valid(longest));
}

static void test_names_from_files(void **state)
{
    static const struct {
        const char *folder, *path, *name;
    } rows[] = {
        {"", "/x/Llama-3.2-3B-Q4_K_M.gguf", "Llama-3.2-3B-Q4_K_M"},
        {"org/repo", "/x/m.GGUF", "org/repo/m"},
        {"", "/x/big-00001-of-00003.gguf", "big"},
        {"", "/x/b\xc3\xa9 c.gguf", "b-c"},
        {"",
         "/x/\xc3\xbcn\xc3\xaf"
         "c-\xe6\xa8\xa1\xe5\x9e\x8b.gguf",
         "n-c"},
        {"", "/x/\xe6\xa8\xa1.gguf", "model"},
        {"org/\xe6\xa8\xa1", "/x/m.gguf", "org/m"},
        {"", "/x/usage.json.gguf", "_sage.json"},
        {"model.yml", "/x/Model.YML.gguf", "_odel.yml/_odel.YML"},
        {"../..", "/x/../a.gguf", "a"},
        {"", "/x/.gguf", "gguf"},
        {"", "/x/-rf.gguf", "rf"},
        {"", "/x/...", "model"},
    };
    char name[LIBRARY_NAME_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        name_from_file(rows[i].folder, rows[i].path, name);
        assert_string_equal(name, rows[i].name);
        assert_true(library_name_is_valid(name));
    }
}

static void test_split_names(void **state)
{
    split_name s;
    char part[64];
    (void)state;
    assert_true(split_name_parse("/a/b-00002-of-00003.gguf", &s));
    assert_int_equal(s.number, 2);
    assert_int_equal(s.count, 3);
    assert_true(split_name_part("/a/b-00002-of-00003.gguf", &s, 1, part, sizeof part));
    assert_string_equal(part, "/a/b-00001-of-00003.gguf");
    assert_false(split_name_part("/a/b-00002-of-00003.gguf", &s, 1, part, 10));
    assert_false(split_name_parse("b-0002-of-00003.gguf", &s));
    assert_false(split_name_parse("b-00004-of-00003.gguf", &s));
    assert_false(split_name_parse("b-00000-of-00003.gguf", &s));
    assert_false(split_name_parse("/-00001-of-00003.gguf", &s));
    assert_false(split_name_parse("-00001-of-00003.gguf", &s));
}

static void test_quantizations(void **state)
{
    static const char *const rows[][2] = {
        {"Llama-3.2-3B-Instruct-Q4_K_M.gguf", "Q4_K_M"},
        {"tinyllama.q8_0.gguf", "Q8_0"},
        {"x-IQ2_XXS-00001-of-00002.gguf", "IQ2_XXS"},
        {"gpt-oss-20b-mxfp4.gguf", "MXFP4"},
        {"a/Q4_K_M/model.gguf", ""},
        {"mmproj-F16.gguf", "F16"},
        {"x-bf16.gguf", "BF16"},
        {"Falcon-F3-7B.gguf", ""},
        {"Qwen3-4B.gguf", ""},
        {"x-UD-Q4_K_XL.gguf", "Q4_K_XL"},
    };
    char format[24];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        name_quantization(rows[i][0], format);
        assert_string_equal(format, rows[i][1]);
    }
}

static void test_fits(void **state)
{
    static const struct {
        const char *name, *wanted;
        int fit;
    } rows[] = {
        {"org/Repo/Llama-3.2", "org/Repo/Llama-3.2", NAME_FIT_EXACT},
        {"org/Repo/Llama-3.2", "ORG/repo/llama-3.2", NAME_FIT_CASE},
        {"org/Repo/Llama-3.2", "llama-3.2", NAME_FIT_PART},
        {"org/Repo/Llama-3.2", "org/re", NAME_FIT_PREFIX},
        {"org/Repo/Llama-3.2", "LLAMA", NAME_FIT_PART_PREFIX},
        {"org/Repo/Llama-3.2", "repo/llama", NAME_FIT_PART_PREFIX},
        {"org/Repo/Llama-3.2", "lama", NAME_FIT_NONE},
        {"org/Repo/Llama-3.2", "", NAME_FIT_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(name_fit(rows[i].name, rows[i].wanted), rows[i].fit);
}

/* ---- a home of its own for every test ---- */

static char home[64], own[128];

static int make_home(void **state)
{
    static const char *const unset[] = {"XDG_DATA_HOME", "XDG_CACHE_HOME", "HF_HOME",
                                        "HF_HUB_CACHE",  "OLLAMA_MODELS",  "HUGGINGFACE_HUB_CACHE"};
    (void)state;
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++)
        unsetenv(unset[i]);
    assert_true(test_temporary(home, sizeof home));
    setenv("HOME", home, 1);
    snprintf(own, sizeof own, "%s/.local/share/hearth/models", home);
    return 0;
}

static int remove_home(void **state)
{
    (void)state;
    test_remove(home);
    return 0;
}

static library *open_library(void)
{
    library *l = NULL;
    hearth_error err = {0};
    if (library_open(&l, NULL, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    return l;
}

static const library_model *find(library *l, const char *name)
{
    const library_model *m = NULL;
    hearth_error err = {0};
    if (library_find(l, name, &m, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    return m;
}

static void expect_no(library *l, const char *name, hearth_status status, const char *message)
{
    const library_model *m;
    hearth_error err = {0};
    assert_int_equal(library_find(l, name, &m, &err), status);
    if (strstr(err.message, message) == NULL)
        fail_msg("no '%s' in '%s'", message, err.message);
}

static size_t count(library *l)
{
    library_models models;
    hearth_error err;
    assert_int_equal(library_list(l, &models, &err), HEARTH_OK);
    size_t n = models.n;
    library_models_deinit(&models);
    return n;
}

static void test_empty(void **state)
{
    library *l = open_library();
    (void)state;
    assert_int_equal(count(l), 1);
    const library_model *ember = find(l, "ember");
    assert_null(ember->path);
    assert_int_equal(ember->origin, LIBRARY_BUILTIN);
    assert_true(ember->capabilities & LIBRARY_CAN_CHAT);
    assert_string_equal(ember->problem, "");
    assert_true(ember->n_params > 1000000 && ember->size_bytes > 1000000);
    library_model_unref(ember);
    assert_false(file_exists(own));
    expect_no(l, "embr", HEARTH_ENOTFOUND, "did you mean ember");
    expect_no(l, "something", HEARTH_ENOTFOUND, "hearth pull");
    library_close(l);
}

/* ---- stores ---- */

static void test_huggingface(void **state)
{
    const char *hub = files_path(home, ".cache/huggingface/hub");
    static const char sum[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char blob[512];
    (void)state;
    snprintf(blob, sizeof blob, "models--Org--Repo-GGUF/blobs/%s", sum);
    files_write_model(files_path(hub, blob), 64);
    files_write_text(files_path(hub, "models--Org--Repo-GGUF/refs/main"), "rev2\n");
    snprintf(blob, sizeof blob, "../../blobs/%s", sum);
    assert_int_equal(
        symlink(blob, files_path(hub, "models--Org--Repo-GGUF/snapshots/rev1/Old-Q4_K_M.gguf")), 0);
    assert_int_equal(
        symlink(blob, files_path(hub, "models--Org--Repo-GGUF/snapshots/rev2/M-Q4_K_M.gguf")), 0);
    assert_int_equal(symlink("../../blobs/none",
                             files_path(hub, "models--Org--Repo-GGUF/snapshots/rev2/Partial.gguf")),
                     0);
    files_write_model(files_path(hub, "models--gpt2/snapshots/r/x.gguf"), 64);
    files_write_text(files_path(hub, "datasets--Org--Data/snapshots/r/x.gguf"), "x");
    files_write_text(files_path(hub, "models--..--x/snapshots/r/x.gguf"), "x");
    library *l = open_library();
    assert_int_equal(count(l), 3);
    const library_model *m = find(l, "M-Q4");
    assert_string_equal(m->name, "Org/Repo-GGUF/M-Q4_K_M");
    assert_int_equal(m->origin, LIBRARY_HUGGINGFACE);
    assert_string_equal(m->sha256, sum);
    assert_string_equal(m->source, "hf.co/Org/Repo-GGUF");
    assert_string_equal(m->quantization, "Q4_K_M");
    assert_string_equal(m->architecture, "llama");
    assert_non_null(strstr(m->path, "/rev2/"));
    assert_false(m->own_files);
    library_model_unref(m);
    library_model_unref(find(l, "gpt2/x"));
    library_close(l);
}

static void write_manifest(const char *models, const char *where, const char *layers)
{
    char path[256], text[1024];
    snprintf(path, sizeof path, "manifests/%s", where);
    snprintf(text, sizeof text, "{\"schemaVersion\":2,\"layers\":[%s]}", layers);
    files_write_text(files_path(models, path), text);
}

static void test_ollama(void **state)
{
    char models[128], sum[65], layer[512], blob[512];
    hearth_error err;
    (void)state;
    snprintf(models, sizeof models, "%s", files_path(home, ".ollama/models"));
    files_write_model(files_path(models, "blobs/x"), 64);
    files_write_projector(files_path(models, "blobs/y"), 64);
    assert_int_equal(sha256_file(files_path(models, "blobs/x"), NULL, 0, 0, sum, &err), HEARTH_OK);
    snprintf(blob, sizeof blob, "blobs/sha256-%s", sum);
    rename(files_path(models, "blobs/x"), files_path(models, blob));
    int n = snprintf(layer, sizeof layer,
                     "{\"mediaType\":\"application/vnd.ollama.image.license\",\"digest\":\"a\"},"
                     "{\"mediaType\":\"application/vnd.ollama.image.model\",\"digest\":"
                     "\"sha256:%s\",\"size\":1}",
                     sum);
    write_manifest(models, "registry.ollama.ai/library/llama3.2/3b", layer);
    write_manifest(models, "registry.ollama.ai/library/llama3.2/latest", layer);
    write_manifest(models, "hf.co/org/repo/Q4_K_M", layer);
    assert_int_equal(sha256_file(files_path(models, "blobs/y"), NULL, 0, 0, sum, &err), HEARTH_OK);
    snprintf(blob, sizeof blob, "blobs/sha256-%s", sum);
    rename(files_path(models, "blobs/y"), files_path(models, blob));
    snprintf(layer + n, sizeof layer - (size_t)n,
             ",{\"mediaType\":\"application/vnd.ollama.image.projector\",\"digest\":\"sha256:%s\"}",
             sum);
    write_manifest(models, "registry.ollama.ai/me/seeing/latest", layer);
    write_manifest(models, "registry.ollama.ai/library/evil/latest",
                   "{\"mediaType\":\"application/vnd.ollama.image.model\",\"digest\":"
                   "\"sha256:../../../../../../etc/passwd\"}");
    write_manifest(models, "registry.ollama.ai/library/odd/latest", "1, null, {\"digest\": 5}");
    files_write_text(files_path(models, "manifests/registry.ollama.ai/library/bad/latest"), "{");
    library *l = open_library();
    assert_int_equal(count(l), 5);
    const library_model *m = find(l, "llama3.2:3b");
    assert_int_equal(m->origin, LIBRARY_OLLAMA);
    assert_int_equal(strlen(m->sha256), 64);
    assert_null(m->mmproj_path);
    library_model_unref(m);
    library_model_unref(find(l, "hf.co/org/repo:Q4_K_M"));
    m = find(l, "me/seeing:latest");
    assert_non_null(m->mmproj_path);
    assert_true(m->capabilities & LIBRARY_CAN_VISION);
    assert_int_equal(m->n_files, 2);
    library_model_unref(m);
    expect_no(l, "llama3.2", HEARTH_EINVAL, "llama3.2:3b, llama3.2:latest");
    library_close(l);
}

static void test_lmstudio_and_split(void **state)
{
    char stem[256];
    (void)state;
    snprintf(stem, sizeof stem, "%s", files_path(home, ".lmstudio/models/pub/big/Big-Q8_0"));
    files_write_split(stem, 3);
    snprintf(stem, sizeof stem, "%s", files_path(home, ".lmstudio/models/pub/torn/Torn"));
    files_write_split(stem, 3);
    remove(files_path(home, ".lmstudio/models/pub/torn/Torn-00001-of-00003.gguf"));
    files_write_unknown(files_path(home, ".lmstudio/models/pub/new/New.gguf"));
    files_write_text(files_path(home, ".lmstudio/models/pub/new/Junk.gguf"), "junk");
    files_write_text(files_path(home, ".lmstudio/models/.hidden/x.gguf"), "junk");
    assert_int_equal(symlink("..", files_path(home, ".lmstudio/models/pub/loop")), 0);
    library *l = open_library();
    assert_int_equal(count(l), 5);
    const library_model *m = find(l, "big-q8");
    assert_string_equal(m->name, "pub/big/Big-Q8_0");
    assert_int_equal(m->n_files, 3);
    assert_string_equal(m->problem, "");
    assert_non_null(strstr(m->path, "-00001-of-"));
    library_model_unref(m);
    m = find(l, "torn");
    assert_non_null(strstr(m->problem, "Torn-00001-of-00003"));
    library_model_unref(m);
    m = find(l, "pub/new/New");
    assert_non_null(strstr(m->problem, "nobody-knows"));
    library_model_unref(m);
    m = find(l, "pub/new/Junk");
    assert_string_not_equal(m->problem, "");
    library_model_unref(m);
    library_close(l);
}

static void test_projectors(void **state)
{
    static const char folder[] = ".lmstudio/models";
    const char *root = files_path(home, folder);
    (void)state;
    files_write_model(files_path(root, "a/m/Small.gguf"), 64);
    files_write_model(files_path(root, "a/m/Large.gguf"), 128);
    files_write_projector(files_path(root, "a/m/mmproj-x.gguf"), 64);
    files_write_projector(files_path(root, "a/m/mmproj-y.gguf"), 128);
    files_write_model(files_path(root, "b/m/Only-Q8_0.gguf"), 64);
    files_write_projector(files_path(root, "b/m/mmproj-F16.gguf"), 4096);
    files_write_model(files_path(root, "c/m/Blind.gguf"), 64);
    library *l = open_library();
    assert_int_equal(count(l), 5);
    const library_model *m = find(l, "Small");
    assert_non_null(strstr(m->mmproj_path, "mmproj-x"));
    assert_true(m->capabilities & LIBRARY_CAN_VISION);
    assert_true(m->mmproj_size_bytes > 0 && m->size_bytes > m->model_size_bytes);
    library_model_unref(m);
    m = find(l, "Large");
    assert_non_null(strstr(m->mmproj_path, "mmproj-y"));
    library_model_unref(m);
    m = find(l, "Only");
    assert_non_null(strstr(m->mmproj_path, "b/m/mmproj-F16"));
    library_model_unref(m);
    m = find(l, "Blind");
    assert_null(m->mmproj_path);
    library_model_unref(m);
    library_close(l);
}

/* The same file in two stores counts once; two files with one name have two. */
static void test_same_and_different(void **state)
{
    library *l;
    hearth_error err;
    (void)state;
    files_write_model(files_path(own, "m/M.gguf"), 64);
    files_write_model(files_path(home, ".lmstudio/models/m/M.gguf"), 128);
    assert_int_equal(link(files_path(own, "m/M.gguf"), files_path(home, "extra/Linked.gguf")), 0);
    const char *folders[] = {files_path(home, "extra/")};
    library_options options;
    library_options_init(&options);
    options.folders = folders;
    options.n_folders = 1;
    assert_int_equal(library_open(&l, &options, &err), HEARTH_OK);
    assert_int_equal(count(l), 3);
    const library_model *m = find(l, "m/M");
    assert_int_equal(m->origin, LIBRARY_OWN);
    library_model_unref(m);
    m = find(l, "lmstudio/m/M");
    assert_int_equal(m->n_embd, 128);
    library_model_unref(m);
    library_close(l);
}

/* ---- model.yml in place ---- */

static void test_jan_folder(void **state)
{
    (void)state;
    files_write_model(files_path(own, "hf.co/org/File-Q4_0.gguf"), 64);
    files_write_text(files_path(own, "seed/model.yml"),
                     "model_path: \"hf.co/org/File-Q4_0.gguf\"\nmmproj_path: null\n"
                     "name: \"The Seed\"\nsize_bytes: 1\nsha256: \"abc123...\"\n"
                     "temperature: 0.5\ncontextSize: 4096\nembedding: true\n");
    files_write_text(files_path(own, "gone/model.yml"), "model_path: /no/such.gguf\n");
    files_write_text(files_path(own, "broken/model.yml"), "model_path: [\n");
    library *l = open_library();
    assert_int_equal(count(l), 3);
    const library_model *m = find(l, "seed");
    assert_string_equal(m->title, "The Seed");
    assert_non_null(strstr(m->path, "hf.co/org/File"));
    assert_string_equal(m->sha256, "");
    assert_true(m->temperature == 0.5);
    assert_int_equal(m->context_size, 4096);
    assert_int_equal(m->capabilities, LIBRARY_CAN_EMBEDDING);
    assert_true(m->own_files);
    library_model_unref(m);
    m = find(l, "gone");
    assert_non_null(strstr(m->problem, "/no/such.gguf"));
    library_model_unref(m);
    library_close(l);
}

/* ---- changes ---- */

static void test_import_in_place_and_remove(void **state)
{
    char path[256];
    library *l = open_library();
    const library_model *m;
    uint64_t freed = 1;
    hearth_error err = {0};
    (void)state;
    snprintf(path, sizeof path, "%s", files_path(home, "mine/My Model-Q8_0.gguf"));
    files_write_model(path, 64);
    files_write_projector(files_path(home, "mine/mmproj-F16.gguf"), 64);
    library_import import = {.path = path, .source = "https://example.com/x"};
    assert_int_equal(library_import_file(l, &import, &m, &err), HEARTH_OK);
    assert_string_equal(m->name, "My-Model-Q8_0");
    assert_string_equal(m->path, path);
    assert_non_null(strstr(m->mmproj_path, "mine/mmproj"));
    assert_string_equal(m->source, "https://example.com/x");
    assert_false(m->own_files);
    library_model_unref(m);
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_EMISMATCH);
    import.name = "../evil";
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_EINVAL);
    import.name = "EMBER";
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_EMISMATCH);
    assert_int_equal(library_remove(l, "My-Model-Q8_0", &freed, &err), HEARTH_OK);
    assert_int_equal(freed, 0);
    assert_true(file_exists(path));
    assert_int_equal(count(l), 1);
    assert_false(file_exists(files_path(own, "My-Model-Q8_0")));
    library_close(l);
}

static void test_import_copy_and_remove(void **state)
{
    char stem[256], sum[65], expected[65];
    library *l = open_library();
    const library_model *m;
    uint64_t freed = 0;
    hearth_error err = {0};
    (void)state;
    snprintf(stem, sizeof stem, "%s", files_path(home, "mine/Big"));
    files_write_split(stem, 2);
    snprintf(stem, sizeof stem, "%s", files_path(home, "mine/Big-00002-of-00002.gguf"));
    library_import import = {.path = stem, .name = "org/big", .copy = true};
    assert_int_equal(library_import_file(l, &import, &m, &err), HEARTH_OK);
    assert_int_equal(m->n_files, 2);
    assert_true(m->own_files);
    assert_non_null(strstr(m->path, "org/big/Big-00001-of-00002.gguf"));
    assert_string_equal(m->problem, "");
    uint64_t size = m->size_bytes;
    assert_int_equal(library_verify(l, "org/big", NULL, sum, &err), HEARTH_OK);
    assert_int_equal(sha256_file(m->path, NULL, 0, 0, expected, &err), HEARTH_OK);
    assert_string_equal(sum, expected);
    library_model_unref(m);
    m = find(l, "org/big");
    assert_string_equal(m->sha256, expected);
    library_model_unref(m);
    assert_int_equal(library_remove(l, "org/big", &freed, &err), HEARTH_OK);
    assert_int_equal(freed, size);
    assert_false(file_exists(files_path(home, ".local/share/hearth/models/org/big")));
    assert_true(file_exists(stem));
    assert_int_equal(count(l), 1);
    library_close(l);
}

static void test_import_that_fails_leaves_nothing_and_takes_nothing(void **state)
{
    static const char models[] = ".local/share/hearth/models";
    char stem[256], second[256];
    library *l = open_library();
    hearth_error err = {0};
    (void)state;
    snprintf(stem, sizeof stem, "%s", files_path(home, "mine/Big"));
    files_write_split(stem, 2);
    snprintf(stem, sizeof stem, "%s", files_path(home, "mine/Big-00001-of-00002.gguf"));
    snprintf(second, sizeof second, "%s/%s/org/big/Big-00002-of-00002.gguf", home, models);
    files_make_folder(files_path(home, ".local/share/hearth/models/org/big"));
    files_write_text(second, "the user's");
    library_import import = {.path = stem, .name = "org/big", .copy = true};
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_EMISMATCH);
    size_t n = 0;
    char *text = NULL;
    assert_int_equal(file_read_all(second, 100, &text, &n, &err), HEARTH_OK);
    assert_string_equal(text, "the user's");
    mem_free(text);
    assert_int_equal(unlink(second), 0);
    assert_int_equal(rmdir(files_path(home, ".local/share/hearth/models/org/big")), 0);
    library_close(l);
}

static void test_import_what_is_no_model(void **state)
{
    library *l = open_library();
    char path[256];
    hearth_error err = {0};
    (void)state;
    library_import import = {.path = "/no/such/file.gguf"};
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_ENOTFOUND);
    snprintf(path, sizeof path, "%s", files_path(home, "mine/text.gguf"));
    files_write_text(path, "this is text");
    import.path = path;
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_EFORMAT);
    files_write_projector(path, 64);
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_EFORMAT);
    assert_non_null(strstr(err.message, "projector"));
    files_write_model(path, 64);
    import.sha256 = "abc";
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_EINVAL);
    import.sha256 = NULL;
    files_write_model(files_path(home, "mine/b\xe4.gguf"), 64);
    import.path = files_path(home, "mine/b\xe4.gguf");
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "UTF-8"));
    assert_int_equal(unlink(files_path(home, "mine/b\xe4.gguf")), 0);
    import.path = path;
    files_write_model(files_path(home, "mine/second.gguf"), 64);
    snprintf(path, sizeof path, "%s", files_path(home, "mine"));
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "2 models"));
    assert_int_equal(count(l), 1);
    library_close(l);
}

static void test_rename(void **state)
{
    library *l;
    hearth_error err = {0};
    (void)state;
    files_write_model(files_path(home, ".lmstudio/models/p/m/Foreign.gguf"), 64);
    files_write_model(files_path(home, "mine/Own.gguf"), 128);
    l = open_library();
    library_import import = {.path = files_path(home, "mine/Own.gguf"), .copy = true};
    assert_int_equal(library_import_file(l, &import, NULL, &err), HEARTH_OK);
    assert_int_equal(library_mark_used(l, "Own", &err), HEARTH_OK);
    assert_int_equal(library_rename(l, "Own", "nice/name", &err), HEARTH_OK);
    const library_model *m = find(l, "nice/name");
    assert_true(m->own_files);
    assert_int_equal(m->usage_count, 1);
    assert_true(m->last_used_ms > 0);
    library_model_unref(m);
    expect_no(l, "Own", HEARTH_ENOTFOUND, "no model");
    assert_int_equal(library_rename(l, "Foreign", "mine", &err), HEARTH_EINVAL);
    assert_int_equal(library_rename(l, "p/m/Foreign", "mine", &err), HEARTH_OK);
    m = find(l, "mine");
    assert_non_null(strstr(m->path, ".lmstudio/models/p/m/Foreign.gguf"));
    assert_int_equal(m->origin, LIBRARY_OWN);
    library_model_unref(m);
    assert_int_equal(count(l), 3);
    assert_int_equal(library_rename(l, "mine", "nice/name", &err), HEARTH_EMISMATCH);
    assert_int_equal(library_rename(l, "mine", "a/../b", &err), HEARTH_EINVAL);
    assert_int_equal(library_rename(l, "ember", "spark", &err), HEARTH_EINVAL);
    assert_int_equal(library_remove(l, "mine", NULL, &err), HEARTH_OK);
    library_model_unref(find(l, "p/m/Foreign"));
    assert_int_equal(library_remove(l, "p/m/Foreign", NULL, &err), HEARTH_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "left alone"));
    assert_int_equal(library_remove(l, "ember", NULL, &err), HEARTH_EUNSUPPORTED);
    library_close(l);
}

/* A model.yml in Hearth's folder may name any file: removing it must not take that away, nor what a
 * link leads to, nor a file that another model has, too. */
static void test_remove_takes_nothing_else(void **state)
{
    library *l;
    hearth_error err = {0};
    char outside[256];
    uint64_t freed = 0;
    (void)state;
    snprintf(outside, sizeof outside, "%s", files_path(home, "mine/precious.gguf"));
    files_write_model(outside, 64);
    files_write_text(files_path(own, "a/model.yml"),
                     "model_path: ../../../../../mine/precious.gguf\n");
    assert_int_equal(symlink(outside, files_path(own, "b/link.gguf")), 0);
    files_write_text(files_path(own, "b/model.yml"), "model_path: link.gguf\n");
    files_write_model(files_path(own, "c/C.gguf"), 128);
    files_write_text(files_path(own, "d/model.yml"), "model_path: c/C.gguf\n");
    files_write_text(files_path(own, "e/model.yml"), "model_path: c/C.gguf\n");
    l = open_library();
    assert_int_equal(count(l), 5);
    assert_int_equal(library_remove(l, "a", &freed, &err), HEARTH_OK);
    assert_int_equal(library_remove(l, "b", &freed, &err), HEARTH_OK);
    assert_int_equal(freed, 0);
    assert_true(file_exists(outside));
    assert_int_equal(library_remove(l, "d", &freed, &err), HEARTH_OK);
    assert_int_equal(freed, 0);
    assert_true(file_exists(files_path(own, "c/C.gguf")));
    assert_int_equal(library_remove(l, "e", &freed, &err), HEARTH_OK);
    assert_true(freed > 0);
    assert_false(file_exists(files_path(own, "c/C.gguf")));
    library_close(l);
}

static void test_verify(void **state)
{
    library *l;
    hearth_error err = {0};
    char path[256], yml[512];
    (void)state;
    snprintf(path, sizeof path, "%s", files_path(own, "v/V.gguf"));
    files_write_model(path, 64);
    snprintf(yml, sizeof yml, "model_path: V.gguf\nsha256: %064d\n", 0);
    files_write_text(files_path(own, "v/model.yml"), yml);
    l = open_library();
    assert_int_equal(library_verify(l, "v", NULL, NULL, &err), HEARTH_EMISMATCH);
    assert_non_null(strstr(err.message, "V.gguf"));
    assert_int_equal(library_set(l, "v", "sha256", NULL, &err), HEARTH_OK);
    assert_int_equal(library_verify(l, "v", NULL, NULL, &err), HEARTH_OK);
    assert_int_equal(library_verify(l, "v", NULL, NULL, &err), HEARTH_OK);
    FILE *file = fopen(path, "r+b");
    fseek(file, -1, SEEK_END);
    fputc(0x5a, file);
    fclose(file);
    assert_int_equal(library_verify(l, "v", NULL, NULL, &err), HEARTH_EMISMATCH);
    library_close(l);
}

static void test_set(void **state)
{
    library *l;
    hearth_error err = {0};
    (void)state;
    files_write_model(files_path(home, ".lmstudio/models/p/m/F.gguf"), 64);
    l = open_library();
    uint64_t version = library_version(l);
    assert_int_equal(library_set(l, "p/m/F", "contextSize", "2048", &err), HEARTH_OK);
    assert_true(library_version(l) > version);
    const library_model *m = find(l, "p/m/F");
    assert_int_equal(m->context_size, 2048);
    assert_int_equal(m->origin, LIBRARY_OWN);
    library_model_unref(m);
    assert_int_equal(library_set(l, "p/m/F", "contextSize", "many", &err), HEARTH_EINVAL);
    assert_int_equal(library_set(l, "ember", "contextSize", "1", &err), HEARTH_EUNSUPPORTED);
    library_close(l);
}

/* A record stays as it was, whatever becomes of the library. */
static void test_records_outlive(void **state)
{
    library *l;
    hearth_error err = {0};
    (void)state;
    files_write_model(files_path(own, "m/M.gguf"), 64);
    l = open_library();
    const library_model *m = find(l, "m/M");
    assert_int_equal(library_remove(l, "m/M", NULL, &err), HEARTH_OK);
    const library_model *second = library_model_ref(m);
    library_model_unref(m);
    library_close(l);
    assert_string_equal(second->name, "m/M");
    assert_int_equal(second->n_files, 1);
    library_model_unref(second);
}

/* ---- the cache ---- */

static void test_cache(void **state)
{
    char path[256], cache[256];
    facts f;
    struct stat info;
    hearth_error err;
    (void)state;
    snprintf(path, sizeof path, "%s", files_path(home, "x.gguf"));
    snprintf(cache, sizeof cache, "%s/.cache/hearth/library.json", home);
    files_write_model(path, 64);
    assert_int_equal(stat(path, &info), 0);
    facts_cache *c = facts_cache_open(cache);
    facts_cache_get(c, path, (uint64_t)info.st_size, 1, &f);
    assert_int_equal(f.n_embd, 64);
    assert_int_equal(facts_cache_save(c, &err), HEARTH_OK);
    facts_cache_close(c);
    files_write_model(path, 128);
    c = facts_cache_open(cache);
    facts_cache_get(c, path, (uint64_t)info.st_size, 1, &f); /* not looked at again */
    assert_int_equal(f.n_embd, 64);
    facts_cache_get(c, path, (uint64_t)info.st_size, 2, &f);
    assert_int_equal(f.n_embd, 128);
    facts_cache_close(c);
    files_write_text(cache, "{\"version\": 1, \"files\": [1]}");
    c = facts_cache_open(cache);
    facts_cache_get(c, path, 1, 1, &f);
    assert_int_equal(f.n_embd, 128);
    facts_cache_close(c);
}

/* ---- what MODEL means ---- */

static void test_resolve(void **state)
{
    char *path;
    const library_model *m;
    library_override overrides[LIBRARY_OVERRIDES_MAX];
    hearth_error err = {0};
    (void)state;
    files_write_model(files_path(own, "m/Model-Q8_0.gguf"), 64);
    files_write_projector(files_path(own, "m/mmproj.gguf"), 64);
    files_write_text(files_path(own, "m/model.yml"),
                     "model_path: Model-Q8_0.gguf\ntemperature: 0.6\ntopK: 20\n");
    files_write_text(files_path(own, "gone/model.yml"), "model_path: gone.gguf\n");
    assert_int_equal(library_resolve(NULL, "ember", &path, &m, &err), HEARTH_OK);
    assert_null(path);
    assert_null(m);
    assert_int_equal(library_overrides(m, overrides), 0);
    assert_int_equal(library_resolve(NULL, "/no/such", &path, &m, &err), HEARTH_OK);
    assert_string_equal(path, "/no/such");
    assert_null(m);
    mem_free(path);
    assert_int_equal(library_resolve(NULL, "no.gguf", &path, NULL, &err), HEARTH_OK);
    assert_string_equal(path, "no.gguf");
    mem_free(path);
    assert_int_equal(library_resolve(NULL, "M", &path, &m, &err), HEARTH_OK);
    assert_non_null(strstr(path, "m/Model-Q8_0.gguf"));
    assert_non_null(strstr(m->mmproj_path, "m/mmproj.gguf"));
    assert_int_equal(library_overrides(m, overrides), 2);
    assert_string_equal(overrides[0], "general.sampling.temp=float:0.6");
    assert_string_equal(overrides[1], "general.sampling.top_k=int:20");
    library_model_unref(m);
    mem_free(path);
    assert_int_equal(library_resolve(NULL, "nothing", &path, NULL, &err), HEARTH_ENOTFOUND);
    assert_int_equal(library_resolve(NULL, "gone", &path, &m, &err), HEARTH_ENOTFOUND);
    assert_non_null(strstr(err.message, "gone.gguf"));
    assert_null(path);
    assert_null(m);
}

#define HOMED(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_names),
        cmocka_unit_test(test_names_from_files),
        cmocka_unit_test(test_split_names),
        cmocka_unit_test(test_quantizations),
        cmocka_unit_test(test_fits),
        HOMED(test_empty),
        HOMED(test_huggingface),
        HOMED(test_ollama),
        HOMED(test_lmstudio_and_split),
        HOMED(test_projectors),
        HOMED(test_same_and_different),
        HOMED(test_jan_folder),
        HOMED(test_import_in_place_and_remove),
        HOMED(test_import_copy_and_remove),
        HOMED(test_import_that_fails_leaves_nothing_and_takes_nothing),
        HOMED(test_import_what_is_no_model),
        HOMED(test_rename),
        HOMED(test_remove_takes_nothing_else),
        HOMED(test_verify),
        HOMED(test_set),
        HOMED(test_records_outlive),
        HOMED(test_cache),
        HOMED(test_resolve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
