/* SPDX-License-Identifier: MIT
 *
 * hub.c - see hub.h.
 */
#include "library/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "library/folders.h"
#include "library/name.h"
#include "os/file.h"

enum { ANSWER_MAX_BYTES = 32 << 20, TOLD_MAX = 12 };

/* ---- the environment ---- */

static char *copy(const char *text)
{
    return text && *text ? mem_dup(text, strlen(text)) : NULL;
}

char *hub_endpoint(void)
{
    char *endpoint = copy(getenv("HF_ENDPOINT"));
    if (endpoint == NULL)
        return copy("https://huggingface.co");
    for (size_t n = strlen(endpoint); n > 0 && endpoint[n - 1] == '/'; n--)
        endpoint[n - 1] = '\0';
    return endpoint;
}

static char *read_token(char *path)
{
    char *text = NULL;
    size_t n;
    if (path && file_read_all(path, 4096, &text, &n, NULL) == HEARTH_OK) {
        text[strcspn(text, "\r\n \t")] = '\0';
        if (*text == '\0') {
            mem_free(text);
            text = NULL;
        }
    }
    mem_free(path);
    return text;
}

char *hub_token(void)
{
    char *token = copy(getenv("HF_TOKEN"));
    if (token == NULL)
        token = copy(getenv("HUGGING_FACE_HUB_TOKEN"));
    if (token == NULL)
        token = read_token(copy(getenv("HF_TOKEN_PATH")));
    const char *home = getenv("HF_HOME");
    if (token == NULL)
        token = read_token(home && *home
                               ? folders_join(home, "token")
                               : folders_xdg("XDG_CACHE_HOME", ".cache", "huggingface/token"));
    if (token)
        token[strcspn(token, "\r\n \t")] = '\0';
    return token;
}

bool hub_is_offline(void)
{
    static const char *const yes[] = {"1", "true", "yes", "on"};
    const char *value = getenv("HF_HUB_OFFLINE");
    for (size_t i = 0; value && i < 4; i++) {
        if (strcasecmp(value, yes[i]) == 0)
            return true;
    }
    return false;
}

/* ---- choosing ---- */

static const char *path_at(const json_t *siblings, size_t i)
{
    const char *path = json_string_value(json_object_get(json_array_get(siblings, i), "rfilename"));
    return path && reference_is_file(path) ? path : NULL;
}

static bool is_projector(const char *path)
{
    return strcasestr(name_of_path(path), "mmproj") != NULL;
}

/* A model, or the first part of one. */
static bool is_model(const char *path)
{
    split_name split;
    return path && name_is_gguf(path) && !is_projector(path) &&
           strcasestr(name_of_path(path), "imatrix") == NULL &&
           !(split_name_parse(path, &split) && split.number != 1);
}

static bool same_file(const char *path, const char *wanted)
{
    split_name a, b;
    if (strcmp(path, wanted) == 0 || strcmp(name_of_path(path), wanted) == 0)
        return true;
    /* Any part of a split set stands for it. */
    return split_name_parse(path, &a) && split_name_parse(wanted, &b) && a.n_stem == b.n_stem &&
           a.count == b.count && memcmp(path, wanted, a.n_stem) == 0;
}

/* The better the file fits, the more; 0 not at all. */
static int fit_of(const char *path, const char *select)
{
    static const char *const usual[] = {"", "Q8_0", "Q4_K_M"};
    char format[24];
    name_quantization(path, format);
    if (name_is_gguf(select))
        return same_file(path, select);
    if (*select)
        return strcasecmp(format, select) == 0                       ? 3
               : strcasestr(name_of_path(path), select) != NULL      ? 2
               : strcasestr(path, select) != NULL && *format == '\0' ? 1
                                                                     : 0;
    for (int i = 2; i > 0; i--) {
        if (strcasecmp(format, usual[i]) == 0)
            return i + 1;
    }
    return 1;
}

static void tell(buf *names, size_t *n, const char *path)
{
    char format[24];
    name_quantization(path, format);
    if (++*n <= TOLD_MAX)
        buf_append_format(names, "%s%s", *n > 1 ? ", " : "", *format ? format : name_of_path(path));
}

