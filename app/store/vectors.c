/* SPDX-License-Identifier: MIT
 *
 * vectors.c - see vectors.h.
 */
#include "store/vectors.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK = 32, ENOUGH_TO_COMPARE = 100 };

void vectors_init(vectors *v)
{
    memset(v, 0, sizeof *v);
    pthread_mutex_init(&v->mutex, NULL);
}

static void drop(vectors *v)
{
    mem_free(v->places);
    mem_free(v->bytes);
    v->places = NULL;
    v->bytes = NULL;
    v->n = v->capacity = 0;
    v->loaded = false;
}

void vectors_deinit(vectors *v)
{
    drop(v);
    mem_free(v->model);
    pthread_mutex_destroy(&v->mutex);
}

void vectors_lock(vectors *v)
{
    pthread_mutex_lock(&v->mutex);
}

void vectors_unlock(vectors *v)
{
    pthread_mutex_unlock(&v->mutex);
}

void vectors_forget(vectors *v)
{
    vectors_lock(v);
    drop(v);
    vectors_unlock(v);
}

/* ---- sets of ids ---- */

hearth_status id_set_init(id_set *set, int64_t n_ids, hearth_error *err)
{
    set->n = n_ids;
    set->bits = mem_calloc((size_t)n_ids / 8 + 1, 1);
    return set->bits ? HEARTH_OK
                     : error_no_memory(err, "a filter", (unsigned long long)n_ids / 8 + 1);
}

void id_set_deinit(id_set *set)
{
    mem_free(set->bits);
    set->bits = NULL;
}

void id_set_add(id_set *set, int64_t id)
{
    if (id >= 0 && id < set->n)
        set->bits[id / 8] |= (uint8_t)(1u << (id % 8));
}

static bool id_set_has(const id_set *set, int64_t id)
{
    return id >= 0 && id < set->n && (set->bits[id / 8] >> (id % 8) & 1);
}

/* ---- packing ---- */

size_t vectors_stride(uint32_t n_dimensions)
{
    return (n_dimensions + BLOCK - 1) / BLOCK * (size_t)BLOCK;
}

bool vectors_pack(const float *vector, uint32_t n_dimensions, int8_t *out, float *scale)
{
    double length = 0;
    float largest = 0;
    for (uint32_t i = 0; i < n_dimensions; i++) {
        length += (double)vector[i] * vector[i];
        largest = fmaxf(largest, fabsf(vector[i]));
    }
    if (!isfinite(length) || length <= 0)
        return false;
    for (uint32_t i = 0; i < n_dimensions; i++)
        out[i] = (int8_t)lrintf(vector[i] / largest * 127.0f);
    memset(out + n_dimensions, 0, vectors_stride(n_dimensions) - n_dimensions);
    *scale = (float)(largest / 127.0 / sqrt(length));
    return true;
}

static int32_t dot(const int8_t *a, const int8_t *b, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i += BLOCK) {
        int32_t part = 0;
        for (size_t k = 0; k < BLOCK; k++)
            part += (int16_t)((int16_t)a[i + k] * (int16_t)b[i + k]);
        sum += part;
    }
    return sum;
}

/* ---- the cache ---- */

hearth_status vectors_set_embedder(vectors *v, const search_embedder *embedder, hearth_error *err)
{
    char *model = NULL;
    if (embedder && (model = mem_dup(embedder->model, strlen(embedder->model))) == NULL)
        return error_no_memory(err, "a name", strlen(embedder->model));
    drop(v);
    mem_free(v->model);
    v->model = model;
    v->embedder = embedder ? *embedder : (search_embedder){0};
    v->embedder.model = model;
    v->stride = vectors_stride(v->embedder.n_dimensions);
    return HEARTH_OK;
}

search_embedder vectors_embedder(vectors *v, char *model)
{
    vectors_lock(v);
    search_embedder e = v->embedder;
    if (e.model)
        memcpy(model, e.model, strlen(e.model) + 1);
    vectors_unlock(v);
    e.model = model;
    return e;
}

static bool make_room(vectors *v, size_t n)
{
    size_t wanted = v->capacity ? v->capacity : 256;
    while (wanted - v->n < n)
        wanted *= 2;
    if (wanted == v->capacity)
        return true;
    vector_place *places = mem_realloc_array(v->places, wanted, sizeof *places);
    if (places == NULL)
        return false;
    v->places = places;
    int8_t *bytes = mem_realloc_array(v->bytes, wanted, v->stride);
    if (bytes == NULL)
        return false;
    v->bytes = bytes;
    v->capacity = wanted;
    return true;
}

static bool add(vectors *v, const vector_place *place, const int8_t *bytes)
{
    if (!make_room(v, 1))
        return false;
    memcpy(v->bytes + v->n * v->stride, bytes, v->stride);
    v->places[v->n++] = *place;
    return true;
}

void vectors_append(vectors *v, const vector_place *places, const int8_t *bytes, size_t n)
{
    for (size_t i = 0; v->loaded && i < n; i++) {
        if (!add(v, &places[i], bytes + i * v->stride))
            drop(v);
    }
}

