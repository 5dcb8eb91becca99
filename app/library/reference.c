/* SPDX-License-Identifier: MIT
 *
 * reference.c - see reference.h.
 */
#include "library/reference.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/origin.h"
#include "library/name.h"

static bool is_word(const char *text, size_t n)
{
    if (n == 0 || n > 96 || text[0] == '.' || text[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr("._-", text[i]) == NULL)
            return false;
    }
    return true;
}

bool reference_is_file(const char *path)
{
    const char *part = path;
    for (const char *at = path;; at++) {
        if (*at == '/' || *at == '\0') {
            if (at == part || *part == '.' || at - part > 200)
                return false;
            part = at + 1;
            if (*at == '\0')
                return strlen(path) < 512;
        } else if ((unsigned char)*at < 0x21 || strchr("\\?#%:*\"<>|\x7f", *at)) {
            return false;
        }
    }
}

static hearth_status malformed(const char *text, hearth_error *err)
{
    FAIL(err, EINVAL, "reference",
         "'%.200s' names no model: give a name of hearth list --catalog, hf.co/ORG/REPO[:QUANT], "
         "hf.co/ORG/REPO:FILE.gguf, or the address of a .gguf file",
         text);
}

/* "ORG/REPO", then nothing, ":SELECT", or the rest of a page's address. */
static hearth_status read_repository(reference *out, const char *text, hearth_error *err)
{
    const char *slash = strchr(text, '/');
    size_t n_org = slash ? (size_t)(slash - text) : 0;
    const char *name = slash ? slash + 1 : "";
    size_t n_name = strcspn(name, "/:?#");
    const char *rest = name + n_name;
    if (!is_word(text, n_org) || !is_word(name, n_name))
        return malformed(text, err);
    snprintf(out->repository, sizeof out->repository, "%.*s/%.*s", (int)n_org, text, (int)n_name,
             name);
    snprintf(out->revision, sizeof out->revision, "main");
    if (*rest == ':') {
        rest++;
        bool valid = name_is_gguf(rest) ? reference_is_file(rest) : is_word(rest, strlen(rest));
        if (!valid)
            return malformed(text, err);
        snprintf(out->select, sizeof out->select, "%s", rest);
        return HEARTH_OK;
    }
    /* "/resolve/REVISION/FILE", "/blob/REVISION/FILE", "/tree/REVISION" of a page. */
    char path[1024];
    snprintf(path, sizeof path, "%.*s", (int)strcspn(rest, "?#"), rest);
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        path[--n] = '\0';
    if (n == 0)
        return HEARTH_OK;
    const char *kinds[] = {"/resolve/", "/blob/", "/tree/"};
    for (size_t i = 0; i < 3; i++) {
        size_t k = strlen(kinds[i]);
        if (strncmp(path, kinds[i], k) != 0)
            continue;
        const char *revision = path + k;
        size_t n_revision = strcspn(revision, "/");
        const char *file = revision + n_revision + (revision[n_revision] == '/');
        if (!is_word(revision, n_revision) || (*file && !reference_is_file(file)) ||
            (*file && !name_is_gguf(file)) || (*file == '\0' && i < 2))
            return malformed(text, err);
        snprintf(out->revision, sizeof out->revision, "%.*s", (int)n_revision, revision);
        snprintf(out->select, sizeof out->select, "%s", file);
        return HEARTH_OK;
    }
    return malformed(text, err);
}

/* What follows the hub's host, or NULL if it is another host's address. */
static const char *path_at_hub(const char *url, const char *endpoint)
{
    static const char *const hubs[] = {"https://huggingface.co/", "https://hf.co/",
                                       "http://huggingface.co/", "http://hf.co/"};
    size_t n = strlen(endpoint);
    for (size_t i = 0; i < sizeof hubs / sizeof *hubs; i++) {
        if (strncasecmp(url, hubs[i], strlen(hubs[i])) == 0)
            return url + strlen(hubs[i]);
    }
    while (n > 0 && endpoint[n - 1] == '/')
        n--;
    return n > 0 && strncmp(url, endpoint, n) == 0 && url[n] == '/' ? url + n + 1 : NULL;
}

static hearth_status read_url(reference *out, const char *url, const char *endpoint,
                              hearth_error *err)
{
    origin where;
    const char *path = path_at_hub(url, endpoint);
    bool is_page = path && !(name_is_gguf(path) && strchr(path, '/') == strrchr(path, '/'));
    if (is_page && read_repository(out, path, NULL) == HEARTH_OK)
        return HEARTH_OK;
    *out = (reference){.repository = ""};
    TRY(origin_parse(&where, url, err));
    char file[2048];
    snprintf(file, sizeof file, "%.*s", (int)strcspn(url, "?#"), url);
    if (strlen(url) >= sizeof out->url || !name_is_gguf(file))
        FAIL(err, EINVAL, "reference", "'%.200s' is not the address of a .gguf file", file);
    snprintf(out->url, sizeof out->url, "%s", url);
    return HEARTH_OK;
}

static hearth_status read_catalog(reference *out, const char *name, hearth_error *err)
{
    TRY(catalog_find(name, &out->entry, err));
    if (*out->entry->repository == '\0')
        FAIL(err, EINVAL, "reference", "'%s' is built in: there is nothing to fetch",
             out->entry->name);
    snprintf(out->repository, sizeof out->repository, "%s", out->entry->repository);
    snprintf(out->revision, sizeof out->revision, "main");
    snprintf(out->select, sizeof out->select, "%s", out->entry->file);
    return HEARTH_OK;
}

hearth_status reference_parse(reference *out, const char *text, const char *endpoint,
                              hearth_error *err)
{
    static const char *const prefixes[] = {"hf.co/", "huggingface.co/", "hf:"};
    *out = (reference){.repository = ""};
    if (strncasecmp(text, "https://", 8) == 0 || strncasecmp(text, "http://", 7) == 0)
        return read_url(out, text, endpoint, err);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (strncasecmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            return read_repository(out, text + strlen(prefixes[i]), err);
    }
    if (strchr(text, '/'))
        return read_repository(out, text, err);
    return read_catalog(out, text, err);
}
