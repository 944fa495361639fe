/*
 * One record and one row of its table: bound to a statement, and read back with every column checked.
 */
#pragma once

#include <sqlite3.h>

#include "core/record.h"

/* What is wrong with a row, in words without the file: table, key, column, value. */
struct row_error {
	char text[192];
};
#define ROW_E_INVALID 1 /* ret_error says what */
#define ROW_E_SQLITE 2  /* the database handle knows */

/* To the parameters of SCHEMA_UPSERT and SCHEMA_DELETE. Texts are borrowed until the bindings are cleared. */
int row_bind(sqlite3_stmt *stmt, const struct record *record, const struct record_stamp *stamp, struct row_error *ret_error);
int row_bind_key(sqlite3_stmt *stmt, const struct record *record, struct row_error *ret_error);

/*
 * The row that a SCHEMA_SELECT statement stands on; times are moved to the clock of `now`. Texts go to `text`, which
 * has room for RECORD_TEXTS * (STATE_TEXT_MAX + 1) bytes; ret_used is how many they took.
 */
int row_read(sqlite3_stmt *stmt, enum record_kind kind, const struct record_stamp *now, char *text, struct record *ret_record,
	     size_t *ret_used, struct row_error *ret_error);
