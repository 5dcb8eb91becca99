/* SPDX-License-Identifier: MIT
 *
 * jinja_make.c - the state of a render: budgets, errors, and new values in its arena.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/watch.h"
#include "chat/jinja_run.h"

enum { FEW = 8 }; /* entries of a dict that are searched without a table */

hearth_status jinja_fail(jinja_run *r, const char *format, ...)
{
    char message[384];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (r->at == NULL)
        FAIL(r->err, EINVAL, "chat template", "%s", message);
    FAIL(r->err, EINVAL, "chat template", "line %u, column %u: %s", r->at->line, r->at->column,
         message);
}

hearth_status jinja_spend(jinja_run *r, uint64_t steps)
{
    if (steps > r->steps_left)
        return jinja_fail(r, "the template takes more than %llu steps; it may never end",
                          (unsigned long long)r->max_steps);
    r->steps_left -= steps;
    if (!watch_go_on(steps))
        return watch_end(r->err);
    return HEARTH_OK;
}

hearth_status jinja_enter(jinja_run *r)
{
    if (r->depth >= r->max_depth)
        return jinja_fail(r, "calls and values are nested more than %u levels deep", r->max_depth);
    r->depth++;
    return HEARTH_OK;
}

void jinja_leave(jinja_run *r)
{
    r->depth--;
}

hearth_status jinja_new(jinja_run *r, size_t n_bytes, void *out)
{
    void *p = NULL;
    memcpy(out, &p, sizeof p);
    TRY(jinja_spend(r, n_bytes / 64));
    p = jinja_arena_alloc(&r->arena, n_bytes);
    if (p == NULL && r->arena.over)
        return jinja_fail(r, "rendering takes more than %zu MiB of memory", r->arena.max >> 20);
    if (p == NULL)
        return error_no_memory(r->err, "rendering a chat template", n_bytes);
    memcpy(out, &p, sizeof p);
    return HEARTH_OK;
}

hearth_status jinja_out_failed(jinja_run *r, const buf *b)
{
    if (b->max && b->n + 1 > b->max / 2)
        return jinja_fail(r, "the template writes more than %zu bytes", b->max);
    return error_no_memory(r->err, "a template's text", b->n);
}

/* ---- strings and lists ---- */

hearth_status jinja_wrap_string(jinja_run *r, const char *text, size_t n, jinja_value *out)
{
    jinja_string *s;
    TRY(jinja_spend(r, n / 64));
    TRY(jinja_new(r, sizeof *s, &s));
    *s = (jinja_string){text, n, jinja_count_chars(text, n)};
    *out = jinja_of_string(s);
    return HEARTH_OK;
}

hearth_status jinja_make_string(jinja_run *r, const char *text, size_t n, jinja_value *out)
{
    char *copy;
    TRY(jinja_new(r, n, &copy));
    if (n > 0)
        memcpy(copy, text, n);
    return jinja_wrap_string(r, copy, n, out);
}

hearth_status jinja_make_text(jinja_run *r, const char *text, jinja_value *out)
{
    return jinja_make_string(r, text, strlen(text), out);
}

hearth_status jinja_make_list(jinja_run *r, jinja_flavor flavor, size_t n, jinja_value **items,
                              jinja_value *out)
{
    jinja_list *list;
    if (n > SIZE_MAX / sizeof **items)
        return jinja_fail(r, "a list of %zu items is too long", n);
    TRY(jinja_new(r, sizeof *list, &list));
    TRY(jinja_new(r, n * sizeof **items, items));
    *list = (jinja_list){.flavor = flavor, .n = n, .items = *items};
    *out = jinja_of_list(list);
    return HEARTH_OK;
}

hearth_status jinja_build(jinja_run *r, jinja_builder *b, jinja_value v)
{
    if (b->n == b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 8;
        jinja_value *items;
        TRY(jinja_new(r, capacity * sizeof *items, &items));
        if (b->n > 0)
            memcpy(items, b->items, b->n * sizeof *items);
        b->items = items;
        b->capacity = capacity;
    }
    b->items[b->n++] = v;
    return HEARTH_OK;
}

