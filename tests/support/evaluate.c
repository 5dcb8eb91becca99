/* SPDX-License-Identifier: MIT
 *
 * evaluate.c - see evaluate.h.
 */
#include "support/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct rows {
    float *data;
    size_t n_rows;
} rows;

static void check(hearth_status status, const hearth_error *err, const char *path)
{
    if (status == HEARTH_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", path, hearth_status_name(status), err->message);
    exit(1);
}

static bool take_row(void *user, size_t position, const float *logits, size_t n_vocab)
{
    rows *r = user;
    if (position != r->n_rows) {
        fprintf(stderr, "logits of position %zu came where %zu was due\n", position, r->n_rows);
        exit(1);
    }
    r->data = realloc(r->data, (r->n_rows + 1) * n_vocab * sizeof *r->data);
    memcpy(r->data + r->n_rows++ * n_vocab, logits, n_vocab * sizeof *logits);
    return true;
}

static hearth_session *open_session(const hearth_model *model, const circumstances *c,
                                    const char *path)
{
    hearth_error err = {.code = HEARTH_OK};
    hearth_session *session;
    hearth_session_options options;
    hearth_session_options_init(&options);
    options.n_ctx = c->n_ctx;
    options.n_batch = c->n_batch;
    options.n_threads = c->n_threads;
    options.cache_type_k = options.cache_type_v = c->cache;
    check(hearth_session_open(&session, model, &options, &err), &err, path);
    return session;
}

static hearth_session *reopen(hearth_session *session, const circumstances *c, const char *path)
{
    hearth_error err = {.code = HEARTH_OK};
    char file[] = "/tmp/hearth-state-XXXXXX";
    const hearth_model *model = hearth_session_model(session);
    int fd = mkstemp(file);
    if (fd >= 0)
        close(fd);
    check(hearth_session_save(session, file, &err), &err, file);
    hearth_session_close(session);
    session = open_session(model, c, path);
    check(hearth_session_load(session, file, &err), &err, file);
    unlink(file);
    return session;
}

float *evaluate(const char *path, const int32_t *tokens, size_t n_tokens, const circumstances *c,
                size_t *n_floats)
{
    hearth_error err = {.code = HEARTH_OK};
    hearth_model *model;
    hearth_model_options options;
    hearth_feed_options feed;
    rows r = {NULL, 0};
    hearth_model_options_init(&options);
    hearth_feed_options_init(&feed);
    options.isa = c->isa;
    feed.on_logits = take_row;
    feed.user = &r;
    check(hearth_model_open(&model, path, &options, &err), &err, path);
    const hearth_model_info *info = hearth_model_get_info(model);
    hearth_session *session = open_session(model, c, path);
    size_t most = c->piece && info->causal ? c->piece : n_tokens, piece;
    for (size_t done = 0; done < n_tokens; done += piece) {
        if (c->save_at && done == c->save_at)
            session = reopen(session, c, path);
        piece = n_tokens - done < most ? n_tokens - done : most;
        if (c->save_at > done && c->save_at - done < piece)
            piece = c->save_at - done;
        check(hearth_session_feed(session, tokens + done, piece, &feed, &err), &err, path);
    }
    *n_floats = r.n_rows * info->n_vocab;
    if (!info->causal) {
        *n_floats = info->n_embd;
        r.data = realloc(r.data, *n_floats * sizeof *r.data);
        check(hearth_session_embedding(session, false, r.data, &err), &err, path);
    }
    hearth_session_close(session);
    hearth_model_close(model);
    return r.data;
}
