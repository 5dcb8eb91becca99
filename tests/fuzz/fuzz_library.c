/* SPDX-License-Identifier: MIT
 *
 * fuzz_library.c - what the library reads that others wrote: a model.yml, which is written again
 * and must then read the same; a reference; a hub's answer, of which no chosen file may lead out of
 * its folder.
 *
 * Input    a letter for the kind (y, r, h), then the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "library/hub.h"
#include "library/model_yml.h"
#include "library/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_same(const model_yml *a, const model_yml *b)
{
    static const char *const keys[] = {
#define KEY(name, kind, help) name,
#include "library/model_yml.def"
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *x = model_yml_get(a, keys[i]), *y = model_yml_get(b, keys[i]);
        require((x == NULL) == (y == NULL) && (x == NULL || strcmp(x, y) == 0));
    }
}

static void check_yml(const char *text, size_t n)
{
    model_yml *yml, *again;
    buf out;
    uint64_t count;
    int64_t ms;
    double real;
    bool flag;
    if (model_yml_parse(&yml, text, n, "fuzz", NULL) != HEARTH_OK)
        return;
    model_yml_get_count(yml, "size_bytes", &count);
    model_yml_get_time(yml, "created", &ms);
    model_yml_get_real(yml, "temperature", &real);
    model_yml_get_bool(yml, "embedding", &flag);
    model_yml_get_word(yml, "capabilities", 1);
    require(model_yml_set(yml, "name", "a: \"b\"", NULL) == HEARTH_OK);
    require(model_yml_set(yml, "topK", NULL, NULL) == HEARTH_OK);
    buf_init(&out, 0);
    /* Unusual characters grow when they are written, up to six times. */
    if (model_yml_format(yml, &out, NULL) == HEARTH_OK && out.n <= MODEL_YML_MAX_BYTES) {
        require(model_yml_parse(&again, out.data, out.n, "again", NULL) == HEARTH_OK);
        check_same(yml, again);
        model_yml_free(again);
    }
    buf_deinit(&out);
    model_yml_free(yml);
}

static void check_reference(const char *text)
{
    reference r;
    char name[LIBRARY_NAME_MAX + 1], format[24];
    name_from_file("", text, name);
    require(library_name_is_valid(name));
    name_quantization(text, format);
    if (reference_parse(&r, text, "https://hub.example", NULL) != HEARTH_OK)
        return;
    require((*r.repository != '\0') != (*r.url != '\0'));
    require(strstr(r.repository, "..") == NULL || strstr(r.repository, "/..") == NULL);
    require(*r.select == '\0' || !name_is_gguf(r.select) || reference_is_file(r.select));
}

static void check_hub(const char *text, size_t n)
{
    hub_files files;
    reference r = {.repository = "o/r", .revision = "main"};
    json_t *answer = json_loadb(text, n, 0, NULL);
    if (answer && hub_choose(&files, answer, &r, "https://hub.example", true, NULL) == HEARTH_OK) {
        for (size_t i = 0; i < files.n; i++) {
            require(reference_is_file(files.items[i].path) && name_is_gguf(files.items[i].path));
            require(strstr(files.items[i].path, "..") == NULL ||
                    strstr(files.items[i].path, "/..") == NULL);
        }
        hub_files_deinit(&files);
    }
    json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    char *text = mem_dup((const char *)data + 1, n - 1);
    if (text == NULL)
        return 0;
    if (data[0] == 'y')
        check_yml(text, n - 1);
    else if (data[0] == 'r')
        check_reference(text);
    else
        check_hub(text, n - 1);
    mem_free(text);
    return 0;
}