/* Names the models whose fit is `fit`, or all for -1. */
static hearth_status refuse(const json_t *siblings, const reference *ref, int fit,
                            hearth_error *err)
{
    buf names;
    size_t n = 0;
    buf_init(&names, 0);
    for (size_t i = 0; i < json_array_size(siblings); i++) {
        const char *path = path_at(siblings, i);
        if (is_model(path) && (fit < 0 || fit_of(path, ref->select) == fit))
            tell(&names, &n, path);
    }
    const char *all = names.data ? names.data : "";
    hearth_status status = fit < 0 ? HEARTH_ENOTFOUND : HEARTH_EINVAL;
    if (n == 0)
        error_set(err, status, "hub", "hf.co/%s has no GGUF files", ref->repository);
    else if (fit < 0)
        error_set(err, status, "hub", "hf.co/%s has no '%.100s'; it has: %.220s%s", ref->repository,
                  ref->select, all, n > TOLD_MAX ? ", ..." : "");
    else
        error_set(err, status, "hub",
                  "several files of hf.co/%s fit; name one as hf.co/%s:FILE.gguf: %.180s",
                  ref->repository, ref->repository, all);
    buf_deinit(&names);
    return status;
}

static hearth_status find_model(const json_t *siblings, const reference *ref, const char **out,
                                hearth_error *err)
{
    int best = 0;
    size_t n_best = 0;
    for (size_t i = 0; i < json_array_size(siblings); i++) {
        const char *path = path_at(siblings, i);
        int fit = is_model(path) ? fit_of(path, ref->select) : 0;
        if (fit > best)
            *out = path;
        n_best = fit > best ? 1 : n_best + (fit == best && fit > 0);
        best = fit > best ? fit : best;
    }
    if (best == 0)
        return refuse(siblings, ref, -1, err);
    return n_best == 1 ? HEARTH_OK : refuse(siblings, ref, best, err);
}

/* Near the model, of the best format for it. */
static const char *find_projector(const json_t *siblings, const char *model)
{
    static const char *const formats[] = {"F16", "BF16", "Q8_0"};
    size_t n_folder = (size_t)(name_of_path(model) - model);
    const char *best = NULL;
    int best_rank = 99;
    for (size_t i = 0; i < json_array_size(siblings); i++) {
        const char *path = path_at(siblings, i);
        char format[24];
        if (path == NULL || !name_is_gguf(path) || !is_projector(path))
            continue;
        name_quantization(path, format);
        int rank = 3;
        for (int k = 2; k >= 0; k--)
            rank = strcmp(format, formats[k]) == 0 ? k : rank;
        bool beside = strncmp(path, model, n_folder) == 0 && strchr(path + n_folder, '/') == NULL;
        rank += beside ? 0 : 10;
        if (rank < best_rank) {
            best_rank = rank;
            best = path;
        }
    }
    return best;
}

/* Blanks and the like are none of reference_is_file()'s; what is left over needs no escape but '+'
 * and letters beyond ASCII. */
static bool append_path(buf *b, const char *path)
{
    bool ok = true;
    for (; ok && *path; path++) {
        unsigned char c = (unsigned char)*path;
        ok = c < 0x80 && c != '+' && c != '[' && c != ']' ? buf_append(b, path, 1)
                                                          : buf_append_format(b, "%%%02X", c);
    }
    return ok;
}

static hearth_status add_file(hub_files *out, const json_t *answer, const reference *ref,
                              const char *endpoint, const char *path, bool mmproj,
                              hearth_error *err)
{
    const json_t *siblings = json_object_get(answer, "siblings"), *entry = NULL;
    const char *commit = json_string_value(json_object_get(answer, "sha"));
    for (size_t i = 0; entry == NULL && i < json_array_size(siblings); i++) {
        const char *other = path_at(siblings, i);
        if (other && strcmp(other, path) == 0)
            entry = json_array_get(siblings, i);
    }
    if (entry == NULL)
        FAIL(err, ENOTFOUND, "hub", "hf.co/%s lacks '%.200s', a part of the model", ref->repository,
             path);
    if (out->n == HUB_FILES_MAX)
        FAIL(err, EFORMAT, "hub", "a model of more than %d parts", HUB_FILES_MAX);
    hub_file *f = &out->items[out->n++];
    const json_t *lfs = json_object_get(entry, "lfs");
    const char *sum = json_string_value(json_object_get(lfs, "sha256"));
    json_int_t size = json_integer_value(json_object_get(lfs ? lfs : entry, "size"));
    buf url;
    *f = (hub_file){.mmproj = mmproj, .size = size > 0 ? (uint64_t)size : 0};
    snprintf(f->path, sizeof f->path, "%s", path);
    if (sum)
        sha256_read(sum, f->sha256);
    if (commit == NULL || strspn(commit, "0123456789abcdef") != strlen(commit) || !*commit)
        commit = ref->revision;
    buf_init(&url, sizeof f->url - 1);
    bool ok = buf_append_format(&url, "%s/%s/resolve/%s/", endpoint, ref->repository, commit) &&
              append_path(&url, path);
    snprintf(f->url, sizeof f->url, "%s", ok ? url.data : "");
    buf_deinit(&url);
    if (!ok)
        FAIL(err, EFORMAT, "hub", "the address of '%.200s' is too long", path);
    return HEARTH_OK;
}

