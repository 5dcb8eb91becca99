/* SPDX-License-Identifier: MIT
 *
 * schema.h - the tables, and how a file of an older version becomes one of this.
 *
 * The version is SQLite's user_version, and application_id says that the file is a chat store at
 * all. A step of the migration is SQL that is never changed once released. All steps that a file
 * needs run in one transaction, after a copy of the file has been made beside it.
 */
#ifndef HEARTH_STORE_SCHEMA_H
#define HEARTH_STORE_SCHEMA_H

#include "store/db.h"

enum { SCHEMA_VERSION = 2, SCHEMA_APPLICATION = 0x48525448 /* "HRTH" */ };

/* Refuses a file that is not of this or an older version; changes nothing. */
hearth_status schema_look(db *d, hearth_error *err);
/* Brings the file of a connection to this version, or refuses it. EFORMAT, EUNSUPPORTED. */
hearth_status schema_apply(db *d, hearth_error *err);

/* Copies the database as it is to path, which appears whole or not at all and replaces what was
 * there. */
hearth_status schema_copy(db *d, const char *path, hearth_error *err);

/* The SQL of the step to `version`, for tests that make old files. */
const char *schema_step(int version);

#endif
