/* SPDX-License-Identifier: MIT
 *
 * corpus.c - reading the corpus files. See corpus.h; drawing is in draw.c.
 *
 * The files stay in memory as they were read; lines are cut in place and everything points into
 * them.
 */
#include "ember/corpus_impl.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "ember/computed.h"
#include "os/file.h"

enum { FILE_MAX = 16 << 20 };

/* ---- growing arrays ---- */

/* Room for one more of n elements; keeps a power of two. NULL: out of memory, the old one stays. */
static void *grown(void *array, size_t n, size_t size)
{
    if (n & (n - 1))
        return array; /* between two powers of two there is room */
    return mem_realloc_array(array, n ? 2 * n : 1, size);
}

static hearth_status add_line(corpus_lines *lines, const char *text, hearth_error *err)
{
    const char **more = grown(lines->text, lines->n, sizeof *more);
    if (more == NULL)
        return error_no_memory(err, "the corpus", lines->n);
    lines->text = more;
    lines->text[lines->n++] = text;
    return HEARTH_OK;
}

static hearth_status new_table(corpus *c, corpus_table **out, hearth_error *err)
{
    corpus_table *more = grown(c->tables, c->n_tables, sizeof *more);
    if (more == NULL)
        return error_no_memory(err, "the corpus", c->n_tables);
    c->tables = more;
    *out = &c->tables[c->n_tables++];
    **out = (corpus_table){0};
    return HEARTH_OK;
}

static hearth_status new_row(corpus_table *t, corpus_row **out, hearth_error *err)
{
    corpus_row *more = grown(t->rows, t->n_rows, sizeof *more);
    if (more == NULL)
        return error_no_memory(err, "the corpus", t->n_rows);
    t->rows = more;
    *out = &t->rows[t->n_rows++];
    **out = (corpus_row){0};
    return HEARTH_OK;
}

static hearth_status find_category(corpus *c, const char *name, corpus_category **out,
                                   hearth_error *err)
{
    for (size_t i = 0; i < c->n_categories; i++) {
        if (strcmp(c->categories[i].name, name) == 0) {
            *out = &c->categories[i];
            return HEARTH_OK;
        }
    }
    corpus_category *more = grown(c->categories, c->n_categories, sizeof *more);
    if (more == NULL)
        return error_no_memory(err, "the corpus", c->n_categories);
    c->categories = more;
    *out = &c->categories[c->n_categories++];
    **out = (corpus_category){.name = name, .weight = 1};
    return HEARTH_OK;
}

/* ---- lines ---- */

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1]))
        text[--n] = '\0';
    return text;
}

/* Cuts the next item off *rest at any of the separators. */
static char *next_item(char **rest, char separator)
{
    char *item = *rest;
    if (item == NULL)
        return NULL;
    char *end = strchr(item, separator);
    if (end)
        *end++ = '\0';
    *rest = end;
    return trim(item);
}

typedef struct reader {
    corpus *c;
    const char *file;
    size_t line;
    char *rest; /* what is still to be read */
    const char *category;
    corpus_topic *topic;
} reader;

#define BAD(r, err, ...) return complain((r), (err), __VA_ARGS__)

static hearth_status complain(const reader *r, hearth_error *err, const char *what,
                              const char *text)
{
    FAIL(err, EFORMAT, r->file, "%s:%zu: %s: '%.100s'", r->file, r->line, what, text);
}

static bool next_line(reader *r, char **line)
{
    if (r->rest == NULL || *r->rest == '\0')
        return false;
    char *end = strchr(r->rest, '\n');
    *line = r->rest;
    r->rest = end ? end + 1 : NULL;
    if (end)
        *end = '\0';
    r->line++;
    *line = trim(*line);
    return true;
}

static char *unstar(char *cell, bool *held_out)
{
    if (cell[0] != '*')
        return cell;
    *held_out = true;
    return cell + 1;
}

static hearth_status check_rows(const reader *r, const corpus_table *t, hearth_error *err)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        if (!t->rows[i].held_out)
            return HEARTH_OK;
    }
    return complain(r, err, "nothing is left for training in this list or table", t->name);
}

static hearth_status read_list(reader *r, char *text, hearth_error *err)
{
    corpus_table *t = NULL;
    char *rest = text, *name = next_item(&rest, ':'), *item;
    if (rest == NULL)
        BAD(r, err, "a list needs a colon after its name", name);
    TRY(new_table(r->c, &t, err));
    t->name = t->columns[0] = name;
    t->n_columns = 1;
    t->is_list = true;
    while ((item = next_item(&rest, ',')) != NULL) {
        corpus_row *row = NULL;
        if (*item == '\0')
            continue;
        TRY(new_row(t, &row, err));
        row->cells[0] = unstar(item, &row->held_out);
        t->has_held_out |= row->held_out;
    }
    return check_rows(r, t, err);
}

