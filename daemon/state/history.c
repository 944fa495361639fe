/* Rows in, old rows out, pages of rows back. See history.h. */
#include "history.h"

#include "core/utf8.h"

#include <string.h>

#define PRUNE_TARGET_N 10 /* rows of a target that go with each that comes: more than one, so that a lowered limit is reached */
#define PRUNE_ALL_N 100   /* the same for all */

const char history_create_sql[] =
	"CREATE TABLE history (id INTEGER PRIMARY KEY, wall_s INTEGER NOT NULL, account TEXT NOT NULL, region_id TEXT NOT NULL,"
	" instance_id TEXT NOT NULL, serial_number TEXT NOT NULL, version_type TEXT NOT NULL, what TEXT NOT NULL,"
	" from_version TEXT NOT NULL, to_version TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, policy TEXT NOT NULL,"
	" wave TEXT NOT NULL, request_id TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL) STRICT;"
	"CREATE INDEX history_target ON history (serial_number, version_type);"
	"CREATE INDEX history_instance ON history (instance_id);";

#define COLUMNS \
	"wall_s, account, region_id, instance_id, serial_number, version_type, what, from_version, to_version, outcome, reason, policy," \
	" wave, request_id, who, why"

static const char insert_sql[] =
	"INSERT INTO history (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

/* ?3: how many may stay. */
static const char prune_target_sql[] =
	"DELETE FROM history WHERE id IN (SELECT id FROM history WHERE serial_number = ?1 AND version_type = ?2 AND id <="
	" (SELECT id FROM history WHERE serial_number = ?1 AND version_type = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)"
	" ORDER BY id LIMIT ?4)";

static const char prune_all_sql[] = "DELETE FROM history WHERE id IN (SELECT id FROM history ORDER BY id LIMIT ?1)";

#define TEXT(name) offsetof(struct state_history_row, name)
/* In the order of COLUMNS. */
static const size_t text_offsets[HISTORY_TEXTS] = {
	TEXT(account),	  TEXT(region_id), TEXT(instance_id), TEXT(serial_number), TEXT(version_type), TEXT(what),	 TEXT(from_version), TEXT(to_version),
	TEXT(outcome), TEXT(reason),    TEXT(policy),	   TEXT(wave),	       TEXT(request_id),   TEXT(who), TEXT(why),
};

const char *history_text(const struct state_history_row *row, unsigned int i)
{
	const char *text;

	memcpy(&text, (const char *)row + text_offsets[i], sizeof(text));
	return text;
}

void history_set_text(struct state_history_row *row, unsigned int i, const char *text)
{
	memcpy((char *)row + text_offsets[i], &text, sizeof(text));
}

static int count(sqlite3 *db, uint64_t *ret_n)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT count(*) FROM history", -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret_n = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int history_init(struct history *h, sqlite3 *db, uint64_t max, uint64_t target_max)
{
	const struct {
		const char *sql;
		sqlite3_stmt **stmt;
	} table[] = { { insert_sql, &h->insert }, { prune_target_sql, &h->prune_target }, { prune_all_sql, &h->prune_all } };
	int rc = SQLITE_OK;

	*h = (struct history){ .max = max ? max : STATE_HISTORY_MAX, .target_max = target_max ? target_max : STATE_HISTORY_TARGET_MAX };
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(db, table[i].sql, -1, SQLITE_PREPARE_PERSISTENT, table[i].stmt, NULL);
	return rc == SQLITE_OK ? count(db, &h->n_rows) : rc;
}

void history_deinit(struct history *h)
{
	sqlite3_finalize(h->insert);
	sqlite3_finalize(h->prune_target);
	sqlite3_finalize(h->prune_all);
	*h = (struct history){ .n_rows = 0 };
}