hearth_status jinja_built(jinja_run *r, const jinja_builder *b, jinja_flavor flavor,
                          jinja_value *out)
{
    static const jinja_value nothing = {.kind = JINJA_MISSING}; /* so that items is never NULL */
    jinja_list *list;
    TRY(jinja_new(r, sizeof *list, &list));
    *list = (jinja_list){.flavor = flavor, .n = b->n, .items = b->n ? b->items : &nothing};
    *out = jinja_of_list(list);
    return HEARTH_OK;
}

/* ---- dicts ---- */

hearth_status jinja_make_dict(jinja_run *r, jinja_dict **out)
{
    TRY(jinja_new(r, sizeof **out, out));
    **out = (jinja_dict){0};
    return HEARTH_OK;
}

static hearth_status grow(jinja_run *r, jinja_dict *d)
{
    size_t capacity = d->capacity ? d->capacity * 2 : 4;
    jinja_entry *entries;
    TRY(jinja_new(r, capacity * sizeof *entries, &entries));
    if (d->n > 0)
        memcpy(entries, d->entries, d->n * sizeof *entries);
    if (capacity > FEW) {
        uint32_t *slots;
        size_t n_slots = capacity * 2;
        TRY(jinja_new(r, n_slots * sizeof *slots, &slots));
        memset(slots, 0, n_slots * sizeof *slots);
        for (size_t i = 0; i < d->n; i++) {
            size_t slot = entries[i].hash & (n_slots - 1);
            while (slots[slot])
                slot = (slot + 1) & (n_slots - 1);
            slots[slot] = (uint32_t)i + 1;
        }
        d->slots = slots;
        d->n_slots = n_slots;
    }
    d->entries = entries;
    d->capacity = capacity;
    return HEARTH_OK;
}

/* The entry with that key, or NULL; *slot is where it is or would be noted. */
static hearth_status probe(jinja_run *r, const jinja_dict *d, jinja_value key, uint64_t hash,
                           size_t *slot, jinja_entry **out)
{
    bool same = false;
    *out = NULL;
    *slot = d->n_slots ? hash & (d->n_slots - 1) : 0;
    for (size_t i = 0;; i++) {
        jinja_entry *entry;
        if (d->slots == NULL ? i == d->n : d->slots[*slot] == 0)
            return HEARTH_OK;
        entry = &d->entries[d->slots ? d->slots[*slot] - 1 : i];
        if (i > 4 && d->slots)
            TRY(jinja_spend(r, 1));
        if (entry->hash == hash) {
            TRY(jinja_equal(r, entry->key, key, &same));
            if (same) {
                *out = entry;
                return HEARTH_OK;
            }
        }
        if (d->slots)
            *slot = (*slot + 1) & (d->n_slots - 1);
    }
}

hearth_status jinja_dict_set(jinja_run *r, jinja_dict *d, jinja_value key, jinja_value value)
{
    uint64_t hash;
    size_t slot;
    jinja_entry *entry;
    TRY(jinja_hash(r, key, &hash));
    TRY(probe(r, d, key, hash, &slot, &entry));
    if (entry) {
        entry->value = value;
        return HEARTH_OK;
    }
    if (d->n == d->capacity) {
        TRY(grow(r, d));
        TRY(probe(r, d, key, hash, &slot, &entry));
    }
    d->entries[d->n++] = (jinja_entry){key, value, hash};
    if (d->slots)
        d->slots[slot] = (uint32_t)d->n;
    return HEARTH_OK;
}

hearth_status jinja_dict_find(jinja_run *r, const jinja_dict *d, jinja_value key, jinja_value **out)
{
    uint64_t hash;
    size_t slot;
    jinja_entry *entry;
    TRY(jinja_hash(r, key, &hash));
    TRY(probe(r, d, key, hash, &slot, &entry));
    *out = entry ? &entry->value : NULL;
    return HEARTH_OK;
}

hearth_status jinja_dict_list(jinja_run *r, const jinja_dict *d, jinja_flavor flavor,
                              jinja_value *out)
{
    jinja_value *items, *pair;
    TRY(jinja_make_list(r, flavor, d->n, &items, out));
    for (size_t i = 0; i < d->n; i++) {
        const jinja_entry *entry = &d->entries[i];
        if (flavor == JINJA_ITEMS) {
            TRY(jinja_make_list(r, JINJA_TUPLE, 2, &pair, &items[i]));
            pair[0] = entry->key;
            pair[1] = entry->value;
        } else {
            items[i] = flavor == JINJA_VALUES ? entry->value : entry->key;
        }
    }
    return HEARTH_OK;
}
