/* SPDX-License-Identifier: MIT
 *
 * input.c - see input.h.
 */
#include "cli/input.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/interrupt.h"

static hearth_status read_stream(FILE *stream, const char *name, buf *out, hearth_error *err)
{
    static char block[1 << 16];
    do {
        errno = 0;
        size_t n = fread(block, 1, sizeof block, stream);
        if (n > INPUT_MAX - out->n)
            FAIL(err, EINVAL, name, "'%s' holds more than %d MiB of text", name, INPUT_MAX >> 20);
        if (!buf_append(out, block, n))
            return error_no_memory(err, name, out->n + n);
        if (interrupt_pending())
            FAIL(err, ECANCELED, name, "stopped while '%s' was read", name);
    } while (!feof(stream) &&
             !ferror(stream)); /* at a terminal, asking again would need a second ^D */
    if (ferror(stream))
        return error_set_errno(err, HEARTH_EIO, name, "cannot read '%s'", name);
    return HEARTH_OK;
}

hearth_status input_read(const char *path, buf *out, hearth_error *err)
{
    buf_clear(out);
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, "standard input", out, err);
    FILE *file = fopen(path, "rbe");
    if (file == NULL && interrupt_pending()) /* a pipe that nobody writes to */
        FAIL(err, ECANCELED, path, "stopped while '%s' was opened", path);
    if (file == NULL)
        return error_set_errno(err, errno == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO, path,
                               "cannot open '%s'", path);
    hearth_status status = read_stream(file, path, out, err);
    fclose(file);
    return status;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that an escape (after its backslash) means, and how many characters it takes; 0 if it
 * is none. */
static size_t escape(const char *text, size_t n, char *byte)
{
    static const char names[] = "nrt\\'\"", bytes[] = "\n\r\t\\'\"";
    const char *found = n > 0 && *text ? strchr(names, *text) : NULL;
    if (found) {
        *byte = bytes[found - names];
        return 1;
    }
    if (n >= 3 && *text == 'x' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
        *byte = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
        return 3;
    }
    return 0;
}

void input_unescape(char *text, size_t *n)
{
    size_t out = 0;
    for (size_t i = 0; i < *n;) {
        char byte = text[i++];
        if (byte == '\\')
            i += escape(text + i, *n - i, &byte);
        text[out++] = byte;
    }
    text[out] = '\0';
    *n = out;
}

hearth_status input_unescape_list(option_list *list, hearth_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        char *text = (char *)list->items[i]; /* argv, which is the program's to change */
        size_t n = strlen(text);
        input_unescape(text, &n);
        if (strlen(text) != n)
            FAIL(err, EINVAL, "escape", "'%.64s\\x00...': \\x00 cannot stand in this option", text);
    }
    return HEARTH_OK;
}

hearth_status input_append_tokens(const hearth_model *model, const char *text, size_t n,
                                  unsigned flags, buf *tokens, hearth_error *err)
{
    int32_t *list = NULL;
    size_t n_tokens = 0;
    TRY(hearth_tokenize(model, text ? text : "", n, flags, &list, &n_tokens, err));
    bool ok = buf_append(tokens, list, n_tokens * sizeof *list);
    hearth_free(list);
    return ok ? HEARTH_OK : error_no_memory(err, "the prompt", n_tokens * sizeof *list);
}
