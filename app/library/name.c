/* SPDX-License-Identifier: MIT
 *
 * name.c - see name.h.
 */
#include "library/name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- parts ---- */

static bool read_number(const char *at, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < 5; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(at[i] - '0');
    }
    return true;
}

bool split_name_parse(const char *path, split_name *out)
{
    static const char pattern[] = "-00001-of-00003.gguf";
    size_t n = strlen(path), tail = sizeof pattern - 1;
    if (n <= tail)
        return false;
    const char *at = path + n - tail;
    out->n_stem = n - tail;
    return at[0] == '-' && read_number(at + 1, &out->number) && memcmp(at + 6, "-of-", 4) == 0 &&
           read_number(at + 10, &out->count) && strcasecmp(at + 15, ".gguf") == 0 &&
           path[out->n_stem - 1] != '/' && out->number >= 1 && out->number <= out->count;
}

bool split_name_part(const char *path, const split_name *split, unsigned number, char *out,
                     size_t n)
{
    return (size_t)snprintf(out, n, "%.*s-%05u-of-%05u%s", (int)split->n_stem, path, number,
                            split->count, path + split->n_stem + 15) < n;
}

const char *name_of_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool name_is_gguf(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && strcasecmp(path + n - 5, ".gguf") == 0;
}

/* ---- weight formats ---- */

/* "Q4_K_M", "IQ2_XXS", "TQ1_0", "MXFP4", "F16", "BF16", and Unsloth's "UD-" before one. */
static bool is_format(const char *word, size_t n)
{
    static const char *const starts[] = {"Q", "IQ", "TQ", "MXFP", "NVFP", "F", "BF"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t k = strlen(starts[i]);
        if (n <= k || strncasecmp(word, starts[i], k) != 0 || !isdigit((unsigned char)word[k]))
            continue;
        bool is_float = starts[i][k - 1] == 'F';
        return !is_float || (n == k + 2 && isdigit((unsigned char)word[k + 1]));
    }
    return false;
}

void name_quantization(const char *path, char out[24])
{
    const char *file = name_of_path(path), *end = file + strlen(file);
    split_name split;
    if (split_name_parse(file, &split))
        end = file + split.n_stem;
    else if (name_is_gguf(file))
        end -= 5;
    *out = '\0';
    for (const char *at = file; at < end;) {
        size_t n = strcspn(at, "-.");
        n = n < (size_t)(end - at) ? n : (size_t)(end - at);
        if (n < 24 && is_format(at, n)) {
            for (size_t i = 0; i < n; i++)
                out[i] = (char)toupper((unsigned char)at[i]);
            out[n] = '\0';
        }
        at += n + 1;
    }
}

/* ---- names ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._-:+@", c));
}

/* A model's folder holds these files. */
static bool is_taken(const char *part, size_t n)
{
    static const char *const files[] = {"model.yml", "usage.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strlen(files[i]) == n && strncasecmp(part, files[i], n) == 0)
            return true;
    }
    return false;
}

/* No part is empty, or leads elsewhere, or is hidden. */
bool library_name_is_valid(const char *name)
{
    size_t n = strlen(name), part = 0;
    if (n == 0 || n > LIBRARY_NAME_MAX)
        return false;
    for (size_t i = 0; i <= n; i++) {
        if (name[i] == '/' || name[i] == '\0') {
            if (i == part || name[part] == '.' || name[part] == '-' ||
                is_taken(name + part, i - part))
                return false;
            part = i + 1;
        } else if (!is_letter(name[i])) {
            return false;
        }
    }
    return true;
}

hearth_status name_check(const char *name, hearth_error *err)
{
    if (library_name_is_valid(name))
        return HEARTH_OK;
    FAIL(err, EINVAL, "name",
         "'%.200s' cannot be a model's name: it has letters of ASCII, digits and . _ - / : + @, at "
         "most %d; no part begins with . or -, or is named as a file of Hearth's",
         name, LIBRARY_NAME_MAX);
}

/* What cannot be in a name becomes a dash, many in a row one. */
void name_repair(char *name)
{
    char *to = name, *part = name;
    bool replaced = false;
    for (const char *from = name; *from && to - name < LIBRARY_NAME_MAX; from++) {
        const bool bad = *from != '/' && !is_letter(*from), starts = to == part;
        const char c = bad ? '-' : *from;
        const bool is_left_out = (bad && replaced) || (starts && strchr("/.-", c) != NULL);
        replaced = bad;
        if (is_left_out)
            continue;
        if (c == '/') {
            if (is_taken(part, (size_t)(to - part)))
                *part = '_';
            part = to + 1;
        }
        *to++ = c;
    }
    while (to > name && (to[-1] == '/' || (to[-1] == '-' && replaced)))
        to--;
    *to = '\0';
    if (to >= part && is_taken(part, (size_t)(to - part)))
        *part = '_';
    if (*name == '\0')
        memcpy(name, "model", sizeof "model");
}

void name_from_file(const char *folder, const char *path, char out[LIBRARY_NAME_MAX + 1])
{
    char text[2 * LIBRARY_NAME_MAX];
    const char *file = name_of_path(path);
    split_name split;
    size_t n = strlen(file);
    if (split_name_parse(file, &split))
        n = split.n_stem;
    else if (name_is_gguf(file))
        n -= 5;
    int used = snprintf(text, sizeof text, "%s%s%.*s", folder, *folder ? "/" : "", (int)n, file);
    if (used > LIBRARY_NAME_MAX) /* the file's own name matters most */
        snprintf(text, sizeof text, "%.*s", n < LIBRARY_NAME_MAX ? (int)n : LIBRARY_NAME_MAX, file);
    snprintf(out, LIBRARY_NAME_MAX + 1, "%.*s", LIBRARY_NAME_MAX, text);
    name_repair(out);
}

int name_fit(const char *name, const char *wanted)
{
    size_t n = strlen(wanted);
    int best = NAME_FIT_NONE;
    if (n == 0)
        return NAME_FIT_NONE;
    if (strcmp(name, wanted) == 0)
        return NAME_FIT_EXACT;
    if (strcasecmp(name, wanted) == 0)
        return NAME_FIT_CASE;
    if (strncasecmp(name, wanted, n) == 0)
        best = NAME_FIT_PREFIX;
    for (const char *at = strchr(name, '/'); at; at = strchr(at + 1, '/')) {
        if (strcasecmp(at + 1, wanted) == 0)
            return NAME_FIT_PART;
        if (best == NAME_FIT_NONE && strncasecmp(at + 1, wanted, n) == 0)
            best = NAME_FIT_PART_PREFIX;
    }
    return best;
}
