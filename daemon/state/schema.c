/* SQL made from record_formats, and the way from one version of the schema to the next. See schema.h. */
#include "schema.h"

#include "history.h"

const struct schema schema_current = { .version = SCHEMA_VERSION, .steps = NULL, .n_steps = 0 };

static const char *const stamp_columns[] = { "written_boot", "written_boot_ns", "written_wall_s" };
#define N_STAMP 3

/* ---- statements ---- */

static unsigned int n_columns(const struct record_format *f)
{
	return f->n_texts + f->n_numbers + N_STAMP;
}

static const char *column_name(const struct record_format *f, unsigned int i)
{
	if (i < f->n_texts)
		return f->texts[i];
	i -= f->n_texts;
	return i < f->n_numbers ? f->numbers[i].name : stamp_columns[i - f->n_numbers];
}

static bool is_key(const struct record_format *f, unsigned int i)
{
	return i < f->n_texts ? i < f->n_key_texts : i - f->n_texts < f->n_key_numbers;
}

/* "a", "b", …: all columns, or those of the key. */
static void add_names(sqlite3_str *sql, const struct record_format *f, bool is_of_key)
{
	const char *before = "";

	for (unsigned int i = 0; i < n_columns(f); i++) {
		if (is_of_key && !is_key(f, i))
			continue;
		sqlite3_str_appendf(sql, "%s\"%w\"", before, column_name(f, i));
		before = ", ";
	}
}

/* Enums by name, times NULL for never: see struct record_column. */
static const char *column_type(const struct record_format *f, unsigned int i)
{
	if (i < f->n_texts)
		return "TEXT NOT NULL";
	i -= f->n_texts;
	if (i < f->n_numbers && f->numbers[i].type == COLUMN_NAME)
		return "TEXT NOT NULL";
	if (i < f->n_numbers && f->numbers[i].type == COLUMN_TIME)
		return "INTEGER";
	return "INTEGER NOT NULL";
}

static void add_create(sqlite3_str *sql, const struct record_format *f)
{
	sqlite3_str_appendf(sql, "CREATE TABLE \"%w\" (", f->name);
	for (unsigned int i = 0; i < n_columns(f); i++)
		sqlite3_str_appendf(sql, "\"%w\" %s, ", column_name(f, i), column_type(f, i));
	sqlite3_str_appendall(sql, "PRIMARY KEY (");
	add_names(sql, f, true);
	sqlite3_str_appendall(sql, ")) STRICT, WITHOUT ROWID");
}

static void add_upsert(sqlite3_str *sql, const struct record_format *f)
{
	const char *before = "";

	sqlite3_str_appendf(sql, "INSERT INTO \"%w\" (", f->name);
	add_names(sql, f, false);
	sqlite3_str_appendall(sql, ") VALUES (");
	for (unsigned int i = 0; i < n_columns(f); i++)
		sqlite3_str_appendf(sql, "%s?%u", i ? ", " : "", i + 1);
	sqlite3_str_appendall(sql, ") ON CONFLICT (");
	add_names(sql, f, true);
	sqlite3_str_appendall(sql, ") DO UPDATE SET ");
	for (unsigned int i = 0; i < n_columns(f); i++) {
		if (is_key(f, i))
			continue;
		sqlite3_str_appendf(sql, "%s\"%w\" = excluded.\"%w\"", before, column_name(f, i), column_name(f, i));
		before = ", ";
	}
}

static void add_delete(sqlite3_str *sql, const struct record_format *f)
{
	unsigned int n = 0;

	sqlite3_str_appendf(sql, "DELETE FROM \"%w\" WHERE ", f->name);
	for (unsigned int i = 0; i < n_columns(f); i++) {
		if (!is_key(f, i))
			continue;
		sqlite3_str_appendf(sql, "%s\"%w\" = ?%u", n ? " AND " : "", column_name(f, i), n + 1);
		n++;
	}
}

