/* SPDX-License-Identifier: MIT
 *
 * db.h - one SQLite connection: statements that are prepared once, values that are bound by a
 * format, failures that become messages.
 *
 * A connection is used by whoever holds its lock. SQL texts that go to db_query() and db_run() are
 * constants of the program: a statement is found again by the address of its text. A statement
 * that was begun is ended by db_step() telling that there is no row, or by db_done().
 *
 * Formats  one letter for each parameter: i int64_t, u uint64_t, d double, t const char * (NULL is
 *          ""), b const void * and size_t.
 */
#ifndef HEARTH_STORE_DB_H
#define HEARTH_STORE_DB_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { DB_STATEMENTS = 96 };

typedef struct db_statement {
    const char *sql;
    sqlite3_stmt *statement;
} db_statement;

typedef struct db {
    sqlite3 *handle;
    const char *path; /* borrowed, for messages */
    pthread_mutex_t mutex;
    db_statement statements[DB_STATEMENTS];
    size_t n_statements;
} db;

/* flags as for sqlite3_open_v2. Opening reads nothing yet. */
hearth_status db_open(db *d, const char *path, int flags, hearth_error *err);
void db_close(db *d); /* a zeroed one is fine */
void db_lock(db *d);
void db_unlock(db *d);

/* The message for the connection's last failure. */
hearth_status db_fail(db *d, hearth_error *err);

/* Runs several statements without results. */
hearth_status db_exec(db *d, const char *sql, hearth_error *err);
/* Runs one to its end. */
hearth_status db_run(db *d, hearth_error *err, const char *sql, const char *format, ...);
/* Begins one. */
hearth_status db_query(db *d, sqlite3_stmt **out, hearth_error *err, const char *sql,
                       const char *format, ...);
/* As db_query for a text that is made as it is needed; sqlite3_finalize ends it. */
hearth_status db_prepare(db *d, sqlite3_stmt **out, const char *sql, hearth_error *err);
/* One value of the first row; `missing` if there is none. */
hearth_status db_number(db *d, int64_t *out, int64_t missing, hearth_error *err, const char *sql,
                        const char *format, ...);
hearth_status db_step(db *d, sqlite3_stmt *statement, bool *row, hearth_error *err);
void db_done(sqlite3_stmt *statement); /* NULL is fine */

int64_t db_last_id(const db *d);
uint64_t db_changed(const db *d); /* rows, by the last statement */

/* Text of a column: never NULL unless out of memory. */
const char *db_text(sqlite3_stmt *statement, int column);

#endif
