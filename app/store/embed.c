/* SPDX-License-Identifier: MIT
 *
 * embed.c - the queue of messages that wait for vectors, and what stores them.
 *
 * The queue is a table, so it survives the program. A message leaves it in the transaction that
 * stores its vectors.
 */
#include <string.h>

#include "base/mem.h"
#include "store/state.h"

enum { MAX_PASSAGES = 1 << 16 };

hearth_status search_set_embedder(store *s, const search_embedder *embedder, hearth_error *err)
{
    if (embedder) {
        TRY(check_name("model", embedder->model, err));
        if (embedder->n_dimensions == 0 || embedder->n_dimensions > SEARCH_MAX_DIMENSIONS)
            FAIL(err, EINVAL, "dimensions", "vectors of %u dimensions; 1 to %d are allowed",
                 embedder->n_dimensions, SEARCH_MAX_DIMENSIONS);
        uint64_t stride = vectors_stride(embedder->n_dimensions);
        TRY(store_write_begin(s, err));
        hearth_status status = db_run(
            &s->writer, err,
            "INSERT OR IGNORE INTO vector_queue(message, n_tries) SELECT id, 0 FROM message "
            "m WHERE state <> 1 AND content <> '' AND role IN (1, 2) AND NOT EXISTS (SELECT "
            "1 FROM vector v WHERE v.message = m.id AND v.model = ? AND length(v.bytes) = ?)",
            "tu", embedder->model, stride);
        TRY(store_write_end(s, status, err));
    }
    vectors_lock(&s->vectors);
    hearth_status status = vectors_set_embedder(&s->vectors, embedder, err);
    vectors_unlock(&s->vectors);
    return status;
}

/* ---- the queue ---- */

void search_jobs_free(search_jobs *jobs)
{
    result_free(&jobs->memory);
    *jobs = (search_jobs){0};
}

static hearth_status cut_all(arena *a, const char *text, size_t n, search_job *job,
                             hearth_error *err)
{
    const char **passages = NULL;
    size_t capacity = 0, at = 0, start, n_passage;
    while (job->n_passages < MAX_PASSAGES && (n_passage = search_cut(text, n, &at, &start)) > 0) {
        passages = result_grow(a, passages, job->n_passages, &capacity, sizeof *passages);
        char *copy = passages ? arena_text(a, text + start, n_passage) : NULL;
        if (copy == NULL)
            return error_no_memory(err, "passages", n);
        passages[job->n_passages++] = copy;
    }
    job->passages = passages;
    return HEARTH_OK;
}

/* A message of blanks alone has no passages; it leaves the queue without an embedder's help. */
static hearth_status drop_empty(store *s, const int64_t *ids, size_t n, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    if (n == 0)
        return HEARTH_OK;
    TRY(store_write_begin(s, err));
    for (size_t i = 0; status == HEARTH_OK && i < n; i++)
        status = db_run(&s->writer, err, "DELETE FROM vector_queue WHERE message = ?", "i", ids[i]);
    return store_write_end(s, status, err);
}

hearth_status search_pending(store *s, uint32_t n_max, search_jobs *out, hearth_error *err)
{
    sqlite3_stmt *statement = NULL;
    hearth_status status = HEARTH_OK;
    size_t capacity = 0, empty_capacity = 0, n_empty = 0;
    int64_t *empty = NULL, n_waiting = 0;
    bool row;
    db *d = &s->searcher;
    *out = (search_jobs){0};
    arena *a = result_new(&out->memory);
    db_lock(d);
    TRY_OUT(a ? db_number(d, &n_waiting, 0, err, "SELECT count(*) FROM vector_queue", "")
              : error_no_memory(err, "jobs", 0));
    TRY_OUT(db_query(d, &statement, err,
                     "SELECT q.message, m.content FROM vector_queue q JOIN message m ON m.id = "
                     "q.message ORDER BY q.message DESC LIMIT ?",
                     "i", (int64_t)n_max));
    for (;;) {
        search_job job = {0};
        TRY_OUT(db_step(d, statement, &row, err));
        if (!row)
            break;
        job.message = sqlite3_column_int64(statement, 0);
        const char *text = db_text(statement, 1);
        TRY_OUT(cut_all(a, text, strlen(text), &job, err));
        if (job.n_passages == 0) {
            empty = result_grow(a, empty, n_empty, &empty_capacity, sizeof *empty);
            if (empty)
                empty[n_empty++] = job.message;
        } else {
            out->items = result_grow(a, out->items, out->n, &capacity, sizeof *out->items);
            if (out->items)
                out->items[out->n++] = job;
        }
        if ((n_empty && !empty) || (job.n_passages && !out->items))
            TRY_OUT(error_no_memory(err, "jobs", 0));
    }
out:
    db_done(statement);
    db_unlock(d);
    if (status == HEARTH_OK)
        status = drop_empty(s, empty, n_empty, err);
    out->n_waiting = (uint64_t)n_waiting - n_empty;
    if (status != HEARTH_OK)
        search_jobs_free(out);
    return status;
}