static hearth_status read_table(reader *r, char *text, hearth_error *err)
{
    corpus_table *t = NULL;
    char *rest = text, *name = next_item(&rest, ':'), *cell, *line;
    TRY(new_table(r->c, &t, err));
    t->name = name;
    while ((cell = next_item(&rest, '|')) != NULL) {
        if (t->n_columns == CORPUS_MAX_COLUMNS)
            BAD(r, err, "the table has too many columns", name);
        t->columns[t->n_columns++] = cell;
    }
    while (next_line(r, &line) && *line) {
        corpus_row *row = NULL;
        size_t n = 0;
        if (*line == '#')
            continue;
        TRY(new_row(t, &row, err));
        rest = unstar(line, &row->held_out);
        t->has_held_out |= row->held_out;
        while ((cell = next_item(&rest, '|')) != NULL && n < t->n_columns)
            row->cells[n++] = cell;
        if (n != t->n_columns || cell != NULL)
            BAD(r, err, "the row has another number of cells than the table's head", line);
    }
    return check_rows(r, t, err);
}

static hearth_status read_topic(reader *r, char *text, hearth_error *err)
{
    corpus *c = r->c;
    corpus_topic *more = grown(c->topics, c->n_topics, sizeof *more);
    if (more == NULL)
        return error_no_memory(err, "the corpus", c->n_topics);
    c->topics = more;
    r->topic = &c->topics[c->n_topics++];
    *r->topic = (corpus_topic){.category = r->category, .weight = 1};
    char *over = strstr(text, " over ");
    if (over) {
        *over = '\0';
        r->topic->over = trim(over + 6);
    }
    r->topic->id = trim(text);
    return r->category ? HEARTH_OK : complain(r, err, "a topic needs a category before it", text);
}

static hearth_status read_pattern(reader *r, char kind, const char *text, hearth_error *err)
{
    corpus_topic *t = r->topic;
    if (kind == 'D') {
        corpus_category *category;
        TRY(find_category(r->c, r->category, &category, err));
        return add_line(&category->answers, text, err);
    }
    if (t == NULL)
        BAD(r, err, "this line belongs to a topic, and there is none yet", text);
    switch (kind) {
    case 'Q':
        return add_line(&t->questions, text, err);
    case 'H':
        return add_line(&t->held_out, text, err);
    case 'A':
        return add_line(&t->answers, text, err);
    case 'P':
        return add_line(&t->before, text, err);
    case 'R':
        return add_line(&t->reply, text, err);
    default:
        t->brief = text;
        return HEARTH_OK;
    }
}

static hearth_status read_line(reader *r, char *line, hearth_error *err)
{
    char *blank = strchr(line, ' ');
    if (line[0] == '\0' || line[0] == '#')
        return HEARTH_OK;
    if (blank == NULL)
        BAD(r, err, "nothing follows", line);
    *blank = '\0';
    char *text = trim(blank + 1);
    if (line[1] == '\0' && strchr("QHADPRS", line[0]))
        return read_pattern(r, line[0], text, err);
    if (strcmp(line, "list") == 0)
        return read_list(r, text, err);
    if (strcmp(line, "table") == 0)
        return read_table(r, text, err);
    if (strcmp(line, "topic") == 0)
        return read_topic(r, text, err);
    if (strcmp(line, "category") == 0) {
        corpus_category *category;
        r->category = text;
        r->topic = NULL;
        return find_category(r->c, text, &category, err);
    }
    if (strcmp(line, "share") == 0 && r->category) {
        corpus_category *category;
        TRY(find_category(r->c, r->category, &category, err));
        category->weight = strtod(text, NULL);
        return HEARTH_OK;
    }
    if (strcmp(line, "weight") == 0 && r->topic) {
        r->topic->weight = strtod(text, NULL);
        return HEARTH_OK;
    }
    if (strcmp(line, "alone") == 0 && r->topic) {
        r->topic->alone = true;
        return HEARTH_OK;
    }
    BAD(r, err, "unknown kind of line", line);
}

static hearth_status read_file(corpus *c, const char *folder, const char *name, hearth_error *err)
{
    char path[1024], *line;
    size_t n;
    reader r = {.c = c, .file = name};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (c->n_texts == CORPUS_MAX_FILES)
        FAIL(err, EINVAL, folder, "%s has more than %d files", folder, CORPUS_MAX_FILES);
    TRY(file_read_all(path, FILE_MAX, &c->texts[c->n_texts], &n, err));
    r.rest = c->texts[c->n_texts++];
    while (next_line(&r, &line))
        TRY(read_line(&r, line, err));
    return HEARTH_OK;
}