static void add_select(sqlite3_str *sql, const struct record_format *f)
{
	sqlite3_str_appendall(sql, "SELECT ");
	add_names(sql, f, false);
	sqlite3_str_appendf(sql, " FROM \"%w\" ORDER BY ", f->name);
	add_names(sql, f, true);
}

char *schema_sql(enum schema_statement statement, enum record_kind kind)
{
	static void (*const add[SCHEMA_STATEMENT_N])(sqlite3_str *sql, const struct record_format *f) = {
		[SCHEMA_CREATE] = add_create,
		[SCHEMA_UPSERT] = add_upsert,
		[SCHEMA_DELETE] = add_delete,
		[SCHEMA_SELECT] = add_select,
	};
	sqlite3_str *sql = sqlite3_str_new(NULL);

	add[statement](sql, &record_formats[kind]);
	return sqlite3_str_finish(sql);
}

/* ---- whose file, which version ---- */

static int get_number(sqlite3 *db, const char *sql, int *ret_number)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret_number = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

int schema_identify(sqlite3 *db, const struct schema *schema, struct schema_found *ret_found)
{
	struct schema_found found = { .text = "" };
	int n_objects = 0;

	found.rc = get_number(db, "PRAGMA application_id", &found.application_id);
	if (found.rc == SQLITE_OK)
		found.rc = get_number(db, "PRAGMA user_version", &found.version);
	if (found.rc == SQLITE_OK)
		found.rc = get_number(db, "SELECT count(*) FROM sqlite_schema", &n_objects);
	found.is_new = !found.application_id && !found.version && !n_objects;
	*ret_found = found;
	if (found.rc != SQLITE_OK)
		return SCHEMA_E_SQLITE;
	if (found.is_new)
		return 0;
	if (found.application_id != SCHEMA_APPLICATION_ID)
		return SCHEMA_E_FOREIGN;
	return found.version > schema->version ? SCHEMA_E_NEWER : 0;
}

/* ---- from version to version ---- */

static int set_version(sqlite3 *db, int version)
{
	char sql[64];

	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA user_version = %d", version);
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int create(sqlite3 *db)
{
	char sql[64];
	int rc;

	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA application_id = %d", SCHEMA_APPLICATION_ID);
	rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	for (unsigned int kind = 0; kind < RECORD_KIND_N && rc == SQLITE_OK; kind++) {
		char *table = schema_sql(SCHEMA_CREATE, (enum record_kind)kind);

		rc = table ? sqlite3_exec(db, table, NULL, NULL, NULL) : SQLITE_NOMEM;
		sqlite3_free(table);
	}
	return rc == SQLITE_OK ? sqlite3_exec(db, history_create_sql, NULL, NULL, NULL) : rc;
}

/* `run` and the new version, together or not at all. */
static int in_transaction(sqlite3 *db, int (*run)(sqlite3 *db), int version, struct schema_found *found)
{
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = run(db);
	if (rc == SQLITE_OK)
		rc = set_version(db, version);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	found->rc = rc;
	if (rc == SQLITE_OK) {
		found->version = version;
		return 0;
	}
	sqlite3_snprintf(sizeof(found->text), found->text, "%s", sqlite3_errmsg(db)); /* before the rollback makes it good */
	if (!sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return SCHEMA_E_SQLITE;
}

static const struct schema_step *find_step(const struct schema *schema, int from)
{
	for (size_t i = 0; i < schema->n_steps; i++) {
		if (schema->steps[i].from == from)
			return &schema->steps[i];
	}
	return NULL;
}

int schema_upgrade(sqlite3 *db, const struct schema *schema, struct schema_found *found)
{
	int r = found->is_new ? in_transaction(db, create, schema->version, found) : 0;

	while (!r && found->version < schema->version) {
		const struct schema_step *step = find_step(schema, found->version);

		r = step ? in_transaction(db, step->run, found->version + 1, found) : SCHEMA_E_OLDER;
	}
	return r;
}