hearth_status search_failed(store *s, int64_t message, hearth_error *err)
{
    TRY(store_write_begin(s, err));
    hearth_status status =
        db_run(&s->writer, err, "UPDATE vector_queue SET n_tries = n_tries + 1 WHERE message = ?",
               "i", message);
    if (status == HEARTH_OK)
        status =
            db_run(&s->writer, err, "DELETE FROM vector_queue WHERE message = ? AND n_tries >= ?",
                   "ii", message, (int64_t)SEARCH_MAX_TRIES);
    return store_write_end(s, status, err);
}

/* ---- storing ---- */

/* The places and bytes of a message's vectors, before they are stored. */
typedef struct packed {
    int64_t message;
    size_t n, stride;
    vector_place *places;
    int8_t *bytes;
} packed;

static hearth_status pack(packed *p, uint32_t n_dimensions, const float *floats, hearth_error *err)
{
    p->stride = vectors_stride(n_dimensions);
    p->places = mem_calloc(p->n, sizeof *p->places);
    p->bytes = mem_alloc_array(p->n, p->stride);
    if (p->places == NULL || p->bytes == NULL)
        return error_no_memory(err, "vectors", p->n * p->stride);
    for (size_t i = 0; i < p->n; i++) {
        if (!vectors_pack(floats + i * n_dimensions, n_dimensions, p->bytes + i * p->stride,
                          &p->places[i].scale))
            FAIL(err, EINVAL, "vectors",
                 "vector %zu of message %lld is zero or not finite; it has no direction", i,
                 (long long)p->message);
        p->places[i].message = p->message;
    }
    return HEARTH_OK;
}

/* Cuts the content again: the places are where the passages were taken from. */
static hearth_status find_places(db *d, packed *p, hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    size_t at = 0, start, n_passage, count = 0;
    TRY(db_query(d, &statement, err,
                 "SELECT content, chat, created_ms, role FROM message WHERE id = ? AND state <> 1",
                 "i", p->message));
    TRY(db_step(d, statement, &row, err));
    if (!row)
        FAIL(err, ENOTFOUND, "message", "there is no finished message %lld", (long long)p->message);
    const char *text = db_text(statement, 0);
    size_t n = strlen(text);
    while (count < MAX_PASSAGES && (n_passage = search_cut(text, n, &at, &start)) > 0) {
        if (count < p->n) {
            p->places[count].start = (uint32_t)start;
            p->places[count].n = (uint32_t)n_passage;
            p->places[count].chat = sqlite3_column_int64(statement, 1);
            p->places[count].created_ms = sqlite3_column_int64(statement, 2);
            p->places[count].role = (uint32_t)sqlite3_column_int(statement, 3);
        }
        count++;
    }
    db_done(statement);
    if (count != p->n)
        FAIL(err, EINVAL, "vectors", "message %lld has %zu passages, and %zu vectors were given",
             (long long)p->message, count, p->n);
    return HEARTH_OK;
}

static hearth_status write_vectors(db *d, const packed *p, const char *model, bool *replaced,
                                   hearth_error *err)
{
    TRY(db_run(d, err, "DELETE FROM vector WHERE message = ?", "i", p->message));
    *replaced = db_changed(d) > 0;
    for (size_t i = 0; i < p->n; i++)
        TRY(db_run(d, err,
                   "INSERT INTO vector(message, passage, start, n, scale, model, bytes) "
                   "VALUES(?, ?, ?, ?, ?, ?, ?)",
                   "iuuudtb", p->message, (uint64_t)i, (uint64_t)p->places[i].start,
                   (uint64_t)p->places[i].n, (double)p->places[i].scale, model,
                   (const void *)(p->bytes + i * p->stride), p->stride));
    return db_run(d, err, "DELETE FROM vector_queue WHERE message = ?", "i", p->message);
}

