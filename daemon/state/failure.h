/* What went wrong with a state file, in words: which file, what about it, what to do. */
#pragma once

#include "sqlite.h"

/* All give STORE_E_FAILED. `format` says what was seen, "" when the failure says it all; it is made clean. */
int failure_set(struct store_error *ret_error, enum state_failure failure, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int failure_errno(int error, const char *path, struct store_error *ret_error);
/* A SQLite result code; `db` (may be NULL) is asked for the system's errno and the text. */
int failure_sqlite(sqlite3 *db, int rc, const char *path, struct store_error *ret_error);