/* Runs a statement that gives no rows, and makes it ready for the next time. */
static int run(sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int insert(struct history *h, const struct state_history_row *row)
{
	int rc = sqlite3_bind_int64(h->insert, 1, row->wall_s);

	for (unsigned int i = 0; i < HISTORY_TEXTS && rc == SQLITE_OK; i++)
		rc = sqlite3_bind_text(h->insert, (int)i + 2, history_text(row, i), -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = run(h->insert);
	if (rc == SQLITE_OK)
		h->n_rows++;
	return rc;
}

static int prune(struct history *h, sqlite3 *db, sqlite3_stmt *stmt)
{
	int rc = run(stmt);

	if (rc == SQLITE_OK)
		h->n_rows -= (uint64_t)sqlite3_changes64(db);
	return rc;
}

/* What is about no target, an operator's pause say, only counts for the limit of all. */
static int prune_target(struct history *h, sqlite3 *db, const struct state_history_row *row)
{
	int rc;

	if (!row->serial_number[0])
		return SQLITE_OK;
	rc = sqlite3_bind_text(h->prune_target, 1, row->serial_number, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(h->prune_target, 2, row->version_type, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(h->prune_target, 3, (sqlite3_int64)h->target_max);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int(h->prune_target, 4, PRUNE_TARGET_N);
	return rc == SQLITE_OK ? prune(h, db, h->prune_target) : rc;
}

int history_add(struct history *h, sqlite3 *db, const struct state_history_row *rows, size_t n)
{
	uint64_t n_over;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
		rc = insert(h, &rows[i]);
		if (rc == SQLITE_OK)
			rc = prune_target(h, db, &rows[i]);
	}
	if (rc != SQLITE_OK || h->n_rows <= h->max)
		return rc;
	n_over = h->n_rows - h->max;
	if (n_over > n + PRUNE_ALL_N)
		n_over = n + PRUNE_ALL_N;
	rc = sqlite3_bind_int64(h->prune_all, 1, (sqlite3_int64)n_over);
	return rc == SQLITE_OK ? prune(h, db, h->prune_all) : rc;
}

/* ---- reading ---- */

struct filter {
	const char *column, *value;
};

static int prepare_page(sqlite3 *db, const struct state_query *query, sqlite3_stmt **ret_stmt)
{
	const struct filter filters[] = { { "account", query->account },
					  { "instance_id", query->instance_id },
					  { "serial_number", query->serial_number },
					  { "version_type", query->version_type } };
	sqlite3_str *text = sqlite3_str_new(db);
	sqlite3_stmt *stmt = NULL;
	int n = 1, rc;
	char *sql;

	sqlite3_str_appendall(text, "SELECT id, " COLUMNS " FROM history WHERE id < ?1");
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		if (filters[i].value)
			sqlite3_str_appendf(text, " AND %s = ?%d", filters[i].column, ++n);
	}
	sqlite3_str_appendall(text, " ORDER BY id DESC");
	sql = sqlite3_str_finish(text);
	if (!sql)
		return SQLITE_NOMEM;
	rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	sqlite3_free(sql);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 1, query->before_id > 0 ? query->before_id : INT64_MAX);
	n = 1;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]) && rc == SQLITE_OK; i++) {
		if (filters[i].value)
			rc = sqlite3_bind_text(stmt, ++n, filters[i].value, -1, SQLITE_STATIC);
	}
	*ret_stmt = stmt;
	return rc;
}

/* What we would not have written, somebody else did: it is only shown, so it is made clean and goes on. */
static void read_row(sqlite3_stmt *stmt, struct history_page *page, size_t *used)
{
	struct state_history_row *row = &page->rows[page->n_rows];

	row->id = sqlite3_column_int64(stmt, 0);
	row->wall_s = sqlite3_column_int64(stmt, 1);
	for (unsigned int i = 0; i < HISTORY_TEXTS; i++) {
		const unsigned char *text = sqlite3_column_text(stmt, (int)i + 2);
		const char *from = text ? (const char *)text : "";
		char *copy = page->text + *used;

		*used += utf8_clean(from, strnlen(from, STATE_TEXT_MAX), copy, STATE_TEXT_MAX + 1) + 1;
		history_set_text(row, i, copy);
	}
	page->n_rows++;
}

int history_read(sqlite3 *db, const struct state_query *query, struct history_page *page)
{
	size_t limit = query->limit && query->limit < STATE_PART_MAX ? query->limit : STATE_PART_MAX, used = 0;
	sqlite3_stmt *stmt = NULL;
	int rc = prepare_page(db, query, &stmt);

	page->n_rows = 0;
	page->has_more = false;
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		page->has_more = page->n_rows == limit || page->size - used < HISTORY_ROW_TEXT;
		if (page->has_more)
			break;
		read_row(stmt, page, &used);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}