/* The cache changes with the file: its lock is held from before the commit, so that nobody reads
 * the new vectors from the file and then gets them a second time. */
static hearth_status commit(store *s, const packed *p, const char *model, bool replaced,
                            hearth_error *err)
{
    vectors *v = &s->vectors;
    vectors_lock(v);
    hearth_status status = store_write_end(s, HEARTH_OK, err);
    bool cached = v->loaded && v->model && strcmp(v->model, model) == 0 && v->stride == p->stride;
    if (status == HEARTH_OK && cached && !replaced)
        vectors_append(v, p->places, p->bytes, p->n);
    vectors_unlock(v);
    if (status == HEARTH_OK && replaced)
        vectors_forget(v);
    return status;
}

hearth_status search_store_vectors(store *s, int64_t message, const char *model,
                                   uint32_t n_dimensions, const float *floats, size_t n_vectors,
                                   hearth_error *err)
{
    packed p = {.message = message, .n = n_vectors};
    bool replaced = false;
    TRY(check_name("model", model, err));
    if (n_dimensions == 0 || n_dimensions > SEARCH_MAX_DIMENSIONS || n_vectors > MAX_PASSAGES)
        FAIL(err, EINVAL, "vectors", "%zu vectors of %u dimensions; at most %d of 1 to %d",
             n_vectors, n_dimensions, MAX_PASSAGES, SEARCH_MAX_DIMENSIONS);
    hearth_status status = pack(&p, n_dimensions, floats, err);
    if (status == HEARTH_OK)
        status = store_write_begin(s, err);
    if (status == HEARTH_OK) {
        status = find_places(&s->writer, &p, err);
        if (status == HEARTH_OK)
            status = write_vectors(&s->writer, &p, model, &replaced, err);
        status = status == HEARTH_OK ? commit(s, &p, model, replaced, err)
                                     : store_write_end(s, status, err);
    }
    mem_free(p.places);
    mem_free(p.bytes);
    return status;
}

/* ---- working the queue ---- */

/* Whether it is the text that the embedder cannot take, rather than the embedder that is not there.
 */
static bool blames_text(hearth_status status)
{
    return status == HEARTH_EINVAL || status == HEARTH_EFORMAT || status == HEARTH_ECONTEXT;
}

static hearth_status embed_job(store *s, const search_embedder *e, const search_job *job,
                               hearth_error *err)
{
    float *out = mem_alloc_array(job->n_passages, e->n_dimensions * sizeof *out);
    if (out == NULL)
        return error_no_memory(err, "vectors", job->n_passages * e->n_dimensions * sizeof *out);
    hearth_status status = e->embed(e->user, job->passages, job->n_passages, false, out, err);
    if (status != HEARTH_OK) {
        if (blames_text(status))
            search_failed(s, job->message, NULL);
    } else {
        status = search_store_vectors(s, job->message, e->model, e->n_dimensions, out,
                                      job->n_passages, err);
        if (status == HEARTH_EINVAL)
            search_failed(s, job->message, NULL);
        if (status == HEARTH_ENOTFOUND)
            status = HEARTH_OK; /* removed meanwhile, and with it its place in the queue */
    }
    mem_free(out);
    return status;
}

hearth_status search_work(store *s, uint32_t n_max, uint64_t *n_left, hearth_error *err)
{
    search_jobs jobs = {0};
    size_t n_done = 0;
    char model[STORE_MAX_NAME_BYTES + 1] = "";
    search_embedder e = vectors_embedder(&s->vectors, model);
    if (e.embed == NULL)
        FAIL(err, EINVAL, "embedder", "no model that embeds has been chosen");
    TRY(search_pending(s, n_max, &jobs, err));
    hearth_status status = HEARTH_OK;
    while (n_done < jobs.n && (status = embed_job(s, &e, &jobs.items[n_done], err)) == HEARTH_OK)
        n_done++;
    if (n_left)
        *n_left = jobs.n_waiting - n_done;
    search_jobs_free(&jobs);
    return status;
}
