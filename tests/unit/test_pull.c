/* SPDX-License-Identifier: MIT
 *
 * test_pull.c - what a reference means, which files of a hub are chosen, the catalogue, and the
 * record of pieces.
 */
#include <fcntl.h>
#include <math.h>
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
#include "library/catalog.h"
#include "library/chunks.h"
#include "library/hub.h"
#include "library/pull.h"
#include "os/file.h"
#include "support/model_files.h"
#include "support/test_reference.h"

#define HUB "https://huggingface.co"

/* ---- references ---- */

static void test_references(void **state)
{
    static const struct {
        const char *text, *repository, *revision, *select, *url;
    } rows[] = {
        {"hf.co/org/Repo-GGUF", "org/Repo-GGUF", "main", "", ""},
        {"HF.co/org/Repo", "org/Repo", "main", "", ""},
        {"huggingface.co/org/Repo:Q4_K_M", "org/Repo", "main", "Q4_K_M", ""},
        {"hf:org/Repo:f-Q4_0.gguf", "org/Repo", "main", "f-Q4_0.gguf", ""},
        {"hf.co/org/Repo:sub/f.gguf", "org/Repo", "main", "sub/f.gguf", ""},
        {"org/Repo:UD-Q4_K_XL", "org/Repo", "main", "UD-Q4_K_XL", ""},
        {"https://huggingface.co/org/Repo", "org/Repo", "main", "", ""},
        {"https://huggingface.co/org/Repo/", "org/Repo", "main", "", ""},
        {"https://hf.co/org/Repo/tree/v2", "org/Repo", "v2", "", ""},
        {"https://huggingface.co/org/R/resolve/main/a.gguf?download=true", "org/R", "main",
         "a.gguf", ""},
        {"https://huggingface.co/org/R/blob/abc123/x/a.gguf", "org/R", "abc123", "x/a.gguf", ""},
        {"https://mirror.example/hub/org/R", "org/R", "main", "", ""},
        {"https://other.example/org/R/a.gguf", "", "", "", "https://other.example/org/R/a.gguf"},
        {"https://mirror.example/hub/files/a.gguf", "", "", "",
         "https://mirror.example/hub/files/a.gguf"},
        {"http://h:1/a.GGUF?x=y", "", "", "", "http://h:1/a.GGUF?x=y"},
    };
    reference r;
    hearth_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (reference_parse(&r, rows[i].text, "https://mirror.example/hub", &err) != HEARTH_OK)
            fail_msg("%s: %s", rows[i].text, err.message);
        assert_string_equal(r.repository, rows[i].repository);
        assert_string_equal(r.revision, rows[i].revision);
        assert_string_equal(r.select, rows[i].select);
        assert_string_equal(r.url, rows[i].url);
        assert_null(r.entry);
    }
}

static void test_bad_references(void **state)
{
    static const char *const bad[] = {
        "",
        "hf.co/",
        "hf.co/org",
        "hf.co//repo",
        "hf.co/../repo",
        "hf.co/org/..",
        "hf.co/org/repo:",
        "hf.co/org/repo:../a.gguf",
        "hf.co/org/repo:/a.gguf",
        "hf.co/org/repo:a//b.gguf",
        "hf.co/org/repo:a b",
        "hf.co/org/re po",
        "hf.co/org/repo/resolve/main/a.bin",
        "hf.co/org/repo/what/main",
        "https://example.com/",
        "https://example.com/page.html",
        "https://u:p@example.com/a.gguf",
        "ftp://example.com/a.gguf",
        "/etc/passwd",
        "ember",
        "nothing",
    };
    reference r;
    hearth_error err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (reference_parse(&r, bad[i], HUB, &err) == HEARTH_OK)
            fail_msg("'%s' was taken", bad[i]);
    assert_int_equal(reference_parse(&r, "tinylama-1.1b", HUB, &err), HEARTH_ENOTFOUND);
    assert_non_null(strstr(err.message, "did you mean tinyllama-1.1b"));
    assert_int_equal(reference_parse(&r, "qwen3", HUB, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "qwen3-0.6b, qwen3-1.7b, qwen3-4b"));
}

/* Every entry is one that can be asked for, and those that other programs begin with are there, put
 * right. */
static void test_catalog(void **state)
{
    reference r;
    hearth_error err = {0};
    (void)state;
    assert_string_equal(catalog_at(0)->name, "ember");
    for (size_t i = 1; i < catalog_count(); i++) {
        const catalog_model *m = catalog_at(i);
        assert_true(library_name_is_valid(m->name));
        assert_int_equal(reference_parse(&r, m->name, HUB, &err), HEARTH_OK);
        assert_ptr_equal(r.entry, m);
        assert_string_equal(r.select, m->file);
        assert_true(m->bytes > 1000000 && m->context > 0 && m->capabilities && *m->license);
        assert_true(reference_is_file(m->file));
    }
    assert_int_equal(reference_parse(&r, "TinyLlama-1.1B", HUB, &err), HEARTH_OK);
    assert_int_equal(r.entry->bytes, 668788096);
    assert_int_equal(reference_parse(&r, "deepseek-r1", HUB, &err), HEARTH_OK);
    assert_string_equal(r.repository, "bartowski/DeepSeek-R1-Distill-Qwen-1.5B-GGUF");
    assert_int_equal(reference_parse(&r, "llama-3.2-3b-instruct", HUB, &err), HEARTH_OK);
    assert_string_equal(r.select, "Llama-3.2-3B-Instruct-Q4_K_M.gguf");
}

