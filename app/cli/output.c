/* SPDX-License-Identifier: MIT
 *
 * output.c - see output.h.
 */
#include "cli/output.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/interrupt.h"
#include "library/describe.h"
#include "os/file.h"

/* ---- standard output ---- */

static hearth_status lost(hearth_error *err)
{
    if (errno == EPIPE)
        FAIL(err, EIO, "standard output", "standard output was closed before everything was read");
    return error_set_errno(err, HEARTH_EIO, "standard output", "cannot write standard output");
}

hearth_status output_flush(hearth_error *err)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? HEARTH_OK : lost(err);
}

hearth_status output_finish(hearth_error *err)
{
    bool failed_before = ferror(stdout) != 0;
    if (fclose(stdout) != 0)
        return lost(err);
    if (failed_before)
        FAIL(err, EIO, "standard output",
             "standard output could not be written whole: the disk is full or its reader is gone");
    return HEARTH_OK;
}

/* ---- files ---- */

struct output_file {
    const char *path;
    file_writer *atomic; /* NULL: written straight to stream */
    FILE *stream;
};

static bool is_special(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

hearth_status output_open(output_file **out, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    output_file *file = mem_calloc(1, sizeof *file);
    if (file == NULL)
        return error_no_memory(err, "an output file", sizeof *file);
    file->path = path;
    if (strcmp(path, "-") == 0)
        file->stream = stdout;
    else if (is_special(path))
        file->stream = fopen(path, "wbe");
    else
        status = file_writer_open(&file->atomic, path, err);
    if (status == HEARTH_OK && !file->atomic && !file->stream)
        status = interrupt_pending() /* a pipe that nobody reads from */
                     ? error_set(err, HEARTH_ECANCELED, path, "stopped while '%s' was opened", path)
                     : error_set_errno(err, HEARTH_EIO, path, "cannot open '%s'", path);
    if (status != HEARTH_OK) {
        output_close(file);
        return status;
    }
    *out = file;
    return HEARTH_OK;
}

hearth_status output_write(output_file *file, const void *bytes, size_t n, hearth_error *err)
{
    if (file->atomic)
        return file_writer_write(file->atomic, bytes, n, err);
    if (fwrite(bytes, 1, n, file->stream) == n)
        return HEARTH_OK;
    return file->stream == stdout
               ? lost(err)
               : error_set_errno(err, HEARTH_EIO, file->path, "cannot write '%s'", file->path);
}

hearth_status output_commit(output_file *file, hearth_error *err)
{
    if (file->atomic)
        return file_writer_commit(file->atomic, err);
    if (file->stream == stdout)
        return output_flush(err);
    if (fflush(file->stream) != 0)
        return error_set_errno(err, HEARTH_EIO, file->path, "cannot write '%s'", file->path);
    return HEARTH_OK;
}

void output_close(output_file *file)
{
    if (file == NULL)
        return;
    file_writer_close(file->atomic);
    if (file->stream && file->stream != stdout)
        fclose(file->stream);
    mem_free(file);
}

/* ---- JSON ---- */

hearth_status output_json(json_t *object, hearth_error *err)
{
    int failed = object == NULL || json_dumpf(object, stdout, JSON_REAL_PRECISION(9));
    json_decref(object);
    fputc('\n', stdout);
    if (failed && !ferror(stdout))
        return error_no_memory(err, "the JSON result", 0);
    return HEARTH_OK; /* a write error is output_finish's to tell */
}

json_t *output_json_string(const char *text)
{
    return text ? describe_bytes(text, strlen(text)) : json_null();
}

json_t *output_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}
