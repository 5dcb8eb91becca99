/* SPDX-License-Identifier: MIT
 *
 * json_memory.c - see json_memory.h.
 */
#include "protocol/json_memory.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static _Thread_local bool failed;

static void *take(size_t n)
{
    void *p = failed ? NULL : mem_alloc(n);
    failed = failed || p == NULL;
    return p;
}

void json_memory_install(void)
{
    json_set_alloc_funcs(take, mem_free);
}

void json_memory_begin(void)
{
    failed = false;
}

bool json_memory_failed(void)
{
    return failed;
}

/* ---- reading ---- */

/* ["xxx..", TEXT]: the text begins a line of its own, so that places in it are told as they are. */
enum { HEAD = JSON_MEMORY_WORD_MAX + 5, TAIL = 1 };

typedef struct source {
    const char *text;
    size_t n, at;
} source;

static char char_at(const source *s, size_t at)
{
    if (at >= HEAD)
        return at < HEAD + s->n ? s->text[at - HEAD] : ']';
    return at == 0                     ? '['
           : at == 1 || at == HEAD - 3 ? '"'
           : at == HEAD - 2            ? ','
           : at == HEAD - 1            ? '\n'
                                       : 'x';
}

static size_t read_some(void *out, size_t n_out, void *user)
{
    source *s = user;
    size_t n = 0;
    while (n < n_out && s->at < HEAD + s->n + TAIL) {
        if (s->at >= HEAD && s->at < HEAD + s->n) {
            size_t left = HEAD + s->n - s->at, some = left < n_out - n ? left : n_out - n;
            memcpy((char *)out + n, s->text + (s->at - HEAD), some);
            n += some;
            s->at += some;
        } else {
            ((char *)out)[n++] = char_at(s, s->at++);
        }
    }
    return n;
}

json_t *json_memory_load(const char *text, size_t n, size_t flags, json_error_t *error)
{
    source s = {.text = text, .n = n};
    json_memory_begin();
    json_t *both = json_load_callback(read_some, &s, flags, error);
    json_t *value = failed || json_array_size(both) != 2 ? NULL : json_array_get(both, 1);
    /* What is wrong with the frame is wrong with the text. */
    if (both && !value && !failed) {
        error->line = error->column = 1;
        snprintf(error->text, sizeof error->text, "more than one value");
    } else if (!both && error->position > HEAD + (int)n) {
        snprintf(error->text, sizeof error->text, "it ends too early");
    }
    json_incref(value);
    json_decref(both);
    error->line -= error->line > 1;
    return value;
}
