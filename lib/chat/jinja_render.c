/* SPDX-License-Identifier: MIT
 *
 * jinja_render.c - the public side of chat templates: the JSON of a request becomes the template's
 * variables, and a render begins and ends here.
 */
#include <hearth/chat.h>

#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/options_take.h"
#include "chat/jinja_run.h"

struct hearth_chat_template {
    jinja_template t;
};

hearth_status hearth_chat_template_new(hearth_chat_template **out, const char *source,
                                       size_t n_source, hearth_error *err)
{
    hearth_chat_template *t = mem_calloc(1, sizeof *t);
    *out = NULL;
    if (t == NULL)
        return error_no_memory(err, "a chat template", sizeof *t);
    hearth_status status = jinja_parse(&t->t, source, n_source, err);
    if (status != HEARTH_OK) {
        mem_free(t);
        return status;
    }
    *out = t;
    return HEARTH_OK;
}

void hearth_chat_template_free(hearth_chat_template *t)
{
    if (t == NULL)
        return;
    jinja_template_deinit(&t->t);
    mem_free(t);
}

void hearth_chat_render_options_init(hearth_chat_render_options *options)
{
    *options = (hearth_chat_render_options){
        .struct_size = sizeof *options,
        .now = -1,
        .max_depth = 1000,
        .max_steps = 50000000,
        .max_memory_bytes = 256u << 20,
        .max_output_bytes = 64u << 20,
    };
}

/* ---- variables ---- */

static hearth_status from_json(jinja_run *r, const json_t *json, jinja_value *out);

static hearth_status from_array(jinja_run *r, const json_t *json, jinja_value *out)
{
    jinja_value *items;
    size_t n = json_array_size(json);
    TRY(jinja_make_list(r, JINJA_PLAIN, n, &items, out));
    for (size_t i = 0; i < n; i++)
        TRY(from_json(r, json_array_get(json, i), &items[i]));
    return HEARTH_OK;
}

/* jansson walks an object in the order in which its members were first set. */
static hearth_status from_object(jinja_run *r, const json_t *json, jinja_value *out)
{
    jinja_dict *d;
    TRY(jinja_make_dict(r, &d));
    json_t *object = (json_t *)json; /* iterating takes it without const, and changes nothing */
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        jinja_value key, value;
        TRY(jinja_make_string(r, json_object_iter_key(at), json_object_iter_key_len(at), &key));
        TRY(from_json(r, json_object_iter_value(at), &value));
        TRY(jinja_dict_set(r, d, key, value));
    }
    *out = (jinja_value){.kind = JINJA_DICT, .dict = d};
    return HEARTH_OK;
}

static hearth_status from_json(jinja_run *r, const json_t *json, jinja_value *out)
{
    hearth_status status;
    switch (json_typeof(json)) {
    case JSON_NULL:
        *out = jinja_none();
        return HEARTH_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = jinja_bool(json_is_true(json));
        return HEARTH_OK;
    case JSON_INTEGER:
        *out = jinja_int(json_integer_value(json));
        return HEARTH_OK;
    case JSON_REAL:
        *out = jinja_float(json_real_value(json));
        return HEARTH_OK;
    case JSON_STRING:
        return jinja_make_string(r, json_string_value(json), json_string_length(json), out);
    default:
        TRY(jinja_enter(r));
        status = json_is_array(json) ? from_array(r, json, out) : from_object(r, json, out);
        jinja_leave(r);
        return status;
    }
}

static hearth_status read_context(jinja_run *r, const char *text, size_t n)
{
    jinja_value context;
    json_t *json;
    TRY(json_read(&json, text, n, JSON_ALLOW_NUL, "conversation", r->err));
    hearth_status status = HEARTH_OK;
    if (!json_is_object(json))
        status = error_set(r->err, HEARTH_EINVAL, "conversation",
                           "the variables of a template must be one JSON object");
    else
        status = from_json(r, json, &context);
    json_decref(json);
    if (status == HEARTH_OK)
        r->context = context.dict;
    return status;
}

/* ---- rendering ---- */

static hearth_status render(jinja_run *r, const char *context, size_t n)
{
    int jump = JUMP_NONE;
    TRY(read_context(r, context, n));
    TRY(jinja_new(r, sizeof *r->root, &r->root));
    *r->root = (jinja_frame){0};
    return jinja_exec(r, r->root, r->t->root, &jump);
}

hearth_status hearth_chat_template_render(const hearth_chat_template *t, const char *context_json,
                                          size_t n_context,
                                          const hearth_chat_render_options *options, char **text,
                                          size_t *n, hearth_error *err)
{
    hearth_chat_render_options o;
    buf out;
    *text = NULL;
    *n = 0;
    hearth_chat_render_options_init(&o);
    TRY(options_take(&o, sizeof o, options, "hearth_chat_render_options", err));
    jinja_run r = {.t = &t->t,
                   .out = &out,
                   .steps_left = o.max_steps,
                   .max_steps = o.max_steps,
                   .max_output = o.max_output_bytes,
                   .max_depth = o.max_depth,
                   .now = (o.now == -1 ? (int64_t)time(NULL) : o.now) + o.utc_offset_s,
                   .utc_offset_s = o.utc_offset_s,
                   .err = err};
    buf_init(&out, o.max_output_bytes);
    jinja_arena_init(&r.arena, o.max_memory_bytes);
    hearth_status status = render(&r, context_json, n_context);
    if (status == HEARTH_OK) {
        *text = buf_take(&out, n);
        if (*text == NULL)
            status = error_no_memory(err, "a template's text", 1);
    }
    buf_deinit(&out);
    jinja_arena_deinit(&r.arena);
    return status;
}
