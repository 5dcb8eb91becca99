/* SPDX-License-Identifier: MIT
 *
 * jinja_loop.c - for, and what `loop` tells inside it.
 *
 * The test of `for x in xs if test` is asked for an item when that item is wanted, so that a test
 * which looks at a namespace sees what the body has set meanwhile. `loop.last` and `nextitem` want
 * one item ahead, `length` and `revindex` all of them.
 */
#include <string.h>

#include "chat/jinja_run.h"

/* ---- items ---- */

static hearth_status passes(jinja_run *r, jinja_loop *loop, jinja_value item, bool *out)
{
    jinja_frame *f;
    jinja_value test;
    const jinja_node *node = loop->node;
    TRY(jinja_new(r, sizeof *f, &f));
    *f = (jinja_frame){.parent = loop->frame->parent};
    TRY(jinja_assign(r, f, node->kids[0], item));
    TRY(jinja_eval(r, f, node->kids[2], &test));
    *out = jinja_is_true(test);
    return HEARTH_OK;
}

static hearth_status push(jinja_run *r, jinja_loop *loop, jinja_value item)
{
    jinja_list *list = loop->items;
    if (list->n == loop->capacity) {
        jinja_value *items;
        size_t capacity = loop->capacity ? loop->capacity * 2 : 8;
        TRY(jinja_new(r, capacity * sizeof *items, &items));
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        loop->capacity = capacity;
    }
    jinja_value *items = (jinja_value *)list->items; /* the loop's own, see above */
    items[list->n++] = item;
    return HEARTH_OK;
}

/* Whether there is an item number i; asks the test as often as that needs. */
static hearth_status reach(jinja_run *r, jinja_loop *loop, size_t i, bool *out)
{
    while (loop->source && i >= loop->items->n && loop->source_next < loop->source->n) {
        bool pass;
        jinja_value item = loop->source->items[loop->source_next++];
        TRY(passes(r, loop, item, &pass));
        if (pass)
            TRY(push(r, loop, item));
    }
    *out = i < loop->items->n;
    return HEARTH_OK;
}

static hearth_status count(jinja_run *r, jinja_loop *loop, size_t *out)
{
    bool there;
    TRY(reach(r, loop, SIZE_MAX, &there));
    *out = loop->items->n;
    return HEARTH_OK;
}

/* ---- attributes ---- */

static hearth_status neighbour(jinja_run *r, jinja_loop *loop, bool next, jinja_value *out)
{
    bool there = loop->index > 0;
    if (next)
        TRY(reach(r, loop, loop->index + 1, &there));
    *out = there ? loop->items->items[next ? loop->index + 1 : loop->index - 1]
                 : jinja_undefined(NULL, JINJA_LACK_MEMBER);
    return HEARTH_OK;
}

hearth_status jinja_loop_attribute(jinja_run *r, jinja_value v, const jinja_string *name,
                                   jinja_value *out)
{
    jinja_loop *loop = v.loop;
    int64_t index = (int64_t)loop->index;
    size_t n = 0;
    bool there;
    *out = (jinja_value){.kind = JINJA_MISSING};
    if (jinja_string_is(name, "index")) {
        *out = jinja_int(index + 1);
    } else if (jinja_string_is(name, "index0")) {
        *out = jinja_int(index);
    } else if (jinja_string_is(name, "first")) {
        *out = jinja_bool(index == 0);
    } else if (jinja_string_is(name, "last")) {
        TRY(reach(r, loop, loop->index + 1, &there));
        *out = jinja_bool(!there);
    } else if (jinja_string_is(name, "length")) {
        TRY(count(r, loop, &n));
        *out = jinja_int((int64_t)n);
    } else if (jinja_string_is(name, "revindex")) {
        TRY(count(r, loop, &n));
        *out = jinja_int((int64_t)n - index);
    } else if (jinja_string_is(name, "revindex0")) {
        TRY(count(r, loop, &n));
        *out = jinja_int((int64_t)n - index - 1);
    } else if (jinja_string_is(name, "depth")) {
        *out = jinja_int((int64_t)loop->level + 1);
    } else if (jinja_string_is(name, "depth0")) {
        *out = jinja_int(loop->level);
    } else if (jinja_string_is(name, "previtem") || jinja_string_is(name, "nextitem")) {
        return neighbour(r, loop, name->text[0] == 'n', out);
    }
    return HEARTH_OK;
}

/* ---- running ---- */

static hearth_status new_loop(jinja_run *r, jinja_frame *f, const jinja_node *node,
                              jinja_list *source, unsigned level, jinja_loop **out)
{
    jinja_loop *loop;
    TRY(jinja_new(r, sizeof *loop, &loop));
    *loop = (jinja_loop){.items = source, .node = node, .level = level};
    TRY(jinja_new(r, sizeof *loop->frame, &loop->frame));
    *loop->frame = (jinja_frame){.parent = f};
    if (node->kids[2]) {
        loop->source = source;
        TRY(jinja_new(r, sizeof *loop->items, &loop->items));
        *loop->items = (jinja_list){.flavor = JINJA_PLAIN};
    }
    *out = loop;
    return HEARTH_OK;
}

static hearth_status run_items(jinja_run *r, jinja_loop *loop, bool *any)
{
    const jinja_node *node = loop->node;
    jinja_value self = {.kind = JINJA_LOOP, .loop = loop};
    int jump = JUMP_NONE;
    bool there;
    *any = false;
    for (; jump != JUMP_BREAK; loop->index++) {
        TRY(reach(r, loop, loop->index, &there));
        if (!there)
            break;
        *any = true;
        jump = JUMP_NONE;
        loop->frame->n = 0; /* names of the iteration before are gone */
        TRY(jinja_bind(r, loop->frame, NAME_LOOP, self));
        TRY(jinja_assign(r, loop->frame, node->kids[0], loop->items->items[loop->index]));
        TRY(jinja_exec(r, loop->frame, node->kids[3], &jump));
    }
    return HEARTH_OK;
}

hearth_status jinja_run_loop(jinja_run *r, jinja_frame *f, const jinja_node *node,
                             jinja_value source, unsigned level)
{
    jinja_list *list;
    jinja_loop *loop;
    bool any;
    int jump = JUMP_NONE;
    TRY(jinja_iterate(r, source, &list));
    TRY(new_loop(r, f, node, list, level, &loop));
    TRY(run_items(r, loop, &any));
    if (any || node->kids[4] == NULL)
        return HEARTH_OK;
    jinja_frame *inner;
    TRY(jinja_new(r, sizeof *inner, &inner));
    *inner = (jinja_frame){.parent = f};
    return jinja_exec(r, inner, node->kids[4], &jump);
}