/* ---- the whole ---- */

/* A table with more rows has more to learn, but not in proportion. */
static double natural_weight(const corpus_topic *t)
{
    size_t n = t->table ? t->table->n_rows : t->over ? computed_rows(t->over) : 1;
    return t->weight * fmath_pow((double)n, 0.6);
}

static hearth_status link_topic(corpus *c, corpus_topic *t, size_t index, hearth_error *err)
{
    corpus_category *category;
    if (t->over) {
        t->table = corpus_find_table(c, t->over, strlen(t->over));
        if (t->table == NULL && computed_rows(t->over) == 0)
            FAIL(err, EFORMAT, t->id, "topic %s: there is no table '%s'", t->id, t->over);
    }
    TRY(find_category(c, t->category, &category, err));
    if (t->answers.n == 0 && category->answers.n == 0)
        FAIL(err, EFORMAT, t->id, "topic %s has no answer", t->id);
    if (t->questions.n + t->held_out.n == 0)
        FAIL(err, EFORMAT, t->id, "topic %s has no question", t->id);
    if (t->answers.n == 0)
        t->answers = category->answers;
    t->weight = t->questions.n ? natural_weight(t) : 0;
    size_t *more = grown(category->topics, category->n_topics, sizeof *more);
    if (more == NULL)
        return error_no_memory(err, "the corpus", category->n_topics);
    category->topics = more;
    category->topics[category->n_topics++] = index;
    return HEARTH_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the folder's text files, sorted: the order of topics is part of the seed. */
static hearth_status list_files(const char *folder, char **names, size_t *n, hearth_error *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    if (dir == NULL)
        return error_set_errno(err, HEARTH_ENOTFOUND, folder, "cannot read the folder %s", folder);
    while ((entry = readdir(dir)) != NULL && *n < CORPUS_MAX_FILES) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0)
            names[(*n)++] = mem_dup(entry->d_name, length);
    }
    closedir(dir);
    qsort(names, *n, sizeof *names, by_name);
    return HEARTH_OK;
}

hearth_status corpus_open(corpus **out, const char *folder, hearth_error *err)
{
    char *names[CORPUS_MAX_FILES];
    size_t n = 0;
    hearth_status status = HEARTH_OK;
    corpus *c = mem_calloc(1, sizeof *c);
    if (c == NULL)
        return error_no_memory(err, "the corpus", sizeof *c);
    TRY_OUT(list_files(folder, names, &n, err));
    for (size_t i = 0; i < n; i++)
        TRY_OUT(read_file(c, folder, names[i], err));
    for (size_t i = 0; i < c->n_topics; i++)
        TRY_OUT(link_topic(c, &c->topics[i], i, err));
    if (c->n_topics == 0)
        FAIL_OUT(err, ENOTFOUND, folder, "%s has no topics", folder);
    *out = c;
    c = NULL;
out:
    for (size_t i = 0; i < n; i++)
        mem_free(names[i]);
    corpus_close(c);
    return status;
}

void corpus_close(corpus *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_tables; i++)
        mem_free(c->tables[i].rows);
    for (size_t i = 0; i < c->n_topics; i++) {
        corpus_topic *t = &c->topics[i];
        bool own = true;
        for (size_t j = 0; j < c->n_categories; j++)
            own &= c->categories[j].answers.text != t->answers.text;
        mem_free(own ? t->answers.text : NULL);
        mem_free(t->questions.text);
        mem_free(t->held_out.text);
        mem_free(t->before.text);
        mem_free(t->reply.text);
    }
    for (size_t i = 0; i < c->n_categories; i++) {
        mem_free(c->categories[i].answers.text);
        mem_free(c->categories[i].topics);
    }
    for (size_t i = 0; i < c->n_texts; i++)
        mem_free(c->texts[i]);
    mem_free(c->tables);
    mem_free(c->topics);
    mem_free(c->categories);
    mem_free(c);
}

size_t corpus_n_topics(const corpus *c)
{
    return c->n_topics;
}

const corpus_topic *corpus_topic_at(const corpus *c, size_t i)
{
    return &c->topics[i];
}

size_t corpus_n_categories(const corpus *c)
{
    return c->n_categories;
}

const corpus_category *corpus_category_at(const corpus *c, size_t i)
{
    return &c->categories[i];
}

const corpus_table *corpus_find_table(const corpus *c, const char *name, size_t n)
{
    for (size_t i = 0; i < c->n_tables; i++) {
        if (strlen(c->tables[i].name) == n && memcmp(c->tables[i].name, name, n) == 0)
            return &c->tables[i];
    }
    return NULL;
}