/* ---- choosing ---- */

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILE_(name)                                                                                \
    "{\"rfilename\": \"" name "\", \"size\": 7, \"lfs\": {\"sha256\": \"" SUM "\", \"size\": 7}}"

static hearth_status choose(hub_files *out, const char *files, const char *select,
                            hearth_error *err)
{
    char text[8192];
    reference r = {.repository = "o/r", .revision = "main"};
    snprintf(r.select, sizeof r.select, "%s", select);
    snprintf(text, sizeof text, "{\"sha\": \"c0ffee\", \"siblings\": [%s]}", files);
    json_t *answer = json_loads(text, 0, NULL);
    assert_non_null(answer);
    hearth_status status = hub_choose(out, answer, &r, HUB, true, err);
    json_decref(answer);
    return status;
}

static void expect_choice(const char *files, const char *select, const char *chosen, size_t n)
{
    hub_files out;
    hearth_error err = {0};
    if (choose(&out, files, select, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    assert_string_equal(out.items[0].path, chosen);
    assert_int_equal(out.n, n);
    hub_files_deinit(&out);
}

static void expect_refusal(const char *files, const char *select, hearth_status status,
                           const char *message)
{
    hub_files out;
    hearth_error err = {0};
    assert_int_equal(choose(&out, files, select, &err), status);
    if (strstr(err.message, message) == NULL)
        fail_msg("%s", err.message);
}

static void test_choosing(void **state)
{
    static const char several[] =
        FILE_("README.md") "," FILE_("M-Q2_K.gguf") "," FILE_("M-Q4_K_M.gguf") "," FILE_(
            "M-Q8_0.gguf") "," FILE_("M-UD-Q4_K_XL.gguf") "," FILE_("M.imatrix.gguf");
    static const char two[] = FILE_("A.gguf") "," FILE_("B.gguf");
    static const char split[] =
        FILE_("x/M-Q8_0-00002-of-00002.gguf") "," FILE_("x/M-Q8_0-00001-of-00002.gguf") "," FILE_(
            "mmproj-M-Q8_0.gguf") "," FILE_("mmproj-M-F16.gguf");
    (void)state;
    expect_choice(several, "", "M-Q4_K_M.gguf", 1);
    expect_choice(several, "q8_0", "M-Q8_0.gguf", 1);
    expect_choice(several, "UD-Q4_K_XL", "M-UD-Q4_K_XL.gguf", 1);
    expect_choice(several, "M-Q2_K.gguf", "M-Q2_K.gguf", 1);
    expect_choice(split, "", "x/M-Q8_0-00001-of-00002.gguf", 3);
    expect_choice(split, "Q8_0", "x/M-Q8_0-00001-of-00002.gguf", 3);
    expect_choice(split, "x/M-Q8_0-00002-of-00002.gguf", "x/M-Q8_0-00001-of-00002.gguf", 3);
    expect_refusal(several, "Q5_K_M", HEARTH_ENOTFOUND, "it has: Q2_K, Q4_K_M, Q8_0");
    expect_refusal(two, "", HEARTH_EINVAL, "A.gguf, B.gguf");
    expect_refusal(FILE_("README.md"), "", HEARTH_ENOTFOUND, "no GGUF files");
    expect_refusal(FILE_("M-00001-of-00002.gguf"), "", HEARTH_ENOTFOUND, "M-00002-of-00002");
    expect_refusal("{\"rfilename\": \"../../x.gguf\"}, 5, {\"rfilename\": 7}", "", HEARTH_ENOTFOUND,
                   "no GGUF files");
}

static void test_what_is_known_of_files(void **state)
{
    hub_files out;
    hearth_error err = {0};
    (void)state;
    const char *files =
        FILE_("x/M-Q8_0.gguf") "," FILE_("mmproj-F16.gguf") "," FILE_("mmproj-BF16.gguf");
    assert_int_equal(choose(&out, files, "", &err), HEARTH_OK);
    assert_int_equal(out.n, 2);
    assert_string_equal(out.items[0].url, HUB "/o/r/resolve/c0ffee/x/M-Q8_0.gguf");
    assert_string_equal(out.items[0].sha256, SUM);
    assert_int_equal(out.items[0].size, 7);
    assert_false(out.items[0].mmproj);
    assert_string_equal(out.items[1].path, "mmproj-F16.gguf");
    assert_true(out.items[1].mmproj);
    hub_files_deinit(&out);
    files = "{\"rfilename\": \"M+1-Q8_0.gguf\", \"size\": -5, \"lfs\": {\"sha256\": \"nonsense\"}}";
    assert_int_equal(choose(&out, files, "", &err), HEARTH_OK);
    assert_string_equal(out.items[0].url, HUB "/o/r/resolve/c0ffee/M%2B1-Q8_0.gguf");
    assert_string_equal(out.items[0].sha256, "");
    assert_int_equal(out.items[0].size, 0);
    hub_files_deinit(&out);
}

/* ---- pieces ---- */

static char folder[64], part[96];

static int make_folder(void **state)
{
    (void)state;
    assert_true(test_temporary(folder, sizeof folder));
    snprintf(part, sizeof part, "%s/f.part", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    test_remove(folder);
    return 0;
}

static chunks *open_chunks(uint64_t size, uint64_t piece, const char *identity)
{
    chunks *c = NULL;
    hearth_error err = {0};
    if (chunks_open(&c, part, size, piece, identity, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    return c;
}

static void test_pieces(void **state)
{
    chunks *c = open_chunks(250, 100, "one");
    uint64_t offset, n;
    hearth_error err;
    char text[251], *found;
    size_t n_found;
    (void)state;
    memset(text, 'x', 250);
    assert_int_equal(chunks_count(c), 3);
    chunks_place(c, 2, &offset, &n);
    assert_int_equal(offset, 200);
    assert_int_equal(n, 50);
    assert_int_equal(chunks_write(c, 100, text, 100, &err), HEARTH_OK);
    assert_int_equal(chunks_mark(c, 1, &err), HEARTH_OK);
    assert_int_equal(chunks_done_bytes(c), 100);
    chunks_close(c);
    c = open_chunks(250, 64, "one"); /* goes on, in pieces of the old size */
    assert_int_equal(chunks_count(c), 3);
    assert_true(chunks_is_done(c, 1));
    assert_false(chunks_is_done(c, 0));
    assert_int_equal(chunks_write(c, 0, text, 250, &err), HEARTH_OK);
    assert_int_equal(chunks_mark(c, 0, &err), HEARTH_OK);
    assert_int_equal(chunks_mark(c, 2, &err), HEARTH_OK);
    assert_int_equal(chunks_finish(c, files_path(folder, "f"), &err), HEARTH_OK);
    assert_int_equal(file_read_all(files_path(folder, "f"), 1000, &found, &n_found, &err),
                     HEARTH_OK);
    assert_int_equal(n_found, 250);
    assert_memory_equal(found, text, 250);
    mem_free(found);
    assert_false(file_exists(part));
    assert_false(file_exists(files_path(folder, "f.part.state")));
}

/* After each of these the marks mean nothing. */
static void test_what_counts_as_no_record(void **state)
{
    hearth_error err;
    uint8_t head[48];
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s.state", part);
    for (int kind = 0; kind < 7; kind++) {
        chunks_discard(part);
        chunks *c = open_chunks(250, 100, "one");
        assert_int_equal(chunks_mark(c, 1, &err), HEARTH_OK);
        chunks_close(c);
        int fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
        if (kind == 0)
            assert_int_equal(truncate(part, 249), 0);
        else if (kind == 1)
            assert_int_equal(truncate(path, 50), 0);
        else if (kind == 2)
            assert_int_equal(truncate(path, 20), 0);
        else if (kind == 3)
            assert_int_equal(unlink(part), 0);
        head[24] ^= kind == 4; /* the size of pieces, against the check sum */
        assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
        close(fd);
        if (kind == 2)
            assert_int_equal(truncate(path, 20), 0);
        c = open_chunks(kind == 5 ? 251 : 250, 100, kind == 6 ? "two" : "one");
        assert_int_equal(chunks_done_bytes(c), 0);
        assert_int_equal(chunks_count(c), 3);
        chunks_close(c);
    }
}

static void test_one_at_a_time(void **state)
{
    chunks *c = open_chunks(250, 100, "one"), *second;
    hearth_error err;
    (void)state;
    assert_int_equal(chunks_open(&second, part, 250, 100, "one", &err), HEARTH_EBUSY);
    chunks_close(c);
    c = open_chunks(250, 100, "one");
    chunks_close(c);
    assert_int_equal(chunks_open(&c, part, UINT64_MAX, 1, "one", &err), HEARTH_EINVAL);
}

/* Marks that are neither 0 nor 1 are no marks. */
static void test_odd_marks(void **state)
{
    char path[128];
    uint8_t odd = 7;
    (void)state;
    chunks *c = open_chunks(250, 100, "one");
    chunks_close(c);
    snprintf(path, sizeof path, "%s.state", part);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, &odd, 1, 49), 1);
    close(fd);
    c = open_chunks(250, 100, "one");
    assert_int_equal(chunks_done_bytes(c), 0);
    chunks_close(c);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_bad_references),
        cmocka_unit_test(test_catalog),
        cmocka_unit_test(test_choosing),
        cmocka_unit_test(test_what_is_known_of_files),
        IN_FOLDER(test_pieces),
        IN_FOLDER(test_what_counts_as_no_record),
        IN_FOLDER(test_one_at_a_time),
        IN_FOLDER(test_odd_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