static hearth_status choose(hub_files *out, const json_t *answer, const reference *ref,
                            const char *endpoint, bool with_mmproj, hearth_error *err)
{
    const json_t *siblings = json_object_get(answer, "siblings");
    const char *model = NULL;
    split_name split;
    char part[600];
    if (!json_is_array(siblings))
        FAIL(err, EFORMAT, "hub", "'%.200s' does not answer as a hub does: no list of files",
             endpoint);
    TRY(find_model(siblings, ref, &model, err));
    bool is_split = split_name_parse(model, &split);
    for (unsigned i = 1; i <= (is_split ? split.count : 1); i++) {
        if (is_split && !split_name_part(model, &split, i, part, sizeof part))
            FAIL(err, EFORMAT, "hub", "the name '%.200s' is too long", model);
        TRY(add_file(out, answer, ref, endpoint, is_split ? part : model, false, err));
    }
    const char *projector = with_mmproj ? find_projector(siblings, model) : NULL;
    return projector ? add_file(out, answer, ref, endpoint, projector, true, err) : HEARTH_OK;
}

void hub_files_deinit(hub_files *files)
{
    mem_free(files->items);
    *files = (hub_files){0};
}

hearth_status hub_choose(hub_files *out, const json_t *answer, const reference *ref,
                         const char *endpoint, bool with_mmproj, hearth_error *err)
{
    *out = (hub_files){.items = mem_calloc(HUB_FILES_MAX, sizeof *out->items)};
    if (out->items == NULL)
        return error_no_memory(err, "a list of files", HUB_FILES_MAX * sizeof *out->items);
    hearth_status status = choose(out, answer, ref, endpoint, with_mmproj, err);
    if (status != HEARTH_OK)
        hub_files_deinit(out);
    return status;
}

/* ---- asking ---- */

/* A file by its address, or all parts of a split set: what they are, their server tells when they
 * are fetched. */
static hearth_status from_url(hub_files *out, const reference *ref, hearth_error *err)
{
    size_t n_path = strcspn(ref->url, "?#");
    char path[sizeof ref->url], part[sizeof ref->url], stem[LIBRARY_NAME_MAX + 1];
    split_name split;
    snprintf(path, sizeof path, "%.*s", (int)n_path, ref->url);
    bool is_split = split_name_parse(path, &split);
    if (is_split && split.count > HUB_FILES_MAX)
        FAIL(err, EINVAL, "reference", "a model of more than %d parts", HUB_FILES_MAX);
    *out = (hub_files){.n = is_split ? split.count : 1};
    out->items = mem_calloc(out->n, sizeof *out->items);
    if (out->items == NULL)
        return error_no_memory(err, "a list of files", out->n * sizeof *out->items);
    name_from_file("", path, stem);
    for (unsigned i = 0; i < out->n; i++) {
        hub_file *f = &out->items[i];
        if (is_split && split_name_part(path, &split, i + 1, part, sizeof part))
            snprintf(f->url, sizeof f->url, "%s%s", part, ref->url + n_path);
        else
            snprintf(f->url, sizeof f->url, "%s", ref->url);
        if (is_split)
            snprintf(f->path, sizeof f->path, "%s-%05u-of-%05u.gguf", stem, i + 1, split.count);
        else
            snprintf(f->path, sizeof f->path, "%s.gguf", stem);
    }
    return HEARTH_OK;
}

hearth_status hub_ask(hub_files *out, const reference *ref, const char *endpoint, const char *token,
                      bool with_mmproj, const transfer_options *options, hearth_error *err)
{
    char url[1024];
    buf body;
    json_error_t bad;
    if (*ref->repository == '\0')
        return from_url(out, ref, err);
    if ((size_t)snprintf(url, sizeof url, "%s/api/models/%s/revision/%s?blobs=true", endpoint,
                         ref->repository, ref->revision) >= sizeof url)
        FAIL(err, EINVAL, "HF_ENDPOINT", "the hub's address is too long");
    buf_init(&body, ANSWER_MAX_BYTES);
    hearth_status status =
        transfer_read(url, token, "Accept: application/json", options, &body, err);
    if (status == HEARTH_OK) {
        json_t *answer = json_loadb(body.data ? body.data : "", body.n, 0, &bad);
        if (answer == NULL)
            status = error_set(err, HEARTH_EFORMAT, "hub", "'%.200s' answers with no JSON: %.100s",
                               endpoint, bad.text);
        else
            status = hub_choose(out, answer, ref, endpoint, with_mmproj, err);
        json_decref(answer);
    }
    buf_deinit(&body);
    return status;
}
