/*
 * The tables of a state file: made from record_formats, one for each kind, and one for the history.
 *
 * A file says in its application_id that it is ours, and in its user_version which schema it has. A change of what
 * record_formats or the history hold raises SCHEMA_VERSION and adds a step from the one before.
 */
#pragma once

#include <sqlite3.h>

#include "core/record.h"

#define SCHEMA_APPLICATION_ID 0x53616770 /* "Sagp" */
#define SCHEMA_VERSION 1

/* From version `from` to the next, inside a transaction of its own. A SQLite result code. */
struct schema_step {
	int from;
	int (*run)(sqlite3 *db);
};
struct schema {
	int version;
	const struct schema_step *steps;
	size_t n_steps;
};
extern const struct schema schema_current;

enum schema_statement {
	SCHEMA_CREATE,
	SCHEMA_UPSERT, /* parameters: texts, numbers, written_boot, written_boot_ns, written_wall_s */
	SCHEMA_DELETE, /* parameters: the texts of the key, its numbers */
	SCHEMA_SELECT, /* columns as the parameters of UPSERT; by key */
	SCHEMA_STATEMENT_N,
};
/* Of one kind, owned by the caller: sqlite3_free(). NULL: no memory. */
char *schema_sql(enum schema_statement statement, enum record_kind kind) __attribute__((warn_unused_result));

#define SCHEMA_E_FOREIGN 1 /* another program's */
#define SCHEMA_E_NEWER 2
#define SCHEMA_E_OLDER 3   /* no step leads from its version to ours */
#define SCHEMA_E_SQLITE 4  /* ret_rc says what */
struct schema_found {
	int application_id, version;
	int rc;
	char text[128]; /* rc SQLITE_ERROR: what SQLite said */
	bool is_new;    /* there was nothing yet */
};
/* Whose file is it? Changes nothing. 0, SCHEMA_E_FOREIGN, _NEWER or _SQLITE. */
int schema_identify(sqlite3 *db, const struct schema *schema, struct schema_found *ret_found) __attribute__((warn_unused_result));
/* Makes the tables of a new file, or brings those of an older one up to ours. 0, SCHEMA_E_OLDER or _SQLITE. */
int schema_upgrade(sqlite3 *db, const struct schema *schema, struct schema_found *found) __attribute__((warn_unused_result));
