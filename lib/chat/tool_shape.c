/* SPDX-License-Identifier: MIT
 *
 * tool_shape.c - see tool_shape.h.
 */
#include "chat/tool_shape.h"

#include <string.h>

#include "base/mem.h"
#include "chat/tool_json.h"

void tool_shape_init(tool_shape *shape)
{
    *shape = (tool_shape){.kind = TOOL_KIND_JSON};
#define TOOL_SHAPE_FIELD(mark) shape->mark = "";
    TOOL_SHAPE_MARKS(TOOL_SHAPE_FIELD)
#undef TOOL_SHAPE_FIELD
}

bool tool_shape_copy(tool_shape *out, const tool_shape *shape, char **memory)
{
    size_t total = 0;
#define TOOL_SHAPE_FIELD(mark) total += strlen(shape->mark) + 1;
    TOOL_SHAPE_MARKS(TOOL_SHAPE_FIELD)
#undef TOOL_SHAPE_FIELD
    char *to = *memory = mem_alloc(total);
    if (!to)
        return false;
    *out = *shape;
#define TOOL_SHAPE_FIELD(mark)                                                                     \
    out->mark = memcpy(to, shape->mark, strlen(shape->mark) + 1);                                  \
    to += strlen(shape->mark) + 1;
    TOOL_SHAPE_MARKS(TOOL_SHAPE_FIELD)
#undef TOOL_SHAPE_FIELD
    return true;
}

/* Skips the mark's blanks; true if they, or the seam of two tags, stand for any blanks. */
static bool loose_at(const char *mark, size_t *i, size_t n_mark)
{
    size_t start = *i, end = start;
    while (end < n_mark && tool_json_is_blank(mark[end]))
        end++;
    if (end == start)
        return start > 0 && mark[start - 1] == '>' && mark[start] == '<';
    if (memchr(mark + start, '\n', end - start) == NULL)
        return false;
    *i = end;
    return true;
}

size_t tool_mark_match(const char *mark, const char *text, size_t n)
{
    size_t n_mark = strlen(mark), i = 0, at = 0;
    while (n_mark > 0 && tool_json_is_blank(mark[n_mark - 1]))
        n_mark--;
    while (i < n_mark && tool_json_is_blank(mark[i]))
        i++;
    if (i == n_mark)
        return 0;
    for (; i < n_mark; i++, at++) {
        if (loose_at(mark, &i, n_mark))
            while (at < n && tool_json_is_blank(text[at]))
                at++;
        if (at == n)
            return TOOL_MARK_PARTIAL;
        if (text[at] != mark[i])
            return 0;
    }
    return at;
}

size_t tool_mark_find(const char *mark, const char *text, size_t from, size_t n, size_t *length)
{
    const char *first = mark;
    while (tool_json_is_blank(*first))
        first++;
    *length = 0;
    while (*first != '\0' && from < n) {
        const char *hit = memchr(text + from, *first, n - from);
        if (!hit)
            break;
        from = (size_t)(hit - text);
        *length = tool_mark_match(mark, hit, n - from);
        if (*length != 0)
            return from;
        from++;
    }
    return n;
}

size_t tool_mark_atom(const char *mark, const char **start)
{
    while (tool_json_is_blank(*mark))
        mark++;
    *start = mark;
    char close = *mark == '<' ? '>' : *mark == '[' ? ']' : '\0';
    const char *end = close != '\0' ? strchr(mark, close) : NULL;
    if (end)
        return (size_t)(end - mark) + 1;
    size_t n = 0;
    while (mark[n] != '\0' && !tool_json_is_blank(mark[n]) && (n == 0 || mark[n] != '<'))
        n++;
    return n;
}