void vectors_remove(vectors *v, int64_t message)
{
    size_t kept = 0;
    vectors_lock(v);
    for (size_t i = 0; i < v->n; i++) {
        if (v->places[i].message == message)
            continue;
        if (kept < i) {
            v->places[kept] = v->places[i];
            memmove(v->bytes + kept * v->stride, v->bytes + i * v->stride, v->stride);
        }
        kept++;
    }
    v->n = kept;
    vectors_unlock(v);
}

hearth_status vectors_load(vectors *v, db *d, hearth_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    if (v->loaded || v->model == NULL)
        return HEARTH_OK;
    drop(v);
    TRY(db_query(d, &statement, err,
                 "SELECT v.message, m.chat, m.created_ms, m.role, v.start, v.n, v.scale, v.bytes "
                 "FROM vector v JOIN message m ON m.id = v.message WHERE v.model = ? "
                 "ORDER BY v.message, v.passage",
                 "t", v->model));
    for (;;) {
        hearth_status status = db_step(d, statement, &row, err);
        if (status != HEARTH_OK || !row) {
            v->loaded = status == HEARTH_OK;
            return status;
        }
        vector_place place = {.message = sqlite3_column_int64(statement, 0),
                              .chat = sqlite3_column_int64(statement, 1),
                              .created_ms = sqlite3_column_int64(statement, 2),
                              .role = (uint32_t)sqlite3_column_int(statement, 3),
                              .start = (uint32_t)sqlite3_column_int64(statement, 4),
                              .n = (uint32_t)sqlite3_column_int64(statement, 5),
                              .scale = (float)sqlite3_column_double(statement, 6)};
        const void *bytes = sqlite3_column_blob(statement, 7);
        if ((size_t)sqlite3_column_bytes(statement, 7) != v->stride)
            continue; /* the model had other dimensions once: as good as another model */
        if (bytes == NULL || !add(v, &place, bytes)) {
            db_done(statement);
            drop(v);
            return error_no_memory(err, "vectors", v->n * v->stride);
        }
    }
}

/* ---- the scan ---- */

/* Keeps out[0..n) as a heap whose first is the worst. */
static size_t keep(vector_hit *out, size_t n, size_t n_max, vector_hit hit)
{
    if (n == n_max) {
        if (hit.score <= out[0].score)
            return n;
        size_t at = 0;
        for (size_t child; (child = 2 * at + 1) < n; at = child) {
            if (child + 1 < n && out[child + 1].score < out[child].score)
                child++;
            if (out[child].score >= hit.score)
                break;
            out[at] = out[child];
        }
        out[at] = hit;
        return n;
    }
    size_t at = n;
    for (; at > 0 && out[(at - 1) / 2].score > hit.score; at = (at - 1) / 2)
        out[at] = out[(at - 1) / 2];
    out[at] = hit;
    return n + 1;
}

static void sort(vector_hit *hits, size_t n)
{
    /* Takes the worst of the heap again and again. */
    while (n > 1) {
        vector_hit worst = hits[0], last = hits[--n];
        size_t at = 0;
        for (size_t child; (child = 2 * at + 1) < n; at = child) {
            if (child + 1 < n && hits[child + 1].score < hits[child].score)
                child++;
            if (hits[child].score >= last.score)
                break;
            hits[at] = hits[child];
        }
        hits[at] = last;
        hits[n] = worst;
    }
}

static bool passes(const vector_filter *f, const vector_place *p)
{
    return id_set_has(&f->chats, p->chat) && !id_set_has(&f->deleted, p->message) &&
           (f->messages.bits == NULL || id_set_has(&f->messages, p->message)) &&
           (f->roles == 0 || f->roles >> p->role & 1) && p->created_ms >= f->from_ms &&
           (f->to_ms == 0 || p->created_ms < f->to_ms);
}

size_t vectors_scan(const vectors *v, const float *query, const vector_filter *filter,
                    vector_hit *out, size_t n_max)
{
    int8_t packed[SEARCH_MAX_DIMENSIONS];
    float scale;
    double sum = 0, squares = 0;
    size_t n_seen = 0, n = 0;
    if (n_max == 0 || !vectors_pack(query, v->embedder.n_dimensions, packed, &scale))
        return 0;
    for (size_t i = 0; i < v->n;) {
        int64_t message = v->places[i].message;
        bool wanted = passes(filter, &v->places[i]);
        vector_hit best = {.score = -2};
        for (; i < v->n && v->places[i].message == message; i++) {
            if (!wanted)
                continue;
            float score = (float)dot(packed, v->bytes + i * v->stride, v->stride) *
                          v->places[i].scale * scale;
            sum += score;
            squares += (double)score * score;
            n_seen++;
            if (score > best.score)
                best = (vector_hit){v->places[i], score};
        }
        if (wanted && best.score > 0)
            n = keep(out, n, n_max, best);
    }
    sort(out, n);
    if (n_seen >= ENOUGH_TO_COMPARE) {
        double mean = sum / (double)n_seen;
        double least = mean + 2 * sqrt(fmax(squares / (double)n_seen - mean * mean, 0));
        while (n > 0 && out[n - 1].score < least)
            n--;
    }
    return n;
}
